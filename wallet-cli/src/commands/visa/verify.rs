//! Verifying a visa, a presentation or a refusal.

use super::report_answer;
use crate::commands::arguments::{Material, TrustArgs};
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, read_input};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, checks_text, outcome_exit};
use crate::resolving::{WalletAsked, parse_did};
use crate::shown::shown;
use crate::warnings::warn;
use clap::Args;
use gridpass_credentials::codes::PROOF_EXPIRED;
use gridpass_credentials::parcel::{Parcel, ParcelError, ParcelKind};
use gridpass_credentials::request::{self, Received, Refusal};
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{
    Evidence, Expectation, check_list, verify_presentation_with, verify_visa,
};
use gridpass_identity::json::canonicalize;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{OfflineResolver, Resolver};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Verify a presentation, a visa or the refusal of a request, offline, and say why
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa verify presentation.json --audience did:webvh:… --nonce n-81\n  \
     gridpass visa verify visa.json --trust trust.json --status lists.json --at 2026-03-01T12:00:00Z\n  \
     gridpass visa verify visa.json --at 2026-03-01T12:00:00Z --clock 2026-03-02T00:00:00Z\n  \
     gridpass visa verify visa.json --trust trust.json --pin bafkrei… --without-wallet   in a script\n  \
     gridpass visa verify refusal.json"
))]
pub struct VerifyArgs {
    /// The file; - for standard input
    file: PathBuf,
    /// To whom it must have been presented: your DID, or the CID of a channel
    #[arg(long, value_name = "DID")]
    audience: Option<String>,
    /// The nonce that you gave
    #[arg(long, value_name = "TEXT")]
    nonce: Option<String>,
    /// Who must be presenting
    #[arg(long, value_name = "DID")]
    presenter: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
    /// Verify by the trust pack of --trust and the files alone, without a passphrase: what a wallet here knows is not
    /// asked, so that a log or status list that is older than the one it keeps is not found out
    #[arg(long)]
    without_wallet: bool,
    /// Write the report, as canonical JSON, to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl VerifyArgs {
    fn gather(&self, global: &GlobalArgs, parcel: &Parcel) -> Result<Material, Failure> {
        if self.without_wallet {
            return self.trust.gather_alone(parcel);
        }
        self.trust.gather(global, parcel)
    }

    /// Says in an answer that no wallet was asked, where that was wished.
    fn tell_of_wallet(&self, answer: &mut Answer) {
        if self.without_wallet {
            answer.json.insert("wallet".into(), json!(WalletAsked::NotAsked));
            answer.text.push_str(
                "the wallet was NOT ASKED: if it keeps a newer log or status list, that is not found out\n",
            );
        }
    }
}

pub fn run(global: &GlobalArgs, args: &VerifyArgs) -> Outcomes {
    let report_file = OutputArgs { output: args.report.clone(), force: false };
    report_file.check()?;
    let bytes = read_input(&args.file, MAX_INPUT)?;
    if let Ok(parcel) = Parcel::parse(&bytes)
        && parcel.kind == ParcelKind::Refusal
    {
        return refusal(global, args, &parcel, &report_file);
    }
    let (parcel, is_presentation) = read(&bytes)?;
    let material = args.gather(global, &parcel)?;
    let snapshots = material.snapshots()?;
    let resolver = OfflineResolver::new(&snapshots);
    let (trust, lists, seen) = (&material.trust, &material.lists, &material.seen);
    let evidence = Evidence { trust, lists, resolver: &resolver, seen };
    let presenter = args.presenter.as_deref().map(parse_did).transpose()?;
    let expect = Expectation {
        now: material.at,
        clock: material.clock,
        audience: args.audience.as_deref(),
        nonce: args.nonce.as_deref(),
        presenter: presenter.as_ref(),
    };
    let content = parcel.content.unwrap_or_default();
    // What is no presentation either is said to be what it is.
    let reads = || Secured::parse(content.as_bytes(), Kind::Presentation).is_ok();
    if is_presentation && args.audience.is_none() && reads() {
        let message = "a presentation is made for somebody, and nobody is named";
        return Err(Failure::new(crate::codes::USAGE, message).next(
            "Say to whom it must have been presented with --audience, such as your own DID.",
        ));
    }
    let mut memo = SignatureMemo::default();
    let supporting: Vec<_> = material.supporting.iter().map(|t| t.as_bytes().to_vec()).collect();
    let report = if is_presentation {
        // They prove who may revoke, and nothing of what is presented.
        let content = content.as_bytes();
        verify_presentation_with(content, &supporting, &evidence, &expect, &mut memo)
    } else {
        verify_visa(content.as_bytes(), &supporting, &evidence, &expect, &mut memo)
    };
    let report = material.with_its_clock(report);
    if args.report.is_some() {
        let mut bytes = report
            .to_json()
            .map_err(|e| Failure::new(gridpass_identity::codes::INTERNAL, e.to_string()))?;
        bytes.push(b'\n');
        report_file.write(bytes)?;
    }
    let mut answer = report_answer("gridpass.visa.verify/1", &report);
    let left_out = passed_over(&material, &resolver);
    if !left_out.is_empty() {
        answer.json.insert("listsPassedOver".into(), left_out.into());
    }
    args.tell_of_wallet(&mut answer);
    Ok(answer)
}

