//! What of the log is lost or cannot be read, and which own messages may have stood there.

use super::index::Spot;
use super::{Entry, Found, Store, StoreError};
use crate::checking::{Chain, Link};
use crate::codes;
use crate::envelope::Envelope;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_identity::code::Code;

/// The most numbers that are told one by one.
const MOST_TOLD: usize = 16;
/// How many of the newest numbers of an own chain are looked at for messages whose reference may be lost.
const MOST_LOOKED_AT: u64 = 1000;
/// Between the record of a reference and that of its message stands what the message rests on: fewer than so
/// many records.
const BETWEEN: u64 = 64;

/// An own message that may have been sent under a reference of which the record is lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Unnamed {
    /// It is here.
    Message(Box<Envelope>),
    /// It is lost as well: the next of its chain is here.
    Before(Link),
}

/// The same as it is remembered, without what it says.
#[derive(Clone, Debug)]
pub(super) enum Doubtful {
    Message(EnvelopeId),
    Before(Link),
}

impl Found {
    /// What an operator has to know of it, each with its code.
    #[must_use]
    pub fn told(&self) -> Vec<(Code, String)> {
        let mut told = self.log.told();
        for number in self.unread.iter().take(MOST_TOLD) {
            let sentence = format!("record {number} is whole, and cannot be read: it is kept");
            told.push((codes::LOG_DAMAGED, sentence));
        }
        let more = self.unread.len().saturating_sub(MOST_TOLD);
        if more > 0 {
            told.push((codes::LOG_DAMAGED, format!("{more} more records cannot be read")));
        }
        told
    }

    /// Whether something is lost, or cannot be read.
    #[must_use]
    pub fn lacks_records(&self) -> bool {
        !self.log.damaged.is_empty() || self.log.lacks_records() || !self.unread.is_empty()
    }

    /// The greatest number of a record that is lost or cannot be read.
    pub(super) fn lost_until(&self) -> u64 {
        let damaged = self.log.damaged.iter().filter_map(|d| match d.lost {
            (after, Some(next)) if next > after => next.checked_sub(1),
            (_, Some(_)) => None,
            // How many followed is not known. Where there is another file, they are told as missing.
            (after, None) => Some(after),
        });
        // What an end explains that was cut off is not among these.
        let gone = self.log.gone.iter().map(|(_, last)| *last);
        let unread = self.unread.iter().copied();
        damaged.chain(gone).chain(unread).max().unwrap_or_default()
    }

    /// The greatest number before which an end was cut off: at this start, behind the last record that is here, or
    /// at an earlier one.
    pub(super) fn cut_off_until(&self, last: u64) -> Option<u64> {
        let explained = self.log.missing.iter().filter(|missing| !self.log.gone.contains(missing));
        let earlier = explained.map(|(_, last)| *last).max();
        earlier.max(self.log.cut_off.is_some().then_some(last))
    }
}

impl Store {
    /// Whether newer messages of an own chain may be lost than are known here: records were lost or
    /// cannot be read, and nothing was sent since. What came back from others says nothing of what else
    /// was sent.
    #[must_use]
    pub fn may_lack(&self, chain: &Chain) -> bool {
        self.lost_until > 0 && !self.sent_after(self.lost_until, chain)
    }

    /// Counts own messages up to a record as perhaps lost, whatever the log says: it is known beside it.
    pub(crate) fn doubt_until(&mut self, record: u64) {
        self.lost_until = self.lost_until.max(record);
    }

    /// Whether the log's end was cut off, at this start or an earlier one, and nothing was sent since. A crash
    /// leaves such an end, of what was acknowledged to nobody; so does, far more rarely, damage to the last record.
    #[must_use]
    pub fn was_cut_off(&self, chain: &Chain) -> bool {
        self.cut_off_until.is_some_and(|last| !self.sent_after(last, chain))
    }

    /// Whether the newest own message that is here was sent with this store, and did not come back from others.
    #[must_use]
    pub fn has_sent(&self, chain: &Chain) -> bool {
        self.sent_after(0, chain)
    }

