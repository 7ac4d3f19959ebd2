//! What everybody in a framework is told: status lists, charters, proofs of contradiction. It takes
//! effect at once.

use super::group::After;
use super::peers::{FAULT, UNHELPFUL};
use super::worker::Worker;
use crate::sync::Announcement;
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use serde_bytes::ByteBuf;
use std::sync::Arc;

/// What an announcement was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It counts from now on.
    New,
    /// Known, or not of interest here.
    Known,
    /// An honest peer rarely passes it on.
    Unhelpful,
    /// An honest peer never does.
    Fault,
}

impl Worker {
    /// Something came on the framework's topic.
    pub(super) fn announced(&mut self, peer: PeerId, id: MessageId, data: &[u8]) {
        let accept = match Announcement::decode(data) {
            // It is reported on when it was fetched.
            Ok(Announcement::Published(document)) => return self.published(peer, id, document),
            Err(_) => Use::Fault,
            Ok(Announcement::StatusList(list)) => self.list_announced(&list),
            Ok(Announcement::Charter(pack)) => self.charter_came(&pack, false),
            Ok(Announcement::Fork(first, second)) => self.fork_came(&first, &second),
        };
        // What was of use here is passed on; what was not may be of use to others who ask for it.
        let acceptance = match accept {
            Use::New => MessageAcceptance::Accept,
            Use::Known => MessageAcceptance::Ignore,
            Use::Unhelpful => {
                self.charge(peer, UNHELPFUL);
                MessageAcceptance::Ignore
            }
            Use::Fault => {
                self.charge(peer, FAULT);
                MessageAcceptance::Reject
            }
        };
        self.report(id, peer, acceptance);
    }

    fn list_announced(&mut self, bytes: &ByteBuf) -> Use {
        let read =
            Secured::parse(bytes, Kind::Credential).ok().and_then(|s| StatusList::read(s).ok());
        match read {
            None => Use::Fault,
            Some(_) if self.lists_came(std::slice::from_ref(bytes), None) => Use::New,
            // Also one that nothing rests on here.
            Some(_) => Use::Known,
        }
    }

    /// A trust pack came: it counts if its charter goes on from the one at hand.
    pub(super) fn charter_came(&mut self, pack: &[u8], announce: bool) -> Use {
        let now = self.now();
        match self.knowledge.material.take_newer_trust(pack, now) {
            Ok(Some(before)) => {
                self.trust_changed(&before);
                if announce {
                    let pack = ByteBuf::from(pack.to_vec());
                    self.after.push(After::Announce(Announcement::Charter(pack)));
                }
                Use::New
            }
            Ok(None) => Use::Known,
            Err(e) => {
                tracing::warn!(code = %e.code(), "a charter was not taken: {e}");
                Use::Unhelpful
            }
        }
    }

    /// The trust pack at hand is another.
    pub(super) fn trust_changed(&mut self, before: &Trust) {
        let Ok(trust) = self.knowledge.material.trust() else { return };
        self.knowledge.trust = Arc::clone(trust);
        let after = self.knowledge.trust.charter().charter().clone();
        tracing::info!(version = after.version, "a newer charter");
        let mut known = before.charter().charter().clone();
        let goes_on = |c: &SignedCharter| c.id() == before.charter().id();
        if !self.knowledge.trust.history().iter().any(goes_on) {
            // Charters were left, a fork or what was ahead of the clock, whose older ones said something else, too:
            // whatever rests on either is judged anew.
            (known.roots, known.roles) = (Vec::new(), Vec::new());
            self.checker.charter_changed(before.charter().charter(), &known);
        }
        self.checker.charter_changed(&known, &after);
        // It brings what proves DIDs.
        self.owner_changed(None);
        self.fill_shelf();
        self.rejudge();
        self.evidence_came();
    }
}
