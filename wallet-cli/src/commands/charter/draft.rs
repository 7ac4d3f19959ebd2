//! A charter on its way from signer to signer, and what a signer holds it against.

use crate::commands::arguments::trimmed;
use crate::context::{MAX_INPUT, now, read_input, rng};
use crate::output::Failure;
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::trust::{self, IdentityMaterial, LIMITS, Trust, TrustPack};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{
    OfflineResolver, ResolveError, Resolver as _, Snapshot, SnapshotStore,
};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::snapshots::{Fixed, newest_log};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A charter as it travels: in a trust pack that is not in force yet, with the charters before it, the
/// definitions that it lists and the logs of its signers; or alone.
pub struct Draft {
    pub signed: SignedCharter,
    /// The charters before it, the first one first.
    pub before: Vec<SignedCharter>,
    pub definitions: Vec<(ContentId, RoleDefinition)>,
    identities: Vec<IdentityMaterial>,
}

impl Draft {
    /// Reads a file, and believes nothing of it.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let limit = u64::try_from(LIMITS.bytes).unwrap_or(MAX_INPUT);
        let bytes = read_input(path, limit)?;
        let bytes = trimmed(&bytes);
        let is_pack = serde_json::from_slice::<Value>(bytes)
            .is_ok_and(|v| v.get("type").is_some_and(|t| t == trust::TYPE));
        if !is_pack {
            let signed = SignedCharter::parse(bytes)?;
            let (before, definitions, identities) = (Vec::new(), Vec::new(), Vec::new());
            return Ok(Self { signed, before, definitions, identities });
        }
        let pack = TrustPack::parse(bytes)?;
        let mut before = Vec::new();
        for charter in pack.charters {
            before.push(SignedCharter::from_json(charter)?);
        }
        let Some(signed) = before.pop() else {
            return Err(trust::TrustError::Malformed("it has no charter".into()).into());
        };
        let mut definitions = Vec::new();
        for value in &pack.definitions {
            let (_, bytes) = ContentId::of_json(value)?;
            let (definition, id) = RoleDefinition::parse(&bytes, None)?;
            definitions.push((id, definition));
        }
        Ok(Self { signed, before, definitions, identities: pack.identities })
    }

    /// Refuses a draft with a definition that nobody here has seen.
    pub fn must_be_seen(&self, wallet: &Wallet) -> Result<(), Failure> {
        let mut known = keeping::definitions(wallet)?;
        known.extend(self.definitions.iter().cloned());
        let is_unseen = |id: &ContentId| known.iter().all(|(known, _)| known != id);
        let mut roles = self.signed.charter().roles.iter();
        let Some(role) = roles.find(|r| is_unseen(&r.definition)) else { return Ok(()) };
        let (name, id) = (&role.name, &role.definition);
        let message = format!(
            "the definition of {name} ({id}) is neither in the file nor in this wallet: you would sign what \
             you have not seen"
        );
        Err(Failure::new(credential_codes::DEFINITION_MISSING, message).next(format!(
            "Ask the charter's maker for the file that `gridpass charter` wrote, which has the definitions; or \
             for `gridpass role show {id} -o role.json`, and keep that: `gridpass role define --from role.json`."
        )))
    }
}

/// What drafts bring that their charters rest on: definitions that these list, and logs, which prove
/// themselves. It is kept only once the charter is: a draft that comes to nothing leaves nothing behind.
#[derive(Default)]
pub struct Brought {
    pub definitions: Vec<(ContentId, RoleDefinition)>,
    logs: BTreeMap<Did, Snapshot>,
}

impl Brought {
    /// What these bring beyond what is known here.
    pub fn by(wallet: &Wallet, held: Option<&Trust>, drafts: &[Draft]) -> Result<Self, Failure> {
        let mut brought = Self::default();
        // Whose log it is knows better than a file.
        let own = wallet.identities()?;
        for draft in drafts {
            let listed = |id: &ContentId| draft.signed.charter().role(id).is_some();
            let definitions = draft.definitions.iter().filter(|(id, _)| listed(id));
            brought.definitions.extend(definitions.cloned());
            for material in &draft.identities {
                let did = &material.did;
                if did.method() != "webvh" || own.iter().any(|one| &one.did == did) {
                    continue;
                }
                // Also where it was judged at a time to come.
                let log = material.taken_at(now()).to_snapshot()?;
                if let Some(held) = held {
                    keeping::check_log(held, did, &log)?;
                }
                brought.take(wallet, did, log)?;
            }
        }
        Ok(brought)
    }

