//! What a node knows of DIDs, and which of it is kept: that on which something rests.

use super::{MAX_PASSING, Material, MaterialError, Taken, folder};
use crate::codes;
use gridpass_credentials::trust::IdentityMaterial;
use gridpass_identity::did::Did;

impl Material {
    /// Takes what proves a DID, if it is new.
    ///
    /// # Errors
    /// [`MaterialError`] for what does not hold.
    pub fn take_identity(
        &mut self,
        material: &IdentityMaterial,
        keep: bool,
    ) -> Result<Option<Taken>, MaterialError> {
        let new = self.identities.take(material).map_err(|e| {
            MaterialError::new(e.code(), format!("what is said of {}: {e}", material.did))
        })?;
        if !new {
            return Ok(None);
        }
        let did = &material.did;
        let kept = self.folder.has(&folder::identity(did));
        let of_trust = self.trust.iter().any(|t| t.identities().iter().any(|m| &m.did == did));
        if keep || kept || of_trust {
            self.passing.retain(|d| d != did);
            self.write_identity(did);
        } else if !self.passing.contains(did) {
            self.passing.push_back(material.did.clone());
            if self.passing.len() > MAX_PASSING
                && let Some(gone) = self.passing.pop_front()
            {
                self.identities.forget(&gone);
            }
        }
        Ok(Some(Taken::Identity(material.did.clone())))
    }

    /// Keeps what is known of a DID from now on: something that is kept rests on it.
    pub fn keep_identity(&mut self, did: &Did) {
        if let Some(index) = self.passing.iter().position(|d| d == did) {
            self.passing.remove(index);
            self.write_identity(did);
        }
    }

    fn write_identity(&self, did: &Did) {
        let Some(material) = self.identities.material(did) else { return };
        if let Err(e) = self.keep_material(&material) {
            tracing::error!(%did, code = %e.code(), "what proves a DID is not kept: {e}");
        }
    }

    pub(super) fn keep_material(&self, material: &IdentityMaterial) -> Result<(), MaterialError> {
        let bytes = serde_json::to_vec(material)
            .map_err(|e| MaterialError::new(codes::NODE_FOLDER, e.to_string()))?;
        self.folder.write(&folder::identity(&material.did), &bytes)
    }
}
