//! Receipts: what a recipient says became of the messages of a chain. `spec/receipt.md`.
//!
//! One receipt speaks of many messages, as exact ranges of their numbers, and names the newest of
//! them: since each message names the one before, that name stands for all of them.

use crate::checking::Chain;
use crate::codes;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jws::{self, Header, JwsIn, SignatureVerdict};
use gridpass_identity::key::{PublicKey, SecretKey};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::MAX_CLOCK_SKEW;
use serde::{Deserialize, Serialize};

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// What `typ` says.
pub const TYP: &str = "gridpass-receipt+jwt";
/// The longest receipt, in bytes.
pub const MAX_RECEIPT: usize = 64 * 1024;
/// How old the status of the authorisation of a node that signs may be, in seconds: channels ask for
/// less of what they deliver.
pub const MAX_STATUS_AGE_SECONDS: u64 = 30 * 24 * 3600;
/// The most ranges and refusals.
pub const MAX_ENTRIES: usize = 256;

/// Why a receipt is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a receipt: {0}")]
pub struct ReceiptError(String);

impl ReceiptError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::RECEIPT_MALFORMED
    }
}

fn malformed<E: std::fmt::Display>(e: E) -> ReceiptError {
    ReceiptError(e.to_string())
}

/// A message that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Refusal {
    /// Its number.
    pub sequence: u64,
    /// Why: codes.
    pub reasons: Vec<String>,
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Receipt {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The channel.
    pub channel: ContentId,
    /// Whose messages.
    pub sender: Did,
    /// Which key of the sender's numbers them.
    pub key: String,
    /// Who received.
    pub recipient: Did,
    /// The authorisation of the node that signs for it.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<ContentId>,
    /// When it was signed, in milliseconds.
    pub issued: UnixMillis,
    /// Delivered: ranges of numbers, each from and up to, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delivered: Vec<(u64, u64)>,
    /// Kept for others, unread: ranges as those of `delivered`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<(u64, u64)>,
    /// Refused, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// The name of the message with the greatest number of those.
    pub newest: EnvelopeId,
}

/// How far a receipt's time may be from others': what a channel may allow clocks to differ at most.
pub(crate) const CLOCKS_DIFFER_MILLIS: u64 = MAX_CLOCK_SKEW.saturating_mul(1000);

impl Receipt {
    /// The chain that it is about.
    ///
    /// # Errors
    /// [`ReceiptError`] for a key that is no DID URL.
    pub fn chain(&self) -> Result<Chain, ReceiptError> {
        let key = DidUrl::parse(&self.key).map_err(malformed)?;
        Ok(Chain { channel: self.channel.clone(), sender: self.sender.clone(), key })
    }

    /// The greatest number that it speaks of.
    #[must_use]
    pub fn until(&self) -> u64 {
        let taken = self.delivered.iter().chain(&self.kept).map(|(_, until)| *until).max();
        taken.max(self.refused.iter().map(|r| r.sequence).max()).unwrap_or_default()
    }

    /// Whether it says what became of a message.
    #[must_use]
    pub fn speaks_of(&self, sequence: u64) -> bool {
        covers(&self.delivered, sequence)
            || covers(&self.kept, sequence)
            || self.refused.iter().any(|r| r.sequence == sequence)
    }

    /// Whether it says of any message what these do not say already.
    #[must_use]
    pub fn adds_to(&self, before: &[Receipt]) -> bool {
        let said = |which: fn(&Receipt) -> &Vec<(u64, u64)>| -> Vec<(u64, u64)> {
            before.iter().flat_map(|r| which(r).iter().copied()).collect()
        };
        let refused = |n: u64| before.iter().any(|r| r.refused.iter().any(|f| f.sequence == n));
        let delivered = said(|r| &r.delivered);
        let kept = said(|r| &r.kept);
        self.delivered.iter().any(|range| !covered(*range, &delivered))
            || self.kept.iter().any(|range| !covered(*range, &kept))
            || self.refused.iter().any(|f| !refused(f.sequence) && !covers(&delivered, f.sequence))
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`ReceiptError`] for one that nobody would read, or a key that cannot sign.
    pub fn sign(&self, key: &SecretKey, key_id: &DidUrl) -> Result<String, ReceiptError> {
        self.check()?;
        let payload = json::canonicalize(self).map_err(malformed)?;
        let header =
            Header { kid: Some(key_id.clone()), typ: Some(TYP.into()), ..Header::default() };
        jws::sign(&payload, key, &header).map_err(malformed)
    }

