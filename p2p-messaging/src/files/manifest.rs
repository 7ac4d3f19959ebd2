//! The manifest of a file: how it is cut, and the names of the lists that name its blocks.

use super::{Digest, FileError, LIST, MAX_BLOCK, MAX_BLOCKS, MIN_BLOCK, malformed};
use gridpass_credentials::content_id::ContentId;
use ipld_core::cid::Cid;
use serde::{Deserialize, Serialize};

/// The bytes that sealing adds to each block: the tag.
pub const TAG: u32 = 16;
/// The longest manifest.
const MAX_MANIFEST: usize = 64 * 1024;
/// The fewest bytes of the blocks of a file that has more than one list of them, to be fetched.
pub const MIN_OF_MANY: u32 = 64 * 1024;
const TYPE: &str = "gridpass-file-manifest";
const VERSION: u32 = 1;

/// A manifest that is well formed.
///
/// The name and media type of the file are not in it: who may have the blocks of a sealed file need
/// not know them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    r#type: String,
    format_version: u32,
    /// The channel in which the file was sent.
    pub channel: ContentId,
    /// Whether its blocks are sealed.
    pub sealed: bool,
    /// The bytes of all blocks before they are sealed: of a sealed file, with what fills it up.
    pub size: u64,
    /// The bytes of every block but the last, before it is sealed.
    pub block_size: u32,
    lists: Vec<ContentId>,
}

impl Manifest {
    /// The manifest of a file whose blocks have these digests.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn new(
        channel: &ContentId,
        sealed: bool,
        (size, block_size): (u64, u32),
        digests: &[Digest],
    ) -> Result<Self, FileError> {
        let name = |list: &[Digest]| ContentId::of_bytes(list.as_flattened()).map_err(malformed);
        let manifest = Self {
            r#type: TYPE.to_owned(),
            format_version: VERSION,
            channel: channel.clone(),
            sealed,
            size,
            block_size,
            lists: digests.chunks(LIST).map(name).collect::<Result<_, _>>()?,
        };
        manifest.check()?;
        if u64::try_from(digests.len()) != Ok(manifest.blocks()) {
            return Err(malformed("it has another number of blocks than its size says"));
        }
        Ok(manifest)
    }

    /// Reads one, in its one encoding.
    ///
    /// # Errors
    /// [`FileError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > MAX_MANIFEST {
            return Err(malformed("it is too long to be a manifest"));
        }
        let read: Self = serde_ipld_dagcbor::from_slice(bytes).map_err(malformed)?;
        read.check()?;
        if read.encode()? != bytes {
            return Err(malformed("it is not in its one encoding"));
        }
        Ok(read)
    }

    fn check(&self) -> Result<(), FileError> {
        if self.r#type != TYPE || self.format_version != VERSION {
            return Err(malformed("it is no manifest of a version that is known"));
        }
        if !(MIN_BLOCK..=MAX_BLOCK).contains(&self.block_size) || !self.block_size.is_power_of_two()
        {
            return Err(malformed("its blocks are of a size that none has"));
        }
        if self.blocks() > MAX_BLOCKS {
            return Err(FileError::TooLong);
        }
        if self.sealed && self.size == 0 {
            return Err(malformed("what is sealed is filled up, and never empty"));
        }
        let lists = self.blocks().div_ceil(u64::try_from(LIST).unwrap_or(u64::MAX));
        if u64::try_from(self.lists.len()) != Ok(lists) {
            return Err(malformed("it names another number of lists than its size says"));
        }
        Ok(())
    }

    /// As it travels.
    ///
    /// # Errors
    /// [`FileError::Malformed`] if it cannot be written.
    pub fn encode(&self) -> Result<Vec<u8>, FileError> {
        serde_ipld_dagcbor::to_vec(self).map_err(malformed)
    }

    /// The name of each list.
    #[must_use]
    pub fn lists(&self) -> &[ContentId] {
        &self.lists
    }

    /// How many blocks there are.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.size.div_ceil(u64::from(self.block_size.max(1)))
    }

    /// The bytes of a block before it is sealed.
    #[must_use]
    pub fn content_of(&self, number: u64) -> u64 {
        let block = u64::from(self.block_size);
        self.size.saturating_sub(number.saturating_mul(block)).min(block)
    }

    /// The bytes of a block as it travels.
    #[must_use]
    pub fn bytes_of(&self, number: u64) -> u64 {
        self.content_of(number).saturating_add(if self.sealed { TAG.into() } else { 0 })
    }

    /// Where a block begins in the file that keeps them all as they travel.
    #[must_use]
    pub fn place_of(&self, number: u64) -> u64 {
        let tag = if self.sealed { u64::from(TAG) } else { 0 };
        number.saturating_mul(u64::from(self.block_size).saturating_add(tag))
    }

    /// Whether a block is the last.
    #[must_use]
    pub fn is_last(&self, number: u64) -> bool {
        number.saturating_add(1) == self.blocks()
    }

    /// Whether it can be that of a file of which a reference says so: a sealed one is filled up by less
    /// than a block, or to one; and of many blocks none is small, so that nobody is busy for long with
    /// little.
    ///
    /// # Errors
    /// [`FileError::Malformed`].
    pub fn fits(&self, sealed: bool, size: u64) -> Result<(), FileError> {
        if self.sealed != sealed {
            return Err(malformed("a sealed file has a key, and no other has one"));
        }
        let filled = self.size.saturating_sub(size);
        let most = if sealed { u64::from(self.block_size) } else { 0 };
        if size > self.size || filled > most {
            return Err(malformed("the reference gives another size than the manifest"));
        }
        Ok(())
    }

    /// Whether its blocks are too small for so many.
    #[must_use]
    pub fn is_fragmented(&self) -> bool {
        self.lists.len() > 1 && self.block_size < MIN_OF_MANY
    }

    /// The digests of a list, which was held against its name.
    ///
    /// # Errors
    /// [`FileError::Malformed`] for another number of them than there have to be.
    pub fn read_list(&self, number: usize, bytes: &[u8]) -> Result<Vec<Digest>, FileError> {
        let list = u64::try_from(LIST).unwrap_or(u64::MAX);
        let before = u64::try_from(number).unwrap_or(u64::MAX).saturating_mul(list);
        let count = self.blocks().saturating_sub(before).min(list);
        let (digests, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || u64::try_from(digests.len()) != Ok(count) {
            return Err(malformed("a list names another number of blocks than it has to"));
        }
        Ok(digests.to_vec())
    }
}

