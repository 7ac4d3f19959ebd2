//! Sending and receiving.

use super::client::{Client, ask, ask_until};
use super::{read, warn_of_absent};
use crate::commands::arguments::parse_duration;
use crate::context::{GlobalArgs, if_too_large};
use crate::help;
use crate::output::{Answer, Done, Failure, Outcomes};
use crate::resolving::parse_dids;
use crate::shown::{json_line, quoted, shown};
use crate::warnings::hint;
use clap::Args;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_policy::codes as policy_codes;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What is too large for a message.
const AS_A_FILE: &str =
    "Send it with `gridpass file send CHANNEL TOPIC FILE`, on a topic for files.";

/// What is done about a list that is too old for what is sent: among them are those that nobody sends here.
const NEWER_LISTS: &str = "`gridpass node add` the newest lists of the issuers, and of this node's own organisation: \
                           its wallet signs them each day, `gridpass status publish -o lists.json`.";

/// What is done about a schema that is not here: nothing waits for it that was not sent.
pub const GIVE_SCHEMA: &str = "Nothing is sent by it before it is here. Give it to the node, and each XSD that it names: \
                               `gridpass node add FILE`; or connect the node with a peer that has it, and send again.";

/// Send a message in a channel; it is durable at the node when this returns
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass send flex.gb.bids bids bid.json\n  \
     echo '{\"zone\": \"GB-1\"}' | gridpass send flex.gb.bids bids -\n  \
     gridpass send flex.gb.orders orders order.json --to did:webvh:… --wait 30s\n  \
     gridpass send flex.gb.bids bids bid.json --ref bid-2026-03-01-17   sent once, however often it is called\n  \
     (the node checks it first as every peer will: what they would refuse is not sent; in a channel\n   \
     that seals, it seals the payload to those who may read)"
))]
pub struct SendArgs {
    /// The channel, by name or CID
    channel: String,
    /// The topic
    topic: String,
    /// The payload's file; - for standard input
    file: PathBuf,
    /// To whom, by DID; several for a multicast channel
    #[arg(long, value_name = "DID")]
    to: Vec<String>,
    /// The version of the topic [default: the newest that counts]
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// The message that began the conversation
    #[arg(long, value_name = "ID")]
    thread: Option<String>,
    /// An attribute of the header; those that the payload says are read from it
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
    /// For how long it counts [default: the channel's longest, up to 1h]
    #[arg(long = "for", value_name = "TIME")]
    lifetime: Option<String>,
    /// A text of yours, 128 bytes at most: called again with the same one, it is not sent twice
    #[arg(long = "ref", value_name = "TEXT")]
    reference: Option<String>,
    /// Wait this long for an answer in the same thread, and print it
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
}

/// Print messages as they are delivered, one JSON object on each line
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass listen                      from the beginning, and what comes\n  \
     gridpass listen --after 1200         from a number on\n  \
     gridpass listen --reader dispatch    from where this reader left off; remembers it\n  \
     gridpass listen --reader dispatch --channel flex.gb.bids   where it left off in this channel\n  \
     gridpass listen --count 1            ends after one"
))]
pub struct ListenArgs {
    /// Only what was taken in after this number
    #[arg(long, value_name = "N", conflicts_with = "reader")]
    after: Option<u64>,
    /// A name under which the node remembers how far was read: in everything, or in the channel
    #[arg(long, value_name = "NAME")]
    reader: Option<String>,
    /// Only this channel, by name or CID
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// Show delivered messages
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass inbox\n  gridpass inbox --after 1200 --most 10 --json\n  \
     gridpass inbox --refused    what was refused here, and why"
))]
pub struct InboxArgs {
    /// Only what was taken in after this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// The most messages
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Show instead what others sent and was refused here, with the codes that say why
    #[arg(long)]
    refused: bool,
}

