//! The trust pack that a wallet pins: what may take its place, and what is known beside it.

use super::{DEFINITIONS, KeepError, PINNED, TRUST, leaving, replacing};
use crate::content_id::ContentId;
use crate::trust::{Comparison, IdentityMaterial, LogPin, Trust, TrustError};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{NoSnapshots, Snapshot, SnapshotStore};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use gridpass_identity::wallet::snapshots::{Fixed, newest_log};
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};

/// Pins a trust pack: from now on it is what everything is verified by. A charter that does not go
/// on from the pinned one is refused, unless `adopt` says so, because the pack is the one that was named, and it is
/// another framework, or contradicts the pinned one; the latter is recorded: [`super::replaced_charters`]. Of a pinned pack
/// that is ahead of the clock, what is not ahead must be gone on from: everybody refuses the rest. A log that the
/// pinned pack or the wallet knows further than the new pack does is kept in the wallet with it.
///
/// # Errors
/// [`KeepError::NotNewer`], [`KeepError::OtherDocument`], [`KeepError::Trust`].
pub fn pin(
    wallet: &mut Wallet,
    pack: &[u8],
    adopt: bool,
    now: UnixMillis,
    rng: &mut dyn CryptoRng,
) -> Result<Trust, KeepError> {
    pin_replacing(wallet, pack, adopt, &[], now, rng)
}

/// The same, and logs of the pack that are pinned by how they end take the place of known ones that contradict
/// them, which is recorded: [`super::replaced_logs`]. [`super::replaces`] tells before what changes.
///
/// # Errors
/// As [`pin`]; [`TrustError::OtherEnd`] for a log that is another than the one that is pinned.
pub fn pin_replacing(
    wallet: &mut Wallet,
    pack: &[u8],
    adopt: bool,
    ends: &[LogPin],
    now: UnixMillis,
    rng: &mut dyn CryptoRng,
) -> Result<Trust, KeepError> {
    let held = match pinned_even_ahead(wallet, now) {
        Ok(held) => Some(held),
        Err(KeepError::NoTrust) => None,
        Err(e) => return Err(e),
    };
    if let Some(held) = &held
        && held.history_until(now).len() < held.history().len()
    {
        // By a clock that was set back every charter is ahead, and an old one would take its place.
        wallet.check_clock(now)?;
    }
    let new = succeeding(pack, held.as_ref(), adopt, now)?;
    let replaced = new.replaces(held.as_ref(), &*wallet, ends)?;
    let dids: BTreeSet<Did> = replaced.iter().map(|(what, _)| what.did.clone()).collect();
    let logs = new.beside_but(held.as_ref(), &*wallet, &dids, now)?;
    let mut changes = Changes::default();
    changes.put(TRUST, PINNED, pack.to_vec());
    for (id, role) in new.definitions() {
        changes.put(DEFINITIONS, id.as_str(), role.definition.encode()?.1);
    }
    // What was known goes beyond the pack, or the wallet's own log behind it: the newest stays known.
    for (did, log) in &logs {
        let kept = wallet.snapshots(did).map_err(WalletError::from)?.pop();
        let is_kept = match kept {
            Some(kept) => {
                let same = kept.document == log.document && kept.witness == log.witness;
                same && kept.seen >= log.seen
            }
            None => new.has_log(did, log),
        };
        if !is_kept {
            wallet.stage_log(&mut changes, did, log)?;
        }
    }
    replacing::stage(wallet, &mut changes, &new, &replaced, now)?;
    leaving::stage(&mut changes, held.as_ref(), &new, now)?;
    wallet.apply(changes, rng)?;
    Ok(new)
}

/// Whether a pack may take the place of the one that is held; gives it, and of the logs of DIDs in either the newest
/// that were known before.
pub(crate) fn to_pin(
    pack: &[u8],
    held: Option<&Trust>,
    known: &dyn SnapshotStore,
    now: UnixMillis,
) -> Result<(Trust, BTreeMap<Did, Snapshot>), KeepError> {
    let new = succeeding(pack, held, false, now)?;
    let logs = new.beside(held, known, now)?;
    Ok((new, logs))
}

/// A pack that may take the place of the one that is held.
fn succeeding(
    pack: &[u8],
    held: Option<&Trust>,
    adopt: bool,
    now: UnixMillis,
) -> Result<Trust, KeepError> {
    let new = Trust::open(pack, None, now)?;
    // When a log was obtained is signed by nobody, and one that is dated ahead would stay the newest.
    let latest = now.plus_millis(MAX_CLOCK_SKEW_MILLIS);
    let mut logs = new.identities().iter().filter(|m| m.did.method() == "webvh");
    if let Some(ahead) = logs.find(|m| m.seen > latest) {
        let what = format!("it says that the log of {} was obtained at {}", ahead.did, ahead.seen);
        return Err(TrustError::Malformed(format!("{what}, which is later than now")).into());
    }
    if let Some(held) = held {
        match compare_until(&new, held, now) {
            // A did:web has no history that proves itself: what the new pack says of one that
            // the held pack knows would be its sender's word against ours.
            Comparison::Same | Comparison::Newer => {
                if let Some(did) = new.other_web(held).filter(|_| !adopt) {
                    return Err(KeepError::OtherDocument(did.clone()));
                }
            }
            Comparison::Unrelated | Comparison::Fork if adopt => {}
            other => return Err(KeepError::NotNewer(other)),
        }
    }
    Ok(new)
}

