//! From content to blocks and back: each block sealed for its place in its file, or as it is.

use super::manifest::Manifest;
use super::{Digest, FileError, malformed};
use crate::sealing::padded;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use gridpass_credentials::content_id::ContentId;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

const DOMAIN: &str = "gridpass-file/1";

/// The key of one file. It seals no other: the number of a block is its nonce.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct FileKey([u8; 32]);

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey")
    }
}

impl FileKey {
    /// A key of random bytes, or one that was read.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The digest of a block.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

/// What the blocks of a file are sealed with.
struct Cipher {
    cipher: ChaCha20Poly1305,
    channel: ContentId,
}

impl Cipher {
    fn new(key: &FileKey, channel: &ContentId) -> Self {
        let cipher = ChaCha20Poly1305::new(&Key::from(key.0));
        Self { cipher, channel: channel.clone() }
    }

    /// What a block is bound to: nothing can be put before, after or between.
    fn place(&self, number: u64, last: bool) -> Result<(Nonce, Vec<u8>), FileError> {
        let mut nonce = [0_u8; 12];
        for (byte, of) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
            *byte = of;
        }
        let place = (DOMAIN, &self.channel, number, last);
        let bytes = serde_ipld_dagcbor::to_vec(&place).map_err(malformed)?;
        Ok((Nonce::from(nonce), bytes))
    }
}

/// Makes the blocks of a file.
pub struct Sealer {
    cipher: Option<Cipher>,
    channel: ContentId,
    block_size: u32,
    size: u64,
    content: u64,
    digests: Vec<Digest>,
    done: bool,
}

impl Sealer {
    /// For a file in a channel; sealed where there is a key.
    #[must_use]
    pub fn new(channel: &ContentId, key: Option<&FileKey>, block_size: u32) -> Self {
        Self {
            cipher: key.map(|k| Cipher::new(k, channel)),
            channel: channel.clone(),
            block_size,
            size: 0,
            content: 0,
            digests: Vec::new(),
            done: false,
        }
    }

    /// The next block as it travels. `content` is filled up where it is the last of a sealed file;
    /// every other has as many bytes as a block.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn next(&mut self, content: &mut Vec<u8>, last: bool) -> Result<Vec<u8>, FileError> {
        let whole = usize::try_from(self.block_size).map_err(malformed)?;
        let number = u64::try_from(self.digests.len()).map_err(malformed)?;
        let fits = content.len() == whole || (last && content.len() < whole);
        if self.done || !fits {
            return Err(malformed("every block but the last is whole"));
        }
        if number >= super::MAX_BLOCKS {
            return Err(FileError::TooLong);
        }
        self.done = last;
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).map_err(malformed);
        self.content = self.content.saturating_add(length(content)?);
        let block = match &self.cipher {
            None => content.clone(),
            Some(cipher) => {
                // The size of a short file says little of it, that of a long one is whole blocks.
                let filled = if number == 0 { padded(content.len()).min(whole) } else { whole };
                content.resize(filled, 0);
                let (nonce, aad) = cipher.place(number, last)?;
                let sealing = Payload { msg: content, aad: &aad };
                cipher.cipher.encrypt(&nonce, sealing).map_err(malformed)?
            }
        };
        self.size = self.size.saturating_add(length(content)?);
        // An empty file in an open channel has no block.
        if !content.is_empty() {
            self.digests.push(digest_of(&block));
        }
        Ok(block)
    }

    /// The manifest, the digests, and the bytes of the content, when the last block was made.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn finish(self) -> Result<(Manifest, Vec<Digest>, u64), FileError> {
        if !self.done {
            return Err(malformed("its last block was not made"));
        }
        let (sealed, sizes) = (self.cipher.is_some(), (self.size, self.block_size));
        let manifest = Manifest::new(&self.channel, sealed, sizes, &self.digests)?;
        Ok((manifest, self.digests, self.content))
    }
}

/// Gets the content back.
pub struct Opener {
    cipher: Option<Cipher>,
    manifest: Manifest,
    size: u64,
    next: u64,
}

impl Opener {
    /// For a file of this manifest, whose reference gives its key and how many bytes it has.
    ///
    /// # Errors
    /// [`FileError::Malformed`] where manifest and reference contradict each other.
    pub fn new(manifest: Manifest, key: Option<&FileKey>, size: u64) -> Result<Self, FileError> {
        manifest.fits(key.is_some(), size)?;
        let cipher = key.map(|k| Cipher::new(k, &manifest.channel));
        Ok(Self { cipher, manifest, size, next: 0 })
    }

    /// The content of the next block.
    ///
    /// # Errors
    /// [`FileError::Damaged`] for bytes that are not those that were sealed in this place;
    /// [`FileError::End`].
    pub fn next(&mut self, digest: &Digest, block: &[u8]) -> Result<Vec<u8>, FileError> {
        let number = self.next;
        let length = u64::try_from(block.len()).map_err(malformed)?;
        if number >= self.manifest.blocks()
            || length != self.manifest.bytes_of(number)
            || &digest_of(block) != digest
        {
            return Err(FileError::Damaged(number));
        }
        let mut content = match &self.cipher {
            None => block.to_vec(),
            Some(cipher) => {
                let (nonce, aad) = cipher.place(number, self.manifest.is_last(number))?;
                let opened = cipher.cipher.decrypt(&nonce, Payload { msg: block, aad: &aad });
                opened.map_err(|_| FileError::Damaged(number))?
            }
        };
        let before = number.saturating_mul(u64::from(self.manifest.block_size));
        let rest = usize::try_from(self.size.saturating_sub(before)).unwrap_or(usize::MAX);
        if content.iter().skip(rest).any(|b| *b != 0) {
            return Err(FileError::End);
        }
        content.truncate(rest);
        self.next = number.saturating_add(1);
        Ok(content)
    }

