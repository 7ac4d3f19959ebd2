//! `gridpass policy lint`.

use crate::commands::arguments::trimmed;
use crate::commands::channel::{compile, find};
use crate::context::{GlobalArgs, now, read_input};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, outcome_exit};
use crate::shown::shown;
use clap::Args;
use gridpass_credentials::keeping;
use gridpass_credentials::trust::{LIMITS, Trust};
use gridpass_identity::report::Outcome;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::lint::{Level, lint, lint_at};
use serde_json::json;
use std::path::PathBuf;

/// Look a channel over: what can never work, and what may not be meant
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass policy lint bids.json\n  \
     gridpass policy lint bids.json --trust trust.json      roles and claims, too\n  \
     gridpass policy lint bids.json --cedar                 the schema for Cedar"
))]
pub struct LintArgs {
    /// The channel: a file, or one of the wallet's by name or CID
    channel: String,
    /// Hold its roles and claims against this trust pack [default: the pinned one, if any]
    #[arg(long, value_name = "PACK")]
    trust: Option<PathBuf>,
    /// Print the Cedar schema of the channel instead
    #[arg(long)]
    cedar: bool,
}

pub fn run(global: &GlobalArgs, args: &LintArgs) -> Outcomes {
    let channel = find(global, &args.channel)?;
    let policy = compile(&channel)?;
    if args.cedar {
        let schema = policy.cedar_schema();
        return Ok(Answer::new("gridpass.policy.lint/1", json!({"cedarSchema": schema}), schema));
    }
    let trust = trust(global, args)?;
    let mut found = lint(policy.descriptor(), policy.checked(), trust.as_ref());
    found.extend(lint_at(policy.descriptor(), policy.checked(), now()));
    found.sort_by_key(|item| item.level);
    let mut text = String::new();
    for item in &found {
        let level = match item.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let (place, sentence) = (shown(&item.place), shown(&item.sentence));
        text.push_str(&format!("{level:<8} {place}: {sentence} [{}]\n", item.code));
    }
    if trust.is_none() {
        text.push_str(
            "Roles and claims were not looked at: no trust pack was given or is pinned.\n",
        );
    }
    if found.is_empty() {
        text.push_str("Nothing was found.\n");
    }
    let json = json!({"channel": policy.id(), "found": found, "withTrust": trust.is_some()});
    let mut answer = Answer::new("gridpass.policy.lint/1", json, text);
    if found.iter().any(|f| f.level == Level::Error) {
        answer.exit = outcome_exit(Outcome::Failed, Some(policy_codes::LINT_ERRORS));
    }
    Ok(answer)
}

fn trust(global: &GlobalArgs, args: &LintArgs) -> Result<Option<Trust>, Failure> {
    if let Some(path) = &args.trust {
        let limit = u64::try_from(LIMITS.bytes).unwrap_or(u64::MAX);
        let bytes = read_input(path, limit)?;
        return Ok(Some(Trust::open(trimmed(&bytes), None, now())?));
    }
    // Without a wallet there is nothing pinned, and no passphrase to ask for.
    if global.profile().is_err() || global.locked_wallet().is_err() {
        return Ok(None);
    }
    Ok(keeping::pinned(&global.wallet()?, now()).ok())
}
