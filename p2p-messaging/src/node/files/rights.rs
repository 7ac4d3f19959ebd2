//! Which peer may have the blocks of which file now: what the worker found out about peers, where block
//! exchange looks at it for each block.

use super::Offer;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock};

/// What is known of a peer.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct PeerRights {
    /// The participant that it is shown to act for.
    pub participant: Option<Did>,
    /// In which channels; in all, if none are named.
    pub only: Option<BTreeSet<ContentId>>,
    /// The channels that it may read or keep, and from when on.
    pub may: BTreeMap<ContentId, UnixMillis>,
}

/// What is known of all that are connected.
#[derive(Debug, Default)]
pub(in crate::node) struct Rights(RwLock<HashMap<PeerId, PeerRights>>);

impl Rights {
    /// A peer was judged; nothing for one that is gone.
    pub(in crate::node) fn set(&self, peer: PeerId, rights: Option<PeerRights>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match rights {
            Some(rights) => all.insert(peer, rights),
            None => all.remove(&peer),
        };
    }

    /// Whether a message that referred to a file lets a peer have it: it acts for the sender; or it may
    /// have what was said in the channel then, and acts for a recipient, where some are named.
    pub(super) fn allow<'o>(
        &self,
        peer: &PeerId,
        offers: impl IntoIterator<Item = &'o Offer>,
    ) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.get(peer).is_some_and(|rights| offers.into_iter().any(|o| rights.allow(o)))
    }

    /// Whether anything is known of a peer: of a stranger nothing need be looked up.
    pub(super) fn knows(&self, peer: &PeerId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(peer)
    }

    /// Those that these let have it: first those that act for a sender.
    pub(super) fn allowed(&self, offers: &[&Offer]) -> Vec<PeerId> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let allowed = all.iter().filter(|(_, rights)| offers.iter().any(|o| rights.allow(o)));
        let mut allowed: Vec<_> =
            allowed.map(|(peer, rights)| (!offers.iter().any(|o| rights.sent(o)), *peer)).collect();
        allowed.sort();
        allowed.into_iter().map(|(_, peer)| peer).collect()
    }

    /// Those that act for the sender of a message.
    pub(super) fn of_sender(&self, offer: &Offer) -> Vec<PeerId> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, rights)| rights.sent(offer)).map(|(peer, _)| *peer).collect()
    }

    /// Whether a participant may have it by these, as far as one that acts for it is connected.
    pub(super) fn entitled<'o>(
        &self,
        participant: &Did,
        offers: impl IntoIterator<Item = &'o Offer>,
    ) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let its: Vec<_> =
            all.values().filter(|r| r.participant.as_ref() == Some(participant)).collect();
        offers.into_iter().any(|o| its.iter().any(|rights| rights.allow(o)))
    }
}

impl PeerRights {
    /// For whom it acts in a channel.
    fn acts_for(&self, channel: &ContentId) -> Option<&Did> {
        let only = self.only.as_ref().is_none_or(|only| only.contains(channel));
        self.participant.as_ref().filter(|_| only)
    }

    fn sent(&self, offer: &Offer) -> bool {
        self.acts_for(&offer.channel) == Some(&offer.sender)
    }

    fn allow(&self, offer: &Offer) -> bool {
        let acts_for = self.acts_for(&offer.channel);
        if self.sent(offer) {
            return true;
        }
        self.may.get(&offer.channel).is_some_and(|from| *from <= offer.issued)
            && (offer.recipients.is_empty()
                || acts_for.is_some_and(|p| offer.recipients.contains(p)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{NOW, cid, did_of, key};
    use gridpass_credentials::content_id::EnvelopeId;

    fn did(n: u8) -> Did {
        did_of(&key(n)).did().clone()
    }

    fn offer(recipients: &[u8]) -> Offer {
        Offer {
            message: EnvelopeId::of_block(b"message").expect("a name"),
            channel: cid("channel"),
            sender: did(1),
            recipients: recipients.iter().map(|n| did(*n)).collect(),
            issued: NOW,
        }
    }

    fn reader(n: u8) -> PeerRights {
        let may = BTreeMap::from([(cid("channel"), UnixMillis::new(0))]);
        PeerRights { participant: Some(did(n)), only: None, may }
    }

    #[test]
    fn a_block_is_for_who_may_read_and_is_named() {
        let stranger = PeerRights { participant: Some(did(3)), ..PeerRights::default() };
        let unproven = PeerRights { participant: None, ..reader(2) };
        let later = NOW.plus_millis(1);
        let new = PeerRights { may: BTreeMap::from([(cid("channel"), later)]), ..reader(2) };
        let elsewhere = PeerRights { only: Some([cid("other")].into()), ..reader(2) };
        let other = PeerRights { may: BTreeMap::from([(cid("other"), NOW)]), ..reader(2) };
        let sender = PeerRights { participant: Some(did(1)), ..PeerRights::default() };
        for (who, to_all, to_two) in [
            (reader(2), true, true),
            (reader(3), true, false),
            (stranger, false, false),
            (unproven, true, false),
            (new, false, false),
            (elsewhere, true, false),
            (other, false, false),
            (sender, true, true),
            (PeerRights::default(), false, false),
        ] {
            assert_eq!(who.allow(&offer(&[])), to_all, "{who:?}");
            assert_eq!(who.allow(&offer(&[2])), to_two, "{who:?}");
        }
    }

    #[test]
    fn who_is_gone_or_may_not_any_more_has_nothing() {
        let (rights, peer) = (Rights::default(), PeerId::random());
        let offers = [offer(&[9]), offer(&[2])];
        assert!(!rights.allow(&peer, &offers));
        rights.set(peer, Some(reader(2)));
        assert!(rights.allow(&peer, &offers) && !rights.allow(&peer, &[]));
        assert_eq!(rights.allowed(&[&offers[0], &offers[1]]), [peer]);
        rights.set(peer, Some(PeerRights { may: BTreeMap::new(), ..reader(2) }));
        assert!(!rights.allow(&peer, &offers));
        rights.set(peer, Some(reader(2)));
        rights.set(peer, None);
        assert!(!rights.allow(&peer, &offers) && rights.allowed(&[&offers[1]]).is_empty());
    }
}
