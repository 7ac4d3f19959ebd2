//! What can never hold as it is written, what holds of more than was meant, and what is over by now.

use super::{Lint, error, warning};
use crate::channel::{ChannelDescriptor, CheckedChannel, Mode};
use crate::codes;
use crate::comparison::{Comparison, Operand, Operator};
use crate::condition::Checked;
use crate::requirement::{Asked, CheckedRequirement};
use crate::value::{Value, ValueType};
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeMap;

/// What is over by now in a channel: it was as it should be once.
#[must_use]
pub fn lint_at(
    channel: &ChannelDescriptor,
    checked: &CheckedChannel,
    now: UnixMillis,
) -> Vec<Lint> {
    let mut found = Vec::new();
    for topic in &channel.topics {
        if topic.versions.iter().all(|v| v.retired.is_some_and(|retired| retired <= now)) {
            let sentence = "every version of it is retired: nothing can be sent under it";
            found.push(warning(codes::LINT_OVER, format!("topic {}", topic.name), sentence));
        }
    }
    let is_over =
        |leaf: &Checked| matches!(leaf, Checked::Between(_, Some(until)) if *until <= now);
    for (place, id, condition) in conditions(checked) {
        if is_never(condition, &is_over) {
            let sentence = format!("{id:?} asks for a time that is over: it is satisfied no more");
            found.push(warning(codes::LINT_OVER, place, sentence));
        }
    }
    found
}

/// What hangs on no time.
pub(super) fn lint_meaning(
    channel: &ChannelDescriptor,
    checked: &CheckedChannel,
    found: &mut Vec<Lint>,
) {
    for (place, requirements) in [("subscribe", &checked.subscribe), ("keep", &checked.keep)] {
        for (id, condition) in of(requirements) {
            lint_unsaid(place, id, condition, found);
        }
    }
    for (place, id, condition) in conditions(checked) {
        if is_never(condition, &excludes_itself) {
            let sentence =
                format!("{id:?} asks for what excludes each other: nothing satisfies it");
            found.push(error(codes::LINT_NEVER, place.clone(), sentence));
        }
        lint_sets(&place, id, condition, found);
        lint_excluded_dids(&place, id, condition, false, found);
    }
    if channel.mode == Mode::Multicast && channel.limits.max_recipients > 1 {
        lint_one_recipient(checked, found);
    }
    if channel.limits.max_lifetime_seconds > channel.retention.seconds {
        let sentence = format!(
            "a message may count for {} seconds, and peers keep it for {}",
            channel.limits.max_lifetime_seconds, channel.retention.seconds
        );
        found.push(warning(codes::LINT_RETENTION, "retention", sentence));
    }
}

/// The conditions of a list, with the ids of their requirements.
fn of(requirements: &[CheckedRequirement]) -> impl Iterator<Item = (&str, &Checked)> {
    requirements.iter().filter_map(|requirement| match &requirement.asked {
        Asked::Condition(condition) => Some((requirement.id.as_str(), condition)),
        Asked::Cedar(_) => None,
    })
}

/// All conditions of a channel, and where each stands.
fn conditions(checked: &CheckedChannel) -> Vec<(String, &str, &Checked)> {
    let lists = [("subscribe".to_owned(), &checked.subscribe), ("keep".to_owned(), &checked.keep)];
    let publish = checked.publish.iter().map(|(t, r)| (format!("publish, topic {t}"), r));
    let terms = checked.terms.iter().map(|(a, r)| (format!("terms, {a}"), r));
    let mut all = Vec::new();
    for (place, requirements) in lists.into_iter().chain(publish).chain(terms) {
        all.extend(of(requirements).map(|(id, condition)| (place.clone(), id, condition)));
    }
    all
}

