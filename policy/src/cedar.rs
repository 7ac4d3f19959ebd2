//! From conditions to Cedar: the schema of a channel, and one annotated `forbid` for each
//! requirement. Only text is made here; [`crate::policy`] parses and validates it.
//!
//! Cedar has no "any of the visas", so each role has numbered slots, and a requirement is written
//! out over them. `principal.granted` has the visas that count as held; `principal.possible` has
//! those that count where it is asked that something is not held.

use crate::comparison::{AttributeTypes, Comparison, Operand, Operator, Term};
use crate::condition::{Checked, ReadsByRole, RoleReference};
use crate::requirement::{Asked, CheckedRequirement};
use crate::value::{Value, ValueType};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The id of the policy that permits what nothing forbids.
pub(crate) const PERMIT: &str = "gridpass:permit";
/// The id of the policy that forbids what the facts already rule out.
pub(crate) const CHECKS: &str = "gridpass:checks";

/// What is proved of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Holds,
    Fails,
}

impl Proof {
    fn turned(self) -> Self {
        match self {
            Self::Holds => Self::Fails,
            Self::Fails => Self::Holds,
        }
    }

    fn visas(self) -> &'static str {
        match self {
            Self::Holds => "granted",
            Self::Fails => "possible",
        }
    }
}

/// The Cedar schema of a channel, in its readable form.
#[must_use]
pub(crate) fn schema(reads: &ReadsByRole, attributes: &AttributeTypes, slots: usize) -> String {
    let mut text = String::new();
    let mut roles = Vec::new();
    for (number, (role, wanted)) in reads.iter().enumerate() {
        let name = quote(role.as_str());
        let slots: Vec<_> = (1..=slots).map(|slot| format!("\"{slot}\"?: Visa{number}")).collect();
        let _ = writeln!(
            text,
            "// {}\ntype Visa{number} = {{ issuer: String, claims: {}, authority: {} }};",
            role.as_str(),
            record(&wanted.claims),
            record(&wanted.authority),
        );
        let _ = writeln!(text, "type Visas{number} = {{ {} }};", slots.join(", "));
        roles.push(format!("{name}: Visas{number}"));
    }
    let roles = roles.join(", ");
    let _ = writeln!(text, "type Visas = {{ {roles} }};");
    let _ = writeln!(
        text,
        "entity Participant = {{ did: String, granted: Visas, possible: Visas }};\n\
         entity Channel;"
    );
    let _ = writeln!(
        text,
        "action publish, subscribe, keep, \"use\" appliesTo {{\n  principal: Participant,\n  \
         resource: Channel,\n  context: {{\n    checks: String, // passed or failed\n    \
         time: Long, // milliseconds since 1970, as every time here\n    \
         minuteOfWeek: Long, // in UTC, from Monday 00:00\n    issued?: Long,\n    \
         expires?: Long,\n    arrived?: Long,\n    topic?: String,\n    version?: Long,\n    \
         payloadBytes?: Long,\n    sealed?: Bool,\n    recipient?: String,\n    \
         recipients?: Set<String>,\n    message: {},\n  }}\n}};",
        record(attributes)
    );
    text
}

fn record(types: &BTreeMap<String, ValueType>) -> String {
    let members: Vec<_> =
        types.iter().map(|(name, kind)| format!("{}?: {}", quote(name), kind.cedar())).collect();
    format!("{{ {} }}", members.join(", "))
}

/// The policies for a list of requirements.
#[must_use]
pub(crate) fn policies(requirements: &[CheckedRequirement], slots: usize) -> String {
    let mut text = format!(
        "@id(\"{PERMIT}\")\npermit (principal, action, resource);\n\n\
         @id(\"{CHECKS}\")\n@says(\"the facts about sender and message are in order\")\n\
         forbid (principal, action, resource)\nunless {{ context.checks == \"passed\" }};\n"
    );
    for requirement in requirements {
        let id = quote(&requirement.id);
        let says = quote(&requirement.says);
        match &requirement.asked {
            Asked::Condition(condition) => {
                let body = prove(condition, Proof::Holds, slots);
                let _ = write!(
                    text,
                    "\n@id({id})\n@says({says})\nforbid (principal, action, resource)\n\
                     unless {{ {body} }};\n"
                );
            }
            Asked::Cedar(cedar) => {
                let _ = write!(text, "\n// {id} is written in Cedar\n{}\n", cedar.trim());
            }
        }
    }
    text
}

fn prove(condition: &Checked, proof: Proof, slots: usize) -> String {
    let joined = |parts: Vec<String>, word: &str| match parts.as_slice() {
        [one] => one.clone(),
        _ => format!("({})", parts.join(word)),
    };
    let each = |members: &[Checked]| -> Vec<String> {
        members.iter().map(|m| prove(m, proof, slots)).collect()
    };
    match (condition, proof) {
        (Checked::Role(role, comparisons), _) => role_proof(role, comparisons, proof, slots),
        (Checked::All(members), _) if members.is_empty() => (proof == Proof::Holds).to_string(),
        (Checked::All(members), Proof::Holds) => joined(each(members), " && "),
        (Checked::All(members), Proof::Fails) => joined(each(members), " || "),
        (Checked::AtLeast(1, members), Proof::Holds) => joined(each(members), " || "),
        (Checked::AtLeast(1, members), Proof::Fails) => joined(each(members), " && "),
        (Checked::AtLeast(least, members), _) => {
            let ones: Vec<_> =
                each(members).iter().map(|m| format!("(if {m} then 1 else 0)")).collect();
            let needed = match proof {
                Proof::Holds => *least,
                // So many fail that fewer than `least` are left.
                Proof::Fails => members.len().saturating_sub(*least).saturating_add(1),
            };
            format!("({} >= {needed})", ones.join(" + "))
        }
        (Checked::Not(inner), _) => prove(inner, proof.turned(), slots),
        (Checked::When(comparison), _) => comparison_proof(comparison, proof, None),
        (Checked::Between(from, until), _) => {
            let mut parts = Vec::new();
            parts.extend(from.map(|f| format!("context.time >= {}", f.get())));
            parts.extend(until.map(|u| format!("context.time < {}", u.get())));
            plain(&parts.join(" && "), proof)
        }
        (Checked::Hours(_, intervals), _) => {
            let parts: Vec<_> = intervals
                .iter()
                .map(|(from, until)| {
                    format!("(context.minuteOfWeek >= {from} && context.minuteOfWeek < {until})")
                })
                .collect();
            plain(&parts.join(" || "), proof)
        }
        (Checked::Sender(dids), _) => {
            let dids: Vec<_> = dids.iter().map(|d| quote(d.as_str())).collect();
            plain(&format!("[{}].contains(principal.did)", dids.join(", ")), proof)
        }
    }
}

