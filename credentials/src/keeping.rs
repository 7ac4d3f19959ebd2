//! What a participant keeps in its wallet beside its keys: the trust pack that it pins, the visas
//! that it holds, role definitions and charters, and the newest status lists that it has seen.

mod leaving;
mod pinning;
mod replacing;

pub use leaving::{ReplacedCharters, leaves, replaced_charters};
pub(crate) use pinning::to_pin;
pub use pinning::{
    check_log, compare_until, identities_for_pack, identities_for_pack_with, pin, pin_replacing,
    pinned, pinned_bytes, pinned_even_ahead,
};
pub use replacing::{ReplacedLog, replaced_logs, replaces};

use crate::charter::{CharterError, SignedCharter};
use crate::codes;
use crate::content_id::ContentId;
use crate::own_list;
use crate::role::{RoleDefinition, RoleError};
use crate::secured::{Kind, Secured, SecuredError};
use crate::status::{StatusError, StatusList};
use crate::trust::{Comparison, Snapshots, TrustError};
use crate::vcdm::Credential;
use crate::verify::{SeenList, SeenLists, SeenState};
use crate::visa::{Visa, VisaError};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

const DEFINITIONS: &str = "definition";
pub(crate) const CHARTERS: &str = "charter";
pub(crate) const TRUST: &str = "trust";
pub(crate) const PINNED: &str = "pinned";
const VISAS: &str = "visa";
const LISTS: &str = "seen-status-list";
/// Of lists that are kept, the newest states before by other keys.
const BEFORE: &str = "seen-status-before";

/// The version of the records.
const RECORD_VERSION: u32 = 1;

/// Why something was not kept or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The wallet failed.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The trust pack does not hold.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A charter cannot be read.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// A definition cannot be read.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// A visa cannot be read.
    #[error(transparent)]
    Visa(#[from] VisaError),
    /// Its securing cannot be read.
    #[error(transparent)]
    Secured(#[from] SecuredError),
    /// A status list cannot be read.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The charter does not go on from the one that is pinned.
    #[error("{}", comparison_sentence(*.0))]
    NotNewer(Comparison),
    /// The status list is older than the one that is kept.
    #[error("a newer state of the status list {0} is kept already")]
    OlderList(String),
    /// Another state of the status list with the same version is kept.
    #[error("its signer signed two different states of the status list {0} with one version")]
    ForkedList(String),
    /// The new pack has another document of a did:web than the pinned one.
    #[error("it has another document of {0} than the trust pack that is pinned")]
    OtherDocument(Did),
    /// No trust pack is pinned.
    #[error("no trust pack is pinned in this wallet")]
    NoTrust,
    /// There is no such thing in the wallet.
    #[error("the wallet has no {what} {name:?}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// By which name.
        name: String,
    },
    /// Several have this name.
    #[error("{name:?} is the name of several; give the id, the CID or the hash of one")]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// A record of the wallet cannot be read.
    #[error("a record of the wallet cannot be read: {0}")]
    Record(String),
    /// Claims that somebody wrote cannot be read.
    #[error("the claims cannot be read: {0}")]
    Claims(String),
}

fn comparison_sentence(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Same => "it is the charter that is pinned already",
        Comparison::Newer => "it goes on from the charter that is pinned",
        Comparison::Older => "it is older than the charter that is pinned",
        Comparison::Fork => "it contradicts the charter that is pinned: two charters, one version",
        Comparison::Unrelated => {
            "it belongs to another trust framework than the one that is pinned"
        }
    }
}

impl KeepError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Wallet(e) => e.code(),
            // What decides is not that its signatures do not count yet, but why.
            Self::Trust(e) if e.is_from_future() => identity_codes::SIGNED_IN_FUTURE,
            Self::Trust(e) => e.code(),
            Self::Charter(e) => e.code(),
            Self::Role(e) => e.code(),
            Self::Visa(e) => e.code(),
            Self::Secured(e) => e.code(),
            Self::Status(e) => e.code(),
            Self::NotNewer(Comparison::Fork) => codes::CHARTER_FORK,
            Self::NotNewer(Comparison::Unrelated) => codes::CHARTER_UNRELATED,
            Self::NotNewer(_) => codes::CHARTER_ROLLBACK,
            Self::OtherDocument(_) => codes::TRUST_DOCUMENT_OTHER,
            Self::OlderList(_) => codes::STATUS_ROLLBACK,
            Self::ForkedList(_) => codes::STATUS_FORK,
            Self::NoTrust => codes::TRUST_NOT_PINNED,
            Self::NotFound { .. } => codes::NOT_KEPT,
            Self::Ambiguous { .. } => codes::NAME_AMBIGUOUS,
            Self::Record(_) | Self::Claims(_) => codes::RECORD_UNREADABLE,
        }
    }
}

