//! A trust pack as a file.

use super::{IdentityMaterial, TrustError};
use crate::charter::SignedCharter;
use crate::content_id::ContentId;
use crate::role::RoleDefinition;
use gridpass_identity::json::{self, Limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-trust-pack";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// A pack may be large: a long history, many definitions, long logs.
pub const LIMITS: Limits = Limits { bytes: 16 * 1024 * 1024, depth: 32 };
/// The most charters in a history, definitions, or snapshots.
const MAX_LIST: usize = 4096;

/// A trust pack as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TrustPack {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Signed charters, the first one first.
    pub charters: Vec<Value>,
    /// Role definitions.
    pub definitions: Vec<Value>,
    /// DID documents of roots and signers, as far as they cannot be computed.
    pub identities: Vec<IdentityMaterial>,
}

impl TrustPack {
    /// A pack of these parts.
    #[must_use]
    pub fn new(
        charters: &[SignedCharter],
        definitions: &[&RoleDefinition],
        identities: Vec<IdentityMaterial>,
    ) -> Self {
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            charters: charters.iter().map(SignedCharter::to_json).collect(),
            definitions: definitions.iter().filter_map(|d| serde_json::to_value(d).ok()).collect(),
            identities,
        }
    }

    /// Reads the file, of which nothing is believed: [`super::Trust::open`] verifies it.
    ///
    /// # Errors
    /// [`TrustError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        let pack: Self = json::from_slice_strict(bytes, LIMITS)
            .map_err(|e| TrustError::Malformed(e.to_string()))?;
        if pack.document_type != TYPE || pack.format_version != FORMAT_VERSION {
            return Err(TrustError::Malformed("its type or format version is unknown".into()));
        }
        let sizes = [pack.charters.len(), pack.definitions.len(), pack.identities.len()];
        if sizes.iter().any(|n| *n > MAX_LIST) {
            return Err(TrustError::Malformed("a list in it is too long".into()));
        }
        Ok(pack)
    }

    /// The bytes (JCS) and their name.
    ///
    /// # Errors
    /// [`TrustError::Malformed`].
    pub fn encode(&self) -> Result<(ContentId, Vec<u8>), TrustError> {
        ContentId::of_json(self).map_err(|e| TrustError::Malformed(e.to_string()))
    }
}
