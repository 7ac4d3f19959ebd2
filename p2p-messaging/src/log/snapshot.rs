//! Reading a log that another process may be writing: what is whole of it, as it was when it was opened.
//!
//! The files are held open. What is appended meanwhile is left out, and a file that is written anew
//! shorter (section 4) is read as it was. Nothing is written, cut off or locked.

use super::files::{HEAD, SUFFIX, salts};
use super::frame::{self, Salt};
use super::scan::scan;
use super::{LogError, Place, Record};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

struct Held {
    path: PathBuf,
    file: File,
    length: u64,
    salt: Salt,
}

/// A log as it was when this was opened.
pub struct LogSnapshot {
    files: BTreeMap<u64, Held>,
}

impl LogSnapshot {
    /// Opens the files of a log for reading.
    ///
    /// # Errors
    /// [`LogError`] if they cannot be.
    pub fn open(folder: &Path) -> Result<Self, LogError> {
        let listing = std::fs::read_dir(folder).map_err(|e| LogError::io("listing", folder, e))?;
        let mut found = Vec::new();
        for entry in listing {
            let path = entry.map_err(|e| LogError::io("listing", folder, e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if let Some(first) = name.strip_suffix(SUFFIX).and_then(|n| n.parse::<u64>().ok()) {
                found.push((first, path));
            }
        }
        found.sort();
        let salts = salts(&found)?;
        let mut files = BTreeMap::new();
        for (first, path) in found {
            let file = File::open(&path).map_err(|e| LogError::io("opening", &path, e))?;
            let length = file.metadata().map_err(|e| LogError::io("reading", &path, e))?.len();
            let mut held = Held { path, file, length, salt: Salt::default() };
            let begin = held.bytes(frame::HEAD.saturating_add(frame::MAX_BODY))?;
            let body = begin.get(HEAD..).unwrap_or_default();
            let fits = |salt: &&Salt| frame::read(body, salt, &(0..=u64::MAX)).is_some();
            held.salt = salts.iter().find(fits).or(salts.first()).copied().unwrap_or_default();
            files.insert(first, held);
        }
        Ok(Self { files })
    }

    /// Tells every record that can be read, in order. Gives how many places could not be, the end of
    /// the last file aside, which may be being written.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn each(&self, each: &mut dyn FnMut(Place, &Record)) -> Result<usize, LogError> {
        let (mut last, mut unread) = (0, 0_usize);
        let newest = self.files.keys().next_back().copied();
        for (first, held) in &self.files {
            last = last.max(first.saturating_sub(1));
            let bytes = held.bytes(usize::MAX)?;
            let found = scan(&bytes, HEAD, &held.salt, &mut last, &mut |offset, record| {
                let offset = u64::try_from(offset).unwrap_or(u64::MAX);
                each(Place { segment: *first, offset }, &record);
            });
            let of_end = |u: &&super::scan::Unread| u.next.is_none() && newest == Some(*first);
            let ends = found.unread.iter().filter(of_end).count();
            unread = unread.saturating_add(found.unread.len().saturating_sub(ends));
        }
        Ok(unread)
    }

    /// Reads the record at a place.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if another or none stands there; [`LogError::Io`].
    pub fn read(&self, number: u64, place: Place) -> Result<Record, LogError> {
        let held = self.files.get(&place.segment).ok_or(LogError::Damaged(number))?;
        held.read(number, place.offset)?.ok_or(LogError::Damaged(number))
    }
}

impl Held {
    fn bytes(&self, most: usize) -> Result<Vec<u8>, LogError> {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX).min(most);
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, 0);
        read.map_err(|e| LogError::io("reading", &self.path, e))?;
        Ok(bytes)
    }

    fn read(&self, number: u64, offset: u64) -> Result<Option<Record>, LogError> {
        let io = |e| LogError::io("reading", &self.path, e);
        let mut length = [0; 4];
        self.file.read_exact_at(&mut length, offset).map_err(io)?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > frame::MAX_BODY.saturating_add(16) {
            return Ok(None);
        }
        let mut bytes = vec![0; length.saturating_add(8)];
        self.file.read_exact_at(&mut bytes, offset).map_err(io)?;
        let frame = frame::read(&bytes, &self.salt, &(number..=number));
        Ok(frame.map(|f| Record { number: f.number, at: f.at, body: f.body.to_vec() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Log;
    use super::*;
    use gridpass_identity::time::UnixMillis;

    fn all(snapshot: &LogSnapshot) -> (Vec<(u64, Vec<u8>)>, usize) {
        let (mut found, mut places) = (Vec::new(), Vec::new());
        let unread = snapshot
            .each(&mut |place, record| {
                found.push((record.number, record.body.clone()));
                places.push((record.number, place));
            })
            .expect("it reads");
        for ((number, place), (_, body)) in places.iter().zip(&found) {
            assert_eq!(&snapshot.read(*number, *place).expect("there").body, body);
        }
        (found, unread)
    }

    #[test]
    fn a_log_is_read_while_it_is_open_and_goes_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut log, _) = Log::open_with(folder.path(), 64, &mut |_, _| ()).expect("a log");
        let append = |log: &mut Log, body: &[u8]| {
            log.append(UnixMillis::new(1), &[body.to_vec()]).expect("appended");
        };
        append(&mut log, b"one");
        append(&mut log, b"two");
        let snapshot = LogSnapshot::open(folder.path()).expect("it opens");
        append(&mut log, b"three");
        let told = vec![(1, b"one".to_vec()), (2, b"two".to_vec())];
        assert_eq!(all(&snapshot), (told.clone(), 0), "what came later is left out");
        // The first file is written anew, shorter; it is held as it was.
        log.rewrite(1, &mut |_| Some(b"o".to_vec())).expect("rewritten");
        assert_eq!(all(&snapshot), (told, 0));
        let again = LogSnapshot::open(folder.path()).expect("it opens");
        assert_eq!(all(&again).0.len(), 3);
    }

    #[test]
    fn an_unfinished_end_is_no_damage_and_a_hole_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut log, _) = Log::open_with(folder.path(), 1 << 20, &mut |_, _| ()).expect("a log");
        for body in [b"one", b"two", b"six"] {
            log.append(UnixMillis::new(1), &[body.to_vec()]).expect("appended");
        }
        drop(log);
        let path = folder.path().join("00000000000000000001.gplog");
        let mut bytes = std::fs::read(&path).expect("bytes");
        bytes.extend_from_slice(&[20, 0, 0, 0, 1]);
        std::fs::write(&path, &bytes).expect("written");
        let (found, unread) = all(&LogSnapshot::open(folder.path()).expect("it opens"));
        assert_eq!((found.len(), unread), (3, 0));
        // The second record is damaged.
        let at = bytes.windows(3).position(|w| w == b"two").expect("there");
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).expect("written");
        let (found, unread) = all(&LogSnapshot::open(folder.path()).expect("it opens"));
        assert_eq!((found.len(), unread), (2, 1));
    }
}
