//! The checker: what is remembered between envelopes, and the order of the checks.

use super::deciding::{Times, out_of_time, outcome};
use super::failures::Failures;
use super::keys::Keys;
use super::lists::Suspensions;
use super::rate::Rate;
use super::refusals::Refusals;
use super::sealed::Epochs;
use super::sequence::Order;
use super::waiting::{Hold, Waiting};
use super::{
    Arrival, Chain, Checked, Effect, Held, Known, Limits, Missing, Right, Source, Speaker, Verdict,
};
use crate::codes;
use crate::envelope::{Envelope, EnvelopeError};
use gridpass_credentials::charter::Charter;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_identity::did::Did;
use gridpass_identity::key::PublicKey;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cache::{AdmissionCache, AdmissionKey};
use gridpass_policy::codes as policy_codes;
use gridpass_policy::facts::Question;
use gridpass_policy::payload::PayloadSchema;
use gridpass_policy::policy::Policy;
use hashlink::LruCache;
use std::collections::{BTreeMap, BTreeSet};

/// A channel that is taken part in, or carried for others.
pub(super) struct Channel {
    pub(super) policy: Policy,
    pub(super) schemas: BTreeMap<ContentId, PayloadSchema>,
    /// Whether what is admitted is delivered here; else it is only carried for others.
    pub(super) reads: bool,
}

/// The checking core of one participant.
pub struct Checker {
    pub(super) me: Did,
    pub(super) channels: BTreeMap<ContentId, Channel>,
    pub(super) admissions: AdmissionCache,
    /// Of senders as of an earlier time, for a short while: catching up asks for the same again
    /// and again.
    pub(super) past: AdmissionCache,
    pub(super) past_since: UnixMillis,
    /// What did not hold: the two above keep only what does.
    pub(super) failures: Failures,
    /// How many presentations were verified.
    pub(super) verified: u64,
    pub(super) memo: SignatureMemo,
    pub(super) keys: Keys,
    pub(super) rates: LruCache<(ContentId, Did), Rate>,
    /// How many of a sender that were caught up with say that they were made in a minute.
    pub(super) claimed: LruCache<(ContentId, Did, u64), u64>,
    pub(super) refusals: Refusals,
    pub(super) waiting: Waiting,
    /// The admissions that were given to be kept.
    pub(super) kept: LruCache<ContentId, ()>,
    pub(super) epochs: Epochs,
    /// Status lists that visas and authorisations rest on that hold beside, and who may sign each; and the
    /// channels in which these were shown.
    pub(super) wanted: LruCache<(String, Did), BTreeSet<ContentId>>,
    /// Where visas are suspended that were shown, and failed for that in catching up.
    pub(super) suspensions: Suspensions,
    /// Those of whom nothing is known, or too little, that something rests on.
    pub(super) unknown: BTreeSet<Did>,
}

