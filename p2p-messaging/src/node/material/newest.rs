//! Which state of a status list counts: the newest, whatever comes later and whatever the disk says.

use super::{MAX_LISTS, Material, MaterialError, Taken};
use crate::codes;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{SeenList, check_list};
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

impl Material {
    /// Takes a status list, if its signer signed it and it is newer than the one at hand; where none
    /// is, at least as new as the newest that was seen. What was seen by a key that is marked as compromised
    /// counts for nothing against a list of a time from that mark on.
    ///
    /// # Errors
    /// [`MaterialError`] for one that does not hold.
    pub fn take_list(
        &mut self,
        list: StatusList,
        now: UnixMillis,
        keep: bool,
    ) -> Result<Option<Taken>, MaterialError> {
        // What stands in the folder was checked when it came: a clock that is wrong today must not
        // make the node forget which state it has seen.
        let checks = match keep {
            true => check_list(&list, &self.identities, now, &mut self.memo),
            false => Vec::new(),
        };
        if let Some(bad) = checks.iter().find(|c| c.outcome != Outcome::Passed) {
            return Err(MaterialError::new(bad.code, bad.sentence.clone()));
        }
        let key = (list.id.clone(), list.issuer.clone());
        let (state, seen) = (SeenList::of(&list), self.seen.get(&key));
        let order = state.order;
        let known = self.lists.iter().position(|l| (&l.id, &l.issuer) == (&key.0, &key.1));
        let is_known =
            seen.is_some_and(|seen| seen.order > order || (seen.order == order && known.is_some()));
        if is_known || self.list_files.is_older(&key, order) {
            // Of a file that does not say by which key the newest was signed it counts for good.
            let gives_way = seen.is_some_and(|seen| {
                !self.list_files.is_older(&key, seen.order)
                    && seen.gives_way_to(&list, &self.identities)
            });
            if !gives_way {
                return Ok(None);
            }
        }
        if known.is_none() && self.lists.len() >= MAX_LISTS {
            let sentence = format!("{MAX_LISTS} status lists are kept already");
            return Err(MaterialError::new(codes::NODE_FULL, sentence));
        }
        let state = state.in_place_of(seen);
        let text = list.secured().text().to_owned();
        self.seen.insert(key.clone(), state.clone());
        self.since.insert(key.clone(), now);
        match known.and_then(|i| self.lists.get_mut(i)) {
            Some(place) => *place = list,
            None => self.lists.push(list),
        }
        // It counts, whether or not there is room to keep it. That none before it counts any more is
        // kept with its name.
        if keep {
            self.keep_identity(&key.1);
            let kept = self.list_files.keep(&self.folder, &key, &state, text.as_bytes());
            if let Err(e) = kept {
                tracing::error!(code = %e.code(), "a status list counts and is not kept: {e}");
            }
        }
        Ok(Some(Taken::List(key.0, key.1)))
    }

    /// Forgets the lists of those whose logs give way to others which do not list the keys of these lists:
    /// whoever wrote such a log would keep its owner's own from counting for good.
    pub(super) fn forget_lists(
        &mut self,
        dids: &BTreeSet<Did>,
        new: &Trust,
    ) -> Result<(), MaterialError> {
        let log = OfflineResolver::new(new);
        let of_them = self.seen.iter().filter(|((_, signer), _)| dids.contains(signer));
        let disowned = of_them.filter(|((id, _), seen)| seen.is_disowned(id, &self.lists, &log));
        let keys: Vec<(String, Did)> = disowned.map(|(key, _)| key.clone()).collect();
        for key in keys {
            tracing::warn!(list = key.0, signer = %key.1, "a list of a log that gave way is gone");
            self.list_files.forget(&self.folder, &key)?;
            self.lists.retain(|list| (&list.id, &list.issuer) != (&key.0, &key.1));
            self.seen.remove(&key);
            self.since.remove(&key);
        }
        Ok(())
    }
}