/// Show own messages, the newest first, and what became of each
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass outbox\n  gridpass outbox --most 5 --json\n  \
     gridpass outbox --before bafyrei…    those before this message: the next page"
))]
pub struct OutboxArgs {
    /// The most messages
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Only those that were sent before this message
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

/// Show what each recipient says of an own message: delivered, refused and why, or overdue
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass receipts bafyrei…\n  \
     gridpass receipts bafyrei… --wait 30s     until each recipient said something, or 30 s are over\n  \
     gridpass receipts bafyrei… --json"
))]
pub struct ReceiptsArgs {
    /// The message, as `gridpass send` named it
    message: String,
    /// Wait this long for what its recipients say; of a message to all, until somebody said something
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
}

pub fn send(global: &GlobalArgs, args: &SendArgs) -> Outcomes {
    let payload = read(&args.file).map_err(|e| if_too_large(e, AS_A_FILE))?;
    let mut attributes = Map::new();
    for text in &args.attributes {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let message = format!("{text:?} is not NAME=VALUE");
            return Err(Failure::new(crate::codes::CLAIM_ARGUMENT, message));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        attributes.insert(name.to_owned(), value);
    }
    let wait = args.wait.as_deref().map(parse_duration).transpose()?;
    let new = NewMessage {
        channel: args.channel.clone(),
        topic: args.topic.clone(),
        version: args.version,
        payload,
        recipients: parse_dids(&args.to)?,
        thread: args.thread.as_deref().map(EnvelopeId::parse).transpose()?,
        attributes,
        lifetime_millis: args.lifetime.as_deref().map(parse_duration).transpose()?,
        reference: args.reference.clone(),
    };
    // What was taken in before is no answer, unless the message was sent before, under its reference.
    let before = wait.map(|_| ask(global, &Asked::Status)).transpose()?;
    let mut sent = told_why(|| ask(global, &Asked::Send(new))).map_err(|e| match e.code {
        // The code's remedy speaks to a reader.
        code if code == policy_codes::PAYLOAD_MALFORMED => {
            e.next(format!("Correct {}: nothing was sent.", named(&args.file)))
        }
        code if code == messaging_codes::ENVELOPE_TOO_LARGE => e.next(AS_A_FILE),
        code if code == credential_codes::STATUS_STALE => e.next(NEWER_LISTS),
        code if code == messaging_codes::SCHEMA_NOT_HERE => e.next(GIVE_SCHEMA),
        _ => e,
    })?;
    warn_of_absent(&sent);
    let of = |name: &str| sent.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = of("id");
    let mut text = format!(
        "sent {id}\n  number    {}\n  until     {}\n",
        sent.get("sequence").map(ToString::to_string).unwrap_or_default(),
        of("expires"),
    );
    text.push_str(&repeated(&sent));
    match (wait, before) {
        (Some(millis), Some(before)) => {
            let thread = sent.get("thread").and_then(Value::as_str).unwrap_or(&id).to_owned();
            let after = before.get("lastNumber").and_then(Value::as_u64).unwrap_or_default();
            let own = args.reference.as_ref().and_then(|_| number_of(global, &id));
            let after = own.map_or(after, |own| own.min(after));
            let answer = answer_in(global, &thread, after, Duration::from_millis(millis))
                .map_err(|e| sent_already(&sent, e.next.clone()).all_the_same(e))?;
            let said = answer.get("text").or_else(|| answer.get("payload"));
            text.push_str(&format!(
                "answer from {}\n{}",
                shown(answer.get("sender").and_then(Value::as_str).unwrap_or_default()),
                quoted(said.and_then(Value::as_str).unwrap_or_default())
            ));
            if let Some(map) = sent.as_object_mut() {
                map.insert("answer".into(), answer);
            }
        }
        _ => text.push_str(&format!("next: gridpass receipts {id}\n")),
    }
    let done = sent_already(&sent, None);
    let answer = Answer::new("gridpass.send/1", sent, text);
    Ok(Answer { done: Some(done), ..answer })
}

/// That a message was sent, with all that the node said of it, whatever became of its answer.
fn sent_already(sent: &Value, next: Option<String>) -> Done {
    let id = sent.get("id").and_then(Value::as_str).unwrap_or_default();
    let look = || format!("Do not send it again; see what becomes of it: gridpass receipts {id}");
    let sentence = format!("the message {id} was sent");
    Done { json: sent.clone(), sentence, next: next.unwrap_or_else(look) }
}

