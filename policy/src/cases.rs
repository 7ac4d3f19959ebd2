//! Policy cases: what a channel should say to whom, written down for people and run by machines.
//!
//! A case makes facts out of nothing ("holds an aggregator's visa for zone GB-1, which is
//! suspended") and says what must come out. The format stands in `spec/policy-cases.md`.

use crate::channel::{Mode, Sealing};
use crate::codes;
use crate::decision::{Decision, Verdict};
use crate::facts::{
    Admission, CheckFacts, FORMAT_VERSION, Finding, MessageFacts, Question, RestsOn, StepFacts,
    TYPE, TrustFacts, UseFacts, VisaFacts,
};
use crate::policy::Policy;
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, JsonError, Limits};
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the member `type` says.
pub const CASES_TYPE: &str = "gridpass-policy-cases";
/// The most cases of one file.
pub const MAX_CASES: usize = 4096;

/// Why a case cannot be decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// It names somebody who is neither among the file's parties nor a DID.
    #[error("{0:?} is no party and no DID")]
    Party(String),
    /// It asks nothing, or several things.
    #[error("a case has exactly one of publish, subscribe, keep, use")]
    Question,
    /// Its message, of this topic, names no recipient, and the channel is no broadcast.
    #[error("the channel is no broadcast: say `to` whom {0:?} goes")]
    Recipients(String),
    /// What it says has no canonical form.
    #[error(transparent)]
    ContentId(#[from] ContentIdError),
}

impl CaseError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::CASES_MALFORMED
    }
}

/// A file of cases.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CaseFile {
    /// [`CASES_TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// 1.
    pub format_version: u32,
    /// What the cases are about.
    pub title: String,
    /// The file with the channel's descriptor, beside this one.
    pub channel: String,
    /// The time of every case that names none.
    pub at: UnixMillis,
    /// Short names of participants.
    #[serde(default)]
    pub parties: BTreeMap<String, Did>,
    /// The cases.
    pub cases: Vec<Case>,
}

/// A case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, as a sentence.
    pub name: String,
    /// When it is decided.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMillis>,
    /// Who asks: a short name or a DID.
    pub sender: String,
    /// The visas that it shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Held>,
    /// It asks to send this message. This, `subscribe`, `keep` or `use`.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub publish: Option<Message>,
    /// It asks to receive.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<Nothing>,
    /// It asks to hold sealed messages for others.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub keep: Option<Nothing>,
    /// It asks to use data.
    #[serde(
        default,
        rename = "use",
        deserialize_with = "json::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub usage: Option<UseFacts>,
    /// What must come out.
    pub expect: Verdict,
    /// The requirements that are not satisfied, and no others; where it is left out, all are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Codes that are among the reasons and causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

/// Nothing to say: `{}`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A visa of a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Held {
    /// The role's name.
    pub role: String,
    /// What it says of its holder.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
    /// Who issued it: a short name or a DID; the sender itself if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What the visa says by which its issuer issued it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub authority: Map<String, Value>,
    /// How it stands; granted if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub standing: Option<CheckFacts>,
}

/// A message of a case. What is absent fits the channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// Its version; the newest if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Whom it goes to: short names or DIDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The header's attributes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// When it was made; when it is decided, if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub issued: Option<UnixMillis>,
    /// Until when it counts; a minute longer, if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixMillis>,
    /// When it came; when it is decided, if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub arrived: Option<UnixMillis>,
    /// The payload's size.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// Whether it is sealed; as the channel asks, if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
    /// How its signature stands; it holds, if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub signature: Option<CheckFacts>,
    /// How its payload fits the schema; not looked at, if absent.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub payload: Option<CheckFacts>,
    /// How many messages of the sender came in the minute before.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sent_last_minute: Option<u64>,
}

/// What came out of a case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseResult {
    /// The case's name.
    pub name: String,
    /// How what came out differs from what was expected; empty if it does not.
    pub differences: Vec<String>,
    /// What came out.
    pub decision: Decision,
}

