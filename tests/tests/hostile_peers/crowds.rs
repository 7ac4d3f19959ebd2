//! Many names that cost nothing, together: what they bring and nobody can decide takes no place of who is
//! known here, nor of who is honest and merely new.

use crate::scene::{PATIENCE, Peer, Scene, address, ask};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_messaging::checking::Limits;
use gridpass_messaging::net::{Command, keys_topic_of};
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::sealing::{Member, Membership, Statement};
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::{Market, Sender};
use gridpass_tests::nodes::{self, bid, clock};
use gridpass_tests::world::Party;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// A statement of somebody that it may read, by a presentation that nobody has.
fn membership(market: &Market, party: &Party, number: u64) -> Vec<u8> {
    let nothing = format!("{} {number}", party.did);
    let member = Member {
        node: party.did.clone(),
        participant: party.did.clone(),
        authorisation: None,
        presentation: ContentId::of_bytes(nothing.as_bytes()).expect("a CID"),
    };
    let (channel, issued) = (market.channel.clone(), clock());
    let said = Statement::Membership(Membership { channel, member, issued, lacks: Vec::new() });
    said.sign(&party.key, &party.key_id).expect("signed").into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_say_that_they_read_keep_nobody_from_being_handed_keys() {
    let market = Market::with_operators(|d| {
        d.sealing = Sealing::Members;
        d.retention.history = true;
    });
    let s = Scene::of(market).await;
    let sender = address(&s.honest).await;
    let topic = keys_topic_of(&s.market.channel);
    let mut strangers = Vec::new();
    for number in 101..113 {
        let party = Party::new(number);
        let peer = Peer::new(&party, &s.market, &sender).await;
        peer.enter(s.hello(&party, None), &s.market).await;
        peer.tell(Command::Subscribe(topic.clone())).await;
        let topics: HashSet<_> = [topic.clone()].into();
        peer.tell(Command::Open { peer: peer.node, topics, expected: HashSet::new() }).await;
        strangers.push((party, peer));
    }
    let mut number = 0;
    let mut say = async || {
        for (party, peer) in &strangers {
            number += 1;
            let data = membership(&s.market, party, number);
            let command = Command::Publish { topic: topic.clone(), data, envelopes: Vec::new() };
            peer.tell(command).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for _ in 0..100 {
        say().await;
    }
    // Somebody who may read joins while they go on, and is handed the keys.
    let folder = tempfile::tempdir().expect("a folder");
    let reader = nodes::start(folder.path(), &s.market, &Party::new(23), true).await;
    let ticket = ask(&s.honest, Asked::Invite { channels: Vec::new() }).await;
    let ticket = ticket["ticket"].as_str().expect("a ticket").to_owned();
    ask(&reader, Asked::Join { ticket }).await;
    let sent = ask(&s.honest, bid(1, 64)).await["id"].clone();
    let started = Instant::now();
    loop {
        say().await;
        let inbox = ask(&reader, Asked::Inbox { after: 0, most: 1000 }).await;
        if inbox["messages"].as_array().expect("messages").iter().any(|m| m["id"] == sent) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it is handed no keys");
    }
    // Who passes on what it does not have answers for it.
    while strangers.iter().all(|(_, p)| p.partings() == 0) {
        say().await;
        assert!(started.elapsed() < PATIENCE * 2, "none of them is shut out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_name_a_did_that_is_not_there_take_no_room_for_good() {
    let s = Scene::new().await;
    let scid = "QmfGEUAcMpzo25kF2Rhn8L5FAXysfGnkzjwdKoNPi615XQ";
    let mut strangers = Vec::new();
    for number in 101..107 {
        let party = Party::new(number);
        let presentation = s.market.presentation(&party);
        let peer = s.publisher(&party, &presentation).await;
        // It says that it has what proves the DID.
        peer.shared.lock().expect("not poisoned").lies = true;
        let nobody = format!("did:webvh:{scid}:nobody{number}.example");
        let mut sender = Sender::new(&party, &presentation, &s.market.channel);
        sender.party.did = Did::parse(&nobody).expect("a DID");
        sender.party.key_id = sender.party.did.with_fragment("key-1").expect("a key id");
        strangers.push((sender, peer));
    }
    let limit = u64::try_from(Limits::default().waiting / 4).expect("small");
    let started = Instant::now();
    let shut_out = |strangers: &[(Sender, Peer)]| {
        let parted = |p: &Peer| p.partings() > 0;
        strangers.iter().filter(|(_, peer)| parted(peer)).count()
    };
    let mut round = 0;
    while shut_out(&strangers) < strangers.len() {
        assert!(started.elapsed() < PATIENCE * 2, "they are not shut out");
        for (sender, peer) in &mut strangers {
            peer.send(&sender.send(clock())).await;
        }
        round += 1;
        if round % 50 == 0 {
            let waiting = ask(&s.operator, Asked::Status).await["waiting"].clone();
            assert!(waiting.as_u64().is_some_and(|w| w <= limit), "{waiting} wait");
            s.is_heard(round).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    s.is_heard(9999).await;
}

/// Opens connections from an address of its own, says nothing, and opens again those that end.
#[cfg(target_os = "linux")]
async fn says_nothing(node: std::net::SocketAddr) {
    let own = "127.0.0.2:0".parse().expect("an address");
    loop {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind(own).expect("an address of this machine");
        if let Ok(connection) = socket.connect(node).await {
            let mut heard = [0; 256];
            while connection.readable().await.is_ok() {
                match connection.try_read(&mut heard) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => break,
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_opens_connections_and_says_nothing_keeps_nobody_out() {
    use libp2p::multiaddr::Protocol;
    let s = Scene::new().await;
    let port = s.address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    let node = std::net::SocketAddr::from(([127, 0, 0, 1], port.expect("a port")));
    let flood: Vec<_> = (0..300).map(|_| tokio::spawn(says_nothing(node))).collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Whoever comes from elsewhere is let in at once, again and again.
    for number in 101..104 {
        let party = Party::new(number);
        let peer = Peer::new(&party, &s.market, &s.address).await;
        peer.enter(s.hello(&party, None), &s.market).await;
    }
    s.is_heard(1).await;
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}
