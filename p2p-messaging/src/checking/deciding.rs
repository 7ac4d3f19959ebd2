//! What the channel says of an envelope that is authentic: the admission, the policy, the payload.
//! What a denial is worth is in [`super::finality`].

use super::checker::{Channel, Checker};
use super::finality::{finality, is_hidden, is_suspended, may_be_rooted};
use super::lists::reinstated;
use super::rate::{Rate, claimed_most, minute};
use super::{Checked, Decided, Effect, Known, Missing, Source, Speaker, Verdict, sender};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::sealing::Opening;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cache::AdmissionKey;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Ruling, Verdict as PolicyVerdict};
use gridpass_policy::facts::{CheckFacts, EnvelopeFacts, Finding, MessageFacts, Question};
use gridpass_policy::payload::PayloadSchema;
use gridpass_policy::policy::Admitted;
use gridpass_policy::topic::Topic;

/// The times of an envelope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The time that it is judged for.
    pub(super) at: UnixMillis,
    /// What the clock says.
    pub(super) now: UnixMillis,
    /// When it came here first: what waits came before now.
    pub(super) arrived: UnixMillis,
}

impl Checker {
    pub(super) fn decide(
        &mut self,
        envelope: &Envelope,
        source: Source,
        known: &dyn Known,
        Times { at, now, arrived }: Times,
        (signature, sealing): (CheckFacts, Option<CheckFacts>),
    ) -> Checked {
        let header = envelope.header();
        let speaker = Speaker::of(header);
        let key = speaker.key();
        let mut effects = Vec::new();
        let (mut fresh, mut holds_nowhere) = (None, false);
        if self.remembered(&key, source, at, now).is_none() {
            match self.admit(&speaker, known, at, now) {
                Ok(admission) => {
                    holds_nowhere = source == Source::Live
                        && admission.admission().has_failed()
                        && self.failures.seen_by_all(&speaker, now);
                    fresh = Some(admission);
                }
                Err(checked) => return *checked,
            }
        }
        let sent = self.sent(header, source, now);
        let Some(channel) = self.channels.get(&header.channel) else {
            return Checked::new(Verdict::Ignore, codes::CHANNEL_UNKNOWN, "left meanwhile");
        };
        let cache = match source {
            Source::Live => &mut self.admissions,
            Source::CatchUp => &mut self.past,
        };
        let admitted = match fresh.as_mut() {
            Some(fresh) => Some(fresh),
            None => cache.get(&key, at),
        };
        let Some(admitted) = admitted else {
            return Checked::new(Verdict::Ignore, policy_codes::ADMISSION_EXPIRED, "it ended");
        };
        let for_me = header.recipients.is_empty() || header.recipients.contains(&self.me);
        let reads = channel.reads && for_me;
        let mut facts = message_facts(envelope, signature, sent);
        facts.sealing = sealing;
        facts.arrived = channel.policy.reads_arrival(&header.topic).then_some(arrived);
        let mut ruling = channel.ask(admitted, &facts, at);
        let (mut unchecked, mut unopened) = (false, false);
        if ruling.verdict == PolicyVerdict::Allow {
            let own = header.sender == self.me;
            match channel.look_at_payload(envelope, known, reads || own) {
                Payload::Checked(payload) => {
                    facts.payload = Some(payload);
                    ruling = channel.ask(admitted, &facts, at);
                }
                Payload::NoSchema => unchecked = true,
                Payload::NoKey => unopened = true,
                Payload::Unseen => {}
            }
        }
        let admission = match admitted.id() {
            Ok(id) => id.clone(),
            Err(e) => return Checked::new(Verdict::Ignore, e.code(), e.to_string()),
        };
        let mut checked = outcome(&ruling);
        let mut judged = (source, false);
        if checked.verdict == Verdict::Refuse {
            if source == Source::CatchUp && is_suspended(admitted.admission(), &ruling) {
                let (admission, times) = (admitted.admission(), (at, now));
                let remembered = &mut self.suspensions;
                let work = (&mut self.memo, &mut self.verified);
                judged.1 = reinstated(admission, remembered, &speaker, known, times, work);
            }
            let facts = admitted.admission();
            let rooted = may_be_rooted(facts, known.evidence().trust);
            checked.verdict = finality(&channel.policy, &ruling, facts, judged, rooted);
        }
        // Who gives what was in time to one who was away is no worse for it.
        let only_late = checked.verdict == Verdict::Refuse
            && source == Source::CatchUp
            && channel.allows_in_time(admitted, &facts, at);
        checked.answers = match checked.verdict {
            Verdict::Refuse if only_late => false,
            Verdict::Refuse => {
                let judged = (admitted.admission(), judged);
                !is_hidden(&channel.policy, (header, &facts), &ruling, judged)
            }
            Verdict::Ignore => holds_nowhere,
            Verdict::Admit | Verdict::Wait | Verdict::Fault => false,
        };
        if checked.verdict == Verdict::Admit && reads && unchecked {
            let sentence = format!("the schema {} has not arrived", header.schema);
            let missing = Missing::Document(header.schema.clone());
            return *sender::wait(missing, codes::SCHEMA_NOT_HERE, sentence);
        }
        let admitted_here = checked.verdict == Verdict::Admit && reads;
        checked.deliver = admitted_here && !unopened;
        checked.unopened = admitted_here && unopened;
        if checked.verdict == Verdict::Wait {
            effects.push(Effect::Ask(Missing::Evidence(header.sender.clone())));
        }
        checked.keep = match checked.verdict {
            Verdict::Admit => true,
            Verdict::Refuse => {
                let visas = &admitted.admission().visas;
                let has_visa = visas.iter().any(|v| v.standing.outcome == Finding::Passed);
                let place = (&header.channel, &header.sender);
                let bytes = envelope.to_wire().map_or(0, |wire| wire.len());
                self.refusals.take(place, has_visa, bytes, now)
            }
            Verdict::Wait | Verdict::Fault | Verdict::Ignore => false,
        };
        if checked.keep && !self.kept.contains_key(&admission) {
            effects.push(Effect::Keep(Box::new(admitted.admission().clone())));
            self.kept.insert(admission.clone(), ());
        }
        let question = Question::Publish(Box::new(facts));
        checked.decided = Some(Box::new(Decided { at, admission, question, ruling }));
        checked.effects = effects;
        match (fresh, source) {
            (Some(fresh), Source::Live) => self.admissions.insert(fresh),
            (Some(fresh), Source::CatchUp) => self.past.insert(fresh),
            (None, _) => {}
        }
        checked
    }

