//! Floods that were free once: of what is refused, called sealed, hidden behind the rate, or named with
//! a presentation that does not hold.

use crate::scene::{PATIENCE, Peer, Scene, ask};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::{Binding, Form};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::control::Asked;
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::{Market, Sender};
use gridpass_tests::nodes::clock;
use gridpass_tests::sealed::{Sealer, member};
use gridpass_tests::world::{self, Party};

/// The market of the other scenes, with as many messages a minute as a channel has that says nothing.
async fn usual() -> Scene {
    let market = Market::with_operators(|d| {
        d.limits.max_messages_per_minute = 60;
        d.retention.history = false;
    });
    Scene::of(market).await
}

/// A peer that sends so many at most, while the honest one is heard, until it is parted with and shut out. Gives how
/// many it sent.
async fn flood(s: &Scene, peer: &Peer, most: usize, mut next: impl FnMut() -> Envelope) -> usize {
    let sent = peer
        .until_shut_out(most, async |number| {
            peer.send(&next()).await;
            if number % 100 == 0 {
                s.is_heard(u64::try_from(number).expect("small")).await;
            }
        })
        .await;
    assert!(sent >= 300, "shut out after {sent}: an honest peer could come to this");
    assert!(s.blocked().await);
    s.is_heard(9999).await;
    sent
}

/// The figure of that name.
async fn figure(s: &Scene, name: &str) -> u64 {
    let figures = ask(&s.operator, Asked::Metrics).await;
    let text = figures.as_str().expect("text").to_owned();
    let line =
        text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.expect("a figure").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_a_presentation_that_does_not_hold_is_verified_once_and_who_names_it_shut_out() {
    let s = Scene::new().await;
    let party = Party::new(31);
    let visa = world::visa(&s.market.regulator, &party, &s.market.role, |_| ());
    let visa = world::issue(&s.market.regulator, &visa);
    let audience = s.market.channel.to_string();
    // It counted until yesterday.
    let binding = Binding { audience, nonce: None, expires: world::days_ago(1) };
    let presentation = world::present_as(&party, &[&visa], Form::Jwt, &binding);
    let peer = s.publisher(&party, &presentation).await;
    let name = "gridpass_presentations_verified_total";
    let before = figure(&s, name).await;
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    let sent = flood(&s, &peer, 5000, || sender.send(clock())).await;
    let after = figure(&s, name).await;
    // Its own, the honest one's anew now and then: not one for each message.
    assert!(after > before && after < before + 20, "{sent} were sent: {before}, {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_a_flood_that_is_called_sealed_where_nothing_is_sealed_is_no_cheaper() {
    let s = Scene::new().await;
    let party = Party::new(31);
    let presentation = s.market.presentation(&party);
    let peer = s.publisher(&party, &presentation).await;
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    let epoch = ContentId::of_bytes(b"an epoch").expect("a CID");
    let next = || sender.send_with(clock(), |h| h.epoch = Some(epoch.clone()));
    flood(&s, &peer, 3000, next).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_a_sealed_flood_in_a_topic_that_there_is_not_is_no_cheaper() {
    let market = Market::with_operators(|d| {
        d.sealing = Sealing::Members;
        d.limits.max_messages_per_minute = 1_000_000;
        d.retention.history = false;
    });
    let s = Scene::of(market).await;
    let party = Party::new(31);
    let presentation = s.market.presentation(&party);
    let peer = s.publisher(&party, &presentation).await;
    let sender = Sender::new(&party, &presentation, &s.market.channel);
    let reader = member(&party, &presentation);
    let mut sealer = Sealer::begin(&sender, &[], &[reader], clock());
    let (epoch, document) = (sealer.epoch.id().clone(), sealer.document.clone());
    peer.shared.lock().expect("not poisoned").documents.insert(epoch, document);
    flood(&s, &peer, 900, || sealer.send_with(clock(), |h| h.topic = "offers".into())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_a_flood_of_refused_messages_is_not_hidden_behind_the_rate() {
    // By the sender's own node, and by another.
    for own in [true, false] {
        let s = usual().await;
        let (party, other) = (Party::new(31), Party::new(32));
        let presentation = s.market.presentation(&party);
        let bearer = if own { &party } else { &other };
        let peer = s.publisher(bearer, &presentation).await;
        let mut sender = Sender::new(&party, &presentation, &s.market.channel);
        let next = || {
            sender.send_with(clock(), |h| drop(h.attributes.insert("zone".into(), "GB-9".into())))
        };
        flood(&s, &peer, 3000, next).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_who_may_send_and_sends_without_end_is_shut_out() {
    let s = usual().await;
    let party = Party::new(31);
    let presentation = s.market.presentation(&party);
    let peer = s.publisher(&party, &presentation).await;
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    // A little too fast is borne: twice what is allowed.
    for _ in 0..120 {
        peer.send(&sender.send(clock())).await;
    }
    let rate = "gridpass_checked_total{verdict=\"ignore\",code=\"GP-MESSAGE-RATE\"}";
    let started = std::time::Instant::now();
    loop {
        let figures = ask(&s.operator, Asked::Metrics).await;
        if figures.as_str().expect("text").contains(rate) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it is not too fast");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(!s.blocked().await);
    flood(&s, &peer, 5000, || sender.send(clock())).await;
}
