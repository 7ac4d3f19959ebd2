//! Asking peers: questions and their answers, and what is missing, from whoever may have it.

use super::catch_up::Wanted;
use super::evidence::head_of;
use super::peers::Denial;
use super::publishing::Purpose;
use super::worker::Worker;
use crate::checking::{Chain, Missing, Verdict};
use crate::envelope::Envelope;
use crate::net::{Command, NoAnswer};
use crate::sync::{ListHead, ListKey, Request, Response};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::trust::IdentityMaterial;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The most things that are asked for at once.
const MAX_FETCHES: usize = 1024;
/// The most of them that are asked for because a stranger named them, before each stranger has only
/// [`FETCHES_OF_ANYBODY`].
const MAX_STRANGERS_FETCHES: usize = 256;
/// The most that are asked for because of one stranger.
const MAX_FETCHES_OF_STRANGER: usize = 64;
/// What is asked for because of a stranger however many others ask: of so many peers as a node lets in
/// that is half of all. What comes makes room for what is asked for next.
const FETCHES_OF_ANYBODY: usize = 4;
/// The most peers that one thing is asked of.
const MAX_TRIES: usize = 4;
/// How long something is asked for, in milliseconds.
const FETCH_MILLIS: u64 = 30_000;
/// How long the evidence about somebody is not asked for again, in milliseconds.
const EVIDENCE_MILLIS: u64 = 5_000;
/// The most pages of status lists that are asked for in a row.
const MAX_LIST_PAGES: u32 = 64;

/// What was asked of a peer.
pub(super) enum Question {
    Hello,
    Missing(Missing, Owed),
    /// How many pages of them came.
    Heads(ContentId, u32),
    Range(Wanted),
    Proof(Chain, Owed),
    /// How many pages of them came.
    Lists(u32),
    Charter,
    /// Up to this of the own receipts for the peer's participant.
    Receipts(u64),
    Behind,
}

impl Question {
    /// That there is no answer says nothing about the peer.
    fn excuse(&mut self) {
        match self {
            Self::Missing(_, owed) | Self::Proof(_, owed) => *owed = Owed::Maybe,
            Self::Range(wanted) => wanted.claim.excuse(),
            Self::Hello
            | Self::Heads(..)
            | Self::Lists(_)
            | Self::Charter
            | Self::Receipts(_)
            | Self::Behind => {}
        }
    }
}

/// Whether a peer must have what it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// It passed on an envelope that cannot be judged without it.
    Named,
    /// It may have it.
    Maybe,
}

/// Whether who passed on a membership must have what is missing to judge it.
fn owed_with_membership(missing: &Missing, participant: &Did) -> Owed {
    match missing {
        Missing::Document(_) => Owed::Named,
        Missing::Did(did) if did == participant => Owed::Named,
        // What its visas rest on may have changed since.
        Missing::Did(_) | Missing::Evidence(_) => Owed::Maybe,
    }
}

struct Fetch {
    tried: BTreeSet<PeerId>,
    /// Those that passed on what needs it: the first to ask.
    named: Vec<PeerId>,
    /// Those of them that must have it.
    owing: BTreeSet<PeerId>,
    asking: bool,
    /// Whether it was asked for by block exchange too: of those also who do not say who they are.
    exchanged: bool,
    /// The stranger because of whom it is asked for.
    stranger: Option<PeerId>,
    since: UnixMillis,
}

/// What is being asked.
#[derive(Default)]
pub(super) struct Fetches {
    tag: u64,
    questions: HashMap<u64, Question>,
    wanted: BTreeMap<Missing, Fetch>,
    /// Of whom evidence, or what proves it, was asked for lately, and when: an answer that brings
    /// nothing new is no reason to ask again at once.
    evidence: BTreeMap<(Did, bool), UnixMillis>,
}

