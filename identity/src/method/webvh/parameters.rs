//! The parameters of a log: what each entry sets, and what is in force after it.

use super::WebvhError;
use crate::did::Did;
use crate::json;
use crate::key::{KeyType, PublicKey};
use crate::method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The one value of `method` that is understood. Others are refused, never downgraded.
pub(super) const METHOD: &str = "did:webvh:1.0";
/// The most keys, hashes, witnesses or watchers in one list.
const MAX_LIST: usize = 64;

/// Who must approve entries, and how many of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessRule {
    /// At least so many distinct witnesses.
    pub threshold: usize,
    /// The witnesses.
    pub witnesses: Vec<Witness>,
}

/// A witness: a did:key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Its DID.
    pub id: Did,
}

impl WitnessRule {
    /// Checks the rule: distinct Ed25519 did:keys, and a threshold that they can meet.
    pub(super) fn check(&self) -> Result<(), String> {
        // Before anything that costs more the longer the list is.
        if self.witnesses.len() > MAX_LIST {
            return Err("more than 64 witnesses".into());
        }
        for (i, witness) in self.witnesses.iter().enumerate() {
            if witness.id.method() != "key" {
                return Err(format!("witness {} is no did:key, as every witness is", witness.id));
            }
            let key = method::key::to_public_key(&witness.id).map_err(|e| e.to_string())?;
            if key.key_type() != KeyType::Ed25519 {
                return Err(format!("witness {} is not an Ed25519 key", witness.id));
            }
            if self.witnesses.iter().skip(i.saturating_add(1)).any(|w| w.id == witness.id) {
                return Err(format!("witness {} is listed twice", witness.id));
            }
        }
        if self.threshold == 0 || self.threshold > self.witnesses.len() {
            return Err(format!(
                "the witness threshold is {}, of {} witnesses",
                self.threshold,
                self.witnesses.len()
            ));
        }
        Ok(())
    }
}

/// What one entry sets, as it stands in the log. Absent means unchanged.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ParametersIn {
    method: Option<String>,
    scid: Option<String>,
    update_keys: Option<Vec<String>>,
    next_key_hashes: Option<Vec<String>>,
    witness: Option<Value>,
    watchers: Option<Vec<String>>,
    portable: Option<bool>,
    deactivated: Option<bool>,
    ttl: Option<u32>,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) scid: String,
    pub(super) update_keys: Vec<String>,
    pub(super) next_key_hashes: Vec<String>,
    pub(super) witness: Option<WitnessRule>,
    pub(super) portable: bool,
    pub(super) deactivated: bool,
}

/// What applies to one entry: some parameters act at once, others from the next entry on.
pub(super) struct Applied {
    /// In force after the entry.
    pub(super) after: Parameters,
    /// The keys that may sign the entry.
    pub(super) signers: Vec<String>,
    /// The witnesses who must approve the entry.
    pub(super) witness: Option<WitnessRule>,
}

fn read(value: &Value) -> Result<ParametersIn, String> {
    // An absent parameter is unchanged; null would be a second spelling of that, or of a reset.
    if let Some(map) = value.as_object()
        && let Some((name, _)) = map.iter().find(|(_, v)| v.is_null())
    {
        return Err(format!("parameter {name} is null"));
    }
    let parameters: ParametersIn =
        json::from_object(value.clone()).map_err(|e| format!("parameters: {e}"))?;
    if parameters.method.as_deref().is_some_and(|m| m != METHOD) {
        return Err(format!("the method is not {METHOD}"));
    }
    if parameters.ttl.is_some_and(|ttl| ttl > 1 << 31) {
        return Err("ttl is over 2^31".into());
    }
    for list in [&parameters.update_keys, &parameters.next_key_hashes, &parameters.watchers] {
        if list.as_ref().is_some_and(|list| list.len() > MAX_LIST) {
            return Err("a list of parameters has more than 64 members".into());
        }
    }
    for key in parameters.update_keys.iter().flatten() {
        let key = PublicKey::from_multikey(key).map_err(|e| format!("updateKeys: {e}"))?;
        if key.key_type() != KeyType::Ed25519 {
            return Err("an update key is not an Ed25519 key".into());
        }
    }
    Ok(parameters)
}

