//! What operators get wrong with nodes that run, and what they are told.

use crate::common::network::{BIDS, Network, ORDERS, Role, until};
use serde_json::Value;

#[test]
fn of_two_nodes_with_one_port_the_second_does_not_start() {
    let mut network = Network::new();
    for (name, role) in [("flexgen", Role::Aggregator), ("north", Role::Operator)] {
        network.participant(name, role);
        network.node(&format!("{name}-1"), name);
    }
    for listen in ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"] {
        network.start_by("flexgen-1", &[], &["--listen", listen]);
        let address = until("an address", || {
            let status = network.ask("flexgen-1", &["node", "status"]);
            status["listening"].as_array()?.first()?.as_str().map(str::to_owned)
        });
        let second =
            ["node", "run", "--listen", &address, "--log", "error", "--profile", "north-1"];
        let told = network.place.refused("GP-NODE-NETWORK", 6, &second);
        let message = told["message"].as_str().expect("text");
        assert!(message.contains(&address) && message.contains("in use"), "{told}");
        // It is the second that ended; and the first has its port again as soon as it is told to stop.
        network.ask("flexgen-1", &["node", "status"]);
        network.stop("flexgen-1");
        network.start_by("flexgen-1", &[], &["--listen", &address]);
        network.stop("flexgen-1");
    }
}

#[test]
fn a_node_that_may_not_act_for_its_participant_says_so() {
    let mut network = Network::market();
    let authorisation = |network: &Network, node: &str| {
        network.ask(node, &["node", "status"])["authorisation"].clone()
    };
    assert_eq!(authorisation(&network, "flexgen-1"), serde_json::json!({"state": "counts"}));
    assert!(network.call("flexgen-1", "node status").text().contains("authorised until 2"));
    let did = network.did("flexgen-1");
    network.call("flexgen", &format!("visa revoke {did} -o lists.json"));
    network.ask("flexgen-1", &["node", "add", "lists.json"]);
    let shown = authorisation(&network, "flexgen-1");
    assert_eq!((&shown["state"], &shown["code"]), (&"refused".into(), &"GP-VISA-REVOKED".into()));
    assert!(shown["next"].as_str().expect("text").contains("authorise-node"), "{shown}");
    let told = network.call("flexgen-1", "node status");
    let line = told.text().lines().find(|l| l.starts_with("REVOKED")).expect("it says so");
    assert!(line.contains(" since 2"), "{line}");
    assert!(!told.text().contains("authorised until"), "{}", told.text());
    let found = doubts(&network, "flexgen-1");
    assert!(found.iter().any(|code| code == "GP-VISA-REVOKED"), "{found:?}");
    let log = || network.log("flexgen-1").contains("not authorised").then_some(());
    until("a word in the log", log);

    network.call("alone", "init --name alone --recovery-out alone-words.txt");
    network.call("alone", "id new --name node --method key --node");
    network.call("alone", "node add trust.json");
    network.start_by("alone", &[], &["--listen", "/ip4/127.0.0.1/tcp/0"]);
    assert_eq!(authorisation(&network, "alone")["state"], "none");
    let told = network.call("alone", "node status");
    assert!(told.text().contains("NOT AUTHORISED"), "{}", told.text());
    assert!(told.text().contains("next: The participant runs"), "{}", told.text());
}

#[test]
fn a_node_whose_terminal_is_closed_ends_in_order() {
    // Whoever is started so that a hangup is ignored, as by nohup, hands that down to its nodes, which obey.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0").trim();
    if u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & 1 == 1) {
        println!("SKIPPED: hangups are ignored here; no node ends by one");
        return;
    }
    let mut network = Network::market();
    network.ended_by("flexgen-1", "-HUP");
    let socket = network.place.path("home/profiles/flexgen-1/node/control.sock");
    assert!(!socket.exists(), "it was killed");
}

