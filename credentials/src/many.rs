//! Issuing many visas in one go. What is the same for all is done once: what the wallet keeps is read,
//! places on the status lists are taken and the lists signed, a signature is verified. Each visa is still
//! verified whole before it is entered.
//!
//! ```text
//! take places -> durable -> sign and verify visas -> enter them -> durable -> give them away
//! ```
//!
//! A program that ends in the middle gives no place twice, and has given away no visa that the register lacks:
//! a place that was taken for nothing stays free of any visa.

use crate::content_id::ContentId;
use crate::issuing::{IssueError, Issued, Issuer, NewVisa, authority};
use crate::keeping::{self, KeepError};
use crate::signature::SignatureMemo;
use crate::status::StatusList;
use crate::verify::SeenLists;
use crate::visa::StatusEntry;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::{Changes, Wallet};
use rand_core::CryptoRng;
use std::collections::BTreeMap;

/// Where the status of one visa stands, and the lists that say it, as they were signed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) entries: Vec<StatusEntry>,
    pub(crate) lists: Vec<StatusList>,
}

/// What an issuer's wallet keeps that issuing reads. It changes by nothing that issuing does.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) lists: Vec<StatusList>,
    pub(crate) seen: SeenLists,
    pub(crate) memo: SignatureMemo,
    authority: BTreeMap<Did, Vec<String>>,
}

impl Read {
    pub(crate) fn of(wallet: &Wallet) -> Result<Self, KeepError> {
        let (lists, seen) = keeping::lists(wallet)?;
        let memo = SignatureMemo::default();
        Ok(Self { lists, seen, memo, authority: BTreeMap::new() })
    }

    /// The visas that prove an issuer's authority.
    pub(crate) fn authority(
        &mut self,
        wallet: &Wallet,
        issuer: &Did,
    ) -> Result<Vec<String>, KeepError> {
        if let Some(known) = self.authority.get(issuer) {
            return Ok(known.clone());
        }
        let found = authority(wallet, issuer)?;
        self.authority.insert(issuer.clone(), found.clone());
        Ok(found)
    }
}

/// How long places wait for their visas: the lists that were signed with them grow old, and a visa that came with
/// such ones would be refused.
const MOST_WAIT_MILLIS: u64 = 60_000;

/// Places that are taken, and given to no visa yet.
struct Free {
    since: UnixMillis,
    places: Vec<Place>,
}

/// Visas that are issued in one go, over a wallet whose visas, status lists and trust pack nobody else changes
/// meanwhile.
pub struct Batch {
    read: Read,
    /// How many places are taken at once.
    ahead: usize,
    /// By issuer, and what the ids of its lists start with.
    free: BTreeMap<(Did, Option<String>), Free>,
    changes: Changes,
    waiting: usize,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} waiting)", self.waiting)
    }
}

impl Batch {
    /// Begins one that takes so many places at once.
    ///
    /// # Errors
    /// [`KeepError`] if the wallet cannot be read.
    pub fn new(wallet: &Wallet, ahead: usize) -> Result<Self, KeepError> {
        Ok(Self {
            read: Read::of(wallet)?,
            ahead: ahead.max(1),
            free: BTreeMap::new(),
            changes: Changes::default(),
            waiting: 0,
        })
    }

    /// How many were prepared that are not entered yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// As [`Issuer::issue_for`], all but entering it: nobody may have the visa before [`Batch::enter`].
    ///
    /// # Errors
    /// As [`Issuer::issue`]; nothing is entered then.
    pub fn prepare(
        &mut self,
        issuer: &mut Issuer<'_>,
        (new, request): (&NewVisa<'_>, Option<&ContentId>),
        evidence: (&[String], &[StatusList]),
        resolver: &dyn Resolver,
        rng: &mut dyn CryptoRng,
    ) -> Result<Issued, IssueError> {
        issuer.wallet.check_clock(issuer.now)?;
        let key = (issuer.identity.did.clone(), new.list_base.map(str::to_owned));
        let none = || Free { since: issuer.now, places: Vec::new() };
        let free = self.free.entry(key).or_insert_with(none);
        if issuer.now.millis_since(free.since) > MOST_WAIT_MILLIS {
            free.places.clear();
        }
        let place = match free.places.pop() {
            Some(place) => place,
            None => {
                let (mut places, changes) = issuer.places(new.list_base, self.ahead, rng)?;
                let place = places.pop().ok_or_else(|| {
                    IssueError::State("no place on a status list was taken".into())
                })?;
                // Before anything is signed that stands there.
                issuer.wallet.apply_issuing(changes, rng, issuer.now)?;
                *free = Free { since: issuer.now, places };
                place
            }
        };
        let what = (new, request);
        match issuer.prepare(what, evidence, resolver, &place, &mut self.read, rng) {
            Ok((issued, changes)) => {
                self.changes.append(changes);
                self.waiting = self.waiting.saturating_add(1);
                Ok(issued)
            }
            Err(e) => {
                // Nobody has what was signed for it.
                free.places.push(place);
                Err(e)
            }
        }
    }

    /// Enters in the register what was prepared, whole or not at all; durable when it returns. What could not be
    /// entered is forgotten, and its places with it.
    ///
    /// # Errors
    /// [`IssueError::Keep`] if the wallet cannot be written.
    pub fn enter(
        &mut self,
        wallet: &mut Wallet,
        now: UnixMillis,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), IssueError> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.waiting = 0;
        wallet.apply_issuing(std::mem::take(&mut self.changes), rng, now)?;
        Ok(())
    }
}
