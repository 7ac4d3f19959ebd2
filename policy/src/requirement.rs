//! Requirements: a sentence for people and a condition for machines, each with an id by which a
//! decision names it.

use crate::codes;
use crate::comparison::{AttributeTypes, ComparisonError, is_name};
use crate::condition::{Checked, Condition, ReadsByRole, RoleReference, note};
use crate::value::ValueType;
use gridpass_identity::code::Code;
use gridpass_identity::json;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most requirements of one channel or topic.
pub const MAX_REQUIREMENTS: usize = 32;
/// The longest sentence, in bytes.
pub const MAX_SENTENCE: usize = 400;
/// The longest policy in Cedar, in bytes.
pub const MAX_CEDAR: usize = 8192;

/// Why a requirement, a part of one, or data-use terms were refused.
///
/// ```
/// use gridpass_policy::comparison::AttributeTypes;
/// use gridpass_policy::condition::Condition;
/// use gridpass_policy::requirement::{Requirement, RequirementError};
/// use std::collections::BTreeMap;
///
/// let ours = Condition::When { when: "message.zone == 'GB-1'".into() };
/// let requirement = Requirement::new("zone", "bids are of our zone", ours);
/// // The channel's topics have no attributes.
/// let error = requirement.check(&AttributeTypes::new(), &mut BTreeMap::new()).unwrap_err();
/// assert_eq!(error.requirement(), Some("zone"));
/// let RequirementError::Comparison(comparison) = error.cause() else { panic!("{error}") };
/// assert_eq!(comparison.comparison, "message.zone == 'GB-1'");
/// assert_eq!(comparison.reason, "no topic has an attribute zone");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequirementError {
    /// A member is missing, unknown, or not what it must be.
    #[error("{0}")]
    Malformed(String),
    /// It is deeper, longer or has more parts than is compiled.
    #[error("{0}")]
    TooLarge(String),
    /// It holds always or never, so that it asks for nothing.
    #[error("{0}")]
    AlwaysOrNever(String),
    /// A comparison cannot be read, or compares what does not fit.
    #[error(transparent)]
    Comparison(#[from] ComparisonError),
    /// A role is named neither as in the charter nor by its definition.
    #[error("{0:?} is neither a role's name nor the CID of its definition")]
    Role(String),
    /// A claim or an attribute is read as two types.
    #[error("it is read as {first} and as {second}")]
    Types {
        /// One of them.
        first: ValueType,
        /// The other.
        second: ValueType,
    },
    /// Data-use terms have what the subset of ODRL does not.
    #[error("{0}")]
    NotInSubset(String),
    /// It is in the requirement of this id.
    #[error("requirement {requirement:?}: {error}")]
    In {
        /// The id.
        requirement: String,
        /// What is wrong.
        error: Box<Self>,
    },
    /// It is at this place: `publish, topic bids`, `terms`, a claim of a role.
    #[error("{place}: {error}")]
    At {
        /// The place.
        place: String,
        /// What is wrong.
        error: Box<Self>,
    },
}

