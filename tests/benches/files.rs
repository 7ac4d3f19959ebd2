//! A file from one node to another, open and sealed, against a plain copy over TCP in the same run.
//!
//! `cargo bench -p gridpass-tests --bench files`; BENCHMARKS.md keeps the last table.

// A benchmark is a test that prints.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, clippy::panic)]
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use criterion::{Criterion, criterion_group, criterion_main};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_messaging::files::{BLOCK, FileKey, Held, Reference, stage::stage};
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::node::{Node, files_of};
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

const MIB: usize = 256;

/// Megabytes a second.
fn rate(since: Instant) -> f64 {
    (MIB * 1024 * 1024) as f64 / 1e6 / since.elapsed().as_secs_f64()
}

/// From a file through a connection to a file, durable at its end.
fn plain(from: &Path, to: &Path) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = listener.local_addr().expect("an address");
    let (from, begun) = (from.to_owned(), Instant::now());
    let sending = std::thread::spawn(move || {
        let mut file = File::open(from).expect("opens");
        let mut stream = TcpStream::connect(address).expect("connects");
        let mut room = vec![0; 256 * 1024];
        loop {
            match file.read(&mut room).expect("reads") {
                0 => return,
                n => stream.write_all(&room[..n]).expect("writes"),
            }
        }
    });
    let (mut stream, _) = listener.accept().expect("accepts");
    let mut file = File::create(to).expect("opens");
    let mut room = vec![0; 256 * 1024];
    loop {
        match stream.read(&mut room).expect("reads") {
            0 => break,
            n => file.write_all(&room[..n]).expect("writes"),
        }
    }
    file.sync_all().expect("durable");
    sending.join().expect("ends");
    rate(begun)
}

async fn wait<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "waited in vain");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends a file that was staged; gives the message.
async fn send(node: &Node, channel: &ContentId, reference: &Reference) -> EnvelopeId {
    let message = NewMessage {
        channel: channel.to_string(),
        topic: "bids".into(),
        version: None,
        payload: reference.to_payload(Map::new()).to_string().into_bytes(),
        recipients: Vec::new(),
        thread: None,
        attributes: json!({"zone": "GB-1", "quantityKw": 5}).as_object().expect("one").clone(),
        lifetime_millis: None,
        reference: None,
    };
    let sent = node.ask(Asked::Send(message)).await.expect("sent");
    EnvelopeId::parse(sent["id"].as_str().expect("an id")).expect("an id")
}

/// Between two nodes: how fast it was cut, fetched until it is whole and durable, and joined.
async fn gridpass(from: &Path, sealing: Sealing) -> [f64; 3] {
    let market = Market::with_operators(|d| {
        d.limits.max_messages_per_minute = 1_000_000;
        d.sealing = sealing;
    });
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let sender = nodes::start(folders[0].path(), &market, &Party::new(2), false).await;
    let receiver = nodes::start(folders[1].path(), &market, &Party::new(3), true).await;
    let invite = Asked::Invite { channels: Vec::new() };
    let ticket = wait(async || {
        let invited = sender.ask(invite.clone()).await.ok()?;
        let listens = !invited["addresses"].as_array()?.is_empty();
        invited["ticket"].as_str().filter(|_| listens).map(str::to_owned)
    })
    .await;
    receiver.ask(Asked::Join { ticket }).await.expect("joins");
    wait(async || {
        let peers = sender.ask(Asked::Peers).await.expect("peers");
        let may = |p: &Value| p["subscribed"].as_array().is_some_and(|s| !s.is_empty());
        peers["peers"].as_array()?.iter().any(may).then_some(())
    })
    .await;
    if sealing == Sealing::Members {
        wait(async || {
            let status = sender.ask(Asked::Status).await.expect("its status");
            (status["channels"][0]["sealing"]["members"] == 1).then_some(())
        })
        .await;
    }
    let key = (sealing == Sealing::Members).then(|| FileKey::new([7; 32]));
    let place = files_of(folders[0].path()).join("new-bench");
    std::fs::create_dir(&place).expect("a folder");
    let begun = Instant::now();
    let mut file = File::open(from).expect("opens");
    let cut = stage(&mut file, &place, &market.channel, key.as_ref(), BLOCK, &mut |_| {});
    let (manifest, size) = cut.expect("cut");
    let cut = rate(begun);
    sender.ask(Asked::FileAdd { staged: "new-bench".into() }).await.expect("added");
    let (name, media_type) = ("file".to_owned(), "text/plain".to_owned());
    let reference = Reference { manifest: manifest.clone(), size, name, media_type, key };
    let message = send(&sender, &market.channel, &reference).await;
    // From the message's arrival on.
    let fetch = Asked::FileFetch { message };
    let begun = wait(async || {
        let begun = Instant::now();
        receiver.ask(fetch.clone()).await.ok().map(|_| begun)
    })
    .await;
    wait(async || {
        let files = receiver.ask(Asked::Files { file: None }).await.expect("files");
        assert_ne!(files["files"][0]["state"], "stopped", "{files}");
        (files["files"][0]["state"] == "whole").then_some(())
    })
    .await;
    let fetched = rate(begun);
    let begun = Instant::now();
    let held = files_of(folders[1].path()).join(manifest.as_str());
    let held = Held::open(&held, &manifest).expect("held");
    let mut out = BufWriter::new(File::create(folders[1].path().join("out")).expect("opens"));
    held.write_content(reference.key.as_ref(), size, &mut out, &mut |_| {}).expect("joined");
    out.into_inner().expect("written").sync_all().expect("durable");
    let joined = rate(begun);
    sender.stop().await;
    receiver.stop().await;
    [cut, fetched, joined]
}

fn files(_: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runs");
    let folder = tempfile::tempdir().expect("a folder");
    let from = folder.path().join("file");
    let mut state = 7_u64;
    let mut bytes = Vec::with_capacity(MIB * 1024 * 1024);
    while bytes.len() < MIB * 1024 * 1024 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    std::fs::write(&from, bytes).expect("written");
    println!("{MIB} MiB, MB/s");
    for _ in 0..3 {
        let plain = plain(&from, &folder.path().join("copy"));
        for (name, sealing) in [("open", Sealing::None), ("sealed", Sealing::Members)] {
            let [cut, fetched, joined] = runtime.block_on(gridpass(&from, sealing));
            println!(
                "plain TCP {plain:>6.0}   {name:<6} fetched {fetched:>6.0}   ratio {:.2}   \
                 cut {cut:>6.0}   joined {joined:>6.0}",
                fetched / plain
            );
        }
    }
}

criterion_group!(benches, files);
criterion_main!(benches);
