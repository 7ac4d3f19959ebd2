//! Everything that verifying the selected messages needs: found in the log and among what the node was
//! given, or noted as missing.

use super::blocks::{Blocks, block_of, envelope_of, read_document, read_entry};
use super::gathering::{At, Gathered};
use super::{Export, ExportError, Payloads};
use crate::bundle::{
    Contents, ForkEntry, IdentityEntry, Kind, Lack, ReceiptEntry, SignedDescriptor, envelope_link,
    raw_link,
};
use crate::envelope::Envelope;
use crate::files::{Reference, held::read_bounded};
use crate::log::LogSnapshot;
use crate::node::Material;
use crate::node::files_of;
use crate::store::Entry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::{Kind as SecuredKind, Secured};
use gridpass_credentials::vcdm::Credential;
use gridpass_identity::did::Did;
use gridpass_identity::json;
use gridpass_policy::decision::parse_admission;
use gridpass_policy::payload::PayloadSchema;
use ipld_core::cid::Cid;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::Path;

/// The longest manifest of a file.
const MAX_FILE_MANIFEST: u64 = 64 * 1024;

/// Looks for what is needed.
pub(super) struct Finding<'f> {
    folder: &'f Path,
    material: &'f Material,
    log: &'f LogSnapshot,
    gathered: &'f Gathered,
    /// Bytes that are not in the log.
    held: HashMap<Cid, Vec<u8>>,
    /// Where those stand that are.
    logged: HashMap<Cid, At>,
    missing: BTreeSet<Lack>,
    dids: BTreeSet<Did>,
    /// The ids of status lists of which the newest state goes in.
    list_ids: BTreeSet<String>,
}

impl<'f> Finding<'f> {
    pub(super) fn new(
        folder: &'f Path,
        material: &'f Material,
        log: &'f LogSnapshot,
        gathered: &'f Gathered,
    ) -> Self {
        Self {
            folder,
            material,
            log,
            gathered,
            held: HashMap::new(),
            logged: HashMap::new(),
            missing: BTreeSet::new(),
            dids: BTreeSet::new(),
            list_ids: BTreeSet::new(),
        }
    }

    pub(super) fn find(
        mut self,
        asked: &Export,
    ) -> Result<(Contents, Blocks<'f>, Vec<Lack>), ExportError> {
        let gathered = self.gathered;
        let mut wanted = Wanted::of(gathered, self.material);
        let mut contents = Contents {
            messages: gathered.messages.iter().map(|m| m.entry.clone()).collect(),
            receipts: self.receipts(),
            forks: self.forks(),
            ..Contents::default()
        };
        contents.admissions = self.links(Kind::Admissions, &wanted.admissions);
        self.read_admissions(&mut wanted);
        contents.presentations = self.links(Kind::Presentations, &wanted.presentations);
        contents.authorisations = self.links(Kind::Authorisations, &wanted.authorisations);
        self.read_authorisations(&wanted.authorisations);
        contents.epochs = self.links(Kind::Epochs, &wanted.epochs);
        contents.descriptors = self.descriptor(asked)?;
        contents.schemas = self.schemas(&wanted.schemas);
        contents.definitions = self.links(Kind::Definitions, &wanted.definitions);
        contents.lists = self.lists(&wanted.lists);
        contents.files = self.files(asked);
        contents.identities = self.identities();
        let messages = gathered.messages.iter().map(|m| (m.at.number, m.at)).collect();
        let blocks = Blocks::new(self.log, messages, self.held, self.logged);
        Ok((contents, blocks, self.missing.into_iter().collect()))
    }

    /// Bytes that are named so, from wherever the node has them.
    fn document(&self, id: &ContentId) -> Option<(Vec<u8>, Option<At>)> {
        if let Some(at) = self.gathered.documents.get(id) {
            return Some((read_document(self.log, *at)?, Some(*at)));
        }
        let material = self.material;
        let own = material.presentations.values().find(|p| &p.id == id).map(|p| p.text.clone());
        let node = material.authorisation.as_ref().filter(|a| &a.id == id).map(|a| a.text.clone());
        let of_trust = || {
            let trust = material.trust().ok()?;
            trust.definition(id)?.definition.encode().ok().map(|(_, bytes)| bytes)
        };
        let bytes = own
            .or(node)
            .map(String::into_bytes)
            .or_else(|| material.documents.get(id).cloned())
            .or_else(of_trust)?;
        id.verify(&bytes).is_ok().then_some((bytes, None))
    }

