//! Node authorisation: a participant's root identity lets a node's key act for it.
//!
//! A credential like a visa, but short-lived, issued by the participant itself, and granting no
//! role: a purpose, and the channels that it is for, or all. A stolen node is cut off by revoking it,
//! without a new identity. Written down in `spec/visa.md`, section 5.

use crate::content_id::ContentId;
use crate::context::{CREDENTIALS_V2, GRIDPASS_V1};
use crate::vcdm::{Credential, each};
use crate::visa::{Purpose, StatusEntry, VisaError, known_members};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The type, beside `VerifiableCredential`.
pub const TYPE: &str = "GridpassNodeAuthorisation";
/// The longest validity: 90 days, in seconds.
pub const MAX_VALIDITY_SECONDS: u64 = 90 * 24 * 3600;
/// The most channels that are named.
pub const MAX_CHANNELS: usize = 256;

/// What a node may do for its participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodePurpose {
    /// Sign envelopes and receipts.
    Messages,
    /// Be handed the keys of sealed channels.
    Sealing,
}

impl NodePurpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Messages, Self::Sealing];

    /// The name in the credential.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Sealing => "sealing",
        }
    }
}

/// A node authorisation that has the form of one. Nothing in it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAuthorisation {
    /// Its id, a URL.
    pub id: String,
    /// The participant.
    pub principal: Did,
    /// The node.
    pub node: Did,
    /// What the node may do.
    pub purposes: BTreeSet<NodePurpose>,
    /// In which channels; `None` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<BTreeSet<ContentId>>,
    /// From when.
    pub valid_from: UnixMillis,
    /// Until when.
    pub valid_until: UnixMillis,
    /// Where its revocation is written.
    pub status: StatusEntry,
}

impl NodeAuthorisation {
    /// Reads a credential as a node authorisation.
    ///
    /// # Errors
    /// [`VisaError`], with the rule that is broken.
    pub fn read(credential: &Credential) -> Result<Self, VisaError> {
        let profile = |reason: &str| VisaError::Profile(format!("node authorisation: {reason}"));
        let json = credential.json();
        if json.get("@context") != Some(&json!([CREDENTIALS_V2, GRIDPASS_V1])) {
            return Err(VisaError::Context);
        }
        known_members(
            json,
            &[
                "@context",
                "id",
                "type",
                "issuer",
                "validFrom",
                "validUntil",
                "credentialSubject",
                "credentialStatus",
            ],
        )?;
        if !credential.types().eq(["VerifiableCredential", TYPE]) {
            return Err(profile("its types are not VerifiableCredential and its own"));
        }
        let text = |object: &Map<String, Value>, name: &str| {
            object.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        let did = |text: Option<String>| text.and_then(|t| Did::parse(&t).ok());
        let subject = json.get("credentialSubject").and_then(Value::as_object);
        let subject = subject.ok_or_else(|| profile("it has not exactly one subject"))?;
        known_members(subject, &["id", "node"])?;
        let node = subject.get("node").and_then(Value::as_object);
        let node = node.ok_or_else(|| profile("its subject has no node"))?;
        known_members(node, &["purposes", "channels"])?;
        let purposes: BTreeSet<NodePurpose> = each(node.get("purposes"))
            .map(|p| NodePurpose::ALL.into_iter().find(|known| p == known.name()))
            .collect::<Option<_>>()
            .ok_or_else(|| profile("it has an unknown purpose"))?;
        let channels = match node.get("channels") {
            None => None,
            Some(value) => {
                let list: BTreeSet<ContentId> = each(Some(value))
                    .map(|c| c.as_str().and_then(|t| ContentId::parse(t).ok()))
                    .collect::<Option<_>>()
                    .ok_or_else(|| profile("a channel is not a CID"))?;
                // None at all would read as all to somebody who is in a hurry.
                if list.is_empty() || list.len() > MAX_CHANNELS {
                    return Err(profile("it names no channel, or more than 256"));
                }
                Some(list)
            }
        };
        let mut statuses = credential.statuses();
        let (Some(status), None) = (statuses.next(), statuses.next()) else {
            return Err(profile("it has not exactly one status"));
        };
        let status = StatusEntry::read(status).map_err(|e| profile(&e.to_string()))?;
        if purposes.is_empty() || status.purpose != Purpose::Revocation {
            return Err(profile("it has no purpose, or its status is not revocation"));
        }
        Ok(Self {
            id: text(json, "id").ok_or_else(|| profile("it has no id"))?,
            principal: did(text(json, "issuer")).ok_or_else(|| profile("its issuer is no DID"))?,
            node: did(text(subject, "id")).ok_or_else(|| profile("its subject is no DID"))?,
            purposes,
            channels,
            valid_from: credential.valid_from().ok_or_else(|| profile("it has no validFrom"))?,
            valid_until: credential.valid_until().ok_or_else(|| profile("it has no validUntil"))?,
            status,
        })
    }

    /// The credential, ready to be secured.
    ///
    /// # Errors
    /// [`VisaError`] if a reader would refuse it.
    pub fn to_credential(&self) -> Result<Credential, VisaError> {
        let purposes: Vec<_> = self.purposes.iter().map(|p| p.name()).collect();
        let mut node = json!({"purposes": purposes});
        if let (Value::Object(object), Some(channels)) = (&mut node, &self.channels) {
            object.insert("channels".into(), json!(channels));
        }
        let credential = Credential::read(json!({
            "@context": [CREDENTIALS_V2, GRIDPASS_V1],
            "id": self.id,
            "type": ["VerifiableCredential", TYPE],
            "issuer": self.principal,
            "validFrom": self.valid_from.floor_to_second(),
            "validUntil": self.valid_until.floor_to_second(),
            "credentialSubject": {"id": self.node, "node": node},
            "credentialStatus": [self.status.to_json()],
        }))?;
        Self::read(&credential)?;
        Ok(credential)
    }

    /// Whether it lets the node do this, in this channel.
    #[must_use]
    pub fn covers(&self, purpose: NodePurpose, channel: Option<&ContentId>) -> bool {
        let here = match (&self.channels, channel) {
            (None, _) => true,
            (Some(named), Some(channel)) => named.contains(channel),
            (Some(_), None) => false,
        };
        here && self.purposes.contains(&purpose)
    }
}
