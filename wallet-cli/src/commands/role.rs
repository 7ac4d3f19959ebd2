//! `gridpass role`: what roles mean.

use super::arguments::{
    claims_in, definition, differences, parse_duration, read_definition, trimmed,
};
use super::role_version;
use super::sign::identity;
use crate::content::{StoreArgs, kept_at};
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, read_input, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::resolving::parse_dids;
use crate::shown::shown;
use crate::warnings::hint;
use clap::{Args, Subcommand, ValueEnum};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::{self, IssuerRevocation, Parties, RoleDefinition, RoleName};
use gridpass_identity::wallet::Wallet;
use gridpass_messaging::content::PublicDocument;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Define roles: who may issue them, what they require, what they say
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass role define flex.gb.aggregator --title 'Aggregator' --claim zone:string\n  \
     gridpass role show flex.gb.aggregator\n  \
     gridpass role diff flex.gb.aggregator new.json\n  \
     gridpass role publish aggregator.json --to peers"
))]
pub enum RoleCommand {
    Define(Box<DefineArgs>),
    Show(ShowArgs),
    List(ListArgs),
    Diff(DiffArgs),
    Publish(PublishArgs),
}

/// What becomes of visas when their issuer's authority is revoked.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnIssuerRevoked {
    /// What was issued before stays good
    Keeps,
    /// What was issued before ends too
    Ends,
}

/// Define a role, or a new version of one
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass role define flex.gb.aggregator --title 'Aggregator in Great Britain' \\\n      \
     --claim zone:string --claim capacityKw:integer? --max-validity 365d\n  \
     gridpass role define flex.gb.supplier --title Supplier --issued-by flex.gb.licensing-body\n  \
     gridpass role define flex.gb.bidder --title Bidder --requires flex.gb.aggregator \\\n      \
     --requires flex.gb.insured --at-least 1\n  \
     gridpass role define --from aggregator.json"
))]
pub struct DefineArgs {
    /// The name, such as flex.gb.aggregator
    #[arg(required_unless_present = "from")]
    name: Option<String>,
    /// Take the whole definition from a JSON file; - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "name")]
    from: Option<PathBuf>,
    /// The role in a few words [default: the name]
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// What the role means [default: the title]
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The definition's version [default: 1.0.0, or one more than the last]
    #[arg(long = "role-version", value_name = "N.N.N")]
    version: Option<String>,
    /// Who may issue it, by DID [default: your identity, unless --issued-by is given]
    #[arg(long = "issuer", value_name = "DID")]
    issuers: Vec<String>,
    /// Holders of this role may issue it
    #[arg(long, value_name = "ROLE")]
    issued_by: Vec<String>,
    /// Who may revoke it beside its issuer, by DID
    #[arg(long = "revoker", value_name = "DID")]
    revokers: Vec<String>,
    /// Holders of this role may revoke it
    #[arg(long, value_name = "ROLE")]
    revoked_by: Vec<String>,
    /// A holder must hold this role first; all of them, unless --at-least says otherwise
    #[arg(long, value_name = "ROLE")]
    requires: Vec<String>,
    /// So many of the required roles are enough
    #[arg(long, value_name = "N", requires = "requires")]
    at_least: Option<usize>,
    /// A claim and its JSON type, such as zone:string (also integer, number, boolean, array, object); with ? at
    /// the end it may be absent
    #[arg(long = "claim", value_name = "NAME:TYPE")]
    claims: Vec<String>,
    /// The claims as a JSON Schema (2020-12) in a file
    #[arg(long, value_name = "FILE", conflicts_with = "claims")]
    claims_schema: Option<PathBuf>,
    /// The longest validity of a visa
    #[arg(long, value_name = "TIME", default_value = "365d")]
    max_validity: String,
    /// How old a visa's status may be where it is relied on
    #[arg(long, value_name = "TIME", default_value = "24h")]
    max_status_age: String,
    /// How many issuers may stand between a holder and a root
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_chain_depth: u8,
    /// What becomes of visas when their issuer's own authority is revoked
    #[arg(long, value_enum, default_value = "keeps")]
    on_issuer_revoked: OnIssuerRevoked,
    /// The identity that issues, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Show a definition: one of the wallet's by name or CID, or a file
#[derive(Args)]
#[command(after_help = help!("  gridpass role show flex.gb.aggregator\n  gridpass role show aggregator.json --json"))]
pub struct ShowArgs {
    /// Name, CID or file
    role: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// List the definitions in the wallet
#[derive(Args)]
#[command(after_help = help!("  gridpass role list\n  gridpass role list --json"))]
pub struct ListArgs {}

/// Show what differs between two definitions
#[derive(Args)]
#[command(after_help = help!("  gridpass role diff old.json new.json\n  gridpass role diff flex.gb.aggregator new.json"))]
pub struct DiffArgs {
    /// Name, CID or file
    old: String,
    /// Name, CID or file
    new: String,
}

/// Publish a definition: anybody can have it by its CID from then on
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass role publish aggregator.json                    the running node keeps and gives it\n  \
     gridpass role publish flex.gb.aggregator --to peers      its peers keep it too\n  \
     gridpass role publish aggregator.json --kubo http://127.0.0.1:5001\n  \
     (it takes effect when a charter lists it)"
))]
pub struct PublishArgs {
    /// File, or name or CID of one of the wallet's
    role: String,
    #[command(flatten)]
    store: StoreArgs,
}

