//! What peers ask and answer.

use super::super::codec::Incoming;
use super::super::{NetEvent, Reply};
use super::Actor;
use crate::codes;
use crate::sync::Response;
use libp2p::request_response::{Event, Message};

/// What a request counts as: most are short, and each may ask for a page.
const REQUEST_BYTES: usize = 64 * 1024;

impl<E: From<NetEvent> + Send + 'static> Actor<E> {
    pub(super) fn take_sync(&mut self, event: Event<Incoming, Response>) {
        match event {
            Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                let refused = match (request, self.ticket(&peer, REQUEST_BYTES)) {
                    (Ok(request), Some(ticket)) => {
                        let reply = Reply { channel, _ticket: ticket };
                        let request = Box::new(request);
                        self.tell(NetEvent::Asked { peer, request, reply });
                        return;
                    }
                    (Ok(_), None) => codes::SYNC_BUSY,
                    // A later version may ask what this one does not know: nothing is held against it.
                    (Err(e), _) => {
                        tracing::debug!(%peer, "it asks what nobody can answer: {e}");
                        codes::SYNC_MALFORMED
                    }
                };
                let response = Response::Refused(refused.id().to_owned());
                let _ = self.swarm.behaviour_mut().sync.send_response(channel, response);
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
