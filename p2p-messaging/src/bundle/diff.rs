//! What two parties' bundles of the same have otherwise. They disagree about messages that only one has,
//! that they decided otherwise, or of which a recipient refuses to one what it confirms to the other. That
//! each selected what it was asked for, decided by what it had heard, withholds what the other shows or has
//! a receipt more is told, and is no disagreement.

use super::Bundle;
use super::entries::MessageEntry;
use super::manifest::Selection;
use crate::envelope::Envelope;
use crate::receipt::{SignedReceipt, covers};
use gridpass_identity::did::Did;
use gridpass_policy::decision::parse_admission;
use gridpass_policy::facts::{Admission, CheckFacts, ListFacts, VisaFacts};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something that two bundles have otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The message, or the part.
    pub id: String,
    /// What it is: `only-first`, `only-second`, `decision`, `receipts`; `selection`, `evidence`,
    /// `delivery`, `payload`, `receipts-lacking`.
    pub kind: &'static str,
    /// Whether they disagree: of the first four kinds they do.
    pub disagrees: bool,
    /// What the first says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// What the second says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
}

/// The same of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sides<T> {
    /// Of the first.
    pub first: T,
    /// Of the second.
    pub second: T,
}

/// How many receipts each has: documents, each of which may speak of many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptCounts {
    /// In the first.
    pub first: usize,
    /// In the second.
    pub second: usize,
    /// In the first alone.
    pub only_first: usize,
    /// In the second alone.
    pub only_second: usize,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Differences {
    /// Whether both are of one channel: else they are of different things, and all differs.
    pub same_channel: bool,
    /// Whether both are of the same messages, by what was selected.
    pub same_selection: bool,
    /// What was selected.
    pub selections: Sides<Selection>,
    /// Messages that both have.
    pub in_both: usize,
    /// How many receipts each has.
    pub receipts: ReceiptCounts,
    /// Each difference: by message, in the order of their ids.
    pub differences: Vec<Difference>,
}

/// One did not select it.
const SELECTION: &str = "selection";
/// They judged the sender by other lists, or found something else of it.
const EVIDENCE: &str = "evidence";
/// Both are readers of it, and it was delivered to one, or not in the same way to both.
const DELIVERY: &str = "delivery";
/// One shows the payload, and the other does not.
const PAYLOAD: &str = "payload";
/// One has receipts for it that the other has not.
const LACKING: &str = "receipts-lacking";

impl Differences {
    /// Whether they disagree, or cannot agree, being of two channels.
    #[must_use]
    pub fn disagree(&self) -> bool {
        !self.same_channel || self.differences.iter().any(|d| d.disagrees)
    }

    /// Whether nothing at all was found, not even what is no disagreement.
    #[must_use]
    pub fn nothing(&self) -> bool {
        let ReceiptCounts { only_first, only_second, .. } = self.receipts;
        self.same_selection && self.differences.is_empty() && (only_first, only_second) == (0, 0)
    }
}

/// What each recipient says of a message.
type Said = BTreeMap<String, BTreeMap<Did, BTreeSet<String>>>;

/// Compares two bundles that were read. Nothing is verified: that is asked of each by itself.
#[must_use]
pub fn compare(first: &Bundle<'_>, second: &Bundle<'_>) -> Differences {
    let (ours, theirs) = (by_id(first), by_id(second));
    let (our_receipts, their_receipts) = (receipts(first), receipts(second));
    let ids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let (a, b) = (&first.manifest().selection, &second.manifest().selection);
    let mut found = Differences {
        same_channel: a.channel == b.channel,
        same_selection: a == b,
        selections: Sides { first: a.clone(), second: b.clone() },
        in_both: 0,
        receipts: receipt_counts(first, second),
        differences: Vec::new(),
    };
    // Of another channel nobody could have selected it: that they are of two is said already.
    let may_pass_over = found.same_channel && !found.same_selection;
    let asked = |other: &Selection, own: &Bundle<'_>, entry: &MessageEntry| {
        !may_pass_over || takes(other, own, entry)
    };
    let mut all = Vec::new();
    for id in ids {
        let mut add = |kind, a: Option<String>, b: Option<String>| {
            let (id, disagrees) = (id.clone(), !is_told_only(kind));
            all.push(Difference { id, kind, disagrees, first: a, second: b });
        };
        match (ours.get(id), theirs.get(id)) {
            (Some(one), None) => {
                let kind = if asked(b, first, one) { "only-first" } else { SELECTION };
                add(kind, Some(decision(one)), None);
            }
            (None, Some(one)) => {
                let kind = if asked(a, second, one) { "only-second" } else { SELECTION };
                add(kind, None, Some(decision(one)));
            }
            (None, None) => {}
            (Some(a), Some(b)) => {
                if decision(a) != decision(b) {
                    add("decision", Some(decision(a)), Some(decision(b)));
                }
                if let Some((a, b)) = judged_otherwise((first, a), (second, b)) {
                    add(EVIDENCE, Some(a), Some(b));
                }
                if let Some((a, b)) = delivered_otherwise((first, a), (second, b)) {
                    add(DELIVERY, Some(a.into()), Some(b.into()));
                }
                if a.payload != b.payload {
                    let state = |m: &MessageEntry| format!("{:?}", m.payload).to_lowercase();
                    add(PAYLOAD, Some(state(a)), Some(state(b)));
                }
                let said = said_otherwise(our_receipts.get(id), their_receipts.get(id));
                for (kind, [a, b]) in [("receipts", said.contradict), (LACKING, said.lacking)] {
                    if a.is_some() || b.is_some() {
                        add(kind, a, b);
                    }
                }
                found.in_both = found.in_both.saturating_add(1);
            }
        }
    }
    found.differences = all;
    found
}

