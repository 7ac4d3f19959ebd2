//! Whether what an exporter wrote down contradicts itself: the check `record` of `spec/bundle.md` section 5.
//! Whoever exports asks the same as whoever verifies.

use super::entries::{MessageEntry, ReceiptEntry};
use crate::receipt::CLOCKS_DIFFER_MILLIS;
use gridpass_identity::time::UnixMillis;

/// The first contradiction, as a sentence. Each message comes with the time at which it was issued, where its
/// envelope can be read.
pub(crate) fn contradiction(
    made: UnixMillis,
    last: u64,
    messages: &[(&MessageEntry, Option<UnixMillis>)],
    receipts: &[ReceiptEntry],
) -> Option<String> {
    let limit = made.plus_millis(CLOCKS_DIFFER_MILLIS);
    let opened = messages.iter().filter_map(|(m, _)| m.opened.as_ref());
    let records = (messages.iter().map(|(m, _)| (m.number, m.logged)))
        .chain(opened.map(|o| (o.number, o.logged)))
        .chain(receipts.iter().map(|r| (r.number, r.logged)));
    for (number, logged) in records {
        if logged > limit {
            return Some(format!("record {number} is of {logged}, and the bundle of {made}"));
        }
        if number > last {
            return Some(format!("there is a record {number}, and the last is said to be {last}"));
        }
    }
    messages.iter().find_map(|(entry, issued)| {
        let (issued, logged) = ((*issued)?, entry.logged);
        let early = entry.allowed && issued > logged.plus_millis(CLOCKS_DIFFER_MILLIS);
        early.then(|| format!("record {} is of {logged}, its message of {issued}", entry.number))
    })
}
