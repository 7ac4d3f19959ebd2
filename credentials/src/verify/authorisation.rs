//! The verification of a node authorisation: by the participant, in force, not revoked, and for
//! what is asked.

use super::node::MAX_ADVANCE_SECONDS;
use super::standing::{Lists, Subject, Use};
use super::{Age, Evidence, Expectation, Reliance, Run};
use crate::authorisation::{MAX_VALIDITY_SECONDS, NodeAuthorisation, NodePurpose};
use crate::codes;
use crate::content_id::ContentId;
use crate::secured::{Form, Kind, Secured};
use crate::signature::{Asked, SignatureMemo};
use crate::vcdm::Credential;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Report};
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

/// What a node is to be authorised for.
#[derive(Clone, Copy, Debug)]
pub struct AuthorisationExpectation<'x> {
    /// The time to judge at.
    pub now: UnixMillis,
    /// The time that it is, as [`Expectation::clock`].
    pub clock: UnixMillis,
    /// The participant.
    pub principal: &'x Did,
    /// The node.
    pub node: &'x Did,
    /// What for.
    pub purpose: NodePurpose,
    /// Where; `None` asks for an authorisation for all channels.
    pub channel: Option<&'x ContentId>,
    /// How old its status may be, in seconds: a rule of the channel.
    pub max_status_age_seconds: u64,
}

/// What came out.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthorisationReport {
    /// Each check.
    pub report: Report,
    /// The hash of the authorisation as it was given.
    pub evidence: Option<ContentId>,
    /// What it says; absent where it cannot be read.
    pub authorisation: Option<NodeAuthorisation>,
    /// What it hangs on.
    pub rests_on: Reliance,
    /// How old everything relied on is.
    pub ages: Vec<Age>,
}

/// Verifies a node authorisation.
#[must_use]
pub fn verify_authorisation(
    bytes: &[u8],
    evidence: &Evidence<'_>,
    expect: &AuthorisationExpectation<'_>,
    memo: &mut SignatureMemo,
) -> AuthorisationReport {
    let plain = Expectation {
        now: expect.now,
        clock: expect.clock,
        audience: None,
        nonce: None,
        presenter: None,
    };
    let mut run = Run::new(evidence, &plain, memo);
    run.ages.clear(); // no charter is asked: a participant speaks for itself
    let mut result = AuthorisationReport {
        report: Report::default(),
        evidence: None,
        authorisation: None,
        rests_on: Reliance::default(),
        ages: Vec::new(),
    };
    let refused = |code, sentence: String| Check::failed("form", code, sentence);
    let secured = match Secured::parse(bytes, Kind::Credential) {
        Ok(secured) => secured,
        Err(e) => {
            result.report.push(refused(e.code(), e.to_string()));
            return result;
        }
    };
    result.evidence = Some(secured.id().clone());
    if secured.form() == Form::SdJwt {
        // What is withheld, such as the channels that it is limited to, would widen it.
        let sentence = "a node authorisation is no SD-JWT".to_owned();
        result.report.push(refused(codes::VISA_MALFORMED, sentence));
        return result;
    }
    let read = Credential::read(secured.document().clone()).map_err(Into::into);
    let authorisation = match read.and_then(|c| NodeAuthorisation::read(&c)) {
        Ok(authorisation) => authorisation,
        Err(e) => {
            result.report.push(refused(e.code(), e.to_string()));
            return result;
        }
    };
    let asked = Asked {
        speaker: authorisation.principal.as_str(),
        purpose: Relationship::AssertionMethod,
        now: expect.now,
        audience: None,
        nonce: None,
    };
    let found = run.signature(&secured, &asked);
    result.report.checks.extend(found.checks);
    let (signed, ended) = (found.at, found.ended);
    result.report.checks.extend(own_checks(&authorisation, (signed, ended), expect));
    let lists =
        Lists::verify_named(&BTreeSet::from([authorisation.status.list.as_str()]), &mut run);
    let subject = Subject {
        issuer: &authorisation.principal,
        entries: std::slice::from_ref(&authorisation.status),
        max_age_seconds: expect.max_status_age_seconds,
        revoker_dids: &[],
        revoker_roles: &[],
    };
    result.report.checks.extend(lists.checks(&subject, expect.now, Use::Held));
    result.rests_on.end(authorisation.valid_from, expect.now);
    result.rests_on.end(authorisation.valid_until, expect.now);
    result.rests_on.lists(&lists, &subject, true, expect.now);
    result.ages = std::mem::take(&mut run.ages);
    result.authorisation = Some(authorisation);
    result
}

/// `ended` is from when on the participant's DID is deactivated, where it is.
fn own_checks(
    authorisation: &NodeAuthorisation,
    (signed, ended): (UnixMillis, Option<UnixMillis>),
    expect: &AuthorisationExpectation<'_>,
) -> Vec<Check> {
    let (from, until) = (authorisation.valid_from, authorisation.valid_until);
    let name = "validity";
    let validity = if until.millis_since(from) / 1000 > MAX_VALIDITY_SECONDS {
        let sentence = "it is valid for more than 90 days";
        Check::failed(name, codes::VISA_VALIDITY_TOO_LONG, sentence)
    } else if until.millis_since(signed) / 1000
        > MAX_VALIDITY_SECONDS.saturating_add(MAX_ADVANCE_SECONDS)
    {
        // Else whoever has an old key of the participant signs, dated back, for nodes of today.
        let sentence = format!("it was signed at {signed} for a time until {until}");
        Check::failed(name, codes::VISA_VALIDITY_TOO_LONG, sentence)
    } else if expect.now < from {
        Check::failed(name, codes::VISA_NOT_YET, format!("it is valid from {from} on"))
    } else if expect.now >= until {
        Check::failed(name, codes::VISA_EXPIRED, format!("it was valid until {until}"))
    } else {
        Check::passed(name, codes::VISA_IN_FORCE, format!("valid until {until}"))
    };
    let name = "authorisation";
    let who = &authorisation.principal == expect.principal && &authorisation.node == expect.node;
    let covers = authorisation.covers(expect.purpose, expect.channel);
    let authorised = if !(who && covers) {
        let what = expect.purpose.name();
        let sentence =
            format!("{} did not authorise {} for {what} here", expect.principal, expect.node);
        Check::failed(name, codes::NODE_NOT_AUTHORISED, sentence)
    } else if let Some(ended) = ended.filter(|ended| *ended <= expect.now) {
        // Nobody acts for somebody who is no more, whenever that was signed.
        let sentence = format!("{} is deactivated since {ended}", expect.principal);
        Check::failed(name, identity_codes::DID_DEACTIVATED, sentence)
    } else {
        let sentence = format!("{} authorised {}", expect.principal, expect.node);
        Check::passed(name, codes::NODE_AUTHORISED, sentence)
    };
    vec![validity, authorised]
}
