//! Whether who is asked for a visa may issue it: told before anybody waits for it, and with the code that
//! issuing gives.

use super::request::Reviewed;
use super::wanted::{known_documents, members};
use crate::commands::arguments::Material;
use crate::commands::sign::identity;
use crate::context::{now, rng};
use crate::output::Failure;
use crate::warnings::warn;
use gridpass_credentials::codes;
use gridpass_credentials::issuing::{IssueError, Issuer, NewVisa};
use gridpass_credentials::keeping::{self, HeldVisa, read_visa};
use gridpass_credentials::secured::Form;
use gridpass_credentials::trust::{KnownRole, Trust};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::Check;
use gridpass_identity::resolve::OfflineResolver;

/// The name of the check.
pub const ISSUING: &str = "issuing";

/// Why nobody would take a visa for this role by this issuer, as far as the trust pack alone says. Nothing
/// where it may hold a role that lets it issue.
fn impossible(trust: &Trust, role: &KnownRole, issuer: &Did) -> Option<Check> {
    let (issuers, name) = (&role.definition.issuers, &role.definition.name);
    if !issuers.roles.is_empty() {
        return None;
    }
    if !issuers.dids.contains(issuer) {
        let sentence = format!("{issuer} may not issue {name}");
        return Some(Check::failed(ISSUING, codes::ISSUER_NOT_ALLOWED, sentence));
    }
    if !trust.charter().charter().roots.contains(issuer) {
        let sentence = format!("{issuer} is no root of the charter, and could not issue {name}");
        return Some(Check::failed(ISSUING, codes::ISSUER_NOT_ROOT, sentence));
    }
    None
}

/// Refuses to ask whoever could not issue it.
pub fn refuse_other_issuer(trust: &Trust, role: &KnownRole, issuer: &Did) -> Result<(), Failure> {
    let Some(check) = impossible(trust, role, issuer) else { return Ok(()) };
    let name = &role.definition.name;
    let others: Vec<&str> = role.definition.issuers.dids.iter().map(Did::as_str).collect();
    let next = format!(
        "{name} is issued by {}: ask there with `gridpass visa request {name} --issuer DID`. Where that is not \
         so any more, take the newest trust pack: `gridpass charter verify PACK --adopt`.",
        others.join(", ")
    );
    Err(Failure::new(check.code, check.sentence).next(next))
}

/// Warns where a visa is asked for again of who issued it, and the role is issued otherwise since then:
/// what the holder has of that issuer's authority is for the role as it was.
pub fn warn_of_other_role(held: &HeldVisa, role: &KnownRole, issuer: &Did) {
    let issuers = &role.definition.issuers;
    if issuers.roles.is_empty() || issuers.dids.contains(issuer) {
        return;
    }
    let mut authorities = held.supporting.iter().filter_map(|text| read_visa(text).ok());
    if authorities.any(|(_, v)| &v.subject == issuer && issuers.roles.contains(&v.definition)) {
        return;
    }
    let name = &role.definition.name;
    let message = format!("whether {issuer} may issue {name} as it is now is not known here");
    warn(Some(codes::CHAIN_LINK_MISSING), message);
}

/// Whether what is asked for could be issued, by trying: where it could not, with the code that issuing
/// gives. For as long as was asked for, or is allowed; nothing where it cannot be told here.
pub fn rehearse(reviewed: &mut Reviewed) -> Result<Option<Check>, Failure> {
    let Reviewed { request, material, .. } = reviewed;
    let asked = &request.statement;
    let Material { trust, lists, supporting, identities, wallet, .. } = material;
    let trust: &Trust = trust;
    let Some(role) = trust.definition(&asked.definition) else { return Ok(None) };
    let Some(wallet) = wallet else { return Ok(impossible(trust, role, &asked.issuer)) };
    let failed = |code: Code, sentence: String| Some(Check::failed(ISSUING, code, sentence));
    let me = match identity(wallet, Some(asked.issuer.as_str())) {
        Ok(me) => me,
        Err(e) => return Ok(failed(e.code, e.message)),
    };
    let mut shown = match &asked.presentation {
        Some(text) => members(text)?,
        None => Vec::new(),
    };
    shown.extend_from_slice(supporting);
    let signers = keeping::lists(wallet)?.0.into_iter().map(|list| list.issuer).collect();
    let parties = [&me.did, &asked.holder];
    let known = known_documents(wallet, trust, &shown, identities, parties, signers)?;
    let resolver = OfflineResolver::new(&known);
    let (from, longest) = (now(), role.definition.max_validity_seconds);
    let seconds = asked.validity_seconds.filter(|s| (1..=longest).contains(s));
    let definition = asked.definition.to_string();
    let new = NewVisa {
        subject: &asked.holder,
        role: &definition,
        claims: asked.claims.clone(),
        valid_from: from,
        valid_until: seconds.map(|s| from.floor_to_second().plus_millis(s.saturating_mul(1000))),
        form: Form::Jwt,
        withholdable: &[],
        list_base: None,
    };
    let issuer = Issuer { wallet, identity: &me, trust, now: from };
    let evidence = (shown.as_slice(), lists.as_slice());
    Ok(match issuer.rehearse(&new, evidence, &resolver, &mut rng()) {
        Ok(()) => {
            let by_name = role.definition.issuers.dids.contains(&me.did);
            let code = if by_name { codes::CHAIN_ROOT } else { codes::CHAIN_DELEGATED };
            let sentence = format!("{} may issue {}", me.did, role.definition.name);
            Some(Check::passed(ISSUING, code, sentence))
        }
        Err(IssueError::Refused(report)) => {
            let (outcome, code) = (report.outcome, report.code);
            Some(Check { name: ISSUING, outcome, code, sentence: report.sentence.clone() })
        }
        Err(e) => failed(e.code(), e.to_string()),
    })
}
