//! Saying no to a request, or to several for one reason.

use super::examining::{Examined, examine, read};
use super::many::{self, NotDone, Told};
use super::request::look;
use super::standing::Known;
use super::{take_wallet, wallet_of, write_parcel};
use crate::commands::arguments::{Opened, TrustArgs, identities_of};
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, MAX_INPUT, OutputArgs, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Done, Failure, Outcomes};
use crate::shown::shown as harmless;
use clap::Args;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::issuing::RefusedRequest;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::register;
use gridpass_credentials::request::{self, Received, Refusal, VisaRequest};
use gridpass_credentials::secured::Signer;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::snapshots::Fixed;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Refuse a request, with a reason that its sender can read
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa refuse request.json --reason 'zone GB-9 is not served' -o refusal.json\n  \
     gridpass visa refuse requests/ --reason 'the season is full' -o refusals/      all in a folder; call it again after an interruption"
))]
pub struct RefuseArgs {
    /// The request; - for standard input. Or several, or a folder of them: then -o names a folder, which is
    /// made where it is not there; each refusal has the name of its request. Of a folder, hidden files,
    /// folders and what else is no file are passed over, and named in the answer
    #[arg(required = true, value_name = "REQUEST")]
    files: Vec<PathBuf>,
    /// Why; the same for all
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What may come of a request among several.
const OUTCOMES: [&str; 5] = ["refused", "written again", "refused before", NOT_WRITTEN, "failed"];
/// Of a refusal that was entered, and is not in its file.
const NOT_WRITTEN: &str = "refused-not-written";

/// A refusal that was entered, and is in no file yet.
struct Refused {
    parcel: Parcel,
    did: Did,
    /// What is known of who refuses.
    own: Fixed,
    answer: Answer,
}

pub fn refuse(global: &GlobalArgs, args: &RefuseArgs) -> Outcomes {
    let file = match args.files.as_slice() {
        [file] if !is_into_folder(file, args) => file,
        _ => return refuse_many(global, args),
    };
    args.output.check()?;
    let reviewed = look(global, file, &args.trust)?;
    let request = reviewed.request;
    let mut wallet = wallet_of(reviewed.material, global)?;
    let mut known = Known::of(&wallet)?;
    refuse_where_one_counts(&wallet, &mut known, &request.id).map_err(|e| e.failure)?;
    let Refused { parcel, did, own, mut answer } = refuse_one(&mut wallet, &request, &args.reason)?;
    answer.done = Some(entered(&request.id));
    write_parcel(parcel, &own, &[did], &args.output, answer)
        .map_err(|e| entered(&request.id).all_the_same(e))
}

/// That a refusal is entered, wherever its file is.
fn entered(request: &ContentId) -> Done {
    Done {
        json: json!({"refused": request}),
        sentence: format!("the refusal of the request {request} is entered"),
        next: "Call it again, for the same reason and with another -o, or --force: it is refused once all the \
               same, and its file is written."
            .to_owned(),
    }
}

/// Whether one request is answered as those of a folder are.
fn is_into_folder(file: &Path, args: &RefuseArgs) -> bool {
    let names_folder = args.output.file().is_some_and(many::names_folder);
    file.is_dir() || (names_folder && file != Path::new("-"))
}

/// Signs and enters a refusal.
fn refuse_one(
    wallet: &mut Wallet,
    received: &Received<VisaRequest>,
    reason: &str,
) -> Result<Refused, Failure> {
    let asked = &received.statement;
    let me = identity(wallet, Some(asked.issuer.as_str()))?;
    let refusal = Refusal {
        format_version: request::FORMAT_VERSION,
        issuer: me.did.clone(),
        holder: asked.holder.clone(),
        request: received.id.clone(),
        role: asked.role.clone(),
        reason: reason.to_owned(),
    };
    let (key_id, key) = wallet.active_secret(&me, Relationship::AssertionMethod)?;
    let time: UnixMillis = now();
    let text = request::sign(&refusal, Signer { key: &key, key_id: &key_id, now: time })?;
    // Before its file is written: a call that is repeated enters it once more.
    register::enter_refusal(wallet, &refusal, time, &mut rng())?;
    let parcel = Parcel::new(ParcelKind::Refusal, Some(text));
    let json = json!({"refusal": refusal});
    let text = format!(
        "Refused {} to {}: {}\nnext: send the file to the holder, who verifies it with `gridpass visa verify FILE`",
        refusal.role,
        refusal.holder,
        harmless(&refusal.reason)
    );
    let own = Fixed(wallet.snapshots(&me.did)?);
    let answer = Answer::new("gridpass.visa.refuse/1", json, text);
    Ok(Refused { parcel, did: me.did, own, answer })
}

/// A refusal beside a visa that counts would say two things at once.
fn refuse_where_one_counts(
    wallet: &Wallet,
    known: &mut Known,
    request: &ContentId,
) -> Result<(), NotDone> {
    for entered in known.register(wallet)? {
        let (record, visa) = (&entered.record, &entered.visa);
        let state = record.state();
        let living = state != "revoked" && visa.valid_until > now();
        if record.request.as_ref() == Some(request) && living {
            let message = format!(
                "the visa {} was issued for this request at {}, and is {state}",
                visa.id, record.issued
            );
            let failure = Failure::new(gridpass_credentials::codes::REQUEST_ANSWERED, message);
            let failure = failure.next(format!(
                "Where its holder is not to have it, revoke it: `gridpass visa revoke {} -o lists.json`.",
                visa.id
            ));
            return Err(NotDone::from(failure).with("visa", json!(visa.id)));
        }
    }
    Ok(())
}

/// Each for itself: one that cannot be refused keeps none of the others from it.
fn refuse_many(global: &GlobalArgs, args: &RefuseArgs) -> Outcomes {
    let (requests, passed_over) = many::targets(&args.files, &args.output, "refusals")?;
    let opened = args.trust.open(global)?;
    many::make_folder(&args.output)?;
    let mut known = Known::of(opened.wallet())?;
    let (mut place, mut told) = (Some(opened), Told::of(requests.len(), passed_over));
    for (target, file) in &requests {
        let mut about = Map::new();
        let at = (&mut place, &mut known, &mut about);
        let done = one_of_many(global, args, at, file, target);
        let file_of = |what| (what, json!({"file": target.display().to_string()}));
        told.tell(file, about, done.map(file_of));
    }
    let (mut text, exit) = (told.text(), told.exit);
    let mut json = told.json(&OUTCOMES);
    json.insert("reason".into(), json!(args.reason));
    text.push_str(
        "next: send each file to its holder, who verifies it with `gridpass visa verify FILE`",
    );
    let mut answer = Answer::new("gridpass.visa.refuse-many/1", Value::Object(json), text);
    answer.exit = exit;
    Ok(answer)
}

/// What came of one, in a word. The wallet is in its place again afterwards.
fn one_of_many(
    global: &GlobalArgs,
    args: &RefuseArgs,
    (place, known, about): (&mut Option<Opened>, &mut Known, &mut Map<String, Value>),
    file: &Path,
    target: &Path,
) -> Result<&'static str, NotDone> {
    let parcel = read(file)?;
    let mut material = args.trust.gather_in(global, place, &parcel)?;
    let examined = examine(&parcel, &material);
    let mut wallet = take_wallet(&mut material, global)?;
    let answered = examined.map_err(NotDone::from).and_then(|examined| {
        *about = many::about(&examined.request);
        answer_one(&mut wallet, known, &examined, args, target)
    });
    material.wallet = Some(wallet);
    *place = material.give_back();
    answered
}

