//! Envelopes, the core that checks them, the log that keeps them, and the node that carries them.
//!
//! ```text
//! bytes -> envelope -> checking -> verdict and effects        no I/O: node, simulator, fuzzer, auditor
//!                      log: what was accepted, durable before anything is acknowledged
//! ```
//!
//! | to | see |
//! |---|---|
//! | make or read a message | [`envelope::Header`], [`envelope::Envelope`] |
//! | check one | [`checking::Checker`] |
//! | keep what was accepted, and find it | [`log::Log`], [`store::Store`] |
//! | seal payloads, and hand over keys | [`mod@sealing`] |
//! | speak with another peer | [`mod@sync`] |
//! | publish and fetch documents | [`content::ContentStore`] |
//! | cut, seal and join files | [`mod@files`] |
//! | write and verify what an auditor reads | [`mod@bundle`] |
//! | run a node in your process, send, be delivered | [`node::Node`] |
//! | give and get blocks by their CIDs | [`exchange::Library`], [`exchange::Exchange`] |
//! | know what a reason means | [`mod@codes`] |
//!
//! A program that embeds a node needs [`node`], and [`mod@bundle`] for evidence. The rest is how a node
//! does it: public for the simulator, the fuzzers, auditors and second implementations. A node runs on Unix
//! alone, and on a tokio runtime. [`node::export()`], [`bundle::Bundle::parse`] and [`bundle::verify()`] take
//! seconds and more of a large record: call them in `tokio::task::spawn_blocking`.
//!
//! # A node in your process
//!
//! ```no_run
//! use gridpass_messaging::node::control::NewMessage;
//! use gridpass_messaging::node::{Given, Node, NodeKey, NodeSettings, hold, system_clock};
//! use std::error::Error;
//! use std::path::Path;
//!
//! async fn run(
//!     folder: &Path,
//!     key: NodeKey,
//!     files: &[Vec<u8>],
//!     ticket: &str,
//!     mut last: u64,
//! ) -> Result<u64, Box<dyn Error>> {
//!     // Trust pack, channel, schema, presentation, authorisation: each is known by what is in it. No node
//!     // runs there meanwhile: it would not know of them. (`hold` waits for two seconds at most.)
//!     let did = key.key_id.did().clone();
//!     let (mut material, unread) = hold(folder)?.material(did, system_clock())?;
//!     if let Some((path, why)) = unread.first() {
//!         return Err(format!("{}: {why} [{}]", path.display(), why.code()).into());
//!     }
//!     for file in files {
//!         material.give(file, system_clock())?;
//!     }
//!     drop(material); // it holds the folder
//!     let node = Node::start(folder, key, NodeSettings::default(), system_clock).await?;
//!     node.join(ticket).await?;
//!
//!     // Durable when this returns. A channel that seals is no different: the node seals.
//!     node.send(NewMessage::new("flex.gb.bids", "bids", br#"{"zone":"GB-1"}"#)).await?;
//!
//!     // Keep the number with what you did: a program that starts again goes on after it.
//!     let bid = loop {
//!         match node.next_given(last).await? {
//!             Given::Message(bid) => break *bid,
//!             // The disk lost what stood there: tell somebody, and go on behind it.
//!             lost => last = lost.number(),
//!         }
//!     };
//!     last = bid.number;
//!     // An answer: of the same conversation, to one recipient, where the channel is for recipients.
//!     let answer = NewMessage::new("flex.gb.awards", "awards", br#"{"taken":true}"#)
//!         .in_thread(bid.thread.unwrap_or(bid.id))
//!         .to(bid.sender);
//!     node.send(answer).await?;
//!
//!     // Dropping it does not stop it.
//!     node.stop().await;
//!     Ok(last)
//! }
//! ```
//!
//! # An envelope
//!
//! What a node makes of a message, and reads of others'. A signature says who sent it; whether they may is
//! the [checker's](checking::Checker) to say.
//!
//! ```
//! use gridpass_credentials::content_id::ContentId;
//! use gridpass_identity::key::{KeyType, SecretKey};
//! use gridpass_identity::method;
//! use gridpass_identity::time::UnixMillis;
//! use gridpass_messaging::envelope::{Envelope, Header};
//! use serde_json::Map;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = UnixMillis::parse_rfc3339("2026-03-01T12:00:00Z")?;
//! let key = SecretKey::from_bytes(KeyType::Ed25519, &[7; 32])?;
//! let sender = method::key::from_public_key(&key.public_key())?;
//! let header = Header {
//!     channel: ContentId::of_bytes(b"a channel's descriptor")?,
//!     topic: "bids".into(),
//!     topic_version: 1,
//!     schema: ContentId::of_bytes(b"a schema")?,
//!     media_type: "application/json".into(),
//!     key: sender.with_fragment(sender.method_specific_id())?,
//!     sender,
//!     authorisation: None, // the sender's own key signs
//!     presentation: ContentId::of_bytes(b"a presentation")?,
//!     sequence: 1,
//!     previous: None,
//!     issued: now,
//!     expires: now.plus_millis(60_000),
//!     recipients: Vec::new(),
//!     thread: None,
//!     attributes: Map::new(),
//!     epoch: None,
//! };
//! let sent = Envelope::sign(header, br#"{"zone":"GB-1"}"#.to_vec(), &key)?;
//! let wire = sent.to_wire().ok_or("its payload was left out")?;
//!
//! // Somebody else: read, verify with the sender's key, and only then look at the payload.
//! let read = Envelope::parse(&wire)?;
//! read.verify(&method::key::to_public_key(&read.header().sender)?)?;
//! assert_eq!(read.payload(), Some(br#"{"zone":"GB-1"}"#.as_slice()));
//! assert_eq!(read.id(), sent.id());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // tests may overflow, and then fail

/// Addresses and names of peers, as [`net::NetworkSettings`] has them: of the version of libp2p that is used here.
pub use libp2p::{Multiaddr, PeerId};

pub mod bundle;
pub mod checking;
pub mod codes;
pub mod content;
pub mod envelope;
pub mod exchange;
pub mod files;
mod identities;
pub mod log;
pub mod net;
pub mod node;
pub mod receipt;
pub mod sealing;
mod spelt;
pub mod store;
pub mod sync;
#[cfg(test)]
mod test_kit;
