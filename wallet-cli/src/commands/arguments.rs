//! What several commands read from the command line: lengths of time, claims, parcels, and the
//! material that verifying needs.

use super::replacing::{ADOPT, with_way_out};
use super::resolve::parse_time;
use crate::beside::Beside;
use crate::codes;
use crate::context::{GlobalArgs, MAX_INPUT, now, read_input};
use crate::output::Failure;
use clap::Args;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::parcel::{self, Parcel, ParcelKind};
pub use gridpass_credentials::parcel::{dids_in, self_proving};
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Snapshots, Trust};
use gridpass_credentials::verify::{SeenLists, VisaReport};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{Snapshot, SnapshotStore};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::snapshots::{Fixed, newest_log};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Milliseconds of `90d`, `24h`, `10m` or `30s`.
pub fn parse_duration(text: &str) -> Result<u64, Failure> {
    let refuse = || Failure::new(codes::DURATION, format!("{text:?} is not a length of time"));
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: u64 = match text.get(digits.len()..) {
        Some("d") => 24 * 3600 * 1000,
        Some("h") => 3600 * 1000,
        Some("m") => 60 * 1000,
        Some("s") => 1000,
        _ => return Err(refuse()),
    };
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    number.checked_mul(unit).ok_or_else(refuse)
}

/// Claims, one by one or from a file.
#[derive(Args, Clone, Debug)]
pub struct ClaimArgs {
    /// A claim, such as zone=GB-1; a value that is JSON is read as such, unless the role says text
    #[arg(long = "claim", value_name = "NAME=VALUE")]
    claims: Vec<String>,
    /// All claims as a JSON object in a file; - for standard input
    #[arg(id = "claims_file", long = "claims", value_name = "FILE", conflicts_with = "claims")]
    file: Option<PathBuf>,
}

impl ClaimArgs {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.file.is_none()
    }

    /// The claims, typed as the definition's schema says where it does.
    pub fn read(&self, definition: &RoleDefinition) -> Result<Map<String, Value>, Failure> {
        if let Some(path) = &self.file {
            return claims_in(path);
        }
        let mut map = Map::new();
        for claim in &self.claims {
            let Some((name, value)) = claim.split_once('=').filter(|(name, _)| !name.is_empty())
            else {
                let message = format!("{claim:?} is not NAME=VALUE");
                return Err(Failure::new(codes::CLAIM_ARGUMENT, message));
            };
            let declared =
                definition.claims.get("properties").and_then(|p| p.get(name)?.get("type"));
            let text = || Value::String(value.to_owned());
            let value = if declared.is_some_and(|t| t == "string") {
                text()
            } else {
                serde_json::from_str(value).unwrap_or_else(|_| text())
            };
            if map.insert(name.to_owned(), value).is_some() {
                let message = format!("the claim {name:?} is given twice");
                return Err(Failure::new(codes::CLAIM_ARGUMENT, message));
            }
        }
        Ok(map)
    }
}

/// Claims, or the schema of claims, from a file.
pub fn claims_in(path: &Path) -> Result<Map<String, Value>, Failure> {
    keeping::read_claims(&read_input(path, MAX_INPUT)?).map_err(|e| {
        let message = format!("{}: {e}", path.display());
        Failure::new(e.code(), message).next("Correct the file: it holds one JSON object.")
    })
}

/// What verifying rests on.
#[derive(Args, Clone, Debug)]
pub struct TrustArgs {
    /// The trust pack to verify by [default: the one pinned in the wallet]
    #[arg(long, value_name = "PACK")]
    trust: Option<PathBuf>,
    /// The CID that the trust pack must have, as its signers told you
    #[arg(long, value_name = "CID", requires = "trust")]
    pin: Option<String>,
    /// Status lists, from their issuers: a list, or a file of several
    #[arg(long, value_name = "FILE")]
    status: Vec<PathBuf>,
    /// Further files with visas or DID documents that it rests on
    #[arg(long, value_name = "FILE")]
    evidence: Vec<PathBuf>,
    /// A file with documents of did:web participants that you got from a place that you trust; those
    /// in files from others are never believed
    #[arg(long, value_name = "FILE")]
    did_documents: Vec<PathBuf>,
    /// Judge as of this time (RFC 3339, UTC) [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// What is known as of this time, not before the other; name it for a report that comes out the same
    /// later, and says so (RFC 3339, UTC) [default: now]
    #[arg(long, value_name = "TIME")]
    clock: Option<String>,
}

