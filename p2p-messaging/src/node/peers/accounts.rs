//! What participants answer for: how many nodes they have here, and what these did together. A
//! participant with many nodes has no more of this node than one with a single one.

use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};

/// The score from which a participant is shut out: its nodes misbehave together, while each alone
/// is parted with before.
const SHUT_BELOW: f64 = -200.0;

/// So many denied messages of its own, from its own nodes, shut a participant out, however slowly they
/// come; as many as shut out a peer at once that passes them on.
const MAX_DENIED: f64 = 400.0;
/// How many of them are forgotten in a second: two a minute are borne for ever.
const DENIED_FORGOTTEN: f64 = 2.0 / 60.0;
/// The most participants that are remembered while none of their nodes is here.
const MAX_GONE: usize = 16_384;

#[derive(Default)]
struct Account {
    nodes: BTreeSet<PeerId>,
    score: f64,
    /// How many messages of its own, brought by its own nodes, were denied to it lately.
    denied: f64,
    /// In which minute its own nodes brought too many of its own in a channel, and how many too many.
    too_fast: BTreeMap<ContentId, (u64, u64)>,
}

impl Account {
    fn is_shut(&self) -> bool {
        self.score <= SHUT_BELOW || self.denied >= MAX_DENIED
    }
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
        account.nodes.iter().filter(|_| account.score <= SHUT_BELOW).copied().collect()
    }

    /// A node of a participant sent what is denied to it; gives all of its nodes, where that is too
    /// often.
    pub(super) fn denied(&mut self, participant: &Did) -> Vec<PeerId> {
        let Some(account) = self.0.get_mut(participant) else { return Vec::new() };
        account.denied += 1.0;
        account.nodes.iter().filter(|_| account.denied >= MAX_DENIED).copied().collect()
    }

    /// A node of a participant sent more in a minute, in a channel, than is allowed: what is beyond as
    /// many again as are borne counts as denied.
    pub(super) fn too_fast(
        &mut self,
        participant: &Did,
        channel: &ContentId,
        (minute, borne): (u64, u64),
    ) -> Vec<PeerId> {
        let Some(account) = self.0.get_mut(participant) else { return Vec::new() };
        let counted = account.too_fast.entry(channel.clone()).or_default();
        if counted.0 != minute {
            *counted = (minute, 0);
        }
        counted.1 = counted.1.saturating_add(1);
        if counted.1 <= borne { Vec::new() } else { self.denied(participant) }
    }

    /// Whether its nodes are not let in.
    pub(super) fn is_shut(&self, participant: &Did) -> bool {
        self.0.get(participant).is_some_and(Account::is_shut)
    }

    /// A second went by: half of a score is forgotten in about a minute.
    pub(super) fn tick(&mut self) {
        for account in self.0.values_mut() {
            account.denied = (account.denied - DENIED_FORGOTTEN).max(0.0);
            account.score = if account.score > -0.1 { 0.0 } else { account.score * 0.99 };
        }
        self.drop_settled();
    }

    fn drop_settled(&mut self) {
        let mut gone = 0_usize;
        self.0.retain(|_, a| {
            let here = !a.nodes.is_empty();
            let owes = a.score < 0.0 || a.denied > 0.0;
            gone = gone.saturating_add(usize::from(!here && owes));
            here || (owes && gone <= MAX_GONE)
        });
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

    #[test]
    fn who_sends_a_little_too_fast_is_borne_and_who_floods_is_not() {
        let (north, south) = (did("north"), did("south"));
        let channel = ContentId::of_bytes(b"a channel").expect("a CID");
        let other = ContentId::of_bytes(b"another").expect("a CID");
        let mut accounts = Accounts::default();
        accounts.enter(&north, PeerId::random());
        accounts.enter(&south, PeerId::random());
        // As fast as two nodes that do not hear each other, in two channels, for a day.
        for minute in 0..1440 {
            for channel in [&channel, &other] {
                for _ in 0..60 {
                    assert!(accounts.too_fast(&north, channel, (minute, 180)).is_empty());
                }
            }
            (0..60).for_each(|_| accounts.tick());
        }
        // Twenty a second.
        let sent = (0..12_000_u64).find(|n| {
            if n % 20 == 0 {
                accounts.tick();
            }
            !accounts.too_fast(&south, &channel, (n / 1200, 180)).is_empty()
        });
        assert!(sent.is_some_and(|n| (400..1200).contains(&n)), "{sent:?}");
        assert!(accounts.is_shut(&south) && !accounts.is_shut(&north));
    }

    #[test]
    fn what_is_denied_to_a_participant_adds_up_however_slowly_it_comes() {
        let (north, south) = (did("north"), did("south"));
        for (pause, most) in [(0, 400), (1, 420), (10, 600)] {
            let mut accounts = Accounts::default();
            accounts.enter(&north, PeerId::random());
            accounts.enter(&south, PeerId::random());
            let sent = (1..=most).find(|_| {
                (0..pause).for_each(|_| accounts.tick());
                !accounts.denied(&north).is_empty()
            });
            assert!(sent.is_some_and(|n| n >= 400), "every {pause} s: {sent:?}");
            assert!(accounts.is_shut(&north) && !accounts.is_shut(&south));
        }
        // An operator who tries again now and then is borne, and so is one whose node learns late.
        let mut accounts = Accounts::default();
        accounts.enter(&north, PeerId::random());
        assert!((0..300).all(|_| accounts.denied(&north).is_empty()));
        for _ in 0..100_000 {
            (0..30).for_each(|_| accounts.tick());
            assert!(accounts.denied(&north).is_empty());
        }
    }
}
