//! Opening a sled database and closing it, with what sled 0.34 leaves to its caller.

use super::store::StoreError;
use std::cell::Cell;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

/// How often, and after how long, a lock is asked for again that a closed database has not let go.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    static CLOSING: Cell<bool> = const { Cell::new(false) };
}

/// A database that is open, used as the [`sled::Db`] that it is. Closing it never panics. What is to last has to be
/// flushed before: what fails in closing it is not told.
pub struct Database {
    // Dropped in this order: what sled itself does at the end, it does for the last one.
    db: sled::Db,
    _last: Last,
}

impl Database {
    fn of(db: sled::Db) -> Self {
        Self { _last: Last(Some(db.clone())), db }
    }
}

impl Deref for Database {
    type Target = sled::Db;

    fn deref(&self) -> &sled::Db {
        &self.db
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sled would write all that is in it.
        f.write_str("Database")
    }
}

/// sled syncs its file once more when the last one who holds it goes, in the thread of that one, and panics where
/// the disk refuses: a call that had done its work would end without its answer.
struct Last(Option<sled::Db>);

impl Drop for Last {
    fn drop(&mut self) {
        let db = self.0.take();
        close(|| drop(db));
    }
}

/// Closes something, and goes on where that panics. Whoever hears of panics may ask [`is_closing`].
pub fn close(closing: impl FnOnce()) {
    let before = set_closing(true);
    // Nothing that it leaves half done is seen again.
    let _ = catch_unwind(AssertUnwindSafe(closing));
    set_closing(before);
}

/// Where the thread itself is ending there is no flag any more.
fn set_closing(closing: bool) -> bool {
    CLOSING.try_with(|flag| flag.replace(closing)).unwrap_or(false)
}

/// Whether this thread is closing a database: a panic is caught then, and nobody need be told. A library sets no
/// hook for panics: a program may, which asks this.
#[must_use]
pub fn is_closing() -> bool {
    CLOSING.try_with(Cell::get).unwrap_or(false)
}

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
pub fn open_db(config: &sled::Config) -> Result<Database, StoreError> {
    remove_unfinished_snapshots(&config.get_path())?;
    let mut tries = TRIES;
    loop {
        // The configuration is only read.
        let config = AssertUnwindSafe(config);
        match catch_unwind(|| config.open()) {
            Ok(Err(sled::Error::Io(e))) if is_locked(&e) && tries > 0 => {
                tries = tries.saturating_sub(1);
                std::thread::sleep(PAUSE);
            }
            Ok(opened) => return opened.map(Database::of).map_err(|e| sled_error("opening", e)),
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

/// A database that panics where it is closed.
#[cfg(test)]
pub(super) mod faulty {
    use super::is_closing;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Bomb(Arc<AtomicBool>);

    impl Bomb {
        /// So that a merge operator holds it, which sled drops where it closes the tree.
        fn merged(&self) -> Option<Vec<u8>> {
            None
        }
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.store(is_closing(), Ordering::SeqCst);
            panic!("the disk refused the last sync");
        }
    }

    /// Whether it did, and [`is_closing`] said so, is told by what this gives.
    pub(in crate::wallet) fn panics_at_closing(tree: &sled::Tree) -> Arc<AtomicBool> {
        let closed = Arc::new(AtomicBool::new(false));
        let bomb = Bomb(Arc::clone(&closed));
        tree.set_merge_operator(move |_: &[u8], _: Option<&[u8]>, _: &[u8]| bomb.merged());
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;
    use std::sync::mpsc;

    #[test]
    fn a_database_that_panics_at_closing_is_closed_all_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = sled::Config::new().path(folder.path());
        let db = open_db(&config).expect("opens");
        db.insert(b"key", b"value").expect("written");
        db.flush().expect("flushed");
        let closed = faulty::panics_at_closing(&db);
        drop(db);
        assert!(closed.load(Ordering::SeqCst), "it panics, and whoever hears of it can tell why");
        assert!(!is_closing(), "another panic of this thread is told");
        let again = open_db(&config).expect("its lock is let go");
        assert_eq!(again.get(b"key").expect("read").as_deref(), Some(b"value".as_slice()));
    }

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
