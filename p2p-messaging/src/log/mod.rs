//! The log: what was accepted, in the order in which it was, in append-only files.
//!
//! A record is in the log when [`Log::append`] returned: written, and `fdatasync`ed, all records of
//! one call together. Nothing is acknowledged before that. Numbers are never given twice and never
//! change; what is found in an index is found here by its number.
//!
//! Damage is named, never hidden: what cannot be read any more is left out of what is read and
//! listed in [`Opened`]; a record that was not written whole is cut off, and what is cut off is
//! kept beside. The format stands in `spec/log.md`.

mod appending;
mod cut;
mod files;
mod frame;
mod scan;
mod snapshot;

pub use appending::{Appended, Appending};
pub use frame::MAX_BODY;
pub use snapshot::LogSnapshot;

use crate::codes;
use files::{Segment, Segments};
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where a file is closed and the next begun, in bytes.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Why the log refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system refused.
    #[error("{action} failed: {source}")]
    Io {
        /// What was being done, with the path.
        action: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Another process has it open, or this one.
    #[error("the log in {0} is open already, in another process or in this one")]
    InUse(PathBuf),
    /// The file is of another format or version.
    #[error("{0} is not a log of version 1")]
    Version(PathBuf),
    /// An earlier write failed in a way that nobody can tell what is on the disk.
    #[error("an earlier write failed ({0}); the log has to be opened again")]
    Stopped(String),
    /// A write failed so that nobody can tell what of it is on the disk.
    #[error("{0}: what was written may be on the disk, or not")]
    InDoubt(String),
    /// A record is longer than is kept.
    #[error("a record has {0} bytes, and at most {MAX_BODY} are kept")]
    TooLong(usize),
    /// What stands at a number's place is another, or cannot be read.
    #[error("record {0} is damaged")]
    Damaged(u64),
}

impl LogError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Io { .. } | Self::Stopped(_) => codes::LOG_IO,
            Self::InDoubt(_) => codes::MAY_BE_KEPT,
            Self::InUse(_) => codes::LOG_IN_USE,
            Self::Version(_) => codes::LOG_VERSION,
            Self::TooLong(_) => codes::ENVELOPE_TOO_LARGE,
            Self::Damaged(_) => codes::LOG_DAMAGED,
        }
    }

    fn io(action: &str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action: format!("{action} {}", path.display()), source }
    }
}

/// A place in the log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// From where, in bytes.
    pub from: u64,
    /// Until where.
    pub until: u64,
    /// The number that follows the last one before it, and the first one after it: what lies
    /// between is lost here.
    pub lost: (u64, Option<u64>),
}

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// How many records can be read.
    pub records: u64,
    /// Places that cannot be read any more.
    pub damaged: Vec<Damage>,
    /// Numbers that are not there, first and last, although nothing between is unreadable: a file
    /// is gone, or an end was cut off earlier.
    pub missing: Vec<(u64, u64)>,
    /// Those of them that no end explains that was cut off before: their file is gone.
    pub gone: Vec<(u64, u64)>,
    /// The end of the last file, which was not a whole record, was cut off and is kept there.
    pub cut_off: Option<PathBuf>,
    /// How many ends that were cut off earlier are kept beside: the numbers that they had room for
    /// are missing, too, and nothing with them that was acknowledged.
    pub cut_ends: usize,
}

impl Opened {
    /// Whether records are missing that nothing explains: a file of the log is gone.
    #[must_use]
    pub fn lacks_records(&self) -> bool {
        !self.gone.is_empty()
    }

    /// What an operator has to know of it, each with its code.
    #[must_use]
    pub fn told(&self) -> Vec<(Code, String)> {
        let mut told = Vec::new();
        for d in &self.damaged {
            let (file, after) = (d.file.display(), d.lost.0);
            let place = format!("{file} is damaged from byte {} to {}", d.from, d.until);
            let lost = match d.lost.1 {
                Some(next) if next > after => {
                    format!("records {after} to {} are lost", next.saturating_sub(1))
                }
                Some(_) => "no record is lost".into(),
                None => format!("what follows number {after} is lost"),
            };
            told.push((codes::LOG_DAMAGED, format!("{place}: {lost}")));
        }
        for (first, last) in &self.gone {
            let sentence =
                format!("records {first} to {last} are gone, with a file or the end of one");
            told.push((codes::LOG_DAMAGED, sentence));
        }
        if let Some(path) = &self.cut_off {
            let sentence =
                format!("an unfinished end was cut off, and is kept in {}", path.display());
            told.push((codes::LOG_TORN, sentence));
        }
        told
    }
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number: from 1 on, in order.
    pub number: u64,
    /// When it was appended, by the clock of the caller.
    pub at: UnixMillis,
    /// What it holds.
    pub body: Vec<u8>,
}

/// Where a record stands: an index can keep it, and must not believe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, by the first number that it was begun with.
    pub segment: u64,
    /// The offset in it.
    pub offset: u64,
}

/// The log. One process has it open.
#[derive(Debug)]
pub struct Log {
    segments: Segments,
    next: u64,
    segment_bytes: u64,
    stopped: Option<String>,
    /// Records are on their way to the disk.
    under_way: bool,
    // Held for as long as the log is open.
    _lock: File,
}

