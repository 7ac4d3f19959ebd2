//! What the protected header of an envelope says, and its one spelling.

use super::{
    EnvelopeError, FORMAT_VERSION, MAX_ATTRIBUTES, MAX_HEADER, MAX_RECIPIENTS, TYPE, malformed,
};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::json::{self, Limits};
use gridpass_identity::key::Algorithm;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

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
    pub(super) fn check(&self) -> Result<(), EnvelopeError> {
        let refuse = |reason: &str| Err(malformed(reason));
        if self.key.fragment().is_none() {
            return refuse("its kid names no key of a DID");
        }
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Protected {
    alg: String,
    cty: String,
    gp: Ours,
    kid: DidUrl,
    typ: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ours {
    format_version: u32,
    channel: ContentId,
    topic: String,
    topic_version: u32,
    schema: ContentId,
    sender: Did,
    #[serde(default)]
    authorisation: Option<ContentId>,
    presentation: ContentId,
    sequence: u64,
    #[serde(default)]
    previous: Option<EnvelopeId>,
    issued: UnixMillis,
    expires: UnixMillis,
    #[serde(default)]
    recipients: Vec<Did>,
    #[serde(default)]
    thread: Option<EnvelopeId>,
    #[serde(default)]
    attributes: Map<String, Value>,
    payload_bytes: u64,
    #[serde(default)]
    epoch: Option<ContentId>,
}

/// Our member but for the attributes, in the order of JCS: its text is canonical as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rest<'h> {
    #[serde(skip_serializing_if = "Option::is_none")]
    authorisation: Option<&'h ContentId>,
    channel: &'h ContentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<&'h ContentId>,
    expires: UnixMillis,
    format_version: u32,
    issued: UnixMillis,
    payload_bytes: u64,
    presentation: &'h ContentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'h EnvelopeId>,
    #[serde(skip_serializing_if = "<[Did]>::is_empty")]
    recipients: &'h [Did],
    schema: &'h ContentId,
    sender: &'h Did,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<&'h EnvelopeId>,
    topic: &'h str,
    topic_version: u32,
}

/// The header in JCS. Attributes are anybody's; what is around them has one order and no number
/// that JCS writes otherwise, and a node writes and compares it for every message.
pub(super) fn encode_header(header: &Header, payload_bytes: u64) -> Result<Vec<u8>, EnvelopeError> {
    let rest = Rest {
        authorisation: header.authorisation.as_ref(),
        channel: &header.channel,
        epoch: header.epoch.as_ref(),
        expires: header.expires,
        format_version: FORMAT_VERSION,
        issued: header.issued,
        payload_bytes,
        presentation: &header.presentation,
        previous: header.previous.as_ref(),
        recipients: &header.recipients,
        schema: &header.schema,
        sender: &header.sender,
        sequence: header.sequence,
        thread: header.thread.as_ref(),
        topic: &header.topic,
        topic_version: header.topic_version,
    };
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"{\"alg\":\"EdDSA\",\"cty\":");
    write(&mut out, &header.media_type)?;
    out.extend_from_slice(b",\"gp\":{");
    if !header.attributes.is_empty() {
        out.extend_from_slice(b"\"attributes\":");
        if is_canonical(&header.attributes) {
            write(&mut out, &header.attributes)?;
        } else {
            let canonical = json::canonicalize(&header.attributes);
            out.extend(canonical.map_err(|e| malformed(e.to_string()))?);
        }
        out.push(b',');
    }
    let opened = out.len();
    write(&mut out, &rest)?;
    // Its own opening brace stands there already.
    out.remove(opened);
    out.extend_from_slice(b",\"kid\":");
    write(&mut out, header.key.as_str())?;
    out.extend_from_slice(b",\"typ\":\"gridpass-envelope\"}");
    Ok(out)
}

fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, what: &T) -> Result<(), EnvelopeError> {
    serde_json::to_writer(out, what).map_err(|e| malformed(e.to_string()))
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

/// The header as it is written, and as whoever reads that has it: what nobody would read is not made.
pub(super) fn spell(
    header: Header,
    payload_bytes: u64,
) -> Result<(Header, Vec<u8>), EnvelopeError> {
    let written = encode_header(&header, payload_bytes)?;
    // Attributes may be deep, have reserved names, or be numbers with another spelling.
    if header.attributes.values().all(is_exact) && !has_reserved(&written) {
        return Ok((header, written));
    }
    let (read, _) = read_header(&written)?;
    Ok((read, written))
}

/// Whether a value is the same however it is read: numbers are kept as they are spelt, and 0.0000013 and
/// 1.3e-6 are two then. Nor is it -0.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Null | Value::Array(_) | Value::Object(_) => false,
        Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.as_i64().is_some_and(|n| {
            n.unsigned_abs() <= json_safe() && *number == serde_json::Number::from(n)
        }),
    }
}

