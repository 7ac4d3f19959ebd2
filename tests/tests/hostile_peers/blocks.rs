//! Peers that do harm by block exchange: other bytes under a CID, documents that are none, wants
//! without end; strangers who take every place.

use crate::scene::{PATIENCE, Peer, Scene, ask, until};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleDefinition;
use gridpass_messaging::exchange::Library;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::Announcement;
use gridpass_tests::channels;
use gridpass_tests::world::Party;
use ipld_core::cid::Cid;
use libp2p::PeerId;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Gives what it was told to give under each name.
#[derive(Default)]
pub(crate) struct Given {
    blocks: Mutex<HashMap<String, Vec<u8>>>,
    asked: Mutex<HashSet<String>>,
}

impl Given {
    pub(crate) fn give(&self, id: &ContentId, bytes: &[u8]) {
        self.blocks.lock().expect("not poisoned").insert(id.to_string(), bytes.to_vec());
    }

    /// Whether somebody wanted to know whether it is here.
    pub(crate) fn was_asked(&self, id: &ContentId) -> bool {
        self.asked.lock().expect("not poisoned").contains(id.as_str())
    }
}

impl Library for Given {
    fn has(&self, _: &PeerId, cid: &Cid) -> bool {
        self.asked.lock().expect("not poisoned").insert(cid.to_string());
        self.blocks.lock().expect("not poisoned").contains_key(&cid.to_string())
    }

    fn block(&self, _: &PeerId, cid: &Cid) -> Option<Vec<u8>> {
        self.blocks.lock().expect("not poisoned").get(&cid.to_string()).cloned()
    }
}

/// A definition that nobody listed.
fn definition(s: &Scene, number: usize) -> (ContentId, Vec<u8>) {
    let role = RoleDefinition { title: format!("Role {number}"), ..s.market.role.clone() };
    role.encode().expect("a definition")
}

