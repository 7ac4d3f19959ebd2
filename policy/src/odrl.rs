//! Data-use terms: a subset of ODRL 2.2, compiled to the same conditions as everything else.
//!
//! Permissions and prohibitions of actions, for assignees, with constraints on time, purpose and
//! recipient, and duties that whoever uses the data undertakes. What the subset does not know is
//! refused by name: a constraint that is ignored makes its rule always true. What no permission
//! allows is denied. The subset stands in `spec/terms.md`.

use crate::comparison::{AttributeTypes, Comparison};
use crate::condition::{Checked, ReadsByRole, RoleReference};
use crate::requirement::{Asked, CheckedRequirement, RequirementError};
use crate::value::ValueType;
use crate::view::MAX_SLOTS;
use gridpass_identity::did::Did;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// The JSON-LD context of ODRL. It is recognised, never fetched.
pub const CONTEXT: &str = "http://www.w3.org/ns/odrl.jsonld";
/// The most rules of one policy.
pub const MAX_RULES: usize = 32;
/// The most constraints of all rules together, those inside `and` and `or` counted, and each
/// party of a list eight times.
pub const MAX_CONSTRAINTS: usize = 1024;
/// The attribute of a use that says what it is for.
pub const PURPOSE: &str = "purpose";
/// The attribute of a use that says which data it is of.
pub const TARGET: &str = "target";
/// The attribute of a use that lists the duties that are undertaken.
pub const UNDERTAKES: &str = "undertakes";

/// Terms as they are written: an ODRL policy in JSON-LD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Terms(pub Map<String, Value>);

/// An action of the ODRL vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the ODRL vocabulary says what each means
pub enum Action {
    Use,
    Aggregate,
    Anonymize,
    Archive,
    Derive,
    Display,
    Distribute,
    Modify,
    Play,
    Print,
    Read,
    Transfer,
    Give,
    Sell,
}

impl Action {
    /// Every action of the subset.
    pub const ALL: [Self; 14] = [
        Self::Use,
        Self::Aggregate,
        Self::Anonymize,
        Self::Archive,
        Self::Derive,
        Self::Display,
        Self::Distribute,
        Self::Modify,
        Self::Play,
        Self::Print,
        Self::Read,
        Self::Transfer,
        Self::Give,
        Self::Sell,
    ];