/// Whether attributes are written in JCS as they stand: nothing in them has another spelling, and names of
/// ASCII have one order, whether their bytes are compared or, as JCS does, their UTF-16.
fn is_canonical(attributes: &Map<String, Value>) -> bool {
    attributes.values().all(is_exact)
        && attributes.keys().all(|name| name.is_ascii())
        && attributes.keys().is_sorted()
}

/// A key by which `serde_json` may be made to take an object for a number.
fn has_reserved(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"serde_json::private").is_some()
}

/// Reads a header, and how long it says that the payload is.
pub(super) fn read_header(bytes: &[u8]) -> Result<(Header, u64), EnvelopeError> {
    read_canonical(bytes).map_or_else(|| read_strictly(bytes), Ok)
}

/// Reads a header of which it is easily seen that it is well formed: what is written again from what
/// was read is the same. Nothing where that cannot be said so; who reads strictly says why.
fn read_canonical(bytes: &[u8]) -> Option<(Header, u64)> {
    if bytes.len() > MAX_HEADER || has_reserved(bytes) {
        return None;
    }
    let read: Protected = serde_json::from_slice(bytes).ok()?;
    if !read.gp.attributes.values().all(is_exact) {
        return None;
    }
    let (header, payload_bytes) = checked(read).ok()?;
    let written = encode_header(&header, payload_bytes).ok()?;
    (written == bytes).then_some((header, payload_bytes))
}

fn read_strictly(bytes: &[u8]) -> Result<(Header, u64), EnvelopeError> {
    let value = json::parse_strict(bytes, Limits { bytes: MAX_HEADER, depth: 16 })
        .map_err(|e| malformed(e.to_string()))?;
    let spelt = json::canonicalize(&value).map_err(|e| malformed(e.to_string()))?;
    if spelt != bytes {
        return Err(malformed("its header is not in canonical form (JCS)"));
    }
    let version = value.get("gp").and_then(|gp| gp.get("formatVersion")).and_then(Value::as_u64);
    if let Some(version) = version.map(|v| u32::try_from(v).unwrap_or(u32::MAX))
        && version != FORMAT_VERSION
    {
        return Err(EnvelopeError::Version(version));
    }
    if value.get("gp").is_none_or(spells_out_a_default) {
        return Err(malformed("its header spells out what is left out"));
    }
    let read = json::from_object(value).map_err(|e| malformed(e.to_string()))?;
    checked(read)
}

