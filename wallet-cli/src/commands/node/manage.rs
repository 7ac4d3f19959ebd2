//! What an operator does with a node beside sending and receiving.

use super::client::{Client, ask, ask_until_it_runs};
use super::contradiction::contradiction;
use super::messages::passed_over;
use super::{code_of, folder, read};
use crate::commands::arguments::{parse_duration, trimmed};
use crate::commands::replacing::{ReplaceArgs, told, with_agreement, with_way_out};
use crate::context::{GlobalArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::resolving::parse_did;
use crate::shown::shown;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::trust::{LogPin, Replaced};
use gridpass_identity::code::{Class, Code};
use gridpass_identity::did::Did;
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::{
    Hold, Invitation, Invitations, Material, MaterialError, hold, material_of,
};
use gridpass_messaging::store::{Store, StoreError};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Give the node files: trust pack, channel, schema, presentation, authorisation, status lists
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node add trust.json bids.signed.json bid.schema.json\n  \
     gridpass node add presentation.json   from `gridpass visa present ROLE --to CHANNEL --for 30d`\n  \
     gridpass node add node-1.json        from `gridpass visa authorise-node NODE`\n  \
     gridpass node add lists.json         from `gridpass visa revoke`: it takes effect at once\n  \
     gridpass node add did.jsonl          the log of a participant that marked a key as stolen\n  \
     gridpass node add trust.json --replace-log did:webvh:…=4-Qm…\n  \
     (where the node learned a thief's end of a root's log: it says which keys end, and asks)\n  \
     gridpass node add trust.json --pin bafkrei…\n  \
     (where the signers contradicted themselves, and agreed on this charter)"
))]
pub struct AddArgs {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The identity that is the node, where there are several and it does not run
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    replace: ReplaceArgs,
    /// The CID of the trust pack, as its signers told you: it is taken also where its charter contradicts the
    /// node's, because they agreed on this one
    #[arg(long, value_name = "CID")]
    pin: Option<String>,
}

/// How the node is: channels, what is missing, status lists that grew too old
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass node status\n  \
     gridpass node status --wait 30s             until the node that was just started listens\n  \
     gridpass node status --wait 1m --peers 2    until two others are known by name too\n  \
     gridpass node status --json"
))]
pub struct StatusArgs {
    /// Wait this long for the node to run and listen
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    /// Until so many others are known by name
    #[arg(long, value_name = "N", requires = "wait", default_value_t = 0)]
    peers: u64,
}

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

pub fn add(global: &GlobalArgs, args: &AddArgs) -> Outcomes {
    let ends = args.replace.ends()?;
    let pin = args.pin.as_deref().map(ContentId::parse).transpose()?;
    let is_plain = ends.is_empty() && pin.is_none();
    let mut contents = Vec::new();
    for file in &args.files {
        let bytes = read(file)?;
        // A CID is of a pack as it was written, without the line's end.
        contents.push((file, if pin.is_some() { trimmed(&bytes).to_vec() } else { bytes }));
    }
    if !is_plain && contents.len() != 1 {
        let message = "with --replace-log or --pin one file is given: the trust pack";
        return Err(Failure::new(crate::codes::USAGE, message));
    }
    let (mut taken, mut lines): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let folder = folder(global)?;
    let mut offline = offline(global, &folder, args.identity.as_deref())?;
    let running = offline.is_none();
    if let Some((_held, material)) = &mut offline {
        for (file, bytes) in contents {
            let failed = |e: MaterialError| {
                about(file, &taken, only_packs(Failure::new(e.code(), e.to_string()), &ends))
            };
            let all = if is_plain {
                material.give(&bytes, now()).map_err(failed)?
            } else {
                let replaced = material.replaces(&bytes, &ends, now()).map_err(failed)?;
                args.replace.confirm(&replaced, global)?;
                lines.extend(told(&replaced));
                material.give_pinned(&bytes, &ends, pin.as_ref(), now()).map_err(failed)?
            };
            taken.extend(all.iter().map(ToString::to_string));
        }
    } else {
        for (file, bytes) in contents {
            let content = STANDARD.encode(bytes);
            let asked = if is_plain {
                Asked::Add { content }
            } else {
                let told_by_node = would_replace(global, &content, &ends);
                let replaced =
                    told_by_node.map_err(|f| about(file, &taken, only_packs(f, &ends)))?;
                args.replace.confirm(&replaced, global)?;
                lines.extend(told(&replaced));
                Asked::Replace { content, logs: ends.clone(), pin: pin.clone(), confirmed: true }
            };
            let answer = ask(global, &asked).map_err(|f| about(file, &taken, f))?;
            let names = answer.get("taken").and_then(Value::as_array).cloned().unwrap_or_default();
            taken.extend(names.iter().filter_map(Value::as_str).map(str::to_owned));
        }
    }
    let mut text: String = taken.iter().map(|t| format!("taken: {}\n", shown(t))).collect();
    text.extend(lines.iter().map(|line| format!("{}\n", shown(line))));
    if taken.is_empty() {
        text.push_str("nothing new\n");
    }
    if !running {
        text.push_str("next: gridpass node run");
    }
    Ok(Answer::new("gridpass.node.add/1", json!({"taken": taken, "running": running}), text))
}

