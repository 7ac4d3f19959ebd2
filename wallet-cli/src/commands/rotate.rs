//! `gridpass id rotate`: new keys for an identity, in good order or after a compromise.

use super::resolve::parse_time;
use crate::commands::wallet::warn_of_backup;
use crate::context::{GlobalArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use clap::Args;
use gridpass_identity::codes;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::{Identity, KeyState};
use serde_json::json;

/// Replace an identity's keys
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id rotate root\n  \
     gridpass id rotate root --compromised-since 2026-03-01T00:00:00Z"
))]
pub struct RotateArgs {
    /// Its name or DID
    name: String,
    /// The old keys are in other hands since this time (RFC 3339, UTC): mark them so
    #[arg(long, value_name = "TIME")]
    compromised_since: Option<String>,
}

pub fn run(global: &GlobalArgs, args: &RotateArgs) -> Outcomes {
    let since = args.compromised_since.as_deref().map(parse_time).transpose()?;
    let mut wallet = global.wallet()?;
    let identity = wallet.identity(&args.name)?;
    if identity.did.method() == "webvh" {
        let rotated = wallet.rotate(&identity, since, &mut rng(), now())?;
        warn_of_backup(&global.profile()?, &wallet.status()?);
        let marked =
            since.map(|t| format!(", and the old ones are marked as compromised since {t}"));
        let text = format!(
            "{} has new keys{}.\nnext: gridpass id export {} -o did.jsonl, and publish it at {}",
            rotated.did,
            marked.unwrap_or_default(),
            rotated.name,
            super::resolve::published_at(&rotated).unwrap_or_default(),
        );
        return Ok(Answer::new("gridpass.id.rotate/1", json!({ "identity": rotated }), text));
    }
    let Some(since) = since else { return Err(cannot_rotate(&identity)) };
    let marked = mark_all(&mut wallet, &identity, since)?;
    let text = format!(
        "{} is marked as compromised since {since} in this wallet, which signs with it no more.\n\
         Others cannot see this: did:{} has no place to say it.\n{}",
        marked.did,
        marked.did.method(),
        to_issue_anew(&identity),
    );
    Ok(Answer::new("gridpass.id.rotate/1", json!({ "identity": marked }), text))
}

fn mark_all(
    wallet: &mut Wallet,
    identity: &Identity,
    since: gridpass_identity::time::UnixMillis,
) -> Result<Identity, Failure> {
    let mut marked = identity.clone();
    for key in identity.keys.iter().filter(|k| k.state == KeyState::Active) {
        marked = wallet.mark_compromised(&key.id, since, &mut rng(), now())?;
    }
    Ok(marked)
}

fn cannot_rotate(identity: &Identity) -> Failure {
    let message = format!(
        "{} cannot rotate: with did:{} the key is the identifier. {}",
        identity.did,
        identity.did.method(),
        to_issue_anew(identity),
    );
    let next = "gridpass id new --name NEW-NAME, then have these issued to the new DID; \
                if the key is in other hands, add --compromised-since TIME";
    Failure::new(codes::IDENTITY_CANNOT_ROTATE, message).next(next)
}

/// What hangs on a DID that cannot rotate.
fn to_issue_anew(identity: &Identity) -> String {
    format!(
        "To be issued anew, to a new DID:\n    \
         - every visa whose subject is {did}\n    \
         - every visa and node authorisation that {did} issued\n    \
         - its entry in channels and recipient lists that name the DID\n    \
         - the keys that others seal to: tell them the new DID",
        did = identity.did
    )
}
