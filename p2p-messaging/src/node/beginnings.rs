//! Where the own chain begins. A node that kept nothing of its own in a channel may have sent there
//! before, and lost its store: beginning at 1 again would contradict what others have of it for ever. It
//! asks them first, and sends when it knows; where nobody is there to ask, it begins after a while.

use super::control::{ControlResult, NewMessage};
use super::worker::Worker;
use crate::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::oneshot;

/// How long somebody is waited for who may know, in milliseconds.
const ALONE_MILLIS: u64 = 5_000;
/// How often it is waited for anew.
const MAX_AGAIN: u8 = 6;
/// The most messages that wait to be sent.
const MAX_PARKED: usize = 1024;

struct Unsure {
    since: UnixMillis,
    /// Somebody said how far it knows all chains of the channel.
    compared: bool,
    /// How often it is still begun anew: who was giving the own chain went away.
    again: u8,
}

/// Channels in which this node does not know yet where its chain begins.
#[derive(Default)]
pub(super) struct Beginnings {
    unsure: BTreeMap<ContentId, Unsure>,
    parked: VecDeque<(ContentId, NewMessage, oneshot::Sender<ControlResult>)>,
}

impl Worker {
    /// Takes part in a channel: nothing of its own may be there.
    pub(super) fn begin(&mut self, channel: &ContentId) {
        if self.knowledge.store.newest(&self.own_chain(channel)).is_none() {
            let since = self.uptime();
            let unsure = Unsure { since, compared: false, again: MAX_AGAIN };
            self.beginnings.unsure.entry(channel.clone()).or_insert(unsure);
        }
    }

    /// A peer has said of all chains of a channel how far it knows them.
    pub(super) fn compared(&mut self, channel: &ContentId) {
        if let Some(unsure) = self.beginnings.unsure.get_mut(channel) {
            unsure.compared = true;
            self.send_parked();
        }
    }

    /// A peer is gone that was to give these channels' own chains: others may know them.
    pub(super) fn compare_again(&mut self, gone: impl Fn(&ContentId) -> bool) {
        let now = self.uptime();
        for (channel, unsure) in &mut self.beginnings.unsure {
            if unsure.compared && unsure.again > 0 && gone(channel) {
                *unsure =
                    Unsure { since: now, compared: false, again: unsure.again.saturating_sub(1) };
            }
        }
    }

    /// Whether it is known where the own chain goes on.
    fn is_sure(&mut self, channel: &ContentId) -> bool {
        let Some(unsure) = self.beginnings.unsure.get(channel) else { return true };
        let alone = self.uptime().millis_since(unsure.since) >= ALONE_MILLIS;
        let sure = match unsure.compared {
            true => !self.ranges.wants(&self.own_chain(channel)),
            false => alone,
        };
        if sure {
            self.beginnings.unsure.remove(channel);
        }
        sure
    }

    /// Sends, or waits until it is known where the chain goes on.
    pub(super) fn send_when_sure(
        &mut self,
        new: NewMessage,
        reply: oneshot::Sender<ControlResult>,
    ) {
        match self.channel_named(&new.channel) {
            Ok(channel) if !self.is_sure(&channel) => {
                if self.beginnings.parked.len() < MAX_PARKED {
                    self.beginnings.parked.push_back((channel, new, reply));
                } else {
                    let sentence = "it asks its peers first how far it has sent".to_owned();
                    let _ = reply.send(Err((codes::NODE_BUSY, sentence)));
                }
            }
            // A channel that is not known is said to be so.
            _ => self.send(new, reply),
        }
    }

    /// Sends what waited, in order.
    pub(super) fn send_parked(&mut self) {
        for (channel, new, reply) in std::mem::take(&mut self.beginnings.parked) {
            if self.is_sure(&channel) {
                self.send(new, reply);
            } else {
                self.beginnings.parked.push_back((channel, new, reply));
            }
        }
    }
}
