//! Documents that anybody may have, by their CIDs: what they are, and where they are kept.
//!
//! ```text
//! bytes -> PublicDocument         only role definitions, charters and trust packs are published
//! ContentStore: the own node, its peers, a Kubo node       gives bytes that are not believed
//! fetch -> bytes that hash to the CID                      whichever store gave them
//! ```

use crate::codes;
use gridpass_credentials::charter::{self, SignedCharter};
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_credentials::role::{self, RoleDefinition};
use gridpass_credentials::trust;
use gridpass_identity::code::Code;
use gridpass_identity::json::{self, Limits};
use serde_json::Value;

/// The longest document that is published, in bytes: one block, everywhere.
pub const MAX_DOCUMENT: usize = 1024 * 1024;

/// Why a document is not kept, or not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ContentError {
    /// The stable reason code.
    pub code: Code,
    /// What happened.
    pub message: String,
}

impl ContentError {
    /// With a code and a sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }
}

impl From<ContentIdError> for ContentError {
    fn from(e: ContentIdError) -> Self {
        Self::new(e.code(), e.to_string())
    }
}

/// What a public document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKind {
    /// A role definition.
    RoleDefinition,
    /// A charter without its signatures: what its CID names.
    Charter,
    /// A trust pack, whose signatures are not looked at here.
    TrustPack,
}

/// A document that anybody may have, as its CID names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicDocument {
    /// Its name.
    pub id: ContentId,
    /// What it is.
    pub kind: PublicKind,
    /// Its bytes, in canonical form.
    pub bytes: Vec<u8>,
}

impl PublicDocument {
    /// Reads one: nothing else is published, so that nobody gives away what was meant for few.
    ///
    /// # Errors
    /// [`ContentError`] says what it is not.
    pub fn read(bytes: &[u8]) -> Result<Self, ContentError> {
        let refuse = |why: String| ContentError::new(codes::CONTENT_KIND, why);
        if bytes.len() > MAX_DOCUMENT {
            return Err(refuse(format!("it has more than {MAX_DOCUMENT} bytes")));
        }
        let value =
            json::parse_strict(bytes, Limits::DOCUMENT).map_err(|e| refuse(e.to_string()))?;
        let kind = match value.get("type").and_then(Value::as_str) {
            Some(role::TYPE) => {
                RoleDefinition::parse(bytes, None)
                    .map_err(|e| ContentError::new(e.code(), e.to_string()))?;
                PublicKind::RoleDefinition
            }
            Some(charter::TYPE) if value.get("proof").is_none() => {
                SignedCharter::from_json(value.clone())
                    .map_err(|e| ContentError::new(e.code(), e.to_string()))?;
                PublicKind::Charter
            }
            Some(trust::TYPE) => PublicKind::TrustPack,
            _ => {
                let what = "it is no role definition, charter without signatures or trust pack";
                return Err(refuse(what.to_owned()));
            }
        };
        let (id, canonical) = ContentId::of_json(&value)?;
        if canonical != bytes {
            let code = gridpass_credentials::codes::DOCUMENT_NOT_CANONICAL;
            return Err(ContentError::new(code, "it is not in canonical form (JCS)"));
        }
        Ok(Self { id, kind, bytes: canonical })
    }
}

/// Where a document was put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Who has it now, as far as the store knows.
    pub at: Vec<String>,
}

/// Bytes that a store gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The bytes. Not believed.
    pub bytes: Vec<u8>,
    /// Who gave them.
    pub from: String,
    /// Who gave other bytes, and was found out by the store itself.
    pub altered: Vec<String>,
}

/// Keeps documents by their CIDs. What it gives is not believed: see [`fetch`].
pub trait ContentStore {
    /// Which it is, in a few words.
    fn name(&self) -> String;

    /// Keeps a document from now on, and gives it to who asks for it.
    ///
    /// # Errors
    /// [`ContentError`].
    fn publish(&mut self, document: &PublicDocument) -> Result<Kept, ContentError>;

    /// Gets a document from wherever the store can, and keeps it from now on.
    ///
    /// # Errors
    /// [`ContentError`].
    fn pin(&mut self, id: &ContentId) -> Result<Kept, ContentError>;

    /// The bytes under a name.
    ///
    /// # Errors
    /// [`ContentError`].
    fn get(&mut self, id: &ContentId) -> Result<Given, ContentError>;

    /// How it is, and where it is asked about a document, who has that.
    ///
    /// # Errors
    /// [`ContentError`].
    fn status(&mut self, id: Option<&ContentId>) -> Result<Value, ContentError>;
}

/// Gets a document from a store, and holds it against its name.
///
/// # Errors
/// [`ContentError`]: that of the store, or `GP-CID-OTHER`, naming who gave other bytes.
pub fn fetch(store: &mut dyn ContentStore, id: &ContentId) -> Result<Given, ContentError> {
    let given = store.get(id)?;
    id.verify(&given.bytes).map_err(|e| {
        let message = format!("{} gave other bytes: {e}", given.from);
        ContentError::new(e.code(), message)
    })?;
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_credentials::codes as credential_codes;

    /// Gives what it was told to give.
    struct Fixed(&'static [u8]);

    impl ContentStore for Fixed {
        fn name(&self) -> String {
            "fixed".into()
        }

        fn publish(&mut self, _: &PublicDocument) -> Result<Kept, ContentError> {
            Ok(Kept::default())
        }

        fn pin(&mut self, _: &ContentId) -> Result<Kept, ContentError> {
            Ok(Kept::default())
        }

        fn get(&mut self, _: &ContentId) -> Result<Given, ContentError> {
            let bytes = self.0.to_vec();
            Ok(Given { bytes, from: "somebody".into(), altered: Vec::new() })
        }

        fn status(&mut self, _: Option<&ContentId>) -> Result<Value, ContentError> {
            Ok(Value::Null)
        }
    }

    #[test]
    fn whatever_store_gave_it_is_held_against_its_name() -> Result<(), ContentError> {
        let id = ContentId::of_bytes(b"right")?;
        assert_eq!(fetch(&mut Fixed(b"right"), &id)?.bytes, b"right");
        let refused = fetch(&mut Fixed(b"wrong"), &id).expect_err("other bytes");
        assert_eq!(refused.code, credential_codes::CID_OTHER);
        assert!(refused.message.starts_with("somebody gave other bytes"), "{refused}");
        Ok(())
    }

    #[test]
    fn only_what_is_meant_for_everybody_is_published() {
        for bytes in [
            &b""[..],
            b"eyJhbGciOiJFZERTQSJ9.e30.AA",
            b"{}",
            br#"{"type":"gridpass-channel"}"#,
            br#"{"type":["VerifiablePresentation"]}"#,
        ] {
            let refused = PublicDocument::read(bytes).expect_err("not public");
            assert_eq!(refused.code, codes::CONTENT_KIND, "{refused}");
        }
        let refused = PublicDocument::read(br#"{"type":"gridpass-role-definition"}"#);
        assert_eq!(refused.expect_err("none").code, credential_codes::ROLE_MALFORMED);
    }
}