    /// Notes where the bytes of a name are to be had; gives its link.
    fn link(&mut self, kind: Kind, id: &ContentId) -> Option<Cid> {
        let found = self.document(id).zip(id.to_cid().ok());
        let Some(((bytes, at), cid)) = found else {
            self.missing.insert(Lack { kind, name: id.to_string() });
            return None;
        };
        match at {
            Some(at) => drop(self.logged.insert(cid, at)),
            None => drop(self.held.insert(cid, bytes)),
        }
        Some(cid)
    }

    fn links(&mut self, kind: Kind, ids: &BTreeSet<ContentId>) -> Vec<Cid> {
        ids.iter().filter_map(|id| self.link(kind, id)).collect()
    }

    fn hold(&mut self, bytes: Vec<u8>) -> Option<Cid> {
        let cid = raw_link(&bytes)?;
        self.held.insert(cid, bytes);
        Some(cid)
    }

    /// What admissions name: lists and definitions, and whose keys they rest on.
    fn read_admissions(&mut self, wanted: &mut Wanted) {
        for id in &wanted.admissions {
            let read = self.document(id).and_then(|(bytes, _)| {
                parse_admission(&bytes, Some(id)).ok().map(|(_, admission)| admission)
            });
            let Some(admission) = read else { continue };
            wanted.lists.extend(admission.lists.iter().map(|l| l.evidence.clone()));
            wanted.definitions.extend(admission.rests_on.definitions.iter().cloned());
            wanted.presentations.extend(admission.presentation.clone());
            self.list_ids.extend(admission.rests_on.status_lists.iter().cloned());
            self.dids.extend(admission.rests_on.dids);
        }
    }

    fn read_authorisations(&mut self, ids: &BTreeSet<ContentId>) {
        for id in ids {
            let Some((bytes, _)) = self.document(id) else { continue };
            let secured = Secured::parse(&bytes, SecuredKind::Credential).ok();
            let credential = secured.and_then(|s| Credential::read(s.document().clone()).ok());
            if let Some(said) = credential.and_then(|c| NodeAuthorisation::read(&c).ok()) {
                self.list_ids.insert(said.status.list);
                self.dids.insert(said.principal);
            }
        }
    }

    fn descriptor(&mut self, asked: &Export) -> Result<Vec<SignedDescriptor>, ExportError> {
        let channel = asked.selection.channel.clone();
        let Some(signed) = self.material.channel(&channel) else {
            return Err(ExportError::Channel(channel.to_string()));
        };
        self.dids.insert(signed.descriptor().owner.clone());
        let bytes = json::canonicalize(&signed.to_json()).map_err(io::Error::other)?;
        let signed = self.hold(bytes);
        Ok(signed.map(|signed| SignedDescriptor { channel, signed }).into_iter().collect())
    }

    /// Schemas with what they import.
    fn schemas(&mut self, named: &BTreeSet<ContentId>) -> Vec<Cid> {
        let mut all = BTreeSet::new();
        for id in named {
            let read = RefCell::new(BTreeSet::new());
            let documents = |id: &ContentId| {
                read.borrow_mut().insert(id.clone());
                self.document(id).map(|(bytes, _)| bytes)
            };
            // What is missing of it is noted below.
            let _ = PayloadSchema::compile(id, &documents);
            all.extend(read.into_inner());
            all.insert(id.clone());
        }
        self.links(Kind::Schemas, &all)
    }

    /// The lists that decisions read, as they were; and the newest of the same ids.
    fn lists(&mut self, named: &BTreeSet<ContentId>) -> Vec<Cid> {
        let mut all: BTreeMap<String, Cid> = BTreeMap::new();
        let newest = self.material.lists.iter().filter(|l| self.list_ids.contains(&l.id));
        let newest: Vec<_> = newest.map(|l| (l.issuer.clone(), l.secured().clone())).collect();
        for (issuer, secured) in newest {
            self.dids.insert(issuer);
            if let Some(cid) = self.hold(secured.text().as_bytes().to_vec()) {
                all.insert(cid.to_string(), cid);
            }
        }
        for id in named {
            if all.contains_key(id.as_str()) {
                continue;
            }
            let of_node = self.material.lists.iter().find(|l| l.secured().id() == id);
            let text = of_node.map(|l| l.secured().text().as_bytes().to_vec());
            let cid = match text {
                Some(text) => self.hold(text),
                None => self.link(Kind::Lists, id),
            };
            if let Some(cid) = cid {
                all.insert(cid.to_string(), cid);
            }
        }
        all.into_values().collect()
    }

