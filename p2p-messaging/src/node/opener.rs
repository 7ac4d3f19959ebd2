//! The keys of sealed messages, found again from what is kept: an epoch's document or a statement, and
//! this node's own key. Nothing secret is written down beside that.

use crate::checking::Chain;
use crate::envelope::{Envelope, Header};
use crate::sealing::{Epoch, HandedKey, Opening, Ring, SignedStatement, Statement};
use crate::store::Store;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::key::SecretKey;
use hashlink::LruCache;
use std::cell::RefCell;

/// The most epochs that are known not to be open to this node.
const MAX_MISSED: usize = 4096;
/// The most statements that are looked through for one epoch.
const MAX_GRANTS: usize = 16;

/// Opens what is sealed to this node.
pub(super) struct Opener {
    node: Did,
    secret: SecretKey,
    ring: RefCell<Ring>,
    missed: RefCell<LruCache<ContentId, ()>>,
}

impl Opener {
    pub(super) fn new(node: Did, secret: SecretKey) -> Self {
        let missed = RefCell::new(LruCache::new(MAX_MISSED));
        Self { node, secret, ring: RefCell::default(), missed }
    }

    /// Holds a key that was made or handed over.
    ///
    /// Whether it opens something that none did before.
    pub(super) fn hold(&self, chain: &Chain, handed: &HandedKey) -> bool {
        if let Some(epoch) = &handed.epoch {
            self.missed.borrow_mut().remove(epoch);
        }
        self.ring.borrow_mut().insert(chain, handed)
    }

    /// Whether there is a key of a message of an epoch.
    pub(super) fn has(&self, epoch: &ContentId, chain: &Chain, sequence: u64) -> bool {
        self.ring.borrow().has(epoch, chain, sequence)
    }

    /// What a grant to this node has in it.
    pub(super) fn take(&self, statement: &Statement) -> Option<(Chain, Vec<HandedKey>)> {
        let Statement::Grant(grant, _) = statement else { return None };
        let keys = grant.take(&self.secret).ok().filter(|_| grant.to == self.node)?;
        Some((grant.chain.clone(), keys))
    }

    /// The payload of a sealed envelope. `document` finds epochs.
    pub(super) fn open(
        &self,
        envelope: &Envelope,
        store: &Store,
        document: &dyn Fn(&ContentId) -> Option<Vec<u8>>,
    ) -> Opening {
        match self.ring.borrow_mut().open(envelope) {
            Opening::NoKey => {}
            found => return found,
        }
        if !self.find(envelope.header(), store, document) {
            return Opening::NoKey;
        }
        self.ring.borrow_mut().open(envelope)
    }

    /// The chain key of an own epoch as of one of its messages.
    pub(super) fn chain_key(
        &self,
        (epoch, bytes): (&ContentId, &[u8]),
        chain: &Chain,
        sequence: u64,
    ) -> Option<HandedKey> {
        if !self.ring.borrow().has(epoch, chain, sequence) {
            let own = Epoch::parse(bytes).ok()?.take(&self.node, &self.secret).ok()?;
            self.hold(chain, &own);
        }
        self.ring.borrow_mut().chain_key(epoch, chain, sequence)
    }

    /// Looks for keys of the epoch that a message names. Whether there may be some now.
    fn find(
        &self,
        header: &Header,
        store: &Store,
        document: &dyn Fn(&ContentId) -> Option<Vec<u8>>,
    ) -> bool {
        let Some(id) = &header.epoch else { return false };
        if self.missed.borrow_mut().get(id).is_some() {
            return false;
        }
        let chain = Chain::of(header);
        let epoch = document(id).and_then(|bytes| Epoch::parse(&bytes).ok());
        let here = epoch.is_some();
        let named = epoch.filter(|e| e.check(header).is_ok());
        let mut found = named.and_then(|e| e.take(&self.node, &self.secret).ok());
        if found.is_none() {
            let grants = store.grants(id, &chain, MAX_GRANTS).into_iter();
            let taken = grants
                .filter_map(|text| self.take(SignedStatement::parse(&text).ok()?.statement()))
                .filter(|(of, _)| of == &chain)
                .flat_map(|(_, keys)| keys)
                .filter(|k| k.epoch.as_ref() == Some(id));
            found = taken.min_by_key(|k| k.from);
        }
        match found {
            Some(handed) => self.ring.borrow_mut().insert(&chain, &handed),
            // Its document may come.
            None if !here => false,
            None => {
                self.missed.borrow_mut().insert(id.clone(), ());
                false
            }
        }
    }
}
