//! How a visa that is held stands now, by what its holder's wallet knows: the pinned trust pack and the
//! status lists that are kept. What cannot be decided, such as by a list that grew old, is held as
//! before: whoever the visa is shown to gets newer lists and decides.

use super::consent::end_of;
use crate::context::now;
use crate::output::Failure;
use gridpass_credentials::codes;
use gridpass_credentials::hanging::{Hanging, hanging};
use gridpass_credentials::issuing::IssuedVisa;
use gridpass_credentials::keeping::{self, HeldVisa, KeepError};
use gridpass_credentials::presenting::required;
use gridpass_credentials::register;
use gridpass_credentials::secured::Secured;
use gridpass_credentials::signature::{self, Asked, SignatureMemo};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{Snapshots, Trust};
use gridpass_credentials::verify::{
    Evidence, Expectation, SeenLists, Verdict, VisaReport, verify_visa,
};
use gridpass_credentials::visa::{StatusEntry, Visa};
use gridpass_identity::code::Code;
use gridpass_identity::codes::{IDENTITY_DEACTIVATED, KEY_COMPROMISED, KEY_COMPROMISED_SINCE};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::{OfflineResolver, Resolution, ResolveError, Resolver};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::clock::is_ahead;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How a visa stands.
pub struct Standing {
    /// In a word or two: `held`, `revoked`, `suspended`, `expired`, or `refused` for another reason. Of what
    /// was issued, `in force` for `held`, and also `key compromised`, `retired` and `not yet`.
    pub state: &'static str,
    /// Why it does not count.
    pub why: Option<(Code, String)>,
}

impl Standing {
    /// Whether its holder gave its DID up, and shows it no more.
    pub fn is_given_up(&self) -> bool {
        self.why.as_ref().is_some_and(|(code, _)| *code == IDENTITY_DEACTIVATED)
    }

    /// Whether it was revoked or suspended by somebody whose own visa to do so is over: its issuer decides.
    pub fn has_lapsed(&self) -> bool {
        self.why.as_ref().is_some_and(|(code, _)| *code == codes::STATUS_REVOKER_LAPSED)
    }

    /// Whether showing it makes no sense any more. Who is suspended may be reinstated.
    pub fn is_over(&self) -> bool {
        matches!(self.state, "revoked" | "expired")
    }
}

/// What the wallet knows.
pub struct Known {
    trust: Option<Trust>,
    lists: Vec<StatusList>,
    seen: SeenLists,
    memo: SignatureMemo,
    /// Own identities that were given up, and since when.
    ended: Vec<(Did, UnixMillis)>,
    issuers: Issuers,
    /// What was issued here, oldest first: read when it is asked for.
    register: Option<Vec<Rc<Entered>>>,
}

/// A visa of the register, read.
pub struct Entered {
    pub record: IssuedVisa,
    pub secured: Secured,
    pub visa: Visa,
}

impl Entered {
    fn read(record: IssuedVisa) -> Result<Rc<Self>, Failure> {
        let (secured, visa) = keeping::read_visa(&record.text)?;
        Ok(Rc::new(Self { record, secured, visa }))
    }
}

/// What is known of those who issued what the register has: a log is verified once, not for each visa.
#[derive(Default)]
struct Issuers(BTreeMap<Did, Result<Resolution, ResolveError>>);

impl Resolver for Issuers {
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError> {
        let known = self.0.get(did).cloned();
        known.unwrap_or_else(|| Err(ResolveError::NotFound(did.clone())))
    }
}

