//! Visas: asked for, issued, accepted, shown, verified, revoked. What travels between the parties is a
//! [`Parcel`], a file with all that its reader needs to verify it without a network.

use crate::Shell;
use crate::error::{Error, Result};
use crate::party::Party;
use gridpass_credentials::accepting;
use gridpass_credentials::issuing::{Issuer, NewVisa};
use gridpass_credentials::keeping;
use gridpass_credentials::parcel::{Parcel, ParcelKind, self_proving};
use gridpass_credentials::presenting::{Showing, present};
use gridpass_credentials::request::{self, Received, VisaRequest};
use gridpass_credentials::secured::{Binding, Form, Signer};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Snapshots;
use gridpass_credentials::verifier::Verifier;
use gridpass_credentials::verify::{Expectation, VisaReport};
use gridpass_credentials::visa::{Purpose, Visa};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use serde_json::{Map, Value};

/// A holder asks an issuer for a role, and says what the visa is to say.
pub fn ask(
    holder: &Party,
    issuer: &Did,
    role: &str,
    claims: Map<String, Value>,
    shell: &Shell<'_>,
) -> Result<Parcel> {
    let trust = holder.trust(shell)?;
    let unknown = || Error::new(format!("the charter lists no role {role}"));
    let (definition, known) = trust.find_role(role).ok_or_else(unknown)?;
    let asked = VisaRequest {
        format_version: request::FORMAT_VERSION,
        holder: holder.did().clone(),
        issuer: issuer.clone(),
        definition: definition.clone(),
        role: known.definition.name.clone(),
        claims,
        validity_seconds: None,
        renews: None,
        presentation: None,
        note: None,
    };
    let (key_id, key) = holder.key(Relationship::Authentication)?;
    let text = request::sign(&asked, Signer { key: &key, key_id: &key_id, now: shell.now() })?;
    let mut parcel = Parcel::new(ParcelKind::Request, Some(text));
    parcel.identities = holder.published()?;
    Ok(parcel)
}

/// The issuer verifies who asks, and issues. An SD-JWT, so that its holder can withhold each claim.
pub fn issue(issuer: &mut Party, asked: &Parcel, shell: &mut Shell<'_>) -> Result<(Visa, Parcel)> {
    let (now, trust) = (shell.now(), issuer.trust(shell)?);
    let proven = self_proving(&asked.identities, now);
    let known = Snapshots::read(&proven)?.with(&trust);
    let resolver = OfflineResolver::new(&known);
    let text = asked.content.as_deref().unwrap_or_default();
    let request: Received<VisaRequest> =
        request::receive(text, Some(issuer.did()), &resolver, now)?;
    if request.report.outcome() != Outcome::Passed {
        let why = request.report.deciding().map_or("nothing was checked", |c| c.sentence.as_str());
        return Err(Error::new(format!("the request does not hold: {why}")));
    }
    // This is where an officer decides whether the claims are true.
    let claims = request.statement.claims;
    let names: Vec<String> = claims.keys().cloned().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let new = NewVisa {
        subject: &request.statement.holder,
        role: request.statement.definition.as_str(),
        claims,
        valid_from: now,
        valid_until: None,
        form: Form::SdJwt,
        withholdable: &names,
        list_base: None,
    };
    let (wallet, identity) = (&mut issuer.wallet, &issuer.me);
    let mut desk = Issuer { wallet, identity, trust: &trust, now };
    let issued = desk.issue(&new, (&[], &[]), &resolver, shell.rng)?;
    let parcel = issued.to_parcel(&issuer.wallet)?;
    Ok((issued.visa, parcel))
}

/// The holder verifies what it was sent, and keeps it only if every check passed.
pub fn accept(holder: &mut Party, visa: &Parcel, shell: &mut Shell<'_>) -> Result<VisaReport> {
    Ok(accepting::accept(&mut holder.wallet, visa, shell.now(), shell.rng)?)
}

/// The holder shows its visa for a role, with only these of its claims.
pub fn show(
    holder: &Party,
    role: &str,
    disclose: &[&str],
    binding: &Binding,
    shell: &Shell<'_>,
) -> Result<Parcel> {
    let visas = [keeping::visa(&holder.wallet, role)?];
    let disclose = Some(disclose);
    let now = shell.now();
    let showing = Showing { holder: &holder.me, visas: &visas, disclose, binding, now };
    Ok(present(&holder.wallet, &showing)?.to_parcel(&holder.wallet)?)
}

/// Somebody who has a trust pack, and no wallet, verifies what it was shown. A verifier remembers the status lists
/// that it saw: make one, keep it, and let it take newer lists and packs as they come.
pub fn verify(
    shown: &Parcel,
    by: &Verifier,
    audience: &Did,
    nonce: &str,
    shell: &Shell<'_>,
) -> Result<VisaReport> {
    let now = shell.now();
    let expect = Expectation {
        now,
        clock: now,
        audience: Some(audience.as_str()),
        nonce: Some(nonce),
        presenter: None,
    };
    Ok(by.verify(shown, &expect)?)
}

/// The issuer revokes a visa: gives the status list that says so, signed.
pub fn revoke(issuer: &mut Party, visa: &Visa, shell: &mut Shell<'_>) -> Result<StatusList> {
    let (now, trust) = (shell.now(), issuer.trust(shell)?);
    let (wallet, identity) = (&mut issuer.wallet, &issuer.me);
    let mut desk = Issuer { wallet, identity, trust: &trust, now };
    let why = Some("accreditation withdrawn");
    Ok(desk.set_status(visa, Purpose::Revocation, true, why, shell.rng)?)
}
