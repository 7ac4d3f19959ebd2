//! The messages of an audit as a table (RFC 4180).

use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{MessageReport, PayloadState, Report};

const COLUMNS: [&str; 15] = [
    "number",
    "id",
    "sender",
    "sequence",
    "topic",
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
];
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

/// The table.
pub fn table(report: &Report) -> String {
    let checks = CHECKS.map(|name| format!("check {name}"));
    let mut text = row(COLUMNS.iter().map(|c| (*c).to_owned()).chain(checks));
    for message in &report.messages {
        text.push_str(&row(cells(message)));
    }
    text
}

fn cells(message: &MessageReport) -> Vec<String> {
    fn shown<T: ToString>(value: Option<&T>) -> String {
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
        shown(message.sender.as_ref()),
        shown(message.sequence.as_ref()),
        message.topic.clone().unwrap_or_default(),
        shown(times.map(|t| &t.issued)),
        shown(times.map(|t| &t.logged)),
        shown(times.and_then(|t| t.not_before.as_ref())),
        shown(times.and_then(|t| t.not_after.as_ref())),
        payload.to_owned(),
        message.verdict.to_owned(),
        message.reasons.join(" "),
        word(message.outcome).to_owned(),
        message.code.to_string(),
        message.sentence.to_string(),
    ];
    let of = |name: &str| message.checks.iter().find(|c| c.name == name);
    cells.extend(CHECKS.map(|name| of(name).map_or("", |c| word(c.outcome)).to_owned()));
    cells
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Indeterminate => "indeterminate",
    }
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    let cells: Vec<String> = cells.into_iter().map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell; what a spreadsheet would take for a formula is not one.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_no_formula() {
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        for formula in ["=1+1", "+1", "-1", "@x", "\tx"] {
            assert_eq!(quoted(formula), format!("\"'{formula}\""));
        }
    }
}
