//! Charters that are made, changed and signed.

use super::args::{AddRoleArgs, AmendArgs, CommonArgs, NewArgs, RetireArgs, SignArgs};
use super::draft::{Brought, Draft, following, history_of, newest, rivals};
use super::pinned;
use super::show::changes;
use crate::commands::arguments::{definition, parse_duration};
use crate::commands::clock::warn_of_jump;
use crate::commands::resolve::parse_time;
use crate::commands::sign::identity;
use crate::commands::visa::hanging::lines;
use crate::context::{GlobalArgs, OutputArgs, now, rng};
use crate::output::{Answer, Failure, Outcomes};
use crate::resolving::parse_dids;
use crate::shown::shown;
use crate::warnings::{hint, warn};
use gridpass_credentials::charter::{
    Charter, ListedDocument, ListedRole, SignedCharter, SigningRule,
};
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::hanging::{Hanging, Loss, hanging_on};
use gridpass_credentials::issuable::obstacles;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::Signer;
use gridpass_credentials::trust::{Comparison, Trust, TrustError, TrustPack};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Report;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::clock::is_ahead;
use gridpass_identity::wallet::identities::Identity;
use serde_json::{Value, json};

pub fn new(global: &GlobalArgs, args: &NewArgs) -> Outcomes {
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
    let (brought, output) = (Brought::default(), &args.common.output);
    let signing = Signing { me: &me, before: &[], brought, instead: false, output };
    finish(wallet, &signing, SignedCharter::unsigned(charter)?)
}

fn list_role(charter: &mut Charter, id: ContentId, definition: &RoleDefinition) {
    if charter.role(&id).is_none() {
        let name = definition.name.clone();
        charter.roles.push(ListedRole { definition: id, name, retired: None, grace_seconds: None });
    }
}

/// The next version of the charter in force, or of the newest draft on the way there.
fn change(
    global: &GlobalArgs,
    common: &CommonArgs,
    instead: bool,
    edit: impl FnOnce(&mut Wallet, &mut Charter) -> Result<(), Failure>,
) -> Outcomes {
    common.output.check()?;
    let mut wallet = global.wallet()?;
    let me = identity(&wallet, common.identity.as_deref())?;
    let held = keeping::pinned(&wallet, now())?;
    let last = match instead {
        true => held.charter().clone(),
        false => newest(&wallet, &held, &me.did)?,
    };
    let last = last.charter();
    // The date never goes back, whatever this machine's clock does.
    let mut next = last.next(now().floor_to_second().max(last.dated))?;
    edit(&mut wallet, &mut next)?;
    if changes(last, &next).is_empty() {
        let message =
            format!("version {} would say no more than version {}", next.version, last.version);
        return Err(Failure::new(credential_codes::CHARTER_UNCHANGED, message));
    }
    if last.version > held.charter().charter().version {
        hint(format!(
            "It goes on from the draft of version {}, which comes into force before it; --instead leaves \
             that draft, and goes on from version {}.",
            last.version,
            held.charter().charter().version
        ));
    }
    let (brought, output) = (Brought::default(), &common.output);
    let signing = Signing { me: &me, before: &[], brought, instead, output };
    finish(wallet, &signing, SignedCharter::unsigned(next)?)
}

pub fn add_role(global: &GlobalArgs, args: &AddRoleArgs) -> Outcomes {
    change(global, &args.common, args.instead.instead, |wallet, charter| {
        for name in &args.roles {
            let (id, definition) = definition(wallet, name)?;
            if let Some(retired) = charter.role(&id).and_then(|listed| listed.retired) {
                let message = format!("{} ({id}) is retired as of {retired}", definition.name);
                return Err(Failure::new(credential_codes::ROLE_RETIRED, message).next(format!(
                    "What is retired stays so. Define a new version, and list that: `gridpass role define {}`.",
                    definition.name
                )));
            }
            keeping::keep_definition(wallet, &definition, &mut rng())?;
            list_role(charter, id, &definition);
        }
        Ok(())
    })
}

pub fn retire(global: &GlobalArgs, args: &RetireArgs) -> Outcomes {
    change(global, &args.common, args.instead.instead, |_, charter| retire_role(charter, args))
}

pub fn amend(global: &GlobalArgs, args: &AmendArgs) -> Outcomes {
    change(global, &args.common, args.instead.instead, |_, charter| amend_charter(charter, args))
}

