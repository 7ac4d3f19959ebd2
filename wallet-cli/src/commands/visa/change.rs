//! Suspending, reinstating and revoking.

use crate::commands::arguments::identities_of;
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use clap::Args;
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::issuing::{self, Issuer};
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::visa::{Purpose, Visa};
use gridpass_identity::did::Did;
use gridpass_identity::wallet::Wallet;
use serde_json::json;
use std::path::Path;

/// What all three take.
#[derive(Args)]
pub struct ChangeArgs {
    /// The visa: its id, hash, or holder's DID; or a file, for one that somebody else issued and
    /// you may revoke
    visa: String,
    /// Why; kept in your register only
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// The identity that acts, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Suspend a visa: it does not count until it is reinstated
#[derive(Args)]
#[command(after_help = help!("  gridpass visa suspend urn:uuid:… --reason 'metering dispute' -o lists.json"))]
pub struct SuspendArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Reinstate a suspended visa
#[derive(Args)]
#[command(after_help = help!("  gridpass visa reinstate urn:uuid:… -o lists.json"))]
pub struct ReinstateArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Revoke a visa, for good
#[derive(Args)]
#[command(after_help = help!("  gridpass visa revoke urn:uuid:… --reason 'licence withdrawn' -o lists.json"))]
pub struct RevokeArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

pub fn suspend(global: &GlobalArgs, args: &SuspendArgs) -> Outcomes {
    change(global, &args.change, Purpose::Suspension, true, "Suspended")
}

pub fn reinstate(global: &GlobalArgs, args: &ReinstateArgs) -> Outcomes {
    change(global, &args.change, Purpose::Suspension, false, "Reinstated")
}

pub fn revoke(global: &GlobalArgs, args: &RevokeArgs) -> Outcomes {
    change(global, &args.change, Purpose::Revocation, true, "Revoked")
}

fn change(
    global: &GlobalArgs,
    args: &ChangeArgs,
    purpose: Purpose,
    set: bool,
    done: &str,
) -> Outcomes {
    args.output.check()?;
    let mut wallet = global.wallet()?;
    if purpose == Purpose::Revocation
        && let Some(node) = find_node(&wallet, &args.visa)?
    {
        return revoke_node(wallet, args, &node);
    }
    let (visa, known_issuer) = find(&wallet, &args.visa)?;
    let name = args.identity.as_deref().or(known_issuer.then(|| visa.issuer.as_str()));
    let me = identity(&wallet, name)?;
    let trust = keeping::pinned(&wallet, now())?;
    if !known_issuer {
        may_revoke(&trust, &visa, &me.did)?;
    }
    let mut issuer = Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
    let list = issuer.set_status(&visa, purpose, set, args.reason.as_deref(), &mut rng())?;
    let json = json!({
        "visa": visa.id,
        "holder": visa.subject,
        "list": list.id,
        "version": list.version,
        "dated": list.dated,
    });
    let text = format!(
        "{done} {} of {}\n  as of            {}\n  status list      {} version {}",
        visa.role,
        visa.subject,
        list.dated,
        shown(&list.id),
        list.version.unwrap_or_default(),
    );
    finish(&wallet, &me.did, &list, args, Answer::new("gridpass.visa.status/1", json, text))
}

/// The newest authorisation of a node that is still in force, by the node's DID or its own id.
fn find_node(wallet: &Wallet, name: &str) -> Result<Option<NodeAuthorisation>, Failure> {
    let mut found: Vec<_> = issuing::authorisations(wallet)?
        .into_iter()
        .map(|(a, _)| a)
        .filter(|a| (a.node.as_str() == name && a.valid_until > now()) || a.id == name)
        .collect();
    Ok(found.pop())
}

fn revoke_node(mut wallet: Wallet, args: &ChangeArgs, node: &NodeAuthorisation) -> Outcomes {
    let me = identity(&wallet, Some(node.principal.as_str()))?;
    let trust = keeping::pinned(&wallet, now())?;
    let mut issuer = Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
    let reason = args.reason.as_deref();
    let list = issuer.set_entry(&node.id, &node.status, true, reason, &mut rng())?;
    let json = json!({"node": node.node, "authorisation": node.id, "list": list.id});
    let text = format!(
        "{} no longer acts for {}\n  status list      {} version {}",
        node.node,
        node.principal,
        shown(&list.id),
        list.version.unwrap_or_default()
    );
    finish(&wallet, &me.did, &list, args, Answer::new("gridpass.visa.status/1", json, text))
}

/// Writes the new list for others.
fn finish(
    wallet: &Wallet,
    me: &Did,
    list: &StatusList,
    args: &ChangeArgs,
    mut answer: Answer,
) -> Outcomes {
    let mut parcel = Parcel::new(ParcelKind::StatusLists, None);
    parcel.status_lists.push(list.secured().text().to_owned());
    parcel.identities = identities_of(wallet, [me])?;
    answer.text.push_str("\nnext: give the new list to those who rely on it: ");
    answer.text.push_str(&match args.output.file() {
        Some(path) => format!("send {}", shown(path.display())),
        None => "gridpass status publish -o lists.json".to_owned(),
    });
    if args.output.output.is_none() {
        return Ok(answer);
    }
    Ok(match args.output.write(parcel.encode()?)? {
        Some(raw) => answer.with_raw(raw),
        None => answer,
    })
}

/// A visa of the register, or of a file; and whether this wallet issued it.
fn find(wallet: &Wallet, name: &str) -> Result<(Visa, bool), Failure> {
    match issuing::find_issued(wallet, name) {
        Ok(record) => Ok((record.read()?, true)),
        Err(KeepError::NotFound { .. }) if Path::new(name).is_file() => {
            let bytes = read_input(Path::new(name), MAX_INPUT)?;
            let parcel = Parcel::parse_or_bare(&bytes, ParcelKind::Visa)?;
            let visa = keeping::read_visa(&parcel.content.unwrap_or_default())?.1;
            let known = issuing::find_issued(wallet, &visa.id).is_ok();
            Ok((visa, known))
        }
        Err(e) => Err(e.into()),
    }
}

/// Refuses early what every verifier would pass over.
fn may_revoke(
    trust: &gridpass_credentials::trust::Trust,
    visa: &Visa,
    me: &gridpass_identity::did::Did,
) -> Result<(), Failure> {
    let revokers = trust.definition(&visa.definition).and_then(|r| r.definition.revokers.as_ref());
    let named = revokers.is_some_and(|r| r.dids.contains(me) || !r.roles.is_empty());
    if named {
        return Ok(());
    }
    let message = format!("{me} may not revoke {}: its definition names other revokers", visa.role);
    Err(Failure::new(gridpass_credentials::codes::STATUS_SIGNER, message)
        .next(format!("Ask its issuer, {}, to do it.", visa.issuer)))
}
