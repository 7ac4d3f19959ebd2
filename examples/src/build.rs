//! From the plans of a scenario to what Gridpass works with: role definitions, claims, channel
//! descriptors. In: a scenario, and the DIDs that its participants turned out to have. Out:
//! documents to be signed by whom the scenario says.

use crate::scenario::{ChannelPlan, RolePlan, Scenario, ScenarioError, TopicPlan, VisaPlan};
use crate::schemas;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::{self, Parties, RoleDefinition};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::{self, ChannelDescriptor};
use gridpass_policy::topic::{Topic, TopicVersion};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who is who, for which time consents are given, and until when a market session is open.
#[derive(Clone, Debug)]
pub struct Names {
    /// The DIDs of participants, by name.
    pub dids: BTreeMap<String, Did>,
    /// What `@from` stands for.
    pub from: UnixMillis,
    /// What `@until` stands for.
    pub until: UnixMillis,
    /// What `@gate` stands for: when the day begins that is traded.
    pub gate: UnixMillis,
}

fn refuse(place: impl Into<String>, reason: impl Into<String>) -> ScenarioError {
    ScenarioError::Reference { place: place.into(), reason: reason.into() }
}

impl Names {
    /// The DID of a participant.
    ///
    /// # Errors
    /// [`ScenarioError::Reference`] if it has none.
    pub fn did(&self, name: &str) -> Result<&Did, ScenarioError> {
        self.dids.get(name).ok_or_else(|| refuse(name, "no DID is known of it"))
    }

    /// A value in which each text `@name` is replaced by the DID of the participant, `@from`,
    /// `@until` and `@gate` by times.
    ///
    /// # Errors
    /// [`ScenarioError::Reference`].
    pub fn resolve(&self, value: &Value) -> Result<Value, ScenarioError> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('@') {
                Some("from") => Value::from(self.from.to_string()),
                Some("until") => Value::from(self.until.to_string()),
                Some("gate") => Value::from(self.gate.to_string()),
                Some(name) => Value::from(self.did(name)?.as_str()),
                None => value.clone(),
            },
            Value::Array(members) => {
                members.iter().map(|m| self.resolve(m)).collect::<Result<_, _>>()?
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.clone(),
        })
    }

    /// The same for every member.
    ///
    /// # Errors
    /// [`ScenarioError::Reference`].
    pub fn resolve_all(
        &self,
        members: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ScenarioError> {
        members.iter().map(|(name, value)| Ok((name.clone(), self.resolve(value)?))).collect()
    }
}

/// The schema of claims whose types are in words.
///
/// # Errors
/// The claim whose type is unknown.
fn claims_schema(claims: &BTreeMap<String, String>) -> Result<Map<String, Value>, String> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, kind) in claims {
        let text = json!({"type": "string", "minLength": 1, "maxLength": 128});
        let schema = match kind.trim_end_matches('?') {
            "text" => text,
            "integer" => json!({"type": "integer", "minimum": 0}),
            "boolean" => json!({"type": "boolean"}),
            "time" => json!({"type": "string", "format": "date-time"}),
            "texts" => {
                json!({"type": "array", "items": text, "minItems": 1, "maxItems": 128, "uniqueItems": true})
            }
            other => return Err(format!("{name} has the type {other:?}, which is none")),
        };
        properties.insert(name.clone(), schema);
        if !kind.ends_with('?') {
            required.push(Value::from(name.as_str()));
        }
    }
    let mut schema = Map::new();
    schema.insert("type".into(), Value::from("object"));
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("required".into(), Value::Array(required));
    schema.insert("additionalProperties".into(), Value::from(false));
    Ok(schema)
}

/// How many issuers may stand between a holder and the root.
const CHAIN: u8 = 4;
const DAY_SECONDS: u64 = 24 * 3600;

impl Scenario {
    /// The role definitions with their names, in the order of the scenario: what the charter lists.
    ///
    /// # Errors
    /// [`ScenarioError`] for a participant without a DID, a claim of no type, or a definition that
    /// breaks a limit.
    pub fn role_definitions(
        &self,
        names: &Names,
    ) -> Result<Vec<(ContentId, RoleDefinition)>, ScenarioError> {
        let mut made: Vec<(ContentId, RoleDefinition)> = Vec::new();
        for plan in &self.roles {
            let definition = role_definition(plan, names, &made)?;
            let (id, _) = definition
                .encode()
                .map_err(|e| refuse(format!("role {}", plan.name.as_str()), e.to_string()))?;
            made.push((id, definition));
        }
        Ok(made)
    }

