//! Decisions: verdict, every reason, and the facts that it was made from by name, so that anybody
//! can make it again and compare the bytes.

use crate::codes;
use crate::direct::Cause;
use crate::facts::{Admission, Question};
use crate::policy::Policy;
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_identity::code::Code;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-decision";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// Records are larger than what they were made from: claims of a visa stand beside those of its
/// authorities.
const LIMITS: Limits = Limits { bytes: 16 * 1024 * 1024, depth: 40 };

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may be.
    Allow,
    /// It may not.
    Deny,
}

/// Why it may not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The stable reason.
    pub code: String,
    /// The requirement, where it is one that is not satisfied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
    /// The same as a sentence.
    pub sentence: String,
    /// What it comes from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

impl Reason {
    /// A reason that the facts give before any requirement is asked.
    #[must_use]
    pub fn of_facts(code: &str, sentence: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            requirement: None,
            sentence: sentence.into(),
            causes: Vec::new(),
        }
    }

    /// A requirement that is not satisfied.
    #[must_use]
    pub fn of_requirement(code: Code, id: &str, says: &str, causes: Vec<Cause>) -> Self {
        let (code, requirement) = (code.id().into(), Some(id.to_owned()));
        Self { code, requirement, sentence: says.to_owned(), causes }
    }
}

/// What comes out of the policy engine, before anything is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Yes or no.
    pub verdict: Verdict,
    /// Every reason for a no, in the order of the requirements.
    pub reasons: Vec<Reason>,
}

/// A decision, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: &'static str,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The facts about the sender.
    pub admission: ContentId,
    /// When it was decided.
    pub at: UnixMillis,
    /// What was decided, with the facts about the message.
    pub question: Question,
    /// Yes or no.
    pub verdict: Verdict,
    /// Every reason for a no.
    pub reasons: Vec<Reason>,
    /// The hashes of the evidence that the facts come from.
    pub evidence: Vec<ContentId>,
}

impl Decision {
    /// A decision from its parts, as it is recorded.
    #[must_use]
    pub fn of_ruling(
        policy: &Policy,
        facts: &Admission,
        admission: &ContentId,
        (question, at): (&Question, UnixMillis),
        ruling: &Ruling,
    ) -> Self {
        Self {
            document_type: TYPE,
            format_version: FORMAT_VERSION,
            channel: policy.id().clone(),
            admission: admission.clone(),
            at,
            question: question.clone(),
            verdict: ruling.verdict,
            reasons: ruling.reasons.clone(),
            evidence: facts.evidence(),
        }
    }

    /// The bytes (JCS) and their name.
    ///
    /// # Errors
    /// [`ContentIdError::NotJson`] if an attribute has no canonical form.
    pub fn encode(&self) -> Result<(ContentId, Vec<u8>), ContentIdError> {
        ContentId::of_json(self)
    }

    /// A sentence for an operator: allowed, or the first reason with its first cause.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Some(first) = self.reasons.first() else {
            return codes::POLICY_ALLOWED.0.meaning.to_owned();
        };
        let cause = first.causes.first().map(|c| format!(": {}", c.sentence)).unwrap_or_default();
        let more = match self.reasons.len() {
            0 | 1 => String::new(),
            n => format!(" (and {} more)", n.saturating_sub(1)),
        };
        format!("{}{cause}{more}", first.sentence)
    }
}

/// Why a recorded decision does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It cannot be read.
    #[error("the record cannot be read: {0}")]
    Malformed(String),
    /// The facts are others than those that the decision names.
    #[error(transparent)]
    Facts(#[from] ContentIdError),
    /// It comes out differently.
    #[error("made again from the same facts, it comes out differently: {0}")]
    Differs(String),
}

impl RecordError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::DECISION_MALFORMED,
            Self::Facts(e) => e.code(),
            Self::Differs(_) => codes::DECISION_DIFFERS,
        }
    }
}

/// A recorded decision, as it was read: what was asked, and the bytes to compare with.
#[derive(Clone, Debug)]
pub struct RecordedDecision {
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The facts about the sender.
    pub admission: ContentId,
    /// When it was decided.
    pub at: UnixMillis,
    /// What was decided.
    pub question: Question,
    /// What came out, as the record says.
    pub verdict: Verdict,
    bytes: Vec<u8>,
}

