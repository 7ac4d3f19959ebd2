//! What the document of an epoch says, but for its members and keys: quickly read of one that was
//! checked before, such as when it is found in the log.

use super::allowance;
use crate::checking::Chain;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::time::UnixMillis;
use serde::Deserialize;

/// An epoch, in outline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Whose messages it is for.
    pub chain: Chain,
    /// The number of the message that begins it.
    pub first: u64,
    /// When it began, as its sender says.
    pub begun: UnixMillis,
    /// What it costs of its sender's allowance.
    pub cost: u64,
}

#[derive(Deserialize)]
struct Row {
    channel: ContentId,
    sender: Did,
    key: String,
    first: u64,
    begun: UnixMillis,
}

impl Outline {
    /// Reads that of a document.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let row: Row = serde_json::from_slice(bytes).ok()?;
        let key = DidUrl::parse(&row.key).ok()?;
        Some(Self {
            chain: Chain { channel: row.channel, sender: row.sender, key },
            first: row.first,
            begun: row.begun,
            cost: allowance::cost_of(bytes.len()),
        })
    }

    /// The hour to which it counts.
    #[must_use]
    pub fn hour(&self) -> u64 {
        allowance::hour_of(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::super::grant::chain_of;
    use super::super::{ChainKey, Epoch};
    use super::*;
    use crate::test_kit::NOW;

    #[test]
    fn it_says_what_the_document_says() {
        let key = ChainKey::new([5; 32]);
        let (epoch, bytes) = Epoch::begin(&chain_of(1), 4, NOW, &[], &[], &key).expect("begun");
        let outline = Outline::read(&bytes).expect("it reads");
        assert_eq!(Some(&outline.chain), epoch.chain().as_ref());
        assert_eq!((outline.first, outline.begun), (epoch.first(), epoch.begun()));
        assert_eq!(outline.cost, epoch.cost());
        assert_eq!(Outline::read(b"{}"), None);
    }
}
