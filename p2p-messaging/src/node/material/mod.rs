//! What a node was given: files in one folder, each named by what it is. What arrives and proves
//! itself (a newer status list, log or charter) replaces its older state there.

mod channels;
mod folder;
mod identities;
mod lists;
mod newest;
mod presented;
mod published;
mod recognise;
mod trust;
mod wanted;

use super::hold::Hold;
use crate::identities::Identities;
use folder::Folder;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Trust};
use gridpass_credentials::verify::SeenLists;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::Snapshot;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use lists::ListFiles;
use recognise::{Given, recognise};
pub use recognise::{OwnAuthorisation, OwnPresentation};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most status lists that are kept.
pub(super) const MAX_LISTS: usize = 4096;
/// The most DIDs that are known without anything that is kept resting on them.
const MAX_PASSING: usize = 1024;
/// The largest file that is read: 16 MiB.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct MaterialError {
    code: Code,
    sentence: String,
}

impl MaterialError {
    pub(super) fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }

    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }
}

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken {
    /// A trust pack.
    Trust,
    /// A channel.
    Channel(ContentId),
    /// A document, such as a schema.
    Document(ContentId),
    /// A presentation for a channel.
    Presentation(ContentId),
    /// The node's authorisation.
    Authorisation,
    /// A status list: its id and who signs it.
    List(String, Did),
    /// What proves a DID.
    Identity(Did),
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Trust => f.write_str("trust pack"),
            Self::Channel(id) => write!(f, "channel {id}"),
            Self::Document(id) => write!(f, "document {id}"),
            Self::Presentation(channel) => write!(f, "presentation for {channel}"),
            Self::Authorisation => f.write_str("authorisation of this node"),
            Self::List(id, _) => write!(f, "status list {id}"),
            Self::Identity(did) => write!(f, "what proves {did}"),
        }
    }
}

/// Everything that was given.
pub struct Material {
    folder: Folder,
    node: Did,
    trust: Option<Arc<Trust>>,
    trust_bytes: Vec<u8>,
    /// The channels, by name.
    pub channels: BTreeMap<ContentId, SignedChannel>,
    /// Channels that were left: what was said there is shown and forgotten by their descriptors.
    pub left: BTreeMap<ContentId, SignedChannel>,
    /// Schemas and other documents.
    pub documents: BTreeMap<ContentId, Vec<u8>>,
    /// Presentations by channel: of those that hold, the one that was signed last.
    pub presentations: BTreeMap<ContentId, OwnPresentation>,
    /// All that were given, in this order.
    held: BTreeMap<ContentId, Vec<OwnPresentation>>,
    /// Of the authorisations that have not ended the one that was signed last; of one second, that which is valid
    /// longest.
    pub authorisation: Option<OwnAuthorisation>,
    /// All that were given.
    authorisations: Vec<OwnAuthorisation>,
    /// The newest state of each status list.
    pub lists: Vec<StatusList>,
    /// The newest that was ever seen of each, also where it is damaged or could not be kept.
    pub seen: SeenLists,
    list_files: ListFiles,
    /// Since when each list counts here, by list and signer.
    pub since: BTreeMap<(String, Did), UnixMillis>,
    /// What is known of DIDs.
    pub identities: Identities,
    memo: SignatureMemo,
    /// DIDs that nothing that is kept rests on yet, the oldest first.
    passing: VecDeque<Did>,
    /// Role definitions that others published, the oldest first.
    published: VecDeque<ContentId>,
    /// The node's folder, where it is held for who changes this.
    _held: Option<Hold>,
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Material(of {}, {} channels)", self.node, self.channels.len())
    }
}

impl Material {
    /// Reads the folder of what a node was given ([`super::material_of`]), or makes it. Gives what could not be read.
    ///
    /// This takes no lock, so that it can be read beside a node that runs. **What is given then is not in force there,
    /// and no error says so**: who gives something takes [`super::hold`] first and then [`super::Hold::material`], or
    /// asks the node that runs ([`super::Node::give`]).
    ///
    /// # Errors
    /// [`MaterialError`] if the folder cannot be read or made.
    pub fn open(
        folder: &Path,
        node: Did,
        now: UnixMillis,
    ) -> Result<(Self, Vec<(PathBuf, MaterialError)>), MaterialError> {
        let mut material = Self {
            folder: Folder::open(folder)?,
            node,
            trust: None,
            trust_bytes: Vec::new(),
            channels: BTreeMap::new(),
            left: BTreeMap::new(),
            documents: BTreeMap::new(),
            presentations: BTreeMap::new(),
            held: BTreeMap::new(),
            authorisation: None,
            authorisations: Vec::new(),
            lists: Vec::new(),
            seen: SeenLists::new(),
            list_files: ListFiles::default(),
            since: BTreeMap::new(),
            identities: Identities::default(),
            memo: SignatureMemo::default(),
            passing: VecDeque::new(),
            published: VecDeque::new(),
            _held: None,
        };
        let mut unread = Vec::new();
        let paths = material.folder.files()?;
        material.list_files = ListFiles::of(&paths);
        for path in paths {
            let taken = Folder::read(&path).and_then(|bytes| {
                if lists::says_whose(&path) {
                    let seen = material.list_files.seen(&path, &bytes)?;
                    seen.into_iter().for_each(|(key, o)| lists::note(&mut material.seen, key, o));
                    return Ok(Vec::new());
                }
                lists::check(&path, &bytes)?;
                material.take_bytes(&bytes, now, false)
            });
            let taken = taken.map(|taken| {
                if let [Taken::Channel(id)] = taken.as_slice()
                    && folder::is_left(&path)
                    && let Some(channel) = material.channels.remove(id)
                {
                    material.left.insert(id.clone(), channel);
                }
                if let [Taken::Document(id)] = taken.as_slice()
                    && folder::is_published(&path)
                {
                    material.published.push_back(id.clone());
                }
            });
            if let Err(e) = taken {
                unread.push((path, e));
            }
        }
        Ok((material, unread))
    }