#[test]
fn what_is_refused_of_a_node_and_of_what_it_sends_says_what_to_do_there() {
    let network = Network::new();
    network.participant("flexgen", Role::Aggregator);
    network.node("flexgen-1", "flexgen");
    let next = |code: &str, status: i32, args: &[&str]| {
        let told =
            network.place.refused(code, status, &[args, &["--profile", "flexgen-1"]].concat());
        told["next"].as_str().expect("text").to_owned()
    };
    assert!(next("GP-NOT-KEPT", 5, &["node", "check"]).contains("gridpass node run"));
    network.place.write("node.toml", "[metrics]\nlisten = \"192.0.2.1:9\"\n");
    let any = ["node", "run", "--listen", "/ip4/127.0.0.1/tcp/0", "--log", "error"];
    let metrics = next("GP-LISTEN", 3, &[&any[..], &["--config", "node.toml"]].concat());
    assert!(metrics.contains("[metrics]") && !metrics.contains("--listen"), "{metrics}");
    // Passed over, it would not be missed before it is needed.
    network.place.write("cut.toml", "[network]\npeers = [\"/ip4/127.0.0.1/tcp/4801\"]\n");
    let cut = [&any[..], &["--config", "cut.toml"]].concat();
    assert!(next("GP-NODE-CONFIGURATION", 3, &cut).contains("config show"));
    let large = std::fs::File::create(network.place.path("large.bin")).expect("a file");
    large.set_len(17 * 1024 * 1024).expect("its length");
    let send = next("GP-FILE-TOO-LARGE", 2, &["send", BIDS, "bids", "large.bin"]);
    assert!(send.contains("gridpass file send"), "{send}");
    assert!(next("GP-FILE-TOO-LARGE", 2, &["sign", "large.bin"]).contains("--detached"));
    let other = next("GP-FILE-TOO-LARGE", 2, &["node", "add", "large.bin"]);
    assert!(!other.contains("--detached") && !other.contains("file send"), "{other}");
    // Refused, and not kept in clear text.
    let material = network.place.path("home/profiles/flexgen-1/node/material");
    let count = || std::fs::read_dir(&material).expect("a folder").count();
    let before = count();
    next("GP-NODE-FILE", 16, &["node", "add", "flexgen-1-words.txt"]);
    let visa = next("GP-NODE-VISA", 2, &["node", "add", "flexgen-visa.json"]);
    assert!(visa.contains("visa present"), "{visa}");
    assert_eq!(count(), before);
}

/// The ids of the messages that a listener is given.
fn heard(network: &Network, node: &str, args: &[&str]) -> Vec<String> {
    let args = [&["listen", "--profile", node], args].concat();
    let ran = network.place.ok(&args);
    let ids = ran.text().lines().map(|line| {
        let message: Value = serde_json::from_str(line).expect("JSON");
        message["id"].as_str().expect("an id").to_owned()
    });
    ids.collect()
}

#[test]
fn a_reader_of_one_channel_loses_nothing_of_another_and_a_channel_that_is_not_is_named() {
    let network = Network::market();
    let north = network.participant_did("north-1");
    let first = network.bid("flexgen-1", 1);
    network.place.write("order.json", "{\"zone\": \"GB-1\"}");
    let order = network.ask("flexgen-1", &["send", ORDERS, "bids", "order.json", "--to", &north]);
    let order = order["id"].as_str().expect("an id").to_owned();
    let second = network.bid("flexgen-1", 2);
    network.has("north-1", &[first.clone(), order.clone(), second.clone()]);
    let all = network.inbox("north-1");
    let bids: Vec<_> = all.iter().filter(|id| **id != order).cloned().collect();

    let reader = ["--reader", "dispatch"];
    let typo = ["listen", "--profile", "north-1", "--channel", "flex.gb.bidz"];
    let told = network.place.refused("GP-CHANNEL-UNKNOWN", 5, &[&typo[..], &reader].concat());
    assert!(told["message"].as_str().expect("text").contains("flex.gb.bidz"), "{told}");
    let of = |channel: &str, count: &str| {
        let more = ["--channel", channel, "--count", count];
        heard(&network, "north-1", &[&reader[..], &more].concat())
    };
    assert_eq!(of(ORDERS, "1"), std::slice::from_ref(&order));
    assert_eq!(of(BIDS, "2"), bids, "nothing was lost to the other channel");
    let everything = heard(&network, "north-1", &[&reader[..], &["--count", "3"]].concat());
    assert_eq!(everything, all, "nor to a reader of everything");
    // Each goes on where it left off.
    let third = network.bid("flexgen-1", 3);
    network.has("north-1", std::slice::from_ref(&third));
    assert_eq!(of(BIDS, "1"), std::slice::from_ref(&third));
    assert_eq!(of(&network.channels[BIDS], "3").len(), 3, "by its CID it counts for itself");
}

