use super::super::{Kept, PARTICIPANT};
use super::*;
use crate::envelope::{Envelope, Header};
use crate::log::{Damage, Log};
use crate::test_kit::{NOW, cid, header, key};
use serde_bytes::ByteBuf;
use std::path::Path;

fn chain_of(count: u64) -> Vec<Envelope> {
    let key = key(1);
    let mut made: Vec<Envelope> = Vec::new();
    for sequence in 1..=count {
        let previous = made.last().map(|e| e.id().clone());
        let header = Header { sequence, previous, ..header(&key) };
        made.push(Envelope::sign(header, vec![7; 20], &key).expect("signs"));
    }
    made
}

fn kept(envelope: &Envelope, caught_up: bool) -> Entry {
    Entry::Envelope(Box::new(Kept {
        envelope: ByteBuf::from(envelope.to_wire().expect("a payload")),
        whole: true,
        allowed: true,
        deliver: false,
        caught_up,
        at: NOW,
        arrived: None,
        admission: cid("admission"),
        payload: None,
        sealing: None,
        sent_last_minute: Some(0),
        reasons: Vec::new(),
    }))
}

/// A log of records with these bodies, and no index.
fn logged(folder: &Path, bodies: &[Vec<u8>]) {
    let (mut log, _) = Log::open(folder, &mut |_, _| ()).expect("a log");
    log.append(NOW, bodies).expect("appended");
}

fn body(entry: &Entry) -> Vec<u8> {
    entry.encode().expect("a body")
}

/// A record with one more member, whose name and value are these.
fn with_a_member_more(envelope: &Envelope) -> Vec<u8> {
    let Entry::Envelope(kept) = kept(envelope, false) else { panic!("an envelope") };
    let kept = serde_ipld_dagcbor::to_vec(&kept).expect("DAG-CBOR");
    // Of a map with few members the first byte says how many.
    let (head, members) = kept.split_first().expect("a map");
    assert_eq!(head & 0xe0, 0xa0, "a short map");
    let mut all = vec![1, 0xa1, 0x68];
    all.extend_from_slice(b"envelope");
    all.push(head + 1);
    all.extend_from_slice(members);
    // The longest name comes last.
    all.push(0x78);
    all.push(24);
    all.extend_from_slice(b"zzzzzzzzzzzzzzzzzzzzzzzz");
    all.push(1);
    all
}

#[test]
fn a_record_of_another_version_opens_no_store_and_is_read_by_who_knows_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = chain_of(2);
    let mut later = body(&kept(&all[1], false));
    later[0] = 2;
    logged(folder.path(), &[body(&kept(&all[0], false)), later]);
    for _ in 0..2 {
        let refused = Store::open(folder.path()).expect_err("it is not guessed");
        assert!(matches!(refused, StoreError::Version(2)), "{refused}");
        assert_eq!(refused.code(), codes::LOG_VERSION);
    }
}

#[test]
fn a_record_that_cannot_be_read_is_named_at_each_start_and_what_it_may_be_is_not_signed_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = chain_of(3);
    let chain = Chain::of(all[0].header());
    logged(folder.path(), &[body(&kept(&all[0], false)), with_a_member_more(&all[1])]);
    for _ in 0..2 {
        let (store, found) = Store::open(folder.path()).expect("opens");
        assert_eq!(found.unread, [2]);
        assert!(found.lacks_records());
        let (code, sentence) = found.told().remove(0);
        assert_eq!(code, codes::LOG_DAMAGED);
        assert!(sentence.contains("record 2"), "{sentence}");
        assert_eq!(store.newest(&chain), Some(1));
        assert!(store.may_lack(&chain), "the next would be 2 once more");
    }
    // It comes back from a peer: there may be more.
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    store.stage(kept(&all[1], true)).expect("stages");
    store.commit(NOW).expect("commits");
    assert!(store.may_lack(&chain));
    // The node knew, and sent the next.
    store.stage(kept(&all[2], false)).expect("stages");
    store.commit(NOW).expect("commits");
    assert!(!store.may_lack(&chain));
}

