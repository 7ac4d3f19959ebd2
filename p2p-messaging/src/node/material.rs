//! What a node was given: files in one folder, each named by what it is. What arrives and proves
//! itself (a newer status list, log or charter) replaces its older state there.

use super::identities::Identities;
use crate::codes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::authorisation::{NodeAuthorisation, NodePurpose};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{Comparison, IdentityMaterial, Trust};
use gridpass_credentials::vcdm::Credential;
use gridpass_credentials::verify::{SeenLists, check_list};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::json::{self, Limits};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::io::Write as _;
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

fn refused<E: std::fmt::Display>(code: Code) -> impl Fn(E) -> MaterialError {
    move |e| MaterialError::new(code, e.to_string())
}

/// A presentation that the participant made for a channel.
#[derive(Clone, Debug)]
pub struct OwnPresentation {
    /// Its name.
    pub id: ContentId,
    /// As it was signed.
    pub text: String,
    /// When it was signed.
    pub signed: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
}

/// The authorisation of this node.
#[derive(Clone, Debug)]
pub struct OwnAuthorisation {
    /// Its name.
    pub id: ContentId,
    /// As it was signed.
    pub text: String,
    /// When it was signed.
    pub signed: UnixMillis,
    /// What it says.
    pub authorisation: NodeAuthorisation,
}

