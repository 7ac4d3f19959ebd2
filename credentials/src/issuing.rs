//! What an issuer does: issue visas, suspend, reinstate and revoke them, and sign the status lists
//! that say so. Everything that changes together is one change of the wallet.
//!
//! Nothing leaves this module that its own verifier would refuse: a new visa is verified, by the
//! pinned trust pack, before it is entered in the register.

use crate::authorisation::{self, NodeAuthorisation, NodePurpose};
use crate::codes;
use crate::content_id::ContentId;
use crate::keeping::{self, KeepError, read_visa, to_record};
use crate::own_list::{OwnList, own_lists, uuid};
use crate::parcel::{Parcel, ParcelKind, dids_in, identities_of};
use crate::presenting::{self, check_presentable};
use crate::register::issued_by_id;
use crate::secured::{Form, Kind, Secured, SecuredError, Signer, secure_credential};
use crate::signature::SignatureMemo;
use crate::status::{Change, MAX_AUTHORITY, StatusError, StatusList};
use crate::trust::Trust;
use crate::verify::{Evidence, Expectation, SeenLists, VisaReport, verify_visa};
use crate::visa::{Purpose, StatusEntry, Visa, VisaError};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::json;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::identities::Identity;
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) const ISSUED: &str = "issued-visa";
pub(crate) const AUTHORISATIONS: &str = "node-authorisation";
const RECORD_VERSION: u32 = 1;

/// Why nothing was issued or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// What is kept cannot be used.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// The visa would not be one.
    #[error(transparent)]
    Visa(#[from] VisaError),
    /// It cannot be signed in this form.
    #[error(transparent)]
    Secured(#[from] SecuredError),
    /// A status list cannot be made.
    #[error(transparent)]
    Status(#[from] StatusError),
    /// The charter does not list the role.
    #[error("the pinned charter does not list a role {0:?}")]
    UnknownRole(String),
    /// Everybody would refuse the visa.
    #[error("the visa would be refused by everybody: {}", .0.sentence)]
    Refused(Box<VisaReport>),
    /// Its holder could not show it.
    #[error("the visa is too large to be presented: {0}")]
    TooLarge(String),
    /// A node authorisation for too long.
    #[error("a node is authorised for at most 90 days")]
    TooLong,
    /// It is in that state already.
    #[error("{0}")]
    State(String),
}

impl From<WalletError> for IssueError {
    fn from(e: WalletError) -> Self {
        Self::Keep(e.into())
    }
}

impl IssueError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Keep(e) => e.code(),
            Self::Visa(e) => e.code(),
            Self::Secured(e) => e.code(),
            Self::Status(e) => e.code(),
            Self::UnknownRole(_) => codes::ROLE_NOT_LISTED,
            Self::Refused(report) => report.code,
            Self::TooLarge(_) => codes::VISA_TOO_LARGE,
            Self::TooLong => codes::VISA_VALIDITY_TOO_LONG,
            Self::State(_) => codes::STATUS_UNCHANGED,
        }
    }
}

/// Something that happened to an issued visa, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// When.
    pub at: UnixMillis,
    /// What: `suspended`, `reinstated`, `revoked`.
    pub what: String,
    /// Why, in the issuer's register only.
    pub reason: Option<String>,
}

/// A visa in the issuer's register.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IssuedVisa {
    version: u32,
    /// As it was signed.
    pub text: String,
    /// When.
    pub issued: UnixMillis,
    /// The hash of the request that it answers, where there was one.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub request: Option<ContentId>,
    /// What happened to it since, oldest first.
    pub events: Vec<Event>,
}

impl IssuedVisa {
    /// `in force`, `suspended` or `revoked`, by the register.
    #[must_use]
    pub fn state(&self) -> &'static str {
        // For good, whatever happened after it.
        if self.events.iter().any(|e| e.what == "revoked") {
            return "revoked";
        }
        match self.events.last().map(|e| e.what.as_str()) {
            Some("suspended") => "suspended",
            _ => "in force",
        }
    }

    /// What it says.
    ///
    /// # Errors
    /// [`KeepError`] if it cannot be read.
    pub fn read(&self) -> Result<Visa, KeepError> {
        Ok(read_visa(&self.text)?.1)
    }
}

/// What is to be issued.
#[derive(Clone, Debug)]
pub struct NewVisa<'n> {
    /// To whom.
    pub subject: &'n Did,
    /// Which role: a name in the pinned charter, or a CID.
    pub role: &'n str,
    /// What it says.
    pub claims: Map<String, Value>,
    /// From when.
    pub valid_from: UnixMillis,
    /// Until when; the definition's longest, if absent.
    pub valid_until: Option<UnixMillis>,
    /// How it is secured.
    pub form: Form,
    /// Claims that the holder will be able to withhold.
    pub withholdable: &'n [&'n str],
    /// What the ids of new status lists start with: `https://regulator.example/status/`. Without
    /// it they are URNs.
    pub list_base: Option<&'n str>,
}

