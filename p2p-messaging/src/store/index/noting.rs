//! What the index notes of a record: when it is appended, when it stands elsewhere, and when what stood in
//! it is forgotten.

use super::Index;
use super::keys::{
    chain_hash, cost_key, cursor_key, document_key, epoch_key, fork_key, grant_key, head_key,
    id_key, inbox_key, link_key, opened_key, own_receipt_key, receipt_key, reference_key,
    refused_key, sent_key,
};
use super::rows::{EpochRow, HeadRow, Located, SentRow, Spot};
use super::runs::{LinkRow, Numbered};
use crate::checking::Chain;
use crate::envelope::Envelope;
use crate::receipt::SignedReceipt;
use crate::sealing::Outline;
use crate::store::entry::Entry;
use gridpass_credentials::content_id::ContentId;

impl Index {
    /// Notes a record; seen at once, written with [`Index::write`].
    pub(in crate::store) fn note(&mut self, spot: Spot, entry: &Entry) {
        match entry {
            Entry::Envelope(kept) => match kept.envelope() {
                Ok(envelope) => self.note_envelope(spot, &Located::of(&envelope, kept)),
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
                } else {
                    self.put(refused_key(spot.number), &spot);
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
            Entry::Sent { channel, reference, envelope, sequence } => {
                let row = SentRow { envelope: envelope.clone(), sequence: *sequence };
                self.put(sent_key(channel, reference), &row);
                self.put(reference_key(envelope), reference);
            }
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

    /// What stood in a record is forgotten: it is not found any more.
    pub(in crate::store) fn forgotten(&mut self, number: u64, entry: &Entry) {
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
            | Entry::Sent { .. }
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

    pub(super) fn count(&mut self, spot: Spot) {
        if spot.number > self.applied {
            self.applied = spot.number;
            self.records = self.records.saturating_add(1);
        }
    }

    /// Notes an envelope that was read before.
    pub(in crate::store) fn note_envelope(&mut self, spot: Spot, located: &Located) {
        self.count(spot);
        let Located { chain, sequence, link, deliver, allowed, .. } = located;
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
        if !*allowed {
            self.put(refused_key(spot.number), &spot);
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
    pub(in crate::store) fn moved(&mut self, spot: Spot, entry: &Entry) {
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
                if !kept.allowed {
                    self.put(refused_key(spot.number), &spot);
                }
            }
            Entry::Document(bytes) => {
                if let Ok(id) = ContentId::of_bytes(bytes)
                    && held(self.row(&document_key(&id)))
                {
                    self.put(document_key(&id), &spot);
                }
            }
            Entry::Opened { envelope, deliver, .. } => {
                self.put(opened_key(envelope), &spot);
                self.move_in_run::<Spot>(inbox_key, spot.number, spot);
                if !*deliver {
                    self.put(refused_key(spot.number), &spot);
                }
            }
            Entry::Epoch(bytes) => self.note_epoch(spot, bytes),
            Entry::Grant { epochs, .. } => {
                let Some(chain) = entry.granted_by() else { return };
                for epoch in epochs {
                    self.put(grant_key(epoch, &chain_hash(&chain), spot.number), &spot);
                }
            }
            Entry::Fork { second, .. } => {
                if let Ok(envelope) = Envelope::parse_block(second) {
                    let key = fork_key(&Chain::of(envelope.header()));
                    if held(self.row(&key)) {
                        self.put(key, &spot);
                    }
                }
            }
            // What they say does not hang on where they stand, and a later one may say another thing.
            Entry::Cursor { .. } | Entry::Sent { .. } | Entry::Forgotten(_) => {}
            Entry::Receipt { own, receipt } => self.note_receipt(spot, *own, receipt),
        }
    }
}
