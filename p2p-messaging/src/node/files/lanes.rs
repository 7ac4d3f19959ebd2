//! Which block is asked of which peer next: of those first who give, several at once of each; what one
//! did not give, of the others before it is asked of the same again.

use super::fetching::Came;
use crate::files::Held;
use libp2p::PeerId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The most blocks that are on their way from one peer.
pub(super) const MAX_WINDOW: u32 = 16;
/// With how many it begins.
const FIRST_WINDOW: u32 = 4;
/// How long one that has little rests before it is asked again.
const REST: Duration = Duration::from_millis(500);
/// How long one that says nothing rests at most.
const MAX_REST: Duration = Duration::from_secs(60);
/// A block, or an answer, that comes later than this came too slowly.
const SLOW: Duration = Duration::from_secs(10);
/// The most blocks of which is remembered that a peer did not give them.
const MAX_MISSED: usize = 65_536;

/// A peer that is asked.
struct Lane {
    window: u32,
    flying: u32,
    /// The block that is asked for next, if it is missing.
    next: u64,
    /// How many blocks running it did not give.
    misses: u32,
    /// Which ones it did not give when it was asked last.
    missed: BTreeSet<u64>,
    /// When it gave one, in the order of all.
    gave: u64,
    rest: Duration,
    rests_until: Option<Instant>,
}

/// Those that are asked for the blocks of a file.
pub(super) struct Lanes {
    all: BTreeMap<PeerId, Lane>,
    begins: u64,
    given: u64,
}

impl Lanes {
    /// Nobody yet. Each begins with this block.
    pub(super) fn new(begins: u64) -> Self {
        Self { all: BTreeMap::new(), begins, given: 0 }
    }

