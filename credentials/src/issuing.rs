//! What an issuer does: issue visas and authorise nodes, and sign the status lists that cover them; what
//! happens to them later is in [`crate::revoking`]. Everything that changes together is one change of the
//! wallet.
//!
//! Nothing leaves this module that its own verifier would refuse: a new visa is verified, by the
//! pinned trust pack, before it is entered in the register. Many visas in one go: [`crate::many`].

use crate::authorisation::{self, NodeAuthorisation, NodePurpose};
use crate::codes;
use crate::content_id::ContentId;
use crate::issued::ISSUED;
use crate::keeping::{self, KeepError, to_record};
use crate::many::{Place, Read};
use crate::own_list::{OwnList, own_lists, uuid};
use crate::parcel::{Parcel, ParcelKind, dids_in, identities_of};
use crate::presenting::check_presentable;
use crate::secured::{Form, SecuredError, Signer, secure_credential};
use crate::status::{StatusError, StatusList};
use crate::trust::Trust;
use crate::verify::{Evidence, Expectation, VisaReport, verify_visa};
use crate::visa::{Purpose, StatusEntry, Visa, VisaError};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::Resolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::identities::Identity;
use gridpass_identity::wallet::{Changes, Wallet, WalletError};
use rand_core::CryptoRng;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

pub use crate::issued::{Act, ActedOn, Event, IssuedVisa, RefusedRequest};

pub(crate) const AUTHORISATIONS: &str = "node-authorisation";

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
        let mut read = Read::of(self.wallet)?;
        let (place, mut changes) = self.place(new.list_base, rng)?;
        let (issued, entered) =
            self.prepare((new, request), evidence, resolver, &place, &mut read, rng)?;
        changes.append(entered);
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
        let mut read = Read::of(self.wallet)?;
        let (place, _) = self.place(new.list_base, rng)?;
        self.prepare((new, None), evidence, resolver, &place, &mut read, rng).map(|_| ())
    }

    /// A visa that verifies, at a place that is given to no other, and what enters it.
    pub(crate) fn prepare(
        &self,
        (new, request): (&NewVisa<'_>, Option<&ContentId>),
        evidence: (&[String], &[StatusList]),
        resolver: &dyn Resolver,
        place: &Place,
        read: &mut Read,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Issued, Changes), IssueError> {
        let (definition, role) = self
            .trust
            .find_role(new.role)
            .ok_or_else(|| IssueError::UnknownRole(new.role.to_owned()))?;
        let longest = role.definition.max_validity_seconds.saturating_mul(1000);
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
            status: place.entries.clone(),
        };
        let (key_id, key) =
            self.wallet.active_secret(self.identity, Relationship::AssertionMethod)?;
        let signer = Signer { key: &key, key_id: &key_id, now: self.now };
        let secured =
            secure_credential(&visa.to_credential()?, new.form, new.withholdable, signer, rng)?;
        let supporting = read.authority(self.wallet, &self.identity.did)?;
        let mut lists = evidence.1.to_vec();
        lists.extend(place.lists.iter().chain(&read.lists).cloned());
        let texts = place.lists.iter().chain(&read.lists);
        let texts: Vec<String> = texts.map(|l| l.secured().text().to_owned()).collect();
        let all: Vec<String> = supporting.iter().chain(evidence.0).cloned().collect();
        let mut verify = |at| self.verify(secured.text(), &all, &lists, read, resolver, at);
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
        let record = IssuedVisa::new(secured.text().to_owned(), self.now, request.cloned());
        let mut changes = Changes::default();
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
        let (mut lists, mut entries) = self.entries(Purpose::Revocation, None, 1, rng)?;
        let (Some(mut list), Some(status)) = (lists.pop(), entries.pop()) else {
            return Err(no_entry());
        };
        let valid_from = self.now.floor_to_second();
        let authorisation = NodeAuthorisation {
            id: uuid(rng),
            principal: self.identity.did.clone(),
            node: new.node.clone(),
            purposes: new.purposes.clone(),
            channels: new.channels.clone(),
            valid_from,
            valid_until: valid_from.plus_millis(new.validity_millis),
            status,
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
        read: &mut Read,
        resolver: &dyn Resolver,
        at: UnixMillis,
    ) -> VisaReport {
        let evidence = Evidence { trust: self.trust, lists, resolver, seen: &read.seen };
        let expect =
            Expectation { now: at, clock: at, audience: None, nonce: None, presenter: None };
        let supporting: Vec<_> = supporting.iter().map(|t| t.as_bytes().to_vec()).collect();
        verify_visa(text.as_bytes(), &supporting, &evidence, &expect, &mut read.memo)
    }

    /// A free place on each list that a visa stands on, and what takes it.
    fn place(
        &self,
        base: Option<&str>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Place, Changes), IssueError> {
        let (mut places, changes) = self.places(base, 1, rng)?;
        Ok((places.pop().ok_or_else(no_entry)?, changes))
    }

    /// Free places on each list that a visa stands on, with the lists, signed once for all, and what takes them.
    pub(crate) fn places(
        &self,
        base: Option<&str>,
        count: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<Place>, Changes), IssueError> {
        let (key_id, key) =
            self.wallet.active_secret(self.identity, Relationship::AssertionMethod)?;
        let signer = Signer { key: &key, key_id: &key_id, now: self.now };
        let mut changes = Changes::default();
        let mut places = Vec::new();
        places.resize_with(count, Place::default);
        for purpose in Purpose::ALL {
            let (lists, entries) = self.entries(purpose, base, count, rng)?;
            let mut signed = Vec::new();
            for mut list in lists {
                signed.push(list.sign(signer, Form::Jwt, rng)?);
                list.stage(&mut changes)?;
            }
            for (place, entry) in places.iter_mut().zip(entries) {
                place.lists.extend(signed.iter().find(|list| list.id == entry.list).cloned());
                place.entries.push(entry);
            }
        }
        Ok((places, changes))
    }

    /// Free entries in its lists, and in a new one where these are full; and the lists that they are in.
    fn entries(
        &self,
        purpose: Purpose,
        base: Option<&str>,
        count: usize,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<OwnList>, Vec<StatusEntry>), IssueError> {
        let mut own = own_lists(self.wallet)?.into_iter().filter(|list| {
            // A list of somebody else's, that this identity may revoke in, has no entries to give.
            list.issuer == self.identity.did
                && list.purpose == purpose
                && base.is_none_or(|base| list.id.starts_with(base))
                && !list.taken.is_empty()
        });
        let (mut lists, mut entries) = (Vec::new(), Vec::new());
        while entries.len() < count {
            let (mut list, is_new) = match own.next() {
                Some(list) => (list, false),
                None => (self.new_list(purpose, base, rng), true),
            };
            let given = list.take_up_to(count.saturating_sub(entries.len()), rng)?;
            if given.is_empty() {
                if is_new {
                    return Err(no_entry());
                }
                continue;
            }
            let entry = |index| StatusEntry { purpose, list: list.id.clone(), index };
            entries.extend(given.into_iter().map(entry));
            lists.push(list);
        }
        Ok((lists, entries))
    }

    fn new_list(&self, purpose: Purpose, base: Option<&str>, rng: &mut dyn CryptoRng) -> OwnList {
        let name = uuid(rng);
        let id = match base {
            Some(base) => format!("{base}{}", name.trim_start_matches("urn:uuid:")),
            None => name,
        };
        OwnList::new(id, self.identity.did.clone(), purpose)
    }
}

fn no_entry() -> IssueError {
    IssueError::State("a new list has no free entry".into())
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
