//! Senders that contradict themselves: two messages of one number are a proof to everybody, which is
//! kept, announced once, and given to peers that ask for it when chains are compared.

use super::fetch::{Owed, Question};
use super::group::After;
use super::peers::Denial;
use super::system::Use;
use super::worker::Worker;
use crate::checking::{Chain, Known as _};
use crate::codes;
use crate::envelope::Envelope;
use crate::store::{Entry, Store};
use crate::sync::{Announcement, ChainHead, Request, Response};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Resolver as _, TimeBasis};
use hashlink::LruCache;
use libp2p::PeerId;
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

/// The most proofs that are at hand for who asks: of others the log is read.
const MAX_PROOFS: usize = 1024;
/// The most contradictions that are shown.
const MAX_FORKS: usize = 64;

/// In what two messages of a chain contradict each other.
fn kind(first: &Envelope, second: &Envelope) -> Code {
    let (before, after) = match first.header().sequence <= second.header().sequence {
        true => (first, second),
        false => (second, first),
    };
    if before.header().sequence == after.header().sequence {
        codes::SEQUENCE_FORK
    } else if after.header().previous.as_ref() != Some(before.id()) {
        codes::SEQUENCE_BROKEN
    } else {
        codes::ENVELOPE_ORDER
    }
}

/// Proofs that are given to who asks; and of which chains that contradict themselves there is none to give, so
/// that the log is not read for them again and again.
pub(super) struct Proofs(LruCache<Chain, Option<Vec<u8>>>);

impl Default for Proofs {
    fn default() -> Self {
        Self(LruCache::new(MAX_PROOFS))
    }
}

impl Proofs {
    fn note(&mut self, chain: &Chain, proof: &Announcement) {
        // Two of the greatest are more than an answer takes.
        let bytes = proof.encode().ok().filter(|bytes| bytes.len() <= crate::sync::MAX_PAGE);
        self.0.insert(chain.clone(), bytes);
    }

    /// Something else is kept of a chain by which it contradicts itself.
    fn forget(&mut self, chain: &Chain) {
        self.0.remove(chain);
    }

    /// Whether one is given. One that was kept before the start is read from the log, where there is room to
    /// read two messages more.
    pub(super) fn has(&mut self, store: &Store, chain: &Chain, room: &mut usize) -> bool {
        if let Some(known) = self.0.peek(chain) {
            return known.is_some();
        }
        if !store.forked(chain) {
            return false;
        }
        let Some(left) = room.checked_sub(2) else { return false };
        *room = left;
        self.get(store, chain).is_some()
    }

    fn get(&mut self, store: &Store, chain: &Chain) -> Option<Vec<u8>> {
        if self.0.peek(chain).is_none() {
            match store.proof(chain) {
                Some((first, second)) => {
                    let proof = Announcement::Fork(ByteBuf::from(first), ByteBuf::from(second));
                    self.note(chain, &proof);
                }
                // Of the others, which anybody can name, nothing is remembered.
                None if store.forked(chain) => {
                    self.0.insert(chain.clone(), None);
                }
                None => {}
            }
        }
        self.0.peek(chain).cloned().flatten()
    }
}

impl Worker {
    /// Who contradicted itself in a channel, by which messages, and in what.
    pub(super) fn contradictions(&self, channel: &ContentId) -> Vec<Value> {
        let store = &self.knowledge.store;
        let all = store.forks(MAX_FORKS);
        let here = all.iter().filter(|(_, second)| second.header().channel == *channel);
        here.map(|(first, second)| {
            let header = second.header();
            let known = store.seen(first).and_then(|kept| kept.envelope().ok());
            let number = known.as_ref().map(|first| first.header().sequence);
            let code = known.map(|first| kind(&first, second).id());
            json!({"sender": header.sender, "key": header.key, "code": code,
                   "first": first, "firstSequence": number,
                   "second": second.id(), "sequence": header.sequence})
        })
        .collect()
    }

