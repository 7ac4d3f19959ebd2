//! A file in the node's folder, as far as it is here: its manifest, the digests of its blocks, the
//! blocks as they travel, each in its place, and which of them are here. `spec/files.md` section 5.

use super::cutting::{Opener, digest_of};
use super::{Digest, FileError, FileKey, Manifest, malformed};
use gridpass_credentials::content_id::ContentId;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The manifest, as it travels.
pub(crate) const MANIFEST: &str = "manifest";
/// The lists, one after the other.
pub(super) const DIGESTS: &str = "digests";
/// The blocks.
pub(super) const BLOCKS: &str = "blocks";
/// Which blocks are here.
pub(super) const HAVE: &str = "have";
/// The version of that file's format: its first byte.
const HAVE_VERSION: u8 = 1;

/// Which blocks are here: one bit of each, the lowest of a byte first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits {
    bits: Vec<u8>,
    count: u64,
}

impl Bits {
    pub(super) fn of(blocks: u64, all: bool) -> Self {
        let mut none = Self { bits: vec![0; index(blocks.div_ceil(8))], count: 0 };
        if all {
            (0..blocks).for_each(|n| none.set(n, true));
        }
        none
    }

    fn has(&self, number: u64) -> bool {
        let byte = self.bits.get(index(number / 8)).copied().unwrap_or_default();
        byte & (1 << (number % 8)) != 0
    }

    fn set(&mut self, number: u64, here: bool) {
        if self.has(number) == here {
            return;
        }
        if let Some(byte) = self.bits.get_mut(index(number / 8)) {
            *byte ^= 1 << (number % 8);
            self.count =
                if here { self.count.saturating_add(1) } else { self.count.saturating_sub(1) };
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        [&[HAVE_VERSION], self.bits.as_slice()].concat()
    }

    /// Reads them; nothing for what is another version's, or of another file.
    fn decode(bytes: &[u8], blocks: u64) -> Option<Self> {
        let (&HAVE_VERSION, bits) = bytes.split_first()? else { return None };
        if bits.len() != index(blocks.div_ceil(8)) {
            return None;
        }
        let read = Self { bits: bits.to_vec(), count: 0 };
        let count = (0..blocks).filter(|n| read.has(*n)).count();
        let beyond = (blocks..blocks.div_ceil(8).saturating_mul(8)).any(|n| read.has(n));
        (!beyond).then(|| Self { count: u64::try_from(count).unwrap_or(u64::MAX), ..read })
    }
}

fn named(id: &ContentId) -> Result<Digest, FileError> {
    let cid = id.to_cid().map_err(malformed)?;
    crate::exchange::message::digest_of(&cid).ok_or_else(|| malformed("a name by another hash"))
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A file whose manifest and lists are here.
#[derive(Debug)]
pub struct Held {
    id: ContentId,
    folder: PathBuf,
    manifest: Manifest,
    digests: Vec<Digest>,
    /// The numbers of the blocks, ordered by their digests.
    ordered: Vec<u32>,
    /// The digests of the manifest and the lists.
    described: HashMap<Digest, Part>,
    blocks: File,
    have: Mutex<Bits>,
    /// Whether more is here than is durable.
    unsaved: AtomicBool,
}

/// What is asked for by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The manifest.
    Manifest,
    /// A list.
    List(usize),
    /// A block.
    Block(u64),
}

/// Writes a file whole or not at all, and makes it durable.
///
/// # Errors
/// [`FileError::Io`].
pub fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), FileError> {
    let (path, half) = (folder.join(name), folder.join(format!(".{name}")));
    let write = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&half, &path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|e| FileError::io(&path, &e))
}

/// Reads a file that has at most so many bytes.
///
/// # Errors
/// [`FileError`].
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let length = std::fs::metadata(path).map_err(|e| FileError::io(path, &e))?.len();
    if length > most {
        return Err(malformed(format!("{} is longer than it can be", path.display())));
    }
    std::fs::read(path).map_err(|e| FileError::io(path, &e))
}

