//! Backups: one age file that the stock `age` tool decrypts, and that restores a whole wallet.
//!
//! ```text
//! age( manifest line || one line a record )
//! ```
//! The records in it are as they stand in the store: encrypted under the wallet's data key, which
//! its slots wrap. So a backup needs no secret to be made, whoever decrypts the age layer has only
//! what a thief of the disk would have, and a restored wallet opens with the same passphrase and
//! the same recovery phrase. By default the age layer is for the recovery phrase itself, so that
//! the file and the 24 words together are enough. age draws its own randomness.

use super::cipher;
use super::header::{self, Header};
use super::index::{self, Index};
use super::slot::{Passphrase, RecoveryPhrase, Unlock};
use super::store::{Batch, Entry, Store, StoreError};
use super::{Diary, LockedWallet, Wallet, WalletError};
use crate::code::Code;
use crate::codes;
use crate::json::{self, Limits};
use crate::report::{Check, Report};
use crate::secret::SecretBytes;
use crate::time::UnixMillis;
use age::secrecy::SecretString;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::str::FromStr as _;
use zeroize::Zeroizing;

/// The largest backup that is read, in bytes, encrypted or not: 256 MiB.
pub const MAX_BACKUP: usize = 256 * 1024 * 1024;
/// age's own default: 2^18 rounds of scrypt, about a second.
const SCRYPT_LOG_N: u8 = 18;
/// The most scrypt work that a foreign file can ask of us: 2^20.
const MAX_SCRYPT_LOG_N: u8 = 20;
const FORMAT: &str = "gridpass-backup";
const VERSION: u32 = 1;

/// Why a backup was not made, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The wallet or its store failed.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// Not a backup, or truncated.
    #[error("not a whole Gridpass backup: {0}")]
    Malformed(String),
    /// The secret is not one that it is encrypted for.
    #[error("the secret given does not open this backup")]
    UnlockFailed,
    /// The content is not what the manifest says.
    #[error("the backup's content does not match its checksum")]
    Checksum,
    /// It is another wallet's.
    #[error("the backup is of wallet {found}, and {expected} was expected")]
    Foreign {
        /// The wallet that was expected.
        expected: String,
        /// The wallet that it is of.
        found: String,
    },
    /// The age recipient is not one.
    #[error("{0:?} is not an age recipient (age1…)")]
    Recipient(String),
    /// There is nobody whom it could be for.
    #[error(
        "the wallet has no recovery phrase that backups are for, and nothing else was named that opens one"
    )]
    NoRecipient,
}

impl BackupError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Wallet(e) => e.code(),
            Self::Malformed(_) => codes::BACKUP_MALFORMED,
            Self::UnlockFailed => codes::BACKUP_UNLOCK_FAILED,
            Self::Checksum => codes::BACKUP_CHECKSUM,
            Self::Foreign { .. } => codes::BACKUP_FOREIGN,
            Self::Recipient(_) => codes::KEY_MALFORMED,
            Self::NoRecipient => codes::BACKUP_NO_RECIPIENT,
        }
    }
}

impl From<StoreError> for BackupError {
    fn from(e: StoreError) -> Self {
        Self::Wallet(e.into())
    }
}

