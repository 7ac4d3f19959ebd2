//! A right that ends while its holder is connected, at a node that runs: nothing more is given to who read,
//! whatever else it says of itself, and nothing more is taken from who sent, though its own node does not
//! mind.

use crate::scene::{PATIENCE, Peer, Scene, ask};
use crate::subscriptions::{is_subscribed, reader};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::{RoleDefinition, RoleName};
use gridpass_credentials::secured::Secured;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::did::Did;
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::net::{Command, topic_of};
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sync::{Hello, Request, Response, Visit};
use gridpass_policy::channel::SignedChannel;
use gridpass_tests::messages::{Market, Sender, authorise};
use gridpass_tests::nodes::clock;
use gridpass_tests::world::{self, Party};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The version of the lists that take something back.
const NEWER: u64 = 6;

/// A newer list of somebody, dated now, in which one place is set.
fn revoking(signer: &Party, index: u64) -> StatusList {
    let at = clock();
    let change = Change { index, set: true, at };
    world::list_by(signer, signer, Purpose::Revocation, &[change], |l| {
        l["validFrom"] = json!(at);
        l["credentialSubject"]["statusList"]["version"] = json!(NEWER);
    })
}

/// The regulator's list that takes a party's visa back, and not that of the scene's own.
pub(crate) fn visa_revoked(s: &Scene, party: &Party, role: &RoleDefinition) -> StatusList {
    let place = |party: &Party| {
        let visa = world::visa(&s.market.regulator, party, role, |_| ());
        visa.status.iter().find(|e| e.purpose == Purpose::Revocation).expect("an entry").index
    };
    let index = place(party);
    assert!([21, 22].into_iter().all(|own| place(&Party::new(own)) != index), "another party");
    revoking(&s.market.regulator, index)
}

pub(crate) async fn add(node: &Node, content: &[u8]) {
    ask(node, Asked::Add { content: STANDARD.encode(content) }).await;
}

pub(crate) async fn add_list(node: &Node, list: &StatusList) {
    add(node, list.secured().text().as_bytes()).await;
}

