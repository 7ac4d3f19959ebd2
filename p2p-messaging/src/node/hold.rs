//! The folder of a node, for one alone: a node that runs there, or who changes what it is given.

use super::{NodeError, make_private, socket_of};
use crate::log::LogError;
use crate::store::{Store, StoreError};
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How often the lock is tried, and how long is waited in between: who changes something has it for a moment.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// A node's folder, in which no node runs and none starts as long as this is there.
#[derive(Debug)]
pub struct Hold {
    _lock: File,
}

/// Takes the folder of a node that does not run, to change something in it: what is written there while a
/// node starts would not be in force, and nobody would know.
///
/// # Errors
/// [`NodeError`]: `GP-LOG-IN-USE` where a node runs, starts or ends there.
pub fn hold(folder: &Path) -> Result<Hold, NodeError> {
    make_private(folder)?;
    Ok(Hold { _lock: take(folder)? })
}

/// Takes the lock of a folder. A node that answers gives it to nobody: then it is not waited for.
pub(super) fn take(folder: &Path) -> Result<File, NodeError> {
    let (store, socket) = (folder.join("store"), socket_of(folder));
    for _ in 0..TRIES {
        match Store::lock(&store) {
            Err(StoreError::Log(LogError::InUse(_))) if UnixStream::connect(&socket).is_err() => {
                std::thread::sleep(PAUSE);
            }
            taken => return Ok(taken?),
        }
    }
    Ok(Store::lock(&store)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn one_alone_has_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = hold(folder.path()).expect("nobody has it");
        let refused = hold(folder.path()).expect_err("it is held");
        assert_eq!(refused.code(), codes::LOG_IN_USE);
        let opened = Store::open(&folder.path().join("store"));
        assert!(opened.is_err(), "a node would start");
        drop(held);
        drop(hold(folder.path()).expect("it was given back"));
    }
}