/// What an issuer works with.
pub struct Issuer<'i> {
    /// Its wallet.
    pub wallet: &'i mut Wallet,
    /// The identity that issues.
    pub identity: &'i Identity,
    /// The pinned trust pack.
    pub trust: &'i Trust,
    /// The time.
    pub now: UnixMillis,
}

impl std::fmt::Debug for Issuer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issuer({} of {:?})", self.identity.did, self.wallet)
    }
}

/// What was issued, with what its holder needs to show it.
#[derive(Debug)]
pub struct Issued {
    /// The visa.
    pub visa: Visa,
    /// Its hash.
    pub evidence: ContentId,
    /// As it was signed.
    pub text: String,
    /// The visas that prove the issuer's authority.
    pub supporting: Vec<String>,
    /// The status lists that cover it and its issuer.
    pub lists: Vec<String>,
    /// How it verifies now: one that is issued ahead is not in force yet.
    pub report: VisaReport,
}

impl Issued {
    /// As a file for its holder, with the DID documents that the wallet has of everybody who signed.
    ///
    /// # Errors
    /// [`KeepError`] if the wallet cannot be read.
    pub fn to_parcel(&self, wallet: &Wallet) -> Result<Parcel, KeepError> {
        let mut parcel = Parcel::new(ParcelKind::Visa, Some(self.text.clone()));
        parcel.supporting.clone_from(&self.supporting);
        parcel.status_lists.clone_from(&self.lists);
        let mut dids = dids_in(&self.supporting);
        dids.push(self.visa.issuer.clone());
        parcel.identities = identities_of(wallet, &dids).map_err(WalletError::from)?;
        Ok(parcel)
    }
}

