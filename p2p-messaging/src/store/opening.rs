//! How a store is opened: its log is read, and what its index does not have is noted there.

use super::index::{Index, Spot};
use super::staged::Staged;
use super::{Entry, PARTICIPANT, Store, StoreError};
use crate::log::{Log, Opened, Place, Record};
use gridpass_identity::time::UnixMillis;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

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

/// By how much the times of two records differ, in milliseconds, so that the clock seems to have jumped.
const JUMP_MILLIS: u64 = 48 * 3600 * 1000;

/// The numbers of which nobody can say what they held. What an end held that was cut off was never
/// acknowledged.
fn lost(opened: &Opened, unread: &[u64]) -> Vec<(u64, u64)> {
    let damaged = opened.damaged.iter().filter_map(|d| {
        let (first, next) = (d.lost.0, d.lost.1?);
        (next > first).then(|| (first, next.saturating_sub(1)))
    });
    let unread = unread.iter().map(|number| (*number, *number));
    let mut lost: Vec<_> = damaged.chain(opened.gone.iter().copied()).chain(unread).collect();
    lost.sort_unstable();
    lost
}

/// Up to which number records were given, by what stands beside a log that may have lost its end; 0 where nothing
/// says so. No crash leaves that: what the index has was on the disk before.
fn given_until(log: &Log, opened: &Opened, (index, began): (&Index, bool)) -> u64 {
    // Where no record is left, neither is what tells one log from another.
    if opened.records == 0 || index.is_of(&log.identity()) {
        // No file at all, or one that holds nothing, and no end that a crash left.
        let whole = opened.missing.is_empty() && opened.damaged.is_empty();
        let nothing_left = whole && opened.records == 0 && opened.cut_off.is_none();
        let nothing_left = nothing_left && (log.open_file().is_none() || log.next_number() > 1);
        // How many is not known.
        return index.applied().max(u64::from(nothing_left && began));
    }
    0
}

/// Notes the numbers behind the greatest one that is left as gone, up to another: for this opening, and for
/// those that follow.
fn note_lost(
    log: &mut Log,
    opened: &mut Opened,
    (greatest, until): (u64, u64),
) -> Result<(), StoreError> {
    if until <= greatest || opened.gone.iter().any(|(_, last)| *last >= until) {
        return Ok(());
    }
    log.note_lost(until)?;
    for lost in [&mut opened.gone, &mut opened.missing] {
        lost.retain(|(_, last)| *last <= greatest);
        lost.push((greatest.saturating_add(1), until));
    }
    Ok(())
}

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
        // Whether records were kept here, whatever the log says: of a node that began, and kept none, the
        // index is there.
        let known_participant = folder.join(PARTICIPANT).exists();
        let began = !index.is_empty() || (index.is_new() && known_participant);
        if index.applied() == 0 {
            // It is in doubt, or new: nothing of what it says holds.
            index = index.cleared()?;
        }
        let mut intake = Intake::new(index);
        let (known, indexed) = (intake.index.applied(), intake.index.records());
        let (mut seen, mut greatest, mut logged_before) = (0_u64, 0, None);
        let mut ahead: Option<UnixMillis> = None;
        let mut of_another_version = None;
        let opened = Log::open_locked(lock, folder, segment_bytes, &mut |place, record| {
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
        let (mut log, mut opened) = opened;
        if let Some(number) = of_another_version {
            return Err(StoreError::Version(number));
        }
        // Before the index is made anew, which is all that knows of it.
        let until = given_until(&log, &opened, (&intake.index, began));
        note_lost(&mut log, &mut opened, (greatest, until))?;
        let fits = known <= greatest && seen == indexed && intake.index.is_of(&log.identity());
        if !fits || intake.index.is_suspect() {
            // It was made from another log, or from more of this one than can be read: what cannot
            // be read any more must not be taken for something that is here. Or its disk failed.
            intake = Intake::new(intake.index.cleared()?);
            log.each(&mut |place, record| intake.take(place, record))?;
        }
        let Intake { mut index, mut found, failed } = intake;
        if let Some(e) = failed {
            return Err(e);
        }
        index.belongs_to(&log.identity());
        index.write()?;
        found.unread = index.passed_over();
        if let Some(e) = index.failure() {
            return Err(e);
        }
        index.unmark();
        let lost = lost(&opened, &found.unread);
        found.log = opened;
        let lost_until = found.lost_until();
        let cut_off_until = found.cut_off_until(greatest);
        let (staged, under_way) = (Staged::default(), Staged::default());
        let left = BTreeMap::new();
        let store = Self {
            log,
            index,
            staged,
            under_way,
            left,
            lost,
            doubtful: RefCell::default(),
            logged_before,
            lost_until,
            cut_off_until,
        };
        Ok((store, found))
    }
}
