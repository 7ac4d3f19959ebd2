//! Verifying with one Ed25519 key again and again.
//!
//! A node hears the same senders all day, and a bundle of a hundred thousand messages has a few
//! keys. For a key that is used so often, its multiples are worth keeping: `S*B - k*A` is then a sum
//! of some eighty points without a doubling. The verdict is that of [`PublicKey::verify`], bit for
//! bit: the same integers times the same points are compared with the same bytes, also for keys and
//! signatures that somebody built of points of small order. Everything here is public, so time may
//! depend on it.
//!
//! ```
//! use gridpass_identity::key::{KeyType, SecretKey};
//! use gridpass_identity::prepared::PreparedKey;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SecretKey::from_bytes(KeyType::Ed25519, &[7; 32])?;
//! let signature = key.sign(b"10 MW")?;
//!
//! let prepared = PreparedKey::new(&key.public_key()).ok_or("only Ed25519")?;
//! assert!(prepared.verify(b"10 MW", &signature).is_ok());
//! assert!(prepared.verify(b"11 MW", &signature).is_err());
//! # Ok(())
//! # }
//! ```

// Points have no overflow, and of numbers there are digits of eight bits and their places alone.
#![allow(clippy::arithmetic_side_effects)]

use crate::key::{BadSignature, Point, PublicKey};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use sha2::{Digest as _, Sha512};
use std::fmt;
use std::sync::LazyLock;

/// Bits of a digit of `S`: one table for all keys of the process, of 640 KiB.
const BASE_BITS: u8 = 8;
/// Bits of a digit of `k`: a table for each key, of 130 KiB.
const KEY_BITS: u8 = 5;

/// The multiples of the curve's base point, made in a millisecond where they are needed first.
static BASE: LazyLock<Multiples> =
    LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT, BASE_BITS));

/// An Ed25519 key with its multiples.
pub struct PreparedKey {
    /// Of the point with its sign changed.
    minus: Multiples,
    key: PublicKey,
    encoded: [u8; 32],
}

impl fmt::Debug for PreparedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreparedKey({})", self.key)
    }
}

impl PreparedKey {
    /// Prepares a key; `None` for other types than Ed25519. It costs what some six verifications
    /// do, and 130 KiB.
    #[must_use]
    pub fn new(key: &PublicKey) -> Option<Self> {
        let Point::Ed25519(point) = &key.0 else { return None };
        let minus = Multiples::of(-point.to_edwards(), KEY_BITS);
        Some(Self { minus, key: key.clone(), encoded: *point.as_bytes() })
    }

    /// The key that was prepared.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What [`PublicKey::verify`] of the same key says, in about half the time (RFC 8032 section
    /// 5.1.7, without the cofactor, canonical `S`, no `R` of small order).
    ///
    /// # Errors
    /// [`BadSignature`], whatever the cause.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let signature: &[u8; 64] = signature.try_into().map_err(|_| BadSignature)?;
        let (r, s) = signature.split_first_chunk::<32>().ok_or(BadSignature)?;
        let s = <[u8; 32]>::try_from(s).map_err(|_| BadSignature)?;
        let s = Option::from(Scalar::from_canonical_bytes(s)).ok_or(BadSignature)?;
        let hash = Sha512::new().chain_update(r).chain_update(self.encoded).chain_update(message);
        let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let sum = self.minus.add_times(&k, BASE.add_times(&s, EdwardsPoint::identity()));
        // An `R` in another encoding than its point's own is equal to none, as it should be.
        if sum.compress().as_bytes() == r && !sum.is_small_order() {
            Ok(())
        } else {
            Err(BadSignature)
        }
    }
}

/// Of a point `P`: for each place of a number in base `2^bits`, the multiples of `2^(bits*place) P`
/// by 1 up to `2^(bits-1)`. Digits have a sign, so that half of them is enough.
struct Multiples {
    bits: u8,
    places: Vec<Vec<EdwardsPoint>>,
}

impl Multiples {
    fn of(point: EdwardsPoint, bits: u8) -> Self {
        let multiples = |unit: EdwardsPoint| {
            let next = move |p: &EdwardsPoint| Some(*p + unit);
            std::iter::successors(Some(unit), next).take(1 << (bits - 1)).collect::<Vec<_>>()
        };
        // The last multiple is half of what the next place's unit is.
        let places = std::iter::successors(Some(multiples(point)), |place: &Vec<EdwardsPoint>| {
            place.last().map(|half| multiples(*half + *half))
        });
        Self { bits, places: places.take(256_usize.div_ceil(usize::from(bits))).collect() }
    }

    /// `sum` and `scalar` times the point.
    fn add_times(&self, scalar: &Scalar, sum: EdwardsPoint) -> EdwardsPoint {
        let whole = 1_u16 << self.bits;
        let mut carry = 0;
        self.places.iter().zip(0_usize..).fold(sum, |sum, (multiples, place)| {
            let digit = digit(scalar.as_bytes(), self.bits, place) + carry;
            let nth = |n: u16| multiples.get(usize::from(n.wrapping_sub(1)));
            // A digit beyond the half is what is lacking to the next place's unit. The last place is
            // never so great: a scalar has 253 bits.
            carry = u16::from(digit > whole / 2);
            match carry {
                0 => nth(digit).map_or(sum, |p| sum + *p),
                _ => nth(whole - digit).map_or(sum, |p| sum - *p),
            }
        })
    }
}

