//! What becomes of a channel when its owner says that a key was stolen, when its descriptor is dated ahead, and when
//! it goes on elsewhere.

use crate::asking::{offer, soon};
use crate::running::{Running, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::charter::ListedDocument;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::SnapshotStore as _;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::Fixed;
use gridpass_messaging::codes;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::{Node, NodeSettings};
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::codes as policy_codes;
use gridpass_tests::logged::Logged;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::{self, Party, days_ago, minutes_ago};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far the clock of the node is ahead that is given a descriptor too early.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    nodes::clock().plus_millis(AHEAD.load(Ordering::SeqCst))
}

fn signed(market: &Market, by: &Party, at: UnixMillis) -> Vec<u8> {
    let mut channel = SignedChannel::unsigned(market.descriptor.clone()).expect("a channel");
    channel.sign(by.at(at)).expect("signs");
    channel.to_json().to_string().into_bytes()
}

fn log(of: &Did, known: &Fixed) -> Vec<u8> {
    known.snapshots(of).expect("a log").pop().expect("one").document
}

async fn channel(node: &Node) -> Value {
    node.ask(Asked::Status).await.expect("a status")["channels"][0].clone()
}

/// How far its descriptor counts, where it does not.
fn state(shown: &Value) -> &str {
    shown["notSigned"]["state"].as_str().unwrap_or_default()
}

/// A market of an owner with a log, and a node that takes part in it since its owner signed it.
async fn joined(owner: &Logged) -> (Market, Running) {
    let market = Market::with_operators(|d| d.owner = owner.party.did.clone());
    // It was given the descriptor with a signature of somebody else.
    let flexgen = Running::start(&market, 71, false).await;
    let shown = channel(&flexgen.node).await;
    assert_eq!((&shown["joined"], state(&shown)), (&false.into(), "refused"));
    flexgen.add(&log(&owner.party.did, &owner.living())).await;
    flexgen.add(&signed(&market, &owner.party, market.descriptor.dated)).await;
    let shown = channel(&flexgen.node).await;
    assert_eq!((&shown["joined"], &shown["notSigned"]), (&true.into(), &Value::Null));
    flexgen.node.hurry(Duration::from_secs(11)).await;
    (market, flexgen)
}

/// It is the same whether a node runs when it hears of the mark, or starts afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_by_a_stolen_key_counts_no_more_until_its_owner_signs_it_anew() {
    let owner = Logged::new(1);
    let (market, mut flexgen) = joined(&owner).await;
    let first = soon(flexgen.node.send(offer(&market, 1, "GB-1"))).await;
    let (again, marked) = owner.marked(days_ago(60), minutes_ago(5));
    flexgen.add(&log(&again.did, &marked)).await;
    for restarted in [false, true] {
        if restarted {
            flexgen = flexgen.again(&market, false).await;
        }
        let shown = channel(&flexgen.node).await;
        let why = &shown["notSigned"];
        assert_eq!(shown["joined"], false, "{restarted}: {shown}");
        assert_eq!((state(&shown), &why["code"]), ("refused", &"GP-CHANNEL-NOT-SIGNED".into()));
        assert!(why["sentence"].as_str().is_some_and(|s| s.contains("compromised")), "{why}");
        assert!(why["next"].as_str().is_some_and(|n| n.contains("node add")), "{why}");
        let refused = flexgen.node.send(offer(&market, 2, "GB-1")).await.expect_err("not signed");
        assert_eq!(refused.code, policy_codes::CHANNEL_NOT_SIGNED, "{refused}");
    }
    // What was sent and what was given is there still.
    flexgen.add(&signed(&market, &again, nodes::clock())).await;
    let shown = channel(&flexgen.node).await;
    assert_eq!((&shown["joined"], &shown["notSigned"]), (&true.into(), &Value::Null));
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let second = soon(flexgen.node.send(offer(&market, 2, "GB-1"))).await;
    assert_eq!((first.sequence, second.sequence), (1, 2));
    flexgen.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_from_before_the_theft_waits_for_its_owner_to_sign_it_anew() {
    let owner = Logged::new(1);
    let (market, flexgen) = joined(&owner).await;
    let (again, marked) = owner.marked(days_ago(1), minutes_ago(5));
    flexgen.add(&log(&again.did, &marked)).await;
    let shown = channel(&flexgen.node).await;
    let why = &shown["notSigned"];
    assert_eq!((&shown["joined"], state(&shown)), (&false.into(), "undecided"), "{shown}");
    assert!(why["next"].as_str().is_some_and(|n| n.contains("signed anew")), "{why}");
    assert!(why["sentence"].as_str().is_some_and(|s| s.contains("marked")), "{why}");
    let refused = flexgen.node.send(offer(&market, 1, "GB-1")).await.expect_err("not signed");
    assert_eq!(refused.code, policy_codes::CHANNEL_NOT_SIGNED, "{refused}");
    flexgen.add(&signed(&market, &again, nodes::clock())).await;
    let shown = channel(&flexgen.node).await;
    assert_eq!((&shown["joined"], &shown["notSigned"]), (&true.into(), &Value::Null));
    flexgen.node.stop().await;
}