/// How what was read is called.
fn named(file: &Path) -> String {
    match file.to_str() {
        Some("-") => "what stands on standard input".to_owned(),
        _ => file.display().to_string(),
    }
}

/// That nothing was sent now, where it was before, for people.
pub(super) fn repeated(sent: &Value) -> String {
    if sent.get("repeated") != Some(&Value::Bool(true)) {
        return String::new();
    }
    let of = |name: &str| shown(sent.get(name).and_then(Value::as_str).unwrap_or_default());
    let over = if of("state") == "over" { ", and it is over" } else { "" };
    format!("  repeated  it was sent before, at {}{over}: nothing was sent now\n", of("issued"))
}

/// Where an answer takes longer than a second, says why it may.
fn told_why<T>(ask: impl FnOnce() -> T) -> T {
    let (done, waits) = channel::<()>();
    let teller = thread::spawn(move || {
        if waits.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            hint(
                "waiting for the node: one that has sent nothing in the channel yet asks its peers first \
                 whether it did before, for some ten seconds where nobody answers",
            );
        }
    });
    let answer = ask();
    drop(done);
    let _ = teller.join();
    answer
}

/// Under which number the node has an own message, where it says so.
fn number_of(global: &GlobalArgs, id: &str) -> Option<u64> {
    let envelope = EnvelopeId::parse(id).ok()?;
    ask(global, &Asked::Receipts { envelope }).ok()?.get("number")?.as_u64()
}

/// Waits for a message in a thread.
fn answer_in(
    global: &GlobalArgs,
    thread: &str,
    after: u64,
    time: Duration,
) -> Result<Value, Failure> {
    let started = Instant::now();
    let mut client = Client::connect(global)?;
    client.say(&Asked::Listen { after: Some(after), reader: None, channel: None })?;
    let late = || {
        let message = format!("nobody answered within {} s", time.as_secs());
        Failure::new(messaging_codes::NO_ANSWER, message)
            .next(format!("The message was sent. See later: gridpass listen --after {after}"))
    };
    loop {
        let left = time.checked_sub(started.elapsed()).filter(|d| !d.is_zero());
        client.within(left.ok_or_else(late)?)?;
        match client.next() {
            Ok(Some(message)) if message.get("thread").and_then(Value::as_str) == Some(thread) => {
                return Ok(message);
            }
            Ok(Some(_)) => {}
            Ok(None) => return Err(late()),
            Err(_) if started.elapsed() >= time => return Err(late()),
            Err(e) => return Err(e),
        }
    }
}

pub fn listen(global: &GlobalArgs, args: &ListenArgs) -> Outcomes {
    let mut client = Client::connect(global)?;
    let channel = &args.channel;
    client.say(&Asked::Listen {
        after: args.after,
        reader: args.reader.clone(),
        channel: channel.clone(),
    })?;
    let mut done = args.reader.as_ref().map(|_| Client::connect(global)).transpose()?;
    let mut count = 0_u64;
    while args.count.is_none_or(|most| count < most) {
        let next = client.next().map_err(|e| match e.code {
            code if code == messaging_codes::CHANNEL_UNKNOWN => {
                e.next("`gridpass node status` lists the channels; name one by its name or CID.")
            }
            _ => e,
        });
        let Some(message) = next? else {
            let message = "the node has ended";
            return Err(Failure::new(messaging_codes::NODE_NOT_RUNNING, message));
        };
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{}", json_line(&message)).and_then(|()| out.flush());
        drop(out);
        if written.is_err() {
            // A reader that closed the pipe has what it wanted.
            break;
        }
        count = count.saturating_add(1);
        // Noted when it was written: what was not is given again.
        if let (Some(client), Some(reader)) = (&mut done, &args.reader) {
            let number = message.get("number").and_then(Value::as_u64).unwrap_or_default();
            let (reader, channel) = (reader.clone(), channel.clone());
            client.ask(&Asked::Done { reader, channel, number })?;
        }
    }
    Ok(Answer::default())
}

