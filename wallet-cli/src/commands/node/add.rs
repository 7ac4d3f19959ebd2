//! Giving a node what it goes by: trust packs, channels, presentations, lists, logs.

use super::client::ask;
use super::manage::offline;
use super::{folder, read};
use crate::commands::arguments::trimmed;
use crate::commands::replacing::{ReplaceArgs, told, with_agreement, with_way_out};
use crate::context::{GlobalArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::trust::{LogPin, Replaced};
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::MaterialError;
use gridpass_messaging::node::control::Asked;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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
