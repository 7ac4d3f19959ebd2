//! Somebody without any visa who copied a message on its way, and sends it again or changed. It
//! speaks the network's protocols itself, since no node would send such a thing.

use crate::context::rng;
use crate::output::Failure;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_messaging::codes;
use gridpass_messaging::net::{self, Command, NetEvent, NetworkSettings, topic_of};
use gridpass_messaging::sync::{Hello, Request, Response};
use rand_core::Rng as _;
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use tokio::sync::mpsc;

/// A peer with a key that nobody vouches for.
pub struct Copyist {
    runtime: tokio::runtime::Runtime,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<NetEvent>,
    hello: Hello,
    /// What it has for whoever asks.
    documents: BTreeMap<ContentId, Vec<u8>>,
}

fn failed(e: &dyn std::fmt::Display) -> Failure {
    Failure::new(codes::NODE_NETWORK, e.to_string())
}

fn answer(hello: &Hello, all: &BTreeMap<ContentId, Vec<u8>>, request: &Request) -> Response {
    match request {
        Request::Hello(_) => Response::Hello(hello.clone()),
        Request::Document(id) => all
            .get(id)
            .map_or(Response::NotHere, |bytes| Response::Document(ByteBuf::from(bytes.clone()))),
        _ => Response::NotHere,
    }
}

impl Copyist {
    /// Connects with nodes at these addresses.
    pub fn connect(addresses: &[String]) -> Result<Self, Failure> {
        let mut seed = [0; 32];
        rng().fill_bytes(&mut seed);
        let key = SecretKey::from_bytes(KeyType::Ed25519, &seed).map_err(|e| failed(&e))?;
        let me = method::key::from_public_key(&key.public_key()).map_err(|e| failed(&e))?;
        let mut settings =
            NetworkSettings { listen: Vec::new(), discover: false, ..NetworkSettings::default() };
        for address in addresses {
            settings.peers.push(address.parse().map_err(|e| failed(&e))?);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|e| failed(&e))?;
        let (told, events) = mpsc::channel(1024);
        let keypair = net::keypair(&key).map_err(|e| failed(&e))?;
        let commands = {
            let _inside = runtime.enter();
            net::start(keypair, &settings, told).map_err(|e| failed(&e))?
        };
        let hello = Hello {
            agent: "copyist".into(),
            participant: me,
            authorisation: None,
            visits: Vec::new(),
            charter: None,
        };
        Ok(Self { runtime, commands, events, hello, documents: BTreeMap::new() })
    }

    /// Has a document that its messages name.
    pub fn holds(&mut self, document: Vec<u8>) -> Result<(), Failure> {
        self.documents.insert(ContentId::of_bytes(&document)?, document);
        Ok(())
    }

    /// Sends messages in a channel to so many of those that it is connected with, as soon as they have
    /// heard who it is.
    pub fn send(
        &mut self,
        channel: &ContentId,
        framework: &ContentId,
        to: usize,
        all: Vec<Vec<u8>>,
    ) -> Result<(), Failure> {
        let (hello, documents) = (&self.hello, &self.documents);
        let (commands, events) = (self.commands.clone(), &mut self.events);
        let topics = [topic_of(channel), topic_of(framework)];
        let meeting = async move {
            let tell = |command| commands.send(command);
            for topic in &topics {
                tell(Command::Subscribe(topic.clone())).await.ok()?;
            }
            let (mut met, mut tag) = (BTreeSet::new(), 0_u64);
            while met.len() < to {
                match events.recv().await? {
                    NetEvent::Connected { peer, .. } => {
                        tag = tag.saturating_add(1);
                        let request = Box::new(Request::Hello(hello.clone()));
                        tell(Command::Ask { peer, request, tag }).await.ok()?;
                    }
                    NetEvent::Answered { peer, result: Ok(response), .. } => {
                        if let Response::Hello(_) = *response {
                            let topics = topics.iter().cloned().collect();
                            let expected = HashSet::new();
                            tell(Command::Open { peer, topics, expected }).await.ok()?;
                            met.insert(peer);
                        }
                    }
                    NetEvent::Asked { request, reply, .. } => {
                        let response = Box::new(answer(hello, documents, &request));
                        tell(Command::Answer { reply, response }).await.ok()?;
                    }
                    _ => {}
                }
            }
            let [topic, _] = topics;
            for data in all {
                tell(Command::Publish { topic: topic.clone(), data, envelopes: Vec::new() })
                    .await
                    .ok()?;
            }
            Some(())
        };
        let within = async { tokio::time::timeout(super::nodes::PATIENCE, meeting).await };
        let sent = self.runtime.block_on(within);
        sent.ok().flatten().ok_or_else(|| failed(&"nobody let the copyist say anything"))
    }

    /// Goes on answering for a moment: what was published is on its way.
    pub fn linger(
        &mut self,
        mut until: impl FnMut() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        super::nodes::until("a copied message to be looked at", || {
            while let Ok(event) = self.events.try_recv() {
                if let NetEvent::Asked { request, reply, .. } = event {
                    let response = Box::new(answer(&self.hello, &self.documents, &request));
                    let _ = self.commands.blocking_send(Command::Answer { reply, response });
                }
            }
            Ok(until()?.then_some(()))
        })
    }
}
