//! The thread that checks and keeps: it owns the checking core, the store and what the node knows.
//!
//! Tasks are taken in groups. What a group accepted becomes durable together, and only then is
//! anything acknowledged: the answer to whoever sent it, the receipt, the listener. While one group
//! is on its way to the disk, the next is checked.

use super::beginnings::Beginnings;
use super::behind::Behind;
use super::catch_up::Ranges;
use super::clock::Pace;
use super::control::{Asked, ControlResult};
use super::descriptors::NotSigned;
use super::disk::Disk;
use super::fates::Fate;
use super::fetch::Fetches;
use super::files::Files;
use super::forgetting::{Believed, Room};
use super::forks::Proofs;
use super::group::After;
use super::heads::Newest;
use super::invitations::Invitations;
use super::knowledge::Knowledge;
use super::metrics::Metrics;
use super::own_rights::Told;
use super::peers::Peers;
use super::publishing::Came;
use super::receipts::Receipts;
use super::sealing::Sealing;
use super::shelf::Shelf;
use super::silence::Hearing;
use super::typed::AskError;
use super::unreported::Unreported;
use super::{Me, NodeSettings};
use crate::checking::{Chain, Checker, Verdict};
use crate::exchange::Exchange;
use crate::net::{Command, NetEvent};
use crate::sync::Guests;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::time::UnixMillis;
use hashlink::LruCache;
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// The most tasks that become durable together, and about as many entries.
const GROUP: usize = 512;
/// How many of the own messages are remembered as handed to the network.
const MAX_HANDED: usize = 65_536;

/// What the worker does next.
#[derive(Debug)]
pub(crate) enum Task {
    /// Something came from the network.
    Net(Box<NetEvent>),
    /// An operator asks.
    Control(Box<Asked>, oneshot::Sender<ControlResult>),
    /// A block came that was asked for, or did not.
    Came(Box<Came>),
    /// A little time went by.
    Tick,
    /// Much time went by, as a test has it.
    Hurry(Duration),
    /// The disk of the index fails, as a test has it.
    Fail,
    /// Make durable what is there, and end.
    Stop(Ending),
}

/// Who told a node to end.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Told when it has.
    pub(crate) done: oneshot::Sender<()>,
    /// Over when whoever asked has its answer: until then the process should stay.
    pub(crate) answered: oneshot::Receiver<()>,
}

impl From<NetEvent> for Task {
    fn from(event: NetEvent) -> Self {
        Self::Net(Box::new(event))
    }
}

/// How long ago that was.
pub(super) fn uptime(since: Instant) -> UnixMillis {
    UnixMillis::new(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
}

pub(crate) struct Worker {
    pub(super) me: Me,
    pub(super) settings: NodeSettings,
    pub(super) clock: fn() -> UnixMillis,
    pub(super) checker: Checker,
    pub(super) guests: Guests,
    pub(super) knowledge: Knowledge,
    pub(super) net: mpsc::Sender<Command>,
    pub(super) exchange: Exchange,
    /// What anybody may have by its CID.
    pub(super) shelf: Arc<Shelf>,
    /// What those may have who may read the messages that refer to it.
    pub(super) files: Arc<Files>,
    /// Own tasks to come.
    pub(super) tasks: mpsc::WeakSender<Task>,
    /// Published documents that are being fetched, and who told of them.
    pub(super) fetching: Vec<(PeerId, ContentId)>,
    pub(super) peers: Peers,
    pub(super) fetches: Fetches,
    pub(super) receipts: Receipts,
    pub(super) ranges: Ranges,
    pub(super) behind: Behind,
    pub(super) newest_given: Newest,
    pub(super) proofs: Proofs,
    pub(super) beginnings: Beginnings,
    /// Those who invited this node, and to what.
    pub(super) invitations: Invitations,
    /// Schemas of channels that are not compiled yet: some of their documents are missing.
    pub(super) unready: BTreeSet<(ContentId, ContentId)>,
    /// Channels whose descriptors do not count: that their owners signed them is not so, or cannot be said.
    pub(super) unsigned: BTreeMap<ContentId, NotSigned>,
    pub(super) unreported: Unreported,
    pub(super) after: Vec<After>,
    pub(super) disk: Disk,
    /// What waits for the group that is on its way to the disk.
    pub(super) under_way: Option<Vec<After>>,
    /// What this group keeps that others are to be told of.
    pub(super) to_confirm: BTreeMap<Chain, BTreeMap<u64, (EnvelopeId, Fate)>>,
    pub(super) sealing: Sealing,
    pub(super) hearing: Hearing,
    /// What the log says of this node's own rights.
    pub(super) told: Told,
    pub(super) handed: LruCache<EnvelopeId, ()>,
    pub(super) newest: watch::Sender<u64>,
    /// Told when something happened that nobody here asked for: whoever waits looks again.
    pub(super) happened: watch::Sender<()>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) listening: Vec<Multiaddr>,
    pub(super) started: UnixMillis,
    pub(super) pace: Pace,
    pub(super) began: Instant,
    pub(super) damage: Vec<String>,
    pub(super) ticks: u64,
    /// From which file of the log on old payloads and keys are to be forgotten; nothing where all was
    /// looked at.
    pub(super) forgetting: Option<u64>,
    pub(super) believed: Believed,
    /// What is left of the disk, when that was looked at last.
    pub(super) room: Room,
    /// Whether the log has so many files that none is closed before it is full, and one should be.
    pub(super) many_files: bool,
}

