//! Envelopes, the checking core, the node and its log: the crate that holds the input and output.
//!
//! This crate is empty until that capability is built.
