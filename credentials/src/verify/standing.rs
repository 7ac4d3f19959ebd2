//! How a visa stands at a time: its validity, its definition's retirement, and what the status
//! lists of those who may revoke it say.

use super::chain::Revokers;
use super::node::Node;
use super::{Age, Evidence, Run, seen};
use crate::codes;
use crate::content_id::ContentId;
use crate::role::IssuerRevocation;
use crate::signature::{Asked, Found};
use crate::status::StatusList;
use crate::visa::{Purpose, StatusEntry};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, BTreeSet};

/// What a visa is relied on for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Its holder acts on it, at the time asked about.
    Held,
    /// Its holder issued another visa on it, at that time.
    Issuing(IssuerRevocation),
}

impl Use {
    /// What the visas are relied on for which a visa requires that is relied on for this. Of those that an issuer
    /// had to hold what was said by then counts, whatever was said since: its own visa is what is revoked.
    pub(super) fn of_required(self) -> Self {
        match self {
            Self::Held => Self::Held,
            Self::Issuing(_) => Self::Issuing(IssuerRevocation::Keeps),
        }
    }
}

/// The status lists at hand, each verified once.
pub(super) struct Lists<'l> {
    lists: Vec<(&'l StatusList, Option<Check>)>,
    /// Those that somebody else made in their signer's name ([`is_foreign`]): they say nothing of anybody.
    foreign: Vec<(&'l StatusList, Check)>,
    /// Those of which it is open who made them: such a one stands in for none that was seen.
    unproven: BTreeSet<&'l ContentId>,
    /// Those that are not to be believed, and leave open what their signer says: nothing of it is believed, or
    /// only what is older and may have been replaced by them.
    unheard: BTreeSet<&'l ContentId>,
    evidence: &'l Evidence<'l>,
    now: UnixMillis,
    pub(super) clock: UnixMillis,
    /// Who may revoke beside the issuers, by role, as far as that is established.
    pub(super) by_role: Revokers,
    /// Of whom that is open.
    pub(super) undecided: Revokers,
    /// What of: whoever brings that decides it.
    pub(super) why_open: BTreeMap<(Did, ContentId), String>,
    /// Who did, and whose right lapsed since: what they revoked is open.
    pub(super) lapsed: Revokers,
}

/// Whose status it is, and where it is written.
pub(super) struct Subject<'s> {
    pub(super) issuer: &'s Did,
    pub(super) entries: &'s [StatusEntry],
    pub(super) max_age_seconds: u64,
    pub(super) revoker_dids: &'s [Did],
    pub(super) revoker_roles: &'s [ContentId],
}

