//! How a sealed message is sealed, as far as whoever has no key can say: whether it is a sealed payload
//! at all, whether the epoch that it names is its sender's, and whether that is handed to anybody who
//! may not read.

use super::deciding::code_of;
use super::{Checked, Checker, Known, Missing, Right, Speaker, Verdict, sender};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::sealing::{Epoch, MAX_EPOCH_MILLIS, Member, SealedPayload};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::verify::{AuthorisationExpectation, verify_authorisation};
use gridpass_identity::code::{Class, Code};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::Sealing;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Ruling, Verdict as PolicyVerdict};
use gridpass_policy::facts::{CheckFacts, Question};
use hashlink::LruCache;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most epochs that are remembered, without their keys.
const MAX_REMEMBERED: usize = 256;
/// The most of those that epochs are sealed to whose standing is remembered.
const MAX_STOOD: usize = 4096;
/// The most documents that are asked for at once.
const MAX_WANTED: usize = 64;
/// How long it counts what was found out about those that an epoch is sealed to, in milliseconds.
const JUDGED_MILLIS: u64 = 10_000;

struct Seen {
    epoch: Arc<Epoch>,
    /// What was found out about its members, and when.
    judged: Option<(UnixMillis, Option<(Code, String)>)>,
}

/// How somebody stood when it was looked at.
#[derive(Clone, Copy)]
enum Stood {
    Entitled,
    /// It had been, and since when it is not.
    Lost(UnixMillis),
}

/// The epochs that messages named lately.
pub(super) struct Epochs {
    seen: LruCache<ContentId, Seen>,
    /// How those stood that epochs are sealed to, as long as they are remembered.
    stood: LruCache<(ContentId, Member), Stood>,
    changes: u64,
    /// Documents of members that are not here.
    wanted: BTreeSet<ContentId>,
}

impl Default for Epochs {
    fn default() -> Self {
        Self {
            seen: LruCache::new(MAX_REMEMBERED),
            stood: LruCache::new(MAX_STOOD),
            changes: 0,
            wanted: BTreeSet::new(),
        }
    }
}

impl Epochs {
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Nothing that was said of epochs was kept.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Something changed that rights rest on: all are judged again.
    pub(super) fn doubt(&mut self) {
        self.changes = self.changes.saturating_add(1);
        for (_, seen) in &mut self.seen {
            seen.judged = None;
        }
    }
}

fn fault(code: Code, sentence: impl Into<String>) -> Box<Checked> {
    Box::new(Checked::new(Verdict::Fault, code, sentence))
}

/// Whether a message may name an epoch: its chain's, and not too old.
pub(crate) fn epoch_facts(header: &Header, epoch: &Epoch) -> Result<CheckFacts, (Code, String)> {
    epoch.check(header).map_err(|e| (e.code(), e.to_string()))?;
    let age = header.issued.millis_since(epoch.begun());
    if header.issued < epoch.begun() || age > MAX_EPOCH_MILLIS {
        let sentence = "its epoch begins after it, or began too long before it";
        return Err((codes::SEALING_EPOCH, sentence.into()));
    }
    let sentence = format!("sealed to {} nodes", epoch.members().len());
    Ok(CheckFacts::new(Outcome::Passed, codes::SEALING_HELD, sentence))
}

impl Checker {
    /// What there is to say of how a message is sealed, its members aside; nothing where it is not, or
    /// the channel does not seal.
    pub(super) fn check_sealing(
        &mut self,
        envelope: &Envelope,
        known: &dyn Known,
    ) -> Result<Option<CheckFacts>, Box<Checked>> {
        let header = envelope.header();
        let Some(id) = &header.epoch else { return Ok(None) };
        let seals = |c: &super::checker::Channel| c.policy.descriptor().sealing == Sealing::Members;
        if !self.channels.get(&header.channel).is_some_and(seals) {
            return Ok(None);
        }
        if let Some(Err(e)) = envelope.payload().map(SealedPayload::parse) {
            return Err(fault(e.code(), e.to_string()));
        }
        let epoch = self.epoch(id, known)?;
        epoch_facts(header, &epoch).map(Some).map_err(|(code, why)| fault(code, why))
    }

