//! The checking core: bytes, a time and stored facts in; a verdict and what to do about it out.
//!
//! Nothing here reads a clock, a network or a disk, so that node, simulator, fuzzer and auditor run
//! the same code. Checks come in the order of what they cost:
//!
//! ```text
//! size, decoding -> channel -> time -> duplicate -> sequence -> key and signature
//!     -> presentation and authorisation -> admission -> policy -> schema
//! ```
//!
//! What the channel's descriptor decides is the same on every peer that has the same documents, and
//! it alone decides whether an envelope is passed on. Whether it is delivered here is asked too:
//! whom it is addressed to.

mod facts;
mod sender;
mod sequence;
mod waiting;

pub use facts::{Chain, Known, Link};
pub use sender::Speaker;
pub use waiting::Missing;

use crate::codes;
use crate::envelope::{Envelope, Header};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::key::PublicKey;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cache::AdmissionCache;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Decision, Ruling, Verdict as PolicyVerdict};
use gridpass_policy::facts::{Admission, CheckFacts, EnvelopeFacts, MessageFacts, Question};
use gridpass_policy::payload::PayloadSchema;
use gridpass_policy::policy::{Admitted, Policy};
use hashlink::LruCache;
use sequence::Order;
use std::collections::BTreeMap;
use waiting::Waiting;

/// How an envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// As it was sent: it is judged now.
    Live,
    /// By catching up: it is judged as of when it was made, by what is known today.
    CatchUp,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Authentic, and allowed: it is passed on.
    Admit,
    /// Authentic, and not allowed: it is kept as refused, and not passed on.
    Refuse,
    /// Something is missing; it is held for a while.
    Wait,
    /// Whoever looks sees that it is wrong: the peer that passed it on answers for it.
    Fault,
    /// Nothing can be said, or nothing is to be done: unknown channel, out of time, known already.
    Ignore,
}

/// What to do besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask peers for it.
    Ask(Missing),
    /// Ask peers for these envelopes, from and up to these numbers.
    Gap {
        /// Whose.
        chain: Chain,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        until: u64,
    },
    /// Keep both as proof and announce them: the sender signed two with one number, or one that
    /// does not follow the other.
    Forked {
        /// The one that was known.
        first: EnvelopeId,
        /// The one that came.
        second: EnvelopeId,
    },
    /// Keep the facts that decisions name.
    Keep(Box<Admission>),
}

/// A decision, as far as it is not in the envelope itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// When.
    pub at: UnixMillis,
    /// The facts about the sender.
    pub admission: ContentId,
    /// What was asked.
    pub question: Question,
    /// What came out.
    pub ruling: Ruling,
}

/// What was found out about an envelope.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason that decided it.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: String,
    /// The envelope, where it could be read.
    pub envelope: Option<Box<Envelope>>,
    /// Whether it is for this participant. Asked only of what is admitted.
    pub addressed: bool,
    /// The decision, where it came to one.
    pub decided: Option<Box<Decided>>,
    /// What to do besides.
    pub effects: Vec<Effect>,
}

impl Checked {
    fn new(verdict: Verdict, code: Code, sentence: impl Into<String>) -> Self {
        Self {
            verdict,
            code,
            sentence: sentence.into(),
            envelope: None,
            addressed: false,
            decided: None,
            effects: Vec::new(),
        }
    }
}

/// A channel that is taken part in, or carried for others.
struct Channel {
    policy: Policy,
    /// The schemas of its topics that are at hand; a relay may have none.
    schemas: BTreeMap<ContentId, PayloadSchema>,
}

/// Bounds of a checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most admissions that are remembered.
    pub admissions: usize,
    /// The most envelopes that wait for something.
    pub waiting: usize,
    /// The most bytes that wait.
    pub waiting_bytes: usize,
    /// The most that wait of one sender.
    pub waiting_per_sender: usize,
    /// How long each waits, in milliseconds.
    pub waiting_millis: u64,
    /// The most senders whose rate is counted.
    pub senders: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            admissions: 4096,
            waiting: 1024,
            waiting_bytes: 16 * 1024 * 1024,
            waiting_per_sender: 64,
            waiting_millis: 30_000,
            senders: 16_384,
        }
    }
}

