//! Channels in the wallet.

use crate::channel::{ChannelError, SignedChannel};
use gridpass_credentials::codes as credential_codes;
use gridpass_identity::code::Code;
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;

const CHANNELS: &str = "channel";

/// Why a channel was not kept or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepChannelError {
    /// The wallet failed.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// A descriptor cannot be read.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// There is no such channel in the wallet.
    #[error("the wallet has no channel {0:?}")]
    NotFound(String),
}

impl KeepChannelError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Wallet(e) => e.code(),
            Self::Channel(e) => e.code(),
            Self::NotFound(_) => credential_codes::NOT_KEPT,
        }
    }
}

/// Keeps a descriptor with its signatures.
///
/// # Errors
/// [`KeepChannelError::Wallet`].
pub fn keep(
    wallet: &mut Wallet,
    channel: &SignedChannel,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepChannelError> {
    let mut changes = Changes::default();
    changes.put(CHANNELS, channel.id().as_str(), channel.to_json().to_string().into_bytes());
    Ok(wallet.apply(changes, rng)?)
}

/// Every channel that is kept, by name and version.
///
/// # Errors
/// [`KeepChannelError`].
pub fn channels(wallet: &Wallet) -> Result<Vec<SignedChannel>, KeepChannelError> {
    let mut all = Vec::new();
    for record in wallet.list(CHANNELS)? {
        all.push(SignedChannel::parse(record.value.expose_secret())?);
    }
    all.sort_by(|a, b| {
        let key = |c: &SignedChannel| (c.descriptor().name.clone(), c.descriptor().version);
        key(a).cmp(&key(b))
    });
    Ok(all)
}

/// A channel that is kept, by CID, or the newest version of a name.
///
/// # Errors
/// [`KeepChannelError::NotFound`].
pub fn channel(wallet: &Wallet, name: &str) -> Result<SignedChannel, KeepChannelError> {
    channels(wallet)?
        .into_iter()
        .rfind(|c| c.id().as_str() == name || c.descriptor().name.as_str() == name)
        .ok_or_else(|| KeepChannelError::NotFound(name.chars().take(80).collect()))
}
