//! The trust pack: what a verifier pins. The charter with its history, the role definitions that
//! it lists, and the DID documents of its roots and signers, each with its date.
//!
//! [`Trust::open`] reads one and verifies all of it; [`Trust::compare`] finds forks and rollbacks;
//! [`Trust::beside`] holds it beside what was known before; [`Trust::replaces`] finds what it contradicts.

mod beside;
mod replacing;

pub use replacing::{LogPin, Replaced};

use crate::charter::{self, Charter, CharterError, SignedCharter};
use crate::codes;
use crate::content_id::{ContentId, ContentIdError};
use crate::role::{RoleDefinition, RoleError};
use crate::schema::Schema;
use crate::signature::OnceResolver;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_identity::code::Code;
use gridpass_identity::codes::SIGNED_IN_FUTURE;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::resolve::{OfflineResolver, ResolveError, Snapshot, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::clock::is_ahead;
use gridpass_identity::wallet::snapshots::{add_snapshot, newest_log};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-trust-pack";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// A pack may be large: a long history, many definitions, long logs.
pub const LIMITS: Limits = Limits { bytes: 16 * 1024 * 1024, depth: 32 };
/// The most charters in a history, definitions, or snapshots.
const MAX_LIST: usize = 4096;

/// Why a trust pack was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// It cannot be read.
    #[error("the trust pack cannot be read: {0}")]
    Malformed(String),
    /// It is another one than the one that is pinned.
    #[error("the trust pack is not the one that is pinned: {0}")]
    Pin(ContentIdError),
    /// A charter in it cannot be read.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// A definition in it cannot be read.
    #[error(transparent)]
    Role(#[from] RoleError),
    /// It was read, and does not hold.
    #[error("the charter does not hold: {}", .0.deciding().map(|c| c.sentence.as_str()).unwrap_or_default())]
    Refused(Box<Report>),
    /// What is known of a DID contradicts what the pack says of it.
    #[error("what it says of {did} contradicts what is known: {source}")]
    OtherLog {
        /// The DID.
        did: Did,
        /// How.
        source: ResolveError,
    },
    /// A log that is to take the place of another is not the one that was named.
    #[error("its log of {did} takes no other's place: {reason}")]
    OtherEnd {
        /// The DID.
        did: Did,
        /// Why.
        reason: String,
    },
}

impl TrustError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::TRUST_PACK_MALFORMED,
            Self::Pin(e) => e.code(),
            Self::Charter(e) => e.code(),
            Self::Role(e) => e.code(),
            Self::Refused(report) => {
                report.deciding().map_or(codes::TRUST_PACK_MALFORMED, |c| c.code)
            }
            Self::OtherLog { source, .. } => source.code(),
            Self::OtherEnd { .. } => codes::TRUST_LOG_END,
        }
    }

    /// Whether it was refused for its time: its newest charter, or signatures that suffice else, are from
    /// later than the time that was asked about.
    #[must_use]
    pub fn is_from_future(&self) -> bool {
        let Self::Refused(report) = self else { return false };
        report.checks.iter().any(is_from_future)
    }
}

/// Why what a file carries of a DID cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityMaterialError {
    /// Its document, or what witnesses approved of it, is not base64.
    #[error("the document of {0} is not base64")]
    NotBase64(Did),
}

impl IdentityMaterialError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotBase64(_) => codes::PARCEL_MALFORMED,
        }
    }
}

/// What was obtained of a DID, as a file carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IdentityMaterial {
    /// The DID.
    pub did: Did,
    /// When it was obtained.
    pub seen: UnixMillis,
    /// When the same was obtained last, where that was later.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<UnixMillis>,
    /// `did.json` or `did.jsonl`, in base64, byte for byte.
    pub document: String,
    /// `did-witness.json`, in base64.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
}

impl IdentityMaterial {
    /// Of a snapshot.
    #[must_use]
    pub fn of(did: &Did, snapshot: &Snapshot) -> Self {
        Self {
            did: did.clone(),
            seen: snapshot.seen,
            confirmed: snapshot.confirmed,
            document: STANDARD.encode(&snapshot.document),
            witness: snapshot.witness.as_ref().map(|w| STANDARD.encode(w)),
        }
    }

    /// As somebody takes it now who has it from somebody else: nobody obtained it later than that,
    /// whatever its sender says. A log that is said to be from the year 9999 would be the newest for
    /// ever, and every log that goes on from it be refused.
    #[must_use]
    pub fn taken_at(&self, now: UnixMillis) -> Self {
        let (seen, confirmed) = (self.seen.min(now), self.confirmed.filter(|c| *c <= now));
        Self { seen, confirmed, ..self.clone() }
    }

