use super::*;
use crate::checking::Chain;
use crate::envelope::{Envelope, Header};
use crate::test_kit::{NOW, cid, header, key};
use gridpass_policy::facts::CheckFacts;
use serde_bytes::ByteBuf;
use std::path::Path;

const ANY_TIME: UnixMillis = UnixMillis::from_millis(0);

/// Payloads alone are forgotten.
fn payloads(payload: Over<'_>) -> Forgetting<'_> {
    Forgetting { payload, epoch: &|_, _| false, grants_before: ANY_TIME }
}

fn chain_of(number: u8, count: u64) -> Vec<Envelope> {
    let key = key(number);
    let mut made: Vec<Envelope> = Vec::new();
    for sequence in 1..=count {
        let previous = made.last().map(|e| e.id().clone());
        let header = Header { sequence, previous, ..header(&key) };
        made.push(Envelope::sign(header, vec![number; 200], &key).expect("signs"));
    }
    made
}

fn kept(envelope: &Envelope, deliver: bool) -> Entry {
    Entry::Envelope(Box::new(Kept {
        envelope: ByteBuf::from(envelope.to_wire().expect("a payload")),
        whole: true,
        allowed: true,
        deliver,
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

fn filled(folder: &Path) -> (Store, Vec<Envelope>) {
    let (mut store, found) = Store::open_with(folder, 3000).expect("opens");
    assert_eq!(found, Found::default());
    let all = chain_of(1, 20);
    for pair in all.chunks(4) {
        for (place, envelope) in pair.iter().enumerate() {
            store.stage(kept(envelope, place % 2 == 0)).expect("stages");
        }
        store.stage(Entry::Document(ByteBuf::from(pair[0].to_jws()))).expect("stages");
        store.commit(NOW).expect("commits");
    }
    (store, all)
}

fn holds(store: &Store, all: &[Envelope]) {
    let chain = Chain::of(all[0].header());
    for envelope in all {
        assert!(store.has(envelope.id()));
        let link = store.at(&chain, envelope.header().sequence).expect("a link");
        assert_eq!(&link.id, envelope.id());
        let (_, kept) = store.envelope(envelope.id()).expect("kept");
        assert_eq!(kept.envelope().expect("an envelope").id(), envelope.id());
    }
    let heads = store.heads(&chain.channel);
    assert_eq!(heads, [Head { chain: chain.clone(), newest: 20, whole: 20 }]);
    assert_eq!(store.newest(&chain), Some(20));
    assert_eq!(store.range(&chain, (3, 7), ANY_TIME, usize::MAX).len(), 5);
    assert_eq!(store.range(&chain, (3, 7), ANY_TIME, 1).len(), 1, "at least one");
    let inbox = store.inbox(0, 100);
    assert_eq!(inbox.len(), 10);
    assert!(inbox.is_sorted_by_key(|(number, _)| *number));
    assert_eq!(store.inbox(inbox[3].0, 2)[0].0, inbox[4].0);
    let text = all[4].to_jws();
    assert_eq!(store.document(&cid(&text)), Some(text.into_bytes()));
}

#[test]
fn what_was_committed_is_found_again_also_without_its_index() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, all) = filled(folder.path());
    holds(&store, &all);
    drop(store);
    let (store, found) = Store::open_with(folder.path(), 3000).expect("opens");
    assert_eq!((found.indexed, found.log.records), (0, 25));
    holds(&store, &all);
    drop(store);
    // The index is thrown away, or is no index at all.
    for damage in [false, true] {
        let index = folder.path().join("index");
        std::fs::remove_dir_all(&index).expect("removes");
        if damage {
            std::fs::write(&index, b"not a folder").expect("writes");
            assert!(
                Store::open_with(folder.path(), 3000).is_err(),
                "it is named, not written over"
            );
            std::fs::remove_file(&index).expect("removes");
        }
        let (store, found) = Store::open_with(folder.path(), 3000).expect("opens");
        assert_eq!(found.indexed, 25);
        holds(&store, &all);
    }
    // An index of more than there is: of another log.
    for path in std::fs::read_dir(folder.path()).expect("a folder").map(|e| e.expect("x").path()) {
        if path.extension().is_some_and(|e| e == "gplog") {
            std::fs::remove_file(path).expect("removes");
        }
    }
    let (store, _) = Store::open_with(folder.path(), 3000).expect("opens");
    assert!(!store.has(all[0].id()) && store.inbox(0, 9).is_empty());
}

#[test]
fn what_is_staged_is_seen_and_gone_if_it_cannot_be_committed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open_with(folder.path(), 3000).expect("opens");
    let all = chain_of(2, 3);
    let chain = Chain::of(all[0].header());
    store.stage(kept(&all[0], true)).expect("stages");
    assert!(store.has(all[0].id()) && store.newest(&chain) == Some(1));
    assert!(store.inbox(0, 9).is_empty(), "not delivered before it is durable");
    // The place of the first file is taken.
    let taken = folder.path().join(format!("{:020}.gplog", 1));
    std::fs::create_dir(&taken).expect("in the way");
    assert_eq!(store.commit(NOW).expect_err("fails").code(), codes::LOG_IO);
    assert!(!store.has(all[0].id()) && store.newest(&chain).is_none());
    std::fs::remove_dir(&taken).expect("room again");
    store.stage(kept(&all[0], true)).expect("stages");
    assert_eq!(store.commit(NOW).expect("commits"), [1]);
    assert_eq!(store.inbox(0, 9).len(), 1);
}

#[test]
fn a_gap_is_known_until_it_is_filled() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let all = chain_of(3, 5);
    let channel = cid("channel");
    for (index, whole) in [(0, 1), (3, 1), (1, 2), (4, 2), (2, 5)] {
        store.stage(kept(&all[index], true)).expect("stages");
        store.commit(NOW).expect("commits");
        assert_eq!(store.heads(&channel)[0].whole, whole);
    }
}

#[test]
fn payloads_are_forgotten_and_proofs_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, all) = filled(folder.path());
    let before = store.log.bytes();
    store.stage(Entry::Cursor { reader: "scada".into(), number: 11 }).expect("stages");
    store.commit(NOW).expect("commits");
    let (forgotten, damaged) = store.forget(&payloads(&|_, _| true)).expect("forgets");
    assert!(damaged.is_empty());
    assert_eq!(store.cursor("scada"), 11);
    assert!(forgotten > 8 && store.log.bytes() < before);
    let check = |store: &Store| {
        let kept: Vec<_> =
            all.iter().map(|e| store.envelope(e.id()).expect("kept").1.envelope()).collect();
        let without = kept.iter().flatten().filter(|e| e.payload().is_none()).count();
        assert_eq!(without as u64, forgotten);
        let key = key(1).public_key();
        assert!(kept.iter().flatten().all(|e| e.verify(&key).is_ok()));
    };
    check(&store);
    assert_eq!(store.forget(&payloads(&|_, _| true)).expect("nothing more"), (0, Vec::new()));
    drop(store);
    check(&Store::open_with(folder.path(), 3000).expect("opens").0);
    std::fs::remove_dir_all(folder.path().join("index")).expect("removes");
    check(&Store::open_with(folder.path(), 3000).expect("opens").0);
}

