//! Role definitions: what a role means, who may issue it, and what it requires.
//!
//! A definition is immutable: a change is another definition, with another CID, that names the one
//! before. A visa pins the definition that it grants.

use crate::codes;
use crate::content_id::{ContentId, ContentIdError};
use crate::requirement::Requirement;
use crate::schema::{Schema, SchemaError};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-role-definition";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// The most DIDs or roles in a rule.
pub const MAX_LIST: usize = 256;
/// The longest chain of issuers from a holder to a root.
pub const MAX_CHAIN_DEPTH: u8 = 8;
/// The longest title, in bytes.
const MAX_TITLE: usize = 200;
/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 4000;
/// The longest validity: ten years of 366 days, in seconds.
const MAX_VALIDITY_SECONDS: u64 = 10 * 366 * 24 * 3600;

/// Why a role definition was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// A member is missing, unknown or out of bounds.
    #[error("the role definition is refused: {0}")]
    Malformed(String),
    /// The bytes are not the canonical ones.
    #[error("the role definition is not in canonical form (JCS)")]
    NotCanonical,
    /// The bytes are another document's.
    #[error(transparent)]
    ContentId(#[from] ContentIdError),
}

impl RoleError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::ROLE_MALFORMED,
            Self::NotCanonical => codes::DOCUMENT_NOT_CANONICAL,
            Self::ContentId(e) => e.code(),
        }
    }
}

/// A name in a namespace, such as `flex.gb.aggregator`: 2 to 8 parts of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RoleName(String);

impl RoleName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`RoleError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        let part = |part: &str| {
            (1..=32).contains(&part.len())
                && part.starts_with(|c: char| c.is_ascii_lowercase())
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let parts = text.split('.').count();
        if text.len() <= 128 && (2..=8).contains(&parts) && text.split('.').all(part) {
            return Ok(Self(text.to_owned()));
        }
        let shown: String = text.chars().take(64).collect();
        Err(RoleError::Malformed(format!("{shown:?} is not a name such as flex.gb.aggregator")))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoleName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Who may do something: DIDs by name, and holders of roles by definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parties {
    /// These DIDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dids: Vec<Did>,
    /// Holders of any of these roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<ContentId>,
}

impl Parties {
    fn check(&self, name: &str) -> Result<(), String> {
        if self.dids.is_empty() && self.roles.is_empty() {
            return Err(format!("{name} names nobody"));
        }
        if self.dids.len() > MAX_LIST || self.roles.len() > MAX_LIST {
            return Err(format!("{name} names more than {MAX_LIST} DIDs or roles"));
        }
        Ok(())
    }
}

/// What becomes of visas when their issuer's own authority is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerRevocation {
    /// What was issued before stays good.
    Keeps,
    /// What was issued before ends too.
    Ends,
}

/// A role definition. Every number is an integer: other tools write `1.0` as `1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RoleDefinition {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The name in its namespace.
    pub name: RoleName,
    /// The definition's own version, for people: `1.2.0`.
    pub version: String,
    /// The definition that this one replaces.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub previous: Option<ContentId>,
    /// The role in a few words.
    pub title: String,
    /// What the role means.
    pub description: String,
    /// Who may issue it.
    pub issuers: Parties,
    /// How many issuers may stand between a holder and a root.
    pub max_chain_depth: u8,
    /// Who may suspend and revoke it, beside its issuer.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub revokers: Option<Parties>,
    /// What a holder must hold first.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub preconditions: Option<Requirement>,
    /// The claims that a visa carries: a JSON Schema (2020-12) of an object.
    pub claims: Map<String, Value>,
    /// The longest time that a visa may be valid, in seconds.
    pub max_validity_seconds: u64,
    /// The oldest that its status may be where it is relied on, in seconds.
    pub max_status_age_seconds: u64,
    /// What becomes of visas when their issuer's authority is revoked.
    pub issuer_revocation: IssuerRevocation,
}

