//! Which documents the operator may give: what reads as one that a node uses, or is named by what the
//! node has. Anything else lay in its folder in clear text, and was good for nothing: a file that was
//! cut off, or the words of a wallet.

use super::recognise::log_of;
use super::{Material, MaterialError};
use crate::codes;
use crate::content::{PublicDocument, PublicKind};
use crate::files::Manifest;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_identity::did::Did;
use gridpass_identity::json::{Limits, parse_strict};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::keeping;
use gridpass_policy::payload::{PayloadSchema, SchemaError, is_xsd_file};
use serde_json::Value;

/// What the operator gives a node.
const EXPECTED: &str = "a node takes a trust pack, a channel, a schema or a file of one, a presentation for a \
                        channel, its own authorisation, status lists, and what proves a DID";

impl Material {
    /// Refuses a document that the operator gives and that the node has no use for.
    pub(super) fn check_document(&self, id: &ContentId, bytes: &[u8]) -> Result<(), MaterialError> {
        let refuse = |what: &str| {
            Err(MaterialError::new(codes::NODE_FILE, format!("it is {what}; {EXPECTED}")))
        };
        if bytes.trim_ascii().is_empty() {
            return refuse("empty");
        }
        if self.documents.contains_key(id) || self.is_named(id) {
            return Ok(());
        }
        let is_role =
            PublicDocument::read(bytes).is_ok_and(|d| d.kind == PublicKind::RoleDefinition);
        if is_role || is_xsd_file(bytes) || Manifest::parse(bytes).is_ok() {
            return Ok(());
        }
        // The files of one may come after it: it is read by itself.
        let documents = |name: &ContentId| (name == id).then(|| bytes.to_vec());
        match PayloadSchema::compile(id, &documents) {
            Ok(_) | Err(SchemaError::Missing(_)) => Ok(()),
            Err(e) if says_it_is_a_schema(bytes) => {
                Err(MaterialError::new(e.code(), e.to_string()))
            }
            Err(_) => refuse("none of these, or not whole"),
        }
    }

    /// Refuses a channel that does not follow its predecessor, whichever of the two is here first: under
    /// one version of a topic two schemas would count. And a second descriptor of one version: which of them a
    /// name means would hang on nothing that anybody decided. What its owner's signature does not hold for, such as a
    /// thief's or a stranger's, stands in the way of nothing that it holds for.
    pub(super) fn check_channel(
        &self,
        channel: &SignedChannel,
        now: UnixMillis,
    ) -> Result<(), MaterialError> {
        let signed = |c: &SignedChannel| c.check_owner(&self.identities, now).outcome;
        let counts = signed(channel) == Outcome::Passed;
        let stands = |held: &&SignedChannel| !counts || signed(held) == Outcome::Passed;
        let names = |newer: &SignedChannel, older: &SignedChannel| {
            newer.descriptor().previous.as_ref() == Some(older.id())
        };
        let before = self.channels.values().chain(self.left.values());
        let before = before.filter(|held| names(channel, held)).map(|held| (held, channel));
        let after = self.channels.values().filter(|held| names(held, channel)).filter(stands);
        for (older, newer) in before.chain(after.map(|held| (channel, held))) {
            let follows = newer.check_follows(older);
            if follows.outcome != Outcome::Passed {
                let descriptor = newer.descriptor();
                let sentence = format!(
                    "version {} of {}, {}, does not follow {}: {}",
                    descriptor.version,
                    descriptor.name,
                    newer.id(),
                    older.id(),
                    follows.sentence
                );
                return Err(MaterialError::new(follows.code, sentence));
            }
        }
        let known: Vec<_> = self.channels.values().chain(self.left.values()).collect();
        for ancestor in keeping::further_back(&known, channel) {
            let keeps = channel.check_keeps_topics(ancestor);
            if keeps.outcome != Outcome::Passed {
                let sentence = format!("{}: {}", channel.id(), keeps.sentence);
                return Err(MaterialError::new(keeps.code, sentence));
            }
        }
        // What was left does not stand in the way of what takes its place.
        match keeping::siblings(self.channels.values(), channel).find(stands) {
            None => Ok(()),
            Some(held) => {
                let descriptor = channel.descriptor();
                let sentence = format!(
                    "the node has another version {} of {}: {}, beside {}. If this one counts, leave that one \
                     first: `gridpass node leave {}`",
                    descriptor.version,
                    descriptor.name,
                    held.id(),
                    channel.id(),
                    held.id()
                );
                Err(MaterialError::new(policy_codes::CHANNEL_FORK, sentence))
            }
        }
    }

