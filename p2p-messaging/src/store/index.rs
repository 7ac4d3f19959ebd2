//! The index of the log: where each thing stands. Everything in it can be made again from the log,
//! and is, whenever it does not fit; nothing in it is believed without reading the log.

use super::StoreError;
use super::entry::Entry;
use crate::checking::{Chain, Link};
use crate::envelope::Envelope;
use crate::log::Place;
use crate::receipt::SignedReceipt;
use crate::sealing::Outline;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::sled_open::open_db;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spot {
    pub(super) number: u64,
    segment: u64,
    offset: u64,
}

impl Spot {
    pub(super) fn new(number: u64, place: Place) -> Self {
        Self { number, segment: place.segment, offset: place.offset }
    }

    pub(super) fn place(self) -> Place {
        Place { segment: self.segment, offset: self.offset }
    }
}

/// What is known of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub chain: Chain,
    /// The greatest number.
    pub newest: u64,
    /// All from 1 to this one are known.
    pub whole: u64,
}

/// An envelope, as far as the index keeps it.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) chain: Chain,
    pub(super) sequence: u64,
    pub(super) link: Link,
    pub(super) deliver: bool,
}

impl Located {
    pub(super) fn of(envelope: &Envelope, deliver: bool) -> Self {
        let header = envelope.header();
        Self {
            chain: Chain::of(header),
            sequence: header.sequence,
            link: Link {
                id: envelope.id().clone(),
                previous: header.previous.clone(),
                issued: header.issued,
            },
            deliver,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct HeadRow {
    channel: ContentId,
    sender: Did,
    key: String,
    newest: u64,
    whole: u64,
}

#[derive(Serialize, Deserialize)]
struct EpochRow {
    first: u64,
    /// The record that it stands in.
    number: u64,
}

#[derive(Serialize, Deserialize)]
struct LinkRow {
    id: EnvelopeId,
    previous: Option<EnvelopeId>,
    issued: UnixMillis,
    spot: Spot,
}

/// What the index says that it is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    version: u32,
    /// Every record up to this number is in it.
    applied: u64,
    /// How many records that is.
    records: u64,
    /// The log that it is made from.
    log: String,
}

const VERSION: u32 = 3;
const META: &[u8] = b"m";

/// The index, in sled.
pub(super) struct Index {
    db: sled::Db,
    /// Rows that the batch under way has changed.
    changed: HashMap<Vec<u8>, Vec<u8>>,
    applied: u64,
    records: u64,
    /// Records are moving, or an index could not be written: on disk it says that it has to be made
    /// anew.
    doubted: bool,
    /// sled could not read something: what it says is not there may be there.
    failed: Cell<bool>,
    /// The log that it is made from; empty as long as it holds nothing.
    log: String,
}

fn chain_hash(chain: &Chain) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [chain.channel.as_str(), chain.sender.as_str(), chain.key.as_str()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn id_key(id: &EnvelopeId) -> Vec<u8> {
    [b"i", id.as_str().as_bytes()].concat()
}

fn document_key(id: &ContentId) -> Vec<u8> {
    [b"d", id.as_str().as_bytes()].concat()
}

fn link_key(chain: &[u8; 32], sequence: u64) -> Vec<u8> {
    [b"c".as_slice(), chain, &sequence.to_be_bytes()].concat()
}

fn head_key(channel: &ContentId, chain: &[u8; 32]) -> Vec<u8> {
    [b"h", channel.as_str().as_bytes(), chain].concat()
}

fn inbox_key(number: u64) -> Vec<u8> {
    [b"n".as_slice(), &number.to_be_bytes()].concat()
}

fn fork_key(chain: &Chain) -> Vec<u8> {
    [b"f".as_slice(), &chain_hash(chain)].concat()
}

/// By chain and the greatest number that it speaks of, so that those about a number follow it.
fn receipt_key(chain: &[u8; 32], until: u64, number: u64) -> Vec<u8> {
    [b"r".as_slice(), chain, &until.to_be_bytes(), &number.to_be_bytes()].concat()
}

fn own_receipt_key(sender: &Did, number: u64) -> Vec<u8> {
    let hash: [u8; 32] = Sha256::digest(sender.as_str()).into();
    [b"o".as_slice(), &hash, &number.to_be_bytes()].concat()
}

fn opened_key(id: &EnvelopeId) -> Vec<u8> {
    [b"p", id.as_str().as_bytes()].concat()
}

/// By its first number, and by its name: of a message that was not sent after all the number is
/// used again.
fn epoch_key(chain: &[u8; 32], first: u64, id: &str) -> Vec<u8> {
    [b"e".as_slice(), chain, &first.to_be_bytes(), id.as_bytes()].concat()
}

/// By the hour in which they began.
fn cost_key(channel: &ContentId, sender: &Did, hour: u64) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [channel.as_str(), sender.as_str()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    [b"b".as_slice(), &hash, &hour.to_be_bytes()].concat()
}

fn grant_key(epoch: &ContentId, chain: &[u8; 32], number: u64) -> Vec<u8> {
    [b"g", epoch.as_str().as_bytes(), chain, &number.to_be_bytes()].concat()
}

fn cursor_key(reader: &str) -> Vec<u8> {
    [b"u", reader.as_bytes()].concat()
}

impl Index {
    /// Opens the index in a folder. One that cannot be opened, or is of another version, is thrown
    /// away and begun anew: the log has everything.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        match Self::open_as_it_is(folder) {
            Ok(index) => Ok(index),
            Err(_) => Self::anew(folder),
        }
    }

    fn open_as_it_is(folder: &Path) -> Result<Self, StoreError> {
        let config =
            sled::Config::new().path(folder).cache_capacity(64 * 1024 * 1024).flush_every_ms(None);
        let db = open_db(&config).map_err(|e| StoreError::Index(folder.into(), e.to_string()))?;
        let mut index = Self {
            db,
            changed: HashMap::new(),
            applied: 0,
            records: 0,
            doubted: false,
            failed: Cell::new(false),
            log: String::new(),
        };
        match index.row::<Meta>(META) {
            None if index.db.is_empty() => {}
            Some(meta) if meta.version == VERSION => {
                (index.applied, index.records, index.log) = (meta.applied, meta.records, meta.log);
            }
            _ => return Err(StoreError::Index(folder.into(), "it is of another version".into())),
        }
        Ok(index)
    }

    fn anew(folder: &Path) -> Result<Self, StoreError> {
        match std::fs::remove_dir_all(folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::Index(PathBuf::from(folder), e.to_string()));
            }
            _ => {}
        }
        Self::open_as_it_is(folder)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) -> Result<(), StoreError> {
        self.changed.clear();
        (self.applied, self.records) = (0, 0);
        self.log.clear();
        self.db.clear().map_err(|e| StoreError::Index(PathBuf::new(), e.to_string()))
    }

    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// How many records of the log are in it.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// No record moves any more.
    pub(super) fn sure(&mut self) {
        self.doubted = false;
    }

    /// Whether sled failed to read something.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Whether it is made from this log, as far as it holds anything.
    pub(super) fn is_of(&self, log: &str) -> bool {
        self.log.is_empty() || self.log == log
    }

    /// Notes which log it is made from.
    pub(super) fn belongs_to(&mut self, log: &str) {
        log.clone_into(&mut self.log);
    }

    /// Says on disk that it has to be made anew, until it is written the next time: for as long as
    /// records move.
    pub(super) fn doubt(&mut self) -> Result<(), StoreError> {
        self.doubted = true;
        self.write()?;
        let flushed = self.db.flush();
        flushed.map(|_| ()).map_err(|e| StoreError::Index(PathBuf::new(), e.to_string()))
    }

    fn row<T: DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        if let Some(changed) = self.changed.get(key) {
            return serde_ipld_dagcbor::from_slice(changed).ok();
        }
        let found = self.db.get(key);
        let found = found.inspect_err(|_| self.failed.set(true)).ok()??;
        serde_ipld_dagcbor::from_slice(&found).ok()
    }

    fn put<T: Serialize>(&mut self, key: Vec<u8>, row: &T) {
        if let Ok(bytes) = serde_ipld_dagcbor::to_vec(row) {
            self.changed.insert(key, bytes);
        }
    }

    /// No row is empty that says something.
    fn drop_row(&mut self, key: Vec<u8>) {
        self.changed.insert(key, Vec::new());
    }

    /// Notes a record; seen at once, written with [`Index::write`].
    pub(super) fn note(&mut self, spot: Spot, entry: &Entry) {
        match entry {
            Entry::Envelope(kept) => {
                if let Ok(envelope) = kept.envelope() {
                    self.note_envelope(spot, &Located::of(&envelope, kept.deliver));
                }
            }
            Entry::Document(bytes) => {
                if let Ok(id) = ContentId::of_bytes(bytes) {
                    self.put(document_key(&id), &spot);
                }
            }
            Entry::Fork { second, .. } => {
                if let Ok(envelope) = Envelope::parse_block(second) {
                    self.put(fork_key(&Chain::of(envelope.header())), &spot);
                }
            }
            Entry::Receipt { own, receipt } => self.note_receipt(spot, *own, receipt),
            Entry::Opened { envelope, deliver, .. } => {
                self.put(opened_key(envelope), &spot);
                if *deliver {
                    self.put(inbox_key(spot.number), &spot);
                }
            }
            Entry::Epoch(bytes) => self.note_epoch(spot, bytes),
            Entry::Grant { epochs, .. } => {
                let Some(chain) = entry.granted_by() else { return self.count(spot) };
                for epoch in epochs {
                    self.put(grant_key(epoch, &chain_hash(&chain), spot.number), &spot);
                }
            }
            Entry::Forgotten(_) => {}
            Entry::Cursor { reader, number } => self.put(cursor_key(reader), number),
        }
        self.count(spot);
    }

    fn note_epoch(&mut self, spot: Spot, bytes: &[u8]) {
        let (Some(epoch), Ok(id)) = (Outline::read(bytes), ContentId::of_bytes(bytes)) else {
            return;
        };
        self.put(document_key(&id), &spot);
        let key = epoch_key(&chain_hash(&epoch.chain), epoch.first, id.as_str());
        // It costs once, however often it is noted.
        if self.row::<EpochRow>(&key).is_none() {
            self.count_cost(&epoch, |before| before.saturating_add(epoch.cost));
        }
        self.put(key, &EpochRow { first: epoch.first, number: spot.number });
    }

    fn count_cost(&mut self, epoch: &Outline, change: impl Fn(u64) -> u64) {
        let Chain { channel, sender, .. } = &epoch.chain;
        let before = self.epochs_cost((channel, sender), epoch.hour());
        let key = cost_key(channel, sender, epoch.hour());
        match change(before) {
            0 => self.drop_row(key),
            after => self.put(key, &after),
        }
    }

    /// What the epochs of a sender cost that began in an hour.
    pub(super) fn epochs_cost(&self, (channel, sender): (&ContentId, &Did), hour: u64) -> u64 {
        self.row(&cost_key(channel, sender, hour)).unwrap_or_default()
    }

    /// What stood in a record is forgotten: it is not found any more.
    pub(super) fn forgotten(&mut self, number: u64, entry: &Entry) {
        match entry {
            Entry::Epoch(bytes) => {
                let (Some(epoch), Ok(id)) = (Outline::read(bytes), ContentId::of_bytes(bytes))
                else {
                    return;
                };
                let key = epoch_key(&chain_hash(&epoch.chain), epoch.first, id.as_str());
                if self.row::<EpochRow>(&key).is_some_and(|r| r.number == number) {
                    self.drop_row(key);
                    self.drop_row(document_key(&id));
                    self.count_cost(&epoch, |before| before.saturating_sub(epoch.cost));
                }
            }
            Entry::Grant { epochs, .. } => {
                let Some(chain) = entry.granted_by() else { return };
                for epoch in epochs {
                    self.drop_row(grant_key(epoch, &chain_hash(&chain), number));
                }
            }
            Entry::Envelope(_)
            | Entry::Document(_)
            | Entry::Fork { .. }
            | Entry::Receipt { .. }
            | Entry::Opened { .. }
            | Entry::Forgotten(_)
            | Entry::Cursor { .. } => {}
        }
    }

    fn note_receipt(&mut self, spot: Spot, own: bool, text: &[u8]) {
        let Ok(signed) = SignedReceipt::parse(text) else { return };
        let receipt = signed.receipt();
        if own {
            self.put(own_receipt_key(&receipt.sender, spot.number), &spot);
        } else if let Ok(chain) = receipt.chain() {
            self.put(receipt_key(&chain_hash(&chain), receipt.until(), spot.number), &spot);
        }
    }

    fn count(&mut self, spot: Spot) {
        if spot.number > self.applied {
            self.applied = spot.number;
            self.records = self.records.saturating_add(1);
        }
    }

    /// A record that is kept and not read: of a version that is not known.
    pub(super) fn pass_over(&mut self, spot: Spot) {
        self.count(spot);
    }

    /// Notes an envelope that was read before.
    pub(super) fn note_envelope(&mut self, spot: Spot, located: &Located) {
        self.count(spot);
        let Located { chain, sequence, link, deliver } = located;
        let hash = chain_hash(chain);
        self.put(id_key(&link.id), &spot);
        let row = LinkRow {
            id: link.id.clone(),
            previous: link.previous.clone(),
            issued: link.issued,
            spot,
        };
        self.put(link_key(&hash, *sequence), &row);
        if *deliver {
            self.put(inbox_key(spot.number), &spot);
        }
        let key = head_key(&chain.channel, &hash);
        let mut head = self.row::<HeadRow>(&key).unwrap_or_else(|| HeadRow {
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            newest: 0,
            whole: 0,
        });
        head.newest = head.newest.max(*sequence);
        while self.has_link(&hash, head.whole.saturating_add(1)) {
            head.whole = head.whole.saturating_add(1);
        }
        self.put(key, &head);
    }

    fn has_link(&self, chain: &[u8; 32], sequence: u64) -> bool {
        let key = link_key(chain, sequence);
        self.changed.contains_key(&key) || self.db.contains_key(&key).unwrap_or(false)
    }

    /// A record stands elsewhere now.
    pub(super) fn moved(&mut self, spot: Spot, entry: &Entry) {
        let held = |row: Option<Spot>| row.is_some_and(|r| r.number == spot.number);
        match entry {
            Entry::Envelope(kept) => {
                let Ok(envelope) = kept.envelope() else { return };
                let key = id_key(envelope.id());
                if held(self.row(&key)) {
                    self.put(key, &spot);
                }
                let header = envelope.header();
                let key = link_key(&chain_hash(&Chain::of(header)), header.sequence);
                if let Some(link) = self.row::<LinkRow>(&key)
                    && link.spot.number == spot.number
                {
                    self.put(key, &LinkRow { spot, ..link });
                }
                let key = inbox_key(spot.number);
                if held(self.row(&key)) {
                    self.put(key, &spot);
                }
            }
            Entry::Document(bytes) => {
                if let Ok(id) = ContentId::of_bytes(bytes)
                    && held(self.row(&document_key(&id)))
                {
                    self.put(document_key(&id), &spot);
                }
            }
            Entry::Opened { envelope, .. } => {
                self.put(opened_key(envelope), &spot);
                let key = inbox_key(spot.number);
                if held(self.row(&key)) {
                    self.put(key, &spot);
                }
            }
            Entry::Epoch(bytes) => self.note_epoch(spot, bytes),
            Entry::Grant { epochs, .. } => {
                let Some(chain) = entry.granted_by() else { return };
                for epoch in epochs {
                    self.put(grant_key(epoch, &chain_hash(&chain), spot.number), &spot);
                }
            }
            // What they say does not hang on where they stand, and a later one may say another thing.
            Entry::Fork { .. } | Entry::Cursor { .. } | Entry::Forgotten(_) => {}
            Entry::Receipt { own, receipt } => self.note_receipt(spot, *own, receipt),
        }
    }

    /// Writes what was noted. It need not be durable: what is lost is made again from the log.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        let (applied, records) = if self.doubted { (0, 0) } else { (self.applied, self.records) };
        let meta = Meta { version: VERSION, applied, records, log: self.log.clone() };
        self.put(META.to_vec(), &meta);
        let mut batch = sled::Batch::default();
        for (key, row) in &self.changed {
            match row.is_empty() {
                true => batch.remove(key.as_slice()),
                false => batch.insert(key.as_slice(), row.as_slice()),
            }
        }
        let applied = self.db.apply_batch(batch);
        applied.map_err(|e| StoreError::Index(PathBuf::new(), e.to_string()))?;
        // What could not be written is still seen, and tried again with the next.
        self.changed.clear();
        Ok(())
    }

    pub(super) fn envelope(&self, id: &EnvelopeId) -> Option<Spot> {
        self.row(&id_key(id))
    }

    pub(super) fn document(&self, id: &ContentId) -> Option<Spot> {
        self.row(&document_key(id))
    }

    pub(super) fn link(&self, chain: &Chain, sequence: u64) -> Option<(Link, Spot)> {
        let row: LinkRow = self.row(&link_key(&chain_hash(chain), sequence))?;
        let LinkRow { id, previous, issued, spot } = row;
        Some((Link { id, previous, issued }, spot))
    }

    /// The messages of a chain from one number to another, those that are here: the number, when it
    /// was made, and where it stands.
    pub(super) fn links(
        &self,
        chain: &Chain,
        from: u64,
        until: u64,
    ) -> impl Iterator<Item = (u64, UnixMillis, Spot)> + use<> {
        let hash = chain_hash(chain);
        let range = link_key(&hash, from)..=link_key(&hash, until.max(from));
        self.db.range(range).filter_map(|row| {
            let (key, value) = row.ok()?;
            let (_, sequence) = key.split_last_chunk::<8>()?;
            let row: LinkRow = serde_ipld_dagcbor::from_slice(&value).ok()?;
            Some((u64::from_be_bytes(*sequence), row.issued, row.spot))
        })
    }

    /// Whether a proof is kept that somebody contradicted itself in a chain.
    pub(super) fn forked(&self, chain: &Chain) -> bool {
        self.row::<Spot>(&fork_key(chain)).is_some()
    }

    /// Where the proofs stand that senders contradict themselves.
    pub(super) fn forks(&self) -> impl Iterator<Item = Spot> + use<> {
        let rows = self.db.scan_prefix(b"f").values();
        rows.filter_map(|v| serde_ipld_dagcbor::from_slice(&v.ok()?).ok())
    }

    pub(super) fn head(&self, chain: &Chain) -> Option<Head> {
        let row = self.row(&head_key(&chain.channel, &chain_hash(chain)))?;
        to_head(row)
    }

    /// The chains of a channel.
    pub(super) fn heads(&self, channel: &ContentId) -> Vec<Head> {
        let prefix = [b"h", channel.as_str().as_bytes()].concat();
        self.db
            .scan_prefix(prefix)
            .values()
            .filter_map(|v| serde_ipld_dagcbor::from_slice(&v.ok()?).ok())
            .filter_map(to_head)
            .collect()
    }

    /// What is delivered, after a number.
    pub(super) fn inbox(&self, after: u64) -> impl Iterator<Item = Spot> + use<> {
        let range = inbox_key(after.saturating_add(1))..=inbox_key(u64::MAX);
        self.db.range(range).values().filter_map(|v| serde_ipld_dagcbor::from_slice(&v.ok()?).ok())
    }

    /// Where receipts of others stand that speak of a message or of later ones, the nearest first.
    pub(super) fn receipts(
        &self,
        chain: &Chain,
        sequence: u64,
    ) -> impl Iterator<Item = Spot> + use<> {
        let hash = chain_hash(chain);
        let range = receipt_key(&hash, sequence, 0)..=receipt_key(&hash, u64::MAX, u64::MAX);
        self.db.range(range).values().filter_map(|v| serde_ipld_dagcbor::from_slice(&v.ok()?).ok())
    }

    /// Where the own receipts for a sender stand, after a number.
    pub(super) fn own_receipts(
        &self,
        sender: &Did,
        after: u64,
    ) -> impl Iterator<Item = Spot> + use<> {
        let first = own_receipt_key(sender, after.saturating_add(1));
        let range = first..=own_receipt_key(sender, u64::MAX);
        self.db.range(range).values().filter_map(|v| serde_ipld_dagcbor::from_slice(&v.ok()?).ok())
    }

    pub(super) fn opened(&self, id: &EnvelopeId) -> bool {
        self.row::<Spot>(&opened_key(id)).is_some()
    }

    /// The own epochs of a chain, in order, each with its first number.
    pub(super) fn own_epochs(
        &self,
        chain: &Chain,
    ) -> impl Iterator<Item = (u64, ContentId)> + use<> {
        let prefix = [b"e".as_slice(), &chain_hash(chain)].concat();
        let names = prefix.len().saturating_add(8);
        self.db.scan_prefix(prefix).filter_map(move |row| {
            let (key, row) = row.ok()?;
            let id = ContentId::parse(std::str::from_utf8(key.get(names..)?).ok()?).ok()?;
            let row: EpochRow = serde_ipld_dagcbor::from_slice(&row).ok()?;
            Some((row.first, id))
        })
    }

    /// Where keys of an epoch stand that were handed to this node, the newest first.
    pub(super) fn grants(
        &self,
        epoch: &ContentId,
        chain: &Chain,
    ) -> impl Iterator<Item = Spot> + use<> {
        let hash = chain_hash(chain);
        let range = grant_key(epoch, &hash, 0)..=grant_key(epoch, &hash, u64::MAX);
        self.db
            .range(range)
            .rev()
            .filter_map(|row| serde_ipld_dagcbor::from_slice(&row.ok()?.1).ok())
    }

    pub(super) fn cursor(&self, reader: &str) -> u64 {
        self.row(&cursor_key(reader)).unwrap_or_default()
    }
}

fn to_head(row: HeadRow) -> Option<Head> {
    let key = DidUrl::parse(&row.key).ok()?;
    let chain = Chain { channel: row.channel, sender: row.sender, key };
    Some(Head { chain, newest: row.newest, whole: row.whole })
}
