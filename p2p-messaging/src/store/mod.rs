//! What a node keeps: the log, and an index that finds things in it.
//!
//! [`Store::stage`] takes entries in: they are seen at once, so that the next message of a chain is
//! checked against them. [`Store::commit`] makes all of them durable together; nothing is
//! acknowledged before it returned. Who has other work meanwhile begins with [`Store::begin_commit`],
//! lets another thread wait for the disk, and ends with [`Store::end_commit`]: what is staged in
//! between belongs to the next group, and is dropped with the one before it where that fails.

mod entry;
mod forgetting;
mod index;
mod staged;
mod unread;

pub use entry::{Entry, Kept};
pub use forgetting::{Forgetting, Forgot, Over};
pub use index::Head;

use crate::checking::{Chain, Link};
use crate::codes;
use crate::envelope::Envelope;
use crate::log::{Appended, Appending, Log, LogError, Opened, Place, Record};
use crate::receipt::SignedReceipt;
use crate::sealing::Outline;
use forgetting::Left;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use index::{Index, Spot};
use staged::{Noted, Staged};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The log did.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The index did. It can be thrown away.
    #[error("the index in {0} failed: {1}")]
    Index(PathBuf, String),
    /// An entry has no form in which it can be kept.
    #[error("an entry cannot be written")]
    Entry,
    /// A record was written by another version of the program, this one the first.
    #[error("record {0} of the log is of a version that is not known here")]
    Version(u64),
}

impl StoreError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Log(e) => e.code(),
            Self::Index(..) => codes::LOG_IO,
            Self::Entry => codes::ENVELOPE_MALFORMED,
            Self::Version(_) => codes::LOG_VERSION,
        }
    }
}

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// What was found in the log.
    pub log: Opened,
    /// How many records were taken into the index anew.
    pub indexed: u64,
    /// The numbers of records that are whole and cannot be read, whenever that was found: they are kept.
    pub unread: Vec<u64>,
}

/// Takes the records of a log into its index.
struct Intake {
    index: Index,
    found: Found,
    failed: Option<StoreError>,
}

impl Intake {
    fn new(index: Index) -> Self {
        Self { index, found: Found::default(), failed: None }
    }

    fn take(&mut self, place: Place, record: &Record) {
        let spot = Spot::new(record.number, place);
        match Entry::decode(&record.body) {
            Some(entry) => {
                self.index.note(spot, &entry);
                self.found.indexed = self.found.indexed.saturating_add(1);
            }
            None => self.index.pass_over(spot),
        }
        // Not all of a long log in memory at once.
        if self.found.indexed.checked_rem(4096) == Some(0) && self.failed.is_none() {
            self.failed = self.index.write().err();
        }
    }
}

/// The store. One process has it open, and one thread writes.
pub struct Store {
    /// Closed before the log, with which the lock goes: who opens the store then opens both.
    index: Index,
    log: Log,
    staged: Staged,
    /// On its way to the disk.
    under_way: Staged,
    index_failed: Option<String>,
    /// What is left to forget in the closed files that were looked at.
    left: BTreeMap<u64, Left>,
    /// When the last record was appended that was there when it was opened.
    logged_before: Option<UnixMillis>,
    /// The greatest number of a record that is lost or cannot be read; 0 where there is none.
    lost_until: u64,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({} records)", self.last_number())
    }
}

/// By how much the times of two records differ, in milliseconds, so that the clock seems to have jumped.
const JUMP_MILLIS: u64 = 48 * 3600 * 1000;

impl Store {
    /// Opens the store in a folder, or begins one.
    ///
    /// # Errors
    /// [`StoreError`]. Damage is none: it is told in [`Found`].
    pub fn open(folder: &Path) -> Result<(Self, Found), StoreError> {
        Self::open_with(folder, crate::log::SEGMENT_BYTES)
    }

    pub(crate) fn open_with(
        folder: &Path,
        segment_bytes: u64,
    ) -> Result<(Self, Found), StoreError> {
        Self::open_locked(Self::lock(folder)?, folder, segment_bytes)
    }

