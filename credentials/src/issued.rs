//! What an issuer's register keeps of a visa that was issued: its text, and what happened to it since.

use crate::content_id::ContentId;
use crate::keeping::{KeepError, read_visa};
use crate::visa::Visa;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};

pub(crate) const ISSUED: &str = "issued-visa";
const RECORD_VERSION: u32 = 1;

/// Something that happened to an issued visa, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// What: `suspended`, `reinstated`, `revoked`.
    pub what: String,
    /// Why, in the issuer's register only.
    pub reason: Option<String>,
}

/// A visa in the issuer's register.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IssuedVisa {
    version: u32,
    /// As it was signed.
    pub text: String,
    /// When.
    pub issued: UnixMillis,
    /// The hash of the request that it answers, where there was one.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub request: Option<ContentId>,
    /// What happened to it since, oldest first.
    pub events: Vec<Event>,
}

impl IssuedVisa {
    /// One to which nothing has happened yet.
    pub(crate) fn new(text: String, issued: UnixMillis, request: Option<ContentId>) -> Self {
        Self { version: RECORD_VERSION, text, issued, request, events: Vec::new() }
    }

    /// `in force`, `suspended` or `revoked`, by the register.
    #[must_use]
    pub fn state(&self) -> &'static str {
        // For good, whatever happened after it.
        if self.events.iter().any(|e| e.what == "revoked") {
            return "revoked";
        }
        match self.events.last().map(|e| e.what.as_str()) {
            Some("suspended") => "suspended",
            _ => "in force",
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// [`KeepError`] if it cannot be read.
    pub fn read(&self) -> Result<Visa, KeepError> {
        Ok(read_visa(&self.text)?.1)
    }
}
