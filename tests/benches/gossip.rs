//! Envelopes a second between two nodes, against plain gossipsub with strict signing and no checks,
//! in the same run.
//!
//! `cargo bench -p gridpass-tests --bench gossip`; BENCHMARKS.md keeps the last table.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::panic)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, criterion_group, criterion_main};
use futures::StreamExt as _;
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, MessageAuthenticity};
use libp2p::swarm::SwarmEvent;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

const COUNT: usize = 20_000;
/// How many are under way at once, in both.
const UNDER_WAY: usize = 256;
const PAYLOAD: usize = 512;

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
async fn plain() -> f64 {
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
    let room = Arc::new(Semaphore::new(UNDER_WAY));
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
    while received < COUNT {
        tokio::select! {
            permit = room.acquire(), if sent < COUNT => {
                permit.expect("room").forget();
                if sent == 0 {
                    begun = Instant::now();
                }
                let mut data = vec![7_u8; PAYLOAD];
                data[..8].copy_from_slice(&sent.to_be_bytes());
                a.behaviour_mut().publish(topic.clone(), data).expect("published");
                sent += 1;
            }
            _ = a.select_next_some() => {}
            Some(()) = count.recv() => received += 1,
        }
    }
    COUNT as f64 / begun.elapsed().as_secs_f64()
}

/// How many were admitted at a node: each is counted when it is checked, and its group of at most 512
/// is durable right after.
fn admitted(node: &Node) -> u64 {
    let text = node.metrics()();
    let admitted = text.lines().filter(|l| l.contains("checked_total") && l.contains("admit"));
    admitted.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn message(number: usize) -> Asked {
    let payload = format!("{{\"bid\":{number},\"more\":\"{}\"}}", "x".repeat(PAYLOAD - 32));
    let attributes: Map<String, Value> =
        json!({"zone": "GB-1", "quantityKw": 5}).as_object().expect("an object").clone();
    Asked::Send(NewMessage {
        channel: "flex.gb.bids".into(),
        topic: "bids".into(),
        version: None,
        payload: STANDARD.encode(payload),
        recipients: Vec::new(),
        thread: None,
        attributes,
        lifetime_millis: None,
    })
}

/// Two nodes: each message signed, checked and made durable by the sender, and admitted, decided,
/// logged and made durable by the receiver.
async fn gridpass(sealing: Sealing) -> f64 {
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
    sender.ask(message(0)).await.expect("sent");
    while admitted(&receiver) < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let begun = Instant::now();
    // Under way are those that the receiver has not admitted, as in the other run.
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    let counting = tokio::spawn({
        let (room, receiver) = (Arc::clone(&room), Arc::clone(&receiver));
        async move {
            let mut last = (1, Instant::now());
            while last.0 <= u64::try_from(COUNT).expect("small") {
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
    for number in 1..=COUNT {
        room.acquire().await.expect("room").forget();
        let sender = Arc::clone(&sender);
        tokio::spawn(async move { sender.ask(message(number)).await.expect("sent and durable") });
    }
    counting.await.expect("all came");
    let rate = COUNT as f64 / begun.elapsed().as_secs_f64();
    sender.stop().await;
    receiver.stop().await;
    rate
}

fn gossip(_: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runs");
    println!("{COUNT} messages of {PAYLOAD} bytes, {UNDER_WAY} under way");
    for _ in 0..3 {
        let plain = runtime.block_on(plain());
        let ours = runtime.block_on(gridpass(Sealing::None));
        let sealed = runtime.block_on(gridpass(Sealing::Members));
        println!(
            "plain gossipsub {plain:>9.0}/s   two nodes {ours:>9.0}/s   ratio {:.2}   \
             sealed {sealed:>9.0}/s   to unsealed {:.2}",
            ours / plain,
            sealed / ours
        );
    }
}

criterion_group!(benches, gossip);
criterion_main!(benches);
