//! `gridpass status`: status lists as files.

use super::arguments::{check_logs, identities_of, read_lists, save_identities, self_proving};
use super::restored::{
    lists_to_take, must_have_lists, none_of_ended, none_to_take, own_lists_taken,
};
use super::sign::identity;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted};
use crate::shown::shown;
use crate::warnings::hint;
use clap::{Args, Subcommand};
use gridpass_credentials::issuing::Issuer;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::parcel::Parcel;
use gridpass_credentials::register;
use gridpass_credentials::secured::Form;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, Snapshots};
use gridpass_credentials::verify::{Evidence, SeenLists, check_list, pretends_authority};
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::wallet::Wallet;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Status lists: which visas are suspended or revoked
#[derive(Subcommand)]
#[command(after_help = help!(
    "  gridpass status publish -o lists.json      sign your lists with today's date\n  \
     gridpass status accept lists.json          keep an issuer's\n  \
     gridpass status show lists.json"
))]
pub enum StatusCommand {
    Publish(PublishArgs),
    Accept(AcceptArgs),
    Show(ShowArgs),
}

/// Keep status lists that an issuer sent you, once their signatures are verified
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass status accept lists.json\n  \
     (from then on an older state of the same list is refused; after a restore you go on from your own; a list \
     whose signer would revoke by a visa of its own that does not hold is refused)"
))]
pub struct AcceptArgs {
    /// A list, or a file of several; - for standard input
    file: PathBuf,
}

/// Sign your status lists anew, with today's date, and write them for others
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass status publish -o lists.json\n  \
     gridpass status publish --form eddsa-rdfc-2022 --list LIST -o list.json    one bare list, for other software"
))]
pub struct PublishArgs {
    /// The identity that signs, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    /// How they are secured
    #[arg(long, value_enum, default_value = "jwt")]
    form: ListFormArg,
    /// Write this list alone, bare, instead of a file of all
    #[arg(long, value_name = "ID")]
    list: Option<String>,
    /// Publish though the wallet was restored and its own newer lists were not taken: only where the backup has
    /// all that was published. What was suspended or revoked after it counts again
    #[arg(long)]
    despite_restore: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// How a status list is secured, on the command line: no part of one can be withheld, so it is no SD-JWT.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ListFormArg {
    /// A JWT (vc+jwt), the default on the wire
    Jwt,
    /// JSON with a Data Integrity proof over RDF
    #[value(name = "eddsa-rdfc-2022")]
    EddsaRdfc2022,
    /// JSON with a Data Integrity proof over JSON
    #[value(name = "eddsa-jcs-2022")]
    EddsaJcs2022,
}

impl From<ListFormArg> for Form {
    fn from(form: ListFormArg) -> Self {
        match form {
            ListFormArg::Jwt => Self::Jwt,
            ListFormArg::EddsaRdfc2022 => Self::EddsaRdfc2022,
            ListFormArg::EddsaJcs2022 => Self::EddsaJcs2022,
        }
    }
}

/// Show what status lists say. Nothing is verified
#[derive(Args)]
#[command(after_help = help!("  gridpass status show lists.json --index 4711\n  gridpass status show      those that you signed last"))]
pub struct ShowArgs {
    /// A list, or a file of several; without it, those that you signed last
    file: Option<PathBuf>,
    /// Look at one entry
    #[arg(long, value_name = "N")]
    index: Option<u64>,
}

pub fn run(global: &GlobalArgs, command: &StatusCommand) -> Outcomes {
    match command {
        StatusCommand::Publish(args) => publish(global, args),
        StatusCommand::Accept(args) => accept(global, args),
        StatusCommand::Show(args) => show(global, args),
    }
}

