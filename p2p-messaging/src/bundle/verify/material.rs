//! Everything that a bundle brings, read once: what can be read as what its kind says, by name, and what
//! cannot.

use super::known::{Known, KnownDids, read_identities};
use super::problems::Problems;
use super::report::Audit;
use super::{Shown, in_parallel};
use crate::bundle::Bundle;
use crate::bundle::entries::{MessageEntry, PayloadState};
use crate::codes;
use crate::envelope::Envelope;
use crate::receipt::SignedReceipt;
use crate::sealing::Epoch;
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::{Kind as SecuredKind, Secured};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{LIMITS, Trust, TrustError, TrustPack};
use gridpass_identity::code::Code;
use gridpass_identity::json;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::SnapshotStore;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::decision::parse_admission;
use gridpass_policy::facts::Admission;
use gridpass_policy::payload::{PayloadSchema, SchemaError};
use gridpass_policy::policy::Policy;
use ipld_core::cid::Cid;
use std::collections::{BTreeMap, BTreeSet};

/// All that was read.
pub(super) struct Material<'b> {
    pub(super) bundle: &'b Bundle<'b>,
    pub(super) at: UnixMillis,
    pub(super) trust: Trust,
    /// The same pack as of earlier charters.
    earlier: BTreeMap<ContentId, Trust>,
    pub(super) known: Known,
    /// The channel's policy, and what there is to say of its descriptor.
    pub(super) policy: Option<Policy>,
    pub(super) channel: Audit,
    pub(super) envelopes: Vec<Option<Envelope>>,
    pub(super) admissions: BTreeMap<ContentId, Admission>,
    pub(super) lists: BTreeMap<ContentId, StatusList>,
    pub(super) epochs: BTreeMap<ContentId, Epoch>,
    /// In the order of the entries.
    pub(super) receipts: Vec<Option<SignedReceipt>>,
    /// What is missing, or cannot be read.
    pub(super) problems: Vec<Audit>,
}

impl<'b> Material<'b> {
    /// Reads a bundle's parts.
    ///
    /// # Errors
    /// [`TrustError`] if the trust pack cannot be read as of one of its own earlier charters.
    pub(super) fn read(
        bundle: &'b Bundle<'b>,
        trust: Trust,
        (trust_pack, beside): (&[u8], &dyn SnapshotStore),
        (at, shown): (UnixMillis, &Shown),
    ) -> Result<Self, TrustError> {
        let mut problems = Problems::default();
        for (kind, cid) in bundle.missing() {
            let sentence = format!("{cid}, of the {kind}, is listed and not there");
            problems.open(codes::BUNDLE_PART_MISSING, sentence, cid);
        }
        let entries = bundle.entries();
        let envelopes = in_parallel(&entries.messages, |entry| read_envelope(bundle, entry));
        let known = read_identities(bundle, &trust, beside, &mut problems);
        let admissions = read_all(bundle, &entries.admissions, &mut problems, |id, bytes| {
            let (_, admission) =
                parse_admission(bytes, Some(id)).map_err(|e| (e.code(), e.to_string()))?;
            Ok((id.clone(), admission))
        });
        let definitions = read_definitions(bundle, &mut problems);
        let mut charters: BTreeSet<_> = admissions.values().map(|a| &a.trust.charter).collect();
        // And those that were in force when they were made: a newer one may say otherwise.
        charters.extend(admissions.values().filter_map(|a| in_force(&trust, a.judged)));
        let earlier = earlier(&trust, trust_pack, &charters, &definitions, at)?;
        let lists = read_all(bundle, &entries.lists, &mut problems, |_, bytes| {
            let secured = Secured::parse(bytes, SecuredKind::Credential)
                .map_err(|e| (e.code(), e.to_string()))?;
            let list = StatusList::read(secured).map_err(|e| (e.code(), e.to_string()))?;
            Ok((list.secured().id().clone(), list))
        });
        let epochs = read_all(bundle, &entries.epochs, &mut problems, |id, bytes| {
            let epoch = Epoch::parse(bytes).map_err(|e| (e.code(), e.to_string()))?;
            Ok((id.clone(), epoch.without_keys()))
        });
        for (kind, links, of) in [
            (SecuredKind::Presentation, &entries.presentations, "a presentation"),
            (SecuredKind::Credential, &entries.authorisations, "an authorisation"),
        ] {
            read_all(bundle, links, &mut problems, |id, bytes| {
                let secured = Secured::parse(bytes, kind)
                    .map_err(|e| (e.code(), format!("{of} cannot be read: {e}")))?;
                let id = Some(id).filter(|id| *id == secured.id());
                id.map(|id| (id.clone(), ())).ok_or_else(|| {
                    (gridpass_credentials::codes::CID_OTHER, format!("{of} has another name"))
                })
            });
        }
        read_all(bundle, &entries.files, &mut problems, |id, bytes| {
            crate::files::Manifest::parse(bytes).map_err(|e| (e.code(), e.to_string()))?;
            Ok((id.clone(), ()))
        });
        let receipts = read_receipts(bundle, &mut problems);
        for entry in &entries.descriptors {
            let read =
                bundle.block(&entry.signed).map(|bytes| read_descriptor(bytes, &entry.channel));
            if let Some(Err((code, sentence))) = read {
                problems.failed(code, sentence, &entry.signed);
            }
        }
        let mut material = Self {
            bundle,
            at,
            trust,
            earlier,
            known,
            policy: None,
            channel: Audit::open("channel", codes::BUNDLE_PART_MISSING, "nothing is known of it"),
            envelopes,
            admissions,
            lists,
            epochs,
            receipts,
            problems: Vec::new(),
        };
        (material.policy, material.channel) = material.read_channel(shown);
        material.check_schemas(&mut problems);
        material.problems = problems.told();
        Ok(material)
    }

