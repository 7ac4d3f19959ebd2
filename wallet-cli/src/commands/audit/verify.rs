//! `gridpass audit verify`.

use super::{csv, html, outputs, text};
use crate::beside::Beside;
use crate::commands::arguments::trimmed;
use crate::commands::resolve::parse_time;
use crate::context::{GlobalArgs, MAX_INPUT, now, read_input};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, mark, outcome_exit};
use crate::shown::shown;
use clap::Args;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::keeping;
use gridpass_credentials::trust::{Trust, TrustError};
use gridpass_identity::resolve::{NoSnapshots, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::{Bundle, Report, Sample, Shown, verify_beside};
use gridpass_messaging::envelope::{Envelope, MAX_PAYLOAD};
use gridpass_policy::channel::SignedChannel;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Verify an evidence bundle, offline: what holds, what does not, what cannot be decided
///
/// Nothing is read but the bundle, the trust pack, and what your wallet knows of DIDs, if its secret is given
/// or the pack is the one pinned there; nothing is asked of a network.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass audit verify bids.car --trust trust.json\n  \
     gridpass audit verify bids.car --trust trust.json --at 2026-04-01T00:00:00Z --report report.json\n  \
     gridpass audit verify bids.car --trust trust.json --explain bafyrei…\n  \
     gridpass audit verify bids.car --trust trust.json --sample 200 --seed 7 --html report.html\n  \
     gridpass audit verify withheld.car --trust trust.json --payload bid.json\n  \
     gridpass audit verify bids.car --trust trust.json --channel bids.again.json"
))]
pub struct VerifyArgs {
    /// The bundle
    file: PathBuf,
    /// The trust pack to verify by, which never comes with the bundle [default: the one pinned in the
    /// wallet]
    #[arg(long, value_name = "PACK")]
    trust: Option<PathBuf>,
    /// The CID that the trust pack must have, as its signers told you
    #[arg(long, value_name = "CID", requires = "trust")]
    pin: Option<String>,
    /// The time of verification (RFC 3339, UTC) [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Look at so many messages, one or more, chosen by the seed, instead of all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,
    /// What chooses them: the same seed chooses the same
    #[arg(long, value_name = "S", default_value_t = 0, requires = "sample")]
    seed: u64,
    /// A payload that is withheld, shown beside the bundle: it is held against what was signed, and against
    /// its schema. May be given several times
    #[arg(long, value_name = "FILE")]
    payload: Vec<PathBuf>,
    /// The channel's descriptor, beside the one in the bundle: where its owner signed it anew, as after one of its
    /// keys was marked as stolen
    #[arg(long, value_name = "FILE")]
    channel: Option<PathBuf>,
    /// Show every check of this message, with the hashes of what it rests on
    #[arg(long, value_name = "ID")]
    explain: Option<String>,
    /// Write the report, as canonical JSON, to this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write a table of the messages to this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the report as one page for people to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Replace these files if they exist
    #[arg(long)]
    force: bool,
}

pub fn run(global: &GlobalArgs, args: &VerifyArgs) -> Outcomes {
    let named = [
        ("--report", args.report.as_ref()),
        ("--csv", args.csv.as_ref()),
        ("--html", args.html.as_ref()),
    ];
    let read: Vec<&Path> = [Some(&args.file), args.trust.as_ref()]
        .into_iter()
        .flatten()
        .chain(&args.payload)
        .chain(&args.channel)
        .map(PathBuf::as_path)
        .collect();
    outputs::check(&named, &read, args.force)?;
    let at = args.at.as_deref().map(parse_time).transpose()?.unwrap_or_else(now);
    let (pack, beside) = trust_pack(global, args)?;
    let bytes = super::read(&args.file)?;
    let bundle = Bundle::parse(&bytes)?;
    let sample = args.sample.map(|size| Sample { size, seed: args.seed });
    let (mut beside_it, ids) = payloads(&args.payload, &bundle)?;
    if let Some(path) = &args.channel {
        beside_it.add_channel(channel(path, &bundle)?);
    }
    let known: &dyn SnapshotStore = match &beside {
        Some(beside) => beside,
        None => &NoSnapshots,
    };
    let report = verify_beside(&bundle, &pack, at, sample, &beside_it, known)
        .map_err(|e| refused(e, &pack, at))?;
    let mut files: Vec<(&Path, Vec<u8>)> = Vec::new();
    if let Some(path) = &args.report {
        let mut bytes = report
            .to_json()
            .map_err(|e| Failure::new(gridpass_identity::codes::INTERNAL, e.to_string()))?;
        bytes.push(b'\n');
        files.push((path, bytes));
    }
    if let Some(path) = &args.csv {
        files.push((path, csv::table(&report).into_bytes()));
    }
    if let Some(path) = &args.html {
        files.push((path, html::page(&report).into_bytes()));
    }
    let mut answer = answer(args, &report)?;
    answer.text.push_str(&of_payloads(&report, &ids)?);
    outputs::write(files, args.force)?;
    Ok(answer)
}

