//! A clock that is wrong for a while takes no channel away from a node.

use crate::running::bid;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::node::control::NewMessage;
use gridpass_messaging::node::{AskError, Node, Sent};
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far the clock of the node here is ahead.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    nodes::clock().plus_millis(AHEAD.load(Ordering::SeqCst))
}

async fn start(folder: &Path, market: &Market, party: &Party) -> Node {
    let presentation = nodes::presentation(market, party, false);
    let node = nodes::start_at(folder, market, party, (&presentation, clock), |_| ()).await;
    // Nobody is waited for who may know what it sent before.
    node.hurry(Duration::from_secs(11)).await;
    node
}

async fn send(node: &Node, number: u64) -> Result<Sent, AskError> {
    let offer = NewMessage::new("flex.gb.bids", "bids", bid(number).as_bytes());
    let sent = node.send(offer.with("zone", "GB-1").with("quantityKw", 5));
    tokio::time::timeout(Duration::from_secs(60), sent).await.expect("not in vain")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_by_a_clock_that_was_set_forward() {
    const TEN_MINUTES: u64 = 600_000;
    let market = Market::with_operators(|_| ());
    let (folder, party) = (tempfile::tempdir().expect("a folder"), Party::new(71));
    let node = start(folder.path(), &market, &party).await;
    assert_eq!(send(&node, 1).await.expect("sent").sequence, 1);
    AHEAD.store(TEN_MINUTES, Ordering::SeqCst);
    let refused = send(&node, 2).await.expect_err("the clock is wrong");
    assert_eq!(refused.code.id(), "GP-CLOCK-MOVED", "{refused}");
    AHEAD.store(0, Ordering::SeqCst);
    assert_eq!(send(&node, 2).await.expect("sent").sequence, 2);
    node.stop().await;
    drop(node);

    // One that started with the wrong clock cannot tell; what it sent is what it is told of then.
    AHEAD.store(TEN_MINUTES, Ordering::SeqCst);
    let node = start(folder.path(), &market, &party).await;
    let early = send(&node, 3).await.expect("sent");
    AHEAD.store(0, Ordering::SeqCst);
    let refused = send(&node, 4).await.expect_err("its chain is ahead");
    assert_eq!(refused.code.id(), "GP-CHAIN-AHEAD", "{refused}");
    assert!(refused.message.contains(&early.issued.to_string()), "{refused}");
    node.stop().await;
}
