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
pub mod store;
mod webvh;

use crate::code::Code;
use crate::codes;
use crate::secret::SecretBytes;
use crate::time::UnixMillis;
use cipher::{Cipher, Key, WalletId};
use header::Header;
use index::Index;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use slot::{Passphrase, RecoveryPhrase, Slot, SlotKind, Unlock};
use store::{Batch, Store, StoreError};
use zeroize::Zeroizing;

pub use header::MAX_SLOTS;

/// The longest name of a record, in bytes.
pub const MAX_NAME: usize = 4096;

/// Why a wallet refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secret opens none of the slots.
    #[error("the secret given does not open this wallet")]
    UnlockFailed,
    /// A record or the header does not authenticate.
    #[error("{0} does not authenticate: it was altered, moved, or is from another wallet")]
    Tampered(String),
    /// The store is empty: no wallet was made in it.
    #[error("no wallet was made in this store: it is empty")]
    Empty,
    /// A format version that this program does not know.
    #[error("the wallet's format version is {0}, and version {known} is known", known = header::VERSION)]
    Version(u32),
    /// Over a limit.
    #[error("over a limit of the wallet: {0}")]
    Limit(String),
    /// The passphrase is too short.
    #[error("a passphrase has at least {min} characters", min = slot::MIN_PASSPHRASE_CHARS)]
    WeakPassphrase,
    /// The words are not a recovery phrase.
    #[error("not a recovery phrase of 24 words")]
    Phrase,
    /// The slot's parameters are out of bounds.
    #[error("the key derivation of a slot is refused: {0}")]
    KdfRefused(&'static str),
    /// There is no such slot.
    #[error("the wallet has no slot {0}")]
    SlotNotFound(u32),
    /// The last way in stays.
    #[error("slot {0} is the only way into the wallet")]
    LastSlot(u32),
    /// The clock is earlier than what the wallet dated last.
    #[error("the clock shows {now}, and this wallet dated something {known} already")]
    ClockBehind {
        /// The newest date.
        known: UnixMillis,
        /// What the clock shows.
        now: UnixMillis,
    },
    /// Something about an identity.
    #[error(transparent)]
    Identity(#[from] identities::IdentityError),
    /// A defect in Gridpass.
    #[error("this should not happen: {0}")]
    Internal(&'static str),
}

impl WalletError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Store(e) => e.code(),
            Self::UnlockFailed => codes::WALLET_UNLOCK_FAILED,
            Self::Tampered(_) => codes::WALLET_TAMPERED,
            Self::Empty => codes::WALLET_EMPTY,
            Self::Version(_) => codes::WALLET_VERSION,
            Self::Limit(_) => codes::WALLET_LIMIT,
            Self::WeakPassphrase => codes::PASSPHRASE_WEAK,
            Self::Phrase => codes::PHRASE_MALFORMED,
            Self::KdfRefused(_) => codes::KDF_REFUSED,
            Self::SlotNotFound(_) => codes::WALLET_SLOT_NOT_FOUND,
            Self::LastSlot(_) => codes::WALLET_LAST_SLOT,
            Self::ClockBehind { .. } => codes::CLOCK_BEHIND,
            Self::Identity(e) => e.code(),
            Self::Internal(_) => codes::INTERNAL,
        }
    }
}

/// When things happened, in the clear, so that a status needs no secret. Advice, not evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diary {
    /// When the last backup was made.
    pub last_backup: Option<UnixMillis>,
    /// When a key was last made, rotated or marked.
    pub last_key_change: Option<UnixMillis>,
    /// When a visa or authorisation was last issued, or its status changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_issuing: Option<UnixMillis>,
    /// When the first of these was that the last backup lacks; one from before that backup says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_unsaved_issuing: Option<UnixMillis>,
    /// When a charter was last signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_charter: Option<UnixMillis>,
}

impl Diary {
    const KEY: &'static [u8] = b"diary";

