//! Bitstring Status List 1.0: reading a list, making one, and what it says of one credential.
//!
//! A list is itself a credential. Gridpass adds to its subject a version, which never goes back,
//! and the dated changes, so that a verifier can say since when, and judge an issuer's authority
//! at the time of issuance.

use crate::codes;
use crate::context::{CREDENTIALS_V2, GRIDPASS_V1};
use crate::secured::{Form, Secured};
use crate::vcdm::{Credential, ModelError, each};
use crate::visa::Purpose;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use multibase::Base;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

/// The fewest entries of a list (section 6.1): enough that an index tells nobody who is meant.
pub const MIN_ENTRIES: u64 = 131_072;
/// The most bytes that a list may expand to: 8 million entries.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// The most dated changes that are read of one list. What fits into its bytes is less.
pub const MAX_CHANGES: usize = 50_000;
/// The most visas that are read of what a list carries to prove that its signer may revoke.
pub const MAX_AUTHORITY: usize = 16;
/// The greatest version: what JSON carries exactly.
pub const MAX_VERSION: u64 = (1 << 53) - 1;
/// The type of a list.
const LIST_TYPE: &str = "BitstringStatusListCredential";

/// Why a status list was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// It breaks the data model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It is no status list, or breaks a limit.
    #[error("the status list is refused: {0}")]
    Malformed(String),
    /// The index lies outside.
    #[error("index {index} lies outside the list of {entries} entries")]
    Range {
        /// The index.
        index: u64,
        /// How many entries the list has.
        entries: u64,
    },
}

impl StatusError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Model(_) => codes::MODEL_BROKEN,
            Self::Malformed(_) => codes::STATUS_LIST_MALFORMED,
            Self::Range { .. } => codes::STATUS_RANGE,
        }
    }
}

fn malformed(reason: impl Into<String>) -> StatusError {
    StatusError::Malformed(reason.into())
}

/// A dated change of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The entry.
    pub index: u64,
    /// What it became: `true` is revoked, or suspended.
    pub set: bool,
    /// When.
    pub at: UnixMillis,
}

/// The bits of a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Bits(Vec<u8>);

impl std::fmt::Debug for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bits({} entries)", self.entries())
    }
}

impl Bits {
    /// All clear.
    #[must_use]
    pub fn clear(entries: u64) -> Self {
        let bytes = usize::try_from(entries.div_ceil(8)).unwrap_or(0);
        Self(vec![0; bytes])
    }

    /// As they are.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// How many are set.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// Reads `encodedList`: multibase base64url of gzip (section 2.2). No more than
    /// [`MAX_BYTES`] are ever expanded.
    ///
    /// # Errors
    /// [`StatusError::Malformed`].
    pub fn decode(encoded: &str) -> Result<Self, StatusError> {
        if !encoded.starts_with('u') || encoded.len() > 2 * 1024 * 1024 {
            return Err(malformed("encodedList is not base64url, or is too long"));
        }
        let other = |e: &dyn std::fmt::Display| malformed(format!("encodedList: {e}"));
        let (_, packed) = multibase::decode(encoded).map_err(|e| other(&e))?;
        let (mut bytes, limit) = (Vec::new(), MAX_BYTES.saturating_add(1));
        let mut unpacked = GzDecoder::new(packed.as_slice()).take(limit);
        unpacked.read_to_end(&mut bytes).map_err(|e| other(&e))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(malformed("encodedList expands to more than 1 MiB"));
        }
        // Some readers would take what follows for more of the list.
        if !unpacked.into_inner().into_inner().is_empty() {
            return Err(malformed("something follows the gzip of encodedList"));
        }
        let bits = Self(bytes);
        if bits.entries() < MIN_ENTRIES {
            return Err(malformed(format!("it has fewer than {MIN_ENTRIES} entries")));
        }
        Ok(bits)
    }

    /// As `encodedList`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        // Writing into memory does not fail.
        let packed = packed.write_all(&self.0).and_then(|()| packed.finish()).unwrap_or_default();
        multibase::encode(Base::Base64Url, packed)
    }

    /// How many entries it has.
    #[must_use]
    pub fn entries(&self) -> u64 {
        (self.0.len() as u64).saturating_mul(8)
    }

    /// One entry; the first is the highest bit of the first byte.
    ///
    /// # Errors
    /// [`StatusError::Range`].
    pub fn get(&self, index: u64) -> Result<bool, StatusError> {
        let range = StatusError::Range { index, entries: self.entries() };
        let byte = usize::try_from(index / 8).ok().and_then(|i| self.0.get(i)).ok_or(range)?;
        Ok(byte & (0x80 >> (index % 8)) != 0)
    }

    /// Changes one entry.
    ///
    /// # Errors
    /// [`StatusError::Range`].
    pub fn set(&mut self, index: u64, value: bool) -> Result<(), StatusError> {
        let range = StatusError::Range { index, entries: self.entries() };
        let byte = usize::try_from(index / 8).ok().and_then(|i| self.0.get_mut(i)).ok_or(range)?;
        let mask = 0x80 >> (index % 8);
        if value {
            *byte |= mask
        } else {
            *byte &= !mask
        }
        Ok(())
    }
}