/// The checking core of one participant.
pub struct Checker {
    me: Did,
    channels: BTreeMap<ContentId, Channel>,
    admissions: AdmissionCache,
    memo: SignatureMemo,
    keys: LruCache<DidUrl, PublicKey>,
    rates: LruCache<(ContentId, Did), Rate>,
    waiting: Waiting,
}

/// How many messages of a sender came in this minute, and in the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    minute: u64,
    now: u64,
    before: u64,
}

impl Checker {
    /// For a participant.
    #[must_use]
    pub fn new(me: Did, limits: &Limits) -> Self {
        Self {
            me,
            channels: BTreeMap::new(),
            admissions: AdmissionCache::new(limits.admissions),
            memo: SignatureMemo::default(),
            keys: LruCache::new(limits.senders.max(1)),
            rates: LruCache::new(limits.senders.max(1)),
            waiting: Waiting::new(*limits),
        }
    }

    /// Takes a channel in. Its owner's signature was checked by the caller.
    pub fn join(&mut self, policy: Policy, schemas: BTreeMap<ContentId, PayloadSchema>) {
        self.channels.insert(policy.id().clone(), Channel { policy, schemas });
    }

    /// Leaves a channel.
    pub fn leave(&mut self, channel: &ContentId) {
        self.channels.remove(channel);
    }

    /// The policy of a channel that was joined.
    #[must_use]
    pub fn policy(&self, channel: &ContentId) -> Option<&Policy> {
        self.channels.get(channel).map(|c| &c.policy)
    }

    /// What is remembered of senders: to be told what changed.
    pub fn admissions(&mut self) -> &mut AdmissionCache {
        &mut self.admissions
    }

