//! `kill -9` of any node, two hundred times under load: no acknowledged message is lost, none is
//! delivered twice to the application, the logs are whole.

use crate::common::network::{BIDS, Network, PATIENCE, Role, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a node is killed.
const KILLS: u32 = 200;

/// A conversation with a node over its socket.
struct Talk {
    read: BufReader<UnixStream>,
}

impl Talk {
    fn with(socket: &PathBuf) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Some(Self { read: BufReader::new(stream) })
    }

    fn say(&mut self, asked: &Value) -> Option<()> {
        let mut line = asked.to_string().into_bytes();
        line.push(b'\n');
        self.read.get_mut().write_all(&line).ok()
    }

    fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.read.read_line(&mut line).ok().filter(|n| *n > 0)?;
        serde_json::from_str(&line).ok()
    }
}

/// SplitMix64: a run is repeated with its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most
    }
}

/// Sends without end; gives what was acknowledged.
fn send_until(ended: &AtomicBool, socket: &PathBuf) -> Vec<String> {
    use base64::Engine as _;
    let mut acknowledged = Vec::new();
    let mut number = 0_u64;
    while !ended.load(Ordering::Relaxed) {
        let Some(mut talk) = Talk::with(socket) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        while !ended.load(Ordering::Relaxed) {
            number += 1;
            let payload = format!("{{\"zone\": \"GB-1\", \"number\": {number}}}");
            let payload = base64::engine::general_purpose::STANDARD.encode(payload);
            let asked = json!({"do": "send", "channel": BIDS, "topic": "bids", "payload": payload});
            let answer = talk.say(&asked).and_then(|()| talk.hear());
            let Some(answer) = answer else { break };
            let id = answer["ok"]["id"].as_str();
            acknowledged.push(id.unwrap_or_else(|| panic!("not sent: {answer}")).to_owned());
            // Not so many that catching up takes longer than the test.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    acknowledged
}

/// Listens without end, each time from where it left off; gives how often it was given each.
fn listen_until(ended: &AtomicBool, socket: &PathBuf) -> BTreeMap<String, u32> {
    let mut given: BTreeMap<String, u32> = BTreeMap::new();
    let mut after = 0;
    while !ended.load(Ordering::Relaxed) {
        let Some(mut talk) = Talk::with(socket) else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        talk.read.get_mut().set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
        if talk.say(&json!({"do": "listen", "after": after, "reader": null})).is_none() {
            continue;
        }
        // A line that was cut off by the end of the node is given again.
        while let Some(message) = talk.hear() {
            let Some(number) = message["ok"]["number"].as_u64() else { break };
            after = number;
            *given.entry(message["ok"]["id"].as_str().expect("an id").to_owned()).or_default() += 1;
        }
    }
    given
}

#[test]
fn nodes_that_are_killed_lose_nothing_acknowledged_and_deliver_nothing_twice() {
    let nodes = ["north-1", "flexgen-1"];
    let mut network = Network::of(
        &[("north", Role::Operator), ("flexgen", Role::Aggregator)],
        &[("north-1", "north"), ("flexgen-1", "flexgen")],
    );
    network.sees("flexgen-1", 1);
    // A node that has sent nothing asks its peers first whether it did: under these kills for ever.
    network.has("north-1", &[network.bid("flexgen-1", 0)]);
    let socket =
        |node: &str| network.place.path(&format!("home/profiles/{node}/node/control.sock"));
    let (sender, reader) = (socket("flexgen-1"), socket("north-1"));
    let (ended, read_all) = (AtomicBool::new(false), AtomicBool::new(false));
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let (sent, given) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send_until(&ended, &sender));
        let listening = scope.spawn(|| listen_until(&read_all, &reader));
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(dice.below(300)));
            let node = nodes[usize::try_from(dice.below(2)).expect("small")];
            network.kill(node);
            network.start_alone(node);
        }
        ended.store(true, Ordering::Relaxed);
        let sent = sending.join().expect("sends");
        // Everything that was acknowledged arrives at last.
        network.has("north-1", &sent);
        until("the listener", || {
            // It is as far as the inbox when nothing came for a while; what it has is checked below.
            let last = network.inbox("north-1");
            std::thread::sleep(Duration::from_millis(700));
            (last == network.inbox("north-1")).then_some(())
        });
        read_all.store(true, Ordering::Relaxed);
        (sent, listening.join().expect("listens"))
    });
    println!("{KILLS} kills, {} acknowledged, {} delivered", sent.len(), given.len());
    assert!(sent.len() > 200, "only {} messages: no load", sent.len());
    for id in &sent {
        assert_eq!(given.get(id), Some(&1), "{id} was acknowledged, and given otherwise than once");
    }
    assert!(given.values().all(|n| *n == 1));
    for node in nodes {
        network.stop(node);
        let check = network.ask(node, &["node", "check"]);
        assert_eq!(check["damaged"], json!([]), "{node}: {check}");
        println!("{node}: skipped {} after {} cut ends", check["missing"], check["cutEnds"]);
    }
}
