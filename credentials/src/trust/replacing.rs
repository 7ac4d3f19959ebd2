//! A trust pack's log in the place of one that contradicts it: the way out for who learned a thief's end of a
//! log first. Nothing in the two says which is the thief's; the owner of the DID does, by another way.

use super::{Trust, TrustError};
use gridpass_identity::did::Did;
use gridpass_identity::method::webvh::{self, continues};
use gridpass_identity::resolve::{DocumentVersion, ResolveError, Snapshot, SnapshotStore};
use gridpass_identity::wallet::snapshots::newest_log;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a log of a did:webvh ends, as its owner told by another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogPin {
    /// The DID.
    pub did: Did,
    /// The `versionId` of the last entry. The hash in it is over all entries up to that one.
    pub version: String,
}

/// What changes where one end of a log takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    /// The DID.
    pub did: Did,
    /// The `versionId` with which the log ends that counts no more.
    pub before: String,
    /// The one with which the log ends that counts from now on.
    pub after: String,
    /// The keys that counted, now or at some time, and do not any more, as Multikey text.
    pub gone: Vec<String>,
    /// The keys that count now, or did at some time, and were not known to.
    pub new: Vec<String>,
}

impl Trust {
    /// Which known logs contradict those of the pack that are pinned, and what changes where these take their
    /// place; with each the log that counts no more. A pin of a log that nothing contradicts replaces nothing.
    ///
    /// # Errors
    /// [`TrustError::OtherEnd`] where the pack's log is not the one that is pinned, or a longer one is known;
    /// [`TrustError::OtherLog`] where it does not hold.
    pub fn replaces(
        &self,
        held: Option<&Self>,
        known: &dyn SnapshotStore,
        pins: &[LogPin],
    ) -> Result<Vec<(Replaced, Snapshot)>, TrustError> {
        let mut stores: Vec<&dyn SnapshotStore> = vec![known];
        stores.extend(held.map(|held| held as &dyn SnapshotStore));
        let mut all = Vec::new();
        for LogPin { did, version } in pins {
            let other = |source| TrustError::OtherLog { did: did.clone(), source };
            let refuse =
                |reason: &str| TrustError::OtherEnd { did: did.clone(), reason: reason.to_owned() };
            let log = newest_log(did, &[self]).map_err(other)?;
            let log = log
                .filter(|_| did.method() == "webvh")
                .ok_or_else(|| refuse("the trust pack brings no log of it"))?;
            let versions = versions_of(did, &log).map_err(other)?;
            let after = end(&versions);
            if &after != version {
                return Err(refuse(&format!("in the trust pack it ends with {after}")));
            }
            let goes_on = |older: &Snapshot, newer: &Snapshot| {
                continues(&older.document, &newer.document).is_ok()
            };
            let (mut is_longer, mut ends) = (false, Vec::<Snapshot>::new());
            for store in &stores {
                for held in store.snapshots(did).map_err(other)? {
                    if goes_on(&held, &log) || ends.iter().any(|end| goes_on(&held, end)) {
                        continue;
                    }
                    if goes_on(&log, &held) {
                        is_longer = true;
                        continue;
                    }
                    ends.retain(|end| !goes_on(end, &held));
                    ends.push(held);
                }
            }
            // What is left away at the end of a log may be the mark of a stolen key.
            if is_longer && !ends.is_empty() {
                return Err(refuse("one that goes on from the trust pack's is known"));
            }
            for held in ends {
                let before = versions_of(did, &held).unwrap_or_default();
                let (was, is) = (keys(&before), keys(&versions));
                let changed = Replaced {
                    did: did.clone(),
                    before: end(&before),
                    after: after.clone(),
                    gone: beyond(&was, &is),
                    new: beyond(&is, &was),
                };
                all.push((changed, held));
            }
        }
        Ok(all)
    }
}

type Versions = Vec<DocumentVersion>;

fn versions_of(did: &Did, log: &Snapshot) -> Result<Versions, ResolveError> {
    Ok(webvh::resolve(did, std::slice::from_ref(log))?.versions)
}

fn end(versions: &[DocumentVersion]) -> String {
    versions.last().and_then(|v| v.version_id.clone()).unwrap_or_default()
}

/// The keys that a log names, and whether each counts now.
fn keys(versions: &[DocumentVersion]) -> BTreeMap<String, bool> {
    let mut keys = BTreeMap::new();
    for document in versions.iter().filter_map(|v| v.document.as_ref()) {
        let methods = document.verification_methods().iter();
        keys.extend(methods.filter_map(|m| Some((m.public_key.as_ref()?.to_multikey(), false))));
    }
    if let Some(current) = versions.last().and_then(|v| v.document.as_ref()) {
        let methods = current.verification_methods().iter().filter(|m| m.revoked.is_none());
        keys.extend(methods.filter_map(|m| Some((m.public_key.as_ref()?.to_multikey(), true))));
    }
    keys
}

/// The keys of the one that count more there than in the other.
fn beyond(one: &BTreeMap<String, bool>, other: &BTreeMap<String, bool>) -> Vec<String> {
    let more = |(key, now): &(&String, &bool)| match other.get(*key) {
        None => true,
        Some(there) => **now && !*there,
    };
    one.iter().filter(more).map(|(key, _)| key.clone()).collect()
}