    /// What resolves DIDs: for one thread.
    pub(super) fn resolver(&self) -> KnownDids<'_> {
        self.known.resolver()
    }

    /// The trust pack as of a charter; nothing where that is not in its history.
    pub(super) fn trust_as_of(&self, charter: &ContentId) -> Option<&Trust> {
        if self.trust.charter().id() == charter {
            return Some(&self.trust);
        }
        self.earlier.get(charter)
    }

    /// From when on messages are selected: before a channel counts there are none to leave out.
    pub(super) fn selected_from(&self) -> Option<UnixMillis> {
        let dated = self.policy.as_ref().map(|policy| policy.descriptor().dated);
        let from = self.bundle.manifest().selection.from;
        from.filter(|from| dated.is_none_or(|dated| *from > dated))
    }

    /// Until when messages are selected: when the bundle was made there were none of later.
    pub(super) fn selected_until(&self) -> Option<UnixMillis> {
        let manifest = self.bundle.manifest();
        manifest.selection.until.filter(|until| *until < manifest.made)
    }

    /// The newest charter of the trust pack that is not dated later than a time.
    pub(super) fn charter_in_force(&self, at: UnixMillis) -> Option<&ContentId> {
        in_force(&self.trust, at)
    }

    /// The first charter of the trust pack.
    pub(super) fn framework(&self) -> &ContentId {
        self.trust.history().first().unwrap_or_else(|| self.trust.charter()).id()
    }

    fn read_channel(&self, shown: &Shown) -> (Option<Policy>, Audit) {
        let (name, bundle) = ("channel", self.bundle);
        let id = &bundle.manifest().selection.channel;
        let shown = shown.channel(id);
        let entry = bundle.entries().descriptors.iter().find(|d| &d.channel == id);
        let bytes = entry.and_then(|d| bundle.block(&d.signed));
        let signed = match (bytes.map(|bytes| read_descriptor(bytes, id)), shown) {
            (Some(Ok(signed)), _) => signed,
            (Some(Err((code, sentence))), _) => {
                return (None, Audit::failed(name, code, sentence).on([id]));
            }
            // By its CID it is the one that the exporter went by.
            (None, Some(shown)) => shown.clone(),
            (None, None) => {
                let sentence = format!("the descriptor of the channel {id} is not there");
                return (None, Audit::open(name, codes::BUNDLE_PART_MISSING, sentence).on([id]));
            }
        };
        if &signed.descriptor().framework != self.framework() {
            let sentence = "its descriptor belongs to another framework than the trust pack";
            return (None, Audit::failed(name, codes::BUNDLE_FRAMEWORK, sentence).on([id]));
        }
        let mut owner = signed.check_owner(&self.resolver(), self.at);
        if owner.outcome != Outcome::Passed
            && let Some(anew) = shown.map(|shown| shown.check_owner(&self.resolver(), self.at))
            && anew.outcome == Outcome::Passed
        {
            owner = anew;
            owner.sentence.push_str(", as is shown beside the bundle");
        }
        let audit = Audit::new(name, (owner.outcome, owner.code), owner.sentence).on([id]);
        match Policy::compile(signed.descriptor().clone()) {
            Ok(policy) => (Some(policy), audit),
            Err(e) => (None, Audit::failed(name, e.code(), e.to_string()).on([id])),
        }
    }

    /// A schema, compiled anew: it is for one thread.
    pub(super) fn schema(&self, id: &ContentId) -> Result<PayloadSchema, SchemaError> {
        PayloadSchema::compile(id, &|id: &ContentId| self.bundle.document(id).map(<[u8]>::to_vec))
    }

    fn check_schemas(&self, problems: &mut Problems) {
        let Some(policy) = &self.policy else { return };
        let versions = policy.descriptor().topics.iter().flat_map(|t| &t.versions);
        let named: BTreeSet<&ContentId> = versions.map(|v| &v.schema).collect();
        let used: BTreeSet<&ContentId> =
            self.envelopes.iter().flatten().map(|e| &e.header().schema).collect();
        for id in named.intersection(&used) {
            match self.schema(id) {
                // What needs one that is missing says so.
                Ok(_) | Err(SchemaError::Missing(_)) => {}
                Err(e) => problems.failed(e.code(), e.to_string(), id),
            }
        }
    }
}

