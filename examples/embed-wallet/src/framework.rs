//! A trust framework: what roles mean, whose word counts, and the file that everybody pins.

use crate::Shell;
use crate::error::Result;
use crate::party::Party;
use gridpass_credentials::charter::{Charter, ListedRole, SignedCharter, SigningRule};
use gridpass_credentials::keeping;
use gridpass_credentials::role::{Parties, RoleDefinition, RoleName};
use gridpass_credentials::secured::Signer;
use gridpass_credentials::trust::TrustPack;
use gridpass_identity::document::Relationship;
use serde_json::{Map, Value, json};

/// Who may bid.
pub const AGGREGATOR: &str = "flex.gb.aggregator";
/// Who reads bids.
pub const OPERATOR: &str = "flex.gb.dso";

/// Defines both roles, signs the charter that lists them, and gives the trust pack: a file that every
/// participant pins, and an auditor brings along.
pub fn found(regulator: &mut Party, shell: &mut Shell<'_>) -> Result<Vec<u8>> {
    let (root, now) = (regulator.did().clone(), shell.now());
    let role = |name: &str, title: &str, says: &str, claims: Value| -> Result<RoleDefinition> {
        let issuers = Parties { dids: vec![root.clone()], roles: Vec::new() };
        let claims = claims.as_object().cloned().unwrap_or_else(Map::new);
        Ok(RoleDefinition::first(RoleName::parse(name)?, title, says, issuers, claims))
    };
    let roles = [
        role(
            AGGREGATOR,
            "Aggregator",
            "Offers flexibility in the zone for which it is accredited.",
            json!({
                "type": "object",
                "properties": {"zone": {"type": "string"}, "capacityKw": {"type": "integer"}},
                "required": ["zone", "capacityKw"],
                "additionalProperties": false,
            }),
        )?,
        role(
            OPERATOR,
            "Distribution system operator",
            "Runs a distribution grid, and reads what is offered to it.",
            json!({"type": "object", "additionalProperties": false}),
        )?,
    ];
    // One signer here. A framework of several organisations names them all, and how many must sign.
    let rule = SigningRule { threshold: 1, signers: vec![root.clone()] };
    let name = "Flexibility in Great Britain";
    let mut charter = Charter::first(name, vec![root.clone()], rule, now.floor_to_second());
    for role in &roles {
        let (definition, name) =
            (keeping::keep_definition(&mut regulator.wallet, role, shell.rng)?, role.name.clone());
        charter.roles.push(ListedRole { definition, name, retired: None, grace_seconds: None });
    }
    let mut signed = SignedCharter::unsigned(charter)?;
    let (key_id, key) = regulator.key(Relationship::AssertionMethod)?;
    signed.sign(Signer { key: &key, key_id: &key_id, now })?;
    keeping::keep_charter(&mut regulator.wallet, &signed, shell.rng)?;
    let roles: Vec<&RoleDefinition> = roles.iter().collect();
    let (_, pack) = TrustPack::new(&[signed], &roles, regulator.published()?).encode()?;
    Ok(pack)
}
