//! `gridpass file`: files too large for a message.

use super::client::ask;
use super::file_content::{Before, Sent, again, fetched, sent_before, source, stage};
use super::messages::repeated;
use super::warn_of_absent;
use crate::commands::arguments::parse_duration;
use crate::context::{GlobalArgs, OutputArgs};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted};
use crate::resolving::parse_dids;
use crate::shown::shown;
use crate::warnings::hint;
use clap::{Args, Subcommand};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::files::Reference;
use gridpass_messaging::files::reference::{self, is_media_type, is_name};
use gridpass_messaging::node::control::{Asked, NewMessage};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Send and fetch files that are too large for a message: network models, meter files
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass file schema -o file.json            then: channel new … --topic files=file.json\n  \
     gridpass file send flex.gb.models files north.xml --to did:webvh:…\n  \
     gridpass file fetch bafyrei… -o north.xml    the message, as `gridpass inbox` names it\n  \
     gridpass file status"
))]
pub enum FileCommand {
    Send(SendArgs),
    Fetch(FetchArgs),
    Status(StatusArgs),
    Pause(WhichArgs),
    Resume(ResumeArgs),
    Remove(RemoveArgs),
    Schema(SchemaArgs),
}

/// Cut a file into blocks, sealed where the channel is, and send a message that refers to it
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass file send flex.gb.models files north.xml\n  \
     gridpass file send flex.gb.models files meters.csv --to did:webvh:… --media-type text/csv\n  \
     gridpass file send flex.gb.bids files bids.zip --member zone=GB-1\n  \
     gridpass file send flex.gb.models files north.xml --ref model-2026-03-01   sent once, however often it is called\n  \
     (the node keeps the blocks, and gives them to those who may read the message, as long as the\n   \
     channel keeps messages; a topic for files has the schema that `gridpass file schema` prints)"
))]
pub struct SendArgs {
    /// The channel, by name or CID
    channel: String,
    /// The topic
    topic: String,
    /// The file
    file: PathBuf,
    /// To whom, by DID: nobody else is given a block
    #[arg(long, value_name = "DID")]
    to: Vec<String>,
    /// What it is called for those who get it [default: the file's own name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it is
    #[arg(long, value_name = "TYPE", default_value = "application/octet-stream")]
    media_type: String,
    /// A member of the message beside the reference, where the topic's schema asks for one
    #[arg(long = "member", value_name = "NAME=VALUE")]
    members: Vec<String>,
    /// The message that began the conversation
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// For how long the message counts [default: the channel's longest, up to 1h]
    #[arg(long = "for", value_name = "TIME")]
    lifetime: Option<String>,
    /// A text of yours, 128 bytes at most: called again with the same one, it is not sent twice
    #[arg(long = "ref", value_name = "TEXT")]
    reference: Option<String>,
}

/// Fetch the file of a message from those who have it, and write it
///
/// The node fetches it block by block, from several peers at once, and goes on after a break or a
/// restart. With -o this waits until the file is whole, and writes it; without, it returns at once.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass file fetch bafyrei… -o north.xml\n  \
     gridpass file fetch bafyrei…                 only begin; see `gridpass file status`\n  \
     gridpass file fetch bafyrei… -o north.xml --wait 10m"
))]
pub struct FetchArgs {
    /// The message that refers to it
    message: String,
    #[command(flatten)]
    output: OutputArgs,
    /// Wait at most this long; the node goes on
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
}

/// How far files are, how fast, from whom, and why one stands still
#[derive(Args)]
#[command(after_help = help!("  gridpass file status\n  gridpass file status bafyrei… --json"))]
pub struct StatusArgs {
    /// Only this one: its CID, or a message that refers to it
    file: Option<String>,
}

/// Let a file stand until it is resumed
#[derive(Args)]
#[command(after_help = help!("  gridpass file pause bafyrei…\n  gridpass file pause bafkrei… --json"))]
pub struct WhichArgs {
    /// Its CID, or a message that refers to it
    file: String,
}

/// Go on with a file that was paused, or that stopped
#[derive(Args)]
#[command(after_help = help!("  gridpass file resume bafyrei…\n  gridpass file resume bafkrei… --json"))]
pub struct ResumeArgs {
    /// Its CID, or a message that refers to it
    file: String,
}

