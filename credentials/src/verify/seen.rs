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
use std::collections::BTreeMap;

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
}

impl From<(u64, UnixMillis)> for SeenList {
    fn from(order: (u64, UnixMillis)) -> Self {
        Self { order, signed: None }
    }
}

impl SeenList {
    /// The state of a list.
    #[must_use]
    pub fn of(list: &StatusList) -> Self {
        let (key, at) = (list.secured().key_id().cloned(), list.secured().signed_at());
        Self { order: list.order(), signed: key.zip(at) }
    }

    /// Whether a list is older than this state, and this state still counts against it.
    #[must_use]
    pub fn outdates(&self, list: &StatusList, resolver: &dyn Resolver) -> bool {
        list.order() < self.order && !self.gives_way_to(list, resolver)
    }

    /// Whether this state counts for nothing against a list: its key is marked as compromised, so that it is
    /// perhaps a thief's, and the list is of a time from that mark on. What is from before the mark is
    /// held against this state as ever: a mark brings no list back that its owner had replaced. The list
    /// must have been verified, by a key that holds.
    #[must_use]
    pub fn gives_way_to(&self, list: &StatusList, resolver: &dyn Resolver) -> bool {
        let Some((key, at)) = self.signed.as_ref().filter(|(key, _)| key.did() == &list.issuer)
        else {
            return false;
        };
        let Ok(known) = resolver.resolve(key.did()) else { return false };
        let purpose = Relationship::AssertionMethod;
        let (check, _) = known.key_at(key, purpose, *at, TimeBasis::Claimed);
        let is_marked = matches!(check.code, codes::KEY_COMPROMISED | codes::KEY_COMPROMISED_SINCE);
        is_marked && known.compromised(key, purpose).is_some_and(|since| list.dated >= since)
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
