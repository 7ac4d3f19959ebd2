//! What the checking core is told: the store, the material, and documents that arrived lately.

use super::material::Material;
use super::opener::Opener;
use crate::checking::{Chain, Known, Link};
use crate::envelope::Envelope;
use crate::sealing::{Epoch, Opening};
use crate::store::Store;
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::vcdm::Credential;
use gridpass_credentials::verify::Evidence;
use gridpass_identity::did::Did;
use hashlink::LruCache;
use std::sync::Arc;

/// The most documents that are remembered without being kept.
const MAX_ARRIVED: usize = 4096;
/// The most bytes of them.
const MAX_ARRIVED_BYTES: usize = 64 * 1024 * 1024;

/// Documents that arrived: kept only when an envelope that took its place names them, so that nobody
/// fills a disk with documents that nothing needs.
pub(super) struct Arrived {
    documents: LruCache<ContentId, Document>,
    bytes: usize,
}

struct Document {
    bytes: Vec<u8>,
    /// Whether peers may have it.
    evidence: bool,
}

impl Default for Arrived {
    fn default() -> Self {
        Self { documents: LruCache::new(MAX_ARRIVED), bytes: 0 }
    }
}

impl Arrived {
    /// Remembers one. Only what reads as evidence is for peers that ask for it: anything may come to
    /// somebody who asks for it by a name that a stranger said, such as the blocks of a file.
    pub(super) fn insert(&mut self, id: ContentId, bytes: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(bytes.len());
        let document = Document { evidence: is_evidence(&bytes), bytes };
        if let Some(before) = self.documents.insert(id, document) {
            self.bytes = self.bytes.saturating_sub(before.bytes.len());
        }
        while self.bytes > MAX_ARRIVED_BYTES || self.documents.len() >= MAX_ARRIVED {
            let Some((_, gone)) = self.documents.remove_lru() else { break };
            self.bytes = self.bytes.saturating_sub(gone.bytes.len());
        }
    }

    /// One that is remembered.
    #[must_use]
    pub(super) fn get(&self, id: &ContentId) -> Option<&Vec<u8>> {
        self.documents.peek(id).map(|d| &d.bytes)
    }

    /// One that peers may have.
    fn evidence(&self, id: &ContentId) -> Option<&Vec<u8>> {
        self.documents.peek(id).filter(|d| d.evidence).map(|d| &d.bytes)
    }
}

/// Whether bytes are what messages and hellos name beside them: a presentation, the authorisation of a
/// node, an epoch. Read, not believed.
pub(super) fn is_evidence(bytes: &[u8]) -> bool {
    let authorisation = |secured: Secured| {
        let read = Credential::read(secured.document().clone());
        read.is_ok_and(|c| NodeAuthorisation::read(&c).is_ok())
    };
    Secured::parse(bytes, Kind::Presentation).is_ok()
        || Secured::parse(bytes, Kind::Credential).is_ok_and(authorisation)
        || Epoch::parse(bytes).is_ok()
}

/// All that is known.
pub(super) struct Knowledge {
    /// What was accepted.
    pub store: Store,
    /// What was given.
    pub material: Material,
    /// What arrived.
    pub arrived: Arrived,
    /// What is trusted.
    pub trust: Arc<Trust>,
    /// The keys of sealed channels.
    pub opener: Opener,
}

impl Knowledge {
    /// A document that a peer may have.
    pub(super) fn document_for_peers(&self, id: &ContentId) -> Option<Vec<u8>> {
        self.arrived.evidence(id).cloned().or_else(|| self.kept(id))
    }

    /// One that is kept, or was given by the operator.
    fn kept(&self, id: &ContentId) -> Option<Vec<u8>> {
        if let Some(bytes) = self.material.documents.get(id) {
            return Some(bytes.clone());
        }
        let own = self.material.presentations.values().find(|p| &p.id == id);
        if let Some(own) = own {
            return Some(own.text.clone().into_bytes());
        }
        if let Some(own) = self.material.authorisation.as_ref().filter(|a| &a.id == id) {
            return Some(own.text.clone().into_bytes());
        }
        if let Some(channel) = self.material.channels.get(id) {
            return Some(channel.to_json().to_string().into_bytes());
        }
        if let Some(bytes) = self.store.document(id) {
            return Some(bytes);
        }
        let role = self.trust.definition(id)?;
        role.definition.encode().ok().map(|(_, bytes)| bytes)
    }
}

impl Known for Knowledge {
    fn at(&self, chain: &Chain, sequence: u64) -> Option<Link> {
        self.store.at(chain, sequence)
    }

    fn head(&self, chain: &Chain) -> Option<u64> {
        self.store.newest(chain)
    }

    fn forked(&self, chain: &Chain) -> bool {
        self.store.forked(chain)
    }

    fn proven(&self, chain: &Chain) -> bool {
        self.store.proven(chain)
    }

    fn document(&self, id: &ContentId) -> Option<Vec<u8>> {
        self.arrived.get(id).cloned().or_else(|| self.kept(id))
    }

    fn keeps_epoch(&self, id: &ContentId) -> bool {
        self.store.has_document(id)
    }

    fn epochs_cost(&self, sender: (&ContentId, &Did), hour: u64) -> u64 {
        self.store.epochs_cost(sender, hour)
    }

    fn open(&self, envelope: &Envelope) -> Opening {
        self.opener.open(envelope, &self.store, &|id| self.document(id))
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            trust: &self.trust,
            lists: &self.material.lists,
            resolver: &self.material.identities,
            seen: &self.material.seen,
        }
    }
}