#[test]
fn a_proof_is_found_where_it_stands_when_payloads_before_it_were_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, all) = filled(folder.path());
    let chain = Chain::of(all[0].header());
    let other = Header { sequence: 1, ..header(&key(1)) };
    let other = Envelope::sign(other, vec![7; 200], &key(1)).expect("signs");
    let second = ByteBuf::from(other.to_block().expect("a block"));
    let more = chain_of(2, 12);
    store.stage(kept(&more[0], true)).expect("stages");
    store.stage(Entry::Fork { first: all[0].id().clone(), second }).expect("stages");
    store.commit(NOW).expect("commits");
    // So many more that this one's file is closed.
    for envelope in &more[1..] {
        store.stage(kept(envelope, true)).expect("stages");
        store.commit(NOW).expect("commits");
    }
    assert!(store.proof(&chain).is_some());
    store.forget(&payloads(&|_, _| true)).expect("forgets");
    let (_, kept) = store.envelope(more[0].id()).expect("kept");
    assert!(!kept.whole, "what stood before the proof is shorter now");
    assert!(store.proof(&chain).is_some() && store.proven(&chain));
    assert_eq!(store.forks(9).len(), 1);
}

#[test]
fn what_is_damaged_is_not_taken_for_something_that_is_here() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, all) = filled(folder.path());
    drop(store);
    let mut logs: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.extension().is_some_and(|e| e == "gplog"))
        .collect();
    logs.sort();
    let mut bytes = std::fs::read(&logs[0]).expect("bytes");
    bytes[200] ^= 1; // in the first envelope
    std::fs::write(&logs[0], bytes).expect("writes");
    let (mut store, found) = Store::open_with(folder.path(), 3000).expect("opens");
    assert_eq!((found.log.damaged.len(), found.indexed), (1, 24));
    assert!(!store.has(all[0].id()), "somebody else may still have it");
    assert!(store.has(all[1].id()));
    assert_eq!(store.inbox(0, 100).len(), 9);
    let (_, damaged) = store.forget(&payloads(&|_, _| true)).expect("goes on");
    assert_eq!(damaged, [1]);
    store.stage(kept(&all[0], true)).expect("stages");
    store.commit(NOW).expect("commits");
    assert!(store.has(all[0].id()));
    drop(store);
    let (store, found) = Store::open_with(folder.path(), 3000).expect("opens");
    assert_eq!(found.indexed, 0, "the index is of this state");
    assert!(store.has(all[0].id()));
}