fn name_of(cid: &Cid) -> Option<ContentId> {
    ContentId::parse(&cid.to_string()).ok()
}

/// Reads each block of a kind that is there.
fn read_all<K: Ord, V>(
    bundle: &Bundle<'_>,
    links: &[Cid],
    problems: &mut Problems,
    read: impl Fn(&ContentId, &[u8]) -> Result<(K, V), (Code, String)>,
) -> BTreeMap<K, V> {
    let mut all = BTreeMap::new();
    for cid in links {
        let (Some(bytes), Some(id)) = (bundle.block(cid), name_of(cid)) else { continue };
        match read(&id, bytes) {
            Ok((key, value)) => {
                all.insert(key, value);
            }
            Err((code, sentence)) => problems.failed(code, sentence, cid),
        }
    }
    all
}

/// The descriptor of a channel, if that is what the bytes are.
fn read_descriptor(bytes: &[u8], id: &ContentId) -> Result<SignedChannel, (Code, String)> {
    let other = |what: &ContentId| {
        let sentence = format!("it is the descriptor of {what}");
        (gridpass_credentials::codes::CID_OTHER, sentence)
    };
    match SignedChannel::parse(bytes) {
        Ok(signed) if signed.id() == id => Ok(signed),
        Ok(signed) => Err(other(signed.id())),
        // Of another document it is of no use to say what is wrong with it.
        Err(e) => Err(match document_without_proof(bytes).filter(|found| found != id) {
            Some(found) => other(&found),
            None => (e.code(), e.to_string()),
        }),
    }
}

/// The name of a JSON object, its signatures aside.
fn document_without_proof(bytes: &[u8]) -> Option<ContentId> {
    let mut value = json::parse_strict(bytes, LIMITS).ok()?;
    value.as_object_mut()?.remove("proof");
    ContentId::of_json(&value).ok().map(|(id, _)| id)
}

fn read_envelope(bundle: &Bundle<'_>, entry: &MessageEntry) -> Option<Envelope> {
    let envelope = Envelope::parse_block(bundle.block(&entry.envelope)?).ok()?;
    // As its header says: else the wire form would have been none.
    let payload = bundle.document(envelope.payload_id());
    let length = payload.map(|p| u64::try_from(p.len()).unwrap_or(u64::MAX));
    let here = entry.payload == PayloadState::Here;
    (!here || length.is_none_or(|l| l == envelope.payload_bytes())).then_some(envelope)
}

