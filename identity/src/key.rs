//! Public and secret keys of the three types that Gridpass uses, and the Multikey form.
//!
//! | type | signs (JOSE) | agrees on keys | Multikey prefix |
//! |---|---|---|---|
//! | Ed25519 (RFC 8032) | EdDSA | through its X25519 image | `0xed01`, text `z6Mk…` |
//! | P-256 (FIPS 186-5) | ES256 | yes | `0x8024`, text `zDn…` |
//! | X25519 (RFC 7748) | no | yes | `0xec01`, text `z6LS…` |
//!
//! A [`PublicKey`] exists only if its bytes were the one canonical encoding of a usable point;
//! so a verifier never meets a small-order key, and two honest parties never disagree.

use crate::code::Code;
use crate::codes;
use crate::secret::SecretBytes;
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use rand_core::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

/// The types of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// EdDSA over edwards25519.
    Ed25519,
    /// ECDSA and ECDH over NIST P-256.
    P256,
    /// ECDH over curve25519.
    X25519,
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "P-256",
            Self::X25519 => "X25519",
        })
    }
}

/// The signature algorithms of JWS that Gridpass makes and accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
}

impl Algorithm {
    /// The name in a JOSE header.
    #[must_use]
    pub fn jose_name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

/// Why a key was refused, or cannot do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The encoding, the length or the point is wrong.
    #[error("not a usable key: {0}")]
    Malformed(&'static str),
    /// The key's type does not do that.
    #[error("a {found} key cannot {asked}")]
    Unsuitable {
        /// The key's type.
        found: KeyType,
        /// What it was asked to do, as a verb: `sign`.
        asked: &'static str,
    },
}

impl KeyError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::KEY_MALFORMED,
            Self::Unsuitable { .. } => codes::KEY_TYPE_UNSUITABLE,
        }
    }
}

/// The signature does not fit the message and the key. Says no more, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the bytes and the key")]
pub struct BadSignature;

/// A public key that was checked to be a usable point in its canonical encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(pub(crate) Point);

/// The point itself. Only the constructors of [`PublicKey`], which check it, make one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Point {
    /// Not of small order.
    Ed25519(ed25519_dalek::VerifyingKey),
    /// Not infinity.
    P256(p256::PublicKey),
    /// A u-coordinate, reduced and not of small order.
    X25519([u8; 32]),
}

/// 2^255 - 19, little-endian.
const CURVE25519_PRIME: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};
const ED25519_PREFIX: [u8; 2] = [0xed, 0x01];
const X25519_PREFIX: [u8; 2] = [0xec, 0x01];
const P256_PREFIX: [u8; 2] = [0x80, 0x24];
/// The longest Multikey text (33 bytes of P-256 with prefix) has 49 characters.
const MULTIKEY_MAX: usize = 64;

