//! Files are forgotten with the last message that refers to them.

use super::*;
use crate::files::Reference;
use crate::test_kit::{NOW, cid, did_of, key};
use gridpass_credentials::content_id::EnvelopeId;
use std::fs::File;

const HOUR: u64 = 3_600_000;

/// A file to which messages refer that were sent so many hours ago, each in a channel.
fn file(files: &Files, name: &str, messages: &[(&str, u64)]) -> ContentId {
    let id = cid(name);
    let folder = files.folder.join(id.as_str());
    std::fs::create_dir(&folder).expect("a folder");
    let here = files.insert(FileHere::new(&folder, &id, None));
    // Wanted and not begun: what it has is its state.
    here.change(|state| state.wanted = true).expect("kept");
    for (channel, hours) in messages {
        let offer = Offer {
            message: EnvelopeId::of_block(format!("{name} {channel} {hours}").as_bytes())
                .expect("a name"),
            channel: cid(channel),
            sender: did_of(&key(1)).did().clone(),
            recipients: Vec::new(),
            issued: UnixMillis::new(NOW.get() - hours * HOUR),
        };
        let reference = Reference {
            manifest: id.clone(),
            size: 1,
            name: name.to_owned(),
            media_type: "text/plain".to_owned(),
            key: None,
        };
        here.offered(offer, &reference, true).expect("offered");
    }
    id
}

#[test]
fn a_file_is_forgotten_when_the_retention_is_over_of_every_message_that_refers_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let me = PeerId::random();
    let (files, _) = Files::open(folder.path(), &me).expect("opens");
    let old = file(&files, "old", &[("day", 25)]);
    let young = file(&files, "young", &[("day", 24)]);
    let again = file(&files, "sent again", &[("day", 25), ("day", 1)]);
    let both = file(&files, "in two channels", &[("day", 25), ("week", 25)]);
    let left = file(&files, "of a channel of which nothing is known", &[("left", 9999)]);
    let unsent = file(&files, "nobody sent it, today", &[]);
    let unused = file(&files, "nobody sent it, yesterday", &[]);
    let yesterday = SystemTime::now().checked_sub(UNUSED * 2).expect("a time");
    let opened = File::open(files.folder.join(unused.as_str())).expect("opens");
    opened.set_modified(yesterday).expect("made old");
    let retentions = HashMap::from([(cid("day"), 24 * HOUR), (cid("week"), 7 * 24 * HOUR)]);
    files.forget(NOW, &retentions);
    let is_there = |files: &Files, id: &ContentId| {
        assert_eq!(files.get(id).is_some(), files.folder.join(id.as_str()).is_dir());
        files.get(id).is_some()
    };
    let stays = [&young, &again, &both, &left, &unsent];
    assert!([&old, &unused].iter().all(|id| !is_there(&files, id)));
    assert!(stays.iter().all(|id| is_there(&files, id)));
    // What is gone stays gone.
    drop(files);
    let (files, unread) = Files::open(folder.path(), &me).expect("opens");
    assert!(unread.is_empty(), "{unread:?}");
    assert!(files.get(&old).is_none() && files.len() == stays.len());
    files.forget(NOW.plus_millis(7 * 24 * HOUR), &retentions);
    assert_eq!(files.len(), 2, "the one that is not known, and the one that is new");
}

#[test]
fn a_file_that_no_message_names_is_removed_when_the_node_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, _) = Files::open(folder.path(), &PeerId::random()).expect("opens");
    let sent = file(&files, "sent", &[("day", 1)]);
    let wanted = file(&files, "to be fetched", &[]);
    let [left, again] = ["cut, and not sent", "cut, sent and not fetched"].map(|name| {
        let id = file(&files, name, &[]);
        files.get(&id).expect("here").change(|state| state.wanted = false).expect("kept");
        id
    });
    let reference = Reference {
        manifest: again.clone(),
        size: 1,
        name: "again".to_owned(),
        media_type: "text/plain".to_owned(),
        key: None,
    };
    let offer = Offer {
        message: EnvelopeId::of_block(b"again").expect("a name"),
        channel: cid("day"),
        sender: did_of(&key(1)).did().clone(),
        recipients: Vec::new(),
        issued: NOW,
    };
    files.get(&again).expect("here").offered(offer, &reference, false).expect("offered");
    files.remove_unsent();
    for stays in [&sent, &wanted, &again] {
        assert!(files.get(stays).is_some() && files.folder.join(stays.as_str()).is_dir());
    }
    assert!(files.get(&left).is_none() && !files.folder.join(left.as_str()).exists());
}
