//! `gridpass id`: the identities of a wallet.

use super::{deactivate, resolve, rotate, witness};
use crate::codes;
use crate::commands::arguments::identities_of;
use crate::commands::wallet::warn_after_change;
use crate::context::{GlobalArgs, OutputArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::resolving::parse_dids;
use clap::{Args, Subcommand, ValueEnum};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_identity::key::KeyType;
use gridpass_identity::method::webvh::{Witness, WitnessRule};
use gridpass_identity::resolve::{OfflineResolver, Resolver as _, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::{
    Identity, IdentityKind, KeyState, NewDid, NewIdentity,
};
use serde_json::{Value, json};

/// Identities: make, show, rotate, give up, export, and resolve those of others
#[derive(Subcommand)]
#[command(after_help = help!("  gridpass id list\n  gridpass id new --name node-1 --method key --node"))]
pub enum IdCommand {
    New(NewArgs),
    Show(ShowArgs),
    List(ListArgs),
    Rotate(rotate::RotateArgs),
    Deactivate(deactivate::DeactivateArgs),
    Export(ExportArgs),
    Resolve(resolve::ResolveArgs),
    Witness(witness::WitnessArgs),
}

/// How the DID is made.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Method {
    /// The DID is the key; for nodes, devices and pairwise use; cannot rotate
    Key,
    /// As key, written as a JWK
    Jwk,
    /// A document that you publish at your domain
    Web,
    /// A log at your domain that proves every change of keys; for organisations
    Webvh,
}

/// The key types that sign.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SigningKeyType {
    Ed25519,
    P256,
}

/// Make an identity with new keys
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id new --name root --method webvh --location dso-north.example\n  \
     gridpass id new --name root --method web --location dso-north.example:ids:grid\n  \
     gridpass id new --name node-1 --method key --node\n  \
     gridpass id new --name meter --method key --key-type p256\n  \
     gridpass id new --name desk --method web --location dso-north.example:desk --key-type p256"
))]
pub struct NewArgs {
    /// Your own name for it
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How the DID is made
    #[arg(long, value_enum, default_value = "key")]
    method: Method,
    /// The type of the keys; those of a did:webvh and of a node are Ed25519
    #[arg(long, value_enum, default_value = "ed25519")]
    key_type: SigningKeyType,
    /// For web and webvh: the domain, with an optional path after colons
    #[arg(long, value_name = "DOMAIN[:PATH…]")]
    location: Option<String>,
    /// For webvh: a witness (an Ed25519 did:key) who must approve each change of the log
    #[arg(long, value_name = "DID")]
    witness: Vec<String>,
    /// For webvh: how many of the witnesses must approve [default: all]
    #[arg(long, value_name = "N", requires = "witness")]
    witness_threshold: Option<usize>,
    /// A node's identity, a did:key: signs for a running node, and never issues
    #[arg(long)]
    node: bool,
}

/// Show an identity and its keys
#[derive(Args)]
#[command(after_help = help!("  gridpass id show root\n  gridpass id show did:key:z6Mk… --json"))]
pub struct ShowArgs {
    /// Its name or DID
    name: String,
}

/// List the identities of the wallet
#[derive(Args)]
#[command(after_help = help!("  gridpass id list\n  gridpass id list --json"))]
pub struct ListArgs {}

