//! The messages and their encoding: DAG-CBOR, bounded in bytes and in counts.

use crate::checking::Chain;
use crate::codes;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// The protocol's name, with its version: a peer that knows another one is answered by libp2p.
pub const PROTOCOL: &str = "/gridpass/sync/1";
/// The longest request, in bytes.
pub const MAX_REQUEST: usize = 512 * 1024;
/// The most bytes of content in one response.
pub const MAX_PAGE: usize = 1024 * 1024;
/// The longest response: a page, or one envelope that is longer, and what stands around it.
pub const MAX_RESPONSE: usize = crate::envelope::MAX_WIRE + MAX_PAGE;
/// The most channels in one hello.
pub const MAX_VISITS: usize = 256;
/// The most heads in one message.
pub const MAX_HEADS: usize = 1024;
/// The most receipts in one request.
pub const MAX_RECEIPTS: usize = 256;
/// The longest authorisation, in bytes.
pub const MAX_AUTHORISATION: usize = 64 * 1024;

/// The bytes are none of these messages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message of {PROTOCOL}: {0}")]
pub struct WireError(pub(super) String);

impl WireError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        codes::SYNC_MALFORMED
    }
}

/// A channel that a peer wants to read, and the presentation by which it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The participant's presentation for it.
    pub presentation: ContentId,
}

/// Who a peer is. Its peer id is its node's key, which the connection has proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The program and its version, for people.
    pub agent: String,
    /// The participant that it acts for.
    pub participant: Did,
    /// The participant's authorisation of the node; absent where the participant is the node.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<ByteBuf>,
    /// What it wants to read.
    pub visits: Vec<Visit>,
    /// The newest charter that it knows.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub charter: Option<CharterHead>,
}

/// How far somebody knows a trust framework.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharterHead {
    /// The framework: its first charter.
    pub framework: ContentId,
    /// The version of the newest charter.
    pub version: u64,
}

/// How far somebody knows a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainHead {
    /// The sender.
    pub sender: Did,
    /// The key that signs.
    pub key: String,
    /// All from 1 to this one are known.
    pub whole: u64,
    /// The greatest number of which the message is given to the asker.
    pub newest: u64,
    /// The message with that number: who names it gives it.
    pub message: EnvelopeId,
    /// Whether two of the chain are here that contradict each other: they are given as `proof`.
    #[serde(default, deserialize_with = "if_true", skip_serializing_if = "std::ops::Not::not")]
    pub contradicted: bool,
}

impl ChainHead {
    /// The chain.
    ///
    /// # Errors
    /// [`WireError`] for a key that is no DID URL.
    pub fn chain(&self, channel: &ContentId) -> Result<Chain, WireError> {
        let key = DidUrl::parse(&self.key).map_err(|e| WireError(e.to_string()))?;
        Ok(Chain { channel: channel.clone(), sender: self.sender.clone(), key })
    }
}

