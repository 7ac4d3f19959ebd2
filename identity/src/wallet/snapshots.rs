//! What was seen of DIDs, and when: the wallet as a [`SnapshotStore`].

use super::clock::{check_ahead, dates, is_ahead, without_end};
use super::{Changes, Wallet, WalletError};
use crate::did::Did;
use crate::method::webvh;
use crate::resolve::{ResolveError, Snapshot, SnapshotStore};
use crate::time::UnixMillis;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

const SNAPSHOTS: &str = "snapshot";
/// The most different snapshots that are kept for one DID. More are refused and none is dropped: a
/// dropped one could be the only one that marks a key as compromised.
pub const MAX_SNAPSHOTS: usize = 1024;

/// One snapshot as it is stored: text, since all the formats are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SeenFiles {
    seen: UnixMillis,
    /// When the same was seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confirmed: Option<UnixMillis>,
    document: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    witness: Option<String>,
}

impl SeenFiles {
    pub(super) fn document(seen: UnixMillis, document: impl Into<Vec<u8>>) -> Self {
        let document = String::from_utf8_lossy(&document.into()).into_owned();
        Self { seen, confirmed: None, document, witness: None }
    }

    pub(super) fn log(seen: UnixMillis, log: String, witness: Option<Vec<u8>>) -> Self {
        let witness = witness.map(|w| String::from_utf8_lossy(&w).into_owned());
        Self { witness, ..Self::document(seen, log) }
    }

    fn of(snapshot: &Snapshot) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            seen: snapshot.seen,
            confirmed: snapshot.confirmed,
            document: text(&snapshot.document),
            witness: snapshot.witness.as_deref().map(text),
        }
    }
}

/// Adds what was obtained of a DID to what is known of it, in the order of time; gives as of when it counts.
/// A log that goes on from one that is known was obtained no earlier than that one, whatever was said of
/// either: nobody signs that, and a log that is dated ahead would hide every one that goes on from it. Also
/// of the same log the proofs that come last count.
pub fn add_snapshot(did: &Did, known: &mut Vec<Snapshot>, mut new: Snapshot) -> UnixMillis {
    if did.method() == "webvh" {
        let goes_on = |held: &&Snapshot| webvh::continues(&held.document, &new.document).is_ok();
        let latest = known.iter().filter(goes_on).map(|held| held.seen).max();
        new.seen = latest.map_or(new.seen, |seen| seen.max(new.seen));
    }
    let seen = new.seen;
    known.push(new);
    known.sort_by_key(|s| s.seen);
    seen
}

/// What several stores know of a did:webvh, as one log: the one that goes on from all the others, as of the
/// latest time at which any of them was obtained. Of the same log the one that witnesses approved counts, of
/// several such the first. Nothing where no store knows it.
///
/// # Errors
/// [`ResolveError::Webvh`] where two contradict each other; else what a store fails with.
pub fn newest_log(
    did: &Did,
    stores: &[&dyn SnapshotStore],
) -> Result<Option<Snapshot>, ResolveError> {
    let mut newest: Option<Snapshot> = None;
    for store in stores {
        for log in store.snapshots(did)? {
            newest = Some(match newest {
                None => log,
                Some(held) => longer_log(did, held, log)?,
            });
        }
    }
    Ok(newest)
}

fn longer_log(did: &Did, held: Snapshot, log: Snapshot) -> Result<Snapshot, ResolveError> {
    let seen = held.seen.max(log.seen);
    let is_older = webvh::continues(&log.document, &held.document).is_ok();
    let newest = match webvh::continues(&held.document, &log.document) {
        // The same: approval that somebody left away, or put something else in the place of, is not forgotten.
        Ok(()) if is_older && (log.witness.is_none() || log.witness == held.witness) => held,
        Ok(()) if is_older && webvh::resolve(did, std::slice::from_ref(&held)).is_ok() => held,
        Ok(()) => log,
        Err(_) if is_older => held,
        Err(e) => return Err(e.into()),
    };
    Ok(Snapshot { seen, ..newest })
}

impl Wallet {
    /// Keeps what was seen of a DID, after checking that it resolves together with what is kept.
    ///
    /// # Errors
    /// [`WalletError::Identity`] if the files are not the DID's, or contradict what was seen before.
    pub fn save_snapshot(
        &mut self,
        did: &Did,
        snapshot: &Snapshot,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), WalletError> {
        let mut all = self.snapshots(did)?;
        let seen = add_snapshot(did, &mut all, snapshot.clone());
        crate::resolve::Resolver::resolve(&crate::resolve::OfflineResolver::new(&Fixed(all)), did)?;
        let files = SeenFiles { seen, ..SeenFiles::of(snapshot) };
        let mut changes = Changes::default();
        self.stage_snapshot(&mut changes, did, files)?;
        self.apply(changes, rng)
    }

