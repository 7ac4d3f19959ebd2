//! Whose turn it is to be compared with: those that read come first, so that others, however many they
//! are, do not keep them from being asked.

use libp2p::PeerId;

/// Of so many rounds all but one go to peers that read.
const ROUNDS: u64 = 4;

/// Who is asked in a round: in one of four those that are not preferred.
pub(super) fn whose_turn(turn: u64, preferred: &[PeerId], others: &[PeerId]) -> Option<PeerId> {
    let of_others = turn.checked_div(ROUNDS).unwrap_or_default();
    let last = turn.checked_rem(ROUNDS) == Some(ROUNDS.saturating_sub(1));
    let of_preferred = turn.saturating_sub(of_others);
    let (number, among) = match (last && !others.is_empty()) || preferred.is_empty() {
        true if preferred.is_empty() => (turn, others),
        true => (of_others, others),
        false if others.is_empty() => (turn, preferred),
        false => (of_preferred, preferred),
    };
    let index = usize::try_from(number).unwrap_or_default().checked_rem(among.len())?;
    among.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn readers_are_asked_in_three_of_four_rounds_and_everybody_in_turn() {
        let peers = |count: usize| (0..count).map(|_| PeerId::random()).collect::<Vec<_>>();
        let (readers, others) = (peers(5), peers(400));
        let asked: Vec<_> =
            (0..20).filter_map(|turn| whose_turn(turn, &readers, &others)).collect();
        assert_eq!(asked.iter().filter(|p| readers.contains(p)).count(), 15);
        for reader in &readers {
            assert_eq!(asked.iter().filter(|p| *p == reader).count(), 3);
        }
        assert_eq!(asked.iter().filter(|p| others.contains(p)).collect::<BTreeSet<_>>().len(), 5);
        // Where there are only these or those, each round is theirs.
        for (preferred, others) in [(&readers[..], &[][..]), (&[][..], &readers[..])] {
            let asked: BTreeSet<_> =
                (0..5).filter_map(|turn| whose_turn(turn, preferred, others)).collect();
            assert_eq!(asked.len(), 5);
        }
        assert_eq!(whose_turn(7, &[], &[]), None);
    }
}
