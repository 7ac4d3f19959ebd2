//! The files of a node, and their blocks for those who may have them.

use super::Offer;
use super::here::FileHere;
use super::rights::Rights;
use crate::exchange::Library;
use crate::exchange::message::digest_of;
use crate::files::held::Part;
use crate::files::{FileError, Held};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use ipld_core::cid::{Cid, Version};
use libp2p::PeerId;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// What a folder that is being staged begins with.
pub(super) const STAGED: &str = "new-";
/// And one that is being removed.
const REMOVED: &str = "new-removed-";
/// How long a folder may be staged, or kept without a message that refers to it.
pub(super) const UNUSED: Duration = Duration::from_secs(24 * 3600);
/// The blocks that are on their way at once, for all files together: what fetching takes of memory.
const ROOM: usize = 64;
/// The most files.
pub(super) const MAX_FILES: usize = 4096;
/// The codec of names: bytes.
const RAW: u64 = 0x55;

/// The folder of a node's files.
#[must_use]
pub fn files_of(folder: &Path) -> PathBuf {
    folder.join("files")
}

/// The files of a node.
pub(in crate::node) struct Files {
    pub(super) folder: PathBuf,
    /// Where this node begins with a file: others begin elsewhere, and give each other what they have.
    pub(super) begins: u64,
    pub(in crate::node) rights: Rights,
    all: RwLock<BTreeMap<ContentId, Arc<FileHere>>>,
    pub(super) room: Arc<Semaphore>,
}

impl Files {
    /// Opens what is there. Gives what could not be read.
    pub(in crate::node) fn open(
        folder: &Path,
        me: &PeerId,
    ) -> Result<(Self, Vec<String>), FileError> {
        let folder = files_of(folder);
        let io = |e: std::io::Error| FileError::io(&folder, &e);
        std::fs::create_dir_all(&folder).map_err(io)?;
        let (mut all, mut unread) = (BTreeMap::new(), Vec::new());
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if let Ok(id) = ContentId::parse(name) {
                match FileHere::open(&path, &id) {
                    Ok(here) => drop(all.insert(id, Arc::new(here))),
                    Err(e) => unread.push(format!("{}: {e} [{}]", path.display(), e.code())),
                }
            }
        }
        let last = me.to_bytes().last_chunk::<8>().copied().unwrap_or_default();
        let files = Self {
            folder,
            begins: u64::from_be_bytes(last),
            rights: Rights::default(),
            all: RwLock::new(all),
            room: Arc::new(Semaphore::new(ROOM)),
        };
        files.clear_away();
        Ok((files, unread))
    }

    /// Removes what was being removed, and what was cut and never sent.
    pub(super) fn clear_away(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        let over = |path: &PathBuf| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            name.starts_with(REMOVED) || (name.starts_with(STAGED) && is_unused(path))
        };
        let over: Vec<_> = entries.flatten().map(|e| e.path()).filter(over).collect();
        for path in over {
            if let Err(e) = remove_folder(path) {
                tracing::warn!("a folder of files is not cleared away: {e}");
            }
        }
    }

    /// Takes a folder out of the way at once: what is half removed is not opened again.
    pub(super) fn take_away(&self, from: &Path) -> Result<(), FileError> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|e| FileError::Io(e.to_string()))?;
        let out = self.folder.join(format!("{REMOVED}{:016x}", u64::from_be_bytes(random)));
        let moved = std::fs::rename(from, &out).and_then(|()| self.sync());
        moved.and_then(|()| remove_folder(out)).map_err(|e| FileError::io(from, &e))
    }

    /// Makes durable which folders there are.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        std::fs::File::open(&self.folder)?.sync_all()
    }

    pub(super) fn all(&self) -> Vec<Arc<FileHere>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn get(&self, id: &ContentId) -> Option<Arc<FileHere>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.all.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn insert(&self, here: FileHere) -> Arc<FileHere> {
        let here = Arc::new(here);
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(here.id.clone(), Arc::clone(&here));
        here
    }

    /// Gives and keeps one no more.
    pub(super) fn remove(&self, id: &ContentId) -> Result<(), FileError> {
        let gone = self.all.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        let Some(gone) = gone else { return Ok(()) };
        gone.live().removed = true;
        gone.wake.notify_one();
        self.take_away(&gone.folder)
    }

    /// Forgets those with the last message that refers to them, and those that nobody sent.
    pub(super) fn forget(&self, now: UnixMillis, retentions: &HashMap<ContentId, u64>) {
        for here in self.all() {
            let over = |offer: &Offer| {
                let kept_for = retentions.get(&offer.channel).copied().unwrap_or(u64::MAX);
                now.millis_since(offer.issued) > kept_for
            };
            let gone = here.with_offers(|all| match all {
                [] => is_unused(&here.folder),
                all => all.iter().all(over),
            });
            if gone {
                tracing::info!(file = %here.id, "a file was forgotten");
                if let Err(e) = self.remove(&here.id) {
                    tracing::error!(file = %here.id, code = %e.code(), "{e}");
                }
            }
        }
    }

    /// Removes what was cut and no message names, when the node starts: whoever cut it was refused, or gone before it
    /// was sent.
    pub(super) fn remove_unsent(&self) {
        for here in self.all() {
            let state = here.state();
            if state.wanted || !state.offers.is_empty() {
                continue;
            }
            tracing::info!(file = %here.id, "a file that no message names was removed");
            if let Err(e) = self.remove(&here.id) {
                tracing::error!(file = %here.id, code = %e.code(), "{e}");
            }
        }
    }

    /// What a CID names, if a peer may have it now.
    fn part(&self, peer: &PeerId, cid: &Cid) -> Option<(Arc<FileHere>, Arc<Held>, Part)> {
        let raw = cid.version() == Version::V1 && cid.codec() == RAW;
        let digest = digest_of(cid).filter(|_| raw)?;
        if !self.rights.knows(peer) {
            return None;
        }
        // Two files of open channels may have a block in common: any that the peer may have will do.
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().find_map(|here| {
            let held = here.held()?;
            let channel = &held.manifest().channel;
            if !here.given_by(channel, |offers| self.rights.allow(peer, offers)) {
                return None;
            }
            let part = held.find(&digest)?;
            Some((Arc::clone(here), held, part))
        })
    }
}

