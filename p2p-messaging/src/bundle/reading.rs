//! Reading a bundle: every block held against its name, every list in its order, everything that a list
//! names found or noted as missing. Nothing that is signed is believed here.

use super::car::{self, DAG_CBOR, Name, RAW, Section};
use super::entries::{
    ForkEntry, IdentityEntry, MessageEntry, PayloadState, ReceiptEntry, SignedDescriptor,
};
use super::manifest::{Kind, Manifest, PAGE, TYP, decode, entries_of};
use super::{BundleError, malformed};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::DidUrl;
use gridpass_identity::json;
use gridpass_identity::jws::JwsIn;
use ipld_core::cid::Cid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// What the lists of a bundle name.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs)] // they are the kinds
pub struct Entries {
    pub messages: Vec<MessageEntry>,
    pub admissions: Vec<Cid>,
    pub presentations: Vec<Cid>,
    pub authorisations: Vec<Cid>,
    pub descriptors: Vec<SignedDescriptor>,
    pub schemas: Vec<Cid>,
    pub definitions: Vec<Cid>,
    pub lists: Vec<Cid>,
    pub identities: Vec<IdentityEntry>,
    pub epochs: Vec<Cid>,
    pub forks: Vec<ForkEntry>,
    pub receipts: Vec<ReceiptEntry>,
    pub files: Vec<Cid>,
}

/// A bundle as it was read: in its one form, every block the one that its name says.
pub struct Bundle<'b> {
    file: &'b [u8],
    root: Cid,
    jws: JwsIn,
    manifest: Manifest,
    entries: Entries,
    sections: Vec<Section>,
    /// Which section is the block of this name.
    blocks: HashMap<Name, usize>,
    missing: Vec<(Kind, Cid)>,
}

impl std::fmt::Debug for Bundle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bundle({}, {} blocks)", self.root, self.blocks.len())
    }
}

impl<'b> Bundle<'b> {
    /// Reads a file. Blocks: every block of it is hashed.
    ///
    /// # Errors
    /// [`BundleError`] for another form, and for a block that was altered. Blocks that are missing are
    /// none: see [`Bundle::missing`].
    pub fn parse(file: &'b [u8]) -> Result<Self, BundleError> {
        let (root, sections) = car::read(file)?;
        let (checked, blocks) = rayon::join(|| check_all(file, &sections), || places(&sections));
        checked?;
        let is_root = |s: &&Section| Some(s.name) == Name::of(&root) && root.codec() == RAW;
        let Some(first) = sections.first().filter(is_root) else {
            return Err(malformed("it does not begin with its root"));
        };
        let (jws, manifest) = read_root(file.get(first.place.clone()).unwrap_or_default())?;
        let (entries, missing) = (Entries::default(), Vec::new());
        let mut bundle = Self { file, root, jws, manifest, entries, sections, blocks, missing };
        let mut order = Order { next: 1, missing: HashSet::new() };
        bundle.read_pages(&mut order)?;
        bundle.find_parts(&mut order)?;
        match bundle.sections.get(order.next) {
            None => Ok(bundle),
            Some(section) => {
                let cid = section.name.cid()?;
                Err(malformed(format!("the block {cid} is listed nowhere, or out of order")))
            }
        }
    }

    /// The name of its root, which stands for all of it.
    #[must_use]
    pub fn root(&self) -> &Cid {
        &self.root
    }

    /// The root as it was signed.
    #[must_use]
    pub fn jws(&self) -> &JwsIn {
        &self.jws
    }

    /// What it says of itself. Believe it only after the signature was verified.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it lists.
    #[must_use]
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// What is listed and not there.
    #[must_use]
    pub fn missing(&self) -> &[(Kind, Cid)] {
        &self.missing
    }

