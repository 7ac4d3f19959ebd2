//! Bitswap's messages: protobuf, bounded, read strictly where it matters (what a block is called is
//! computed from its bytes) and leniently where others may say more than we know.
//!
//! ```text
//! wantlist: which blocks somebody wants, or wants to know whether we have
//! payload:  blocks, each with the beginning of its CID
//! presences: have, do not have
//! ```
//!
//! <https://specs.ipfs.tech/bitswap-protocol/>, protocols 1.1.0 (blocks with a prefix) and 1.2.0
//! (have, do not have). Blocks as 1.0.0 had them, without a prefix, are not written and not read.

use ipld_core::cid::{Cid, Version, multihash::Multihash};
use prost::Message as _;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use sha2::{Digest as _, Sha256};

/// The longest message, in bytes, without the length before it: what others take.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;
/// The largest block, in bytes: what others take.
pub const MAX_BLOCK: usize = 2 * 1024 * 1024;
/// The most wants, and the most presences, and the most blocks, in one message.
pub const MAX_ENTRIES: usize = 1024;
/// The most that the parts of a message take beside its blocks' bytes: for counting, when one is made.
const PART: usize = 64;
/// sha2-256 among the multihashes.
const SHA2_256: u64 = 0x12;

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a bitswap message: {0}")]
pub struct BitswapError(String);

fn malformed<E: std::fmt::Display>(e: E) -> BitswapError {
    BitswapError(e.to_string())
}

/// What somebody wants of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The block.
    Block,
    /// To know whether it is here.
    Have,
    /// Nothing any more.
    Nothing,
}

/// One want.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The block.
    pub cid: Cid,
    /// What is wanted of it.
    pub wanted: Wanted,
    /// Whether an answer is wanted also where it is not here.
    pub send_dont_have: bool,
}

/// A block whose name was computed from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its name.
    pub cid: Cid,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Block {
    /// Names bytes with a codec, as CIDv1 with sha2-256.
    ///
    /// # Errors
    /// [`BitswapError`] for bytes that are longer than any block.
    pub fn new(codec: u64, data: Vec<u8>) -> Result<Self, BitswapError> {
        if data.len() > MAX_BLOCK {
            return Err(BitswapError("the block is longer than 2 MiB".into()));
        }
        let cid = Cid::new_v1(codec, hash(&data)?);
        Ok(Self { cid, data })
    }
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whether `wants` is all that is wanted, and what was wanted before is not.
    pub full: bool,
    /// What is wanted.
    pub wants: Vec<Want>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// Which blocks are here, and which are not.
    pub presences: Vec<(Cid, bool)>,
}

mod raw {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Message {
        #[prost(message, optional, tag = "1")]
        pub wantlist: Option<Wantlist>,
        #[prost(message, repeated, tag = "3")]
        pub payload: Vec<Block>,
        #[prost(message, repeated, tag = "4")]
        pub presences: Vec<Presence>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Wantlist {
        #[prost(message, repeated, tag = "1")]
        pub entries: Vec<Entry>,
        #[prost(bool, tag = "2")]
        pub full: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Entry {
        #[prost(bytes = "vec", tag = "1")]
        pub block: Vec<u8>,
        #[prost(int32, tag = "2")]
        pub priority: i32,
        #[prost(bool, tag = "3")]
        pub cancel: bool,
        #[prost(int32, tag = "4")]
        pub want_type: i32,
        #[prost(bool, tag = "5")]
        pub send_dont_have: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Block {
        #[prost(bytes = "vec", tag = "1")]
        pub prefix: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")]
        pub data: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Presence {
        #[prost(bytes = "vec", tag = "1")]
        pub cid: Vec<u8>,
        #[prost(int32, tag = "2")]
        pub kind: i32,
    }
}

impl Message {
    /// About how long it is as it travels, and never less.
    #[must_use]
    pub fn weight(&self) -> usize {
        let parts = [self.wants.len(), self.presences.len(), self.blocks.len()];
        let parts = parts.iter().fold(PART, |sum, n| sum.saturating_add(n.saturating_mul(PART)));
        self.blocks.iter().fold(parts, |sum, b| sum.saturating_add(b.data.len()))
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.full && self.wants.is_empty() && self.blocks.is_empty() && self.presences.is_empty()
    }

    /// As it travels, without the length before it.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        let entry = |want: &Want| raw::Entry {
            block: want.cid.to_bytes(),
            priority: 1,
            cancel: want.wanted == Wanted::Nothing,
            want_type: i32::from(want.wanted == Wanted::Have),
            send_dont_have: want.send_dont_have,
        };
        let wantlist = (self.full || !self.wants.is_empty()).then(|| raw::Wantlist {
            entries: self.wants.iter().map(entry).collect(),
            full: self.full,
        });
        let block = |block: Block| raw::Block { prefix: prefix(&block.cid), data: block.data };
        let presence = |(cid, here): &(Cid, bool)| raw::Presence {
            cid: cid.to_bytes(),
            kind: i32::from(!here),
        };
        raw::Message {
            wantlist,
            payload: self.blocks.into_iter().map(block).collect(),
            presences: self.presences.iter().map(presence).collect(),
        }
        .encode_to_vec()
    }

    /// Reads one. What is named by another hash than sha2-256 is left out: nothing here
    /// is.
    ///
    /// # Errors
    /// [`BitswapError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BitswapError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(BitswapError("it is longer than 4 MiB".into()));
        }
        count(bytes)?;
        let read = raw::Message::decode(bytes).map_err(malformed)?;
        let wantlist = read.wantlist.unwrap_or_default();
        let mut message = Self { full: wantlist.full, ..Self::default() };
        for entry in wantlist.entries {
            let Some(cid) = read_cid(&entry.block) else { continue };
            let wanted = match (entry.cancel, entry.want_type) {
                (true, _) => Wanted::Nothing,
                (false, 0) => Wanted::Block,
                (false, 1) => Wanted::Have,
                // A kind of want that is not known here.
                (false, _) => continue,
            };
            message.wants.push(Want { cid, wanted, send_dont_have: entry.send_dont_have });
        }
        for block in read.payload {
            if let Some(cid) = named(&block.prefix, &block.data)? {
                message.blocks.push(Block { cid, data: block.data });
            }
        }
        for presence in read.presences {
            if let Some(cid) = read_cid(&presence.cid) {
                message.presences.push((cid, presence.kind == 0));
            }
        }
        Ok(message)
    }
}

