//! `gridpass id resolve`: what is known of a DID, from when, and how old that knowledge is.

use super::replacing::{ADOPT, with_way_out};
use crate::codes;
use crate::context::{GlobalArgs, MAX_INPUT, now, read_input, rng};
use crate::fetch;
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::resolving::{LazyResolver, WalletAsked, is_unasked};
use crate::shown::shown;
use crate::warnings::warn;
use clap::Args;
use gridpass_identity::did::Did;
use gridpass_identity::method::web;
use gridpass_identity::method::webvh::{self, VerifiedEntries};
use gridpass_identity::resolve::{Resolution, Resolver as _, Snapshot, Source};
use gridpass_identity::time::{MAX_CLOCK_SKEW_MILLIS, UnixMillis};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::Identity;
use gridpass_identity::wallet::snapshots::{Fixed, newest_log};
use serde_json::json;
use std::path::PathBuf;

/// Show a DID's document, where it is known from, and how old that is
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id resolve did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp\n  \
     gridpass id resolve did:webvh:… --log did.jsonl --save       received by other means\n  \
     gridpass id resolve did:webvh:… --log did.jsonl --without-wallet   in a script, by the log alone\n  \
     gridpass id resolve did:web:dso.example --fetch --save       the only call that uses a network\n  \
     gridpass id resolve did:webvh:… --at 2026-03-01T00:00:00Z    as of that time"
))]
pub struct ResolveArgs {
    /// The DID
    did: String,
    /// The document that was in force at this time (RFC 3339, UTC)
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    given: GivenArgs,
    /// Fetch the document over HTTPS now
    #[arg(long, conflicts_with_all = ["log", "document"])]
    fetch: bool,
    /// For --fetch: trust the certificate authorities in this PEM file instead of the public ones
    #[arg(long, value_name = "FILE", requires = "fetch")]
    ca_file: Option<PathBuf>,
    /// Keep what was given or fetched in the wallet, dated
    #[arg(long, conflicts_with = "without_wallet")]
    save: bool,
}

/// Files of a DID that came by other means.
#[derive(Args, Clone, Debug, Default)]
pub struct GivenArgs {
    /// The log of a did:webvh (did.jsonl)
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The witness proofs of a did:webvh (did-witness.json)
    #[arg(long, value_name = "FILE", requires = "log")]
    witness: Option<PathBuf>,
    /// The document of a did:web (did.json)
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    document: Option<PathBuf>,
    /// When the files were obtained (RFC 3339, UTC) [default: now]
    #[arg(long, value_name = "TIME")]
    seen: Option<String>,
    /// Judge by what is given alone, without a passphrase: what the wallet knows is not asked, so that a log
    /// that is older than the one it keeps, or was rewritten, is not found out
    #[arg(long)]
    pub without_wallet: bool,
}

/// Where the owner publishes the document or log.
pub fn published_at(identity: &Identity) -> Option<String> {
    match identity.did.method() {
        "web" => web::document_url(&identity.did).ok().map(String::from),
        "webvh" => webvh::log_url(&identity.did).ok().map(String::from),
        _ => None,
    }
}

/// What its owner does with a new log or document. A log that names witnesses counts for nobody before
/// they approved its last entry; one that ends says nothing to who has an older one.
pub fn to_publish(wallet: &Wallet, identity: &Identity) -> Option<String> {
    let (did, name, url) = (&identity.did, &identity.name, published_at(identity)?);
    let log = wallet.webvh_log(did, now()).ok();
    let ended = log.as_ref().is_some_and(|log| log.deactivated().is_some());
    let (answers, told) = match ended {
        false => ("", String::new()),
        true => (
            "   (it answers GP-DID-DEACTIVATED)",
            format!(
                "\n  and give it to the nodes and participants that know the DID: gridpass id export {name} \
                 --parcel -o ended.json\n  (node add, status accept)"
            ),
        ),
    };
    let Some(rule) = log.as_ref().and_then(VerifiedEntries::acting_witness_rule) else {
        let file = if did.method() == "webvh" { "did.jsonl" } else { "did.json" };
        return Some(format!("gridpass id export {name} -o {file}, and publish it at {url}{told}"));
    };
    let witnesses: Vec<&str> = rule.witnesses.iter().map(|w| w.id.as_str()).collect();
    let beside = webvh::witness_url(did).map(String::from).unwrap_or_default();
    Some(format!(
        "gridpass id export {name} -o did.jsonl, and send it to {} of its witnesses: {}.\n  \
         each runs: gridpass id witness {did} --log did.jsonl -o did-witness.json   (with --witness FILE, to \
         add to what another wrote)\n  \
         then: gridpass id resolve {did} --log did.jsonl --witness did-witness.json --save{answers}\n  \
         and publish both, at {url} and {beside}{told}",
        rule.threshold,
        witnesses.join(", "),
    ))
}

