//! The charter: the signed, versioned document that names a trust framework's roots and lists its
//! role definitions, schemas and channels by CID.
//!
//! Its name is the CID of its JCS bytes without signatures; the signatures are Data Integrity
//! proofs (`eddsa-jcs-2022`) over the same document. Written down in `spec/charter.md`.

use crate::codes;
use crate::content_id::{ContentId, ContentIdError};
use crate::integrity::IntegrityError;
use crate::role::RoleName;
use crate::secured::Signer;
use crate::signed_document::{SignedDocument, SignedDocumentError};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::report::Check;
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-charter";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// The most roots, signers, roles, schemas or channels.
pub const MAX_LIST: usize = 1024;
/// The longest name.
const MAX_NAME: usize = 200;

/// Why a charter was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CharterError {
    /// A member is missing, unknown or out of bounds.
    #[error("the charter is refused: {0}")]
    Malformed(String),
    /// The document has no name.
    #[error(transparent)]
    ContentId(#[from] ContentIdError),
    /// A signature cannot be read or made.
    #[error(transparent)]
    Proof(#[from] IntegrityError),
}

impl From<SignedDocumentError> for CharterError {
    fn from(error: SignedDocumentError) -> Self {
        match error {
            SignedDocumentError::Malformed(reason) => Self::Malformed(reason),
            SignedDocumentError::ContentId(e) => Self::ContentId(e),
            SignedDocumentError::Proof(e) => Self::Proof(e),
        }
    }
}

impl CharterError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::CHARTER_MALFORMED,
            Self::ContentId(e) => e.code(),
            Self::Proof(e) => crate::code_of::integrity(e),
        }
    }
}

/// How many of whom must sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningRule {
    /// How many.
    pub threshold: usize,
    /// Of these.
    pub signers: Vec<Did>,
}

/// A role definition in the charter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ListedRole {
    /// The definition.
    pub definition: ContentId,
    /// Its name, for people; the definition says the same.
    pub name: RoleName,
    /// No visa issued from then on counts.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub retired: Option<UnixMillis>,
    /// How long visas issued before count after that, in seconds.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
}

impl ListedRole {
    /// Whether no visa of it is issued at this time any more; that may be known before.
    #[must_use]
    pub fn is_retired(&self, at: UnixMillis) -> bool {
        self.retired.is_some_and(|retired| retired <= at)
    }
}

/// A schema or channel in the charter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedDocument {
    /// Its name in this charter.
    pub name: String,
    /// The document.
    pub document: ContentId,
}

/// A charter, without its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Charter {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The trust framework's name, for people.
    pub name: String,
    /// 1, and one more with each change.
    pub version: u64,
    /// The charter that this one replaces; absent in the first.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub previous: Option<ContentId>,
    /// From when it counts.
    pub dated: UnixMillis,
    /// Whose word needs no other: every chain of issuers ends in one of these.
    pub roots: Vec<Did>,
    /// Who must sign the next charter (and the first, itself).
    pub rule: SigningRule,
    /// Role definitions, current and retired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<ListedRole>,
    /// Schemas.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<ListedDocument>,
    /// Channels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ListedDocument>,
}

