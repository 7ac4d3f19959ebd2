//! An epoch's document: from which message on its sender seals with a key, to whom, and the key, sealed
//! to the nodes of those. The sender's messages name it by its CID.

use super::grant::{self, HandedKey};
use super::ratchet::ChainKey;
use super::{Member, SealingError, allowance};
use crate::checking::Chain;
use crate::codes;
use crate::envelope::{Header, MAX_RECIPIENTS};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jwe::JweIn;
use gridpass_identity::key::SecretKey;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What `type` says.
pub const TYPE: &str = "GridpassEpoch";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// The most nodes that an epoch's key is handed to.
pub const MAX_MEMBERS: usize = 1023;
/// The longest document, in bytes: a peer gives it in one answer.
pub const MAX_EPOCH: usize = crate::sync::MAX_PAGE;

/// Why an epoch was not made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EpochError {
    /// It is none, or not in its one encoding.
    #[error("not an epoch: {0}")]
    Malformed(String),
    /// There are more nodes than one epoch has room for.
    #[error("{0} nodes may read it, and an epoch has room for {MAX_MEMBERS}")]
    TooMany(usize),
    /// So many began in this hour that peers may not take another.
    #[error(
        "epochs of {spent} bytes began in this hour; another has {cost}, and a node begins {} at most",
        allowance::OWN_EPOCHS_AN_HOUR
    )]
    TooSoon {
        /// What those cost.
        spent: u64,
        /// What another costs.
        cost: u64,
    },
    /// It is another sender's, or for other recipients, or begins later.
    #[error("it is not an epoch of the message that names it: {0}")]
    NotOf(&'static str),
}

impl EpochError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::SEALING_MALFORMED,
            Self::TooMany(_) => codes::SEALING_TOO_MANY,
            Self::TooSoon { .. } => codes::SEALING_EPOCHS,
            Self::NotOf(_) => codes::SEALING_EPOCH,
        }
    }
}

