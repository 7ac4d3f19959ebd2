//! Visas, the charter, presentations and their verification. In: bytes, facts and a time. Out: reports.
//!
//! This crate is empty until that capability is built.
