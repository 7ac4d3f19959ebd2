//! Envelopes a second between two nodes, against plain gossipsub with strict signing and no checks, and
//! against NATS JetStream with the same signatures, in the same run.
//!
//! `cargo bench -p gridpass-tests --bench gossip`; BENCHMARKS.md keeps the last table. NATS takes part where
//! `nats-server` is on the PATH.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::panic)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use criterion::{Criterion, criterion_group, criterion_main};
use futures::StreamExt as _;
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::Asked;
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, MessageAuthenticity};
use libp2p::swarm::SwarmEvent;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use serde_json::Value;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// As the command has it.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const RUNS: usize = 3;

/// What is sent.
#[derive(Clone, Copy)]
struct Load {
    count: usize,
    payload: usize,
    /// How many are under way at once.
    under_way: usize,
}

const LOADS: [Load; 4] = [
    Load { count: 20_000, payload: 512, under_way: 256 },
    Load { count: 20_000, payload: 512, under_way: 1024 },
    Load { count: 8_000, payload: 16 * 1024, under_way: 256 },
    // Twice what may be in work for a peer at once.
    Load { count: 8_000, payload: 16 * 1024, under_way: 1024 },
];

fn swarm() -> Swarm<gossipsub::Behaviour> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|key| {
            let config = gossipsub::ConfigBuilder::default()
                .heartbeat_initial_delay(Duration::from_millis(100))
                .validation_mode(gossipsub::ValidationMode::Strict)
                .validate_messages()
                .build()
                .expect("settings");
            gossipsub::Behaviour::new(MessageAuthenticity::Signed(key.clone()), config)
                .expect("gossip")
        })
        .expect("a behaviour")
        .build()
}

/// Plain gossipsub: each message signed by the sender, verified by the receiver, and nothing else.
async fn plain(load: Load) -> f64 {
    let (mut a, mut b) = (swarm(), swarm());
    let topic = IdentTopic::new("plain");
    for swarm in [&mut a, &mut b] {
        swarm.behaviour_mut().subscribe(&topic).expect("subscribes");
    }
    b.listen_on("/ip4/127.0.0.1/tcp/0".parse().expect("an address")).expect("listens");
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = b.select_next_some().await {
            break address;
        }
    };
    a.dial(address).expect("dials");
    let room = Arc::new(Semaphore::new(load.under_way));
    let (got, mut count) = tokio::sync::mpsc::unbounded_channel();
    let given_back = Arc::clone(&room);
    tokio::spawn(async move {
        loop {
            if let SwarmEvent::Behaviour(gossipsub::Event::Message {
                propagation_source,
                message_id,
                ..
            }) = b.select_next_some().await
            {
                let accept = MessageAcceptance::Accept;
                b.behaviour_mut().report_message_validation_result(
                    &message_id,
                    &propagation_source,
                    accept,
                );
                given_back.add_permits(1);
                if got.send(()).is_err() {
                    return;
                }
            }
        }
    });
    while a.behaviour().all_mesh_peers().next().is_none() {
        a.select_next_some().await;
    }
    let mut begun = Instant::now();
    let (mut sent, mut received) = (0_usize, 0_usize);
    while received < load.count {
        tokio::select! {
            permit = room.acquire(), if sent < load.count => {
                permit.expect("room").forget();
                if sent == 0 {
                    begun = Instant::now();
                }
                let mut data = vec![7_u8; load.payload];
                data[..8].copy_from_slice(&sent.to_be_bytes());
                a.behaviour_mut().publish(topic.clone(), data).expect("published");
                sent += 1;
            }
            _ = a.select_next_some() => {}
            Some(()) = count.recv() => received += 1,
        }
    }
    load.count as f64 / begun.elapsed().as_secs_f64()
}

