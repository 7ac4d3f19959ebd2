//! Whether others speak under another version of a channel than this node does: then neither hears the other, and
//! nothing else shows it.

use super::worker::Worker;
use gridpass_credentials::content_id::ContentId;
use gridpass_policy::channel::SignedChannel;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// How many take part in other versions of a channel and not in this one, and the newest of those versions.
/// `visits` are the channels that each takes part in.
fn in_another<'v>(
    this: &ContentId,
    versions: &BTreeMap<&ContentId, u64>,
    visits: impl Iterator<Item = BTreeSet<&'v ContentId>>,
) -> Option<(u64, usize)> {
    let newest = |all: &BTreeSet<&ContentId>| {
        versions.iter().filter(|(id, _)| all.contains(*id)).map(|(_, version)| *version).max()
    };
    let others = visits.filter(|all| !all.contains(&this)).filter_map(|all| newest(&all));
    let others: Vec<u64> = others.collect();
    others.iter().max().map(|version| (*version, others.len()))
}

impl Worker {
    /// Where a channel goes on without this node, for an operator; null where nothing shows that it does, or the
    /// node takes part in a newer version itself.
    pub(super) fn elsewhere(&self, id: &ContentId) -> Value {
        let material = &self.knowledge.material;
        let Some(signed) = material.channels.get(id) else { return Value::Null };
        let this = signed.descriptor();
        let joined = |channel: &ContentId| self.checker.policy(channel).is_some();
        let same = |other: &&SignedChannel| {
            let other = other.descriptor();
            other.name == this.name && other.owner == this.owner
        };
        let all = material.channels.values().chain(material.left.values()).filter(same);
        let versions: BTreeMap<_, _> = all.map(|c| (c.id(), c.descriptor().version)).collect();
        let newer = |(&c, &version): (&&ContentId, &u64)| version > this.version && joined(c);
        if !joined(id) || versions.iter().any(newer) {
            return Value::Null;
        }
        let charter = self.knowledge.trust.charter().charter();
        let listed = charter.channels.iter().filter(|listed| listed.name == this.name.as_str());
        let listed: Vec<&ContentId> = listed.map(|listed| &listed.document).collect();
        if let Some(other) = listed.first().copied()
            && !listed.contains(&id)
            && !joined(other)
        {
            return json!({
                "channel": other,
                "sentence": format!("the charter lists {other} under this name: others may be there"),
                "next": "Ask the channel's owner for that version, `gridpass node add` it, and present for it \
                         (`gridpass visa present`).",
            });
        }
        let hellos = self.peers.open().filter_map(|peer| self.peers.hello(&peer));
        let visits =
            hellos.map(|hello| hello.visits.iter().map(|v| &v.channel).collect::<BTreeSet<_>>());
        let Some((version, peers)) = in_another(id, &versions, visits) else { return Value::Null };
        let (own, nodes) = (this.version, if peers == 1 { "node takes" } else { "nodes take" });
        json!({
            "version": version,
            "peers": peers,
            "sentence": format!(
                "{peers} connected {nodes} part in version {version} and not in version {own}: what is said in one \
                 is not heard in the other"
            ),
            "next": "See that all take part in one version: those who do not `gridpass node add` its descriptor and \
                     present for it.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::cid;

    #[test]
    fn those_who_take_part_in_another_version_alone_are_counted() {
        let (one, two, other) = (cid("one"), cid("two"), cid("other"));
        let versions = BTreeMap::from([(&one, 1), (&two, 2)]);
        let found = |this, visits: &[&[&ContentId]]| {
            let visits: Vec<BTreeSet<_>> =
                visits.iter().map(|all| all.iter().map(|c| (*c).clone()).collect()).collect();
            in_another(this, &versions, visits.iter().map(|all| all.iter().collect()))
        };
        assert_eq!(found(&two, &[&[&one], &[&one, &other]]), Some((1, 2)));
        assert_eq!(found(&two, &[&[&one], &[&one, &two]]), Some((1, 1)));
        assert_eq!(found(&one, &[&[&two]]), Some((2, 1)));
        assert_eq!(found(&two, &[&[&one, &two], &[&other], &[]]), None);
    }
}
