//! What whoever may revoke does: suspend, reinstate and revoke visas, its own and those of others, and sign
//! the status lists that say so, with what proves that it may.

use crate::content_id::ContentId;
use crate::issued::{ACTS, Act, Event, ISSUED, IssuedVisa};
use crate::issuing::{IssueError, Issuer};
use crate::keeping::{self, KeepError, to_record};
use crate::own_list::{OwnList, own_lists};
use crate::presenting;
use crate::register::{act_on, issued_by_id};
use crate::secured::{Form, Kind, Secured, Signer};
use crate::status::{Change, MAX_AUTHORITY, StatusList};
use crate::visa::{Purpose, StatusEntry, Visa};
use gridpass_identity::document::Relationship;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Changes;
use rand_core::CryptoRng;
use serde_json::Value;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What is revoked, suspended or reinstated.
#[derive(Clone, Copy)]
struct Target<'t> {
    id: &'t str,
    entry: &'t StatusEntry,
    /// The visa, where it is one.
    visa: Option<&'t Visa>,
}

impl Issuer<'_> {
    /// Suspends, reinstates or revokes a visa, and signs the list that says so. The visa is one of
    /// the register, or one of somebody else's that this identity may revoke.
    ///
    /// # Errors
    /// [`IssueError::State`] if it is so already, or revoked for good.
    pub fn set_status(
        &mut self,
        visa: &Visa,
        purpose: Purpose,
        set: bool,
        reason: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<StatusList, IssueError> {
        let mut lists = self.set_statuses(&[visa], purpose, set, reason, rng)?;
        lists.pop().ok_or_else(|| IssueError::State("there is nothing to change".into()))
    }

    /// As [`Issuer::set_status`], for several visas in one change of the wallet: all of them or none. Gives
    /// the lists that say so, each signed once.
    ///
    /// # Errors
    /// As [`Issuer::set_status`], where it is so of one of them.
    pub fn set_statuses(
        &mut self,
        visas: &[&Visa],
        purpose: Purpose,
        set: bool,
        reason: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<StatusList>, IssueError> {
        let mut targets = Vec::new();
        for &visa in visas {
            let entry = visa.status_of(purpose).ok_or_else(|| {
                IssueError::State(format!("the visa has no {} list", purpose.name()))
            })?;
            targets.push(Target { id: &visa.id, entry, visa: Some(visa) });
        }
        self.set_all(&targets, set, reason, rng)
    }

    /// As [`Issuer::set_status`], for an entry of whatever has one: a node authorisation too.
    ///
    /// # Errors
    /// As [`Issuer::set_status`].
    pub fn set_entry(
        &mut self,
        id: &str,
        entry: &StatusEntry,
        set: bool,
        reason: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<StatusList, IssueError> {
        let mut lists = self.set_entries(&[(id, entry)], set, reason, rng)?;
        lists.pop().ok_or_else(|| IssueError::State("there is nothing to change".into()))
    }

    /// As [`Issuer::set_entry`], for several, by their ids, in one change of the wallet: all of them
    /// or none. Gives the lists that say so, each signed once.
    ///
    /// # Errors
    /// As [`Issuer::set_status`], where it is so of one of them.
    pub fn set_entries<'t>(
        &mut self,
        entries: &[(&'t str, &'t StatusEntry)],
        set: bool,
        reason: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<StatusList>, IssueError> {
        let target = |&(id, entry): &(&'t str, &'t StatusEntry)| Target { id, entry, visa: None };
        let targets: Vec<Target<'t>> = entries.iter().map(target).collect();
        self.set_all(&targets, set, reason, rng)
    }

    /// Enters what this identity did to the status of somebody else's visa, where its own list says so and the
    /// wallet does not: earlier versions entered nothing of it. Gives when it was done, by the list; nothing where
    /// it is entered already, or was not done.
    ///
    /// # Errors
    /// [`IssueError`]; nothing is changed then.
    pub fn enter_earlier(
        &mut self,
        visa: &Visa,
        purpose: Purpose,
        reason: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<UnixMillis>, IssueError> {
        let what = match purpose {
            Purpose::Revocation => "revoked",
            Purpose::Suspension => "suspended",
        };
        let Some(entry) = visa.status_of(purpose) else { return Ok(None) };
        let known = act_on(self.wallet, &visa.id)?;
        let is_entered = known.as_ref().is_some_and(|a| a.events.iter().any(|e| e.what == what));
        if is_entered || issued_by_id(self.wallet, &visa.id)?.is_some() {
            return Ok(None);
        }
        let me = &self.identity.did;
        let own = own_lists(self.wallet)?.into_iter();
        let mut held = own.filter(|list| list.id == entry.list && &list.issuer == me);
        let changes = held.next().map(|list| list.changes).unwrap_or_default();
        let last = changes.iter().rev().find(|change| change.index == entry.index);
        let Some(at) = last.filter(|change| change.set).map(|change| change.at) else {
            return Ok(None);
        };
        let (reason, by) = (reason.map(str::to_owned), Some(me.clone()));
        let mut act = known.unwrap_or_else(|| Act::new(visa.id.clone(), Some(visa)));
        act.events.push(Event { at, what: what.into(), reason, by });
        act.events.sort_by_key(|event| event.at);
        let mut changes = Changes::default();
        changes.put(ACTS, &visa.id, to_record(&act)?);
        self.wallet.apply_issuing(changes, rng, self.now)?;
        Ok(Some(at))
    }

    fn set_all(
        &mut self,
        targets: &[Target<'_>],
        set: bool,
        reason: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<StatusList>, IssueError> {
        self.wallet.check_clock(self.now)?;
        let mut lists: BTreeMap<String, OwnList> = BTreeMap::new();
        let mut changes = Changes::default();
        for &Target { id, entry, visa } in targets {
            let purpose = entry.purpose;
            if purpose == Purpose::Revocation && !set {
                let message = "a revoked visa stays revoked; issue a new one".to_owned();
                return Err(IssueError::State(message));
            }
            let (doing, done) = match (purpose, set) {
                (Purpose::Revocation, _) => ("revoke", "revoked"),
                (Purpose::Suspension, true) => ("suspend", "suspended"),
                (Purpose::Suspension, false) => ("reinstate", "reinstated"),
            };
            let record = issued_by_id(self.wallet, id)?;
            let known = if record.is_none() { act_on(self.wallet, id)? } else { None };
            let state = record.as_ref().map(IssuedVisa::state);
            let is_revoked = state.or(known.as_ref().map(Act::state)) == Some("revoked");
            if purpose == Purpose::Suspension && is_revoked {
                let message = format!("there is nothing to {doing}: {id} is revoked, for good");
                return Err(IssueError::State(message));
            }
            let list = match lists.entry(entry.list.clone()) {
                Entry::Occupied(held) => held.into_mut(),
                Entry::Vacant(free) => free.insert(self.list_of(entry)?),
            };
            if list.bits()?.get(entry.index)? == set {
                return Err(IssueError::State(if set {
                    format!("there is nothing to {doing}: {id} is {done} already")
                } else {
                    format!("there is nothing to reinstate: {id} is not suspended")
                }));
            }
            let at = list.due(self.now)?;
            list.changes.push(Change { index: entry.index, set, at });
            let (reason, by) = (reason.map(str::to_owned), Some(self.identity.did.clone()));
            let event = Event { at, what: done.into(), reason, by };
            if let Some(mut record) = record {
                record.events.push(event);
                changes.put(ISSUED, id, to_record(&record)?);
            } else {
                // Nobody else keeps why.
                let mut act = known.unwrap_or_else(|| Act::new(id.to_owned(), visa));
                act.events.push(event);
                changes.put(ACTS, id, to_record(&act)?);
            }
        }
        let (key_id, key) =
            self.wallet.active_secret(self.identity, Relationship::AssertionMethod)?;
        let (authority, mut signed) = (self.authority_to_revoke()?, Vec::new());
        for list in lists.values_mut() {
            list.carry(&authority);
            let signer = Signer { key: &key, key_id: &key_id, now: self.now };
            signed.push(list.sign(signer, Form::Jwt, rng)?);
            list.stage(&mut changes)?;
        }
        self.wallet.apply_issuing(changes, rng, self.now)?;
        Ok(signed)
    }

    /// This identity's own list of that name: a new one where it revokes what somebody else issued.
    fn list_of(&self, entry: &StatusEntry) -> Result<OwnList, IssueError> {
        let me = &self.identity.did;
        let own = own_lists(self.wallet)?;
        if let Some(held) = own.into_iter().find(|l| l.id == entry.list && &l.issuer == me) {
            return Ok(held);
        }
        let mut new = OwnList::new(entry.list.clone(), me.clone(), entry.purpose);
        new.catch_up(self.wallet)?;
        Ok(new)
    }

    /// What proves that this identity holds roles that may revoke, or held them, as a list carries it: the
    /// visas for these roles, those that last longest first, with what they rest on, as far as there is room.
    fn authority_to_revoke(&self) -> Result<Vec<Value>, KeepError> {
        /// The most bytes of it: the list itself needs most of what one may have.
        const ROOM: usize = 64 * 1024;
        /// The longest compact text that is a URL in a list.
        const LONGEST: usize = 4000;
        let roles: BTreeSet<&ContentId> = self
            .trust
            .definitions()
            .filter_map(|(_, role)| role.definition.revokers.as_ref())
            .flat_map(|revokers| &revokers.roles)
            .collect();
        let mut offices = Vec::new();
        for held in keeping::visas(self.wallet)? {
            let (secured, visa) = held.read()?;
            if visa.subject == self.identity.did && roles.contains(&visa.definition) {
                let (until, role) = (visa.valid_until, visa.definition.clone());
                let mut beside = held.supporting;
                for (_, own) in presenting::required(self.wallet, self.trust, &[visa], self.now)? {
                    let shown = own.read()?.0.disclose(&[])?;
                    beside.extend(std::iter::once(shown).chain(own.supporting));
                }
                offices.push((until, role, secured, beside));
            }
        }
        offices.sort_by_key(|(until, ..)| std::cmp::Reverse(*until));
        let mut texts: Vec<String> = Vec::new();
        let mut shown = BTreeSet::new();
        for (until, role, secured, supporting) in offices {
            // One that ended still shows that what was revoked by it is open, and no stranger's word.
            if !shown.insert(role) && until <= self.now {
                continue;
            }
            // Everybody reads a list: what can be withheld is.
            let office = secured.disclose(&[])?;
            let mut more = texts.clone();
            for text in std::iter::once(office).chain(supporting) {
                if !more.contains(&text) {
                    more.push(text);
                }
            }
            let fits = |text: &String| text.starts_with('{') || text.len() <= LONGEST;
            let bytes: usize = more.iter().map(String::len).sum();
            if more.len() <= MAX_AUTHORITY && bytes <= ROOM && more.iter().all(fits) {
                texts = more;
            }
        }
        let members = texts
            .iter()
            .map(|text| Ok(Secured::parse(text.as_bytes(), Kind::Credential)?.to_member()));
        members.collect()
    }

    /// Signs every list of this identity anew, with today's date.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn publish_lists(
        &mut self,
        form: Form,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<StatusList>, IssueError> {
        self.wallet.check_clock(self.now)?;
        let (key_id, key) =
            self.wallet.active_secret(self.identity, Relationship::AssertionMethod)?;
        let mut changes = Changes::default();
        let (authority, mut signed) = (self.authority_to_revoke()?, Vec::new());
        for mut list in own_lists(self.wallet)? {
            if list.issuer == self.identity.did {
                list.carry(&authority);
                let signer = Signer { key: &key, key_id: &key_id, now: self.now };
                signed.push(list.sign(signer, form, rng)?);
                list.stage(&mut changes)?;
            }
        }
        self.wallet.apply(changes, rng)?;
        Ok(signed)
    }
}
