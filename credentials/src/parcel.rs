//! Parcels: the files that travel between participants, by e-mail, USB stick or network. One JSON
//! object with what it is about, and everything that its reader needs to verify it offline.
//!
//! A parcel itself is not signed: each part is, and each is verified.

use crate::codes;
use crate::keeping::read_visa;
use crate::status::StatusList;
use crate::trust::IdentityMaterial;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::resolve::{ResolveError, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// What a reader takes.
pub const LIMITS: Limits = Limits { bytes: 16 * 1024 * 1024, depth: 32 };
/// The most members of each list.
pub const MAX_LIST: usize = 256;

/// Why a parcel was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParcelError {
    /// It cannot be read.
    #[error("the file cannot be read: {0}")]
    Malformed(String),
    /// It is a parcel of another kind.
    #[error("the file is a {found}, and a {expected} is needed")]
    Kind {
        /// What it is.
        found: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl ParcelError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::PARCEL_MALFORMED,
            Self::Kind { .. } => codes::PARCEL_KIND,
        }
    }
}

/// What a parcel is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ParcelKind {
    /// A holder asks for a visa.
    #[serde(rename = "gridpass-visa-request")]
    Request,
    /// An issuer refuses one.
    #[serde(rename = "gridpass-visa-refusal")]
    Refusal,
    /// A visa, with the visas that prove its issuer's authority.
    #[serde(rename = "gridpass-visa")]
    Visa,
    /// A presentation.
    #[serde(rename = "gridpass-presentation")]
    Presentation,
    /// Status lists.
    #[serde(rename = "gridpass-status-lists")]
    StatusLists,
    /// A node authorisation.
    #[serde(rename = "gridpass-node-authorisation")]
    NodeAuthorisation,
}

impl ParcelKind {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "visa request",
            Self::Refusal => "refusal",
            Self::Visa => "visa",
            Self::Presentation => "presentation",
            Self::StatusLists => "set of status lists",
            Self::NodeAuthorisation => "node authorisation",
        }
    }
}

/// A parcel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Parcel {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ParcelKind,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The thing itself, as it was signed: compact, or JCS. Absent from a set of status lists.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Visas that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supporting: Vec<String>,
    /// Status lists, as they were signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status_lists: Vec<String>,
    /// DID documents of those who signed, as far as they cannot be computed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentityMaterial>,
}

impl Parcel {
    /// A parcel with nothing but its content.
    #[must_use]
    pub fn new(kind: ParcelKind, content: Option<String>) -> Self {
        Self {
            kind,
            format_version: FORMAT_VERSION,
            content,
            supporting: Vec::new(),
            status_lists: Vec::new(),
            identities: Vec::new(),
        }
    }

    /// Reads a parcel.
    ///
    /// # Errors
    /// [`ParcelError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParcelError> {
        let parcel: Self = json::from_slice_strict(bytes, LIMITS)
            .map_err(|e| ParcelError::Malformed(e.to_string()))?;
        let sizes = [parcel.supporting.len(), parcel.status_lists.len(), parcel.identities.len()];
        if parcel.format_version != FORMAT_VERSION || sizes.iter().any(|n| *n > MAX_LIST) {
            return Err(ParcelError::Malformed(
                "its version is unknown, or a list too long".into(),
            ));
        }
        Ok(parcel)
    }

    /// Reads a parcel of a kind, or the bare thing: then the parcel has nothing else in it.
    ///
    /// # Errors
    /// [`ParcelError`].
    pub fn parse_or_bare(bytes: &[u8], kind: ParcelKind) -> Result<Self, ParcelError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ParcelError::Malformed("it is not text".into()))?
            .trim();
        let is_parcel = text.starts_with('{')
            && json::parse_strict(bytes, LIMITS).is_ok_and(|v| {
                v.get("type").and_then(|t| t.as_str()).is_some_and(|t| t.starts_with("gridpass-"))
            });
        if !is_parcel {
            return Ok(Self::new(kind, Some(text.to_owned())));
        }
        let parcel = Self::parse(bytes)?;
        if parcel.kind != kind {
            let (found, expected) = (parcel.kind.name(), kind.name());
            return Err(ParcelError::Kind { found, expected });
        }
        Ok(parcel)
    }

    /// The bytes: JCS, and a line end.
    ///
    /// # Errors
    /// [`ParcelError::Malformed`].
    pub fn encode(&self) -> Result<Vec<u8>, ParcelError> {
        let mut bytes =
            json::canonicalize(self).map_err(|e| ParcelError::Malformed(e.to_string()))?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// What a store knows of these DIDs, each once: what a parcel carries for a reader who cannot compute
/// their documents.
///
/// # Errors
/// [`ResolveError`] if the store cannot be read.
pub fn identities_of<'d>(
    store: &dyn SnapshotStore,
    dids: impl IntoIterator<Item = &'d Did>,
) -> Result<Vec<IdentityMaterial>, ResolveError> {
    let mut all: Vec<IdentityMaterial> = Vec::new();
    for did in dids {
        if all.iter().all(|m| &m.did != did) {
            all.extend(store.snapshots(did)?.iter().map(|s| IdentityMaterial::of(did, s)));
        }
    }
    Ok(all)
}

/// Of the documents in a file from others, those that prove themselves: logs of did:webvh. A did:web has
/// no proof but the place that it was fetched from, so that anybody could write one for a regulator.
/// None was obtained later than now, which is the reader's clock.
#[must_use]
pub fn self_proving(identities: &[IdentityMaterial], now: UnixMillis) -> Vec<IdentityMaterial> {
    let logs = identities.iter().filter(|m| m.did.method() == "webvh");
    logs.map(|m| m.taken_at(now)).collect()
}

/// Who issued and who holds these visas: those whose documents their reader needs.
#[must_use]
pub fn dids_in(visas: &[String]) -> Vec<Did> {
    let read = visas.iter().filter_map(|text| read_visa(text).ok());
    read.flat_map(|(_, visa)| [visa.issuer, visa.subject]).collect()
}

/// Of these status lists, the texts of those that these visas name.
#[must_use]
pub fn lists_named_in(visas: &[String], lists: &[StatusList]) -> Vec<String> {
    let read = visas.iter().filter_map(|text| read_visa(text).ok());
    let named: Vec<String> = read.flat_map(|(_, visa)| visa.status).map(|s| s.list).collect();
    let fitting = lists.iter().filter(|list| named.contains(&list.id));
    fitting.map(|list| list.secured().text().to_owned()).collect()
}
