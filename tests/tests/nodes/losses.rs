//! A node whose log lost something of what it had: it signs no number again. After a mere crash it goes on.

use crate::asking::{offer, soon};
use crate::running::{Running, until};
use gridpass_messaging::codes;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::{Alone, NodeSettings};
use gridpass_messaging::store::Store;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use std::path::Path;
use std::time::Duration;

/// Alters a byte of a record in the log's only file.
fn damage(store: &Path, number: u64) {
    let path = store.join(format!("{:020}.gplog", 1));
    let mut bytes = std::fs::read(&path).expect("the log");
    let mut at = 48;
    loop {
        let found = u64::from_le_bytes(bytes[at + 8..at + 16].try_into().expect("eight bytes"));
        if found == number {
            break;
        }
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        at += 8 + usize::try_from(length).expect("a length");
    }
    bytes[at + 30] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_may_have_been_given_is_asked_for_and_not_given_again() {
    let market = Market::with_operators(|_| ());
    let flexgen = Running::start(&market, 71, false).await;
    let north = Running::start(&market, 72, true).await;
    north.joins(&flexgen).await;
    let first = offer(&market, 1, "GB-1").once("bid 1");
    let sent = soon(flexgen.node.send(first.clone())).await;
    let second = soon(flexgen.node.send(offer(&market, 2, "GB-1"))).await;
    until("both messages", async || {
        let page = north.node.ask(Asked::Inbox { after: 0, most: 10 }).await.ok()?;
        (page["messages"].as_array()?.len() == 2).then_some(())
    })
    .await;
    // What it says of the second stands behind it in the log: damage there is no end that was cut off.
    soon(flexgen.node.receipt(&second.id, &north.party.did)).await;
    north.node.stop().await;
    let Running { party, folder, node } = flexgen;
    node.stop().await;
    drop(node);
    let place = folder.path().join("store");
    let (store, _) = Store::open(&place).expect("the store");
    let (number, _) = store.envelope(&second.id).expect("it is kept");
    drop(store);
    damage(&place, number);
    let node = nodes::start(folder.path(), &market, &party, false).await;
    let flexgen = Running { party, folder, node };
    assert!(flexgen.node.found.iter().any(|told| told.contains("GP-LOG-DAMAGED")));
    // Nobody is there who knows it, however long it waits.
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let refused = flexgen.node.send(offer(&market, 3, "GB-1")).await.expect_err("a number twice");
    assert_eq!(refused.code, codes::LOG_DAMAGED, "{refused}");
    // What was sent is told all the same.
    let told = soon(flexgen.node.send(first)).await;
    assert_eq!((told.id, told.sequence, told.repeated), (sent.id, sent.sequence, true));
    let north = north.again(&market, true).await;
    flexgen.joins(&north).await;
    let third = until("somebody who knows", async || {
        flexgen.node.send(offer(&market, 3, "GB-1")).await.ok()
    })
    .await;
    assert_eq!(third.sequence, 3);
    for running in [&flexgen, &north] {
        running.node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_that_cut_the_log_off_keeps_nobody_from_going_on_alone() {
    let market = Market::with_operators(|_| ());
    let Running { party, folder, node } = Running::start(&market, 71, false).await;
    node.hurry(Duration::from_secs(11)).await;
    soon(node.send(offer(&market, 1, "GB-1"))).await;
    node.stop().await;
    drop(node);
    // As a machine leaves it that stopped while a record was written.
    let path = folder.path().join("store").join(format!("{:020}.gplog", 1));
    let mut bytes = std::fs::read(&path).expect("the log");
    bytes.extend_from_slice(&[9; 5]);
    std::fs::write(&path, &bytes).expect("written");
    // It sends nothing before it is started once more, and keeps something else.
    let node = nodes::start(folder.path(), &market, &party, false).await;
    assert!(node.found.iter().any(|told| told.contains("GP-LOG-TORN")));
    let done = Asked::Done { reader: "dispatch".to_owned(), channel: None, number: 1 };
    soon(node.ask(done)).await;
    node.stop().await;
    drop(node);
    let node = nodes::start(folder.path(), &market, &party, false).await;
    node.hurry(Duration::from_secs(11)).await;
    assert_eq!(soon(node.send(offer(&market, 2, "GB-1"))).await.sequence, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_restored_begins_alone_only_when_its_operator_answers_for_it() {
    let market = Market::with_operators(|_| ());
    let party = Party::new(71);
    let presentation = nodes::presentation(&market, &party, false);
    let folder = tempfile::tempdir().expect("a folder");
    let restored = |settings: &mut NodeSettings| settings.alone = Alone::Never;
    let node = nodes::start_set(folder.path(), &market, &party, &presentation, restored).await;
    node.hurry(Duration::from_secs(11)).await;
    let refused = node.send(offer(&market, 1, "GB-1")).await.expect_err("it may have sent before");
    assert_eq!(refused.code, codes::LOG_DAMAGED, "{refused}");
    assert!(refused.to_string().contains("--go-on-alone"), "{refused}");
    node.stop().await;
    drop(node);
    let answered_for = |settings: &mut NodeSettings| settings.alone = Alone::Always;
    let node = nodes::start_set(folder.path(), &market, &party, &presentation, answered_for).await;
    node.hurry(Duration::from_secs(11)).await;
    assert_eq!(soon(node.send(offer(&market, 1, "GB-1"))).await.sequence, 1);
    node.stop().await;
    drop(node);
    // What it sent with this store it knows.
    let node = nodes::start_set(folder.path(), &market, &party, &presentation, restored).await;
    assert_eq!(soon(node.send(offer(&market, 2, "GB-1"))).await.sequence, 2);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_log_is_gone_beside_its_index_does_not_begin_anew() {
    let market = Market::with_operators(|_| ());
    let Running { party, folder, node } = Running::start(&market, 71, false).await;
    node.hurry(Duration::from_secs(11)).await;
    soon(node.send(offer(&market, 1, "GB-1"))).await;
    node.stop().await;
    drop(node);
    let store = folder.path().join("store");
    std::fs::remove_file(store.join(format!("{:020}.gplog", 1))).expect("the log");
    for _ in 0..2 {
        let node = nodes::start(folder.path(), &market, &party, false).await;
        assert!(node.found.iter().any(|told| told.contains("GP-LOG-DAMAGED")), "{:?}", node.found);
        node.hurry(Duration::from_secs(11)).await;
        let refused = node.send(offer(&market, 2, "GB-1")).await.expect_err("a number twice");
        assert_eq!(refused.code, codes::LOG_DAMAGED, "{refused}");
        node.stop().await;
    }
}
