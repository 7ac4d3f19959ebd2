//! What two parties' bundles of the same have otherwise: messages that only one has, others that they
//! decided otherwise, or of which their receipts say other things.

use super::Bundle;
use super::entries::MessageEntry;
use crate::receipt::{SignedReceipt, covers};
use gridpass_identity::did::Did;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something that two bundles have otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The message, or the part.
    pub id: String,
    /// What it is: `only-first`, `only-second`, `decision`, `evidence`, `payload`, `receipts`.
    pub kind: &'static str,
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
            found.differences.push(Difference { id: id.clone(), kind, first: a, second: b });
        };
        match (ours.get(id), theirs.get(id)) {
            (Some(a), None) => add("only-first", Some(decision(a)), None),
            (None, Some(b)) => add("only-second", None, Some(decision(b))),
            (None, None) => {}
            (Some(a), Some(b)) => {
                if decision(a) != decision(b) {
                    add("decision", Some(decision(a)), Some(decision(b)));
                }
                if a.admission != b.admission {
                    add("evidence", Some(a.admission.to_string()), Some(b.admission.to_string()));
                }
                if a.payload != b.payload {
                    let state = |m: &MessageEntry| format!("{:?}", m.payload).to_lowercase();
                    add("payload", Some(state(a)), Some(state(b)));
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