impl std::fmt::Debug for Checker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checker(of {}, {} channels)", self.me, self.channels.len())
    }
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
            failures: Failures::new(limits.admissions),
            verified: 0,
            memo: SignatureMemo::default(),
            keys: Keys::new(limits.senders),
            rates: LruCache::new(limits.senders.max(1)),
            claimed: LruCache::new(limits.senders.max(1)),
            refusals: Refusals::new(limits.senders),
            waiting: Waiting::new(*limits),
            kept: LruCache::new(limits.admissions.max(1)),
            epochs: Epochs::new(limits.epochs_an_hour),
            wanted: LruCache::new(limits.admissions.saturating_mul(4).max(1)),
            suspensions: LruCache::new(limits.admissions.max(1)),
            unknown: BTreeSet::new(),
        }
    }

    /// Begins with what another found out that stays true for ever: a simulator of many nodes would
    /// verify each signature once for each of them.
    pub fn begin_with(&mut self, memo: SignatureMemo) {
        self.memo = memo;
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

    /// Whether what is admitted in a channel is delivered here, or only carried for others.
    pub fn set_reads(&mut self, channel: &ContentId, reads: bool) {
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.reads = reads;
        }
    }

    /// Whether what is admitted in a channel is delivered here.
    #[must_use]
    pub fn reads(&self, channel: &ContentId) -> bool {
        self.channels.get(channel).is_some_and(|c| c.reads)
    }

    /// What was to be kept could not be: it will be given again, and what is caught up with will come
    /// again. It is counted then.
    pub fn nothing_was_kept(&mut self) {
        self.own_was_not_sent();
        self.claimed.clear();
    }

    /// What was to be kept with an own message was not, since it is not sent.
    pub fn own_was_not_sent(&mut self) {
        self.kept.clear();
        self.epochs.forget();
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

    /// Those of whom too little was known since this was asked last: an issuer without a document, a
    /// key that is not in the state that is known.
    pub fn take_unknown(&mut self) -> BTreeSet<Did> {
        std::mem::take(&mut self.unknown)
    }

    /// A schema of a channel, where it is at hand.
    #[must_use]
    pub fn schema(&self, channel: &ContentId, id: &ContentId) -> Option<&PayloadSchema> {
        self.channels.get(channel)?.schemas.get(id)
    }

    /// A status list came, was verified, and is newer than what was known. Gives those who must be
    /// judged anew.
    pub fn status_list_came(&mut self, list: &str, signer: &Did) -> Vec<AdmissionKey> {
        self.past.clear();
        self.failures.status_list_came(list);
        self.epochs.doubt();
        self.admissions.status_list_came(list, signer)
    }

    /// What is known of a DID changed. Gives those who must be judged anew.
    pub fn did_changed(&mut self, did: &Did) -> Vec<AdmissionKey> {
        self.past.clear();
        self.failures.did_changed(did);
        self.epochs.doubt();
        self.admissions.did_changed(did)
    }

    /// A role definition came. Gives those who must be judged anew.
    pub fn definition_came(&mut self, definition: &ContentId) -> Vec<AdmissionKey> {
        self.past.clear();
        self.epochs.doubt();
        self.admissions.definition_came(definition)
    }

    /// The charter changed. Gives those who must be judged anew.
    pub fn charter_changed(&mut self, before: &Charter, after: &Charter) -> Vec<AdmissionKey> {
        self.past.clear();
        self.failures.clear();
        self.epochs.doubt();
        self.admissions.charter_changed(before, after)
    }

    /// How often something changed that rights rest on.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.epochs.changes()
    }

    /// How many presentations were verified since it began: those that are remembered are not.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.verified
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
        // A copy of one that waits came when that one did.
        let arrived = self.waiting.since(envelope.id()).unwrap_or(now);
        let mut checked = self.check_read(&envelope, arrival, None, known, (arrived, now));
        if checked.verdict == Verdict::Wait {
            let header = envelope.header();
            let held = Held {
                wire: wire.to_vec(),
                source: arrival.source,
                place: (Chain::of(header), header.sequence),
                peer: arrival.peer.to_owned(),
                known_as: arrival.known_as.map(str::to_owned),
                since: now,
                missing: BTreeSet::new(),
                asked: BTreeSet::new(),
            };
            self.hold(envelope.id(), held, &mut checked);
        }
        checked.envelope = Some(envelope);
        checked
    }

    /// Checks an envelope that the caller has just signed with a key, as every peer will; only the
    /// signature is not verified again. It does not wait for anything.
    pub fn check_own(
        &mut self,
        envelope: Envelope,
        key: &PublicKey,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Checked {
        let arrival = Arrival { source: Source::Live, peer: "", known_as: None, channel: None };
        let mut checked = self.check_read(&envelope, arrival, Some(key), known, (now, now));
        checked.envelope = Some(Box::new(envelope));
        checked
    }

    /// Checks again what has waited: by its first arrival, so that nothing waits without end.
    pub fn check_again(&mut self, held: &Held, known: &dyn Known, now: UnixMillis) -> Checked {
        let Ok(envelope) = Envelope::parse(&held.wire) else {
            return Checked::new(Verdict::Fault, codes::ENVELOPE_MALFORMED, "it was read before");
        };
        let (peer, known_as) = (held.peer.as_str(), held.known_as.as_deref());
        let arrival = Arrival { source: held.source, peer, known_as, channel: None };
        let mut checked = self.check_read(&envelope, arrival, None, known, (held.since, now));
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

    /// Whether somebody may be given what is sent in a channel, and as what: asked before anything is
    /// given to it, by gossip or by catching up, and again when what it rests on changed. The caller
    /// has seen that the peer holds the participant's or its node's key: presentations are known to
    /// many. Whoever may not read is told why, and what is missing to say more.
    pub fn may_have(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> (Option<Right>, Checked) {
        let reads = self.ask(speaker, &Question::Subscribe, known, now);
        if reads.verdict == Verdict::Admit {
            return (Some(Right::Read), reads);
        }
        let kept = |c: &Channel| !c.policy.descriptor().keep.is_empty();
        if self.channels.get(speaker.channel).is_some_and(kept) {
            let keeps = self.ask(speaker, &Question::Keep, known, now);
            if keeps.verdict == Verdict::Admit {
                return (Some(Right::Keep), reads);
            }
        }
        (None, reads)
    }

    fn ask(
        &mut self,
        speaker: &Speaker<'_>,
        question: &Question,
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
            // A presentation or node that failed is not among them.
            let sentence = "its presentation or node authorisation does not hold";
            return Checked::new(Verdict::Refuse, policy_codes::POLICY_UNMET, sentence);
        };
        let ruling = channel.policy.rule(admitted, question, now);
        outcome(&ruling)
    }

    /// Something came. Gives the envelopes that waited for nothing else, in the order of their
    /// chains: each is checked with [`Checker::check_again`] and kept before the next, so that two
    /// of one number do not both pass.
    pub fn came(&mut self, what: &Missing) -> Vec<Held> {
        self.waiting.take(what)
    }

    /// All who were asked said that they do not have it. Gives up those that wait for it: else a peer
    /// that names what does not exist would be asked for it as often as there is room to wait, and no
    /// more.
    pub fn nobody_has(&mut self, what: &Missing) -> Vec<EnvelopeId> {
        self.waiting.nobody_has(what)
    }

    /// Whether an envelope waits.
    #[must_use]
    pub fn holds(&self, id: &EnvelopeId) -> bool {
        self.waiting.has(id)
    }

    /// A peer is gone. Gives up those that wait and that it brought as a stranger.
    pub fn peer_gone(&mut self, peer: &str) -> Vec<EnvelopeId> {
        self.waiting.peer_gone(peer)
    }

    /// Gives up those that waited too long, and tells of those that made room. Catching up brings them
    /// again.
    pub fn give_up(&mut self, now: UnixMillis) -> Vec<EnvelopeId> {
        self.waiting.give_up(now)
    }

    fn check_read(
        &mut self,
        envelope: &Envelope,
        arrival: Arrival<'_>,
        signed_by: Option<&PublicKey>,
        known: &dyn Known,
        (arrived, now): (UnixMillis, UnixMillis),
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
        let order = Order::of(envelope, known);
        if order == Order::Known {
            return ignore(codes::ENVELOPE_DUPLICATE, "it was taken before".into());
        }
        let at = match source {
            Source::Live => now,
            // Never later than now, whatever the header says within the skew.
            Source::CatchUp => header.issued.min(now),
        };
        // An own one came when it was signed, also where it comes back: else a node that lost its store
        // could not find out how far it had sent. A clock that was set back makes none of the future.
        let arrived = if header.sender == self.me { at } else { arrived.min(now) };
        let times = Times { at, now, arrived };
        let signature = match self.check_signature(envelope, signed_by, known, at) {
            Ok(signature) => signature,
            Err(checked) => return *checked,
        };
        let contradicts = match &order {
            Order::Forked(first) => Some((codes::SEQUENCE_FORK, first)),
            Order::Broken(first) => Some((codes::SEQUENCE_BROKEN, first)),
            Order::Misdated(other) => Some((codes::ENVELOPE_ORDER, other)),
            Order::Known | Order::Next | Order::Within | Order::Gap { .. } => None,
        };
        if let Some((code, first)) = contradicts {
            let sentence = format!(
                "{} signed {} and {first}, which contradict each other",
                header.sender,
                envelope.id()
            );
            // Its number is another's: it is proof, and takes no place in the chain.
            let mut checked = Checked::new(Verdict::Ignore, code, sentence);
            // One proof is enough; who contradicts itself could make as many as it likes. That of one number
            // convinces everybody, and is taken where another contradiction is known already: else a
            // message that is dated back would hide it.
            let chain = Chain::of(header);
            let enough = match &order {
                Order::Forked(_) => known.proven(&chain),
                _ => known.forked(&chain),
            };
            if !enough {
                let (first, second) = (first.clone(), envelope.id().clone());
                checked.effects.push(Effect::Forked { first, second });
            }
            return checked;
        }
        let sealing = match self.check_sealing(envelope, known, now) {
            Ok(sealing) => sealing,
            Err(checked) => return *checked,
        };
        let sealed = sealing.is_some();
        let facts = (signature.clone(), sealing);
        let mut checked = self.decide(envelope, source, known, times, facts);
        // The sender's own right comes first: it costs less than that of all to whom it seals.
        let found = match source {
            _ if !sealed || checked.verdict != Verdict::Admit => None,
            Source::Live => self.check_members(header, known, now),
            Source::CatchUp => self.check_members_then(header, known, now),
        };
        if let Some(found) = found {
            let facts = (signature, Some(found));
            let again = self.decide(envelope, source, known, times, facts);
            let admitted = std::mem::replace(&mut checked, again);
            checked.effects.extend(admitted.effects);
        }
        let counts = match checked.verdict {
            Verdict::Admit => true,
            // An own one that is refused is not sent: no peer counts it.
            Verdict::Refuse => signed_by.is_none(),
            Verdict::Wait | Verdict::Fault | Verdict::Ignore => false,
        };
        if counts {
            self.count(header, source, now);
        }
        if checked.verdict == Verdict::Admit {
            self.count_epoch(header, known, now);
        }
        if let (Order::Gap { from, until }, Verdict::Admit) = (&order, checked.verdict) {
            let (chain, from, until) = (Chain::of(header), *from, *until);
            checked.effects.push(Effect::Gap { chain, from, until });
        }
        checked
    }
}
