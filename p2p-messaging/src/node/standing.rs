//! For whom a peer acts, and from when on it may have what was said.

use super::worker::Worker;
use crate::checking::{Known as _, Missing};
use crate::sync::Hello;
use gridpass_credentials::authorisation::{NodeAuthorisation, NodePurpose};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::read_visa;
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::vcdm::Credential;
use gridpass_credentials::verify::{AuthorisationExpectation, verify_authorisation};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};

/// How old the status of a peer's authorisation may be to say for whom it acts.
pub(super) use crate::receipt::MAX_STATUS_AGE_SECONDS;

impl Worker {
    /// Whether a peer's participant authorised it, and what is missing to say so.
    pub(super) fn proof_of(&self, peer: &PeerId) -> (bool, Option<Missing>) {
        let Some(hello) = self.peers.hello(peer) else {
            return (false, None);
        };
        let Some(bytes) = &hello.authorisation else {
            // The participant is the node, whose key the connection proved.
            return (true, None);
        };
        let read = authorisation_of(hello);
        let (Some(authorisation), now) = (read, self.now()) else { return (false, None) };
        let channel = authorisation.channels.as_ref().and_then(|c| c.first());
        let expect = AuthorisationExpectation {
            now,
            clock: now,
            principal: &hello.participant,
            node: &authorisation.node,
            purpose: NodePurpose::Messages,
            channel,
            max_status_age_seconds: MAX_STATUS_AGE_SECONDS,
        };
        let node = crate::net::peer_of(&authorisation.node);
        let mut memo = SignatureMemo::default();
        let report =
            verify_authorisation(bytes, &self.knowledge.evidence(), &expect, &mut memo).report;
        match report.outcome() {
            Outcome::Passed => (node.as_ref() == Some(peer), None),
            Outcome::Failed => {
                let outdated =
                    report.checks.iter().any(|c| c.code == identity_codes::KEY_NOT_LISTED);
                (false, outdated.then(|| Missing::Did(hello.participant.clone())))
            }
            Outcome::Indeterminate => (false, Some(Missing::Evidence(hello.participant.clone()))),
        }
    }

    /// From when on a peer may have what was said, where a channel keeps the earlier for those who
    /// were members then: since the last of its own visas that it shows was signed. A holder may
    /// show more than it needs, and so shorten this, and not lengthen it.
    pub(super) fn history(
        &self,
        peer: &PeerId,
        may: &BTreeSet<ContentId>,
    ) -> BTreeMap<ContentId, UnixMillis> {
        let mut from = BTreeMap::new();
        let hello = self.peers.hello(peer);
        for visit in hello.iter().flat_map(|h| &h.visits).filter(|v| may.contains(&v.channel)) {
            let Some(holder) = hello.map(|h| &h.participant) else { continue };
            let since = self.readable_from(&visit.channel, holder, &visit.presentation);
            from.insert(visit.channel.clone(), since);
        }
        from
    }

    /// The same for whoever shows a presentation.
    pub(super) fn readable_from(
        &self,
        channel: &ContentId,
        holder: &Did,
        presentation: &ContentId,
    ) -> UnixMillis {
        let policy = self.checker.policy(channel);
        if policy.is_none_or(|p| p.descriptor().retention.history) {
            return UnixMillis::new(0);
        }
        let bytes = crate::checking::Known::document(&self.knowledge, presentation);
        let since = bytes.and_then(|b| last_signed(&b, holder));
        since.unwrap_or_else(|| self.now())
    }
}

/// The authorisation that a hello brings: read, not believed.
pub(super) fn authorisation_of(hello: &Hello) -> Option<NodeAuthorisation> {
    let secured = Secured::parse(hello.authorisation.as_ref()?, Kind::Credential).ok()?;
    NodeAuthorisation::read(&Credential::read(secured.document().clone()).ok()?).ok()
}

/// When the last of a holder's visas in a presentation was signed, as its signer says.
fn last_signed(presentation: &[u8], holder: &Did) -> Option<UnixMillis> {
    let secured = Secured::parse(presentation, Kind::Presentation).ok()?;
    let visas = secured.document().get("verifiableCredential")?.as_array()?.clone();
    let signed = visas.into_iter().filter_map(|visa| {
        let secured = Secured::from_json(visa, Kind::Credential).ok()?;
        let (_, visa) = read_visa(secured.text()).ok()?;
        secured.signed_at().filter(|_| &visa.subject == holder)
    });
    signed.max()
}
