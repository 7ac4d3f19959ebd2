//! Files between real nodes: whole after interruptions, to those who may have them and to nobody else.
//!
//! `GRIDPASS_FILE_MIB` says how long the long one is.

use crate::common::network::{FILES, MAPS, Network, Role, until, until_within};
use gridpass_credentials::content_id::ContentId;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The most memory that a node may have had, in MB.
const MEMORY: u64 = 150;
const PATIENCE: Duration = Duration::from_secs(540);

/// Operators with a node each, that know each other; and an aggregator's, which may read no files.
fn network(operators: &[&str]) -> Network {
    let mut network = Network::new();
    network.channels_of_files();
    let mut all: Vec<_> = operators.iter().map(|name| (*name, Role::Operator)).collect();
    all.push(("flexgen", Role::Aggregator));
    for (name, role) in &all {
        network.participant(name, *role);
        let node = format!("{name}-1");
        network.node(&node, name);
        network.call(&node, "node add file.json");
        network.start(&node);
    }
    for (name, _) in &all {
        network.sees(&format!("{name}-1"), operators.len());
    }
    // Who sends knows who may read.
    let first = format!("{}-1", operators[0]);
    until("those who may read are known", || {
        let status = network.ask(&first, &["node", "status"]);
        let channels = status["channels"].as_array()?;
        let sealed = channels.iter().find(|c| c["name"] == FILES)?;
        (sealed["sealing"]["members"].as_u64()? >= operators.len() as u64 - 1).then_some(())
    });
    network
}

/// A file whose bytes do not repeat.
fn write_file(path: &Path, mib: u64) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..mib * 1024 * 128 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).expect("written");
    }
    // No whole number of blocks.
    file.write_all(b"the end").expect("written");
    file.flush().expect("written");
}

fn hash(path: &Path) -> [u8; 32] {
    let (mut file, mut hash) = (std::fs::File::open(path).expect("there"), Sha256::new());
    let mut room = vec![0; 1 << 20];
    loop {
        match file.read(&mut room).expect("readable") {
            0 => return hash.finalize().into(),
            n => hash.update(&room[..n]),
        }
    }
}

fn send(network: &Network, node: &str, channel: &str, file: &str, to: &[&str]) -> (String, String) {
    let mut args = vec!["file", "send", channel, "files", file];
    let to: Vec<String> = to.iter().map(|n| network.participant_did(n)).collect();
    to.iter().for_each(|did| args.extend(["--to", did]));
    let sent = network.ask(node, &args);
    let text = |name: &str| sent[name].as_str().expect("text").to_owned();
    (text("id"), text("file"))
}

fn status(network: &Network, node: &str, message: &str) -> Value {
    network.ask(node, &["file", "status", message])["files"][0].clone()
}

fn here(network: &Network, node: &str, message: &str) -> u64 {
    status(network, node, message)["here"].as_u64().unwrap_or_default()
}

/// Waits until a message is delivered, and begins with its file.
fn begin(network: &Network, node: &str, message: &str) {
    network.has(node, &[message.to_owned()]);
    network.ask(node, &["file", "fetch", message]);
}

/// Waits until a node has so many blocks of a file.
fn has_blocks(network: &Network, node: &str, message: &str, least: u64) -> u64 {
    let what = format!("{least} blocks at {node}");
    let look = || Some(here(network, node, message)).filter(|n| *n >= least);
    until_within(PATIENCE, &what, look).0
}

/// Waits for the file, and writes it.
fn fetch(network: &Network, node: &str, message: &str, to: &str) {
    let fetched = network.ask(node, &["file", "fetch", message, "-o", to, "--wait", "9m"]);
    assert_eq!(fetched["schema"], "gridpass.file.fetch/1");
}

