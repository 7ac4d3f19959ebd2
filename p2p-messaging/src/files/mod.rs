//! Files: cut into blocks that are named by their hashes, sealed where the channel is, and referred to
//! by a message.
//!
//! ```text
//! file -> blocks (sealed with the file's own key) -> digests -> lists of digests -> manifest -> CID
//! message: reference = CID of the manifest, size, name, media type, key
//! ```
//!
//! Whoever has the reference gets manifest, lists and blocks from whoever has them and may give them to
//! it, and holds each against its name. [`manifest`], [`mod@reference`] and [`cutting`] have no I/O;
//! [`stage`] and [`held`] are what is on disk. `spec/files.md`.

pub mod cutting;
pub mod held;
pub mod manifest;
pub mod reference;
pub mod stage;
#[cfg(test)]
mod vector_tests;

pub use cutting::{FileKey, Opener, Sealer};
pub use held::Held;
pub use manifest::Manifest;
pub use reference::Reference;

use crate::codes;
use gridpass_identity::code::Code;
use std::path::Path;

/// The bytes of a file's content in each of its blocks, as this version cuts them.
pub const BLOCK: u32 = 256 * 1024;
/// The most bytes of a block's content that are read.
pub const MAX_BLOCK: u32 = 1024 * 1024;
/// The fewest.
pub const MIN_BLOCK: u32 = 1024;
/// The digests in a list: every list but the last has so many.
pub const LIST: usize = 8192;
/// The most blocks of a file.
pub const MAX_BLOCKS: u64 = 1024 * 1024;
/// The bytes of the disk that are left to others: a file does not stop the messages.
pub const SPARE: u64 = 256 * 1024 * 1024;
/// The name of a block's bytes, as a list has it: their sha2-256.
pub type Digest = [u8; 32];

/// Why a file cannot be sent, kept or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A manifest, list or reference that is not as it has to be.
    #[error("{0}")]
    Malformed(String),
    /// More than a file has.
    #[error("a file has at most {MAX_BLOCKS} blocks, which are 256 GiB")]
    TooLong,
    /// Bytes that are not those that were sent.
    #[error("block {0} is not as it was sent")]
    Damaged(u64),
    /// The bytes after the end of the content are not those that fill it up.
    #[error("it does not end where its reference says")]
    End,
    /// The operating system refused.
    #[error("{0}")]
    Io(String),
    /// The disk is full, or its owner may not have more of it.
    #[error("{0}")]
    Full(String),
}

impl FileError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::FILE_MALFORMED,
            Self::TooLong => codes::FILE_TOO_LONG,
            Self::Damaged(_) | Self::End => codes::FILE_DAMAGED,
            Self::Io(_) => codes::FILE_IO,
            Self::Full(_) => codes::FILE_FULL,
        }
    }

    pub(crate) fn io(path: &Path, e: &std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let message = format!("{}: {e}", path.display());
        match e.kind() {
            StorageFull | QuotaExceeded => Self::Full(message),
            _ => Self::Io(message),
        }
    }
}

/// The bytes that are left on the disk of a folder; no end of them where nobody says.
pub(crate) fn left_on_disk(folder: &Path) -> u64 {
    let disk = rustix::fs::statvfs(folder);
    disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether so many bytes more leave [`SPARE`] on the disk of a folder.
///
/// # Errors
/// [`FileError::Full`].
pub fn room_for(folder: &Path, bytes: u64) -> Result<(), FileError> {
    let left = left_on_disk(folder);
    if left >= SPARE.saturating_add(bytes) {
        return Ok(());
    }
    let spare = SPARE.div_euclid(1024 * 1024);
    Err(FileError::Full(format!(
        "{}: {left} bytes of the disk are left, and {spare} MiB stay free beside a file",
        folder.display()
    )))
}

fn malformed<E: std::fmt::Display>(e: E) -> FileError {
    FileError::Malformed(e.to_string())
}
