//! A file in a folder, from its first block to its last.

use super::super::stage::stage;
use super::*;
use crate::test_kit::cid;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn staged(content: &[u8], key: Option<&FileKey>) -> (tempfile::TempDir, Held, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let made = stage(&mut &content[..], folder.path(), &cid("channel"), key, 1024, &mut |_| {});
    let (id, size) = made.expect("staged");
    let held = Held::open(folder.path(), &id).expect("opens");
    (folder, held, size)
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n * n / 7 % 256).expect("a byte")).collect()
}

#[test]
fn a_file_goes_from_one_folder_to_another_block_by_block() {
    let content = content(10_000);
    let key = FileKey::new([1; 32]);
    for key in [None, Some(&key)] {
        let (_from, whole, size) = staged(&content, key);
        let to = tempfile::tempdir().expect("a folder");
        let manifest = Manifest::parse(&whole.read(Part::Manifest).expect("here"));
        let manifest = manifest.expect("a manifest");
        let list = whole.read(Part::List(0)).expect("here");
        let other = Held::begin(to.path(), whole.id(), &manifest, &[list]).expect("begun");
        let mut got = Vec::new();
        assert!(other.write_content(key, size, &mut got, &mut |_| {}).is_err());
        for number in [3, 1, 0, 7] {
            let block = whole.read(Part::Block(number)).expect("here");
            assert!(other.put(number + 1, &block).is_err(), "another's place");
            other.put(number, &block).expect("put");
        }
        assert_eq!(other.count(), 4);
        other.sync().expect("durable");
        drop(other);
        // After a break it goes on.
        let other = Held::open(to.path(), whole.id()).expect("opens");
        assert_eq!(other.count(), 4);
        for number in (0..manifest.blocks()).filter(|n| !other.has(*n)).collect::<Vec<_>>() {
            let block = whole.read(Part::Block(number)).expect("here");
            other.put(number, &block).expect("put");
        }
        assert!(other.is_whole());
        other.write_content(key, size, &mut got, &mut |_| {}).expect("whole");
        assert!(got.ends_with(&content));
    }
}

#[test]
fn what_is_named_is_found_where_it_is_here() {
    // The same block three times.
    let (_folder, held, _) = staged(&[7; 3 * 1024], None);
    let digest = digest_of(&[7; 1024]);
    assert_eq!(held.find(&digest), Some(Part::Block(0)));
    held.bits().set(0, false);
    assert_eq!(held.find(&digest), Some(Part::Block(1)));
    held.bits().set(1, false);
    held.bits().set(2, false);
    assert_eq!(held.find(&digest), None);
    assert_eq!(held.find(&[0; 32]), None);
    let manifest = held.read(Part::Manifest).expect("here");
    assert_eq!(held.find(&digest_of(&manifest)), Some(Part::Manifest));
    let list = held.read(Part::List(0)).expect("here");
    assert_eq!(held.find(&digest_of(&list)), Some(Part::List(0)));
}

#[test]
fn what_is_damaged_on_disk_is_not_given() {
    let (folder, held, size) = staged(&content(5000), None);
    held.blocks.write_all_at(b"!", 2048).expect("written");
    assert_eq!(held.read(Part::Block(2)), Err(FileError::Damaged(2)));
    assert_eq!((held.count(), held.is_whole()), (4, false));
    let mut nowhere = Vec::new();
    let joined = held.write_content(None, size, &mut nowhere, &mut |_| {});
    assert_eq!(joined, Err(FileError::Damaged(2)));
    held.blocks.write_all_at(b"!", 4096).expect("written");
    assert_eq!(held.damaged(&mut |_| {}), [2, 4]);
    // Nor is what a manifest or a list does not name.
    let id = held.id().clone();
    drop(held);
    let mut digests = std::fs::read(folder.path().join(DIGESTS)).expect("read");
    digests[0] ^= 1;
    std::fs::write(folder.path().join(DIGESTS), digests).expect("written");
    assert!(Held::open(folder.path(), &id).is_err());
    assert!(Held::open(folder.path(), &cid("other")).is_err());
}

