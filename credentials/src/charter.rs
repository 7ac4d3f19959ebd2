//! The charter: the signed, versioned document that names a trust framework's roots and lists its
//! role definitions, schemas and channels by CID.
//!
//! Its name is the CID of its JCS bytes without signatures; the signatures are Data Integrity
//! proofs (`eddsa-jcs-2022`) over the same document. Written down in `spec/charter.md`.

use crate::codes;
use crate::content_id::{ContentId, ContentIdError};
use crate::integrity::{self, IntegrityError, Proof, ProofOptions, Suite};
use crate::role::RoleName;
use crate::secured::Signer;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::jws::SignatureVerdict;
use gridpass_identity::key::PublicKey;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::{Resolver, TimeBasis};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-charter";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// The most roots, signers, roles, schemas or channels.
pub const MAX_LIST: usize = 1024;
/// The most signatures on one charter.
pub const MAX_SIGNATURES: usize = 64;
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<UnixMillis>,
    /// How long visas issued before count after that, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    id: ContentId,
    document: Value,
    proofs: Vec<Map<String, Value>>,
}

impl SignedCharter {
    /// A charter that nobody signed yet.
    ///
    /// # Errors
    /// [`CharterError::Malformed`] if a reader would refuse it.
    pub fn unsigned(charter: Charter) -> Result<Self, CharterError> {
        let id = charter.id()?;
        let document =
            serde_json::to_value(&charter).map_err(|e| CharterError::Malformed(e.to_string()))?;
        Ok(Self { charter, id, document, proofs: Vec::new() })
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
        let refuse = |reason: &str| CharterError::Malformed(reason.to_owned());
        let Value::Object(mut object) = value else {
            return Err(refuse("it is not an object"));
        };
        let proofs = match object.remove("proof") {
            None => Vec::new(),
            Some(Value::Array(list)) if list.len() <= MAX_SIGNATURES => list
                .into_iter()
                .map(|p| match p {
                    Value::Object(proof) => Ok(proof),
                    _ => Err(refuse("a signature is not an object")),
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(refuse("its signatures are not a list, or more than 64")),
        };
        // As JCS has it: that is what is signed, also where two numbers are written alike.
        let (_, bytes) = ContentId::of_json(&Value::Object(object))?;
        let document = json::parse_strict(&bytes, Limits::DOCUMENT)
            .map_err(|e| CharterError::Malformed(e.to_string()))?;
        let charter: Charter = json::from_object(document.clone())
            .map_err(|e| CharterError::Malformed(e.to_string()))?;
        let id = charter.id()?;
        // Two spellings of one charter (an empty list, a time with more digits) would have two
        // names and one signature.
        if ContentId::of_json(&document)?.0 != id {
            return Err(refuse("it spells out what is left away, or writes a time in another way"));
        }
        Ok(Self { charter, id, document, proofs })
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`CharterError::Proof`]: only Ed25519 keys sign charters. [`CharterError::Malformed`] for
    /// more than 64 signatures.
    pub fn sign(&mut self, signer: Signer<'_>) -> Result<(), CharterError> {
        let options = ProofOptions {
            suite: Suite::EddsaJcs2022,
            key_id: signer.key_id.clone(),
            purpose: Relationship::AssertionMethod,
            created: signer.now,
            expires: None,
            challenge: None,
            domain: None,
        };
        let proof = integrity::sign(&self.document, &options, signer.key)?;
        if self.proofs.len() >= MAX_SIGNATURES {
            return Err(CharterError::Malformed("it has 64 signatures already".into()));
        }
        if let Value::Object(proof) = proof {
            // Signing again replaces: one signer has one signature.
            let key = proof.get("verificationMethod").cloned();
            self.proofs.retain(|p| p.get("verificationMethod") != key.as_ref());
            self.proofs.push(proof);
        }
        Ok(())
    }

    /// Takes over the signatures of another copy of the same charter.
    ///
    /// # Errors
    /// [`CharterError::ContentId`] if it is another charter.
    pub fn merge(&mut self, other: &Self) -> Result<(), CharterError> {
        if other.id != self.id {
            let (expected, found) = (self.id.clone(), other.id.clone());
            return Err(ContentIdError::Other { expected, found }.into());
        }
        for proof in &other.proofs {
            if !self.proofs.contains(proof) && self.proofs.len() < MAX_SIGNATURES {
                self.proofs.push(proof.clone());
            }
        }
        Ok(())
    }

    /// What it says. Believe it only after [`SignedCharter::check_signatures`].
    #[must_use]
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// The document with its signatures.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut document = self.document.clone();
        if let Value::Object(object) = &mut document
            && !self.proofs.is_empty()
        {
            let proofs = self.proofs.iter().cloned().map(Value::Object).collect();
            object.insert("proof".into(), Value::Array(proofs));
        }
        document
    }

    /// Whom the signatures name. Not yet believed.
    #[must_use]
    pub fn named_signers(&self) -> Vec<Did> {
        let read = |p: &Map<String, Value>| Proof::read(p).ok().map(|p| p.key_id.did().clone());
        let dids: BTreeSet<_> = self.proofs.iter().filter_map(read).collect();
        dids.into_iter().collect()
    }

    /// Whether enough of a rule's signers signed it: each counts once, and so does each key.
    #[must_use]
    pub fn check_signatures(
        &self,
        rule: &SigningRule,
        resolver: &dyn Resolver,
        now: UnixMillis,
    ) -> Check {
        let name = "signatures";
        let (mut signers, mut keys) = (BTreeSet::new(), BTreeSet::new());
        let (mut unknown, mut refused) = (BTreeSet::new(), Vec::new());
        for raw in &self.proofs {
            match self.check_proof(raw, rule, resolver, now) {
                Ok((did, key)) => {
                    if keys.insert(key) {
                        signers.insert(did);
                    }
                }
                Err((Some(did), Outcome::Indeterminate, _)) => {
                    unknown.insert(did);
                }
                Err((_, _, reason)) => refused.push(reason),
            }
        }
        let (found, needed) = (signers.len(), rule.threshold);
        let of = rule.signers.len();
        if found >= needed {
            let sentence = format!("{found} of {of} signers signed it, and {needed} are needed");
            return Check::passed(name, codes::CHARTER_SIGNED, sentence);
        }
        unknown.retain(|did| !signers.contains(did));
        let why = refused.first().map(|r| format!(" ({r})")).unwrap_or_default();
        let sentence = format!(
            "{found} of {of} signers signed it, and {needed} are needed; {} more cannot be \
             decided{why}",
            unknown.len()
        );
        if found.saturating_add(unknown.len()) >= needed {
            Check::indeterminate(name, codes::CHARTER_SIGNER_UNKNOWN, sentence)
        } else {
            Check::failed(name, codes::CHARTER_SIGNERS_TOO_FEW, sentence)
        }
    }

    fn check_proof(
        &self,
        raw: &Map<String, Value>,
        rule: &SigningRule,
        resolver: &dyn Resolver,
        now: UnixMillis,
    ) -> Result<(Did, String), (Option<Did>, Outcome, String)> {
        let proof = Proof::read(raw).map_err(|e| (None, Outcome::Failed, e.to_string()))?;
        let did = proof.key_id.did().clone();
        let refuse = |reason: String| (Some(did.clone()), Outcome::Failed, reason);
        if !rule.signers.contains(&did) {
            return Err(refuse(format!("{did} is not a signer")));
        }
        let plain = proof.suite == Suite::EddsaJcs2022
            && proof.purpose == Relationship::AssertionMethod
            && proof.domains.is_empty()
            && proof.challenge.is_none()
            && proof.expires.is_none();
        let Some(created) = proof.created.filter(|_| plain) else {
            return Err(refuse(format!("the signature of {did} was made for something else")));
        };
        if created > now.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
            return Err(refuse(format!("the signature of {did} is from the future")));
        }
        let resolution = resolver.resolve(&did).map_err(|e| {
            let missing = e.is_missing_evidence();
            let outcome = if missing { Outcome::Indeterminate } else { Outcome::Failed };
            (Some(did.clone()), outcome, e.to_string())
        })?;
        let (check, key) =
            resolution.key_at(&proof.key_id, proof.purpose, created, TimeBasis::Claimed);
        let key: PublicKey = match (check.outcome, key) {
            (Outcome::Passed, Some(key)) => key,
            (outcome, _) => return Err((Some(did.clone()), outcome, check.sentence)),
        };
        match proof.fits(&self.document, &key) {
            Ok(SignatureVerdict::Fits) => Ok((did, key.to_multikey())),
            Ok(SignatureVerdict::DoesNotFit) => {
                Err(refuse(format!("the signature of {did} does not fit")))
            }
            Err(e) => Err(refuse(e.to_string())),
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
        let linked = ours.previous.as_ref() == Some(&previous.id)
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
        let old = self.check_signatures(&theirs.rule, resolver, now);
        let new = self.check_signatures(&ours.rule, resolver, now);
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
        vec![first, self.check_signatures(&self.charter.rule, resolver, now)]
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
