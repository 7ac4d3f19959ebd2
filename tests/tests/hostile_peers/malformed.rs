//! Requests that nobody can read: each is answered, nothing is held against who sends them, and the node goes on.

use crate::scene::{PATIENCE, Scene};
use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, StreamExt as _};
use gridpass_messaging::net;
use gridpass_messaging::sync::{MAX_REQUEST, PROTOCOL, Request, Response};
use gridpass_tests::world::Party;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{self, Event, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use std::io;

/// Sends and takes any bytes.
#[derive(Clone, Default)]
struct Raw;

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

async fn write<T: AsyncWrite + Unpin + Send>(io: &mut T, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.close().await
}

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &response).await
    }
}

type Client = Swarm<request_response::Behaviour<Raw>>;

fn client(party: &Party, address: &Multiaddr) -> (Client, PeerId) {
    let protocol = (StreamProtocol::new(PROTOCOL), ProtocolSupport::Full);
    let behaviour = request_response::Behaviour::with_codec(
        Raw,
        [protocol],
        request_response::Config::default(),
    );
    let mut swarm = SwarmBuilder::with_existing_identity(net::keypair(&party.key).expect("a key"))
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_quic()
        .with_behaviour(|_| behaviour)
        .expect("a behaviour")
        .with_swarm_config(|c| c.with_idle_connection_timeout(PATIENCE))
        .build();
    swarm.dial(address.clone()).expect("dialled");
    let Some(Protocol::P2p(node)) = address.iter().last() else {
        panic!("{address} ends in no peer")
    };
    (swarm, node)
}

/// What is answered to bytes.
async fn answered(swarm: &mut Client, node: &PeerId, request: Vec<u8>) -> Response {
    let asked = swarm.behaviour_mut().send_request(node, request);
    let answer = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(Event::Message {
                    message: Message::Response { request_id, response },
                    ..
                }) if request_id == asked => return response,
                SwarmEvent::Behaviour(Event::OutboundFailure { request_id, error, .. }) => {
                    panic!("{request_id}: {error}")
                }
                _ => {}
            }
        }
    };
    let bytes = tokio::time::timeout(PATIENCE, answer).await.expect("an answer");
    Response::decode(&bytes).expect("a response")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_can_read_is_answered_with_why() {
    let s = Scene::new().await;
    let (mut swarm, node) = client(&Party::new(39), &s.address);
    let text = |text: &str| serde_ipld_dagcbor::to_vec(&text).expect("written");
    let deep = [vec![0x81; 10_000], vec![0xf6]].concat();
    let requests = [
        ("a null", vec![0xf6]),
        ("no DAG-CBOR", b"garbage".to_vec()),
        ("an unknown kind", text("another")),
        ("levels without end", deep),
        ("a tag", [vec![0xc1], text("behind")].concat()),
        ("a map where a text stands alone", [vec![0xa1], text("behind"), vec![0xf6]].concat()),
    ];
    for (what, request) in requests {
        assert!(request.len() <= MAX_REQUEST && Request::decode(&request).is_err(), "{what}");
        let response = answered(&mut swarm, &node, request).await;
        assert_eq!(response, Response::Refused("GP-SYNC-MALFORMED".into()), "{what}");
    }
    // What can be read, and came before its hello, is answered so.
    let early = Request::Behind.encode().expect("a request");
    let response = answered(&mut swarm, &node, early).await;
    assert_eq!(response, Response::Refused("GP-SYNC-STRANGER".into()));
    let hello = Request::Hello(s.hello(&Party::new(39), None)).encode().expect("a request");
    let response = answered(&mut swarm, &node, hello).await;
    assert!(matches!(response, Response::Hello(_)), "{response:?}");
    s.is_heard(1).await;
}