/// The lists that were given and do not count, each with a warning: who gave one relies on what it says.
fn passed_over(material: &Material, resolver: &dyn Resolver) -> Vec<Value> {
    let mut passed_over = Vec::new();
    let mut memo = SignatureMemo::default();
    for list in &material.given {
        let checks = check_list(list, resolver, material.clock, &mut memo);
        let Some(check) = checks.into_iter().find(|c| c.outcome != Outcome::Passed) else {
            continue;
        };
        let (id, issuer, sentence) = (&list.id, &list.issuer, &check.sentence);
        warn(
            Some(check.code),
            format!("the list {id} of {issuer} was given, and is passed over: {sentence}"),
        );
        passed_over.push(json!({
            "id": id, "issuer": issuer, "code": check.code, "sentence": sentence,
        }));
    }
    passed_over
}

/// Verifies who refused a request, and to whom.
fn refusal(
    global: &GlobalArgs,
    args: &VerifyArgs,
    parcel: &Parcel,
    report_file: &OutputArgs,
) -> Outcomes {
    for (name, given) in [
        ("--nonce", args.nonce.is_some()),
        ("--presenter", args.presenter.is_some()),
        ("--status", args.trust.has_status()),
    ] {
        if given {
            let message = format!("the file refuses a request, and {name} is for visas");
            return Err(Failure::new(crate::codes::USAGE, message)
                .next("Leave it out; whose request it must be is said with --audience DID."));
        }
    }
    let material = args.gather(global, parcel)?;
    let snapshots = material.snapshots()?;
    let resolver = OfflineResolver::new(&snapshots);
    let holder = args.audience.as_deref().map(parse_did).transpose()?;
    let content = parcel.content.as_deref().unwrap_or_default();
    let received: Received<Refusal> =
        request::receive(content, holder.as_ref(), &resolver, material.at)?;
    let (refusal, report) = (&received.statement, &received.report);
    let (outcome, deciding) = (report.outcome(), report.deciding());
    let mut text = match (outcome, deciding) {
        (Outcome::Passed, _) => "PASSED\n".to_owned(),
        (_, None) => "CANNOT BE DECIDED\n".to_owned(),
        (Outcome::Failed, Some(c)) => format!("FAILED: {} [{}]\n", shown(&c.sentence), c.code),
        (Outcome::Indeterminate, Some(c)) => {
            format!("CANNOT BE DECIDED: {} [{}]\n", shown(&c.sentence), c.code)
        }
    };
    text.push_str(&format!(
        "{} refuses {} to {}\n  reason: {}\n  request: {}\n  signed: {}\n{}",
        refusal.issuer,
        refusal.role,
        refusal.holder,
        shown(&refusal.reason),
        refusal.request,
        received.signed,
        checks_text(&report.checks)
    ));
    if let Some(check) = deciding.filter(|_| outcome != Outcome::Passed) {
        let next = match check.code {
            PROOF_EXPIRED => format!(
                "It counts for 30 days. Whether it did then is said as of that time: add --at {}",
                received.signed
            ),
            code => code.0.remedy.to_owned(),
        };
        text.push_str(&format!("next: {next}\n"));
    }
    let json = json!({
        "refusal": refusal,
        "signed": received.signed,
        "outcome": outcome,
        "code": deciding.map(|c| c.code),
        "checks": report.checks,
    });
    if args.report.is_some() {
        let mut bytes = canonicalize(&json)
            .map_err(|e| Failure::new(gridpass_identity::codes::INTERNAL, e.to_string()))?;
        bytes.push(b'\n');
        report_file.write(bytes)?;
    }
    let mut answer = Answer::new("gridpass.visa.verify-refusal/1", json, text);
    answer.exit = outcome_exit(outcome, deciding.map(|c| c.code));
    args.tell_of_wallet(&mut answer);
    Ok(answer)
}

/// What the file is about, and whether that is a presentation.
fn read(bytes: &[u8]) -> Result<(Parcel, bool), Failure> {
    match Parcel::parse_or_bare(bytes, ParcelKind::Presentation) {
        Err(ParcelError::Kind { .. }) => {
            Ok((Parcel::parse_or_bare(bytes, ParcelKind::Visa)?, false))
        }
        Err(e) => Err(e.into()),
        Ok(parcel) => {
            let content = parcel.content.as_deref().unwrap_or_default();
            // A bare text: a visa reads as one.
            let visa = Secured::parse(content.as_bytes(), Kind::Credential).is_ok();
            let presentation = Secured::parse(content.as_bytes(), Kind::Presentation).is_ok();
            let is_visa = visa && (!presentation || !content.contains("VerifiablePresentation"));
            Ok((parcel, !is_visa))
        }
    }
}
