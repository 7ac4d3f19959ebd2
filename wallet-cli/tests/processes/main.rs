//! Nodes, each a process of the command with its own wallet and store, and what is made of them: the
//! demonstration, the guides, evidence that two verifiers judge.

// A panic is a test's verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::arithmetic_side_effects, clippy::print_stdout, missing_docs)]

#[path = "../common/mod.rs"]
mod common;

mod demo;
mod files_network;
mod ipfs;
mod network;
mod network_faults;
mod network_mistakes;
mod network_operated;
mod network_relays;
mod node_crash;
#[cfg(unix)]
mod readme;
mod second_verifier;
