//! What a message of a bundle says: its payload, opened with the key that is disclosed where it is sealed.

use super::Bundle;
use super::entries::{MessageEntry, PayloadState};
use crate::codes;
use crate::envelope::{Envelope, EnvelopeError, Header};
use crate::sealing::{MessageKey, Place, SealedPayload, SealingError};
use gridpass_identity::code::Code;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::{ByteBuf, Bytes};
use zeroize::Zeroizing;

/// A message key that is disclosed. It opens one message, and is none of the exporter's own secrets.
/// Whoever has the bundle has it; a log of who prints its entries need not.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosed(Zeroizing<Vec<u8>>);

impl Disclosed {
    /// Takes over what a bundle lists: 32 bytes, if it is right.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Disclosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Disclosed({} bytes, not shown)", self.0.len())
    }
}

impl Serialize for Disclosed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes::new(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Disclosed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(ByteBuf::deserialize(deserializer)?.into_vec()))
    }
}

/// Why a payload is not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The envelope cannot be read.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The entry names other bytes than the sender signed.
    #[error("the payload that is listed is another than the one that was signed")]
    Other,
    /// What is disclosed is no key.
    #[error("the disclosed key has not 32 bytes")]
    Key,
    /// It does not open with the key that is disclosed.
    #[error(transparent)]
    Sealing(#[from] SealingError),
}

impl PayloadError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Envelope(e) => e.code(),
            Self::Other => gridpass_credentials::codes::CID_OTHER,
            Self::Key => codes::SEALING_MALFORMED,
            Self::Sealing(e) => e.code(),
        }
    }
}

impl<'b> Bundle<'b> {
    /// The payload of a message: as it was signed or, of a sealed one, as the key that is disclosed opens
    /// it. Nothing where it is not in the file, or sealed and no key disclosed. Who sent it, and whether
    /// anybody was allowed to, is not asked here: [verify](super::verify()) the bundle first.
    ///
    /// # Errors
    /// [`PayloadError`].
    pub fn payload(
        &self,
        entry: &MessageEntry,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, PayloadError> {
        let Some(block) = self.block(&entry.envelope) else { return Ok(None) };
        let envelope = Envelope::parse_block(block)?;
        let Some(bytes) = self.signed_payload(entry, &envelope)? else { return Ok(None) };
        match envelope.header().is_sealed() {
            true => opened(entry, envelope.header(), bytes).transpose(),
            false => Ok(Some(Zeroizing::new(bytes.to_vec()))),
        }
    }

    /// The payload of a message as it was signed, where it is listed as being in the file and is.
    pub(super) fn signed_payload(
        &self,
        entry: &MessageEntry,
        envelope: &Envelope,
    ) -> Result<Option<&'b [u8]>, PayloadError> {
        let id = envelope.payload_id();
        match entry.payload {
            PayloadState::Withheld | PayloadState::Gone => Ok(None),
            PayloadState::Here if entry.content != id.to_cid().ok() => Err(PayloadError::Other),
            PayloadState::Here => Ok(self.document(id)),
        }
    }
}

/// A sealed payload as the key that is disclosed opens it; nothing where none is.
pub(super) fn opened(
    entry: &MessageEntry,
    header: &Header,
    bytes: &[u8],
) -> Option<Result<Zeroizing<Vec<u8>>, PayloadError>> {
    let (key, place) = (entry.key.as_ref()?, Place::of(header)?);
    let Ok(key) = <[u8; 32]>::try_from(key.expose()) else { return Some(Err(PayloadError::Key)) };
    let sealed = SealedPayload::parse(bytes);
    Some(sealed.and_then(|s| s.open(&MessageKey::new(key), &place)).map_err(PayloadError::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disclosed_key_is_not_printed_and_is_bytes_in_the_file() {
        let bytes = vec![7; 32];
        let key = Disclosed::new(bytes.clone());
        assert_eq!(format!("{key:?}"), "Disclosed(32 bytes, not shown)");
        let written = serde_ipld_dagcbor::to_vec(&key).expect("CBOR");
        assert_eq!(written, serde_ipld_dagcbor::to_vec(&ByteBuf::from(bytes)).expect("CBOR"));
        let read: Disclosed = serde_ipld_dagcbor::from_slice(&written).expect("it reads");
        assert_eq!(read, key);
    }
}