/// When to judge, the time that it is, and which trust pack is meant.
type Said = (UnixMillis, UnixMillis, Option<ContentId>);

/// The status lists that a wallet keeps, read once.
type Kept = Rc<(Vec<StatusList>, SeenLists)>;

/// An open wallet with what it pins and keeps, for several files in turn.
pub struct Opened {
    wallet: Wallet,
    trust: Trust,
    kept: Kept,
}

impl Opened {
    /// The wallet.
    pub fn wallet(&self) -> &Wallet {
        &self.wallet
    }

    /// The wallet, to change what is in neither of the others.
    pub fn wallet_mut(&mut self) -> &mut Wallet {
        &mut self.wallet
    }
}

/// What was gathered for a verification.
pub struct Material {
    /// The trust pack.
    pub trust: Trust,
    /// Status lists from every source.
    pub lists: Vec<StatusList>,
    /// Those of them that were given as such.
    pub given: Vec<StatusList>,
    /// What was seen of status lists before.
    pub seen: SeenLists,
    /// Visas that others rest on.
    pub supporting: Vec<String>,
    /// DID documents from files.
    pub identities: Vec<IdentityMaterial>,
    /// The wallet, where one was opened for its trust pack.
    pub wallet: Option<Wallet>,
    /// What a wallet here knows of DIDs, where a trust pack was named.
    pub beside: Option<Beside>,
    /// What the wallet keeps of status lists, where it was read for several files.
    kept: Option<Kept>,
    /// The time to judge at.
    pub at: UnixMillis,
    /// The time that it is: not before the other. Trust packs and lists are believed up to it, so that
    /// what happened at the other is judged by what is known now.
    pub clock: UnixMillis,
    /// Whether somebody gave it.
    clock_given: bool,
}

impl TrustArgs {
    /// Refuses a time to judge at, for a command that signs as of now.
    pub fn refuse_other_times(&self) -> Result<(), Failure> {
        if self.at.is_none() && self.clock.is_none() {
            return Ok(());
        }
        let message = "a visa is issued now: --at and --clock are for commands that only look";
        Err(Failure::new(codes::USAGE, message)
            .next("Leave it out; from when on the visa counts is said with --from TIME."))
    }

    /// Whether status lists were given as such.
    pub fn has_status(&self) -> bool {
        !self.status.is_empty()
    }

    /// Reads everything; asks for the wallet only where no trust pack is given.
    pub fn gather(&self, global: &GlobalArgs, parcel: &Parcel) -> Result<Material, Failure> {
        let said = self.said()?;
        let (bytes, wallet) = match &self.trust {
            Some(path) => (read_pack(path)?, None),
            None => {
                let wallet = global.wallet_of_trust()?;
                (keeping::pinned_bytes(&wallet)?, Some(wallet))
            }
        };
        let mut material = self.begin(said, &bytes, wallet.as_ref(), parcel)?;
        material.wallet = wallet;
        // A log that is known here further than in the pack that was named.
        material.beside = self.trust.as_ref().and_then(|_| Beside::open(global));
        self.add_files(&mut material, parcel)?;
        Ok(material)
    }

