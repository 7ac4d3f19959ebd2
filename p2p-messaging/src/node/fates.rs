//! What became of messages here, as receipts say it: for which codes, and how much in one of them.

use crate::receipt::MAX_ENTRIES;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_policy::decision::Reason;
use std::collections::BTreeMap;

/// The most codes that a receipt gives for one refusal.
const MAX_REASONS: usize = 16;
/// The most bytes that a receipt says of messages, as JSON: as text it is a third longer, and has names of up
/// to 2 KiB beside.
const MAX_BYTES: usize = 32 * 1024;

/// What became of a message here.
pub(super) enum Fate {
    Delivered,
    Kept,
    /// With the codes that say why, at most as many as a receipt has.
    Refused(Vec<String>),
}

/// A message by its number, and what became of it.
pub(super) type Fated = (u64, (EnvelopeId, Fate));

/// The codes that a sender is told: of the reasons, and then of what they come from, each once.
pub(super) fn codes_of(reasons: &[Reason]) -> Vec<String> {
    let causes = reasons.iter().flat_map(|r| &r.causes).map(|c| &c.code);
    let mut all: Vec<String> = Vec::new();
    for code in reasons.iter().map(|r| &r.code).chain(causes) {
        if all.len() >= MAX_REASONS {
            break;
        }
        if !all.contains(code) {
            all.push(code.clone());
        }
    }
    all
}

/// What one receipt each says: not more than is read of one. The worst case is one entry for each message.
pub(super) fn batches(fates: BTreeMap<u64, (EnvelopeId, Fate)>) -> Vec<Vec<Fated>> {
    /// An entry without codes: its members' names and two numbers.
    const ENTRY: usize = 64;
    let (mut all, mut bytes): (Vec<Vec<Fated>>, usize) = (Vec::new(), 0);
    for (sequence, fated) in fates {
        let codes = match &fated.1 {
            Fate::Refused(codes) => codes.as_slice(),
            Fate::Delivered | Fate::Kept => &[],
        };
        let of_codes = codes.iter().fold(ENTRY, |n, c| n.saturating_add(c.len()).saturating_add(3));
        bytes = bytes.saturating_add(of_codes);
        match all.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes <= MAX_BYTES => {
                batch.push((sequence, fated));
            }
            _ => {
                bytes = of_codes;
                all.push(vec![(sequence, fated)]);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::{Receipt, Refusal, SignedReceipt};
    use crate::test_kit::{did_of, key, receipt};
    use gridpass_credentials::codes as credential_codes;
    use gridpass_policy::codes as policy_codes;
    use gridpass_policy::direct::Cause;

    fn unmet(id: &str, causes: &[&str]) -> Reason {
        let cause = |code: &&str| Cause { code: (*code).to_owned(), sentence: String::new() };
        let causes = causes.iter().map(cause).collect();
        Reason::of_requirement(policy_codes::POLICY_UNMET, id, "it says", causes)
    }

    #[test]
    fn a_sender_is_told_what_the_reasons_come_from_and_everything_once() {
        let (unmet_code, revoked) = (policy_codes::POLICY_UNMET, credential_codes::VISA_REVOKED);
        let three = ["sender", "zone", "amount"].map(|id| unmet(id, &[revoked.id()]));
        assert_eq!(codes_of(&three), [unmet_code.id(), revoked.id()]);
        // The reasons come first, and at most sixteen are told.
        let many: Vec<String> = (0..40).map(|n| format!("GP-{n}")).collect();
        let causes: Vec<&str> = many.iter().map(String::as_str).collect();
        let rate = Reason::of_facts(policy_codes::MESSAGE_RATE.id(), "it is too fast");
        let told = codes_of(&[unmet("zone", &causes), rate]);
        assert_eq!(told.len(), 16);
        assert_eq!(told[..3], [unmet_code.id(), policy_codes::MESSAGE_RATE.id(), "GP-0"]);
    }

    #[test]
    fn however_much_is_refused_each_receipt_can_be_read_and_nothing_is_left_out() {
        let newest = EnvelopeId::of_block(b"a block").expect("a name");
        let longest: Vec<String> = (10..26).map(|n| format!("GP-{n}{}", "X".repeat(59))).collect();
        let refused = |n: u64| (1_000_000 + n, (newest.clone(), Fate::Refused(longest.clone())));
        let fates: BTreeMap<_, _> = (0..300).map(refused).collect();
        let expected: Vec<u64> = fates.keys().copied().collect();
        let mut said = Vec::new();
        for batch in batches(fates) {
            let refusal = |(sequence, (_, fate)): Fated| match fate {
                Fate::Refused(reasons) => Refusal { sequence, reasons },
                Fate::Delivered | Fate::Kept => panic!("it was refused"),
            };
            let receipt = Receipt {
                delivered: Vec::new(),
                refused: batch.into_iter().map(refusal).collect(),
                newest: newest.clone(),
                ..receipt()
            };
            let text = receipt.sign(&key(2), &did_of(&key(2))).expect("signs");
            let read = SignedReceipt::parse(text.as_bytes()).expect("it is read");
            said.extend(read.receipt().refused.iter().map(|r| r.sequence));
        }
        assert_eq!(said, expected);
        // What says little is said in as few as before.
        let delivered = (1..=600).map(|n| (n, (newest.clone(), Fate::Delivered))).collect();
        let sizes: Vec<_> = batches(delivered).iter().map(Vec::len).collect();
        assert_eq!(sizes, [256, 256, 88]);
    }
}