    /// Whether a message that would be admitted is sealed to somebody who may not read. What is caught
    /// up with is judged by whoever was there: lists of today say nothing of then.
    pub(super) fn check_members(
        &mut self,
        header: &Header,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<CheckFacts> {
        let id = header.epoch.as_ref()?;
        let epoch = self.epoch(id, known).ok()?;
        let (code, sentence) = self.stranger(header, id, &epoch, known, now)?;
        Some(CheckFacts::new(Outcome::Failed, code, sentence))
    }

    /// Documents of those that messages are sealed to, which are not here: whoever passed the messages
    /// on may have them.
    pub fn take_wanted(&mut self) -> BTreeSet<ContentId> {
        std::mem::take(&mut self.epochs.wanted)
    }

    fn epoch(&mut self, id: &ContentId, known: &dyn Known) -> Result<Arc<Epoch>, Box<Checked>> {
        if let Some(seen) = self.epochs.seen.get(id) {
            return Ok(Arc::clone(&seen.epoch));
        }
        let Some(bytes) = known.document(id) else {
            let sentence = format!("the epoch {id} has not arrived");
            let missing = Missing::Document(id.clone());
            return Err(sender::wait(missing, codes::EPOCH_MISSING, sentence));
        };
        let epoch = Epoch::parse(&bytes).map_err(|e| fault(e.code(), e.to_string()))?;
        let epoch = Arc::new(epoch.without_keys());
        let seen = Seen { epoch: Arc::clone(&epoch), judged: None };
        self.epochs.seen.insert(id.clone(), seen);
        Ok(epoch)
    }

    /// Why somebody that an epoch is sealed to may not read, if there is such a one.
    fn stranger(
        &mut self,
        header: &Header,
        id: &ContentId,
        epoch: &Epoch,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<(Code, String)> {
        let judged = self.epochs.seen.get(id).and_then(|s| s.judged.clone());
        if let Some((at, found)) = judged
            && now >= at
            && now.millis_since(at) < JUDGED_MILLIS
        {
            return found;
        }
        let mut found = None;
        for member in epoch.members() {
            // Of whom nothing is here, nothing is said.
            let named = [Some(&member.presentation), member.authorisation.as_ref()];
            let missing = named.into_iter().flatten().filter(|id| known.document(id).is_none());
            let missing: Vec<_> = missing.cloned().collect();
            if !missing.is_empty() {
                let room = MAX_WANTED.saturating_sub(self.epochs.wanted.len());
                self.epochs.wanted.extend(missing.into_iter().take(room));
                continue;
            }
            if let Some(why) = self.may_not_read(&header.channel, member, known, now) {
                let sentence =
                    format!("it is sealed to {}, who may not read: {why}", member.participant);
                found = Some((codes::SEALING_STRANGER, sentence));
                break;
            }
        }
        if let Some(seen) = self.epochs.seen.get_mut(id) {
            seen.judged = Some((now, found.clone()));
        }
        found
    }

    /// Why somebody may certainly not read. Who lost its right a moment ago is not held against a
    /// sender that may not have heard of it, as long as the channel lets its knowledge be that old.
    fn may_not_read(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<String> {
        let place = (channel.clone(), member.clone());
        let (ruling, open) = self.rule_subscribe(&member.speaker(channel), known, now)?;
        let authorised = self.may_be_handed_keys(channel, member, known, now);
        if ruling.verdict == PolicyVerdict::Allow && authorised != Outcome::Failed {
            self.epochs.stood.insert(place, Stood::Entitled);
            return None;
        }
        // What is missing may say that it may.
        let undecided =
            |r: &gridpass_policy::decision::Reason| r.code == policy_codes::POLICY_UNDECIDED.id();
        if authorised != Outcome::Failed && (open || ruling.reasons.iter().all(undecided)) {
            return None;
        }
        let codes_of = |r: &gridpass_policy::decision::Reason| {
            let causes = r.causes.iter().filter_map(|c| code_of(&c.code));
            causes.chain(code_of(&r.code)).collect::<Vec<_>>()
        };
        let ended = |c: &Code| matches!(c.class(), Class::Revoked | Class::Expired);
        let ended = ruling.reasons.iter().any(|r| codes_of(r).iter().any(ended));
        let since = match self.epochs.stood.get(&place) {
            Some(Stood::Lost(since)) => Some(*since),
            Some(Stood::Entitled) => Some(now),
            None => ended.then_some(now),
        };
        if let Some(since) = since {
            self.epochs.stood.insert(place, Stood::Lost(since));
            let grace = self.channels.get(channel)?.policy.descriptor().max_status_age_seconds;
            if now.millis_since(since) <= grace.saturating_mul(1000) {
                return None;
            }
        }
        let first = ruling.reasons.first().map(|r| r.sentence.clone());
        Some(first.unwrap_or_else(|| "its node is not authorised to be handed keys".into()))
    }

    /// Whether a member's node is authorised to be handed keys.
    fn may_be_handed_keys(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Outcome {
        let Some(id) = &member.authorisation else { return Outcome::Passed };
        let Some(authorisation) = known.document(id) else { return Outcome::Indeterminate };
        let oldest = self.policy(channel).map(|p| p.descriptor().max_status_age_seconds);
        let expect = AuthorisationExpectation {
            now,
            clock: now,
            principal: &member.participant,
            node: &member.node,
            purpose: NodePurpose::Sealing,
            channel: Some(channel),
            max_status_age_seconds: oldest.unwrap_or_default(),
        };
        let evidence = known.evidence();
        verify_authorisation(&authorisation, &evidence, &expect, &mut self.memo).report.outcome()
    }

    /// Whether a node may be handed the keys of a channel: its participant may read, and authorised it
    /// to be.
    pub fn may_be_handed(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        now: UnixMillis,
    ) -> bool {
        let (right, _) = self.may_have(&member.speaker(channel), known, now);
        let is_itself = member.participant == member.node;
        right == Some(Right::Read)
            && is_itself == member.authorisation.is_none()
            && self.may_be_handed_keys(channel, member, known, now) == Outcome::Passed
    }

    /// What the channel says of somebody who wants to read, and whether something that is missing may
    /// say otherwise; nothing where a document is.
    fn rule_subscribe(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<(Ruling, bool)> {
        let key = speaker.key();
        // What failed is not remembered, and counts all the same.
        let mut fresh = None;
        if self.admissions.get(&key, now).is_none() {
            fresh = Some(self.admit(speaker, known, now, now).ok()?);
        }
        let channel = self.channels.get(speaker.channel)?;
        let admitted = match fresh.as_mut() {
            Some(fresh) => fresh,
            None => self.admissions.get(&key, now)?,
        };
        let facts = admitted.admission();
        let open = !facts.has_failed() && facts.is_open();
        let ruling = channel.policy.rule(admitted, &Question::Subscribe, now);
        if let Some(fresh) = fresh {
            self.admissions.insert(fresh);
        }
        Some((ruling, open))
    }
}