impl Known {
    /// Reads it, once for many visas.
    pub fn of(wallet: &Wallet) -> Result<Self, Failure> {
        let trust = match keeping::pinned(wallet, now()) {
            Ok(trust) => Some(trust),
            // Such as where this machine's clock is wrong: then nothing is known of how it stands.
            Err(KeepError::NoTrust | KeepError::Trust(_)) => None,
            Err(e) => return Err(e.into()),
        };
        let (mut lists, seen) = keeping::lists(wallet)?;
        // Its own say how visas stand that it issued, such as one by which somebody else revokes.
        for own in register::signed_lists(wallet)? {
            let known = seen.get(&(own.id.clone(), own.issuer.clone()));
            if known.is_none_or(|seen| seen.order < own.order()) {
                lists.push(own);
            }
        }
        let mut ended = Vec::new();
        for own in wallet.identities()? {
            if let Some(since) = wallet.deactivated(&own)? {
                ended.push((own.did, since));
            }
        }
        let (memo, issuers) = (SignatureMemo::default(), Issuers::default());
        Ok(Self { trust, lists, seen, memo, ended, issuers, register: None })
    }

    /// Who signed the status lists that are known.
    pub fn signers(&self) -> Vec<Did> {
        let all: BTreeSet<&Did> = self.lists.iter().map(|list| &list.issuer).collect();
        all.into_iter().cloned().collect()
    }

    /// What was issued here, oldest first.
    pub fn register(&mut self, wallet: &Wallet) -> Result<Vec<Rc<Entered>>, Failure> {
        if let Some(known) = &self.register {
            return Ok(known.clone());
        }
        let read = register::issued(wallet)?.into_iter().map(Entered::read);
        let read = read.collect::<Result<Vec<_>, Failure>>()?;
        self.register = Some(read.clone());
        Ok(read)
    }

    /// Takes note of a visa that was issued since, by its id.
    pub fn note(&mut self, wallet: &Wallet, id: &str) -> Result<(), Failure> {
        if let Some(known) = &mut self.register {
            known.push(Entered::read(register::find_issued(wallet, id, |_, _| true)?)?);
        }
        Ok(())
    }

    /// From when on an own identity is given up.
    pub fn ended(&self, did: &Did) -> Option<UnixMillis> {
        self.ended.iter().find(|(own, _)| own == did).map(|(_, since)| *since)
    }

    /// The visa of this name that is held. A role that several visas are of means the one that is not
    /// over.
    pub fn find(&mut self, wallet: &Wallet, name: &str) -> Result<HeldVisa, Failure> {
        let ambiguous = match keeping::visa(wallet, name) {
            Err(e @ KeepError::Ambiguous { .. }) => e,
            found => return Ok(found?),
        };
        let mut left = Vec::new();
        for (visa, held) in keeping::visas_named(wallet, name)? {
            let standing = self.standing(wallet, &held, &visa)?;
            if !standing.is_over() && !standing.is_given_up() {
                left.push((visa, held));
            }
        }
        if left.is_empty() { Err(ambiguous.into()) } else { Ok(keeping::the_last(left, name)?) }
    }

    /// The visa of this name that is to be shown: of one and its renewals the last that holds, as far as
    /// is known here, else the last of which only its lists grew old; else as [`Known::find`].
    pub fn find_to_show(&mut self, wallet: &Wallet, name: &str) -> Result<HeldVisa, Failure> {
        let named = keeping::visas_named(wallet, name)?;
        let (mut holding, mut open) = (Vec::new(), Vec::new());
        if named.len() > 1 {
            for (visa, held) in named {
                let Some(report) = self.report(wallet, &held, &visa)? else { break };
                let mut shown = report.visas.iter().filter(|v| v.presented);
                if report.outcome == Outcome::Passed {
                    holding.push((visa, held));
                } else if shown.any(Verdict::only_status_is_open) {
                    open.push((visa, held));
                }
            }
        }
        if holding.is_empty() && open.is_empty() {
            return self.find(wallet, name);
        }
        // Which of those is meant that say different things, no standing says.
        keeping::the_last(holding.iter().chain(&open).cloned().collect(), name)?;
        let best = if holding.is_empty() { open } else { holding };
        Ok(keeping::the_last(best, name)?)
    }

    /// What was revoked or suspended by the holder of a visa, and is open once that is over at a time.
    pub fn hanging(
        &self,
        wallet: &Wallet,
        office: &Visa,
        after: UnixMillis,
    ) -> Result<Vec<Hanging>, Failure> {
        match &self.trust {
            Some(trust) => Ok(hanging(wallet, trust, office, after)?),
            None => Ok(Vec::new()),
        }
    }

