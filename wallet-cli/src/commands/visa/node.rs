//! Authorising nodes.

use super::write_parcel;
use crate::commands::arguments::parse_duration;
use crate::commands::restored::warn_of_lists;
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, OutputArgs, now, rng};
use crate::help;
use crate::output::{Answer, Done, Failure, Outcomes, counted};
use clap::{Args, ValueEnum};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::issuing::{Issuer, NewAuthorisation};
use gridpass_credentials::keeping;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_identity::did::Did;
use gridpass_identity::key::KeyType;
use gridpass_identity::method::key::to_public_key;
use gridpass_identity::resolve::check_did;
use serde_json::json;

/// What a node may do, on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum PurposeArg {
    /// Sign envelopes and receipts
    Messages,
    /// Be handed the keys of sealed channels
    Sealing,
}

/// Let a node's key act for you, for a short time
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa authorise-node did:key:z6Mk… -o node-1.json\n  \
     gridpass visa authorise-node did:key:z6Mk… --channel bafkrei… --validity 7d -o node-1.json\n  \
     gridpass visa revoke did:key:z6Mk… -o lists.json      when the node is lost"
))]
pub struct AuthoriseArgs {
    /// The node's DID, as `gridpass id new --node` printed it
    node: String,
    /// What it may do [default: both]
    #[arg(long = "purpose", value_enum)]
    purposes: Vec<PurposeArg>,
    /// In this channel, by CID [default: all channels]
    #[arg(long = "channel", value_name = "CID")]
    channels: Vec<String>,
    /// For how long, at most 90d
    #[arg(long, value_name = "TIME", default_value = "30d")]
    validity: String,
    /// The identity that authorises, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn authorise(global: &GlobalArgs, args: &AuthoriseArgs) -> Outcomes {
    warn_of_lists(global);
    args.output.check()?;
    let node = Did::parse(&args.node)?;
    if node.method() != "key" {
        let message = format!("{node} is no node's: a node is always a did:key");
        return Err(Failure::new(crate::codes::USAGE, message).next(
            "Make the node's own identity in the node's wallet, `gridpass id new --name node-1 \
             --method key --node`, and authorise the DID that it prints.",
        ));
    }
    // One that is cut short names no key, and nobody could ever act by it.
    check_did(&node)?;
    if to_public_key(&node)?.key_type() != KeyType::Ed25519 {
        let message = format!("{node} is no node's: its peers know a node by its Ed25519 key");
        return Err(Failure::new(gridpass_identity::codes::KEY_TYPE_UNSUITABLE, message)
            .next("Authorise the DID that `gridpass id new --name node-1 --node` prints."));
    }
    let channels = args.channels.iter().map(|c| ContentId::parse(c)).collect::<Result<_, _>>()?;
    let purposes = match args.purposes.as_slice() {
        [] => NodePurpose::ALL.into_iter().collect(),
        named => named
            .iter()
            .map(|p| match p {
                PurposeArg::Messages => NodePurpose::Messages,
                PurposeArg::Sealing => NodePurpose::Sealing,
            })
            .collect(),
    };
    let validity_millis = parse_duration(&args.validity)?;
    let mut wallet = global.wallet()?;
    let me = identity(&wallet, args.identity.as_deref())?;
    let trust = keeping::pinned(&wallet, now())?;
    let new = NewAuthorisation {
        node: &node,
        purposes,
        channels: (!args.channels.is_empty()).then_some(channels),
        validity_millis,
    };
    let mut issuer = Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
    let made = issuer.authorise_node(&new, &mut rng()).map_err(|e| {
        Failure::from(e).look(
            "Look whether it is made: `gridpass visa list --issued`. If it is, do not make it again: `gridpass \
             visa export ID -o node.json` writes its file.",
        )
    });
    let (authorisation, text, list) = made?;
    let mut parcel = Parcel::new(ParcelKind::NodeAuthorisation, Some(text));
    parcel.status_lists.push(list.secured().text().to_owned());
    let json = json!({"authorisation": authorisation});
    let names: Vec<_> = authorisation.purposes.iter().map(|p| p.name()).collect();
    let text = format!(
        "{node} acts for {}\n  for              {}\n  in               {}\n  until            {}\n\
         next: copy the file to the node, and each day what `gridpass status publish -o lists.json` writes here: a node \
         whose organisation's list is a day old is not believed",
        authorisation.principal,
        names.join(", "),
        match &authorisation.channels {
            None => "all channels".to_owned(),
            Some(list) => counted(list.len(), "channel", "channels"),
        },
        authorisation.valid_until
    );
    let id = &authorisation.id;
    let made = || Done {
        json: json!({"authorisation": id}),
        sentence: format!("the authorisation {id} is made"),
        next: format!(
            "Get its file with `gridpass visa export {id} -o node.json`, or end it with `gridpass visa \
             revoke {id}`."
        ),
    };
    let answer = Answer::new("gridpass.visa.authorise-node/1", json, text);
    let answer = Answer { done: Some(made()), ..answer };
    write_parcel(parcel, &wallet, &[me.did], &args.output, answer)
        .map_err(|e| made().all_the_same(e))
}
