//! `gridpass channel` and `gridpass topic`: what channels are, and who may use them.

mod args;
mod draft;
mod remove;
mod show;

pub use args::{ChannelCommand, TopicCommand};

use super::arguments::{differences, trimmed};
use super::sign::identity;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::output::{Answer, Failure, Outcomes, checks_text, outcome_exit};
use crate::shown::shown;
use crate::warnings::hint;
use args::{DiffArgs, SignArgs};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping;
use gridpass_credentials::secured::Signer;
use gridpass_identity::codes::{IDENTITY_DEACTIVATED, SIGNED_IN_FUTURE};
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::clock::is_ahead;
use gridpass_policy::channel::{ChannelDescriptor, SignedChannel};
use gridpass_policy::codes as policy_codes;
use gridpass_policy::keeping::{self as channels, KeepChannelError};
use gridpass_policy::policy::Policy;
use serde_json::json;
use std::path::Path;

pub fn run(global: &GlobalArgs, command: &ChannelCommand) -> Outcomes {
    match command {
        ChannelCommand::New(args) => draft::new(global, args),
        ChannelCommand::Sign(args) => sign(global, args),
        ChannelCommand::Show(args) => show::show(global, args),
        ChannelCommand::List(_) => list(global),
        ChannelCommand::Diff(args) => diff(global, args),
        ChannelCommand::Remove(args) => remove::remove(global, args),
    }
}

pub fn run_topic(global: &GlobalArgs, command: &TopicCommand) -> Outcomes {
    match command {
        TopicCommand::Add(args) => draft::add(global, args),
        TopicCommand::Check(args) => super::schema::check(args),
    }
}

/// A channel: a file, or one of the wallet's by name or CID.
pub fn find(global: &GlobalArgs, name: &str) -> Result<SignedChannel, Failure> {
    // A file needs no wallet.
    if name == "-" || Path::new(name).is_file() {
        let bytes = read_input(Path::new(name), MAX_INPUT)?;
        return Ok(SignedChannel::parse(trimmed(&bytes))?);
    }
    // No channel is called so: it was meant to be a file.
    if name.ends_with(".json") || name.contains('/') {
        let message = format!("{name}: there is no such file");
        return Err(Failure::new(crate::codes::FILE_NOT_READ, message));
    }
    channels::channel(&global.wallet()?, name).map_err(|e| {
        let next =
            "List the wallet's channels with `gridpass channel list`, or name a descriptor's file.";
        match e {
            KeepChannelError::NotFound(_) => Failure::from(e).next(next),
            e => e.into(),
        }
    })
}

/// The policy of a channel: what Cedar refuses is refused here.
pub fn compile(channel: &SignedChannel) -> Result<Policy, Failure> {
    Ok(Policy::compile(channel.descriptor().clone())?)
}

