//! Writing a bundle: first its lists, which are small, then its blocks, one after the other.

use super::car::{DAG_CBOR, RAW, header, name_of, section};
use super::entries::{ForkEntry, IdentityEntry, MessageEntry, ReceiptEntry, SignedDescriptor};
use super::manifest::{Kind, Manifest, PAGE, Pages, TYP, encode};
use super::{BundleError, malformed};
use gridpass_identity::did::DidUrl;
use gridpass_identity::jws::{self, Header};
use gridpass_identity::key::SecretKey;
use ipld_core::cid::Cid;
use serde::Serialize;
use std::collections::HashSet;
use std::io::{self, Write};

/// Everything that a bundle lists, by name; the bytes come when they are written.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// By the number of their records.
    pub messages: Vec<MessageEntry>,
    /// In the order of their names, as are all that are names alone.
    pub admissions: Vec<Cid>,
    /// Presentations.
    pub presentations: Vec<Cid>,
    /// Node authorisations.
    pub authorisations: Vec<Cid>,
    /// Descriptors, by channel.
    pub descriptors: Vec<SignedDescriptor>,
    /// Schemas.
    pub schemas: Vec<Cid>,
    /// Role definitions.
    pub definitions: Vec<Cid>,
    /// Status lists.
    pub lists: Vec<Cid>,
    /// What proves DIDs, by DID.
    pub identities: Vec<IdentityEntry>,
    /// Epochs.
    pub epochs: Vec<Cid>,
    /// Proofs of equivocation.
    pub forks: Vec<ForkEntry>,
    /// Receipts, by the number of their records.
    pub receipts: Vec<ReceiptEntry>,
    /// Manifests of files.
    pub files: Vec<Cid>,
}

/// Where the bytes come from.
pub trait Source {
    /// The block of a message's envelope, and its payload where that goes into the file.
    ///
    /// # Errors
    /// The reader's.
    fn message(&mut self, entry: &MessageEntry) -> io::Result<(Vec<u8>, Option<Vec<u8>>)>;
    /// Any other block.
    ///
    /// # Errors
    /// The reader's.
    fn block(&mut self, cid: &Cid) -> io::Result<Vec<u8>>;
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The root.
    pub root: Cid,
    /// How many blocks.
    pub blocks: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// A block and its name.
type Block = (Cid, Vec<u8>);

/// The manifest's pages of these contents, and the blocks that they are.
fn pages(contents: &Contents) -> Result<(Pages, Vec<Block>), BundleError> {
    fn of<T: Serialize>(entries: &[T], all: &mut Vec<Block>) -> Result<Vec<Cid>, BundleError> {
        let mut names = Vec::new();
        for page in entries.chunks(PAGE) {
            let bytes = encode(&page)?;
            let cid = name_of(DAG_CBOR, &bytes)?;
            names.push(cid);
            all.push((cid, bytes));
        }
        Ok(names)
    }
    let mut all = Vec::new();
    // In the order of the kinds.
    let pages = Pages {
        messages: of(&contents.messages, &mut all)?,
        admissions: of(&contents.admissions, &mut all)?,
        presentations: of(&contents.presentations, &mut all)?,
        authorisations: of(&contents.authorisations, &mut all)?,
        descriptors: of(&contents.descriptors, &mut all)?,
        schemas: of(&contents.schemas, &mut all)?,
        definitions: of(&contents.definitions, &mut all)?,
        lists: of(&contents.lists, &mut all)?,
        identities: of(&contents.identities, &mut all)?,
        epochs: of(&contents.epochs, &mut all)?,
        forks: of(&contents.forks, &mut all)?,
        receipts: of(&contents.receipts, &mut all)?,
        files: of(&contents.files, &mut all)?,
    };
    Ok((pages, all))
}

/// Writes a bundle. The pages of the manifest are filled in here.
///
/// # Errors
/// [`BundleError`] for what nobody would read, as an `io::Error`; those of the source and the writer.
pub fn write(
    manifest: Manifest,
    contents: &Contents,
    (key, key_id): (&SecretKey, &DidUrl),
    source: &mut dyn Source,
    out: &mut dyn Write,
) -> io::Result<Written> {
    let (pages, blocks) = pages(contents).map_err(io::Error::other)?;
    let manifest = Manifest { pages, ..manifest }.encode().map_err(io::Error::other)?;
    let header = Header { kid: Some(key_id.clone()), typ: Some(TYP.into()), ..Header::default() };
    let root = jws::sign(&manifest, key, &header).map_err(io::Error::other)?.into_bytes();
    let mut out = Blocks { out, written: HashSet::new(), bytes: 0 };
    let name = out.begin(&root)?;
    for (cid, bytes) in blocks {
        out.put(&cid, &bytes)?;
    }
    for entry in &contents.messages {
        let (block, payload) = source.message(entry)?;
        out.put(&entry.envelope, &block)?;
        if let Some((content, payload)) = entry.content.as_ref().zip(payload) {
            out.put(content, &payload)?;
        }
    }
    for cid in Kind::ALL.into_iter().flat_map(|kind| links(contents, kind)) {
        if !out.written.contains(&cid) {
            let bytes = source.block(&cid)?;
            out.put(&cid, &bytes)?;
        }
    }
    let blocks = u64::try_from(out.written.len()).unwrap_or(u64::MAX);
    Ok(Written { root: name, blocks, bytes: out.bytes })
}

/// What the entries of a kind link to, in order; of messages, whose bytes come in pairs, nothing.
fn links(contents: &Contents, kind: Kind) -> Vec<Cid> {
    match kind {
        Kind::Messages => Vec::new(),
        Kind::Admissions => contents.admissions.clone(),
        Kind::Presentations => contents.presentations.clone(),
        Kind::Authorisations => contents.authorisations.clone(),
        Kind::Descriptors => contents.descriptors.iter().map(|d| d.signed).collect(),
        Kind::Schemas => contents.schemas.clone(),
        Kind::Definitions => contents.definitions.clone(),
        Kind::Lists => contents.lists.clone(),
        Kind::Identities => {
            let both = |i: &IdentityEntry| [Some(i.document), i.witness].into_iter().flatten();
            contents.identities.iter().flat_map(both).collect()
        }
        Kind::Epochs => contents.epochs.clone(),
        Kind::Forks => contents.forks.iter().flat_map(|f| [f.first, f.second]).collect(),
        Kind::Receipts => contents.receipts.iter().map(|r| r.receipt).collect(),
        Kind::Files => contents.files.clone(),
    }
}

/// A file on its way out.
struct Blocks<'o> {
    out: &'o mut dyn Write,
    written: HashSet<Cid>,
    bytes: u64,
}

impl Blocks<'_> {
    fn begin(&mut self, root: &[u8]) -> io::Result<Cid> {
        let cid = name_of(RAW, root).map_err(io::Error::other)?;
        let header = header(&cid).map_err(io::Error::other)?;
        self.raw(&header)?;
        self.put(&cid, root)?;
        Ok(cid)
    }

    /// Writes a block, once.
    fn put(&mut self, cid: &Cid, bytes: &[u8]) -> io::Result<()> {
        if !self.written.insert(*cid) {
            return Ok(());
        }
        if name_of(cid.codec(), bytes).map_err(io::Error::other)? != *cid {
            return Err(io::Error::other(malformed(format!("other bytes came for {cid}"))));
        }
        let head = section(cid, bytes.len()).map_err(io::Error::other)?;
        self.raw(&head)?;
        self.raw(bytes)
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}