    fn check(&self) -> Result<(), ReceiptError> {
        let refuse = |why: &str| Err(ReceiptError(why.to_owned()));
        if self.format_version != FORMAT_VERSION {
            return refuse("its version is not known");
        }
        let taken = self.delivered.len().saturating_add(self.kept.len());
        let entries = taken.saturating_add(self.refused.len());
        if entries == 0 || entries > MAX_ENTRIES {
            return refuse("it speaks of nothing, or of more than 256 ranges");
        }
        for ranges in [&self.delivered, &self.kept] {
            let mut last = 0;
            for (from, until) in ranges {
                if *from <= last || until < from {
                    return refuse("its ranges are not in order");
                }
                last = *until;
            }
        }
        let overlap = |(a, b): &(u64, u64)| self.kept.iter().any(|(c, d)| a <= d && c <= b);
        if self.delivered.iter().any(overlap) {
            return refuse("something is delivered and only kept");
        }
        let mut last = 0;
        for refusal in &self.refused {
            let taken = [&self.delivered, &self.kept];
            if refusal.sequence <= last || taken.iter().any(|r| covers(r, refusal.sequence)) {
                return refuse("its refusals are not in order, or were taken too");
            }
            let fine = |r: &String| r.len() <= 64 && r.starts_with("GP-");
            if refusal.reasons.len() > 16 || !refusal.reasons.iter().all(fine) {
                return refuse("a reason in it is no code");
            }
            last = refusal.sequence;
        }
        Ok(())
    }
}

/// A receipt as it was signed; not yet believed.
#[derive(Clone, Debug)]
pub struct SignedReceipt {
    receipt: Receipt,
    jws: JwsIn,
    key: DidUrl,
}

impl SignedReceipt {
    /// Reads one.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn parse(text: &[u8]) -> Result<Self, ReceiptError> {
        if text.len() > MAX_RECEIPT {
            return Err(ReceiptError("it is too long".into()));
        }
        let text = std::str::from_utf8(text).map_err(malformed)?;
        let jws = JwsIn::parse(text).map_err(malformed)?;
        if jws.header().typ.as_deref() != Some(TYP) {
            return Err(ReceiptError("its type is another".into()));
        }
        let key = jws.header().kid.clone().ok_or_else(|| ReceiptError("no key is named".into()))?;
        let payload = jws.payload(None).map_err(malformed)?;
        let receipt: Receipt =
            json::from_slice_strict(payload, Limits::DOCUMENT).map_err(malformed)?;
        receipt.check()?;
        if (key.did() == &receipt.recipient) != receipt.authorisation.is_none() {
            return Err(ReceiptError("its key is not its recipient's, or needs no node".into()));
        }
        Ok(Self { receipt, jws, key })
    }

    /// What it says. Believe it only after [`SignedReceipt::verify`].
    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// The key that signed: the recipient's, or its node's.
    #[must_use]
    pub fn key(&self) -> &DidUrl {
        &self.key
    }

    /// Whether this key signed it. Whose key it is, is for the caller.
    ///
    /// # Errors
    /// [`ReceiptError`] if it did not.
    pub fn verify(&self, key: &PublicKey) -> Result<(), ReceiptError> {
        match self.jws.verify(key, None).map_err(malformed)? {
            SignatureVerdict::Fits => Ok(()),
            SignatureVerdict::DoesNotFit => Err(ReceiptError("its signature does not fit".into())),
        }
    }
}

