//! The folder of a node, for one alone: a node that runs there, or who changes what it is given.

use super::{Material, MaterialError, NodeError, make_private, material_of, socket_of};
use crate::log::LogError;
use crate::store::{Store, StoreError};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the lock is tried, and how long is waited in between: who changes something has it for a moment.
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// A node's folder, in which no node runs and none starts as long as this is there.
#[derive(Debug)]
pub struct Hold {
    folder: PathBuf,
    _lock: File,
}

impl Hold {
    /// The folder of the node's store.
    pub(super) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// What the node was given, to give it more: what is taken is in force when the node starts. The folder is
    /// held as long as this is there: drop it before [`super::Node::start`]. Gives also which files could not be
    /// read: what they said is not in force.
    ///
    /// # Errors
    /// [`MaterialError`] if the folder cannot be read or made.
    pub fn material(
        self,
        node: Did,
        now: UnixMillis,
    ) -> Result<(Material, Vec<(PathBuf, MaterialError)>), MaterialError> {
        let (material, unread) = Material::open(&material_of(&self.folder), node, now)?;
        Ok((material.held_by(self), unread))
    }
}

/// Takes the folder of a node that does not run, to change something in it: what is written there while a
/// node starts would not be in force, and nobody would know. A node that runs is given things by
/// [`super::Node::give`]. Blocks: for two seconds where a node starts or ends there.
///
/// # Errors
/// [`NodeError`]: `GP-LOG-IN-USE` where a node runs, starts or ends there.
pub fn hold(folder: &Path) -> Result<Hold, NodeError> {
    make_private(folder)?;
    Ok(Hold { folder: folder.to_owned(), _lock: take(folder)? })
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
    use crate::test_kit::{did_of, key};

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

    #[test]
    fn what_is_given_to_a_node_is_given_while_it_cannot_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let (did, now) = (did_of(&key(1)).did().clone(), UnixMillis::new(1_772_366_400_000));
        let held = hold(folder.path()).expect("nobody has it");
        let (material, unread) = held.material(did.clone(), now).expect("a folder");
        assert!(unread.is_empty(), "{unread:?}");
        let refused = hold(folder.path()).expect_err("the material holds it");
        assert_eq!(refused.code(), codes::LOG_IN_USE);
        drop(material);
        std::fs::create_dir(material_of(folder.path()).join("document-x")).expect("no file");
        let held = hold(folder.path()).expect("it was given back");
        let (_, unread) = held.material(did, now).expect("opens");
        assert_eq!(unread.len(), 1, "{unread:?}");
    }
}
