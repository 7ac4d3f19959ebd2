//! Why an issuer may, may not, or may perhaps have issued a visa: the chain put into words.

use super::chain::{Best, Chains, Link, MAX_PRECONDITIONS};
use super::right::Right;
use super::standing::Use;
use crate::codes;
use crate::content_id::ContentId;
use crate::role::MAX_CHAIN_DEPTH;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::{Check, Outcome};
use std::collections::BTreeSet;

impl Chains<'_> {
    /// Why the issuer may, may not, or may perhaps have issued it.
    pub(super) fn issuer_checks(&self, index: usize) -> Vec<Check> {
        let name = "issuer";
        let Some((node, visa)) = self.visa(index) else {
            return Vec::new();
        };
        let Some(role) = node.role else {
            // The check of the definition says it already.
            return Vec::new();
        };
        let definition = &role.definition;
        let usage = Use::Issuing(definition.issuer_revocation);
        match self.best.get(index).and_then(Best::link) {
            Some((_, Link { parent: Some(parent), .. })) => {
                let mut checks = self.standing(parent, node.issued, usage, MAX_PRECONDITIONS);
                // What is in order needs no line here; what is not, or is worth knowing, does.
                checks.retain(|c| {
                    c.outcome != Outcome::Passed || c.code == codes::ISSUER_REVOKED_SINCE
                });
                if let Some((parent_node, held)) = self.visa(parent)
                    && parent_node.outcome != Outcome::Failed
                {
                    let (outcome, sentence) = (
                        self.complete(parent, Outcome::Passed)
                            // A whole chain that is too long is none: the link that counts is the
                            // one that the walk took.
                            .filter(|link| link.depth < definition.max_chain_depth),
                        format!(
                            "issued by {}, who held {} by visa {}",
                            visa.issuer, held.role, parent_node.evidence
                        ),
                    );
                    checks.push(match outcome {
                        Some(_) => Check::passed(name, codes::CHAIN_DELEGATED, sentence),
                        None => {
                            let (code, why) = self.weakness(parent);
                            Check::indeterminate(
                                name,
                                code,
                                format!("{sentence}, which cannot be decided: {why}"),
                            )
                        }
                    });
                }
                checks
            }
            // Only by a root nothing stands between: what is open here is a link that is not shown.
            Some((Outcome::Passed, Link { parent: None, .. })) => {
                vec![self.root_check(node, visa, definition.issuer_revocation)]
            }
            Some((_, Link { parent: None, .. })) => {
                let mut sentence =
                    format!("what authorises {} to issue {} is not shown", visa.issuer, visa.role);
                if definition.issuers.dids.contains(&visa.issuer) {
                    let check = self.root_check(node, visa, definition.issuer_revocation);
                    sentence = format!("{sentence}, and by the charter here {}", check.sentence);
                }
                vec![Check::indeterminate(name, codes::CHAIN_LINK_MISSING, sentence)]
            }
            None => {
                let (code, sentence) = self.refusal(index, MAX_CHAIN_DEPTH);
                vec![Check::failed(name, code, sentence)]
            }
        }
    }

    /// The first thing that is not in order with a visa whose chain cannot be decided.
    fn weakness(&self, index: usize) -> (Code, String) {
        let Some((node, _)) = self.visa(index) else {
            return (codes::CHAIN_LINK_MISSING, "it cannot be read".into());
        };
        let own = node.checks.iter().find(|c| c.outcome != Outcome::Passed);
        own.map_or_else(
            || {
                (
                    codes::CHAIN_LINK_MISSING,
                    "a link further up is not shown, or cannot be decided".to_owned(),
                )
            },
            |c| (c.code, c.sentence.clone()),
        )
    }

    /// What leaves it open whether somebody may revoke by a role: the first of its own visas, or of those on the
    /// way to a root, that is open.
    pub(super) fn why_open(&self, (did, role): &(Did, ContentId)) -> String {
        let is_it = |index: &usize| {
            let visa = self.visa(*index).map(|(_, visa)| visa);
            visa.is_some_and(|v| &v.subject == did && &v.definition == role)
        };
        let own = (0..self.nodes.len()).filter(is_it);
        let mut level: Vec<_> = own.map(|index| (index, self.now, Use::Held)).collect();
        let mut seen = BTreeSet::new();
        while !level.is_empty() {
            let mut above = Vec::new();
            for (index, at, usage) in level {
                let Some((node, visa)) = self.visa(index).filter(|_| seen.insert(index)) else {
                    continue;
                };
                let standing = self.standing(index, at, usage, MAX_PRECONDITIONS);
                let checks = || node.checks.iter().chain(&standing);
                // Who brings what one lacks that is bad in any case wins nothing.
                if checks().any(|c| self.right(index, c) == Right::Refuted) {
                    continue;
                }
                if let Some(open) = checks().find(|c| self.right(index, c) == Right::Open) {
                    return open.sentence.clone();
                }
                let Some(role) = node.role else { continue };
                let usage = Use::Issuing(role.definition.issuer_revocation);
                let authorities = self.authorities(index, visa, &role.definition.issuers.roles);
                above.extend(authorities.map(|authority| (authority, node.issued, usage)));
            }
            level = above;
        }
        "what shows it is not at hand".to_owned()
    }

    /// The root cause of a chain that does not hold.
    fn refusal(&self, index: usize, depth: u8) -> (Code, String) {
        let Some((node, visa)) = self.visa(index) else {
            return (codes::ISSUER_NOT_ALLOWED, "it cannot be read".into());
        };
        let Some(role) = node.role else {
            return (codes::DEFINITION_MISSING, "its definition is not at hand".into());
        };
        let definition = &role.definition;
        if definition.issuers.dids.contains(&visa.issuer) {
            let check = self.root_check(node, visa, definition.issuer_revocation);
            return (check.code, check.sentence);
        }
        let usage = Use::Issuing(definition.issuer_revocation);
        let mut reason = None;
        for authority in self.authorities(index, visa, &definition.issuers.roles) {
            let whole = [Outcome::Passed, Outcome::Indeterminate]
                .into_iter()
                .find_map(|level| self.complete(authority, level));
            if let Some(link) = whole {
                if link.depth >= definition.max_chain_depth {
                    let most = definition.max_chain_depth;
                    let sentence = format!(
                        "{} issuers stand between it and a root, and at most {most} may",
                        link.depth.saturating_add(1)
                    );
                    return (codes::CHAIN_TOO_DEEP, sentence);
                }
                let standing = self.standing(authority, node.issued, usage, MAX_PRECONDITIONS);
                let failed = standing.into_iter().find(|c| c.outcome == Outcome::Failed);
                if let Some(check) = failed {
                    let sentence = format!("the authority of {}: {}", visa.issuer, check.sentence);
                    return (check.code, sentence);
                }
            }
            if reason.is_none() {
                let own = self.visa(authority).and_then(|(n, _)| {
                    let failed = n.checks.iter().find(|c| c.outcome == Outcome::Failed)?;
                    Some((failed.code, failed.sentence.clone()))
                });
                let (code, why) = match (own, depth.checked_sub(1)) {
                    (Some(own), _) => own,
                    (None, Some(depth)) => self.refusal(authority, depth),
                    (None, None) => (codes::CHAIN_TOO_DEEP, "the chain is too deep".into()),
                };
                reason =
                    Some((code, format!("the authority of {} does not hold: {why}", visa.issuer)));
            }
        }
        reason.unwrap_or_else(|| {
            if !definition.issuers.roles.is_empty() && self.is_cycle(index, visa) {
                let sentence = format!(
                    "{} and its issuers authorise each other, and no root them",
                    visa.issuer
                );
                return (codes::CHAIN_CYCLE, sentence);
            }
            let sentence = format!("{} may not issue {}", visa.issuer, visa.role);
            (codes::ISSUER_NOT_ALLOWED, sentence)
        })
    }
}
