//! A node whose disk failed so that nobody can tell what is there.

use crate::running::Running;
use gridpass_messaging::codes;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::socket_of;
use gridpass_tests::messages::Market;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_disk_failed_tells_who_waits_ends_by_itself_and_says_why() {
    let market = Market::with_operators(|_| ());
    let running = Running::start(&market, 71, false).await;
    running.send(1, &[]).await;
    let mut watching =
        UnixStream::connect(socket_of(running.folder.path())).await.expect("it is reached");
    watching.write_all(b"{\"do\":\"watch\"}\n").await.expect("told");
    assert!(running.node.failure().is_none());
    running.node.fail().await;
    let refused = running.try_send(2, &[]).await.expect_err("nothing is kept any more");
    let told = [codes::NOT_DURABLE, codes::NODE_NOT_RUNNING];
    assert!(told.contains(&refused.code), "{refused}");
    let ended = tokio::time::timeout(PATIENCE, running.node.ended()).await;
    ended.expect("it ends by itself");
    let why = running.node.failure().expect("it failed");
    assert_eq!(why.code, codes::LOG_IO, "{why}");
    assert!(running.node.ask(Asked::Status).await.is_err(), "nobody waits for it");
    let mut rest = String::new();
    let read = tokio::time::timeout(PATIENCE, watching.read_to_string(&mut rest)).await;
    read.expect("it does not wait for ever").expect("an end");
    assert!(rest.contains(codes::NODE_NOT_RUNNING.id()), "{rest}");
    // Its folder and ports are free, and what it acknowledged is there.
    let mark = running.folder.path().join("store/index.failed");
    assert!(mark.exists());
    let running = running.again(&market, false).await;
    assert!(running.node.failure().is_none() && !mark.exists());
    assert_eq!(running.node.outbox(10).await.expect("an outbox").len(), 1);
    running.send(3, &[]).await;
    running.node.stop().await;
    assert!(running.node.failure().is_none(), "it was stopped");
}
