//! The direct evaluation of conditions: what Cedar is held against, and what names the causes of a
//! refusal. It decides nothing.
//!
//! A condition can hold, fail, or neither: [`holds`] and [`fails`] ask for proof of the one and of
//! the other. A value that was not given proves neither, so nobody gets in by leaving it out.

use crate::codes;
use crate::comparison::{Comparison, Operand, Term};
use crate::condition::{Checked, RoleReference};
use crate::facts::{Admission, Finding};
use crate::view::{RequestView, SenderView, VisaView};
use gridpass_identity::code::Code;
use serde::Serialize;

/// What conditions are evaluated on.
#[derive(Clone, Copy, Debug)]
pub struct World<'w> {
    /// The sender.
    pub sender: &'w SenderView,
    /// The question.
    pub request: &'w RequestView,
}

/// A cause of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The stable reason; of a visa, the one that its verification gave.
    pub code: String,
    /// The same as a sentence.
    pub sentence: String,
}

impl Cause {
    fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self { code: code.id().into(), sentence: sentence.into() }
    }
}

impl World<'_> {
    fn visas(&self, role: &RoleReference, possible: bool) -> &[VisaView] {
        self.sender.roles.get(role).map_or(&[], |view| {
            if possible { view.possible.as_slice() } else { view.granted.as_slice() }
        })
    }

    /// Whether a comparison is true, false, or about something that was not given.
    fn compare(&self, comparison: &Comparison, visa: Option<&VisaView>) -> Option<bool> {
        let left = self.request.value(&comparison.left, self.sender, visa)?;
        let right = self.request.value(&comparison.right, self.sender, visa)?;
        Some(comparison.holds(&left, &right))
    }
}

/// Whether it is shown to hold.
#[must_use]
pub fn holds(condition: &Checked, world: World<'_>) -> bool {
    match condition {
        Checked::Role(role, comparisons) => world
            .visas(role, false)
            .iter()
            .any(|visa| comparisons.iter().all(|c| world.compare(c, Some(visa)) == Some(true))),
        Checked::All(members) => members.iter().all(|m| holds(m, world)),
        Checked::AtLeast(least, members) => {
            members.iter().filter(|m| holds(m, world)).count() >= *least
        }
        Checked::Not(inner) => fails(inner, world),
        Checked::When(comparison) => world.compare(comparison, None) == Some(true),
        Checked::Between(..) | Checked::Hours(..) | Checked::Sender(_) => plain(condition, world),
    }
}

/// Whether it is shown not to hold.
#[must_use]
pub fn fails(condition: &Checked, world: World<'_>) -> bool {
    match condition {
        Checked::Role(role, comparisons) => world
            .visas(role, true)
            .iter()
            .all(|visa| comparisons.iter().any(|c| world.compare(c, Some(visa)) == Some(false))),
        Checked::All(members) => members.iter().any(|m| fails(m, world)),
        Checked::AtLeast(least, members) => {
            let failed = members.iter().filter(|m| fails(m, world)).count();
            members.len().saturating_sub(failed) < *least
        }
        Checked::Not(inner) => holds(inner, world),
        Checked::When(comparison) => world.compare(comparison, None) == Some(false),
        Checked::Between(..) | Checked::Hours(..) | Checked::Sender(_) => !plain(condition, world),
    }
}

/// What is always one or the other.
fn plain(condition: &Checked, world: World<'_>) -> bool {
    match condition {
        Checked::Between(from, until) => {
            from.is_none_or(|f| world.request.now >= f)
                && until.is_none_or(|u| world.request.now < u)
        }
        Checked::Hours(_, intervals) => {
            let minute = world.request.minute_of_week;
            intervals.iter().any(|(from, until)| (*from..*until).contains(&minute))
        }
        Checked::Sender(dids) => dids.contains(&world.sender.did),
        Checked::Role(..)
        | Checked::All(_)
        | Checked::AtLeast(..)
        | Checked::Not(_)
        | Checked::When(_) => false,
    }
}

/// The most causes of one reason: a denial must stay readable, and short enough to be kept.
pub const MAX_CAUSES: usize = 32;

/// Why it does not hold, as far as that can be said; empty if it does.
#[must_use]
pub fn causes(condition: &Checked, world: World<'_>, admission: &Admission) -> Vec<Cause> {
    if holds(condition, world) {
        return Vec::new();
    }
    match condition {
        Checked::Role(role, comparisons) => role_causes(role, comparisons, world, admission),
        Checked::All(members) | Checked::AtLeast(_, members) => {
            members.iter().flat_map(|m| causes(m, world, admission)).take(MAX_CAUSES).collect()
        }
        Checked::Not(inner) => {
            vec![Cause::new(
                codes::POLICY_EXCLUDED,
                format!("what must not be cannot be ruled out: {}", cut(&describe(inner))),
            )]
        }
        Checked::When(comparison) => vec![comparison_cause(comparison, world, None)],
        Checked::Between(..) | Checked::Hours(..) => {
            let sentence = format!("{} is not {}", world.request.now, describe(condition));
            vec![Cause::new(codes::OUTSIDE_WINDOW, sentence)]
        }
        Checked::Sender(_) => {
            let sentence = format!("{} is not one of those who may", world.sender.did);
            vec![Cause::new(codes::SENDER_NOT_LISTED, sentence)]
        }
    }
}

