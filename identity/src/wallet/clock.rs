//! The clock against what the wallet itself did. What is signed by a clock that is behind contradicts what
//! was signed before; and after a clock that was ahead the right one looks like that. So nothing is signed by
//! a clock that is earlier than the newest change, until the owner says that it is right: then what others
//! refuse for its date is undone.

use super::identity::{ControlKeys, Identity, KeyState, stage_identity};
use super::snapshots::SeenFiles;
use super::webvh::lists;
use super::{Changes, Diary, Wallet, WalletError};
use crate::did::Did;
use crate::document::Relationship;
use crate::method::webvh::VerifiedEntries;
use crate::resolve::SnapshotStore as _;
use crate::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use rand_core::CryptoRng;
use serde_json::Value;

/// Refuses a clock that is earlier than the newest date known by more than clocks may differ.
///
/// # Errors
/// [`WalletError::ClockBehind`].
pub fn check_clock(newest: Option<UnixMillis>, now: UnixMillis) -> Result<(), WalletError> {
    match newest.filter(|known| is_ahead(*known, now)) {
        Some(known) => Err(WalletError::ClockBehind { known, now }),
        None => Ok(()),
    }
}

/// Whether a date is later than the clock by more than clocks may differ: everybody refuses what has it.
#[must_use]
pub fn is_ahead(date: UnixMillis, now: UnixMillis) -> bool {
    date > now.plus_millis(MAX_CLOCK_SKEW_MILLIS)
}

/// Refuses a date that is later than the clock, and not later than it can be: whether the clock is behind
/// now, or was ahead then, nobody knows.
///
/// # Errors
/// [`WalletError::ClockBehind`].
pub fn check_ahead(
    date: UnixMillis,
    now: UnixMillis,
    latest: UnixMillis,
) -> Result<(), WalletError> {
    if is_ahead(date, now) && !is_ahead(date, latest) {
        return Err(WalletError::ClockBehind { known: date, now });
    }
    Ok(())
}

/// A log of a did:webvh without the entries at its end that are ahead of the clock; nothing where none is. It
/// is empty where all are.
#[must_use]
pub fn without_end(log: &[u8], now: UnixMillis) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(log);
    let lines: Vec<&str> = entries(&text);
    let counts = |line: &&&str| dated(line).is_none_or(|at| !is_ahead(at, now));
    let kept: Vec<&str> = lines.iter().take_while(counts).copied().collect();
    if kept.len() == lines.len() {
        return None;
    }
    let ended = kept.iter().flat_map(|line| [line.as_bytes(), b"\n".as_slice()]);
    Some(ended.collect::<Vec<_>>().concat())
}

/// The dates of a log's entries, as they say.
pub(super) fn dates(log: &str) -> Vec<UnixMillis> {
    entries(log).into_iter().filter_map(dated).collect()
}

fn entries(log: &str) -> Vec<&str> {
    log.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// The time of an entry of a log.
fn dated(line: &str) -> Option<UnixMillis> {
    let entry: Value = serde_json::from_str(line).ok()?;
    UnixMillis::parse_rfc3339(entry.get("versionTime")?.as_str()?).ok()
}

/// What became of the logs that a wallet keeps, when its clock was said to be right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Their last entry was ahead, and is left away: the keys before it are in use again.
    pub rotations: Vec<Did>,
    /// Entries are ahead that cannot be undone: a backup from before is what helps.
    pub left: Vec<Did>,
    /// What was obtained ahead of others counts as obtained now, without the ends of their logs that are ahead.
    pub obtained: Vec<Did>,
}

impl Diary {
    /// The newest date that the wallet gave a change of its own.
    #[must_use]
    pub fn newest(&self) -> Option<UnixMillis> {
        self.last_key_change.max(self.last_issuing).max(self.last_charter)
    }

    /// As it is where the clock is right: no change was made later than now.
    fn until(&self, now: UnixMillis) -> Self {
        let capped = |at: Option<UnixMillis>| at.map(|at| at.min(now));
        Self {
            // What a backup holds that is of no known time is not known.
            last_backup: self.last_backup.filter(|at| !is_ahead(*at, now)),
            last_key_change: capped(self.last_key_change),
            last_issuing: capped(self.last_issuing),
            first_unsaved_issuing: capped(self.first_unsaved_issuing),
            last_charter: capped(self.last_charter),
        }
    }
}

impl Wallet {
    /// Refuses a clock that is earlier than the wallet's newest change by more than clocks may differ.
    ///
    /// # Errors
    /// [`WalletError::ClockBehind`].
    pub fn check_clock(&self, now: UnixMillis) -> Result<(), WalletError> {
        check_clock(Diary::read(self.store.as_ref())?.newest(), now)
    }

