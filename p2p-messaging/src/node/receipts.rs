//! Receipts on their way: signed in batches, kept, handed to the sender, and those of others taken.

use super::fates::{Fate, Fated, batches};
use super::fetch::Question;
use super::owed::Owed;
use super::worker::Worker;
use crate::checking::{Chain, Known as _, Missing, Right};
use crate::net::{Command, peer_of};
use crate::receipt::{
    CLOCKS_DIFFER_MILLIS, FORMAT_VERSION, Receipt, Refusal, SignedReceipt, ranges,
};
use crate::store::Entry;
use crate::sync::{MAX_RECEIPTS, Request, Response};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{AuthorisationExpectation, verify_authorisation};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Resolver as _, TimeBasis};
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};

/// Receipts on their way to senders.
#[derive(Default)]
pub(super) struct Receipts {
    /// Own receipts were kept since they were last handed over.
    due: bool,
    /// Those who were handed some, and have not said that they have them.
    handing: BTreeSet<PeerId>,
    /// How often in a row something was missing to judge a peer's.
    undecided: BTreeMap<PeerId, u32>,
    /// Nodes of senders that have not got theirs.
    owed: Owed,
}

impl Receipts {
    /// It was handed some, and did not take them: they are handed over again later.
    pub(super) fn handed_in_vain(&mut self, peer: &PeerId) {
        self.handing.remove(peer);
        if self.undecided.len() > MAX_PEERS {
            self.undecided.clear();
        }
    }
}

/// How often a peer's receipts are judged again before those that cannot be are let go.
const MAX_TRIES: u32 = 6;
/// How often what was not taken is handed over again, in ticks.
const AGAIN_TICKS: u64 = 10;

/// The name under which is kept how far the receipts for a sender were handed over to one of its
/// nodes: each of them keeps them all.
fn cursor(sender: &Did, peer: &PeerId) -> String {
    format!("{CURSOR}{sender} at {peer}")
}

/// What the names of these cursors begin with.
pub(super) const CURSOR: &str = "receipts for ";

impl Worker {
    pub(super) fn tick_receipts(&mut self) {
        let again = self.ticks.checked_rem(AGAIN_TICKS) == Some(0);
        if std::mem::take(&mut self.receipts.due) || again {
            for peer in self.peers.open().collect::<Vec<_>>() {
                self.hand_over_receipts(peer);
            }
        }
        if again {
            self.look_for_senders();
        }
    }

    /// Looks for the nodes of senders that receipts are owed to and that are not connected: nobody
    /// hands over another's.
    fn look_for_senders(&mut self) {
        let open: BTreeSet<PeerId> = self.peers.open().collect();
        let now = self.uptime().get();
        for node in self.receipts.owed.due(|node| open.contains(node), now) {
            tracing::debug!(%node, "looked for: receipts are owed to it");
            self.tell(Command::Reach(node));
        }
    }

    /// Signs for what this group keeps, and stages it with the group: a receipt is as durable as
    /// what it is about.
    pub(super) fn sign_receipts(
        &mut self,
        kept: BTreeMap<Chain, BTreeMap<u64, (EnvelopeId, Fate)>>,
    ) {
        let now = self.now();
        for (chain, fates) in kept {
            for batch in batches(fates) {
                self.sign_receipt(&chain, &batch, now);
            }
        }
    }