impl Library for Files {
    fn has(&self, peer: &PeerId, cid: &Cid) -> bool {
        self.part(peer, cid).is_some()
    }

    fn block(&self, peer: &PeerId, cid: &Cid) -> Option<Vec<u8>> {
        let (here, held, part) = self.part(peer, cid)?;
        let bytes = held.read(part).ok()?;
        if matches!(part, Part::Block(_)) {
            here.gave(peer);
        }
        Some(bytes)
    }
}

/// Gigabytes take a moment, and nobody waits for them.
fn remove_folder(path: PathBuf) -> std::io::Result<()> {
    let remove = std::thread::Builder::new().name("gridpass-remove".into());
    remove.spawn(move || std::fs::remove_dir_all(path)).map(drop)
}

/// Whether nothing was done in a folder for a day.
pub(super) fn is_unused(path: &Path) -> bool {
    let changed = std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let age = changed.and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age > UNUSED)
}

/// Public documents, and files for those who may have them.
pub(in crate::node) struct Both<A, B>(pub Arc<A>, pub Arc<B>);

impl<A: Library, B: Library> Library for Both<A, B> {
    fn has(&self, peer: &PeerId, cid: &Cid) -> bool {
        self.0.has(peer, cid) || self.1.has(peer, cid)
    }

    fn block(&self, peer: &PeerId, cid: &Cid) -> Option<Vec<u8>> {
        self.0.block(peer, cid).or_else(|| self.1.block(peer, cid))
    }
}

#[cfg(test)]
#[path = "library_tests.rs"]
mod tests;