/// Which state of a status list somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListHead {
    /// The list's id.
    pub list: String,
    /// Who signs it.
    pub signer: Did,
    /// Its version; 0 for a list without one.
    pub version: u64,
    /// Its date.
    pub dated: UnixMillis,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// This is who I am: who are you?
    Hello(Hello),
    /// A document by its name.
    Document(ContentId),
    /// How far chains of a channel are known, after one of them.
    Heads {
        /// The channel.
        channel: ContentId,
        /// The sender and key of the last one that was given.
        #[serde(
            default,
            deserialize_with = "json::present",
            skip_serializing_if = "Option::is_none"
        )]
        after: Option<(Did, String)>,
    },
    /// Envelopes of a chain.
    Range {
        /// The channel.
        channel: ContentId,
        /// The sender.
        sender: Did,
        /// The key.
        key: String,
        /// From this number on.
        from: u64,
        /// Up to this one.
        until: u64,
    },
    /// Status lists that are newer than these, among those after one.
    Lists {
        /// The states that are known, in the order of list and signer.
        known: Vec<ListHead>,
        /// Up to which list and signer it is known what the other has.
        #[serde(
            default,
            deserialize_with = "json::present",
            skip_serializing_if = "Option::is_none"
        )]
        after: Option<(String, Did)>,
        /// Up to where `known` is all that is known; to the end, if absent.
        #[serde(
            default,
            deserialize_with = "json::present",
            skip_serializing_if = "Option::is_none"
        )]
        until: Option<(String, Did)>,
    },
    /// The two messages of a chain that contradict each other.
    Proof {
        /// The channel.
        channel: ContentId,
        /// The sender.
        sender: Did,
        /// The key.
        key: String,
    },
    /// What proves a DID: its did:webvh log.
    Identity(Did),
    /// The trust pack of a framework.
    Charter(ContentId),
    /// Receipts for what the other sent.
    Receipts(Vec<ByteBuf>),
    /// Not all that was to be handed to the other by gossip could be: it compares heads soon.
    Behind,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Response {
    /// This is who I am.
    Hello(Hello),
    /// The document.
    Document(ByteBuf),
    /// It is not here.
    NotHere,
    /// Heads, in the order of sender and key, and whether there are more.
    Heads {
        /// The heads.
        heads: Vec<ChainHead>,
        /// Whether more follow.
        more: bool,
    },
    /// Envelopes as they travel, in order.
    Range(Vec<ByteBuf>),
    /// Status lists, as they were signed, in the order of list and signer.
    Lists {
        /// The lists.
        lists: Vec<ByteBuf>,
        /// Up to where these are all, if there may be more.
        #[serde(
            default,
            deserialize_with = "json::present",
            skip_serializing_if = "Option::is_none"
        )]
        next: Option<(String, Did)>,
    },
    /// They were kept; or it was heard.
    Taken,
    /// It may not be answered: the reason's code.
    Refused(String),
}

fn encode<T: Serialize>(message: &T, most: usize) -> Result<Vec<u8>, WireError> {
    let bytes = serde_ipld_dagcbor::to_vec(message).map_err(|e| WireError(e.to_string()))?;
    if bytes.len() > most {
        return Err(WireError(format!("it has {} bytes, and {most} are allowed", bytes.len())));
    }
    Ok(bytes)
}

/// Reads a message, of which `alone` says whether it is a text alone.
fn decode<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    most: usize,
    alone: impl Fn(&T) -> bool,
) -> Result<T, WireError> {
    if bytes.len() > most {
        return Err(WireError(format!("it has more than {most} bytes")));
    }
    let read = serde_ipld_dagcbor::from_slice(bytes).map_err(|e| WireError(e.to_string()))?;
    // The parser takes a text and a value behind it for a map of one member, and such a map without its value
    // for the text.
    let is_text = bytes.first().is_some_and(|first| first >> 5 == 3);
    if is_text != alone(&read) {
        return Err(WireError("it is no map of one member, or one that has no value".into()));
    }
    Ok(read)
}

/// For a member that is true or absent.
fn if_true<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    if bool::deserialize(deserializer)? {
        return Ok(true);
    }
    Err(serde::de::Error::custom("it is true, or left out"))
}

impl Hello {
    fn check(&self) -> Result<(), WireError> {
        let refuse = |why: &str| Err(WireError(why.to_owned()));
        if self.agent.len() > 128 || self.agent.contains(char::is_control) {
            return refuse("its agent is too long, or has control characters");
        }
        if self.visits.len() > MAX_VISITS {
            return refuse("it visits more than 256 channels");
        }
        if self.authorisation.as_ref().is_some_and(|a| a.len() > MAX_AUTHORISATION) {
            return refuse("its authorisation is longer than 64 KiB");
        }
        Ok(())
    }
}

