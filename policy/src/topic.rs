//! Topics: the message types of a channel, with versions, a media type, a schema pinned by CID, and
//! the attributes that a message's header repeats for policy to read.

use crate::comparison::{AttributeTypes, is_name};
use crate::requirement::Requirement;
use crate::value::ValueType;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The most topics of a channel.
pub const MAX_TOPICS: usize = 64;
/// The most versions of a topic.
pub const MAX_VERSIONS: usize = 64;
/// The most attributes of a topic.
pub const MAX_ATTRIBUTES: usize = 32;

/// An attribute of a message's header. Policy reads the header, and no payload: a relay cannot open
/// a sealed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Where the payload says the same: a JSON Pointer, or a path of XML names such as
    /// `/FlexOffer/@CongestionPoint`. Who can read the payload checks that both agree.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether a message may leave it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// A version of a topic. A new schema is a new version, never an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TopicVersion {
    /// 1, and one more with each.
    pub version: u32,
    /// The media type of its payloads.
    pub media_type: String,
    /// What its payloads must fit.
    pub schema: ContentId,
    /// No message of this version counts that was issued then or later.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub retired: Option<UnixMillis>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Topic {
    /// Its name in the channel: a letter, then letters, digits, `_` and `-`.
    pub name: String,
    /// What it is about.
    pub title: String,
    /// Its versions, the first one first.
    pub versions: Vec<TopicVersion>,
    /// What the header repeats of the payload.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// What its senders must satisfy beside the channel's own requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Requirement>,
    /// The topic that answers it.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
}

impl Topic {
    /// A topic with one version, no attributes and no requirements of its own.
    #[must_use]
    pub fn first(name: &str, title: &str, media_type: &str, schema: ContentId) -> Self {
        let media_type = media_type.to_owned();
        Self {
            name: name.to_owned(),
            title: title.to_owned(),
            versions: vec![TopicVersion { version: 1, media_type, schema, retired: None }],
            attributes: BTreeMap::new(),
            publish: Vec::new(),
            answered_by: None,
        }
    }

    /// A version, by number.
    #[must_use]
    pub fn version(&self, number: u32) -> Option<&TopicVersion> {
        self.versions.iter().find(|v| v.version == number)
    }

    fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err("its name is not a letter, then letters, digits, _ and -".into());
        }
        if !printable(&self.title) {
            return Err("its title is empty, too long or has control characters".into());
        }
        let numbered = self.versions.iter().zip(1_u32..).all(|(v, n)| v.version == n);
        if self.versions.is_empty() || self.versions.len() > MAX_VERSIONS || !numbered {
            return Err("its versions are not 1, 2, 3 … up to 64".into());
        }
        if let Some(version) = self.versions.iter().find(|v| !is_media_type(&v.media_type)) {
            return Err(format!("the media type of version {} is not type/name", version.version));
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(format!("it has more than {MAX_ATTRIBUTES} attributes"));
        }
        for (name, attribute) in &self.attributes {
            let path = attribute.from.as_deref().unwrap_or("/");
            if !is_name(name) || !path.starts_with('/') || path.len() > 256 {
                return Err(format!("its attribute {name:?} has no usable name or path"));
            }
        }
        Ok(())
    }
}

/// Checks topics together; gives the types of their attributes, which one name has alike in all.
///
/// # Errors
/// A sentence that names the topic.
pub(crate) fn check_all(topics: &[Topic]) -> Result<AttributeTypes, String> {
    let names: BTreeSet<_> = topics.iter().map(|t| t.name.as_str()).collect();
    if topics.is_empty() || topics.len() > MAX_TOPICS || names.len() != topics.len() {
        return Err("it has no topic, more than 64, or two of one name".into());
    }
    let mut types = AttributeTypes::new();
    for topic in topics {
        topic.check().map_err(|e| format!("topic {:?}: {e}", shown(&topic.name)))?;
        if topic.answered_by.as_deref().is_some_and(|a| !names.contains(a)) {
            return Err(format!("topic {}: no topic has the name of its answer", topic.name));
        }
        for (name, attribute) in &topic.attributes {
            crate::condition::note(&mut types, name, attribute.value_type)
                .map_err(|e| format!("attribute {name} of {}: {e}", topic.name))?;
        }
    }
    Ok(types)
}

/// Whether a text can be shown: neither empty nor long, without control characters.
pub(crate) fn printable(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= 200 && !text.contains(char::is_control)
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

/// RFC 6838 §4.2: two names, in lower case here so that one type has one spelling; no parameters.
fn is_media_type(text: &str) -> bool {
    let name = |n: &str| {
        (1..=64).contains(&n.len())
            && n.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && n.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&-^_.+".contains(&b))
    };
    text.split_once('/').is_some_and(|(a, b)| name(a) && name(b))
}
