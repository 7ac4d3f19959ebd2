//! Envelopes: one JWS for each message, whose header is what policy reads and whose JWS payload is
//! the CID of what schema reads.
//!
//! On the wire an envelope is DAG-CBOR `[protected, payload, signature]`; its name is the CID of
//! the block `[protected, link to the payload, signature]`. So the signature, the name and the
//! header can be checked by whoever was not given the payload, or has forgotten it. The format
//! stands in `spec/envelope.md`.

mod header;

pub use header::Header;

use crate::codes;
use crate::spelt::is_spelt_so;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::{ContentId, ContentIdError, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::key::{Algorithm, KeyError, PublicKey, SecretKey};
use gridpass_identity::prepared::PreparedKey;
use header::{read_header, spell};
use ipld_core::cid::Cid;
use serde_bytes::{ByteBuf, Bytes};

/// What `typ` says.
pub const TYPE: &str = "gridpass-envelope";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// The longest protected header, in bytes.
pub const MAX_HEADER: usize = 64 * 1024;
/// The longest payload, in bytes: what is larger travels as a file.
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// The longest envelope on the wire: header, payload, signature, and the brackets around them.
pub const MAX_WIRE: usize = MAX_HEADER + MAX_PAYLOAD + AROUND;
/// The signature, and the brackets around all three.
const AROUND: usize = 128;
/// The most recipients.
pub const MAX_RECIPIENTS: usize = 256;
/// The most attributes.
pub const MAX_ATTRIBUTES: usize = 64;

/// Why an envelope was not made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// It is not one, or not in its one encoding.
    #[error("not an envelope: {0}")]
    Malformed(String),
    /// It is of a version that is not known here. Newer peers may know it.
    #[error("its format version {0} is unknown")]
    Version(u32),
    /// It is too long.
    #[error("{what} has {found} bytes, and at most {limit} are taken")]
    TooLarge {
        /// `the header`, `the payload` or `the envelope`.
        what: &'static str,
        /// How long it is.
        found: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The payload is another than the one that was signed.
    #[error(transparent)]
    Payload(#[from] ContentIdError),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl EnvelopeError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::ENVELOPE_MALFORMED,
            Self::Version(_) => codes::ENVELOPE_VERSION,
            Self::TooLarge { .. } => codes::ENVELOPE_TOO_LARGE,
            Self::Payload(e) => e.code(),
            Self::Key(e) => e.code(),
        }
    }
}

fn malformed(reason: impl Into<String>) -> EnvelopeError {
    EnvelopeError::Malformed(reason.into())
}

/// What is signed: a JWS (RFC 7515 section 5.1) whose payload is the CID of the payload, as text.
fn signing_input(protected: &[u8], payload: &ContentId) -> String {
    let protected = URL_SAFE_NO_PAD.encode(protected);
    format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload.as_str()))
}

/// An envelope as it was made or read: well formed, and of those bytes. Whether its signature holds
/// is asked with [`Envelope::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    header: Header,
    protected: Vec<u8>,
    signature: [u8; 64],
    payload_id: ContentId,
    payload_bytes: u64,
    payload: Option<Vec<u8>>,
    id: EnvelopeId,
}

/// The bytes do not carry this key's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header or payload was changed, or another key signed them")]
pub struct NotSigned;

impl Envelope {
    /// Makes and signs an envelope.
    ///
    /// # Errors
    /// [`EnvelopeError`] for a header that contradicts itself, a payload that is too large, or a
    /// key that is not Ed25519.
    pub fn sign(header: Header, payload: Vec<u8>, key: &SecretKey) -> Result<Self, EnvelopeError> {
        header.check()?;
        bounded("the payload", payload.len(), MAX_PAYLOAD)?;
        if key.public_key().algorithm()? != Algorithm::EdDsa {
            return Err(malformed("envelopes are signed with Ed25519"));
        }
        let payload_bytes = u64::try_from(payload.len()).unwrap_or(u64::MAX);
        let (header, protected) = spell(header, payload_bytes)?;
        bounded("the header", protected.len(), MAX_HEADER)?;
        let payload_id = ContentId::of_bytes(&payload)?;
        let signature = key.sign(signing_input(&protected, &payload_id).as_bytes())?;
        let block = block(&protected, &payload_id, &signature)?;
        let id = EnvelopeId::of_block(&block)?;
        let payload = Some(payload);
        Ok(Self { header, protected, signature, payload_id, payload_bytes, payload, id })
    }

    /// Reads an envelope from the wire.
    ///
    /// # Errors
    /// [`EnvelopeError`]: other encodings of the same content are refused too.
    pub fn parse(wire: &[u8]) -> Result<Self, EnvelopeError> {
        bounded("the envelope", wire.len(), MAX_WIRE)?;
        let (protected, payload, signature): (ByteBuf, ByteBuf, ByteBuf) =
            serde_ipld_dagcbor::from_slice(wire).map_err(|e| malformed(e.to_string()))?;
        bounded("the payload", payload.len(), MAX_PAYLOAD)?;
        let payload = payload.into_vec();
        let payload_id = ContentId::of_bytes(&payload)?;
        let (read, _) =
            Self::of_parts(protected.into_vec(), payload_id, &signature, Some(payload))?;
        if !read.parts().is_some_and(|parts| is_spelt_so(&parts, wire)) {
            return Err(malformed("it is not in canonical DAG-CBOR"));
        }
        Ok(read)
    }

