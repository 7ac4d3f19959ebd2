//! The payload of a message: whether it is there, fits as was recorded, and how it is sealed.

use super::facts::{same, stand};
use super::messages::{Context, Memory};
use super::report::Audit;
use crate::bundle::entries::{MessageEntry, PayloadState};
use crate::bundle::opening;
use crate::checking::{epoch_facts, payload_facts};
use crate::codes;
use crate::envelope::{Envelope, Header};
use gridpass_identity::code::Code;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::facts::{CheckFacts, Finding};
use std::sync::Arc;

/// For what a payload is refused that somebody looked at.
const OF_PAYLOADS: [Code; 9] = [
    policy_codes::PAYLOAD_SCHEMA,
    policy_codes::PAYLOAD_MALFORMED,
    policy_codes::PAYLOAD_LIMIT,
    policy_codes::XML_FORBIDDEN,
    policy_codes::CIM_HEADER,
    policy_codes::ATTRIBUTE_DIFFERS,
    codes::SEALING_MALFORMED,
    codes::SEALING_BROKEN,
    codes::SEALING_EPOCH,
];
/// For what a message is refused by how it is sealed.
const OF_SEALING: [Code; 2] = [codes::SEALING_EPOCHS, codes::SEALING_STRANGER];

/// Whether that can be found at all: else whoever exports could have a ruling follow from any words.
fn is_finding(recorded: &CheckFacts, refusals: &[Code]) -> bool {
    match recorded.outcome {
        Finding::Passed => true,
        Finding::Failed => refusals.iter().any(|code| code.id() == recorded.code),
        Finding::Indeterminate => false,
    }
}

impl<'m> Context<'m> {
    pub(super) fn payload(
        &self,
        entry: &MessageEntry,
        envelope: &Envelope,
        memory: &mut Memory<'m>,
    ) -> Audit {
        let name = "payload";
        let id = envelope.payload_id();
        let opened = entry.opened.as_ref().map(|o| &o.facts);
        if !entry.facts.iter().chain(opened).all(|facts| is_finding(facts, &OF_PAYLOADS)) {
            let sentence = "the record says of it what nobody finds of a payload";
            return Audit::failed(name, codes::FACTS_DIFFER, sentence).on([id]);
        }
        let bytes = match entry.payload {
            PayloadState::Withheld | PayloadState::Gone => match self.shown.get(id) {
                Some(bytes) => bytes,
                None => {
                    let sentence = "it is not in the bundle; its hash is signed";
                    let audit = Audit::passed(name, codes::PAYLOAD_WITHHELD, sentence);
                    return unseen(entry, audit).on([id]);
                }
            },
            PayloadState::Here => match self.material.bundle.signed_payload(entry, envelope) {
                Ok(Some(bytes)) => bytes,
                Ok(None) => {
                    let sentence = "it is listed as being there, and is not";
                    return Audit::open(name, codes::BUNDLE_PART_MISSING, sentence).on([id]);
                }
                Err(e) => return Audit::failed(name, e.code(), e.to_string()).on([id]),
            },
        };
        let header = envelope.header();
        if !header.is_sealed() {
            return self
                .fits(header, entry.facts.as_ref(), bytes, memory)
                .on_names([id.to_text(), header.schema.to_text()]);
        }
        match opening::opened(entry, header, bytes) {
            None => {
                let sentence = "it is sealed, and hashes to what was signed";
                unseen(entry, Audit::passed(name, codes::BUNDLE_INTACT, sentence)).on([id])
            }
            Some(Err(e)) => Audit::failed(name, e.code(), e.to_string()).on([id]),
            Some(Ok(payload)) => {
                let recorded = entry.facts.as_ref().or(opened);
                self.fits(header, recorded, &payload, memory)
                    .on_names([id.to_text(), header.schema.to_text()])
            }
        }
    }

