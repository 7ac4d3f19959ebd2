//! Leaving a forked charter: the charters that count no more, and the record that it was done.

use super::pinning::compare_until;
use super::{KeepError, from_record, pinned_even_ahead, to_record};
use crate::charter::SignedCharter;
use crate::content_id::ContentId;
use crate::trust::{Comparison, Trust};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::{Changes, Wallet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const REPLACED: &str = "replaced-charter";

/// That charters gave way to others of the same versions, with what was signed: it proves that the signers
/// contradicted themselves, and what rested on it may be asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplacedCharters {
    version: u32,
    /// When.
    pub at: UnixMillis,
    /// The trust pack that brought the others.
    pub pack: ContentId,
    /// The charter that was the newest.
    pub before: ContentId,
    /// The one that is the newest from then on.
    pub after: ContentId,
    /// The charters that count no more, with their signatures, oldest first.
    pub charters: Vec<Value>,
}

impl ReplacedCharters {
    /// Left now.
    #[must_use]
    pub fn new(at: UnixMillis, held: &Trust, new: &Trust) -> Self {
        let stays = |c: &&SignedCharter| new.history().iter().any(|other| other.id() == c.id());
        let left = held.history().iter().filter(|c| !stays(c));
        Self {
            version: super::RECORD_VERSION,
            at,
            pack: new.id().clone(),
            before: held.charter().id().clone(),
            after: new.charter().id().clone(),
            charters: left.map(SignedCharter::to_json).collect(),
        }
    }
}

/// What a wallet leaves where it pins a pack with its CID: charters that this one contradicts.
///
/// # Errors
/// As [`super::pin`].
pub fn leaves(
    wallet: &Wallet,
    new: &Trust,
    now: UnixMillis,
) -> Result<Option<ReplacedCharters>, KeepError> {
    match pinned_even_ahead(wallet, now) {
        Ok(held) => Ok(left(&held, new, now)),
        Err(KeepError::NoTrust) => Ok(None),
        Err(e) => Err(e),
    }
}

fn left(held: &Trust, new: &Trust, now: UnixMillis) -> Option<ReplacedCharters> {
    let is_fork = compare_until(new, held, now) == Comparison::Fork;
    is_fork.then(|| ReplacedCharters::new(now, held, new))
}

/// Every time that charters gave way, the oldest first.
///
/// # Errors
/// [`KeepError`].
pub fn replaced_charters(wallet: &Wallet) -> Result<Vec<ReplacedCharters>, KeepError> {
    let mut all = Vec::new();
    for record in wallet.list(REPLACED)? {
        all.push(from_record::<ReplacedCharters>(record.value.expose_secret())?);
    }
    all.sort_by_key(|record| record.at);
    Ok(all)
}

/// Puts the record among changes, where charters give way.
pub(super) fn stage(
    changes: &mut Changes,
    held: Option<&Trust>,
    new: &Trust,
    now: UnixMillis,
) -> Result<(), KeepError> {
    if let Some(record) = held.and_then(|held| left(held, new, now)) {
        let bytes = to_record(&record)?;
        let id = ContentId::of_bytes(&bytes).map_err(|e| KeepError::Record(e.to_string()))?;
        changes.put(REPLACED, id.as_str(), bytes);
    }
    Ok(())
}
