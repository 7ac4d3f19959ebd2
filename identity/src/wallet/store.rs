//! Where a wallet keeps its records: a narrow trait with a twin in memory.
//!
//! A store knows bytes, not meaning. It promises two things: a [`Batch`] is applied whole or not
//! at all, and once [`Store::commit`] returned, the batch survives the end of the process.

use crate::code::Code;
use crate::codes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The longest key, in bytes.
pub const MAX_KEY: usize = 256;
/// The longest value, in bytes: 8 MiB.
pub const MAX_VALUE: usize = 8 * 1024 * 1024;

/// Why a store refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system refused.
    #[error("{action} failed: {source}")]
    Io {
        /// What was being done, with the path.
        action: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The operating system refused where a batch was under way, or was being made durable: the store holds either
    /// the state before or the state after, and which of them its next opening tells.
    #[error("{action} failed: {source}; what was to be changed may be changed all the same")]
    Unconfirmed {
        /// What was being done, with the path.
        action: String,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// What was written is not there any more, or is another.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// It is written in a format version that this program does not know.
    #[error("the store's format version is {found}, and version {known} is known")]
    Version {
        /// The version.
        found: u32,
        /// The one that is known.
        known: u32,
    },
    /// Another process has it open.
    #[error("the wallet is in use by another process{}", .holder.as_ref().map(|h| format!(" ({h})")).unwrap_or_default())]
    InUse {
        /// What the other process left in the lock file.
        holder: Option<String>,
    },
    /// There is none.
    #[error("there is no wallet in {0}")]
    NotFound(String),
    /// There is one already.
    #[error("{0} exists already")]
    Exists(String),
    /// A key or value is too long.
    #[error("{what} has {found} bytes, and at most {limit} are kept")]
    Limit {
        /// `a key` or `a value`.
        what: &'static str,
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
}

impl StoreError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Io { .. } => codes::STORE_IO,
            Self::Unconfirmed { .. } => codes::STORE_UNCONFIRMED,
            Self::Damaged(_) => codes::STORE_DAMAGED,
            Self::Version { .. } => codes::WALLET_VERSION,
            Self::InUse { .. } => codes::WALLET_IN_USE,
            Self::NotFound(_) => codes::WALLET_NOT_FOUND,
            Self::Exists(_) => codes::WALLET_EXISTS,
            Self::Limit { .. } => codes::WALLET_LIMIT,
        }
    }
}

/// Changes that belong together: `None` removes.
#[derive(Clone, Debug, Default)]
pub struct Batch(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Batch {
    /// Writes a value under a key; the last word on a key counts.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: Vec<u8>) {
        self.0.insert(key.into(), Some(value));
    }

    /// Removes a key.
    pub fn remove(&mut self, key: impl Into<Vec<u8>>) {
        self.0.insert(key.into(), None);
    }

    /// The changes, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Refuses keys that are empty, too long or hold a zero byte, and values that are too long.
    ///
    /// # Errors
    /// [`StoreError::Limit`].
    pub fn check(&self) -> Result<(), StoreError> {
        for (key, value) in self.iter() {
            if key.is_empty() || key.len() > MAX_KEY || key.contains(&0) {
                return Err(StoreError::Limit { what: "a key", found: key.len(), limit: MAX_KEY });
            }
            if let Some(value) = value
                && value.len() > MAX_VALUE
            {
                return Err(StoreError::Limit {
                    what: "a value",
                    found: value.len(),
                    limit: MAX_VALUE,
                });
            }
        }
        Ok(())
    }
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Keeps records. A wallet is held by reference over an `.await` in programs that move their tasks
/// between threads: hence `Sync`. What writes takes `&mut`.
pub trait Store: Send + Sync {
    /// The value under a key.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or is damaged.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Every record whose key starts so, in the order of the keys.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read or is damaged.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError>;

    /// Applies a batch, whole or not at all. When it returns, the batch is durable.
    ///
    /// # Errors
    /// [`StoreError::Limit`] for a bad key or value, and [`StoreError::Io`]: nothing was changed. After
    /// [`StoreError::Unconfirmed`], and any other, nothing was acknowledged, and the store holds either the state
    /// before or the state after.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// A store in memory, for tests and for wallets that must leave no trace. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>);

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Entry>, StoreError> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(map
            .range(prefix.to_vec()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        batch.check()?;
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch.iter() {
            match value {
                Some(value) => map.insert(key.to_vec(), value.to_vec()),
                None => map.remove(key),
            };
        }
        Ok(())
    }
}

/// What every store must do, run against each of them.
#[cfg(test)]
pub(crate) mod conformance {
    use super::*;

    fn batch(changes: &[(&str, Option<&[u8]>)]) -> Batch {
        let mut batch = Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(*key, value.to_vec()),
                None => batch.remove(*key),
            }
        }
        batch
    }

    pub(crate) fn keeps_what_was_committed(store: &mut dyn Store) -> Result<(), StoreError> {
        store.commit(&batch(&[
            ("a/1", Some(b"one")),
            ("a/2", Some(b"two")),
            ("b/1", Some(b"")),
        ]))?;
        store.commit(&batch(&[("a/1", None), ("a/3", Some(b"three"))]))?;
        assert_eq!(store.get(b"a/1")?, None);
        assert_eq!(store.get(b"b/1")?, Some(Vec::new()));
        let keys: Vec<_> = store.scan(b"a/")?.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"a/2".to_vec(), b"a/3".to_vec()]);
        store.commit(&Batch::default())
    }

    pub(crate) fn keeps_values_of_every_size(store: &mut dyn Store) -> Result<(), StoreError> {
        // Around the size of a part, growing and shrinking, so that no old part is left behind.
        for size in [0, 1, 61_439, 61_440, 61_441, 200_000, 1_000_000, 61_440, 3] {
            let value: Vec<u8> =
                (0..size).map(|i: usize| u8::try_from(i % 251).unwrap_or(0)).collect();
            store.commit(&batch(&[("large", Some(&value)), ("large2", Some(b"neighbour"))]))?;
            assert_eq!(store.get(b"large")?.as_ref(), Some(&value), "{size}");
            assert_eq!(store.scan(b"large")?.len(), 2);
        }
        store.commit(&batch(&[("large", None), ("large2", None)]))?;
        assert!(store.scan(b"large")?.is_empty());
        Ok(())
    }

    pub(crate) fn refuses_what_is_over_a_limit(store: &mut dyn Store) -> Result<(), StoreError> {
        let before = store.scan(b"")?;
        let huge = vec![0; MAX_VALUE + 1];
        for change in [("", Some(b"".as_slice())), ("a\0b", Some(b"")), ("x", Some(&huge))] {
            let error = store.commit(&batch(&[("ok", Some(b"")), change])).expect_err("over");
            assert_eq!(error.code(), codes::WALLET_LIMIT);
        }
        assert_eq!(store.scan(b"")?, before, "a refused batch changes nothing");
        Ok(())
    }

    pub(crate) fn all(store: &mut dyn Store) -> Result<(), StoreError> {
        keeps_what_was_committed(store)?;
        keeps_values_of_every_size(store)?;
        refuses_what_is_over_a_limit(store)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_store_conforms() -> Result<(), StoreError> {
        conformance::all(&mut MemoryStore::default())
    }
}
