//! `gridpass audit diff`.

use crate::help;
use crate::output::{Answer, Outcomes};
use clap::Args;
use gridpass_messaging::bundle::{Bundle, compare};
use gridpass_messaging::codes;
use serde_json::json;
use std::path::PathBuf;

/// Say what two parties' bundles of the same channel have otherwise
///
/// They disagree about messages that only one has or that they decided otherwise, and where receipts
/// say other things. That one decided by other lists, or withholds a payload, is told beside that.
/// Nothing is verified here: verify each by itself first.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass audit diff north.car flexgen.car         exit code 10 if they disagree\n  \
     gridpass audit diff north.car flexgen.car --json"
))]
pub struct DiffArgs {
    /// The first bundle
    first: PathBuf,
    /// The second
    second: PathBuf,
}

pub fn run(args: &DiffArgs) -> Outcomes {
    let (first, second) = (super::read(&args.first)?, super::read(&args.second)?);
    let (first, second) = (Bundle::parse(&first)?, Bundle::parse(&second)?);
    let found = compare(&first, &second);
    let mut text = String::new();
    if !found.same_channel {
        text.push_str("They are of two channels.\n");
    }
    text.push_str(&format!("{} messages are in both\n", found.in_both));
    for difference in &found.differences {
        let side = |s: &Option<String>| s.clone().unwrap_or_else(|| "not there".into());
        text.push_str(&format!(
            "{:<12} {}\n  first   {}\n  second  {}\n",
            difference.kind,
            difference.id,
            side(&difference.first),
            side(&difference.second)
        ));
    }
    let disagree = found.disagree();
    if found.differences.is_empty() && !disagree {
        text.push_str("Nothing differs.\n");
    } else if !disagree {
        text.push_str("They do not disagree: they knew or show other things.\n");
    }
    let mut document = json!(found);
    if let Some(map) = document.as_object_mut() {
        map.insert("disagree".into(), disagree.into());
    }
    let mut answer = Answer::new("gridpass.audit.diff/2", document, text);
    if disagree {
        answer.exit = crate::codes::exit_status(codes::FACTS_DIFFER.class());
    }
    Ok(answer)
}
