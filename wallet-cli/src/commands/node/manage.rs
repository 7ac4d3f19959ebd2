//! What an operator does with a node beside giving it something, sending and receiving.

use super::client::{Client, ask};
use super::folder;
use crate::context::{GlobalArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted};
use crate::resolving::parse_did;
use crate::shown::shown;
use clap::Args;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::{Hold, Invitation, Invitations, Material, hold, material_of};
use gridpass_messaging::store::{Store, StoreError};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The status lists that count at the node: whose, of when, and since when
#[derive(Args)]
#[command(after_help = help!("  gridpass node lists\n  gridpass node lists --json"))]
pub struct ListsArgs {}

/// Who is connected, for whom it acts, and what it may read
#[derive(Args)]
#[command(after_help = help!("  gridpass node peers\n  gridpass node peers --json"))]
pub struct PeersArgs {}

/// Print a join ticket: one line by which another node finds this one
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node invite\n  gridpass node invite --channel bafkrei… > ticket.txt"
))]
pub struct InviteArgs {
    /// Invite to this channel, by CID
    #[arg(long = "channel", value_name = "CID")]
    channels: Vec<String>,
}

/// Find another node by its ticket, and take part in the channels that it invites to
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node join gridpass-join-1:…\n  gridpass node join ticket.txt        a file with the line"
))]
pub struct JoinArgs {
    /// The ticket, or a file with it
    ticket: String,
}

/// Take part in a channel no more; what was said there stays, as long as the channel says
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node leave flex.gb.bids\n  \
     gridpass node add bids.signed.json presentation.json   takes part in it again"
))]
pub struct LeaveArgs {
    /// The channel: its CID, or its name where only one has it
    channel: String,
    /// The identity that is the node, where there are several and it does not run
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
}

/// Have nothing to do with a node
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node block did:key:z6Mk…    until the node is started again; the configuration's\n  \
     (network.block) is for good"
))]
pub struct BlockArgs {
    /// The node's did:key
    pub node: String,
}

/// Have to do with a node again
#[derive(Args)]
#[command(after_help = help!("  gridpass node unblock did:key:z6Mk…"))]
pub struct UnblockArgs {
    /// The node's did:key
    pub node: String,
}

/// Read the node's whole store, and name what is damaged
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node check                  exit code 10 if something is damaged\n  \
     gridpass node check --json"
))]
pub struct CheckArgs {}

/// Stop the node of this profile: what it took becomes durable first
#[derive(Args)]
#[command(after_help = help!("  gridpass node stop"))]
pub struct StopArgs {}

/// The node's folder, for who changes something in it; nothing where the node runs and can be asked.
pub(super) fn hold_unless_running(
    global: &GlobalArgs,
    folder: &Path,
) -> Result<Option<Hold>, Failure> {
    if Client::is_running(global) {
        return Ok(None);
    }
    match hold(folder) {
        Ok(held) => Ok(Some(held)),
        // It was starting, and runs now.
        Err(e) if e.code() == messaging_codes::LOG_IN_USE && Client::is_running(global) => Ok(None),
        Err(e) if e.code() == messaging_codes::LOG_IN_USE => {
            Err(Failure::new(messaging_codes::NODE_STARTING, e.to_string()))
        }
        Err(e) => Err(Failure::new(e.code(), e.to_string())),
    }
}

/// What a node was given that does not run, with its folder, which is held as long.
pub(super) fn offline(
    global: &GlobalArgs,
    folder: &Path,
    name: Option<&str>,
) -> Result<Option<(Hold, Material)>, Failure> {
    if Client::is_running(global) {
        return Ok(None);
    }
    // Before the folder is held: somebody may have to type a passphrase.
    let node = super::run::node_identity(&global.wallet()?, name)?.did;
    let Some(held) = hold_unless_running(global, folder)? else { return Ok(None) };
    let material = Material::open(&material_of(folder), node, now())?.0;
    Ok(Some((held, material)))
}

