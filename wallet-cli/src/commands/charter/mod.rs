//! `gridpass charter`: the roots of a trust framework and what they agreed on.

mod args;

pub use args::CharterCommand;

use super::arguments::{definition, identities_of, parse_duration, trimmed};
use super::resolve::parse_time;
use super::sign::identity;
use crate::content::MaybeStoreArgs;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::output::{Answer, Failure, Outcomes};
use crate::resolving::parse_dids;
use crate::shown::shown;
use args::{
    AmendArgs, CommonArgs, NewArgs, PackArgs, PublishArgs, RetireArgs, ShowArgs, SignArgs,
    VerifyArgs,
};
use gridpass_credentials::charter::{
    Charter, ListedDocument, ListedRole, SignedCharter, SigningRule,
};
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::secured::Signer;
use gridpass_credentials::trust::{Comparison, Trust, TrustError, TrustPack};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::Identity;
use gridpass_messaging::content::PublicDocument;
use serde_json::{Value, json};

pub fn run(global: &GlobalArgs, command: &CharterCommand) -> Outcomes {
    match command {
        CharterCommand::New(args) => new(global, args),
        CharterCommand::Sign(args) => sign(global, args),
        CharterCommand::AddRole(args) => change(global, &args.common, |wallet, charter| {
            for name in &args.roles {
                let (id, definition) = definition(wallet, name)?;
                keeping::keep_definition(wallet, &definition, &mut rng())?;
                list_role(charter, id, &definition);
            }
            Ok(())
        }),
        CharterCommand::Retire(args) => {
            change(global, &args.common, |_, charter| retire(charter, args))
        }
        CharterCommand::Amend(args) => {
            change(global, &args.common, |_, charter| amend(charter, args))
        }
        CharterCommand::Publish(args) => publish(global, args),
        CharterCommand::Show(args) => show(global, args),
        CharterCommand::Verify(args) => verify(global, args),
        CharterCommand::Pack(args) => pack(global, args),
    }
}

fn list_role(
    charter: &mut Charter,
    id: ContentId,
    definition: &gridpass_credentials::role::RoleDefinition,
) {
    if charter.role(&id).is_none() {
        let name = definition.name.clone();
        charter.roles.push(ListedRole { definition: id, name, retired: None, grace_seconds: None });
    }
}

fn new(global: &GlobalArgs, args: &NewArgs) -> Outcomes {
    args.common.output.check()?;
    let mut wallet = global.wallet()?;
    let me = identity(&wallet, args.common.identity.as_deref())?;
    let signers = match parse_dids(&args.signers)? {
        none if none.is_empty() => vec![me.did.clone()],
        signers => signers,
    };
    let roots = match parse_dids(&args.roots)? {
        none if none.is_empty() => signers.clone(),
        roots => roots,
    };
    let rule = SigningRule { threshold: args.threshold.unwrap_or(signers.len()), signers };
    let mut charter = Charter::first(&args.name, roots, rule, now().floor_to_second());
    for name in &args.roles {
        let (id, definition) = definition(&wallet, name)?;
        keeping::keep_definition(&mut wallet, &definition, &mut rng())?;
        list_role(&mut charter, id, &definition);
    }
    finish(wallet, &me, SignedCharter::unsigned(charter)?, &[], &args.common.output)
}

/// The next version of the pinned charter, or of the newest draft that goes on from it.
fn change(
    global: &GlobalArgs,
    common: &CommonArgs,
    edit: impl FnOnce(&mut Wallet, &mut Charter) -> Result<(), Failure>,
) -> Outcomes {
    common.output.check()?;
    let mut wallet = global.wallet()?;
    let me = identity(&wallet, common.identity.as_deref())?;
    let trust = keeping::pinned(&wallet, now())?;
    // The date never goes back, whatever this machine's clock does.
    let dated = now().floor_to_second().max(trust.charter().charter().dated);
    let mut next = trust.charter().charter().next(dated)?;
    edit(&mut wallet, &mut next)?;
    let history = trust.history().to_vec();
    finish(wallet, &me, SignedCharter::unsigned(next)?, &history, &common.output)
}

