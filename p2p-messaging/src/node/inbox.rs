//! What was delivered, as applications are given it.

use super::own::with_causes;
use super::worker::Worker;
use crate::checking::{Known as _, message_facts, signature_facts};
use crate::codes;
use crate::envelope::Envelope;
use crate::sealing::Opening;
use crate::store::{Given, Kept};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_identity::code::Code;
use gridpass_policy::decision::{Ruling, parse_admission};
use gridpass_policy::facts::Question;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The most messages in one answer.
pub(super) const MAX_INBOX: usize = 1000;
/// The most bytes of them, as they are shown: the answer is one line.
pub(super) const MAX_INBOX_BYTES: usize = 8 * 1024 * 1024;

/// As many as have so many bytes where they are shown, but at least one. What is shown may be many times as
/// long as what was sent.
pub(super) fn fitting(messages: impl Iterator<Item = Value>, most_bytes: usize) -> Vec<Value> {
    let mut bytes = 0_usize;
    messages
        .take_while(|message| {
            let first = bytes == 0;
            bytes = bytes.saturating_add(message.to_string().len());
            first || bytes <= most_bytes
        })
        .collect()
}

/// Why a message is shown without what it says.
fn why_withheld(is_kept: bool, opening: Option<&Opening>) -> Option<(Code, String)> {
    match opening {
        _ if !is_kept => {
            let sentence = "the channel's retention is over for it, or it came without its payload";
            Some((codes::PAYLOAD_FORGOTTEN, sentence.to_owned()))
        }
        Some(Opening::NoKey) => {
            let sentence = "it is sealed, and no key of it is here";
            Some((codes::SEALING_NO_KEY, sentence.to_owned()))
        }
        Some(Opening::Broken(e)) => Some((e.code(), e.to_string())),
        Some(Opening::Open(_)) | None => None,
    }
}

/// What stands in the place of what a damaged log does not give any more. What it was nobody knows.
fn lost(from: u64, until: u64) -> Value {
    let place = match from == until {
        true => format!("number {until}"),
        false => format!("numbers {from} to {until}"),
    };
    let sentence = format!(
        "the node's log is damaged at {place}: a message that stood there is not here any more; where a \
         peer still has it, it is given again with a later number"
    );
    let withheld = json!({"code": codes::LOG_DAMAGED, "sentence": sentence});
    json!({"number": until, "from": from, "withheld": withheld})
}

impl Worker {
    pub(super) fn inbox(&self, after: u64, most: u32) -> Value {
        let mut page = self.given(after, most);
        let last = page.get("last").and_then(Value::as_u64).unwrap_or(after);
        if let Some(page) = page.as_object_mut() {
            let more = !self.knowledge.store.inbox_up_to(last, 1, MAX_INBOX_BYTES).is_empty();
            page.insert("more".into(), more.into());
            page.insert("unopened".into(), self.passed_over(None).into());
        }
        page
    }

    /// The same without what was passed over, of which there may be thousands: listeners ask for each group.
    pub(super) fn given(&self, after: u64, most: u32) -> Value {
        let most = usize::try_from(most).unwrap_or(MAX_INBOX).min(MAX_INBOX);
        let found = self.knowledge.store.inbox_up_to(after, most, MAX_INBOX_BYTES);
        let shown = found.iter().map(|given| match given {
            Given::Message(number, kept) => self.message(*number, kept),
            Given::Lost { from, until } => lost(*from, *until),
        });
        let all = fitting(shown, MAX_INBOX_BYTES);
        let last = all.last().and_then(|m| m.get("number")?.as_u64()).unwrap_or(after);
        json!({"messages": all, "last": last})
    }

    /// Messages that were refused, as far as they are kept, and by which codes.
    pub(super) fn refused(&self, after: u64, most: u32) -> Value {
        let most = usize::try_from(most).unwrap_or(MAX_INBOX).min(MAX_INBOX);
        let shown = self.knowledge.store.refused(after).filter_map(|(number, kept)| {
            let envelope = kept.envelope().ok()?;
            let mut message = self.about(number, &kept, &envelope);
            let mut again = self.why_again(&kept, &envelope).into_iter().flatten();
            let reasons = kept.reasons.iter().map(|code| {
                let sentence = codes::find(code).map(|known| known.0.meaning);
                let mut reason = json!({"code": code, "sentence": sentence.unwrap_or_default()});
                if let (Some(why), Some(map)) = (again.next(), reason.as_object_mut()) {
                    map.insert("why".into(), why.into());
                }
                reason
            });
            message.as_object_mut()?.insert("reasons".into(), reasons.collect());
            Some(message)
        });
        let all = fitting(shown.take(most), MAX_INBOX_BYTES);
        let last = all.last().and_then(|m| m.get("number")?.as_u64()).unwrap_or(after);
        let more = self.knowledge.store.refused(last).next().is_some();
        json!({"messages": all, "last": last, "more": more})
    }

