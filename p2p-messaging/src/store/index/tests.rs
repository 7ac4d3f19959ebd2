use super::*;
use crate::checking::Link;
use crate::log::Place;
use crate::store::Entry;
use crate::test_kit::{header, key};
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

fn chain() -> Chain {
    Chain::of(&header(&key(1)))
}

fn name(sequence: u64) -> EnvelopeId {
    EnvelopeId::of_block(&sequence.to_be_bytes()).expect("a name")
}

/// Notes a message, in the record with a number.
fn note(index: &mut Index, sequence: u64, record: u64) {
    let link = Link {
        id: name(sequence),
        previous: sequence.checked_sub(1).filter(|n| *n > 0).map(name),
        issued: UnixMillis::new(sequence),
    };
    let spot = Spot::new(record, Place { segment: 1, offset: record });
    let (deliver, allowed, caught_up) = (true, true, false);
    let located = Located { chain: chain(), sequence, link, deliver, allowed, caught_up };
    index.note_envelope(spot, &located);
}

fn numbers(index: &Index, from: u64, until: u64) -> Vec<u64> {
    index.links(&chain(), from, until).map(|(number, ..)| number).collect()
}

/// Held by sled until it closes its files.
struct Bomb;

impl Bomb {
    fn merged(&self) -> Option<Vec<u8>> {
        None
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the disk refused the last sync");
    }
}

#[test]
fn an_index_whose_closing_fails_ends_no_node() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = Index::open(folder.path()).expect("opens");
    note(&mut index, 1, 1);
    index.write().expect("written");
    let bomb = Bomb;
    index.db.set_merge_operator(move |_: &[u8], _: Option<&[u8]>, _: &[u8]| bomb.merged());
    drop(index);
    assert_eq!(numbers(&Index::open(folder.path()).expect("opens"), 0, 9), [1]);
}

#[test]
fn what_is_noted_again_takes_its_own_place_and_hides_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = Index::open(folder.path()).expect("opens");
    (1..=40).for_each(|n| note(&mut index, n, n));
    index.write().expect("written");
    // Some came a second time, as other records, one of them before rows are written.
    (10..=20).for_each(|n| note(&mut index, n, 100 + n));
    note(&mut index, 41, 141);
    note(&mut index, 41, 142);
    index.write().expect("written");
    assert_eq!(numbers(&index, 0, 50), (1..=41).collect::<Vec<_>>());
    assert_eq!(numbers(&index, 15, 25), (15..=25).collect::<Vec<_>>());
    for sequence in 1..=41 {
        let link = index.link(&chain(), sequence).expect("it is there");
        assert_eq!((link.id, link.issued.get()), (name(sequence), sequence));
    }
    let records: Vec<u64> = index.links(&chain(), 9, 11).map(|(_, _, spot)| spot.number).collect();
    assert_eq!(records, [9, 110, 111]);
    assert_eq!(index.newest(&chain()), Some(41));
}

#[test]
fn holes_are_filled_in_any_order_and_what_is_whole_grows() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = Index::open(folder.path()).expect("opens");
    let (mut known, mut record) = (BTreeSet::new(), 0);
    for group in [vec![5, 6, 7], vec![1, 2], vec![40, 41], vec![4], vec![9, 8, 10], vec![3]] {
        for sequence in group {
            record += 1;
            known.insert(sequence);
            note(&mut index, sequence, record);
        }
        index.write().expect("written");
        assert_eq!(numbers(&index, 1, 60), known.iter().copied().collect::<Vec<_>>());
        let whole = (1..).take_while(|n| known.contains(n)).last().unwrap_or(0);
        let [head] = index.heads(&chain().channel).try_into().expect("one chain");
        assert_eq!((head.whole, Some(head.newest)), (whole, known.last().copied()));
    }
    let delivered: Vec<u64> = index.inbox(3).map(|spot| spot.number).collect();
    assert_eq!(delivered, (4..=record).collect::<Vec<_>>());
}

#[test]
fn what_is_remembered_goes_with_what_is_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut index = Index::open(folder.path()).expect("opens");
    note(&mut index, 1, 1);
    let document = ContentId::of_bytes(b"a document").expect("a name");
    let spot = Spot::new(2, Place { segment: 1, offset: 2 });
    index.note(spot, &Entry::Document(serde_bytes::ByteBuf::from(b"a document".to_vec())));
    index.write().expect("written");
    assert!(index.newest(&chain()).is_some() && index.has_document(&document));
    index.clear().expect("cleared");
    assert!(index.newest(&chain()).is_none() && !index.has_document(&document));
    assert!(numbers(&index, 1, 9).is_empty() && index.inbox(0).next().is_none());
}
