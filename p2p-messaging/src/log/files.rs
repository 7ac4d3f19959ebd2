//! The files of a log: each begins with a line that says what it is, and is named by the number of
//! its first record.

use super::{Damage, LogError, Opened, Place, Record, frame};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// What every file begins with.
const MAGIC: &[u8; 16] = b"gridpass-log 1\n\0";
const LOCK: &str = "log.lock";
const SUFFIX: &str = ".gplog";
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
    file: File,
    length: u64,
}

impl Segment {
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends and syncs. An error says whether the file is as it was before.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), (LogError, bool)> {
        if let Err(e) = self.file.write_all_at(bytes, self.length) {
            // What was written of it, and was never acknowledged, is taken back.
            let clean = self.file.set_len(self.length).is_ok();
            return Err((LogError::io("appending to", &self.path, e), clean));
        }
        if let Err(e) = self.file.sync_data() {
            // The kernel may have dropped what it could not write: nobody knows what is there.
            return Err((LogError::io("syncing", &self.path, e), false));
        }
        let added = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.length = self.length.saturating_add(added);
        Ok(())
    }

    pub(super) fn read(&self, offset: u64) -> Result<Option<Record>, LogError> {
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
        Ok(frame::read(&bytes).map(|f| record(&f)))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, LogError> {
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.read_to_end(&mut bytes))
            .map_err(|e| LogError::io("reading", &self.path, e))?;
        Ok(bytes)
    }
}

fn record(frame: &frame::Frame<'_>) -> Record {
    Record { number: frame.number, at: frame.at, body: frame.body.to_vec() }
}

/// A place where no frame is, and the numbers around it.
struct Unread {
    from: usize,
    until: usize,
    lost: u64,
    next: Option<u64>,
}

/// Walks the frames of a file; tells each with its offset. Gives the places that cannot be read,
/// and where the last frame ends.
fn walk(bytes: &[u8], last: &mut u64, each: &mut dyn FnMut(u64, Record)) -> (Vec<Unread>, usize) {
    let mut damaged = Vec::new();
    let mut offset = MAGIC.len();
    let mut good = offset;
    while offset < bytes.len() {
        let rest = bytes.get(offset..).unwrap_or_default();
        // A number that does not go on is a frame from elsewhere, whatever its checksum says.
        match frame::read(rest).filter(|f| f.number > *last) {
            Some(frame) => {
                if offset > good {
                    let (lost, next) = (last.saturating_add(1), Some(frame.number));
                    damaged.push(Unread { from: good, until: offset, lost, next });
                }
                *last = frame.number;
                each(u64::try_from(offset).unwrap_or(u64::MAX), record(&frame));
                offset = offset.saturating_add(frame.size);
                good = offset;
            }
            // The length cannot be believed either: look for the next frame byte by byte.
            None => offset = offset.saturating_add(1),
        }
    }
    if good < bytes.len() {
        let lost = last.saturating_add(1);
        damaged.push(Unread { from: good, until: bytes.len(), lost, next: None });
    }
    (damaged, good)
}

/// All files, in order.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    all: Vec<Segment>,
}

