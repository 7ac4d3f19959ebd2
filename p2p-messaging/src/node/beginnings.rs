//! Where the own chain begins. A node that kept nothing of its own in a channel may have sent there
//! before, and lost its store: beginning at 1 again would contradict what others have of it for ever. It
//! asks those first who may know, and sends when it knows; where nobody is there to ask, it begins after a
//! while. Where it is known that records were lost, or some cannot be read, it does not: one of them may be
//! the newest own message. Nor where its wallet was restored: there may have been another store. Who starts it
//! can say that nobody has more of it than it has.

use super::Alone;
use super::control::{ControlResult, NewMessage};
use super::typed::AskError;
use super::worker::Worker;
use crate::checking::Chain;
use crate::codes;
use crate::store::Store;
use crate::sync::Request;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::oneshot;

/// How long somebody is waited for who may know, in milliseconds: peers that have just met are still
/// finding out what each may have.
const ALONE_MILLIS: u64 = 10_000;
/// How long others may say more after the first one said how far it knows the channel, in
/// milliseconds: it may know less than they.
const GRACE_MILLIS: u64 = 2_000;
/// How long is waited for what was said to be there and does not come, in milliseconds.
const STUCK_MILLIS: u64 = 30_000;
/// How often it is waited for anew.
const MAX_AGAIN: u8 = 6;
/// The most messages that wait to be sent.
const MAX_PARKED: usize = 1024;

struct Unsure {
    since: UnixMillis,
    /// When somebody who may have the channel first said how far it knows all of its chains.
    compared: Option<UnixMillis>,
    /// How far the own chain was known, and since when no more of it came.
    head: Option<u64>,
    moved: UnixMillis,
    /// How often it is still begun anew: who was giving the own chain went away, or something was
    /// missing to judge it.
    again: u8,
    /// Own messages may be lost: without asking anybody it never begins.
    lacks: bool,
}

/// Whether a node asks others how far it has sent in a channel, and whether it never begins there without.
fn asks(store: &Store, chain: &Chain, alone: Alone) -> (bool, bool) {
    let may_lack = store.may_lack(chain) || (alone == Alone::Never && !store.has_sent(chain));
    let asks = may_lack || store.was_cut_off(chain) || store.newest(chain).is_none();
    (asks, may_lack && alone != Alone::Always)
}

impl Unsure {
    fn new(now: UnixMillis, again: u8, lacks: bool) -> Self {
        Self { since: now, compared: None, head: None, moved: now, again, lacks }
    }

    /// Whether nobody who may know it has come in the time in which somebody is waited for.
    fn is_alone(&self, now: UnixMillis) -> bool {
        self.compared.is_none() && now.millis_since(self.since) >= ALONE_MILLIS
    }
}

/// Channels in which this node does not know yet where its chain begins.
#[derive(Default)]
pub(super) struct Beginnings {
    unsure: BTreeMap<ContentId, Unsure>,
    parked: VecDeque<(ContentId, NewMessage, oneshot::Sender<ControlResult>)>,
}

impl Beginnings {
    /// Why a message is not kept waiting: nobody may come who knows where the chain goes on.
    fn refused(&self, channel: &ContentId, now: UnixMillis) -> Option<AskError> {
        let unsure = self.unsure.get(channel)?;
        let sentence = "this node's log or its store may have lost own messages, and no connected peer that may read \
                        this channel has said how far it has sent there. Others do not count, such as one whose visa \
                        ended (`gridpass node peers` says who may read): connect one that may, and send again; or, \
                        if you are sure that nobody has more of it than it has itself, start it with `gridpass node \
                        run --go-on-alone`: a number that it gives twice is proof against it";
        (unsure.lacks && unsure.is_alone(now))
            .then(|| AskError::from((codes::LOG_DAMAGED, sentence.to_owned())))
    }
}

impl Worker {
    /// Takes part in a channel: where nothing of its own is here, or the newest may be lost, others are
    /// asked.
    pub(super) fn begin(&mut self, channel: &ContentId) {
        let chain = self.own_chain(channel);
        let (asks, lacks) = asks(&self.knowledge.store, &chain, self.settings.alone);
        if !self.takes_part(channel) || !asks {
            return;
        }
        let unsure = Unsure::new(self.uptime(), MAX_AGAIN, lacks);
        self.beginnings.unsure.insert(channel.clone(), unsure);
        for peer in self.peers.open().collect::<Vec<_>>() {
            self.question(peer, Request::Heads { channel: channel.clone(), after: None });
        }
    }

    /// A peer has said of all chains of a channel how far it knows them. Only who may have them can
    /// know.
    pub(super) fn compared(&mut self, peer: PeerId, channel: &ContentId) {
        let now = self.uptime();
        if let Some(unsure) = self.beginnings.unsure.get_mut(channel)
            && self.guests.right(&peer.to_string(), channel).is_some()
        {
            unsure.compared.get_or_insert(now);
            self.send_parked();
        }
    }