    /// The same, holding the node's folder.
    pub(super) fn held_by(self, held: Hold) -> Self {
        Self { _held: Some(held), ..self }
    }

    /// The trust pack.
    ///
    /// # Errors
    /// [`MaterialError`] where none was given.
    pub fn trust(&self) -> Result<&Arc<Trust>, MaterialError> {
        self.trust.as_ref().ok_or_else(|| {
            MaterialError::new(
                gridpass_credentials::codes::TRUST_NOT_PINNED,
                "the node has no trust pack",
            )
        })
    }

    /// The bytes of the trust pack.
    #[must_use]
    pub fn trust_bytes(&self) -> &[u8] {
        &self.trust_bytes
    }

    /// Takes a file that the operator gives: what it is, and what travels with it. A trust pack that
    /// is no continuation of the one at hand is refused, and so is a file that a node has no use for. A node that
    /// runs hears nothing of it: see [`Material::open`].
    ///
    /// # Errors
    /// [`MaterialError`] says what it is, and why it was not taken.
    pub fn give(&mut self, bytes: &[u8], now: UnixMillis) -> Result<Vec<Taken>, MaterialError> {
        self.take_bytes(bytes, now, true)
    }

    fn take_bytes(
        &mut self,
        bytes: &[u8],
        now: UnixMillis,
        keep: bool,
    ) -> Result<Vec<Taken>, MaterialError> {
        // What is in the folder was looked at before.
        if keep && let Some(refusal) = wanted::published_of_a_did(bytes) {
            return Err(refusal);
        }
        Ok(match recognise(bytes)? {
            Given::Trust => vec![self.take_trust(bytes, now, keep)?],
            Given::Channel(channel) => vec![self.take_channel(*channel, now, keep)?],
            Given::Parcel(parcel) => self.take_parcel(&parcel, now, keep)?,
            Given::List(list) => self.take_list(*list, now, keep)?.into_iter().collect(),
            Given::Authorisation(own) => vec![self.take_authorisation(*own, now, keep)?],
            Given::Presentation(own) => vec![self.take_presentation(*own, now, keep)?],
            Given::Identity(material) => {
                let material = material.taken_at(latest(now, keep));
                self.take_identity(&material, keep)?.into_iter().collect()
            }
            Given::Log(did) => {
                // When it was obtained nobody says: now.
                let document = bytes.to_vec();
                let snapshot = Snapshot { seen: now, confirmed: None, document, witness: None };
                let material = IdentityMaterial::of(&did, &snapshot);
                self.take_identity(&material, keep)?.into_iter().collect()
            }
            Given::Document(id, bytes) => {
                // What is in the folder was taken before, or came by its name.
                if keep {
                    self.check_document(&id, &bytes)?;
                }
                vec![self.take_document(id, bytes, keep)?]
            }
        })
    }

    fn take_parcel(
        &mut self,
        parcel: &Parcel,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Vec<Taken>, MaterialError> {
        Self::check_parcel(parcel)?;
        let mut taken = Vec::new();
        for material in &parcel.identities {
            // A document of did:web in a file is its sender's word; a did:webvh log proves itself.
            if material.did.method() == "webvh" {
                let material = material.taken_at(latest(now, keep));
                taken.extend(self.take_identity(&material, keep)?);
            }
        }
        for text in &parcel.status_lists {
            let list = recognise::list(text)?;
            taken.extend(self.take_list(list, now, keep)?);
        }
        match (parcel.kind, &parcel.content) {
            (ParcelKind::Presentation, Some(text)) => {
                let own = recognise::presentation_of(text)?;
                taken.push(self.take_presentation(own, now, keep)?);
            }
            (ParcelKind::NodeAuthorisation, Some(text)) => {
                let own = recognise::authorisation_of(text)?;
                taken.push(self.take_authorisation(own, now, keep)?);
            }
            _ => {}
        }
        Ok(taken)
    }

    /// Keeps a document, which was held against its name.
    ///
    /// # Errors
    /// [`MaterialError`] if it cannot be written.
    pub fn keep_document(&mut self, id: ContentId, bytes: Vec<u8>) -> Result<(), MaterialError> {
        self.take_document(id, bytes, true).map(|_| ())
    }

    fn take_document(
        &mut self,
        id: ContentId,
        bytes: Vec<u8>,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        if keep {
            self.folder.write(&folder::document(&id), &bytes)?;
        }
        self.documents.insert(id.clone(), bytes);
        Ok(Taken::Document(id))
    }
}

/// Until when others may say that something was obtained: now. What stands in the folder was taken
/// before, and a clock that is wrong today must not make the node doubt it.
fn latest(now: UnixMillis, keep: bool) -> UnixMillis {
    if keep { now } else { UnixMillis::MAX }
}
