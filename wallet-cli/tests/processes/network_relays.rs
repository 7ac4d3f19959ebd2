//! Real nodes that do not reach each other by themselves: through a relay, past it, on a local
//! network where nobody told them of each other; and one whose memory is short.

use crate::common::network::{BIDS, Network, Role, until, until_within};
use crate::common::spaces::Spaces;
use crate::common::waiting::{LONG, confirmed, converges, knows, peers};
use serde_json::Value;
use std::time::Instant;

const PORT: u16 = 4801;

/// An aggregator who bids, an operator who reads, and an aggregator whose node is the relay, which
/// may not read bids: it carries them only inside circuits.
fn market() -> Network {
    let network = Network::new();
    for (name, role) in
        [("flexgen", Role::Aggregator), ("north", Role::Operator), ("homes", Role::Aggregator)]
    {
        network.participant(name, role);
        network.node(&format!("{name}-1"), name);
    }
    network
}

/// Writes the configuration of a node's network; gives the arguments to start it with.
fn configured(network: &Network, node: &str, settings: &str) -> [String; 2] {
    let file = format!("{node}.toml");
    network.place.write(&file, &format!("[network]\n{settings}"));
    ["--config".to_owned(), file]
}

fn start(
    network: &mut Network,
    spaces: &Spaces,
    (node, space): (&str, usize),
    bridges: &[usize],
    settings: &str,
) {
    let config = configured(network, node, settings);
    let config: Vec<&str> = config.iter().map(String::as_str).collect();
    spaces.start(network, node, (space, PORT), bridges, &config);
}

/// Where a node is at a bridge.
fn address(network: &Network, node: &str, space: usize, bridge: usize) -> String {
    let peer = network.ask(node, &["node", "status"])["peer"].as_str().expect("a peer").to_owned();
    format!("/ip4/{}/tcp/{PORT}/p2p/{peer}", Spaces::address(bridge, space))
}

/// The address by which a node is connected with one of a participant that is admitted.
fn connected_at(network: &Network, node: &str, participant: &str) -> Option<String> {
    let peers = peers(network, node);
    let found = peers.iter().find(|p| p["participant"] == participant)?;
    Some(found["address"].as_str().expect("an address").to_owned())
}

fn is_circuit(address: &str) -> bool {
    address.contains("/p2p-circuit")
}

/// Waits until a node is reached at a relay; gives the address.
fn place_at(network: &Network, node: &str, relay: &str) -> String {
    let what = format!("a place of {node} at the relay");
    let (place, _) = until_within(LONG, &what, || {
        let peers = network.ask(node, &["node", "peers"]);
        let external = peers["external"].as_array().expect("addresses").clone();
        let mut external = external.iter().filter_map(Value::as_str);
        external.find(|a| a.starts_with(&format!("{relay}/p2p-circuit/p2p/"))).map(str::to_owned)
    });
    place
}

