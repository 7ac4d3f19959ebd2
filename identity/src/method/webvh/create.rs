//! Writing a log: create, update, deactivate. Pre-rotation is always on, until the end: each entry commits
//! to the hash of the next key, so that who steals the present key cannot take the DID over.
//!
//! Everything made here was verified by the reader in [`super::log`] before it is returned.

use super::log::{VerifiedEntries, entry_hash};
use super::parameters::{METHOD, WitnessRule};
use super::{WebvhError, multihash};
use crate::data_integrity;
use crate::did::Did;
use crate::document::{DidDocument, Relationship, VerificationMethod};
use crate::json;
use crate::key::{PublicKey, SecretKey};
use crate::time::UnixMillis;
use serde_json::{Map, Value, json};

/// A key of the document that is to be.
#[derive(Clone, Debug)]
pub struct NewMethod {
    /// The fragment of its id.
    pub fragment: String,
    /// The key.
    pub public_key: PublicKey,
    /// What it is for; nothing, for a key that is listed as compromised only.
    pub relationships: Vec<Relationship>,
    /// Marked as compromised since.
    pub revoked: Option<UnixMillis>,
}

/// Who controls the log from this entry on.
#[derive(Clone, Copy, Debug)]
pub struct Control<'k> {
    /// Signs this entry. For an update, the key that the entry before committed to.
    pub signer: &'k SecretKey,
    /// May sign the next entry.
    pub next: &'k PublicKey,
    /// Who must approve entries; on creation only.
    pub witness: Option<&'k WitnessRule>,
}

/// Stands where the SCID will, in a DID that parses.
const PLACEHOLDER: &str = "QmPLACEHoLDERPLACEHoLDERPLACEHoLDERPLACEHoLDER";

/// Makes a DID at `domain` or `domain:path:path`, and the first line of its log.
///
/// # Errors
/// [`WebvhError::Refused`] for a malformed location or fragment, a key that is not Ed25519, or a
/// witness rule that cannot be met.
pub fn create(
    place: &str,
    methods: &[NewMethod],
    control: &Control<'_>,
    now: UnixMillis,
) -> Result<(Did, String), WebvhError> {
    let refuse = |reason: String| WebvhError::Refused(reason);
    let did = Did::parse(&format!("did:webvh:{PLACEHOLDER}:{place}"))
        .map_err(|e| refuse(e.to_string()))?;
    super::log_url(&did).map_err(|e| refuse(e.to_string()))?;
    let mut parameters = Map::new();
    parameters.insert("method".into(), json!(METHOD));
    parameters.insert("scid".into(), json!(PLACEHOLDER));
    set_keys(&mut parameters, control);
    parameters.insert("portable".into(), json!(false));
    if let Some(rule) = control.witness {
        rule.check().map_err(refuse)?;
        parameters.insert("witness".into(), json!(rule));
    }
    let entry = json!({
        "versionId": "{SCID}",
        "versionTime": now.floor_to_second(),
        "parameters": parameters,
        "state": document(&did, methods)?.as_json(),
    });
    // Section "Generate SCID".
    let preliminary = entry.to_string().replace(PLACEHOLDER, "{SCID}");
    let scid = multihash(&canonical(&parse(&preliminary)?)?);
    let entry = parse(&preliminary.replace("{SCID}", &scid))?;
    let did =
        Did::parse(&format!("did:webvh:{scid}:{place}")).map_err(|e| refuse(e.to_string()))?;
    let line = finish(entry, 1, &scid, control.signer, now)?;
    VerifiedEntries::verify(&did, line.as_bytes(), now)?;
    Ok((did, line))
}

/// Appends an entry with another document and new keys in control; gives the whole log.
///
/// # Errors
/// [`WebvhError::Refused`] if the signer is not the key committed to, or the second of the last
/// entry is not over yet.
pub fn update(
    log: &VerifiedEntries,
    methods: &[NewMethod],
    control: &Control<'_>,
    now: UnixMillis,
) -> Result<String, WebvhError> {
    let did = log.did().ok_or_else(|| WebvhError::Refused("the log is empty".into()))?.clone();
    let mut parameters = Map::new();
    set_keys(&mut parameters, control);
    let state = document(&did, methods)?.as_json().clone();
    append(log, &did, parameters, state, control.signer, now)
}

