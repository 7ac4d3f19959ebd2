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
//! | hold a channel against written cases | [`cases::CaseFile`] |
//! | know what a reason means | [`mod@codes`] |
//!
//! The rest is what these are made of. It is public for the node, the fuzzers and second implementations.
//!
//! # A channel, and cases that must come out as they are written
//!
//! ```
//! use gridpass_credentials::content_id::ContentId;
//! use gridpass_credentials::role::RoleName;
//! use gridpass_identity::did::Did;
//! use gridpass_identity::time::UnixMillis;
//! use gridpass_policy::cases::CaseFile;
//! use gridpass_policy::channel::ChannelDescriptor;
//! use gridpass_policy::condition::Condition;
//! use gridpass_policy::policy::Policy;
//! use gridpass_policy::requirement::Requirement;
//! use gridpass_policy::topic::{Attribute, Topic};
//! use gridpass_policy::value::ValueType;
//! use serde_json::json;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What a bid says of its zone stands in the header, too: policy reads no payload.
//! let (schema, _) = ContentId::of_json(&json!({"type": "object"}))?;
//! let mut bids = Topic::first("bids", "Bids", "application/json", schema);
//! let zone =
//!     Attribute { value_type: ValueType::Text, from: Some("/zone".into()), optional: false };
//! bids.attributes.insert("zone".into(), zone);
//!
//! let holds = |role: &str, comparisons: &[&str]| Condition::Role {
//!     role: role.to_owned(),
//!     comparisons: comparisons.iter().map(|c| (*c).to_owned()).collect(),
//! };
//! let own_zone = holds("flex.gb.aggregator", &["visa.zone == message.zone"]);
//! let (name, owner) = (RoleName::parse("flex.gb.bids")?, Did::parse("did:web:dso.example")?);
//! // A trust framework is named by its first charter: `Trust::framework`. Here by anything.
//! let (framework, _) = ContentId::of_json(&json!("a charter"))?;
//! let dated = UnixMillis::parse_rfc3339("2026-03-01T12:00:00Z")?;
//! let mut channel = ChannelDescriptor::first(name, "Bids", owner, framework, dated);
//! channel.topics = vec![bids];
//! channel.publish = vec![Requirement::new("zone", "aggregators bid in their zone", own_zone)];
//! channel.subscribe =
//!     vec![Requirement::new("operator", "operators read bids", holds("flex.gb.dso", &[]))];
//! let policy = Policy::compile(channel)?;
//!
//! let bid = |name: &str, zone: &str, expect: &str, because: &[&str]| json!({
//!     "name": name, "sender": "did:web:alpha.example", "expect": expect, "because": because,
//!     "holds": [{"role": "flex.gb.aggregator", "claims": {"zone": "GB-1"}}],
//!     "publish": {"topic": "bids", "attributes": {"zone": zone}},
//! });
//! let file = json!({
//!     "type": "gridpass-policy-cases", "formatVersion": 1, "title": "Bids by zone",
//!     "channel": "bids.json", "at": "2026-03-02T12:00:00Z",
//!     "cases": [
//!         bid("in its own zone", "GB-1", "allow", &[]),
//!         bid("for another zone", "GB-9", "deny", &["zone"]),
//!     ],
//! });
//! let file = CaseFile::parse(file.to_string().as_bytes())?;
//! for case in &file.cases {
//!     let result = file.run(case, &policy)?;
//!     assert!(result.differences.is_empty(), "{}: {:?}", result.name, result.differences);
//! }
//! # Ok(())
//! # }
//! ```

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
