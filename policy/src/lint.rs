//! What is probably not meant in a channel: roles that the charter does not list, claims that no
//! visa carries, attributes that nobody checks.

mod never;

pub use never::lint_at;

use crate::channel::{ChannelDescriptor, CheckedChannel, Indeterminate, Mode};
use crate::codes;
use crate::comparison::{Comparison, Operand, Operator};
use crate::condition::{Checked, Reads, RoleReference};
use crate::requirement::Asked;
use crate::value::ValueType;
use gridpass_credentials::role::Parties;
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
    lint_arrival(checked, &mut found);
    never::lint_meaning(channel, checked, &mut found);
    if channel.mode == Mode::Broadcast {
        lint_recipients(checked, &mut found);
    }
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

/// In a channel in which a message names nobody.
fn lint_recipients(checked: &CheckedChannel, found: &mut Vec<Lint>) {
    for (topic, requirements) in &checked.publish {
        for requirement in requirements {
            let Asked::Condition(condition) = &requirement.asked else { continue };
            let mut reads = false;
            condition.operands(&mut |o| {
                reads |= matches!(o, Operand::Recipient | Operand::Recipients);
            });
            if reads {
                let place = format!("topic {topic}, requirement {}", requirement.id);
                found.push(warning(
                    codes::LINT_RECIPIENTS,
                    place,
                    "it compares recipients, and a broadcast names none: no comparison with them holds",
                ));
            }
        }
    }
}

/// A gate that its sender can pass late: what is caught up with is judged as of when it says that it
/// was made.
fn lint_arrival(checked: &CheckedChannel, found: &mut Vec<Lint>) {
    for (topic, requirements) in &checked.publish {
        let conditions = || {
            requirements.iter().filter_map(|r| match &r.asked {
                Asked::Condition(condition) => Some((r, condition)),
                Asked::Cedar(_) => None,
            })
        };
        if conditions().any(|(_, condition)| condition.reads_arrival()) {
            continue;
        }
        for (requirement, condition) in conditions() {
            if closes(condition, false) {
                found.push(warning(
                    codes::LINT_ARRIVAL,
                    format!("topic {topic}, requirement {}", requirement.id),
                    "a message that is dated before it closes and comes after it, by catching up, \
                     passes: if that may not be, compare `arrived` too, such as \
                     arrived < message.gate + 90s",
                ));
            }
        }
    }
}

/// Whether a condition asks that `time` or `issued` is before an attribute of the message. `turned`: it
/// is asked that it is not so.
fn closes(condition: &Checked, turned: bool) -> bool {
    let is_time = |o: &Operand| matches!(o, Operand::Now | Operand::Issued);
    let is_gate = |o: &Operand| matches!(o, Operand::Message(_));
    let one = |c: &Comparison| {
        let (left, right) = (&c.left.operand, &c.right.operand);
        let left_first = match c.operator {
            Operator::Less | Operator::AtMost => !turned,
            Operator::More | Operator::AtLeast => turned,
            Operator::Equal
            | Operator::NotEqual
            | Operator::In
            | Operator::Contains
            | Operator::Within => return false,
        };
        let (first, second) = if left_first { (left, right) } else { (right, left) };
        is_time(first) && is_gate(second)
    };
    match condition {
        Checked::Role(_, comparisons) => comparisons.iter().any(one),
        Checked::When(comparison) => one(comparison),
        Checked::All(members) | Checked::AtLeast(_, members) => {
            members.iter().any(|m| closes(m, turned))
        }
        Checked::Not(inner) => closes(inner, !turned),
        Checked::Between(..) | Checked::Hours(..) | Checked::Sender(_) => false,
    }
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
    for (name, kind) in &reads.claims {
        if let Some((level, sentence)) = fault(&known.definition.claims, "visa", name, *kind) {
            found.push(Lint { level, ..warning(codes::LINT_CLAIM, place.clone(), sentence) });
        }
    }
    if !reads.authority.is_empty() {
        lint_authority(&known.definition.issuers, &reads.authority, trust, &place, found);
    }
}

/// Claims of the visa by which the issuer was allowed to issue: of any of the roles that may.
fn lint_authority(
    issuers: &Parties,
    reads: &BTreeMap<String, ValueType>,
    trust: &Trust,
    place: &str,
    found: &mut Vec<Lint>,
) {
    if issuers.roles.is_empty() {
        let sentence = "authority is read, and the role is issued by name, without a visa for it";
        found.push(error(codes::LINT_CLAIM, place, sentence));
        return;
    }
    if !issuers.dids.is_empty() {
        let sentence = "authority is read, and who issues the role by name has no visa for it";
        found.push(warning(codes::LINT_CLAIM, place, sentence));
    }
    // Those that are not at hand may have any claim.
    let known: Vec<_> = issuers.roles.iter().map(|id| trust.definition(id)).collect();
    for (name, kind) in reads {
        let faults = known.iter().flatten();
        let faults: Vec<_> = faults
            .filter_map(|role| {
                let fault = fault(&role.definition.claims, "authority", name, *kind)?;
                Some((fault, role.definition.name.to_string()))
            })
            .collect();
        let never = faults.iter().filter(|((level, _), _)| *level == Level::Error).count();
        let level = if never == known.len() { Level::Error } else { Level::Warning };
        for ((_, sentence), issuer) in faults {
            let sentence = format!("{sentence} (its issuer's, for {issuer})");
            found.push(Lint { level, ..warning(codes::LINT_CLAIM, place, sentence) });
        }
    }
}

/// What is wrong with reading a claim as a type. An error only where the schema itself excludes it: what
/// `allOf`, `$ref` and the like add is not followed.
fn fault(
    schema: &Map<String, Value>,
    of: &str,
    name: &str,
    kind: ValueType,
) -> Option<(Level, String)> {
    let property = schema.get("properties").and_then(|p| p.get(name));
    let Some(property) = property else {
        // Nothing that is added elsewhere lets in what is closed here.
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false))
            && !schema.contains_key("patternProperties");
        return Some(if closed {
            (Level::Error, format!("{of}.{name} is read, and the role's visas have no such claim"))
        } else {
            let sentence = format!(
                "{of}.{name} is read, and is not among the properties of the role's claims"
            );
            (Level::Warning, sentence)
        });
    };
    let says = property.get("type").and_then(Value::as_str);
    let wanted = match kind {
        ValueType::Text | ValueType::Time => "string",
        ValueType::Integer => "integer",
        ValueType::Boolean => "boolean",
        ValueType::Texts => "array",
    };
    if let Some(says) = says.filter(|says| *says != wanted) {
        // A whole number is a number, too.
        let never = (says, wanted) != ("number", "integer");
        let level = if never { Level::Error } else { Level::Warning };
        return Some((
            level,
            format!("{of}.{name} is read as {kind}, and is {says} in the role's visas"),
        ));
    }
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = required.is_some_and(|r| r.iter().any(|n| n.as_str() == Some(name)));
    (!is_required)
        .then(|| (Level::Warning, format!("{of}.{name} is read, and a visa may leave it out")))
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
