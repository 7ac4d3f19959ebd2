//! Envelopes: one JWS for each message, whose header is what policy reads and whose JWS payload is
//! the CID of what schema reads.
//!
//! On the wire an envelope is DAG-CBOR `[protected, payload, signature]`; its name is the CID of
//! the block `[protected, link to the payload, signature]`. So the signature, the name and the
//! header can be checked by whoever was not given the payload, or has forgotten it. The format
//! stands in `spec/envelope.md`.

use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::{ContentId, ContentIdError, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::key::{Algorithm, KeyError, PublicKey, SecretKey};
use gridpass_identity::time::UnixMillis;
use ipld_core::cid::Cid;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteBuf, Bytes};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What `typ` says.
pub const TYPE: &str = "gridpass-envelope";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// The longest protected header, in bytes.
pub const MAX_HEADER: usize = 64 * 1024;
/// The longest payload, in bytes: what is larger travels as a file.
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// The longest envelope on the wire: header, payload, signature, and the brackets around them.
pub const MAX_WIRE: usize = MAX_HEADER + MAX_PAYLOAD + 128;
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

/// What the protected header says: everything that policy reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The topic.
    pub topic: String,
    /// Its version.
    pub topic_version: u32,
    /// The schema of that version.
    pub schema: ContentId,
    /// The payload's media type.
    pub media_type: String,
    /// The sender.
    pub sender: Did,
    /// The key that signs: the sender's own, or its node's.
    pub key: DidUrl,
    /// The node's authorisation by the sender; exactly where the key is a node's.
    pub authorisation: Option<ContentId>,
    /// The sender's presentation for this channel.
    pub presentation: ContentId,
    /// The number of the message among those of this sender and key in this channel, from 1 on.
    pub sequence: u64,
    /// The one before; absent in the first.
    pub previous: Option<EnvelopeId>,
    /// When it was made, as its sender says.
    pub issued: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
    /// Whom it is addressed to; none in a broadcast.
    pub recipients: Vec<Did>,
    /// The message that began the conversation that it belongs to.
    pub thread: Option<EnvelopeId>,
    /// The attributes of the topic.
    pub attributes: Map<String, Value>,
    /// The epoch whose key the payload is sealed with; absent where it is not sealed.
    pub epoch: Option<ContentId>,
}

impl Header {
    /// The node that signs for the sender; `None` where the sender signs itself.
    #[must_use]
    pub fn node(&self) -> Option<&Did> {
        Some(self.key.did()).filter(|did| *did != &self.sender)
    }

    /// Whether the payload is sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.epoch.is_some()
    }

    /// Refuses what contradicts itself, whatever the channel.
    fn check(&self) -> Result<(), EnvelopeError> {
        let refuse = |reason: &str| Err(malformed(reason));
        if self.node().is_some() != self.authorisation.is_some() {
            return refuse("an authorisation stands there exactly where a node signs");
        }
        if self.sequence == 0 || (self.sequence == 1) != self.previous.is_none() {
            return refuse("message 1 has no predecessor, and every later one has");
        }
        if self.sequence > json_safe() || self.expires.get() > json_safe() {
            return refuse("a number is greater than JSON carries exactly");
        }
        if self.issued >= self.expires {
            return refuse("it expires before it was made");
        }
        let distinct: BTreeSet<_> = self.recipients.iter().collect();
        if self.recipients.len() > MAX_RECIPIENTS || distinct.len() != self.recipients.len() {
            return refuse("it names a recipient twice, or more than 256");
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return refuse("it has more than 64 attributes");
        }
        if self.topic.is_empty() || self.topic.len() > 128 || self.media_type.len() > 128 {
            return refuse("its topic or media type is empty or too long");
        }
        Ok(())
    }
}

const fn json_safe() -> u64 {
    (1 << 53) - 1
}

/// The header as JSON: the registered JOSE members, and ours in one of our own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protected {
    alg: String,
    cty: String,
    gp: Ours,
    kid: String,
    typ: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ours {
    format_version: u32,
    channel: ContentId,
    topic: String,
    topic_version: u32,
    schema: ContentId,
    sender: Did,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authorisation: Option<ContentId>,
    presentation: ContentId,
    sequence: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<EnvelopeId>,
    issued: UnixMillis,
    expires: UnixMillis,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<Did>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thread: Option<EnvelopeId>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
    payload_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<ContentId>,
}

