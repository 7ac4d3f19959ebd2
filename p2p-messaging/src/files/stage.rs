//! Cutting a file into a folder, from which a node gives it.

use super::held::{BLOCKS, Bits, DIGESTS, HAVE, MANIFEST, write_whole};
use super::{Digest, FileError, FileKey, Manifest, Sealer, room_for};
use gridpass_credentials::content_id::ContentId;
use std::fs::OpenOptions;
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Cuts what `source` gives, sealed where there is a key, and makes it durable in a folder. Two blocks
/// are in memory. As much of the disk is left as where a file is fetched. `progress` is told how many
/// bytes were read. Gives the name of the manifest and how many bytes the file has.
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
    let mut keep = |block: &[u8]| {
        // What is read may have no end.
        room_for(folder, block_size.into())?;
        blocks.write_all(block).map_err(|e| FileError::io(&path, &e))
    };
    let sealer = Sealer::new(channel, key, block_size);
    let (manifest, digests, size) = cut(source, sealer, block_size, &mut keep, progress)?;
    blocks.sync_all().map_err(|e| FileError::io(&path, &e))?;
    let encoded = manifest.encode()?;
    write_whole(folder, DIGESTS, digests.as_flattened())?;
    write_whole(folder, HAVE, &Bits::of(manifest.blocks(), true).encode())?;
    write_whole(folder, MANIFEST, &encoded)?;
    let id = ContentId::of_bytes(&encoded).map_err(super::malformed)?;
    Ok((id, size))
}

/// The name that [`stage`] would give, and how many bytes the file has. Nothing is written, so that the key of a
/// file may be taken to see whether this is the same one: it seals nothing else that anybody gets.
///
/// # Errors
/// [`FileError`].
pub fn name(
    source: &mut dyn Read,
    channel: &ContentId,
    key: Option<&FileKey>,
    block_size: u32,
    progress: &mut dyn FnMut(u64),
) -> Result<(ContentId, u64), FileError> {
    let sealer = Sealer::new(channel, key, block_size);
    let (manifest, _, size) = cut(source, sealer, block_size, &mut |_| Ok(()), progress)?;
    let id = ContentId::of_bytes(&manifest.encode()?).map_err(super::malformed)?;
    Ok((id, size))
}

/// Makes the blocks one after the other.
fn cut(
    source: &mut dyn Read,
    mut sealer: Sealer,
    block_size: u32,
    keep: &mut dyn FnMut(&[u8]) -> Result<(), FileError>,
    progress: &mut dyn FnMut(u64),
) -> Result<(Manifest, Vec<Digest>, u64), FileError> {
    let mut content = read(source, block_size)?;
    let mut bytes = 0_u64;
    loop {
        // A file that grows or shrinks meanwhile is taken as it was read: what is short was its end.
        let whole = u32::try_from(content.len()) == Ok(block_size);
        let next = if whole { read(source, block_size)? } else { Vec::new() };
        bytes = bytes.saturating_add(u64::try_from(content.len()).unwrap_or(u64::MAX));
        let block = sealer.next(&mut content, next.is_empty())?;
        keep(&block)?;
        progress(bytes);
        if next.is_empty() {
            break;
        }
        content = next;
    }
    sealer.finish()
}

/// As much as a block has, or what is left.
fn read(source: &mut dyn Read, most: u32) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
    let read = source.take(u64::from(most)).read_to_end(&mut content);
    read.map_err(|e| FileError::Io(e.to_string()))?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::super::SPARE;
    use super::*;
    use crate::codes;
    use crate::test_kit::cid;

    /// Somebody writes to it while it is read: it ends, and then there is more.
    struct Growing(Vec<&'static [u8]>);

    impl Read for Growing {
        fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            self.0.remove(0).read(room)
        }
    }

    #[test]
    fn a_file_that_grows_while_it_is_read_is_taken_as_far_as_it_was_there() {
        let key = FileKey::new([7; 32]);
        for key in [None, Some(&key)] {
            let place = tempfile::tempdir().expect("a folder");
            let mut source = Growing(vec![&b"ten bytes."[..], &b""[..], &b"and more"[..]]);
            let channel = cid("channel");
            let staged =
                stage(&mut source, place.path(), &channel, key, 1024, &mut |_| {}).expect("cut");
            assert_eq!(staged.1, 10);
        }
    }

    #[test]
    fn a_file_is_called_as_it_is_when_it_is_cut_and_only_with_its_key_content_and_channel() {
        let (channel, other) = (cid("channel"), cid("other"));
        let (key, another) = (FileKey::new([7; 32]), FileKey::new([8; 32]));
        let content = vec![1_u8; 3000];
        for key in [None, Some(&key)] {
            let place = tempfile::tempdir().expect("a folder");
            let mut source = &content[..];
            let staged =
                stage(&mut source, place.path(), &channel, key, 1024, &mut |_| {}).expect("cut");
            let named = |content: &[u8], channel: &ContentId, key: Option<&FileKey>| {
                name(&mut &content[..], channel, key, 1024, &mut |_| {}).expect("named")
            };
            assert_eq!(named(&content, &channel, key), staged);
            assert_eq!(staged.1, 3000);
            let mut changed = content.clone();
            changed[2999] = 2;
            for differs in [
                named(&changed, &channel, key),
                named(&content, &other, key),
                named(&content, &channel, Some(&another)),
            ] {
                assert_ne!(differs.0, staged.0);
            }
        }
    }

    #[test]
    fn some_of_the_disk_is_left_to_the_messages() {
        let place = tempfile::tempdir().expect("a folder");
        assert_eq!(room_for(place.path(), 0), Ok(()));
        let full = room_for(place.path(), u64::MAX - SPARE).expect_err("no disk is so large");
        assert_eq!(full.code(), codes::FILE_FULL);
        assert!(full.to_string().contains("256 MiB"), "{full}");
    }
}