#[test]
fn a_file_comes_whole_to_three_recipients_with_two_interruptions() {
    let mib = std::env::var("GRIDPASS_FILE_MIB").ok().and_then(|m| m.parse().ok()).unwrap_or(192);
    let mut network = network(&["north", "south", "east", "west"]);
    write_file(&network.place.path("model.xml"), mib);
    let was = hash(&network.place.path("model.xml"));
    let blocks = mib * 4 + 1;
    let recipients = ["south-1", "east-1", "west-1"];
    let began = Instant::now();
    let (message, _) = send(&network, "north-1", FILES, "model.xml", &recipients);
    println!("sent {mib} MiB in {:?}", began.elapsed());
    let began = Instant::now();
    for node in recipients {
        begin(&network, node, &message);
    }
    let mut memory = Vec::new();
    // One recipient is killed.
    let before = has_blocks(&network, "south-1", &message, blocks / 3);
    memory.push(network.peak_memory("south-1"));
    network.kill("south-1");
    assert!(before < blocks, "it was in the middle: {before} of {blocks}");
    network.start_alone("south-1");
    let after = here(&network, "south-1", &message);
    assert!(after > 0, "it goes on where it stood");
    println!("south-1 had {before} of {blocks} blocks when it was killed, and {after} after");
    // The sender is stopped.
    has_blocks(&network, "south-1", &message, blocks / 2);
    memory.push(network.peak_memory("north-1"));
    network.stop("north-1");
    let had: Vec<_> = recipients.iter().map(|n| here(&network, n, &message)).collect();
    assert!(had.iter().any(|n| *n < blocks), "it was in the middle: {had:?} of {blocks}");
    println!("they had {had:?} when the sender was stopped");
    network.start_alone("north-1");
    for node in recipients {
        fetch(&network, node, &message, &format!("{node}.xml"));
        assert!(hash(&network.place.path(&format!("{node}.xml"))) == was, "{node} has another");
    }
    println!("whole at three in {:?}", began.elapsed());
    memory.extend(["north-1", "south-1", "east-1", "west-1"].map(|n| network.peak_memory(n)));
    println!("peak memory: {memory:?} MB");
    assert!(memory.iter().all(|m| *m < MEMORY), "{memory:?} MB");
    let from = status(&network, "west-1", &message)["from"].as_object().expect("peers").len();
    assert!(from > 1, "recipients give each other what they have");
    // Nothing is written over, and nothing half is left.
    let again = ["--json", "file", "fetch", &message, "-o", "west-1.xml", "--profile", "west-1"];
    assert_eq!(network.place.run_bare(&again).error()["code"], "GP-FILE-EXISTS");
    let names = std::fs::read_dir(network.place.dir.path()).expect("a folder");
    let half = |e: std::fs::DirEntry| e.file_name().to_string_lossy().starts_with(".gridpass-");
    assert!(!names.flatten().any(half));
    // It is sealed where it is kept.
    let kept = network.place.path("home/profiles/west-1/node/files");
    assert!(!crate::common::contains(&crate::common::all_bytes(&kept), "the end"));
}

#[test]
fn a_recipient_whose_visa_is_revoked_half_way_gets_no_further_block() {
    let network = network(&["north", "south", "west"]);
    write_file(&network.place.path("map.bin"), 64);
    let (message, _) = send(&network, "north-1", MAPS, "map.bin", &[]);
    begin(&network, "south-1", &message);
    let half = has_blocks(&network, "south-1", &message, 8);
    network.ask("south-1", &["file", "pause", &message]);
    assert!(half < 257, "it was half-way");
    let south = network.participant_did("south-1");
    let peer = network.ask("south-1", &["node", "status"])["peer"].clone();
    let peer = peer.as_str().expect("a peer").to_owned();
    // What was on its way when it was paused.
    let given = || status(&network, "north-1", &message)["given"][&peer].as_u64();
    let mut before = given();
    until("nothing is on its way", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = given();
        (std::mem::replace(&mut before, now) == now).then_some(())
    });
    assert!(before.is_some_and(|n| n >= 8), "{before:?}");
    network.place.ok(&["visa", "revoke", &south, "-o", "lists.json", "--profile", "regulator"]);
    network.ask("north-1", &["node", "add", "lists.json"]);
    until("the list at the other recipient's node", || {
        network.log("west-1").contains("a newer status list").then_some(())
    });
    let stands = here(&network, "south-1", &message);
    // The other one gets all of it, while this one asks for more.
    network.ask("south-1", &["file", "resume", &message]);
    network.has("west-1", std::slice::from_ref(&message));
    fetch(&network, "west-1", &message, "west.bin");
    assert!(hash(&network.place.path("west.bin")) == hash(&network.place.path("map.bin")));
    // It tries again and again.
    until("it waits", || {
        (status(&network, "south-1", &message)["state"] == "waiting").then_some(())
    });
    assert_eq!(here(&network, "south-1", &message), stands);
    assert_eq!(given(), before, "it was given more");
    assert!(status(&network, "west-1", &message)["given"][&peer].is_null());
}