pub fn run(global: &GlobalArgs, command: &RoleCommand) -> Outcomes {
    match command {
        RoleCommand::Define(args) => define(global, args),
        RoleCommand::Show(args) => show(global, args),
        RoleCommand::List(_) => list(global),
        RoleCommand::Diff(args) => diff(global, args),
        RoleCommand::Publish(args) => publish(global, args),
    }
}

fn define(global: &GlobalArgs, args: &DefineArgs) -> Outcomes {
    args.output.check()?;
    let given = args.from.as_deref().map(|path| read_input(path, MAX_INPUT)).transpose()?;
    let mut wallet = global.wallet()?;
    let definition = match given {
        Some(bytes) => {
            // Written by hand it need not be canonical: it becomes so here.
            let value = gridpass_identity::json::parse_strict(
                trimmed(&bytes),
                gridpass_identity::json::Limits::SMALL,
            )
            .map_err(|e| role::RoleError::Malformed(e.to_string()))?;
            let (_, canonical) = ContentId::of_json(&value)?;
            RoleDefinition::parse(&canonical, None)?.0
        }
        None => from_arguments(&wallet, args)?,
    };
    let (id, bytes) = definition.encode()?;
    let all = versions(&wallet, &definition.name)?;
    let last = all.last();
    if let Some((last_id, last)) = last.filter(|(last_id, _)| *last_id != id) {
        // What is in a file, or has a version of its own, was meant so.
        let other_version = args.version.as_ref().is_some_and(|v| *v != last.version);
        if args.from.is_none() && !other_version {
            role_version::refuse_unchanged(last, &definition)?;
        }
        if let Some(warning) = role_version::warning((last_id, last), (&id, &definition)) {
            hint(warning);
        }
    }
    let twin = all.iter().find(|(other, d)| *other != id && d.version == definition.version);
    if let Some((twin, _)) = twin {
        role_version::is_taken(&definition, twin, args.from.is_some())?;
    }
    keeping::keep_definition(&mut wallet, &definition, &mut rng())?;
    let json = json!({"definition": id, "name": definition.name, "version": definition.version});
    let next = match keeping::pinned(&wallet, crate::context::now()) {
        Ok(_) => format!("gridpass charter add-role {id}"),
        Err(_) => format!("gridpass charter new 'YOUR FRAMEWORK' --role {id}"),
    };
    let text = format!(
        "Role {} {} is defined\n  CID  {id}\nIt takes effect when a charter lists it.\nnext: {next}",
        definition.name,
        shown(&definition.version)
    );
    if args.output.output.is_some() {
        let raw = args.output.write(bytes)?;
        let answer = Answer::new("gridpass.role.define/1", json, text);
        return Ok(match raw {
            Some(raw) => answer.with_document(raw),
            None => answer,
        });
    }
    Ok(Answer::new("gridpass.role.define/1", json, text))
}

