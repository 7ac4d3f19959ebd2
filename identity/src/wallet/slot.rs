//! The ways into a wallet: each slot wraps the data key under another secret.
//!
//! A passphrase goes through Argon2id (RFC 9106) with the parameters that its slot stores; the 24
//! words of a recovery phrase are 256 random bits and go through HKDF. Changing a passphrase
//! wraps the same data key anew, so that no record is rewritten.

use super::WalletError;
use super::cipher::{self, Key, WalletId};
use crate::secret::SecretBytes;
use crate::time::UnixMillis;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use std::fmt;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::{Zeroize as _, Zeroizing};

/// The shortest passphrase that a new slot takes, in characters (NIST SP 800-63B).
pub const MIN_PASSPHRASE_CHARS: usize = 8;
/// The longest passphrase, in bytes.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// A passphrase, in Unicode NFC, so that two keyboards spell it alike.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(SecretBytes);

impl Passphrase {
    /// Takes a passphrase as it was typed or read, without its line end.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut typed: String = text.nfc().collect();
        let bytes = typed.as_bytes().to_vec();
        typed.zeroize();
        Self(SecretBytes::new(bytes))
    }

    /// Refuses a passphrase that must not protect anything new.
    ///
    /// # Errors
    /// [`WalletError::WeakPassphrase`] below 8 characters, [`WalletError::Limit`] above 1 KiB.
    pub fn check_strength(&self) -> Result<(), WalletError> {
        let bytes = self.0.expose_secret();
        let chars = std::str::from_utf8(bytes).map_or(0, |text| text.chars().count());
        if chars < MIN_PASSPHRASE_CHARS {
            return Err(WalletError::WeakPassphrase);
        }
        if bytes.len() > MAX_PASSPHRASE_BYTES {
            return Err(WalletError::Limit("a passphrase has more than 1024 bytes".into()));
        }
        Ok(())
    }

    pub(super) fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(not shown)")
    }
}

/// 24 words (BIP-39, English) that restore access to a wallet and to its backups. No DID is
/// derived from them.
#[derive(Clone)]
pub struct RecoveryPhrase(Key);

impl RecoveryPhrase {
    /// A new phrase from the caller's randomness.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut entropy = Zeroizing::new([0; 32]);
        rng.fill_bytes(entropy.as_mut());
        Self(entropy)
    }

    /// Reads 24 words; upper case and extra spaces are forgiven.
    ///
    /// # Errors
    /// [`WalletError::Phrase`] for another count, an unknown word or a wrong checksum.
    pub fn parse(text: &str) -> Result<Self, WalletError> {
        if text.len() > 1024 {
            return Err(WalletError::Phrase);
        }
        let mut words = Zeroizing::new(String::with_capacity(256));
        for word in text.split_whitespace() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(Zeroizing::new(word.to_lowercase()).as_str());
        }
        let mnemonic = bip39::Mnemonic::parse_in_normalized(bip39::Language::English, &words)
            .map_err(|_| WalletError::Phrase)?;
        let (mut entropy, length) = mnemonic.to_entropy_array();
        let mut key = Zeroizing::new([0; 32]);
        let whole = entropy.get(..32).filter(|_| length == 32).map(|e| key.copy_from_slice(e));
        entropy.zeroize();
        whole.map(|()| Self(key)).ok_or(WalletError::Phrase)
    }

    /// The words, to show once on paper. The name is long on purpose.
    ///
    /// # Errors
    /// None that can occur: 32 bytes always make 24 words.
    pub fn expose_words(&self) -> Result<Zeroizing<String>, WalletError> {
        let mnemonic =
            bip39::Mnemonic::from_entropy_in(bip39::Language::English, self.0.as_slice())
                .map_err(|_| WalletError::Internal("32 bytes make 24 words"))?;
        Ok(Zeroizing::new(mnemonic.to_string()))
    }

    pub(super) fn expose_secret(&self) -> &Key {
        &self.0
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(not shown)")
    }
}

/// How a secret becomes a wrapping key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "algorithm")]
pub enum Kdf {
    /// Argon2id, version 0x13.
    #[serde(rename = "argon2id")]
    Argon2id {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
        /// 16 random bytes in base64url.
        salt: String,
    },
    /// HKDF with SHA-256, for secrets that are random already.
    #[serde(rename = "hkdf-sha256")]
    HkdfSha256 {
        /// 16 random bytes in base64url.
        salt: String,
    },
}

