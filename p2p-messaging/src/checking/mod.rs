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
pub use waiting::{Held, Missing};

use crate::codes;
use crate::envelope::{Envelope, EnvelopeError, Header};
use gridpass_credentials::charter::Charter;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::key::PublicKey;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cache::{AdmissionCache, AdmissionKey};
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Decision, Ruling, Verdict as PolicyVerdict};
use gridpass_policy::facts::{
    Admission, CheckFacts, EnvelopeFacts, Finding, MessageFacts, Question,
};
use gridpass_policy::payload::PayloadSchema;
use gridpass_policy::policy::{Admitted, Policy};
use hashlink::LruCache;
use sequence::Order;
use std::collections::{BTreeMap, BTreeSet};
use waiting::{Hold, Waiting};

/// How an envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// As it was sent: it is judged now.
    Live,
    /// By catching up: it is judged as of when it was made, by what is known today.
    CatchUp,
}

/// How an envelope came, and from whom.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// How.
    pub source: Source,
    /// The peer that passed it on: it answers for what it passes on, and has its share of the room.
    pub peer: &'a str,
    /// The channel in which it was passed on, where it came by gossip.
    pub channel: Option<&'a ContentId>,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Authentic, and allowed: it is passed on.
    Admit,
    /// Authentic, of a sender who is who it says, and not allowed, whatever may still come: it is
    /// kept as refused, and not passed on.
    Refuse,
    /// Something is missing; it is held for a while.
    Wait,
    /// Whoever looks sees that it is wrong: the peer that passed it on answers for it.
    Fault,
    /// Nothing can be said, or nothing is to be kept: unknown channel, out of time, known already,
    /// or by somebody who is not the one that it names.
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
    /// does not follow the other in number or in time.
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
    /// Whether it is to be delivered here: it is admitted, for this participant, and its payload
    /// fits or is sealed.
    pub deliver: bool,
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
            deliver: false,
            decided: None,
            effects: Vec::new(),
        }
    }
}