/// Whom a backup is encrypted for.
#[derive(Clone, Debug)]
pub enum Protection<'p> {
    /// The wallet's recovery phrase, and these age recipients (`age1…`) beside it.
    Recipients(&'p [String]),
    /// A passphrase of its own.
    Passphrase(&'p Passphrase),
}

/// What opens the age layer of a backup.
#[derive(Clone, Debug)]
pub enum BackupSecret<'s> {
    /// The wallet's recovery phrase.
    Recovery(&'s RecoveryPhrase),
    /// The backup's own passphrase.
    Passphrase(&'s Passphrase),
    /// Age identities, `AGE-SECRET-KEY-1…`, as `age-keygen` writes them.
    AgeIdentity(&'s SecretBytes),
}

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// `gridpass-backup`.
    pub format: String,
    /// The format's version.
    pub version: u32,
    /// The wallet's id, in hexadecimal.
    pub wallet_id: String,
    /// The wallet's name.
    pub wallet_name: String,
    /// When the backup was made.
    pub created: UnixMillis,
    /// How many lines follow.
    pub records: u64,
    /// SHA-256 of all lines that follow, in hexadecimal.
    pub checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    value: String,
}

/// The age identity of a recovery phrase: what the stock tool takes with `age -d -i`.
///
/// # Errors
/// None that can occur; the types say so because text is made.
pub fn age_identity(phrase: &RecoveryPhrase) -> Result<Zeroizing<String>, WalletError> {
    let key = cipher::derive(phrase.expose_secret().as_slice(), b"", b"gridpass-backup/1 age")?;
    let wrong = |_| WalletError::Internal("32 bytes make an age identity");
    let hrp = bech32::Hrp::parse("age-secret-key-")
        .map_err(|_| WalletError::Internal("a fixed prefix"))?;
    let text = bech32::encode_upper::<bech32::Bech32>(hrp, key.as_slice()).map_err(wrong)?;
    Ok(Zeroizing::new(text))
}

/// The age recipient of a recovery phrase, which stands in the wallet's header.
pub(super) fn age_recipient(phrase: &RecoveryPhrase) -> Result<String, WalletError> {
    let identity = age::x25519::Identity::from_str(&age_identity(phrase)?)
        .map_err(|_| WalletError::Internal("32 bytes make an age identity"))?;
    Ok(identity.to_public().to_string())
}

/// Makes a backup of a wallet's store, of at most `limit` bytes.
fn export(
    store: &dyn Store,
    header: &Header,
    protection: &Protection<'_>,
    now: UnixMillis,
    limit: usize,
) -> Result<Vec<u8>, BackupError> {
    let mut body = Vec::new();
    let mut records = 0_u64;
    for (key, value) in store.scan(b"")? {
        let key = String::from_utf8(key)
            .map_err(|_| WalletError::Internal("the keys of a wallet are text"))?;
        let line = Line { key, value: URL_SAFE_NO_PAD.encode(value) };
        body.extend(json_line(&line)?);
        records = records.saturating_add(1);
    }
    let manifest = Manifest {
        format: FORMAT.into(),
        version: VERSION,
        wallet_id: header.wallet_id.clone(),
        wallet_name: header.name.clone(),
        created: now,
        records,
        checksum: hex(&Sha256::digest(&body)),
    };
    let plain = [json_line(&manifest)?, body].concat();
    let too_long = || WalletError::Limit("a backup has more than 256 MiB".into());
    if plain.len() > limit {
        return Err(too_long().into());
    }
    let file = encrypt(&plain, header.backup_recipient.as_deref(), protection)?;
    // Encrypted it is longer, and that is the length that its reader bounds.
    if file.len() > limit {
        return Err(too_long().into());
    }
    Ok(file)
}

fn json_line<T: Serialize>(value: &T) -> Result<Vec<u8>, BackupError> {
    let mut line =
        json::canonicalize(value).map_err(|_| WalletError::Internal("a backup is JSON"))?;
    line.push(b'\n');
    Ok(line)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn encrypt(
    plain: &[u8],
    own: Option<&str>,
    protection: &Protection<'_>,
) -> Result<Vec<u8>, BackupError> {
    let mut recipients: Vec<Box<dyn age::Recipient>> = Vec::new();
    match protection {
        Protection::Passphrase(passphrase) => {
            passphrase.check_strength()?;
            let mut recipient = age::scrypt::Recipient::new(secret_text(passphrase)?);
            recipient.set_work_factor(SCRYPT_LOG_N);
            recipients.push(Box::new(recipient));
        }
        Protection::Recipients(others) => {
            for text in own.into_iter().chain(others.iter().map(String::as_str)) {
                let recipient = age::x25519::Recipient::from_str(text)
                    .map_err(|_| BackupError::Recipient(text.chars().take(100).collect()))?;
                recipients.push(Box::new(recipient));
            }
        }
    }
    if recipients.is_empty() {
        return Err(BackupError::NoRecipient);
    }
    let encryptor = age::Encryptor::with_recipients(recipients.iter().map(AsRef::as_ref))
        .map_err(|_| WalletError::Internal("age takes these recipients"))?;
    let mut file = Vec::new();
    let write = || -> std::io::Result<()> {
        let mut writer = encryptor.wrap_output(&mut file)?;
        writer.write_all(plain)?;
        writer.finish()?;
        Ok(())
    };
    write().map_err(|_| WalletError::Internal("writing to memory"))?;
    Ok(file)
}

fn secret_text(passphrase: &Passphrase) -> Result<SecretString, WalletError> {
    let text = std::str::from_utf8(passphrase.expose_secret())
        .map_err(|_| WalletError::Internal("a passphrase is text"))?;
    Ok(SecretString::from(text.to_owned()))
}

/// The identities in a file as `age-keygen` writes it: one a line, with comments between.
fn age_identities(file: &[u8]) -> Result<Vec<Box<dyn age::Identity>>, BackupError> {
    std::str::from_utf8(file)
        .map_err(|_| BackupError::UnlockFailed)?
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| match age::x25519::Identity::from_str(line) {
            Ok(identity) => Ok(Box::new(identity) as Box<dyn age::Identity>),
            Err(_) => Err(BackupError::UnlockFailed),
        })
        .collect()
}

fn decrypt(file: &[u8], secret: &BackupSecret<'_>) -> Result<Zeroizing<Vec<u8>>, BackupError> {
    if file.len() > MAX_BACKUP {
        return Err(BackupError::Malformed("it is larger than 256 MiB".into()));
    }
    let identities: Vec<Box<dyn age::Identity>> = match secret {
        BackupSecret::Recovery(phrase) => vec![Box::new(
            age::x25519::Identity::from_str(&age_identity(phrase)?)
                .map_err(|_| WalletError::Internal("32 bytes make an age identity"))?,
        )],
        BackupSecret::AgeIdentity(text) => age_identities(text.expose_secret())?,
        BackupSecret::Passphrase(passphrase) => {
            let mut identity = age::scrypt::Identity::new(secret_text(passphrase)?);
            identity.set_max_work_factor(MAX_SCRYPT_LOG_N);
            vec![Box::new(identity)]
        }
    };
    let malformed = |reason: &str| BackupError::Malformed(reason.to_owned());
    let decryptor = age::Decryptor::new_buffered(file).map_err(|_| malformed("not an age file"))?;
    let reader = decryptor.decrypt(identities.iter().map(AsRef::as_ref)).map_err(|e| match e {
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::KeyDecryptionFailed
        | age::DecryptError::DecryptionFailed => BackupError::UnlockFailed,
        age::DecryptError::ExcessiveWork { .. } => malformed("it asks for too much work"),
        _ => malformed("its age header is damaged"),
    })?;
    let mut plain = Zeroizing::new(Vec::new());
    let limit = u64::try_from(MAX_BACKUP).unwrap_or(u64::MAX);
    reader
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|_| malformed("it is truncated or damaged"))?;
    Ok(plain)
}

/// A backup that was decrypted, and whose manifest and checksum are right.
pub struct Backup {
    manifest: Manifest,
    header: Header,
    entries: Vec<Entry>,
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backup({:?})", self.manifest)
    }
}

