//! `gridpass seal` and `gridpass open`.

use super::sign::{identity, verification_answer};
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, read_text};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, beside, counted};
use crate::resolving::{LazyResolver, parse_did, parse_dids};
use clap::Args;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::jwe::{self, JweIn};
use gridpass_identity::jws::JwsIn;
use gridpass_identity::report::{Check, Report};
use gridpass_identity::verify::{Expectation, verify_jws};
use serde_json::json;
use std::path::PathBuf;

/// Sign a file for its recipients, then seal it so that only they can read it
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass seal bid.xml --to did:web:tso.example -o bid.jwe\n  \
     gridpass seal bid.xml --to did:key:z6Mk… --to did:key:zDn… --sign-with root\n  \
     gridpass seal note.txt --to did:key:z6Mk… --unsigned"
))]
pub struct SealArgs {
    /// The file; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Who can open it, by DID; may be given several times
    #[arg(long, value_name = "DID", required = true)]
    to: Vec<String>,
    /// The identity that signs, by name or DID; needed only where there are several
    #[arg(long, value_name = "NAME")]
    sign_with: Option<String>,
    /// Do not sign: nobody will be able to say who sent it
    #[arg(long, conflicts_with = "sign_with")]
    unsigned: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Open a sealed file and verify the signature inside
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass open bid.jwe -o bid.xml\n  \
     gridpass open bid.jwe --from did:web:agg.example -o bid.xml\n  \
     gridpass open bid.jwe --keep-signature -o bid.jws      for an auditor\n  \
     (the content is written only if every check passed)"
))]
pub struct OpenArgs {
    /// The sealed file; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Who must have signed it, by DID
    #[arg(long, value_name = "DID")]
    from: Option<String>,
    /// Write the signed form inside, which others can verify, instead of the content
    #[arg(long)]
    keep_signature: bool,
    /// Accept content that nobody signed
    #[arg(long)]
    insecure_accept_unsigned: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub fn seal(global: &GlobalArgs, args: &SealArgs) -> Outcomes {
    args.output.check()?;
    let recipients = parse_dids(&args.to)?;
    let payload = read_input(&args.file, MAX_INPUT / 2)?;
    // Sealing alone needs no wallet of ours; signing does.
    let wallet = global.wallet()?;
    let from =
        if args.unsigned { None } else { Some(identity(&wallet, args.sign_with.as_deref())?) };
    let resolver = LazyResolver::with_wallet(global, wallet);
    let wallet = resolver.wallet.get().ok_or_else(|| {
        Failure::new(gridpass_identity::codes::INTERNAL, "the wallet was just opened")
    })?;
    let sealed = wallet.seal(&payload, &recipients, from.as_ref(), &resolver, now())?;
    let json = json!({
        "jwe": sealed,
        "to": recipients,
        "from": from.as_ref().map(|i| &i.did),
    });
    let answer = |text| Answer::new("gridpass.seal/1", json, text);
    Ok(match args.output.write(format!("{sealed}\n").into_bytes())? {
        Some(raw) => answer(String::new()).with_raw(raw),
        None => {
            let from = from.map_or("unsigned".into(), |i| format!("signed as {}", i.name));
            let to = counted(recipients.len(), "recipient", "recipients");
            answer(format!("Sealed to {to}, {from}"))
        }
    })
}

pub fn open(global: &GlobalArgs, args: &OpenArgs) -> Outcomes {
    args.output.check()?;
    let from = args.from.as_deref().map(parse_did).transpose()?;
    let limit = u64::try_from(jwe::MAX_LENGTH).unwrap_or(u64::MAX);
    let jwe =
        JweIn::parse(&read_text(&args.file, limit, gridpass_identity::codes::JWE_MALFORMED)?)?;
    let wallet = global.wallet()?;
    let opened = wallet.open(&jwe)?;
    let resolver = LazyResolver::with_wallet(global, wallet);
    let content = opened.content.expose_secret();
    if !opened.signed {
        return unsigned(args, content, from.as_ref());
    }
    let text = std::str::from_utf8(content).map_err(|_| {
        Failure::new(gridpass_identity::codes::JWS_MALFORMED, "what was sealed is not a JWS")
    })?;
    let jws = JwsIn::parse(text)?;
    let expect = Expectation {
        purpose: Relationship::Authentication,
        now: now(),
        proven_at: None,
        signer: from,
        // Sealed to this identity, so it must be addressed to it too.
        audience: Some(opened.key_id.did().clone()),
    };
    let verification = verify_jws(&jws, None, &resolver, &expect)?;
    let answer = verification_answer("gridpass.open/1", &verification, resolver.asked());
    let Some(payload) = verification.payload() else { return Ok(answer) };
    let bytes = if args.keep_signature { content } else { payload };
    finish(args, answer, bytes)
}

fn unsigned(args: &OpenArgs, content: &[u8], from: Option<&Did>) -> Outcomes {
    let mut report = Report::default();
    if args.insecure_accept_unsigned && from.is_none() {
        let sentence = "opened; nobody signed it, and it was accepted all the same";
        report.push(Check::passed("sealed", gridpass_identity::codes::SEALED_UNSIGNED, sentence));
        let answer = Answer::new("gridpass.open/1", json!({ "signer": null }), "");
        return finish(args, answer.with_report(&report), content);
    }
    let sentence = "nobody signed it, so nobody can say who sent it";
    report.push(Check::indeterminate("signature", gridpass_identity::codes::UNSIGNED, sentence));
    let answer = Answer::new("gridpass.open/1", json!({ "signer": null }), "");
    Ok(answer.with_report(&report))
}

fn finish(args: &OpenArgs, mut answer: Answer, content: &[u8]) -> Outcomes {
    if let Some(raw) = args.output.write_private(content.to_vec())? {
        beside(&answer);
        return Ok(answer.with_document(raw));
    }
    let file = args.output.file().map(|p| p.display().to_string());
    answer.json.insert("file".into(), json!(file));
    Ok(answer)
}