    /// Takes the lock of a store, which is its log's.
    pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
        Ok(Log::lock(folder)?)
    }

    /// Opens the store whose lock is held.
    pub(crate) fn open_held(lock: File, folder: &Path) -> Result<(Self, Found), StoreError> {
        Self::open_locked(lock, folder, crate::log::SEGMENT_BYTES)
    }

    fn open_locked(
        lock: File,
        folder: &Path,
        segment_bytes: u64,
    ) -> Result<(Self, Found), StoreError> {
        let mut index = Index::open(&folder.join("index"))?;
        if index.applied() == 0 {
            // It is in doubt, or new: nothing of what it says holds.
            index.clear()?;
        }
        let mut intake = Intake::new(index);
        let (known, indexed) = (intake.index.applied(), intake.index.records());
        let (mut seen, mut greatest, mut logged_before) = (0_u64, 0, None);
        let mut ahead: Option<UnixMillis> = None;
        let mut of_another_version = None;
        let (log, opened) = Log::open_locked(lock, folder, segment_bytes, &mut |place, record| {
            greatest = record.number;
            // A jump ahead is believed when it lasted: a clock may have been wrong.
            let jumped =
                logged_before.is_some_and(|at: UnixMillis| record.at > at.plus_millis(JUMP_MILLIS));
            let lasted =
                jumped && record.at.millis_since(*ahead.get_or_insert(record.at)) >= JUMP_MILLIS;
            if !jumped || lasted {
                (logged_before, ahead) = (Some(record.at), None);
            }
            if Entry::is_of_another_version(&record.body) {
                of_another_version.get_or_insert(record.number);
            }
            // What its writer kept is not guessed: a program that knows it takes it in.
            if of_another_version.is_some() {
                return;
            }
            if record.number > known {
                intake.take(place, record);
            } else {
                seen = seen.saturating_add(1);
            }
        })?;
        if let Some(number) = of_another_version {
            return Err(StoreError::Version(number));
        }
        if known > greatest || seen != indexed || !intake.index.is_of(&log.identity()) {
            // It was made from another log, or from more of this one than can be read: what cannot
            // be read any more must not be taken for something that is here.
            intake.index.clear()?;
            intake = Intake::new(intake.index);
            log.each(&mut |place, record| intake.take(place, record))?;
        }
        let Intake { mut index, mut found, failed } = intake;
        if let Some(e) = failed {
            return Err(e);
        }
        index.belongs_to(&log.identity());
        index.write()?;
        found.log = opened;
        found.unread = index.passed_over();
        let lost_until = found.lost_until(greatest);
        let (staged, under_way) = (Staged::default(), Staged::default());
        let (index_failed, left) = (None, BTreeMap::new());
        let store =
            Self { log, index, staged, under_way, index_failed, left, logged_before, lost_until };
        Ok((store, found))
    }

    /// Takes an entry in: seen at once, durable after [`Store::commit`].
    ///
    /// # Errors
    /// [`StoreError::Entry`] for one that cannot be written.
    pub fn stage(&mut self, entry: Entry) -> Result<(), StoreError> {
        let epoch = match &entry {
            Entry::Epoch(bytes) => Some(self.new_epoch(bytes)?),
            _ => None,
        };
        self.staged.take(entry)?;
        if let Some(epoch) = epoch.flatten() {
            self.staged.count_epoch(&epoch);
        }
        Ok(())
    }

    /// The same for an envelope that was read before: `kept` holds this one.
    ///
    /// # Errors
    /// [`StoreError::Entry`] for one that cannot be written.
    pub fn stage_envelope(&mut self, envelope: &Envelope, kept: Kept) -> Result<(), StoreError> {
        self.staged.take_envelope(envelope, kept)
    }

    /// How many entries were taken in since a commit was begun.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Makes all that was taken in durable. Gives the number of each.
    ///
    /// # Errors
    /// [`StoreError::Log`]: then nothing of it was kept, nor is seen any more.
    pub fn commit(&mut self, now: UnixMillis) -> Result<Vec<u64>, StoreError> {
        if self.staged.len() == 0 {
            return Ok(Vec::new());
        }
        let appending = self.begin_commit(now)?;
        self.end_commit(appending.run())
    }

    /// Begins to make all that was taken in durable: one group at a time.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn begin_commit(&mut self, now: UnixMillis) -> Result<Appending, StoreError> {
        let group = std::mem::take(&mut self.staged);
        // What the index cannot say is there might be taken twice.
        if let Some(why) = &self.index_failed {
            return Err(StoreError::Index(PathBuf::from("index"), why.clone()));
        }
        if self.index.has_failed() {
            return Err(StoreError::Index(PathBuf::from("index"), "it cannot be read".into()));
        }
        let appending = self.log.begin_append(now, group.bodies())?;
        self.under_way = group;
        Ok(appending)
    }

    /// Ends what [`Store::begin_commit`] began. Gives the number of each entry.
    ///
    /// # Errors
    /// [`StoreError::Log`]: then nothing of it was kept, nor of what was taken in since, which may
    /// rest on it.
    pub fn end_commit(&mut self, appended: Appended) -> Result<Vec<u64>, StoreError> {
        let group = std::mem::take(&mut self.under_way);
        let written = self.log.end_append(appended).inspect_err(|_| {
            self.staged = Staged::default();
        })?;
        for ((number, place), noted) in written.iter().zip(group.noted()) {
            let spot = Spot::new(*number, *place);
            match noted {
                Noted::Envelope(located) => self.index.note_envelope(spot, located),
                Noted::Other(entry) => self.index.note(spot, entry),
            }
        }
        // The log has it, and so it is kept. Where the index could not be written, nothing more is
        // taken in until the store is opened again, which makes it anew.
        self.index_failed = self.index.write().err().map(|e| e.to_string());
        Ok(written.into_iter().map(|(number, _)| number).collect())
    }

    /// The group that is under way will never be heard of: neither it nor what was taken in since
    /// is seen any more, and nothing more is taken in until the store is opened again.
    pub fn lost(&mut self) -> StoreError {
        (self.staged, self.under_way) = (Staged::default(), Staged::default());
        LogError::Stopped("nobody tells what was written".into()).into()
    }

    /// What is seen and not yet durable: what is taken in, and what is on its way to the disk.
    fn pending(&self) -> [&Staged; 2] {
        [&self.staged, &self.under_way]
    }

    /// Whether an envelope was kept, allowed or refused.
    #[must_use]
    pub fn has(&self, id: &EnvelopeId) -> bool {
        self.pending().iter().any(|s| s.has(id)) || self.index.envelope(id).is_some()
    }

    /// The message of a chain with a number.
    #[must_use]
    pub fn at(&self, chain: &Chain, sequence: u64) -> Option<Link> {
        let pending = self.pending().into_iter().find_map(|s| s.link(chain, sequence));
        if let Some(link) = pending {
            return Some(link.clone());
        }
        // Most often there is none, and the index need not be asked.
        let known = self.index.newest(chain).is_some_and(|newest| sequence <= newest);
        known.then(|| self.index.link(chain, sequence)).flatten()
    }

    /// The number of the first message of a chain that was made since a time; of a chain that is here
    /// whole.
    #[must_use]
    pub fn first_since(&self, chain: &Chain, since: UnixMillis) -> Option<u64> {
        let newest = self.newest(chain)?;
        let (mut low, mut high) = (1_u64, newest.saturating_add(1));
        // Their times do not go back.
        while low < high {
            let middle = low.midpoint(high);
            if self.at(chain, middle).is_some_and(|link| link.issued >= since) {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        (low <= newest).then_some(low)
    }

    /// Whether a proof is kept that a chain contradicts itself.
    #[must_use]
    pub fn forked(&self, chain: &Chain) -> bool {
        self.pending().iter().any(|s| s.forked(chain)) || self.index.forked(chain)
    }

    /// The proofs that senders contradict themselves: the name of the one that was kept first, and the
    /// other; so many at most.
    #[must_use]
    pub fn forks(&self, most: usize) -> Vec<(EnvelopeId, Envelope)> {
        let read = |spot| match self.read(spot)? {
            Entry::Fork { first, second } => Some((first, Envelope::parse_block(&second).ok()?)),
            _ => None,
        };
        self.index.forks().filter_map(read).take(most).collect()
    }

    /// The greatest number of a chain that is known.
    #[must_use]
    pub fn newest(&self, chain: &Chain) -> Option<u64> {
        let pending = self.pending().iter().filter_map(|s| s.newest(chain)).max();
        pending.max(self.index.newest(chain))
    }

    /// Whether a document was kept. Quicker than reading it.
    #[must_use]
    pub fn has_document(&self, id: &ContentId) -> bool {
        self.pending().iter().any(|s| s.document(id).is_some()) || self.index.has_document(id)
    }

    /// A document by its name.
    #[must_use]
    pub fn document(&self, id: &ContentId) -> Option<Vec<u8>> {
        if let Some(pending) = self.pending().iter().find_map(|s| s.document(id)) {
            return Some(pending.to_vec());
        }
        match self.read(self.index.document(id)?)? {
            Entry::Document(bytes) | Entry::Epoch(bytes) if id.verify(&bytes).is_ok() => {
                Some(bytes.into_vec())
            }
            _ => None,
        }
    }

    /// An envelope that is durable, with its number.
    #[must_use]
    pub fn envelope(&self, id: &EnvelopeId) -> Option<(u64, Kept)> {
        self.kept(self.index.envelope(id)?)
    }

    /// An envelope, also one that is not durable yet.
    #[must_use]
    pub fn seen(&self, id: &EnvelopeId) -> Option<Kept> {
        let pending = self.pending().into_iter().find_map(|s| s.envelope(id));
        pending.or_else(|| self.envelope(id).map(|(_, kept)| kept))
    }

    /// Whether a sealed envelope was opened later than it came.
    #[must_use]
    pub fn opened(&self, id: &EnvelopeId) -> bool {
        self.pending().iter().any(|s| s.opened(id)) || self.index.opened(id)
    }

    /// The own epochs of a chain in order, each with the number of its first message.
    #[must_use]
    pub fn own_epochs(&self, chain: &Chain) -> Vec<(u64, ContentId)> {
        self.index.own_epochs(chain).collect()
    }

    /// What the epochs of a sender in a channel cost that are kept and began in an hour.
    #[must_use]
    pub fn epochs_cost(&self, sender: (&ContentId, &Did), hour: u64) -> u64 {
        let pending = self.pending().map(|p| p.epochs_cost(sender, hour)).into_iter();
        pending.fold(self.index.epochs_cost(sender, hour), u64::saturating_add)
    }

    /// An epoch, where it was not kept before.
    fn new_epoch(&self, bytes: &[u8]) -> Result<Option<Outline>, StoreError> {
        let id = ContentId::of_bytes(bytes).map_err(|_| StoreError::Entry)?;
        let epoch = Outline::read(bytes).ok_or(StoreError::Entry)?;
        Ok(Some(epoch).filter(|_| !self.has_document(&id)))
    }

    /// How many grants of an epoch are kept, so many at most.
    #[must_use]
    pub fn count_grants(&self, epoch: &ContentId, chain: &Chain, most: usize) -> usize {
        self.index.grants(epoch, chain).take(most).count()
    }

    /// The statements by which this node was handed keys of an epoch, the newest first, so many at most.
    #[must_use]
    pub fn grants(&self, epoch: &ContentId, chain: &Chain, most: usize) -> Vec<Vec<u8>> {
        let read = |spot| match self.read(spot)? {
            Entry::Grant { statement, .. } => Some(statement.into_vec()),
            _ => None,
        };
        self.index.grants(epoch, chain).filter_map(read).take(most).collect()
    }

    /// What is known of the chains of a channel.
    #[must_use]
    pub fn heads(&self, channel: &ContentId) -> Vec<Head> {
        self.index.heads(channel)
    }

    /// The envelopes of a chain from one number to another that were made since a time, those that
    /// are here, each with its number in the chain: up to so many bytes, but at least one.
    #[must_use]
    pub fn range(
        &self,
        chain: &Chain,
        (from, until): (u64, u64),
        since: UnixMillis,
        most_bytes: usize,
    ) -> Vec<(u64, Kept)> {
        let (mut found, mut bytes) = (Vec::new(), 0_usize);
        for (sequence, issued, spot) in self.index.links(chain, from, until) {
            if issued < since {
                continue;
            }
            // Without its payload it proves something, and nobody can take it up.
            let Some((_, kept)) = self.kept(spot).filter(|(_, k)| k.whole) else { continue };
            bytes = bytes.saturating_add(kept.envelope.len());
            if bytes > most_bytes && !found.is_empty() {
                break;
            }
            found.push((sequence, kept));
        }
        found
    }

    /// Looks at the envelopes of a chain from the last number down to the first, one after the other, those
    /// that are here: until one is found, or there is no room to read more. Gives what was found, and
    /// down to which number it looked. Whoever asks says how much is read, and one is in memory at a time:
    /// how far the numbers of a chain are apart is its sender's choice.
    pub fn look_down<T>(
        &self,
        chain: &Chain,
        (first, last): (u64, u64),
        room: &mut usize,
        mut look: impl FnMut(u64, &Kept) -> Option<T>,
    ) -> (Option<T>, u64) {
        for (sequence, spot) in self.index.links_down(chain, first, last) {
            let Some(left) = room.checked_sub(1) else {
                return (None, sequence.saturating_add(1));
            };
            *room = left;
            // Without its payload it proves something, and nobody can take it up.
            let kept = self.kept(spot).filter(|(_, kept)| kept.whole);
            if let Some(found) = kept.and_then(|(_, kept)| look(sequence, &kept)) {
                return (Some(found), sequence);
            }
        }
        (None, first)
    }

    /// What is missing of a chain from one number to another: so many holes at most, in order.
    #[must_use]
    pub fn holes(&self, chain: &Chain, from: u64, until: u64, most: usize) -> Vec<(u64, u64)> {
        let staged: BTreeSet<u64> =
            self.pending().into_iter().flat_map(|s| s.numbers(chain)).collect();
        let mut holes = Vec::new();
        let mut next = from;
        let mut note = |first: u64, last: u64| {
            // What is only staged is not missing.
            let mut first = first;
            for number in staged.range(first..=last) {
                if first < *number {
                    holes.push((first, number.saturating_sub(1)));
                }
                first = number.saturating_add(1);
            }
            if first <= last {
                holes.push((first, last));
            }
            holes.len() >= most
        };
        for (sequence, ..) in self.index.links(chain, from, until) {
            if sequence > next && note(next, sequence.saturating_sub(1)) {
                break;
            }
            next = sequence.saturating_add(1);
        }
        if next <= until {
            note(next, until);
        }
        holes.truncate(most);
        holes
    }

    /// What is delivered here, after a number, in the order in which it was taken in.
    #[must_use]
    pub fn inbox(&self, after: u64, most: usize) -> Vec<(u64, Kept)> {
        self.inbox_up_to(after, most, usize::MAX)
    }

    /// The same, up to so many bytes but at least one.
    #[must_use]
    pub fn inbox_up_to(&self, after: u64, most: usize, most_bytes: usize) -> Vec<(u64, Kept)> {
        let mut bytes = 0_usize;
        // Those that cannot be read any more do not end it.
        let found = self.index.inbox(after).filter_map(|spot| self.delivered(spot)).take(most);
        found
            .take_while(|(_, kept)| {
                let first = bytes == 0;
                bytes = bytes.saturating_add(kept.envelope.len());
                first || bytes <= most_bytes
            })
            .collect()
    }

    /// Receipts of others that speak of a message: those that were found among so many.
    #[must_use]
    pub fn receipts(&self, chain: &Chain, sequence: u64, most: usize) -> Vec<SignedReceipt> {
        let spots = self.index.receipts(chain, sequence).take(most);
        let all = spots.filter_map(|spot| self.receipt(spot).map(|(_, receipt)| receipt));
        all.filter(|r| r.receipt().speaks_of(sequence)).collect()
    }

    /// The own receipts for a sender, after a number, each with its number.
    #[must_use]
    pub fn own_receipts(&self, sender: &Did, after: u64, most: usize) -> Vec<(u64, Vec<u8>)> {
        let spots = self.index.own_receipts(sender, after).take(most);
        spots
            .filter_map(|spot| match self.read(spot)? {
                Entry::Receipt { receipt, .. } => Some((spot.number, receipt.into_vec())),
                _ => None,
            })
            .collect()
    }

    fn receipt(&self, spot: Spot) -> Option<(u64, SignedReceipt)> {
        match self.read(spot)? {
            Entry::Receipt { receipt, .. } => {
                Some((spot.number, SignedReceipt::parse(&receipt).ok()?))
            }
            _ => None,
        }
    }

    /// How many bytes the log has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.log.bytes()
    }

    /// When the last record was appended that was there when the store was opened, by the clock of then.
    #[must_use]
    pub fn logged_before(&self) -> Option<UnixMillis> {
        self.logged_before
    }

    /// The number of the last record that is durable.
    #[must_use]
    pub fn last_number(&self) -> u64 {
        self.log.next_number().saturating_sub(1)
    }

    /// How far a reader has read, with what was taken in last.
    #[must_use]
    pub fn cursor(&self, reader: &str) -> u64 {
        let pending = self.pending().into_iter().find_map(|group| group.cursor(reader));
        pending.unwrap_or_else(|| self.index.cursor(reader))
    }

    fn read(&self, spot: Spot) -> Option<Entry> {
        let record = self.log.read(spot.number, spot.place()).ok()?;
        Entry::decode(&record.body)
    }

    /// What is delivered with a number: an envelope, or one that came before and was opened then.
    fn delivered(&self, spot: Spot) -> Option<(u64, Kept)> {
        match self.read(spot)? {
            Entry::Envelope(kept) => Some((spot.number, *kept)),
            Entry::Opened { envelope, .. } => {
                let (_, kept) = self.envelope(&envelope)?;
                Some((spot.number, kept))
            }
            _ => None,
        }
    }

    fn kept(&self, spot: Spot) -> Option<(u64, Kept)> {
        match self.read(spot)? {
            Entry::Envelope(kept) => Some((spot.number, *kept)),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
