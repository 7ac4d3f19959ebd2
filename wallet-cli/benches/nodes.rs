//! Nodes as processes: how soon they start, how long a message and a revocation take to reach the others, how
//! fast one catches up with what it missed, how much memory they need.
//!
//! `cargo bench -p wallet-cli --bench nodes`; BENCHMARKS.md keeps the last table. `GRIDPASS_MISSED` says how
//! many messages are missed, instead of 100,000.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

#[path = "../tests/common/mod.rs"]
mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::network::{BIDS, Network, Role, until_within};
use gridpass_messaging::node::{folder_of, socket_of};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const READERS: usize = 9;
const SENT: usize = 500;
/// The time between two messages, when it is calm.
const CALM: Duration = Duration::from_millis(20);
const REVOKED: usize = 10;
const MISSED: usize = 100_000;
/// How many programs send at once, when much is sent.
const SENDERS: usize = 16;
const PAYLOAD: usize = 512;
const LONG: Duration = Duration::from_secs(1200);

/// A connection with a node.
struct Control(BufReader<UnixStream>);

impl Control {
    fn with(socket: &Path) -> Self {
        Self(BufReader::new(UnixStream::connect(socket).expect("the node runs")))
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.0.get_mut(), "{question}").expect("asked");
        self.next().expect("an answer")
    }

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.0.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let answer: Value = serde_json::from_str(&line).expect("JSON");
        // A node that ends says so to who listens.
        answer.get("ok").cloned()
    }
}

fn socket(network: &Network, node: &str) -> PathBuf {
    socket_of(&folder_of(&network.place.path(&format!("home/profiles/{node}"))))
}

fn bid(number: usize) -> Value {
    let more = "x".repeat(PAYLOAD - 48);
    let payload = format!("{{\"zone\":\"GB-1\",\"number\":{number},\"more\":\"{more}\"}}");
    json!({"do": "send", "channel": BIDS, "topic": "bids", "payload": STANDARD.encode(payload)})
}

fn said(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    println!(
        "{what:<52} p50 {:>9.2?}   p99 {:>9.2?}   most {:>9.2?}   of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

/// From the call until each reader's application has it, and until the sender's is told that it is durable.
fn latency(network: &Network, readers: &[String]) {
    let (came, all) = mpsc::channel();
    for reader in readers {
        let mut control = Control::with(&socket(network, reader));
        let came = came.clone();
        writeln!(control.0.get_mut(), "{}", json!({"do": "listen", "after": 0})).expect("asked");
        std::thread::spawn(move || {
            while let Some(message) = control.next() {
                let id = message["id"].as_str().unwrap_or_default().to_owned();
                if came.send((id, Instant::now())).is_err() {
                    return;
                }
            }
        });
    }
    let mut sender = Control::with(&socket(network, "sender"));
    let (mut sent, mut durable) = (std::collections::HashMap::new(), Vec::new());
    for number in 0..SENT {
        let begun = Instant::now();
        let id = sender.ask(&bid(number))["id"].as_str().expect("an id").to_owned();
        durable.push(begun.elapsed());
        sent.insert(id, begun);
        std::thread::sleep(CALM.saturating_sub(begun.elapsed()));
    }
    let mut took = Vec::new();
    while took.len() < SENT * readers.len() {
        let (id, at) = all.recv_timeout(LONG).expect("all come");
        // Those before are told of too.
        if let Some(begun) = sent.get(&id) {
            took.push(at.duration_since(*begun));
        }
    }
    said("sent until durable at the sender", durable);
    said("sent until at each of nine applications", took);
}

/// From the moment when one node is given a list until it counts at each of the others.
fn revocations(network: &Network, readers: &[String]) {
    let lists = |control: &mut Control| control.ask(&json!({"do": "lists"}))["lists"].to_string();
    let mut took = Vec::new();
    for number in 0..REVOKED {
        let what = if number % 2 == 0 { "suspend" } else { "reinstate" };
        let holder = network.participant_did("sender");
        let file = format!("lists-{number}.json");
        network.call("regulator", &format!("visa {what} {holder} -o {file}"));
        let given = std::fs::read(network.place.path(&file)).expect("lists");
        let mut others: Vec<(Control, String)> = readers
            .iter()
            .map(|reader| {
                let mut control = Control::with(&socket(network, reader));
                let before = lists(&mut control);
                (control, before)
            })
            .collect();
        let (mut first, _) = others.remove(0);
        let begun = Instant::now();
        first.ask(&json!({"do": "add", "content": STANDARD.encode(given)}));
        while !others.is_empty() {
            others.retain_mut(|(control, before)| {
                let there = lists(control) != *before;
                if there {
                    took.push(begun.elapsed());
                }
                !there
            });
            assert!(begun.elapsed() < LONG, "a list does not come");
        }
    }
    said("a suspension until it counts at each of eight others", took);
}

/// Sends as fast as a few programs can.
fn send_many(network: &Network, count: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                let mut control = Control::with(&socket(network, "sender"));
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    control.ask(&bid(number));
                }
            });
        }
    });
}