#[test]
fn what_says_what_is_here_and_cannot_be_read_is_made_anew_from_the_blocks() {
    let (folder, held, _) = staged(&content(5000), None);
    let id = held.id().clone();
    held.blocks.write_all_at(b"!", 2048).expect("written");
    drop(held);
    for bytes in [vec![], vec![2, 0x1f], vec![1], vec![1, 0xff], vec![1, 0x1f, 0]] {
        std::fs::write(folder.path().join(HAVE), bytes).expect("written");
        let held = Held::open(folder.path(), &id).expect("opens");
        assert_eq!((held.count(), held.has(2), held.is_unsaved()), (4, false, true));
    }
    std::fs::write(folder.path().join(HAVE), [1, 0x15]).expect("written");
    assert_eq!(Held::open(folder.path(), &id).expect("opens").count(), 3);
}

proptest! {
    #[test]
    fn what_is_missing_is_found_once(
        here in proptest::collection::btree_set(0_u64..30, 0..30),
        from in 0_u64..40,
    ) {
        let (_folder, held, _) = staged(&content(30 * 1024), None);
        (0..30).for_each(|n| held.bits().set(n, here.contains(&n)));
        let mut found = BTreeSet::<u64>::new();
        while let Some(number) = held.missing_from(from, &|n: u64| found.contains(&n)) {
            let after: Vec<u64> = (from..30).chain(0..from.min(30)).collect();
            let first = after.iter().find(|n| !here.contains(n) && !found.contains(n));
            prop_assert_eq!(Some(&number), first);
            found.insert(number);
        }
        prop_assert_eq!(found.len() + here.len(), 30);
    }

    #[test]
    fn bits_are_those_that_were_set(
        blocks in 1_u64..70,
        set in proptest::collection::vec((0_u64..70, any::<bool>()), 0..100),
    ) {
        let mut bits = Bits::of(blocks, false);
        let mut model = std::collections::BTreeSet::new();
        for (number, here) in set.into_iter().filter(|(n, _)| *n < blocks) {
            bits.set(number, here);
            if here { model.insert(number); } else { model.remove(&number); }
        }
        prop_assert_eq!(bits.count, model.len() as u64);
        prop_assert_eq!(Bits::decode(&bits.encode(), blocks), Some(bits));
    }
}

/// `/dev/full` refuses what is written as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_costs_nothing_that_is_here() {
    let (_from, whole, _) = staged(&content(10_000), None);
    let to = tempfile::tempdir().expect("a folder");
    let manifest = whole.manifest().clone();
    let list = whole.read(Part::List(0)).expect("here");
    let block = |number| whole.read(Part::Block(number)).expect("here");
    let held = Held::begin(to.path(), whole.id(), &manifest, &[list]).expect("begun");
    held.put(0, &block(0)).expect("put");
    held.sync().expect("durable");
    drop(held);
    let (blocks, aside) = (to.path().join(BLOCKS), to.path().join("aside"));
    std::fs::rename(&blocks, &aside).expect("aside");
    std::os::unix::fs::symlink("/dev/full", &blocks).expect("a full disk");
    let held = Held::open(to.path(), whole.id()).expect("opens");
    let refused = held.put(1, &block(1)).expect_err("there is no room");
    assert!(matches!(refused, FileError::Full(_)), "{refused:?}");
    assert_eq!(refused.code(), crate::codes::FILE_FULL);
    assert!(!held.has(1) && held.count() == 1);
    std::fs::rename(&aside, &blocks).expect("room again");
    let held = Held::open(to.path(), whole.id()).expect("opens");
    assert_eq!(held.count(), 1);
    for number in 1..manifest.blocks() {
        held.put(number, &block(number)).expect("put");
    }
    assert!(held.is_whole() && held.read(Part::Block(0)).expect("here") == block(0));
}
