//! Messages a second through NATS JetStream, signed by who publishes and verified by who reads: what the
//! benchmark of two nodes is held against (`tests/benches/gossip.rs` runs it).
//!
//! ```sh
//! cargo run --release --manifest-path benchmarks/nats/Cargo.toml -- MESSAGES BYTES UNDER_WAY
//! ```
//!
//! It starts a `nats-server` of its own, found on the PATH, on loopback, with a stream kept in files. A
//! message counts when the server acknowledged that it stored it, and the reader verified it and
//! acknowledged it. One JSON object comes out.

use async_nats::jetstream::{self, consumer::PullConsumer, stream::StorageType};
use futures::StreamExt as _;
use gridpass_identity::key::{KeyType, PublicKey, SecretKey};
use rand_core::UnwrapErr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

type Failed = Box<dyn std::error::Error + Send + Sync>;

const SIGNATURE: usize = 64;

/// The server, which ends with this value.
struct Server {
    child: std::process::Child,
    url: String,
    version: String,
    _store: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start() -> Result<Self, Failed> {
        let store = tempfile::tempdir()?;
        let said = Command::new("nats-server").arg("--version").output().map_err(|e| {
            format!("nats-server cannot be run ({e}): install it, on Debian with `apt install nats-server`")
        })?;
        let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        let child = Command::new("nats-server")
            .args(["--addr", "127.0.0.1", "--port", "-1", "--jetstream", "--store_dir"])
            .arg(store.path())
            .arg("--ports_file_dir")
            .arg(store.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let ports = store.path().join(format!("nats-server_{}.ports", child.id()));
        let mut server = Self { child, url: String::new(), version, _store: store };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            // The file is there when the server listens; it may be half written.
            let read = std::fs::read(&ports).ok();
            let json = read.and_then(|b| serde_json::from_slice::<serde_json::Value>(&b).ok());
            if let Some(url) = json.as_ref().and_then(|j| j["nats"][0].as_str()) {
                server.url = url.to_owned();
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("nats-server did not listen within ten seconds".into())
    }
}

/// Reads, verifies and acknowledges so many messages; each gives its place back.
async fn read(
    consumer: PullConsumer,
    count: usize,
    key: PublicKey,
    room: Arc<Semaphore>,
) -> Result<(), Failed> {
    let stream = consumer.stream().max_messages_per_batch(512).messages().await?;
    let mut messages = stream.take(count);
    while let Some(message) = messages.next().await {
        let message = message?;
        let (signature, signed) =
            message.payload.split_at_checked(SIGNATURE).ok_or("a message without a signature")?;
        key.verify(signed, signature).map_err(|_| "a signature that does not hold")?;
        message.ack().await?;
        room.add_permits(1);
    }
    Ok(())
}

async fn run(server: &Server, count: usize, bytes: usize, under_way: usize) -> Result<f64, Failed> {
    let key = SecretKey::generate(KeyType::Ed25519, &mut UnwrapErr(getrandom::SysRng));
    let (to, from) =
        (async_nats::connect(&server.url).await?, async_nats::connect(&server.url).await?);
    let sender = jetstream::new(to);
    let stream = jetstream::stream::Config {
        name: "bids".into(),
        subjects: vec!["bids".into()],
        storage: StorageType::File,
        ..Default::default()
    };
    sender.create_stream(stream).await?;
    let consumer: PullConsumer = jetstream::new(from)
        .get_stream("bids")
        .await?
        .create_consumer(jetstream::consumer::pull::Config {
            durable_name: Some("reader".into()),
            max_ack_pending: i64::try_from(under_way.saturating_mul(4))?,
            ..Default::default()
        })
        .await?;
    let room = Arc::new(Semaphore::new(under_way));
    let reader = tokio::spawn(read(consumer, count, key.public_key(), Arc::clone(&room)));
    let begun = Instant::now();
    let mut stored = tokio::task::JoinSet::new();
    for number in 0..count {
        room.acquire().await?.forget();
        let mut signed = vec![7_u8; bytes];
        for (place, byte) in signed.iter_mut().zip(number.to_be_bytes()) {
            *place = byte;
        }
        let mut message = key.sign(&signed)?.to_vec();
        message.extend_from_slice(&signed);
        let kept = sender.publish("bids", message.into()).await?;
        stored.spawn(async move { kept.await.map(|_| ()) });
        while let Some(done) = stored.try_join_next() {
            done??;
        }
    }
    while let Some(done) = stored.join_next().await {
        done??;
    }
    reader.await??;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let numbers: Result<Vec<usize>, _> = std::env::args().skip(1).map(|a| a.parse()).collect();
    let Ok([count, bytes, under_way]) =
        numbers.as_deref().map_err(|_| ()).and_then(|n| <[usize; 3]>::try_from(n).map_err(|_| ()))
    else {
        return Err("usage: gridpass-benchmark-nats MESSAGES BYTES UNDER_WAY".into());
    };
    let server = Server::start()?;
    let rate = run(&server, count, bytes, under_way).await?;
    println!(
        "{}",
        serde_json::json!({
            "messages": count, "bytes": bytes, "underWay": under_way,
            "perSecond": rate, "server": server.version,
        })
    );
    Ok(())
}
