//! Frames: how a record stands in a file of the log. `spec/log.md` section 2.
//!
//! ```text
//! length u32 | crc32 u32 | number u64 | time u64 | body          little-endian
//! ```
//! `length` is that of everything after the checksum; the checksum is over the log's salt and the
//! same. The salt is random, and never leaves the machine: bodies hold bytes that others chose, and
//! whoever knew it could write whole frames into one, to be found where a place is damaged.

use gridpass_identity::time::UnixMillis;
use std::ops::RangeInclusive;

/// What the checksums of a log begin with.
pub(super) type Salt = [u8; 16];

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
pub(super) fn write(
    out: &mut Vec<u8>,
    salt: &Salt,
    number: u64,
    at: UnixMillis,
    body: &[u8],
) -> Option<usize> {
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
    let checksum = checksum(salt, out.get(begin.checked_add(8)?..)?);
    out.get_mut(begin.checked_add(4)?..begin.checked_add(8)?)?
        .copy_from_slice(&checksum.to_le_bytes());
    out.len().checked_sub(begin)
}

/// How many bytes a frame that may begin here takes, if its number is one of these. Nothing is
/// summed for it.
pub(super) fn plausible(bytes: &[u8], numbers: &RangeInclusive<u64>) -> Option<usize> {
    let length = usize::try_from(u32::from_le_bytes(array(bytes, 0)?)).ok()?;
    let body_length = length.checked_sub(16).filter(|l| *l <= MAX_BODY)?;
    let size = HEAD.checked_add(body_length)?;
    let number = u64::from_le_bytes(array(bytes, 8)?);
    (numbers.contains(&number) && size <= bytes.len()).then_some(size)
}

/// Reads the frame at the beginning of `bytes`; nothing where there is none whose checksum fits.
pub(super) fn read<'b>(
    bytes: &'b [u8],
    salt: &Salt,
    numbers: &RangeInclusive<u64>,
) -> Option<Frame<'b>> {
    let size = plausible(bytes, numbers)?;
    if checksum(salt, bytes.get(8..size)?) != u32::from_le_bytes(array(bytes, 4)?) {
        return None;
    }
    let number = u64::from_le_bytes(array(bytes, 8)?);
    let at = UnixMillis::new(u64::from_le_bytes(array(bytes, 16)?));
    Some(Frame { number, at, body: bytes.get(HEAD..size)?, size })
}

fn checksum(salt: &Salt, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(salt);
    hasher.update(bytes);
    hasher.finalize()
}

fn array<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..from.checked_add(N)?)?.try_into().ok()
}
