//! Who has room for statements that wait, and who makes some.

use std::collections::BTreeMap;

/// The most statements that wait for what their signer's right rests on, those that strangers passed on
/// as many as those of all others.
const MAX_WAITING: usize = 256;
/// How many of those one peer may have passed on, or the peers of one participant together.
const MAX_WAITING_OF_ONE: usize = 32;

/// Whether one more may wait: of those that are somebody, or of strangers, so many in all and of each.
/// Gives which makes room, where there is none left: the latest of whoever has most, if that is more than
/// the new one's holder has with it. Names cost nothing: whoever has many of them has only the strangers'
/// half of the room, and there no more than anybody else who asks.
pub(super) fn room(
    holders: &[(bool, String)],
    new: &(bool, String),
) -> Result<Option<usize>, Full> {
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = 0_usize;
    for (_, name) in holders.iter().filter(|(known, _)| *known == new.0) {
        let of_it = taken.entry(name.as_str()).or_default();
        (*of_it, all) = (of_it.saturating_add(1), all.saturating_add(1));
    }
    let own = taken.get(new.1.as_str()).copied().unwrap_or_default();
    if own >= MAX_WAITING_OF_ONE {
        return Err(Full);
    }
    if all < MAX_WAITING / 2 {
        return Ok(None);
    }
    let most = taken.iter().max_by_key(|(_, count)| **count);
    let Some((most, _)) = most.filter(|(_, count)| **count > own.saturating_add(1)) else {
        return Err(Full);
    };
    let of_most = |(known, name): &(bool, String)| *known == new.0 && name == most;
    holders.iter().rposition(of_most).map(Some).ok_or(Full)
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
