//! Silence: a channel in which nothing is heard while nobody is connected who reads it, or only peers of
//! one participant. It may be quiet; but who is cut off from everybody else hears as much. That is for
//! an operator to judge: nothing is decided by it.

use super::worker::Worker;
use crate::checking::{Checked, Right, Speaker};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How long nothing is heard before that is worth a word, in milliseconds.
const SILENT_MILLIS: u64 = 10 * 60 * 1000;
/// How often it is looked at, in ticks.
const LOOK_TICKS: u64 = 30;

/// A channel in which nothing is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Silence {
    /// Since when, by the time that the node has been running.
    since: UnixMillis,
    readers: usize,
    participants: usize,
}

/// What is heard, and where nothing is.
#[derive(Default)]
pub(super) struct Hearing {
    heard: BTreeMap<ContentId, UnixMillis>,
    silent: BTreeMap<ContentId, Silence>,
}

/// Whether it is worth a word that a channel is silent.
fn silence(
    since: UnixMillis,
    now: UnixMillis,
    (readers, participants): (usize, usize),
) -> Option<Silence> {
    let long = now.millis_since(since) >= SILENT_MILLIS;
    (long && participants <= 1).then_some(Silence { since, readers, participants })
}

impl Worker {
    /// A message of somebody else was admitted.
    pub(super) fn heard(&mut self, channel: &ContentId) {
        let now = self.uptime();
        self.hearing.silent.remove(channel);
        self.hearing.heard.insert(channel.clone(), now);
    }

    /// What this node may have of a channel, and what the channel says of reading it.
    pub(super) fn own_right(
        &mut self,
        channel: &ContentId,
        presentation: &ContentId,
        now: UnixMillis,
    ) -> (Option<Right>, Checked) {
        let authorisation = self.knowledge.material.authorisation.as_ref().map(|a| a.id.clone());
        let speaker = Speaker {
            channel,
            participant: &self.me.participant,
            node: authorisation
                .as_ref()
                .filter(|_| self.me.participant != self.me.node)
                .map(|id| (&self.me.node, id)),
            presentation,
        };
        self.checker.may_have(&speaker, &self.knowledge, now)
    }

    /// Finds out where nothing is heard.
    pub(super) fn tick_hearing(&mut self) {
        if self.ticks.checked_rem(LOOK_TICKS) != Some(0) {
            return;
        }
        let (now, uptime) = (self.now(), self.uptime());
        let own: Vec<_> = (self.knowledge.material.presentations.iter())
            .map(|(channel, own)| (channel.clone(), own.id.clone()))
            .collect();
        let before = std::mem::take(&mut self.hearing.silent);
        for (channel, presentation) in own {
            // Who only sends is told nothing by anybody.
            if self.own_right(&channel, &presentation, now).0.is_none() {
                continue;
            }
            let since = self.hearing.heard.get(&channel).copied();
            let since = since.unwrap_or_else(|| UnixMillis::new(0));
            let Some(silence) = silence(since, uptime, self.readers_of(&channel)) else { continue };
            if !before.contains_key(&channel) {
                let participants = silence.participants;
                tracing::warn!(%channel, participants, "nothing is heard, and few are here to hear it from");
            }
            self.hearing.silent.insert(channel, silence);
        }
        self.metrics.silent(self.hearing.silent.len());
    }

    /// How many peers read a channel, and of how many participants they are.
    fn readers_of(&self, channel: &ContentId) -> (usize, usize) {
        let readers: Vec<_> = self.peers.open().filter(|p| self.peers.may(p, channel)).collect();
        let participants: BTreeSet<_> =
            readers.iter().filter_map(|p| self.guests.participant(&p.to_string())).collect();
        (readers.len(), participants.len())
    }

    /// What an operator is told of it.
    pub(super) fn silence_of(&self, channel: &ContentId) -> Value {
        let Some(silence) = self.hearing.silent.get(channel) else { return Value::Null };
        let ago = self.uptime().millis_since(silence.since);
        let since = UnixMillis::new(self.now().get().saturating_sub(ago));
        json!({
            "since": since,
            "readers": silence.readers,
            "participants": silence.participants,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_worth_a_word_where_few_could_break_it() {
        let (since, long) = (UnixMillis::new(5_000), UnixMillis::new(5_000 + SILENT_MILLIS));
        for (readers, worth) in [((0, 0), true), ((12, 1), true), ((2, 2), false)] {
            assert_eq!(silence(since, long, readers).is_some(), worth, "{readers:?}");
        }
        assert_eq!(silence(since, UnixMillis::new(60_000), (0, 0)), None, "not long");
    }
}
