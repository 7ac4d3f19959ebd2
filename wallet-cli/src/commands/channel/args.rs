//! The arguments of `gridpass channel` and `gridpass topic`.

use crate::context::OutputArgs;
use crate::help;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Describe channels: who may publish and subscribe, and about what
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass channel new flex.gb.bids --publish flex.gb.aggregator --topic bids=bid.json\n  \
     gridpass channel sign bids.json -o bids.signed.json\n  \
     gridpass channel show bids.signed.json"
))]
pub enum ChannelCommand {
    New(Box<NewArgs>),
    Sign(SignArgs),
    Show(ShowArgs),
    List(ListArgs),
    Diff(DiffArgs),
    Remove(RemoveArgs),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModeArg {
    /// To every subscriber
    Broadcast,
    /// To the recipients that a message names
    Multicast,
    /// To exactly one recipient
    Unicast,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum SealingArg {
    /// Everybody on the way can read payloads
    None,
    /// Only members can
    Members,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum IndeterminateArg {
    /// What cannot be decided is denied
    Deny,
    /// A visa that cannot be decided counts as held
    Allow,
}

/// Write the draft of a channel's descriptor, to be edited and signed
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass channel new flex.gb.bids --title 'Bids for flexibility' \\\n      \
     --publish flex.gb.aggregator:visa.zone==message.zone --subscribe flex.gb.dso \\\n      \
     --topic bids=bid.schema.json --attribute bids.zone=text:/zone -o bids.json\n  \
     gridpass channel new flex.gb.orders --mode unicast --publish flex.gb.dso \\\n      \
     --topic orders=uftp.json --media-type application/xml --sealing members -o orders.json\n\n\
     A requirement on the command line is ROLE or ROLE:COMPARISON; everything else that\n\
     spec/channel.md knows is written into the draft by hand."
))]
pub struct NewArgs {
    /// The channel's name in its namespace, such as flex.gb.bids
    pub name: String,
    /// The channel in a few words [default: the name]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// To how many a message goes
    #[arg(long, value_enum, default_value = "broadcast")]
    pub mode: ModeArg,
    /// A role that senders must hold; several: any of them
    #[arg(long, value_name = "ROLE[:COMPARISON]", required = true)]
    pub publish: Vec<String>,
    /// A role that receivers must hold; several: any of them [default: those who publish]
    #[arg(long, value_name = "ROLE")]
    pub subscribe: Vec<String>,
    /// A role whose holders keep sealed messages for others, and read none; several: any of them
    #[arg(long, value_name = "ROLE")]
    pub keep: Vec<String>,
    /// A topic and the file with its schema
    #[arg(long, value_name = "NAME=SCHEMA", required = true)]
    pub topic: Vec<String>,
    /// The media type of every topic named here
    #[arg(long, value_name = "TYPE", default_value = "application/json")]
    pub media_type: String,
    /// An attribute of a topic's messages: TOPIC.NAME=TYPE, and where the payload says the same
    #[arg(long, value_name = "TOPIC.NAME=TYPE[:PATH]")]
    pub attribute: Vec<String>,
    /// Who can read payloads
    #[arg(long, value_enum, default_value = "none")]
    pub sealing: SealingArg,
    /// How long peers keep messages
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub retention: String,
    /// Whether who joins later may have what was sent before
    #[arg(long)]
    pub history: bool,
    /// Recipients confirm what they were delivered
    #[arg(long)]
    pub receipts: bool,
    /// The largest payload, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 65536)]
    pub max_payload: u64,
    /// The most messages of one sender in a minute
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub max_per_minute: u64,
    /// The longest time that a message may count
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub max_lifetime: String,
    /// The most recipients of one message
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub max_recipients: u64,
    /// How old the status of a visa may be
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub max_status_age: String,
    /// How far a sender's clock may be off
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub clock_skew: String,
    /// What becomes of what cannot be decided
    #[arg(long, value_enum, default_value = "deny")]
    pub indeterminate: IndeterminateArg,
    /// The data-use terms, an ODRL policy in a file
    #[arg(long, value_name = "FILE")]
    pub terms: Option<PathBuf>,
    /// The owner [default: your identity]
    #[arg(long, value_name = "DID")]
    pub owner: Option<String>,
    /// The trust framework: the CID of its first charter [default: of the pinned one]
    #[arg(long, value_name = "CID")]
    pub framework: Option<String>,
    /// The identity that owns it, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    pub identity: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Sign a descriptor as its owner, and keep it in the wallet
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass channel sign bids.json -o bids.signed.json\n  \
     gridpass channel sign bafkrei… -o again.json     anew, after your key was marked as stolen\n  \
     gridpass channel sign bids-2b.json --fork -o bids-2b.signed.json"
))]
pub struct SignArgs {
    /// The descriptor; - for standard input. Or the CID of one that the wallet keeps, to sign it anew
    pub file: PathBuf,
    /// Sign it although another descriptor of this version of the channel is signed: nodes take one of them
    #[arg(long)]
    pub fork: bool,
    /// The identity that signs, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    pub identity: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Show a channel in words: a file, or one of the wallet's by name or CID
#[derive(Args)]
#[command(after_help = help!("  gridpass channel show bids.signed.json\n  gridpass channel show flex.gb.bids --json"))]
pub struct ShowArgs {
    /// File, name or CID
    pub channel: String,
}

/// List the channels in the wallet and in the pinned charter
#[derive(Args)]
#[command(after_help = help!("  gridpass channel list\n  gridpass channel list --json"))]
pub struct ListArgs {}

/// Remove a channel from this wallet, such as one that was signed by mistake. Nobody who was given it is told
#[derive(Args)]
#[command(after_help = help!("  gridpass channel list\n  gridpass channel remove bafkrei…"))]
pub struct RemoveArgs {
    /// CID; name only where the wallet has no other version of it
    pub channel: String,
}

/// Show what differs between two channels, and whether the second may follow the first
///
/// Where it may not, the exit status is 10.
#[derive(Args)]
#[command(after_help = help!("  gridpass channel diff old.json new.json\n  gridpass channel diff flex.gb.bids new.json"))]
pub struct DiffArgs {
    /// File, name or CID
    pub old: String,
    /// File, name or CID
    pub new: String,
}

/// Add topics to channels, and compare their schemas
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass topic add bids.json bids --schema bid-2.schema.json -o bids-2.json\n  \
     gridpass topic add bids.json answers --schema answer.json --answers bids -o b2.json"
))]
pub enum TopicCommand {
    Add(Box<AddArgs>),
    Check(crate::commands::schema::CheckArgs),
}

/// Add a topic to a channel, or a new version to a topic
///
/// A signed descriptor is immutable: its next version is written, as a draft.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass topic add bids.json bids --schema bid-2.schema.json -o bids-2.json\n  \
     gridpass topic add bids.json answers --schema answer.schema.json --answers bids \\\n      \
     --attribute zone=text:/zone -o bids-2.json"
))]
pub struct AddArgs {
    /// The channel: a file, or one of the wallet's by name or CID
    pub channel: String,
    /// The topic's name
    pub topic: String,
    /// The file with the schema
    #[arg(long, value_name = "FILE")]
    pub schema: PathBuf,
    /// The media type [default: the last version's, or application/json]
    #[arg(long, value_name = "TYPE")]
    pub media_type: Option<String>,
    /// The topic in a few words [default: its name]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// An attribute of its messages, and where the payload says the same
    #[arg(long, value_name = "NAME=TYPE[:PATH]")]
    pub attribute: Vec<String>,
    /// It answers this topic
    #[arg(long, value_name = "TOPIC")]
    pub answers: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}
