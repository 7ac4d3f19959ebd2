//! The cases of what must be refused, by name.

#![allow(missing_docs)]

mod bundles;
mod chains;
mod charter;
mod contradictions;
mod costs;
mod exporters;
mod messages;
mod revokers;
mod sealing;
mod senders;
mod signatures;
mod status;
mod stolen;
mod tricks;
mod withheld;

use gridpass_credentials::verify::VisaReport;
use gridpass_identity::code::Code;
use gridpass_identity::report::Outcome;
use gridpass_tests::evidence::Scene;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Somebody who exports, after a usual day.
fn scene(folder: &Path, first: u8) -> Scene {
    let mut scene = Scene::new(folder, first, |_| ());
    scene.day();
    scene
}

#[track_caller]
fn is(report: &VisaReport, outcome: Outcome, code: Code) {
    assert_eq!((report.outcome, report.code), (outcome, code), "{}", report.sentence);
}
