//! What participants answer for: how many nodes they have here, and what these did together. A
//! participant with many nodes has no more of this node than one with a single one.

use gridpass_identity::did::Did;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};

/// The score from which a participant is shut out: its nodes misbehave together, while each alone
/// is parted with before.
const SHUT_BELOW: f64 = -200.0;

#[derive(Default)]
struct Account {
    nodes: BTreeSet<PeerId>,
    score: f64,
}

/// The participants whose nodes are connected, or who misbehaved lately.
#[derive(Default)]
pub(super) struct Accounts(BTreeMap<Did, Account>);

impl Accounts {
    /// A node is shown to act for a participant; gives how many of its nodes are here now.
    pub(super) fn enter(&mut self, participant: &Did, node: PeerId) -> usize {
        let account = self.0.entry(participant.clone()).or_default();
        account.nodes.insert(node);
        account.nodes.len()
    }

    /// A node is gone, or acts for nobody any more.
    pub(super) fn leave(&mut self, participant: &Did, node: &PeerId) {
        if let Some(account) = self.0.get_mut(participant) {
            account.nodes.remove(node);
            self.drop_settled();
        }
    }

    /// A node of a participant misbehaved; gives all of its nodes, where that is too much.
    pub(super) fn charge(&mut self, participant: &Did, amount: f64) -> Vec<PeerId> {
        let Some(account) = self.0.get_mut(participant) else { return Vec::new() };
        account.score -= amount;
        let shut = account.score <= SHUT_BELOW;
        account.nodes.iter().filter(|_| shut).copied().collect()
    }

    /// Whether its nodes are not let in.
    pub(super) fn is_shut(&self, participant: &Did) -> bool {
        self.0.get(participant).is_some_and(|a| a.score <= SHUT_BELOW)
    }

    /// A second went by: half is forgotten in about a minute.
    pub(super) fn tick(&mut self) {
        for account in self.0.values_mut() {
            account.score = if account.score > -0.1 { 0.0 } else { account.score * 0.99 };
        }
        self.drop_settled();
    }

    fn drop_settled(&mut self) {
        self.0.retain(|_, a| !a.nodes.is_empty() || a.score < 0.0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]
    use super::*;

    fn did(name: &str) -> Did {
        Did::parse(&format!("did:web:{name}.example")).expect("a DID")
    }

    #[test]
    fn nodes_answer_together_and_it_is_forgotten() {
        let (north, south) = (did("north"), did("south"));
        let nodes: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
        let mut accounts = Accounts::default();
        for (count, node) in nodes.iter().enumerate() {
            assert_eq!(accounts.enter(&north, *node), count + 1);
        }
        accounts.enter(&south, PeerId::random());
        for _ in 0..6 {
            assert!(accounts.charge(&north, 30.0).is_empty());
        }
        assert_eq!(accounts.charge(&north, 30.0).len(), 3, "all of its nodes");
        assert!(accounts.is_shut(&north) && !accounts.is_shut(&south));
        // That it leaves settles nothing.
        for node in &nodes {
            accounts.leave(&north, node);
        }
        assert!(accounts.is_shut(&north));
        for _ in 0..10 {
            accounts.tick();
        }
        assert!(!accounts.is_shut(&north), "it begins to be forgotten at once");
        for _ in 0..1000 {
            accounts.tick();
        }
        assert_eq!(accounts.0.len(), 1, "only who is here is remembered");
    }
}
