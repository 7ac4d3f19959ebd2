//! Logs that gave way to another end, in a wallet: what it would change, and the record that it was done.

use super::{KeepError, from_record, pinned_even_ahead, to_record};
use crate::content_id::ContentId;
use crate::trust::{IdentityMaterial, LogPin, Replaced, Trust, TrustError};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{OfflineResolver, Snapshot, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::{Fixed, newest_log};
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use serde::{Deserialize, Serialize};

const REPLACED: &str = "replaced-log";

/// That a log gave way to another end of it, with the log: whoever signed by its keys may be asked about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReplacedLog {
    version: u32,
    /// When.
    pub at: UnixMillis,
    /// The trust pack that brought the other end.
    pub pack: ContentId,
    /// What changed.
    pub changed: Replaced,
    /// The log that counts no more.
    pub log: IdentityMaterial,
}

impl ReplacedLog {
    /// Replaced now.
    #[must_use]
    pub fn new(at: UnixMillis, pack: ContentId, changed: Replaced, log: &Snapshot) -> Self {
        let log = IdentityMaterial::of(&changed.did, log);
        Self { version: super::RECORD_VERSION, at, pack, changed, log }
    }
}

/// What changes in a wallet where it pins a pack whose logs end so: [`super::pin_replacing`].
///
/// # Errors
/// As [`super::pin_replacing`].
pub fn replaces(
    wallet: &Wallet,
    new: &Trust,
    ends: &[LogPin],
    now: UnixMillis,
) -> Result<Vec<Replaced>, KeepError> {
    // As for pinning: a pack that is ahead of the clock gives its place to one that counts.
    let held = match pinned_even_ahead(wallet, now) {
        Ok(held) => Some(held),
        Err(KeepError::NoTrust) => None,
        Err(e) => return Err(e),
    };
    let replaced = new.replaces(held.as_ref(), wallet, ends)?;
    check_others(wallet, &replaced)?;
    Ok(replaced.into_iter().map(|(changed, _)| changed).collect())
}

/// Every log that gave way, the oldest first.
///
/// # Errors
/// [`KeepError`].
pub fn replaced_logs(wallet: &Wallet) -> Result<Vec<ReplacedLog>, KeepError> {
    let mut all = Vec::new();
    for record in wallet.list(REPLACED)? {
        all.push(from_record::<ReplacedLog>(record.value.expose_secret())?);
    }
    all.sort_by(|a, b| (a.at, &a.changed.did).cmp(&(b.at, &b.changed.did)));
    Ok(all)
}

/// Puts the other ends among changes, with the records of it.
pub(super) fn stage(
    wallet: &Wallet,
    changes: &mut Changes,
    new: &Trust,
    replaced: &[(Replaced, Snapshot)],
    now: UnixMillis,
) -> Result<(), KeepError> {
    check_others(wallet, replaced)?;
    for (changed, log) in replaced {
        let did = &changed.did;
        let record = ReplacedLog::new(now, new.id().clone(), changed.clone(), log);
        let bytes = to_record(&record)?;
        let id = ContentId::of_bytes(&bytes).map_err(|e| KeepError::Record(e.to_string()))?;
        changes.put(REPLACED, id.as_str(), bytes);
        let other = |source| TrustError::OtherLog { did: did.clone(), source };
        let Some(mut end) = newest_log(did, &[new]).map_err(other)? else { continue };
        // The wallet keeps the one that was obtained last, and nobody signs when that was.
        let known = wallet.snapshots(did).map_err(WalletError::from)?;
        end.seen = known.iter().map(|known| known.seen).fold(end.seen, UnixMillis::max);
        wallet.stage_log(changes, did, &end)?;
        forget_lists(wallet, changes, did, end)?;
    }
    Ok(())
}

/// Of the lists of a signer whose log gives way, none counts any more that was signed by a key of the log
/// before alone: whoever wrote that log would keep the signer's own from counting for good.
fn forget_lists(
    wallet: &Wallet,
    changes: &mut Changes,
    did: &Did,
    end: Snapshot,
) -> Result<(), KeepError> {
    let known = Fixed(vec![end]);
    let resolver = OfflineResolver::new(&known);
    let (kept, seen) = super::lists(wallet)?;
    for ((id, signer), seen) in seen {
        if &signer == did && seen.is_disowned(&id, &kept, &resolver) {
            let name = super::list_name(did, &id);
            changes.remove(super::LISTS, &name);
            if wallet.get(super::BEFORE, &name)?.is_some() {
                changes.remove(super::BEFORE, &name);
            }
        }
    }
    Ok(())
}

/// What a wallet's own identity is, it knows itself.
fn check_others(wallet: &Wallet, replaced: &[(Replaced, Snapshot)]) -> Result<(), KeepError> {
    let own = wallet.identities()?;
    match replaced.iter().find(|(changed, _)| own.iter().any(|one| one.did == changed.did)) {
        Some((changed, _)) => {
            let reason = "it is an identity of this wallet, which has its log".into();
            Err(TrustError::OtherEnd { did: changed.did.clone(), reason }.into())
        }
        None => Ok(()),
    }
}
