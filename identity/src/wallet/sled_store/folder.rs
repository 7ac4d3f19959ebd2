//! The folder of a store: who may look into it, its lock, and the file `head`.

use super::seal::{Seal, read_seal};
use crate::wallet::store::StoreError;
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;

pub(super) fn io_error(action: &str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { action: format!("{action} {}", path.display()), source }
}

/// What this user may not look at is not absent: whoever took another user's wallet for none would make
/// a second one.
pub(super) fn must_be_there(dir: &Path) -> Result<(), StoreError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let none = || StoreError::NotFound(dir.display().to_string());
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(none()),
        Err(e) if matches!(e.kind(), NotFound | NotADirectory) => Err(none()),
        Err(e) => Err(io_error("looking for a wallet in", dir, e)),
    }
}

/// Whether a folder has nothing but what making a store puts there before `head`.
pub(super) fn is_unfinished(dir: &Path) -> Result<bool, StoreError> {
    must_be_there(dir)?;
    let io = |source| io_error("reading", dir, source);
    for entry in fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if !["lock", "records", "head.next"].iter().any(|known| name == *known) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A folder that only its owner can look into.
pub(super) fn create_private_dir(dir: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|e| io_error("creating", dir, e))
}

pub(super) fn take_lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|e| io_error("opening", &path, e))?;
    match file.try_lock() {
        Ok(()) => {
            let pid = format!("process {}\n", std::process::id());
            let write = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
            write.map_err(|e| io_error("writing", &path, e))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = (&mut file).take(100).read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|h| read.is_ok() && !h.is_empty());
            Err(StoreError::InUse { holder })
        }
        Err(TryLockError::Error(e)) => Err(io_error("locking", &path, e)),
    }
}

pub(super) fn read_head(dir: &Path) -> Result<Seal, StoreError> {
    let path = dir.join("head");
    let mut text = String::new();
    match File::open(&path).and_then(|f| f.take(4096).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(StoreError::Damaged("the file `head` is missing".into()));
        }
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            return Err(StoreError::Damaged("the file `head` is not text".into()));
        }
        Err(e) => return Err(io_error("reading", &path, e)),
    }
    read_seal(text.as_bytes(), "the file `head`")
}

pub(super) fn write_head(dir: &Path, seal: &Seal) -> Result<(), StoreError> {
    let text = serde_json::to_vec(seal)
        .map_err(|e| StoreError::Damaged(format!("the seal cannot be written: {e}")))?;
    write_file_atomically(&dir.join("head"), &text)
}

/// Writes a file so that a reader finds the old or the new content, whole, whatever happens.
fn write_file_atomically(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let next = path.with_extension("next");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&next)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&next, path)?;
        match path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|e| io_error("writing", path, e))
}
