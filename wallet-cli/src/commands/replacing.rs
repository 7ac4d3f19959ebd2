//! The way out of a fork: a log that is known makes room for another end of it, whose hash its owner told.

use crate::codes;
use crate::confirming::confirm;
use crate::context::GlobalArgs;
use crate::output::Failure;
use crate::resolving::parse_did;
use clap::Args;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::trust::{LogPin, Replaced};
use gridpass_identity::codes as identity_codes;

/// For whoever learned a thief's end of a log first.
#[derive(Args)]
pub struct ReplaceArgs {
    /// Let the pack's log of this did:webvh take the place of a known one that contradicts it. VERSION is the
    /// `versionId` of the log's last entry, as the owner of the DID told you by another way. It says which keys
    /// count no more, and asks. May be given several times
    #[arg(long, value_name = "DID=VERSION")]
    replace_log: Vec<String>,
    /// Go on without asking
    #[arg(long, requires = "replace_log")]
    yes: bool,
}

impl ReplaceArgs {
    /// How the logs end that take the place of others.
    pub fn ends(&self) -> Result<Vec<LogPin>, Failure> {
        let read = |text: &String| {
            let parts = text.rsplit_once('=').filter(|(_, version)| !version.is_empty());
            let Some((did, version)) = parts else {
                let message = format!("{text:?} is not DID=VERSION");
                return Err(Failure::new(codes::USAGE, message));
            };
            Ok(LogPin { did: parse_did(did)?, version: version.to_owned() })
        };
        self.replace_log.iter().map(read).collect()
    }

    /// Says what changes, and goes on only if that is wanted.
    pub fn confirm(&self, replaced: &[Replaced], global: &GlobalArgs) -> Result<(), Failure> {
        if self.yes || replaced.is_empty() {
            return Ok(());
        }
        confirm(&told(replaced), "replace", global.secrets.no_input)
    }
}

/// What changes, in lines.
pub fn told(replaced: &[Replaced]) -> Vec<String> {
    let mut lines = Vec::new();
    for Replaced { did, before, after, gone, new } in replaced {
        lines.push(format!("the log of {did} that ends with {before} gives way to {after}"));
        lines.extend(gone.iter().map(|key| format!("this key of it counts no more: {key}")));
        lines.extend(new.iter().map(|key| format!("this key of it counts instead: {key}")));
    }
    lines
}

/// How a wallet learns of another end of a log.
pub const ADOPT: &str = "gridpass charter verify PACK --adopt";

/// Tells the way out, where a log that is known is contradicted.
pub fn with_way_out(failure: Failure, command: &str) -> Failure {
    if failure.code != identity_codes::WEBVH_LOG_INVALID || failure.next.is_some() {
        return failure;
    }
    failure.next(format!(
        "Take neither log on anybody's word: whoever stole a key can write one. Ask the owner of the DID by \
         another way for the `versionId` of its log's last entry; where the known log is the thief's, give the \
         trust pack that has the other: `{command} --replace-log DID=VERSION`."
    ))
}

/// Tells the way out, where the charter that is held is contradicted.
pub fn with_agreement(failure: Failure, command: &str) -> Failure {
    if failure.code != credential_codes::CHARTER_FORK || failure.next.is_some() {
        return failure;
    }
    failure.next(format!(
        "Take neither charter on one signer's word: ask each of them, by another way, on which of the two they \
         agreed, and for the CID of its trust pack. Who holds that one stays; who holds the other leaves it: \
         `{command}`."
    ))
}
