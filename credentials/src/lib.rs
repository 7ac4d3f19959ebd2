//! Visas, the charter, presentations and their verification. In: bytes, facts and a time. Out:
//! reports. Never: a network, a clock, an async runtime.
//!
//! ```text
//! role -> charter -> trust                                    what counts
//! request -> issuing, accepting, keeping, presenting -> secured   what is made, over the wallet
//! bytes -> secured, vcdm, visa -> signature -> verify         what is believed, and why
//! ```
//!
//! | to | look at |
//! |---|---|
//! | define a role | [`role::RoleDefinition`] |
//! | found and change a trust framework | [`charter::SignedCharter`], [`trust::Trust`] |
//! | issue, also many at once; suspend, revoke | [`issuing::Issuer`], [`many::Batch`]; [`revoking`] |
//! | look up what was issued, and what hangs on it | [`register`], [`hanging`] |
//! | take a visa that was issued to you | [`accepting::accept`] |
//! | show visas, or part of one | [`presenting::present`] |
//! | keep visas, pin trust | [`keeping`] |
//! | verify, without a wallet | [`verifier::Verifier`] |
//! | verify by facts of your own | [`verify::verify_presentation`], [`verify::verify_visa`] |
//! | know what a reason means | [`mod@codes`] |
//!
//! # A charter, and what pins it
//!
//! ```
//! use gridpass_credentials::charter::{Charter, SignedCharter, SigningRule};
//! use gridpass_credentials::secured::Signer;
//! use gridpass_credentials::trust::{Trust, TrustPack};
//! use gridpass_identity::key::{KeyType, SecretKey};
//! use gridpass_identity::method;
//! use gridpass_identity::time::UnixMillis;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = UnixMillis::parse_rfc3339("2026-03-01T12:00:00Z")?;
//! let key = SecretKey::from_bytes(KeyType::Ed25519, &[7; 32])?;
//! let root = method::key::from_public_key(&key.public_key())?;
//! let key_id = root.with_fragment(root.method_specific_id())?;
//!
//! let rule = SigningRule { threshold: 1, signers: vec![root.clone()] };
//! let charter = Charter::first("Flexibility", vec![root], rule, now);
//! let mut signed = SignedCharter::unsigned(charter)?;
//! signed.sign(Signer { key: &key, key_id: &key_id, now })?;
//!
//! let (cid, pack) = TrustPack::new(&[signed], &[], Vec::new()).encode()?;
//! let trust = Trust::open(&pack, Some(&cid), now)?;
//! assert_eq!(trust.charter().charter().version, 1);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // tests may overflow, and then fail

pub mod accepting;
pub mod authorisation;
pub mod charter;
pub mod clock;
mod code_of;
pub mod codes;
pub mod content_id;
pub mod context;
pub mod general;
pub mod hanging;
pub mod integrity;
pub mod issuable;
mod issued;
pub mod issuing;
pub mod keeping;
pub mod many;
mod own_list;
pub mod parcel;
pub mod presenting;
pub mod rdf;
pub mod register;
pub mod request;
pub mod requirement;
pub mod revoking;
pub mod role;
pub mod schema;
pub mod sd_jwt;
pub mod secured;
mod securing;
pub mod signature;
pub mod signed_document;
pub mod status;
pub mod trust;
pub mod vcdm;
pub mod verifier;
pub mod verify;
pub mod visa;