fn plain(expression: &str, proof: Proof) -> String {
    match proof {
        Proof::Holds => format!("({expression})"),
        Proof::Fails => format!("!({expression})"),
    }
}

fn role_proof(
    role: &RoleReference,
    comparisons: &[Comparison],
    proof: Proof,
    slots: usize,
) -> String {
    let visas = format!("principal.{}[{}]", proof.visas(), quote(role.as_str()));
    let slots: Vec<_> = (1..=slots)
        .map(|slot| {
            let has = format!("{visas} has \"{slot}\"");
            let visa = format!("{visas}[\"{slot}\"]");
            let parts: Vec<_> =
                comparisons.iter().map(|c| comparison_proof(c, proof, Some(&visa))).collect();
            match (proof, parts.is_empty()) {
                (Proof::Holds, true) => format!("({has})"),
                (Proof::Holds, false) => format!("({has} && {})", parts.join(" && ")),
                // An empty slot disproves nothing; a visa without conditions is held.
                (Proof::Fails, true) => format!("!({has})"),
                (Proof::Fails, false) => {
                    format!("(if {has} then ({}) else true)", parts.join(" || "))
                }
            }
        })
        .collect();
    let word = if proof == Proof::Holds { " || " } else { " && " };
    format!("({})", slots.join(word))
}

/// That a comparison is true, or that it is false: either needs both values.
fn comparison_proof(comparison: &Comparison, proof: Proof, visa: Option<&str>) -> String {
    let mut parts: Vec<String> = comparison.terms().iter().filter_map(|t| guard(t, visa)).collect();
    parts.dedup();
    let (left, right) = (expression(&comparison.left, visa), expression(&comparison.right, visa));
    let compared = match comparison.operator {
        Operator::Equal => format!("{left} == {right}"),
        Operator::NotEqual => format!("{left} != {right}"),
        Operator::Less => format!("{left} < {right}"),
        Operator::AtMost => format!("{left} <= {right}"),
        Operator::More => format!("{left} > {right}"),
        Operator::AtLeast => format!("{left} >= {right}"),
        Operator::In => format!("{right}.contains({left})"),
        Operator::Contains => format!("{left}.contains({right})"),
        Operator::Within => format!("{right}.containsAll({left})"),
    };
    parts.push(match proof {
        Proof::Holds => compared,
        Proof::Fails => format!("!({compared})"),
    });
    format!("({})", parts.join(" && "))
}

/// That a value is given at all.
fn guard(term: &Term, visa: Option<&str>) -> Option<String> {
    let visa = visa.unwrap_or_default();
    Some(match &term.operand {
        Operand::Visa(name) => format!("{visa}.claims has {}", quote(name)),
        Operand::Authority(name) => format!("{visa}.authority has {}", quote(name)),
        Operand::Message(name) => format!("context.message has {}", quote(name)),
        Operand::Recipient => "context has recipient".into(),
        Operand::Recipients => "context has recipients".into(),
        Operand::Issued => "context has issued".into(),
        Operand::Expires => "context has expires".into(),
        Operand::Arrived => "context has arrived".into(),
        Operand::Issuer | Operand::Sender | Operand::Now | Operand::Literal(_) => return None,
    })
}

fn expression(term: &Term, visa: Option<&str>) -> String {
    let visa = visa.unwrap_or_default();
    let value = match &term.operand {
        Operand::Visa(name) => format!("{visa}.claims[{}]", quote(name)),
        Operand::Authority(name) => format!("{visa}.authority[{}]", quote(name)),
        Operand::Issuer => format!("{visa}.issuer"),
        Operand::Message(name) => format!("context.message[{}]", quote(name)),
        Operand::Sender => "principal.did".into(),
        Operand::Recipient => "context.recipient".into(),
        Operand::Recipients => "context.recipients".into(),
        Operand::Now => "context.time".into(),
        Operand::Issued => "context.issued".into(),
        Operand::Expires => "context.expires".into(),
        Operand::Arrived => "context.arrived".into(),
        Operand::Literal(value) => literal(value),
    };
    match term.offset {
        0 => value,
        offset if offset < 0 => format!("({value} - {})", offset.unsigned_abs()),
        offset => format!("({value} + {offset})"),
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => quote(text),
        Value::Integer(number) if *number < 0 => format!("({number})"),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Texts(texts) => {
            let texts: Vec<_> = texts.iter().map(|t| quote(t)).collect();
            format!("[{}]", texts.join(", "))
        }
        Value::Time(time) => time.get().to_string(),
    }
}

/// A string of Cedar. What is quoted has no control characters; quotes and backslashes are escaped.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
