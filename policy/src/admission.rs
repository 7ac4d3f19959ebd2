//! From verified evidence to the facts of an admission: what counts, until when, and what would end
//! it. Only what the verifier itself relied on goes in; lists that it refused do not.

use crate::channel::ChannelDescriptor;
use crate::facts::{
    Admission, CheckFacts, FORMAT_VERSION, Finding, ListFacts, NodeFacts, RestsOn, StepFacts, TYPE,
    TrustFacts, VisaFacts,
};
use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{AuthorisationReport, ListRead, Verdict, VisaReport};
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use std::collections::BTreeSet;

/// From what an admission is made.
#[derive(Clone, Copy)]
pub struct AdmissionSource<'s> {
    /// The channel's descriptor, and its name.
    pub channel: (&'s ContentId, &'s ChannelDescriptor),
    /// The sender, as the envelope names it.
    pub sender: &'s Did,
    /// The report on its presentation, which was made for this channel.
    pub report: &'s VisaReport,
    /// The time that it is, where the report is about an earlier one: lists must be fresh now.
    pub clock: UnixMillis,
    /// The trust pack that the report was made with.
    pub trust: &'s Trust,
    /// The authorisation of the node that signs.
    pub node: Option<(&'s Did, &'s AuthorisationReport)>,
}

impl Admission {
    /// Takes the facts from verified evidence.
    #[must_use]
    pub fn of_report(source: &AdmissionSource<'_>) -> Self {
        let (channel, descriptor) = source.channel;
        let report = source.report;
        let mut ends = Ends::new(report.at);
        // Nothing is believed for longer than the channel lets a status be old.
        ends.add(report.at.plus_millis(millis(descriptor.max_status_age_seconds)));
        ends.extend(report.presentation_expires);
        let presented = || report.visas.iter().filter(|v| v.presented);
        let mut read: BTreeSet<&ListRead> = BTreeSet::new();
        for reliance in presented().filter_map(|v| v.rests_on.as_ref()) {
            ends.extend(reliance.until);
            read.extend(&reliance.lists);
        }
        if let Some((_, found)) = source.node {
            ends.extend(found.rests_on.until);
            read.extend(&found.rests_on.lists);
        }
        let age = millis(descriptor.max_status_age_seconds).saturating_add(1);
        for list in read.iter().filter(|l| l.decides) {
            ends.add(list.dated.plus_millis(age));
        }
        let mut visas: Vec<VisaFacts> = presented().filter_map(|v| visa_facts(v, source)).collect();
        visas.sort_by(|a, b| a.evidence.cmp(&b.evidence));
        visas.dedup_by(|a, b| a.evidence == b.evidence);
        let mut lists: Vec<ListFacts> = read.iter().map(|l| list_facts(l)).collect();
        lists.sort();
        lists.dedup();
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            channel: channel.clone(),
            sender: source.sender.clone(),
            presentation: report.evidence.clone(),
            trust: TrustFacts {
                framework: framework(source.trust),
                pack: report.trust.pack.clone(),
                charter: report.trust.charter.clone(),
            },
            judged: report.at,
            expires: ends.earliest(),
            standing: standing(source),
            visas,
            node: source.node.map(|(node, found)| node_facts(node, found)),
            lists,
            rests_on: rests_on(source, &read),
        }
    }
}

impl Admission {
    /// The facts about a sender whose node's authorisation does not hold, where nothing else was looked
    /// at: nothing that it shows would count. `place` is the channel, the sender and its presentation.
    #[must_use]
    pub fn of_node(
        (channel, sender, presentation): (&ContentId, &Did, &ContentId),
        (node, found): (&Did, &AuthorisationReport),
        trust: &Trust,
        at: UnixMillis,
    ) -> Self {
        let node = node_facts(node, found);
        let sentence = "not looked at, since the authorisation of its node does not hold";
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            channel: channel.clone(),
            sender: sender.clone(),
            presentation: Some(presentation.clone()),
            trust: TrustFacts {
                framework: framework(trust),
                pack: trust.id().clone(),
                charter: trust.charter().id().clone(),
            },
            judged: at,
            expires: at.plus_millis(1000),
            standing: CheckFacts {
                outcome: Finding::Indeterminate,
                code: node.standing.code.clone(),
                sentence: sentence.into(),
            },
            visas: Vec::new(),
            node: Some(node),
            lists: Vec::new(),
            rests_on: RestsOn::default(),
        }
    }
}

/// The name of a trust pack's framework: its first charter.
fn framework(trust: &Trust) -> ContentId {
    trust.history().first().unwrap_or_else(|| trust.charter()).id().clone()
}

fn millis(seconds: u64) -> u64 {
    seconds.saturating_mul(1000)
}

/// The ends of what is relied on, those that are still to come.
struct Ends {
    now: UnixMillis,
    earliest: Option<UnixMillis>,
}

impl Ends {
    fn new(now: UnixMillis) -> Self {
        Self { now, earliest: None }
    }