/// How many messages a node was delivered or refused.
fn kept(network: &Network, node: &str) -> usize {
    let text = Control::with(&socket(network, node)).ask(&json!({"do": "metrics"}));
    let lines = text.as_str().unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let admitted = lines.iter().filter(|l| l.contains("checked_total") && l.contains("admit"));
    admitted.filter_map(|l| l.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

/// How long a node takes until it says that it is ready.
fn started(network: &mut Network, node: &str) -> Duration {
    let begun = Instant::now();
    network.start_by(node, &[], &["--listen", "/ip4/127.0.0.1/tcp/0"]);
    begun.elapsed()
}

/// The bytes of all files below a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry"));
    entries
        .map(|entry| {
            let what = entry.metadata().expect("a file");
            if what.is_dir() { bytes_below(&entry.path()) } else { what.len() }
        })
        .sum()
}

fn main() {
    let missed = std::env::var("GRIDPASS_MISSED").ok();
    let missed = missed.map_or(MISSED, |n| n.parse().expect("a number"));
    let binary = Path::new(env!("CARGO_BIN_EXE_gridpass"));
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |m| m.len()) / 1_000_000;
    let stripped = std::env::temp_dir().join(format!("gridpass-stripped-{}", std::process::id()));
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(binary).status();
    println!("size of the command: {} MB with the names of its functions", size(binary));
    if strip.is_ok_and(|s| s.success()) {
        println!("size of the command: {} MB without", size(&stripped));
        let _ = std::fs::remove_file(&stripped);
    }

    let readers: Vec<String> = (0..READERS).map(|n| format!("reader-{n}")).collect();
    let mut network = Network::new();
    network.log = "warn";
    network.participant("aggregator", Role::Aggregator);
    network.node("sender", "aggregator");
    network.start("sender");
    for (number, reader) in readers.iter().enumerate() {
        let participant = format!("operator-{number}");
        network.participant(&participant, Role::Operator);
        network.node(reader, &participant);
        network.start(reader);
    }
    network.sees("sender", READERS);
    let all: Vec<&str> = readers.iter().map(String::as_str).chain(["sender"]).collect();
    let idle = network.memory("reader-8", "VmRSS");
    println!("a node that nothing was sent to yet, among ten: {idle} MB of memory");
    // The first ones bring the presentation with them.
    send_many(&network, 20);
    until_within(LONG, "the first messages", || {
        readers.iter().all(|r| kept(&network, r) >= 20).then_some(())
    });
    latency(&network, &readers);
    revocations(&network, &readers);

    // Only one more takes part in the rest: the machine has few cores.
    for node in all.iter().filter(|n| !["sender", "reader-0"].contains(n)) {
        network.stop(node);
    }
    let (before, begun) = (kept(&network, "reader-0"), Instant::now());
    send_many(&network, missed);
    let sending = begun.elapsed();
    until_within(LONG, "what was sent", || {
        (kept(&network, "reader-0") >= before + missed).then_some(())
    });
    println!(
        "{missed} messages sent by {SENDERS} programs: {:.0}/s durable at the sender, {:.0}/s at a reader; \
         most memory at the sender {} MB, at the reader {} MB",
        missed as f64 / sending.as_secs_f64(),
        missed as f64 / begun.elapsed().as_secs_f64(),
        network.memory("sender", "VmHWM"),
        network.memory("reader-0", "VmHWM"),
    );
    let begun = Instant::now();
    network.start_alone("reader-8");
    until_within(LONG, "what was missed", || {
        // Counted from its start on.
        (kept(&network, "reader-8") >= missed).then_some(())
    });
    let took = begun.elapsed();
    println!(
        "{missed} messages missed, caught up {took:.1?} after the start: {:.0}/s; most memory {} MB",
        missed as f64 / took.as_secs_f64(),
        network.memory("reader-8", "VmHWM"),
    );
    let folder = folder_of(&network.place.path("home/profiles/reader-0"));
    println!("on disk: {} bytes for each, with its index", bytes_below(&folder) / missed as u64);
    started(&mut network, "reader-1");
    let starts: Vec<Duration> = (0..10)
        .map(|_| {
            network.stop("reader-1");
            started(&mut network, "reader-1")
        })
        .collect();
    said("start until ready, with some hundred messages", starts);
    network.stop("reader-0");
    println!(
        "start until ready, with {missed} messages: {:.2?}",
        started(&mut network, "reader-0")
    );
}
