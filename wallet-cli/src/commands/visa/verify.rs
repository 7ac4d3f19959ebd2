//! Verifying a visa or a presentation.

use super::report_answer;
use crate::commands::arguments::TrustArgs;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, read_input};
use crate::help;
use crate::output::{Failure, Outcomes};
use crate::resolving::parse_did;
use clap::Args;
use gridpass_credentials::parcel::{Parcel, ParcelError, ParcelKind};
use gridpass_credentials::secured::{Kind, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{Evidence, Expectation, verify_presentation_with, verify_visa};
use gridpass_identity::resolve::OfflineResolver;
use std::path::PathBuf;

/// Verify a presentation or a visa, offline, and say why
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa verify presentation.json --audience did:webvh:… --nonce n-81\n  \
     gridpass visa verify visa.json --trust trust.json --status lists.json --at 2026-03-01T12:00:00Z\n  \
     gridpass visa verify visa.json --at 2026-03-01T12:00:00Z --clock 2026-03-02T00:00:00Z"
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
    /// Write the report, as canonical JSON, to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

pub fn run(global: &GlobalArgs, args: &VerifyArgs) -> Outcomes {
    let report_file = OutputArgs { output: args.report.clone(), force: false };
    report_file.check()?;
    let bytes = read_input(&args.file, MAX_INPUT)?;
    let (parcel, is_presentation) = read(&bytes)?;
    let material = args.trust.gather(global, &parcel)?;
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
    if is_presentation && args.audience.is_none() {
        let message = "a presentation is made for somebody, and nobody is named";
        return Err(Failure::new(crate::codes::USAGE, message).next(
            "Say to whom it must have been presented with --audience, such as your own DID.",
        ));
    }
    let content = parcel.content.unwrap_or_default();
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
    Ok(report_answer("gridpass.visa.verify/1", &report))
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