#[test]
fn must_refuse_19_a_files_cid_handed_to_a_third_party_gets_it_no_block() {
    let network = network(&["north", "south", "west"]);
    write_file(&network.place.path("model.xml"), 1);
    let (message, file) = send(&network, "north-1", FILES, "model.xml", &["south-1"]);
    let folder = network.place.path("home/profiles/north-1/node/files").join(&file);
    let blocks = std::fs::read(folder.join("blocks")).expect("blocks");
    let block = ContentId::of_bytes(&blocks[..256 * 1024 + 16]).expect("a name");
    let list = std::fs::read(folder.join("digests")).expect("digests");
    let list = ContentId::of_bytes(&list).expect("a name");
    let names = [file.as_str(), block.as_str(), list.as_str()];
    let ask = |node: &str, cid: &str| {
        let out = format!("{node}-{cid}");
        network.place.run_bare(&[
            "--json",
            "ipfs",
            "fetch",
            cid,
            "--from",
            "peers",
            "-o",
            &out,
            "--force",
            "--profile",
            node,
        ])
    };
    // An operator who may read the channel and is not named; an aggregator who may not read it.
    for cid in names {
        for third in ["west-1", "flexgen-1"] {
            let ran = ask(third, cid);
            assert_eq!(ran.error()["code"], "GP-CONTENT-NOT-FOUND", "{third} {cid}");
        }
    }
    // The one who is named has each by the same way.
    network.has("south-1", std::slice::from_ref(&message));
    for cid in names {
        let ran = ask("south-1", cid);
        assert_eq!(ran.status, 0, "{cid}: {}", ran.stderr);
    }
    let args = ["--json", "file", "fetch", &message, "--profile", "west-1"];
    assert_eq!(network.place.run_bare(&args).error()["code"], "GP-FILE-UNKNOWN");
    fetch(&network, "south-1", &message, "south.xml");
    // Nor from the one who has it now.
    for cid in names {
        assert_eq!(ask("west-1", cid).error()["code"], "GP-CONTENT-NOT-FOUND", "{cid}");
    }
    // What is removed is given to nobody.
    network.ask("north-1", &["file", "remove", &file]);
    network.ask("south-1", &["file", "remove", &file]);
    assert_eq!(ask("south-1", block.as_str()).error()["code"], "GP-CONTENT-NOT-FOUND");
}

#[test]
fn a_block_that_is_damaged_on_disk_is_named_and_got_again() {
    use std::os::unix::fs::FileExt as _;
    let network = network(&["north", "south"]);
    write_file(&network.place.path("map.bin"), 2);
    let (message, file) = send(&network, "north-1", MAPS, "map.bin", &[]);
    network.has("south-1", std::slice::from_ref(&message));
    fetch(&network, "south-1", &message, "first.bin");
    let blocks = network.place.path("home/profiles/south-1/node/files").join(&file).join("blocks");
    let kept = std::fs::OpenOptions::new().write(true).open(blocks).expect("there");
    kept.write_all_at(b"damage", 300_000).expect("written");
    fetch(&network, "south-1", &message, "second.bin");
    assert!(hash(&network.place.path("second.bin")) == hash(&network.place.path("map.bin")));
    assert!(network.log("south-1").contains("a block of a file is damaged on disk"));
    // Many, and not the first: what goes into a stream is looked at before its first byte.
    let damage = || {
        for block in 2..8 {
            kept.write_all_at(b"damage", block * 256 * 1024).expect("written");
        }
    };
    damage();
    let piped = ["file", "fetch", &message, "-o", "-", "--wait", "9m", "--profile", "south-1"];
    let piped = network.place.run_bare(&piped);
    assert_eq!(piped.status, 0, "{}", piped.stderr);
    assert!(piped.stdout == std::fs::read(network.place.path("map.bin")).expect("the file"));
    // Into a file too. While it is paused, nobody waits for ever.
    damage();
    network.ask("south-1", &["file", "pause", &message]);
    let args = ["--json", "file", "fetch", &message, "-o", "third.bin", "--profile", "south-1"];
    assert_eq!(network.place.run_bare(&args).error()["code"], "GP-FILE-PAUSED");
    assert!(!network.place.path("third.bin").exists());
    network.ask("south-1", &["file", "resume", &message]);
    fetch(&network, "south-1", &message, "third.bin");
    assert!(hash(&network.place.path("third.bin")) == hash(&network.place.path("map.bin")));
}

