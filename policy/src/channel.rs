//! Channel descriptors: who may publish and subscribe, what about, and under which rules. Immutable
//! JSON, named by the CID of its JCS bytes and signed by its owner.

use crate::codes;
use crate::comparison::AttributeTypes;
use crate::condition::ReadsByRole;
use crate::odrl::Terms;
use crate::requirement::{self, CheckedRequirement, Requirement, RequirementError};
use crate::topic::{self, Topic, printable};
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_credentials::role::RoleName;
use gridpass_credentials::secured::Signer;
use gridpass_credentials::signed_document::{SignedDocument, SignedDocumentError};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::report::Check;
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-channel";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// The largest payload that a channel may allow, in bytes. Larger things travel as files.
pub const MAX_PAYLOAD: u64 = 1024 * 1024;
/// The widest clock skew that a channel may allow, in seconds.
pub const MAX_CLOCK_SKEW: u64 = 600;
/// The most parts, comparisons and DIDs of a channel's requirements, those of the channel counted for
/// each topic. What is compiled of them takes a few MiB at most.
pub const MAX_CONDITIONS: usize = 4096;
const YEAR: u64 = 366 * 24 * 3600;

/// Why a channel descriptor was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A member is missing, unknown or out of bounds.
    #[error("the channel descriptor is refused: {0}")]
    Malformed(String),
    /// A requirement cannot be read, or asks for what cannot be.
    #[error("the channel descriptor is refused: {0}")]
    Requirement(RequirementError),
    /// The bytes are another document's.
    #[error(transparent)]
    ContentId(#[from] ContentIdError),
    /// It cannot be signed.
    #[error("{0}")]
    Signature(String),
}

impl ChannelError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::CHANNEL_MALFORMED,
            Self::Requirement(e) => e.code(),
            Self::ContentId(e) => e.code(),
            Self::Signature(_) => codes::CHANNEL_NOT_SIGNED,
        }
    }
}

impl From<SignedDocumentError> for ChannelError {
    fn from(error: SignedDocumentError) -> Self {
        match error {
            SignedDocumentError::ContentId(e) => Self::ContentId(e),
            SignedDocumentError::Proof(e) => Self::Signature(e.to_string()),
            other => Self::Malformed(other.to_string()),
        }
    }
}

/// To how many a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// To every subscriber; no recipient is named.
    Broadcast,
    /// To the recipients that it names, one or more.
    Multicast,
    /// To exactly one.
    Unicast,
}

/// Who can read payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sealing {
    /// Everybody on the way.
    None,
    /// Those who satisfy the subscribe requirements, or are named as recipients.
    Members,
}

/// What becomes of a requirement that cannot be decided, for want of fresh status or of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Indeterminate {
    /// It denies.
    Deny,
    /// A visa that cannot be decided counts as held. For channels where silence does more harm
    /// than a message too many, such as curtailment orders in an emergency.
    Allow,
}

/// How long messages are kept, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Retention {
    /// How long peers keep messages, in seconds.
    pub seconds: u64,
    /// Whether who subscribes later may have what was sent before.
    pub history: bool,
}

/// What one sender may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MessageLimits {
    /// The largest payload, in bytes.
    pub max_payload_bytes: u64,
    /// The most messages in a minute.
    pub max_messages_per_minute: u64,
    /// The longest time from issue to expiry, in seconds.
    pub max_lifetime_seconds: u64,
    /// The most recipients of one message.
    pub max_recipients: u64,
}

/// A channel descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChannelDescriptor {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The trust framework in which roles are named: the CID of its first charter.
    pub framework: ContentId,
    /// The channel's name in its namespace: `flex.gb.bids`.
    pub name: RoleName,
    /// 1, and one more with each change.
    pub version: u64,
    /// The descriptor that this one replaces; absent in the first.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub previous: Option<ContentId>,
    /// From when it counts.
    pub dated: UnixMillis,
    /// Who answers for it, and signs it.
    pub owner: Did,
    /// The channel in a few words.
    pub title: String,
    /// To how many a message goes.
    pub mode: Mode,
    /// What senders must satisfy.
    pub publish: Vec<Requirement>,
    /// What receivers must satisfy.
    pub subscribe: Vec<Requirement>,
    /// What keepers must satisfy: they hold sealed messages for others, and read none. Nobody, if
    /// empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<Requirement>,
    /// What messages are about.
    pub topics: Vec<Topic>,
    /// Who can read payloads.
    pub sealing: Sealing,
    /// How long messages are kept.
    pub retention: Retention,
    /// Whether recipients confirm.
    pub receipts: bool,
    /// What one sender may send.
    pub limits: MessageLimits,
    /// The oldest that a visa's status may be, in seconds; the role definition may ask for less.
    pub max_status_age_seconds: u64,
    /// How far a sender's clock may be off, in seconds.
    pub clock_skew_seconds: u64,
    /// What becomes of what cannot be decided.
    pub indeterminate: Indeterminate,
    /// What receivers may do with the data.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// A descriptor whose requirements were read: what a policy is compiled from.
