//! A sealed payload: `COSE_Encrypt0` (RFC 9052 section 5.2), padded, bound to its place.

use super::SealingError;
use super::ratchet::MessageKey;
use crate::envelope::{self, MAX_PAYLOAD};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use coset::{
    CborSerializable as _, CoseEncrypt0, CoseEncrypt0Builder, Header, HeaderBuilder, iana,
};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::{Did, DidUrl};
use zeroize::Zeroizing;

/// The smallest size to which a payload is padded.
const SMALLEST: usize = 256;
/// The most bytes that sealing adds beside the padding: the tag, the nonce, and what stands around.
pub const OVERHEAD: usize = 48;
/// Begins the padding (ISO/IEC 7816-4): what follows is zeros.
const MARK: u8 = 0x80;
const DOMAIN: &str = "gridpass-sealing/1";

/// Where a sealed payload stands: it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// The channel's descriptor.
    pub channel: &'p ContentId,
    /// The sender.
    pub sender: &'p Did,
    /// The key that signs.
    pub key: &'p DidUrl,
    /// The number of the message.
    pub sequence: u64,
    /// The epoch.
    pub epoch: &'p ContentId,
}

impl<'p> Place<'p> {
    /// That of a message which is sealed.
    pub(crate) fn of(header: &'p envelope::Header) -> Option<Self> {
        let envelope::Header { channel, sender, key, sequence, epoch, .. } = header;
        Some(Self { channel, sender, key, sequence: *sequence, epoch: epoch.as_ref()? })
    }

    fn bytes(&self) -> Result<Vec<u8>, SealingError> {
        let place =
            (DOMAIN, self.channel, self.sender, self.key.as_str(), self.sequence, self.epoch);
        serde_ipld_dagcbor::to_vec(&place).map_err(malformed)
    }
}

fn malformed<E: std::fmt::Display>(e: E) -> SealingError {
    SealingError::Malformed(e.to_string())
}

/// The size to which a payload of so many bytes is padded: at most an eighth more, in steps that say
/// little of it (PADMÉ: Nikitin et al., PETS 2019), and at least 256.
#[must_use]
pub fn padded(bytes: usize) -> usize {
    let least = bytes.saturating_add(1).max(SMALLEST);
    let exponent = least.ilog2();
    let digits = exponent.checked_ilog2().unwrap_or_default().saturating_add(1);
    let step = 1_usize.checked_shl(exponent.saturating_sub(digits)).unwrap_or(1);
    least.div_ceil(step).saturating_mul(step)
}

fn protected() -> Header {
    HeaderBuilder::new().algorithm(iana::Algorithm::ChaCha20Poly1305).build()
}

/// A sealed payload as it was made or read: well formed, and not opened.
#[derive(Clone, Debug, PartialEq)]
pub struct SealedPayload(CoseEncrypt0);

impl SealedPayload {
    /// Seals a payload. `nonce` is random.
    ///
    /// # Errors
    /// [`SealingError::Malformed`] for one that is too long.
    pub fn seal(
        payload: &[u8],
        key: &MessageKey,
        place: &Place<'_>,
        nonce: [u8; 12],
    ) -> Result<Self, SealingError> {
        let size = padded(payload.len());
        if size.saturating_add(OVERHEAD) > MAX_PAYLOAD {
            return Err(malformed("there is more to seal than an envelope carries"));
        }
        let mut padded = Zeroizing::new(Vec::with_capacity(size));
        padded.extend_from_slice(payload);
        padded.push(MARK);
        padded.resize(size, 0);
        let cipher = ChaCha20Poly1305::new(&Key::from(*key.expose()));
        let sealed = CoseEncrypt0Builder::new()
            .protected(protected())
            .unprotected(HeaderBuilder::new().iv(nonce.to_vec()).build())
            .try_create_ciphertext(&padded, &place.bytes()?, |msg, aad| {
                cipher.encrypt(&Nonce::from(nonce), Payload { msg, aad })
            });
        sealed.map(|b| Self(b.build())).map_err(|_| malformed("it cannot be encrypted"))
    }

