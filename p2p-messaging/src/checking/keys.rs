//! The keys of those who were heard, and the multiples of those who are heard all the time.

use crate::envelope::{Envelope, NotSigned};
use gridpass_identity::did::DidUrl;
use gridpass_identity::key::PublicKey;
use gridpass_identity::prepared::PreparedKey;
use hashlink::LruCache;

/// After how many messages a key is prepared. That costs some six verifications, so that it costs little
/// also where more senders than [`MAX_PREPARED`] take turns.
const MESSAGES: u8 = 64;
/// As many as that, each of 130 KiB.
const MAX_PREPARED: usize = 64;

/// Keys of DIDs that are their own proof, and so are the same at all times.
pub(super) struct Keys {
    known: LruCache<DidUrl, Known>,
    prepared: LruCache<DidUrl, PreparedKey>,
}

struct Known {
    key: PublicKey,
    /// Verified with it since it was known, or since its multiples were forgotten.
    messages: u8,
}

impl Keys {
    /// For so many senders.
    pub(super) fn new(senders: usize) -> Self {
        Self {
            known: LruCache::new(senders.max(1)),
            prepared: LruCache::new(MAX_PREPARED.min(senders.max(1))),
        }
    }

    pub(super) fn get(&mut self, url: &DidUrl) -> Option<PublicKey> {
        self.known.get(url).map(|known| known.key.clone())
    }

    pub(super) fn insert(&mut self, url: &DidUrl, key: &PublicKey) {
        self.known.insert(url.clone(), Known { key: key.clone(), messages: 0 });
    }

    /// Whether a key, which is that of the DID now, signed an envelope.
    pub(super) fn verify(
        &mut self,
        url: &DidUrl,
        key: &PublicKey,
        envelope: &Envelope,
    ) -> Result<(), NotSigned> {
        if let Some(prepared) = self.prepared.get(url).filter(|p| p.key() == key) {
            return envelope.verify_prepared(prepared);
        }
        envelope.verify(key)?;
        if let Some(known) = self.known.get_mut(url).filter(|known| known.key == *key) {
            known.messages = known.messages.saturating_add(1);
            if known.messages >= MESSAGES {
                known.messages = 0;
                if let Some(prepared) = PreparedKey::new(key) {
                    self.prepared.insert(url.clone(), prepared);
                }
            }
        }
        Ok(())
    }

    /// How many are prepared.
    #[cfg(test)]
    pub(super) fn prepared(&self) -> usize {
        self.prepared.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit;

    fn envelope(number: u8, by: u8) -> Envelope {
        let mut header = test_kit::header(&test_kit::key(number));
        header.topic = format!("topic-{by}");
        Envelope::sign(header, b"{}".to_vec(), &test_kit::key(by)).expect("signs")
    }

    /// Whether a message of a sender is taken that this key signed.
    fn taken(keys: &mut Keys, number: u8, by: u8) -> bool {
        let url = test_kit::did_of(&test_kit::key(number));
        let key = test_kit::key(number).public_key();
        if keys.get(&url).is_none() {
            keys.insert(&url, &key);
        }
        keys.verify(&url, &key, &envelope(number, by)).is_ok()
    }

    #[test]
    fn who_is_heard_all_the_time_is_prepared_and_a_forgery_is_refused_before_and_after() {
        let mut keys = Keys::new(10);
        for _ in 0..MESSAGES {
            assert_eq!(keys.prepared(), 0);
            assert!(!taken(&mut keys, 1, 2), "it counts for nothing, either");
            assert!(taken(&mut keys, 1, 1));
        }
        assert_eq!(keys.prepared(), 1);
        assert!(taken(&mut keys, 1, 1));
        assert!(!taken(&mut keys, 1, 2));
        // A DID whose key is another one now is verified with that one.
        let url = test_kit::did_of(&test_kit::key(1));
        let other = test_kit::key(2).public_key();
        assert!(keys.verify(&url, &other, &envelope(1, 2)).is_ok());
        assert!(keys.verify(&url, &other, &envelope(1, 1)).is_err());
    }

    #[test]
    fn more_senders_than_are_prepared_take_turns() {
        let mut keys = Keys::new(200);
        for number in 1..=70 {
            for _ in 0..MESSAGES {
                assert!(taken(&mut keys, number, number));
            }
        }
        assert_eq!(keys.prepared(), MAX_PREPARED);
        assert!(taken(&mut keys, 1, 1), "forgotten, and verified as before");
    }
}