#[test]
fn those_who_cannot_reach_each_other_meet_at_a_relay() {
    let Some(spaces) = Spaces::joined(&[&[1, 3], &[2, 3]]) else { return };
    assert!(!spaces.has_route(1, Spaces::address(1, 2)), "the bidder reaches the reader");
    assert!(!spaces.has_route(2, Spaces::address(0, 1)), "the reader reaches the bidder");
    let mut network = market();
    start(&mut network, &spaces, ("homes-1", 3), &[0, 1], "relay = true\n");
    let relays = [0, 1].map(|bridge| address(&network, "homes-1", 3, bridge));
    let begun = Instant::now();
    // Each is told of the relay, and of nothing else.
    for (node, space, bridge) in [("flexgen-1", 1, 0), ("north-1", 2, 1)] {
        let settings = format!("relays = [\"{}\"]\n", relays[bridge]);
        start(&mut network, &spaces, (node, space), &[bridge], &settings);
    }
    let place = place_at(&network, "flexgen-1", &relays[0]);
    place_at(&network, "north-1", &relays[1]);
    let (flexgen, north) =
        (network.participant_did("flexgen-1"), network.participant_did("north-1"));
    let meet = |network: &Network, since: Instant| {
        for (node, other) in [("flexgen-1", &north), ("north-1", &flexgen)] {
            let at = || connected_at(network, node, other);
            let (at, _) = until_within(LONG, &format!("{other} at {node}"), at);
            assert!(is_circuit(&at), "{node} has {other} at {at}");
            println!("{node} has the other {:?} later, at {at}", since.elapsed());
        }
    };
    meet(&network, begun);
    let invited = network.ask("flexgen-1", &["node", "invite"])["addresses"].clone();
    let invited = invited.as_array().expect("addresses").clone();
    assert!(invited.contains(&Value::from(place)), "others are not told: {invited:?}");
    let mut sent: Vec<String> = (0..5).map(|n| network.bid("flexgen-1", n)).collect();
    println!("all there after {:?}", converges(&network, "north-1", &sent));
    println!("all confirmed after {:?}", confirmed(&network, "flexgen-1", &sent, &north));
    // The relay was never given what it carried.
    let homes = network.participant_did("homes-1");
    let at_flexgen = peers(&network, "flexgen-1");
    let relay = at_flexgen.iter().find(|p| p["participant"] == homes).expect("the relay");
    let may_read = relay["mayRead"].as_array().expect("channels");
    assert!(!may_read.iter().any(|c| *c == network.channels[BIDS]), "the relay may read bids");

    network.kill("homes-1");
    for (node, other) in [("flexgen-1", &north), ("north-1", &flexgen)] {
        let parted = || (!knows(&network, node, other)).then_some(());
        until(&format!("the end of {node}'s circuit"), parted);
    }
    sent.extend((5..10).map(|n| network.bid("flexgen-1", n)));
    start(&mut network, &spaces, ("homes-1", 3), &[0, 1], "relay = true\n");
    let back = Instant::now();
    meet(&network, back);
    println!("all there {:?} after that", converges(&network, "north-1", &sent));
    confirmed(&network, "flexgen-1", &sent, &north);
    println!("all confirmed {:?} after the relay came back", back.elapsed());
    assert_eq!(network.inbox("homes-1"), Vec::<String>::new(), "the relay was given bids");
}

/// They know each other's place at a relay only, and there is a direct way.
#[test]
fn a_connection_through_a_relay_becomes_a_direct_one() {
    let Some(spaces) = Spaces::joined(&[&[1, 2, 3]]) else { return };
    let mut network = market();
    // Nobody tells anybody else's addresses.
    let hidden = |more: &str| format!("discover = false\n{more}");
    start(&mut network, &spaces, ("homes-1", 3), &[0], &hidden("relay = true\n"));
    let relay = address(&network, "homes-1", 3, 0);
    let settings = hidden(&format!("relays = [\"{relay}\"]\n"));
    start(&mut network, &spaces, ("flexgen-1", 1), &[0], &settings);
    let place = place_at(&network, "flexgen-1", &relay);
    let begun = Instant::now();
    let settings = hidden(&format!("peers = [\"{place}\"]\n"));
    start(&mut network, &spaces, ("north-1", 2), &[0], &settings);
    let (flexgen, north) =
        (network.participant_did("flexgen-1"), network.participant_did("north-1"));
    for (node, other) in [("flexgen-1", &north), ("north-1", &flexgen)] {
        let direct = || connected_at(&network, node, other).filter(|a| !is_circuit(a));
        let (at, _) = until_within(LONG, &format!("a direct connection of {node}"), direct);
        println!("{node} has the other at {at} {:?} after it started", begun.elapsed());
    }
    let connected = |line: &&str| line.contains("connected") && line.contains("/p2p-circuit");
    let log = network.log("north-1");
    assert!(log.lines().any(|l| connected(&l)), "it did not begin at the relay:\n{log}");
    assert!(log.contains("reached past the relay"), "it was not upgraded:\n{log}");
    until("the end of the connection through the relay", || {
        let left = "a connection through a relay makes room";
        ["flexgen-1", "north-1"].iter().any(|n| network.log(n).contains(left)).then_some(())
    });
    let mut sent = vec![network.bid("flexgen-1", 1)];
    converges(&network, "north-1", &sent);
    // What is direct needs no relay.
    network.kill("homes-1");
    let gone = || (peers(&network, "flexgen-1").len() == 1).then_some(());
    until("the end of the relay", gone);
    sent.push(network.bid("flexgen-1", 2));
    println!("without the relay it is there after {:?}", converges(&network, "north-1", &sent));
    let log = network.log("north-1");
    let said = |line: &&str| line.contains("said who it is") && line.contains(&flexgen);
    assert_eq!(log.lines().filter(said).count(), 1, "it was parted with:\n{log}");
}