impl Backup {
    /// Decrypts a backup and checks it against its manifest.
    ///
    /// # Errors
    /// [`BackupError::UnlockFailed`], [`BackupError::Malformed`], [`BackupError::Checksum`].
    pub fn open(file: &[u8], secret: &BackupSecret<'_>) -> Result<Self, BackupError> {
        Self::parse(&decrypt(file, secret)?)
    }

    /// Reads what is inside the age layer.
    ///
    /// # Errors
    /// [`BackupError::Malformed`], [`BackupError::Checksum`].
    pub fn parse(plain: &[u8]) -> Result<Self, BackupError> {
        let malformed = |reason: &str| BackupError::Malformed(reason.to_owned());
        let end = plain.iter().position(|b| *b == b'\n').ok_or_else(|| malformed("no manifest"))?;
        let (first, rest) = plain.split_at(end);
        let body = rest.get(1..).unwrap_or_default();
        let manifest: Manifest = json::from_slice_strict(first, Limits::SMALL)
            .map_err(|e| malformed(&format!("its manifest: {e}")))?;
        if manifest.format != FORMAT || manifest.version != VERSION {
            return Err(malformed("its format or version is unknown"));
        }
        if hex(&Sha256::digest(body)) != manifest.checksum {
            return Err(BackupError::Checksum);
        }
        let mut entries = Vec::new();
        // A record may have up to 8 MiB, more than a document; a line is flat.
        let limits = Limits { bytes: 16 * 1024 * 1024, depth: 2 };
        for line in body.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let line: Line =
                json::from_slice_strict(line, limits).map_err(|e| malformed(&e.to_string()))?;
            let value = URL_SAFE_NO_PAD
                .decode(&line.value)
                .map_err(|_| malformed("a record is not base64url"))?;
            entries.push((line.key.into_bytes(), value));
        }
        if u64::try_from(entries.len()) != Ok(manifest.records) {
            return Err(malformed("its manifest counts other records"));
        }
        if entries.windows(2).any(|w| matches!(w, [a, b] if a.0 >= b.0)) {
            return Err(malformed("its records are not in order"));
        }
        let header = entries
            .iter()
            .find(|(key, _)| key == header::KEY)
            .ok_or_else(|| malformed("the wallet's header is missing"))?;
        let header = Header::parse(&header.1)?;
        if header.name != manifest.wallet_name {
            return Err(malformed("its manifest names another wallet"));
        }
        if header.wallet_id != manifest.wallet_id {
            return Err(BackupError::Foreign {
                expected: manifest.wallet_id,
                found: header.wallet_id,
            });
        }
        Ok(Self { manifest, header, entries })
    }

    /// What it says of itself; checked against the content.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Refuses the backup of another wallet.
    ///
    /// # Errors
    /// [`BackupError::Foreign`].
    pub fn expect_wallet(&self, wallet_id: &str) -> Result<(), BackupError> {
        if self.manifest.wallet_id == wallet_id {
            return Ok(());
        }
        Err(BackupError::Foreign {
            expected: wallet_id.to_owned(),
            found: self.manifest.wallet_id.clone(),
        })
    }

    /// Decrypts every record with a secret of the wallet, changing nothing.
    ///
    /// # Errors
    /// [`WalletError::UnlockFailed`]; a record that does not authenticate fails its check in the
    /// report instead.
    pub fn verify(&self, unlock: Unlock<'_>) -> Result<Report, BackupError> {
        let (_, cipher) = self.header.unlock(unlock)?;
        let mut report = Report::default();
        if let Err(e) = Index::verify(&cipher, &self.entries) {
            report.push(Check::failed("records", e.code(), e.to_string()));
        }
        let mut good = 0_usize;
        for (key, value) in self.records() {
            match cipher.open_record(key, value) {
                Ok(_) => good = good.saturating_add(1),
                Err(e) => report.push(Check::failed("record", e.code(), e.to_string())),
            }
        }
        let sentence = format!(
            "wallet {} ({}), made at {}: checksum and {good} of {} records are right",
            self.manifest.wallet_name,
            self.manifest.wallet_id,
            self.manifest.created,
            self.records().count(),
        );
        report.push(Check::passed("backup", codes::BACKUP_VERIFIED, sentence));
        Ok(report)
    }

    fn records(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries
            .iter()
            .filter(|(key, _)| index::is_record(key))
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Restores the wallet into an empty store, after decrypting every record with a secret of
    /// the wallet. The store is written last and at once: on any error it is as it was.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the store holds anything; [`WalletError::UnlockFailed`];
    /// [`WalletError::Tampered`] if a record does not authenticate.
    pub fn restore(
        &self,
        mut store: Box<dyn Store>,
        unlock: Unlock<'_>,
    ) -> Result<Wallet, BackupError> {
        if !store.scan(b"")?.is_empty() {
            return Err(StoreError::Exists("a wallet".into()).into());
        }
        let (_, cipher) = self.header.unlock(unlock)?;
        for (key, value) in self.records() {
            cipher.open_record(key, value)?;
        }
        Index::verify(&cipher, &self.entries)?;
        let mut batch = Batch::default();
        for (key, value) in &self.entries {
            batch.put(key.clone(), value.clone());
        }
        // What was restored from a backup is in that backup.
        let diary =
            Diary { last_backup: Some(self.manifest.created), ..Diary::read(&Fixed(self))? };
        diary.write(&mut batch)?;
        store.commit(&batch)?;
        Ok(LockedWallet::open(store)?.unlock(unlock)?)
    }
}