    /// What has ended already ends nothing later: it was judged so.
    fn add(&mut self, end: UnixMillis) {
        if end > self.now {
            self.earliest = Some(self.earliest.map_or(end, |e| e.min(end)));
        }
    }

    fn extend(&mut self, end: Option<UnixMillis>) {
        if let Some(end) = end {
            self.add(end);
        }
    }

    fn earliest(self) -> UnixMillis {
        self.earliest.unwrap_or(self.now)
    }
}

fn standing(source: &AdmissionSource<'_>) -> CheckFacts {
    let report = source.report;
    if let Some(check) = report.checks.iter().find(|c| c.outcome != Outcome::Passed) {
        return CheckFacts::new(check.outcome, check.code, check.sentence.clone());
    }
    if report.presenter.as_ref() != Some(source.sender) {
        let sentence = format!("the presentation is not {}'s", source.sender);
        return CheckFacts::new(Outcome::Failed, codes::PRESENTER_OTHER, sentence);
    }
    CheckFacts::new(Outcome::Passed, report.code, "the presentation holds")
}

/// A node that signs always has facts: an authorisation that cannot be read is one that fails.
fn node_facts(node: &Did, found: &AuthorisationReport) -> NodeFacts {
    let standing = match found.report.deciding() {
        Some(check) => CheckFacts::new(found.report.outcome(), check.code, check.sentence.clone()),
        None => {
            let sentence = "its authorisation was not checked";
            CheckFacts::new(Outcome::Failed, codes::NODE_NOT_AUTHORISED, sentence)
        }
    };
    NodeFacts {
        node: node.clone(),
        standing,
        evidence: found.evidence.clone(),
        valid_until: found.authorisation.as_ref().map(|a| a.valid_until),
    }
}

fn list_facts(list: &ListRead) -> ListFacts {
    ListFacts {
        list: list.list.clone(),
        signer: list.signer.clone(),
        dated: list.dated,
        evidence: list.evidence.clone(),
    }
}

fn rests_on(source: &AdmissionSource<'_>, read: &BTreeSet<&ListRead>) -> RestsOn {
    let mut rests_on = RestsOn::default();
    rests_on.dids.insert(source.sender.clone());
    for visa in source.report.visas.iter().filter_map(|v| v.visa.as_ref()) {
        rests_on.status_lists.extend(visa.status.iter().map(|s| s.list.clone()));
        rests_on.definitions.insert(visa.definition.clone());
        rests_on.dids.insert(visa.issuer.clone());
        let role = source.trust.definition(&visa.definition);
        if let Some(revokers) = role.and_then(|r| r.definition.revokers.as_ref()) {
            rests_on.dids.extend(revokers.dids.iter().cloned());
            rests_on.revokers_by_role |= !revokers.roles.is_empty();
        }
    }
    rests_on.dids.extend(read.iter().map(|l| l.signer.clone()));
    if let Some((node, found)) = source.node {
        rests_on.dids.insert(node.clone());
        if let Some(authorisation) = &found.authorisation {
            rests_on.status_lists.insert(authorisation.status.list.clone());
        }
    }
    rests_on
}

fn visa_facts(verdict: &Verdict, source: &AdmissionSource<'_>) -> Option<VisaFacts> {
    let (report, channel) = (source.report, source.channel.1);
    let visa = verdict.visa.as_ref()?;
    let of_evidence = |id: &ContentId| report.visas.iter().find(|v| &v.evidence == id);
    let lists = verdict.rests_on.iter().flat_map(|r| &r.lists);
    let status_dated = lists.filter(|l| l.decides).map(|l| l.dated).min();
    let mut authorities: Vec<_> = verdict
        .authorities
        .iter()
        .filter_map(|id| Some(of_evidence(id)?.visa.as_ref()?.claims.clone()))
        .collect();
    authorities.dedup();
    let mut standing = CheckFacts::new(verdict.outcome, verdict.code, verdict.sentence.clone());
    let mut only_status_open = verdict.only_status_is_open();
    // The channel may ask for a fresher status than the role definition does.
    let age = channel.max_status_age_seconds;
    if let (Finding::Passed, Some(dated)) = (standing.outcome, status_dated)
        && source.clock.millis_since(dated) > millis(age)
    {
        let found = source.clock.millis_since(dated) / 1000;
        let sentence = format!(
            "the status of the visa for {} is {found} seconds old, and the channel allows {age}",
            visa.role
        );
        standing = CheckFacts::new(Outcome::Indeterminate, codes::STATUS_STALE, sentence);
        only_status_open = true;
    }
    Some(VisaFacts {
        evidence: verdict.evidence.clone(),
        role: visa.role.to_string(),
        definition: visa.definition.clone(),
        issuer: visa.issuer.clone(),
        standing,
        claims: visa.claims.clone(),
        authorities,
        valid_until: visa.valid_until,
        only_status_open,
        status_dated,
        path: verdict.path.iter().map(StepFacts::from).collect(),
    })
}