    /// The own chains of these channels do not come from who was asked: others may know them, or the
    /// same later.
    pub(super) fn compare_again(&mut self, failed: impl Fn(&ContentId) -> bool) {
        let now = self.uptime();
        for (channel, unsure) in &mut self.beginnings.unsure {
            if unsure.compared.is_some() && unsure.again > 0 && failed(channel) {
                *unsure = Unsure::new(now, unsure.again.saturating_sub(1), unsure.lacks);
            }
        }
    }

    /// Whether it is known where the own chain goes on.
    fn is_sure(&mut self, channel: &ContentId) -> bool {
        let (now, chain) = (self.uptime(), self.own_chain(channel));
        let Some(unsure) = self.beginnings.unsure.get_mut(channel) else { return true };
        let head = self.knowledge.store.newest(&chain);
        if unsure.head != head {
            (unsure.head, unsure.moved) = (head, now);
        }
        let sure = match unsure.compared {
            None => !unsure.lacks && unsure.is_alone(now),
            Some(first) => {
                let stuck = now.millis_since(unsure.moved.max(first)) >= STUCK_MILLIS;
                now.millis_since(first) >= GRACE_MILLIS && (stuck || !self.ranges.wants(&chain))
            }
        };
        if sure {
            self.beginnings.unsure.remove(channel);
        }
        sure
    }

    /// Sends, or waits until it is known where the chain goes on. What whoever asked gave up meanwhile is not
    /// sent: it may be sent again already.
    pub(super) fn send_when_sure(
        &mut self,
        new: NewMessage,
        reply: oneshot::Sender<ControlResult>,
    ) {
        if reply.is_closed() {
            return;
        }
        self.choose_presentations();
        let found = self.channel_to_send(&new.channel);
        let new = match &found {
            // It is sent in the one that was looked at, whatever comes in between.
            Ok(channel) => NewMessage { channel: channel.as_str().to_owned(), ..new },
            Err(_) => new,
        };
        match found {
            // What was sent under this reference is only told.
            Ok(channel) if !self.is_sure(&channel) && !self.was_sent(&new) => {
                if let Some(refused) = self.beginnings.refused(&channel, self.uptime()) {
                    let _ = reply.send(Err(refused));
                    return;
                }
                self.beginnings.parked.retain(|(_, _, reply)| !reply.is_closed());
                if self.beginnings.parked.len() < MAX_PARKED {
                    self.beginnings.parked.push_back((channel, new, reply));
                } else {
                    let sentence = "it asks its peers first how far it has sent".to_owned();
                    let _ = reply.send(Err((codes::NODE_BUSY, sentence).into()));
                }
            }
            Ok(channel) => {
                // What waited goes before it.
                if self.beginnings.parked.iter().any(|(waits, ..)| *waits == channel) {
                    self.send_parked();
                }
                self.send(new, reply);
            }
            // A channel that is not known is said to be so.
            Err(_) => self.send(new, reply),
        }
    }

    /// Sends what waited, in order, and was not given up.
    pub(super) fn send_parked(&mut self) {
        for (channel, new, reply) in std::mem::take(&mut self.beginnings.parked) {
            if reply.is_closed() {
                continue;
            }
            if self.is_sure(&channel) {
                self.send(new, reply);
            } else if let Some(refused) = self.beginnings.refused(&channel, self.uptime()) {
                let _ = reply.send(Err(refused));
            } else {
                self.beginnings.parked.push_back((channel, new, reply));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_have_lost_an_own_message_does_not_begin_alone() {
        let channel = ContentId::of_nothing();
        let begun = UnixMillis::new(1_000);
        let (early, late) = (begun.plus_millis(ALONE_MILLIS - 1), begun.plus_millis(ALONE_MILLIS));
        let mut all = Beginnings::default();
        all.unsure.insert(channel.clone(), Unsure::new(begun, MAX_AGAIN, true));
        assert!(all.refused(&channel, early).is_none(), "somebody may come");
        let refused = all.refused(&channel, late).expect("nobody came");
        assert_eq!(refused.code, codes::LOG_DAMAGED);
        // Others may well be connected.
        let named = "no connected peer that may read this channel";
        assert!(refused.message.contains(named), "{}", refused.message);
        // Who knows it has come: it is waited for.
        let mut compared = Unsure::new(begun, MAX_AGAIN, true);
        compared.compared = Some(early);
        all.unsure.insert(channel.clone(), compared);
        assert!(all.refused(&channel, late).is_none());
        // A store that is new begins alone.
        all.unsure.insert(channel.clone(), Unsure::new(begun, MAX_AGAIN, false));
        assert!(all.refused(&channel, late).is_none());
    }

    #[test]
    fn a_new_node_begins_alone_and_one_that_was_restored_does_when_its_operator_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, _) = Store::open(folder.path()).expect("opens");
        let chain = Chain::of(&crate::test_kit::header(&crate::test_kit::key(1)));
        assert_eq!(asks(&store, &chain, Alone::UnlessLost), (true, false));
        assert_eq!(asks(&store, &chain, Alone::Never), (true, true));
        assert_eq!(asks(&store, &chain, Alone::Always), (true, false));
    }
}
