//! What peers gave of a chain and was looked at: it is not asked of them again for a while, unless what
//! kept it from being taken has passed.

use crate::checking::{Chain, Checked, Verdict};
use crate::codes;
use gridpass_identity::code::Code;
use gridpass_identity::codes::SIGNED_IN_FUTURE;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::codes as policy_codes;
use libp2p::PeerId;
use std::collections::{BTreeMap, HashMap};

/// How long what a peer did not have is not asked of it again, in milliseconds.
const HOPELESS_MILLIS: u64 = 10 * 60 * 1000;
/// The most chains of peers that are remembered as hopeless.
const MAX_HOPELESS: usize = 16_384;
/// By how much a clock is moved, in milliseconds, so that what was judged by it is looked at again.
const MOVED_MILLIS: u64 = 30_000;
/// How often is said for what reason something was left aside, in milliseconds.
const SAID_MILLIS: u64 = 60_000;
/// How long it counts that something was left aside, or was early, in milliseconds: longer than what was looked
/// at rests, so that it is known again by then.
const COUNTS_MILLIS: u64 = 15 * 60 * 1000;
/// The most chains, or senders, of which that is remembered.
const MAX_SENDERS: usize = 4096;

/// Why something was left aside, and for how long the node had been running then.
struct Aside {
    code: Code,
    sentence: String,
    at: UnixMillis,
}

#[derive(Default)]
pub(super) struct Looked {
    /// Up to where a peer gave of a chain what it has, and since when that is known.
    hopeless: HashMap<(PeerId, Chain), (u64, UnixMillis)>,
    /// A time of the clock, and for how long the node had been running then.
    clock: Option<(UnixMillis, UnixMillis)>,
    /// When was said last that something was left aside, and how often it was since, by reason.
    said: BTreeMap<&'static str, (UnixMillis, u64)>,
    /// What was left aside last of a chain.
    aside: BTreeMap<Chain, Aside>,
    /// By how much a sender's messages were dated ahead of the clock here, in milliseconds, and when that was last.
    early: BTreeMap<Did, (u64, UnixMillis)>,
    /// When was said last that the clock here is behind.
    told_behind: Option<UnixMillis>,
}

impl Looked {
    /// A peer has nothing up to there that is to be asked for.
    pub(super) fn through(&mut self, peer: PeerId, chain: Chain, until: u64, uptime: UnixMillis) {
        if self.hopeless.len() >= MAX_HOPELESS {
            self.hopeless.clear();
        }
        self.hopeless.insert((peer, chain), (until, uptime));
    }

    /// Up to where that is so.
    pub(super) fn until(&self, peer: PeerId, chain: &Chain, uptime: UnixMillis) -> Option<u64> {
        let (until, since) = self.hopeless.get(&(peer, chain.clone()))?;
        (uptime.millis_since(*since) < HOPELESS_MILLIS).then_some(*until)
    }

