//! What two parties' bundles of the same have otherwise. They disagree about messages that only one has,
//! that they decided otherwise, or of which receipts say other things. That each decided by what it had
//! heard, and one withholds what the other shows, is told, and is no disagreement.

use super::Bundle;
use super::entries::MessageEntry;
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
    /// What it is: `only-first`, `only-second`, `decision`, `receipts`; `evidence`, `payload`.
    pub kind: &'static str,
    /// Whether they disagree: of the last two kinds they do not.
    pub disagrees: bool,
    /// What the first says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// What the second says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<String>,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Differences {
    /// Whether both are of one channel: else they are of different things, and all differs.
    pub same_channel: bool,
    /// Messages that both have.
    pub in_both: usize,
    /// Each difference: by message, in the order of their ids.
    pub differences: Vec<Difference>,
}

/// They judged the sender by other lists, or found something else of it.
const EVIDENCE: &str = "evidence";
/// One shows the payload, and the other does not.
const PAYLOAD: &str = "payload";

impl Differences {
    /// Whether they disagree, or cannot agree, being of two channels.
    #[must_use]
    pub fn disagree(&self) -> bool {
        !self.same_channel || self.differences.iter().any(|d| d.disagrees)
    }
}

/// What each recipient says of a message.
type Said = BTreeMap<String, BTreeSet<(Did, String)>>;

/// Compares two bundles that were read. Nothing is verified: that is asked of each by itself.
#[must_use]
pub fn compare(first: &Bundle<'_>, second: &Bundle<'_>) -> Differences {
    let (ours, theirs) = (by_id(first), by_id(second));
    let (our_receipts, their_receipts) = (receipts(first), receipts(second));
    let ids: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let mut found = Differences {
        same_channel: first.manifest().selection.channel == second.manifest().selection.channel,
        ..Differences::default()
    };
    for id in ids {
        let mut add = |kind, a: Option<String>, b: Option<String>| {
            let (id, disagrees) = (id.clone(), !matches!(kind, EVIDENCE | PAYLOAD));
            found.differences.push(Difference { id, kind, disagrees, first: a, second: b });
        };
        match (ours.get(id), theirs.get(id)) {
            (Some(a), None) => add("only-first", Some(decision(a)), None),
            (None, Some(b)) => add("only-second", None, Some(decision(b))),
            (None, None) => {}
            (Some(a), Some(b)) => {
                if decision(a) != decision(b) {
                    add("decision", Some(decision(a)), Some(decision(b)));
                }
                if let Some((a, b)) = judged_otherwise((first, a), (second, b)) {
                    add(EVIDENCE, Some(a), Some(b));
                }
                if a.payload != b.payload {
                    let state = |m: &MessageEntry| format!("{:?}", m.payload).to_lowercase();
                    add(PAYLOAD, Some(state(a)), Some(state(b)));
                }
                if let Some((a, b)) = disagree(our_receipts.get(id), their_receipts.get(id)) {
                    add("receipts", Some(a), Some(b));
                }
                found.in_both = found.in_both.saturating_add(1);
            }
        }
    }
    found
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

/// What the receipts in a bundle say of its messages.
fn receipts(bundle: &Bundle<'_>) -> Said {
    let mut numbers = BTreeMap::new();
    for entry in &bundle.entries().messages {
        let envelope = bundle
            .block(&entry.envelope)
            .and_then(|b| crate::envelope::Envelope::parse_block(b).ok());
        if let Some(envelope) = envelope {
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
                Some(refusal) => format!("refused: {}", refusal.reasons.join(", ")),
                None if covers(&receipt.kept, *number) => "kept".to_owned(),
                None => "delivered".to_owned(),
            };
            said.entry(id.clone()).or_default().insert((receipt.recipient.clone(), what));
        }
    }
    said
}

/// What two sets of receipts say otherwise of a recipient that both speak of.
fn disagree(
    first: Option<&BTreeSet<(Did, String)>>,
    second: Option<&BTreeSet<(Did, String)>>,
) -> Option<(String, String)> {
    let (first, second) = (first?, second?);
    let of = |all: &BTreeSet<(Did, String)>, who: &Did| {
        let said: Vec<_> = all.iter().filter(|(w, _)| w == who).map(|(_, s)| s.clone()).collect();
        said
    };
    for (who, _) in first {
        let (a, b) = (of(first, who), of(second, who));
        if !b.is_empty() && a != b {
            let told = |said: &[String]| format!("{who}: {}", said.join("; "));
            return Some((told(&a), told(&b)));
        }
    }
    None
}
