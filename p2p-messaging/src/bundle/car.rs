//! The container: CAR, version 1. Blocks one after the other, each behind its length and its CID.
//!
//! The crates that read CARs are made for streams between peers: they bring an async runtime, and
//! accept other hashes, other codecs and longer spellings. What is accepted here has one spelling.

use super::{BundleError, malformed};
use ipld_core::cid::Cid;
use ipld_core::cid::multihash::Multihash;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::ops::Range;

/// The largest file: 8 GiB.
pub const MAX_BUNDLE: u64 = 8 * 1024 * 1024 * 1024;
/// The largest block: 16 MiB.
pub const MAX_BLOCK: usize = 16 * 1024 * 1024;
/// The most blocks.
pub const MAX_BLOCKS: usize = 16 * 1024 * 1024;

/// The multicodec of raw bytes.
pub(super) const RAW: u64 = 0x55;
/// The multicodec of DAG-CBOR.
pub(super) const DAG_CBOR: u64 = 0x71;
/// The multihash code of sha2-256.
const SHA2_256: u64 = 0x12;
/// How long a name is: version, codec, hash function and its length in a byte each, and the hash.
const CID_BYTES: usize = 36;
/// The most bytes of the header: it has one form.
const MAX_HEADER: u64 = 128;

/// What the header begins with: a map of two.
const TWO_MEMBERS: u8 = 0xa2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

/// What names a block in a file: the parts of a CID of the one form that is used here. A bundle has
/// hundreds of thousands, and a [`Cid`] takes three times the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    codec: u8,
    digest: [u8; 32],
}

impl Name {
    /// Of a CID; nothing if it has another form.
    pub(super) fn of(cid: &Cid) -> Option<Self> {
        let codec = u8::try_from(cid.codec()).ok()?;
        let digest = cid.hash().digest().try_into().ok()?;
        is_name(cid).then_some(Self { codec, digest })
    }

    /// Of the bytes of a CID.
    fn read(bytes: &[u8; CID_BYTES]) -> Option<Self> {
        Self::of(&Cid::try_from(bytes.as_slice()).ok()?).filter(|name| name.bytes() == *bytes)
    }

    /// As a CID is spelled in a file.
    fn bytes(&self) -> [u8; CID_BYTES] {
        let mut out = [0; CID_BYTES];
        let (head, digest) = out.split_at_mut(CID_BYTES - 32);
        head.copy_from_slice(&[1, self.codec, 0x12, 32]);
        digest.copy_from_slice(&self.digest);
        out
    }

    /// The CID.
    pub(super) fn cid(&self) -> Result<Cid, BundleError> {
        let hash = Multihash::<64>::wrap(SHA2_256, &self.digest).map_err(malformed)?;
        Ok(Cid::new_v1(u64::from(self.codec), hash))
    }
}

/// The name of these bytes.
pub(super) fn name_of(codec: u64, bytes: &[u8]) -> Result<Cid, BundleError> {
    let hash = Multihash::<64>::wrap(SHA2_256, &Sha256::digest(bytes)).map_err(malformed)?;
    Ok(Cid::new_v1(codec, hash))
}

/// Whether a CID is of the one form that names blocks here.
pub(super) fn is_name(cid: &Cid) -> bool {
    let hash = cid.hash();
    matches!(cid.codec(), RAW | DAG_CBOR)
        && cid.version() == ipld_core::cid::Version::V1
        && hash.code() == SHA2_256
        && hash.size() == 32
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Reads a length at a place in its shortest form; gives it and what follows.
fn read_varint(bytes: &[u8], at: usize) -> Result<(u64, usize), BundleError> {
    let mut number = 0_u64;
    // Five groups of seven bits are more than any length here.
    for (place, shift) in (at..).zip([0_u32, 7, 14, 21, 28]) {
        let byte = *bytes.get(place).ok_or_else(|| malformed("it ends within a length"))?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && place > at {
                return Err(malformed("a length in it is not in its shortest form"));
            }
            return Ok((number, place.saturating_add(1)));
        }
    }
    Err(malformed("a length in it is too great"))
}

/// The beginning of a file with this root.
pub(super) fn header(root: &Cid) -> Result<Vec<u8>, BundleError> {
    let header = Header { roots: vec![*root], version: 1 };
    let bytes = serde_ipld_dagcbor::to_vec(&header).map_err(malformed)?;
    let mut out = Vec::new();
    varint(&mut out, bytes.len());
    out.extend_from_slice(&bytes);
    Ok(out)
}

