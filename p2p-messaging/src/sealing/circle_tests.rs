use super::super::grant::chain_of;
use super::super::{Grant, HandedKey, Opening, Place, Ring, SealedPayload};
use super::*;
use crate::envelope::Envelope;
use crate::test_kit::{NOW, cid, did_of, header, key};
use proptest::prelude::*;

const TERMS: Terms = Terms { longest_millis: DAY, spent: 0 };
const MAY: Standing = Standing { may: true, until: UnixMillis::MAX };

fn at(now: UnixMillis) -> AsOf {
    AsOf { changes: 0, now }
}

const DAY: u64 = 24 * 3600 * 1000;

fn member(number: u8) -> Member {
    let node = did_of(&key(number)).did().clone();
    Member { participant: node.clone(), node, authorisation: None, presentation: cid("p") }
}

/// A sender, and up to six nodes that come and go.
struct World {
    circle: Circle,
    changes: u64,
    /// The sender's own keys.
    own: Ring,
    now: UnixMillis,
    sent: Vec<(Envelope, BTreeSet<u8>)>,
    epochs: Vec<Epoch>,
    may: BTreeSet<u8>,
    rings: BTreeMap<u8, Ring>,
}

#[derive(Clone, Debug)]
enum Step {
    Join(u8),
    End(u8),
    Send {
        to: Option<u8>,
    },
    Pass(u64),
    /// The documents that came last come to a node, in some order; they may have been lost until then.
    Arrive(u8, bool),
    /// A node says what it lacks, and the sender answers.
    Ask(u8),
}

impl World {
    fn new() -> Self {
        let nodes = 2..8;
        Self {
            circle: Circle::default(),
            changes: 0,
            own: Ring::default(),
            now: NOW,
            sent: Vec::new(),
            epochs: Vec::new(),
            may: BTreeSet::new(),
            rings: nodes.map(|n| (n, Ring::default())).collect(),
        }
    }

    fn send(&mut self, to: Option<u8>) {
        let chain = chain_of(1);
        let recipients: Vec<Did> = to.map(|n| member(n).participant).into_iter().collect();
        let sequence = u64::try_from(self.sent.len()).expect("few") + 1;
        let current = self.circle.current(&recipients, sequence, self.now, TERMS);
        let (epoch, secret) = current.unwrap_or_else(|| {
            let secret = ChainKey::new([u8::try_from(self.epochs.len()).expect("few"); 32]);
            let members = self.circle.members(&recipients);
            let (epoch, _) =
                Epoch::begin(&chain, sequence, self.now, &recipients, &members, &secret)
                    .expect("an epoch");
            let id = epoch.id().clone();
            let own =
                HandedKey { epoch: Some(id.clone()), first: sequence, from: sequence, key: secret };
            self.own.insert(&chain, &own);
            self.circle.begin(&epoch, own.key.clone());
            self.epochs.push(epoch);
            (id, own.key)
        });
        let mut header = header(&key(1));
        header.sequence = sequence;
        header.previous = self.sent.last().map(|(e, _)| e.id().clone());
        header.recipients = recipients;
        header.epoch = Some(epoch.clone());
        let place = Place {
            channel: &header.channel,
            sender: &header.sender,
            key: &header.key,
            sequence,
            epoch: &epoch,
        };
        let payload = SealedPayload::seal(b"a bid", &secret.message(), &place, [0; 12]);
        let payload = payload.and_then(|p| p.encode()).expect("sealed");
        let envelope = Envelope::sign(header, payload, &key(1)).expect("signed");
        assert!(matches!(self.own.open(&envelope), Opening::Open(_)), "its own");
        let of = self.epochs.iter().find(|e| e.id() == &epoch).expect("it began");
        assert_eq!(of.check(envelope.header()), Ok(()));
        let entitled = self.may.iter().copied().filter(|n| to.is_none_or(|t| t == *n)).collect();
        self.sent.push((envelope, entitled));
    }

