//! What is found of a request: who asks, whom, and what a visa would have to fit.

use crate::commands::arguments::Material;
use crate::context::{MAX_INPUT, read_input};
use crate::output::Failure;
use gridpass_credentials::charter::ListedRole;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::request::{self, Received, VisaRequest};
use gridpass_credentials::role::RoleName;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{Evidence, Expectation, VisaReport, verify_presentation};
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
use serde_json::Value;

/// What was found of a request.
pub struct Examined {
    pub request: Received<VisaRequest>,
    pub report: Report,
    pub shown: Option<VisaReport>,
}

/// A request's file.
pub fn read(file: &std::path::Path) -> Result<Parcel, Failure> {
    Ok(Parcel::parse_or_bare(&read_input(file, MAX_INPUT)?, ParcelKind::Request)?)
}

/// Verifies who asks by a request, and checks what a visa would have to fit.
pub fn examine(parcel: &Parcel, material: &Material) -> Result<Examined, Failure> {
    let text = parcel.content.clone().unwrap_or_default();
    let (request, shown) = {
        let snapshots = material.snapshots()?;
        let resolver = OfflineResolver::new(&snapshots);
        let request: Received<VisaRequest> = request::receive(&text, None, &resolver, material.at)?;
        let shown = request.statement.presentation.as_ref().map(|presentation| {
            let evidence = Evidence {
                trust: &material.trust,
                lists: &material.lists,
                resolver: &resolver,
                seen: &material.seen,
            };
            let expect = Expectation {
                now: material.at,
                clock: material.clock,
                audience: Some(request.statement.issuer.as_str()),
                nonce: None,
                presenter: Some(&request.statement.holder),
            };
            verify_presentation(
                presentation.as_bytes(),
                &evidence,
                &expect,
                &mut SignatureMemo::default(),
            )
        });
        (request, shown)
    };
    let mut report = request.report.clone();
    report.push(audience_check(&request, material)?);
    report.checks.extend(role_checks(&request.statement, &material.trust, material.at));
    let asked = &request.statement;
    if let (Some(wallet), Some(role)) =
        (&material.wallet, material.trust.definition(&asked.definition))
        && let Some(why) =
            super::consent::not_its_own(wallet, &asked.issuer, &role.definition, &asked.claims)?
    {
        report.push(Check::failed("consent", gridpass_credentials::codes::CLAIMS_UNFIT, why));
    }
    if let Some(shown) = &shown {
        let sentence = match shown.outcome {
            Outcome::Passed => match shown.granted().count() {
                1 => "1 visa is shown and holds".to_owned(),
                count => format!("{count} visas are shown and hold"),
            },
            _ => format!("what is shown does not hold: {}", shown.sentence),
        };
        report.push(Check { name: "shown", outcome: shown.outcome, code: shown.code, sentence });
    } else if let Some((_, role)) = material.trust.find_role(request.statement.definition.as_str())
        && role.definition.preconditions.is_some()
    {
        let sentence = "the role requires other visas first, and none is shown";
        let code = gridpass_credentials::codes::PRECONDITIONS_UNKNOWN;
        report.push(Check::indeterminate("shown", code, sentence));
    }
    Ok(Examined { request, report, shown })
}

fn audience_check(request: &Received<VisaRequest>, material: &Material) -> Result<Check, Failure> {
    let issuer = &request.statement.issuer;
    let Some(wallet) = &material.wallet else {
        let sentence = format!("it is addressed to {issuer}");
        return Ok(Check::passed("issuer", gridpass_identity::codes::ADDRESSED, sentence));
    };
    let ours = wallet.identities()?.iter().any(|i| &i.did == issuer);
    Ok(if ours {
        let sentence = format!("it is addressed to {issuer}, an identity of this wallet");
        Check::passed("issuer", gridpass_identity::codes::ADDRESSED, sentence)
    } else {
        let sentence = format!("it is addressed to {issuer}, which is nobody in this wallet");
        Check::failed("issuer", gridpass_identity::codes::NOT_ADDRESSED, sentence)
    })
}

fn role_checks(request: &VisaRequest, trust: &Trust, at: UnixMillis) -> Vec<Check> {
    use gridpass_credentials::codes;
    let listed = trust.charter().charter().role(&request.definition);
    let (Some(listed), Some(role)) = (listed, trust.definition(&request.definition)) else {
        let sentence =
            format!("the charter does not list {} ({})", request.role, request.definition);
        return vec![Check::failed("definition", codes::ROLE_NOT_LISTED, sentence)];
    };
    let definition = definition_check(listed, &request.role, at);
    let mut violations = role.claims.violations(&Value::Object(request.claims.clone()));
    violations.extend(gridpass_policy::consent::faults(&request.claims, at));
    let claims = if violations.is_empty() {
        Check::passed("claims", codes::CLAIMS_FIT, "the claims fit the definition's schema")
    } else {
        Check::failed("claims", codes::CLAIMS_UNFIT, violations.join("; "))
    };
    vec![definition, claims]
}

/// Whether a role is to be had, and is the one that people read in the request.
fn definition_check(listed: &ListedRole, asked: &RoleName, at: UnixMillis) -> Check {
    use gridpass_credentials::codes;
    if &listed.name != asked {
        let sentence = format!("it asks for {}, and calls it {asked}", listed.name);
        return Check::failed("definition", codes::DEFINITION_NAME, sentence);
    }
    if listed.is_retired(at) {
        let sentence = format!("{} is retired", listed.name);
        return Check::failed("definition", codes::ROLE_RETIRED, sentence);
    }
    Check::passed("definition", codes::ROLE_LISTED, format!("{} is listed", listed.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_credentials::codes;
    use gridpass_credentials::content_id::ContentId;

    #[test]
    fn a_request_calls_the_role_by_its_name() {
        let name = |text: &str| RoleName::parse(text).expect("a name");
        let at = UnixMillis::new(1_000);
        let mut listed = ListedRole {
            definition: ContentId::of_nothing(),
            name: name("flex.two.member"),
            retired: None,
            grace_seconds: None,
        };
        let code =
            |listed: &ListedRole, asked: &str| definition_check(listed, &name(asked), at).code;
        assert_eq!(code(&listed, "flex.two.member"), codes::ROLE_LISTED);
        assert_eq!(code(&listed, "flex.two.regulator"), codes::DEFINITION_NAME);
        listed.retired = Some(at);
        assert_eq!(code(&listed, "flex.two.member"), codes::ROLE_RETIRED);
    }
}
