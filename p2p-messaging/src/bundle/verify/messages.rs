//! One message: the numbered checks of `spec/bundle.md` section 5.

use super::Shown;
use super::chains::Chains;
use super::keys::{Keys, is_own_proof};
use super::known::KnownDids;
use super::material::{Material, no_envelope};
use super::receipts::{Receipts, key_at};
use super::report::{Audit, MessageReport, ReceiptReport, Times, worst};
use super::senders::{Part, Sender, Senders, accredited};
use super::told::{not_after, notes};
use crate::bundle::entries::MessageEntry;
use crate::checking::{Chain, code_of, message_facts, signature_facts};
use crate::codes;
use crate::envelope::{Envelope, Header, NotSigned};
use crate::receipt::{Receipt, SignedReceipt, covers};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::key::PublicKey;
use gridpass_identity::report::Outcome;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::Verdict;
use gridpass_policy::facts::Question;
use gridpass_policy::payload::PayloadSchema;
use gridpass_policy::policy::Admitted;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What every message is judged by.
pub(super) struct Context<'m> {
    pub(super) material: &'m Material<'m>,
    senders: &'m Senders,
    receipts: &'m Receipts,
    chains: &'m Chains,
    keys: &'m Keys,
    accredited: BTreeSet<&'m Did>,
    pub(super) shown: &'m Shown,
    channel: Arc<Audit>,
    signed: Arc<Audit>,
    nobody: Arc<Audit>,
    pub(super) unsealed: Arc<Audit>,
}

/// What one thread remembers from message to message.
pub(super) struct Memory<'m> {
    resolver: KnownDids<'m>,
    /// Keys of DIDs that are their own proof.
    keys: HashMap<DidUrl, PublicKey>,
    admitted: HashMap<ContentId, Admitted>,
    /// Schemas, where they can be had.
    pub(super) schemas: HashMap<ContentId, Option<PayloadSchema>>,
}

impl<'m> Context<'m> {
    pub(super) fn new(
        material: &'m Material<'m>,
        senders: &'m Senders,
        receipts: &'m Receipts,
        (chains, keys): (&'m Chains, &'m Keys),
        shown: &'m Shown,
    ) -> Self {
        let none = |name, sentence| Audit::passed(name, codes::NOTHING_ASKED, sentence);
        let sentence = "signed with the key that its header names, which was good then";
        Self {
            material,
            senders,
            receipts,
            chains,
            keys,
            accredited: accredited(material, senders),
            shown,
            channel: Arc::new(material.channel.clone()),
            signed: Arc::new(Audit::passed("signature", identity_codes::SIGNATURE_VALID, sentence)),
            nobody: Arc::new(Audit::passed(
                "receipts",
                codes::RECEIPT_NONE,
                "no receipt speaks of it",
            )),
            unsealed: Arc::new(none("sealing", "it is not sealed")),
        }
    }