impl RecordedDecision {
    /// Reads a recorded decision.
    ///
    /// # Errors
    /// [`RecordError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let malformed = |e: String| RecordError::Malformed(e);
        let value = json::parse_strict(bytes, LIMITS).map_err(|e| malformed(e.to_string()))?;
        let member = |name: &str| {
            value.get(name).cloned().ok_or_else(|| malformed(format!("it has no {name}")))
        };
        let version = member("formatVersion")?.as_u64();
        if member("type")? != TYPE || version != Some(u64::from(FORMAT_VERSION)) {
            return Err(malformed("its type or format version is unknown".into()));
        }
        Ok(Self {
            channel: read(member("channel")?)?,
            admission: read(member("admission")?)?,
            at: read(member("at")?)?,
            question: read(member("question")?)?,
            verdict: read(member("verdict")?)?,
            bytes: json::canonicalize(&value).map_err(|e| malformed(e.to_string()))?,
        })
    }

    /// Its name: what it must be held against where somebody signed it or wrote it down.
    ///
    /// # Errors
    /// [`ContentIdError`].
    pub fn id(&self) -> Result<ContentId, ContentIdError> {
        ContentId::of_bytes(&self.bytes)
    }

    /// Makes the decision again from the recorded facts, and holds the bytes against the record.
    ///
    /// This shows that the decision follows from those facts. That the facts are true is shown by
    /// the evidence that they name: the envelope, the presentation, the lists.
    ///
    /// # Errors
    /// [`RecordError::Facts`] if policy or facts are not those that it names;
    /// [`RecordError::Differs`] with the first place that differs.
    pub fn recompute(
        &self,
        policy: &Policy,
        admission: &Admission,
    ) -> Result<Decision, RecordError> {
        let (admission_id, _) = admission.encode()?;
        for (expected, found) in [(&self.channel, policy.id()), (&self.admission, &admission_id)] {
            if expected != found {
                let (expected, found) = (expected.clone(), found.clone());
                return Err(ContentIdError::Other { expected, found }.into());
            }
        }
        let mut admitted = policy.admit(admission.clone());
        let decision = policy.decide(&mut admitted, &self.question, self.at)?;
        let (_, bytes) = decision.encode()?;
        if bytes == self.bytes {
            return Ok(decision);
        }
        if let Some(ruling) = policy.rule_of_before(&mut admitted, &self.question, self.at) {
            let asked = (&self.question, self.at);
            let before = Decision::of_ruling(policy, admission, &admission_id, asked, &ruling);
            if before.encode()?.1 == self.bytes {
                return Ok(before);
            }
        }
        let verdict = if decision.verdict == self.verdict {
            "the reasons, the evidence or the facts differ".to_owned()
        } else {
            format!("the verdict is {:?}, and the record says {:?}", decision.verdict, self.verdict)
        };
        Err(RecordError::Differs(verdict))
    }
}

/// Reads a recorded admission, which must be canonical.
///
/// # Errors
/// [`RecordError`].
pub fn parse_admission(
    bytes: &[u8],
    expected: Option<&ContentId>,
) -> Result<(ContentId, Admission), RecordError> {
    let malformed = |e: String| RecordError::Malformed(e);
    let admission: Admission =
        json::from_slice_strict(bytes, LIMITS).map_err(|e| malformed(e.to_string()))?;
    if admission.document_type != crate::facts::TYPE
        || admission.format_version != crate::facts::FORMAT_VERSION
    {
        return Err(malformed("its type or format version is unknown".into()));
    }
    let (id, canonical) = admission.encode()?;
    if canonical != bytes {
        return Err(malformed("it is not in canonical form (JCS)".into()));
    }
    match expected {
        Some(expected) if *expected != id => {
            Err(ContentIdError::Other { expected: expected.clone(), found: id }.into())
        }
        _ => Ok((id, admission)),
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, RecordError> {
    /// Not each is an object: in one it is read as a document is.
    #[derive(Deserialize)]
    #[serde(bound = "T: serde::de::DeserializeOwned")]
    struct Member<T> {
        value: T,
    }
    let member = json::from_object::<Member<T>>(serde_json::json!({ "value": value }));
    member.map(|member| member.value).map_err(|e| RecordError::Malformed(e.to_string()))
}
