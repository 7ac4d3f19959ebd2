//! What an audit says: the checks of the bundle, and of each message, with the hashes of what each rests
//! on. The same bundle, trust pack and time give the same report, byte for byte.

use super::super::entries::PayloadState;
use super::super::manifest::{Exporter, JudgedBy, Selection};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::verify::Age;
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use serde::ser::{SerializeSeq as _, Serializer};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// The version of the report's format.
pub(super) const REPORT_VERSION: u32 = 1;
/// What the member `type` says.
pub(super) const REPORT_TYPE: &str = "gridpass-audit-report";

/// A check, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// What was checked: the names of `spec/bundle.md` section 5.
    pub name: &'static str,
    /// What came out.
    pub outcome: Outcome,
    /// The stable reason.
    pub code: Code,
    /// The reason as a sentence.
    pub sentence: Cow<'static, str>,
    /// The names of what it rests on. Those of documents and envelopes are shared with them.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "names")]
    pub evidence: Vec<Arc<str>>,
}

impl Audit {
    pub(super) fn new(
        name: &'static str,
        (outcome, code): (Outcome, Code),
        sentence: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { name, outcome, code, sentence: sentence.into(), evidence: Vec::new() }
    }

    pub(super) fn passed(
        name: &'static str,
        code: Code,
        sentence: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(name, (Outcome::Passed, code), sentence)
    }

    pub(super) fn failed(
        name: &'static str,
        code: Code,
        sentence: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(name, (Outcome::Failed, code), sentence)
    }

    pub(super) fn open(
        name: &'static str,
        code: Code,
        sentence: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(name, (Outcome::Indeterminate, code), sentence)
    }

    pub(super) fn on<T: ToString>(self, evidence: impl IntoIterator<Item = T>) -> Self {
        self.on_names(evidence.into_iter().map(|e| e.to_string().into()))
    }

    pub(super) fn on_names(mut self, names: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.evidence.extend(names);
        self
    }
}

fn names<S: Serializer>(names: &[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(|name| &**name))
}

/// The worst of several: failed, else indeterminate, else passed.
pub(super) fn worst<'a>(
    outcomes: impl IntoIterator<Item = (Outcome, Code, &'a str)>,
) -> Option<(Outcome, Code, &'a str)> {
    let rank = |o: Outcome| match o {
        Outcome::Passed => 0,
        Outcome::Indeterminate => 1,
        Outcome::Failed => 2,
    };
    let mut found: Option<(Outcome, Code, &'a str)> = None;
    for one in outcomes {
        if found.as_ref().is_none_or(|f| rank(one.0) > rank(f.0)) {
            found = Some(one);
        }
    }
    found
}

/// Something to know that decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What kind of thing.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: String,
}

/// Whose word each time is, and what bounds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// The sender's word.
    pub issued: UnixMillis,
    /// The sender's word.
    pub expires: UnixMillis,
    /// The exporter's word: for when it decided.
    pub decided: UnixMillis,
    /// The exporter's word: when it wrote the record.
    pub logged: UnixMillis,
    /// Others signed then what the message rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixMillis>,
    /// Others signed then that they have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<UnixMillis>,
    /// Who that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after_by: Option<Did>,
}

/// What a recipient said of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptReport {
    /// The receipt.
    pub receipt: String,
    /// Who.
    pub recipient: Did,
    /// By which key.
    pub key: DidUrl,
    /// When, as it says.
    pub issued: UnixMillis,
    /// `delivered`, `kept` or `refused`.
    pub state: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whether the receipt holds.
    pub outcome: Outcome,
}