/// What stands before the bytes of a block.
pub(super) fn section(cid: &Cid, bytes: usize) -> Result<Vec<u8>, BundleError> {
    if bytes > MAX_BLOCK {
        return Err(malformed(format!("the block {cid} has more than 16 MiB")));
    }
    let name = cid.to_bytes();
    let mut out = Vec::new();
    varint(&mut out, name.len().saturating_add(bytes));
    out.extend_from_slice(&name);
    Ok(out)
}

/// A block, and where its bytes stand.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: Name,
    pub(super) place: Range<usize>,
}

impl Section {
    /// Whether its bytes are those that its name says.
    pub(super) fn check(&self, file: &[u8]) -> Result<(), BundleError> {
        let bytes = file.get(self.place.clone()).unwrap_or_default();
        if Sha256::digest(bytes).as_slice() == self.name.digest {
            return Ok(());
        }
        Err(BundleError::Block { cid: self.name.cid()?, offset: self.place.start })
    }
}

/// As many bytes of a file as [`begins`] looks at.
pub const BEGINNING: usize = 128;

/// Whether a file begins as a bundle does, by its first [`BEGINNING`] bytes: what is something else, and
/// may be large, need not be read to its end.
///
/// # Errors
/// [`BundleError::Malformed`].
pub fn begins(first: &[u8]) -> Result<(), BundleError> {
    let (_, end) = read_header(first)?;
    let (_, begin) = read_varint(first, end)?;
    // Whether it is the root is asked after whether its bytes are those of its name.
    let name = first.get(begin..begin.saturating_add(CID_BYTES));
    match name.and_then(|bytes| Cid::try_from(bytes).ok()) {
        Some(name) if is_name(&name) => Ok(()),
        _ => Err(malformed("it does not begin with a block")),
    }
}

/// The root that the header names, and where the header ends.
fn read_header(file: &[u8]) -> Result<(Cid, usize), BundleError> {
    if file.is_empty() {
        return Err(malformed("the file is empty"));
    }
    let (length, begin) = read_varint(file, 0)?;
    let other = || malformed("the file does not begin as one does, with the header of a CAR");
    if length > MAX_HEADER {
        return Err(other());
    }
    let end = begin.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
    let bytes = file.get(begin..end).ok_or_else(|| match file.get(begin) {
        Some(&TWO_MEMBERS) => malformed("it ends within its header"),
        _ => other(),
    })?;
    // What the decoder says of another kind of file helps nobody.
    let read: Header = serde_ipld_dagcbor::from_slice(bytes).map_err(|_| other())?;
    let [root] = read.roots.as_slice() else {
        return Err(malformed("it has not exactly one root"));
    };
    if read.version != 1 || !is_name(root) || file.get(..end) != Some(header(root)?.as_slice()) {
        return Err(malformed("its header is not that of a CAR of version 1 in its one encoding"));
    }
    Ok((*root, end))
}

/// Reads where the blocks of a file stand; their bytes are not yet held against their names.
pub(super) fn read(file: &[u8]) -> Result<(Cid, Vec<Section>), BundleError> {
    if u64::try_from(file.len()).unwrap_or(u64::MAX) > MAX_BUNDLE {
        return Err(malformed("it has more than 8 GiB"));
    }
    let (root, end) = read_header(file)?;
    let (mut sections, mut at) = (Vec::new(), end);
    while at < file.len() {
        if sections.len() >= MAX_BLOCKS {
            return Err(malformed("it has too many blocks"));
        }
        let section = read_section(file, at)?;
        at = section.place.end;
        sections.push(section);
    }
    Ok((root, sections))
}

