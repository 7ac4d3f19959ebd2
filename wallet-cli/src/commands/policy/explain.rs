//! `gridpass policy explain`.

use super::test;
use crate::codes as cli_codes;
use crate::commands::arguments::trimmed;
use crate::commands::channel::{compile, find};
use crate::context::{GlobalArgs, MAX_INPUT, read_input};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use clap::Args;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Decision, RecordedDecision, Verdict, parse_admission};
use gridpass_policy::facts::Question;
use gridpass_policy::policy::{Admitted, Policy};
use serde_json::json;
use std::path::PathBuf;

/// Say why a decision came out as it did, and what would have to change
///
/// Of a recorded decision, makes it again from the recorded facts and compares the bytes. Of a
/// hypothetical one, takes a case.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass policy explain decision.json --admission admission.json --channel bids.json\n  \
     gridpass policy explain bids.cases.json --case 'A bid for another zone'"
))]
pub struct ExplainArgs {
    /// A recorded decision, or a file of cases
    file: PathBuf,
    /// The recorded facts about the sender
    #[arg(long, value_name = "FILE", required_unless_present = "case")]
    admission: Option<PathBuf>,
    /// The channel: a file, or one of the wallet's [default: the one that the decision names]
    #[arg(long, value_name = "CHANNEL")]
    channel: Option<String>,
    /// The name of the case
    #[arg(long, value_name = "NAME", conflicts_with = "admission")]
    case: Option<String>,
    /// Leave out the Cedar that ran
    #[arg(long)]
    no_cedar: bool,
}

pub fn run(global: &GlobalArgs, args: &ExplainArgs) -> Outcomes {
    let (policy, admitted, decision, recomputed) = match (&args.case, &args.admission) {
        (Some(name), _) => {
            let channel = args.channel.as_ref().map(PathBuf::from);
            let (file, policy) = test::read(&args.file, channel.as_deref())?;
            let case = file.cases.iter().find(|c| &c.name == name);
            let case = case.ok_or_else(|| {
                let message = format!("the file has no case {name:?}");
                Failure::new(policy_codes::CASES_MALFORMED, message)
                    .next("`gridpass policy test FILE` lists the cases.")
            })?;
            let (facts, question, at) = file.facts(case, &policy)?;
            let mut admitted = policy.admit(facts);
            let decision = policy.decide(&mut admitted, &question, at)?;
            (policy, admitted, decision, false)
        }
        (None, Some(admission)) => {
            let recorded = RecordedDecision::parse(trimmed(&read_input(&args.file, MAX_INPUT)?))?;
            let facts = read_input(admission, MAX_INPUT)?;
            let (_, facts) = parse_admission(trimmed(&facts), Some(&recorded.admission))?;
            let name = args.channel.clone().unwrap_or_else(|| recorded.channel.to_string());
            let policy = compile(&find(global, &name)?)?;
            let decision = recorded.recompute(&policy, &facts)?;
            let admitted = policy.admit(facts);
            (policy, admitted, decision, true)
        }
        (None, None) => {
            let message = "neither --case nor --admission was given";
            return Err(Failure::new(cli_codes::USAGE, message));
        }
    };
    let cedar = policy.cedar(&decision.question, &admitted).unwrap_or_default();
    let mut text = in_words(&policy, &admitted, &decision);
    if recomputed {
        text.push_str("Made again from the recorded facts: the same bytes. Whether the facts are true, their\nevidence shows.\n");
    }
    if !args.no_cedar && !cedar.is_empty() {
        text.push_str(&format!("\nThe Cedar that ran:\n\n{cedar}"));
    }
    let json = json!({
        "decision": decision,
        "admission": admitted.admission(),
        "recomputed": recomputed,
        "cedar": cedar,
    });
    Ok(Answer::new("gridpass.policy.explain/1", json, text))
}

fn in_words(policy: &Policy, admitted: &Admitted, decision: &Decision) -> String {
    let facts = admitted.admission();
    let verdict = match decision.verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
    };
    let mut text = format!(
        "{verdict} at {}\n  channel    {} version {} ({})\n  sender     {}\n  facts      {} of {}\n",
        decision.at,
        policy.descriptor().name,
        policy.descriptor().version,
        policy.id(),
        facts.sender,
        decision.admission,
        facts.judged,
    );
    if let Question::Publish(message) = &decision.question
        && let Some(arrived) = message.arrived
    {
        text.push_str(&format!("  came       {arrived}\n"));
    }
    for visa in &facts.visas {
        text.push_str(&format!(
            "  visa       {} [{}]\n",
            shown(&visa.role),
            shown(&visa.standing.code)
        ));
        for (depth, step) in (1_usize..).zip(&visa.path) {
            text.push_str(&format!("  {:depth$}         issued by {}\n", "", shown(&step.issuer)));
        }
    }
    for reason in &decision.reasons {
        let name = reason.requirement.as_deref().unwrap_or("facts");
        let (name, sentence) = (shown(name), shown(&reason.sentence));
        text.push_str(&format!("{name}: {sentence} [{}]\n", shown(&reason.code)));
        let mut hints = vec![reason.code.as_str()];
        for cause in &reason.causes {
            let (sentence, code) = (shown(&cause.sentence), shown(&cause.code));
            text.push_str(&format!("  because {sentence} [{code}]\n"));
            hints.push(&cause.code);
        }
        // The most particular advice: of the last cause, else of the reason.
        let all = cli_codes::all();
        let advice = hints.iter().rev().find_map(|h| all.iter().find(|c| c.id() == *h));
        if let Some(code) = advice {
            text.push_str(&format!("  to change it: {}\n", code.0.remedy));
        }
    }
    if decision.reasons.is_empty() {
        text.push_str("Every requirement of the channel is satisfied.\n");
    }
    text
}