/// A backup's entries, read as a store is.
struct Fixed<'b>(&'b Backup);

impl Store for Fixed<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.entries.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone()))
    }
    fn scan(&self, _: &[u8]) -> Result<Vec<Entry>, StoreError> {
        Ok(self.0.entries.clone())
    }
    fn commit(&mut self, _: &Batch) -> Result<(), StoreError> {
        Err(StoreError::Exists("a backup".into()))
    }
}

impl LockedWallet {
    /// Makes a backup. No secret is needed; call [`LockedWallet::note_backup`] once the file is
    /// safely written.
    ///
    /// # Errors
    /// [`BackupError::Recipient`] for a bad recipient, [`BackupError::NoRecipient`] if there is none;
    /// [`WalletError::Limit`] for a file that would be longer than [`MAX_BACKUP`].
    pub fn backup(
        &self,
        protection: &Protection<'_>,
        now: UnixMillis,
    ) -> Result<Vec<u8>, BackupError> {
        export(self.store.as_ref(), &self.header, protection, now, MAX_BACKUP)
    }

    /// Notes in the clear that a backup was made.
    ///
    /// # Errors
    /// [`WalletError::Store`].
    pub fn note_backup(&mut self, now: UnixMillis) -> Result<(), WalletError> {
        let diary = Diary { last_backup: Some(now), ..Diary::read(self.store.as_ref())? };
        let mut batch = Batch::default();
        diary.write(&mut batch)?;
        Ok(self.store.commit(&batch)?)
    }
}

#[cfg(test)]
#[path = "backup_tests.rs"]
mod tests;
