//! What the pages of a bundle list: `spec/bundle.md` sections 3 and 4.

use super::opening::Disclosed;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::facts::CheckFacts;
use ipld_core::cid::Cid;
use serde::{Deserialize, Serialize};

/// What became of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadState {
    /// It is in the file.
    Here,
    /// The exporter left it out.
    Withheld,
    /// The exporter has it no more.
    Gone,
}

/// A message, and what was recorded of it: `spec/log.md` section 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MessageEntry {
    /// The block of the envelope, whose name is the message's id.
    pub envelope: Cid,
    /// What became of its payload.
    pub payload: PayloadState,
    /// The payload; exactly where it is in the file.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub content: Option<Cid>,
    /// The number of the record.
    pub number: u64,
    /// When it was written.
    pub logged: UnixMillis,
    /// Whether the channel allowed it.
    pub allowed: bool,
    /// Whether it was delivered at the exporter.
    pub deliver: bool,
    /// Whether it came by catching up.
    pub caught_up: bool,
    /// The time for which it was decided.
    pub at: UnixMillis,
    /// When it came, where the channel asks for that.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub arrived: Option<UnixMillis>,
    /// The facts about the sender.
    pub admission: ContentId,
    /// How the payload fitted its schema, where it was looked at.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub facts: Option<CheckFacts>,
    /// To whom the payload was sealed, where that was looked at.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sealing: Option<CheckFacts>,
    /// How many of the sender had come in the minute before, where that was counted.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub sent_last_minute: Option<u64>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// That it was opened after it came.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub opened: Option<OpenedEntry>,
    /// The key of a sealed payload, where the exporter discloses it.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub key: Option<Disclosed>,
}

/// That a sealed message was opened after it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedEntry {
    /// The number of the record.
    pub number: u64,
    /// When it was written.
    pub logged: UnixMillis,
    /// Whether it was delivered then.
    pub deliver: bool,
    /// How the payload fitted its schema.
    pub facts: CheckFacts,
    /// When it was opened.
    pub at: UnixMillis,
}

/// A descriptor with its signatures, under the name of what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDescriptor {
    /// The channel.
    pub channel: ContentId,
    /// The block with the signed descriptor.
    pub signed: Cid,
}

/// What was obtained of a DID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityEntry {
    /// The DID.
    pub did: Did,
    /// When it was obtained.
    pub seen: UnixMillis,
    /// When the same was obtained last, where that was later.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<UnixMillis>,
    /// The document or log.
    pub document: Cid,
    /// What witnesses said of it.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub witness: Option<Cid>,
}

/// Two envelopes that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForkEntry {
    /// The block of the one that the exporter kept.
    pub first: Cid,
    /// The block of the other.
    pub second: Cid,
}

/// A receipt, and when it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptEntry {
    /// The number of the record.
    pub number: u64,
    /// When it was written.
    pub logged: UnixMillis,
    /// The receipt.
    pub receipt: Cid,
}
