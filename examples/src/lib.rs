//! Market processes as data, and the documents that travel in them. In: a name, a seed, a time. Out:
//! who takes part, which roles and channels there are, who sends what when, and the bytes of each
//! document. Never: a network, a clock, a process; who runs a scenario has those.
//!
//! ```text
//! scenarios/*.json -> scenario (types, checked) -> build (roles, channels, schemas)
//!                                               -> content (the bytes of a step) -> documents
//! ```
//!
//! | to | look at |
//! |---|---|
//! | find a scenario, walk through it | [`scenario::Scenario`] |
//! | make its role definitions, channels and schemas | [`build`] |
//! | get the bytes of a step | [`content`] |
//! | run its table of policy cases | [`table`] |
//! | make a document by itself | [`documents`] |
//!
//! ```
//! use gridpass_examples::scenario::Scenario;
//!
//! let day = Scenario::default();
//! assert_eq!(day.name, "market-day");
//! for (phase, step) in day.steps() {
//!     println!("{}: {}", phase.phase, step.says());
//! }
//! ```

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // tests may overflow, and then fail

pub mod build;
pub mod codes;
pub mod content;
pub mod documents;
pub mod scenario;
pub mod schemas;
pub mod table;
