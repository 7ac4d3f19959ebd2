//! `kill -9` on a command at any moment of its work: what it had acknowledged is there, every
//! way in has its owner, and nothing is half.

use crate::common::Place;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often each command is killed.
const KILLS: u32 = 30;

/// How many calls had answered when they were killed, and how many had not.
#[derive(Debug, Default)]
struct Tally {
    silent: u32,
    answered: u32,
}

impl Tally {
    /// A kill at `n` of `KILLS` parts of the time that the whole call takes, and somewhat more, so
    /// that the moments are spread over all of it; every fifth at the first word of the answer.
    /// Gives what it had said.
    fn kill(&mut self, place: &Place, n: u32, whole: Duration, args: &[&str]) -> String {
        let moment = whole * (n + 1) * 3 / (KILLS * 2);
        let started = Instant::now();
        let mut command = place.bare();
        let mut child = command
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut stdout = child.stdout.take().expect("a pipe");
        let mut said = vec![0];
        if n % 5 == 4 {
            stdout.read_exact(&mut said).expect("it answers");
        } else {
            said.clear();
            while started.elapsed() < moment {
                std::hint::spin_loop();
            }
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        stdout.read_to_end(&mut said).expect("what was in the pipe");
        if said.is_empty() {
            self.silent += 1;
        } else {
            self.answered += 1;
        }
        String::from_utf8(said).expect("text")
    }

    /// A test that kills nothing, or everything before it works, proves nothing.
    fn told(&self, what: &str) {
        println!("{what}: {KILLS} kills, {} of them after its answer", self.answered);
        assert!(self.silent > 0 && self.answered > 0, "{what}: {self:?}");
    }
}

/// How long a call takes that nobody kills.
fn time_of(place: &Place, args: &[&str]) -> Duration {
    let started = Instant::now();
    let ran = place.run_bare(args);
    assert_eq!(ran.status, 0, "{args:?}: {}", ran.stderr);
    started.elapsed()
}

#[test]
fn a_wallet_that_is_there_after_a_kill_has_its_words() {
    let place = Place::new();
    let init = |name: &str, words: &str| {
        let secret = ["--passphrase-file", "passphrase.txt", "init", "--name"];
        [&secret[..], &[name, "--recovery-out", words]].concat().join(" ")
    };
    let call = init("first", "first.txt");
    let whole = time_of(&place, &call.split(' ').collect::<Vec<_>>());
    let mut tally = Tally::default();
    for n in 0..KILLS {
        let (name, words) = (format!("w{n}"), format!("w{n}.txt"));
        let call = init(&name, &words);
        let said = tally.kill(&place, n, whole, &call.split(' ').collect::<Vec<_>>());
        let is_there = place.path(&format!("home/profiles/{name}")).exists();
        assert!(is_there || said.is_empty(), "it was acknowledged");
        if is_there {
            let open = ["id", "list", "--profile", &name, "--recovery-file", &words];
            place.ok(&open);
        } else {
            // Another try is not in the way of the first.
            let again = ["init", "--name", &name, "--recovery-out", "again.txt"];
            place.ok(&again);
            std::fs::remove_file(place.path("again.txt")).expect("written");
        }
    }
    tally.told("init");
    place.ok(&["init", "--name", "last", "--recovery-out", "last.txt"]);
    let names = std::fs::read_dir(place.path("home/profiles")).expect("a folder");
    let names = names.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    let left: Vec<_> = names.filter(|n| n.starts_with("Partial-")).collect();
    assert!(left.is_empty(), "what killed calls left is still there: {left:?}");
    let list = place.ok_json("gridpass.wallet.list/1", &["wallet", "list"]);
    let count = list["profiles"].as_array().map(Vec::len);
    assert_eq!(count, Some(KILLS as usize + 2), "a part of a wallet passes for one");
}

#[test]
fn a_recovery_slot_that_is_there_after_a_kill_has_its_words() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let add = |words: &str| {
        let call = "--recovery-file words.txt wallet slots add-recovery --recovery-out";
        format!("{call} {words}")
    };
    let slots = || {
        let list = place.ok_json("gridpass.wallet.slots/1", &["wallet", "slots", "list"]);
        let ids = list["slots"].as_array().expect("slots").iter();
        ids.map(|s| s["id"].to_string()).collect::<Vec<_>>()
    };
    let whole = time_of(&place, &add("first.txt").split(' ').collect::<Vec<_>>());
    let remove = |id: &str| {
        let args = ["wallet", "slots", "remove", id, "--recovery-file", "words.txt"];
        place.ok(&args);
    };
    remove("3");
    let mut tally = Tally::default();
    for n in 0..KILLS {
        let words = format!("w{n}.txt");
        tally.kill(&place, n, whole, &add(&words).split(' ').collect::<Vec<_>>());
        let backup = format!("b{n}.gpb");
        place.ok(&["wallet", "backup", "-o", &backup]);
        let ids = slots();
        // Whose words the backup is for, they are in a file.
        let holder = if ids.len() == 3 { words.as_str() } else { "words.txt" };
        if ids.len() == 3 {
            let verify = ["wallet", "backup-verify", &backup, "--recovery-file", holder];
            place.ok(&verify);
            remove(&ids[2]);
        }
    }
    tally.told("slots add-recovery");
    let list = place.ok(&["id", "list", "--recovery-file", "words.txt"]);
    assert!(list.text().contains(&did));
}

