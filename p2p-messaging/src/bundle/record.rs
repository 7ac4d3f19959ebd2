//! Whether what an exporter wrote down contradicts itself: the check `record` of `spec/bundle.md` section 5.
//! Whoever exports asks the same as whoever verifies.

use super::entries::{IdentityEntry, MessageEntry, OpenedEntry, ReceiptEntry};
use crate::envelope::Header;
use crate::receipt::{CLOCKS_DIFFER_MILLIS, Receipt};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::facts::Finding;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What an exporter wrote down.
pub(crate) struct Recorded<'r> {
    /// The participant that exports.
    pub(crate) participant: &'r Did,
    /// When it made the bundle.
    pub(crate) made: UnixMillis,
    /// The number of its last record.
    pub(crate) last: u64,
    /// Each message with its header, where its envelope can be read.
    pub(crate) messages: &'r [(&'r MessageEntry, Option<&'r Header>)],
    pub(crate) receipts: &'r [ReceiptEntry],
    /// Those that the key signed that signs the bundle. Another node of the participant may have decided
    /// otherwise.
    pub(crate) own: &'r [&'r Receipt],
    pub(crate) identities: &'r [IdentityEntry],
}

/// The first contradiction, as a sentence.
pub(crate) fn contradiction(recorded: &Recorded<'_>) -> Option<String> {
    let each = |(entry, header): &(&MessageEntry, Option<&Header>)| {
        of_message(entry, *header, recorded.participant)
            .or_else(|| of_opened(entry, entry.opened.as_ref()?, *header))
    };
    of_records(recorded)
        .or_else(|| of_identities(recorded))
        .or_else(|| recorded.messages.iter().find_map(each))
        .or_else(|| of_receipts(recorded))
}

/// Whether two times differ by more than the clocks of a channel may.
fn apart(one: UnixMillis, other: UnixMillis) -> bool {
    later(one, other) || later(other, one)
}

fn later(one: UnixMillis, other: UnixMillis) -> bool {
    one > other.plus_millis(CLOCKS_DIFFER_MILLIS)
}

fn of_records(recorded: &Recorded<'_>) -> Option<String> {
    let (made, last) = (recorded.made, recorded.last);
    let messages = recorded.messages.iter().map(|(m, _)| (m.number, m.logged, Some(m.at)));
    let opened = recorded.messages.iter().filter_map(|(m, _)| m.opened.as_ref());
    let opened = opened.map(|o| (o.number, o.logged, Some(o.at)));
    let receipts = recorded.receipts.iter().map(|r| (r.number, r.logged, None));
    let mut numbers = HashSet::new();
    for (number, logged, at) in messages.chain(opened).chain(receipts) {
        if later(logged, made) {
            return Some(format!("record {number} is of {logged}, and the bundle of {made}"));
        }
        if let Some(at) = at.filter(|at| later(*at, made)) {
            return Some(format!("record {number} is decided for {at}, the bundle of {made}"));
        }
        if number > last {
            return Some(format!("there is a record {number}, and the last is said to be {last}"));
        }
        if !numbers.insert(number) {
            return Some(format!("there are two records {number}"));
        }
    }
    None
}

fn of_identities(recorded: &Recorded<'_>) -> Option<String> {
    let made = recorded.made;
    recorded.identities.iter().find_map(|known| {
        let seen = known.confirmed.map_or(known.seen, |confirmed| confirmed.max(known.seen));
        let did = &known.did;
        later(seen, made).then(|| format!("{did} was looked up at {seen}, the bundle is of {made}"))
    })
}

fn of_message(entry: &MessageEntry, header: Option<&Header>, participant: &Did) -> Option<String> {
    let (number, logged, at) = (entry.number, entry.logged, entry.at);
    if entry.deliver && !entry.allowed {
        return Some(format!("record {number} refuses a message and delivers it"));
    }
    let issued = header.map(|h| h.issued);
    if let Some(issued) = issued.filter(|issued| entry.allowed && later(*issued, logged)) {
        return Some(format!("record {number} is of {logged}, its message of {issued}"));
    }
    if let (Some(arrived), Some(header)) = (entry.arrived, header) {
        // An own one that comes back came when it was made.
        let came = if header.sender == *participant { at } else { logged };
        if apart(arrived, came) {
            return Some(format!("record {number} says that it came at {arrived}, and at {came}"));
        }
    }
    // What is caught up with is decided for when it was made.
    let decided = match entry.caught_up {
        false => Some(logged),
        true => issued.map(|issued| issued.min(logged)),
    };
    decided
        .filter(|decided| apart(at, *decided))
        .map(|decided| format!("record {number} is decided for {at}, and was at {decided}"))
}

fn of_opened(
    entry: &MessageEntry,
    opened: &OpenedEntry,
    header: Option<&Header>,
) -> Option<String> {
    let (number, before) = (opened.number, entry.number);
    if number < before || later(entry.logged, opened.logged) {
        return Some(format!("record {number} opens what record {before} says came later"));
    }
    if apart(opened.at, opened.logged) {
        return Some(format!("record {number} is of {}, and for {}", opened.logged, opened.at));
    }
    if !entry.allowed || entry.deliver || header.is_some_and(|h| !h.is_sealed()) {
        return Some(format!("record {number} opens a message that was not left sealed"));
    }
    (opened.deliver && opened.facts.outcome != Finding::Passed)
        .then(|| format!("record {number} delivers what it says does not fit"))
}

/// Whether the exporter's node signed that something else became of a message than it wrote down.
fn of_receipts(recorded: &Recorded<'_>) -> Option<String> {
    if recorded.own.is_empty() {
        return None;
    }
    let mut chains: HashMap<_, BTreeMap<u64, (&MessageEntry, &Header)>> = HashMap::new();
    for (entry, header) in recorded.messages {
        let Some(header) = header else { continue };
        let chain = (&header.channel, header.sender.as_str(), header.key.as_str());
        chains.entry(chain).or_default().insert(header.sequence, (*entry, *header));
    }
    recorded.own.iter().find_map(|receipt| {
        let chain = (&receipt.channel, receipt.sender.as_str(), receipt.key.as_str());
        let numbers = chains.get(&chain)?;
        let taken = receipt.delivered.iter().chain(&receipt.kept);
        let mut taken = taken.flat_map(|(from, until)| numbers.range(*from..=(*until).max(*from)));
        if let Some((_, (entry, _))) = taken.find(|(_, (entry, _))| !entry.allowed) {
            let number = entry.number;
            return Some(format!("record {number} refuses what a receipt says was taken"));
        }
        let mut refused = receipt.refused.iter().filter_map(|r| numbers.get(&r.sequence));
        let (entry, _) = refused.find(|(entry, header)| !may_be_refused(entry, header))?;
        Some(format!("record {} allows what a receipt says was refused", entry.number))
    })
}

/// Whether a receipt may say of a message that it was refused: also one that was left sealed, when it is
/// opened and does not fit, or its key does not come.
pub(crate) fn may_be_refused(entry: &MessageEntry, header: &Header) -> bool {
    !entry.allowed || (header.is_sealed() && !entry.deliver)
}