/// Least and most memory of Argon2id, in KiB: 64 MiB as RFC 9106 section 4, 1 GiB so that a
/// changed header cannot exhaust the machine.
pub const MEMORY_KIB: std::ops::RangeInclusive<u32> = 64 * 1024..=1024 * 1024;
/// Least and most passes of Argon2id.
pub const PASSES: std::ops::RangeInclusive<u32> = 3..=16;
/// Least and most lanes of Argon2id.
pub const LANES: std::ops::RangeInclusive<u32> = 1..=16;

impl Kdf {
    /// RFC 9106's second recommended option: 64 MiB, 3 passes, 4 lanes.
    pub fn argon2id(rng: &mut dyn CryptoRng) -> Self {
        let (memory_kib, passes) = (*MEMORY_KIB.start(), *PASSES.start());
        Self::Argon2id { memory_kib, passes, lanes: 4, salt: random_salt(rng) }
    }

    fn hkdf(rng: &mut dyn CryptoRng) -> Self {
        Self::HkdfSha256 { salt: random_salt(rng) }
    }

    fn derive(&self, secret: &[u8]) -> Result<Key, WalletError> {
        let salt = |text: &str| {
            URL_SAFE_NO_PAD
                .decode(text)
                .ok()
                .filter(|salt| salt.len() == 16)
                .ok_or(WalletError::KdfRefused("the salt is not 16 bytes"))
        };
        match self {
            Self::HkdfSha256 { salt: text } => {
                cipher::derive(secret, &salt(text)?, b"gridpass-wallet/1 slot")
            }
            Self::Argon2id { memory_kib, passes, lanes, salt: text } => {
                if !MEMORY_KIB.contains(memory_kib)
                    || !PASSES.contains(passes)
                    || !LANES.contains(lanes)
                {
                    return Err(WalletError::KdfRefused("a parameter is out of bounds"));
                }
                let refused = |_| WalletError::KdfRefused("Argon2id takes no such parameters");
                let params =
                    argon2::Params::new(*memory_kib, *passes, *lanes, Some(32)).map_err(refused)?;
                let argon2 = argon2::Argon2::new(
                    argon2::Algorithm::Argon2id,
                    argon2::Version::V0x13,
                    params,
                );
                let mut key = Zeroizing::new([0; 32]);
                argon2.hash_password_into(secret, &salt(text)?, key.as_mut()).map_err(refused)?;
                Ok(key)
            }
        }
    }
}

fn random_salt(rng: &mut dyn CryptoRng) -> String {
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    URL_SAFE_NO_PAD.encode(salt)
}

/// Which secret a slot asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotKind {
    /// A passphrase.
    Passphrase,
    /// 24 words.
    Recovery,
}

/// One way in. Stands in the clear in the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// Its number, never used again.
    pub id: u32,
    /// Which secret it asks for.
    pub kind: SlotKind,
    /// When it was made.
    pub created: UnixMillis,
    /// How the secret becomes a key.
    pub kdf: Kdf,
    /// nonce || ciphertext and tag of the data key, in base64url.
    wrapped: String,
}

/// What opens a wallet.
#[derive(Clone, Copy, Debug)]
pub enum Unlock<'s> {
    /// A passphrase, for any passphrase slot.
    Passphrase(&'s Passphrase),
    /// A recovery phrase, for any recovery slot.
    Recovery(&'s RecoveryPhrase),
}

impl Unlock<'_> {
    /// Which kind of slot it is for.
    #[must_use]
    pub fn kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Recovery(_) => SlotKind::Recovery,
        }
    }

    fn secret(&self) -> &[u8] {
        match self {
            Self::Passphrase(passphrase) => passphrase.expose_secret(),
            Self::Recovery(phrase) => phrase.expose_secret().as_slice(),
        }
    }
}

