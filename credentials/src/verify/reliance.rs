//! What a verdict hangs on besides its evidence: the status lists that were read, and the earliest
//! time at which the same evidence would be judged otherwise. Whoever keeps a verdict keeps it no
//! longer.

use super::chain::Chains;
use super::node::Node;
use super::standing::{Lists, Subject, subject_of};
use crate::content_id::ContentId;
use crate::role::IssuerRevocation;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use serde::Serialize;
use std::collections::BTreeSet;

/// A status list that was read, and believed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListRead {
    /// Its id.
    pub list: String,
    /// Who signed it.
    pub signer: Did,
    /// Its date.
    pub dated: UnixMillis,
    /// Its hash.
    pub evidence: ContentId,
    /// Whether what it says of now decides: it is about the visa itself, about one that the visa
    /// requires, or about an issuer whose revocation ends what it issued.
    pub decides: bool,
}

/// What a verdict hangs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reliance {
    /// From when on the same evidence may be judged otherwise: a visa or its grace ends, one begins
    /// to count, a list grows too old. Always later than the time of the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
    /// The status lists that were read, each once.
    pub lists: Vec<ListRead>,
}

impl Reliance {
    /// Notes an end, unless it has come already: what it ended is judged so already.
    pub(super) fn end(&mut self, end: UnixMillis, now: UnixMillis) {
        if end > now {
            self.until = Some(self.until.map_or(end, |u| u.min(end)));
        }
    }

    pub(super) fn lists(
        &mut self,
        lists: &Lists<'_>,
        subject: &Subject<'_>,
        decides: bool,
        now: UnixMillis,
    ) {
        for list in lists.read_for(subject) {
            let oldest = subject.max_age_seconds.saturating_mul(1000).saturating_add(1);
            self.end(list.dated.plus_millis(oldest), now);
            if let Some(expires) = list.expires {
                self.end(expires, now);
            }
            // Of an earlier time: the list says that it was otherwise soon after.
            for entry in subject.entries.iter().filter(|e| e.list == list.id) {
                for change in list.changes(entry.index) {
                    self.end(change.at, now);
                }
            }
            let read = ListRead {
                list: list.id.clone(),
                signer: list.issuer.clone(),
                dated: list.dated,
                evidence: list.secured().id().clone(),
                decides,
            };
            match self.lists.iter_mut().find(|l| l.evidence == read.evidence) {
                Some(known) => known.decides |= decides,
                None => self.lists.push(read),
            }
        }
    }
}

/// How a visa takes part in the verdict on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    index: usize,
    /// Whether it must be in force now, or only was when it was used.
    held: bool,
    decides: bool,
}

impl Chains<'_> {
    /// What the verdict on a visa hangs on.
    pub(super) fn reliance(&self, index: usize) -> Reliance {
        let mut found = Reliance::default();
        let mut seen = BTreeSet::new();
        let mut open = vec![Part { index, held: true, decides: true }];
        while let Some(part) = open.pop() {
            if !seen.insert(part) {
                continue;
            }
            let Some((node, visa)) = self.visa(part.index) else { continue };
            if part.held {
                self.own_ends(node, &mut found);
            }
            if let Some(subject) = subject_of(node) {
                found.lists(&self.lists, &subject, part.decides, self.now);
                // Who revokes by a role does so for as long as the visa for it stands.
                for index in (0..self.nodes.len()).filter(|i| self.lets_revoke(*i, &subject)) {
                    open.push(Part { index, held: true, decides: false });
                }
            }
            let Some(role) = node.role else { continue };
            let ends = role.definition.issuer_revocation == IssuerRevocation::Ends;
            for index in self.authorities(part.index, visa, &role.definition.issuers.roles) {
                open.push(Part { index, held: false, decides: part.decides && ends });
            }
            let Some(requirement) = &role.definition.preconditions else { continue };
            let required = requirement.roles();
            for index in 0..self.nodes.len() {
                let meant = self.visa(index).is_some_and(|(_, other)| {
                    other.subject == visa.subject && required.contains(&&other.definition)
                });
                if meant && self.may_rest(part.index, index) {
                    open.push(Part { index, ..part });
                }
            }
        }
        found.lists.sort();
        found
    }

    /// Whether a visa is one by which somebody whose list is read for a subject may revoke it.
    fn lets_revoke(&self, index: usize, subject: &Subject<'_>) -> bool {
        self.visa(index).is_some_and(|(_, visa)| {
            subject.revoker_roles.contains(&visa.definition)
                && self.lists.is_revoker(&visa.subject, &visa.definition)
                && self.lists.read_for(subject).any(|list| list.issuer == visa.subject)
        })
    }

    fn own_ends(&self, node: &Node<'_>, found: &mut Reliance) {
        let Some(visa) = &node.visa else { return };
        found.end(visa.valid_from, self.now);
        found.end(visa.valid_until, self.now);
        if let Some(listed) = node.listed
            && let Some(retired) = listed.retired
        {
            let grace = listed.grace_seconds.unwrap_or(0).saturating_mul(1000);
            found.end(retired, self.now);
            found.end(retired.plus_millis(grace), self.now);
        }
    }
}
