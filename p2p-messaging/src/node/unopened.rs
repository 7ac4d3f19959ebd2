//! Messages that are here, for this participant, and without their keys; and when their senders are told
//! that this node was left out. No clock.

use crate::checking::Chain;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeMap;

/// The most messages whose key is waited for.
const MAX_UNOPENED: usize = 4096;
/// How long a key is waited for before the sender is told that this node was left out, in
/// milliseconds.
const LEFT_OUT_MILLIS: u64 = 30_000;

/// The number of a message in its chain.
pub(super) type Place = (Chain, u64);

struct One {
    id: EnvelopeId,
    epoch: ContentId,
    since: UnixMillis,
    told: bool,
}

/// Those that wait.
#[derive(Default)]
pub(super) struct Unopened {
    waiting: BTreeMap<Place, One>,
    /// Whether more wait for their keys than are noted.
    more: bool,
}

impl Unopened {
    /// One came. Whether its epoch's key is lacked by none of those that came before.
    pub(super) fn note(
        &mut self,
        place: Place,
        (id, epoch): (EnvelopeId, ContentId),
        now: UnixMillis,
    ) -> bool {
        if self.waiting.len() >= MAX_UNOPENED {
            self.more = true;
            return false;
        }
        if self.waiting.contains_key(&place) {
            return false;
        }
        let is_new = !self.waiting.values().any(|u| u.epoch == epoch);
        self.waiting.insert(place, One { id, epoch, since: now, told: false });
        is_new
    }

    /// The epochs of a channel whose keys are missing, the newest first.
    pub(super) fn lacks(&self, channel: &ContentId, most: usize) -> Vec<ContentId> {
        let here = self.waiting.iter().filter(|((c, _), _)| &c.channel == channel);
        let mut all: Vec<_> = here.map(|(_, u)| (u.since, &u.epoch)).collect();
        all.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
        let mut lacks: Vec<ContentId> = Vec::new();
        for (_, epoch) in all {
            if lacks.len() < most && !lacks.contains(epoch) {
                lacks.push(epoch.clone());
            }
        }
        lacks
    }

    /// Those that wait: of one chain, or of all.
    pub(super) fn of(&self, chain: Option<&Chain>) -> Vec<(Place, EnvelopeId)> {
        let of_it = self.waiting.iter().filter(|((c, _), _)| chain.is_none_or(|of| of == c));
        of_it.map(|(place, one)| (place.clone(), one.id.clone())).collect()
    }

    /// The epoch of one that waits.
    pub(super) fn epoch(&self, place: &Place) -> Option<&ContentId> {
        self.waiting.get(place).map(|u| &u.epoch)
    }

    /// One waits no more.
    pub(super) fn remove(&mut self, place: &Place) {
        self.waiting.remove(place);
    }

    /// Whether more wait than were noted, since this was asked last.
    pub(super) fn take_more(&mut self) -> bool {
        std::mem::take(&mut self.more)
    }

    /// Those that waited so long that their sender is told now. It is told once.
    pub(super) fn left_out(&mut self, now: UnixMillis) -> Vec<(Place, EnvelopeId)> {
        let mut left_out = Vec::new();
        for (place, one) in &mut self.waiting {
            if !one.told && now.millis_since(one.since) >= LEFT_OUT_MILLIS {
                one.told = true;
                left_out.push((place.clone(), one.id.clone()));
            }
        }
        left_out
    }

    /// Those that wait, of one channel or of all, in order: the epoch of each, and whether its sender was told.
    pub(super) fn here(
        &self,
        channel: Option<&ContentId>,
    ) -> impl Iterator<Item = (&Place, &ContentId, bool)> {
        let is_here = move |of: &ContentId| channel.is_none_or(|channel| channel == of);
        let here = self.waiting.iter().filter(move |((c, _), _)| is_here(&c.channel));
        here.map(|(place, one)| (place, &one.epoch, one.told))
    }

    /// Whether more wait than were noted.
    pub(super) fn has_more(&self) -> bool {
        self.more
    }

    /// How many of a channel wait, and of how many of those the sender was told.
    pub(super) fn count(&self, channel: &ContentId) -> (usize, usize) {
        let here = || self.waiting.iter().filter(|((c, _), _)| &c.channel == channel);
        (here().count(), here().filter(|(_, u)| u.told).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{NOW, cid, did_of, key};

    fn place(sequence: u64) -> Place {
        let key = did_of(&key(1));
        (Chain { channel: cid("channel"), sender: key.did().clone(), key }, sequence)
    }

    fn id(sequence: u64) -> EnvelopeId {
        EnvelopeId::of_block(&sequence.to_be_bytes()).expect("a name")
    }

    fn noted(unopened: &mut Unopened, sequence: u64, epoch: &str, at: u64) -> bool {
        let of = (id(sequence), cid(epoch));
        unopened.note(place(sequence), of, NOW.plus_millis(at))
    }

    #[test]
    fn a_sender_is_told_once_of_each_after_thirty_seconds() {
        let mut unopened = Unopened::default();
        noted(&mut unopened, 1, "a", 0);
        noted(&mut unopened, 2, "a", 1);
        let told = |u: &mut Unopened, at: u64| {
            let all = u.left_out(NOW.plus_millis(at)).into_iter();
            all.map(|((_, sequence), _)| sequence).collect::<Vec<_>>()
        };
        assert!(told(&mut unopened, 29_999).is_empty());
        assert_eq!(told(&mut unopened, 30_000), [1]);
        assert_eq!(unopened.count(&cid("channel")), (2, 1));
        assert_eq!(told(&mut unopened, 30_001), [2]);
        assert!(told(&mut unopened, 60_000).is_empty(), "once");
        // What comes again waits from then on, and what was opened is not told of.
        unopened.remove(&place(1));
        noted(&mut unopened, 1, "a", 50_000);
        assert!(told(&mut unopened, 79_999).is_empty());
        unopened.remove(&place(1));
        assert!(told(&mut unopened, 90_000).is_empty());
        assert_eq!(unopened.count(&cid("channel")), (1, 1));
    }

    #[test]
    fn an_epoch_is_asked_for_once_and_the_newest_first() {
        let mut unopened = Unopened::default();
        assert!(noted(&mut unopened, 1, "a", 0));
        assert!(!noted(&mut unopened, 2, "a", 1), "it is asked for");
        assert!(!noted(&mut unopened, 1, "b", 1), "it is noted");
        assert!(noted(&mut unopened, 3, "b", 2));
        assert_eq!(unopened.lacks(&cid("channel"), 9), [cid("b"), cid("a")]);
        assert_eq!(unopened.lacks(&cid("channel"), 1), [cid("b")]);
        assert!(unopened.lacks(&cid("another"), 9).is_empty());
    }

    #[test]
    fn no_more_are_noted_than_there_is_room_for() {
        let mut unopened = Unopened::default();
        let many = u64::try_from(MAX_UNOPENED).expect("small");
        for sequence in 1..=many {
            noted(&mut unopened, sequence, "a", 0);
        }
        assert!(!unopened.take_more());
        assert!(!unopened.has_more());
        assert!(!noted(&mut unopened, many + 1, "b", 0));
        assert!(unopened.has_more(), "it is shown");
        assert_eq!(unopened.of(None).len(), MAX_UNOPENED);
        assert!(unopened.take_more() && !unopened.take_more());
    }
}
