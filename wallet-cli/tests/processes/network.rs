//! Real nodes, each a process with its own wallet and store, exchange messages on loopback. The
//! names of cases are those of the list of what must be refused.

use crate::common::network::{BIDS, MODELS, Network, ORDERS, Role, SEALED, until};
use serde_json::Value;

/// What a recipient says of a message.
fn state_of(network: &Network, node: &str, id: &str, recipient: &str) -> Option<String> {
    let fate = network.ask(node, &["receipts", id]);
    Some(fate["recipients"].get(recipient)?["state"].as_str()?.to_owned())
}

/// Has a node send a bid: its id, or why its own node does not send it.
fn try_to_bid(network: &Network, node: &str, number: u64) -> Result<String, Value> {
    let file = format!("{node}-late.json");
    network.place.write(&file, &format!("{{\"zone\": \"GB-1\", \"number\": {number}}}"));
    let args = ["--json", "send", BIDS, "bids", &file, "--profile", node];
    let ran = network.place.run_bare(&args);
    match ran.status {
        0 => Ok(ran.json()["id"].as_str().expect("an id").to_owned()),
        _ => Err(ran.error()),
    }
}

/// Has a node send that was frozen while something happened, until it knows and refuses: it may come to
/// send before it hears of it. Gives what it sent meanwhile, and why it sends no more.
fn sends_unaware(network: &Network, node: &str, happens: impl FnOnce()) -> (Vec<String>, Value) {
    network.signal(node, "-STOP");
    happens();
    let (mut sent, mut number) = (Vec::new(), 99);
    let mut send = || {
        number += 1;
        try_to_bid(network, node, number).map(|id| sent.push(id)).err()
    };
    let first = std::thread::scope(|scope| {
        let sending = scope.spawn(&mut send);
        network.signal(node, "-CONT");
        sending.join().expect("it ends")
    });
    let refused = first.unwrap_or_else(|| until("its own node refuses", &mut send));
    (sent, refused)
}

/// Two operators with three nodes, three aggregators with four, and one who restarts.
#[test]
fn ten_nodes_of_five_participants_exchange_messages_and_receipts() {
    let mut network = Network::new();
    let operators = ["north", "south"];
    let aggregators = ["flexgen", "homes", "fleet"];
    for name in operators {
        network.participant(name, Role::Operator);
    }
    for name in aggregators {
        network.participant(name, Role::Aggregator);
    }
    let mut readers = Vec::new();
    let mut senders = Vec::new();
    for name in operators {
        for n in 1..=2 {
            let node = format!("{name}-{n}");
            network.node(&node, name);
            network.start(&node);
            readers.push(node);
        }
    }
    for name in aggregators {
        for n in 1..=2 {
            let node = format!("{name}-{n}");
            network.node(&node, name);
            network.start(&node);
            senders.push(node);
        }
    }
    // Everybody was told of the first alone, and finds others through it.
    for node in readers.iter().chain(&senders) {
        network.sees(node, 3);
    }
    let mut sent = Vec::new();
    for round in 0..5 {
        for node in &senders {
            sent.push(network.bid(node, round));
        }
    }
    for node in &readers {
        network.has(node, &sent);
    }
    // Who may not read was given nothing.
    for node in &senders {
        assert_eq!(network.inbox(node), Vec::<String>::new(), "{node} may not read bids");
    }
    // Both operators say that they have it, whichever of their nodes was quicker.
    for name in operators {
        let did = network.participant_did(&format!("{name}-1"));
        until("receipts", || {
            let state = state_of(&network, "flexgen-1", &sent[0], &did)?;
            (state == "delivered").then_some(())
        });
    }
}

