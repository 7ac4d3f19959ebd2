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

use super::sled_open::{open_db, sled_error};
use super::store::{Batch, Entry, Store, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sled::transaction::{ConflictableTransactionError, TransactionError};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

const PART: usize = 60 * 1024;
const SEAL: &[u8] = b"\0seal";
const VERSION: u32 = 1;

/// What was written last. Inside sled it changes with the records; `head` follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    version: u32,
    generation: u64,
    records: u64,
    /// The exclusive or of the SHA-256 of every record, in hexadecimal. Against damage, not
    /// against an attacker: that is the record cipher's work.
    digest: String,
}

/// What every version of a seal says.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads a seal. One of a newer version is no damage, whatever else is in it: whoever took it for that
/// would put an old backup in the place of a wallet that is whole.
fn read_seal(bytes: &[u8], what: &str) -> Result<Seal, StoreError> {
    let unreadable =
        |e: serde_json::Error| StoreError::Damaged(format!("{what} cannot be read: {e}"));
    let Versioned { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version != VERSION {
        return Err(StoreError::Version { found: version, known: VERSION });
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// Sum of hashes that can be changed record by record.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    records: u64,
    digest: [u8; 32],
}

impl Sum {
    fn toggle(&mut self, key: &[u8], value: &[u8]) {
        let mut hash = Sha256::new();
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        hash.update(value);
        for (sum, byte) in self.digest.iter_mut().zip(hash.finalize()) {
            *sum ^= byte;
        }
    }

    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.toggle(key, value);
        self.records = self.records.saturating_add(1);
    }

    fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.toggle(key, value);
        self.records = self.records.saturating_sub(1);
    }

    fn seal(&self, generation: u64) -> Seal {
        let digest = self.digest.iter().map(|b| format!("{b:02x}")).collect();
        Seal { version: VERSION, generation, records: self.records, digest }
    }
}

/// A store in a folder. One process at a time.
#[derive(Debug)]
pub struct SledStore {
    // Dropped in this order: sled first, then the lock.
    tree: sled::Tree,
    db: sled::Db,
    dir: PathBuf,
    generation: u64,
    sum: Sum,
    _lock: File,
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} records", self.records)
    }
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
        let mut store =
            Self { tree, db, dir: dir.to_owned(), generation: 0, sum: Sum::default(), _lock: lock };
        store.commit(&Batch::default())?;
        Ok(store)
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
        let mut store =
            Self { tree, db, dir: dir.to_owned(), generation: 0, sum: Sum::default(), _lock: lock };
        store.commit(&Batch::default())?;
        Ok(store)
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
                TransactionError::Storage(e) => sled_error("writing", e),
                TransactionError::Abort(()) => StoreError::Damaged("a write was aborted".into()),
            })?;
        // From here on sled holds the new state, whatever happens to the rest.
        self.generation = generation;
        self.sum = sum;
        self.sync()?;
        write_head(&self.dir, &seal)
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

fn open_sled(dir: &Path) -> Result<(sled::Db, sled::Tree), StoreError> {
    let config = sled::Config::new()
        .path(dir.join("records"))
        .mode(sled::Mode::LowSpace)
        .cache_capacity(8 * 1024 * 1024)
        .flush_every_ms(None);
    let db = open_db(&config)?;
    let tree = db.open_tree("records").map_err(|e| sled_error("opening", e))?;
    Ok((db, tree))
}

fn io_error(action: &str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { action: format!("{action} {}", path.display()), source }
}

/// What this user may not look at is not absent: whoever took another user's wallet for none would make
/// a second one.
fn must_be_there(dir: &Path) -> Result<(), StoreError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let none = || StoreError::NotFound(dir.display().to_string());
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(none()),
        Err(e) if matches!(e.kind(), NotFound | NotADirectory) => Err(none()),
        Err(e) => Err(io_error("looking for a wallet in", dir, e)),
    }
}

/// Whether a folder has nothing but what making a store puts there before `head`.
fn is_unfinished(dir: &Path) -> Result<bool, StoreError> {
    must_be_there(dir)?;
    let io = |source| io_error("reading", dir, source);
    for entry in fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if !["lock", "records", "head.next"].iter().any(|known| name == *known) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A folder that only its owner can look into.
pub(crate) fn create_private_dir(dir: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| io_error("creating", dir, e))
}

fn take_lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| io_error("opening", &path, e))?;
    match file.try_lock() {
        Ok(()) => {
            let pid = format!("process {}\n", std::process::id());
            let write = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
            write.map_err(|e| io_error("writing", &path, e))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = (&mut file).take(100).read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|h| read.is_ok() && !h.is_empty());
            Err(StoreError::InUse { holder })
        }
        Err(TryLockError::Error(e)) => Err(io_error("locking", &path, e)),
    }
}

