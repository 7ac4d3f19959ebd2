//! The verification of visas: one function from bytes, trust, status lists, a time and what is
//! expected, to a report.
//!
//! ```text
//! bytes -> node (form, signature, definition, claims)
//!       -> chain (who authorised the issuer, back to a root)
//!       -> standing (validity, retirement, status, preconditions)
//!       -> Verdict for each visa -> VisaReport
//! ```
//!
//! Nothing here reads a clock, a network or a store. The same inputs give the same report, byte for
//! byte. So nothing is remembered either: [`crate::verifier::Verifier`] does, for who has no wallet.

mod authorisation;
mod authority;
mod chain;
mod diagnosis;
mod node;
mod presenter;
mod proofs;
mod reading;
mod reliance;
mod report;
mod report_in;
mod right;
mod run;
mod seen;
mod standing;

pub(crate) use reading::Readings;

pub use authorisation::{AuthorisationExpectation, AuthorisationReport, verify_authorisation};
pub use authority::{carries_authority, pretends_authority};
pub use reliance::{ListRead, Reliance};
pub use report::{Age, REPORT_VERSION, Step, TrustSummary, Verdict, VisaReport};
pub use report_in::{CheckIn, VerdictIn, VisaIn, VisaReportIn};
pub use seen::{SeenList, SeenLists, SeenState};

use crate::codes;
use crate::secured::{Kind, Secured};
use crate::signature::{self, SignatureMemo};
use crate::status::StatusList;
use crate::trust::Trust;
use crate::vcdm::Presentation;
use gridpass_identity::did::Did;
use gridpass_identity::report::Check;
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::UnixMillis;
use node::Node;
use run::Run;

/// The most visas in one verification.
pub const MAX_VISAS: usize = 64;
/// The most visas beside them that prove who may revoke by a role.
pub const MAX_PROOFS: usize = 64;
/// How old a key binding may be, in milliseconds.
pub const MAX_BINDING_AGE_MILLIS: u64 = 10 * 60 * 1000;

/// What a verification may rely on.
#[derive(Clone, Copy)]
pub struct Evidence<'e> {
    /// The trust pack that the verifier pins.
    pub trust: &'e Trust,
    /// Status lists at hand, from wherever: each is verified.
    pub lists: &'e [StatusList],
    /// What is known of DIDs.
    pub resolver: &'e dyn Resolver,
    /// What was seen of status lists before.
    pub seen: &'e SeenLists,
}

/// What the caller knows and asks for. There is no default: each field is a decision.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'x> {
    /// The time to judge at.
    pub now: UnixMillis,
    /// The time that it is: not before `now`. Status lists are believed up to it, so that what
    /// happened then is judged by what is known today: what is revoked since is not taken up late.
    pub clock: UnixMillis,
    /// Who is being presented to: a DID, or the CID of a channel.
    pub audience: Option<&'x str>,
    /// The nonce that was given. `None` with an audience takes the same presentation again and again until it expires,
    /// from whoever got hold of it: only for what is meant to be shown again, as in a channel.
    pub nonce: Option<&'x str>,
    /// Who must be presenting.
    pub presenter: Option<&'x Did>,
}

/// Verifies a presentation: who presents, to whom, and every visa in it.
#[must_use]
pub fn verify_presentation(
    bytes: &[u8],
    evidence: &Evidence<'_>,
    expect: &Expectation<'_>,
    memo: &mut SignatureMemo,
) -> VisaReport {
    verify_presentation_with(bytes, &[], evidence, expect, memo)
}

