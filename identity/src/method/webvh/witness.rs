//! Witnesses: parties who approve each entry before it is published (section "DID Witnesses").

use super::log::proof_key;
use super::parameters::WitnessRule;
use super::{VerifiedEntries, WebvhError};
use crate::data_integrity;
use crate::json::{self, Limits};
use crate::key::SecretKey;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// The most proofs that are looked at in one file.
const MAX_PROOFS: usize = 16 * 1024;

/// The proofs for one version.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionProofs {
    version_id: String,
    #[serde(default)]
    proof: Vec<Map<String, Value>>,
}

fn read(file: &[u8]) -> Result<Vec<VersionProofs>, WebvhError> {
    let refuse = |reason: String| WebvhError::entry(0, format!("did-witness.json: {reason}"));
    let limits = Limits { bytes: super::MAX_LOG, ..Limits::DOCUMENT };
    let value = json::parse_strict(file, limits).map_err(|e| refuse(e.to_string()))?;
    let Value::Array(values) = value else { return Err(refuse("it is not an array".into())) };
    let list: Vec<VersionProofs> = values
        .into_iter()
        .map(json::from_object)
        .collect::<Result<_, _>>()
        .map_err(|e| refuse(e.to_string()))?;
    if list.iter().map(|v| v.proof.len()).sum::<usize>() > MAX_PROOFS {
        return Err(refuse("more than 16384 proofs".into()));
    }
    Ok(list)
}

/// Checks every version that has a rule. A proof approves its version and all before it; proofs
/// of versions that are not in this log, and proofs that do not hold, count for nothing.
pub(super) fn check(
    versions: &[(&str, Option<&WitnessRule>)],
    file: Option<&[u8]>,
) -> Result<(), WebvhError> {
    if versions.iter().all(|(_, rule)| rule.is_none()) {
        return Ok(());
    }
    let named: HashSet<&str> = versions
        .iter()
        .filter_map(|(_, rule)| *rule)
        .flat_map(|rule| rule.witnesses.iter().map(|w| w.id.as_str()))
        .collect();
    let positions: HashMap<&str, usize> =
        versions.iter().enumerate().map(|(i, (id, _))| (*id, i)).collect();
    // For each witness, the newest version that it approved: one look-up each, however many
    // proofs a hostile file holds.
    let mut newest: HashMap<String, usize> = HashMap::new();
    for version in file.map(read).transpose()?.unwrap_or_default() {
        let Some(at) = positions.get(version.version_id.as_str()).copied() else { continue };
        let document = json!({ "versionId": version.version_id });
        for proof in &version.proof {
            let Ok((did, key)) = proof_key(proof) else { continue };
            // Only a named witness's proof is worth a verification.
            if named.contains(did.as_str())
                && data_integrity::verify_eddsa_jcs_2022(&document, proof, &key).is_ok()
            {
                let latest = newest.entry(did).or_insert(at);
                *latest = at.max(*latest);
            }
        }
    }
    for (i, (_, rule)) in versions.iter().enumerate() {
        let Some(rule) = rule else { continue };
        let approved = |witness: &str| newest.get(witness).is_some_and(|at| *at >= i);
        let found = rule.witnesses.iter().filter(|w| approved(w.id.as_str())).count();
        if found < rule.threshold {
            let entry = i.saturating_add(1);
            return Err(WebvhError::Witness { entry, found, threshold: rule.threshold });
        }
    }
    Ok(())
}

/// A witness's approval of the last entry of a log that it verified.
///
/// # Errors
/// [`WebvhError::Refused`] if the key is not Ed25519.
pub fn witness_proof(
    log: &VerifiedEntries,
    key: &SecretKey,
    now: UnixMillis,
) -> Result<Value, WebvhError> {
    let name = key.public_key().to_multikey();
    let document = json!({ "versionId": log.version_id() });
    data_integrity::sign_eddsa_jcs_2022(
        &document,
        &format!("did:key:{name}#{name}"),
        "assertionMethod",
        now,
        key,
    )
    .map_err(|e| WebvhError::Refused(e.to_string()))
}

/// The file `did-witness.json` with one more proof.
///
/// # Errors
/// [`WebvhError::Entry`] if the file at hand cannot be read.
pub fn add_witness_proof(
    file: Option<&[u8]>,
    version_id: &str,
    proof: Value,
) -> Result<Vec<u8>, WebvhError> {
    let refuse = |reason: &str| WebvhError::Refused(reason.to_owned());
    let Value::Object(proof) = proof else { return Err(refuse("a proof is an object")) };
    let mut list = file.map(read).transpose()?.unwrap_or_default();
    match list.iter_mut().find(|v| v.version_id == version_id) {
        Some(version) => version.proof.push(proof),
        None => {
            list.push(VersionProofs { version_id: version_id.to_owned(), proof: vec![proof] });
        }
    }
    serde_json::to_vec_pretty(&list).map_err(|_| refuse("proofs are JSON"))
}