    /// Reads an envelope without its payload from its block.
    ///
    /// # Errors
    /// [`EnvelopeError`].
    pub fn parse_block(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        bounded("the envelope", bytes.len(), MAX_WIRE)?;
        let (protected, payload, signature): (ByteBuf, Cid, ByteBuf) =
            serde_ipld_dagcbor::from_slice(bytes).map_err(|e| malformed(e.to_string()))?;
        let payload_id = ContentId::of_cid(&payload)?;
        let (read, block) = Self::of_parts(protected.into_vec(), payload_id, &signature, None)?;
        if block != bytes {
            return Err(malformed("it is not in canonical DAG-CBOR"));
        }
        Ok(read)
    }

    /// With its block.
    fn of_parts(
        protected: Vec<u8>,
        payload_id: ContentId,
        signature: &[u8],
        payload: Option<Vec<u8>>,
    ) -> Result<(Self, Vec<u8>), EnvelopeError> {
        bounded("the header", protected.len(), MAX_HEADER)?;
        let signature =
            signature.try_into().map_err(|_| malformed("its signature is not of 64 bytes"))?;
        let (header, payload_bytes) = read_header(&protected)?;
        let found = payload.as_ref().map(|p| u64::try_from(p.len()).unwrap_or(u64::MAX));
        if found.is_some_and(|found| found != payload_bytes) {
            return Err(malformed("its payload has another length than its header says"));
        }
        let block = block(&protected, &payload_id, &signature)?;
        let id = EnvelopeId::of_block(&block)?;
        let read = Self { header, protected, signature, payload_id, payload_bytes, payload, id };
        Ok((read, block))
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &EnvelopeId {
        &self.id
    }

    /// What its header says. Believe it only after [`Envelope::verify`].
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload, unless it is withheld or forgotten.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.payload.as_deref()
    }

    /// The payload's name.
    #[must_use]
    pub fn payload_id(&self) -> &ContentId {
        &self.payload_id
    }

    /// The payload's size in bytes, as the header says.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes
    }

    /// As it travels; `None` without its payload.
    #[must_use]
    pub fn to_wire(&self) -> Option<Vec<u8>> {
        let parts = self.parts()?;
        let (protected, payload, _) = parts;
        let size = protected.len().saturating_add(payload.len()).saturating_add(AROUND);
        let mut wire = Vec::with_capacity(size);
        serde_ipld_dagcbor::to_writer(&mut wire, &parts).ok()?;
        Some(wire)
    }

    fn parts(&self) -> Option<(&Bytes, &Bytes, &Bytes)> {
        let payload = Bytes::new(self.payload.as_deref()?);
        Some((Bytes::new(&self.protected), payload, Bytes::new(&self.signature)))
    }

    /// The block that it is named by, which links to the payload.
    ///
    /// # Errors
    /// None that can occur.
    pub fn to_block(&self) -> Result<Vec<u8>, EnvelopeError> {
        block(&self.protected, &self.payload_id, &self.signature)
    }

    /// The JWS in compact form, whose payload is the CID of the payload: any JOSE library verifies
    /// it.
    #[must_use]
    pub fn to_jws(&self) -> String {
        let input = signing_input(&self.protected, &self.payload_id);
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(self.signature))
    }

    /// Forgets the payload. Name, header and signature can still be checked.
    #[must_use]
    pub fn without_payload(self) -> Self {
        Self { payload: None, ..self }
    }

    /// Whether this key signed it. Whose key it is, and whether it was good, is for the caller.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), NotSigned> {
        // Only Ed25519: of other signatures anybody can make a second one, and so a second name.
        if key.algorithm() != Ok(Algorithm::EdDsa) {
            return Err(NotSigned);
        }
        let input = signing_input(&self.protected, &self.payload_id);
        key.verify(input.as_bytes(), &self.signature).map_err(|_| NotSigned)
    }

    /// [`Self::verify`] with a key of many messages.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub fn verify_prepared(&self, key: &PreparedKey) -> Result<(), NotSigned> {
        let input = signing_input(&self.protected, &self.payload_id);
        key.verify(input.as_bytes(), &self.signature).map_err(|_| NotSigned)
    }
}

fn bounded(what: &'static str, found: usize, limit: usize) -> Result<(), EnvelopeError> {
    if found > limit {
        return Err(EnvelopeError::TooLarge { what, found, limit });
    }
    Ok(())
}

fn block(
    protected: &[u8],
    payload: &ContentId,
    signature: &[u8; 64],
) -> Result<Vec<u8>, EnvelopeError> {
    let parts = (Bytes::new(protected), payload.to_cid()?, Bytes::new(signature));
    serde_ipld_dagcbor::to_vec(&parts).map_err(|e| malformed(e.to_string()))
}

#[cfg(test)]
mod tests;
