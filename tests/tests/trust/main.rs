//! From visas to facts to decisions, and from documents of others to ours: what passes and what must not.

#![allow(missing_docs)]

mod admissions;
mod ahead;
mod any_byte;
mod ended;
mod flow;
mod forks;
mod guests;
mod material;
mod node_authorisation;
mod odrl;
mod payload_third_party;
mod schemas;
mod standing;
mod verifier;
mod visas;
