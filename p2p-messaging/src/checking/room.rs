//! Who makes room for one more, where what waits has a bounded room: the one rule for envelopes, counted in bytes,
//! and for statements, counted in places.

use std::collections::{BTreeMap, BTreeSet};

/// What something that waits takes of the room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken<'n, T> {
    /// Whose it is: of those that are somebody, or of strangers. They have rooms of their own.
    pub(crate) holder: (bool, &'n str),
    /// How much it takes.
    pub(crate) cost: usize,
    /// Since when it waits, in whatever tells the latest.
    pub(crate) since: T,
}

/// Which of those that wait make room for one more, by their places; nothing where there is no room for it. The latest
/// of whoever has most makes it, if that is more than the new one's holder has with it: whoever sends most
/// has no more of the room than anybody else who asks for some. Names cost nothing: so strangers have a room of their own.
pub(crate) fn who_makes_room<T: Ord + Copy>(
    waiting: &[Taken<'_, T>],
    new: &Taken<'_, T>,
    room: usize,
) -> Option<BTreeSet<usize>> {
    let (is_known, mine) = new.holder;
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = new.cost;
    for one in waiting.iter().filter(|one| one.holder.0 == is_known) {
        let of_it = taken.entry(one.holder.1).or_default();
        (*of_it, all) = (of_it.saturating_add(one.cost), all.saturating_add(one.cost));
    }
    let own = taken.get(mine).copied().unwrap_or_default().saturating_add(new.cost);
    let mut gone = BTreeSet::new();
    while all > room {
        let (most, of_it) = taken.iter_mut().max_by_key(|(_, cost)| **cost)?;
        if *of_it <= own {
            return None;
        }
        let its = waiting.iter().enumerate();
        let its = its.filter(|(i, one)| one.holder == (is_known, *most) && !gone.contains(i));
        let (place, latest) = its.max_by_key(|(_, one)| one.since)?;
        *of_it = of_it.saturating_sub(latest.cost);
        all = all.saturating_sub(latest.cost);
        gone.insert(place);
    }
    Some(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(known: bool, name: &str, cost: usize, since: u64) -> Taken<'_, u64> {
        Taken { holder: (known, name), cost, since }
    }

    #[test]
    fn the_latest_of_whoever_has_most_makes_room_and_nobody_for_who_has_as_much() {
        let waiting =
            [taken(false, "a", 40, 3), taken(false, "a", 30, 9), taken(false, "b", 20, 5)];
        let for_one = |new: &Taken<'_, u64>| who_makes_room(&waiting, new, 100);
        assert_eq!(for_one(&taken(false, "c", 10, 10)), Some(BTreeSet::new()), "there is room");
        assert_eq!(for_one(&taken(false, "c", 30, 10)), Some(BTreeSet::from([1])));
        let both = who_makes_room(&waiting, &taken(false, "c", 35, 10), 90);
        assert_eq!(both, Some(BTreeSet::from([0, 1])));
        assert_eq!(for_one(&taken(false, "c", 70, 10)), None, "it would have as much");
        assert_eq!(for_one(&taken(false, "c", 50, 10)), None, "it would have more in the end");
        assert_eq!(for_one(&taken(false, "a", 11, 10)), None, "it has most itself");
        // Those that are somebody have another room.
        assert_eq!(for_one(&taken(true, "c", 100, 10)), Some(BTreeSet::new()));
        assert_eq!(for_one(&taken(true, "c", 101, 10)), None);
    }
}