/// The CID of bytes that have this digest.
#[must_use]
pub fn cid_of(digest: &Digest) -> Option<Cid> {
    /// The codec: bytes.
    const RAW: u64 = 0x55;
    /// The hash function.
    const SHA2_256: u64 = 0x12;
    let hash = ipld_core::cid::multihash::Multihash::wrap(SHA2_256, digest).ok()?;
    Some(Cid::new_v1(RAW, hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::cid;
    use proptest::prelude::*;

    fn manifest(size: u64, block: u32, sealed: bool) -> Result<Manifest, FileError> {
        let blocks = usize::try_from(size.div_ceil(u64::from(block))).expect("few");
        Manifest::new(&cid("channel"), sealed, (size, block), &vec![[7; 32]; blocks])
    }

    #[test]
    fn what_is_written_is_read_and_nothing_beside_it() {
        for (size, sealed) in [(0, false), (1, true), (1024, false), (5000, true)] {
            let made = manifest(size, 1024, sealed).expect("a manifest");
            let bytes = made.encode().expect("bytes");
            assert_eq!(Manifest::parse(&bytes), Ok(made));
            for end in 0..bytes.len() {
                assert!(Manifest::parse(&bytes[..end]).is_err());
            }
        }
        let more = |change: fn(&mut Manifest)| {
            let mut made = manifest(5000, 1024, true).expect("a manifest");
            change(&mut made);
            Manifest::parse(&made.encode().expect("bytes")).expect_err("refused").code()
        };
        assert_eq!(more(|m| m.block_size = 1000), codes::FILE_MALFORMED);
        assert_eq!(more(|m| m.block_size = 0), codes::FILE_MALFORMED);
        assert_eq!(more(|m| m.block_size = 2 << 20), codes::FILE_MALFORMED);
        assert_eq!(more(|m| m.size = u64::MAX), codes::FILE_TOO_LONG);
        assert_eq!(more(|m| m.size = 0), codes::FILE_MALFORMED);
        assert_eq!(more(|m| m.format_version = 2), codes::FILE_MALFORMED);
        assert_eq!(more(|m| m.lists.clear()), codes::FILE_MALFORMED);
        assert_eq!(more(|m| m.lists.push(m.channel.clone())), codes::FILE_MALFORMED);
    }
    use crate::codes;

    #[test]
    fn lists_have_as_many_as_they_have_to() {
        let made = manifest(1024 * 8193, 1024, false).expect("a manifest");
        assert_eq!(made.lists().len(), 2);
        assert_eq!(made.read_list(0, &[7; 32 * 8192]).expect("read").len(), 8192);
        assert_eq!(made.read_list(1, &[7; 32]).expect("read").len(), 1);
        for (number, length) in [(0, 32 * 8191), (0, 32 * 8193), (1, 0), (1, 64), (1, 31), (2, 32)]
        {
            assert!(made.read_list(number, &vec![7; length]).is_err(), "{number} {length}");
        }
    }

    proptest! {
        #[test]
        fn blocks_lie_side_by_side(size in 0_u64..200_000, power in 10_u32..15, sealed: bool) {
            prop_assume!(size > 0 || !sealed);
            let made = manifest(size, 1 << power, sealed).expect("a manifest");
            let mut at = 0;
            for number in 0..made.blocks() {
                prop_assert_eq!(made.place_of(number), at);
                prop_assert!(made.content_of(number) > 0);
                at += made.bytes_of(number);
                prop_assert_eq!(made.is_last(number), number + 1 == made.blocks());
            }
            let tags = if sealed { made.blocks() * 16 } else { 0 };
            prop_assert_eq!(at, size + tags);
        }

        #[test]
        fn bytes_from_outside_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
