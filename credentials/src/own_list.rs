//! An issuer's own status lists, as its wallet keeps them: what is taken, what is set, what was
//! signed last.

use crate::issuing::IssueError;
use crate::keeping::{self, KeepError, from_record, to_record};
use crate::register;
use crate::secured::{Form, Signer, secure_credential};
use crate::status::{Bits, Change, MIN_ENTRIES, NewStatusList, StatusError, StatusList};
use crate::visa::Purpose;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::clock::{check_clock, is_ahead};
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const LISTS: &str = "own-status-list";
const RECORD_VERSION: u32 = 1;
/// The most dated changes that are signed. One has about 60 bytes, and 80 in a JWT: so many have
/// some 800 KB, and leave room for the bits and for what travels with a list in 1 MiB. More could
/// not be signed, and nothing on the list be revoked any more.
const MAX_DATED: usize = 10_000;

/// The highest version that is followed: half of all are left for what comes then. No owner counts so far, and a thief
/// of its key would leave no room.
const MOST_FOLLOWED: u64 = 1 << 52;
/// Above this one an owner followed a thief, as older programs did.
const MOST_COUNTED: u64 = 3 << 51;
/// From where it goes on then: above all that it ever signed itself, and within what is followed.
const GOES_ON_FROM: u64 = 1 << 51;

/// One of the issuer's status lists: what is taken, what is set.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct OwnList {
    version: u32,
    pub(crate) id: String,
    pub(crate) issuer: Did,
    pub(crate) purpose: Purpose,
    /// The version of the list that was signed last; 0 if none was.
    list_version: u64,
    /// Entries that were given to visas, as `encodedList` is written: the record is written anew with each
    /// visa, and a store takes long to give room back. Empty where none are given away: a
    /// list of somebody else's that this signer revokes in, and one that was signed elsewhere too.
    pub(crate) taken: String,
    /// Every change, in order of time.
    pub(crate) changes: Vec<Change>,
    /// Places that were set in a list that was taken over, and nobody said when.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    undated: BTreeSet<u64>,
    /// The list as it was signed last.
    pub(crate) signed: Option<String>,
    /// The visas by which its signer may revoke, which the next one carries: found anew for each.
    #[serde(skip)]
    pub(crate) authority: Vec<Value>,
}

impl OwnList {
    pub(crate) fn new(id: String, issuer: Did, purpose: Purpose) -> Self {
        Self {
            version: RECORD_VERSION,
            id,
            issuer,
            purpose,
            list_version: 0,
            taken: String::new(),
            changes: Vec::new(),
            undated: BTreeSet::new(),
            signed: None,
            authority: Vec::new(),
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.issuer, self.id)
    }

    /// Has the next one carry the visas by which its signer may revoke. A list of which it gives places
    /// away is its own, and needs none.
    pub(crate) fn carry(&mut self, authority: &[Value]) {
        if self.taken.is_empty() {
            self.authority = authority.to_vec();
        }
    }

    fn taken(&self) -> Result<Bits, KeepError> {
        let unreadable = || KeepError::Record("the entries of a status list".into());
        if self.taken.is_empty() {
            return Ok(Bits::clear(MIN_ENTRIES));
        }
        // As older programs wrote them, padded.
        if self.taken.ends_with('=') {
            let length = usize::try_from(MIN_ENTRIES / 8).unwrap_or(0);
            let mut bytes = STANDARD.decode(&self.taken).map_err(|_| unreadable())?;
            bytes.resize(length, 0);
            return Ok(Bits::from_bytes(bytes));
        }
        let bits = Bits::decode(&self.taken).map_err(|_| unreadable())?;
        if bits.entries() == MIN_ENTRIES { Ok(bits) } else { Err(unreadable()) }
    }

