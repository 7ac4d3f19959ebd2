//! Forgetting: closed files of the log are written anew with what is left of their records, one file
//! at a time. Of each is noted what it has that can be forgotten later, so that it is not read again
//! before.

use super::index::Spot;
use super::{Entry, Kept, Store, StoreError};
use crate::log::{LogError, Record};
use crate::sealing::Outline;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Whether something of a channel is over that is of this time. What is older is over before.
pub type Over<'f> = &'f dyn Fn(&ContentId, UnixMillis) -> bool;

/// What is forgotten.
pub struct Forgetting<'f> {
    /// Whether the payload of an envelope is, by when it was issued; names, headers and signatures stay.
    pub payload: Over<'f>,
    /// Whether every message is over that can name an epoch, by when it began: of its document only the
    /// name stays.
    pub epoch: Over<'f>,
    /// Of keys that came before this only the name stays, where they are of no epoch that is kept.
    pub grants_before: UnixMillis,
}

/// How far forgetting came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgot {
    /// How many records were shortened.
    pub count: u64,
    /// The file that was looked at, where it is damaged: it was left as it is.
    pub damaged: Option<u64>,
    /// From which file on to go on; nothing where that was all.
    pub next: Option<u64>,
}

/// What became of the file that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFile {
    /// Nothing in it is over, or it is young.
    Stays,
    /// It is closed, and the next begun.
    Closed,
    /// Something in it is over, and so many files are closed already that it stays until it is full.
    TooMany,
}

/// What a closed file has that can be forgotten later: facts, since how long it is kept can change.
#[derive(Default)]
pub(super) struct Left {
    /// When the oldest payload was issued, and the oldest epoch began, of each channel.
    payloads: BTreeMap<ContentId, UnixMillis>,
    epochs: BTreeMap<ContentId, UnixMillis>,
    /// When the oldest of the keys came that are too new.
    grants: Option<UnixMillis>,
    /// It has epochs that are over, and that are needed for as long as this file is the open one.
    needed_by: Option<u64>,
    /// Epochs that are kept, and for that reason keys that are old enough.
    because_of: BTreeSet<ContentId>,
}

fn note(oldest: &mut BTreeMap<ContentId, UnixMillis>, channel: &ContentId, at: UnixMillis) {
    match oldest.get_mut(channel) {
        Some(first) => *first = at.min(*first),
        None => {
            oldest.insert(channel.clone(), at);
        }
    }
}

fn any_over(oldest: &BTreeMap<ContentId, UnixMillis>, is_over: Over<'_>) -> bool {
    oldest.iter().any(|(channel, at)| is_over(channel, *at))
}

/// How old the first record of the open file is at least that is closed before it is full, in milliseconds.
const CLOSED_AFTER_MILLIS: u64 = 24 * 3600 * 1000;
/// With so many files none is closed before it is full: each is held open.
const MANY_FILES: usize = 256;

