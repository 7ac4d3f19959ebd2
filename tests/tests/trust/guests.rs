//! Who may be given what is said in a channel: asked when a peer comes, and again when something
//! changes.

use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::status::Change;
use gridpass_credentials::visa::Purpose;
use gridpass_messaging::checking::{Missing, Right};
use gridpass_messaging::codes;
use gridpass_messaging::sync::{Guests, Hello, Visit};
use gridpass_policy::channel::Sealing;
use gridpass_tests::channels;
use gridpass_tests::messages::{Market, Peer, authorise, later};
use gridpass_tests::world::{self, NOW, Party, in_days};
use serde_bytes::ByteBuf;

struct Scene {
    market: Market,
    operator: Party,
    node: Party,
    presentation: Secured,
    host: Peer,
}

fn presentation(market: &Market, who: &Party, operator: bool) -> Secured {
    let role = if operator { market.operators.as_ref().expect("a role") } else { &market.role };
    let visa = world::visa(&market.regulator, who, role, |_| ());
    let visa = world::issue(&market.regulator, &visa);
    let audience = market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: in_days(30) };
    world::present_as(who, &[&visa], Form::Jwt, &binding)
}

fn scene() -> Scene {
    let market = Market::with_operators(|_| ());
    let (operator, node) = (Party::new(11), Party::new(12));
    let presentation = presentation(&market, &operator, true);
    let host = market.peer(&Party::new(3), &[&presentation], market.lists(&[&operator]));
    Scene { market, operator, node, presentation, host }
}

impl Scene {
    fn hello(&self, authorisation: Option<&Secured>, presentation: &Secured) -> Hello {
        let visits = vec![Visit {
            channel: self.market.channel.clone(),
            presentation: presentation.id().clone(),
        }];
        Hello {
            agent: "a test".into(),
            participant: self.operator.did.clone(),
            authorisation: authorisation.map(|a| ByteBuf::from(a.text())),
            visits,
            charter: None,
        }
    }
}

/// A hello by a node with this key, and what it may read after it.
fn comes(scene: &mut Scene, guests: &mut Guests, key: &Party, hello: &Hello) -> bool {
    let mut documents = Vec::new();
    let keep = &mut |bytes: &[u8]| documents.push(bytes.to_vec());
    if guests.hello("peer", &key.key.public_key(), hello, keep).is_err() {
        return false;
    }
    for bytes in documents {
        scene.host.memory.learn_bytes(ContentId::of_bytes(&bytes).expect("a name"), bytes);
    }
    guests.judge("peer", &mut scene.host.checker, &scene.host.memory, NOW);
    guests.right("peer", &scene.market.channel) == Some(Right::Read)
}

#[test]
fn a_node_reads_for_the_participant_that_authorised_it() {
    let mut s = scene();
    let mut guests = Guests::default();
    let (node, other) = (s.node.clone(), Party::new(13));
    let authorisation = authorise(&s.operator, &node, |_| ());
    let hello = s.hello(Some(&authorisation), &s.presentation);
    assert!(comes(&mut s, &mut guests, &node, &hello));
    assert_eq!(guests.participant("peer"), Some(&s.operator.did));
    // Presentation and authorisation are known to many: the key is what counts.
    assert!(!comes(&mut s, &mut guests, &other, &hello));
    let hello = s.hello(None, &s.presentation);
    assert!(!comes(&mut s, &mut guests, &other, &hello));
    // The participant itself needs none.
    let operator = s.operator.clone();
    assert!(comes(&mut s, &mut guests, &operator, &hello));
    guests.leave("peer");
    assert!(guests.right("peer", &s.market.channel).is_none());
}

#[test]
fn case_17_a_peer_is_not_of_a_second_participant() {
    let mut s = scene();
    let mut guests = Guests::default();
    let (node, other) = (s.node.clone(), Party::new(13));
    let hello = s.hello(Some(&authorise(&s.operator, &node, |_| ())), &s.presentation);
    assert!(comes(&mut s, &mut guests, &node, &hello));
    // Another participant authorised the same node, in good order: one of both is a lie.
    let second = Hello {
        participant: other.did.clone(),
        authorisation: Some(ByteBuf::from(authorise(&other, &node, |_| ()).text())),
        ..hello.clone()
    };
    let refused = guests.hello("peer", &node.key.public_key(), &second, &mut |_| ());
    assert_eq!(refused, Err(codes::SENDER_SIGNER));
    assert_eq!(guests.participant("peer"), Some(&s.operator.did));
    // When it comes again, it may come as the other.
    guests.leave("peer");
    assert!(guests.hello("peer", &node.key.public_key(), &second, &mut |_| ()).is_ok());
}

