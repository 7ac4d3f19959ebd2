//! What stands in the index's rows.

use crate::checking::{Chain, Link};
use crate::envelope::Envelope;
use crate::log::Place;
use crate::store::entry::Kept;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::{Did, DidUrl};
use serde::{Deserialize, Serialize};

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64)", into = "(u64, u64, u64)")]
pub(in crate::store) struct Spot {
    pub(in crate::store) number: u64,
    segment: u64,
    offset: u64,
}

impl From<(u64, u64, u64)> for Spot {
    fn from((number, segment, offset): (u64, u64, u64)) -> Self {
        Self { number, segment, offset }
    }
}

impl From<Spot> for (u64, u64, u64) {
    fn from(Spot { number, segment, offset }: Spot) -> Self {
        (number, segment, offset)
    }
}

impl Spot {
    pub(in crate::store) fn new(number: u64, place: Place) -> Self {
        Self { number, segment: place.segment, offset: place.offset }
    }

    pub(in crate::store) fn place(self) -> Place {
        Place { segment: self.segment, offset: self.offset }
    }
}

/// What is known of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub chain: Chain,
    /// The greatest number.
    pub newest: u64,
    /// All from 1 to this one are known.
    pub whole: u64,
}

/// An envelope, as far as the index keeps it.
#[derive(Clone, Debug)]
pub(in crate::store) struct Located {
    pub(in crate::store) chain: Chain,
    pub(in crate::store) sequence: u64,
    pub(in crate::store) link: Link,
    pub(in crate::store) deliver: bool,
    pub(in crate::store) allowed: bool,
    pub(in crate::store) caught_up: bool,
}

impl Located {
    pub(in crate::store) fn of(envelope: &Envelope, kept: &Kept) -> Self {
        let header = envelope.header();
        Self {
            chain: Chain::of(header),
            sequence: header.sequence,
            link: Link {
                id: envelope.id().clone(),
                previous: header.previous.clone(),
                issued: header.issued,
            },
            deliver: kept.deliver,
            allowed: kept.allowed,
            caught_up: kept.caught_up,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct HeadRow {
    pub(super) channel: ContentId,
    pub(super) sender: Did,
    pub(super) key: String,
    pub(super) newest: u64,
    pub(super) whole: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct EpochRow {
    pub(super) first: u64,
    /// The record that it stands in.
    pub(super) number: u64,
}

/// How far a chain is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) newest: u64,
    pub(super) whole: u64,
}

/// What the index says that it is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) version: u32,
    /// Every record up to this number is in it.
    pub(super) applied: u64,
    /// How many records that is.
    pub(super) records: u64,
    /// The log that it is made from.
    pub(super) log: String,
}

/// The message that was sent under a reference.
#[derive(Serialize, Deserialize)]
pub(super) struct SentRow {
    pub(super) envelope: EnvelopeId,
    pub(super) sequence: u64,
}

pub(super) const VERSION: u32 = 5;
pub(super) const META: &[u8] = b"m";

pub(super) fn to_head(row: HeadRow) -> Option<Head> {
    let key = DidUrl::parse(&row.key).ok()?;
    let chain = Chain { channel: row.channel, sender: row.sender, key };
    Some(Head { chain, newest: row.newest, whole: row.whole })
}
