//! What is probably not meant in a channel: roles that the charter does not list, claims that no
//! visa carries, attributes that nobody checks.

use crate::channel::{ChannelDescriptor, CheckedChannel, Indeterminate};
use crate::codes;
use crate::condition::{Reads, RoleReference};
use crate::requirement::Asked;
use crate::value::ValueType;
use gridpass_credentials::trust::Trust;
use gridpass_identity::code::Code;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It can never work as it is written.
    Error,
    /// It may not be meant.
    Warning,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lint {
    /// How much it matters.
    pub level: Level,
    /// The stable code.
    pub code: Code,
    /// Where: a requirement, a topic, a member.
    pub place: String,
    /// What, as a sentence.
    pub sentence: String,
}

/// Looks a channel over; with a trust pack, its roles and claims too.
#[must_use]
pub fn lint(
    channel: &ChannelDescriptor,
    checked: &CheckedChannel,
    trust: Option<&Trust>,
) -> Vec<Lint> {
    let mut found = Vec::new();
    lint_attributes(channel, checked, &mut found);
    if channel.indeterminate == Indeterminate::Allow {
        found.push(warning(
            codes::LINT_INDETERMINATE,
            "indeterminate",
            "a visa whose status is unknown or old counts as held in this channel",
        ));
    }
    lint_exclusions(checked, &mut found);
    if let Some(trust) = trust {
        let first = trust.history().first().map(|c| c.id());
        if first != Some(&channel.framework) {
            found.push(error(
                codes::LINT_FRAMEWORK,
                "framework",
                "the channel belongs to another trust framework than the trust pack",
            ));
        }
        for (role, reads) in &checked.reads {
            lint_role(role, reads, trust, channel, &mut found);
        }
    }
    found.sort_by_key(|l| l.level);
    found
}

fn warning(code: Code, place: impl Into<String>, sentence: impl Into<String>) -> Lint {
    Lint { level: Level::Warning, code, place: place.into(), sentence: sentence.into() }
}

fn error(code: Code, place: impl Into<String>, sentence: impl Into<String>) -> Lint {
    Lint { level: Level::Error, ..warning(code, place, sentence) }
}

fn lint_exclusions(checked: &CheckedChannel, found: &mut Vec<Lint>) {
    let lists = [("subscribe".to_owned(), &checked.subscribe), ("keep".to_owned(), &checked.keep)]
        .into_iter();
    let lists =
        lists.chain(checked.publish.iter().map(|(t, r)| (format!("publish, topic {t}"), r)));
    let terms = checked.terms.iter().map(|(a, r)| (format!("terms, {a}"), r));
    for (place, requirements) in lists.chain(terms) {
        for requirement in requirements {
            let Asked::Condition(condition) = &requirement.asked else { continue };
            for role in condition.excluded_roles() {
                let sentence = format!(
                    "{:?} asks that {} is not held: whoever holds it leaves it out",
                    requirement.id,
                    role.as_str()
                );
                found.push(warning(codes::LINT_EXCLUSION, place.clone(), sentence));
            }
        }
    }
}

fn lint_attributes(channel: &ChannelDescriptor, checked: &CheckedChannel, found: &mut Vec<Lint>) {
    for topic in &channel.topics {
        let requirements = checked.publish.get(&topic.name).map(Vec::as_slice).unwrap_or_default();
        for requirement in requirements {
            let Asked::Condition(condition) = &requirement.asked else { continue };
            for name in condition.attributes() {
                let place = format!("topic {}, requirement {}", topic.name, requirement.id);
                match topic.attributes.get(name) {
                    None => found.push(warning(
                        codes::LINT_ATTRIBUTE,
                        place,
                        format!("it reads message.{name}, which the topic does not have: it is never satisfied"),
                    )),
                    Some(attribute) if attribute.optional => found.push(warning(
                        codes::LINT_ATTRIBUTE,
                        place,
                        format!("it reads message.{name}, which a message may leave out, and is then refused"),
                    )),
                    Some(attribute) if attribute.from.is_none() => found.push(warning(
                        codes::LINT_ATTRIBUTE,
                        place,
                        format!("it reads message.{name}, which nothing holds against the payload: give the attribute a `from`"),
                    )),
                    Some(_) => {}
                }
            }
        }
    }
}

fn lint_role(
    role: &RoleReference,
    reads: &Reads,
    trust: &Trust,
    channel: &ChannelDescriptor,
    found: &mut Vec<Lint>,
) {
    let place = format!("role {}", role.as_str());
    let Some((id, known)) = trust.find_role(role.as_str()) else {
        found.push(error(
            codes::LINT_ROLE,
            place,
            "the charter lists no such role: nobody can hold it",
        ));
        return;
    };
    if let Some(retired) = trust.charter().charter().role(id).and_then(|r| r.retired) {
        let sentence = format!("the charter retires the role on {retired}");
        found.push(warning(codes::LINT_ROLE, place.clone(), sentence));
    }
    let longest = known.definition.max_status_age_seconds;
    if channel.max_status_age_seconds > longest {
        let sentence = format!(
            "its definition asks for a status of at most {longest} seconds, which counts, not the \
             channel's {}",
            channel.max_status_age_seconds
        );
        found.push(warning(codes::LINT_STATUS_AGE, place.clone(), sentence));
    }
    lint_claims(&known.definition.claims, &reads.claims, &place, found);
}

fn lint_claims(
    schema: &Map<String, Value>,
    reads: &BTreeMap<String, ValueType>,
    place: &str,
    found: &mut Vec<Lint>,
) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    for (name, kind) in reads {
        let Some(property) = properties.and_then(|p| p.get(name)) else {
            let sentence = format!("visa.{name} is read, and the role's visas have no such claim");
            found.push(error(codes::LINT_CLAIM, place, sentence));
            continue;
        };
        let says = property.get("type").and_then(Value::as_str);
        let wanted = match kind {
            ValueType::Text | ValueType::Time => "string",
            ValueType::Integer => "integer",
            ValueType::Boolean => "boolean",
            ValueType::Texts => "array",
        };
        if says.is_some_and(|t| t != wanted) {
            let sentence = format!(
                "visa.{name} is read as {kind}, and is {} in the role's visas",
                says.unwrap_or_default()
            );
            found.push(error(codes::LINT_CLAIM, place, sentence));
        } else if !required.is_some_and(|r| r.iter().any(|n| n.as_str() == Some(name.as_str()))) {
            let sentence = format!("visa.{name} is read, and a visa may leave it out");
            found.push(warning(codes::LINT_CLAIM, place, sentence));
        }
    }
}
