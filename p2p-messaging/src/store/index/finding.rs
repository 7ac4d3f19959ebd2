//! What the index is asked: where something stands, and how far a chain is known.

use super::Index;
use super::keys::{
    chain_hash, cost_key, cursor_key, document_key, fork_key, grant_key, head_key, id_key,
    inbox_key, link_key, opened_key, own_receipt_key, receipt_key, reference_key, refused_key,
    sent_key,
};
use super::rows::{Ends, EpochRow, Head, HeadRow, SentRow, Spot, to_head};
use super::runs::{LinkRow, Numbered, between, down_between, row_at};
use crate::checking::{Chain, Link};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;

impl Index {
    /// What the epochs of a sender cost that began in an hour.
    pub(in crate::store) fn epochs_cost(
        &self,
        (channel, sender): (&ContentId, &Did),
        hour: u64,
    ) -> u64 {
        self.row(&cost_key(channel, sender, hour)).unwrap_or_default()
    }

    /// How far a chain is known; nothing where it is not.
    pub(super) fn ends(&self, chain: &Chain) -> Option<Ends> {
        if let Some(ends) = self.ends.borrow_mut().get(chain) {
            return Some(*ends);
        }
        let row: HeadRow = self.row(&head_key(&chain.channel, &chain_hash(chain)))?;
        let ends = Ends { newest: row.newest, whole: row.whole };
        self.ends.borrow_mut().insert(chain.clone(), ends);
        Some(ends)
    }

