//! `gridpass`: the command line of Gridpass, for officers, operators and auditors.
//!
//! Each command is one function from its arguments to an [`output::Answer`] or an
//! [`output::Failure`]; printing and the exit status are decided here and nowhere else.

#![allow(unreachable_pub)] // a binary has no callers; `pub` here means: for the other modules

mod beside;
mod codes;
mod commands;
mod confirming;
mod content;
mod context;
mod csv;
mod fetch;
mod output;
mod panics;
mod resolving;
mod secrets;
mod shown;
mod warnings;

use anstyle::{AnsiColor, Style};
use clap::{Parser, Subcommand};
use context::GlobalArgs;
use output::{Answer, Failure, Outcomes};
use std::process::ExitCode;

/// A node asks for memory many times for each message, from several threads.
#[global_allocator]
static MEMORY: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit statuses, in the help of every command.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\nExit codes: 0 ok, 1 internal, 2 usage, 3 configuration, 4 locked, 5 not found, \
             6 network, 7 timeout, 8 conflict, 10 failed verification, 11 indeterminate, \
             12 expired, 13 revoked, 14 untrusted, 15 denied, 16 malformed"
        )
    };
}
pub(crate) use help;

/// Identities, visas and messages for the energy sector, without a hub
#[derive(Parser)]
#[command(
    name = "gridpass",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = help!(
        "  gridpass demo                        see it work, in a folder that is thrown away\n  \
         gridpass init --name dso-north       make a wallet\n  \
         gridpass id new --name root --method webvh --location dso-north.example\n  \
         gridpass explain GP-KEY-ROTATED      what a code means and what to do"
    )
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(commands::init::InitArgs),
    #[command(subcommand)]
    Id(commands::id::IdCommand),
    #[command(subcommand)]
    Role(commands::role::RoleCommand),
    #[command(subcommand)]
    Charter(commands::charter::CharterCommand),
    #[command(subcommand)]
    Visa(Box<commands::visa::VisaCommand>),
    #[command(subcommand)]
    Status(commands::status::StatusCommand),
    #[command(subcommand)]
    Channel(commands::channel::ChannelCommand),
    #[command(subcommand)]
    Topic(commands::channel::TopicCommand),
    #[command(subcommand)]
    Schema(commands::schema::SchemaCommand),
    #[command(subcommand)]
    Policy(commands::policy::PolicyCommand),
    #[command(subcommand)]
    Wallet(commands::wallet::WalletCommand),
    #[command(subcommand)]
    Node(commands::node::NodeCommand),
    Send(commands::node::SendArgs),
    Listen(commands::node::ListenArgs),
    Inbox(commands::node::InboxArgs),
    Outbox(commands::node::OutboxArgs),
    Receipts(commands::node::ReceiptsArgs),
    #[command(subcommand)]
    File(commands::node::FileCommand),
    #[command(subcommand)]
    Ipfs(commands::ipfs::IpfsCommand),
    #[command(subcommand)]
    Audit(commands::audit::AuditCommand),
    #[command(subcommand)]
    Config(commands::node::ConfigCommand),
    Sign(commands::sign::SignArgs),
    VerifySignature(commands::sign::VerifyArgs),
    Seal(commands::seal::SealArgs),
    Open(commands::seal::OpenArgs),
    Demo(commands::demo::DemoArgs),
    VcApi(commands::vc_api::VcApiArgs),
    Doctor(commands::doctor::DoctorArgs),
    Explain(commands::explain::ExplainArgs),
    Completions(commands::generate::CompletionsArgs),
    Man(commands::generate::ManArgs),
}

fn run(cli: &Cli) -> Outcomes {
    let global = &cli.global;
    match &cli.command {
        Command::Init(args) => commands::init::run(global, args),
        Command::Id(command) => commands::id::run(global, command),
        Command::Role(command) => commands::role::run(global, command),
        Command::Charter(command) => commands::charter::run(global, command),
        Command::Visa(command) => commands::visa::run(global, command),
        Command::Status(command) => commands::status::run(global, command),
        Command::Channel(command) => commands::channel::run(global, command),
        Command::Topic(command) => commands::channel::run_topic(global, command),
        Command::Schema(command) => commands::schema::run(global, command),
        Command::Policy(command) => commands::policy::run(global, command),
        Command::Wallet(command) => commands::wallet::run(global, command),
        Command::Node(command) => commands::node::run(global, command),
        Command::Send(args) => commands::node::send(global, args),
        Command::Listen(args) => commands::node::listen(global, args),
        Command::Inbox(args) => commands::node::inbox(global, args),
        Command::Outbox(args) => commands::node::outbox(global, args),
        Command::Receipts(args) => commands::node::receipts(global, args),
        Command::File(command) => commands::node::file(global, command),
        Command::Ipfs(command) => commands::ipfs::run(global, command),
        Command::Audit(command) => commands::audit::run(global, command),
        Command::Config(command) => commands::node::config(global, command),
        Command::Sign(args) => commands::sign::sign(global, args),
        Command::VerifySignature(args) => commands::sign::verify(global, args),
        Command::Seal(args) => commands::seal::seal(global, args),
        Command::Open(args) => commands::seal::open(global, args),
        Command::Demo(args) => commands::demo::run(global, args),
        Command::VcApi(args) => commands::vc_api::run(global, args),
        Command::Doctor(args) => commands::doctor::run(global, args),
        Command::Explain(args) => commands::explain::run(args),
        Command::Completions(args) => Ok(commands::generate::completions(args)),
        Command::Man(args) => commands::generate::man(args),
    }
}

