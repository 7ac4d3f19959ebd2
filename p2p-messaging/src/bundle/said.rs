//! What the receipts in two bundles say of their messages: for comparing them. Nothing is verified.

use super::diff::envelope;
use super::entries::MessageEntry;
use super::{Bundle, may_be_refused};
use crate::receipt::SignedReceipt;
use gridpass_identity::did::Did;
use std::collections::{BTreeMap, BTreeSet};

/// What each recipient says of a message.
pub(super) type OfMessage = BTreeMap<Did, BTreeSet<String>>;
/// Of each message, by its id.
pub(super) type Said = BTreeMap<String, OfMessage>;

/// What a refusal begins with.
const REFUSED: &str = "refused: ";
/// What it is called that a message was delivered.
pub(super) const DELIVERED: &str = "delivered";

/// What the receipts in a bundle say of its messages.
pub(super) fn receipts(bundle: &Bundle<'_>) -> Said {
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
        let mut add = |id: &String, what: String| {
            let of_message = said.entry(id.clone()).or_default();
            of_message.entry(receipt.recipient.clone()).or_default().insert(what);
        };
        // As far as the messages are here: a range may be of any length.
        for (ranges, what) in [(&receipt.delivered, DELIVERED), (&receipt.kept, "kept")] {
            for (from, until) in ranges {
                for (_, id) in known.range(*from..=(*until).max(*from)) {
                    add(id, what.to_owned());
                }
            }
        }
        for refusal in &receipt.refused {
            if let Some(id) = known.get(&refusal.sequence) {
                add(id, format!("{REFUSED}{}", refusal.reasons.join(", ")));
            }
        }
    }
    said
}

/// What receipts say otherwise of a message, of both bundles.
#[derive(Default)]
pub(super) struct SaidOtherwise {
    pub(super) contradict: [Option<String>; 2],
    pub(super) lacking: [Option<String>; 2],
}

/// What two sets of receipts say otherwise. That a recipient kept a message and then had it delivered is
/// no contradiction, and who lacks the later receipt only lacks it; a refusal is one.
pub(super) fn said_otherwise(
    first: Option<&OfMessage>,
    second: Option<&OfMessage>,
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
                let told = told(who, said);
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

fn told(who: &Did, said: &BTreeSet<String>) -> String {
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    format!("{who}: {}", said.join("; "))
}

/// What an exporter signed of a message, as the other bundle has it, where its own record says the opposite. Of
/// several nodes one may have refused what the others took: then nothing is said. Nor of what was left sealed,
/// which is refused when its key does not come, or it is opened and does not fit.
pub(super) fn signed_otherwise(
    bundle: &Bundle<'_>,
    entry: &MessageEntry,
    elsewhere: Option<&OfMessage>,
) -> Option<String> {
    let exporter = &bundle.manifest().exporter.participant;
    let said = elsewhere?.get(exporter)?;
    let refused = said.iter().filter(|s| s.starts_with(REFUSED)).count();
    let refusable = || envelope(bundle, entry).is_none_or(|e| may_be_refused(entry, e.header()));
    let otherwise = match entry.allowed {
        true => refused == said.len() && !refusable(),
        false => refused == 0 && said.contains(DELIVERED),
    };
    otherwise.then(|| told(exporter, said))
}
