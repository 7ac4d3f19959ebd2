//! `gridpass node run`.

use super::{ConfigArgs, figures, folder};
use crate::codes::IDENTITY_UNNAMED;
use crate::commands::restored::restored;
use crate::context::{GlobalArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use crate::warnings::warn;
use clap::{Args, ValueEnum};
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::trust::IdentityMaterial;
use gridpass_identity::codes::KEY_TYPE_UNSUITABLE;
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, PublicKey};
use gridpass_identity::wallet::identities::{Identity, IdentityKind};
use gridpass_identity::wallet::snapshots::newest_log;
use gridpass_identity::wallet::{Changes, Wallet};
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::{
    Alone, Hold, KnownStore, Material, Node, NodeKey, NodeSettings, hold, material_of,
};
use gridpass_policy::keeping as channels;
use serde_json::json;
use std::io::Write;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// What a wallet knows of its nodes' stores, by the node's DID.
const NODE_STORE: &str = "node-store";

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object on each line
    Json,
}

/// Run the node of this profile until it is stopped
///
/// Where its disk fails so that nobody can tell what is there, it tells everybody who waits for an answer and ends with
/// exit status 3 (GP-LOG-IO); nothing that it acknowledged is lost. Let a service manager start it again after some
/// seconds, with Restart=on-failure in systemd: it starts when the disk is well. On a disk that is only full it runs
/// on, and keeps again when there is room.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node run\n  \
     gridpass node run --listen /ip4/0.0.0.0/tcp/4801 --log-format json\n  \
     gridpass node run --config node.toml   `gridpass config show` prints one\n  \
     (when it is ready, a line says so on standard output; it logs to standard error)"
))]
pub struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Listen here instead of where the configuration says
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// The identity that is the node, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    /// How to log
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
    /// What to log: error, warn, info, debug, or a filter such as gridpass_messaging=debug
    #[arg(long, env = "GRIDPASS_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
    /// Go on sending where it may have lost what it sent and no peer tells it: you answer for it that nobody has more
    /// of it than it has itself. Two messages with one number are proof against it for ever
    #[arg(long)]
    go_on_alone: bool,
    /// Stop when standard input ends: for a program that starts the node, and that it must not outlive
    #[arg(long)]
    until_stdin_closes: bool,
}

pub fn run(global: &GlobalArgs, args: &RunArgs) -> Outcomes {
    let (mut settings, _) = args.config.read(global)?;
    let wrong = |e: String| Failure::new(messaging_codes::NODE_CONFIGURATION, e);
    if !args.listen.is_empty() {
        let parsed = args.listen.iter().map(|a| a.parse().map_err(|e| wrong(format!("{a}: {e}"))));
        settings.network.listen = parsed.collect::<Result<_, Failure>>()?;
    }
    log(args)?;
    let folder = folder(global)?;
    let restored = restored(&global.profile_dir(&global.profile()?)?);
    settings.alone = match args.go_on_alone {
        true => Alone::Always,
        // The store that it had may be lost.
        false if restored.is_some() => Alone::Never,
        false => Alone::UnlessLost,
    };
    let mut wallet = global.wallet()?;
    let me = node_identity(&wallet, args.identity.as_deref())?;
    let (key_id, key) = wallet.active_secret(&me, Relationship::CapabilityInvocation)?;
    // A node that runs here already reads nothing of it; one that starts, before or after.
    let held = hold(&folder).map_err(|e| Failure::new(e.code(), e.to_string()))?;
    hand_over(&wallet, &me, &folder)?;
    count_start(&mut wallet, &me, &held, restored.as_deref())?;
    drop(held);
    // The wallet is for one process: it is not held while the node runs.
    drop(wallet);
    let failed = |e: std::io::Error| Failure::new(messaging_codes::NODE_NETWORK, e.to_string());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(failed)?;
    let key = NodeKey { key, key_id };
    let stdin = args.until_stdin_closes.then(end_of_stdin);
    runtime.block_on(serve(global.json, &folder, key, settings, stdin))
}