/// One listens where others reach it; what the other listens on they do not see, as behind a NAT.
#[test]
fn a_node_is_told_whether_others_reach_it() {
    let Some(spaces) = Spaces::joined(&[&[1, 2, 3]]) else { return };
    let mut network = market();
    start(&mut network, &spaces, ("homes-1", 3), &[0], "");
    let peers = format!("peers = [\"{}\"]\n", address(&network, "homes-1", 3, 0));
    start(&mut network, &spaces, ("flexgen-1", 1), &[0], &peers);
    let hidden = format!("{peers}listen = [\"/ip4/127.0.0.1/tcp/{PORT}\"]\n");
    start(&mut network, &spaces, ("north-1", 2), &[], &hidden);
    for (node, expected) in [("flexgen-1", true), ("north-1", false)] {
        let told = || network.ask(node, &["node", "peers"])["reachable"].as_bool();
        let (reachable, took) = until_within(LONG, "that it is told", told);
        println!("{node} was told after {took:?}");
        assert_eq!(reachable, expected, "{node}");
    }
    let shown = network.call("north-1", "node peers");
    assert!(shown.text().starts_with("others do not reach this node"), "{}", shown.text());
    assert!(network.log("north-1").contains("name relays in network.relays"), "it is not logged");
    let seen = network.ask("flexgen-1", &["node", "peers"])["external"].clone();
    let own = format!("/ip4/{}/tcp/{PORT}", Spaces::address(0, 1));
    let is_own = |a: &Value| a.as_str().is_some_and(|a| a.starts_with(&own));
    assert!(seen.as_array().expect("addresses").iter().any(is_own), "{seen}");
}

#[test]
fn nodes_on_a_local_network_find_each_other() {
    let Some(spaces) = Spaces::joined(&[&[1, 2]]) else { return };
    let mut network = market();
    let begun = Instant::now();
    for (node, space) in [("flexgen-1", 1), ("north-1", 2)] {
        spaces.multicast(0, space);
        let settings = "discover = false\nlan = true\n";
        start(&mut network, &spaces, (node, space), &[0], settings);
    }
    let north = network.participant_did("north-1");
    until("the other", || knows(&network, "flexgen-1", &north).then_some(()));
    println!("they found each other after {:?}", begun.elapsed());
    let sent: Vec<String> = (0..3).map(|n| network.bid("flexgen-1", n)).collect();
    converges(&network, "north-1", &sent);
    confirmed(&network, "flexgen-1", &sent, &north);
}

/// Why a node takes no new connection.
fn shortage(network: &Network, node: &str) -> Option<String> {
    network.ask(node, &["node", "peers"])["shortOfMemory"].as_str().map(str::to_owned)
}

