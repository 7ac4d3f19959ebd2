//! Epochs and grants: counted as long as they are kept, and forgotten with what they open.

use super::super::{Entry, Kept, Store};
use super::*;
use crate::checking::Chain;
use crate::envelope::{Envelope, Header};
use crate::sealing::allowance::{LEAST_COST, hour_of};
use crate::sealing::{ChainKey, Epoch, Grant, HandedKey, Statement};
use crate::test_kit::{NOW, cid, did_of, header, key};
use std::path::Path;

const ANY_TIME: UnixMillis = UnixMillis::from_millis(0);
const EVER: UnixMillis = UnixMillis::MAX;

/// Of the two epochs here the first is over.
fn the_first(_: &ContentId, begun: UnixMillis) -> bool {
    begun == NOW
}

/// Two epochs of two messages each, and then messages that fill files.
struct Scene {
    folder: tempfile::TempDir,
    store: Store,
    chain: Chain,
    epochs: Vec<(Epoch, Vec<u8>)>,
    envelopes: Vec<Envelope>,
}

fn open(folder: &Path) -> Store {
    Store::open_with(folder, 3000).expect("opens").0
}

fn kept(envelope: &Envelope) -> Entry {
    Entry::Envelope(Box::new(Kept {
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
        sent_last_minute: Some(0),
        reasons: Vec::new(),
    }))
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let chain = Chain::of(&header(&key(1)));
        let mut scene = Self { folder, store, chain, epochs: Vec::new(), envelopes: Vec::new() };
        for (first, begun) in [(1, NOW), (3, NOW.plus_millis(60_000))] {
            let secret = ChainKey::new([3; 32]);
            let made = Epoch::begin(&scene.chain, first, begun, &[], &[], &secret).expect("begun");
            scene.stage(Entry::Epoch(ByteBuf::from(made.1.clone())));
            let id = made.0.id().clone();
            scene.epochs.push(made);
            scene.send(Some(&id));
            scene.send(Some(&id));
            scene.store.commit(NOW).expect("kept");
        }
        scene
    }

    fn stage(&mut self, entry: Entry) {
        self.store.stage(entry).expect("staged");
    }

    fn send(&mut self, epoch: Option<&ContentId>) {
        let last = self.envelopes.last();
        let header = Header {
            sequence: u64::try_from(self.envelopes.len()).expect("few") + 1,
            previous: last.map(|e| e.id().clone()),
            epoch: epoch.cloned(),
            ..header(&key(1))
        };
        let made = Envelope::sign(header, vec![1; 600], &key(1)).expect("signed");
        self.stage(kept(&made));
        self.envelopes.push(made);
    }

    /// So much more that what came before is in closed files.
    fn fill(&mut self) {
        for _ in 0..6 {
            self.send(None);
            self.store.commit(NOW).expect("kept");
        }
    }

    fn grant(&mut self, epoch: &ContentId) {
        let handed = HandedKey {
            epoch: Some(epoch.clone()),
            first: 1,
            from: 1,
            key: ChainKey::new([3; 32]),
        };
        let to = did_of(&key(2));
        let grant = Grant::new(&self.chain, to.did(), &[handed]).expect("sealed");
        let text = Statement::Grant(grant, NOW).sign(&key(1), &self.chain.key).expect("signed");
        self.stage(Entry::Grant {
            channel: self.chain.channel.clone(),
            sender: self.chain.sender.clone(),
            key: self.chain.key.as_str().to_owned(),
            epochs: vec![epoch.clone()],
            statement: ByteBuf::from(text.into_bytes()),
        });
    }

    fn cost(&self) -> u64 {
        self.store.epochs_cost((&self.chain.channel, &self.chain.sender), hour_of(NOW))
    }

    fn forget(&mut self, epoch: Over<'_>, grants_before: UnixMillis) -> u64 {
        let what = Forgetting { payload: &|_, _| false, epoch, grants_before };
        let (count, damaged) = self.store.forget(&what).expect("forgets");
        assert!(damaged.is_empty());
        count
    }

    fn again(&mut self) {
        // The old one has the lock.
        let other = tempfile::tempdir().expect("a folder");
        drop(std::mem::replace(&mut self.store, open(other.path())));
        self.store = open(self.folder.path());
    }
}

