//! Channels in the wallet.

use crate::channel::{ChannelError, SignedChannel};
use crate::codes;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;

const CHANNELS: &str = "channel";
/// So many channels are named where one was meant.
const MOST_TOLD: usize = 20;

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
    #[error("there are channels named {name:?} of several owners or frameworks: {which}")]
    Ambiguous {
        /// The name.
        name: String,
        /// Which these are.
        which: String,
    },
    /// Several descriptors of this name are of its newest version.
    #[error("several descriptors are of the newest version of {name:?}: {which}")]
    Forked {
        /// The name.
        name: String,
        /// Which these are.
        which: String,
    },
}

impl KeepChannelError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Wallet(e) => e.code(),
            Self::Channel(e) => e.code(),
            Self::NotFound(_) => credential_codes::NOT_KEPT,
            Self::Ambiguous { .. } => codes::CHANNEL_AMBIGUOUS,
            Self::Forked { .. } => codes::CHANNEL_FORK,
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

/// Keeps a channel no more. What was given away of it stays what it is.
///
/// # Errors
/// [`KeepChannelError::Wallet`].
pub fn remove(
    wallet: &mut Wallet,
    channel: &ContentId,
    rng: &mut dyn CryptoRng,
) -> Result<(), KeepChannelError> {
    let mut changes = Changes::default();
    changes.remove(CHANNELS, channel.as_str());
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
/// [`KeepChannelError::NotFound`], [`KeepChannelError::Ambiguous`], [`KeepChannelError::Forked`].
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
/// [`KeepChannelError::NotFound`], [`KeepChannelError::Ambiguous`], [`KeepChannelError::Forked`].
pub fn find<'c>(
    all: impl IntoIterator<Item = &'c SignedChannel>,
    name: &str,
) -> Result<&'c SignedChannel, KeepChannelError> {
    newest(&named(all, name), name)
}

/// Those of these channels that a name means: the one with this CID, or all of the name.
#[must_use]
pub fn named<'c>(
    all: impl IntoIterator<Item = &'c SignedChannel>,
    name: &str,
) -> Vec<&'c SignedChannel> {
    let mut named = Vec::new();
    for channel in all {
        if channel.id().as_str() == name {
            return vec![channel];
        }
        if channel.descriptor().name.as_str() == name {
            named.push(channel);
        }
    }
    named
}

/// The newest version of channels that are all meant by a name.
///
/// # Errors
/// [`KeepChannelError::NotFound`] if there is none; [`KeepChannelError::Ambiguous`] of several owners;
/// [`KeepChannelError::Forked`] if there are several of the newest version, of which none comes before another.
pub fn newest<'c>(
    named: &[&'c SignedChannel],
    name: &str,
) -> Result<&'c SignedChannel, KeepChannelError> {
    let shown = || name.chars().take(80).collect::<String>();
    let version = |c: &SignedChannel| c.descriptor().version;
    let newest = named.iter().copied().max_by_key(|c| version(c));
    let newest = newest.ok_or_else(|| KeepChannelError::NotFound(shown()))?;
    if named.iter().any(|c| !is_of_one_owner(c, newest)) {
        return Err(KeepChannelError::Ambiguous { name: shown(), which: told(named) });
    }
    let same = named.iter().copied().filter(|c| version(c) == version(newest));
    let same: Vec<_> = same.collect();
    match same.as_slice() {
        [_, _, ..] => Err(KeepChannelError::Forked { name: shown(), which: told(&same) }),
        _ => Ok(newest),
    }
}

/// Of channels of several owners those of the owners of whom one is preferred; all, where none is.
#[must_use]
pub fn preferred<'c>(
    named: &[&'c SignedChannel],
    prefers: impl Fn(&SignedChannel) -> bool,
) -> Vec<&'c SignedChannel> {
    let chosen: Vec<_> = named.iter().copied().filter(|c| prefers(c)).collect();
    let is_chosen = |c: &&SignedChannel| {
        chosen.is_empty() || chosen.iter().any(|other| is_of_one_owner(c, other))
    };
    named.iter().copied().filter(is_chosen).collect()
}

/// Those of these channels that are of the same version of the same channel as this one, and another.
pub fn siblings<'c>(
    all: impl IntoIterator<Item = &'c SignedChannel>,
    channel: &SignedChannel,
) -> impl Iterator<Item = &'c SignedChannel> {
    let (ours, id) = (channel.descriptor(), channel.id());
    all.into_iter().filter(move |c| {
        let theirs = c.descriptor();
        let same = theirs.name == ours.name && theirs.version == ours.version;
        same && theirs.owner == ours.owner && theirs.framework == ours.framework && c.id() != id
    })
}

/// The versions of a channel that came before the one it names as its predecessor, as far as they are among
/// these, the newest first.
#[must_use]
pub fn further_back<'c>(
    all: &[&'c SignedChannel],
    channel: &SignedChannel,
) -> Vec<&'c SignedChannel> {
    let before = |c: &SignedChannel| {
        let named = c.descriptor().previous.clone()?;
        all.iter().copied().find(|other| other.id() == &named)
    };
    // Each is one version lower, as it is read: there is an end.
    let lower = |c: &&'c SignedChannel| {
        before(c).filter(|b| b.descriptor().version < c.descriptor().version)
    };
    let first = before(channel).filter(|b| b.descriptor().version < channel.descriptor().version);
    std::iter::successors(first, lower).skip(1).collect()
}

