//! What a node gives to anybody who asks for it by its CID: role definitions, charters, trust packs,
//! channel descriptors, schemas. Never a presentation, a visa, an authorisation or an envelope: those
//! are not put here.

use crate::exchange::Library;
use crate::exchange::message::MAX_BLOCK;
use gridpass_credentials::content_id::ContentId;
use ipld_core::cid::Cid;
use libp2p::PeerId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Public documents, by name. The worker puts them there; block exchange takes them.
#[derive(Default)]
pub(super) struct Shelf(RwLock<HashMap<ContentId, Arc<[u8]>>>);

impl Shelf {
    /// Puts a document there, whose name was held against it. One that is no single block is left
    /// away.
    pub(super) fn put(&self, id: &ContentId, bytes: &[u8]) {
        if bytes.len() > MAX_BLOCK {
            tracing::warn!(%id, "a document is too long for others to have it by its CID");
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(id) {
            all.insert(id.clone(), Arc::from(bytes));
        }
    }

    /// Takes one away.
    pub(super) fn remove(&self, id: &ContentId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// One that is there.
    pub(super) fn get(&self, id: &ContentId) -> Option<Arc<[u8]>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// How many there are, and their bytes.
    pub(super) fn size(&self) -> (usize, usize) {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        (all.len(), all.values().map(|b| b.len()).sum())
    }

    fn named(&self, cid: &Cid) -> Option<Arc<[u8]>> {
        // Only by the name that Gridpass gives it, raw and of version 1.
        self.get(&ContentId::parse(&cid.to_string()).ok()?)
    }
}

impl Library for Shelf {
    fn has(&self, _: &PeerId, cid: &Cid) -> bool {
        self.named(cid).is_some()
    }

    fn block(&self, _: &PeerId, cid: &Cid) -> Option<Vec<u8>> {
        self.named(cid).map(|bytes| bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_given_by_its_one_name() {
        let (shelf, peer) = (Shelf::default(), PeerId::random());
        let id = ContentId::of_bytes(b"a definition").expect("a CID");
        let cid = Cid::try_from(id.as_str()).expect("a CID");
        assert!(!shelf.has(&peer, &cid));
        shelf.put(&id, b"a definition");
        assert_eq!(shelf.block(&peer, &cid).as_deref(), Some(&b"a definition"[..]));
        // The same bytes as another kind of block, and as version 0.
        let other = Cid::new_v1(0x71, *cid.hash());
        assert!(!shelf.has(&peer, &other) && shelf.block(&peer, &other).is_none());
        let zero = Cid::new_v0(*cid.hash()).expect("a CID");
        assert!(!shelf.has(&peer, &zero));
        shelf.remove(&id);
        assert!(!shelf.has(&peer, &cid));
    }
}
