//! Taking a visa that an issuer sent: it is verified by the pinned trust pack, and kept only if every
//! check passed, together with what it rests on.
//!
//! [`keeping::keep_visa`] keeps whatever it is given; this is what a holder calls.

use crate::codes;
use crate::keeping::{self, HeldVisa, KeepError};
use crate::parcel::{Parcel, ParcelError, ParcelKind, self_proving};
use crate::presenting;
use crate::signature::SignatureMemo;
use crate::status::StatusList;
use crate::trust::{IdentityMaterial, IdentityMaterialError, Snapshots, Trust};
use crate::verify::{
    Evidence, Expectation, VisaReport, check_list, pretends_authority, verify_visa,
};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::{Wallet, WalletError};
use rand_core::CryptoRng;

/// Why a visa was not accepted. Nothing was kept of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// What is kept cannot be used, or nothing can be kept.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The file cannot be read, or is no visa's.
    #[error(transparent)]
    Parcel(#[from] ParcelError),
    /// It does not hold, or cannot be decided.
    #[error("the visa does not hold: {}", .0.sentence)]
    Refused(Box<VisaReport>),
    /// It is somebody else's.
    #[error("the visa is for {0}, who is nobody in this wallet")]
    NotOurs(Did),
}

impl From<WalletError> for AcceptError {
    fn from(e: WalletError) -> Self {
        Self::Keep(e.into())
    }
}

impl AcceptError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Keep(e) => e.code(),
            Self::Parcel(e) => e.code(),
            Self::Refused(report) => report.code,
            Self::NotOurs(_) => codes::PRESENTER_OTHER,
        }
    }
}

/// Verifies the visa of a parcel by the pinned trust pack and what the wallet knows, and keeps it with
/// the visas, status lists and DID logs that it rests on. Gives the report.
/// Blocks: signatures are verified and the wallet is written.
///
/// # Errors
/// [`AcceptError::Refused`] with the report if a check did not pass, [`AcceptError::NotOurs`].
pub fn accept(
    wallet: &mut Wallet,
    parcel: &Parcel,
    now: UnixMillis,
    rng: &mut dyn CryptoRng,
) -> Result<VisaReport, AcceptError> {
    let (ParcelKind::Visa, Some(text)) = (parcel.kind, &parcel.content) else {
        let (found, expected) = (parcel.kind.name(), ParcelKind::Visa.name());
        return Err(ParcelError::Kind { found, expected }.into());
    };
    let trust = keeping::pinned(wallet, now)?;
    let identities = self_proving(&parcel.identities, now);
    let (mut lists, seen) = keeping::lists(wallet)?;
    for text in &parcel.status_lists {
        lists.push(keeping::read_list(text.as_bytes())?);
    }
    let (report, lists) = {
        let known = Snapshots::read(&identities).map_err(unreadable)?;
        let known = known.with(&trust).with(&*wallet);
        let resolver = OfflineResolver::new(&known);
        let evidence = Evidence { trust: &trust, lists: &lists, resolver: &resolver, seen: &seen };
        let expect = Expectation { now, clock: now, audience: None, nonce: None, presenter: None };
        // What the role requires is perhaps held here already.
        let mut beside = parcel.supporting.clone();
        if let Ok((_, visa)) = keeping::read_visa(text) {
            let own = presenting::required(wallet, &trust, &[visa], now)?.into_iter();
            for text in own.flat_map(|(_, own)| std::iter::once(own.text).chain(own.supporting)) {
                if !beside.contains(&text) {
                    beside.push(text);
                }
            }
        }
        let supporting: Vec<_> = beside.into_iter().map(String::into_bytes).collect();
        let memo = &mut SignatureMemo::default();
        let report = verify_visa(text.as_bytes(), &supporting, &evidence, &expect, memo);
        let lists = relied_on(&report, &evidence, now, memo);
        (report, lists)
    };
    if report.outcome != Outcome::Passed {
        return Err(AcceptError::Refused(Box::new(report)));
    }
    let subject = &keeping::read_visa(text)?.1.subject;
    if !wallet.identities()?.iter().any(|i| &i.did == subject) {
        return Err(AcceptError::NotOurs(subject.clone()));
    }
    // The visa comes last: one that is held has what it rests on beside it.
    keep_identities(wallet, &trust, &identities, rng)?;
    for list in &lists {
        match keeping::see_list(wallet, list, rng) {
            Ok(()) | Err(KeepError::OlderList(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let beside = keeping::resting(wallet, subject, &parcel.supporting, now)?;
    let held = HeldVisa::new(text.clone(), beside, now);
    keeping::keep_visa(wallet, &held, rng)?;
    Ok(report)
}

/// Of the lists at hand, those that the visas of a report name and whose signers signed them, and pretend
/// no right to revoke.
fn relied_on(
    report: &VisaReport,
    evidence: &Evidence<'_>,
    now: UnixMillis,
    memo: &mut SignatureMemo,
) -> Vec<StatusList> {
    let visas = report.visas.iter().filter_map(|v| v.visa.as_ref());
    let named: Vec<&str> = visas.flat_map(|v| v.status.iter().map(|s| s.list.as_str())).collect();
    let mut fine = Vec::new();
    for list in evidence.lists.iter().filter(|list| named.contains(&list.id.as_str())) {
        let checks = check_list(list, evidence.resolver, now, memo);
        let signed = checks.iter().all(|c| c.outcome == Outcome::Passed);
        if signed && !pretends_authority(list, evidence, now, memo) {
            fine.push(list.clone());
        }
    }
    fine
}

fn unreadable(error: IdentityMaterialError) -> ParcelError {
    ParcelError::Malformed(error.to_string())
}

/// Keeps the logs of others; the wallet's own identities know better than a file.
fn keep_identities(
    wallet: &mut Wallet,
    trust: &Trust,
    identities: &[IdentityMaterial],
    rng: &mut dyn CryptoRng,
) -> Result<(), AcceptError> {
    let own: Vec<Did> = wallet.identities()?.into_iter().map(|i| i.did).collect();
    for material in identities.iter().filter(|m| !own.contains(&m.did)) {
        let known = !wallet.snapshots(&material.did).map_err(WalletError::from)?.is_empty();
        let snapshot = material.to_snapshot().map_err(unreadable)?;
        keeping::check_log(trust, &material.did, &snapshot)?;
        // An older log than the one that is kept adds nothing.
        if let Err(e) = wallet.save_snapshot(&material.did, &snapshot, rng)
            && !known
        {
            return Err(e.into());
        }
    }
    Ok(())
}
