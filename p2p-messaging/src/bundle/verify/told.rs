//! What is told of a message beside its checks: what bounds its time, and notes.

use super::report::{Note, ReceiptReport};
use super::senders::Sender;
use crate::bundle::entries::MessageEntry;
use crate::bundle::may_be_refused;
use crate::codes;
use crate::envelope::Header;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
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