/// The trust pack that is pinned.
///
/// # Errors
/// [`KeepError::NoTrust`].
pub fn pinned(wallet: &Wallet, now: UnixMillis) -> Result<Trust, KeepError> {
    let bytes = wallet.get(TRUST, PINNED)?.ok_or(KeepError::NoTrust)?;
    Ok(Trust::open(bytes.expose_secret(), None, now)?)
}

/// The trust pack that is pinned, also where its charters, or their signatures, are ahead of the clock, and that
/// is its only fault.
/// For what must not wait until then: suspending, revoking, and pinning another one in its place.
///
/// # Errors
/// [`KeepError::NoTrust`].
pub fn pinned_even_ahead(wallet: &Wallet, now: UnixMillis) -> Result<Trust, KeepError> {
    let bytes = wallet.get(TRUST, PINNED)?.ok_or(KeepError::NoTrust)?;
    match Trust::open(bytes.expose_secret(), None, now) {
        // As of when every date in it has come: whatever else is wrong with it still is.
        Err(e) if e.is_from_future() => {
            Ok(Trust::open(bytes.expose_secret(), None, UnixMillis::MAX)?)
        }
        opened => Ok(opened?),
    }
}

/// How a pack stands to what is held, without the charters at its end that are ahead of the clock, or are
/// signed ahead of it: whoever holds such charters gives them up for a pack that goes on from those before them.
#[must_use]
pub fn compare_until(new: &Trust, held: &Trust, now: UnixMillis) -> Comparison {
    let compared = new.compare(held);
    if !matches!(compared, Comparison::Older | Comparison::Fork) {
        return compared;
    }
    let ids = |trust: &Trust| -> Vec<ContentId> {
        trust.history_until(now).iter().map(|c| c.id().clone()).collect()
    };
    let (ours, known) = (ids(new), ids(held));
    match compared {
        // Not the same pack of documents, perhaps, but the same charters.
        Comparison::Older | Comparison::Fork if ours == known => Comparison::Same,
        Comparison::Older | Comparison::Fork if ours.starts_with(&known) => Comparison::Newer,
        as_is => as_is,
    }
}

/// The bytes of the pinned trust pack.
///
/// # Errors
/// [`KeepError::NoTrust`].
pub fn pinned_bytes(wallet: &Wallet) -> Result<Vec<u8>, KeepError> {
    let bytes = wallet.get(TRUST, PINNED)?.ok_or(KeepError::NoTrust)?;
    Ok(bytes.expose_secret().to_vec())
}

/// Refuses a log that contradicts the one in the pinned pack: kept beside it, it would leave its DID undecided
/// from then on, and no newer pack could be pinned.
///
/// # Errors
/// [`KeepError::Trust`] with [`TrustError::OtherLog`].
pub fn check_log(pinned: &Trust, did: &Did, new: &Snapshot) -> Result<(), KeepError> {
    if did.method() == "webvh" {
        let new = Fixed(vec![new.clone()]);
        let other = |source| TrustError::OtherLog { did: did.clone(), source };
        newest_log(did, &[pinned, &new]).map_err(other)?;
    }
    Ok(())
}

/// What a trust pack carries of DIDs that cannot be computed, as far as the pinned pack and the wallet know
/// them: of a did:webvh the newest log, of a did:web every document.
///
/// # Errors
/// [`TrustError::OtherLog`] where pack and wallet contradict each other; [`KeepError::Wallet`].
pub fn identities_for_pack(
    wallet: &Wallet,
    pinned: Option<&Trust>,
    dids: &[Did],
) -> Result<Vec<IdentityMaterial>, KeepError> {
    identities_for_pack_with(wallet, pinned, &NoSnapshots, dids)
}

/// The same, also with logs that are not kept yet.
///
/// # Errors
/// As [`identities_for_pack`].
pub fn identities_for_pack_with(
    wallet: &Wallet,
    pinned: Option<&Trust>,
    brought: &dyn SnapshotStore,
    dids: &[Did],
) -> Result<Vec<IdentityMaterial>, KeepError> {
    let mut stores: Vec<&dyn SnapshotStore> = Vec::new();
    stores.extend(pinned.map(|trust| trust as &dyn SnapshotStore));
    stores.extend([wallet as &dyn SnapshotStore, brought]);
    let mut all = Vec::new();
    for did in dids.iter().collect::<BTreeSet<_>>() {
        if did.method() == "webvh" {
            let other = |source| TrustError::OtherLog { did: did.clone(), source };
            let newest = newest_log(did, &stores).map_err(other)?;
            all.extend(newest.map(|log| IdentityMaterial::of(did, &log)));
            continue;
        }
        let pinned = pinned.into_iter().flat_map(Trust::identities).filter(|m| &m.did == did);
        let mut known: Vec<_> = pinned.cloned().collect();
        // The same document again is no other one, whenever it was obtained.
        for snapshot in wallet.snapshots(did).map_err(WalletError::from)? {
            let new = IdentityMaterial::of(did, &snapshot);
            if known.iter().all(|k| k.document != new.document) {
                known.push(new);
            }
        }
        all.extend(known);
    }
    Ok(all)
}
