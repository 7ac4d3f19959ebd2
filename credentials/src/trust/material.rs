//! What was obtained of DIDs, as a file carries it, and snapshots of several stores as one.

use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::resolve::{ResolveError, Snapshot, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::{add_snapshot, newest_log};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why what a file carries of a DID cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityMaterialError {
    /// Its document, or what witnesses approved of it, is not base64.
    #[error("the document of {0} is not base64")]
    NotBase64(Did),
}

impl IdentityMaterialError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotBase64(_) => codes::PARCEL_MALFORMED,
        }
    }
}

/// What was obtained of a DID, as a file carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IdentityMaterial {
    /// The DID.
    pub did: Did,
    /// When it was obtained.
    pub seen: UnixMillis,
    /// When the same was obtained last, where that was later.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<UnixMillis>,
    /// `did.json` or `did.jsonl`, in base64, byte for byte.
    pub document: String,
    /// `did-witness.json`, in base64.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
}

impl IdentityMaterial {
    /// Of a snapshot.
    #[must_use]
    pub fn of(did: &Did, snapshot: &Snapshot) -> Self {
        Self {
            did: did.clone(),
            seen: snapshot.seen,
            confirmed: snapshot.confirmed,
            document: STANDARD.encode(&snapshot.document),
            witness: snapshot.witness.as_ref().map(|w| STANDARD.encode(w)),
        }
    }

    /// As somebody takes it now who has it from somebody else: nobody obtained it later than that,
    /// whatever its sender says. A log that is said to be from the year 9999 would be the newest for
    /// ever, and every log that goes on from it be refused.
    #[must_use]
    pub fn taken_at(&self, now: UnixMillis) -> Self {
        let (seen, confirmed) = (self.seen.min(now), self.confirmed.filter(|c| *c <= now));
        Self { seen, confirmed, ..self.clone() }
    }

    /// As a snapshot.
    ///
    /// # Errors
    /// [`IdentityMaterialError::NotBase64`].
    pub fn to_snapshot(&self) -> Result<Snapshot, IdentityMaterialError> {
        let decode = |text: &str| {
            STANDARD.decode(text).map_err(|_| IdentityMaterialError::NotBase64(self.did.clone()))
        };
        Ok(Snapshot {
            seen: self.seen,
            confirmed: self.confirmed,
            document: decode(&self.document)?,
            witness: self.witness.as_deref().map(decode).transpose()?,
        })
    }
}

/// Snapshots of several stores as one: a pack's, a wallet's, a message's.
#[derive(Default)]
pub struct Snapshots<'s> {
    pub(super) own: BTreeMap<Did, Vec<Snapshot>>,
    others: Vec<&'s dyn SnapshotStore>,
}

impl<'s> Snapshots<'s> {
    /// Reads what a file carries.
    ///
    /// # Errors
    /// [`IdentityMaterialError`] of the first that cannot be read.
    pub fn read(materials: &[IdentityMaterial]) -> Result<Self, IdentityMaterialError> {
        let mut own: BTreeMap<Did, Vec<Snapshot>> = BTreeMap::new();
        for material in materials {
            own.entry(material.did.clone()).or_default().push(material.to_snapshot()?);
        }
        Ok(Self { own, others: Vec::new() })
    }

    /// With those of another store.
    #[must_use]
    pub fn with(mut self, store: &'s dyn SnapshotStore) -> Self {
        self.others.push(store);
        self
    }
}

impl SnapshotStore for Snapshots<'_> {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        let mut all = Vec::new();
        if did.method() == "webvh" {
            // What is known already is one log, in whatever order the stores are asked.
            all.extend(newest_log(did, &self.others)?);
        } else {
            for store in &self.others {
                for known in store.snapshots(did)? {
                    add_snapshot(did, &mut all, known);
                }
            }
        }
        // What came now, beside what is known.
        for own in self.own.get(did).into_iter().flatten() {
            add_snapshot(did, &mut all, own.clone());
        }
        all.dedup();
        Ok(all)
    }
}
