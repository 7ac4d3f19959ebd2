//! What an audit knows of DIDs: what the trust pack says, and logs in the bundle that prove themselves.

use super::problems::Problems;
use crate::bundle::Bundle;
use crate::bundle::entries::IdentityEntry;
use crate::identities::Identities;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::trust::{IdentityMaterial, Trust};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{
    NoSnapshots, OfflineResolver, Resolution, ResolveError, Resolver, SnapshotStore,
};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::newest_log;
use ipld_core::cid::Cid;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

/// What is known of DIDs: of logs and documents, resolved once.
pub(super) struct Known {
    found: HashMap<Did, Result<Resolution, ResolveError>>,
    /// What the reader knew beyond pack and bundle, and when it was obtained.
    pub(super) beside: Vec<(Did, UnixMillis)>,
}

impl Known {
    /// What resolves them: for one thread.
    pub(super) fn resolver(&self) -> KnownDids<'_> {
        KnownDids { known: self, own: RefCell::default() }
    }
}

/// Resolves DIDs by what the trust pack knows and what proves itself.
pub(super) struct KnownDids<'m> {
    known: &'m Known,
    own: RefCell<HashMap<Did, Resolution>>,
}

impl Resolver for KnownDids<'_> {
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError> {
        if let Some(found) = self.known.found.get(did) {
            return found.clone();
        }
        if let Some(found) = self.own.borrow().get(did) {
            return Ok(found.clone());
        }
        let found = OfflineResolver::new(&NoSnapshots).resolve(did)?;
        self.own.borrow_mut().insert(did.clone(), found.clone());
        Ok(found)
    }
}

/// What the trust pack knows of DIDs, and logs in the bundle that go on from it or begin anew.
pub(super) fn read_identities(
    bundle: &Bundle<'_>,
    trust: &Trust,
    beside: &dyn SnapshotStore,
    problems: &mut Problems,
) -> Known {
    let mut identities = Identities::default();
    // What a verdict rests on is in the files: no clock is asked.
    identities.take_trust(trust, UnixMillis::MAX);
    let mut dids: BTreeSet<Did> = trust.identities().iter().map(|m| m.did.clone()).collect();
    let mut refused: HashMap<Did, ResolveError> = HashMap::new();
    for entry in &bundle.entries().identities {
        // Nothing in a bundle proves a document of did:web.
        if entry.did.method() != "webvh" {
            continue;
        }
        let Some(material) = material_of(bundle, entry) else { continue };
        dids.insert(entry.did.clone());
        if let Err(e) = identities.take(&material) {
            let (code, sentence) = (e.code(), e.to_string());
            // One that is not written as it must be is an error of the store here.
            let unread = matches!(e, ResolveError::Store { .. });
            if e.is_missing_evidence() && !unread {
                problems.open(code, sentence, &entry.did);
                refused.insert(entry.did.clone(), e);
            } else {
                // Whoever exports can write any log: a broken one says nothing of its DID.
                let code = if unread { identity_codes::WEBVH_LOG_INVALID } else { code };
                problems.failed(code, sentence, &entry.did);
            }
        }
    }
    let mut known_beside = Vec::new();
    for did in dids.iter().filter(|did| did.method() == "webvh") {
        match take_beside(&mut identities, beside, did) {
            Ok(seen) => known_beside.extend(seen.map(|seen| (did.clone(), seen))),
            Err(e) => {
                let sentence = format!("what is known of it elsewhere contradicts it: {e}");
                problems.failed(identity_codes::WEBVH_LOG_INVALID, sentence, did);
            }
        }
    }
    let resolve = |did: Did| {
        let found = match (identities.resolve(&did), refused.remove(&did)) {
            (Err(ResolveError::NotFound(_)), Some(why)) => Err(why),
            (found, _) => found,
        };
        (did, found)
    };
    Known { found: dids.into_iter().map(resolve).collect(), beside: known_beside }
}

/// Takes a log that the reader knows, where it goes on from what was taken; gives when it was obtained.
fn take_beside(
    identities: &mut Identities,
    beside: &dyn SnapshotStore,
    did: &Did,
) -> Result<Option<UnixMillis>, ResolveError> {
    let Some(log) = newest_log(did, &[beside])? else { return Ok(None) };
    let is_known = identities.snapshots(did)?.iter().any(|s| s.document == log.document);
    let is_new = !is_known && identities.take(&IdentityMaterial::of(did, &log))?;
    Ok(is_new.then_some(log.seen))
}

fn material_of(bundle: &Bundle<'_>, entry: &IdentityEntry) -> Option<IdentityMaterial> {
    let encoded = |cid: &Cid| bundle.block(cid).map(|bytes| STANDARD.encode(bytes));
    let witness = match &entry.witness {
        None => None,
        Some(cid) => Some(encoded(cid)?),
    };
    let document = encoded(&entry.document)?;
    let (did, seen, confirmed) = (entry.did.clone(), entry.seen, entry.confirmed);
    Some(IdentityMaterial { did, seen, confirmed, document, witness })
}