    /// What a visa says of its holder.
    ///
    /// # Errors
    /// [`ScenarioError::Reference`].
    pub fn claims(
        &self,
        visa: &VisaPlan,
        names: &Names,
    ) -> Result<Map<String, Value>, ScenarioError> {
        names.resolve_all(&visa.claims)
    }

    /// The descriptor of a channel, to be signed by its owner.
    ///
    /// # Errors
    /// [`ScenarioError`] for an owner without a DID, a schema that is none, or a descriptor that its
    /// reader would refuse.
    pub fn channel_descriptor(
        &self,
        plan: &ChannelPlan,
        names: &Names,
        framework: &ContentId,
        dated: UnixMillis,
    ) -> Result<ChannelDescriptor, ScenarioError> {
        let place = || format!("channel {}", plan.name.as_str());
        let descriptor = ChannelDescriptor {
            document_type: channel::TYPE.into(),
            format_version: channel::FORMAT_VERSION,
            framework: framework.clone(),
            name: plan.name.clone(),
            version: 1,
            previous: None,
            dated,
            owner: names.did(&plan.owner)?.clone(),
            title: plan.title.clone(),
            mode: plan.mode,
            publish: plan.publish.clone(),
            subscribe: plan.subscribe.clone(),
            keep: plan.keep.clone(),
            topics: plan.topics.iter().map(topic).collect::<Result<_, _>>()?,
            sealing: plan.sealing,
            retention: plan.retention,
            receipts: plan.receipts,
            limits: plan.limits,
            max_status_age_seconds: plan.max_status_age_seconds,
            clock_skew_seconds: plan.clock_skew_seconds,
            indeterminate: plan.indeterminate,
            terms: plan.terms.clone(),
        };
        descriptor.check().map_err(|e| refuse(place(), e.to_string()))?;
        Ok(descriptor)
    }

    /// The roles that are looked at in a channel: who takes part presents its visas for these.
    ///
    /// # Errors
    /// [`ScenarioError`] as [`Self::channel_descriptor`].
    pub fn roles_asked(
        &self,
        plan: &ChannelPlan,
        names: &Names,
    ) -> Result<BTreeSet<String>, ScenarioError> {
        let framework = ContentId::of_nothing();
        let dated = UnixMillis::new(0);
        let descriptor = self.channel_descriptor(plan, names, &framework, dated)?;
        let checked = descriptor.check().map_err(|e| refuse(plan.title.clone(), e.to_string()))?;
        Ok(checked.reads.keys().map(|role| role.as_str().to_owned()).collect())
    }
}

fn role_definition(
    plan: &RolePlan,
    names: &Names,
    made: &[(ContentId, RoleDefinition)],
) -> Result<RoleDefinition, ScenarioError> {
    let place = || format!("role {}", plan.name.as_str());
    let issuing_role = |name: &gridpass_credentials::role::RoleName| {
        let found = made.iter().find(|(_, definition)| definition.name == *name);
        let missing = || refuse(place(), format!("{} does not stand before it", name.as_str()));
        found.map(|(id, _)| id.clone()).ok_or_else(missing)
    };
    let issuing = |name: &String| names.did(name).cloned();
    Ok(RoleDefinition {
        document_type: role::TYPE.into(),
        format_version: role::FORMAT_VERSION,
        name: plan.name.clone(),
        version: "1.0.0".into(),
        previous: None,
        title: plan.title.clone(),
        description: plan.description.clone(),
        issuers: Parties {
            dids: plan.issuers.participants.iter().map(issuing).collect::<Result<_, _>>()?,
            roles: plan.issuers.roles.iter().map(issuing_role).collect::<Result<_, _>>()?,
        },
        max_chain_depth: CHAIN,
        revokers: None,
        preconditions: None,
        claims: claims_schema(&plan.claims).map_err(|e| refuse(place(), e))?,
        max_validity_seconds: plan.max_validity_days.saturating_mul(DAY_SECONDS),
        max_status_age_seconds: 3600.min(plan.max_validity_days.saturating_mul(DAY_SECONDS)),
        issuer_revocation: plan.issuer_revocation,
    })
}

fn topic(plan: &TopicPlan) -> Result<Topic, ScenarioError> {
    let place = || format!("topic {}", plan.name);
    let schema = schemas::find(&plan.schema)
        .ok_or_else(|| refuse(place(), format!("there is no schema {:?}", plan.schema)))?
        .map_err(|e| refuse(place(), e.to_string()))?;
    Ok(Topic {
        name: plan.name.clone(),
        title: plan.title.clone(),
        versions: vec![TopicVersion {
            version: 1,
            media_type: schema.media_type.into(),
            schema: schema.id,
            retired: None,
        }],
        attributes: plan.attributes.clone(),
        publish: plan.publish.clone(),
        answered_by: plan.answered_by.clone(),
    })
}