    /// These are there now.
    pub(super) fn are(&mut self, now: &[PeerId]) {
        self.all.retain(|peer, lane| lane.flying > 0 || now.contains(peer));
        for peer in now {
            self.all.entry(*peer).or_insert_with(|| Lane::new(self.begins));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What is asked of whom next.
    pub(super) fn next(
        &mut self,
        held: &Held,
        flying: &BTreeSet<u64>,
        at: Instant,
    ) -> Option<(PeerId, u64)> {
        let free = self.all.iter().filter(|(_, lane)| lane.has_room(at));
        let mut free: Vec<_> =
            free.map(|(peer, lane)| (lane.misses, Reverse(lane.gave), *peer)).collect();
        free.sort();
        let found = free.into_iter().find_map(|(.., peer)| {
            let number = self.number_for(&peer, held, flying, at)?;
            Some((peer, number))
        });
        let (peer, number) = found?;
        let lane = self.all.get_mut(&peer)?;
        lane.next = number.saturating_add(1);
        lane.flying = lane.flying.saturating_add(1);
        lane.missed.remove(&number);
        Some((peer, number))
    }

    fn number_for(
        &self,
        peer: &PeerId,
        held: &Held,
        flying: &BTreeSet<u64>,
        at: Instant,
    ) -> Option<u64> {
        let lane = self.all.get(peer)?;
        // Another is there that was not asked for it, or not since.
        let other = |number: u64| {
            let mut others = self.all.iter().filter(|(p, _)| *p != peer);
            others.any(|(_, other)| other.is_awake(at) && !other.missed.contains(&number))
        };
        let skip = |number: u64| {
            flying.contains(&number) || (lane.missed.contains(&number) && other(number))
        };
        held.missing_from(lane.next, &skip)
    }

    /// A block came from a peer, or did not.
    pub(super) fn landed(
        &mut self,
        peer: &PeerId,
        (number, took): (u64, Duration),
        came: &Came,
        at: Instant,
    ) {
        if matches!(came, Came::Here) {
            self.given = self.given.saturating_add(1);
            for lane in self.all.values_mut() {
                lane.missed.remove(&number);
            }
        }
        let given = self.given;
        if let Some(lane) = self.all.get_mut(peer) {
            lane.landed((number, took), came, given, at);
        }
    }
}

impl Lane {
    fn new(next: u64) -> Self {
        Self {
            window: FIRST_WINDOW,
            flying: 0,
            next,
            misses: 0,
            missed: BTreeSet::new(),
            gave: 0,
            rest: Duration::ZERO,
            rests_until: None,
        }
    }

    fn is_awake(&self, at: Instant) -> bool {
        self.window > 0 && self.rests_until.is_none_or(|until| at >= until)
    }

    fn has_room(&self, at: Instant) -> bool {
        self.flying < self.window && self.is_awake(at)
    }

    fn landed(&mut self, (number, took): (u64, Duration), came: &Came, given: u64, at: Instant) {
        self.flying = self.flying.saturating_sub(1);
        match came {
            Came::Here => {
                let more =
                    if took < SLOW { self.window.saturating_add(1) } else { self.window / 2 };
                self.window = more.clamp(self.window.min(1), MAX_WINDOW);
                (self.misses, self.gave, self.rest) = (0, given, Duration::ZERO);
            }
            Came::NotHere => {
                self.window = (self.window / 2).max(self.window.min(1));
                self.misses = self.misses.saturating_add(1);
                if self.missed.len() >= MAX_MISSED {
                    self.missed.clear();
                }
                self.missed.insert(number);
                if took >= SLOW {
                    // It said nothing: each time it is left alone for longer.
                    self.rest = self.rest.saturating_mul(2).clamp(REST, MAX_REST);
                    self.rests_until = at.checked_add(self.rest);
                } else if self.misses.is_multiple_of(MAX_WINDOW) {
                    // It has little: it is asked now and then.
                    self.rests_until = at.checked_add(REST);
                }
            }
            Came::Altered | Came::Failed(_) => {
                // What was asked of it beside this is answered, and nothing more is asked.
                self.window = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Manifest;
    use crate::files::held::Part;
    use crate::files::stage::stage;
    use crate::test_kit::cid;

    const QUICK: Duration = Duration::from_millis(1);
    const SILENT: Duration = Duration::from_secs(20);

    /// A file of so many blocks of which none is here.
    fn missing(blocks: usize) -> (tempfile::TempDir, tempfile::TempDir, Held, Held) {
        let (from, to) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("one"));
        let content: Vec<u8> = (0..blocks * 256).flat_map(|n| (n as u32).to_be_bytes()).collect();
        let made = stage(&mut &content[..], from.path(), &cid("channel"), None, 1024, &mut |_| {});
        let (id, _) = made.expect("staged");
        let whole = Held::open(from.path(), &id).expect("opens");
        let manifest = Manifest::parse(&whole.read(Part::Manifest).expect("here")).expect("one");
        let list = whole.read(Part::List(0)).expect("here");
        let held = Held::begin(to.path(), &id, &manifest, &[list]).expect("begun");
        (from, to, whole, held)
    }

    /// Two peers, the first of which stands first by its name.
    fn two() -> [PeerId; 2] {
        let mut two = [PeerId::random(), PeerId::random()];
        two.sort();
        two
    }

    #[test]
    fn the_last_block_is_asked_of_who_has_it_also_where_another_stands_before_it() {
        let [little, all] = two();
        let (_from, _to, whole, held) = missing(40);
        let mut lanes = Lanes::new(0);
        lanes.are(&[little, all]);
        let at = Instant::now();
        let mut asked = 0;
        while !held.is_whole() {
            let (peer, number) = lanes.next(&held, &BTreeSet::new(), at).expect("one is asked");
            let came = if peer == all { Came::Here } else { Came::NotHere };
            if peer == all {
                held.put(number, &whole.read(Part::Block(number)).expect("here")).expect("put");
            }
            lanes.landed(&peer, (number, QUICK), &came, at);
            asked += 1;
            assert!(asked <= 41, "one is asked again and again for what it has not");
        }
    }

    #[test]
    fn what_one_did_not_give_is_asked_of_another_first_and_then_of_it_again() {
        let [one, other] = two();
        let (_from, _to, _whole, held) = missing(1);
        let mut lanes = Lanes::new(0);
        lanes.are(&[one, other]);
        let (at, mut flying) = (Instant::now(), BTreeSet::new());
        let (first, number) = lanes.next(&held, &flying, at).expect("one");
        flying.insert(number);
        assert_eq!(lanes.next(&held, &flying, at), None);
        flying.clear();
        lanes.landed(&first, (number, QUICK), &Came::NotHere, at);
        let (second, _) = lanes.next(&held, &flying, at).expect("the other");
        assert_ne!(first, second);
        lanes.landed(&second, (number, QUICK), &Came::NotHere, at);
        // It may have come to the first meanwhile.
        assert!(lanes.next(&held, &flying, at).is_some());
    }

    #[test]
    fn who_says_nothing_is_left_alone_for_longer_each_time_and_who_gives_is_asked_for_more() {
        let [one, _] = two();
        let (_from, _to, _whole, held) = missing(8);
        let mut lanes = Lanes::new(0);
        lanes.are(&[one]);
        let (mut at, none, mut rests) = (Instant::now(), BTreeSet::new(), Vec::new());
        for _ in 0..9 {
            let (peer, number) = lanes.next(&held, &none, at).expect("it is asked");
            lanes.landed(&peer, (number, SILENT), &Came::NotHere, at);
            let began = at;
            while !lanes.all[&one].is_awake(at) {
                at += Duration::from_millis(250);
            }
            rests.push(at - began);
        }
        assert_eq!(rests[..3], [500, 1000, 2000].map(Duration::from_millis));
        assert_eq!(rests[8], MAX_REST);
        lanes.landed(&one, (0, QUICK), &Came::Here, at);
        assert!(lanes.next(&held, &none, at).is_some());
        assert!(lanes.next(&held, &none, at).is_some(), "two at once");
    }

    #[test]
    fn who_gave_other_bytes_is_asked_for_nothing_more() {
        let [one, other] = two();
        let (_from, _to, _whole, held) = missing(8);
        let mut lanes = Lanes::new(0);
        lanes.are(&[one, other]);
        let (at, none) = (Instant::now(), BTreeSet::new());
        let (liar, number) = lanes.next(&held, &none, at).expect("one");
        lanes.landed(&liar, (number, QUICK), &Came::Altered, at);
        for _ in 0..20 {
            if let Some((peer, number)) = lanes.next(&held, &none, at) {
                assert_ne!(peer, liar);
                lanes.landed(&peer, (number, QUICK), &Came::NotHere, at);
            }
        }
    }
}
