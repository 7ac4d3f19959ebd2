//! The index of the log: where each thing stands. Everything in it can be made again from the log,
//! and is, whenever it does not fit; nothing in it is believed without reading the log. Here is how it is
//! opened, doubted and written; what is noted in it is in `noting`, what it is asked in `finding`.

mod finding;
mod keys;
mod noting;
mod reading;
mod rows;
mod runs;
mod unread;

pub use rows::Head;
pub(super) use rows::{Located, Spot};

use super::StoreError;
use crate::checking::Chain;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::wallet::sled_open::{Database, open_db};
use hashlink::LruCache;
use keys::{inbox_key, link_key};
use reading::Failed;
use rows::{Ends, META, Meta, VERSION};
use runs::{LinkRow, Numbered as _, cut};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The most chains of which is remembered how far they are known, and the most documents that they are
/// here: each message asks for both.
const MAX_REMEMBERED: usize = 4096;

/// What the file beside the index is called that says that it failed: a program that opens it makes it anew.
const FAILED: &str = "failed";

/// The index, in sled.
pub(super) struct Index {
    db: Database,
    folder: PathBuf,
    /// Rows that the batch under way has changed.
    changed: HashMap<Vec<u8>, Vec<u8>>,
    /// Messages of chains and places in the inbox that came since rows were written.
    links: HashMap<[u8; 32], BTreeMap<u64, LinkRow>>,
    inbox: BTreeMap<u64, Spot>,
    applied: u64,
    records: u64,
    /// Records are moving, or an index could not be written: on disk it says that it has to be made
    /// anew.
    doubted: bool,
    failed: Failed,
    /// It failed when it was open before.
    failed_before: bool,
    /// The log that it is made from; empty as long as it holds nothing.
    log: String,
    /// Nothing of an earlier one was found when it was opened.
    new: bool,
    ends: RefCell<LruCache<Chain, Ends>>,
    documents: RefCell<LruCache<ContentId, ()>>,
}