impl RoleDefinition {
    /// The first definition of a role, as `gridpass role define` writes it where nothing else is asked
    /// for: visas for a year, status no older than a day, at most three issuers up to the root, no
    /// preconditions, revoked by nobody but its issuer. What should differ is changed before it is
    /// encoded.
    #[must_use]
    pub fn first(
        name: RoleName,
        title: &str,
        description: &str,
        issuers: Parties,
        claims: Map<String, Value>,
    ) -> Self {
        const DAY: u64 = 24 * 3600;
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            name,
            version: "1.0.0".into(),
            previous: None,
            title: title.to_owned(),
            description: description.to_owned(),
            issuers,
            max_chain_depth: 3,
            revokers: None,
            preconditions: None,
            claims,
            max_validity_seconds: 365 * DAY,
            max_status_age_seconds: DAY,
            issuer_revocation: IssuerRevocation::Keeps,
        }
    }

    /// Reads a definition from its canonical bytes; gives its CID.
    ///
    /// # Errors
    /// [`RoleError::ContentId`] if the bytes are not those of `expected`,
    /// [`RoleError::NotCanonical`], [`RoleError::Malformed`].
    pub fn parse(
        bytes: &[u8],
        expected: Option<&ContentId>,
    ) -> Result<(Self, ContentId), RoleError> {
        // The name first: whatever else the bytes hold, they are not what was asked for.
        if let Some(expected) = expected {
            expected.verify(bytes)?;
        }
        let malformed = |e: json::JsonError| RoleError::Malformed(e.to_string());
        let value = json::parse_strict(bytes, Limits::SMALL).map_err(malformed)?;
        let (id, canonical) = ContentId::of_json(&value)?;
        if canonical != bytes {
            return Err(RoleError::NotCanonical);
        }
        let definition: Self = json::from_object(value).map_err(malformed)?;
        definition.check()?;
        Ok((definition, id))
    }

    /// The canonical bytes and the CID.
    ///
    /// # Errors
    /// [`RoleError::Malformed`] if a reader would refuse it.
    pub fn encode(&self) -> Result<(ContentId, Vec<u8>), RoleError> {
        let (id, bytes) = ContentId::of_json(self)?;
        // What is written must be what is read: the reader is the judge.
        Self::parse(&bytes, Some(&id))?;
        Ok((id, bytes))
    }

    /// The schema of the claims, compiled; with `partial`, for a visa whose holder withholds some.
    ///
    /// # Errors
    /// [`SchemaError`]: a reference outside, a pattern that backtracks. A definition that was read
    /// has none.
    pub fn claims_schema(&self, partial: bool) -> Result<Schema, SchemaError> {
        let mut schema = self.claims.clone();
        if partial {
            schema.remove("required");
        }
        Schema::compile(&Value::Object(schema))
    }

    fn check(&self) -> Result<(), RoleError> {
        let refuse = |reason: &str| Err(RoleError::Malformed(reason.to_owned()));
        if self.document_type != TYPE || self.format_version != FORMAT_VERSION {
            return refuse("its type or format version is unknown");
        }
        let numbers: Vec<&str> = self.version.split('.').collect();
        let number = |n: &&str| n.parse::<u32>().is_ok_and(|v| v.to_string() == **n);
        if numbers.len() != 3 || !numbers.iter().all(number) {
            return refuse("its version is not three numbers such as 1.0.0");
        }
        for (name, text, most) in
            [("title", &self.title, MAX_TITLE), ("description", &self.description, MAX_DESCRIPTION)]
        {
            // Both are shown on terminals, which obey control characters.
            let control = |c: char| c.is_control() && c != '\n';
            if text.trim().is_empty() || text.len() > most || text.contains(control) {
                return refuse(&format!("its {name} is empty, too long or has control characters"));
            }
        }
        self.issuers.check("issuers").map_err(RoleError::Malformed)?;
        if let Some(revokers) = &self.revokers {
            revokers.check("revokers").map_err(RoleError::Malformed)?;
        }
        if let Some(preconditions) = &self.preconditions {
            preconditions.check()?;
        }
        if !(1..=MAX_CHAIN_DEPTH).contains(&self.max_chain_depth) {
            return refuse("maxChainDepth is not from 1 to 8");
        }
        if !(1..=MAX_VALIDITY_SECONDS).contains(&self.max_validity_seconds) {
            return refuse("maxValiditySeconds is not from 1 second to ten years");
        }
        if !(1..=self.max_validity_seconds).contains(&self.max_status_age_seconds) {
            return refuse("maxStatusAgeSeconds is not from 1 to maxValiditySeconds");
        }
        if self.claims.get("type").and_then(Value::as_str) != Some("object") {
            return refuse("claims is not the JSON Schema of an object");
        }
        self.claims_schema(false)
            .map_err(|e| RoleError::Malformed(format!("claims is not a usable schema: {e}")))?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;
