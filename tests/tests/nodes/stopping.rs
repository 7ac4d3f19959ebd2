//! A node that was stopped has given up what it had, and takes nothing away from the next.

use crate::running::Running;
use gridpass_messaging::codes;
use gridpass_messaging::node::{Node, NodeKey, NodeSettings, socket_of};
use gridpass_messaging::store::Store;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use std::net::TcpListener;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_start_leaves_its_folder_and_its_port_free() {
    let market = Market::with_operators(|_| ());
    let Running { party, folder, node } = Running::start(&market, 2, false).await;
    node.stop().await;
    drop(node);
    // No socket has so long a path.
    let long = folder.path().with_extension("x".repeat(120));
    std::fs::rename(folder.path(), &long).expect("moved");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let mut settings = NodeSettings::default();
    settings.network.listen =
        vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().expect("an address")];
    settings.network.discover = false;
    let key = NodeKey { key: party.key.clone(), key_id: party.key_id.clone() };
    let refused = Node::start(&long, key, settings, nodes::clock).await;
    let refused = refused.expect_err("its socket has no room");
    assert_eq!(refused.code(), codes::NODE_FOLDER, "{refused}");
    TcpListener::bind(("127.0.0.1", port)).expect("nobody listens there");
    drop(Store::open(&long.join("store")).expect("nobody has it open"));
    std::fs::rename(&long, folder.path()).expect("moved back");
    let node = nodes::start(folder.path(), &market, &party, false).await;
    node.stop().await;
}
