//! Replays the fuzzing corpus and a few thousand seeded mutations of it through every target.
//!
//! The same input every time, so that a failure here is a failure everywhere. For the real thing,
//! with coverage and sanitizers, see `tests/fuzz/README.md`.

use gridpass_tests::fuzz::TARGETS;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Mutations for each target.
const MUTATIONS: usize = 5000;

/// Pieces that parsers treat in a special way.
const TOKENS: &[&str] = &[
    "",
    "\"",
    "\\u0000",
    "\\ud800",
    "{}",
    "[]",
    "null",
    "true",
    "-0",
    "1e400",
    "0.1",
    ",",
    ":",
    "..",
    ".",
    "#",
    "?",
    "/",
    "%2F",
    "%",
    "did:key:",
    "did:jwk:",
    "did:web:",
    "z6Mk",
    "zDn",
    "z6LS",
    "\"alg\":\"none\"",
    "\"crit\":[\"b64\"]",
    "\"b64\":false",
    "\"d\":null",
    "=",
    "AA",
    "9999-12-31T23:59:59Z",
    "+00:00",
    "253402300799",
    "18446744073709551615",
    "\u{202e}",
    "é",
];

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = corpus().join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).expect("a readable seed")).collect()
}

fn run(name: &str, target: fn(&[u8]), input: &[u8]) {
    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        println!("{name} fails on: {:?}", String::from_utf8_lossy(input));
        std::panic::resume_unwind(cause);
    }
}

#[test]
fn every_corpus_folder_has_a_target_and_every_target_a_corpus() {
    let folders: BTreeSet<_> = std::fs::read_dir(corpus())
        .expect("the corpus")
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders, targets);
    let package = corpus().join("../fuzz_targets");
    for (name, _) in TARGETS {
        assert!(package.join(format!("{name}.rs")).is_file(), "{name} is not fuzzed");
        assert!(seeds(name).len() >= 3, "{name} has too few seeds");
    }
}

#[test]
fn no_seed_breaks_an_invariant() {
    for (name, target) in TARGETS {
        for seed in seeds(name) {
            run(name, *target, &seed);
        }
    }
}

#[test]
fn no_mutation_of_a_seed_breaks_an_invariant() {
    for (number, (name, target)) in TARGETS.iter().enumerate() {
        let seeds = seeds(name);
        let mut dice = Dice(0x6772_6964_7061_7373 + number as u64);
        for _ in 0..MUTATIONS {
            let mut input = seeds[dice.below(seeds.len())].clone();
            for _ in 0..=dice.below(4) {
                mutate(&mut input, &seeds, &mut dice);
            }
            run(name, *target, &input);
        }
    }
}

fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let end = at + dice.below((input.len() - at).min(32) + 1);
    match dice.below(7) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = b' ' + dice.below(95) as u8,
        2 => drop(input.drain(at..end)),
        3 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        4 => {
            let other = &seeds[dice.below(seeds.len())];
            let from = dice.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        5 => input.truncate(at),
        _ => {
            let token = TOKENS[dice.below(TOKENS.len())].bytes();
            input.splice(at..end, token);
        }
    }
    input.truncate(64 * 1024);
}

/// SplitMix64: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }
}