fn is_of_one_owner(one: &SignedChannel, other: &SignedChannel) -> bool {
    let (one, other) = (one.descriptor(), other.descriptor());
    one.owner == other.owner && one.framework == other.framework
}

/// Which they are, in a line: not more than somebody reads.
fn told(channels: &[&SignedChannel]) -> String {
    let of = |c: &&SignedChannel| {
        let descriptor = c.descriptor();
        format!("{} (version {} of {})", c.id(), descriptor.version, descriptor.owner)
    };
    let mut told = channels.iter().take(MOST_TOLD).map(of).collect::<Vec<_>>().join(", ");
    if channels.len() > MOST_TOLD {
        told.push_str(", and others");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ChannelDescriptor;
    use gridpass_identity::did::Did;
    use serde_json::Value;

    /// A channel of the published vectors, bent.
    fn bent(bend: impl FnOnce(&mut ChannelDescriptor)) -> SignedChannel {
        let vectors = include_str!("../../spec/vectors/decision.json");
        let vectors: Value = serde_json::from_str(vectors).expect("vectors");
        let text = vectors["cases"][0]["input"]["descriptor"].as_str().expect("a text");
        let mut descriptor: ChannelDescriptor = serde_json::from_str(text).expect("a descriptor");
        bend(&mut descriptor);
        SignedChannel::unsigned(descriptor).expect("a channel")
    }

    fn next(of: &SignedChannel, title: &str) -> SignedChannel {
        let mut next = of.descriptor().next(of.descriptor().dated).expect("a version");
        next.title = title.into();
        SignedChannel::unsigned(next).expect("a channel")
    }

    #[test]
    fn of_two_second_versions_none_is_the_newest_until_one_is_left_or_followed() {
        let first = bent(|_| ());
        let (one, other) = (next(&first, "one"), next(&first, "other"));
        let name = first.descriptor().name.as_str();
        assert_eq!(find([&first, &one], name).expect("one").id(), one.id());
        let forked = find([&first, &one, &other], name).expect_err("a fork");
        assert_eq!(forked.code(), codes::CHANNEL_FORK);
        for sibling in [&one, &other] {
            assert!(forked.to_string().contains(sibling.id().as_str()), "{forked}");
            let by_cid = find([&first, &one, &other], sibling.id().as_str());
            assert_eq!(by_cid.expect("by its CID").id(), sibling.id());
        }
        assert!(!forked.to_string().contains(first.id().as_str()), "{forked}");
        let third = next(&other, "third");
        let found = find([&first, &one, &other, &third], name).expect("it follows one of them");
        assert_eq!(found.id(), third.id());
        let all = [&first, &one, &other];
        assert_eq!(siblings(all, &one).map(SignedChannel::id).collect::<Vec<_>>(), [other.id()]);
        assert_eq!(siblings(all, &first).count(), 0);
        assert_eq!(siblings(all, &third).count(), 0);
    }

    #[test]
    fn a_topic_that_was_dropped_does_not_come_again_with_another_schema() {
        let first = bent(|_| ());
        let mut dropped = next(&first, "without it").descriptor().clone();
        let mut again = dropped.topics[0].clone();
        dropped.topics[0].name = "others".into();
        let dropped = SignedChannel::unsigned(dropped).expect("a channel");
        let with = |topic: &crate::topic::Topic| {
            let mut third = next(&dropped, "third").descriptor().clone();
            third.topics.push(topic.clone());
            SignedChannel::unsigned(third).expect("a channel")
        };
        let same = with(&again);
        again.versions[0].schema = first.descriptor().framework.clone();
        let other = with(&again);
        let all = [&first, &dropped];
        for (third, code) in
            [(&same, codes::CHANNEL_FOLLOWS), (&other, codes::CHANNEL_HISTORY_BROKEN)]
        {
            assert_eq!(third.check_follows(&dropped).code, codes::CHANNEL_FOLLOWS);
            let back = further_back(&all, third);
            assert_eq!(back.iter().map(|c| c.id()).collect::<Vec<_>>(), [first.id()]);
            assert_eq!(third.check_keeps_topics(back[0]).code, code);
        }
        assert!(further_back(&all, &dropped).is_empty());
    }

    #[test]
    fn of_several_owners_one_that_is_preferred_wins_with_all_its_versions() {
        let first = bent(|_| ());
        let second = next(&first, "second");
        let other = bent(|d| d.owner = Did::parse("did:example:other").expect("a DID"));
        let name = first.descriptor().name.as_str();
        let all = [&first, &second, &other];
        let ambiguous = find(all, name).expect_err("of two owners");
        assert_eq!(ambiguous.code(), codes::CHANNEL_AMBIGUOUS);
        assert!(ambiguous.to_string().contains(other.id().as_str()), "{ambiguous}");
        // Both owners have one that is preferred, or nobody has.
        for all_or_none in [true, false] {
            assert_eq!(preferred(&all, |_| all_or_none).len(), 3);
        }
        let of_first = preferred(&all, |c| c.id() == first.id());
        assert_eq!(newest(&of_first, name).expect("one owner").id(), second.id());
        let of_other = preferred(&all, |c| c.id() == other.id());
        assert_eq!(newest(&of_other, name).expect("one owner").id(), other.id());
    }
}
