//! Showing visas: a presentation of visas that a wallet holds and of everything that they rest on,
//! signed by their holder for one reader.
//!
//! What comes out is the text that its reader verifies with [`crate::verify::verify_presentation`];
//! [`Shown::to_parcel`] puts beside it the status lists and DID documents that the reader needs.

use crate::context::CREDENTIALS_V2;
use crate::keeping::{self, HeldVisa, KeepError};
use crate::parcel::{Parcel, ParcelKind, dids_in, identities_of, lists_named_in};
use crate::secured::{Binding, Form, Kind, Secured, SecuredError, Signer, secure_presentation};
use crate::vcdm::Presentation;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
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
    let members: Vec<Value> = visas
        .iter()
        .map(|text| Ok(Secured::parse(text.as_bytes(), Kind::Credential)?.to_member()))
        .collect::<Result<_, SecuredError>>()?;
    let presentation = Presentation::read(json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": showing.holder.did,
        "verifiableCredential": members,
    }));
    let presentation = presentation.map_err(SecuredError::from)?;
    let (key_id, key) = wallet.active_secret(showing.holder, Relationship::Authentication)?;
    let signer = Signer { key: &key, key_id: &key_id, now: showing.now };
    let secured = secure_presentation(&presentation, Form::Jwt, showing.binding, signer)?;
    let holder = showing.holder.did.clone();
    Ok(Shown { holder, text: secured.text().to_owned(), visas })
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