/// Says that logs are replaced by what a trust pack brings, where another file was given.
fn only_packs(failure: Failure, ends: &[LogPin]) -> Failure {
    if ends.is_empty() || failure.code != credential_codes::TRUST_PACK_MALFORMED {
        return failure;
    }
    failure.next(
        "With --replace-log a trust pack is given, and no other file: ask the charter's signers for one that has \
         the log.",
    )
}

/// What would change at a node that runs.
fn would_replace(
    global: &GlobalArgs,
    content: &str,
    ends: &[LogPin],
) -> Result<Vec<Replaced>, Failure> {
    let logs = ends.to_vec();
    let asked = Asked::Replace { content: content.to_owned(), logs, pin: None, confirmed: false };
    let answer = ask(global, &asked)?;
    let replaces = answer.get("replaces").cloned().unwrap_or_default();
    serde_json::from_value(replaces)
        .map_err(|e| Failure::new(messaging_codes::NO_ANSWER, format!("the node's answer: {e}")))
}

/// The node's folder, for who changes something in it; nothing where the node runs and can be asked.
fn hold_unless_running(global: &GlobalArgs, folder: &Path) -> Result<Option<Hold>, Failure> {
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
fn offline(
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

/// What is wrong with a file, and what of those before it is in force all the same.
fn about(file: &Path, taken: &[String], failure: Failure) -> Failure {
    let before = match taken {
        [] => String::new(),
        all => format!("; taken before it: {}", all.join(", ")),
    };
    let failure = with_way_out(failure, "gridpass node add PACK");
    let failure = with_agreement(failure, "gridpass node add PACK --pin CID");
    Failure { message: format!("{}: {}{before}", file.display(), failure.message), ..failure }
}

pub fn status(global: &GlobalArgs, args: &StatusArgs) -> Outcomes {
    let wait = args.wait.as_deref().map(parse_duration).transpose()?;
    let status = match wait.map(Duration::from_millis) {
        None => ask(global, &Asked::Status)?,
        Some(time) => {
            let ready = |status: &Value| {
                let listens = status.get("listening").and_then(Value::as_array);
                let peers = status.get("open").and_then(Value::as_u64).unwrap_or_default();
                listens.is_some_and(|all| !all.is_empty()) && peers >= args.peers
            };
            let (status, there) = ask_until_it_runs(global, &Asked::Status, time, ready)?;
            if !there {
                let open = status.get("open").and_then(Value::as_u64).unwrap_or_default();
                let (peers, time) = (args.peers, time.as_secs());
                let message = match open < peers {
                    true => format!("{open} of {peers} peers are known by name after {time} s"),
                    false => format!("the node runs, and does not listen yet after {time} s"),
                };
                return Err(Failure::new(messaging_codes::NO_ANSWER, message)
                    .next("Who is connected and how far: gridpass node peers"));
            }
            status
        }
    };
    let text = |name: &str| status.get(name).map(plain).unwrap_or_default();
    let mut out = format!(
        "{}peers            {} connected, {} known by name\nwaiting          {} envelopes\n\
         status lists     {}\nlog              {} bytes\n",
        acts_for(&status),
        text("peers"),
        text("open"),
        text("waiting"),
        text("statusLists"),
        text("logBytes"),
    );
    for address in status.get("listening").and_then(Value::as_array).into_iter().flatten() {
        out.push_str(&format!("listening        {}\n", plain(address)));
    }
    for channel in status.get("channels").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| channel.get(name).map(plain).unwrap_or_default();
        out.push_str(&format!("\n{} version {}  {}\n", text("name"), text("version"), text("id")));
        out.push_str(&format!("  senders          {}\n", text("senders")));
        out.push_str(&match text("presentationExpires").as_str() {
            "" => {
                "  presentation     none: the node carries nothing and sends nothing here\n".into()
            }
            until => format!("  presentation     until {until}\n"),
        });
        if channel.get("joined") == Some(&Value::Bool(false)) {
            out.push_str(
                "  NOT JOINED       who signed its descriptor is not known yet; it is asked for\n",
            );
        } else if channel.get("keeps") == Some(&Value::Bool(true)) {
            out.push_str("  keeps            what others sealed; reads nothing here\n");
        }
        if let Some(sealing) = channel.get("sealing").filter(|s| s.is_object()) {
            let count = |name: &str| sealing.get(name).map(plain).unwrap_or_default();
            out.push_str(&format!(
                "  sealed           to {} nodes, as far as is known here\n",
                count("members")
            ));
            if count("unopened") != "0" {
                out.push_str(&format!(
                    "  unopened         {}{} messages wait for their key\n",
                    if sealing.get("more") == Some(&Value::Bool(true)) { "more than " } else { "" },
                    count("unopened")
                ));
            }
            for waits in sealing.get("waiting").and_then(Value::as_array).into_iter().flatten() {
                out.push_str(&format!("  {}\n", passed_over(waits)));
                let next = waits.get("next").map(plain).unwrap_or_default();
                out.push_str(&format!("                   next: {next}\n"));
            }
            if count("leftOut") != "0" {
                out.push_str(&format!(
                    "  left out         {} of them for long: their senders were told\n",
                    count("leftOut")
                ));
            }
        }
        if let Some(unread) = unread(channel) {
            let Unread { head, code, sentence, next } = unread;
            out.push_str(&format!("  {head:<17}{sentence} [{code}]\n"));
            out.push_str(&format!("                   next: {next}\n"));
        }
        for end in channel.get("ends").and_then(Value::as_array).into_iter().flatten() {
            let Ending { sentence, next, .. } = ending(end);
            out.push_str(&format!("  ENDS SOON        {sentence}\n"));
            out.push_str(&format!("                   next: {next}\n"));
        }
        if let Some(silent) = channel.get("silent").filter(|s| s.is_object()) {
            out.push_str(&format!("  SILENT           {}\n", silence(silent)));
        }
        for gap in channel.get("gaps").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| gap.get(name).map(plain).unwrap_or_default();
            out.push_str(&format!(
                "  missing          of {}: whole up to {}, newest {}\n",
                text("sender"),
                text("whole"),
                text("newest")
            ));
            if let Some((code, sentence)) = left_aside(gap) {
                out.push_str(&format!("                   left aside: {sentence} [{code}]\n"));
            }
        }
        for hole in channel.get("notGiven").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| hole.get(name).map(plain).unwrap_or_default();
            let why = match text("reason").as_str() {
                "before" => "from before the node could be given them, as far as is known",
                _ => "older than the channel keeps its messages",
            };
            let (sender, from, until) = (text("sender"), text("from"), text("until"));
            out.push_str(&format!("  not given        of {sender}: {from} to {until}, {why}\n"));
        }
        for fork in channel.get("contradictions").and_then(Value::as_array).into_iter().flatten() {
            out.push_str(&format!("  CONTRADICTS      {}\n", contradiction(fork)));
        }
        for list in channel.get("listsTooOld").and_then(Value::as_array).into_iter().flatten() {
            out.push_str(&format!(
                "  TOO OLD          the status list {}: what rests on it is not delivered\n",
                plain(list)
            ));
        }
    }
    if status.get("keeps") == Some(&Value::Bool(false)) {
        out.push_str(
            "NOT KEPT         what comes is not written to the disk; see the node's log\n",
        );
    }
    for (name, head, code, sentence) in TROUBLES {
        if status.get(name) == Some(&Value::Bool(true)) {
            let (id, next) = (code.id(), code.0.remedy);
            out.push_str(&format!("{head:<17}{sentence} [{id}]\n"));
            out.push_str(&format!("                 next: {next}\n"));
        }
    }
    for damage in status.get("damage").and_then(Value::as_array).into_iter().flatten() {
        out.push_str(&format!("DAMAGE           {}\n", plain(damage)));
    }
    Ok(Answer::new("gridpass.node.status/1", status, out))
}