#[derive(Clone, Debug)]
pub struct CheckedChannel {
    /// The types of the attributes of its messages.
    pub attributes: AttributeTypes,
    /// What its requirements read of visas.
    pub reads: ReadsByRole,
    /// What senders must satisfy, by topic.
    pub publish: BTreeMap<String, Vec<CheckedRequirement>>,
    /// What receivers must satisfy.
    pub subscribe: Vec<CheckedRequirement>,
    /// What keepers must satisfy; nobody is one, if empty.
    pub keep: Vec<CheckedRequirement>,
    /// What uses of the data must satisfy, by action.
    pub terms: BTreeMap<crate::odrl::Action, Vec<CheckedRequirement>>,
}

impl ChannelDescriptor {
    /// Reads a descriptor from its canonical bytes; gives its CID.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn parse(
        bytes: &[u8],
        expected: Option<&ContentId>,
    ) -> Result<(Self, ContentId), ChannelError> {
        if let Some(expected) = expected {
            expected.verify(bytes)?;
        }
        let signed = SignedChannel::parse(bytes)?;
        let id = signed.id().clone();
        if ContentId::of_bytes(bytes)? != id {
            return Err(ChannelError::Malformed("it is not in canonical form (JCS)".into()));
        }
        Ok((signed.descriptor, id))
    }

    /// The canonical bytes and the CID.
    ///
    /// # Errors
    /// [`ChannelError`] if a reader would refuse it.
    pub fn encode(&self) -> Result<(ContentId, Vec<u8>), ChannelError> {
        let (id, bytes) = ContentId::of_json(self)?;
        Self::parse(&bytes, Some(&id))?;
        Ok((id, bytes))
    }

    /// The same content as the next version, to be changed and signed.
    ///
    /// # Errors
    /// [`ChannelError::ContentId`].
    pub fn next(&self, dated: UnixMillis) -> Result<Self, ChannelError> {
        let (previous, _) = ContentId::of_json(self)?;
        let version = self.version.saturating_add(1);
        Ok(Self { version, previous: Some(previous), dated, ..self.clone() })
    }

    /// A topic, by name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|t| t.name == name)
    }

    /// What is another in a topic that an earlier version of the channel has, too.
    fn changed_topic(&self, earlier: &Self) -> Option<String> {
        for topic in &earlier.topics {
            let Some(now) = self.topic(&topic.name) else { continue };
            for (before, after) in topic.versions.iter().zip(&now.versions) {
                if before.schema != after.schema || before.media_type != after.media_type {
                    let version = before.version;
                    return Some(format!("version {version} of topic {} changed", topic.name));
                }
            }
            if now.versions.len() < topic.versions.len() {
                return Some(format!("topic {} lost a version; retire it instead", topic.name));
            }
        }
        None
    }

    /// Refuses what is out of bounds; reads every requirement.
    ///
    /// # Errors
    /// [`ChannelError::Malformed`], [`ChannelError::Requirement`].
    pub fn check(&self) -> Result<CheckedChannel, ChannelError> {
        let refuse = |reason: &str| Err(ChannelError::Malformed(reason.to_owned()));
        if self.document_type != TYPE || self.format_version != FORMAT_VERSION {
            return refuse("its type or format version is unknown");
        }
        if self.version == 0 || (self.version == 1) != self.previous.is_none() {
            return refuse("version 1 has no predecessor, and every later one has");
        }
        if !printable(&self.title) {
            return refuse("its title is empty, too long or has control characters");
        }
        let MessageLimits {
            max_payload_bytes,
            max_messages_per_minute,
            max_lifetime_seconds,
            max_recipients,
        } = self.limits;
        if !(1..=MAX_PAYLOAD).contains(&max_payload_bytes) {
            return refuse("maxPayloadBytes is not from 1 to 1048576");
        }
        if !(1..=1_000_000).contains(&max_messages_per_minute) {
            return refuse("maxMessagesPerMinute is not from 1 to 1000000");
        }
        if !(1..=YEAR).contains(&max_lifetime_seconds) {
            return refuse("maxLifetimeSeconds is not from 1 second to a year");
        }
        if !(1..=256).contains(&max_recipients) {
            return refuse("maxRecipients is not from 1 to 256");
        }
        if !(1..=YEAR).contains(&self.max_status_age_seconds) {
            return refuse("maxStatusAgeSeconds is not from 1 second to a year");
        }
        if self.clock_skew_seconds > MAX_CLOCK_SKEW {
            return refuse("clockSkewSeconds is more than 600");
        }
        if !(1..=YEAR.saturating_mul(50)).contains(&self.retention.seconds) {
            return refuse("retention is not from 1 second to fifty years");
        }
        let attributes = topic::check_all(&self.topics).map_err(ChannelError::Malformed)?;
        self.check_requirements(attributes).map_err(ChannelError::Requirement)
    }

    fn check_requirements(
        &self,
        attributes: AttributeTypes,
    ) -> Result<CheckedChannel, RequirementError> {
        if self.publish.is_empty() || self.subscribe.is_empty() {
            let reason = "publish or subscribe asks for nothing: whoever may do it, say so";
            return Err(RequirementError::AlwaysOrNever(reason.into()));
        }
        if !self.keep.is_empty() && self.sealing == Sealing::None {
            let reason =
                "keepers of a channel that does not seal would read it: let them subscribe";
            return Err(RequirementError::Malformed(reason.into()));
        }
        let size = |list: &[Requirement]| {
            list.iter().map(Requirement::size).fold(0, usize::saturating_add)
        };
        // The channel's are asked in each topic, beside its own.
        let whole = self
            .topics
            .iter()
            .map(|t| size(&self.publish).saturating_add(size(&t.publish)))
            .fold(size(&self.subscribe).saturating_add(size(&self.keep)), usize::saturating_add);
        if whole > MAX_CONDITIONS {
            return Err(RequirementError::TooLarge(format!(
                "its requirements, over all topics, have {whole} parts, comparisons and DIDs, and \
                 at most {MAX_CONDITIONS} are compiled"
            )));
        }
        let mut reads = ReadsByRole::new();
        let mut publish = BTreeMap::new();
        for topic in &self.topics {
            let both: Vec<_> = self.publish.iter().chain(&topic.publish).cloned().collect();
            let checked = requirement::check_all(&both, &attributes, &mut reads)
                .map_err(|e| e.at(format!("publish, topic {}", topic.name)))?;
            publish.insert(topic.name.clone(), checked);
        }
        // Who subscribes sends nothing: its requirements have no message to speak of.
        let none = AttributeTypes::new();
        let subscribe = requirement::check_all(&self.subscribe, &none, &mut reads)
            .map_err(|e| e.at("subscribe"))?;
        let keep =
            requirement::check_all(&self.keep, &none, &mut reads).map_err(|e| e.at("keep"))?;
        let terms = match &self.terms {
            None => BTreeMap::new(),
            Some(terms) => terms.compile(&mut reads).map_err(|e| e.at("terms"))?,
        };
        if reads.len() > 64 {
            return Err(RequirementError::TooLarge("it names more than 64 roles".into()));
        }
        Ok(CheckedChannel { attributes, reads, publish, subscribe, keep, terms })
    }
}

