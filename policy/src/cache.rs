//! The admission cache: senders whose facts were taken in, each until the earliest end of what the
//! facts rest on. A new status list or charter ends exactly the entries that it touches.

use crate::facts::Admission;
use crate::policy::Admitted;
use gridpass_credentials::charter::Charter;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use hashlink::LruCache;
use std::collections::BTreeSet;

/// Whose facts, where, from which presentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdmissionKey {
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The sender.
    pub sender: Did,
    /// Its presentation.
    pub presentation: Option<ContentId>,
    /// The node that signs for it.
    pub node: Option<Did>,
    /// The node's authorisation.
    pub authorisation: Option<ContentId>,
}

impl AdmissionKey {
    /// Of facts.
    #[must_use]
    pub fn of(admitted: &Admitted) -> Self {
        let facts = admitted.admission();
        Self {
            channel: facts.channel.clone(),
            sender: facts.sender.clone(),
            presentation: facts.presentation.clone(),
            node: facts.node.as_ref().map(|n| n.node.clone()),
            authorisation: facts.node.as_ref().and_then(|n| n.evidence.clone()),
        }
    }
}

/// How long an admission is kept of which something is open: what is missing may come any moment.
const OPEN_MILLIS: u64 = 10_000;

/// Admitted senders.
pub struct AdmissionCache {
    entries: LruCache<AdmissionKey, Admitted>,
}

impl std::fmt::Debug for AdmissionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AdmissionCache({})", self.entries.len())
    }
}

impl AdmissionCache {
    /// A cache of at most so many entries.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { entries: LruCache::new(most.max(1)) }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// An entry that counts now. One that does not count any more is dropped.
    pub fn get(&mut self, key: &AdmissionKey, now: UnixMillis) -> Option<&mut Admitted> {
        let facts = self.entries.peek(key)?.admission();
        if now >= until(facts) {
            self.entries.remove(key);
            return None;
        }
        // A clock that was set back: judged later than now says nothing about now.
        if now < facts.judged {
            return None;
        }
        self.entries.get_mut(key)
    }

    /// Takes in an entry. Where there is no room, the one that was not asked for longest makes it.
    /// A presentation or node that failed is not kept here, whose room is for those that hold: anybody
    /// can make as many of those as they like.
    pub fn insert(&mut self, admitted: Admitted) {
        if !admitted.admission().has_failed() {
            self.entries.insert(AdmissionKey::of(&admitted), admitted);
        }
    }

    /// A status list came, was verified, and is newer than what was known: whose visas it may be
    /// about must be judged anew. Gives them.
    pub fn status_list_came(&mut self, list: &str, signer: &Did) -> Vec<AdmissionKey> {
        self.end(|a| {
            let rests_on = &a.admission().rests_on;
            rests_on.status_lists.contains(list)
                && (rests_on.revokers_by_role || rests_on.dids.contains(signer))
        })
    }

    /// What is known of a DID changed, such as a key that is not to be believed any more: whoever
    /// rests on it must be judged anew. Gives them.
    pub fn did_changed(&mut self, did: &Did) -> Vec<AdmissionKey> {
        self.end(|a| a.admission().rests_on.dids.contains(did))
    }

    /// A role definition came that was not at hand. Gives those that rest on it.
    pub fn definition_came(&mut self, definition: &ContentId) -> Vec<AdmissionKey> {
        self.end(|a| a.admission().rests_on.definitions.contains(definition))
    }

    /// The charter changed: whose definitions or issuers it lists otherwise must be judged anew.
    /// Gives them.
    pub fn charter_changed(&mut self, before: &Charter, after: &Charter) -> Vec<AdmissionKey> {
        let listed = |c: &'_ Charter| -> BTreeSet<String> {
            c.roles.iter().filter_map(|r| serde_json::to_string(r).ok()).collect()
        };
        let (old, new) = (listed(before), listed(after));
        let changed: BTreeSet<&ContentId> = before
            .roles
            .iter()
            .chain(&after.roles)
            .filter(|r| {
                let text = serde_json::to_string(r).unwrap_or_default();
                !(old.contains(&text) && new.contains(&text))
            })
            .map(|r| &r.definition)
            .collect();
        let roots: BTreeSet<&Did> = before
            .roots
            .iter()
            .chain(&after.roots)
            .filter(|d| before.roots.contains(d) != after.roots.contains(d))
            .collect();
        self.end(|a| {
            let rests_on = &a.admission().rests_on;
            rests_on.definitions.iter().any(|d| changed.contains(d))
                || rests_on.dids.iter().any(|d| roots.contains(d))
        })
    }

    fn end(&mut self, touched: impl Fn(&Admitted) -> bool) -> Vec<AdmissionKey> {
        let mut ended: Vec<_> =
            self.entries.iter().filter(|(_, a)| touched(a)).map(|(key, _)| key.clone()).collect();
        ended.sort();
        for key in &ended {
            self.entries.remove(key);
        }
        ended
    }
}

/// Until when an entry is kept.
fn until(facts: &Admission) -> UnixMillis {
    if facts.is_open() {
        return facts.expires.min(facts.judged.plus_millis(OPEN_MILLIS));
    }
    facts.expires
}
