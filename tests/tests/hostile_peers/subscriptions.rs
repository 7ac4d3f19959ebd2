//! What a peer subscribes to: taken when it may, whenever that is found out, and said again where it got lost.

use crate::scene::{PATIENCE, Peer, Scene, ask};
use gridpass_credentials::content_id::ContentId;
use gridpass_messaging::net::{Command, topic_of};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::{Hello, Request};
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Waits until the operator's node takes a peer for one that subscribes to the channel.
pub(crate) async fn is_subscribed(s: &Scene, party: &Party) {
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

/// A reader that is connected, and has what its hello will name.
pub(crate) async fn reader(s: &Scene, number: u8) -> (Peer, Party, Hello) {
    let party = Party::new(number);
    let presentation = nodes::presentation(&s.market, &party, true);
    let hello = s.hello(&party, Some(presentation.id()));
    let peer = Peer::new(&party, &s.market, &s.address).await;
    peer.has(&presentation);
    (peer, party, hello)
}

/// Subscribes to so many topics, and to the channel last.
async fn subscribe_to_many(s: &Scene, peer: &Peer, many: u32) {
    for number in 0..many {
        let other = ContentId::of_bytes(&number.to_be_bytes()).expect("a name");
        peer.tell(Command::Subscribe(topic_of(&other))).await;
    }
    peer.tell(Command::Subscribe(topic_of(&s.market.channel))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_found_out_late_is_had_on_the_same_connection() {
    let s = Scene::new().await;
    let (peer, party, hello) = reader(&s, 43).await;
    // It names a presentation that nobody has yet, and subscribes.
    let late = std::mem::take(&mut peer.shared.lock().expect("not poisoned").documents);
    peer.enter(hello, &s.market).await;
    peer.until("it is asked for it", |s| !s.documents_asked.is_empty()).await;
    s.is_heard(1).await;
    peer.shared.lock().expect("not poisoned").documents = late;
    is_subscribed(&s, &party).await;
    // What was said meanwhile it was not sent.
    peer.until("it is told that it is behind", |s| s.told_behind > 0).await;
    assert_eq!(peer.partings(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_subscribes_to_much_before_it_says_who_it_is_loses_none_of_it() {
    let s = Scene::new().await;
    let (peer, party, hello) = reader(&s, 45).await;
    // One by one, as a node that takes up its channels after it was started.
    subscribe_to_many(&s, &peer, 100).await;
    peer.enter(hello, &s.market).await;
    is_subscribed(&s, &party).await;
    assert_eq!(peer.partings(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_subscription_got_lost_is_parted_with_and_says_it_again_with_all_others() {
    let s = Scene::new().await;
    let (peer, party, hello) = reader(&s, 44).await;
    peer.shared.lock().expect("not poisoned").hello = Some(hello.clone());
    peer.ask(Request::Hello(hello)).await.expect("an answer");
    // As far as the node sees, it says that it takes part and never subscribes.
    peer.until("it is parted with", |s| s.partings > 0).await;
    // More than the 16 KiB that gossipsub takes at once where nobody says otherwise.
    subscribe_to_many(&s, &peer, 300).await;
    is_subscribed(&s, &party).await;
    assert_eq!(peer.partings(), 1);
}
