//! What is said of a bundle as a whole: who made it, by which framework, what is missing, how old what it
//! rests on is, how many.

use super::chains::Chains;
use super::material::Material;
use super::receipts::{Acting, Receipts, key_at};
use super::report::{Audit, BundleSummary, Counts, MessageReport, TrustSummary, worst};
use crate::bundle::entries::PayloadState;
use crate::bundle::{Recorded, contradiction};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::receipt::SignedReceipt;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::Age;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::jws::SignatureVerdict;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use std::collections::BTreeMap;

/// The checks of the bundle.
pub(super) fn checks(material: &Material<'_>, receipts: &Receipts, chains: &Chains) -> Vec<Audit> {
    let sentence = "every block hashes to its name, and stands in its place";
    let root = material.bundle.root();
    let mut all = vec![
        Audit::passed("container", codes::BUNDLE_INTACT, sentence).on([root]),
        exporter(material),
        record(material),
        framework(material),
        material.channel.clone(),
    ];
    match material.problems.as_slice() {
        [] => {
            let sentence = "everything that is listed is there, and is what it is listed as";
            all.push(Audit::passed("parts", codes::BUNDLE_INTACT, sentence));
        }
        problems => all.extend(problems.iter().cloned()),
    }
    all.extend(chains.forks.iter().cloned());
    all.push(of_receipts(receipts));
    all
}

fn exporter(material: &Material<'_>) -> Audit {
    let (name, bundle) = ("exporter", material.bundle);
    let manifest = bundle.manifest();
    let participant = &manifest.exporter.participant;
    if manifest.made > material.at.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
        let sentence = format!("it says that it was made at {}", manifest.made);
        return Audit::failed(name, identity_codes::SIGNED_IN_FUTURE, sentence);
    }
    let Some(kid) = &bundle.jws().header().kid else {
        return Audit::failed(name, codes::BUNDLE_EXPORTER, "no key is named");
    };
    let (resolver, mut memo) = (material.resolver(), SignatureMemo::default());
    let key = match key_at(&resolver, kid, manifest.made) {
        Ok(key) => key,
        Err(judged) => return Audit::new(name, (judged.outcome, judged.code), judged.sentence),
    };
    if !matches!(bundle.jws().verify(&key, None), Ok(SignatureVerdict::Fits)) {
        let sentence = format!("{kid} did not sign the manifest");
        return Audit::failed(name, codes::BUNDLE_EXPORTER, sentence);
    }
    let Some(authorisation) = &manifest.exporter.authorisation else {
        let sentence = format!("signed by {participant}{}", stranger(material));
        return Audit::passed(name, codes::BUNDLE_SIGNED, sentence);
    };
    let acting = Acting { participant, node: kid.did(), authorisation, at: manifest.made };
    match acting.check(material, &resolver, &mut memo) {
        Ok(()) => {
            let sentence = format!("signed by a node of {participant}{}", stranger(material));
            Audit::passed(name, codes::BUNDLE_SIGNED, sentence).on([authorisation])
        }
        Err(judged) => {
            let sentence = format!("signed by {kid}: {}", judged.sentence);
            Audit::new(name, (judged.outcome, judged.code), sentence).on([authorisation])
        }
    }
}

