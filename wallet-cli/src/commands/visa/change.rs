//! Suspending, reinstating and revoking.

use super::again::{not_changed, publishing};
use super::change_many;
use super::hanging;
use super::standing::Known;
use crate::commands::restored::warn_of_lists;
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Done, Failure, Outcomes};
use crate::shown::shown;
use crate::warnings::hint;
use clap::Args;
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::issuing::{IssuedVisa, Issuer};
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::register;
use gridpass_credentials::secured::Secured;
use gridpass_credentials::signature::{self, Asked, SignatureMemo};
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::visa::{Purpose, StatusEntry, Visa};
use gridpass_identity::codes::{KEY_COMPROMISED, KEY_COMPROMISED_SINCE};
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::wallet::Wallet;
use serde_json::{Value, json};
use std::path::Path;

/// What all three take beside the visas.
#[derive(Args)]
pub struct ChangeArgs {
    /// Why; kept in your register only, where `gridpass visa list --issued` shows it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The identity that acts, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    pub identity: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Suspend a visa: it does not count until it is reinstated
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa suspend urn:uuid:… --reason 'metering dispute' -o lists.json\n  \
     gridpass visa suspend urn:uuid:… did:webvh:… -o lists.json      several at once: all or none"
))]
pub struct SuspendArgs {
    /// The visas, each by its id, hash, or holder's DID; or a file, for one that somebody else issued and
    /// you may suspend
    #[arg(required = true, value_name = "VISA")]
    visas: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Reinstate a suspended visa
#[derive(Args)]
#[command(after_help = help!("  gridpass visa reinstate urn:uuid:… -o lists.json"))]
pub struct ReinstateArgs {
    /// The visas, each by its id, hash, or holder's DID; or a file, for one that somebody else issued and
    /// you suspended
    #[arg(required = true, value_name = "VISA")]
    visas: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Revoke a visa, or all authorisations of a node, for good
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa revoke urn:uuid:… --reason 'licence withdrawn' -o lists.json\n  \
     gridpass visa revoke urn:uuid:… urn:uuid:… did:webvh:… -o lists.json      several at once: all or none\n  \
     gridpass visa revoke did:key:z6Mk… -o lists.json      a lost node: all its authorisations"
))]
pub struct RevokeArgs {
    /// The visas, each by its id, hash, or holder's DID; or a file, for one that somebody else issued and
    /// you may revoke. Or one node's DID, whose authorisations are all revoked
    #[arg(required = true, value_name = "VISA")]
    visas: Vec<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

pub fn suspend(global: &GlobalArgs, args: &SuspendArgs) -> Outcomes {
    change(global, &args.visas, &args.change, Purpose::Suspension, true, "Suspended")
}

pub fn reinstate(global: &GlobalArgs, args: &ReinstateArgs) -> Outcomes {
    change(global, &args.visas, &args.change, Purpose::Suspension, false, "Reinstated")
}

pub fn revoke(global: &GlobalArgs, args: &RevokeArgs) -> Outcomes {
    change(global, &args.visas, &args.change, Purpose::Revocation, true, "Revoked")
}

/// Of one holder's visas those are meant that can be changed so.
pub fn fits(purpose: Purpose, set: bool, record: &IssuedVisa, visa: &Visa) -> bool {
    let state = record.state();
    let living = match (purpose, set) {
        (Purpose::Revocation, _) => state != "revoked",
        (Purpose::Suspension, true) => state == "in force",
        (Purpose::Suspension, false) => state == "suspended",
    };
    living && visa.valid_until > now()
}

fn change(
    global: &GlobalArgs,
    names: &[String],
    args: &ChangeArgs,
    purpose: Purpose,
    set: bool,
    done: &str,
) -> Outcomes {
    args.output.check()?;
    let mut wallet = global.wallet()?;
    warn_of_lists(global);
    let name = match names {
        [only] => only.as_str(),
        several => return change_many::change(wallet, several, args, (purpose, set, done)),
    };
    let nodes = authorisations_of(&wallet, name)?;
    if purpose == Purpose::Revocation && !nodes.is_empty() {
        return revoke_node(wallet, name, args, nodes);
    }
    let fit = |record: &IssuedVisa, visa: &Visa| fits(purpose, set, record, visa);
    let (visa, known_issuer) = match find(&wallet, name, fit) {
        Err(e) if e.code == gridpass_credentials::codes::NOT_KEPT && !nodes.is_empty() => {
            return Err(never_suspended(name));
        }
        found => found?,
    };
    let name = args.identity.as_deref().or(known_issuer.then(|| visa.issuer.as_str()));
    let me = identity(&wallet, name)?;
    let trust = keeping::pinned_even_ahead(&wallet, now())?;
    if !known_issuer {
        may_revoke(&wallet, &trust, &visa, &me.did)?;
    }
    // Its holder may have revoked others by it.
    let hangs = match set {
        true => gridpass_credentials::hanging::hanging(&wallet, &trust, &visa, now())?,
        false => Vec::new(),
    };
    let mut issuer = Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
    if set && !known_issuer {
        enter_earlier(&mut issuer, &visa, purpose, args)?;
    }
    let list = issuer
        .set_status(&visa, purpose, set, args.reason.as_deref(), &mut rng())
        .map_err(|e| not_changed(e.into(), std::slice::from_ref(&me.did)))?;
    let json = json!({
        "visa": visa.id,
        "holder": visa.subject,
        "list": list.id,
        "version": list.version,
        "dated": list.dated,
        "hanging": hangs,
    });
    let happens = match purpose {
        Purpose::Revocation => {
            "what its holder revoked or suspended by it counts no more, unless it is taken over:"
        }
        Purpose::Suspension => {
            "what its holder revoked or suspended by it is undecided until it is reinstated or taken over:"
        }
    };
    let text = format!(
        "{done} {} of {}\n  as of            {}\n{}{}",
        visa.role,
        visa.subject,
        list.dated,
        list_line(&list),
        hanging::lines(&hangs, happens),
    );
    let did = format!("{} {}", done.to_lowercase(), visa.id);
    let answer = Answer::new("gridpass.visa.status/1", json, text);
    finish(&wallet, &[me.did], &[list], args, &did, answer)
}

/// Enters what was done by a program that did not: `visa list --issued` shows it from then on.
pub fn enter_earlier(
    issuer: &mut Issuer<'_>,
    visa: &Visa,
    purpose: Purpose,
    args: &ChangeArgs,
) -> Result<(), Failure> {
    if let Some(at) = issuer.enter_earlier(visa, purpose, args.reason.as_deref(), &mut rng())? {
        let id = shown(&visa.id);
        hint(format_args!("note: what you did to {id} at {at} is entered in your register now"));
    }
    Ok(())
}

pub fn list_line(list: &StatusList) -> String {
    let version = list.version.unwrap_or_default();
    format!("  status list      {} version {version}\n", shown(&list.id))
}

/// The authorisations that this wallet's identities gave a node, by the node's DID; or the one of
/// this id. Oldest first.
pub fn authorisations_of(wallet: &Wallet, name: &str) -> Result<Vec<NodeAuthorisation>, Failure> {
    let all = register::authorisations(wallet)?.into_iter().map(|(a, _)| a);
    Ok(all.filter(|a| a.node.as_str() == name || a.id == name).collect())
}

fn never_suspended(node: &str) -> Failure {
    let message = format!("{node} is a node's, and an authorisation is revoked, never suspended");
    Failure::new(gridpass_credentials::codes::STATUS_UNCHANGED, message).next(format!(
        "Revoke it with `gridpass visa revoke {node}`; authorise the node anew when it may act again."
    ))
}

/// Every authorisation counts until it ends, also one that was renewed since: a lost node has them
/// all.
fn revoke_node(
    mut wallet: Wallet,
    name: &str,
    args: &ChangeArgs,
    nodes: Vec<NodeAuthorisation>,
) -> Outcomes {
    let only = match args.identity.as_deref() {
        Some(name) => Some(identity(&wallet, Some(name))?.did),
        None => None,
    };
    let mut open = Vec::new();
    let mut all = Vec::new();
    for node in nodes {
        let over = node.valid_until <= now() && node.id != name;
        let meant = only.as_ref().is_none_or(|did| did == &node.principal);
        if meant && !all.contains(&node.principal) {
            all.push(node.principal.clone());
        }
        if meant && !over && !register::is_set(&wallet, &node.principal, &node.status)? {
            open.push(node);
        }
    }
    let Some(first) = open.first() else {
        let message = format!("every authorisation of {name} is revoked or over already");
        let failure = Failure::new(gridpass_credentials::codes::STATUS_UNCHANGED, message);
        return Err(not_changed(failure, &all));
    };
    let node = first.node.clone();
    let mut principals: Vec<Did> = open.iter().map(|a| a.principal.clone()).collect();
    principals.sort();
    principals.dedup();
    let trust = keeping::pinned_even_ahead(&wallet, now())?;
    let mut lists = Vec::new();
    for principal in &principals {
        let me = identity(&wallet, Some(principal.as_str()))?;
        let entries: Vec<(&str, &StatusEntry)> = open
            .iter()
            .filter(|a| &a.principal == principal)
            .map(|a| (a.id.as_str(), &a.status))
            .collect();
        let mut issuer = Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
        let reason = args.reason.as_deref();
        let set = issuer.set_entries(&entries, true, reason, &mut rng());
        lists.extend(set.map_err(|e| not_changed(e.into(), &principals))?);
    }
    let ids: Vec<&str> = open.iter().map(|a| a.id.as_str()).collect();
    let json = json!({
        "node": node,
        "authorisations": ids,
        "lists": lists.iter().map(|l| l.id.as_str()).collect::<Vec<_>>(),
    });
    let names: Vec<&str> = principals.iter().map(Did::as_str).collect();
    let count = match ids.len() {
        1 => "1 authorisation is revoked".to_owned(),
        many => format!("{many} authorisations are revoked"),
    };
    let mut left = 0_usize;
    for other in authorisations_of(&wallet, node.as_str())? {
        let living = other.valid_until > now();
        if living && !register::is_set(&wallet, &other.principal, &other.status)? {
            left = left.saturating_add(1);
        }
    }
    let head = if left == 0 {
        format!("{node} no longer acts for {}: {count}", names.join(", "))
    } else {
        format!(
            "Of {node} {count}; it still acts by {left} more, which `gridpass visa revoke {node}` revokes"
        )
    };
    // Nobody can tell what a thief signs from what was under way.
    let lost = "  what it sent and others do not have yet is refused from now on, for good: to retire \
                a node, let its authorisation end\n";
    let lists_said = lists.iter().map(list_line).collect::<String>();
    let text = format!("{head}\n{lists_said}{lost}");
    let did = format!("revoked {}", ids.join(", "));
    let answer = Answer::new("gridpass.visa.status/1", json, text);
    finish(&wallet, &principals, &lists, args, &did, answer)
}

/// Writes the new lists for others. What was `done` is done already.
pub fn finish(
    wallet: &Wallet,
    signers: &[Did],
    lists: &[StatusList],
    args: &ChangeArgs,
    done: &str,
    mut answer: Answer,
) -> Outcomes {
    answer.text.push_str("next: give the new list to those who rely on it: ");
    answer.text.push_str(&match args.output.file() {
        Some(path) => format!("send {}", shown(path.display())),
        None => "gridpass status publish -o lists.json".to_owned(),
    });
    let did = Done {
        json: Value::Object(answer.json.clone()),
        sentence: done.to_owned(),
        next: format!("Do not do it again; get the new list with {}.", publishing(signers)),
    };
    let written = match args.output.output {
        None => Ok(None),
        Some(_) => register::lists_parcel(wallet, lists)
            .map_err(Failure::from)
            .and_then(|parcel| args.output.write(parcel.encode()?)),
    };
    match written {
        Err(e) => Err(did.all_the_same(e)),
        Ok(raw) => {
            let answer = Answer { done: Some(did), ..answer };
            Ok(match raw {
                Some(raw) => answer.with_document(raw),
                None => answer,
            })
        }
    }
}

/// A visa of the register, or of a file; and whether this wallet's identities issued it.
pub fn find(
    wallet: &Wallet,
    name: &str,
    fit: impl Fn(&IssuedVisa, &Visa) -> bool,
) -> Result<(Visa, bool), Failure> {
    match register::find_issued(wallet, name, fit) {
        Ok(record) => Ok((record.read()?, true)),
        Err(KeepError::NotFound { .. }) if Path::new(name).is_file() => {
            let bytes = read_input(Path::new(name), MAX_INPUT)?;
            let parcel = Parcel::parse_or_bare(&bytes, ParcelKind::Visa)?;
            let (secured, visa) = keeping::read_visa(&parcel.content.unwrap_or_default())?;
            // What a file says of one that is in the register is not asked.
            if let Ok(record) = register::find_issued(wallet, &visa.id, |_, _| true)
                && let held = record.read()?
                && held.id == visa.id
            {
                return Ok((held, true));
            }
            let is_own = wallet.identities()?.iter().any(|i| i.did == visa.issuer);
            if is_own {
                // Issued before this wallet was restored. Anybody can write a file that names somebody
                // else's place in a list: it must be signed as it says.
                signed_by_its_issuer(wallet, &secured, &visa)?;
            }
            Ok((visa, is_own))
        }
        Err(KeepError::Ambiguous { .. }) => {
            let message = format!("{name} holds several visas that you issued");
            let next = "Give the id of the one that you mean: `gridpass visa list --issued`.";
            Err(Failure::new(gridpass_credentials::codes::NAME_AMBIGUOUS, message).next(next))
        }
        Err(e) => Err(super::not_issued(e)),
    }
}

/// Refuses a visa that its issuer did not sign. By a key that is marked as compromised it is revoked as well:
/// whoever stole it perhaps made somebody a revoker by it, until that one's visa is revoked.
fn signed_by_its_issuer(wallet: &Wallet, secured: &Secured, visa: &Visa) -> Result<(), Failure> {
    let asked = Asked {
        speaker: visa.issuer.as_str(),
        purpose: Relationship::AssertionMethod,
        now: now(),
        audience: None,
        nonce: None,
    };
    let resolver = OfflineResolver::new(wallet);
    let found = signature::check(secured, &asked, &resolver, &mut SignatureMemo::default());
    let is_marked =
        |c: &Check| c.name == "key" && matches!(c.code, KEY_COMPROMISED | KEY_COMPROMISED_SINCE);
    match found.checks.into_iter().find(|c| c.outcome != Outcome::Passed && !is_marked(c)) {
        Some(check) => {
            let message = format!("the file is no visa that you issued: {}", check.sentence);
            Err(Failure::new(check.code, message))
        }
        None => Ok(()),
    }
}

/// Refuses early what every verifier would pass over: only who is named, or holds a role that is named,
/// may revoke what others issued.
pub fn may_revoke(wallet: &Wallet, trust: &Trust, visa: &Visa, me: &Did) -> Result<(), Failure> {
    let role = trust.definition(&visa.definition);
    let revokers = role.and_then(|r| r.definition.revokers.as_ref());
    let mut why = "its definition names other revokers".to_owned();
    if let Some(revokers) = revokers {
        if revokers.dids.contains(me) {
            return Ok(());
        }
        let mut known = Known::of(wallet)?;
        for held in keeping::visas(wallet)? {
            let office = held.read()?.1;
            if &office.subject != me || !revokers.roles.contains(&office.definition) {
                continue;
            }
            let standing = known.standing(wallet, &held, &office)?;
            if standing.state == "held" {
                return Ok(());
            }
            why = format!("your own visa for {} is {}", office.role, standing.state);
        }
    }
    let message = format!("{me} may not revoke {}: {why}", visa.role);
    Err(Failure::new(gridpass_credentials::codes::STATUS_SIGNER, message)
        .next(format!("Ask its issuer, {}, to do it.", visa.issuer)))
}
