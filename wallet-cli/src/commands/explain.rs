//! `gridpass explain`: what a code means and what to do about it.

use crate::codes;
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use clap::Args;
use serde_json::json;

/// Say what a code means and what to do, or list all codes
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass explain GP-KEY-COMPROMISED\n  gridpass explain --json"
))]
pub struct ExplainArgs {
    /// The code, as an error or a report prints it
    code: Option<String>,
}

pub fn run(args: &ExplainArgs) -> Outcomes {
    let schema = "gridpass.explain/1";
    let all = codes::all();
    let row = |code: &gridpass_identity::code::Code| {
        json!({
            "code": code,
            "exit": codes::exit_status(code.class()),
            "meaning": code.0.meaning,
            "remedy": code.0.remedy,
            "transient": code.is_transient(),
        })
    };
    let Some(wanted) = &args.code else {
        let text: String =
            all.iter().map(|c| format!("{:<26} {}\n", c.id(), c.0.meaning)).collect();
        let rows: Vec<_> = all.iter().map(row).collect();
        return Ok(Answer::new(schema, json!({ "codes": rows }), text));
    };
    let wanted = wanted.trim_matches(['[', ']']).to_ascii_uppercase();
    let code = all.iter().find(|c| c.id() == wanted).ok_or_else(|| {
        Failure::new(codes::CODE_UNKNOWN, format!("{wanted:?} is not a code of this program"))
    })?;
    let passes = if code.is_transient() { "; it passes by itself: try again" } else { "" };
    let text = format!(
        "{}\n  {}\n  next: {}\n  exit: {}{passes}",
        code.id(),
        code.0.meaning,
        code.0.remedy,
        codes::exit_status(code.class())
    );
    Ok(Answer::new(schema, row(code), text))
}