fn read_section(file: &[u8], at: usize) -> Result<Section, BundleError> {
    let (length, begin) = read_varint(file, at)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let data = begin.saturating_add(CID_BYTES);
    let end = begin.saturating_add(length);
    if length < CID_BYTES || length.saturating_sub(CID_BYTES) > MAX_BLOCK {
        return Err(malformed("a block in it is too short or too long"));
    }
    let name = file.get(begin..data).and_then(|name| name.try_into().ok());
    let name = name.ok_or_else(|| malformed("it ends within a block"))?;
    let name =
        Name::read(name).ok_or_else(|| malformed("a block in it has a name of another form"))?;
    if end > file.len() {
        return Err(malformed("it ends within a block"));
    }
    Ok(Section { name, place: data..end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(blocks: &[&[u8]]) -> Vec<u8> {
        let root = name_of(RAW, blocks[0]).expect("a name");
        let mut out = header(&root).expect("a header");
        for block in blocks {
            let cid = name_of(RAW, block).expect("a name");
            out.extend(section(&cid, block.len()).expect("a section"));
            out.extend_from_slice(block);
        }
        out
    }

    #[test]
    fn blocks_come_back_in_order() {
        let bytes = file(&[b"root", b"", b"a block"]);
        let (root, sections) = read(&bytes).expect("a CAR");
        assert_eq!(root, name_of(RAW, b"root").expect("a name"));
        let blocks: Vec<_> = sections.iter().map(|s| &bytes[s.place.clone()]).collect();
        assert_eq!(blocks, [b"root".as_slice(), b"", b"a block"]);
        assert!(sections.iter().all(|s| s.check(&bytes).is_ok()));
    }

    #[test]
    fn a_flipped_bit_breaks_the_file_or_a_name() {
        let bytes = file(&[b"root", b"a block"]);
        for at in 0..bytes.len() {
            let mut bent = bytes.clone();
            bent[at] ^= 1;
            let whole = read(&bent).is_ok_and(|(root, s)| {
                root == name_of(RAW, b"root").expect("a name")
                    && s.len() == 2
                    && s.iter().all(|s| s.check(&bent).is_ok())
            });
            assert!(!whole, "byte {at}");
        }
    }

    #[test]
    fn what_is_no_bundle_is_told_by_its_beginning() {
        let whole = file(&[b"root", &[7; 500]]);
        assert!(begins(&whole[..BEGINNING]).is_ok() && begins(&whole).is_ok());
        let json = b"{\"har\": {\"log\": 1}}".repeat(9);
        for (bytes, says) in [
            (vec![0; 200], "begin"),
            (json, "begin"),
            (b"{\"a\": 1}".to_vec(), "begin"),
            (whole[..40].to_vec(), "ends within its header"),
            (Vec::new(), "empty"),
            (whole[..70].to_vec(), "with a block"),
        ] {
            let error = begins(&bytes).expect_err(says);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.to_string().contains("Msg"), "{error}");
        }
        // A block with another name than the header's: which of the two is wrong is told later.
        let mut other = file(&[b"root", b"a block"]);
        let at = other.len() - b"a block".len() - CID_BYTES - 1 - 4 - 1;
        other[at] ^= 1;
        assert!(begins(&other).is_ok() && read(&other).is_ok());
        // One whose name has another form is none.
        other[at + 1 - CID_BYTES] ^= 1;
        assert!(begins(&other).is_err());
    }

    #[test]
    fn a_length_has_one_spelling() {
        let mut bytes = file(&[b"root"]);
        let length = bytes[0];
        bytes.splice(0..1, [length | 0x80, 0]);
        let error = read(&bytes).expect_err("a longer spelling");
        assert!(error.to_string().contains("shortest"), "{error}");
        assert!(read(&[0xff; 16]).is_err());
    }

    #[test]
    fn another_hash_codec_version_or_root_is_refused() {
        let bytes = file(&[b"root"]);
        let cid = bytes.len() - 4 - CID_BYTES;
        // Version 0, another codec, another hash, another size of it.
        for (at, value) in [(0, 0), (1, 0x70), (2, 0x13), (3, 0x1f)] {
            let mut bent = bytes.clone();
            bent[cid + at] = value;
            assert!(read(&bent).is_err(), "byte {at}");
        }
        let two = Header { roots: vec![name_of(RAW, b"a").expect("a name"); 2], version: 1 };
        let none = Header { roots: Vec::new(), version: 1 };
        let later = Header { roots: vec![name_of(RAW, b"a").expect("a name")], version: 2 };
        for header in [two, none, later] {
            let header = serde_ipld_dagcbor::to_vec(&header).expect("bytes");
            let mut bent = Vec::new();
            varint(&mut bent, header.len());
            bent.extend(header);
            assert!(read(&bent).is_err());
        }
    }

    proptest! {
        #[test]
        fn lengths_read_back(number in 0_usize..(1 << 30)) {
            let mut bytes = Vec::new();
            varint(&mut bytes, number);
            let read = read_varint(&bytes, 0).expect("a length");
            prop_assert_eq!(read, (number as u64, bytes.len()));
        }

        #[test]
        fn bytes_from_outside_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}