/// The owner's own is taken all the same, and it is what the name means.
#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_in_the_owners_name_that_came_first_keeps_the_owners_own_from_nobody() {
    let owner = Party::new(5);
    let market = Market::with_operators(|d| d.owner = owner.did.clone());
    // It was given the descriptor with a signature of somebody else.
    let flexgen = Running::start(&market, 71, false).await;
    assert_eq!(state(&channel(&flexgen.node).await), "refused");
    let mut own = market.descriptor.clone();
    own.title = "As its owner has it".into();
    let mut own = SignedChannel::unsigned(own).expect("a channel");
    own.sign(owner.at(market.descriptor.dated)).expect("signs");
    flexgen.add(own.to_json().to_string().as_bytes()).await;
    let status = flexgen.node.ask(Asked::Status).await.expect("a status");
    let shown = status["channels"].as_array().expect("channels");
    let joined: Vec<_> = shown.iter().filter(|c| c["joined"] == true).collect();
    assert_eq!((shown.len(), joined.len()), (2, 1), "{status}");
    assert_eq!(joined[0]["id"], own.id().as_str());
    let mut by_name = offer(&market, 1, "GB-1");
    by_name.channel = market.descriptor.name.as_str().to_owned();
    let refused = flexgen.node.send(by_name).await.expect_err("no presentation was given for it");
    assert_eq!(refused.code, codes::NO_PRESENTATION, "{refused}");
    flexgen.node.stop().await;
}

/// Nobody has to start the node again.
#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_that_is_signed_ahead_is_joined_when_its_time_has_come() {
    const TEN_MINUTES: u64 = 600_000;
    let (owner, party) = (Party::new(5), Party::new(71));
    let market = Market::with_operators(|d| d.owner = owner.did.clone());
    let folder = tempfile::tempdir().expect("a folder");
    let shows = nodes::presentation(&market, &party, false);
    let often = |s: &mut NodeSettings| s.catch_up_seconds = 1;
    let node = nodes::start_at(folder.path(), &market, &party, (&shows, clock), often).await;
    let early = signed(&market, &owner, nodes::clock().plus_millis(TEN_MINUTES));
    node.ask(Asked::Add { content: STANDARD.encode(early) }).await.expect("taken");
    let shown = channel(&node).await;
    let why = &shown["notSigned"];
    assert_eq!((&shown["joined"], state(&shown)), (&false.into(), "refused"), "{shown}");
    assert!(why["sentence"].as_str().is_some_and(|s| s.contains("from the future")), "{why}");
    assert!(why["next"].as_str().is_some_and(|n| n.contains("by itself")), "{why}");
    AHEAD.store(TEN_MINUTES, Ordering::SeqCst);
    until("that it is joined", async || (channel(&node).await["joined"] == true).then_some(()))
        .await;
    node.stop().await;
}

/// Nobody else reads there, and nothing else would show it.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_charter_lists_and_the_node_did_not_join_is_told_of() {
    let market = Market::with_operators(|_| ());
    let flexgen = Running::start(&market, 71, false).await;
    let mut version = market.descriptor.next(days_ago(1)).expect("a version");
    version.title = "Bids, as they are since yesterday".into();
    let (listed, _) = version.encode().expect("a descriptor");
    let operators = market.operators.as_ref().expect("operators");
    let (roles, signers) = ([&market.role, operators], [&market.regulator]);
    let first = world::charter(&signers, &roles);
    let mut next = first.next(days_ago(1)).expect("a charter");
    let entry = |document: &ContentId| ListedDocument {
        name: market.descriptor.name.as_str().to_owned(),
        document: document.clone(),
    };
    next.channels = vec![entry(&listed)];
    let mut goes_back = next.next(days_ago(1)).expect("a charter");
    goes_back.channels = vec![entry(&market.channel)];
    let [first, next, goes_back] =
        [first, next, goes_back].map(|charter| world::sign_charter(charter, &signers));
    assert_eq!(channel(&flexgen.node).await["elsewhere"], Value::Null);
    flexgen.add(&world::pack(&[first.clone(), next.clone()], &roles)).await;
    let told = channel(&flexgen.node).await["elsewhere"].clone();
    assert_eq!(told["channel"], listed.as_str(), "{told}");
    assert!(told["next"].as_str().is_some_and(|n| n.contains("node add")), "{told}");
    flexgen.add(&world::pack(&[first, next, goes_back], &roles)).await;
    assert_eq!(channel(&flexgen.node).await["elsewhere"], Value::Null);
    flexgen.node.stop().await;
}