    /// How a visa stands that was issued here: by the register, and by the lists of others who may revoke
    /// it, as far as they are kept.
    pub fn issued(
        &mut self,
        wallet: &Wallet,
        record: &IssuedVisa,
        visa: &Visa,
    ) -> Result<Standing, Failure> {
        let state = record.state();
        let by_others = |list: &StatusList| {
            let set = |e: &StatusEntry| e.list == list.id && list.bits().get(e.index) == Ok(true);
            list.issuer != visa.issuer && visa.status.iter().any(set)
        };
        if state != "revoked" && self.lists.iter().any(by_others) {
            let issued = HeldVisa::new(record.text.clone(), Vec::new(), record.issued);
            let standing = self.standing(wallet, &issued, visa)?;
            // Whatever else is undecided of it here is for its holder to show.
            if matches!(standing.state, "revoked" | "suspended") {
                return Ok(standing);
            }
            if standing.has_lapsed() && state == "in force" {
                return Ok(Standing { state, why: standing.why });
            }
        }
        Ok(Standing { state, why: None })
    }

    /// As [`Known::issued`], and of what the register calls in force, whether anybody takes it: not where
    /// the key that signed it is marked as stolen, its role's grace is over, or its time is not come.
    pub fn in_register(
        &mut self,
        wallet: &Wallet,
        record: &IssuedVisa,
        secured: &Secured,
        visa: &Visa,
    ) -> Result<Standing, Failure> {
        let standing = self.issued(wallet, record, visa)?;
        if standing.state != "in force" {
            return Ok(standing);
        }
        let now = now();
        let asked = Asked {
            speaker: visa.issuer.as_str(),
            purpose: Relationship::AssertionMethod,
            now,
            audience: None,
            nonce: None,
        };
        let resolve = || OfflineResolver::new(wallet).resolve(&visa.issuer);
        self.issuers.0.entry(visa.issuer.clone()).or_insert_with(resolve);
        let checks = signature::check(secured, &asked, &self.issuers, &mut self.memo).checks;
        let stolen = |c: &Check| matches!(c.code, KEY_COMPROMISED | KEY_COMPROMISED_SINCE);
        if let Some(check) = checks.into_iter().find(stolen) {
            let why = Some((check.code, check.sentence));
            return Ok(Standing { state: "key compromised", why });
        }
        if let Some(end) = self.retirement(visa).filter(|end| *end <= now) {
            let sentence = format!("{} is retired, with grace until {end}", visa.role);
            return Ok(Standing { state: "retired", why: Some((codes::ROLE_RETIRED, sentence)) });
        }
        // As a clock that was ahead dated it: nobody takes it until then.
        if visa.valid_from > now || is_ahead(record.issued, now) {
            return Ok(Standing { state: "not yet", why: standing.why });
        }
        Ok(standing)
    }

    /// Until when a visa counts: no longer than its role's grace, where that is retired.
    pub fn end_of(&self, visa: &Visa) -> UnixMillis {
        let end = end_of(visa);
        self.retirement(visa).map_or(end, |over| over.min(end))
    }

    /// When the grace is over of the visas of a role that is or will be retired.
    fn retirement(&self, visa: &Visa) -> Option<UnixMillis> {
        let listed = self.trust.as_ref()?.charter().charter().role(&visa.definition)?;
        let grace = listed.grace_seconds.unwrap_or(0).saturating_mul(1000);
        Some(listed.retired?.plus_millis(grace))
    }

    /// Since when a visa of the register is revoked or suspended, as far as that is known: by the register,
    /// else by the lists of others.
    pub fn taken_back(&self, record: &IssuedVisa, visa: &Visa) -> Option<UnixMillis> {
        if let Some(event) = record.events.iter().rev().find(|e| e.what != "reinstated") {
            return Some(event.at);
        }
        let mut first: Option<UnixMillis> = None;
        for list in &self.lists {
            for entry in visa.status.iter().filter(|e| e.list == list.id) {
                let set = list.changes(entry.index).iter().rev().find(|change| change.set);
                first = first.into_iter().chain(set.map(|change| change.at)).min();
            }
        }
        first
    }

