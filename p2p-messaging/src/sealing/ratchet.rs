//! The chain key of an epoch: it moves on with every message, and nobody moves it back.

use super::SealingError;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The most messages of an epoch.
pub const MAX_STEPS: u64 = 65_536;

const NEXT: &[u8] = b"gridpass-sealing/1 next";
const MESSAGE: &[u8] = b"gridpass-sealing/1 message";

fn derive(secret: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0_u8; 32]);
    // Neither can fail: the secret has the length of a hash, and so has the key.
    if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(secret) {
        let _ = hkdf.expand(purpose, key.as_mut());
    }
    key
}

/// From which the keys of a message and of all that follow it in its epoch are made.
#[derive(Clone, PartialEq, Eq)]
pub struct ChainKey(Zeroizing<[u8; 32]>);

impl ChainKey {
    /// Of 32 bytes that are random, or were handed over.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret, to be handed over or kept.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The one of the next message.
    #[must_use]
    pub fn next(&self) -> Self {
        Self(derive(&self.0, NEXT))
    }

    /// The key of this message. It says nothing about any other.
    #[must_use]
    pub fn message(&self) -> MessageKey {
        MessageKey(derive(&self.0, MESSAGE))
    }

    /// The one of a message so many further on.
    ///
    /// # Errors
    /// [`SealingError::Outside`] beyond [`MAX_STEPS`].
    pub fn forward(&self, steps: u64) -> Result<Self, SealingError> {
        if steps >= MAX_STEPS {
            return Err(SealingError::Outside);
        }
        let mut key = self.clone();
        for _ in 0..steps {
            key = key.next();
        }
        Ok(key)
    }
}

impl std::fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChainKey(secret)")
    }
}

/// The key of one message. Who is given it can open that message alone.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageKey(Zeroizing<[u8; 32]>);

impl MessageKey {
    /// Of 32 bytes that were disclosed.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_not_printed() {
        let key = ChainKey::new([7; 32]);
        assert_eq!(format!("{key:?} {:?}", key.message()), "ChainKey(secret) MessageKey(secret)");
    }

    #[test]
    fn nothing_goes_further_than_an_epoch() {
        assert_eq!(ChainKey::new([7; 32]).forward(MAX_STEPS), Err(SealingError::Outside));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn steps_add_up_and_every_key_is_another(seed: [u8; 32], a in 0_u64..200, b in 1_u64..200) {
            let start = ChainKey::new(seed);
            let there = start.forward(a).expect("near");
            let further = start.forward(a + b).expect("near");
            prop_assert_eq!(&there.forward(b).expect("near"), &further);
            prop_assert_ne!(&there, &further);
            prop_assert_ne!(there.message(), further.message());
            let message = there.message();
            prop_assert_ne!(message.expose(), there.expose());
        }
    }
}
