//! What was seen of DIDs, and when: the wallet as a [`SnapshotStore`].

use super::{Changes, Wallet, WalletError};
use crate::did::Did;
use crate::resolve::{ResolveError, Snapshot, SnapshotStore};
use crate::time::UnixMillis;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

const SNAPSHOTS: &str = "snapshot";
/// The most snapshots that are kept for one DID; the oldest but the first is dropped for a new one.
pub const MAX_SNAPSHOTS: usize = 64;

/// One snapshot as it is stored: text, since all the formats are.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SeenFiles {
    seen: UnixMillis,
    document: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    witness: Option<String>,
}

impl SeenFiles {
    pub(super) fn document(seen: UnixMillis, document: impl Into<Vec<u8>>) -> Self {
        let document = String::from_utf8_lossy(&document.into()).into_owned();
        Self { seen, document, witness: None }
    }

    pub(super) fn log(seen: UnixMillis, log: String, witness: Option<Vec<u8>>) -> Self {
        let witness = witness.map(|w| String::from_utf8_lossy(&w).into_owned());
        Self { witness, ..Self::document(seen, log) }
    }
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
        all.push(snapshot.clone());
        all.sort_by_key(|s| s.seen);
        crate::resolve::Resolver::resolve(&crate::resolve::OfflineResolver::new(&Fixed(all)), did)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let files = SeenFiles {
            seen: snapshot.seen,
            document: text(&snapshot.document),
            witness: snapshot.witness.as_deref().map(text),
        };
        let mut changes = Changes::default();
        self.stage_snapshot(&mut changes, did, files)?;
        self.apply(changes, rng)
    }

    pub(super) fn stage_snapshot(
        &self,
        changes: &mut Changes,
        did: &Did,
        files: SeenFiles,
    ) -> Result<(), WalletError> {
        let mut all = self.seen_files(did)?;
        all.push(files);
        all.sort_by_key(|s| s.seen);
        if did.method() == "webvh" {
            // A log holds its own past: the newest one says all that the older ones said.
            all.drain(..all.len().saturating_sub(1));
        }
        while all.len() > MAX_SNAPSHOTS {
            all.remove(1);
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
