//! Who speaks: the key that signed, the node that it belongs to, and the sender's presentation.

use super::failures::{Found, Times};
use super::{Checked, Checker, Effect, Known, Missing, Verdict};
use crate::codes;
use crate::envelope::{Envelope, Header};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{
    AuthorisationExpectation, AuthorisationReport, Evidence, Expectation, VisaReport,
    verify_authorisation, verify_presentation,
};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::{Did, DidUrl};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::PublicKey;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::{Source as DocumentSource, TimeBasis};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::admission::AdmissionSource;
use gridpass_policy::cache::AdmissionKey;
use gridpass_policy::channel::ChannelDescriptor;
use gridpass_policy::facts::{Admission, CheckFacts};
use gridpass_policy::policy::{Admitted, Policy};
use std::collections::BTreeSet;

/// Who speaks or asks in a channel, and by which documents.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'s> {
    /// The channel's descriptor.
    pub channel: &'s ContentId,
    /// The participant.
    pub participant: &'s Did,
    /// The node that acts for it, and its authorisation.
    pub node: Option<(&'s Did, &'s ContentId)>,
    /// The presentation for this channel.
    pub presentation: &'s ContentId,
}

impl<'s> Speaker<'s> {
    /// The sender of an envelope.
    #[must_use]
    pub fn of(header: &'s Header) -> Self {
        Self {
            channel: &header.channel,
            participant: &header.sender,
            node: header.node().zip(header.authorisation.as_ref()),
            presentation: &header.presentation,
        }
    }

    pub(super) fn key(&self) -> AdmissionKey {
        AdmissionKey {
            authorisation: self.node.map(|(_, authorisation)| authorisation.clone()),
            channel: self.channel.clone(),
            sender: self.participant.clone(),
            presentation: Some(self.presentation.clone()),
            node: self.node.map(|(node, _)| node.clone()),
        }
    }
}

pub(super) fn wait(
    missing: Missing,
    code: gridpass_identity::code::Code,
    sentence: String,
) -> Box<Checked> {
    let mut checked = Checked::new(Verdict::Wait, code, sentence);
    checked.effects.push(Effect::Ask(missing));
    Box::new(checked)
}

/// What presentation and authorisation of a speaker say, and the facts that follow.
pub(crate) struct Established {
    pub(crate) admission: Admission,
    pub(crate) report: VisaReport,
    pub(crate) node: Option<AuthorisationReport>,
}

/// Establishes the facts about a speaker in a channel, judged for a time, by what is known now.
pub(crate) fn establish(
    speaker: &Speaker<'_>,
    (presentation, authorisation): (&[u8], Option<&[u8]>),
    policy: &Policy,
    evidence: &Evidence<'_>,
    (at, now): (UnixMillis, UnixMillis),
    memo: &mut SignatureMemo,
) -> Established {
    let descriptor = policy.descriptor();
    let expect = Expectation {
        now: at,
        clock: now,
        audience: Some(speaker.channel.as_str()),
        nonce: None,
        presenter: Some(speaker.participant),
    };
    let report = verify_presentation(presentation, evidence, &expect, memo);
    let node = authorisation
        .and_then(|a| establish_node(speaker, a, descriptor, evidence, (at, now), memo));
    let admission = Admission::of_report(&AdmissionSource {
        channel: (policy.id(), descriptor),
        sender: speaker.participant,
        report: &report,
        clock: now,
        trust: evidence.trust,
        node: speaker.node.map(|(node, _)| node).zip(node.as_ref()),
    });
    Established { admission, report, node }
}

/// What the authorisation of a speaker's node says, judged for a time, by what is known now.
fn establish_node(
    speaker: &Speaker<'_>,
    authorisation: &[u8],
    descriptor: &ChannelDescriptor,
    evidence: &Evidence<'_>,
    (at, now): (UnixMillis, UnixMillis),
    memo: &mut SignatureMemo,
) -> Option<AuthorisationReport> {
    let (node, _) = speaker.node?;
    let expect = AuthorisationExpectation {
        now: at,
        clock: now,
        principal: speaker.participant,
        node,
        purpose: NodePurpose::Messages,
        channel: Some(speaker.channel),
        max_status_age_seconds: descriptor.max_status_age_seconds,
    };
    Some(verify_authorisation(authorisation, evidence, &expect, memo))
}