/// A visa that the wallet holds, with what proves its issuer's authority.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HeldVisa {
    version: u32,
    /// As it was signed.
    pub text: String,
    /// The visas that it rests on.
    pub supporting: Vec<String>,
    /// When it was accepted.
    pub accepted: UnixMillis,
}

impl HeldVisa {
    /// A visa accepted now.
    #[must_use]
    pub fn new(text: String, supporting: Vec<String>, accepted: UnixMillis) -> Self {
        Self { version: RECORD_VERSION, text, supporting, accepted }
    }

    /// What it says. It was verified when it was accepted, and is verified again where it is used.
    ///
    /// # Errors
    /// [`KeepError`] if it cannot be read.
    pub fn read(&self) -> Result<(Secured, Visa), KeepError> {
        read_visa(&self.text)
    }
}

/// Reads a visa's text without believing it.
///
/// # Errors
/// [`KeepError::Secured`], [`KeepError::Visa`].
pub fn read_visa(text: &str) -> Result<(Secured, Visa), KeepError> {
    let secured = Secured::parse(text.as_bytes(), Kind::Credential)?;
    let credential = Credential::read(secured.document().clone()).map_err(VisaError::from)?;
    let visa = Visa::read(&credential)?;
    Ok((secured, visa))
}

pub(crate) fn to_record<T: Serialize>(value: &T) -> Result<Vec<u8>, KeepError> {
    serde_json::to_vec(value).map_err(|e| KeepError::Record(e.to_string()))
}

pub(crate) fn from_record<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, KeepError> {
    serde_json::from_slice(bytes).map_err(|e| KeepError::Record(e.to_string()))
}

/// Keeps a role definition; gives its CID.
///
/// # Errors
/// [`KeepError::Role`], [`KeepError::Wallet`].
pub fn keep_definition(
    wallet: &mut Wallet,
    definition: &RoleDefinition,
    rng: &mut dyn CryptoRng,
) -> Result<ContentId, KeepError> {
    let (id, bytes) = definition.encode()?;
    let mut changes = Changes::default();
    changes.put(DEFINITIONS, id.as_str(), bytes);
    wallet.apply(changes, rng)?;
    Ok(id)
}

/// Every role definition that is kept, by name and version.
///
/// # Errors
/// [`KeepError`].
pub fn definitions(wallet: &Wallet) -> Result<Vec<(ContentId, RoleDefinition)>, KeepError> {
    let mut all = Vec::new();
    for record in wallet.list(DEFINITIONS)? {
        let (definition, id) = RoleDefinition::parse(record.value.expose_secret(), None)?;
        all.push((id, definition));
    }
    all.sort_by(|(_, a), (_, b)| (&a.name, version_key(a)).cmp(&(&b.name, version_key(b))));
    Ok(all)
}

fn version_key(definition: &RoleDefinition) -> Vec<u32> {
    definition.version.split('.').map(|n| n.parse().unwrap_or(0)).collect()
}

/// A definition that is kept, by CID, or by a name that only one version has or by its newest.
///
/// # Errors
/// [`KeepError::NotFound`]; [`KeepError::Ambiguous`] where two definitions are the newest version of a name.
pub fn definition(wallet: &Wallet, name: &str) -> Result<(ContentId, RoleDefinition), KeepError> {
    let mut found: Vec<_> = definitions(wallet)?
        .into_iter()
        .filter(|(id, d)| id.as_str() == name || d.name.as_str() == name)
        .collect();
    let none = || KeepError::NotFound { what: "role definition", name: name.into() };
    let newest = found.pop().ok_or_else(none)?;
    match found.last() {
        Some((_, other)) if version_key(other) == version_key(&newest.1) => {
            Err(KeepError::Ambiguous { name: name.into() })
        }
        _ => Ok(newest),
    }
}