    /// How many bytes the file has.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.file.len()
    }

    /// A block.
    #[must_use]
    pub fn block(&self, cid: &Cid) -> Option<&'b [u8]> {
        let section = self.sections.get(*self.blocks.get(&Name::of(cid)?)?)?;
        self.file.get(section.place.clone())
    }

    /// A document by its name.
    #[must_use]
    pub fn document(&self, id: &ContentId) -> Option<&'b [u8]> {
        self.block(&id.to_cid().ok()?)
    }

    fn read_pages(&mut self, order: &mut Order) -> Result<(), BundleError> {
        let mut entries = Entries::default();
        self.pages_of(Kind::Messages, order, &mut entries.messages)?;
        self.pages_of(Kind::Admissions, order, &mut entries.admissions)?;
        self.pages_of(Kind::Presentations, order, &mut entries.presentations)?;
        self.pages_of(Kind::Authorisations, order, &mut entries.authorisations)?;
        self.pages_of(Kind::Descriptors, order, &mut entries.descriptors)?;
        self.pages_of(Kind::Schemas, order, &mut entries.schemas)?;
        self.pages_of(Kind::Definitions, order, &mut entries.definitions)?;
        self.pages_of(Kind::Lists, order, &mut entries.lists)?;
        self.pages_of(Kind::Identities, order, &mut entries.identities)?;
        self.pages_of(Kind::Epochs, order, &mut entries.epochs)?;
        self.pages_of(Kind::Forks, order, &mut entries.forks)?;
        self.pages_of(Kind::Receipts, order, &mut entries.receipts)?;
        self.pages_of(Kind::Files, order, &mut entries.files)?;
        entries.check_order()?;
        self.entries = entries;
        Ok(())
    }

    fn pages_of<T: DeserializeOwned + Serialize + Send>(
        &mut self,
        kind: Kind,
        order: &mut Order,
        all: &mut Vec<T>,
    ) -> Result<(), BundleError> {
        let names = self.manifest.pages.of(kind).to_vec();
        let mut there = Vec::new();
        for (index, cid) in names.iter().enumerate() {
            match order.meet(cid, Name::of(cid).and_then(|name| self.blocks.get(&name).copied())) {
                Met::Before => return Err(malformed("a page of it is listed twice")),
                Met::Missing => {
                    self.missing.push((kind, *cid));
                    continue;
                }
                Met::Here => {}
            }
            let page = self.block(cid).unwrap_or_default();
            // Before it is read: entries take far more memory than they have bytes.
            let (count, last) = (entries_of(page), index.saturating_add(1) == names.len());
            if !count.is_some_and(|n| n == PAGE || (last && (1..PAGE).contains(&n))) {
                return Err(malformed("a page of it has too few or too many entries"));
            }
            there.push(page);
        }
        all.reserve(there.len().saturating_mul(PAGE));
        for page in super::verify::in_parallel(&there, |page| decode::<Vec<T>>(page)) {
            all.extend(page?);
        }
        Ok(())
    }

    /// Goes through what the lists name in the order in which it must stand there.
    fn find_parts(&mut self, order: &mut Order) -> Result<(), BundleError> {
        let entries = std::mem::take(&mut self.entries);
        for entry in &entries.messages {
            self.find(Kind::Messages, &entry.envelope, DAG_CBOR, order)?;
            if entry.content.is_some() != (entry.payload == PayloadState::Here) {
                return Err(malformed("a payload is named exactly where it is in the file"));
            }
            if let Some(content) = &entry.content {
                self.find(Kind::Messages, content, RAW, order)?;
            }
        }
        let alone = [
            (Kind::Admissions, &entries.admissions),
            (Kind::Presentations, &entries.presentations),
            (Kind::Authorisations, &entries.authorisations),
        ];
        for (kind, links) in alone {
            self.find_all(kind, links, order)?;
        }
        for entry in &entries.descriptors {
            self.find(Kind::Descriptors, &entry.signed, RAW, order)?;
        }
        let alone = [
            (Kind::Schemas, &entries.schemas),
            (Kind::Definitions, &entries.definitions),
            (Kind::Lists, &entries.lists),
        ];
        for (kind, links) in alone {
            self.find_all(kind, links, order)?;
        }
        for entry in &entries.identities {
            self.find(Kind::Identities, &entry.document, RAW, order)?;
            if let Some(witness) = &entry.witness {
                self.find(Kind::Identities, witness, RAW, order)?;
            }
        }
        self.find_all(Kind::Epochs, &entries.epochs, order)?;
        for entry in &entries.forks {
            self.find(Kind::Forks, &entry.first, DAG_CBOR, order)?;
            self.find(Kind::Forks, &entry.second, DAG_CBOR, order)?;
        }
        for entry in &entries.receipts {
            self.find(Kind::Receipts, &entry.receipt, RAW, order)?;
        }
        self.find_all(Kind::Files, &entries.files, order)?;
        self.entries = entries;
        Ok(())
    }

    fn find_all(
        &mut self,
        kind: Kind,
        links: &[Cid],
        order: &mut Order,
    ) -> Result<(), BundleError> {
        links.iter().try_for_each(|cid| self.find(kind, cid, RAW, order))
    }

    fn find(
        &mut self,
        kind: Kind,
        cid: &Cid,
        codec: u64,
        order: &mut Order,
    ) -> Result<(), BundleError> {
        let Some(name) = Name::of(cid).filter(|_| cid.codec() == codec) else {
            return Err(malformed(format!("the name of one of its {kind} has another form")));
        };
        if order.meet(cid, self.blocks.get(&name).copied()) == Met::Missing {
            self.missing.push((kind, *cid));
        }
        Ok(())
    }
}

