//! `gridpass audit export`.

use super::words::selected;
use crate::codes;
use crate::commands::node::{folder, node_identity};
use crate::commands::resolve::parse_time;
use crate::context::{GlobalArgs, OutputArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted, note};
use crate::resolving::parse_did;
use crate::shown::shown as harmless;
use crate::warnings::warn;
use clap::Args;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use gridpass_messaging::bundle::Selection;
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::{
    Export, Keys, Material, NodeKey, Payloads, Progress, export, material_of, messages_by_channel,
};
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::keeping::KeepChannelError;
use serde_json::json;
use std::io::IsTerminal as _;
use std::path::Path;

/// So many channels are named where another was asked for.
const MOST: usize = 20;

/// Write what a node recorded of a channel, with everything that proves it, into one file
///
/// Works whether or not the node runs. Sealed payloads stay sealed, unless --disclose is given.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass audit export --channel flex.gb.bids -o bids.car\n  \
     gridpass audit export --channel flex.gb.bids --from 2026-03-01T00:00:00Z \\\n      \
     --until 2026-03-02T00:00:00Z --withhold-payloads -o day.car\n  \
     gridpass audit export --channel bafkrei… --participant did:webvh:… -o theirs.car"
))]
pub struct ExportArgs {
    /// The channel: its CID, or its name where the node knows only one of it. Each version is a channel: of
    /// several the CIDs are told, and how many messages each has
    #[arg(long, value_name = "CHANNEL")]
    channel: String,
    /// Messages that were issued at this time or later (RFC 3339, UTC)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Messages that were issued before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Messages that this participant sent, or is named in as a recipient
    #[arg(long, value_name = "DID")]
    participant: Option<String>,
    /// A message and those that belong to its conversation
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// Leave payloads out; their hashes stay, and who has one can show it later
    #[arg(long)]
    withhold_payloads: bool,
    /// Put in the keys of the sealed messages that are exported: whoever has the file can read them
    #[arg(long, conflicts_with = "withhold_payloads")]
    disclose: bool,
    /// The time that the bundle says it was made at [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The identity that is the node, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(global: &GlobalArgs, args: &ExportArgs) -> Outcomes {
    let Some(path) = args.output.file() else {
        return Err(Failure::new(codes::USAGE, "a bundle is a file: name it with -o FILE"));
    };
    args.output.check()?;
    let made = args.at.as_deref().map(parse_time).transpose()?.unwrap_or_else(now);
    let folder = folder(global)?;
    let key = {
        // The wallet is for one process: it is not held while the log is read.
        let wallet = global.wallet()?;
        let me = node_identity(&wallet, args.identity.as_deref())?;
        let (key_id, key) = wallet.active_secret(&me, Relationship::CapabilityInvocation)?;
        NodeKey { key, key_id }
    };
    let node = key.key_id.did().clone();
    let (material, _) = Material::open(&material_of(&folder), node.clone(), made)?;
    if material.trust().is_err()
        && let Some(dated) = later_trust(&folder, node)?.filter(|dated| *dated > made)
    {
        let message = format!("the node's trust pack is of {dated}, and --at {made} is before");
        return Err(Failure::new(codes::USAGE, message)
            .next(format!("Choose a time from {dated} on, or leave --at out.")));
    }
    let known = || material.channels.values().chain(material.left.values());
    let named = gridpass_policy::keeping::named(known(), &args.channel);
    let channel = match named.as_slice() {
        [] => return Err(not_found(&args.channel, known())),
        [only] => only.id().clone(),
        _ => return Err(several(&folder, &args.channel, &named)),
    };
    let selection = Selection {
        channel,
        from: args.from.as_deref().map(parse_time).transpose()?,
        until: args.until.as_deref().map(parse_time).transpose()?,
        participant: args.participant.as_deref().map(parse_did).transpose()?,
        thread: args.thread.as_deref().map(message_id).transpose()?,
    };
    let asked = Export {
        selection,
        made,
        payloads: match args.withhold_payloads {
            true => Payloads::Withhold,
            false => Payloads::Include,
        },
        keys: if args.disclose { Keys::Disclose } else { Keys::Keep },
    };
    let shown = std::io::stderr().is_terminal() && !global.json;
    let done = args.output.stream(|out| {
        Ok(export(&folder, &key, &asked, out, &mut |progress| tell(shown, progress))?)
    })?;
    if shown {
        note("");
    }
    if let Some(contradiction) = &done.contradiction {
        warn(Some(messaging_codes::BUNDLE_RECORD), contradicted(contradiction, args.at.as_deref()));
    }
    if made > now().plus_millis(MAX_CLOCK_SKEW_MILLIS) {
        let message = format!("it says that it was made at {made}: until then it is refused");
        warn(Some(identity_codes::SIGNED_IN_FUTURE), message);
    }
    let mut text = format!(
        "{}\n  selected  {}\n  messages  {}\n  receipts  {}\n  size      {} bytes in {}\n  root      {}\n",
        harmless(path.display()),
        harmless(selected(&asked.selection)),
        done.messages,
        done.receipts,
        done.bytes,
        counted(done.blocks, "block", "blocks"),
        done.root
    );
    if done.keys > 0 {
        let messages = counted(done.keys, "sealed message", "sealed messages");
        text.push_str(&format!("  DISCLOSED the keys of {messages}\n"));
    }
    if done.damaged > 0 {
        text.push_str(&format!(
            "  DAMAGED   {} of the log: see `gridpass node check`\n",
            counted(done.damaged, "place", "places")
        ));
    }
    if !done.unread.is_empty() {
        text.push_str(&format!(
            "  UNREAD    {} of the log: see `gridpass node check`\n",
            counted(done.unread.len(), "record", "records")
        ));
    }
    for lack in &done.missing {
        text.push_str(&format!("  missing   {} {}\n", lack.kind, harmless(&lack.name)));
    }
    if done.messages == 0 {
        text.push_str("No message was selected.\n");
    }
    text.push_str(&format!(
        "next: gridpass audit verify {} --trust PACK",
        harmless(path.display())
    ));
    let json = json!({
        "file": path,
        "root": done.root,
        "made": made,
        "selection": asked.selection,
        "messages": done.messages,
        "receipts": done.receipts,
        "blocks": done.blocks,
        "bytes": done.bytes,
        "disclosedKeys": done.keys,
        "damaged": done.damaged,
        "unread": done.unread,
        "missing": done.missing,
        "contradiction": done.contradiction,
    });
    Ok(Answer::new("gridpass.audit.export/1", json, text))
}

