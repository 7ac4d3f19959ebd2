//! `gridpass charter`: the roots of a trust framework and what they agreed on.

mod args;
mod change;
mod draft;
mod publish;
mod show;

pub use args::CharterCommand;

use super::arguments::trimmed;
use super::replacing::{self, with_agreement, with_way_out};
use super::resolve::parse_time;
use crate::context::{GlobalArgs, MAX_INPUT, now, read_input, rng};
use crate::output::{Answer, Failure, Outcomes, counted};
use crate::shown::shown;
use crate::warnings::warn;
use args::{PackArgs, VerifyArgs};
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::trust::{Comparison, Trust, TrustError};
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use serde_json::{Value, json};

pub fn run(global: &GlobalArgs, command: &CharterCommand) -> Outcomes {
    match command {
        CharterCommand::New(args) => change::new(global, args),
        CharterCommand::Sign(args) => change::sign(global, args),
        CharterCommand::AddRole(args) => change::add_role(global, args),
        CharterCommand::Retire(args) => change::retire(global, args),
        CharterCommand::Amend(args) => change::amend(global, args),
        CharterCommand::Publish(args) => publish::run(global, args),
        CharterCommand::Show(args) => show::run(global, args),
        CharterCommand::Verify(args) => verify(global, args),
        CharterCommand::Pack(args) => pack(global, args),
    }
}