fn retire(charter: &mut Charter, args: &RetireArgs) -> Result<(), Failure> {
    let on = args.on.as_deref().map(parse_time).transpose()?.unwrap_or(charter.dated);
    let grace = parse_duration(&args.grace)? / 1000;
    let mut found: Vec<_> = charter
        .roles
        .iter_mut()
        .filter(|r| {
            r.definition.as_str() == args.role
                || (r.name.as_str() == args.role && r.retired.is_none())
        })
        .collect();
    let none = || KeepError::NotFound { what: "listed role", name: args.role.clone() };
    match (found.pop(), found.is_empty()) {
        (Some(role), true) => {
            role.retired = Some(on);
            role.grace_seconds = Some(grace);
            Ok(())
        }
        (Some(_), false) => Err(KeepError::Ambiguous { name: args.role.clone() }.into()),
        (None, _) => Err(none().into()),
    }
}

fn amend(charter: &mut Charter, args: &AmendArgs) -> Result<(), Failure> {
    let edit = |list: &mut Vec<Did>, add: &[String], remove: &[String]| -> Result<(), Failure> {
        let add = parse_dids(add)?;
        // What should never have been listed can be taken off.
        let remove = remove.iter().map(|d| Did::parse(d)).collect::<Result<Vec<Did>, _>>()?;
        if let Some(missing) = remove.iter().find(|did| !list.contains(did)) {
            return Err(
                KeepError::NotFound { what: "root or signer", name: missing.to_string() }.into()
            );
        }
        list.retain(|did| !remove.contains(did));
        list.extend(add);
        Ok(())
    };
    edit(&mut charter.roots, &args.add_root, &args.remove_root)?;
    edit(&mut charter.rule.signers, &args.add_signer, &args.remove_signer)?;
    charter.rule.threshold = args.threshold.unwrap_or(charter.rule.threshold);
    for (list, named) in
        [(&mut charter.channels, &args.channel), (&mut charter.schemas, &args.schema)]
    {
        for text in named {
            let (name, cid) = text.split_once('=').ok_or_else(|| {
                let message = format!("{text:?} is not NAME=CID");
                Failure::new(crate::codes::USAGE, message)
            })?;
            let (name, document) = (name.to_owned(), ContentId::parse(cid)?);
            list.retain(|listed| listed.name != name);
            list.push(ListedDocument { name, document });
        }
    }
    Ok(())
}

fn sign(global: &GlobalArgs, args: &SignArgs) -> Outcomes {
    args.common.output.check()?;
    let signed = SignedCharter::parse(&read_input(&args.file, MAX_INPUT)?)?;
    let wallet = global.wallet()?;
    let me = identity(&wallet, args.common.identity.as_deref())?;
    let rule = &signed.charter().rule;
    let history = match keeping::pinned(&wallet, now()) {
        Ok(trust) => trust.history().to_vec(),
        Err(KeepError::NoTrust) => Vec::new(),
        Err(e) => return Err(e.into()),
    };
    let before = history.last().is_some_and(|c| c.charter().rule.signers.contains(&me.did));
    if !rule.signers.contains(&me.did) && !before {
        let message = format!("{} is not a signer of this charter", me.did);
        return Err(Failure::new(credential_codes::CHARTER_SIGNERS_TOO_FEW, message)
            .next("Sign as another identity with --as NAME, or ask the charter's maker."));
    }
    finish(wallet, &me, signed, &history, &args.common.output)
}

/// Signs, keeps, and pins where the signatures suffice; writes the charter.
/// A framework goes on as long as enough of its signers can sign.
fn warn_if_one_key_is_the_end(charter: &Charter) {
    let signers = charter.rule.signers.len();
    if signers > 1 && charter.rule.threshold == signers {
        crate::warnings::warn(
            None,
            format!(
                "all {signers} signers must sign: where one of their keys is lost, or marked as stolen, no \
             further charter can be made and the framework ends. Let more sign than must: --threshold {}",
                signers.saturating_sub(1)
            ),
        );
    }
}

