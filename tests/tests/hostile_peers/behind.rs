//! What gossip leaves out: who cannot take up all that is sent to it is told so, at no cost to its standing;
//! who tells others so without end costs them little.

use crate::scene::{PATIENCE, Peer, Scene, address, ask};
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::{Request, Response};
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use serde_json::Value;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn case_18_who_says_without_end_that_others_are_behind_is_compared_with_once_a_second() {
    let s = Scene::new().await;
    let party = Party::new(41);
    let presentation = s.market.presentation(&party);
    let peer = s.publisher(&party, &presentation).await;
    peer.until("it is compared with", |s| s.heads_asked > 0).await;
    let asked = || peer.shared.lock().expect("not poisoned").heads_asked;
    let (before, started, mut said) = (asked(), Instant::now(), 0);
    while asked() < before + 5 {
        let answer = peer.ask(Request::Behind).await.expect("an answer");
        // It may be too much of it.
        assert!(matches!(answer, Response::Taken | Response::Refused(_)), "{answer:?}");
        said += 1;
        assert!(started.elapsed() < PATIENCE, "it is compared with in its turn alone");
    }
    let took = started.elapsed();
    // In rounds alone five would take most of a minute.
    assert!(took < Duration::from_secs(30), "nobody listens: {took:?}");
    assert!(took > Duration::from_secs(2), "compared with whenever it likes: {took:?}");
    assert!(said > 10, "{said} is not without end");
    s.is_heard(1).await;
}

/// More than gossip holds for a peer; so long that each goes by itself.
const BURST: usize = 900;
const BYTES: usize = 33 * 1024;

/// Not what the scene began with.
fn is_of_burst(text: &str) -> bool {
    text.len() > BYTES / 2
}

/// How a node sees somebody's node.
async fn seen(node: &Node, party: &Party) -> Option<Value> {
    let peers = ask(node, Asked::Peers).await;
    let mut all = peers["peers"].as_array().expect("peers").iter();
    all.find(|p| p["participant"] == party.did.as_str()).cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn case_20_who_stood_still_held_up_nobody_and_is_told_that_it_is_behind() {
    let s = Scene::new().await;
    let (party, address) = (Party::new(42), address(&s.honest).await);
    let presentation = nodes::presentation(&s.market, &party, true);
    let hello = s.hello(&party, Some(presentation.id()));
    let (market, reader) = (s.market, party.clone());
    let (go_on, stand_still) = mpsc::channel::<()>();
    let (stands, stood_still) = oneshot::channel();
    let (told, was_told) = oneshot::channel();
    // All that the peer is runs in this one thread, and stands still with it.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let peer = Peer::new(&reader, &market, &address).await;
            peer.has(&presentation);
            peer.enter(hello, &market).await;
            while stand_still.try_recv().is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let _ = stands.send(());
            let _ = stand_still.recv();
            peer.until("it is told", |s| s.told_behind > 0).await;
            let _ = told.send(());
        });
    });
    let started = Instant::now();
    let subscribed = |p: Value| p["subscribed"].as_array().is_some_and(|all| !all.is_empty());
    while !seen(&s.honest, &party).await.is_some_and(subscribed) {
        assert!(started.elapsed() < PATIENCE, "it does not take part");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    go_on.send(()).expect("it runs");
    stood_still.await.expect("it does as it is told");
    let (honest, mut sending) = (Arc::new(s.honest), JoinSet::new());
    for number in 0..BURST {
        let honest = Arc::clone(&honest);
        sending.spawn(async move { honest.ask(nodes::bid(number, BYTES)).await.map(|_| ()) });
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("it ran").expect("sent");
    }
    // Another reader has all of it, while that one takes up nothing: more than gossip and the connection
    // hold for it, so that who waited for it would wait still.
    let (started, mut after, mut many) = (Instant::now(), 0, 0);
    while many < BURST {
        let page = ask(&s.operator, Asked::Inbox { after, most: 100 }).await;
        let messages = page["messages"].as_array().expect("messages");
        after = messages.last().map_or(after, |m| m["number"].as_u64().expect("a number"));
        many += messages.iter().filter(|m| m["text"].as_str().is_some_and(is_of_burst)).count();
        assert!(started.elapsed() < PATIENCE, "{many} of {BURST}: it waits for who stands still");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let score = seen(&honest, &party).await.expect("it is connected")["gossipScore"].as_f64();
    assert!(score.expect("a score") >= 0.0, "to be slow is no fault: {score:?}");
    go_on.send(()).expect("it stands still");
    was_told.await.expect("it is told");
}