pub fn lists(global: &GlobalArgs) -> Outcomes {
    let answer = ask(global, &Asked::Lists)?;
    let mut out = String::new();
    for list in answer.get("lists").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| list.get(name).map(plain).unwrap_or_default();
        out.push_str(&format!(
            "{}\n  signed by        {}\n  of               {}\n  counts since     {}\n",
            text("list"),
            text("signer"),
            text("dated"),
            text("since")
        ));
    }
    if out.is_empty() {
        out.push_str("none\n");
    }
    Ok(Answer::new("gridpass.node.lists/1", answer, out))
}

pub fn peers(global: &GlobalArgs) -> Outcomes {
    let answer = ask(global, &Asked::Peers)?;
    let mut text = String::new();
    for peer in answer.get("peers").and_then(Value::as_array).into_iter().flatten() {
        let of = |name: &str| peer.get(name).map(plain).unwrap_or_default();
        let count = |name| peer.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        let (reads, keeps) = (count("mayRead"), count("keeps"));
        let keeps = if keeps > 0 { format!(", keeps {keeps}") } else { String::new() };
        text.push_str(&format!(
            "{}\n  for       {}\n  at        {}\n  gate      {}, may read {}{keeps}\n",
            of("peer"),
            of("participant"),
            of("address"),
            of("stage"),
            counted(reads, "channel", "channels"),
        ));
    }
    if text.is_empty() {
        text.push_str("nobody is connected\nnext: gridpass node join TICKET");
    }
    if answer.get("reachable") == Some(&Value::Bool(false)) {
        text = format!("others do not reach this node but through relays\n{text}");
    }
    if let Some(why) = answer.get("shortOfMemory").and_then(Value::as_str) {
        text = format!("NO NEW CONNECTIONS: {}\n{text}", shown(why));
    }
    Ok(Answer::new("gridpass.node.peers/1", answer, text))
}

pub fn invite(global: &GlobalArgs, args: &InviteArgs) -> Outcomes {
    let channels = args.channels.iter().map(|c| ContentId::parse(c)).collect::<Result<_, _>>()?;
    let answer = ask(global, &Asked::Invite { channels })?;
    let ticket = answer.get("ticket").map(plain).unwrap_or_default();
    Ok(Answer::new("gridpass.node.invite/1", answer, ticket))
}

pub fn join(global: &GlobalArgs, args: &JoinArgs) -> Outcomes {
    let path = PathBuf::from(&args.ticket);
    let ticket = if path.is_file() {
        crate::context::read_text(&path, 64 * 1024, messaging_codes::NODE_TICKET)?
    } else {
        args.ticket.clone()
    };
    let invitation =
        Invitation::parse(&ticket).map_err(|e| Failure::new(e.code(), e.to_string()))?;
    let folder = folder(global)?;
    let held = hold_unless_running(global, &folder)?;
    let running = held.is_none();
    if running {
        ask(global, &Asked::Join { ticket })?;
    } else {
        Invitations::open(&folder)
            .and_then(|mut all| all.note(invitation.clone()))
            .map_err(|e| Failure::new(e.code(), e.to_string()))?;
    }
    let mut text = format!(
        "invited by {}\n",
        invitation.addresses.iter().map(shown).collect::<Vec<_>>().join("\n           ")
    );
    for channel in &invitation.channels {
        text.push_str(&format!("to the channel {channel}\n"));
    }
    text.push_str(if running {
        "next: gridpass node peers"
    } else {
        "noted; next: gridpass node run"
    });
    let json = json!({"addresses": invitation.addresses, "channels": invitation.channels,
                      "running": running});
    Ok(Answer::new("gridpass.node.join/1", json, text))
}

