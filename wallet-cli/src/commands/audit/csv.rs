//! The messages of an audit as a table (RFC 4180).

use super::words::{equivocations, reasons, said, sampled};
use crate::csv::row;
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{MessageReport, PayloadState, ReceiptReport, Report};

const COLUMNS: [&str; 22] = [
    "number",
    "id",
    "sender",
    "sequence",
    "topic",
    "recipients",
    "issued",
    "logged",
    "notBefore",
    "notAfter",
    "payload",
    "recorded",
    "reasons",
    "outcome",
    "code",
    "sentence",
    "receipts",
    "notes",
    "bundle outcome",
    "bundle code",
    "bundle equivocation",
    "bundle sample",
];
/// So many proofs that a sender contradicts itself are named on each row.
const PROOFS: usize = 3;
const CHECKS: [&str; 12] = [
    "bytes",
    "signature",
    "node",
    "presentation",
    "visas",
    "status",
    "channel",
    "sequence",
    "payload",
    "sealing",
    "decision",
    "receipts",
];

/// The table. What came out for the bundle stands on each row: a row is read by itself.
pub fn table(report: &Report) -> String {
    let checks = CHECKS.map(|name| format!("check {name}"));
    let mut text = row(COLUMNS.iter().map(|c| (*c).to_owned()).chain(checks));
    let equivocation = equivocation(report);
    for message in &report.messages {
        text.push_str(&row(cells(report, &equivocation, message)));
    }
    text
}

/// Who contradicts itself, in capital letters; nothing where nobody is proven to.
fn equivocation(report: &Report) -> String {
    let all: Vec<_> = equivocations(report).map(|proof| proof.sentence.as_ref()).collect();
    if all.is_empty() {
        return String::new();
    }
    let told: Vec<_> = all.iter().take(PROOFS).copied().collect();
    let more = match all.len().saturating_sub(PROOFS) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("EQUIVOCATION: {}{more}", told.join("; "))
}

fn cells(report: &Report, equivocation: &str, message: &MessageReport) -> Vec<String> {
    fn text<T: ToString>(value: Option<&T>) -> String {
        value.map(ToString::to_string).unwrap_or_default()
    }
    let times = message.times.as_ref();
    let payload = match message.payload {
        PayloadState::Here => "here",
        PayloadState::Withheld => "withheld",
        PayloadState::Gone => "gone",
    };
    let mut cells = vec![
        message.number.to_string(),
        message.id.clone(),
        text(message.sender.as_ref()),
        text(message.sequence.as_ref()),
        message.topic.clone().unwrap_or_default(),
        joined(message.recipients.iter(), " "),
        text(times.map(|t| &t.issued)),
        text(times.map(|t| &t.logged)),
        text(times.and_then(|t| t.not_before.as_ref())),
        text(times.and_then(|t| t.not_after.as_ref())),
        payload.to_owned(),
        message.verdict.to_owned(),
        reasons(&message.reasons, " "),
        word(message.outcome).to_owned(),
        message.code.to_string(),
        message.sentence.to_string(),
        joined(message.receipts.iter().map(receipt), "; "),
        joined(message.notes.iter().map(|note| note.code), " "),
        word(report.outcome).to_owned(),
        report.code.to_string(),
        equivocation.to_owned(),
        sampled(report).unwrap_or_default(),
    ];
    let of = |name: &str| message.checks.iter().find(|c| c.name == name);
    cells.extend(CHECKS.map(|name| of(name).map_or("", |c| word(c.outcome)).to_owned()));
    cells
}

fn joined<T: ToString>(all: impl Iterator<Item = T>, between: &str) -> String {
    all.map(|one| one.to_string()).collect::<Vec<_>>().join(between)
}

/// Who said what, and whether that holds.
fn receipt(receipt: &ReceiptReport) -> String {
    format!("{}: {}, {}", receipt.recipient, said(receipt), word(receipt.outcome))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Indeterminate => "indeterminate",
    }
}
