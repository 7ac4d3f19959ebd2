//! What an envelope costs a peer, as a multiple of one Ed25519 verification in the same run.
//!
//! `cargo bench -p gridpass-tests --bench messages`; BENCHMARKS.md keeps the last table.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use criterion::{Criterion, criterion_group, criterion_main};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::store::Store;
use gridpass_tests::messages::{Market, Sender, kept};
use gridpass_tests::world::{NOW, Party};
use std::hint::black_box;
use std::time::{Duration, Instant};

const COUNT: u32 = 4000;

fn messages(_: &mut Criterion) {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 1_000_000);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let payload = format!("{{\"bid\":\"{}\"}}", "x".repeat(500)).into_bytes();
    let start = Instant::now();
    let made: Vec<Envelope> = (0..COUNT)
        .map(|_| {
            let made = sender.sign(sender.header("GB-1", NOW), &payload);
            sender.sent += 1;
            sender.last = Some(made.id().clone());
            made
        })
        .collect();
    let signing = start.elapsed() / COUNT;
    let wires: Vec<Vec<u8>> = made.iter().map(|e| e.to_wire().expect("a payload")).collect();

    let message = vec![7_u8; 512];
    let signature = aggregator.key.sign(&message).expect("signs");
    let public = aggregator.key.public_key();
    let mut bare = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..1000 {
            assert!(public.verify(black_box(&message), &signature).is_ok());
        }
        bare = bare.min(start.elapsed() / 1000);
    }

    let mut reading = Duration::MAX;
    let mut checking = Duration::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        for wire in &wires {
            black_box(Envelope::parse(wire).expect("reads"));
        }
        reading = reading.min(start.elapsed() / COUNT);
        let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
        let mut spent = Duration::ZERO;
        for wire in &wires {
            let start = Instant::now();
            let checked = peer.check(wire, Source::Live, NOW);
            spent += start.elapsed();
            assert_eq!(checked.verdict, Verdict::Admit);
            peer.note(&checked);
        }
        checking = checking.min(spent / COUNT);
    }

    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = Store::open(folder.path()).expect("opens");
    let start = Instant::now();
    for group in made.chunks(64) {
        for envelope in group {
            store.stage_envelope(envelope, kept(envelope)).expect("stages");
        }
        store.commit(NOW).expect("commits");
    }
    let storing = start.elapsed() / COUNT;

    let ratio = |d: Duration| d.as_secs_f64() / bare.as_secs_f64();
    println!("one Ed25519 verification, 512 bytes          {bare:?}");
    for (what, took) in [
        ("signed, 512 bytes of payload", signing),
        ("read from the wire", reading),
        ("read, verified, admitted, decided, schema", checking),
        ("kept: log synced in groups of 64, and index", storing),
    ] {
        println!("{what:<44} {took:?}  {:.2}", ratio(took));
    }
}

criterion_group!(benches, messages);
criterion_main!(benches);
