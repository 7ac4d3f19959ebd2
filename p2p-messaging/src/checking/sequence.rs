//! Where an envelope stands among those of its chain.

use super::facts::{Chain, Known};
use crate::envelope::Envelope;
use gridpass_credentials::content_id::EnvelopeId;

/// What its number and predecessor say, beside what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// It was taken before.
    Known,
    /// It follows the last one, or is the first of which anything is known.
    Next,
    /// It fits between known ones.
    Within,
    /// Some before it are missing.
    Gap {
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        until: u64,
    },
    /// Another one has its number.
    Forked(EnvelopeId),
    /// It does not follow this one, or this one does not follow it.
    Broken(EnvelopeId),
    /// It says that it was made before the one before it, or after the one after it.
    Misdated(EnvelopeId),
}

impl Order {
    pub(super) fn of(envelope: &Envelope, known: &dyn Known) -> Self {
        let header = envelope.header();
        let (chain, number) = (Chain::of(header), header.sequence);
        let head = known.head(&chain);
        if let Some(other) = known.at(&chain, number) {
            return if &other.id == envelope.id() { Self::Known } else { Self::Forked(other.id) };
        }
        let before = number.checked_sub(1).and_then(|n| known.at(&chain, n));
        let after = number.checked_add(1).and_then(|n| known.at(&chain, n));
        if let Some(before) = &before
            && header.previous.as_ref() != Some(&before.id)
        {
            return Self::Broken(before.id.clone());
        }
        if let Some(after) = &after
            && after.previous.as_ref() != Some(envelope.id())
        {
            return Self::Broken(after.id.clone());
        }
        if let Some(before) = before.filter(|b| b.issued > header.issued) {
            return Self::Misdated(before.id);
        }
        if let Some(after) = after.filter(|a| a.issued < header.issued) {
            return Self::Misdated(after.id);
        }
        match head {
            Some(head) if number < head => Self::Within,
            Some(head) if head.saturating_add(1) < number => gap(head.saturating_add(1), number),
            None if number > 1 => gap(1, number),
            _ => Self::Next,
        }
    }
}

/// The most numbers that are asked for at once: the last ones, which matter most. Catching up finds
/// the others.
const MAX_GAP: u64 = 1024;

fn gap(from: u64, number: u64) -> Order {
    let until = number.saturating_sub(1);
    Order::Gap { from: from.max(until.saturating_sub(MAX_GAP.saturating_sub(1))), until }
}