#[test]
fn a_folder_whose_state_was_never_written_is_no_end_of_its_file() {
    let mut network = network(&["north", "south"]);
    write_file(&network.place.path("map.bin"), 1);
    let (message, file) = send(&network, "north-1", MAPS, "map.bin", &[]);
    network.has("south-1", std::slice::from_ref(&message));
    fetch(&network, "south-1", &message, "first.bin");
    for node in ["north-1", "south-1"] {
        network.stop(node);
        let folder = network.place.path(&format!("home/profiles/{node}/node/files")).join(&file);
        std::fs::remove_file(folder.join("state.json")).expect("a state");
        network.start_alone(node);
        let all = network.ask(node, &["file", "status"]);
        assert_eq!(all["files"].as_array().map(Vec::len), Some(0), "{all}");
    }
    // The one has every block still; the other sends it once more.
    fetch(&network, "south-1", &message, "second.bin");
    assert!(hash(&network.place.path("second.bin")) == hash(&network.place.path("map.bin")));
    let from = status(&network, "south-1", &message)["from"].clone();
    assert!(from.as_object().is_some_and(serde_json::Map::is_empty), "{from}");
    let (again, same) = send(&network, "north-1", MAPS, "map.bin", &[]);
    assert_eq!(same, file);
    network.ask("south-1", &["file", "remove", &file]);
    network.has("south-1", std::slice::from_ref(&again));
    fetch(&network, "south-1", &again, "third.bin");
    assert!(hash(&network.place.path("third.bin")) == hash(&network.place.path("map.bin")));
}

#[test]
fn a_file_for_somebody_of_whom_no_node_is_known_is_sent_and_warned_of() {
    let network = network(&["north", "south"]);
    write_file(&network.place.path("map.bin"), 1);
    let south = network.participant_did("south-1");
    let nobody = "did:web:nobody.example";
    let send = |to: &[&str]| {
        let mut args =
            vec!["--json", "--profile", "north-1", "file", "send", FILES, "files", "map.bin"];
        to.iter().for_each(|did| args.extend(["--to", did]));
        let ran = network.place.run_bare(&args);
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        (ran.json()["recipientsWithoutNode"].clone(), ran.stderr)
    };
    assert_eq!(send(&[&south]), (serde_json::json!([]), String::new()));
    let (absent, said) = send(&[&south, nobody]);
    assert_eq!(absent, serde_json::json!([nobody]));
    let warning: Value = serde_json::from_str(&said).expect("one line of JSON");
    assert_eq!(warning["schema"], "gridpass.warning/1");
    assert!(warning["message"].as_str().expect("text").contains(nobody), "{said}");
}

