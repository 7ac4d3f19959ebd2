//! What the facts alone rule out, before any requirement is asked: an admission that does not count,
//! a header that does not fit its channel, a signature or payload that does not hold.

use crate::channel::{ChannelDescriptor, Mode, Sealing};
use crate::codes;
use crate::comparison::AttributeTypes;
use crate::decision::Reason;
use crate::facts::{Admission, CheckFacts, Finding, MessageFacts, Question};
use crate::topic::Topic;
use crate::value::Value;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

fn deny(reasons: &mut Vec<Reason>, code: Code, sentence: impl Into<String>) {
    reasons.push(Reason::of_facts(code.id(), sentence));
}

/// By what a version of a topic is retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retiring {
    /// By when the message was issued; and by the judge's time, once the skew is over, since a sender could
    /// say an earlier time for good.
    Issued,
    /// By the judge's time alone, as it once was: for decisions that were recorded so.
    Judged,
}

impl Retiring {
    fn applies(self, retired: UnixMillis, issued: UnixMillis, now: UnixMillis, skew: u64) -> bool {
        match self {
            Self::Issued => retired <= issued || retired.plus_millis(skew) <= now,
            Self::Judged => retired <= now,
        }
    }
}

/// Every reason why the facts rule it out; empty if they do not.
#[must_use]
pub(crate) fn check(
    channel: (&ContentId, &ChannelDescriptor),
    attributes: &AttributeTypes,
    admission: &Admission,
    question: &Question,
    (now, retiring): (UnixMillis, Retiring),
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    check_admission(channel, admission, now, &mut reasons);
    if let Question::Publish(message) = question {
        check_origin(admission, message, &mut reasons);
        check_topic(channel.1, attributes, message, (now, retiring), &mut reasons);
        check_message(channel.1, message, now, &mut reasons);
        must_have_passed("signature", &message.signature, &mut reasons);
        if let Some(sealing) = &message.sealing {
            must_have_passed("sealing", sealing, &mut reasons);
        }
        if let Some(payload) = &message.payload {
            must_have_passed("payload", payload, &mut reasons);
        }
    }
    reasons
}

fn must_have_passed(what: &str, found: &CheckFacts, reasons: &mut Vec<Reason>) {
    if found.outcome != Finding::Passed {
        reasons.push(Reason::of_facts(&found.code, format!("{what}: {}", found.sentence)));
    }
}

/// That the facts about the message and those about the sender are about one and the same.
fn check_origin(admission: &Admission, message: &MessageFacts, reasons: &mut Vec<Reason>) {
    let Some(envelope) = &message.envelope else { return };
    let node = admission.node.as_ref().map(|n| &n.node);
    let authorisation = admission.node.as_ref().and_then(|n| n.evidence.as_ref());
    let same = envelope.channel == admission.channel
        && envelope.sender == admission.sender
        && envelope.node.as_ref() == node
        && envelope.authorisation.as_ref() == authorisation
        && envelope.presentation == admission.presentation;
    if !same {
        let sentence = "the message is of another sender, node, presentation or channel than the \
                        facts about its sender";
        deny(reasons, codes::ADMISSION_OTHER, sentence);
    }
}

fn check_admission(
    (channel, descriptor): (&ContentId, &ChannelDescriptor),
    admission: &Admission,
    now: UnixMillis,
    reasons: &mut Vec<Reason>,
) {
    if &admission.channel != channel {
        let sentence = "the sender was admitted to another channel, or to another version of it";
        deny(reasons, codes::ADMISSION_OTHER, sentence);
    }
    if admission.trust.framework != descriptor.framework {
        let sentence = "the sender was judged by another trust framework than the channel\u{2019}s";
        deny(reasons, codes::ADMISSION_OTHER, sentence);
    }
    if now < descriptor.dated {
        let sentence = format!("the channel counts from {} on, and it is {now}", descriptor.dated);
        deny(reasons, codes::CHANNEL_NOT_YET, sentence);
    }
    if now < admission.judged || now >= admission.expires {
        let sentence = format!(
            "the facts about the sender count from {} until {}, and it is {now}",
            admission.judged, admission.expires
        );
        deny(reasons, codes::ADMISSION_EXPIRED, sentence);
    }
    must_have_passed("presentation", &admission.standing, reasons);
    if let Some(node) = &admission.node {
        must_have_passed("node authorisation", &node.standing, reasons);
    }
}

fn check_topic(
    channel: &ChannelDescriptor,
    attributes: &AttributeTypes,
    message: &MessageFacts,
    (now, retiring): (UnixMillis, Retiring),
    reasons: &mut Vec<Reason>,
) {
    let Some(topic) = channel.topic(&message.topic) else {
        let sentence = format!("the channel has no topic {:?}", message.topic);
        return deny(reasons, codes::TOPIC_UNKNOWN, sentence);
    };
    let at = format!("version {} of topic {}", message.version, topic.name);
    match topic.version(message.version) {
        None => deny(reasons, codes::TOPIC_UNKNOWN, format!("there is no {at}")),
        Some(version) => {
            let skew = channel.clock_skew_seconds.saturating_mul(1000);
            let over = |r: &UnixMillis| retiring.applies(*r, message.issued, now, skew);
            if let Some(retired) = version.retired.filter(over) {
                deny(reasons, codes::TOPIC_UNKNOWN, format!("{at} is retired since {retired}"));
            }
            if version.schema != message.schema || version.media_type != message.media_type {
                let sentence = format!("{at} is {} by {}", version.media_type, version.schema);
                deny(reasons, codes::TOPIC_SCHEMA_OTHER, sentence);
            }
        }
    }
    check_attributes(topic, attributes, message, reasons);
}