impl Slot {
    /// Wraps the data key under a secret.
    pub(super) fn wrap(
        id: u32,
        wallet_id: WalletId,
        unlock: Unlock<'_>,
        data_key: &Key,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
    ) -> Result<Self, WalletError> {
        let kdf = match unlock {
            Unlock::Passphrase(passphrase) => {
                passphrase.check_strength()?;
                Kdf::argon2id(rng)
            }
            Unlock::Recovery(_) => Kdf::hkdf(rng),
        };
        let mut slot = Self { id, kind: unlock.kind(), created: now, kdf, wrapped: String::new() };
        let key = slot.kdf.derive(unlock.secret())?;
        let wrapped = cipher::encrypt(&key, data_key.as_slice(), &slot.aad(wallet_id)?, rng)?;
        slot.wrapped = URL_SAFE_NO_PAD.encode(wrapped);
        Ok(slot)
    }

    /// The data key, if the secret is this slot's; `None` if it is not.
    pub(super) fn unwrap_key(
        &self,
        wallet_id: WalletId,
        unlock: Unlock<'_>,
    ) -> Result<Option<Key>, WalletError> {
        if unlock.kind() != self.kind {
            return Ok(None);
        }
        let key = self.kdf.derive(unlock.secret())?;
        let wrapped = URL_SAFE_NO_PAD.decode(&self.wrapped).unwrap_or_default();
        let plain = cipher::decrypt(&key, &wrapped, &self.aad(wallet_id)?);
        Ok(plain.and_then(|p| <[u8; 32]>::try_from(p.as_slice()).ok()).map(Zeroizing::new))
    }

    /// Ties the wrapped key to its wallet, its number and its parameters.
    fn aad(&self, wallet_id: WalletId) -> Result<Vec<u8>, WalletError> {
        let bound = (self.id, self.kind, &self.kdf);
        let bound = crate::json::canonicalize(&bound)
            .map_err(|_| WalletError::Internal("a slot is JSON"))?;
        Ok([b"gridpass-wallet-slot/1".as_slice(), &wallet_id.0, &bound].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    fn words() -> String {
        // BIP-39's own vector for 32 zero bytes.
        format!("{}art", "abandon ".repeat(23))
    }

    #[test]
    fn reads_a_bip39_vector_and_prints_it_again() -> Result<(), WalletError> {
        let phrase = RecoveryPhrase::parse(&words().to_uppercase().replace(' ', "  "))?;
        assert_eq!(phrase.expose_secret().as_slice(), [0; 32]);
        assert_eq!(phrase.expose_words()?.as_str(), words());
        Ok(())
    }

    #[test]
    fn refuses_a_phrase_with_a_wrong_word_count_or_checksum() {
        let twelve = format!("{}about", "abandon ".repeat(11));
        for text in ["", "abandon", &twelve, &words().replace("art", "zoo"), &"x ".repeat(600)] {
            let error = RecoveryPhrase::parse(text).expect_err(text);
            assert_eq!(error.code(), codes::PHRASE_MALFORMED);
        }
    }

    #[test]
    fn refuses_parameters_out_of_bounds() {
        let salt = URL_SAFE_NO_PAD.encode([0; 16]);
        for (memory_kib, passes, lanes) in [
            (1024, 3, 4),
            (64 * 1024, 2, 4),
            (4_194_304, 3, 4),
            (64 * 1024, 1000, 4),
            (65_536, 3, 99),
        ] {
            let kdf = Kdf::Argon2id { memory_kib, passes, lanes, salt: salt.clone() };
            assert_eq!(kdf.derive(b"x").expect_err("out of bounds").code(), codes::KDF_REFUSED);
        }
        let short = Kdf::HkdfSha256 { salt: "AA".into() };
        assert_eq!(short.derive(b"x").expect_err("short salt").code(), codes::KDF_REFUSED);
    }

    #[test]
    fn two_spellings_of_a_passphrase_are_one() {
        assert_eq!(Passphrase::new("Cafe\u{301} au lait"), Passphrase::new("Caf\u{e9} au lait"));
        assert_eq!(
            Passphrase::new("é234567").check_strength().expect_err("7 characters").code(),
            codes::PASSPHRASE_WEAK
        );
        assert!(Passphrase::new("é2345678").check_strength().is_ok());
    }

    #[test]
    fn debug_shows_no_secret() -> Result<(), WalletError> {
        assert_eq!(format!("{:?}", Passphrase::new("secret")), "Passphrase(not shown)");
        let phrase = RecoveryPhrase::parse(&words())?;
        assert_eq!(format!("{phrase:?}"), "RecoveryPhrase(not shown)");
        Ok(())
    }
}
