//! Names of immutable documents: CIDv1, codec raw, sha2-256, in base32.
//!
//! Role definitions, schemas, channel descriptors and charters are the JCS (RFC 8785) bytes of
//! their JSON, in one block; any IPFS implementation gives the same name to the same bytes.

use crate::codes;
use cid::Cid;
use data_encoding::BASE32_NOPAD;
use gridpass_identity::code::Code;
use gridpass_identity::json;
use serde::de::Visitor;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

/// The multicodec of raw bytes.
const RAW: u8 = 0x55;
/// The multicodec of DAG-CBOR.
const DAG_CBOR: u8 = 0x71;
/// The length of every such CID in base32.
const LENGTH: usize = 59;
/// The length of every such CID in bytes.
const BYTES: usize = 36;

/// What every such CID begins with: version 1, the codec, sha2-256, 32 bytes.
const fn beginning(codec: u8) -> [u8; 4] {
    [0x01, codec, 0x12, 0x20]
}

/// The text of a name. A node copies several for each message.
type Text = Arc<str>;

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

fn name_of(codec: u8, bytes: &[u8]) -> Text {
    let mut cid = [0; BYTES];
    let digest = Sha256::digest(bytes);
    for (place, byte) in cid.iter_mut().zip(beginning(codec).iter().chain(&digest)) {
        *place = *byte;
    }
    text_of(&cid)
}

fn text_of(cid: &[u8; BYTES]) -> Text {
    // The multibase prefix of base32.
    let mut text = [b'b'; LENGTH];
    if let Some((_, rest)) = text.split_first_mut() {
        BASE32_NOPAD.encode_mut(cid, rest);
        rest.make_ascii_lowercase();
    }
    std::str::from_utf8(&text).unwrap_or_default().into()
}

fn refused(text: &str) -> ContentIdError {
    ContentIdError::Malformed(text.chars().take(80).collect())
}

/// The bytes of a name; nothing for what is none, and for a second spelling of one.
fn bytes_of(text: &[u8]) -> Option<[u8; BYTES]> {
    let (b'b', rest) = text.split_first()? else { return None };
    let mut upper = <[u8; LENGTH - 1]>::try_from(rest).ok()?;
    if upper.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    upper.make_ascii_uppercase();
    let mut bytes = [0; BYTES];
    // It refuses unused bits that are set.
    BASE32_NOPAD.decode_mut(&upper, &mut bytes).ok()?;
    Some(bytes)
}

fn read_name(codec: u8, text: &str) -> Result<Text, ContentIdError> {
    let bytes = bytes_of(text.as_bytes()).filter(|b| b.starts_with(&beginning(codec)));
    bytes.map(|_| text.into()).ok_or_else(|| refused(text))
}

/// The name of an envelope: CIDv1, codec dag-cbor, sha2-256, in base32. Ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeId(Text);

impl EnvelopeId {
    /// The name of an envelope's block.
    ///
    /// # Errors
    /// None that can occur, as for [`ContentId::of_bytes`].
    pub fn of_block(bytes: &[u8]) -> Result<Self, ContentIdError> {
        Ok(Self(name_of(DAG_CBOR, bytes)))
    }

    /// Reads a name, in its one spelling.
    ///
    /// # Errors
    /// [`ContentIdError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, ContentIdError> {
        read_name(DAG_CBOR, text).map(Self)
    }

    /// The CID in bytes, for where names are kept by the million.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BYTES] {
        // There is no other text.
        bytes_of(self.0.as_bytes()).unwrap_or([0; BYTES])
    }

    /// Reads a name from the bytes of its CID.
    ///
    /// # Errors
    /// [`ContentIdError::Malformed`].
    pub fn from_bytes(cid: &[u8; BYTES]) -> Result<Self, ContentIdError> {
        if !cid.starts_with(&beginning(DAG_CBOR)) {
            return Err(refused(&text_of(cid)));
        }
        Ok(Self(text_of(cid)))
    }

    /// The text, shared with the name.
    #[must_use]
    pub fn to_text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of an immutable document. Ordered by its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(Text);

impl ContentId {
    /// The name of these bytes.
    ///
    /// # Errors
    /// None that can occur.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, ContentIdError> {
        Ok(Self(name_of(RAW, bytes)))
    }

    /// The name as a CID, for codecs that link to it.
    ///
    /// # Errors
    /// None that can occur: what [`ContentId::parse`] took is one.
    pub fn to_cid(&self) -> Result<Cid, ContentIdError> {
        let bytes =
            bytes_of(self.0.as_bytes()).and_then(|bytes| Cid::try_from(bytes.as_slice()).ok());
        bytes.ok_or_else(|| refused(self.as_str()))
    }

    /// The name that a CID is.
    ///
    /// # Errors
    /// [`ContentIdError::Malformed`] for one of another version, codec or hash.
    pub fn of_cid(cid: &Cid) -> Result<Self, ContentIdError> {
        let bytes = <[u8; BYTES]>::try_from(cid.to_bytes()).ok();
        let bytes = bytes.filter(|bytes| bytes.starts_with(&beginning(RAW)));
        bytes.map(|b| Self(text_of(&b))).ok_or_else(|| refused(&cid.to_string()))
    }

    /// The text, shared with the name.
    #[must_use]
    pub fn to_text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The name of no bytes at all: what stands for evidence that has no canonical form.
    #[must_use]
    pub fn of_nothing() -> Self {
        Self("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku".into())
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
        read_name(RAW, text).map(Self)
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
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                /// Reads it where it stands: a copy of its own would only be thrown away.
                struct Read;
                impl Visitor<'_> for Read {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("the text of a CID")
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Read)
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
            // As the library of CIDs writes it.
            let cid = id.to_cid().expect("a CID");
            prop_assert_eq!(cid.to_string(), id.as_str());
            prop_assert_eq!(ContentId::of_cid(&cid).ok(), Some(id.clone()));
            prop_assert_eq!(Cid::try_from(id.as_str()).ok(), Some(cid));
        }

        #[test]
        fn reads_what_the_library_of_cids_reads_in_its_one_spelling(
            text in "(bafkrei|bafyrei|Bafkrei|bafkreh|cafkrei)[a-hA2-7][a-z2-7]{50}[a-z2-7=A]",
        ) {
            let read = Cid::try_from(text.as_str()).ok().filter(|c| c.to_string() == text);
            let is = |codec: u8| read.as_ref().is_some_and(|c| {
                c.codec() == u64::from(codec) && c.hash().code() == 0x12 && c.hash().size() == 32
            });
            prop_assert_eq!(ContentId::parse(&text).is_ok(), is(RAW));
            if let Some(cid) = &read {
                prop_assert_eq!(ContentId::of_cid(cid).ok(), ContentId::parse(&text).ok());
            }
            prop_assert_eq!(EnvelopeId::parse(&text).is_ok(), is(DAG_CBOR));
        }

        #[test]
        fn the_reader_never_panics(text in "\\PC{0,70}") {
            let _ = ContentId::parse(&text);
        }
    }
}
