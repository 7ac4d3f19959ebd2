//! Sending: the header is made, the own core checks the message as every peer will, and it is kept
//! before it goes out.

use super::clock::{check_last, check_step};
use super::control::{ControlResult, NewMessage};
use super::descriptors::NotSigned;
use super::group::After;
use super::typed::AskError;
use super::worker::Worker;
use crate::checking::{Chain, Known as _, Source, Verdict};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::store::Entry;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::Reason;
use gridpass_policy::keeping::{self, KeepChannelError};
use gridpass_policy::payload::PayloadSchema;
use gridpass_policy::topic::Topic;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// The longest that a message counts, where nobody says how long.
const HOUR_MILLIS: u64 = 3600 * 1000;

type Failed = (Code, String);

pub(super) fn not_found(e: KeepChannelError) -> Failed {
    match e {
        KeepChannelError::NotFound(_) => (codes::CHANNEL_UNKNOWN, e.to_string()),
        _ => (e.code(), e.to_string()),
    }
}

impl Worker {
    /// A channel by its CID, or by its name where only one has it.
    pub(super) fn channel_named(&self, name: &str) -> Result<ContentId, Failed> {
        let all = self.knowledge.material.channels.values();
        let found = keeping::find(all, name).map_err(not_found)?;
        Ok(found.id().clone())
    }

    /// The channels that a name means where something is sent. Of several owners those count who may have signed
    /// theirs, and of these those of whom the charter lists one: so ownership is handed over. That this node joined
    /// one alone decides nothing: it may be a stranger's, while the other waits for its owner's log. Of two that are
    /// one version of one owner's, one that does not count gives way to one that does.
    pub(super) fn channels_to_send(&self, name: &str) -> Vec<&SignedChannel> {
        let material = &self.knowledge.material;
        let all = keeping::named(material.channels.values(), name);
        let joined = |c: &SignedChannel| self.checker.policy(c.id()).is_some();
        let beside = |c: &SignedChannel| keeping::siblings(all.iter().copied(), c).any(joined);
        let named: Vec<_> = all.iter().copied().filter(|c| joined(c) || !beside(c)).collect();
        let counts = |c: &SignedChannel| {
            let refused = self.unsigned.get(c.id()).is_some_and(NotSigned::refused);
            joined(c) || !refused
        };
        let named = keeping::preferred(&named, counts);
        let Ok(trust) = material.trust() else { return named };
        let listed = &trust.charter().charter().channels;
        keeping::preferred(&named, |c| listed.iter().any(|l| &l.document == c.id()))
    }

    pub(super) fn send(&mut self, new: NewMessage, reply: oneshot::Sender<ControlResult>) {
        let reference = new.reference.clone();
        let sent = match self.sent_before(&new) {
            Ok(Some(before)) => {
                // Answered when it is durable, if it is not yet.
                let state = self.state_of(&before);
                let shown = self.sent_shown(&before, reference.as_deref(), Some(state));
                After::Answer(reply, Ok(shown))
            }
            Ok(None) => match self.make(new) {
                Ok(envelope) => After::Sent { reply, envelope, reference },
                Err(failed) => return drop(reply.send(Err(self.unless_unread(failed)))),
            },
            Err(failed) => return drop(reply.send(Err(self.unless_unread(failed)))),
        };
        self.after.push(sent);
    }

    /// Makes, checks and stages a message.
    fn make(&mut self, mut new: NewMessage) -> Result<Box<Envelope>, AskError> {
        let payload = std::mem::take(&mut new.payload);
        self.choose_presentations();
        let channel = self.channel_to_send(&new.channel)?;
        if self.checker.policy(&channel).is_none() {
            if let Some(why) = self.unsigned.get(&channel).map(|u| &u.check) {
                return Err((why.code, why.sentence.clone()).into());
            }
            let sentence = "the node has the channel's descriptor and did not join it yet: something that it names \
                            is not here; `gridpass node status` says what";
            return Err((codes::CHANNEL_UNKNOWN, sentence.to_owned()).into());
        }
        let reference = new.reference.clone();
        let file = self.file_in(&channel, &payload)?;
        let mut header = self.header(&channel, new, &payload)?;
        let payload = self.seal(&mut header, payload)?;
        let envelope =
            Envelope::sign(header, payload, &self.me.key).map_err(|e| (e.code(), e.to_string()))?;
        let now = self.now();
        let mut checked =
            self.checker.check_own(envelope, &self.me.public_key, &self.knowledge, now);
        let readable = self.check_store();
        // What others would refuse is not even kept: nobody has seen it, and its number is free.
        if checked.verdict != Verdict::Admit || readable.is_err() {
            // The facts about the sender were to be kept with it.
            self.checker.own_was_not_sent();
            readable?;
            let reasons = checked.decided.map(|d| d.ruling.reasons).unwrap_or_default();
            let mut said = BTreeSet::new();
            let all: Vec<_> = reasons.iter().map(|r| with_causes(r, &mut said)).collect();
            let message = if all.is_empty() { checked.sentence } else { all.join("; ") };
            let code = first_that_stays(&reasons).unwrap_or(checked.code);
            return Err(AskError { code, message, reasons });
        }
        let offered = file.zip(checked.envelope.as_deref());
        if let Some(Err(failed)) = offered.map(|(file, envelope)| self.offer_file(&file, envelope))
        {
            self.checker.own_was_not_sent();
            return Err(failed.into());
        }
        if let Some((reference, envelope)) = reference.zip(checked.envelope.as_deref()) {
            let (channel, sequence) = (channel.clone(), envelope.header().sequence);
            let envelope = envelope.id().clone();
            self.stage(Entry::Sent { channel, reference, envelope, sequence });
        }
        self.settle(&checked, None, Source::Live);
        let gone = || (codes::ENVELOPE_MALFORMED, "it was not given back".to_owned());
        checked.envelope.take().ok_or_else(|| AskError::from(gone()))
    }

