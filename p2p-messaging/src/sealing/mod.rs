//! Sealed channels: who is handed which keys, and how payloads are sealed with them. Nothing here
//! reads a clock, randomness, a network or a disk. The formats stand in `spec/sealing.md`.
//!
//! ```text
//! sender:  Circle (who may read) -> Epoch (a document: members, their key in a JWE) -> sealed payloads
//! reader:  Epoch, or Grant (keys for one node) -> Ring (the keys that it has) -> payloads
//! ```
//!
//! A sender has one epoch at a time for each set of recipients. Its chain key moves on with every
//! message, one way, so that somebody can be handed what is said from a message on, and nothing
//! before it. When somebody's right to read ends, the next message begins another epoch.

/// The longest that an epoch lasts, in milliseconds: 7 days.
pub const MAX_EPOCH_MILLIS: u64 = 7 * 24 * 3600 * 1000;

/// How often at least a node says that it may read, in milliseconds.
pub const SELDOM_MILLIS: u64 = 5 * 60 * 1000;

pub mod allowance;
mod circle;
mod epoch;
mod grant;
mod outline;
mod payload;
mod ratchet;
mod ring;
mod sending;
mod statement;

pub use circle::{AsOf, Circle, Member, Standing};
pub use epoch::{Epoch, EpochError, FORMAT_VERSION, MAX_EPOCH, MAX_MEMBERS, TYPE};
pub use grant::{Grant, GrantError, HandedKey, MAX_GRANTED};
pub use outline::{Outline, leaves_out};
pub use payload::{OVERHEAD, Place, SealedPayload, padded};
pub use ratchet::{ChainKey, MAX_STEPS, MessageKey};
pub use ring::{Opening, Ring};
pub use sending::{Beginning, InEpoch, Terms};
pub use statement::{
    MAX_LACKS, MAX_STATEMENT, Membership, SignedStatement, Statement, StatementError,
};

use crate::codes;
use gridpass_identity::code::Code;

/// Why something was not sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealingError {
    /// The bytes are no sealed payload.
    #[error("not a sealed payload: {0}")]
    Malformed(String),
    /// It does not open with the key of its place.
    #[error("it was changed, or sealed with another key")]
    Broken,
    /// It is further from the beginning of its epoch than any epoch reaches.
    #[error("it is outside of its epoch")]
    Outside,
}

impl SealingError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::SEALING_MALFORMED,
            Self::Broken => codes::SEALING_BROKEN,
            Self::Outside => codes::SEALING_EPOCH,
        }
    }
}

#[cfg(test)]
mod vector_tests;
