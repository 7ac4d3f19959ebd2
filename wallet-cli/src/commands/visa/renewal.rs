//! What is known of earlier visas beside which, or in whose place, another is to be issued: one that was
//! taken back, by its issuer or by somebody else who may, is not given again in silence. Whoever asks
//! chooses whether its request names that one, so all that it had for the role are looked at.

use super::issue::{answer_to, in_force, others};
use super::standing::{Entered, Known};
use crate::output::{Failure, counted};
use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::KeepError;
use gridpass_credentials::register;
use gridpass_credentials::request::{Received, VisaRequest};
use gridpass_credentials::role::RoleName;
use gridpass_identity::did::Did;
use gridpass_identity::report::Check;
use gridpass_identity::wallet::Wallet;
use serde_json::{Value, json};
use std::rc::Rc;

/// How those stand that a request is to replace, or that its holder had for the role: by the register, and by
/// the lists of other revokers that are kept.
pub fn checks(
    wallet: &Wallet,
    known: &mut Known,
    request: &VisaRequest,
) -> Result<Vec<Check>, Failure> {
    let mut checks: Vec<Check> = renewed(wallet, known, request)?.into_iter().collect();
    let role = (&request.role, &request.definition);
    let replaced = request.renews.as_deref();
    checks.extend(earlier(wallet, known, &request.holder, role, replaced)?);
    Ok(checks)
}

/// Whether a request was refused from here, and why: whoever asked may have the refusal, which verifies.
pub fn refused(wallet: &Wallet, request: &ContentId) -> Result<Option<Check>, Failure> {
    Ok(register::refused(wallet, request)?.map(|refused| {
        let (at, by, reason) = (refused.at, refused.by, refused.reason);
        let sentence = format!("this request was refused at {at} by {by}: {reason}");
        Check::failed("refused", codes::REQUEST_REFUSED, sentence)
    }))
}

/// How the visa stands that a request is to replace. Nothing where the request replaces none, or one that is
/// not in the register.
fn renewed(
    wallet: &Wallet,
    known: &mut Known,
    request: &VisaRequest,
) -> Result<Option<Check>, Failure> {
    let Some(id) = &request.renews else { return Ok(None) };
    let record = match register::find_issued(wallet, id, |_, _| true) {
        Ok(record) => record,
        Err(KeepError::NotFound { .. } | KeepError::Ambiguous { .. }) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let visa = record.read()?;
    if &visa.id != id {
        return Ok(None);
    }
    let standing = known.issued(wallet, &record, &visa)?;
    let has_lapsed = standing.has_lapsed();
    let why = standing.why.map(|(_, sentence)| format!(": {sentence}")).unwrap_or_default();
    let sentence = format!("it is to replace {id}, which is {}{why}", standing.state);
    let name = "renews";
    Ok(Some(match standing.state {
        "revoked" => Check::failed(name, codes::VISA_REVOKED, sentence),
        "suspended" => Check::failed(name, codes::VISA_SUSPENDED, sentence),
        _ if has_lapsed => Check::indeterminate(name, codes::STATUS_REVOKER_LAPSED, sentence),
        _ => Check::passed(name, codes::VISA_IN_FORCE, sentence),
    }))
}

/// Which visas of a role the register has for a holder that are revoked or suspended, or another issuer's that
/// were so from here, but for the one of the id `except`. Not those after which the holder was given another one: somebody decided then.
pub fn earlier(
    wallet: &Wallet,
    known: &mut Known,
    holder: &Did,
    (role, definition): (&RoleName, &ContentId),
    except: Option<&str>,
) -> Result<Vec<Check>, Failure> {
    let mut all = Vec::new();
    for entered in known.register(wallet)? {
        let visa = &entered.visa;
        let same = &visa.role == role || &visa.definition == definition;
        if same && &visa.subject == holder {
            all.push(entered);
        }
    }
    let mut checks = Vec::new();
    for entered in &all {
        let (record, visa) = (&entered.record, &entered.visa);
        if except == Some(visa.id.as_str()) {
            continue;
        }
        let standing = known.issued(wallet, record, visa)?;
        let code = match standing.state {
            "revoked" => codes::VISA_REVOKED,
            "suspended" => codes::VISA_SUSPENDED,
            _ => continue,
        };
        let since = known.taken_back(record, visa);
        let again = |other: &Rc<Entered>| {
            other.visa.id != visa.id && since.is_some_and(|since| other.record.issued >= since)
        };
        if all.iter().any(again) {
            continue;
        }
        let last = record.events.last().and_then(|event| event.reason.as_ref());
        let reason = last.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
        let sentence = format!(
            "its holder has {} by visa {} already, which is {}{since}{reason}",
            visa.role, visa.id, standing.state
        );
        checks.push(Check::failed("earlier", code, sentence));
    }
    // What was taken back here of another issuer's.
    for act in register::acts(wallet)? {
        let (Some(taken), Some(last)) = (&act.visa, act.events.last()) else { continue };
        let code = match act.state() {
            "revoked" => codes::VISA_REVOKED,
            "suspended" => codes::VISA_SUSPENDED,
            _ => continue,
        };
        let same = &taken.holder == holder && taken.role == role.as_str();
        let again = all.iter().any(|other| other.record.issued >= last.at);
        if !same || again || except == Some(act.id.as_str()) {
            continue;
        }
        let reason = last.reason.as_ref().map(|reason| format!(" ({reason})"));
        let sentence = format!(
            "its holder has {} by visa {} of {} already, which is {} since {}{}",
            taken.role,
            act.id,
            taken.issuer,
            act.state(),
            last.at,
            reason.unwrap_or_default()
        );
        checks.push(Check::failed("earlier", code, sentence));
    }
    Ok(checks)
}

/// What was issued from here for a request, and for who asks.
pub struct Answers {
    /// The visa that was issued for it, for programs; null where none was.
    pub answered: Value,
    /// The others of the role, but for the one that it is to replace.
    pub in_force: Value,
    /// That it is so: nothing of it keeps anybody from issuing another one, and whoever does should know.
    pub checks: Vec<Check>,
}

/// Looks for it in the register.
pub fn answers(
    wallet: &Wallet,
    known: &mut Known,
    request: &Received<VisaRequest>,
) -> Result<Answers, Failure> {
    let asked = &request.statement;
    let (mut answered, mut checks, mut own) = (Value::Null, Vec::new(), None);
    if let Some((record, visa, state)) = answer_to(wallet, known, &request.id)? {
        let (id, issued, code) = (&visa.id, record.issued, codes::REQUEST_ANSWERED);
        answered = json!({"visa": id, "state": state, "issued": issued, "code": code});
        let sentence = format!("the visa {id} was issued for it at {issued}, and is {state}");
        checks.push(Check::passed("answered", code, sentence));
        own = Some(visa.id);
    }
    let roles = [asked.role.as_str(), asked.definition.as_str()];
    let others = others(wallet, known, &asked.holder, &roles)?;
    let in_force = in_force(&others, &[own.as_deref(), asked.renews.as_deref()]);
    if let Some(count) = in_force.as_array().map(Vec::len).filter(|count| *count > 0) {
        let visas = counted(count, "visa", "visas");
        let sentence = format!("its holder has {visas} of the role from here already");
        checks.push(Check::passed("beside", codes::VISA_IN_FORCE, sentence));
    }
    Ok(Answers { answered, in_force, checks })
}
