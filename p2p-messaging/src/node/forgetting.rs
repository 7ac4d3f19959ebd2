//! Forgetting what is old: every hour, one file of the log with each tick.

use super::worker::Worker;
use crate::sealing::MAX_EPOCH_MILLIS;
use crate::store::{Forgetting, Forgot};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use std::collections::HashMap;

/// How long keys are kept whose epoch does not come, in milliseconds.
const GRANT_MILLIS: u64 = 24 * 3600 * 1000;

impl Worker {
    /// For how long payloads are kept, in milliseconds: also of channels that were left, since what was said
    /// there is kept no longer for that.
    fn retentions(&self) -> HashMap<ContentId, u64> {
        let material = &self.knowledge.material;
        (material.left.iter())
            .chain(&material.channels)
            .map(|(id, c)| (id.clone(), c.descriptor().retention.seconds.saturating_mul(1000)))
            .collect()
    }

    /// Begins to forget what is old.
    pub(super) fn begin_to_forget(&mut self, now: UnixMillis) {
        let retentions = self.retentions();
        self.forget_files(now, &retentions);
        self.forget_cut_ends(now, &retentions);
        self.newest_given.forget();
        self.forgetting = Some(0);
    }

    /// Forgets in one more file of the log, where there is one to look at: whoever asks something meanwhile
    /// waits for no more.
    pub(super) fn forget_some(&mut self, now: UnixMillis) {
        let Some(from) = self.forgetting else { return };
        let retentions = self.retentions();
        let kept_for = |channel: &ContentId| retentions.get(channel).copied().unwrap_or(u64::MAX);
        let payload =
            |channel: &ContentId, issued: UnixMillis| now.millis_since(issued) > kept_for(channel);
        // No message names an epoch that began longer ago.
        let epoch = |channel: &ContentId, begun: UnixMillis| {
            now.millis_since(begun) > kept_for(channel).saturating_add(MAX_EPOCH_MILLIS)
        };
        let grants_before = UnixMillis::new(now.get().saturating_sub(GRANT_MILLIS));
        let what = Forgetting { payload: &payload, epoch: &epoch, grants_before };
        match self.knowledge.store.forget_some(&what, from) {
            Ok(Forgot { count, damaged, next }) => {
                if count > 0 || damaged.is_some() {
                    tracing::info!(count, ?damaged, "payloads and keys were forgotten");
                    self.newest_given.forget();
                }
                self.forgetting = next;
            }
            Err(e) => {
                tracing::error!(code = %e.code(), "forgetting failed: {e}");
                self.forgetting = None;
            }
        }
    }

    /// What was cut off of the log can be of any channel: it is given up when nothing is kept any more
    /// that came then.
    fn forget_cut_ends(&self, now: UnixMillis, retentions: &HashMap<ContentId, u64>) {
        let Some(longest) = retentions.values().max() else { return };
        let kept_for = longest.saturating_add(MAX_EPOCH_MILLIS);
        let before = UnixMillis::new(now.get().saturating_sub(kept_for));
        match self.knowledge.store.forget_cut_ends(before) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "what was cut off of the log was forgotten"),
            Err(e) => tracing::error!(code = %e.code(), "forgetting failed: {e}"),
        }
    }
}