    fn header(
        &self,
        channel: &ContentId,
        new: NewMessage,
        payload: &[u8],
    ) -> Result<Header, Failed> {
        let material = &self.knowledge.material;
        let now = self.now();
        if new.lifetime_millis == Some(0) {
            let sentence = "`lifetimeMillis` is 0: a message counts for one millisecond at least";
            return Err((codes::NODE_REQUEST, sentence.to_owned()));
        }
        check_recipients(&new.recipients, &self.me.participant)?;
        let signed = material
            .channels
            .get(channel)
            .ok_or_else(|| (codes::CHANNEL_UNKNOWN, "it was left".to_owned()))?;
        let descriptor = signed.descriptor();
        let skew = descriptor.clock_skew_seconds.saturating_mul(1000);
        check_step(now, self.pace.expected(self.uptime()), skew)?;
        let authorisation = material.authorisation.as_ref();
        let authorisation = authorisation.filter(|_| self.me.participant != self.me.node);
        check_authorised(now, authorisation.map(|a| a.authorisation.valid_until))?;
        let presentation = match material.presentations.get(channel) {
            Some(own) if own.expires > now => own.id.clone(),
            Some(own) => {
                let sentence = format!("the one for {} ended at {}", descriptor.name, own.expires);
                return Err((codes::NO_PRESENTATION, sentence));
            }
            None => {
                return Err((codes::NO_PRESENTATION, format!("none for {}", descriptor.name)));
            }
        };
        let no_topic = |what: String| (codes::NO_TOPIC, what);
        let topic = descriptor
            .topic(&new.topic)
            .ok_or_else(|| no_topic(format!("{} has no topic {:?}", descriptor.name, new.topic)))?;
        let counts = |v: &&gridpass_policy::topic::TopicVersion| v.retired.is_none_or(|t| now < t);
        let version = match new.version {
            Some(number) => topic.version(number),
            None => topic.versions.iter().rev().find(counts),
        };
        let version =
            version.ok_or_else(|| no_topic(format!("no version of {} counts", topic.name)))?;
        let chain = self.own_chain(channel);
        let last = self.knowledge.head(&chain);
        let link = last.and_then(|n| self.knowledge.at(&chain, n));
        // A link that could not be read is not one that is missing.
        self.check_store()?;
        if let Some((sequence, link)) = last.zip(link.as_ref()) {
            check_last(now, (sequence, link.issued), skew)?;
        }
        // Never before the last one: a clock that was set back would break the chain.
        let issued = link.as_ref().map_or(now, |l| l.issued.max(now));
        let longest = descriptor.limits.max_lifetime_seconds.saturating_mul(1000);
        let lifetime = new.lifetime_millis.unwrap_or(longest.min(HOUR_MILLIS));
        let mut attributes = new.attributes;
        // Without it nobody can say what the payload says of itself, nor whether others will refuse it.
        let Some(schema) = self.checker.schema(channel, &version.schema) else {
            return Err(self.schema_lacks(&version.schema));
        };
        read_attributes(schema, topic, payload, &mut attributes);
        check_readable((schema, topic), payload, &attributes)?;
        Ok(Header {
            channel: channel.clone(),
            topic: topic.name.clone(),
            topic_version: version.version,
            schema: version.schema.clone(),
            media_type: version.media_type.clone(),
            sender: self.me.participant.clone(),
            key: self.me.key_id.clone(),
            authorisation: authorisation.map(|a| a.id.clone()),
            presentation,
            sequence: last.unwrap_or_default().saturating_add(1),
            previous: link.map(|l| l.id),
            issued,
            expires: issued.plus_millis(lifetime),
            recipients: new.recipients,
            thread: new.thread,
            attributes,
            epoch: None,
        })
    }

