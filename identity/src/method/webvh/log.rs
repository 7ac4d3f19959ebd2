//! Reading a log: every entry against the one before.

use super::parameters::{self, Applied, Parameters, WitnessRule};
use super::{WebvhError, location, multihash, witness};
use crate::data_integrity;
use crate::did::Did;
use crate::document::DidDocument;
use crate::json::{self, Limits};
use crate::key::PublicKey;
use crate::resolution::DocumentVersion;
use crate::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The largest log, in bytes.
pub const MAX_LOG: usize = 4 * 1024 * 1024;
/// The most entries.
pub const MAX_ENTRIES: usize = 4096;
/// The most proofs of one entry.
const MAX_PROOFS: usize = 16;

/// An entry as it stands in the log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct EntryIn {
    version_id: String,
    version_time: String,
    parameters: Value,
    state: Value,
    proof: Vec<Map<String, Value>>,
}

/// An entry that was verified, but for its witnesses.
#[derive(Clone, Debug)]
struct Entry {
    version_id: String,
    time: UnixMillis,
    document: DidDocument,
    deactivated: bool,
    witness: Option<WitnessRule>,
}

/// A log whose every entry was verified: hashes, proofs, keys, times, parameters. Whether its
/// witnesses approved is asked with [`VerifiedEntries::check_witnesses`].
#[derive(Clone, Debug)]
pub struct VerifiedEntries {
    text: String,
    entries: Vec<Entry>,
    parameters: Parameters,
}

fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    log.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// Refuses a log that does not begin with the one seen before.
///
/// # Errors
/// [`WebvhError::Rewritten`] names the first entry that differs; [`WebvhError::Older`] where none does,
/// and entries at the end are missing.
pub fn continues(older: &[u8], newer: &[u8]) -> Result<(), WebvhError> {
    let mut newer = lines(newer);
    for (i, line) in lines(older).enumerate() {
        match newer.next() {
            Some(same) if same == line => {}
            Some(_) => return Err(WebvhError::Rewritten(i.saturating_add(1))),
            None => return Err(WebvhError::Older { found: i, known: lines(older).count() }),
        }
    }
    Ok(())
}

impl VerifiedEntries {
    /// Verifies the log of a DID as of `now`, following section "Read (Resolve)".
    ///
    /// # Errors
    /// [`WebvhError::Entry`] names the entry and the rule that it breaks.
    pub fn verify(did: &Did, log: &[u8], now: UnixMillis) -> Result<Self, WebvhError> {
        let whole = |reason: &str| WebvhError::entry(0, reason);
        if log.len() > MAX_LOG {
            return Err(whole("the log has more than 4 MiB"));
        }
        let text = std::str::from_utf8(log).map_err(|_| whole("the log is not text"))?;
        let wanted = location(did).map_err(|e| whole(&e.to_string()))?;
        let mut entries: Vec<Entry> = Vec::new();
        let mut parameters: Option<Parameters> = None;
        for (i, line) in lines(log).enumerate() {
            let number = i.saturating_add(1);
            if number > MAX_ENTRIES {
                return Err(whole("the log has more than 4096 entries"));
            }
            let applied = {
                let raw = json::parse_strict(line, Limits::DOCUMENT)
                    .map_err(|e| WebvhError::entry(number, e.to_string()))?;
                let entry: EntryIn = json::from_object(raw.clone())
                    .map_err(|e| WebvhError::entry(number, e.to_string()))?;
                let before = parameters.as_ref().zip(entries.last());
                let (verified, after) =
                    verify_entry(number, &raw, &entry, before, wanted.scid, now)?;
                entries.push(verified);
                after
            };
            parameters = Some(applied);
        }
        let parameters = parameters.ok_or_else(|| whole("the log is empty"))?;
        if !entries.iter().any(|e| e.document.id() == did) {
            return Err(whole("no entry is of the DID that was asked for"));
        }
        Ok(Self { text: text.to_owned(), entries, parameters })
    }

