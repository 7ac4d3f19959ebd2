//! Facts: what was established about a sender and a message before anything is decided. Recorded as
//! they are, so that a decision can be made again from them.

use crate::channel::ChannelDescriptor;
use crate::odrl::Action;
use gridpass_credentials::content_id::{ContentId, ContentIdError};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{AuthorisationReport, Step, Verdict, VisaReport};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the member `type` of an admission says.
pub const TYPE: &str = "gridpass-admission";
/// The version of the format.
pub const FORMAT_VERSION: u32 = 1;

/// How a check came out, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finding {
    /// The evidence shows that it holds.
    Passed,
    /// The evidence shows that it does not hold.
    Failed,
    /// The evidence does not suffice to say.
    Indeterminate,
}

impl From<Outcome> for Finding {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Passed,
            Outcome::Failed => Self::Failed,
            Outcome::Indeterminate => Self::Indeterminate,
        }
    }
}

/// A check, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckFacts {
    /// How it came out.
    pub outcome: Finding,
    /// The reason's code.
    pub code: String,
    /// The reason as a sentence.
    pub sentence: String,
}

impl CheckFacts {
    /// Of a check.
    #[must_use]
    pub fn new(outcome: Outcome, code: Code, sentence: impl Into<String>) -> Self {
        Self { outcome: outcome.into(), code: code.id().into(), sentence: sentence.into() }
    }
}

/// A step from a visa towards the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFacts {
    /// The visa.
    pub evidence: ContentId,
    /// Who issued it.
    pub issuer: Did,
}

impl From<&Step> for StepFacts {
    fn from(step: &Step) -> Self {
        Self { evidence: step.evidence.clone(), issuer: step.issuer.clone() }
    }
}

/// What was established about one visa.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VisaFacts {
    /// The hash of the visa as it was shown.
    pub evidence: ContentId,
    /// The role's name.
    pub role: String,
    /// The role's definition.
    pub definition: ContentId,
    /// Who issued it.
    pub issuer: Did,
    /// How it stands.
    pub standing: CheckFacts,
    /// What it says of its holder.
    pub claims: Map<String, Value>,
    /// What the visa says by which its issuer was allowed to issue it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub authority: Map<String, Value>,
    /// Until when it is valid.
    pub valid_until: UnixMillis,
    /// The date of the oldest status list that its standing rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_dated: Option<UnixMillis>,
    /// From the visa to the root.
    pub path: Vec<StepFacts>,
}

/// A status list that was relied on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFacts {
    /// Its id.
    pub list: String,
    /// Who signed it.
    pub signer: Did,
    /// Its date.
    pub dated: UnixMillis,
    /// Its hash.
    pub evidence: ContentId,
}

/// What was established about the node that signs for the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NodeFacts {
    /// The node.
    pub node: Did,
    /// How its authorisation stands.
    pub standing: CheckFacts,
    /// The authorisation.
    pub evidence: ContentId,
    /// Until when it is valid.
    pub valid_until: UnixMillis,
}

/// What a change would have to touch for the facts to change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RestsOn {
    /// The status lists that any visa of the presentation names, at hand or not.
    pub status_lists: BTreeSet<String>,
    /// The definitions of all of them.
    pub definitions: BTreeSet<ContentId>,
    /// Their issuers.
    pub issuers: BTreeSet<Did>,
}

/// Which trust it was judged by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFacts {
    /// The trust pack.
    pub pack: ContentId,
    /// Its newest charter.
    pub charter: ContentId,
}

/// What was established about a sender in a channel, from one presentation. It counts until
/// `expires`, and no longer than the lists and the charter that it rests on are the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Admission {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The channel's descriptor.
    pub channel: ContentId,
    /// The sender.
    pub sender: Did,
    /// Its presentation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presentation: Option<ContentId>,
    /// The trust pack that it was judged by.
    pub trust: TrustFacts,
    /// When it was judged.
    pub judged: UnixMillis,
    /// Until when it counts: the earliest end of any visa, status or authorisation.
    pub expires: UnixMillis,
    /// How the presentation itself stands.
    pub standing: CheckFacts,
    /// The visas that were shown, ordered by their hash.
    pub visas: Vec<VisaFacts>,
    /// The node's authorisation, where a node signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeFacts>,
    /// The status lists that were read.
    pub lists: Vec<ListFacts>,
    /// What it rests on, read or not.
    pub rests_on: RestsOn,
}

