//! What is to be issued: as a request asks for it, or as it stands on the command line; and what a verifier
//! will need of it.

use super::examining::{Examined, examine, read};
use super::issue::{IssueArgs, refuse_to_repeat};
use super::standing::Known;
use super::{renewal, take_wallet, wallet_of};
use crate::commands::arguments::{
    Material, dids_in, identities_of, save_identities, save_identities_beside,
};
use crate::context::{GlobalArgs, now};
use crate::output::Failure;
use crate::resolving::parse_did;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::role::RoleName;
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Snapshots, Trust};
use gridpass_credentials::vcdm::Presentation;
use gridpass_identity::codes::WALLET_NOT_FOUND;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::wallet::Wallet;
use serde_json::{Map, Value};

/// What is to be issued, from a request or from the command line.
pub struct Wanted {
    pub subject: Did,
    pub role: String,
    pub claims: Map<String, Value>,
    pub validity: Option<u64>,
    pub issuer: Option<String>,
    pub shown: Vec<String>,
    pub lists: Vec<StatusList>,
    /// DID documents from files.
    pub identities: Vec<IdentityMaterial>,
    /// The request's hash, where there is one.
    pub request: Option<ContentId>,
    /// Which one it is to replace, by its id.
    pub renews: Option<String>,
}

pub fn from_arguments(global: &GlobalArgs, args: &IssueArgs) -> Result<(Wanted, Wallet), Failure> {
    // To one that is nobody's no visa could ever be shown.
    let subject = parse_did(args.to.as_deref().unwrap_or_default())?;
    // Nothing travels with a name on the command line but what is named beside it.
    let nothing = Parcel::new(ParcelKind::Visa, None);
    let material = args.trust.gather(global, &nothing).map_err(|e| match e.code {
        // With a trust pack from elsewhere alone nobody issues.
        WALLET_NOT_FOUND => Failure { next: None, ..e },
        _ => e,
    })?;
    let (shown, lists, identities) =
        (material.supporting.clone(), material.lists.clone(), material.identities.clone());
    let pack = material.trust.id().clone();
    let mut wallet = wallet_of(material, global)?;
    let trust = pinned_as(&wallet, &pack)?;
    save_identities(&mut wallet, &identities)?;
    let role = args.role.clone().unwrap_or_default();
    let claims = match trust.find_role(&role) {
        Some((definition, known)) => {
            let role = (&known.definition.name, definition);
            refuse_what_was_taken_back(&wallet, &subject, role, args)?;
            args.claims.read(&known.definition)?
        }
        None => Map::new(),
    };
    let wanted = Wanted {
        subject,
        role,
        claims,
        validity: None,
        issuer: None,
        shown,
        lists,
        identities,
        request: None,
        renews: None,
    };
    Ok((wanted, wallet))
}

/// Who was suspended or revoked is not given the role again in silence, by its DID no more than by a request.
fn refuse_what_was_taken_back(
    wallet: &Wallet,
    subject: &Did,
    role: (&RoleName, &ContentId),
    args: &IssueArgs,
) -> Result<(), Failure> {
    if args.despite_revocation {
        return Ok(());
    }
    let found = renewal::earlier(wallet, &mut Known::of(wallet)?, subject, role, None)?;
    match found.into_iter().next() {
        None => Ok(()),
        Some(check) => Err(Failure::new(check.code, check.sentence).next(
            "See why with `gridpass visa list --issued`; where it is to be issued all the same, add \
             --despite-revocation.",
        )),
    }
}

pub fn from_request(
    global: &GlobalArgs,
    args: &IssueArgs,
    file: &std::path::Path,
) -> Result<(Wanted, Wallet), Failure> {
    let parcel = read(file)?;
    let mut material = args.trust.gather(global, &parcel)?;
    let examined = examine(&parcel, &material)?;
    refuse_unfit(&examined)?;
    let mut wallet = take_wallet(&mut material, global)?;
    let mut known = Known::of(&wallet)?;
    // Before what became of that visa decides, of which less would be said.
    if !args.again {
        refuse_to_repeat(&wallet, &mut known, &examined.request.id)?;
    }
    pinned_as(&wallet, material.trust.id())?;
    let wanted = as_requested(&mut wallet, &mut known, args, &material, &examined)?;
    Ok((wanted, wallet))
}