    /// All is asked for again.
    pub(super) fn again(&mut self) {
        self.hopeless.clear();
    }

    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.hopeless.retain(|(p, _), _| p != peer);
    }

    /// What the clock would say, where it was moved since this was asked. All is asked for again then.
    pub(super) fn clock_moved(
        &mut self,
        now: UnixMillis,
        uptime: UnixMillis,
    ) -> Option<UnixMillis> {
        let (then, since) = *self.clock.get_or_insert((now, uptime));
        let expected = then.plus_millis(uptime.millis_since(since));
        if expected.get().abs_diff(now.get()) <= MOVED_MILLIS {
            return None;
        }
        self.clock = Some((now, uptime));
        (self.told_behind, self.early) = (None, BTreeMap::new());
        self.again();
        Some(expected)
    }

    /// How many were left aside for this reason since that was said; nothing where it was a short while
    /// ago, or where there is nothing to say.
    pub(super) fn say_left_aside(&mut self, checked: &Checked, uptime: UnixMillis) -> Option<u64> {
        if checked.verdict != Verdict::Ignore || checked.code == codes::ENVELOPE_DUPLICATE {
            return None;
        }
        if let Some(envelope) = &checked.envelope {
            let (code, sentence, at) = (checked.code, checked.sentence.clone(), uptime);
            if self.aside.len() >= MAX_SENDERS {
                self.aside.clear();
            }
            let chain = Chain::of(envelope.header());
            self.aside.insert(chain, Aside { code, sentence, at });
        }
        self.count(checked.code, uptime)
    }

    /// Why something of a chain was left aside by catching up, where that was a short while ago. What another
    /// node of its sender said is another chain.
    pub(super) fn left_aside(&self, chain: &Chain, uptime: UnixMillis) -> Option<(Code, &str)> {
        let aside = self.aside.get(chain)?;
        let counts = uptime.millis_since(aside.at) < COUNTS_MILLIS;
        counts.then_some((aside.code, aside.sentence.as_str()))
    }

    /// Whether that is noted of a sender already, a short while ago.
    pub(super) fn was_early(&self, sender: &Did, uptime: UnixMillis) -> bool {
        self.early.get(sender).is_some_and(|(_, at)| uptime.millis_since(*at) < SAID_MILLIS)
    }

    /// A message came that is dated ahead of what the clock says by more than its channel lets clocks differ, from
    /// somebody who is known. Gives by how much the clock here seems to be behind, where that is to be said.
    pub(super) fn note_early(
        &mut self,
        checked: &Checked,
        now: UnixMillis,
        uptime: UnixMillis,
    ) -> Option<u64> {
        let made = checked.envelope.as_ref().map(|e| e.header());
        let made = made.filter(|_| checked.code == policy_codes::MESSAGE_FROM_FUTURE)?;
        if self.early.len() >= MAX_SENDERS {
            self.early.clear();
        }
        let ahead = made.issued.millis_since(now);
        let (most, at) = self.early.entry(made.sender.clone()).or_insert((ahead, uptime));
        (*most, *at) = ((*most).max(ahead), uptime);
        let behind = self.clock_behind(uptime)?;
        let told = self.told_behind.is_some_and(|at| uptime.millis_since(at) < COUNTS_MILLIS);
        self.told_behind = Some(uptime);
        (!told).then_some(behind)
    }

    /// By how much the clock here seems to be behind, in milliseconds: messages of two senders or more are dated ahead of
    /// it. Where they are of one, it may be that one's which is wrong.
    pub(super) fn clock_behind(&self, uptime: UnixMillis) -> Option<u64> {
        let early = self.early.values();
        let counting = early.filter(|(_, at)| uptime.millis_since(*at) < COUNTS_MILLIS);
        let mut ahead: Vec<u64> = counting.map(|(ahead, _)| *ahead).collect();
        ahead.sort_unstable();
        // Not what one of them says alone.
        ahead.iter().rev().nth(1).copied()
    }

    fn count(&mut self, code: Code, uptime: UnixMillis) -> Option<u64> {
        match self.said.get_mut(code.id()) {
            Some((at, count)) => {
                *count = count.saturating_add(1);
                if uptime.millis_since(*at) < SAID_MILLIS {
                    return None;
                }
                *at = uptime;
                Some(std::mem::take(count))
            }
            None => {
                self.said.insert(code.id(), (uptime, 0));
                Some(1)
            }
        }
    }
}

/// Whether something is left aside because it was made after what the clock says here: time passes, or the
/// clock is set right. What was made before is judged as of then, and another time changes nothing.
pub(super) fn is_early(checked: &Checked, now: UnixMillis) -> bool {
    let made = checked.envelope.as_ref().map(|e| e.header().issued);
    checked.verdict == Verdict::Ignore
        && made.is_some_and(|made| made > now)
        && passes_with_time(checked.code)
}

