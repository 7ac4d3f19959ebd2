//! Who takes part: parties from numbers, their visas and presentations, and a checking core each.

use super::node::Node;
use super::setting::{Flood, Kind, NODES_OF_ONE, Setting};
use super::{Outcome, What, World};
use crate::dice::Dice;
use crate::messages::{Market, Sender};
use crate::world::{self, NOW, Party, in_days};
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::verify::{Expectation, verify_presentation};
use gridpass_credentials::visa::{Purpose, Visa};
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_messaging::checking::{Chain, Known as _};
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

/// The party of a number: there are more than [`Party::new`] can tell apart.
fn party(number: usize) -> Party {
    let mut seed = [0x67_u8; 32];
    seed[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let key = SecretKey::from_bytes(KeyType::Ed25519, &seed).expect("a key");
    let did = method::key::from_public_key(&key.public_key()).expect("a DID");
    let key_id = did.with_fragment(did.method_specific_id()).expect("a key id");
    Party { did, key, key_id }
}

/// Each visa has its own entry in the regulator's lists.
fn entry(number: usize) -> impl FnOnce(&mut Visa) {
    move |visa| visa.status.iter_mut().for_each(|s| s.index = number as u64)
}

impl World {
    pub(super) fn new(setting: Setting) -> Self {
        let market = Market::with_operators(|d| d.max_status_age_seconds = 24 * 3600);
        let lists = market.lists(&[]);
        let first = lists.iter().find(|l| l.id == market.regulator.list_id(Purpose::Revocation));
        let first = first.expect("a list of revocations").clone();
        let mut world = Self {
            dice: Dice::new(setting.seed),
            setting,
            market,
            nodes: Vec::new(),
            items: Vec::new(),
            named: HashMap::new(),
            presentations: HashMap::new(),
            chains: HashMap::new(),
            forks: BTreeMap::new(),
            lists: Vec::new(),
            list_items: Vec::new(),
            queue: BinaryHeap::new(),
            number: 0,
            now: 0,
            parted: false,
            crowded: false,
            outcome: Outcome::default(),
        };
        world.publish_list(first);
        let kinds = [
            (Kind::Aggregator, world.setting.aggregators),
            (Kind::Operator, world.setting.operators),
        ];
        let adversaries = world.setting.adversaries.clone();
        for (kind, count) in kinds.into_iter().chain(adversaries) {
            (0..count).for_each(|of_kind| world.add(kind, of_kind, &lists));
        }
        world.share_signatures();
        world.link();
        world
    }

    /// Signatures of senders' visas and presentations and of the first status lists that fit are found to fit once:
    /// the memo holds only what stays true for ever, so that no verdict can change by it. Envelopes
    /// and later lists are verified by every node.
    fn share_signatures(&mut self) {
        let mut memo = SignatureMemo::default();
        if let Some(first) = self.nodes.first() {
            // Those of senders: every node verifies them, and the others only its neighbours.
            for node in self.nodes.iter().filter(|n| n.kind.is_sender()) {
                let expect = Expectation {
                    now: NOW,
                    clock: NOW,
                    audience: Some(self.market.channel.as_str()),
                    nonce: None,
                    presenter: Some(&node.party.did),
                };
                let text = node.presentation.text().as_bytes();
                let _ = verify_presentation(text, &first.memory.evidence(), &expect, &mut memo);
            }
        }
        for node in self.nodes.iter_mut().filter(|n| n.serves()) {
            node.checker.begin_with(memo.clone());
        }
    }

    fn add(&mut self, kind: Kind, of_kind: usize, lists: &[StatusList]) {
        let number = self.nodes.len();
        // Those of one participant show what the first of them has.
        let participant = match kind {
            Kind::Eclipser => number - of_kind % NODES_OF_ONE,
            _ => number,
        };
        let (party, presentation) = if participant == number {
            let party = party(number);
            let presentation = Arc::new(self.presentation(kind, &party, number));
            self.presentations.insert(presentation.id().clone(), number);
            (party, presentation)
        } else {
            let first = &self.nodes[participant];
            (first.party.clone(), Arc::clone(&first.presentation))
        };
        let shown: &[&Secured] = match kind {
            Kind::Flooder(Flood::Unshown) => &[],
            _ => &[&presentation],
        };
        let peer = self.market.peer(&party, shown, lists.to_vec());
        let sender = Sender::new(&party, &presentation, &self.market.channel);
        let mut node = Node::new(
            kind,
            participant,
            party,
            Arc::clone(&presentation),
            peer.checker,
            peer.memory,
            sender,
        );
        let header = node.sender.header("GB-1", NOW);
        self.chains.insert(Chain::of(&header), participant);
        node.documents.insert(participant);
        self.nodes.push(node);
    }

    fn presentation(&self, kind: Kind, party: &Party, number: usize) -> Secured {
        let operators = self.market.operators.as_ref().expect("a role of operators");
        let regulator = &self.market.regulator;
        // Who has no visa shows one that it gave itself.
        let (issuer, role) = match (kind.is_reader(), kind.is_sender()) {
            (true, _) => (regulator, operators),
            (_, true) => (regulator, &self.market.role),
            _ => (party, &self.market.role),
        };
        let visa = world::issue(issuer, &world::visa(issuer, party, role, entry(number)));
        let audience = self.market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: in_days(30) };
        world::present_as(party, &[&visa], Form::Jwt, &binding)
    }

    /// The first aggregator and the last operator.
    pub(super) fn revoked(&self) -> [usize; 2] {
        [0, self.setting.aggregators + self.setting.operators - 1]
    }

    /// The regulator's list with both of them on it.
    pub(super) fn list_of_the_revoked(&self) -> StatusList {
        let regulator = &self.market.regulator;
        let at = self.clock();
        let change = |n: usize| Change { index: n as u64, set: true, at };
        let changes = self.revoked().map(change);
        world::list_by(regulator, regulator, Purpose::Revocation, &changes, |l| {
            l["validFrom"] = serde_json::json!(at);
            l["credentialSubject"]["statusList"]["version"] = serde_json::json!(6);
        })
    }

    pub(super) fn publish_list(&mut self, list: StatusList) {
        self.lists.push(list);
        let number = self.lists.len() - 1;
        let item = self.item(What::List(number), usize::MAX);
        self.list_items.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn parties_of_different_numbers_differ() {
        let dids: BTreeSet<_> = (0..2000).map(|n| party(n).did).collect();
        assert_eq!(dids.len(), 2000);
    }
}