/// Print what others need: the DID document, or the log of a did:webvh
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id export root -o did.jsonl       publish this where `id show` says\n  \
     gridpass id export root --document         the current DID document\n  \
     gridpass id export root --parcel -o root.json      for those who know an older log: node add, status accept"
))]
pub struct ExportArgs {
    /// Its name or DID
    name: String,
    /// The DID document, also where there is a log
    #[arg(long)]
    document: bool,
    /// The log of a did:webvh as a file that nodes and the wallets of others take
    #[arg(long, conflicts_with = "document")]
    parcel: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(global: &GlobalArgs, command: &IdCommand) -> Outcomes {
    match command {
        IdCommand::New(args) => new(global, args),
        IdCommand::Show(args) => show(global, args),
        IdCommand::List(_) => list(global),
        IdCommand::Rotate(args) => rotate::run(global, args),
        IdCommand::Deactivate(args) => deactivate::run(global, args),
        IdCommand::Export(args) => export(global, args),
        IdCommand::Resolve(args) => resolve::run(global, args),
        IdCommand::Witness(args) => witness::run(global, args),
    }
}

fn witness_rule(args: &NewArgs) -> Result<Option<WitnessRule>, Failure> {
    if args.witness.is_empty() {
        return Ok(None);
    }
    let witnesses: Vec<Witness> =
        parse_dids(&args.witness)?.into_iter().map(|id| Witness { id }).collect();
    let threshold = args.witness_threshold.unwrap_or(witnesses.len());
    Ok(Some(WitnessRule { threshold, witnesses }))
}

/// Refuses what the method cannot give: an option that does nothing would be taken for done.
fn refuse_unfit(args: &NewArgs) -> Result<(), Failure> {
    use gridpass_identity::codes::KEY_TYPE_UNSUITABLE;
    let usage = |message: &str| Failure::new(codes::USAGE, message);
    let is_p256 = matches!(args.key_type, SigningKeyType::P256);
    match args.method {
        Method::Key | Method::Jwk | Method::Web if !args.witness.is_empty() => {
            return Err(usage("--witness goes with the method webvh, which has a log to approve"));
        }
        Method::Jwk | Method::Web | Method::Webvh if args.node => {
            return Err(usage("a node is always a did:key")
                .next("Leave out --method, or add it as --method key."));
        }
        Method::Webvh if is_p256 => {
            let message = "the keys of a did:webvh are Ed25519 here, as those that sign its log";
            return Err(Failure::new(KEY_TYPE_UNSUITABLE, message).next(
                "Leave out --key-type; or take --method web, key or jwk, which can have P-256.",
            ));
        }
        Method::Key | Method::Jwk | Method::Web | Method::Webvh => {}
    }
    if args.node && is_p256 {
        let message = "a node's key is Ed25519: its peers know it by that key";
        return Err(Failure::new(KEY_TYPE_UNSUITABLE, message).next("Leave out --key-type."));
    }
    Ok(())
}

fn new_did(args: &NewArgs) -> Result<NewDid, Failure> {
    refuse_unfit(args)?;
    let key_type = match args.key_type {
        SigningKeyType::Ed25519 => KeyType::Ed25519,
        SigningKeyType::P256 => KeyType::P256,
    };
    let location = || {
        args.location.clone().ok_or_else(|| {
            Failure::new(codes::USAGE, "this method needs the domain that the DID lives at")
                .next("Add --location DOMAIN, such as --location dso-north.example.")
        })
    };
    match (args.method, &args.location) {
        (Method::Key | Method::Jwk, Some(_)) => {
            let message = "--location goes with the methods web and webvh";
            Err(Failure::new(codes::USAGE, message))
        }
        (Method::Key, None) => Ok(NewDid::Key(key_type)),
        (Method::Jwk, None) => Ok(NewDid::Jwk(key_type)),
        (Method::Web, _) => Ok(NewDid::Web { location: location()?, key_type }),
        (Method::Webvh, _) => {
            let witness = witness_rule(args)?;
            Ok(NewDid::Webvh { location: location()?, witness })
        }
    }
}

fn new(global: &GlobalArgs, args: &NewArgs) -> Outcomes {
    let new = NewIdentity {
        name: args.name.clone(),
        kind: if args.node { IdentityKind::Node } else { IdentityKind::Participant },
        did: new_did(args)?,
    };
    let mut wallet = global.wallet()?;
    let identity = wallet.new_identity(&new, &mut rng(), now()).map_err(|e| {
        Failure::from(e).look(format!(
            "Look whether it is made: `gridpass id show {name}`. If it is, it is whole: do not make another; of a \
             did:web or did:webvh `gridpass id export {name} -o FILE` writes what is published.",
            name = args.name
        ))
    })?;
    warn_after_change(global, &wallet);
    let next = resolve::to_publish(&wallet, &identity)
        .unwrap_or_else(|| format!("give this DID to others; gridpass id show {}", args.name));
    let more = match identity.kind {
        IdentityKind::Participant => {
            "\n  an officer goes on with: gridpass role define NAME; \
             a holder with: gridpass charter verify PACK --adopt"
        }
        IdentityKind::Node => "",
    };
    let text = format!("{}\nnext: {next}{more}", identity.did);
    let json = json!({ "identity": identity, "publish_at": resolve::published_at(&identity) });
    Ok(Answer::new("gridpass.id.new/1", json, text))
}

/// From when on it is given up. A log that cannot be read says so where somebody wants to act by it.
fn given_up(wallet: &Wallet, identity: &Identity) -> Option<UnixMillis> {
    wallet.deactivated(identity).ok().flatten()
}

/// An identity in JSON: as it is kept, and `deactivated` where it was given up.
pub fn shown_in_json(wallet: &Wallet, identity: &Identity) -> Value {
    let mut json = json!(identity);
    if let (Some(since), Some(json)) = (given_up(wallet, identity), json.as_object_mut()) {
        json.insert("deactivated".into(), json!(since));
    }
    json
}

fn key_lines(identity: &Identity, ended: Option<UnixMillis>) -> String {
    let mut text = String::new();
    for key in &identity.keys {
        let state = match key.state {
            KeyState::Active => "active".to_owned(),
            KeyState::Retired { since } if Some(since) == ended => "given up".to_owned(),
            KeyState::Retired { since } => format!("replaced at {since}"),
            KeyState::Compromised { since } => format!("COMPROMISED since {since}"),
        };
        let purposes: Vec<&str> = key.purposes.iter().map(|p| p.name()).collect();
        text.push_str(&format!(
            "  #{}\n      {}\n      for {}; {state}\n",
            key.id.fragment().unwrap_or_default(),
            key.public_key,
            purposes.join(", "),
        ));
    }
    text
}

fn show(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    let wallet = global.wallet()?;
    let identity = wallet.identity(&args.name)?;
    let kind = match identity.kind {
        IdentityKind::Participant => "participant",
        IdentityKind::Node => "node",
    };
    let publish = resolve::published_at(&identity);
    let ended = given_up(&wallet, &identity);
    let text = format!(
        "{} ({kind})\n{}\n  made {}\n{}{}Keys:\n{}",
        identity.name,
        identity.did,
        identity.created,
        ended.map(|since| format!("  DEACTIVATED since {since}\n")).unwrap_or_default(),
        publish.as_ref().map(|url| format!("  publish at {url}\n")).unwrap_or_default(),
        key_lines(&identity, ended),
    );
    let json = json!({ "identity": shown_in_json(&wallet, &identity), "publish_at": publish });
    Ok(Answer::new("gridpass.id.show/1", json, text))
}

fn list(global: &GlobalArgs) -> Outcomes {
    let wallet = global.wallet()?;
    let identities = wallet.identities()?;
    let width = identities.iter().map(|i| i.name.chars().count()).max().unwrap_or(0);
    let line = |i: &Identity| {
        let ended = given_up(&wallet, i).map(|since| format!("  DEACTIVATED since {since}"));
        format!("{:width$}  {}{}\n", i.name, i.did, ended.unwrap_or_default())
    };
    let mut text: String = identities.iter().map(line).collect();
    if identities.is_empty() {
        text = "No identities yet.\nnext: gridpass id new --name NAME".to_owned();
    }
    let rows: Vec<Value> = identities.iter().map(|i| shown_in_json(&wallet, i)).collect();
    Ok(Answer::new("gridpass.id.list/1", json!({ "identities": rows }), text))
}

fn export(global: &GlobalArgs, args: &ExportArgs) -> Outcomes {
    args.output.check()?;
    let wallet = global.wallet()?;
    let identity = wallet.identity(&args.name)?;
    let bytes = match args.parcel {
        true => parcel_of(&wallet, &identity)?,
        false => exported(&wallet, &identity, args.document)?,
    };
    let content = String::from_utf8_lossy(&bytes).into_owned();
    let json = json!({
        "did": identity.did,
        "publish_at": resolve::published_at(&identity),
        "content": content,
    });
    let answer = |text| Answer::new("gridpass.id.export/1", json, text);
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer(String::new()).with_raw(raw),
        None => {
            let file = args.output.file().unwrap_or_else(|| "-".as_ref()).display().to_string();
            let file = crate::shown::shown(file);
            let next = match args.parcel {
                true => format!(
                    "\nnext: at each node gridpass node add {file}, in the wallets of others gridpass \
                     status accept {file}"
                ),
                false => resolve::published_at(&identity)
                    .map(|url| format!("\nnext: publish it at {url}"))
                    .unwrap_or_default(),
            };
            answer(format!("{} written to {file}{next}", identity.did))
        }
    })
}

