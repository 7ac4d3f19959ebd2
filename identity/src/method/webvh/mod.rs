//! did:webvh 1.0: a DID whose log proves every change of its keys back to its creation.
//!
//! The log and the witness proofs are files, verified here offline and as of a time that the
//! caller passes. Every entry is verified, and one bad entry refuses the whole log.
//!
//! The crate `didwebvh-rs` was looked at and is not used: it is asynchronous and brings tokio and
//! some 190 packages, and this crate is synchronous and builds for wasm32. Stricter than the
//! specification's SHOULDs: `null` in parameters is refused, every proof of an entry must hold,
//! and a log may have at most 4 MiB and 4096 entries.

mod create;
mod error;
mod log;
mod parameters;
mod witness;

pub use create::{Control, NewMethod, create, deactivate, update};
pub use error::WebvhError;
pub use log::{MAX_ENTRIES, MAX_LOG, VerifiedEntries, continues};
pub use parameters::{Witness, WitnessRule};
pub use witness::{add_witness_proof, witness_proof};

use crate::did::{Did, DidError};
use crate::resolution::{Resolution, ResolveError, Snapshot, Source};
use sha2::{Digest as _, Sha256};
use url::Url;

/// The parts of a did:webvh.
pub(super) struct Location<'d> {
    pub(super) scid: &'d str,
    /// Domain and path, as the DID writes them.
    pub(super) rest: &'d str,
}

/// Reads a did:webvh by the ABNF of its section "Method-Specific Identifier".
pub(super) fn location(did: &Did) -> Result<Location<'_>, DidError> {
    let refuse = |reason| DidError::new(did.as_str(), "did:webvh", reason);
    if did.method() != "webvh" {
        return Err(refuse("its method is another"));
    }
    let (scid, rest) = did
        .method_specific_id()
        .split_once(':')
        .ok_or_else(|| refuse("it has no domain after its SCID"))?;
    // base58btc leaves out 0, O, I and l.
    let base58 = |b: u8| b.is_ascii_alphanumeric() && !b"0OIl".contains(&b);
    if scid.len() != 46 || !scid.bytes().all(base58) {
        return Err(refuse("its SCID is not 46 digits of base58btc"));
    }
    let domain = rest.split(':').next().unwrap_or_default();
    if !domain.contains('.') && !domain.to_ascii_lowercase().contains("%2e") {
        return Err(refuse("its domain has no dot"));
    }
    Ok(Location { scid, rest })
}

/// Where the log is published.
///
/// # Errors
/// [`DidError`] for an identifier that breaks the method's rules.
pub fn log_url(did: &Did) -> Result<Url, DidError> {
    super::web::https_url(did, location(did)?.rest, "did.jsonl")
}

/// Where the witness proofs are published.
///
/// # Errors
/// [`DidError`] for an identifier that breaks the method's rules.
pub fn witness_url(did: &Did) -> Result<Url, DidError> {
    super::web::https_url(did, location(did)?.rest, "did-witness.json")
}

/// base58btc over the sha2-256 multihash: the form of SCIDs, entry hashes and key hashes.
pub(super) fn multihash(bytes: &[u8]) -> String {
    let hash = [&[0x12, 0x20], Sha256::digest(bytes).as_slice()].concat();
    let text = multibase::encode(multibase::Base::Base58Btc, hash);
    // A multihash in did:webvh has no multibase prefix.
    text.strip_prefix('z').unwrap_or_default().to_owned()
}

/// What the newest snapshot's log says, verified as of when it was seen.
///
/// # Errors
/// [`ResolveError::Did`] for a malformed DID, [`ResolveError::Webvh`] for a log that must be
/// refused, lacks witnesses, or is not a continuation of what was seen before.
pub fn resolve(did: &Did, snapshots: &[Snapshot]) -> Result<Resolution, ResolveError> {
    log_url(did)?;
    let mut sorted: Vec<&Snapshot> = snapshots.iter().collect();
    sorted.sort_by_key(|s| s.seen);
    let newest = sorted.last().ok_or_else(|| ResolveError::NotFound(did.clone()))?;
    for older in &sorted {
        log::continues(&older.document, &newest.document)?;
    }
    let entries = VerifiedEntries::verify(did, &newest.document, newest.seen)?;
    entries.check_witnesses(newest.witness.as_deref())?;
    Ok(Resolution {
        did: did.clone(),
        versions: entries.into_versions(),
        source: Source::VerifiedLog,
        seen: Some(newest.seen),
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
