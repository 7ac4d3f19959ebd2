//! Sealed messages, made by hand: by somebody who seals as it should, or as it should not.

use crate::messages::{Market, Peer, Sender};
use crate::nodes;
use crate::world::{NOW, Party};
use gridpass_credentials::secured::Secured;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::envelope::{Envelope, Header};
use gridpass_messaging::sealing::{ChainKey, Epoch, HandedKey, Member, Place, SealedPayload};
use gridpass_policy::channel::{ChannelDescriptor, Sealing};

/// What is sealed.
pub const BID: &[u8] = b"{\"bid\":5}";

/// Somebody that keys are handed to, who is its own node.
#[must_use]
pub fn member(party: &Party, presentation: &Secured) -> Member {
    Member {
        node: party.did.clone(),
        participant: party.did.clone(),
        authorisation: None,
        presentation: presentation.id().clone(),
    }
}

/// A sender in the middle of an epoch.
#[derive(Clone)]
pub struct Sealer {
    /// Who sends.
    pub sender: Sender,
    /// The epoch under way.
    pub epoch: Epoch,
    /// Its document.
    pub document: Vec<u8>,
    /// The key of its first message.
    pub key: ChainKey,
}

impl Sealer {
    /// Begins an epoch with the next message of a sender.
    ///
    /// # Panics
    /// If nobody could.
    #[must_use]
    pub fn begin(sender: &Sender, to: &[Did], members: &[Member], at: UnixMillis) -> Self {
        let header = sender.header("GB-1", at);
        let number = u8::try_from(header.sequence % 251).expect("small");
        let key = ChainKey::new([number; 32]);
        let (epoch, document) =
            Epoch::begin(&Chain::of(&header), header.sequence, at, to, members, &key)
                .expect("an epoch");
        Self { sender: sender.clone(), epoch, document, key }
    }

    /// The key that a member takes out of the document.
    ///
    /// # Panics
    /// If it is none of its members.
    #[must_use]
    pub fn taken_by(&self, party: &Party) -> HandedKey {
        self.epoch.take(&party.did, &party.key).expect("it is for it")
    }

    /// Its next message, bent before it is sealed.
    ///
    /// # Panics
    /// If it cannot be sealed.
    pub fn send_with(&mut self, at: UnixMillis, bend: impl FnOnce(&mut Header)) -> Envelope {
        let mut header = self.sender.header("GB-1", at);
        header.recipients = self.epoch.recipients().to_vec();
        header.epoch = Some(self.epoch.id().clone());
        bend(&mut header);
        let epoch = header.epoch.clone().unwrap_or_else(|| self.epoch.id().clone());
        let place = Place {
            channel: &header.channel,
            sender: &header.sender,
            key: &header.key,
            sequence: header.sequence,
            epoch: &epoch,
        };
        let steps = header.sequence.saturating_sub(self.epoch.first());
        let key = self.key.forward(steps).expect("near").message();
        let sealed = SealedPayload::seal(BID, &key, &place, [1; 12]).expect("sealed");
        let made = self.sender.sign(header, &sealed.encode().expect("bytes"));
        self.sender.sent += 1;
        self.sender.last = Some(made.id().clone());
        made
    }

    /// Its next message.
    pub fn send(&mut self, at: UnixMillis) -> Envelope {
        self.send_with(at, |_| ())
    }
}

/// An aggregator who sends, two operators who read, and a relay who looks on.
pub struct Scene {
    /// The market.
    pub market: Market,
    /// The aggregator.
    pub sender: Sender,
    /// What it shows.
    pub bidder: Secured,
    /// An operator, and what it shows.
    pub north: (Party, Secured),
    /// The other.
    pub south: (Party, Secured),
}

impl Scene {
    /// In a channel that seals, bent.
    pub fn new(bend: impl FnOnce(&mut ChannelDescriptor)) -> Self {
        let market = Market::with_operators(|d| {
            d.sealing = Sealing::Members;
            bend(d);
        });
        let aggregator = Party::new(2);
        let bidder = nodes::presentation(&market, &aggregator, false);
        let operator = |n: u8| {
            let party = Party::new(n);
            let presentation = nodes::presentation(&market, &party, true);
            (party, presentation)
        };
        let sender = Sender::new(&aggregator, &bidder, &market.channel);
        Self { sender, bidder, north: operator(3), south: operator(4), market }
    }

    /// The operators, as who may be handed keys.
    #[must_use]
    pub fn members(&self) -> [Member; 2] {
        [member(&self.north.0, &self.north.1), member(&self.south.0, &self.south.1)]
    }

    /// The epoch of the next message to these, now.
    #[must_use]
    pub fn begin(&self, to: &[Did]) -> Sealer {
        let members = self.members();
        let named = |m: &&Member| to.is_empty() || to.contains(&m.participant);
        let members: Vec<Member> = members.iter().filter(named).cloned().collect();
        Sealer::begin(&self.sender, to, &members, NOW)
    }

    /// The epoch of the next message to all.
    #[must_use]
    pub fn begin_at(&self, at: UnixMillis) -> Sealer {
        Sealer::begin(&self.sender, &[], &self.members(), at)
    }

    /// Somebody who knows all documents, and the epoch.
    #[must_use]
    pub fn peer(&self, party: &Party, sealer: &Sealer) -> Peer {
        let documents = [&self.bidder, &self.north.1, &self.south.1];
        let mut peer = self.market.peer(party, &documents, self.market.lists(&[]));
        peer.memory.learn_bytes(sealer.epoch.id().clone(), sealer.document.clone());
        peer
    }

    /// The same, who neither sends nor reads.
    #[must_use]
    pub fn relay(&self, sealer: &Sealer) -> Peer {
        self.peer(&Party::new(9), sealer)
    }
}
