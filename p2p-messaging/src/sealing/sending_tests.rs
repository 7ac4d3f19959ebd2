use super::super::allowance::{JOINS_AN_HOUR, LEAST_COST, join_pause};
use super::super::{AsOf, Member, Opening, Ring, Standing};
use super::*;
use crate::envelope::Envelope;
use crate::store::{Entry, Kept, Store};
use crate::test_kit::{NOW, cid, did_of, header, key};
use gridpass_identity::time::UnixMillis;
use serde_bytes::ByteBuf;
use std::collections::BTreeSet;

const DAY: u64 = 24 * 3600 * 1000;
const FREE: Terms = Terms { longest_millis: DAY, spent: 0 };
const AS_OF: AsOf = AsOf { changes: 0, now: NOW };

fn member(number: u8) -> Member {
    let node = did_of(&key(number)).did().clone();
    Member { participant: node.clone(), node, authorisation: None, presentation: cid("p") }
}

fn standing(may: bool) -> Standing {
    Standing { may, until: UnixMillis::MAX }
}

fn circle(of: &[u8]) -> Circle {
    let mut circle = Circle::default();
    for number in of {
        circle.heard(member(*number), standing(true), AS_OF);
    }
    circle
}

fn at(sequence: u64, after: u64) -> Header {
    let mut header = header(&key(1));
    header.sequence = sequence;
    header.issued = NOW.plus_millis(after);
    if sequence > 1 {
        let one = Envelope::sign(self::header(&key(1)), b"{}".to_vec(), &key(1)).expect("signed");
        header.previous = Some(one.id().clone());
    }
    header
}

fn fresh(number: u8) -> ChainKey {
    ChainKey::new([number; 32])
}

fn begins(circle: &mut Circle, header: &Header, terms: Terms, number: u8) -> bool {
    circle.epoch_for(header, terms, fresh(number)).expect("an epoch").beginning.is_some()
}

/// A message as a sender makes and keeps it: what is staged, and what it was sealed with.
struct Made {
    envelope: Envelope,
    epoch: InEpoch,
    document: Option<Vec<u8>>,
}

fn make(circle: &mut Circle, payload: &[u8], (fresh_key, nonce): (u8, u8)) -> Made {
    let mut header = at(1, 0);
    let mut epoch = circle.epoch_for(&header, FREE, fresh(fresh_key)).expect("an epoch");
    let sealed = epoch.seal(&mut header, payload, [nonce; 12]).expect("sealed");
    let document = epoch.beginning.take().map(|b| b.document);
    let envelope = Envelope::sign(header, sealed, &key(1)).expect("signed");
    Made { envelope, epoch, document }
}

impl Made {
    fn stage(&self, store: &mut Store) {
        if let Some(document) = &self.document {
            store.stage(Entry::Epoch(ByteBuf::from(document.clone()))).expect("staged");
        }
        let kept = Kept {
            envelope: ByteBuf::from(self.envelope.to_wire().expect("a payload")),
            whole: true,
            allowed: true,
            deliver: false,
            caught_up: false,
            at: NOW,
            arrived: None,
            admission: cid("admission"),
            payload: None,
            sealing: None,
            sent_last_minute: None,
            reasons: Vec::new(),
        };
        store.stage(Entry::Envelope(Box::new(kept))).expect("staged");
    }

    fn nonce(&self) -> Vec<u8> {
        let bytes = self.envelope.payload().expect("a payload");
        // What SealedPayload writes: the label 5 and a byte string of 12.
        let at = bytes.windows(2).position(|w| w == [0x05, 0x4c]).expect("a nonce");
        bytes[at + 2..at + 14].to_vec()
    }
}

