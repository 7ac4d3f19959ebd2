//! What proves who may revoke by a role: visas that were given for it, and those that status lists carry.

use super::MAX_PROOFS;
use super::node::Node;
use super::reading::{Reading, Readings};
use super::run::Run;
use crate::codes;
use crate::content_id::ContentId;
use crate::status::StatusList;
use crate::visa::Visa;
use gridpass_identity::report::Check;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where proofs come from.
enum Source<'s> {
    /// One was given for it.
    Given(&'s [u8]),
    /// A list carries some.
    List(&'s StatusList),
}

impl Source<'_> {
    /// Those of it that may prove that somebody holds one of these roles.
    fn read(&self, roles: &BTreeSet<ContentId>, readings: &mut Readings) -> Vec<Arc<Reading>> {
        // What is no visa proves nothing, and takes the place of none.
        let is_visa = |reading: &Arc<Reading>| reading.visa.is_ok();
        match self {
            Self::Given(bytes) => {
                let reading = readings.given(&String::from_utf8_lossy(bytes));
                reading.ok().filter(is_visa).into_iter().collect()
            }
            Self::List(list) => {
                let read = list.authority().filter_map(|m| readings.member(m).ok());
                let carried: Vec<_> = read.filter(is_visa).collect();
                let fits = |v: &Visa| v.subject == list.issuer && roles.contains(&v.definition);
                // What others carry proves nothing about them.
                match carried.iter().any(|reading| reading.visa.as_ref().is_ok_and(fits)) {
                    true => carried,
                    false => Vec::new(),
                }
            }
        }
    }
}

/// The first of those that are given, each once; and whether there are more than so many. What comes
/// after is not asked for: reading costs time, and anybody can give what is to be read.
fn first_of<T, K: Ord>(
    given: impl Iterator<Item = T>,
    key: impl Fn(&T) -> K,
    most: usize,
) -> (Vec<T>, bool) {
    let (mut first, mut known) = (Vec::new(), BTreeSet::new());
    for one in given {
        if !known.insert(key(&one)) {
            continue;
        }
        if first.len() >= most {
            return (first, true);
        }
        first.push(one);
    }
    (first, false)
}

impl<'r> Run<'r> {
    /// Adds the visas that prove who may revoke by a role: those that were given for it, and those that
    /// the lists carry of the visas that are shown.
    pub(super) fn with_proofs(&mut self, mut nodes: Vec<Node<'r>>) -> Vec<Node<'r>> {
        let (mut roles, mut named) = (BTreeSet::new(), BTreeSet::new());
        for (visa, role) in nodes.iter().filter_map(|n| n.visa.as_ref().zip(n.role)) {
            if let Some(revokers) = &role.definition.revokers
                && !revokers.roles.is_empty()
            {
                roles.extend(revokers.roles.iter().cloned());
                named.extend(visa.status.iter().map(|s| s.list.clone()));
            }
        }
        if roles.is_empty() {
            return nodes;
        }
        let lists = self.evidence.lists.iter().filter(|l| named.contains(&l.id));
        let mut lists: Vec<&StatusList> = lists.collect();
        lists.sort_by(|a, b| (&a.id, &a.issuer, b.order()).cmp(&(&b.id, &b.issuer, a.order())));
        let given = self.proofs.iter().map(|bytes| Source::Given(bytes));
        let sources = given.chain(lists.into_iter().map(Source::List));
        let readings = &mut self.memo.readings;
        let read = sources.flat_map(|source| source.read(&roles, readings));
        // Also those that are shown: these rest on nothing that is carried alone, and whoever is revoked would
        // show its revoker's visa without what that one rests on.
        let (first, more) = first_of(read, |r| r.secured.id().clone(), MAX_PROOFS);
        for reading in first {
            let mut node = Node::new(Ok(reading), &serde_json::Value::Null, self);
            node.proves_revoker = true;
            nodes.push(node);
        }
        if more {
            let sentence = format!("more than {MAX_PROOFS} visas prove who may revoke");
            self.checks.push(Check::indeterminate("revokers", codes::VISA_COUNT, sentence));
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_counts() {
        let mut read = 0;
        let texts = [1, 1, 2, 2, 3, 4, 5, 6, 7].into_iter().inspect(|_| read += 1);
        let (first, more) = first_of(texts, |n| *n, 3);
        assert_eq!((first, more), (vec![1, 2, 3], true));
        assert_eq!(read, 6, "the one that is too many was read, and none after it");
        let (all, more) = first_of([1, 2, 1, 3, 3].into_iter(), |n| *n, 3);
        assert_eq!((all, more), (vec![1, 2, 3], false));
    }
}
