//! Channels, topics, payload schemas, requirements and decisions. In: facts. Out: a decision that
//! can be made again. Never: a network, a clock, an async runtime.
//!
//! ```text
//! channel, topic, requirement, condition, comparison    what its owner wrote
//! report on a presentation -> facts                     what was established
//! condition -> cedar -> policy;  facts -> view -> policy -> decision
//! ```
//!
//! | to | look at |
//! |---|---|
//! | describe a channel | [`channel::ChannelDescriptor`], [`topic::Topic`] |
//! | say what is required | [`condition::Condition`], [`comparison::Comparison`] |
//! | decide | [`policy::Policy`] |
//! | know why, and check it later | [`decision::Decision`], [`decision::RecordedDecision`] |
//! | say what data may be used for | [`odrl::Terms`], [`mod@consent`] |
//! | know what a reason means | [`mod@codes`] |

#![cfg_attr(test, allow(clippy::arithmetic_side_effects))] // tests may overflow, and then fail

pub mod admission;
pub mod cache;
pub mod cases;
mod cedar;
pub mod channel;
mod checks;
pub mod codes;
pub mod comparison;
pub mod condition;
pub mod consent;
pub mod decision;
pub mod direct;
mod draft;
pub mod facts;
pub mod keeping;
pub mod lint;
pub mod odrl;
pub mod payload;
pub mod policy;
mod request;
pub mod requirement;
pub mod topic;
pub mod value;
pub mod view;
pub mod window;