/// The number of a message that could not be kept is used again, for another one: what was sealed for
/// the first is sealed with a key that seals nothing else.
#[test]
fn a_number_that_is_used_again_is_sealed_with_another_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("a store");
    let mut circle = circle(&[2]);
    let taken = folder.path().join(format!("{:020}.gplog", 1));
    std::fs::create_dir(&taken).expect("in the way");
    let lost = make(&mut circle, b"five", (7, 1));
    lost.stage(&mut store);
    store.commit(NOW).expect_err("there is no room");
    // What the node does then. Without it the key would be the same.
    let same = make(&mut circle, b"nine", (8, 2));
    assert!(same.epoch.key == lost.epoch.key && same.document.is_none());
    circle.begin_anew();
    std::fs::remove_dir(&taken).expect("room again");
    let kept = make(&mut circle, b"nine", (8, 2));
    kept.stage(&mut store);
    store.commit(NOW).expect("kept");
    let number = |m: &Made| m.envelope.header().sequence;
    assert_eq!(number(&lost), number(&kept), "the number is used again");
    let keys: BTreeSet<_> = [&lost, &kept].map(|m| *m.epoch.key.message().expose()).into();
    let chains: BTreeSet<_> = [&lost, &kept].map(|m| *m.epoch.key.expose()).into();
    let nonces: BTreeSet<_> = [&lost, &kept].map(Made::nonce).into();
    assert_eq!((keys.len(), chains.len(), nonces.len()), (2, 2, 2));
    assert_ne!(lost.epoch.id, kept.epoch.id);
    // Each opens with its own key alone, and only the second is known of.
    let chain = Chain::of(kept.envelope.header());
    assert!(store.document(&lost.epoch.id).is_none());
    let document = store.document(&kept.epoch.id).expect("kept");
    let mut ring = Ring::default();
    let own = Epoch::parse(&document).expect("an epoch").take(&member(2).node, &key(2));
    ring.insert(&chain, &own.expect("for it"));
    assert_eq!(ring.open(&lost.envelope), Opening::NoKey);
    assert!(matches!(ring.open(&kept.envelope), Opening::Open(p) if p.as_slice() == b"nine"));
}

#[test]
fn a_sender_begins_no_more_epochs_than_others_take() {
    let mut circle = circle(&[2, 3]);
    let left = |spent| Terms { spent, ..FREE };
    // As much as one costs is left: it begins. A byte less: it is said that none does, and the message
    // is sealed to nobody who may not read.
    let most = OWN_EPOCHS_AN_HOUR - LEAST_COST;
    let refused = circle.epoch_for(&at(1, 0), left(most + 1), fresh(1)).err().expect("refused");
    assert_eq!(refused.code(), crate::codes::SEALING_EPOCHS);
    assert!(refused.to_string().contains(&OWN_EPOCHS_AN_HOUR.to_string()), "{refused}");
    assert!(begins(&mut circle, &at(1, 0), left(most), 1));
    assert!(!begins(&mut circle, &at(2, 1), left(OWN_EPOCHS_AN_HOUR), 2), "it goes on");
    circle.judge(AsOf { changes: 1, now: NOW }, &[], 9, |m| standing(m.node != member(3).node));
    let refused = circle.epoch_for(&at(3, 2), left(most + 1), fresh(3)).err().expect("refused");
    assert_eq!(refused.code(), crate::codes::SEALING_EPOCHS);
    // In the next hour it goes on, without the one whose right ended.
    assert!(begins(&mut circle, &at(3, 2), FREE, 3));
}

#[test]
fn who_joins_waits_for_an_epoch_as_long_as_room_is_kept_for_whose_right_ends() {
    let mut circle = circle(&[2]);
    assert!(begins(&mut circle, &at(1, 0), FREE, 1));
    circle.heard(member(3), standing(true), AS_OF);
    let spent = Terms { spent: JOINS_AN_HOUR, ..FREE };
    // Handed the key beside it, however often something is sent.
    assert!(!begins(&mut circle, &at(2, 600_000), spent, 2));
    assert!(begins(&mut circle, &at(3, 600_001), FREE, 3), "there is room");
    // It is not known to have joined, and its right ends all the same.
    circle.heard(member(4), standing(true), AS_OF);
    assert!(!begins(&mut circle, &at(4, 600_002), spent, 4), "it is granted this one");
    circle.judge(AsOf { changes: 1, now: NOW }, &[], 9, |m| standing(m.node != member(4).node));
    assert!(begins(&mut circle, &at(5, 600_003), spent, 5));
}

#[test]
fn the_larger_an_epoch_the_longer_who_joins_waits_for_another() {
    let many: Vec<u8> = (2..202).collect();
    let mut circle = circle(&many);
    let made = circle.epoch_for(&at(1, 0), FREE, fresh(1)).expect("an epoch");
    let cost = made.beginning.expect("it begins").epoch.cost();
    let pause = join_pause(cost);
    assert!(pause > 15_000, "{pause}");
    circle.heard(member(202), standing(true), AS_OF);
    assert!(!begins(&mut circle, &at(2, pause - 1), FREE, 2));
    assert!(begins(&mut circle, &at(3, pause), FREE, 3));
}
