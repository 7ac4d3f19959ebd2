//! The keys that a node has, by epoch, and what they open.

use super::SealingError;
use super::grant::HandedKey;
use super::payload::{Place, SealedPayload};
use super::ratchet::{ChainKey, MessageKey};
use crate::checking::Chain;
use crate::envelope::{Envelope, Header};
use gridpass_credentials::content_id::ContentId;
use hashlink::LruCache;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// How many steps there are between two keys that are remembered on the way.
const STRIDE: u64 = 256;

/// The most epochs whose keys are held: those that were needed last.
const MAX_HELD: usize = 4096;

struct Held {
    first: u64,
    from: u64,
    key: ChainKey,
    /// Keys further on, so that not each message is walked to from the beginning.
    further: BTreeMap<u64, ChainKey>,
    /// The one that was needed last: messages come one after the other.
    last: Option<(u64, ChainKey)>,
}

/// What came of opening a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is opened.
    Open(Zeroizing<Vec<u8>>),
    /// There is no key for it here.
    NoKey,
    /// It does not open with the key that is.
    Broken(SealingError),
}

/// The keys that a node was handed, and those of its own epochs.
pub struct Ring {
    /// By epoch and by whose it is said to be: only the one who began it names it.
    held: LruCache<(ContentId, Chain), Held>,
}

impl Default for Ring {
    fn default() -> Self {
        Self { held: LruCache::new(MAX_HELD) }
    }
}

impl Ring {
    /// Takes a key of a chain. Whether it opens something that none did before.
    pub fn insert(&mut self, chain: &Chain, handed: &HandedKey) -> bool {
        let Some(epoch) = handed.epoch.clone().filter(|_| handed.is_possible()) else {
            return false;
        };
        let place = (epoch, chain.clone());
        let earlier = |h: &Held| h.first == handed.first && handed.from < h.from;
        if self.held.peek(&place).is_some_and(|h| !earlier(h)) {
            return false;
        }
        let held = Held {
            first: handed.first,
            from: handed.from,
            key: handed.key.clone(),
            further: BTreeMap::new(),
            last: None,
        };
        self.held.insert(place, held);
        true
    }

    /// Forgets the key of an epoch: nothing of it opens here any more.
    pub fn remove(&mut self, epoch: &ContentId, chain: &Chain) {
        self.held.remove(&(epoch.clone(), chain.clone()));
    }

    /// Whether there is a key of a message of an epoch.
    #[must_use]
    pub fn has(&self, epoch: &ContentId, chain: &Chain, sequence: u64) -> bool {
        let held = self.held.peek(&(epoch.clone(), chain.clone()));
        held.is_some_and(|h| h.from <= sequence)
    }

    /// How many epochs there are keys of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The chain key of an epoch as of one of its messages, to be handed on; `None` before the first
    /// that it opens.
    #[must_use]
    pub fn chain_key(
        &mut self,
        epoch: &ContentId,
        chain: &Chain,
        sequence: u64,
    ) -> Option<HandedKey> {
        let held = self.held.get_mut(&(epoch.clone(), chain.clone()))?;
        let key = held.at(sequence)?;
        Some(HandedKey { epoch: Some(epoch.clone()), first: held.first, from: sequence, key })
    }

    /// The key of one message, to be disclosed with it.
    #[must_use]
    pub fn message_key(&mut self, header: &Header) -> Option<MessageKey> {
        let place = (header.epoch.clone()?, Chain::of(header));
        Some(self.held.get_mut(&place)?.at(header.sequence)?.message())
    }

    /// Opens the payload of a sealed message.
    #[must_use]
    pub fn open(&mut self, envelope: &Envelope) -> Opening {
        let header = envelope.header();
        let (Some(payload), Some(place)) = (envelope.payload(), Place::of(header)) else {
            return Opening::NoKey;
        };
        let Some(key) = self.message_key(header) else { return Opening::NoKey };
        match SealedPayload::parse(payload).and_then(|p| p.open(&key, &place)) {
            Ok(opened) => Opening::Open(opened),
            Err(e) => Opening::Broken(e),
        }
    }
}