    /// As [`TrustArgs::gather`], by the trust pack that was named and the files alone: no wallet is looked for.
    pub fn gather_alone(&self, parcel: &Parcel) -> Result<Material, Failure> {
        let Some(path) = &self.trust else {
            let message = "without a wallet nothing says by which trust pack to verify";
            return Err(Failure::new(codes::USAGE, message).next(
                "Name it with --trust FILE, and its CID, as its signers told you, with --pin CID.",
            ));
        };
        let mut material = self.begin(self.said()?, &read_pack(path)?, None, parcel)?;
        self.add_files(&mut material, parcel)?;
        Ok(material)
    }

    /// Opens the wallet and what it pins, once for several files.
    pub fn open(&self, global: &GlobalArgs) -> Result<Opened, Failure> {
        let said = self.said()?;
        if self.trust.is_some() {
            let message = "several requests are answered by the pinned trust pack alone";
            return Err(Failure::new(codes::USAGE, message).next("Leave --trust out."));
        }
        let wallet = global.wallet_of_trust()?;
        let trust = trust_at(&keeping::pinned_bytes(&wallet)?, &said)?;
        let kept = Rc::new(keeping::lists(&wallet)?);
        Ok(Opened { wallet, trust, kept })
    }

    /// As [`TrustArgs::gather`], for one of several files: with what is in `place`, where it is there still. It is
    /// in what was gathered, which gives it back; where that fails it stays where it was.
    pub fn gather_in(
        &self,
        global: &GlobalArgs,
        place: &mut Option<Opened>,
        parcel: &Parcel,
    ) -> Result<Material, Failure> {
        let (at, clock, _) = self.said()?;
        let Opened { wallet, trust, kept } = match place.take() {
            Some(opened) => opened,
            None => self.open(global)?,
        };
        let (lists, seen) = (*kept).clone();
        let mut material = Material {
            trust,
            lists,
            given: Vec::new(),
            seen,
            supporting: parcel.supporting.clone(),
            identities: self_proving(&parcel.identities, now().max(at)),
            wallet: Some(wallet),
            beside: None,
            kept: Some(kept),
            at,
            clock,
            clock_given: self.clock.is_some(),
        };
        if let Err(e) = self.add_files(&mut material, parcel) {
            *place = material.give_back();
            return Err(e);
        }
        Ok(material)
    }

    /// The times and the CID that were given.
    fn said(&self) -> Result<Said, Failure> {
        let at = self.at.as_deref().map(parse_time).transpose()?.unwrap_or_else(now);
        let clock = self.clock.as_deref().map(parse_time).transpose()?.unwrap_or_else(now).max(at);
        Ok((at, clock, self.pin.as_deref().map(ContentId::parse).transpose()?))
    }

    /// What is known before files are read: no wallet is in it yet.
    fn begin(
        &self,
        said: Said,
        bytes: &[u8],
        wallet: Option<&Wallet>,
        parcel: &Parcel,
    ) -> Result<Material, Failure> {
        let trust = trust_at(bytes, &said)?;
        let (at, clock, _) = said;
        // Nothing in a file was obtained later than now, nor after the time that is asked about.
        let latest = now().max(at);
        let (lists, seen) = match wallet {
            Some(wallet) => keeping::lists(wallet)?,
            None => (Vec::new(), SeenLists::new()),
        };
        Ok(Material {
            trust,
            lists,
            given: Vec::new(),
            seen,
            supporting: parcel.supporting.clone(),
            identities: self_proving(&parcel.identities, latest),
            wallet: None,
            beside: None,
            kept: None,
            at,
            clock,
            clock_given: self.clock.is_some(),
        })
    }