/// Every definition of a role that is kept, the newest version last.
fn versions(wallet: &Wallet, name: &RoleName) -> Result<Vec<(ContentId, RoleDefinition)>, Failure> {
    let mut all = keeping::definitions(wallet)?;
    all.retain(|(_, d)| d.name == *name);
    Ok(all)
}

fn from_arguments(wallet: &Wallet, args: &DefineArgs) -> Result<RoleDefinition, Failure> {
    let name = RoleName::parse(args.name.as_deref().unwrap_or_default())?;
    let cids = |names: &[String]| -> Result<Vec<ContentId>, Failure> {
        names.iter().map(|n| Ok(definition(wallet, n)?.0)).collect()
    };
    let mut issuers = Parties { dids: parse_dids(&args.issuers)?, roles: cids(&args.issued_by)? };
    if issuers == Parties::default() {
        issuers.dids.push(identity(wallet, args.identity.as_deref())?.did);
    }
    let revokers = Parties { dids: parse_dids(&args.revokers)?, roles: cids(&args.revoked_by)? };
    let required: Vec<_> =
        cids(&args.requires)?.into_iter().map(|role| Requirement::Role { role }).collect();
    let preconditions = match (args.at_least, required.len()) {
        (_, 0) => None,
        (Some(at_least), _) => Some(Requirement::AtLeast { at_least, of: required }),
        (None, _) => Some(Requirement::All { all: required }),
    };
    let previous = versions(wallet, &name)?.pop();
    let version = match (&args.version, &previous) {
        (Some(version), _) => version.clone(),
        (None, Some((_, previous))) => next_version(&previous.version),
        (None, None) => "1.0.0".into(),
    };
    let title = args.title.clone().unwrap_or_else(|| name.to_string());
    let seconds = |text: &str| parse_duration(text).map(|ms| ms / 1000);
    Ok(RoleDefinition {
        document_type: role::TYPE.into(),
        format_version: role::FORMAT_VERSION,
        name,
        version,
        previous: previous.map(|(id, _)| id),
        description: args.description.clone().unwrap_or_else(|| title.clone()),
        title,
        issuers,
        max_chain_depth: args.max_chain_depth,
        revokers: (revokers != Parties::default()).then_some(revokers),
        preconditions,
        claims: claims_schema(args)?,
        max_validity_seconds: seconds(&args.max_validity)?,
        max_status_age_seconds: seconds(&args.max_status_age)?,
        issuer_revocation: match args.on_issuer_revoked {
            OnIssuerRevoked::Keeps => IssuerRevocation::Keeps,
            OnIssuerRevoked::Ends => IssuerRevocation::Ends,
        },
    })
}

fn next_version(version: &str) -> String {
    let mut numbers: Vec<u32> = version.split('.').map(|n| n.parse().unwrap_or(0)).collect();
    if let Some(minor) = numbers.get_mut(1) {
        *minor = minor.saturating_add(1);
    }
    if let Some(patch) = numbers.get_mut(2) {
        *patch = 0;
    }
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".")
}

/// What JSON Schema calls types.
const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

fn claims_schema(args: &DefineArgs) -> Result<Map<String, Value>, Failure> {
    if let Some(path) = &args.claims_schema {
        return claims_in(path);
    }
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for claim in &args.claims {
        let (name, kind) = claim.split_once(':').unwrap_or((claim, "string"));
        let (kind, optional) = match kind.strip_suffix('?') {
            Some(kind) => (kind, true),
            None => (kind, false),
        };
        if !TYPES.contains(&kind) {
            let message = format!("{kind:?}, the type of the claim {name:?}, is no JSON type");
            return Err(Failure::new(crate::codes::USAGE, message).next(format!(
                "The types are {}. A date is a string; what else a claim must be stands in a JSON Schema, \
                 --claims-schema FILE.",
                TYPES.join(", ")
            )));
        }
        properties.insert(name.to_owned(), json!({"type": kind}));
        if !optional {
            required.push(name);
        }
    }
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    match schema {
        Value::Object(schema) => Ok(schema),
        _ => Ok(Map::new()),
    }
}

