//! Keys, DIDs, signing, sealing and the encrypted wallet of Gridpass.
//!
//! In: bytes, times and randomness that the caller passes. Out: keys, documents, signed and
//! sealed messages, and reports that say what holds and why. Never: a network, a clock, an async
//! runtime, a secret in a log.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // tests may overflow, and then fail

pub mod code;
pub mod codes;
pub mod data_integrity;
pub mod did;
pub mod document;
pub mod json;
#[cfg(feature = "seal")]
pub mod jwe;
pub mod jwk;
pub mod jws;
pub mod key;
pub mod method;
pub mod report;
pub mod resolve;
pub mod secret;
pub mod time;
pub mod verify;
pub mod wallet;