/// Why something was refused, in a line: what the node says of this case, or what the code means.
fn reason(reason: &Value) -> String {
    let of = |name: &str| reason.get(name).and_then(Value::as_str);
    let (code, sentence) = (of("code").unwrap_or_default(), of("sentence").unwrap_or_default());
    match of("why") {
        Some(why) if why.contains(code) => shown(why),
        Some(why) => format!("{} [{}]", shown(why), shown(code)),
        None => format!("{} [{}]", shown(sentence), shown(code)),
    }
}

/// What was refused, for people.
fn refused(message: &Value) -> String {
    let of = |name: &str| shown(message.get(name).and_then(Value::as_str).unwrap_or_default());
    let number = message.get("number").map(ToString::to_string).unwrap_or_default();
    let mut text = format!(
        "{number:>8}  {}  {}/{}\n          from {}\n          {}\n",
        of("issued"),
        of("channelName"),
        of("topic"),
        of("sender"),
        of("id"),
    );
    let reasons = message.get("reasons").and_then(Value::as_array);
    let told: Vec<String> = reasons.into_iter().flatten().map(reason).collect();
    let mut said = BTreeSet::new();
    for line in told.iter().filter(|line| said.insert(line.as_str())) {
        let times = told.iter().filter(|other| *other == line).count();
        let times = if times > 1 { format!(" ({times} times)") } else { String::new() };
        text.push_str(&format!("          {line}{times}\n"));
    }
    let unsaid = |reason: &Value| {
        let code = reason.get("code").and_then(Value::as_str).unwrap_or_default();
        code.starts_with("GP-POLICY-") && reason.get("why").is_none()
    };
    if reasons.into_iter().flatten().any(unsaid) {
        text.push_str(
            "          what the channel requires: gridpass channel show FILE, with its descriptor\n",
        );
    }
    text
}

/// Where the next page of what is taken in begins, where there is one.
fn next_page(answer: &Value, refused: bool) -> Option<String> {
    answer.get("more").and_then(Value::as_bool).filter(|more| *more)?;
    let last = answer.get("last").and_then(Value::as_u64)?;
    let refused = if refused { " --refused" } else { "" };
    Some(format!("there are more: gridpass inbox{refused} --after {last}\n"))
}

/// Where nothing is shown, after what that is.
fn nothing_after(after: u64) -> String {
    if after == 0 { String::new() } else { format!(" after number {after}") }
}

pub fn inbox(global: &GlobalArgs, args: &InboxArgs) -> Outcomes {
    if args.refused {
        let asked = Asked::Refused { after: args.after, most: args.most };
        let answer = ask(global, &asked)?;
        let all = answer.get("messages").and_then(Value::as_array).into_iter().flatten();
        let mut text: String = all.map(refused).collect();
        if text.is_empty() {
            text = format!("nothing was refused{}", nothing_after(args.after));
        }
        text.extend(next_page(&answer, true));
        return Ok(Answer::new("gridpass.refused/1", answer, text));
    }
    let answer = ask(global, &Asked::Inbox { after: args.after, most: args.most })?;
    let mut text = String::new();
    for message in answer.get("messages").and_then(Value::as_array).into_iter().flatten() {
        let of = |name: &str| shown(message.get(name).and_then(Value::as_str).unwrap_or_default());
        let number = message.get("number").map(ToString::to_string).unwrap_or_default();
        let said = message.get("text").or_else(|| message.pointer("/withheld/sentence"));
        let said = said.and_then(Value::as_str).unwrap_or_default();
        // Of a document that is written over many lines the beginning is on one.
        let said: String =
            said.chars().filter(|c| !matches!(c, '\n' | '\r' | '\t')).take(120).collect();
        let said = shown(said);
        if message.get("id").is_none() {
            text.push_str(&format!("{number:>8}  lost\n          {said}\n"));
            continue;
        }
        text.push_str(&format!(
            "{number:>8}  {}  {}/{}\n          from {}\n          {said}\n",
            of("issued"),
            of("channelName"),
            of("topic"),
            of("sender"),
        ));
    }
    for waits in answer.get("unopened").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&format!("{}\n", passed_over(waits)));
    }
    if text.is_empty() {
        text = format!("nothing{}", nothing_after(args.after));
    }
    text.extend(next_page(&answer, false));
    Ok(Answer::new("gridpass.inbox/1", answer, text))
}

