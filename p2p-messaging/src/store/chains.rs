//! What is known of chains: their messages by number, how far they go, what is missing, and who contradicts
//! itself.

use super::index::Spot;
use super::{Entry, Head, Kept, Store};
use crate::checking::{Chain, Link};
use crate::envelope::Envelope;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

impl Store {
    /// The message of a chain with a number.
    #[must_use]
    pub fn at(&self, chain: &Chain, sequence: u64) -> Option<Link> {
        let pending = self.pending().into_iter().find_map(|s| s.link(chain, sequence));
        if let Some(link) = pending {
            return Some(link.clone());
        }
        // Most often there is none, and the index need not be asked.
        let known = self.index.newest(chain).is_some_and(|newest| sequence <= newest);
        known.then(|| self.index.link(chain, sequence)).flatten()
    }

    /// The number of the first message of a chain that is here and was made since a time.
    #[must_use]
    pub fn first_since(&self, chain: &Chain, since: UnixMillis) -> Option<u64> {
        let newest = self.newest(chain)?;
        let (mut low, mut high) = (1_u64, newest.saturating_add(1));
        // Their times do not go back.
        while low < high {
            let middle = low.midpoint(high);
            // Of a number that is missing the next one that is here tells.
            let next = self.first_in(chain, middle, high.saturating_sub(1));
            match next.filter(|(_, issued)| *issued < since) {
                Some((older, _)) => low = older.saturating_add(1),
                None => high = middle,
            }
        }
        let first = (low <= newest).then(|| self.first_in(chain, low, newest)).flatten();
        first.map(|(first, _)| first)
    }

    /// The first message of a chain from one number to another that is here: its number, and when it was made.
    fn first_in(&self, chain: &Chain, from: u64, until: u64) -> Option<(u64, UnixMillis)> {
        if let Some(link) = self.at(chain, from) {
            return Some((from, link.issued));
        }
        self.index.links(chain, from, until).map(|(number, issued, _)| (number, issued)).next()
    }

    /// Whether two messages are kept by which a chain contradicts itself, in whatever.
    #[must_use]
    pub fn forked(&self, chain: &Chain) -> bool {
        self.pending().iter().any(|s| s.fork(chain).is_some()) || self.index.fork(chain).is_some()
    }

    /// Whether those have one number: everybody sees that they contradict each other, whatever else it
    /// knows. Where they do not, the one that is named is beside the other in the chain that is here.
    #[must_use]
    pub fn proven(&self, chain: &Chain) -> bool {
        let pending = self.pending().into_iter().find_map(|s| s.fork(chain)).cloned();
        let found = pending.or_else(|| {
            let (first, second) = self.fork(self.index.fork(chain)?)?;
            Some((first, second.header().sequence))
        });
        found.is_some_and(|(first, number)| {
            let beside = [number.checked_sub(1), number.checked_add(1)];
            let mut beside = beside.into_iter().flatten().filter_map(|n| self.at(chain, n));
            beside.all(|link| link.id != first)
        })
    }

    /// Two messages of one number in a chain, as blocks, where both are kept.
    #[must_use]
    pub fn proof(&self, chain: &Chain) -> Option<(Vec<u8>, Vec<u8>)> {
        let (first, second) = self.fork(self.index.fork(chain)?)?;
        let first = self.seen(&first)?.envelope().ok()?;
        if first.header().sequence != second.header().sequence {
            return None;
        }
        Some((first.to_block().ok()?, second.to_block().ok()?))
    }

    fn fork(&self, spot: Spot) -> Option<(EnvelopeId, Envelope)> {
        match self.read(spot)? {
            Entry::Fork { first, second } => Some((first, Envelope::parse_block(&second).ok()?)),
            _ => None,
        }
    }

    /// The messages by which senders contradict themselves, of each chain those that were kept last: the
    /// name of the one that was here first, and the other; so many at most.
    #[must_use]
    pub fn forks(&self, most: usize) -> Vec<(EnvelopeId, Envelope)> {
        self.index.forks().filter_map(|spot| self.fork(spot)).take(most).collect()
    }

    /// The greatest number of a chain that is known.
    #[must_use]
    pub fn newest(&self, chain: &Chain) -> Option<u64> {
        let pending = self.pending().iter().filter_map(|s| s.newest(chain)).max();
        pending.max(self.index.newest(chain))
    }