#[test]
fn what_is_damaged_is_given_as_lost_in_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = filled(folder.path());
    let first = folder.path().join(format!("{:020}.gplog", 1));
    let mut bytes = std::fs::read(&first).expect("bytes");
    bytes[200] ^= 1; // in the first envelope
    std::fs::write(&first, bytes).expect("writes");
    let check = |store: &Store| {
        let given = store.inbox_up_to(0, 100, usize::MAX);
        assert_eq!(given[0], Given::Lost { from: 1, until: 1 });
        let numbers: Vec<u64> = given[1..]
            .iter()
            .map(|given| match given {
                Given::Message(number, _) => *number,
                Given::Lost { from, until } => panic!("{from} to {until} are there"),
            })
            .collect();
        assert_eq!(numbers, [3, 6, 8, 11, 13, 16, 18, 21, 23]);
        assert!(matches!(store.inbox_up_to(1, 1, usize::MAX)[..], [Given::Message(3, _)]));
    };
    // While it is open, and when it is opened again.
    check(&store);
    drop(store);
    check(&Store::open_with(folder.path(), 3000).expect("opens").0);
}

#[test]
fn a_fork_is_known_once_and_an_entry_that_is_too_long_costs_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, all) = filled(folder.path());
    let chain = Chain::of(all[0].header());
    assert!(!store.forked(&chain));
    let second = ByteBuf::from(all[1].to_block().expect("a block"));
    store.stage(Entry::Fork { first: all[0].id().clone(), second }).expect("stages");
    assert!(store.forked(&chain) && !store.proven(&chain), "of two numbers");
    let long = Entry::Document(ByteBuf::from(vec![0; crate::log::MAX_BODY]));
    assert!(matches!(store.stage(long), Err(StoreError::Entry)));
    store.commit(NOW).expect("commits");
    drop(store);
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    assert!(store.forked(&chain) && !store.proven(&chain) && store.proof(&chain).is_none());
    // Two of one number are more than that, and take its place.
    let other = Header { sequence: 2, previous: Some(all[0].id().clone()), ..header(&key(1)) };
    let other = Envelope::sign(other, vec![7; 200], &key(1)).expect("signs");
    let blocks = [&all[1], &other].map(|e| e.to_block().expect("a block"));
    let second = ByteBuf::from(blocks[1].clone());
    store.stage(Entry::Fork { first: all[1].id().clone(), second }).expect("stages");
    assert!(store.proven(&chain));
    store.commit(NOW).expect("commits");
    drop(store);
    let (store, _) = Store::open(folder.path()).expect("opens");
    assert!(store.forked(&chain) && store.proven(&chain));
    assert_eq!(store.proof(&chain), Some(blocks.into()));
    let forks = store.forks(9);
    assert_eq!((forks.len(), &forks[0].0, forks[0].1.id()), (1, all[1].id(), other.id()));
    drop(store);
    // A range is bounded by what is here, not by what is asked for.
    let (store, _) = Store::open(folder.path()).expect("opens");
    assert_eq!(store.range(&chain, (1, u64::MAX), ANY_TIME, usize::MAX).len(), 20);
}

#[test]
fn what_was_sent_under_a_reference_is_found_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let (all, channel) = (chain_of(1, 2), cid("channel"));
    for (envelope, reference) in all.iter().zip(["bid 17", "bid 18"]) {
        store
            .stage(Entry::Sent {
                channel: channel.clone(),
                reference: reference.into(),
                envelope: envelope.id().clone(),
                sequence: envelope.header().sequence,
            })
            .expect("stages");
        store.stage(kept(envelope, false)).expect("stages");
    }
    let check = |store: &Store| {
        assert_eq!(store.sent(&channel, "bid 17"), Some((all[0].id().clone(), 1)));
        assert_eq!(store.sent(&channel, "bid 18"), Some((all[1].id().clone(), 2)));
        assert_eq!(store.sent(&channel, "bid 1"), None);
        assert_eq!(store.sent(&cid("another"), "bid 17"), None);
        assert_eq!(store.reference(all[1].id()).as_deref(), Some("bid 18"));
    };
    check(&store);
    store.commit(NOW).expect("commits");
    check(&store);
    drop(store);
    check(&Store::open(folder.path()).expect("opens").0);
    // As an index of an older version is, it is made again from the log.
    std::fs::remove_dir_all(folder.path().join("index")).expect("removes");
    check(&Store::open(folder.path()).expect("opens").0);
}

