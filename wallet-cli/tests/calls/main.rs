//! The command as its users call it: one call after the other, and several at the same time.

// A panic is a test's verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::arithmetic_side_effects, clippy::print_stdout, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod audit;
mod backups;
#[cfg(unix)]
mod charters;
#[cfg(unix)]
mod clock;
mod crash;
mod delegates;
#[cfg(unix)]
mod demo;
#[cfg(unix)]
mod dids;
#[cfg(unix)]
mod disk_full;
mod fetch;
#[cfg(unix)]
mod files;
mod giving_up;
mod holding;
#[cfg(unix)]
mod identities;
mod interop_age;
#[cfg(unix)]
mod issuing;
mod killed_calls;
#[cfg(unix)]
mod many;
#[cfg(unix)]
mod messages;
#[cfg(unix)]
mod node_check;
mod officer;
mod parties;
mod past;
mod policy;
#[cfg(unix)]
mod register;
#[cfg(unix)]
mod remedies;
mod revokers;
mod roles;
#[cfg(unix)]
mod secrets;
mod shown;
#[cfg(unix)]
mod signing;
mod streams;
mod unconfirmed;
mod vc_api;
mod visas;
#[cfg(unix)]
mod wallets;