fn finish(
    mut wallet: Wallet,
    me: &Identity,
    mut signed: SignedCharter,
    history: &[SignedCharter],
    output: &OutputArgs,
) -> Outcomes {
    let (key_id, key) = wallet.active_secret(me, Relationship::AssertionMethod)?;
    let time = now().max(signed.charter().dated);
    signed.sign(Signer { key: &key, key_id: &key_id, now: time })?;
    // A charter that this wallet cannot hold is not kept either: it would be the newest to publish.
    let pinned = try_pin(&mut wallet, &signed, history)?;
    keeping::keep_charter(&mut wallet, &signed, &mut rng())?;
    let bytes = format!("{}\n", signed.to_json()).into_bytes();
    let charter = signed.charter();
    warn_if_one_key_is_the_end(charter);
    let mut json = json!({
        "charter": signed.id(),
        "name": charter.name,
        "version": charter.version,
        "signers": signed.named_signers(),
        "threshold": charter.rule.threshold,
        "complete": pinned.is_ok(),
    });
    let head =
        format!("Charter {:?}, version {}\n  CID  {}", charter.name, charter.version, signed.id());
    let text = match &pinned {
        Ok(trust) => {
            if let Value::Object(map) = &mut json {
                map.insert("pack".into(), json!(trust.id()));
            }
            format!(
                "{head}\nIts signatures suffice; it is pinned in this wallet as trust pack\n  CID  {}\n\
                 next: gridpass visa issue --to DID --role {} -o visa.json   (and `gridpass charter pack -o trust.json` for everybody else)",
                trust.id(),
                charter
                    .roles
                    .iter()
                    .find(|r| r.retired.is_none())
                    .map_or("ROLE", |r| r.name.as_str()),
            )
        }
        Err(report) => {
            let why = report.deciding().map(|c| c.sentence.clone()).unwrap_or_default();
            let why = shown(why);
            format!(
                "{head}\nNot in force yet: {why}\nnext: send it to the other signers, each runs \
                 `gridpass charter sign FILE -o SIGNED`; then `gridpass charter publish SIGNED… -o trust.json`"
            )
        }
    };
    let answer = Answer::new("gridpass.charter/1", json, text);
    if output.output.is_none() && pinned.is_ok() {
        return Ok(answer);
    }
    Ok(match output.write(bytes)? {
        // The draft has to go somewhere: to standard output, and the words beside it.
        Some(raw) => {
            crate::warnings::hint(&answer.text);
            answer.with_document(raw)
        }
        None => answer,
    })
}

/// Makes the pack and pins it, or says what is missing.
fn try_pin(
    wallet: &mut Wallet,
    signed: &SignedCharter,
    history: &[SignedCharter],
) -> Result<Result<Trust, Box<Report>>, Failure> {
    let mut charters: Vec<SignedCharter> = history
        .iter()
        .filter(|c| c.charter().version < signed.charter().version)
        .cloned()
        .collect();
    charters.push(signed.clone());
    let bytes = make_pack(wallet, &charters)?;
    match keeping::pin(wallet, &bytes, false, now(), &mut rng()) {
        Ok(trust) => Ok(Ok(trust)),
        Err(KeepError::Trust(TrustError::Refused(report))) => Ok(Err(report)),
        Err(e @ KeepError::NotNewer(Comparison::Unrelated)) => Err(Failure::from(e).next(
            "This wallet holds another framework, and holds one only: make or sign this charter in a \
             wallet of its own, `gridpass init --name NAME`.",
        )),
        Err(e) => Err(e.into()),
    }
}

/// The pack of a history: with every definition that its newest charter lists, and the documents
/// of everybody whom any of its charters names.
fn make_pack(wallet: &Wallet, charters: &[SignedCharter]) -> Result<Vec<u8>, Failure> {
    let known = keeping::definitions(wallet)?;
    let newest = charters.last().map(SignedCharter::charter);
    let listed = newest.map(|c| c.roles.as_slice()).unwrap_or_default();
    let definitions: Vec<_> = listed
        .iter()
        .filter_map(|r| known.iter().find(|(id, _)| id == &r.definition).map(|(_, d)| d))
        .collect();
    let named = charters.iter().map(SignedCharter::charter);
    let dids: Vec<Did> =
        named.flat_map(|c| c.roots.iter().chain(&c.rule.signers)).cloned().collect();
    // A signer who only adopted a pack knows the others from there, and may know more from elsewhere.
    let identities = keeping::identities_for_pack(wallet, pinned(wallet)?.as_ref(), &dids)?;
    Ok(TrustPack::new(charters, &definitions, identities).encode()?.1)
}

