//! A verifier without a wallet: the trust pack that it pins, and what it saw of status lists and DIDs.
//!
//! [`crate::verify`] remembers nothing, so that whoever calls it must bring what was seen before: else a
//! presenter shows the list from before its revocation. A [`Verifier`] remembers that. It reads no clock and
//! touches no disk: what is to outlive the process is asked of it, and given to the next one.
//!
//! ```no_run
//! use gridpass_credentials::content_id::ContentId;
//! use gridpass_credentials::parcel::{Parcel, ParcelKind};
//! use gridpass_credentials::verifier::Verifier;
//! use gridpass_credentials::verify::Expectation;
//! use gridpass_identity::time::UnixMillis;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (pack, shown, now) = (Vec::<u8>::new(), Vec::<u8>::new(), UnixMillis::new(0));
//! // The name of the pack came another way than the pack: from the regulator's site, or on paper.
//! let pin = ContentId::parse("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")?;
//! let verifier = Verifier::open(&pack, &pin, now)?;
//!
//! let expect = Expectation {
//!     now,
//!     clock: now,
//!     audience: Some("did:web:dso.example"),
//!     nonce: Some("the one that was given to the presenter"),
//!     presenter: None,
//! };
//! let shown = Parcel::parse_or_bare(&shown, ParcelKind::Presentation)?;
//! for visa in verifier.verify(&shown, &expect)?.granted() {
//!     println!("{} holds {}", visa.subject, visa.role);
//! }
//!
//! // What was seen, for the verifier of the next process: the pack first, then logs, then lists.
//! let (pack, logs, lists) = (verifier.pack().to_vec(), verifier.logs(), verifier.lists());
//! let again = Verifier::open(&pack, &ContentId::of_bytes(&pack)?, now)?;
//! for log in &logs {
//!     again.take_log(log, now)?;
//! }
//! for list in &lists {
//!     again.take_list(list.as_bytes(), &[], now)?;
//! }
//! # Ok(())
//! # }
//! ```

mod known;

use crate::codes;
use crate::content_id::ContentId;
use crate::keeping::{self, KeepError};
use crate::parcel::{Parcel, ParcelError, ParcelKind, self_proving};
use crate::signature::SignatureMemo;
use crate::status::StatusList;
use crate::trust::{
    Comparison, IdentityMaterial, IdentityMaterialError, Snapshots, Trust, TrustError,
};
use crate::verify::{
    Evidence, Expectation, SeenList, VisaReport, carries_authority, check_list, pretends_authority,
    verify_presentation_with, verify_visa,
};
use crate::visa::Visa;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, ResolveError, Resolver as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::{Fixed, newest_log};
use known::Known;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// The most status lists, and the most DID logs, that are remembered of what was shown. What the caller gives is
/// remembered beyond that.
pub const MAX_REMEMBERED: usize = 4096;
/// The most memories of signatures that are kept: so many verifications at a time have one each.
const MAX_MEMOS: usize = 16;

/// Why a verifier did not take something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierError {
    /// A trust pack, list or log does not hold, or does not go on from what is known.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The file is none that can be verified.
    #[error(transparent)]
    Parcel(#[from] ParcelError),
    /// What the file carries of a DID cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityMaterialError),
    /// The list is not its signer's, or its signer pretends to be one who may revoke.
    #[error("the status list is not to be believed: {}", .0.sentence)]
    List(Box<Check>),
}

impl VerifierError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Keep(e) => e.code(),
            Self::Parcel(e) => e.code(),
            Self::Identity(e) => e.code(),
            Self::List(check) => check.code,
        }
    }
}

/// Verifies what it is shown by the trust pack that it pins, and remembers what it saw. Many threads may
/// verify with one at a time.
pub struct Verifier {
    pack: Vec<u8>,
    trust: Trust,
    known: RwLock<Arc<Known>>,
    memos: Mutex<Vec<SignatureMemo>>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.known();
        let (lists, logs) = (known.lists.len(), known.logs.len());
        write!(f, "Verifier(by {}, {lists} lists, {logs} logs)", self.trust.id())
    }
}

impl Verifier {
    /// A verifier that pins a trust pack. Everybody can make one that holds in itself: whose framework it is says
    /// its name alone, which comes another way than the pack.
    ///
    /// # Errors
    /// [`VerifierError::Keep`] where the pack is another one, or does not hold.
    pub fn open(pack: &[u8], pin: &ContentId, now: UnixMillis) -> Result<Self, VerifierError> {
        pin.verify(pack).map_err(|e| KeepError::from(TrustError::Pin(e)))?;
        let (trust, _) = keeping::to_pin(pack, None, &NoSnapshots, now)?;
        let (pack, known, memos) = (pack.to_vec(), RwLock::default(), Mutex::default());
        Ok(Self { pack, trust, known, memos })
    }

