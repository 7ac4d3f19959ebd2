//! The wallet's store on disk: sled, with three things added that sled 0.34 does not promise.
//!
//! - **Durable**: sled's flush is safe against a killed process, not against power loss; after
//!   each commit its files are synced here.
//! - **Damage is found**: sled drops what it cannot read. Each commit writes a seal (a generation,
//!   the number of records and the sum of their hashes) inside sled and into the file `head`
//!   beside it; opening compares both with what is there.
//! - **Values of any size**: sled keeps values over about 128 KiB in files that it never syncs.
//!   Values are cut into parts of 60 KiB.
//!
//! In the folder: `lock` (held while open, names the process), `head`, `records/` (sled's own).

mod folder;
mod seal;

use super::sled_open::{Database, open_db, sled_error};
use super::store::{Batch, Entry, Store, StoreError};
use folder::{
    create_private_dir, io_error, is_unfinished, must_be_there, read_head, take_lock, write_head,
};
use seal::{Sum, read_seal};
use sled::transaction::{ConflictableTransactionError, TransactionError};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

const PART: usize = 60 * 1024;
const SEAL: &[u8] = b"\0seal";

/// A store in a folder. One process at a time.
#[derive(Debug)]
pub struct SledStore {
    // Dropped in this order: sled first, then the lock.
    tree: sled::Tree,
    db: Database,
    dir: PathBuf,
    generation: u64,
    sum: Sum,
    _lock: File,
}

impl SledStore {
    /// Makes an empty store in a folder that does not exist yet. Where making the wallet in it then fails,
    /// or is cut off, the folder stays: [`SledStore::open_or_create`] can be tried again.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if anything is there; [`StoreError::Io`].
    pub fn create(dir: &Path) -> Result<Self, StoreError> {
        if dir.exists() {
            return Err(StoreError::Exists(dir.display().to_string()));
        }
        create_private_dir(dir)?;
        let lock = take_lock(dir)?;
        let (db, tree) = open_sled(dir)?;
        let store =
            Self { tree, db, dir: dir.to_owned(), generation: 0, sum: Sum::default(), _lock: lock };
        store.begun()
    }

    /// The first commit. There is nothing in it, so that it may be tried again however it ended.
    fn begun(mut self) -> Result<Self, StoreError> {
        match self.commit(&Batch::default()) {
            Ok(()) => Ok(self),
            Err(StoreError::Unconfirmed { action, source }) => {
                Err(StoreError::Io { action, source })
            }
            Err(e) => Err(e),
        }
    }

    /// A store to make a wallet in, however often that is tried: as [`SledStore::create`] where the folder
    /// does not exist, else as [`SledStore::open`]; and a store whose making was cut off is finished. A
    /// wallet that is in it stays, and [`super::Wallet::create`] refuses it.
    ///
    /// # Errors
    /// As [`SledStore::open`].
    pub fn open_or_create(dir: &Path) -> Result<Self, StoreError> {
        if !dir.exists() {
            return Self::create(dir);
        }
        if !is_unfinished(dir)? {
            return Self::open(dir);
        }
        let lock = take_lock(dir)?;
        let (db, tree) = open_sled(dir)?;
        for item in tree.scan_prefix(b"") {
            let (key, value) = item.map_err(|e| sled_error("reading", e))?;
            // The first commit, without a record, is all that making a store can have left.
            if key != SEAL || read_seal(&value, "the seal")? != Sum::default().seal(1) {
                return Err(StoreError::Damaged("the file `head` is missing".into()));
            }
        }
        let store =
            Self { tree, db, dir: dir.to_owned(), generation: 0, sum: Sum::default(), _lock: lock };
        store.begun()
    }