impl RequirementError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::REQUIREMENT_MALFORMED
    }

    /// What is wrong, wherever it is: never [`RequirementError::In`] or [`RequirementError::At`].
    #[must_use]
    pub fn cause(&self) -> &Self {
        match self {
            Self::In { error, .. } | Self::At { error, .. } => error.cause(),
            cause => cause,
        }
    }

    /// The id of the requirement that it is in, if it is in one.
    #[must_use]
    pub fn requirement(&self) -> Option<&str> {
        match self {
            Self::In { requirement, .. } => Some(requirement),
            Self::At { error, .. } => error.requirement(),
            _ => None,
        }
    }

    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self::At { place: place.into(), error: Box::new(self) }
    }
}

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
    /// [`RequirementError::In`].
    pub fn check(
        &self,
        attributes: &AttributeTypes,
        reads: &mut ReadsByRole,
    ) -> Result<CheckedRequirement, RequirementError> {
        let asked = self.read(attributes, reads).map_err(|error| RequirementError::In {
            requirement: self.id.chars().take(64).collect(),
            error: Box::new(error),
        })?;
        Ok(CheckedRequirement { id: self.id.clone(), says: self.says.clone(), asked })
    }

    fn read(
        &self,
        attributes: &AttributeTypes,
        reads: &mut ReadsByRole,
    ) -> Result<Asked, RequirementError> {
        let refuse = |reason: &str| Err(RequirementError::Malformed(reason.to_owned()));
        if !is_name(&self.id) {
            return refuse("an id is a letter, then up to 63 letters, digits, _ and -");
        }
        if self.says.trim().is_empty()
            || self.says.len() > MAX_SENTENCE
            || self.says.contains(char::is_control)
        {
            return refuse("`says` is empty, too long or has control characters");
        }
        match (&self.needs, &self.cedar) {
            (Some(condition), None) if self.reads.is_empty() => {
                let checked = condition.check(attributes)?;
                checked.note_reads(reads)?;
                Ok(Asked::Condition(checked))
            }
            (None, Some(cedar)) if cedar.len() <= MAX_CEDAR => {
                check_nesting(cedar)?;
                self.note_cedar_reads(reads)?;
                Ok(Asked::Cedar(cedar.clone()))
            }
            (None, Some(_)) => {
                Err(RequirementError::TooLarge("its Cedar is longer than 8192 bytes".into()))
            }
            _ => refuse("it has either `needs`, or `cedar` with what it `reads`"),
        }
    }

    fn note_cedar_reads(&self, reads: &mut ReadsByRole) -> Result<(), RequirementError> {
        if self.reads.len() > 16 || self.reads.values().any(|claims| claims.len() > 32) {
            let reason = "`reads` has more than 16 roles, or 32 claims of one";
            return Err(RequirementError::TooLarge(reason.into()));
        }
        for (role, claims) in &self.reads {
            let of_role = reads.entry(RoleReference::parse(role)?).or_default();
            for (claim, value_type) in claims {
                if !is_name(claim) {
                    let reason = format!("{claim:?} is not the name of a claim");
                    return Err(RequirementError::Malformed(reason));
                }
                note(&mut of_role.claims, claim, *value_type)?;
            }
        }
        Ok(())
    }
}

/// Refuses Cedar that is nested deeper or made of more than people write: its parser has no bound of
/// its own, and a stack that overflows takes the whole process with it.
fn check_nesting(cedar: &str) -> Result<(), RequirementError> {
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
            let reason = format!("its Cedar is nested more than {MAX_NESTING} deep");
            return Err(RequirementError::TooLarge(reason));
        }
    }
    // `if`, `has`, `like` and `in` nest without a sign of their own.
    let word = |w: &&str| matches!(*w, "if" | "has" | "like" | "in" | "is");
    let words = cedar.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(word).count();
    if operators.saturating_add(words) > MAX_OPERATORS {
        let reason = format!("its Cedar has more than {MAX_OPERATORS} operators");
        return Err(RequirementError::TooLarge(reason));
    }
    Ok(())
}

