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

/// Says something to a node, and nothing more; gives what it says until it is silent.
async fn told(socket: &Path, said: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.expect("it is reached");
    stream.write_all(said.as_bytes()).await.expect("told");
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
            let answer = told(&socket, "{\"do\":\"stop\"}\n").await;
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
async fn a_connection_that_is_ended_is_told_why() {
    let market = Market::with_operators(|_| ());
    let running = Running::start(&market, 2, false).await;
    let socket = socket_of(running.folder.path());
    assert_eq!(told(&socket, "").await, "", "nothing was asked");
    let cut_off = told(&socket, "{\"do\":\"lists\"}\n{\"do\":\"status\"}").await;
    let lines: Vec<&str> = cut_off.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("{\"ok\""), "{cut_off}");
    assert!(lines[1].contains("GP-NODE-REQUEST"), "{cut_off}");
    let mut all = Vec::new();
    for _ in 0..256 {
        all.push(UnixStream::connect(&socket).await.expect("it is reached"));
    }
    let mut one_more = UnixStream::connect(&socket).await.expect("it is reached");
    let mut answer = String::new();
    one_more.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.contains("GP-NODE-BUSY"), "{answer}");
    // Whoever watches is told the end.
    let mut watching = all.swap_remove(0);
    watching.write_all(b"{\"do\":\"watch\"}\n").await.expect("told");
    let mut first = [0_u8; 10];
    watching.read_exact(&mut first).await.expect("it watches");
    running.node.stop().await;
    let mut rest = String::new();
    watching.read_to_string(&mut rest).await.expect("an end");
    assert!(rest.trim_end().lines().last().is_some_and(|l| l.contains("GP-NODE-NOT-RUNNING")));
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
