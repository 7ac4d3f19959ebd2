//! What is told of a message beside its checks: what bounds its time, and notes.

use super::report::{Note, ReceiptReport};
use super::senders::Sender;
use crate::bundle::entries::MessageEntry;
use crate::bundle::may_be_refused;
use crate::codes;
use crate::envelope::Header;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_policy::decision::Reason;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The receipt by which somebody else first signed that it has the message: one whom the message names, or,
/// where it names nobody, who is accredited. Anybody can make keys, also the exporter.
pub(super) fn not_after<'r>(
    said: &'r [ReceiptReport],
    header: &Header,
    exporter: &Did,
    accredited: &BTreeSet<&Did>,
) -> Option<&'r ReceiptReport> {
    let counts = |who: &Did| match header.recipients.as_slice() {
        [] => accredited.contains(who),
        named => named.contains(who),
    };
    let of_others = |r: &&ReceiptReport| {
        let other = r.recipient != header.sender && &r.recipient != exporter;
        r.outcome == Outcome::Passed && other && counts(&r.recipient)
    };
    said.iter().filter(of_others).min_by_key(|r| (r.issued, &r.recipient))
}

/// What to know beside.
pub(super) fn notes(
    (entry, header): (&MessageEntry, &Header),
    sender: Option<&Sender>,
    (said, exporter): (&[ReceiptReport], &Did),
    contradicted: bool,
) -> Vec<Note> {
    let unheard = sender.into_iter().flat_map(|s| &s.unheard);
    let mut all: Vec<Note> =
        unheard.filter(|u| u.counts_at(entry.at)).map(|u| u.note.clone()).collect();
    all.extend(sender.and_then(|s| s.older.clone()));
    if contradicted {
        let sentence = "its sender contradicts itself in this chain: see the forks".to_owned();
        all.push(Note { code: codes::SEQUENCE_FORK, sentence });
    }
    let of = |refused: bool| -> BTreeSet<&Did> {
        let says =
            |r: &&ReceiptReport| r.outcome == Outcome::Passed && (r.state == "refused") == refused;
        said.iter().filter(says).map(|r| &r.recipient).collect()
    };
    let (refused, taken) = (of(true), of(false));
    for recipient in refused.intersection(&taken) {
        let sentence = format!("{recipient} says that it refused it, and that it has it");
        all.push(Note { code: codes::RECEIPT_DIFFERS, sentence });
    }
    // Another node of the exporter's may have decided otherwise.
    let refused_here = refused.contains(exporter) && !may_be_refused(entry, header);
    let taken_here = taken.contains(exporter) && !entry.allowed;
    if refused_here || taken_here {
        let sentence = format!("{exporter} recorded another decision than its receipt says");
        all.push(Note { code: codes::RECEIPT_DIFFERS, sentence });
    }
    all
}

/// Why something was refused, each reason once. Of a requirement the channel says what it asks; what else the
/// record says in words is the exporter's.
pub(super) fn why(reasons: &[Reason]) -> String {
    let mut all: Vec<Cow<'_, str>> = Vec::new();
    for Reason { code, requirement, sentence, .. } in reasons {
        let one: Cow<'_, str> = match requirement {
            Some(_) => format!("{code}: {sentence}").into(),
            None => code.as_str().into(),
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_policy::codes as policy_codes;

    #[test]
    fn each_requirement_that_was_not_met_is_named_and_no_code_stands_alone_twice() {
        let code = policy_codes::POLICY_UNMET;
        let unmet = |says| Reason::of_requirement(code, "id", says, Vec::new());
        let found = Reason::of_facts("GP-PAYLOAD-SCHEMA", "the exporter's words");
        let all = [unmet("its own zone"), unmet("what it can"), found.clone(), found];
        let told = "GP-POLICY-UNMET: its own zone; GP-POLICY-UNMET: what it can; GP-PAYLOAD-SCHEMA";
        assert_eq!(why(&all), told);
    }
}
