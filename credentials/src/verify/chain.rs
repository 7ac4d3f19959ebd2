//! Who authorised the issuer, and who authorised that one, back to a root of the charter.
//!
//! Walked from the roots outward, in rounds, not recursed: each round finds the visas whose issuer
//! is established by the rounds before. A definition is named by its hash, so that definitions
//! cannot refer to each other in a circle, and the rounds end.

use super::node::Node;
use super::right::Right;
use super::standing::{self, Lists, Use};
use super::{Evidence, Step, Verdict};
use crate::codes;
use crate::content_id::ContentId;
use crate::role::{IssuerRevocation, MAX_CHAIN_DEPTH};
use crate::signature;
use crate::visa::Visa;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::time::UnixMillis;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// How deep preconditions of preconditions are followed.
pub(super) const MAX_PRECONDITIONS: usize = 8;

/// A way from a visa to a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// How many issuers stand between.
    pub(super) depth: u8,
    /// The visa that authorised the issuer; `None` for a root, or where it is missing.
    pub(super) parent: Option<usize>,
}

/// The shortest way for each outcome: one that holds, and one that nobody can decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Best {
    passed: Option<Link>,
    open: Option<Link>,
}

impl Best {
    fn offer(&mut self, outcome: Outcome, link: Link) {
        let slot = match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Indeterminate => &mut self.open,
            Outcome::Failed => return,
        };
        if slot.is_none_or(|found| link.depth < found.depth) {
            *slot = Some(link);
        }
    }

    pub(super) fn link(&self) -> Option<(Outcome, Link)> {
        let passed = self.passed.map(|l| (Outcome::Passed, l));
        passed.or_else(|| self.open.map(|l| (Outcome::Indeterminate, l)))
    }
}

/// Holders of roles, each with the role.
pub(super) type Revokers = BTreeSet<(Did, ContentId)>;

/// The chains of all visas of one verification.
pub(super) struct Chains<'c> {
    pub(super) nodes: &'c [Node<'c>],
    pub(super) lists: Lists<'c>,
    evidence: &'c Evidence<'c>,
    pub(super) now: UnixMillis,
    pub(super) best: Vec<Best>,
    /// Who holds what, in this round: preconditions of preconditions meet again and again.
    held: RefCell<BTreeMap<Holding, (Outcome, String)>>,
}

/// A subject, a role, a time, how deep preconditions are still followed, whether it is held at that time or was
/// when its holder issued something, and whether it is asked for what proves a revoker.
type Holding = (Did, ContentId, UnixMillis, usize, bool, bool);

