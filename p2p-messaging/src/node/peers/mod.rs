//! Peers that are connected: who they are, what they may read, how they behave.

mod accounts;
mod conduct;
mod promises;

use super::files::PeerRights;
use super::worker::Worker;
use crate::checking::Missing;
use crate::net::{Command, keys_topic_of, topic_of};
use crate::sync::{CharterHead, Hello, Request, Response, Visit};
use accounts::Accounts;
pub(super) use conduct::{FAULT, UNHELPFUL};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Class;
use gridpass_identity::did::Did;
use gridpass_identity::key::PublicKey;
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
pub(super) use promises::Denial;
use promises::Promises;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How long is waited for what a peer's visas rest on before the gate opens with what is known.
const JUDGE_MILLIS: u64 = 5_000;
/// How often a peer may say within a while that it is or reads something else: one is forgotten
/// every ten seconds.
const MAX_CHANGES: u8 = 200;

/// How far a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not said who it is.
    Stranger,
    /// It has, and what it may read is being found out.
    Judging,
    /// Its gate is open.
    Open,
}

/// A peer that is connected.
pub(super) struct Peer {
    key: PublicKey,
    stage: Stage,
    since: UnixMillis,
    hello: Option<Hello>,
    /// The channels that its gate was opened for.
    may: BTreeSet<ContentId>,
    /// How it behaves, beside what gossip itself sees.
    score: f64,
    missing: BTreeSet<Missing>,
    /// How often it is still asked again what it refused: it may be judging this node yet.
    again: u8,
    ask_again: bool,
    /// Whether its participant's authorisation of it holds.
    proven: bool,
    /// The channels that the authorisation is for; all, if it names none.
    only: Option<BTreeSet<ContentId>>,
    /// How often it said lately that it is or reads something else than before.
    changes: u8,
    /// Whether something that it passed on was admitted.
    useful: bool,
    promises: Promises,
    /// Whether it gave nothing when it was last compared with, or not what it said.
    barren: bool,
    /// The score that gossip was told last.
    told: f64,
    /// The sealed channels whose keys it hears of.
    hears: BTreeSet<ContentId>,
    /// From when on it may have what was said, in channels without a right to history.
    from: BTreeMap<ContentId, UnixMillis>,
}

/// Those that are connected.
#[derive(Default)]
pub(super) struct Peers {
    all: BTreeMap<PeerId, Peer>,
    blocked: BTreeMap<PeerId, UnixMillis>,
    /// Those with whom it ends when they have been told why.
    to_part: BTreeSet<PeerId>,
    /// Those that the operator shut out.
    pub(super) shut: BTreeSet<PeerId>,
    /// What their participants answer for.
    accounts: Accounts,
}

/// What an operator is shown of a peer.
pub(super) struct PeerInfo<'p> {
    pub stage: &'static str,
    pub agent: Option<&'p str>,
    pub may: &'p BTreeSet<ContentId>,
    pub score: f64,
}

impl Peers {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Those whose gate is open.
    pub(super) fn open(&self) -> impl Iterator<Item = PeerId> {
        self.all.iter().filter(|(_, p)| p.stage == Stage::Open).map(|(id, _)| *id)
    }

    pub(super) fn is_open(&self, peer: &PeerId) -> bool {
        self.all.get(peer).is_some_and(|p| p.stage == Stage::Open)
    }

    /// Whether it said who it is.
    pub(super) fn is_known(&self, peer: &PeerId) -> bool {
        self.all.get(peer).is_some_and(|p| p.stage != Stage::Stranger)
    }