/// Counts what a message has of each before room is made for it: two bytes can stand for an entry
/// that takes fifty.
fn count(bytes: &[u8]) -> Result<(), BitswapError> {
    fn fields(
        mut bytes: &[u8],
        mut each: impl FnMut(u32, &[u8]) -> Result<(), BitswapError>,
    ) -> Result<(), BitswapError> {
        let mut most = MAX_ENTRIES.saturating_mul(4);
        while bytes.has_remaining() {
            most =
                most.checked_sub(1).ok_or_else(|| BitswapError("it has too many parts".into()))?;
            let (tag, wire) = decode_key(&mut bytes).map_err(malformed)?;
            if wire == WireType::LengthDelimited {
                let length = decode_varint(&mut bytes).map_err(malformed)?;
                let length = usize::try_from(length).map_err(malformed)?;
                let (part, rest) = bytes
                    .split_at_checked(length)
                    .ok_or_else(|| BitswapError("it ends too early".into()))?;
                each(tag, part)?;
                bytes = rest;
            } else {
                skip_field(wire, tag, &mut bytes, DecodeContext::default()).map_err(malformed)?;
            }
        }
        Ok(())
    }
    let (mut wants, mut blocks, mut presences) = (0_usize, 0_usize, 0_usize);
    fields(bytes, |tag, part| {
        match tag {
            1 => fields(part, |tag, _| {
                wants = wants.saturating_add(usize::from(tag == 1));
                Ok(())
            })?,
            3 => blocks = blocks.saturating_add(1),
            4 => presences = presences.saturating_add(1),
            _ => {}
        }
        Ok(())
    })?;
    if [wants, blocks, presences].iter().any(|n| *n > MAX_ENTRIES) {
        return Err(BitswapError("it has more than 1024 wants, blocks or presences".into()));
    }
    Ok(())
}

/// A CID that is named as everything here is; nothing for another.
fn read_cid(bytes: &[u8]) -> Option<Cid> {
    let cid = Cid::try_from(bytes).ok().filter(|c| c.to_bytes() == bytes)?;
    digest_of(&cid).map(|_| cid)
}

/// The sha2-256 that a CID names bytes by; nothing for one that names them otherwise.
#[must_use]
pub fn digest_of(cid: &Cid) -> Option<[u8; 32]> {
    let hash = Some(cid.hash()).filter(|h| h.code() == SHA2_256)?;
    hash.digest().try_into().ok()
}

fn hash(data: &[u8]) -> Result<Multihash<64>, BitswapError> {
    Multihash::wrap(SHA2_256, &Sha256::digest(data)).map_err(malformed)
}

/// The beginning of a CID, up to its hash's bytes: version, codec, hash function, length.
fn prefix(cid: &Cid) -> Vec<u8> {
    let (version, codec) = match cid.version() {
        Version::V0 => (0, 0x70),
        Version::V1 => (1, cid.codec()),
    };
    let mut bytes = Vec::new();
    for number in [version, codec, cid.hash().code(), u64::from(cid.hash().size())] {
        prost::encoding::encode_varint(number, &mut bytes);
    }
    bytes
}

/// The name of a block, by the prefix that it came with; nothing where it is hashed otherwise.
fn named(mut prefix: &[u8], data: &[u8]) -> Result<Option<Cid>, BitswapError> {
    let mut number = || decode_varint(&mut prefix).map_err(malformed);
    let (version, codec, code, size) = (number()?, number()?, number()?, number()?);
    if !prefix.is_empty() || data.len() > MAX_BLOCK {
        return Err(BitswapError("a block's prefix is none, or it is longer than 2 MiB".into()));
    }
    if (code, size) != (SHA2_256, 32) {
        return Ok(None);
    }
    match version {
        0 => Cid::new_v0(hash(data)?).map(Some).map_err(malformed),
        1 => Ok(Some(Cid::new_v1(codec, hash(data)?))),
        _ => Err(BitswapError("a block's prefix is of an unknown version".into())),
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
