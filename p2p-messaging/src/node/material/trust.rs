//! The trust pack: the one at hand goes on, and is never exchanged for another.

use super::{Material, MaterialError, Taken, folder, latest};
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{ReplacedCharters, ReplacedLog, compare_until};
use gridpass_credentials::trust::{
    Comparison, IdentityMaterial, LogPin, Replaced, Trust, TrustError,
};
use gridpass_identity::did::Did;
use gridpass_identity::resolve::Snapshot;
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Material {
    pub(super) fn take_trust(
        &mut self,
        bytes: &[u8],
        now: UnixMillis,
        keep: bool,
    ) -> Result<Taken, MaterialError> {
        self.take_trust_with(bytes, &[], None, now, keep)?;
        Ok(Taken::Trust)
    }

    /// What changes where a trust pack is taken and its logs, if they end so, take the place of known ones
    /// that contradict them: [`Material::give_replacing`].
    ///
    /// # Errors
    /// [`MaterialError`] where one of them is not the one that is named.
    pub fn replaces(
        &self,
        bytes: &[u8],
        ends: &[LogPin],
        now: UnixMillis,
    ) -> Result<Vec<Replaced>, MaterialError> {
        let new = Trust::open(bytes, None, now).map_err(refused)?;
        let replaced = new.replaces(self.trust.as_deref(), &self.identities, ends);
        Ok(replaced.map_err(refused)?.into_iter().map(|(changed, _)| changed).collect())
    }

    /// Takes a trust pack as [`Material::give`] does, and of the DIDs that are named its logs in the place of
    /// those that contradict them, which is recorded in the folder: their owners told by another way how they
    /// end. Gives the DIDs, too.
    ///
    /// # Errors
    /// [`MaterialError`]; nothing is replaced then.
    pub fn give_replacing(
        &mut self,
        bytes: &[u8],
        ends: &[LogPin],
        now: UnixMillis,
    ) -> Result<Vec<Taken>, MaterialError> {
        self.give_pinned(bytes, ends, None, now)
    }

    /// The same, of the pack with this CID, where one is named: then also where its charter contradicts the one at
    /// hand, which is recorded in the folder. Its signers told, by another way, on which of the two they agreed.
    ///
    /// # Errors
    /// As [`Material::give_replacing`].
    pub fn give_pinned(
        &mut self,
        bytes: &[u8],
        ends: &[LogPin],
        pin: Option<&ContentId>,
        now: UnixMillis,
    ) -> Result<Vec<Taken>, MaterialError> {
        let replaced = self.take_trust_with(bytes, ends, pin, now, true)?;
        let mut taken = vec![Taken::Trust];
        taken.extend(replaced.into_iter().map(Taken::Identity));
        Ok(taken)
    }

    fn take_trust_with(
        &mut self,
        bytes: &[u8],
        ends: &[LogPin],
        pin: Option<&ContentId>,
        now: UnixMillis,
        keep: bool,
    ) -> Result<BTreeSet<Did>, MaterialError> {
        let new = Trust::open(bytes, pin, now).map_err(refused)?;
        let mut left = None;
        let held = match &self.trust {
            Some(held) => Some(Arc::clone(held)),
            // What is read from the folder was looked at before.
            None if keep => self.trust_ahead(now),
            None => None,
        };
        if let Some(held) = &held {
            let refuse = |code, sentence: &str| Err(MaterialError::new(code, sentence));

            // What is ahead of the clock gives way here as in a wallet.
            match compare_until(&new, held, now) {
                Comparison::Same | Comparison::Newer => {}
                Comparison::Older => {
                    let sentence = "its charter is older than the node's";
                    return refuse(credential_codes::CHARTER_ROLLBACK, sentence);
                }
                Comparison::Fork if pin.is_some() => {
                    left = Some(ReplacedCharters::new(now, held, &new));
                }
                Comparison::Fork => {
                    let sentence = "its charter contradicts the node's";
                    return refuse(credential_codes::CHARTER_FORK, sentence);
                }
                Comparison::Unrelated => {
                    let sentence = "it belongs to another trust framework than the node's";
                    return refuse(credential_codes::CHARTER_UNRELATED, sentence);
                }
            }
            // What a newer pack says of a did:web, or no longer says, would be its sender's word.
            let is_known = |did: &Did| held.identities().iter().any(|h| &h.did == did);
            let changed =
                web(&new).find(|m| is_known(&m.did) && !says_the_same(held.identities(), m));
            let dropped = web(held).find(|m| !says_the_same(new.identities(), m));
            if let Some(other) = changed.or(dropped) {
                let sentence = format!("it has another document of {}", other.did);
                return Err(MaterialError::new(credential_codes::TRUST_DOCUMENT_OTHER, sentence));
            }
        }
        // Its bytes are kept as they are: a log that is dated ahead would be as new as that for good.
        let newest = now.plus_millis(MAX_CLOCK_SKEW_MILLIS);
        let mut logs = new.identities().iter().filter(|m| m.did.method() == "webvh");
        if keep && let Some(ahead) = logs.find(|m| m.seen > newest) {
            let (did, seen) = (&ahead.did, ahead.seen);
            let sentence =
                format!("it says that the log of {did} was obtained at {seen}, later than now");
            return Err(MaterialError::new(credential_codes::TRUST_PACK_MALFORMED, sentence));
        }
        let mut dids = BTreeSet::new();
        if keep {
            let held = held.as_deref();
            let replaced = new.replaces(held, &self.identities, ends).map_err(refused)?;
            dids.extend(replaced.iter().map(|(changed, _)| changed.did.clone()));
            let logs = new.beside_but(held, &self.identities, &dids, now).map_err(refused)?;
            // What is known beyond the new pack is on the disk before the pack is that had it: a pack
            // without the end of a log would else hide the mark of a stolen key once the node starts again.
            for (did, log) in logs.iter().filter(|(did, log)| !new.has_log(did, log)) {
                self.keep_material(&IdentityMaterial::of(did, log))?;
            }
            self.record(&new, &replaced, now)?;
            if let Some(left) = &left {
                self.record_left(left)?;
            }
            // The pack brings the other end itself, and is read first: stopped in between, the node knows less,
            // and is given the same once more.
            for did in &dids {
                self.folder.remove(&folder::identity(did))?;
            }
            self.forget_lists(&dids, &new)?;
            self.folder.write(folder::TRUST, bytes)?;
            for did in &dids {
                self.identities.forget(did);
                self.passing.retain(|passing| passing != did);
            }
        }
        self.identities.take_trust(&new, latest(now, keep));
        self.trust = Some(Arc::new(new));
        self.trust_bytes = bytes.to_vec();
        Ok(dids)
    }

    /// The trust pack that stands in the folder, where it is ahead of the clock and so is not in force: what takes its
    /// place is held against it all the same.
    fn trust_ahead(&self, now: UnixMillis) -> Option<Arc<Trust>> {
        let bytes = self.folder.content(folder::TRUST)?;
        match Trust::open(&bytes, None, now) {
            Err(e) if e.is_from_future() => {
                Trust::open(&bytes, None, UnixMillis::MAX).ok().map(Arc::new)
            }
            _ => None,
        }
    }

    /// Writes down which logs give way, with what they said.
    fn record(
        &self,
        new: &Trust,
        replaced: &[(Replaced, Snapshot)],
        now: UnixMillis,
    ) -> Result<(), MaterialError> {
        for (changed, log) in replaced {
            let (did, before, after) = (&changed.did, &changed.before, &changed.after);
            tracing::warn!(%did, %before, %after, "a log gives way to one that contradicts it");
            let record = ReplacedLog::new(now, new.id().clone(), changed.clone(), log);
            let bytes = serde_json::to_vec(&record)
                .map_err(|e| MaterialError::new(crate::codes::NODE_FOLDER, e.to_string()))?;
            self.folder.write(&folder::replaced(&bytes), &bytes)?;
        }
        Ok(())
    }

    /// Writes down which charters give way, as they were signed.
    fn record_left(&self, left: &ReplacedCharters) -> Result<(), MaterialError> {
        let (before, after) = (&left.before, &left.after);
        tracing::warn!(%before, %after, "a charter gives way to one that contradicts it");
        let bytes = serde_json::to_vec(left)
            .map_err(|e| MaterialError::new(crate::codes::NODE_FOLDER, e.to_string()))?;
        self.folder.write(&folder::replaced_charters(&bytes), &bytes)
    }

    /// Takes a trust pack that arrived, if it goes on from the one at hand; gives the one before.
    ///
    /// # Errors
    /// [`MaterialError`].
    pub fn take_newer_trust(
        &mut self,
        bytes: &[u8],
        now: UnixMillis,
    ) -> Result<Option<Arc<Trust>>, MaterialError> {
        let before = Arc::clone(self.trust()?);
        let new = Trust::open(bytes, None, now).map_err(refused)?;
        if new.compare(&before) == Comparison::Same {
            return Ok(None);
        }
        // Beside what is ahead of the clock it has nothing else: by a clock that was set back every charter is,
        // and anybody could send an old pack. An operator can give it.
        if compare_until(&new, &before, now) == Comparison::Same {
            let sentence = "its charter is older than the node's";
            return Err(MaterialError::new(credential_codes::CHARTER_ROLLBACK, sentence));
        }
        // Nothing proves the document of a did:web: a new one comes from the operator alone.
        let foreign = new
            .identities()
            .iter()
            .find(|m| m.did.method() != "webvh" && !says_the_same(before.identities(), m));
        if let Some(foreign) = foreign {
            let sentence = format!("it brings a document of {}, which proves nothing", foreign.did);
            let code = gridpass_credentials::codes::TRUST_DOCUMENT_OTHER;
            return Err(MaterialError::new(code, sentence));
        }
        self.take_trust(bytes, now, true)?;
        Ok(Some(before))
    }
}

fn refused(e: TrustError) -> MaterialError {
    MaterialError::new(e.code(), e.to_string())
}

/// Whether the same is known of a DID, whenever that was obtained.
fn says_the_same(known: &[IdentityMaterial], new: &IdentityMaterial) -> bool {
    known
        .iter()
        .any(|k| (&k.did, &k.document, &k.witness) == (&new.did, &new.document, &new.witness))
}

fn web(trust: &Trust) -> impl Iterator<Item = &IdentityMaterial> {
    trust.identities().iter().filter(|m| m.did.method() == "web")
}
