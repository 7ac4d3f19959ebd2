//! What a node knows of DIDs: the logs that it was given or that arrived, each resolved once.

use gridpass_credentials::trust::{IdentityMaterial, Trust};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{
    OfflineResolver, Resolution, ResolveError, Resolver, Snapshot, SnapshotStore,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

/// The most DIDs whose resolution is remembered.
const MAX_RESOLVED: usize = 16_384;

/// Snapshots by DID, and what they resolve to.
#[derive(Default)]
pub struct Identities {
    snapshots: BTreeMap<Did, Vec<Snapshot>>,
    resolved: RefCell<HashMap<Did, Resolution>>,
}

impl Identities {
    /// Takes what a trust pack knows.
    pub fn take_trust(&mut self, trust: &Trust) {
        for material in trust.identities() {
            // It was read when the pack was opened.
            let _ = self.take(material);
        }
    }

    /// Takes what a file says of a DID; gives whether it is new and holds.
    ///
    /// # Errors
    /// [`ResolveError`] if it does not hold beside what is known: nothing is taken then.
    pub fn take(&mut self, material: &IdentityMaterial) -> Result<bool, ResolveError> {
        let did = &material.did;
        let failed = |reason| ResolveError::Store {
            did: did.clone(),
            code: gridpass_credentials::codes::PARCEL_MALFORMED,
            reason,
        };
        let snapshot = material.to_snapshot().map_err(failed)?;
        let known = self.snapshots.entry(did.clone()).or_default();
        if known.iter().any(|s| s.document == snapshot.document && s.witness == snapshot.witness) {
            return Ok(false);
        }
        if did.method() == "webvh"
            && let Some(held) = known.last()
        {
            // With the same log, more witnesses may have signed.
            let same = held.document == snapshot.document;
            if held.document.starts_with(&snapshot.document) && !same {
                // An older state of it, or the same.
                return Ok(false);
            }
            if !snapshot.document.starts_with(&held.document) {
                return Err(failed("its log does not go on from the one that is known".into()));
            }
        }
        known.push(snapshot);
        self.resolved.get_mut().remove(did);
        let found = OfflineResolver::new(self).resolve(did);
        let known = self.snapshots.entry(did.clone()).or_default();
        match found {
            Ok(_) => {
                // A log that goes on from another says all that the other said.
                let newest = known.last().map(|s| s.document.clone()).unwrap_or_default();
                let last = known.len().saturating_sub(1);
                let mut index = 0_usize;
                known.retain(|s| {
                    let keep = index == last || !newest.starts_with(&s.document);
                    index = index.saturating_add(1);
                    keep
                });
                Ok(true)
            }
            Err(e) => {
                known.pop();
                if known.is_empty() {
                    self.snapshots.remove(did);
                }
                Err(e)
            }
        }
    }

    /// Forgets what is known of a DID.
    pub fn forget(&mut self, did: &Did) {
        self.snapshots.remove(did);
        self.resolved.get_mut().remove(did);
    }

    /// The material of a DID, for somebody who asks.
    #[must_use]
    pub fn material(&self, did: &Did) -> Option<IdentityMaterial> {
        Some(IdentityMaterial::of(did, self.snapshots.get(did)?.last()?))
    }
}

impl SnapshotStore for Identities {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(self.snapshots.get(did).cloned().unwrap_or_default())
    }
}

impl Resolver for Identities {
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError> {
        if let Some(found) = self.resolved.borrow().get(did) {
            return Ok(found.clone());
        }
        let found = OfflineResolver::new(self).resolve(did)?;
        let mut resolved = self.resolved.borrow_mut();
        if resolved.len() >= MAX_RESOLVED {
            resolved.clear();
        }
        resolved.insert(did.clone(), found.clone());
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_identity::time::UnixMillis;

    fn material(document: &[u8]) -> IdentityMaterial {
        let did = "did:webvh:QmfGEUAcMpzo25kF2Rhn8L5FAXysfGnkzjwdKoNPi615XQ:dso.example";
        let snapshot = Snapshot {
            seen: UnixMillis::new(1),
            confirmed: None,
            document: document.to_vec(),
            witness: None,
        };
        IdentityMaterial::of(&Did::parse(did).expect("a DID"), &snapshot)
    }

    #[test]
    fn a_log_that_does_not_hold_leaves_nothing_behind() {
        let mut identities = Identities::default();
        let bad = material(b"{}\n");
        assert!(identities.take(&bad).is_err());
        assert_eq!(identities.material(&bad.did), None);
    }

    #[test]
    fn an_older_state_changes_nothing_and_another_history_is_refused() {
        let mut identities = Identities::default();
        let held = material(b"first\nsecond\n");
        let snapshot = held.to_snapshot().expect("a snapshot");
        identities.snapshots.insert(held.did.clone(), vec![snapshot]);
        assert_eq!(identities.take(&material(b"first\n")).ok(), Some(false));
        assert!(identities.take(&material(b"first\nother\n")).is_err());
        assert_eq!(identities.material(&held.did), Some(held));
    }
}