    /// What the file brings, and those that were named beside it.
    fn add_files(&self, material: &mut Material, parcel: &Parcel) -> Result<(), Failure> {
        let latest = now().max(material.at);
        let mut lists = std::mem::take(&mut material.lists);
        lists.extend(read_lists(&parcel.status_lists)?);
        let status = self.status.iter().map(|path| (path, true));
        for (path, is_status) in status.chain(self.evidence.iter().map(|path| (path, false))) {
            let bytes = read_input(path, MAX_INPUT)?;
            let more = read_any(&bytes)?;
            // What was given as a list, and is none, is not to be missed as one that nobody gave.
            let visa = more.content.as_ref().filter(|_| is_status);
            if let Some(text) = visa.filter(|text| keeping::read_visa(text).is_err()) {
                keeping::read_list(text.as_bytes())?;
            }
            let read = read_lists(&more.status_lists)?;
            if is_status {
                material.given.extend_from_slice(&read);
            }
            lists.extend(read);
            material.supporting.extend(more.content);
            material.supporting.extend(more.supporting);
            material.identities.extend(self_proving(&more.identities, latest));
        }
        for path in &self.did_documents {
            let named = read_any(&read_input(path, MAX_INPUT)?)?.identities;
            // What the pack or the wallet knows stands against any file.
            let known = |did: &Did| -> Result<bool, Failure> {
                let held = match material.store() {
                    Some(store) => !store.snapshots(did)?.is_empty(),
                    None => false,
                };
                Ok(held || !material.trust.snapshots(did)?.is_empty())
            };
            let mut taken = Vec::new();
            for one in named {
                if one.did.method() == "webvh" || !known(&one.did)? {
                    taken.push(one);
                }
            }
            material.identities.extend(taken);
        }
        material.lists = lists;
        Ok(())
    }
}

/// The trust pack, as it counts at the times that were given.
fn trust_at(bytes: &[u8], (at, clock, pin): &Said) -> Result<Trust, Failure> {
    let open = |time: UnixMillis| -> Result<Trust, KeepError> {
        Ok(Trust::open(trimmed(bytes), pin.as_ref(), time)?)
    };
    let trust = open(*clock)?;
    let first = trust.history().first().unwrap_or_else(|| trust.charter());
    // Before its first charter there was nothing to judge by.
    if first.charter().dated > at.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
        return Ok(open(*at)?);
    }
    Ok(trust)
}

impl Material {
    /// What is the same for the next of several files: nothing that came with this one.
    pub fn give_back(self) -> Option<Opened> {
        Some(Opened { wallet: self.wallet?, trust: self.trust, kept: self.kept? })
    }

    /// A report as it is given away: it says where its clock was given.
    pub fn with_its_clock(&self, report: VisaReport) -> VisaReport {
        if self.clock_given { report.with_given_clock(self.clock) } else { report }
    }

    /// What is known of DIDs: from files, the trust pack, and the wallet.
    pub fn snapshots(&self) -> Result<Snapshots<'_>, Failure> {
        let snapshots = Snapshots::read(&self.identities)?.with(&self.trust);
        Ok(match self.store() {
            Some(store) => snapshots.with(store),
            None => snapshots,
        })
    }

    /// The wallet's, beside the trust pack.
    fn store(&self) -> Option<&dyn SnapshotStore> {
        match (&self.wallet, &self.beside) {
            (Some(wallet), _) => Some(wallet),
            (None, Some(beside)) => Some(beside),
            (None, None) => None,
        }
    }
}

/// The bytes of a trust pack that was named.
fn read_pack(path: &Path) -> Result<Vec<u8>, Failure> {
    let limit = u64::try_from(gridpass_credentials::trust::LIMITS.bytes);
    read_input(path, limit.unwrap_or(MAX_INPUT))
}

/// Without the line end that an editor or `echo` adds: a trust pack has exact bytes.
pub fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii_end()
}

/// Status lists from their texts.
pub fn read_lists(texts: &[String]) -> Result<Vec<StatusList>, Failure> {
    texts.iter().map(|t| Ok(keeping::read_list(t.as_bytes())?)).collect()
}

