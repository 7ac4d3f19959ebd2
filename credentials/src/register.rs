//! What an issuer looks up in its register: whether a request was answered, whether an entry is set,
//! and a visa once more, for a holder whose file was lost.

use crate::content_id::ContentId;
use crate::issuing::{IssueError, IssuedVisa, authority, issued, signed_lists};
use crate::keeping::{self, KeepError};
use crate::own_list::own_lists;
use crate::parcel::{Parcel, ParcelKind, dids_in, identities_of, lists_named_in};
use crate::visa::StatusEntry;
use gridpass_identity::did::Did;
use gridpass_identity::wallet::{Wallet, WalletError};

/// The visa that was issued last for a request, by the request's hash.
///
/// # Errors
/// [`KeepError`].
pub fn issued_for(wallet: &Wallet, request: &ContentId) -> Result<Option<IssuedVisa>, KeepError> {
    let mut all = issued(wallet)?.into_iter();
    Ok(all.rfind(|record| record.request.as_ref() == Some(request)))
}

/// Whether an entry of a status list is set, by what an identity of this wallet signed last.
///
/// # Errors
/// [`IssueError`].
pub fn is_set(wallet: &Wallet, signer: &Did, entry: &StatusEntry) -> Result<bool, IssueError> {
    let own = own_lists(wallet)?.into_iter();
    let mut held = own.filter(|list| list.id == entry.list && &list.issuer == signer);
    match held.next() {
        Some(list) => Ok(list.bits()?.get(entry.index)?),
        None => Ok(false),
    }
}

/// A visa of the register as a file for its holder: as it was signed, with what proves its issuer's
/// authority and the status lists as they are now.
///
/// # Errors
/// [`KeepError`].
pub fn parcel_of(wallet: &Wallet, record: &IssuedVisa) -> Result<Parcel, KeepError> {
    let visa = record.read()?;
    let supporting = authority(wallet, &visa.issuer)?;
    let mut lists = signed_lists(wallet)?;
    lists.extend(keeping::lists(wallet)?.0);
    let mut texts = supporting.clone();
    texts.push(record.text.clone());
    let mut dids = dids_in(&supporting);
    dids.push(visa.issuer);
    let mut parcel = Parcel::new(ParcelKind::Visa, Some(record.text.clone()));
    parcel.status_lists = lists_named_in(&texts, &lists);
    parcel.identities = identities_of(wallet, &dids).map_err(WalletError::from)?;
    parcel.supporting = supporting;
    Ok(parcel)
}
