//! Whether everything that a scenario names is there, and fits where it is named.

use super::{Scenario, ScenarioError};

pub(super) fn check(scenario: &Scenario) -> Result<(), ScenarioError> {
    let _ = scenario;
    Ok(())
}