impl Held {
    /// Begins a file of which no block is here.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn begin(
        folder: &Path,
        id: &ContentId,
        manifest: &Manifest,
        lists: &[Vec<u8>],
    ) -> Result<Self, FileError> {
        // The manifest last: what has one is whole but for its blocks.
        let have = Bits::of(manifest.blocks(), false).encode();
        write_whole(folder, DIGESTS, &lists.concat())?;
        write_whole(folder, HAVE, &have)?;
        write_whole(folder, MANIFEST, &manifest.encode()?)?;
        Self::open(folder, id)
    }

    /// Opens what is in a folder.
    ///
    /// # Errors
    /// [`FileError`], also where manifest and lists are not those of this name.
    pub fn open(folder: &Path, id: &ContentId) -> Result<Self, FileError> {
        let bytes = read_bounded(&folder.join(MANIFEST), 1 << 20)?;
        id.verify(&bytes).map_err(malformed)?;
        let manifest = Manifest::parse(&bytes)?;
        let lists = manifest.blocks().saturating_mul(32);
        let all = read_bounded(&folder.join(DIGESTS), lists)?;
        let mut digests = Vec::with_capacity(index(manifest.blocks()));
        let mut read = all.chunks(super::LIST.saturating_mul(32));
        for (number, name) in manifest.lists().iter().enumerate() {
            let list = read.next().unwrap_or_default();
            name.verify(list).map_err(malformed)?;
            digests.extend(manifest.read_list(number, list)?);
        }
        let mut ordered: Vec<u32> = (0..u32::try_from(digests.len()).map_err(malformed)?).collect();
        let digest = |n: &u32| digests.get(index(u64::from(*n))).copied().unwrap_or_default();
        ordered.sort_by_key(|n| (digest(n), *n));
        let path = folder.join(BLOCKS);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let blocks = options.open(&path).map_err(|e| FileError::io(&path, &e))?;
        let have = read_bounded(&folder.join(HAVE), (1 << 20) + 1).ok();
        let have = have.and_then(|bytes| Bits::decode(&bytes, manifest.blocks()));
        let known = have.is_some();
        let have = have.unwrap_or_else(|| Bits::of(manifest.blocks(), false));
        let mut described = HashMap::from([(named(id)?, Part::Manifest)]);
        for (number, name) in manifest.lists().iter().enumerate() {
            described.insert(named(name)?, Part::List(number));
        }
        let held = Self {
            id: id.clone(),
            folder: folder.to_owned(),
            manifest,
            digests,
            ordered,
            described,
            blocks,
            have: Mutex::new(have),
            unsaved: AtomicBool::new(false),
        };
        if !known {
            let here = held.recount();
            tracing::warn!(file = %id, here, "which blocks are here was not known: each was looked at");
        }
        Ok(held)
    }

    /// Holds every block against its digest. Gives how many are here.
    fn recount(&self) -> u64 {
        for number in 0..self.manifest.blocks() {
            let here = self.on_disk(number).is_some();
            self.bits().set(number, here);
        }
        self.unsaved.store(true, Ordering::Relaxed);
        self.count()
    }

    /// Which blocks are damaged: all are looked at, and those are not here any more. `progress` is told
    /// how many bytes were read.
    pub fn damaged(&self, progress: &mut dyn FnMut(u64)) -> Vec<u64> {
        let damaged = |number: &u64| {
            progress(self.manifest.place_of(*number));
            self.block(*number).is_err()
        };
        (0..self.manifest.blocks()).filter(damaged).collect()
    }

    fn bits(&self) -> MutexGuard<'_, Bits> {
        // Held for a few instructions.
        self.have.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// Its manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many blocks are here.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bits().count
    }

    /// Whether all are.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.count() == self.manifest.blocks()
    }

    /// Whether a block is here.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        self.bits().has(number)
    }

    /// Whether more is here than is durable.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.unsaved.load(Ordering::Relaxed)
    }

    /// The next block that is neither here nor to be skipped, from one on and around the end.
    #[must_use]
    pub fn missing_from(&self, from: u64, skip: &dyn Fn(u64) -> bool) -> Option<u64> {
        let (have, blocks) = (self.bits(), self.manifest.blocks());
        let look = |mut number: u64, until: u64| {
            while number < until {
                if number.is_multiple_of(8) && have.bits.get(index(number / 8)) == Some(&0xff) {
                    number = number.saturating_add(8);
                } else if have.has(number) || skip(number) {
                    number = number.saturating_add(1);
                } else {
                    return Some(number);
                }
            }
            None
        };
        look(from, blocks).or_else(|| look(0, from.min(blocks)))
    }

    /// The digest of a block.
    #[must_use]
    pub fn digest(&self, number: u64) -> Option<&Digest> {
        self.digests.get(index(number))
    }

    /// What has this digest and is here.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<Part> {
        let at = |n: &u32| self.digests.get(index(u64::from(*n)));
        let from = self.ordered.partition_point(|n| at(n) < Some(digest));
        let same = self.ordered.iter().skip(from).take_while(|n| at(n) == Some(digest));
        let have = self.bits();
        if let Some(number) = same.map(|n| u64::from(*n)).find(|n| have.has(*n)) {
            return Some(Part::Block(number));
        }
        self.described.get(digest).copied()
    }

    /// The bytes of a part, held against its name. What is damaged is not here any more.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(&self, part: Part) -> Result<Vec<u8>, FileError> {
        match part {
            Part::Manifest => self.manifest.encode(),
            Part::List(number) => {
                let list = self.digests.chunks(super::LIST).nth(number).unwrap_or_default();
                Ok(list.as_flattened().to_vec())
            }
            Part::Block(number) => self.block(number),
        }
    }

    fn block(&self, number: u64) -> Result<Vec<u8>, FileError> {
        if let Some(bytes) = self.on_disk(number).filter(|_| self.has(number)) {
            return Ok(bytes);
        }
        self.bits().set(number, false);
        tracing::error!(file = %self.id, number, "a block of a file is damaged on disk");
        Err(FileError::Damaged(number))
    }

    fn on_disk(&self, number: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; index(self.manifest.bytes_of(number))];
        let read = self.blocks.read_exact_at(&mut bytes, self.manifest.place_of(number));
        (read.is_ok() && self.digest(number) == Some(&digest_of(&bytes))).then_some(bytes)
    }

    /// Puts a block in its place.
    ///
    /// # Errors
    /// [`FileError`], also for bytes that are not those of the block.
    pub fn put(&self, number: u64, bytes: &[u8]) -> Result<(), FileError> {
        let length = u64::try_from(bytes.len()).map_err(malformed)?;
        if length != self.manifest.bytes_of(number)
            || self.digest(number) != Some(&digest_of(bytes))
        {
            return Err(FileError::Damaged(number));
        }
        let written = self.blocks.write_all_at(bytes, self.manifest.place_of(number));
        written.map_err(|e| FileError::io(&self.folder.join(BLOCKS), &e))?;
        self.bits().set(number, true);
        self.unsaved.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes durable what is here, and then that it is.
    ///
    /// # Errors
    /// [`FileError::Io`].
    pub fn sync(&self) -> Result<(), FileError> {
        self.unsaved.store(false, Ordering::Relaxed);
        let have = self.bits().clone();
        let path = self.folder.join(BLOCKS);
        let synced = self.blocks.sync_data().map_err(|e| FileError::io(&path, &e));
        let written = synced.and_then(|()| write_whole(&self.folder, HAVE, &have.encode()));
        if written.is_err() {
            self.unsaved.store(true, Ordering::Relaxed);
        }
        written
    }

    /// Writes the content of a file that is whole. `progress` is told how many bytes were written.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write_content(
        &self,
        key: Option<&FileKey>,
        size: u64,
        to: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), FileError> {
        let mut opener = Opener::new(self.manifest.clone(), key, size)?;
        let mut written = 0_u64;
        for (number, digest) in (0_u64..).zip(&self.digests) {
            let content = opener.next(digest, &self.block(number)?)?;
            to.write_all(&content).map_err(|e| FileError::Io(e.to_string()))?;
            written = written.saturating_add(u64::try_from(content.len()).map_err(malformed)?);
            progress(written);
        }
        if opener.is_done() { Ok(()) } else { Err(FileError::End) }
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