/// A descriptor with the signatures that it was given. Not yet believed.
#[derive(Clone, Debug)]
pub struct SignedChannel {
    descriptor: ChannelDescriptor,
    signed: SignedDocument,
}

impl SignedChannel {
    /// A descriptor that nobody signed yet.
    ///
    /// # Errors
    /// [`ChannelError`] if a reader would refuse it.
    pub fn unsigned(descriptor: ChannelDescriptor) -> Result<Self, ChannelError> {
        descriptor.check()?;
        let signed = SignedDocument::unsigned(&descriptor)?;
        Ok(Self { descriptor, signed })
    }

    /// Reads a descriptor, signed or not.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ChannelError> {
        let malformed = |e: json::JsonError| ChannelError::Malformed(e.to_string());
        let value = json::parse_strict(bytes, Limits::DOCUMENT).map_err(malformed)?;
        let draft = value.get("proof").is_none();
        let signed = SignedDocument::from_json(value)?;
        let descriptor: ChannelDescriptor =
            json::from_object(signed.document().clone()).map_err(malformed)?;
        descriptor.check()?;
        if draft {
            // People write drafts by hand, with defaults spelt out: its name is of our spelling.
            return Ok(Self { signed: SignedDocument::unsigned(&descriptor)?, descriptor });
        }
        signed.must_be_spelt_as(&descriptor)?;
        Ok(Self { descriptor, signed })
    }

    /// Signs it. Only the owner's signature counts.
    ///
    /// # Errors
    /// [`ChannelError::Signature`]: only Ed25519 keys sign.
    pub fn sign(&mut self, signer: Signer<'_>) -> Result<(), ChannelError> {
        Ok(self.signed.sign(signer)?)
    }

    /// Takes over the signatures of another copy of the same descriptor.
    ///
    /// # Errors
    /// [`ChannelError::ContentId`] if it is another descriptor.
    pub fn merge(&mut self, other: &Self) -> Result<(), ChannelError> {
        Ok(self.signed.merge(&other.signed)?)
    }

    /// Whether anybody signed it. Whether that counts, [`SignedChannel::check_owner`] says.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.to_json().get("proof").is_some()
    }

    /// What it says. Believe it only after [`SignedChannel::check_owner`].
    #[must_use]
    pub fn descriptor(&self) -> &ChannelDescriptor {
        &self.descriptor
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

    /// Whether its owner signed it.
    #[must_use]
    pub fn check_owner(&self, resolver: &dyn Resolver, now: UnixMillis) -> Check {
        let owner = &self.descriptor.owner;
        // Else an old key of the owner's signs, dated back, what is new.
        let dated = Some(self.descriptor.dated);
        let signers = self.signed.signers(std::slice::from_ref(owner), resolver, dated, now);
        if signers.signed.contains(owner) {
            let sentence = format!("signed by its owner, {owner}");
            return Check::passed("owner", codes::CHANNEL_SIGNED, sentence);
        }
        let why = |all: &[String]| all.first().map(|r| format!(" ({r})")).unwrap_or_default();
        if signers.unknown.contains(owner) {
            let why = why(&signers.undecided);
            let sentence = format!("whether {owner} signed it cannot be decided{why}");
            return Check::indeterminate("owner", codes::CHANNEL_NOT_SIGNED, sentence);
        }
        let why = why(&signers.refused);
        let sentence = format!("its owner, {owner}, did not sign it{why}");
        Check::failed("owner", codes::CHANNEL_NOT_SIGNED, sentence)
    }

    /// Whether it may follow `previous`: it names it, keeps name, framework and owner, is one
    /// version and not earlier in time, and edits no version of a topic.
    #[must_use]
    pub fn check_follows(&self, previous: &Self) -> Check {
        let (ours, theirs) = (&self.descriptor, &previous.descriptor);
        let broken = |what: &str| Check::failed("history", codes::CHANNEL_HISTORY_BROKEN, what);
        if ours.previous.as_ref() != Some(previous.id())
            || theirs.version.checked_add(1) != Some(ours.version)
            || ours.dated < theirs.dated
        {
            return broken("it does not name the other as its predecessor, or not in order");
        }
        if ours.name != theirs.name
            || ours.framework != theirs.framework
            || ours.owner != theirs.owner
        {
            return broken("it has another name, framework or owner than its predecessor");
        }
        if let Some(what) = ours.changed_topic(theirs) {
            return broken(&what);
        }
        let sentence = format!("version {} follows version {}", ours.version, theirs.version);
        Check::passed("history", codes::CHANNEL_FOLLOWS, sentence)
    }

    /// Whether it keeps every version of the topics that a version further back has: one that was dropped in
    /// between comes again as it was, or under another name.
    #[must_use]
    pub fn check_keeps_topics(&self, ancestor: &Self) -> Check {
        let (ours, theirs) = (&self.descriptor, &ancestor.descriptor);
        match ours.changed_topic(theirs) {
            Some(what) => {
                let sentence = format!("{what} since version {}", theirs.version);
                Check::failed("history", codes::CHANNEL_HISTORY_BROKEN, sentence)
            }
            None => {
                let sentence = format!("it keeps the topics of version {}", theirs.version);
                Check::passed("history", codes::CHANNEL_FOLLOWS, sentence)
            }
        }
    }
}
