//! How a node is, for people.

use super::client::{ask, ask_until_it_runs};
use super::code_of;
use super::contradiction::contradiction;
use super::manage::plain;
use super::messages::{GIVE_SCHEMA, passed_over};
use crate::commands::arguments::parse_duration;
use crate::context::GlobalArgs;
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted};
use clap::Args;
use gridpass_credentials::codes as credential_codes;
use gridpass_identity::code::{Class, Code};
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::control::Asked;
use serde_json::Value;
use std::time::Duration;

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
                let all = counted(peers, "peer is", "peers are");
                let message = match open < peers {
                    true => format!("{open} of {all} known by name after {time} s"),
                    false => format!("the node runs, and does not listen yet after {time} s"),
                };
                return Err(Failure::new(messaging_codes::NO_ANSWER, message)
                    .next("Who is connected and how far: gridpass node peers")
                    .passing());
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
        let joined = channel.get("joined") != Some(&Value::Bool(false));
        if let Some(unsigned) = not_signed(channel) {
            let Unread { head, code, sentence, next } = unsigned;
            out.push_str(&format!("  {head:<17}{sentence} [{code}]\n"));
            out.push_str(&format!("                   next: {next}\n"));
        } else if !joined {
            out.push_str("  NOT JOINED       what it asks for is not read here: see its log\n");
        }
        if let Some(other) = channel.get("elsewhere").filter(|other| other.is_object()) {
            let of = |name: &str| other.get(name).map(plain).unwrap_or_default();
            out.push_str(&format!("  ELSEWHERE        {}\n", of("sentence")));
            out.push_str(&format!("                   next: {}\n", of("next")));
        }
        if joined && channel.get("keeps") == Some(&Value::Bool(true)) {
            out.push_str("  keeps            what others sealed; reads nothing here\n");
        }
        for lacks in channel.get("schemasMissing").and_then(Value::as_array).into_iter().flatten() {
            let (code, sentence, next) = schema_missing(lacks);
            out.push_str(&format!("  SCHEMA MISSING   {sentence} [{code}]\n"));
            out.push_str(&format!("                   next: {next}\n"));
        }
        if let Some(sealing) = channel.get("sealing").filter(|s| s.is_object()) {
            let count = |name: &str| sealing.get(name).map(plain).unwrap_or_default();
            out.push_str(&format!(
                "  sealed           to {}, as far as is known here\n",
                counted(count("members"), "node", "nodes")
            ));
            if count("unopened") != "0" {
                out.push_str(&format!(
                    "  unopened         {}{} for the key\n",
                    if sealing.get("more") == Some(&Value::Bool(true)) { "more than " } else { "" },
                    counted(count("unopened"), "message waits", "messages wait")
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
        let (id, next) = (messaging_codes::NOT_DURABLE.id(), messaging_codes::NOT_DURABLE.0.remedy);
        out.push_str(&format!(
            "NOT KEPT         what comes is not written to the disk; see the node's log [{id}]\n"
        ));
        out.push_str(&format!("                 next: {next}\n"));
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

/// What is missing of a schema by which a channel's payloads are checked: the code, a sentence, and what to do.
pub fn schema_missing(lacks: &Value) -> (Code, String, &'static str) {
    let text = |name: &str| lacks.get(name).map(plain).unwrap_or_default();
    let code = code_of(&text("code"));
    let next = match code == messaging_codes::SCHEMA_NOT_HERE {
        true => GIVE_SCHEMA,
        false => code.0.remedy,
    };
    (code, text("sentence"), next)
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

/// Why a node may not read a channel, or does not take part in it, and what to do.
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

/// Why the descriptor of a channel does not count at a node, and what to do; nothing where it does.
pub fn not_signed(channel: &Value) -> Option<Unread> {
    let of = |name: &str| channel.get("notSigned")?.get(name).map(plain);
    let code = code_of(&of("code")?);
    Some(Unread { head: "NOT JOINED", code, sentence: of("sentence")?, next: of("next")? })
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
