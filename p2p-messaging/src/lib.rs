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

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // tests may overflow, and then fail

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
pub mod store;
pub mod sync;
#[cfg(test)]
mod test_kit;
