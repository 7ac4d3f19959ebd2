//! The files of a log: each begins with a line that says what it is and the log's salt, and is named
//! by the number of its first record.

use super::appending::Tail;
use super::cut::{self, CutEnd};
use super::frame::{self, Salt};
use super::scan::{Unread, scan};
use super::{Damage, LogError, Opened, Place, Record};
use getrandom::SysRng;
use getrandom::rand_core::{Rng as _, UnwrapErr};
use gridpass_identity::time::UnixMillis;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What every file begins with.
const MAGIC: &[u8; 16] = b"gridpass-log 1\n\0";
/// The magic, and the salt twice.
pub(super) const HEAD: usize = 48;
const LOCK: &str = "log.lock";
pub(super) const SUFFIX: &str = ".gplog";
/// A file that is larger is not one that was written here.
const MAX_FILE: u64 = 8 * 1024 * 1024 * 1024;

/// Takes the lock of a folder, which it makes.
pub(super) fn lock(folder: &Path) -> Result<File, LogError> {
    fs::create_dir_all(folder).map_err(|e| LogError::io("making", folder, e))?;
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = file.map_err(|e| LogError::io("opening", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(LogError::InUse(folder.to_owned())),
        Err(fs::TryLockError::Error(e)) => Err(LogError::io("locking", &path, e)),
    }
}

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    first: u64,
    path: PathBuf,
    file: Arc<File>,
    salt: Salt,
    length: u64,
    /// Its beginning is damaged: nothing more is written into it.
    closed: bool,
}

impl Segment {
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn salt(&self) -> &Salt {
        &self.salt
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Its end, for whoever writes there.
    pub(super) fn tail(&self) -> Tail {
        Tail { path: self.path.clone(), file: Arc::clone(&self.file), length: self.length }
    }

    /// So many bytes were appended.
    pub(super) fn grew(&mut self, bytes: usize) {
        self.length = self.length.saturating_add(as_u64(bytes));
    }

    pub(super) fn read(&self, number: u64, offset: u64) -> Result<Option<Record>, LogError> {
        let mut head = [0; frame::HEAD];
        let whole = self.file.read_exact_at(&mut head, offset);
        let [a, b, c, d, ..] = head;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if whole.is_err() || length > frame::MAX_BODY.saturating_add(16) {
            return Ok(None);
        }
        let mut bytes = vec![0; length.saturating_add(8)];
        if let Err(e) = self.file.read_exact_at(&mut bytes, offset) {
            return match e.kind() {
                std::io::ErrorKind::UnexpectedEof => Ok(None),
                _ => Err(LogError::io("reading", &self.path, e)),
            };
        }
        let frame = frame::read(&bytes, &self.salt, &(number..=number));
        Ok(frame.map(|f| Record { number: f.number, at: f.at, body: f.body.to_vec() }))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, LogError> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.read_to_end(&mut bytes))
            .map_err(|e| LogError::io("reading", &self.path, e))?;
        Ok(bytes)
    }

    /// Writes what was read once more, and syncs: it may have been in the memory of a machine only,
    /// never synced, and is about to be believed.
    fn settle(&mut self, bytes: &[u8]) -> Result<(), LogError> {
        self.file
            .write_all_at(bytes, 0)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| LogError::io("syncing", &self.path, e))
    }

    /// Cuts its end off, which is kept beside.
    fn cut(&mut self, from: usize) -> Result<(), LogError> {
        let length = as_u64(from);
        let cut = self.file.set_len(length).and_then(|()| self.file.sync_all());
        cut.map_err(|e| LogError::io("cutting", &self.path, e))?;
        self.length = length;
        Ok(())
    }
}

pub(super) fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// All files, in order.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    salt: Salt,
    all: Vec<Segment>,
}

/// A file that was read, before its frames are looked for.
struct Raw {
    segment: Segment,
    bytes: Vec<u8>,
    /// Whether it begins as it must.
    whole: bool,
}