#[test]
fn a_node_that_was_off_and_one_that_joins_later_are_given_what_they_missed() {
    let mut network = Network::of(
        &[("north", Role::Operator), ("south", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen")],
    );
    network.sees("flexgen-1", 1);
    let mut sent: Vec<String> = (0..3).map(|n| network.bid("flexgen-1", n)).collect();
    network.has("north-1", &sent);
    network.stop("north-1");
    sent.extend((3..6).map(|n| network.bid("flexgen-1", n)));
    network.start_alone("north-1");
    network.has("north-1", &sent);
    // It joins with a right to nothing before its visa; what came after that it is given.
    network.node("south-1", "south");
    network.start("south-1");
    network.has("south-1", &sent);
}

#[test]
fn a_visa_revoked_while_its_holder_is_connected_ends_what_it_sends() {
    let network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator), ("homes", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen"), ("homes-1", "homes")],
    );
    for node in ["flexgen-1", "homes-1"] {
        network.sees(node, 1);
    }
    let before = vec![network.bid("flexgen-1", 1), network.bid("homes-1", 1)];
    network.has("north-1", &before);
    let did = network.participant_did("flexgen-1");
    network.place.ok(&["visa", "revoke", &did, "-o", "lists.json", "--profile", "regulator"]);
    let (sent, refused) = sends_unaware(&network, "flexgen-1", || {
        // The list reaches the operator through somebody else's node.
        network.ask("homes-1", &["node", "add", "lists.json"]);
        until("the list at the operator's node", || {
            network.log("north-1").contains("a newer status list").then_some(())
        });
    });
    let good = vec![network.bid("homes-1", 2), network.bid("homes-1", 3)];
    network.has("north-1", &good);
    let inbox = network.inbox("north-1");
    assert!(!sent.iter().any(|id| inbox.contains(id)), "it passed after the revocation");
    // Its own node asks itself the same. Who does not is in `hostile_peers/rights.rs`.
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("revoked")), "{refused}");
}

#[test]
fn a_node_whose_authorisation_is_withdrawn_is_cut_off_and_another_of_its_participant_is_not() {
    let network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen"), ("flexgen-2", "flexgen")],
    );
    for node in ["flexgen-1", "flexgen-2"] {
        network.sees(node, 1);
    }
    let before = vec![network.bid("flexgen-1", 1), network.bid("flexgen-2", 1)];
    network.has("north-1", &before);
    let stolen = network.did("flexgen-1");
    network.place.ok(&["visa", "revoke", &stolen, "-o", "lists.json", "--profile", "flexgen"]);
    let (sent, refused) = sends_unaware(&network, "flexgen-1", || {
        network.ask("north-1", &["node", "add", "lists.json"]);
    });
    let good = vec![network.bid("flexgen-2", 2), network.bid("flexgen-2", 3)];
    network.has("north-1", &good);
    let inbox = network.inbox("north-1");
    assert!(!sent.iter().any(|id| inbox.contains(id)), "the stolen node still speaks");
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("revoked")), "{refused}");
}

