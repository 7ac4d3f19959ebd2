//! What is kept, by its name or in the order in which it came: envelopes, documents, keys, receipts, and what
//! was delivered.

use super::index::Spot;
use super::{Entry, Kept, Store};
use crate::checking::Chain;
use crate::receipt::SignedReceipt;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;

/// What a place in the inbox holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// A message that is delivered with this number.
    Message(u64, Box<Kept>),
    /// The log is damaged there: from one number to another nobody can say what was delivered.
    Lost {
        /// The first number.
        from: u64,
        /// The last.
        until: u64,
    },
}

impl Store {
    /// Whether an envelope was kept, allowed or refused.
    #[must_use]
    pub fn has(&self, id: &EnvelopeId) -> bool {
        self.pending().iter().any(|s| s.has(id)) || self.index.envelope(id).is_some()
    }

    /// Whether a document was kept. Quicker than reading it.
    #[must_use]
    pub fn has_document(&self, id: &ContentId) -> bool {
        self.pending().iter().any(|s| s.document(id).is_some()) || self.index.has_document(id)
    }

    /// A document by its name.
    #[must_use]
    pub fn document(&self, id: &ContentId) -> Option<Vec<u8>> {
        if let Some(pending) = self.pending().iter().find_map(|s| s.document(id)) {
            return Some(pending.to_vec());
        }
        match self.read(self.index.document(id)?)? {
            Entry::Document(bytes) | Entry::Epoch(bytes) if id.verify(&bytes).is_ok() => {
                Some(bytes.into_vec())
            }
            _ => None,
        }
    }

    /// An envelope that is durable, with its number.
    #[must_use]
    pub fn envelope(&self, id: &EnvelopeId) -> Option<(u64, Kept)> {
        self.kept(self.index.envelope(id)?)
    }

    /// When an envelope that is durable was logged.
    pub(super) fn logged(&self, id: &EnvelopeId) -> Option<UnixMillis> {
        let spot = self.index.envelope(id)?;
        self.log.read(spot.number, spot.place()).ok().map(|record| record.at)
    }

    /// An envelope, also one that is not durable yet.
    #[must_use]
    pub fn seen(&self, id: &EnvelopeId) -> Option<Kept> {
        let pending = self.pending().into_iter().find_map(|s| s.envelope(id));
        pending.or_else(|| self.envelope(id).map(|(_, kept)| kept))
    }

    /// Whether a sealed envelope was opened later than it came.
    #[must_use]
    pub fn opened(&self, id: &EnvelopeId) -> bool {
        self.pending().iter().any(|s| s.opened(id)) || self.index.opened(id)
    }

    /// How many grants of an epoch are kept, so many at most.
    #[must_use]
    pub fn count_grants(&self, epoch: &ContentId, chain: &Chain, most: usize) -> usize {
        self.index.grants(epoch, chain).take(most).count()
    }

    /// The statements by which this node was handed keys of an epoch, the newest first, so many at most.
    #[must_use]
    pub fn grants(&self, epoch: &ContentId, chain: &Chain, most: usize) -> Vec<Vec<u8>> {
        let read = |spot| match self.read(spot)? {
            Entry::Grant { statement, .. } => Some(statement.into_vec()),
            _ => None,
        };
        self.index.grants(epoch, chain).filter_map(read).take(most).collect()
    }

    /// What is delivered here, after a number, in the order in which it was taken in.
    #[must_use]
    pub fn inbox(&self, after: u64, most: usize) -> Vec<(u64, Kept)> {
        let messages = self.given(after).filter_map(|given| match given {
            Given::Message(number, kept) => Some((number, *kept)),
            Given::Lost { .. } => None,
        });
        messages.take(most).collect()
    }

    /// The same with what is lost, up to so many bytes but at least one.
    #[must_use]
    pub fn inbox_up_to(&self, after: u64, most: usize, most_bytes: usize) -> Vec<Given> {
        let mut bytes = 0_usize;
        self.given(after)
            .take(most)
            .take_while(|given| {
                let first = bytes == 0;
                if let Given::Message(_, kept) = given {
                    bytes = bytes.saturating_add(kept.envelope.len());
                }
                first || bytes <= most_bytes
            })
            .collect()
    }

    /// What is delivered after a number, and what is lost, in the order of their numbers. What cannot be
    /// read any more neither ends it nor is passed over in silence.
    fn given(&self, after: u64) -> impl Iterator<Item = Given> {
        let lost = self.lost.iter().copied();
        let mut lost = lost.filter(move |(_, until)| *until > after).peekable();
        let mut spots = self.index.inbox(after).peekable();
        std::iter::from_fn(move || {
            let next = spots.peek().map(|spot| spot.number);
            let before = |lost: &(u64, u64)| next.is_none_or(|next| lost.0 < next);
            if let Some((from, until)) = lost.next_if(before) {
                return Some(Given::Lost { from, until });
            }
            let spot = spots.next()?;
            Some(match self.delivered(spot) {
                Some((number, kept)) => Given::Message(number, Box::new(kept)),
                None => Given::Lost { from: spot.number, until: spot.number },
            })
        })
    }

    /// What was refused here after a number and is kept, in the order in which it was decided: when it came, or,
    /// where it was sealed, when it was opened.
    pub fn refused(&self, after: u64) -> impl Iterator<Item = (u64, Kept)> {
        self.index.refused(after).filter_map(move |spot| match self.read(spot)? {
            Entry::Envelope(kept) => Some((spot.number, *kept)),
            Entry::Opened { envelope, payload, at, .. } => {
                let (_, kept) = self.envelope(&envelope)?;
                Some((spot.number, Kept { reasons: vec![payload.code], at, ..kept }))
            }
            _ => None,
        })
    }

    /// Receipts of others that speak of a message: those that were found among so many.
    #[must_use]
    pub fn receipts(&self, chain: &Chain, sequence: u64, most: usize) -> Vec<SignedReceipt> {
        let spots = self.index.receipts(chain, sequence).take(most);
        let all = spots.filter_map(|spot| self.receipt(spot).map(|(_, receipt)| receipt));
        all.filter(|r| r.receipt().speaks_of(sequence)).collect()
    }

    /// The own receipts for a sender, after a number, each with its number.
    #[must_use]
    pub fn own_receipts(&self, sender: &Did, after: u64, most: usize) -> Vec<(u64, Vec<u8>)> {
        let spots = self.index.own_receipts(sender, after).take(most);
        spots
            .filter_map(|spot| match self.read(spot)? {
                Entry::Receipt { receipt, .. } => Some((spot.number, receipt.into_vec())),
                _ => None,
            })
            .collect()
    }

    fn receipt(&self, spot: Spot) -> Option<(u64, SignedReceipt)> {
        match self.read(spot)? {
            Entry::Receipt { receipt, .. } => {
                Some((spot.number, SignedReceipt::parse(&receipt).ok()?))
            }
            _ => None,
        }
    }

    /// What is delivered with a number: an envelope, or one that came before and was opened then.
    fn delivered(&self, spot: Spot) -> Option<(u64, Kept)> {
        match self.read(spot)? {
            Entry::Envelope(kept) => Some((spot.number, *kept)),
            Entry::Opened { envelope, .. } => {
                let (_, kept) = self.envelope(&envelope)?;
                Some((spot.number, kept))
            }
            _ => None,
        }
    }

    pub(super) fn kept(&self, spot: Spot) -> Option<(u64, Kept)> {
        match self.read(spot)? {
            Entry::Envelope(kept) => Some((spot.number, *kept)),
            _ => None,
        }
    }
}
