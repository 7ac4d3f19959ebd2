//! Cutting a file into a folder, from which a node gives it.

use super::held::{BLOCKS, Bits, DIGESTS, HAVE, MANIFEST, write_whole};
use super::{FileError, FileKey, Sealer};
use gridpass_credentials::content_id::ContentId;
use std::fs::OpenOptions;
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Cuts what `source` gives, sealed where there is a key, and makes it durable in a folder. Two blocks
/// are in memory. `progress` is told how many bytes were read. Gives the name of the manifest and how
/// many bytes the file has.
///
/// # Errors
/// [`FileError`].
pub fn stage(
    source: &mut dyn Read,
    folder: &Path,
    channel: &ContentId,
    key: Option<&FileKey>,
    block_size: u32,
    progress: &mut dyn FnMut(u64),
) -> Result<(ContentId, u64), FileError> {
    let path = folder.join(BLOCKS);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut blocks = options.open(&path).map_err(|e| FileError::io(&path, &e))?;
    let mut sealer = Sealer::new(channel, key, block_size);
    let mut content = read(source, block_size)?;
    let mut bytes = 0_u64;
    loop {
        // A file that grows or shrinks meanwhile is taken as it was read.
        let next = read(source, block_size)?;
        bytes = bytes.saturating_add(u64::try_from(content.len()).unwrap_or(u64::MAX));
        let block = sealer.next(&mut content, next.is_empty())?;
        blocks.write_all(&block).map_err(|e| FileError::io(&path, &e))?;
        progress(bytes);
        if next.is_empty() {
            break;
        }
        content = next;
    }
    blocks.sync_all().map_err(|e| FileError::io(&path, &e))?;
    let (manifest, digests, size) = sealer.finish()?;
    let encoded = manifest.encode()?;
    write_whole(folder, DIGESTS, digests.as_flattened())?;
    write_whole(folder, HAVE, &Bits::of(manifest.blocks(), true).encode())?;
    write_whole(folder, MANIFEST, &encoded)?;
    let id = ContentId::of_bytes(&encoded).map_err(super::malformed)?;
    Ok((id, size))
}

/// As much as a block has, or what is left.
fn read(source: &mut dyn Read, most: u32) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    let read = source.take(u64::from(most)).read_to_end(&mut content);
    read.map_err(|e| FileError::Io(e.to_string()))?;
    Ok(content)
}
