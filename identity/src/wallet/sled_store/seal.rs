//! The seal of a store: what was written last, and the sum that every record is in.

use crate::wallet::store::StoreError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

const VERSION: u32 = 1;

/// What was written last. Inside sled it changes with the records; `head` follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seal {
    version: u32,
    pub(super) generation: u64,
    pub(super) records: u64,
    /// The exclusive or of the SHA-256 of every record, in hexadecimal. Against damage, not
    /// against an attacker: that is the record cipher's work.
    digest: String,
}

/// What every version of a seal says.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads a seal. One of a newer version is no damage, whatever else is in it: whoever took it for that
/// would put an old backup in the place of a wallet that is whole.
pub(super) fn read_seal(bytes: &[u8], what: &str) -> Result<Seal, StoreError> {
    let unreadable =
        |e: serde_json::Error| StoreError::Damaged(format!("{what} cannot be read: {e}"));
    let Versioned { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version != VERSION {
        return Err(StoreError::Version { found: version, known: VERSION });
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

/// Sum of hashes that can be changed record by record.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sum {
    records: u64,
    digest: [u8; 32],
}

impl Sum {
    fn toggle(&mut self, key: &[u8], value: &[u8]) {
        let mut hash = Sha256::new();
        hash.update((key.len() as u64).to_be_bytes());
        hash.update(key);
        hash.update(value);
        for (sum, byte) in self.digest.iter_mut().zip(hash.finalize()) {
            *sum ^= byte;
        }
    }

    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.toggle(key, value);
        self.records = self.records.saturating_add(1);
    }

    pub(super) fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.toggle(key, value);
        self.records = self.records.saturating_sub(1);
    }

    pub(super) fn seal(&self, generation: u64) -> Seal {
        let digest = self.digest.iter().map(|b| format!("{b:02x}")).collect();
        Seal { version: VERSION, generation, records: self.records, digest }
    }
}

impl std::fmt::Debug for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} records", self.records)
    }
}