pub fn leave(global: &GlobalArgs, args: &LeaveArgs) -> Outcomes {
    let folder = folder(global)?;
    let mut offline = offline(global, &folder, args.identity.as_deref())?;
    let answer = if let Some((_held, material)) = &mut offline {
        let found = gridpass_policy::keeping::find(material.channels.values(), &args.channel)?;
        let channel = found.id().clone();
        material.leave(&channel)?;
        Invitations::open(&folder)
            .and_then(|mut all| all.leave(&channel))
            .map_err(|e| Failure::new(e.code(), e.to_string()))?;
        json!({"channel": channel})
    } else {
        ask(global, &Asked::Leave { channel: args.channel.clone() })?
    };
    let text = format!(
        "left {}\nto take part again: gridpass node add CHANNEL PRESENTATION",
        answer.get("channel").map(plain).unwrap_or_default()
    );
    Ok(Answer::new("gridpass.node.leave/1", answer, text))
}

pub fn block(global: &GlobalArgs, node: &str, blocked: bool) -> Outcomes {
    // Who was shut out under whatever name may be let in again.
    let node = if blocked { parse_did(node)? } else { Did::parse(node)? };
    let answer = ask(global, &Asked::Block { node: node.clone(), blocked })?;
    let text = if blocked { format!("{node} is shut out") } else { format!("{node} may come") };
    let schema = if blocked { "gridpass.node.block/1" } else { "gridpass.node.unblock/1" };
    Ok(Answer::new(schema, answer, text))
}

pub fn check(global: &GlobalArgs) -> Outcomes {
    let folder = folder(global)?.join("store");
    if Client::is_running(global) {
        return Err(Failure::new(messaging_codes::LOG_IN_USE, "the node is running")
            .next("Stop it with `gridpass node stop`, or see `gridpass node status`."));
    }
    // The lock is made by whoever gives a node something before its first start.
    let has = |name: &str| folder.join(name).exists();
    let logs = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let is_log = |path: &Path| path.extension().is_some_and(|e| e == "gplog");
    let has_any = has("index") || has("participant.json");
    if !has_any && !logs.map(|file| file.path()).any(|path| is_log(&path)) {
        let message = format!("there is no store in {}", folder.display());
        return Err(Failure::new(credential_codes::NOT_KEPT, message).next(
            "There is nothing to check before the node of this profile first ran: \
             `gridpass node run`; --profile names another.",
        ));
    }
    let failed = |e: StoreError| Failure::new(e.code(), e.to_string());
    let (mut store, mut found) = Store::open(&folder).map_err(failed)?;
    found.unread = store.look_through().map_err(failed)?;
    let damaged: Vec<Value> = found
        .log
        .damaged
        .iter()
        .map(|d| json!({"file": d.file, "from": d.from, "until": d.until, "lost": d.lost}))
        .collect();
    let records = counted(found.log.records, "record", "records");
    let mut text = format!("{records}, {} bytes\n", store.bytes());
    for (code, sentence) in found.told() {
        text.push_str(&format!("{} [{code}]\n", shown(sentence)));
    }
    let json = json!({
        "records": found.log.records,
        "bytes": store.bytes(),
        "damaged": damaged,
        "missing": found.log.missing,
        "cutEnds": found.log.cut_ends,
        "cutOff": found.log.cut_off,
        "unread": found.unread,
    });
    let mut answer = Answer::new("gridpass.node.check/1", json, text);
    if found.lacks_records() {
        answer.exit = crate::codes::exit_status(messaging_codes::LOG_DAMAGED.class());
    }
    Ok(answer)
}

pub fn stop(global: &GlobalArgs) -> Outcomes {
    let mut client = Client::connect(global)?;
    client.say(&Asked::Stop)?;
    // Its process may be gone before it has answered: that is what it was asked for.
    let answer = client.next()?.unwrap_or_else(|| json!({"stopped": true}));
    Ok(Answer::new("gridpass.node.stop/1", answer, "stopped"))
}

/// A JSON value for people.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Null => String::new(),
        other => shown(other),
    }
}