impl CaseFile {
    /// Reads a file of cases.
    ///
    /// # Errors
    /// [`JsonError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let file: Self = json::from_slice_strict(bytes, Limits::DOCUMENT)?;
        let names: BTreeSet<_> = file.cases.iter().map(|c| c.name.as_str()).collect();
        let refuse = |reason: &str| Err(JsonError::Malformed(reason.to_owned()));
        if file.document_type != CASES_TYPE || file.format_version != 1 {
            return refuse("its type or format version is unknown");
        }
        if file.cases.len() > MAX_CASES || names.len() != file.cases.len() {
            return refuse("it has more than 4096 cases, or two of one name");
        }
        Ok(file)
    }

    fn party(&self, name: &str) -> Result<Did, CaseError> {
        match self.parties.get(name) {
            Some(did) => Ok(did.clone()),
            None => Did::parse(name).map_err(|_| CaseError::Party(name.to_owned())),
        }
    }

    /// The facts of a case, and the question.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn facts(
        &self,
        case: &Case,
        policy: &Policy,
    ) -> Result<(Admission, Question, UnixMillis), CaseError> {
        let at = case.at.unwrap_or(self.at);
        let sender = self.party(&case.sender)?;
        let mut visas = Vec::new();
        for (number, held) in case.holds.iter().enumerate() {
            visas.push(self.visa(held, &sender, number, at)?);
        }
        visas.sort_by(|a, b| a.evidence.cmp(&b.evidence));
        let nothing = ContentId::of_nothing();
        let admission = Admission {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            channel: policy.id().clone(),
            sender,
            presentation: None,
            trust: TrustFacts {
                framework: policy.descriptor().framework.clone(),
                pack: nothing.clone(),
                charter: nothing,
            },
            judged: at,
            expires: at.plus_millis(60_000),
            standing: holds("assumed by the case"),
            visas,
            node: None,
            lists: Vec::new(),
            rests_on: RestsOn::default(),
        };
        let question = match (&case.publish, case.subscribe, case.keep, &case.usage) {
            (Some(message), None, None, None) => {
                Question::Publish(Box::new(self.message(message, policy, at)?))
            }
            (None, Some(Nothing {}), None, None) => Question::Subscribe,
            (None, None, Some(Nothing {}), None) => Question::Keep,
            (None, None, None, Some(asked)) => Question::Use(asked.clone()),
            _ => return Err(CaseError::Question),
        };
        Ok((admission, question, at))
    }

    fn visa(
        &self,
        held: &Held,
        sender: &Did,
        number: usize,
        at: UnixMillis,
    ) -> Result<VisaFacts, CaseError> {
        let issuer =
            held.issuer.as_deref().map_or_else(|| Ok(sender.clone()), |n| self.party(n))?;
        let named = |value: &Value| ContentId::of_json(value).map(|(id, _)| id);
        let hypothetical = serde_json::json!([held.role, number, held.claims]);
        let evidence = named(&hypothetical)?;
        let definition = named(&Value::from(held.role.as_str()))?;
        Ok(VisaFacts {
            path: vec![StepFacts { evidence: evidence.clone(), issuer: issuer.clone() }],
            evidence,
            role: held.role.clone(),
            definition: ContentId::parse(&held.role).unwrap_or(definition),
            issuer,
            standing: held.standing.clone().unwrap_or_else(|| holds("assumed by the case")),
            claims: held.claims.clone(),
            authorities: vec![held.authority.clone()],
            only_status_open: true,
            valid_until: at.plus_millis(60_000),
            status_dated: Some(at),
        })
    }

    fn message(
        &self,
        message: &Message,
        policy: &Policy,
        at: UnixMillis,
    ) -> Result<MessageFacts, CaseError> {
        let channel = policy.descriptor();
        let topic = channel.topic(&message.topic);
        let newest = topic.and_then(|t| t.versions.last()).map_or(1, |v| v.version);
        let version = message.version.unwrap_or(newest);
        let known = topic.and_then(|t| t.version(version));
        let recipients: Vec<_> =
            message.to.iter().map(|n| self.party(n)).collect::<Result<_, _>>()?;
        if recipients.is_empty() && channel.mode != Mode::Broadcast && message.to.is_empty() {
            return Err(CaseError::Recipients(message.topic.clone()));
        }
        let issued = message.issued.unwrap_or(at);
        Ok(MessageFacts {
            envelope: None,
            topic: message.topic.clone(),
            version,
            schema: known.map_or_else(ContentId::of_nothing, |v| v.schema.clone()),
            media_type: known.map_or_else(|| "application/json".into(), |v| v.media_type.clone()),
            recipients,
            issued,
            expires: message.expires.unwrap_or_else(|| issued.plus_millis(60_000)),
            arrived: policy.reads_arrival(&message.topic).then(|| message.arrived.unwrap_or(at)),
            payload_bytes: message.payload_bytes.unwrap_or(1),
            sealed: message.sealed.unwrap_or(channel.sealing == Sealing::Members),
            attributes: message.attributes.clone(),
            signature: message.signature.clone().unwrap_or_else(|| holds("assumed by the case")),
            payload: message.payload.clone(),
            sealing: None,
            sent_last_minute: message.sent_last_minute,
        })
    }

    /// Runs a case.
    ///
    /// # Errors
    /// [`CaseError`].
    pub fn run(&self, case: &Case, policy: &Policy) -> Result<CaseResult, CaseError> {
        let (admission, question, at) = self.facts(case, policy)?;
        let mut admitted = policy.admit(admission);
        let decision = policy.decide(&mut admitted, &question, at)?;
        Ok(CaseResult {
            name: case.name.clone(),
            differences: differences(case, &decision),
            decision,
        })
    }
}

