//! Showing visas: a presentation of visas that a wallet holds and of everything that they rest on,
//! signed by their holder for one reader.
//!
//! What comes out is the text that its reader verifies with [`crate::verify::verify_presentation`];
//! [`Shown::to_parcel`] puts beside it the status lists and DID documents that the reader needs.

use crate::content_id::ContentId;
use crate::context::CREDENTIALS_V2;
use crate::keeping::{self, HeldVisa, KeepError};
use crate::parcel::{Parcel, ParcelKind, dids_in, identities_of, lists_named_in};
use crate::requirement::Requirement;
use crate::secured::{
    Binding, Form, Kind, MAX_BYTES, Secured, SecuredError, Signer, secure_presentation,
};
use crate::status::StatusList;
use crate::trust::Trust;
use crate::vcdm::Presentation;
use crate::visa::{StatusEntry, Visa};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::identities::Identity;
use gridpass_identity::wallet::{Wallet, WalletError};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What is to be shown. There is no default: each field is a decision.
#[derive(Clone, Copy, Debug)]
pub struct Showing<'s> {
    /// Who shows: the subject of the visas.
    pub holder: &'s Identity,
    /// Which visas.
    pub visas: &'s [HeldVisa],
    /// Only these of the claims that can be withheld, and none of those of visas that are shown with these only
    /// since they are required; all of them, if absent.
    pub disclose: Option<&'s [&'s str]>,
    /// To whom, answering which nonce, and until when.
    pub binding: &'s Binding,
    /// The time.
    pub now: UnixMillis,
}

/// A presentation that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Who shows it.
    pub holder: Did,
    /// As it was signed.
    pub text: String,
    /// The visas in it, as they are shown, and those that they rest on.
    pub visas: Vec<String>,
}

/// The visas that a wallet holds and that the roles of these require, of the same subjects, and what those
/// require in turn: of each role the one that counts for longest, or where none counts, the last that did.
/// Nothing of a role that one of these is of, and counts.
///
/// # Errors
/// [`KeepError`].
pub fn required(
    wallet: &Wallet,
    trust: &Trust,
    of: &[Visa],
    now: UnixMillis,
) -> Result<Vec<(Visa, HeldVisa)>, KeepError> {
    /// The most roles that are looked up.
    const MOST: usize = 32;
    let needs = |visa: &Visa| -> Vec<(Did, ContentId)> {
        let role = trust.definition(&visa.definition);
        let first = role.and_then(|r| r.definition.preconditions.as_ref());
        let roles = first.map(Requirement::roles).unwrap_or_default();
        roles.into_iter().map(|role| (visa.subject.clone(), role.clone())).collect()
    };
    let mut open: Vec<(Did, ContentId)> = of.iter().flat_map(needs).collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let lists = keeping::lists(wallet)?.0;
    let is_set = |visa: &Visa, entry: &StatusEntry| {
        let own = |list: &&StatusList| list.id == entry.list && list.issuer == visa.issuer;
        lists.iter().filter(own).any(|list| list.bits().get(entry.index) == Ok(true))
    };
    let counts = |visa: &Visa| {
        let in_time = visa.valid_from <= now && now < visa.valid_until;
        in_time && !visa.status.iter().any(|entry| is_set(visa, entry))
    };
    let mut held = Vec::new();
    for one in keeping::visas(wallet)? {
        held.push((one.read()?.1, one));
    }
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some(asked) = open.pop() {
        if seen.len() >= MOST || !seen.insert(asked.clone()) {
            continue;
        }
        let fits = |visa: &Visa| (&visa.subject, &visa.definition) == (&asked.0, &asked.1);
        if of.iter().any(|visa| fits(visa) && counts(visa)) {
            continue;
        }
        let fitting = held.iter().filter(|(visa, _)| fits(visa));
        if let Some((visa, one)) = fitting.max_by_key(|(v, _)| (counts(v), v.valid_until)) {
            open.extend(needs(visa));
            found.push((visa.clone(), one.clone()));
        }
    }
    Ok(found)
}