    /// Takes the clock for right, because the owner says so: the wallet's changes count as made by now, and
    /// the last entry of an own log that is ahead is left away. Nobody with a right clock took that entry.
    /// What is kept of others counts as obtained by now: dated ahead, no charter that names them could be pinned.
    /// `changes` is what else is put right with it, in the same change of the wallet.
    ///
    /// `latest` is how late it can be, by what the owner said: who names a day does not say that the clock
    /// is not an hour behind. What is dated between the two is perhaps right, and published: then nothing
    /// is changed.
    ///
    /// # Errors
    /// [`WalletError::ClockBehind`] where something is dated later than `now`, and not later than `latest`;
    /// [`WalletError`] if what is kept cannot be read or written.
    pub fn believe_clock(
        &mut self,
        mut changes: Changes,
        rng: &mut dyn CryptoRng,
        now: UnixMillis,
        latest: UnixMillis,
    ) -> Result<Undone, WalletError> {
        let diary = Diary::read(self.store.as_ref())?;
        let dates = [diary.last_key_change, diary.last_issuing, diary.last_charter];
        for date in dates.into_iter().flatten() {
            check_ahead(date, now, latest)?;
        }
        let mut undone = Undone::default();
        let mut judged = Vec::new();
        for identity in self.identities()? {
            let did = identity.did.clone();
            match self.without_entry_ahead(&identity, now, latest)? {
                // Only that it was obtained may be ahead.
                Ahead::No => continue,
                Ahead::Left => undone.left.push(identity.did),
                Ahead::Undone(before, log) => {
                    Self::stage_log_before(&mut changes, &before.did, log)?;
                    stage_identity(&mut changes, &before)?;
                    undone.rotations.push(identity.did);
                }
            }
            judged.push(did);
        }
        undone.obtained = self.stage_obtained(&mut changes, &judged, now, latest)?;
        self.apply_noted(changes, diary.until(now), rng)?;
        Ok(undone)
    }

    /// An identity as it was before the last entry of its log, where that one is ahead.
    fn without_entry_ahead(
        &self,
        identity: &Identity,
        now: UnixMillis,
        latest: UnixMillis,
    ) -> Result<Ahead, WalletError> {
        if identity.did.method() != "webvh" {
            return Ok(Ahead::No);
        }
        let Some(newest) = self.snapshots(&identity.did)?.pop() else { return Ok(Ahead::No) };
        // As of when it was kept, which was by the clock that was ahead.
        let as_kept = newest.seen.max(now);
        let entries = VerifiedEntries::verify(&identity.did, &newest.document, as_kept);
        // One that cannot be read must not keep the rest from being put right.
        let Ok(entries) = entries else { return Ok(Ahead::Left) };
        let versions = entries.into_versions();
        let dates: Vec<UnixMillis> = versions.iter().filter_map(|v| v.from).collect();
        for date in &dates {
            check_ahead(*date, now, latest)?;
        }
        let ahead = dates.iter().filter(|from| is_ahead(**from, now)).count();
        if ahead == 0 {
            return Ok(Ahead::No);
        }
        // The key that signs in the place of the entry is there of the last one only, and of an end none is.
        let key = identity.control.as_ref().filter(|c| self.secret(&c.current).is_ok());
        let (Some(control), 1, true) = (key, ahead, versions.len() > 1) else {
            return Ok(Ahead::Left);
        };
        let text = String::from_utf8_lossy(&newest.document);
        let mut lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.pop();
        let spent = lines.last().and_then(|line| update_key(line));
        let log = format!("{}\n", lines.join("\n"));
        let entries = VerifiedEntries::verify(&identity.did, log.as_bytes(), now)?.into_versions();
        let document = entries.last().and_then(|v| v.document.as_ref());

        let mut before = identity.clone();
        before.keys.truncate(before.keys.len().saturating_sub(Relationship::ALL.len()));
        for key in before.keys.iter_mut().filter(|key| lists(document, key)) {
            key.state = KeyState::Active;
        }
        before.control = Some(ControlKeys {
            current: spent.unwrap_or_else(|| control.current.clone()),
            next: control.current.clone(),
        });
        Ok(Ahead::Undone(Box::new(before), SeenFiles::log(now, log, newest.witness)))
    }
}

enum Ahead {
    No,
    Left,
    Undone(Box<Identity>, SeenFiles),
}