    /// Whether every block was opened.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.next == self.manifest.blocks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::cid;
    use proptest::prelude::*;

    type Made = (Manifest, Vec<Digest>, Vec<Vec<u8>>);

    fn cut(content: &[u8], key: Option<&FileKey>) -> Made {
        let mut sealer = Sealer::new(&cid("channel"), key, 1024);
        let mut parts: Vec<Vec<u8>> = content.chunks(1024).map(<[u8]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let count = parts.len();
        let each = parts.iter_mut().enumerate();
        let blocks: Vec<_> =
            each.map(|(n, p)| sealer.next(p, n + 1 == count).expect("a block")).collect();
        let (manifest, digests, size) = sealer.finish().expect("a manifest");
        assert_eq!(size, content.len() as u64);
        (manifest, digests, blocks)
    }

    fn join(made: &Made, key: Option<&FileKey>, size: u64) -> Result<Vec<u8>, FileError> {
        let mut opener = Opener::new(made.0.clone(), key, size)?;
        let mut all = Vec::new();
        for (digest, block) in made.1.iter().zip(&made.2) {
            all.extend(opener.next(digest, block)?);
        }
        assert!(opener.is_done());
        Ok(all)
    }

    fn key(n: u8) -> FileKey {
        FileKey::new([n; 32])
    }

    #[test]
    fn blocks_open_in_their_place_of_their_file_and_nowhere_else() {
        let content = [[1_u8; 1024], [1; 1024], [1; 1024]].concat();
        let made = cut(&content, Some(&key(1)));
        assert_eq!(join(&made, Some(&key(1)), 3072).expect("whole"), content);
        assert_eq!(join(&made, Some(&key(2)), 3072), Err(FileError::Damaged(0)));
        // In another order, with digests that fit.
        let (mut digests, mut blocks) = (made.1.clone(), made.2.clone());
        digests.swap(0, 1);
        blocks.swap(0, 1);
        let swapped = (made.0.clone(), digests, blocks);
        assert_eq!(join(&swapped, Some(&key(1)), 3072), Err(FileError::Damaged(0)));
        // Cut off, with a manifest that fits.
        let digests = made.1[..2].to_vec();
        let short = Manifest::new(&cid("channel"), true, (2048, 1024), &digests).expect("made");
        let short = (short, digests, made.2[..2].to_vec());
        assert_eq!(join(&short, Some(&key(1)), 2048), Err(FileError::Damaged(1)));
        // In another channel.
        let other = Manifest::new(&cid("other"), true, (3072, 1024), &made.1).expect("made");
        let other = (other, made.1.clone(), made.2.clone());
        assert_eq!(join(&other, Some(&key(1)), 3072), Err(FileError::Damaged(0)));
        // A plain file with a key, and a sealed one without.
        assert!(join(&made, None, 3072).is_err());
        assert!(join(&cut(&content, None), Some(&key(1)), 3072).is_err());
    }

    #[test]
    fn a_file_ends_where_its_reference_says() {
        let made = cut(&[5; 1500], Some(&key(1)));
        assert_eq!(made.0.size, 2048);
        assert_eq!(join(&made, Some(&key(1)), 1500).expect("whole").len(), 1500);
        assert_eq!(join(&made, Some(&key(1)), 1499), Err(FileError::End));
        assert!(join(&made, Some(&key(1)), 2049).is_err());
        assert!(join(&made, Some(&key(1)), 1).is_err());
        let plain = cut(&[5; 1500], None);
        assert!(join(&plain, None, 1499).is_err());
    }

    #[test]
    fn blocks_before_the_last_are_whole() {
        let mut sealer = Sealer::new(&cid("channel"), None, 1024);
        assert!(sealer.next(&mut vec![0; 1023], false).is_err());
        assert!(sealer.next(&mut vec![0; 1025], true).is_err());
        sealer.next(&mut vec![0; 1024], false).expect("a block");
        sealer.next(&mut vec![0; 1], true).expect("the last");
        assert!(sealer.next(&mut vec![0; 1], true).is_err());
    }

    proptest! {
        #[test]
        fn what_was_cut_is_joined(
            content in proptest::collection::vec(any::<u8>(), 0..5000),
            sealed: bool,
            (at, bit) in (any::<prop::sample::Index>(), 0..8_u32),
        ) {
            let key = sealed.then(|| key(9));
            let mut made = cut(&content, key.as_ref());
            let size = content.len() as u64;
            prop_assert_eq!(join(&made, key.as_ref(), size).expect("whole"), content.clone());
            if sealed {
                // A short one says little, a long one as much as its blocks.
                prop_assert!(made.0.size >= 256);
                prop_assert!(made.0.size.is_multiple_of(1024) || made.0.size < 1024);
            }
            // Any bit of any block.
            if made.2.iter().any(|b| !b.is_empty()) {
                let number = at.index(made.1.len());
                let byte = at.index(made.2[number].len());
                made.2[number][byte] ^= 1 << bit;
                prop_assert_eq!(
                    join(&made, key.as_ref(), size),
                    Err(FileError::Damaged(number as u64))
                );
            }
        }
    }
}