    /// How the payload of a sealed message fits that was opened later; nothing if its schema is not
    /// at hand.
    #[must_use]
    pub fn check_opened(&self, header: &Header, payload: &[u8]) -> Option<CheckFacts> {
        match self.channels.get(&header.channel)?.check_payload(header, payload) {
            Payload::Checked(facts) => Some(facts),
            Payload::NoSchema | Payload::NoKey | Payload::Unseen => None,
        }
    }

    /// What is remembered of a sender, as of a time.
    fn remembered(
        &mut self,
        key: &AdmissionKey,
        source: Source,
        at: UnixMillis,
        now: UnixMillis,
    ) -> Option<&mut Admitted> {
        /// How long a judgement of an earlier time is kept: it rests on what is known today.
        const PAST_MILLIS: u64 = 10_000;
        if source == Source::Live {
            return self.admissions.get(key, at);
        }
        if now.millis_since(self.past_since) > PAST_MILLIS || now < self.past_since {
            self.past.clear();
            self.past_since = now;
        }
        self.past.get(key, at)
    }

    /// How many of the sender came in the last minute. Of what is caught up with nothing is said, unless
    /// more of them say that they were made in one minute than any honest node sends.
    fn sent(&mut self, header: &Header, source: Source, now: UnixMillis) -> Option<u64> {
        if source == Source::CatchUp {
            let descriptor = self.channels.get(&header.channel)?.policy.descriptor();
            let a_minute = descriptor.limits.max_messages_per_minute;
            let most = claimed_most(a_minute, descriptor.clock_skew_seconds);
            let claimed = self.claimed.get(&claim(header)).copied()?;
            return Some(claimed).filter(|claimed| *claimed >= most);
        }
        let key = (header.channel.clone(), header.sender.clone());
        let rate = self.rates.get(&key).map(|r| r.at(now)).unwrap_or_default();
        // The last minute is this one so far, and the rest of it from the one before.
        let left = 60_000_u64.saturating_sub(now.get() % 60_000);
        Some(rate.now.saturating_add(rate.before.saturating_mul(left) / 60_000))
    }

    /// Counts one that is its sender's: what somebody sends in another's name is not counted as its.
    pub(super) fn count(&mut self, header: &Header, source: Source, now: UnixMillis) {
        if source == Source::CatchUp {
            let claimed = self.claimed.entry(claim(header)).or_insert_with(u64::default);
            *claimed = claimed.saturating_add(1);
            return;
        }
        let key = (header.channel.clone(), header.sender.clone());
        let rate = self.rates.entry(key).or_insert_with(Rate::default);
        *rate = rate.at(now);
        rate.now = rate.now.saturating_add(1);
    }
}

impl Channel {
    fn ask(&self, admitted: &mut Admitted, facts: &MessageFacts, at: UnixMillis) -> Ruling {
        self.policy.rule(admitted, &Question::Publish(Box::new(facts.clone())), at)
    }

    /// Whether what was refused would be allowed, had it come at the time that it is judged for.
    fn allows_in_time(
        &self,
        admitted: &mut Admitted,
        facts: &MessageFacts,
        at: UnixMillis,
    ) -> bool {
        if facts.arrived.is_none() {
            return false;
        }
        let in_time = MessageFacts { arrived: Some(at), ..facts.clone() };
        self.ask(admitted, &in_time, at).verdict == PolicyVerdict::Allow
    }