    fn sign_receipt(&mut self, chain: &Chain, batch: &[Fated], now: UnixMillis) {
        let Some((_, (newest, _))) = batch.last() else { return };
        let (mut delivered, mut kept, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (sequence, (_, fate)) in batch {
            match fate {
                Fate::Delivered => delivered.push(*sequence),
                Fate::Kept => kept.push(*sequence),
                Fate::Refused(codes) => {
                    refused.push(Refusal { sequence: *sequence, reasons: codes.clone() });
                }
            }
        }
        let authorisation = self.knowledge.material.authorisation.as_ref();
        let receipt = Receipt {
            format_version: FORMAT_VERSION,
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            recipient: self.me.participant.clone(),
            authorisation: authorisation
                .filter(|_| self.me.participant != self.me.node)
                .map(|a| a.id.clone()),
            issued: now,
            delivered: ranges(delivered),
            kept: ranges(kept),
            refused,
            newest: newest.clone(),
        };
        match receipt.sign(&self.me.key, &self.me.key_id) {
            Ok(text) => {
                let receipt = ByteBuf::from(text.into_bytes());
                self.stage(Entry::Receipt { own: true, receipt });
                self.receipts.due = true;
                if let Some(node) = peer_of(chain.key.did()) {
                    let now = self.uptime().get();
                    self.receipts.owed.note(node, now);
                }
            }
            Err(e) => tracing::error!(code = %e.code(), "no receipt: {e}"),
        }
    }

    /// Hands the receipts over that a peer's participant has not got from here yet. Only to who is
    /// shown to act for it.
    pub(super) fn hand_over_receipts(&mut self, peer: PeerId) {
        if !self.peers.is_proven(&peer) || self.receipts.handing.contains(&peer) {
            return;
        }
        let Some(sender) = self.guests.participant(&peer.to_string()).cloned() else { return };
        let after = self.knowledge.store.cursor(&cursor(&sender, &peer));
        let mut bytes = 0_usize;
        let due = self.knowledge.store.own_receipts(&sender, after, MAX_RECEIPTS);
        let due: Vec<_> = due
            .into_iter()
            .take_while(|(_, text)| {
                bytes = bytes.saturating_add(text.len()).saturating_add(8);
                bytes < crate::sync::MAX_REQUEST.saturating_sub(1024)
            })
            .collect();
        let Some((until, _)) = due.last() else { return };
        let question = Question::Receipts(*until);
        let receipts = due.into_iter().map(|(_, text)| ByteBuf::from(text)).collect();
        self.receipts.handing.insert(peer);
        self.question_as(peer, Request::Receipts(receipts), question);
    }

    /// The peer's participant has the receipts up to this one.
    pub(super) fn receipts_taken(&mut self, peer: PeerId, until: u64) {
        self.receipts.handing.remove(&peer);
        self.receipts.owed.has(&peer);
        let Some(sender) = self.guests.participant(&peer.to_string()).cloned() else { return };
        let reader = cursor(&sender, &peer);
        if self.knowledge.store.cursor(&reader) < until {
            self.stage(Entry::Cursor { reader, number: until });
            self.receipts.due = true;
        }
    }

    /// Receipts of a peer's participant came. They are taken, or are none; where that cannot be said
    /// yet, they come again. The answer goes out when they are durable.
    pub(super) fn receipts_came(&mut self, peer: PeerId, receipts: &[ByteBuf]) -> Response {
        let mut memo = SignatureMemo::default();
        let (mut undecided, mut taken) = (false, Vec::new());
        for text in receipts {
            match self.check_receipt(&peer, text, &taken, &mut memo) {
                Ok(Some(receipt)) => {
                    self.keep_authorisation(receipt.authorisation.as_ref());
                    taken.push(receipt);
                    self.metrics.receipt();
                    self.stage(Entry::Receipt { own: false, receipt: text.clone() });
                }
                Ok(None) => {}
                Err(Undecided::Not(why)) => tracing::info!(%peer, "a receipt was not taken: {why}"),
                Err(Undecided::Yet(missing)) => {
                    undecided = true;
                    if let Some(missing) = missing {
                        self.ask(missing, Some(peer));
                    }
                }
            }
        }
        // What is missing does not come, after a while: the others are not held up for it.
        let tries = self.receipts.undecided.entry(peer).or_default();
        *tries = if undecided { tries.saturating_add(1) } else { 0 };
        if undecided && *tries <= MAX_TRIES { Response::NotHere } else { Response::Taken }
    }

    /// Keeps by what somebody else's node signed a receipt: an auditor asks for it.
    fn keep_authorisation(&mut self, id: Option<&ContentId>) {
        let Some(id) = id.filter(|id| !self.knowledge.store.has_document(id)) else { return };
        if let Some(bytes) = self.knowledge.document(id) {
            self.stage(Entry::Document(ByteBuf::from(bytes)));
        }
    }

    /// Whether it is about messages of this participant, by who it says, who may say so; and whether
    /// it says anything new.
    fn check_receipt(
        &self,
        peer: &PeerId,
        text: &[u8],
        taken: &[Receipt],
        memo: &mut SignatureMemo,
    ) -> Result<Option<Receipt>, Undecided> {
        let not = |why: &str| Err(Undecided::Not(why.to_owned()));
        let now = self.now();
        let signed = SignedReceipt::parse(text).map_err(|e| Undecided::Not(e.to_string()))?;
        let receipt = signed.receipt();
        let chain = receipt.chain().map_err(|e| Undecided::Not(e.to_string()))?;
        if chain.sender != self.me.participant {
            return not("it is about messages of somebody else");
        }
        // Nobody hands over another's, and who may not read it was not delivered anything.
        let name = peer.to_string();
        if self.guests.participant(&name) != Some(&receipt.recipient) {
            return not("it is somebody else's than the peer's");
        }
        let needed = if receipt.delivered.is_empty() { Right::Keep } else { Right::Read };
        let right = self.guests.right(&name, &receipt.channel);
        if !self.peers.is_proven(peer) || right.is_none_or(|right| right < needed) {
            return Err(Undecided::Yet(None));
        }
        let Some(link) = self.knowledge.store.at(&chain, receipt.until()) else {
            // Of another node of this participant, which is given its own.
            return Ok(None);
        };
        if link.id != receipt.newest {
            return not("it names another message than the one with that number");
        }
        // What no auditor would believe is no evidence.
        if receipt.issued > now.plus_millis(CLOCKS_DIFFER_MILLIS) {
            return not("it says that it was signed later than now");
        }
        let taken_last =
            receipt.delivered.iter().chain(&receipt.kept).map(|(_, until)| *until).max();
        let last = taken_last.and_then(|until| self.knowledge.store.at(&chain, until));
        if last.is_some_and(|l| l.issued > receipt.issued.plus_millis(CLOCKS_DIFFER_MILLIS)) {
            return not("it says that it was signed before a message that it has");
        }
        let known = self.knowledge.store.receipts(&chain, receipt.until(), MAX_BEFORE);
        let known = known.iter().map(SignedReceipt::receipt).chain(taken);
        let same = |r: &&Receipt| {
            r.recipient == receipt.recipient
                && (&r.channel, &r.key) == (&receipt.channel, &receipt.key)
        };
        let before: Vec<Receipt> = known.filter(same).cloned().collect();
        if !receipt.adds_to(&before) {
            return Ok(None);
        }
        let unknown = || Undecided::Yet(Some(Missing::Did(signed.key().did().clone())));
        let resolution = self.knowledge.material.identities.resolve(signed.key().did());
        let resolution = resolution.map_err(|_| unknown())?;
        let purpose = Relationship::CapabilityInvocation;
        let (check, key) = resolution.key_at(signed.key(), purpose, now, TimeBasis::Claimed);
        let Some(key) = key.filter(|_| check.outcome == Outcome::Passed) else {
            return not(&check.sentence);
        };
        signed.verify(&key).map_err(|e| Undecided::Not(e.to_string()))?;
        let Some(id) = &receipt.authorisation else { return Ok(Some(receipt.clone())) };
        let Some(bytes) = self.knowledge.document(id) else {
            return Err(Undecided::Yet(Some(Missing::Document(id.clone()))));
        };
        let expect = AuthorisationExpectation {
            // As of when it was signed: an authorisation that was renewed since does no harm.
            now: receipt.issued.min(now),
            clock: now,
            principal: &receipt.recipient,
            node: signed.key().did(),
            purpose: NodePurpose::Messages,
            channel: Some(&receipt.channel),
            max_status_age_seconds: super::standing::MAX_STATUS_AGE_SECONDS,
        };
        let report = verify_authorisation(&bytes, &self.knowledge.evidence(), &expect, memo).report;
        match report.outcome() {
            Outcome::Passed => Ok(Some(receipt.clone())),
            Outcome::Indeterminate => {
                Err(Undecided::Yet(Some(Missing::Evidence(receipt.recipient.clone()))))
            }
            Outcome::Failed => not(report.deciding().map_or("", |c| c.sentence.as_str())),
        }
    }
}

/// Why a receipt was not taken.
enum Undecided {
    /// It is none.
    Not(String),
    /// Something is missing to say so.
    Yet(Option<Missing>),
}

/// The most peers whose failed attempts are counted.
const MAX_PEERS: usize = 1024;
/// The most receipts that a new one is held against.
const MAX_BEFORE: usize = 64;
