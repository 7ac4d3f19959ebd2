//! `gridpass id deactivate`: an identity is given up, for good.

use super::clock::{time_of_entry, warn_of_jump};
use super::id::shown_in_json;
use super::resolve::{published_at, to_publish};
use crate::commands::wallet::warn_after_change;
use crate::confirming::confirm;
use crate::context::{GlobalArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use clap::Args;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::register;
use gridpass_identity::codes;
use gridpass_identity::did::Did;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::{Identity, IdentityKind};
use serde_json::json;

/// Give an identity up for good: its DID is deactivated, for everybody who has its log
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass id deactivate root          says what ends with it, and asks\n  \
     gridpass id deactivate root --yes    in a script\n  \
     (what was signed before stays good: where keys are in other hands, call id rotate with \
     --compromised-since first)"
))]
pub struct DeactivateArgs {
    /// Its name or DID
    name: String,
    /// Go on without asking
    #[arg(long)]
    yes: bool,
}

pub fn run(global: &GlobalArgs, args: &DeactivateArgs) -> Outcomes {
    let mut wallet = global.wallet()?;
    let identity = wallet.identity(&args.name)?;
    if identity.did.method() != "webvh" {
        return Err(cannot_deactivate(&identity));
    }
    // Nobody is asked for what cannot be done.
    wallet.check_current(&identity)?;
    wallet.check_clock(now())?;
    let ends = Ends::with(&wallet, &identity.did)?;
    warn_of_jump(&wallet.status()?.diary, now());
    if !args.yes {
        confirm(&ends.told(&identity.did), &identity.name, global.secrets.no_input)?;
    }
    let now = time_of_entry(&wallet.status()?.diary);
    let ended = wallet.deactivate(&identity, &mut rng(), now).map_err(|e| {
        Failure::from(e).look(format!(
            "Look whether it is deactivated: `gridpass id show {name}`. If it is, publish the log, which `gridpass \
             id export {name} -o did.jsonl` writes.",
            name = identity.name
        ))
    })?;
    warn_after_change(global, &wallet);
    let since = wallet.deactivated(&ended)?;
    let dated = since.map(|t| format!(" since {t}")).unwrap_or_default();
    let text = format!(
        "{} is deactivated{dated}, for good.\n  {}\nnext: {}",
        ended.did,
        ends.lines().join("\n  "),
        to_publish(&wallet, &ended).unwrap_or_default(),
    );
    let json = json!({
        "identity": shown_in_json(&wallet, &ended),
        "deactivated": since,
        "visas_held": ends.held,
        "visas_issued": ends.issued,
        "nodes": ends.nodes,
        "publish_at": published_at(&ended),
    });
    Ok(Answer::new("gridpass.id.deactivate/1", json, text))
}

/// What hangs on a DID, as far as its wallet knows.
struct Ends {
    /// Visas that it holds, and those that it issued and that are in force.
    held: usize,
    issued: usize,
    /// Authorisations of nodes that count.
    nodes: usize,
    /// What it is in the charter that is pinned.
    charter: Option<String>,
}

impl Ends {
    fn with(wallet: &Wallet, did: &Did) -> Result<Self, Failure> {
        let now = now();
        let mut ends = Self { held: 0, issued: 0, nodes: 0, charter: None };
        for held in keeping::visas(wallet)? {
            let visa = held.read()?.1;
            if &visa.subject == did && visa.valid_until > now {
                ends.held = ends.held.saturating_add(1);
            }
        }
        for record in register::issued(wallet)? {
            let visa = record.read()?;
            if &visa.issuer == did && visa.valid_until > now && record.state() != "revoked" {
                ends.issued = ends.issued.saturating_add(1);
            }
        }
        for (node, _) in register::authorisations(wallet)? {
            let open = &node.principal == did && node.valid_until > now;
            if open && !register::is_set(wallet, did, &node.status)? {
                ends.nodes = ends.nodes.saturating_add(1);
            }
        }
        let trust = match keeping::pinned(wallet, now) {
            Ok(trust) => trust,
            // Such as where this machine's clock is wrong: it is no reason not to end.
            Err(KeepError::NoTrust | KeepError::Trust(_)) => return Ok(ends),
            Err(e) => return Err(e.into()),
        };
        let charter = trust.charter().charter();
        let mut parts = Vec::new();
        if charter.roots.contains(did) {
            parts.push("one of its roots".to_owned());
        }
        if charter.rule.signers.contains(did) {
            let (left, must) =
                (charter.rule.signers.len().saturating_sub(1), charter.rule.threshold);
            parts.push(format!("one of its signers, of whom {left} are left and {must} must sign"));
        }
        ends.charter = (!parts.is_empty())
            .then(|| format!("the charter {:?}: it is {}", charter.name, parts.join(", and ")));
        Ok(ends)
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.held > 0 {
            lines.push(format!("visas that it holds: {}; nobody shows them any more", self.held));
        }
        if self.issued > 0 {
            lines.push(format!(
                "visas that it issued, in force: {}; each counts until its status list is too old, \
                 and nobody signs that anew",
                self.issued
            ));
        }
        if self.nodes > 0 {
            let nodes = self.nodes;
            lines.push(format!("authorisations of nodes: {nodes}; they act for it no more"));
        }
        lines.extend(self.charter.clone());
        lines.push("what was signed as it until then stays what it was".to_owned());
        lines
    }

    /// What is told before it is done.
    fn told(&self, did: &Did) -> Vec<String> {
        let mut told = vec![format!(
            "{did} ends for good: what is signed as it from then on counts nowhere, and nothing \
             takes that back"
        )];
        told.extend(self.lines());
        if self.issued > 0 {
            told.push(
                "before: revoke what must end at once, and have the others issued by somebody else"
                    .to_owned(),
            );
        }
        if self.charter.is_some() {
            told.push("before: have a charter signed that does without it".to_owned());
        }
        told
    }
}

/// Where nobody could see an end, none is written: what can be done instead.
fn cannot_deactivate(identity: &Identity) -> Failure {
    let (did, name) = (&identity.did, &identity.name);
    let revoke = "revoke what it issued (`gridpass visa list --issued`), give out the lists, and have its \
                  own visas revoked by who issued them";
    let (reason, next) = match (did.method(), identity.kind) {
        (_, IdentityKind::Node) => (
            "a node's key is its identifier, and its participant says how long it counts",
            format!(
                "Let its participant revoke its authorisations: `gridpass visa revoke {did} -o lists.json`."
            ),
        ),
        ("web", _) => (
            "a did:web has no log that would prove an end, and what others keep of it goes on",
            format!(
                "Take its document down from {}; {revoke}.",
                published_at(identity).unwrap_or_default()
            ),
        ),
        _ => (
            "its key is the identifier, and there is no place to say that it ended",
            format!(
                "Let it rest: {revoke}. Where its key is in other hands, `gridpass id rotate {name} \
                 --compromised-since TIME` has this wallet sign with it no more."
            ),
        ),
    };
    let message = format!("{did} cannot be deactivated: {reason}");
    Failure::new(codes::IDENTITY_CANNOT_DEACTIVATE, message).next(next)
}
