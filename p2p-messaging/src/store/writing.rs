//! How entries become durable: taken in at once, and written in groups.

use super::index::Spot;
use super::staged::{Noted, Staged};
use super::{Entry, Kept, Store, StoreError};
use crate::envelope::Envelope;
use crate::log::{Appended, Appending, LogError};
use crate::sealing::Outline;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;

impl Store {
    /// Takes an entry in: seen at once, durable after [`Store::commit`].
    ///
    /// # Errors
    /// [`StoreError::Entry`] for one that cannot be written.
    pub fn stage(&mut self, mut entry: Entry) -> Result<(), StoreError> {
        // A clock may have been set back since the message came: it was opened no earlier than that.
        if let Entry::Opened { envelope, at, .. } = &mut entry
            && let Some(logged) = self.logged(envelope)
        {
            *at = logged.max(*at);
        }
        let epoch = match &entry {
            Entry::Epoch(bytes) => Some(self.new_epoch(bytes)?),
            _ => None,
        };
        self.staged.take(entry)?;
        if let Some(epoch) = epoch.flatten() {
            self.staged.count_epoch(&epoch);
        }
        Ok(())
    }

    /// The same for an envelope that was read before: `kept` holds this one.
    ///
    /// # Errors
    /// [`StoreError::Entry`] for one that cannot be written.
    pub fn stage_envelope(&mut self, envelope: &Envelope, kept: Kept) -> Result<(), StoreError> {
        self.staged.take_envelope(envelope, kept)
    }

    /// How many entries were taken in since a commit was begun.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Makes all that was taken in durable. Gives the number of each.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing of it was kept, nor is seen any more; [`LogError::InDoubt`]: nobody can
    /// tell whether it was.
    pub fn commit(&mut self, now: UnixMillis) -> Result<Vec<u64>, StoreError> {
        if self.staged.len() == 0 {
            return Ok(Vec::new());
        }
        let appending = self.begin_commit(now)?;
        self.end_commit(appending.run())
    }

    /// Begins to make all that was taken in durable: one group at a time.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn begin_commit(&mut self, now: UnixMillis) -> Result<Appending, StoreError> {
        let group = std::mem::take(&mut self.staged);
        // What the index cannot say is there might be taken twice.
        if let Some(why) = self.index.failure() {
            return Err(why);
        }
        let appending = self.log.begin_append(&group.records(now))?;
        self.under_way = group;
        Ok(appending)
    }

    /// Ends what [`Store::begin_commit`] began. Gives the number of each entry.
    ///
    /// # Errors
    /// [`StoreError::Log`]: then nothing of it was kept, nor of what was taken in since, which may
    /// rest on it; [`LogError::InDoubt`]: nobody can tell whether it was.
    pub fn end_commit(&mut self, appended: Appended) -> Result<Vec<u64>, StoreError> {
        let group = std::mem::take(&mut self.under_way);
        let written = self.log.end_append(appended).inspect_err(|_| {
            self.staged = Staged::default();
        })?;
        for ((number, place), noted) in written.iter().zip(group.noted()) {
            let spot = Spot::new(*number, *place);
            match noted {
                Noted::Envelope(located) => {
                    if located.caught_up {
                        // It may be one whose reference is lost.
                        self.doubtful.get_mut().remove(&located.chain);
                    }
                    self.index.note_envelope(spot, located);
                }
                Noted::Other(entry) => self.index.note(spot, entry),
            }
        }
        // The log has it, and so it is kept. Where the index could not be written, nothing more is
        // taken in until the store is opened again: [`Store::failure`] says why.
        if let Err(e) = self.index.write() {
            tracing::error!(code = %e.code(), "{e}");
        }
        Ok(written.into_iter().map(|(number, _)| number).collect())
    }

    /// The group that is under way will never be heard of: neither it nor what was taken in since
    /// is seen any more, and nothing more is taken in until the store is opened again.
    pub fn lost(&mut self) -> StoreError {
        (self.staged, self.under_way) = (Staged::default(), Staged::default());
        let why = "nobody tells what was written";
        self.log.stop(why);
        LogError::InDoubt(why.into()).into()
    }

    /// An epoch, where it was not kept before.
    fn new_epoch(&self, bytes: &[u8]) -> Result<Option<Outline>, StoreError> {
        let id = ContentId::of_bytes(bytes).map_err(|_| StoreError::Entry)?;
        let epoch = Outline::read(bytes).ok_or(StoreError::Entry)?;
        Ok(Some(epoch).filter(|_| !self.has_document(&id)))
    }
}

#[cfg(test)]
#[path = "writing_tests.rs"]
mod tests;