fn malformed<E: std::fmt::Display>(e: E) -> EpochError {
    EpochError::Malformed(e.to_string())
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Document {
    #[serde(rename = "type")]
    document_type: String,
    format_version: u32,
    channel: ContentId,
    sender: Did,
    key: String,
    first: u64,
    begun: UnixMillis,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<Did>,
    members: Vec<Member>,
    keys: Value,
}

/// An epoch as it was made or read. Who says so is whoever signed a message that names it.
#[derive(Clone, Debug)]
pub struct Epoch {
    document: Document,
    id: ContentId,
    cost: u64,
    keys: Option<JweIn>,
}

impl Epoch {
    /// Begins an epoch: `key` is that of the message with the number `first`. `recipients` is empty
    /// where it is for all who may read.
    ///
    /// # Errors
    /// [`EpochError::TooMany`]; [`EpochError::Malformed`] for a node that is no did:key.
    pub fn begin(
        chain: &Chain,
        first: u64,
        begun: UnixMillis,
        recipients: &[Did],
        members: &[Member],
        key: &ChainKey,
    ) -> Result<(Self, Vec<u8>), EpochError> {
        if members.len() > MAX_MEMBERS {
            return Err(EpochError::TooMany(members.len()));
        }
        let mut members = members.to_vec();
        members.sort();
        let mut recipients = recipients.to_vec();
        recipients.sort();
        members.retain(|m| &m.node != chain.key.did());
        // The sender's own node is handed it too: it finds the key again by the document alone.
        let nodes: BTreeSet<&Did> =
            members.iter().map(|m| &m.node).chain(std::iter::once(chain.key.did())).collect();
        let nodes: Vec<&Did> = nodes.into_iter().collect();
        let handed = HandedKey { epoch: None, first, from: first, key: key.clone() };
        let jwe = grant::hand_over(chain, &[handed], &nodes).map_err(malformed)?;
        let keys = serde_json::from_str(&jwe).map_err(malformed)?;
        let document = Document {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            first,
            begun,
            recipients,
            members,
            keys,
        };
        let bytes = json::canonicalize(&document).map_err(malformed)?;
        Ok((Self::parse(&bytes)?, bytes))
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`EpochError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EpochError> {
        if bytes.len() > MAX_EPOCH {
            return Err(malformed("it is too long"));
        }
        let limits = Limits { bytes: MAX_EPOCH, depth: 8 };
        let value = json::parse_strict(bytes, limits).map_err(malformed)?;
        if json::canonicalize(&value).map_err(malformed)? != bytes {
            return Err(malformed("it is not in canonical form (JCS)"));
        }
        let document: Document = json::from_object(value).map_err(malformed)?;
        if document.document_type != TYPE || document.format_version != FORMAT_VERSION {
            return Err(malformed("its type or version is another"));
        }
        let spelt = json::canonicalize(&document).map_err(malformed)?;
        if spelt != bytes {
            return Err(malformed("it spells out what is left out"));
        }
        if document.first == 0 || document.recipients.len() > MAX_RECIPIENTS {
            return Err(malformed("it begins with no message, or has too many recipients"));
        }
        let ordered = document.recipients.windows(2).all(|w| w.first() < w.last());
        let nodes = document
            .members
            .windows(2)
            .all(|w| w.first().map(|m| &m.node) < w.last().map(|m| &m.node));
        if document.members.len() > MAX_MEMBERS || !ordered || !nodes {
            return Err(malformed("its recipients or members are not in order, or too many"));
        }
        let acts = |m: &Member| (m.node == m.participant) == m.authorisation.is_none();
        if !document.members.iter().all(acts) {
            return Err(malformed("an authorisation stands there exactly where a node acts"));
        }
        let all = &document.recipients;
        if !all.is_empty() && document.members.iter().any(|m| !all.contains(&m.participant)) {
            return Err(malformed("a member of it is no recipient"));
        }
        let keys = JweIn::parse(&document.keys.to_string()).map_err(malformed)?;
        let own = DidUrl::parse(&document.key).map_err(malformed)?;
        // Each member and the sender's own node is handed the key, and nobody else.
        let handed: BTreeSet<&Did> = keys.key_ids().map(DidUrl::did).collect();
        let mut named: BTreeSet<&Did> = document.members.iter().map(|m| &m.node).collect();
        let twice = !named.insert(own.did());
        if twice || handed != named || keys.key_ids().count() != named.len() {
            return Err(malformed("its key is sealed to others than its members"));
        }
        let id = ContentId::of_bytes(bytes).map_err(malformed)?;
        let cost = allowance::cost_of(bytes.len());
        Ok(Self { document, id, cost, keys: Some(keys) })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// Whose messages it is for.
    #[must_use]
    pub fn chain(&self) -> Option<Chain> {
        let of = &self.document;
        let key = DidUrl::parse(&of.key).ok()?;
        Some(Chain { channel: of.channel.clone(), sender: of.sender.clone(), key })
    }

    /// What it costs of its sender's allowance.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// The number of the message that begins it.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.document.first
    }

    /// When it began, as its sender says.
    #[must_use]
    pub fn begun(&self) -> UnixMillis {
        self.document.begun
    }

    /// Those whom it is for; all who may read, if empty.
    #[must_use]
    pub fn recipients(&self) -> &[Did] {
        &self.document.recipients
    }

    /// The nodes that are handed its key, in order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.document.members
    }

    /// Whether a message may name it: it is of the same sender and key and for the same recipients,
    /// and the message is one of its own.
    ///
    /// # Errors
    /// [`EpochError::NotOf`].
    pub fn check(&self, header: &Header) -> Result<(), EpochError> {
        let of = &self.document;
        if (&of.channel, &of.sender, of.key.as_str())
            != (&header.channel, &header.sender, header.key.as_str())
        {
            return Err(EpochError::NotOf("it is another sender's"));
        }
        let mut recipients = header.recipients.clone();
        recipients.sort();
        if recipients != of.recipients {
            return Err(EpochError::NotOf("it is for other recipients"));
        }
        match header.sequence.checked_sub(of.first) {
            Some(steps) if steps < super::MAX_STEPS => Ok(()),
            _ => Err(EpochError::NotOf("the message is outside of it")),
        }
    }

    /// What it says, without the sealed keys: to be remembered.
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        self.document.keys = Value::Null;
        self.keys = None;
        self
    }

    /// Opens the key for one of its members. `secret` is the node's.
    ///
    /// # Errors
    /// [`SealingError::Broken`] if it is not for this node, or not of this epoch.
    pub fn take(&self, node: &Did, secret: &SecretKey) -> Result<HandedKey, SealingError> {
        let of = &self.document;
        let key = DidUrl::parse(&of.key).map_err(|_| SealingError::Broken)?;
        let chain = Chain { channel: of.channel.clone(), sender: of.sender.clone(), key };
        let keys = self.keys.as_ref().ok_or(SealingError::Broken)?;
        let handed = grant::take(keys, &chain, node, secret).map_err(|_| SealingError::Broken)?;
        let mut own = handed
            .into_iter()
            .filter(|k| k.epoch.is_none() && k.first == of.first && k.from == of.first);
        let mut handed = own.next().ok_or(SealingError::Broken)?;
        handed.epoch = Some(self.id.clone());
        Ok(handed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::grant::chain_of;
    use super::*;
    use crate::test_kit::{NOW, cid, did_of, header, key};
    use proptest::prelude::*;

    fn member(number: u8) -> Member {
        let node = did_of(&key(number)).did().clone();
        Member { participant: node.clone(), node, authorisation: None, presentation: cid("p") }
    }

    fn epoch(recipients: &[Did], members: &[Member]) -> (Epoch, Vec<u8>) {
        let secret = ChainKey::new([5; 32]);
        Epoch::begin(&chain_of(1), 4, NOW, recipients, members, &secret).expect("an epoch")
    }

    #[test]
    fn every_member_takes_the_key_and_nobody_else() {
        let (epoch, bytes) = epoch(&[], &[member(3), member(2)]);
        let read = Epoch::parse(&bytes).expect("it reads");
        assert_eq!(read.id(), epoch.id());
        for number in [2, 3] {
            let node = did_of(&key(number));
            let handed = read.take(node.did(), &key(number)).expect("opens");
            assert_eq!((handed.first, handed.from), (4, 4));
            assert_eq!(handed.key, ChainKey::new([5; 32]));
            assert_eq!(handed.epoch.as_ref(), Some(epoch.id()));
        }
        let stranger = did_of(&key(9));
        assert!(read.take(stranger.did(), &key(9)).is_err());
        assert!(read.take(&member(2).node, &key(9)).is_err(), "with another's key");
    }

    #[test]
    fn the_sender_itself_takes_the_key_even_where_nobody_else_may() {
        let (epoch, bytes) = epoch(&[], &[]);
        assert!(epoch.take(did_of(&key(1)).did(), &key(1)).is_ok());
        assert!(epoch.take(did_of(&key(2)).did(), &key(2)).is_err());
        assert_eq!(Epoch::parse(&bytes).expect("it reads").members(), []);
    }

    #[test]
    fn it_is_of_its_sender_recipients_and_messages_alone() {
        let to = vec![member(2).participant, member(3).participant];
        let (epoch, _) = epoch(&to, &[member(2)]);
        let of = |bend: fn(&mut Header)| {
            let mut header = header(&key(1));
            header.sequence = 4;
            header.recipients = vec![did_of(&key(3)).did().clone(), did_of(&key(2)).did().clone()];
            bend(&mut header);
            epoch.check(&header).is_ok()
        };
        assert!(of(|_| ()));
        assert!(of(|h| h.recipients.reverse()), "in any order");
        assert!(of(|h| h.sequence = 5));
        assert!(!of(|h| h.sequence = 3), "before it began");
        assert!(!of(|h| h.sequence = 4 + super::super::MAX_STEPS));
        assert!(!of(|h| h.recipients.clear()));
        assert!(!of(|h| h.channel = cid("another")));
        assert!(!of(|h| h.sender = did_of(&key(7)).did().clone()));
        assert!(!of(|h| h.key = did_of(&key(7))));
    }

    #[test]
    fn refuses_what_contradicts_itself() {
        let (_, bytes) = epoch(&[], &[member(2), member(3)]);
        let text = String::from_utf8(bytes).expect("text");
        let refused = |from: &str, to: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(Epoch::parse(changed.as_bytes()).is_err(), "{from} -> {to}");
        };
        refused("\"first\":4", "\"first\":0");
        refused("GridpassEpoch", "GridpassPeriod");
        refused("\"formatVersion\":1", "\"formatVersion\":2");
        refused("{\"begun\"", "{ \"begun\"");
        refused("\"first\":4", "\"first\":4,\"recipients\":[]");
        // A member who is not handed the key, and a key for somebody who is no member.
        let value: Value = serde_json::from_str(&text).expect("JSON");
        for at in [0, 1] {
            let mut fewer = value.clone();
            fewer["members"].as_array_mut().expect("a list").remove(at);
            let bytes = json::canonicalize(&fewer).expect("bytes");
            assert!(Epoch::parse(&bytes).is_err(), "somebody else is handed the key");
        }
        let mut more = value.clone();
        more["recipients"] = serde_json::json!([member(2).participant]);
        let bytes = json::canonicalize(&more).expect("bytes");
        assert!(Epoch::parse(&bytes).is_err(), "a member is no recipient");
        // Somebody's node without its authorisation, and a participant that needs none.
        let secret = ChainKey::new([5; 32]);
        for bent in [
            Member { participant: member(4).participant, ..member(2) },
            Member { authorisation: Some(cid("authorisation")), ..member(2) },
        ] {
            assert!(Epoch::begin(&chain_of(1), 4, NOW, &[], &[bent], &secret).is_err());
        }
        let twice = [member(2), member(2)];
        assert!(Epoch::begin(&chain_of(1), 4, NOW, &[], &twice, &secret).is_err());
        let many = vec![member(2); MAX_MEMBERS + 1];
        let found = Epoch::begin(&chain_of(1), 4, NOW, &[], &many, &secret);
        assert_eq!(found.map(|_| ()), Err(EpochError::TooMany(MAX_MEMBERS + 1)));
    }

    proptest! {
        #[test]
        fn bytes_from_outside_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Epoch::parse(&bytes);
        }
    }
}