    /// What the sender hands to a node that was entitled to these.
    fn grant(&mut self, node: u8) {
        let chain = chain_of(1);
        let mut keys: BTreeMap<ContentId, HandedKey> = BTreeMap::new();
        for (envelope, entitled) in &self.sent {
            let header = envelope.header();
            let epoch = header.epoch.clone().expect("sealed");
            // From the first on that it is entitled to, if it is to all that follow in the epoch.
            if !entitled.contains(&node) {
                keys.remove(&epoch);
            } else {
                let own = &mut self.own;
                keys.entry(epoch.clone()).or_insert_with(|| {
                    own.chain_key(&epoch, &chain, header.sequence).expect("its own")
                });
            }
        }
        let keys: Vec<_> = keys.into_values().collect();
        for handed in &keys {
            let epoch = handed.epoch.as_ref().expect("an epoch");
            self.circle.granted(epoch, &member(node));
        }
        for some in keys.chunks(super::super::MAX_GRANTED) {
            let grant = Grant::new(&chain, &member(node).node, some).expect("sealed");
            for handed in grant.take(&key(node)).expect("opens") {
                self.rings.get_mut(&node).expect("a ring").insert(&chain, &handed);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Join(n) => {
                self.may.insert(n);
                self.circle.heard(member(n), MAY, at(self.now));
            }
            Step::End(n) => {
                self.may.remove(&n);
                let may = self.may.clone();
                self.changes += 1;
                let as_of = AsOf { changes: self.changes, now: self.now };
                let look =
                    |m: &Member| Standing { may: may.iter().any(|n| member(*n) == *m), ..MAY };
                self.circle.judge(as_of, &[], usize::MAX, look);
            }
            Step::Send { to } => self.send(to),
            Step::Pass(millis) => self.now = self.now.plus_millis(millis),
            Step::Arrive(n, reversed) => {
                let mut some: Vec<_> = self.epochs.iter().rev().take(3).collect();
                if reversed {
                    some.reverse();
                }
                for epoch in some {
                    if let Ok(handed) = epoch.take(&member(n).node, &key(n)) {
                        self.rings.get_mut(&n).expect("a ring").insert(&chain_of(1), &handed);
                    }
                }
            }
            Step::Ask(n) => self.grant(n),
        }
    }

    /// Nobody opens what it was not entitled to when it was sent, whatever it was handed.
    fn check(&mut self) {
        for (node, ring) in &mut self.rings {
            for (envelope, entitled) in &self.sent {
                let opened = ring.open(envelope);
                assert!(!matches!(opened, Opening::Broken(_)), "{node}: {opened:?}");
                let sequence = envelope.header().sequence;
                assert!(
                    !matches!(opened, Opening::Open(_)) || entitled.contains(node),
                    "{node} opens {sequence}, which was sent to {entitled:?}"
                );
            }
        }
    }

    /// When everything has come, everybody opens all that it was entitled to.
    fn check_at_the_end(&mut self) {
        for node in self.rings.keys().copied().collect::<Vec<_>>() {
            for epoch in self.epochs.iter().rev() {
                if let Ok(handed) = epoch.take(&member(node).node, &key(node)) {
                    self.rings.get_mut(&node).expect("a ring").insert(&chain_of(1), &handed);
                }
            }
            self.grant(node);
            for (envelope, entitled) in &self.sent {
                let ring = self.rings.get_mut(&node).expect("a ring");
                let opened = matches!(ring.open(envelope), Opening::Open(_));
                assert_eq!(opened, entitled.contains(&node), "{}", envelope.header().sequence);
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let node = 2_u8..8;
    prop_oneof![
        3 => node.clone().prop_map(Step::Join),
        2 => node.clone().prop_map(Step::End),
        6 => Just(Step::Send { to: None }),
        2 => node.clone().prop_map(|n| Step::Send { to: Some(n) }),
        2 => prop_oneof![Just(1_u64), Just(6_000), Just(DAY)].prop_map(Step::Pass),
        3 => (node.clone(), any::<bool>()).prop_map(|(n, r)| Step::Arrive(n, r)),
        1 => node.prop_map(Step::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn nobody_opens_more_and_in_the_end_nobody_less(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.check();
        world.check_at_the_end();
    }
}

#[test]
fn an_epoch_ends_with_the_right_of_anybody_in_it_with_time_and_with_whom_it_is_for() {
    let mut world = World::new();
    let ids = |w: &World| w.sent.iter().map(|(e, _)| e.header().epoch.clone()).collect::<Vec<_>>();
    world.step(&Step::Join(2));
    world.step(&Step::Join(3));
    world.step(&Step::Send { to: None });
    world.step(&Step::Send { to: None });
    assert_eq!(ids(&world)[0], ids(&world)[1], "nothing changed");
    world.step(&Step::End(3));
    world.step(&Step::Send { to: None });
    assert_ne!(ids(&world)[1], ids(&world)[2], "somebody may not read any more");
    world.step(&Step::Join(4));
    world.step(&Step::Send { to: None });
    assert_eq!(ids(&world)[2], ids(&world)[3], "it began a moment ago: who joined is granted it");
    world.step(&Step::Pass(JOIN_MILLIS));
    world.step(&Step::Send { to: None });
    assert_ne!(ids(&world)[3], ids(&world)[4], "somebody joined");
    world.step(&Step::Pass(DAY));
    world.step(&Step::Send { to: None });
    assert_ne!(ids(&world)[4], ids(&world)[5], "it is old");
    world.step(&Step::Send { to: Some(2) });
    assert_ne!(ids(&world)[5], ids(&world)[6], "it is for one alone");
    assert_eq!(world.epochs.last().map(|e| e.members().len()), Some(1));
    world.step(&Step::Send { to: None });
    assert_eq!(ids(&world)[5], ids(&world)[7]);
}

#[test]
fn a_clock_that_is_set_back_begins_another_epoch() {
    let mut circle = Circle::default();
    circle.heard(member(2), MAY, at(NOW));
    let secret = ChainKey::new([1; 32]);
    let members = circle.members(&[]);
    let (epoch, _) = Epoch::begin(&chain_of(1), 1, NOW, &[], &members, &secret).expect("an epoch");
    circle.begin(&epoch, secret);
    assert!(circle.current(&[], 1, NOW, TERMS).is_some());
    assert!(circle.current(&[], 2, UnixMillis::new(NOW.get() - 1), TERMS).is_none());
    assert!(circle.current(&[], 1 + MAX_STEPS, NOW, TERMS).is_none(), "it is full");
}

#[test]
fn other_documents_of_a_node_begin_no_epoch_at_once() {
    let mut circle = Circle::default();
    circle.heard(member(2), MAY, at(NOW));
    let secret = ChainKey::new([1; 32]);
    let members = circle.members(&[]);
    let (epoch, _) = Epoch::begin(&chain_of(1), 1, NOW, &[], &members, &secret).expect("an epoch");
    circle.begin(&epoch, secret);
    circle.heard(Member { presentation: cid("another"), ..member(2) }, MAY, at(NOW));
    assert!(circle.current(&[], 1, NOW, TERMS).is_some());
    assert!(circle.current(&[], 2, NOW.plus_millis(JOIN_MILLIS), TERMS).is_none());
}

/// A node of the participant that number 3 is.
fn of_one(n: u64) -> Member {
    let node = Did::parse(&format!("did:webvh:x:{n}.example")).expect("a DID");
    Member { node, ..member(3) }
}

#[test]
fn nodes_of_one_participant_take_no_places_of_others() {
    let mut circle = Circle::default();
    circle.heard(member(2), MAY, at(NOW));
    for n in 0..1000 {
        circle.heard(of_one(n), MAY, at(NOW.plus_millis(n)));
    }
    assert_eq!(circle.len(), 1 + MAX_NODES);
    assert!(circle.has(&member(2).node) && circle.has(&of_one(0).node));
    assert!(!circle.knows(&of_one(999).node), "the others are there");
    // One that may not read makes room at once, and one that may when it may be gone.
    circle.heard(of_one(7), Standing { may: false, ..MAY }, at(NOW.plus_millis(1000)));
    assert!(circle.heard(of_one(999), MAY, at(NOW.plus_millis(1000))));
    assert!(circle.has(&of_one(999).node) && !circle.knows(&of_one(7).node));
    let last = NOW.plus_millis(SILENT_MILLIS);
    assert!(!circle.heard(of_one(998), MAY, at(last)));
    assert!(circle.heard(of_one(998), MAY, at(last.plus_millis(1))));
    assert!(circle.has(&of_one(998).node) && !circle.knows(&of_one(0).node));
    assert_eq!(circle.len(), 1 + MAX_NODES);
}

#[test]
fn more_nodes_of_a_reader_than_there_is_room_for_end_no_epoch() {
    let mut circle = Circle::default();
    let nodes: Vec<Member> = (10..=26)
        .map(|n| {
            let (node, authorisation) = (member(n).node, Some(cid("authorisation")));
            Member { node, authorisation, ..member(3) }
        })
        .collect();
    assert_eq!(nodes.len(), MAX_NODES + 1);
    for node in &nodes[..MAX_NODES] {
        circle.heard(node.clone(), MAY, at(NOW));
    }
    let secret = ChainKey::new([1; 32]);
    let members = circle.members(&[]);
    let (epoch, _) = Epoch::begin(&chain_of(1), 1, NOW, &[], &members, &secret).expect("an epoch");
    circle.begin(&epoch, secret);
    // They say again and again that they may read, each as often as the others.
    for sequence in 1..100 {
        let now = NOW.plus_millis(sequence * 1_000);
        for node in &nodes {
            circle.heard(node.clone(), MAY, at(now));
        }
        let current = circle.current(&[], sequence, now, TERMS);
        assert_eq!(current.map(|(id, _)| id).as_ref(), Some(epoch.id()), "{sequence}");
    }
}

#[test]
fn so_many_are_remembered_and_who_may_not_read_makes_room() {
    let mut circle = Circle::default();
    let many = |n: usize| {
        let mut member = member(2);
        member.node = Did::parse(&format!("did:webvh:x:{n}.example")).expect("a DID");
        member.participant = member.node.clone();
        member
    };
    for n in 0..MAX_KNOWN {
        circle.heard(many(n), Standing { may: n != 7, ..MAY }, at(NOW));
    }
    circle.heard(many(MAX_KNOWN), MAY, at(NOW));
    assert!(circle.has(&many(0).node) && circle.has(&many(MAX_KNOWN).node));
    assert_eq!(circle.len(), MAX_KNOWN);
}

#[test]
fn a_right_that_ends_by_time_is_found_out_about_then_and_not_before() {
    let mut circle = Circle::default();
    let ends = NOW.plus_millis(5_000);
    circle.heard(member(2), Standing { may: true, until: ends }, at(NOW));
    circle.heard(member(3), MAY, at(NOW));
    let looked = |circle: &mut Circle, as_of: AsOf| {
        let mut looked = Vec::new();
        let count = circle.judge(as_of, &[], usize::MAX, |m| {
            looked.push(m.node.clone());
            Standing { may: as_of.now < ends || m.node != member(2).node, ..MAY }
        });
        assert_eq!(count, looked.len());
        looked
    };
    assert!(looked(&mut circle, at(NOW.plus_millis(4_999))).is_empty());
    assert_eq!(circle.len(), 2);
    assert_eq!(looked(&mut circle, at(ends)), [member(2).node]);
    assert!(!circle.has(&member(2).node) && circle.has(&member(3).node));
    assert!(looked(&mut circle, at(ends)).is_empty(), "once");
    // Something changed, or the clock was set back: all are looked at.
    assert_eq!(looked(&mut circle, AsOf { changes: 1, now: ends }).len(), 2);
    assert_eq!(looked(&mut circle, AsOf { changes: 1, now: NOW }).len(), 2);
}

#[test]
fn so_many_are_looked_at_at_once_those_first_who_could_read() {
    let mut circle = Circle::default();
    for number in 2..8 {
        let standing = Standing { may: number % 2 == 0, ..MAY };
        circle.heard(member(number), standing, at(NOW));
    }
    let as_of = AsOf { changes: 1, now: NOW };
    let none = Standing { may: false, ..MAY };
    assert_eq!(circle.judge(as_of, &[], 2, |_| none), 2);
    assert_eq!(circle.len(), 1);
    // Whom a message is for is looked at, and nobody else.
    let to = [member(3).participant];
    let mut looked = Vec::new();
    circle.judge(as_of, &to, usize::MAX, |m| {
        looked.push(m.node.clone());
        none
    });
    assert_eq!(looked, [member(3).node]);
    assert_eq!(circle.judge(as_of, &[], 2, |_| none), 2);
    assert_eq!(circle.judge(as_of, &[], 2, |_| none), 1);
    assert_eq!((circle.judge(as_of, &[], 2, |_| none), circle.len()), (0, 0));
}
