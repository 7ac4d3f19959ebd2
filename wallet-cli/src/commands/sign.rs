//! `gridpass sign` and `gridpass verify-signature`.

use super::resolve::{GivenArgs, OR_WITHOUT_WALLET, parse_time};
use crate::codes;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, if_too_large, now, read_input, read_text};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, beside};
use crate::resolving::{LazyResolver, WalletAsked, is_unasked, parse_audience, parse_did};
use crate::warnings::hint;
use clap::{Args, ValueEnum};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::jws::{JwsIn, MAX_COMPACT};
use gridpass_identity::report::Outcome;
use gridpass_identity::verify::{Expectation, Verification, verify_jws};
use gridpass_identity::wallet::identities::{Identity, IdentityError, IdentityKind};
use gridpass_identity::wallet::messages::Signing;
use gridpass_identity::wallet::{Wallet, WalletError};
use serde_json::json;
use std::path::PathBuf;

/// A detached payload is read whole; 1 GiB.
const MAX_DETACHED: u64 = 1024 * 1024 * 1024;

/// What a signature is made for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Purpose {
    /// To state or issue something (assertionMethod)
    Assertion,
    /// To prove who is speaking (authentication)
    Authentication,
    /// To act or order (capabilityInvocation)
    Invocation,
}

impl From<Purpose> for Relationship {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Assertion => Self::AssertionMethod,
            Purpose::Authentication => Self::Authentication,
            Purpose::Invocation => Self::CapabilityInvocation,
        }
    }
}