    /// As a snapshot.
    ///
    /// # Errors
    /// [`IdentityMaterialError::NotBase64`].
    pub fn to_snapshot(&self) -> Result<Snapshot, IdentityMaterialError> {
        let decode = |text: &str| {
            STANDARD.decode(text).map_err(|_| IdentityMaterialError::NotBase64(self.did.clone()))
        };
        Ok(Snapshot {
            seen: self.seen,
            confirmed: self.confirmed,
            document: decode(&self.document)?,
            witness: self.witness.as_deref().map(decode).transpose()?,
        })
    }
}

/// Snapshots of several stores as one: a pack's, a wallet's, a message's.
#[derive(Default)]
pub struct Snapshots<'s> {
    own: BTreeMap<Did, Vec<Snapshot>>,
    others: Vec<&'s dyn SnapshotStore>,
}

impl<'s> Snapshots<'s> {
    /// Reads what a file carries.
    ///
    /// # Errors
    /// [`IdentityMaterialError`] of the first that cannot be read.
    pub fn read(materials: &[IdentityMaterial]) -> Result<Self, IdentityMaterialError> {
        let mut own: BTreeMap<Did, Vec<Snapshot>> = BTreeMap::new();
        for material in materials {
            own.entry(material.did.clone()).or_default().push(material.to_snapshot()?);
        }
        Ok(Self { own, others: Vec::new() })
    }

    /// With those of another store.
    #[must_use]
    pub fn with(mut self, store: &'s dyn SnapshotStore) -> Self {
        self.others.push(store);
        self
    }
}

impl SnapshotStore for Snapshots<'_> {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        let mut all = Vec::new();
        if did.method() == "webvh" {
            // What is known already is one log, in whatever order the stores are asked.
            all.extend(newest_log(did, &self.others)?);
        } else {
            for store in &self.others {
                for known in store.snapshots(did)? {
                    add_snapshot(did, &mut all, known);
                }
            }
        }
        // What came now, beside what is known.
        for own in self.own.get(did).into_iter().flatten() {
            add_snapshot(did, &mut all, own.clone());
        }
        all.dedup();
        Ok(all)
    }
}

/// A trust pack as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TrustPack {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Signed charters, the first one first.
    pub charters: Vec<Value>,
    /// Role definitions.
    pub definitions: Vec<Value>,
    /// DID documents of roots and signers, as far as they cannot be computed.
    pub identities: Vec<IdentityMaterial>,
}

impl TrustPack {
    /// A pack of these parts.
    #[must_use]
    pub fn new(
        charters: &[SignedCharter],
        definitions: &[&RoleDefinition],
        identities: Vec<IdentityMaterial>,
    ) -> Self {
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            charters: charters.iter().map(SignedCharter::to_json).collect(),
            definitions: definitions.iter().filter_map(|d| serde_json::to_value(d).ok()).collect(),
            identities,
        }
    }

    /// Reads the file, of which nothing is believed: [`Trust::open`] verifies it.
    ///
    /// # Errors
    /// [`TrustError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustError> {
        let pack: Self = json::from_slice_strict(bytes, LIMITS)
            .map_err(|e| TrustError::Malformed(e.to_string()))?;
        if pack.document_type != TYPE || pack.format_version != FORMAT_VERSION {
            return Err(TrustError::Malformed("its type or format version is unknown".into()));
        }
        let sizes = [pack.charters.len(), pack.definitions.len(), pack.identities.len()];
        if sizes.iter().any(|n| *n > MAX_LIST) {
            return Err(TrustError::Malformed("a list in it is too long".into()));
        }
        Ok(pack)
    }

    /// The bytes (JCS) and their name.
    ///
    /// # Errors
    /// [`TrustError::Malformed`].
    pub fn encode(&self) -> Result<(ContentId, Vec<u8>), TrustError> {
        ContentId::of_json(self).map_err(|e| TrustError::Malformed(e.to_string()))
    }
}

/// How one charter history stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// The same newest charter.
    Same,
    /// It goes on from the other.
    Newer,
    /// The other goes on from it: somebody shows an old state.
    Older,
    /// Two different charters with one number: signers contradict themselves.
    Fork,
    /// Another trust framework.
    Unrelated,
}

/// A role definition of a trust pack, with the schemas of its claims.
#[derive(Clone, Debug)]
pub struct KnownRole {
    /// The definition.
    pub definition: RoleDefinition,
    /// What the claims must fit.
    pub claims: Schema,
    /// What they must fit where the holder withholds some.
    pub partial_claims: Schema,
}

