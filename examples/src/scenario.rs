//! A market process: participants, roles, channels, a table of who may do what, and what happens in
//! which order. The format stands in `examples/README.md`; its JSON Schema is
//! `examples/schemas/scenario.schema.json`.

mod check;
mod load;
mod plan;
mod scale;
mod step;
mod steps;

pub use load::ScenarioError;
pub use plan::{
    ChannelPlan, Issuers, Kind, Participant, PolicyRow, RolePlan, Standing, TopicPlan, VisaPlan,
};
pub use step::{
    Expect, Issue, Part, Process, Refusal, Replay, Revoke, SendFile, SendMessage, Spoil, Step,
    Tamper,
};

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the member `type` says.
pub const TYPE: &str = "gridpass-scenario";
/// The scenario that is meant where none is named.
pub const DEFAULT: &str = "market-day";

/// A scenario. Every reference in it was checked: a participant, visa, role, channel, topic, schema
/// or step that is named exists.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// [`TYPE`].
    #[serde(rename = "type")]
    pub document_type: String,
    /// 1.
    pub format_version: u32,
    /// Its name: `market-day`.
    pub name: String,
    /// In a few words.
    pub title: String,
    /// Where the process is described, and what of it could not be looked up.
    pub source: String,
    /// What it is about, in two sentences.
    pub description: String,
    /// The interfaces between the parties that it shows.
    pub interfaces: Vec<Interface>,
    /// Who answers for the trust framework: the root of its charter. A participant.
    pub root: String,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// The role definitions, each after those that it names.
    pub roles: Vec<RolePlan>,
    /// The channels.
    pub channels: Vec<ChannelPlan>,
    /// Who may send and receive what.
    pub policy: Vec<PolicyRow>,
    /// What happens, in order.
    pub phases: Vec<PhasePlan>,
}

/// Between whom something is exchanged, in the words of the guidelines for the data exchange of
/// distribution system operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Interface {
    /// Transmission and distribution system operators.
    #[serde(rename = "TSO-DSO")]
    TsoDso,
    /// A distribution system operator and the market operator.
    #[serde(rename = "DSO-MO")]
    DsoMo,
    /// A distribution system operator and a provider of flexibility.
    #[serde(rename = "DSO-FSP")]
    DsoFsp,
    /// A distribution system operator and an energy resource or its owner.
    #[serde(rename = "DSO-DER")]
    DsoDer,
}

/// A phase of a market process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Who may take part, and whether the grid can bear it.
    Prequalification,
    /// What will be needed, where and when.
    Forecast,
    /// The need is announced.
    Tender,
    /// Offers are made.
    Bids,
    /// Offers are taken.
    Selection,
    /// What was taken is called for, and answered.
    Activation,
    /// What was delivered is measured.
    Metering,
    /// What was delivered is paid.
    Settlement,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prequalification => "prequalification",
            Self::Forecast => "forecast",
            Self::Tender => "tender",
            Self::Bids => "bids",
            Self::Selection => "selection",
            Self::Activation => "activation",
            Self::Metering => "metering",
            Self::Settlement => "settlement",
        })
    }
}

/// A phase with its steps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PhasePlan {
    /// Which phase.
    pub phase: Phase,
    /// What happens in it, as a sentence.
    pub says: String,
    /// The steps, one after the other.
    pub steps: Vec<Step>,
}

impl Default for Scenario {
    /// The market day.
    fn default() -> Self {
        load::default()
    }
}

impl Scenario {
    /// Every published scenario, by name; the default first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        load::all()
    }

    /// The published scenario of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        load::by_name(name)
    }

    /// Reads a scenario from JSON, and checks every reference in it.
    ///
    /// # Errors
    /// [`ScenarioError`] with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, ScenarioError> {
        load::parse(bytes)
    }

    /// The same with so many of each participant that is `scaled`, and of the steps that they take
    /// part in; 1 changes nothing. Copies are named `alpha-2`, `alpha-3` …, their visas and steps
    /// alike. At most [`Self::MAX_SCALE`].
    #[must_use]
    pub fn scaled(&self, times: usize) -> Self {
        scale::scaled(self, times.clamp(1, Self::MAX_SCALE))
    }

    /// The most copies of [`Self::scaled`].
    pub const MAX_SCALE: usize = 64;

    /// The steps in order, each with its phase.
    pub fn steps(&self) -> impl Iterator<Item = (&PhasePlan, &Step)> {
        self.phases.iter().flat_map(|phase| phase.steps.iter().map(move |step| (phase, step)))
    }

    /// A step by its id.
    #[must_use]
    pub fn step(&self, id: &str) -> Option<&Step> {
        self.steps().map(|(_, step)| step).find(|step| step.id() == id)
    }

    /// A participant by name.
    #[must_use]
    pub fn participant(&self, name: &str) -> Option<&Participant> {
        self.participants.iter().find(|p| p.name == name)
    }

    /// A visa by its id, with its holder.
    #[must_use]
    pub fn visa(&self, id: &str) -> Option<(&Participant, &VisaPlan)> {
        let mut all = self.participants.iter().flat_map(|p| p.visas.iter().map(move |v| (p, v)));
        all.find(|(_, visa)| visa.id == id)
    }

    /// A role by name.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<&RolePlan> {
        self.roles.iter().find(|r| r.name.as_str() == name)
    }

    /// A channel by name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&ChannelPlan> {
        self.channels.iter().find(|c| c.name.as_str() == name)
    }

    /// The visas that are issued before the first phase, in an order in which each issuer holds
    /// what it needs; the others are issued by an [`Step::Issue`].
    #[must_use]
    pub fn visas_at_start(&self) -> Vec<(&Participant, &VisaPlan)> {
        let later: Vec<&str> = self
            .steps()
            .filter_map(|(_, step)| match step {
                Step::Issue(issue) => Some(issue.visa.as_str()),
                _ => None,
            })
            .collect();
        let mut found = Vec::new();
        // Roles stand after those whose holders issue them.
        for role in &self.roles {
            for participant in &self.participants {
                let visas = participant.visas.iter().filter(|v| v.role == role.name);
                found.extend(visas.map(|v| (participant, v)));
            }
        }
        found.retain(|(_, visa)| !later.contains(&visa.id.as_str()));
        found
    }

    /// Who takes part in a channel: whoever sends or receives in it in some step, by name, in the
    /// order of the participants.
    #[must_use]
    pub fn members(&self, channel: &str) -> Vec<&Participant> {
        let mut names: Vec<&str> = Vec::new();
        for (_, step) in self.steps() {
            let (in_channel, from, to, expect) = match step {
                Step::Send(s) => (&s.channel, &s.from, &s.to, &s.expect),
                Step::SendFile(s) => (&s.channel, &s.from, &s.to, &s.expect),
                Step::Issue(_)
                | Step::Revoke(_)
                | Step::Replay(_)
                | Step::Tamper(_)
                | Step::Kill(_)
                | Step::Restart(_)
                | Step::Leave(_)
                | Step::Return(_) => continue,
            };
            if in_channel.as_str() == channel {
                names.push(from);
                names.extend(to.iter().map(String::as_str));
                if let Expect::Delivered(readers) = expect {
                    names.extend(readers.iter().map(String::as_str));
                }
            }
        }
        self.participants.iter().filter(|p| names.contains(&p.name.as_str())).collect()
    }
}
