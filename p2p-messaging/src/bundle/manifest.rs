//! The manifest: what a bundle is of, by whom and when it was made, and where its parts are listed.

use super::car::is_name;
use super::entries::PayloadState;
use super::{BundleError, malformed};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_identity::time::UnixMillis;
use ipld_core::cid::Cid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_ipld_dagcbor::DecodeError;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-bundle";
/// What `typ` of the root says.
pub const TYP: &str = "gridpass-bundle";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;
/// How many entries a page has, but for the last of its kind.
pub const PAGE: usize = 1024;
/// The most things that are named as missing.
pub const MAX_MISSING: usize = 1024;

/// A kind of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Kind {
    /// Messages, and what was recorded of them.
    Messages,
    /// Admissions.
    Admissions,
    /// Presentations.
    Presentations,
    /// Node authorisations.
    Authorisations,
    /// Channel descriptors.
    Descriptors,
    /// Schemas and their parts.
    Schemas,
    /// Role definitions.
    Definitions,
    /// Status lists.
    Lists,
    /// What proves DIDs.
    Identities,
    /// Epochs of sealed channels.
    Epochs,
    /// Proofs that a sender contradicts itself.
    Forks,
    /// Receipts.
    Receipts,
    /// Manifests of files.
    Files,
}

impl Kind {
    /// All, in the order in which they stand in a file.
    pub const ALL: [Self; 13] = [
        Self::Messages,
        Self::Admissions,
        Self::Presentations,
        Self::Authorisations,
        Self::Descriptors,
        Self::Schemas,
        Self::Definitions,
        Self::Lists,
        Self::Identities,
        Self::Epochs,
        Self::Forks,
        Self::Receipts,
        Self::Files,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Admissions => "admissions",
            Self::Presentations => "presentations",
            Self::Authorisations => "authorisations",
            Self::Descriptors => "descriptors",
            Self::Schemas => "schemas",
            Self::Definitions => "definitions",
            Self::Lists => "lists",
            Self::Identities => "identities",
            Self::Epochs => "epochs",
            Self::Forks => "forks",
            Self::Receipts => "receipts",
            Self::Files => "files",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// By what the exporter judges: told, never used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgedBy {
    /// Its trust pack.
    pub pack: ContentId,
    /// The newest charter in it.
    pub charter: ContentId,
}

/// Who made the bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exporter {
    /// The participant.
    pub participant: Did,
    /// The authorisation of the node that signs for it; exactly where one does.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub authorisation: Option<ContentId>,
}

/// Which messages of a channel a bundle is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// The channel.
    pub channel: ContentId,
    /// Those that were issued at this time or later.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixMillis>,
    /// Those that were issued before this time.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
    /// Those that somebody sent, or is named in as a recipient.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub participant: Option<Did>,
    /// Those of a conversation.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub thread: Option<EnvelopeId>,
}

impl Selection {
    /// Everything that was said in a channel.
    #[must_use]
    pub fn of_channel(channel: ContentId) -> Self {
        Self { channel, from: None, until: None, participant: None, thread: None }
    }

    /// Whether a message is one of them.
    #[must_use]
    pub fn takes(&self, header: &crate::envelope::Header, id: &EnvelopeId) -> bool {
        let named = |who: &Did| &header.sender == who || header.recipients.contains(who);
        header.channel == self.channel
            && self.from.is_none_or(|from| header.issued >= from)
            && self.until.is_none_or(|until| header.issued < until)
            && self.participant.as_ref().is_none_or(named)
            && self.thread.as_ref().is_none_or(|t| t == id || header.thread.as_ref() == Some(t))
    }

    /// Whether all messages of a chain that fall into its time are selected.
    pub(super) fn takes_whole_chains_of(&self, sender: &Did) -> bool {
        self.thread.is_none() && self.participant.as_ref().is_none_or(|p| p == sender)
    }
}

/// Something that the exporter looked for and did not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lack {
    /// What kind of thing.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// The pages of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // they are the kinds
pub struct Pages {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admissions: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presentations: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorisations: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub descriptors: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub definitions: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lists: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub epochs: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forks: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Cid>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Cid>,
}

