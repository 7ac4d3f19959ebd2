//! What was seen of status lists before, and whether it still counts: a state that somebody signed with a
//! stolen key must not keep its owner's own lists from counting for good.

use super::check_list;
use crate::signature::SignatureMemo;
use crate::status::StatusList;
use gridpass_identity::codes;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Resolver, TimeBasis};
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Of how many keys the newest state of one list is remembered.
const MAX_KEYS: usize = 16;

/// The newest state of each status list that was ever seen, by list and signer. Whoever begins with an empty one
/// each time takes a list from before a revocation: [`crate::verifier::Verifier`] keeps one, as does a wallet
/// ([`crate::keeping::see_list`]).
pub type SeenLists = BTreeMap<(String, Did), SeenList>;

/// A state of a status list that was seen, and what is needed to judge it again without the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenList {
    /// Its version and date: [`StatusList::order`].
    pub order: (u64, UnixMillis),
    /// By which key it was signed, and when. Where that was not kept, the state counts for good.
    pub signed: Option<(DidUrl, UnixMillis)>,
    /// The newest state before it by each other key, the newest first, with nothing before them: where this one
    /// counts for nothing, they count still.
    pub before: Vec<Self>,
}

/// A state that was seen, as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenState {
    /// The list's version; 0 where it has none.
    pub version: u64,
    /// Its date.
    pub dated: UnixMillis,
    /// By which key it was signed.
    pub key: String,
    /// When it was signed.
    pub signed: UnixMillis,
}

impl SeenState {
    /// The newest state of a list, if it is known by which key it was signed.
    #[must_use]
    pub fn of(seen: &SeenList) -> Option<Self> {
        let (key, signed) = seen.signed.as_ref()?;
        let (version, dated) = seen.order;
        Some(Self { version, dated, key: key.to_string(), signed: *signed })
    }

    /// What was seen, if it names a key.
    #[must_use]
    pub fn read(&self) -> Option<SeenList> {
        let signed = Some((DidUrl::parse(&self.key).ok()?, self.signed));
        Some(SeenList { order: (self.version, self.dated), signed, before: Vec::new() })
    }
}

impl From<(u64, UnixMillis)> for SeenList {
    fn from(order: (u64, UnixMillis)) -> Self {
        Self { order, signed: None, before: Vec::new() }
    }
}

/// Whether a list that its signer's key signed, and that is not to be believed, may have taken the place of the
/// newest one that is: it is newer, and that one is not of a time from which on its key is marked as compromised. Its owner
/// signs one of after the mark, and whatever a thief put over it counts for nothing; of before, the thief's may be its own.
pub(super) fn hides(list: &StatusList, newest: &StatusList, resolver: &dyn Resolver) -> bool {
    let marked = || {
        let key = list.secured().key_id()?;
        resolver.resolve(key.did()).ok()?.compromised(key, Relationship::AssertionMethod)
    };
    list.order() > newest.order() && marked().is_none_or(|since| newest.dated < since)
}

impl SeenList {
    /// The state of a list.
    #[must_use]
    pub fn of(list: &StatusList) -> Self {
        let (key, at) = (list.secured().key_id().cloned(), list.secured().signed_at());
        Self { order: list.order(), signed: key.zip(at), before: Vec::new() }
    }

    /// This state in the place of what was known. Of that is kept what is older, and by other keys: one of a
    /// thief's key would else have its owner's own newest one forgotten, and an older one count again
    /// once that key is marked.
    #[must_use]
    pub fn in_place_of(mut self, known: Option<&Self>) -> Self {
        let key = |seen: &Self| seen.signed.as_ref().map(|(key, _)| key.clone());
        let mut keys = vec![key(&self)];
        for state in known.into_iter().flat_map(|k| std::iter::once(k).chain(&k.before)) {
            let is_older = state.order < self.order && !keys.contains(&key(state));
            if is_older && keys.len() < MAX_KEYS {
                keys.push(key(state));
                let (order, signed) = (state.order, state.signed.clone());
                self.before.push(Self { order, signed, before: Vec::new() });
            }
        }
        self
    }

    /// Whether a list is older than this state, and this state still counts against it.
    #[must_use]
    pub fn outdates(&self, list: &StatusList, resolver: &dyn Resolver) -> bool {
        (list.order() < self.order && !self.is_void(list, resolver))
            || self.before.iter().any(|before| before.outdates(list, resolver))
    }

    /// Whether this state counts for nothing against a list, and none before it outdates that.
    #[must_use]
    pub fn gives_way_to(&self, list: &StatusList, resolver: &dyn Resolver) -> bool {
        self.is_void(list, resolver)
            && !self.before.iter().any(|before| before.outdates(list, resolver))
    }

    /// Whether this state counts for nothing against a list: its key is marked as compromised, so that it is
    /// perhaps a thief's, and the list is of a time from that mark on. What is from before the mark is
    /// held against this state as ever: a mark brings no list back that its owner had replaced. The list
    /// must have been verified, by a key that holds.
    fn is_void(&self, list: &StatusList, resolver: &dyn Resolver) -> bool {
        self.signed.as_ref().is_some_and(|(key, _)| key.did() == &list.issuer)
            && self.marked_since(resolver).is_some_and(|since| list.dated >= since)
    }

    /// Since when its key is marked as compromised, if it is.
    pub(crate) fn marked_since(&self, resolver: &dyn Resolver) -> Option<UnixMillis> {
        let (key, at) = self.signed.as_ref()?;
        let known = resolver.resolve(key.did()).ok()?;
        let purpose = Relationship::AssertionMethod;
        let (check, _) = known.key_at(key, purpose, *at, TimeBasis::Claimed);
        let is_marked = matches!(check.code, codes::KEY_COMPROMISED | codes::KEY_COMPROMISED_SINCE);
        known.compromised(key, purpose).filter(|_| is_marked)
    }

    /// Whether its key was none of its signer's then, by a log that took the place of the one by which the
    /// list was verified: of two ends of a log, one name may be of two keys, so the list itself is asked where
    /// it is among these. For that alone: a log that only is older does not list a newer key either.
    #[must_use]
    pub fn is_disowned(&self, id: &str, kept: &[StatusList], log: &dyn Resolver) -> bool {
        let Some((key, at)) = &self.signed else { return false };
        let is_it = |list: &&StatusList| {
            (list.id.as_str(), &list.issuer, list.order()) == (id, key.did(), self.order)
        };
        if let Some(list) = kept.iter().find(is_it) {
            let then = list.dated.max(*at);
            let checks = check_list(list, log, then, &mut SignatureMemo::default());
            return checks.iter().any(|check| check.outcome == Outcome::Failed);
        }
        log.resolve(key.did()).is_ok_and(|known| {
            let purpose = Relationship::AssertionMethod;
            known.key_at(key, purpose, *at, TimeBasis::Claimed).0.outcome == Outcome::Failed
        })
    }
}