fn publish(global: &GlobalArgs, args: &PublishArgs) -> Outcomes {
    args.output.check()?;
    let mut copies = Vec::new();
    for path in &args.files {
        copies.push(SignedCharter::parse(&read_input(path, MAX_INPUT)?)?);
    }
    let mut wallet = global.wallet()?;
    let mut copies = copies.into_iter();
    let merged = match copies.next() {
        Some(first) => first,
        None => {
            let newest = keeping::charters(&wallet)?.pop();
            let none = KeepError::NotFound { what: "charter", name: "of its own".into() };
            newest.ok_or(none)?
        }
    };
    let mut merged = merged;
    for copy in copies {
        merged.merge(&copy)?;
    }
    // What this wallet's own signers added counts too.
    let id = merged.id().clone();
    for kept in keeping::charters(&wallet)?.iter().filter(|k| k.id() == &id) {
        merged.merge(kept)?;
    }
    keeping::keep_charter(&mut wallet, &merged, &mut rng())?;
    let history = match keeping::pinned(&wallet, now()) {
        Ok(trust) => trust.history().to_vec(),
        Err(KeepError::NoTrust) => Vec::new(),
        Err(e) => return Err(e.into()),
    };
    let trust = match try_pin(&mut wallet, &merged, &history)? {
        Ok(trust) => trust,
        Err(report) => {
            let e = TrustError::Refused(report);
            return Err(Failure::new(e.code(), e.to_string()));
        }
    };
    let bytes = keeping::pinned_bytes(&wallet)?;
    // A node that runs for this profile opens no wallet, but this one may be in its way.
    drop(wallet);
    let published = publish_to(global, &args.store, &trust, &bytes)?;
    let json = json!({
        "charter": merged.id(),
        "pack": trust.id(),
        "version": merged.charter().version,
        "published": published,
    });
    let mut text = format!(
        "Charter {:?}, version {}, is in force and pinned\n  trust pack  {}\nnext: send the pack to \
         every participant, and tell them this CID by another way",
        merged.charter().name,
        merged.charter().version,
        trust.id()
    );
    for one in &published {
        text.push_str(&format!("\npublished {} {}", one.what, one.cid));
    }
    let answer = Answer::new("gridpass.charter.publish/1", json, text);
    if args.output.output.is_none() {
        return Ok(answer);
    }
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}

/// A document that was published with a charter.
#[derive(serde::Serialize)]
struct Published {
    what: &'static str,
    cid: ContentId,
    at: Vec<String>,
}

/// Publishes the pack, the charter that it ends with, and what that lists, where a store is named.
fn publish_to(
    global: &GlobalArgs,
    store: &MaybeStoreArgs,
    trust: &Trust,
    pack: &[u8],
) -> Result<Vec<Published>, Failure> {
    let Some(mut store) = store.open(global)? else { return Ok(Vec::new()) };
    let (_, charter) = ContentId::of_json(trust.charter().charter())?;
    let mut documents = vec![("trust pack", pack.to_vec()), ("charter", charter)];
    for (_, role) in trust.definitions() {
        documents.push(("role definition", role.definition.encode()?.1));
    }
    let mut published = Vec::new();
    for (what, bytes) in documents {
        let document = PublicDocument::read(trimmed(&bytes))?;
        let kept = store.publish(&document)?;
        published.push(Published { what, cid: document.id, at: kept.at });
    }
    Ok(published)
}