impl<'c> Chains<'c> {
    /// Finds every chain. Revokers by role are those whose own chain holds when only issuers and
    /// revokers by name count; then everything is judged once more with their lists.
    pub(super) fn find(
        nodes: &'c [Node<'c>],
        lists: Lists<'c>,
        evidence: &'c Evidence<'c>,
        now: UnixMillis,
    ) -> Self {
        let best = vec![Best::default(); nodes.len()];
        let held = RefCell::default();
        let mut chains = Self { nodes, lists, evidence, now, best, held };
        chains.walk();
        let found = chains.revokers_by_role();
        if found.iter().any(|revokers| !revokers.is_empty()) {
            let [by_role, undecided, lapsed] = found;
            let why = undecided.iter().map(|r| (r.clone(), chains.why_open(r))).collect();
            (chains.lists.by_role, chains.lists.lapsed) = (by_role, lapsed);
            (chains.lists.undecided, chains.lists.why_open) = (undecided, why);
            chains.held.borrow_mut().clear();
            chains.best = vec![Best::default(); nodes.len()];
            chains.walk();
        }
        chains
    }

    /// Until nothing changes. A visa rests on those of other definitions, which lead back to its own in no
    /// circle, so that there are no more rounds than visas.
    fn walk(&mut self) {
        for _ in 0..=self.nodes.len() {
            let next: Vec<Best> = (0..self.nodes.len()).map(|i| self.step(i)).collect();
            self.held.borrow_mut().clear();
            if next == self.best {
                break;
            }
            self.best = next;
        }
    }

    /// Who holds a role that may revoke; of whom that is open; and whose right to it lapsed ([`Right`]).
    fn revokers_by_role(&self) -> [Revokers; 3] {
        let asked: BTreeSet<&ContentId> = self
            .nodes
            .iter()
            .filter_map(|n| n.role?.definition.revokers.as_ref())
            .flat_map(|r| r.roles.iter())
            .collect();
        let (mut found, mut undecided) = (Revokers::new(), Revokers::new());
        let mut lapsed = Revokers::new();
        if asked.is_empty() {
            return [found, undecided, lapsed];
        }
        let (open_ways, lapsed_ways) = (self.reach(Right::Open), self.reach(Right::Lapsed));
        for index in 0..self.nodes.len() {
            let Some((node, visa)) = self.visa(index) else { continue };
            // Also where no list of it is believed: what it said may have been that one is revoked.
            if !asked.contains(&visa.definition) {
                continue;
            }
            let revoker = (visa.subject.clone(), visa.definition.clone());
            let standing = self.standing(index, self.now, Use::Held, MAX_PRECONDITIONS);
            let stands = signature::outcome(&standing) == Outcome::Passed;
            if stands && self.complete(index, Outcome::Passed).is_some() {
                found.insert(revoker);
                continue;
            }
            let way = if open_ways.get(index) == Some(&true) {
                Right::Open
            } else if lapsed_ways.get(index) == Some(&true) {
                Right::Lapsed
            } else {
                continue;
            };
            let own = node.checks.iter().chain(&standing).map(|c| self.right(index, c));
            match own.fold(way, Right::max) {
                Right::Whole | Right::Open => {
                    undecided.insert(revoker);
                }
                Right::Lapsed => {
                    lapsed.insert(revoker);
                }
                Right::Refuted => {}
            }
        }
        undecided.retain(|revoker| !found.contains(revoker));
        lapsed.retain(|revoker| !found.contains(revoker) && !undecided.contains(revoker));
        [found, undecided, lapsed]
    }

    /// What a check of a visa leaves of its holder's right to revoke.
    pub(super) fn right(&self, index: usize, check: &Check) -> Right {
        match self.is_later(index, check) {
            true => Right::Open,
            false => Right::of(check),
        }
    }

    /// Whether a check says only that a visa is of a later time than the one that is asked about, such as by a
    /// renewal, and not than the clock: whoever is revoked would date back what it sends.
    fn is_later(&self, index: usize, check: &Check) -> bool {
        let clock = self.lists.clock;
        let says_so = [codes::VISA_NOT_YET, identity_codes::SIGNED_IN_FUTURE].contains(&check.code);
        says_so
            && self.now < clock
            && self
                .visa(index)
                .is_some_and(|(node, visa)| node.issued <= clock && visa.valid_from <= clock)
    }

    /// Which visas lead to a root by ways on which no check leaves less of a right than `least`. Every way
    /// counts, not the one that the walk took: whoever is revoked would show another one beside it.
    fn reach(&self, least: Right) -> Vec<bool> {
        let mut depths: Vec<Option<u8>> = (0..self.nodes.len())
            .map(|index| {
                let (node, visa) = self.visa(index)?;
                let Some(role) = node.role else {
                    // It is listed and not at hand: nobody can say who may issue it.
                    return node.listed.map(|_| 0);
                };
                let definition = &role.definition;
                let is_named = definition.issuers.dids.contains(&visa.issuer);
                let check = || self.root_check(node, visa, definition.issuer_revocation);
                (is_named && Right::of(&check()) <= least).then_some(0)
            })
            .collect();
        for depth in 1..=MAX_CHAIN_DEPTH {
            let further = |(index, known): (usize, &Option<u8>)| {
                known.or_else(|| self.reach_by(index, &depths, depth, least))
            };
            let next: Vec<Option<u8>> = depths.iter().enumerate().map(further).collect();
            if next == depths {
                break;
            }
            depths = next;
        }
        depths.iter().map(Option::is_some).collect()
    }

    /// A visa reaches a root by an authority that reached it in the round before.
    fn reach_by(&self, index: usize, depths: &[Option<u8>], depth: u8, least: Right) -> Option<u8> {
        let (node, visa) = self.visa(index)?;
        let definition = &node.role?.definition;
        let usage = Use::Issuing(definition.issuer_revocation);
        let is_by = |authority: usize| {
            depths.get(authority) == Some(&depth.checked_sub(1))
                && self
                    .nodes
                    .get(authority)
                    .is_some_and(|n| n.checks.iter().all(|c| self.right(authority, c) <= least))
                && self
                    .standing(authority, node.issued, usage, MAX_PRECONDITIONS)
                    .iter()
                    .all(|c| Right::of_issuer(c) <= least)
        };
        let mut authorities = self.authorities(index, visa, &definition.issuers.roles);
        (depth <= definition.max_chain_depth && authorities.any(is_by)).then_some(depth)
    }

    /// Whether a visa may rest on another: on what only proves a revoker nothing else does.
    pub(super) fn may_rest(&self, index: usize, other: usize) -> bool {
        self.proves_revoker(index) || !self.proves_revoker(other)
    }

    fn proves_revoker(&self, index: usize) -> bool {
        self.nodes.get(index).is_some_and(|n| n.proves_revoker)
    }

    pub(super) fn visa(&self, index: usize) -> Option<(&Node<'c>, &Visa)> {
        let node = self.nodes.get(index)?;
        Some((node, node.visa.as_ref()?))
    }

    /// The way of a visa whose own checks are at least as good.
    pub(super) fn complete(&self, index: usize, level: Outcome) -> Option<Link> {
        let node = self.nodes.get(index)?;
        let best = self.best.get(index)?;
        match (node.outcome, level) {
            (Outcome::Passed, Outcome::Passed) => best.passed,
            (Outcome::Passed, Outcome::Indeterminate) => best.open,
            (Outcome::Indeterminate, Outcome::Indeterminate) => best.passed.or(best.open),
            _ => None,
        }
    }

    /// Visas of the issuer of `visa`, which stands at `index`, that could be its authority.
    pub(super) fn authorities<'v>(
        &'v self,
        index: usize,
        visa: &'v Visa,
        roles: &'v [ContentId],
    ) -> impl Iterator<Item = usize> + 'v {
        let fits = move |i: &usize| {
            self.may_rest(index, *i)
                && self
                    .visa(*i)
                    .is_some_and(|(_, w)| w.subject == visa.issuer && roles.contains(&w.definition))
        };
        (0..self.nodes.len()).filter(fits)
    }

    fn step(&self, index: usize) -> Best {
        let mut best = Best::default();
        let Some((node, visa)) = self.visa(index) else {
            return best;
        };
        let Some(role) = node.role else {
            // Without the definition nobody can say who may issue.
            best.offer(Outcome::Indeterminate, Link { depth: 0, parent: None });
            return best;
        };
        let definition = &role.definition;
        if definition.issuers.dids.contains(&visa.issuer) {
            let outcome = self.root_check(node, visa, definition.issuer_revocation).outcome;
            best.offer(outcome, Link { depth: 0, parent: None });
        }
        let mut known = false;
        for authority in self.authorities(index, visa, &definition.issuers.roles) {
            known = true;
            let usage = Use::Issuing(definition.issuer_revocation);
            let mut stands = None;
            for level in [Outcome::Passed, Outcome::Indeterminate] {
                let Some(link) = self.complete(authority, level) else { continue };
                let depth = link.depth.saturating_add(1);
                if depth > definition.max_chain_depth {
                    continue;
                }
                let stands =
                    *stands.get_or_insert_with(|| self.stands(authority, node.issued, usage));
                best.offer(worse(level, stands), Link { depth, parent: Some(authority) });
            }
        }
        let may_be_missing = !known && !definition.issuers.roles.is_empty();
        if may_be_missing && !self.is_cycle(index, visa) {
            best.offer(Outcome::Indeterminate, Link { depth: 0, parent: None });
        }
        best
    }

    /// Whether the issuer's own visas lead back to the issuer, whatever their roles.
    pub(super) fn is_cycle(&self, index: usize, visa: &Visa) -> bool {
        let mut reached: BTreeSet<&Did> = BTreeSet::new();
        let mut open = vec![&visa.issuer];
        while let Some(did) = open.pop() {
            let meant = (0..self.nodes.len()).filter(|i| self.may_rest(index, *i));
            let meant = meant.filter_map(|i| Some(self.visa(i)?.1));
            for held in meant.filter(|v| &v.subject == did) {
                if reached.insert(&held.issuer) {
                    open.push(&held.issuer);
                }
            }
        }
        reached.contains(&visa.issuer)
    }

    pub(super) fn root_check(
        &self,
        node: &Node<'_>,
        visa: &Visa,
        revocation: IssuerRevocation,
    ) -> Check {
        let name = "issuer";
        let (issuer, trust) = (&visa.issuer, self.evidence.trust);
        // Signatures carry whole seconds: in the very second of a change both charters count.
        let end_of_second = node.issued.floor_to_second().plus_millis(999);
        let is_root = |at: UnixMillis| trust.charter_at(at).roots.contains(issuer);
        // Also of whoever is a root now: what it signed while it was none is not made good by that.
        if !is_root(node.issued) && !is_root(end_of_second) {
            let sentence = format!("{issuer} was not a root of the charter at {}", node.issued);
            return Check::failed(name, codes::ISSUER_NOT_ROOT, sentence);
        }
        if trust.charter().charter().roots.contains(issuer) {
            let sentence = format!("issued by {issuer}, a root of the charter");
            return Check::passed(name, codes::CHAIN_ROOT, sentence);
        }
        let sentence =
            format!("{issuer} was a root of the charter at {}, and is none now", node.issued);
        match revocation {
            IssuerRevocation::Keeps => {
                Check::passed(name, codes::CHAIN_ROOT_REMOVED_SINCE, sentence)
            }
            IssuerRevocation::Ends => Check::failed(name, codes::CHAIN_ROOT_REMOVED, sentence),
        }
    }

    fn stands(&self, index: usize, at: UnixMillis, usage: Use) -> Outcome {
        signature::outcome(&self.standing(index, at, usage, MAX_PRECONDITIONS))
    }

    /// Validity, retirement, status and preconditions of a visa at a time.
    pub(super) fn standing(
        &self,
        index: usize,
        at: UnixMillis,
        usage: Use,
        depth: usize,
    ) -> Vec<Check> {
        let Some((node, _)) = self.visa(index) else {
            return Vec::new();
        };
        let mut checks = standing::time_checks(node, at);
        checks.extend(standing::status_checks(node, &self.lists, at, usage));
        checks.extend(self.precondition_check(index, at, usage, depth));
        checks
    }

    fn precondition_check(
        &self,
        index: usize,
        at: UnixMillis,
        usage: Use,
        depth: usize,
    ) -> Option<Check> {
        let name = "preconditions";
        let (node, visa) = self.visa(index)?;
        let requirement = node.role?.definition.preconditions.as_ref()?;
        let Some(deeper) = depth.checked_sub(1) else {
            let sentence = "its preconditions have preconditions, deeper than is followed";
            return Some(Check::indeterminate(name, codes::PRECONDITIONS_UNKNOWN, sentence));
        };
        let mut reasons = Vec::new();
        let then = (at, usage.of_required());
        let holds = |role: &ContentId| self.holds(index, &visa.subject, role, then, deeper);
        let outcome = requirement.evaluate(&|role| holds(role).0);
        if outcome != Outcome::Passed {
            for role in requirement.roles() {
                let (outcome, reason) = holds(role);
                if outcome != Outcome::Passed {
                    reasons.push(reason);
                }
            }
        }
        let why = reasons.join("; ");
        Some(match outcome {
            Outcome::Passed => {
                let sentence = format!("{} holds what the role requires", visa.subject);
                Check::passed(name, codes::PRECONDITIONS_MET, sentence)
            }
            Outcome::Failed => Check::failed(name, codes::PRECONDITIONS_UNMET, why),
            Outcome::Indeterminate => Check::indeterminate(name, codes::PRECONDITIONS_UNKNOWN, why),
        })
    }

    /// Whether somebody holds a role at a time, by the best of the visas at hand on which the one at
    /// `index` may rest.
    fn holds(
        &self,
        index: usize,
        subject: &Did,
        role: &ContentId,
        (at, usage): (UnixMillis, Use),
        depth: usize,
    ) -> (Outcome, String) {
        let (held, proves) = (usage == Use::Held, self.proves_revoker(index));
        let asked = (subject.clone(), role.clone(), at, depth, held, proves);
        if let Some(known) = self.held.borrow().get(&asked) {
            return known.clone();
        }
        let found = self.look_up(index, subject, role, (at, usage), depth);
        self.held.borrow_mut().insert(asked, found.clone());
        found
    }

    fn look_up(
        &self,
        asking: usize,
        subject: &Did,
        role: &ContentId,
        (at, usage): (UnixMillis, Use),
        depth: usize,
    ) -> (Outcome, String) {
        let name = self.evidence.trust.definition(role).map(|r| r.definition.name.to_string());
        let name = name.unwrap_or_else(|| role.to_string());
        let mut best = (Outcome::Indeterminate, format!("no visa for {name} is shown"));
        let mut any = false;
        for index in 0..self.nodes.len() {
            let Some((node, visa)) = self.visa(index) else { continue };
            let meant = &visa.subject == subject && &visa.definition == role;
            if !meant || !self.may_rest(asking, index) {
                continue;
            }
            let chain =
                self.best.get(index).and_then(Best::link).map_or(Outcome::Failed, |(o, _)| o);
            let standing = self.standing(index, at, usage, depth);
            let outcome = worse(worse(node.outcome, chain), signature::outcome(&standing));
            let reason = standing
                .iter()
                .find(|c| c.outcome != Outcome::Passed)
                .map_or_else(|| "it does not hold by itself".to_owned(), |c| c.sentence.clone());
            let found = (outcome, format!("the visa for {name}: {reason}"));
            if outcome == Outcome::Passed {
                return found;
            }
            if !any || (outcome == Outcome::Indeterminate && best.0 == Outcome::Failed) {
                best = found;
            }
            any = true;
        }
        best
    }

    /// The verdict on one visa.
    pub(super) fn verdict(&self, index: usize, node: &Node<'_>, presented: bool) -> Verdict {
        let mut checks = node.checks.clone();
        if node.visa.is_some() {
            checks.extend(self.issuer_checks(index));
        }
        if presented {
            checks.extend(self.standing(index, self.now, Use::Held, MAX_PRECONDITIONS));
        }
        let outcome = signature::outcome(&checks);
        let (code, sentence) = deciding(&checks);
        Verdict {
            evidence: node.evidence.clone(),
            presented,
            proves_revoker: node.proves_revoker,
            outcome,
            code,
            sentence,
            visa: node.visa.clone(),
            issued: node.visa.as_ref().map(|_| node.issued),
            path: self.path(index),
            authorities: self.authorities_of(index),
            rests_on: presented.then(|| self.reliance(index)),
            checks,
        }
    }

    /// Every visa of the issuer that authorises it, as far as the chain allows.
    fn authorities_of(&self, index: usize) -> Vec<ContentId> {
        let Some((node, visa)) = self.visa(index) else { return Vec::new() };
        let Some(role) = node.role else { return Vec::new() };
        let definition = &role.definition;
        let usage = Use::Issuing(definition.issuer_revocation);
        // One that is shown and carried is one.
        let mut told = BTreeSet::new();
        self.authorities(index, visa, &definition.issuers.roles)
            .filter(|i| {
                self.complete(*i, Outcome::Passed)
                    .is_some_and(|l| l.depth.saturating_add(1) <= definition.max_chain_depth)
                    && self.stands(*i, node.issued, usage) == Outcome::Passed
            })
            .filter_map(|i| Some(self.nodes.get(i)?.evidence.clone()))
            .filter(|evidence| told.insert(evidence.clone()))
            .collect()
    }

    fn path(&self, index: usize) -> Vec<Step> {
        let mut path = Vec::new();
        let mut next = Some(index);
        while let Some((node, visa)) = next.and_then(|i| self.visa(i))
            && path.len() <= usize::from(MAX_CHAIN_DEPTH)
        {
            path.push(Step { evidence: node.evidence.clone(), issuer: visa.issuer.clone() });
            next = next
                .and_then(|i| self.best.get(i))
                .and_then(Best::link)
                .and_then(|(_, link)| link.parent);
        }
        path
    }
}

fn worse(a: Outcome, b: Outcome) -> Outcome {
    match (a, b) {
        (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
        (Outcome::Indeterminate, _) | (_, Outcome::Indeterminate) => Outcome::Indeterminate,
        (Outcome::Passed, Outcome::Passed) => Outcome::Passed,
    }
}

fn deciding(checks: &[Check]) -> (Code, String) {
    let first = |o: Outcome| checks.iter().find(|c| c.outcome == o);
    first(Outcome::Failed).or_else(|| first(Outcome::Indeterminate)).map_or_else(
        || (codes::VISA_IN_FORCE, "every check passed".to_owned()),
        |c| (c.code, c.sentence.clone()),
    )
}
