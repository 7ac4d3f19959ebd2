//! Role definitions that others published: kept so that they are there when who published them is
//! gone. Only so many, the ones that came last: nobody signs a definition, and anybody can publish
//! some. What the charter lists is in the trust pack, and what the operator pinned is its own.

use super::{Material, MaterialError, folder};
use gridpass_credentials::content_id::ContentId;

/// The most definitions of others that are kept; each has at most 64 KiB.
pub(in crate::node) const MAX_PUBLISHED: usize = 256;

impl Material {
    /// Keeps a definition that somebody published; gives the one that makes room for it.
    ///
    /// # Errors
    /// [`MaterialError`] if it cannot be written.
    pub(in crate::node) fn keep_published(
        &mut self,
        id: ContentId,
        bytes: Vec<u8>,
    ) -> Result<Option<ContentId>, MaterialError> {
        if self.documents.contains_key(&id) {
            return Ok(None);
        }
        self.folder.write(&folder::published(&id), &bytes)?;
        self.documents.insert(id.clone(), bytes);
        self.published.push_back(id);
        if self.published.len() <= MAX_PUBLISHED {
            return Ok(None);
        }
        let Some(gone) = self.published.pop_front() else { return Ok(None) };
        self.folder.remove(&folder::published(&gone))?;
        self.documents.remove(&gone);
        Ok(Some(gone))
    }

    /// Whether a document is kept until the operator removes it.
    pub(in crate::node) fn is_pinned(&self, id: &ContentId) -> bool {
        self.documents.contains_key(id) && !self.published.contains(id)
    }

    /// Keeps a document until the operator removes it.
    ///
    /// # Errors
    /// [`MaterialError`] if it cannot be written.
    pub(in crate::node) fn pin(
        &mut self,
        id: &ContentId,
        bytes: Vec<u8>,
    ) -> Result<(), MaterialError> {
        if self.is_pinned(id) {
            return Ok(());
        }
        self.keep_document(id.clone(), bytes)?;
        self.published.retain(|p| p != id);
        self.folder.remove(&folder::published(id))
    }
}
