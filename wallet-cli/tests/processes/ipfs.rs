//! Role definitions by their CIDs: published by one participant, there when it is gone; given to and
//! got from a real Kubo node, by block exchange and by its RPC.

use crate::common::Place;
use crate::common::kubo::Kubo;
use crate::common::network::{Network, Role, until};
use serde_json::Value;
use std::path::PathBuf;

const PUBLISHED: &str = "gridpass.role.publish/1";
const FETCHED: &str = "gridpass.ipfs.fetch/1";

/// A market with two operators' nodes and an aggregator's.
fn network() -> Network {
    let network = Network::of(
        &[("north", Role::Operator), ("south", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("south-1", "south"), ("flexgen-1", "flexgen")],
    );
    for node in ["north-1", "south-1", "flexgen-1"] {
        network.sees(node, 2);
        until("everybody exchanges blocks with everybody", || {
            let status = network.ask(node, &["ipfs", "status"]);
            (texts(&status["peers"]).len() >= 2).then_some(())
        });
    }
    network
}

/// A definition that no charter lists, in a file; gives its CID.
fn definition(network: &Network, name: &str) -> (String, PathBuf) {
    let file = format!("{name}.json");
    let made = network.place.ok_json(
        "gridpass.role.define/1",
        &["role", "define", name, "--title", "Role", "-o", &file, "--profile", "regulator"],
    );
    (made["definition"].as_str().expect("a CID").to_owned(), network.place.path(&file))
}

fn texts(value: &Value) -> Vec<String> {
    let all = value.as_array().expect("a list");
    all.iter().map(|v| v.as_str().expect("text").to_owned()).collect()
}

/// Fetches a document into a file, and holds it against the one that it was.
#[track_caller]
fn fetches(network: &Network, node: &str, (cid, file): (&str, &PathBuf), store: &[&str]) -> Value {
    let out = format!("{node}-{cid}.json");
    let args = [&["ipfs", "fetch", cid, "--out", &out, "--force", "--profile", node], store];
    let said = network.place.ok_json(FETCHED, &args.concat());
    let (came, was) = (network.place.path(&out), std::fs::read(file).expect("the file"));
    assert_eq!(std::fs::read(came).expect("written"), was);
    said
}

/// Connects a Kubo node with one of ours, and gives the peer id of ours.
fn connect(kubo: &Kubo, network: &Network, node: &str) -> String {
    let status = network.ask(node, &["node", "status"]);
    let peer = status["peer"].as_str().expect("a peer id").to_owned();
    let address = status["listening"][0].as_str().expect("an address");
    kubo.ok(&["swarm", "connect", &format!("{address}/p2p/{peer}")]);
    until("the node knows that Kubo exchanges blocks", || {
        let status = network.ask(node, &["ipfs", "status"]);
        texts(&status["peers"]).contains(&kubo.peer).then_some(())
    });
    peer
}

#[test]
fn a_definition_reaches_every_peer_and_is_there_when_its_publisher_is_gone() {
    let mut network = network();
    let (cid, file) = definition(&network, "flex.gb.storage");
    let args = ["role", "publish", "flex.gb.storage.json", "--to", "peers"];
    let nobody = network.place.run_bare(&["ipfs", "fetch", &cid, "--profile", "south-1"]);
    assert_eq!(nobody.status, 5, "{}", nobody.stderr);
    let args = [&args[..], &["--profile", "flexgen-1"]].concat();
    let said = network.place.ok_json(PUBLISHED, &args);
    assert_eq!(said["cid"], cid.as_str());
    // It and both of the others: this returns when they have it.
    assert_eq!(texts(&said["at"]).len(), 3, "{said}");
    the_own_node_takes_a_definition_for_itself(&network);
    network.stop("flexgen-1");
    for node in ["north-1", "south-1"] {
        let said = fetches(&network, node, (&cid, &file), &[]);
        let own = network.ask(node, &["node", "status"])["peer"].clone();
        assert_eq!(said["from"], own, "of {node} itself");
    }
    // Also after they were off, and of each other.
    network.stop("south-1");
    network.start_alone("south-1");
    fetches(&network, "south-1", (&cid, &file), &["--to", "node"]);
    network.sees("south-1", 1);
    let north = network.ask("north-1", &["node", "status"])["peer"].clone();
    until("the exchange", || {
        let status = network.ask("south-1", &["ipfs", "status", &cid]);
        texts(&status["at"]).contains(&north.as_str()?.to_owned()).then_some(())
    });
    let said = fetches(&network, "south-1", (&cid, &file), &["--from", "peers"]);
    assert_eq!(said["from"], north);
    // A Kubo node that knows one of them has it from there.
    let Some(kubo) = Kubo::start() else { return };
    assert_eq!(kubo.name_of(&file), cid);
    connect(&kubo, &network, "north-1");
    let pin = ["ipfs", "pin", &cid, "--kubo", &kubo.rpc];
    network.place.ok_json("gridpass.ipfs.pin/1", &pin);
    assert!(kubo.has(&cid));
    fetches(&network, "south-1", (&cid, &file), &["--kubo", &kubo.rpc]);
}

/// A definition for the own node alone.
fn the_own_node_takes_a_definition_for_itself(network: &Network) {
    let (cid, file) = definition(network, "flex.gb.heat");
    let args = ["role", "publish", "flex.gb.heat.json", "--to", "node", "--profile", "flexgen-1"];
    let own = network.ask("flexgen-1", &["node", "status"])["peer"].clone();
    let said = network.place.ok_json(PUBLISHED, &args);
    assert_eq!((&said["cid"], &said["at"]), (&Value::from(&*cid), &serde_json::json!([own])));
    fetches(network, "flexgen-1", (&cid, &file), &["--from", "node"]);
    let refused =
        network.place.run_bare(&["ipfs", "fetch", &cid, "--from", "node", "--profile", "north-1"]);
    assert_eq!(refused.status, 5, "{}", refused.stderr);
}

#[test]
fn kubo_and_a_node_have_each_others_blocks_by_exchange() {
    let Some(kubo) = Kubo::start() else { return };
    let network = network();
    // What the charter lists, every node gives; nobody published it.
    let listed = network.call("regulator", "--json role show flex.gb.aggregator").json();
    let listed = listed["cid"].as_str().expect("a CID").to_owned();
    assert!(!kubo.has(&listed));
    let peer = connect(&kubo, &network, "north-1");
    let came = kubo.ok(&["block", "get", "--timeout=20s", &listed]);
    let written = network.call("regulator", "role show flex.gb.aggregator -o -");
    assert_eq!(came.as_bytes(), written.stdout);
    let channel = network.channels[crate::common::network::BIDS].clone();
    assert!(kubo.ok(&["block", "get", "--timeout=20s", &channel]).contains("flex.gb.bids"));
    // What only Kubo has.
    let (cid, file) = definition(&network, "flex.gb.storage");
    let put = kubo.ok(&["block", "put", "--cid-codec=raw", file.to_str().expect("text")]);
    assert_eq!(put, cid);
    let said = fetches(&network, "north-1", (&cid, &file), &["--from", "peers"]);
    assert_eq!(said["from"], kubo.peer.as_str());
    // Looking at it keeps nothing; to pin it does, here and, told to peers, there.
    let status = network.ask("north-1", &["ipfs", "status", &cid]);
    assert_eq!((&status["here"], &status["pinned"]), (&Value::Bool(false), &Value::Bool(false)));
    network.ask("north-1", &["ipfs", "pin", &cid, "--to", "peers"]);
    let status = network.ask("north-1", &["ipfs", "status", &cid]);
    assert_eq!((&status["here"], &status["pinned"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(texts(&status["at"]).len(), 3, "both others and Kubo: {status}");
    // It never says who it is, and stays for longer than who must.
    std::thread::sleep(std::time::Duration::from_secs(17));
    assert!(kubo.peers().contains(&peer), "it was parted with");
    let presentation = network.place.path("north-flex.gb.bids.json");
    let secret = kubo.name_of(&presentation);
    let denied = kubo.run(&["block", "get", "--timeout=3s", &secret]);
    assert!(!denied.status.success(), "a presentation was given to anybody");
}

#[test]
fn a_kubo_node_publishes_pins_and_gives_by_its_rpc() {
    let Some(kubo) = Kubo::start() else { return };
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "key"]);
    let define = ["role", "define", "flex.gb.storage", "--title", "Storage", "-o", "role.json"];
    let made = place.ok_json("gridpass.role.define/1", &define);
    let cid = made["definition"].as_str().expect("a CID");
    assert_eq!(kubo.name_of(&place.path("role.json")), cid);
    let store = ["--kubo", &kubo.rpc];
    let with = |args: &[&'static str]| [args, &store[..]].concat();
    // No wallet is needed for a file, and none for what is not one's own.
    assert!(!kubo.has(cid));
    let said = place.run_bare(&[&["--json", "role", "publish", "role.json"], &store[..]].concat());
    assert_eq!(said.status, 0, "{}", said.stderr);
    assert_eq!(said.json()["cid"], cid);
    assert!(kubo.has(cid));
    assert!(kubo.ok(&["pin", "ls", "-q", "--type=recursive"]).contains(cid));
    let fetched = place.run_bare(&[&["ipfs", "fetch", cid], &store[..]].concat());
    assert_eq!(fetched.stdout, std::fs::read(place.path("role.json")).expect("the file"));
    let status =
        place.ok_json("gridpass.ipfs.status/1", &[&["ipfs", "status", cid], &store[..]].concat());
    assert_eq!((&status["here"], &status["pinned"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(status["peer"], kubo.peer.as_str());
    place.ok(&[&["ipfs", "pin", cid], &store[..]].concat());
    // Charter, pack and definition together.
    place.ok(&["charter", "new", "Flexibility", "--role", "flex.gb.storage"]);
    let said = place.ok_json("gridpass.charter.publish/1", &with(&["charter", "publish"]));
    let published = said["published"].as_array().expect("a list").clone();
    assert_eq!(published.len(), 3, "{said}");
    for one in published {
        assert!(kubo.has(one["cid"].as_str().expect("a CID")), "{one}");
    }
    // What is not there.
    let absent = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";
    let status = place
        .ok_json("gridpass.ipfs.status/1", &[&["ipfs", "status", absent], &store[..]].concat());
    assert_eq!((&status["here"], &status["pinned"]), (&Value::Bool(false), &Value::Bool(false)));
}

#[test]
fn what_cannot_be_published_or_had_is_refused_and_says_what_to_do() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "key"]);
    place.ok(&["role", "define", "flex.gb.storage", "--title", "Storage", "-o", "role.json"]);
    let role = place.read("role.json");
    place.write("other.json", "{\"type\":\"gridpass-channel\"}");
    place.write("changed.json", &role.replace("Storage", "Stor\\u0061ge"));
    place.write("claims.json", &role.replace("\"maxChainDepth\":3", "\"maxChainDepth\":300"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = format!("http://{}", port.local_addr().expect("an address"));
    drop(port);
    let kubo = ["--kubo", &nobody];
    for (code, status, args) in [
        ("GP-ROLE-MALFORMED", 16, vec!["role", "publish", "other.json"]),
        ("GP-DOCUMENT-NOT-CANONICAL", 16, vec!["role", "publish", "changed.json"]),
        ("GP-ROLE-MALFORMED", 16, vec!["role", "publish", "claims.json"]),
        ("GP-NODE-NOT-RUNNING", 6, vec!["role", "publish", "role.json"]),
        ("GP-NODE-NOT-RUNNING", 6, vec!["ipfs", "status"]),
        ("GP-KUBO-UNREACHABLE", 6, [&["role", "publish", "role.json"], &kubo[..]].concat()),
        ("GP-KUBO-UNREACHABLE", 6, [&["ipfs", "status"], &kubo[..]].concat()),
        ("GP-KUBO-ADDRESS", 2, vec!["ipfs", "status", "--kubo", "localhost"]),
        (
            "GP-CID-MALFORMED",
            16,
            vec!["ipfs", "fetch", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"],
        ),
    ] {
        place.refused(code, status, &args);
    }
}

/// An RPC that gives other bytes than it is asked for.
#[test]
fn what_a_store_gives_is_written_only_if_it_hashes_to_its_name() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nother";
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let place = Place::new();
    let cid = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";
    let error = place.refused(
        "GP-CID-OTHER",
        10,
        &["ipfs", "fetch", cid, "--kubo", &address, "--out", "f"],
    );
    assert!(error["message"].as_str().expect("text").contains(&address), "{error}");
    assert!(!place.path("f").exists());
}