/// Who subscribes or keeps sends nothing: what a message says of itself is missing, and what is compared with it
/// is neither true nor false.
fn lint_unsaid(place: &str, id: &str, condition: &Checked, found: &mut Vec<Lint>) {
    let mut reads = false;
    condition.operands(&mut |o| reads |= is_unsaid(o));
    if !reads {
        return;
    }
    let never = is_never(condition, &|leaf| comparisons(leaf).any(reads_unsaid));
    let what =
        format!("{id:?} reads what only a message has (issued, expires, arrived, recipients)");
    found.push(if never {
        error(codes::LINT_NEVER, place, format!("{what}: nobody can ever satisfy it"))
    } else {
        warning(codes::LINT_NEVER, place, format!("{what}: that part of it never holds"))
    });
}

fn is_unsaid(operand: &Operand) -> bool {
    matches!(
        operand,
        Operand::Issued
            | Operand::Expires
            | Operand::Arrived
            | Operand::Recipient
            | Operand::Recipients
    )
}

fn reads_unsaid(comparison: &Comparison) -> bool {
    comparison.terms().iter().any(|term| is_unsaid(&term.operand))
}

/// A set that a message leaves empty is within every other.
fn lint_sets(place: &str, id: &str, condition: &Checked, found: &mut Vec<Lint>) {
    let all = leaves(condition).into_iter().flat_map(comparisons);
    let all: Vec<_> = all.collect();
    for comparison in &all {
        let Operand::Message(name) = &comparison.left.operand else { continue };
        let fills = |c: &&Comparison| {
            let set = match c.operator {
                Operator::Contains => &c.left.operand,
                Operator::In => &c.right.operand,
                _ => return false,
            };
            *set == comparison.left.operand
        };
        let is_set = comparison.left.value_type == ValueType::Texts;
        if comparison.operator == Operator::Within && is_set && !all.iter().any(fills) {
            let sentence = format!(
                "{id:?} lets message.{name} be empty, too: an empty set is within every other"
            );
            found.push(warning(codes::LINT_EMPTY, place, sentence));
        }
    }
}

/// A DID costs nothing: whoever is listed takes another.
fn lint_excluded_dids(
    place: &str,
    id: &str,
    condition: &Checked,
    excluding: bool,
    found: &mut Vec<Lint>,
) {
    match condition {
        Checked::Sender(_) if excluding => {
            let sentence = format!("{id:?} excludes DIDs: whoever has one of them takes another");
            found.push(warning(codes::LINT_EXCLUSION, place, sentence));
        }
        Checked::All(members) | Checked::AtLeast(_, members) => {
            for member in members {
                lint_excluded_dids(place, id, member, excluding, found);
            }
        }
        Checked::Not(inner) => lint_excluded_dids(place, id, inner, !excluding, found),
        Checked::Role(..)
        | Checked::When(_)
        | Checked::Between(..)
        | Checked::Hours(..)
        | Checked::Sender(_) => {}
    }
}

/// Where a message may name several, it has no only recipient.
fn lint_one_recipient(checked: &CheckedChannel, found: &mut Vec<Lint>) {
    for (topic, requirements) in &checked.publish {
        for (id, condition) in of(requirements) {
            let mut reads = false;
            condition.operands(&mut |o| reads |= matches!(o, Operand::Recipient));
            if reads {
                let place = format!("topic {topic}, requirement {id}");
                let sentence = "it compares `recipient`, which a message to two has not: that is refused; \
                                `recipients` are all of them";
                found.push(warning(codes::LINT_RECIPIENTS, place, sentence));
            }
        }
    }
}

/// Whether a condition never holds, where leaves of these kinds never do.
fn is_never(condition: &Checked, is_dead: &dyn Fn(&Checked) -> bool) -> bool {
    match condition {
        Checked::All(members) => {
            let together = members.iter().filter_map(|m| match m {
                Checked::When(comparison) => Some(comparison),
                _ => None,
            });
            members.iter().any(|m| is_never(m, is_dead)) || contradict(together)
        }
        Checked::AtLeast(least, members) => {
            members.iter().filter(|m| !is_never(m, is_dead)).count() < *least
        }
        // What has no value is neither true nor false, also turned round. What is false is true then.
        Checked::Not(inner) => {
            let inner: &Checked = inner;
            matches!(inner, Checked::When(one) if reads_unsaid(one)) && is_dead(inner)
        }
        Checked::Role(..)
        | Checked::When(_)
        | Checked::Between(..)
        | Checked::Hours(..)
        | Checked::Sender(_) => is_dead(condition),
    }
}

