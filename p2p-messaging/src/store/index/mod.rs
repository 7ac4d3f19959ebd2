//! The index of the log: where each thing stands. Everything in it can be made again from the log,
//! and is, whenever it does not fit; nothing in it is believed without reading the log.

mod keys;
mod rows;
mod runs;
mod unread;

pub use rows::Head;
pub(super) use rows::{Located, Spot};

use super::StoreError;
use super::entry::Entry;
use crate::checking::{Chain, Link};
use crate::envelope::Envelope;
use crate::receipt::SignedReceipt;
use crate::sealing::Outline;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::sled_open::open_db;
use hashlink::LruCache;
use keys::{
    chain_hash, cost_key, cursor_key, document_key, epoch_key, fork_key, grant_key, head_key,
    id_key, inbox_key, link_key, opened_key, own_receipt_key, receipt_key,
};
use rows::{Ends, EpochRow, HeadRow, META, Meta, VERSION, to_head};
use runs::{LinkRow, Numbered, between, cut, down_between, row_at};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// The most chains of which is remembered how far they are known, and the most documents that they are
/// here: each message asks for both.
const MAX_REMEMBERED: usize = 4096;

/// The index, in sled.
pub(super) struct Index {
    db: sled::Db,
    /// Rows that the batch under way has changed.
    changed: HashMap<Vec<u8>, Vec<u8>>,
    /// Messages of chains and places in the inbox that came since rows were written.
    links: HashMap<[u8; 32], BTreeMap<u64, LinkRow>>,
    inbox: BTreeMap<u64, Spot>,
    applied: u64,
    records: u64,
    /// Records are moving, or an index could not be written: on disk it says that it has to be made
    /// anew.
    doubted: bool,
    /// sled could not read something: what it says is not there may be there.
    failed: Cell<bool>,
    /// The log that it is made from; empty as long as it holds nothing.
    log: String,
    ends: RefCell<LruCache<Chain, Ends>>,
    documents: RefCell<LruCache<ContentId, ()>>,
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
            links: HashMap::new(),
            inbox: BTreeMap::new(),
            applied: 0,
            records: 0,
            doubted: false,
            failed: Cell::new(false),
            log: String::new(),
            ends: RefCell::new(LruCache::new(MAX_REMEMBERED)),
            documents: RefCell::new(LruCache::new(MAX_REMEMBERED)),
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
        self.links.clear();
        self.inbox.clear();
        // Rows go one by one: interrupted, it is cleared again.
        self.doubt()?;
        self.doubted = false;
        self.ends.get_mut().clear();
        self.documents.get_mut().clear();
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
            Entry::Envelope(kept) => match kept.envelope() {
                Ok(envelope) => self.note_envelope(spot, &Located::of(&envelope, kept.deliver)),
                Err(_) => self.pass_over(spot),
            },
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
                    self.inbox.insert(spot.number, spot);
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
                    self.documents.get_mut().remove(&id);
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

    /// Notes an envelope that was read before.
    pub(super) fn note_envelope(&mut self, spot: Spot, located: &Located) {
        self.count(spot);
        let Located { chain, sequence, link, deliver } = located;
        let hash = chain_hash(chain);
        self.put(id_key(&link.id), &spot);
        let row = LinkRow::of(*sequence, link, spot);
        let mut ends = self.ends(chain).unwrap_or_default();
        // One that stands in a run already keeps its place there: a run that began with it would hide
        // what comes after it in the other.
        if *sequence > ends.newest || !self.replace_link(&hash, &row) {
            self.links.entry(hash).or_default().insert(*sequence, row);
        }
        if *deliver {
            self.inbox.insert(spot.number, spot);
        }
        ends.newest = ends.newest.max(*sequence);
        // One that lies behind the next that is missing closes nothing.
        while ends.whole < ends.newest && self.has_link(&hash, ends.whole.saturating_add(1)) {
            ends.whole = ends.whole.saturating_add(1);
        }
        self.ends.get_mut().insert(chain.clone(), ends);
        let row = HeadRow {
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            newest: ends.newest,
            whole: ends.whole,
        };
        self.put(head_key(&chain.channel, &hash), &row);
    }

    /// How far a chain is known; nothing where it is not.
    fn ends(&self, chain: &Chain) -> Option<Ends> {
        if let Some(ends) = self.ends.borrow_mut().get(chain) {
            return Some(*ends);
        }
        let row: HeadRow = self.row(&head_key(&chain.channel, &chain_hash(chain)))?;
        let ends = Ends { newest: row.newest, whole: row.whole };
        self.ends.borrow_mut().insert(chain.clone(), ends);
        Some(ends)
    }

    fn has_link(&self, chain: &[u8; 32], sequence: u64) -> bool {
        self.link_row(chain, sequence).is_some()
    }