/// Keeps a charter, signed or on its way.
///
/// # Errors
/// [`KeepError::Wallet`].
pub fn keep_charter(
    wallet: &mut Wallet,
    charter: &SignedCharter,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepError> {
    let bytes = to_record(&charter.to_json())?;
    let mut changes = Changes::default();
    changes.put(CHARTERS, charter.id().as_str(), bytes);
    Ok(wallet.apply(changes, rng)?)
}

/// Keeps a charter that was signed here now, and forgets drafts in whose place it was signed. That it was is
/// noted: by a clock that was ahead, the signature counts for nobody until then.
///
/// # Errors
/// [`KeepError::Wallet`].
pub fn keep_signed(
    wallet: &mut Wallet,
    charter: &SignedCharter,
    dropped: &[ContentId],
    now: UnixMillis,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepError> {
    let mut changes = Changes::default();
    for id in dropped {
        changes.remove(CHARTERS, id.as_str());
    }
    changes.put(CHARTERS, charter.id().as_str(), to_record(&charter.to_json())?);
    Ok(wallet.apply_charter(changes, rng, now)?)
}

/// Every charter that is kept, oldest version first.
///
/// # Errors
/// [`KeepError`].
pub fn charters(wallet: &Wallet) -> Result<Vec<SignedCharter>, KeepError> {
    let mut all = Vec::new();
    for record in wallet.list(CHARTERS)? {
        all.push(SignedCharter::parse(record.value.expose_secret())?);
    }
    all.sort_by_key(|c| (c.charter().version, c.charter().dated));
    Ok(all)
}

/// Keeps a visa; gives the hash of its text.
///
/// # Errors
/// [`KeepError`].
pub fn keep_visa(
    wallet: &mut Wallet,
    held: &HeldVisa,
    rng: &mut dyn CryptoRng,
) -> Result<ContentId, KeepError> {
    let (secured, _) = held.read()?;
    let mut changes = Changes::default();
    changes.put(VISAS, secured.id().as_str(), to_record(held)?);
    wallet.apply(changes, rng)?;
    Ok(secured.id().clone())
}

/// Of the visas that a subject's visa came with, those that are kept with it, or shown. What the wallet holds
/// itself of that subject is looked up when it is needed: it is renewed. What ended proves nothing any more.
///
/// # Errors
/// [`KeepError`].
pub fn resting(
    wallet: &Wallet,
    subject: &Did,
    supporting: &[String],
    now: UnixMillis,
) -> Result<Vec<String>, KeepError> {
    if supporting.is_empty() {
        return Ok(Vec::new());
    }
    let held: Vec<String> = visas(wallet)?.into_iter().map(|held| held.text).collect();
    let leaves_out = |text: &String| {
        read_visa(text).is_ok_and(|(_, visa)| {
            &visa.subject == subject && (held.contains(text) || visa.valid_until <= now)
        })
    };
    Ok(supporting.iter().filter(|text| !leaves_out(text)).cloned().collect())
}

/// Every visa that is held, oldest first.
///
/// # Errors
/// [`KeepError`].
pub fn visas(wallet: &Wallet) -> Result<Vec<HeldVisa>, KeepError> {
    let mut all = Vec::new();
    for record in wallet.list(VISAS)? {
        all.push(from_record::<HeldVisa>(record.value.expose_secret())?);
    }
    all.sort_by_key(|v| v.accepted);
    Ok(all)
}

/// A held visa by its hash, its id, or its role where only one has it; of one and its renewals, which say
/// the same for longer, the last.
///
/// # Errors
/// [`KeepError::NotFound`], [`KeepError::Ambiguous`].
pub fn visa(wallet: &Wallet, name: &str) -> Result<HeldVisa, KeepError> {
    the_last(visas_named(wallet, name)?, name)
}

/// Every held visa with this hash, id or role, with what it says.
///
/// # Errors
/// [`KeepError`].
pub fn visas_named(wallet: &Wallet, name: &str) -> Result<Vec<(Visa, HeldVisa)>, KeepError> {
    let mut found = Vec::new();
    for held in visas(wallet)? {
        let (secured, visa) = held.read()?;
        if [secured.id().as_str(), &visa.id, visa.role.as_str()].contains(&name) {
            found.push((visa, held));
        }
    }
    Ok(found)
}

/// Of visas that a name fits: the only one, or of one and its renewals the last.
///
/// # Errors
/// [`KeepError::NotFound`], [`KeepError::Ambiguous`].
pub fn the_last(mut found: Vec<(Visa, HeldVisa)>, name: &str) -> Result<HeldVisa, KeepError> {
    found.sort_by_key(|(visa, _)| visa.valid_until);
    let Some((last, held)) = found.pop() else {
        return Err(KeepError::NotFound { what: "visa", name: name.into() });
    };
    let renewed = |(visa, _): &(Visa, HeldVisa)| {
        (&visa.issuer, &visa.role, &visa.claims) == (&last.issuer, &last.role, &last.claims)
    };
    if found.iter().all(renewed) {
        return Ok(held);
    }
    Err(KeepError::Ambiguous { name: name.into() })
}

/// Removes a held visa; gives whether it was there.
///
/// # Errors
/// [`KeepError::Wallet`].
pub fn drop_visa(
    wallet: &mut Wallet,
    evidence: &ContentId,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepError> {
    let mut changes = Changes::default();
    changes.remove(VISAS, evidence.as_str());
    Ok(wallet.apply(changes, rng)?)
}

fn list_name(issuer: &Did, id: &str) -> String {
    format!("{issuer} {id}")
}

/// The state of a signer's list that is kept.
pub(crate) fn seen_list(
    wallet: &Wallet,
    issuer: &Did,
    id: &str,
) -> Result<Option<StatusList>, KeepError> {
    let kept = wallet.get(LISTS, &list_name(issuer, id))?;
    kept.map(|kept| read_list(kept.expose_secret())).transpose()
}

/// Keeps the state of a status list, if it is the newest that was seen. It must have been verified. Who has no wallet
/// gives it to [`crate::verifier::Verifier::take_list`].
///
/// A newer one whose key is marked as compromised since is perhaps a thief's, and gives its place to a list of
/// a time from that mark on.
///
/// What a list of one of the wallet's own identities says is taken over: its issuer goes on from it,
/// and takes nothing back. Such a list is no fork, though its version be one that was signed here too.
///
/// # Errors
/// [`KeepError::OlderList`] where a newer one is kept, and nothing was taken over;
/// [`KeepError::ForkedList`] where another one of the same version is.
pub fn see_list(
    wallet: &mut Wallet,
    list: &StatusList,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepError> {
    let mut changes = Changes::default();
    let is_own = wallet.identities()?.iter().any(|i| i.did == list.issuer);
    let is_new = is_own && own_list::take_over(wallet, list, &mut changes)?;
    // Of the same version it is perhaps a thief's too, and no fork, whichever is dated later.
    let kept = seen_list(wallet, &list.issuer, &list.id)?;
    let known = kept.as_ref().map(|kept| state_of(wallet, kept)).transpose()?;
    let counts =
        |known: &SeenList| known.order.0 < list.order().0 || !gives_way(wallet, known, list);
    let kept = kept.filter(|_| known.as_ref().is_some_and(counts));
    let is_older = kept.as_ref().is_some_and(|kept| kept.order() > list.order());
    if let Some(kept) = kept
        && !is_own
        && kept.version.is_some()
        && kept.version == list.version
        && kept.bits() != list.bits()
    {
        return Err(KeepError::ForkedList(list.id.clone()));
    }
    if is_older && !is_new {
        return Err(KeepError::OlderList(list.id.clone()));
    }
    if !is_older {
        let name = list_name(&list.issuer, &list.id);
        changes.put(LISTS, &name, list.secured().text().as_bytes().to_vec());
        let state = SeenList::of(list).in_place_of(known.as_ref());
        let before: Vec<SeenState> = state.before.iter().filter_map(SeenState::of).collect();
        if !before.is_empty() {
            changes.put(BEFORE, &name, to_record(&before)?);
        } else if wallet.get(BEFORE, &name)?.is_some() {
            changes.remove(BEFORE, &name);
        }
    }
    Ok(wallet.apply(changes, rng)?)
}

/// The state of a list that is kept, with those before it.
fn state_of(wallet: &Wallet, kept: &StatusList) -> Result<SeenList, KeepError> {
    let mut state = SeenList::of(kept);
    if let Some(before) = wallet.get(BEFORE, &list_name(&kept.issuer, &kept.id))? {
        let before: Vec<SeenState> = from_record(before.expose_secret())?;
        state.before = before.iter().filter_map(SeenState::read).collect();
    }
    Ok(state)
}

/// Whether what was seen of a list counts for nothing against another, by what the wallet knows of their signer.
fn gives_way(wallet: &Wallet, known: &SeenList, list: &StatusList) -> bool {
    // Whether its charters count yet says nothing of the logs that the pack brings.
    let trust = pinned(wallet, UnixMillis::MAX).ok();
    let mut snapshots = Snapshots::default().with(wallet);
    if let Some(trust) = &trust {
        snapshots = snapshots.with(trust);
    }
    known.gives_way_to(list, &OfflineResolver::new(&snapshots))
}

/// Reads a status list's text without believing it.
///
/// # Errors
/// [`KeepError::Secured`], [`KeepError::Status`].
pub fn read_list(bytes: &[u8]) -> Result<StatusList, KeepError> {
    Ok(StatusList::read(Secured::parse(bytes, Kind::Credential)?)?)
}

/// The status lists that are kept, and their states as what was seen.
///
/// # Errors
/// [`KeepError`].
pub fn lists(wallet: &Wallet) -> Result<(Vec<StatusList>, SeenLists), KeepError> {
    let (mut all, mut seen) = (Vec::new(), SeenLists::new());
    for record in wallet.list(LISTS)? {
        let list = read_list(record.value.expose_secret())?;
        seen.insert((list.id.clone(), list.issuer.clone()), state_of(wallet, &list)?);
        all.push(list);
    }
    Ok((all, seen))
}

/// Reads JSON claims from a file's bytes.
///
/// # Errors
/// [`KeepError::Claims`].
pub fn read_claims(bytes: &[u8]) -> Result<serde_json::Map<String, serde_json::Value>, KeepError> {
    match json::parse_strict(bytes, Limits::SMALL) {
        Ok(serde_json::Value::Object(claims)) => Ok(claims),
        Ok(_) => Err(KeepError::Claims("they are no JSON object".into())),
        Err(e) => Err(KeepError::Claims(e.to_string())),
    }
}