/// Reads a time from the command line.
pub fn parse_time(text: &str) -> Result<UnixMillis, Failure> {
    UnixMillis::parse_rfc3339(text).map_err(|e| Failure::new(codes::USAGE, e.to_string()))
}

/// When files were obtained. What is dated ahead would stay the newest, and what is learned until then be
/// passed over, or taken for older.
fn seen_by(text: &str, now: UnixMillis) -> Result<UnixMillis, Failure> {
    let seen = parse_time(text)?;
    if seen > now.plus_millis(MAX_CLOCK_SKEW_MILLIS) {
        let message = format!("the files cannot have been obtained at {seen}: it is {now}");
        return Err(Failure::new(codes::USAGE, message).next(
            "Give the time at which they were obtained, or leave --seen out: then it is now.",
        ));
    }
    // By a clock that is a little ahead of this one.
    Ok(seen.min(now))
}

impl GivenArgs {
    /// The files as a snapshot, where any were given.
    pub fn snapshot(&self) -> Result<Option<Snapshot>, Failure> {
        let Some(path) = self.log.as_ref().or(self.document.as_ref()) else {
            if self.seen.is_some() {
                let message =
                    "--seen says when --log or --document was obtained, and neither is given";
                let next = "Name the file beside it, or leave --seen out.";
                return Err(Failure::new(codes::USAGE, message).next(next));
            }
            return Ok(None);
        };
        let seen = self.seen.as_deref().map(|text| seen_by(text, now())).transpose()?;
        let seen = seen.unwrap_or_else(now);
        let read = |path: &PathBuf| read_input(path, MAX_INPUT);
        let witness = self.witness.as_ref().map(read).transpose()?;
        Ok(Some(Snapshot { seen, confirmed: None, document: read(path)?, witness }))
    }
}

pub fn run(global: &GlobalArgs, args: &ResolveArgs) -> Outcomes {
    let did = Did::parse(&args.did)?;
    let at = args.at.as_deref().map(parse_time).transpose()?;
    let snapshot = match args.given.snapshot()? {
        Some(snapshot) => Some(snapshot),
        None if args.fetch => Some(fetch::snapshot(&did, args.ca_file.as_deref(), now())?),
        None => None,
    };
    let mut resolver = LazyResolver::new(global);
    resolver.without_wallet = args.given.without_wallet;
    if args.save {
        let Some(snapshot) = &snapshot else {
            let message = "--save keeps what --log, --document or --fetch gives";
            return Err(Failure::new(codes::USAGE, message));
        };
        let mut wallet = global.wallet()?;
        save(&mut wallet, &did, snapshot)?;
        for own in wallet.identities()?.iter().filter(|i| i.did == did) {
            if let Err(e) = wallet.check_current(own) {
                warn(Some(e.code()), format_args!("{e}: it signs no more. {}", e.code().0.remedy));
            }
        }
        resolver = LazyResolver::with_wallet(global, wallet);
    } else if let Some(snapshot) = snapshot {
        resolver.given = Some((did.clone(), snapshot));
    }
    let resolution = resolver.resolve(&did).map_err(|e| {
        let unasked = is_unasked(e.code());
        let failure = Failure::from(e);
        if unasked { failure.next(OR_WITHOUT_WALLET) } else { failure }
    })?;
    answer(&resolution, at, resolver.asked()).map_err(|failure| match failure.code {
        gridpass_identity::codes::DID_DEACTIVATED if args.save => {
            let remedy = failure.code.0.remedy;
            failure.next(format!("Its log is kept, and says so from now on. {remedy}"))
        }
        _ => failure,
    })
}

