//! What a node is asked for: answers, pages, and of the right profile.

use crate::common::Place;
use crate::common::network::{Network, ORDERS};

#[test]
fn an_answer_that_is_here_already_is_found_when_the_message_is_asked_for_again() {
    let network = Network::market();
    let north = network.participant_did("north-1");
    let flexgen = network.participant_did("flexgen-1");
    network.lets_read("north-1", &flexgen, 1);
    network.place.write("order.json", "{\"zone\": \"GB-1\"}");
    let order = ["send", ORDERS, "bids", "order.json", "--to", &flexgen, "--ref", "order-17"];
    let sent = network.ask("north-1", &order);
    let id = sent["id"].as_str().expect("an id").to_owned();
    network.has("flexgen-1", std::slice::from_ref(&id));
    let reply = ["send", ORDERS, "bids", "order.json", "--to", &north, "--thread", &id];
    let answer = network.ask("flexgen-1", &reply)["id"].as_str().expect("an id").to_owned();
    network.has("north-1", std::slice::from_ref(&answer));
    let again = network.ask("north-1", &[&order[..], &["--wait", "30s"]].concat());
    assert_eq!((&again["id"], &again["answer"]["id"]), (&id.into(), &answer.into()));
}

#[test]
fn a_page_says_whether_there_are_more() {
    let network = Network::market();
    let bids: Vec<String> = (1..=3).map(|number| network.bid("flexgen-1", number)).collect();
    network.has("north-1", &bids);
    let page = network.ask("north-1", &["inbox", "--most", "2"]);
    assert_eq!(page["more"], true, "{page}");
    let next = format!("gridpass inbox --after {}\n", page["last"]);
    let told = network.call("north-1", "inbox --most 2");
    assert!(told.text().contains(&next), "{}", told.text());
    let after = page["last"].to_string();
    let rest = network.ask("north-1", &["inbox", "--after", &after]);
    assert_eq!(rest["more"], false, "{rest}");
    assert!(!network.call("north-1", "inbox").text().contains("there are more"));

    let told = network.call("flexgen-1", "outbox --most 2");
    let next = format!("gridpass outbox --before {}", bids[1]);
    assert!(told.text().contains(&next), "{}", told.text());
    let told = network.call("flexgen-1", &format!("outbox --before {}", bids[0]));
    assert!(told.text().contains("nothing was sent before it"), "{}", told.text());
    assert!(!network.call("flexgen-1", "outbox").text().contains("there are more"));
    // A page of nothing says nothing of what there is.
    for asked in ["inbox", "outbox"] {
        let none = [asked, "--most", "0", "--profile", "flexgen-1"];
        network.place.refused("GP-USAGE", 2, &none);
    }
}

#[test]
fn who_asks_for_a_node_in_the_wrong_profile_is_told_so() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.ok(&["id", "export", "root", "-o", "did.jsonl"]);
    let misspelt = place.refused("GP-WALLET-NOT-FOUND", 5, &["inbox", "--profile", "dsoo"]);
    assert!(misspelt["message"].as_str().is_some_and(|m| m.ends_with(": dso")), "{misspelt}");
    place.ok(&["init", "--name", "node-1", "--recovery-out", "node-words.txt"]);
    place.new_identity("node", &["--node", "--profile", "node-1"]);
    place.ok(&["node", "add", "did.jsonl", "--profile", "node-1"]);
    let next = |profile| {
        let told = place.refused("GP-NODE-NOT-RUNNING", 6, &["inbox", "--profile", profile]);
        told["next"].as_str().expect("text").to_owned()
    };
    assert!(next("dso").contains("node-1"), "{}", next("dso"));
    assert!(next("node-1").contains("gridpass node run"), "{}", next("node-1"));
    // Nor is a node's key made in the participant's wallet.
    let run = place.refused("GP-NODE-CONFIGURATION", 3, &["node", "run", "--profile", "dso"]);
    assert!(run["next"].as_str().is_some_and(|n| n.contains("wallet of its own")), "{run}");
}