    fn link_row(&self, chain: &[u8; 32], sequence: u64) -> Option<LinkRow> {
        if let Some(row) = self.links.get(chain).and_then(|noted| noted.get(&sequence)) {
            return Some(row.clone());
        }
        let (_, run) = self.run_at::<LinkRow>(|number| link_key(chain, number), sequence)?;
        run.into_iter().find(|row| row.number() == sequence)
    }

    /// The run that a number would stand in, and its key.
    fn run_at<T: Numbered>(
        &self,
        key: impl Fn(u64) -> Vec<u8>,
        number: u64,
    ) -> Option<(Vec<u8>, Vec<T>)> {
        let found = row_at(&self.db, key, number).inspect_err(|_| self.failed.set(true));
        let (key, row) = found.ok()??;
        let row = self.changed.get(key.as_ref()).map_or(row.as_ref(), Vec::as_slice);
        Some((key.to_vec(), serde_ipld_dagcbor::from_slice(row).ok()?))
    }

    fn replace_link(&mut self, chain: &[u8; 32], row: &LinkRow) -> bool {
        let found = self.run_at::<LinkRow>(|number| link_key(chain, number), row.number());
        let Some((key, mut run)) = found else { return false };
        let Some(held) = run.iter_mut().find(|held| held.number() == row.number()) else {
            return false;
        };
        *held = row.clone();
        self.put(key, &run);
        true
    }

    /// What stands under a number stands elsewhere now, if it is of the same record.
    fn move_in_run<T: Numbered>(&mut self, key: impl Fn(u64) -> Vec<u8>, number: u64, spot: Spot) {
        let Some((key, mut run)) = self.run_at::<T>(key, number) else { return };
        if let Some(held) = run.iter_mut().find(|held| held.number() == number) {
            held.moved(spot);
            self.put(key, &run);
        }
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
                let chain = chain_hash(&Chain::of(header));
                self.move_in_run::<LinkRow>(|n| link_key(&chain, n), header.sequence, spot);
                self.move_in_run::<Spot>(inbox_key, spot.number, spot);
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
                self.move_in_run::<Spot>(inbox_key, spot.number, spot);
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
        // What was noted while rows could not be read may be wrong.
        let doubted = self.doubted || self.has_failed();
        let (applied, records) = if doubted { (0, 0) } else { (self.applied, self.records) };
        let meta = Meta { version: VERSION, applied, records, log: self.log.clone() };
        self.put(META.to_vec(), &meta);
        for (chain, noted) in std::mem::take(&mut self.links) {
            for run in cut(noted.values().cloned()) {
                if let Some(first) = run.first() {
                    self.put(link_key(&chain, first.number()), &run);
                }
            }
            self.links.insert(chain, noted);
        }
        for run in cut(std::mem::take(&mut self.inbox).into_values()) {
            if let Some(first) = run.first() {
                self.put(inbox_key(first.number()), &run);
            }
        }
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
        self.links.clear();
        Ok(())
    }

    pub(super) fn envelope(&self, id: &EnvelopeId) -> Option<Spot> {
        self.row(&id_key(id))
    }

    pub(super) fn document(&self, id: &ContentId) -> Option<Spot> {
        self.row(&document_key(id))
    }

    /// Whether a document is here.
    pub(super) fn has_document(&self, id: &ContentId) -> bool {
        if self.documents.borrow_mut().get(id).is_some() {
            return true;
        }
        let found = self.document(id).is_some();
        if found {
            self.documents.borrow_mut().insert(id.clone(), ());
        }
        found
    }

    /// The message of a chain with a number.
    pub(super) fn link(&self, chain: &Chain, sequence: u64) -> Option<Link> {
        self.link_row(&chain_hash(chain), sequence)?.link()
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
        let rows = between::<LinkRow, _>(&self.db, move |n| link_key(&hash, n), from, until);
        rows.map(|row| (row.number(), row.issued(), row.spot()))
    }

    /// The same from the greatest number down: the number, and where it stands.
    pub(super) fn links_down(
        &self,
        chain: &Chain,
        from: u64,
        until: u64,
    ) -> impl Iterator<Item = (u64, Spot)> + use<> {
        let hash = chain_hash(chain);
        let rows = down_between::<LinkRow, _>(&self.db, move |n| link_key(&hash, n), from, until);
        rows.map(|row| (row.number(), row.spot()))
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

    /// The greatest number of a chain that is known.
    pub(super) fn newest(&self, chain: &Chain) -> Option<u64> {
        self.ends(chain).map(|ends| ends.newest)
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
        between(&self.db, inbox_key, after.saturating_add(1), u64::MAX)
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

#[cfg(test)]
mod tests;
