//! Keys, DIDs, signing, sealing and the encrypted wallet of Gridpass.
//!
//! In: bytes, times and randomness that the caller passes. Out: keys, documents, signed and
//! sealed messages, and reports that say what holds and why. Never: a network, a clock, an async
//! runtime, a secret in a log.
//!
//! ```text
//! key -> did, document -> wallet -> jws, jwe          (out)
//! JweIn, JwsIn -> resolve -> key_at -> verify -> Report   (in)
//! ```
//!
//! | to | look at |
//! |---|---|
//! | make and keep keys | [`wallet::Wallet`] |
//! | find out what a DID said at a time | [`resolve::Resolver`], [`resolve::Resolution::key_at`] |
//! | verify a signature | [`verify::verify_jws`] |
//! | know what a reason means | [`mod@codes`] |
//!
//! # A wallet, a DID, a signature
//!
//! ```
//! use getrandom::{SysRng, rand_core::UnwrapErr};
//! use gridpass_identity::document::Relationship;
//! use gridpass_identity::jws::JwsIn;
//! use gridpass_identity::key::KeyType;
//! use gridpass_identity::resolve::OfflineResolver;
//! use gridpass_identity::time::UnixMillis;
//! use gridpass_identity::verify::{Expectation, verify_jws};
//! use gridpass_identity::wallet::Wallet;
//! use gridpass_identity::wallet::identities::{IdentityKind, NewDid, NewIdentity};
//! use gridpass_identity::wallet::messages::Signing;
//! use gridpass_identity::wallet::slot::Passphrase;
//! use gridpass_identity::wallet::store::MemoryStore;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The shell brings randomness and time; `sled_store::SledStore` is the store on disk.
//! let mut rng = UnwrapErr(SysRng);
//! let now = UnixMillis::parse_rfc3339("2026-03-01T12:00:00Z")?;
//! let store = Box::new(MemoryStore::default());
//! let passphrase = Passphrase::new("correct horse battery staple");
//! let (mut wallet, recovery_phrase) = Wallet::create(store, "dso", &passphrase, &mut rng, now)?;
//! # let _ = recovery_phrase;
//!
//! let root = wallet.new_identity(
//!     &NewIdentity {
//!         name: "root".into(),
//!         kind: IdentityKind::Participant,
//!         did: NewDid::Key(KeyType::Ed25519),
//!     },
//!     &mut rng,
//!     now,
//! )?;
//! let signing = Signing {
//!     purpose: Relationship::AssertionMethod,
//!     unencoded: false,
//!     content_type: Some("json".into()),
//!     audience: vec![],
//! };
//! let signed = wallet.sign(&root, br#"{"mw":10}"#, &signing, now)?;
//!
//! // Somebody else: parse, resolve, verify, and only then read the payload.
//! let expect = Expectation {
//!     purpose: Relationship::AssertionMethod,
//!     now,
//!     proven_at: None,
//!     signer: Some(root.did.clone()),
//!     audience: None,
//! };
//! let resolver = OfflineResolver::new(&wallet);
//! let verification = verify_jws(&JwsIn::parse(&signed)?, None, &resolver, &expect)?;
//! assert_eq!(verification.payload(), Some(br#"{"mw":10}"#.as_slice()));
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! `seal` (JWE, over OpenSSL), `backup` (age) and `sled` (the store on disk) are on by default and
//! off for wasm32. None of them changes what is accepted.

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
pub mod prepared;
pub mod report;
mod resolution;
pub mod resolve;
pub mod secret;
pub mod time;
pub mod verify;
pub mod wallet;