    fn take(&mut self, wallet: &Wallet, did: &Did, log: Snapshot) -> Result<(), Failure> {
        let is_known =
            self.logs.contains_key(did) || OfflineResolver::new(wallet).resolve(did).is_ok();
        let alone = Fixed(vec![log]);
        let holds = OfflineResolver::new(&alone).resolve(did);
        match holds.and_then(|_| newest_log(did, &[wallet, &*self, &alone])) {
            Ok(Some(newest)) if alone.0.iter().any(|log| log.document == newest.document) => {
                self.logs.insert(did.clone(), newest);
                Ok(())
            }
            Ok(_) => Ok(()),
            // An older log than the one that is known, or one that does not hold beside it, adds nothing.
            Err(_) if is_known => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Keeps it.
    pub fn keep(&self, wallet: &mut Wallet) -> Result<(), Failure> {
        for (_, definition) in &self.definitions {
            keeping::keep_definition(wallet, definition, &mut rng())?;
        }
        for (did, log) in &self.logs {
            wallet.save_snapshot(did, log, &mut rng())?;
        }
        Ok(())
    }
}

impl SnapshotStore for Brought {
    fn snapshots(&self, did: &Did) -> Result<Vec<Snapshot>, ResolveError> {
        Ok(self.logs.get(did).into_iter().cloned().collect())
    }
}

/// The charters before one: those that are in force, and drafts that are kept here or came with it.
pub fn history_of(
    wallet: &Wallet,
    held: Option<&Trust>,
    before: &[SignedCharter],
    signed: &SignedCharter,
) -> Result<Vec<SignedCharter>, Failure> {
    let pinned = held.map(Trust::history).unwrap_or_default();
    let mut known = keeping::charters(wallet)?;
    known.extend(before.iter().cloned());
    let (mut drafts, mut wanted) = (Vec::new(), signed.charter().previous.clone());
    while let Some(id) = wanted.take() {
        let mut copies = known.iter().filter(|c| c.id() == &id);
        let copy = copies.next().filter(|_| pinned.iter().all(|c| c.id() != &id));
        let Some(mut draft) = copy.cloned() else { break };
        for copy in copies {
            draft.merge(copy)?;
        }
        wanted.clone_from(&draft.charter().previous);
        drafts.push(draft);
    }
    drafts.reverse();
    let first = drafts.first().unwrap_or(signed).charter().version;
    let mut all = Vec::new();
    for pinned in pinned.iter().filter(|c| c.charter().version < first) {
        let mut charter = pinned.clone();
        // Where an old version was signed anew, its new signatures count.
        for copy in known.iter().filter(|c| c.id() == pinned.id()) {
            charter.merge(copy)?;
        }
        all.push(charter);
    }
    all.extend(drafts);
    Ok(all)
}

/// The pinned charters that follow one of them: an old version that is signed anew keeps its place among them.
pub fn following(held: Option<&Trust>, signed: &SignedCharter) -> Vec<SignedCharter> {
    let pinned = held.map(Trust::history).unwrap_or_default();
    pinned.iter().skip_while(|c| c.id() != signed.id()).skip(1).cloned().collect()
}

/// What a change goes on from: the charter in force, or the newest draft that somebody here signed on it.
pub fn newest(wallet: &Wallet, held: &Trust, me: &Did) -> Result<SignedCharter, Failure> {
    let kept = keeping::charters(wallet)?;
    let mut newest = held.charter().clone();
    loop {
        let follows = |c: &&SignedCharter| {
            c.charter().previous.as_ref() == Some(newest.id()) && c.named_signers().contains(me)
        };
        let next: Vec<_> = kept.iter().filter(follows).collect();
        match next.as_slice() {
            [] => return Ok(newest),
            [only] => newest = (*only).clone(),
            [first, ..] => {
                let version = first.charter().version;
                let message = format!("there are several drafts of version {version} here");
                return Err(Failure::new(credential_codes::CHARTER_FORK, message).next(
                    "Go on from the charter in force with --instead: the drafts are dropped here.",
                ));
            }
        }
    }
}

/// Refuses a second signature under one version: both charters could come into force, and the holders of
/// one would refuse the other for ever. Gives the drafts that `instead` drops.
pub fn rivals(
    wallet: &Wallet,
    held: Option<&Trust>,
    me: &Did,
    signed: &SignedCharter,
    instead: bool,
) -> Result<Vec<ContentId>, Failure> {
    let charter = signed.charter();
    // Two first charters are two frameworks.
    let Some(previous) = &charter.previous else { return Ok(Vec::new()) };
    let is_rival = |c: &SignedCharter| {
        c.charter().previous.as_ref() == Some(previous) && c.id() != signed.id()
    };
    let pinned = held.map(Trust::history).unwrap_or_default();
    if let Some(other) = pinned.iter().find(|c| is_rival(c)) {
        let message =
            format!("another charter of version {} is in force: {}", charter.version, other.id());
        return Err(Failure::new(credential_codes::CHARTER_FORK, message)
            .next("Make the change anew: it goes on from the charter that is in force."));
    }
    let mut dropped: Vec<ContentId> = Vec::new();
    for kept in keeping::charters(wallet)? {
        let goes_on = kept.charter().previous.as_ref().is_some_and(|p| dropped.contains(p));
        if goes_on || (is_rival(&kept) && kept.named_signers().contains(me)) {
            dropped.push(kept.id().clone());
        }
    }
    match dropped.first() {
        Some(other) if !instead => {
            let message = format!(
                "{me} signed another charter of version {} already: {other}. If both come into force, their \
                 holders refuse each other's for ever",
                charter.version
            );
            Err(Failure::new(credential_codes::CHARTER_FORK, message).next(
                "Agree with the other signers on one of them. With --instead this one is signed, and the other \
                 is dropped here: its file, with your signature, stays with whoever has it.",
            ))
        }
        _ => Ok(dropped),
    }
}