/// Where the reader is in the file: blocks come in the order in which they are referred to.
struct Order {
    /// The section that is the next.
    next: usize,
    /// Those that did not stand where they were referred to.
    missing: HashSet<Cid>,
}

/// What became of a reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// The block stands here.
    Here,
    /// It was referred to before.
    Before,
    /// It is not here. If it stands elsewhere, the end is never come to.
    Missing,
}

impl Order {
    /// Goes on by a reference to a block, which stands at a place of the file or nowhere.
    fn meet(&mut self, cid: &Cid, place: Option<usize>) -> Met {
        if place.is_some_and(|place| place < self.next) || self.missing.contains(cid) {
            return Met::Before;
        }
        if place == Some(self.next) {
            self.next = self.next.saturating_add(1);
            return Met::Here;
        }
        self.missing.insert(*cid);
        Met::Missing
    }
}

/// Where the block of each name stands.
fn places(sections: &[Section]) -> HashMap<Name, usize> {
    let mut blocks = HashMap::with_capacity(sections.len());
    for (place, section) in sections.iter().enumerate() {
        blocks.entry(section.name).or_insert(place);
    }
    blocks
}

/// Holds every block against its name: on all cores, since that is most of the work of reading.
fn check_all(file: &[u8], sections: &[Section]) -> Result<(), BundleError> {
    super::verify::in_parallel(sections, |section| section.check(file)).into_iter().collect()
}

fn read_root(bytes: &[u8]) -> Result<(JwsIn, Manifest), BundleError> {
    let text = std::str::from_utf8(bytes).map_err(malformed)?;
    let jws = JwsIn::parse(text).map_err(malformed)?;
    let header = jws.header();
    let kid = header.kid.as_ref().map(DidUrl::as_str);
    let alone = json!({"alg": jws.algorithm().jose_name(), "kid": kid, "typ": TYP});
    let alone = json::canonicalize(&alone).map_err(malformed)?;
    if kid.is_none() || text.split('.').next() != Some(&URL_SAFE_NO_PAD.encode(alone)) {
        return Err(malformed("the header of its root has another form"));
    }
    let manifest = Manifest::parse(jws.payload(None).map_err(malformed)?)?;
    let signer = header.kid.as_ref().map(|kid| kid.did());
    let itself = signer == Some(&manifest.exporter.participant);
    if itself != manifest.exporter.authorisation.is_none() {
        return Err(malformed("an authorisation stands there exactly where a node signs"));
    }
    Ok((jws, manifest))
}

impl Entries {
    fn check_order(&self) -> Result<(), BundleError> {
        fn ascending<T: PartialOrd>(keys: impl Iterator<Item = T>) -> bool {
            let mut last = None;
            keys.into_iter().all(|key| {
                let fine = last.as_ref().is_none_or(|last| last < &key);
                last = Some(key);
                fine
            })
        }
        let alone = [
            &self.admissions,
            &self.presentations,
            &self.authorisations,
            &self.schemas,
            &self.definitions,
            &self.lists,
            &self.epochs,
            &self.files,
        ];
        let names = |links: &&Vec<Cid>| ascending(links.iter().map(Cid::to_string));
        let fine = alone.iter().all(names)
            && ascending(self.messages.iter().map(|m| m.number))
            && ascending(self.receipts.iter().map(|r| r.number))
            && ascending(self.descriptors.iter().map(|d| &d.channel))
            && ascending(self.identities.iter().map(|i| (&i.did, i.document.to_string())))
            && ascending(self.forks.iter().map(|f| (f.first.to_string(), f.second.to_string())));
        match fine {
            true => Ok(()),
            false => Err(malformed("its entries are not in order, or one stands there twice")),
        }
    }
}