fn passes_with_time(code: Code) -> bool {
    [policy_codes::MESSAGE_FROM_FUTURE, policy_codes::CHANNEL_NOT_YET, SIGNED_IN_FUTURE]
        .contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Envelope, Header};
    use crate::test_kit::{NOW, header, key};

    fn chain() -> Chain {
        Chain::of(&header(&key(1)))
    }

    #[test]
    fn what_was_looked_through_rests_for_ten_minutes_or_until_the_clock_is_set_right() {
        let at = UnixMillis::new;
        let (mut looked, peer) = (Looked::default(), PeerId::random());
        let right = 1_800_000_000_000;
        assert_eq!(looked.clock_moved(at(right - 3_600_000), at(1_000)), None);
        looked.through(peer, chain(), 7, at(2_000));
        assert_eq!(looked.until(peer, &chain(), at(3_000)), Some(7));
        assert_eq!(looked.until(PeerId::random(), &chain(), at(3_000)), None);
        // As time goes by, and corrected by a little, it stays so.
        assert_eq!(looked.clock_moved(at(right - 3_600_000 + 30_000), at(2_000)), None);
        assert_eq!(looked.until(peer, &chain(), at(3_000)), Some(7));
        // It is set right.
        let expected = at(right - 3_600_000 + 3_000);
        assert_eq!(looked.clock_moved(at(right), at(4_000)), Some(expected));
        assert_eq!(looked.until(peer, &chain(), at(4_000)), None);
        assert_eq!(looked.clock_moved(at(right + 60_000), at(64_000)), None);
        // Set back, too.
        assert_eq!(looked.clock_moved(at(right), at(65_000)), Some(at(right + 61_000)));
        looked.through(peer, chain(), 7, at(70_000));
        assert_eq!(looked.until(peer, &chain(), at(70_000 + HOPELESS_MILLIS)), None);
    }

    #[test]
    fn what_passes_with_time_is_that_which_is_too_early() {
        assert!(passes_with_time(policy_codes::MESSAGE_FROM_FUTURE));
        assert!(passes_with_time(policy_codes::CHANNEL_NOT_YET));
        assert!(passes_with_time(SIGNED_IN_FUTURE));
        assert!(!passes_with_time(codes::ENVELOPE_TOO_OLD));
        assert!(!passes_with_time(policy_codes::MESSAGE_RATE));
        // What was made before now is judged as of then, whatever it is now.
        let made = NOW.plus_millis(30_000);
        let envelope = Header { issued: made, ..header(&key(1)) };
        let envelope = Envelope::sign(envelope, b"{}".to_vec(), &key(1)).expect("signed");
        let left_aside = |code, verdict| Checked {
            verdict,
            code,
            sentence: String::new(),
            envelope: Some(Box::new(envelope.clone())),
            keep: false,
            deliver: false,
            unopened: false,
            answers: false,
            decided: None,
            effects: Vec::new(),
        };
        let early = left_aside(SIGNED_IN_FUTURE, Verdict::Ignore);
        assert!(is_early(&early, NOW) && !is_early(&early, made));
        assert!(!is_early(&left_aside(SIGNED_IN_FUTURE, Verdict::Refuse), NOW));
        assert!(!is_early(&left_aside(codes::ENVELOPE_TOO_OLD, Verdict::Ignore), NOW));
    }

    fn ignored(code: Code, sender: u8, issued: UnixMillis) -> Checked {
        let expires = issued.plus_millis(60_000);
        let header = Header { issued, expires, ..header(&key(sender)) };
        let envelope = Envelope::sign(header, b"{}".to_vec(), &key(sender)).expect("signed");
        Checked {
            verdict: Verdict::Ignore,
            code,
            sentence: "it is so".to_owned(),
            envelope: Some(Box::new(envelope)),
            keep: false,
            deliver: false,
            unopened: false,
            answers: false,
            decided: None,
            effects: Vec::new(),
        }
    }

    #[test]
    fn where_messages_of_two_senders_are_early_the_clock_here_is_behind() {
        let (mut looked, at) = (Looked::default(), UnixMillis::new);
        let early = |sender, ahead| {
            ignored(policy_codes::MESSAGE_FROM_FUTURE, sender, NOW.plus_millis(ahead))
        };
        assert_eq!(looked.note_early(&early(1, 900_000), NOW, at(0)), None);
        assert_eq!(looked.note_early(&early(1, 900_001), NOW, at(1)), None, "it may be its clock");
        assert_eq!(looked.clock_behind(at(1)), None);
        let sender = header(&key(1)).sender;
        assert!(looked.was_early(&sender, at(SAID_MILLIS)), "it is not looked at again");
        assert!(!looked.was_early(&sender, at(1 + SAID_MILLIS)));
        assert!(!looked.was_early(&header(&key(2)).sender, at(1)));
        let other = ignored(policy_codes::MESSAGE_RATE, 2, NOW.plus_millis(90_000));
        assert_eq!(looked.note_early(&other, NOW, at(2)), None);
        assert_eq!(looked.note_early(&early(2, 90_000), NOW, at(3)), Some(90_000));
        assert_eq!(looked.note_early(&early(2, 80_000), NOW, at(4)), None, "it was said");
        assert_eq!(looked.clock_behind(at(5)), Some(90_000));
        assert_eq!(looked.clock_behind(at(4 + COUNTS_MILLIS)), None, "it is over");
        // It is set right.
        looked.note_early(&early(1, 90_000), NOW, at(6));
        assert_eq!(looked.clock_moved(NOW, at(7)), None);
        assert!(looked.clock_moved(NOW.plus_millis(90_000), at(8)).is_some());
        assert_eq!(looked.clock_behind(at(8)), None);
    }

    #[test]
    fn why_something_was_left_aside_is_known_for_a_while() {
        let (mut looked, at) = (Looked::default(), UnixMillis::new);
        let checked = ignored(codes::ENVELOPE_TOO_OLD, 1, NOW);
        let of = |looked: &Looked, at| looked.left_aside(&chain(), at).map(|(code, _)| code);
        assert_eq!(of(&looked, at(0)), None);
        looked.say_left_aside(&checked, at(0));
        // Another node of the sender has another chain, of which nothing was.
        let other = Chain { key: Chain::of(&header(&key(2))).key, ..chain() };
        assert_eq!(looked.left_aside(&other, at(1)), None);
        assert_eq!(of(&looked, at(COUNTS_MILLIS - 1)), Some(codes::ENVELOPE_TOO_OLD));
        assert_eq!(of(&looked, at(COUNTS_MILLIS)), None);
        looked.say_left_aside(&ignored(codes::ENVELOPE_DUPLICATE, 1, NOW), at(COUNTS_MILLIS));
        assert_eq!(of(&looked, at(COUNTS_MILLIS)), None, "it is here");
    }

    #[test]
    fn a_reason_is_said_once_a_minute_with_how_often_it_was() {
        let (mut looked, at) = (Looked::default(), UnixMillis::new);
        let (early, rate) = (policy_codes::MESSAGE_FROM_FUTURE, policy_codes::MESSAGE_RATE);
        assert_eq!(looked.count(early, at(0)), Some(1));
        assert_eq!(looked.count(early, at(30_000)), None);
        assert_eq!(looked.count(rate, at(30_000)), Some(1));
        assert_eq!(looked.count(early, at(60_000)), Some(2));
        assert_eq!(looked.count(early, at(61_000)), None);
    }
}
