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
mod reading;
mod reliance;
mod standing;

pub(crate) use reading::Readings;

pub use authorisation::{AuthorisationExpectation, AuthorisationReport, verify_authorisation};
pub use authority::{carries_authority, pretends_authority};
pub use reliance::{ListRead, Reliance};

use crate::codes;
use crate::content_id::ContentId;
use crate::secured::{Kind, Seal, Secured};
use crate::signature::{self, Asked, OnceResolver, SignatureMemo};
use crate::status::StatusList;
use crate::trust::Trust;
use crate::vcdm::Presentation;
use crate::visa::Visa;
use chain::Chains;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::json;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::UnixMillis;
use node::Node;
use serde::Serialize;
use standing::Lists;
use std::collections::{BTreeMap, BTreeSet};

/// The most visas in one verification.
pub const MAX_VISAS: usize = 64;
/// The most visas beside them that prove who may revoke by a role.
pub const MAX_PROOFS: usize = 64;
/// How old a key binding may be, in milliseconds.
pub const MAX_BINDING_AGE_MILLIS: u64 = 10 * 60 * 1000;
/// The version of the report's format.
pub const REPORT_VERSION: u32 = 1;

/// The newest state of each status list that was ever seen, by list and signer. Whoever begins with an empty one
/// each time takes a list from before a revocation: [`crate::verifier::Verifier`] keeps one, as does a wallet
/// ([`crate::keeping::see_list`]).
pub type SeenLists = BTreeMap<(String, Did), (u64, UnixMillis)>;

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

/// How old a piece of trust material is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Age {
    /// What it is: `charter`, `status list …`, `document of did:…`.
    pub what: String,
    /// How old, in seconds.
    pub age_seconds: u64,
}

/// A step from a visa towards the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

    /// The same, where it may have ended with time too, or lack what it requires.
    fn held_but_for_status(&self) -> bool {
        let fine = |c: &Check| {
            c.outcome == Outcome::Passed || standing::is_status(c) || standing::is_lapse(c)
        };
        self.checks.iter().all(fine)
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// One verification on its way.
struct Run<'r> {
    evidence: &'r Evidence<'r>,
    expect: &'r Expectation<'r>,
    memo: &'r mut SignatureMemo,
    resolver: OnceResolver<'r>,
    /// Visas that were given to prove who may revoke.
    proofs: &'r [Vec<u8>],
    presentation: Option<ContentId>,
    presenter: Option<Did>,
    presentation_expires: Option<UnixMillis>,
    checks: Vec<Check>,
    ages: Vec<Age>,
}

impl<'r> Run<'r> {
    fn new(
        evidence: &'r Evidence<'r>,
        expect: &'r Expectation<'r>,
        memo: &'r mut SignatureMemo,
    ) -> Self {
        let charter = evidence.trust.charter().charter();
        let age = |what: String, since: UnixMillis| Age {
            what,
            age_seconds: expect.now.millis_since(since) / 1000,
        };
        let ages = vec![age(format!("charter, version {}", charter.version), charter.dated)];
        let (presentation, presenter, presentation_expires) = (None, None, None);
        let checks = Vec::new();
        let resolver = OnceResolver::new(evidence.resolver);
        Self {
            evidence,
            expect,
            memo,
            resolver,
            proofs: &[],
            presentation,
            presenter,
            presentation_expires,
            checks,
            ages,
        }
    }

    /// A signature, noting how old the signer's document is.
    fn signature(&mut self, secured: &Secured, asked: &Asked<'_>) -> signature::Found {
        let found = signature::check(secured, asked, &self.resolver, self.memo);
        if let Some(millis) = found.age_millis {
            let what = format!("document of {}", asked.speaker);
            self.ages.push(Age { what, age_seconds: millis / 1000 });
        }
        found
    }

    fn check_presenter(&mut self, secured: &Secured, presentation: &Presentation) -> Option<Did> {
        let signer = secured.key_id().map(|k| k.did().clone());
        // A presentation without `holder` is its signer's.
        let speaker = match (presentation.holder(), &signer) {
            (Some(holder), _) => holder.to_owned(),
            (None, Some(signer)) => signer.to_string(),
            (None, None) => String::new(),
        };
        let asked = Asked {
            speaker: &speaker,
            purpose: Relationship::Authentication,
            now: self.expect.now,
            audience: self.expect.audience,
            nonce: self.expect.nonce,
        };
        let found = self.signature(secured, &asked);
        self.checks.extend(found.checks);
        // Judged for an earlier time: the key that presents may be another one soon after.
        self.ends(found.next_change);
        let (addressed, expires) = match &secured.seal {
            Seal::Proof(proof) => (!proof.domains.is_empty(), proof.expires),
            Seal::Jws(_) | Seal::SdJwt(_) => {
                let claim = |name: &str| secured.document().get(name);
                let exp = claim("exp").map(|e| e.as_u64().unwrap_or(0));
                let expires = exp.map(|seconds| UnixMillis::new(seconds.saturating_mul(1000)));
                (claim("aud").is_some(), expires)
            }
        };
        self.ends(expires);
        if !(addressed && expires.is_some()) || self.expect.audience.is_none() {
            let sentence = "it does not say for whom it is and until when, or nobody was asked for";
            self.checks.push(Check::failed("audience", codes::PRESENTATION_UNBOUND, sentence));
        }
        signer
    }

