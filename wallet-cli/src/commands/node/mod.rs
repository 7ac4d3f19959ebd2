//! `gridpass node`, `send`, `listen`, `inbox`, `outbox`, `receipts` and `config`: the message layer.

mod add;
pub mod client;
mod contradiction;
mod figures;
mod file;
mod file_content;
mod half_file;
mod manage;
mod messages;
mod run;
mod status;

pub use file::{FileCommand, file};
pub use messages::{InboxArgs, ListenArgs, OutboxArgs, ReceiptsArgs, SendArgs};
pub use messages::{inbox, listen, outbox, receipts, send};
pub use run::node_identity;
pub use status::{TROUBLES, ending, left_aside, not_signed, schema_missing, silence, unread};

use crate::codes;
use crate::context::GlobalArgs;
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::warnings::warn;
use clap::{Args, Subcommand};
use gridpass_messaging::codes as messaging_codes;
use gridpass_messaging::node::{NodeSettings, folder_of};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Run a node, and look after it
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass node add trust.json bids.signed.json presentation.json\n  \
     gridpass node run                    until it is stopped, by Ctrl-C or `gridpass node stop`\n  \
     gridpass node invite --channel bafkrei…\n  \
     gridpass node join gridpass-join-1:…"
))]
pub enum NodeCommand {
    Run(run::RunArgs),
    Add(add::AddArgs),
    Status(status::StatusArgs),
    Lists(manage::ListsArgs),
    Peers(manage::PeersArgs),
    Invite(manage::InviteArgs),
    Join(manage::JoinArgs),
    Leave(manage::LeaveArgs),
    Block(manage::BlockArgs),
    Unblock(manage::UnblockArgs),
    Check(manage::CheckArgs),
    Stop(manage::StopArgs),
}

/// The node's configuration
#[derive(Subcommand)]
#[command(after_help = help!("  gridpass config show\n  gridpass config show > node.toml"))]
pub enum ConfigCommand {
    Show(ShowArgs),
}

/// Print the configuration that the node runs with: every setting, with its default
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass config show\n  \
     gridpass config show > node.toml     then edit it, and: gridpass node run --config node.toml"
))]
pub struct ShowArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// The configuration file [default: node.toml in the node's folder, where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub fn run(global: &GlobalArgs, command: &NodeCommand) -> Outcomes {
    match command {
        NodeCommand::Run(args) => run::run(global, args),
        NodeCommand::Add(args) => add::add(global, args),
        NodeCommand::Status(args) => status::status(global, args),
        NodeCommand::Lists(_) => manage::lists(global),
        NodeCommand::Peers(_) => manage::peers(global),
        NodeCommand::Invite(args) => manage::invite(global, args),
        NodeCommand::Join(args) => manage::join(global, args),
        NodeCommand::Leave(args) => manage::leave(global, args),
        NodeCommand::Block(args) => manage::block(global, &args.node, true),
        NodeCommand::Unblock(args) => manage::block(global, &args.node, false),
        NodeCommand::Check(_) => manage::check(global),
        NodeCommand::Stop(_) => manage::stop(global),
    }
}

pub fn config(global: &GlobalArgs, command: &ConfigCommand) -> Outcomes {
    let ConfigCommand::Show(args) = command;
    let (settings, file) = args.config.read(global)?;
    let text = toml::to_string_pretty(&settings)
        .map_err(|e| Failure::new(messaging_codes::NODE_CONFIGURATION, e.to_string()))?;
    let from = file.map_or("the defaults".to_owned(), |f| f.display().to_string());
    let json = json!({"settings": settings, "from": from});
    Ok(Answer::new("gridpass.config.show/1", json, format!("# from {from}\n{text}")))
}

impl ConfigArgs {
    /// The settings, and the file that they are from.
    fn read(&self, global: &GlobalArgs) -> Result<(NodeSettings, Option<PathBuf>), Failure> {
        let usual = folder(global).map(|f| f.join("node.toml"));
        let path = match &self.config {
            Some(path) => path.clone(),
            None => match usual.ok().filter(|p| p.is_file()) {
                Some(path) => path,
                None => return Ok((NodeSettings::default(), None)),
            },
        };
        let malformed = |e: String| {
            let message = format!("{}: {e}", path.display());
            Failure::new(messaging_codes::NODE_CONFIGURATION, message)
        };
        let bytes = crate::context::read_input(&path, 1024 * 1024)?;
        let text = String::from_utf8(bytes).map_err(|e| malformed(e.to_string()))?;
        let settings: NodeSettings = toml::from_str(&text).map_err(|e| {
            // Where it is stands in the first line of several.
            let place = e.to_string().lines().next().unwrap_or_default().to_owned();
            malformed(format!("{place}: {}", e.message()))
        })?;
        if settings.version != 1 {
            return Err(malformed(format!("its version is {}, and 1 is known", settings.version)));
        }
        settings.network.check().map_err(malformed)?;
        Ok((settings, Some(path)))
    }
}

/// The folder of the profile's node.
pub fn folder(global: &GlobalArgs) -> Result<PathBuf, Failure> {
    Ok(folder_of(&global.profile_dir(&global.profile()?)?))
}

/// A file's bytes, and its name for people.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    crate::context::read_input(path, gridpass_messaging::node::MAX_FILE)
}

/// Warns of recipients of a sealed message who have no node that is known, as `send` answered.
fn warn_of_absent(sent: &Value) {
    let absent = sent.get("recipientsWithoutNode").and_then(Value::as_array);
    for did in absent.into_iter().flatten().filter_map(Value::as_str) {
        warn(
            None,
            format!("no node of {did} that may read this is known yet; see that the DID is right"),
        );
    }
}

/// A code by its name: what a node answered.
pub fn code_of(id: &str) -> gridpass_identity::code::Code {
    codes::all().into_iter().find(|c| c.id() == id).unwrap_or(messaging_codes::NODE_REQUEST)
}
