//! The ways into a wallet: slots that are added and removed, and whom backups are for.

#[cfg(feature = "backup")]
use super::backup;
use super::cipher::Key;
use super::header::{Header, MAX_SLOTS};
use super::slot::{Passphrase, RecoveryPhrase, Slot, SlotKind, Unlock};
use super::{Wallet, WalletError};
use crate::time::UnixMillis;
use rand_core::CryptoRng;

impl Wallet {
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
}

/// Whom backups are for by default.
pub(super) fn backup_recipient(phrase: &RecoveryPhrase) -> Result<Option<String>, WalletError> {
    #[cfg(feature = "backup")]
    return backup::age_recipient(phrase).map(Some);
    #[cfg(not(feature = "backup"))]
    return Ok(phrase.expose_secret().is_empty().then(String::new));
}

pub(super) fn push_slot(
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