    /// Notes until when the presentation counts.
    fn ends(&mut self, end: Option<UnixMillis>) {
        self.presentation_expires = match (self.presentation_expires, end) {
            (Some(known), Some(end)) => Some(known.min(end)),
            (known, end) => known.or(end),
        };
    }

    fn check_subject(&mut self, presenter: Option<&Did>, presented: &[usize]) {
        let name = "presenter";
        let shown = presenter.map_or_else(|| "nobody".to_owned(), Did::to_string);
        let expected = self.expect.presenter;
        let check = if expected.is_some_and(|e| Some(e) != presenter) {
            let sentence = format!("{shown} presents, and another was expected");
            Check::failed(name, codes::PRESENTER_OTHER, sentence)
        } else if presented.is_empty() {
            let sentence = format!("{shown} presents, and none of the visas is {shown}'s own");
            Check::failed(name, codes::PRESENTER_OTHER, sentence)
        } else {
            Check::passed(name, codes::PRESENTER, format!("{shown} presents its own visas"))
        };
        self.checks.push(check);
    }

    /// The key binding of an SD-JWT: by the subject, for this verifier, now.
    fn check_binding(&mut self, secured: &Secured, subject: Option<&Did>, required: bool) {
        let binding = match &secured.seal {
            Seal::SdJwt(sd_jwt) => sd_jwt.binding(),
            Seal::Jws(_) | Seal::Proof(_) => None,
        };
        let name = "key binding";
        let Some((jws, binding)) = binding else {
            if required {
                let sentence = "nobody presents it: it has no key binding, and anybody can copy it";
                self.checks.push(Check::failed(name, codes::PRESENTATION_UNBOUND, sentence));
            }
            return;
        };
        let mut fail = |code: Code, sentence: String| {
            self.checks.push(Check::failed(name, code, sentence));
        };
        let made = UnixMillis::new(binding.iat.saturating_mul(1000));
        let end = made.plus_millis(MAX_BINDING_AGE_MILLIS.saturating_add(1));
        self.presentation_expires = Some(self.presentation_expires.map_or(end, |e| e.min(end)));
        if self.expect.audience.is_none_or(|a| a != binding.aud) {
            fail(codes::AUDIENCE_OTHER, "it was presented to somebody else".into());
        }
        if self.expect.nonce.is_some_and(|n| n != binding.nonce) {
            fail(codes::NONCE_OTHER, "it does not answer the nonce that was given".into());
        }
        if self.expect.now.millis_since(made) > MAX_BINDING_AGE_MILLIS {
            fail(codes::BINDING_OLD, format!("it was presented at {made}"));
        }
        let expectation = gridpass_identity::verify::Expectation {
            purpose: Relationship::Authentication,
            now: self.expect.now,
            // Who presents must hold the key now; what it says of its own time proves nothing.
            proven_at: Some(self.expect.now),
            signer: subject.cloned(),
            audience: None,
        };
        match gridpass_identity::verify::verify_jws(jws, None, &self.resolver, &expectation) {
            Ok(verification) => self.checks.extend(verification.report.checks),
            Err(e) => self.checks.push(Check::failed(name, e.code(), e.to_string())),
        }
        let ahead = made.millis_since(self.expect.now);
        if ahead > gridpass_identity::time::MAX_CLOCK_SKEW_MILLIS {
            let code = gridpass_identity::codes::SIGNED_IN_FUTURE;
            self.checks.push(Check::failed(name, code, format!("it was presented at {made}")));
        }
    }

