//! A channel in words.

use super::args::ShowArgs;
use super::{compile, find};
use crate::context::{GlobalArgs, now};
use crate::output::{Answer, Outcomes, checks_text, counted};
use crate::resolving::LazyResolver;
use crate::shown::shown;
use gridpass_policy::channel::{ChannelDescriptor, Sealing};
use gridpass_policy::direct::describe;
use gridpass_policy::policy::Policy;
use gridpass_policy::requirement::{Asked, CheckedRequirement};
use serde_json::json;

pub fn show(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    let channel = find(global, &args.channel)?;
    let policy = compile(&channel)?;
    let signed = channel.to_json().get("proof").is_some();
    let owner = channel.check_owner(&LazyResolver::new(global), now());
    let mut text = in_words(&policy);
    if signed {
        text.push_str(&checks_text(std::slice::from_ref(&owner)));
    } else {
        text.push_str("It is a draft: nobody signed it.\nnext: gridpass channel sign FILE\n");
    }
    let json = json!({
        "cid": channel.id(), "descriptor": channel.descriptor(), "signed": signed, "owner": owner,
    });
    Ok(Answer::new("gridpass.channel.show/1", json, text))
}

fn in_words(policy: &Policy) -> String {
    let channel = policy.descriptor();
    let mut text = format!(
        "{} — {}\n  version    {} of {}\n  CID        {}\n  owner      {}\n  framework  {}\n",
        channel.name,
        shown(&channel.title),
        channel.version,
        channel.dated,
        policy.id(),
        channel.owner,
        channel.framework,
    );
    text.push_str(&rules(channel));
    text.push_str("To publish:\n");
    for requirement in policy.checked().publish.values().next().into_iter().flatten() {
        if channel.publish.iter().any(|r| r.id == requirement.id) {
            text.push_str(&line(requirement));
        }
    }
    text.push_str("To subscribe:\n");
    for requirement in &policy.checked().subscribe {
        text.push_str(&line(requirement));
    }
    if !policy.checked().keep.is_empty() {
        text.push_str("To keep for others, unread:\n");
    }
    for requirement in &policy.checked().keep {
        text.push_str(&line(requirement));
    }
    for topic in &channel.topics {
        let answer = topic.answered_by.as_ref().map(|t| format!(", answered by {}", shown(t)));
        text.push_str(&format!(
            "Topic {} — {}{}\n",
            shown(&topic.name),
            shown(&topic.title),
            answer.unwrap_or_default()
        ));
        for version in &topic.versions {
            let retired = version.retired.map(|t| format!(", retired {t}")).unwrap_or_default();
            text.push_str(&format!(
                "  version {}  {}  {}{retired}\n",
                version.version,
                shown(&version.media_type),
                version.schema
            ));
        }
        for (name, attribute) in &topic.attributes {
            let from =
                attribute.from.as_ref().map(|p| format!(", as the payload says at {}", shown(p)));
            let optional = if attribute.optional { ", may be left out" } else { "" };
            let kind = attribute.value_type;
            text.push_str(&format!(
                "  {}: {kind}{}{optional}\n",
                shown(name),
                from.unwrap_or_default()
            ));
        }
        for requirement in policy.checked().publish.get(&topic.name).into_iter().flatten() {
            if topic.publish.iter().any(|r| r.id == requirement.id) {
                text.push_str(&line(requirement));
            }
        }
    }
    for action in policy.checked().terms.keys() {
        text.push_str(&format!("Terms: to {action} the data is permitted under conditions\n"));
    }
    text
}

fn rules(channel: &ChannelDescriptor) -> String {
    let sealed = match channel.sealing {
        Sealing::None => "everybody on the way",
        Sealing::Members => "members alone",
    };
    let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    format!(
        "  mode       {}; payloads can be read by {sealed}\n  limits     {} bytes, {} a \
         minute, {} s lifetime, {}\n  status     at most {} s old; clocks at most {} s \
         off; the undecided: {}\n  kept       {} s{}{}\n",
        word(&channel.mode),
        channel.limits.max_payload_bytes,
        counted(channel.limits.max_messages_per_minute, "message", "messages"),
        channel.limits.max_lifetime_seconds,
        counted(channel.limits.max_recipients, "recipient", "recipients"),
        channel.max_status_age_seconds,
        channel.clock_skew_seconds,
        word(&channel.indeterminate),
        channel.retention.seconds,
        if channel.retention.history { ", with history for who joins later" } else { "" },
        if channel.receipts { ", with receipts" } else { "" },
    )
}

fn line(requirement: &CheckedRequirement) -> String {
    let how = match &requirement.asked {
        Asked::Condition(condition) => shown(describe(condition)),
        Asked::Cedar(_) => "(written in Cedar)".into(),
    };
    let (id, says) = (shown(&requirement.id), shown(&requirement.says));
    format!("  {id:<12} {says}\n  {:<12}   {how}\n", "")
}
