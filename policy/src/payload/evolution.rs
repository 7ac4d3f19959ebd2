//! Whether a new schema takes everything that the old one takes, and what breaks.
//!
//! Told from the structure alone, in three values: what is not understood is undecided, and never
//! called compatible.

mod json;
mod xsd;

use super::csv::{self, Column, CsvSchema, Datatype};
use super::{CimSchema, PayloadSchema};
use crate::codes;
use gridpass_identity::code::Code;
use gridpass_identity::report::Outcome;
use serde::Serialize;
use std::cmp::Ordering;

/// The most findings that one answer lists.
const MAX_FINDINGS: usize = 64;

/// One place that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where in the schema.
    pub place: String,
    /// The stable reason.
    pub code: Code,
    /// What changed.
    pub sentence: String,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evolution {
    /// Passed: everything that fits the old schema fits the new one. Failed: something does not.
    pub outcome: Outcome,
    /// What breaks, then what cannot be told.
    pub findings: Vec<Finding>,
}

/// Findings on their way.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn push(&mut self, code: Code, place: &str, sentence: impl Into<String>) {
        let bounded = |t: &str| t.chars().filter(|c| !c.is_control()).take(200).collect();
        let (place, sentence) = (bounded(place), bounded(&sentence.into()));
        if self.0.len() < MAX_FINDINGS {
            self.0.push(Finding { place, code, sentence });
        }
    }

    fn breaks(&mut self, place: &str, sentence: impl Into<String>) {
        self.push(codes::EVOLUTION_BREAKS, place, sentence);
    }

    fn undecided(&mut self, place: &str, sentence: impl Into<String>) {
        self.push(codes::EVOLUTION_UNDECIDED, place, sentence);
    }

    fn finish(mut self) -> Evolution {
        self.0.sort_by_key(|f| f.code != codes::EVOLUTION_BREAKS);
        let outcome = match self.0.first() {
            None => Outcome::Passed,
            Some(first) if first.code == codes::EVOLUTION_BREAKS => Outcome::Failed,
            Some(_) => Outcome::Indeterminate,
        };
        Evolution { outcome, findings: self.0 }
    }
}

/// Whether `new` is backward compatible with `old`. Asked the other way round, it tells whether
/// readers of the old schema take what is written by the new one.
#[must_use]
pub fn compare(old: &PayloadSchema, new: &PayloadSchema) -> Evolution {
    let mut found = Findings::default();
    match (old, new) {
        (PayloadSchema::Json(old), PayloadSchema::Json(new)) => {
            json::compare(old.document(), new.document(), &mut found);
        }
        (PayloadSchema::Xsd(old), PayloadSchema::Xsd(new)) => xsd::compare(old, new, &mut found),
        (PayloadSchema::Csv(old), PayloadSchema::Csv(new)) => compare_csv(old, new, &mut found),
        (PayloadSchema::Cim(old), PayloadSchema::Cim(new)) => compare_cim(old, new, &mut found),
        (old, new) => {
            found.breaks("", format!("it was a {} schema, and is {}", old.kind(), new.kind()));
        }
    }
    found.finish()
}

fn compare_csv(old: &CsvSchema, new: &CsvSchema, found: &mut Findings) {
    if old.delimiter.unwrap_or(',') != new.delimiter.unwrap_or(',') {
        found.breaks("/delimiter", "the delimiter changed");
    }
    let names = |s: &CsvSchema| s.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    if names(old) != names(new) {
        found.breaks("/columns", "the columns, which the header lists exactly, changed");
        return;
    }
    for (before, after) in old.columns.iter().zip(&new.columns) {
        compare_column(before, after, found);
    }
    if new.max_rows < old.max_rows {
        found.breaks("/maxRows", "fewer rows are taken");
    }
    let narrower = !new.primary_key.is_empty()
        && (old.primary_key.is_empty()
            || !old.primary_key.iter().all(|k| new.primary_key.contains(k)));
    if narrower {
        found.breaks("/primaryKey", "rows that were different enough no longer are");
    }
}

fn compare_column(old: &Column, new: &Column, found: &mut Findings) {
    let place = format!("/columns/{}", old.name);
    if old.datatype != new.datatype {
        match (old.datatype, new.datatype) {
            (_, Datatype::String) | (Datatype::Integer, Datatype::Decimal) => {}
            (before, after) => found.breaks(&place, format!("it was {before:?}, and is {after:?}")),
        }
    }
    if new.required && !old.required {
        found.breaks(&place, "it is required now");
    }
    let narrower =
        |before: &Option<String>, after: &Option<String>, worse: Ordering| match (before, after) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(before), Some(after)) => csv::compare(old.datatype, after, before) == Some(worse),
        };
    if narrower(&old.minimum, &new.minimum, Ordering::Greater) {
        found.breaks(&place, "its minimum was raised");
    }
    if narrower(&old.maximum, &new.maximum, Ordering::Less) {
        found.breaks(&place, "its maximum was lowered");
    }
    if new.max_length.is_some_and(|n| old.max_length.is_none_or(|o| n < o)) {
        found.breaks(&place, "its texts must be shorter");
    }
    let lost = match (&old.allowed, &new.allowed) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => !before.is_subset(after),
    };
    if lost {
        found.breaks(&place, "values that could stand there no longer can");
    }
}

fn compare_cim(old: &CimSchema, new: &CimSchema, found: &mut Findings) {
    for profile in old.profiles.difference(&new.profiles) {
        found.breaks("/profiles", format!("the profile {profile} is no longer taken"));
    }
    // Without the word a model need not have a version at all.
    if new.min_version.is_some_and(|n| old.min_version.is_none_or(|o| n > o)) {
        found.breaks("/minVersion", "older versions are no longer taken");
    }
    let (before, after) = (&old.modeling_authority_sets, &new.modeling_authority_sets);
    if !after.is_empty() && (before.is_empty() || !before.is_subset(after)) {
        found.breaks("/modelingAuthoritySets", "models of some authorities are no longer taken");
    }
    if old.difference != new.difference {
        found.breaks("/difference", "it takes the other kind of model");
    }
    if new.max_bytes < old.max_bytes {
        found.breaks("/maxBytes", "large models are no longer taken");
    }
}
