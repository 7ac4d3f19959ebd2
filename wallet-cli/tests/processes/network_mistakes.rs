//! What operators get wrong with nodes that run, and what they are told.

use crate::common::network::{BIDS, Network, ORDERS, Role};
use serde_json::Value;

/// One who bids, one who reads, and a node of each that runs; they know each other.
fn market() -> Network {
    let network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen")],
    );
    network.sees("flexgen-1", 1);
    network
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
    let network = market();
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
