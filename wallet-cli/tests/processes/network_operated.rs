//! Real nodes as whoever operates them meets them: ended by a signal, logging for machines, over QUIC alone,
//! waited for by scripts, asked by monitoring, on a disk that is full.

use crate::common::network::{BIDS, Network, Role, until};
use crate::common::waiting::{converges, peers};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;

/// One who bids, one who reads, and a node of each that does not run yet.
fn market() -> Network {
    let network = Network::new();
    for (name, role) in [("flexgen", Role::Aggregator), ("north", Role::Operator)] {
        network.participant(name, role);
        network.node(&format!("{name}-1"), name);
    }
    network
}

#[test]
fn a_node_that_is_terminated_ends_in_order_and_its_log_is_json() {
    let mut network = market();
    let json = ["--log-format", "json", "--listen", "/ip4/127.0.0.1/tcp/0"];
    network.start_by("flexgen-1", &[], &json);
    let sent: Vec<_> = (0..3).map(|number| network.bid("flexgen-1", number)).collect();
    network.terminated("flexgen-1");
    let log = network.log("flexgen-1");
    let lines: Vec<Value> = log
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect();
    let says = |l: &Value| ["timestamp", "level", "target"].iter().all(|name| l[*name].is_string());
    assert!(!lines.is_empty() && lines.iter().all(says), "{log}");
    assert!(lines.iter().any(|l| l["fields"]["address"].is_string()), "where it listens: {log}");

    network.start_alone("flexgen-1");
    let status = network.ask("flexgen-1", &["node", "status"]);
    assert_eq!((&status["damage"], &status["keeps"]), (&serde_json::json!([]), &true.into()));
    let outbox = network.ask("flexgen-1", &["outbox"]);
    let ids: Vec<_> =
        outbox["messages"].as_array().expect("messages").iter().map(|m| &m["id"]).collect();
    assert!(sent.iter().all(|id| ids.iter().any(|found| *found == id)), "{outbox:#}");
    let states = || outbox["messages"].as_array().expect("messages").iter().map(|m| &m["state"]);
    assert!(states().all(|state| state == "unknown"), "nobody was there: {outbox:#}");
    assert!(!network.log("flexgen-1").contains("damage"), "it ended in order");
}

#[test]
fn two_nodes_meet_over_quic_alone() {
    let mut network = market();
    let quic = ["--listen", "/ip4/127.0.0.1/udp/0/quic-v1"];
    network.start_by("north-1", &[], &quic);
    let ticket = until("a ticket", || {
        let ran = network.place.run_bare(&["--json", "node", "invite", "--profile", "north-1"]);
        (ran.status == 0).then(|| ran.json()["ticket"].as_str().expect("a ticket").to_owned())
    });
    network.place.ok(&["node", "join", &ticket, "--profile", "flexgen-1"]);
    network.start_by("flexgen-1", &[], &quic);
    network.sees("flexgen-1", 1);
    let address = peers(&network, "flexgen-1")[0]["address"].to_string();
    assert!(address.contains("/quic-v1"), "{address}");
    let sent = vec![network.bid("flexgen-1", 1)];
    converges(&network, "north-1", &sent);
}

#[test]
fn a_script_waits_for_a_node_for_its_peers_and_for_what_recipients_say() {
    let mut network = market();
    let late = ["node", "status", "--wait", "1s", "--profile", "north-1"];
    network.place.refused("GP-NODE-NOT-RUNNING", 6, &late);
    // It began to wait before the node ran.
    let waiting = network
        .place
        .bare()
        .args(["--json", "node", "status", "--wait", "60s", "--profile", "north-1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it waits");
    network.start("north-1");
    let waited = waiting.wait_with_output().expect("it ended");
    assert!(waited.status.success());
    let status: Value = serde_json::from_slice(&waited.stdout).expect("JSON");
    assert!(!status["listening"].as_array().expect("addresses").is_empty(), "{status:#}");
    let alone = ["node", "status", "--wait", "1s", "--peers", "1", "--profile", "north-1"];
    // It is only looked, and may be looked again.
    assert_eq!(network.place.refused("GP-NO-ANSWER", 7, &alone)["transient"], true);

    network.start("flexgen-1");
    network.ask("flexgen-1", &["node", "status", "--wait", "60s", "--peers", "1"]);
    network.kill("north-1");
    let first = network.bid("flexgen-1", 1);
    let nobody = ["receipts", &first, "--wait", "1s", "--profile", "flexgen-1"];
    let told = network.place.refused("GP-NO-ANSWER", 7, &nobody);
    assert!(told["message"].as_str().expect("text").contains("nobody"), "{told}");
    assert_eq!(told["transient"], true, "{told}");
    network.start_alone("north-1");
    let fate = network.ask("flexgen-1", &["receipts", &first, "--wait", "60s"]);
    let said: Vec<_> = fate["recipients"].as_object().expect("recipients").values().collect();
    assert!(said.len() == 1 && said[0]["state"] == "delivered", "{fate:#}");
}

#[test]
fn a_port_that_is_taken_is_named_with_the_cause() {
    let network = market();
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let also = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let [tcp, udp] = [held.local_addr(), also.local_addr()].map(|a| a.expect("its address").port());
    for address in
        [format!("/ip4/127.0.0.1/tcp/{tcp}"), format!("/ip4/127.0.0.1/udp/{udp}/quic-v1")]
    {
        let args =
            ["node", "run", "--listen", &address, "--log", "error", "--profile", "flexgen-1"];
        let told = network.place.refused("GP-NODE-NETWORK", 6, &args)["message"].to_string();
        assert!(told.contains(&address) && told.contains("in use"), "{told}");
    }
}

/// What is answered over HTTP: the status and the text.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    (status, answer)
}