/// From what an admission is made.
#[derive(Clone, Copy)]
pub struct AdmissionSource<'s> {
    /// The channel's descriptor, and its name.
    pub channel: (&'s ContentId, &'s ChannelDescriptor),
    /// The sender, as the envelope names it.
    pub sender: &'s Did,
    /// The report on its presentation, which was made for this channel.
    pub report: &'s VisaReport,
    /// Until when the presentation counts.
    pub presentation_expires: Option<UnixMillis>,
    /// The trust pack that the report was made with.
    pub trust: &'s Trust,
    /// The status lists that the report was made with.
    pub lists: &'s [StatusList],
    /// The authorisation of the node that signs.
    pub node: Option<(&'s Did, &'s AuthorisationReport)>,
}

impl Admission {
    /// Takes the facts from verified evidence.
    #[must_use]
    pub fn of_report(source: &AdmissionSource<'_>) -> Self {
        let (channel, descriptor) = source.channel;
        let report = source.report;
        let mut standing = report.checks.iter().find(|c| c.outcome != Outcome::Passed).map_or_else(
            || CheckFacts::new(Outcome::Passed, report.code, "the presentation holds"),
            |c| CheckFacts::new(c.outcome, c.code, c.sentence.clone()),
        );
        if report.presenter.as_ref() != Some(source.sender) && standing.outcome == Finding::Passed {
            let sentence = format!("the presentation is not {}'s", source.sender);
            let code = gridpass_credentials::codes::PRESENTER_OTHER;
            standing = CheckFacts::new(Outcome::Failed, code, sentence);
        }
        let mut rests_on = RestsOn::default();
        for visa in report.visas.iter().filter_map(|v| v.visa.as_ref()) {
            rests_on.status_lists.extend(visa.status.iter().map(|s| s.list.clone()));
            rests_on.definitions.insert(visa.definition.clone());
            rests_on.issuers.insert(visa.issuer.clone());
        }
        let mut lists = BTreeMap::new();
        let mut visas: Vec<VisaFacts> = report
            .visas
            .iter()
            .filter(|v| v.presented)
            .filter_map(|v| visa_facts(v, source, &mut lists))
            .collect();
        visas.sort_by(|a, b| a.evidence.cmp(&b.evidence));
        visas.dedup_by(|a, b| a.evidence == b.evidence);
        let longest = descriptor.max_status_age_seconds.saturating_mul(1000);
        // Nothing is believed for longer than the channel lets a status be old.
        let mut ends = vec![report.at.plus_millis(longest)];
        ends.extend(source.presentation_expires);
        for visa in &visas {
            ends.push(visa.valid_until);
            let age = max_status_age(source.trust, &visa.definition, descriptor);
            ends.extend(visa.status_dated.map(|d| d.plus_millis(age.saturating_mul(1000))));
        }
        let node = source.node.and_then(|(node, found)| {
            let deciding = found.report.deciding()?;
            let authorisation = found.authorisation.as_ref()?;
            Some(NodeFacts {
                node: node.clone(),
                standing: CheckFacts::new(
                    found.report.outcome(),
                    deciding.code,
                    deciding.sentence.clone(),
                ),
                evidence: found.evidence.clone()?,
                valid_until: authorisation.valid_until,
            })
        });
        ends.extend(node.iter().map(|n| n.valid_until));
        // What has ended already ends nothing later: it is refused, and stays so.
        let expires = ends.into_iter().filter(|e| *e > report.at).min().unwrap_or(report.at);
        Self {
            document_type: TYPE.into(),
            format_version: FORMAT_VERSION,
            channel: channel.clone(),
            sender: source.sender.clone(),
            presentation: report.evidence.clone(),
            trust: TrustFacts {
                pack: report.trust.pack.clone(),
                charter: report.trust.charter.clone(),
            },
            judged: report.at,
            expires,
            standing,
            visas,
            node,
            lists: lists.into_values().collect(),
            rests_on,
        }
    }

    /// The name and the bytes (JCS) by which it is recorded.
    ///
    /// # Errors
    /// [`ContentIdError::NotJson`] if a claim has no canonical form.
    pub fn encode(&self) -> Result<(ContentId, Vec<u8>), ContentIdError> {
        ContentId::of_json(self)
    }

    /// The hash of everything that it rests on, sorted.
    #[must_use]
    pub fn evidence(&self) -> Vec<ContentId> {
        let mut all: Vec<_> = [&self.trust.pack, &self.trust.charter].into_iter().collect();
        all.extend(&self.presentation);
        all.extend(self.visas.iter().map(|v| &v.evidence));
        all.extend(self.visas.iter().flat_map(|v| &v.path).map(|s| &s.evidence));
        all.extend(self.node.iter().map(|n| &n.evidence));
        all.extend(self.lists.iter().map(|l| &l.evidence));
        all.sort();
        all.dedup();
        all.into_iter().cloned().collect()
    }
}