/// The same, with visas of others beside it that prove who may revoke by a role, as status lists carry
/// them too. They make nothing else hold: what its presenter needs stands in the presentation.
#[must_use]
pub fn verify_presentation_with(
    bytes: &[u8],
    proofs: &[Vec<u8>],
    evidence: &Evidence<'_>,
    expect: &Expectation<'_>,
    memo: &mut SignatureMemo,
) -> VisaReport {
    let mut run = Run::new(evidence, expect, memo);
    run.proofs = proofs;
    let secured = match Secured::parse(bytes, Kind::Presentation) {
        Ok(secured) => secured,
        Err(e) => {
            run.checks.push(Check::failed("form", e.code(), e.to_string()));
            return run.finish(Vec::new(), &[]);
        }
    };
    run.presentation = Some(secured.id().clone());
    // The claims of a JWT stand beside the members of the presentation.
    let presentation = match Presentation::read(secured.document().clone()) {
        Ok(presentation) => presentation,
        Err(e) => {
            run.checks.push(Check::failed("form", codes::MODEL_BROKEN, e.to_string()));
            return run.finish(Vec::new(), &[]);
        }
    };
    let presenter = run.check_presenter(&secured, &presentation);
    let members = presentation.credentials();
    if members.is_empty() || members.len() > MAX_VISAS {
        let sentence = format!("it holds {} visas, and 1 to {MAX_VISAS} are taken", members.len());
        run.checks.push(Check::failed("form", codes::VISA_COUNT, sentence));
        return run.finish(Vec::new(), &[]);
    }
    let nodes: Vec<Node<'_>> = members
        .iter()
        .map(|m| {
            let reading = run.memo.readings.member(m);
            Node::new(reading, m, &mut run)
        })
        .collect();
    let presented: Vec<usize> = match &presenter {
        None => Vec::new(),
        Some(presenter) => subjects_of(&nodes, presenter),
    };
    run.check_subject(presenter.as_ref(), &presented);
    for index in &presented {
        if let Some(secured) = nodes.get(*index).and_then(Node::secured) {
            run.check_binding(secured, presenter.as_ref(), false);
        }
    }
    run.presenter = presenter;
    run.finish(nodes, &presented)
}

/// Verifies a visa that nobody presents, with the visas that prove its issuers' authority. Only an
/// SD-JWT with key binding says for whom it is shown.
#[must_use]
pub fn verify_visa(
    visa: &[u8],
    supporting: &[Vec<u8>],
    evidence: &Evidence<'_>,
    expect: &Expectation<'_>,
    memo: &mut SignatureMemo,
) -> VisaReport {
    let mut run = Run::new(evidence, expect, memo);
    if supporting.len() >= MAX_VISAS {
        let sentence = format!("more than {MAX_VISAS} visas are given");
        run.checks.push(Check::failed("form", codes::VISA_COUNT, sentence));
        return run.finish(Vec::new(), &[]);
    }
    let mut nodes = Vec::new();
    for bytes in std::iter::once(visa).chain(supporting.iter().map(Vec::as_slice)) {
        let reading = run.memo.readings.bytes(bytes);
        let raw = serde_json::Value::String(String::from_utf8_lossy(bytes).into_owned());
        nodes.push(Node::new(reading, &raw, &mut run));
    }
    let first = nodes.first();
    let subject = first.and_then(|n| n.visa.as_ref()).map(|v| v.subject.clone());
    if let Some(secured) = first.and_then(Node::secured) {
        let asked =
            expect.audience.is_some() || expect.nonce.is_some() || expect.presenter.is_some();
        run.check_binding(secured, subject.as_ref(), asked);
    }
    if let (Some(expected), Some(subject)) = (expect.presenter, &subject)
        && expected != subject
    {
        let sentence = format!("the visa is {subject}'s, and {expected} was expected");
        run.checks.push(Check::failed("presenter", codes::PRESENTER_OTHER, sentence));
    }
    run.finish(nodes, &[0])
}

/// Checks who signed a status list, with which key and when: whether its signer may revoke a visa is
/// for the visa's own verification to say.
#[must_use]
pub fn check_list(
    list: &StatusList,
    resolver: &dyn Resolver,
    now: UnixMillis,
    memo: &mut SignatureMemo,
) -> Vec<Check> {
    let mut checks =
        signature::check(list.secured(), &standing::asked(list, now), resolver, memo).checks;
    checks.extend(standing::from_future(list, now));
    checks
}

fn subjects_of(nodes: &[Node<'_>], did: &Did) -> Vec<usize> {
    let holds = |n: &Node<'_>| n.visa.as_ref().is_some_and(|v| &v.subject == did);
    nodes.iter().enumerate().filter(|(_, n)| holds(n)).map(|(i, _)| i).collect()
}
