//! What stands in the clear in a wallet: its id, its name and its slots, authenticated by the
//! data key that they wrap.

use super::WalletError;
use super::cipher::{Cipher, Key, WalletId};
use super::slot::{Slot, Unlock};
use crate::json::{self, Limits};
use crate::time::UnixMillis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The format's name, in every header.
pub(super) const FORMAT: &str = "gridpass-wallet";
/// The format's version.
pub(super) const VERSION: u32 = 1;
/// Where the header is kept.
pub(super) const KEY: &[u8] = b"header";
/// The most slots.
pub const MAX_SLOTS: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    /// Hexadecimal.
    pub(super) wallet_id: String,
    pub(super) name: String,
    pub(super) created: UnixMillis,
    /// Never used again once given to a slot.
    pub(super) next_slot: u32,
    pub(super) slots: Vec<Slot>,
    /// Whom backups are encrypted to unless the caller says otherwise: the age recipient of the
    /// recovery phrase.
    pub(super) backup_recipient: Option<String>,
    /// HMAC-SHA256 of the JCS of all the above, in base64url.
    #[serde(default)]
    pub(super) mac: String,
}

impl Header {
    pub(super) fn new(wallet_id: WalletId, name: &str, created: UnixMillis) -> Self {
        let wallet_id = wallet_id.0.iter().map(|b| format!("{b:02x}")).collect();
        Self {
            format: FORMAT.into(),
            version: VERSION,
            wallet_id,
            name: name.into(),
            created,
            next_slot: 1,
            slots: Vec::new(),
            backup_recipient: None,
            mac: String::new(),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WalletError> {
        let damaged = |e: String| WalletError::Tampered(format!("the header: {e}"));
        let value = json::parse_strict(bytes, Limits::SMALL).map_err(|e| damaged(e.to_string()))?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if value.get("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
            return Err(damaged("it is not a wallet's".into()));
        }
        if version != Some(u64::from(VERSION)) {
            let found = version.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
            return Err(WalletError::Version(found));
        }
        let header: Self = serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
        if header.slots.len() > MAX_SLOTS {
            return Err(damaged("it has more than 16 slots".into()));
        }
        if !super::is_printable_name(&header.name) {
            return Err(damaged("its name".into()));
        }
        header.id()?;
        Ok(header)
    }

    pub(super) fn id(&self) -> Result<WalletId, WalletError> {
        let refuse = || WalletError::Tampered("the header: its wallet id".into());
        let mut id = [0; 16];
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if self.wallet_id.len() != 32 || !self.wallet_id.bytes().all(digit) {
            return Err(refuse());
        }
        for (i, byte) in id.iter_mut().enumerate() {
            let digits = self.wallet_id.get(i.saturating_mul(2)..).and_then(|d| d.get(..2));
            *byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok()).ok_or_else(refuse)?;
        }
        Ok(WalletId(id))
    }

    /// Tries every slot of the secret's kind.
    pub(super) fn unlock(&self, unlock: Unlock<'_>) -> Result<(Key, Cipher), WalletError> {
        let id = self.id()?;
        for slot in &self.slots {
            if let Some(key) = slot.unwrap_key(id, unlock)? {
                let cipher = Cipher::new(&key, id)?;
                let tag = URL_SAFE_NO_PAD.decode(&self.mac).unwrap_or_default();
                cipher.verify_header_mac(&self.authenticated_bytes()?, &tag)?;
                return Ok((key, cipher));
            }
        }
        Err(WalletError::UnlockFailed)
    }

    /// The bytes to store, with a new MAC.
    pub(super) fn seal(&mut self, cipher: &Cipher) -> Result<Vec<u8>, WalletError> {
        let tag = cipher.header_mac(&self.authenticated_bytes()?)?;
        self.mac = URL_SAFE_NO_PAD.encode(tag);
        serde_json::to_vec(self).map_err(|_| WalletError::Internal("a header is JSON"))
    }

    fn authenticated_bytes(&self) -> Result<Vec<u8>, WalletError> {
        let unsigned = Self { mac: String::new(), ..self.clone() };
        json::canonicalize(&unsigned).map_err(|_| WalletError::Internal("a header is JSON"))
    }
}
