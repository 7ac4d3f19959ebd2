//! The file beside an output that becomes it when it is whole: gigabytes, and so nothing that may be
//! left where a call was interrupted.

use gridpass_credentials::content_id::ContentId;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::{NamedTempFile, TempPath};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// What its name begins with.
const PREFIX: &str = ".gridpass-";

/// Makes it. The same content for the same output has the same name, so that what an interrupted call
/// left is in nobody's way and taken away by the next one; what another call writes just now is left alone.
pub(super) fn beside(output: &Path, content: &ContentId) -> Result<NamedTempFile, Error> {
    let parent = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let half = name_of(output, content).map(|name| parent.join(name))?;
    remove_left(&half);
    // Never through a link that somebody put there.
    match OpenOptions::new().read(true).write(true).create_new(true).open(&half) {
        Ok(file) => match file.try_lock() {
            // Whoever took it for one that was left has it locked, or has taken it away.
            Ok(()) if is_same(&file, &half) => {
                return Ok(NamedTempFile::from_parts(file, TempPath::try_from_path(half)?));
            }
            Ok(()) | Err(std::fs::TryLockError::WouldBlock) => {}
            // A file system without locks: nobody has it but this call.
            Err(std::fs::TryLockError::Error(_)) => std::fs::remove_file(&half)?,
        },
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).permissions(std::fs::Permissions::from_mode(0o666));
    builder.tempfile_in(parent)
}

fn name_of(output: &Path, content: &ContentId) -> Result<String, Error> {
    let name = output.file_name().unwrap_or_default();
    let both = [name.as_bytes(), b"\n", content.as_str().as_bytes()].concat();
    let id = ContentId::of_bytes(&both).map_err(Error::other)?;
    Ok(format!("{PREFIX}{id}"))
}

/// Takes away what an interrupted call left; not what somebody writes.
fn remove_left(half: &Path) {
    if half.symlink_metadata().is_ok_and(|m| m.is_file())
        && let Ok(left) = File::open(half)
        && left.try_lock().is_ok()
    {
        // While it is locked: who made it a moment ago sees that it is gone.
        let _ = std::fs::remove_file(half);
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    let place = |m: std::fs::Metadata| (m.dev(), m.ino());
    let here = file.metadata().map(place).ok();
    here.is_some() && here == path.symlink_metadata().map(place).ok()
}

/// While it lives, SIGINT and SIGTERM take a file away before they end the process.
pub(super) struct Watched(Arc<AtomicBool>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Has a file taken away where the call is interrupted.
pub(super) fn removed_when_interrupted(half: &Path) -> Watched {
    let armed = Arc::new(AtomicBool::new(true));
    let (half, is_armed): (PathBuf, _) = (half.to_owned(), Arc::clone(&armed));
    std::thread::spawn(move || {
        let Ok(runtime) = Builder::new_current_thread().enable_io().build() else { return };
        let Some(status) = runtime.block_on(interrupted()) else { return };
        if is_armed.load(Ordering::Acquire) {
            let _ = std::fs::remove_file(&half);
        }
        std::process::exit(status);
    });
    Watched(armed)
}

/// The status of a process that such a signal ends, as shells have it.
async fn interrupted() -> Option<i32> {
    let mut interrupt = signal(SignalKind::interrupt()).ok()?;
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    Some(tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> ContentId {
        ContentId::of_bytes(b"a manifest").expect("a name")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|e| e.expect("one").file_name().into_string().expect("text")).collect()
    }

    #[test]
    fn what_an_interrupted_call_left_is_taken_away_by_the_next() {
        let place = tempfile::tempdir().expect("a folder");
        let output = place.path().join("big.out");
        let left = place.path().join(name_of(&output, &content()).expect("a name"));
        std::fs::write(&left, "half of it").expect("written");
        let half = beside(&output, &content()).expect("a file");
        assert_eq!(names(place.path()).len(), 1, "it is not beside it");
        assert_eq!(half.as_file().metadata().expect("there").len(), 0);
        half.persist(&output).expect("whole");
        assert_eq!(names(place.path()), ["big.out"]);
        drop(beside(&output, &content()).expect("a file"));
        assert_eq!(names(place.path()), ["big.out"]);
    }

    #[test]
    fn what_another_call_writes_and_what_another_put_there_is_left_alone() {
        let place = tempfile::tempdir().expect("a folder");
        let output = place.path().join("big.out");
        let first = beside(&output, &content()).expect("a file");
        let second = beside(&output, &content()).expect("a file");
        assert_ne!(first.path(), second.path());
        assert!(is_same(first.as_file(), first.path()), "the first is as it was");
        drop((first, second));
        let other = place.path().join("other");
        std::fs::write(&other, "another's").expect("written");
        let name = place.path().join(name_of(&output, &content()).expect("a name"));
        std::os::unix::fs::symlink(&other, &name).expect("a link");
        let half = beside(&output, &content()).expect("a file");
        assert_ne!(half.path(), name);
        assert_eq!(std::fs::read_to_string(&other).expect("there"), "another's");
    }
}