/// The fact that a message carries the signature that its header names.
pub(crate) fn signature_facts(header: &Header) -> CheckFacts {
    let sentence = format!("signed with {}", header.key);
    CheckFacts::new(Outcome::Passed, identity_codes::SIGNATURE_VALID, sentence)
}

impl Checker {
    /// The signature by the key that the header names. A signature that does not fit is at fault
    /// whoever looks; a key that cannot be resolved here is not. By whom the caller knows it to be
    /// signed need not be found out.
    pub(super) fn check_signature(
        &mut self,
        envelope: &Envelope,
        signed_by: Option<&PublicKey>,
        known: &dyn Known,
        at: UnixMillis,
    ) -> Result<CheckFacts, Box<Checked>> {
        let header = envelope.header();
        let (key, proves_itself) = self.key_of(&header.key, known, at)?;
        let verified = match signed_by == Some(&key) {
            true => Ok(()),
            false => self.keys.verify(&header.key, &key, envelope),
        };
        match verified {
            Ok(()) => Ok(signature_facts(header)),
            Err(e) => {
                // By the key that the DID itself says, everybody sees it; by one that is known from
                // elsewhere, only whoever knows the same.
                let verdict = if proves_itself { Verdict::Fault } else { Verdict::Ignore };
                let code = identity_codes::SIGNATURE_INVALID;
                Err(Box::new(Checked::new(verdict, code, e.to_string())))
            }
        }
    }

    /// Whether the key that an envelope names signed it: of one that was put aside before that was looked at.
    pub(crate) fn is_signed(
        &mut self,
        envelope: &Envelope,
        known: &dyn Known,
        at: UnixMillis,
    ) -> bool {
        self.check_signature(envelope, None, known, at).is_ok()
    }

    /// The key that a header names, and whether the DID itself says so. What is known of other DIDs
    /// differs from peer to peer: nobody is at fault for it.
    fn key_of(
        &mut self,
        url: &DidUrl,
        known: &dyn Known,
        at: UnixMillis,
    ) -> Result<(PublicKey, bool), Box<Checked>> {
        if let Some(key) = self.keys.get(url) {
            return Ok((key, true));
        }
        let missing = || Missing::Did(url.did().clone());
        let resolution = match known.evidence().resolver.resolve(url.did()) {
            Ok(resolution) => resolution,
            Err(e) if e.is_missing_evidence() => {
                return Err(wait(missing(), e.code(), e.to_string()));
            }
            Err(e) => {
                return Err(Box::new(Checked::new(Verdict::Ignore, e.code(), e.to_string())));
            }
        };
        let proves_itself = resolution.source == DocumentSource::SelfCertifying;
        let purpose = Relationship::CapabilityInvocation;
        let (check, key) = resolution.key_at(url, purpose, at, TimeBasis::Claimed);
        match key.filter(|_| check.outcome == Outcome::Passed) {
            Some(key) => {
                if proves_itself {
                    self.keys.insert(url, &key);
                }
                Ok((key, proves_itself))
            }
            // It may be listed in a state of the DID that has not come.
            None if !proves_itself && check.code == identity_codes::KEY_NOT_LISTED => {
                Err(wait(missing(), check.code, check.sentence))
            }
            None => Err(Box::new(Checked::new(Verdict::Ignore, check.code, check.sentence))),
        }
    }