impl<'l> Lists<'l> {
    /// Verifies the lists that the visas name.
    pub(super) fn verify(nodes: &[Node<'_>], run: &mut Run<'l>) -> Self {
        let named: BTreeSet<&str> = nodes
            .iter()
            .filter_map(|n| n.visa.as_ref())
            .flat_map(|v| v.status.iter().map(|s| s.list.as_str()))
            .collect();
        Self::verify_named(&named, run)
    }

    pub(super) fn verify_named(named: &BTreeSet<&str>, run: &mut Run<'l>) -> Self {
        let clock = run.expect.clock.max(run.expect.now);
        let (mut lists, mut foreign, mut unproven) = (Vec::new(), Vec::new(), BTreeSet::new());
        for list in run.evidence.lists.iter().filter(|l| named.contains(l.id.as_str())) {
            let found = run.signature(list.secured(), &asked(list, clock));
            let is_foreign = is_foreign(&found, clock);
            if !found.checks.iter().any(fits) {
                unproven.insert(list.secured().id());
            }
            let refused = found.checks.into_iter().find(|c| c.outcome != Outcome::Passed);
            let refused = refused.or_else(|| from_future(list, clock));
            if refused.is_none() {
                let what = format!("status list {} of {}", list.id, list.issuer);
                run.ages.push(Age { what, age_seconds: clock.millis_since(list.dated) / 1000 });
            }
            match refused {
                Some(refused) if is_foreign => foreign.push((list, refused)),
                refused => lists.push((list, refused)),
            }
        }
        let is_unheard = |(list, refused): &&(&'l StatusList, Option<Check>)| {
            let order = |l: &&'l StatusList| l.order();
            let theirs = lists
                .iter()
                .filter(|(l, r)| r.is_none() && (&l.id, &l.issuer) == (&list.id, &list.issuer));
            let newest = theirs.map(|(l, _)| *l).max_by_key(order);
            let refused = refused.as_ref();
            refused.is_some_and(|refused| {
                newest.is_none_or(|newest| {
                    !unproven.contains(list.secured().id())
                        // One of after the clock is not known yet.
                        && refused.code != identity_codes::SIGNED_IN_FUTURE
                        && seen::hides(list, newest, &run.resolver)
                })
            })
        };
        let unheard = lists.iter().filter(is_unheard).map(|(l, _)| l.secured().id()).collect();
        let (by_role, undecided) = (Revokers::new(), Revokers::new());
        let (lapsed, why_open) = (Revokers::new(), BTreeMap::new());
        let (evidence, now) = (run.evidence, run.expect.now);
        Self {
            lists,
            foreign,
            unproven,
            unheard,
            evidence,
            now,
            clock,
            by_role,
            undecided,
            why_open,
            lapsed,
        }
    }

    /// The newest state of each list, by whoever may say something of the subject.
    pub(super) fn read_for(&self, subject: &Subject<'_>) -> impl Iterator<Item = &'l StatusList> {
        let mut newest: BTreeMap<(&str, &Did), &'l StatusList> = BTreeMap::new();
        for (list, refused) in &self.lists {
            let list: &'l StatusList = list;
            let named = subject.entries.iter().any(|e| e.list == list.id);
            let speaks = self.may_revoke(&list.issuer, subject)
                || is_among(&self.undecided, &list.issuer, subject)
                || is_among(&self.lapsed, &list.issuer, subject);
            if refused.is_none() && named && speaks {
                let held = newest.entry((&list.id, &list.issuer)).or_insert(list);
                if list.order() > held.order() {
                    *held = list;
                }
            }
        }
        newest.into_values()
    }

    fn may_revoke(&self, signer: &Did, subject: &Subject<'_>) -> bool {
        signer == subject.issuer
            || subject.revoker_dids.contains(signer)
            || is_among(&self.by_role, signer, subject)
    }

    /// Whether somebody revokes by a role, perhaps does, or did.
    pub(super) fn is_revoker(&self, did: &Did, role: &ContentId) -> bool {
        let revoker = (did.clone(), role.clone());
        [&self.by_role, &self.undecided, &self.lapsed].iter().any(|all| all.contains(&revoker))
    }

    /// Suspended today, and asked about an earlier time. Whoever is suspended dates as it likes: what
    /// is from before waits until it is reinstated.
    fn suspended_since(&self, list: &StatusList, entry: &StatusEntry, at: UnixMillis) -> Check {
        let (name, by) = (status_name(entry.purpose), &list.issuer);
        if list.was_set(entry.index, at).unwrap_or(None) == Some(true) {
            let sentence = format!("suspended by {by} at {at}");
            return Check::failed(name, codes::VISA_SUSPENDED, sentence);
        }
        let sentence = format!("suspended by {by} since then; whether it was sent before is open");
        Check::indeterminate(name, codes::VISA_SUSPENDED, sentence)
    }

    /// What the lists say, for each purpose.
    pub(super) fn checks(&self, subject: &Subject<'_>, at: UnixMillis, usage: Use) -> Vec<Check> {
        let mut checks = Vec::new();
        for purpose in Purpose::ALL {
            let entry = subject.entries.iter().find(|e| e.purpose == purpose);
            match (entry, purpose) {
                (Some(entry), _) => checks.extend(self.entry_checks(entry, subject, at, usage)),
                (None, Purpose::Revocation) => {
                    let sentence = "it says nowhere where its revocation would be written";
                    checks.push(Check::failed("status", codes::STATUS_ENTRY_MISSING, sentence));
                }
                (None, Purpose::Suspension) => {}
            }
        }
        checks
    }

    fn entry_checks(
        &self,
        entry: &StatusEntry,
        subject: &Subject<'_>,
        at: UnixMillis,
        usage: Use,
    ) -> Vec<Check> {
        let of_list = || self.lists.iter().filter(|(l, _)| l.id == entry.list);
        let authorised: BTreeSet<&Did> = of_list()
            .filter(|(l, refused)| refused.is_none() && self.may_revoke(&l.issuer, subject))
            .map(|(l, _)| &l.issuer)
            .collect();
        let mut checks = Vec::new();
        if !authorised.contains(subject.issuer) {
            checks.push(self.no_list(entry, subject));
        }
        checks.extend(self.unheard_revokers(entry, subject, &authorised));
        checks.extend(self.undecided_revokers(entry, subject, at, usage));
        for signer in authorised {
            checks.push(self.signer_check(entry, signer, subject, at, usage));
        }
        checks
    }

    /// Whether a list that is not to be believed leaves open what its signer says.
    fn is_unheard(&self, list: &StatusList) -> bool {
        self.unheard.contains(list.secured().id())
    }

    /// Those who may revoke, whose newest list cannot be read now: revokers who are known to keep this list, and
    /// whoever replaced, by one that is not to be believed, what is believed. It may have said that it is revoked.
    fn unheard_revokers(
        &self,
        entry: &StatusEntry,
        subject: &Subject<'_>,
        heard: &BTreeSet<&Did>,
    ) -> Vec<Check> {
        let name = status_name(entry.purpose);
        let may = |did: &Did| {
            did != subject.issuer && !heard.contains(did) && self.may_revoke(did, subject)
        };
        let mut checks = Vec::new();
        let mut told: BTreeSet<&Did> = BTreeSet::new();
        for (list, refused) in self.lists.iter().filter(|(l, _)| l.id == entry.list) {
            let Some(refused) = refused else { continue };
            // Of the issuer, where nothing of it is believed, that is said already.
            let counts = may(&list.issuer) || heard.contains(&list.issuer);
            if counts && self.is_unheard(list) && told.insert(&list.issuer) {
                let sentence = format!(
                    "the list {} of {}, who may revoke, is not to be believed: {}",
                    entry.list, list.issuer, refused.sentence
                );
                checks.push(Check::indeterminate(name, refused.code, sentence));
            }
        }
        checks.extend(self.unheard_perhaps(entry, subject));
        let at_hand = |did: &Did| {
            let mut theirs = self.of(entry, did);
            theirs.any(|(list, _)| !self.unproven.contains(list.secured().id()))
        };
        let once = |did: &Did| self.perhaps_revokes(did, subject) && !at_hand(did);
        for (list, signer) in self.evidence.seen.keys() {
            if list == &entry.list && (may(signer) || once(signer)) && told.insert(signer) {
                let sentence = format!(
                    "a list {list} of {signer}, who may revoke, was seen before and is not at hand"
                );
                checks.push(Check::indeterminate(name, codes::STATUS_UNKNOWN, sentence));
            }
        }
        checks
    }

    /// Those who perhaps may revoke, or did, whose newest list is not to be believed, and says that it is set:
    /// such as of whoever marked its own key, and whose own visa ended since. Where none says so, who
    /// revoked nothing leaves nothing open.
    fn unheard_perhaps(&self, entry: &StatusEntry, subject: &Subject<'_>) -> Vec<Check> {
        let mut checks = Vec::new();
        let mut told: BTreeSet<&Did> = BTreeSet::new();
        for (list, refused) in self.lists.iter().filter(|(l, _)| l.id == entry.list) {
            let Some(refused) = refused else { continue };
            if self.perhaps_revokes(&list.issuer, subject)
                && self.is_unheard(list)
                && list.bits().get(entry.index) == Ok(true)
                && told.insert(&list.issuer)
            {
                let sentence = format!(
                    "{} says so in the list {}, which is not to be believed: {}",
                    list.issuer, entry.list, refused.sentence
                );
                let name = status_name(entry.purpose);
                checks.push(Check::indeterminate(name, refused.code, sentence));
            }
        }
        checks
    }

    /// Whether it is open that somebody may revoke, or it did until its own visa lapsed.
    fn perhaps_revokes(&self, did: &Did, subject: &Subject<'_>) -> bool {
        !self.may_revoke(did, subject)
            && (is_among(&self.undecided, did, subject) || is_among(&self.lapsed, did, subject))
    }

    /// The lists of a signer in which an entry stands.
    fn of<'s>(
        &'s self,
        entry: &'s StatusEntry,
        signer: &'s Did,
    ) -> impl Iterator<Item = &'s (&'l StatusList, Option<Check>)> {
        self.lists.iter().filter(move |(l, _)| l.id == entry.list && &l.issuer == signer)
    }

