//! What the text, the page and the table say alike. Nothing in it is escaped yet: each does that itself.

use gridpass_identity::code::{Class, Code};
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::{Audit, ReceiptReport, Report, Selection};

/// Proofs that a sender contradicts itself and that hold: what they show passes, and is bad news.
pub fn equivocations(report: &Report) -> impl Iterator<Item = &Audit> {
    report.checks.iter().filter(|check| is_equivocation(check))
}

/// Whether a check of the bundle is such a proof.
pub fn is_equivocation(check: &Audit) -> bool {
    // Without any, the check is not there.
    check.name == "forks" && check.outcome == Outcome::Passed
}

/// What is noted of messages: each code, of how many notes, and what the first of them says.
pub fn noted(report: &Report) -> Vec<(Code, usize, &str)> {
    let mut all: Vec<(Code, usize, &str)> = Vec::new();
    for note in report.messages.iter().flat_map(|message| &message.notes) {
        match all.iter_mut().find(|(code, ..)| *code == note.code) {
            Some((_, count, _)) => *count = count.saturating_add(1),
            None => all.push((note.code, 1, note.sentence.as_str())),
        }
    }
    all
}

/// Codes of reasons, each once: several requirements that are not met have one.
pub fn reasons(codes: &[String], between: &str) -> String {
    let mut all: Vec<&str> = Vec::new();
    for code in codes {
        if !all.contains(&code.as_str()) {
            all.push(code);
        }
    }
    all.join(between)
}

/// What a receipt says became of a message, and why.
pub fn said(receipt: &ReceiptReport) -> String {
    match receipt.reasons.is_empty() {
        true => receipt.state.to_owned(),
        false => format!("{} ({})", receipt.state, reasons(&receipt.reasons, ", ")),
    }
}

/// An outcome in words.
pub fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Indeterminate => "cannot be decided",
    }
}

/// The outcome of all, in capital letters, with what it was reached by where not all was looked at.
pub fn verdict(report: &Report) -> String {
    let word = match report.outcome {
        Outcome::Passed => "PASSED",
        Outcome::Failed => "FAILED",
        Outcome::Indeterminate => "CANNOT BE DECIDED",
    };
    match sampled(report) {
        Some(sample) => format!("{word} ({sample})"),
        None => word.to_owned(),
    }
}

/// Of how many messages which were looked at, where not all were.
pub fn sampled(report: &Report) -> Option<String> {
    let (seed, counts) = (report.sample?.seed, &report.counts);
    Some(format!("a sample of {} of {}, seed {seed}", counts.verified, counts.messages))
}

/// Which messages of a channel a bundle is of.
pub fn selected(selection: &Selection) -> String {
    let Selection { from, until, participant, thread, .. } = selection;
    let parts: Vec<String> = [
        participant.as_ref().map(|who| format!("sent by {who}, or to it by name")),
        thread.as_ref().map(|id| format!("of the conversation that {id} began")),
        from.map(|time| format!("issued at {time} or later")),
        until.map(|time| format!("issued before {time}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    match parts.is_empty() {
        true => "all messages of the channel".to_owned(),
        false => format!("only messages {}", parts.join(", and ")),
    }
}

/// What to do with a part that is not as it must be.
const DOUBT: &str = "Do not rely on it; ask the exporter, and compare with another participant's bundle: `gridpass audit \
                     diff`.";

/// What an auditor does next. The remedies of codes that a node gives too speak to who runs one.
pub fn remedy(code: Code) -> &'static str {
    match code.id() {
        "GP-SEQUENCE-GAP" => {
            "Ask the exporter, or another participant, for a bundle with the numbers that are missing (see the gaps)."
        }
        "GP-AUTHORISATION-MISSING"
        | "GP-EPOCH-MISSING"
        | "GP-SCHEMA-NOT-HERE"
        | "GP-STATUS-UNKNOWN"
        | "GP-STATUS-STALE"
        | "GP-DID-NOT-FOUND"
        | "GP-WEBVH-WITNESS-MISSING" => {
            "Ask the exporter, or another participant, for a bundle with what is missing, and the signers for the newest trust pack."
        }
        "GP-SIGNED-IN-FUTURE" => {
            "Look at the time of verification (--at, or this machine's clock); else ask whoever signed it how that came."
        }
        "GP-SEALING-EPOCH" => DOUBT,
        _ => match code.class() {
            Class::Malformed => DOUBT,
            Class::Expired => {
                "Do not rely on it: what it rests on had ended by then. Ask the exporter how that came."
            }
            _ => code.0.remedy,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_credentials::content_id::ContentId;
    use gridpass_identity::did::Did;
    use gridpass_identity::time::UnixMillis;

    #[test]
    fn a_selection_is_told_in_words() {
        let mut selection = Selection::of_channel(ContentId::of_bytes(b"channel").expect("a CID"));
        assert_eq!(selected(&selection), "all messages of the channel");
        selection.until = Some(UnixMillis::parse_rfc3339("2026-03-02T00:00:00Z").expect("a time"));
        assert_eq!(selected(&selection), "only messages issued before 2026-03-02T00:00:00Z");
        selection.participant = Some(Did::parse("did:web:dso.example").expect("a DID"));
        let words = selected(&selection);
        assert!(
            words.contains("sent by did:web:dso.example, or to it by name, and issued"),
            "{words}"
        );
    }

    #[test]
    fn a_code_is_said_once_whatever_has_it() {
        let codes = ["GP-POLICY-UNMET", "GP-PAYLOAD-SCHEMA", "GP-POLICY-UNMET"].map(str::to_owned);
        assert_eq!(reasons(&codes, ", "), "GP-POLICY-UNMET, GP-PAYLOAD-SCHEMA");
    }

    #[test]
    fn an_auditor_is_not_sent_to_a_node() {
        for code in crate::codes::all() {
            let id = code.id();
            let of_bundles =
                ["GP-SEQUENCE-", "GP-EPOCH-", "GP-BUNDLE-", "GP-FACTS-", "GP-RECEIPT-"];
            if of_bundles.iter().any(|start| id.starts_with(start)) {
                assert!(!remedy(code).contains("gridpass node"), "{id}: {}", remedy(code));
            }
        }
    }
}