#[test]
fn a_node_that_is_short_of_memory_takes_no_new_connection_and_says_so() {
    const LITTLE: &str = "discover = false\nmax-memory-mib = 1\n";
    const ENOUGH: &str = "discover = false\nmax-memory-mib = 4096\n";
    let mut network = market();
    let start = |network: &mut Network, node: &str, listen: &str, settings: &str| {
        let config = configured(network, node, settings);
        let more = ["--listen", listen, &config[0], &config[1]];
        network.start_by(node, &[], &more);
        until("an address", || {
            let status = network.ask(node, &["node", "status"]);
            let address = status["listening"].as_array()?.first()?.as_str()?.to_owned();
            Some((format!("{address}/p2p/{}", status["peer"].as_str()?), address))
        })
    };
    let any = "/ip4/127.0.0.1/tcp/0";
    let (north, listen) = start(&mut network, "north-1", any, LITTLE);
    let dials = |peer: &str| format!("peers = [\"{peer}\"]\n");
    let (flexgen, _) = start(&mut network, "flexgen-1", any, &format!("{ENOUGH}{}", dials(&north)));
    // One that is dialled.
    let says = |network: &Network, node: &str| {
        let why = until("that it is said", || shortage(network, node));
        println!("{node}: {why}");
        assert!(why.ends_with("network.max-memory-mib is 1"), "{why}");
        assert!(network.log(node).contains("no new connections: "), "it is not logged");
        let shown = network.call(node, "node peers");
        assert!(shown.text().starts_with("NO NEW CONNECTIONS: "), "{}", shown.text());
    };
    says(&network, "north-1");
    let nobody = |network: &Network, node: &str| {
        let all = network.ask(node, &["node", "peers"]);
        assert_eq!(all["peers"].as_array().map(Vec::len), Some(0), "{all}");
    };
    nobody(&network, "north-1");
    nobody(&network, "flexgen-1");
    assert_eq!(shortage(&network, "flexgen-1"), None);
    // With enough it is reached.
    network.stop("north-1");
    start(&mut network, "north-1", &listen, ENOUGH);
    network.sees("north-1", 1);
    assert_eq!(shortage(&network, "north-1"), None);
    converges(&network, "north-1", &[network.bid("flexgen-1", 1)]);
    // One that dials.
    network.stop("north-1");
    let settings = format!("{LITTLE}{}", dials(&flexgen));
    start(&mut network, "north-1", any, &settings);
    says(&network, "north-1");
    nobody(&network, "north-1");
}

/// Receipts go straight to their sender. Where the two are not connected, and neither needs more peers,
/// the sender is looked for.
#[test]
fn a_sender_that_nobody_connects_its_reader_with_is_looked_for_and_told() {
    let mut network = market();
    network.participant("south", Role::Operator);
    network.node("south-1", "south");
    network.start("north-1");
    let invited = network.ask("north-1", &["node", "invite"]);
    let ticket = invited["ticket"].as_str().expect("a ticket").to_owned();
    for node in ["flexgen-1", "south-1"] {
        network.place.ok(&["node", "join", &ticket, "--profile", node]);
        let [flag, file] = configured(&network, node, "wanted-peers = 1\n");
        network.start_by(node, &[], &[&flag, &file, "--listen", "/ip4/127.0.0.1/tcp/0"]);
    }
    let flexgen = network.participant_did("flexgen-1");
    let south = network.participant_did("south-1");
    until("both", || {
        let north = |node: &str| knows(&network, node, &network.participant_did("north-1"));
        (north("flexgen-1") && north("south-1")).then_some(())
    });
    // Whether or not they have found each other, they part, and nobody has a reason to meet again.
    let node = network.did("flexgen-1");
    network.ask("south-1", &["node", "block", &node]);
    until("the two apart", || (!knows(&network, "south-1", &flexgen)).then_some(()));
    let bid = network.bid("flexgen-1", 1);
    network.has("south-1", std::slice::from_ref(&bid));
    let told = network.ask("flexgen-1", &["receipts", &bid]);
    assert_ne!(told["recipients"][&south]["state"], "delivered", "{told}");
    network.ask("south-1", &["node", "unblock", &node]);
    confirmed(&network, "flexgen-1", std::slice::from_ref(&bid), &south);
}
