//! Forgetting: closed files of the log are written anew with what is left of their records.

use super::index::Spot;
use super::{Entry, Kept, Store, StoreError};
use crate::log::{LogError, Record};
use crate::sealing::Outline;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use serde_bytes::ByteBuf;
use std::collections::{BTreeSet, HashMap};

/// What is forgotten.
pub struct Forgetting<'f> {
    /// Whether the payload of an envelope is; names, headers and signatures stay.
    pub payload: &'f dyn Fn(&Kept) -> bool,
    /// Whether every message is over that can name an epoch: of its document only the name stays.
    pub epoch: &'f dyn Fn(&Outline) -> bool,
    /// Of keys that came before this only the name stays, where they are of no epoch that is kept.
    pub grants_before: UnixMillis,
}

impl Store {
    /// Forgets in closed files. Gives how many records were shortened, and the files that are damaged and
    /// were left as they are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget(&mut self, what: &Forgetting<'_>) -> Result<(u64, Vec<u64>), StoreError> {
        let (mut count, mut damaged) = (0_u64, Vec::new());
        let needed = self.epochs_of_the_open_file()?;
        for segment in self.log.closed() {
            let mut shorter: HashMap<u64, Entry> = HashMap::new();
            self.log.each_in(segment, &mut |_, record| {
                if let Some(short) = self.shorter(record, what, &needed) {
                    shorter.insert(record.number, short);
                }
            })?;
            if shorter.is_empty() {
                continue;
            }
            // Interrupted between the log and the index, the index is made again.
            self.index.doubt()?;
            let (mut left, mut gone) = (HashMap::new(), Vec::new());
            let rewritten = self.log.rewrite(segment, &mut |record| {
                let entry = Entry::decode(&record.body)?;
                let short = shorter.get(&record.number).cloned();
                if matches!(short, Some(Entry::Forgotten(_))) {
                    gone.push((record.number, entry.clone()));
                }
                let entry = short.unwrap_or(entry);
                let body = entry.encode();
                left.insert(record.number, entry);
                body
            });
            let places = match rewritten {
                Ok(places) => places,
                Err(LogError::Damaged(_)) => {
                    self.index.sure();
                    self.index.write()?;
                    damaged.push(segment);
                    continue;
                }
                // Nobody knows which file is there: the index stays in doubt.
                Err(e) => return Err(e.into()),
            };
            count = count.saturating_add(u64::try_from(shorter.len()).unwrap_or(u64::MAX));
            for (number, place) in places {
                if let Some(entry) = left.get(&number) {
                    self.index.moved(Spot::new(number, place), entry);
                }
            }
            for (number, entry) in &gone {
                self.index.forgotten(*number, entry);
            }
            self.index.sure();
            self.index.write()?;
        }
        Ok((count, damaged))
    }

    /// Gives up what ends of the log hold that were cut off before a time, whatever it was of. Gives how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_cut_ends(&self, before: UnixMillis) -> Result<u64, StoreError> {
        Ok(self.log.forget_cut_ends(before)?)
    }

    /// What is left of a record, if less than there is.
    fn shorter(
        &self,
        record: &Record,
        what: &Forgetting<'_>,
        needed: &BTreeSet<ContentId>,
    ) -> Option<Entry> {
        let entry = Entry::decode(&record.body)?;
        match &entry {
            Entry::Envelope(kept) => {
                let forgets = kept.whole && (what.payload)(kept);
                let block = kept.envelope().ok().filter(|_| forgets)?.to_block().ok()?;
                let envelope = ByteBuf::from(block);
                let kept = Kept { envelope, whole: false, ..(**kept).clone() };
                Some(Entry::Envelope(Box::new(kept)))
            }
            Entry::Epoch(bytes) => {
                let over = Outline::read(bytes).is_some_and(|epoch| (what.epoch)(&epoch));
                let id =
                    ContentId::of_bytes(bytes).ok().filter(|id| over && !needed.contains(id))?;
                Some(Entry::Forgotten(id))
            }
            Entry::Grant { epochs, statement, .. } => {
                let kept = || epochs.iter().any(|id| self.index.document(id).is_some());
                let over = record.at < what.grants_before && !kept();
                over.then(|| ContentId::of_bytes(statement).ok().map(Entry::Forgotten))?
            }
            Entry::Document(_)
            | Entry::Fork { .. }
            | Entry::Receipt { .. }
            | Entry::Opened { .. }
            | Entry::Forgotten(_)
            | Entry::Cursor { .. } => None,
        }
    }

    /// Its messages keep their payloads until it is closed: so long their epochs are needed.
    fn epochs_of_the_open_file(&self) -> Result<BTreeSet<ContentId>, StoreError> {
        let mut needed = BTreeSet::new();
        if let Some(open) = self.log.open_file() {
            self.log.each_in(open, &mut |_, record| {
                if let Some(Entry::Envelope(kept)) = Entry::decode(&record.body)
                    && let Ok(envelope) = kept.envelope()
                {
                    needed.extend(envelope.header().epoch.clone());
                }
            })?;
        }
        Ok(needed)
    }
}

#[cfg(test)]
#[path = "forgetting_tests.rs"]
mod tests;