/// What `gridpass doctor` finds, but for what is in order.
fn doubts(network: &Network, node: &str) -> Vec<String> {
    let told = network.place.run_bare(&["--json", "doctor", "--profile", node]).json();
    let checks = told["checks"].as_array().expect("checks");
    let own = checks.iter().filter(|c| {
        ["node", "authorisation", "channel"].contains(&c["name"].as_str().expect("a name"))
    });
    let doubts = own.filter(|c| c["outcome"] != "passed");
    doubts.map(|c| c["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn what_ends_while_a_node_runs_is_said_by_status_doctor_and_log() {
    let mut network = Network::market();
    let right = |network: &Network, node: &str, name: &str| {
        let status = network.ask(node, &["node", "status"]);
        let channels = status["channels"].as_array().expect("channels");
        channels.iter().find(|c| c["name"] == name).expect("it is there")["right"].clone()
    };
    assert_eq!(right(&network, "north-1", BIDS), serde_json::json!({"state": "reads"}));
    assert_eq!(right(&network, "flexgen-1", BIDS)["state"], "sends");
    assert!(doubts(&network, "north-1").is_empty() && doubts(&network, "flexgen-1").is_empty());

    // The presentation runs out.
    let id = network.channels[BIDS].clone();
    let show = format!("visa present flex.gb.dso --to {id} --for 5s -o short.json");
    network.call("north", &show);
    network.call("north-1", "node add short.json");
    until("the end of what is shown", || {
        (right(&network, "north-1", BIDS)["code"] == "GP-PROOF-EXPIRED").then_some(())
    });
    let told = network.call("north-1", "node status");
    let line = told.text().lines().position(|l| l.starts_with("  ENDED ")).expect("it says so");
    let next = told.text().lines().nth(line + 1).expect("a next step");
    assert!(next.contains("next: ") && next.contains("visa present"), "{}", told.text());
    assert_eq!(doubts(&network, "north-1"), ["GP-PROOF-EXPIRED"]);
    until("a word in the log", || network.log("north-1").contains("may not read").then_some(()));

    // The visa is revoked, and the node has the list.
    let did = network.participant_did("north-1");
    network.call("regulator", &format!("visa revoke {did} -o gone.json"));
    network.call("north-1", "node add gone.json");
    let orders = right(&network, "north-1", ORDERS);
    assert_eq!((&orders["state"], &orders["code"]), (&"none".into(), &"GP-VISA-REVOKED".into()));
    assert!(network.call("north-1", "node status").text().contains("  MAY NOT READ "));
    assert!(doubts(&network, "north-1").contains(&"GP-VISA-REVOKED".to_owned()));

    // Of a node that does nothing any more, and of one that was killed.
    network.signal("flexgen-1", "-STOP");
    assert_eq!(doubts(&network, "flexgen-1"), ["GP-NODE-BUSY"]);
    network.signal("flexgen-1", "-CONT");
    network.kill("flexgen-1");
    assert_eq!(doubts(&network, "flexgen-1"), ["GP-NODE-NOT-RUNNING"]);
}