    /// How many envelopes wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Checks an envelope.
    pub fn check(
        &mut self,
        wire: &[u8],
        source: Source,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Checked {
        let envelope = match Envelope::parse(wire) {
            Ok(envelope) => Box::new(envelope),
            Err(e) => return Checked::new(Verdict::Fault, e.code(), e.to_string()),
        };
        let mut checked = self.check_read(&envelope, source, known, now);
        if checked.verdict == Verdict::Wait {
            let missing: Vec<Missing> = checked
                .effects
                .iter()
                .filter_map(|e| match e {
                    Effect::Ask(missing) => Some(missing.clone()),
                    _ => None,
                })
                .collect();
            let sender = envelope.header().sender.clone();
            if !self.waiting.hold(envelope.id(), wire, source, sender, missing, now) {
                checked.code = codes::WAITED_TOO_LONG;
                checked.sentence.push_str("; and there is no room to wait");
            }
        }
        checked.envelope = Some(envelope);
        checked
    }

    /// Whether somebody may receive what is sent in a channel: asked before anything is given to
    /// it, by gossip or by catching up, and again when what it rests on changed.
    pub fn may_subscribe(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Checked {
        let key = speaker.key();
        if self.admissions.get(&key, now).is_none() {
            match self.admit(speaker, known, now, now) {
                Ok(admitted) => self.admissions.insert(admitted),
                Err(checked) => return *checked,
            }
        }
        let Some(channel) = self.channels.get(speaker.channel) else {
            let sentence = format!("the channel {} is not kept here", speaker.channel);
            return Checked::new(Verdict::Ignore, codes::CHANNEL_UNKNOWN, sentence);
        };
        let Some(admitted) = self.admissions.get(&key, now) else {
            // A presentation that failed is not remembered.
            let sentence = "its presentation does not hold";
            return Checked::new(Verdict::Refuse, policy_codes::POLICY_UNMET, sentence);
        };
        outcome(&channel.policy.rule(admitted, &Question::Subscribe, now))
    }

    /// Something came that envelopes waited for: they are checked again.
    pub fn came(&mut self, what: &Missing, known: &dyn Known, now: UnixMillis) -> Vec<Checked> {
        let ready = self.waiting.take(what);
        ready.into_iter().map(|(wire, source)| self.check(&wire, source, known, now)).collect()
    }

    /// Gives up those that waited too long. Catching up brings them again.
    pub fn give_up(&mut self, now: UnixMillis) -> Vec<EnvelopeId> {
        self.waiting.give_up(now)
    }

    fn check_read(
        &mut self,
        envelope: &Envelope,
        source: Source,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Checked {
        let header = envelope.header();
        let ignore = |code, sentence: String| Checked::new(Verdict::Ignore, code, sentence);
        let Some(channel) = self.channels.get(&header.channel) else {
            let sentence = format!("the channel {} is not kept here", header.channel);
            return ignore(codes::CHANNEL_UNKNOWN, sentence);
        };
        if let Some((code, sentence)) = out_of_time(header, channel, source, now) {
            return ignore(code, sentence);
        }
        if known.has(envelope.id()) {
            return ignore(codes::ENVELOPE_DUPLICATE, "it was taken before".into());
        }
        let order = Order::of(envelope, known);
        let at = match source {
            Source::Live => now,
            // Never later than now, whatever the header says within the skew.
            Source::CatchUp => header.issued.min(now),
        };
        let signature = match self.check_signature(envelope, known, at) {
            Ok(signature) => signature,
            Err(checked) => return *checked,
        };
        if let Order::Forked(first) | Order::Broken(first) = &order {
            let code = match order {
                Order::Forked(_) => codes::SEQUENCE_FORK,
                _ => codes::SEQUENCE_BROKEN,
            };
            let sentence = format!(
                "{} signed {} and {first}, which contradict each other",
                header.sender,
                envelope.id()
            );
            let mut checked = Checked::new(Verdict::Refuse, code, sentence);
            let (first, second) = (first.clone(), envelope.id().clone());
            checked.effects.push(Effect::Forked { first, second });
            return checked;
        }
        let mut checked = self.decide(envelope, source, known, (at, now), signature);
        if let (Order::Gap { from, until }, true) = (&order, is_kept(checked.verdict)) {
            let (chain, from, until) = (Chain::of(header), *from, *until);
            checked.effects.push(Effect::Gap { chain, from, until });
        }
        checked
    }

    fn decide(
        &mut self,
        envelope: &Envelope,
        source: Source,
        known: &dyn Known,
        (at, now): (UnixMillis, UnixMillis),
        signature: CheckFacts,
    ) -> Checked {
        let header = envelope.header();
        let speaker = Speaker::of(header);
        let key = speaker.key();
        let mut effects = Vec::new();
        let mut fresh = None;
        if self.admissions.get(&key, at).is_none() {
            match self.admit(&speaker, known, at, now) {
                Ok(admission) => {
                    effects.push(Effect::Keep(Box::new(admission.admission().clone())));
                    fresh = Some(admission);
                }
                Err(checked) => return *checked,
            }
        }
        let sent = self.count(header, source, now);
        let Some(channel) = self.channels.get(&header.channel) else {
            return Checked::new(Verdict::Ignore, codes::CHANNEL_UNKNOWN, "left meanwhile");
        };
        let admitted = match fresh.as_mut() {
            Some(fresh) => Some(fresh),
            None => self.admissions.get(&key, at),
        };
        let Some(admitted) = admitted else {
            return Checked::new(Verdict::Ignore, policy_codes::ADMISSION_EXPIRED, "it ended");
        };
        let mut facts = message_facts(envelope, signature, sent);
        let mut ruling = channel.ask(admitted, &facts, at);
        if ruling.verdict == PolicyVerdict::Allow
            && let Some(payload) = channel.check_payload(envelope)
        {
            facts.payload = Some(payload);
            ruling = channel.ask(admitted, &facts, at);
        }
        let admission = match admitted.id() {
            Ok(id) => id.clone(),
            Err(e) => return Checked::new(Verdict::Refuse, e.code(), e.to_string()),
        };
        let mut checked = outcome(&ruling);
        checked.addressed = header.recipients.is_empty() || header.recipients.contains(&self.me);
        let question = Question::Publish(Box::new(facts));
        checked.decided = Some(Box::new(Decided { at, admission, question, ruling }));
        checked.effects = effects;
        // What was judged for another time says nothing about the next message.
        if let (Some(fresh), Source::Live) = (fresh, source) {
            self.admissions.insert(fresh);
        }
        checked
    }

    /// How many came of the sender in the last minute, before this one.
    fn count(&mut self, header: &Header, source: Source, now: UnixMillis) -> Option<u64> {
        if source == Source::CatchUp {
            return None;
        }
        let key = (header.channel.clone(), header.sender.clone());
        let rate = self.rates.entry(key).or_insert_with(Rate::default);
        let minute = now.get() / 60_000;
        match minute.checked_sub(rate.minute) {
            Some(0) => {}
            Some(1) => *rate = Rate { minute, now: 0, before: rate.now },
            _ => *rate = Rate { minute, now: 0, before: 0 },
        }
        // The last minute is this one so far, and the rest of it from the one before.
        let left = 60_000_u64.saturating_sub(now.get() % 60_000);
        let sent = rate.now.saturating_add(rate.before.saturating_mul(left) / 60_000);
        rate.now = rate.now.saturating_add(1);
        Some(sent)
    }
}

impl Decided {
    /// The decision as it is recorded.
    #[must_use]
    pub fn to_decision(&self, policy: &Policy, facts: &Admission) -> Decision {
        Decision::of_ruling(policy, facts, &self.admission, (&self.question, self.at), &self.ruling)
    }
}

impl Channel {
    fn ask(&self, admitted: &mut Admitted, facts: &MessageFacts, at: UnixMillis) -> Ruling {
        self.policy.rule(admitted, &Question::Publish(Box::new(facts.clone())), at)
    }

    /// Whether the payload fits, where it can be read here and its schema is at hand.
    fn check_payload(&self, envelope: &Envelope) -> Option<CheckFacts> {
        let header = envelope.header();
        let payload = envelope.payload().filter(|_| !header.sealed)?;
        let schema = self.schemas.get(&header.schema)?;
        let topic = self.policy.descriptor().topic(&header.topic)?;
        let mut found = schema.validate(payload);
        if found.is_empty() {
            found = schema.check_attributes(topic, &header.attributes, payload);
        }
        Some(match found.first() {
            None => CheckFacts::new(
                gridpass_identity::report::Outcome::Passed,
                policy_codes::PAYLOAD_FITS,
                "it fits its topic's schema",
            ),
            Some(first) => CheckFacts::new(
                gridpass_identity::report::Outcome::Failed,
                first.code,
                format!("{}: {}", first.place, first.sentence),
            ),
        })
    }
}

/// Whether an envelope with this verdict has its number taken: it is kept, allowed or refused.
fn is_kept(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Admit | Verdict::Refuse)
}

fn out_of_time(
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
    if source == Source::Live && now >= header.expires.plus_millis(skew) {
        let sentence = format!("it counted until {}, and it is {now}", header.expires);
        return Some((policy_codes::MESSAGE_EXPIRED, sentence));
    }
    None
}

fn outcome(ruling: &Ruling) -> Checked {
    match (ruling.verdict, ruling.reasons.first()) {
        (PolicyVerdict::Allow, _) => {
            Checked::new(Verdict::Admit, codes::ENVELOPE_ADMITTED, "the channel allows it")
        }
        (PolicyVerdict::Deny, first) => {
            let sentence = first.map_or_else(String::new, |r| {
                let cause = r.causes.first().map(|c| format!(": {}", c.sentence));
                format!("{}{}", r.sentence, cause.unwrap_or_default())
            });
            Checked::new(Verdict::Refuse, policy_codes::POLICY_UNMET, sentence)
        }
    }
}

fn message_facts(envelope: &Envelope, signature: CheckFacts, sent: Option<u64>) -> MessageFacts {
    let header = envelope.header();
    MessageFacts {
        envelope: Some(EnvelopeFacts {
            id: envelope.id().clone(),
            channel: header.channel.clone(),
            sender: header.sender.clone(),
            node: header.node().cloned(),
            presentation: Some(header.presentation.clone()),
        }),
        topic: header.topic.clone(),
        version: header.topic_version,
        schema: header.schema.clone(),
        media_type: header.media_type.clone(),
        recipients: header.recipients.clone(),
        issued: header.issued,
        expires: header.expires,
        payload_bytes: envelope.payload_bytes(),
        sealed: header.sealed,
        attributes: header.attributes.clone(),
        signature,
        payload: None,
        sent_last_minute: sent,
    }
}
