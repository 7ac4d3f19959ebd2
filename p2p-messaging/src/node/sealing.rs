//! Sealing what is sent, and opening what came before its key did.

use super::fates::Fate;
use super::unopened::{Place, Unopened};
use super::worker::Worker;
use crate::checking::{Chain, Known as _};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::sealing::{
    AsOf, ChainKey, Circle, Epoch, InEpoch, MAX_EPOCH_MILLIS, Opening, Standing, Terms, allowance,
};
use crate::store::Entry;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::Sealing as ChannelSealing;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a node knows of its sealed channels.
#[derive(Default)]
pub(super) struct Sealing {
    pub(super) circles: BTreeMap<ContentId, Circle>,
    pub(super) unopened: Unopened,
    pub(super) statements: super::statements::Statements,
}

/// How many of those in circles are judged with a tick. A message waits for those that it is for.
const JUDGED_A_TICK: usize = 64;

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
        let epoch = self.epoch_for(header)?;
        epoch.seal(header, &payload, random()?).map_err(|e| (e.code(), e.to_string()))
    }

    /// The epoch of a message that is about to be sent, and its key.
    fn epoch_for(&mut self, header: &Header) -> Result<InEpoch, (Code, String)> {
        let channel = &header.channel;
        self.judge_circle(channel, &header.recipients, usize::MAX);
        let hour = allowance::hour_of(header.issued);
        let terms = Terms {
            longest_millis: self
                .settings
                .epoch_seconds
                .saturating_mul(1000)
                .min(MAX_EPOCH_MILLIS / 2),
            spent: self.knowledge.store.epochs_cost((channel, &header.sender), hour),
        };
        let circle = self.sealing.circles.entry(channel.clone()).or_default();
        let fresh = ChainKey::new(random()?);
        let mut found =
            circle.epoch_for(header, terms, fresh).map_err(|e| (e.code(), e.to_string()))?;
        if let Some(beginning) = found.beginning.take() {
            let members = beginning.epoch.members().len();
            tracing::info!(%channel, epoch = %found.id, members, "an epoch begins");
            self.knowledge.opener.hold(&Chain::of(header), &beginning.own);
            self.stage(Entry::Epoch(ByteBuf::from(beginning.document)));
        }
        Ok(found)
    }

    /// Finds out again who may read a channel, of those who may be meant by these recipients, where
    /// something changed or could have with time: so many at most. How many were looked at.
    fn judge_circle(&mut self, channel: &ContentId, to: &[Did], most: usize) -> usize {
        let as_of = AsOf { changes: self.checker.changes(), now: self.now() };
        let (checker, knowledge) = (&mut self.checker, &self.knowledge);
        let Some(circle) = self.sealing.circles.get_mut(channel) else { return 0 };
        circle.judge(as_of, to, most, |m| checker.may_be_handed(channel, m, knowledge, as_of.now))
    }

    /// Finds out again, little by little, who may read.
    fn tick_circles(&mut self) {
        let mut most = JUDGED_A_TICK;
        for channel in self.sealing.circles.keys().cloned().collect::<Vec<_>>() {
            most = most.saturating_sub(self.judge_circle(&channel, &[], most));
        }
    }

    /// A message came whose key is not here: it is asked for.
    pub(super) fn note_unopened(&mut self, envelope: &Envelope) {
        let header = envelope.header();
        let Some(epoch) = header.epoch.clone() else { return };
        let place = (Chain::of(header), header.sequence);
        let of = (envelope.id().clone(), epoch);
        let now = self.uptime();
        if self.sealing.unopened.note(place, of, now) {
            self.say_membership(&header.channel.clone());
        }
    }

    /// The epochs of a channel whose keys are missing, the newest first.
    pub(super) fn lacks(&self, channel: &ContentId, most: usize) -> Vec<ContentId> {
        self.sealing.unopened.lacks(channel, most)
    }

    /// Keys of a chain came: what they open is delivered, as what came with their number.
    pub(super) fn open_what_waited(&mut self, chain: &Chain) {
        for (place, id) in self.sealing.unopened.of(Some(chain)) {
            self.try_again(&place, &id);
        }
        if self.sealing.unopened.take_more() {
            self.find_unopened(&chain.channel.clone());
        }
    }

    /// Opens a message that waits, where its key is here now.
    fn try_again(&mut self, place: &Place, id: &EnvelopeId) {
        let epoch = self.sealing.unopened.epoch(place);
        if !epoch.is_some_and(|e| self.knowledge.opener.has(e, &place.0, place.1)) {
            return;
        }
        let kept = self.knowledge.store.envelope(id).filter(|(_, kept)| kept.whole);
        match kept.and_then(|(_, kept)| kept.envelope().ok()) {
            Some(envelope) if !self.knowledge.store.opened(id) => self.open_late(&envelope),
            // It is only staged yet, or it is opened; what is forgotten is not opened any more.
            _ if self.knowledge.store.has(id) && self.knowledge.store.envelope(id).is_none() => {}
            _ => self.sealing.unopened.remove(place),
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
        let (now, changes) = (self.now(), self.checker.changes());
        for (_, id) in own.into_iter().rev().take(EPOCHS) {
            let epoch = self.knowledge.document(&id).and_then(|b| Epoch::parse(&b).ok());
            let circle = self.sealing.circles.entry(channel.clone()).or_default();
            for member in epoch.iter().flat_map(Epoch::members) {
                if !circle.knows(&member.node) {
                    // Whether it may still is found out with the next message.
                    let as_of = AsOf { changes, now };
                    circle.heard(member.clone(), Standing::UNKNOWN, as_of);
                }
            }
        }
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
        self.tick_circles();
        let left_out = self.sealing.unopened.left_out(self.uptime());
        for ((chain, sequence), id) in left_out {
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
        for (place, id) in self.sealing.unopened.of(None) {
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
        let (unopened, left_out) = self.sealing.unopened.count(channel);
        json!({
            "members": members,
            "unopened": unopened,
            "leftOut": left_out,
            "more": self.sealing.unopened.has_more(),
            "waiting": self.passed_over(Some(channel)),
        })
    }
}