/// Whether all numbers of a range are in one or another of these.
fn covered((mut from, until): (u64, u64), ranges: &[(u64, u64)]) -> bool {
    while from <= until {
        let next = ranges.iter().filter(|(a, b)| (*a..=*b).contains(&from)).map(|(_, b)| *b).max();
        match next.map(|end| end.checked_add(1)) {
            None => return false,
            Some(None) => return true,
            Some(Some(next)) => from = next,
        }
    }
    true
}

/// Whether a number is in one of these ranges.
#[must_use]
pub fn covers(ranges: &[(u64, u64)], number: u64) -> bool {
    ranges.iter().any(|(from, until)| (*from..=*until).contains(&number))
}

/// Numbers as ranges.
#[must_use]
pub fn ranges(numbers: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match all.last_mut() {
            Some((_, until)) if until.checked_add(1) == Some(number) => *until = number,
            _ => all.push((number, number)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{cid, did_of, key, receipt};
    use proptest::prelude::*;

    #[test]
    fn what_is_signed_is_read_and_holds_and_another_key_did_not_sign_it() {
        let text = receipt().sign(&key(2), &did_of(&key(2))).expect("signs");
        let read = SignedReceipt::parse(text.as_bytes()).expect("a receipt");
        assert_eq!((read.receipt(), read.receipt().until()), (&receipt(), 5));
        assert!(read.verify(&key(2).public_key()).is_ok());
        assert!(read.verify(&key(1).public_key()).is_err());
    }

    #[test]
    fn the_key_of_somebody_else_needs_an_authorisation() {
        let text = receipt().sign(&key(3), &did_of(&key(3))).expect("signs");
        assert!(SignedReceipt::parse(text.as_bytes()).is_err());
        let by_node = Receipt { authorisation: Some(cid("authorisation")), ..receipt() };
        let text = by_node.sign(&key(3), &did_of(&key(3))).expect("signs");
        assert!(SignedReceipt::parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn a_receipt_adds_what_was_not_said() {
        let said = |delivered: &[(u64, u64)], refused: &[u64]| Receipt {
            delivered: delivered.to_vec(),
            refused: refused
                .iter()
                .map(|n| Refusal { sequence: *n, reasons: Vec::new() })
                .collect(),
            ..receipt()
        };
        let before = [said(&[(1, 3)], &[9]), said(&[(4, 6)], &[])];
        assert!(!said(&[(2, 5)], &[9]).adds_to(&before), "two together say it");
        assert!(!said(&[], &[2]).adds_to(&before), "what was delivered stays so");
        assert!(said(&[(2, 7)], &[]).adds_to(&before));
        assert!(said(&[(9, 9)], &[]).adds_to(&before), "another node delivered it");
        assert!(said(&[], &[10]).adds_to(&before));
        assert!(said(&[(u64::MAX, u64::MAX)], &[]).adds_to(&[]));
    }

    #[test]
    fn what_contradicts_itself_is_none() {
        let bends: [fn(&mut Receipt); 8] = [
            |r| r.kept = vec![(5, 6)],
            |r| r.kept = vec![(4, 4)],
            |r| r.delivered = vec![(5, 5), (1, 3)],
            |r| r.delivered = vec![(3, 1)],
            |r| r.delivered = vec![(1, 4)],
            |r| r.refused[0].reasons = vec!["because".into()],
            |r| r.format_version = 2,
            |r| (r.delivered, r.refused) = (Vec::new(), Vec::new()),
        ];
        for bend in bends {
            let mut bent = receipt();
            bend(&mut bent);
            assert!(bent.sign(&key(2), &did_of(&key(2))).is_err(), "{bent:?}");
        }
    }

    proptest! {
        #[test]
        fn ranges_are_the_numbers(numbers in proptest::collection::btree_set(1_u64..200, 0..60)) {
            let all = ranges(numbers.iter().copied());
            let back: std::collections::BTreeSet<u64> =
                all.iter().flat_map(|(a, b)| *a..=*b).collect();
            prop_assert_eq!(back, numbers);
            prop_assert!(all.windows(2).all(|w| w[0].1 + 1 < w[1].0));
        }
    }
}