impl Index {
    /// Opens the index in a folder. One that cannot be opened, or is of another version, is thrown
    /// away and begun anew: the log has everything.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let new = !folder.exists();
        let (mut index, new) = match Self::open_as_it_is(folder) {
            Ok(index) => (index, new),
            Err(_) => (Self::anew(folder)?, true),
        };
        index.new = new;
        index.failed_before = folder.with_extension(FAILED).exists();
        Ok(index)
    }

    fn open_as_it_is(folder: &Path) -> Result<Self, StoreError> {
        let config =
            sled::Config::new().path(folder).cache_capacity(64 * 1024 * 1024).flush_every_ms(None);
        let db = open_db(&config).map_err(|e| StoreError::Index(folder.into(), e.to_string()))?;
        let mut index = Self {
            db,
            folder: folder.to_owned(),
            changed: HashMap::new(),
            links: HashMap::new(),
            inbox: BTreeMap::new(),
            applied: 0,
            records: 0,
            doubted: false,
            failed: Failed::default(),
            failed_before: false,
            log: String::new(),
            new: false,
            ends: RefCell::new(LruCache::new(MAX_REMEMBERED)),
            documents: RefCell::new(LruCache::new(MAX_REMEMBERED)),
        };
        match index.row::<Meta>(META) {
            None if index.db.is_empty() => {}
            Some(meta) if meta.version == VERSION => {
                (index.applied, index.records, index.log) = (meta.applied, meta.records, meta.log);
            }
            _ => return Err(StoreError::Index(folder.into(), "it is of another version".into())),
        }
        Ok(index)
    }

    fn anew(folder: &Path) -> Result<Self, StoreError> {
        match std::fs::remove_dir_all(folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Index(PathBuf::from(folder), e.to_string()));
            }
            _ => {}
        }
        Self::open_as_it_is(folder)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        self.changed.clear();
        self.links.clear();
        self.inbox.clear();
        // Rows go one by one: interrupted, it is cleared again.
        self.doubt()?;
        self.doubted = false;
        self.ends.get_mut().clear();
        self.documents.get_mut().clear();
        (self.applied, self.records) = (0, 0);
        self.log.clear();
        self.done(self.db.clear())
    }

    /// The same of one that may have failed: then it is thrown away, and begun anew.
    pub(super) fn cleared(mut self) -> Result<Self, StoreError> {
        if !self.is_suspect() && self.clear().is_ok() && !self.is_suspect() {
            return Ok(self);
        }
        let (folder, new) = (self.folder.clone(), self.new);
        drop(self);
        let mut index = Self::anew(&folder)?;
        index.new = new;
        Ok(index)
    }

    /// Whether it failed, now or when it was open before: what it has need not be all.
    pub(super) fn is_suspect(&self) -> bool {
        self.failed_before || self.has_failed()
    }

    /// Says beside it that it failed, if it did: what it has on disk may be damaged, and whoever opens it would
    /// find that out too late.
    pub(super) fn mark(&self) -> std::io::Result<()> {
        match self.has_failed() {
            true => std::fs::File::create(self.folder.with_extension(FAILED)).map(drop),
            false => Ok(()),
        }
    }

    /// It was made anew, or did not fail.
    pub(super) fn unmark(&self) {
        // One that stays is made anew once more.
        let _ = std::fs::remove_file(self.folder.with_extension(FAILED));
    }

    /// What sled did, or why it failed.
    fn done<T>(&self, done: sled::Result<T>) -> Result<T, StoreError> {
        done.map_err(|e| {
            self.failed.note(&e);
            StoreError::Index(self.folder.clone(), e.to_string())
        })
    }

    /// Whether nothing of an earlier one was found when it was opened: there was none, or one that nobody can
    /// read.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// Whether nothing was ever noted in it.
    pub(super) fn is_empty(&self) -> bool {
        let mut two = self.failed.rows(self.db.iter().keys()).take(2);
        two.all(|key| *key == *META) && !self.has_failed()
    }

    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// How many records of the log are in it.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// No record moves any more.
    pub(super) fn sure(&mut self) {
        self.doubted = false;
    }

    /// Whether sled failed to read or write something.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.why().is_some()
    }

    /// Why it did, if it did.
    pub(super) fn failure(&self) -> Option<StoreError> {
        let why = self.failed.why()?;
        Some(StoreError::Index(self.folder.clone(), why.to_owned()))
    }

    /// As if sled had failed.
    pub(super) fn fail(&self) {
        self.failed.note(&sled::Error::Unsupported("a test has it fail".into()));
    }

    /// Whether it is made from this log, as far as it holds anything.
    pub(super) fn is_of(&self, log: &str) -> bool {
        self.log.is_empty() || self.log == log
    }

    /// Notes which log it is made from.
    pub(super) fn belongs_to(&mut self, log: &str) {
        log.clone_into(&mut self.log);
    }

    /// Says on disk that it has to be made anew, until it is written the next time: for as long as
    /// records move.
    pub(super) fn doubt(&mut self) -> Result<(), StoreError> {
        self.doubted = true;
        self.write()?;
        self.done(self.db.flush()).map(|_| ())
    }

    fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        if let Some(changed) = self.changed.get(key) {
            return serde_ipld_dagcbor::from_slice(changed).ok();
        }
        let found = self.db.get(key);
        let found = found.inspect_err(|e| self.failed.note(e)).ok()??;
        serde_ipld_dagcbor::from_slice(&found).ok()
    }

    fn put<T: Serialize>(&mut self, key: Vec<u8>, row: &T) {
        if let Ok(bytes) = serde_ipld_dagcbor::to_vec(row) {
            self.changed.insert(key, bytes);
        }
    }

    /// No row is empty that says something.
    fn drop_row(&mut self, key: Vec<u8>) {
        self.changed.insert(key, Vec::new());
    }

    /// Writes what was noted. It need not be durable: what is lost is made again from the log.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        // What was noted while rows could not be read may be wrong.
        let doubted = self.doubted || self.has_failed();
        let (applied, records) = if doubted { (0, 0) } else { (self.applied, self.records) };
        let meta = Meta { version: VERSION, applied, records, log: self.log.clone() };
        self.put(META.to_vec(), &meta);
        for (chain, noted) in std::mem::take(&mut self.links) {
            for run in cut(noted.values().cloned()) {
                if let Some(first) = run.first() {
                    self.put(link_key(&chain, first.number()), &run);
                }
            }
            self.links.insert(chain, noted);
        }
        for run in cut(std::mem::take(&mut self.inbox).into_values()) {
            if let Some(first) = run.first() {
                self.put(inbox_key(first.number()), &run);
            }
        }
        let mut batch = sled::Batch::default();
        for (key, row) in &self.changed {
            match row.is_empty() {
                true => batch.remove(key.as_slice()),
                false => batch.insert(key.as_slice(), row.as_slice()),
            }
        }
        // What could not be written is still seen.
        self.done(self.db.apply_batch(batch))?;
        self.changed.clear();
        self.links.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
