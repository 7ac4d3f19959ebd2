//! Suspending, reinstating and revoking several visas in one change of the wallet.

use super::again::not_changed;
use super::change::{
    ChangeArgs, authorisations_of, enter_earlier, find, finish, fits, list_line, may_revoke,
};
use super::hanging;
use crate::codes;
use crate::commands::sign::identity;
use crate::context::{now, rng};
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use crate::warnings::hint;
use gridpass_credentials::codes::STATUS_UNCHANGED;
use gridpass_credentials::issuing::{IssuedVisa, Issuer};
use gridpass_credentials::keeping;
use gridpass_credentials::register;
use gridpass_credentials::visa::{Purpose, Visa};
use gridpass_identity::did::Did;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::Identity;
use serde_json::json;

/// All of them or none, by one identity; those that are so already are named and left out.
pub fn change(
    mut wallet: Wallet,
    names: &[String],
    args: &ChangeArgs,
    (purpose, set, done): (Purpose, bool, &str),
) -> Outcomes {
    let trust = keeping::pinned_even_ahead(&wallet, now())?;
    let (mut acting, mut found, mut unchanged) = (None, Vec::<Visa>::new(), Vec::<String>::new());
    for name in names {
        if !authorisations_of(&wallet, name)?.is_empty() {
            let message = format!("{name} is a node's, and several visas are named");
            return Err(Failure::new(codes::USAGE, message)
                .next(format!("Revoke the node by itself: `gridpass visa revoke {name}`.")));
        }
        let fit = |record: &IssuedVisa, visa: &Visa| fits(purpose, set, record, visa);
        let (visa, is_own) = find(&wallet, name, fit)?;
        let me = one_identity(&wallet, args, acting, is_own.then_some(&visa))?;
        if !is_own {
            may_revoke(&wallet, &trust, &visa, &me.did)?;
        }
        let is_set = match visa.status_of(purpose) {
            Some(entry) => register::is_set(&wallet, &me.did, entry)?,
            None => !set,
        };
        // It is not so already, and never will be.
        if purpose == Purpose::Suspension && !set && is_revoked(&wallet, &me.did, &visa)? {
            let why = format!("there is nothing to reinstate: {} is revoked, for good", visa.id);
            let next = "Leave it out; for its holder, issue a new visa.";
            return Err(Failure::new(STATUS_UNCHANGED, why).next(next));
        }
        if is_set && set && !is_own {
            let mut issuer =
                Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
            enter_earlier(&mut issuer, &visa, purpose, args)?;
        }
        acting = Some(me);
        if is_set == set {
            hint(format_args!("note: nothing to change for {}: it is so already", shown(&visa.id)));
            unchanged.push(visa.id);
        } else if found.iter().all(|other| other.id != visa.id) {
            found.push(visa);
        }
    }
    let signer = acting.as_ref().map(|me| me.did.clone());
    let Some(me) = acting.filter(|_| !found.is_empty()) else {
        let message = format!("there is nothing to change: all {} are so already", names.len());
        return Err(not_changed(Failure::new(STATUS_UNCHANGED, message), signer.as_slice()));
    };
    let mut rows = Vec::new();
    let mut text = String::new();
    for visa in &found {
        let mut hangs = match set {
            true => gridpass_credentials::hanging::hanging(&wallet, &trust, visa, now())?,
            false => Vec::new(),
        };
        // What is taken over in the same change hangs on nothing.
        let is_taken = |id: &str| found.iter().any(|other| other.id == id);
        hangs.retain(|h| h.issuer != me.did || h.purpose != purpose || !is_taken(&h.visa));
        text.push_str(&format!("{done} {} of {}, {}\n", visa.role, visa.subject, shown(&visa.id)));
        let happens = "what its holder revoked or suspended by it is void or undecided, unless it is taken over:";
        text.push_str(&hanging::lines(&hangs, happens));
        let (id, holder, role) = (&visa.id, &visa.subject, &visa.role);
        rows.push(json!({"visa": id, "holder": holder, "role": role, "hanging": hangs}));
    }
    let visas: Vec<&Visa> = found.iter().collect();
    let mut issuer = Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
    let reason = args.reason.as_deref();
    let lists = issuer
        .set_statuses(&visas, purpose, set, reason, &mut rng())
        .map_err(|e| not_changed(e.into(), signer.as_slice()))?;
    text.extend(lists.iter().map(list_line));
    let said: Vec<_> = lists
        .iter()
        .map(|list| json!({"list": list.id, "version": list.version, "dated": list.dated}))
        .collect();
    let json = json!({"visas": rows, "unchanged": unchanged, "lists": said});
    let answer = Answer::new("gridpass.visa.status/1", json, text);
    let ids: Vec<&str> = found.iter().map(|visa| visa.id.as_str()).collect();
    let did = format!("{} {}", done.to_lowercase(), ids.join(", "));
    finish(&wallet, &[me.did], &lists, args, &did, answer)
}

/// Whether a visa is revoked by what is known here of what its issuer, or this identity, did.
fn is_revoked(wallet: &Wallet, me: &Did, visa: &Visa) -> Result<bool, Failure> {
    let find = register::find_issued(wallet, &visa.id, |_, _| true);
    if find.is_ok_and(|record| record.state() == "revoked") {
        return Ok(true);
    }
    Ok(match visa.status_of(Purpose::Revocation) {
        Some(entry) => register::is_set(wallet, me, entry)?,
        None => false,
    })
}

/// Who changes a visa: the one named, else its issuer where that is of this wallet. One for all of them: the
/// lists of two would not be one change.
fn one_identity(
    wallet: &Wallet,
    args: &ChangeArgs,
    before: Option<Identity>,
    own: Option<&Visa>,
) -> Result<Identity, Failure> {
    let name = args.identity.as_deref().or(own.map(|visa| visa.issuer.as_str()));
    let me = identity(wallet, name)?;
    match before {
        Some(other) if other.did != me.did => {
            let message = format!("some are for {} to change and some for {}", other.did, me.did);
            let next = "Call it once with the visas of each, all of one or none at a time.";
            Err(Failure::new(codes::USAGE, message).next(next))
        }
        _ => Ok(me),
    }
}