fn retire_role(charter: &mut Charter, args: &RetireArgs) -> Result<(), Failure> {
    let on = args.on.as_deref().map(parse_time).transpose()?.unwrap_or(charter.dated);
    let grace = parse_duration(&args.grace)? / 1000;
    let dated = charter.dated;
    let mut found: Vec<_> = charter
        .roles
        .iter_mut()
        .filter(|r| {
            r.definition.as_str() == args.role
                || (r.name.as_str() == args.role && !r.is_retired(dated))
        })
        .collect();
    let none = || KeepError::NotFound { what: "listed role", name: args.role.clone() };
    match (found.pop(), found.is_empty()) {
        (Some(role), true) => {
            role.retired = Some(on);
            role.grace_seconds = Some(grace);
            let (name, end) = (&role.name, on.plus_millis(grace.saturating_mul(1000)));
            if end <= dated {
                let ends = "no visa of it counts any more, however long it was to be valid";
                warn(None, format!("{name} ends at {end}: once this charter is in force, {ends}"));
            } else if on < dated {
                let ends = "visas of it that were issued since then count no more";
                warn(None, format!("{name} is retired as of {on}, before this charter: {ends}"));
            }
            Ok(())
        }
        (Some(_), false) => Err(KeepError::Ambiguous { name: args.role.clone() }.into()),
        (None, _) => Err(none().into()),
    }
}

fn amend_charter(charter: &mut Charter, args: &AmendArgs) -> Result<(), Failure> {
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

pub fn sign(global: &GlobalArgs, args: &SignArgs) -> Outcomes {
    args.common.output.check()?;
    let draft = Draft::read(&args.file)?;
    let wallet = global.wallet()?;
    let me = identity(&wallet, args.common.identity.as_deref())?;
    let charter = draft.signed.charter();
    if is_ahead(charter.dated, now()) {
        // It would come into force, and be refused by everybody until then: this signer's wallet, too.
        let message = format!(
            "the charter is dated {}, and it is {} here: its maker's clock is ahead, or this one is behind",
            charter.dated,
            now()
        );
        return Err(Failure::new(gridpass_identity::codes::SIGNED_IN_FUTURE, message).next(
            "Set the clock right that is wrong; where that is its maker's, have the change made anew with \
             --instead, and destroy this file.",
        ));
    }
    let held = pinned(&wallet)?;
    // Who signed the version before it must sign this one, too: that version, and no other framework's.
    let pinned = held.as_ref().map(Trust::history).unwrap_or_default();
    let kept = keeping::charters(&wallet)?;
    let mut known = pinned.iter().chain(&kept);
    let previous = charter.previous.as_ref();
    let previous = previous.and_then(|id| known.find(|c| c.id() == id));
    let before = previous.is_some_and(|c| c.charter().rule.signers.contains(&me.did));
    if !charter.rule.signers.contains(&me.did) && !before {
        let message = format!("{} is not a signer of this charter", me.did);
        return Err(Failure::new(credential_codes::CHARTER_SIGNERS_TOO_FEW, message)
            .next("Sign as another identity with --as NAME, or ask the charter's maker."));
    }
    draft.must_be_seen(&wallet)?;
    rivals(&wallet, held.as_ref(), &me.did, &draft.signed, args.instead.instead)?;
    let brought = Brought::by(&wallet, held.as_ref(), std::slice::from_ref(&draft))?;
    let (instead, output) = (args.instead.instead, &args.common.output);
    let signing = Signing { me: &me, before: &draft.before, brought, instead, output };
    finish(wallet, &signing, draft.signed.clone())
}

/// What happens to it where the root is removed that issued the visa by which somebody revoked.
const HANGS: &str = "what was revoked by holders of visas that a removed root issued is \
                     undecided once this charter is in force: have another root issue these \
                     visas, or have it taken over:";

/// What was revoked by visas of roots that are none any more. It is told, and fails nothing.
fn hanging_on_removed(wallet: &Wallet, held: &Trust, next: &Charter) -> Vec<Hanging> {
    let before = &held.charter().charter().roots;
    let removed: Vec<&Did> = before.iter().filter(|root| !next.roots.contains(root)).collect();
    if removed.is_empty() {
        return Vec::new();
    }
    hanging_on(wallet, held, &removed, Loss::Root, now()).unwrap_or_default()
}

/// A framework goes on as long as enough of its signers can sign.
fn warn_if_one_key_is_the_end(charter: &Charter) {
    let signers = charter.rule.signers.len();
    if signers > 1 && charter.rule.threshold == signers {
        warn(
            None,
            format!(
                "all {signers} signers must sign: where one of them can sign no more, no further charter can be \
                 made and the framework ends. Let fewer be enough, and more sign than must: --threshold {}",
                signers.saturating_sub(1)
            ),
        );
    }
}

/// Who signs, on which drafts, and where the charter goes.
struct Signing<'a> {
    me: &'a Identity,
    /// Charters that came with the one to be signed.
    before: &'a [SignedCharter],
    /// What else came with it.
    brought: Brought,
    /// Whether drafts of the same version are dropped for it.
    instead: bool,
    output: &'a OutputArgs,
}