fn read_definitions(bundle: &Bundle<'_>, problems: &mut Problems) -> Vec<serde_json::Value> {
    let read = read_all(bundle, &bundle.entries().definitions, problems, |id, bytes| {
        let (definition, _) =
            RoleDefinition::parse(bytes, Some(id)).map_err(|e| (e.code(), e.to_string()))?;
        let value = serde_json::to_value(definition)
            .map_err(|e| (gridpass_credentials::codes::ROLE_MALFORMED, e.to_string()))?;
        Ok((id.clone(), value))
    });
    read.into_values().collect()
}

fn read_receipts(bundle: &Bundle<'_>, problems: &mut Problems) -> Vec<Option<SignedReceipt>> {
    let mut all = Vec::new();
    for entry in &bundle.entries().receipts {
        let read = bundle.block(&entry.receipt).map(SignedReceipt::parse);
        all.push(match read {
            Some(Ok(receipt)) => Some(receipt),
            Some(Err(e)) => {
                problems.failed(e.code(), e.to_string(), &entry.receipt);
                None
            }
            None => None,
        });
    }
    all
}

fn in_force(trust: &Trust, at: UnixMillis) -> Option<&ContentId> {
    let all = trust.history().iter().rev();
    let mut dated = all.filter(|signed| signed.charter().dated <= at);
    dated.next().map(SignedCharter::id)
}

/// The trust pack as it was when earlier charters of its own history were the newest. Their definitions
/// may have left it since: those that a charter names by their hash are taken from anywhere.
fn earlier(
    trust: &Trust,
    bytes: &[u8],
    charters: &BTreeSet<&ContentId>,
    definitions: &[serde_json::Value],
    at: UnixMillis,
) -> Result<BTreeMap<ContentId, Trust>, TrustError> {
    let mut all = BTreeMap::new();
    let newest = trust.charter().id();
    for charter in charters.iter().filter(|c| **c != newest) {
        let Some(place) = trust.history().iter().position(|c| c.id() == *charter) else { continue };
        let mut pack: TrustPack = json::from_slice_strict(bytes, LIMITS)
            .map_err(|e| TrustError::Malformed(e.to_string()))?;
        pack.charters.truncate(place.saturating_add(1));
        pack.definitions.extend(definitions.iter().cloned());
        let (_, bytes) = pack.encode()?;
        // Where a definition is not to be had, what rests on that charter stays open.
        if let Ok(opened) = Trust::open(&bytes, None, at) {
            all.insert((*charter).clone(), opened);
        }
    }
    Ok(all)
}

/// Whether a code is about revocation and suspension, so that lists decide.
pub(super) fn is_about_status(code: &str) -> bool {
    use gridpass_credentials::codes as c;
    let all = [
        c::VISA_REVOKED,
        c::VISA_SUSPENDED,
        c::ISSUER_REVOKED,
        c::ISSUER_REVOKED_ENDS,
        c::ISSUER_REVOKED_SINCE,
        c::ISSUER_REVOKED_WHEN,
        c::STATUS_CLEAR,
        c::STATUS_REINSTATED,
        c::STATUS_UNKNOWN,
        c::STATUS_STALE,
        c::STATUS_SIGNER,
        c::STATUS_REVOKER_LAPSED,
        c::STATUS_PURPOSE,
        c::STATUS_ROLLBACK,
        c::STATUS_FORK,
        c::STATUS_RANGE,
    ];
    all.iter().any(|c| c.id() == code)
}

/// Why a message has no envelope here.
pub(super) fn no_envelope(bundle: &Bundle<'_>, entry: &MessageEntry) -> (Outcome, Code, String) {
    match bundle.block(&entry.envelope).map(Envelope::parse_block) {
        None => {
            let sentence = "the envelope is not there".to_owned();
            (Outcome::Indeterminate, codes::BUNDLE_PART_MISSING, sentence)
        }
        Some(Err(e)) => (Outcome::Failed, e.code(), e.to_string()),
        Some(Ok(_)) => {
            let sentence = "its payload has another length than its header says".to_owned();
            (Outcome::Failed, codes::ENVELOPE_MALFORMED, sentence)
        }
    }
}
