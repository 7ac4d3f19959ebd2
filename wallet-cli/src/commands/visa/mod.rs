//! `gridpass visa`: from the request to the verification.

mod again;
mod authority;
mod change;
mod change_many;
mod consent;
mod ending;
mod examining;
mod export;
pub mod hanging;
mod hold;
mod issue;
mod issue_many;
mod listing;
mod many;
mod node;
mod present;
mod refuse;
mod remove;
mod renewal;
mod request;
mod review_many;
mod rows;
mod standing;
mod verify;
mod wanted;

pub use present::sign_presentation;

use super::arguments::{Material, identities_of};
use crate::beside::Beside;
use crate::context::{GlobalArgs, OutputArgs};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown;
use crate::warnings::hint;
use clap::Subcommand;
use gridpass_credentials::keeping::KeepError;
use gridpass_credentials::parcel::Parcel;
use gridpass_credentials::secured::Form;
use gridpass_credentials::verify::VisaReport;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::SnapshotStore;
use serde_json::{Map, Value, json};

/// Visas: ask for them, issue, hold, present, verify and end them
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass visa request flex.gb.aggregator --issuer did:webvh:… --claim zone=GB-1 -o request.json\n  \
     gridpass visa review request.json          the officer looks\n  \
     gridpass visa issue request.json -o visa.json\n  \
     gridpass visa accept visa.json             the holder keeps it\n  \
     gridpass visa present flex.gb.aggregator --to did:webvh:… -o presentation.json\n  \
     gridpass visa verify presentation.json --audience did:webvh:…"
))]
pub enum VisaCommand {
    Request(request::RequestArgs),
    Review(request::ReviewArgs),
    Issue(issue::IssueArgs),
    Export(export::ExportArgs),
    Refuse(refuse::RefuseArgs),
    Accept(hold::AcceptArgs),
    List(listing::ListArgs),
    Show(hold::ShowArgs),
    Remove(remove::RemoveArgs),
    Present(present::PresentArgs),
    Verify(verify::VerifyArgs),
    Renew(request::RenewArgs),
    Suspend(change::SuspendArgs),
    Reinstate(change::ReinstateArgs),
    Revoke(change::RevokeArgs),
    Expirations(hold::ExpirationsArgs),
    AuthoriseNode(node::AuthoriseArgs),
}

pub fn run(global: &GlobalArgs, command: &VisaCommand) -> Outcomes {
    match command {
        VisaCommand::Request(args) => request::request(global, args),
        VisaCommand::Review(args) => request::review(global, args),
        VisaCommand::Issue(args) => issue::issue(global, args),
        VisaCommand::Export(args) => export::export(global, args),
        VisaCommand::Refuse(args) => refuse::refuse(global, args),
        VisaCommand::Accept(args) => hold::accept(global, args),
        VisaCommand::List(args) => listing::list(global, args),
        VisaCommand::Show(args) => hold::show(global, args),
        VisaCommand::Remove(args) => remove::remove(global, args),
        VisaCommand::Present(args) => present::run(global, args),
        VisaCommand::Verify(args) => verify::run(global, args),
        VisaCommand::Renew(args) => request::renew(global, args),
        VisaCommand::Suspend(args) => change::suspend(global, args),
        VisaCommand::Reinstate(args) => change::reinstate(global, args),
        VisaCommand::Revoke(args) => change::revoke(global, args),
        VisaCommand::Expirations(args) => hold::expirations(global, args),
        VisaCommand::AuthoriseNode(args) => node::authorise(global, args),
    }
}

/// How a visa is secured, on the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum FormArg {
    /// A JWT (vc+jwt), the default on the wire
    Jwt,
    /// An SD-JWT, whose holder can withhold claims
    SdJwt,
    /// JSON with a Data Integrity proof over RDF
    #[value(name = "eddsa-rdfc-2022")]
    EddsaRdfc2022,
    /// JSON with a Data Integrity proof over JSON
    #[value(name = "eddsa-jcs-2022")]
    EddsaJcs2022,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Jwt => Self::Jwt,
            FormArg::SdJwt => Self::SdJwt,
            FormArg::EddsaRdfc2022 => Self::EddsaRdfc2022,
            FormArg::EddsaJcs2022 => Self::EddsaJcs2022,
        }
    }
}

