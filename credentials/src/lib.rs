//! Visas, the charter, presentations and their verification. In: bytes, facts and a time. Out:
//! reports. Never: a network, a clock, an async runtime.
//!
//! Today it holds what everything else refers to: [`content_id::ContentId`], the name of an
//! immutable document, and [`role::RoleDefinition`], what a role means and what it requires.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // tests may overflow, and then fail

pub mod authorisation;
pub mod charter;
mod code_of;
pub mod codes;
pub mod content_id;
pub mod context;
pub mod general;
pub mod integrity;
pub mod issuing;
pub mod keeping;
pub mod parcel;
pub mod rdf;
pub mod request;
pub mod requirement;
pub mod role;
pub mod schema;
pub mod sd_jwt;
pub mod secured;
pub mod signature;
pub mod status;
pub mod trust;
pub mod vcdm;
pub mod verify;
pub mod visa;
