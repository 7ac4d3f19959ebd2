//! The files of a node's material: one thing in each, named by what it is, written whole or not at
//! all. `spec/node.md`.

use super::MaterialError;
use crate::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which comes first when they are read: what others are judged by.
const ORDER: [&str; 7] = ["trust", "identity", "list", "seen", "document", "left", "channel"];

/// The file of the trust pack.
pub(super) const TRUST: &str = "trust.json";

/// How the files begin that say which logs and charters gave way to others: for people, and not read.
const REPLACED: &str = "replaced-";

/// The folder.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, MaterialError> {
        std::fs::create_dir_all(path).map_err(|e| failed(path, &e))?;
        Ok(Self(path.to_owned()))
    }

    /// Its files, in the order in which they are taken.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>, MaterialError> {
        let io = |e: std::io::Error| failed(&self.0, &e);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.0).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
            if !name.starts_with('.') && !name.starts_with(REPLACED) {
                let rank = ORDER.iter().position(|p| name.starts_with(p)).unwrap_or(ORDER.len());
                // What others published, in the order in which it came: the oldest makes room first. Of
                // presentations of one second the last given counts.
                let in_order = is_published(&path) || is_presentation(&name);
                let came = in_order.then(|| path.metadata().and_then(|m| m.modified()));
                let came = came.and_then(Result::ok);
                files.push((rank, came, name, path));
            }
        }
        files.sort();
        Ok(files.into_iter().map(|(.., path)| path).collect())
    }

    pub(super) fn read(path: &Path) -> Result<Vec<u8>, MaterialError> {
        std::fs::read(path).map_err(|e| failed(path, &e))
    }

    /// What stands in a file, if it can be read.
    pub(super) fn content(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(name)).ok()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    /// Writes a file whole or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), MaterialError> {
        let path = self.0.join(name);
        let half = self.0.join(format!(".{name}"));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&half)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&half, &path)?;
            self.sync()
        };
        write().map_err(|e| {
            // What is half written takes room that there may not be.
            let _ = std::fs::remove_file(&half);
            failed(&path, &e)
        })
    }

    /// The same, for a presentation: it is dated after all others, however soon it follows them.
    pub(super) fn write_last(&self, name: &str, bytes: &[u8]) -> Result<(), MaterialError> {
        let others = self.files()?.into_iter().filter(|path| {
            let other = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            is_presentation(other) && other != name
        });
        let dates = others.filter_map(|path| path.metadata().and_then(|m| m.modified()).ok());
        let newest = dates.max();
        self.write(name, bytes)?;
        let path = self.0.join(name);
        let date = || -> std::io::Result<()> {
            let file = std::fs::File::options().write(true).open(&path)?;
            let Some(newest) = newest else { return Ok(()) };
            if file.metadata()?.modified()? <= newest
                && let Some(after) = newest.checked_add(Duration::from_millis(1))
            {
                file.set_modified(after)?;
                file.sync_all()?;
            }
            Ok(())
        };
        date().map_err(|e| failed(&path, &e))
    }

    /// Gives a file another name.
    pub(super) fn rename(&self, before: &str, name: &str) -> Result<(), MaterialError> {
        let path = self.0.join(name);
        let renamed = std::fs::rename(self.0.join(before), &path).and_then(|()| self.sync());
        renamed.map_err(|e| failed(&path, &e))
    }

    /// Makes a file with nothing in it, whose name says it all.
    pub(super) fn mark(&self, name: &str) -> Result<(), MaterialError> {
        let path = self.0.join(name);
        let made = std::fs::File::create(&path).and_then(|_| self.sync());
        made.map_err(|e| failed(&path, &e))
    }

    fn sync(&self) -> std::io::Result<()> {
        std::fs::File::open(&self.0)?.sync_all()
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove(&self, name: &str) -> Result<(), MaterialError> {
        self.remove_file(&self.0.join(name))
    }

    /// The same, by its path.
    pub(super) fn remove_file(&self, path: &Path) -> Result<(), MaterialError> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(failed(path, &e)),
            _ => Ok(()),
        }
    }
}

fn failed(path: &Path, e: &std::io::Error) -> MaterialError {
    MaterialError::new(codes::NODE_FOLDER, format!("{}: {e}", path.display()))
}

pub(super) fn channel(id: &ContentId) -> String {
    format!("channel-{id}.json")
}

/// The descriptor of a channel that was left.
pub(super) fn left(id: &ContentId) -> String {
    format!("left-{id}.json")
}

pub(super) fn is_left(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("left-"))
}

pub(super) fn document(id: &ContentId) -> String {
    format!("document-{id}")
}

/// A role definition that somebody else published.
pub(super) fn published(id: &ContentId) -> String {
    format!("published-{id}.json")
}

pub(super) fn is_published(path: &Path) -> bool {
    path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("published-"))
}

pub(super) fn presentation(id: &ContentId) -> String {
    format!("presentation-{id}.jwt")
}

fn is_presentation(name: &str) -> bool {
    name.starts_with("presentation-")
}

pub(super) fn authorisation(id: &ContentId) -> String {
    format!("authorisation-{id}.jwt")
}

pub(super) fn identity(did: &Did) -> String {
    format!("identity-{}.json", hash(did.as_str().as_bytes()))
}

/// That a log gave way to another end of it.
pub(super) fn replaced(record: &[u8]) -> String {
    format!("{REPLACED}{}.json", hash(record))
}

/// That charters gave way to others that contradict them.
pub(super) fn replaced_charters(record: &[u8]) -> String {
    format!("{REPLACED}charter-{}.json", hash(record))
}

pub(super) fn hash(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(bytes).iter().take(16) {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::cid;
    use std::time::SystemTime;

    #[test]
    fn what_others_published_is_read_in_the_order_in_which_it_came() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(place.path()).expect("opens");
        let mut names: Vec<_> = ["one", "two", "three", "four"].map(|n| published(&cid(n))).into();
        names.sort();
        names.reverse();
        for (number, name) in (1_u64..).zip(&names) {
            folder.write(name, b"{}").expect("written");
            let file = std::fs::File::options().append(true).open(place.path().join(name));
            let came = SystemTime::UNIX_EPOCH + Duration::from_secs(number);
            file.expect("there").set_modified(came).expect("dated");
        }
        folder.write(TRUST, b"{}").expect("written");
        names.insert(0, TRUST.to_owned());
        let read: Vec<_> = folder.files().expect("a list");
        let read: Vec<_> = read.iter().filter_map(|p| p.file_name()?.to_str()).collect();
        assert_eq!(read, names);
    }
}