/// Any file of evidence: a parcel, or a bare visa or status list.
fn read_any(bytes: &[u8]) -> Result<Parcel, Failure> {
    if let Ok(mut parcel) = Parcel::parse(bytes) {
        if parcel.kind != ParcelKind::Visa {
            // Requests and presentations are no visas; what they carry is.
            parcel.content = None;
        }
        return Ok(parcel);
    }
    let mut parcel = Parcel::parse_or_bare(bytes, ParcelKind::Visa)?;
    if let Some(text) = &parcel.content
        && keeping::read_list(text.as_bytes()).is_ok()
    {
        parcel.status_lists.extend(parcel.content.take());
    }
    Ok(parcel)
}

/// The documents of DIDs that cannot be computed, for a parcel.
pub fn identities_of<'d>(
    store: &dyn SnapshotStore,
    dids: impl IntoIterator<Item = &'d Did>,
) -> Result<Vec<IdentityMaterial>, Failure> {
    Ok(parcel::identities_of(store, dids)?)
}

/// Of documents from a file those that this wallet takes: a did:web's or did:webvh's own owner knows better
/// than a file.
fn taken<'m>(
    wallet: &Wallet,
    identities: &'m [IdentityMaterial],
) -> Result<Vec<(&'m Did, Snapshot)>, Failure> {
    let own: Vec<Did> = wallet.identities()?.into_iter().map(|i| i.did).collect();
    let mut taken = Vec::new();
    for material in identities {
        if material.did.method() == "webvh" && !own.contains(&material.did) {
            // Also where it was judged at a time to come.
            taken.push((&material.did, material.taken_at(now()).to_snapshot()?));
        }
    }
    Ok(taken)
}

/// Refuses logs that contradict the pinned ones or those that the wallet keeps, and tells the way out.
pub fn check_logs(
    wallet: &Wallet,
    pinned: Option<&Trust>,
    identities: &[IdentityMaterial],
) -> Result<(), Failure> {
    for (did, snapshot) in taken(wallet, identities)? {
        if let Some(pinned) = pinned {
            keeping::check_log(pinned, did, &snapshot)
                .map_err(|e| with_way_out(Failure::from(e), ADOPT))?;
        }
        let given = Fixed(vec![snapshot]);
        newest_log(did, &[wallet, &given]).map_err(|e| {
            let message = format!("the log of {did} contradicts the one that is kept: {e}");
            with_way_out(Failure::new(e.code(), message), ADOPT)
        })?;
    }
    Ok(())
}

/// Keeps the DID documents of a parcel, each checked against its DID. Gives of how many there was something
/// new.
pub fn save_identities(
    wallet: &mut Wallet,
    identities: &[IdentityMaterial],
) -> Result<usize, Failure> {
    let has_log = identities.iter().any(|material| material.did.method() == "webvh");
    let pinned = has_log.then(|| keeping::pinned(wallet, now()).ok()).flatten();
    save_identities_beside(wallet, pinned.as_ref(), identities)
}

/// As [`save_identities`], where the pinned trust pack is open already.
pub fn save_identities_beside(
    wallet: &mut Wallet,
    pinned: Option<&Trust>,
    identities: &[IdentityMaterial],
) -> Result<usize, Failure> {
    check_logs(wallet, pinned, identities)?;
    let mut saved = 0_usize;
    for (did, snapshot) in taken(wallet, identities)? {
        let given = Fixed(vec![snapshot.clone()]);
        let held = newest_log(did, &[&*wallet])?.map(|log| (log.document, log.witness));
        let newest = newest_log(did, &[&*wallet, &given])?.map(|log| (log.document, log.witness));
        let kept = wallet.save_snapshot(did, &snapshot, &mut crate::context::rng());
        // An older log than the one that is kept, or the same, adds nothing.
        if held != newest {
            kept?;
            saved = saved.saturating_add(1);
        }
    }
    Ok(saved)
}

/// A definition by its name or CID in the wallet, or from a file.
pub fn definition(wallet: &Wallet, name: &str) -> Result<(ContentId, RoleDefinition), Failure> {
    match keeping::definition(wallet, name) {
        Err(KeepError::NotFound { .. }) if Path::new(name).is_file() => {
            read_definition(Path::new(name))
        }
        other => Ok(other?),
    }
}

