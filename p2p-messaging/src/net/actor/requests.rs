//! What peers ask and answer.

use super::super::{NetEvent, Reply};
use super::Actor;
use crate::codes;
use crate::sync::{Request, Response};
use libp2p::request_response::{Event, Message};

/// What a request counts as: most are short, and each may ask for a page.
const REQUEST_BYTES: usize = 64 * 1024;

impl<E: From<NetEvent> + Send + 'static> Actor<E> {
    pub(super) fn take_sync(&mut self, event: Event<Request, Response>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                match self.ticket(&peer, REQUEST_BYTES) {
                    Some(ticket) => {
                        let reply = Reply { channel, _ticket: ticket };
                        let request = Box::new(request);
                        self.tell(NetEvent::Asked { peer, request, reply });
                    }
                    None => {
                        let busy = Response::Refused(codes::SYNC_BUSY.id().to_owned());
                        let _ = self.swarm.behaviour_mut().sync.send_response(channel, busy);
                    }
                }
            }
            Event::Message {
                peer, message: Message::Response { request_id, response }, ..
            } => {
                if let Some(tag) = self.asked.remove(&request_id) {
                    self.tell(NetEvent::Answered { peer, tag, result: Ok(Box::new(response)) });
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                if let Some(tag) = self.asked.remove(&request_id) {
                    let result = Err(error.into());
                    self.tell(NetEvent::Answered { peer, tag, result });
                }
            }
            Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, "its request was not answered: {error}");
            }
            Event::ResponseSent { .. } => {}
        }
    }
}