#[test]
fn looking_through_finds_what_the_index_does_not_know() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = chain_of(2);
    logged(folder.path(), &[body(&kept(&all[0], false)), body(&kept(&all[1], false))]);
    drop(Store::open(folder.path()).expect("opens"));
    // Whole, and another thing than it was.
    let (mut log, _) = Log::open(folder.path(), &mut |_, _| ()).expect("a log");
    assert!(log.begin_file().expect("begun"));
    let altered = |record: &crate::log::Record| (record.number == 2).then(|| vec![1, 0xff]);
    log.rewrite(1, &mut |record| altered(record)).expect("rewritten");
    drop(log);
    let (mut store, found) = Store::open(folder.path()).expect("opens");
    assert_eq!(found.unread, [0_u64; 0]);
    assert_eq!(store.look_through().expect("reads"), [2]);
    drop(store);
    assert_eq!(Store::open(folder.path()).expect("opens").1.unread, [2]);
}

#[test]
fn what_is_lost_ends_with_the_greatest_number_that_is() {
    let damaged = |lost| {
        let mut found = Found::default();
        found.log.damaged.push(Damage { file: "a".into(), from: 48, until: 90, lost });
        found
    };
    assert_eq!(Found::default().lost_until(), 0);
    assert_eq!(damaged((4, Some(7))).lost_until(), 6);
    assert_eq!(damaged((4, Some(4))).lost_until(), 0, "between two records");
    assert_eq!(damaged((4, None)).lost_until(), 4);
    let mut found = damaged((4, Some(7)));
    found.log.missing.push((9, 12));
    found.unread.push(8);
    assert_eq!(found.lost_until(), 8, "an end that was cut off explains the others");
    assert_eq!(found.cut_off_until(20), Some(12));
    found.log.gone.push((9, 12));
    assert_eq!((found.lost_until(), found.cut_off_until(20)), (12, None));
    found.log.cut_off = Some("an end".into());
    assert_eq!(found.cut_off_until(20), Some(20));
}

#[test]
fn after_an_end_that_was_cut_off_others_are_asked_until_something_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = chain_of(2);
    let chain = Chain::of(all[0].header());
    logged(folder.path(), &[body(&kept(&all[0], false))]);
    let path = folder.path().join(format!("{:020}.gplog", 1));
    let mut bytes = std::fs::read(&path).expect("the log");
    bytes.extend_from_slice(&[9; 5]);
    std::fs::write(&path, bytes).expect("written");
    let (mut store, found) = Store::open(folder.path()).expect("opens");
    assert!(found.log.cut_off.is_some());
    assert!(store.was_cut_off(&chain) && !store.may_lack(&chain));
    // Somebody else's comes behind the numbers of that end, which are missing from then on.
    let other = key(2);
    let first = Header { sequence: 1, previous: None, ..header(&other) };
    let first = Envelope::sign(first, vec![7; 20], &other).expect("signs");
    store.stage(kept(&first, false)).expect("stages");
    store.commit(NOW).expect("commits");
    drop(store);
    let (mut store, found) = Store::open(folder.path()).expect("opens");
    assert!(found.log.cut_off.is_none() && !found.log.missing.is_empty());
    assert!(store.was_cut_off(&chain) && !store.may_lack(&chain), "still no more than a crash");
    store.stage(kept(&all[1], false)).expect("stages");
    store.commit(NOW).expect("commits");
    assert!(!store.was_cut_off(&chain));
    drop(store);
    assert!(!Store::open(folder.path()).expect("opens").0.was_cut_off(&chain));
}