#[test]
fn an_epoch_costs_once_by_the_hour_in_which_it_began_and_for_all_keys_of_its_sender() {
    let mut scene = Scene::new();
    assert_eq!(scene.cost(), 2 * LEAST_COST);
    let (channel, sender) = (scene.chain.channel.clone(), scene.chain.sender.clone());
    let of = |s: &Scene, channel: &ContentId, hour| s.store.epochs_cost((channel, &sender), hour);
    assert_eq!(of(&scene, &channel, hour_of(NOW) + 1), 0);
    assert_eq!(of(&scene, &cid("another"), hour_of(NOW)), 0);
    // By another key of the sender; seen before it is durable, and gone if it never is.
    let other = Chain { key: did_of(&key(5)), ..scene.chain.clone() };
    let secret = ChainKey::new([4; 32]);
    let (_, bytes) = Epoch::begin(&other, 1, NOW, &[], &[], &secret).expect("begun");
    scene.stage(Entry::Epoch(ByteBuf::from(bytes.clone())));
    scene.stage(Entry::Epoch(ByteBuf::from(bytes.clone())));
    assert_eq!(scene.cost(), 3 * LEAST_COST, "staged, and once");
    scene.store.commit(NOW).expect("kept");
    scene.stage(Entry::Epoch(ByteBuf::from(bytes)));
    scene.store.commit(NOW).expect("kept");
    assert_eq!(scene.cost(), 3 * LEAST_COST);
    scene.again();
    assert_eq!(scene.cost(), 3 * LEAST_COST);
    std::fs::remove_dir_all(scene.folder.path().join("index")).expect("removed");
    scene.again();
    assert_eq!(scene.cost(), 3 * LEAST_COST, "made again from the log");
}

#[test]
fn an_epoch_is_forgotten_and_its_name_stays() {
    let mut scene = Scene::new();
    scene.fill();
    let before = scene.store.bytes();
    let ids: Vec<ContentId> = scene.epochs.iter().map(|(e, _)| e.id().clone()).collect();
    assert_eq!(scene.forget(&the_first, ANY_TIME), 1);
    let check = |scene: &Scene| {
        assert!(!scene.store.has_document(&ids[0]) && scene.store.document(&ids[0]).is_none());
        assert!(scene.store.document(&ids[1]).is_some(), "the other is kept");
        assert_eq!(scene.store.own_epochs(&scene.chain), [(3, ids[1].clone())]);
        assert_eq!(scene.cost(), LEAST_COST);
        // What names it is whole, and proves what it proved.
        for envelope in &scene.envelopes {
            let (_, kept) = scene.store.envelope(envelope.id()).expect("kept");
            let read = kept.envelope().expect("an envelope");
            assert_eq!(read.header().epoch, envelope.header().epoch);
            assert!(read.verify(&key(1).public_key()).is_ok());
        }
    };
    check(&scene);
    assert!(scene.store.bytes() < before);
    assert_eq!(scene.forget(&the_first, ANY_TIME), 0, "nothing more");
    scene.again();
    check(&scene);
    std::fs::remove_dir_all(scene.folder.path().join("index")).expect("removed");
    scene.again();
    check(&scene);
    // Its record has the name, and its number.
    let mut names = Vec::new();
    let each = &mut |_, record: &Record| {
        if let Some(Entry::Forgotten(id)) = Entry::decode(&record.body) {
            names.push(id);
        }
    };
    scene.store.log.each(each).expect("reads");
    assert_eq!(names, ids[..1]);
    // It may come again, and counts again.
    scene.stage(Entry::Epoch(ByteBuf::from(scene.epochs[0].1.clone())));
    scene.store.commit(NOW).expect("kept");
    assert_eq!((scene.cost(), scene.store.own_epochs(&scene.chain).len()), (2 * LEAST_COST, 2));
}

#[test]
fn an_epoch_is_not_forgotten_as_long_as_a_payload_is_in_the_open_file() {
    let mut scene = Scene::new();
    let id = scene.epochs[1].0.id().clone();
    scene.fill();
    scene.send(Some(&id));
    scene.store.commit(NOW).expect("kept");
    assert_eq!(scene.forget(&|_, _| true, ANY_TIME), 1);
    assert!(scene.store.document(&id).is_some());
    scene.fill();
    assert_eq!(scene.forget(&|_, _| true, ANY_TIME), 1);
    assert!(scene.store.document(&id).is_none());
}

#[test]
fn keys_are_forgotten_with_the_epoch_that_they_are_of_or_where_it_never_came() {
    let mut scene = Scene::new();
    let (known, chain) = (scene.epochs[0].0.id().clone(), scene.chain.clone());
    for epoch in [known.clone(), cid("made up")] {
        scene.grant(&epoch);
        scene.store.commit(NOW).expect("kept");
        assert_eq!(scene.store.count_grants(&epoch, &chain, 9), 1);
    }
    scene.fill();
    let count = |s: &Scene, epoch: &ContentId| s.store.grants(epoch, &chain, 9).len();
    assert_eq!(scene.forget(&|_, _| false, NOW), 0, "they came just now");
    assert_eq!(scene.forget(&|_, _| false, EVER), 1);
    assert_eq!((count(&scene, &known), count(&scene, &cid("made up"))), (1, 0));
    assert_eq!(scene.forget(&the_first, EVER), 2, "the epoch, and its keys");
    assert_eq!(count(&scene, &known), 0);
    scene.again();
    assert_eq!((count(&scene, &known), scene.store.count_grants(&known, &chain, 9)), (0, 0));
}

/// Closed files are where nobody finds them: what is read fails.
fn hidden<T>(scene: &mut Scene, meanwhile: impl FnOnce(&mut Scene) -> T) -> T {
    let files = scene.store.log.closed().into_iter().map(|first| format!("{first:020}.gplog"));
    let files: Vec<_> = files.map(|name| scene.folder.path().join(name)).collect();
    for file in &files {
        std::fs::rename(file, file.with_extension("hidden")).expect("hidden");
    }
    let found = meanwhile(scene);
    for file in &files {
        std::fs::rename(file.with_extension("hidden"), file).expect("there again");
    }
    found
}