fn find(global: &GlobalArgs, name: &str) -> Result<(ContentId, RoleDefinition), Failure> {
    // A file needs no wallet.
    if Path::new(name).is_file() {
        return read_definition(Path::new(name));
    }
    definition(&global.wallet()?, name)
}

fn show(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    args.output.check()?;
    let (id, definition) = find(global, &args.role)?;
    let (_, bytes) = definition.encode()?;
    let pretty = serde_json::to_string_pretty(&definition).unwrap_or_default();
    let json = json!({"cid": id, "definition": definition});
    let answer = Answer::new("gridpass.role.show/1", json, format!("CID {id}\n{pretty}"));
    if args.output.output.is_none() {
        return Ok(answer);
    }
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer.with_raw(raw),
        None => answer,
    })
}

fn publish(global: &GlobalArgs, args: &PublishArgs) -> Outcomes {
    let (id, definition) = find(global, &args.role)?;
    let (_, bytes) = definition.encode()?;
    let mut store = args.store.open(global)?;
    let kept = store.publish(&PublicDocument::read(&bytes)?)?;
    let json = json!({
        "cid": id,
        "name": definition.name,
        "version": definition.version,
        "store": store.name(),
        "at": kept.at,
    });
    let text = format!(
        "Role {} {} is published\n  CID  {id}\n{}next: gridpass ipfs fetch {id}",
        definition.name,
        shown(&definition.version),
        kept_at(&kept)
    );
    Ok(Answer::new("gridpass.role.publish/1", json, text))
}

fn list(global: &GlobalArgs) -> Outcomes {
    let wallet = global.wallet()?;
    let all = keeping::definitions(&wallet)?;
    let charter = keeping::pinned(&wallet, crate::context::now()).ok();
    let now = crate::context::now();
    let listed = |id: &ContentId| charter.as_ref().and_then(|t| t.charter().charter().role(id));
    let state = |id: &ContentId| match listed(id) {
        Some(role) if role.is_retired(now) => "retired",
        Some(_) => "in force",
        None => "not listed",
    };
    let ends = |id: &ContentId| listed(id).and_then(|role| role.retired).filter(|t| *t > now);
    let rows: Vec<_> = all
        .iter()
        .map(|(id, d)| {
            json!({"cid": id, "name": d.name, "version": d.version, "title": d.title, "state": state(id), "retires": ends(id)})
        })
        .collect();
    let text: String = all
        .iter()
        .map(|(id, d)| {
            let ends = ends(id).map(|t| format!("  (retires on {t})")).unwrap_or_default();
            format!(
                "{:<28} {:<8} {:<10} {id}  {}{ends}\n",
                d.name.as_str(),
                shown(&d.version),
                state(id),
                shown(&d.title)
            )
        })
        .collect();
    let text = if text.is_empty() {
        "There are no definitions.\nnext: gridpass role define NAME".into()
    } else {
        text
    };
    Ok(Answer::new("gridpass.role.list/1", json!({"roles": rows}), text))
}

fn diff(global: &GlobalArgs, args: &DiffArgs) -> Outcomes {
    let (old_id, old) = find(global, &args.old)?;
    let (new_id, new) = find(global, &args.new)?;
    let value = |d: &RoleDefinition| serde_json::to_value(d).unwrap_or_default();
    let changes = differences(&value(&old), &value(&new));
    let text: String = changes.iter().map(ToString::to_string).collect();
    let text = if changes.is_empty() { "They are the same.".to_owned() } else { text };
    let json = json!({"old": old_id, "new": new_id, "changes": changes});
    Ok(Answer::new("gridpass.role.diff/1", json, text))
}