/// What came out for one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageReport {
    /// Its id.
    pub id: String,
    /// The exporter's number.
    pub number: u64,
    /// Who sent it; absent with all that its header says where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Did>,
    /// The key that numbers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<DidUrl>,
    /// Its number in its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Its topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Whom it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Did>,
    /// The conversation that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<EnvelopeId>,
    /// Whether the payload is there.
    pub payload: PayloadState,
    /// What was recorded: `allow` or `deny`.
    pub verdict: &'static str,
    /// Why it was refused, as recorded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The worst of the checks.
    pub outcome: Outcome,
    /// The reason that decided it.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: Cow<'static, str>,
    /// When, by whose word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
    /// Who said what of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<ReceiptReport>,
    /// Those whom it names and of whom no receipt is there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_receipt: Vec<Did>,
    /// What to know beside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Each check, in the order of their numbers.
    #[serde(serialize_with = "each")]
    pub checks: Vec<Arc<Audit>>,
}

fn each<S: Serializer>(checks: &[Arc<Audit>], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Numbered<'a> {
        number: usize,
        #[serde(flatten)]
        check: &'a Audit,
    }
    let mut list = serializer.serialize_seq(Some(checks.len()))?;
    for (number, check) in (1_usize..).zip(checks) {
        list.serialize_element(&Numbered { number, check })?;
    }
    list.end()
}

/// What the bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleSummary {
    /// Its root.
    pub root: String,
    /// How many bytes it has.
    pub bytes: usize,
    /// Who made it.
    pub exporter: Exporter,
    /// The key that signed it.
    pub key: String,
    /// When, as the exporter says.
    pub made: UnixMillis,
    /// The framework that it names.
    pub framework: ContentId,
    /// By what the exporter judged.
    pub judged_by: JudgedBy,
    /// Which messages it is of.
    pub selection: Selection,
    /// The channel's name and version, where its descriptor is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What the exporter did not have.
    pub missing: Vec<String>,
}

/// What it was judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustSummary {
    /// The trust pack.
    pub pack: ContentId,
    /// The framework: its first charter.
    pub framework: ContentId,
    /// Its newest charter.
    pub charter: ContentId,
    /// The charter's name.
    pub name: String,
    /// The charter's version.
    pub version: u64,
    /// The charter's date.
    pub dated: UnixMillis,
}

/// Which messages were looked at, where not all were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// How many.
    pub size: u64,
    /// What chooses them: the same seed chooses the same.
    pub seed: u64,
}

/// How many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// In the bundle.
    pub messages: usize,
    /// That were looked at.
    pub verified: usize,
    /// That hold.
    pub passed: usize,
    /// That do not.
    pub failed: usize,
    /// Of which nothing can be said.
    pub indeterminate: usize,
    /// That were allowed, by the record.
    pub allowed: usize,
    /// That were refused, by the record.
    pub refused: usize,
    /// Whose payload is not there.
    pub withheld: usize,
    /// Receipts.
    pub receipts: usize,
    /// Recipients of whom there is none, over all messages.
    pub without_receipt: usize,
    /// Proofs that a sender contradicts itself.
    pub forks: usize,
}

/// Numbers of a chain that are not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// Whose.
    pub sender: Did,
    /// Which of its keys.
    pub key: DidUrl,
    /// The first that is missing.
    pub from: u64,
    /// The last.
    pub until: u64,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `gridpass-audit-report`.
    #[serde(rename = "type")]
    pub document_type: &'static str,
    /// The version of the report's format.
    pub format_version: u32,
    /// The worst of all checks.
    pub outcome: Outcome,
    /// The reason that decided it.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: String,
    /// The time of verification.
    pub at: UnixMillis,
    /// What the bundle says of itself.
    pub bundle: BundleSummary,
    /// What it was judged by.
    pub trust: TrustSummary,
    /// Which messages were looked at, where not all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// How old what it rests on is, at the time of verification.
    pub ages: Vec<Age>,
    /// How many.
    pub counts: Counts,
    /// The checks of the bundle.
    pub checks: Vec<Audit>,
    /// Numbers that are not there.
    pub gaps: Vec<Gap>,
    /// Each message.
    pub messages: Vec<MessageReport>,
}

impl Report {
    /// The report as JCS: byte-identical for the same inputs.
    ///
    /// # Errors
    /// None that can occur; the type is the encoder's.
    pub fn to_json(&self) -> Result<Vec<u8>, json::JsonError> {
        json::canonicalize(self)
    }
}
