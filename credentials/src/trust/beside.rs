//! A trust pack beside what was known before it came.

use super::{Trust, TrustError, check_history};
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{
    OfflineResolver, ResolveError, Resolver as _, Snapshot, SnapshotStore,
};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::{Fixed, newest_log};
use std::collections::{BTreeMap, BTreeSet};

impl Trust {
    /// Holds the pack beside what is known: `held`, the one whose place it takes, and `known`. Gives the
    /// newest log of each did:webvh that either pack names and that was known before.
    ///
    /// Nobody signs which logs a pack brings. Whoever leaves the end of one away leaves the mark of a stolen
    /// key away, too: charters that `held` does not have must hold by the newest logs as well.
    ///
    /// # Errors
    /// [`TrustError::OtherLog`] where the pack's log contradicts the one that is known, or goes on from it and
    /// does not hold; [`TrustError::Refused`].
    pub fn beside(
        &self,
        held: Option<&Self>,
        known: &dyn SnapshotStore,
        now: UnixMillis,
    ) -> Result<BTreeMap<Did, Snapshot>, TrustError> {
        self.beside_but(held, known, &BTreeSet::new(), now)
    }

    /// The same, but for DIDs whose known log makes room for the pack's, as [`Trust::replaces`] found: of these
    /// the pack's own counts.
    ///
    /// # Errors
    /// As [`Trust::beside`].
    pub fn beside_but(
        &self,
        held: Option<&Self>,
        known: &dyn SnapshotStore,
        replaced: &BTreeSet<Did>,
        now: UnixMillis,
    ) -> Result<BTreeMap<Did, Snapshot>, TrustError> {
        let mut stores: Vec<&dyn SnapshotStore> = vec![known];
        stores.extend(held.map(|held| held as &dyn SnapshotStore));
        let named = self.identities.iter().chain(held.into_iter().flat_map(|h| &h.identities));
        let named: BTreeSet<&Did> = named
            .map(|m| &m.did)
            .filter(|did| did.method() == "webvh" && !replaced.contains(*did))
            .collect();
        let (mut logs, mut knows_more) = (BTreeMap::new(), false);
        for did in named {
            let other = |source| TrustError::OtherLog { did: did.clone(), source };
            let Some(before) = newest_log(did, &stores).map_err(other)? else { continue };
            let document = before.document.clone();
            let before = Fixed(vec![before]);
            let Some(log) = newest_log(did, &[&before, self]).map_err(other)? else { continue };
            if log.document != document {
                let alone = Fixed(vec![log.clone()]);
                OfflineResolver::new(&alone).resolve(did).map_err(other)?;
            }
            knows_more |= !self.has_log(did, &log);
            logs.insert(did.clone(), log);
        }
        let same = held.into_iter().flat_map(|held| held.charters.iter().zip(&self.charters));
        let same = same.take_while(|(theirs, ours)| theirs.id() == ours.id()).count();
        if knows_more && same < self.charters.len() {
            let known = Beside { pack: self, logs: &logs };
            let report = check_history(&self.charters, same, &self.definitions, &known, now);
            if report.outcome() != Outcome::Passed {
                return Err(TrustError::Refused(Box::new(report)));
            }
        }
        Ok(logs)
    }

    /// Of which did:web this pack does not say what a held one says, to the letter: nothing proves one
    /// document before another, and what is left away may be the one that marks a stolen key.
    #[must_use]
    pub fn other_web<'t>(&'t self, held: &'t Self) -> Option<&'t Did> {
        let web = |t: &'t Self| t.identities.iter().filter(|m| m.did.method() == "web");
        let is_known = |did: &Did| held.identities.iter().any(|h| &h.did == did);
        let changed = web(self).find(|m| is_known(&m.did) && !held.identities.contains(m));
        let dropped = || web(held).find(|m| !self.identities.contains(m));
        changed.or_else(dropped).map(|m| &m.did)
    }

    /// Whether the pack brings this log, and not only how it begins, with the same approval of its witnesses.
    #[must_use]
    pub fn has_log(&self, did: &Did, log: &Snapshot) -> bool {
        let own = self.snapshots.get(did);
        let same = |s: &Snapshot| s.document == log.document && s.witness == log.witness;
        own.is_some_and(|own| own.iter().any(same))
    }
}

/// A pack with the newest logs in the place of its own.
struct Beside<'t> {
    pack: &'t Trust,
    logs: &'t BTreeMap<Did, Snapshot>,
}

impl SnapshotStore for Beside<'_> {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        match self.logs.get(did) {
            Some(log) => Ok(vec![log.clone()]),
            None => self.pack.snapshots(did),
        }
    }
}
