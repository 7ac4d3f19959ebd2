//! `gridpass id rotate`: new keys for an identity, in good order or after a compromise.

use super::clock::{time_of_entry, warn_of_jump};
use super::resolve::{parse_time, to_publish};
use super::visa::hanging::lines;
use crate::commands::wallet::warn_after_change;
use crate::context::{GlobalArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::warnings::warn;
use clap::Args;
use gridpass_credentials::hanging::{self, Hanging, Loss};
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_identity::codes;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::{Identity, IdentityKey, KeyState};
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::keeping as channels;
use serde_json::{Value, json};

/// Replace an identity's keys
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id rotate root\n  \
     gridpass id rotate root --compromised-since 2026-03-01T00:00:00Z"
))]
pub struct RotateArgs {
    /// Its name or DID
    name: String,
    /// The keys that were in use at this time (RFC 3339, UTC), or later, are in other hands: mark them so,
    /// also those that were replaced since
    #[arg(long, value_name = "TIME")]
    compromised_since: Option<String>,
}

pub fn run(global: &GlobalArgs, args: &RotateArgs) -> Outcomes {
    let since = args.compromised_since.as_deref().map(parse_time).transpose()?;
    let mut wallet = global.wallet()?;
    let identity = wallet.identity(&args.name)?;
    if identity.did.method() == "webvh" {
        warn_of_jump(&wallet.status()?.diary, now());
        let now = time_of_entry(&wallet.status()?.diary);
        let rotated = wallet
            .rotate(&identity, since, &mut rng(), now)
            .map_err(|e| may_be_rotated(e.into(), &identity))?;
        warn_after_change(global, &wallet);
        let marked = newly_marked(&identity, &rotated);
        let is_left = |k: &&IdentityKey| {
            k.state != KeyState::Active && since.is_some_and(|t| k.is_to_be_marked(t))
        };
        let left = rotated.keys.iter().filter(is_left).count();
        if left > 0 {
            let message = format!("{left} more keys are to be marked: call it again in a second");
            warn(None, message);
        }
        let told = since.map(|t| {
            format!(", and these are marked as compromised since {t}: {}", marked.join(" "))
        });
        let told = told.unwrap_or_default();
        let hangs = match since {
            // The keys are marked: what is only told of it fails nothing.
            Some(_) => hanging_on(&wallet, &rotated.did).unwrap_or_default(),
            None => Vec::new(),
        };
        let unsigned = match since {
            Some(_) => no_longer_signed(&wallet, &rotated.did),
            None => Vec::new(),
        };
        let text = format!(
            "{} has new keys{told}.\n{}{}next: {}",
            rotated.did,
            lines(&hangs, HANGS),
            of_channels(&unsigned),
            to_publish(&wallet, &rotated).unwrap_or_default(),
        );
        let channels: Vec<_> = unsigned.iter().map(channel_json).collect();
        let json = json!({
            "identity": rotated, "marked": marked, "hanging": hangs, "channels": channels,
        });
        return Ok(Answer::new("gridpass.id.rotate/1", json, text));
    }
    let Some(since) = since else { return Err(cannot_rotate(&identity)) };
    let changed = mark_all(&mut wallet, &identity, since)?;
    let marked = newly_marked(&identity, &changed);
    let text = format!(
        "{} is marked as compromised since {since} in this wallet, which signs with it no more: {}.\n\
         Others cannot see this: did:{} has no place to say it.\n\
         To be issued anew, to a new DID:\n    - {}",
        changed.did,
        marked.join(" "),
        changed.did.method(),
        to_issue_anew(&identity).join("\n    - "),
    );
    // Others cannot see it, so that for them everything counts as before.
    let json = json!({ "identity": changed, "marked": marked, "hanging": [], "channels": [] });
    Ok(Answer::new("gridpass.id.rotate/1", json, text))
}

/// A second rotation would replace the new keys, and others would have to take one more log.
fn may_be_rotated(failure: Failure, identity: &Identity) -> Failure {
    failure.look(format!(
        "Look whether there are new keys: `gridpass id show {name}`. If there are, do not do it again, and publish \
         the log, which `gridpass id export {name} -o did.jsonl` writes.",
        name = identity.name
    ))
}

/// What happens to it where a key is marked that signed the visa by which somebody revoked.
const HANGS: &str = "what was revoked by holders of visas that these keys signed is undecided \
                     now, and counts no more where such a visa was issued after that time: issue \
                     these visas anew, or have it taken over:";