/// Sealed messages that are here and were not delivered, as a sentence.
pub fn passed_over(waits: &Value) -> String {
    let of = |name: &str| shown(waits.get(name).and_then(Value::as_str).unwrap_or_default());
    let count = waits.get("count").and_then(Value::as_u64).unwrap_or_default();
    let (sender, sentence, code) = (of("sender"), of("sentence"), of("code"));
    format!("not delivered    {count} of {sender}: {sentence} [{code}]")
}

pub fn outbox(global: &GlobalArgs, args: &OutboxArgs) -> Outcomes {
    let before = args.before.as_deref().map(EnvelopeId::parse).transpose()?;
    let answer = ask(global, &Asked::Outbox { most: args.most, before })?;
    let mut text = String::new();
    for message in answer.get("messages").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&fate(message));
    }
    if text.is_empty() {
        text.push_str(match &args.before {
            None => "nothing was sent",
            Some(_) => "nothing was sent before it",
        });
    }
    let last = answer.get("messages").and_then(Value::as_array).and_then(|all| all.last());
    let last = last.and_then(|message| message.get("id")).and_then(Value::as_str);
    if let (Some(true), Some(last)) = (answer.get("more").and_then(Value::as_bool), last) {
        text.push_str(&format!("there are more: gridpass outbox --before {}\n", shown(last)));
    }
    Ok(Answer::new("gridpass.outbox/1", answer, text))
}

pub fn receipts(global: &GlobalArgs, args: &ReceiptsArgs) -> Outcomes {
    let asked = Asked::Receipts { envelope: EnvelopeId::parse(&args.message)? };
    let wait = args.wait.as_deref().map(parse_duration).transpose()?;
    let answer = match wait.map(Duration::from_millis) {
        None => ask(global, &asked).map_err(not_sent_here)?,
        Some(time) => match ask_until(global, &asked, time, |fate| silent(fate) == Some(0))
            .map_err(not_sent_here)?
        {
            (answer, true) => answer,
            (answer, false) => {
                let who = match silent(&answer) {
                    Some(1) => "one recipient said nothing".into(),
                    Some(count) => format!("{count} recipients said nothing"),
                    None => "nobody said anything".to_owned(),
                };
                let message = format!("{who} within {} s", time.as_secs());
                return Err(Failure::new(messaging_codes::NO_ANSWER, message)
                    .next(format!("See later: gridpass receipts {}", args.message))
                    .passing());
            }
        },
    };
    let text = fate(&answer);
    Ok(Answer::new("gridpass.receipts/1", answer, text))
}

/// Where a node has no such message, its own are the ones to look at.
fn not_sent_here(failure: Failure) -> Failure {
    match failure.code {
        credential_codes::NOT_KEPT => failure.next(
            "See what was sent from here: `gridpass outbox`; or name the profile of the node that sent it: \
             --profile NAME.",
        ),
        _ => failure,
    }
}

/// How many of a message's recipients have said nothing of it; nothing where none is known.
fn silent(fate: &Value) -> Option<usize> {
    let all = fate.get("recipients").and_then(Value::as_object).filter(|all| !all.is_empty())?;
    let is_silent = |said: &&Value| {
        let state = said.get("state").and_then(Value::as_str);
        !matches!(state, Some("delivered" | "refused"))
    };
    Some(all.values().filter(is_silent).count())
}