    /// Checks that enough witnesses approved every entry that needs them.
    ///
    /// # Errors
    /// [`WebvhError::Witness`]; [`WebvhError::Entry`] if the file cannot be read.
    pub fn check_witnesses(&self, file: Option<&[u8]>) -> Result<(), WebvhError> {
        let rules: Vec<(&str, Option<&WitnessRule>)> =
            self.entries.iter().map(|e| (e.version_id.as_str(), e.witness.as_ref())).collect();
        witness::check(&rules, file)
    }

    /// The documents over time.
    #[must_use]
    pub fn into_versions(self) -> Vec<DocumentVersion> {
        self.entries
            .into_iter()
            .map(|e| DocumentVersion {
                from: Some(e.time),
                version_id: Some(e.version_id),
                document: (!e.deactivated).then_some(e.document),
            })
            .collect()
    }

    /// The name of the last entry, which is what a witness signs.
    #[must_use]
    pub fn version_id(&self) -> &str {
        self.entries.last().map(|e| e.version_id.as_str()).unwrap_or_default()
    }

    /// The DID as the last entry writes it.
    #[must_use]
    pub fn did(&self) -> Option<&Did> {
        self.entries.last().map(|e| e.document.id())
    }

    /// From when on the DID is deactivated; `None` where it is not.
    #[must_use]
    pub fn deactivated(&self) -> Option<UnixMillis> {
        self.entries.last().filter(|e| e.deactivated).map(|e| e.time)
    }

    /// Who must approve the last entry.
    #[must_use]
    pub fn acting_witness_rule(&self) -> Option<&WitnessRule> {
        self.entries.last().and_then(|e| e.witness.as_ref())
    }

