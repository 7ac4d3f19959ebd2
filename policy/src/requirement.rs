//! Requirements: a sentence for people and a condition for machines, each with an id by which a
//! decision names it.

use crate::comparison::{AttributeTypes, is_name};
use crate::condition::{Checked, Condition, ReadsByRole, RoleReference, note};
use crate::value::ValueType;
use gridpass_identity::json;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most requirements of one channel or topic.
pub const MAX_REQUIREMENTS: usize = 32;
/// The longest sentence, in bytes.
pub const MAX_SENTENCE: usize = 400;
/// The longest policy in Cedar, in bytes.
pub const MAX_CEDAR: usize = 8192;

/// A requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// What decisions call it: a letter, then letters, digits, `_` and `-`.
    pub id: String,
    /// What it asks for, as a sentence that an operator understands.
    pub says: String,
    /// The condition. This or `cedar`.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub needs: Option<Condition>,
    /// One `forbid` in Cedar. This or `needs`.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub cedar: Option<String>,
    /// What the Cedar reads of visas: role, claim, type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, BTreeMap<String, ValueType>>,
}

/// What a requirement asks for, once it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The readable form.
    Condition(Checked),
    /// A policy in Cedar, not yet validated against the channel's schema.
    Cedar(String),
}

/// A requirement that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedRequirement {
    /// Its id.
    pub id: String,
    /// Its sentence.
    pub says: String,
    /// What it asks for.
    pub asked: Asked,
}

impl Requirement {
    /// A requirement in the readable form.
    #[must_use]
    pub fn new(id: &str, says: &str, needs: Condition) -> Self {
        let (id, says) = (id.to_owned(), says.to_owned());
        Self { id, says, needs: Some(needs), cedar: None, reads: BTreeMap::new() }
    }

    /// How much it is to compile, as [`Condition::size`].
    #[must_use]
    pub fn size(&self) -> usize {
        let by_hand = self.cedar.as_ref().map_or(0, |c| c.len() / 32);
        self.needs.as_ref().map_or(by_hand, Condition::size).saturating_add(1)
    }

    /// Reads it, noting what it reads of visas.
    ///
    /// # Errors
    /// A sentence that begins with its id.
    pub fn check(
        &self,
        attributes: &AttributeTypes,
        reads: &mut ReadsByRole,
    ) -> Result<CheckedRequirement, String> {
        let shown: String = self.id.chars().take(64).collect();
        let at = |e: String| format!("requirement {shown:?}: {e}");
        if !is_name(&self.id) {
            return Err(at("an id is a letter, then up to 63 letters, digits, _ and -".into()));
        }
        if self.says.trim().is_empty()
            || self.says.len() > MAX_SENTENCE
            || self.says.contains(char::is_control)
        {
            return Err(at("`says` is empty, too long or has control characters".into()));
        }
        let asked = match (&self.needs, &self.cedar) {
            (Some(condition), None) if self.reads.is_empty() => {
                let checked = condition.check(attributes).map_err(at)?;
                checked.note_reads(reads).map_err(at)?;
                Asked::Condition(checked)
            }
            (None, Some(cedar)) if cedar.len() <= MAX_CEDAR => {
                check_nesting(cedar).map_err(at)?;
                self.note_cedar_reads(reads).map_err(at)?;
                Asked::Cedar(cedar.clone())
            }
            (None, Some(_)) => return Err(at("its Cedar is longer than 8192 bytes".into())),
            _ => {
                return Err(at("it has either `needs`, or `cedar` with what it `reads`".into()));
            }
        };
        Ok(CheckedRequirement { id: self.id.clone(), says: self.says.clone(), asked })
    }

    fn note_cedar_reads(&self, reads: &mut ReadsByRole) -> Result<(), String> {
        if self.reads.len() > 16 || self.reads.values().any(|claims| claims.len() > 32) {
            return Err("`reads` has more than 16 roles, or 32 claims of one".into());
        }
        for (role, claims) in &self.reads {
            let of_role = reads.entry(RoleReference::parse(role)?).or_default();
            for (claim, value_type) in claims {
                if !is_name(claim) {
                    return Err(format!("{claim:?} is not the name of a claim"));
                }
                note(&mut of_role.claims, claim, *value_type)?;
            }
        }
        Ok(())
    }
}

/// Refuses Cedar that is nested deeper or made of more than people write: its parser has no bound of
/// its own, and a stack that overflows takes the whole process with it.
fn check_nesting(cedar: &str) -> Result<(), String> {
    const MAX_NESTING: usize = 24;
    const MAX_OPERATORS: usize = 256;
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let (mut quoted, mut escaped, mut comment) = (false, false, false);
    let mut chars = cedar.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\r' if comment => comment = false,
            _ if comment => {}
            '/' if !quoted && chars.peek() == Some(&'/') => comment = true,
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '.' | '&' | '|' | '!' | '-' | '+' | '*' | '<' | '>' | '=' => {
                operators = operators.saturating_add(1);
            }
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(format!("its Cedar is nested more than {MAX_NESTING} deep"));
        }
    }
    // `if`, `has`, `like` and `in` nest without a sign of their own.
    let word = |w: &&str| matches!(*w, "if" | "has" | "like" | "in" | "is");
    let words = cedar.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(word).count();
    if operators.saturating_add(words) > MAX_OPERATORS {
        return Err(format!("its Cedar has more than {MAX_OPERATORS} operators"));
    }
    Ok(())
}

/// Reads a list of requirements whose ids differ.
///
/// # Errors
/// A sentence.
pub fn check_all(
    requirements: &[Requirement],
    attributes: &AttributeTypes,
    reads: &mut ReadsByRole,
) -> Result<Vec<CheckedRequirement>, String> {
    if requirements.len() > MAX_REQUIREMENTS {
        return Err(format!("there are more than {MAX_REQUIREMENTS} requirements"));
    }
    let ids: BTreeSet<_> = requirements.iter().map(|r| r.id.as_str()).collect();
    if ids.len() != requirements.len() {
        return Err("two requirements have one id".into());
    }
    requirements.iter().map(|r| r.check(attributes, reads)).collect()
}