fn checked(read: Protected) -> Result<(Header, u64), EnvelopeError> {
    let ours = read.gp;
    if ours.format_version != FORMAT_VERSION {
        return Err(EnvelopeError::Version(ours.format_version));
    }
    if read.alg != Algorithm::EdDsa.jose_name() || read.typ != TYPE {
        return Err(malformed("its alg is not EdDSA, or its typ not gridpass-envelope"));
    }
    let payload_bytes = ours.payload_bytes;
    let header = Header {
        channel: ours.channel,
        topic: ours.topic,
        topic_version: ours.topic_version,
        schema: ours.schema,
        media_type: read.cty,
        sender: ours.sender,
        key: read.kid,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{header, key};
    use proptest::prelude::*;
    use serde_json::json;

    /// The same header as JCS has it of its value, by the library.
    fn by_the_library(header: &Header, payload_bytes: u64) -> Vec<u8> {
        let mut value = json!({
            "alg": "EdDSA", "cty": header.media_type, "kid": header.key, "typ": TYPE,
            "gp": {
                "formatVersion": FORMAT_VERSION, "channel": header.channel,
                "topic": header.topic, "topicVersion": header.topic_version,
                "schema": header.schema, "sender": header.sender,
                "presentation": header.presentation, "sequence": header.sequence,
                "issued": header.issued, "expires": header.expires, "payloadBytes": payload_bytes,
            },
        });
        let mut set = |name: &str, there: bool, what: Value| {
            if there {
                value["gp"][name] = what;
            }
        };
        set("authorisation", header.authorisation.is_some(), json!(header.authorisation));
        set("previous", header.previous.is_some(), json!(header.previous));
        set("recipients", !header.recipients.is_empty(), json!(header.recipients));
        set("thread", header.thread.is_some(), json!(header.thread));
        set("attributes", !header.attributes.is_empty(), json!(header.attributes));
        set("epoch", header.epoch.is_some(), json!(header.epoch));
        json::canonicalize(&value).expect("JCS")
    }

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(|n| Value::from(n >> 11)),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            proptest::collection::vec(any::<i32>(), 0..3).prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn it_is_written_as_the_library_of_jcs_writes_it_and_read_as_strictly(
            attributes in proptest::collection::btree_map("\\PC{1,6}", values(), 0..5),
            media_type: String, topic in "\\PC{1,12}", numbers: (u32, u64, u64),
            also: (bool, bool, bool),
        ) {
            let mut header = header(&key(1));
            header.attributes = attributes.into_iter().collect();
            (header.media_type, header.topic, header.topic_version) = (media_type, topic, numbers.0);
            let id = header.channel.clone();
            header.epoch = also.0.then(|| id.clone());
            header.thread = also.1.then(|| EnvelopeId::of_block(b"").expect("a name"));
            if also.2 {
                header.recipients = vec![header.sender.clone()];
            }
            let payload_bytes = numbers.1 >> 11;
            let written = encode_header(&header, payload_bytes).expect("written");
            prop_assert_eq!(&written, &by_the_library(&header, payload_bytes));
            if let Some(read) = read_canonical(&written) {
                prop_assert_eq!(Ok(read), read_strictly(&written));
            }
            // What is made is what is read, or is not made.
            let made = spell(header, payload_bytes);
            prop_assert_eq!(made.map(|(made, _)| (made, payload_bytes)), read_strictly(&written));
        }

        #[test]
        fn what_is_read_at_once_is_read_strictly_too(at: usize, to: u8, cut: bool) {
            let mut bytes = encode_header(&header(&key(1)), 2).expect("written");
            let at = at % bytes.len();
            if cut { bytes.remove(at); } else { bytes[at] = to; }
            if let Some(read) = read_canonical(&bytes) {
                prop_assert_eq!(Ok(read), read_strictly(&bytes));
            }
        }
    }

    #[test]
    fn what_is_usual_is_read_at_once() {
        let mut made = header(&key(1));
        for (name, value) in [("zone", json!("GB-1")), ("kW", json!(5)), ("firm", json!(true))] {
            let _ = made.attributes.insert(name.into(), value);
        }
        let bytes = encode_header(&made, 2).expect("written");
        assert_eq!(read_canonical(&bytes), Some((made, 2)));
    }

    #[test]
    fn what_has_a_shorter_spelling_is_made_as_it_is_read() {
        for text in ["-0", "-0.0", "5.0", "1e3", "9007199254740993", "1.3e-6", "0.0000013"] {
            let mut made = header(&key(1));
            let value = serde_json::from_str(text).expect("a number");
            let _ = made.attributes.insert("kW".into(), value);
            let Ok((made, written)) = spell(made, 2) else { continue };
            assert_eq!(read_strictly(&written), Ok((made.clone(), 2)), "{text}");
            assert_eq!(read_header(&written), Ok((made, 2)), "{text}");
        }
    }

    #[test]
    fn the_reserved_key_and_what_is_nested_are_read_strictly() {
        let mut made = header(&key(1));
        let _ = made.attributes.insert("$serde_json::private::Number".into(), json!("1"));
        let bytes = encode_header(&made, 2).expect("written");
        assert_eq!(read_canonical(&bytes), None);
        assert!(read_strictly(&bytes).is_err());
        assert!(spell(made, 2).is_err());
        let mut deep = json!(1);
        for _ in 0..20 {
            deep = json!([deep]);
        }
        made = header(&key(1));
        let _ = made.attributes.insert("deep".into(), deep);
        let bytes = encode_header(&made, 2).expect("written");
        assert_eq!(read_canonical(&bytes), None);
        assert!(read_header(&bytes).is_err());
        assert!(spell(made, 2).is_err());
    }
}
