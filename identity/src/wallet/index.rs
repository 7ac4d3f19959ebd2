//! The list of a wallet's records, authenticated: so that one that was taken away is missed.
//!
//! The cipher alone tells an altered or moved record, not a deleted one. Every change also writes
//! the record `index`, encrypted like the others: a generation and one hash over all records in the
//! order of their keys. It is compared when the wallet is unlocked, and when a backup is verified
//! or restored. The whole put back to an earlier genuine state is not found: only its age tells.

use super::WalletError;
use super::cipher::Cipher;
use super::store::{Batch, Entry};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Where the list is kept, and its name in the ciphertext.
pub(super) const KEY: &[u8] = b"index";
const NAME: &str = "index";

/// The hash of every record by its key in the store, and how often they changed.
#[derive(Clone, Default)]
pub(super) struct Index {
    generation: u64,
    hashes: BTreeMap<Vec<u8>, [u8; 32]>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    generation: u64,
    records: usize,
    digest: String,
}

/// The entries that are records of a collection, not the header, the diary or the index itself.
pub(super) fn is_record(key: &[u8]) -> bool {
    key.contains(&b'/')
}

impl Index {
    /// Compares what is there with what was written last.
    pub(super) fn verify(cipher: &Cipher, entries: &[Entry]) -> Result<Self, WalletError> {
        let tampered = |what: &str| WalletError::Tampered(format!("the list of records ({what})"));
        let sealed = entries.iter().find(|(key, _)| key == KEY);
        let (_, sealed) = sealed.ok_or_else(|| tampered("it is missing"))?;
        let (_, plain) = cipher.open_record(KEY, sealed)?;
        let stored: Stored =
            serde_json::from_slice(&plain).map_err(|_| tampered("it cannot be read"))?;
        if stored.version != 1 {
            return Err(WalletError::Version(stored.version));
        }
        let mut index = Self { generation: stored.generation, hashes: BTreeMap::new() };
        for (key, value) in entries.iter().filter(|(key, _)| is_record(key)) {
            index.hashes.insert(key.clone(), Sha256::digest(value).into());
        }
        if index.hashes.len() != stored.records || index.digest() != stored.digest {
            let found = index.hashes.len();
            return Err(tampered(&format!(
                "{} were written last and {found} are there, or some are older",
                stored.records
            )));
        }
        Ok(index)
    }

    /// The list after a batch; writes it into the batch.
    pub(super) fn follow(
        &self,
        batch: &mut Batch,
        cipher: &Cipher,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, WalletError> {
        let mut next = self.clone();
        next.generation = next.generation.saturating_add(1);
        for (key, value) in batch.iter().filter(|(key, _)| is_record(key)) {
            match value {
                Some(value) => next.hashes.insert(key.to_vec(), Sha256::digest(value).into()),
                None => next.hashes.remove(key),
            };
        }
        let stored = Stored {
            version: 1,
            generation: next.generation,
            records: next.hashes.len(),
            digest: next.digest(),
        };
        let plain =
            serde_json::to_vec(&stored).map_err(|_| WalletError::Internal("a list is JSON"))?;
        batch.put(KEY, cipher.seal_record(KEY, NAME, &plain, rng)?);
        Ok(next)
    }

    /// SHA-256 over each key, with its length, and the hash of its value, in the order of the keys.
    fn digest(&self) -> String {
        let mut all = Sha256::new();
        for (key, hash) in &self.hashes {
            all.update((key.len() as u64).to_be_bytes());
            all.update(key);
            all.update(hash);
        }
        all.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}