/// What proves a did:webvh, with its witnesses, as a file for those who take such files.
fn parcel_of(wallet: &Wallet, identity: &Identity) -> Result<Vec<u8>, Failure> {
    if identity.did.method() != "webvh" {
        let message = format!("{} has no log, and only a log proves itself", identity.did);
        return Err(Failure::new(codes::USAGE, message)
            .next("Call it without --parcel; only a did:webvh has a log."));
    }
    let mut parcel = Parcel::new(ParcelKind::StatusLists, None);
    parcel.identities = identities_of(wallet, [&identity.did])?;
    Ok(parcel.encode()?)
}

/// The log of a did:webvh byte for byte, else the document.
fn exported(wallet: &Wallet, identity: &Identity, document: bool) -> Result<Vec<u8>, Failure> {
    if identity.did.method() == "webvh" && !document {
        let newest = wallet.snapshots(&identity.did)?.pop();
        return newest.map(|s| s.document).ok_or_else(|| {
            Failure::new(gridpass_identity::codes::DID_NOT_FOUND, "its log is not in the wallet")
        });
    }
    let resolution = OfflineResolver::new(wallet).resolve(&identity.did)?;
    let document = resolution.current().ok_or_else(|| {
        let message = format!("{} is deactivated, and has no document", identity.did);
        Failure::new(gridpass_identity::codes::DID_DEACTIVATED, message)
            .next("Publish its log, which says so: call it without --document.")
    })?;
    let mut bytes = serde_json::to_vec_pretty(document.as_json())
        .map_err(|e| Failure::new(gridpass_identity::codes::INTERNAL, e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
