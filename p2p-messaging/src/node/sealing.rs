//! Sealing what is sent, and opening what came before its key did.

use super::receipts::Fate;
use super::worker::Worker;
use crate::checking::{Chain, Checker, Known as _, Right};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::sealing::{
    ChainKey, Circle, Epoch, HandedKey, MAX_EPOCH_MILLIS, Member, Opening, Place, SealedPayload,
};
use crate::store::Entry;
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{AuthorisationExpectation, verify_authorisation};
use gridpass_identity::code::Code;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::Sealing as ChannelSealing;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most messages whose key is waited for.
const MAX_UNOPENED: usize = 4096;
/// How long a key is waited for before the sender is told that this node was left out, in
/// milliseconds.
const LEFT_OUT_MILLIS: u64 = 30_000;

/// A message that is here, for this participant, and without its key.
struct Unopened {
    id: EnvelopeId,
    epoch: ContentId,
    since: UnixMillis,
    told: bool,
}

/// What a node knows of its sealed channels.
#[derive(Default)]
pub(super) struct Sealing {
    pub(super) circles: BTreeMap<ContentId, Circle>,
    /// As of which state of the checker those in the circles were judged, and when.
    judged: BTreeMap<ContentId, (u64, UnixMillis)>,
    unopened: BTreeMap<(Chain, u64), Unopened>,
    pub(super) statements: super::statements::Statements,
}

/// How long a judgement of those in a circle counts where nothing changed: visas end with time.
const JUDGED_MILLIS: u64 = 10_000;

/// Whether a node may be handed the keys of a channel.
pub(super) fn may_be_handed(
    checker: &mut Checker,
    knowledge: &super::knowledge::Knowledge,
    channel: &ContentId,
    member: &Member,
    now: UnixMillis,
) -> bool {
    let (right, _) = checker.may_have(&member.speaker(channel), knowledge, now);
    if right != Some(Right::Read) {
        return false;
    }
    let Some(id) = &member.authorisation else { return member.participant == member.node };
    let Some(authorisation) = knowledge.document(id) else { return false };
    let oldest = checker.policy(channel).map(|p| p.descriptor().max_status_age_seconds);
    let expect = AuthorisationExpectation {
        now,
        clock: now,
        principal: &member.participant,
        node: &member.node,
        purpose: NodePurpose::Sealing,
        channel: Some(channel),
        max_status_age_seconds: oldest.unwrap_or_default(),
    };
    let mut memo = SignatureMemo::default();
    let report = verify_authorisation(&authorisation, &knowledge.evidence(), &expect, &mut memo);
    report.report.outcome() == Outcome::Passed
}