/// NATS JetStream with the same load: built and run apart (`benchmarks/nats`). `None` where there is no
/// server.
fn nats(load: Load) -> Option<f64> {
    Command::new("nats-server").arg("--version").output().ok()?;
    let manifest = gridpass_tests::root().join("benchmarks/nats/Cargo.toml");
    let ran = Command::new(env!("CARGO"))
        .args(["run", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--")
        .args([load.count, load.payload, load.under_way].map(|n| n.to_string()))
        .output()
        .expect("cargo runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let said: Value = serde_json::from_slice(&ran.stdout).expect("its result");
    said["perSecond"].as_f64()
}

/// How many were admitted at a node: each is counted when it is checked, and its group of at most 512
/// is durable right after.
fn admitted(node: &Node) -> u64 {
    let text = node.metrics()();
    let admitted = text.lines().filter(|l| l.contains("checked_total") && l.contains("admit"));
    admitted.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Two nodes: each message signed, checked and made durable by the sender, and admitted, decided,
/// logged and made durable by the receiver.
async fn gridpass(load: Load, sealing: Sealing) -> f64 {
    let market = Market::with_operators(|d| {
        d.limits.max_messages_per_minute = 1_000_000;
        d.receipts = true;
        d.sealing = sealing;
    });
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let sender = Arc::new(nodes::start(folders[0].path(), &market, &Party::new(2), false).await);
    let receiver = Arc::new(nodes::start(folders[1].path(), &market, &Party::new(3), true).await);
    let ticket = loop {
        if let Ok(answer) = sender.ask(Asked::Invite { channels: Vec::new() }).await {
            break answer["ticket"].as_str().expect("a ticket").to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    receiver.ask(Asked::Join { ticket }).await.expect("joins");
    loop {
        let peers = sender.ask(Asked::Peers).await.expect("peers");
        let may = |p: &Value| p["subscribed"].as_array().is_some_and(|s| !s.is_empty());
        if peers["peers"].as_array().expect("peers").iter().any(may) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Sealed from the first one on to somebody.
    let members = u64::from(sealing == Sealing::Members);
    loop {
        let status = sender.ask(Asked::Status).await.expect("its status");
        if status["channels"][0]["sealing"]["members"].as_u64().unwrap_or_default() >= members {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The first one brings the presentation with it.
    sender.ask(nodes::bid(0, load.payload)).await.expect("sent");
    while admitted(&receiver) < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    // Under way are those that the receiver has not admitted, as in the other run.
    let room = Arc::new(Semaphore::new(load.under_way));
    let counting = tokio::spawn({
        let (room, receiver) = (Arc::clone(&room), Arc::clone(&receiver));
        async move {
            let mut last = (1, Instant::now());
            while last.0 <= u64::try_from(load.count).expect("small") {
                let there = admitted(&receiver);
                if there > last.0 {
                    room.add_permits(usize::try_from(there - last.0).expect("small"));
                    last = (there, Instant::now());
                }
                assert!(last.1.elapsed() < Duration::from_secs(60), "stuck at {there}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for number in 1..=load.count {
        room.acquire().await.expect("room").forget();
        let sender = Arc::clone(&sender);
        tokio::spawn(async move {
            sender.ask(nodes::bid(number, load.payload)).await.expect("sent and durable")
        });
    }
    counting.await.expect("all came");
    let rate = load.count as f64 / begun.elapsed().as_secs_f64();
    sender.stop().await;
    receiver.stop().await;
    rate
}

fn gossip(_: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runs");
    for load in LOADS {
        let Load { count, payload, under_way } = load;
        println!("{count} messages of {payload} bytes, {under_way} under way");
        for _ in 0..RUNS {
            let plain = runtime.block_on(plain(load));
            let ours = runtime.block_on(gridpass(load, Sealing::None));
            let sealed = runtime.block_on(gridpass(load, Sealing::Members));
            println!(
                "plain gossipsub {plain:>7.0}/s   two nodes {ours:>7.0}/s   ratio {:.2}   \
                 sealed {sealed:>7.0}/s   to unsealed {:.2}",
                ours / plain,
                sealed / ours
            );
            match nats(load) {
                Some(nats) => println!("NATS JetStream  {nats:>7.0}/s   ratio {:.2}", ours / nats),
                None => println!("NATS JetStream  left out: there is no nats-server on the PATH"),
            }
        }
    }
}

criterion_group!(benches, gossip);
criterion_main!(benches);
