//! `gridpass ipfs`: documents by their CIDs, at the own node, its peers or a Kubo node.

use crate::content::{StoreArgs, kept_at};
use crate::context::{GlobalArgs, OutputArgs};
use crate::help;
use crate::output::{Answer, Outcomes};
use crate::shown::shown;
use clap::{Args, Subcommand};
use gridpass_credentials::content_id::ContentId;
use gridpass_messaging::content::fetch as fetch_from;
use serde_json::{Value, json};

/// Role definitions and charters by their CIDs: see who has them, keep them, fetch them
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass ipfs status\n  \
     gridpass ipfs fetch bafkrei… --from peers --out aggregator.json\n  \
     gridpass ipfs pin bafkrei… --kubo http://127.0.0.1:5001"
))]
pub enum IpfsCommand {
    Status(StatusArgs),
    Pin(PinArgs),
    Fetch(FetchArgs),
}

/// How a store is, and who has a document
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass ipfs status                             what the running node gives, and to whom\n  \
     gridpass ipfs status bafkrei…                    which peers have it\n  \
     gridpass ipfs status bafkrei… --kubo http://127.0.0.1:5001 --json"
))]
pub struct StatusArgs {
    /// A document
    cid: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Keep a document from now on, which is fetched if it is not there
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass ipfs pin bafkrei…                       the running node keeps and gives it\n  \
     gridpass ipfs pin bafkrei… --to peers            its peers keep it too\n  \
     gridpass ipfs pin bafkrei… --kubo http://127.0.0.1:5001"
))]
pub struct PinArgs {
    /// The document
    cid: String,
    #[command(flatten)]
    store: StoreArgs,
}

/// Print or write a document, only if its bytes hash to its CID
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass ipfs fetch bafkrei…                     of the running node\n  \
     gridpass ipfs fetch bafkrei… --from peers --out aggregator.json\n  \
     gridpass ipfs fetch bafkrei… --kubo http://127.0.0.1:5001 --json"
))]
pub struct FetchArgs {
    /// The document
    cid: String,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(global: &GlobalArgs, command: &IpfsCommand) -> Outcomes {
    match command {
        IpfsCommand::Status(args) => status(global, args),
        IpfsCommand::Pin(args) => pin(global, args),
        IpfsCommand::Fetch(args) => fetch(global, args),
    }
}

fn status(global: &GlobalArgs, args: &StatusArgs) -> Outcomes {
    let id = args.cid.as_deref().map(ContentId::parse).transpose()?;
    let mut store = args.store.open(global)?;
    let mut status = store.status(id.as_ref())?;
    if let Some(map) = status.as_object_mut() {
        map.insert("store".into(), json!(store.name()));
    }
    let mut text = format!("store      {}\n", store.name());
    for (name, label) in
        [("kubo", "version"), ("peer", "peer"), ("documents", "documents"), ("bytes", "bytes")]
    {
        match status.get(name) {
            Some(Value::String(said)) => text.push_str(&format!("{label:<10} {}\n", shown(said))),
            Some(said) => text.push_str(&format!("{label:<10} {}\n", shown(said))),
            None => {}
        }
    }
    for peer in texts(&status, "peers") {
        text.push_str(&format!("connected  {}\n", shown(peer)));
    }
    if let Some(id) = &id {
        text.push_str(&format!("\n{id}\n"));
        let is = |name: &str| status.get(name) == Some(&Value::Bool(true));
        text.push_str(match (is("here"), is("pinned")) {
            (true, true) => "  here, and kept from now on\n",
            (true, false) => "  here\n",
            (false, _) => "  not here\n",
        });
        for peer in texts(&status, "at") {
            text.push_str(&format!("  at {}\n", shown(peer)));
        }
    }
    Ok(Answer::new("gridpass.ipfs.status/1", status, text))
}

fn texts<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    let all = value.get(name).and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str)
}

fn pin(global: &GlobalArgs, args: &PinArgs) -> Outcomes {
    let id = ContentId::parse(&args.cid)?;
    let mut store = args.store.open(global)?;
    let kept = store.pin(&id)?;
    let text = format!("{id} is kept\n{}", kept_at(&kept));
    let json = json!({"cid": id, "store": store.name(), "at": kept.at});
    Ok(Answer::new("gridpass.ipfs.pin/1", json, text))
}

fn fetch(global: &GlobalArgs, args: &FetchArgs) -> Outcomes {
    args.output.check()?;
    let id = ContentId::parse(&args.cid)?;
    let mut store = args.store.open(global)?;
    let given = fetch_from(store.as_mut(), &id)?;
    for peer in &given.altered {
        crate::warnings::warn(None, format!("{peer} sent bytes that are not those of {id}"));
    }
    let json = json!({
        "cid": id,
        "store": store.name(),
        "from": given.from,
        "altered": given.altered,
        "bytes": given.bytes.len(),
    });
    let text = format!("{id}\n  {} bytes from {}", given.bytes.len(), shown(&given.from));
    let answer = Answer::new("gridpass.ipfs.fetch/1", json, text);
    Ok(match args.output.write(given.bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}