fn main() -> ExitCode {
    panics::leave_out_those_of_closing();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) if e.use_stderr() => return ExitCode::from(misused(&e)),
        Err(e) => e.exit(),
    };
    let as_json = cli.global.json;
    warnings::set_json(as_json);
    let exit = match run(&cli) {
        Ok(answer) => print(answer, as_json),
        Err(failure) => failure.print(as_json),
    };
    ExitCode::from(exit)
}

/// Says what does not fit together, and how the command is called: with its code, as every error, and
/// in JSON where that was asked for. Gives the exit status.
fn misused(e: &clap::Error) -> u8 {
    let text = e.render().to_string();
    let as_json = std::env::args_os().any(|arg| arg == "--json");
    match (text.strip_prefix("error: "), as_json) {
        (Some(said), true) => {
            return Failure::new(codes::USAGE, before_usage(said)).print(true);
        }
        // The help of a command that was called without what it needs.
        (None, true) => {
            return Failure::new(codes::USAGE, "a command or an argument is missing").print(true);
        }
        (Some(said), false) => {
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            let code = codes::USAGE;
            output::note(format_args!("{red}error{red:#} [{code}]: {}", said.trim_end()));
        }
        (None, false) => {
            // Nothing can be told to somebody whose standard error is closed.
            let _ = e.print();
        }
    }
    codes::exit_status(codes::USAGE.class())
}

/// What is said before it is shown how the command is called, in one line: what is missing stands in
/// lines of its own.
fn before_usage(said: &str) -> String {
    let is_over =
        |line: &str| line.starts_with("Usage:") || line.starts_with("For more information");
    let mut message = String::new();
    for line in said.lines().map(str::trim).take_while(|line| !is_over(line)) {
        let begins = message.is_empty() || line.is_empty();
        let gap = if message.ends_with(':') { " " } else { "; " };
        message.push_str(if begins { "" } else { gap });
        message.push_str(line);
    }
    message
}

fn print(mut answer: Answer, as_json: bool) -> u8 {
    let (exit, done) = (answer.exit, answer.done.take());
    // Of what was made there is nothing but the document.
    let is_needed = done.is_some() && answer.is_document;
    match answer.print(as_json) {
        Ok(()) => exit,
        // A reader that closed the pipe has what it wanted.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe && !is_needed => exit,
        Err(e) => {
            let message = format!("the answer cannot be written to standard output: {e}");
            let failure = Failure::new(codes::FILE_NOT_WRITTEN, message);
            let failure = match done {
                Some(done) => done.all_the_same(failure),
                None => failure.next(
                    "What the call was for is done, and only its answer is lost: look what there is before it is \
                     made again, and where standard output goes.",
                ),
            };
            failure.print(as_json)
        }
    }
}

/// The whole command, for completions and manual pages.
fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &clap::Command, path: &str, check: &mut dyn FnMut(&str, &clap::Command)) {
        let path = format!("{path} {}", command.get_name());
        check(&path, command);
        for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
            each(sub, &path, check);
        }
    }

    #[test]
    fn what_is_missing_is_named_in_one_line() {
        let said = |args: &[&str]| {
            let e = Cli::try_parse_from(args).err().expect("refused");
            before_usage(e.render().to_string().trim_start_matches("error: "))
        };
        let missing = said(&["gridpass", "id", "new"]);
        assert_eq!(missing, "the following required arguments were not provided: --name <NAME>");
        let missing = said(&["gridpass", "receipts", "a", "--wait"]);
        assert!(missing.contains("--wait <TIME>") && !missing.contains("Usage"), "{missing}");
        let two = said(&["gridpass", "send", "flex.gb.bids"]);
        assert!(two.ends_with(": <TOPIC>; <FILE>"), "{two}");
        for message in [said(&["gridpass", "nonsense"]), said(&["gridpass", "id", "list", "--no"])]
        {
            assert!(!message.is_empty() && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    /// Of two arguments with one id the first takes what the second was given; clap itself looks only
    /// where it is built for debugging.
    #[test]
    fn no_two_arguments_of_a_command_have_one_id() {
        let root = command();
        let global: Vec<_> = root.get_arguments().filter(|a| a.is_global_set()).collect();
        each(&root, "", &mut |path, command| {
            let inherited = global.iter().copied().filter(|_| path != " gridpass");
            let all = command.get_arguments().chain(inherited);
            let mut ids: Vec<&str> = all.map(|a| a.get_id().as_str()).collect();
            ids.sort_unstable();
            let twice: Vec<_> = ids.windows(2).filter(|w| w[0] == w[1]).collect();
            assert!(twice.is_empty(), "{path}: {twice:?}");
        });
    }

    #[test]
    fn every_command_has_help_with_examples_and_exit_codes() {
        each(&command(), "", &mut |path, command| {
            assert!(command.get_about().is_some(), "{path} has no description");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Examples:"), "{path} has no examples");
            assert!(after.contains("Exit codes:"), "{path} has no exit codes");
        });
    }
}