/// Tells when standard input ends, which it does with whoever has its other end.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (told, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = told.send(());
    });
    ended
}

fn log(args: &RunArgs) -> Result<(), Failure> {
    let wrong = |e: String| Failure::new(messaging_codes::NODE_CONFIGURATION, e);
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log);
    let filter = filter.map_err(|e| wrong(format!("{}: {e}", args.log)))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    let set = match args.log_format {
        LogFormat::Text => log.with_writer(|| LogLines).with_ansi(false).try_init(),
        LogFormat::Json => log.with_writer(std::io::stderr).json().try_init(),
    };
    set.map_err(|e| wrong(e.to_string()))
}

/// The log for people: each event, which is given whole, is one line, whatever peers wrote into it.
struct LogLines;

impl Write for LogLines {
    fn write(&mut self, event: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        writeln!(std::io::stderr().lock(), "{}", shown(text.trim_end_matches('\n')))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// The identity of the node: the one named, the only node, or the only identity.
pub fn node_identity(wallet: &Wallet, name: Option<&str>) -> Result<Identity, Failure> {
    let all = wallet.identities()?;
    let mut nodes = all.iter().filter(|i| i.kind == IdentityKind::Node);
    let found = match (name, nodes.next(), nodes.next()) {
        (None, Some(only), None) => only.clone(),
        (None, Some(_), Some(_)) => {
            let names = all.iter().filter(|i| i.kind == IdentityKind::Node);
            let names: Vec<_> = names.map(|i| i.name.as_str()).collect();
            let message = format!("the wallet has the nodes {}", names.join(", "));
            return Err(Failure::new(IDENTITY_UNNAMED, message));
        }
        _ => crate::commands::sign::identity(wallet, name)?,
    };
    let (code, wrong) = if found.did.method() != "key" {
        (messaging_codes::NODE_CONFIGURATION, "is no did:key")
    } else if !is_ed25519(&found) {
        let wrong = "has a key that is not Ed25519, and a node is known by its Ed25519 key";
        (KEY_TYPE_UNSUITABLE, wrong)
    } else {
        return Ok(found);
    };
    Err(Failure::new(code, format!("{} {wrong}", found.did)).next(
        "A node has a wallet of its own, apart from its participant's: name it with --profile NAME, or make it: \
         gridpass init --name node-1, and gridpass id new --name node --method key --node --profile node-1",
    ))
}

fn is_ed25519(identity: &Identity) -> bool {
    let key = identity.active_key(Relationship::CapabilityInvocation);
    let key = key.and_then(|k| PublicKey::from_multikey(&k.public_key).ok());
    // A key that is not active any more is refused by its own code.
    key.is_none_or(|key| key.key_type() == KeyType::Ed25519)
}

/// What the wallet knows and the node does not, such as its trust pack and channels.
fn hand_over(wallet: &Wallet, me: &Identity, folder: &Path) -> Result<(), Failure> {
    let now = now();
    let (mut material, _) = Material::open(&material_of(folder), me.did.clone(), now)?;
    match keeping::pinned_bytes(wallet) {
        Ok(pack) => {
            if let Err(e) = material.give(&pack, now) {
                warn(Some(e.code()), format!("the wallet's trust pack: {e}"));
            }
        }
        Err(KeepError::NoTrust) => {}
        Err(e) => return Err(e.into()),
    }
    // The wallet may know a log further than the pack does that is pinned there.
    if let Ok(trust) = keeping::pinned(wallet, now) {
        for did in trust.identities().iter().map(|m| &m.did).filter(|d| d.method() == "webvh") {
            let log = match newest_log(did, &[&trust, wallet]) {
                Ok(Some(log)) => log,
                Ok(None) => continue,
                // The node has what it had: that it runs does not hang on what the wallet was told.
                Err(e) => {
                    warn(Some(e.code()), format!("the log of {did}: {e}"));
                    continue;
                }
            };
            if let Err(e) = material.take_identity(&IdentityMaterial::of(did, &log), true) {
                warn(Some(e.code()), format!("the log of {did}: {e}"));
            }
        }
    }
    for channel in channels::channels(wallet)? {
        if material.channel(channel.id()).is_none() {
            let text = channel.to_json().to_string();
            if let Err(e) = material.give(text.as_bytes(), now) {
                warn(Some(e.code()), format!("the channel {}: {e}", channel.id()));
            }
        }
    }
    for list in keeping::lists(wallet)?.0 {
        if let Err(e) = material.take_list(list, now, true) {
            warn(Some(e.code()), format!("a status list: {e}"));
        }
    }
    Ok(())
}

/// Notes in the wallet, before the node signs anything, with which store it starts: one that took the place of another,
/// or an old copy, is found out by it.
fn count_start(
    wallet: &mut Wallet,
    me: &Identity,
    held: &Hold,
    restored: Option<&str>,
) -> Result<(), Failure> {
    let unreadable = |e: serde_json::Error| KeepError::Record(e.to_string());
    let known = match wallet.get(NODE_STORE, me.did.as_str())? {
        Some(record) => {
            let known: KnownStore =
                serde_json::from_slice(record.expose_secret()).map_err(unreadable)?;
            Some(known)
        }
        None => None,
    };
    let counted = held
        .count_start(known.as_ref(), restored)
        .map_err(|e| Failure::new(e.code(), e.to_string()))?;
    if let Some(known) = counted {
        let bytes = serde_json::to_vec(&known).map_err(unreadable)?;
        let mut changes = Changes::default();
        changes.put(NODE_STORE, me.did.as_str(), bytes);
        // A disk may be full, on which the node makes room. The store is marked: the next start finds the same.
        if let Err(e) = wallet.apply(changes, &mut rng()) {
            warn(Some(e.code()), format!("the wallet does not know of this start: {e}"));
        }
    }
    Ok(())
}

async fn serve(
    json: bool,
    folder: &Path,
    key: NodeKey,
    settings: NodeSettings,
    stdin: Option<oneshot::Receiver<()>>,
) -> Outcomes {
    let metrics = settings.metrics.listen.clone();
    let node = Node::start(folder, key, settings, now)
        .await
        .map_err(|e| Failure::new(e.code(), e.to_string()))?;
    for found in &node.found {
        warn(None, found);
    }
    if !metrics.is_empty() {
        figures::serve(&metrics, &node).await?;
    }
    say_ready(json, &node);
    let failed = |e: std::io::Error| Failure::new(messaging_codes::NODE_NETWORK, e.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    // Its terminal was closed.
    let hangup = (!ignores_hangup()).then(|| signal(SignalKind::hangup())).transpose();
    let hangup = hangup.map_err(failed)?;
    let hangs_up = async {
        match hangup {
            Some(mut hangup) => {
                hangup.recv().await;
            }
            None => std::future::pending().await,
        }
    };
    let stdin_ends = async {
        match stdin {
            Some(ended) => {
                // Whoever would tell is gone: that is the end as well.
                let _ = ended.await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = stdin_ends => {}
        _ = terminate.recv() => {}
        () = hangs_up => {}
        () = node.ended() => {}
    }
    node.stop().await;
    if let Some(why) = node.failure() {
        return Err(Failure::new(why.code, why.message).next(
            "See to the disk, and start it again: gridpass node run. What was answered with \
             GP-MAY-BE-KEPT, or not at all, is in gridpass outbox then if it was kept; nothing \
             that was acknowledged is lost.",
        ));
    }
    // The ready line was the answer.
    Ok(Answer::default())
}

/// Whether it was started so that it outlives its terminal, as `nohup` does.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first signal is this one.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

fn say_ready(json: bool, node: &Node) {
    let mut out = std::io::stdout().lock();
    let line = if json {
        json!({"schema": "gridpass.node.run/1", "ready": true, "node": node.node,
               "participant": node.participant})
        .to_string()
    } else {
        // Nobody authorised it, or it is its own participant.
        let itself = node.node == node.participant;
        let whom = if itself { "itself" } else { node.participant.as_str() };
        format!("ready: {} for {whom}", node.node)
    };
    // Whoever does not read it, does not need it.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