/// A channel that is taken part in, or carried for others.
struct Channel {
    policy: Policy,
    schemas: BTreeMap<ContentId, PayloadSchema>,
    /// Whether what is admitted is delivered here; else it is only carried for others.
    reads: bool,
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
    /// The most that wait of those that one peer passed on.
    pub waiting_per_peer: usize,
    /// The most bytes of those.
    pub waiting_bytes_per_peer: usize,
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
            waiting_per_peer: 64,
            waiting_bytes_per_peer: 4 * 1024 * 1024,
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
    /// Of senders as of an earlier time, for a short while: catching up asks for the same again
    /// and again.
    past: AdmissionCache,
    past_since: UnixMillis,
    memo: SignatureMemo,
    keys: LruCache<DidUrl, PublicKey>,
    rates: LruCache<(ContentId, Did), Rate>,
    waiting: Waiting,
    /// The admissions that were given to be kept.
    kept: LruCache<ContentId, ()>,
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
            past: AdmissionCache::new(limits.admissions),
            past_since: UnixMillis::new(0),
            memo: SignatureMemo::default(),
            keys: LruCache::new(limits.senders.max(1)),
            rates: LruCache::new(limits.senders.max(1)),
            waiting: Waiting::new(*limits),
            kept: LruCache::new(limits.admissions.max(1)),
        }
    }

    /// Takes a channel in, to read it or to carry it for others. Its owner's signature was checked
    /// by the caller. Whoever reads needs the schemas; those that come later are given then.
    pub fn join(
        &mut self,
        policy: Policy,
        schemas: BTreeMap<ContentId, PayloadSchema>,
        reads: bool,
    ) {
        self.channels.insert(policy.id().clone(), Channel { policy, schemas, reads });
    }

    /// A schema of a channel came.
    pub fn schema_came(&mut self, channel: &ContentId, id: ContentId, schema: PayloadSchema) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.schemas.insert(id, schema);
        }
    }

    /// What was to be kept could not be: it will be given again.
    pub fn nothing_was_kept(&mut self) {
        self.kept.clear();
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

    /// A status list came, was verified, and is newer than what was known. Gives those who must be
    /// judged anew.
    pub fn status_list_came(&mut self, list: &str, signer: &Did) -> Vec<AdmissionKey> {
        self.past.clear();
        self.admissions.status_list_came(list, signer)
    }

    /// What is known of a DID changed. Gives those who must be judged anew.
    pub fn did_changed(&mut self, did: &Did) -> Vec<AdmissionKey> {
        self.past.clear();
        self.admissions.did_changed(did)
    }

    /// A role definition came. Gives those who must be judged anew.
    pub fn definition_came(&mut self, definition: &ContentId) -> Vec<AdmissionKey> {
        self.past.clear();
        self.admissions.definition_came(definition)
    }

    /// The charter changed. Gives those who must be judged anew.
    pub fn charter_changed(&mut self, before: &Charter, after: &Charter) -> Vec<AdmissionKey> {
        self.past.clear();
        self.admissions.charter_changed(before, after)
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
        arrival: Arrival<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Checked {
        let envelope = match Envelope::parse(wire) {
            Ok(envelope) => Box::new(envelope),
            Err(e @ EnvelopeError::Version(_)) => {
                return Checked::new(Verdict::Ignore, e.code(), e.to_string());
            }
            Err(e) => return Checked::new(Verdict::Fault, e.code(), e.to_string()),
        };
        let mut checked = self.check_read(&envelope, arrival, known, now);
        if checked.verdict == Verdict::Wait {
            let header = envelope.header();
            let held = Held {
                wire: wire.to_vec(),
                source: arrival.source,
                place: (Chain::of(header), header.sequence),
                peer: arrival.peer.to_owned(),
                since: now,
                missing: BTreeSet::new(),
                asked: BTreeSet::new(),
            };
            self.hold(envelope.id(), held, &mut checked);
        }
        checked.envelope = Some(envelope);
        checked
    }

    /// Checks again what has waited: by its first arrival, so that nothing waits without end.
    pub fn check_again(&mut self, held: &Held, known: &dyn Known, now: UnixMillis) -> Checked {
        let Ok(envelope) = Envelope::parse(&held.wire) else {
            return Checked::new(Verdict::Fault, codes::ENVELOPE_MALFORMED, "it was read before");
        };
        let arrival = Arrival { source: held.source, peer: &held.peer, channel: None };
        let mut checked = self.check_read(&envelope, arrival, known, now);
        if checked.verdict == Verdict::Wait {
            self.hold(envelope.id(), held.clone(), &mut checked);
        }
        checked.envelope = Some(Box::new(envelope));
        checked
    }

    fn hold(&mut self, id: &EnvelopeId, mut held: Held, checked: &mut Checked) {
        held.missing = checked
            .effects
            .iter()
            .filter_map(|e| match e {
                Effect::Ask(missing) => Some(missing.clone()),
                _ => None,
            })
            .collect();
        let before = std::mem::take(&mut held.asked);
        held.asked = before.union(&held.missing).cloned().collect();
        let found = self.waiting.hold(id, held);
        // Nobody is asked for what nothing waits for, nor twice.
        checked.effects.retain(|e| match e {
            Effect::Ask(missing) => found == Hold::Held && !before.contains(missing),
            _ => true,
        });
        if found == Hold::Full {
            checked.code = codes::WAITED_TOO_LONG;
            checked.sentence.push_str("; and there is no room to wait");
        }
    }

    /// Whether somebody may receive what is sent in a channel: asked before anything is given to
    /// it, by gossip or by catching up, and again when what it rests on changed. The caller has seen
    /// that the peer holds the participant's or its node's key: presentations are known to many.
    pub fn may_subscribe(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Checked {
        let key = speaker.key();
        let mut effects = Vec::new();
        if self.admissions.get(&key, now).is_none() {
            match self.admit(speaker, known, now, now) {
                Ok(admitted) => {
                    effects.push(Effect::Keep(Box::new(admitted.admission().clone())));
                    self.admissions.insert(admitted);
                }
                Err(checked) => return *checked,
            }
        }
        let Some(channel) = self.channels.get(speaker.channel) else {
            let sentence = format!("the channel {} is not kept here", speaker.channel);
            return Checked::new(Verdict::Ignore, codes::CHANNEL_UNKNOWN, sentence);
        };
        let Some(admitted) = self.admissions.get(&key, now) else {
            // A presentation or node that failed is not remembered.
            let sentence = "its presentation or node authorisation does not hold";
            return Checked::new(Verdict::Refuse, policy_codes::POLICY_UNMET, sentence);
        };
        let ruling = channel.policy.rule(admitted, &Question::Subscribe, now);
        Checked { effects, ..outcome(&ruling) }
    }

    /// Something came. Gives the envelopes that waited for nothing else, in the order of their
    /// chains: each is checked with [`Checker::check_again`] and kept before the next, so that two
    /// of one number do not both pass.
    pub fn came(&mut self, what: &Missing) -> Vec<Held> {
        self.waiting.take(what)
    }

    /// Gives up those that waited too long. Catching up brings them again.
    pub fn give_up(&mut self, now: UnixMillis) -> Vec<EnvelopeId> {
        self.waiting.give_up(now)
    }

    fn check_read(
        &mut self,
        envelope: &Envelope,
        arrival: Arrival<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Checked {
        let (header, source) = (envelope.header(), arrival.source);
        let ignore = |code, sentence: String| Checked::new(Verdict::Ignore, code, sentence);
        if arrival.channel.is_some_and(|c| c != &header.channel) {
            // Else what is said in one channel is shown to the readers of another.
            let sentence = format!("it is of the channel {}", header.channel);
            return Checked::new(Verdict::Fault, codes::ENVELOPE_TOPIC, sentence);
        }
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
        let contradicts = match &order {
            Order::Forked(first) => Some((codes::SEQUENCE_FORK, first)),
            Order::Broken(first) => Some((codes::SEQUENCE_BROKEN, first)),
            Order::Misdated(other) => Some((codes::ENVELOPE_ORDER, other)),
            Order::Next | Order::Within | Order::Gap { .. } => None,
        };
        if let Some((code, first)) = contradicts {
            let sentence = format!(
                "{} signed {} and {first}, which contradict each other",
                header.sender,
                envelope.id()
            );
            // Its number is another's: it is proof, and takes no place in the chain.
            let mut checked = Checked::new(Verdict::Ignore, code, sentence);
            // One proof is enough; who contradicts itself could make as many as it likes.
            if !known.forked(&Chain::of(header)) {
                let (first, second) = (first.clone(), envelope.id().clone());
                checked.effects.push(Effect::Forked { first, second });
            }
            return checked;
        }
        let mut checked = self.decide(envelope, source, known, (at, now), signature);
        if let (Order::Gap { from, until }, Verdict::Admit) = (&order, checked.verdict) {
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
        if self.remembered(&key, source, at, now).is_none() {
            match self.admit(&speaker, known, at, now) {
                Ok(admission) => fresh = Some(admission),
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
        let mut facts = message_facts(envelope, signature, sent);
        let mut ruling = channel.ask(admitted, &facts, at);
        let mut unchecked = false;
        if ruling.verdict == PolicyVerdict::Allow {
            match channel.check_payload(envelope) {
                Payload::Checked(payload) => {
                    facts.payload = Some(payload);
                    ruling = channel.ask(admitted, &facts, at);
                }
                Payload::NoSchema => unchecked = true,
                Payload::Unseen => {}
            }
        }
        let admission = match admitted.id() {
            Ok(id) => id.clone(),
            Err(e) => return Checked::new(Verdict::Ignore, e.code(), e.to_string()),
        };
        let mut checked = outcome(&ruling);
        if checked.verdict == Verdict::Refuse {
            checked.verdict = finality(&ruling, admitted.admission(), source);
        }
        let for_me = header.recipients.is_empty() || header.recipients.contains(&self.me);
        let reads = channel.reads && for_me;
        if checked.verdict == Verdict::Admit && reads && unchecked {
            let sentence = format!("the schema {} has not arrived", header.schema);
            let missing = Missing::Document(header.schema.clone());
            return *sender::wait(missing, codes::SCHEMA_NOT_HERE, sentence);
        }
        checked.deliver = checked.verdict == Verdict::Admit && reads;
        if checked.verdict == Verdict::Wait {
            effects.push(Effect::Ask(Missing::Evidence(header.sender.clone())));
        }
        let is_kept = matches!(checked.verdict, Verdict::Admit | Verdict::Refuse);
        if is_kept && !self.kept.contains_key(&admission) {
            effects.push(Effect::Keep(Box::new(admitted.admission().clone())));
            self.kept.insert(admission.clone(), ());
        }
        let question = Question::Publish(Box::new(facts));
        if is_kept {
            self.count(header, source, now);
        }
        checked.decided = Some(Box::new(Decided { at, admission, question, ruling }));
        checked.effects = effects;
        match (fresh, source) {
            (Some(fresh), Source::Live) => self.admissions.insert(fresh),
            (Some(fresh), Source::CatchUp) => self.past.insert(fresh),
            (None, _) => {}
        }
        checked
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

    /// How many of the sender were kept in the last minute.
    fn sent(&mut self, header: &Header, source: Source, now: UnixMillis) -> Option<u64> {
        if source == Source::CatchUp {
            return None;
        }
        let key = (header.channel.clone(), header.sender.clone());
        let rate = self.rates.get(&key).map(|r| r.at(now)).unwrap_or_default();
        // The last minute is this one so far, and the rest of it from the one before.
        let left = 60_000_u64.saturating_sub(now.get() % 60_000);
        Some(rate.now.saturating_add(rate.before.saturating_mul(left) / 60_000))
    }

    /// Counts one that is kept: what somebody sends in another's name is not counted as its.
    fn count(&mut self, header: &Header, source: Source, now: UnixMillis) {
        if source == Source::Live {
            let key = (header.channel.clone(), header.sender.clone());
            let rate = self.rates.entry(key).or_insert_with(Rate::default);
            *rate = rate.at(now);
            rate.now = rate.now.saturating_add(1);
        }
    }
}

impl Rate {
    /// The same, as of a time.
    fn at(self, now: UnixMillis) -> Self {
        let minute = now.get() / 60_000;
        match minute.checked_sub(self.minute) {
            Some(0) => self,
            Some(1) => Self { minute, now: 0, before: self.now },
            _ => Self { minute, now: 0, before: 0 },
        }
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
    fn check_payload(&self, envelope: &Envelope) -> Payload {
        let header = envelope.header();
        let Some(payload) = envelope.payload().filter(|_| !header.sealed) else {
            return Payload::Unseen;
        };
        let topic = self.policy.descriptor().topic(&header.topic);
        let (Some(schema), Some(topic)) = (self.schemas.get(&header.schema), topic) else {
            return Payload::NoSchema;
        };
        let mut found = schema.validate(payload);
        if found.is_empty() {
            found = schema.check_attributes(topic, &header.attributes, payload);
        }
        Payload::Checked(match found.first() {
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

/// What is known of a payload.
enum Payload {
    Checked(CheckFacts),
    /// It could be read, and its schema is not at hand.
    NoSchema,
    /// It is sealed, or withheld.
    Unseen,
}

/// What a denial is worth: whether it stays one, whatever may still come; whether it waits for what
/// is missing; or whether nothing is kept of it, since the sender is not shown to be the sender.
fn finality(ruling: &Ruling, facts: &Admission, source: Source) -> Verdict {
    if facts.has_failed() {
        return Verdict::Ignore;
    }
    let later = match source {
        Source::Live => Verdict::Wait,
        // It comes again with the next catching up.
        Source::CatchUp => Verdict::Ignore,
    };
    // Whether the sender sent it is open: nothing is written down in its name.
    let node = facts.node.as_ref().map(|n| n.standing.outcome);
    if facts.standing.outcome != Finding::Passed || node.is_some_and(|n| n != Finding::Passed) {
        return later;
    }
    let told = |code: &Code| {
        let is = |c: &str| c == code.id();
        ruling.reasons.iter().any(|r| is(&r.code) || r.causes.iter().any(|c| is(&c.code)))
    };
    // Another minute, another clock, a charter or a list that is on its way may say otherwise.
    let passing = [
        policy_codes::MESSAGE_RATE,
        policy_codes::ADMISSION_EXPIRED,
        credential_codes::ROLE_NOT_LISTED,
        credential_codes::ISSUER_NOT_ROOT,
        credential_codes::STATUS_ROLLBACK,
        credential_codes::VISA_SUSPENDED,
        identity_codes::KEY_NOT_LISTED,
    ];
    // These hang on the time that it is judged for: caught up with, they stay.
    let of_the_time = [
        policy_codes::MESSAGE_FROM_FUTURE,
        policy_codes::CHANNEL_NOT_YET,
        credential_codes::VISA_NOT_YET,
        identity_codes::SIGNED_IN_FUTURE,
    ];
    let early = source == Source::Live && of_the_time.iter().any(told);
    if early || passing.iter().any(told) {
        return Verdict::Ignore;
    }
    // Undecided is what would be allowed if what is missing came, and came out well. The visas that
    // prove an issuer's authority come with the presentation, or never.
    let undecided = ruling.reasons.iter().all(|r| r.code == policy_codes::POLICY_UNDECIDED.id());
    let may_come = facts.visas.iter().any(|v| {
        v.standing.outcome == Finding::Indeterminate
            && code_of(&v.standing.code).is_some_and(|c| {
                c != credential_codes::CHAIN_LINK_MISSING
                    && c != credential_codes::PRECONDITIONS_UNKNOWN
            })
    });
    if undecided && may_come { later } else { Verdict::Refuse }
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
            let code = first.and_then(|r| code_of(&r.code)).unwrap_or(policy_codes::POLICY_UNMET);
            Checked::new(Verdict::Refuse, code, sentence)
        }
    }
}

/// The code that a record names.
fn code_of(id: &str) -> Option<Code> {
    let tables = [policy_codes::ALL, credential_codes::ALL, identity_codes::ALL, codes::ALL];
    tables.into_iter().flatten().find(|c| c.id() == id).copied()
}

fn message_facts(envelope: &Envelope, signature: CheckFacts, sent: Option<u64>) -> MessageFacts {
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
        payload_bytes: envelope.payload_bytes(),
        sealed: header.sealed,
        attributes: header.attributes.clone(),
        signature,
        payload: None,
        sent_last_minute: sent,
    }
}
