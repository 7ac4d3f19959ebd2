//! One verification on its way: what it may rely on, and what it found so far.

use super::chain::Chains;
use super::node::Node;
use super::report::whole;
use super::standing::Lists;
use super::{Age, Evidence, Expectation, REPORT_VERSION, TrustSummary, Verdict, VisaReport};
use crate::content_id::ContentId;
use crate::secured::Secured;
use crate::signature::{self, Asked, OnceResolver, SignatureMemo};
use gridpass_identity::did::Did;
use gridpass_identity::report::Check;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

/// One verification on its way.
pub(super) struct Run<'r> {
    pub(super) evidence: &'r Evidence<'r>,
    pub(super) expect: &'r Expectation<'r>,
    pub(super) memo: &'r mut SignatureMemo,
    pub(super) resolver: OnceResolver<'r>,
    /// Visas that were given to prove who may revoke.
    pub(super) proofs: &'r [Vec<u8>],
    pub(super) presentation: Option<ContentId>,
    pub(super) presenter: Option<Did>,
    pub(super) presentation_expires: Option<UnixMillis>,
    pub(super) checks: Vec<Check>,
    pub(super) ages: Vec<Age>,
}

impl<'r> Run<'r> {
    pub(super) fn new(
        evidence: &'r Evidence<'r>,
        expect: &'r Expectation<'r>,
        memo: &'r mut SignatureMemo,
    ) -> Self {
        let charter = evidence.trust.charter().charter();
        let age = |what: String, since: UnixMillis| Age {
            what,
            age_seconds: expect.now.millis_since(since) / 1000,
        };
        let ages = vec![age(format!("charter, version {}", charter.version), charter.dated)];
        let (presentation, presenter, presentation_expires) = (None, None, None);
        let checks = Vec::new();
        let resolver = OnceResolver::new(evidence.resolver);
        Self {
            evidence,
            expect,
            memo,
            resolver,
            proofs: &[],
            presentation,
            presenter,
            presentation_expires,
            checks,
            ages,
        }
    }

    /// A signature, noting how old the signer's document is.
    pub(super) fn signature(&mut self, secured: &Secured, asked: &Asked<'_>) -> signature::Found {
        let found = signature::check(secured, asked, &self.resolver, self.memo);
        if let Some(millis) = found.age_millis {
            let what = format!("document of {}", asked.speaker);
            self.ages.push(Age { what, age_seconds: millis / 1000 });
        }
        found
    }

    pub(super) fn finish(mut self, nodes: Vec<Node<'r>>, presented: &[usize]) -> VisaReport {
        let nodes = self.with_proofs(nodes);
        let lists = Lists::verify(&nodes, &mut self);
        let lists_clock = lists.clock;
        let chains = Chains::find(&nodes, lists, self.evidence, self.expect.now);
        // Of one that is shown and carried, what is said of the shown one is told.
        let shown: BTreeSet<&ContentId> =
            nodes.iter().filter(|n| !n.proves_revoker).map(|n| &n.evidence).collect();
        let visas: Vec<Verdict> = nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| !node.proves_revoker || !shown.contains(&node.evidence))
            .map(|(i, node)| chains.verdict(i, node, presented.contains(&i)))
            .collect();
        let charter = self.evidence.trust.charter();
        let trust = TrustSummary {
            pack: self.evidence.trust.id().clone(),
            charter: charter.id().clone(),
            name: charter.charter().name.clone(),
            version: charter.charter().version,
            dated: charter.charter().dated,
        };
        let (outcome, code, sentence) = whole(&self.checks, &visas, self.expect.now);
        self.ages.sort();
        self.ages.dedup();
        VisaReport {
            format_version: REPORT_VERSION,
            outcome,
            code,
            sentence,
            at: self.expect.now,
            clock: Some(lists_clock).filter(|clock| *clock != self.expect.now),
            clock_given: false,
            trust,
            evidence: self.presentation,
            presenter: self.presenter,
            presentation_expires: self.presentation_expires,
            checks: self.checks,
            visas,
            ages: self.ages,
        }
    }
}