impl Segments {
    pub(super) fn open(
        folder: &Path,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(Self, Opened, u64), LogError> {
        let (mut found, mut cut_ends) = (Vec::new(), Vec::new());
        let listing = fs::read_dir(folder).map_err(|e| LogError::io("listing", folder, e))?;
        for entry in listing {
            let path = entry.map_err(|e| LogError::io("listing", folder, e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.ends_with(".new") {
                // A rewriting that was interrupted: the old file is there.
                fs::remove_file(&path).map_err(|e| LogError::io("removing", &path, e))?;
            } else if let Some(first) = name.strip_suffix(SUFFIX).and_then(|n| n.parse().ok()) {
                found.push((first, path));
            } else if let Ok(about) = fs::metadata(&path) {
                cut_ends.extend(CutEnd::named(name, about.len()));
            }
        }
        found.sort();
        let salts = salts(&found)?;
        let salt = salts.first().copied().unwrap_or_else(new_salt);
        let mut segments = Self { folder: folder.to_owned(), salt, all: Vec::new() };
        let mut opened = Opened { cut_ends: cut_ends.len(), ..Opened::default() };
        let (mut last, count) = (0, found.len());
        let (mut begun, mut torn) = (None, None);
        for (place, (first, path)) in (1_usize..).zip(found) {
            let is_last = place == count;
            let Some(raw) = segments.read_in(first, path.clone(), is_last, &salts)? else {
                // Its name may be all that is left to say that its number was given.
                last = last.max(first);
                begun = Some(path);
                continue;
            };
            // A file before it is gone, or its end is.
            if first > last.saturating_add(1) {
                let missing = (last.saturating_add(1), first.saturating_sub(1));
                let is_cut = |s: &Segment| {
                    cut_ends.iter().any(|cut| cut.explains(s.first, s.length, missing))
                };
                if !segments.all.last().is_some_and(is_cut) {
                    opened.gone.push(missing);
                }
                opened.missing.push(missing);
                last = first.saturating_sub(1);
            }
            torn = segments.take_in(raw, is_last, &mut last, &mut opened, each)?;
        }
        if begun.is_some() || torn.is_some() {
            // Its name says which numbers are not given again: before that goes which says so now.
            segments.begin(last.saturating_add(1))?;
        }
        if let Some(path) = begun {
            fs::remove_file(&path).map_err(|e| LogError::io("removing", &path, e))?;
        }
        if let Some((first, from)) = torn
            && let Some(segment) = segments.all.iter_mut().find(|s| s.first == first)
        {
            segment.cut(from)?;
        }
        Ok((segments, opened, last))
    }

    /// Reads a file; nothing for the last one where it holds nothing yet: its beginning is not whole.
    fn read_in(
        &mut self,
        first: u64,
        path: PathBuf,
        is_last: bool,
        salts: &[Salt],
    ) -> Result<Option<Raw>, LogError> {
        let io = |action: &str, e| LogError::io(action, &path, e);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|e| io("opening", e))?;
        let length = file.metadata().map_err(|e| io("reading", e))?.len();
        if length > MAX_FILE {
            return Err(LogError::Version(path));
        }
        let salt = self.salt;
        let mut segment = Segment {
            first,
            path: path.clone(),
            file: Arc::new(file),
            salt,
            length,
            closed: false,
        };
        let bytes = segment.bytes()?;
        if is_another_version(&bytes) {
            return Err(LogError::Version(path));
        }
        // The one by which its first frame is one.
        let body = bytes.get(HEAD..).unwrap_or_default();
        let fits = |salt: &&Salt| frame::read(body, salt, &(0..=u64::MAX)).is_some();
        if let Some(salt) = salts.iter().find(fits) {
            (segment.salt, self.salt) = (*salt, *salt);
        }
        let whole = bytes.starts_with(&head(&segment.salt));
        if is_last && bytes.len() < HEAD {
            return Ok(None);
        }
        segment.closed = !whole;
        Ok(Some(Raw { segment, bytes, whole }))
    }

    /// Takes a file in. Gives where its end is to be cut off, which is kept beside already.
    fn take_in(
        &mut self,
        raw: Raw,
        is_last: bool,
        last: &mut u64,
        opened: &mut Opened,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<Option<(u64, usize)>, LogError> {
        let Raw { mut segment, bytes, whole } = raw;
        let (first, mut torn) = (segment.first, None);
        if !whole {
            let (file, until) = (segment.path.clone(), as_u64(HEAD.min(bytes.len())));
            opened.damaged.push(Damage { file, from: 0, until, lost: (first, None) });
        }
        let found = scan(&bytes, HEAD, &segment.salt, last, &mut |offset, record| {
            opened.records = opened.records.saturating_add(1);
            each(Place { segment: first, offset: as_u64(offset) }, &record);
        });
        opened.gone.extend(&found.missing);
        opened.missing.extend(found.missing);
        for Unread { from, until, lost, next } in found.unread {
            let is_end = next.is_none() && whole && !found.given_up;
            let rest = bytes.get(from..).unwrap_or_default();
            if is_last && is_end {
                opened.cut_off = Some(cut::keep(&self.folder, &segment.path, from, rest)?);
                // Whether something of it was acknowledged nobody can tell: its numbers are not
                // given again.
                let room = cut::room(as_u64(rest.len()));
                *last = last.saturating_add(room).saturating_add(1);
                torn = Some((first, from));
            } else if is_end && cut::is_kept(&segment.path, from, rest) {
                // A start was ended after it began the next file, and before it cut this one.
                segment.cut(from)?;
            } else {
                if is_last && next.is_none() {
                    // Nothing is written behind what nobody could read.
                    segment.closed = true;
                    let room = cut::room(as_u64(until.saturating_sub(from)));
                    *last = (*last).max(first).saturating_add(room).saturating_add(1);
                }
                let (from, until) = (as_u64(from), as_u64(until));
                let file = segment.path.clone();
                opened.damaged.push(Damage { file, from, until, lost: (lost, next) });
            }
        }
        if is_last && !whole {
            // A file of this number is there: the next one has another.
            *last = (*last).max(first);
        }
        if is_last && whole {
            segment.settle(bytes.get(..found.good).unwrap_or_default())?;
        }
        self.all.push(segment);
        Ok(torn)
    }

    pub(super) fn identity(&self) -> String {
        Sha256::digest(self.salt).iter().map(|b| format!("{b:02x}")).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.all.iter()
    }

    pub(super) fn each(
        &self,
        only: Option<u64>,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(), LogError> {
        let mut last = 0;
        for segment in self.all.iter().filter(|s| only.is_none_or(|o| o == s.first)) {
            last = last.max(segment.first.saturating_sub(1));
            let bytes = fs::read(&segment.path);
            let bytes = bytes.map_err(|e| LogError::io("reading", &segment.path, e))?;
            scan(&bytes, HEAD, &segment.salt, &mut last, &mut |offset, record| {
                each(Place { segment: segment.first, offset: as_u64(offset) }, &record);
            });
        }
        Ok(())
    }

    pub(super) fn last(&self) -> Option<&Segment> {
        self.all.last()
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Segment> {
        self.all.last_mut()
    }

    pub(super) fn find(&self, first: u64) -> Option<&Segment> {
        let place = self.all.binary_search_by_key(&first, |s| s.first).ok()?;
        self.all.get(place)
    }

    /// Begins a file: it is there whole, or not at all.
    pub(super) fn begin(&mut self, first: u64) -> Result<(), LogError> {
        let path = self.path(first);
        let io = |e| LogError::io("beginning", &path, e);
        if path.exists() {
            return Err(io(ErrorKind::AlreadyExists.into()));
        }
        let (head, new) = (head(&self.salt), path.with_extension("new"));
        write_whole(&new, &head)?;
        let begun = fs::rename(&new, &path).and_then(|()| sync_folder(&self.folder));
        let file = begun.and_then(|()| OpenOptions::new().read(true).write(true).open(&path));
        let file = file.map_err(|e| {
            for left in [&new, &path] {
                let _ = fs::remove_file(left);
            }
            io(e)
        })?;
        let (length, salt) = (as_u64(head.len()), self.salt);
        self.all.push(Segment { first, path, file: Arc::new(file), salt, length, closed: false });
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Gives up what ends hold that were cut off before a time.
    pub(super) fn forget_cut_ends(&self, before: UnixMillis) -> Result<u64, LogError> {
        cut::empty(&self.folder, before)
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}{SUFFIX}"))
    }

    pub(super) fn rewrite(
        &mut self,
        first: u64,
        shorten: &mut dyn FnMut(&Record) -> Option<Vec<u8>>,
    ) -> Result<Vec<(u64, Place)>, LogError> {
        let folder = self.folder.clone();
        let path = self.path(first);
        let Ok(place) = self.all.binary_search_by_key(&first, |s| s.first) else {
            return Ok(Vec::new());
        };
        let Some(segment) = self.all.get_mut(place) else { return Ok(Vec::new()) };
        if segment.closed {
            return Err(LogError::Damaged(first));
        }
        let (old, salt) = (segment.bytes()?, segment.salt);
        let (mut bytes, mut places) = (head(&salt), Vec::new());
        let mut too_long = None;
        let mut last = first.saturating_sub(1);
        let found = scan(&old, HEAD, &salt, &mut last, &mut |_, record| {
            let offset = as_u64(bytes.len());
            let body = shorten(&record).unwrap_or(record.body);
            match frame::write(&mut bytes, &salt, record.number, record.at, &body) {
                Some(_) => places.push((record.number, Place { segment: first, offset })),
                None => too_long = Some(body.len()),
            }
        });
        if let Some(found) = too_long {
            return Err(LogError::TooLong(found));
        }
        if let Some(Unread { lost, .. }) = found.unread.first() {
            // What is damaged may still be saved by somebody: it is not written over.
            return Err(LogError::Damaged(*lost));
        }
        let new = path.with_extension("new");
        write_whole(&new, &bytes)?;
        fs::rename(&new, &path)
            .and_then(|()| sync_folder(&folder))
            .map_err(|e| LogError::io("replacing", &path, e))?;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        segment.file = Arc::new(file.map_err(|e| LogError::io("opening", &path, e))?);
        segment.length = as_u64(bytes.len());
        Ok(places)
    }
}

fn head(salt: &Salt) -> Vec<u8> {
    [MAGIC.as_slice(), salt, salt].concat()
}

/// Every salt that stands in a file: all files of a log have the same one, twice, so that a damaged
/// beginning costs nothing else.
pub(super) fn salts(files: &[(u64, PathBuf)]) -> Result<Vec<Salt>, LogError> {
    let mut found: Vec<Salt> = Vec::new();
    for (_, path) in files {
        let mut head = [0; HEAD];
        let file = File::open(path).map_err(|e| LogError::io("opening", path, e))?;
        if file.read_exact_at(&mut head, 0).is_err() {
            continue;
        }
        for place in [16..32, 32..48] {
            if let Some(salt) = head.get(place).and_then(|s| Salt::try_from(s).ok())
                && !found.contains(&salt)
            {
                found.push(salt);
            }
        }
    }
    Ok(found)
}

/// A line as this one, with another number in it.
fn is_another_version(bytes: &[u8]) -> bool {
    let Some(line) = bytes.get(..MAGIC.len()) else { return false };
    let digit = line.get(13).is_some_and(u8::is_ascii_digit);
    digit && line != MAGIC && line.starts_with(b"gridpass-log ") && line.ends_with(b"\n\0")
}

fn new_salt() -> Salt {
    let mut salt = Salt::default();
    UnwrapErr(SysRng).fill_bytes(&mut salt);
    salt
}

pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let written = File::create(path).and_then(|mut f| {
        f.write_all(bytes)?;
        f.sync_all()
    });
    written.map_err(|e| {
        // On a full disk half of it would stay.
        let _ = fs::remove_file(path);
        LogError::io("writing", path, e)
    })
}

pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