/// What became of a message, for people.
fn fate(message: &Value) -> String {
    let of = |name: &str| shown(message.get(name).and_then(Value::as_str).unwrap_or_default());
    let mut text = format!("{}  {}  {}\n  {}\n", of("issued"), of("topic"), of("state"), of("id"));
    if message.get("ref").is_some_and(Value::is_string) {
        text.push_str(&format!("  ref        {}\n", of("ref")));
    }
    for (recipient, said) in
        message.get("recipients").and_then(Value::as_object).into_iter().flatten()
    {
        let state = shown(said.get("state").and_then(Value::as_str).unwrap_or_default());
        let reasons = said.get("reasons").map(shown).unwrap_or_default();
        let recipient = shown(recipient);
        text.push_str(&format!("  {state:<10} {recipient} {reasons}\n"));
        // Where its nodes say different things.
        for node in said.get("nodes").and_then(Value::as_array).into_iter().flatten() {
            let of = |name: &str| shown(node.get(name).and_then(Value::as_str).unwrap_or_default());
            let reasons = node.get("reasons").map(shown).unwrap_or_default();
            text.push_str(&format!("    at {}: {} {reasons}\n", of("node"), of("state")));
        }
    }
    for keeper in message.get("keepers").and_then(Value::as_object).into_iter().flatten() {
        text.push_str(&format!("  kept by    {}\n", shown(keeper.0)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_one_node_refused_is_shown_beside_what_another_delivered() {
        let message = json!({"id": "bafyrei", "topic": "models", "state": "sent", "recipients": {
            "did:web:tso.example": {"state": "delivered", "nodes": [
                {"node": "did:key:zFirst", "state": "refused", "reasons": ["GP-SEALING-STRANGER"]},
                {"node": "did:key:zSecond", "state": "delivered"},
            ]},
        }});
        let text = fate(&message);
        assert!(text.contains("  delivered  did:web:tso.example"), "{text}");
        let refused = text.lines().find(|line| line.contains("zFirst")).expect("a line");
        assert!(refused.contains("refused") && refused.contains("GP-SEALING-STRANGER"), "{text}");
        assert!(text.contains("    at did:key:zSecond: delivered"), "{text}");
    }
    #[test]
    fn a_cause_of_several_requirements_is_said_once_with_where_they_are() {
        let unmet = json!({"code": "GP-POLICY-UNMET", "sentence": "It is not satisfied."});
        let message = json!({"number": 7, "id": "bafyrei", "reasons": [unmet, unmet]});
        let text = refused(&message);
        assert_eq!(text.matches("[GP-POLICY-UNMET]").count(), 1, "{text}");
        assert!(text.contains("(2 times)") && text.contains("gridpass channel show"), "{text}");
        let which = json!({"code": "GP-POLICY-UNMET", "sentence": "", "why": "zone: it says GB-2"});
        let text = refused(&json!({"reasons": [which]}));
        assert!(text.contains("zone: it says GB-2 [GP-POLICY-UNMET]\n"), "{text}");
        assert!(!text.contains("channel show"), "{text}");
        let other = json!({"reasons": [{"code": "GP-VISA-REVOKED", "sentence": "It is revoked."}]});
        let text = refused(&other);
        assert!(!text.contains("times") && !text.contains("channel show"), "{text}");
    }

    #[test]
    fn what_is_to_be_corrected_is_named() {
        assert_eq!(named(Path::new("-")), "what stands on standard input");
        assert_eq!(named(Path::new("needs.json")), "needs.json");
    }

    #[test]
    fn a_repeat_is_told_from_a_sending() {
        let sent = json!({"id": "bafyrei", "issued": "2026-01-05T08:00:00Z", "repeated": false});
        assert_eq!(repeated(&sent), "");
        let again = json!({"issued": "2026-01-05T08:00:00Z", "repeated": true, "state": "sent"});
        let text = repeated(&again);
        assert!(text.contains("sent before, at 2026-01-05T08:00:00Z: nothing"), "{text}");
        let over = json!({"issued": "2026-01-05T08:00:00Z", "repeated": true, "state": "over"});
        assert!(repeated(&over).contains("and it is over"), "{}", repeated(&over));
    }
}