    /// As ODRL calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Aggregate => "aggregate",
            Self::Anonymize => "anonymize",
            Self::Archive => "archive",
            Self::Derive => "derive",
            Self::Display => "display",
            Self::Distribute => "distribute",
            Self::Modify => "modify",
            Self::Play => "play",
            Self::Print => "print",
            Self::Read => "read",
            Self::Transfer => "transfer",
            Self::Give => "give",
            Self::Sell => "sell",
        }
    }

    /// Reads a name, with or without the prefix `odrl:` or the vocabulary's IRI.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let name = local_name(text);
        Self::ALL.into_iter().find(|a| a.name() == name)
    }

    /// Whether a rule about `self` is about `other` too (ODRL vocabulary, `includedIn`).
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        match self {
            Self::Use => !matches!(other, Self::Transfer | Self::Give | Self::Sell),
            Self::Transfer => matches!(other, Self::Transfer | Self::Give | Self::Sell),
            _ => self == other,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a use of data says of itself, as a message's attributes do.
#[must_use]
pub fn attributes() -> AttributeTypes {
    [(PURPOSE, ValueType::Text), (TARGET, ValueType::Text), (UNDERTAKES, ValueType::Texts)]
        .into_iter()
        .map(|(name, value_type)| (name.to_owned(), value_type))
        .collect()
}

struct Rule {
    action: Action,
    condition: Checked,
}

impl Terms {
    /// For each action that a permission reaches: that one of them holds, and no prohibition does.
    /// An action without an entry is not permitted.
    ///
    /// # Errors
    /// [`RequirementError::NotInSubset`] names what the subset does not have.
    pub fn compile(
        &self,
        reads: &mut ReadsByRole,
    ) -> Result<BTreeMap<Action, Vec<CheckedRequirement>>, RequirementError> {
        let policy = &self.0;
        only(
            policy,
            &["@context", "@type", "uid", "conflict", "permission", "prohibition"],
            "the policy",
        )?;
        if policy.get("@context").and_then(Value::as_str) != Some(CONTEXT) {
            return Err(malformed(format!("its @context is not {CONTEXT}")));
        }
        let kind = policy.get("@type").and_then(Value::as_str).unwrap_or_default();
        if !matches!(local_name(kind), "Set" | "Offer" | "Agreement" | "Policy") {
            return Err(malformed("its @type is not Set, Offer, Agreement or Policy"));
        }
        // What ODRL would void, and what it would let a permission override, is denied here.
        match policy.get("conflict").map(|c| c.as_str().map(local_name)) {
            None | Some(Some("prohibit")) => {}
            _ => return Err(outside("conflict is not prohibit: a prohibition always wins")),
        }
        let mut budget = MAX_CONSTRAINTS;
        let permissions = rules(policy, "permission", &mut budget, reads)?;
        let prohibitions = rules(policy, "prohibition", &mut budget, reads)?;
        let mut compiled = BTreeMap::new();
        for action in Action::ALL {
            let allowing: Vec<_> = permissions
                .iter()
                .filter(|r| r.action.includes(action))
                .map(|r| r.condition.clone())
                .collect();
            if allowing.is_empty() {
                continue;
            }
            let mut requirements = vec![CheckedRequirement {
                id: "permission".into(),
                says: format!("a permission covers to {action} the data"),
                asked: Asked::Condition(Checked::AtLeast(1, allowing)),
            }];
            for (number, rule) in (1_usize..).zip(&prohibitions) {
                // To prohibit a part prohibits the whole, and the whole each part.
                if rule.action.includes(action) || action.includes(rule.action) {
                    requirements.push(CheckedRequirement {
                        id: format!("prohibition-{number}"),
                        says: format!("no prohibition covers to {action} the data"),
                        asked: Asked::Condition(Checked::Not(Box::new(rule.condition.clone()))),
                    });
                }
            }
            compiled.insert(action, requirements);
        }
        Ok(compiled)
    }
}

fn malformed(reason: impl Into<String>) -> RequirementError {
    RequirementError::Malformed(reason.into())
}

/// What the subset does not know.
fn outside(reason: impl Into<String>) -> RequirementError {
    RequirementError::NotInSubset(reason.into())
}

fn too_large(reason: impl Into<String>) -> RequirementError {
    RequirementError::TooLarge(reason.into())
}

fn rules(
    policy: &Map<String, Value>,
    name: &str,
    budget: &mut usize,
    reads: &mut ReadsByRole,
) -> Result<Vec<Rule>, RequirementError> {
    let list = list_of(policy.get(name));
    if list.len() > MAX_RULES {
        return Err(too_large(format!("it has more than {MAX_RULES} of {name}")));
    }
    let mut rules = Vec::new();
    for (number, value) in (1_usize..).zip(list) {
        let rule = read_rule(value, name, budget).map_err(|e| e.at(format!("{name} {number}")))?;
        rule.condition.note_reads(reads)?;
        rules.push(rule);
    }
    Ok(rules)
}

fn read_rule(value: &Value, name: &str, budget: &mut usize) -> Result<Rule, RequirementError> {
    let rule = value.as_object().ok_or_else(|| malformed("it is not an object"))?;
    let mut known = vec!["@type", "@id", "uid", "action", "target", "assigner", "assignee"];
    known.push("constraint");
    if name == "permission" {
        known.push("duty");
    }
    only(rule, &known, "the rule")?;
    let kind = if name == "permission" { "Permission" } else { "Prohibition" };
    is_a(rule, &[kind], "the rule")?;
    let action = match rule.get("action") {
        Some(Value::String(text)) => Action::parse(text)
            .ok_or_else(|| outside(format!("the action {:?} is not in the subset", shown(text))))?,
        Some(_) => return Err(outside("an action with a refinement is not in the subset")),
        None => return Err(malformed("it names no action")),
    };
    let mut parts = Vec::new();
    match rule.get("target") {
        None => {}
        Some(Value::String(target)) => {
            parts.push(when(&format!("message.{TARGET} == {}", quote(target)?))?);
        }
        Some(_) => return Err(outside("a target that is a collection is not in the subset")),
    }
    match rule.get("assignee") {
        None => {}
        Some(Value::String(text)) => parts.push(party(text)?),
        Some(_) => return Err(outside("an assignee that is a collection is not in the subset")),
    }
    for constraint in list_of(rule.get("constraint")) {
        parts.push(read_constraint(constraint, 4, budget)?);
    }
    for duty in list_of(rule.get("duty")) {
        parts.push(read_duty(duty)?);
    }
    Ok(Rule { action, condition: Checked::All(parts) })
}

/// A party: a DID, or whoever holds a role.
fn party(text: &str) -> Result<Checked, RequirementError> {
    if let Ok(did) = Did::parse(text) {
        return Ok(Checked::Sender(vec![did]));
    }
    let role = RoleReference::parse(text)
        .map_err(|_| malformed(format!("{:?} is neither a DID nor a role", shown(text))))?;
    Ok(Checked::Role(role, Vec::new()))
}

/// A duty: an action that whoever uses the data undertakes, such as `attribute`.
fn read_duty(value: &Value) -> Result<Checked, RequirementError> {
    let duty = value.as_object().ok_or_else(|| malformed("a duty is not an object"))?;
    only(duty, &["@type", "@id", "uid", "action"], "a duty")?;
    is_a(duty, &["Duty"], "a duty")?;
    let action = duty.get("action").and_then(Value::as_str);
    match local_name(action.ok_or_else(|| malformed("a duty names no action"))?) {
        name @ ("attribute" | "anonymize" | "delete" | "inform") => {
            when(&format!("{} in message.{UNDERTAKES}", quote(name)?))
        }
        other => Err(outside(format!("the duty {:?} is not in the subset", shown(other)))),
    }
}

fn read_constraint(
    value: &Value,
    depth: usize,
    budget: &mut usize,
) -> Result<Checked, RequirementError> {
    let too_deep = || too_large("constraints are nested more than 4 deep");
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    let too_many = || too_large(format!("the rules have more than {MAX_CONSTRAINTS} constraints"));
    *budget = budget.checked_sub(1).ok_or_else(too_many)?;
    let constraint = value.as_object().ok_or_else(|| malformed("a constraint is not an object"))?;
    for (name, all) in [("and", true), ("or", false)] {
        if let Some(members) = constraint.get(name) {
            only(constraint, &["@type", "@id", "uid", name], "a logical constraint")?;
            is_a(constraint, &["LogicalConstraint", "Constraint"], "a logical constraint")?;
            let members = match members {
                Value::Object(list) if list.len() == 1 => list_of(list.get("@list")),
                other => list_of(Some(other)),
            };
            if members.is_empty() {
                let reason = format!("{name} of nothing is always or never");
                return Err(RequirementError::AlwaysOrNever(reason));
            }
            let members: Vec<_> = members
                .into_iter()
                .map(|m| read_constraint(m, depth, budget))
                .collect::<Result<_, _>>()?;
            return Ok(if all { Checked::All(members) } else { Checked::AtLeast(1, members) });
        }
    }
    only(
        constraint,
        &["@type", "@id", "uid", "leftOperand", "operator", "rightOperand"],
        "a constraint",
    )?;
    is_a(constraint, &["Constraint"], "a constraint")?;
    let text = |name: &str| {
        let text = constraint.get(name).and_then(Value::as_str).map(local_name);
        text.ok_or_else(|| malformed(format!("a constraint has no {name}")))
    };
    let (left, operator) = (text("leftOperand")?, text("operator")?);
    let right = constraint.get("rightOperand");
    let right = right.ok_or_else(|| malformed("a constraint has no rightOperand"))?;
    let unknown = || outside(format!("{left} {} is not in the subset", shown(operator)));
    match left {
        "dateTime" => {
            let symbol = symbol(operator).ok_or_else(unknown)?;
            when(&format!("time {symbol} {}", quote(&time(right)?)?))
        }
        "purpose" => match operator {
            "eq" | "neq" => {
                let symbol = symbol(operator).ok_or_else(unknown)?;
                when(&format!("message.{PURPOSE} {symbol} {}", quote(&literal(right)?)?))
            }
            "isAnyOf" | "isNoneOf" => {
                let any = when(&format!("message.{PURPOSE} in {}", set(right)?))?;
                Ok(if operator == "isAnyOf" { any } else { Checked::Not(Box::new(any)) })
            }
            _ => Err(unknown()),
        },
        "recipient" => match operator {
            "eq" | "isA" => party(&literal(right)?),
            "isAnyOf" => {
                let list = list_of(Some(right));
                // A role is written once for each visa that is looked at.
                let cost = list.len().saturating_mul(MAX_SLOTS);
                let rest = budget.checked_sub(cost);
                *budget = rest.ok_or_else(|| too_large("recipient has too many parties"))?;
                let parties = list
                    .into_iter()
                    .map(|p| party(&literal(p)?))
                    .collect::<Result<Vec<_>, RequirementError>>()?;
                if parties.is_empty() {
                    let reason = "isAnyOf nothing is never";
                    return Err(RequirementError::AlwaysOrNever(reason.into()));
                }
                Ok(Checked::AtLeast(1, parties))
            }
            _ => Err(unknown()),
        },
        other => Err(outside(format!("the left operand {:?} is not in the subset", shown(other)))),
    }
}

fn when(text: &str) -> Result<Checked, RequirementError> {
    Ok(Checked::When(Comparison::parse(text, &attributes(), false)?))
}

fn symbol(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "eq" => "==",
        "neq" => "!=",
        "lt" => "<",
        "lteq" => "<=",
        "gt" => ">",
        "gteq" => ">=",
        _ => return None,
    })
}

