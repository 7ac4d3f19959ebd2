//! What hangs on the visa of somebody who revokes by a role: once that visa ends or is suspended, what was
//! revoked by it is open, and where it is revoked, void. Whoever issued the revoked visas takes the
//! revocations over in time; this is what a wallet knows of them.

use crate::content_id::ContentId;
use crate::keeping::{self, KeepError};
use crate::register;
use crate::role::{IssuerRevocation, RoleDefinition};
use crate::secured::Secured;
use crate::status::StatusList;
use crate::trust::Trust;
use crate::verify::Readings;
use crate::visa::{Purpose, Visa};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::resolve::{OfflineResolver, Resolution, Resolver as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use serde::Serialize;
use std::collections::BTreeSet;

/// A revocation or suspension that hangs on somebody's visa.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hanging {
    /// The visa that is revoked or suspended.
    pub visa: String,
    /// Its role.
    pub role: String,
    /// Who holds it.
    pub holder: Did,
    /// Who issued it, and can take this over.
    pub issuer: Did,
    /// Whether it is revoked or suspended.
    pub purpose: Purpose,
}

/// Why what somebody issued lets nobody revoke any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its keys are marked as compromised.
    Keys,
    /// It is no root any more. Only visas whose definition ends with that are concerned.
    Root,
}

/// What the wallet knows that hangs on the visas that these issued, where these visas let nobody revoke any more from
/// `now` on: those in its register, those that it holds, and those that the lists carry which it keeps. Of two that
/// one holder has and that both are lost, neither stands in for the other.
///
/// # Errors
/// [`KeepError`].
pub fn hanging_on(
    wallet: &Wallet,
    trust: &Trust,
    issuers: &[&Did],
    loss: Loss,
    now: UnixMillis,
) -> Result<Vec<Hanging>, KeepError> {
    let resolver = OfflineResolver::new(wallet);
    let logs: Vec<Resolution> =
        issuers.iter().filter_map(|did| resolver.resolve(did).ok()).collect();
    let is_marked = |key: &DidUrl| {
        let log = logs.iter().find(|log| &log.did == key.did());
        log.is_none_or(|log| log.compromised(key, Relationship::AssertionMethod).is_some())
    };
    let ends = |visa: &Visa| {
        let role = trust.definition(&visa.definition);
        role.is_some_and(|r| r.definition.issuer_revocation == IssuerRevocation::Ends)
    };
    let is_lost = |secured: &Secured, visa: &Visa| {
        issuers.contains(&&visa.issuer)
            && match loss {
                Loss::Keys => secured.key_id().is_none_or(is_marked),
                Loss::Root => ends(visa),
            }
    };
    let (mut offices, mut lost, mut revoked) = (Vec::new(), BTreeSet::new(), Vec::new());
    let mut note = |secured: &Secured, visa: &Visa| {
        if is_lost(secured, visa) && lost.insert(visa.id.clone()) {
            offices.push(visa.clone());
        }
    };
    for record in register::issued(wallet)? {
        let (secured, visa) = keeping::read_visa(&record.text)?;
        if record.state() == "revoked" {
            revoked.push(visa.id);
        } else {
            note(&secured, &visa);
        }
    }
    for held in keeping::visas(wallet)? {
        let (secured, visa) = held.read()?;
        note(&secured, &visa);
    }
    let mut readings = Readings::default();
    for list in keeping::lists(wallet)?.0 {
        for reading in list.authority().filter_map(|member| readings.member(member).ok()) {
            if let Ok(visa) = &reading.visa {
                note(&reading.secured, visa);
            }
        }
    }
    let mut all: Vec<Hanging> = Vec::new();
    for office in offices.iter().filter(|office| !revoked.contains(&office.id)) {
        for one in hanging_beside(wallet, trust, office, now, &lost)? {
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    Ok(all)
}

/// What the wallet knows that is revoked or suspended by the holder of `office` alone, and by no right that
/// lasts longer than `after`: not by name, not by another visa for the same role, and its issuer says nothing
/// of it. Of visas that the wallet neither issued nor holds nothing is known.
///
/// # Errors
/// [`KeepError`].
pub fn hanging(
    wallet: &Wallet,
    trust: &Trust,
    office: &Visa,
    after: UnixMillis,
) -> Result<Vec<Hanging>, KeepError> {
    hanging_beside(wallet, trust, office, after, &BTreeSet::new())
}

/// As [`hanging`], where the visas of these ids are lost with it.
fn hanging_beside(
    wallet: &Wallet,
    trust: &Trust,
    office: &Visa,
    after: UnixMillis,
    lost: &BTreeSet<String>,
) -> Result<Vec<Hanging>, KeepError> {
    let goes_on = |visa: &Visa| !lost.contains(&visa.id) && goes_on(visa, office, after);
    let by_office = |role: &RoleDefinition| {
        role.revokers.as_ref().is_some_and(|revokers| {
            revokers.roles.contains(&office.definition) && !revokers.dids.contains(&office.subject)
        })
    };
    let roles: Vec<&ContentId> = trust
        .definitions()
        .filter(|(_, role)| by_office(&role.definition))
        .map(|(id, _)| id)
        .collect();
    if roles.is_empty() {
        return Ok(Vec::new());
    }
    let mut known: Vec<Visa> = Vec::new();
    for record in register::issued(wallet)? {
        let visa = record.read()?;
        let other = record.state() == "in force";
        if other && goes_on(&visa) {
            return Ok(Vec::new());
        }
        known.push(visa);
    }
    for held in keeping::visas(wallet)? {
        let visa = held.read()?.1;
        if goes_on(&visa) {
            return Ok(Vec::new());
        }
        if known.iter().all(|k| k.id != visa.id) {
            known.push(visa);
        }
    }
    let mut lists = keeping::lists(wallet)?.0;
    lists.extend(register::signed_lists(wallet)?);
    let mut found = Vec::new();
    for visa in known {
        // One that is over by then is not open.
        let is_over = visa.valid_until <= after;
        if is_over || !roles.contains(&&visa.definition) || visa.issuer == office.subject {
            continue;
        }
        for entry in &visa.status {
            let is_set = |by: &Did| {
                let of = |list: &&StatusList| list.id == entry.list && &list.issuer == by;
                lists.iter().filter(of).any(|list| list.bits().get(entry.index) == Ok(true))
            };
            if is_set(&office.subject) && !is_set(&visa.issuer) {
                found.push(Hanging {
                    visa: visa.id.clone(),
                    role: visa.role.to_string(),
                    holder: visa.subject.clone(),
                    issuer: visa.issuer.clone(),
                    purpose: entry.purpose,
                });
            }
        }
    }
    Ok(found)
}

/// Whether another visa lets the same holder revoke for longer.
fn goes_on(visa: &Visa, office: &Visa, after: UnixMillis) -> bool {
    visa.id != office.id
        && (&visa.subject, &visa.definition) == (&office.subject, &office.definition)
        && visa.valid_until > after
        && visa.valid_from <= after
}