/// What was revoked by visas that an identity issued.
fn hanging_on(wallet: &Wallet, did: &Did) -> Result<Vec<Hanging>, KeepError> {
    match keeping::pinned_even_ahead(wallet, now()) {
        Ok(trust) => hanging::hanging_on(wallet, &trust, &[did], Loss::Keys, now()),
        Err(KeepError::NoTrust | KeepError::Trust(_)) => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// The channels that an identity owns, and of which nothing shows any more that it signed them. The keys are
/// marked: what is only told of it fails nothing.
fn no_longer_signed(wallet: &Wallet, did: &Did) -> Vec<SignedChannel> {
    let own = |c: &SignedChannel| &c.descriptor().owner == did;
    let is_open = |c: &SignedChannel| {
        c.check_owner(&OfflineResolver::new(wallet), now()).outcome != Outcome::Passed
    };
    let kept = channels::channels(wallet).unwrap_or_default();
    kept.into_iter().filter(|c| own(c) && is_open(c)).collect()
}

fn channel_json(channel: &SignedChannel) -> Value {
    let descriptor = channel.descriptor();
    json!({"channel": channel.id(), "name": descriptor.name, "version": descriptor.version})
}

/// What becomes of these channels, and what to do: a line for each.
fn of_channels(unsigned: &[SignedChannel]) -> String {
    if unsigned.is_empty() {
        return String::new();
    }
    let mut text = "  nodes that know of it take part in these channels no more, and auditors cannot decide on what \
                    was said there, until you sign them anew (where they are honest) and hand that out:\n"
        .to_owned();
    for channel in unsigned {
        let descriptor = channel.descriptor();
        text.push_str(&format!(
            "    {} version {}: `gridpass channel sign {} -o FILE`, then `gridpass node add FILE` at each \
             node, and `gridpass audit verify --channel FILE` for bundles that were made before\n",
            descriptor.name,
            descriptor.version,
            channel.id()
        ));
    }
    text
}

fn mark_all(
    wallet: &mut Wallet,
    identity: &Identity,
    since: UnixMillis,
) -> Result<Identity, Failure> {
    let mut changed = None;
    for key in identity.keys.iter().filter(|k| k.is_to_be_marked(since)) {
        let marked = wallet.mark_compromised(&key.id, since, &mut rng(), now());
        changed = Some(marked.map_err(|e| {
            Failure::from(e).look(format!(
                "Look what is marked: `gridpass id show {}`. To mark the rest, do it again.",
                identity.name
            ))
        })?);
    }
    changed.ok_or_else(|| {
        let message = format!(
            "nothing is to be marked: every key of {} is marked since {since} or an earlier time",
            identity.did
        );
        Failure::new(codes::COMPROMISE_TIME, message)
    })
}

/// The keys, as fragments, that are marked now, or since an earlier time than before.
fn newly_marked(before: &Identity, after: &Identity) -> Vec<String> {
    let is_new = |key: &&IdentityKey| {
        matches!(key.state, KeyState::Compromised { .. }) && !before.keys.contains(key)
    };
    let fragment = |key: &IdentityKey| format!("#{}", key.id.fragment().unwrap_or_default());
    after.keys.iter().filter(is_new).map(fragment).collect()
}

fn cannot_rotate(identity: &Identity) -> Failure {
    let (reason, next) = match identity.did.method() {
        "web" => (
            "a did:web proves no change of its keys, and Gridpass makes none",
            "gridpass id new --name NEW-NAME --method webvh --location DOMAIN, then have these issued to \
             the new DID; if a key is in other hands, add --compromised-since TIME",
        ),
        _ => (
            "its key is the identifier",
            "gridpass id new --name NEW-NAME, then have these issued to the new DID; if the key is in other \
             hands, add --compromised-since TIME",
        ),
    };
    // An error is one line.
    let message = format!(
        "{} cannot rotate: {reason}. To be issued anew, to a new DID: {}",
        identity.did,
        to_issue_anew(identity).join("; "),
    );
    Failure::new(codes::IDENTITY_CANNOT_ROTATE, message).next(next)
}

/// What hangs on a DID that cannot rotate.
fn to_issue_anew(identity: &Identity) -> [String; 4] {
    let did = &identity.did;
    [
        format!("every visa whose subject is {did}"),
        format!("every visa and node authorisation that {did} issued"),
        "its entry in channels and recipient lists that name the DID".into(),
        "the keys that others seal to: tell them the new DID".into(),
    ]
}
