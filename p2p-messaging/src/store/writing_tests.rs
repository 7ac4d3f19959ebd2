use super::*;
use crate::codes;
use crate::envelope::Header;
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

/// A store that kept these.
fn filled(folder: &Path, all: &[Envelope]) -> Store {
    let (mut store, _) = Store::open(folder).expect("opens");
    for envelope in all {
        store.stage(kept(envelope)).expect("stages");
    }
    store.commit(NOW).expect("commits");
    assert!(store.failure().is_none());
    store
}

#[test]
fn an_index_that_failed_is_told_once_and_made_anew_when_the_store_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = chain_of(3);
    let mut store = filled(folder.path(), &all[..2]);
    store.fail();
    let failed = store.failure().expect("it failed");
    assert_eq!(failed.code(), codes::LOG_IO);
    let (told, place) = (failed.to_string(), folder.path().join("index").display().to_string());
    assert!(told.contains(&place) && told.matches("failed").count() == 1, "{told}");
    store.stage(kept(&all[2])).expect("stages");
    let refused = store.commit(NOW).expect_err("nothing more is kept").to_string();
    assert_eq!(refused, told);
    store.mark_failed();
    drop(store);
    let mark = folder.path().join("index.failed");
    assert!(mark.exists());
    let (store, found) = Store::open(folder.path()).expect("opens");
    assert_eq!((found.indexed, mark.exists()), (2, false), "what it had on disk is not believed");
    assert!(store.failure().is_none() && !found.lacks_records());
    assert!(all[..2].iter().all(|e| store.has(e.id())) && !store.has(all[2].id()));
    drop(store);
    assert_eq!(Store::open(folder.path()).expect("opens").1.indexed, 0, "it is believed again");
}

#[test]
fn of_a_write_that_cannot_be_taken_back_nobody_says_that_it_was_not_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = chain_of(3);
    let mut store = filled(folder.path(), &all[..1]);
    store.stage(kept(&all[1])).expect("stages");
    let appending = store.begin_commit(NOW).expect("begins").onto_a_full_disk();
    let failed = store.end_commit(appending.run()).expect_err("the disk is full");
    assert_eq!(failed.code(), codes::MAY_BE_KEPT);
    // What follows is surely not kept, until the store is opened again.
    store.stage(kept(&all[2])).expect("stages");
    let refused = store.commit(NOW).expect_err("nothing more is kept");
    assert_eq!(refused.code(), codes::LOG_IO);
    assert_eq!(store.failure().map(|e| e.code()), Some(codes::LOG_IO));
    drop(store);
    let (store, _) = Store::open(folder.path()).expect("opens");
    assert!(store.failure().is_none() && store.has(all[0].id()));
}

#[test]
fn of_a_group_of_which_nobody_tells_the_end_is_in_doubt() {
    let folder = tempfile::tempdir().expect("a folder");
    let all = chain_of(2);
    let mut store = filled(folder.path(), &all[..1]);
    store.stage(kept(&all[1])).expect("stages");
    drop(store.begin_commit(NOW).expect("begins"));
    assert_eq!(store.lost().code(), codes::MAY_BE_KEPT);
    assert!(store.failure().is_some(), "it has to be opened again");
}