/// Reads a list of requirements whose ids differ.
///
/// # Errors
/// [`RequirementError`].
pub fn check_all(
    requirements: &[Requirement],
    attributes: &AttributeTypes,
    reads: &mut ReadsByRole,
) -> Result<Vec<CheckedRequirement>, RequirementError> {
    if requirements.len() > MAX_REQUIREMENTS {
        let reason = format!("there are more than {MAX_REQUIREMENTS} requirements");
        return Err(RequirementError::TooLarge(reason));
    }
    let ids: BTreeSet<_> = requirements.iter().map(|r| r.id.as_str()).collect();
    if ids.len() != requirements.len() {
        return Err(RequirementError::Malformed("two requirements have one id".into()));
    }
    requirements.iter().map(|r| r.check(attributes, reads)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{ChannelDescriptor, ChannelError};
    use crate::condition::MAX_DEPTH;
    use crate::odrl::CONTEXT;
    use crate::topic::Topic;
    use gridpass_credentials::content_id::ContentId;
    use gridpass_credentials::role::RoleName;
    use gridpass_identity::did::Did;
    use gridpass_identity::time::UnixMillis;
    use serde_json::{Value, json};

    fn refused(needs: Value) -> RequirementError {
        let condition = serde_json::from_value(needs).expect("a condition");
        let requirement = Requirement::new("zone", "it is of our zone", condition);
        let attributes = AttributeTypes::from([("zone".to_owned(), ValueType::Text)]);
        requirement.check(&attributes, &mut ReadsByRole::new()).expect_err("refused")
    }

    #[test]
    fn a_refusal_says_of_which_kind_it_is_and_in_which_requirement() {
        let role = "flex.gb.aggregator";
        let mut deep = json!({ "role": role });
        for _ in 0..MAX_DEPTH {
            deep = json!({ "not": deep });
        }
        let twice = json!({"role": role, "where": ["visa.zone == 'GB-1'", "visa.zone == 1"]});
        let (first, second) = (ValueType::Text, ValueType::Integer);
        let comparison = "message.zone == 5".to_owned();
        let reason = "== does not compare text with integer".to_owned();
        let text = |text: &str| text.to_owned();
        for (needs, cause, said) in [
            (
                json!({"any": []}),
                RequirementError::AlwaysOrNever(text("any of nothing is always or never")),
                "any of nothing is always or never",
            ),
            (
                json!({"hours": {"from": "6:00", "until": "22:00"}}),
                RequirementError::Malformed(text(r#""6:00" is not a time of day such as 06:30"#)),
                r#""6:00" is not a time of day such as 06:30"#,
            ),
            (
                deep,
                RequirementError::TooLarge(text("a condition is nested more than 8 deep")),
                "a condition is nested more than 8 deep",
            ),
            (
                json!({"role": "aggregator"}),
                RequirementError::Role(text("aggregator")),
                r#""aggregator" is neither a role's name nor the CID of its definition"#,
            ),
            (
                json!({ "when": comparison }),
                RequirementError::Comparison(ComparisonError { comparison, reason }),
                r#""message.zone == 5": == does not compare text with integer"#,
            ),
            (
                twice,
                RequirementError::Types { first, second },
                "zone of flex.gb.aggregator: it is read as text and as integer",
            ),
        ] {
            let error = refused(needs);
            assert_eq!(error.to_string(), format!("requirement \"zone\": {said}"));
            assert_eq!((error.cause(), error.requirement()), (&cause, Some("zone")));
            assert_eq!(error.code(), codes::REQUIREMENT_MALFORMED);
        }
    }

    #[test]
    fn a_channel_that_is_refused_says_at_which_place() {
        let name = RoleName::parse("flex.gb.bids").expect("a name");
        let owner = Did::parse("did:web:dso.example").expect("a DID");
        let (nothing, dated) = (ContentId::of_nothing(), UnixMillis::new(0));
        let mut channel = ChannelDescriptor::first(name, "Bids", owner, nothing.clone(), dated);
        channel.topics = vec![Topic::first("bids", "Bids", "application/json", nothing)];
        let holds = |role: &str| {
            let condition = Condition::Role { role: role.to_owned(), comparisons: Vec::new() };
            vec![Requirement::new("role", "it has the role", condition)]
        };
        channel.publish = holds("flex.gb.aggregator");
        channel.subscribe = holds("operator");
        let refused = channel.check().expect_err("no role");
        let said = "the channel descriptor is refused: subscribe: requirement \"role\": \
                    \"operator\" is neither a role's name nor the CID of its definition";
        assert_eq!(refused.to_string(), said);
        assert_eq!(refused.code(), codes::REQUIREMENT_MALFORMED);
        let ChannelError::Requirement(error) = refused else { panic!("another reason") };
        assert!(matches!(&error, RequirementError::At { place, .. } if place == "subscribe"));
        assert_eq!(error.requirement(), Some("role"));
        assert_eq!(error.cause(), &RequirementError::Role("operator".into()));

        channel.subscribe = holds("flex.gb.dso");
        let terms =
            json!({"@context": CONTEXT, "@type": "Set", "permission": [{"action": "stream"}]});
        channel.terms = Some(serde_json::from_value(terms).expect("terms"));
        let Err(ChannelError::Requirement(error)) = channel.check() else { panic!("refused") };
        let said = r#"terms: permission 1: the action "stream" is not in the subset"#;
        assert_eq!((error.to_string().as_str(), error.requirement()), (said, None));
        assert!(matches!(error.cause(), RequirementError::NotInSubset(_)), "{error:?}");
    }
}