#[test]
fn what_was_refused_is_found_in_order_also_when_its_payload_is_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, all) = filled(folder.path());
    let others = chain_of(2, 3);
    for envelope in &others {
        let Entry::Envelope(refused) = kept(envelope, false) else { panic!("an envelope") };
        let reasons = vec!["GP-POLICY-UNMET".to_owned()];
        let refused = Kept { allowed: false, reasons, ..(*refused).clone() };
        store.stage(Entry::Envelope(Box::new(refused))).expect("stages");
    }
    // One of those that were allowed did not fit its schema when it was opened.
    let code = "GP-PAYLOAD-SCHEMA".to_owned();
    let outcome = gridpass_policy::facts::Finding::Failed;
    let payload = CheckFacts { outcome, code, sentence: String::new() };
    let envelope = all[1].id().clone();
    store.stage(Entry::Opened { envelope, deliver: false, payload, at: NOW }).expect("stages");
    store.commit(NOW).expect("commits");
    let check = |store: &Store| {
        let found: Vec<_> = store.refused(0).collect();
        let id = |kept: &Kept| kept.envelope().expect("an envelope").id().clone();
        let ids: Vec<_> = found.iter().map(|(_, kept)| id(kept)).collect();
        let expected = [&others[0], &others[1], &others[2], &all[1]];
        assert_eq!(ids, expected.map(|e| e.id().clone()));
        assert_eq!(found[0].1.reasons, ["GP-POLICY-UNMET"]);
        assert_eq!(found[3].1.reasons, ["GP-PAYLOAD-SCHEMA"]);
        assert_eq!(store.refused(found[2].0).count(), 1);
    };
    check(&store);
    let what = payloads(&|_, _| true);
    store.close_file(&what, NOW.plus_millis(48 * 3600 * 1000)).expect("closes");
    assert!(store.forget(&what).expect("forgets").0 > 0);
    check(&store);
    drop(store);
    check(&Store::open_with(folder.path(), 3000).expect("opens").0);
}

#[test]
fn what_is_opened_by_a_clock_that_was_set_back_is_no_earlier_than_its_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let envelope = chain_of(1, 1).remove(0);
    let (ahead, right) = (NOW.plus_millis(3_600_000), NOW.plus_millis(1000));
    store.stage(kept(&envelope, false)).expect("stages");
    store.commit(ahead).expect("commits");
    let (outcome, code) = (gridpass_policy::facts::Finding::Passed, "GP-PAYLOAD-FITS".to_owned());
    let payload = CheckFacts { outcome, code, sentence: String::new() };
    let id = envelope.id().clone();
    store.stage(Entry::Opened { envelope: id, deliver: true, payload, at: right }).expect("stages");
    let cursor = Entry::Cursor { reader: "dispatch".into(), number: 1 };
    store.stage(cursor).expect("stages");
    store.commit(right).expect("commits");
    let mut written = Vec::new();
    let mut each = |_: crate::log::Place, record: &crate::log::Record| {
        let opened = match Entry::decode(&record.body) {
            Some(Entry::Opened { at, .. }) => Some(at),
            _ => None,
        };
        written.push((record.at, opened));
    };
    store.log.each(&mut each).expect("reads");
    assert_eq!(written, [(ahead, None), (ahead, Some(ahead)), (right, None)]);
}

#[test]
fn the_first_since_a_time_is_found_where_numbers_are_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let (key, mut previous) = (key(1), None);
    let at = |sequence: u64| NOW.plus_millis(sequence * 1000);
    for sequence in [1, 2, 3, 9, 10] {
        let (issued, expires) = (at(sequence), at(sequence).plus_millis(60_000));
        let header = Header { sequence, previous, issued, expires, ..header(&key) };
        let envelope = Envelope::sign(header, vec![1; 20], &key).expect("signs");
        previous = Some(envelope.id().clone());
        store.stage(kept(&envelope, false)).expect("stages");
    }
    store.commit(NOW).expect("commits");
    let chain = Chain::of(&header(&key));
    for (since, first) in [(0, 1), (2, 2), (3, 3), (4, 9), (10, 10)] {
        assert_eq!(store.first_since(&chain, at(since)), Some(first), "{since}");
    }
    assert_eq!(store.first_since(&chain, at(11)), None);
}

