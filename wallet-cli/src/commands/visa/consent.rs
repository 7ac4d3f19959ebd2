//! Consents among visas: what their claims say beside what every visa says.

use crate::output::Failure;
use gridpass_credentials::codes;
use gridpass_credentials::keeping;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::visa::Visa;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_policy::consent::{self, METERING_POINT};
use serde_json::{Map, Value};

/// Until when a visa counts: of a consent, no longer than the claim in it says.
pub fn end_of(visa: &Visa) -> UnixMillis {
    consent::until(&visa.claims).map_or(visa.valid_until, |until| until.min(visa.valid_until))
}

/// Refuses a consent that would cover nothing from a time on, before anybody relies on it.
pub fn refuse_faults(claims: &Map<String, Value>, at: UnixMillis) -> Result<(), Failure> {
    let faults = consent::faults(claims, at);
    if faults.is_empty() {
        return Ok(());
    }
    let next = "Write parties as DIDs and times as 2026-03-01T12:00:00Z, as spec/consent.md says.";
    Err(Failure::new(codes::CLAIMS_UNFIT, faults.join("; ")).next(next))
}

/// Why a consent by this issuer would cover nothing: the visas by which it may issue are for other
/// metering points. Nothing where it has none of those, or may issue by its name.
pub fn not_its_own(
    wallet: &Wallet,
    issuer: &Did,
    definition: &RoleDefinition,
    claims: &Map<String, Value>,
) -> Result<Option<String>, Failure> {
    if !consent::is_one(claims) || definition.issuers.dids.contains(issuer) {
        return Ok(None);
    }
    let mut own = Vec::new();
    for held in keeping::visas(wallet)? {
        let visa = held.read()?.1;
        if &visa.subject == issuer && definition.issuers.roles.contains(&visa.definition) {
            own.extend(visa.claims.get(METERING_POINT).cloned());
        }
    }
    let meant = claims.get(METERING_POINT).cloned().unwrap_or_default();
    if own.is_empty() || own.contains(&meant) {
        return Ok(None);
    }
    Ok(Some(format!("{METERING_POINT}: {meant} is not among those of {issuer}")))
}