/// Sign a file as one of your identities
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass sign report.json -o report.jws\n  \
     gridpass sign model.xml --detached -o model.xml.jws      large or public files\n  \
     echo '{}' | gridpass sign --as root --for did:web:tso.example"
))]
pub struct SignArgs {
    /// The file; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The identity that signs, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    /// What for [default: assertion; for a node's identity authentication]
    #[arg(long, value_enum)]
    purpose: Option<Purpose>,
    /// Sign the bytes as they are and leave them in their file (RFC 7797)
    #[arg(long)]
    detached: bool,
    /// Whom it is for, by DID
    #[arg(long = "for", value_name = "DID")]
    audience: Vec<String>,
    /// The media type of the file, such as json for application/json
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Verify a signed file: who signed, whether the key was theirs then, whether it was changed
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass verify-signature report.jws -o report.json\n  \
     gridpass verify-signature model.xml.jws --payload model.xml --signer did:web:tso.example\n  \
     gridpass verify-signature old.jws --log did.jsonl --at 2026-03-01T00:00:00Z\n  \
     gridpass verify-signature report.jws --log did.jsonl --without-wallet   in a script: no passphrase\n  \
     (the content is written only if every check passed)"
))]
pub struct VerifyArgs {
    /// The signed file; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// The file that a detached signature is of
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// Who must have signed, by DID
    #[arg(long, value_name = "DID")]
    signer: Option<String>,
    /// Whom it must be for, by DID
    #[arg(long, value_name = "DID")]
    audience: Option<String>,
    /// What the key must be for
    #[arg(long, value_enum, default_value = "assertion")]
    purpose: Purpose,
    /// A time at which you know that the signature existed (RFC 3339, UTC) [default: what it claims]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    given: GivenArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// The identity that acts: the one named, or the only participant's there is. Whoever was given up is
/// meant by its name alone, or where there is nobody else, and is refused.
pub fn identity(wallet: &Wallet, name: Option<&str>) -> Result<Identity, Failure> {
    let found = match name {
        Some(name) => wallet.identity(name)?,
        None => the_only(wallet)?,
    };
    if let Some(since) = wallet.deactivated(&found)? {
        let did = found.did.clone();
        return Err(WalletError::from(IdentityError::Deactivated { did, since }).into());
    }
    Ok(found)
}

fn the_only(wallet: &Wallet) -> Result<Identity, Failure> {
    let all = wallet.identities()?;
    let participants: Vec<&Identity> =
        all.iter().filter(|i| i.kind == IdentityKind::Participant).collect();
    let mut living = Vec::new();
    for one in &participants {
        if wallet.deactivated(one)?.is_none() {
            living.push(*one);
        }
    }
    let meant = if living.is_empty() { participants } else { living };
    match (meant.as_slice(), all.as_slice()) {
        ([only], _) => Ok((*only).clone()),
        ([], [only]) => Ok(only.clone()),
        (_, []) => Err(Failure::new(codes::IDENTITY_UNNAMED, "the wallet has no identity")
            .next("Make one with `gridpass id new --name NAME`.")),
        _ => {
            let names: Vec<&str> = all.iter().map(|i| i.name.as_str()).collect();
            let message = format!("the wallet has the identities {}", names.join(", "));
            Err(Failure::new(codes::IDENTITY_UNNAMED, message))
        }
    }
}

pub fn sign(global: &GlobalArgs, args: &SignArgs) -> Outcomes {
    args.output.check()?;
    let audience: Vec<Did> =
        args.audience.iter().map(|text| parse_audience(text)).collect::<Result<_, _>>()?;
    // base64url grows what is carried inside by a third; leave room for the header.
    let limit = if args.detached { MAX_DETACHED } else { MAX_INPUT / 4 * 3 - 64 * 1024 };
    let payload = read_input(&args.file, limit).map_err(|e| match args.detached {
        true => e,
        false => if_too_large(e, "Sign it with --detached, or split it."),
    })?;
    let wallet = global.wallet()?;
    let identity = identity(&wallet, args.identity.as_deref())?;
    let purpose = match (args.purpose, identity.kind) {
        (Some(purpose), _) => purpose.into(),
        (None, IdentityKind::Participant) => Relationship::AssertionMethod,
        (None, IdentityKind::Node) => Relationship::Authentication,
    };
    let signing = Signing {
        purpose,
        unencoded: args.detached,
        content_type: args.content_type.clone(),
        audience,
    };
    let jws = wallet.sign(&identity, &payload, &signing, now())?;
    let json = json!({ "jws": jws, "signer": identity.did, "purpose": purpose });
    let answer = |text| Answer::new("gridpass.sign/1", json, text);
    Ok(match args.output.write(format!("{jws}\n").into_bytes())? {
        Some(raw) => answer(String::new()).with_raw(raw),
        None => answer(format!("Signed as {} ({})", identity.name, identity.did)),
    })
}

pub fn verify(global: &GlobalArgs, args: &VerifyArgs) -> Outcomes {
    args.output.check()?;
    let limit = u64::try_from(MAX_COMPACT).unwrap_or(u64::MAX);
    let jws =
        JwsIn::parse(&read_text(&args.file, limit, gridpass_identity::codes::JWS_MALFORMED)?)?;
    let payload = match &args.payload {
        Some(path) => Some(read_input(path, MAX_DETACHED)?),
        None => None,
    };
    let expect = Expectation {
        purpose: args.purpose.into(),
        now: now(),
        proven_at: args.at.as_deref().map(parse_time).transpose()?,
        signer: args.signer.as_deref().map(parse_did).transpose()?,
        audience: args.audience.as_deref().map(parse_audience).transpose()?,
    };
    let mut resolver = LazyResolver::new(global);
    resolver.without_wallet = args.given.without_wallet;
    if let (Some(snapshot), Some(kid)) = (args.given.snapshot()?, &jws.header().kid) {
        resolver.given = Some((kid.did().clone(), snapshot));
    }
    let verification = verify_jws(&jws, payload.as_deref(), &resolver, &expect)?;
    if expect.signer.is_none() && verification.report.outcome() == Outcome::Passed {
        hint("note: any signer was accepted; name the one you expect with --signer DID");
    }
    if verification.report.checks.iter().any(|check| is_unasked(check.code)) {
        hint(format_args!("note: {OR_WITHOUT_WALLET}"));
    }
    let wants_content = args.output.output.is_some();
    let content = verification.payload().filter(|_| wants_content).map(<[u8]>::to_vec);
    let answer =
        verification_answer("gridpass.verify-signature/1", &verification, resolver.asked());
    let Some(content) = content else { return Ok(answer) };
    Ok(match args.output.write(content)? {
        Some(raw) => {
            beside(&answer);
            answer.with_document(raw)
        }
        None => answer,
    })
}

/// A verification as an answer, and whether it rests on what the wallet knows.
pub fn verification_answer(
    schema: &'static str,
    verification: &Verification,
    asked: WalletAsked,
) -> Answer {
    let signer = verification.signer.as_ref().map_or("nobody", |did| did.as_str());
    let basis = if verification.time_is_claimed { "as claimed" } else { "proven" };
    let mut text = format!("signer: {signer}\njudged as of {} ({basis})\n", verification.at);
    if let Some(age) = verification.age_millis {
        text.push_str(&format!("the signer's document was obtained {} s ago\n", age / 1000));
    }
    text.push_str(asked.line());
    let json = json!({
        "signer": verification.signer,
        "wallet": asked,
        "at": verification.at,
        "time_is_claimed": verification.time_is_claimed,
        "source": verification.source,
        "age_seconds": verification.age_millis.map(|ms| ms / 1000),
    });
    Answer::new(schema, json, text).with_report(&verification.report)
}
