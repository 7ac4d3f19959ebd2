//! Channel descriptors, requirements and decisions. In: facts. Out: a decision that can be recomputed.

pub mod codes;