/// The key that signed an entry: it is spent with the next one, and named only.
fn update_key(line: &str) -> Option<String> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let key = entry.get("parameters")?.get("updateKeys")?.get(0)?.as_str()?;
    Some(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use crate::resolve::{OfflineResolver, Resolver as _};
    use crate::wallet::identities::{IdentityKind, NewDid, NewIdentity};
    use crate::wallet::slot::Passphrase;
    use crate::wallet::store::MemoryStore;
    use crate::wallet::tests::{now, rng};

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    const DAY: u64 = 24 * 3600 * 1000;

    fn day(n: u64) -> UnixMillis {
        now().plus_millis(n * DAY)
    }

    fn wallet() -> Result<(Wallet, Identity), WalletError> {
        let (store, passphrase) =
            (MemoryStore::default(), Passphrase::new("correct horse battery"));
        let (mut wallet, _) =
            Wallet::create(Box::new(store), "dso", &passphrase, &mut rng(), now())?;
        let did = NewDid::Webvh { location: "dso.example".into(), witness: None };
        let new = NewIdentity { name: "root".into(), kind: IdentityKind::Participant, did };
        let identity = wallet.new_identity(&new, &mut rng(), now())?;
        Ok((wallet, identity))
    }

    fn active(identity: &Identity) -> Vec<String> {
        let keys = identity.keys.iter().filter(|k| k.state == KeyState::Active);
        keys.map(|k| k.public_key.clone()).collect()
    }

    #[test]
    fn a_rotation_by_a_clock_that_was_ahead_is_undone_and_the_stolen_key_is_marked() -> TestResult {
        let (mut wallet, _) = wallet()?;
        let first = wallet.identity("root")?;
        let root = wallet.rotate(&first, None, &mut rng(), day(1))?;
        wallet.rotate(&root, Some(day(2)), &mut rng(), day(200))?;
        for since in [None, Some(day(2))] {
            let refused = wallet.rotate(&root, since, &mut rng(), day(3)).expect_err("behind");
            assert_eq!(refused.code(), codes::CLOCK_BEHIND);
        }
        let undone = wallet.believe_clock(Changes::default(), &mut rng(), day(3), day(4))?;
        assert_eq!((undone.rotations.len(), undone.left.len()), (1, 0));
        let again = wallet.identity("root")?;
        assert_eq!(active(&again), active(&root), "the keys before are in use");
        wallet.active_secret(&again, Relationship::AssertionMethod)?;
        let marked = wallet.rotate(&again, Some(day(2)), &mut rng(), day(4))?;
        wallet.active_secret(&marked, Relationship::AssertionMethod)?;
        let log = wallet.webvh_log(&root.did, day(4))?.into_versions();
        assert_eq!(log.len(), 3);
        let resolved = OfflineResolver::new(&wallet).resolve(&root.did)?;
        assert!(resolved.current().is_some());
        // Twice is once.
        let undone = wallet.believe_clock(Changes::default(), &mut rng(), day(4), day(4))?;
        assert_eq!(undone, Undone::default());
        Ok(())
    }

    #[test]
    fn a_rotation_of_the_same_day_is_not_undone_by_a_clock_that_is_perhaps_behind() -> TestResult {
        let (mut wallet, first) = wallet()?;
        let rotated = wallet.rotate(&first, None, &mut rng(), day(3))?;
        let behind = UnixMillis::new(day(3).get() - 3_600_000);
        let refused = wallet.believe_clock(Changes::default(), &mut rng(), behind, day(4));
        assert_eq!(refused.expect_err("it is open").code(), codes::CLOCK_BEHIND);
        assert_eq!(wallet.identity("root")?, rotated);
        assert_eq!(wallet.status()?.diary.last_key_change, Some(day(3)));
        // Who says what time it is says so of this, too.
        let undone = wallet.believe_clock(Changes::default(), &mut rng(), behind, behind)?;
        assert_eq!(undone.rotations.len(), 1);
        Ok(())
    }

    #[test]
    fn what_cannot_be_undone_is_named_and_changed_in_nothing() -> TestResult {
        let (mut wallet, root) = wallet()?;
        let once = wallet.rotate(&root, None, &mut rng(), day(200))?;
        let twice = wallet.rotate(&once, None, &mut rng(), day(201))?;
        let undone = wallet.believe_clock(Changes::default(), &mut rng(), day(3), day(4))?;
        assert_eq!((undone.rotations.len(), undone.left.len()), (0, 1));
        assert_eq!(wallet.identity("root")?, twice);
        Ok(())
    }

    #[test]
    fn a_clock_goes_back_by_many_steps_no_further_than_by_one() -> TestResult {
        let (mut wallet, _) = wallet()?;
        let back = |n: u64| UnixMillis::new(day(9).get() - n * MAX_CLOCK_SKEW_MILLIS);
        for step in [0, 1] {
            wallet.apply_issuing(Changes::default(), &mut rng(), back(step))?;
        }
        let refused = wallet.apply_issuing(Changes::default(), &mut rng(), back(2));
        assert_eq!(refused.expect_err("behind").code(), codes::CLOCK_BEHIND);
        Ok(())
    }

    #[test]
    fn a_clock_that_is_behind_issues_nothing_until_it_is_said_to_be_right() -> TestResult {
        let (mut wallet, _) = wallet()?;
        wallet.apply_issuing(Changes::default(), &mut rng(), day(200))?;
        // As far as clocks may differ.
        let skewed = UnixMillis::new(day(200).get() - MAX_CLOCK_SKEW_MILLIS);
        wallet.check_clock(skewed)?;
        let refused = wallet.apply_issuing(Changes::default(), &mut rng(), day(1));
        assert_eq!(refused.expect_err("behind").code(), codes::CLOCK_BEHIND);
        assert_eq!(wallet.status()?.diary.last_issuing, Some(day(200)));
        wallet.believe_clock(Changes::default(), &mut rng(), day(1), day(2))?;
        assert_eq!(wallet.status()?.diary.last_issuing, Some(day(1)));
        wallet.apply_issuing(Changes::default(), &mut rng(), day(1))?;
        Ok(())
    }
}