    /// A peer says that a chain is contradicted: where it is known here, and no proof of one number is, that
    /// is asked for.
    pub(super) fn ask_for_proof(&mut self, peer: PeerId, chain: &Chain, head: &ChainHead) {
        let store = &self.knowledge.store;
        if !head.contradicted || store.proven(chain) || store.newest(chain).is_none() {
            return;
        }
        let request = Request::Proof {
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
        };
        self.question_as(peer, request, Question::Proof(chain.clone(), Owed::Named));
    }

    /// What is answered to who asks for a proof.
    pub(super) fn proof(&mut self, channel: ContentId, sender: Did, key: &str) -> Response {
        let Ok(key) = DidUrl::parse(key) else {
            return Response::Refused(crate::codes::SYNC_MALFORMED.id().to_owned());
        };
        let proof = self.proofs.get(&self.knowledge.store, &Chain { channel, sender, key });
        proof.map_or(Response::NotHere, |bytes| Response::Document(ByteBuf::from(bytes)))
    }

    /// A proof came that was asked for, or not.
    pub(super) fn proof_came(
        &mut self,
        peer: PeerId,
        (chain, owed, denial): (&Chain, Owed, Denial),
        response: Response,
    ) {
        let proof = match response {
            Response::Document(bytes) => Announcement::decode(&bytes).ok(),
            _ => None,
        };
        let used = match proof {
            Some(Announcement::Fork(first, second)) => self.fork_came(&first, &second),
            _ => Use::Fault,
        };
        // Who has another state of the sender's keys cannot see it.
        if used == Use::Fault && owed == Owed::Named && !self.knowledge.proven(chain) {
            self.promise_broken(peer, denial);
        }
    }

    /// A sender contradicted itself: one that came does not go with one that is here.
    pub(super) fn forked(&mut self, first: &EnvelopeId, second: &Envelope) {
        let Ok(block) = second.to_block() else { return };
        let header = second.header().clone();
        let sequence = header.sequence;
        tracing::warn!(sender = %header.sender, %first, second = %second.id(), "a sender contradicts itself");
        let known = self.knowledge.store.seen(first).and_then(|k| k.envelope().ok());
        let second = ByteBuf::from(block);
        self.stage(Entry::Fork { first: first.clone(), second: second.clone() });
        self.proofs.forget(&Chain::of(&header));
        // Two of one number are a proof to everybody; that a number does not follow from the one before
        // is seen by whoever has both.
        let proof = known.filter(|e| e.header().sequence == sequence);
        if let Some(first) = proof.and_then(|e| e.to_block().ok()) {
            let proof = Announcement::Fork(ByteBuf::from(first), second);
            self.proofs.note(&Chain::of(&header), &proof);
            self.after.push(After::Announce(proof));
        }
    }