impl Held {
    fn at(&mut self, sequence: u64) -> Option<ChainKey> {
        let last = self.last.as_ref().map(|(at, key)| (at, key));
        let known = last.filter(|(at, _)| **at <= sequence).into_iter();
        let known = known.chain(self.further.range(..=sequence).next_back()).max_by_key(|k| *k.0);
        let (mut at, mut key) = match known {
            Some((at, key)) => (*at, key.clone()),
            None if sequence >= self.from => (self.from, self.key.clone()),
            None => return None,
        };
        if sequence.checked_sub(self.first)? >= super::MAX_STEPS {
            return None;
        }
        while at < sequence {
            at = at.saturating_add(1);
            key = key.next();
            if at.checked_rem(STRIDE) == Some(0) {
                self.further.insert(at, key.clone());
            }
        }
        self.last = Some((sequence, key.clone()));
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_STEPS;
    use super::super::grant::chain_of;
    use super::*;
    use crate::test_kit::{cid, header, key};

    fn handed(from: u64) -> HandedKey {
        let key = ChainKey::new([8; 32]).forward(from - 5).expect("near");
        HandedKey { epoch: Some(cid("epoch")), first: 5, from, key }
    }

    fn sealed(sequence: u64) -> Envelope {
        let mut header = self::header(&key(1));
        header.sequence = sequence;
        header.epoch = Some(cid("epoch"));
        let one = Envelope::sign(self::header(&key(1)), b"{}".to_vec(), &key(1)).expect("signed");
        header.previous = Some(one.id().clone());
        let epoch = cid("epoch");
        let place = Place {
            channel: &header.channel,
            sender: &header.sender,
            key: &header.key,
            sequence,
            epoch: &epoch,
        };
        let key_of = ChainKey::new([8; 32]).forward(sequence - 5).expect("near").message();
        let payload = SealedPayload::seal(b"a bid", &key_of, &place, [1; 12]).expect("sealed");
        let payload = payload.encode().expect("bytes");
        Envelope::sign(header, payload, &key(1)).expect("signed")
    }

    #[test]
    fn opens_from_where_it_was_handed_on_in_any_order() {
        let mut ring = Ring::default();
        assert_eq!(ring.open(&sealed(9)), Opening::NoKey);
        assert!(ring.insert(&chain_of(1), &handed(7)));
        for sequence in [2000, 7, 1300, 8, 2001, 700] {
            let opened = ring.open(&sealed(sequence));
            assert!(matches!(opened, Opening::Open(p) if p.as_slice() == b"a bid"), "{sequence}");
        }
        for sequence in [5, 6] {
            assert_eq!(ring.open(&sealed(sequence)), Opening::NoKey, "before it was handed");
        }
        // What was said before may be handed later; what opens less is no news.
        assert!(!ring.insert(&chain_of(1), &handed(8)));
        assert!(ring.insert(&chain_of(1), &handed(5)));
        assert!(matches!(ring.open(&sealed(5)), Opening::Open(_)));
        ring.remove(&cid("epoch"), &chain_of(1));
        assert_eq!(ring.open(&sealed(9)), Opening::NoKey);
    }

    #[test]
    fn a_key_of_another_sender_opens_nothing_and_takes_nobodys_place() {
        let mut ring = Ring::default();
        assert!(ring.insert(&chain_of(2), &handed(5)));
        assert_eq!(ring.open(&sealed(9)), Opening::NoKey);
        let mut ring = Ring::default();
        assert!(ring.insert(&chain_of(1), &handed(7)));
        assert!(ring.insert(&chain_of(2), &handed(5)), "beside it");
        assert!(matches!(ring.open(&sealed(9)), Opening::Open(_)));
        let wrong = HandedKey { key: ChainKey::new([1; 32]), ..handed(5) };
        let mut ring = Ring::default();
        ring.insert(&chain_of(1), &wrong);
        assert_eq!(ring.open(&sealed(9)), Opening::Broken(SealingError::Broken));
    }

    #[test]
    fn nothing_is_walked_to_beyond_an_epoch() {
        let mut ring = Ring::default();
        ring.insert(&chain_of(1), &handed(5));
        assert!(ring.chain_key(&cid("epoch"), &chain_of(1), 5 + MAX_STEPS).is_none());
        assert!(ring.chain_key(&cid("epoch"), &chain_of(1), u64::MAX).is_none());
        assert!(ring.chain_key(&cid("epoch"), &chain_of(1), 4).is_none());
        assert!(ring.chain_key(&cid("epoch"), &chain_of(1), 4 + MAX_STEPS).is_some());
    }
}