fn publish(global: &GlobalArgs, args: &PublishArgs) -> Outcomes {
    args.output.check()?;
    let mut wallet = global.wallet()?;
    let profile = global.profile_dir(&global.profile()?)?;
    if args.despite_restore {
        none_of_ended(&profile, &wallet)?;
    }
    let me = identity(&wallet, args.identity.as_deref())?;
    // Before anything is signed.
    if let Some(id) = &args.list {
        must_be_own(&wallet, &me.did, id)?;
    }
    if !args.despite_restore {
        must_have_lists(&profile, &me.did)?;
    }
    let trust = keeping::pinned_even_ahead(&wallet, now())?;
    let mut issuer = Issuer { wallet: &mut wallet, identity: &me, trust: &trust, now: now() };
    let lists = issuer.publish_lists(args.form.into(), &mut rng())?;
    if args.despite_restore {
        none_to_take(&profile, &me.did)?;
    }
    let text: String = lists.iter().map(line).collect();
    let text = if lists.is_empty() {
        "There is no list yet: issue a visa first.".to_owned()
    } else {
        format!("{text}next: give the file to those who rely on your visas")
    };
    let json = json!({"lists": lists.iter().map(row).collect::<Vec<_>>()});
    let answer = Answer::new("gridpass.status.publish/1", json, text);
    let bytes = match &args.list {
        Some(id) => {
            let list = lists.iter().find(|l| &l.id == id).ok_or_else(|| no_list(id))?;
            format!("{}\n", list.secured().text()).into_bytes()
        }
        None => {
            let mut parcel = register::lists_parcel(&wallet, &lists)?;
            // Also where there is no list: an end that is to be told is in it.
            for material in identities_of(&wallet, [&me.did])? {
                if !parcel.identities.contains(&material) {
                    parcel.identities.push(material);
                }
            }
            parcel.encode()?
        }
    };
    Ok(match args.output.write(bytes)? {
        Some(raw) => {
            hint(&answer.text);
            answer.with_document(raw)
        }
        None => answer,
    })
}

fn no_list(id: &str) -> Failure {
    Failure::from(KeepError::NotFound { what: "status list of yours", name: id.to_owned() })
        .next("List them with `gridpass status show`.")
}

/// Refuses a list that this identity does not sign.
fn must_be_own(wallet: &Wallet, me: &Did, id: &str) -> Result<(), Failure> {
    if register::signs_list(wallet, me, id)? { Ok(()) } else { Err(no_list(id)) }
}

fn accept(global: &GlobalArgs, args: &AcceptArgs) -> Outcomes {
    let (lists, identities) = read(&args.file)?;
    let mut wallet = global.wallet()?;
    let identities = self_proving(&identities, now());
    let trust = match keeping::pinned(&wallet, now()) {
        Ok(trust) => Some(trust),
        // Such as where this machine's clock is wrong: then nothing is known of who may revoke.
        Err(KeepError::NoTrust | KeepError::Trust(_)) => None,
        Err(e) => return Err(e.into()),
    };
    // Else a list would be said not to hold, and why would not be told.
    check_logs(&wallet, trust.as_ref(), &identities)?;
    let own: Vec<Did> = wallet.identities()?.into_iter().map(|i| i.did).collect();
    // All or nothing: a file with one bad list is not to be believed in parts.
    {
        let mut known = Snapshots::read(&identities)?;
        if let Some(trust) = &trust {
            known = known.with(trust);
        }
        let known = known.with(&wallet);
        let resolver = OfflineResolver::new(&known);
        let (seen, memo) = (SeenLists::new(), &mut SignatureMemo::default());
        for list in &lists {
            let checks = check_list(list, &resolver, now(), memo);
            if let Some(check) = checks.into_iter().find(|c| c.outcome != Outcome::Passed) {
                let message = format!("the list {} is not kept: {}", list.id, check.sentence);
                return Err(Failure::new(check.code, message));
            }
            let Some(trust) = trust.as_ref().filter(|_| !own.contains(&list.issuer)) else {
                continue;
            };
            let evidence = Evidence { trust, lists: &lists, resolver: &resolver, seen: &seen };
            if pretends_authority(list, &evidence, now(), memo) {
                return Err(pretended(list));
            }
        }
    }
    let new = save_identities(&mut wallet, &identities)?;
    let before = register::signed_lists(&wallet)?;
    let (mut kept, mut older, mut wrong) = (Vec::new(), Vec::new(), None);
    // What is wrong with one keeps nobody from what the others say.
    for list in lists {
        match keeping::see_list(&mut wallet, &list, &mut rng()) {
            Ok(()) => kept.push(list),
            Err(KeepError::OlderList(_)) => older.push(list),
            // One of its own that its owner does not go on from is a thief's, as is a fork.
            Err(e @ (KeepError::ForkedList(_) | KeepError::Status(_))) => {
                wrong = wrong.or(Some(e));
            }
            Err(e) => return Err(e.into()),
        }
    }
    let profile = global.profile_dir(&global.profile()?)?;
    let marked = lists_to_take(&profile)?.len();
    // Also those in place of which newer ones are kept: what they say is known.
    own_lists_taken(&profile, &before, &older)?;
    let lists = kept;
    let open = own_lists_taken(&profile, &before, &lists)?;
    if let Some(wrong) = wrong {
        return Err(wrong.into());
    }
    if let Some(list) = older.first().filter(|_| lists.is_empty() && open == marked) {
        return Err(KeepError::OlderList(list.id.clone()).into());
    }
    let text: String = lists.iter().map(line).collect();
    let json = json!({
        "lists": lists.iter().map(row).collect::<Vec<_>>(),
        "older": older.iter().map(row).collect::<Vec<_>>(),
        "dids": new,
    });
    let mut text = format!("{text}{} kept.", counted(lists.len(), "list is", "lists are"));
    if !older.is_empty() {
        let older: String = older.iter().map(line).collect();
        text.push_str(&format!("\nNot kept, since a newer state is kept already:\n{older}"));
    }
    if lists.is_empty() && !identities.is_empty() {
        text = match new {
            0 => "Nothing in it is new.".to_owned(),
            1 => "What is new of one DID in it is kept.".to_owned(),
            more => format!("What is new of {more} DIDs in it is kept."),
        };
    }
    let identities = wallet.identities()?;
    let own = lists.iter().filter(|l| identities.iter().any(|i| i.did == l.issuer)).count();
    if own > 0 {
        text.push_str(&format!(
            "\n{own} of them are your own: what they say is in your register, and you go on from them.\n\
             next: gridpass status publish -o lists.json"
        ));
        if open > 0 {
            text.push_str(&format!(
                "\n{} of yours as new as the backup from which this wallet was restored, or newer, to be taken still: \
                 gridpass explain GP-OWN-LISTS-OPEN",
                counted(open, "list is", "lists are")
            ));
        }
    }
    Ok(Answer::new("gridpass.status.accept/1", json, text))
}