/// The same by the trust pack that the wallet pins, and only what is still valid: what is to be shown with
/// these.
///
/// # Errors
/// [`KeepError`].
pub fn shown_with(
    wallet: &Wallet,
    of: &[Visa],
    now: UnixMillis,
) -> Result<Vec<(Visa, HeldVisa)>, KeepError> {
    let trust = match keeping::pinned(wallet, now) {
        Ok(trust) => trust,
        // Such as where this machine's clock is wrong: nothing is known of what a role requires.
        Err(KeepError::NoTrust | KeepError::Trust(_)) => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut found = required(wallet, &trust, of, now)?;
    found.retain(|(visa, _)| visa.valid_until > now);
    Ok(found)
}

/// Signs a presentation, with the visas of the same holder that the shown ones require.
///
/// # Errors
/// [`KeepError::Secured`] for a claim that a visa does not have or whose holder cannot withhold it,
/// [`KeepError::Wallet`] if the wallet has no key of the holder.
pub fn present(wallet: &Wallet, showing: &Showing<'_>) -> Result<Shown, KeepError> {
    let mut all = Vec::new();
    for held in showing.visas {
        let (secured, visa) = held.read()?;
        all.push((secured, visa, held.clone()));
    }
    let named: Vec<Visa> = all.iter().map(|(_, visa, _)| visa.clone()).collect();
    let count = all.len();
    for (visa, held) in shown_with(wallet, &named, showing.now)? {
        all.push((held.read()?.0, visa, held));
    }
    // Of several each shows of the claims that are named those that it has.
    let has = |(secured, visa, _): &(Secured, Visa, HeldVisa), name: &str| {
        visa.claims.contains_key(name) || secured.withholdable().any(|known| known == name)
    };
    let mut visas: Vec<String> = Vec::new();
    for (index, one) in all.iter().enumerate() {
        let (secured, visa, held) = one;
        let shown = match showing.disclose {
            // A role requires that a visa is held, and nothing that it claims: nobody asked for more.
            Some(_) if index >= count => secured.disclose(&[])?,
            Some(names) => {
                let elsewhere =
                    |name: &str| !has(one, name) && all.iter().take(count).any(|a| has(a, name));
                let names: Vec<&str> =
                    names.iter().copied().filter(|&name| !elsewhere(name)).collect();
                secured.disclose(&names)?
            }
            None => held.text.clone(),
        };
        let beside = keeping::resting(wallet, &visa.subject, &held.supporting, showing.now)?;
        for text in std::iter::once(shown).chain(beside) {
            if !visas.contains(&text) {
                visas.push(text);
            }
        }
    }
    let presentation = presentation_of(&showing.holder.did, &visas)?;
    let (key_id, key) = wallet.active_secret(showing.holder, Relationship::Authentication)?;
    let signer = Signer { key: &key, key_id: &key_id, now: showing.now };
    let secured = secure_presentation(&presentation, Form::Jwt, showing.binding, signer)?;
    let holder = showing.holder.did.clone();
    Ok(Shown { holder, text: secured.text().to_owned(), visas })
}

fn presentation_of(holder: &Did, visas: &[String]) -> Result<Presentation, SecuredError> {
    let members: Vec<Value> = visas
        .iter()
        .map(|text| Ok(Secured::parse(text.as_bytes(), Kind::Credential)?.to_member()))
        .collect::<Result<_, SecuredError>>()?;
    Ok(Presentation::read(json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": holder,
        "verifiableCredential": members,
    }))?)
}

/// Room for what a presentation has beside its visas: header, signature, reader, nonce.
const ROOM: usize = 8 * 1024;

/// Whether these visas fit into a presentation, as whoever reads it takes it.
///
/// # Errors
/// Why not, as a sentence.
pub(crate) fn check_presentable(holder: &Did, visas: &[String]) -> Result<(), String> {
    let presentation = presentation_of(holder, visas).map_err(|e| e.to_string())?;
    let bytes = json::canonicalize(presentation.json()).map_err(|e| e.to_string())?;
    json::parse_strict(&bytes, Limits::DOCUMENT).map_err(|e| e.to_string())?;
    // Signed, it is base64.
    let length = bytes.len().div_ceil(3).saturating_mul(4).saturating_add(ROOM);
    if length > MAX_BYTES {
        return Err(format!("{length} bytes, and at most {MAX_BYTES} are read"));
    }
    Ok(())
}

impl Shown {
    /// As a file for its reader, with the status lists and the DID documents that the wallet has of
    /// everybody in it.
    ///
    /// # Errors
    /// [`KeepError`] if the wallet cannot be read.
    pub fn to_parcel(&self, wallet: &Wallet) -> Result<Parcel, KeepError> {
        let mut parcel = Parcel::new(ParcelKind::Presentation, Some(self.text.clone()));
        parcel.status_lists = lists_named_in(&self.visas, &keeping::lists(wallet)?.0);
        let mut dids = dids_in(&self.visas);
        dids.push(self.holder.clone());
        parcel.identities = identities_of(wallet, &dids).map_err(WalletError::from)?;
        Ok(parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secured::secure_credential;
    use crate::vcdm::Credential;
    use gridpass_identity::did::DidUrl;
    use gridpass_identity::key::{KeyType, SecretKey};

    fn visa(length: usize) -> String {
        let credential = Credential::read(json!({
            "@context": [CREDENTIALS_V2],
            "type": ["VerifiableCredential"],
            "issuer": "did:example:issuer",
            "credentialSubject": {"id": "did:example:holder", "note": "a".repeat(length)},
        }));
        let key = SecretKey::from_bytes(KeyType::Ed25519, &[7; 32]).expect("a key");
        let key_id = DidUrl::parse("did:example:issuer#key").expect("a key id");
        let signer = Signer { key: &key, key_id: &key_id, now: UnixMillis::new(0) };
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let credential = credential.expect("a credential");
        let signed = secure_credential(&credential, Form::Jwt, &[], signer, &mut rng);
        signed.expect("a visa").text().to_owned()
    }

    #[test]
    fn what_fills_a_presentation_cannot_be_presented() {
        let holder = Did::parse("did:example:holder").expect("a DID");
        check_presentable(&holder, &[visa(10), visa(20)]).expect("short ones");
        check_presentable(&holder, &[visa(500_000)]).expect("a long one");
        // By itself it can be read; shown, it is base64 in base64.
        check_presentable(&holder, &[visa(600_000)]).expect_err("too long");
        check_presentable(&holder, &[visa(500_000), visa(100_000)]).expect_err("together");
    }
}