    /// How a visa stands.
    pub fn standing(
        &mut self,
        wallet: &Wallet,
        held: &HeldVisa,
        visa: &Visa,
    ) -> Result<Standing, Failure> {
        let now = now();
        let expired = (visa.valid_until <= now).then(|| Standing {
            state: "expired",
            why: Some((codes::VISA_EXPIRED, format!("it was valid until {}", visa.valid_until))),
        });
        let given_up = self.ended(&visa.subject).map(|since| Standing {
            state: "refused",
            why: Some((
                IDENTITY_DEACTIVATED,
                format!("its holder, {}, is deactivated since {since}", visa.subject),
            )),
        });
        let Some(report) = self.report(wallet, held, visa)? else {
            let known = expired.or(given_up);
            return Ok(known.unwrap_or(Standing { state: "held", why: None }));
        };
        let found = |outcome: Outcome, code: Code| {
            let mut checks = report.visas.iter().filter(|v| v.presented).flat_map(|v| &v.checks);
            checks.find(|c| c.outcome == outcome && c.code == code)
        };
        let failed = |code: Code| found(Outcome::Failed, code);
        // Revoked is for good, and says more than that its time is over too.
        if let Some(check) = failed(codes::VISA_REVOKED) {
            return Ok(Standing {
                state: "revoked",
                why: Some((check.code, check.sentence.clone())),
            });
        }
        if let Some(ended) = expired.or(given_up) {
            return Ok(ended);
        }
        if let Some(check) = failed(codes::VISA_SUSPENDED) {
            return Ok(Standing {
                state: "suspended",
                why: Some((check.code, check.sentence.clone())),
            });
        }
        let lapsed = found(Outcome::Indeterminate, codes::STATUS_REVOKER_LAPSED);
        // Who is shown it will not decide: a thief of the issuer's key may have signed it, and dated it back.
        let marked = || found(Outcome::Indeterminate, KEY_COMPROMISED_SINCE);
        let open = lapsed.or_else(marked).map(|check| (check.code, check.sentence.clone()));
        Ok(match report.outcome {
            Outcome::Failed => {
                Standing { state: "refused", why: Some((report.code, report.sentence)) }
            }
            Outcome::Passed | Outcome::Indeterminate => Standing { state: "held", why: open },
        })
    }

    /// What the verification of a visa says by what the wallet knows; nothing where it pins no trust pack.
    fn report(
        &mut self,
        wallet: &Wallet,
        held: &HeldVisa,
        visa: &Visa,
    ) -> Result<Option<VisaReport>, Failure> {
        let Some(trust) = &self.trust else { return Ok(None) };
        let snapshots = Snapshots::read(&[])
            .map_err(|e| Failure::new(codes::RECORD_UNREADABLE, e.to_string()))?
            .with(trust)
            .with(wallet);
        let resolver = OfflineResolver::new(&snapshots);
        let evidence =
            Evidence { trust, lists: &self.lists, resolver: &resolver, seen: &self.seen };
        let now = now();
        let expect = Expectation { now, clock: now, audience: None, nonce: None, presenter: None };
        // What its role requires is held beside it, and renewed.
        let own = required(wallet, trust, std::slice::from_ref(visa), now)?.into_iter();
        let own = own.flat_map(|(_, own)| std::iter::once(own.text).chain(own.supporting));
        let mut beside = held.supporting.clone();
        for text in own {
            if !beside.contains(&text) {
                beside.push(text);
            }
        }
        let supporting: Vec<_> = beside.into_iter().map(String::into_bytes).collect();
        let text = held.text.as_bytes();
        Ok(Some(verify_visa(text, &supporting, &evidence, &expect, &mut self.memo)))
    }
}