impl Issuer<'_> {
    /// Issues a visa, enters it in the register and signs the status lists that cover it.
    ///
    /// `evidence` are visas of the subject that prove its preconditions, and status lists for them.
    ///
    /// # Errors
    /// [`IssueError::Refused`] if a verifier would refuse it, [`IssueError::TooLarge`] if its holder
    /// could not show it; nothing is changed then.
    pub fn issue(
        &mut self,
        new: &NewVisa<'_>,
        evidence: (&[String], &[StatusList]),
        resolver: &dyn Resolver,
        rng: &mut dyn CryptoRng,
    ) -> Result<Issued, IssueError> {
        self.issue_for(new, None, evidence, resolver, rng)
    }

    /// As [`Issuer::issue`], in answer to a request, by its hash: the register says so, and
    /// [`crate::register::issued_for`] finds it.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn issue_for(
        &mut self,
        new: &NewVisa<'_>,
        request: Option<&ContentId>,
        evidence: (&[String], &[StatusList]),
        resolver: &dyn Resolver,
        rng: &mut dyn CryptoRng,
    ) -> Result<Issued, IssueError> {
        self.wallet.check_clock(self.now)?;
        let (issued, changes) = self.prepare(new, request, evidence, resolver, rng)?;
        self.wallet.apply_issuing(changes, rng, self.now)?;
        Ok(issued)
    }

    /// Finds out whether [`Issuer::issue`] would issue it, by all but entering it: nothing is changed, and
    /// nothing that was signed for it is given away.
    ///
    /// # Errors
    /// As [`Issuer::issue`].
    pub fn rehearse(
        &self,
        new: &NewVisa<'_>,
        evidence: (&[String], &[StatusList]),
        resolver: &dyn Resolver,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), IssueError> {
        self.prepare(new, None, evidence, resolver, rng).map(|_| ())
    }

    /// A visa that verifies, and what enters it.
    fn prepare(
        &self,
        new: &NewVisa<'_>,
        request: Option<&ContentId>,
        evidence: (&[String], &[StatusList]),
        resolver: &dyn Resolver,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Issued, Changes), IssueError> {
        let (definition, role) = self
            .trust
            .find_role(new.role)
            .ok_or_else(|| IssueError::UnknownRole(new.role.to_owned()))?;
        let longest = role.definition.max_validity_seconds.saturating_mul(1000);
        let mut changes = Changes::default();
        let (mut own, mut status) = (Vec::new(), Vec::new());
        for purpose in Purpose::ALL {
            let (list, index) = self.entry(purpose, new.list_base, rng)?;
            status.push(StatusEntry { purpose, list: list.id.clone(), index });
            own.push(list);
        }
        let valid_from = new.valid_from.floor_to_second();
        let visa = Visa {
            id: uuid(rng),
            issuer: self.identity.did.clone(),
            subject: new.subject.clone(),
            definition: definition.clone(),
            role: role.definition.name.clone(),
            claims: new.claims.clone(),
            valid_from,
            valid_until: new.valid_until.unwrap_or_else(|| valid_from.plus_millis(longest)),
            status,
        };
        let (key_id, key) =
            self.wallet.active_secret(self.identity, Relationship::AssertionMethod)?;
        let signer = Signer { key: &key, key_id: &key_id, now: self.now };
        let secured =
            secure_credential(&visa.to_credential()?, new.form, new.withholdable, signer, rng)?;
        let mut lists = evidence.1.to_vec();
        let mut texts = Vec::new();
        for list in &mut own {
            let signed = list.sign(signer, Form::Jwt, rng)?;
            texts.push(signed.secured().text().to_owned());
            lists.push(signed);
            list.stage(&mut changes)?;
        }
        let supporting = authority(self.wallet, &self.identity.did)?;
        let (kept, seen) = keeping::lists(self.wallet)?;
        texts.extend(kept.iter().map(|l| l.secured().text().to_owned()));
        lists.extend(kept);
        let all: Vec<String> = supporting.iter().chain(evidence.0).cloned().collect();
        let verify = |at| self.verify(secured.text(), &all, &lists, &seen, resolver, at);
        let report = verify(self.now);
        refuse_faults(&report)?;
        if visa.valid_from > self.now {
            // Today's lists are too old by then, and newer ones will come: what fails is known today.
            let then = verify(visa.valid_from);
            if then.outcome == Outcome::Failed {
                return Err(IssueError::Refused(Box::new(then)));
            }
        }
        let mut shown = vec![secured.text().to_owned()];
        shown.extend(supporting.iter().cloned());
        check_presentable(new.subject, &shown).map_err(IssueError::TooLarge)?;
        let record = IssuedVisa {
            version: RECORD_VERSION,
            text: secured.text().to_owned(),
            issued: self.now,
            request: request.cloned(),
            events: Vec::new(),
        };
        changes.put(ISSUED, &visa.id, to_record(&record)?);
        let (evidence, text) = (secured.id().clone(), record.text);
        let issued = Issued { visa, evidence, text, supporting, lists: texts, report };
        Ok((issued, changes))
    }

    /// Authorises a node to act for this participant; gives the credential's text and the status
    /// list that covers it.
    ///
    /// # Errors
    /// [`IssueError::TooLong`] for more than 90 days.
    pub fn authorise_node(
        &mut self,
        new: &NewAuthorisation<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(NodeAuthorisation, String, StatusList), IssueError> {
        if new.validity_millis / 1000 > authorisation::MAX_VALIDITY_SECONDS {
            return Err(IssueError::TooLong);
        }
        self.wallet.check_clock(self.now)?;
        let (mut list, index) = self.entry(Purpose::Revocation, None, rng)?;
        let valid_from = self.now.floor_to_second();
        let authorisation = NodeAuthorisation {
            id: uuid(rng),
            principal: self.identity.did.clone(),
            node: new.node.clone(),
            purposes: new.purposes.clone(),
            channels: new.channels.clone(),
            valid_from,
            valid_until: valid_from.plus_millis(new.validity_millis),
            status: StatusEntry { purpose: Purpose::Revocation, list: list.id.clone(), index },
        };
        let (key_id, key) =
            self.wallet.active_secret(self.identity, Relationship::AssertionMethod)?;
        let signer = Signer { key: &key, key_id: &key_id, now: self.now };
        let credential = authorisation.to_credential()?;
        let secured = secure_credential(&credential, Form::Jwt, &[], signer, rng)?;
        let signed = list.sign(signer, Form::Jwt, rng)?;
        let mut changes = Changes::default();
        list.stage(&mut changes)?;
        changes.put(AUTHORISATIONS, &authorisation.id, secured.text().as_bytes().to_vec());
        self.wallet.apply_issuing(changes, rng, self.now)?;
        Ok((authorisation, secured.text().to_owned(), signed))
    }

    fn verify(
        &self,
        text: &str,
        supporting: &[String],
        lists: &[StatusList],
        seen: &SeenLists,
        resolver: &dyn Resolver,
        at: UnixMillis,
    ) -> VisaReport {
        let evidence = Evidence { trust: self.trust, lists, resolver, seen };
        let expect =
            Expectation { now: at, clock: at, audience: None, nonce: None, presenter: None };
        let supporting: Vec<_> = supporting.iter().map(|t| t.as_bytes().to_vec()).collect();
        verify_visa(text.as_bytes(), &supporting, &evidence, &expect, &mut SignatureMemo::default())
    }

    /// A free entry in one of its lists, or in a new one.
    fn entry(
        &self,
        purpose: Purpose,
        base: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(OwnList, u64), IssueError> {
        for mut list in own_lists(self.wallet)? {
            let ours = list.issuer == self.identity.did
                && list.purpose == purpose
                && base.is_none_or(|base| list.id.starts_with(base));
            // A list of somebody else's, that this identity may revoke in, has no entries to give.
            if ours
                && !list.taken.is_empty()
                && let Some(index) = list.take(rng)?
            {
                return Ok((list, index));
            }
        }
        let name = uuid(rng);
        let id = match base {
            Some(base) => format!("{base}{}", name.trim_start_matches("urn:uuid:")),
            None => name,
        };
        let mut list = OwnList::new(id, self.identity.did.clone(), purpose);
        match list.take(rng)? {
            Some(index) => Ok((list, index)),
            None => Err(IssueError::State("a new list has no free entry".into())),
        }
    }

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
        let entry = visa
            .status_of(purpose)
            .ok_or_else(|| IssueError::State(format!("the visa has no {} list", purpose.name())))?;
        self.set_entry(&visa.id, entry, set, reason, rng)
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
    pub fn set_entries(
        &mut self,
        entries: &[(&str, &StatusEntry)],
        set: bool,
        reason: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<StatusList>, IssueError> {
        self.wallet.check_clock(self.now)?;
        let mut lists: BTreeMap<String, OwnList> = BTreeMap::new();
        let mut changes = Changes::default();
        for &(id, entry) in entries {
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
            let is_revoked = record.as_ref().is_some_and(|record| record.state() == "revoked");
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
            if let Some(mut record) = record {
                let reason = reason.map(str::to_owned);
                record.events.push(Event { at, what: done.into(), reason });
                changes.put(ISSUED, id, to_record(&record)?);
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

    /// What proves that this identity holds roles that may revoke, as a list carries it: the visas for
    /// these roles, those that last longest first, with what they rest on, as far as there is room.
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
            let stands = visa.valid_until > self.now;
            if visa.subject == self.identity.did && roles.contains(&visa.definition) && stands {
                let until = visa.valid_until;
                let mut beside = held.supporting;
                for (_, own) in presenting::required(self.wallet, self.trust, &[visa], self.now)? {
                    let shown = own.read()?.0.disclose(&[])?;
                    beside.extend(std::iter::once(shown).chain(own.supporting));
                }
                offices.push((until, secured, beside));
            }
        }
        offices.sort_by_key(|(until, ..)| std::cmp::Reverse(*until));
        let mut texts: Vec<String> = Vec::new();
        for (_, secured, supporting) in offices {
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

/// Refuses a new visa for anything but that it is not in force yet.
fn refuse_faults(report: &VisaReport) -> Result<(), IssueError> {
    let own = report.visas.iter().filter(|v| v.presented).flat_map(|v| &v.checks);
    let is_ahead = |c: &Check| c.name == "validity" && c.code == codes::VISA_NOT_YET;
    let checks: Vec<&Check> = report.checks.iter().chain(own).collect();
    let first = |outcome: Outcome| checks.iter().find(|c| c.outcome == outcome && !is_ahead(c));
    let fault = first(Outcome::Failed).or_else(|| first(Outcome::Indeterminate));
    let Some(fault) = fault else {
        // Nothing was checked.
        if checks.is_empty() {
            return Err(IssueError::Refused(Box::new(report.clone())));
        }
        return Ok(());
    };
    // Beside a fault, that it begins later is not what decides.
    let (outcome, code, sentence) = (fault.outcome, fault.code, fault.sentence.clone());
    let report = VisaReport { outcome, code, sentence, ..report.clone() };
    Err(IssueError::Refused(Box::new(report)))
}

/// The visas that prove an issuer's authority: those it holds, and what they rest on.
pub(crate) fn authority(wallet: &Wallet, issuer: &Did) -> Result<Vec<String>, KeepError> {
    let mut texts = Vec::new();
    for held in keeping::visas(wallet)? {
        if &held.read()?.1.subject == issuer {
            for text in std::iter::once(held.text).chain(held.supporting) {
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
        }
    }
    Ok(texts)
}

/// What a node is to be authorised for.
#[derive(Clone, Debug)]
pub struct NewAuthorisation<'n> {
    /// The node.
    pub node: &'n Did,
    /// What for.
    pub purposes: BTreeSet<NodePurpose>,
    /// Where; `None` is everywhere.
    pub channels: Option<BTreeSet<ContentId>>,
    /// For how long, in milliseconds.
    pub validity_millis: u64,
}
