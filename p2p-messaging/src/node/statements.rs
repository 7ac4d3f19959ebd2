//! What nodes say to each other in a sealed channel: that they may read, and which keys they are given.

use super::crowding::{Full, room};
use super::grants::Grants;
use super::peers::FAULT;
use super::worker::Worker;
use crate::checking::{Known as _, Missing, Right};
use crate::net::{Command, keys_topic_of};
use crate::sealing::{
    AsOf, MAX_LACKS, Member, Membership, SELDOM_MILLIS, SignedStatement, Statement,
};
use crate::store::Entry;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Class;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use hashlink::LruCache;
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};

/// How far the time of a statement may be off, in milliseconds.
const FRESH_MILLIS: u64 = 10 * 60 * 1000;
/// How soon a node says again that it may read, in milliseconds; each time half as soon, up to every
/// [`SELDOM_MILLIS`].
const AGAIN_MILLIS: u64 = 5_000;
/// How often at most it says so, in milliseconds: peers do not pass on more.
const PAUSE_MILLIS: u64 = 2_000;
/// How long a statement waits for what its signer's right rests on.
const WAITING_MILLIS: u64 = 30_000;
/// The most nodes whose last statement is remembered.
const MAX_HEARD: usize = 8192;
/// How long somebody's statements to somebody are apart, in milliseconds, but for so many at once.
const APART_MILLIS: u64 = 1_000;
const MAX_AT_ONCE: u32 = 16;

struct Waiting {
    peer: PeerId,
    id: MessageId,
    said: Membership,
    since: UnixMillis,
    /// Who is known to have passed it on, where that is somebody.
    known_as: Option<String>,
    missing: BTreeSet<Missing>,
}

impl Waiting {
    /// Whose room it takes.
    fn holder(&self) -> (bool, String) {
        self.known_as.clone().map_or_else(|| (false, self.peer.to_string()), |name| (true, name))
    }
}

/// What a membership comes to.
enum Found {
    Decided(MessageAcceptance),
    /// It cannot be said without these.
    Lacks(BTreeSet<Missing>),
}

/// What was heard last.
struct Heard {
    issued: UnixMillis,
    /// When the first of those came that came at once, and how many.
    at: UnixMillis,
    at_once: u32,
}

/// Statements that were made, heard, and wait.
pub(super) struct Statements {
    /// When this node last said that it may read, and how often since something happened.
    said: BTreeMap<ContentId, (UnixMillis, u32)>,
    /// Channels in which it is to say so as soon as it may.
    due: BTreeSet<ContentId>,
    heard: LruCache<(ContentId, Did, Did), Heard>,
    pub(super) grants: Grants,
    waiting: Vec<Waiting>,
    /// Something came that they may have waited for.
    again: bool,
}

impl Statements {
    /// What was handed over may not have been kept.
    pub(super) fn forget_what_was_handed(&mut self) {
        self.grants.forget_what_was_handed();
    }
}

impl Default for Statements {
    fn default() -> Self {
        Self {
            said: BTreeMap::new(),
            due: BTreeSet::new(),
            heard: LruCache::new(MAX_HEARD),
            grants: Grants::default(),
            waiting: Vec::new(),
            again: false,
        }
    }
}

impl Worker {
    /// Says that this node may read, soon and then again: somebody came, or something is lacked.
    pub(super) fn say_membership(&mut self, channel: &ContentId) {
        if self.seals(channel) {
            let statements = &mut self.sealing.statements;
            statements.due.insert(channel.clone());
            if let Some((_, times)) = statements.said.get_mut(channel) {
                *times = 0;
            }
        }
    }

    /// Says nothing more in a channel that was left.
    pub(super) fn leave_circle(&mut self, channel: &ContentId) {
        self.sealing.statements.said.remove(channel);
        self.sealing.statements.due.remove(channel);
        self.sealing.circles.remove(channel);
    }

    /// As what this node asks to read a channel.
    fn own_membership(&self, channel: &ContentId) -> Option<Member> {
        let presentation = self.knowledge.material.presentations.get(channel)?.id.clone();
        let authorisation = self.knowledge.material.authorisation.as_ref();
        Some(Member {
            node: self.me.node.clone(),
            participant: self.me.participant.clone(),
            authorisation: authorisation
                .filter(|_| self.me.participant != self.me.node)
                .map(|a| a.id.clone()),
            presentation,
        })
    }