    /// What was sent in a channel under a reference, also what is not durable yet, and its number in the own
    /// chain. Whether the message is here is another question.
    #[must_use]
    pub fn sent(&self, channel: &ContentId, reference: &str) -> Option<(EnvelopeId, u64)> {
        let pending = self.pending().into_iter().find_map(|s| s.sent(channel, reference));
        pending.or_else(|| self.index.sent(channel, reference))
    }

    /// Under which reference a message was sent, if under one.
    #[must_use]
    pub fn reference(&self, id: &EnvelopeId) -> Option<String> {
        let pending = self.pending().into_iter().find_map(|s| s.reference(id));
        pending.map(str::to_owned).or_else(|| self.index.reference(id))
    }

    /// The own epochs of a chain in order, each with the number of its first message.
    #[must_use]
    pub fn own_epochs(&self, chain: &Chain) -> Vec<(u64, ContentId)> {
        self.index.own_epochs(chain).collect()
    }

    /// What the epochs of a sender in a channel cost that are kept and began in an hour.
    #[must_use]
    pub fn epochs_cost(&self, sender: (&ContentId, &Did), hour: u64) -> u64 {
        let pending = self.pending().map(|p| p.epochs_cost(sender, hour)).into_iter();
        pending.fold(self.index.epochs_cost(sender, hour), u64::saturating_add)
    }

    /// What is known of the chains of a channel.
    #[must_use]
    pub fn heads(&self, channel: &ContentId) -> Vec<Head> {
        self.index.heads(channel)
    }

    /// The envelopes of a chain from one number to another that were made since a time, those that
    /// are here, each with its number in the chain: up to so many bytes, but at least one.
    #[must_use]
    pub fn range(
        &self,
        chain: &Chain,
        (from, until): (u64, u64),
        since: UnixMillis,
        most_bytes: usize,
    ) -> Vec<(u64, Kept)> {
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        for (sequence, issued, spot) in self.index.links(chain, from, until) {
            if issued < since {
                continue;
            }
            // Without its payload it proves something, and nobody can take it up.
            let Some((_, kept)) = self.kept(spot).filter(|(_, k)| k.whole) else { continue };
            bytes = bytes.saturating_add(kept.envelope.len());
            if bytes > most_bytes && !found.is_empty() {
                break;
            }
            found.push((sequence, kept));
        }
        found
    }

    /// Looks at the envelopes of a chain from the last number down to the first, one after the other, those
    /// that are here: until one is found, or there is no room to read more. Gives what was found, and
    /// down to which number it looked. Whoever asks says how much is read, and one is in memory at a time:
    /// how far the numbers of a chain are apart is its sender's choice.
    pub fn look_down<T>(
        &self,
        chain: &Chain,
        (first, last): (u64, u64),
        room: &mut usize,
        mut look: impl FnMut(u64, &Kept) -> Option<T>,
    ) -> (Option<T>, u64) {
        for (sequence, spot) in self.index.links_down(chain, first, last) {
            let Some(left) = room.checked_sub(1) else {
                return (None, sequence.saturating_add(1));
            };
            *room = left;
            // Without its payload it proves something, and nobody can take it up.
            let kept = self.kept(spot).filter(|(_, kept)| kept.whole);
            if let Some(found) = kept.and_then(|(_, kept)| look(sequence, &kept)) {
                return (Some(found), sequence);
            }
        }
        (None, first)
    }

    /// What is missing of a chain from one number to another: so many holes at most, in order.
    #[must_use]
    pub fn holes(&self, chain: &Chain, from: u64, until: u64, most: usize) -> Vec<(u64, u64)> {
        let staged: BTreeSet<u64> =
            self.pending().into_iter().flat_map(|s| s.numbers(chain)).collect();
        let mut holes = Vec::new();
        let mut next = from;
        let mut note = |first: u64, last: u64| {
            // What is only staged is not missing.
            let mut first = first;
            for number in staged.range(first..=last) {
                if first < *number {
                    holes.push((first, number.saturating_sub(1)));
                }
                first = number.saturating_add(1);
            }
            if first <= last {
                holes.push((first, last));
            }
            holes.len() >= most
        };
        for (sequence, ..) in self.index.links(chain, from, until) {
            if sequence > next && note(next, sequence.saturating_sub(1)) {
                break;
            }
            next = sequence.saturating_add(1);
        }
        if next <= until {
            note(next, until);
        }
        holes.truncate(most);
        holes
    }
}