#[test]
fn what_every_peer_would_refuse_is_not_sent_and_says_why() {
    let mut network = Network::new();
    network.participant("flexgen", Role::Aggregator);
    network.node("flexgen-1", "flexgen");
    network.start("flexgen-1");
    let send = |payload: &str, topic: &str| -> Value {
        network.place.write("bid.json", payload);
        let args = ["--json", "send", BIDS, topic, "bid.json", "--profile", "flexgen-1"];
        let ran = network.place.run_bare(&args);
        assert_ne!(ran.status, 0, "{}", ran.text());
        ran.error()
    };
    let other_zone = send("{\"zone\": \"GB-2\"}", "bids");
    assert_eq!(other_zone["code"], "GP-POLICY-UNMET", "{other_zone}");
    assert_eq!(send("{}", "bids")["exit"], 15);
    assert_eq!(send("{\"zone\": \"GB-1\"}", "prices")["code"], "GP-NO-TOPIC");
    // What cannot be read lacks no attribute.
    for unreadable in ["", "zone: GB-1", "{\"zone\": "] {
        let error = send(unreadable, "bids");
        assert_eq!((&error["code"], &error["exit"]), (&"GP-PAYLOAD-MALFORMED".into(), &16.into()));
        assert!(error["next"].as_str().expect("text").contains("bid.json"), "{error}");
    }
    // Its number is free: nothing of this has been kept.
    let first = network.bid("flexgen-1", 1);
    let outbox = network.ask("flexgen-1", &["outbox"]);
    let messages = outbox["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 1, "{outbox}");
    assert_eq!((messages[0]["id"].as_str(), &messages[0]["sequence"]), (Some(&*first), &1.into()));
}

#[test]
fn an_order_is_answered_in_its_thread_and_a_third_is_not_given_it() {
    let network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator), ("homes", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen"), ("homes-1", "homes")],
    );
    let to = network.participant_did("flexgen-1");
    let back = network.participant_did("north-1");
    network.lets_read("north-1", &to, 1);
    network.place.write("order.json", "{\"zone\": \"GB-1\", \"order\": 17}");
    network.place.write("answer.json", "{\"zone\": \"GB-1\", \"done\": true}");
    let place = &network.place;
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let args = [
                "--json",
                "send",
                ORDERS,
                "bids",
                "order.json",
                "--to",
                &to,
                "--wait",
                "60s",
                "--profile",
                "north-1",
            ];
            place.run_bare(&args)
        });
        let order = until("the order", || {
            let inbox = network.ask("flexgen-1", &["inbox"]);
            inbox["messages"].as_array()?.first()?["id"].as_str().map(str::to_owned)
        });
        network.ask(
            "flexgen-1",
            &["send", ORDERS, "bids", "answer.json", "--to", &back, "--thread", &order],
        );
        let ran = waiting.join().expect("ends");
        assert_eq!(ran.status, 0, "{} {}", ran.text(), ran.stderr);
        let answer = ran.json();
        assert_eq!(answer["answer"]["text"], "{\"zone\": \"GB-1\", \"done\": true}");
        assert_eq!(answer["answer"]["sender"], to.as_str());
    });
    // It carries it, as every subscriber does, and is not addressed.
    assert_eq!(network.inbox("homes-1"), Vec::<String>::new());
}