    /// Nothing is made from a store that failed: what is not found may be there.
    fn check_store(&self) -> Result<(), Failed> {
        match self.knowledge.store.failure() {
            None => Ok(()),
            Some(why) => Err((codes::NOT_DURABLE, why.to_string())),
        }
    }

    /// What a message is refused for, which may be no more than that the store could not be read.
    fn unless_unread(&self, refused: AskError) -> AskError {
        self.check_store().map_or_else(AskError::from, |()| refused)
    }

    /// The chain of this node's messages in a channel.
    pub(super) fn own_chain(&self, channel: &ContentId) -> Chain {
        Chain {
            channel: channel.clone(),
            sender: self.me.participant.clone(),
            key: self.me.key_id.clone(),
        }
    }

    /// It is durable.
    pub(super) fn acknowledge(
        &self,
        reply: oneshot::Sender<ControlResult>,
        envelope: &Envelope,
        reference: Option<&str>,
    ) {
        self.metrics.sent();
        let _ = reply.send(Ok(self.sent_shown(envelope, reference, None)));
    }

    /// What is answered of a message that is sent, or was before and is in this state.
    fn sent_shown(
        &self,
        envelope: &Envelope,
        reference: Option<&str>,
        before: Option<Value>,
    ) -> Value {
        let header = envelope.header();
        json!({
            "id": envelope.id(),
            "channel": header.channel,
            "topic": header.topic,
            "version": header.topic_version,
            "sequence": header.sequence,
            "issued": header.issued,
            "expires": header.expires,
            "thread": header.thread,
            "ref": reference,
            "repeated": before.is_some(),
            "state": before.unwrap_or_else(|| Value::from("queued")),
            "recipientsWithoutNode": self.without_node(header),
        })
    }

    /// Recipients of a sealed message of whom no node is known to which it could be sealed: one may
    /// come, or the DID is misspelt.
    fn without_node<'h>(&self, header: &'h Header) -> Vec<&'h Did> {
        if !header.is_sealed() {
            return Vec::new();
        }
        let circle = self.sealing.circles.get(&header.channel);
        let members = circle.map(|c| c.members(&header.recipients)).unwrap_or_default();
        let is_known = |did: &Did| {
            did == &self.me.participant || members.iter().any(|m| &m.participant == did)
        };
        header.recipients.iter().filter(|did| !is_known(did)).collect()
    }

    pub(super) fn expiry_of(&self, channel: &ContentId) -> Option<UnixMillis> {
        self.knowledge.material.presentations.get(channel).map(|p| p.expires)
    }
}

/// Refuses recipients of whom one is named twice, before it is sealed to them; and a message to nobody but the
/// node's own participant, whose nodes do not deliver each other's messages.
fn check_recipients(recipients: &[Did], me: &Did) -> Result<(), Failed> {
    let refuse = |sentence: &str| Err((policy_codes::MESSAGE_RECIPIENTS, sentence.to_owned()));
    if recipients.iter().collect::<BTreeSet<_>>().len() != recipients.len() {
        return refuse("it names a recipient twice");
    }
    if !recipients.is_empty() && recipients.iter().all(|did| did == me) {
        return refuse(
            "it names nobody but the participant that sends it: nodes of one participant do not deliver each other's \
             messages",
        );
    }
    Ok(())
}

/// Refuses to send when the node's authorisation is over, by the code that says who renews it: no visa is
/// at fault.
fn check_authorised(now: UnixMillis, until: Option<UnixMillis>) -> Result<(), Failed> {
    match until.filter(|until| now >= *until) {
        None => Ok(()),
        Some(until) => {
            let sentence = format!("the authorisation of this node was valid until {until}");
            Err((codes::NODE_AUTHORISATION, sentence))
        }
    }
}

/// The code of the first reason that another minute does not take away: what is sent too fast may be sent
/// later, and would be refused then for the others.
fn first_that_stays(reasons: &[Reason]) -> Option<Code> {
    let stays = reasons.iter().find(|r| r.code != policy_codes::MESSAGE_RATE.id())?;
    codes::find(&stays.code)
}

