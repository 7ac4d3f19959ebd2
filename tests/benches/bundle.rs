//! The verification of an evidence bundle of 100,000 messages, against bare Ed25519 verification of as many
//! signatures on all cores, in the same run.
//!
//! `cargo bench -p gridpass-tests --bench bundle`; BENCHMARKS.md keeps the last table.
//! `GRIDPASS_BUNDLE_MESSAGES` says another number.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::print_stdout)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use criterion::{Criterion, criterion_group, criterion_main};
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{Bundle, verify};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_messaging::envelope::Envelope;
use gridpass_tests::evidence::{LATER, Scene};
use gridpass_tests::world::NOW;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// As the command has it.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const COUNT: usize = 100_000;
/// How many become durable together.
const GROUP: usize = 512;
const RUNS: usize = 3;

/// Verifies each message's signature and nothing else, on all cores.
fn bare(signed: &[(Vec<u8>, [u8; 64])], key: &gridpass_identity::key::PublicKey) -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for share in signed.chunks(signed.len().div_ceil(cores)) {
            scope.spawn(move || {
                for (input, signature) in share {
                    assert!(key.verify(black_box(input), signature).is_ok());
                }
            });
        }
    });
    begun.elapsed()
}

/// What was signed, and the signature, of the compact form.
fn parts(envelope: &Envelope) -> (Vec<u8>, [u8; 64]) {
    use base64::Engine as _;
    let jws = envelope.to_jws();
    let (input, signature) = jws.rsplit_once('.').expect("three parts");
    let mut bytes = [0; 64];
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode_slice(signature, &mut bytes)
        .expect("a signature");
    (input.as_bytes().to_vec(), bytes)
}

fn bundle(_: &mut Criterion) {
    let wanted = std::env::var("GRIDPASS_BUNDLE_MESSAGES").ok();
    let count = wanted.map_or(COUNT, |n| n.parse().expect("a number"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut scene = Scene::new(folder.path(), 20, |d| d.limits.max_messages_per_minute = 1_000_000);
    let payload = format!("{{\"bid\":\"{}\"}}", "x".repeat(500)).into_bytes();
    let key = scene.alone.party.key.public_key();
    let mut signed = Vec::with_capacity(count);
    let mut newest = None;
    for number in 0..count {
        let at = NOW.plus_millis(u64::try_from(number / 10).expect("small"));
        let made = scene.alone.sign(scene.alone.header("GB-1", at), &payload);
        scene.alone.sent += 1;
        scene.alone.last = Some(made.id().clone());
        assert_eq!(scene.take(&made, Source::Live, at).verdict, Verdict::Admit);
        signed.push(parts(&made));
        if number % GROUP == GROUP - 1 {
            scene.store.commit(at).expect("kept");
        }
        newest = Some((made, at));
    }
    let (newest, at) = newest.expect("a message");
    scene.confirm(&newest, &[(1, newest.header().sequence)], at.plus_millis(10));
    let begun = Instant::now();
    let bytes = scene.export();
    println!("{count} messages, {} MB, exported in {:?}", bytes.len() / 1_000_000, begun.elapsed());
    for _ in 0..RUNS {
        let signatures = bare(&signed, &key);
        let begun = Instant::now();
        let read = Bundle::parse(&bytes).expect("a bundle");
        let parsed = begun.elapsed();
        let report = verify(&read, &scene.pack, LATER, None).expect("a trust pack");
        let whole = begun.elapsed();
        assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
        println!(
            "bare signatures {signatures:>9.2?}   bundle {whole:>9.2?} (read in {parsed:.2?})   ratio {:.2}",
            signatures.as_secs_f64() / whole.as_secs_f64()
        );
    }
}

criterion_group!(benches, bundle);
criterion_main!(benches);