/// Signs, keeps, and pins where the signatures suffice; writes the charter with what it rests on.
fn finish(mut wallet: Wallet, signing: &Signing<'_>, mut signed: SignedCharter) -> Outcomes {
    wallet.check_clock(now())?;
    warn_of_jump(&wallet.status()?.diary, now());
    let held = pinned(&wallet)?;
    let me = signing.me;
    let dropped = rivals(&wallet, held.as_ref(), &me.did, &signed, signing.instead)?;
    let mut charters = history_of(&wallet, held.as_ref(), signing.before, &signed)?;
    let history = held.as_ref().map(Trust::history).unwrap_or_default();
    let id = signed.id().clone();
    for same in history.iter().filter(|c| c.id() == &id) {
        signed.merge(same)?;
    }
    let (key_id, key) = wallet.active_secret(me, Relationship::AssertionMethod)?;
    let time = now().max(signed.charter().dated);
    signed.sign(Signer { key: &key, key_id: &key_id, now: time })?;
    charters.push(signed.clone());
    charters.extend(following(held.as_ref(), &signed));
    // A charter that this wallet cannot hold is not kept either: it would be the newest to publish.
    let pinning = pin(&mut wallet, held.as_ref(), &charters, &signing.brought)?;
    // Of another framework only that it was signed is kept: what it rests on comes with its pack.
    if !matches!(pinning, Pinning::Elsewhere(..)) {
        signing.brought.keep(&mut wallet)?;
    }
    keeping::keep_signed(&mut wallet, &signed, &dropped, now(), &mut rng())?;
    let charter = signed.charter();
    warn_if_one_key_is_the_end(charter);
    for one in obstacles(charter, &keeping::definitions(&wallet)?) {
        warn(None, format!("{} ({}): {}", one.name, one.definition, one.why));
    }
    let changed = match &held {
        // Of another framework it is no change, nor is an old version that is signed anew.
        Some(held)
            if charters.first().is_some_and(|c| c.id() == held.framework())
                && charters.last().is_some_and(|c| c.id() == signed.id()) =>
        {
            changes(held.charter().charter(), charter)
        }
        _ => Vec::new(),
    };
    let hangs = match held.as_ref().filter(|_| !changed.is_empty()) {
        Some(held) => hanging_on_removed(&wallet, held, charter),
        None => Vec::new(),
    };
    let complete = !matches!(pinning, Pinning::Missing(..));
    let is_pinned = matches!(pinning, Pinning::Pinned(..));
    let mut json = json!({
        "charter": signed.id(),
        "name": charter.name,
        "version": charter.version,
        "signers": signed.named_signers(),
        "threshold": charter.rule.threshold,
        "complete": complete,
        "pinned": is_pinned,
        "changes": changed,
        "hanging": hangs,
    });
    let mut head = format!(
        "Charter {:?}, version {}\n  charter CID  {}\n",
        charter.name,
        charter.version,
        signed.id()
    );
    if let Some(held) = held.as_ref().filter(|_| !changed.is_empty()) {
        head.push_str(&format!("against version {}:\n", held.charter().charter().version));
        changed.iter().for_each(|line| head.push_str(&format!("  {line}\n")));
    }
    head.push_str(&lines(&hangs, HANGS));
    let (text, bytes) = match pinning {
        Pinning::Pinned(trust, bytes) => {
            if let Value::Object(map) = &mut json {
                map.insert("pack".into(), json!(trust.id()));
            }
            let role = charter.roles.iter().find(|r| !r.is_retired(charter.dated));
            let role = role.map_or("ROLE", |r| r.name.as_str());
            // Of several signers each has a pack of its own, with another CID: one of them publishes, and tells it.
            let pack = match charter.rule.signers.len() > 1 {
                true => "gridpass charter publish SIGNED -o trust.json",
                false => "gridpass charter pack -o trust.json",
            };
            let next = match charter.roots.contains(&me.did) {
                true => format!(
                    "gridpass visa issue --to DID --role {role} -o visa.json   (and `{pack}` for everybody else)"
                ),
                false => format!("{pack}   (for everybody else)"),
            };
            let mut text =
                format!("{head}Its signatures suffice; it is pinned in this wallet\nnext: {next}");
            if charter.rule.signers.len() > 1 && signing.output.output.is_none() {
                text.push_str(
                    "\nThis signature is in no file yet: for whoever publishes, `gridpass charter pack -o SIGNED`",
                );
            }
            (text, bytes)
        }
        Pinning::Elsewhere(pack, bytes) => {
            if let Value::Object(map) = &mut json {
                map.insert("pack".into(), json!(pack));
            }
            let name = held.as_ref().map(|held| shown(&held.charter().charter().name));
            let file = signing.output.output.as_ref();
            let file = file.map_or_else(|| "FILE".into(), |path| path.display().to_string());
            let text = format!(
                "{head}Its signatures suffice. It is not pinned: this wallet holds another framework, {}, and \
                 holds one only. What is written is its trust pack\n  pack CID  {pack}\nnext: send it to every \
                 participant, and tell them this CID by another way; where it is to take the place of the \
                 framework that is pinned here: `gridpass charter verify {file} --pin {pack} --adopt`; to work \
                 in both, take a wallet for each: `gridpass init --name NAME`",
                name.unwrap_or_default(),
            );
            (text, bytes)
        }
        Pinning::Missing(report, bytes) => {
            let why = report.deciding().map(|c| c.sentence.clone()).unwrap_or_default();
            let text = format!(
                "{head}Not in force yet: {}\nnext: send it to the other signers, each runs \
                 `gridpass charter sign FILE -o SIGNED`; then `gridpass charter publish SIGNED… -o trust.json`",
                shown(why)
            );
            (text, bytes)
        }
    };
    let answer = Answer::new("gridpass.charter/1", json, text);
    if signing.output.output.is_none() && is_pinned {
        return Ok(answer);
    }
    Ok(match signing.output.write([&bytes[..], b"\n"].concat())? {
        // The draft has to go somewhere: to standard output, and the words beside it.
        Some(raw) => {
            hint(&answer.text);
            answer.with_document(raw)
        }
        None => answer,
    })
}

