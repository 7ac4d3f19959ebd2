//! A sender that contradicts itself in more than one way, so that the lesser hides the graver.

use crate::scene::{PATIENCE, Peer, Scene, ask};
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::ChainHead;
use gridpass_tests::messages::Sender;
use gridpass_tests::nodes::clock;
use gridpass_tests::world::Party;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Waits until the operator's node says of the channel that it is contradicted in this, and nothing else.
async fn is_contradicted(s: &Scene, code: &str) {
    let started = Instant::now();
    loop {
        let status = ask(&s.operator, Asked::Status).await;
        let of_channel = |c: &Value| c["contradictions"].as_array().cloned();
        let channels = status["channels"].as_array().expect("channels");
        let all: Vec<Value> = channels.iter().filter_map(of_channel).flatten().collect();
        if all.len() == 1 && all[0]["code"] == code {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{all:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_dated_back_hides_no_two_of_one_number() {
    let s = Scene::new().await;
    let party = Party::new(37);
    let presentation = s.market.presentation(&party);
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    let peer = s.publisher(&party, &presentation).await;
    let begun = clock();
    let first = sender.send(begun);
    let mut twins = [(); 3].map(|()| sender.clone());
    // Dated before the first; and then two that are good, each by itself.
    let before = UnixMillis::new(begun.get() - 1);
    let back = twins[0].send(before);
    let second = twins[1].send(begun.plus_millis(1));
    let other = twins[2].send(begun.plus_millis(2));
    peer.send(&first).await;
    delivered(&s, &first).await;
    peer.send(&back).await;
    is_contradicted(&s, "GP-ENVELOPE-ORDER").await;
    peer.send(&second).await;
    delivered(&s, &second).await;
    // Somebody else was given the other one.
    let witness = Party::new(38);
    let hello = s.hello(&witness, None);
    let witness = Peer::new(&witness, &s.market, &s.address).await;
    {
        let mut shared = witness.shared.lock().expect("not poisoned");
        shared.heads = vec![ChainHead {
            sender: party.did.clone(),
            key: other.header().key.as_str().to_owned(),
            whole: 2,
            newest: 2,
            message: other.id().clone(),
            contradicted: false,
        }];
        shared.given = vec![other];
    }
    witness.enter(hello, &s.market).await;
    peer.until("the proof is told", |s| s.forks > 0).await;
    is_contradicted(&s, "GP-SEQUENCE-FORK").await;
}

async fn delivered(s: &Scene, envelope: &Envelope) {
    let started = Instant::now();
    while !s.inbox().await.contains(envelope.id()) {
        assert!(started.elapsed() < PATIENCE, "it is not delivered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