    /// Puts a log of a did:webvh among changes, so that it is kept together with what rests on it. It must
    /// go on from the one that is kept, as [`newest_log`] gives it.
    ///
    /// # Errors
    /// [`WalletError`] if what is kept cannot be read.
    pub fn stage_log(
        &self,
        changes: &mut Changes,
        did: &Did,
        log: &Snapshot,
    ) -> Result<(), WalletError> {
        self.stage_snapshot(changes, did, SeenFiles::of(log))
    }

    /// Puts a log in the place of a longer one whose last entry is undone.
    pub(super) fn stage_log_before(
        changes: &mut Changes,
        did: &Did,
        log: SeenFiles,
    ) -> Result<(), WalletError> {
        let bytes =
            serde_json::to_vec(&[log]).map_err(|_| WalletError::Internal("snapshots are JSON"))?;
        changes.put(SNAPSHOTS, did.as_str(), bytes);
        Ok(())
    }

    /// Dates as of now what was obtained by a clock that was ahead, and leaves away the ends of logs that are:
    /// whose they are signed them anew since, perhaps. A log that is ahead from its first entry on is forgotten.
    /// Gives of whom, but for those in `judged`.
    pub(super) fn stage_obtained(
        &self,
        changes: &mut Changes,
        judged: &[Did],
        now: UnixMillis,
        latest: UnixMillis,
    ) -> Result<Vec<Did>, WalletError> {
        let mut obtained = Vec::new();
        for record in self.list(SNAPSHOTS)? {
            let Ok(did) = Did::parse(&record.name) else { continue };
            let mut all = self.seen_files(&did)?;
            let is_late = |files: &SeenFiles| {
                is_ahead(files.seen, now) || files.confirmed.is_some_and(|at| is_ahead(at, now))
            };
            if judged.contains(&did) || !all.iter().any(is_late) {
                continue;
            }
            for files in &mut all {
                let entries = match did.method() {
                    "webvh" => dates(&files.document),
                    _ => Vec::new(),
                };
                for date in [files.seen].into_iter().chain(files.confirmed).chain(entries) {
                    check_ahead(date, now, latest)?;
                }
                files.seen = files.seen.min(now);
                files.confirmed = files.confirmed.map(|at| at.min(now));
                if did.method() == "webvh"
                    && let Some(log) = without_end(files.document.as_bytes(), now)
                {
                    files.document = String::from_utf8_lossy(&log).into_owned();
                }
            }
            all.retain(|files| !files.document.is_empty());
            if all.is_empty() {
                changes.remove(SNAPSHOTS, did.as_str());
            } else {
                let bytes = serde_json::to_vec(&all)
                    .map_err(|_| WalletError::Internal("snapshots are JSON"))?;
                changes.put(SNAPSHOTS, did.as_str(), bytes);
            }
            obtained.push(did);
        }
        Ok(obtained)
    }

    pub(super) fn stage_snapshot(
        &self,
        changes: &mut Changes,
        did: &Did,
        files: SeenFiles,
    ) -> Result<(), WalletError> {
        let mut all = self.seen_files(did)?;
        match all.last_mut() {
            // Fetched again and unchanged: no new snapshot, only a newer date.
            Some(last)
                if did.method() == "web"
                    && last.document == files.document
                    && last.seen <= files.seen =>
            {
                last.confirmed = last.confirmed.max(Some(files.seen)).max(files.confirmed);
            }
            _ => all.push(files),
        }
        all.sort_by_key(|s| s.seen);
        if did.method() == "webvh" {
            // A log holds its own past: the newest one says all that the older ones said.
            all.drain(..all.len().saturating_sub(1));
        }
        if all.len() > MAX_SNAPSHOTS {
            let message = format!("{did} has {MAX_SNAPSHOTS} snapshots, and none is dropped");
            return Err(WalletError::Limit(message));
        }
        let bytes =
            serde_json::to_vec(&all).map_err(|_| WalletError::Internal("snapshots are JSON"))?;
        changes.put(SNAPSHOTS, did.as_str(), bytes);
        Ok(())
    }

    fn seen_files(&self, did: &Did) -> Result<Vec<SeenFiles>, WalletError> {
        let Some(bytes) = self.get(SNAPSHOTS, did.as_str())? else { return Ok(Vec::new()) };
        serde_json::from_slice(bytes.expose_secret())
            .map_err(|_| WalletError::Tampered(format!("the snapshots of {did}")))
    }
}

impl SnapshotStore for Wallet {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        let files = self.seen_files(did).map_err(|e| ResolveError::Store {
            did: did.clone(),
            code: e.code(),
            reason: e.to_string(),
        })?;
        Ok(files
            .into_iter()
            .map(|f| Snapshot {
                seen: f.seen,
                confirmed: f.confirmed,
                document: f.document.into_bytes(),
                witness: f.witness.map(String::into_bytes),
            })
            .collect())
    }
}

/// Snapshots that are at hand, for one DID.
#[derive(Clone, Debug)]
pub struct Fixed(pub Vec<Snapshot>);

impl SnapshotStore for Fixed {
    fn snapshots(&self, _: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(self.0.clone())
    }
}
