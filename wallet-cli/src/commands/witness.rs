//! `gridpass id witness`: approve somebody's did:webvh log.

use super::sign::identity;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Outcomes};
use crate::shown::shown;
use clap::Args;
use gridpass_identity::did::Did;
use gridpass_identity::method::webvh::{VerifiedEntries, add_witness_proof};
use serde_json::json;
use std::path::PathBuf;

/// Approve the last entry of somebody's did:webvh log, as one of its witnesses
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id witness did:webvh:… --log did.jsonl -o did-witness.json\n  \
     gridpass id witness did:webvh:… --log did.jsonl --witness did-witness.json -o all.json\n  \
     (the log is verified first, and kept: a second history is never approved)"
))]
pub struct WitnessArgs {
    /// The DID whose log it is
    did: String,
    /// The log with the entry to approve
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// The proofs of other witnesses, to add this one to
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// The identity that approves: an Ed25519 did:key; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn run(global: &GlobalArgs, args: &WitnessArgs) -> Outcomes {
    args.output.check()?;
    let did = Did::parse(&args.did)?;
    let log = read_input(&args.log, MAX_INPUT)?;
    let others = match &args.witness {
        Some(path) => Some(read_input(path, MAX_INPUT)?),
        None => None,
    };
    let mut wallet = global.wallet()?;
    let identity = identity(&wallet, args.identity.as_deref())?;
    let (version_id, proof) = wallet.witness(&identity, &did, &log, &mut rng(), now())?;
    let ended = VerifiedEntries::verify(&did, &log, now())?.deactivated();
    let mut file = add_witness_proof(others.as_deref(), &version_id, proof)?;
    file.push(b'\n');
    let json = json!({
        "did": did,
        "version_id": version_id,
        "witness": identity.did,
        "deactivated": ended,
        "content": String::from_utf8_lossy(&file),
    });
    let answer = |text| Answer::new("gridpass.id.witness/1", json, text);
    Ok(match args.output.write(file)? {
        Some(raw) => answer(String::new()).with_raw(raw),
        None => answer(format!(
            "{} approved version {}{}\nnext: give the file back to the owner of the DID, \
             who publishes it beside the log",
            identity.did,
            shown(&version_id),
            ended.map(|_| ", which ends the DID for good").unwrap_or_default(),
        )),
    })
}
