//! What is waited for: at nodes that run, and at the clock.

use super::network::{Network, until_within};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a node may take to find its way back: a peer is dialled again after up to a minute.
pub const LONG: Duration = Duration::from_secs(120);

/// did:webvh dates its entries in whole seconds, and a DID ends a second after it was given up.
pub fn wait_for_next_second() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let into = now.expect("after 1970").subsec_millis();
    std::thread::sleep(std::time::Duration::from_millis(u64::from(1010 - into)));
}

/// The peers of a node whose gate is open.
pub fn peers(network: &Network, node: &str) -> Vec<Value> {
    let peers = network.ask(node, &["node", "peers"]);
    let peers = peers["peers"].as_array().expect("peers").clone();
    peers.into_iter().filter(|p| p["stage"] == "open").collect()
}

/// Whether a node has a connection with one of a participant.
pub fn knows(network: &Network, node: &str, participant: &str) -> bool {
    peers(network, node).iter().any(|p| p["participant"] == participant)
}

/// Waits until a node has exactly these messages, each once; gives how long that took.
#[track_caller]
pub fn converges(network: &Network, node: &str, ids: &[String]) -> Duration {
    let all: BTreeSet<&String> = ids.iter().collect();
    let (inbox, took) = until_within(LONG, &format!("{} messages at {node}", all.len()), || {
        let inbox = network.inbox(node);
        all.iter().all(|id| inbox.contains(id)).then_some(inbox)
    });
    assert_eq!(inbox.len(), all.len(), "{node} has something twice, or that nobody sent");
    took
}

/// Waits until a sender is told that a recipient has each of these messages.
#[track_caller]
pub fn confirmed(network: &Network, node: &str, ids: &[String], recipient: &str) -> Duration {
    let started = Instant::now();
    for id in ids {
        until_within(LONG, &format!("the receipt of {recipient} for {id}"), || {
            let fate = network.ask(node, &["receipts", id]);
            (fate["recipients"][recipient]["state"] == "delivered").then_some(())
        });
    }
    started.elapsed()
}
