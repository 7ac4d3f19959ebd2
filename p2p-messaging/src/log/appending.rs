//! Records on their way to the disk. They can be taken there by another thread than the one that has
//! the log, so that it need not wait: [`Log::begin_append`] numbers and places them,
//! [`Appending::run`] writes and waits for the disk, [`Log::end_append`] takes notice of how it went.

use super::{Log, LogError, Place, frame};
use gridpass_identity::time::UnixMillis;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Records that have their numbers and places, and are not on the disk yet.
#[derive(Debug)]
#[must_use]
pub struct Appending {
    tail: Tail,
    bytes: Vec<u8>,
    written: Vec<(u64, Place)>,
}

/// How it went.
#[derive(Debug)]
#[must_use]
pub struct Appended {
    appending: Appending,
    /// An error says whether the file is as it was before.
    result: Result<(), (LogError, bool)>,
}

/// The end of a file.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) length: u64,
}

impl Tail {
    /// Appends and syncs. An error says whether the file is as it was before.
    fn append(&self, bytes: &[u8]) -> Result<(), (LogError, bool)> {
        if let Err(e) = self.file.write_all_at(bytes, self.length) {
            // What was written of it, and was never acknowledged, is taken back.
            let clean = self.file.set_len(self.length).is_ok();
            return Err((LogError::io("appending to", &self.path, e), clean));
        }
        // The kernel may have dropped what it could not write: nobody knows what is there.
        let synced = self.file.sync_data();
        synced.map_err(|e| (LogError::io("syncing", &self.path, e), false))
    }
}

impl Appending {
    /// The same, to a file that is always full, and cannot be made shorter.
    #[cfg(test)]
    pub(crate) fn onto_a_full_disk(mut self) -> Self {
        let full = File::options().write(true).open("/dev/full").expect("the system has one");
        self.tail.file = Arc::new(full);
        self
    }

    /// Writes them, and waits until they are on the disk.
    pub fn run(self) -> Appended {
        let result = self.tail.append(&self.bytes);
        Appended { appending: self, result }
    }
}

impl Log {
    /// Begins to append records, at least one, each with its time: gives them numbers and places. Until
    /// [`Log::end_append`] no others are begun with.
    ///
    /// # Errors
    /// [`LogError`]: then none of them is appended.
    pub fn begin_append(&mut self, records: &[(UnixMillis, &[u8])]) -> Result<Appending, LogError> {
        if let Some(why) = &self.stopped {
            return Err(LogError::Stopped(why.clone()));
        }
        if self.under_way {
            return Err(LogError::Stopped("how it went was never told".into()));
        }
        if self.segments.last().is_none_or(|s| s.is_closed() || s.length() >= self.segment_bytes) {
            self.segments.begin(self.next)?;
        }
        let Some(segment) = self.segments.last() else {
            return Err(LogError::Stopped("no file was begun".into()));
        };
        let size = records.iter().map(|(_, b)| b.len().saturating_add(frame::HEAD)).sum();
        let (mut bytes, mut written) =
            (Vec::with_capacity(size), Vec::with_capacity(records.len()));
        let (mut offset, mut number) = (segment.length(), self.next);
        for (at, body) in records {
            let size = frame::write(&mut bytes, segment.salt(), number, *at, body)
                .ok_or(LogError::TooLong(body.len()))?;
            written.push((number, Place { segment: segment.first(), offset }));
            offset = offset.saturating_add(u64::try_from(size).unwrap_or(u64::MAX));
            number = number.saturating_add(1);
        }
        let tail = segment.tail();
        self.under_way = true;
        Ok(Appending { tail, bytes, written })
    }

    /// Takes notice that records are on the disk, and gives their numbers and places.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn end_append(&mut self, appended: Appended) -> Result<Vec<(u64, Place)>, LogError> {
        let Appended { appending: Appending { bytes, written, .. }, result } = appended;
        self.under_way = false;
        if let Err((error, clean)) = result {
            if clean {
                return Err(error);
            }
            self.stop(&error.to_string());
            return Err(LogError::InDoubt(error.to_string()));
        }
        if let Some(segment) = self.segments.last_mut() {
            segment.grew(bytes.len());
        }
        self.next = written.last().map_or(self.next, |(number, _)| number.saturating_add(1));
        Ok(written)
    }
}
