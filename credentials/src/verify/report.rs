//! What comes out of a verification: a verdict on each visa, and the report.

use super::right::Right;
use super::{Reliance, standing};
use crate::codes;
use crate::content_id::ContentId;
use crate::visa::Visa;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The version of the report's format.
pub const REPORT_VERSION: u32 = 1;

/// How old a piece of trust material is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Age {
    /// What it is: `charter`, `status list …`, `document of did:…`.
    pub what: String,
    /// How old, in seconds.
    pub age_seconds: u64,
}

/// A step from a visa towards the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The visa.
    pub evidence: ContentId,
    /// Who issued it.
    pub issuer: Did,
}

/// What came out for one visa.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Verdict {
    /// The hash of the visa as it was given.
    pub evidence: ContentId,
    /// Whether it is one that was asked about, rather than one that supports another.
    pub presented: bool,
    /// Whether it only proves that its holder may revoke one of the others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub proves_revoker: bool,
    /// What came out.
    pub outcome: Outcome,
    /// The reason that decided it.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: String,
    /// What it says; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visa: Option<Visa>,
    /// When it was issued, as its issuer says.
    pub issued: Option<UnixMillis>,
    /// From the visa to the root.
    pub path: Vec<Step>,
    /// Every visa by which its issuer may have issued it, of those that hold: more than one where
    /// the issuer holds its role several times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<ContentId>,
    /// What the verdict hangs on; nothing where the visa was not asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rests_on: Option<Reliance>,
    /// Each check.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Whether everything holds beside what status lists say: issuer, chain, signature and claims.
    #[must_use]
    pub fn holds_but_for_status(&self) -> bool {
        self.checks.iter().all(|c| c.outcome == Outcome::Passed || standing::is_status(c))
    }

    /// The same, where it may have lapsed too, or it is not known whether its holder has what it requires.
    pub(super) fn held_but_for_status(&self) -> bool {
        let fine = |c: &Check| {
            c.outcome == Outcome::Passed
                || standing::is_status(c)
                || Right::of(c) == Right::Lapsed
                || c.code == codes::PRECONDITIONS_UNKNOWN
        };
        // Of a role that is listed no more, and whose definition is not here, nobody could say who may issue it.
        self.checks.iter().any(|c| c.name == "issuer") && self.checks.iter().all(fine)
    }

    /// Whether nothing is open but whether it is revoked or suspended now: issuer, chain, signature
    /// and claims hold. What is open for another reason may be anybody's invention.
    #[must_use]
    pub fn only_status_is_open(&self) -> bool {
        let status = |c: &Check| {
            c.outcome == Outcome::Indeterminate
                && standing::is_status(c)
                && (c.code == codes::STATUS_STALE || c.code == codes::STATUS_UNKNOWN)
        };
        self.outcome == Outcome::Indeterminate
            && self.checks.iter().all(|c| c.outcome == Outcome::Passed || status(c))
    }
}

/// What the trust pack was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustSummary {
    /// The pack.
    pub pack: ContentId,
    /// Its newest charter.
    pub charter: ContentId,
    /// The charter's name.
    pub name: String,
    /// The charter's version.
    pub version: u64,
    /// The charter's date.
    pub dated: UnixMillis,
}

/// The report.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct VisaReport {
    /// [`REPORT_VERSION`].
    pub format_version: u32,
    /// The whole: the worst of the presentation's own checks and the presented visas.
    pub outcome: Outcome,
    /// The reason that decided it.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: String,
    /// The time that it was judged at.
    pub at: UnixMillis,
    /// As of when was known what it was judged by, where that is another time, or was given by the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<UnixMillis>,
    /// Whether whoever asked gave that time, in place of the time that it was: what is known since is not in it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_given: bool,
    /// What it was judged by.
    pub trust: TrustSummary,
    /// The hash of the presentation, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ContentId>,
    /// Who presented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presenter: Option<Did>,
    /// Until when the presentation counts: as its presenter says, or until the document of its key
    /// changed, where an earlier time is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presentation_expires: Option<UnixMillis>,
    /// The checks of the presentation itself.
    pub checks: Vec<Check>,
    /// Each visa.
    pub visas: Vec<Verdict>,
    /// How old everything relied on is.
    pub ages: Vec<Age>,
}

impl VisaReport {
    /// The report as JCS: byte-identical for the same inputs.
    ///
    /// # Errors
    /// None that can occur; the type is the encoder's.
    pub fn to_json(&self) -> Result<Vec<u8>, json::JsonError> {
        json::canonicalize(self)
    }

    /// Says in it that its clock was given by whoever asked.
    #[must_use]
    pub fn with_given_clock(self, clock: UnixMillis) -> Self {
        Self { clock: Some(clock), clock_given: true, ..self }
    }

    /// The visas that were presented and passed: what a policy may rely on.
    pub fn granted(&self) -> impl Iterator<Item = &Visa> {
        let fine = self.checks.iter().all(|c| c.outcome == Outcome::Passed);
        self.visas
            .iter()
            .filter(move |v| fine && v.presented && v.outcome == Outcome::Passed)
            .filter_map(|v| v.visa.as_ref())
    }
}

/// Whether nothing is wrong with a visa but that its time is over, and another one for the same role that
/// was presented too stands: the one before a renewal takes nothing away.
fn is_replaced(old: &Verdict, visas: &[Verdict], at: UnixMillis) -> bool {
    let mut wrong = old.checks.iter().filter(|c| c.outcome != Outcome::Passed).peekable();
    let Some(visa) = old.visa.as_ref().filter(|_| wrong.peek().is_some()) else { return false };
    let same = |v: &Verdict| {
        let role = v.visa.as_ref().map(|w| (&w.subject, &w.definition));
        v.presented
            && v.outcome == Outcome::Passed
            && role == Some((&visa.subject, &visa.definition))
    };
    // Not that of its issuer, which had ended when it issued this.
    let is_over = |c: &Check| c.name == "validity" && c.code == codes::VISA_EXPIRED;
    at >= visa.valid_until && wrong.all(is_over) && visas.iter().any(same)
}

/// The worst of everything that was asked about; nothing asked is nothing known.
pub(super) fn whole(
    checks: &[Check],
    visas: &[Verdict],
    at: UnixMillis,
) -> (Outcome, Code, String) {
    let own = checks.iter().map(|c| (c.outcome, c.code, c.sentence.clone()));
    let theirs = visas.iter().filter(|v| v.presented && !is_replaced(v, visas, at));
    let theirs = theirs.map(|v| (v.outcome, v.code, v.sentence.clone()));
    let all: Vec<_> = own.chain(theirs).collect();
    let first = |o: Outcome| all.iter().find(|(outcome, ..)| *outcome == o).cloned();
    first(Outcome::Failed)
        .or_else(|| first(Outcome::Indeterminate))
        .or_else(|| all.last().cloned())
        .unwrap_or((Outcome::Indeterminate, codes::VISA_COUNT, "nothing was checked".into()))
}
