//! Rows that hold several: a row costs about the same however much stands in it, and there are a link
//! and a place in the inbox for each message. A run stands under the number of its first.

use super::reading::Failed;
use super::rows::Spot;
use crate::checking::Link;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteArray;
use sled::{Db, IVec};

/// The most that stand in one row: it is read whole.
const MOST: usize = 32;

/// The bytes of a name.
type IdBytes = ByteArray<36>;

/// A message of a chain: its number there, its name, that of the one before, when it was made in
/// milliseconds, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LinkRow(u64, IdBytes, Option<IdBytes>, u64, Spot);

impl LinkRow {
    pub(super) fn of(sequence: u64, link: &Link, spot: Spot) -> Self {
        let bytes = |id: &EnvelopeId| ByteArray::new(id.to_bytes());
        let previous = link.previous.as_ref().map(bytes);
        Self(sequence, bytes(&link.id), previous, link.issued.get(), spot)
    }

    pub(super) fn link(&self) -> Option<Link> {
        let name = |bytes: &IdBytes| EnvelopeId::from_bytes(bytes).ok();
        let previous = match &self.2 {
            Some(bytes) => Some(name(bytes)?),
            None => None,
        };
        Some(Link { id: name(&self.1)?, previous, issued: self.issued() })
    }

    pub(super) fn issued(&self) -> UnixMillis {
        UnixMillis::new(self.3)
    }

    pub(super) fn spot(&self) -> Spot {
        self.4
    }
}

/// What stands in runs.
pub(super) trait Numbered: Clone + Serialize + DeserializeOwned {
    /// The number that it is found by.
    fn number(&self) -> u64;
    /// The same record, elsewhere.
    fn moved(&mut self, spot: Spot);
}

impl Numbered for LinkRow {
    fn number(&self) -> u64 {
        self.0
    }

    fn moved(&mut self, spot: Spot) {
        if self.4.number == spot.number {
            self.4 = spot;
        }
    }
}

impl Numbered for Spot {
    fn number(&self) -> u64 {
        self.number
    }

    fn moved(&mut self, spot: Spot) {
        if self.number == spot.number {
            *self = spot;
        }
    }
}

/// Cuts what comes in the order of its numbers into runs, in each of which the numbers follow each other.
/// As long as none of them stands in a run already, no number is in two, in whatever order they are written.
pub(super) fn cut<T: Numbered>(all: impl Iterator<Item = T>) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = Vec::new();
    for one in all {
        let follows = |run: &&mut Vec<T>| {
            let next = run.last().and_then(|last| last.number().checked_add(1));
            run.len() < MOST && next == Some(one.number())
        };
        match runs.last_mut().filter(follows) {
            Some(run) => run.push(one),
            None => runs.push(vec![one]),
        }
    }
    runs
}

/// The row that a number stands in, if it does: the last that begins with it or before it.
pub(super) fn row_at(
    db: &Db,
    key: impl Fn(u64) -> Vec<u8>,
    number: u64,
) -> Result<Option<(IVec, IVec)>, sled::Error> {
    db.range(key(0)..=key(number)).next_back().transpose()
}

/// Those with a number from one to another, in order, as far as they can be read.
pub(super) fn between<T: Numbered, K: Fn(u64) -> Vec<u8>>(
    place: (&Db, &Failed),
    key: K,
    from: u64,
    until: u64,
) -> impl Iterator<Item = T> + use<T, K> {
    let within = move |one: &T| (from..=until).contains(&one.number());
    runs_between(place, key, from, until).flatten().filter(within)
}

/// The same, from the greatest number down. Of what is not come to nothing is read.
pub(super) fn down_between<T: Numbered, K: Fn(u64) -> Vec<u8>>(
    place: (&Db, &Failed),
    key: K,
    from: u64,
    until: u64,
) -> impl Iterator<Item = T> + use<T, K> {
    let within = move |one: &T| (from..=until).contains(&one.number());
    runs_between(place, key, from, until)
        .rev()
        .flat_map(|run: Vec<T>| run.into_iter().rev())
        .filter(within)
}

/// The runs in which those stand.
fn runs_between<T: Numbered, K: Fn(u64) -> Vec<u8>>(
    (db, failed): (&Db, &Failed),
    key: K,
    from: u64,
    until: u64,
) -> impl DoubleEndedIterator<Item = Vec<T>> + use<T, K> {
    let first = row_at(db, &key, from).inspect_err(|e| failed.note(e)).ok().flatten();
    let first = first.map_or_else(|| key(from), |(first, _)| first.to_vec());
    // An end before the beginning is none.
    let rows = failed.rows(db.range(first..=key(until.max(from))));
    rows.filter_map(|(_, row)| serde_ipld_dagcbor::from_slice::<Vec<T>>(&row).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Place;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn spot(number: u64) -> Spot {
        Spot::new(number, Place { segment: 1, offset: number })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever comes when: what was written is found, each once and in order, and nothing else.
        #[test]
        fn what_is_cut_is_found_again(groups in prop::collection::vec(
            prop::collection::btree_set(0_u64..300, 1..80), 1..6), from in 0_u64..310, more in 0_u64..310,
        ) {
            let db = sled::Config::new().temporary(true).open().expect("opens");
            let failed = Failed::default();
            let key = |number: u64| [b"x".as_slice(), &number.to_be_bytes()].concat();
            let mut known = BTreeSet::new();
            for group in groups {
                // A number is given once.
                let new: Vec<_> = group.into_iter().filter(|n| known.insert(*n)).collect();
                for run in cut(new.into_iter().map(spot)) {
                    prop_assert!(run.len() <= MOST);
                    let row = serde_ipld_dagcbor::to_vec(&run).expect("written");
                    db.insert(key(run[0].number), row).expect("kept");
                }
            }
            let until = from + more;
            let found: Vec<u64> =
                between::<Spot, _>((&db, &failed), key, from, until).map(|s| s.number).collect();
            let expected: Vec<u64> = known.range(from..=until).copied().collect();
            prop_assert_eq!(&found, &expected);
            let down = down_between::<Spot, _>((&db, &failed), key, from, until);
            let down = down.map(|s| s.number);
            prop_assert_eq!(down.collect::<Vec<_>>(), found.into_iter().rev().collect::<Vec<_>>());
            for number in 0..310 {
                let row = row_at(&db, key, number).expect("read");
                let row = row.map(|(_, row)| serde_ipld_dagcbor::from_slice::<Vec<Spot>>(&row));
                let row = row.transpose().expect("a row").unwrap_or_default();
                prop_assert_eq!(row.contains(&spot(number)), known.contains(&number));
            }
        }
    }
}