/// The digit at a place of a number in base `2^bits`, for at most eight bits.
fn digit(number: &[u8; 32], bits: u8, place: usize) -> u16 {
    let from = place * usize::from(bits);
    let byte = |at: usize| number.get(at).copied().unwrap_or(0);
    let two = u16::from_le_bytes([byte(from / 8), byte(from / 8 + 1)]);
    (two >> (from % 8)) & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, SecretKey};
    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::prelude::*;

    /// The hash of a signature, a key and a message, as RFC 8032 has it.
    fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
        let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message);
        Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
    }

    /// What both say, which must be the same.
    fn fits(prepared: &PreparedKey, message: &[u8], signature: &[u8]) -> bool {
        let plainly = prepared.key().verify(message, signature);
        assert_eq!(prepared.verify(message, signature), plainly);
        plainly.is_ok()
    }

    fn prepared(encoded: &[u8; 32]) -> PreparedKey {
        let key = PublicKey::ed25519(encoded).expect("a usable key");
        PreparedKey::new(&key).expect("an Ed25519 key")
    }

    fn signature(r: [u8; 32], s: Scalar) -> [u8; 64] {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(s.as_bytes());
        signature
    }

    #[test]
    fn keys_and_signatures_with_a_part_of_small_order_come_out_as_without_multiples() {
        let (secret, nonce) = (Scalar::from(0x1234_5678_9abc_u64), Scalar::from(77_u64));
        let (mut fit, mut tried) = (0, 0);
        for of_key in EIGHT_TORSION {
            let key = (EdwardsPoint::mul_base(&secret) + of_key).compress().to_bytes();
            let prepared = prepared(&key);
            for of_r in EIGHT_TORSION {
                let r = (EdwardsPoint::mul_base(&nonce) + of_r).compress().to_bytes();
                for message in 0..16_u8 {
                    let s = nonce + challenge(&r, &key, &[message]) * secret;
                    fit += u32::from(fits(&prepared, &[message], &signature(r, s)));
                    tried += 1;
                }
            }
        }
        // With neither part all 16 fit; where the parts cancel out, some do. With the cofactor all would.
        assert!((17..tried / 2).contains(&fit), "{fit} of {tried}");
    }

    #[test]
    fn a_commitment_of_small_order_fits_nothing() {
        let secret = Scalar::from(99_u64);
        let key = EdwardsPoint::mul_base(&secret).compress().to_bytes();
        let prepared = prepared(&key);
        for point in EIGHT_TORSION {
            let r = point.compress().to_bytes();
            let s = challenge(&r, &key, b"m") * secret;
            assert!(!fits(&prepared, b"m", &signature(r, s)));
        }
        // The identity with a sign: an encoding that is not its own.
        let r = {
            let mut r = [0; 32];
            r[0] = 1;
            r[31] = 0x80;
            r
        };
        let s = challenge(&r, &key, b"m") * secret;
        assert!(!fits(&prepared, b"m", &signature(r, s)));
    }

    #[test]
    fn an_s_that_is_not_reduced_fits_nothing() {
        // 2^252 + 27742317777372353535851937790883648493, little-endian.
        let order: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let secret = SecretKey::from_bytes(KeyType::Ed25519, &[3; 32]).expect("a key");
        let good = secret.sign(b"m").expect("signs");
        let key: [u8; 32] = secret.public_key().to_bytes().try_into().expect("32 bytes");
        let prepared = prepared(&key);
        assert!(fits(&prepared, b"m", &good));
        let (mut again, mut carry) = (good, 0_u16);
        for (byte, of_order) in again[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(of_order) + carry;
            [*byte, _] = sum.to_le_bytes();
            carry = sum >> 8;
        }
        assert!(!fits(&prepared, b"m", &again));
        assert!(!fits(&prepared, b"m", &good[..63]));
    }

    #[test]
    fn only_ed25519_is_prepared() {
        let key = SecretKey::from_bytes(KeyType::P256, &[3; 32]).expect("a key").public_key();
        assert!(PreparedKey::new(&key).is_none());
    }

    #[test]
    fn the_least_and_the_greatest_scalars_have_their_multiples() {
        let ends = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, -Scalar::from(16_u64)];
        // A digit of all bits, with the carry of the one before, is the next place's unit.
        let digits = [0x10_u8, 0x0f, 0x80, 0x7f, 0xff].map(|byte| {
            Scalar::from_bytes_mod_order(std::array::from_fn(|at| if at < 31 { byte } else { 0 }))
        });
        for scalar in ends.into_iter().chain(digits) {
            for bits in [KEY_BITS, BASE_BITS] {
                let multiples = Multiples::of(ED25519_BASEPOINT_POINT, bits);
                let found = multiples.add_times(&scalar, EdwardsPoint::identity());
                assert_eq!(found, EdwardsPoint::mul_base(&scalar), "{scalar:?}, {bits} bits");
            }
        }
    }

    proptest! {
        #[test]
        fn any_key_message_and_change_come_out_as_without_multiples(
            seed: [u8; 32],
            message in prop::collection::vec(any::<u8>(), 0..80),
            change in prop::option::of((0_usize..64, 1_u8..)),
        ) {
            let secret = SecretKey::from_bytes(KeyType::Ed25519, &seed).expect("a key");
            let mut signature = secret.sign(&message).expect("signs");
            if let Some((at, bits)) = change {
                signature[at] ^= bits;
            }
            let key: [u8; 32] = secret.public_key().to_bytes().try_into().expect("32 bytes");
            prop_assert_eq!(fits(&prepared(&key), &message, &signature), change.is_none());
        }
    }
}