    fn sent_after(&self, record: u64, chain: &Chain) -> bool {
        let newest = self.index.newest(chain).and_then(|number| self.index.link(chain, number));
        let newest = newest.and_then(|link| self.envelope(&link.id));
        newest.is_some_and(|(number, kept)| number > record && !kept.caught_up)
    }

    /// Own messages whose references may be lost: no reference of theirs is known, and records are lost right
    /// before them, or they are themselves, whether they came back from others or not. Nothing where no record is
    /// lost.
    #[must_use]
    pub fn unnamed(&self, chain: &Chain) -> Vec<Unnamed> {
        let newest = self.index.newest(chain).unwrap_or_default();
        if self.lost.is_empty() || newest == 0 {
            return Vec::new();
        }
        let oldest = newest.saturating_sub(MOST_LOOKED_AT).saturating_add(1);
        let mut doubtful = self.doubtful.borrow_mut();
        // Who sends much asks each time: what is sent since then adds none.
        let all = doubtful
            .entry(chain.clone())
            .or_insert_with(|| self.look_for_doubtful(chain, (oldest, newest)));
        all.retain(|(sequence, _)| *sequence >= oldest);
        let read = |one: &Doubtful| match one {
            Doubtful::Before(next) => Some(Unnamed::Before(next.clone())),
            Doubtful::Message(id) => {
                let (_, kept) = self.envelope(id)?;
                Some(Unnamed::Message(Box::new(kept.envelope().ok()?)))
            }
        };
        all.iter().filter_map(|(_, one)| read(one)).collect()
    }

    fn look_for_doubtful(
        &self,
        chain: &Chain,
        (oldest, newest): (u64, u64),
    ) -> Vec<(u64, Doubtful)> {
        let first_lost = self.lost.first().map_or(u64::MAX, |(first, _)| *first);
        let (mut found, mut next) = (Vec::new(), None);
        let after_a_hole = |next: Option<u64>, sequence: u64| {
            let next = next.filter(|next| *next > sequence.saturating_add(1))?;
            Some((next, Doubtful::Before(self.at(chain, next)?)))
        };
        for (sequence, spot) in self.index.links_down(chain, oldest, newest) {
            found.extend(after_a_hole(next, sequence));
            next = Some(sequence);
            // What stands before all that is lost did not come back for it.
            if spot.number < first_lost {
                continue;
            }
            let Some((_, kept)) = self.kept(spot) else { continue };
            if !kept.caught_up && !self.is_lost_before(spot) {
                continue;
            }
            let Ok(envelope) = kept.envelope() else { continue };
            if self.reference(envelope.id()).is_none() {
                found.push((sequence, Doubtful::Message(envelope.id().clone())));
            }
        }
        found.extend(after_a_hole(next, oldest.saturating_sub(1)));
        found
    }

    /// Whether a record is lost where the reference of the message in another one would stand: both are written
    /// together, in one file. What is sent after a loss was found stands in the next.
    fn is_lost_before(&self, spot: Spot) -> bool {
        let (number, file) = (spot.number, spot.place().segment);
        let is_near = |(from, until): &(u64, u64)| {
            *from < number && number <= until.saturating_add(BETWEEN) && file <= *until
        };
        self.lost.iter().any(is_near)
    }

    /// Reads every record. Gives the numbers of those that are whole and cannot be read, which every
    /// start names from then on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn look_through(&mut self) -> Result<Vec<u64>, StoreError> {
        let mut unread = Vec::new();
        self.log.each(&mut |place, record| {
            if !Entry::is_readable(&record.body) {
                unread.push(Spot::new(record.number, place));
            }
        })?;
        for spot in &unread {
            self.index.pass_over(*spot);
        }
        self.index.write()?;
        Ok(unread.iter().map(|spot| spot.number).collect())
    }
}

#[cfg(test)]
#[path = "unread_tests.rs"]
mod tests;