impl PublicKey {
    /// From the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for a y-coordinate that is not reduced or not on the curve, and for
    /// the points of small order, under which one signature can fit many messages.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 32] =
            bytes.try_into().map_err(|_| KeyError::Malformed("an Ed25519 key has 32 bytes"))?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|_| KeyError::Malformed("not a point on edwards25519"))?;
        // from_bytes keeps the bytes that it was given: compare with the point's own encoding.
        if key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::Malformed("not the canonical encoding of its point"));
        }
        if key.is_weak() {
            return Err(KeyError::Malformed("a point of small order"));
        }
        Ok(Self(Point::Ed25519(key)))
    }

    /// From SEC 1 bytes: compressed (33) or uncompressed (65).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for the wrong length, a point not on the curve, or infinity.
    pub fn p256(bytes: &[u8]) -> Result<Self, KeyError> {
        if !matches!((bytes.len(), bytes.first()), (33, Some(2 | 3)) | (65, Some(4))) {
            return Err(KeyError::Malformed("a P-256 key has 33 bytes, or 65 uncompressed"));
        }
        p256::PublicKey::from_sec1_bytes(bytes)
            .map(|point| Self(Point::P256(point)))
            .map_err(|_| KeyError::Malformed("not a point on P-256"))
    }

    /// From the 32 bytes of RFC 7748.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for the wrong length; for a u-coordinate that is not reduced or has
    /// the unused top bit set, which RFC 7748 would read as another spelling of the same key, so
    /// that a key marked as compromised could come back under other bytes; and for points of
    /// small order, with which every secret agrees on a key that all the world knows.
    pub fn x25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] =
            bytes.try_into().map_err(|_| KeyError::Malformed("an X25519 key has 32 bytes"))?;
        // Little-endian: compare from the most significant byte down.
        if bytes.iter().rev().ge(CURVE25519_PRIME.iter().rev()) {
            return Err(KeyError::Malformed("not the canonical encoding of its point"));
        }
        let shared = x25519_dalek::x25519([0x42; 32], bytes);
        if shared == [0; 32] {
            return Err(KeyError::Malformed("a point of small order"));
        }
        Ok(Self(Point::X25519(bytes)))
    }

    /// The key's type.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match &self.0 {
            Point::Ed25519(_) => KeyType::Ed25519,
            Point::P256(_) => KeyType::P256,
            Point::X25519(_) => KeyType::X25519,
        }
    }

    /// The bytes that a Multikey carries: 32, or 33 (compressed) for P-256.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Point::Ed25519(key) => key.as_bytes().to_vec(),
            Point::P256(key) => {
                p256::ecdsa::VerifyingKey::from(key).to_sec1_point(true).as_bytes().to_vec()
            }
            Point::X25519(bytes) => bytes.to_vec(),
        }
    }

    /// The Multikey text: multibase base58btc over the multicodec prefix and the key
    /// (Controlled Identifiers 1.0 section 2.2.2).
    #[must_use]
    pub fn to_multikey(&self) -> String {
        let prefix = match &self.0 {
            Point::Ed25519(_) => ED25519_PREFIX,
            Point::P256(_) => P256_PREFIX,
            Point::X25519(_) => X25519_PREFIX,
        };
        let mut bytes = prefix.to_vec();
        bytes.extend(self.to_bytes());
        multibase::encode(multibase::Base::Base58Btc, bytes)
    }

    /// Reads Multikey text.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for another base than base58btc, another type of key, a wrong
    /// length, or a point that cannot be used.
    pub fn from_multikey(text: &str) -> Result<Self, KeyError> {
        // base58 costs the square of its length: bound it before decoding.
        if text.len() > MULTIKEY_MAX {
            return Err(KeyError::Malformed("too long for a Multikey"));
        }
        if !text.starts_with('z') {
            return Err(KeyError::Malformed("a Multikey is base58btc and starts with z"));
        }
        let (_, bytes) =
            multibase::decode(text).map_err(|_| KeyError::Malformed("not base58btc"))?;
        let (prefix, key) = bytes
            .split_first_chunk::<2>()
            .ok_or(KeyError::Malformed("too short for a Multikey"))?;
        match *prefix {
            ED25519_PREFIX => Self::ed25519(key),
            X25519_PREFIX => Self::x25519(key),
            P256_PREFIX if key.len() == 33 => Self::p256(key),
            P256_PREFIX => Err(KeyError::Malformed("a P-256 Multikey has a compressed point")),
            _ => Err(KeyError::Malformed("a type of key that Gridpass does not use")),
        }
    }

    /// The algorithm that this key's signatures have.
    ///
    /// # Errors
    /// [`KeyError::Unsuitable`] for X25519.
    pub fn algorithm(&self) -> Result<Algorithm, KeyError> {
        match &self.0 {
            Point::Ed25519(_) => Ok(Algorithm::EdDsa),
            Point::P256(_) => Ok(Algorithm::Es256),
            Point::X25519(_) => Err(KeyError::Unsuitable { found: KeyType::X25519, asked: "sign" }),
        }
    }

    /// Verifies a 64-byte signature: Ed25519 as `verify_strict` (RFC 8032 section 5.1.7 with the
    /// cofactorless equation, canonical S, no small-order R), ES256 as RFC 7518 section 3.4.
    ///
    /// ES256 accepts high-S, as its suites do; nothing in Gridpass is named by a signature.
    ///
    /// # Errors
    /// [`BadSignature`], whatever the cause.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let bytes: &[u8; 64] = signature.try_into().map_err(|_| BadSignature)?;
        match &self.0 {
            Point::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_bytes(bytes);
                key.verify_strict(message, &signature).map_err(|_| BadSignature)
            }
            Point::P256(key) => {
                let signature =
                    p256::ecdsa::Signature::from_slice(bytes).map_err(|_| BadSignature)?;
                p256::ecdsa::VerifyingKey::from(key)
                    .verify(message, &signature)
                    .map_err(|_| BadSignature)
            }
            Point::X25519(_) => Err(BadSignature),
        }
    }

    /// The key that others seal to: itself, or for Ed25519 its X25519 image (the birational map
    /// of RFC 7748 section 4.1, as the did:key method derives its key agreement key).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the image is of small order.
    pub fn key_agreement_key(&self) -> Result<Self, KeyError> {
        match &self.0 {
            Point::Ed25519(key) => Self::x25519(key.to_montgomery().as_bytes()),
            Point::P256(_) | Point::X25519(_) => Ok(self.clone()),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_multikey())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_multikey())
    }
}