/// Whether no visa makes every comparison of a role true.
fn excludes_itself(leaf: &Checked) -> bool {
    contradict(comparisons(leaf))
}

/// The comparisons of a leaf.
fn comparisons(leaf: &Checked) -> impl Iterator<Item = &Comparison> {
    let all: &[Comparison] = match leaf {
        Checked::Role(_, all) => all,
        Checked::When(one) => std::slice::from_ref(one),
        Checked::All(_)
        | Checked::AtLeast(..)
        | Checked::Not(_)
        | Checked::Between(..)
        | Checked::Hours(..)
        | Checked::Sender(_) => &[],
    };
    all.iter()
}

/// The parts of a condition that have none.
fn leaves(condition: &Checked) -> Vec<&Checked> {
    match condition {
        Checked::All(members) | Checked::AtLeast(_, members) => {
            members.iter().flat_map(leaves).collect()
        }
        Checked::Not(inner) => leaves(inner),
        Checked::Role(..)
        | Checked::When(_)
        | Checked::Between(..)
        | Checked::Hours(..)
        | Checked::Sender(_) => vec![condition],
    }
}

/// Whether comparisons with what stands there cannot all be true.
fn contradict<'c>(all: impl Iterator<Item = &'c Comparison>) -> bool {
    let mut left: BTreeMap<&Operand, Left<'c>> = BTreeMap::new();
    let mut constants = all.filter_map(constant);
    constants
        .any(|(operand, operator, value)| !left.entry(operand).or_default().narrow(operator, value))
}

/// What is compared with a constant: how, and with which.
fn constant(comparison: &Comparison) -> Option<(&Operand, Operator, &Value)> {
    if comparison.left.offset != 0 || comparison.right.offset != 0 {
        return None;
    }
    match (&comparison.left.operand, &comparison.right.operand) {
        (Operand::Literal(value), other) => Some((other, turned(comparison.operator)?, value)),
        (other, Operand::Literal(value)) => Some((other, comparison.operator, value)),
        _ => None,
    }
}

/// The same with its sides exchanged.
fn turned(operator: Operator) -> Option<Operator> {
    match operator {
        Operator::Equal | Operator::NotEqual => Some(operator),
        Operator::Less => Some(Operator::More),
        Operator::AtMost => Some(Operator::AtLeast),
        Operator::More => Some(Operator::Less),
        Operator::AtLeast => Some(Operator::AtMost),
        Operator::In | Operator::Contains | Operator::Within => None,
    }
}

/// What an operand may still be.
struct Left<'v> {
    same: Option<&'v Value>,
    least: i64,
    most: i64,
}

impl Default for Left<'_> {
    fn default() -> Self {
        Self { same: None, least: i64::MIN, most: i64::MAX }
    }
}

impl<'v> Left<'v> {
    /// Takes a comparison into account. Gives whether anything is left.
    fn narrow(&mut self, operator: Operator, value: &'v Value) -> bool {
        if operator == Operator::Equal && self.same.replace(value).is_some_and(|v| v != value) {
            return false;
        }
        let Some(number) = value.as_long() else { return true };
        match operator {
            Operator::Equal => {
                self.least = self.least.max(number);
                self.most = self.most.min(number);
            }
            Operator::Less => self.most = self.most.min(number.saturating_sub(1)),
            Operator::AtMost => self.most = self.most.min(number),
            Operator::More => self.least = self.least.max(number.saturating_add(1)),
            Operator::AtLeast => self.least = self.least.max(number),
            Operator::NotEqual | Operator::In | Operator::Contains | Operator::Within => {}
        }
        self.least <= self.most
    }
}

#[cfg(test)]
#[path = "never_tests.rs"]
mod tests;
