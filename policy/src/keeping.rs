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
    /// There is no such channel.
    #[error("there is no channel {0:?} here")]
    NotFound(String),
    /// Several owners have a channel of this name.
    #[error("there are channels named {0:?} of several owners or frameworks: name one by its CID")]
    Ambiguous(String),
}

impl KeepChannelError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Wallet(e) => e.code(),
            Self::Channel(e) => e.code(),
            Self::NotFound(_) | Self::Ambiguous(_) => credential_codes::NOT_KEPT,
        }
    }
}

/// Keeps a descriptor with its signatures, beside those of the copy that is kept already.
///
/// # Errors
/// [`KeepChannelError::Wallet`]; [`KeepChannelError::Channel`] never: the two have one name.
pub fn keep(
    wallet: &mut Wallet,
    channel: &SignedChannel,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepChannelError> {
    // An older copy, or one without signatures, takes away none.
    let mut channel = channel.clone();
    let known = wallet.list(CHANNELS)?.into_iter().find(|r| r.name == channel.id().as_str());
    if let Some(known) = known
        && let Ok(known) = SignedChannel::parse(known.value.expose_secret())
    {
        channel.merge(&known)?;
    }
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
/// [`KeepChannelError::NotFound`], [`KeepChannelError::Ambiguous`].
pub fn channel(wallet: &Wallet, name: &str) -> Result<SignedChannel, KeepChannelError> {
    find(&channels(wallet)?, name).cloned()
}

/// The descriptor that this one names as its predecessor, where it is kept.
///
/// # Errors
/// [`KeepChannelError`].
pub fn predecessor(
    wallet: &Wallet,
    channel: &SignedChannel,
) -> Result<Option<SignedChannel>, KeepChannelError> {
    let Some(previous) = &channel.descriptor().previous else { return Ok(None) };
    Ok(channels(wallet)?.into_iter().find(|c| c.id() == previous))
}

/// One of these channels, by CID, or the newest version of a name.
///
/// # Errors
/// [`KeepChannelError::NotFound`], [`KeepChannelError::Ambiguous`].
pub fn find<'c>(
    all: impl IntoIterator<Item = &'c SignedChannel>,
    name: &str,
) -> Result<&'c SignedChannel, KeepChannelError> {
    let shown = || name.chars().take(80).collect();
    let mut named = Vec::new();
    for channel in all {
        if channel.id().as_str() == name {
            return Ok(channel);
        }
        if channel.descriptor().name.as_str() == name {
            named.push(channel);
        }
    }
    let newest = named.iter().max_by_key(|c| c.descriptor().version);
    let newest = *newest.ok_or_else(|| KeepChannelError::NotFound(shown()))?;
    let whose =
        |c: &SignedChannel| (c.descriptor().owner.clone(), c.descriptor().framework.clone());
    if named.iter().any(|c| whose(c) != whose(newest)) {
        return Err(KeepChannelError::Ambiguous(shown()));
    }
    Ok(newest)
}