/// What came of pinning, and the pack.
pub enum Pinning {
    /// It is in force.
    Pinned(Box<Trust>, Vec<u8>),
    /// Nothing is missing, and the wallet holds another framework: the pack and its CID.
    Elsewhere(ContentId, Vec<u8>),
    /// This is missing.
    Missing(Box<Report>, Vec<u8>),
}

/// Makes the pack of a history and of what came with it, and pins it, or says what is missing.
pub fn pin(
    wallet: &mut Wallet,
    held: Option<&Trust>,
    charters: &[SignedCharter],
    brought: &Brought,
) -> Result<Pinning, Failure> {
    let bytes = make_pack(wallet, held, charters, brought)?;
    match keeping::pin(wallet, &bytes, false, now(), &mut rng()) {
        Ok(trust) => Ok(Pinning::Pinned(Box::new(trust), bytes)),
        Err(KeepError::Trust(TrustError::Refused(report))) => Ok(Pinning::Missing(report, bytes)),
        Err(KeepError::NotNewer(Comparison::Unrelated)) => {
            Ok(Pinning::Elsewhere(ContentId::of_bytes(&bytes)?, bytes))
        }
        // It was made here, of what is kept here.
        Err(e @ KeepError::Trust(TrustError::Malformed(_))) => Err(Failure::from(e).next(
            "Where a log was saved by a clock that was ahead: `gridpass wallet clock --is-right DATE`, with the \
             day by a calendar, dates as of now what was obtained later.",
        )),
        Err(e) => Err(e.into()),
    }
}

/// The pack of a history: with every definition that its newest charter lists, and the documents
/// of everybody whom any of its charters names, as the pinned pack and the wallet know them.
fn make_pack(
    wallet: &Wallet,
    held: Option<&Trust>,
    charters: &[SignedCharter],
    brought: &Brought,
) -> Result<Vec<u8>, Failure> {
    let mut known = keeping::definitions(wallet)?;
    known.extend(brought.definitions.iter().cloned());
    let newest = charters.last().map(SignedCharter::charter);
    let listed = newest.map(|c| c.roles.as_slice()).unwrap_or_default();
    let definitions: Vec<_> = listed
        .iter()
        .filter_map(|r| known.iter().find(|(id, _)| id == &r.definition).map(|(_, d)| d))
        .collect();
    let named = charters.iter().map(SignedCharter::charter);
    let dids: Vec<Did> =
        named.flat_map(|c| c.roots.iter().chain(&c.rule.signers)).cloned().collect();
    let identities = keeping::identities_for_pack_with(wallet, held, brought, &dids)?;
    Ok(TrustPack::new(charters, &definitions, identities).encode()?.1)
}
