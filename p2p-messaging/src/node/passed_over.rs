//! Sealed messages that are here and were not delivered, since they cannot be read yet: how many, of whom, and
//! why. Whoever reads the inbox would not miss them otherwise.

use super::unopened::Place;
use super::worker::Worker;
use crate::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most that are shown, of senders and reasons.
const MAX_SHOWN: usize = 64;

/// Why one waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// Its key was not handed to this node yet.
    NoKey,
    /// The same for so long that its sender was told.
    LeftOut,
    /// Its key is here, and what it says cannot be checked.
    NoSchema,
}

impl Why {
    fn of(has_key: bool, told: bool) -> Self {
        match (has_key, told) {
            (true, _) => Self::NoSchema,
            (false, true) => Self::LeftOut,
            (false, false) => Self::NoKey,
        }
    }

    fn code(self) -> Code {
        match self {
            Self::NoKey => codes::SEALING_NO_KEY,
            Self::LeftOut => codes::SEALING_LEFT_OUT,
            Self::NoSchema => codes::SCHEMA_NOT_HERE,
        }
    }
}

/// How many of a sender's key wait for one reason, and the first and last of their numbers.
struct Waits {
    count: u64,
    from: u64,
    until: u64,
}

/// Puts together what waits of one chain for one reason.
fn together<'p>(all: impl Iterator<Item = (&'p Place, Why)>) -> Vec<Value> {
    let mut found: BTreeMap<_, Waits> = BTreeMap::new();
    for ((chain, sequence), why) in all {
        let waits = found.entry((chain, why));
        let waits = waits.or_insert(Waits { count: 0, from: *sequence, until: *sequence });
        waits.count = waits.count.saturating_add(1);
        waits.from = waits.from.min(*sequence);
        waits.until = waits.until.max(*sequence);
    }
    let shown = found.iter().take(MAX_SHOWN).map(|((chain, why), waits)| {
        let code = why.code();
        json!({
            "channel": chain.channel,
            "sender": chain.sender,
            "key": chain.key,
            "count": waits.count,
            "from": waits.from,
            "until": waits.until,
            "code": code.id(),
            "sentence": code.0.meaning,
            "next": code.0.remedy,
        })
    });
    shown.collect()
}

impl Worker {
    /// What waits in a sealed channel, or in all: for who reads what was delivered.
    pub(super) fn passed_over(&self, channel: Option<&ContentId>) -> Vec<Value> {
        let here = self.sealing.unopened.here(channel);
        together(here.map(|(place, epoch, told)| {
            let has_key = self.knowledge.opener.has(epoch, &place.0, place.1);
            (place, Why::of(has_key, told))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checking::Chain;
    use crate::test_kit::{header, key};

    #[test]
    fn what_waits_is_told_by_sender_and_reason() {
        let (one, other) = (Chain::of(&header(&key(1))), Chain::of(&header(&key(2))));
        let place = |chain: &Chain, sequence: u64| (chain.clone(), sequence);
        let all = [
            (place(&one, 3), Why::of(false, false)),
            (place(&one, 7), Why::of(false, false)),
            (place(&one, 1), Why::of(false, true)),
            (place(&one, 9), Why::of(true, true)),
            (place(&other, 4), Why::of(false, false)),
        ];
        let shown = together(all.iter().map(|(place, why)| (place, *why)));
        let read = |value: &Value| {
            let text = |name: &str| value[name].as_str().expect("text").to_owned();
            let number = |name: &str| value[name].as_u64().expect("a number");
            let is_one = text("sender") == one.sender.as_str();
            (is_one, text("code"), number("count"), number("from"), number("until"))
        };
        let mut found: Vec<_> = shown.iter().map(read).collect();
        found.sort();
        let expected = |is_one: bool, code: Code, count: u64, from: u64, until: u64| {
            (is_one, code.id().to_owned(), count, from, until)
        };
        let mut all = [
            expected(false, codes::SEALING_NO_KEY, 1, 4, 4),
            expected(true, codes::SCHEMA_NOT_HERE, 1, 9, 9),
            expected(true, codes::SEALING_LEFT_OUT, 1, 1, 1),
            expected(true, codes::SEALING_NO_KEY, 2, 3, 7),
        ];
        all.sort();
        assert_eq!(found, all);
    }
}
