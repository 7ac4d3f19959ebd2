//! Several envelopes in one message of gossip: each is judged by itself, and they are passed on together, or
//! one by one as far as they are admitted.

use crate::rights::{add_list, visa_revoked};
use crate::scene::{PATIENCE, Peer, Scene, ask, until};
use crate::subscriptions::{is_subscribed, reader};
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::pack;
use gridpass_tests::messages::Sender;
use gridpass_tests::nodes::clock;
use gridpass_tests::world::{self, Party};
use std::time::{Duration, Instant};

fn wire(envelope: &Envelope) -> Vec<u8> {
    envelope.to_wire().expect("written")
}

/// A batch, whoever's envelopes it is made of.
fn batch(wires: &[Vec<u8>]) -> Vec<u8> {
    let name = EnvelopeId::of_block(b"any").expect("a name");
    let all = wires.iter().map(|wire| (name.clone(), wire.clone())).collect();
    let [packed] = pack(all).expect("packed").try_into().expect("one message");
    packed.bytes
}

struct Bearer {
    peer: Peer,
    sender: Sender,
}

impl Bearer {
    /// One that is heard.
    async fn new(s: &Scene, number: u8) -> Self {
        let party = Party::new(number);
        let presentation: Secured = s.market.presentation(&party);
        let peer = s.publisher(&party, &presentation).await;
        let sender = Sender::new(&party, &presentation, &s.market.channel);
        let mut bearer = Self { peer, sender };
        let (first, started) = (bearer.good(), Instant::now());
        while !s.inbox().await.contains(first.id()) {
            assert!(started.elapsed() < PATIENCE, "it is not heard");
            // Refused by its own gossip as long as that knows nobody who listens.
            bearer.peer.send(&first).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bearer
    }

    fn good(&mut self) -> Envelope {
        self.sender.send(clock())
    }

    /// Authentic, and for a zone in which it may not bid.
    fn refused(&mut self) -> Envelope {
        self.sender.send_with(clock(), |h| {
            h.attributes.insert("zone".into(), "GB-9".into());
        })
    }

    async fn bring(&self, s: &Scene, wires: &[Vec<u8>]) {
        self.peer.publish(&s.market.channel, batch(wires)).await;
    }
}

async fn is_delivered(s: &Scene, envelope: &Envelope) {
    let started = Instant::now();
    while !s.inbox().await.contains(envelope.id()) {
        assert!(started.elapsed() < PATIENCE, "it is not delivered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_envelope_of_a_batch_is_judged_by_itself_up_to_one_at_fault() {
    let s = Scene::new().await;
    let mut bearer = Bearer::new(&s, 51).await;
    let all = [bearer.good(), bearer.good(), bearer.good()];
    bearer.bring(&s, &all.each_ref().map(wire)).await;
    is_delivered(&s, &all[2]).await;
    let inbox = s.inbox().await;
    let delivered: Vec<_> = inbox.iter().filter(|id| all.iter().any(|e| e.id() == *id)).collect();
    assert_eq!(delivered, all.each_ref().map(Envelope::id), "all of it, once and in order");
    // A refused one does not take the others with it.
    let (before, refused, after) = (bearer.good(), bearer.refused(), bearer.good());
    bearer.bring(&s, &[wire(&before), wire(&refused), wire(&after)]).await;
    is_delivered(&s, &after).await;
    let inbox = s.inbox().await;
    assert!(inbox.contains(before.id()) && !inbox.contains(refused.id()));
    // Who reads here learns of it, and why.
    let told = s.operator.refused(0, 10).await.expect("an answer");
    let [told] = &told[..] else { panic!("{told:?}") };
    assert_eq!((&told.id, &told.sender), (refused.id(), &refused.header().sender));
    let unmet = told.reasons.iter().find(|r| r.code == "GP-POLICY-UNMET").expect("a reason");
    assert!(unmet.why.as_deref().is_some_and(|why| !why.is_empty()), "{told:?}");
    assert!(s.operator.refused(told.number, 10).await.expect("an answer").is_empty());
    // One that is forged ends it.
    let (first, forged, last) = (bearer.good(), bearer.good(), bearer.good());
    let mut forged = wire(&forged);
    *forged.last_mut().expect("a signature") ^= 1;
    bearer.bring(&s, &[wire(&first), forged, wire(&last)]).await;
    is_delivered(&s, &first).await;
    s.is_heard(1).await;
    assert!(!s.inbox().await.contains(last.id()), "what stands behind a fault is not looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peer_makes_nobody_believe_that_the_clock_is_behind() {
    const HOUR: u64 = 3_600_000;
    let s = Scene::new().await;
    let (mut one, mut other) = (Bearer::new(&s, 54).await, Bearer::new(&s, 55).await);
    let behind = async || ask(&s.operator, Asked::Status).await["clockBehind"].clone();
    let last = one.good();
    let early = one.sender.send(clock().plus_millis(HOUR));
    let named = other.sender.send(clock().plus_millis(HOUR));
    let mut forged = wire(&named);
    *forged.last_mut().expect("a signature") ^= 1;
    one.bring(&s, &[wire(&early), forged]).await;
    one.bring(&s, &[wire(&last)]).await;
    is_delivered(&s, &last).await;
    assert_eq!(behind().await, false, "the other signed none of it");
    // Of two who signed it that is believed.
    other.bring(&s, &[wire(&named)]).await;
    let started = Instant::now();
    while behind().await != true {
        assert!(started.elapsed() < PATIENCE, "it is not said");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_who_fills_batches_with_the_same_again_is_shut_out() {
    let s = Scene::new().await;
    let mut bearer = Bearer::new(&s, 52).await;
    let (mut last, mut brought) = (None, 0);
    while bearer.peer.partings() == 0 {
        let again = bearer.good();
        bearer.bring(&s, &vec![wire(&again); 64]).await;
        brought += 1;
        assert!(brought < 200, "as often as it likes");
        last = Some(again);
        s.is_heard(brought).await;
    }
    // Each began with one that counts; the first three bearings cost it its place.
    assert!(last.is_some() && s.blocked().await, "after {brought}");
    assert!(brought < 20, "shut out after {brought}");
    s.is_heard(9999).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_passed_on_whole_or_not_at_all() {
    let s = Scene::new().await;
    let (onlooker, party, hello) = reader(&s, 53).await;
    onlooker.enter(hello, &s.market).await;
    is_subscribed(&s, &party).await;
    let mut bearer = Bearer::new(&s, 54).await;
    let heard = |data: Vec<u8>| {
        onlooker.shared.lock().expect("not poisoned").heard.contains(&data).then_some(())
    };
    // Until it has a place in the mesh nothing is passed on to it.
    let mut known = bearer.good();
    let started = Instant::now();
    while heard(wire(&known)).is_none() {
        assert!(started.elapsed() < PATIENCE, "one by itself is passed on");
        known = bearer.good();
        bearer.peer.send(&known).await;
        is_delivered(&s, &known).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mixed = [wire(&bearer.good()), wire(&bearer.refused())];
    bearer.bring(&s, &mixed).await;
    let with_known = [wire(&known), wire(&bearer.good())];
    bearer.bring(&s, &with_known).await;
    for alone in [&mixed[0], &with_known[1]] {
        until("what was admitted of it goes on by itself", || heard(alone.clone())).await;
    }
    let good = [bearer.good(), bearer.good()].each_ref().map(wire);
    bearer.bring(&s, &good).await;
    until("the good one is passed on", || heard(batch(&good))).await;
    // They were judged before it, and what is passed on keeps its order.
    assert!(heard(batch(&mixed)).is_none(), "with one that others refuse");
    assert!(heard(mixed[1].clone()).is_none(), "which is refused by itself too");
    assert!(heard(batch(&with_known)).is_none(), "with one that was admitted before");
}

/// While one envelope of a batch waits, the visa by which another was admitted is taken back.
#[tokio::test(flavor = "multi_thread")]
async fn case_16_a_batch_that_waited_is_not_passed_on_with_what_was_revoked_meanwhile() {
    let s = Scene::new().await;
    let (onlooker, party, hello) = reader(&s, 55).await;
    onlooker.enter(hello, &s.market).await;
    is_subscribed(&s, &party).await;
    s.passes_on_to(&onlooker).await;
    let mut bearer = Bearer::new(&s, 56).await;
    // Another visa of the same sender, which nobody takes back.
    let sender = bearer.sender.party.clone();
    let visa = world::visa(&s.market.regulator, &sender, &s.market.role, |v| {
        v.id = "urn:example:visa:another".into();
        v.status.iter_mut().for_each(|entry| entry.index += 1);
    });
    let visa = world::issue(&s.market.regulator, &visa);
    let audience = s.market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: world::in_days(30) };
    let other = world::present_as(&sender, &[&visa], Form::Jwt, &binding);
    bearer.peer.has(&other);
    bearer.peer.shared.lock().expect("not poisoned").slow.insert(other.id().clone());

    let first = bearer.good();
    let by_another = |bearer: &mut Bearer| {
        bearer.sender.send_with(clock(), |h| h.presentation = other.id().clone())
    };
    let second = by_another(&mut bearer);
    let both = [wire(&first), wire(&second)];
    let started = Instant::now();
    bearer.bring(&s, &both).await;
    is_delivered(&s, &first).await;
    bearer.peer.until("it is asked for", |s| s.documents_asked.contains(other.id())).await;
    add_list(&s.operator, &visa_revoked(&s, &sender, &s.market.role)).await;
    bearer.peer.gives_at_last().await;
    is_delivered(&s, &second).await;
    let in_time = started.elapsed() < Duration::from_secs(3);
    let third = by_another(&mut bearer);
    bearer.peer.send(&third).await;
    until("what comes after it", || onlooker.heard().contains(third.id()).then_some(())).await;
    assert!(!onlooker.heard().contains(first.id()), "it is known to be revoked");
    // What waits longer than gossip remembers it is left to catching up.
    assert!(!in_time || onlooker.heard().contains(second.id()), "what still holds goes on");
}