    /// Of a signer of whom it is open whether it may revoke, the list that says that an entry is set: its newest, or
    /// one of the same version, of which nobody can tell which one counts.
    fn setting(&self, newest: &StatusList, entry: &StatusEntry) -> Option<&'l StatusList> {
        let mut believed = self.of(entry, &newest.issuer).filter(|(_, r)| r.is_none());
        let is_it = |l: &StatusList| {
            let same_version = newest.version.is_some() && l.version == newest.version;
            (same_version || l.order() == newest.order()) && l.bits().get(entry.index) == Ok(true)
        };
        believed.find(|(l, _)| is_it(l)).map(|(l, _)| *l)
    }

    /// Those who say that it is set, and of whom it is open whether they may: else whoever has withheld what shows
    /// it, or dates back, would be rid of the revocation. And those whose right lapsed since: else everybody
    /// whom they revoked would have waited for that.
    fn undecided_revokers(
        &self,
        entry: &StatusEntry,
        subject: &Subject<'_>,
        at: UnixMillis,
        usage: Use,
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        for list in self.read_for(subject).filter(|l| l.id == entry.list) {
            if self.may_revoke(&list.issuer, subject) {
                continue;
            }
            let Some(list) = self.setting(list, entry) else { continue };
            // What was issued before stays good, whoever revoked since.
            let since = usage == Use::Issuing(IssuerRevocation::Keeps)
                && list.was_set(entry.index, at) == Ok(Some(false));
            if !since {
                let (by, id, issuer) = (&list.issuer, &entry.list, subject.issuer);
                let name = status_name(entry.purpose);
                checks.push(if is_among(&self.undecided, by, subject) {
                    let why = |r: &ContentId| self.why_open.get(&(by.clone(), r.clone()));
                    let why = subject.revoker_roles.iter().find_map(why);
                    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                    let sentence = format!(
                        "{by} says so in the list {id}, and whether its own visa lets it is \
                         open{why}"
                    );
                    Check::indeterminate(name, codes::STATUS_SIGNER, sentence)
                } else {
                    let sentence = format!(
                        "{by} says so in the list {id}, and its own visa to say so has ended, is \
                         suspended, is for a role that is listed no more, or is of one who is no \
                         root any more: {issuer}, who issued this one, is to take it over, or \
                         {by}'s own to be renewed or reinstated"
                    );
                    Check::indeterminate(name, codes::STATUS_REVOKER_LAPSED, sentence)
                });
            }
        }
        checks
    }

    /// Why the issuer's own list cannot be read: none, a bad one, or somebody else's.
    fn no_list(&self, entry: &StatusEntry, subject: &Subject<'_>) -> Check {
        let name = status_name(entry.purpose);
        let theirs = self.lists.iter().map(|(l, refused)| (*l, refused.as_ref()));
        let foreign = self.foreign.iter().map(|(l, refused)| (*l, Some(refused)));
        let all = theirs.chain(foreign);
        let mut others = all.filter(|(l, _)| l.id == entry.list).peekable();
        if others.peek().is_none() {
            let sentence =
                format!("the {} list {} is not at hand", entry.purpose.name(), entry.list);
            return Check::indeterminate(name, codes::STATUS_UNKNOWN, sentence);
        }
        match others.find(|(l, _)| &l.issuer == subject.issuer) {
            Some((_, Some(refused))) => {
                let sentence =
                    format!("the list {} is not to be believed: {}", entry.list, refused.sentence);
                Check::indeterminate(name, refused.code, sentence)
            }
            _ => {
                let sentence =
                    format!("the list {} is not signed by {}", entry.list, subject.issuer);
                Check::indeterminate(name, codes::STATUS_SIGNER, sentence)
            }
        }
    }

    fn signer_check(
        &self,
        entry: &StatusEntry,
        signer: &Did,
        subject: &Subject<'_>,
        at: UnixMillis,
        usage: Use,
    ) -> Check {
        let name = status_name(entry.purpose);
        let fail = |code, sentence: String| Check::failed(name, code, sentence);
        let mut states: Vec<&StatusList> = self
            .lists
            .iter()
            .filter(|(l, r)| r.is_none() && l.id == entry.list && &l.issuer == signer)
            .map(|(l, _)| *l)
            .collect();
        states.sort_by_key(|l| l.order());
        let Some(list) = states.last() else {
            return Check::indeterminate(name, codes::STATUS_UNKNOWN, "no list is at hand");
        };
        let contradicts = |other: &&StatusList| {
            other.version.is_some() && other.version == list.version && other.bits() != list.bits()
        };
        if states.iter().any(contradicts) {
            let sentence = format!("{signer} signed two lists {} with one version", entry.list);
            return fail(codes::STATUS_FORK, sentence);
        }
        let seen = self.evidence.seen.get(&(entry.list.clone(), signer.clone()));
        if seen.is_some_and(|seen| seen.outdates(list, self.evidence.resolver)) {
            let sentence =
                format!("a newer list {} than that of {} was seen", entry.list, list.dated);
            return fail(codes::STATUS_ROLLBACK, sentence);
        }
        if !list.purposes.iter().any(|p| p == entry.purpose.name()) {
            let sentence = format!("the list {} is not about {}", entry.list, entry.purpose.name());
            return fail(codes::STATUS_PURPOSE, sentence);
        }
        let state = match list.bits().get(entry.index) {
            Ok(set) => {
                // What is revoked today was perhaps sent by a thief, whatever its date says: it is
                // not taken up late. What was suspended, or is now, is judged by its time.
                // What was issued before stays as it was: of an issuer the dates count.
                let is_now =
                    at >= self.clock || (entry.purpose == Purpose::Revocation && at >= self.now);
                let today = usage == Use::Held && is_now;
                let before = at < self.clock && entry.purpose == Purpose::Suspension;
                if before && set && usage == Use::Held {
                    return self.suspended_since(list, entry, at);
                }
                state_check(list, entry, set, (at, today), usage)
            }
            Err(e) => fail(e.code(), e.to_string()),
        };
        let age_millis = self.clock.millis_since(list.dated);
        let age = age_millis / 1000;
        // Not by whole seconds: in the last of them it would count, and nobody knew until when.
        let stale = age_millis > subject.max_age_seconds.saturating_mul(1000)
            || list.expires.is_some_and(|e| e <= self.clock);
        // What is revoked stays revoked, however old the list; what was clear may not be so now.
        if stale && state.outcome == Outcome::Passed {
            let sentence = format!(
                "the {} list of {signer} is {age} seconds old, and at most {} are allowed",
                entry.purpose.name(),
                subject.max_age_seconds
            );
            return Check::indeterminate(name, codes::STATUS_STALE, sentence);
        }
        state
    }
}