/// What was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    folder: PathBuf,
    node: Did,
    trust: Option<Arc<Trust>>,
    trust_bytes: Vec<u8>,
    /// The channels, by name.
    pub channels: BTreeMap<ContentId, SignedChannel>,
    /// Schemas and other documents.
    pub documents: BTreeMap<ContentId, Vec<u8>>,
    /// Presentations by channel: the one that was signed last.
    pub presentations: BTreeMap<ContentId, OwnPresentation>,
    /// The authorisation that was signed last.
    pub authorisation: Option<OwnAuthorisation>,
    /// The newest state of each status list.
    pub lists: Vec<StatusList>,
    /// The same as what was seen.
    pub seen: SeenLists,
    /// What is known of DIDs.
    pub identities: Identities,
    memo: SignatureMemo,
    /// DIDs that nothing that is kept rests on yet, the oldest first.
    passing: VecDeque<Did>,
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
        let io = |e: std::io::Error| {
            MaterialError::new(codes::NODE_FOLDER, format!("{}: {e}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut material = Self {
            folder: folder.to_owned(),
            node,
            trust: None,
            trust_bytes: Vec::new(),
            channels: BTreeMap::new(),
            documents: BTreeMap::new(),
            presentations: BTreeMap::new(),
            authorisation: None,
            lists: Vec::new(),
            seen: SeenLists::new(),
            identities: Identities::default(),
            memo: SignatureMemo::default(),
            passing: VecDeque::new(),
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if !name.starts_with('.') {
                files.push(path);
            }
        }
        // What others are judged by comes first.
        let rank = |path: &PathBuf| {
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let order = ["trust", "identity", "list", "document", "channel"];
            (order.iter().position(|p| name.starts_with(p)), name.to_owned())
        };
        files.sort_by_key(|path| {
            let (rank, name) = rank(path);
            (rank.unwrap_or(usize::MAX), name)
        });
        let mut unread = Vec::new();
        for path in files {
            let taken = std::fs::read(&path)
                .map_err(io)
                .and_then(|bytes| material.take_bytes(&bytes, now, false).map(|_| ()));
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

    /// Takes a file that the operator gives: whatever it is, and what travels with it. A trust pack
    /// that is no continuation of the one at hand is refused.
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
        let Ok(value) = json::parse_strict(bytes, Limits::DOCUMENT) else {
            return self.take_other(bytes, now, keep);
        };
        let kind = value.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == gridpass_credentials::trust::TYPE {
            return Ok(vec![self.take_trust(bytes, now, keep)?]);
        }
        if kind == gridpass_policy::channel::TYPE {
            let channel = SignedChannel::parse(bytes)
                .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
            return Ok(vec![self.take_channel(channel, keep)?]);
        }
        // A schema's manifest has a type and a version too.
        if serde_json::from_value::<ParcelKind>(Value::from(kind)).is_ok() {
            let parcel =
                Parcel::parse(bytes).map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
            return self.take_parcel(&parcel, now, keep);
        }
        if let Some(taken) = self.take_secured(bytes, now, keep)? {
            return Ok(taken);
        }
        if let Ok(material) = serde_json::from_slice::<IdentityMaterial>(bytes) {
            return Ok(self.take_identity(&material, keep)?.into_iter().collect());
        }
        let (id, canonical) =
            ContentId::of_json(&value).map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        self.take_document(id, canonical, keep).map(|t| vec![t])
    }

    /// A status list, an authorisation or a presentation, in whatever form it was signed; nothing for
    /// what is none of these.
    fn take_secured(
        &mut self,
        bytes: &[u8],
        now: UnixMillis,
        keep: bool,
    ) -> Result<Option<Vec<Taken>>, MaterialError> {
        let trimmed = bytes.trim_ascii();
        if let Ok(secured) = Secured::parse(trimmed, Kind::Credential) {
            if let Ok(list) = StatusList::read(secured.clone()) {
                return Ok(Some(self.take_list(list, now, keep)?.into_iter().collect()));
            }
            return Ok(Some(vec![self.take_authorisation(secured.text(), keep)?]));
        }
        if Secured::parse(trimmed, Kind::Presentation).is_ok() {
            let text = String::from_utf8_lossy(trimmed).into_owned();
            return Ok(Some(vec![self.take_presentation(&text, keep)?]));
        }
        Ok(None)
    }

    /// What is no JSON: a JWT, or a document such as an XML schema.
    fn take_other(
        &mut self,
        bytes: &[u8],
        now: UnixMillis,
        keep: bool,
    ) -> Result<Vec<Taken>, MaterialError> {
        if let Some(taken) = self.take_secured(bytes, now, keep)? {
            return Ok(taken);
        }
        let id = ContentId::of_bytes(bytes)
            .map_err(refused(gridpass_credentials::codes::PARCEL_MALFORMED))?;
        self.take_document(id, bytes.to_vec(), keep).map(|t| vec![t])
    }

    fn take_parcel(
        &mut self,
        parcel: &Parcel,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Vec<Taken>, MaterialError> {
        let mut taken = Vec::new();
        for material in &parcel.identities {
            // A document of did:web in a file is its sender's word; a did:webvh log proves itself.
            if material.did.method() == "webvh" {
                taken.extend(self.take_identity(material, keep)?);
            }
        }
        for text in &parcel.status_lists {
            let secured = Secured::parse(text.as_bytes(), Kind::Credential)
                .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
            let list = StatusList::read(secured)
                .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
            taken.extend(self.take_list(list, now, keep)?);
        }
        match (parcel.kind, &parcel.content) {
            (ParcelKind::Presentation, Some(text)) => {
                taken.push(self.take_presentation(text, keep)?);
            }
            (ParcelKind::NodeAuthorisation, Some(text)) => {
                taken.push(self.take_authorisation(text, keep)?);
            }
            _ => {}
        }
        Ok(taken)
    }

    fn take_trust(
        &mut self,
        bytes: &[u8],
        now: UnixMillis,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        let new = Trust::open(bytes, None, now)
            .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        if let Some(held) = &self.trust {
            let refuse = |code, sentence: &str| Err(MaterialError::new(code, sentence));
            use gridpass_credentials::codes as credential_codes;
            match new.compare(held) {
                Comparison::Same | Comparison::Newer => {}
                Comparison::Older => {
                    let sentence = "its charter is older than the node's";
                    return refuse(credential_codes::CHARTER_ROLLBACK, sentence);
                }
                Comparison::Fork => {
                    let sentence = "its charter contradicts the node's";
                    return refuse(credential_codes::CHARTER_FORK, sentence);
                }
                Comparison::Unrelated => {
                    let sentence = "it belongs to another trust framework than the node's";
                    return refuse(credential_codes::CHARTER_UNRELATED, sentence);
                }
            }
            // What a newer pack says of a did:web would be its sender's word.
            let other = new.identities().iter().find(|m| {
                m.did.method() == "web"
                    && held.identities().iter().any(|h| h.did == m.did)
                    && !says_the_same(held.identities(), m)
            });
            if let Some(other) = other {
                let sentence = format!("it has another document of {}", other.did);
                return Err(MaterialError::new(credential_codes::TRUST_DOCUMENT_OTHER, sentence));
            }
        }
        if keep {
            self.write("trust.json", bytes)?;
        }
        self.identities.take_trust(&new);
        self.trust = Some(Arc::new(new));
        self.trust_bytes = bytes.to_vec();
        Ok(Taken::Trust)
    }

    /// Takes a trust pack that arrived, if it goes on from the one at hand; gives the one before.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub fn take_newer_trust(
        &mut self,
        bytes: &[u8],
        now: UnixMillis,
    ) -> Result<Option<Arc<Trust>>, MaterialError> {
        let before = Arc::clone(self.trust()?);
        let new = Trust::open(bytes, None, now)
            .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        if new.compare(&before) == Comparison::Same {
            return Ok(None);
        }
        // Nothing proves the document of a did:web: a new one comes from the operator alone.
        let foreign = new
            .identities()
            .iter()
            .find(|m| m.did.method() != "webvh" && !says_the_same(before.identities(), m));
        if let Some(foreign) = foreign {
            let sentence = format!("it brings a document of {}, which proves nothing", foreign.did);
            let code = gridpass_credentials::codes::TRUST_DOCUMENT_OTHER;
            return Err(MaterialError::new(code, sentence));
        }
        self.take_trust(bytes, now, true)?;
        Ok(Some(before))
    }

    fn take_channel(&mut self, channel: SignedChannel, keep: bool) -> Result<Taken, MaterialError> {
        let id = channel.id().clone();
        if keep {
            let bytes = channel.to_json().to_string();
            self.write(&format!("channel-{id}.json"), bytes.as_bytes())?;
        }
        self.channels.insert(id.clone(), channel);
        Ok(Taken::Channel(id))
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
            self.write(&format!("document-{id}"), &bytes)?;
        }
        self.documents.insert(id.clone(), bytes);
        Ok(Taken::Document(id))
    }

    fn take_presentation(&mut self, text: &str, keep: bool) -> Result<Taken, MaterialError> {
        let malformed = || {
            MaterialError::new(
                gridpass_credentials::codes::PARCEL_MALFORMED,
                "the presentation names no channel; make it with --to CHANNEL",
            )
        };
        let secured = Secured::parse(text.as_bytes(), Kind::Presentation)
            .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        let (audience, expires) = binding_of(text).ok_or_else(malformed)?;
        let channel = ContentId::parse(&audience).map_err(|_| malformed())?;
        let id = secured.id().clone();
        if keep {
            self.write(&format!("presentation-{id}.jwt"), text.as_bytes())?;
        }
        // The last one says what its holder wants to show now, such as a visa that was renewed.
        let signed = secured.signed_at().unwrap_or_else(|| UnixMillis::new(0));
        if self.presentations.get(&channel).is_none_or(|p| p.signed <= signed) {
            let own = OwnPresentation { id, text: text.to_owned(), signed, expires };
            self.presentations.insert(channel.clone(), own);
        }
        Ok(Taken::Presentation(channel))
    }

    fn take_authorisation(&mut self, text: &str, keep: bool) -> Result<Taken, MaterialError> {
        let secured = Secured::parse(text.as_bytes(), Kind::Credential)
            .map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        let read = Credential::read(secured.document().clone())
            .map_err(gridpass_credentials::visa::VisaError::from)
            .and_then(|c| NodeAuthorisation::read(&c));
        let authorisation = read.map_err(|e| MaterialError::new(e.code(), e.to_string()))?;
        if authorisation.node != self.node
            || !authorisation.purposes.contains(&NodePurpose::Messages)
        {
            let sentence =
                format!("it authorises {}, and this node is {}", authorisation.node, self.node);
            return Err(MaterialError::new(codes::NODE_AUTHORISATION, sentence));
        }
        if let Some(held) = &self.authorisation
            && held.authorisation.principal != authorisation.principal
        {
            let sentence = format!(
                "it is of {}, and the node acts for {}",
                authorisation.principal, held.authorisation.principal
            );
            return Err(MaterialError::new(codes::NODE_AUTHORISATION, sentence));
        }
        let id = secured.id().clone();
        if keep {
            self.write(&format!("authorisation-{id}.jwt"), text.as_bytes())?;
        }
        let signed = secured.signed_at().unwrap_or_else(|| UnixMillis::new(0));
        if self.authorisation.as_ref().is_none_or(|a| a.signed <= signed) {
            let text = text.to_owned();
            self.authorisation = Some(OwnAuthorisation { id, text, signed, authorisation });
        }
        Ok(Taken::Authorisation)
    }

    /// Takes a status list, if its signer signed it and it is newer than the one at hand.
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
        if self.seen.get(&key).is_some_and(|seen| *seen >= list.order()) {
            return Ok(None);
        }
        let known = self.lists.iter().position(|l| (&l.id, &l.issuer) == (&key.0, &key.1));
        if known.is_none() && self.lists.len() >= MAX_LISTS {
            let sentence = format!("{MAX_LISTS} status lists are kept already");
            return Err(MaterialError::new(codes::NODE_FULL, sentence));
        }
        let text = list.secured().text().to_owned();
        self.seen.insert(key.clone(), list.order());
        match known.and_then(|i| self.lists.get_mut(i)) {
            Some(place) => *place = list,
            None => self.lists.push(list),
        }
        // It counts, whether or not there is room to keep it.
        if keep {
            self.keep_identity(&key.1);
            let name = format!("list-{}.jwt", hash(&format!("{} {}", key.1, key.0)));
            if let Err(e) = self.write(&name, text.as_bytes()) {
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
        let kept = self.folder.join(identity_file(did)).exists();
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
        let written = serde_json::to_vec(&material)
            .map_err(refused(gridpass_credentials::codes::PARCEL_MALFORMED))
            .and_then(|bytes| self.write(&identity_file(did), &bytes));
        if let Err(e) = written {
            tracing::error!(%did, code = %e.code(), "what proves a DID is not kept: {e}");
        }
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), MaterialError> {
        let path = self.folder.join(name);
        let half = self.folder.join(format!(".{name}"));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&half)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&half, &path)?;
            std::fs::File::open(&self.folder)?.sync_all()
        };
        write()
            .map_err(|e| MaterialError::new(codes::NODE_FOLDER, format!("{}: {e}", path.display())))
    }
}

/// Whether the same is known of a DID, whenever that was obtained.
fn says_the_same(known: &[IdentityMaterial], new: &IdentityMaterial) -> bool {
    known
        .iter()
        .any(|k| (&k.did, &k.document, &k.witness) == (&new.did, &new.document, &new.witness))
}

fn identity_file(did: &Did) -> String {
    format!("identity-{}.json", hash(did.as_str()))
}

fn hash(text: &str) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(text.as_bytes()).iter().take(16) {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// For whom a presentation in JWT form was made, and until when: read, not believed.
fn binding_of(text: &str) -> Option<(String, UnixMillis)> {
    let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1)?).ok()?;
    let payload = json::parse_strict(&payload, Limits::DOCUMENT).ok()?;
    let audience = payload.get("aud")?.as_str()?.to_owned();
    let expires = payload.get("exp")?.as_u64()?;
    Some((audience, UnixMillis::new(expires.saturating_mul(1000))))
}