fn show(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    let signed = match &args.file {
        None => keeping::pinned(&global.wallet()?, now())?.charter().clone(),
        Some(path) => {
            let bytes = read_input(path, MAX_INPUT)?;
            match serde_json::from_slice::<Value>(&bytes) {
                // A pack: its newest charter.
                Ok(value)
                    if value
                        .get("type")
                        .is_some_and(|t| t == gridpass_credentials::trust::TYPE) =>
                {
                    let charters = value.get("charters").and_then(Value::as_array);
                    let newest = charters.and_then(|l| l.last()).cloned();
                    SignedCharter::from_json(newest.unwrap_or_default())?
                }
                _ => SignedCharter::parse(&bytes)?,
            }
        }
    };
    let charter = signed.charter();
    let mut text = format!(
        "{}\n  version   {} of {}\n  CID       {}\n  previous  {}\n  rule      {} of {} signers\n",
        shown(&charter.name),
        charter.version,
        charter.dated,
        signed.id(),
        charter.previous.as_ref().map_or("(it is the first)", ContentId::as_str),
        charter.rule.threshold,
        charter.rule.signers.len(),
    );
    let named = signed.named_signers();
    for did in &charter.rule.signers {
        let mark = if named.contains(did) { "signed" } else { "      " };
        text.push_str(&format!("  signer    {mark} {did}\n"));
    }
    for did in &charter.roots {
        text.push_str(&format!("  root      {did}\n"));
    }
    for role in &charter.roles {
        let state = role.retired.map(|t| {
            let end = t.plus_millis(role.grace_seconds.unwrap_or(0).saturating_mul(1000));
            format!("  (retired {t}, grace until {end})")
        });
        text.push_str(&format!(
            "  role      {} {}{}\n",
            role.name,
            role.definition,
            state.unwrap_or_default()
        ));
    }
    for (what, list) in [("schema", &charter.schemas), ("channel", &charter.channels)] {
        for listed in list {
            text.push_str(&format!("  {what:<9} {} {}\n", shown(&listed.name), listed.document));
        }
    }
    if args.file.is_some() {
        text.push_str("Nothing was verified; that is `gridpass charter verify PACK`.");
    }
    let json = json!({"charter": charter, "cid": signed.id(), "signers": named, "verified": args.file.is_none()});
    Ok(Answer::new("gridpass.charter.show/1", json, text))
}

fn verify(global: &GlobalArgs, args: &VerifyArgs) -> Outcomes {
    let at: UnixMillis = args.at.as_deref().map(parse_time).transpose()?.unwrap_or_else(now);
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
        Err(e) => return Err(e.into()),
    };
    let charter = trust.charter().charter();
    let age = at.millis_since(charter.dated) / 1000 / 86_400;
    let mut text = format!(
        "trust pack {}\n{:?}, version {}, in force since {} ({age} days)\n",
        trust.id(),
        charter.name,
        charter.version,
        charter.dated
    );
    let json = json!({
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
        // Another framework, or another document of a did:web, only with the CID that was told.
        keeping::pin(&mut wallet, trimmed(&bytes), pin.is_some(), at, &mut rng())
            .map_err(|e| adopting(e, args))?;
        text.push_str("It is pinned in this wallet.\n");
    } else if args.compare {
        compare_with_pinned(global, &trust, at, &mut report)?;
    }
    Ok(Answer::new(schema, json, text).with_report(&report))
}

/// Another framework takes the place of the one that is held only with the CID that was told.
fn adopting(error: KeepError, args: &VerifyArgs) -> Failure {
    let unrelated = matches!(error, KeepError::NotNewer(Comparison::Unrelated));
    let failure = Failure::from(error);
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
    let held = keeping::pinned(&global.wallet()?, at)?;
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
    Ok(())
}

fn pack(global: &GlobalArgs, args: &PackArgs) -> Outcomes {
    args.output.check()?;
    let wallet = global.wallet()?;
    let trust = keeping::pinned(&wallet, now())?;
    let bytes = keeping::pinned_bytes(&wallet)?;
    let json = json!({"pack": trust.id(), "charter": trust.charter().id()});
    let text = format!(
        "trust pack {}\nnext: send it to every participant, and tell them this CID by another way: \
         `gridpass charter verify FILE --pin CID --adopt`",
        trust.id()
    );
    let answer = Answer::new("gridpass.charter.pack/1", json, text);
    Ok(match args.output.write(bytes)? {
        Some(raw) => answer.with_document(raw),
        None => answer,
    })
}
