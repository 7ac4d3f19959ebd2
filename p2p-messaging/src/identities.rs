//! What a node knows of DIDs: the logs that it was given or that arrived, each resolved once.

use gridpass_credentials::trust::{IdentityMaterial, Trust};
use gridpass_identity::did::Did;
use gridpass_identity::method::webvh::{self, WebvhError};
use gridpass_identity::resolve::{
    OfflineResolver, Resolution, ResolveError, Resolver, Snapshot, SnapshotStore,
};
use gridpass_identity::time::UnixMillis;
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
    /// Takes what a trust pack knows, none of it as obtained later than `latest`.
    pub fn take_trust(&mut self, trust: &Trust, latest: UnixMillis) {
        for material in trust.identities() {
            // It was read when the pack was opened.
            let _ = self.take(&material.taken_at(latest));
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
        let mut snapshot = material.to_snapshot().map_err(|e| failed(e.to_string()))?;
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
                let differs = webvh::continues(&held.document, &snapshot.document);
                return Err(differs.err().unwrap_or(WebvhError::Rewritten(1)).into());
            }
            // What goes on from it was obtained no earlier, whatever was said of either.
            snapshot.seen = snapshot.seen.max(held.seen);
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
    use gridpass_identity::document::Relationship;
    use gridpass_identity::key::{KeyType, SecretKey};
    use gridpass_identity::method::webvh::{Control, NewMethod, VerifiedEntries};

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
        let refused = identities.take(&material(b"first\nother\n")).expect_err("another history");
        assert_eq!(refused.code(), gridpass_identity::codes::WEBVH_LOG_INVALID);
        assert_eq!(identities.material(&held.did), Some(held));
    }

    #[test]
    fn a_log_that_goes_on_is_taken_whenever_the_one_before_is_said_to_be_from() {
        let start = UnixMillis::new(1_772_366_400_000);
        let later = start.plus_millis(3_600_000);
        let key = |seed: u8| SecretKey::from_bytes(KeyType::Ed25519, &[seed; 32]).expect("a key");
        let methods = |seed: u8| {
            let (fragment, public_key) = ("assertion".to_owned(), key(seed).public_key());
            let relationships = vec![Relationship::AssertionMethod];
            vec![NewMethod { fragment, public_key, relationships, revoked: None }]
        };
        let (one, two, three) = (key(1), key(2), key(3));
        let (next, last) = (two.public_key(), three.public_key());
        let control = Control { signer: &one, next: &next, witness: None };
        let (did, first) =
            webvh::create("dso.example", &methods(4), &control, start).expect("a log");
        let entries = VerifiedEntries::verify(&did, first.as_bytes(), start).expect("a log");
        let control = Control { signer: &two, next: &last, witness: None };
        let second = webvh::update(&entries, &methods(5), &control, later).expect("a longer log");
        let material = |log: &str, seen: UnixMillis| {
            let document = log.as_bytes().to_vec();
            let snapshot = Snapshot { seen, confirmed: None, document, witness: None };
            IdentityMaterial::of(&did, &snapshot)
        };

        let mut identities = Identities::default();
        assert_eq!(identities.take(&material(&first, UnixMillis::MAX)).ok(), Some(true));
        assert_eq!(identities.resolve(&did).expect("resolves").versions.len(), 1);
        assert_eq!(identities.take(&material(&second, later)).ok(), Some(true));
        assert_eq!(identities.resolve(&did).expect("resolves").versions.len(), 2);
        assert_eq!(identities.take(&material(&first, UnixMillis::MAX)).ok(), Some(false));
        assert_eq!(identities.resolve(&did).expect("resolves").versions.len(), 2);
    }
}