#[test]
fn a_file_in_which_nothing_is_due_is_not_read_again() {
    let mut scene = Scene::new();
    let (first, second) = (scene.epochs[0].0.id().clone(), scene.epochs[1].0.id().clone());
    scene.grant(&first);
    scene.store.commit(NOW).expect("kept");
    scene.fill();
    // The keys are old, and of an epoch that is kept.
    assert_eq!(scene.forget(&|_, _| false, EVER), 0);
    hidden(&mut scene, |scene| {
        assert_eq!(scene.forget(&|_, _| false, EVER), 0);
        // How long payloads are kept may be less from one time to the next.
        let epoch: Over<'_> = &|_, _| false;
        let shorter = Forgetting { payload: &|_, _| true, epoch, grants_before: EVER };
        let error = scene.store.forget(&shorter).expect_err("it is read");
        assert_eq!(error.code(), crate::codes::LOG_IO);
    });
    // With the epoch its keys are over.
    assert_eq!(scene.forget(&the_first, EVER), 2);
    // The other one is needed, until another file is the open one.
    scene.send(Some(&second));
    scene.store.commit(NOW).expect("kept");
    assert_eq!(scene.forget(&|_, _| true, EVER), 0);
    hidden(&mut scene, |scene| assert_eq!(scene.forget(&|_, _| true, EVER), 0));
    scene.fill();
    assert_eq!(scene.forget(&|_, _| true, EVER), 1);
    hidden(&mut scene, |scene| assert_eq!(scene.forget(&|_, _| true, EVER), 0));
}

#[test]
fn one_file_is_looked_at_at_a_time() {
    let mut scene = Scene::new();
    scene.fill();
    let closed = scene.store.log.closed();
    assert!(closed.len() > 1);
    let all = Forgetting { payload: &|_, _| true, epoch: &|_, _| false, grants_before: ANY_TIME };
    let (mut from, mut counts) = (Some(0), Vec::new());
    while let Some(first) = from {
        let forgot = scene.store.forget_some(&all, first).expect("forgets");
        counts.push(forgot.count);
        from = forgot.next;
    }
    assert_eq!(counts.pop(), Some(0), "that was all");
    assert_eq!(counts.len(), closed.len());
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[test]
fn a_file_that_is_not_full_is_closed_where_something_in_it_is_over() {
    const DAY: u64 = 24 * 3600 * 1000;
    let mut scene = Scene::new();
    scene.fill();
    let (open, next) = (scene.store.log.open_file(), scene.store.log.next_number());
    let whole = |s: &Scene| s.envelopes.iter().filter(|e| is_whole(s, e)).count();
    let none = Forgetting { payload: &|_, _| false, epoch: &|_, _| false, grants_before: ANY_TIME };
    let all = Forgetting { payload: &|_, _| true, epoch: &|_, _| false, grants_before: ANY_TIME };
    scene.store.forget(&all).expect("forgets");
    assert!(whole(&scene) > 0, "those in the open file");
    // Nothing is over; or it is young, and there would be a file for every hour.
    let day = NOW.plus_millis(DAY);
    let young = NOW.plus_millis(DAY - 1);
    assert_eq!(scene.store.close_file(&none, day).expect("looks"), OpenFile::Stays);
    assert_eq!(scene.store.close_file(&all, young).expect("looks"), OpenFile::Stays);
    // With many files closed none is closed early; that is told where it matters, and only there.
    let many = scene.store.log.closed().len();
    let mut unless = |many, what: &Forgetting<'_>, now| {
        scene.store.close_file_unless(many, what, now).expect("looks")
    };
    assert_eq!(unless(many, &none, day), OpenFile::Stays);
    assert_eq!(unless(many, &all, young), OpenFile::Stays);
    assert_eq!(unless(many, &all, day), OpenFile::TooMany);
    assert_eq!(scene.store.log.open_file(), open);
    assert_eq!(scene.store.close_file(&all, day).expect("closes"), OpenFile::Closed);
    assert_eq!(scene.store.log.open_file(), Some(next));
    let empty = scene.store.close_file(&all, day).expect("looks");
    assert_eq!(empty, OpenFile::Stays, "there is nothing in it");
    scene.store.forget(&all).expect("forgets");
    assert_eq!(whole(&scene), 0);
    // It goes on where it was, also opened again.
    scene.again();
    scene.send(None);
    assert_eq!(scene.store.commit(NOW).expect("kept"), [next]);
    assert_eq!(whole(&scene), 1);
    scene.again();
    assert_eq!(whole(&scene), 1);
    assert_eq!(scene.store.logged_before(), Some(NOW));
}

fn is_whole(scene: &Scene, envelope: &Envelope) -> bool {
    scene.store.envelope(envelope.id()).is_some_and(|(_, kept)| kept.whole)
}
