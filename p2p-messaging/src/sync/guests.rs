//! Peers that said who they are, and what each may read: asked of the channel's policy when they
//! come, and again whenever something that their visas rest on changed.

use super::wire::Hello;
use crate::checking::{Checker, Effect, Known, Missing, Right, Speaker};
use crate::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::{Class, Code};
use gridpass_identity::did::Did;
use gridpass_identity::key::PublicKey;
use gridpass_identity::method;
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// The channels that it may have from now on, to read or to keep, and could not before.
    pub admitted: BTreeSet<ContentId>,
    /// The channels that it may neither read nor keep, each with the reason.
    pub refused: BTreeMap<ContentId, Code>,
    /// What is missing to say more.
    pub asks: BTreeSet<Missing>,
}

/// By what somebody is judged in a channel: its node with its authorisation, and a presentation.
#[derive(Clone, PartialEq, Eq)]
struct Shown {
    node: Option<(Did, ContentId)>,
    presentation: ContentId,
}

impl Shown {
    fn speaker<'s>(&'s self, channel: &'s ContentId, participant: &'s Did) -> Speaker<'s> {
        let node = self.node.as_ref().map(|(node, id)| (node, id));
        Speaker { channel, participant, node, presentation: &self.presentation }
    }
}

struct Guest {
    participant: Did,
    visits: BTreeMap<ContentId, Shown>,
    /// What it was admitted by and does not show any more: it counts, as long as it holds, until it is
    /// known what counts instead. Who renews a visa is not sent away for it, and nobody gains time by
    /// showing what cannot be had.
    before: BTreeMap<ContentId, Shown>,
    admitted: BTreeMap<ContentId, Right>,
}

impl Guest {
    /// What it was admitted by in these channels, where that is not what it shows there now.
    fn earlier(&self, visits: &BTreeMap<ContentId, Shown>) -> BTreeMap<ContentId, Shown> {
        let by = |channel| self.before.get(channel).or_else(|| self.visits.get(channel));
        let shown = self.admitted.keys().filter_map(|c| Some((c, by(c)?)));
        let earlier = shown.filter(|(c, shown)| visits.get(*c).is_some_and(|now| now != *shown));
        earlier.map(|(channel, shown)| (channel.clone(), shown.clone())).collect()
    }
}

/// The peers that are connected and known by name.
#[derive(Default)]
pub struct Guests {
    peers: BTreeMap<String, Guest>,
}

impl Guests {
    /// A peer said who it is. `key` is its node's, proven by the connection. Its authorisation is
    /// given to `keep`, so that it is found by its name.
    ///
    /// # Errors
    /// The reason why it is nobody: the key is not the one of the node that it says, there is no
    /// authorisation, or it acted for another participant before: a peer id is one participant's as
    /// long as it is connected.
    pub fn hello(
        &mut self,
        peer: &str,
        key: &PublicKey,
        hello: &Hello,
        keep: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Code> {
        if self.peers.get(peer).is_some_and(|g| g.participant != hello.participant) {
            return Err(codes::SENDER_SIGNER);
        }
        let node = method::key::from_public_key(key).map_err(|e| e.code())?;
        let node = match &hello.authorisation {
            None if node == hello.participant => None,
            None => return Err(codes::SENDER_SIGNER),
            Some(bytes) => {
                let id = ContentId::of_bytes(bytes).map_err(|e| e.code())?;
                keep(bytes);
                Some((node, id))
            }
        };
        let shown = |presentation: &ContentId| Shown {
            node: node.clone(),
            presentation: presentation.clone(),
        };
        let visits = hello.visits.iter().map(|v| (v.channel.clone(), shown(&v.presentation)));
        let visits: BTreeMap<_, _> = visits.collect();
        let before = self.peers.get(peer).map(|g| g.earlier(&visits)).unwrap_or_default();
        let participant = hello.participant.clone();
        let guest = Guest { participant, visits, before, admitted: BTreeMap::new() };
        self.peers.insert(peer.to_owned(), guest);
        Ok(())
    }

    /// A peer is gone.
    pub fn leave(&mut self, peer: &str) {
        self.peers.remove(peer);
    }

    /// Asks the channels' policies what a peer may read now. What it may not read any more is taken
    /// from it at once, whatever is missing; only where it shows something else than it was admitted
    /// by, of which nothing can be said yet, the earlier counts as long as it holds.
    pub fn judge(
        &mut self,
        peer: &str,
        checker: &mut Checker,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Welcome {
        let mut welcome = Welcome::default();
        let Some(guest) = self.peers.get_mut(peer) else { return welcome };
        let Guest { participant, visits, before, admitted: held } = guest;
        let mut admitted = BTreeMap::new();
        let unknown = |checker: &mut Checker| {
            checker.take_unknown().into_iter().map(Missing::Did).collect::<BTreeSet<_>>()
        };
        welcome.asks.extend(unknown(checker));
        for (channel, shown) in visits.iter() {
            // Nothing is asked for, for a channel that is not here.
            if checker.policy(channel).is_none() {
                welcome.refused.insert(channel.clone(), codes::CHANNEL_UNKNOWN);
                continue;
            }
            let (mut right, found) =
                checker.may_have(&shown.speaker(channel, participant), known, now);
            let mut asks = unknown(checker);
            asks.extend(found.effects.iter().filter_map(|e| match e {
                Effect::Ask(missing) => Some(missing.clone()),
                _ => None,
            }));
            let open = found.code.class() == Class::Indeterminate || !asks.is_empty();
            if right.is_none() && open {
                let earlier = before.get(channel).map(|b| b.speaker(channel, participant));
                right = earlier.and_then(|earlier| checker.may_have(&earlier, known, now).0);
                if right.is_none() {
                    before.remove(channel);
                } else if asks.is_empty() {
                    asks.insert(Missing::Evidence(participant.clone()));
                }
                asks.extend(unknown(checker));
            } else {
                before.remove(channel);
            }
            welcome.asks.extend(asks);
            if let Some(right) = right {
                if !held.contains_key(channel) {
                    welcome.admitted.insert(channel.clone());
                }
                admitted.insert(channel.clone(), right);
            } else {
                welcome.refused.insert(channel.clone(), found.code);
            }
        }
        *held = admitted;
        welcome
    }

    /// As what a peer may be given what is said in a channel.
    #[must_use]
    pub fn right(&self, peer: &str, channel: &ContentId) -> Option<Right> {
        self.peers.get(peer).and_then(|g| g.admitted.get(channel).copied())
    }

    /// The participant that a peer acts for.
    #[must_use]
    pub fn participant(&self, peer: &str) -> Option<&Did> {
        self.peers.get(peer).map(|g| &g.participant)
    }
}
