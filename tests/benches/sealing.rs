//! What sealing costs, as a multiple of one Ed25519 verification in the same run: a payload sealed and
//! opened, an epoch begun for 10, 100 and 1,000 members, and 1,000 members judged: by their visas and status
//! lists, whether they may be handed keys.
//!
//! `cargo bench -p gridpass-tests --bench sealing`; BENCHMARKS.md keeps the last table.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::print_stdout)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use criterion::{Criterion, criterion_group, criterion_main};
use gridpass_credentials::secured::{Binding, Form};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_messaging::checking::{Chain, Checker};
use gridpass_messaging::sealing::{
    AsOf, ChainKey, Circle, Epoch, Member, Place, SealedPayload, Standing,
};
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::{Market, Peer, Sender};
use gridpass_tests::sealed::member;
use gridpass_tests::world::{self, NOW, Party};
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

/// A circle of so many operators, whom a sender judges.
fn judging(_: &mut Criterion) {
    const MANY: u32 = 1000;
    let market = Market::with_operators(|d| d.sealing = Sealing::Members);
    let operators = market.operators.as_ref().expect("a role");
    let audience = market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: world::in_days(30) };
    let mut peer = market.peer(&Party::new(2), &[], market.lists(&[]));
    let mut members = Vec::new();
    for n in 0..MANY {
        let mut party = Party::new(3);
        let mut seed = [9; 32];
        seed[..4].copy_from_slice(&n.to_be_bytes());
        party.key = SecretKey::from_bytes(KeyType::Ed25519, &seed).expect("a key");
        party.did = method::key::from_public_key(&party.key.public_key()).expect("a DID");
        let multikey = party.key.public_key().to_multikey();
        party.key_id = party.did.with_fragment(&multikey).expect("a key's name");
        let visa = world::visa(&market.regulator, &party, operators, |_| ());
        let visa = world::issue(&market.regulator, &visa);
        let presented = world::present_as(&party, &[&visa], Form::Jwt, &binding);
        peer.memory.learn(&presented);
        members.push(member(&party, &presented));
    }
    let mut circle = Circle::default();
    for member in members {
        let never = AsOf { changes: 0, now: NOW };
        circle.heard(member, Standing::UNKNOWN, never);
    }
    let (channel, regulator) = (&market.channel, &market.regulator);
    let Peer { checker, memory } = &mut peer;
    let mut judge = |what: &str, most: usize, before: &mut dyn FnMut(&mut Checker)| {
        before(checker);
        let start = Instant::now();
        let as_of = AsOf { changes: checker.changes(), now: NOW };
        let looked =
            circle.judge(as_of, &[], most, |m| checker.may_be_handed(channel, m, memory, NOW));
        println!("{what:<40} {:>12.1?} of {looked}, {} may", start.elapsed(), circle.len());
    };
    let list = regulator.list_id(Purpose::Revocation);
    let mut came = |c: &mut Checker| drop(c.status_list_came(&list, &regulator.did));
    judge("judged for the first time", usize::MAX, &mut |_| ());
    judge("judged again, nothing changed", usize::MAX, &mut |_| ());
    judge("judged again, a status list came", usize::MAX, &mut came);
    judge("judged again with a tick, another came", 64, &mut came);
}

criterion_group!(benches, sealing, judging);
criterion_main!(benches);