    /// Gives away free entries, by chance: an index says nothing about when a visa was issued. Fewer where the
    /// list is full before.
    pub(crate) fn take_up_to(
        &mut self,
        count: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u64>, KeepError> {
        let mut taken = self.taken()?;
        // Half full is full: chance finds a free entry at once, and changes stay few enough.
        let room = match self.changes.len() >= MAX_DATED / 2 {
            true => 0,
            false => (MIN_ENTRIES / 2).saturating_sub(taken.count()),
        };
        let count = count.min(usize::try_from(room).unwrap_or(usize::MAX));
        let mut given = Vec::new();
        while given.len() < count {
            // 131072 divides 2^64: no entry is likelier than another.
            let index = rng.next_u64() % MIN_ENTRIES;
            if !taken.get(index)? {
                taken.set(index, true)?;
                given.push(index);
            }
        }
        if !given.is_empty() {
            self.taken = taken.encode();
        }
        Ok(given)
    }

    pub(crate) fn bits(&self) -> Result<Bits, StatusError> {
        let mut bits = Bits::clear(MIN_ENTRIES);
        for index in &self.undated {
            bits.set(*index, true)?;
        }
        for change in &self.changes {
            bits.set(change.index, change.set)?;
        }
        Ok(bits)
    }

    /// Takes over what a list says that the same signer signed elsewhere: a wallet that was restored
    /// from a backup must not take back what was revoked since. What is set in either stays set, unless
    /// the newer one goes on from what this one knows; the next version follows the higher of both.
    /// Gives whether there was anything new. The list must have been verified.
    pub(crate) fn take_over(&mut self, other: &StatusList) -> Result<bool, StatusError> {
        let (ours, theirs) = (self.bits()?, other.bits());
        if theirs.entries() != ours.entries() {
            let (found, known) = (theirs.entries(), ours.entries());
            let reason = format!("it has {found} entries, and the wallet's own has {known}");
            return Err(StatusError::Malformed(reason));
        }
        if other.purposes.iter().all(|p| p != self.purpose.name()) {
            return Ok(false);
        }
        let version = other.version.unwrap_or(0);
        if version > MOST_FOLLOWED {
            let reason = format!(
                "its version {version} leaves too little room for others, and no owner counts so far: \
                 whoever signed it has one of its keys, which is to be marked as compromised"
            );
            return Err(StatusError::Malformed(reason));
        }
        let last = self.followed();
        let is_ahead = version > last;
        // What was suspended once may have been reinstated since; a revocation is for good.
        let may_be_over = version < last && self.purpose == Purpose::Suspension;
        let is_new = |i: u64| theirs.get(i) == Ok(true) && ours.get(i) == Ok(false);
        if !is_ahead && (may_be_over || !(0..ours.entries()).any(is_new)) {
            return Ok(false);
        }
        let mut known: BTreeMap<u64, Vec<Change>> = BTreeMap::new();
        for change in &self.changes {
            known.entry(change.index).or_default().push(*change);
        }
        let (mut changes, mut undated) = (Vec::new(), BTreeSet::new());
        for index in 0..ours.entries() {
            let here = known.remove(&index).unwrap_or_default();
            let there = other.changes(index);
            let (set, said) = (ours.get(index)?, theirs.get(index)?);
            let takes_theirs = match (set, said) {
                (false, true) => true,
                (true, true) => there.starts_with(&here) || is_earlier(there, &here),
                (true, false) => is_ahead && !there.is_empty() && there.starts_with(&here),
                (false, false) => there.len() > here.len(),
            };
            if !takes_theirs {
                changes.extend(here);
                if self.undated.contains(&index) {
                    undated.insert(index);
                }
            } else if there.is_empty() && said {
                undated.insert(index);
            } else {
                changes.extend_from_slice(there);
            }
        }
        // Stable: the changes of a place stay in their order.
        changes.sort_by_key(|c| c.at);
        (self.changes, self.undated) = (changes, undated);
        self.list_version = last.max(version);
        // What says less than is known now is not given to anybody.
        let says_all = is_ahead && &self.bits()? == theirs;
        self.signed = says_all.then(|| other.secured().text().to_owned());
        // Which places were given to visas elsewhere is not known, and each is given once.
        self.taken.clear();
        Ok(true)
    }

    /// The version that the next one follows.
    fn followed(&self) -> u64 {
        if self.list_version > MOST_COUNTED { GOES_ON_FROM } else { self.list_version }
    }

    /// Takes over what the wallet keeps of a list that this signer signed.
    pub(crate) fn catch_up(&mut self, wallet: &Wallet) -> Result<(), KeepError> {
        let seen = keeping::seen_list(wallet, &self.issuer, &self.id)?;
        // One that is kept from before it was known whose it is must not keep its owner from signing.
        if let Some(seen) = seen.filter(|seen| seen.version.unwrap_or(0) <= MOST_FOLLOWED) {
            self.take_over(&seen)?;
        }
        Ok(())
    }

    /// The changes that are signed: all of them, or as many as fit. Of a place all or none: some of them
    /// would contradict its bit. First those of places that are clear: that one was suspended once, only
    /// its changes say; of one that is set without any it is known that it is, and not since when.
    fn dated(&self) -> Vec<Change> {
        let mut places: BTreeMap<u64, (usize, bool)> = BTreeMap::new();
        for change in &self.changes {
            let (count, set) = places.entry(change.index).or_default();
            (*count, *set) = (count.saturating_add(1), change.set);
        }
        let (mut room, mut fitting) = (MAX_DATED, BTreeSet::new());
        for of_set in [false, true] {
            // Each place once, where it changed last.
            for change in self.changes.iter().rev() {
                let Some((count, set)) = places.get(&change.index).copied() else { continue };
                if set != of_set {
                    continue;
                }
                places.remove(&change.index);
                if let Some(left) = room.checked_sub(count) {
                    room = left;
                    fitting.insert(change.index);
                }
            }
        }
        let all = |c: &&Change| fitting.contains(&c.index) && !self.undated.contains(&c.index);
        self.changes.iter().filter(all).copied().collect()
    }

    /// As of when the next change and the next version are: time does not go back, however clocks differ.
    /// By one that differs by more nothing is signed: everybody would refuse either this list or that clock.
    pub(crate) fn due(&self, now: UnixMillis) -> Result<UnixMillis, WalletError> {
        let last = self.changes.iter().map(|c| c.at).max();
        check_clock(last, now)?;
        Ok(last.map_or(now, |last| last.max(now)))
    }

    /// Dates as of now what was changed by a clock that was ahead; gives whether anything was.
    pub(crate) fn believe_clock(&mut self, now: UnixMillis) -> bool {
        let right = self.changes.iter().map(|c| c.at).filter(|at| !is_ahead(*at, now)).max();
        let at = right.map_or(now, |right| right.max(now));
        let mut is_changed = false;
        for change in self.changes.iter_mut().filter(|c| is_ahead(c.at, now)) {
            change.at = at;
            is_changed = true;
        }
        is_changed
    }

    /// Signs the next version, as of when it is due.
    pub(crate) fn sign(
        &mut self,
        signer: Signer<'_>,
        form: Form,
        rng: &mut dyn CryptoRng,
    ) -> Result<StatusList, IssueError> {
        let signer = Signer { now: self.due(signer.now)?, ..signer };
        let next = self.followed().saturating_add(1);
        let (bits, dated) = (self.bits()?, self.dated());
        let new = NewStatusList {
            id: &self.id,
            issuer: &self.issuer,
            purpose: self.purpose,
            version: next,
            dated: signer.now,
            expires: None,
            bits: &bits,
            changes: &dated,
        };
        let credential = new.to_credential_with(&self.authority)?;
        let secured = secure_credential(&credential, form, &[], signer, rng)?;
        self.list_version = next;
        self.signed = Some(secured.text().to_owned());
        Ok(StatusList::read(secured)?)
    }

    pub(crate) fn stage(&self, changes: &mut Changes) -> Result<(), KeepError> {
        changes.put(LISTS, &self.name(), to_record(self)?);
        Ok(())
    }
}

/// Whether these changes begin before those.
fn is_earlier(these: &[Change], those: &[Change]) -> bool {
    these.first().zip(those.first()).is_some_and(|(a, b)| a.at < b.at)
}

/// The lists that the wallet's identities sign, with what newer ones say that the wallet keeps.
pub(crate) fn own_lists(wallet: &Wallet) -> Result<Vec<OwnList>, KeepError> {
    let mut all = stored(wallet)?;
    for list in &mut all {
        list.catch_up(wallet)?;
    }
    Ok(all)
}

fn stored(wallet: &Wallet) -> Result<Vec<OwnList>, KeepError> {
    wallet.list(LISTS)?.iter().map(|r| from_record(r.value.expose_secret())).collect()
}

/// Takes over a verified list of one of the wallet's own identities, with what it says of the visas in
/// the register. Gives whether there was anything new.
pub(crate) fn take_over(
    wallet: &Wallet,
    list: &StatusList,
    changes: &mut Changes,
) -> Result<bool, KeepError> {
    let mut purposes = Purpose::ALL.into_iter().filter(|p| list.purposes == [p.name()]);
    let Some(purpose) = purposes.next() else { return Ok(false) };
    let held = stored(wallet)?.into_iter().find(|l| l.id == list.id && l.issuer == list.issuer);
    let mut own =
        held.unwrap_or_else(|| OwnList::new(list.id.clone(), list.issuer.clone(), purpose));
    own.catch_up(wallet)?;
    let is_new = own.take_over(list)?;
    if is_new {
        register::follow(wallet, &own, list.dated, changes)?;
        own.stage(changes)?;
    }
    Ok(is_new)
}

/// A random UUID (RFC 9562, version 4) as a URN.
pub(crate) fn uuid(rng: &mut dyn CryptoRng) -> String {
    let mut bytes = [0_u8; 16];
    rng.fill_bytes(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xF << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parcel::{Parcel, ParcelKind};
    use gridpass_identity::codes;
    use gridpass_identity::json::Limits;
    use gridpass_identity::key::{KeyType, SecretKey};
    use gridpass_identity::method;

    const NOW: UnixMillis = UnixMillis::from_millis(1_772_366_400_123);

    impl OwnList {
        fn take(&mut self, rng: &mut dyn CryptoRng) -> Result<Option<u64>, KeepError> {
            Ok(self.take_up_to(1, rng)?.pop())
        }
    }

    fn list(purpose: Purpose) -> (OwnList, SecretKey) {
        let key = SecretKey::from_bytes(KeyType::Ed25519, &[5; 32]).expect("a key");
        let did = method::key::from_public_key(&key.public_key()).expect("a DID");
        // As long as a URL may be.
        let id = format!("https://regulator.example/{:a<4000}", "");
        (OwnList::new(id, did, purpose), key)
    }

    fn signed(list: &mut OwnList, key: &SecretKey, form: Form) -> StatusList {
        let key_id = list.issuer.with_fragment(list.issuer.method_specific_id()).expect("an id");
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        list.sign(Signer { key, key_id: &key_id, now: NOW }, form, &mut rng).expect("signs")
    }

    fn change(index: u64, set: bool, number: u64) -> Change {
        Change { index, set, at: UnixMillis::new(NOW.get() - 1_000_000 + number) }
    }

    #[test]
    fn a_list_on_which_much_changed_is_signed_and_dates_what_changed_last() {
        let (mut list, key) = list(Purpose::Revocation);
        // Each place once, and scattered, as chance scatters them.
        let place = |n: u64| n * 10_007 % MIN_ENTRIES;
        list.changes = (0..13_000).map(|n| change(place(n), true, n)).collect();
        for form in [Form::Jwt, Form::EddsaJcs2022] {
            let read = signed(&mut list, &key, form);
            for (n, said) in [(0, None), (2_999, None), (3_000, Some(true)), (12_999, Some(true))] {
                assert_eq!(read.bits().get(place(n)), Ok(true), "{n}");
                assert_eq!(read.was_set(place(n), NOW), Ok(said), "{n}");
            }
            let mut parcel = Parcel::new(ParcelKind::StatusLists, None);
            parcel.status_lists.push(read.secured().text().to_owned());
            assert!(parcel.encode().expect("a parcel").len() < Limits::DOCUMENT.bytes);
        }
        assert_eq!(list.changes.len(), 13_000, "the wallet forgets none");
    }

    #[test]
    fn a_list_changed_by_a_clock_that_was_ahead_is_signed_again_by_the_right_one() {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (mut list, key) = list(Purpose::Suspension);
        let soon = NOW.plus_millis(30_000);
        list.changes = vec![change(3, true, 0), Change { index: 7, set: true, at: soon }];
        // A clock that was set back a little stops nothing.
        let read = signed(&mut list, &key, Form::Jwt);
        assert_eq!((read.dated, read.was_set(7, soon)), (soon, Ok(Some(true))));
        let far = NOW.plus_millis(200 * 24 * 3600 * 1000);
        list.changes.push(Change { index: 9, set: true, at: far });
        list.changes.push(Change { index: 9, set: false, at: far.plus_millis(1) });
        let key_id = list.issuer.with_fragment(list.issuer.method_specific_id()).expect("an id");
        let signer = Signer { key: &key, key_id: &key_id, now: NOW };
        let refused = list.sign(signer, Form::Jwt, &mut rng).expect_err("the clock is behind");
        assert_eq!(refused.code(), codes::CLOCK_BEHIND);
        assert!(list.believe_clock(NOW));
        assert!(!list.believe_clock(NOW), "once is enough");
        let read = signed(&mut list, &key, Form::Jwt);
        assert!(!is_ahead(read.dated, NOW), "{}", read.dated);
        assert_eq!((read.bits().get(9), read.changes(9).len()), (Ok(false), 2));
        assert_eq!(read.changes(3), [change(3, true, 0)], "what was right stays");
    }

    #[test]
    fn of_a_place_all_changes_are_signed_or_none() {
        let (mut list, key) = list(Purpose::Suspension);
        list.changes = (1..10_000).map(|n| change(n, true, n)).collect();
        list.changes.extend([change(0, true, 20_000), change(0, false, 20_001)]);
        let read = signed(&mut list, &key, Form::Jwt);
        assert_eq!(read.changes(0).len(), 2);
        assert_eq!(read.was_set(1, NOW), Ok(None));
        assert_eq!(read.was_set(2, NOW), Ok(Some(true)));
        // That a place which is clear was once set is said first, however long ago.
        list.changes = vec![change(0, true, 0), change(0, false, 1)];
        list.changes.extend((1..10_000).map(|n| change(n, true, n + 1)));
        let read = signed(&mut list, &key, Form::Jwt);
        assert_eq!((read.changes(0).len(), read.was_set(1, NOW)), (2, Ok(None)));
        // Too many of one place leave room for those of the others.
        list.changes = vec![change(1, true, 0)];
        list.changes.extend((0..10_001_u64).map(|n| change(0, n.is_multiple_of(2), n)));
        let read = signed(&mut list, &key, Form::Jwt);
        assert_eq!(read.was_set(0, NOW), Ok(None));
        assert_eq!(read.was_set(1, NOW), Ok(Some(true)));
    }

    #[test]
    fn what_was_given_away_takes_little_room_and_is_read_as_older_programs_wrote_it() {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (mut list, _) = list(Purpose::Revocation);
        let mut bytes = vec![0_u8; 16_384];
        (bytes[0], bytes[16_383]) = (0x80, 0x01);
        list.taken = STANDARD.encode(&bytes);
        let older = list.taken().expect("reads");
        assert_eq!((older.count(), older.get(0), older.get(131_071)), (2, Ok(true), Ok(true)));
        let given: BTreeSet<u64> =
            (0..200).map(|_| list.take(&mut rng).expect("reads").expect("a place")).collect();
        let now = list.taken().expect("reads");
        assert_eq!((given.len(), now.count()), (200, 202));
        assert!(given.iter().all(|place| now.get(*place) == Ok(true)));
        assert_eq!((now.get(0), now.get(131_071)), (Ok(true), Ok(true)));
        assert!(list.taken.len() < 4000, "{}", list.taken.len());
    }

    #[test]
    fn places_that_are_taken_together_are_different_ones_and_no_more_than_there_are() {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (mut list, _) = list(Purpose::Revocation);
        let first = list.take_up_to(65_000, &mut rng).expect("reads");
        let rest = list.take_up_to(1000, &mut rng).expect("reads");
        assert_eq!((first.len(), rest.len()), (65_000, 536), "half full is full");
        let given: BTreeSet<u64> = first.into_iter().chain(rest).collect();
        assert_eq!(given.len(), 65_536, "none twice");
        assert_eq!(list.take(&mut rng).expect("reads"), None);
    }

    #[test]
    fn a_list_gives_away_no_place_when_half_of_what_is_signed_has_changed() {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (mut list, _) = list(Purpose::Revocation);
        assert!(list.take(&mut rng).expect("reads").is_some());
        list.changes = (0..5000).map(|n| change(n, true, n)).collect();
        assert_eq!(list.take(&mut rng).expect("reads"), None);
    }

    #[test]
    fn what_a_newer_list_says_is_taken_over_before_the_next_is_signed() {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        let (mut restored, key) = list(Purpose::Revocation);
        assert!(restored.take(&mut rng).expect("reads").is_some());
        signed(&mut restored, &key, Form::Jwt);
        // Another copy of the wallet goes on from there.
        let mut other = restored.clone();
        other.changes.push(change(7, true, 0));
        signed(&mut other, &key, Form::Jwt);
        let newer = signed(&mut other, &key, Form::Jwt);
        restored.changes.push(change(9, true, 1));
        assert_eq!(restored.take_over(&newer), Ok(true));
        assert!(restored.taken.is_empty(), "which places the other copy gave away is not known");
        assert_eq!(restored.signed, None, "the newer list does not say what this one knows");
        assert_eq!(restored.take_over(&newer), Ok(false));
        let next = signed(&mut restored, &key, Form::Jwt);
        assert_eq!(next.version, Some(4));
        for index in [7, 9] {
            assert_eq!(next.was_set(index, NOW), Ok(Some(true)), "{index}");
        }
        // What was revoked is so for good, in however old a list it stands.
        let (mut behind, _) = list(Purpose::Revocation);
        behind.changes.push(change(11, true, 0));
        let older = signed(&mut behind, &key, Form::Jwt);
        assert_eq!(restored.take_over(&older), Ok(true));
        let next = signed(&mut restored, &key, Form::Jwt);
        assert_eq!((next.version, next.bits().get(11)), (Some(5), Ok(true)));
        assert_eq!(next.bits().get(7), Ok(true));
    }

    #[test]
    fn a_version_that_leaves_too_little_room_is_not_taken_over() {
        let (mut restored, key) = list(Purpose::Revocation);
        let mut other = restored.clone();
        other.list_version = MOST_FOLLOWED;
        other.changes.push(change(7, true, 0));
        let last = signed(&mut other, &key, Form::Jwt);
        assert!(matches!(restored.take_over(&last), Err(StatusError::Malformed(_))));
        assert_eq!(signed(&mut restored, &key, Form::Jwt).version, Some(1));
        // The last that is taken over has room behind it.
        other.list_version = MOST_FOLLOWED - 1;
        let last = signed(&mut other, &key, Form::Jwt);
        assert_eq!(restored.take_over(&last), Ok(true));
        let next = signed(&mut restored, &key, Form::Jwt);
        assert_eq!((next.version, next.bits().get(7)), (Some(MOST_FOLLOWED + 1), Ok(true)));
    }

    #[test]
    fn who_followed_a_thiefs_last_version_goes_on_below_it() {
        let (mut stuck, key) = list(Purpose::Revocation);
        stuck.list_version = crate::status::MAX_VERSION;
        assert_eq!(signed(&mut stuck, &key, Form::Jwt).version, Some(GOES_ON_FROM + 1));
        let second = signed(&mut stuck, &key, Form::Jwt);
        assert_eq!(second.version, Some(GOES_ON_FROM + 2));
        // A wallet that is restored goes on from there.
        let (mut restored, _) = list(Purpose::Revocation);
        assert_eq!(restored.take_over(&second), Ok(true));
        assert_eq!(signed(&mut restored, &key, Form::Jwt).version, Some(GOES_ON_FROM + 3));
    }

    #[test]
    fn two_lists_of_one_version_become_one_of_the_next() {
        let (mut restored, key) = list(Purpose::Suspension);
        let mut other = restored.clone();
        other.changes.push(change(7, true, 0));
        restored.changes.push(change(9, true, 0));
        signed(&mut restored, &key, Form::Jwt);
        let theirs = signed(&mut other, &key, Form::Jwt);
        assert_eq!(restored.take_over(&theirs), Ok(true));
        let next = signed(&mut restored, &key, Form::Jwt);
        assert_eq!(next.version, Some(2));
        assert_eq!((next.bits().get(7), next.bits().get(9)), (Ok(true), Ok(true)));
    }

    #[test]
    fn what_a_newer_list_reinstated_is_reinstated_and_an_older_one_suspends_nobody() {
        let (mut restored, key) = list(Purpose::Suspension);
        restored.changes.push(change(7, true, 0));
        let suspended = signed(&mut restored, &key, Form::Jwt);
        let mut other = restored.clone();
        other.changes.push(change(7, false, 1));
        let reinstated = signed(&mut other, &key, Form::Jwt);
        assert_eq!(restored.take_over(&reinstated), Ok(true));
        assert_eq!(restored.bits().expect("reads").get(7), Ok(false));
        assert_eq!(restored.signed.as_deref(), Some(reinstated.secured().text()));
        assert_eq!(restored.take_over(&suspended), Ok(false));
        assert_eq!(signed(&mut restored, &key, Form::Jwt).version, Some(3));
    }

    #[test]
    fn a_place_of_which_nobody_says_since_when_stays_set() {
        let (mut other, key) = list(Purpose::Revocation);
        other.changes = (0..13_000).map(|n| change(n, true, n)).collect();
        let newer = signed(&mut other, &key, Form::Jwt);
        let (mut lost, _) = list(Purpose::Revocation);
        assert_eq!(lost.take_over(&newer), Ok(true));
        let kept = to_record(&lost).expect("a record");
        let mut lost: OwnList = from_record(&kept).expect("reads");
        let next = signed(&mut lost, &key, Form::Jwt);
        for (index, said) in [(0, None), (2_999, None), (3_000, Some(true)), (12_999, Some(true))] {
            assert_eq!(next.bits().get(index), Ok(true), "{index}");
            assert_eq!(next.was_set(index, NOW), Ok(said), "{index}");
        }
    }

    #[test]
    fn uuids_are_of_version_4_and_variant_1() {
        let mut rng = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
        for _ in 0..64 {
            let urn = uuid(&mut rng);
            assert_eq!(urn.len(), 45);
            assert_eq!(urn.as_bytes()[23], b'4', "{urn}");
            assert!(b"89ab".contains(&urn.as_bytes()[28]), "{urn}");
        }
    }
}
