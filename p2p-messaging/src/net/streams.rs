//! Streams of a protocol that is spoken outside the swarm's task: they are opened on demand, and those
//! that come are handed over, or dropped where nobody takes them up.
//!
//! `libp2p-stream` 0.5.0-alpha does the same, forgets no connection that ever was, and hands over one
//! stream at a time: where two come at once, one is lost.

use crate::exchange::{OpenError, Opened, PROTOCOL_1_1, PROTOCOL_1_2};
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
    NetworkBehaviour, NotifyHandler, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

/// The most streams of a connection that are being opened by this side.
const MAX_OPENING: usize = 16;

const PROTOCOLS: [StreamProtocol; 2] =
    [StreamProtocol::new(PROTOCOL_1_2), StreamProtocol::new(PROTOCOL_1_1)];

/// Where a stream goes that was opened.
pub(super) type Reply = oneshot::Sender<Result<Opened, OpenError>>;

/// Opens streams, and hands over those that come.
pub(super) struct Streams {
    incoming: mpsc::Sender<(PeerId, Opened)>,
    to_open: VecDeque<(PeerId, Reply)>,
}

impl Streams {
    /// What comes goes to `incoming`.
    pub(super) fn new(incoming: mpsc::Sender<(PeerId, Opened)>) -> Self {
        Self { incoming, to_open: VecDeque::new() }
    }

    /// Opens a stream with a peer that is connected; where it is not, the reply is dropped.
    pub(super) fn open(&mut self, peer: PeerId, reply: Reply) {
        self.to_open.push_back((peer, reply));
    }

    fn handler(&self, peer: PeerId) -> Handler {
        Handler { peer, incoming: self.incoming.clone(), asked: VecDeque::new(), opening: 0 }
    }
}

impl NetworkBehaviour for Streams {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.to_open.pop_front() {
            Some((peer_id, event)) => {
                let handler = NotifyHandler::Any;
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event })
            }
            None => Poll::Pending,
        }
    }
}

/// The same, of one connection.
pub(super) struct Handler {
    peer: PeerId,
    incoming: mpsc::Sender<(PeerId, Opened)>,
    asked: VecDeque<Reply>,
    opening: usize,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Reply;
    type ToBehaviour = Infallible;
    type InboundProtocol = Negotiation;
    type OutboundProtocol = Negotiation;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Negotiation> {
        SubstreamProtocol::new(Negotiation, ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Negotiation, Reply, Infallible>> {
        if self.opening >= MAX_OPENING {
            return Poll::Pending;
        }
        match self.asked.pop_front() {
            Some(reply) => {
                self.opening = self.opening.saturating_add(1);
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: SubstreamProtocol::new(Negotiation, reply),
                })
            }
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, reply: Reply) {
        self.asked.push_back(reply);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Negotiation, Negotiation, (), Reply>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol, ..
            }) => {
                let handed = self.incoming.try_send((self.peer, protocol));
                if handed.is_err() {
                    tracing::debug!(peer = %self.peer, "a stream came that nobody takes up");
                }
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info: reply,
            }) => {
                self.opening = self.opening.saturating_sub(1);
                let _ = reply.send(Ok(protocol));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                self.opening = self.opening.saturating_sub(1);
                let why = match error {
                    StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
                    StreamUpgradeError::Timeout => OpenError::Gone,
                    StreamUpgradeError::Apply(never) => match never {},
                    StreamUpgradeError::Io(_) => OpenError::Gone,
                };
                let _ = reply.send(Err(why));
            }
            _ => {}
        }
    }
}

/// Agrees on the newest version that both sides speak.
#[derive(Clone, Copy, Debug)]
pub(super) struct Negotiation;

impl UpgradeInfo for Negotiation {
    type Info = StreamProtocol;
    type InfoIter = std::array::IntoIter<StreamProtocol, 2>;

    fn protocol_info(&self) -> Self::InfoIter {
        PROTOCOLS.into_iter()
    }
}

fn opened(stream: Stream, protocol: &StreamProtocol) -> Ready<Result<Opened, Infallible>> {
    ready(Ok(Opened { stream, tells_what_it_has: protocol.as_ref() == PROTOCOL_1_2 }))
}

impl InboundUpgrade<Stream> for Negotiation {
    type Output = Opened;
    type Error = Infallible;
    type Future = Ready<Result<Opened, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        opened(stream, &protocol)
    }
}

impl OutboundUpgrade<Stream> for Negotiation {
    type Output = Opened;
    type Error = Infallible;
    type Future = Ready<Result<Opened, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        opened(stream, &protocol)
    }
}
