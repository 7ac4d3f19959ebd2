//! The standing parts of a scenario: participants, visas, roles, channels, and the table of cases.

use super::Interface;
use gridpass_credentials::role::{IssuerRevocation, RoleName};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cases::{Message, Nothing};
use gridpass_policy::channel::{Indeterminate, MessageLimits, Mode, Retention, Sealing};
use gridpass_policy::decision::Verdict;
use gridpass_policy::odrl::Terms;
use gridpass_policy::requirement::Requirement;
use gridpass_policy::topic::Attribute;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a participant is in the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Sets the rules and accredits.
    Regulator,
    /// Transmission system operator.
    Tso,
    /// Distribution system operator.
    Dso,
    /// Runs the market.
    MarketOperator,
    /// Provides flexibility, its own or that of many others.
    Aggregator,
    /// A producer, or another energy resource that speaks for itself.
    Resource,
    /// A customer at a metering point.
    Consumer,
    /// Looks at all of it later.
    Auditor,
}

/// A participant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Participant {
    /// The short name by which everything refers to it: lower case, digits and `-`.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What it is.
    pub kind: Kind,
    /// Its EIC, by which market documents of IEC 62325 name it.
    pub eic: String,
    /// Whether [`super::Scenario::scaled`] makes more of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scaled: bool,
    /// The visas that it comes to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visas: Vec<VisaPlan>,
}

impl Participant {
    /// Its Internet domain, by which UFTP names it, and at which its DID may live.
    #[must_use]
    pub fn domain(&self) -> String {
        format!("{}.example", self.name)
    }
}

/// A visa that a participant comes to hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VisaPlan {
    /// Its id in the scenario.
    pub id: String,
    /// The role that it grants.
    pub role: RoleName,
    /// Who issues it: a participant.
    pub issuer: String,
    /// What it says of its holder. A text `@name` stands for the DID of a participant.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
}

/// A role definition.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RolePlan {
    /// Its name.
    pub name: RoleName,
    /// In a few words.
    pub title: String,
    /// What it means.
    pub description: String,
    /// The claims of its visas and their types: `text`, `integer`, `boolean`, `texts`, `time`, with
    /// `?` at the end where one may be absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, String>,
    /// Who may issue it.
    pub issuers: Issuers,
    /// For how long a visa may count.
    #[serde(default = "a_year", skip_serializing_if = "is_a_year")]
    pub max_validity_days: u64,
    /// What becomes of visas when their issuer's own is revoked.
    #[serde(default = "keeps", skip_serializing_if = "is_keeps")]
    pub issuer_revocation: IssuerRevocation,
}

/// Who may issue a role: participants, and holders of roles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuers {
    /// Participants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub participants: Vec<String>,
    /// Holders of these roles, which stand before it in the scenario.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
}

/// A channel. What is absent has the value that its own comment names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ChannelPlan {
    /// Its name.
    pub name: RoleName,
    /// In a few words.
    pub title: String,
    /// Who owns and signs it: a participant.
    pub owner: String,
    /// Between whom it runs.
    pub interfaces: Vec<Interface>,
    /// To how many a message goes.
    pub mode: Mode,
    /// What senders must satisfy.
    pub publish: Vec<Requirement>,
    /// What receivers must satisfy.
    pub subscribe: Vec<Requirement>,
    /// What keepers must satisfy; there are none if absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<Requirement>,
    /// Its topics.
    pub topics: Vec<TopicPlan>,
    /// Who can read payloads.
    pub sealing: Sealing,
    /// How long messages are kept: 30 days, also for who comes later.
    #[serde(default = "thirty_days")]
    pub retention: Retention,
    /// Whether recipients confirm: yes.
    #[serde(default = "yes")]
    pub receipts: bool,
    /// What one sender may send: 256 KiB, 600 a minute, for a day, to 64.
    #[serde(default = "limits")]
    pub limits: MessageLimits,
    /// The oldest that a visa's status may be: an hour.
    #[serde(default = "an_hour")]
    pub max_status_age_seconds: u64,
    /// How far a sender's clock may be off: 30 seconds.
    #[serde(default = "half_a_minute")]
    pub clock_skew_seconds: u64,
    /// What becomes of what cannot be decided: it denies.
    #[serde(default = "deny")]
    pub indeterminate: Indeterminate,
    /// What receivers may do with the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

/// A topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// In a few words.
    pub title: String,
    /// The schema of its payloads, by its name in [`crate::schemas`].
    pub schema: String,
    /// What the header repeats of the payload.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// What its senders must satisfy beside the channel's own requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Requirement>,
    /// The topic that answers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
}

/// How a visa stands in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Revoked by its issuer.
    Revoked,
    /// Suspended by its issuer.
    Suspended,
    /// Its time is over.
    Expired,
    /// Its status is older than the channel allows.
    Stale,
}

/// A case of the policy table: what a participant asks, with the visas that the scenario gives it,
/// and what must come out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyRow {
    /// What it shows, as a sentence.
    pub name: String,
    /// The channel.
    pub channel: String,
    /// Who asks: a participant.
    pub sender: String,
    /// Visas of the sender, by id, that it does not show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// How visas of the sender stand, by id; granted if absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: BTreeMap<String, Standing>,
    /// When it is decided: 2026-03-02T10:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMillis>,
    /// It asks to send this message. This, `subscribe` or `keep`. A text `@name` in the attributes
    /// stands for the DID of a participant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Message>,
    /// It asks to receive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<Nothing>,
    /// It asks to hold sealed messages for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Nothing>,
    /// What must come out.
    pub expect: Verdict,
    /// The requirements that are not satisfied, and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
    /// Codes that are among the reasons and causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

fn a_year() -> u64 {
    365
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_a_year(days: &u64) -> bool {
    *days == a_year()
}

fn keeps() -> IssuerRevocation {
    IssuerRevocation::Keeps
}

fn is_keeps(of: &IssuerRevocation) -> bool {
    *of == IssuerRevocation::Keeps
}

fn thirty_days() -> Retention {
    Retention { seconds: 30 * 24 * 3600, history: true }
}

fn yes() -> bool {
    true
}

fn limits() -> MessageLimits {
    MessageLimits {
        max_payload_bytes: 256 * 1024,
        max_messages_per_minute: 600,
        max_lifetime_seconds: 24 * 3600,
        max_recipients: 64,
    }
}

fn an_hour() -> u64 {
    3600
}

fn half_a_minute() -> u64 {
    30
}

fn deny() -> Indeterminate {
    Indeterminate::Deny
}