#[test]
fn who_only_connects_takes_no_files_from_a_node() {
    let mut network = market();
    network.place.write("node.toml", "[metrics]\nlisten = \"127.0.0.1:0\"\n");
    network.start_by("flexgen-1", &[], &["--config", "node.toml"]);
    let address = until("where it is asked for its figures", || {
        let log = network.log("flexgen-1");
        let rest = log.split("figures at http://").nth(1)?;
        rest.split("/metrics").next().map(str::to_owned)
    });
    // It opens files as it starts.
    until("it is ready", || (get(&address, "/ready").0 == 200).then_some(()));
    let before = network.open_files("flexgen-1");
    let silent: Vec<_> =
        (0..20).map(|_| TcpStream::connect(&address).expect("it listens")).collect();
    // Who asks waits until the first of them have had their time.
    assert_eq!(get(&address, "/ready").0, 200);
    let now = network.open_files("flexgen-1");
    // Sixteen are served at a time.
    assert!(now <= before + 16, "{before} files were open, and {now} are");
    drop(silent);
    assert_eq!(get(&address, "/ready").0, 200);
}

/// A limit on the size of files stands for the full disk, as in `disk_full.rs`.
#[test]
fn a_node_whose_disk_is_full_says_so_and_loses_nothing_that_it_acknowledged() {
    let mut network = market();
    network.place.write("node.toml", "[metrics]\nlisten = \"127.0.0.1:0\"\n");
    // 4 MiB, in blocks of 512 bytes.
    let limited = ["/bin/sh", "-c", "trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""];
    let more = ["--config", "node.toml", "--listen", "/ip4/127.0.0.1/tcp/0"];
    network.start_by("flexgen-1", &limited, &more);
    let address = until("where it is asked for its figures", || {
        let log = network.log("flexgen-1");
        let rest = log.split("figures at http://").nth(1)?;
        rest.split("/metrics").next().map(str::to_owned)
    });
    assert_eq!(get(&address, "/ready").0, 200);
    let (mut sent, mut number) = (Vec::new(), 0);
    let refused = loop {
        let more = "x".repeat(40_000);
        let bid = format!("{{\"zone\": \"GB-1\", \"number\": {number}, \"more\": \"{more}\"}}");
        network.place.write("bid.json", &bid);
        let args = ["--json", "--profile", "flexgen-1", "send", BIDS, "bids", "bid.json"];
        let ran = network.place.run_bare(&args);
        if ran.status != 0 {
            break ran;
        }
        sent.push(ran.json()["id"].as_str().expect("an id").to_owned());
        number += 1;
        assert!(number < 500, "the disk is small");
    };
    assert_eq!((refused.error()["code"].as_str(), refused.status), (Some("GP-NOT-DURABLE"), 3));
    assert!(sent.len() > 3, "{refused:?}");
    assert_eq!(network.ask("flexgen-1", &["node", "status"])["keeps"], false);
    let (status, text) = get(&address, "/ready");
    assert!(status == 503 && text.contains("GP-NOT-DURABLE"), "{text}");
    let (status, figures) = get(&address, "/metrics");
    assert!(status == 200 && figures.contains("gridpass_commit_failures_total"), "{figures}");
    // It goes on to answer, and there is room again after a restart.
    network.kill("flexgen-1");
    network.start_alone("flexgen-1");
    let outbox = network.ask("flexgen-1", &["outbox", "--most", "1000"]);
    let all = outbox["messages"].as_array().expect("messages").clone();
    let ids: Vec<_> = all.iter().map(|m| m["id"].as_str().expect("an id")).collect();
    assert!(sent.iter().all(|id| ids.contains(&id.as_str())), "acknowledged and lost");
    assert_eq!(ids.len(), sent.len(), "what was refused is not there either");
    network.bid("flexgen-1", number);
}

#[test]
fn what_a_full_disk_kept_a_node_from_taking_comes_when_there_is_room_and_not_minutes_later() {
    let mut network = market();
    // A limit that can be lifted as it runs.
    let limited = ["/bin/sh", "-c", "trap '' XFSZ; ulimit -S -f 8192; exec \"$0\" \"$@\""];
    let listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    network.start_by("north-1", &limited, &listen);
    let ticket = until("a ticket", || {
        let ran = network.place.run_bare(&["--json", "node", "invite", "--profile", "north-1"]);
        (ran.status == 0).then(|| ran.json()["ticket"].as_str().expect("a ticket").to_owned())
    });
    network.place.ok(&["node", "join", &ticket, "--profile", "flexgen-1"]);
    network.start_by("flexgen-1", &[], &listen);
    network.sees("flexgen-1", 1);
    let mut sent = Vec::new();
    while network.ask("north-1", &["node", "status"])["keeps"] != false {
        let (number, more) = (sent.len(), "x".repeat(40_000));
        let bid = format!("{{\"zone\": \"GB-1\", \"number\": {number}, \"more\": \"{more}\"}}");
        network.place.write("bid.json", &bid);
        let answer = network.ask("flexgen-1", &["send", BIDS, "bids", "bid.json"]);
        sent.push(answer["id"].as_str().expect("an id").to_owned());
        assert!(sent.len() < 500, "the disk is small");
    }
    // It is asked for again, and is not taken.
    std::thread::sleep(std::time::Duration::from_secs(15));
    assert!(network.inbox("north-1").len() < sent.len());
    network.make_room("north-1");
    converges(&network, "north-1", &sent);
}