    /// What the last entry says.
    pub(super) fn document(&self) -> Option<&DidDocument> {
        self.entries.last().map(|e| &e.document)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn time(&self) -> UnixMillis {
        self.entries.last().map_or(UnixMillis::new(0), |e| e.time)
    }

    pub(super) fn number(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

fn verify_entry(
    number: usize,
    raw: &Value,
    entry: &EntryIn,
    before: Option<(&Parameters, &Entry)>,
    scid: &str,
    now: UnixMillis,
) -> Result<(Entry, Parameters), WebvhError> {
    let refuse = |reason: &str| WebvhError::entry(number, reason);
    let Applied { after, signers, witness } = match before {
        None => parameters::first(&entry.parameters)?,
        Some((active, _)) => parameters::next(number, &entry.parameters, active)?,
    };
    if after.scid != scid {
        return Err(refuse("its SCID is another than the DID's"));
    }
    let mut document = raw.clone();
    if let Some(map) = document.as_object_mut() {
        map.remove("proof");
    }
    if before.is_none() {
        verify_scid(&document, scid).map_err(|e| WebvhError::entry(number, e))?;
    }
    let previous = before.map_or(scid, |(_, last)| last.version_id.as_str());
    verify_version_id(number, &entry.version_id, &document, previous)?;
    verify_proofs(&document, &entry.proof, &signers).map_err(|e| WebvhError::entry(number, e))?;
    let time = UnixMillis::parse_rfc3339(&entry.version_time)
        .map_err(|e| refuse(&format!("versionTime: {e}")))?;
    if before.is_some_and(|(_, last)| time <= last.time) {
        return Err(refuse("its time is not later than the entry's before"));
    }
    if time > now.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
        return Err(refuse(&format!("its time, {time}, is later than when it was obtained")));
    }
    let document = verify_state(number, &entry.state, &after, before, scid)?;
    let deactivated = after.deactivated;
    let version_id = entry.version_id.clone();
    Ok((Entry { version_id, time, document, deactivated, witness }, after))
}

/// Section "Verify SCID".
fn verify_scid(document: &Value, scid: &str) -> Result<(), String> {
    let mut preliminary = document.clone();
    if let Some(map) = preliminary.as_object_mut() {
        map.insert("versionId".into(), json!("{SCID}"));
    }
    let text = preliminary.to_string().replace(scid, "{SCID}");
    let replaced: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let bytes = json::canonicalize(&replaced).map_err(|e| e.to_string())?;
    if multihash(&bytes) == scid { Ok(()) } else { Err("the SCID is not its hash".into()) }
}

/// Section "Verify The Entry Hash".
fn verify_version_id(
    number: usize,
    version_id: &str,
    document: &Value,
    previous: &str,
) -> Result<(), WebvhError> {
    let refuse = |reason: &str| WebvhError::entry(number, reason);
    let (found, hash) = version_id.split_once('-').ok_or_else(|| refuse("versionId: no dash"))?;
    // Compared as text, so that 01 and +1 are not 1.
    if found != number.to_string() {
        return Err(refuse("versionId: the numbers do not follow each other"));
    }
    if hash != entry_hash(document, previous).map_err(|e| refuse(&e))? {
        return Err(refuse("the entry's hash is not that of its content"));
    }
    Ok(())
}

/// The hash over an entry without proof, chained to the version before.
pub(super) fn entry_hash(document: &Value, previous: &str) -> Result<String, String> {
    let mut chained = document.clone();
    if let Some(map) = chained.as_object_mut() {
        map.insert("versionId".into(), json!(previous));
    }
    let bytes = json::canonicalize(&chained).map_err(|e| e.to_string())?;
    Ok(multihash(&bytes))
}

/// Section "Authorized Keys": every proof must hold, and by a key that may sign this entry.
fn verify_proofs(
    document: &Value,
    proofs: &[Map<String, Value>],
    signers: &[String],
) -> Result<(), String> {
    if proofs.is_empty() || proofs.len() > MAX_PROOFS {
        return Err(format!("it has {} proofs", proofs.len()));
    }
    for proof in proofs {
        let (_, key) = proof_key(proof)?;
        if !signers.contains(&key.to_multikey()) {
            return Err("it is signed by a key that may not sign it".into());
        }
        data_integrity::verify_eddsa_jcs_2022(document, proof, &key).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// The did:key that a proof names, and its key; body and fragment must be the same.
pub(super) fn proof_key(proof: &Map<String, Value>) -> Result<(String, PublicKey), String> {
    let text = |name: &str| proof.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("proofPurpose") != "assertionMethod" {
        return Err("the proof's purpose is not assertionMethod".into());
    }
    let method = text("verificationMethod");
    let (did, fragment) = method.split_once('#').unwrap_or_default();
    let body = did.strip_prefix("did:key:").unwrap_or_default();
    if body.is_empty() || body != fragment {
        return Err("the proof's verificationMethod is not did:key:X#X".into());
    }
    let key = PublicKey::from_multikey(body).map_err(|e| e.to_string())?;
    Ok((did.to_owned(), key))
}

/// The document: its SCID never changes, and its place only where the DID is portable.
fn verify_state(
    number: usize,
    state: &Value,
    after: &Parameters,
    before: Option<(&Parameters, &Entry)>,
    scid: &str,
) -> Result<DidDocument, WebvhError> {
    let refuse = |reason: &str| WebvhError::entry(number, reason);
    let id = state.get("id").and_then(Value::as_str).unwrap_or_default();
    let did = Did::parse(id).map_err(|e| refuse(&e.to_string()))?;
    let place = location(&did).map_err(|e| refuse(&e.to_string()))?;
    if place.scid != scid {
        return Err(refuse("the document's SCID is another than the DID's"));
    }
    super::log_url(&did).map_err(|e| refuse(&e.to_string()))?;
    if let Some((active, last)) = before
        && last.document.id() != &did
    {
        // Section "DID Portability".
        if !(active.portable && after.portable) {
            return Err(refuse("the DID moved, and it is not portable"));
        }
        let names = state.get("alsoKnownAs").and_then(Value::as_array);
        let prior = last.document.id().as_str();
        if !names.is_some_and(|list| list.iter().any(|name| name.as_str() == Some(prior))) {
            return Err(refuse("the DID moved, and alsoKnownAs does not name it as it was"));
        }
    }
    DidDocument::from_json(state.clone(), &did).map_err(|e| refuse(&e.to_string()))
}
