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

/// Whether what reads as a DID is one that its method allows, before anything is known of it: a key that was
/// cut short is no key, and an address is no domain.
///
/// # Errors
/// As [`Resolver::resolve`], and never [`ResolveError::NotFound`].
pub fn check_did(did: &Did) -> Result<(), ResolveError> {
    match did.method() {
        "key" => method::key::resolve(did).map(drop),
        "jwk" => method::jwk::resolve(did).map(drop),
        "web" => Ok(method::web::document_url(did).map(drop)?),
        "webvh" => Ok(method::webvh::log_url(did).map(drop)?),
        _ => Err(ResolveError::UnknownMethod(did.clone())),
    }
}

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

    #[test]
    fn what_no_method_allows_is_told_before_anything_is_known() {
        let scid = "QmfGEUAcMpzo25kF2Rhn8L5FAXysfGnkzjwdKoNPi615XQ";
        for (text, code) in [
            ("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", None),
            ("did:web:regulator.example", None),
            (format!("did:webvh:{scid}:regulator.example").as_str(), None),
            ("did:key:zzz", Some(codes::KEY_MALFORMED)),
            ("did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3", Some(codes::KEY_MALFORMED)),
            ("did:jwk:AAAA", Some(codes::DID_MALFORMED)),
            ("did:web:192.0.2.1", Some(codes::DID_MALFORMED)),
            ("did:webvh:Qm:regulator.example", Some(codes::DID_MALFORMED)),
            ("did:example:123", Some(codes::DID_METHOD_UNKNOWN)),
        ] {
            let did = Did::parse(text).expect("it reads as a DID");
            assert_eq!(check_did(&did).err().map(|e| e.code()), code, "{text}");
        }
    }
}
