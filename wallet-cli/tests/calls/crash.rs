//! `kill -9` at random moments: every acknowledged record is there, and nothing else. Commands that
//! are killed: `killed_calls.rs`.

use crate::common::Place;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::{Passphrase, RecoveryPhrase, Unlock};
use gridpass_identity::wallet::store::StoreError;
use gridpass_identity::wallet::{Changes, LockedWallet, Wallet};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often the writer is killed.
const KILLS: usize = 400;
const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_000);

fn rng() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

/// A small generator with a seed that is printed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("GRIDPASS_CRASH_SEED").ok().and_then(|s| s.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            use getrandom::rand_core::Rng as _;
            rng().next_u64() | 1
        });
        println!("GRIDPASS_CRASH_SEED={seed}");
        Self(seed)
    }

    /// xorshift64.
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn open(dir: &Path, words: &str) -> Wallet {
    let phrase = RecoveryPhrase::parse(words).expect("24 words");
    // Another test that starts a process has, for a moment, a copy of what this one has open, locks and all.
    let end = Instant::now() + Duration::from_secs(60);
    let store = loop {
        match SledStore::open(dir) {
            Err(StoreError::InUse { .. }) if Instant::now() < end => std::thread::yield_now(),
            opened => break opened.expect("the store is whole"),
        }
    };
    let locked = LockedWallet::open(Box::new(store)).expect("the header is whole");
    locked.unlock(Unlock::Recovery(&phrase)).expect("the words open it")
}

/// What record `n` holds: of every size, some in several parts, all different.
fn value(n: u64) -> Vec<u8> {
    let size = [10, 700, 5_000, 70_000][usize::try_from(n % 4).expect("small")];
    n.to_be_bytes().iter().copied().cycle().take(size).collect()
}

/// Not a test of its own: the process that is killed. It writes records and tells each one once
/// the wallet acknowledged it.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os("GRIDPASS_CRASH_DIR") else { return };
    let words = std::env::var("GRIDPASS_CRASH_WORDS").expect("words");
    let first: u64 = std::env::var("GRIDPASS_CRASH_FIRST").expect("a number").parse().expect("one");
    let mut wallet = open(Path::new(&dir), &words);
    let mut out = std::io::stdout().lock();
    for n in first.. {
        let mut changes = Changes::default();
        changes.put("test", &n.to_string(), value(n));
        // Two records belong together; one is written again and again.
        changes.put("pair", "last", n.to_be_bytes().to_vec());
        wallet.apply(changes, &mut rng()).expect("written");
        writeln!(out, "ack {n}").and_then(|()| out.flush()).expect("the parent listens");
    }
}

fn start_writer(dir: &Path, words: &str, first: u64) -> Child {
    let complaints = std::fs::File::create(dir.with_extension("stderr")).expect("a file");
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "crash::writer", "--nocapture"])
        .env("GRIDPASS_CRASH_DIR", dir)
        .env("GRIDPASS_CRASH_WORDS", words)
        .env("GRIDPASS_CRASH_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .stderr(complaints)
        .spawn()
        .expect("the writer starts")
}

#[test]
fn every_acknowledged_record_survives_hundreds_of_kills() {
    let place = Place::new();
    let dir = place.path("wallet");
    let words = {
        let store = Box::new(SledStore::create(&dir).expect("a store"));
        let passphrase = Passphrase::new(crate::common::PASSPHRASE);
        let made = Wallet::create(store, "crash", &passphrase, &mut rng(), NOW);
        made.expect("a wallet").1.expose_words().expect("words").to_string()
    };
    let mut dice = Dice::new();
    let mut acknowledged = 0_u64;
    for kill in 0..KILLS {
        let mut child = start_writer(&dir, &words, acknowledged);
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let wanted = dice.below(12);
        let mut seen = 0;
        while seen < wanted {
            let Some(line) = lines.next() else {
                let complaints = place.read("wallet.stderr");
                panic!("the writer ended by itself after {kill} kills: {complaints}");
            };
            let line = line.expect("text");
            if let Some(n) = line.strip_prefix("ack ") {
                acknowledged = n.parse::<u64>().expect("a number") + 1;
                seen += 1;
            }
        }
        for _ in 0..dice.below(300_000) {
            std::hint::spin_loop();
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // What it told before it died counts too.
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("ack ") {
                acknowledged = n.parse::<u64>().expect("a number") + 1;
            }
        }
        if kill % 20 == 19 {
            check(&dir, &words, acknowledged);
        }
    }
    check(&dir, &words, acknowledged);
    println!("{KILLS} kills, {acknowledged} acknowledged records, none lost");
    assert!(acknowledged > 100, "the writer did write");
}

fn check(dir: &Path, words: &str, acknowledged: u64) {
    let wallet = open(dir, words);
    let records: BTreeMap<u64, Vec<u8>> = wallet
        .list("test")
        .expect("every record opens")
        .into_iter()
        .map(|r| (r.name.parse().expect("a number"), r.value.expose_secret().to_vec()))
        .collect();
    for n in 0..acknowledged {
        assert_eq!(records.get(&n), Some(&value(n)), "record {n} was acknowledged");
    }
    let count = u64::try_from(records.len()).expect("few");
    assert!(count <= acknowledged + 1, "at most one batch was cut off after it was written");
    let last = wallet.get("pair", "last").expect("it opens");
    let expected = count.checked_sub(1).map(|n| n.to_be_bytes().to_vec());
    let last = last.map(|value| value.expose_secret().to_vec());
    assert_eq!(last, expected, "a batch is whole or not there");
}
