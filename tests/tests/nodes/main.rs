//! Nodes in one process, as they run.

#![allow(missing_docs)]

mod asking;
mod bursts;
mod clocks;
mod conversation;
mod embedding;
mod ends;
mod failing;
mod losses;
mod owners;
mod running;
mod sealing;
mod stopping;