/// Keeps what was given or fetched; where another end of the log is kept, tells the way out.
fn save(wallet: &mut Wallet, did: &Did, snapshot: &Snapshot) -> Result<(), Failure> {
    let Err(e) = wallet.save_snapshot(did, snapshot, &mut rng()) else { return Ok(()) };
    let given = Fixed(vec![snapshot.clone()]);
    let contradicts = did.method() == "webvh" && newest_log(did, &[&*wallet, &given]).is_err();
    let failure = Failure::from(e);
    Err(if contradicts { with_way_out(failure, ADOPT) } else { failure })
}

/// What to do where the wallet is asked, and nobody is there to open it.
pub const OR_WITHOUT_WALLET: &str = "Give the passphrase with --passphrase-file FILE; or judge by what is \
    given alone, without what the wallet knows, with --without-wallet.";

fn answer(resolution: &Resolution, at: Option<UnixMillis>, asked: WalletAsked) -> Outcomes {
    let version = match at {
        Some(at) => resolution.version_at(at).ok_or_else(|| {
            let message = format!("nothing is known of {} as of {at}", resolution.did);
            Failure::new(gridpass_identity::codes::DID_NOT_YET, message)
        })?,
        None => resolution.versions.last().ok_or_else(|| {
            Failure::new(gridpass_identity::codes::INTERNAL, "a resolution has a version")
        })?,
    };
    let Some(document) = &version.document else {
        let since = version.from.map(|t| format!(" since {t}")).unwrap_or_default();
        let message = format!("{} is deactivated{since}", resolution.did);
        return Err(Failure::new(gridpass_identity::codes::DID_DEACTIVATED, message));
    };
    let source = match resolution.source {
        Source::SelfCertifying => "the DID itself: it cannot change",
        Source::VerifiedLog => "its log, every entry verified",
        Source::Snapshot => "what its server sent; unproven for other times",
    };
    let now = now();
    let age = resolution.age_millis(now).map(|ms| format!("{} s", ms / 1000));
    let pretty = serde_json::to_string_pretty(document.as_json())
        .map_err(|e| Failure::new(gridpass_identity::codes::INTERNAL, e.to_string()))?;
    let mut text = format!("{pretty}\nknown from: {source}\n");
    if let Some(id) = &version.version_id {
        text.push_str(&format!("version: {} of {}\n", shown(id), resolution.versions.len()));
    }
    if let (Some(seen), Some(age)) = (resolution.seen, &age) {
        text.push_str(&format!("obtained: {seen}, {age} ago\n"));
    }
    // Section "Deactivate (Revoke)" of did:webvh: said also of a version of before.
    if let Some(since) = resolution.deactivated() {
        text.push_str(&format!("DEACTIVATED since {since}\n"));
    }
    text.push_str(asked.line());
    let json = json!({
        "did": resolution.did,
        "document": document.as_json(),
        "wallet": asked,
        "source": resolution.source,
        "seen": resolution.seen,
        "age_seconds": resolution.age_millis(now).map(|ms| ms / 1000),
        "version_id": version.version_id,
        "version_from": version.from,
        "versions": resolution.versions.len(),
        "deactivated": resolution.deactivated(),
    });
    Ok(Answer::new("gridpass.id.resolve/1", json, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_obtained_at_a_time_to_come() {
        let now = UnixMillis::from_millis(1_772_366_400_000);
        for (seen, expected) in [
            ("2026-03-01T11:59:59Z", Some(1_772_366_399_000)),
            ("2026-03-01T12:05:00Z", Some(now.get())),
            ("2026-03-01T12:05:00.001Z", None),
            ("2099-01-01T00:00:00Z", None),
        ] {
            let found = seen_by(seen, now).map(UnixMillis::get);
            assert_eq!(found.ok(), expected, "{seen}");
        }
    }
}
