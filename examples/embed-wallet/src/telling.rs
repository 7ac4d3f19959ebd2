//! How the story is told: lines for people, of what the libraries' reports say.

use crate::error::Result;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::VisaReport;
use gridpass_credentials::visa::Visa;
use gridpass_identity::code::Code;
use gridpass_identity::report::Outcome;
use gridpass_messaging::bundle::Report;
use gridpass_messaging::node::{AskError, Delivered, Said};
use serde_json::json;
use std::io::Write;

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::Indeterminate => "cannot be decided",
    }
}

pub(crate) fn trust(out: &mut dyn Write, trust: &Trust) -> Result<()> {
    let charter = trust.charter().charter();
    let (name, version, roles) = (&charter.name, charter.version, charter.roles.len());
    writeln!(out, "   charter {name:?}, version {version}, lists {roles} roles")?;
    writeln!(out, "   trust pack {}, pinned by all three", trust.id())?;
    Ok(())
}

pub(crate) fn grant(out: &mut dyn Write, visa: &Visa, report: &VisaReport) -> Result<()> {
    let says = json!(visa.claims);
    writeln!(out, "   visa {} {says}, until {}", visa.role, visa.valid_until)?;
    writeln!(out, "     its holder's report: {}; it is kept", word(report.outcome))?;
    Ok(())
}

/// What was checked, in one line; what did not pass, each with its reason.
fn checks<'c>(
    out: &mut dyn Write,
    of: &str,
    all: impl Iterator<Item = (&'c str, Outcome, &'c str, Code)>,
) -> Result<()> {
    let mut passed: Vec<&str> = Vec::new();
    for (name, outcome, sentence, code) in all {
        if outcome != Outcome::Passed {
            writeln!(out, "   {of}: {name} {}: {sentence} [{code}]", word(outcome))?;
        } else if !passed.contains(&name) {
            passed.push(name);
        }
    }
    writeln!(out, "   {of}: {} passed", passed.join(", "))?;
    Ok(())
}

pub(crate) fn visa_report(out: &mut dyn Write, report: &VisaReport) -> Result<()> {
    let own = report.checks.iter();
    let own = own.map(|c| (c.name, c.outcome, c.sentence.as_str(), c.code));
    checks(out, "the presentation", own)?;
    for verdict in &report.visas {
        let says = json!(verdict.visa.as_ref().map(|v| &v.claims));
        let of_visa = verdict.checks.iter();
        let of_visa = of_visa.map(|c| (c.name, c.outcome, c.sentence.as_str(), c.code));
        checks(out, &format!("the visa, which says {says}"), of_visa)?;
    }
    writeln!(out, "   the whole: {} [{}]", word(report.outcome), report.code)?;
    Ok(())
}

pub(crate) fn delivery(out: &mut dyn Write, message: &Delivered, said: &Said) -> Result<()> {
    let text = String::from_utf8_lossy(message.payload.as_deref().unwrap_or_default());
    writeln!(out, "   delivered to the DSO: {text}")?;
    match said {
        Said::Delivered { at } => writeln!(out, "   the DSO's receipt: delivered, at {at}")?,
        Said::Refused { reasons, .. } => {
            writeln!(out, "   the DSO's receipt: refused, {}", reasons.join(", "))?;
        }
        // What a later version of the library may say.
        other => writeln!(out, "   the DSO's receipt: {other:?}")?,
    }
    Ok(())
}

pub(crate) fn refusal(out: &mut dyn Write, what: &str, why: &AskError) -> Result<()> {
    writeln!(out, "   {what} is not sent [{}]:\n     {}", why.code, why.message)?;
    Ok(())
}

pub(crate) fn audit(out: &mut dyn Write, report: &Report) -> Result<()> {
    let (bundle, counts) = (&report.bundle, &report.counts);
    writeln!(out, "   {} bytes, made by {}", bundle.bytes, bundle.exporter.participant)?;
    let own = report.checks.iter();
    checks(out, "the bundle", own.map(|c| (c.name, c.outcome, c.sentence.as_ref(), c.code)))?;
    for message in &report.messages {
        let (checks, outcome) = (message.checks.len(), word(message.outcome));
        writeln!(
            out,
            "   message {}: {}, {checks} checks, {outcome}",
            message.number, message.verdict
        )?;
    }
    writeln!(out, "   receipts {}, the whole: {}", counts.receipts, word(report.outcome))?;
    Ok(())
}
