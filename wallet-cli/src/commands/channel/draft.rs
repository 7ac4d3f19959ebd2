//! Drafts of channel descriptors.

use super::args::{AddArgs, IndeterminateArg, ModeArg, NewArgs, SealingArg};
use super::{find, write_draft};
use crate::codes;
use crate::commands::arguments::{parse_duration, schema_document};
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, MAX_INPUT, now, read_input};
use crate::output::{Failure, Outcomes};
use crate::resolving::parse_did;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping;
use gridpass_credentials::role::RoleName;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_policy::channel::{
    ChannelDescriptor, ChannelError, FORMAT_VERSION, Indeterminate, MessageLimits, Mode, Retention,
    Sealing, TYPE,
};
use gridpass_policy::condition::Condition;
use gridpass_policy::odrl::Terms;
use gridpass_policy::requirement::{Requirement, RequirementError};
use gridpass_policy::topic::{Attribute, Topic, TopicVersion};
use gridpass_policy::value::ValueType;
use std::path::Path;

fn usage(message: String) -> Failure {
    Failure::new(codes::USAGE, message)
}

pub fn new(global: &GlobalArgs, args: &NewArgs) -> Outcomes {
    args.output.check()?;
    let name = RoleName::parse(&args.name)?;
    let mut topics = Vec::new();
    for text in &args.topic {
        let (topic, file) = text
            .split_once('=')
            .ok_or_else(|| usage(format!("{text:?} is not NAME=SCHEMA, such as bids=bid.json")))?;
        let (schema, _) = schema_document(Path::new(file))?;
        topics.push(Topic {
            name: topic.to_owned(),
            title: topic.to_owned(),
            versions: vec![version(1, &args.media_type, schema)],
            attributes: std::collections::BTreeMap::new(),
            publish: Vec::new(),
            answered_by: None,
        });
    }
    for text in &args.attribute {
        let (topic, rest) = text.split_once('.').ok_or_else(|| {
            usage(format!("{text:?} is not TOPIC.NAME=TYPE, such as bids.zone=text:/zone"))
        })?;
        let found = topics.iter_mut().find(|t| t.name == topic);
        let found = found.ok_or_else(|| usage(format!("no --topic is named {topic:?}")))?;
        let (name, attribute) = read_attribute(rest)?;
        found.attributes.insert(name, attribute);
    }
    let (owner, framework) = owner_and_framework(global, args)?;
    let subscribe = if args.subscribe.is_empty() { &args.publish } else { &args.subscribe };
    let subscribe: Vec<_> = subscribe
        .iter()
        .map(|s| s.split_once(':').map_or(s.as_str(), |(role, _)| role).to_owned())
        .collect();
    let keep = (!args.keep.is_empty()).then(|| roles("keep", "keepers hold", &args.keep));
    let terms = args.terms.as_deref().map(read_terms).transpose()?;
    let seconds = |text: &str| parse_duration(text).map(|ms| ms / 1000);
    let descriptor = ChannelDescriptor {
        document_type: TYPE.into(),
        format_version: FORMAT_VERSION,
        framework,
        version: 1,
        previous: None,
        dated: now().floor_to_second(),
        owner,
        title: args.title.clone().unwrap_or_else(|| args.name.clone()),
        name,
        mode: match args.mode {
            ModeArg::Broadcast => Mode::Broadcast,
            ModeArg::Multicast => Mode::Multicast,
            ModeArg::Unicast => Mode::Unicast,
        },
        publish: vec![roles("publish", "senders hold", &args.publish)],
        subscribe: vec![roles("subscribe", "receivers hold", &subscribe)],
        keep: keep.into_iter().collect(),
        topics,
        sealing: match args.sealing {
            SealingArg::None => Sealing::None,
            SealingArg::Members => Sealing::Members,
        },
        retention: Retention { seconds: seconds(&args.retention)?, history: args.history },
        receipts: args.receipts,
        limits: MessageLimits {
            max_payload_bytes: args.max_payload,
            max_messages_per_minute: args.max_per_minute,
            max_lifetime_seconds: seconds(&args.max_lifetime)?,
            max_recipients: args.max_recipients,
        },
        max_status_age_seconds: seconds(&args.max_status_age)?,
        clock_skew_seconds: seconds(&args.clock_skew)?,
        indeterminate: match args.indeterminate {
            IndeterminateArg::Deny => Indeterminate::Deny,
            IndeterminateArg::Allow => Indeterminate::Allow,
        },
        terms,
    };
    let next = "edit FILE as spec/channel.md says, `gridpass policy lint FILE`, then `gridpass \
                channel sign FILE`";
    write_draft("gridpass.channel.new/1", descriptor, &args.output, next)
}

