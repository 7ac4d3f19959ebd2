//! What a program has that embeds a node: listeners that are its own, and a folder that it changes only while
//! no node runs there.

use crate::running::Running;
use gridpass_messaging::node::{Listen, hold};
use gridpass_tests::messages::Market;
use gridpass_tests::world::NOW;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_owns_its_listener_and_nobody_changes_what_a_running_node_was_given() {
    let market = Market::with_operators(|_| ());
    let Running { party, folder, node } = Running::start(&market, 72, true).await;
    let node = Arc::new(node);
    let mut listener = node.listen_shared(Listen::after(0)).await.expect("it listens");
    let waits = tokio::spawn(async move { listener.next().await });

    let place = folder.path().to_owned();
    let held = tokio::task::spawn_blocking(move || hold(&place)).await.expect("it returns");
    assert_eq!(held.expect_err("a node runs there").code().id(), "GP-LOG-IN-USE");

    node.stop().await;
    let ended = waits.await.expect("it returns").expect_err("nothing was delivered");
    assert_eq!(ended.code.id(), "GP-NODE-NOT-RUNNING");

    let held = hold(folder.path()).expect("nobody has it");
    let (material, unread) = held.material(party.did.clone(), NOW).expect("what it was given");
    assert!(unread.is_empty(), "{unread:?}");
    assert!(material.channels.contains_key(&market.channel));
}
