//! What a verifier saw, and what is newer than that.

use crate::keeping::KeepError;
use crate::status::StatusList;
use crate::trust::{Snapshots, Trust};
use crate::verify::{SeenList, SeenLists};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{OfflineResolver, ResolveError, Snapshot, SnapshotStore};
use std::collections::BTreeMap;

/// The newest that was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) lists: Vec<StatusList>,
    /// The newest before each by other keys, the oldest first: for the verifier of the next process.
    pub(super) before: Vec<StatusList>,
    pub(super) seen: SeenLists,
    pub(super) logs: BTreeMap<Did, Snapshot>,
}

impl Known {
    /// Takes a list that was verified, in the place of an older state of it, or of one by a key that is
    /// marked as compromised since.
    pub(super) fn take_list(&mut self, list: StatusList, trust: &Trust) -> Result<(), KeepError> {
        let gives_way = self.gives_way_to(&list, trust);
        let is_it = |known: &&mut StatusList| known.id == list.id && known.issuer == list.issuer;
        let known = self.lists.iter_mut().find(is_it);
        if let Some(known) = &known
            && !gives_way
        {
            if list.version.is_some()
                && list.version == known.version
                && list.bits() != known.bits()
            {
                return Err(KeepError::ForkedList(list.id));
            }
            if known.order() > list.order() {
                return Err(KeepError::OlderList(list.id));
            }
        }
        let key = (list.id.clone(), list.issuer.clone());
        let state = SeenList::of(&list).in_place_of(self.seen.get(&key));
        let is_before = |old: &StatusList| state.before.iter().any(|b| b.order == old.order());
        let is_same = |old: &StatusList| old.id == list.id && old.issuer == list.issuer;
        self.before.retain(|old| !is_same(old) || is_before(old));
        let replaced = known.as_deref().filter(|old| is_before(old)).cloned();
        self.before.extend(replaced);
        match known {
            Some(known) => *known = list,
            None => self.lists.push(list),
        }
        self.seen.insert(key, state);
        Ok(())
    }
}

impl Known {
    /// Whether a newer state is known, or one of the same version, that counts for nothing against a list.
    fn gives_way_to(&self, list: &StatusList, trust: &Trust) -> bool {
        let seen = self.seen.get(&(list.id.clone(), list.issuer.clone()));
        let known = Snapshots::default().with(trust).with(self);
        seen.is_some_and(|seen| {
            // Of the same version it is no fork either, whichever is dated later.
            list.order().0 <= seen.order.0 && seen.gives_way_to(list, &OfflineResolver::new(&known))
        })
    }
}

impl SnapshotStore for Known {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(self.logs.get(did).cloned().into_iter().collect())
    }
}
