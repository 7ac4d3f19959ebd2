//! What two parties' bundles of the same have otherwise. They disagree about messages that only one has,
//! that they decided otherwise, or of which a recipient refuses to one what it confirms to the other, or an
//! exporter signed the opposite of what it recorded; and where a chain has two messages of one number. That
//! each selected what it was asked for, decided by what it had heard, withholds what the other shows or has
//! a receipt more is told, and is no disagreement.

use super::Bundle;
use super::entries::MessageEntry;
use super::manifest::Selection;
use super::said::{DELIVERED, receipts, said_otherwise, signed_otherwise};
use crate::checking::Chain;
use crate::envelope::Envelope;
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
    /// What it is: `only-first`, `only-second`, `decision`, `receipts`, `own-receipts`, `same-number`;
    /// `selection`, `evidence`, `delivery`, `payload`, `receipts-lacking`.
    pub kind: &'static str,
    /// Whether they disagree: of the first six kinds they do.
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
    /// Who exported each.
    pub exporters: Sides<Did>,
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

/// An exporter signed a receipt that says the opposite of its own record.
const OWN_RECEIPTS: &str = "own-receipts";
/// Each has another message under one number of a chain.
const SAME_NUMBER: &str = "same-number";
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

/// Compares two bundles that were read. Nothing is verified: that is asked of each by itself.
#[must_use]
pub fn compare(first: &Bundle<'_>, second: &Bundle<'_>) -> Differences {
    let (ours, theirs) = (by_id(first), by_id(second));
    let (our_receipts, their_receipts) = (receipts(first), receipts(second));
    let ids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let (a, b) = (&first.manifest().selection, &second.manifest().selection);
    let mut found = Differences {
        same_channel: a.channel == b.channel,
        exporters: Sides { first: exporter(first).clone(), second: exporter(second).clone() },
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
                let signed = our_receipts.get(id);
                if let Some(signed) = signed_otherwise(second, b, signed) {
                    add(OWN_RECEIPTS, Some(signed), Some(decision(b)));
                }
                let signed = their_receipts.get(id);
                if let Some(signed) = signed_otherwise(first, a, signed) {
                    add(OWN_RECEIPTS, Some(decision(a)), Some(signed));
                }
                found.in_both = found.in_both.saturating_add(1);
            }
        }
    }
    all.extend(same_numbers(first, second));
    all.sort_by(|a, b| a.id.cmp(&b.id));
    found.differences = all;
    found
}

fn exporter<'b>(bundle: &'b Bundle<'_>) -> &'b Did {
    &bundle.manifest().exporter.participant
}

/// Each number of a chain under which the bundles have other messages.
fn same_numbers(first: &Bundle<'_>, second: &Bundle<'_>) -> Vec<Difference> {
    let of = |bundle: &Bundle<'_>| {
        let mut all: BTreeMap<(Chain, u64), BTreeSet<String>> = BTreeMap::new();
        for entry in &bundle.entries().messages {
            let Some(envelope) = envelope(bundle, entry) else { continue };
            let header = envelope.header();
            let place = (Chain::of(header), header.sequence);
            all.entry(place).or_default().insert(envelope.id().to_string());
        }
        all
    };
    let (ours, theirs) = (of(first), of(second));
    let mut found = Vec::new();
    for (place, a) in &ours {
        let Some(b) = theirs.get(place).filter(|b| *b != a) else { continue };
        let Some(id) = a.union(b).next() else { continue };
        let told = |ids: &BTreeSet<String>| {
            let all: Vec<_> = ids.iter().map(String::as_str).collect();
            Some(all.join("; "))
        };
        let (id, kind) = (id.clone(), SAME_NUMBER);
        found.push(Difference { id, kind, disagrees: true, first: told(a), second: told(b) });
    }
    found
}

fn is_told_only(kind: &str) -> bool {
    matches!(kind, SELECTION | EVIDENCE | DELIVERY | PAYLOAD | LACKING)
}

/// Whether a selection has a message. Of one that cannot be read, nobody can say that it has not.
fn takes(selection: &Selection, bundle: &Bundle<'_>, entry: &MessageEntry) -> bool {
    envelope(bundle, entry).is_none_or(|e| selection.takes(e.header(), e.id()))
}

pub(super) fn envelope(bundle: &Bundle<'_>, entry: &MessageEntry) -> Option<Envelope> {
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