    /// Opens a store, checking that every record is there that was committed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none, [`StoreError::Io`] if this user may not look,
    /// [`StoreError::InUse`] if another process has it, [`StoreError::Version`] if a newer program
    /// wrote it, [`StoreError::Damaged`] if records are missing or changed.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        must_be_there(dir)?;
        let lock = take_lock(dir)?;
        let head = read_head(dir)?;
        if !dir.join("records").is_dir() {
            return Err(StoreError::Damaged("the folder `records` is missing".into()));
        }
        let (db, tree) = open_sled(dir)?;
        let sealed = tree
            .get(SEAL)
            .map_err(|e| sled_error("reading the seal", e))?
            .ok_or_else(|| StoreError::Damaged("the seal is missing".into()))?;
        let sealed = read_seal(&sealed, "the seal")?;
        // The seal goes first and `head` follows: `head` may be behind by the one commit that was
        // cut off before it was acknowledged, never ahead.
        if sealed.generation < head.generation {
            return Err(StoreError::Damaged(format!(
                "commit {} was acknowledged, and the records end at commit {}",
                head.generation, sealed.generation
            )));
        }
        let mut store = Self {
            tree,
            db,
            dir: dir.to_owned(),
            generation: sealed.generation,
            sum: Sum::default(),
            _lock: lock,
        };
        for (key, value) in store.scan(b"")? {
            store.sum.add(&key, &value);
        }
        let found = store.sum.seal(sealed.generation);
        if found != sealed || sealed.generation == head.generation && sealed != head {
            return Err(StoreError::Damaged(format!(
                "{} records were committed and {} are there, or some were changed",
                sealed.records, found.records
            )));
        }
        if sealed != head {
            write_head(dir, &sealed)?;
        }
        Ok(store)
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|e| sled_error("flushing", e))?;
        let records = self.dir.join("records");
        let io = |source| io_error("syncing", &records, source);
        for entry in fs::read_dir(&records).map_err(io)? {
            let path = entry.map_err(io)?.path();
            // sled replaces its snapshot files; one may be gone between listing and opening.
            match File::open(&path).and_then(|file| file.sync_all()) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io_error("syncing", &path, e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Store for SledStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let read = self.read_parts(&part_prefix(key))?;
        Ok(read.into_iter().next().map(|(_, value)| value))
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        self.read_parts(prefix)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        batch.check()?;
        let mut sum = self.sum;
        let mut writes: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
        for (key, value) in batch.iter() {
            if let Some(old) = self.get(key)? {
                sum.remove(key, &old);
                for part in 0..parts_of(old.len()) {
                    writes.insert(part_key(key, part), None);
                }
            }
            if let Some(value) = value {
                sum.add(key, value);
                for (part, bytes) in split(value).into_iter().enumerate() {
                    writes.insert(part_key(key, part), Some(bytes));
                }
            }
        }
        let generation = self.generation.saturating_add(1);
        let seal = sum.seal(generation);
        let sealed = serde_json::to_vec(&seal)
            .map_err(|e| StoreError::Damaged(format!("the seal cannot be written: {e}")))?;
        self.tree
            .transaction(|tree| {
                for (key, value) in &writes {
                    match value {
                        Some(value) => tree.insert(key.as_slice(), value.as_slice())?,
                        None => tree.remove(key.as_slice())?,
                    };
                }
                tree.insert(SEAL, sealed.as_slice())?;
                Ok::<(), ConflictableTransactionError<()>>(())
            })
            .map_err(|e| match e {
                // Part of it may be on its way to the disk, and perhaps all of it.
                TransactionError::Storage(e) => unconfirmed(sled_error("writing", e)),
                TransactionError::Abort(()) => StoreError::Damaged("a write was aborted".into()),
            })?;
        // From here on sled holds the new state, whatever happens to the rest.
        self.generation = generation;
        self.sum = sum;
        self.sync().and_then(|()| write_head(&self.dir, &seal)).map_err(unconfirmed)
    }
}

/// From where a change is under way nobody can say whether the next opening finds it.
fn unconfirmed(error: StoreError) -> StoreError {
    match error {
        StoreError::Io { action, source } => StoreError::Unconfirmed { action, source },
        other => other,
    }
}

impl SledStore {
    /// Puts the parts of each record under a prefix together again.
    fn read_parts(&self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let mut entries: Vec<Entry> = Vec::new();
        let damaged = |key: &[u8]| {
            StoreError::Damaged(format!("record {} lacks a part", String::from_utf8_lossy(key)))
        };
        let mut wanted = 0_usize;
        for item in self.tree.scan_prefix(prefix) {
            let (part_key, bytes) = item.map_err(|e| sled_error("reading", e))?;
            let Some(at) = part_key.iter().position(|b| *b == 0).filter(|at| *at > 0) else {
                continue; // the seal
            };
            let (key, part) = part_key.split_at(at);
            if part == [0, 0, 0] {
                if let Some((last, value)) = entries.last()
                    && value.len() != wanted
                {
                    return Err(damaged(last));
                }
                let (length, first) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged(key))?;
                wanted = u32::from_be_bytes(*length) as usize;
                entries.push((key.to_vec(), first.to_vec()));
            } else {
                match entries.last_mut() {
                    Some((last, value)) if last == key => value.extend_from_slice(&bytes),
                    _ => return Err(damaged(key)),
                }
            }
        }
        match entries.last() {
            Some((last, value)) if value.len() != wanted => Err(damaged(last)),
            _ => Ok(entries),
        }
    }
}

fn parts_of(length: usize) -> usize {
    length.div_ceil(PART).max(1)
}

fn part_prefix(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn part_key(key: &[u8], part: usize) -> Vec<u8> {
    // At most 8 MiB in parts of 60 KiB: 137 parts.
    let part = u16::try_from(part).unwrap_or(u16::MAX).to_be_bytes();
    [key, &[0], &part].concat()
}

/// The first part starts with the length of the whole.
fn split(value: &[u8]) -> Vec<Vec<u8>> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut parts: Vec<Vec<u8>> = value.chunks(PART).map(<[u8]>::to_vec).collect();
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    if let Some(first) = parts.first_mut() {
        first.splice(0..0, length);
    }
    parts
}

fn open_sled(dir: &Path) -> Result<(Database, sled::Tree), StoreError> {
    let config = sled::Config::new()
        .path(dir.join("records"))
        .mode(sled::Mode::LowSpace)
        .cache_capacity(8 * 1024 * 1024)
        .flush_every_ms(None);
    let db = open_db(&config)?;
    let tree = db.open_tree("records").map_err(|e| sled_error("opening", e))?;
    Ok((db, tree))
}

#[cfg(test)]
mod tests;
