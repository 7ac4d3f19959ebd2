//! A visa: a credential that grants its subject one role definition, pinned by CID.
//!
//! The profile stands in `spec/visa.md`: which contexts, types and members a visa has, and no
//! others that a reader would have to guess at.

use crate::codes;
use crate::content_id::ContentId;
use crate::context::{CREDENTIALS_V2, GRIDPASS_V1};
use crate::role::RoleName;
use crate::vcdm::{Credential, ModelError};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The type of a visa, beside `VerifiableCredential`.
pub const VISA_TYPE: &str = "GridpassVisa";
/// The type of its `credentialSchema`.
pub const SCHEMA_TYPE: &str = "GridpassRoleSchema";
/// The type of its `credentialStatus`.
pub const STATUS_TYPE: &str = "BitstringStatusListEntry";

/// What an entry may have (Bitstring Status List 1.0, section 2.1).
const STATUS_MEMBERS: [&str; 8] = [
    "id",
    "type",
    "statusPurpose",
    "statusListIndex",
    "statusListCredential",
    "statusSize",
    "statusMessage",
    "statusReference",
];

/// Why a credential is no visa.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VisaError {
    /// It breaks the data model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It breaks the profile.
    #[error("not a visa: {0}")]
    Profile(String),
    /// It names a context that a visa may not have.
    #[error("a visa's contexts are exactly {CREDENTIALS_V2} and {GRIDPASS_V1}")]
    Context,
}

impl VisaError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Model(_) => codes::MODEL_BROKEN,
            Self::Profile(_) => codes::VISA_MALFORMED,
            Self::Context => codes::CONTEXT_UNKNOWN,
        }
    }
}

/// Why a member of `credentialStatus` cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatusEntryError {
    /// It has a member that is none of an entry's.
    #[error("its status has a member that is unknown")]
    Member,
    /// It is another kind of status.
    #[error("the type of its status is not {STATUS_TYPE}")]
    Type,
    /// It is for something else than a [`Purpose`].
    #[error("the purpose of its status is neither revocation nor suspension")]
    Purpose,
    /// Its `statusSize` is not 1.
    #[error("its status has more than one bit")]
    Size,
    /// Its `statusListCredential` is no URL.
    #[error("its status names no list")]
    List,
    /// Its `statusListIndex` is no number, or not in its one spelling.
    #[error("the index of its status is not a number in base 10")]
    Index,
}

impl StatusEntryError {
    /// The stable reason code.
    #[must_use]
    pub fn code(self) -> Code {
        codes::VISA_MALFORMED
    }
}

/// What a status list says of its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// It ended, for good.
    Revocation,
    /// It does not count for now.
    Suspension,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Revocation, Self::Suspension];

    /// The value of `statusPurpose`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Revocation => "revocation",
            Self::Suspension => "suspension",
        }
    }
}

/// Where the status of a credential is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEntry {
    /// What the list says.
    pub purpose: Purpose,
    /// The list's id, a URL.
    pub list: String,
    /// The place in it.
    pub index: u64,
}

impl StatusEntry {
    /// Reads a member of `credentialStatus` (Bitstring Status List section 3.1).
    ///
    /// # Errors
    /// [`StatusEntryError`].
    pub fn read(object: &Map<String, Value>) -> Result<Self, StatusEntryError> {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        if object.keys().any(|name| !STATUS_MEMBERS.contains(&name.as_str())) {
            return Err(StatusEntryError::Member);
        }
        if text("type") != Some(STATUS_TYPE) {
            return Err(StatusEntryError::Type);
        }
        let purpose = Purpose::ALL
            .into_iter()
            .find(|p| text("statusPurpose") == Some(p.name()))
            .ok_or(StatusEntryError::Purpose)?;
        if object.get("statusSize").is_some_and(|s| s != 1) {
            return Err(StatusEntryError::Size);
        }
        let list = text("statusListCredential").filter(|l| crate::vcdm::url(l).is_ok());
        let list = list.ok_or(StatusEntryError::List)?.to_owned();
        // One spelling: other readers take "+7" and "07" for 7, or for nothing.
        let index = text("statusListIndex")
            .and_then(|t| t.parse::<u64>().ok().filter(|n| n.to_string() == t))
            .ok_or(StatusEntryError::Index)?;
        Ok(Self { purpose, list, index })
    }

    /// As a member of `credentialStatus`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "id": format!("{}#{}", self.list, self.index),
            "type": STATUS_TYPE,
            "statusPurpose": self.purpose.name(),
            "statusListIndex": self.index.to_string(),
            "statusListCredential": self.list,
        })
    }
}

/// A visa that has the form of one. Nothing in it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Visa {
    /// Its id, a URL.
    pub id: String,
    /// Who issued it.
    pub issuer: Did,
    /// Who holds it.
    pub subject: Did,
    /// The role definition that it grants.
    pub definition: ContentId,
    /// The role's name, for people; the definition says the same.
    pub role: RoleName,
    /// What it says of its holder.
    pub claims: Map<String, Value>,
    /// From when.
    pub valid_from: UnixMillis,
    /// Until when.
    pub valid_until: UnixMillis,
    /// Where its status is written.
    pub status: Vec<StatusEntry>,
}

