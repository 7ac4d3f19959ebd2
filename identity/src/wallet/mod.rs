//! The wallet: a participant's keys, DIDs and documents, encrypted at rest.
//!
//! ```text
//! Store (bytes) <- cipher (records) <- Wallet (collections) <- identities, snapshots, backup
//! ```
//!
//! A [`LockedWallet`] says what can be known without a secret; [`LockedWallet::unlock`] makes a
//! [`Wallet`]. Every change is one [`Batch`], durable when the method returns. The caller passes
//! time and randomness.

#[cfg(feature = "backup")]
pub mod backup;
mod cipher;
pub mod clock;
mod ending;
mod error;
mod header;
pub mod identities;
mod identity;
mod index;
pub mod messages;
#[cfg(feature = "sled")]
pub mod sled_open;
#[cfg(feature = "sled")]
pub mod sled_store;
pub mod slot;
pub mod snapshots;
mod status;
pub mod store;
mod ways_in;
mod webvh;

use crate::secret::SecretBytes;
use crate::time::UnixMillis;
use cipher::{Cipher, Key, WalletId};
use header::Header;
use index::Index;
use rand_core::CryptoRng;
use slot::{Passphrase, RecoveryPhrase, Unlock};
use store::{Batch, Store, StoreError};
use ways_in::{backup_recipient, push_slot};
use zeroize::Zeroizing;

pub use error::WalletError;
pub use header::MAX_SLOTS;
pub use status::{Diary, SlotStatus, Status};

/// The longest name of a record, in bytes.
pub const MAX_NAME: usize = 4096;

/// A wallet whose records cannot be read yet.
pub struct LockedWallet {
    store: Box<dyn Store>,
    header: Header,
}

impl LockedWallet {
    /// Reads the header of a wallet in a store.
    ///
    /// # Errors
    /// [`WalletError::Empty`] if nothing is in the store; [`WalletError::Tampered`] if records are, and no
    /// header that can be read; [`WalletError::Version`].
    pub fn open(store: Box<dyn Store>) -> Result<Self, WalletError> {
        let Some(bytes) = store.get(header::KEY)? else {
            return Err(if store.scan(b"")?.is_empty() {
                WalletError::Empty
            } else {
                WalletError::Tampered("the header (it is missing)".into())
            });
        };
        let header = Header::parse(&bytes)?;
        Ok(Self { store, header })
    }

    /// What can be known without a secret.
    ///
    /// # Errors
    /// [`WalletError::Store`].
    pub fn status(&self) -> Result<Status, WalletError> {
        status::status(&self.header, self.store.as_ref())
    }

    /// Opens the wallet. Nothing is changed, whatever the secret. Blocks: a passphrase takes a
    /// tenth of a second or more, on purpose.
    ///
    /// # Errors
    /// [`WalletError::UnlockFailed`] if the secret opens no slot, [`WalletError::Tampered`] if the
    /// header was changed, or a record taken away, by somebody without the data key.
    pub fn unlock(self, unlock: Unlock<'_>) -> Result<Wallet, WalletError> {
        let (data_key, cipher) = self.header.unlock(unlock)?;
        let index = Index::verify(&cipher, &self.store.scan(b"")?)?;
        let (store, header) = (self.store, self.header);
        Ok(Wallet { store, header, data_key, cipher, index, is_stale: false })
    }
}

/// An open wallet.
pub struct Wallet {
    store: Box<dyn Store>,
    header: Header,
    data_key: Key,
    cipher: Cipher,
    index: Index,
    /// A commit failed, whose batch may be there all the same.
    is_stale: bool,
}

impl std::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wallet({}, {:?})", self.header.wallet_id, self.header.name)
    }
}

/// A record that was read: its name and its value, wiped when dropped.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its name in its collection.
    pub name: String,
    /// Its value.
    pub value: SecretBytes,
}

/// Changes of records that belong together.
#[derive(Default)]
pub struct Changes(Vec<Change>);

