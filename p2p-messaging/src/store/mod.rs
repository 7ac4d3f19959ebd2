//! What a node keeps: the log, and an index that finds things in it.
//!
//! [`Store::stage`] takes entries in: they are seen at once, so that the next message of a chain is
//! checked against them. [`Store::commit`] makes all of them durable together; nothing is
//! acknowledged before it returned. Who has other work meanwhile begins with [`Store::begin_commit`],
//! lets another thread wait for the disk, and ends with [`Store::end_commit`]: what is staged in
//! between belongs to the next group, and is dropped with the one before it where that fails.

mod chains;
mod entry;
mod finding;
mod forgetting;
mod index;
mod opening;
mod staged;
mod unread;
mod writing;

pub use entry::{Entry, Kept};
pub use finding::Given;
pub use forgetting::{Forgetting, Forgot, OpenFile, Over};
pub use index::Head;
pub use opening::Found;
pub use unread::Unnamed;

use crate::checking::Chain;
use crate::codes;
use crate::files::left_on_disk;
use crate::log::{Log, LogError};
use forgetting::Left;
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use index::{Index, Spot};
use staged::Staged;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use unread::Doubtful;

/// The file beside the log that says whom the node acts for. It is written when the store was opened the first
/// time. `spec/log.md`.
pub(crate) const PARTICIPANT: &str = "participant.json";

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The log did.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The index did. It can be thrown away.
    #[error("the index in {0} failed: {1}")]
    Index(PathBuf, String),
    /// An entry has no form in which it can be kept.
    #[error("an entry cannot be written")]
    Entry,
    /// A record was written by another version of the program, this one the first.
    #[error("record {0} of the log is of a version that is not known here")]
    Version(u64),
}

impl StoreError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Log(e) => e.code(),
            Self::Index(..) => codes::LOG_IO,
            Self::Entry => codes::ENVELOPE_MALFORMED,
            Self::Version(_) => codes::LOG_VERSION,
        }
    }
}

/// The store. One process has it open, and one thread writes.
pub struct Store {
    /// Closed before the log, with which the lock goes: who opens the store then opens both.
    index: Index,
    log: Log,
    staged: Staged,
    /// On its way to the disk.
    under_way: Staged,
    /// What is left to forget in the closed files that were looked at.
    left: BTreeMap<u64, Left>,
    /// Numbers whose records could not be read when it was opened: first and last, in order.
    lost: Vec<(u64, u64)>,
    /// The own messages of a chain whose references may be lost, each with its number there, as they were looked
    /// for once: until one of the chain comes back from others.
    doubtful: RefCell<BTreeMap<Chain, Vec<(u64, Doubtful)>>>,
    /// When the last record was appended that was there when it was opened.
    logged_before: Option<UnixMillis>,
    /// The greatest number of a record that is lost or cannot be read, or up to which the store is in doubt; 0
    /// where there is none.
    lost_until: u64,
    /// The greatest number before which an end of the log was cut off.
    cut_off_until: Option<u64>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({} records)", self.last_number())
    }
}

impl Store {
    /// What is seen and not yet durable: what is taken in, and what is on its way to the disk.
    fn pending(&self) -> [&Staged; 2] {
        [&self.staged, &self.under_way]
    }

    /// How many bytes the log has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.log.bytes()
    }

    /// The bytes that are left on its disk; no end of them where nobody says.
    #[must_use]
    pub(crate) fn left_on_disk(&self) -> u64 {
        left_on_disk(self.log.folder())
    }

    /// When the last record was appended that was there when the store was opened, by the clock of then.
    #[must_use]
    pub fn logged_before(&self) -> Option<UnixMillis> {
        self.logged_before
    }

    /// The number of the last record that is durable.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.log.next_number().saturating_sub(1)
    }

    /// Why the store has to be opened again, where it has: its disk failed so that nobody can tell what is there.
    /// Nothing is kept any more, and what is not found may be there.
    #[must_use]
    pub fn failure(&self) -> Option<StoreError> {
        let stopped = self.log.stopped();
        let stopped = stopped.map(|why| StoreError::from(LogError::Stopped(why.to_owned())));
        stopped.or_else(|| self.index.failure())
    }

    /// Notes beside the index that it failed, if it did: it is made anew when the store is opened again.
    pub(crate) fn mark_failed(&self) {
        if let Err(e) = self.index.mark() {
            tracing::warn!("that the index failed is not noted: {e}");
        }
    }

    /// As if the disk of the index had failed.
    pub(crate) fn fail(&self) {
        self.index.fail();
    }

    /// How far a reader has read, with what was taken in last.
    #[must_use]
    pub fn cursor(&self, reader: &str) -> u64 {
        let pending = self.pending().into_iter().find_map(|group| group.cursor(reader));
        pending.unwrap_or_else(|| self.index.cursor(reader))
    }

    fn read(&self, spot: Spot) -> Option<Entry> {
        let record = self.log.read(spot.number, spot.place()).ok()?;
        Entry::decode(&record.body)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