/// Waits until a node has a list.
async fn has_list(node: &Node, list: &StatusList) {
    let is_it = |l: &Value| {
        l["list"] == list.id.as_str()
            && l["signer"] == list.issuer.as_str()
            && l["version"] == NEWER
    };
    let started = Instant::now();
    while !ask(node, Asked::Lists).await["lists"].as_array().expect("lists").iter().any(is_it) {
        assert!(started.elapsed() < PATIENCE, "the list does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A channel that the operator's node knows beside the scene's.
async fn second_channel(s: &Scene) -> ContentId {
    let other = Market::with_operators(|d| {
        d.name = RoleName::parse("flex.gb.others").expect("a name");
    });
    let mut signed = SignedChannel::unsigned(other.descriptor.clone()).expect("a channel");
    signed.sign(other.regulator.at(other.descriptor.dated)).expect("signs");
    add(&s.operator, signed.to_json().to_string().as_bytes()).await;
    other.channel
}

fn nowhere() -> ContentId {
    ContentId::of_bytes(b"nobody has it").expect("a CID")
}

/// How much of a sender's a peer is given that asks for it: nothing where it is refused, or cut off.
async fn is_given(peer: &Peer, s: &Scene, sender: &Did) -> Option<usize> {
    let key = sender.with_fragment(sender.method_specific_id()).expect("a key id");
    let request = Request::Range {
        channel: s.market.channel.clone(),
        sender: sender.clone(),
        key: key.as_str().to_owned(),
        from: 1,
        until: 10,
    };
    match peer.ask(request).await {
        Ok(Response::Range(envelopes)) => Some(envelopes.len()),
        Ok(Response::Refused(code)) => {
            assert_eq!(code, "GP-SYNC-STRANGER");
            None
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

/// What a reader says besides, so that something is missing when its right ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// It visits another channel too, with a presentation that nobody has.
    SecondVisit,
    /// It shows another presentation in place of the one that it was let in by, which nobody has.
    Renewal,
}

/// Says again who it is, and is taken for it.
async fn says(peer: &Peer, hello: &Hello) {
    peer.shared.lock().expect("not poisoned").hello = Some(hello.clone());
    let started = Instant::now();
    while !matches!(peer.ask(Request::Hello(hello.clone())).await, Ok(Response::Hello(_))) {
        assert!(started.elapsed() < PATIENCE, "it is not taken for what it says");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_reader_is_cut_off(number: u8, besides: Besides) {
    let s = Scene::new().await;
    let (peer, party, mut hello) = reader(&s, number).await;
    if besides == Besides::SecondVisit {
        let channel = second_channel(&s).await;
        hello.visits.push(Visit { channel, presentation: nowhere() });
    }
    peer.enter(hello.clone(), &s.market).await;
    is_subscribed(&s, &party).await;
    s.passes_on_to(&peer).await;
    if besides == Besides::Renewal {
        hello.visits[0].presentation = nowhere();
        says(&peer, &hello).await;
        peer.until("it is asked for it", |s| s.documents_asked.contains(&nowhere())).await;
        // Meanwhile what it showed before counts.
        s.passes_on_to(&peer).await;
    }
    let honest = s.honest.participant.clone();
    assert!(is_given(&peer, &s, &honest).await.is_some_and(|many| many > 0));
    assert_eq!(peer.partings(), 0);

    let role = s.market.operators.as_ref().expect("a role");
    add_list(&s.operator, &visa_revoked(&s, &party, role)).await;
    // From the moment on in which the list is here: by catching up, and by gossip.
    assert_eq!(is_given(&peer, &s, &honest).await, None, "{besides:?}");
    let later = s.is_heard(1).await;
    peer.until("it is parted with", |s| s.partings > 0).await;
    assert!(!peer.heard().contains(&later), "{besides:?}: it reads on");
    // Nor when it comes again.
    says(&peer, &hello).await;
    let last = s.is_heard(2).await;
    assert_eq!(is_given(&peer, &s, &honest).await, None);
    assert!(!peer.heard().contains(&later) && !peer.heard().contains(&last));
}

#[tokio::test(flavor = "multi_thread")]
async fn case_16_a_reader_whose_visa_is_revoked_is_given_nothing_more() {
    a_reader_is_cut_off(101, Besides::Nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_16_a_revoked_reader_gains_nothing_by_another_visit_of_which_something_is_missing() {
    a_reader_is_cut_off(102, Besides::SecondVisit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_16_a_revoked_reader_gains_nothing_by_showing_what_nobody_has() {
    a_reader_is_cut_off(103, Besides::Renewal).await;
}

/// A peer that sends what it likes, heard so far.
struct Insisting {
    peer: Peer,
    sender: Sender,
}

impl Insisting {
    async fn new(s: &Scene, node: &Party, hello: Hello, sender: Sender, has: &[&Secured]) -> Self {
        let peer = Peer::new(node, &s.market, &s.address).await;
        has.iter().for_each(|document| peer.has(document));
        peer.enter(hello, &s.market).await;
        let mut insisting = Self { peer, sender };
        insisting.is_delivered(s).await;
        insisting
    }

    async fn says(&mut self) -> Envelope {
        let envelope = self.sender.send(clock());
        self.peer.send(&envelope).await;
        envelope
    }

    /// Says something, and the operator is given it.
    async fn is_delivered(&mut self, s: &Scene) {
        let (envelope, started) = (self.says().await, Instant::now());
        while !s.inbox().await.contains(envelope.id()) {
            assert!(started.elapsed() < PATIENCE, "it is not delivered");
            tokio::time::sleep(Duration::from_millis(50)).await;
            // Refused by its own gossip as long as that knows nobody who listens.
            self.peer.send(&envelope).await;
        }
    }

    /// Says something that is looked at, and neither delivered nor passed on.
    async fn is_turned_away(&mut self, s: &Scene, onlooker: &Peer) {
        let before = s.turned_away().await;
        let (envelope, started) = (self.says().await, Instant::now());
        while s.turned_away().await == before {
            assert!(started.elapsed() < PATIENCE, "it is not looked at");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What comes after it is passed on, and in order.
        s.passes_on_to(onlooker).await;
        assert!(!s.inbox().await.contains(envelope.id()), "it is delivered");
        assert!(!onlooker.heard().contains(envelope.id()), "it is passed on");
    }
}

/// A reader that is connected with the operator's node and hears what that passes on.
async fn onlooker(s: &Scene, number: u8) -> Peer {
    let (peer, party, hello) = reader(s, number).await;
    peer.enter(hello, &s.market).await;
    is_subscribed(s, &party).await;
    s.passes_on_to(&peer).await;
    peer
}

#[tokio::test(flavor = "multi_thread")]
async fn case_16_nothing_more_passes_of_a_sender_that_goes_on_after_its_visa_was_revoked() {
    let s = Scene::new().await;
    let onlooker = onlooker(&s, 104).await;
    let party = Party::new(105);
    let presentation = s.market.presentation(&party);
    let sender = Sender::new(&party, &presentation, &s.market.channel);
    let hello = s.hello(&party, None);
    let mut insisting = Insisting::new(&s, &party, hello, sender, &[&presentation]).await;
    // The list comes from somebody else's node.
    let list = visa_revoked(&s, &party, &s.market.role);
    add_list(&s.honest, &list).await;
    has_list(&s.operator, &list).await;
    insisting.is_turned_away(&s, &onlooker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_17_a_node_whose_authorisation_is_withdrawn_speaks_no_more_and_another_does() {
    let s = Scene::new().await;
    let onlooker = onlooker(&s, 106).await;
    let owner = Party::new(107);
    for list in world::clear_lists(&[&owner]) {
        add_list(&s.operator, &list).await;
    }
    let presentation = s.market.presentation(&owner);
    let mut nodes = Vec::new();
    for (number, index) in [(108, 77), (109, 78)] {
        let node = Party::new(number);
        let authorisation = authorise(&owner, &node, |a| a.status.index = index);
        let mut hello = s.hello(&owner, None);
        hello.authorisation = Some(ByteBuf::from(authorisation.text()));
        let mut sender = Sender::new(&owner, &presentation, &s.market.channel);
        sender.node = Some((node.clone(), authorisation.id().clone()));
        let has = [&presentation, &authorisation];
        nodes.push(Insisting::new(&s, &node, hello, sender, &has).await);
    }
    let [stolen, other] = nodes.as_mut_slice() else { panic!("two nodes") };
    add_list(&s.operator, &revoking(&owner, 77)).await;
    stolen.is_turned_away(&s, &onlooker).await;
    other.is_delivered(&s).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_that_it_reads_no_more_and_stays_subscribed_hears_nothing() {
    let s = Scene::new().await;
    let (peer, party, hello) = reader(&s, 110).await;
    peer.enter(hello.clone(), &s.market).await;
    is_subscribed(&s, &party).await;
    s.passes_on_to(&peer).await;
    // It says that it takes part no more, and keeps its subscription.
    let none = Hello { visits: Vec::new(), ..hello.clone() };
    let answer = peer.ask(Request::Hello(none.clone())).await;
    let later = s.is_heard(1).await;
    peer.until("it is parted with", |s| s.partings > 0).await;
    assert!(!peer.heard().contains(&later), "{answer:?}");
    says(&peer, &none).await;
    peer.tell(Command::Unsubscribe(topic_of(&s.market.channel))).await;
    peer.tell(Command::Subscribe(topic_of(&s.market.channel))).await;
    let last = s.is_heard(2).await;
    assert_eq!(is_given(&peer, &s, &s.honest.participant).await, None);
    assert!(!peer.heard().contains(&last));
}
