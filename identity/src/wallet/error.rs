//! Why a wallet refuses or fails.

use super::store::StoreError;
use super::{header, identities, slot};
use crate::code::Code;
use crate::codes;
use crate::time::UnixMillis;

/// Why a wallet refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret opens none of the slots.
    #[error("the secret given does not open this wallet")]
    UnlockFailed,
    /// A record or the header does not authenticate.
    #[error("{0} does not authenticate: it was altered, moved, or is from another wallet")]
    Tampered(String),
    /// The store is empty: no wallet was made in it.
    #[error("no wallet was made in this store: it is empty")]
    Empty,
    /// A format version that this program does not know.
    #[error("the wallet's format version is {0}, and version {known} is known", known = header::VERSION)]
    Version(u32),
    /// Over a limit.
    #[error("over a limit of the wallet: {0}")]
    Limit(String),
    /// The passphrase is too short.
    #[error("a passphrase has at least {min} characters", min = slot::MIN_PASSPHRASE_CHARS)]
    WeakPassphrase,
    /// The words are not a recovery phrase.
    #[error("not a recovery phrase of 24 words")]
    Phrase,
    /// The slot's parameters are out of bounds.
    #[error("the key derivation of a slot is refused: {0}")]
    KdfRefused(&'static str),
    /// There is no such slot.
    #[error("the wallet has no slot {0}")]
    SlotNotFound(u32),
    /// The last way in stays.
    #[error("slot {0} is the only way into the wallet")]
    LastSlot(u32),
    /// The clock is earlier than what the wallet dated last.
    #[error("the clock shows {now}, and this wallet dated something {known} already")]
    ClockBehind {
        /// The newest date.
        known: UnixMillis,
        /// What the clock shows.
        now: UnixMillis,
    },
    /// Something about an identity.
    #[error(transparent)]
    Identity(#[from] identities::IdentityError),
    /// A defect in Gridpass.
    #[error("this should not happen: {0}")]
    Internal(&'static str),
}

impl WalletError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Store(e) => e.code(),
            Self::UnlockFailed => codes::WALLET_UNLOCK_FAILED,
            Self::Tampered(_) => codes::WALLET_TAMPERED,
            Self::Empty => codes::WALLET_EMPTY,
            Self::Version(_) => codes::WALLET_VERSION,
            Self::Limit(_) => codes::WALLET_LIMIT,
            Self::WeakPassphrase => codes::PASSPHRASE_WEAK,
            Self::Phrase => codes::PHRASE_MALFORMED,
            Self::KdfRefused(_) => codes::KDF_REFUSED,
            Self::SlotNotFound(_) => codes::WALLET_SLOT_NOT_FOUND,
            Self::LastSlot(_) => codes::WALLET_LAST_SLOT,
            Self::ClockBehind { .. } => codes::CLOCK_BEHIND,
            Self::Identity(e) => e.code(),
            Self::Internal(_) => codes::INTERNAL,
        }
    }
}