    /// The memory of a thread.
    pub(super) fn memory(&self) -> Memory<'m> {
        let resolver = self.material.resolver();
        let (keys, admitted) = (HashMap::new(), HashMap::new());
        Memory { resolver, keys, admitted, schemas: HashMap::new() }
    }

    /// Everything there is to say of a message.
    pub(super) fn judge(
        &self,
        (index, entry): (usize, &MessageEntry),
        memory: &mut Memory<'m>,
    ) -> MessageReport {
        match self.material.envelopes.get(index).and_then(Option::as_ref) {
            Some(envelope) => self.whole(index, entry, envelope, memory),
            None => self.without(entry),
        }
    }

    /// Of a message whose envelope is not there, only that can be said.
    fn without(&self, entry: &MessageEntry) -> MessageReport {
        let (outcome, code, sentence) = no_envelope(self.material.bundle, entry);
        let audit = Audit::new("bytes", (outcome, code), sentence).on([entry.envelope]);
        report(entry, entry.envelope.to_string(), vec![Arc::new(audit)])
    }

    fn whole(
        &self,
        index: usize,
        entry: &MessageEntry,
        envelope: &Envelope,
        memory: &mut Memory<'m>,
    ) -> MessageReport {
        let header = envelope.header();
        let chain = Chain::of(header);
        let sender = self.senders.get(&entry.admission);
        let part = |part: Part| match sender {
            Some(sender) => sender.check(part),
            None => Arc::new(Audit::open(part.name(), codes::BUNDLE_PART_MISSING, "not there")),
        };
        let speaking = self.receipts.of(&chain, header.sequence);
        let checks = vec![
            Arc::new(self.bytes(index, envelope)),
            self.signature(entry, envelope, memory),
            part(Part::Node),
            part(Part::Presentation),
            part(Part::Visas),
            self.status(entry, part(Part::Status), sender),
            Arc::clone(&self.channel),
            self.chains.place(index).cloned().unwrap_or_else(|| {
                let sentence = "it stands there before";
                Arc::new(Audit::failed("sequence", codes::BUNDLE_SELECTION, sentence))
            }),
            Arc::new(self.payload(entry, envelope, memory)),
            self.sealing(entry, envelope),
            Arc::new(self.decision(entry, envelope, sender, memory)),
            self.receipts_check(speaking),
        ];
        let exporter = &self.material.bundle.manifest().exporter.participant;
        let mut made = report(entry, envelope.id().as_str().to_owned(), checks);
        let said = self.receipts_of(header, speaking);
        let bound = not_after(&said, header, exporter, &self.accredited);
        made.sender = Some(header.sender.clone());
        made.key = Some(header.key.clone());
        made.sequence = Some(header.sequence);
        made.topic = Some(header.topic.clone());
        made.recipients.clone_from(&header.recipients);
        made.thread.clone_from(&header.thread);
        made.times = Some(Times {
            issued: header.issued,
            expires: header.expires,
            decided: entry.at,
            logged: entry.logged,
            not_before: sender.and_then(|s| s.not_before),
            not_after: bound.map(|r| r.issued),
            not_after_by: bound.map(|r| r.recipient.clone()),
        });
        made.without_receipt = self.without_receipt(header, &said);
        let contradicted = self.chains.is_contradicted(&chain);
        made.notes = notes((entry, header), sender, (said.as_slice(), exporter), contradicted);
        made.receipts = said;
        made
    }

    fn bytes(&self, index: usize, envelope: &Envelope) -> Audit {
        let selection = &self.material.bundle.manifest().selection;
        let audit = if self.chains.is_twice(index) {
            let sentence = "the message stands in the bundle before";
            Audit::failed("bytes", codes::BUNDLE_SELECTION, sentence)
        } else if selection.takes(envelope.header(), envelope.id()) {
            let sentence = "they are an envelope, and hash to its id";
            Audit::passed("bytes", codes::BUNDLE_INTACT, sentence)
        } else {
            let sentence = "the message is none of those that the bundle says it is of";
            Audit::failed("bytes", codes::BUNDLE_SELECTION, sentence)
        };
        audit.on_names([envelope.id().to_text()])
    }

    fn signature(
        &self,
        entry: &MessageEntry,
        envelope: &Envelope,
        memory: &mut Memory<'m>,
    ) -> Arc<Audit> {
        let (name, url) = ("signature", &envelope.header().key);
        let said = |verified: Result<(), NotSigned>| match verified {
            Ok(()) => Arc::clone(&self.signed),
            Err(e) => {
                let code = identity_codes::SIGNATURE_INVALID;
                Arc::new(Audit::failed(name, code, e.to_string()).on([url]))
            }
        };
        if let Some(prepared) = self.keys.of_url(url) {
            return said(envelope.verify_prepared(prepared));
        }
        let key = match memory.keys.get(url) {
            Some(key) => key.clone(),
            None => match key_at(&memory.resolver, url, entry.at) {
                Ok(key) => {
                    // Of others the key may be another one at another time.
                    if is_own_proof(url) {
                        memory.keys.insert(url.clone(), key.clone());
                    }
                    key
                }
                Err(judged) => {
                    let stands = (judged.outcome, judged.code);
                    return Arc::new(Audit::new(name, stands, judged.sentence).on([url]));
                }
            },
        };
        said(envelope.verify(&key))
    }

    /// What the admission says counts as long as it does by its evidence.
    fn status(
        &self,
        entry: &MessageEntry,
        check: Arc<Audit>,
        sender: Option<&Sender>,
    ) -> Arc<Audit> {
        let ended = policy_codes::ADMISSION_EXPIRED.id();
        // What was refused for its end alone says that it had ended.
        let counted = entry.allowed || !entry.reasons.iter().any(|reason| reason == ended);
        let refused = !entry.allowed && counted;
        match sender.and_then(|s| s.expires) {
            Some(expires)
                if check.outcome == Outcome::Passed
                    && !refused
                    && counted == (entry.at >= expires) =>
            {
                let sentence = format!("by its evidence it counts until {expires}");
                Arc::new(Audit::open("status", codes::FACTS_OPEN, sentence))
            }
            _ => check,
        }
    }

    fn decision(
        &self,
        entry: &MessageEntry,
        envelope: &Envelope,
        sender: Option<&Sender>,
        memory: &mut Memory<'m>,
    ) -> Audit {
        let name = "decision";
        let admission = &entry.admission;
        let known = sender.and_then(|s| s.admitted.as_ref()).zip(self.material.policy.as_ref());
        let Some((admitted, policy)) = known else {
            let there = self.material.admissions.contains_key(admission);
            let code = if there { self.material.channel.code } else { codes::BUNDLE_PART_MISSING };
            let sentence = "what it was decided from is not there, or cannot be read";
            let refused = there && self.material.channel.outcome == Outcome::Failed;
            let outcome = if refused { Outcome::Failed } else { Outcome::Indeterminate };
            return Audit::new(name, (outcome, code), sentence).on([admission]);
        };
        let admitted = memory.admitted.entry(admission.clone()).or_insert_with(|| admitted.clone());
        let signature = signature_facts(envelope.header());
        let mut facts = message_facts(envelope, signature, entry.sent_last_minute);
        facts.sealing.clone_from(&entry.sealing);
        facts.payload.clone_from(&entry.facts);
        let ruling = policy.rule(admitted, &Question::Publish(Box::new(facts)), entry.at);
        let allowed = ruling.verdict == Verdict::Allow;
        let found = ruling.reasons.iter().map(|r| r.code.as_str());
        let same = allowed == entry.allowed && found.eq(entry.reasons.iter().map(String::as_str));
        let audit = if same {
            let sentence: Cow<'_, str> = match ruling.reasons.first() {
                None => "made again from the recorded facts: allowed".into(),
                // What the record says in words is the exporter's.
                Some(_) => {
                    let codes = entry.reasons.join(", ");
                    format!("made again from the recorded facts: refused ({codes})").into()
                }
            };
            Audit::passed(name, policy_codes::DECISION_RECOMPUTED, sentence)
        } else {
            let word = |allowed| if allowed { "allowed" } else { "refused" };
            let all: Vec<_> = ruling.reasons.iter().map(|r| r.code.as_str()).collect();
            let sentence = format!(
                "recorded was {} ({}), and from the recorded facts it is {} ({})",
                word(entry.allowed),
                entry.reasons.join(", "),
                word(allowed),
                all.join(", ")
            );
            Audit::failed(name, policy_codes::DECISION_DIFFERS, sentence)
        };
        audit.on_names([admission.to_text()])
    }

    fn receipts_check(&self, speaking: &[usize]) -> Arc<Audit> {
        if speaking.is_empty() {
            return Arc::clone(&self.nobody);
        }
        let judged = || speaking.iter().filter_map(|i| self.receipts.judged.get(*i));
        let all = judged().map(|j| (j.outcome, j.code, j.sentence.as_str()));
        let Some((outcome, code, sentence)) = worst(all) else { return Arc::clone(&self.nobody) };
        let entries = &self.material.bundle.entries().receipts;
        let names = speaking.iter().filter_map(|i| entries.get(*i)).map(|e| e.receipt);
        let audit = Audit::new("receipts", (outcome, code), sentence.to_owned());
        Arc::new(audit.on(names))
    }

    fn receipts_of(&self, header: &Header, speaking: &[usize]) -> Vec<ReceiptReport> {
        let of = |index: &usize| {
            let signed: &SignedReceipt = self.material.receipts.get(*index)?.as_ref()?;
            let judged = self.receipts.judged.get(*index)?;
            let entry = self.material.bundle.entries().receipts.get(*index)?;
            let (state, reasons) = said(signed.receipt(), header.sequence);
            Some(ReceiptReport {
                receipt: entry.receipt.to_string(),
                recipient: signed.receipt().recipient.clone(),
                key: signed.key().clone(),
                issued: signed.receipt().issued,
                state,
                reasons,
                outcome: judged.outcome,
            })
        };
        speaking.iter().filter_map(of).collect()
    }

    /// Whom a message names and of whom no receipt is there, as far as the exporter would have it: who
    /// sent it is given all, who received it has its own.
    fn without_receipt(&self, header: &Header, said: &[ReceiptReport]) -> Vec<Did> {
        let policy = self.material.policy.as_ref();
        if !policy.is_some_and(|p| p.descriptor().receipts) {
            return Vec::new();
        }
        let exporter = &self.material.bundle.manifest().exporter.participant;
        let heard: BTreeSet<&Did> = said.iter().map(|r| &r.recipient).collect();
        let due = |r: &&Did| &header.sender == exporter || *r == exporter;
        let without = header.recipients.iter().filter(due).filter(|r| !heard.contains(r));
        without.cloned().collect()
    }
}

