//! What a verification says: a list of checks, each passed, failed or indeterminate.
//!
//! There is no function from evidence to a bool in Gridpass. A [`Report`] names every check,
//! its stable [`Code`] and a sentence; its [`Outcome`] follows from the checks alone.

use crate::code::Code;
use serde::{Deserialize, Serialize};

/// The three answers that a check can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The evidence shows that it holds.
    Passed,
    /// The evidence shows that it does not hold.
    Failed,
    /// The evidence does not suffice to say.
    Indeterminate,
}

/// One check: what was asked, what came out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, in a word or two that stay the same: `signature`, `key`.
    pub name: &'static str,
    /// What came out.
    pub outcome: Outcome,
    /// The stable reason.
    pub code: Code,
    /// The reason as a sentence about this case.
    pub sentence: String,
}

impl Check {
    /// A check that holds.
    #[must_use]
    pub fn passed(name: &'static str, code: Code, sentence: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Passed, code, sentence: sentence.into() }
    }

    /// A check that does not hold.
    #[must_use]
    pub fn failed(name: &'static str, code: Code, sentence: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed, code, sentence: sentence.into() }
    }

    /// A check that cannot be decided.
    #[must_use]
    pub fn indeterminate(name: &'static str, code: Code, sentence: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Indeterminate, code, sentence: sentence.into() }
    }
}

/// The checks of one verification, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every check made.
    pub checks: Vec<Check>,
}

impl Report {
    /// Adds a check.
    pub fn push(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Failed if any check failed; else indeterminate if any is, or if there is none; else passed.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let any = |o| self.checks.iter().any(|c| c.outcome == o);
        if any(Outcome::Failed) {
            Outcome::Failed
        } else if any(Outcome::Indeterminate) || self.checks.is_empty() {
            // Nothing checked means nothing known.
            Outcome::Indeterminate
        } else {
            Outcome::Passed
        }
    }

    /// The check that decided the outcome: the first failed one, else the first indeterminate
    /// one, else the last.
    #[must_use]
    pub fn deciding(&self) -> Option<&Check> {
        let first = |o| self.checks.iter().find(|c| c.outcome == o);
        first(Outcome::Failed)
            .or_else(|| first(Outcome::Indeterminate))
            .or_else(|| self.checks.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;

    #[test]
    fn an_empty_report_is_indeterminate() {
        assert_eq!(Report::default().outcome(), Outcome::Indeterminate);
    }

    #[test]
    fn failure_outweighs_doubt_and_doubt_outweighs_success() {
        let mut report = Report::default();
        report.push(Check::passed("a", codes::SIGNATURE_VALID, ""));
        assert_eq!(report.outcome(), Outcome::Passed);
        report.push(Check::indeterminate("b", codes::KEY_COMPROMISED_SINCE, ""));
        assert_eq!(report.outcome(), Outcome::Indeterminate);
        report.push(Check::failed("c", codes::SIGNATURE_INVALID, ""));
        assert_eq!(report.outcome(), Outcome::Failed);
        assert_eq!(report.deciding().map(|c| c.name), Some("c"));
    }
}
