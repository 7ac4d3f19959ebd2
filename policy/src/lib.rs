//! Channel descriptors, requirements and decisions. In: facts. Out: a decision that can be recomputed.
//!
//! This crate is empty until that capability is built.