    /// Whether the last backup lacks a key, or what was issued or revoked.
    #[must_use]
    pub fn backup_is_stale(&self) -> bool {
        let after = |change: UnixMillis| self.last_backup.is_none_or(|backup| change > backup);
        [self.last_key_change, self.last_issuing].into_iter().flatten().any(after)
    }

    /// Since when something was issued, or its status changed, that the last backup lacks.
    #[must_use]
    pub fn issuing_unsaved_since(&self) -> Option<UnixMillis> {
        let after = |at: &UnixMillis| self.last_backup.is_none_or(|backup| *at > backup);
        let last = self.last_issuing.filter(after)?;
        // A program that did not keep the first says only that it came after the backup.
        self.first_unsaved_issuing.filter(after).or(self.last_backup).or(Some(last))
    }

    fn read(store: &dyn Store) -> Result<Self, WalletError> {
        let bytes = store.get(Self::KEY)?;
        Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default())
    }

    fn write(&self, batch: &mut Batch) -> Result<(), WalletError> {
        let bytes =
            serde_json::to_vec(self).map_err(|_| WalletError::Internal("a diary is JSON"))?;
        batch.put(Self::KEY, bytes);
        Ok(())
    }
}

/// What can be known of a wallet without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its id, in hexadecimal.
    pub wallet_id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: UnixMillis,
    /// The ways in.
    pub slots: Vec<SlotStatus>,
    /// When things happened.
    pub diary: Diary,
    /// The number of encrypted records.
    pub records: usize,
    /// Whether a backup is for the words of a recovery phrase without more being said.
    pub backup_for_words: bool,
}

/// A slot, without what it wraps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlotStatus {
    /// Its number.
    pub id: u32,
    /// Which secret it asks for.
    pub kind: SlotKind,
    /// When it was made.
    pub created: UnixMillis,
}

fn status(header: &Header, store: &dyn Store) -> Result<Status, WalletError> {
    let slots = header
        .slots
        .iter()
        .map(|s| SlotStatus { id: s.id, kind: s.kind, created: s.created })
        .collect();
    let records = store.scan(b"")?.iter().filter(|(key, _)| index::is_record(key)).count();
    Ok(Status {
        wallet_id: header.wallet_id.clone(),
        name: header.name.clone(),
        created: header.created,
        slots,
        diary: Diary::read(store)?,
        records,
        backup_for_words: header.backup_recipient.is_some(),
    })
}

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
        status(&self.header, self.store.as_ref())
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
        Ok(Wallet { store: self.store, header: self.header, data_key, cipher, index })
    }
}