fn owner_and_framework(global: &GlobalArgs, args: &NewArgs) -> Result<(Did, ContentId), Failure> {
    let owner = args.owner.as_deref().map(parse_did).transpose()?;
    let framework = args.framework.as_deref().map(ContentId::parse).transpose()?;
    // With both given, no wallet is opened.
    if let (Some(owner), Some(framework)) = (&owner, &framework) {
        return Ok((owner.clone(), framework.clone()));
    }
    let wallet = global.wallet()?;
    let owner = match owner {
        Some(owner) => owner,
        None => identity(&wallet, args.identity.as_deref())?.did,
    };
    let framework = match framework {
        Some(framework) => framework,
        None => {
            let trust = keeping::pinned(&wallet, now())?;
            let first = trust.history().first().map(|c| c.id().clone());
            first.unwrap_or_else(|| trust.charter().id().clone())
        }
    };
    Ok((owner, framework))
}

/// A requirement that any of these roles satisfies.
fn roles(id: &str, says: &str, list: &[String]) -> Requirement {
    let mut needs: Vec<_> = list
        .iter()
        .map(|text| {
            let (role, comparison) = text.split_once(':').unwrap_or((text, ""));
            let comparisons =
                if comparison.is_empty() { Vec::new() } else { vec![comparison.to_owned()] };
            Condition::Role { role: role.to_owned(), comparisons }
        })
        .collect();
    let says = format!("{says} {}", list.join(" or "));
    let condition = match (needs.pop(), needs.is_empty()) {
        (Some(only), true) => only,
        (Some(last), false) => {
            needs.push(last);
            Condition::Any { any: needs }
        }
        (None, _) => Condition::Any { any: needs },
    };
    Requirement::new(id, &says, condition)
}

fn version(number: u32, media_type: &str, schema: ContentId) -> TopicVersion {
    TopicVersion { version: number, media_type: media_type.to_owned(), schema, retired: None }
}

/// `zone=text:/zone`.
fn read_attribute(text: &str) -> Result<(String, Attribute), Failure> {
    let refuse = || {
        usage(format!(
            "{text:?} is not NAME=TYPE or NAME=TYPE:PATH; the types are text, integer, boolean, \
             texts, time"
        ))
    };
    let (name, rest) = text.split_once('=').ok_or_else(refuse)?;
    let (kind, from) = match rest.split_once(':') {
        Some((kind, path)) => (kind, Some(path.to_owned())),
        None => (rest, None),
    };
    let value_type: ValueType = serde_json::from_value(kind.into()).map_err(|_| refuse())?;
    Ok((name.to_owned(), Attribute { value_type, from, optional: false }))
}

fn read_terms(path: &Path) -> Result<Terms, Failure> {
    let bytes = read_input(path, MAX_INPUT)?;
    let malformed = |e: json::JsonError| {
        ChannelError::Requirement(RequirementError::Malformed(format!("terms: {e}")))
    };
    Ok(json::from_slice_strict(&bytes, Limits::DOCUMENT).map_err(malformed)?)
}

pub fn add(global: &GlobalArgs, args: &AddArgs) -> Outcomes {
    args.output.check()?;
    let channel = find(global, &args.channel)?;
    let signed = channel.to_json().get("proof").is_some();
    let mut descriptor = if signed {
        channel.descriptor().next(now().floor_to_second().max(channel.descriptor().dated))?
    } else {
        channel.descriptor().clone()
    };
    let (schema, _) = schema_document(&args.schema)?;
    let mut attributes = Vec::new();
    for text in &args.attribute {
        attributes.push(read_attribute(text)?);
    }
    match descriptor.topics.iter_mut().find(|t| t.name == args.topic) {
        Some(topic) => {
            let last = topic.versions.last();
            let media_type = args.media_type.clone().or_else(|| last.map(|v| v.media_type.clone()));
            let number = last.map_or(1, |v| v.version.saturating_add(1));
            let media_type = media_type.unwrap_or_else(|| "application/json".into());
            topic.versions.push(version(number, &media_type, schema));
            topic.attributes.extend(attributes);
        }
        None => {
            let media_type = args.media_type.as_deref().unwrap_or("application/json");
            descriptor.topics.push(Topic {
                name: args.topic.clone(),
                title: args.title.clone().unwrap_or_else(|| args.topic.clone()),
                versions: vec![version(1, media_type, schema)],
                attributes: attributes.into_iter().collect(),
                publish: Vec::new(),
                answered_by: None,
            });
        }
    }
    if let Some(answered) = &args.answers {
        let topic = descriptor.topics.iter_mut().find(|t| &t.name == answered);
        let topic = topic.ok_or_else(|| usage(format!("no topic is named {answered:?}")))?;
        topic.answered_by = Some(args.topic.clone());
    }
    let next = "gridpass channel sign FILE";
    write_draft("gridpass.topic.add/1", descriptor, &args.output, next)
}