    /// Adds the visas that prove who may revoke by a role: those that were given for it, and those that
    /// the lists carry of the visas that are shown.
    fn with_proofs(&mut self, mut nodes: Vec<Node<'r>>) -> Vec<Node<'r>> {
        let (mut roles, mut named) = (BTreeSet::new(), BTreeSet::new());
        for (visa, role) in nodes.iter().filter_map(|n| n.visa.as_ref().zip(n.role)) {
            if let Some(revokers) = &role.definition.revokers
                && !revokers.roles.is_empty()
            {
                roles.extend(revokers.roles.iter().cloned());
                named.extend(visa.status.iter().map(|s| s.list.clone()));
            }
        }
        if roles.is_empty() {
            return nodes;
        }
        let mut given = Vec::new();
        for bytes in self.proofs {
            let reading = self.memo.readings.given(&String::from_utf8_lossy(bytes));
            given.extend(reading.ok().filter(|reading| reading.visa.is_ok()));
        }
        let lists = self.evidence.lists.iter().filter(|l| named.contains(&l.id));
        let mut lists: Vec<&StatusList> = lists.collect();
        lists.sort_by(|a, b| (&a.id, &a.issuer, b.order()).cmp(&(&b.id, &b.issuer, a.order())));
        for list in lists {
            let read = list.authority().filter_map(|m| self.memo.readings.member(m).ok());
            // What is no visa proves nothing, and takes the place of none.
            let carried: Vec<_> = read.filter(|reading| reading.visa.is_ok()).collect();
            let fits = |v: &Visa| v.subject == list.issuer && roles.contains(&v.definition);
            // What others carry proves nothing about them.
            if carried.iter().any(|reading| reading.visa.as_ref().is_ok_and(fits)) {
                given.extend(carried);
            }
        }
        let most = nodes.len().saturating_add(MAX_PROOFS);
        for reading in given {
            if nodes.iter().any(|n| &n.evidence == reading.secured.id()) {
                continue;
            }
            if nodes.len() >= most {
                let sentence = format!("more than {MAX_PROOFS} visas prove who may revoke");
                self.checks.push(Check::indeterminate("revokers", codes::VISA_COUNT, sentence));
                break;
            }
            let mut node = Node::new(Ok(reading), &serde_json::Value::Null, self);
            node.proves_revoker = true;
            nodes.push(node);
        }
        nodes
    }

    fn finish(mut self, nodes: Vec<Node<'r>>, presented: &[usize]) -> VisaReport {
        let nodes = self.with_proofs(nodes);
        let lists = Lists::verify(&nodes, &mut self);
        let lists_clock = lists.clock;
        let chains = Chains::find(&nodes, lists, self.evidence, self.expect.now);
        let visas: Vec<Verdict> = nodes
            .iter()
            .enumerate()
            .map(|(i, node)| chains.verdict(i, node, presented.contains(&i)))
            .collect();
        let charter = self.evidence.trust.charter();
        let trust = TrustSummary {
            pack: self.evidence.trust.id().clone(),
            charter: charter.id().clone(),
            name: charter.charter().name.clone(),
            version: charter.charter().version,
            dated: charter.charter().dated,
        };
        let (outcome, code, sentence) = whole(&self.checks, &visas);
        self.ages.sort();
        self.ages.dedup();
        VisaReport {
            format_version: REPORT_VERSION,
            outcome,
            code,
            sentence,
            at: self.expect.now,
            clock: Some(lists_clock).filter(|clock| *clock != self.expect.now),
            clock_given: false,
            trust,
            evidence: self.presentation,
            presenter: self.presenter,
            presentation_expires: self.presentation_expires,
            checks: self.checks,
            visas,
            ages: self.ages,
        }
    }
}

/// Whether nothing is wrong with a visa but that its time is over, and another one for the same role that
/// was presented too stands: the one before a renewal takes nothing away.
fn is_replaced(old: &Verdict, visas: &[Verdict]) -> bool {
    let mut wrong = old.checks.iter().filter(|c| c.outcome != Outcome::Passed).peekable();
    let Some(visa) = old.visa.as_ref().filter(|_| wrong.peek().is_some()) else { return false };
    let same = |v: &Verdict| {
        let role = v.visa.as_ref().map(|w| (&w.subject, &w.definition));
        v.presented
            && v.outcome == Outcome::Passed
            && role == Some((&visa.subject, &visa.definition))
    };
    wrong.all(|c| c.code == codes::VISA_EXPIRED) && visas.iter().any(same)
}

/// The worst of everything that was asked about; nothing asked is nothing known.
fn whole(checks: &[Check], visas: &[Verdict]) -> (Outcome, Code, String) {
    let own = checks.iter().map(|c| (c.outcome, c.code, c.sentence.clone()));
    let theirs = visas.iter().filter(|v| v.presented && !is_replaced(v, visas));
    let theirs = theirs.map(|v| (v.outcome, v.code, v.sentence.clone()));
    let all: Vec<_> = own.chain(theirs).collect();
    let first = |o: Outcome| all.iter().find(|(outcome, ..)| *outcome == o).cloned();
    first(Outcome::Failed)
        .or_else(|| first(Outcome::Indeterminate))
        .or_else(|| all.last().cloned())
        .unwrap_or((Outcome::Indeterminate, codes::VISA_COUNT, "nothing was checked".into()))
}