/// What a node says with one word that its operator should do something about: the word, how it is headed, its
/// code, and a sentence.
pub const TROUBLES: [(&str, &str, Code, &str); 3] = [
    (
        "shortOfDisk",
        "SHORT OF DISK",
        messaging_codes::DISK_SHORT,
        "little is left of the disk: what is over is forgotten at once",
    ),
    (
        "manyFiles",
        "MANY FILES",
        messaging_codes::LOG_MANY_FILES,
        "payloads that are over stay in the open file of the log until it is full",
    ),
    (
        "clockBehind",
        "CLOCK BEHIND",
        messaging_codes::NODE_CLOCK_BEHIND,
        "messages of several senders are dated ahead of the clock here, and come late",
    ),
];

/// Why something that is missing was left aside, where it was: the code, and a sentence.
pub fn left_aside(gap: &Value) -> Option<(String, String)> {
    let aside = gap.get("leftAside").filter(|aside| aside.is_object())?;
    let text = |name: &str| aside.get(name).map(plain).unwrap_or_default();
    Some((text("code"), text("sentence")))
}

/// For whom a node acts, and whether it may.
fn acts_for(status: &Value) -> String {
    let text = |name: &str| status.get(name).map(plain).unwrap_or_default();
    let (node, participant) = (text("node"), text("participant"));
    let mut out = format!("node             {node}\n");
    if participant != node {
        out.push_str(&format!("for              {participant}\n"));
    }
    let authorisation = status.get("authorisation").cloned().unwrap_or_default();
    let of = |name: &str| authorisation.get(name).map(plain).unwrap_or_default();
    let until = text("authorisedUntil");
    let why =
        format!("{} [{}]\n                 next: {}\n", of("sentence"), of("code"), of("next"));
    out.push_str(&match of("state").as_str() {
        "itself" => "for              itself, by what it shows of its own\n".to_owned(),
        "none" => format!("NOT AUTHORISED   {why}"),
        "refused" if of("code") == credential_codes::VISA_REVOKED.id() => {
            format!("REVOKED          {why}")
        }
        "refused" => format!("NOT AUTHORISED   {why}"),
        "undecided" => format!("authorised until {until}\nUNDECIDED        {why}"),
        _ => format!("authorised until {until}\n"),
    });
    if let Some(end) = status.get("authorisationEnds").filter(|e| e.is_object()) {
        let Ending { sentence, next, .. } = ending(end);
        out.push_str(&format!("ENDS SOON        {sentence}\n                 next: {next}\n"));
    }
    out
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

/// Why a node may not read a channel, and what to do.
pub struct Unread {
    pub head: &'static str,
    pub code: Code,
    pub sentence: String,
    pub next: String,
}

/// Why a node may not read a channel; nothing where it does, only keeps, or only sends.
pub fn unread(channel: &Value) -> Option<Unread> {
    let of = |name: &str| channel.get("right")?.get(name).map(plain);
    let code = code_of(&of("code").unwrap_or_default());
    let head = match of("state")?.as_str() {
        "none" if code.class() == Class::Expired => "ENDED",
        "none" => "MAY NOT READ",
        "undecided" => "UNDECIDED",
        _ => return None,
    };
    Some(Unread { head, code, sentence: of("sentence")?, next: of("next")? })
}

/// What ends soon of what a node shows for itself, and what to do.
pub struct Ending {
    pub sentence: String,
    pub next: String,
    /// It is the last warning.
    pub is_last: bool,
}

/// Reads what the node says of it.
pub fn ending(end: &Value) -> Ending {
    let of = |name: &str| end.get(name).map(plain).unwrap_or_default();
    Ending { sentence: of("sentence"), next: of("next"), is_last: of("near") == "last" }
}

/// A channel in which nothing is heard, as a sentence.
pub fn silence(silent: &Value) -> String {
    let text = |name: &str| silent.get(name).map(plain).unwrap_or_default();
    let readers = match text("participants").as_str() {
        "0" => "nobody who reads it is connected".to_owned(),
        _ => format!("the {} connected peers that read it are of one participant", text("readers")),
    };
    format!("nothing was heard since {}, and {readers}", text("since"))
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
            "{}\n  for       {}\n  at        {}\n  gate      {}, may read {reads} channels{keeps}\n",
            of("peer"),
            of("participant"),
            of("address"),
            of("stage"),
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
    let mut text = format!("{} records, {} bytes\n", found.log.records, store.bytes());
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
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        Value::Null => String::new(),
        other => shown(other),
    }
}