/// What a receipt says became of a message.
fn said(receipt: &Receipt, sequence: u64) -> (&'static str, Vec<String>) {
    let refusal = receipt.refused.iter().find(|r| r.sequence == sequence);
    match refusal {
        Some(refusal) => ("refused", refusal.reasons.clone()),
        None if covers(&receipt.kept, sequence) => ("kept", Vec::new()),
        None => ("delivered", Vec::new()),
    }
}

fn report(entry: &MessageEntry, id: String, checks: Vec<Arc<Audit>>) -> MessageReport {
    let all = checks.iter().map(|c| (c.outcome, c.code, c.sentence.as_ref()));
    let (outcome, code, sentence) =
        worst(all).unwrap_or((Outcome::Indeterminate, codes::BUNDLE_PART_MISSING, ""));
    let sentence = match outcome {
        Outcome::Passed => Cow::Borrowed("everything that was verified holds"),
        Outcome::Failed | Outcome::Indeterminate => Cow::Owned(sentence.to_owned()),
    };
    let known = |reason: &&String| code_of(reason).is_some();
    MessageReport {
        id,
        number: entry.number,
        sender: None,
        key: None,
        sequence: None,
        topic: None,
        recipients: Vec::new(),
        thread: None,
        payload: entry.payload,
        verdict: if entry.allowed { "allow" } else { "deny" },
        reasons: entry.reasons.iter().filter(known).cloned().collect(),
        outcome,
        code,
        sentence,
        times: None,
        receipts: Vec::new(),
        without_receipt: Vec::new(),
        notes: Vec::new(),
        checks,
    }
}