    /// A proof came that a sender contradicts itself.
    pub(super) fn fork_came(&mut self, first: &[u8], second: &[u8]) -> Use {
        let (Ok(a), Ok(b)) = (Envelope::parse_block(first), Envelope::parse_block(second)) else {
            return Use::Fault;
        };
        let chain = Chain::of(a.header());
        let same_place = chain == Chain::of(b.header())
            && a.header().sequence == b.header().sequence
            && a.id() != b.id();
        if !same_place {
            return Use::Unhelpful;
        }
        // Only of chains that are known here: else anybody could fill the log with its own.
        if self.knowledge.proven(&chain) || self.knowledge.store.newest(&chain).is_none() {
            return Use::Known;
        }
        let Ok(resolution) = self.knowledge.material.identities.resolve(chain.key.did()) else {
            return Use::Known;
        };
        let signed = |envelope: &Envelope| {
            let purpose = Relationship::CapabilityInvocation;
            let at = envelope.header().issued;
            let (check, key) = resolution.key_at(&chain.key, purpose, at, TimeBasis::Claimed);
            check.outcome == Outcome::Passed && key.is_some_and(|k| envelope.verify(&k).is_ok())
        };
        if !signed(&a) || !signed(&b) {
            // What is known of its keys here may be too old to say.
            return Use::Unhelpful;
        }
        tracing::warn!(sender = %chain.sender, first = %a.id(), second = %b.id(), "a sender contradicts itself");
        // The one that is kept here is named, and the other is kept beside it.
        let (named, kept) =
            if self.knowledge.store.has(b.id()) { (b.id(), first) } else { (a.id(), second) };
        self.stage(Entry::Fork { first: named.clone(), second: ByteBuf::from(kept.to_vec()) });
        let both = [first, second].map(|block| ByteBuf::from(block.to_vec()));
        let [one, other] = both;
        self.proofs.note(&chain, &Announcement::Fork(one, other));
        Use::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Header;
    use crate::store::Kept;
    use crate::test_kit::{NOW, cid, header, key};

    /// As after a restart: nothing was found or told of since.
    #[test]
    fn a_proof_that_is_in_the_log_is_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, _) = Store::open(folder.path()).expect("opens");
        let sign = |payload: u8| {
            Envelope::sign(header(&key(1)), vec![payload; 20], &key(1)).expect("signs")
        };
        let (first, other) = (sign(1), sign(2));
        let chain = Chain::of(first.header());
        let (mut proofs, mut room) = (Proofs::default(), 3);
        assert!(!proofs.has(&store, &chain, &mut room));
        let kept = |envelope: &Envelope| Kept {
            envelope: ByteBuf::from(envelope.to_wire().expect("a payload")),
            whole: true,
            allowed: true,
            deliver: true,
            caught_up: false,
            at: NOW,
            arrived: None,
            admission: cid("admission"),
            payload: None,
            sealing: None,
            sent_last_minute: None,
            reasons: Vec::new(),
        };
        store.stage(Entry::Envelope(Box::new(kept(&first)))).expect("stages");
        // Of another chain, that a number does not follow from the one before.
        let lesser = |sequence, previous: Option<&Envelope>| {
            let previous = previous.map(|e| e.id().clone());
            let header = Header { sequence, previous, ..header(&key(2)) };
            Envelope::sign(header, vec![3; 20], &key(2)).expect("signs")
        };
        let one = lesser(1, None);
        let wrong = lesser(2, Some(&other));
        store.stage(Entry::Envelope(Box::new(kept(&one)))).expect("stages");
        let block = ByteBuf::from(wrong.to_block().expect("a block"));
        store.stage(Entry::Fork { first: one.id().clone(), second: block }).expect("stages");
        let second = ByteBuf::from(other.to_block().expect("a block"));
        store.stage(Entry::Fork { first: first.id().clone(), second }).expect("stages");
        store.commit(NOW).expect("commits");
        assert!(!proofs.has(&store, &chain, &mut 1), "there is no room to read it");
        assert!(proofs.has(&store, &chain, &mut room) && room == 1);
        assert!(proofs.has(&store, &chain, &mut room) && room == 1, "it is read once");
        let (broken, mut room_of_it) = (Chain::of(one.header()), 3);
        assert!(!proofs.has(&store, &broken, &mut room_of_it) && room_of_it == 1);
        room_of_it = 3;
        assert!(!proofs.has(&store, &broken, &mut room_of_it) && room_of_it == 3, "once");
        let given = proofs.get(&store, &chain).expect("given");
        let blocks = [&first, &other].map(|e| ByteBuf::from(e.to_block().expect("a block")));
        let [one, two] = blocks;
        assert_eq!(Announcement::decode(&given), Ok(Announcement::Fork(one, two)));
    }

    #[test]
    fn a_contradiction_is_called_what_it_is() {
        let key = key(1);
        let sign = |sequence, previous: Option<&Envelope>, millis| {
            let previous = previous.map(|e| e.id().clone());
            let issued = NOW.plus_millis(millis);
            let header = Header { sequence, previous, issued, ..header(&key) };
            Envelope::sign(header, vec![1; 20], &key).expect("signs")
        };
        let (first, other) = (sign(1, None, 9), sign(1, None, 8));
        assert_eq!(kind(&first, &other), codes::SEQUENCE_FORK);
        // The predecessor of the second was another message.
        let second = sign(2, Some(&other), 10);
        assert_eq!(kind(&first, &second), codes::SEQUENCE_BROKEN);
        assert_eq!(kind(&second, &first), codes::SEQUENCE_BROKEN);
        let early = sign(2, Some(&first), 0);
        assert_eq!(kind(&first, &early), codes::ENVELOPE_ORDER);
        assert_eq!(kind(&early, &first), codes::ENVELOPE_ORDER);
    }
}