/// A definition from a file.
pub fn read_definition(path: &Path) -> Result<(ContentId, RoleDefinition), Failure> {
    let bytes = read_input(path, 64 * 1024)?;
    let (definition, id) = RoleDefinition::parse(trimmed(&bytes), None)?;
    Ok((id, definition))
}

/// One thing that differs between two documents.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Change {
    /// Where, as a JSON Pointer.
    pub place: String,
    /// What stood there; absent if nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What stands there; absent if nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side =
            |v: &Option<Value>| v.as_ref().map_or("(absent)".to_owned(), crate::shown::shown);
        let place = crate::shown::shown(&self.place);
        writeln!(f, "{place}\n  - {}\n  + {}", side(&self.old), side(&self.new))
    }
}

/// What differs between two JSON documents, by member.
pub fn differences(old: &Value, new: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut open = vec![(String::new(), Some(old), Some(new))];
    while let Some((place, old, new)) = open.pop() {
        match (old, new) {
            (old, new) if old == new => {}
            (Some(Value::Object(a)), Some(Value::Object(b))) => {
                let names: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
                let inner = names.into_iter().rev();
                open.extend(inner.map(|n| (format!("{place}/{n}"), a.get(n), b.get(n))));
            }
            (Some(Value::Array(a)), Some(Value::Array(b))) => {
                let inner = (0..a.len().max(b.len())).rev();
                open.extend(inner.map(|i| (format!("{place}/{i}"), a.get(i), b.get(i))));
            }
            (old, new) => {
                changes.push(Change { place, old: old.cloned(), new: new.cloned() });
            }
        }
    }
    changes
}

/// Why a file is no schema document. One of an XSD is made of its files.
pub fn no_schema(path: &Path, bytes: &[u8], why: &str) -> Failure {
    let code = gridpass_policy::codes::SCHEMA_MALFORMED;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.trim_ascii_start().first() == Some(&b'<') {
        let message =
            format!("{}: it is XML, such as an XSD, and no schema document", path.display());
        return Failure::new(code, message).next(
            "Pin the XSD with every file that it includes, `gridpass schema pin MAIN.xsd OTHER.xsd -o schema.json`, and name \
             schema.json, with --media-type application/xml.",
        );
    }
    Failure::new(code, format!("{}: {why}", path.display()))
}

/// A schema document from a file, whose name is the CID of its canonical bytes.
pub fn schema_document(path: &Path) -> Result<(ContentId, Vec<u8>), Failure> {
    use gridpass_identity::json::{Limits, parse_strict};
    let bytes = read_input(path, MAX_INPUT)?;
    let value = parse_strict(&bytes, Limits::DOCUMENT)
        .map_err(|e| no_schema(path, &bytes, &e.to_string()))?;
    Ok(ContentId::of_json(&value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parcel is written by whoever sends it: the document of a did:web in it is that sender's word
    /// about a regulator's keys.
    #[test]
    fn the_document_of_a_did_web_in_a_file_from_others_is_not_believed() {
        let snapshot = Snapshot {
            seen: UnixMillis::new(1),
            confirmed: None,
            document: b"{}".to_vec(),
            witness: None,
        };
        let did = |text: &str| Did::parse(text).expect("a DID");
        let scid = "QmfGEUAcMpzo25kF2Rhn8L5FAXysfGnkzjwdKoNPi615XQ";
        let webvh = did(&format!("did:webvh:{scid}:regulator.example"));
        let all = [did("did:web:regulator.example"), webvh.clone()]
            .map(|did| IdentityMaterial::of(&did, &snapshot));
        let taken: Vec<Did> =
            self_proving(&all, UnixMillis::new(1)).into_iter().map(|m| m.did).collect();
        assert_eq!(taken, [webvh]);
    }
}