impl Worker {
    /// Asks a peer.
    pub(super) fn question(&mut self, peer: PeerId, request: Request) {
        let question = match &request {
            Request::Hello(_) => Question::Hello,
            Request::Lists { .. } => Question::Lists(1),
            Request::Charter(_) => Question::Charter,
            Request::Behind => Question::Behind,
            Request::Heads { channel, .. } => Question::Heads(channel.clone(), 1),
            Request::Document(id) => Question::Missing(Missing::Document(id.clone()), Owed::Maybe),
            Request::Identity(did) => Question::Missing(Missing::Did(did.clone()), Owed::Maybe),
            // These say themselves what they are.
            Request::Range { .. } | Request::Proof { .. } | Request::Receipts(_) => return,
        };
        self.question_as(peer, request, question);
    }

    pub(super) fn question_as(&mut self, peer: PeerId, request: Request, question: Question) {
        self.fetches.tag = self.fetches.tag.wrapping_add(1);
        let tag = self.fetches.tag;
        self.fetches.questions.insert(tag, question);
        self.tell(Command::Ask { peer, request: Box::new(request), tag });
    }

    /// The states of status lists that are known here.
    fn list_heads(&self) -> impl Iterator<Item = ListHead> {
        self.knowledge.material.lists.iter().map(head_of)
    }

    /// Asks a peer for newer status lists.
    pub(super) fn ask_for_lists(&mut self, peer: PeerId) {
        let request = Request::lists(self.list_heads(), None);
        self.question(peer, request);
    }

    fn ask_for_more_lists(&mut self, peer: PeerId, next: Option<ListKey>, pages: u32) {
        if let Some(next) = next.filter(|_| pages < MAX_LIST_PAGES) {
            let request = Request::lists(self.list_heads(), Some(next));
            self.question_as(peer, request, Question::Lists(pages.saturating_add(1)));
        }
    }

    /// Something is missing to judge an envelope: who passed it on has judged it, and must have what it
    /// names and what proves its signer.
    pub(super) fn ask_who_passed_on(
        &mut self,
        missing: Missing,
        peer: Option<PeerId>,
        envelope: &Envelope,
    ) {
        let header = envelope.header();
        let named = match &missing {
            Missing::Document(id) => {
                [Some(&header.presentation), header.authorisation.as_ref(), header.epoch.as_ref()]
                    .contains(&Some(id))
            }
            Missing::Did(did) => [&header.sender, header.key.did()].contains(&did),
            // What it rests on may have changed since.
            Missing::Evidence(_) => false,
        };
        self.ask_as(missing, peer, if named { Owed::Named } else { Owed::Maybe });
    }

    /// Something is missing to judge a membership of a participant: who passed it on has its documents, and
    /// what proves the participant.
    pub(super) fn ask_who_passed_on_membership(
        &mut self,
        missing: Missing,
        peer: PeerId,
        participant: &Did,
    ) {
        let owed = owed_with_membership(&missing, participant);
        self.ask_as(missing, Some(peer), owed);
    }

    /// Something is missing: it is asked of the peer that passed on what needs it, then of others.
    pub(super) fn ask(&mut self, missing: Missing, peer: Option<PeerId>) {
        self.ask_as(missing, peer, Owed::Maybe);
    }

    fn ask_as(&mut self, missing: Missing, peer: Option<PeerId>, owed: Owed) {
        let now = self.uptime();
        if let Missing::Evidence(did) | Missing::Did(did) = &missing
            && !self.fetches.wanted.contains_key(&missing)
        {
            let key = match &missing {
                Missing::Did(_) => (did.clone(), true),
                _ => (did.clone(), false),
            };
            let lately = |t: &UnixMillis| now.millis_since(*t) < EVIDENCE_MILLIS;
            if self.fetches.evidence.get(&key).is_some_and(lately) {
                // What was had of it does not do, or nobody has it.
                self.nobody_has(&missing);
                return;
            }
            if !self.may_fetch(peer.as_ref()) {
                return;
            }
            if self.fetches.evidence.len() < MAX_FETCHES {
                self.fetches.evidence.insert(key, now);
            }
        }
        if !self.fetches.wanted.contains_key(&missing) {
            if !self.may_fetch(peer.as_ref()) {
                return;
            }
            let stranger = peer.filter(|peer| self.is_stranger(peer));
            let fetch = Fetch {
                tried: BTreeSet::new(),
                named: Vec::new(),
                owing: BTreeSet::new(),
                asking: false,
                exchanged: false,
                stranger,
                since: now,
            };
            self.fetches.wanted.insert(missing.clone(), fetch);
        }
        if let (Some(fetch), Some(peer)) = (self.fetches.wanted.get_mut(&missing), peer)
            && fetch.named.len() < MAX_TRIES
            && !fetch.named.contains(&peer)
        {
            fetch.named.push(peer);
            if owed == Owed::Named {
                fetch.owing.insert(peer);
            }
        }
        self.try_next(&missing);
    }