    fn fits(
        &self,
        header: &Header,
        recorded: Option<&CheckFacts>,
        payload: &[u8],
        memory: &mut Memory<'m>,
    ) -> Audit {
        let name = "payload";
        let Some(recorded) = recorded else {
            let sentence = "it hashes to what was signed; nobody held it against its schema";
            return Audit::passed(name, codes::BUNDLE_INTACT, sentence);
        };
        let policy = self.material.policy.as_ref();
        let topic = policy.and_then(|p| p.descriptor().topic(&header.topic));
        let schema = memory.schemas.entry(header.schema.clone());
        let schema = schema.or_insert_with(|| self.material.schema(&header.schema).ok());
        let (Some(topic), Some(schema)) = (topic, schema) else {
            let sentence = "the schema that it was held against is not there";
            return Audit::open(name, codes::SCHEMA_NOT_HERE, sentence);
        };
        let made = payload_facts(schema, topic, header, payload);
        same_facts(name, recorded, &made)
    }

    pub(super) fn sealing(&self, entry: &MessageEntry, envelope: &Envelope) -> Arc<Audit> {
        let (name, header) = ("sealing", envelope.header());
        let Some(id) = &header.epoch else {
            return match &entry.sealing {
                None => Arc::clone(&self.unsealed),
                Some(_) => {
                    let sentence = "the record says how it is sealed, and it is not";
                    Arc::new(Audit::failed(name, codes::FACTS_DIFFER, sentence))
                }
            };
        };
        if entry.sealing.as_ref().is_some_and(|found| !is_finding(found, &OF_SEALING)) {
            let sentence = "the record says of it what nobody finds of how something is sealed";
            return Arc::new(Audit::failed(name, codes::FACTS_DIFFER, sentence).on([id]));
        }
        let Some(epoch) = self.material.epochs.get(id) else {
            let passed = entry.sealing.as_ref().is_none_or(|s| s.outcome == Finding::Passed);
            // Nobody keeps an epoch for what was refused for another reason.
            let audit = if passed && !entry.allowed {
                let sentence = "it was refused for another reason, and its epoch not kept";
                Audit::passed(name, codes::NOTHING_ASKED, sentence)
            } else {
                Audit::open(name, codes::EPOCH_MISSING, "its epoch is not there")
            };
            return Arc::new(audit.on([id]));
        };
        Arc::new(match (epoch_facts(header, epoch), &entry.sealing) {
            (Err((code, sentence)), _) => Audit::failed(name, code, sentence).on([id]),
            (Ok(made), Some(recorded)) => same_facts(name, recorded, &made).on([id]),
            (Ok(made), None) => Audit::passed(name, codes::FACTS_CONFIRMED, made.sentence).on([id]),
        })
    }
}

/// What there is to say of a payload that cannot be looked at: a refusal for what it says stays open.
fn unseen(entry: &MessageEntry, audit: Audit) -> Audit {
    match entry.facts.as_ref().filter(|facts| facts.outcome != Finding::Passed) {
        None => audit,
        Some(facts) => {
            let (code, why) = (&facts.code, why_unseen(entry.payload));
            let sentence =
                format!("recorded as refused [{code}], which nobody can find again: {why}");
            Audit::open(audit.name, codes::FACTS_OPEN, sentence)
        }
    }
}

/// Why a payload cannot be looked at, and what would help.
fn why_unseen(state: PayloadState) -> &'static str {
    match state {
        PayloadState::Gone => {
            "the exporter has it no more, as is so once the channel's retention is over; who sent it, or has another \
             bundle with it, can show it"
        }
        PayloadState::Withheld => "the exporter withholds it, and can show it",
        PayloadState::Here => "it is sealed, and its key is not disclosed",
    }
}

/// How a recorded fact stands to the one that was made again.
fn same_facts(name: &'static str, recorded: &CheckFacts, made: &CheckFacts) -> Audit {
    if same(recorded, made) {
        return Audit::passed(name, codes::FACTS_CONFIRMED, made.sentence.clone());
    }
    let (code, was) = (&made.code, &recorded.code);
    let sentence = format!("by the evidence: {} [{code}]; recorded was [{was}]", made.sentence);
    Audit::new(name, stand(recorded, made), sentence)
}
