//! What can be wrong with a log.

use crate::code::Code;
use crate::codes;

/// Why a log was refused, or not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebvhError {
    /// A rule of did:webvh 1.0 is broken.
    #[error("did:webvh log entry {entry}: {reason}")]
    Entry {
        /// Which entry, from 1; 0 for the log as a whole.
        entry: usize,
        /// The rule.
        reason: String,
    },
    /// Too few witnesses approved.
    #[error("did:webvh log entry {entry}: {found} of {threshold} witnesses approved it")]
    Witness {
        /// Which entry, from 1.
        entry: usize,
        /// How many approved.
        found: usize,
        /// How many must.
        threshold: usize,
    },
    /// What was seen before is not the beginning of what is seen now.
    #[error("the did:webvh log was rewritten: it differs from the one seen before at entry {0}")]
    Rewritten(usize),
    /// What is seen now is how the log began that was seen before.
    #[error(
        "the did:webvh log is an older state of the one seen before: it has {found} of its {known} entries"
    )]
    Older {
        /// How many entries it has.
        found: usize,
        /// How many the one has that is known.
        known: usize,
    },
    /// A change would make a log that must be refused.
    #[error("this change cannot be made: {0}")]
    Refused(String),
}

impl WebvhError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Entry { .. } | Self::Rewritten(_) | Self::Older { .. } => {
                codes::WEBVH_LOG_INVALID
            }
            Self::Witness { .. } => codes::WEBVH_WITNESS_MISSING,
            Self::Refused(_) => codes::WEBVH_ENTRY_REFUSED,
        }
    }

    pub(super) fn entry(entry: usize, reason: impl Into<String>) -> Self {
        Self::Entry { entry, reason: reason.into() }
    }
}
