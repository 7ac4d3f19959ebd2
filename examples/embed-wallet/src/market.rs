//! A channel for bids: who may publish and subscribe, what a bid looks like, and its owner's signature.

use crate::Shell;
use crate::error::Result;
use crate::framework::{AGGREGATOR, OPERATOR};
use crate::party::Party;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::RoleName;
use gridpass_credentials::secured::Signer;
use gridpass_credentials::trust::IdentityMaterial;
use gridpass_identity::document::Relationship;
use gridpass_policy::channel::{ChannelDescriptor, SignedChannel};
use gridpass_policy::condition::Condition;
use gridpass_policy::requirement::Requirement;
use gridpass_policy::topic::{Attribute, Topic};
use gridpass_policy::value::ValueType;
use serde_json::{Value, json};

/// The only topic.
pub const BIDS: &str = "bids";
/// What a sender must satisfy, as people read it; it is compiled to Cedar.
pub const OWN_ZONE: &str = "visa.zone == message.zone";

/// A channel, with what others need to take part in it.
pub struct Channel {
    /// Its descriptor, signed by its owner.
    pub signed: SignedChannel,
    /// The bytes of the schema that its topic names.
    pub schema: Vec<u8>,
    /// The DID log of its owner, by which the signature is verified.
    pub owner: Vec<IdentityMaterial>,
}

impl Channel {
    /// The owner describes it and signs it.
    pub fn open(owner: &Party, shell: &Shell<'_>) -> Result<Self> {
        let now = shell.now();
        let (schema_id, schema) = ContentId::of_json(&json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"zone": {"type": "string"}, "quantityKw": {"type": "integer"}},
            "required": ["zone", "quantityKw"],
            "additionalProperties": false,
        }))?;
        // Policy reads a message's header and not its payload: what it is to know is repeated there,
        // and who can read both holds them against each other.
        let zone =
            Attribute { value_type: ValueType::Text, from: Some("/zone".into()), optional: false };
        let mut bids = Topic::first(BIDS, "Bids", "application/json", schema_id);
        bids.attributes.insert("zone".into(), zone);
        let holds = |role: &str, comparisons: &[&str]| Condition::Role {
            role: role.to_owned(),
            comparisons: comparisons.iter().map(|c| (*c).to_owned()).collect(),
        };
        let framework = owner.trust(shell)?.framework().clone();
        let (name, owner_did) = (RoleName::parse("flex.gb.bids")?, owner.did().clone());
        let dated = now.floor_to_second();
        let mut channel =
            ChannelDescriptor::first(name, "Bids for flexibility", owner_did, framework, dated);
        channel.publish = vec![Requirement::new(
            "zone",
            "aggregators bid in the zone that they are accredited for",
            holds(AGGREGATOR, &[OWN_ZONE]),
        )];
        channel.subscribe =
            vec![Requirement::new("operator", "operators read bids", holds(OPERATOR, &[]))];
        channel.topics = vec![bids];
        channel.receipts = true;
        let mut signed = SignedChannel::unsigned(channel)?;
        let (key_id, key) = owner.key(Relationship::AssertionMethod)?;
        signed.sign(Signer { key: &key, key_id: &key_id, now })?;
        Ok(Self { signed, schema, owner: owner.published()? })
    }

    /// Its name: the CID of its descriptor.
    pub fn id(&self) -> &ContentId {
        self.signed.id()
    }
}

/// A bid.
pub fn bid(zone: &str, quantity_kw: u32) -> Value {
    json!({"zone": zone, "quantityKw": quantity_kw})
}
