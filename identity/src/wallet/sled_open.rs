//! Opening a sled database, with what sled 0.34 leaves to its caller.

use super::store::StoreError;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

/// How often, and after how long, a lock is asked for again that a closed database has not let go.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

/// Opens the database of a configuration with a path. **The caller holds a lock of its own on it**:
/// nobody else has it open, and so
///
/// - a snapshot that was being written when the process was killed is removed: sled would take it
///   for its newest one, and never open again; its log holds all that such a file could;
/// - sled's own lock, which a database that was just closed lets go a moment late, is waited for;
/// - what sled asserts on damaged files becomes an error.
///
/// # Errors
/// [`StoreError::Io`], [`StoreError::Damaged`].
pub fn open_db(config: &sled::Config) -> Result<sled::Db, StoreError> {
    remove_unfinished_snapshots(&config.get_path())?;
    let mut tries = TRIES;
    loop {
        // The configuration is only read.
        let config = std::panic::AssertUnwindSafe(config);
        match std::panic::catch_unwind(|| config.open()) {
            Ok(Err(sled::Error::Io(e))) if is_locked(&e) && tries > 0 => {
                tries = tries.saturating_sub(1);
                std::thread::sleep(PAUSE);
            }
            Ok(opened) => return opened.map_err(|e| sled_error("opening", e)),
            Err(_) => return Err(StoreError::Damaged("its files cannot be read".into())),
        }
    }
}

/// sled says so in words alone.
fn is_locked(e: &std::io::Error) -> bool {
    e.kind() == ErrorKind::Other && e.to_string().starts_with("could not acquire lock")
}

fn remove_unfinished_snapshots(folder: &Path) -> Result<(), StoreError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    let failed = |action: &str, path: &Path, source| StoreError::Io {
        action: format!("{action} {}", path.display()),
        source,
    };
    for entry in entries {
        let path = entry.map_err(|e| failed("reading", folder, e))?.path();
        if path.extension().is_some_and(|e| e == "generating") {
            fs::remove_file(&path).map_err(|e| failed("removing", &path, e))?;
        }
    }
    Ok(())
}

pub(super) fn sled_error(action: &str, error: sled::Error) -> StoreError {
    match error {
        sled::Error::Io(source) => StoreError::Io { action: action.to_owned(), source },
        other => StoreError::Damaged(format!("{action}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_lock_that_is_let_go_late_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = sled::Config::new().path(folder.path());
        let first = open_db(&config).expect("opens");
        let (asked, ask) = mpsc::channel();
        let holder = std::thread::spawn(move || {
            ask.recv().expect("asked");
            // The other one is asking by now; no event tells.
            std::thread::sleep(PAUSE);
            drop(first);
        });
        asked.send(()).expect("hears");
        if let Err(e) = open_db(&config) {
            panic!("{e}");
        }
        holder.join().expect("ends");
    }

    #[test]
    fn a_snapshot_that_was_never_finished_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let left = folder.path().join("snap.FFFFFFFFFFFFFFF0.generating");
        fs::write(&left, b"half").expect("writes");
        assert!(open_db(&sled::Config::new().path(folder.path())).is_ok());
        assert!(!left.exists());
    }
}
