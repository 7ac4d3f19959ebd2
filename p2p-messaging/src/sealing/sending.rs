//! What a sender does with each message: which epoch it is of, which one begins with it, and how its
//! payload is sealed.

use super::allowance::OWN_EPOCHS_AN_HOUR;
use super::{ChainKey, Circle, Epoch, EpochError, HandedKey, Place, SealedPayload, SealingError};
use crate::checking::Chain;
use crate::envelope::Header;
use gridpass_credentials::content_id::ContentId;

/// Within what a sender begins epochs.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long one lasts at most, in milliseconds.
    pub longest_millis: u64,
    /// What those cost that began in this hour.
    pub spent: u64,
}

/// An epoch that begins with a message.
pub struct Beginning {
    /// The epoch.
    pub epoch: Epoch,
    /// Its document.
    pub document: Vec<u8>,
    /// Its key, as the sender holds it.
    pub own: HandedKey,
}

/// Of which epoch a message is.
pub struct InEpoch {
    /// The epoch.
    pub id: ContentId,
    /// The chain key of the message.
    pub key: ChainKey,
    /// The epoch, where it begins with the message.
    pub beginning: Option<Box<Beginning>>,
}

impl Circle {
    /// The epoch of the next message. `fresh` is random: the first key, where another begins.
    ///
    /// # Errors
    /// [`EpochError::TooMany`], and [`EpochError::TooSoon`] where the allowance of this hour is used up:
    /// then the message is not sent, rather than to somebody who may not read any more.
    pub fn epoch_for(
        &mut self,
        header: &Header,
        terms: Terms,
        fresh: ChainKey,
    ) -> Result<InEpoch, EpochError> {
        let (first, begun) = (header.sequence, header.issued);
        if let Some((id, key)) = self.current(&header.recipients, first, begun, terms) {
            return Ok(InEpoch { id, key, beginning: None });
        }
        let chain = Chain::of(header);
        let members = self.members(&header.recipients);
        let (epoch, document) =
            Epoch::begin(&chain, first, begun, &header.recipients, &members, &fresh)?;
        if terms.spent.saturating_add(epoch.cost()) > OWN_EPOCHS_AN_HOUR {
            return Err(EpochError::TooSoon { spent: terms.spent, cost: epoch.cost() });
        }
        self.begin(&epoch, fresh.clone());
        let id = epoch.id().clone();
        let own = HandedKey { epoch: Some(id.clone()), first, from: first, key: fresh.clone() };
        let beginning = Some(Box::new(Beginning { epoch, document, own }));
        Ok(InEpoch { id, key: fresh, beginning })
    }
}

impl InEpoch {
    /// Seals the payload of the message, and names the epoch in its header. `nonce` is random.
    ///
    /// # Errors
    /// [`SealingError::Malformed`] for one that is too long.
    pub fn seal(
        &self,
        header: &mut Header,
        payload: &[u8],
        nonce: [u8; 12],
    ) -> Result<Vec<u8>, SealingError> {
        let place = Place {
            channel: &header.channel,
            sender: &header.sender,
            key: &header.key,
            sequence: header.sequence,
            epoch: &self.id,
        };
        let sealed = SealedPayload::seal(payload, &self.key.message(), &place, nonce)?.encode()?;
        header.epoch = Some(self.id.clone());
        Ok(sealed)
    }
}

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;