    pub(super) fn has_link(&self, chain: &[u8; 32], sequence: u64) -> bool {
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
    pub(super) fn run_at<T: Numbered>(
        &self,
        key: impl Fn(u64) -> Vec<u8>,
        number: u64,
    ) -> Option<(Vec<u8>, Vec<T>)> {
        let found = row_at(&self.db, key, number).inspect_err(|e| self.failed.note(e));
        let (key, row) = found.ok()??;
        let row = self.changed.get(key.as_ref()).map_or(row.as_ref(), Vec::as_slice);
        Some((key.to_vec(), serde_ipld_dagcbor::from_slice(row).ok()?))
    }

    pub(in crate::store) fn envelope(&self, id: &EnvelopeId) -> Option<Spot> {
        self.row(&id_key(id))
    }

    pub(in crate::store) fn document(&self, id: &ContentId) -> Option<Spot> {
        self.row(&document_key(id))
    }

    /// Whether a document is here.
    pub(in crate::store) fn has_document(&self, id: &ContentId) -> bool {
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
    pub(in crate::store) fn link(&self, chain: &Chain, sequence: u64) -> Option<Link> {
        self.link_row(&chain_hash(chain), sequence)?.link()
    }

    /// The messages of a chain from one number to another, those that are here: the number, when it
    /// was made, and where it stands.
    pub(in crate::store) fn links(
        &self,
        chain: &Chain,
        from: u64,
        until: u64,
    ) -> impl Iterator<Item = (u64, UnixMillis, Spot)> + use<> {
        let hash = chain_hash(chain);
        let place = (&*self.db, &self.failed);
        let rows = between::<LinkRow, _>(place, move |n| link_key(&hash, n), from, until);
        rows.map(|row| (row.number(), row.issued(), row.spot()))
    }

    /// The same from the greatest number down: the number, and where it stands.
    pub(in crate::store) fn links_down(
        &self,
        chain: &Chain,
        from: u64,
        until: u64,
    ) -> impl Iterator<Item = (u64, Spot)> + use<> {
        let hash = chain_hash(chain);
        let place = (&*self.db, &self.failed);
        let rows = down_between::<LinkRow, _>(place, move |n| link_key(&hash, n), from, until);
        rows.map(|row| (row.number(), row.spot()))
    }

    /// Where two messages stand by which somebody contradicted itself in a chain: those that were kept last.
    pub(in crate::store) fn fork(&self, chain: &Chain) -> Option<Spot> {
        self.row(&fork_key(chain))
    }

    /// Where the proofs stand that senders contradict themselves.
    pub(in crate::store) fn forks(&self) -> impl Iterator<Item = Spot> + use<> {
        let rows = self.failed.rows(self.db.scan_prefix(b"f").values());
        rows.filter_map(|v| serde_ipld_dagcbor::from_slice(&v).ok())
    }

    /// The greatest number of a chain that is known.
    pub(in crate::store) fn newest(&self, chain: &Chain) -> Option<u64> {
        self.ends(chain).map(|ends| ends.newest)
    }

    /// The chains of a channel.
    pub(in crate::store) fn heads(&self, channel: &ContentId) -> Vec<Head> {
        let prefix = [b"h", channel.as_str().as_bytes()].concat();
        let rows = self.failed.rows(self.db.scan_prefix(prefix).values());
        rows.filter_map(|v| serde_ipld_dagcbor::from_slice(&v).ok()).filter_map(to_head).collect()
    }

    /// What is delivered, after a number.
    pub(in crate::store) fn inbox(&self, after: u64) -> impl Iterator<Item = Spot> + use<> {
        between((&self.db, &self.failed), inbox_key, after.saturating_add(1), u64::MAX)
    }

    /// What was refused, after a number.
    pub(in crate::store) fn refused(&self, after: u64) -> impl Iterator<Item = Spot> + use<> {
        let range = refused_key(after.saturating_add(1))..=refused_key(u64::MAX);
        let rows = self.failed.rows(self.db.range(range).values());
        rows.filter_map(|v| serde_ipld_dagcbor::from_slice(&v).ok())
    }

    /// Where receipts of others stand that speak of a message or of later ones, the nearest first.
    pub(in crate::store) fn receipts(
        &self,
        chain: &Chain,
        sequence: u64,
    ) -> impl Iterator<Item = Spot> + use<> {
        let hash = chain_hash(chain);
        let range = receipt_key(&hash, sequence, 0)..=receipt_key(&hash, u64::MAX, u64::MAX);
        let rows = self.failed.rows(self.db.range(range).values());
        rows.filter_map(|v| serde_ipld_dagcbor::from_slice(&v).ok())
    }

    /// Where the own receipts for a sender stand, after a number.
    pub(in crate::store) fn own_receipts(
        &self,
        sender: &Did,
        after: u64,
    ) -> impl Iterator<Item = Spot> + use<> {
        let first = own_receipt_key(sender, after.saturating_add(1));
        let range = first..=own_receipt_key(sender, u64::MAX);
        let rows = self.failed.rows(self.db.range(range).values());
        rows.filter_map(|v| serde_ipld_dagcbor::from_slice(&v).ok())
    }

    pub(in crate::store) fn opened(&self, id: &EnvelopeId) -> bool {
        self.row::<Spot>(&opened_key(id)).is_some()
    }

    /// The own epochs of a chain, in order, each with its first number.
    pub(in crate::store) fn own_epochs(
        &self,
        chain: &Chain,
    ) -> impl Iterator<Item = (u64, ContentId)> + use<> {
        let prefix = [b"e".as_slice(), &chain_hash(chain)].concat();
        let names = prefix.len().saturating_add(8);
        self.failed.rows(self.db.scan_prefix(prefix)).filter_map(move |(key, row)| {
            let id = ContentId::parse(std::str::from_utf8(key.get(names..)?).ok()?).ok()?;
            let row: EpochRow = serde_ipld_dagcbor::from_slice(&row).ok()?;
            Some((row.first, id))
        })
    }

    /// Where keys of an epoch stand that were handed to this node, the newest first.
    pub(in crate::store) fn grants(
        &self,
        epoch: &ContentId,
        chain: &Chain,
    ) -> impl Iterator<Item = Spot> + use<> {
        let hash = chain_hash(chain);
        let range = grant_key(epoch, &hash, 0)..=grant_key(epoch, &hash, u64::MAX);
        let rows = self.failed.rows(self.db.range(range).rev());
        rows.filter_map(|(_, row)| serde_ipld_dagcbor::from_slice(&row).ok())
    }

    /// What was sent in a channel under a reference, and its number in the own chain.
    pub(in crate::store) fn sent(
        &self,
        channel: &ContentId,
        reference: &str,
    ) -> Option<(EnvelopeId, u64)> {
        let row: SentRow = self.row(&sent_key(channel, reference))?;
        Some((row.envelope, row.sequence))
    }

    /// Under which reference a message was sent.
    pub(in crate::store) fn reference(&self, id: &EnvelopeId) -> Option<String> {
        self.row(&reference_key(id))
    }

    pub(in crate::store) fn cursor(&self, reader: &str) -> u64 {
        self.row(&cursor_key(reader)).unwrap_or_default()
    }
}
