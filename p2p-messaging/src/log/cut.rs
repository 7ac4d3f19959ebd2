//! Ends of files that were cut off: kept beside, as `FIRST.cut-at-OFFSET-N`, what stood in the file
//! FIRST from that offset on.
//!
//! The name and the length of one explain for good why numbers are missing behind its file; what it
//! holds is given up when everything that was said then is over.

use super::files::{as_u64, sync_folder, write_whole};
use super::{LogError, frame};
use gridpass_identity::time::UnixMillis;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const MARK: &str = ".cut-at-";

/// What is known of an end that was cut off.
pub(super) struct CutEnd {
    first: u64,
    from: u64,
    length: u64,
}

/// For how many records so many bytes have room.
pub(super) fn room(bytes: u64) -> u64 {
    bytes.checked_div(as_u64(frame::HEAD)).unwrap_or_default()
}

impl CutEnd {
    /// What a file of this name and length says, if it is one.
    pub(super) fn named(name: &str, length: u64) -> Option<Self> {
        let (first, place) = name.split_once(MARK)?;
        let (from, _) = place.split_once('-')?;
        Some(Self { first: first.parse().ok()?, from: from.parse().ok()?, length })
    }

    /// Whether these numbers may be missing behind a file of this length because this was cut off there.
    /// What was kept of an end that is still in the file explains nothing.
    pub(super) fn explains(&self, file: u64, length: u64, missing: (u64, u64)) -> bool {
        let more = missing.1.saturating_sub(missing.0);
        self.first == file && self.from >= length && more <= room(self.length)
    }
}

/// Where the end of a file is kept, or is to be, and whether it is there whole: in the first place that
/// is free, or has no more than its beginning, which a start left that was interrupted. Else each start that
/// fails would add one.
fn place(file: &Path, from: usize, end: &[u8]) -> Option<(PathBuf, bool)> {
    (0..=u32::MAX).find_map(|number| {
        let aside = file.with_extension(format!("cut-at-{from}-{number}"));
        match fs::read(&aside) {
            Ok(kept) if kept == end => Some((aside, true)),
            Ok(kept) => end.starts_with(&kept).then_some((aside, false)),
            Err(e) => (e.kind() == ErrorKind::NotFound).then_some((aside, false)),
        }
    })
}

/// Whether the end of a file is kept beside it.
pub(super) fn is_kept(file: &Path, from: usize, end: &[u8]) -> bool {
    place(file, from, end).is_some_and(|(_, whole)| whole)
}

/// Keeps the end of a file beside it.
///
/// # Errors
/// [`LogError::Io`]: then nothing is left of it.
pub(super) fn keep(
    folder: &Path,
    file: &Path,
    from: usize,
    end: &[u8],
) -> Result<PathBuf, LogError> {
    let full = || LogError::io("keeping the end of", file, ErrorKind::AlreadyExists.into());
    let (aside, whole) = place(file, from, end).ok_or_else(full)?;
    let io = |e| LogError::io("syncing", &aside, e);
    if whole {
        // It may have been in the memory of the machine only.
        File::open(&aside).and_then(|f| f.sync_all()).map_err(io)?;
    } else {
        write_whole(&aside, end)?;
    }
    sync_folder(folder).map_err(io)?;
    Ok(aside)
}

/// Gives up what those hold that were cut off before a time: zeros stand there then, which take no room.
/// Gives how many.
///
/// # Errors
/// [`LogError::Io`].
pub(super) fn empty(folder: &Path, before: UnixMillis) -> Result<u64, LogError> {
    let listing = fs::read_dir(folder).map_err(|e| LogError::io("listing", folder, e))?;
    let mut count = 0_u64;
    for entry in listing {
        let path = entry.map_err(|e| LogError::io("listing", folder, e))?.path();
        if path.file_name().and_then(|n| n.to_str()).is_some_and(|name| name.contains(MARK)) {
            let emptied = empty_one(folder, &path, before);
            count = count.saturating_add(emptied.map_err(|e| LogError::io("emptying", &path, e))?);
        }
    }
    Ok(count)
}

fn empty_one(folder: &Path, path: &Path, before: UnixMillis) -> std::io::Result<u64> {
    let about = fs::metadata(path)?;
    let since = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let cut = UnixMillis::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    if cut >= before || fs::read(path)?.iter().all(|b| *b == 0) {
        return Ok(0);
    }
    // Whole before and after: its length counts.
    let new = path.with_extension("new");
    let file = File::create(&new)?;
    file.set_len(about.len())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(folder)?;
    Ok(1)
}
