//! `gridpass audit diff`.

use super::words::selected;
use crate::help;
use crate::output::{Answer, Outcomes, counted};
use crate::shown::shown;
use clap::Args;
use gridpass_messaging::bundle::{Bundle, ReceiptCounts, Sides, compare};
use gridpass_messaging::codes;
use serde_json::json;
use std::path::PathBuf;

/// Say what two parties' bundles of the same channel have otherwise
///
/// They disagree about messages that only one has or that they decided otherwise, where a recipient
/// refused to one what it confirmed to the other, where an exporter signed a receipt that says the opposite
/// of its record, and where each has another message under one number of a sender. That one selected other
/// messages, decided by other lists, withholds a payload or has more receipts is told beside that. Nothing
/// is verified here: verify each by itself first.
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
    let Sides { first: one, second: other } = &found.exporters;
    let mut text = format!("exported by  {one}\nand by       {other}\n");
    if !found.same_channel {
        text.push_str("They are of two channels.\n");
    }
    let Sides { first: ours, second: theirs } = &found.selections;
    if found.same_selection {
        text.push_str(&format!("both are of  {}\n", shown(selected(ours))));
    } else {
        text.push_str(&format!(
            "the first    {}\nthe second   {}\n",
            shown(selected(ours)),
            shown(selected(theirs))
        ));
        if !found.same_channel {
            text.push_str(&format!(
                "the channels {}\n             {}\n",
                ours.channel, theirs.channel
            ));
        } else {
            text.push_str(
                "THE SELECTIONS DIFFER: what one did not select is marked `selection`, and is no disagreement.\n",
            );
        }
    }
    let messages = counted(found.in_both, "message is", "messages are");
    text.push_str(&format!("{messages} in both\n"));
    let ReceiptCounts { first: a, second: b, only_first, only_second } = found.receipts;
    text.push_str(&format!("receipts     {a} in the first, {b} in the second"));
    if (only_first, only_second) != (0, 0) {
        text.push_str(&format!(
            "; {only_first} only in the first, {only_second} only in the second"
        ));
    }
    text.push('\n');
    for difference in &found.differences {
        let absent = match difference.kind {
            "selection" => "not selected",
            "receipts-lacking" => "no receipt",
            _ => "not there",
        };
        let side = |s: &Option<String>| s.as_ref().map_or_else(|| absent.into(), shown);
        text.push_str(&format!(
            "{:<16} {}\n  first   {}\n  second  {}\n",
            difference.kind,
            shown(&difference.id),
            side(&difference.first),
            side(&difference.second)
        ));
    }
    if found.differences.iter().any(|d| d.kind == "same-number") {
        text.push_str(
            "Two messages under one number prove, if both verify, that their sender contradicts itself.\n",
        );
    }
    let disagree = found.disagree();
    text.push_str(&match found.differences.iter().filter(|d| d.disagrees).count() {
        _ if found.nothing() => "Nothing differs.\n".to_owned(),
        _ if !disagree => {
            "They do not disagree: they selected, knew or show other things.\n".to_owned()
        }
        0 => String::new(),
        1 => "They DISAGREE in one place.\n".to_owned(),
        count => format!("They DISAGREE in {count} places.\n"),
    });
    let mut document = json!(found);
    if let Some(map) = document.as_object_mut() {
        map.insert("disagree".into(), disagree.into());
    }
    let mut answer = Answer::new("gridpass.audit.diff/3", document, text);
    if disagree {
        answer.exit = crate::codes::exit_status(codes::FACTS_DIFFER.class());
    }
    Ok(answer)
}