/// Remove a file from the node: it is given to nobody any more
#[derive(Args)]
#[command(after_help = help!("  gridpass file remove bafyrei…\n  gridpass file remove bafkrei… --json"))]
pub struct RemoveArgs {
    /// Its CID, or a message that refers to it
    file: String,
}

/// Print the schema of a topic for files
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass file schema -o file.json\n  \
     gridpass channel new flex.gb.models --topic files=file.json --publish flex.gb.dso -o models.json\n  \
     gridpass topic add models.json files --schema file.json -o models-2.json"
))]
pub struct SchemaArgs {
    #[command(flatten)]
    output: OutputArgs,
}

pub fn file(global: &GlobalArgs, command: &FileCommand) -> Outcomes {
    match command {
        FileCommand::Send(args) => send(global, args),
        FileCommand::Fetch(args) => fetch(global, args),
        FileCommand::Status(args) => status(global, args),
        FileCommand::Pause(args) => pause(global, &args.file, true),
        FileCommand::Resume(args) => pause(global, &args.file, false),
        FileCommand::Remove(args) => remove(global, args),
        FileCommand::Schema(args) => schema(args),
    }
}

fn members(given: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut members = Map::new();
    for text in given {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let message = format!("{text:?} is not NAME=VALUE");
            return Err(Failure::new(crate::codes::CLAIM_ARGUMENT, message));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        members.insert(name.to_owned(), value);
    }
    Ok(members)
}

fn send(global: &GlobalArgs, args: &SendArgs) -> Outcomes {
    let members = members(&args.members)?;
    let source = source(&args.file)?;
    let own = args.file.file_name().and_then(|n| n.to_str());
    let name = args.name.as_deref().or(own).filter(|n| is_name(n));
    let name = name.ok_or_else(|| {
        let message = "a name has up to 255 bytes, no way and nothing that is not printed";
        Failure::new(crate::codes::USAGE, message).next("Name the file with --name.")
    })?;
    if !is_media_type(&args.media_type) {
        let message = format!("{:?} is no media type: those have no spaces", args.media_type);
        let next = "Say what it is with --media-type text/csv, up to 255 characters of ASCII.";
        return Err(Failure::new(crate::codes::USAGE, message).next(next));
    }
    let lifetime_millis = args.lifetime.as_deref().map(parse_duration).transpose()?;
    let recipients = parse_dids(&args.to)?;
    let thread = args.thread.as_deref().map(EnvelopeId::parse).transpose()?;
    let asked = args.reference.as_deref();
    let before = asked.map(|asked| sent_before(global, &args.channel, asked)).transpose()?;
    let before = before.flatten();
    let is_first = before.is_none();
    let is_shut = before.as_ref().is_some_and(Before::is_shut);
    let staged = match before {
        Some(before) => again(before, source),
        None => stage(global, &args.channel, source),
    };
    let Sent { file, size, key, sealed, new } = staged?;
    let reference = Reference {
        manifest: file.clone(),
        size,
        name: name.to_owned(),
        media_type: args.media_type.clone(),
        key,
    };
    let message = NewMessage {
        channel: args.channel.clone(),
        topic: args.topic.clone(),
        version: None,
        payload: reference.to_payload(members).to_string().into_bytes(),
        recipients,
        thread,
        attributes: Map::new(),
        lifetime_millis,
        reference: args.reference.clone(),
    };
    let mut sent = match ask(global, &Asked::Send(message)) {
        Ok(sent) => sent,
        Err(e) => {
            let since = asked.map(|asked| sent_before(global, &args.channel, asked)).transpose();
            if new && is_unwanted(&e, &file, &since) {
                // Nobody was told of it.
                let _ = ask(global, &Asked::FileRemove { file: file.to_string() });
            }
            // Another call sent one under the reference meanwhile: it is asked for again, with the key of that one.
            let sent_since = is_first && matches!(since, Ok(Some(Some(_))));
            if sent_since && e.code == messaging_codes::NODE_REFERENCE {
                return send(global, args);
            }
            return Err(match e.code {
                code if code == messaging_codes::NO_TOPIC => e.next(
                    "The channel's owner adds one: `gridpass file schema -o file.json`, and `gridpass \
                     topic add CHANNEL.json files --schema file.json`.",
                ),
                _ => e,
            });
        }
    };
    warn_of_absent(&sent);
    if let Some(map) = sent.as_object_mut() {
        map.extend([
            ("file".to_owned(), json!((!is_shut).then_some(&file))),
            ("size".to_owned(), json!(size)),
            ("sealed".to_owned(), json!(sealed)),
        ]);
    }
    let id = sent.get("id").and_then(Value::as_str).unwrap_or_default();
    let text = format!(
        "sent {id}\n{}  size      {size} bytes{}\n{}\
         next: gridpass file status {id}     keep the node running: others fetch it from here\n",
        if is_shut { String::new() } else { format!("  file      {file}\n") },
        if sealed { ", sealed" } else { "" },
        repeated(&sent),
    );
    Ok(Answer::new("gridpass.file.send/1", sent, text))
}