fn encode_header(header: &Header, payload_bytes: u64) -> Result<Vec<u8>, EnvelopeError> {
    let protected = Protected {
        alg: Algorithm::EdDsa.jose_name().into(),
        cty: header.media_type.clone(),
        kid: header.key.as_str().into(),
        typ: TYPE.into(),
        gp: Ours {
            format_version: FORMAT_VERSION,
            channel: header.channel.clone(),
            topic: header.topic.clone(),
            topic_version: header.topic_version,
            schema: header.schema.clone(),
            sender: header.sender.clone(),
            authorisation: header.authorisation.clone(),
            presentation: header.presentation.clone(),
            sequence: header.sequence,
            previous: header.previous.clone(),
            issued: header.issued,
            expires: header.expires,
            recipients: header.recipients.clone(),
            thread: header.thread.clone(),
            attributes: header.attributes.clone(),
            payload_bytes,
            epoch: header.epoch.clone(),
        },
    };
    json::canonicalize(&protected).map_err(|e| malformed(e.to_string()))
}

/// Whether a member stands there that says nothing: what is left out has one spelling.
fn spells_out_a_default(gp: &Value) -> bool {
    let Some(members) = gp.as_object() else { return false };
    members.iter().any(|(name, value)| match value {
        Value::Null => true,
        Value::Array(list) => name == "recipients" && list.is_empty(),
        Value::Object(map) => name == "attributes" && map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    })
}

fn read_header(bytes: &[u8]) -> Result<(Header, u64), EnvelopeError> {
    let value = json::parse_strict(bytes, Limits { bytes: MAX_HEADER, depth: 16 })
        .map_err(|e| malformed(e.to_string()))?;
    let spelt = json::canonicalize(&value).map_err(|e| malformed(e.to_string()))?;
    if spelt != bytes {
        return Err(malformed("its header is not in canonical form (JCS)"));
    }
    let version = value.get("gp").and_then(|gp| gp.get("formatVersion")).and_then(Value::as_u64);
    if let Some(version) = version.and_then(|v| u32::try_from(v).ok())
        && version != FORMAT_VERSION
    {
        return Err(EnvelopeError::Version(version));
    }
    if value.get("gp").is_none_or(spells_out_a_default) {
        return Err(malformed("its header spells out what is left out"));
    }
    let read: Protected = json::from_object(value).map_err(|e| malformed(e.to_string()))?;
    let ours = read.gp;
    if read.alg != Algorithm::EdDsa.jose_name() || read.typ != TYPE {
        return Err(malformed("its alg is not EdDSA, or its typ not gridpass-envelope"));
    }
    let key = DidUrl::parse(&read.kid).map_err(|e| malformed(e.to_string()))?;
    if key.fragment().is_none() {
        return Err(malformed("its kid names no key of a DID"));
    }
    let payload_bytes = ours.payload_bytes;
    let header = Header {
        channel: ours.channel,
        topic: ours.topic,
        topic_version: ours.topic_version,
        schema: ours.schema,
        media_type: read.cty,
        sender: ours.sender,
        key,
        authorisation: ours.authorisation,
        presentation: ours.presentation,
        sequence: ours.sequence,
        previous: ours.previous,
        issued: ours.issued,
        expires: ours.expires,
        recipients: ours.recipients,
        thread: ours.thread,
        attributes: ours.attributes,
        epoch: ours.epoch,
    };
    header.check()?;
    Ok((header, payload_bytes))
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
        let protected = encode_header(&header, payload_bytes)?;
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
        let read = Self::of_parts(protected.into_vec(), payload_id, &signature, Some(payload))?;
        if read.to_wire().as_deref() != Some(wire) {
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
        let payload_id = ContentId::parse(&payload.to_string())?;
        let read = Self::of_parts(protected.into_vec(), payload_id, &signature, None)?;
        if read.to_block()? != bytes {
            return Err(malformed("it is not in canonical DAG-CBOR"));
        }
        Ok(read)
    }

    fn of_parts(
        protected: Vec<u8>,
        payload_id: ContentId,
        signature: &[u8],
        payload: Option<Vec<u8>>,
    ) -> Result<Self, EnvelopeError> {
        bounded("the header", protected.len(), MAX_HEADER)?;
        let signature =
            signature.try_into().map_err(|_| malformed("its signature is not of 64 bytes"))?;
        let (header, payload_bytes) = read_header(&protected)?;
        let found = payload.as_ref().map(|p| u64::try_from(p.len()).unwrap_or(u64::MAX));
        if found.is_some_and(|found| found != payload_bytes) {
            return Err(malformed("its payload has another length than its header says"));
        }
        let id = EnvelopeId::of_block(&block(&protected, &payload_id, &signature)?)?;
        Ok(Self { header, protected, signature, payload_id, payload_bytes, payload, id })
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
        let payload = Bytes::new(self.payload.as_deref()?);
        let parts = (Bytes::new(&self.protected), payload, Bytes::new(&self.signature));
        serde_ipld_dagcbor::to_vec(&parts).ok()
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
#[path = "envelope_tests.rs"]
mod tests;
