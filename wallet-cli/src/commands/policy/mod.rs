//! `gridpass policy`: what a channel decides, before anybody relies on it and after.

mod explain;
mod lint;
mod simulate;
mod test;

use crate::context::GlobalArgs;
use crate::help;
use crate::output::Outcomes;
use clap::Subcommand;

/// Look policies over, test them, and explain what they decide
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass policy lint bids.json\n  \
     gridpass policy test bids.cases.json\n  \
     gridpass policy explain bids.cases.json --case 'A bid for another zone'"
))]
pub enum PolicyCommand {
    Lint(lint::LintArgs),
    Test(test::TestArgs),
    Explain(explain::ExplainArgs),
    Simulate(Box<simulate::SimulateArgs>),
}

pub fn run(global: &GlobalArgs, command: &PolicyCommand) -> Outcomes {
    match command {
        PolicyCommand::Lint(args) => lint::run(global, args),
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Explain(args) => explain::run(global, args),
        PolicyCommand::Simulate(args) => simulate::run(global, args),
    }
}