#[test]
fn a_reader_finds_its_place_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    assert_eq!(store.cursor("scada"), 0);
    store.stage(Entry::Cursor { reader: "scada".into(), number: 7 }).expect("stages");
    assert_eq!(store.cursor("scada"), 7, "it is seen at once");
    store.commit(NOW).expect("commits");
    drop(store);
    let (store, _) = Store::open(folder.path()).expect("opens");
    assert_eq!((store.cursor("scada"), store.cursor("other")), (7, 0));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Holes are exactly the numbers that are neither durable nor staged.
    #[test]
    fn holes_are_what_is_missing(
        fates in proptest::collection::vec(0_u8..3, 20),
        from in 1_u64..21,
        length in 0_u64..20,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, _) = Store::open_with(folder.path(), 3000).expect("opens");
        let all = chain_of(1, 20);
        let chain = Chain::of(all[0].header());
        for (envelope, _) in all.iter().zip(&fates).filter(|(_, fate)| **fate == 0) {
            store.stage(kept(envelope, true)).expect("stages");
        }
        store.commit(NOW).expect("commits");
        for (envelope, _) in all.iter().zip(&fates).filter(|(_, fate)| **fate == 1) {
            store.stage(kept(envelope, true)).expect("stages");
        }
        let until = from + length;
        let holes = store.holes(&chain, from, until, usize::MAX);
        let found: Vec<u64> = holes.iter().flat_map(|(a, b)| *a..=*b).collect();
        let missing: Vec<u64> = (from..=until)
            .filter(|n| fates.get(usize::try_from(n - 1).expect("small")).is_none_or(|f| *f == 2))
            .collect();
        proptest::prop_assert_eq!(found, missing);
        let first = store.holes(&chain, from, until, 1);
        proptest::prop_assert_eq!(first.first(), holes.first());
        proptest::prop_assert!(first.len() <= 1);
    }
}

#[test]
fn what_is_on_its_way_to_the_disk_is_seen_and_delivered_when_it_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let all = chain_of(2, 3);
    let chain = Chain::of(all[0].header());
    store.stage(kept(&all[0], true)).expect("stages");
    let first = store.begin_commit(NOW).expect("begins");
    store.stage(kept(&all[1], true)).expect("stages");
    store.stage(Entry::Document(ByteBuf::from("a document"))).expect("stages");
    for (sequence, envelope) in [(1, &all[0]), (2, &all[1])] {
        assert!(store.has(envelope.id()) && store.envelope(envelope.id()).is_none());
        let seen = store.seen(envelope.id()).expect("seen").envelope().expect("an envelope");
        assert_eq!(seen.id(), envelope.id());
        assert_eq!(&store.at(&chain, sequence).expect("a link").id, envelope.id());
    }
    assert_eq!((store.newest(&chain), store.staged()), (Some(2), 2));
    assert_eq!(store.holes(&chain, 1, 3, 9), [(3, 3)]);
    assert!(store.inbox(0, 9).is_empty(), "not delivered before it is durable");
    // One at a time.
    assert!(store.begin_commit(NOW).is_err());
    assert!(store.has(all[0].id()) && !store.has(all[1].id()));
    assert_eq!(store.end_commit(first.run()).expect("ends"), [1]);
    store.stage(kept(&all[1], true)).expect("stages");
    let second = store.begin_commit(NOW).expect("begins");
    assert_eq!(store.end_commit(second.run()).expect("ends"), [2]);
    assert_eq!(store.inbox(0, 9).len(), 2);
    drop(store);
    let (store, found) = Store::open(folder.path()).expect("opens");
    assert_eq!((found.log.records, store.newest(&chain)), (2, Some(2)));
}

#[test]
fn with_a_group_that_failed_goes_what_was_taken_in_since() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let all = chain_of(2, 2);
    let chain = Chain::of(all[0].header());
    store.stage(kept(&all[0], true)).expect("stages");
    let first = store.begin_commit(NOW).expect("begins");
    store.stage(kept(&all[1], true)).expect("stages");
    drop(first);
    assert_eq!(store.lost().code(), codes::MAY_BE_KEPT);
    assert!(!store.has(all[0].id()) && !store.has(all[1].id()) && store.newest(&chain).is_none());
    // Nobody knows what is on the disk.
    store.stage(kept(&all[0], true)).expect("stages");
    assert!(store.commit(NOW).is_err() && !store.has(all[0].id()));
    drop(store);
    let (mut store, found) = Store::open(folder.path()).expect("opens");
    assert_eq!(found.log.records, 0);
    store.stage(kept(&all[0], true)).expect("stages");
    assert_eq!(store.commit(NOW).expect("commits"), [1]);
}