impl Store {
    /// Closes the file that is written to, if something in it is over: only what is in a closed file is
    /// forgotten, and where little is said a file is not full for years. Not while a group is on its way to
    /// the disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn close_file(
        &mut self,
        what: &Forgetting<'_>,
        now: UnixMillis,
    ) -> Result<OpenFile, StoreError> {
        self.close_file_unless(MANY_FILES, what, now)
    }

    /// The same, unless so many files are closed already.
    fn close_file_unless(
        &mut self,
        many: usize,
        what: &Forgetting<'_>,
        now: UnixMillis,
    ) -> Result<OpenFile, StoreError> {
        let Some(open) = self.log.open_file() else { return Ok(OpenFile::Stays) };
        let (mut left, mut first, mut is_over) = (Left::default(), None, false);
        self.log.each_in(open, &mut |_, record| {
            let since = *first.get_or_insert(record.at);
            is_over = is_over
                || (now.millis_since(since) >= CLOSED_AFTER_MILLIS
                    && self.shorter(record, what, &mut left).is_some());
        })?;
        if !is_over {
            return Ok(OpenFile::Stays);
        }
        if self.log.closed().len() >= many {
            return Ok(OpenFile::TooMany);
        }
        Ok(if self.log.begin_file()? { OpenFile::Closed } else { OpenFile::Stays })
    }

    /// Forgets in all closed files. Gives how many records were shortened, and the files that are damaged
    /// and were left as they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget(&mut self, what: &Forgetting<'_>) -> Result<(u64, Vec<u64>), StoreError> {
        let (mut count, mut damaged, mut from) = (0_u64, Vec::new(), 0);
        loop {
            let forgot = self.forget_some(what, from)?;
            count = count.saturating_add(forgot.count);
            damaged.extend(forgot.damaged);
            match forgot.next {
                Some(next) => from = next,
                None => return Ok((count, damaged)),
            }
        }
    }

    /// Forgets in one closed file, the first from a number on in which something can be over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_some(&mut self, what: &Forgetting<'_>, from: u64) -> Result<Forgot, StoreError> {
        let closed = self.log.closed();
        let due = |file: &u64| *file >= from && self.is_due(*file, what);
        let Some(file) = closed.into_iter().find(due) else {
            return Ok(Forgot { count: 0, damaged: None, next: None });
        };
        let forgotten = self.forget_in(file, what)?;
        Ok(Forgot {
            count: forgotten.unwrap_or_default(),
            damaged: Some(file).filter(|_| forgotten.is_none()),
            next: Some(file.saturating_add(1)),
        })
    }

    /// Whether something in a closed file can be over, or was not looked at.
    fn is_due(&self, file: u64, what: &Forgetting<'_>) -> bool {
        let Some(left) = self.left.get(&file) else { return true };
        any_over(&left.payloads, what.payload)
            || any_over(&left.epochs, what.epoch)
            || left.grants.is_some_and(|at| at < what.grants_before)
            || left.needed_by.is_some_and(|open| self.log.open_file() != Some(open))
            || left.because_of.iter().any(|id| self.index.document(id).is_none())
    }

    /// Forgets in a closed file. Gives how many records were shortened; nothing where it is damaged.
    fn forget_in(&mut self, file: u64, what: &Forgetting<'_>) -> Result<Option<u64>, StoreError> {
        let mut left_over = Left::default();
        let mut shorter: HashMap<u64, Entry> = HashMap::new();
        self.log.each_in(file, &mut |_, record| {
            if let Some(short) = self.shorter(record, what, &mut left_over) {
                shorter.insert(record.number, short);
            }
        })?;
        let is_name = |short: &Entry| matches!(short, Entry::Forgotten(_));
        if shorter.values().any(is_name) {
            let (needed, before) = (self.epochs_of_the_open_file()?, shorter.len());
            shorter.retain(|_, s| !matches!(&*s, Entry::Forgotten(id) if needed.contains(id)));
            left_over.needed_by = self.log.open_file().filter(|_| shorter.len() < before);
        }
        if shorter.is_empty() {
            self.left.insert(file, left_over);
            return Ok(Some(0));
        }
        // Interrupted between the log and the index, the index is made again.
        self.index.doubt()?;
        let (mut left, mut gone) = (HashMap::new(), Vec::new());
        let rewritten = self.log.rewrite(file, &mut |record| {
            let entry = Entry::decode(&record.body)?;
            let short = shorter.get(&record.number).cloned();
            if matches!(short, Some(Entry::Forgotten(_))) {
                gone.push((record.number, entry.clone()));
            }
            let entry = short.unwrap_or(entry);
            let body = entry.encode();
            left.insert(record.number, entry);
            body
        });
        let places = match rewritten {
            Ok(places) => places,
            Err(LogError::Damaged(_)) => {
                self.index.sure();
                self.index.write()?;
                // It is not written anew, however often it is looked at.
                self.left.insert(file, Left::default());
                return Ok(None);
            }
            // Nobody knows which file is there: the index stays in doubt.
            Err(e) => return Err(e.into()),
        };
        for (number, place) in places {
            if let Some(entry) = left.get(&number) {
                self.index.moved(Spot::new(number, place), entry);
            }
        }
        for (number, entry) in &gone {
            self.index.forgotten(*number, entry);
        }
        self.index.sure();
        self.index.write()?;
        self.left.insert(file, left_over);
        Ok(Some(u64::try_from(shorter.len()).unwrap_or(u64::MAX)))
    }

    /// Gives up what ends of the log hold that were cut off before a time, whatever it was of. Gives how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_cut_ends(&self, before: UnixMillis) -> Result<u64, StoreError> {
        Ok(self.log.forget_cut_ends(before)?)
    }

    /// What is left of a record, if less than there is; notes what may be less later. That an epoch is
    /// needed still is not looked at.
    fn shorter(&self, record: &Record, what: &Forgetting<'_>, left: &mut Left) -> Option<Entry> {
        let entry = Entry::decode(&record.body)?;
        match &entry {
            Entry::Envelope(kept) => {
                let envelope = Some(kept).filter(|k| k.whole)?.envelope().ok()?;
                let (channel, issued) = (&envelope.header().channel, envelope.header().issued);
                if !(what.payload)(channel, issued) {
                    note(&mut left.payloads, channel, issued);
                    return None;
                }
                let envelope = ByteBuf::from(envelope.to_block().ok()?);
                let kept = Kept { envelope, whole: false, ..(**kept).clone() };
                Some(Entry::Envelope(Box::new(kept)))
            }
            Entry::Epoch(bytes) => {
                let epoch = Outline::read(bytes)?;
                if !(what.epoch)(&epoch.chain.channel, epoch.begun) {
                    note(&mut left.epochs, &epoch.chain.channel, epoch.begun);
                    return None;
                }
                ContentId::of_bytes(bytes).ok().map(Entry::Forgotten)
            }
            Entry::Grant { epochs, statement, .. } => {
                if record.at >= what.grants_before {
                    left.grants = Some(left.grants.unwrap_or(record.at).min(record.at));
                    return None;
                }
                let mut epochs = epochs.iter();
                if let Some(kept) = epochs.find(|id| self.index.document(id).is_some()) {
                    left.because_of.insert(kept.clone());
                    return None;
                }
                ContentId::of_bytes(statement).ok().map(Entry::Forgotten)
            }
            Entry::Document(_)
            | Entry::Fork { .. }
            | Entry::Receipt { .. }
            | Entry::Opened { .. }
            | Entry::Forgotten(_)
            | Entry::Sent { .. }
            | Entry::Cursor { .. } => None,
        }
    }

    /// Its messages keep their payloads until it is closed: so long their epochs are needed.
    fn epochs_of_the_open_file(&self) -> Result<BTreeSet<ContentId>, StoreError> {
        let mut needed = BTreeSet::new();
        if let Some(open) = self.log.open_file() {
            self.log.each_in(open, &mut |_, record| {
                if let Some(Entry::Envelope(kept)) = Entry::decode(&record.body)
                    && let Ok(envelope) = kept.envelope()
                {
                    needed.extend(envelope.header().epoch.clone());
                }
            })?;
        }
        Ok(needed)
    }
}

#[cfg(test)]
#[path = "forgetting_tests.rs"]
mod tests;