#[test]
fn a_message_whose_reference_may_be_lost_is_told_and_no_other() {
    let all = chain_of(3);
    let chain = Chain::of(all[0].header());
    let sent = |of: &Envelope| {
        let (channel, envelope) = (of.header().channel.clone(), of.id().clone());
        let (sequence, reference) = (of.header().sequence, format!("bid {}", of.header().sequence));
        body(&Entry::Sent { channel, reference, envelope, sequence })
    };
    let written = |lost: &[usize]| {
        let folder = tempfile::tempdir().expect("a folder");
        let mut bodies: Vec<_> =
            all.iter().flat_map(|e| [sent(e), body(&kept(e, false))]).collect();
        lost.iter().for_each(|place| bodies[*place] = vec![1, 0xff]);
        logged(folder.path(), &bodies);
        let (store, _) = Store::open(folder.path()).expect("opens");
        (folder, store)
    };
    assert!(written(&[]).1.unnamed(&chain).is_empty());
    let message = |n: usize| Unnamed::Message(Box::new(all[n].clone()));
    // The reference of the second, whose message is whole.
    let (_folder, store) = written(&[2]);
    assert_eq!(store.unnamed(&chain), [message(1)]);
    // The message went with it: the third says that there was one. So it does where it comes back.
    let (_folder, mut store) = written(&[2, 3]);
    let unnamed = store.unnamed(&chain);
    let [Unnamed::Before(next)] = unnamed.as_slice() else { panic!("it is lost") };
    assert_eq!((&next.id, next.previous.as_ref()), (all[2].id(), Some(all[1].id())));
    store.stage(kept(&all[1], true)).expect("stages");
    store.commit(NOW).expect("commits");
    assert_eq!(store.unnamed(&chain), [message(1)]);
    // And the first of all.
    let (_folder, store) = written(&[0, 1]);
    let first = store.unnamed(&chain);
    assert!(matches!(first.as_slice(), [Unnamed::Before(next)] if next.id == *all[1].id()));
}

#[test]
fn what_is_sent_without_a_reference_after_a_loss_was_found_is_not_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = sent(folder.path(), 2, false);
    logs(folder.path()).iter().for_each(|path| std::fs::remove_file(path).expect("removed"));
    let (mut store, found) = Store::open(folder.path()).expect("opens");
    assert!(found.lacks_records() && store.unnamed(&chain).is_empty());
    // Both come back from others, and a third is sent.
    let all = chain_of(4);
    for envelope in &all[..2] {
        store.stage(kept(envelope, true)).expect("stages");
        store.commit(NOW).expect("commits");
    }
    let message = |n: usize| Unnamed::Message(Box::new(all[n].clone()));
    assert_eq!(store.unnamed(&chain), [message(1), message(0)]);
    for envelope in &all[2..] {
        store.stage(kept(envelope, false)).expect("stages");
        store.commit(NOW).expect("commits");
        assert_eq!(store.unnamed(&chain), [message(1), message(0)], "its reference is not lost");
    }
    drop(store);
    let (store, _) = Store::open(folder.path()).expect("opens");
    assert_eq!(store.unnamed(&chain), [message(1), message(0)]);
}

#[test]
fn what_may_be_lost_of_a_chain_is_looked_for_once_and_not_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = sent(folder.path(), 1, true);
    logs(folder.path()).iter().for_each(|path| std::fs::remove_file(path).expect("removed"));
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let all = chain_of(MOST_LOOKED_AT + 1);
    store.stage(kept(&all[0], true)).expect("stages");
    store.commit(NOW).expect("commits");
    assert_eq!(store.unnamed(&chain).len(), 1);
    for envelope in &all[1..] {
        store.stage(kept(envelope, false)).expect("stages");
    }
    store.commit(NOW).expect("commits");
    assert!(store.doubtful.borrow().contains_key(&chain), "it is remembered");
    assert!(store.unnamed(&chain).is_empty(), "as many were sent since");
}

/// A store of so many own messages, each a record in a file that is closed behind it where `small`.
fn sent(folder: &Path, count: u64, small: bool) -> Chain {
    let bytes = if small { 1 } else { crate::log::SEGMENT_BYTES };
    let (mut store, found) = Store::open_with(folder, bytes).expect("opens");
    assert_eq!(found, Found::default());
    let all = chain_of(count);
    for envelope in &all {
        store.stage(kept(envelope, false)).expect("stages");
        store.commit(NOW).expect("commits");
    }
    Chain::of(all[0].header())
}

fn logs(folder: &Path) -> Vec<std::path::PathBuf> {
    let all = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path());
    let mut logs: Vec<_> = all.filter(|p| p.extension().is_some_and(|e| e == "gplog")).collect();
    logs.sort();
    logs
}