fn read_head(dir: &Path) -> Result<Seal, StoreError> {
    let path = dir.join("head");
    let mut text = String::new();
    match File::open(&path).and_then(|f| f.take(4096).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::Damaged("the file `head` is missing".into()));
        }
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            return Err(StoreError::Damaged("the file `head` is not text".into()));
        }
        Err(e) => return Err(io_error("reading", &path, e)),
    }
    read_seal(text.as_bytes(), "the file `head`")
}

fn write_head(dir: &Path, seal: &Seal) -> Result<(), StoreError> {
    let text = serde_json::to_vec(seal)
        .map_err(|e| StoreError::Damaged(format!("the seal cannot be written: {e}")))?;
    write_file_atomically(&dir.join("head"), &text)
}

/// Writes a file so that a reader finds the old or the new content, whole, whatever happens.
pub(crate) fn write_file_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let next = path.with_extension("next");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|e| io_error("writing", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::wallet::store::conformance;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn filled(dir: &Path) -> Result<(), StoreError> {
        let mut store = SledStore::create(dir)?;
        for i in 0..20_u8 {
            let mut batch = Batch::default();
            batch.put(format!("k/{i}"), vec![i; 3000]);
            store.commit(&batch)?;
        }
        Ok(())
    }

    #[test]
    fn the_sled_store_conforms_and_reopens() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        conformance::all(&mut SledStore::create(&dir)?)?;
        assert_eq!(SledStore::open(&dir)?.scan(b"a/")?.len(), 2);
        Ok(())
    }

    #[test]
    fn refuses_a_second_opener_and_names_the_first() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        let first = SledStore::create(&dir)?;
        let error = SledStore::open(&dir).expect_err("in use");
        assert_eq!(error.code(), codes::WALLET_IN_USE);
        assert!(error.to_string().contains(&format!("process {}", std::process::id())));
        drop(first);
        SledStore::open(&dir)?;
        Ok(())
    }

    #[test]
    fn never_overwrites_and_never_makes_an_empty_one_on_opening() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        assert_eq!(SledStore::open(&dir).expect_err("none").code(), codes::WALLET_NOT_FOUND);
        filled(&dir)?;
        assert_eq!(SledStore::create(&dir).expect_err("exists").code(), codes::WALLET_EXISTS);
        for part in ["records", "head"] {
            let moved = temp.path().join("moved");
            fs::rename(dir.join(part), &moved)?;
            assert_eq!(SledStore::open(&dir).expect_err(part).code(), codes::STORE_DAMAGED);
            fs::rename(&moved, dir.join(part))?;
        }
        assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 20);
        Ok(())
    }

    #[test]
    fn a_store_whose_making_was_cut_off_is_taken_up_and_a_damaged_one_is_not() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        drop(SledStore::open_or_create(&dir)?);
        // Cut off before `head`, before the records, and before the lock.
        for part in ["head", "records", "lock"] {
            let cut: &[&str] = match part {
                "head" => &["head"],
                "records" => &["head", "records"],
                _ => &["head", "records", "lock"],
            };
            for path in cut.iter().map(|name| dir.join(name)) {
                let removed =
                    if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed?;
            }
            assert!(SledStore::open_or_create(&dir)?.scan(b"")?.is_empty(), "{part}");
            assert!(SledStore::open(&dir)?.scan(b"")?.is_empty(), "{part}");
        }
        let other = temp.path().join("other");
        filled(&other)?;
        assert_eq!(SledStore::open_or_create(&other)?.scan(b"k/")?.len(), 20);
        fs::remove_file(other.join("head"))?;
        let error = SledStore::open_or_create(&other).expect_err("its records are there");
        assert_eq!(error.code(), codes::STORE_DAMAGED);
        // Somebody's folder is not filled with ours.
        let folder = temp.path().join("folder");
        fs::create_dir(&folder)?;
        fs::write(folder.join("letter"), b"")?;
        let error = SledStore::open_or_create(&folder).expect_err("not a store");
        assert_eq!(error.code(), codes::STORE_DAMAGED);
        assert!(!folder.join("records").exists());
        Ok(())
    }

    #[test]
    fn a_wallet_can_be_made_where_the_first_attempt_failed() -> TestResult {
        use crate::time::UnixMillis;
        use crate::wallet::slot::Passphrase;
        use crate::wallet::{LockedWallet, Wallet};
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let now = UnixMillis::new(1_772_366_400_000);
        let weak = Passphrase::new("weak");
        let store = Box::new(SledStore::open_or_create(&dir)?);
        let error = Wallet::create(store, "dso", &weak, &mut rng, now).expect_err("weak");
        assert_eq!(error.code(), codes::PASSPHRASE_WEAK);
        let error = LockedWallet::open(Box::new(SledStore::open(&dir)?)).err().expect("empty");
        assert_eq!(error.code(), codes::WALLET_EMPTY, "{error}");
        let good = Passphrase::new("correct horse battery");
        let store = Box::new(SledStore::open_or_create(&dir)?);
        let (wallet, _) = Wallet::create(store, "dso", &good, &mut rng, now)?;
        let id = wallet.id().to_owned();
        drop(wallet);
        // A wallet that is there stays.
        let store = Box::new(SledStore::open_or_create(&dir)?);
        let error = Wallet::create(store, "dso", &good, &mut rng, now).expect_err("exists");
        assert_eq!(error.code(), codes::WALLET_EXISTS);
        let locked = LockedWallet::open(Box::new(SledStore::open(&dir)?))?;
        assert_eq!(locked.status()?.wallet_id, id);
        Ok(())
    }

    #[test]
    fn what_a_newer_program_wrote_is_no_damage() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        filled(&dir)?;
        let head = fs::read_to_string(dir.join("head"))?;
        let newer = head.replace("\"version\":1", "\"version\":2");
        assert_ne!(newer, head);
        for (text, code) in [
            (newer.as_str(), codes::WALLET_VERSION),
            ("{\"version\":2,\"seal\":[]}", codes::WALLET_VERSION),
            ("{\"version\":1}", codes::STORE_DAMAGED),
        ] {
            fs::write(dir.join("head"), text)?;
            assert_eq!(SledStore::open(&dir).expect_err(text).code(), code, "{text}");
        }
        fs::write(dir.join("head"), head)?;
        assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 20);
        Ok(())
    }

    /// Root may look everywhere: a loop of links stands for what it may not look at.
    #[cfg(unix)]
    #[test]
    fn what_cannot_be_looked_at_is_not_absent() -> TestResult {
        let temp = tempfile::tempdir()?;
        let link = temp.path().join("loop");
        std::os::unix::fs::symlink("loop", &link)?;
        assert_eq!(SledStore::open(&link).expect_err("a loop").code(), codes::STORE_IO);
        fs::write(temp.path().join("file"), b"")?;
        for none in ["file", "file/below", "absent"] {
            let error = SledStore::open(&temp.path().join(none)).expect_err(none);
            assert_eq!(error.code(), codes::WALLET_NOT_FOUND, "{none}");
        }
        Ok(())
    }

    #[test]
    fn a_snapshot_that_was_cut_off_is_no_damage() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        filled(&dir)?;
        fs::write(dir.join("records/snap.FFFFFFFFFFFFFFF0.generating"), b"half")?;
        assert_eq!(SledStore::open(&dir)?.scan(b"k/")?.len(), 20);
        Ok(())
    }

    #[test]
    fn an_older_copy_of_the_records_is_damage() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        filled(&dir)?;
        let old = fs::read(dir.join("records/db"))?;
        let mut batch = Batch::default();
        batch.put("k/20", vec![1]);
        SledStore::open(&dir)?.commit(&batch)?;
        for entry in fs::read_dir(dir.join("records"))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("snap")) {
                fs::remove_file(path)?;
            }
        }
        fs::write(dir.join("records/db"), old)?;
        assert_eq!(SledStore::open(&dir).expect_err("rolled back").code(), codes::STORE_DAMAGED);
        Ok(())
    }

    /// A flipped bit is either harmless (every record is there) or told as damage.
    #[test]
    fn a_flipped_bit_is_harmless_or_told() -> TestResult {
        let temp = tempfile::tempdir()?;
        let dir = temp.path().join("w");
        filled(&dir)?;
        let expected = SledStore::open(&dir)?.scan(b"")?;
        let whole = fs::read(dir.join("records/db"))?;
        let used = whole.iter().rposition(|b| *b != 0).unwrap_or(0);
        let copy = temp.path().join("copy");
        let mut told = 0;
        for i in 0..40 {
            fs::create_dir_all(copy.join("records"))?;
            fs::copy(dir.join("head"), copy.join("head"))?;
            for entry in fs::read_dir(dir.join("records"))? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    fs::copy(entry.path(), copy.join("records").join(entry.file_name()))?;
                }
            }
            let mut flipped = whole.clone();
            flipped[used * i / 40] ^= 0x10;
            fs::write(copy.join("records/db"), flipped)?;
            match SledStore::open(&copy).and_then(|s| s.scan(b"")) {
                Ok(found) => assert!(found == expected, "bit {i}: records changed silently"),
                Err(e) => {
                    assert!(
                        e.code() == codes::STORE_DAMAGED || e.code() == codes::STORE_IO,
                        "bit {i}: {e}"
                    );
                    told += 1;
                }
            }
            fs::remove_dir_all(&copy)?;
        }
        assert!(told > 0, "at least one flipped bit hits a record");
        Ok(())
    }
}
