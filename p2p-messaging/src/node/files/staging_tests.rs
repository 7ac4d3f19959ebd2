//! Folders of files: made, removed and found again whole, or not at all; and what messages may change.

use super::here::FileHere;
use super::library::{Files, files_of};
use super::rights::PeerRights;
use super::*;
use crate::exchange::Library as _;
use crate::files::held::Part;
use crate::files::stage::stage;
use crate::files::{Held, Reference};
use crate::test_kit::{NOW, cid, did_of, key};
use libp2p::PeerId;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

fn did(n: u8) -> Did {
    did_of(&key(n)).did().clone()
}

fn offer(message: &str, channel: &str, sender: u8, recipients: &[u8]) -> Offer {
    Offer {
        message: EnvelopeId::of_block(message.as_bytes()).expect("a name"),
        channel: cid(channel),
        sender: did(sender),
        recipients: recipients.iter().map(|n| did(*n)).collect(),
        issued: NOW,
    }
}

fn reference(id: &ContentId, size: u64, name: &str) -> Reference {
    let (name, media_type) = (name.to_owned(), "text/plain".to_owned());
    Reference { manifest: id.clone(), size, name, media_type, key: None }
}

/// A folder with a file of a channel, as it is kept.
fn keep(place: &Path, content: &[u8]) -> ContentId {
    let made = place.join("new-made");
    std::fs::create_dir_all(&made).expect("a folder");
    let (id, _) =
        stage(&mut &content[..], &made, &cid("channel"), None, 1024, &mut |_| {}).expect("staged");
    FileHere::new(&made, &id, None).change(|_| ()).expect("a state");
    std::fs::rename(&made, place.join(id.as_str())).expect("in its place");
    id
}

fn open(place: &Path) -> (Files, Vec<String>) {
    Files::open(place, &PeerId::random()).expect("opens")
}

/// Waits for what is removed behind the back.
fn is_gone(path: &Path) {
    let began = SystemTime::now();
    while path.exists() {
        assert!(began.elapsed().is_ok_and(|e| e < Duration::from_secs(20)), "{path:?} stays");
        std::thread::yield_now();
    }
}

#[test]
fn a_file_that_was_removed_twice_does_not_come_back() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = files_of(place.path());
    std::fs::create_dir_all(&folder).expect("a folder");
    let id = keep(&folder, &[7; 5000]);
    // Killed in the middle of an earlier removal of it.
    let left = folder.join(format!("new-removed-{id}"));
    std::fs::create_dir(&left).expect("a folder");
    std::fs::write(left.join("blocks"), b"left").expect("written");
    let (files, unread) = open(place.path());
    assert!(unread.is_empty() && files.len() == 1, "{unread:?}");
    is_gone(&left);
    std::fs::create_dir(&left).expect("a folder");
    std::fs::write(left.join("blocks"), b"left").expect("written");
    files.remove(&id).expect("removed");
    assert!(!folder.join(id.as_str()).exists());
    keep(&folder, &[7; 5000]);
    let (files, _) = open(place.path());
    files.remove(&id).expect("removed once more");
    drop(files);
    let (files, unread) = open(place.path());
    assert!(files.len() == 0 && unread.is_empty(), "it came back: {unread:?}");
    is_gone(&left);
}

#[test]
fn what_was_cut_and_never_sent_is_cleared_away_after_a_day_while_the_node_runs() {
    let place = tempfile::tempdir().expect("a folder");
    let (files, _) = open(place.path());
    let (old, young) = (files.folder.join("new-old"), files.folder.join("new-young"));
    for made in [&old, &young] {
        std::fs::create_dir(made).expect("a folder");
    }
    let yesterday = SystemTime::now().checked_sub(library::UNUSED * 2).expect("a time");
    std::fs::File::open(&old).expect("opens").set_modified(yesterday).expect("made old");
    files.clear_away();
    is_gone(&old);
    assert!(young.is_dir());
}

#[test]
fn nobody_is_given_a_file_by_a_message_that_only_names_it() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = files_of(place.path());
    std::fs::create_dir_all(&folder).expect("a folder");
    let id = keep(&folder, &[7; 5000]);
    let (files, _) = open(place.path());
    let here = files.get(&id).expect("there");
    let [recipient, author] = [PeerId::random(), PeerId::random()];
    for (peer, number) in [(recipient, 2), (author, 3)] {
        let may = BTreeMap::from([(cid("channel"), NOW), (cid("other"), NOW)]);
        let rights = PeerRights { participant: Some(did(number)), only: None, may };
        files.rights.set(peer, Some(rights));
    }
    let digest = here.held().and_then(|h| h.digest(0).copied()).expect("a digest");
    let block = crate::files::manifest::cid_of(&digest).expect("a CID");
    let given = |to: &PeerId| files.block(to, &block).is_some();
    let mine = offer("mine", "channel", 1, &[2]);
    here.offered(mine.clone(), &reference(&id, 5000, "first"), false).expect("kept");
    assert!(!given(&recipient) && !given(&author));
    here.vouch(&mine.message).expect("kept");
    assert!(given(&recipient) && !given(&author));
    // Somebody who may read the channel, and is no recipient; and in a channel of its own.
    for theirs in [offer("theirs", "channel", 3, &[]), offer("elsewhere", "other", 3, &[])] {
        here.offered(theirs.clone(), &reference(&id, 9, "theirs"), true).expect("kept");
        assert!(!given(&author), "{theirs:?}");
    }
    here.vouch(&offer("elsewhere", "other", 3, &[]).message).expect("kept");
    assert!(!given(&author), "its manifest is of another channel");
    // Nor is it called otherwise now, and all of that after a restart too.
    let (files, _) = open(place.path());
    let state = files.get(&id).expect("there").state();
    assert_eq!((state.name.as_str(), state.size), ("first", 5000));
    assert!(state.vouched.contains(&mine.message) && state.offers.len() == 3);
    // A recipient may pass it on; who may not have it cannot.
    files.rights.set(recipient, None);
    let rights = |n| PeerRights {
        participant: Some(did(n)),
        only: None,
        may: BTreeMap::from([(cid("channel"), NOW)]),
    };
    files.rights.set(recipient, Some(rights(2)));
    files.rights.set(author, Some(rights(3)));
    assert!(files.rights.entitled(&did(2), [&mine]) && !files.rights.entitled(&did(3), [&mine]));
}

#[test]
fn what_is_here_and_not_durable_is_not_whole_yet() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = files_of(place.path());
    std::fs::create_dir_all(&folder).expect("a folder");
    let id = keep(&folder, &[7; 5000]);
    let (files, _) = open(place.path());
    let here = files.get(&id).expect("there");
    here.change(|state| state.wanted = true).expect("kept");
    assert!(!here.should_run());
    assert_eq!(here.show()["state"], "whole");
    let held = here.held().expect("held");
    held.put(0, &held.read(Part::Block(0)).expect("here")).expect("put");
    here.live().failed = Some(crate::files::FileError::Io("no room".into()));
    assert!(here.should_run(), "it is written once more when the operator says so");
    assert_eq!(here.show()["state"], "stopped");
    held.sync().expect("durable");
    here.live().failed = None;
    assert_eq!(here.show()["state"], "whole");
    drop(Held::open(&folder.join(id.as_str()), &id).expect("opens"));
}