/// Opens it twice: numbers are known to be lost, now and later, and none of them is given again.
fn told_for_good(folder: &Path, lost: (u64, u64), chain: &Chain) {
    for start in 0..2 {
        let (store, found) = Store::open(folder).expect("opens");
        assert!(found.lacks_records() && store.may_lack(chain), "start {start}: {found:?}");
        assert_eq!(found.log.gone, [lost], "start {start}");
        assert!(found.told().iter().any(|(code, _)| *code == codes::LOG_DAMAGED));
        assert_eq!(store.last_number(), lost.1, "start {start}");
    }
    // The next message comes behind them, and then it is known where the chain goes on.
    let (mut store, _) = Store::open(folder).expect("opens");
    let next = chain_of(9).pop().expect("one");
    store.stage(kept(&next, false)).expect("stages");
    assert_eq!(store.commit(NOW).expect("commits"), [lost.1 + 1]);
    assert!(!store.may_lack(chain));
    drop(store);
    assert!(!Store::open(folder).expect("opens").0.may_lack(chain));
}

#[test]
fn what_the_index_has_and_the_log_has_not_is_lost_and_its_numbers_are_not_given_again() {
    // The end of a file, at a record's.
    let folder = tempfile::tempdir().expect("a folder");
    let chain = sent(folder.path(), 3, false);
    let path = logs(folder.path()).pop().expect("a file");
    let bytes = std::fs::read(&path).expect("the log");
    let first = u32::from_le_bytes(bytes[48..52].try_into().expect("four bytes"));
    let end = 48 + 8 + usize::try_from(first).expect("a length");
    std::fs::write(&path, &bytes[..end]).expect("written");
    told_for_good(folder.path(), (2, 3), &chain);
    // The last of several files.
    let folder = tempfile::tempdir().expect("a folder");
    let chain = sent(folder.path(), 3, true);
    std::fs::remove_file(logs(folder.path()).pop().expect("a file")).expect("removed");
    told_for_good(folder.path(), (3, 3), &chain);
    // All of them.
    let folder = tempfile::tempdir().expect("a folder");
    let chain = sent(folder.path(), 3, true);
    logs(folder.path()).iter().for_each(|path| std::fs::remove_file(path).expect("removed"));
    told_for_good(folder.path(), (1, 3), &chain);
}

#[test]
fn a_log_that_was_emptied_beside_what_was_made_from_it_is_lost() {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = sent(folder.path(), 3, false);
    std::fs::write(logs(folder.path()).pop().expect("a file"), b"").expect("emptied");
    for _ in 0..2 {
        let (store, found) = Store::open(folder.path()).expect("opens");
        assert!(found.lacks_records() && store.may_lack(&chain), "{found:?}");
        assert!(store.last_number() >= 3, "{found:?}");
    }
}

#[test]
fn an_end_that_was_acknowledged_and_is_cut_off_is_no_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let chain = sent(folder.path(), 3, false);
    let path = logs(folder.path()).pop().expect("a file");
    let bytes = std::fs::read(&path).expect("the log");
    std::fs::write(&path, &bytes[..bytes.len() - 5]).expect("written");
    for start in 0..3 {
        let (store, found) = Store::open(folder.path()).expect("opens");
        assert_eq!(found.log.cut_off.is_some(), start == 0);
        assert!(found.lacks_records() && store.may_lack(&chain), "start {start}: {found:?}");
        assert!(store.last_number() > 3);
    }
}

#[test]
fn a_store_whose_participant_alone_is_known_has_lost_its_log_and_a_new_one_has_not() {
    let chain = Chain::of(chain_of(1)[0].header());
    let folder = tempfile::tempdir().expect("a folder");
    // It began, kept nothing, and was stopped.
    for _ in 0..3 {
        let (store, found) = Store::open(folder.path()).expect("opens");
        assert!(!found.lacks_records() && !store.may_lack(&chain), "{found:?}");
        std::fs::write(folder.path().join(PARTICIPANT), b"{}").expect("noted");
    }
    std::fs::remove_dir_all(folder.path().join("index")).expect("removed");
    told_for_good(folder.path(), (1, 1), &chain);
}