impl Visa {
    /// Reads a credential as a visa.
    ///
    /// # Errors
    /// [`VisaError::Context`], [`VisaError::Profile`].
    pub fn read(credential: &Credential) -> Result<Self, VisaError> {
        let profile = |reason: &str| VisaError::Profile(reason.to_owned());
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
                "credentialSchema",
                "_sd_alg",
            ],
        )?;
        if !credential.types().eq(["VerifiableCredential", VISA_TYPE]) {
            return Err(profile("its types are not VerifiableCredential and GridpassVisa"));
        }
        let did = |text: Option<&str>| text.and_then(|t| Did::parse(t).ok());
        let text = |object: &Map<String, Value>, name: &str| {
            object.get(name).and_then(Value::as_str).map(str::to_owned)
        };
        let issuer =
            did(Some(credential.issuer())
                .filter(|_| json.get("issuer").is_some_and(Value::is_string)))
            .ok_or_else(|| profile("its issuer is not a DID"))?;
        let subject = json.get("credentialSubject").and_then(Value::as_object);
        let subject = subject.ok_or_else(|| profile("it has not exactly one subject"))?;
        known_members(subject, &["id", "role", "claims"])?;
        let role = subject.get("role").and_then(Value::as_object);
        let role = role.ok_or_else(|| profile("its subject has no role"))?;
        known_members(role, &["definition", "name"])?;
        let definition = text(role, "definition").and_then(|t| ContentId::parse(&t).ok());
        let definition = definition.ok_or_else(|| profile("its role names no definition"))?;
        let name = text(role, "name").and_then(|t| RoleName::parse(&t).ok());
        let schema = json!({"id": schema_id(&definition), "type": SCHEMA_TYPE});
        if json.get("credentialSchema") != Some(&schema) {
            return Err(profile("its credentialSchema is not that of its definition"));
        }
        let status: Vec<_> = credential
            .statuses()
            .map(StatusEntry::read)
            .collect::<Result<_, StatusEntryError>>()
            .map_err(|e| profile(&e.to_string()))?;
        if status.len() > Purpose::ALL.len()
            || Purpose::ALL.iter().any(|p| status.iter().filter(|s| s.purpose == *p).count() > 1)
        {
            return Err(profile("it has two statuses of one purpose"));
        }
        let claims = subject.get("claims").and_then(Value::as_object).cloned();
        Ok(Self {
            id: text(json, "id").ok_or_else(|| profile("it has no id"))?,
            issuer,
            subject: did(text(subject, "id").as_deref())
                .ok_or_else(|| profile("its subject's id is not a DID"))?,
            definition,
            role: name.ok_or_else(|| profile("its role has no name"))?,
            claims: claims.ok_or_else(|| profile("its subject has no claims"))?,
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
        let mut json = json!({
            "@context": [CREDENTIALS_V2, GRIDPASS_V1],
            "id": self.id,
            "type": ["VerifiableCredential", VISA_TYPE],
            "issuer": self.issuer,
            "validFrom": self.valid_from.floor_to_second(),
            "validUntil": self.valid_until.floor_to_second(),
            "credentialSubject": {
                "id": self.subject,
                "role": {"definition": self.definition, "name": self.role},
                "claims": self.claims,
            },
            "credentialSchema": {"id": schema_id(&self.definition), "type": SCHEMA_TYPE},
        });
        if let Value::Object(object) = &mut json
            && !self.status.is_empty()
        {
            let list = self.status.iter().map(StatusEntry::to_json).collect();
            object.insert("credentialStatus".into(), Value::Array(list));
        }
        let credential = Credential::read(json)?;
        Self::read(&credential)?;
        Ok(credential)
    }

    /// Where its status of a purpose is written.
    #[must_use]
    pub fn status_of(&self, purpose: Purpose) -> Option<&StatusEntry> {
        self.status.iter().find(|s| s.purpose == purpose)
    }
}

fn schema_id(definition: &ContentId) -> String {
    format!("ipfs://{definition}")
}

/// Refuses a member that a reader could overlook. Claims of a JWT (`iat` and the like) are the
/// header's, not the visa's.
pub(crate) fn known_members(object: &Map<String, Value>, known: &[&str]) -> Result<(), VisaError> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let shown: String = name.chars().take(40).collect();
            Err(VisaError::Profile(format!("it has the unknown member {shown:?}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_cannot_be_read_says_what_is_wrong_with_it() {
        let list = "https://issuer.example/status/1".to_owned();
        let entry = StatusEntry { purpose: Purpose::Revocation, list, index: 7 };
        let Value::Object(written) = entry.to_json() else { panic!("an object") };
        assert_eq!(StatusEntry::read(&written), Ok(entry));
        for (member, value, expected) in [
            ("colour", json!("red"), StatusEntryError::Member),
            ("type", json!("BitstringStatusList"), StatusEntryError::Type),
            ("statusPurpose", json!("message"), StatusEntryError::Purpose),
            ("statusSize", json!(2), StatusEntryError::Size),
            ("statusListCredential", json!("the first list"), StatusEntryError::List),
            ("statusListIndex", json!("07"), StatusEntryError::Index),
        ] {
            let mut bent = written.clone();
            bent.insert(member.to_owned(), value);
            let error = StatusEntry::read(&bent).expect_err(member);
            assert_eq!((error, error.code()), (expected, codes::VISA_MALFORMED));
        }
    }
}