/// Writes a descriptor for people to edit: with line breaks, which its name does not depend on.
fn write_draft(
    schema: &'static str,
    descriptor: ChannelDescriptor,
    output: &OutputArgs,
    next: &str,
) -> Outcomes {
    let channel = SignedChannel::unsigned(descriptor)?;
    compile(&channel)?;
    let mut bytes = serde_json::to_vec_pretty(&channel.to_json()).unwrap_or_default();
    bytes.push(b'\n');
    let descriptor = channel.descriptor();
    let json = json!({
        "channel": channel.id(),
        "name": descriptor.name,
        "version": descriptor.version,
        "file": output.file(),
    });
    let file = output.file().map_or_else(|| "FILE".to_owned(), |p| p.display().to_string());
    let text = format!(
        "Draft of {}, version {}\n  CID   {} (until it is edited)\nnext: {}",
        descriptor.name,
        descriptor.version,
        channel.id(),
        next.replace("FILE", &file)
    );
    let answer = Answer::new(schema, json, text);
    Ok(match output.write(bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}

fn sign(global: &GlobalArgs, args: &SignArgs) -> Outcomes {
    args.output.check()?;
    let kept = args.file.to_str().filter(|_| !args.file.is_file());
    let kept = kept.filter(|name| ContentId::parse(name).is_ok());
    let (mut channel, mut wallet) = if let Some(cid) = kept {
        let wallet = global.wallet()?;
        (channels::channel(&wallet, cid)?, wallet)
    } else {
        let channel = SignedChannel::parse(trimmed(&read_input(&args.file, MAX_INPUT)?))?;
        compile(&channel)?;
        (channel, global.wallet()?)
    };
    let owner = channel.descriptor().owner.clone();
    let name = args.identity.clone().unwrap_or_else(|| owner.to_string());
    let elsewhere =
        || format!("Only the owner signs a channel: {owner}. Sign in the owner's wallet.");
    let me = identity(&wallet, Some(&name)).map_err(|e| match e.code {
        IDENTITY_DEACTIVATED => e,
        _ => e.next(elsewhere()),
    })?;
    if me.did != owner {
        let message = format!("{} is not the channel's owner, {owner}", me.did);
        return Err(Failure::new(policy_codes::CHANNEL_NOT_SIGNED, message));
    }
    refuse_what_does_not_follow(&wallet, &channel)?;
    remove::refuse_a_fork(&wallet, &channel, args)?;
    // Signatures carry whole seconds.
    let time = now().floor_to_second();
    refuse_ahead(&channel, time)?;
    let (key_id, key) = wallet.active_secret(&me, Relationship::AssertionMethod)?;
    channel.sign(Signer { key: &key, key_id: &key_id, now: time })?;
    channels::keep(&mut wallet, &channel, &mut rng())?;
    let descriptor = channel.descriptor();
    let json = json!({"channel": channel.id(), "name": descriptor.name, "owner": owner});
    let text = format!(
        "{} version {} is signed and kept\n  CID    {}\nnext: list it in the charter with `gridpass \
         charter amend --channel {}={}`, and send the file to those who use it",
        descriptor.name,
        descriptor.version,
        channel.id(),
        descriptor.name,
        channel.id(),
    );
    let mut bytes = channel.to_json().to_string().into_bytes();
    bytes.push(b'\n');
    let answer = Answer::new("gridpass.channel.sign/1", json, text);
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}

/// A signature counts from the descriptor's date on, less what clocks may differ by: one that is made before counts
/// for nobody, and one that is dated ahead ends with the key, if that is replaced in between.
fn refuse_ahead(channel: &SignedChannel, now: UnixMillis) -> Result<(), Failure> {
    let dated = channel.descriptor().dated;
    if !is_ahead(dated, now) {
        return Ok(());
    }
    let message = format!("the channel is dated {dated}, and it is {now} here");
    Err(Failure::new(SIGNED_IN_FUTURE, message).next(
        "Sign it when that time has come, or date it earlier: `dated` in the file. If it has come, set \
         the clock here.",
    ))
}

/// What was said under a version of a topic is read by that version's schema for as long as it is kept: no
/// later descriptor may give it another.
fn refuse_what_does_not_follow(wallet: &Wallet, channel: &SignedChannel) -> Result<(), Failure> {
    let Some(named) = &channel.descriptor().previous else { return Ok(()) };
    let Some(previous) = channels::predecessor(wallet, channel)? else {
        hint(format_args!(
            "note: its predecessor {named} is not kept here, and whether it follows that was not \
             looked at; `gridpass channel diff OLD NEW` does"
        ));
        return Ok(());
    };
    let kept = channels::channels(wallet)?;
    let kept: Vec<_> = kept.iter().collect();
    let back = channels::further_back(&kept, channel);
    let checks = std::iter::once(channel.check_follows(&previous))
        .chain(back.into_iter().map(|ancestor| channel.check_keeps_topics(ancestor)));
    let mut broken = checks.filter(|check| check.outcome != Outcome::Passed);
    let Some(follows) = broken.next() else { return Ok(()) };
    let next = "Correct it: name, framework, owner and every version of a topic stay as they are in its \
                predecessor. Another schema is another version: `gridpass topic add CHANNEL TOPIC \
                --schema FILE`.";
    Err(Failure::new(follows.code, follows.sentence).next(next))
}

fn list(global: &GlobalArgs) -> Outcomes {
    let wallet = global.wallet()?;
    let kept = channels::channels(&wallet)?;
    let listed = keeping::pinned(&wallet, now())
        .map(|trust| trust.charter().charter().channels.clone())
        .unwrap_or_default();
    let mut rows = Vec::new();
    let mut text = String::new();
    for channel in &kept {
        let descriptor = channel.descriptor();
        let in_charter = listed.iter().any(|l| &l.document == channel.id());
        rows.push(json!({
            "cid": channel.id(), "name": descriptor.name, "version": descriptor.version,
            "title": descriptor.title, "mode": descriptor.mode, "kept": true, "listed": in_charter,
        }));
        let state = if in_charter { "listed" } else { "not listed" };
        text.push_str(&format!(
            "{:<28} {:<4} {:<11} {}  {}\n",
            descriptor.name.as_str(),
            descriptor.version,
            state,
            channel.id(),
            shown(&descriptor.title)
        ));
    }
    for entry in listed.iter().filter(|l| kept.iter().all(|c| c.id() != &l.document)) {
        rows.push(json!({
            "cid": entry.document, "name": entry.name, "kept": false, "listed": true,
        }));
        text.push_str(&format!(
            "{:<28} {:<4} {:<11} {}  (not kept here)\n",
            shown(&entry.name),
            "",
            "listed",
            entry.document
        ));
    }
    if rows.is_empty() {
        text = "There are no channels.\nnext: gridpass channel new NAME --publish ROLE --topic NAME=SCHEMA".into();
    }
    Ok(Answer::new("gridpass.channel.list/1", json!({"channels": rows}), text))
}

fn diff(global: &GlobalArgs, args: &DiffArgs) -> Outcomes {
    let (old, new) = (find(global, &args.old)?, find(global, &args.new)?);
    let value = |c: &SignedChannel| serde_json::to_value(c.descriptor()).unwrap_or_default();
    let changes = differences(&value(&old), &value(&new));
    let follows = new.check_follows(&old);
    let mut text =
        if changes.is_empty() { "They are the same.\n".to_owned() } else { String::new() };
    for change in &changes {
        text.push_str(&change.to_string());
    }
    if old.id() != new.id() {
        text.push_str(&checks_text(std::slice::from_ref(&follows)));
    }
    let json = json!({
        "old": old.id(), "new": new.id(), "changes": changes,
        "follows": follows.outcome == Outcome::Passed, "history": follows,
    });
    let mut answer = Answer::new("gridpass.channel.diff/1", json, text);
    if old.id() != new.id() {
        answer.exit = outcome_exit(follows.outcome, Some(follows.code));
    }
    Ok(answer)
}
