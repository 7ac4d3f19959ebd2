//! What `gridpass charter` takes.

use crate::commands::replacing::ReplaceArgs;
use crate::content::MaybeStoreArgs;
use crate::context::OutputArgs;
use crate::help;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Charters: who the roots are, which roles count, who must sign a change
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass charter new 'Flexibility in Great Britain' --role flex.gb.aggregator\n  \
     gridpass charter pack -o trust.json           what every participant pins\n  \
     gridpass charter verify trust.json --adopt    pin it in your own wallet"
))]
pub enum CharterCommand {
    New(NewArgs),
    Sign(SignArgs),
    AddRole(AddRoleArgs),
    Retire(RetireArgs),
    Amend(AmendArgs),
    Publish(PublishArgs),
    Show(ShowArgs),
    Verify(VerifyArgs),
    Pack(PackArgs),
}

/// Make the first charter of a trust framework and sign it
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass charter new 'Flexibility in Great Britain' --role flex.gb.aggregator\n  \
     gridpass charter new 'Nordic flexibility' --role flex.no.bidder \\\n      \
     --signer did:webvh:… --signer did:webvh:… --signer did:webvh:… --threshold 2 -o charter.json"
))]
pub struct NewArgs {
    /// The framework's name
    pub name: String,
    /// A role definition to list, by name, CID or file
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// A root, by DID [default: the signers]
    #[arg(long = "root", value_name = "DID")]
    pub roots: Vec<String>,
    /// Who signs charters, by DID [default: your identity]
    #[arg(long = "signer", value_name = "DID")]
    pub signers: Vec<String>,
    /// How many of the signers must sign [default: all]
    #[arg(long, value_name = "K")]
    pub threshold: Option<usize>,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// What commands that sign a charter take.
#[derive(Args)]
pub struct CommonArgs {
    /// The identity that signs, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    pub identity: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// For whoever signed another draft of the same version before.
#[derive(Args)]
pub struct InsteadArgs {
    /// In place of drafts of the same version that you signed before, which are dropped here
    #[arg(long)]
    pub instead: bool,
}

/// Sign a charter that another signer made or changed
///
/// Refused is one that you are no signer of, one that lists a definition that is neither in the file nor in
/// your wallet, and a second one of the same version, unless --instead says so.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass charter sign charter.json -o charter-signed.json\n  \
     (read it first: gridpass charter show charter.json)"
))]
pub struct SignArgs {
    /// The charter, as its maker sent it; - for standard input
    pub file: PathBuf,
    #[command(flatten)]
    pub instead: InsteadArgs,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// List further role definitions, as the charter's next version
#[derive(Args)]
#[command(after_help = help!("  gridpass charter add-role flex.gb.supplier flex.gb.bidder"))]
pub struct AddRoleArgs {
    /// Definitions, by name, CID or file
    #[arg(required = true)]
    pub roles: Vec<String>,
    #[command(flatten)]
    pub instead: InsteadArgs,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Retire a role definition, as the charter's next version
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass charter retire flex.gb.aggregator --grace 90d\n  \
     gridpass charter retire bafkrei… --on 2026-06-01T00:00:00Z"
))]
pub struct RetireArgs {
    /// The definition, by name (if only one is in force) or CID
    pub role: String,
    /// How long visas issued before still count
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub grace: String,
    /// From when on no visa of it is issued (RFC 3339, UTC) [default: now]
    #[arg(long, value_name = "TIME")]
    pub on: Option<String>,
    #[command(flatten)]
    pub instead: InsteadArgs,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Change roots, signers or the threshold, as the charter's next version
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass charter amend --add-signer did:webvh:… --threshold 2\n  \
     gridpass charter amend --remove-root did:webvh:…"
))]
pub struct AmendArgs {
    /// A new root
    #[arg(long, value_name = "DID")]
    pub add_root: Vec<String>,
    /// A root that is none any more; what was revoked by visas that it issued is named, where that hangs on it
    #[arg(long, value_name = "DID")]
    pub remove_root: Vec<String>,
    /// A new signer
    #[arg(long, value_name = "DID")]
    pub add_signer: Vec<String>,
    /// A signer that is none any more
    #[arg(long, value_name = "DID")]
    pub remove_signer: Vec<String>,
    /// How many signers must sign from now on
    #[arg(long, value_name = "K")]
    pub threshold: Option<usize>,
    /// A channel to list under a name; it replaces the one that is listed under it
    #[arg(long, value_name = "NAME=CID")]
    pub channel: Vec<String>,
    /// A payload schema to list under a name; it replaces the one that is listed under it
    #[arg(long, value_name = "NAME=CID")]
    pub schema: Vec<String>,
    #[command(flatten)]
    pub instead: InsteadArgs,
    #[command(flatten)]
    pub common: CommonArgs,
}

/// Put the signatures of several signers together, and pin the charter if they suffice
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass charter publish from-no.json from-se.json -o trust.json\n  \
     (writes the trust pack; send it to every participant)\n  \
     gridpass charter publish --to peers              charter, pack and definitions, by their CIDs\n  \
     gridpass charter publish --kubo http://127.0.0.1:5001"
))]
pub struct PublishArgs {
    /// Copies of the same charter, each with one or more signatures [default: the one in force]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub store: MaybeStoreArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Show a charter: the pinned one, or a file's with what it changes. Nothing is verified
#[derive(Args)]
#[command(after_help = help!("  gridpass charter show\n  gridpass charter show charter.json --json"))]
pub struct ShowArgs {
    /// A charter or trust pack; - for standard input
    pub file: Option<PathBuf>,
}

/// Verify a trust pack: its signatures, its history, its definitions
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass charter verify trust.json --pin bafkrei…\n  \
     gridpass charter verify trust.json --adopt     pin it in your wallet\n  \
     gridpass charter verify trust.json --pin bafkrei… --adopt     in place of another framework's, or of a\n  \
     charter that contradicts it, where its signers agreed on this one\n  \
     gridpass charter verify trust.json --adopt --replace-log did:webvh:…=4-Qm…\n  \
     (the last where a thief's end of a root's log was learned first: it says which keys end, and asks)"
))]
pub struct VerifyArgs {
    /// The trust pack; - for standard input
    pub pack: PathBuf,
    /// The CID that it must have, as its signers told you
    #[arg(long, value_name = "CID")]
    pub pin: Option<String>,
    /// Judge as of this time (RFC 3339, UTC) [default: now]
    #[arg(long, value_name = "TIME", conflicts_with = "adopt")]
    pub at: Option<String>,
    /// Pin it in the wallet; in place of another framework's, or of one that it contradicts, only with --pin, and
    /// never in place of a newer one
    #[arg(long)]
    pub adopt: bool,
    #[command(flatten)]
    pub replace: ReplaceArgs,
    /// Compare it with the one that is pinned in the wallet: is it newer, older, a contradiction?
    #[arg(long, conflicts_with = "adopt")]
    pub compare: bool,
}

/// Write the pinned trust pack, for others to pin
#[derive(Args)]
#[command(after_help = help!("  gridpass charter pack -o trust.json"))]
pub struct PackArgs {
    #[command(flatten)]
    pub output: OutputArgs,
}