    /// Refuses a parcel whose content is for somebody else.
    pub(super) fn check_parcel(parcel: &Parcel) -> Result<(), MaterialError> {
        match parcel.kind {
            ParcelKind::Visa => Err(visa()),
            ParcelKind::Presentation | ParcelKind::StatusLists | ParcelKind::NodeAuthorisation => {
                Ok(())
            }
            _ => {
                let sentence = format!("it is a {}; {EXPECTED}", parcel.kind.name());
                Err(MaterialError::new(codes::NODE_FILE, sentence))
            }
        }
    }

    /// Whether a channel, a role definition or a charter that is here names it.
    fn is_named(&self, id: &ContentId) -> bool {
        let names = |text: &str| text.contains(id.as_str());
        let mut channels = self.channels.values().chain(self.left.values());
        if channels.any(|c| names(&c.to_json().to_string())) {
            return true;
        }
        self.trust.iter().any(|trust| {
            trust.history().iter().any(|charter| names(&charter.to_json().to_string()))
                || trust.definitions().any(|(_, role)| {
                    let encoded = role.definition.encode();
                    encoded.is_ok_and(|(_, bytes)| std::str::from_utf8(&bytes).is_ok_and(names))
                })
        })
    }
}

/// A visa is its holder's: what a node shows is a presentation.
pub(super) fn visa() -> MaterialError {
    MaterialError::new(
        codes::NODE_VISA,
        "it is a visa, which belongs in its holder's wallet, and is no authorisation of a node",
    )
}

/// Of what the owner of a DID publishes a node takes a log of did:webvh, which proves itself. A wallet takes the
/// rest; a node asks its peers for it, and has it with something that was signed.
pub(super) fn published_of_a_did(bytes: &[u8]) -> Option<MaterialError> {
    if log_of(bytes).is_some() {
        return None;
    }
    let first = bytes.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    // A log has an entry on each line.
    let read = parse_strict(bytes, Limits::DOCUMENT);
    let value = read.or_else(|_| parse_strict(first, Limits::DOCUMENT)).ok()?;
    let did = |holder: &Value| Did::parse(holder.get("id")?.as_str()?).ok();
    let version = |entry: &Value| entry.get("versionId").is_some_and(Value::is_string);
    let state = value.get("state").filter(|_| version(&value));
    let (what, command) = if let Some(did) = state.and_then(did) {
        (format!("the log of {did}"), format!("id resolve {did} --log FILE --save"))
    } else if let Some(did) = did(&value).filter(|_| value.get("verificationMethod").is_some()) {
        (format!("the document of {did}"), format!("id resolve {did} --document FILE --save"))
    } else if value.get(0).is_some_and(|one| version(one) && one.get("proof").is_some()) {
        let what = "what witnesses approved of a DID's log".to_owned();
        (what, "id resolve DID --log FILE --witness FILE --save".to_owned())
    } else {
        return None;
    };
    let sentence = format!(
        "it is {what}, which a wallet takes: `gridpass {command}`. A node asks its peers for it, and has it \
         with presentations and status lists"
    );
    Some(MaterialError::new(codes::NODE_FILE, sentence))
}

fn says_it_is_a_schema(bytes: &[u8]) -> bool {
    parse_strict(bytes, Limits::DOCUMENT).is_ok_and(|value| {
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        value.get("$schema").is_some()
            || matches!(kind, "gridpass-xsd" | "gridpass-csv" | "gridpass-cim")
    })
}
