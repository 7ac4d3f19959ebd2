//! `gridpass policy test`.

use crate::commands::arguments::trimmed;
use crate::commands::channel::compile;
use crate::context::{MAX_INPUT, read_input};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted, outcome_exit};
use crate::shown::shown;
use clap::Args;
use gridpass_identity::report::Outcome;
use gridpass_policy::cases::{CaseFile, CaseResult, table};
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::Verdict;
use gridpass_policy::policy::Policy;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Run a file of cases: who asks what, and what must come out
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass policy test bids.cases.json\n  \
     gridpass policy test bids.cases.json --against b2.json    what a change would change\n  \
     gridpass policy test bids.cases.json --table              the cases for people"
))]
pub struct TestArgs {
    /// The file of cases
    cases: PathBuf,
    /// The channel [default: the one that the file names, beside it]
    #[arg(long, value_name = "FILE")]
    channel: Option<PathBuf>,
    /// Name the cases that come out otherwise in this channel
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Print the cases as a Markdown table
    #[arg(long)]
    table: bool,
}

/// A file of cases, and the policy that they are about.
pub fn read(cases: &Path, channel: Option<&Path>) -> Result<(CaseFile, Policy), Failure> {
    let bytes = read_input(cases, MAX_INPUT)?;
    let file = CaseFile::parse(trimmed(&bytes)).map_err(|e| {
        let message = format!("{}: {e}", cases.display());
        Failure::new(policy_codes::CASES_MALFORMED, message)
    })?;
    let beside = cases.parent().unwrap_or(Path::new("")).join(&file.channel);
    let policy = policy(channel.unwrap_or(&beside))?;
    Ok((file, policy))
}

fn policy(path: &Path) -> Result<Policy, Failure> {
    let bytes = read_input(path, MAX_INPUT)?;
    compile(&SignedChannel::parse(trimmed(&bytes))?)
}

fn results(file: &CaseFile, policy: &Policy) -> Result<Vec<CaseResult>, Failure> {
    let one = |case| {
        file.run(case, policy).map_err(|e| {
            let message = format!("case {:?}: {e}", case.name);
            Failure::new(e.code(), message)
        })
    };
    file.cases.iter().map(one).collect()
}

pub fn run(args: &TestArgs) -> Outcomes {
    let (file, policy_of_file) = read(&args.cases, args.channel.as_deref())?;
    let schema = "gridpass.policy.test/1";
    if args.table {
        let text = table(&file);
        return Ok(Answer::new(schema, json!({"table": text}), text));
    }
    let results = results(&file, &policy_of_file)?;
    if let Some(other) = &args.against {
        return against(&file, &results, &policy(other)?);
    }
    let failed = results.iter().filter(|r| !r.differences.is_empty()).count();
    let mut text = String::new();
    for result in &results {
        let mark = if result.differences.is_empty() { "ok" } else { "DIFFERS" };
        let verdict = match result.decision.verdict {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
        };
        text.push_str(&format!("{mark:<8} {verdict:<6} {}\n", shown(&result.name)));
        for difference in &result.differences {
            text.push_str(&format!("{:<16}{}\n", "", shown(difference)));
        }
    }
    let cases = counted(results.len(), "case", "cases");
    text.push_str(&format!("{cases}, {}\n", counted(failed, "differs", "differ")));
    let json = json!({"cases": results.len(), "differ": failed, "results": results});
    let mut answer = Answer::new(schema, json, text);
    if failed > 0 {
        answer.exit = outcome_exit(Outcome::Failed, Some(policy_codes::CASES_DIFFER));
    }
    Ok(answer)
}

/// What a change of the channel would change.
fn against(file: &CaseFile, before: &[CaseResult], other: &Policy) -> Outcomes {
    let after = results(file, other)?;
    let mut changed = Vec::new();
    let mut text = String::new();
    for (old, new) in before.iter().zip(&after) {
        let (was, is) = (old.decision.verdict, new.decision.verdict);
        if was != is {
            changed.push(json!({"case": old.name, "before": was, "after": is}));
            text.push_str(&format!("{was:?} -> {is:?}: {}\n", shown(&old.name)));
            if is == Verdict::Deny {
                text.push_str(&format!("    {}\n", shown(new.decision.sentence())));
            }
        }
    }
    let come = if changed.len() == 1 { "comes" } else { "come" };
    let cases = counted(before.len(), "case", "cases");
    text.push_str(&format!("{} of {cases} {come} out otherwise\n", changed.len()));
    Ok(Answer::new("gridpass.policy.test/1", json!({"changed": changed}), text))
}