impl KnownRole {
    fn new(definition: RoleDefinition) -> Result<Self, RoleError> {
        let schema = |partial| {
            definition.claims_schema(partial).map_err(|e| RoleError::Malformed(e.to_string()))
        };
        let (claims, partial_claims) = (schema(false)?, schema(true)?);
        Ok(Self { definition, claims, partial_claims })
    }
}

/// A trust pack that was verified: what every other verification starts from. A clone has charters and documents of its
/// own, and the same compiled schemas: what many threads read is better shared.
#[derive(Clone, Debug)]
pub struct Trust {
    id: ContentId,
    charters: Vec<SignedCharter>,
    newest: SignedCharter,
    definitions: BTreeMap<ContentId, KnownRole>,
    identities: Vec<IdentityMaterial>,
    snapshots: BTreeMap<Did, Vec<Snapshot>>,
    report: Report,
}

impl Trust {
    /// Reads a pack and verifies its history, signatures and definitions.
    ///
    /// Without a `pin`, this says only that the pack holds in itself: **everybody can make one that does**, with roots
    /// of their own. Whose it is says the name that came another way, or [`crate::keeping::pin`] and
    /// [`crate::verifier::Verifier::take_pack`], which hold it beside the one before.
    ///
    /// # Errors
    /// [`TrustError::Refused`] carries the report where a check did not pass.
    pub fn open(
        bytes: &[u8],
        pin: Option<&ContentId>,
        now: UnixMillis,
    ) -> Result<Self, TrustError> {
        if let Some(pin) = pin {
            pin.verify(bytes).map_err(TrustError::Pin)?;
        }
        let malformed = |e: String| TrustError::Malformed(e);
        let id = ContentId::of_bytes(bytes).map_err(|e| malformed(e.to_string()))?;
        let pack = TrustPack::parse(bytes)?;
        let charters = pack
            .charters
            .into_iter()
            .map(SignedCharter::from_json)
            .collect::<Result<Vec<_>, _>>()?;
        let newest =
            charters.last().cloned().ok_or_else(|| malformed("it has no charter".into()))?;
        let mut definitions = BTreeMap::new();
        for value in pack.definitions {
            let bytes = json::canonicalize(&value).map_err(|e| malformed(e.to_string()))?;
            let (definition, id) = RoleDefinition::parse(&bytes, None)?;
            definitions.insert(id, KnownRole::new(definition)?);
        }
        let snapshots = Snapshots::read(&pack.identities).map_err(|e| malformed(e.to_string()))?;
        let report = check_history(&charters, 0, &definitions, &snapshots, now);
        if report.outcome() != Outcome::Passed {
            return Err(TrustError::Refused(Box::new(report)));
        }
        let (identities, snapshots) = (pack.identities, snapshots.own);
        Ok(Self { id, charters, newest, definitions, identities, snapshots, report })
    }

    /// The name of the pack.
    #[must_use]
    pub fn id(&self) -> &ContentId {
        &self.id
    }

    /// The newest charter.
    #[must_use]
    pub fn charter(&self) -> &SignedCharter {
        &self.newest
    }

    /// Every charter, the first one first.
    #[must_use]
    pub fn history(&self) -> &[SignedCharter] {
        &self.charters
    }

    /// Its charters that count at a time, the first one first: up to one that is dated later, or whose
    /// signatures suffice only with some that are.
    #[must_use]
    pub fn history_until(&self, now: UnixMillis) -> &[SignedCharter] {
        let offline = OfflineResolver::new(self);
        let resolver = OnceResolver::new(&offline);
        let (mut previous, mut counted) = (None, 0_usize);
        for signed in &self.charters {
            let checks = signed.check_after(previous, &resolver, now);
            if is_ahead(signed.charter().dated, now) || !holds(&checks) {
                break;
            }
            (previous, counted) = (Some(signed), counted.saturating_add(1));
        }
        self.charters.get(..counted).unwrap_or_default()
    }

    /// The trust framework: the name of its first charter.
    #[must_use]
    pub fn framework(&self) -> &ContentId {
        self.charters.first().unwrap_or(&self.newest).id()
    }

    /// The charter that was in force at a time; the first one for any time before it.
    #[must_use]
    pub fn charter_at(&self, at: UnixMillis) -> &Charter {
        let found = self.charters.iter().rev().find(|c| c.charter().dated <= at);
        found.or_else(|| self.charters.first()).unwrap_or(&self.newest).charter()
    }