/// Writes a parcel with the documents of these DIDs; the text goes beside it.
pub fn write_parcel(
    mut parcel: Parcel,
    store: &dyn SnapshotStore,
    dids: &[Did],
    output: &OutputArgs,
    answer: Answer,
) -> Outcomes {
    parcel.identities = identities_of(store, dids)?;
    Ok(match output.write(parcel.encode()?)? {
        Some(raw) => {
            hint(&answer.text);
            answer.with_document(raw)
        }
        None => answer,
    })
}

/// Where the register of an issuer was asked, its list is the one to look at.
fn not_issued(error: KeepError) -> Failure {
    let is_unknown = matches!(error, KeepError::NotFound { .. });
    let failure = Failure::from(error);
    if is_unknown {
        return failure.next("See what you have issued: `gridpass visa list --issued`.");
    }
    failure
}

/// Claims as lines for people.
pub fn claims_text(claims: &Map<String, Value>) -> String {
    claims.iter().map(|(name, value)| format!("  {:<16} {}\n", shown(name), shown(value))).collect()
}

/// A report of visas as an answer: what came out, why, by which path, resting on how old material.
pub fn report_answer(schema: &'static str, report: &VisaReport) -> Answer {
    let mut text = match report.outcome {
        Outcome::Passed => "PASSED\n".to_owned(),
        Outcome::Failed => format!("FAILED: {} [{}]\n", shown(&report.sentence), report.code),
        Outcome::Indeterminate => {
            format!("CANNOT BE DECIDED: {} [{}]\n", shown(&report.sentence), report.code)
        }
    };
    if let Some(presenter) = &report.presenter {
        text.push_str(&format!("presented by {presenter}\n"));
    }
    text.push_str(&crate::output::checks_text(&report.checks));
    for verdict in &report.visas {
        let what = if verdict.presented { "visa" } else { "supporting visa" };
        let role = verdict.visa.as_ref().map_or("unreadable", |v| v.role.as_str());
        text.push_str(&format!("\n{what} {role}  {}\n", verdict.evidence));
        if let Some(visa) = &verdict.visa {
            text.push_str(&format!("  held by   {}\n", visa.subject));
            text.push_str(&claims_text(&visa.claims));
        }
        for line in crate::output::checks_text(&verdict.checks).lines() {
            text.push_str(&format!("  {line}\n"));
        }
        let path: Vec<_> = verdict.path.iter().map(|s| s.issuer.as_str()).collect();
        if !path.is_empty() {
            text.push_str(&format!("  issued by {}\n", path.join("\n            under ")));
        }
    }
    let trust = &report.trust;
    text.push_str(&format!(
        "\nas of {}, by {:?} version {} of {}\n",
        report.at, trust.name, trust.version, trust.dated
    ));
    match report.clock {
        Some(clock) if report.clock_given => text.push_str(&format!(
            "by what was known at {clock}, the clock that was given: nothing of later is in it\n"
        )),
        Some(clock) => text.push_str(&format!("by what is known at {clock}\n")),
        None => {}
    }
    for age in &report.ages {
        text.push_str(&format!("  {} s old: {}\n", age.age_seconds, shown(&age.what)));
    }
    if report.outcome != Outcome::Passed {
        text.push_str(&format!("next: {}\n", report.code.0.remedy));
    }
    let mut answer = Answer::new(schema, json!(report), text);
    answer.exit = crate::output::outcome_exit(report.outcome, Some(report.code));
    answer
}

/// The wallet of gathered material, which a command that keeps something needs.
fn wallet_of(
    mut material: Material,
    global: &GlobalArgs,
) -> Result<gridpass_identity::wallet::Wallet, Failure> {
    take_wallet(&mut material, global)
}

/// As [`wallet_of`], where the rest is needed still.
fn take_wallet(
    material: &mut Material,
    global: &GlobalArgs,
) -> Result<gridpass_identity::wallet::Wallet, Failure> {
    let beside = material.beside.take().map(Beside::into_wallet);
    match material.wallet.take().or(beside) {
        Some(wallet) => Ok(wallet),
        None => global.wallet(),
    }
}
