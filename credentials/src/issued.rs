//! What an issuer's register keeps of a visa that was issued: its text, and what happened to it since; and
//! what whoever may revoke keeps of the visas of others, and of authorisations of nodes.

use crate::content_id::ContentId;
use crate::keeping::{KeepError, read_visa};
use crate::request::Refusal;
use crate::role::RoleName;
use crate::visa::Visa;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};

pub(crate) const ISSUED: &str = "issued-visa";
pub(crate) const ACTS: &str = "act-on-status";
pub(crate) const REFUSED: &str = "refused-request";
const RECORD_VERSION: u32 = 1;

/// Something that happened to an issued visa, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// What: `suspended`, `reinstated`, `revoked`.
    pub what: String,
    /// Why, in the wallet of whoever did it only: no list says it, so it is not known of what was taken over
    /// from one.
    pub reason: Option<String>,
    /// By whom. Not known of what earlier versions entered.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub by: Option<Did>,
}

/// How something stands by its events.
fn state_of(events: &[Event]) -> &'static str {
    // For good, whatever happened after it.
    if events.iter().any(|e| e.what == "revoked") {
        return "revoked";
    }
    match events.last().map(|e| e.what.as_str()) {
        Some("suspended") => "suspended",
        _ => "in force",
    }
}

/// What an identity of this wallet did to the status of what its register has no visa of: of another
/// issuer's visa, or a node's authorisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Act {
    version: u32,
    /// The id of the visa or authorisation.
    pub id: String,
    /// Which visa that is; not there for an authorisation.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub visa: Option<ActedOn>,
    /// What was done, oldest first.
    pub events: Vec<Event>,
}

/// A visa of another issuer, as far as it is kept once it was revoked or suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ActedOn {
    /// Its role.
    pub role: String,
    /// Who holds it.
    pub holder: Did,
    /// Who issued it.
    pub issuer: Did,
    /// Until when it is valid.
    pub valid_until: UnixMillis,
}

impl Act {
    /// One of which nothing is entered yet.
    pub(crate) fn new(id: String, visa: Option<&Visa>) -> Self {
        let visa = visa.map(|visa| ActedOn {
            role: visa.role.to_string(),
            holder: visa.subject.clone(),
            issuer: visa.issuer.clone(),
            valid_until: visa.valid_until,
        });
        Self { version: RECORD_VERSION, id, visa, events: Vec::new() }
    }

    /// `in force`, `suspended` or `revoked`, by what was done here.
    #[must_use]
    pub fn state(&self) -> &'static str {
        state_of(&self.events)
    }
}

/// What is kept of a request that was refused: a visa for it would say the opposite of the refusal, which its
/// holder has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RefusedRequest {
    version: u32,
    /// When.
    pub at: UnixMillis,
    /// By which identity of the wallet.
    pub by: Did,
    /// Whose request it was.
    pub holder: Did,
    /// For which role.
    pub role: RoleName,
    /// Why.
    pub reason: String,
}

impl RefusedRequest {
    /// One that is refused at a time.
    pub(crate) fn new(refusal: &Refusal, at: UnixMillis) -> Self {
        Self {
            version: RECORD_VERSION,
            at,
            by: refusal.issuer.clone(),
            holder: refusal.holder.clone(),
            role: refusal.role.clone(),
            reason: refusal.reason.clone(),
        }
    }
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
        state_of(&self.events)
    }

    /// What it says.
    ///
    /// # Errors
    /// [`KeepError`] if it cannot be read.
    pub fn read(&self) -> Result<Visa, KeepError> {
        Ok(read_visa(&self.text)?.1)
    }
}