fn holds(sentence: &str) -> CheckFacts {
    CheckFacts {
        outcome: Finding::Passed,
        code: identity_codes::SIGNATURE_VALID.id().into(),
        sentence: sentence.into(),
    }
}

fn differences(case: &Case, decision: &Decision) -> Vec<String> {
    let mut found = Vec::new();
    if decision.verdict != case.expect {
        let (expected, verdict) = (case.expect, decision.verdict);
        let sentence = decision.sentence();
        found.push(format!("{expected:?} was expected, and {verdict:?} came out: {sentence}"));
    }
    let expected: BTreeSet<&str> = case.because.iter().map(String::as_str).collect();
    let came: BTreeSet<&str> =
        decision.reasons.iter().filter_map(|r| r.requirement.as_deref()).collect();
    if expected != came {
        let list = |set: &BTreeSet<&str>| Vec::from_iter(set.iter().copied()).join(", ");
        let named = if expected.is_empty() { " (a case names them in `because`)" } else { "" };
        found.push(format!(
            "not satisfied should be [{}], and is [{}]{named}",
            list(&expected),
            list(&came)
        ));
    }
    let codes: BTreeSet<&str> = decision
        .reasons
        .iter()
        .flat_map(|r| {
            std::iter::once(r.code.as_str()).chain(r.causes.iter().map(|c| c.code.as_str()))
        })
        .collect();
    for code in &case.codes {
        if !codes.contains(code.as_str()) {
            found.push(format!("{code} is not among the codes"));
        }
    }
    found
}

/// The cases as a Markdown table for people.
#[must_use]
pub fn table(file: &CaseFile) -> String {
    let mut text = format!(
        "## {}\n\n| # | case | who, with which visas | asks | comes out | because |\n\
         |---|---|---|---|---|---|\n",
        file.title
    );
    for (number, case) in (1_usize..).zip(&file.cases) {
        let cells = [
            case.name.clone(),
            who(case),
            asks(case),
            match case.expect {
                Verdict::Allow => "allow".to_owned(),
                Verdict::Deny => "**deny**".to_owned(),
            },
            case.because.iter().chain(&case.codes).cloned().collect::<Vec<_>>().join(", "),
        ];
        // A bar would end the cell.
        let cells: Vec<_> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
        text.push_str(&format!("| {number} | {} |\n", cells.join(" | ")));
    }
    text
}

fn members(map: &Map<String, Value>) -> String {
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name} {text}"),
        other => format!("{name} {other}"),
    };
    map.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn who(case: &Case) -> String {
    let mut parts = vec![case.sender.clone()];
    for held in &case.holds {
        let claims = members(&held.claims);
        let claims = if claims.is_empty() { String::new() } else { format!(" ({claims})") };
        let issuer = held.issuer.as_ref().map(|i| format!(" by {i}")).unwrap_or_default();
        let standing = held
            .standing
            .as_ref()
            .filter(|s| s.outcome != Finding::Passed)
            .map(|s| format!(", *{}*", s.sentence))
            .unwrap_or_default();
        parts.push(format!("{}{claims}{issuer}{standing}", held.role));
    }
    parts.join("; ")
}

fn asks(case: &Case) -> String {
    let when = case.at.map(|t| format!(" at {t}")).unwrap_or_default();
    let arrived = case.publish.as_ref().and_then(|m| m.arrived);
    let arrived = arrived.map(|t| format!(", come at {t}")).unwrap_or_default();
    let what = match (&case.publish, &case.usage) {
        (Some(message), _) => {
            let to = message.to.join(", ");
            let to = if to.is_empty() { to } else { format!(" to {to}") };
            let attributes = members(&message.attributes);
            format!("sends {}{to} {attributes}", message.topic)
        }
        (None, Some(asked)) => {
            let purpose = asked.purpose.as_ref().map(|p| format!(" for {p}")).unwrap_or_default();
            let duties = asked.undertakes.join(", ");
            let duties = if duties.is_empty() { duties } else { format!(", undertakes {duties}") };
            format!("to {} the data{purpose}{duties}", asked.action)
        }
        (None, None) => "to receive".into(),
    };
    format!("{}{when}{arrived}", what.trim_end())
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod tests;
