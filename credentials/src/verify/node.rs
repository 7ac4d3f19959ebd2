//! One visa by itself: its form, its signature, its definition, its claims. What time and others
//! have to say about it comes later.

use super::Run;
use super::reading::Reading;
use crate::charter::ListedRole;
use crate::codes;
use crate::content_id::ContentId;
use crate::secured::{Secured, SecuredError};
use crate::signature::{self, Asked};
use crate::trust::KnownRole;
use crate::visa::Visa;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::time::UnixMillis;
use serde_json::Value;
use std::sync::Arc;

/// How long before its validity begins a visa may be signed, in seconds: thirty days.
pub(super) const MAX_ADVANCE_SECONDS: u64 = 30 * 24 * 3600;

/// A visa and what was found about it alone.
pub(super) struct Node<'t> {
    pub(super) evidence: ContentId,
    reading: Option<Arc<Reading>>,
    pub(super) visa: Option<Visa>,
    pub(super) role: Option<&'t KnownRole>,
    pub(super) listed: Option<&'t ListedRole>,
    /// When it was issued; only where `visa` is.
    pub(super) issued: UnixMillis,
    pub(super) checks: Vec<Check>,
    pub(super) outcome: Outcome,
    /// Whether it was given only to prove that somebody may revoke: nothing else rests on it.
    pub(super) proves_revoker: bool,
}

impl<'t> Node<'t> {
    /// Reads and checks one; what cannot be read fails with its reason. `raw` names it then.
    pub(super) fn new(
        reading: Result<Arc<Reading>, SecuredError>,
        raw: &Value,
        run: &mut Run<'t>,
    ) -> Self {
        let mut node = Self {
            evidence: evidence_of(&reading, raw),
            reading: None,
            visa: None,
            role: None,
            listed: None,
            issued: run.expect.now,
            checks: Vec::new(),
            outcome: Outcome::Failed,
            proves_revoker: false,
        };
        match reading {
            Err(e) => node.checks.push(Check::failed("form", e.code(), e.to_string())),
            Ok(reading) => {
                node.examine(&reading, run);
                node.reading = Some(reading);
            }
        }
        node.outcome = signature::outcome(&node.checks);
        node
    }

    /// The signed text, where it could be read.
    pub(super) fn secured(&self) -> Option<&Secured> {
        self.reading.as_deref().map(|r| &r.secured)
    }

    fn examine(&mut self, reading: &Reading, run: &mut Run<'t>) {
        let secured = &reading.secured;
        let visa = match &reading.visa {
            Ok(visa) => visa,
            Err(check) => {
                self.checks.push(check.clone());
                return;
            }
        };
        self.checks.push(Check::passed(
            "form",
            codes::VISA_PROFILE,
            format!("a visa for {}", visa.role),
        ));
        let asked = Asked {
            speaker: visa.issuer.as_str(),
            purpose: Relationship::AssertionMethod,
            now: run.expect.now,
            audience: None,
            nonce: None,
        };
        let found = run.signature(secured, &asked);
        self.issued = found.at;
        self.checks.extend(found.checks);
        self.check_role(visa, secured.withheld(), run);
        self.visa = Some(visa.clone());
    }

    fn check_role(&mut self, visa: &Visa, withheld: usize, run: &Run<'t>) {
        let trust = run.evidence.trust;
        let Some(listed) = trust.charter().charter().role(&visa.definition) else {
            let sentence = format!("the charter does not list {} ({})", visa.role, visa.definition);
            self.checks.push(Check::failed("definition", codes::ROLE_NOT_LISTED, sentence));
            // Who could issue it, and how it stands: what its holder revoked is not good because of that.
            self.role = trust.definition(&visa.definition);
            return;
        };
        self.listed = Some(listed);
        let Some(role) = trust.definition(&visa.definition) else {
            let sentence = format!("the definition {} is not at hand", visa.definition);
            self.checks.push(Check::indeterminate(
                "definition",
                codes::DEFINITION_MISSING,
                sentence,
            ));
            return;
        };
        self.role = Some(role);
        let definition = &role.definition;
        if definition.name != visa.role {
            let sentence = format!("it grants {}, and calls it {}", definition.name, visa.role);
            self.checks.push(Check::failed("definition", codes::DEFINITION_NAME, sentence));
            return;
        }
        let sentence = format!("{} {} is listed", definition.name, definition.version);
        self.checks.push(Check::passed("definition", codes::ROLE_LISTED, sentence));
        self.checks.push(claims_check(visa, role, withheld));
        let span = visa.valid_until.millis_since(visa.valid_from) / 1000;
        if span > definition.max_validity_seconds {
            let most = definition.max_validity_seconds;
            let sentence =
                format!("it is valid for {span} seconds, and at most {most} are allowed");
            self.checks.push(Check::failed("validity", codes::VISA_VALIDITY_TOO_LONG, sentence));
            return;
        }
        // Else whoever has an issuer's old key signs, dated back, visas for today and for ever.
        let ahead = visa.valid_until.millis_since(self.issued) / 1000;
        if ahead > definition.max_validity_seconds.saturating_add(MAX_ADVANCE_SECONDS) {
            let sentence = format!(
                "it was signed at {} for a time until {}: further ahead than a visa may be issued",
                self.issued, visa.valid_until
            );
            self.checks.push(Check::failed("validity", codes::VISA_VALIDITY_TOO_LONG, sentence));
        }
    }
}

fn claims_check(visa: &Visa, role: &KnownRole, withheld: usize) -> Check {
    let name = "claims";
    let schema = if withheld > 0 { &role.partial_claims } else { &role.claims };
    let violations = schema.violations(&Value::Object(visa.claims.clone()));
    if !violations.is_empty() {
        return Check::failed(name, codes::CLAIMS_UNFIT, violations.join("; "));
    }
    if withheld > 0 {
        let sentence = format!("what is shown fits; {withheld} claims are withheld");
        return Check::passed(name, codes::CLAIMS_WITHHELD, sentence);
    }
    Check::passed(name, codes::CLAIMS_FIT, "the claims fit the definition's schema")
}

fn evidence_of(reading: &Result<Arc<Reading>, SecuredError>, raw: &Value) -> ContentId {
    match reading {
        Ok(reading) => reading.secured.id().clone(),
        Err(_) => {
            let named = match raw {
                Value::String(text) => ContentId::of_bytes(text.as_bytes()),
                other => ContentId::of_json(other).map(|(id, _)| id),
            };
            named.unwrap_or_else(|_| ContentId::of_nothing())
        }
    }
}
