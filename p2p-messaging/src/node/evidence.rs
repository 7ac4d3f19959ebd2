//! What came of what was asked for: it counts where it proves itself.

use super::knowledge::is_evidence;
use super::worker::Worker;
use crate::checking::{Missing, Verdict};
use crate::sync::ListHead;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::IdentityMaterial;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::Resolver as _;
use gridpass_policy::channel::SignedChannel;
use libp2p::PeerId;
use serde_bytes::ByteBuf;

impl Worker {
    /// Nobody who was asked has a document, or proves a DID: what waits for it is given up. Catching up
    /// brings it again. Lists change: what waits for one waits its time.
    pub(super) fn nobody_has(&mut self, missing: &Missing) {
        let (Missing::Document(_) | Missing::Did(_)) = missing else { return };
        self.statements_lack(missing);
        for id in self.checker.nobody_has(missing) {
            self.report_decided(&id, Verdict::Ignore);
        }
    }

    /// A document came, of the name that was asked for.
    pub(super) fn document_came(&mut self, id: &ContentId, bytes: Vec<u8>) -> bool {
        if id.verify(&bytes).is_ok() {
            // A stranger has this node ask for any name: what else comes under it is not taken.
            let wanted = is_evidence(&bytes) || self.is_schema_part(id);
            if wanted {
                self.knowledge.arrived.insert(id.clone(), bytes);
            }
            return wanted;
        }
        // A descriptor is named by its content and travels with its owner's signature.
        match SignedChannel::parse(&bytes) {
            Ok(channel) if channel.id() == id => self.channel_came(&channel, &bytes),
            _ => false,
        }
    }

    /// A channel came that somebody was invited to: it counts if its owner signed it and it belongs
    /// to the framework.
    fn channel_came(&mut self, channel: &SignedChannel, bytes: &[u8]) -> bool {
        let now = self.now();
        if self.is_unknown(&channel.descriptor().owner) {
            self.ask(Missing::Did(channel.descriptor().owner.clone()), None);
        }
        let check = channel.check_owner(&self.knowledge.material.identities, now);
        if check.outcome != Outcome::Passed || channel.descriptor().framework != self.framework() {
            tracing::warn!(channel = %channel.id(), code = %check.code, "{}", check.sentence);
            return false;
        }
        match self.knowledge.material.give(bytes, now) {
            Ok(_) => {
                self.join_if_signed(channel.id().clone());
                true
            }
            Err(e) => {
                tracing::error!(code = %e.code(), "{e}");
                false
            }
        }
    }

    pub(super) fn identity_came(&mut self, material: &IdentityMaterial) -> bool {
        // Only a did:webvh log proves itself.
        if material.did.method() != "webvh" {
            return false;
        }
        // When it was obtained is for this node to say.
        let now = self.now();
        let material = IdentityMaterial { seen: now, confirmed: None, ..material.clone() };
        let material = &material;
        match self.knowledge.material.take_identity(material, false) {
            Ok(Some(_)) => {
                self.checker.did_changed(&material.did);
                self.owner_changed(Some(&material.did));
                self.rejudge();
                self.evidence_came();
                true
            }
            Ok(None) => false,
            Err(e) => {
                tracing::warn!(did = %material.did, code = %e.code(), "{e}");
                false
            }
        }
    }

    /// Whether nothing is known of a DID.
    pub(super) fn is_unknown(&self, did: &Did) -> bool {
        let found = self.knowledge.material.identities.resolve(did);
        found.is_err_and(|e| e.is_missing_evidence())
    }

    /// Status lists came, from a peer that was asked or by gossip. Each must hold, and something must
    /// rest on it.
    pub(super) fn lists_came(&mut self, lists: &[ByteBuf], asked: Option<PeerId>) -> bool {
        let now = self.now();
        let mut any = false;
        for bytes in lists {
            let read =
                Secured::parse(bytes, Kind::Credential).ok().and_then(|s| StatusList::read(s).ok());
            let Some(list) = read else { continue };
            let key = (list.id.clone(), list.issuer.clone());
            // Lists that nothing rests on are nobody's business: anybody can sign some.
            let known = self.knowledge.material.seen.contains_key(&key);
            let wanted = known || self.checker.wants_list(&key.0, &key.1);
            if !wanted && !self.checker.wants_revokers_list(&list, &self.knowledge, now) {
                continue;
            }
            if asked.is_some() && self.is_unknown(&key.1) {
                // It comes again with what proves its signer.
                self.ask(Missing::Did(key.1), asked);
                continue;
            }
            match self.knowledge.material.take_list(list, now, true) {
                Ok(Some(_)) => {
                    tracing::info!(list = key.0, signer = %key.1, "a newer status list");
                    any = true;
                    self.checker.status_list_came(&key.0, &key.1);
                    let announcement = crate::sync::Announcement::StatusList(bytes.clone());
                    self.after.push(super::group::After::Announce(announcement));
                }
                Ok(None) => {}
                Err(e) => {
                    tracing::info!(list = key.0, code = %e.code(), "{e}");
                    if e.code() == gridpass_identity::codes::KEY_NOT_LISTED {
                        // Its signer has another key now than in the state that is known.
                        self.ask(Missing::Did(key.1), asked);
                    }
                }
            }
        }
        if any {
            self.rejudge();
            self.evidence_came();
        }
        any
    }
}

pub(super) fn head_of(list: &StatusList) -> ListHead {
    let (version, dated) = list.order();
    ListHead { list: list.id.clone(), signer: list.issuer.clone(), version, dated }
}
