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

#[derive(Deserialize)]
struct Readers {
    #[serde(default)]
    recipients: Vec<String>,
    members: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    node: String,
}

/// Whether an epoch is for a participant, and its document hands the key to another than this node.
#[must_use]
pub fn leaves_out(document: &[u8], participant: &Did, node: &Did) -> bool {
    let Ok(read) = serde_json::from_slice::<Readers>(document) else { return false };
    let to = &read.recipients;
    let for_it = to.is_empty() || to.iter().any(|d| d == participant.as_str());
    for_it && !read.members.iter().any(|m| m.node == node.as_str())
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
    use super::super::{ChainKey, Epoch, Member};
    use super::*;
    use crate::test_kit::{NOW, cid, did_of, key};

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

    #[test]
    fn it_says_whom_it_is_for_and_leaves_out() {
        let [two, three, four] = [2, 3, 4].map(|n| did_of(&key(n)).did().clone());
        let member = Member {
            node: two.clone(),
            participant: two.clone(),
            authorisation: None,
            presentation: cid("presentation"),
        };
        let begin = |to: &[Did]| {
            let secret = ChainKey::new([5; 32]);
            let members = std::slice::from_ref(&member);
            Epoch::begin(&chain_of(1), 4, NOW, to, members, &secret).expect("begun").1
        };
        let (all, some) = (begin(&[]), begin(&[two.clone(), three.clone()]));
        assert!(!leaves_out(&all, &two, &two) && !leaves_out(&some, &two, &two));
        assert!(leaves_out(&all, &two, &four) && leaves_out(&some, &two, &four), "another node");
        assert!(leaves_out(&all, &three, &three) && leaves_out(&some, &three, &three));
        assert!(leaves_out(&all, &four, &four) && !leaves_out(&some, &four, &four));
        assert!(!leaves_out(b"{}", &four, &four));
    }
}