/// The pack, and what a wallet here knows of DIDs beside it.
fn trust_pack(
    global: &GlobalArgs,
    args: &VerifyArgs,
) -> Result<(Vec<u8>, Option<Beside>), Failure> {
    let Some(path) = &args.trust else {
        let wallet = global.wallet_of_trust()?;
        return Ok((keeping::pinned_bytes(&wallet)?, Some(Beside::of(wallet))));
    };
    let limit = u64::try_from(gridpass_credentials::trust::LIMITS.bytes).unwrap_or(u64::MAX);
    let bytes = trimmed(&read_input(path, limit)?).to_vec();
    if let Some(pin) = &args.pin {
        ContentId::parse(pin)?.verify(&bytes)?;
    }
    Ok((bytes, Beside::open(global)))
}

/// Files of payloads, and what they hash to.
type Ids<'a> = Vec<(&'a Path, ContentId)>;

/// Payloads that are shown. One that no message has is somebody's mistake, or something else than was signed.
fn payloads<'a>(files: &'a [PathBuf], bundle: &Bundle<'_>) -> Result<(Shown, Ids<'a>), Failure> {
    let (mut all, mut ids) = (Shown::default(), Vec::new());
    if files.is_empty() {
        return Ok((all, ids));
    }
    let entries = bundle.entries().messages.iter();
    let envelopes = entries.filter_map(|m| Envelope::parse_block(bundle.block(&m.envelope)?).ok());
    let signed: BTreeSet<ContentId> = envelopes.map(|e| e.payload_id().clone()).collect();
    for path in files {
        let limit = u64::try_from(MAX_PAYLOAD).unwrap_or(u64::MAX);
        let id = all.add(read_input(path, limit)?.to_vec())?;
        if !signed.contains(&id) {
            let message = format!("{} is {id}, which no message here has", path.display());
            return Err(Failure::new(gridpass_credentials::codes::CID_OTHER, message).next(
                "Give the payload byte for byte as it was sent; of a sealed message, the sealed bytes.",
            ));
        }
        ids.push((path.as_path(), id));
    }
    Ok((all, ids))
}

/// The descriptor of the bundle's channel. Another is somebody's mistake.
fn channel(path: &Path, bundle: &Bundle<'_>) -> Result<SignedChannel, Failure> {
    let channel = SignedChannel::parse(trimmed(&read_input(path, MAX_INPUT)?))?;
    let selected = &bundle.manifest().selection.channel;
    if channel.id() == selected {
        return Ok(channel);
    }
    let message =
        format!("{} is {}, and the bundle is of {selected}", path.display(), channel.id());
    Err(Failure::new(gridpass_credentials::codes::CID_OTHER, message)
        .next("Ask the channel's owner for the descriptor of this CID, with its newest signature."))
}

/// What came out for each payload that was shown.
fn of_payloads(report: &Report, ids: &Ids<'_>) -> Result<String, Failure> {
    let mut text = String::new();
    for (path, id) in ids {
        let path = shown(path.display());
        let checks = report.messages.iter().filter_map(|message| {
            let check = message.checks.iter().find(|check| check.name == "payload")?;
            check.evidence.iter().any(|e| **e == *id.as_str()).then_some((message, check))
        });
        let before = text.len();
        for (message, check) in checks {
            let (word, sentence) = (mark(check.outcome), shown(&check.sentence));
            let id = shown(&message.id);
            text.push_str(&format!("\n{path}: message {id}\n  {word} {sentence}"));
        }
        if text.len() == before {
            let message = format!("{path} is of a message that the sample leaves out");
            return Err(Failure::new(gridpass_credentials::codes::NOT_KEPT, message)
                .next("Show payloads without --sample, so that every message is looked at."));
        }
    }
    Ok(text)
}

/// Why the trust pack does not hold, for somebody who can only bring another, or another time.
fn refused(error: TrustError, pack: &[u8], at: UnixMillis) -> Failure {
    let was_read = matches!(error, TrustError::Refused(_));
    let mut failure = Failure::from(error);
    if !was_read {
        return failure;
    }
    let today = Trust::open(pack, None, now()).ok().map(|t| t.charter().charter().dated);
    if let Some(dated) = today.filter(|dated| *dated > at) {
        failure.message =
            format!("the trust pack is of {dated}, and {at} is before: {}", failure.message);
        return failure.next(format!(
            "Verify as of {dated} or later, or by the trust pack that was in force at {at}."
        ));
    }
    failure.next(
        "Ask the signers for the pack again: `gridpass charter verify PACK` says what does not hold of this one.",
    )
}

fn answer(args: &VerifyArgs, report: &Report) -> Outcomes {
    let shown = match &args.explain {
        None => text::summary(report),
        Some(id) => {
            let message = report.messages.iter().find(|m| &m.id == id).ok_or_else(|| {
                let of = if report.sample.is_some() { "sample of the bundle" } else { "bundle" };
                let message = format!("the {of} has no message {id}");
                Failure::new(gridpass_credentials::codes::NOT_KEPT, message).next(
                    match EnvelopeId::parse(id) {
                        Ok(_) => "--csv FILE writes a table of those that it has.",
                        Err(_) => {
                            "A message's id begins with bafyrei and has 59 characters; --csv FILE writes a table of \
                             those that the bundle has."
                        }
                    },
                )
            })?;
            text::explained(report, message)
        }
    };
    let mut answer = Answer::new("gridpass.audit.verify/1", json!(report), shown);
    // Whatever decided it: what ends otherwise is no verdict.
    answer.exit = outcome_exit(report.outcome, None);
    Ok(answer)
}