#[test]
fn a_node_that_is_invited_to_a_channel_is_given_its_descriptor_and_schema() {
    let mut network = Network::of(
        &[("north", Role::Operator), ("south", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen")],
    );
    network.node("south-1", "south");
    // It was given neither channel nor schema.
    let material = network.place.path("home/profiles/south-1/node/material");
    for entry in std::fs::read_dir(&material).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name").to_owned();
        if name.starts_with("channel-") || name.starts_with("document-") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let bids = network.channels[BIDS].clone();
    let ticket = network.ask("north-1", &["node", "invite", "--channel", &bids]);
    let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
    network.place.ok(&["node", "join", &ticket, "--profile", "south-1"]);
    network.start_alone("south-1");
    let sent = vec![network.bid("flexgen-1", 1)];
    network.has("south-1", &sent);
}

#[test]
fn a_channel_that_is_left_brings_nothing_more_until_it_is_joined_again() {
    let network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen")],
    );
    network.sees("flexgen-1", 1);
    let mut bids = vec![network.bid("flexgen-1", 1)];
    network.has("north-1", &bids);
    network.call("north-1", &format!("node leave {BIDS}"));
    let again = network.place.run_bare(&["node", "leave", BIDS, "--profile", "north-1"]);
    assert_ne!(again.status, 0, "it was left before");
    let (north, flexgen) =
        (network.participant_did("north-1"), network.participant_did("flexgen-1"));
    // It parts with those that it read for, and meets them again.
    network.lets_read("north-1", &flexgen, 1);
    network.lets_read("flexgen-1", &north, 1);
    bids.push(network.bid("flexgen-1", 2));
    let order =
        network.ask("flexgen-1", &["send", ORDERS, "bids", "flexgen-1-bid.json", "--to", &north]);
    let order = order["id"].as_str().expect("an id").to_owned();
    network.has("north-1", std::slice::from_ref(&order));
    // Gossip might bring it still: the peers have compared what they have.
    assert_eq!(network.inbox("north-1"), [bids[0].clone(), order.clone()]);
    let page = network.ask("north-1", &["inbox"]);
    assert_eq!(page["messages"][0]["channelName"], BIDS, "what was said there is still shown");
    network.call("north-1", &format!("node add {BIDS}.signed.json north-{BIDS}.json"));
    bids.push(order);
    network.has("north-1", &bids);
}

#[test]
fn a_node_that_lost_its_store_goes_on_where_others_know_that_it_was() {
    let mut network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen")],
    );
    network.sees("flexgen-1", 1);
    let mut bids: Vec<_> = (0..3).map(|n| network.bid("flexgen-1", n)).collect();
    network.has("north-1", &bids);
    network.stop("flexgen-1");
    std::fs::remove_dir_all(network.place.path("home/profiles/flexgen-1/node/store"))
        .expect("removed");
    network.start_alone("flexgen-1");
    network.place.write("bid.json", r#"{"zone": "GB-1", "number": 4}"#);
    let sent = network.ask("flexgen-1", &["send", BIDS, "bids", "bid.json"]);
    assert_eq!(sent["sequence"], 4, "else it contradicts itself");
    bids.push(sent["id"].as_str().expect("an id").to_owned());
    network.has("north-1", &bids);
    assert!(network.inbox("flexgen-1").is_empty(), "its own is not given to it");
}

#[test]
fn a_node_whose_store_was_removed_sends_nothing_before_a_peer_tells_it() {
    let mut network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen")],
    );
    network.sees("flexgen-1", 1);
    let first = network.bid("flexgen-1", 0);
    network.has("north-1", &[first]);
    network.stop("flexgen-1");
    network.stop("north-1");
    std::fs::remove_dir_all(network.place.path("home/profiles/flexgen-1/node/store"))
        .expect("removed");
    network.start_alone("flexgen-1");
    network.place.write("bid.json", r#"{"zone": "GB-1", "number": 2}"#);
    let send = ["send", BIDS, "bids", "bid.json", "--profile", "flexgen-1"];
    network.place.refused("GP-LOG-DAMAGED", 10, &send);
    // That it was found out does not go with the next start.
    network.stop("flexgen-1");
    network.start_alone("flexgen-1");
    network.place.refused("GP-LOG-DAMAGED", 10, &send);
    network.start_alone("north-1");
    let sent = until("somebody who knows", || {
        let args = [&["--json"], send.as_slice()].concat();
        let ran = network.place.run_bare(&args);
        (ran.status == 0).then(|| ran.json())
    });
    assert_eq!(sent["sequence"], 2, "else it contradicts itself");
}

#[test]
fn a_keeper_holds_a_sealed_message_that_it_cannot_read_until_its_recipient_comes() {
    let mut network = Network::new();
    network.channel_with_keepers();
    for (name, role) in
        [("keeper", Role::Aggregator), ("flexgen", Role::Aggregator), ("north", Role::Operator)]
    {
        network.participant(name, role);
    }
    for (node, participant) in
        [("keeper-1", "keeper"), ("flexgen-1", "flexgen"), ("north-1", "north")]
    {
        network.node(node, participant);
    }
    network.start("keeper-1");
    network.start("flexgen-1");
    network.start("north-1");
    let flexgen = network.participant_did("flexgen-1");
    network.sees("keeper-1", 2);
    let sealed = network.channels[SEALED].clone();
    let channel = |network: &Network, node: &str| {
        let status = network.ask(node, &["node", "status"]);
        let all = status["channels"].as_array().expect("channels");
        all.iter().find(|c| c["id"] == *sealed).expect("the channel").clone()
    };
    until("the reader is known", || {
        (channel(&network, "flexgen-1")["sealing"]["members"] == 1).then_some(())
    });
    assert_eq!(channel(&network, "keeper-1")["keeps"], true);
    // Sealed to north, which is not there.
    network.stop("north-1");
    let bid = r#"{"zone": "GB-1", "price": "71.50"}"#;
    network.place.write("bid.json", bid);
    let sent = network.ask("flexgen-1", &["send", SEALED, "bids", "bid.json"]);
    let id = sent["id"].as_str().expect("an id").to_owned();
    let keeper = network.participant_did("keeper-1");
    until("the keeper confirms", || {
        let fate = network.ask("flexgen-1", &["receipts", &id]);
        (fate["state"] == "stored" && fate["keepers"][&keeper].is_object()).then_some(())
    });
    assert!(network.inbox("keeper-1").is_empty(), "it reads nothing");
    // The sender is gone when its recipient comes.
    network.stop("flexgen-1");
    network.start("north-1");
    network.has("north-1", &[id]);
    let message = network.ask("north-1", &["inbox"])["messages"][0].clone();
    assert_eq!(message["sender"], flexgen);
    assert_eq!(message["sealed"], true);
    assert_eq!(message["text"], bid);
    // Nothing of it is on the keeper's disk in plain.
    let store = network.place.path("home/profiles/keeper-1/node/store");
    for entry in std::fs::read_dir(store).expect("a folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).unwrap_or_default();
        assert!(!bytes.windows(5).any(|w| w == b"71.50"), "the keeper could read it");
    }
}

#[test]
fn a_schema_of_several_files_is_fetched_and_payloads_are_held_against_it() {
    let mut network = Network::new();
    network.channel_of_models();
    for name in ["north", "south"] {
        network.participant(name, Role::Operator);
    }
    network.node("north-1", "north");
    network.call("north-1", "node add models.json main.xsd common.xsd");
    network.start("north-1");
    // It has the channel, and nothing of its schema.
    network.node("south-1", "south");
    // Alone it can ask nobody, and says what it lacks.
    network.start_alone("south-1");
    network.place.write("model.xml", "<Model zone='GB-1'/>");
    let args = ["send", MODELS, "models", "model.xml", "--profile", "south-1"];
    let told = network.place.refused("GP-SCHEMA-NOT-HERE", 11, &args);
    let schema = network.ask("south-1", &["node", "status"])["channels"]
        .as_array()
        .and_then(|all| all.iter().find(|c| c["name"] == MODELS).cloned())
        .expect("the channel")["schemasMissing"][0]["schema"]
        .as_str()
        .expect("it is named")
        .to_owned();
    assert!(told["message"].as_str().is_some_and(|m| m.contains(&schema)), "{told}");
    assert!(told["next"].as_str().is_some_and(|n| n.contains("gridpass node add")), "{told}");
    let shown = network.call("south-1", "node status");
    assert!(shown.text().contains("SCHEMA MISSING"), "{}", shown.text());
    network.stop("south-1");
    network.start("south-1");
    network.sees("south-1", 1);
    let send = |text: &str| {
        network.place.write("model.xml", text);
        let args = ["--json", "send", MODELS, "models", "model.xml", "--profile", "north-1"];
        network.place.run_bare(&args)
    };
    let refused = send("<Model zone='FR-1'/>");
    assert_eq!(refused.error()["code"], "GP-PAYLOAD-SCHEMA", "{}", refused.stderr);
    let sent = send("<Model zone='GB-1'/>").json()["id"].as_str().expect("an id").to_owned();
    network.has("south-1", &[sent]);
    // It knows them after a restart, with nobody to ask.
    network.stop("north-1");
    network.stop("south-1");
    network.start_alone("south-1");
    let args = ["--json", "send", MODELS, "models", "model.xml", "--profile", "south-1"];
    assert_eq!(network.place.run_bare(&args).status, 0, "{}", network.log("south-1"));
}

/// A subscriber that is frozen loses nothing. That it holds up nobody else shows where more is sent than
/// what lies between holds: in `hostile_peers/behind.rs`.
#[test]
fn a_frozen_subscriber_loses_nothing() {
    let network = Network::of(
        &[("north", Role::Operator), ("south", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("flexgen-1", "flexgen"), ("north-1", "north"), ("south-1", "south")],
    );
    for node in ["north-1", "south-1"] {
        network.sees(node, 1);
    }
    network.signal("south-1", "-STOP");
    let sent: Vec<String> = (0..50).map(|n| network.bid("flexgen-1", n)).collect();
    network.has("north-1", &sent);
    network.signal("south-1", "-CONT");
    network.has("south-1", &sent);
}