    /// Takes a newer pack of the same framework, by the rules of [`keeping::pin`]: it must go on from the one that is
    /// pinned, and contradict nothing that is known.
    ///
    /// # Errors
    /// [`VerifierError::Keep`]; the pack before stays pinned then.
    pub fn take_pack(&mut self, pack: &[u8], now: UnixMillis) -> Result<Comparison, VerifierError> {
        let known = self.known();
        let (trust, logs) = keeping::to_pin(pack, Some(&self.trust), &*known, now)?;
        let comparison = trust.compare(&self.trust);
        drop(known);
        (self.pack, self.trust) = (pack.to_vec(), trust);
        self.change(|known| known.logs.extend(logs));
        Ok(comparison)
    }

    /// Takes a status list that was fetched, or sent, with what came beside it of DIDs. It is believed where its
    /// signer signed it; whose visas that one may revoke is for the verification of a visa to say. Ask for
    /// lists where you trust that you are given the newest: what nobody shows revokes nothing.
    ///
    /// # Errors
    /// [`VerifierError::List`], or [`VerifierError::Keep`] where a newer state or another of the same version is known.
    pub fn take_list(
        &self,
        list: &[u8],
        beside: &[IdentityMaterial],
        now: UnixMillis,
    ) -> Result<(), VerifierError> {
        let list = keeping::read_list(list)?;
        let proven = self_proving(beside, now);
        {
            let known = self.known();
            let snapshots = Snapshots::read(&proven)?.with(&self.trust).with(&*known);
            let resolver = OfflineResolver::new(&snapshots);
            let evidence = self.evidence(&known.lists, &known, &resolver);
            self.with_memo(|memo| is_honest(&list, &evidence, now, memo))
                .map_err(|check| VerifierError::List(Box::new(check)))?;
        }
        for log in &proven {
            // One that does not hold adds nothing, and keeps nobody from what the list says.
            let _ = self.take_log(log, now);
        }
        self.change(|known| known.take_list(list, &self.trust))?;
        Ok(())
    }

    /// Takes the log of a did:webvh. One that is older than what is known adds nothing.
    ///
    /// # Errors
    /// [`VerifierError::Keep`] where it does not hold, contradicts what is known, or is of another method: nothing
    /// proves a document of those.
    pub fn take_log(&self, log: &IdentityMaterial, now: UnixMillis) -> Result<(), VerifierError> {
        let did = &log.did;
        let other = |source| KeepError::from(TrustError::OtherLog { did: did.clone(), source });
        if did.method() != "webvh" {
            return Err(other(ResolveError::NotFound(did.clone())).into());
        }
        let new = Fixed(vec![log.taken_at(now).to_snapshot()?]);
        OfflineResolver::new(&new).resolve(did).map_err(other)?;
        self.change(|known| {
            let newest = newest_log(did, &[&self.trust, &*known, &new]).map_err(other)?;
            known.logs.extend(newest.map(|log| (did.clone(), log)));
            Ok::<(), VerifierError>(())
        })
    }

    /// Verifies a presentation, or a visa that nobody presents, with what came beside it. Nothing is believed of it
    /// but what the report says: [`VisaReport::granted`]. Blocks: signatures are verified.
    ///
    /// Status lists that came with it are remembered where they decide about a visa that holds otherwise, also
    /// where that is revoked; and so are logs of DIDs where all of it passed.
    ///
    /// # Errors
    /// [`VerifierError`] where the file is neither, or a list or document beside it cannot be read.
    pub fn verify(
        &self,
        shown: &Parcel,
        expect: &Expectation<'_>,
    ) -> Result<VisaReport, VerifierError> {
        let kinds = [ParcelKind::Presentation, ParcelKind::Visa];
        let Some(text) = shown.content.as_ref().filter(|_| kinds.contains(&shown.kind)) else {
            let (found, expected) = (shown.kind.name(), ParcelKind::Presentation.name());
            return Err(ParcelError::Kind { found, expected }.into());
        };
        let proven = self_proving(&shown.identities, expect.clock);
        let supporting: Vec<_> = shown.supporting.iter().map(|t| t.as_bytes().to_vec()).collect();
        // What is known is given back before it changes: else all of it would be copied.
        let (report, news) = {
            let known = self.known();
            let snapshots = Snapshots::read(&proven)?.with(&self.trust).with(&*known);
            let resolver = OfflineResolver::new(&snapshots);
            let mut lists = Cow::Borrowed(known.lists.as_slice());
            for text in &shown.status_lists {
                if known.lists.iter().all(|list| list.secured().text() != text) {
                    lists.to_mut().push(keeping::read_list(text.as_bytes())?);
                }
            }
            let evidence = self.evidence(&lists, &known, &resolver);
            self.with_memo(|memo| {
                let report = if shown.kind == ParcelKind::Visa {
                    verify_visa(text.as_bytes(), &supporting, &evidence, expect, memo)
                } else {
                    // They prove who may revoke, and nothing of what is presented.
                    verify_presentation_with(text.as_bytes(), &supporting, &evidence, expect, memo)
                };
                let came = lists.iter().skip(known.lists.len());
                let news = came.filter(|list| self.decides(list, &report, &evidence, expect, memo));
                let news: Vec<StatusList> = news.cloned().collect();
                (report, news)
            })
        };
        self.remember(&report, news, &proven);
        Ok(report)
    }

