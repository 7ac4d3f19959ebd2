//! How many receipts of one key count for each message. A node signs few of one message; and one that signs without
//! end of everything before could make nobody able to verify the bundle of whoever it received from.

use std::collections::BTreeMap;

/// So many count for a message: the first.
const MOST: u8 = 16;

/// How many receipts of one key speak of the numbers of a chain: from each number, until which, and how many.
#[derive(Default)]
pub(super) struct Room(BTreeMap<u64, (u64, u8)>);

impl Room {
    /// One more speaks of these numbers; gives those of them of which fewer did before than are taken.
    pub(super) fn take(&mut self, from: u64, until: u64) -> Vec<(u64, u64)> {
        let mut taken = Vec::new();
        let mut next = self.begin(from);
        while let Some(at) = next.filter(|at| *at <= until) {
            let held = self.0.range(at..=until).next().map(|(start, of)| (*start, *of));
            let (last, count) = match held {
                None => (until, 0),
                Some((start, _)) if start > at => (start.saturating_sub(1), 0),
                Some((_, (end, count))) if count >= MOST => {
                    next = end.checked_add(1);
                    continue;
                }
                Some((_, (end, count))) => {
                    if let Some(after) = until.checked_add(1).filter(|after| *after <= end) {
                        self.0.insert(after, (end, count));
                    }
                    (end.min(until), count)
                }
            };
            self.0.insert(at, (last, count.saturating_add(1)));
            taken.push((at, last));
            next = self.join(at, last).checked_add(1);
        }
        taken
    }

    /// Where a range goes on that begins with a number: what lies around it is cut there, or skipped where there
    /// is no room.
    fn begin(&mut self, from: u64) -> Option<u64> {
        let around = self.0.range(..from).next_back().map(|(start, of)| (*start, *of));
        match around.filter(|(_, (end, _))| *end >= from) {
            None => Some(from),
            Some((_, (end, count))) if count >= MOST => end.checked_add(1),
            Some((start, (end, count))) => {
                self.0.insert(start, (from.saturating_sub(1), count));
                self.0.insert(from, (end, count));
                Some(from)
            }
        }
    }

    /// What has no room any more becomes one with what lies beside it and has none: it is passed over at once.
    /// Gives where that ends.
    fn join(&mut self, start: u64, end: u64) -> u64 {
        if self.0.get(&start).is_none_or(|(_, count)| *count < MOST) {
            return end;
        }
        let after = end.checked_add(1).and_then(|after| Some((after, *self.0.get(&after)?)));
        let (mut start, mut end) = (start, end);
        if let Some((after, (last, _))) = after.filter(|(_, (_, count))| *count >= MOST) {
            self.0.remove(&after);
            end = last;
        }
        let before = self.0.range(..start).next_back().map(|(first, of)| (*first, *of));
        let touches = |(_, (last, count)): &(u64, (u64, u8))| {
            *count >= MOST && last.checked_add(1) == Some(start)
        };
        if let Some((first, _)) = before.filter(touches) {
            self.0.remove(&start);
            start = first;
        }
        self.0.insert(start, (end, MOST));
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_count_for_a_number_as_are_taken() {
        let mut room = Room::default();
        let mut counts = [0_u8; 64];
        let mut seed = 7_u64;
        for _ in 0..600 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (a, b) = ((seed >> 33) % 64, (seed >> 45) % 64);
            let (from, until) = (a.min(b), a.max(b));
            let taken = room.take(from, until);
            for number in from..=until {
                let is_taken = taken.iter().any(|(a, b)| (*a..=*b).contains(&number));
                let count = &mut counts[usize::try_from(number).expect("small")];
                assert_eq!(is_taken, *count < MOST, "{number} of {from} to {until}");
                *count = count.saturating_add(1).min(MOST);
            }
        }
        for _ in 0..MOST {
            room.take(0, 63);
        }
        assert_eq!(room.0.len(), 1, "what is full is one");
        assert_eq!(room.take(60, u64::MAX), [(64, u64::MAX)]);
    }
}
