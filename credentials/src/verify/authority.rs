//! What a status list carries to prove that its signer holds a role by which visas of others are revoked,
//! judged before any visa is: by whoever is to keep the list.

use super::{Evidence, Expectation, Verdict, verify_visa};
use crate::content_id::ContentId;
use crate::signature::SignatureMemo;
use crate::status::StatusList;
use crate::visa::Visa;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

/// The most visas of its signer that are looked at.
const MOST: usize = 4;

/// What a list carries.
struct Carried {
    /// Visas of its signer for roles by which some definition has its visas revoked.
    offices: Vec<Vec<u8>>,
    /// All of it.
    texts: Vec<Vec<u8>>,
}

/// Whether a list carries what proves, beside the status of these visas and that they may have ended since,
/// that its signer holds a role by which some definition has its visas revoked, or held it: what it revoked
/// then is open. Whether it may revoke a visa is for that one's own verification to say.
#[must_use]
pub fn carries_authority(
    list: &StatusList,
    evidence: &Evidence<'_>,
    now: UnixMillis,
    memo: &mut SignatureMemo,
) -> bool {
    holds(&carried(list, evidence, memo), evidence, now, memo)
}

/// Whether a list carries visas for such a role that name its signer, and none of them holds: nobody who
/// could gave it one, or what would show it is not known here. Kept, it would take the place of what proves others.
#[must_use]
pub fn pretends_authority(
    list: &StatusList,
    evidence: &Evidence<'_>,
    now: UnixMillis,
    memo: &mut SignatureMemo,
) -> bool {
    let carried = carried(list, evidence, memo);
    !carried.offices.is_empty() && !holds(&carried, evidence, now, memo)
}

fn carried(list: &StatusList, evidence: &Evidence<'_>, memo: &mut SignatureMemo) -> Carried {
    let roles: BTreeSet<&ContentId> = evidence
        .trust
        .definitions()
        .filter_map(|(_, role)| role.definition.revokers.as_ref())
        .flat_map(|revokers| &revokers.roles)
        .collect();
    let (mut offices, mut texts) = (Vec::new(), Vec::new());
    if roles.is_empty() {
        return Carried { offices, texts };
    }
    for member in list.authority() {
        let Ok(reading) = memo.readings.member(member) else { continue };
        let text = reading.secured.text().as_bytes().to_vec();
        let fits = |v: &Visa| v.subject == list.issuer && roles.contains(&v.definition);
        if offices.len() < MOST && reading.visa.as_ref().is_ok_and(fits) {
            offices.push(text.clone());
        }
        texts.push(text);
    }
    Carried { offices, texts }
}

fn holds(
    carried: &Carried,
    evidence: &Evidence<'_>,
    now: UnixMillis,
    memo: &mut SignatureMemo,
) -> bool {
    let expect = Expectation { now, clock: now, audience: None, nonce: None, presenter: None };
    carried.offices.iter().any(|office| {
        let report = verify_visa(office, &carried.texts, evidence, &expect, memo);
        report.visas.first().is_some_and(Verdict::held_but_for_status)
    })
}