/// Whether a file that was cut for a message that was not sent goes: not where the answer broke off, or the disk failed,
/// since the message may have been sent then, nor where one with this file was sent under the reference, or nobody says whether it was. What
/// nobody sent, the node forgets by itself.
fn is_unwanted(
    refused: &Failure,
    file: &ContentId,
    since: &Result<Option<Option<Before>>, Failure>,
) -> bool {
    let may_be_sent = match since {
        Ok(sent) => sent.as_ref().is_some_and(|s| s.as_ref().is_some_and(|s| s.is_of(file))),
        Err(_) => true,
    };
    let unsure = [messaging_codes::NODE_NOT_RUNNING, messaging_codes::MAY_BE_KEPT];
    !unsure.contains(&refused.code) && !may_be_sent
}

fn fetch(global: &GlobalArgs, args: &FetchArgs) -> Outcomes {
    refuse_both(global, args)?;
    args.output.check()?;
    let wait = args.wait.as_deref().map(parse_duration).transpose()?;
    let message = EnvelopeId::parse(&args.message)?;
    let mut begun = ask(global, &Asked::FileFetch { message })?;
    let reference = begun.get("reference").map(Value::to_string).unwrap_or_default();
    let reference = Reference::parse(reference.as_bytes())
        .map_err(|e| Failure::new(e.code(), e.to_string()))?;
    if let Some(map) = begun.as_object_mut() {
        // Who reads the answer need not have the key.
        map.remove("reference");
        map.remove("folder");
    }
    if args.output.output.is_none() {
        let status = begun.get("status").cloned().unwrap_or_default();
        let text = format!("{}next: gridpass file fetch {} -o FILE\n", line(&status), args.message);
        return Ok(Answer::new("gridpass.file.fetch/1", begun, text));
    }
    let done = fetched(global, &reference, &args.output, wait)?;
    let Some(path) = args.output.file() else { return Ok(Answer::default()) };
    let text = format!("{}  {} bytes\n", shown(path.display()), reference.size);
    let json = json!({"file": reference.manifest, "status": done, "output": path});
    Ok(Answer::new("gridpass.file.fetch/1", json, text))
}

/// What is too large to stand in an object is not mixed with one.
fn refuse_both(global: &GlobalArgs, args: &FetchArgs) -> Result<(), Failure> {
    let to_stdout = args.output.output.is_some() && args.output.file().is_none();
    if to_stdout && global.json {
        let message = "standard output takes the file or a JSON answer, not both";
        return Err(Failure::new(crate::codes::USAGE, message)
            .next("Name a file with -o FILE, or leave out --json."));
    }
    Ok(())
}

