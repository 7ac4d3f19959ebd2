//! Who has room for statements that wait, and who makes some.

use crate::checking::{Taken, who_makes_room};

/// The most statements that wait for what their signer's right rests on, those that strangers passed on
/// as many as those of all others.
const MAX_WAITING: usize = 256;
/// How many of those one peer may have passed on, or the peers of one participant together.
const MAX_WAITING_OF_ONE: usize = 32;

/// Whether one more may wait: of those that are somebody, or of strangers, so many in all and of each.
/// Gives which makes room, where there is none left ([`who_makes_room`]): of places it is one at most.
pub(super) fn room(
    holders: &[(bool, String)],
    new: &(bool, String),
) -> Result<Option<usize>, Full> {
    let of_it = holders.iter().filter(|holder| *holder == new).count();
    if of_it >= MAX_WAITING_OF_ONE {
        return Err(Full);
    }
    // In the order in which they came.
    let waiting: Vec<_> = holders.iter().enumerate().map(|(at, one)| place(one, at)).collect();
    let new = place(new, holders.len());
    let gone = who_makes_room(&waiting, &new, MAX_WAITING / 2).ok_or(Full)?;
    Ok(gone.first().copied())
}

fn place((known, name): &(bool, String), since: usize) -> Taken<'_, usize> {
    Taken { holder: (*known, name.as_str()), cost: 1, since }
}

/// There is no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

#[cfg(test)]
mod tests {
    use super::*;

    /// Who waits, after all of these came in order.
    fn filled(came: impl IntoIterator<Item = (bool, String)>) -> Vec<(bool, String)> {
        let mut holders = Vec::new();
        for new in came {
            let Ok(gone) = room(&holders, &new) else { continue };
            if let Some(gone) = gone {
                holders.remove(gone);
            }
            holders.push(new);
        }
        holders
    }

    fn of(holders: &[(bool, String)], who: &(bool, String)) -> usize {
        holders.iter().filter(|holder| *holder == who).count()
    }

    #[test]
    fn strangers_take_no_place_of_who_is_known_and_none_of_them_takes_all() {
        let sybil = |n: usize| (false, format!("sybil {n}"));
        let flood = (0..10_000).map(|n| sybil(n % 14));
        let holders = filled(flood);
        assert_eq!(holders.len(), MAX_WAITING / 2);
        assert!((0..14).all(|n| of(&holders, &sybil(n)) <= MAX_WAITING_OF_ONE));
        // Who is known, and who is new and honest, have places all the same.
        let (known, new) = ((true, "did:web:tso.example".into()), (false, "newcomer".into()));
        assert_eq!(room(&holders, &known), Ok(None));
        let full = room(&holders, &new);
        assert!(matches!(full, Ok(Some(gone)) if gone < holders.len()), "{full:?}");
        // As many as a node lets in each have one.
        let peers = (0..128).map(sybil);
        let holders = filled((0..10_000).map(|n| sybil(n % 14)).chain(peers));
        assert_eq!(holders.len(), MAX_WAITING / 2);
        assert!((0..64).all(|n| of(&holders, &sybil(n)) > 0));
        // Of whoever is known none has more than its share either.
        let greedy = (true, "did:web:greedy.example".to_owned());
        let holders = filled(std::iter::repeat_n(greedy.clone(), 1000));
        assert_eq!(of(&holders, &greedy), MAX_WAITING_OF_ONE);
        assert_eq!(room(&holders, &known), Ok(None));
    }
}