/// A status list that was read. Its signature is not verified here.
#[derive(Clone, Debug)]
pub struct StatusList {
    secured: Secured,
    /// The list's id, a URL.
    pub id: String,
    /// Who speaks in it.
    pub issuer: Did,
    /// What it says.
    pub purposes: Vec<String>,
    /// Counts up; a list without one, as others write it, has none.
    pub version: Option<u64>,
    /// As of when.
    pub dated: UnixMillis,
    /// From when on it no longer counts.
    pub expires: Option<UnixMillis>,
    bits: Bits,
    changes: BTreeMap<u64, Vec<Change>>,
}

impl StatusList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`StatusError`].
    pub fn read(secured: Secured) -> Result<Self, StatusError> {
        if secured.form() == Form::SdJwt {
            return Err(malformed("a status list is no SD-JWT: parts of it could be withheld"));
        }
        let credential = Credential::read(secured.document().clone())?;
        if !credential.types().any(|t| t == LIST_TYPE) {
            return Err(malformed(format!("its type does not name {LIST_TYPE}")));
        }
        let issuer =
            Did::parse(credential.issuer()).map_err(|_| malformed("its issuer is not a DID"))?;
        let id = credential.json().get("id").and_then(Value::as_str);
        let mut subjects = credential.subjects();
        let (Some(id), Some(subject), None) = (id, subjects.next(), subjects.next()) else {
            return Err(malformed("it has no id, or not exactly one subject"));
        };
        if subject.get("type").and_then(Value::as_str) != Some("BitstringStatusList") {
            return Err(malformed("its subject is not a BitstringStatusList"));
        }
        let purposes: Vec<_> = each(subject.get("statusPurpose"))
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let encoded = subject.get("encodedList").and_then(Value::as_str).unwrap_or_default();
        let bits = Bits::decode(encoded)?;
        let dated = credential.valid_from().or_else(|| secured.signed_at());
        let dated = dated.ok_or_else(|| malformed("it does not say as of when it is"))?;
        // Signed before it is dated: whoever has an old key would date it as new as they like.
        if let Some(signed) = secured.signed_at()
            && dated > signed.plus_millis(MAX_CLOCK_SKEW_MILLIS)
        {
            return Err(malformed(format!("it is dated {dated}, and was signed at {signed}")));
        }
        let (version, changes) = extension(subject)?;
        check_changes(&changes, &bits, dated)?;
        // What is revoked is revoked for good; what may come back is suspended.
        let for_good = purposes.iter().any(|p| p == Purpose::Revocation.name());
        if for_good && changes.values().flatten().any(|c| !c.set) {
            return Err(malformed("it takes back a revocation"));
        }
        let (id, expires) = (id.to_owned(), credential.valid_until());
        Ok(Self { secured, id, issuer, purposes, version, dated, expires, bits, changes })
    }

    /// As it was signed.
    #[must_use]
    pub fn secured(&self) -> &Secured {
        &self.secured
    }

    /// What it carries to prove that its signer holds a role that may revoke: visas, as members of a
    /// presentation. Nothing in them is believed, and others write other evidence there.
    pub fn authority(&self) -> impl Iterator<Item = &Value> {
        each(self.secured.document().get("evidence")).take(MAX_AUTHORITY)
    }

    /// The bits.
    #[must_use]
    pub fn bits(&self) -> &Bits {
        &self.bits
    }

    /// Its place in the order of this list's states: its version, else its date.
    #[must_use]
    pub fn order(&self) -> (u64, UnixMillis) {
        (self.version.unwrap_or(0), self.dated)
    }

    /// The dated changes of one entry, oldest first.
    #[must_use]
    pub fn changes(&self, index: u64) -> &[Change] {
        self.changes.get(&index).map_or(&[], Vec::as_slice)
    }

    /// Whether an entry was set at a time; `None` where the list does not say.
    ///
    /// # Errors
    /// [`StatusError::Range`].
    pub fn was_set(&self, index: u64, at: UnixMillis) -> Result<Option<bool>, StatusError> {
        let now = self.bits.get(index)?;
        let changes = self.changes(index);
        Ok(match changes.iter().rev().find(|c| c.at <= at) {
            Some(change) => Some(change.set),
            None if changes.is_empty() => (!now).then_some(false),
            // Its first change came later.
            None => Some(false),
        })
    }
}

