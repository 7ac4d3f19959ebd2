//! Folders in which a wallet is being made, and what is left of them where the call was killed.
//!
//! ```text
//! profiles/Partial-NAME-XXXXXX/lock      held by the call that makes the wallet
//! profiles/Partial-NAME-XXXXXX/wallet    becomes profiles/NAME
//! ```
//! Nothing that was acknowledged is in them.

use std::fs::{self, File, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The capital letter keeps them apart from profile names.
const PREFIX: &str = "Partial-";
/// How often a folder is made anew that another call took for a leftover before it was locked.
const TRIES: u32 = 16;

/// A folder that is being filled. Whatever is in it goes when it is dropped.
pub struct Partial {
    // Dropped in this order: nobody takes a folder for a leftover that is still there.
    dir: TempDir,
    _lock: File,
}

impl Partial {
    /// Makes one, and removes what killed calls left.
    pub fn make(profiles: &Path, name: &str) -> Result<Self> {
        for left in leftovers(profiles)? {
            // What cannot be removed is not in the way; `gridpass doctor` names it.
            let _ = remove(&left);
        }
        for _ in 0..TRIES {
            let prefix = format!("{PREFIX}{name}-");
            let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(profiles)?;
            let path = dir.path().join("lock");
            let locked = File::create_new(&path).and_then(|file| match file.try_lock() {
                Ok(()) => Ok(file),
                Err(TryLockError::WouldBlock) => Err(Error::from(ErrorKind::WouldBlock)),
                Err(TryLockError::Error(e)) => Err(e),
            });
            match locked {
                Ok(lock) if path.exists() => return Ok(Self { dir, _lock: lock }),
                // Another call was removing it.
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::WouldBlock) => {}
                Err(e) => return Err(e),
            }
        }
        Err(Error::from(ErrorKind::ResourceBusy))
    }

    /// Where the wallet is made.
    pub fn wallet(&self) -> PathBuf {
        self.dir.path().join("wallet")
    }
}

/// Every such folder that no running call holds.
pub fn leftovers(profiles: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(profiles) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut left = Vec::new();
    for entry in entries {
        let entry = entry?;
        let is_one = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_one && entry.file_type()?.is_dir() && hold(&entry.path()).is_ok() {
            left.push(entry.path());
        }
    }
    left.sort();
    Ok(left)
}

/// The locks of a folder, of which the wallet's own is older than that of the folder.
fn hold(dir: &Path) -> Result<Vec<File>> {
    let mut held = Vec::new();
    for lock in [dir.join("lock"), dir.join("wallet").join("lock")] {
        match File::options().read(true).write(true).open(&lock) {
            Ok(file) => match file.try_lock() {
                Ok(()) => held.push(file),
                Err(TryLockError::WouldBlock) => return Err(Error::from(ErrorKind::WouldBlock)),
                Err(TryLockError::Error(e)) => return Err(e),
            },
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(held)
}

/// Removes a folder that nobody holds.
fn remove(dir: &Path) -> Result<()> {
    let held = hold(dir)?;
    if held.is_empty() {
        // Perhaps its maker has not locked it yet: then it is empty, and the maker makes another.
        return fs::remove_dir(dir);
    }
    fs::remove_dir_all(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("a folder");
        let name = |e: std::io::Result<fs::DirEntry>| e.expect("an entry").file_name();
        let mut names: Vec<_> = entries.map(|e| name(e).to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_killed_call_left_goes_and_what_is_held_stays() {
        let temp = tempfile::tempdir().expect("a folder");
        let profiles = temp.path();
        let held = Partial::make(profiles, "dso").expect("made");
        fs::create_dir(held.wallet()).expect("its wallet");
        fs::create_dir(profiles.join("dso")).expect("a profile");
        fs::write(profiles.join("Partial-file"), b"").expect("no folder");
        // Killed before and after its first file, and one of an earlier version: its wallet has the lock.
        fs::create_dir(profiles.join("Partial-empty-1")).expect("a folder");
        for left in ["Partial-left-2", "Partial-old-3/wallet"] {
            fs::create_dir_all(profiles.join(left)).expect("a folder");
            fs::write(profiles.join(left).join("lock"), b"").expect("its lock");
        }
        // Nobody can say of this one whether it is held: it is named, and stays.
        fs::create_dir_all(profiles.join("Partial-odd-4/records")).expect("a folder");
        assert_eq!(leftovers(profiles).expect("read").len(), 4);
        let other = Partial::make(profiles, "dso").expect("made");
        assert_eq!(leftovers(profiles).expect("read"), [profiles.join("Partial-odd-4")]);
        assert_eq!(names(profiles).len(), 5, "{:?}", names(profiles));
        assert!(held.wallet().is_dir() && !other.wallet().exists());
        drop((held, other));
        assert_eq!(names(profiles), ["Partial-file", "Partial-odd-4", "dso"]);
    }
}