#[test]
fn an_identity_that_was_told_is_there_after_a_kill() {
    let place = Place::with_wallet();
    let new = |name: &str| format!("--recovery-file words.txt id new --name {name}");
    let whole = time_of(&place, &new("first").split(' ').collect::<Vec<_>>());
    let mut tally = Tally::default();
    let mut told = Vec::new();
    for n in 0..KILLS {
        let call = new(&format!("n{n}"));
        let said = tally.kill(&place, n, whole, &call.split(' ').collect::<Vec<_>>());
        told.extend(said.lines().find(|l| l.starts_with("did:key:")).map(str::to_owned));
    }
    tally.told("id new");
    let list = place.ok(&["id", "list", "--recovery-file", "words.txt"]);
    for did in &told {
        assert!(list.text().contains(did.as_str()), "{did} was acknowledged and is lost");
    }
    assert!(!told.is_empty());
}

#[test]
fn a_restore_that_was_killed_is_there_whole_or_not_at_all() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    place.ok(&["wallet", "backup", "-o", "b.gpb"]);
    let restore = |profile: &str| {
        format!("wallet restore b.gpb --recovery-file words.txt --profile {profile}")
    };
    let whole = time_of(&place, &restore("first").split(' ').collect::<Vec<_>>());
    let mut tally = Tally::default();
    for n in 0..KILLS {
        let profile = format!("r{n}");
        let call = restore(&profile);
        let words = call.split(' ').collect::<Vec<_>>();
        tally.kill(&place, n, whole, &words);
        if !place.path(&format!("home/profiles/{profile}")).exists() {
            place.ok(&words);
        }
        let list = ["id", "list", "--profile", &profile, "--recovery-file", "words.txt"];
        assert!(place.ok(&list).text().contains(&did), "half a wallet");
    }
    tally.told("wallet restore");
}

#[test]
fn a_backup_that_was_killed_is_there_whole_or_not_noted() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    let whole = time_of(&place, &["wallet", "backup", "-o", "first.gpb"]);
    let noted = || {
        let status = place.ok_json("gridpass.wallet.status/1", &["wallet", "status"]);
        status["wallet"]["diary"]["last_backup"].as_str().expect("a time").to_owned()
    };
    let mut tally = Tally::default();
    for n in 0..KILLS {
        let before = noted();
        let file = format!("b{n}.gpb");
        let said = tally.kill(&place, n, whole, &["wallet", "backup", "-o", &file]);
        let is_there = place.path(&file).exists();
        assert!(is_there || (said.is_empty() && noted() == before), "it is noted and not there");
        if is_there {
            place.ok(&["wallet", "backup-verify", &file, "--recovery-file", "words.txt"]);
        }
    }
    tally.told("wallet backup");
}

#[test]
fn one_passphrase_opens_a_wallet_whose_change_was_killed() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    place.write("other.txt", "another passphrase\n");
    let (mut old, mut new) = ("passphrase.txt", "other.txt");
    let change = |old: &str, new: &str| {
        format!("--passphrase-file {old} wallet passphrase --new-passphrase-file {new}")
    };
    let call = change(old, new);
    let whole = time_of(&place, &call.split(' ').collect::<Vec<_>>());
    (old, new) = (new, old);
    let mut tally = Tally::default();
    for n in 0..KILLS {
        let call = change(old, new);
        let said = tally.kill(&place, n, whole, &call.split(' ').collect::<Vec<_>>());
        let opens = |file: &str| {
            let ran = place.run(&["--json", "id", "list", "--passphrase-file", file]);
            assert!(matches!(ran.status, 0 | 4), "{ran:?}");
            ran.status == 0
        };
        let changed = opens(new);
        assert_ne!(changed, opens(old), "one of the two opens, and one only");
        assert!(changed || said.is_empty(), "it was acknowledged");
        let list = place.ok(&["id", "list", "--recovery-file", "words.txt"]);
        assert!(list.text().contains(&did));
        if changed {
            (old, new) = (new, old);
        }
    }
    tally.told("wallet passphrase");
}
