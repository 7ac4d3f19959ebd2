//! What can be known of a wallet without a secret: its slots, and when things happened.

use super::header::Header;
use super::slot::SlotKind;
use super::store::{Batch, Store};
use super::{WalletError, index};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

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

    pub(super) fn read(store: &dyn Store) -> Result<Self, WalletError> {
        let bytes = store.get(Self::KEY)?;
        Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default())
    }

    pub(super) fn write(&self, batch: &mut Batch) -> Result<(), WalletError> {
        let bytes =
            serde_json::to_vec(self).map_err(|_| WalletError::Internal("a diary is JSON"))?;
        batch.put(Self::KEY, bytes);
        Ok(())
    }
}

/// What can be known of a wallet without a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct SlotStatus {
    /// Its number.
    pub id: u32,
    /// Which secret it asks for.
    pub kind: SlotKind,
    /// When it was made.
    pub created: UnixMillis,
}

pub(super) fn status(header: &Header, store: &dyn Store) -> Result<Status, WalletError> {
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