#[test]
fn case_19_a_keeper_is_given_what_is_sealed_to_keep_and_not_to_read() {
    let market = Market::with_operators(|d| {
        d.sealing = Sealing::Members;
        d.keep = vec![channels::requirement(
            "keeper",
            "aggregators keep for each other",
            serde_json::json!({"role": "flex.gb.aggregator"}),
        )];
    });
    let who = Party::new(11);
    for (operator, right) in [(false, Right::Keep), (true, Right::Read)] {
        let presentation = presentation(&market, &who, operator);
        let mut host = market.peer(&Party::new(3), &[&presentation], market.lists(&[&who]));
        let mut guests = Guests::default();
        let visit =
            Visit { channel: market.channel.clone(), presentation: presentation.id().clone() };
        let hello = Hello {
            agent: "a test".into(),
            participant: who.did.clone(),
            authorisation: None,
            visits: vec![visit],
            charter: None,
        };
        guests.hello("peer", &who.key.public_key(), &hello, &mut |_| ()).expect("somebody");
        guests.judge("peer", &mut host.checker, &host.memory, NOW);
        assert_eq!(guests.right("peer", &market.channel), Some(right));
    }
}

#[test]
fn case_19_who_may_not_read_is_given_nothing_and_told_why() {
    let mut s = scene();
    let aggregator = s.operator.clone(); // the same key, with another visa
    let bids = presentation(&s.market, &aggregator, false);
    s.host.memory.learn(&bids);
    let hello = s.hello(None, &bids);
    let mut guests = Guests::default();
    assert!(!comes(&mut s, &mut guests, &aggregator, &hello));
    let welcome = guests.judge("peer", &mut s.host.checker, &s.host.memory, NOW);
    let code = welcome.refused.get(&s.market.channel).expect("a reason");
    assert_eq!(*code, gridpass_policy::codes::POLICY_UNMET);
    // A presentation that has not come is asked for.
    let never = presentation(&s.market, &Party::new(40), true);
    let hello = s.hello(None, &never);
    assert!(!comes(&mut s, &mut guests, &aggregator, &hello));
    let welcome = guests.judge("peer", &mut s.host.checker, &s.host.memory, NOW);
    assert!(welcome.asks.contains(&Missing::Document(never.id().clone())));
    assert_eq!(welcome.refused.get(&s.market.channel), Some(&codes::PRESENTATION_MISSING));
}

/// The operator's visa is taken back; gives how many are judged anew.
fn revoke(s: &mut Scene) -> usize {
    let operator = s.operator.clone();
    let role = s.market.operators.as_ref().expect("a role");
    let visa = world::visa(&s.market.regulator, &operator, role, |_| ());
    let change = Change { index: visa.status[0].index, set: true, at: later(100) };
    let regulator = &s.market.regulator;
    let list = world::list_by(regulator, regulator, Purpose::Revocation, &[change], |l| {
        l["validFrom"] = serde_json::json!(later(200));
        l["credentialSubject"]["statusList"]["version"] = serde_json::json!(6);
    });
    let (id, signer) = (list.id.clone(), list.issuer.clone());
    s.host.memory.lists.push(list);
    s.host.checker.status_list_came(&id, &signer).len()
}

#[test]
fn case_16_a_reader_whose_visa_is_revoked_is_given_nothing_more() {
    let mut s = scene();
    let mut guests = Guests::default();
    let (operator, hello) = (s.operator.clone(), s.hello(None, &s.presentation));
    assert!(comes(&mut s, &mut guests, &operator, &hello));
    assert_eq!(revoke(&mut s), 1);
    let welcome = guests.judge("peer", &mut s.host.checker, &s.host.memory, later(300));
    assert!(guests.right("peer", &s.market.channel).is_none());
    assert!(welcome.admitted.is_empty() && welcome.refused.len() == 1, "{welcome:?}");
}