impl Segments {
    pub(super) fn open(
        folder: &Path,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(Self, Opened, u64), LogError> {
        let mut found = Vec::new();
        let listing = fs::read_dir(folder).map_err(|e| LogError::io("listing", folder, e))?;
        for entry in listing {
            let path = entry.map_err(|e| LogError::io("listing", folder, e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if name.ends_with(".new") {
                // A rewriting that was interrupted: the old file is there.
                fs::remove_file(&path).map_err(|e| LogError::io("removing", &path, e))?;
            } else if let Some(first) = name.strip_suffix(SUFFIX).and_then(|n| n.parse().ok()) {
                found.push((first, path));
            }
        }
        found.sort();
        let mut segments = Self { folder: folder.to_owned(), all: Vec::new() };
        let mut opened = Opened::default();
        let mut last = 0;
        let count = found.len();
        for (place, (first, path)) in (1_usize..).zip(found) {
            segments.read_in(first, path, place == count, &mut last, &mut opened, each)?;
        }
        Ok((segments, opened, last))
    }

    fn read_in(
        &mut self,
        first: u64,
        path: PathBuf,
        is_last: bool,
        last: &mut u64,
        opened: &mut Opened,
        each: &mut dyn FnMut(Place, &Record),
    ) -> Result<(), LogError> {
        let io = |action: &str, e| LogError::io(action, &path, e);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        let file = file.map_err(|e| io("opening", e))?;
        let length = file.metadata().map_err(|e| io("reading", e))?.len();
        if length > MAX_FILE {
            return Err(LogError::Version(path));
        }
        let mut segment = Segment { first, path: path.clone(), file, length };
        let bytes = segment.bytes()?;
        if !bytes.starts_with(MAGIC) {
            // The process ended while it began the file.
            if is_last && MAGIC.starts_with(&bytes) {
                fs::remove_file(&path).map_err(|e| io("removing", e))?;
                return Ok(());
            }
            return Err(LogError::Version(path));
        }
        let (damaged, good) = walk(&bytes, last, &mut |offset, record| {
            opened.records = opened.records.saturating_add(1);
            each(Place { segment: first, offset }, &record);
        });
        for Unread { from, until, lost, next } in damaged {
            if is_last && next.is_none() {
                let aside = path.with_extension(format!("cut-at-{from}"));
                let rest = bytes.get(from..).unwrap_or_default();
                write_whole(&aside, rest)?;
                let cut = u64::try_from(good).unwrap_or(u64::MAX);
                segment.file.set_len(cut).map_err(|e| io("cutting", e))?;
                segment.file.sync_data().map_err(|e| io("syncing", e))?;
                segment.length = cut;
                opened.cut_off = Some(aside);
            } else {
                let (from, until) = (from as u64, until as u64);
                opened.damaged.push(Damage { file: path.clone(), from, until, lost: (lost, next) });
            }
        }
        self.all.push(segment);
        Ok(())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.all.iter()
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

    /// Begins a file.
    pub(super) fn begin(&mut self, first: u64) -> Result<(), LogError> {
        let path = self.path(first);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let mut file = file.map_err(|e| LogError::io("making", &path, e))?;
        let begun = file.write_all(MAGIC).and_then(|()| file.sync_all());
        if let Err(e) = begun.and_then(|()| sync_folder(&self.folder)) {
            let _ = fs::remove_file(&path);
            return Err(LogError::io("beginning", &path, e));
        }
        let length = u64::try_from(MAGIC.len()).unwrap_or(u64::MAX);
        self.all.push(Segment { first, path, file, length });
        Ok(())
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
        let old = segment.bytes()?;
        let (mut bytes, mut places) = (MAGIC.to_vec(), Vec::new());
        let mut too_long = None;
        let mut last = first.saturating_sub(1);
        let (damaged, _) = walk(&old, &mut last, &mut |_, record| {
            let offset = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let body = shorten(&record).unwrap_or(record.body);
            match frame::write(&mut bytes, record.number, record.at, &body) {
                Some(_) => places.push((record.number, Place { segment: first, offset })),
                None => too_long = Some(body.len()),
            }
        });
        if let Some(found) = too_long {
            return Err(LogError::TooLong(found));
        }
        if let Some(Unread { lost, .. }) = damaged.first() {
            // What is damaged may still be saved by somebody: it is not written over.
            return Err(LogError::Damaged(*lost));
        }
        let new = path.with_extension("new");
        write_whole(&new, &bytes)?;
        fs::rename(&new, &path)
            .and_then(|()| sync_folder(&folder))
            .map_err(|e| LogError::io("replacing", &path, e))?;
        let file = OpenOptions::new().read(true).write(true).open(&path);
        segment.file = file.map_err(|e| LogError::io("opening", &path, e))?;
        segment.length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(places)
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let written = File::create(path).and_then(|mut f| {
        f.write_all(bytes)?;
        f.sync_all()
    });
    written.map_err(|e| LogError::io("writing", path, e))
}

fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