/// Says so where nothing shows that the exporter takes part in the channel: anybody can make a DID and export.
fn stranger(material: &Material<'_>) -> &'static str {
    let exporter = &material.bundle.manifest().exporter.participant;
    let owner = material.policy.as_ref().map(|policy| &policy.descriptor().owner);
    let mut headers = material.envelopes.iter().flatten().map(Envelope::header);
    let named = |h: &Header| &h.sender == exporter || h.recipients.contains(exporter);
    match owner == Some(exporter) || headers.any(named) {
        true => "",
        false => {
            ", no participant known by this bundle: not the channel's owner, and no message is \
             from or to it"
        }
    }
}

/// That what the exporter wrote down does not contradict itself.
fn record(material: &Material<'_>) -> Audit {
    let (manifest, entries) = (material.bundle.manifest(), material.bundle.entries());
    let headers = material.envelopes.iter().map(|e| e.as_ref().map(Envelope::header));
    let messages: Vec<_> = entries.messages.iter().zip(headers).collect();
    let kid = material.bundle.jws().header().kid.as_ref();
    let own = material.receipts.iter().flatten().filter(|r| Some(r.key()) == kid);
    let own: Vec<_> = own.map(SignedReceipt::receipt).collect();
    let recorded = Recorded {
        participant: &manifest.exporter.participant,
        made: manifest.made,
        last: manifest.last,
        messages: &messages,
        receipts: &entries.receipts,
        own: &own,
        identities: &entries.identities,
    };
    if let Some(sentence) = contradiction(&recorded) {
        return Audit::failed("record", codes::BUNDLE_RECORD, sentence);
    }
    let sentence = "what the exporter wrote down does not contradict itself";
    Audit::passed("record", codes::BUNDLE_INTACT, sentence)
}

fn framework(material: &Material<'_>) -> Audit {
    let (name, said) = ("framework", &material.bundle.manifest().framework);
    if said == material.framework() {
        let sentence = "it is of the framework of the trust pack";
        return Audit::passed(name, codes::BUNDLE_INTACT, sentence).on([said]);
    }
    let sentence = format!("it is of {said}, and the trust pack of {}", material.framework());
    Audit::failed(name, codes::BUNDLE_FRAMEWORK, sentence).on([said])
}

fn of_receipts(receipts: &Receipts) -> Audit {
    let name = "receipts";
    let all = receipts.judged.iter().map(|j| (j.outcome, j.code, j.sentence.as_str()));
    match worst(all) {
        None => Audit::passed(name, codes::RECEIPT_NONE, "there is no receipt"),
        Some((Outcome::Passed, code, _)) => {
            let sentence = format!("each of {} holds", receipts.judged.len());
            Audit::passed(name, code, sentence)
        }
        Some((outcome, code, sentence)) => {
            let holds = |o: Outcome| receipts.judged.iter().filter(|j| j.outcome == o).count();
            let sentence = format!(
                "of {}, {} hold, {} do not, {} cannot be decided; the first: {sentence}",
                receipts.judged.len(),
                holds(Outcome::Passed),
                holds(Outcome::Failed),
                holds(Outcome::Indeterminate),
            );
            Audit::new(name, (outcome, code), sentence)
        }
    }
}

/// What the bundle says of itself.
pub(super) fn summary(material: &Material<'_>) -> BundleSummary {
    let (bundle, manifest) = (material.bundle, material.bundle.manifest());
    let named = |p: &gridpass_policy::policy::Policy| {
        format!("{} version {}", p.descriptor().name, p.descriptor().version)
    };
    BundleSummary {
        root: bundle.root().to_string(),
        bytes: bundle.bytes(),
        exporter: manifest.exporter.clone(),
        key: bundle.jws().header().kid.as_ref().map(ToString::to_string).unwrap_or_default(),
        made: manifest.made,
        framework: manifest.framework.clone(),
        judged_by: manifest.trust.clone(),
        selection: manifest.selection.clone(),
        channel: material.policy.as_ref().map(named),
        missing: manifest.missing.iter().map(|l| format!("{} {}", l.kind, l.name)).collect(),
    }
}

/// What it was judged by.
pub(super) fn trust(material: &Material<'_>) -> TrustSummary {
    let signed = material.trust.charter();
    let charter = signed.charter();
    TrustSummary {
        pack: material.trust.id().clone(),
        framework: material.framework().clone(),
        charter: signed.id().clone(),
        name: charter.name.clone(),
        version: charter.version,
        dated: charter.dated,
    }
}

/// How old what it rests on is, at the time of verification.
pub(super) fn ages(material: &Material<'_>) -> Vec<Age> {
    let mut all = Vec::new();
    let mut add = |mut what: String, since: UnixMillis| {
        if since > material.at.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
            what.push_str(", dated later");
        }
        all.push(Age { what, age_seconds: material.at.millis_since(since) / 1000 });
    };
    let charter = material.trust.charter().charter();
    add(format!("charter, version {}", charter.version), charter.dated);
    for known in material.trust.identities() {
        add(format!("document of {} in the trust pack", known.did), known.seen);
    }
    for (did, seen) in &material.known.beside {
        add(format!("log of {did}, known beside the trust pack and the bundle"), *seen);
    }
    let mut newest: BTreeMap<String, UnixMillis> = BTreeMap::new();
    for list in material.lists.values() {
        let what = format!("newest status list {} of {} in the bundle", list.id, list.issuer);
        let held = newest.entry(what).or_insert(list.dated);
        *held = (*held).max(list.dated);
    }
    newest.into_iter().for_each(|(what, dated)| add(what, dated));
    for entry in &material.bundle.entries().identities {
        let seen = entry.confirmed.unwrap_or(entry.seen);
        add(format!("document of {} in the bundle, as its exporter says", entry.did), seen);
    }
    all.sort();
    all.dedup();
    all
}

/// How many of what.
pub(super) fn counts(material: &Material<'_>, messages: &[MessageReport]) -> Counts {
    let of = |outcome: Outcome| messages.iter().filter(|m| m.outcome == outcome).count();
    let entries = material.bundle.entries();
    Counts {
        messages: entries.messages.len(),
        verified: messages.len(),
        passed: of(Outcome::Passed),
        failed: of(Outcome::Failed),
        indeterminate: of(Outcome::Indeterminate),
        allowed: entries.messages.iter().filter(|m| m.allowed).count(),
        refused: entries.messages.iter().filter(|m| !m.allowed).count(),
        withheld: entries.messages.iter().filter(|m| m.payload != PayloadState::Here).count(),
        receipts: entries.receipts.len(),
        without_receipt: messages
            .iter()
            .map(|m| m.without_receipt.len())
            .fold(0, usize::saturating_add),
        forks: entries.forks.len(),
    }
}