#[test]
fn case_18_a_visit_that_fails_is_not_verified_again_where_nothing_changed() {
    // With keepers, two questions are asked of each.
    let market = Market::with_operators(|d| {
        d.sealing = Sealing::Members;
        d.keep = vec![channels::requirement(
            "keeper",
            "aggregators keep for each other",
            serde_json::json!({"role": "flex.gb.aggregator"}),
        )];
    });
    let (who, other) = (Party::new(11), Party::new(12));
    let visa =
        world::visa(&market.regulator, &who, market.operators.as_ref().expect("a role"), |_| ());
    let visa = world::issue(&market.regulator, &visa);
    let audience = market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: later(1000) };
    let expired = world::present_as(&who, &[&visa], Form::Jwt, &binding);
    let mut host = market.peer(&Party::new(3), &[&expired], market.lists(&[]));
    let mut guests = Guests::default();
    let visit = Visit { channel: market.channel.clone(), presentation: expired.id().clone() };
    let hello = Hello {
        agent: "a test".into(),
        participant: who.did.clone(),
        authorisation: None,
        visits: vec![visit],
        charter: None,
    };
    guests.hello("peer", &who.key.public_key(), &hello, &mut |_| ()).expect("somebody");
    // Every ten seconds, and with each list of somebody else.
    for tick in 1..=50 {
        let now = later(tick * 10_000);
        guests.judge("peer", &mut host.checker, &host.memory, now);
        assert_eq!(guests.right("peer", &market.channel), None);
        host.checker.status_list_came(&other.list_id(Purpose::Revocation), &other.did);
        guests.judge("peer", &mut host.checker, &host.memory, now);
    }
    assert_eq!(host.checker.verified(), 1);
    // What is known of it changed: it is looked at.
    host.checker.did_changed(&who.did);
    guests.judge("peer", &mut host.checker, &host.memory, later(501_000));
    assert_eq!(host.checker.verified(), 2);
}

#[test]
fn what_a_reader_showed_before_counts_until_it_is_known_what_it_shows_now() {
    let mut s = scene();
    let (operator, channel) = (s.operator.clone(), s.market.channel.clone());
    let role = s.market.operators.as_ref().expect("a role");
    let visa = world::visa(&s.market.regulator, &operator, role, |v| {
        v.status.iter_mut().for_each(|entry| entry.index += 1);
    });
    let visa = world::issue(&s.market.regulator, &visa);
    let audience = channel.to_string();
    let binding = Binding { audience, nonce: None, expires: in_days(30) };
    let renewed = world::present_as(&operator, &[&visa], Form::Jwt, &binding);
    let (first, second) = (s.hello(None, &s.presentation), s.hello(None, &renewed));
    let asked = Missing::Document(renewed.id().clone());
    let enter = |s: &mut Scene| {
        let mut guests = Guests::default();
        assert!(comes(s, &mut guests, &operator, &first));
        // It has not come; said again, it is the same.
        for _ in 0..2 {
            assert!(comes(s, &mut guests, &operator, &second));
        }
        let welcome = guests.judge("peer", &mut s.host.checker, &s.host.memory, NOW);
        assert!(welcome.asks.contains(&asked) && welcome.refused.is_empty(), "{welcome:?}");
        guests
    };
    // The renewed one comes: from then on it is what counts.
    let mut guests = enter(&mut s);
    s.host.memory.learn(&renewed);
    guests.judge("peer", &mut s.host.checker, &s.host.memory, NOW);
    revoke(&mut s);
    guests.judge("peer", &mut s.host.checker, &s.host.memory, later(300));
    assert_eq!(guests.right("peer", &channel), Some(Right::Read));

    // It does not come, and the earlier one is taken back.
    let mut s = scene();
    let mut guests = enter(&mut s);
    revoke(&mut s);
    guests.judge("peer", &mut s.host.checker, &s.host.memory, later(300));
    assert_eq!(guests.right("peer", &channel), None);

    // What comes says no: that counts. And a visit that is not made any more is none.
    let mut s = scene();
    let aggregator = presentation(&s.market, &operator, false);
    s.host.memory.learn(&aggregator);
    for hello in [s.hello(None, &aggregator), Hello { visits: Vec::new(), ..first.clone() }] {
        let mut guests = enter(&mut s);
        assert!(!comes(&mut s, &mut guests, &operator, &hello));
    }
    // Nobody who was never let in is let in by it.
    let mut guests = Guests::default();
    assert!(!comes(&mut s, &mut guests, &operator, &second));
}