/// A secret key. Wiped when dropped; `Debug` shows the public key only.
#[derive(Clone)]
pub enum SecretKey {
    /// An Ed25519 seed with its expanded key.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    /// A P-256 scalar.
    P256(Box<p256::SecretKey>),
    /// An X25519 scalar, before clamping.
    X25519(Zeroizing<[u8; 32]>),
}

impl SecretKey {
    /// A new key from the caller's randomness.
    pub fn generate(key_type: KeyType, rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        loop {
            rng.fill_bytes(seed.as_mut());
            // Only for P-256 can 32 bytes fail to be a key, once in 2^32 times.
            if let Ok(key) = Self::from_bytes(key_type, seed.as_ref()) {
                return key;
            }
        }
    }

    /// From its 32 secret bytes (seed, or big-endian scalar for P-256).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for a wrong length, or a P-256 scalar of zero or over the order.
    pub fn from_bytes(key_type: KeyType, bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: &[u8; 32] =
            bytes.try_into().map_err(|_| KeyError::Malformed("a secret key has 32 bytes"))?;
        match key_type {
            KeyType::Ed25519 => {
                Ok(Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(bytes))))
            }
            KeyType::P256 => p256::SecretKey::from_slice(bytes)
                .map(|key| Self::P256(Box::new(key)))
                .map_err(|_| KeyError::Malformed("not a scalar of P-256")),
            KeyType::X25519 => Ok(Self::X25519(Zeroizing::new(*bytes))),
        }
    }

    /// Its 32 secret bytes, for the wallet's encrypted record.
    #[must_use]
    pub fn to_secret_bytes(&self) -> SecretBytes {
        match self {
            Self::Ed25519(key) => SecretBytes::new(key.as_bytes().to_vec()),
            Self::P256(key) => SecretBytes::new(Zeroizing::new(key.to_bytes()).to_vec()),
            Self::X25519(bytes) => SecretBytes::new(bytes.to_vec()),
        }
    }

    /// The key's type.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::P256(_) => KeyType::P256,
            Self::X25519(_) => KeyType::X25519,
        }
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey(Point::Ed25519(key.verifying_key())),
            Self::P256(key) => PublicKey(Point::P256(key.public_key())),
            Self::X25519(bytes) => PublicKey(Point::X25519(x25519_dalek::x25519(
                **bytes,
                x25519_dalek::X25519_BASEPOINT_BYTES,
            ))),
        }
    }

    /// Signs; deterministic for both algorithms (RFC 8032, RFC 6979).
    ///
    /// # Errors
    /// [`KeyError::Unsuitable`] for X25519.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).to_bytes()),
            Self::P256(key) => {
                let key = p256::ecdsa::SigningKey::from(key.as_ref());
                let signature: p256::ecdsa::Signature = key.sign(message);
                Ok(signature.to_bytes().into())
            }
            Self::X25519(_) => Err(KeyError::Unsuitable { found: KeyType::X25519, asked: "sign" }),
        }
    }

    /// The secret that opens what was sealed to [`PublicKey::key_agreement_key`].
    #[must_use]
    pub fn key_agreement_key(&self) -> Self {
        match self {
            Self::Ed25519(key) => Self::X25519(Zeroizing::new(key.to_scalar_bytes())),
            Self::P256(_) | Self::X25519(_) => self.clone(),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {}, not shown)", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_key() -> impl Strategy<Value = SecretKey> {
        let key_type =
            prop_oneof![Just(KeyType::Ed25519), Just(KeyType::P256), Just(KeyType::X25519)];
        (key_type, any::<[u8; 32]>())
            .prop_filter_map("scalar of the curve", |(t, b)| SecretKey::from_bytes(t, &b).ok())
    }

    proptest! {
        #[test]
        fn keys_round_trip_as_multikey_and_bytes(secret in any_key()) {
            let public = secret.public_key();
            prop_assert_eq!(PublicKey::from_multikey(&public.to_multikey()), Ok(public.clone()));
            let again = SecretKey::from_bytes(
                secret.key_type(), secret.to_secret_bytes().expose_secret());
            prop_assert_eq!(again.map(|k| k.public_key()), Ok(public));
        }

        #[test]
        fn key_agreement_keys_of_both_halves_match(secret in any_key()) {
            prop_assert_eq!(
                secret.key_agreement_key().public_key(),
                secret.public_key().key_agreement_key().expect("not of small order")
            );
        }

        #[test]
        fn a_signature_fits_its_message_only(secret in any_key(), message: Vec<u8>, flip in 0..512usize) {
            let public = secret.public_key();
            match secret.sign(&message) {
                Err(e) => prop_assert_eq!(e.code(), codes::KEY_TYPE_UNSUITABLE),
                Ok(mut signature) => {
                    prop_assert_eq!(public.verify(&message, &signature), Ok(()));
                    signature[flip / 8] ^= 1 << (flip % 8);
                    prop_assert_eq!(public.verify(&message, &signature), Err(BadSignature));
                }
            }
        }

        #[test]
        fn multikey_parser_never_panics(text in ".{0,80}") {
            let _ = PublicKey::from_multikey(&text);
        }
    }

    #[test]
    fn refuses_small_order_and_non_canonical_ed25519_keys() {
        let identity = {
            let mut b = [0; 32];
            b[0] = 1;
            b
        };
        let order_two = {
            let mut b = [0xff; 32];
            b[0] = 0xec;
            b[31] = 0x7f;
            b
        };
        // p + 3: the point with y = 3 in an encoding that is not reduced.
        let unreduced = {
            let mut b = [0xff; 32];
            b[0] = 0xf0;
            b[31] = 0x7f;
            b
        };
        for bytes in [identity, order_two, unreduced, [0xff; 32]] {
            assert!(PublicKey::ed25519(&bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn refuses_small_order_x25519_keys() {
        for first in [0_u8, 1] {
            let mut bytes = [0; 32];
            bytes[0] = first;
            assert!(PublicKey::x25519(&bytes).is_err());
        }
    }

    #[test]
    fn refuses_a_second_encoding_of_an_x25519_key() {
        let nine = x25519_dalek::X25519_BASEPOINT_BYTES;
        assert!(PublicKey::x25519(&nine).is_ok());
        let mut top_bit = nine;
        top_bit[31] |= 0x80;
        let mut unreduced = CURVE25519_PRIME;
        unreduced[0] += 9;
        for bytes in [top_bit, unreduced] {
            assert_eq!(x25519_dalek::x25519([1; 32], bytes), x25519_dalek::x25519([1; 32], nine));
            assert!(PublicKey::x25519(&bytes).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn secret_debug_shows_the_public_key_only() {
        let secret = SecretKey::from_bytes(KeyType::Ed25519, &[0; 32]).expect("32 bytes");
        assert_eq!(
            format!("{secret:?}"),
            "SecretKey(of z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp, not shown)"
        );
    }
}
