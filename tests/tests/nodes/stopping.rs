//! A node that was stopped has given up what it had, and takes nothing away from the next.

use crate::running::Running;
use gridpass_messaging::node::socket_of;
use gridpass_messaging::store::Store;
use gridpass_tests::messages::Market;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Tells a node by its socket that it is to stop, and waits for what it says until it is silent.
async fn stop_by(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).await.expect("it is reached");
    stream.write_all(b"{\"do\":\"stop\"}\n").await.expect("told");
    stream.shutdown().await.expect("nothing more is asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_can_be_started_where_another_was_just_stopped() {
    let market = Market::with_operators(|_| ());
    let mut running = Running::start(&market, 2, false).await;
    let (socket, store) = (socket_of(running.folder.path()), running.folder.path().join("store"));
    for by_its_socket in [false, true, false, true, false, true] {
        if by_its_socket {
            let answer = stop_by(&socket).await;
            assert!(answer.contains("stopped"), "{answer}");
        } else {
            running.node.stop().await;
        }
        assert!(!socket.exists(), "it would take the next one's away");
        drop(Store::open(&store).expect("nobody has it open"));
        running = running.again(&market, false).await;
        UnixStream::connect(&socket).await.expect("the next one is reached");
    }
}
