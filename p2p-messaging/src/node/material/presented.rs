//! Which of the presentations that a node was given counts.

use super::{Material, OwnPresentation};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;

impl Material {
    /// Notes one that was given: it may count when another has ended.
    pub(super) fn hold_presentation(&mut self, own: OwnPresentation) {
        let held = self.held.entry(own.channel.clone()).or_default();
        held.retain(|p| p.id != own.id);
        held.push(own);
    }

    /// Chooses anew for each channel: of those of whoever shows the one that counted, the last signed that
    /// holds at this time; of one second, the last given. Gives the channels for which another counts now.
    pub fn choose_presentations(&mut self, now: UnixMillis) -> Vec<ContentId> {
        let mut changed = Vec::new();
        for (channel, counts) in &mut self.presentations {
            let held = self.held.get(channel).into_iter().flatten();
            let of_it = held.filter(|p| p.holder == counts.holder);
            let best = of_it.max_by_key(|p| (p.expires > now, p.signed));
            if let Some(best) = best.filter(|best| best.id != counts.id) {
                *counts = best.clone();
                changed.push(channel.clone());
            }
        }
        changed
    }
}
