//! Public documents: kept and given by their CIDs, announced to everybody, fetched from peers.

use super::control::ControlResult;
use super::group::After;
use super::peers::{FAULT, UNHELPFUL};
use super::typed::AskError;
use super::worker::{Task, Worker};
use crate::checking::{Known as _, Missing};
use crate::codes;
use crate::content::{PublicDocument, PublicKind};
use crate::exchange::{FetchError, Fetched};
use crate::sync::Announcement;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// The most announced documents that are fetched at once.
const MAX_FETCHING: usize = 64;
/// The most of them that one peer announced.
const MAX_FETCHING_OF_ONE: usize = 8;
/// How long the peers are waited for that were told of a document.
const SPREADING: Duration = Duration::from_secs(5);

type Reply = oneshot::Sender<ControlResult>;

/// Why a document was fetched.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// A peer said that it was published.
    Published(MessageId, PeerId),
    /// Something needs it.
    Missing,
    /// The operator wants it kept, and told to the peers or not.
    Pin(Reply, bool),
}

/// A document that was fetched, or not.
#[derive(Debug)]
pub(crate) struct Came {
    id: ContentId,
    purpose: Purpose,
    result: Result<Fetched, FetchError>,
}

fn why_not(id: &ContentId, e: &FetchError) -> (Code, String) {
    let code = match e {
        FetchError::Altered(_) => credential_codes::CID_OTHER,
        FetchError::NotThere(_) | FetchError::Name(_) => codes::CONTENT_NOT_FOUND,
    };
    (code, format!("{id}: {e}"))
}

fn names(peers: &[PeerId]) -> Vec<String> {
    peers.iter().map(ToString::to_string).collect()
}

impl Worker {
    /// Puts on the shelf what is public of what the node was given.
    pub(super) fn fill_shelf(&self) {
        let material = &self.knowledge.material;
        for (id, bytes) in &material.documents {
            if PublicDocument::read(bytes).is_ok() {
                self.shelf.put(id, bytes);
            }
        }
        for channel in material.channels.values() {
            if let Ok((id, bytes)) = ContentId::of_json(channel.descriptor()) {
                self.shelf.put(&id, &bytes);
            }
        }
        for charter in self.knowledge.trust.history() {
            if let Ok((id, bytes)) = ContentId::of_json(charter.charter()) {
                self.shelf.put(&id, &bytes);
            }
        }
        for (id, role) in self.knowledge.trust.definitions() {
            if let Ok((_, bytes)) = role.definition.encode() {
                self.shelf.put(id, &bytes);
            }
        }
        let pack = material.trust_bytes();
        if let Ok(id) = ContentId::of_bytes(pack) {
            self.shelf.put(&id, pack);
        }
    }

    /// The operator publishes a document: it is kept here and, where that is asked for, told to
    /// everybody.
    pub(super) fn publish(&mut self, content: &str, peers: bool, reply: Reply) {
        let document = STANDARD
            .decode(content)
            .map_err(|_| (codes::NODE_REQUEST, "the content is not base64".to_owned()))
            .and_then(|bytes| PublicDocument::read(&bytes).map_err(|e| (e.code, e.message)));
        let kept = document.and_then(|document| {
            match document.kind {
                // As every trust pack that is given: it must go on from the one at hand, and
                // everybody is told of it.
                PublicKind::TrustPack => drop(self.add(content, &[], None)?),
                PublicKind::RoleDefinition | PublicKind::Charter => {
                    self.keep_for_good(&document.id, document.bytes.clone())?;
                }
            }
            self.shelf.put(&document.id, &document.bytes);
            Ok(document)
        });
        match kept {
            Ok(document) => {
                let announce = peers && document.kind == PublicKind::RoleDefinition;
                self.kept_for_good(document.id, (peers, announce), reply);
            }
            Err(e) => drop(reply.send(Err(e.into()))),
        }
    }

    fn keep_for_good(&mut self, id: &ContentId, bytes: Vec<u8>) -> Result<(), (Code, String)> {
        self.knowledge.material.pin(id, bytes).map_err(|e| (e.code(), e.to_string()))?;
        self.came(&Missing::Document(id.clone()));
        Ok(())
    }