/// A reason with what it comes from, each with its code. What was said in full of a reason before is not
/// said again: one revoked visa may be what every requirement comes to.
pub(super) fn with_causes<'r>(
    reason: &'r Reason,
    said: &mut BTreeSet<(&'r str, &'r str)>,
) -> String {
    let (mut here, mut causes) = (BTreeSet::new(), Vec::new());
    for cause in &reason.causes {
        let this = (cause.code.as_str(), cause.sentence.as_str());
        if !here.insert(this) {
            continue;
        }
        let sentence = if said.insert(this) { cause.sentence.as_str() } else { "as said" };
        causes.push(format!("{sentence} [{}]", cause.code));
    }
    match causes.as_slice() {
        [] => format!("{} [{}]", reason.sentence, reason.code),
        all => format!("{}: {}", reason.sentence, all.join(", ")),
    }
}

/// Where an attribute is missing because the payload cannot be read, that is what is wrong.
fn check_readable(
    (schema, topic): (&PayloadSchema, &Topic),
    payload: &[u8],
    attributes: &Map<String, Value>,
) -> Result<(), Failed> {
    let lacks = topic.attributes.iter().any(|(name, attribute)| {
        attribute.from.is_some() && !attribute.optional && !attributes.contains_key(name)
    });
    if !lacks {
        return Ok(());
    }
    let found = schema.validate(payload);
    // One that is read and does not fit is refused with all that is wrong with the message.
    match found.into_iter().find(|v| v.code != policy_codes::PAYLOAD_SCHEMA) {
        Some(v) => Err((v.code, v.to_string())),
        None => Ok(()),
    }
}

/// What the payload says of itself is written into the header, where nobody said another thing.
fn read_attributes(
    schema: &PayloadSchema,
    topic: &Topic,
    payload: &[u8],
    attributes: &mut Map<String, Value>,
) {
    for (name, attribute) in &topic.attributes {
        if let Some(path) = &attribute.from
            && !attributes.contains_key(name)
            && let Some(value) = schema.read(payload, path, attribute.value_type)
        {
            attributes.insert(name.clone(), value.to_json());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_policy::direct::Cause;

    #[test]
    fn an_authorisation_that_is_over_is_said_to_be_so() {
        let now = UnixMillis::new(1000);
        assert_eq!(check_authorised(now, None), Ok(()));
        assert_eq!(check_authorised(now, Some(now.plus_millis(1))), Ok(()));
        let refused = check_authorised(now, Some(now)).expect_err("it is over");
        assert_eq!(refused.0, codes::NODE_AUTHORISATION);
        assert!(codes::NODE_AUTHORISATION.0.remedy.contains("authorise-node"));
    }

    #[test]
    fn nobody_is_named_twice_and_not_only_who_sends() {
        let did = |text: &str| Did::parse(text).expect("a DID");
        let (me, other) = (did("did:web:agg.example"), did("did:web:tso.example"));
        let of = |all: &[&Did]| {
            let all: Vec<Did> = all.iter().map(|did| (*did).clone()).collect();
            check_recipients(&all, &me).map_err(|(code, _)| code)
        };
        assert_eq!(of(&[]), Ok(()));
        assert_eq!(of(&[&other]), Ok(()));
        assert_eq!(of(&[&me, &other]), Ok(()));
        assert_eq!(of(&[&me]), Err(policy_codes::MESSAGE_RECIPIENTS));
        assert_eq!(of(&[&other, &other]), Err(policy_codes::MESSAGE_RECIPIENTS));
    }

    #[test]
    fn too_fast_hides_nothing_that_stays() {
        let (rate, unmet) = (policy_codes::MESSAGE_RATE, policy_codes::POLICY_UNMET);
        let fast = || Reason::of_facts(rate.id(), "it is too fast");
        let zone = || Reason::of_requirement(unmet, "zone", "it says", Vec::new());
        assert_eq!(first_that_stays(&[fast(), zone(), fast()]), Some(unmet));
        assert_eq!(first_that_stays(&[fast()]), None);
        assert_eq!(first_that_stays(&[]), None);
    }

    #[test]
    fn what_several_reasons_come_from_is_said_in_full_once() {
        let cause =
            |sentence: &str| Cause { code: "GP-VISA-REVOKED".into(), sentence: sentence.into() };
        let reason = |says: &str, causes| {
            Reason::of_requirement(policy_codes::POLICY_UNMET, says, says, causes)
        };
        let reasons = [
            reason("zone", vec![cause("one is revoked"), cause("one is revoked")]),
            reason("hours", vec![cause("one is revoked"), cause("another is revoked")]),
        ];
        let mut said = BTreeSet::new();
        let told: Vec<_> = reasons.iter().map(|r| with_causes(r, &mut said)).collect();
        let first = "zone: one is revoked [GP-VISA-REVOKED]";
        let second = "hours: as said [GP-VISA-REVOKED], another is revoked [GP-VISA-REVOKED]";
        assert_eq!(told, [first, second]);
    }
}
