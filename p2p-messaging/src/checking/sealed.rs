//! How a sealed message is sealed, as far as whoever has no key can say: whether it is a sealed payload
//! at all, whether the epoch that it names is its sender's, and whether that is handed to anybody who
//! may not read.

use super::deciding::code_of;
use super::{Checked, Checker, Known, Missing, Source, Speaker, Verdict, sender};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::sealing::{Epoch, MAX_EPOCH_MILLIS, Member, SealedPayload};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::{Class, Code};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::Sealing;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Ruling, Verdict as PolicyVerdict};
use gridpass_policy::facts::{CheckFacts, Question};
use hashlink::LruCache;
use std::sync::Arc;

/// The most epochs that are remembered, without their keys.
const MAX_REMEMBERED: usize = 64;
/// The most of those that epochs are sealed to whose standing is remembered.
const MAX_STOOD: usize = 4096;
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
}

impl Default for Epochs {
    fn default() -> Self {
        Self { seen: LruCache::new(MAX_REMEMBERED), stood: LruCache::new(MAX_STOOD), changes: 0 }
    }
}

impl Epochs {
    pub(super) fn changes(&self) -> u64 {
        self.changes
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

impl Checker {
    /// What there is to say of how a message is sealed; nothing where it is not, or the channel does
    /// not seal.
    pub(super) fn check_sealing(
        &mut self,
        envelope: &Envelope,
        source: Source,
        known: &dyn Known,
        now: UnixMillis,
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
        epoch.check(header).map_err(|e| fault(e.code(), e.to_string()))?;
        let age = header.issued.millis_since(epoch.begun());
        if header.issued < epoch.begun() || age > MAX_EPOCH_MILLIS {
            let sentence = "its epoch begins after it, or began too long before it";
            return Err(fault(codes::SEALING_EPOCH, sentence));
        }
        // What is caught up with is judged by whoever was there; lists of today say nothing of then.
        let stranger = match source {
            Source::Live => self.stranger(header, id, &epoch, known, now),
            Source::CatchUp => None,
        };
        Ok(Some(match stranger {
            Some((code, sentence)) => CheckFacts::new(Outcome::Failed, code, sentence),
            None => CheckFacts::new(
                Outcome::Passed,
                codes::SEALING_HELD,
                format!("sealed to {} nodes", epoch.members().len()),
            ),
        }))
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
            if named.into_iter().flatten().any(|id| known.document(id).is_none()) {
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
        let ruling = self.rule_subscribe(&member.speaker(channel), known, now)?;
        if ruling.verdict == PolicyVerdict::Allow {
            self.epochs.stood.insert(place, Stood::Entitled);
            return None;
        }
        if ruling.reasons.iter().all(|r| r.code == policy_codes::POLICY_UNDECIDED.id()) {
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
        let first = ruling.reasons.first();
        Some(first.map_or_else(String::new, |r| r.sentence.clone()))
    }

    /// What the channel says of somebody who wants to read; nothing where something is missing.
    fn rule_subscribe(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<Ruling> {
        let key = speaker.key();
        if self.admissions.get(&key, now).is_none() {
            let admitted = self.admit(speaker, known, now, now).ok()?;
            self.admissions.insert(admitted);
        }
        let channel = self.channels.get(speaker.channel)?;
        let admitted = self.admissions.get(&key, now)?;
        Some(channel.policy.rule(admitted, &Question::Subscribe, now))
    }
}
