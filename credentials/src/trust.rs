//! The trust pack: what a verifier pins. The charter with its history, the role definitions that
//! it lists, and the DID documents of its roots and signers, each with its date.
//!
//! [`Trust::open`] reads one and verifies all of it; [`Trust::compare`] finds forks and rollbacks;
//! [`Trust::beside`] holds it beside what was known before; [`Trust::replaces`] finds what it contradicts.

mod beside;
mod history;
mod material;
mod pack;
mod replacing;

pub use material::{IdentityMaterial, IdentityMaterialError, Snapshots};
pub use pack::{FORMAT_VERSION, LIMITS, TYPE, TrustPack};
pub use replacing::{LogPin, Replaced};

use crate::charter::{Charter, CharterError, SignedCharter};
use crate::codes;
use crate::content_id::{ContentId, ContentIdError};
use crate::role::{RoleDefinition, RoleError};
use crate::schema::Schema;
use crate::signature::OnceResolver;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::report::{Outcome, Report};
use gridpass_identity::resolve::{OfflineResolver, ResolveError, Snapshot, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::clock::is_ahead;
use history::{check_history, holds, is_from_future};
use std::collections::BTreeMap;

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