/// A peer of the framework with something to give.
async fn peer(s: &Scene, number: u8, given: &Arc<Given>) -> Peer {
    let party = Party::new(number);
    let library: Arc<dyn Library> = Arc::<Given>::clone(given);
    let peer = Peer::with(&party, &s.market, &s.address, library).await;
    peer.enter(s.hello(&party, None), &s.market).await;
    let node = peer.node;
    until("both exchange blocks", || peer.exchange.is_speaker(&node).then_some(())).await;
    let started = Instant::now();
    while !speakers(s).await.contains(&peer_id(&party)) {
        assert!(started.elapsed() < PATIENCE, "the node does not know it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    peer
}

pub(crate) fn peer_id(party: &Party) -> String {
    gridpass_messaging::net::peer_of(&party.did).expect("a peer id").to_string()
}

/// The peers of the operator's node that exchange blocks.
async fn speakers(s: &Scene) -> Vec<String> {
    let status = ask(&s.operator, Asked::Content { cid: None }).await;
    let peers = status["peers"].as_array().expect("a list");
    peers.iter().map(|p| p.as_str().expect("text").to_owned()).collect()
}

async fn has(node: &gridpass_messaging::node::Node, id: &ContentId) -> bool {
    ask(node, Asked::Content { cid: Some(id.clone()) }).await["here"] == true
}

async fn announce(peer: &Peer, id: &ContentId) {
    let announcement = Announcement::Published(id.clone()).encode().expect("encoded");
    peer.publish(&peer.framework, announcement).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_other_bytes_under_a_name_is_named_and_shut_out() {
    let s = Scene::new().await;
    let given = Arc::new(Given::default());
    let party = Party::new(81);
    let liar = peer(&s, 81, &given).await;
    // Somebody asks for what it says it has, and is told who gave something else.
    let (id, bytes) = definition(&s, 0);
    let (_, other) = definition(&s, 1);
    given.give(&id, &other);
    let refused = s.operator.ask(Asked::Fetch { cid: id.clone(), peers: true }).await;
    let refused = refused.expect_err("other bytes");
    assert_eq!(refused.code.id(), "GP-CID-OTHER");
    assert!(refused.message.contains(&peer_id(&party)), "{refused}");
    let refused = s.operator.ask(Asked::Pin { cid: id.clone(), peers: false }).await;
    assert_eq!(refused.expect_err("other bytes").code.id(), "GP-CID-OTHER");
    assert!(!has(&s.operator, &id).await);
    // The third is the last.
    announce(&liar, &id).await;
    liar.until("it is parted with", |shared| shared.partings > 0).await;
    assert!(s.blocked().await);
    // Nobody kept it under that name, and who has it gives it.
    let honest = Arc::new(Given::default());
    honest.give(&id, &bytes);
    let _honest = peer(&s, 82, &honest).await;
    let found = ask(&s.operator, Asked::Fetch { cid: id.clone(), peers: true }).await;
    assert_eq!(found["from"], peer_id(&Party::new(82)));
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_goes_from_peer_to_peer_and_what_is_no_definition_does_not() {
    let s = Scene::new().await;
    let given = Arc::new(Given::default());
    let publisher = peer(&s, 83, &given).await;
    let (id, bytes) = definition(&s, 0);
    given.give(&id, &bytes);
    announce(&publisher, &id).await;
    // The honest one is connected with the operator alone.
    let started = Instant::now();
    while !has(&s.honest, &id).await {
        assert!(started.elapsed() < PATIENCE, "it did not reach the node behind the operator's");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It is not there: an honest peer has what it tells of.
    let (absent, _) = definition(&s, 1);
    announce(&publisher, &absent).await;
    // Bytes that are what they are called, and no definition.
    let began = publisher
        .until_shut_out(50, async |number| {
            let bytes = format!("{{\"number\":{number}}}").into_bytes();
            let id = ContentId::of_bytes(&bytes).expect("a CID");
            given.give(&id, &bytes);
            announce(&publisher, &id).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        })
        .await;
    assert!(began >= 2, "shut out after {began}");
    assert!(!has(&s.operator, &absent).await);
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_without_end_fill_nothing() {
    let s = Scene::new().await;
    let given = Arc::new(Given::default());
    let publisher = peer(&s, 84, &given).await;
    let (first, bytes) = definition(&s, 0);
    // The operator wants to keep this one.
    given.give(&first, &bytes);
    ask(&s.operator, Asked::Pin { cid: first.clone(), peers: false }).await;
    let before = ask(&s.operator, Asked::Content { cid: None }).await["documents"].clone();
    let before = before.as_u64().expect("a number");
    let mut last = first.clone();
    for number in 1..400 {
        let (id, bytes) = definition(&s, number);
        given.give(&id, &bytes);
        announce(&publisher, &id).await;
        let started = Instant::now();
        while !has(&s.operator, &id).await {
            assert!(started.elapsed() < PATIENCE, "number {number} was not taken");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        last = id;
    }
    let after = ask(&s.operator, Asked::Content { cid: None }).await["documents"].clone();
    assert_eq!(after.as_u64(), Some(before + 256));
    assert!(has(&s.operator, &first).await, "what was pinned is there");
    assert!(has(&s.operator, &last).await, "and what came last");
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_everybody_has_and_is_no_definition_is_not_passed_on_as_published() {
    let s = Scene::new().await;
    let publisher = peer(&s, 85, &Arc::new(Given::default())).await;
    // Each node has these, and gives them by their names.
    let known = [s.market.channel.clone(), publisher.framework.clone(), channels::schema()];
    for id in &known {
        assert!(has(&s.operator, id).await, "{id}");
    }
    let told = publisher
        .until_shut_out(known.len(), async |number| announce(&publisher, &known[number]).await)
        .await;
    assert!(told >= 2, "shut out after {told}");
    // The two honest ones have nothing against each other.
    s.is_heard(1).await;
    let figures = ask(&s.honest, Asked::Metrics).await;
    assert!(figures.as_str().expect("text").contains("gridpass_blocked_peers_total 0\n"));
}
