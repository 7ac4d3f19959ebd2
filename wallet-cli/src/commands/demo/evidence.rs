//! What is left to an auditor: a bundle for each channel, exported by a node that read it and verified
//! with nothing but the trust pack.

use super::play::Play;
use crate::output::Failure;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;

/// A bundle, and what came of its verification.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// The channel.
    pub channel: String,
    /// Whose node exported it.
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
}

/// Exports and verifies what was said in each channel, by whoever was delivered most of it.
pub fn gather(play: &Play<'_>) -> Result<Vec<Verified>, Failure> {
    let mut all = Vec::new();
    for plan in &play.cast.scenario.channels {
        let channel = plan.name.as_str();
        let Some(exporter) = play.best_reader(channel) else { continue };
        let file = |end: &str| play.cast.home.join("evidence").join(format!("{channel}.{end}"));
        let (bundle, page) = (file("car"), file("html"));
        super::cast::write(&bundle, b"")?;
        let failed = |e: std::io::Error| {
            Failure::new(crate::codes::FILE_NOT_WRITTEN, format!("{}: {e}", bundle.display()))
        };
        std::fs::remove_file(&bundle).map_err(failed)?;
        let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let place = |path: &std::path::Path| path.display().to_string();
        let exported = play.call(
            &exporter,
            &words(&["audit", "export", "--channel", channel, "-o", &place(&bundle)]),
        )?;
        let trust = place(&play.cast.home.join("trust.json"));
        let (report, html) = (place(&file("json")), place(&page));
        let (_, verified) = play.called(
            &exporter,
            &words(&[
                "audit",
                "verify",
                &place(&bundle),
                "--trust",
                &trust,
                "--report",
                &report,
                "--html",
                &html,
            ]),
        )?;
        let text = |name: &str| super::nodes::text_of(&verified, name);
        all.push(Verified {
            channel: channel.to_owned(),
            exporter,
            bundle,
            page,
            messages: exported.get("messages").and_then(Value::as_u64).unwrap_or_default(),
            outcome: text("outcome"),
            code: text("code"),
        });
    }
    Ok(all)
}
