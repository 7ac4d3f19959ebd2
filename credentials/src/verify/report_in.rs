//! A report that was read back: what another program, such as `gridpass visa verify --json`, says that it found.

use super::report::{Age, REPORT_VERSION, Step, TrustSummary};
use crate::content_id::ContentId;
use crate::role::RoleName;
use crate::visa::StatusEntry;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A report as JSON has it. Whoever wrote it says so, and nothing here was verified: it is no
/// [`VisaReport`](super::VisaReport), and grants nothing. Members that this version does not know are passed over.
///
/// ```
/// use gridpass_credentials::verify::VisaReportIn;
///
/// # fn read(json: &[u8]) -> Result<(), serde_json::Error> {
/// let report: VisaReportIn = serde_json::from_slice(json)?;
/// for visa in &report.visas {
///     println!("{:?} {}", visa.outcome, visa.code);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VisaReportIn {
    /// [`REPORT_VERSION`]: another one is refused.
    #[serde(deserialize_with = "known_version")]
    pub format_version: u32,
    /// The whole.
    pub outcome: Outcome,
    /// The reason that decided it: a text, since another version may know more of them.
    pub code: String,
    /// The same as a sentence.
    pub sentence: String,
    /// The time that it was judged at.
    pub at: UnixMillis,
    /// As of when was known what it was judged by, where that is another time, or was given.
    #[serde(default)]
    pub clock: Option<UnixMillis>,
    /// Whether whoever asked gave that time.
    #[serde(default)]
    pub clock_given: bool,
    /// What it was judged by.
    pub trust: TrustSummary,
    /// The hash of the presentation, where there is one.
    #[serde(default)]
    pub evidence: Option<ContentId>,
    /// Who presented.
    #[serde(default)]
    pub presenter: Option<Did>,
    /// Until when the presentation counts.
    #[serde(default)]
    pub presentation_expires: Option<UnixMillis>,
    /// The checks of the presentation itself.
    pub checks: Vec<CheckIn>,
    /// Each visa.
    pub visas: Vec<VerdictIn>,
    /// How old everything relied on was.
    pub ages: Vec<Age>,
}

/// A check of such a report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CheckIn {
    /// What was checked.
    pub name: String,
    /// What came out.
    pub outcome: Outcome,
    /// The stable reason.
    pub code: String,
    /// The same as a sentence.
    pub sentence: String,
}

/// What came out for one visa, as such a report says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VerdictIn {
    /// The hash of the visa as it was given.
    pub evidence: ContentId,
    /// Whether it is one that was asked about, rather than one that supports another.
    pub presented: bool,
    /// Whether it only proves that its holder may revoke one of the others.
    #[serde(default)]
    pub proves_revoker: bool,
    /// What came out.
    pub outcome: Outcome,
    /// The reason that decided it.
    pub code: String,
    /// The same as a sentence.
    pub sentence: String,
    /// What it says; absent where it cannot be read.
    #[serde(default)]
    pub visa: Option<VisaIn>,
    /// When it was issued, as its issuer says.
    pub issued: Option<UnixMillis>,
    /// From the visa to the root.
    pub path: Vec<Step>,
    /// Every visa by which its issuer may have issued it, of those that hold.
    #[serde(default)]
    pub authorities: Vec<ContentId>,
    /// Each check.
    pub checks: Vec<CheckIn>,
}

/// A visa, as such a report says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VisaIn {
    /// Its id, a URL.
    pub id: String,
    /// Who issued it.
    pub issuer: Did,
    /// Who holds it.
    pub subject: Did,
    /// The role definition that it grants.
    pub definition: ContentId,
    /// The role's name.
    pub role: RoleName,
    /// What it says of its holder.
    pub claims: Map<String, Value>,
    /// From when.
    pub valid_from: UnixMillis,
    /// Until when.
    pub valid_until: UnixMillis,
    /// Where its status is written.
    pub status: Vec<StatusEntry>,
}

/// What another version means by its members is not guessed.
fn known_version<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(from)?;
    if version == REPORT_VERSION {
        return Ok(version);
    }
    let other = format!("the report's version is {version}, and {REPORT_VERSION} is known");
    Err(D::Error::custom(other))
}
