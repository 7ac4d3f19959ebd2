//! What a peer subscribes to: taken when it may, whenever that is found out, and said again where it got lost.

use crate::scene::{PATIENCE, Peer, Scene, ask};
use gridpass_credentials::content_id::ContentId;
use gridpass_messaging::net::{Command, topic_of};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::Request;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Waits until the operator's node takes a peer for one that subscribes to the channel.
async fn is_subscribed(s: &Scene, party: &Party) {
    let (started, channel) = (Instant::now(), s.market.channel.to_string());
    let subscribed = |peer: &Value| {
        let channels = peer["subscribed"].as_array().expect("channels");
        peer["participant"] == party.did.as_str() && channels.iter().any(|c| *c == channel.as_str())
    };
    loop {
        let peers = ask(&s.operator, Asked::Peers).await;
        if peers["peers"].as_array().expect("peers").iter().any(subscribed) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "it does not subscribe: {peers:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn partings(peer: &Peer) -> usize {
    peer.shared.lock().expect("not poisoned").partings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_found_out_late_is_had_on_the_same_connection() {
    let s = Scene::new().await;
    let party = Party::new(43);
    let presentation = nodes::presentation(&s.market, &party, true);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    // It names a presentation that nobody has yet, and subscribes.
    peer.enter(s.hello(&party, Some(presentation.id())), &s.market).await;
    peer.until("it is asked for it", |s| !s.documents_asked.is_empty()).await;
    s.is_heard(1).await;
    peer.has(&presentation);
    is_subscribed(&s, &party).await;
    // What was said meanwhile it was not sent.
    peer.until("it is told that it is behind", |s| s.told_behind > 0).await;
    assert_eq!(partings(&peer), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_to_much_before_it_says_who_it_is_loses_none_of_it() {
    let s = Scene::new().await;
    let party = Party::new(45);
    let presentation = nodes::presentation(&s.market, &party, true);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    peer.has(&presentation);
    // One by one, as a node that takes up its channels after it was started.
    for number in 0..100_u32 {
        let other = ContentId::of_bytes(&number.to_be_bytes()).expect("a name");
        peer.tell(Command::Subscribe(topic_of(&other))).await;
    }
    peer.enter(s.hello(&party, Some(presentation.id())), &s.market).await;
    is_subscribed(&s, &party).await;
    assert_eq!(partings(&peer), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_subscription_got_lost_is_parted_with_and_says_it_again() {
    let s = Scene::new().await;
    let party = Party::new(44);
    let presentation = nodes::presentation(&s.market, &party, true);
    let hello = s.hello(&party, Some(presentation.id()));
    let peer = Peer::new(&party, &s.market, &s.address).await;
    peer.has(&presentation);
    peer.shared.lock().expect("not poisoned").hello = Some(hello.clone());
    peer.ask(Request::Hello(hello)).await.expect("an answer");
    // As far as the node sees, it says that it takes part and never subscribes.
    peer.until("it is parted with", |s| s.partings > 0).await;
    peer.tell(Command::Subscribe(topic_of(&s.market.channel))).await;
    is_subscribed(&s, &party).await;
    assert_eq!(partings(&peer), 1);
}
