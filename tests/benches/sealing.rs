//! What sealing costs, as a multiple of one Ed25519 verification in the same run: a payload sealed and
//! opened, and an epoch begun for 10, 100 and 1,000 members.
//!
//! `cargo bench -p gridpass-tests --bench sealing`; BENCHMARKS.md keeps the last table.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::print_stdout)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use criterion::{Criterion, criterion_group, criterion_main};
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::sealing::{ChainKey, Epoch, Member, Place, SealedPayload};
use gridpass_tests::messages::{Market, Sender};
use gridpass_tests::world::{NOW, Party};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn best(times: u32, mut run: impl FnMut()) -> Duration {
    let once = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        for _ in 0..times {
            run();
        }
        start.elapsed() / times
    };
    (0..3).map(|_| once(&mut run)).min().expect("three runs")
}

fn sealing(_: &mut Criterion) {
    let market = Market::new(|_| ());
    let sender = Party::new(2);
    let presentation = market.presentation(&sender);
    let header = Sender::new(&sender, &presentation, &market.channel).header("GB-1", NOW);
    let chain = Chain::of(&header);
    let signature = sender.key.sign(&[7; 512]).expect("signs");
    let public = sender.key.public_key();
    let bare = best(1000, || assert!(public.verify(black_box(&[7; 512]), &signature).is_ok()));
    let show = |what: &str, time: Duration| {
        println!("{what:<40} {time:>12.1?} {:>8.2}", time.as_secs_f64() / bare.as_secs_f64());
    };
    show("one Ed25519 verification", bare);
    let key = ChainKey::new([1; 32]);
    let place = Place {
        channel: &chain.channel,
        sender: &chain.sender,
        key: &chain.key,
        sequence: 1,
        epoch: &market.channel,
    };
    for size in [512, 16 * 1024] {
        let payload = vec![7_u8; size];
        let seal = || SealedPayload::seal(&payload, &key.next().message(), &place, [1; 12]);
        let bytes = seal().and_then(|s| s.encode()).expect("sealed");
        let sealed = best(500, || drop(black_box(seal().and_then(|s| s.encode()))));
        show(&format!("{size} bytes, key moved on and sealed"), sealed);
        let opened = best(500, || {
            let read = SealedPayload::parse(black_box(&bytes)).expect("reads");
            assert!(read.open(&key.next().message(), &place).is_ok());
        });
        show(&format!("{size} bytes, key moved on and opened"), opened);
    }
    for count in [10_u32, 100, 1000] {
        let members: Vec<Member> = (0..count)
            .map(|n| {
                let mut seed = [9; 32];
                seed[..4].copy_from_slice(&n.to_be_bytes());
                let key = SecretKey::from_bytes(KeyType::Ed25519, &seed).expect("a key");
                let node = method::key::from_public_key(&key.public_key()).expect("a DID");
                let presentation = market.channel.clone();
                Member { participant: node.clone(), node, authorisation: None, presentation }
            })
            .collect();
        let begin = || Epoch::begin(&chain, 1, NOW, &[], &members, &key).expect("an epoch");
        let (_, bytes) = begin();
        show(&format!("an epoch for {count}, {} bytes", bytes.len()), best(3, || drop(begin())));
        show(
            &format!("an epoch for {count}, read by a peer"),
            best(3, || drop(black_box(Epoch::parse(&bytes)))),
        );
    }
}

criterion_group!(benches, sealing);
criterion_main!(benches);