fn is_told_only(kind: &str) -> bool {
    matches!(kind, SELECTION | EVIDENCE | DELIVERY | PAYLOAD | LACKING)
}

/// Whether a selection has a message. Of one that cannot be read, nobody can say that it has not.
fn takes(selection: &Selection, bundle: &Bundle<'_>, entry: &MessageEntry) -> bool {
    envelope(bundle, entry).is_none_or(|e| selection.takes(e.header(), e.id()))
}

fn envelope(bundle: &Bundle<'_>, entry: &MessageEntry) -> Option<Envelope> {
    bundle.block(&entry.envelope).and_then(|b| Envelope::parse_block(b).ok())
}

fn receipt_counts(first: &Bundle<'_>, second: &Bundle<'_>) -> ReceiptCounts {
    let of = |bundle: &Bundle<'_>| -> BTreeSet<String> {
        bundle.entries().receipts.iter().map(|r| r.receipt.to_string()).collect()
    };
    let (a, b) = (of(first), of(second));
    ReceiptCounts {
        first: a.len(),
        second: b.len(),
        only_first: a.difference(&b).count(),
        only_second: b.difference(&a).count(),
    }
}

/// How each was delivered a message that both allowed and that is for both.
fn delivered_otherwise(
    (first, a): (&Bundle<'_>, &MessageEntry),
    (second, b): (&Bundle<'_>, &MessageEntry),
) -> Option<(&'static str, &'static str)> {
    let (one, other) = (delivery(a), delivery(b));
    if one == other || !a.allowed || !b.allowed {
        return None;
    }
    let envelope = envelope(first, a)?;
    let header = envelope.header();
    // Nothing is delivered to its sender, nor to whom it does not name.
    let is_for = |bundle: &Bundle<'_>| {
        let exporter = &bundle.manifest().exporter.participant;
        let named = header.recipients.is_empty() || header.recipients.contains(exporter);
        &header.sender != exporter && named
    };
    (is_for(first) && is_for(second)).then_some((one, other))
}

fn delivery(entry: &MessageEntry) -> &'static str {
    match (entry.deliver, entry.opened.as_ref().map(|o| o.deliver)) {
        (true, _) => DELIVERED,
        (false, Some(true)) => "delivered when it was opened",
        (false, Some(false)) => "opened, and not delivered",
        (false, None) => "not delivered",
    }
}

fn by_id<'b>(bundle: &'b Bundle<'_>) -> BTreeMap<String, &'b MessageEntry> {
    bundle.entries().messages.iter().map(|m| (m.envelope.to_string(), m)).collect()
}

