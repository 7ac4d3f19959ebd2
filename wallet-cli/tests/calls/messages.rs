//! What a node is asked for: answers, pages, and of the right profile.

use crate::common::Place;
use crate::common::network::{Network, ORDERS};
use gridpass_credentials::content_id::EnvelopeId;

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

/// A script that was not answered in time has what it sent, and does not send it twice.
#[test]
fn a_message_that_nobody_answers_is_told_as_sent() {
    let network = Network::market();
    let flexgen = network.participant_did("flexgen-1");
    network.lets_read("north-1", &flexgen, 1);
    network.place.write("order.json", "{\"zone\": \"GB-1\"}");
    let order = ["send", ORDERS, "bids", "order.json", "--to", &flexgen, "--wait", "1s"];
    let call = [&order[..], &["--profile", "north-1"]].concat();
    let late = network.place.refused("GP-NO-ANSWER", 7, &call);
    let id = late["done"]["id"].as_str().expect("its id");
    assert!(late["done"]["sequence"].is_u64(), "{late}");
    assert!(late["message"].as_str().is_some_and(|m| m.contains(id)), "{late}");
    assert_eq!(late["transient"], false, "it would be sent twice");
    assert_eq!(network.ask("north-1", &["receipts", id])["id"], id);
    // What was never sent has a remedy of its own.
    let unknown = EnvelopeId::of_block(b"never sent").expect("a name").to_string();
    let asked = ["receipts", &unknown, "--profile", "north-1"];
    let told = network.place.refused("GP-NOT-KEPT", 5, &asked);
    assert!(told["next"].as_str().is_some_and(|n| n.contains("gridpass outbox")), "{told}");
}

/// The bytes of a file and a JSON answer are not mixed, and what is not kept is looked for where it would be.
#[test]
fn a_file_on_standard_output_is_no_json_and_a_channel_is_looked_for_among_channels() {
    let place = Place::with_wallet();
    let fetch = ["file", "fetch", "bafyreigh2akiscaildc", "-o", "-"];
    let refused = place.refused("GP-USAGE", 2, &fetch);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("-o FILE")), "{refused}");
    for call in [["channel", "show", "nofile"], ["policy", "lint", "nofile"]] {
        let told = place.refused("GP-NOT-KEPT", 5, &call);
        let next = told["next"].as_str().expect("text");
        assert!(next.contains("gridpass channel list") && !next.contains("visa"), "{told}");
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
