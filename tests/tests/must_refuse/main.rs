//! The cases of what must be refused, by name.

#![allow(missing_docs)]

mod bundles;
mod chains;
mod charter;
mod contradictions;
mod costs;
mod exporters;
mod messages;
mod revokers;
mod sealing;
mod senders;
mod signatures;
mod status;
mod stolen;
mod tricks;