impl Charter {
    /// The first charter of a framework, whose roots sign it by the rule.
    #[must_use]
    pub fn first(name: &str, roots: Vec<Did>, rule: SigningRule, dated: UnixMillis) -> Self {
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            name: name.to_owned(),
            version: 1,
            previous: None,
            dated,
            roots,
            rule,
            roles: Vec::new(),
            schemas: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// The same content as the next version, to be changed and signed.
    ///
    /// # Errors
    /// [`CharterError::ContentId`].
    pub fn next(&self, dated: UnixMillis) -> Result<Self, CharterError> {
        let (previous, _) = ContentId::of_json(self)?;
        let version = self.version.saturating_add(1);
        Ok(Self { version, previous: Some(previous), dated, ..self.clone() })
    }

    /// How a definition stands in it.
    #[must_use]
    pub fn role(&self, definition: &ContentId) -> Option<&ListedRole> {
        self.roles.iter().find(|r| &r.definition == definition)
    }

    /// The CID, of the bytes without signatures.
    ///
    /// # Errors
    /// [`CharterError::Malformed`] if a reader would refuse it.
    pub fn id(&self) -> Result<ContentId, CharterError> {
        self.check()?;
        Ok(ContentId::of_json(self)?.0)
    }

    fn check(&self) -> Result<(), CharterError> {
        let refuse = |reason: &str| Err(CharterError::Malformed(reason.to_owned()));
        if self.document_type != TYPE || self.format_version != FORMAT_VERSION {
            return refuse("its type or format version is unknown");
        }
        let printable = |text: &str| {
            !text.trim().is_empty() && text.len() <= MAX_NAME && !text.contains(char::is_control)
        };
        if !printable(&self.name) {
            return refuse("its name is empty, too long or has control characters");
        }
        if (self.version == 1) != self.previous.is_none() || self.version == 0 {
            return refuse("version 1 has no predecessor, and every later one has");
        }
        let distinct = |dids: &[Did]| dids.iter().collect::<BTreeSet<_>>().len() == dids.len();
        let lists = [self.roots.len(), self.rule.signers.len(), self.roles.len()];
        if lists.into_iter().chain([self.schemas.len(), self.channels.len()]).any(|n| n > MAX_LIST)
        {
            return refuse("a list has more than 1024 members");
        }
        if self.roots.is_empty() || !distinct(&self.roots) {
            return refuse("it names no root, or one twice");
        }
        let SigningRule { threshold, signers } = &self.rule;
        if !distinct(signers) || *threshold == 0 || *threshold > signers.len() {
            return refuse("its rule names a signer twice, or cannot be met");
        }
        let definitions: BTreeSet<_> = self.roles.iter().map(|r| &r.definition).collect();
        if definitions.len() != self.roles.len() {
            return refuse("it lists a role definition twice");
        }
        if self.roles.iter().any(|r| r.grace_seconds.is_some() && r.retired.is_none()) {
            return refuse("a role that is not retired has a grace period");
        }
        for list in [&self.schemas, &self.channels] {
            let names: BTreeSet<_> = list.iter().map(|d| d.name.as_str()).collect();
            if names.len() != list.len() || !names.into_iter().all(printable) {
                return refuse("a schema or channel has no usable name, or one twice");
            }
        }
        Ok(())
    }
}

/// A charter with the signatures that it was given. Not yet believed.
#[derive(Clone, Debug)]
pub struct SignedCharter {
    charter: Charter,
    signed: SignedDocument,
}

impl SignedCharter {
    /// A charter that nobody signed yet.
    ///
    /// # Errors
    /// [`CharterError::Malformed`] if a reader would refuse it.
    pub fn unsigned(charter: Charter) -> Result<Self, CharterError> {
        charter.id()?;
        let signed = SignedDocument::unsigned(&charter)?;
        Ok(Self { charter, signed })
    }

    /// Reads a signed charter.
    ///
    /// # Errors
    /// [`CharterError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CharterError> {
        let malformed = |e: json::JsonError| CharterError::Malformed(e.to_string());
        Self::from_json(json::parse_strict(bytes, Limits::DOCUMENT).map_err(malformed)?)
    }

    /// Reads a signed charter from JSON that was read strictly.
    ///
    /// # Errors
    /// [`CharterError`].
    pub fn from_json(value: Value) -> Result<Self, CharterError> {
        let signed = SignedDocument::from_json(value)?;
        let charter: Charter = json::from_object(signed.document().clone())
            .map_err(|e| CharterError::Malformed(e.to_string()))?;
        charter.check()?;
        signed.must_be_spelt_as(&charter)?;
        Ok(Self { charter, signed })
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`CharterError::Proof`]: only Ed25519 keys sign charters. [`CharterError::Malformed`] for
    /// more than 64 signatures.
    pub fn sign(&mut self, signer: Signer<'_>) -> Result<(), CharterError> {
        Ok(self.signed.sign(signer)?)
    }

    /// Takes over the signatures of another copy of the same charter.
    ///
    /// # Errors
    /// [`CharterError::ContentId`] if it is another charter.
    pub fn merge(&mut self, other: &Self) -> Result<(), CharterError> {
        Ok(self.signed.merge(&other.signed)?)
    }