/// A text: plain, `{"@value": …}` or `{"@id": …}`.
fn literal(value: &Value) -> Result<String, RequirementError> {
    let text = match value {
        Value::String(text) => Some(text.as_str()),
        Value::Object(object) => {
            only(object, &["@value", "@type", "@id"], "a right operand")?;
            match (object.get("@value"), object.get("@id")) {
                (Some(Value::String(text)), None) | (None, Some(Value::String(text))) => Some(text),
                _ => None,
            }
            .map(String::as_str)
        }
        _ => None,
    };
    text.map(str::to_owned).ok_or_else(|| malformed("a right operand is not a text"))
}

/// A time; a date is its first moment, and a time without a zone is in UTC.
fn time(value: &Value) -> Result<String, RequirementError> {
    let text = literal(value)?;
    if text.len() == 10 {
        return Ok(format!("{text}T00:00:00Z"));
    }
    let zone = text.get(19..).is_some_and(|rest| rest.contains(['Z', '+', '-']));
    Ok(if zone { text } else { format!("{text}Z") })
}

fn set(value: &Value) -> Result<String, RequirementError> {
    let texts = list_of(Some(value))
        .into_iter()
        .map(|v| quote(&literal(v)?))
        .collect::<Result<Vec<_>, RequirementError>>()?;
    Ok(format!("[{}]", texts.join(", ")))
}

