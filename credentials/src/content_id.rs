//! Names of immutable documents: CIDv1, codec raw, sha2-256, in base32.
//!
//! Role definitions, schemas, channel descriptors and charters are the JCS (RFC 8785) bytes of
//! their JSON, in one block; any IPFS implementation gives the same name to the same bytes.

use crate::codes;
use cid::Cid;
use gridpass_identity::code::Code;
use gridpass_identity::json;
use multihash::Multihash;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The multicodec of raw bytes.
const RAW: u64 = 0x55;
/// The multicodec of DAG-CBOR.
const DAG_CBOR: u64 = 0x71;
/// The multihash code of sha2-256.
const SHA2_256: u64 = 0x12;
/// The length of every such CID in base32.
const LENGTH: usize = 59;

/// Why a name or the document under it was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentIdError {
    /// Not the one form that Gridpass uses.
    #[error("{0:?} is not a CIDv1 with sha2-256, in base32, of what is asked for")]
    Malformed(String),
    /// Another document.
    #[error("the bytes hash to {found}, and {expected} was asked for")]
    Other {
        /// What was asked for.
        expected: ContentId,
        /// What came.
        found: ContentId,
    },
    /// The value has no canonical form.
    #[error("no canonical form: {0}")]
    NotJson(String),
}

impl ContentIdError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::CID_MALFORMED,
            Self::Other { .. } => codes::CID_OTHER,
            Self::NotJson(_) => codes::DOCUMENT_NOT_CANONICAL,
        }
    }
}

fn name_of(codec: u64, bytes: &[u8]) -> Result<Cid, ContentIdError> {
    let hash = Multihash::<64>::wrap(SHA2_256, &Sha256::digest(bytes))
        .map_err(|e| ContentIdError::Malformed(e.to_string()))?;
    Ok(Cid::new_v1(codec, hash))
}

fn refused(text: &str) -> ContentIdError {
    ContentIdError::Malformed(text.chars().take(80).collect())
}

fn is_name(codec: u64, text: &str) -> bool {
    text.len() == LENGTH
        && Cid::try_from(text).is_ok_and(|cid| {
            let hash = cid.hash();
            cid.version() == cid::Version::V1
                && cid.codec() == codec
                && hash.code() == SHA2_256
                && hash.size() == 32
                // Upper case and unused bits would be second spellings.
                && cid.to_string() == text
        })
}

/// The name of an envelope: CIDv1, codec dag-cbor, sha2-256, in base32. Ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeId(String);

impl EnvelopeId {
    /// The name of an envelope's block.
    ///
    /// # Errors
    /// None that can occur, as for [`ContentId::of_bytes`].
    pub fn of_block(bytes: &[u8]) -> Result<Self, ContentIdError> {
        Ok(Self(name_of(DAG_CBOR, bytes)?.to_string()))
    }

    /// Reads a name, in its one spelling.
    ///
    /// # Errors
    /// [`ContentIdError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ContentIdError> {
        is_name(DAG_CBOR, text).then(|| Self(text.to_owned())).ok_or_else(|| refused(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an immutable document. Ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(String);

impl ContentId {
    /// The name of these bytes.
    ///
    /// # Errors
    /// None that can occur: a sha2-256 digest always fits; the type says so because the library's
    /// constructor is general.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, ContentIdError> {
        Ok(Self(name_of(RAW, bytes)?.to_string()))
    }

    /// The name as a CID, for codecs that link to it.
    ///
    /// # Errors
    /// None that can occur: what [`ContentId::parse`] took is one.
    pub fn to_cid(&self) -> Result<Cid, ContentIdError> {
        Cid::try_from(self.0.as_str()).map_err(|_| ContentIdError::Malformed(self.0.clone()))
    }

    /// The name of no bytes at all: what stands for evidence that has no canonical form.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".to_owned())
    }

    /// The name of a JSON value: of its JCS bytes, which are given back too.
    ///
    /// # Errors
    /// [`ContentIdError::NotJson`] for a value that JCS cannot represent.
    pub fn of_json<T: Serialize>(value: &T) -> Result<(Self, Vec<u8>), ContentIdError> {
        let bytes =
            json::canonicalize(value).map_err(|e| ContentIdError::NotJson(e.to_string()))?;
        Ok((Self::of_bytes(&bytes)?, bytes))
    }

    /// Reads a name. One document has one name: other bases, codecs, versions and hashes are
    /// refused, even where they would name the same bytes.
    ///
    /// # Errors
    /// [`ContentIdError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ContentIdError> {
        is_name(RAW, text).then(|| Self(text.to_owned())).ok_or_else(|| refused(text))
    }

    /// Refuses bytes that do not hash to this name.
    ///
    /// # Errors
    /// [`ContentIdError::Other`].
    pub fn verify(&self, bytes: &[u8]) -> Result<(), ContentIdError> {
        let found = Self::of_bytes(bytes)?;
        if &found == self {
            return Ok(());
        }
        Err(ContentIdError::Other { expected: self.clone(), found })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Both names are their text, wherever they are shown, written or read.
macro_rules! is_its_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

is_its_text!(ContentId);
is_its_text!(EnvelopeId);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Checked in two other implementations of IPFS.
    const ROLE: &str = "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77grai";

    #[test]
    fn names_a_document_as_other_implementations_do() -> Result<(), ContentIdError> {
        let value = json!({"version": "1.0.0", "role": "aggregator"});
        let (id, bytes) = ContentId::of_json(&value)?;
        assert_eq!(bytes, br#"{"role":"aggregator","version":"1.0.0"}"#);
        assert_eq!(id.as_str(), ROLE);
        id.verify(&bytes)
    }

    #[test]
    fn the_name_of_nothing_is_that_of_no_bytes() {
        assert_eq!(ContentId::of_bytes(b""), Ok(ContentId::of_nothing()));
    }

    #[test]
    fn refuses_bytes_that_are_not_its_own() -> Result<(), ContentIdError> {
        let error = ContentId::parse(ROLE)?.verify(b"{}").expect_err("another document");
        assert_eq!(error.code(), codes::CID_OTHER);
        Ok(())
    }

    #[test]
    fn refuses_every_other_form_of_a_name() {
        for text in [
            "",
            "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77gra",
            "BAFKREIE4MQ4GXLPZYYEWU7J6D4LKQ5BZU25QD6G4SK3W66JORMNY77GRAI",
            // CIDv0, dag-pb, dag-cbor, identity hash.
            "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
            "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
            "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
            "bafkqadtjnzzxa4tvmnsxeidcnrqwg2y",
            "bafkreie4mq4gxlpzyyewu7j6d4lkq5bzu25qd6g4sk3w66jormny77graj",
        ] {
            let error = ContentId::parse(text).expect_err(text);
            assert_eq!(error.code(), codes::CID_MALFORMED, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_name_reads_back_and_fits_its_bytes_only(bytes: Vec<u8>, other: Vec<u8>) {
            let id = ContentId::of_bytes(&bytes).expect("a name");
            prop_assert_eq!(ContentId::parse(id.as_str()), Ok(id.clone()));
            prop_assert_eq!(id.verify(&bytes), Ok(()));
            prop_assert_eq!(id.verify(&other).is_ok(), bytes == other);
        }

        #[test]
        fn the_reader_never_panics(text in "\\PC{0,70}") {
            let _ = ContentId::parse(&text);
        }
    }
}
