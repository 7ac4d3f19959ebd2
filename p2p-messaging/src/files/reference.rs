//! The payload of the message that refers to a file: JSON that fits `spec/schemas/file.v1.json`.

use super::cutting::FileKey;
use super::{FileError, MAX_BLOCK, MAX_BLOCKS, malformed};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::json::{Limits, parse_strict};
use serde_json::{Map, Value, json};

/// The schema that a topic of files has: a channel may have a stricter one of its own.
pub const SCHEMA: &str = include_str!("../../../spec/schemas/file.v1.json");
const TYPE: &str = "gridpass-file";
const VERSION: u64 = 1;
/// The longest name, and the longest media type, in bytes.
const MAX_TEXT: usize = 255;

/// A reference that is well formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The name of the manifest.
    pub manifest: ContentId,
    /// The bytes of the content.
    pub size: u64,
    /// What the sender calls it: no way in a file system.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// The key, of one whose blocks are sealed.
    pub key: Option<FileKey>,
}

impl Reference {
    /// As a payload, with what the channel's own schema asks for beside it.
    #[must_use]
    pub fn to_payload(&self, more: Map<String, Value>) -> Value {
        let mut payload = more;
        payload.insert("type".into(), json!(TYPE));
        payload.insert("formatVersion".into(), json!(VERSION));
        payload.insert("manifest".into(), json!(self.manifest));
        payload.insert("size".into(), json!(self.size));
        payload.insert("name".into(), json!(self.name));
        payload.insert("mediaType".into(), json!(self.media_type));
        if let Some(key) = &self.key {
            payload.insert("key".into(), json!(URL_SAFE_NO_PAD.encode(key.expose())));
        }
        Value::Object(payload)
    }

    /// Whether a payload says that it is one.
    #[must_use]
    pub fn is_one(payload: &[u8]) -> bool {
        let read = parse_strict(payload, Limits::SMALL).ok();
        read.is_some_and(|v| v.get("type").and_then(Value::as_str) == Some(TYPE))
    }

    /// Reads one. Other members are the channel's.
    ///
    /// # Errors
    /// [`FileError::Malformed`].
    pub fn parse(payload: &[u8]) -> Result<Self, FileError> {
        let read = parse_strict(payload, Limits::SMALL).map_err(malformed)?;
        let text = |name: &str| {
            let text = read.get(name).and_then(Value::as_str);
            text.ok_or_else(|| malformed(format!("it has no {name}")))
        };
        let number = |name: &str| read.get(name).and_then(Value::as_u64);
        if text("type")? != TYPE || number("formatVersion") != Some(VERSION) {
            return Err(malformed("it refers to no file, or in a version that is not known"));
        }
        let most = MAX_BLOCKS.saturating_mul(MAX_BLOCK.into());
        let key = match read.get("key") {
            None => None,
            Some(_) => {
                let bytes = URL_SAFE_NO_PAD.decode(text("key")?).ok();
                let bytes = bytes.and_then(|b| <[u8; 32]>::try_from(b).ok());
                Some(FileKey::new(bytes.ok_or_else(|| malformed("its key is none"))?))
            }
        };
        let (name, media_type) = (text("name")?, text("mediaType")?);
        if !is_name(name) {
            return Err(malformed("its name is none, or leads somewhere"));
        }
        if !is_media_type(media_type) {
            return Err(malformed("its media type is none"));
        }
        Ok(Self {
            manifest: ContentId::parse(text("manifest")?).map_err(malformed)?,
            size: number("size")
                .filter(|s| *s <= most)
                .ok_or_else(|| malformed("its size is none that a file has"))?,
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            key,
        })
    }
}

/// Whether a text names a file and nothing else: no way, nothing that moves the cursor.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=MAX_TEXT).contains(&name.len())
        && ![".", ".."].contains(&name)
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control)
}

/// Whether a text may stand as a media type.
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    text.len() <= MAX_TEXT && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::cid;
    use proptest::prelude::*;

    fn reference() -> Reference {
        Reference {
            manifest: cid("manifest"),
            size: 1 << 30,
            name: "model of the north.xml".into(),
            media_type: "application/xml".into(),
            key: Some(FileKey::new([7; 32])),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let more = Map::from_iter([("zone".to_owned(), json!("GB-1"))]);
        for key in [None, Some(FileKey::new([7; 32]))] {
            let made = Reference { key, ..reference() };
            let payload = made.to_payload(more.clone());
            assert_eq!(payload["zone"], "GB-1");
            assert!(Reference::is_one(payload.to_string().as_bytes()));
            assert_eq!(Reference::parse(payload.to_string().as_bytes()), Ok(made));
        }
    }

    #[test]
    fn what_is_written_fits_the_published_schema() {
        let schema = serde_json::from_str(SCHEMA).expect("JSON");
        let schema = gridpass_credentials::schema::Schema::compile(&schema).expect("a schema");
        for key in [None, Some(FileKey::new([0xff; 32]))] {
            let mut payload = Reference { key, ..reference() }.to_payload(Map::new());
            assert_eq!(schema.violations(&payload), Vec::<String>::new());
            payload["key"] = json!("short");
            assert!(!schema.violations(&payload).is_empty());
        }
    }

    #[test]
    fn nothing_else_is() {
        let refused = |name: &str, value: Value| {
            let mut payload = reference().to_payload(Map::new());
            payload[name] = value;
            let error = Reference::parse(payload.to_string().as_bytes()).expect_err(name);
            assert_eq!(error.code(), crate::codes::FILE_MALFORMED);
        };
        for name in ["", ".", "..", "a/b", "/etc/passwd", "..\\b", "a\u{1b}[2J", "a\n"] {
            refused("name", json!(name));
        }
        refused("name", json!("a".repeat(256)));
        refused("mediaType", json!("a b"));
        refused("size", json!(-1));
        refused("size", json!(u64::MAX));
        refused("size", json!("1"));
        refused("key", json!("AA"));
        refused("key", Value::Null);
        refused("manifest", json!("Qm"));
        refused("type", json!("file"));
        refused("formatVersion", json!(2));
    }

    proptest! {
        #[test]
        fn bytes_from_outside_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Reference::parse(&bytes);
        }
    }
}