/// Where a worker stands, that it is built from.
pub(super) struct Parts {
    pub me: Me,
    pub settings: NodeSettings,
    pub clock: fn() -> UnixMillis,
    pub checker: Checker,
    pub knowledge: Knowledge,
    pub net: mpsc::Sender<Command>,
    pub exchange: Exchange,
    pub shelf: Arc<Shelf>,
    pub files: Arc<Files>,
    pub tasks: mpsc::WeakSender<Task>,
    pub newest: watch::Sender<u64>,
    pub happened: watch::Sender<()>,
    pub metrics: Arc<Metrics>,
    pub damage: Vec<String>,
    pub invitations: Invitations,
    pub disk: Disk,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        let now = (parts.clock)();
        let believed = Believed::since(parts.knowledge.store.logged_before());
        Self {
            me: parts.me,
            settings: parts.settings,
            clock: parts.clock,
            checker: parts.checker,
            guests: Guests::default(),
            knowledge: parts.knowledge,
            net: parts.net,
            exchange: parts.exchange,
            shelf: parts.shelf,
            files: parts.files,
            tasks: parts.tasks,
            fetching: Vec::new(),
            peers: Peers::default(),
            fetches: Fetches::default(),
            receipts: Receipts::default(),
            ranges: Ranges::default(),
            behind: Behind::default(),
            newest_given: Newest::default(),
            proofs: Proofs::default(),
            beginnings: Beginnings::default(),
            invitations: parts.invitations,
            unready: BTreeSet::new(),
            unsigned: BTreeMap::new(),
            unreported: Unreported::default(),
            after: Vec::new(),
            disk: parts.disk,
            under_way: None,
            to_confirm: BTreeMap::new(),
            sealing: Sealing::default(),
            hearing: Hearing::default(),
            told: Told::default(),
            handed: LruCache::new(MAX_HANDED),
            newest: parts.newest,
            happened: parts.happened,
            metrics: parts.metrics,
            listening: Vec::new(),
            started: now,
            pace: Pace::since(now),
            began: Instant::now(),
            damage: parts.damage,
            ticks: 0,
            forgetting: None,
            believed,
            room: Room::Enough,
            many_files: false,
        }
    }

    pub(super) fn now(&self) -> UnixMillis {
        (self.clock)()
    }

    /// How long it has been running: what is waited for is measured by this, since a clock can be
    /// set back.
    pub(super) fn uptime(&self) -> UnixMillis {
        uptime(self.began)
    }

    /// Works until it is told to stop, nobody can tell it anything any more, or its store failed so that it has to be
    /// opened again. Gives who waits until it has ended.
    pub(crate) fn run(&mut self, mut tasks: mpsc::Receiver<Task>) -> Option<Ending> {
        while let Some(first) = self.next(&mut tasks) {
            // An answer makes nobody ask again, or two who wait would ask for ever.
            let asked = |task: &Task| matches!(task, Task::Control(..));
            let mut only_asked = asked(&first);
            let mut stop = self.take(first);
            // What else is there already becomes durable with it.
            let mut taken = 1_usize;
            while stop.is_none()
                && taken < GROUP
                && self.knowledge.store.staged() < GROUP
                && let Ok(task) = tasks.try_recv()
            {
                only_asked &= asked(&task);
                stop = self.take(task);
                taken = taken.saturating_add(1);
            }
            self.commit();
            if !only_asked {
                self.happened.send_replace(());
            }
            if stop.is_some() || self.knowledge.store.failure().is_some() {
                let _ = self.finish();
                return stop;
            }
        }
        None
    }

    /// Why it ended by itself, if it did. Its index is made anew at the next start, where that is why.
    pub(crate) fn failure(&self) -> Option<AskError> {
        let why = self.knowledge.store.failure()?;
        self.knowledge.store.mark_failed();
        let sentence = format!("the node ended, since its disk failed: {why}");
        tracing::error!(code = %why.code(), "{sentence}");
        Some(AskError::from((why.code(), sentence)))
    }

    /// The next task. Where there is none yet, what is on its way to the disk comes first.
    fn next(&mut self, tasks: &mut mpsc::Receiver<Task>) -> Option<Task> {
        if let Ok(task) = tasks.try_recv() {
            return Some(task);
        }
        let _ = self.finish();
        // Who is waiting for an answer is not to wait for a node that can give none.
        match self.knowledge.store.failure() {
            Some(_) => None,
            None => tasks.blocking_recv(),
        }
    }

    fn take(&mut self, task: Task) -> Option<Ending> {
        match task {
            Task::Net(event) => self.take_event(*event),
            Task::Control(asked, reply) => self.control(*asked, reply),
            Task::Came(came) => self.block_came(*came),
            Task::Tick => self.tick(),
            Task::Hurry(by) => self.began = self.began.checked_sub(by).unwrap_or(self.began),
            Task::Fail => self.knowledge.store.fail(),
            Task::Stop(ending) => return Some(ending),
        }
        None
    }

    /// Tells the network. It always takes commands up soon: it waits for nobody.
    pub(super) fn tell(&self, command: Command) {
        if self.net.blocking_send(command).is_err() {
            tracing::debug!("the network has ended");
        }
    }

    fn take_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Listening(address) => {
                if !self.listening.contains(&address) {
                    tracing::info!(%address, "listening");
                    self.listening.push(address);
                }
            }
            NetEvent::NotListening(address) => {
                tracing::info!(%address, "not listening any more");
                self.listening.retain(|a| *a != address);
            }
            NetEvent::Connected { peer, key } => self.connected(peer, key),
            NetEvent::Disconnected(peer) => self.disconnected(&peer),
            NetEvent::Lags(peer) => self.say_that_it_is_behind(peer),
            NetEvent::LeftOut(peer) => self.compare_soon(peer),
            NetEvent::Gossip { peer, id, topic, data, ticket } => {
                self.gossip(peer, id, &topic, &data, ticket);
            }
            NetEvent::Misbehaved { peer, why } => {
                tracing::warn!(%peer, "{why}");
                self.charge(peer, super::peers::FAULT);
            }
            NetEvent::Asked { peer, request, reply } => self.asked(peer, *request, reply),
            NetEvent::Answered { peer, tag, result } => self.answered(peer, tag, result),
            NetEvent::Published { envelopes, result: Ok(()) } => {
                for envelope in envelopes {
                    self.handed.insert(envelope, ());
                }
            }
            NetEvent::Published { envelopes, result: Err(why) } => {
                tracing::debug!(?envelopes, "not sent by gossip: {why}");
            }
        }
    }

    /// The framework that everybody here belongs to: its first charter.
    pub(super) fn framework(&self) -> ContentId {
        let history = self.knowledge.trust.history();
        history.first().map_or_else(ContentId::of_nothing, |c| c.id().clone())
    }

    fn tick(&mut self) {
        let (now, uptime) = (self.now(), self.uptime());
        self.ticks = self.ticks.saturating_add(1);
        for id in self.checker.give_up(now) {
            self.report_decided(&id, Verdict::Ignore);
        }
        self.pace.tick(now, uptime);
        if let Some(before) = self.ranges.looked.clock_moved(now, uptime) {
            tracing::warn!(%now, %before, "the clock was moved: what was left aside is asked for again");
            self.believed.clock_moved(before, uptime);
        }
        self.choose_presentations();
        self.tick_unreported();
        self.tick_peers(uptime);
        self.tick_behind();
        self.tick_fetches(uptime);
        self.tick_receipts();
        self.tick_sealing();
        self.tick_hearing();
        self.tick_own_rights();
        self.send_parked();
        // Catching up every ten seconds.
        if self.ticks.checked_rem(self.settings.catch_up_seconds.max(1)) == Some(0) {
            self.join_if_signed_now();
            self.ask_for_owners(None);
            // What came too early to be judged was not kept.
            for peer in self.peers.open().collect::<Vec<_>>() {
                self.ask_what_was_invited_to(peer);
            }
            self.rejudge();
            self.catch_up_with_somebody();
        }
        self.tick_forgetting(now, uptime);
        self.metrics.verified(self.checker.verified());
        self.metrics.state(self.checker.waiting(), self.peers.len());
        self.metrics.logged(self.knowledge.store.bytes());
    }
}