impl Pages {
    /// Those of a kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &[Cid] {
        match kind {
            Kind::Messages => &self.messages,
            Kind::Admissions => &self.admissions,
            Kind::Presentations => &self.presentations,
            Kind::Authorisations => &self.authorisations,
            Kind::Descriptors => &self.descriptors,
            Kind::Schemas => &self.schemas,
            Kind::Definitions => &self.definitions,
            Kind::Lists => &self.lists,
            Kind::Identities => &self.identities,
            Kind::Epochs => &self.epochs,
            Kind::Forks => &self.forks,
            Kind::Receipts => &self.receipts,
            Kind::Files => &self.files,
        }
    }

    /// All, in the order in which they stand in a file.
    pub fn all(&self) -> impl Iterator<Item = &Cid> {
        Kind::ALL.into_iter().flat_map(|kind| self.of(kind))
    }
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The trust framework: its first charter.
    pub framework: ContentId,
    /// By what the exporter judges.
    pub trust: JudgedBy,
    /// Who made it.
    pub exporter: Exporter,
    /// When, as the exporter says.
    pub made: UnixMillis,
    /// The number of the last record of the log that was looked at.
    pub last: u64,
    /// Which messages it is of.
    pub selection: Selection,
    /// Whether payloads are in it.
    pub payloads: PayloadState,
    /// Where its parts are listed.
    pub pages: Pages,
    /// What the exporter did not have.
    pub missing: Vec<Lack>,
}

/// The version of a manifest, read before all else of it: later ones may have other members.
#[derive(Deserialize)]
struct Versioned {
    #[serde(rename = "type")]
    document_type: String,
    #[serde(rename = "formatVersion")]
    format_version: u32,
}

impl Manifest {
    /// As it is signed.
    ///
    /// # Errors
    /// [`BundleError::Malformed`] for one that nobody would read.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        self.check()?;
        encode(self)
    }

    /// Reads one in its one encoding.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        let version: Versioned = serde_ipld_dagcbor::from_slice(bytes).map_err(unread)?;
        if version.document_type != TYPE {
            return Err(malformed("the manifest is of another type"));
        }
        if version.format_version != FORMAT_VERSION {
            return Err(BundleError::Version(version.format_version));
        }
        let read: Self = decode(bytes)?;
        read.check()?;
        Ok(read)
    }

    fn check(&self) -> Result<(), BundleError> {
        if self.document_type != TYPE || self.format_version != FORMAT_VERSION {
            return Err(malformed("the manifest is of another type or version"));
        }
        if self.payloads == PayloadState::Gone {
            return Err(malformed("payloads are here or withheld"));
        }
        let ordered = self.missing.windows(2).all(|w| w.first() < w.last());
        if self.missing.len() > MAX_MISSING || !ordered {
            return Err(malformed("what it misses is too much, or not in order"));
        }
        if !self.pages.all().all(|cid| is_name(cid) && cid.codec() == super::car::DAG_CBOR) {
            return Err(malformed("a page has a name of another form"));
        }
        Ok(())
    }
}

/// How many entries a list in its one encoding begins, as far as a page may have as many: 23, 255 or
/// 65 535 are the most of its head of one, two or three bytes.
pub(super) fn entries_of(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [head @ 0x80..=0x97, ..] => Some(usize::from(head & 0x1f)),
        [0x98, count, ..] => Some(usize::from(*count)),
        [0x99, high, low, ..] => Some(usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

/// The one encoding of something.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, BundleError> {
    serde_ipld_dagcbor::to_vec(value).map_err(malformed)
}

/// Why something could not be read, in words: what the decoder says of bytes helps nobody.
fn unread<E>(error: DecodeError<E>) -> BundleError {
    match error {
        DecodeError::Msg(why) => malformed(why),
        _ => malformed("something in it ends too early, or is of another kind than it should be"),
    }
}

/// Reads something in its one encoding.
pub(super) fn decode<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, BundleError> {
    let read: T = serde_ipld_dagcbor::from_slice(bytes).map_err(unread)?;
    if encode(&read)? != bytes {
        return Err(malformed("something in it is not in its one encoding"));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_refused_in_words() {
        let map = encode(&std::collections::BTreeMap::from([("har", 1_u8)])).expect("a map");
        for bytes in [map.as_slice(), &map[..2], b"", &[0xff], &[0x00; 9]] {
            let refused = Manifest::parse(bytes).expect_err("no manifest").to_string();
            for raw in ["Msg(", "Eof", "Mismatch", "Require"] {
                assert!(!refused.contains(raw), "{refused}");
            }
        }
    }

    #[test]
    fn how_many_entries_a_list_has_is_seen_by_its_head() {
        for count in [0, 1, 23, 24, 255, 256, PAGE, 65_535] {
            let list = encode(&vec![7_u8; count]).expect("a list");
            assert_eq!(entries_of(&list), Some(count));
        }
        let long = encode(&vec![7_u8; 65_536]).expect("a list");
        for bytes in [long.as_slice(), &[], &[0x98], &[0x99, 1], &[0xa0], &[0x9f, 0xff]] {
            assert_eq!(entries_of(bytes), None);
        }
    }
}
