//! What ends soon of what a node shows for itself is said before it ends.

use gridpass_credentials::secured::{Binding, Form};
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::Asked;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::{self, DAY, Party, in_days};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far the clock of the node here is ahead.
static AHEAD: AtomicU64 = AtomicU64::new(0);

fn clock() -> UnixMillis {
    nodes::clock().plus_millis(AHEAD.load(Ordering::SeqCst))
}

/// What ends soon in its channel, and how soon.
async fn ends(node: &Node) -> Vec<(String, String)> {
    let status = node.ask(Asked::Status).await.expect("a status");
    let text = |end: &Value, name: &str| end[name].as_str().expect("text").to_owned();
    let ends = status["channels"][0]["ends"].as_array().expect("a list").clone();
    ends.iter().map(|end| (text(end, "what"), text(end, "near"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visa_and_a_presentation_that_end_are_told_before() {
    let market = Market::with_operators(|_| ());
    let (folder, party) = (tempfile::tempdir().expect("a folder"), Party::new(72));
    // Of thirteen days, three are left; and of what shows it thirty.
    let visa = world::visa(&market.regulator, &party, &market.role, |visa| {
        visa.valid_until = in_days(3);
    });
    let visa = world::issue(&market.regulator, &visa);
    let audience = market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: in_days(30) };
    let shown = world::present_as(&party, &[&visa], Form::Jwt, &binding);
    let node = nodes::start_at(folder.path(), &market, &party, (&shown, clock), |_| ()).await;
    let told = |what: &str, near: &str| vec![(what.to_owned(), near.to_owned())];
    assert_eq!(ends(&node).await, told("visa", "soon"));
    // It is over, and nothing more to be said of it here.
    AHEAD.store(21 * DAY, Ordering::SeqCst);
    assert_eq!(ends(&node).await, told("presentation", "soon"));
    AHEAD.store(30 * DAY - DAY / 2, Ordering::SeqCst);
    assert_eq!(ends(&node).await, told("presentation", "last"));
    AHEAD.store(31 * DAY, Ordering::SeqCst);
    assert!(ends(&node).await.is_empty());
    node.stop().await;
}
