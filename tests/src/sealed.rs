//! Sealed messages, made by hand: by somebody who seals as it should, or as it should not.

use crate::messages::Sender;
use crate::world::Party;
use gridpass_credentials::secured::Secured;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::envelope::{Envelope, Header};
use gridpass_messaging::sealing::{ChainKey, Epoch, HandedKey, Member, Place, SealedPayload};

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