/// `{}` means none; anything else must be a whole rule.
fn read_witness(value: &Value) -> Result<Option<WitnessRule>, String> {
    if value.as_object().is_some_and(serde_json::Map::is_empty) {
        return Ok(None);
    }
    let rule: WitnessRule =
        json::from_object(value.clone()).map_err(|e| format!("witness: {e}"))?;
    // A derived reader would take `["did:key:…"]` for a witness.
    let members = value.get("witnesses").and_then(Value::as_array);
    if !members.is_some_and(|list| list.iter().all(Value::is_object)) {
        return Err("witness: a witness is not an object".into());
    }
    rule.check()?;
    Ok(Some(rule))
}

/// The first entry: everything acts at once.
pub(super) fn first(value: &Value) -> Result<Applied, WebvhError> {
    let refuse = |reason: String| WebvhError::entry(1, reason);
    let set = read(value).map_err(refuse)?;
    let required = |name| refuse(format!("parameter {name} is missing"));
    set.method.ok_or_else(|| required("method"))?;
    let after = Parameters {
        scid: set.scid.ok_or_else(|| required("scid"))?,
        update_keys: set.update_keys.ok_or_else(|| required("updateKeys"))?,
        next_key_hashes: set.next_key_hashes.unwrap_or_default(),
        witness: set.witness.as_ref().map(read_witness).transpose().map_err(refuse)?.flatten(),
        portable: set.portable.unwrap_or(false),
        deactivated: set.deactivated.unwrap_or(false),
    };
    Ok(Applied { signers: after.update_keys.clone(), witness: after.witness.clone(), after })
}

/// A later entry, on top of what is in force.
pub(super) fn next(
    entry: usize,
    value: &Value,
    before: &Parameters,
) -> Result<Applied, WebvhError> {
    let refuse = |reason: &str| WebvhError::entry(entry, reason);
    let set = read(value).map_err(|e| WebvhError::entry(entry, e))?;
    if before.deactivated {
        return Err(refuse("the DID was deactivated before"));
    }
    if set.scid.is_some() {
        return Err(refuse("scid stands in a later entry than the first"));
    }
    if set.portable == Some(true) {
        return Err(refuse("portable is set to true in a later entry than the first"));
    }
    let mut after = before.clone();
    let pre_rotation = !before.next_key_hashes.is_empty();
    if pre_rotation {
        let keys = set
            .update_keys
            .as_ref()
            .ok_or_else(|| refuse("updateKeys is missing, and pre-rotation is active"))?;
        if set.next_key_hashes.is_none() {
            return Err(refuse("nextKeyHashes is missing, and pre-rotation is active"));
        }
        for key in keys {
            if !before.next_key_hashes.contains(&super::multihash(key.as_bytes())) {
                return Err(refuse("an update key was not committed to by the entry before"));
            }
        }
    }
    if let Some(keys) = set.update_keys {
        after.update_keys = keys;
    }
    if let Some(hashes) = set.next_key_hashes {
        after.next_key_hashes = hashes;
    }
    if let Some(portable) = set.portable {
        after.portable = portable;
    }
    if let Some(deactivated) = set.deactivated {
        after.deactivated = deactivated;
    }
    if let Some(value) = &set.witness {
        after.witness = read_witness(value).map_err(|e| WebvhError::entry(entry, e))?;
    }
    // Section "Authorized Keys": with pre-rotation the entry's own keys sign it, else the keys
    // in force before.
    let signers = if pre_rotation { &after.update_keys } else { &before.update_keys }.clone();
    // Section "parameters", witness: from none to some acts at once; any other change acts later.
    let witness = before.witness.clone().or_else(|| after.witness.clone());
    Ok(Applied { after, signers, witness })
}
