//! Showing visas: a presentation of visas that a wallet holds and of everything that they rest on,
//! signed by their holder for one reader.
//!
//! What comes out is the text that its reader verifies with [`crate::verify::verify_presentation`];
//! [`Shown::to_parcel`] puts beside it the status lists and DID documents that the reader needs.

use crate::context::CREDENTIALS_V2;
use crate::keeping::{self, HeldVisa, KeepError};
use crate::parcel::{Parcel, ParcelKind, dids_in, identities_of, lists_named_in};
use crate::secured::{
    Binding, Form, Kind, MAX_BYTES, Secured, SecuredError, Signer, secure_presentation,
};
use crate::vcdm::Presentation;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::identities::Identity;
use gridpass_identity::wallet::{Wallet, WalletError};
use serde_json::{Value, json};

/// What is to be shown. There is no default: each field is a decision.
#[derive(Clone, Copy, Debug)]
pub struct Showing<'s> {
    /// Who shows: the subject of the visas.
    pub holder: &'s Identity,
    /// Which visas.
    pub visas: &'s [HeldVisa],
    /// Only these of the claims that can be withheld; all of them, if absent.
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

/// Signs a presentation.
///
/// # Errors
/// [`KeepError::Secured`] for a claim that a visa does not have or whose holder cannot withhold it,
/// [`KeepError::Wallet`] if the wallet has no key of the holder.
pub fn present(wallet: &Wallet, showing: &Showing<'_>) -> Result<Shown, KeepError> {
    let mut visas: Vec<String> = Vec::new();
    for held in showing.visas {
        let secured = Secured::parse(held.text.as_bytes(), Kind::Credential)?;
        let shown = match showing.disclose {
            Some(names) => secured.disclose(names)?,
            None => held.text.clone(),
        };
        for text in std::iter::once(shown).chain(held.supporting.iter().cloned()) {
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