/// A file in words.
pub(super) fn line(file: &Value) -> String {
    let of = |name: &str| shown(file.get(name).and_then(Value::as_str).unwrap_or_default());
    let number = |name: &str| file.get(name).and_then(Value::as_u64);
    let name = of("name");
    let (bytes, size) = (number("bytes").unwrap_or_default(), number("size").unwrap_or_default());
    let percent = bytes.saturating_mul(100).checked_div(size).unwrap_or(100);
    let mut text = format!("{:<8} {percent:>3} %  {bytes} of {size}", of("state"));
    if let Some(rate) = number("bytesPerSecond") {
        text.push_str(&format!("  {:.1} MB/s", precise(rate) / 1e6));
    }
    let peers = |name: &str| file.get(name).and_then(Value::as_object).map_or(0, Map::len);
    if peers("from") > 0 {
        text.push_str(&format!("  from {}", counted(peers("from"), "peer", "peers")));
    }
    if peers("given") > 0 {
        text.push_str(&format!("  given to {}", counted(peers("given"), "peer", "peers")));
    }
    if let Some(altered) = file.get("altered").and_then(Value::as_array).filter(|a| !a.is_empty()) {
        text.push_str(&format!("  {} sent other bytes", shown(json!(altered))));
    }
    match (of("why").as_str(), of("code").as_str()) {
        ("", _) => {}
        (why, "") => text.push_str(&format!("  {why}")),
        (why, code) => text.push_str(&format!("  {why} [{code}]")),
    }
    format!("{text}  {name}\n")
}

/// For people, who do not read the last digits.
#[allow(clippy::cast_precision_loss)]
fn precise(number: u64) -> f64 {
    number as f64
}

fn status(global: &GlobalArgs, args: &StatusArgs) -> Outcomes {
    let answer = ask(global, &Asked::Files { file: args.file.clone() })?;
    let mut text = String::new();
    for file in answer.get("files").and_then(Value::as_array).into_iter().flatten() {
        let id = file.get("file").and_then(Value::as_str).unwrap_or_default();
        text.push_str(&format!("{}\n  {}", shown(id), line(file)));
    }
    if text.is_empty() {
        text.push_str("no files");
    }
    Ok(Answer::new("gridpass.file.status/1", answer, text))
}

fn pause(global: &GlobalArgs, file: &str, paused: bool) -> Outcomes {
    let answer = ask(global, &Asked::FilePause { file: file.to_owned(), paused })?;
    let (schema, text) = match paused {
        true => ("gridpass.file.pause/1", format!("paused; next: gridpass file resume {file}")),
        false => ("gridpass.file.resume/1", "it goes on".to_owned()),
    };
    Ok(Answer::new(schema, answer, text))
}

fn remove(global: &GlobalArgs, args: &RemoveArgs) -> Outcomes {
    let answer = ask(global, &Asked::FileRemove { file: args.file.clone() })?;
    Ok(Answer::new("gridpass.file.remove/1", answer, "removed"))
}

fn schema(args: &SchemaArgs) -> Outcomes {
    let schema: Value = serde_json::from_str(reference::SCHEMA)
        .map_err(|e| Failure::new(messaging_codes::FILE_MALFORMED, e.to_string()))?;
    let raw = args.output.write(reference::SCHEMA.as_bytes().to_vec())?;
    let answer = Answer::new("gridpass.file.schema/1", json!({"value": schema}), "");
    Ok(match raw {
        Some(raw) => answer.with_raw(raw),
        None => {
            hint("next: gridpass channel new NAME --topic files=FILE …");
            answer
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_goes_only_where_it_is_certain_that_nobody_was_told_of_it() {
        let file = ContentId::of_bytes(b"a manifest").expect("a name");
        let other = ContentId::of_bytes(b"another").expect("a name");
        let refused = || Failure::new(messaging_codes::NODE_REFERENCE, "refused");
        let broke_off = || Failure::new(messaging_codes::NODE_NOT_RUNNING, "it ended");
        let unknown = || Err(Failure::new(messaging_codes::NODE_STARTING, "it starts"));
        let sent = |file: &ContentId| Ok(Some(Some(Before::of(file))));
        assert!(is_unwanted(&refused(), &file, &Ok(None)), "no reference was given");
        assert!(is_unwanted(&refused(), &file, &Ok(Some(None))), "nothing was sent under it");
        assert!(is_unwanted(&refused(), &file, &sent(&other)));
        assert!(!is_unwanted(&refused(), &file, &sent(&file)), "another call sent it");
        assert!(!is_unwanted(&refused(), &file, &unknown()), "nobody says");
        let in_doubt = || Failure::new(messaging_codes::MAY_BE_KEPT, "the disk failed");
        for since in [Ok(None), Ok(Some(None)), unknown()] {
            assert!(!is_unwanted(&broke_off(), &file, &since), "it may be sent yet");
            assert!(!is_unwanted(&in_doubt(), &file, &since), "it may be kept");
        }
    }
}