    /// As it travels.
    ///
    /// # Errors
    /// [`SealingError::Malformed`] if it cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, SealingError> {
        self.0.clone().to_vec().map_err(malformed)
    }

    /// Reads one. Other encodings of the same content are refused.
    ///
    /// # Errors
    /// [`SealingError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SealingError> {
        if bytes.len() > MAX_PAYLOAD {
            return Err(malformed("it is too long"));
        }
        let read = CoseEncrypt0::from_slice(bytes).map_err(malformed)?;
        let nonce = &read.unprotected.iv;
        let alone = Header { iv: nonce.clone(), ..Header::default() };
        if read.protected.header != protected() || read.unprotected != alone || nonce.len() != 12 {
            return Err(malformed("it is not ChaCha20/Poly1305 with a nonce of 12 bytes alone"));
        }
        let read = Self(read);
        if read.encode()? != bytes {
            return Err(malformed("it is not in its one encoding"));
        }
        let size = read.0.ciphertext.as_ref().map_or(0, Vec::len).saturating_sub(16);
        if size < SMALLEST || padded(size.saturating_sub(1)) != size {
            return Err(malformed("it is not padded"));
        }
        Ok(read)
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`SealingError::Broken`].
    pub fn open(
        &self,
        key: &MessageKey,
        place: &Place<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let nonce: [u8; 12] =
            self.0.unprotected.iv.as_slice().try_into().map_err(|_| SealingError::Broken)?;
        let cipher = ChaCha20Poly1305::new(&Key::from(*key.expose()));
        let opened = self.0.decrypt_ciphertext(
            &place.bytes()?,
            || SealingError::Broken,
            |msg, aad| {
                let opened = cipher.decrypt(&Nonce::from(nonce), Payload { msg, aad });
                opened.map_err(|_| SealingError::Broken)
            },
        )?;
        let mut opened = Zeroizing::new(opened);
        let end = opened.iter().rposition(|b| *b != 0).ok_or(SealingError::Broken)?;
        if opened.get(end) != Some(&MARK) {
            return Err(SealingError::Broken);
        }
        opened.truncate(end);
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ratchet::ChainKey;
    use super::*;
    use crate::test_kit::{cid, did_of, key};
    use proptest::prelude::*;

    fn sealed(payload: &[u8], sequence: u64) -> Vec<u8> {
        let url = did_of(&key(1));
        let (channel, epoch) = (cid("channel"), cid("epoch"));
        let place =
            Place { channel: &channel, sender: url.did(), key: &url, sequence, epoch: &epoch };
        let message = ChainKey::new([1; 32]).message();
        let sealed = SealedPayload::seal(payload, &message, &place, [2; 12]).expect("sealed");
        sealed.encode().expect("bytes")
    }

    fn open(bytes: &[u8], sequence: u64, secret: u8) -> Result<Zeroizing<Vec<u8>>, SealingError> {
        let url = did_of(&key(1));
        let (channel, epoch) = (cid("channel"), cid("epoch"));
        let place =
            Place { channel: &channel, sender: url.did(), key: &url, sequence, epoch: &epoch };
        SealedPayload::parse(bytes)?.open(&ChainKey::new([secret; 32]).message(), &place)
    }

    #[test]
    fn opens_in_its_place_with_its_key_and_nowhere_else() {
        let bytes = sealed(b"a bid", 7);
        assert_eq!(open(&bytes, 7, 1).expect("opens").as_slice(), b"a bid");
        assert_eq!(open(&bytes, 8, 1), Err(SealingError::Broken));
        assert_eq!(open(&bytes, 7, 2), Err(SealingError::Broken));
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&changed, 7, 1).is_err(), "byte {at}");
        }
        for length in 0..bytes.len() {
            assert!(open(&bytes[..length], 7, 1).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_size_says_little() {
        let sizes: Vec<usize> = (0..4096).map(|n| sealed(&vec![1; n], 1).len()).collect();
        let distinct: std::collections::BTreeSet<_> = sizes.iter().collect();
        assert!(distinct.len() <= 65, "{} sizes", distinct.len());
        assert!(sizes.is_sorted());
        for (n, size) in sizes.iter().enumerate() {
            assert!(*size <= padded(n) + OVERHEAD, "{n}: {size}");
            assert!(padded(n) <= (n + 1).max(SMALLEST) * 9 / 8, "{n}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_sealed() {
        let url = did_of(&key(1));
        let (channel, epoch) = (cid("channel"), cid("epoch"));
        let place =
            Place { channel: &channel, sender: url.did(), key: &url, sequence: 1, epoch: &epoch };
        let message = ChainKey::new([1; 32]).message();
        let seal = |n: usize| SealedPayload::seal(&vec![1; n], &message, &place, [2; 12]);
        assert!(seal(MAX_PAYLOAD).is_err());
        let most = (0..MAX_PAYLOAD).rev().find(|n| padded(*n) + OVERHEAD <= MAX_PAYLOAD);
        let longest = seal(most.expect("some")).expect("sealed").encode().expect("bytes");
        assert!(longest.len() <= MAX_PAYLOAD && SealedPayload::parse(&longest).is_ok());
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(payload in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let bytes = sealed(&payload, 3);
            let opened = open(&bytes, 3, 1).expect("opens");
            prop_assert_eq!(opened.as_slice(), payload.as_slice());
        }

        #[test]
        fn bytes_from_outside_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(read) = SealedPayload::parse(&bytes) {
                prop_assert_eq!(read.encode().expect("bytes"), bytes);
            }
        }
    }
}
