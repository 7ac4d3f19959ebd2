//! Evidence bundles taken apart, to be bent part by part, and signed again by whoever would.

use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_messaging::bundle::{
    Bundle, Cid, Contents, Entries, Manifest, MessageEntry, Source, write,
};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::NodeKey;
use std::collections::BTreeMap;

/// A bundle taken apart.
#[derive(Clone)]
pub struct Parts {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it lists.
    pub entries: Entries,
    /// Its blocks.
    pub blocks: BTreeMap<String, Vec<u8>>,
}

impl Parts {
    /// Takes a bundle apart.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let bundle = Bundle::parse(bytes).expect("a bundle");
        let blocks = sections(bytes).into_iter().map(|(cid, block, _)| (cid, block)).collect();
        let (manifest, entries) = (bundle.manifest().clone(), bundle.entries().clone());
        Self { manifest, entries, blocks }
    }

    /// Adds a raw block; gives its link.
    ///
    /// # Panics
    /// Never.
    pub fn put(&mut self, bytes: &[u8]) -> Cid {
        let cid = ContentId::of_bytes(bytes).and_then(|id| id.to_cid()).expect("a name");
        self.blocks.insert(cid.to_string(), bytes.to_vec());
        cid
    }

    /// Adds an envelope's block.
    ///
    /// # Panics
    /// Never.
    pub fn put_envelope(&mut self, envelope: &Envelope) -> Cid {
        let block = envelope.to_block().expect("a block");
        let cid = link(envelope.id());
        self.blocks.insert(cid.to_string(), block);
        if let Some(payload) = envelope.payload() {
            self.put(payload);
        }
        cid
    }

    /// The bytes that a link names.
    ///
    /// # Panics
    /// If they are not there.
    #[must_use]
    pub fn bytes_of(&self, cid: &Cid) -> Vec<u8> {
        self.blocks.get(&cid.to_string()).expect("a block").clone()
    }

    /// Puts it together again, signed by somebody.
    ///
    /// # Panics
    /// If it cannot be.
    #[must_use]
    pub fn signed_by(&self, key: &NodeKey) -> Vec<u8> {
        let mut entries = self.entries.clone();
        entries.messages.sort_by_key(|m| m.number);
        let ordered = |mut links: Vec<Cid>| {
            links.sort_by_key(ToString::to_string);
            links.dedup();
            links
        };
        let contents = Contents {
            messages: entries.messages,
            admissions: ordered(entries.admissions),
            presentations: ordered(entries.presentations),
            authorisations: ordered(entries.authorisations),
            descriptors: entries.descriptors,
            schemas: ordered(entries.schemas),
            definitions: ordered(entries.definitions),
            lists: ordered(entries.lists),
            identities: entries.identities,
            epochs: ordered(entries.epochs),
            forks: entries.forks,
            receipts: entries.receipts,
            files: ordered(entries.files),
        };
        let (mut out, mut source) = (Vec::new(), self.clone());
        let signer = (&key.key, &key.key_id);
        write(self.manifest.clone(), &contents, signer, &mut source, &mut out).expect("written");
        out
    }
}

impl Source for Parts {
    fn message(&mut self, entry: &MessageEntry) -> std::io::Result<(Vec<u8>, Option<Vec<u8>>)> {
        let payload = entry.content.as_ref().map(|cid| self.bytes_of(cid));
        Ok((self.bytes_of(&entry.envelope), payload))
    }

    fn block(&mut self, cid: &Cid) -> std::io::Result<Vec<u8>> {
        Ok(self.bytes_of(cid))
    }
}

/// The link to an envelope.
///
/// # Panics
/// Never.
#[must_use]
pub fn link(id: &EnvelopeId) -> Cid {
    Cid::try_from(id.as_str()).expect("a name")
}

/// The blocks of a CAR: name, bytes, and the whole section. A reader of its own, which checks nothing.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn sections(file: &[u8]) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let (header, mut at) = varint(file, 0);
    at += header;
    let mut all = Vec::new();
    while at < file.len() {
        let (length, begin) = varint(file, at);
        let cid = Cid::try_from(&file[begin..begin + 36]).expect("a name");
        let end = begin + length;
        all.push((cid.to_string(), file[begin + 36..end].to_vec(), file[at..end].to_vec()));
        at = end;
    }
    all
}

/// The same file without these blocks.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn without(file: &[u8], cids: &[String]) -> Vec<u8> {
    let (header, begin) = varint(file, 0);
    let mut out = file[..begin + header].to_vec();
    for (cid, _, section) in sections(file) {
        if !cids.contains(&cid) {
            out.extend(section);
        }
    }
    out
}

fn varint(bytes: &[u8], at: usize) -> (usize, usize) {
    let (mut number, mut place, mut shift) = (0, at, 0);
    loop {
        let byte = bytes[place];
        number |= usize::from(byte & 0x7f) << shift;
        place += 1;
        shift += 7;
        if byte & 0x80 == 0 {
            return (number, place);
        }
    }
}