/// What two admissions of a message's sender have otherwise, besides when they were made.
fn judged_otherwise(
    (first, a): (&Bundle<'_>, &MessageEntry),
    (second, b): (&Bundle<'_>, &MessageEntry),
) -> Option<(String, String)> {
    if a.admission == b.admission {
        return None;
    }
    let of = |bundle: &Bundle<'_>, entry: &MessageEntry| {
        let bytes = bundle.document(&entry.admission)?;
        parse_admission(bytes, None).ok().map(|(_, admission)| grounds(&admission))
    };
    let told = |own: &BTreeSet<String>, other: &BTreeSet<String>| {
        let own: Vec<_> = own.difference(other).map(String::as_str).collect();
        if own.is_empty() { "nothing more".to_owned() } else { own.join("; ") }
    };
    match (of(first, a), of(second, b)) {
        (Some(a), Some(b)) if a == b => None,
        (Some(a), Some(b)) => Some((told(&a, &b), told(&b, &a))),
        _ => Some((a.admission.to_string(), b.admission.to_string())),
    }
}

/// What was found, and by what.
fn grounds(admission: &Admission) -> BTreeSet<String> {
    let found = |check: &CheckFacts| {
        let outcome = format!("{:?}", check.outcome).to_lowercase();
        format!("{outcome} ({})", check.code)
    };
    let presentation = format!("presentation {}", found(&admission.standing));
    let visas = admission.visas.iter().map(|v| {
        let VisaFacts { role, evidence, standing, .. } = v;
        format!("visa {role} {evidence} {}", found(standing))
    });
    let node = admission.node.iter().map(|n| format!("node {}", found(&n.standing)));
    let lists = admission.lists.iter().map(|l| {
        let ListFacts { list, signer, dated, evidence } = l;
        format!("list {list} by {signer} of {dated} {evidence}")
    });
    let charter = format!("charter {}", admission.trust.charter);
    [presentation, charter].into_iter().chain(visas).chain(node).chain(lists).collect()
}

fn decision(entry: &MessageEntry) -> String {
    if entry.allowed { "allow".into() } else { format!("deny: {}", entry.reasons.join(", ")) }
}

/// What a refusal begins with.
const REFUSED: &str = "refused: ";
/// What it is called that a message was delivered.
const DELIVERED: &str = "delivered";

/// What the receipts in a bundle say of its messages.
fn receipts(bundle: &Bundle<'_>) -> Said {
    let mut numbers = BTreeMap::new();
    for entry in &bundle.entries().messages {
        if let Some(envelope) = envelope(bundle, entry) {
            let chain = crate::checking::Chain::of(envelope.header());
            let of_chain: &mut BTreeMap<u64, String> = numbers.entry(chain).or_default();
            of_chain.insert(envelope.header().sequence, entry.envelope.to_string());
        }
    }
    let mut said = Said::new();
    for entry in &bundle.entries().receipts {
        let signed = bundle.block(&entry.receipt).and_then(|b| SignedReceipt::parse(b).ok());
        let Some(signed) = signed else { continue };
        let receipt = signed.receipt();
        let Some(known) = receipt.chain().ok().and_then(|chain| numbers.get(&chain)) else {
            continue;
        };
        for (number, id) in known {
            if !receipt.speaks_of(*number) {
                continue;
            }
            let refusal = receipt.refused.iter().find(|r| r.sequence == *number);
            let what = match refusal {
                Some(refusal) => format!("{REFUSED}{}", refusal.reasons.join(", ")),
                None if covers(&receipt.kept, *number) => "kept".to_owned(),
                None => DELIVERED.to_owned(),
            };
            let of_message = said.entry(id.clone()).or_default();
            of_message.entry(receipt.recipient.clone()).or_default().insert(what);
        }
    }
    said
}

/// What receipts say otherwise of a message, of both bundles.
#[derive(Default)]
struct SaidOtherwise {
    contradict: [Option<String>; 2],
    lacking: [Option<String>; 2],
}

/// What two sets of receipts say otherwise. That a recipient kept a message and then had it delivered is
/// no contradiction, and who lacks the later receipt only lacks it; a refusal is one.
fn said_otherwise(
    first: Option<&BTreeMap<Did, BTreeSet<String>>>,
    second: Option<&BTreeMap<Did, BTreeSet<String>>>,
) -> SaidOtherwise {
    let (none, nothing) = (BTreeMap::new(), BTreeSet::new());
    let (first, second) = (first.unwrap_or(&none), second.unwrap_or(&none));
    let all: BTreeSet<&Did> = first.keys().chain(second.keys()).collect();
    let mut found = SaidOtherwise::default();
    for who in all {
        let a = first.get(who).unwrap_or(&nothing);
        let b = second.get(who).unwrap_or(&nothing);
        if a == b {
            continue;
        }
        let of = match !a.is_empty() && !b.is_empty() && contradict(a, b) {
            true => &mut found.contradict,
            false => &mut found.lacking,
        };
        for (side, said) in of.iter_mut().zip([a, b]) {
            if !said.is_empty() {
                let said: Vec<_> = said.iter().map(String::as_str).collect();
                let told = format!("{who}: {}", said.join("; "));
                *side = Some(side.take().map_or_else(|| told.clone(), |s| format!("{s}; {told}")));
            }
        }
    }
    found
}

/// Whether a recipient refused to one what it had delivered to the other, or for another reason.
fn contradict(a: &BTreeSet<String>, b: &BTreeSet<String>) -> bool {
    let refusals = |said: &BTreeSet<String>| -> BTreeSet<String> {
        said.iter().filter(|s| s.starts_with(REFUSED)).cloned().collect()
    };
    let (ours, theirs) = (refusals(a), refusals(b));
    let delivered = a.contains(DELIVERED) || b.contains(DELIVERED);
    match (ours.is_empty(), theirs.is_empty()) {
        (true, true) => false,
        (false, false) => delivered || !(ours.is_subset(&theirs) || theirs.is_subset(&ours)),
        _ => delivered,
    }
}