#[test]
fn a_file_that_is_asked_for_again_under_its_reference_is_sent_once() {
    let network = network(&["north", "south"]);
    write_file(&network.place.path("map.bin"), 1);
    write_file(&network.place.path("other.bin"), 2);
    let south = network.participant_did("south-1");
    for (channel, to) in [(FILES, &["--to", south.as_str()][..]), (MAPS, &[][..])] {
        let send = |file: &str, reference: &str| {
            let args = ["--json", "--profile", "north-1", "file", "send", channel, "files", file];
            let args = [&args[..], &["--name", "map.bin", "--ref", reference], to].concat();
            network.place.run_bare(&args)
        };
        let done = |ran: &crate::common::Ran| {
            assert_eq!(ran.status, 0, "{}", ran.stderr);
            ran.json()
        };
        let files = || {
            let status = network.ask("north-1", &["file", "status"]);
            status["files"].as_array().map(Vec::len)
        };
        let first = done(&send("map.bin", "map-1"));
        assert_eq!((&first["repeated"], &first["ref"]), (&false.into(), &"map-1".into()));
        let before = files();
        let again = done(&send("map.bin", "map-1"));
        assert_eq!(again["repeated"], true, "{again}");
        for same in ["id", "file", "size", "sealed", "schema"] {
            assert_eq!(again[same], first[same], "{same}: {again}");
        }
        // Another file is not taken for it, and nothing of it stays.
        let refused = send("other.bin", "map-1");
        assert_eq!(refused.error()["code"], "GP-NODE-REF", "{refused:?}");
        assert_eq!(files(), before);
        let other = done(&send("map.bin", "map-2"));
        assert_eq!(other["repeated"], false, "{other}");
        assert_ne!(other["id"], first["id"]);
        // Two at once are one as well: what is second is cut with a key of its own first.
        let at_once: Vec<_> = (0..2)
            .map(|_| {
                let args = ["--json", "--profile", "north-1", "file", "send", channel, "files"];
                let mut call = network.place.bare();
                call.args(args).args(["map.bin", "--ref", "map-3"]).args(to);
                call.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
            })
            .collect();
        let ids: Vec<_> = at_once
            .into_iter()
            .map(|call| {
                let ran = crate::common::Ran::from(call.wait_with_output().expect("it ends"));
                let sent = done(&ran);
                (sent["id"].clone(), sent["file"].clone())
            })
            .collect();
        assert_eq!(ids[0], ids[1], "{channel}");
        let args = ["file", "send", channel, "files", "map.bin", "--ref", "map-1"];
        let told = network.place.ok(&[&args[..], to, &["--profile", "north-1"]].concat());
        assert!(told.text().contains("nothing was sent now"), "{}", told.text());
    }
}

#[test]
fn a_file_that_is_interrupted_while_it_is_written_leaves_nothing_beside_it() {
    let network = network(&["north", "south"]);
    write_file(&network.place.path("map.bin"), 48);
    let (message, _) = send(&network, "north-1", FILES, "map.bin", &["south-1"]);
    network.has("south-1", std::slice::from_ref(&message));
    fetch(&network, "south-1", &message, "whole.bin");
    std::fs::create_dir(network.place.path("out")).expect("a folder");
    let beside = || -> Vec<_> {
        let entries = std::fs::read_dir(network.place.path("out")).expect("a folder");
        entries.map(|e| e.expect("an entry").file_name()).collect()
    };
    // One that was written faster than it was interrupted shows nothing.
    let args = ["file", "fetch", &message, "-o", "out/big.bin", "--force", "--profile", "south-1"];
    let interrupted = (0..20).any(|_| {
        let mut command = network.place.bare();
        command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let begun = until("the file that is written", || {
            let ended = child.try_wait().expect("asked").is_some();
            (ended || beside().iter().any(|n| n.to_string_lossy().starts_with('.')))
                .then_some(!ended)
        });
        if begun {
            let pid = child.id().to_string();
            assert!(Command::new("kill").args(["-INT", &pid]).status().is_ok());
        }
        let status = child.wait().expect("it ends");
        let left = beside();
        let is_whole = left == ["big.bin"];
        // By a signal that came before it was expected the file is left, and taken away by the next.
        let ended_by_it = status.code() == Some(130);
        assert!(is_whole || left.is_empty() || !ended_by_it, "{status}: {left:?}");
        if is_whole {
            std::fs::remove_file(network.place.path("out/big.bin")).expect("removed");
        }
        ended_by_it && !is_whole
    });
    assert!(interrupted, "it was never interrupted while it wrote");
    network.place.ok(&args);
    assert_eq!(beside(), ["big.bin"]);
    assert!(hash(&network.place.path("out/big.bin")) == hash(&network.place.path("map.bin")));
}
