//! How far peers are told that chains are known: by the newest message of each that they would be given.
//! Whoever names one must be able to give it; so what was refused here, what is forgotten, and what the
//! asker may not have is not named.

use super::worker::Worker;
use crate::checking::Chain;
use crate::store::Store;
use crate::sync::{ChainHead, Response};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use hashlink::LruCache;
use libp2p::PeerId;

/// The most chains of which it is remembered what is given of them.
const MAX_CHAINS: usize = 65_536;
/// The most messages that are read for one answer: of each chain that went on, mostly one.
const MAX_LOOKED_AT: usize = 8192;
/// The most that are read besides for proofs that chains contradict themselves.
const MAX_PROOFS_READ: usize = 256;

/// A message that is given to who may read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    number: u64,
    id: EnvelopeId,
    issued: UnixMillis,
}

/// How far a chain was looked through: of `from` to `until` nothing is given but what was found.
#[derive(Clone, Debug)]
struct Looked {
    from: u64,
    until: u64,
    found: Option<Given>,
}

/// The newest message of each chain that is given.
pub(super) struct Newest(LruCache<Chain, Looked>);

impl Default for Newest {
    fn default() -> Self {
        Self(LruCache::new(MAX_CHAINS))
    }
}

impl Newest {
    /// Messages were forgotten: it is looked for anew.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    fn of(&mut self, store: &Store, chain: &Chain, newest: u64, room: &mut usize) -> Option<Given> {
        let mut looked = self.0.get(chain).cloned().unwrap_or(Looked {
            from: newest.saturating_add(1),
            until: newest,
            found: None,
        });
        if newest > looked.until {
            let first = looked.until.saturating_add(1);
            match look_down(store, chain, (first, newest), room) {
                (Some(found), from) => looked = Looked { from, until: newest, found: Some(found) },
                (None, from) if from <= first => looked.until = newest,
                // The older one is given still.
                (None, _) => return looked.found,
            }
        }
        if looked.found.is_none() && looked.from > 1 {
            let below = (1, looked.from.saturating_sub(1));
            (looked.found, looked.from) = look_down(store, chain, below, room);
        }
        let found = looked.found.clone();
        self.0.insert(chain.clone(), looked);
        found
    }
}

/// Looks from the last to the first of these for one that is given; says down to where it looked.
fn look_down(
    store: &Store,
    chain: &Chain,
    (first, last): (u64, u64),
    room: &mut usize,
) -> (Option<Given>, u64) {
    store.look_down(chain, (first, last), room, |number, kept| {
        let envelope = kept.envelope().ok().filter(|_| kept.allowed)?;
        let issued = envelope.header().issued;
        Some(Given { number, id: envelope.id().clone(), issued })
    })
}

impl Worker {
    /// What a peer is told of the chains of a channel: all of the participant that it acts for, since
    /// that needs no right to read; of the others those of which it may have the newest.
    pub(super) fn heads(
        &mut self,
        peer: &PeerId,
        channel: &ContentId,
        after: Option<&(Did, String)>,
    ) -> Response {
        let own = self.speaks_for(peer, channel).cloned();
        let (reads, since) = (self.peers.may(peer, channel), self.peers.from(peer, channel));
        let descriptor =
            self.checker.policy(channel).map(gridpass_policy::policy::Policy::descriptor);
        let kept_for = descriptor.map_or(u64::MAX, |d| d.retention.seconds.saturating_mul(1000));
        let now = self.now();
        let store = &self.knowledge.store;
        // Those that contradict themselves take no room from the others.
        let (mut all, mut room, mut proofs) = (Vec::new(), MAX_LOOKED_AT, MAX_PROOFS_READ);
        for head in store.heads(channel) {
            let chain = &head.chain;
            let passed = after.is_some_and(|(sender, key)| {
                (&chain.sender, chain.key.as_str()) <= (sender, key.as_str())
            });
            if passed {
                continue;
            }
            let given = if own.as_ref() == Some(&chain.sender) {
                let link = store.at(chain, head.newest);
                link.map(|l| Given { number: head.newest, id: l.id, issued: l.issued })
            } else if reads {
                let found = self.newest_given.of(store, chain, head.newest, &mut room);
                // What is too old is not taken up by anybody.
                let counts = |given: &Given| now.millis_since(given.issued) <= kept_for;
                found.filter(|given| given.issued >= since && counts(given))
            } else {
                None
            };
            let Some(given) = given else { continue };
            all.push(ChainHead {
                sender: chain.sender.clone(),
                key: chain.key.as_str().to_owned(),
                whole: head.whole.min(given.number),
                newest: given.number,
                message: given.id,
                contradicted: self.proofs.has(store, chain, &mut proofs),
            });
        }
        Response::heads(all, after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Envelope, Header};
    use crate::store::{Entry, Forgetting, Kept};
    use crate::test_kit::{NOW, cid, header, key};
    use serde_bytes::ByteBuf;

    fn chain_of(count: u64) -> Vec<Envelope> {
        let key = key(1);
        let mut made: Vec<Envelope> = Vec::new();
        for sequence in 1..=count {
            let previous = made.last().map(|e| e.id().clone());
            let issued = NOW.plus_millis(sequence);
            let header = Header { sequence, previous, issued, ..header(&key) };
            made.push(Envelope::sign(header, vec![1; 20], &key).expect("signs"));
        }
        made
    }

    fn stage(store: &mut Store, envelope: &Envelope, allowed: bool) {
        let kept = Kept {
            envelope: ByteBuf::from(envelope.to_wire().expect("a payload")),
            whole: true,
            allowed,
            deliver: allowed,
            caught_up: false,
            at: NOW,
            arrived: None,
            admission: cid("admission"),
            payload: None,
            sealing: None,
            sent_last_minute: None,
            reasons: Vec::new(),
        };
        store.stage(Entry::Envelope(Box::new(kept))).expect("stages");
    }

    struct Scene {
        store: Store,
        all: Vec<Envelope>,
        newest: Newest,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        /// Of these numbers the messages are kept, allowed or refused.
        fn new(numbers: &[(u64, bool)]) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let (store, _) = Store::open(folder.path()).expect("opens");
            let newest = Newest::default();
            let mut scene = Self { store, all: chain_of(300), newest, _folder: folder };
            scene.keep(numbers);
            scene
        }

        fn keep(&mut self, numbers: &[(u64, bool)]) {
            for (number, allowed) in numbers {
                let index = usize::try_from(number - 1).expect("small");
                stage(&mut self.store, &self.all[index], *allowed);
            }
            self.store.commit(NOW).expect("commits");
        }

        fn named(&mut self, room: &mut usize) -> Option<u64> {
            let chain = Chain::of(self.all[0].header());
            let newest = self.store.newest(&chain).expect("some are here");
            let given = self.newest.of(&self.store, &chain, newest, room)?;
            let index = usize::try_from(given.number - 1).expect("small");
            assert_eq!(&given.id, self.all[index].id());
            Some(given.number)
        }
    }

