//! Parting with a channel that the wallet keeps, and two descriptors of one version of it.

use super::args::{RemoveArgs, SignArgs};
use crate::context::{GlobalArgs, now, rng};
use crate::output::{Answer, Failure, Outcomes};
use crate::warnings::warn;
use gridpass_credentials::keeping;
use gridpass_identity::wallet::Wallet;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::keeping::{self as channels, KeepChannelError};
use serde_json::json;

pub fn remove(global: &GlobalArgs, args: &RemoveArgs) -> Outcomes {
    let mut wallet = global.wallet()?;
    let kept = channels::channels(&wallet)?;
    let named = channels::named(&kept, &args.channel);
    let found = match named.as_slice() {
        [] => {
            let name = args.channel.chars().take(80).collect();
            return Err(KeepChannelError::NotFound(name).into());
        }
        [only] => *only,
        // Not even the newest of them: which is to go, only its owner knows.
        _ => {
            let ids: Vec<_> = named.iter().map(|c| version(c)).collect();
            let message =
                format!("{} is kept in several versions: {}", args.channel, ids.join(", "));
            return Err(Failure::new(policy_codes::CHANNEL_AMBIGUOUS, message));
        }
    };
    let (id, descriptor) = (found.id().clone(), found.descriptor());
    let listed = keeping::pinned(&wallet, now())
        .is_ok_and(|t| t.charter().charter().channels.iter().any(|l| l.document == id));
    let mut text = format!(
        "Removed {} version {} from this wallet\n  CID    {id}\nWho was given it has it still: nodes leave \
         it with `gridpass node leave {id}`\n",
        descriptor.name, descriptor.version
    );
    if listed {
        text.push_str("The charter lists it: it counts there until the charter lists another\n");
    }
    let json = json!({
        "channel": id, "name": descriptor.name, "version": descriptor.version, "listed": listed,
    });
    channels::remove(&mut wallet, &id, &mut rng())?;
    Ok(Answer::new("gridpass.channel.remove/1", json, text))
}

/// A second descriptor of one version of a channel: with some peers the one would count, with others the other.
pub(super) fn refuse_a_fork(
    wallet: &Wallet,
    channel: &SignedChannel,
    args: &SignArgs,
) -> Result<(), Failure> {
    let kept = channels::channels(wallet)?;
    let others: Vec<_> = channels::siblings(&kept, channel).collect();
    let Some(first) = others.first() else { return Ok(()) };
    let descriptor = channel.descriptor();
    let ids: Vec<_> = others.iter().map(|c| c.id().to_string()).collect();
    let message = format!(
        "version {} of {} is signed already: {}",
        descriptor.version,
        descriptor.name,
        ids.join(", ")
    );
    if args.fork {
        warn(Some(policy_codes::CHANNEL_FORK), message);
        return Ok(());
    }
    let next = descriptor.version.saturating_add(1);
    Err(Failure::new(policy_codes::CHANNEL_FORK, message).next(format!(
        "If nobody was given that one: `gridpass channel remove {}`, and sign this one again. Else make this one \
         version {next}, whose `previous` is {}; to sign both all the same: --fork.",
        first.id(),
        first.id()
    )))
}

fn version(channel: &SignedChannel) -> String {
    format!("{} (version {})", channel.id(), channel.descriptor().version)
}
