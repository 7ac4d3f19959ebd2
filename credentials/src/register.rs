//! What an issuer looks up in its register: the visas and authorisations that it issued, the lists that it
//! signed, whether a request was answered, whether an entry is set, and a visa once more, for a holder whose
//! file was lost.

use crate::authorisation::NodeAuthorisation;
use crate::content_id::ContentId;
use crate::issued::{ACTS, Act, Event, ISSUED, IssuedVisa, REFUSED, RefusedRequest};
use crate::issuing::{AUTHORISATIONS, IssueError, authority};
use crate::keeping::{self, KeepError, from_record, read_visa, to_record};
use crate::own_list::{OwnList, own_lists};
use crate::parcel::{MAX_LIST, Parcel, ParcelKind, dids_in, identities_of, lists_named_in};
use crate::request::Refusal;
use crate::secured::{Kind, Secured};
use crate::status::StatusList;
use crate::vcdm::Credential;
use crate::visa::{Purpose, StatusEntry, Visa, VisaError};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;

/// The visa that was issued last for a request, by the request's hash.
///
/// # Errors
/// [`KeepError`].
pub fn issued_for(wallet: &Wallet, request: &ContentId) -> Result<Option<IssuedVisa>, KeepError> {
    let mut all = issued(wallet)?.into_iter();
    Ok(all.rfind(|record| record.request.as_ref() == Some(request)))
}

/// The last refusal of a request that was entered, by the request's hash.
///
/// # Errors
/// [`KeepError`].
pub fn refused(wallet: &Wallet, request: &ContentId) -> Result<Option<RefusedRequest>, KeepError> {
    let kept = wallet.get(REFUSED, request.as_str())?;
    kept.map(|bytes| from_record(bytes.expose_secret())).transpose()
}

/// Enters that a request is refused, so that it is not granted by mistake later.
///
/// # Errors
/// [`KeepError`].
pub fn enter_refusal(
    wallet: &mut Wallet,
    refusal: &Refusal,
    now: UnixMillis,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepError> {
    let mut changes = Changes::default();
    let record = to_record(&RefusedRequest::new(refusal, now))?;
    changes.put(REFUSED, refusal.request.as_str(), record);
    Ok(wallet.apply(changes, rng)?)
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

/// Every node authorisation that this wallet's identities signed, with its text.
///
/// # Errors
/// [`KeepError`].
pub fn authorisations(wallet: &Wallet) -> Result<Vec<(NodeAuthorisation, String)>, KeepError> {
    let mut all = Vec::new();
    for record in wallet.list(AUTHORISATIONS)? {
        let text = String::from_utf8_lossy(record.value.expose_secret()).into_owned();
        let secured = Secured::parse(text.as_bytes(), Kind::Credential)?;
        let credential = Credential::read(secured.document().clone()).map_err(VisaError::from)?;
        all.push((NodeAuthorisation::read(&credential)?, text));
    }
    all.sort_by(|(a, _), (b, _)| (a.valid_from, &a.id).cmp(&(b.valid_from, &b.id)));
    Ok(all)
}

/// Whether this wallet's identities have status lists of their own.
///
/// # Errors
/// [`KeepError`].
pub fn is_issuer(wallet: &Wallet) -> Result<bool, KeepError> {
    Ok(!own_lists(wallet)?.is_empty())
}

/// Whether an identity signs a list of this id.
///
/// # Errors
/// [`KeepError`].
pub fn signs_list(wallet: &Wallet, issuer: &Did, id: &str) -> Result<bool, KeepError> {
    Ok(own_lists(wallet)?.iter().any(|list| &list.issuer == issuer && list.id == id))
}

/// The lists that this wallet's identities signed last.
///
/// # Errors
/// [`KeepError`].
pub fn signed_lists(wallet: &Wallet) -> Result<Vec<StatusList>, KeepError> {
    let signed = own_lists(wallet)?.into_iter().filter_map(|l| l.signed);
    signed.map(|text| keeping::read_list(text.as_bytes())).collect()
}

/// Status lists as a file for those who rely on them, with what is known of their signers. Beside those of
/// somebody who revokes by a role stand the lists that say how the visas stand by which it does.
///
/// # Errors
/// [`KeepError`].
pub fn lists_parcel(wallet: &Wallet, lists: &[StatusList]) -> Result<Parcel, KeepError> {
    let mut dids: Vec<Did> = lists.iter().map(|list| list.issuer.clone()).collect();
    let mut parcel = Parcel::new(ParcelKind::StatusLists, None);
    parcel.status_lists = lists.iter().map(|list| list.secured().text().to_owned()).collect();
    let carried = lists.iter().flat_map(StatusList::authority);
    let carried = carried.filter_map(|m| Secured::from_json(m.clone(), Kind::Credential).ok());
    let carried: Vec<String> = carried.map(|secured| secured.text().to_owned()).collect();
    if !carried.is_empty() {
        dids.extend(dids_in(&carried));
        let mut others = keeping::lists(wallet)?.0;
        // A file with a list of whose signer its reader knows nothing is not taken at all, and what a
        // file says of a did:web is not believed.
        others.retain(|list| list.issuer.method() != "web");
        for text in lists_named_in(&carried, &others) {
            if !parcel.status_lists.contains(&text) {
                dids.push(keeping::read_list(text.as_bytes())?.issuer);
                parcel.status_lists.push(text);
            }
        }
        parcel.status_lists.truncate(MAX_LIST);
    }
    parcel.identities = identities_of(wallet, &dids).map_err(WalletError::from)?;
    Ok(parcel)
}

/// Every visa in the register, oldest first.
///
/// # Errors
/// [`KeepError`].
pub fn issued(wallet: &Wallet) -> Result<Vec<IssuedVisa>, KeepError> {
    let mut all = wallet
        .list(ISSUED)?
        .iter()
        .map(|r| from_record::<IssuedVisa>(r.value.expose_secret()))
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|v| v.issued);
    Ok(all)
}

pub(crate) fn issued_by_id(wallet: &Wallet, id: &str) -> Result<Option<IssuedVisa>, KeepError> {
    wallet.get(ISSUED, id)?.map(|bytes| from_record(bytes.expose_secret())).transpose()
}

/// What was done here to the status of visas of others and of node authorisations, oldest first.
///
/// # Errors
/// [`KeepError`].
pub fn acts(wallet: &Wallet) -> Result<Vec<Act>, KeepError> {
    let mut all = wallet
        .list(ACTS)?
        .iter()
        .map(|r| from_record::<Act>(r.value.expose_secret()))
        .collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|act| act.events.first().map(|event| event.at));
    Ok(all)
}