    pub(super) fn info(&self, peer: &PeerId) -> Option<PeerInfo<'_>> {
        self.all.get(peer).map(|p| PeerInfo {
            stage: match p.stage {
                Stage::Stranger => "stranger",
                Stage::Judging => "being judged",
                Stage::Open => "open",
            },
            agent: p.hello.as_ref().map(|h| h.agent.as_str()),
            may: &p.may,
            score: p.score,
        })
    }

    /// Those whose gate is open, and who may read something here.
    pub(super) fn readers(&self) -> impl Iterator<Item = PeerId> {
        let reads = |p: &Peer| p.stage == Stage::Open && !p.may.is_empty();
        self.all.iter().filter(move |(_, p)| reads(p)).map(|(id, _)| *id)
    }

    /// Whether it is asked first when something may be missing: it may read something here, and gave
    /// what it said when it was asked last.
    pub(super) fn is_worth_asking(&self, peer: &PeerId) -> bool {
        let worth = |p: &Peer| p.stage == Stage::Open && !p.may.is_empty() && !p.barren;
        self.all.get(peer).is_some_and(worth)
    }

    /// What it said of its chains is what is known here, or came from it; or not.
    pub(super) fn gave(&mut self, peer: &PeerId, gave: bool) {
        if let Some(peer) = self.all.get_mut(peer) {
            peer.barren = !gave;
        }
    }

    /// Whether it is shown that it acts for the participant that it names.
    pub(super) fn is_proven(&self, peer: &PeerId) -> bool {
        self.all.get(peer).is_some_and(|p| p.proven)
    }

    /// It refused what it may give a moment later.
    pub(super) fn refused(&mut self, peer: &PeerId) {
        if let Some(peer) = self.all.get_mut(peer) {
            peer.ask_again = true;
        }
    }

    /// Whether it is somebody in a channel, and not a name that costs nothing: it may read there, or
    /// brought something that was admitted.
    fn is_somebody(&self, peer: &PeerId, channel: Option<&ContentId>) -> bool {
        let reads = |p: &Peer| match channel {
            Some(channel) => p.may.contains(channel),
            None => !p.may.is_empty(),
        };
        self.all.get(peer).is_some_and(|p| p.proven && (p.useful || reads(p)))
    }

    pub(super) fn hello(&self, peer: &PeerId) -> Option<&Hello> {
        self.all.get(peer).and_then(|p| p.hello.as_ref())
    }

    /// Whether its gate is open for a channel: from when on it may have it is known then too.
    pub(super) fn may(&self, peer: &PeerId, channel: &ContentId) -> bool {
        self.all.get(peer).is_some_and(|p| p.stage == Stage::Open && p.may.contains(channel))
    }

    /// From when on it may have what was said in a channel.
    pub(super) fn from(&self, peer: &PeerId, channel: &ContentId) -> UnixMillis {
        let from = self.all.get(peer).and_then(|p| p.from.get(channel));
        from.copied().unwrap_or_else(|| UnixMillis::new(0))
    }
}

