use super::super::behaviour::{gossip_config, scores};
use super::super::held::MAX_HELD;
use super::*;
use futures::io::Cursor;
use futures::{FutureExt as _, StreamExt as _};
use libp2p::core::upgrade::{InboundUpgrade as _, UpgradeInfo as _};
use libp2p::gossipsub::RawMessage;
use libp2p::swarm::ConnectionHandler as _;

const KIB: usize = 1024;

fn gate() -> Gated {
    Gated::new(gossip_config().expect("settings"), scores()).expect("a gate")
}

fn connection() -> ConnectionId {
    ConnectionId::new_unchecked(1)
}

/// A field of a protobuf.
fn field(tag: u8, inside: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    prost::encode_length_delimiter(inside.len(), &mut bytes).expect("room");
    [bytes.as_slice(), inside].concat()
}

/// What a peer says with these bytes, as gossipsub reads it.
fn read(gate: &mut Gated, peer: PeerId, rpc: &[u8]) -> Heard {
    let address = Multiaddr::empty();
    let handler = gate
        .handle_established_inbound_connection(connection(), peer, &address, &address)
        .expect("a handler");
    let (upgrade, ()) = handler.listen_protocol().into_upgrade();
    let upgrade = upgrade.left().expect("it takes gossip");
    let protocol = upgrade.protocol_info().into_iter().next().expect("a protocol");
    let mut bytes = Vec::new();
    prost::encode_length_delimiter(rpc.len(), &mut bytes).expect("room");
    bytes.extend_from_slice(rpc);
    let upgraded = upgrade.upgrade_inbound(Cursor::new(bytes), protocol).now_or_never();
    let (mut stream, _) = upgraded.expect("at once").expect("never refused");
    stream.next().now_or_never().expect("at once").expect("an RPC").expect("one that is read")
}

/// How many things are held of a peer, and how many bytes of content.
fn held(gate: &Gated, peer: &PeerId) -> (usize, usize) {
    let events = gate.held.get(peer).map(|held| &held.events);
    let bytes = |event: &Heard| -> usize {
        match event {
            Heard::Message { rpc, .. } => rpc.messages.iter().map(|m| m.data.len()).sum(),
            _ => 0,
        }
    };
    let events = || events.into_iter().flatten().map(|(_, event)| event);
    (events().count(), events().map(bytes).sum())
}

#[test]
fn of_a_stranger_so_many_bytes_are_held() {
    let (mut gate, peer) = (gate(), PeerId::random());
    // A message of the topic x that is empty.
    let said = read(&mut gate, peer, &field(0x12, &field(0x22, b"x")));
    let Heard::Message { rpc, .. } = said else { panic!("no RPC") };
    assert_eq!(rpc.messages.len(), 1);
    let mut say = |bytes: usize| {
        let mut rpc = rpc.clone();
        rpc.messages = vec![RawMessage { data: vec![7; bytes], ..rpc.messages[0].clone() }];
        let event = Heard::Message { rpc, invalid_messages: Vec::new() };
        gate.on_connection_handler_event(peer, connection(), event);
        held(&gate, &peer)
    };
    for _ in 0..MAX_HELD {
        assert_eq!(say(KIB * KIB), (0, 0));
    }
    for count in 1..=15 {
        assert_eq!(say(16 * KIB), (count, count * 16 * KIB), "what has room is held all the same");
    }
    for _ in 0..MAX_HELD {
        assert_eq!(say(16 * KIB), (15, 15 * 16 * KIB));
    }
    assert_eq!(say(100), (16, 15 * 16 * KIB + 100));
}

#[test]
fn what_a_stranger_names_takes_memory_too() {
    let (mut gate, peer) = (gate(), PeerId::random());
    // It has these messages, each with a name of no length: two bytes that become twenty-four.
    let ids = field(0x0a, &[0x12, 0].repeat(30_000));
    let graft = field(0x1a, &field(0x0a, b"x"));
    for (control, most) in [(ids, 0), (graft, MAX_HELD)] {
        for _ in 0..=MAX_HELD {
            let event = read(&mut gate, peer, &field(0x1a, &control));
            gate.on_connection_handler_event(peer, connection(), event);
        }
        assert_eq!(held(&gate, &peer).0, most);
    }
}

#[test]
fn subscriptions_take_no_place_of_what_a_stranger_says() {
    let (mut gate, peer) = (gate(), PeerId::random());
    // What it says of topics is kept beside, and nothing is left to be held.
    let topic = topic_of(&crate::test_kit::cid("channel"));
    let named = field(0x12, topic.as_str().as_bytes());
    let subscribe = [[0x08_u8, 1].as_slice(), named.as_slice()].concat();
    for _ in 0..=MAX_HELD {
        let event = read(&mut gate, peer, &field(0x0a, &subscribe));
        gate.on_connection_handler_event(peer, connection(), event);
        assert_eq!(held(&gate, &peer).0, 0);
    }
    assert_eq!(gate.refused.get(&peer).map(HashMap::len), Some(1), "the last of each topic");
    let event = read(&mut gate, peer, &field(0x12, &field(0x22, b"x")));
    gate.on_connection_handler_event(peer, connection(), event);
    assert_eq!(held(&gate, &peer).0, 1, "there is room for what else it says");
}
