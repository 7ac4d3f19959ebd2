//! Sealing what is sent, and opening what came before its key did.

use super::receipts::Fate;
use super::worker::Worker;
use crate::checking::{Chain, Known as _};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::sealing::{
    ChainKey, Circle, Epoch, HandedKey, MAX_EPOCH_MILLIS, Opening, Place, SealedPayload,
};
use crate::store::Entry;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
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
    /// Whether more wait for their keys than are noted.
    more_waits: bool,
    pub(super) statements: super::statements::Statements,
}

fn key_and_id((place, unopened): (&(Chain, u64), &Unopened)) -> ((Chain, u64), EnvelopeId) {
    (place.clone(), unopened.id.clone())
}

/// How long a judgement of those in a circle counts where nothing changed: visas end with time.
const JUDGED_MILLIS: u64 = 10_000;

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
            circle.judge(|m| checker.may_be_handed(channel, m, knowledge, now));
        }
        self.sealing.judged.insert(channel.clone(), (state, now));
    }

    /// A message came whose key is not here: it is asked for.
    pub(super) fn note_unopened(&mut self, envelope: &Envelope) {
        let header = envelope.header();
        let Some(epoch) = header.epoch.clone() else { return };
        if self.sealing.unopened.len() >= MAX_UNOPENED {
            self.sealing.more_waits = true;
            return;
        }
        let place = (Chain::of(header), header.sequence);
        if self.sealing.unopened.contains_key(&place) {
            return;
        }
        let asked = self.sealing.unopened.values().any(|u| u.epoch == epoch);
        let (id, since) = (envelope.id().clone(), self.uptime());
        let unopened = Unopened { id, epoch, since, told: false };
        self.sealing.unopened.insert(place, unopened);
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
    pub(super) fn open_what_waited(&mut self, chain: &Chain) {
        let of_it = |((c, _), _): &(&(Chain, u64), &Unopened)| c == chain;
        let all: Vec<_> = self.sealing.unopened.iter().filter(of_it).map(key_and_id).collect();
        for (place, id) in all {
            self.try_again(&place, &id);
        }
        if std::mem::take(&mut self.sealing.more_waits) {
            self.find_unopened(&chain.channel.clone());
        }
    }

    /// Opens a message that waits, where its key is here now.
    fn try_again(&mut self, place: &(Chain, u64), id: &EnvelopeId) {
        let epoch = self.sealing.unopened.get(place).map(|u| u.epoch.clone());
        if !epoch.is_some_and(|e| self.knowledge.opener.has(&e, &place.0, place.1)) {
            return;
        }
        let kept = self.knowledge.store.envelope(id).filter(|(_, kept)| kept.whole);
        match kept.and_then(|(_, kept)| kept.envelope().ok()) {
            Some(envelope) if !self.knowledge.store.opened(id) => self.open_late(&envelope),
            // It is only staged yet, or it is opened; what is forgotten is not opened any more.
            _ if self.knowledge.store.has(id) && self.knowledge.store.envelope(id).is_none() => {}
            _ => drop(self.sealing.unopened.remove(place)),
        }
    }

    /// Finds again what waits for keys in a channel: after a start, or where something was not kept.
    pub(super) fn find_unopened(&mut self, channel: &ContentId) {
        /// How many of the newest of each chain are looked at, and bytes of them.
        const MOST: u64 = 1024;
        const BYTES: usize = 16 * 1024 * 1024;
        if !self.seals(channel) || !self.checker.reads(channel) {
            return;
        }
        for head in self.knowledge.store.heads(channel) {
            let from = head.newest.saturating_sub(MOST).max(1);
            let any_time = UnixMillis::new(0);
            let store = &self.knowledge.store;
            let found = store.range(&head.chain, (from, head.newest), any_time, BYTES);
            let waits: Vec<_> = found
                .into_iter()
                .filter(|(_, kept)| kept.allowed && !kept.deliver)
                .filter_map(|(_, kept)| kept.envelope().ok())
                .filter(|e| self.is_for_me(e.header()) && !self.knowledge.store.opened(e.id()))
                .collect();
            for envelope in waits {
                match self.knowledge.open(&envelope) {
                    Opening::NoKey => self.note_unopened(&envelope),
                    Opening::Open(_) | Opening::Broken(_) => self.open_late(&envelope),
                }
            }
        }
    }

    /// Whether a message of somebody else is for this participant.
    fn is_for_me(&self, header: &Header) -> bool {
        let to = &header.recipients;
        header.is_sealed()
            && header.sender != self.me.participant
            && (to.is_empty() || to.contains(&self.me.participant))
    }

    /// Takes part in a sealed channel: those that own epochs were sealed to are known again, and what
    /// waits for its key is found.
    pub(super) fn begin_sealing(&mut self, channel: &ContentId) {
        /// How many of the last own epochs are read.
        const EPOCHS: usize = 16;
        if !self.seals(channel) {
            return;
        }
        let chain = self.own_chain(channel);
        let own = self.knowledge.store.own_epochs(&chain);
        let now = self.now();
        for (_, id) in own.into_iter().rev().take(EPOCHS) {
            let epoch = self.knowledge.document(&id).and_then(|b| Epoch::parse(&b).ok());
            let circle = self.sealing.circles.entry(channel.clone()).or_default();
            for member in epoch.iter().flat_map(Epoch::members) {
                if !circle.knows(&member.node) {
                    // Whether it may still is found out with the next message.
                    circle.heard(member.clone(), false, now);
                }
            }
        }
        self.sealing.judged.remove(channel);
        self.find_unopened(channel);
    }

    /// Nothing of a group was kept: what was begun in it was not.
    pub(super) fn seal_anew(&mut self) {
        self.sealing.statements.forget_what_was_handed();
        for (channel, circle) in &mut self.sealing.circles {
            tracing::debug!(%channel, "epochs begin anew");
            circle.begin_anew();
        }
        let channels: Vec<_> = self.knowledge.material.channels.keys().cloned().collect();
        for channel in channels {
            self.find_unopened(&channel);
        }
    }

    fn open_late(&mut self, envelope: &Envelope) {
        let header = envelope.header();
        if !self.is_for_me(header) || !self.checker.reads(&header.channel) {
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
        let Some(payload) = payload else {
            // Its schema may come.
            self.note_unopened(envelope);
            return;
        };
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
        let all: Vec<_> = self.sealing.unopened.iter().map(key_and_id).collect();
        for (place, id) in all {
            self.try_again(&place, &id);
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