    /// Whether one more thing may be asked for because of a peer: strangers do not have all of the room.
    fn may_fetch(&self, peer: Option<&PeerId>) -> bool {
        let Some(stranger) = peer.filter(|peer| self.is_stranger(peer)) else {
            return self.fetches.wanted.len() < MAX_FETCHES;
        };
        let strangers = self.fetches.wanted.values().filter_map(|f| f.stranger.as_ref());
        let (mut all, mut of_it) = (0_usize, 0_usize);
        for other in strangers {
            all = all.saturating_add(1);
            of_it = of_it.saturating_add(usize::from(other == stranger));
        }
        let most = match all < MAX_STRANGERS_FETCHES {
            true => MAX_FETCHES_OF_STRANGER,
            false => FETCHES_OF_ANYBODY,
        };
        of_it < most && all < MAX_FETCHES.saturating_sub(MAX_STRANGERS_FETCHES)
    }

    fn try_next(&mut self, missing: &Missing) {
        let Some(fetch) = self.fetches.wanted.get_mut(missing) else { return };
        if fetch.asking {
            return;
        }
        let named = fetch.named.iter().copied().find(|p| !fetch.tried.contains(p));
        // Those that may read something here are somebody; a stranger may promise and not give.
        let next = named
            .or_else(|| self.peers.readers().find(|p| !fetch.tried.contains(p)))
            .or_else(|| self.peers.open().find(|p| !fetch.tried.contains(p)));
        let Some(peer) = next.filter(|_| fetch.tried.len() < MAX_TRIES) else {
            match missing {
                Missing::Document(id) if !fetch.exchanged && self.exchange.has_speakers() => {
                    (fetch.asking, fetch.exchanged) = (true, true);
                    self.fetch_block(id.clone(), Vec::new(), Purpose::Missing);
                }
                _ => {
                    self.fetches.wanted.remove(missing);
                    self.nobody_has(missing);
                }
            }
            return;
        };
        fetch.asking = true;
        fetch.tried.insert(peer);
        let owed = if fetch.owing.contains(&peer) { Owed::Named } else { Owed::Maybe };
        let request = match missing {
            Missing::Document(id) => Request::Document(id.clone()),
            Missing::Did(did) => Request::Identity(did.clone()),
            // Nobody's lists are believed without what proves their signer.
            Missing::Evidence(did) if self.is_unknown(did) => Request::Identity(did.clone()),
            Missing::Evidence(_) => Request::lists(self.list_heads(), None),
        };
        self.question_as(peer, request, Question::Missing(missing.clone(), owed));
    }

    pub(super) fn tick_fetches(&mut self, now: UnixMillis) {
        self.fetches.wanted.retain(|_, f| now.millis_since(f.since) < FETCH_MILLIS);
        // As long as an envelope may wait for it.
        self.fetches.evidence.retain(|_, t| now.millis_since(*t) < FETCH_MILLIS);
    }