    pub(super) fn tick_statements(&mut self) {
        let (now, clock) = (self.uptime(), self.now());
        let statements = &mut self.sealing.statements;
        for (channel, (at, times)) in &statements.said {
            let pause = AGAIN_MILLIS.saturating_mul(1_u64.checked_shl(*times).unwrap_or(u64::MAX));
            if now.millis_since(*at) >= pause.min(SELDOM_MILLIS) {
                statements.due.insert(channel.clone());
            }
        }
        let soon = |c: &ContentId| {
            statements.said.get(c).is_none_or(|(at, _)| now.millis_since(*at) >= PAUSE_MILLIS)
        };
        let due: Vec<_> = statements.due.iter().filter(|c| soon(c)).cloned().collect();
        for channel in due {
            let Some(member) = self.own_membership(&channel) else { continue };
            let speaker = member.speaker(&channel);
            let (right, found) = self.checker.may_have(&speaker, &self.knowledge, clock);
            if right != Some(Right::Read) {
                // Who only sends has nothing to open; what is not known yet is asked again.
                if found.code.class() != Class::Indeterminate {
                    self.sealing.statements.due.remove(&channel);
                }
                continue;
            }
            self.sealing.statements.due.remove(&channel);
            let lacks = self.lacks(&channel, MAX_LACKS);
            let said = &mut self.sealing.statements.said;
            let times = said.get(&channel).map_or(0, |(_, times)| times.saturating_add(1));
            said.insert(channel.clone(), (now, times));
            let said = Membership { channel: channel.clone(), member, issued: clock, lacks };
            self.state(&Statement::Membership(said));
        }
        let waiting = std::mem::take(&mut self.sealing.statements.waiting);
        let (over, waits): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|w| now.millis_since(w.since) > WAITING_MILLIS);
        self.sealing.statements.waiting = waits;
        for waiting in over {
            self.report(waiting.id, waiting.peer, MessageAcceptance::Ignore);
        }
    }

    /// Says it to everybody. Gives how many bytes that took.
    pub(super) fn state(&self, statement: &Statement) -> usize {
        match statement.sign(&self.me.key, &self.me.key_id) {
            Ok(text) => {
                let (topic, bytes) = (keys_topic_of(statement.channel()), text.len());
                self.tell(Command::Publish {
                    topic,
                    data: text.into_bytes(),
                    envelopes: Vec::new(),
                });
                bytes
            }
            Err(e) => {
                tracing::error!("not stated: {e}");
                0
            }
        }
    }

    /// A statement came by the gossip about a channel's keys.
    pub(super) fn stated(&mut self, peer: PeerId, id: MessageId, channel: &ContentId, data: &[u8]) {
        let acceptance = match SignedStatement::parse(data) {
            Ok(signed) if signed.statement().channel() == channel => {
                let (issued, now) = (signed.statement().issued(), self.now());
                let off = now.millis_since(issued).max(issued.millis_since(now));
                match signed.statement() {
                    _ if off > FRESH_MILLIS || !self.seals(channel) => MessageAcceptance::Ignore,
                    Statement::Membership(said) => match self.membership(said) {
                        Found::Decided(acceptance) => acceptance,
                        Found::Lacks(missing) => {
                            let (said, since) = (said.clone(), self.uptime());
                            let known_as = self.known_as(&peer, channel);
                            self.wait_for(Waiting { peer, id, said, since, known_as, missing });
                            return;
                        }
                    },
                    Statement::Grant(grant, issued) => {
                        let (from, to) = (grant.chain.key.did(), &grant.to);
                        // Nobody is handed keys by somebody of whom nothing is known here.
                        let known = self.knowledge.head(&grant.chain).is_some();
                        if !known || !self.is_news(channel, from, to, *issued) {
                            MessageAcceptance::Ignore
                        } else {
                            if grant.to == self.me.node {
                                self.granted(signed.statement(), data);
                            }
                            MessageAcceptance::Accept
                        }
                    }
                }
            }
            // Its signature is by the key that it names: everybody sees that it does not fit.
            Ok(_) | Err(_) => {
                self.charge(peer, FAULT);
                MessageAcceptance::Reject
            }
        };
        self.report(id, peer, acceptance);
    }

    /// Whether somebody said nothing later to somebody, and not just now either.
    fn is_news(&mut self, channel: &ContentId, from: &Did, to: &Did, issued: UnixMillis) -> bool {
        let place = (channel.clone(), from.clone(), to.clone());
        let now = self.uptime();
        let heard = &mut self.sealing.statements.heard;
        let Some(last) = heard.get_mut(&place) else {
            heard.insert(place, Heard { issued, at: now, at_once: 1 });
            return true;
        };
        if issued <= last.issued {
            return false;
        }
        if now.millis_since(last.at) >= APART_MILLIS {
            (last.at, last.at_once) = (now, 0);
        }
        last.at_once = last.at_once.saturating_add(1);
        last.issued = issued;
        last.at_once <= MAX_AT_ONCE
    }

    /// Holds a membership until what it waits for comes, where there is room, and asks for that.
    fn wait_for(&mut self, new: Waiting) {
        let waiting = &mut self.sealing.statements.waiting;
        let holders: Vec<_> = waiting.iter().map(Waiting::holder).collect();
        let gone = match room(&holders, &new.holder()) {
            Ok(gone) => gone.filter(|index| *index < waiting.len()).map(|i| waiting.remove(i)),
            Err(Full) => {
                self.report(new.id, new.peer, MessageAcceptance::Ignore);
                return;
            }
        };
        let (peer, missing) = (new.peer, new.missing.clone());
        let participant = new.said.member.participant.clone();
        // It waits before it is asked for: that nobody has it may be found out at once.
        waiting.push(new);
        if let Some(gone) = gone {
            self.report(gone.id, gone.peer, MessageAcceptance::Ignore);
        }
        for missing in missing {
            self.ask_who_passed_on_membership(missing, peer, &participant);
        }
    }

    /// Nobody who was asked has it: what waits for it leaves its room to others. It is said again.
    pub(super) fn statements_lack(&mut self, missing: &Missing) {
        self.give_up_statements(|waiting| waiting.missing.contains(missing));
    }

    /// A peer is gone: so is what it passed on as a stranger, and waits.
    pub(super) fn statements_forget(&mut self, peer: &PeerId) {
        self.give_up_statements(|waiting| waiting.peer == *peer && waiting.known_as.is_none());
    }

    fn give_up_statements(&mut self, which: impl Fn(&Waiting) -> bool) {
        let waiting = std::mem::take(&mut self.sealing.statements.waiting);
        let (gone, waits): (Vec<_>, Vec<_>) = waiting.into_iter().partition(which);
        self.sealing.statements.waiting = waits;
        for waiting in gone {
            self.report(waiting.id, waiting.peer, MessageAcceptance::Ignore);
        }
    }

    /// Somebody says that it may read: what comes of that, or what is missing to say.
    fn membership(&mut self, said: &Membership) -> Found {
        let (channel, member, now) = (&said.channel, &said.member, self.now());
        if member.node == self.me.node {
            return Found::Decided(MessageAcceptance::Accept);
        }
        let named = [Some(&member.presentation), member.authorisation.as_ref()];
        let missing: BTreeSet<_> = named
            .into_iter()
            .flatten()
            .filter(|id| self.knowledge.document(id).is_none())
            .map(|id| Missing::Document(id.clone()))
            .collect();
        if !missing.is_empty() {
            return Found::Lacks(missing);
        }
        let (right, found) = self.checker.may_have(&member.speaker(channel), &self.knowledge, now);
        if right.is_none() && found.code.class() == Class::Indeterminate {
            let evidence = Missing::Evidence(member.participant.clone());
            let unknown = self.checker.take_unknown().into_iter().map(Missing::Did);
            return Found::Lacks(unknown.chain([evidence]).collect());
        }
        let to = member.node.clone();
        if !self.is_news(channel, &member.node, &to, said.issued) {
            return Found::Decided(MessageAcceptance::Ignore);
        }
        let as_of = AsOf { changes: self.checker.changes(), now };
        let found = self.checker.may_be_handed(channel, member, &self.knowledge, now);
        let circle = self.sealing.circles.entry(channel.clone()).or_default();
        let news = circle.heard(member.clone(), found, as_of);
        let has_place = circle.knows(&member.node);
        if !found.may {
            return Found::Decided(MessageAcceptance::Ignore);
        }
        if !has_place {
            // Others may have room for it. Here it is handed nothing: an epoch ends when somebody was who is
            // not in the circle.
            tracing::debug!(%channel, node = %member.node, "its participant has too many nodes");
            return Found::Decided(MessageAcceptance::Accept);
        }
        tracing::debug!(%channel, node = %member.node, "may be handed keys");
        // It is judged by them again and again, also after a restart of others.
        for id in [Some(&member.presentation), member.authorisation.as_ref()].into_iter().flatten()
        {
            if !self.knowledge.store.has_document(id)
                && let Some(bytes) = self.knowledge.document(id)
            {
                self.stage(Entry::Document(ByteBuf::from(bytes)));
            }
        }
        self.grant(channel, member, Some(&said.lacks).filter(|_| !news));
        Found::Decided(MessageAcceptance::Accept)
    }

    /// Something came that statements may have waited for.
    pub(super) fn statements_may_go_on(&mut self) {
        self.sealing.statements.again = true;
    }

    /// Looks again at the statements that wait, once for all that came.
    pub(super) fn state_again(&mut self) {
        if !std::mem::take(&mut self.sealing.statements.again) {
            return;
        }
        for mut waiting in std::mem::take(&mut self.sealing.statements.waiting) {
            match self.membership(&waiting.said) {
                Found::Decided(acceptance) => self.report(waiting.id, waiting.peer, acceptance),
                Found::Lacks(missing) => {
                    let asks: Vec<_> = missing.difference(&waiting.missing).cloned().collect();
                    let (peer, who) = (waiting.peer, waiting.said.member.participant.clone());
                    waiting.missing = missing;
                    self.sealing.statements.waiting.push(waiting);
                    for missing in asks {
                        self.ask_who_passed_on_membership(missing, peer, &who);
                    }
                }
            }
        }
    }
}