/// Version and changes, by index.
type Extension = (Option<u64>, BTreeMap<u64, Vec<Change>>);

/// What Gridpass adds; absent from lists that others made.
fn extension(subject: &Map<String, Value>) -> Result<Extension, StatusError> {
    let mut by_index: BTreeMap<u64, Vec<Change>> = BTreeMap::new();
    let Some(extension) = subject.get("statusList") else {
        return Ok((None, by_index));
    };
    let wrong = || malformed("its statusList is not what it must be");
    let version = extension.get("version").and_then(Value::as_u64);
    let version = version.filter(|v| *v <= MAX_VERSION).ok_or_else(wrong)?;
    let changes = extension.get("changes").and_then(Value::as_array).ok_or_else(wrong)?;
    if changes.len() > MAX_CHANGES || extension.as_object().is_none_or(|o| o.len() != 2) {
        return Err(wrong());
    }
    for change in changes {
        let change: Change =
            gridpass_identity::json::from_object(change.clone()).map_err(|_| wrong())?;
        by_index.entry(change.index).or_default().push(change);
    }
    Ok((Some(version), by_index))
}

/// Changes of one entry alternate, in order of time, and end with what the bit says.
fn check_changes(
    changes: &BTreeMap<u64, Vec<Change>>,
    bits: &Bits,
    dated: UnixMillis,
) -> Result<(), StatusError> {
    for (index, list) in changes {
        let mut state = false;
        let mut last = UnixMillis::new(0);
        for change in list {
            if change.set == state || change.at < last || change.at > dated {
                return Err(malformed(format!(
                    "the changes of entry {index} contradict themselves"
                )));
            }
            (state, last) = (change.set, change.at);
        }
        if bits.get(*index)? != state {
            return Err(malformed(format!("entry {index} is not what its changes say")));
        }
    }
    Ok(())
}

/// The content of a list to be signed.
#[derive(Clone, Debug)]
pub struct NewStatusList<'a> {
    /// The list's id, a URL.
    pub id: &'a str,
    /// Who signs it.
    pub issuer: &'a Did,
    /// What it says.
    pub purpose: Purpose,
    /// One more than the last.
    pub version: u64,
    /// As of when.
    pub dated: UnixMillis,
    /// From when on it no longer counts.
    pub expires: Option<UnixMillis>,
    /// The entries.
    pub bits: &'a Bits,
    /// The dated changes, in order of time: of an entry all that were ever made, or none.
    pub changes: &'a [Change],
}

impl NewStatusList<'_> {
    /// The credential, ready to be secured.
    ///
    /// # Errors
    /// [`StatusError::Malformed`] for too many changes.
    pub fn to_credential(&self) -> Result<Credential, StatusError> {
        self.to_credential_with(&[])
    }

    /// The same, with the visas by which its signer may revoke, as members of a presentation: whoever
    /// has the list can tell that it counts.
    ///
    /// # Errors
    /// As [`NewStatusList::to_credential`].
    pub fn to_credential_with(&self, authority: &[Value]) -> Result<Credential, StatusError> {
        if self.changes.len() > MAX_CHANGES {
            return Err(malformed("it has more than 50000 changes: begin a new list"));
        }
        let mut json = json!({
            "@context": [CREDENTIALS_V2, GRIDPASS_V1],
            "id": self.id,
            "type": ["VerifiableCredential", LIST_TYPE],
            "issuer": self.issuer,
            "validFrom": self.dated,
            "credentialSubject": {
                "id": format!("{}#list", self.id),
                "type": "BitstringStatusList",
                "statusPurpose": self.purpose.name(),
                "encodedList": self.bits.encode(),
                "statusList": {"version": self.version, "changes": self.changes},
            },
        });
        if let Value::Object(object) = &mut json {
            if let Some(expires) = self.expires {
                object.insert("validUntil".into(), json!(expires));
            }
            if !authority.is_empty() {
                object.insert("evidence".into(), json!(authority));
            }
        }
        Ok(Credential::read(json)?)
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