    /// A peer answered, or did not.
    pub(super) fn answered(
        &mut self,
        peer: PeerId,
        tag: u64,
        result: Result<Box<Response>, NoAnswer>,
    ) {
        let Some(mut question) = self.fetches.questions.remove(&tag) else { return };
        let (response, denial) = match result {
            Ok(response) => (*response, Denial::Said),
            Err(why) => {
                tracing::debug!(%peer, "no answer: {why}");
                if why == NoAnswer::Gone {
                    question.excuse();
                }
                (Response::NotHere, Denial::Silent)
            }
        };
        if let Response::Refused(code) = &response {
            tracing::debug!(%peer, code, "it does not answer");
        }
        let denial = match &response {
            Response::Refused(_) => Denial::Silent,
            _ => denial,
        };
        // Who has too much to do to answer has it a second later.
        let busy =
            matches!(&response, Response::Refused(code) if code == crate::codes::SYNC_BUSY.id());
        if busy && matches!(question, Question::Heads(..) | Question::Range(_)) {
            self.behind.wait(peer);
        }
        match (question, response) {
            (Question::Hello, Response::Hello(hello)) => {
                let _ = self.greeted(peer, hello);
            }
            (Question::Missing(missing, owed), response) => {
                self.found(peer, (&missing, owed, denial), response);
            }
            (Question::Heads(channel, pages), Response::Heads { heads, more }) => {
                self.heads_came(peer, &channel, &heads, more.then_some(pages));
            }
            (Question::Range(wanted), response) => self.range_came(peer, wanted, response),
            (Question::Proof(chain, owed), response) => {
                self.proof_came(peer, (&chain, owed, denial), response);
            }
            (Question::Heads(..), Response::Refused(_)) if busy => {}
            (Question::Heads(..), Response::Refused(_)) => self.peers.refused(&peer),
            (Question::Heads(..), _) => self.peers.gave(&peer, false),
            (Question::Lists(pages), Response::Lists { lists, next }) => {
                self.lists_came(&lists, Some(peer));
                self.ask_for_more_lists(peer, next, pages);
            }
            (Question::Charter, Response::Document(pack)) => {
                self.charter_came(&pack, true);
            }
            (Question::Receipts(until), Response::Taken) => self.receipts_taken(peer, until),
            (Question::Receipts(_), _) => self.receipts.handed_in_vain(&peer),
            (Question::Behind, Response::Refused(_)) if busy => self.behind.not_told(peer),
            _ => {}
        }
    }

    fn found(
        &mut self,
        peer: PeerId,
        (missing, owed, denial): (&Missing, Owed, Denial),
        response: Response,
    ) {
        if let Some(fetch) = self.fetches.wanted.get_mut(missing) {
            fetch.asking = false;
        }
        // What it knows of a DID may be no more than is known here; but it must be of that DID.
        let said = match (missing, &response) {
            (Missing::Did(did), Response::Document(bytes)) if owed == Owed::Named => {
                Some((did, bytes.to_vec()))
            }
            _ => None,
        };
        let there = match (missing, response) {
            (Missing::Document(id), Response::Document(bytes)) => {
                self.document_came(id, bytes.into_vec())
            }
            (Missing::Did(did), Response::Document(bytes)) => {
                let material = serde_json::from_slice::<IdentityMaterial>(&bytes);
                let there = material.is_ok_and(|m| &m.did == did && self.identity_came(&m));
                if there {
                    self.ask_for_lists(peer);
                }
                there
            }
            (Missing::Evidence(did), Response::Document(bytes)) => {
                let material = serde_json::from_slice::<IdentityMaterial>(&bytes);
                if material.is_ok_and(|m| &m.did == did && self.identity_came(&m)) {
                    if let Some(fetch) = self.fetches.wanted.get_mut(missing) {
                        fetch.asking = true;
                    }
                    let lists = Request::lists(self.list_heads(), None);
                    let again = Question::Missing(missing.clone(), Owed::Maybe);
                    self.question_as(peer, lists, again);
                    return;
                }
                false
            }
            (Missing::Evidence(_), Response::Lists { lists, next }) => {
                self.ask_for_more_lists(peer, next, 1);
                self.lists_came(&lists, Some(peer))
            }
            _ => false,
        };
        if there {
            self.is_there(missing, Some(peer));
        } else {
            tracing::debug!(%peer, ?missing, "not there");
            let has = || said.is_some_and(|(did, bytes)| proves(did, &bytes));
            if owed == Owed::Named && !has() {
                self.promise_broken(peer, denial);
            }
            self.try_next(missing);
        }
    }

