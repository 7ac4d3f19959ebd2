//! `gridpass audit`: evidence bundles, written by who took part and verified by who did not.

mod csv;
mod diff;
mod export;
mod html;
mod text;
mod verify;

use crate::context::{GlobalArgs, read_input};
use crate::help;
use crate::output::{Failure, Outcomes};
use clap::Subcommand;
use gridpass_messaging::bundle::MAX_BUNDLE;
use std::path::Path;

/// Evidence bundles: write one, verify it without a network, compare two
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass audit export --channel flex.gb.bids -o bids.car\n  \
     gridpass audit verify bids.car --trust trust.json --html report.html\n  \
     gridpass audit diff north.car flexgen.car"
))]
pub enum AuditCommand {
    Export(export::ExportArgs),
    Verify(verify::VerifyArgs),
    Diff(diff::DiffArgs),
}

pub fn run(global: &GlobalArgs, command: &AuditCommand) -> Outcomes {
    match command {
        AuditCommand::Export(args) => export::run(global, args),
        AuditCommand::Verify(args) => verify::run(global, args),
        AuditCommand::Diff(args) => diff::run(args),
    }
}

/// The bytes of a bundle.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_input(path, MAX_BUNDLE)
}