fn check_attributes(
    topic: &Topic,
    types: &AttributeTypes,
    message: &MessageFacts,
    reasons: &mut Vec<Reason>,
) {
    if message.attributes.len() > topic.attributes.len() {
        let (found, most) = (message.attributes.len(), topic.attributes.len());
        let other = |name: &&String| !topic.attributes.contains_key(*name);
        let unknown = message.attributes.keys().filter(other).min();
        let shown: String = unknown.into_iter().flat_map(|name| name.chars().take(64)).collect();
        let sentence = format!(
            "it has {found} attributes, and topic {} has {most}, and no {shown:?}",
            topic.name
        );
        return deny(reasons, codes::ATTRIBUTE_UNKNOWN, sentence);
    }
    for (name, value) in &message.attributes {
        if !topic.attributes.contains_key(name) {
            let shown: String = name.chars().take(64).collect();
            let sentence = format!("topic {} has no attribute {shown:?}", topic.name);
            deny(reasons, codes::ATTRIBUTE_UNKNOWN, sentence);
        } else if let Some(expected) = types.get(name)
            && Value::read(value, *expected).is_none()
        {
            let sentence = format!("the attribute {name} is not of type {expected}, or too long");
            deny(reasons, codes::ATTRIBUTE_UNKNOWN, sentence);
        }
    }
    for (name, attribute) in &topic.attributes {
        if !attribute.optional && !message.attributes.contains_key(name) {
            let sentence = format!("the attribute {name} of topic {} is missing", topic.name);
            deny(reasons, codes::ATTRIBUTE_UNKNOWN, sentence);
        }
    }
}

fn check_message(
    channel: &ChannelDescriptor,
    message: &MessageFacts,
    now: UnixMillis,
    reasons: &mut Vec<Reason>,
) {
    let limits = &channel.limits;
    if message.payload_bytes > limits.max_payload_bytes {
        let (found, most) = (message.payload_bytes, limits.max_payload_bytes);
        let sentence = format!("its payload has {found} bytes, and at most {most} are allowed");
        deny(reasons, codes::MESSAGE_TOO_LARGE, sentence);
    }
    let skew = channel.clock_skew_seconds.saturating_mul(1000);
    if message.issued > now.plus_millis(skew) {
        let sentence = format!("it says it was made at {}, and it is {now}", message.issued);
        deny(reasons, codes::MESSAGE_FROM_FUTURE, sentence);
    }
    if now >= message.expires.plus_millis(skew) {
        let sentence = format!("it counted until {}, and it is {now}", message.expires);
        deny(reasons, codes::MESSAGE_EXPIRED, sentence);
    }
    let lifetime = message.expires.millis_since(message.issued);
    if lifetime == 0 || lifetime > limits.max_lifetime_seconds.saturating_mul(1000) {
        let sentence = format!(
            "it counts from {} until {}, and at most {} seconds are allowed",
            message.issued, message.expires, limits.max_lifetime_seconds
        );
        deny(reasons, codes::MESSAGE_LIFETIME, sentence);
    }
    if let Some(why) = recipients_misfit(channel, message) {
        deny(reasons, codes::MESSAGE_RECIPIENTS, why);
    }
    match (channel.sealing, message.sealed) {
        (Sealing::None, false) | (Sealing::Members, true) => {}
        (Sealing::None, true) => {
            deny(reasons, codes::MESSAGE_SEALING, "it is sealed, and the channel does not seal");
        }
        (Sealing::Members, false) => {
            deny(reasons, codes::MESSAGE_SEALING, "it is not sealed, and the channel seals");
        }
    }
    if let Some(sent) = message.sent_last_minute
        && sent >= limits.max_messages_per_minute
    {
        let most = limits.max_messages_per_minute;
        let sentence = format!("{sent} messages came in the last minute, and {most} are allowed");
        deny(reasons, codes::MESSAGE_RATE, sentence);
    }
}

fn recipients_misfit(channel: &ChannelDescriptor, message: &MessageFacts) -> Option<String> {
    let count = message.recipients.len();
    let distinct = message.recipients.iter().collect::<BTreeSet<_>>().len();
    if distinct != count {
        return Some("it names a recipient twice".into());
    }
    let most = usize::try_from(channel.limits.max_recipients).unwrap_or(usize::MAX);
    let fits = match channel.mode {
        Mode::Broadcast => count == 0,
        Mode::Unicast => count == 1,
        Mode::Multicast => (1..=most).contains(&count),
    };
    let mode = match channel.mode {
        Mode::Broadcast => "a broadcast has none",
        Mode::Unicast => "a unicast has one",
        Mode::Multicast => "a multicast has one or more, up to the channel's limit",
    };
    (!fits).then(|| format!("it names {count} recipients: {mode}"))
}