/// Refuses a request that does not hold.
pub fn refuse_unfit(examined: &Examined) -> Result<(), Failure> {
    if examined.report.outcome() == Outcome::Passed {
        return Ok(());
    }
    let check = examined.report.deciding();
    let (code, sentence) = check
        .map_or((gridpass_credentials::codes::REQUEST_MALFORMED, "nothing was checked"), |c| {
            (c.code, c.sentence.as_str())
        });
    Err(Failure::new(code, format!("the request does not hold: {sentence}")).next(
        "Look at it with `gridpass visa review FILE`; refuse it with `gridpass visa refuse FILE`.",
    ))
}

/// What a request that holds asks for, as far as it is given without being told to. It was examined by the
/// pinned trust pack.
pub fn as_requested(
    wallet: &mut Wallet,
    known: &mut Known,
    args: &IssueArgs,
    material: &Material,
    examined: &Examined,
) -> Result<Wanted, Failure> {
    let request = &examined.request.statement;
    let claims = match material.trust.definition(&request.definition) {
        // The officer may correct what was asked; the holder sees it before it accepts.
        Some(known) if !args.claims.is_empty() => args.claims.read(&known.definition)?,
        _ => request.claims.clone(),
    };
    let mut shown = match &request.presentation {
        Some(text) => members(text)?,
        None => Vec::new(),
    };
    shown.extend_from_slice(&material.supporting);
    if !args.despite_refusal
        && let Some(check) = renewal::refused(wallet, &examined.request.id)?
    {
        return Err(Failure::new(check.code, check.sentence).next(
            "Where a visa is to be issued for it all the same, call it with this request alone, and add \
             --despite-refusal.",
        ));
    }
    let mut earlier = renewal::checks(wallet, known, request)?.into_iter();
    if let Some(check) = earlier.find(|c| c.outcome != Outcome::Passed)
        && !args.despite_revocation
    {
        let message = format!("the request does not hold: {}", check.sentence);
        return Err(Failure::new(check.code, message).next(
            "Refuse it with `gridpass visa refuse FILE`; where it is to be issued all the same, add \
             --despite-revocation.",
        ));
    }
    // Who asked was just verified with these: keep them, for the day of a dispute.
    save_identities_beside(wallet, Some(&material.trust), &material.identities)?;
    Ok(Wanted {
        subject: request.holder.clone(),
        role: request.definition.to_string(),
        claims,
        validity: request.validity_seconds,
        issuer: Some(request.issuer.to_string()),
        shown,
        lists: material.lists.clone(),
        identities: material.identities.clone(),
        request: Some(examined.request.id.clone()),
        renews: request.renews.clone(),
    })
}

/// The pinned trust pack, by which alone visas are issued; another that was named is not passed over.
fn pinned_as(wallet: &Wallet, named: &ContentId) -> Result<Trust, Failure> {
    let trust = keeping::pinned(wallet, now())?;
    if trust.id() == named {
        return Ok(trust);
    }
    let message = format!(
        "visas are issued by the pinned trust pack, {}, and --trust names {named}",
        trust.id()
    );
    Err(Failure::new(crate::codes::USAGE, message)
        .next("Leave --trust out, or pin that one first: `gridpass charter verify PACK --adopt`."))
}

/// The texts of the visas in a presentation that was verified.
pub fn members(presentation: &str) -> Result<Vec<String>, Failure> {
    let secured = Secured::parse(presentation.as_bytes(), Kind::Presentation)?;
    let read = Presentation::read(secured.document().clone());
    let read = read.map_err(gridpass_credentials::secured::SecuredError::from)?;
    read.credentials()
        .iter()
        .map(|m| Ok(Secured::from_json(m.clone(), Kind::Credential)?.text().to_owned()))
        .collect()
}

/// The documents that the new visa's chain needs: those in files, and others taken out of the wallet, which
/// issuing changes. `signers` are those of the status lists that it keeps.
pub fn known_documents<'t>(
    wallet: &Wallet,
    trust: &'t Trust,
    shown: &[String],
    files: &[IdentityMaterial],
    parties: [&Did; 2],
    signers: Vec<Did>,
) -> Result<Snapshots<'t>, Failure> {
    let mut dids = dids_in(shown);
    for held in keeping::visas(wallet)? {
        dids.extend(dids_in(&[held.text]));
        dids.extend(dids_in(&held.supporting));
    }
    dids.extend(signers);
    dids.extend(parties.map(Did::clone));
    let mut materials = identities_of(wallet, &dids)?;
    materials.extend_from_slice(files);
    let read = Snapshots::read(&materials);
    Ok(read
        .map_err(|e| Failure::new(gridpass_credentials::codes::RECORD_UNREADABLE, e.to_string()))?
        .with(trust))
}
