//! What is left to an auditor: a bundle for each channel, exported by a node that read it and verified
//! with nothing but the trust pack.

use super::cast::write;
use super::nodes::text_of;
use super::play::Play;
use crate::output::Failure;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A bundle, and what came of its verification.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The channel.
    pub channel: String,
    /// Whose node exported it; empty where none runs any more.
    pub exporter: String,
    /// The bundle.
    pub bundle: PathBuf,
    /// The report as a page for people.
    pub page: PathBuf,
    /// How many messages it has.
    pub messages: u64,
    /// `passed`, `failed` or `indeterminate`.
    pub outcome: String,
    /// The reason.
    pub code: String,
    /// The steps whose messages its exporter sent or was to be delivered, and that are not in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Verified {
    /// How it came out, where it is as it must be, or what is wrong with it.
    pub fn judged(&self) -> Result<&'static str, String> {
        match self.outcome.as_str() {
            _ if !self.missing.is_empty() => Err(format!("it lacks {}", self.missing.join(", "))),
            "passed" => Ok("everything holds"),
            "indeterminate" => Ok("nothing fails, something cannot be said"),
            _ => Err("something does not hold".to_owned()),
        }
    }
}

/// Exports and verifies what was said in each channel, by whoever has most of it.
pub fn gather(play: &Play<'_>) -> Vec<Verified> {
    let mut all = Vec::new();
    for plan in &play.cast.scenario.channels {
        let channel = plan.name.as_str();
        let said = play.said(channel);
        if said.is_empty() {
            continue;
        }
        let file = |end: &str| play.cast.home.join("evidence").join(format!("{channel}.{end}"));
        let mut verified = Verified {
            channel: channel.to_owned(),
            exporter: play.best_reader(channel).unwrap_or_default(),
            bundle: file("car"),
            page: file("html"),
            messages: 0,
            outcome: "failed".to_owned(),
            code: String::new(),
            missing: Vec::new(),
        };
        let ids = match export(play, &mut verified, &file("json")) {
            Ok(ids) => ids,
            // The others are exported all the same.
            Err(failure) => {
                verified.code = failure.code.id().to_owned();
                BTreeSet::new()
            }
        };
        let exporter = &verified.exporter;
        let concerned = said
            .iter()
            .filter(|(_, s)| exporter.is_empty() || &s.from == exporter || s.to.contains(exporter));
        let lacking = concerned.filter(|(_, sent)| !ids.contains(sent.id.as_str()));
        verified.missing = lacking.map(|(step, _)| (*step).clone()).collect();
        all.push(verified);
    }
    all
}

/// Exports and verifies one; gives the names of the messages in it.
fn export(
    play: &Play<'_>,
    verified: &mut Verified,
    report: &Path,
) -> Result<BTreeSet<String>, Failure> {
    if verified.exporter.is_empty() {
        let message = format!("no node runs that reads {}", verified.channel);
        return Err(Failure::new(gridpass_messaging::codes::NODE_NOT_RUNNING, message));
    }
    write(&verified.bundle, b"")?;
    std::fs::remove_file(&verified.bundle).map_err(|e| {
        let message = format!("{}: {e}", verified.bundle.display());
        Failure::new(crate::codes::FILE_NOT_WRITTEN, message)
    })?;
    let place = |path: &Path| path.display().to_string();
    let bundle = place(&verified.bundle);
    let words = ["audit", "export", "--channel", &verified.channel, "-o", &bundle];
    let exported = play.call(&verified.exporter, &words.map(str::to_owned))?;
    verified.messages = exported.get("messages").and_then(Value::as_u64).unwrap_or_default();
    let (trust, page) = (place(&play.cast.home.join("trust.json")), place(&verified.page));
    let report_file = place(report);
    let words = ["audit", "verify", &bundle, "--trust", &trust, "--report", &report_file];
    let mut words: Vec<String> = words.map(str::to_owned).into();
    words.extend(["--html".to_owned(), page]);
    let (_, answer) = play.called(&verified.exporter, &words)?;
    verified.outcome = text_of(&answer, "outcome");
    verified.code = text_of(&answer, "code");
    let messages = answer.get("messages").and_then(Value::as_array).into_iter().flatten();
    Ok(messages.map(|m| text_of(m, "id")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_lacks_what_was_sent_does_not_hold() {
        let bundle = |outcome: &str, missing: &[&str]| Verified {
            channel: "flex.day.bids".into(),
            exporter: "tso".into(),
            bundle: PathBuf::new(),
            page: PathBuf::new(),
            messages: 0,
            outcome: outcome.into(),
            code: "GP-BUNDLE-INTACT".into(),
            missing: missing.iter().map(|m| (*m).to_owned()).collect(),
        };
        assert_eq!(bundle("passed", &[]).judged(), Ok("everything holds"));
        assert_eq!(bundle("passed", &["bid"]).judged(), Err("it lacks bid".into()));
        assert!(bundle("failed", &[]).judged().is_err());
        assert!(bundle("", &[]).judged().is_err());
    }
}