    fn identities(&mut self) -> Vec<IdentityEntry> {
        let mut all = Vec::new();
        for did in std::mem::take(&mut self.dids) {
            // The others are their own proof.
            if !matches!(did.method(), "web" | "webvh") {
                continue;
            }
            let Some(known) = self.material.identities.material(&did) else {
                self.missing.insert(Lack { kind: Kind::Identities, name: did.to_string() });
                continue;
            };
            let decode = |text: &str| STANDARD.decode(text).ok();
            let document = decode(&known.document).and_then(|bytes| self.hold(bytes));
            let witness = known.witness.as_deref().and_then(decode).and_then(|b| self.hold(b));
            if let Some(document) = document {
                let (seen, confirmed) = (known.seen, known.confirmed);
                all.push(IdentityEntry { did, seen, confirmed, document, witness });
            }
        }
        all
    }

    fn receipts(&mut self) -> Vec<ReceiptEntry> {
        let mut all = Vec::new();
        for signed in &self.gathered.receipts {
            let text = match read_entry(self.log, signed.at) {
                Some(Entry::Receipt { receipt, .. }) => receipt,
                _ => continue,
            };
            let Some(cid) = raw_link(&text) else { continue };
            self.dids.insert(signed.receipt.recipient.clone());
            self.logged.insert(cid, signed.at);
            let (number, logged) = (signed.at.number, signed.logged);
            all.push(ReceiptEntry { number, logged, receipt: cid });
        }
        all
    }

    fn forks(&mut self) -> Vec<ForkEntry> {
        let mut all = BTreeMap::new();
        for fork in &self.gathered.forks {
            let block = self.gathered.envelopes.get(&fork.first);
            let block = block.and_then(|at| block_of(self.log, *at));
            let Some(block) = block else {
                let name = fork.first.to_string();
                self.missing.insert(Lack { kind: Kind::Forks, name });
                continue;
            };
            let both = envelope_link(&block).zip(envelope_link(&fork.second));
            if let Some((first, second)) = both {
                self.held.insert(first, block);
                self.held.insert(second, fork.second.clone());
                let entry = ForkEntry { first, second };
                all.insert((first.to_string(), second.to_string()), entry);
            }
        }
        all.into_values().collect()
    }

    /// The manifests of files that payloads refer to: their hashes, and no content.
    fn files(&mut self, asked: &Export) -> Vec<Cid> {
        let mut all = BTreeMap::new();
        if asked.payloads == Payloads::Withhold {
            return Vec::new();
        }
        for selected in self.gathered.messages.iter().filter(|m| m.header.epoch.is_none()) {
            let envelope = envelope_of(self.log, selected.at);
            let payload = envelope.as_ref().and_then(Envelope::payload);
            let reference = payload.filter(|p| Reference::is_one(p));
            let Some(Ok(reference)) = reference.map(Reference::parse) else { continue };
            let id = reference.manifest;
            let path = files_of(self.folder).join(id.as_str()).join("manifest");
            let bytes = read_bounded(&path, MAX_FILE_MANIFEST).ok();
            match bytes.filter(|bytes| id.verify(bytes).is_ok()).and_then(|b| self.hold(b)) {
                Some(cid) => drop(all.insert(id, cid)),
                None => {
                    self.missing.insert(Lack { kind: Kind::Files, name: id.to_string() });
                }
            }
        }
        all.into_values().collect()
    }
}

/// What the selected messages name.
#[derive(Default)]
struct Wanted {
    admissions: BTreeSet<ContentId>,
    presentations: BTreeSet<ContentId>,
    authorisations: BTreeSet<ContentId>,
    epochs: BTreeSet<ContentId>,
    schemas: BTreeSet<ContentId>,
    definitions: BTreeSet<ContentId>,
    lists: BTreeSet<ContentId>,
}

impl Wanted {
    fn of(gathered: &Gathered, material: &Material) -> Self {
        let mut wanted = Self::default();
        for selected in &gathered.messages {
            let header = &selected.header;
            wanted.admissions.insert(selected.entry.admission.clone());
            wanted.presentations.insert(header.presentation.clone());
            wanted.authorisations.extend(header.authorisation.clone());
            // Nobody keeps the epoch of what was refused.
            wanted.epochs.extend(header.epoch.clone().filter(|_| selected.entry.allowed));
            wanted.schemas.insert(header.schema.clone());
        }
        let receipts = gathered.receipts.iter();
        wanted.authorisations.extend(receipts.filter_map(|r| r.receipt.authorisation.clone()));
        wanted.authorisations.extend(material.authorisation.as_ref().map(|a| a.id.clone()));
        wanted
    }
}