    /// The facts about the sender, judged for a time, by what is known now.
    pub(super) fn admit(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        at: UnixMillis,
        now: UnixMillis,
    ) -> Result<Admitted, Box<Checked>> {
        if let Some(failed) = self.failures.get(speaker, at, now)
            && let Some(channel) = self.channels.get(speaker.channel)
        {
            return Ok(channel.policy.admit(failed));
        }
        let document = |id: &ContentId, code, what: &str| {
            known.document(id).ok_or_else(|| {
                let sentence = format!("{what} {id} has not arrived");
                wait(Missing::Document(id.clone()), code, sentence)
            })
        };
        let presentation =
            document(speaker.presentation, codes::PRESENTATION_MISSING, "the presentation")?;
        let authorisation = match speaker.node {
            None => None,
            Some((_, id)) => Some(document(id, codes::AUTHORISATION_MISSING, "the authorisation")?),
        };
        let Some(channel) = self.channels.get(speaker.channel) else {
            let left = Checked::new(Verdict::Ignore, codes::CHANNEL_UNKNOWN, "left meanwhile");
            return Err(Box::new(left));
        };
        let evidence = known.evidence();
        let descriptor = channel.policy.descriptor();
        let skew = descriptor.clock_skew_seconds.saturating_mul(1000);
        let times = Times { at, now, skew };
        let node = authorisation.as_deref().and_then(|a| {
            establish_node(speaker, a, descriptor, &evidence, (at, now), &mut self.memo)
        });
        let none = node.and_then(|n| self.failures.node_is_none(speaker, &n, &evidence, &times));
        if let Some(failed) = none {
            return Ok(channel.policy.admit(failed));
        }
        let documents = (presentation.as_slice(), authorisation.as_deref());
        let found =
            establish(speaker, documents, &channel.policy, &evidence, (at, now), &mut self.memo);
        self.verified = self.verified.saturating_add(1);
        let (report, node) = (&found.report, found.node.as_ref());
        if found.admission.has_failed() {
            let failed = Found { admission: &found.admission, report, node };
            self.failures.note(speaker, &failed, evidence.resolver, &times);
        }
        let admitted = channel.policy.admit(found.admission);
        self.note_what_is_needed(report, node, speaker, &evidence);
        Ok(admitted)
    }

    /// Notes which status lists count for what holds beside, and of whom too little is known.
    fn note_what_is_needed(
        &mut self,
        report: &VisaReport,
        node: Option<&AuthorisationReport>,
        speaker: &Speaker<'_>,
        evidence: &Evidence<'_>,
    ) {
        /// The most that are noted before somebody asks.
        const MOST: usize = 64;
        let outdated =
            |checks: &[Check]| checks.iter().any(|c| c.code == identity_codes::KEY_NOT_LISTED);
        let missing =
            |did: &Did| evidence.resolver.resolve(did).is_err_and(|e| e.is_missing_evidence());
        let mut unknown = BTreeSet::new();
        if outdated(&report.checks) || node.is_some_and(|n| outdated(&n.report.checks)) {
            unknown.insert(speaker.participant.clone());
        }
        let mut genuine = false;
        for verdict in &report.visas {
            let Some(visa) = &verdict.visa else { continue };
            if outdated(&verdict.checks) || missing(&visa.issuer) {
                unknown.insert(visa.issuer.clone());
            }
            if !verdict.holds_but_for_status() {
                continue;
            }
            genuine = true;
            let revokers = evidence.trust.definition(&visa.definition);
            let revokers = revokers.and_then(|r| r.definition.revokers.as_ref());
            // Anybody can show a visa for the role that nobody could give it.
            let holders = report
                .visas
                .iter()
                .filter(|v| v.holds_but_for_status())
                .filter_map(|v| v.visa.as_ref())
                .filter(|v| revokers.is_some_and(|r| r.roles.contains(&v.definition)));
            let signers: BTreeSet<&Did> = std::iter::once(&visa.issuer)
                .chain(revokers.iter().flat_map(|r| &r.dids))
                .chain(holders.map(|v| &v.subject))
                .collect();
            for entry in &visa.status {
                for signer in &signers {
                    self.want_list(speaker.channel, &entry.list, signer);
                }
            }
        }
        // Of somebody who holds a genuine visa, its own list too: its nodes' authorisations name it.
        if let Some(own) = node.and_then(|n| n.authorisation.as_ref()).filter(|_| genuine) {
            self.want_list(speaker.channel, &own.status.list, &own.principal);
        }
        self.unknown.extend(unknown.into_iter().take(MOST.saturating_sub(self.unknown.len())));
    }
}