    /// Answers who has it by now; tells everybody first, where that is asked for.
    fn kept_for_good(&mut self, id: ContentId, (peers, announce): (bool, bool), reply: Reply) {
        if announce {
            self.after.push(After::Announce(Announcement::Published(id.clone())));
        }
        let me = self.me.peer.to_string();
        if !peers {
            let _ = reply.send(Ok(json!({"cid": id, "at": [me]})));
            return;
        }
        let Ok(cid) = id.to_cid() else { return };
        let open: Vec<_> = self.peers.open().filter(|p| self.exchange.is_speaker(p)).collect();
        let exchange = self.exchange.clone();
        self.exchange.spawn(async move {
            let started = Instant::now();
            let mut have = exchange.who_has(&cid, &open).await;
            while have.len() < open.len() && started.elapsed() < SPREADING {
                tokio::time::sleep(Duration::from_millis(200)).await;
                have = exchange.who_has(&cid, &open).await;
            }
            let mut at = vec![me];
            at.extend(names(&have));
            let _ = reply.send(Ok(json!({"cid": id, "at": at, "peers": open.len()})));
        });
    }

    /// The operator wants a document to be kept here.
    pub(super) fn pin(&mut self, id: ContentId, peers: bool, reply: Reply) {
        match self.shelf.get(&id) {
            Some(bytes) => self.pinned(id, bytes.to_vec(), peers, reply),
            None => self.fetch_block(id, Vec::new(), Purpose::Pin(reply, peers)),
        }
    }

    fn pinned(&mut self, id: ContentId, bytes: Vec<u8>, peers: bool, reply: Reply) {
        let read = PublicDocument::read(&bytes).map_err(|e| (e.code, e.message));
        let kept = read.and_then(|document| {
            self.keep_for_good(&id, bytes)?;
            self.shelf.put(&id, &document.bytes);
            Ok(document.kind)
        });
        match kept {
            Ok(kind) => {
                let announce = peers && kind == PublicKind::RoleDefinition;
                self.kept_for_good(id, (peers, announce), reply);
            }
            Err(e) => drop(reply.send(Err(e.into()))),
        }
    }

    /// The operator wants to see a document: of this node, or of its peers.
    pub(super) fn show_block(&mut self, id: ContentId, peers: bool, reply: Reply) {
        if !peers {
            let answer = match self.shelf.get(&id) {
                Some(bytes) => Ok(json!({
                    "cid": id,
                    "content": STANDARD.encode(&bytes),
                    "from": self.me.peer.to_string(),
                })),
                None => {
                    let message = format!("the node has no public document {id}");
                    Err((codes::CONTENT_NOT_FOUND, message))
                }
            };
            let _ = reply.send(answer.map_err(AskError::from));
            return;
        }
        let Ok(cid) = id.to_cid() else { return };
        let exchange = self.exchange.clone();
        self.exchange.spawn(async move {
            let result = exchange.fetch(&cid, &exchange.speakers()).await;
            let _ = reply.send(match result {
                Ok(found) => Ok(json!({
                    "cid": id,
                    "content": STANDARD.encode(&found.bytes),
                    "from": found.from.to_string(),
                    "altered": names(&found.altered),
                })),
                Err(e) => Err(why_not(&id, &e).into()),
            });
        });
    }

    /// How much there is to give, and who else there is; who has a document, where one is named.
    pub(super) fn show_content(&mut self, id: Option<ContentId>, reply: Reply) {
        let (documents, bytes) = self.shelf.size();
        let speakers = self.exchange.speakers();
        let mut answer = json!({
            "documents": documents,
            "bytes": bytes,
            "peers": names(&speakers),
        });
        let Some(id) = id else { return drop(reply.send(Ok(answer))) };
        let Ok(cid) = id.to_cid() else { return };
        let here = self.shelf.get(&id).is_some();
        let pinned = self.knowledge.material.is_pinned(&id);
        let exchange = self.exchange.clone();
        self.exchange.spawn(async move {
            let have = exchange.who_has(&cid, &speakers).await;
            if let Some(map) = answer.as_object_mut() {
                map.insert("cid".into(), json!(id));
                map.insert("here".into(), json!(here));
                map.insert("pinned".into(), json!(pinned));
                map.insert("at".into(), json!(names(&have)));
            }
            let _ = reply.send(Ok(answer));
        });
    }