/// What anybody can sign would fill the room that there is for what proves others, and nobody would hear
/// these any more.
fn pretended(list: &StatusList) -> Failure {
    let message = format!(
        "the list {} is not kept: no visa in it lets its signer, {}, revoke what others issued",
        list.id, list.issuer
    );
    Failure::new(gridpass_credentials::codes::STATUS_SIGNER, message).next(
        "Ask its signer for a list that carries its own visa to revoke and what that rests on; where the issuer of \
         that visa is not known here, take the newest trust pack: `gridpass charter verify PACK --adopt`.",
    )
}

/// The lists of a file, and the documents that came with them.
fn read(path: &Path) -> Result<(Vec<StatusList>, Vec<IdentityMaterial>), Failure> {
    let bytes = read_input(path, MAX_INPUT)?;
    Ok(match Parcel::parse(&bytes) {
        Ok(parcel) => (read_lists(&parcel.status_lists)?, parcel.identities),
        Err(_) => (vec![keeping::read_list(&bytes)?], Vec::new()),
    })
}

fn line(list: &StatusList) -> String {
    let version = list.version.map_or("no version".to_owned(), |v| format!("version {v}"));
    format!(
        "{:<11} {version:<12} {}  {}\n  by {}\n",
        shown(list.purposes.join(",")),
        list.dated,
        shown(&list.id),
        list.issuer
    )
}

fn row(list: &StatusList) -> serde_json::Value {
    json!({
        "id": list.id,
        "issuer": list.issuer,
        "purposes": list.purposes,
        "version": list.version,
        "dated": list.dated,
        "expires": list.expires,
        "entries": list.bits().entries(),
        "evidence": list.secured().id(),
    })
}

fn show(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    let lists = match &args.file {
        None => register::signed_lists(&global.wallet()?)?,
        Some(path) => read(path)?.0,
    };
    let (mut text, mut rows) = (String::new(), Vec::new());
    for list in &lists {
        text.push_str(&line(list));
        let mut row = row(list);
        if let Some(index) = args.index {
            let set = list.bits().get(index)?;
            text.push_str(&format!("  entry {index} is {}\n", if set { "set" } else { "clear" }));
            for change in list.changes(index) {
                let word = if change.set { "set" } else { "cleared" };
                text.push_str(&format!("    {word} {}\n", change.at));
            }
            if let Some(row) = row.as_object_mut() {
                let entry = json!({"index": index, "set": set, "changes": list.changes(index)});
                row.insert("entry".into(), entry);
            }
        }
        rows.push(row);
    }
    text.push_str("Nothing was verified; a visa's verification verifies its lists.");
    Ok(Answer::new("gridpass.status.show/1", json!({"lists": rows, "verified": false}), text))
}