    /// A definition that the pack carries.
    #[must_use]
    pub fn definition(&self, id: &ContentId) -> Option<&KnownRole> {
        self.definitions.get(id)
    }

    /// Every definition that the pack carries.
    pub fn definitions(&self) -> impl Iterator<Item = (&ContentId, &KnownRole)> {
        self.definitions.iter()
    }

    /// The DID documents that it carries.
    #[must_use]
    pub fn identities(&self) -> &[IdentityMaterial] {
        &self.identities
    }

    /// The definition that the current charter lists under a name, or by its CID; the one that is
    /// not retired, or is last, where there are several.
    #[must_use]
    pub fn find_role(&self, name_or_cid: &str) -> Option<(&ContentId, &KnownRole)> {
        let roles = &self.charter().charter().roles;
        // Of several in force, the one that was listed last.
        let found = roles
            .iter()
            .filter(|r| r.name.as_str() == name_or_cid || r.definition.as_str() == name_or_cid)
            .max_by_key(|r| r.retired.unwrap_or(UnixMillis::MAX))?;
        self.definitions.get_key_value(&found.definition)
    }

    /// The checks that it passed.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// How this history stands to one that is held already.
    ///
    /// [`Comparison::Same`] and [`Comparison::Newer`] are not enough to take the pack: nobody signs which DID documents
    /// it brings. [`Trust::other_web`] and [`Trust::beside`] look at these; [`crate::keeping::pin`] and
    /// [`crate::verifier::Verifier::take_pack`] ask all three.
    #[must_use]
    pub fn compare(&self, held: &Self) -> Comparison {
        let ids = |t: &Self| t.charters.iter().map(|c| c.id().clone()).collect::<Vec<_>>();
        let (ours, theirs) = (ids(self), ids(held));
        if ours.first() != theirs.first() {
            return Comparison::Unrelated;
        }
        if ours == theirs {
            Comparison::Same
        } else if ours.starts_with(&theirs) {
            Comparison::Newer
        } else if theirs.starts_with(&ours) {
            Comparison::Older
        } else {
            Comparison::Fork
        }
    }
}

impl SnapshotStore for Trust {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(self.snapshots.get(did).cloned().unwrap_or_default())
    }
}

/// Whether a check failed because what it is about is from the future.
fn is_from_future(check: &Check) -> bool {
    check.outcome == Outcome::Failed && check.code == SIGNED_IN_FUTURE
}

fn holds(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.outcome == Outcome::Passed)
}

/// Checks a history, but for the first `held` charters, which are held already.
fn check_history(
    charters: &[SignedCharter],
    held: usize,
    definitions: &BTreeMap<ContentId, KnownRole>,
    snapshots: &dyn SnapshotStore,
    now: UnixMillis,
) -> Report {
    // A log is verified once, not once for each signature of each charter.
    let offline = OfflineResolver::new(snapshots);
    let resolver = OnceResolver::new(&offline);
    let mut report = Report::default();
    let mut previous: Option<&SignedCharter> = None;
    for (number, signed) in charters.iter().enumerate() {
        if number >= held {
            let checks = signed.check_after(previous, &resolver, now);
            let lacks = checks.iter().any(|c| c.code == codes::CHARTER_SIGNERS_TOO_FEW);
            report.checks.extend(checks);
            // Beside the consequence its cause, where there is no other.
            if lacks && holds(&signed.check_after(previous, &resolver, UnixMillis::MAX)) {
                let version = signed.charter().version;
                let sentence = format!(
                    "signatures of version {version} that are needed are dated later than {now}"
                );
                report.push(Check::failed("signatures", SIGNED_IN_FUTURE, sentence));
            }
        }
        previous = Some(signed);
    }
    let Some(newest) = previous.map(SignedCharter::charter) else {
        return report;
    };
    report.push(charter::check_date(newest, now));
    for listed in &newest.roles {
        report.push(match definitions.get(&listed.definition) {
            None => Check::indeterminate(
                "definitions",
                codes::DEFINITION_MISSING,
                format!(
                    "the definition of {} ({}) is not in the pack",
                    listed.name, listed.definition
                ),
            ),
            Some(KnownRole { definition, .. }) if definition.name != listed.name => Check::failed(
                "definitions",
                codes::DEFINITION_NAME,
                format!(
                    "{} is listed as {} and calls itself {}",
                    listed.definition, listed.name, definition.name
                ),
            ),
            Some(_) => Check::passed(
                "definitions",
                codes::DEFINITION_LISTED,
                format!("{} is listed", listed.name),
            ),
        });
    }
    report
}