    /// The reasons of a refusal in words: the record has their codes alone. Nothing where the decision does not
    /// come out again as it was from what is kept.
    fn why_again(&self, kept: &Kept, envelope: &Envelope) -> Option<Vec<String>> {
        let header = envelope.header();
        let policy = self.checker.policy(&header.channel)?;
        let bytes = self.knowledge.store.document(&kept.admission)?;
        let (_, admission) = parse_admission(&bytes, Some(&kept.admission)).ok()?;
        let mut facts = message_facts(envelope, signature_facts(header), kept.sent_last_minute);
        facts.sealing.clone_from(&kept.sealing);
        facts.payload.clone_from(&kept.payload);
        facts.arrived = kept.arrived;
        let question = Question::Publish(Box::new(facts));
        let mut admitted = policy.admit(admission);
        let is_recorded = |ruling: &Ruling| {
            let codes = ruling.reasons.iter().map(|reason| reason.code.as_str());
            codes.eq(kept.reasons.iter().map(String::as_str))
        };
        let ruling = Some(policy.rule(&mut admitted, &question, kept.at))
            .filter(is_recorded)
            .or_else(|| policy.rule_of_before(&mut admitted, &question, kept.at))
            .filter(is_recorded)?;
        let mut said = BTreeSet::new();
        let why = ruling.reasons.iter().map(|reason| with_causes(reason, &mut said)).collect();
        Some(why)
    }

    /// What its header says of a message, and what the node noted.
    fn about(&self, number: u64, kept: &Kept, envelope: &Envelope) -> Value {
        let header = envelope.header();
        let channel = self.knowledge.material.channel(&header.channel);
        json!({
            "number": number,
            "id": envelope.id(),
            "channel": header.channel,
            "channelName": channel.map(|c| c.descriptor().name.as_str()),
            "topic": header.topic,
            "version": header.topic_version,
            "mediaType": header.media_type,
            "sender": header.sender,
            "node": header.node(),
            "sequence": header.sequence,
            "issued": header.issued,
            "expires": header.expires,
            "recipients": header.recipients,
            "thread": header.thread,
            "attributes": header.attributes,
            "sealed": header.is_sealed(),
            "caughtUp": kept.caught_up,
            "decidedAt": kept.at,
        })
    }

    fn message(&self, number: u64, kept: &Kept) -> Value {
        let Ok(envelope) = kept.envelope() else {
            return lost(number, number);
        };
        let header = envelope.header();
        let mut message = self.about(number, kept, &envelope);
        let opening = header.is_sealed().then(|| self.knowledge.open(&envelope));
        let withheld = why_withheld(envelope.payload().is_some(), opening.as_ref());
        let opened = match &opening {
            Some(Opening::Open(payload)) => Some(payload.as_slice()),
            _ => envelope.payload(),
        };
        let Some(map) = message.as_object_mut() else { return message };
        if let Some((code, sentence)) = withheld {
            map.insert("withheld".into(), json!({"code": code.id(), "sentence": sentence}));
        } else if let Some(payload) = opened {
            map.insert("payload".into(), STANDARD.encode(payload).into());
            if let Ok(text) = std::str::from_utf8(payload) {
                map.insert("text".into(), text.into());
            }
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn a_page_ends_by_what_is_shown() {
        // Each is 100 bytes, and twice as many where it is shown.
        let message = |number: u64| json!({"number": number, "text": "\"".repeat(100)});
        let length = message(1).to_string().len();
        assert!(length > 200, "{length}");
        let count = |most| fitting((1..=5).map(message), most).len();
        assert_eq!([count(5 * length), count(3 * length), count(3 * length - 1)], [5, 3, 2]);
        assert_eq!(count(1), 1, "one that is too long alone does not end everything");
    }

    #[test]
    fn what_is_lost_has_a_number_and_a_code_and_says_where() {
        let one = lost(17, 17);
        assert_eq!((&one["number"], &one["from"]), (&json!(17), &json!(17)));
        assert_eq!(one["withheld"]["code"], "GP-LOG-DAMAGED");
        let several = lost(17, 19);
        assert_eq!((&several["number"], &several["from"]), (&json!(19), &json!(17)));
        let sentence = several["withheld"]["sentence"].as_str().expect("a sentence");
        assert!(sentence.contains("numbers 17 to 19"), "{sentence}");
    }

    #[test]
    fn why_there_is_no_payload_is_said() {
        let open = Opening::Open(Zeroizing::new(b"{}".to_vec()));
        let code = |kept: bool, opening: Option<&Opening>| {
            why_withheld(kept, opening).map(|(code, _)| code)
        };
        assert_eq!((code(true, None), code(true, Some(&open))), (None, None));
        assert_eq!(code(true, Some(&Opening::NoKey)), Some(codes::SEALING_NO_KEY));
        // Of one that is forgotten, a key would open nothing.
        for opening in [None, Some(&Opening::NoKey)] {
            assert_eq!(code(false, opening), Some(codes::PAYLOAD_FORGOTTEN));
        }
    }
}