/// The trust pack that is pinned, where one is.
fn pinned(wallet: &Wallet) -> Result<Option<Trust>, Failure> {
    match keeping::pinned(wallet, now()) {
        Ok(trust) => Ok(Some(trust)),
        Err(KeepError::NoTrust) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn verify(global: &GlobalArgs, args: &VerifyArgs) -> Outcomes {
    let at: UnixMillis = args.at.as_deref().map(parse_time).transpose()?.unwrap_or_else(now);
    let ends = args.replace.ends()?;
    if !ends.is_empty() && !args.adopt {
        let message = "--replace-log goes with --adopt: what is not pinned replaces nothing";
        return Err(Failure::new(crate::codes::USAGE, message));
    }
    let bytes = read_input(&args.pack, MAX_INPUT)?;
    let pin = args.pin.as_deref().map(ContentId::parse).transpose()?;
    let schema = "gridpass.charter.verify/1";
    let trust = match Trust::open(trimmed(&bytes), pin.as_ref(), at) {
        Ok(trust) => trust,
        Err(TrustError::Refused(mut report)) => {
            // Signatures from the future do not count: that is the consequence, and not the cause.
            let future = gridpass_identity::codes::SIGNED_IN_FUTURE;
            report.checks.sort_by_key(|c| c.outcome != Outcome::Failed || c.code != future);
            return Ok(Answer::new(schema, json!({}), "The trust pack does not hold.\n")
                .with_report(&report));
        }
        Err(e) if pin.is_some() && e.code() == credential_codes::CID_OTHER => {
            return Err(other_pack(e, trimmed(&bytes), at));
        }
        Err(e) => return Err(e.into()),
    };
    let charter = trust.charter().charter();
    let age = counted(at.millis_since(charter.dated) / 1000 / 86_400, "day", "days");
    let mut text = format!(
        "trust pack {}\n{:?}, version {}, in force since {} ({age})\n",
        trust.id(),
        charter.name,
        charter.version,
        charter.dated
    );
    let mut json = json!({
        "pack": trust.id(),
        "charter": trust.charter().id(),
        "name": charter.name,
        "version": charter.version,
        "dated": charter.dated,
        "pinned": args.adopt,
    });
    let mut report = trust.report().clone();
    if args.adopt {
        let mut wallet = global.wallet()?;
        let replaced = keeping::replaces(&wallet, &trust, &ends, at)?;
        let left = keeping::leaves(&wallet, &trust, at)?;
        args.replace.confirm(&replaced, global)?;
        // Another framework, the other charter of a fork, or another document of a did:web, only with the CID
        // that was told.
        let (pack, told) = (trimmed(&bytes), pin.is_some());
        keeping::pin_replacing(&mut wallet, pack, told, &ends, at, &mut rng())
            .map_err(|e| adopting(e, args))?;
        text.push_str("It is pinned in this wallet.\n");
        if let Some(left) = left {
            text.push_str(&format!(
                "charter {} counts no more here: it contradicts this one, and is kept as proof\nnext: to every \
                 node, too: `gridpass node add PACK --pin {}`\n",
                left.before,
                trust.id()
            ));
            if let Value::Object(map) = &mut json {
                map.insert("left".into(), json!({"before": left.before, "after": left.after}));
            }
        }
        for line in replacing::told(&replaced) {
            text.push_str(&format!("{line}\n"));
        }
        if let (false, Value::Object(map)) = (replaced.is_empty(), &mut json) {
            map.insert("replaced".into(), json!(replaced));
            text.push_str(
                "next: to every node, too: `gridpass node add PACK --replace-log DID=VERSION`\n",
            );
        }
    } else if args.compare {
        compare_with_pinned(global, &trust, at, &mut report)?;
    }
    Ok(Answer::new(schema, json, text).with_report(&report))
}

/// A pack of another name than the one that was told. One that holds may be a genuine one of the same charter: each
/// signer's brings what that signer knows.
fn other_pack(error: TrustError, pack: &[u8], at: UnixMillis) -> Failure {
    let failure = Failure::from(error);
    let Ok(trust) = Trust::open(pack, None, at) else { return failure };
    let charter = trust.charter();
    failure.next(format!(
        "It is another pack than the one whose CID you were told, of the charter {} of {}, version {}. Packs of one charter that \
         several signers made differ: take the one that was published, whose CID was told, and use no other.",
        charter.id(),
        shown(&charter.charter().name),
        charter.charter().version
    ))
}

/// Another framework, or a charter that contradicts the one that is held, takes its place only with the CID that
/// was told.
fn adopting(error: KeepError, args: &VerifyArgs) -> Failure {
    let unrelated = matches!(error, KeepError::NotNewer(Comparison::Unrelated));
    let command = format!("gridpass charter verify {} --adopt", args.pack.display());
    let failure = with_way_out(Failure::from(error), &command);
    let file = args.pack.display();
    let failure =
        with_agreement(failure, &format!("gridpass charter verify {file} --pin CID --adopt"));
    if unrelated {
        return failure.next(format!(
            "If it is to take the place of the framework that this wallet holds, give the CID that its \
             signers told you: `gridpass charter verify {} --pin CID --adopt`. To work in both, use a wallet for each.",
            args.pack.display()
        ));
    }
    failure
}

fn compare_with_pinned(
    global: &GlobalArgs,
    trust: &Trust,
    at: UnixMillis,
    report: &mut Report,
) -> Result<(), Failure> {
    let wallet = global.wallet()?;
    let held = keeping::pinned(&wallet, at)?;
    let name = "pinned";
    report.push(match trust.compare(&held) {
        Comparison::Same => Check::passed(
            name,
            credential_codes::CHARTER_FOLLOWS,
            "it is the charter that is pinned",
        ),
        Comparison::Newer => Check::passed(
            name,
            credential_codes::CHARTER_FOLLOWS,
            "it goes on from the charter that is pinned",
        ),
        Comparison::Older => Check::failed(
            name,
            credential_codes::CHARTER_ROLLBACK,
            "a newer charter is pinned in the wallet",
        ),
        Comparison::Fork => Check::failed(
            name,
            credential_codes::CHARTER_FORK,
            "it contradicts the charter that is pinned",
        ),
        Comparison::Unrelated => Check::indeterminate(
            name,
            credential_codes::CHARTER_UNRELATED,
            "another framework is pinned",
        ),
    });
    // Nobody signs which logs a pack brings.
    let logs = match trust.beside(Some(&held), &wallet, at) {
        Ok(logs) => logs,
        Err(e) => {
            report.push(Check::failed("logs", e.code(), e.to_string()));
            return Ok(());
        }
    };
    for (did, _) in logs.iter().filter(|(did, log)| !trust.has_log(did, log)) {
        let sentence =
            format!("the wallet knows the log of {did} further than the pack: it stays known");
        report.push(Check::passed("logs", credential_codes::CHARTER_FOLLOWS, sentence));
    }
    Ok(())
}

fn pack(global: &GlobalArgs, args: &PackArgs) -> Outcomes {
    args.output.check()?;
    let wallet = global.wallet()?;
    let trust = keeping::pinned(&wallet, now())?;
    let bytes = keeping::pinned_bytes(&wallet)?;
    warn_of_older_logs(&wallet, &trust);
    let json = json!({"pack": trust.id(), "charter": trust.charter().id()});
    let next = match trust.charter().charter().rule.signers.len() > 1 {
        // Each signer's own differs, and all of them would tell another CID.
        true => {
            "what everybody is to pin is the pack that one signer published, and the CID that `gridpass charter \
             publish` told: adopt that one here first, `gridpass charter verify FILE --adopt`"
        }
        false => {
            "send it to every participant, and tell them this CID by another way: `gridpass charter verify FILE --pin \
             CID --adopt`"
        }
    };
    let text = format!("trust pack {}\nnext: {next}", trust.id());
    let answer = Answer::new("gridpass.charter.pack/1", json, text);
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}

/// Warns where the pinned pack has not the newest log of somebody whom it names: whoever pins it learns nothing
/// of a stolen key, and it takes the place of no log.
fn warn_of_older_logs(wallet: &Wallet, trust: &Trust) {
    let logs = match trust.beside(Some(trust), wallet, now()) {
        Ok(logs) => logs,
        Err(e) => return warn(Some(e.code()), e),
    };
    for (did, _) in logs.iter().filter(|(did, log)| !trust.has_log(did, log)) {
        warn(
            None,
            format!(
                "this wallet knows the log of {did} further than the pack. A signer makes a pack with that log \
                 from this one: `gridpass charter sign PACK -o NEWPACK`"
            ),
        );
    }
}