pub(crate) fn act_on(wallet: &Wallet, id: &str) -> Result<Option<Act>, KeepError> {
    wallet.get(ACTS, id)?.map(|bytes| from_record(bytes.expose_secret())).transpose()
}

/// Enters what a list that was taken over says of the visas in the register: as of its last change of
/// each, else as of its date.
pub(crate) fn follow(
    wallet: &Wallet,
    list: &OwnList,
    dated: UnixMillis,
    changes: &mut Changes,
) -> Result<(), KeepError> {
    let bits = list.bits()?;
    for mut record in issued(wallet)? {
        let visa = record.read()?;
        let Some(entry) = visa.status_of(list.purpose).filter(|e| e.list == list.id) else {
            continue;
        };
        let what = match (list.purpose, bits.get(entry.index)?, record.state()) {
            (_, _, "revoked") => continue,
            (Purpose::Revocation, true, _) => "revoked",
            (Purpose::Suspension, true, "in force") => "suspended",
            (Purpose::Suspension, false, "suspended") => "reinstated",
            (Purpose::Revocation, false, _) | (Purpose::Suspension, _, _) => continue,
        };
        let last = list.changes.iter().rev().find(|c| c.index == entry.index);
        let at = last.map_or(dated, |c| c.at);
        let by = Some(list.issuer.clone());
        record.events.push(Event { at, what: what.into(), reason: None, by });
        changes.put(ISSUED, &visa.id, to_record(&record)?);
    }
    Ok(())
}

/// A visa of the register by its id or hash, or by its subject: of one subject's those count that
/// `fit`, or where none does, the last.
///
/// # Errors
/// [`KeepError::NotFound`]; [`KeepError::Ambiguous`] where several of a subject fit.
pub fn find_issued(
    wallet: &Wallet,
    name: &str,
    fit: impl Fn(&IssuedVisa, &Visa) -> bool,
) -> Result<IssuedVisa, KeepError> {
    if let Some(found) = issued_by_id(wallet, name)? {
        return Ok(found);
    }
    let (mut fitting, mut last) = (Vec::new(), None);
    for record in issued(wallet)? {
        let (secured, visa) = read_visa(&record.text)?;
        if secured.id().as_str() == name {
            return Ok(record);
        }
        if visa.subject.as_str() == name {
            if fit(&record, &visa) {
                fitting.push(record);
            } else {
                last = Some(record);
            }
        }
    }
    match (fitting.pop(), fitting.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(KeepError::Ambiguous { name: name.into() }),
        (None, _) => {
            last.ok_or_else(|| KeepError::NotFound { what: "issued visa", name: name.into() })
        }
    }
}