fn quote(text: &str) -> Result<String, RequirementError> {
    match (text.contains('\''), text.contains('"')) {
        (false, _) => Ok(format!("'{text}'")),
        (true, false) => Ok(format!("\"{text}\"")),
        (true, true) => Err(malformed("a text has both kinds of quotes")),
    }
}

/// One, several or none: JSON-LD writes a list of one as its member.
fn list_of(value: Option<&Value>) -> Vec<&Value> {
    match value {
        None => Vec::new(),
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one) => vec![one],
    }
}

fn only(object: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), RequirementError> {
    match object.keys().find(|k| !known.contains(&k.as_str())) {
        None => Ok(()),
        Some(other) => {
            Err(outside(format!("{what} has {:?}, which is not in the subset", shown(other))))
        }
    }
}

/// That `@type`, where it is given, says what it is by its place.
fn is_a(object: &Map<String, Value>, kinds: &[&str], what: &str) -> Result<(), RequirementError> {
    match object.get("@type") {
        None => Ok(()),
        Some(Value::String(kind)) if kinds.contains(&local_name(kind)) => Ok(()),
        Some(_) => Err(malformed(format!("{what} has another @type than its place says"))),
    }
}

fn local_name(text: &str) -> &str {
    text.strip_prefix("odrl:")
        .or_else(|| text.strip_prefix("http://www.w3.org/ns/odrl/2/"))
        .unwrap_or(text)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}