fn max_status_age(trust: &Trust, definition: &ContentId, channel: &ChannelDescriptor) -> u64 {
    trust.definition(definition).map_or(channel.max_status_age_seconds, |role| {
        role.definition.max_status_age_seconds.min(channel.max_status_age_seconds)
    })
}

fn visa_facts(
    verdict: &Verdict,
    source: &AdmissionSource<'_>,
    used: &mut BTreeMap<(String, Did), ListFacts>,
) -> Option<VisaFacts> {
    let visa = verdict.visa.as_ref()?;
    let of_evidence = |id: &ContentId| source.report.visas.iter().find(|v| &v.evidence == id);
    let mut status_dated = None;
    // The visa itself and the whole path: a list about any of them may change how it stands.
    let on_path = verdict.path.iter().filter_map(|s| of_evidence(&s.evidence)?.visa.as_ref());
    for (own, visa) in std::iter::once((true, visa)).chain(on_path.map(|v| (v == visa, v))) {
        for entry in &visa.status {
            for list in newest(source.lists, &entry.list) {
                let facts = ListFacts {
                    list: list.id.clone(),
                    signer: list.issuer.clone(),
                    dated: list.dated,
                    evidence: list.secured().id().clone(),
                };
                if own && list.issuer == visa.issuer {
                    let oldest = status_dated.map_or(list.dated, |d: UnixMillis| d.min(list.dated));
                    status_dated = Some(oldest);
                }
                used.insert((list.id.clone(), list.issuer.clone()), facts);
            }
        }
    }
    let authority = verdict
        .path
        .get(1)
        .and_then(|step| of_evidence(&step.evidence)?.visa.as_ref())
        .map(|v| v.claims.clone())
        .unwrap_or_default();
    let mut standing = CheckFacts::new(verdict.outcome, verdict.code, verdict.sentence.clone());
    // The channel may ask for a fresher status than the role definition does.
    let age = max_status_age(source.trust, &visa.definition, source.channel.1);
    if let (Finding::Passed, Some(dated)) = (standing.outcome, status_dated)
        && source.report.at.millis_since(dated) / 1000 > age
    {
        let found = source.report.at.millis_since(dated) / 1000;
        let sentence = format!(
            "the status of the visa for {} is {found} seconds old, and the channel allows {age}",
            visa.role
        );
        let code = gridpass_credentials::codes::STATUS_STALE;
        standing = CheckFacts::new(Outcome::Indeterminate, code, sentence);
    }
    Some(VisaFacts {
        evidence: verdict.evidence.clone(),
        role: visa.role.to_string(),
        definition: visa.definition.clone(),
        issuer: visa.issuer.clone(),
        standing,
        claims: visa.claims.clone(),
        authority,
        valid_until: visa.valid_until,
        status_dated,
        path: verdict.path.iter().map(StepFacts::from).collect(),
    })
}

/// The newest list of each signer under an id.
fn newest<'l>(lists: &'l [StatusList], id: &str) -> impl Iterator<Item = &'l StatusList> {
    let mut newest: BTreeMap<&Did, &StatusList> = BTreeMap::new();
    for list in lists.iter().filter(|l| l.id == id) {
        let held = newest.entry(&list.issuer).or_insert(list);
        if list.order() > held.order() {
            *held = list;
        }
    }
    newest.into_values()
}

/// What an envelope's header says, and what was found out about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MessageFacts {
    /// The envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// The topic.
    pub topic: String,
    /// Its version.
    pub version: u32,
    /// The schema that the header names.
    pub schema: ContentId,
    /// The media type that the header names.
    pub media_type: String,
    /// Whom it is addressed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<Did>,
    /// When it was made, as its sender says.
    pub issued: UnixMillis,
    /// Until when it counts.
    pub expires: UnixMillis,
    /// The size of the payload as it travels.
    pub payload_bytes: u64,
    /// Whether the payload is sealed.
    pub sealed: bool,
    /// The header's attributes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// How the envelope's signature stands.
    pub signature: CheckFacts,
    /// How the payload fits its schema; absent where it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<CheckFacts>,
    /// How many messages of the sender came in the minute before, where that is counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_last_minute: Option<u64>,
}

/// A use of data that was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UseFacts {
    /// What is to be done with it.
    pub action: Action,
    /// Which data: its IRI or CID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The duties that are undertaken, such as `attribute`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undertakes: Vec<String>,
}

/// What is to be decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// Whether the sender's message may pass.
    Publish(Box<MessageFacts>),
    /// Whether it may receive.
    Subscribe,
    /// Whether it may use what it received.
    Use(UseFacts),
}