    /// The trust that it verifies by.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The bytes of the trust pack that it pins.
    #[must_use]
    pub fn pack(&self) -> &[u8] {
        &self.pack
    }

    /// The newest state of each status list that it saw, as it was signed; before them the newest by other keys of the
    /// same signer, which count where such a key is marked as compromised. To be given to the next one in this order. Those
    /// whose own key is marked are left out: the next one would refuse them.
    #[must_use]
    pub fn lists(&self) -> Vec<String> {
        let known = self.known();
        let snapshots = Snapshots::default().with(&self.trust).with(&*known);
        let resolver = OfflineResolver::new(&snapshots);
        let all = known.before.iter().chain(&known.lists);
        let counts = |list: &&StatusList| SeenList::of(list).marked_since(&resolver).is_none();
        all.filter(counts).map(|list| list.secured().text().to_owned()).collect()
    }

    /// The newest log of each DID that it saw beside the trust pack.
    #[must_use]
    pub fn logs(&self) -> Vec<IdentityMaterial> {
        self.known().logs.iter().map(|(did, log)| IdentityMaterial::of(did, log)).collect()
    }

    fn evidence<'e>(
        &'e self,
        lists: &'e [StatusList],
        known: &'e Known,
        resolver: &'e OfflineResolver<'e>,
    ) -> Evidence<'e> {
        Evidence { trust: &self.trust, lists, resolver, seen: &known.seen }
    }

    /// Whether a list that was shown is one by which the status of a visa is decided that holds otherwise: anybody
    /// can sign a list by any name, and take the room of those that count.
    fn decides(
        &self,
        list: &StatusList,
        report: &VisaReport,
        evidence: &Evidence<'_>,
        expect: &Expectation<'_>,
        memo: &mut SignatureMemo,
    ) -> bool {
        let may_revoke = |visa: &Visa| {
            let role = self.trust.definition(&visa.definition);
            let revokers = role.and_then(|role| role.definition.revokers.as_ref());
            visa.issuer == list.issuer || revokers.is_some_and(|r| r.dids.contains(&list.issuer))
        };
        let fine = report.visas.iter().filter(|v| v.holds_but_for_status());
        let named: Vec<&Visa> = fine
            .filter_map(|v| v.visa.as_ref())
            .filter(|visa| visa.status.iter().any(|s| s.list == list.id))
            .collect();
        !named.is_empty()
            && (named.iter().copied().any(may_revoke)
                || carries_authority(list, evidence, expect.clock, memo))
            && is_honest(list, evidence, expect.clock, memo).is_ok()
    }

    fn remember(&self, report: &VisaReport, lists: Vec<StatusList>, logs: &[IdentityMaterial]) {
        let passed = report.outcome == Outcome::Passed;
        let visas = report.visas.iter().filter(|v| passed && v.outcome == Outcome::Passed);
        let mut dids: BTreeSet<Did> = lists.iter().map(|list| list.issuer.clone()).collect();
        for visa in visas.filter_map(|v| v.visa.as_ref()) {
            dids.extend([visa.issuer.clone(), visa.subject.clone()]);
        }
        let is_known = |log: &&IdentityMaterial| {
            let known = self.known();
            let held = known.logs.get(&log.did).map(|held| IdentityMaterial::of(&log.did, held));
            held.is_some_and(|held| held.document == log.document)
        };
        for log in logs.iter().filter(|log| dids.contains(&log.did) && !is_known(log)) {
            if self.known().logs.len() < MAX_REMEMBERED {
                // One that contradicts what is known failed in the report already.
                let _ = self.take_log(log, log.seen);
            }
        }
        if lists.is_empty() {
            return;
        }
        self.change(|known| {
            for list in lists {
                let key = (list.id.clone(), list.issuer.clone());
                if known.seen.contains_key(&key) || known.lists.len() < MAX_REMEMBERED {
                    // An older or forked one is what the report says of it.
                    let _ = known.take_list(list, &self.trust);
                }
            }
        });
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut known))
    }

    /// Lends a memory of signatures, which no other verification has at the time.
    fn with_memo<T>(&self, run: impl FnOnce(&mut SignatureMemo) -> T) -> T {
        let memos = || self.memos.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memo = memos().pop().unwrap_or_default();
        let done = run(&mut memo);
        let mut memos = memos();
        if memos.len() < MAX_MEMOS {
            memos.push(memo);
        }
        done
    }
}

/// Whether its signer signed a list, and pretends no right to revoke; else the check that says so.
fn is_honest(
    list: &StatusList,
    evidence: &Evidence<'_>,
    now: UnixMillis,
    memo: &mut SignatureMemo,
) -> Result<(), Check> {
    let checks = check_list(list, evidence.resolver, now, memo);
    if let Some(check) = checks.into_iter().find(|c| c.outcome != Outcome::Passed) {
        return Err(check);
    }
    if pretends_authority(list, evidence, now, memo) {
        let sentence =
            format!("no visa in it lets {}, who signed it, revoke what others issued", list.issuer);
        return Err(Check::indeterminate("status", codes::STATUS_SIGNER, sentence));
    }
    Ok(())
}