impl Log {
    /// Opens the log in a folder, or begins one, and tells every record to `each`, in order.
    ///
    /// # Errors
    /// [`LogError`]. Damage is none: it is told in [`Opened`], and what can be read is.
    pub fn open(
        folder: &Path,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(Self, Opened), LogError> {
        Self::open_with(folder, SEGMENT_BYTES, each)
    }

    pub(crate) fn open_with(
        folder: &Path,
        segment_bytes: u64,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(Self, Opened), LogError> {
        Self::open_locked(Self::lock(folder)?, folder, segment_bytes, each)
    }

    /// Takes the lock of a log, for whoever keeps more beside it.
    pub(crate) fn lock(folder: &Path) -> Result<File, LogError> {
        files::lock(folder)
    }

    pub(crate) fn open_locked(
        lock: File,
        folder: &Path,
        segment_bytes: u64,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(Self, Opened), LogError> {
        let (segments, opened, last) = Segments::open(folder, each)?;
        let next = last.saturating_add(1);
        Ok((
            Self { segments, next, segment_bytes, stopped: None, under_way: false, _lock: lock },
            opened,
        ))
    }

    /// Appends records and waits until they are on the disk. Gives their numbers and places.
    ///
    /// # Errors
    /// [`LogError`]: then none of them was appended. After a full disk the log goes on as soon as
    /// there is room; where nobody can tell what is on the disk ([`LogError::InDoubt`]), it stops until it
    /// is opened again.
    pub fn append(
        &mut self,
        at: UnixMillis,
        bodies: &[Vec<u8>],
    ) -> Result<Vec<(u64, Place)>, LogError> {
        if bodies.is_empty() && self.stopped.is_none() {
            return Ok(Vec::new());
        }
        let records: Vec<_> = bodies.iter().map(|body| (at, body.as_slice())).collect();
        let appending = self.begin_append(&records)?;
        self.end_append(appending.run())
    }

    /// Reads the record at a place.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if another or none stands there; [`LogError::Io`].
    pub fn read(&self, number: u64, place: Place) -> Result<Record, LogError> {
        let segment = self.segments.find(place.segment).ok_or(LogError::Damaged(number))?;
        segment.read(number, place.offset)?.ok_or(LogError::Damaged(number))
    }

    /// Tells every record that can be read, in order.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn each(&self, each: &mut dyn FnMut(Place, &Record)) -> Result<(), LogError> {
        self.segments.each(None, each)
    }

    /// Tells every record of one file that can be read.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn each_in(
        &self,
        segment: u64,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(), LogError> {
        self.segments.each(Some(segment), each)
    }

    /// Which log it is: the same for as long as it exists, and another for every other. It tells
    /// nothing of the salt.
    #[must_use]
    pub fn identity(&self) -> String {
        self.segments.identity()
    }

    /// Why it takes nothing any more until it is opened again, where that is so.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// Takes nothing any more until it is opened again.
    pub(crate) fn stop(&mut self, why: &str) {
        self.stopped.get_or_insert_with(|| why.to_owned());
    }

    /// The number that the next record gets.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// How many bytes the log takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::length).fold(0, u64::saturating_add)
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.segments.folder()
    }

    /// The closed files, by the first number of each: what can be rewritten shorter.
    #[must_use]
    pub fn closed(&self) -> Vec<u64> {
        let all: Vec<u64> = self.segments.iter().map(Segment::first).collect();
        all.split_last().map(|(_, closed)| closed.to_vec()).unwrap_or_default()
    }

    /// The file that is written to, by its first number.
    #[must_use]
    pub fn open_file(&self) -> Option<u64> {
        self.segments.last().map(Segment::first)
    }

    /// Closes the file that is written to and begins the next. Gives whether it did: not where it holds no
    /// record, nor while records are on their way to the disk.
    ///
    /// # Errors
    /// [`LogError`]: then the file stays the open one.
    pub fn begin_file(&mut self) -> Result<bool, LogError> {
        let has_some = self.open_file().is_some_and(|first| first < self.next);
        if self.under_way || self.stopped.is_some() || !has_some {
            return Ok(false);
        }
        self.segments.begin(self.next)?;
        Ok(true)
    }

    /// Notes for good that records up to a number were given, and are lost: the next one gets a greater
    /// number, and whoever opens the log finds that some are gone.
    ///
    /// # Errors
    /// [`LogError`]: then it is not noted.
    pub(crate) fn note_lost(&mut self, until: u64) -> Result<(), LogError> {
        // Before it numbers are missing that no end explains that was cut off: those have room for one
        // less at most.
        let first = until.max(self.next).saturating_add(1);
        self.segments.begin(first)?;
        self.next = first;
        Ok(())
    }

    /// Writes a closed file anew, each record with what `shorten` makes of its body; numbers and
    /// times stay. Gives the new places. Interrupted at any point, the old file or the new one is
    /// there, whole.
    ///
    /// # Errors
    /// [`LogError`]: then the old file is there.
    pub fn rewrite(
        &mut self,
        segment: u64,
        shorten: &mut dyn FnMut(&Record) -> Option<Vec<u8>>,
    ) -> Result<Vec<(u64, Place)>, LogError> {
        if !self.closed().contains(&segment) {
            return Ok(Vec::new());
        }
        self.segments.rewrite(segment, shorten)
    }

    /// Gives up what ends of files hold that were cut off before a time; that they were is still known. Gives
    /// how many.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn forget_cut_ends(&self, before: UnixMillis) -> Result<u64, LogError> {
        self.segments.forget_cut_ends(before)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
