//! The admission cache: senders whose facts were taken in, each until the earliest end of what the
//! facts rest on. A new status list or charter ends exactly the entries that it touches.

use crate::policy::Admitted;
use gridpass_credentials::charter::Charter;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// Whose facts, where, from which presentation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AdmissionKey {
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The sender.
    pub sender: Did,
    /// Its presentation.
    pub presentation: Option<ContentId>,
    /// The node that signs for it.
    pub node: Option<Did>,
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
        }
    }
}

/// Admitted senders.
#[derive(Debug)]
pub struct AdmissionCache {
    entries: BTreeMap<AdmissionKey, Admitted>,
    most: usize,
}

impl AdmissionCache {
    /// A cache of at most so many entries.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { entries: BTreeMap::new(), most: most.max(1) }
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

    /// An entry that counts now. One that does not count any more is dropped.
    pub fn get(&mut self, key: &AdmissionKey, now: UnixMillis) -> Option<&mut Admitted> {
        let facts = self.entries.get(key)?.admission();
        if now >= facts.expires {
            self.entries.remove(key);
            return None;
        }
        // A clock that was set back: judged later than now says nothing about now.
        if now < facts.judged {
            return None;
        }
        self.entries.get_mut(key)
    }

    /// Takes in an entry. Where there is no room, the one that ends first makes it.
    pub fn insert(&mut self, admitted: Admitted) {
        let key = AdmissionKey::of(&admitted);
        if !self.entries.contains_key(&key) && self.entries.len() >= self.most {
            let first = self.entries.iter().min_by_key(|(_, a)| a.admission().expires);
            if let Some(first) = first.map(|(key, _)| key.clone()) {
                self.entries.remove(&first);
            }
        }
        self.entries.insert(key, admitted);
    }

    /// A status list came, under this id: whose visas name it must be judged anew. Gives them.
    pub fn status_list_came(&mut self, list: &str) -> Vec<AdmissionKey> {
        self.end(|a| a.admission().rests_on.status_lists.contains(list))
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
                || rests_on.issuers.iter().any(|d| roots.contains(d))
        })
    }

    fn end(&mut self, touched: impl Fn(&Admitted) -> bool) -> Vec<AdmissionKey> {
        let ended: Vec<_> =
            self.entries.iter().filter(|(_, a)| touched(a)).map(|(key, _)| key.clone()).collect();
        for key in &ended {
            self.entries.remove(key);
        }
        ended
    }
}