    #[test]
    fn what_was_refused_is_not_named() {
        let mut scene = Scene::new(&[(1, true), (2, true), (3, false), (9, false), (200, false)]);
        assert_eq!(scene.named(&mut 100), Some(2));
        scene.keep(&[(201, false)]);
        assert_eq!(scene.named(&mut 100), Some(2));
        scene.keep(&[(202, true), (203, false)]);
        assert_eq!(scene.named(&mut 100), Some(202));
        let mut nothing = Scene::new(&[(1, false), (2, false)]);
        assert_eq!(nothing.named(&mut 100), None);
    }

    #[test]
    fn looking_is_bounded_and_goes_on_where_it_was_left() {
        let mut numbers: Vec<_> = (2..=60).map(|n| (n, false)).collect();
        numbers.insert(0, (1, true));
        let mut scene = Scene::new(&numbers);
        let mut rounds = 1;
        while scene.named(&mut 4).is_none() {
            rounds += 1;
            assert!(rounds < 30, "it does not go on");
        }
        assert!(rounds > 1, "it looked at more than there was room for");
        assert_eq!(scene.named(&mut 0), Some(1), "that is remembered");
    }

    /// A number far above those that count is its sender's choice: what lies between costs nothing.
    #[test]
    fn a_number_far_above_has_no_more_read_than_there_is_room_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, _) = Store::open(folder.path()).expect("opens");
        let all = chain_of(500);
        all.iter().for_each(|envelope| stage(&mut store, envelope, true));
        let previous = Some(all[499].id().clone());
        let far = Header { sequence: 1011, previous, ..header(&key(1)) };
        let far = Envelope::sign(far, vec![1; 20], &key(1)).expect("signs");
        stage(&mut store, &far, false);
        store.commit(NOW).expect("commits");
        let chain = Chain::of(all[0].header());
        assert_eq!(store.newest(&chain), Some(1011));
        for room in [4, 1000] {
            let (mut left, mut newest) = (room, Newest::default());
            let given = newest.of(&store, &chain, 1011, &mut left).expect("one is given");
            assert_eq!((given.number, &given.id), (500, all[499].id()));
            assert_eq!(room - left, 2, "more than the refused one and the last that counts");
        }
        // What is read is what room is taken for.
        let mut read = Vec::new();
        let (found, down_to) = store.look_down(&chain, (1, 1011), &mut 4, |number, _| {
            read.push(number);
            None::<()>
        });
        assert_eq!((found, down_to, read), (None, 498, vec![1011, 500, 499, 498]));
    }

    #[test]
    fn what_is_forgotten_is_not_named_any_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = Store::open_with(folder.path(), 200).expect("opens");
        let all = chain_of(300);
        let mut scene = Scene { store, all, newest: Newest::default(), _folder: folder };
        (1..=3).for_each(|number| scene.keep(&[(number, true)]));
        assert_eq!(scene.named(&mut 100), Some(3));
        let first = scene.all[0].header().issued;
        let second_and_third = |_: &ContentId, issued: UnixMillis| issued > first;
        let what = Forgetting {
            payload: &second_and_third,
            epoch: &|_, _| false,
            grants_before: UnixMillis::new(0),
        };
        let (count, _) = scene.store.forget(&what).expect("forgets");
        scene.newest.forget();
        // The newest file is open still, and keeps what it has.
        assert_eq!(count, 1);
        assert_eq!(scene.named(&mut 100), Some(3));
        scene.keep(&[(4, false)]);
        let (count, _) = scene.store.forget(&what).expect("forgets");
        scene.newest.forget();
        assert_eq!((count, scene.named(&mut 100)), (1, Some(1)));
    }
}
