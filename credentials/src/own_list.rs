//! An issuer's own status lists, as its wallet keeps them: what is taken, what is set, what was
//! signed last.

use crate::issuing::IssueError;
use crate::keeping::{KeepError, from_record, to_record};
use crate::secured::{Form, Signer, secure_credential};
use crate::status::{
    Bits, Change, MAX_CHANGES, MIN_ENTRIES, NewStatusList, StatusError, StatusList,
};
use crate::visa::Purpose;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_identity::did::Did;
use gridpass_identity::wallet::{Changes, Wallet};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

const LISTS: &str = "own-status-list";
const RECORD_VERSION: u32 = 1;

/// One of the issuer's status lists: what is taken, what is set.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct OwnList {
    version: u32,
    pub(crate) id: String,
    pub(crate) issuer: Did,
    pub(crate) purpose: Purpose,
    /// The version of the list that was signed last; 0 if none was.
    list_version: u64,
    /// Entries that were given to visas, as base64 of the bits.
    pub(crate) taken: String,
    /// Every change, in order of time.
    pub(crate) changes: Vec<Change>,
    /// The list as it was signed last.
    pub(crate) signed: Option<String>,
}

impl OwnList {
    pub(crate) fn new(id: String, issuer: Did, purpose: Purpose) -> Self {
        Self {
            version: RECORD_VERSION,
            id,
            issuer,
            purpose,
            list_version: 0,
            taken: String::new(),
            changes: Vec::new(),
            signed: None,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.issuer, self.id)
    }

    fn taken(&self) -> Result<Vec<u8>, KeepError> {
        let length = usize::try_from(MIN_ENTRIES / 8).unwrap_or(0);
        let mut bytes = STANDARD
            .decode(&self.taken)
            .map_err(|_| KeepError::Record("the entries of a status list".into()))?;
        bytes.resize(length, 0);
        Ok(bytes)
    }

    /// Gives away a free entry, by chance: an index says nothing about when a visa was issued.
    pub(crate) fn take(&mut self, rng: &mut dyn CryptoRng) -> Result<Option<u64>, KeepError> {
        let mut taken = self.taken()?;
        let used: u64 = taken.iter().map(|b| u64::from(b.count_ones())).sum();
        // Half full is full: chance finds a free entry at once, and changes stay few enough.
        if used >= MIN_ENTRIES / 2 || self.changes.len() >= MAX_CHANGES / 2 {
            return Ok(None);
        }
        loop {
            // 131072 divides 2^64: no entry is likelier than another.
            let index = rng.next_u64() % MIN_ENTRIES;
            let byte = usize::try_from(index / 8).ok().and_then(|i| taken.get_mut(i));
            let mask = 0x80_u8 >> (index % 8);
            if let Some(byte) = byte
                && *byte & mask == 0
            {
                *byte |= mask;
                self.taken = STANDARD.encode(&taken);
                return Ok(Some(index));
            }
        }
    }

    pub(crate) fn bits(&self) -> Result<Bits, StatusError> {
        let mut bits = Bits::clear(MIN_ENTRIES);
        for change in &self.changes {
            bits.set(change.index, change.set)?;
        }
        Ok(bits)
    }

    /// Signs the next version.
    pub(crate) fn sign(
        &mut self,
        signer: Signer<'_>,
        form: Form,
        rng: &mut dyn CryptoRng,
    ) -> Result<StatusList, IssueError> {
        let next = self.list_version.saturating_add(1);
        let bits = self.bits()?;
        let new = NewStatusList {
            id: &self.id,
            issuer: &self.issuer,
            purpose: self.purpose,
            version: next,
            dated: signer.now,
            expires: None,
            bits: &bits,
            changes: &self.changes,
        };
        let secured = secure_credential(&new.to_credential()?, form, &[], signer, rng)?;
        self.list_version = next;
        self.signed = Some(secured.text().to_owned());
        Ok(StatusList::read(secured)?)
    }

    pub(crate) fn stage(&self, changes: &mut Changes) -> Result<(), KeepError> {
        changes.put(LISTS, &self.name(), to_record(self)?);
        Ok(())
    }
}

pub(crate) fn own_lists(wallet: &Wallet) -> Result<Vec<OwnList>, KeepError> {
    wallet.list(LISTS)?.iter().map(|r| from_record(r.value.expose_secret())).collect()
}

/// A random UUID (RFC 9562, version 4) as a URN.
pub(crate) fn uuid(rng: &mut dyn CryptoRng) -> String {
    let mut bytes = [0_u8; 16];
    rng.fill_bytes(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xF << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4_and_variant_1() {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        for _ in 0..64 {
            let urn = uuid(&mut rng);
            assert_eq!(urn.len(), 45);
            assert_eq!(urn.as_bytes()[23], b'4', "{urn}");
            assert!(b"89ab".contains(&urn.as_bytes()[28]), "{urn}");
        }
    }
}