struct Change {
    collection: &'static str,
    name: String,
    /// `None` removes.
    value: Option<Zeroizing<Vec<u8>>>,
}

impl Changes {
    /// Writes a record.
    pub fn put(&mut self, collection: &'static str, name: &str, value: Vec<u8>) {
        let value = Some(Zeroizing::new(value));
        self.0.push(Change { collection, name: name.to_owned(), value });
    }

    /// Removes a record.
    pub fn remove(&mut self, collection: &'static str, name: &str) {
        self.0.push(Change { collection, name: name.to_owned(), value: None });
    }

    /// Adds others after these: all become one change.
    pub fn append(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl Wallet {
    /// Makes a wallet in an empty store, with a passphrase slot and a recovery slot. Blocks, as
    /// [`LockedWallet::unlock`]. Where it fails, the store stays empty and can be tried again: on disk, by
    /// `SledStore::open_or_create`.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the store holds anything, [`WalletError::WeakPassphrase`].
    pub fn create(
        mut store: Box<dyn Store>,
        name: &str,
        passphrase: &Passphrase,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<(Self, RecoveryPhrase), WalletError> {
        if !store.scan(b"")?.is_empty() {
            return Err(StoreError::Exists("a wallet".into()).into());
        }
        if !is_printable_name(name) {
            let message = "a wallet's name has 1 to 128 bytes and no control characters";
            return Err(WalletError::Limit(message.into()));
        }
        let mut id = WalletId([0; 16]);
        rng.fill_bytes(&mut id.0);
        let mut data_key = Zeroizing::new([0; 32]);
        rng.fill_bytes(data_key.as_mut());
        let cipher = Cipher::new(&data_key, id)?;
        let phrase = RecoveryPhrase::generate(rng);
        let mut header = Header::new(id, name, now);
        for unlock in [Unlock::Passphrase(passphrase), Unlock::Recovery(&phrase)] {
            push_slot(&mut header, unlock, &data_key, rng, now)?;
        }
        header.backup_recipient = backup_recipient(&phrase)?;
        let mut batch = Batch::default();
        batch.put(header::KEY, header.seal(&cipher)?);
        Diary::default().write(&mut batch)?;
        let index = Index::default().follow(&mut batch, &cipher, rng)?;
        store.commit(&batch)?;
        Ok((Self { store, header, data_key, cipher, index, is_stale: false }, phrase))
    }

    /// What can be known without a secret.
    ///
    /// # Errors
    /// [`WalletError::Store`].
    pub fn status(&self) -> Result<Status, WalletError> {
        status::status(&self.header, self.store.as_ref())
    }

    /// The wallet's id, in hexadecimal.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.header.wallet_id
    }

    /// The value of a record.
    ///
    /// # Errors
    /// [`WalletError::Tampered`] if it does not authenticate in its place.
    pub fn get(&self, collection: &str, name: &str) -> Result<Option<SecretBytes>, WalletError> {
        let key = self.cipher.store_key(collection, name)?;
        let Some(sealed) = self.store.get(&key)? else { return Ok(None) };
        let (_, mut value) = self.cipher.open_record(&key, &sealed)?;
        Ok(Some(SecretBytes::new(std::mem::take(&mut *value))))
    }

    /// Every record of a collection, in no order that means anything.
    ///
    /// # Errors
    /// [`WalletError::Tampered`] if one does not authenticate in its place.
    pub fn list(&self, collection: &str) -> Result<Vec<Record>, WalletError> {
        let prefix = format!("{collection}/");
        let mut records = Vec::new();
        for (key, sealed) in self.store.scan(prefix.as_bytes())? {
            let (name, mut value) = self.cipher.open_record(&key, &sealed)?;
            records.push(Record { name, value: SecretBytes::new(std::mem::take(&mut *value)) });
        }
        Ok(records)
    }

    /// Applies changes, whole or not at all; durable when it returns.
    ///
    /// # Errors
    /// [`WalletError::Limit`] for a name or collection over a limit; [`WalletError::Store`].
    pub fn apply(&mut self, changes: Changes, rng: &mut dyn CryptoRng) -> Result<(), WalletError> {
        let batch = self.sealed_batch(changes, rng)?;
        self.commit(batch, rng)
    }

    /// As [`Wallet::apply`], and notes that keys changed.
    fn apply_key_change(
        &mut self,
        changes: Changes,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<(), WalletError> {
        self.apply_dated(changes, rng, now, |diary| &mut diary.last_key_change)
    }

    /// As [`Wallet::apply`], and notes that something was issued, or its status changed: a backup from
    /// before would take it back.
    ///
    /// # Errors
    /// As [`Wallet::apply`]; [`WalletError::ClockBehind`].
    pub fn apply_issuing(
        &mut self,
        changes: Changes,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<(), WalletError> {
        self.apply_dated(changes, rng, now, |diary| {
            diary.first_unsaved_issuing = diary.issuing_unsaved_since().or(Some(now));
            &mut diary.last_issuing
        })
    }

    /// As [`Wallet::apply`], and notes that a charter was signed: by a clock that was ahead, its signature
    /// counts for nobody until then.
    ///
    /// # Errors
    /// As [`Wallet::apply`]; [`WalletError::ClockBehind`].
    pub fn apply_charter(
        &mut self,
        changes: Changes,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<(), WalletError> {
        self.apply_dated(changes, rng, now, |diary| &mut diary.last_charter)
    }

    /// As [`Wallet::apply`], and notes when.
    fn apply_dated(
        &mut self,
        changes: Changes,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
        last: impl FnOnce(&mut Diary) -> &mut Option<UnixMillis>,
    ) -> Result<(), WalletError> {
        self.check_clock(now)?;
        let mut diary = Diary::read(self.store.as_ref())?;
        // A clock that is a little behind makes it no earlier, or many steps would be a long way.
        let last = last(&mut diary);
        *last = (*last).max(Some(now));
        self.apply_noted(changes, diary, rng)
    }

    fn apply_noted(
        &mut self,
        changes: Changes,
        diary: Diary,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), WalletError> {
        let mut batch = self.sealed_batch(changes, rng)?;
        diary.write(&mut batch)?;
        self.commit(batch, rng)
    }

    fn commit(&mut self, mut batch: Batch, rng: &mut dyn CryptoRng) -> Result<(), WalletError> {
        if self.is_stale {
            // Go on from what is there, or this would write a list that fits neither state.
            self.index = Index::verify(&self.cipher, &self.store.scan(b"")?)?;
            self.is_stale = false;
        }
        let index = self.index.follow(&mut batch, &self.cipher, rng)?;
        // Why it failed is told, also where the store cannot be read any more either.
        self.store.commit(&batch).inspect_err(|_| self.is_stale = true)?;
        self.index = index;
        Ok(())
    }

    fn sealed_batch(
        &self,
        changes: Changes,
        rng: &mut dyn CryptoRng,
    ) -> Result<Batch, WalletError> {
        let mut batch = Batch::default();
        for Change { collection, name, value } in changes.0 {
            if name.len() > MAX_NAME || collection.len() > 32 {
                return Err(WalletError::Limit(format!("a name has {} bytes", name.len())));
            }
            let key = self.cipher.store_key(collection, &name)?;
            match value {
                Some(value) => {
                    let sealed = self.cipher.seal_record(&key, &name, &value, rng)?;
                    batch.put(key, sealed);
                }
                None => batch.remove(key),
            }
        }
        Ok(batch)
    }

    fn replace_header(&mut self, mut header: Header) -> Result<(), WalletError> {
        let mut batch = Batch::default();
        batch.put(header::KEY, header.seal(&self.cipher)?);
        self.store.commit(&batch)?;
        self.header = header;
        Ok(())
    }
}

/// Names are shown on terminals, which obey control characters.
fn is_printable_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