/// Says what whoever verifies the bundle will find wrong with its record, while something can be done about it.
fn contradicted(contradiction: &str, at: Option<&str>) -> String {
    let why = match at {
        Some(_) => "--at is too early, or this machine's clock was wrong",
        None => "this machine's clock is wrong, or was",
    };
    format!(
        "{contradiction}: {why}. Whoever verifies the bundle finds its check `record` failed; say why when you \
         hand it over"
    )
}

/// Of when the node's trust pack is, where it holds by now.
fn later_trust(folder: &Path, node: Did) -> Result<Option<UnixMillis>, Failure> {
    let (material, _) = Material::open(&material_of(folder), node, now())?;
    Ok(material.trust().ok().map(|trust| trust.charter().charter().dated))
}

/// That there is no such channel, and which there are.
fn not_found<'c>(name: &str, known: impl Iterator<Item = &'c SignedChannel>) -> Failure {
    let of = |c: &SignedChannel| format!("{} ({})", c.descriptor().name, c.id());
    let names: Vec<_> = known.take(MOST).map(of).collect();
    let e = KeepChannelError::NotFound(name.chars().take(80).collect());
    Failure::from(e).next(match names.is_empty() {
        true => "This profile's node was given no channel: name another with --profile.".to_owned(),
        false => format!("The node has: {}.", names.join(", ")),
    })
}

/// A bundle is of one version of a channel: whoever asks for all of a name would be given a part of it for the
/// whole. Says what each has.
fn several(folder: &Path, name: &str, named: &[&SignedChannel]) -> Failure {
    let counts = match messages_by_channel(folder) {
        Ok(counts) => counts,
        Err(e) => return e.into(),
    };
    let mut named = named.to_vec();
    named.sort_by_key(|c| (c.descriptor().version, c.id().clone()));
    let of = |c: &&SignedChannel| {
        let messages = counts.get(c.id()).copied().unwrap_or_default();
        let descriptor = c.descriptor();
        format!(
            "{} (version {} of {}, {})",
            c.id(),
            descriptor.version,
            descriptor.owner,
            counted(messages, "message", "messages")
        )
    };
    let each: Vec<_> = named.iter().take(MOST).map(of).collect();
    let more = if named.len() > MOST { ", and others" } else { "" };
    let message = format!("{name} is {} channels here: {}{more}", named.len(), each.join(", "));
    Failure::new(policy_codes::CHANNEL_AMBIGUOUS, message).next(
        "Export each by its CID, into a file of its own: `gridpass audit export --channel CID`.",
    )
}

fn message_id(text: &str) -> Result<EnvelopeId, Failure> {
    EnvelopeId::parse(text).map_err(|e| {
        Failure::from(e).next(
            "A message's id begins with bafyrei and has 59 characters: `gridpass inbox --json` and the reports of audits have it.",
        )
    })
}

fn tell(shown: bool, progress: Progress) {
    if !shown {
        return;
    }
    let line = match progress {
        Progress::Read { records, messages } => {
            format!("read {records} records, {messages} messages")
        }
        Progress::Written { messages, of } => format!("written {messages} of {of} messages"),
        _ => return,
    };
    let mut err = anstream::stderr().lock();
    // On one line; whoever does not see it does not need it.
    let _ = std::io::Write::write_all(&mut err, format!("\r{line}    ").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_not_blamed_alone_for_a_time_that_was_given() {
        let said = "record 7 is of 2026-03-01T12:00:00Z, and the bundle of 2026-02-01T12:00:00Z";
        let told = contradicted(said, Some("2026-02-01T12:00:00Z"));
        assert!(told.starts_with(said) && told.contains("--at is too early"), "{told}");
        assert!(!contradicted(said, None).contains("--at"));
    }
}