impl Worker {
    pub(super) fn connected(&mut self, peer: PeerId, key: PublicKey) {
        let state = Peer {
            key,
            stage: Stage::Stranger,
            since: self.uptime(),
            hello: None,
            may: BTreeSet::new(),
            score: 0.0,
            missing: BTreeSet::new(),
            again: 8,
            ask_again: false,
            proven: false,
            only: None,
            changes: 0,
            useful: false,
            promises: Promises::default(),
            barren: false,
            told: 0.0,
            hears: BTreeSet::new(),
            from: BTreeMap::new(),
        };
        self.peers.all.insert(peer, state);
        // Gossip remembers what it was told when the peer was here before.
        self.tell(Command::Score { peer, score: 0.0 });
        let hello = Request::Hello(self.hello());
        self.question(peer, hello);
    }

    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.peers.all.remove(peer);
        self.note_rights(peer);
        if let Some(participant) = self.guests.participant(&peer.to_string()) {
            self.peers.accounts.leave(participant, peer);
        }
        self.guests.leave(&peer.to_string());
        self.forget_peer(peer);
    }

    /// Who this node is.
    pub(super) fn hello(&self) -> Hello {
        let material = &self.knowledge.material;
        let reads = |channel: &&ContentId| self.checker.policy(channel).is_some();
        let visits = material
            .presentations
            .iter()
            .filter(|(c, _)| reads(c))
            .map(|(c, p)| Visit { channel: c.clone(), presentation: p.id.clone() });
        let authorisation = material.authorisation.as_ref();
        Hello {
            agent: format!("gridpass/{}", env!("CARGO_PKG_VERSION")),
            participant: self.me.participant.clone(),
            authorisation: authorisation
                .filter(|_| self.me.participant != self.me.node)
                .map(|a| ByteBuf::from(a.text.as_bytes().to_vec())),
            visits: visits.take(crate::sync::MAX_VISITS).collect(),
            charter: Some(CharterHead {
                framework: self.framework(),
                version: self.knowledge.trust.charter().charter().version,
            }),
        }
    }

    /// Tells everybody again who this node is: it reads more than before.
    pub(super) fn greet_again(&mut self) {
        let peers: Vec<_> = self.peers.all.keys().copied().collect();
        for peer in peers {
            let hello = Request::Hello(self.hello());
            self.question(peer, hello);
        }
    }

    /// A peer said who it is, as a question or as an answer.
    ///
    /// # Errors
    /// The code of the reason why it is nobody.
    pub(super) fn greeted(&mut self, peer: PeerId, hello: Hello) -> Result<(), &'static str> {
        let Some(state) = self.peers.all.get_mut(&peer) else {
            return Err(crate::codes::SYNC_STRANGER.id());
        };
        if state.hello.as_ref() == Some(&hello) {
            return Ok(());
        }
        // Each is judged anew, which costs more than saying it.
        state.changes = state.changes.saturating_add(1);
        if state.changes > MAX_CHANGES {
            self.charge(peer, conduct::RESTLESS);
            return Err(crate::codes::SYNC_BUSY.id());
        }
        let arrived = &mut self.knowledge.arrived;
        let mut keep = |bytes: &[u8]| {
            if let Ok(id) = ContentId::of_bytes(bytes) {
                arrived.insert(id, bytes.to_vec());
            }
        };
        let name = peer.to_string();
        if let Err(code) = self.guests.hello(&name, &state.key, &hello, &mut keep) {
            tracing::info!(%peer, %code, "a peer is not who it says");
            self.peers.to_part.insert(peer);
            return Err(code.id());
        }
        if state.stage == Stage::Stranger {
            state.stage = Stage::Judging;
            state.since = super::worker::uptime(self.began);
        }
        tracing::info!(%peer, participant = %hello.participant, "a peer said who it is");
        let charter = hello.charter.clone();
        state.only = super::standing::authorisation_of(&hello)
            .and_then(|a| a.channels)
            .map(|channels| channels.into_iter().collect());
        state.hello = Some(hello);
        self.judge(peer);
        if let Some(head) = charter.filter(|h| h.framework == self.framework())
            && head.version > self.knowledge.trust.charter().charter().version
        {
            self.question(peer, Request::Charter(head.framework));
        }
        Ok(())
    }

    /// The participant that a peer is shown to act for.
    pub(super) fn proven(&self, peer: &PeerId) -> Option<&Did> {
        let proven = self.peers.is_proven(peer);
        self.guests.participant(&peer.to_string()).filter(|_| proven)
    }

    /// The same, where it may act for it in this channel.
    pub(super) fn speaks_for(&self, peer: &PeerId, channel: &ContentId) -> Option<&Did> {
        let only = self.peers.all.get(peer)?.only.as_ref();
        self.proven(peer).filter(|_| only.is_none_or(|only| only.contains(channel)))
    }

    /// As whom a peer is known in a channel, where it is somebody there: whose room it shares.
    pub(super) fn known_as(&self, peer: &PeerId, channel: &ContentId) -> Option<String> {
        let known = self.peers.is_somebody(peer, Some(channel));
        self.proven(peer).filter(|_| known).map(ToString::to_string)
    }

    /// Whether a peer is nobody so far, in any channel.
    pub(super) fn is_stranger(&self, peer: &PeerId) -> bool {
        !self.peers.is_somebody(peer, None)
    }

    /// Finds out what a peer may read, and opens its gate where that is known.
    pub(super) fn judge(&mut self, peer: PeerId) {
        self.find_out(peer);
        self.note_rights(&peer);
    }

    /// What was found out counts for blocks of files from now on.
    fn note_rights(&self, peer: &PeerId) {
        let rights = self.peers.all.get(peer).map(|state| {
            let may = state.may.iter().filter(|_| state.stage == Stage::Open);
            PeerRights {
                participant: self.proven(peer).cloned(),
                only: state.only.clone(),
                may: may.map(|c| (c.clone(), self.peers.from(peer, c))).collect(),
            }
        });
        self.files.rights.set(*peer, rights);
    }

    fn find_out(&mut self, peer: PeerId) {
        let (now, uptime, name) = (self.now(), self.uptime(), peer.to_string());
        let mut welcome = self.guests.judge(&name, &mut self.checker, &self.knowledge, now);
        if let Some(participant) = self.guests.participant(&name).filter(|p| self.is_unknown(p)) {
            welcome.asks.insert(Missing::Did(participant.clone()));
        } else if let Some(participant) = self.guests.participant(&name)
            && welcome.refused.values().any(|c| c.class() == Class::Indeterminate)
        {
            welcome.asks.insert(Missing::Evidence(participant.clone()));
        }
        welcome.asks.extend(self.checker.take_unknown().into_iter().map(Missing::Did));
        let (proven, missing) = self.proof_of(&peer);
        welcome.asks.extend(missing);
        let channels = self.knowledge.material.channels.keys();
        let may: BTreeSet<ContentId> =
            channels.filter(|c| self.guests.right(&name, c).is_some()).cloned().collect();
        if !self.account_for(peer, proven) {
            return;
        }
        let Some(state) = self.peers.all.get_mut(&peer) else { return };
        state.missing = welcome.asks.clone();
        for (channel, code) in &welcome.refused {
            tracing::debug!(%peer, %channel, %code, "it may not read");
        }
        match state.stage {
            Stage::Stranger => {}
            Stage::Judging => {
                let waited = uptime.millis_since(state.since) >= JUDGE_MILLIS;
                if welcome.asks.is_empty() || waited {
                    self.open(peer, may);
                }
            }
            // It is given nothing of it from now on, whatever else is missing. Gossip takes no
            // subscription back: it ends with the connection, and should that not end, the gate ends it.
            Stage::Open if !state.may.is_subset(&may) => {
                tracing::info!(%peer, "a peer may not read any more what it did");
                state.may.retain(|channel| may.contains(channel));
                let left = state.may.clone();
                self.tell(Command::Part(peer));
                self.open_topics(peer, &left);
            }
            Stage::Open if state.may != may => {
                self.open_topics(peer, &may);
                let from = self.history(&peer, &may);
                if let Some(state) = self.peers.all.get_mut(&peer) {
                    state.may = may;
                    state.from = from;
                }
                // What was said before it might have it was not sent to it, and refused where it asked.
                self.say_that_it_is_behind(peer);
            }
            Stage::Open => {}
        }
        for missing in welcome.asks {
            self.ask(missing, Some(peer));
        }
        self.let_hear(peer);
    }

    /// Who takes part in more sealed channels than before hears of their keys.
    fn let_hear(&mut self, peer: PeerId) {
        let hears: BTreeSet<ContentId> = self.sealed_visits(&peer).into_iter().collect();
        let Some(state) = self.peers.all.get_mut(&peer).filter(|p| p.stage == Stage::Open) else {
            return;
        };
        if state.hears == hears {
            return;
        }
        state.hears = hears;
        let may = state.may.clone();
        self.open_topics(peer, &may);
        self.say_memberships(&peer);
    }

    fn open(&mut self, peer: PeerId, may: BTreeSet<ContentId>) {
        self.open_topics(peer, &may);
        let from = self.history(&peer, &may);
        if let Some(state) = self.peers.all.get_mut(&peer) {
            state.stage = Stage::Open;
            state.may = may;
            state.from = from;
        }
        self.catch_up_with(peer);
        self.hand_over_receipts(peer);
        self.ask_what_was_invited_to(peer);
        self.compile_schemas(Some(peer));
    }

    /// In sealed channels, whoever comes is told who may read.
    fn say_memberships(&mut self, peer: &PeerId) {
        for channel in self.sealed_visits(peer) {
            self.say_membership(&channel);
        }
    }

    /// The sealed channels in which a peer takes part, to read or to send: it hears who is handed keys.
    fn sealed_visits(&self, peer: &PeerId) -> Vec<ContentId> {
        let visits = self.peers.hello(peer).filter(|_| self.peers.is_proven(peer));
        let visits = visits.iter().flat_map(|h| &h.visits).map(|v| &v.channel);
        visits.filter(|c| self.seals(c)).cloned().collect()
    }

    fn open_topics(&self, peer: PeerId, may: &BTreeSet<ContentId>) {
        let framework = self.framework();
        let mut topics: HashSet<_> = may.iter().map(topic_of).collect();
        topics.extend(self.sealed_visits(&peer).iter().map(keys_topic_of));
        let mut expected = topics.clone();
        topics.insert(topic_of(&framework));
        let charter = self.peers.hello(&peer).and_then(|h| h.charter.as_ref());
        if charter.is_some_and(|head| head.framework == framework) {
            expected.insert(topic_of(&framework));
        }
        self.tell(Command::Open { peer, topics, expected });
    }

    /// Everybody is judged again: something changed that visas rest on, or time went by.
    pub(super) fn rejudge(&mut self) {
        self.judge_self();
        let peers: Vec<_> = self.peers.all.keys().copied().collect();
        for peer in peers {
            if self.peers.is_known(&peer) {
                self.judge(peer);
            }
        }
    }

    /// Something came that a peer's judgement may have waited for.
    pub(super) fn judge_those_waiting_for(&mut self, what: &Missing) {
        let waits = |p: &Peer| p.missing.contains(what);
        let peers: Vec<_> =
            self.peers.all.iter().filter(|(_, p)| waits(p)).map(|(id, _)| *id).collect();
        for peer in peers {
            self.judge(peer);
        }
    }

    pub(super) fn answer_hello(&mut self, peer: PeerId, hello: Hello) -> Response {
        match self.greeted(peer, hello) {
            Ok(()) => Response::Hello(self.hello()),
            Err(code) => Response::Refused(code.to_owned()),
        }
    }
}
