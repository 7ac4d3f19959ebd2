//! The words of which plans of documents choose.

use serde::{Deserialize, Serialize};

/// Accepted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Accepted,
    /// No.
    Rejected,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Active power.
    Active,
    /// Reactive power.
    Reactive,
}

/// The market of a bid or an activation, with its code in IEC 62325.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reserve {
    /// Frequency containment reserve, A52.
    Fcr,
    /// Frequency restoration reserve with automatic activation, A51.
    Afrr,
    /// Frequency restoration reserve with manual activation, A47.
    Mfrr,
    /// Replacement reserve, A46.
    Rr,
    /// Redispatch for congestion management, A41.
    Redispatch,
}

/// More or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// More generation or less load, A01; of reactive power too.
    #[default]
    Up,
    /// Less generation or more load, A02; of reactive power, more of it taken up.
    Down,
}
