//! What peers ask, and what each may be told.

use super::evidence::head_of;
use super::group::After;
use super::worker::Worker;
use crate::codes;
use crate::net::{Command, Reply};
use crate::sync::{MAX_PAGE, Request, Response};
use libp2p::PeerId;
use serde_bytes::ByteBuf;

impl Worker {
    /// What a peer asks.
    pub(super) fn asked(&mut self, peer: PeerId, request: Request, reply: Reply) {
        let keeps = matches!(request, Request::Receipts(_));
        let response = Box::new(self.response(peer, request));
        if keeps {
            self.after.push(After::Respond { reply, response });
        } else {
            self.tell(Command::Answer { reply, response });
        }
    }

    fn response(&mut self, peer: PeerId, request: Request) -> Response {
        let refused = || Response::Refused(codes::SYNC_STRANGER.id().to_owned());
        let request = match request {
            Request::Hello(hello) => return self.answer_hello(peer, hello),
            _ if !self.peers.is_known(&peer) => return refused(),
            request => request,
        };
        match request {
            Request::Hello(_) => refused(),
            Request::Document(id) => match self.knowledge.document_for_peers(&id) {
                Some(bytes) if bytes.len() <= MAX_PAGE => Response::Document(ByteBuf::from(bytes)),
                _ => Response::NotHere,
            },
            Request::Identity(did) => {
                let material = self.knowledge.material.identities.material(&did);
                let bytes = material.and_then(|m| serde_json::to_vec(&m).ok());
                bytes.map_or(Response::NotHere, |b| Response::Document(ByteBuf::from(b)))
            }
            Request::Charter(framework) if framework == self.framework() => {
                let bytes = self.knowledge.material.trust_bytes().to_vec();
                Response::Document(ByteBuf::from(bytes))
            }
            Request::Charter(_) => Response::NotHere,
            Request::Lists { known, after, until } => {
                let lists = &self.knowledge.material.lists;
                let all = lists.iter().map(|l| (head_of(l), l.secured().text()));
                Response::lists(all, &known, (after.as_ref(), until.as_ref()))
            }
            Request::Receipts(receipts) => self.receipts_came(peer, &receipts),
            Request::Behind => {
                self.compare_soon(peer);
                Response::Taken
            }
            // What it sent itself it may have, whether or not it may read what others send.
            Request::Heads { channel, after } => {
                let own = self.speaks_for(&peer, &channel).is_some();
                match own || self.peers.may(&peer, &channel) {
                    true => self.heads(&peer, &channel, after.as_ref()),
                    false => refused(),
                }
            }
            Request::Proof { channel, sender, key } => {
                let own = self.speaks_for(&peer, &channel) == Some(&sender);
                match own || self.peers.may(&peer, &channel) {
                    true => self.proof(channel, sender, &key),
                    false => refused(),
                }
            }
            Request::Range { channel, sender, key, from, until } => {
                let own = self.speaks_for(&peer, &channel) == Some(&sender);
                if !own && !self.peers.may(&peer, &channel) {
                    return refused();
                }
                let since = (!own).then(|| self.peers.from(&peer, &channel));
                self.range((channel, sender, &key), (from, until), since)
            }
        }
    }
}
