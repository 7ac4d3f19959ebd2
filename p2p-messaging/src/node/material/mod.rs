//! What a node was given: files in one folder, each named by what it is. What arrives and proves
//! itself (a newer status list, log or charter) replaces its older state there.

mod folder;
mod lists;
mod presented;
mod published;
mod recognise;
mod trust;
mod wanted;

use crate::codes;
use crate::identities::Identities;
use folder::Folder;
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Trust};
use gridpass_credentials::verify::{SeenLists, check_list};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
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
    /// The authorisation that was signed last; of one second, that which is valid longest.
    pub authorisation: Option<OwnAuthorisation>,
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
}

impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Material(of {}, {} channels)", self.node, self.channels.len())
    }
}

impl Material {
    /// Reads the folder of a node, or makes it. Gives what could not be read.
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
            lists: Vec::new(),
            seen: SeenLists::new(),
            list_files: ListFiles::default(),
            since: BTreeMap::new(),
            identities: Identities::default(),
            memo: SignatureMemo::default(),
            passing: VecDeque::new(),
            published: VecDeque::new(),
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
    /// is no continuation of the one at hand is refused, and so is a file that a node has no use for.
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
            Given::Channel(channel) => vec![self.take_channel(*channel, keep)?],
            Given::Parcel(parcel) => self.take_parcel(&parcel, now, keep)?,
            Given::List(list) => self.take_list(*list, now, keep)?.into_iter().collect(),
            Given::Authorisation(own) => vec![self.take_authorisation(*own, keep)?],
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
                taken.push(self.take_authorisation(recognise::authorisation_of(text)?, keep)?);
            }
            _ => {}
        }
        Ok(taken)
    }

    fn take_channel(&mut self, channel: SignedChannel, keep: bool) -> Result<Taken, MaterialError> {
        let id = channel.id().clone();
        if keep {
            self.check_channel(&channel)?;
            let bytes = channel.to_json().to_string();
            self.folder.write(&folder::channel(&id), bytes.as_bytes())?;
            self.folder.remove(&folder::left(&id))?;
        }
        self.left.remove(&id);
        self.channels.insert(id.clone(), channel);
        Ok(Taken::Channel(id))
    }

    /// A channel that it takes part in, or did.
    #[must_use]
    pub fn channel(&self, id: &ContentId) -> Option<&SignedChannel> {
        self.channels.get(id).or_else(|| self.left.get(id))
    }

    /// Keeps a document, which was held against its name.
    ///
    /// # Errors
    /// [`MaterialError`] if it cannot be written.
    pub fn keep_document(&mut self, id: ContentId, bytes: Vec<u8>) -> Result<(), MaterialError> {
        self.take_document(id, bytes, true).map(|_| ())
    }

    /// Takes part in a channel no more: the presentations for it are removed, and its descriptor is
    /// kept for what was said there. Gives whether the node took part.
    ///
    /// # Errors
    /// [`MaterialError`] if the folder cannot be written.
    pub fn leave(&mut self, id: &ContentId) -> Result<bool, MaterialError> {
        let Some(channel) = self.channels.get(id) else { return Ok(false) };
        self.folder.write(&folder::left(id), channel.to_json().to_string().as_bytes())?;
        // Whatever they are called, also presentations that a later one replaced.
        for path in self.folder.files()? {
            let of_it = match Folder::read(&path).and_then(|bytes| recognise(&bytes)) {
                Ok(Given::Channel(channel)) => channel.id() == id && !folder::is_left(&path),
                Ok(Given::Presentation(own)) => &own.channel == id,
                _ => false,
            };
            if of_it {
                self.folder.remove_file(&path)?;
            }
        }
        self.presentations.remove(id);
        self.held.remove(id);
        if let Some(channel) = self.channels.remove(id) {
            self.left.insert(id.clone(), channel);
        }
        Ok(true)
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

    fn take_presentation(
        &mut self,
        own: OwnPresentation,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        let channel = own.channel.clone();
        if let Some(principal) = self.principal().filter(|_| self.stands(&own).is_none()) {
            // One that was given before it was known who that is stays where it is, and counts no more.
            if !keep {
                return Ok(Taken::Presentation(channel));
            }
            let of = own.holder.as_ref().map_or("nobody that it names", Did::as_str);
            let sentence = format!("it is of {of}, and the node acts for {principal}");
            return Err(MaterialError::new(codes::NODE_PRESENTATION, sentence));
        }
        if keep {
            self.folder.write_last(&folder::presentation(&own.id), own.text.as_bytes())?;
        }
        self.hold_presentation(own.clone());
        // The last one says what its holder wants to show now, such as a visa that was renewed.
        let rank = |p: &OwnPresentation| (self.stands(p), p.expires > now, p.signed);
        if self.presentations.get(&channel).is_none_or(|p| rank(p) <= rank(&own)) {
            self.presentations.insert(channel.clone(), own);
        }
        Ok(Taken::Presentation(channel))
    }

    /// The participant that this node acts for, where an authorisation says so.
    fn principal(&self) -> Option<&Did> {
        self.authorisation.as_ref().map(|held| &held.authorisation.principal)
    }

    /// Whether a presentation is of whom the node acts for; nothing where it is somebody else's. Before
    /// an authorisation is here, which may come later, each may be its participant's.
    fn stands(&self, own: &OwnPresentation) -> Option<bool> {
        let Some(principal) = self.principal() else { return Some(true) };
        match own.holder.as_ref() {
            Some(holder) if holder == principal => Some(true),
            // A node that runs and is authorised meanwhile acts for itself until it starts again.
            Some(holder) if *holder == self.node => Some(false),
            _ => None,
        }
    }

    fn take_authorisation(
        &mut self,
        own: OwnAuthorisation,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        let said = &own.authorisation;
        let refuse = |sentence| Err(MaterialError::new(codes::NODE_AUTHORISATION, sentence));
        if said.node != self.node || !said.purposes.contains(&NodePurpose::Messages) {
            return refuse(format!("it authorises {}, and this node is {}", said.node, self.node));
        }
        if let Some(held) = self.principal().filter(|held| *held != &said.principal) {
            return refuse(format!("it is of {}, and the node acts for {held}", said.principal));
        }
        if keep {
            self.folder.write(&folder::authorisation(&own.id), own.text.as_bytes())?;
        }
        if self.authorisation.as_ref().is_none_or(|a| a.rank() <= own.rank()) {
            self.authorisation = Some(own);
        }
        Ok(Taken::Authorisation)
    }

    /// Takes a status list, if its signer signed it and it is newer than the one at hand; where none
    /// is, at least as new as the newest that was seen.
    ///
    /// # Errors
    /// [`MaterialError`] for one that does not hold.
    pub fn take_list(
        &mut self,
        list: StatusList,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Option<Taken>, MaterialError> {
        // What stands in the folder was checked when it came: a clock that is wrong today must not
        // make the node forget which state it has seen.
        let checks = match keep {
            true => check_list(&list, &self.identities, now, &mut self.memo),
            false => Vec::new(),
        };
        if let Some(bad) = checks.iter().find(|c| c.outcome != Outcome::Passed) {
            return Err(MaterialError::new(bad.code, bad.sentence.clone()));
        }
        let key = (list.id.clone(), list.issuer.clone());
        let (order, seen) = (list.order(), self.seen.get(&key));
        let known = self.lists.iter().position(|l| (&l.id, &l.issuer) == (&key.0, &key.1));
        let is_known =
            seen.is_some_and(|seen| *seen > order || (*seen == order && known.is_some()));
        if is_known || self.list_files.is_older(&key, order) {
            return Ok(None);
        }
        if known.is_none() && self.lists.len() >= MAX_LISTS {
            let sentence = format!("{MAX_LISTS} status lists are kept already");
            return Err(MaterialError::new(codes::NODE_FULL, sentence));
        }
        let text = list.secured().text().to_owned();
        self.seen.insert(key.clone(), order);
        self.since.insert(key.clone(), now);
        match known.and_then(|i| self.lists.get_mut(i)) {
            Some(place) => *place = list,
            None => self.lists.push(list),
        }
        // It counts, whether or not there is room to keep it. That none before it counts any more is
        // kept with its name.
        if keep {
            self.keep_identity(&key.1);
            let kept = self.list_files.keep(&self.folder, &key, order, text.as_bytes());
            if let Err(e) = kept {
                tracing::error!(code = %e.code(), "a status list counts and is not kept: {e}");
            }
        }
        Ok(Some(Taken::List(key.0, key.1)))
    }

    /// Takes what proves a DID, if it is new.
    ///
    /// # Errors
    /// [`MaterialError`] for what does not hold.
    pub fn take_identity(
        &mut self,
        material: &IdentityMaterial,
        keep: bool,
    ) -> Result<Option<Taken>, MaterialError> {
        let new = self
            .identities
            .take(material)
            .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        if !new {
            return Ok(None);
        }
        let did = &material.did;
        let kept = self.folder.has(&folder::identity(did));
        let of_trust = self.trust.iter().any(|t| t.identities().iter().any(|m| &m.did == did));
        if keep || kept || of_trust {
            self.passing.retain(|d| d != did);
            self.write_identity(did);
        } else if !self.passing.contains(did) {
            self.passing.push_back(material.did.clone());
            if self.passing.len() > MAX_PASSING
                && let Some(gone) = self.passing.pop_front()
            {
                self.identities.forget(&gone);
            }
        }
        Ok(Some(Taken::Identity(material.did.clone())))
    }

    /// Keeps what is known of a DID from now on: something that is kept rests on it.
    pub fn keep_identity(&mut self, did: &Did) {
        if let Some(index) = self.passing.iter().position(|d| d == did) {
            self.passing.remove(index);
            self.write_identity(did);
        }
    }

    fn write_identity(&self, did: &Did) {
        let Some(material) = self.identities.material(did) else { return };
        if let Err(e) = self.keep_material(&material) {
            tracing::error!(%did, code = %e.code(), "what proves a DID is not kept: {e}");
        }
    }

    fn keep_material(&self, material: &IdentityMaterial) -> Result<(), MaterialError> {
        let bytes = serde_json::to_vec(material)
            .map_err(|e| MaterialError::new(codes::NODE_FOLDER, e.to_string()))?;
        self.folder.write(&folder::identity(&material.did), &bytes)
    }
}

/// Until when others may say that something was obtained: now. What stands in the folder was taken
/// before, and a clock that is wrong today must not make the node doubt it.
fn latest(now: UnixMillis, keep: bool) -> UnixMillis {
    if keep { now } else { UnixMillis::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{NOW, cid, did_of, key};
    use gridpass_credentials::authorisation::NodeAuthorisation;
    use gridpass_credentials::visa::{Purpose, StatusEntry};
    use std::collections::BTreeSet;

    const DAY: u64 = 24 * 3600 * 1000;

    fn own(name: &str, signed: UnixMillis, days: u64) -> OwnAuthorisation {
        let list = "https://dso.example/list".to_owned();
        OwnAuthorisation {
            id: cid(name),
            text: name.to_owned(),
            signed,
            authorisation: NodeAuthorisation {
                id: format!("urn:example:{name}"),
                principal: did_of(&key(1)).did().clone(),
                node: did_of(&key(2)).did().clone(),
                purposes: BTreeSet::from([NodePurpose::Messages]),
                channels: None,
                valid_from: NOW,
                valid_until: NOW.plus_millis(days * DAY),
                status: StatusEntry { purpose: Purpose::Revocation, list, index: 1 },
            },
        }
    }

    #[test]
    fn of_authorisations_of_one_second_the_same_counts_in_whatever_order_they_come() {
        let node = did_of(&key(2)).did().clone();
        let counts = |all: &[&OwnAuthorisation]| {
            let folder = tempfile::tempdir().expect("a folder");
            let opened = Material::open(folder.path(), node.clone(), NOW);
            let (mut material, _) = opened.expect("a folder");
            for own in all {
                material.take_authorisation((*own).clone(), false).expect("taken");
            }
            material.authorisation.expect("one").text
        };
        let (long, short) = (own("long", NOW, 30), own("short", NOW, 1));
        // Signed later, it counts although it is valid for less.
        let later = own("later", NOW.plus_millis(1000), 1);
        let twins = (own("one", NOW, 30), own("two", NOW, 30));
        let greater = if twins.0.id > twins.1.id { "one" } else { "two" };
        for (one, other, expected) in [
            (&long, &short, "long"),
            (&long, &later, "later"),
            (&twins.0, &twins.1, greater),
        ] {
            assert_eq!([counts(&[one, other]), counts(&[other, one])], [expected, expected]);
        }
    }
}
