//! What a verifier saw, and what is newer than that.

use crate::keeping::KeepError;
use crate::status::StatusList;
use crate::verify::SeenLists;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{ResolveError, Snapshot, SnapshotStore};
use std::collections::BTreeMap;

/// The newest that was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) lists: Vec<StatusList>,
    pub(super) seen: SeenLists,
    pub(super) logs: BTreeMap<Did, Snapshot>,
}

impl Known {
    /// Takes a list that was verified, in the place of an older state of it.
    pub(super) fn take_list(&mut self, list: StatusList) -> Result<(), KeepError> {
        let is_it = |known: &&mut StatusList| known.id == list.id && known.issuer == list.issuer;
        let known = self.lists.iter_mut().find(is_it);
        if let Some(known) = &known {
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
        self.seen.insert((list.id.clone(), list.issuer.clone()), list.order());
        match known {
            Some(known) => *known = list,
            None => self.lists.push(list),
        }
        Ok(())
    }
}

impl SnapshotStore for Known {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(self.logs.get(did).cloned().into_iter().collect())
    }
}