/// Appends the last entry: the DID is deactivated, nobody may sign another one, and nothing can follow.
/// `signer` is the key that the last entry committed to.
///
/// With keys that are committed to nobody could sign an entry without update keys. So one that commits to
/// none comes first, and changes nothing else (section "Deactivate (Revoke)"). The DID ends a second after
/// it: what was signed in the second of the call was signed before the end.
///
/// # Errors
/// As [`update`].
pub fn deactivate(
    log: &VerifiedEntries,
    signer: &SecretKey,
    now: UnixMillis,
) -> Result<String, WebvhError> {
    let nothing = || WebvhError::Refused("the log is empty".into());
    let did = log.did().ok_or_else(nothing)?.clone();
    let mut end = Map::new();
    end.insert("updateKeys".into(), json!([]));
    end.insert("deactivated".into(), json!(true));
    let state = document(&did, &[])?.as_json().clone();
    if log.parameters().next_key_hashes.is_empty() {
        return append(log, &did, end, state, signer, now);
    }
    let mut open = Map::new();
    open.insert("updateKeys".into(), json!([signer.public_key().to_multikey()]));
    open.insert("nextKeyHashes".into(), json!([]));
    let same = log.document().ok_or_else(nothing)?.as_json().clone();
    let opened = append(log, &did, open, same, signer, now)?;
    let opened = VerifiedEntries::verify(&did, opened.as_bytes(), now)?;
    append(&opened, &did, end, state, signer, now.plus_millis(1000))
}

fn append(
    log: &VerifiedEntries,
    did: &Did,
    parameters: Map<String, Value>,
    state: Value,
    signer: &SecretKey,
    now: UnixMillis,
) -> Result<String, WebvhError> {
    let time = now.floor_to_second();
    if time <= log.time() {
        let reason = "did:webvh dates its entries in whole seconds; try again in a second";
        return Err(WebvhError::Refused(reason.into()));
    }
    let (key, active) = (signer.public_key().to_multikey(), log.parameters());
    let may_sign = match active.next_key_hashes.as_slice() {
        [] => active.update_keys.contains(&key),
        committed => committed.contains(&multihash(key.as_bytes())),
    };
    if !may_sign {
        let reason = "the last entry did not commit to the key that is to sign";
        return Err(WebvhError::Refused(reason.into()));
    }
    let entry = json!({
        "versionId": log.version_id(),
        "versionTime": time,
        "parameters": parameters,
        "state": state,
    });
    let number = log.number().saturating_add(1);
    let line = finish(entry, number, log.version_id(), signer, now)?;
    let whole = format!("{}\n{line}", log.text().trim_end());
    VerifiedEntries::verify(did, whole.as_bytes(), now)?;
    Ok(whole)
}

fn set_keys(parameters: &mut Map<String, Value>, control: &Control<'_>) {
    let signer = control.signer.public_key().to_multikey();
    parameters.insert("updateKeys".into(), json!([signer]));
    let next = multihash(control.next.to_multikey().as_bytes());
    parameters.insert("nextKeyHashes".into(), json!([next]));
}

fn document(did: &Did, methods: &[NewMethod]) -> Result<DidDocument, WebvhError> {
    let mut list = Vec::new();
    for new in methods {
        let id =
            did.with_fragment(&new.fragment).map_err(|e| WebvhError::Refused(e.to_string()))?;
        let mut method = VerificationMethod::new(id, new.public_key.clone());
        method.revoked = new.revoked;
        list.push((method, new.relationships.clone()));
    }
    Ok(DidDocument::new(did.clone(), list))
}

/// Gives an entry its hash and its proof, as one line.
fn finish(
    mut entry: Value,
    number: usize,
    previous: &str,
    signer: &SecretKey,
    now: UnixMillis,
) -> Result<String, WebvhError> {
    let refuse = |reason: String| WebvhError::Refused(reason);
    let hash = entry_hash(&entry, previous).map_err(refuse)?;
    if let Some(map) = entry.as_object_mut() {
        map.insert("versionId".into(), json!(format!("{number}-{hash}")));
    }
    let name = signer.public_key().to_multikey();
    let proof = data_integrity::sign_eddsa_jcs_2022(
        &entry,
        &format!("did:key:{name}#{name}"),
        "assertionMethod",
        now,
        signer,
    )
    .map_err(|e| refuse(e.to_string()))?;
    if let Some(map) = entry.as_object_mut() {
        map.insert("proof".into(), json!([proof]));
    }
    Ok(format!("{entry}\n"))
}

fn canonical(value: &Value) -> Result<Vec<u8>, WebvhError> {
    json::canonicalize(value).map_err(|e| WebvhError::Refused(e.to_string()))
}

fn parse(text: &str) -> Result<Value, WebvhError> {
    serde_json::from_str(text).map_err(|e| WebvhError::Refused(e.to_string()))
}
