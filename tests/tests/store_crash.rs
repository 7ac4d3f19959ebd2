//! The node's store under `kill -9` at random moments, and on a disk that is full: no acknowledged
//! envelope is lost, none is delivered twice, and the log is whole.

#![allow(missing_docs, clippy::print_stdout)]

use gridpass_credentials::content_id::EnvelopeId;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::store::Store;
use gridpass_tests::dice::Dice;
use gridpass_tests::messages::{Sender, kept, scene};
use gridpass_tests::world::NOW;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// How often the writer is killed.
const KILLS: usize = 200;

/// The sender, with its chain as far as the store has it.
fn resume(store: &Store) -> Sender {
    let (_, mut sender, _) = scene();
    let chain = Chain::of(&sender.header("GB-1", NOW));
    if let Some(newest) = store.newest(&chain) {
        sender.sent = newest;
        sender.last = store.at(&chain, newest).map(|link| link.id);
    }
    sender
}

/// Not a test of its own: the process that is killed. It tells each envelope once it is durable.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os("GRIDPASS_CRASH_DIR") else { return };
    let (mut store, found) = Store::open(Path::new(&dir)).expect("opens");
    assert!(found.log.damaged.is_empty(), "{found:?}");
    let mut sender = resume(&store);
    let mut out = std::io::stdout().lock();
    for round in 0_usize.. {
        let mut ids = Vec::new();
        for member in 0..=(round % 3) {
            let header = sender.header("GB-1", NOW);
            let size = [10, 700, 5_000, 90_000][(round + member) % 4];
            let made = sender.sign(header, &vec![b'x'; size]);
            sender.sent += 1;
            sender.last = Some(made.id().clone());
            store.stage_envelope(&made, kept(&made)).expect("stages");
            ids.push(made.id().clone());
        }
        if let Err(e) = store.commit(NOW) {
            // A full disk: told, and nothing of it was acknowledged.
            writeln!(out, "refused {}", e.code()).and_then(|()| out.flush()).expect("heard");
            return;
        }
        for id in ids {
            writeln!(out, "ack {id}").expect("the parent listens");
        }
        out.flush().expect("the parent listens");
    }
}

fn note(line: &str, acknowledged: &mut Vec<EnvelopeId>) -> bool {
    let id = line.strip_prefix("ack ").and_then(|id| EnvelopeId::parse(id).ok());
    let found = id.is_some();
    acknowledged.extend(id);
    found
}

fn check(dir: &Path, acknowledged: &[EnvelopeId]) {
    let (store, found) = Store::open(dir).expect("opens");
    assert!(found.log.damaged.is_empty(), "{found:?}");
    for id in acknowledged {
        assert!(store.has(id), "{id} was acknowledged");
        let (_, kept) = store.envelope(id).expect("it can be read");
        assert_eq!(kept.envelope().expect("an envelope").id(), id);
    }
    let inbox = store.inbox(0, usize::MAX);
    let ids: BTreeSet<_> =
        inbox.iter().map(|(_, k)| k.envelope().expect("an envelope").id().clone()).collect();
    assert_eq!(ids.len(), inbox.len(), "none is delivered twice");
    assert!(inbox.is_sorted_by(|a, b| a.0 < b.0), "in order, each number once");
    // One chain without a gap or a fork, and at most one group that was not acknowledged.
    let heads = store.heads(&resume(&store).channel);
    assert!(heads.iter().all(|h| h.newest == h.whole), "{heads:?}");
    assert!(ids.len() <= acknowledged.len() + 3 * KILLS, "nothing comes from nowhere");
}

#[test]
fn no_acknowledged_envelope_is_lost_in_two_hundred_kills() {
    let place = tempfile::tempdir().expect("a folder");
    let dir = place.path().join("store");
    let mut dice = Dice::printed();
    let mut acknowledged = Vec::new();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "writer", "--nocapture"])
            .env("GRIDPASS_CRASH_DIR", &dir)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the writer starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let (wanted, mut seen) = (1 + dice.below(12), 0);
        while seen < wanted {
            let line = lines.next().expect("the writer goes on").expect("text");
            seen += u64::from(note(&line, &mut acknowledged));
        }
        for _ in 0..dice.below(300_000) {
            std::hint::spin_loop();
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // What it told before it died counts too.
        lines.map_while(Result::ok).for_each(|line| {
            note(&line, &mut acknowledged);
        });
        if kill % 20 == 19 {
            check(&dir, &acknowledged);
        }
        if kill == KILLS / 2 {
            // Without its index nothing is lost either.
            std::fs::remove_dir_all(dir.join("index")).expect("removes");
        }
    }
    check(&dir, &acknowledged);
    println!("{KILLS} kills, {} acknowledged envelopes, none lost", acknowledged.len());
    assert!(acknowledged.len() >= KILLS);
}

/// A limit on the size of files stands for the full disk: the system refuses the write in the same
/// place.
#[test]
#[cfg(unix)]
fn a_full_disk_is_told_and_loses_nothing() {
    let place = tempfile::tempdir().expect("a folder");
    let dir = place.path().join("store");
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    let exe = std::env::current_exe().expect("this test");
    // In blocks of 512 bytes: sled's own file takes 1024 of them.
    for blocks in [1100, 1600, 2500] {
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} --exact writer --nocapture",
            exe.display()
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .env("GRIDPASS_CRASH_DIR", &dir)
            .output()
            .expect("a shell");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            note(line, &mut acknowledged);
            refused += usize::from(line == "refused GP-LOG-IO");
        }
        check(&dir, &acknowledged);
    }
    assert!(refused > 0, "no write was refused");
    assert!(!acknowledged.is_empty());
}
