//! The report of an audit for a terminal.

use super::words::{
    equivocations, is_equivocation, noted, reasons, remedy, said, selected, verdict, word,
};
use crate::output::{counted, mark};
use crate::shown::shown;
use anstyle::{AnsiColor, Style};
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{Audit, MessageReport, PayloadState, Report};

/// The most messages that are told one by one.
const MOST: usize = 20;

/// The whole, in short.
pub fn summary(report: &Report) -> String {
    let (bundle, trust, counts) = (&report.bundle, &report.trust, &report.counts);
    let mut text = head(report);
    let channel = bundle.channel.clone().unwrap_or_else(|| bundle.selection.channel.to_string());
    text.push_str(&format!(
        "channel   {}\nselected  {}\nexporter  {}, at {}\ntrust     {:?} version {} of {}\n",
        shown(channel),
        shown(selected(&bundle.selection)),
        bundle.exporter.participant,
        bundle.made,
        trust.name,
        trust.version,
        trust.dated
    ));
    text.push_str(&format!(
        "messages  {} (recorded: {} allowed, {} refused); {} hold, {} do not, {} cannot be decided\n",
        counts.messages,
        counts.allowed,
        counts.refused,
        counts.passed,
        counts.failed,
        counts.indeterminate
    ));
    if counts.withheld > 0 {
        text.push_str(&format!("payloads  {} are not in the bundle\n", counts.withheld));
    }
    text.push_str(&format!(
        "receipts  {}; {} without one\n",
        counts.receipts,
        counted(counts.without_receipt, "recipient", "recipients")
    ));
    if !bundle.missing.is_empty() {
        let count = bundle.missing.len();
        text.push_str(&format!(
            "missing   {count}: what the exporter looked for and did not have\n"
        ));
    }
    for lack in bundle.missing.iter().take(MOST) {
        text.push_str(&format!("          {}\n", shown(lack)));
    }
    and_more(bundle.missing.len(), &mut text);
    text.push('\n');
    for check in &report.checks {
        text.push_str(&line(check));
    }
    for gap in &report.gaps {
        text.push_str(&format!("gap: {} to {} of {}\n", gap.from, gap.until, gap.sender));
    }
    let bad: Vec<_> = report.messages.iter().filter(|m| m.outcome != Outcome::Passed).collect();
    if !bad.is_empty() {
        text.push_str("\nmessages that do not hold, or cannot be decided:\n");
    }
    for message in bad.iter().take(MOST) {
        let word = mark(message.outcome);
        text.push_str(&format!(
            "{word} {}  {} [{}]\n",
            shown(&message.id),
            shown(&message.sentence),
            message.code
        ));
    }
    and_more(bad.len(), &mut text);
    text.push_str("\nhow old what this rests on is:\n");
    for age in &report.ages {
        text.push_str(&format!("  {} s  {}\n", age.age_seconds, shown(&age.what)));
    }
    if report.outcome != Outcome::Passed {
        text.push_str(&format!("next: {}\n", remedy(report.code)));
    }
    text
}

/// What came out for the whole bundle, first of all.
fn head(report: &Report) -> String {
    let mut text = verdict(report);
    if report.outcome != Outcome::Passed {
        text.push_str(&format!(": {} [{}]", shown(&report.sentence), report.code));
    }
    text.push('\n');
    let bad = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    for proof in equivocations(report).take(MOST) {
        let sentence = shown(&proof.sentence);
        text.push_str(&format!("{bad}EQUIVOCATION{bad:#} {sentence} [{}]\n", proof.code));
    }
    and_more(equivocations(report).count(), &mut text);
    for (code, count, first) in noted(report) {
        text.push_str(&format!("NOTED {count}, the first: {} [{code}]\n", shown(first)));
    }
    text
}

fn and_more(count: usize, text: &mut String) {
    if count > MOST {
        text.push_str(&format!("and {} more\n", count.saturating_sub(MOST)));
    }
}

/// One message, after what came out for the bundle that it is in.
pub fn explained(report: &Report, one: &MessageReport) -> String {
    let mut text = format!("the bundle: {}", head(report));
    if report.outcome != Outcome::Passed {
        text.push_str(&format!("  next: {}\n", remedy(report.code)));
    }
    let word = mark(one.outcome);
    let sentence = shown(&one.sentence);
    text.push_str(&format!("the message: {word} {sentence} [{}]\n\n", one.code));
    text.push_str(&message(one));
    text
}

/// One message, with every check.
fn message(message: &MessageReport) -> String {
    let mut text = format!("message {}\n", shown(&message.id));
    if let Some(sender) = &message.sender {
        text.push_str(&format!("  sender    {sender}\n"));
    }
    if let (Some(sequence), Some(topic)) = (message.sequence, &message.topic) {
        text.push_str(&format!("  number    {sequence} of its chain, topic {}\n", shown(topic)));
    }
    for recipient in &message.recipients {
        text.push_str(&format!("  to        {recipient}\n"));
    }
    let payload = match message.payload {
        PayloadState::Here => "in the bundle",
        PayloadState::Withheld => "withheld",
        PayloadState::Gone => "forgotten by the exporter",
    };
    text.push_str(&format!(
        "  payload   {payload}\n  recorded  {} {}\n",
        message.verdict,
        shown(reasons(&message.reasons, ", "))
    ));
    if let Some(times) = &message.times {
        text.push_str(&format!(
            "  issued    {}  (the sender's word)\n  decided   {}, logged {}  (the exporter's word)\n",
            times.issued, times.decided, times.logged
        ));
        if let Some(at) = times.not_before {
            text.push_str(&format!("  not before {at}  (others signed then what it rests on)\n"));
        }
        if let (Some(at), Some(by)) = (times.not_after, &times.not_after_by) {
            text.push_str(&format!("  not after  {at}  ({by} signed a receipt then)\n"));
        }
    }
    for (number, check) in (1_usize..).zip(&message.checks) {
        text.push_str(&format!("{number:>2}. {}", line(check)));
        for evidence in &check.evidence {
            text.push_str(&format!("             {}\n", shown(evidence)));
        }
    }
    for receipt in &message.receipts {
        text.push_str(&format!(
            "receipt   {} {} at {}: {}\n",
            shown(said(receipt)),
            receipt.recipient,
            receipt.issued,
            word(receipt.outcome)
        ));
    }
    for recipient in &message.without_receipt {
        text.push_str(&format!("no receipt of {recipient}\n"));
    }
    for note in &message.notes {
        text.push_str(&format!("note      {} [{}]\n", shown(&note.sentence), note.code));
    }
    text
}

fn line(check: &Audit) -> String {
    // That a sender contradicts itself is no good news, and the check of its proof passes.
    let word = match is_equivocation(check) {
        true => {
            let bad = Style::new().fg_color(Some(AnsiColor::Red.into()));
            format!("{bad}{:<8}{bad:#}", "PROVEN")
        }
        false => mark(check.outcome),
    };
    format!("{word} {:<12} {} [{}]\n", check.name, shown(&check.sentence), check.code)
}
