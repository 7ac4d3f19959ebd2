//! Whether everything that a scenario names is there, and fits where it is named.

use super::{Expect, RolePlan, Scenario, ScenarioError, steps};
use crate::build::Names;
use crate::documents::is_eic;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::value::ValueType;
use std::collections::{BTreeMap, BTreeSet};

/// The most participants, visas, channels or steps of a scenario.
const MAX: usize = 1024;
/// What a text `@name` may stand for beside participants.
const RESERVED: [&str; 3] = ["from", "until", "gate"];

pub(super) fn refuse<T>(place: &str, reason: impl Into<String>) -> Result<T, ScenarioError> {
    Err(ScenarioError::Reference { place: place.to_owned(), reason: reason.into() })
}

pub(super) fn check(scenario: &Scenario) -> Result<(), ScenarioError> {
    let visas = scenario.participants.iter().map(|p| p.visas.len()).fold(0, usize::saturating_add);
    let sizes =
        [scenario.participants.len(), visas, scenario.channels.len(), scenario.steps().count()];
    if sizes.iter().any(|size| *size == 0 || *size > MAX) {
        let reason = "it has no participants, visas, channels or steps, or more than 1024";
        return Err(ScenarioError::Malformed(reason.into()));
    }
    let names = participants(scenario)?;
    visas_and_roles(scenario, &names)?;
    channels(scenario, &names)?;
    table(scenario, &names)?;
    steps::check(scenario)
}

/// A short name: lower case, digits and `-`; it becomes part of an Internet domain.
fn is_short_name(name: &str) -> bool {
    let sign = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=40).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.bytes().all(sign)
}

/// Stands for the DIDs that participants will have.
fn participants(scenario: &Scenario) -> Result<Names, ScenarioError> {
    let mut dids = BTreeMap::new();
    for participant in &scenario.participants {
        let name = &participant.name;
        if !is_short_name(name) || RESERVED.contains(&name.as_str()) {
            return refuse(name, "a name is lower case letters, digits and -, and not reserved");
        }
        if !is_eic(&participant.eic) {
            return refuse(name, format!("{:?} is no EIC", participant.eic));
        }
        let Ok(did) = Did::parse(&format!("did:web:{}", participant.domain())) else {
            return refuse(name, "its name gives no domain");
        };
        if dids.insert(name.clone(), did).is_some() {
            return refuse(name, "two participants have this name");
        }
    }
    if !dids.contains_key(&scenario.root) {
        return refuse("root", format!("{:?} is no participant", scenario.root));
    }
    Ok(Names { dids, from: UnixMillis::new(0), until: UnixMillis::MAX, gate: UnixMillis::MAX })
}

fn visas_and_roles(scenario: &Scenario, names: &Names) -> Result<(), ScenarioError> {
    let definitions = scenario.role_definitions(names)?;
    let mut ids = BTreeSet::new();
    for participant in &scenario.participants {
        for visa in &participant.visas {
            let place = format!("visa {}", visa.id);
            if !ids.insert(visa.id.as_str()) {
                return refuse(&place, "two visas have this id");
            }
            let found = definitions.iter().find(|(_, d)| d.name == visa.role);
            let (Some(role), Some((_, definition))) = (scenario.role(visa.role.as_str()), found)
            else {
                return refuse(&place, format!("there is no role {}", visa.role.as_str()));
            };
            let claims = scenario.claims(visa, names)?;
            let schema = definition
                .claims_schema(false)
                .map_err(|e| ScenarioError::Malformed(e.to_string()))?;
            let unfit = schema.places(&claims.into());
            if let Some((at, why)) = unfit.first() {
                return refuse(&place, format!("its claims do not fit its role: {at}: {why}"));
            }
            let Some(issuer) = scenario.participant(&visa.issuer) else {
                return refuse(&place, format!("{:?} is no participant", visa.issuer));
            };
            let by_role = issuer.visas.iter().any(|v| role.issuers.roles.contains(&v.role));
            if !role.issuers.participants.contains(&issuer.name) && !by_role {
                return refuse(&place, format!("{} may not issue this role", issuer.name));
            }
        }
    }
    Ok(())
}

fn channels(scenario: &Scenario, names: &Names) -> Result<(), ScenarioError> {
    let mut seen = BTreeSet::new();
    for channel in &scenario.channels {
        let place = format!("channel {}", channel.name.as_str());
        if !seen.insert(channel.name.as_str()) {
            return refuse(&place, "two channels have this name");
        }
        if let Some(other) = channel.interfaces.iter().find(|i| !scenario.interfaces.contains(i)) {
            return refuse(&place, format!("the scenario does not name the interface {other:?}"));
        }
        let framework = ContentId::of_nothing();
        let dated = UnixMillis::new(0);
        let descriptor = scenario.channel_descriptor(channel, names, &framework, dated)?;
        let checked = descriptor.check().map_err(|e| ScenarioError::Malformed(e.to_string()))?;
        for (role, reads) in &checked.reads {
            let Some(plan) = scenario.role(role.as_str()) else {
                return refuse(&place, format!("there is no role {}", role.as_str()));
            };
            let issuing: Vec<_> =
                plan.issuers.roles.iter().filter_map(|r| scenario.role(r.as_str())).collect();
            carried(&reads.claims, &[plan], &place)?;
            carried(&reads.authority, &issuing, &place)?;
        }
    }
    Ok(())
}

/// Whether visas carry what requirements read of them.
fn carried(
    reads: &BTreeMap<String, ValueType>,
    roles: &[&RolePlan],
    place: &str,
) -> Result<(), ScenarioError> {
    for (claim, value_type) in reads {
        let kind = value_type.to_string();
        if !roles.iter().any(|role| role.claims.get(claim) == Some(&kind)) {
            return refuse(place, format!("it reads {claim} as {kind}, which no visa carries"));
        }
    }
    Ok(())
}

fn table(scenario: &Scenario, names: &Names) -> Result<(), ScenarioError> {
    let mut seen = BTreeSet::new();
    for row in &scenario.policy {
        let place = format!("case {:?}", row.name);
        if !seen.insert(row.name.as_str()) {
            return refuse(&place, "two cases have this name");
        }
        if scenario.channel(&row.channel).is_none() {
            return refuse(&place, format!("there is no channel {:?}", row.channel));
        }
        let Some(sender) = scenario.participant(&row.sender) else {
            return refuse(&place, format!("{:?} is no participant", row.sender));
        };
        for visa in row.without.iter().chain(row.standing.keys()) {
            if !sender.visas.iter().any(|v| v.id == *visa) {
                return refuse(&place, format!("{} has no visa {visa:?}", sender.name));
            }
        }
        if let Some(message) = &row.publish {
            for name in &message.to {
                names.did(name)?;
            }
            names.resolve_all(&message.attributes)?;
        }
    }
    Ok(())
}

/// The participants of an expectation.
pub(super) fn readers(expect: &Expect) -> &[String] {
    match expect {
        Expect::Delivered(names) => names,
        Expect::Refused(_) => &[],
    }
}