fn is_among(revokers: &Revokers, signer: &Did, subject: &Subject<'_>) -> bool {
    subject.revoker_roles.iter().any(|r| revokers.contains(&(signer.clone(), r.clone())))
}

/// Whether a check is about revocation or suspension.
pub(super) fn is_status(check: &Check) -> bool {
    Purpose::ALL.into_iter().any(|p| check.name == status_name(p))
}

fn status_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Revocation => "revocation",
        Purpose::Suspension => "suspension",
    }
}

/// Whether a check says that a signature fits the key that it names.
fn fits(check: &Check) -> bool {
    check.name == "signature" && check.outcome == Outcome::Passed
}

/// Whether what was found of a list's signature says that it is not its signer's: another signed it, the key is none
/// that its signer's document ever listed, or the signature does not fit. Anybody can make such a list in anybody's name.
/// Where it fits, whatever else is wrong, or the document is not known, it is perhaps its signer's; so it is where the
/// document was obtained before the list was signed: who took a new key since would else have revoked nothing.
fn is_foreign(found: &Found, clock: UnixMillis) -> bool {
    let is_older = found.age_millis.is_some_and(|age| clock.millis_since(found.at) < age);
    let denies = |c: &Check| {
        let by_document =
            c.name == "signature" || (c.name == "key" && c.code == identity_codes::KEY_NOT_LISTED);
        c.outcome == Outcome::Failed
            && (c.name == "signer"
                || c.code == identity_codes::JWS_HEADER_REFUSED
                || (by_document && !is_older))
    };
    !found.checks.iter().any(fits) && found.checks.iter().any(denies)
}

