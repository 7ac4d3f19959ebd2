//! Looking at several requests: a line for each, with what its role requires and what it lacks.

use super::examining::{Examined, examine, read};
use super::request::{Reviewed, check, told};
use super::standing::Known;
use super::{claims_text, many};
use crate::codes;
use crate::commands::arguments::{Opened, TrustArgs};
use crate::context::GlobalArgs;
use crate::output::{Answer, Failure, Outcomes, counted, mark};
use crate::shown::shown;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::trust::Trust;
use gridpass_identity::report::{Check, Outcome};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is said of a request.
struct Row {
    text: String,
    json: Value,
    outcome: &'static str,
    exit: u8,
}

pub fn review(global: &GlobalArgs, paths: &[PathBuf], trust: &TrustArgs) -> Outcomes {
    let (files, passed_over) = many::files(paths)?;
    let opened = trust.open(global)?;
    let mut known = Known::of(opened.wallet())?;
    let mut place = Some(opened);
    let (mut text, mut rows, mut exit) = (String::new(), Vec::new(), 0);
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for file in &files {
        let row = one(global, trust, &mut place, &mut known, file)
            .unwrap_or_else(|e| unreadable(file, &e));
        text.push_str(&row.text);
        rows.push(row.json);
        exit = many::worse(exit, row.exit);
        let count = counts.entry(row.outcome).or_default();
        *count = count.saturating_add(1);
    }
    let count = |what: &str| counts.get(what).copied().unwrap_or_default();
    let [passed, failed, open, not_read] =
        ["passed", "failed", "indeterminate", "unreadable"].map(count);
    text.push_str(&passed_over.text());
    text.push_str(&format!(
        "Of {}: {passed} passed, {failed} failed, {open} cannot be decided, {not_read} could not be \
         looked at\n\
         next: each by itself with `gridpass visa review FILE`; those that pass with `gridpass visa issue FILE … \
         -o DIR`, others with `gridpass visa refuse FILE … --reason TEXT -o DIR`",
        counted(files.len(), "request", "requests")
    ));
    let json = json!({
        "requests": rows,
        "passed": passed,
        "failed": failed,
        "indeterminate": open,
        "unreadable": not_read,
        "passed_over": passed_over.json(),
    });
    let mut answer = Answer::new("gridpass.visa.review-many/1", json, text);
    answer.exit = exit;
    Ok(answer)
}

/// The wallet is in its place again afterwards.
fn one(
    global: &GlobalArgs,
    trust: &TrustArgs,
    place: &mut Option<Opened>,
    known: &mut Known,
    file: &Path,
) -> Result<Row, Failure> {
    let parcel = read(file)?;
    let material = trust.gather_in(global, place, &parcel)?;
    let Examined { request, report, shown } = match examine(&parcel, &material) {
        Ok(examined) => examined,
        Err(e) => {
            *place = material.give_back();
            return Err(e);
        }
    };
    let mut reviewed = Reviewed::new(request, report, shown, material);
    let row = check(&mut reviewed, Some(known)).map(|()| row_of(file, &reviewed));
    *place = reviewed.material.give_back();
    row
}

fn row_of(file: &Path, reviewed: &Reviewed) -> Row {
    let (trust, asked) = (&reviewed.material.trust, &reviewed.request.statement);
    let role = trust.definition(&asked.definition);
    let requires = role.and_then(|role| role.definition.preconditions.as_ref());
    let requires = requires.map(|requirement| words(requirement, trust));
    let checks = &reviewed.report.checks;
    let missing: Vec<&Check> = checks.iter().filter(|c| c.outcome != Outcome::Passed).collect();
    let outcome = reviewed.report.outcome();
    let mut text = format!(
        "{}{:<28} {}  {}\n",
        mark(outcome),
        asked.role.as_str(),
        asked.holder,
        shown(file.display())
    );
    text.push_str(&claims_text(&asked.claims));
    if let Some(note) = &asked.note {
        text.push_str(&format!("  note: {}\n", shown(note)));
    }
    if let Some(requires) = &requires {
        text.push_str(&format!("  requires  {}\n", shown(requires)));
    }
    if let Some(others) = reviewed.in_force.as_array().filter(|others| !others.is_empty()) {
        let others = counted(others.len(), "visa", "visas");
        text.push_str(&format!("  has       {others} of the role from here already\n"));
    }
    for check in &missing {
        text.push_str(&format!("  missing   {} [{}]\n", shown(&check.sentence), check.code));
    }
    // As the review of it alone says it.
    let alone = told(reviewed);
    let mut json = alone.json;
    // The request is named by its file, as in the answers of all commands for several.
    json.extend(many::about(&reviewed.request));
    json.extend(many::named(file));
    json.insert("exit".into(), json!(alone.exit));
    json.insert("requires".into(), json!(requires));
    json.insert("missing".into(), json!(missing));
    let outcome = match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Indeterminate => "indeterminate",
    };
    Row { text, json: Value::Object(json), outcome, exit: alone.exit }
}

/// One that could not be looked at.
fn unreadable(file: &Path, e: &Failure) -> Row {
    let (name, outcome) = (shown(file.display()), "unreadable");
    let text = format!(
        "{}{name}\n  missing   {} [{}]\n",
        mark(Outcome::Failed),
        shown(&e.message),
        e.code
    );
    let exit = codes::exit_status(e.code.class());
    let mut json = many::named(file);
    let said = [
        ("outcome", json!(outcome)),
        ("code", json!(e.code)),
        ("message", json!(e.message)),
        ("next", json!(e.remedy())),
        ("exit", json!(exit)),
        ("transient", json!(e.is_transient())),
    ];
    json.extend(said.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Row { text, json: Value::Object(json), outcome, exit }
}

/// What a role requires first, by the names that the trust pack has for roles.
fn words(requirement: &Requirement, trust: &Trust) -> String {
    let name = |id: &ContentId| match trust.definition(id) {
        Some(role) => role.definition.name.to_string(),
        None => id.to_string(),
    };
    let list =
        |of: &[Requirement]| of.iter().map(|one| words(one, trust)).collect::<Vec<_>>().join(", ");
    match requirement {
        Requirement::Role { role } => name(role),
        Requirement::All { all } if all.len() == 1 => list(all),
        Requirement::All { all } => format!("all of ({})", list(all)),
        Requirement::Any { any } => format!("one of ({})", list(any)),
        Requirement::AtLeast { at_least, of } => format!("{at_least} of ({})", list(of)),
    }
}
