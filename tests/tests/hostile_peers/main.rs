//! Peers that want to do harm, against a node that runs: floods of what is refused, of what waits
//! without end, of hellos and of charters; more nodes than a participant has places for; asking for
//! what they may not have. The peer is shut out, honest ones are heard all the while, and nothing
//! grows without bound.

#![allow(missing_docs)]

mod batches;
mod behind;
mod blocks;
mod crowds;
mod equivocation;
mod files;
mod floods;
mod malformed;
mod rights;
mod scene;
mod subscriptions;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::role::RoleName;
use gridpass_credentials::secured::{Binding, Form};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::{Announcement, ChainHead, Request, Response, Visit};
use gridpass_policy::channel::{Sealing, SignedChannel};
use gridpass_tests::messages::{Market, Sender, authorise};
use gridpass_tests::nodes::clock;
use gridpass_tests::sealed::{Sealer, member};
use gridpass_tests::world::{self, Party};
use scene::{PATIENCE, Peer, Scene, ask, until};
use serde_bytes::ByteBuf;
use serde_json::Value;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn case_18_who_floods_with_what_is_refused_is_shut_out() {
    let s = Scene::new().await;
    let party = Party::new(31);
    let presentation = s.market.presentation(&party);
    let peer = s.publisher(&party, &presentation).await;
    // Its visa is for another zone than it bids in: authentic, and refused by everybody.
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    let before = ask(&s.operator, Asked::Status).await["lastNumber"].as_u64().expect("a number");
    let sent = peer
        .until_shut_out(5000, async |number| {
            let envelope = sender.send_with(clock(), |h| {
                h.attributes.insert("zone".into(), "GB-9".into());
            });
            peer.send(&envelope).await;
            if number % 100 == 0 {
                s.is_heard(u64::try_from(number).expect("small")).await;
            }
        })
        .await;
    // The first of an hour are kept, and confirmed, and no others.
    let after = ask(&s.operator, Asked::Status).await["lastNumber"].as_u64().expect("a number");
    assert!(after < before + 200, "{sent} were sent, and the log grew from {before} to {after}");
    // A few are an older list's fault at most; so many are the peer's.
    assert!(sent >= 300, "shut out after {sent}: an honest peer could come to this");
    assert!(s.blocked().await);
    s.is_heard(9999).await;
    let inbox = ask(&s.operator, Asked::Inbox { after: 0, most: 1000 }).await;
    let honest = |m: &Value| m["sender"] == s.honest.participant.as_str();
    assert!(
        inbox["messages"].as_array().expect("messages").iter().all(honest),
        "one was delivered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_breaks_its_own_chains_costs_nobody_else_its_place() {
    let s = Scene::new().await;
    for number in 61..69 {
        let party = Party::new(number);
        let presentation = s.market.presentation(&party);
        let peer = s.publisher(&party, &presentation).await;
        // In good order, and then one that does not follow from it.
        let mut sender = Sender::new(&party, &presentation, &s.market.channel);
        let good = sender.send(clock());
        peer.send(&good).await;
        let started = Instant::now();
        while !s.inbox().await.contains(good.id()) {
            assert!(started.elapsed() < PATIENCE, "it is not delivered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let other = ContentId::of_bytes(b"another").expect("a CID").to_string();
        let broken = sender.send_with(clock(), |h| {
            h.previous = EnvelopeId::parse(&other.replacen("bafkrei", "bafyrei", 1)).ok();
        });
        assert!(broken.header().previous.is_some());
        peer.send(&broken).await;
    }
    // Whoever tells of it does not answer for it.
    s.is_heard(1).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(3) {
        let peers = ask(&s.honest, Asked::Peers).await;
        let operator = peers["peers"]
            .as_array()
            .expect("peers")
            .iter()
            .find(|p| p["participant"] == s.operator.participant.as_str());
        let behaviour = operator.and_then(|p| p["behaviour"].as_f64()).expect("it is connected");
        assert!(behaviour > -5.0, "the operator answers for it: {behaviour}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    s.is_heard(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_presentations_without_end_fill_nothing() {
    let s = Scene::new().await;
    let party = Party::new(32);
    let presentation = s.market.presentation(&party);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    peer.enter(s.hello(&party, None), &s.market).await;
    let mut sender = Sender::new(&party, &presentation, &s.market.channel);
    let mut most = 0;
    for number in 0..3000_u64 {
        // Each names another one, which nobody has.
        let envelope = sender.send_with(clock(), |h| {
            h.presentation = ContentId::of_bytes(&number.to_be_bytes()).expect("a CID");
        });
        peer.send(&envelope).await;
        if number % 500 == 0 {
            s.is_heard(number).await;
            let status = ask(&s.operator, Asked::Status).await;
            most = most.max(status["waiting"].as_u64().expect("a number"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let limits = gridpass_messaging::checking::Limits::default();
    assert!(most <= u64::try_from(limits.waiting_per_peer).expect("small"), "{most} wait");
    s.is_heard(9999).await;
    // It goes on, and is asked each time for what it does not have.
    peer.until_shut_out(3000, async |number| {
        let envelope = sender.send_with(clock(), |h| {
            h.presentation = ContentId::of_bytes(format!("{number}").as_bytes()).expect("a CID");
        });
        peer.send(&envelope).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    })
    .await;
    assert!(s.blocked().await);
    s.is_heard(10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_another_message_of_a_number_is_asked_for_it_and_that_is_proof() {
    let s = Scene::new().await;
    let party = Party::new(37);
    let presentation = s.market.presentation(&party);
    let sender = Sender::new(&party, &presentation, &s.market.channel);
    let said = |sender: &Sender, kilowatts: u64, number: u64, previous| {
        let mut header = sender.header("GB-1", clock());
        header.attributes.insert("quantityKw".into(), kilowatts.into());
        (header.sequence, header.previous) = (number, previous);
        sender.sign(header, b"{\"bid\":5}")
    };
    let peer = s.publisher(&party, &presentation).await;
    let first = said(&sender, 5, 1, None);
    let second = said(&sender, 5, 2, Some(first.id().clone()));
    for envelope in [&first, &second] {
        peer.send(envelope).await;
        let started = Instant::now();
        while !s.inbox().await.contains(envelope.id()) {
            assert!(started.elapsed() < PATIENCE, "it is not delivered");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // Somebody else has another first one, and knows no second: its newest is below the own.
    let twin = said(&sender, 6, 1, None);
    let other = Party::new(38);
    let witness = Peer::new(&other, &s.market, &s.address).await;
    {
        let mut shared = witness.shared.lock().expect("not poisoned");
        shared.heads = vec![ChainHead {
            sender: party.did.clone(),
            key: twin.header().key.as_str().to_owned(),
            whole: 1,
            newest: 1,
            message: twin.id().clone(),
            contradicted: false,
        }];
        shared.given = vec![twin];
    }
    witness.enter(s.hello(&other, None), &s.market).await;
    peer.until("the proof is told", |s| s.forks > 0).await;
    // Whoever shows it answers for nothing.
    let peers = ask(&s.operator, Asked::Peers).await;
    let shown = peers["peers"].as_array().expect("peers").iter();
    let shown = shown.filter(|p| p["participant"] == other.did.as_str());
    let behaviour: Vec<_> = shown.map(|p| p["behaviour"].as_f64().expect("a number")).collect();
    assert_eq!(behaviour, [0.0]);
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_passes_on_a_fault_answers_for_it_also_when_it_had_to_wait() {
    let market = Market::with_operators(|d| d.sealing = Sealing::Members);
    let s = Scene::of(market).await;
    let party = Party::new(39);
    let presentation = s.market.presentation(&party);
    let peer = s.publisher(&party, &presentation).await;
    let reader = member(&party, &presentation);
    // It names another sender's epoch, which shows only when that has come.
    let other = Party::new(40);
    let other = Sender::new(&other, &s.market.presentation(&other), &s.market.channel);
    let other = Sealer::begin(&other, &[], std::slice::from_ref(&reader), clock());
    let epoch = other.epoch.id().clone();
    peer.shared.lock().expect("not poisoned").documents.insert(epoch.clone(), other.document);
    let sender = Sender::new(&party, &presentation, &s.market.channel);
    let mut sealer = Sealer::begin(&sender, &[], &[reader], clock());
    let envelope = sealer.send_with(clock(), |h| h.epoch = Some(epoch.clone()));
    peer.send(&envelope).await;
    peer.until("it is asked for the epoch", |s| s.documents_asked.contains(&epoch)).await;
    let started = Instant::now();
    loop {
        let peers = ask(&s.operator, Asked::Peers).await;
        let all = peers["peers"].as_array().expect("peers");
        let of_it = all.iter().find(|p| p["participant"] == party.did.as_str());
        let behaviour = of_it.and_then(|p| p["behaviour"].as_f64()).expect("it is connected");
        if behaviour < -10.0 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it does not answer for it: {behaviour}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    s.is_heard(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_who_says_without_end_that_it_reads_something_else_is_shut_out() {
    let s = Scene::new().await;
    let party = Party::new(33);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    let mut busy = 0;
    peer.until_shut_out(2000, async |number| {
        let id = ContentId::of_bytes(&number.to_be_bytes()).expect("a CID");
        match peer.ask(Request::Hello(s.hello(&party, Some(&id)))).await {
            Ok(Response::Refused(code)) if code == "GP-SYNC-BUSY" => busy += 1,
            _ => {}
        }
    })
    .await;
    assert!(busy > 0, "it was told before");
    assert!(s.blocked().await);
    s.is_heard(9999).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_charters_without_end_and_rubbish_are_held_against_who_sends_them() {
    let s = Scene::new().await;
    for (number, rubbish) in [(34, false), (35, true)] {
        let party = Party::new(number);
        let peer = Peer::new(&party, &s.market, &s.address).await;
        peer.enter(s.hello(&party, None), &s.market).await;
        let began = peer
            .until_shut_out(2000, async |number| {
                let announcement = if rubbish {
                    number.to_be_bytes().to_vec()
                } else {
                    // Signed well, by somebody whom nobody here trusts.
                    let mut charter = world::charter(&[&party], &[]);
                    charter.name = format!("Another {number}");
                    let pack = world::pack(&[world::sign_charter(charter, &[&party])], &[]);
                    Announcement::Charter(ByteBuf::from(pack)).encode().expect("encoded")
                };
                peer.publish(&peer.framework, announcement).await;
            })
            .await;
        assert_eq!(began < 100, rubbish, "shut out after {began}");
        s.is_heard(u64::from(number)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn case_18_a_participant_has_places_for_so_many_nodes() {
    let s = Scene::new().await;
    let owner = Party::new(36);
    let mut peers = Vec::new();
    for number in 40..58 {
        let node = Party::new(number);
        let peer = Peer::new(&node, &s.market, &s.address).await;
        let authorisation = authorise(&owner, &node, |_| ());
        let mut hello = s.hello(&owner, None);
        hello.authorisation = Some(ByteBuf::from(authorisation.text()));
        peer.shared.lock().expect("not poisoned").hello = Some(hello.clone());
        let _ = peer.ask(Request::Hello(hello)).await;
        peers.push(peer);
    }
    // An authorisation counts with the status list that it names.
    let lists = world::clear_lists(&[&owner]);
    for list in lists {
        let content = STANDARD.encode(list.secured().text());
        ask(&s.operator, Asked::Add { content }).await;
    }
    let parted = || {
        let parted = |p: &&Peer| p.partings() > 0;
        peers.iter().filter(parted).count()
    };
    until("two are parted with", || (parted() >= 2).then_some(())).await;
    let shown = ask(&s.operator, Asked::Peers).await;
    let shown = shown["peers"].as_array().expect("peers").clone();
    let own = shown.iter().filter(|p| p["participant"] == owner.did.as_str()).count();
    assert!(own <= 16, "{own} of one participant");
    s.is_heard(9999).await;
}

fn refused(response: &Response) -> bool {
    matches!(response, Response::Refused(code) if code == "GP-SYNC-STRANGER")
}

fn count(response: &Response) -> usize {
    let Response::Range(envelopes) = response else { panic!("{response:?}") };
    envelopes.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn case_19_who_may_not_read_is_given_its_own_messages_and_no_others() {
    let s = Scene::new().await;
    let party = Party::new(71);
    let presentation = s.market.presentation(&party);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    peer.has(&presentation);
    // Before it said who it is, nothing at all.
    assert!(refused(&peer.range(&s.market, &party.did).await));
    peer.enter(s.hello(&party, Some(presentation.id())), &s.market).await;
    let own = Sender::new(&party, &presentation, &s.market.channel).send(clock());
    peer.send(&own).await;
    let started = Instant::now();
    while !s.inbox().await.contains(own.id()) {
        assert!(started.elapsed() < PATIENCE, "it is not delivered");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(count(&peer.range(&s.market, &party.did).await), 1);
    assert!(refused(&peer.range(&s.market, &s.honest.participant).await));
    let heads = Request::Heads { channel: s.market.channel.clone(), after: None };
    let Ok(Response::Heads { heads, .. }) = peer.ask(heads).await else { panic!("heads") };
    assert!(heads.iter().all(|h| h.sender == party.did) && heads.len() == 1, "{heads:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn case_19_history_is_not_given_while_it_is_found_out_what_a_peer_may_have() {
    let s = Scene::new().await;
    // A second channel, so that something of the hello is missing.
    let other = Market::with_operators(|d| {
        d.name = RoleName::parse("flex.gb.others").expect("a name");
    });
    assert_eq!(other.descriptor.framework, s.market.descriptor.framework);
    let mut signed = SignedChannel::unsigned(other.descriptor.clone()).expect("a channel");
    signed.sign(other.regulator.at(other.descriptor.dated)).expect("signs");
    let content = STANDARD.encode(signed.to_json().to_string());
    ask(&s.operator, Asked::Add { content }).await;
    // An operator since now, who may have what is said from now on: the channel has no history.
    assert!(!s.market.descriptor.retention.history);
    let party = Party::new(72);
    // A visa says by the second when it was signed: in a later one than the message of before.
    let said = clock();
    while clock().floor_to_second() <= said {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let operators = s.market.operators.as_ref().expect("a role");
    let visa = world::visa(&s.market.regulator, &party, operators, |_| ());
    let visa = world::issue_as(&s.market.regulator, &visa, Form::Jwt, clock());
    let audience = s.market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: world::in_days(30) };
    let presentation = world::present_as(&party, &[&visa], Form::Jwt, &binding);
    let peer = Peer::new(&party, &s.market, &s.address).await;
    peer.has(&presentation);
    let mut hello = s.hello(&party, Some(presentation.id()));
    let nowhere = ContentId::of_bytes(b"nobody has it").expect("a CID");
    hello.visits.push(Visit { channel: other.channel.clone(), presentation: nowhere });
    peer.enter(hello, &s.market).await;
    // Its right is known before the rest is: then, too, nothing of before is given.
    let (started, mut refusals) = (Instant::now(), 0);
    loop {
        let response = peer.range(&s.market, &s.honest.participant).await;
        if !refused(&response) {
            assert_eq!(count(&response), 0, "what was said before it was a member");
            break;
        }
        refusals += 1;
        assert!(started.elapsed() < PATIENCE, "it may read, and is not let");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(refusals > 0, "nothing was missing: this shows nothing");
    s.is_heard(1).await;
    assert_eq!(count(&peer.range(&s.market, &s.honest.participant).await), 1);
}
