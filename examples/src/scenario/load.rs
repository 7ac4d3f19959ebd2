//! Reading a scenario: the published ones, which are part of this crate, and any other.

use super::{DEFAULT, Scenario, TYPE, check};
use crate::codes;
use gridpass_credentials::schema::Schema;
use gridpass_identity::code::Code;
use gridpass_identity::json::{JsonError, Limits, from_slice_strict, parse_strict};
use std::sync::LazyLock;

/// Why a scenario was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// It is not what a scenario looks like.
    #[error("the scenario is refused: {0}")]
    Malformed(String),
    /// It names what is not there, or does not fit.
    #[error("the scenario is refused: {place}: {reason}")]
    Reference {
        /// Where it is named: `step bid-alpha`.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl ScenarioError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => codes::SCENARIO_MALFORMED,
            Self::Reference { .. } => codes::SCENARIO_REFERENCE,
        }
    }
}

impl From<JsonError> for ScenarioError {
    fn from(error: JsonError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The published scenarios, the default first.
const PUBLISHED: &[&str] = &[
    include_str!("../../scenarios/market-day.json"),
    include_str!("../../scenarios/onenet-cyprus.json"),
    include_str!("../../scenarios/onenet-spain.json"),
    include_str!("../../scenarios/onenet-france.json"),
    include_str!("../../scenarios/onenet-czech-congestion.json"),
    include_str!("../../scenarios/onenet-czech-reactive.json"),
    include_str!("../../scenarios/onenet-czech-voltage.json"),
    include_str!("../../scenarios/onenet-slovenia-congestion.json"),
    include_str!("../../scenarios/onenet-slovenia-voltage.json"),
    include_str!("../../scenarios/onenet-hungary-voltage.json"),
    include_str!("../../scenarios/onenet-hungary-overload.json"),
    include_str!("../../scenarios/sysflex-germany.json"),
    include_str!("../../scenarios/sysflex-italy.json"),
    include_str!("../../scenarios/sysflex-finland.json"),
];

/// The form of a scenario, with its bounds.
static SCHEMA: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
    let text = include_str!("../../schemas/scenario.schema.json");
    let schema: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Schema::compile(&schema).map_err(|e| e.to_string())
});

static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
    // A test reads each: one that cannot be read never leaves this project.
    PUBLISHED.iter().filter_map(|text| parse(text.as_bytes()).ok()).collect()
});

pub(super) fn all() -> Vec<Scenario> {
    ALL.clone()
}

pub(super) fn by_name(name: &str) -> Option<Scenario> {
    ALL.iter().find(|s| s.name == name).cloned()
}

#[allow(clippy::expect_used)] // it is part of this crate, and every test begins with it
pub(super) fn default() -> Scenario {
    by_name(DEFAULT).expect("the default scenario is one of the published ones")
}

pub(super) fn parse(bytes: &[u8]) -> Result<Scenario, ScenarioError> {
    let scenario: Scenario = from_slice_strict(bytes, Limits::DOCUMENT)?;
    if scenario.document_type != TYPE || scenario.format_version != 1 {
        return Err(ScenarioError::Malformed("its type or format version is unknown".into()));
    }
    check::check(&scenario)?;
    // After the references, whose faults have better names.
    let schema = SCHEMA.as_ref().map_err(|e| ScenarioError::Malformed(e.clone()))?;
    if let Some((place, why)) = schema.places(&parse_strict(bytes, Limits::DOCUMENT)?).first() {
        return Err(ScenarioError::Malformed(format!("{place}: {why}")));
    }
    Ok(scenario)
}
