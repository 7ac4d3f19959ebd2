//! What is known of a visa that another one is to replace: one that was taken back, by its issuer or by
//! somebody else who may, is not given again in silence.

use super::standing::Known;
use crate::output::Failure;
use gridpass_credentials::codes;
use gridpass_credentials::keeping::KeepError;
use gridpass_credentials::register;
use gridpass_credentials::request::VisaRequest;
use gridpass_identity::report::Check;
use gridpass_identity::wallet::Wallet;

/// How the visa stands that a request is to replace: by the register, and by the lists of other revokers
/// that are kept. Nothing where the request replaces none, or one that is not in the register.
pub fn check(wallet: &Wallet, request: &VisaRequest) -> Result<Option<Check>, Failure> {
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
    let standing = Known::of(wallet)?.issued(wallet, &record, &visa)?;
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