fn role_causes(
    role: &RoleReference,
    comparisons: &[Comparison],
    world: World<'_>,
    admission: &Admission,
) -> Vec<Cause> {
    let mut causes = Vec::new();
    for visa in world.visas(role, false) {
        if causes.len() >= MAX_CAUSES {
            break;
        }
        let untrue = comparisons.iter().filter(|c| world.compare(c, Some(visa)) != Some(true));
        causes.extend(untrue.map(|c| comparison_cause(c, world, Some(visa))));
    }
    for visa in &admission.visas {
        let meant = role.names(&visa.role, visa.definition.as_str());
        if meant && visa.standing.outcome != Finding::Passed {
            causes.push(Cause {
                code: visa.standing.code.clone(),
                sentence: format!(
                    "the visa for {} by {}: {}",
                    visa.role, visa.issuer, visa.standing.sentence
                ),
            });
        }
    }
    if causes.is_empty() {
        let sentence = format!("no visa for {} is shown", role.as_str());
        causes.push(Cause::new(codes::ROLE_NOT_HELD, sentence));
    }
    causes
}

fn comparison_cause(comparison: &Comparison, world: World<'_>, visa: Option<&VisaView>) -> Cause {
    let mut shown = Vec::new();
    for term in comparison.terms() {
        let Some(name) = name_of(term) else { continue };
        match world.request.value(term, world.sender, visa) {
            Some(value) => shown.push(format!("{name} is {}", cut(&value.to_string()))),
            None => {
                let sentence = format!(
                    "{comparison} cannot be asked: there is no {name} of type {}",
                    term.value_type
                );
                return Cause::new(codes::VALUE_MISSING, sentence);
            }
        }
    }
    let sentence = format!("{comparison} is not so: {}", shown.join(", "));
    Cause::new(codes::VALUE_DIFFERS, sentence)
}

/// A value or condition in a sentence: what is long is cut.
fn cut(text: &str) -> String {
    const MOST: usize = 200;
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What a term is called in a sentence; nothing for a literal, which says itself.
fn name_of(term: &Term) -> Option<String> {
    Some(match &term.operand {
        Operand::Visa(name) => format!("visa.{name}"),
        Operand::Authority(name) => format!("authority.{name}"),
        Operand::Message(name) => format!("message.{name}"),
        Operand::Issuer => "issuer".into(),
        Operand::Sender => "sender".into(),
        Operand::Recipient => "recipient".into(),
        Operand::Recipients => "recipients".into(),
        Operand::Now => "time".into(),
        Operand::Issued => "issued".into(),
        Operand::Expires => "expires".into(),
        Operand::Arrived => "arrived".into(),
        Operand::Literal(_) => return None,
    })
}

/// A condition in words.
#[must_use]
pub fn describe(condition: &Checked) -> String {
    let list = |members: &[Checked], word: &str| {
        let parts: Vec<_> = members.iter().map(describe).collect();
        if parts.len() == 1 { parts.concat() } else { format!("({})", parts.join(word)) }
    };
    match condition {
        Checked::Role(role, comparisons) => {
            let parts: Vec<_> = comparisons.iter().map(|c| c.text.as_str()).collect();
            let rest = if parts.is_empty() {
                String::new()
            } else {
                format!(" with {}", parts.join(" and "))
            };
            format!("a visa for {}{rest}", role.as_str())
        }
        Checked::All(members) => list(members, " and "),
        Checked::AtLeast(1, members) => list(members, " or "),
        Checked::AtLeast(least, members) => {
            format!("at least {least} of {}", list(members, ", "))
        }
        Checked::Not(inner) => format!("not {}", describe(inner)),
        Checked::When(comparison) => comparison.text.clone(),
        Checked::Between(Some(from), Some(until)) => format!("between {from} and {until}"),
        Checked::Between(Some(from), None) => format!("from {from} on"),
        Checked::Between(None, Some(until)) => format!("before {until}"),
        Checked::Between(None, None) => "at any time".into(),
        Checked::Hours(hours, _) => hours.describe(),
        Checked::Sender(dids) => {
            let dids: Vec<_> = dids.iter().map(ToString::to_string).collect();
            format!("one of {}", dids.join(", "))
        }
    }
}
