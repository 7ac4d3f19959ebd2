//! The report of an audit for a terminal.

use crate::output::mark;
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{Audit, MessageReport, PayloadState, Report};

/// The most messages that are told one by one.
const MOST: usize = 20;

/// The whole, in short.
pub fn summary(report: &Report) -> String {
    let (bundle, trust, counts) = (&report.bundle, &report.trust, &report.counts);
    let mut text = match report.outcome {
        Outcome::Passed => "PASSED\n".to_owned(),
        Outcome::Failed => format!("FAILED: {} [{}]\n", report.sentence, report.code),
        Outcome::Indeterminate => {
            format!("CANNOT BE DECIDED: {} [{}]\n", report.sentence, report.code)
        }
    };
    let channel = bundle.channel.clone().unwrap_or_else(|| bundle.selection.channel.to_string());
    text.push_str(&format!(
        "channel   {channel}\nexporter  {}, at {}\ntrust     {:?} version {} of {}\n",
        bundle.exporter.participant, bundle.made, trust.name, trust.version, trust.dated
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
    if let Some(sample) = report.sample {
        text.push_str(&format!("sample    {} of them, seed {}\n", counts.verified, sample.seed));
    }
    if counts.withheld > 0 {
        text.push_str(&format!("payloads  {} are not in the bundle\n", counts.withheld));
    }
    text.push_str(&format!(
        "receipts  {}; {} recipients without one\n\n",
        counts.receipts, counts.without_receipt
    ));
    for check in &report.checks {
        text.push_str(&line(check));
    }
    for gap in &report.gaps {
        text.push_str(&format!("gap: {} to {} of {}\n", gap.from, gap.until, gap.sender));
    }
    let unheard: usize = report.messages.iter().map(|m| m.notes.len()).sum();
    if unheard > 0 {
        text.push_str(&format!("notes     {unheard}, see --report\n"));
    }
    let bad: Vec<_> = report.messages.iter().filter(|m| m.outcome != Outcome::Passed).collect();
    if !bad.is_empty() {
        text.push_str("\nmessages that do not hold, or cannot be decided:\n");
    }
    for message in bad.iter().take(MOST) {
        let word = mark(message.outcome);
        text.push_str(&format!("{word} {}  {} [{}]\n", message.id, message.sentence, message.code));
    }
    if bad.len() > MOST {
        text.push_str(&format!("and {} more\n", bad.len().saturating_sub(MOST)));
    }
    text.push_str("\nhow old what this rests on is:\n");
    for age in &report.ages {
        text.push_str(&format!("  {} s  {}\n", age.age_seconds, age.what));
    }
    if report.outcome != Outcome::Passed {
        text.push_str(&format!("next: {}\n", report.code.0.remedy));
    }
    text
}

/// One message, with every check.
pub fn message(message: &MessageReport) -> String {
    let mut text = format!("message {}\n", message.id);
    if let Some(sender) = &message.sender {
        text.push_str(&format!("  sender    {sender}\n"));
    }
    if let (Some(sequence), Some(topic)) = (message.sequence, &message.topic) {
        text.push_str(&format!("  number    {sequence} of its chain, topic {topic}\n"));
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
        message.reasons.join(", ")
    ));
    if let Some(times) = &message.times {
        text.push_str(&format!(
            "  issued    {}  (the sender's word)\n  decided   {}, logged {}  (the exporter's word)\n",
            times.issued, times.decided, times.logged
        ));
        if let Some(at) = times.not_before {
            text.push_str(&format!("  not before {at}  (others signed then what it rests on)\n"));
        }
        if let Some(at) = times.not_after {
            text.push_str(&format!("  not after  {at}  (another signed a receipt then)\n"));
        }
    }
    for (number, check) in (1_usize..).zip(&message.checks) {
        text.push_str(&format!("{number:>2}. {}", line(check)));
        for evidence in &check.evidence {
            text.push_str(&format!("             {evidence}\n"));
        }
    }
    for receipt in &message.receipts {
        text.push_str(&format!(
            "receipt   {} {} at {}\n",
            receipt.state, receipt.recipient, receipt.issued
        ));
    }
    for recipient in &message.without_receipt {
        text.push_str(&format!("no receipt of {recipient}\n"));
    }
    for note in &message.notes {
        text.push_str(&format!("note      {} [{}]\n", note.sentence, note.code));
    }
    text
}

fn line(check: &Audit) -> String {
    let word = mark(check.outcome);
    format!("{word} {:<12} {} [{}]\n", check.name, check.sentence, check.code)
}