fn random<const N: usize>() -> Result<[u8; N], (Code, String)> {
    let mut bytes = [0_u8; N];
    let failed = |e: getrandom::Error| (codes::NODE_FOLDER, format!("no randomness: {e}"));
    getrandom::fill(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

impl Worker {
    /// Whether a channel's payloads are sealed.
    pub(super) fn seals(&self, channel: &ContentId) -> bool {
        let policy = self.checker.policy(channel);
        policy.is_some_and(|p| p.descriptor().sealing == ChannelSealing::Members)
    }

    /// Seals a payload where the channel does, and names the epoch in the header.
    pub(super) fn seal(
        &mut self,
        header: &mut Header,
        payload: Vec<u8>,
    ) -> Result<Vec<u8>, (Code, String)> {
        if !self.seals(&header.channel) {
            return Ok(payload);
        }
        let (epoch, key) = self.epoch_for(header)?;
        let place = Place {
            channel: &header.channel,
            sender: &header.sender,
            key: &header.key,
            sequence: header.sequence,
            epoch: &epoch,
        };
        let sealed = SealedPayload::seal(&payload, &key.message(), &place, random()?)
            .and_then(|sealed| sealed.encode())
            .map_err(|e| (e.code(), e.to_string()))?;
        header.epoch = Some(epoch);
        Ok(sealed)
    }

    /// The epoch of a message that is about to be sent, and its key.
    fn epoch_for(&mut self, header: &Header) -> Result<(ContentId, ChainKey), (Code, String)> {
        let (channel, now) = (&header.channel, header.issued);
        self.judge_circle(channel);
        let circle = self.sealing.circles.entry(channel.clone()).or_default();
        let longest = self.settings.epoch_seconds.saturating_mul(1000).min(MAX_EPOCH_MILLIS / 2);
        if let Some(found) = circle.current(&header.recipients, header.sequence, now, longest) {
            return Ok(found);
        }
        let chain = Chain::of(header);
        let members = circle.members(&header.recipients);
        let key = ChainKey::new(random()?);
        let (epoch, bytes) =
            Epoch::begin(&chain, header.sequence, now, &header.recipients, &members, &key)
                .map_err(|e| (e.code(), e.to_string()))?;
        let id = epoch.id().clone();
        tracing::info!(%channel, epoch = %id, members = members.len(), "an epoch begins");
        let own = HandedKey {
            epoch: Some(id.clone()),
            first: header.sequence,
            from: header.sequence,
            key: key.clone(),
        };
        self.knowledge.opener.hold(&chain, &own);
        circle.begin(&epoch, key.clone());
        self.stage(Entry::Epoch(ByteBuf::from(bytes)));
        Ok((id, key))
    }

    /// Finds out again who may read a channel, where something changed or time went by.
    pub(super) fn judge_circle(&mut self, channel: &ContentId) {
        let (state, now) = (self.checker.changes(), self.now());
        let before = self.sealing.judged.get(channel);
        let counts = |(of, at): &(u64, UnixMillis)| {
            *of == state && now >= *at && now.millis_since(*at) < JUDGED_MILLIS
        };
        if before.is_some_and(counts) {
            return;
        }
        let (checker, knowledge) = (&mut self.checker, &self.knowledge);
        if let Some(circle) = self.sealing.circles.get_mut(channel) {
            circle.judge(|m| may_be_handed(checker, knowledge, channel, m, now));
        }
        self.sealing.judged.insert(channel.clone(), (state, now));
    }

    /// A message came whose key is not here: it is asked for.
    pub(super) fn note_unopened(&mut self, envelope: &Envelope) {
        let header = envelope.header();
        let Some(epoch) = header.epoch.clone() else { return };
        if self.sealing.unopened.len() >= MAX_UNOPENED {
            // It is opened all the same when its key comes.
            return;
        }
        let asked = self.sealing.unopened.values().any(|u| u.epoch == epoch);
        let (id, since) = (envelope.id().clone(), self.uptime());
        let unopened = Unopened { id, epoch, since, told: false };
        self.sealing.unopened.insert((Chain::of(header), header.sequence), unopened);
        if !asked {
            self.say_membership(&header.channel.clone());
        }
    }

    /// The epochs of a channel whose keys are missing, the newest first.
    pub(super) fn lacks(&self, channel: &ContentId, most: usize) -> Vec<ContentId> {
        let here = self.sealing.unopened.iter().filter(|((c, _), _)| &c.channel == channel);
        let mut all: Vec<_> = here.map(|(_, u)| (u.since, &u.epoch)).collect();
        all.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
        let mut lacks: Vec<ContentId> = Vec::new();
        for (_, epoch) in all {
            if lacks.len() < most && !lacks.contains(epoch) {
                lacks.push(epoch.clone());
            }
        }
        lacks
    }

    /// Keys of a chain came: what they open is delivered, as what came with their number.
    pub(super) fn open_what_waited(&mut self, chain: &Chain, handed: &HandedKey) {
        let until = handed.first.saturating_add(crate::sealing::MAX_STEPS);
        let mut from = handed.from;
        loop {
            /// How much is looked at at once.
            const BYTES: usize = 4 * 1024 * 1024;
            let found = self.knowledge.store.range(chain, (from, until), UnixMillis::new(0), BYTES);
            let Some((last, _)) = found.last() else { return };
            from = last.saturating_add(1);
            for (_, kept) in found {
                let Ok(envelope) = kept.envelope() else { continue };
                let of_this = envelope.header().epoch == handed.epoch;
                let wanted = kept.allowed && !kept.deliver && of_this;
                if wanted && !self.knowledge.store.opened(envelope.id()) {
                    self.open_late(&envelope);
                }
            }
        }
    }

    fn open_late(&mut self, envelope: &Envelope) {
        let header = envelope.header();
        let to = &header.recipients;
        let for_me = to.is_empty() || to.contains(&self.me.participant);
        if !for_me || !self.checker.reads(&header.channel) || header.key == self.me.key_id {
            return;
        }
        let payload = match self.knowledge.open(envelope) {
            Opening::Open(payload) => self.checker.check_opened(header, &payload),
            Opening::Broken(e) => Some(gridpass_policy::facts::CheckFacts::new(
                Outcome::Failed,
                e.code(),
                e.to_string(),
            )),
            Opening::NoKey => None,
        };
        // Without its schema it is tried again with the next key, or when it is read again.
        let Some(payload) = payload else { return };
        let chain = Chain::of(header);
        self.sealing.unopened.remove(&(chain.clone(), header.sequence));
        let deliver = payload.outcome == gridpass_policy::facts::Finding::Passed;
        let code = payload.code.clone();
        let (at, id) = (self.now(), envelope.id().clone());
        self.stage(Entry::Opened { envelope: id.clone(), deliver, payload, at });
        let fate = if deliver { Fate::Delivered } else { Fate::Refused(vec![code]) };
        self.confirm(header, id, fate);
    }

    /// Tells senders that this node was left out, where it waited long enough.
    pub(super) fn tick_sealing(&mut self) {
        let now = self.uptime();
        let mut left_out = Vec::new();
        for ((chain, sequence), unopened) in &mut self.sealing.unopened {
            if !unopened.told && now.millis_since(unopened.since) >= LEFT_OUT_MILLIS {
                unopened.told = true;
                left_out.push((chain.clone(), *sequence, unopened.id.clone()));
            }
        }
        for (chain, sequence, id) in left_out {
            tracing::warn!(sender = %chain.sender, sequence, "its key was not handed to this node");
            let receipts =
                self.checker.policy(&chain.channel).is_some_and(|p| p.descriptor().receipts);
            if receipts {
                let why = codes::SEALING_LEFT_OUT.id().to_owned();
                let fates = self.to_confirm.entry(chain).or_default();
                fates.insert(sequence, (id, Fate::Refused(vec![why])));
            }
        }
        // A key may have come in the same group as what it opens.
        let here = |((chain, _), u): &(&(Chain, u64), &Unopened)| {
            self.knowledge.opener.has(&u.epoch, chain)
        };
        let ids: Vec<_> =
            self.sealing.unopened.iter().filter(here).map(|(_, u)| u.id.clone()).collect();
        for id in ids {
            if let Some(Ok(envelope)) =
                self.knowledge.store.envelope(&id).map(|(_, kept)| kept.envelope())
                && !self.knowledge.store.opened(&id)
            {
                self.open_late(&envelope);
            }
        }
        self.tick_statements();
    }

    /// How it stands with a sealed channel, for the operator.
    pub(super) fn sealing_of(&self, channel: &ContentId) -> Value {
        if !self.seals(channel) {
            return Value::Null;
        }
        let members = self.sealing.circles.get(channel).map_or(0, Circle::len);
        let unopened = self.sealing.unopened.keys().filter(|(c, _)| &c.channel == channel).count();
        json!({"members": members, "unopened": unopened})
    }
}