/// An open wallet.
pub struct Wallet {
    store: Box<dyn Store>,
    header: Header,
    data_key: Key,
    cipher: Cipher,
    index: Index,
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
        Ok((Self { store, header, data_key, cipher, index }, phrase))
    }

    /// What can be known without a secret.
    ///
    /// # Errors
    /// [`WalletError::Store`].
    pub fn status(&self) -> Result<Status, WalletError> {
        status(&self.header, self.store.as_ref())
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
        let index = self.index.follow(&mut batch, &self.cipher, rng)?;
        match self.store.commit(&batch) {
            Ok(()) => self.index = index,
            Err(e) => {
                // The batch may be there all the same, whole: go on from what is there, or the
                // next change would write a list that fits neither state.
                self.index = Index::verify(&self.cipher, &self.store.scan(b"")?)?;
                return Err(e.into());
            }
        }
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

    /// Adds a way in.
    ///
    /// # Errors
    /// [`WalletError::WeakPassphrase`]; [`WalletError::Limit`] above 16 slots.
    pub fn add_slot(
        &mut self,
        unlock: Unlock<'_>,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<u32, WalletError> {
        let mut header = self.header.clone();
        let id = push_slot(&mut header, unlock, &self.data_key, rng, now)?;
        if let Unlock::Recovery(phrase) = unlock {
            header.backup_recipient = backup_recipient(phrase)?;
        }
        self.replace_header(header)?;
        Ok(id)
    }

    /// Removes a way in; the last one stays. Backups are for the newest recovery phrase: where that is
    /// removed, they are for nobody's words until [`Wallet::add_slot`] or [`Wallet::back_up_for`].
    ///
    /// # Errors
    /// [`WalletError::SlotNotFound`], [`WalletError::LastSlot`].
    pub fn remove_slot(&mut self, id: u32) -> Result<(), WalletError> {
        let newest = self.newest_words().map(|slot| slot.id);
        let mut header = self.header.clone();
        header.slots.retain(|slot| slot.id != id);
        if header.slots.len() == self.header.slots.len() {
            return Err(WalletError::SlotNotFound(id));
        }
        if header.slots.is_empty() {
            return Err(WalletError::LastSlot(id));
        }
        if newest == Some(id) {
            // Its holder is no longer trusted with the wallet, nor with new backups.
            header.backup_recipient = None;
        }
        self.replace_header(header)
    }

    /// Makes backups be for these words, where they are the newest recovery phrase that opens the wallet;
    /// says whether they are.
    ///
    /// # Errors
    /// [`WalletError::Store`].
    pub fn back_up_for(&mut self, phrase: &RecoveryPhrase) -> Result<bool, WalletError> {
        let id = self.header.id()?;
        let opened = match self.newest_words() {
            Some(slot) => slot.unwrap_key(id, Unlock::Recovery(phrase))?,
            None => None,
        };
        if opened.is_none() {
            return Ok(false);
        }
        let mut header = self.header.clone();
        header.backup_recipient = backup_recipient(phrase)?;
        self.replace_header(header)?;
        Ok(true)
    }

    /// The slot whose words backups are for. Numbers only grow.
    fn newest_words(&self) -> Option<&Slot> {
        let words = self.header.slots.iter().filter(|slot| slot.kind == SlotKind::Recovery);
        words.max_by_key(|slot| slot.id)
    }

    /// Replaces every passphrase slot that `old` opens by one for `new`. No record is rewritten.
    ///
    /// # Errors
    /// [`WalletError::UnlockFailed`] if `old` opens none, [`WalletError::WeakPassphrase`].
    pub fn change_passphrase(
        &mut self,
        old: &Passphrase,
        new: &Passphrase,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<u32, WalletError> {
        let wallet_id = self.header.id()?;
        let mut header = self.header.clone();
        header.slots = Vec::new();
        for slot in &self.header.slots {
            if slot.unwrap_key(wallet_id, Unlock::Passphrase(old))?.is_none() {
                header.slots.push(slot.clone());
            }
        }
        if header.slots.len() == self.header.slots.len() {
            return Err(WalletError::UnlockFailed);
        }
        let id = push_slot(&mut header, Unlock::Passphrase(new), &self.data_key, rng, now)?;
        self.replace_header(header)?;
        Ok(id)
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

/// Whom backups are for by default.
fn backup_recipient(phrase: &RecoveryPhrase) -> Result<Option<String>, WalletError> {
    #[cfg(feature = "backup")]
    return backup::age_recipient(phrase).map(Some);
    #[cfg(not(feature = "backup"))]
    return Ok(phrase.expose_secret().is_empty().then(String::new));
}

fn push_slot(
    header: &mut Header,
    unlock: Unlock<'_>,
    data_key: &Key,
    rng: &mut dyn CryptoRng,
    now: UnixMillis,
) -> Result<u32, WalletError> {
    if header.slots.len() >= MAX_SLOTS {
        return Err(WalletError::Limit("a wallet has at most 16 slots".into()));
    }
    let id = header.next_slot;
    let slot = Slot::wrap(id, header.id()?, unlock, data_key, rng, now)?;
    header.slots.push(slot);
    header.next_slot = id.saturating_add(1);
    Ok(id)
}

#[cfg(test)]
mod tests;