/// What is asked of a list's signature.
pub(super) fn asked(list: &StatusList, now: UnixMillis) -> Asked<'_> {
    Asked {
        speaker: list.issuer.as_str(),
        purpose: Relationship::AssertionMethod,
        now,
        audience: None,
        nonce: None,
    }
}

pub(super) fn from_future(list: &StatusList, now: UnixMillis) -> Option<Check> {
    let skew = gridpass_identity::time::MAX_CLOCK_SKEW_MILLIS;
    (list.dated > now.plus_millis(skew)).then(|| {
        let sentence = format!("the list is dated {}", list.dated);
        Check::failed("status", identity_codes::SIGNED_IN_FUTURE, sentence)
    })
}

/// What one entry says about a time and a use.
fn state_check(
    list: &StatusList,
    entry: &StatusEntry,
    set_now: bool,
    (at, live): (UnixMillis, bool),
    usage: Use,
) -> Check {
    let name = status_name(entry.purpose);
    let changes = list.changes(entry.index);
    let by = &list.issuer;
    let since = changes.last().filter(|c| c.set).map(|c| format!(" since {}", c.at));
    let since = since.unwrap_or_default();
    let (word, code) = match entry.purpose {
        Purpose::Revocation => ("revoked", codes::VISA_REVOKED),
        Purpose::Suspension => ("suspended", codes::VISA_SUSPENDED),
    };
    // Now is what the list says last, also where its signer's clock is ahead of ours. Out of range
    // cannot be: the caller has read the bit.
    let then = if live { Some(set_now) } else { list.was_set(entry.index, at).unwrap_or(None) };
    match (usage, then, set_now) {
        (Use::Held, Some(true), _) => Check::failed(name, code, format!("{word} by {by}{since}")),
        (Use::Held, None, _) => {
            let sentence = format!("{word} by {by}, who does not say since when");
            Check::failed(name, code, sentence)
        }
        (Use::Issuing(_), Some(true), _) => {
            let sentence = format!("the issuer's own visa was {word} at {at}, by {by}");
            Check::failed(name, codes::ISSUER_REVOKED, sentence)
        }
        (Use::Issuing(IssuerRevocation::Ends), _, true) => {
            let sentence = format!(
                "the issuer's own visa is {word} by {by}{since}, which ends what it issued before"
            );
            Check::failed(name, codes::ISSUER_REVOKED_ENDS, sentence)
        }
        (Use::Issuing(IssuerRevocation::Keeps), None, true) => {
            let sentence =
                format!("the issuer's own visa is {word} by {by}, since an unknown time");
            Check::indeterminate(name, codes::ISSUER_REVOKED_WHEN, sentence)
        }
        (Use::Issuing(IssuerRevocation::Keeps), Some(false), true) => {
            let sentence = format!(
                "the issuer's own visa is {word} by {by}{since}; what it issued before stays good"
            );
            Check::passed(name, codes::ISSUER_REVOKED_SINCE, sentence)
        }
        (_, _, false) if !changes.is_empty() => {
            let sentence = format!("was {word}, and is reinstated by {by}");
            Check::passed(name, codes::STATUS_REINSTATED, sentence)
        }
        (_, _, _) => {
            let sentence = format!("not {word}, says {by} as of {}", list.dated);
            Check::passed(name, codes::STATUS_CLEAR, sentence)
        }
    }
}