/// Refuses one, or where an earlier call did for this reason, sees to its file: nothing is refused twice.
fn answer_one(
    wallet: &mut Wallet,
    known: &mut Known,
    examined: &Examined,
    args: &RefuseArgs,
    target: &Path,
) -> Result<&'static str, NotDone> {
    let request = &examined.request;
    refuse_where_one_counts(wallet, known, &request.id)?;
    let before = register::refused(wallet, &request.id).map_err(Failure::from)?;
    let before = before.filter(|before| before.reason == args.reason);
    if before.as_ref().is_some_and(|before| is_there(wallet, target, request, before)) {
        return Ok("refused before");
    }
    let output = OutputArgs { output: Some(target.to_owned()), force: args.output.force };
    let not_written = |e: Failure| NotDone::new(NOT_WRITTEN, entered(&request.id).all_the_same(e));
    output.check().map_err(|e| match &before {
        Some(_) => not_written(e),
        None => e.into(),
    })?;
    let Refused { mut parcel, did, own, .. } = refuse_one(wallet, request, &args.reason)?;
    let mut write = || -> Result<(), Failure> {
        parcel.identities = identities_of(&own, std::slice::from_ref(&did))?;
        output.write(parcel.encode()?)?;
        Ok(())
    };
    write().map_err(not_written)?;
    Ok(if before.is_some() { "written again" } else { "refused" })
}

/// Whether a file holds the refusal of a request that was entered, as it was signed.
fn is_there(
    wallet: &Wallet,
    target: &Path,
    request: &Received<VisaRequest>,
    before: &RefusedRequest,
) -> bool {
    let read = read_input(target, MAX_INPUT).ok().and_then(|bytes| Parcel::parse(&bytes).ok());
    let Some(text) = read.and_then(|parcel| parcel.content) else { return false };
    let resolver = OfflineResolver::new(wallet);
    // As of when it was entered: it verifies for 30 days, and is no other one after that.
    let Ok(kept) = request::receive::<Refusal>(&text, None, &resolver, before.at) else {
        return false;
    };
    let said = &kept.statement;
    kept.report.outcome() == Outcome::Passed
        && said.request == request.id
        && said.issuer == before.by
        && said.reason == before.reason
}