    fn is_there(&mut self, missing: &Missing, peer: Option<PeerId>) {
        self.fetches.wanted.remove(missing);
        if matches!(missing, Missing::Document(_)) {
            self.compile_schemas(peer);
        }
        self.came(missing);
    }

    /// A document came by block exchange, or did not.
    pub(super) fn exchanged(&mut self, id: &ContentId, bytes: Option<Vec<u8>>) {
        let missing = Missing::Document(id.clone());
        let Some(fetch) = self.fetches.wanted.get_mut(&missing) else { return };
        fetch.asking = false;
        if bytes.is_some_and(|bytes| self.document_came(id, bytes)) {
            self.is_there(&missing, None);
        } else {
            self.try_next(&missing);
        }
    }

    /// Everything that waits for evidence is looked at again.
    pub(super) fn evidence_came(&mut self) {
        // What was looked at before may come out otherwise now.
        self.ranges.looked.again();
        let waiting: Vec<_> = self.fetches.evidence.keys().cloned().collect();
        for (did, _) in waiting.into_iter().filter(|(_, proof)| !proof) {
            self.came(&Missing::Evidence(did));
        }
    }

    /// Something came: what waited for it is checked again, one after the other.
    pub(super) fn came(&mut self, what: &Missing) {
        if let Missing::Did(_) = what {
            self.join_if_signed_now();
        }
        let now = self.now();
        for held in self.checker.came(what) {
            let checked = self.checker.check_again(&held, &self.knowledge, now);
            self.metrics.checked(&checked);
            // Who passed it on answers for it, and is asked what comes before; but what is refused now may
            // have been allowed then.
            let peer = held.peer().parse().ok().filter(|peer| self.peers.is_known(peer));
            let peer = peer.filter(|_| checked.verdict != Verdict::Refuse);
            self.settle(&checked, peer, held.source());
            // Kept by now: it may go on by itself.
            self.report_late(&checked);
        }
        self.judge_those_waiting_for(what);
        self.statements_may_go_on();
    }

    pub(super) fn forget_peer(&mut self, peer: &PeerId) {
        for fetch in self.fetches.wanted.values_mut() {
            fetch.named.retain(|p| p != peer);
            if fetch.stranger.as_ref() == Some(peer) && !fetch.named.is_empty() {
                fetch.stranger = fetch.named.first().copied();
            }
        }
        // What a stranger named is not asked for any more, nor waited for, where nobody else named it.
        self.fetches.wanted.retain(|_, fetch| fetch.stranger.as_ref() != Some(peer));
        for id in self.checker.peer_gone(&peer.to_string()) {
            self.report_decided(&id, Verdict::Ignore);
        }
        self.statements_forget(peer);
        self.peers_ranges_forget(peer);
        self.behind.forget(peer);
        self.receipts.handed_in_vain(peer);
    }
}

/// Whether bytes are a log of this DID, whatever is known of it here and whenever it was made.
fn proves(did: &Did, bytes: &[u8]) -> bool {
    serde_json::from_slice::<IdentityMaterial>(bytes).is_ok_and(|material| {
        let apart = IdentityMaterial { seen: UnixMillis::MAX, confirmed: None, ..material };
        apart.did == *did
            && did.method() == "webvh"
            && crate::identities::Identities::default().take(&apart).is_ok_and(|new| new)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{cid, did_of, key};

    #[test]
    fn who_passes_on_a_membership_owes_what_proves_its_participant_and_nobody_elses() {
        let (participant, issuer) = (did_of(&key(1)), did_of(&key(2)));
        let owed = |missing| owed_with_membership(&missing, participant.did());
        assert_eq!(owed(Missing::Document(cid("presentation"))), Owed::Named);
        assert_eq!(owed(Missing::Did(participant.did().clone())), Owed::Named);
        assert_eq!(owed(Missing::Did(issuer.did().clone())), Owed::Maybe);
        assert_eq!(owed(Missing::Evidence(participant.did().clone())), Owed::Maybe);
    }
}