    /// What it says. Believe it only after [`SignedCharter::check_signatures`].
    #[must_use]
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        self.signed.id()
    }

    /// The document with its signatures.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.signed.to_json()
    }

    /// Takes signatures of these signers away that are dated later than the clock shows; gives their dates.
    pub fn drop_ahead(&mut self, signers: &[Did], now: UnixMillis) -> Vec<UnixMillis> {
        self.signed.drop_ahead(signers, now)
    }

    /// Whom the signatures name. Not yet believed.
    #[must_use]
    pub fn named_signers(&self) -> Vec<Did> {
        self.signed.named_signers()
    }

    /// Whether enough of a rule's signers signed it, no earlier than `not_before`: each counts once,
    /// and so does each key.
    #[must_use]
    pub fn check_signatures(
        &self,
        rule: &SigningRule,
        resolver: &dyn Resolver,
        not_before: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Check {
        let (name, version) = ("signatures", self.charter.version);
        let signers = self.signed.signers(&rule.signers, resolver, not_before, now);
        let (found, needed) = (signers.signed.len(), rule.threshold);
        let of = rule.signers.len();
        if found >= needed {
            let sentence = format!(
                "{found} of {of} signers signed version {version}, and {needed} are needed"
            );
            return Check::passed(name, codes::CHARTER_SIGNED, sentence);
        }
        let why = signers.refused.first().map(|r| format!(" ({r})")).unwrap_or_default();
        let sentence = format!(
            "{found} of {of} signers signed version {version}, and {needed} are needed; {} more \
             cannot be decided{why}",
            signers.unknown.len()
        );
        if found.saturating_add(signers.unknown.len()) >= needed {
            Check::indeterminate(name, codes::CHARTER_SIGNER_UNKNOWN, sentence)
        } else {
            Check::failed(name, codes::CHARTER_SIGNERS_TOO_FEW, sentence)
        }
    }

    /// [`SignedCharter::check_follows`], or, where none stands before it, [`SignedCharter::check_first`].
    #[must_use]
    pub fn check_after(
        &self,
        previous: Option<&Self>,
        resolver: &dyn Resolver,
        now: UnixMillis,
    ) -> Vec<Check> {
        match previous {
            None => self.check_first(resolver, now),
            Some(previous) => self.check_follows(previous, resolver, now),
        }
    }

    /// Whether it may follow `previous`: it names it, is one version and not earlier in time, and
    /// is signed by the rule of its predecessor and by its own.
    #[must_use]
    pub fn check_follows(
        &self,
        previous: &Self,
        resolver: &dyn Resolver,
        now: UnixMillis,
    ) -> Vec<Check> {
        let name = "history";
        let (ours, theirs) = (&self.charter, &previous.charter);
        let linked = ours.previous.as_ref() == Some(previous.signed.id())
            && theirs.version.checked_add(1) == Some(ours.version)
            && ours.dated >= theirs.dated;
        let link = if linked {
            let sentence = format!("version {} follows version {}", ours.version, theirs.version);
            Check::passed(name, codes::CHARTER_FOLLOWS, sentence)
        } else {
            let sentence = format!(
                "version {} does not follow version {} that stands before it",
                ours.version, theirs.version
            );
            Check::failed(name, codes::CHARTER_HISTORY_BROKEN, sentence)
        };
        let old = self.check_signatures(&theirs.rule, resolver, Some(theirs.dated), now);
        let new = self.check_signatures(&ours.rule, resolver, Some(theirs.dated), now);
        vec![link, old, new]
    }

    /// Whether it may be the first: version 1, signed by its own rule.
    #[must_use]
    pub fn check_first(&self, resolver: &dyn Resolver, now: UnixMillis) -> Vec<Check> {
        let name = "history";
        let first = if self.charter.previous.is_none() {
            Check::passed(name, codes::CHARTER_FOLLOWS, "it is the first")
        } else {
            let sentence = "the history does not begin with version 1";
            Check::failed(name, codes::CHARTER_HISTORY_BROKEN, sentence)
        };
        vec![first, self.check_signatures(&self.charter.rule, resolver, None, now)]
    }
}

/// Whether a charter's date has come: one from the future counts for nobody yet.
#[must_use]
pub(crate) fn check_date(charter: &Charter, now: UnixMillis) -> Check {
    if charter.dated > now.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
        let sentence = format!("it counts from {}, and it is {now} here", charter.dated);
        return Check::failed("date", identity_codes::SIGNED_IN_FUTURE, sentence);
    }
    Check::passed("date", codes::CHARTER_IN_FORCE, format!("in force since {}", charter.dated))
}