impl Request {
    /// As it travels.
    ///
    /// # Errors
    /// [`WireError`] for one that nobody would read.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.check()?;
        encode(self, MAX_REQUEST)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let alone = |read: &Self| matches!(read, Self::Behind);
        let request = decode(bytes, MAX_REQUEST, alone)?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Hello(hello) => hello.check(),
            Self::Range { from, until, key, .. } => {
                if *from == 0 || from > until || key.len() > 2048 {
                    return Err(WireError("its range is empty, or its key too long".into()));
                }
                Ok(())
            }
            Self::Proof { key, .. } if key.len() > 2048 => {
                Err(WireError("its key is too long".into()))
            }
            Self::Lists { known, .. } if known.len() > MAX_HEADS => {
                Err(WireError("it has more than 1024 heads".into()))
            }
            Self::Receipts(all) if all.len() > MAX_RECEIPTS => {
                Err(WireError("it has more than 256 receipts".into()))
            }
            Self::Document(_)
            | Self::Heads { .. }
            | Self::Proof { .. }
            | Self::Lists { .. }
            | Self::Identity(_)
            | Self::Charter(_)
            | Self::Receipts(_)
            | Self::Behind => Ok(()),
        }
    }
}

impl Response {
    /// As it travels.
    ///
    /// # Errors
    /// [`WireError`] for one that nobody would read.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        self.check()?;
        encode(self, MAX_RESPONSE)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let alone = |read: &Self| matches!(read, Self::NotHere | Self::Taken);
        let response = decode(bytes, MAX_RESPONSE, alone)?;
        response.check()?;
        Ok(response)
    }

    fn check(&self) -> Result<(), WireError> {
        match self {
            Self::Hello(hello) => hello.check(),
            Self::Heads { heads, .. } if heads.len() > MAX_HEADS => {
                Err(WireError("it has more than 1024 heads".into()))
            }
            Self::Refused(code) if code.len() > 64 || !code.starts_with("GP-") => {
                Err(WireError("its reason is no code".into()))
            }
            _ => Ok(()),
        }
    }

    /// The answer to a question for heads, from all heads of the channel in order.
    #[must_use]
    pub fn heads(all: Vec<ChainHead>, after: Option<&(Did, String)>) -> Self {
        let order = |h: &ChainHead| (h.sender.clone(), h.key.clone());
        let mut all: Vec<_> =
            all.into_iter().filter(|h| after.is_none_or(|a| order(h) > *a)).collect();
        all.sort_by_key(order);
        let (found, mut bytes) = (all.len(), 0_usize);
        let mut fits = |h: &ChainHead| {
            bytes = bytes.saturating_add(h.sender.as_str().len()).saturating_add(h.key.len());
            bytes = bytes.saturating_add(160);
            bytes <= MAX_PAGE
        };
        let fitting = all.iter().take(MAX_HEADS).take_while(|h| fits(h)).count();
        all.truncate(fitting);
        let more = all.len() < found;
        Self::Heads { heads: all, more }
    }
}

/// What everybody in a framework is told by gossip, on the topic of the framework's first charter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Announcement {
    /// A status list, as it was signed.
    StatusList(ByteBuf),
    /// A trust pack with a newer charter.
    Charter(ByteBuf),
    /// The blocks of two envelopes that contradict each other.
    Fork(ByteBuf, ByteBuf),
    /// A role definition that somebody published: its CID. Whoever passes it on has it.
    Published(ContentId),
}

impl Announcement {
    /// As it travels.
    ///
    /// # Errors
    /// [`WireError`] for one that nobody would read.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        encode(self, crate::envelope::MAX_WIRE)
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode(bytes, crate::envelope::MAX_WIRE, |_| false)
    }
}

/// Up to a page of these, and at least one.
#[must_use]
pub fn page(all: impl IntoIterator<Item = Vec<u8>>) -> Vec<ByteBuf> {
    let (mut taken, mut bytes) = (Vec::new(), 0_usize);
    for one in all {
        bytes = bytes.saturating_add(one.len()).saturating_add(8);
        if bytes > MAX_PAGE && !taken.is_empty() {
            break;
        }
        taken.push(ByteBuf::from(one));
    }
    taken
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