    /// Fetches a block from these peers first, and from every other that speaks the exchange.
    pub(super) fn fetch_block(&mut self, id: ContentId, first: Vec<PeerId>, purpose: Purpose) {
        let (Ok(cid), Some(tasks)) = (id.to_cid(), self.tasks.upgrade()) else { return };
        let exchange = self.exchange.clone();
        self.exchange.spawn(async move {
            let mut result = exchange.fetch(&cid, &first).await;
            let others: Vec<_> =
                exchange.speakers().into_iter().filter(|p| !first.contains(p)).collect();
            if result.is_err() && !others.is_empty() {
                let again = exchange.fetch(&cid, &others).await;
                // Who sent other bytes is not forgotten for one who has none.
                result = match (result, again) {
                    (Err(FetchError::Altered(by)), Err(FetchError::NotThere(_))) => {
                        Err(FetchError::Altered(by))
                    }
                    (_, again) => again,
                };
            }
            let _ = tasks.send(Task::Came(Box::new(Came { id, purpose, result }))).await;
        });
    }

    /// A peer says that somebody published a role definition. It is fetched, and passed on when it is
    /// here: whoever passes it on has it.
    pub(super) fn published(&mut self, peer: PeerId, message: MessageId, id: ContentId) {
        if let Some(bytes) = self.shelf.get(&id) {
            // Other documents are given by their names too, and told to nobody: who passed that on
            // would answer for it.
            let acceptance = self.judge_published(peer, &id, &bytes);
            self.report(message, peer, acceptance);
            return;
        }
        let of_one = self.fetching.iter().filter(|(p, _)| *p == peer).count();
        let known = self.fetching.iter().any(|(_, wanted)| *wanted == id);
        if known || of_one >= MAX_FETCHING_OF_ONE || self.fetching.len() >= MAX_FETCHING {
            self.report(message, peer, MessageAcceptance::Ignore);
            return;
        }
        self.fetching.push((peer, id.clone()));
        self.fetch_block(id, vec![peer], Purpose::Published(message, peer));
    }

    /// A block came, or did not.
    pub(super) fn block_came(&mut self, came: Came) {
        let Came { id, purpose, result } = came;
        match purpose {
            Purpose::Published(message, peer) => {
                self.fetching.retain(|(_, wanted)| *wanted != id);
                let acceptance = self.take_published(peer, &id, result);
                self.report(message, peer, acceptance);
            }
            Purpose::Missing => self.exchanged(&id, result.ok().map(|f| f.bytes)),
            Purpose::Pin(reply, peers) => match result {
                Ok(found) => self.pinned(id, found.bytes, peers, reply),
                Err(e) => drop(reply.send(Err(why_not(&id, &e).into()))),
            },
        }
    }

    fn take_published(
        &mut self,
        peer: PeerId,
        id: &ContentId,
        result: Result<Fetched, FetchError>,
    ) -> MessageAcceptance {
        let bytes = match result {
            Ok(found) => found.bytes,
            // Who sent other bytes answered for it when they came.
            Err(e) => {
                tracing::info!(%peer, %id, "a published document was not had: {e}");
                self.charge(peer, UNHELPFUL);
                return MessageAcceptance::Ignore;
            }
        };
        let acceptance = self.judge_published(peer, id, &bytes);
        if acceptance != MessageAcceptance::Accept {
            return acceptance;
        }
        match self.knowledge.material.keep_published(id.clone(), bytes.clone()) {
            Ok(gone) => {
                tracing::info!(%id, "a role definition was published");
                self.shelf.put(id, &bytes);
                if let Some(gone) = gone.filter(|g| self.knowledge.trust.definition(g).is_none()) {
                    self.shelf.remove(&gone);
                }
                self.came(&Missing::Document(id.clone()));
            }
            Err(e) => {
                tracing::error!(%id, code = %e.code(), "a definition is not kept: {e}");
                // Whoever passes it on has it.
                return MessageAcceptance::Ignore;
            }
        }
        MessageAcceptance::Accept
    }

    /// Whether what a peer told of is a role definition.
    fn judge_published(&mut self, peer: PeerId, id: &ContentId, bytes: &[u8]) -> MessageAcceptance {
        match PublicDocument::read(bytes) {
            Ok(document) if document.kind == PublicKind::RoleDefinition => {
                MessageAcceptance::Accept
            }
            _ => {
                tracing::warn!(%peer, %id, "what was published as one is no role definition");
                self.charge(peer, FAULT);
                MessageAcceptance::Reject
            }
        }
    }

    /// Parts of a schema that the node reads messages by are public with it.
    pub(super) fn shelve_schema(&self, part: &ContentId) {
        if let Some(bytes) = self.knowledge.document(part) {
            self.shelf.put(part, &bytes);
        }
    }
}