    /// Whether the payload fits, where it can be read here and its schema is at hand. A sealed one is
    /// opened where it is for this participant, or its own.
    fn look_at_payload(&self, envelope: &Envelope, known: &dyn Known, ours: bool) -> Payload {
        let header = envelope.header();
        let Some(payload) = envelope.payload() else { return Payload::Unseen };
        if !header.is_sealed() {
            return self.check_payload(header, payload);
        }
        if !ours {
            return Payload::Unseen;
        }
        // Where its key comes later, it is checked then.
        if !self.schemas.contains_key(&header.schema) {
            return Payload::NoSchema;
        }
        match known.open(envelope) {
            Opening::Open(payload) => self.check_payload(header, &payload),
            Opening::NoKey => Payload::NoKey,
            Opening::Broken(e) => {
                Payload::Checked(CheckFacts::new(Outcome::Failed, e.code(), e.to_string()))
            }
        }
    }

    fn check_payload(&self, header: &Header, payload: &[u8]) -> Payload {
        let topic = self.policy.descriptor().topic(&header.topic);
        let (Some(schema), Some(topic)) = (self.schemas.get(&header.schema), topic) else {
            return Payload::NoSchema;
        };
        Payload::Checked(payload_facts(schema, topic, header, payload))
    }
}

/// How a payload fits its schema, and the attributes of its header.
pub(crate) fn payload_facts(
    schema: &PayloadSchema,
    topic: &Topic,
    header: &Header,
    payload: &[u8],
) -> CheckFacts {
    let mut found = schema.validate(payload);
    if found.is_empty() {
        found = schema.check_attributes(topic, &header.attributes, payload);
    }
    match found.first() {
        None => CheckFacts::new(
            Outcome::Passed,
            policy_codes::PAYLOAD_FITS,
            "it fits its topic's schema",
        ),
        Some(first) => CheckFacts::new(Outcome::Failed, first.code, first.to_string()),
    }
}

/// In which minute a sender says that it made a message.
fn claim(header: &Header) -> (ContentId, Did, u64) {
    (header.channel.clone(), header.sender.clone(), minute(header.issued))
}

/// What is known of a payload.
enum Payload {
    Checked(CheckFacts),
    /// It could be read, and its schema is not at hand.
    NoSchema,
    /// It is sealed, for this participant, and its key is not at hand.
    NoKey,
    /// It is sealed, or withheld.
    Unseen,
}

pub(super) fn out_of_time(
    header: &Header,
    channel: &Channel,
    source: Source,
    now: UnixMillis,
) -> Option<(Code, String)> {
    let skew = channel.policy.descriptor().clock_skew_seconds.saturating_mul(1000);
    if header.issued > now.plus_millis(skew) {
        let sentence = format!("it says it was made at {}, and it is {now}", header.issued);
        return Some((policy_codes::MESSAGE_FROM_FUTURE, sentence));
    }
    let retention = channel.policy.descriptor().retention.seconds.saturating_mul(1000);
    if now > header.issued.plus_millis(retention) {
        let sentence = format!("it was made at {}, and is not taken up any more", header.issued);
        return Some((codes::ENVELOPE_TOO_OLD, sentence));
    }
    if source == Source::Live && now >= header.expires.plus_millis(skew) {
        let sentence = format!("it counted until {}, and it is {now}", header.expires);
        return Some((policy_codes::MESSAGE_EXPIRED, sentence));
    }
    None
}

pub(super) fn outcome(ruling: &Ruling) -> Checked {
    match (ruling.verdict, ruling.reasons.first()) {
        (PolicyVerdict::Allow, _) => {
            Checked::new(Verdict::Admit, codes::ENVELOPE_ADMITTED, "the channel allows it")
        }
        (PolicyVerdict::Deny, first) => {
            let sentence = first.map_or_else(String::new, |r| {
                let cause = r.causes.first().map(|c| format!(": {}", c.sentence));
                format!("{}{}", r.sentence, cause.unwrap_or_default())
            });
            let code =
                first.and_then(|r| codes::find(&r.code)).unwrap_or(policy_codes::POLICY_UNMET);
            Checked::new(Verdict::Refuse, code, sentence)
        }
    }
}

/// What an envelope's header says, with what was found out about it.
pub(crate) fn message_facts(
    envelope: &Envelope,
    signature: CheckFacts,
    sent: Option<u64>,
) -> MessageFacts {
    let header = envelope.header();
    MessageFacts {
        envelope: Some(EnvelopeFacts {
            id: envelope.id().clone(),
            channel: header.channel.clone(),
            sender: header.sender.clone(),
            node: header.node().cloned(),
            authorisation: header.authorisation.clone(),
            presentation: Some(header.presentation.clone()),
        }),
        topic: header.topic.clone(),
        version: header.topic_version,
        schema: header.schema.clone(),
        media_type: header.media_type.clone(),
        recipients: header.recipients.clone(),
        issued: header.issued,
        expires: header.expires,
        arrived: None,
        payload_bytes: envelope.payload_bytes(),
        sealed: header.is_sealed(),
        attributes: header.attributes.clone(),
        signature,
        sealing: None,
        payload: None,
        sent_last_minute: sent,
    }
}
