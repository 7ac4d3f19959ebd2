//! Frames: how a record stands in a file of the log. `spec/log.md` section 2.
//!
//! ```text
//! length u32 | crc32 u32 | number u64 | time u64 | body          little-endian
//! ```
//! `length` is that of everything after the checksum; the checksum is over the same.

use gridpass_identity::time::UnixMillis;

/// The bytes before the body.
pub(super) const HEAD: usize = 24;
/// The longest body, in bytes: an envelope, and what is recorded beside it.
pub const MAX_BODY: usize = 4 * 1024 * 1024;

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame<'b> {
    pub(super) number: u64,
    pub(super) at: UnixMillis,
    pub(super) body: &'b [u8],
    /// How many bytes it takes.
    pub(super) size: usize,
}

/// Writes a frame; nothing for a body that is too long.
pub(super) fn write(out: &mut Vec<u8>, number: u64, at: UnixMillis, body: &[u8]) -> Option<usize> {
    let length = u32::try_from(body.len().checked_add(16)?).ok()?;
    if body.len() > MAX_BODY {
        return None;
    }
    let begin = out.len();
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&at.get().to_le_bytes());
    out.extend_from_slice(body);
    let checksum = crc32fast::hash(out.get(begin.checked_add(8)?..)?);
    out.get_mut(begin.checked_add(4)?..begin.checked_add(8)?)?
        .copy_from_slice(&checksum.to_le_bytes());
    out.len().checked_sub(begin)
}

/// Reads the frame at the beginning of `bytes`; nothing where there is none whose checksum fits.
pub(super) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let length = usize::try_from(u32::from_le_bytes(array(bytes, 0)?)).ok()?;
    let body_length = length.checked_sub(16).filter(|l| *l <= MAX_BODY)?;
    let size = HEAD.checked_add(body_length)?;
    let summed = bytes.get(8..size)?;
    if crc32fast::hash(summed) != u32::from_le_bytes(array(bytes, 4)?) {
        return None;
    }
    let number = u64::from_le_bytes(array(bytes, 8)?);
    let at = UnixMillis::new(u64::from_le_bytes(array(bytes, 16)?));
    Some(Frame { number, at, body: bytes.get(HEAD..size)?, size })
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from.checked_add(N)?)?.try_into().ok()
}
