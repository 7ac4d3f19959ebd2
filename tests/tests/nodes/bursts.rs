//! More at once than gossip and a node take up: it comes all the same, and soon.

use crate::running::until;
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::Asked;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use serde_json::Value;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Twice what may be in work for one peer at once, in messages of 16 KiB.
const COUNT: usize = 1_100;
const BYTES: usize = 16 * 1024;

async fn delivered(node: &Node) -> usize {
    let (mut after, mut count) = (0, 0);
    loop {
        let page = node.ask(Asked::Inbox { after, most: 1000 }).await.expect("an inbox");
        let messages = page["messages"].as_array().expect("messages");
        count += messages.len();
        if messages.is_empty() {
            return count;
        }
        after = page["last"].as_u64().expect("a number");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_beyond_what_is_in_work_at_once_comes_without_waiting_for_the_next_round() {
    let market = Market::with_operators(|d| d.limits.max_messages_per_minute = 1_000_000);
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let parties = [Party::new(2), Party::new(3)];
    // Heads are not compared in rounds: only who is told that something was left out asks for it.
    let rounds_never_come = |settings: &mut gridpass_messaging::node::NodeSettings| {
        settings.catch_up_seconds = 3600;
    };
    let mut nodes_up = Vec::new();
    for (number, party) in parties.iter().enumerate() {
        let shown = nodes::presentation(&market, party, number == 1);
        let folder = folders[number].path();
        nodes_up.push(Arc::new(
            nodes::start_set(folder, &market, party, &shown, rounds_never_come).await,
        ));
    }
    let [sender, receiver] = [&nodes_up[0], &nodes_up[1]];
    let ticket = until("a ticket", async || {
        let invited = sender.ask(Asked::Invite { channels: Vec::new() }).await.ok()?;
        Some(invited["ticket"].as_str()?.to_owned())
    })
    .await;
    receiver.ask(Asked::Join { ticket }).await.expect("joins");
    until("a subscription", async || {
        let peers = sender.ask(Asked::Peers).await.expect("peers");
        let may = |p: &Value| p["subscribed"].as_array().is_some_and(|s| !s.is_empty());
        peers["peers"].as_array().expect("peers").iter().any(may).then_some(())
    })
    .await;

    // It asks first how far its chain is known, and the reader for its presentation.
    until("the first", async || sender.ask(nodes::bid(0, BYTES)).await.ok()).await;
    until("the first there", async || (delivered(receiver).await == 1).then_some(())).await;
    let mut sending = JoinSet::new();
    for number in 1..COUNT {
        let sender = Arc::clone(sender);
        sending.spawn(async move { sender.ask(nodes::bid(number, BYTES)).await.map(|_| ()) });
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("it ran").expect("sent");
    }
    until("all of the burst", async || (delivered(receiver).await == COUNT).then_some(())).await;
    for node in nodes_up {
        node.stop().await;
    }
}