/// Validity and retirement of a visa at a time.
pub(super) fn time_checks(node: &Node<'_>, at: UnixMillis) -> Vec<Check> {
    let Some(visa) = &node.visa else {
        return Vec::new();
    };
    let name = "validity";
    let validity = if at < visa.valid_from {
        let sentence = format!("it is valid from {} on, and not at {at}", visa.valid_from);
        Check::failed(name, codes::VISA_NOT_YET, sentence)
    } else if at >= visa.valid_until {
        let sentence = format!("it was valid until {}, and not at {at}", visa.valid_until);
        Check::failed(name, codes::VISA_EXPIRED, sentence)
    } else {
        Check::passed(name, codes::VISA_IN_FORCE, format!("valid until {}", visa.valid_until))
    };
    let mut checks = vec![validity];
    if let Some(listed) = node.listed
        && let Some(retired) = listed.retired
    {
        let grace = listed.grace_seconds.unwrap_or(0).saturating_mul(1000);
        let end = retired.plus_millis(grace);
        let name = "retirement";
        checks.push(if node.issued >= retired {
            let sentence =
                format!("{} was retired on {retired}, before it was issued", listed.name);
            Check::failed(name, codes::ROLE_RETIRED, sentence)
        } else if at >= end {
            let sentence =
                format!("{} was retired on {retired}, with grace until {end}", listed.name);
            Check::failed(name, codes::ROLE_RETIRED, sentence)
        } else {
            let word = if listed.is_retired(at) { "is retired since" } else { "retires on" };
            let sentence = format!("{} {word} {retired}; grace until {end}", listed.name);
            Check::passed(name, codes::ROLE_IN_GRACE, sentence)
        });
    }
    checks
}

/// The status part of a visa's standing.
pub(super) fn status_checks(
    node: &Node<'_>,
    lists: &Lists<'_>,
    at: UnixMillis,
    usage: Use,
) -> Vec<Check> {
    subject_of(node).map_or_else(Vec::new, |subject| lists.checks(&subject, at, usage))
}

/// Whose status a visa's is, and who may write it.
pub(super) fn subject_of<'n>(node: &'n Node<'_>) -> Option<Subject<'n>> {
    let (visa, role) = (node.visa.as_ref()?, node.role?);
    let revokers = role.definition.revokers.as_ref();
    Some(Subject {
        issuer: &visa.issuer,
        entries: &visa.status,
        max_age_seconds: role.definition.max_status_age_seconds,
        revoker_dids: revokers.map_or(&[], |r| r.dids.as_slice()),
        revoker_roles: revokers.map_or(&[], |r| r.roles.as_slice()),
    })
}
