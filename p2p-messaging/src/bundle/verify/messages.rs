//! One message: the numbered checks of `spec/bundle.md` section 5.

use super::Shown;
use super::chains::Chains;
use super::material::{Material, no_envelope};
use super::receipts::{Receipts, Spoken};
use super::report::{Audit, MessageReport, Note, ReceiptReport, Times, worst};
use super::senders::{Part, Sender, Senders, accredited};
use super::signatures::Signatures;
use super::told::{not_after, notes, why};
use crate::bundle::entries::MessageEntry;
use crate::checking::{Chain, code_of, message_facts, signature_facts};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::receipt::{Receipt, SignedReceipt, covers};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Ruling, Verdict};
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
    signatures: &'m Signatures,
    accredited: BTreeSet<&'m Did>,
    pub(super) shown: &'m Shown,
    channel: Arc<Audit>,
    nobody: Arc<Audit>,
    pub(super) unsealed: Arc<Audit>,
}

/// What one thread remembers from message to message.
pub(super) struct Memory<'m> {
    admitted: HashMap<&'m ContentId, Admitted>,
    /// Schemas, where they can be had.
    pub(super) schemas: HashMap<ContentId, Option<PayloadSchema>>,
}

impl<'m> Context<'m> {
    pub(super) fn new(
        material: &'m Material<'m>,
        senders: &'m Senders,
        receipts: &'m Receipts,
        (chains, signatures): (&'m Chains, &'m Signatures),
        shown: &'m Shown,
    ) -> Self {
        let none = |name, sentence| Audit::passed(name, codes::NOTHING_ASKED, sentence);
        Self {
            material,
            senders,
            receipts,
            chains,
            signatures,
            accredited: accredited(material, senders),
            shown,
            channel: Arc::new(material.channel.clone()),
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
        Memory { admitted: HashMap::new(), schemas: HashMap::new() }
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
        let speaking = self.receipts.of(index);
        let checks = vec![
            Arc::new(self.bytes(index, envelope)),
            self.signature(index),
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
        made.without_receipt = self.without_receipt(header, speaking);
        let contradicted = self.chains.is_contradicted(&chain);
        made.notes = notes((entry, header), sender, (said.as_slice(), exporter), contradicted);
        made.notes.extend(speaking.iter().find_map(|s| self.unlinked(s)));
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

    fn signature(&self, index: usize) -> Arc<Audit> {
        let found = self.signatures.get(index).and_then(Option::as_ref).cloned();
        found.unwrap_or_else(|| {
            Arc::new(Audit::open("signature", codes::BUNDLE_PART_MISSING, "not there"))
        })
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
        let id = self.senders.get_key_value(admission).map(|(id, _)| id);
        let known = sender.and_then(|s| s.admitted.as_ref()).zip(self.material.policy.as_ref());
        let Some(((admitted, policy), id)) = known.zip(id) else {
            let there = self.material.admissions.contains_key(admission);
            let code = if there { self.material.channel.code } else { codes::BUNDLE_PART_MISSING };
            let sentence = "what it was decided from is not there, or cannot be read";
            let refused = there && self.material.channel.outcome == Outcome::Failed;
            let outcome = if refused { Outcome::Failed } else { Outcome::Indeterminate };
            return Audit::new(name, (outcome, code), sentence).on([admission]);
        };
        let admitted = memory.admitted.entry(id).or_insert_with(|| admitted.clone());
        let signature = signature_facts(envelope.header());
        let mut facts = message_facts(envelope, signature, entry.sent_last_minute);
        facts.sealing.clone_from(&entry.sealing);
        facts.payload.clone_from(&entry.facts);
        facts.arrived = entry.arrived;
        let question = Question::Publish(Box::new(facts));
        let is_recorded = |ruling: &Ruling| {
            let found = ruling.reasons.iter().map(|r| r.code.as_str());
            (ruling.verdict == Verdict::Allow) == entry.allowed
                && found.eq(entry.reasons.iter().map(String::as_str))
        };
        let mut ruling = policy.rule(admitted, &question, entry.at);
        if !is_recorded(&ruling)
            && let Some(before) = policy.rule_of_before(admitted, &question, entry.at)
            && is_recorded(&before)
        {
            ruling = before;
        }
        let audit = if is_recorded(&ruling) {
            let sentence: Cow<'_, str> = match ruling.reasons.first() {
                None => "made again from the recorded facts: allowed".into(),
                Some(_) => {
                    let why = why(&ruling.reasons);
                    format!("made again from the recorded facts: refused ({why})").into()
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
                word(ruling.verdict == Verdict::Allow),
                all.join(", ")
            );
            Audit::failed(name, policy_codes::DECISION_DIFFERS, sentence)
        };
        audit.on_names([admission.to_text()])
    }

    fn receipts_check(&self, speaking: &[Spoken]) -> Arc<Audit> {
        let entries = &self.material.bundle.entries().receipts;
        let names = |which: &dyn Fn(&Spoken) -> bool| -> Vec<_> {
            let chosen = speaking.iter().filter(|s| which(s));
            chosen.filter_map(|s| entries.get(s.receipt)).map(|e| e.receipt).collect()
        };
        let judged = |s: &Spoken| self.receipts.judged.get(s.receipt);
        // One that may speak of another message of this number says nothing of this one.
        let counts =
            |s: &Spoken| s.linked || judged(s).is_some_and(|j| j.outcome != Outcome::Passed);
        let all = speaking.iter().filter(|s| counts(s)).filter_map(judged);
        match worst(all.map(|j| (j.outcome, j.code, j.sentence.as_str()))) {
            Some((outcome, code, sentence)) => {
                let audit = Audit::new("receipts", (outcome, code), sentence.to_owned());
                Arc::new(audit.on(names(&counts)))
            }
            None if speaking.is_empty() => Arc::clone(&self.nobody),
            None => {
                let sentence = "no receipt is shown to be of it, and not of another of its number";
                let audit = Audit::passed("receipts", codes::RECEIPT_UNLINKED, sentence);
                Arc::new(audit.on(names(&|_| true)))
            }
        }
    }

    fn receipts_of(&self, header: &Header, speaking: &[Spoken]) -> Vec<ReceiptReport> {
        let of = |spoken: &Spoken| {
            let signed: &SignedReceipt = self.material.receipts.get(spoken.receipt)?.as_ref()?;
            let judged = self.receipts.judged.get(spoken.receipt)?;
            let entry = self.material.bundle.entries().receipts.get(spoken.receipt)?;
            let (state, reasons) = said(signed.receipt(), header.sequence);
            let holds = judged.outcome != Outcome::Passed || spoken.linked;
            Some(ReceiptReport {
                receipt: entry.receipt.to_string(),
                recipient: signed.receipt().recipient.clone(),
                key: signed.key().clone(),
                issued: signed.receipt().issued,
                state,
                reasons,
                outcome: if holds { judged.outcome } else { Outcome::Indeterminate },
            })
        };
        speaking.iter().filter_map(of).collect()
    }

    /// What to know of a receipt that may speak of another message of this number.
    fn unlinked(&self, spoken: &Spoken) -> Option<Note> {
        let judged = self.receipts.judged.get(spoken.receipt)?;
        if spoken.linked || judged.outcome != Outcome::Passed {
            return None;
        }
        let receipt = self.material.receipts.get(spoken.receipt)?.as_ref()?.receipt();
        let sentence = format!(
            "{} speaks of a message with this number, up to {}; what lies between is not there",
            receipt.recipient, receipt.newest
        );
        Some(Note { code: codes::RECEIPT_UNLINKED, sentence })
    }

    /// Whom a message names and of whom no receipt is there, as far as the exporter would have it: who
    /// sent it is given all, who received it has its own.
    fn without_receipt(&self, header: &Header, speaking: &[Spoken]) -> Vec<Did> {
        let policy = self.material.policy.as_ref();
        if !policy.is_some_and(|p| p.descriptor().receipts) {
            return Vec::new();
        }
        let exporter = &self.material.bundle.manifest().exporter.participant;
        let linked = speaking.iter().filter(|s| s.linked);
        let receipts = linked.filter_map(|s| self.material.receipts.get(s.receipt)?.as_ref());
        let heard: BTreeSet<&Did> = receipts.map(|r| &r.receipt().recipient).collect();
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
