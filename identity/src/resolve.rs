//! From a DID to its document: what it says now, what it said before, where that is known from
//! and how old the knowledge is.
//!
//! ```text
//! Did -> Resolver -> Resolution (document versions, source, age) -> key_at(time) -> Check
//! ```
//!
//! Nothing here reads a network or a clock. did:key and did:jwk are computed; did:web and
//! did:webvh are read from files that somebody obtained earlier, through a [`SnapshotStore`].

use crate::did::Did;
use crate::method;

pub use crate::resolution::{
    DocumentVersion, NoSnapshots, Resolution, ResolveError, Resolver, Snapshot, SnapshotStore,
    Source, TimeBasis,
};

/// Resolves the four methods that Gridpass knows, offline.
#[derive(Clone, Copy)]
pub struct OfflineResolver<'s> {
    snapshots: &'s dyn SnapshotStore,
}

impl<'s> OfflineResolver<'s> {
    /// A resolver over these snapshots.
    #[must_use]
    pub fn new(snapshots: &'s dyn SnapshotStore) -> Self {
        Self { snapshots }
    }
}

impl Resolver for OfflineResolver<'_> {
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError> {
        let found = || {
            let snapshots = self.snapshots.snapshots(did)?;
            if snapshots.is_empty() {
                return Err(ResolveError::NotFound(did.clone()));
            }
            Ok(snapshots)
        };
        match did.method() {
            "key" => method::key::resolve(did),
            "jwk" => method::jwk::resolve(did),
            "web" => method::web::resolve(did, &found()?),
            "webvh" => method::webvh::resolve(did, &found()?),
            _ => Err(ResolveError::UnknownMethod(did.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn an_unknown_method_is_named() {
        let did = Did::parse("did:example:123").expect("a DID");
        let error = OfflineResolver::new(&NoSnapshots).resolve(&did).expect_err("unknown");
        assert_eq!(error.code(), codes::DID_METHOD_UNKNOWN);
    }
}
