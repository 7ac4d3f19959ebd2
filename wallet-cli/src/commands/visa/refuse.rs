//! Saying no to a request, or to several for one reason.

use super::examining::{examine, read};
use super::many::{self, Told};
use super::request::look;
use super::standing::Known;
use super::{take_wallet, wallet_of, write_parcel};
use crate::commands::arguments::{Opened, TrustArgs, identities_of};
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, OutputArgs, now, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown as harmless;
use clap::Args;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::register;
use gridpass_credentials::request::{self, Received, Refusal, VisaRequest};
use gridpass_credentials::secured::Signer;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::resolve::SnapshotStore as _;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::snapshots::Fixed;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Refuse a request, with a reason that its sender can read
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa refuse request.json --reason 'zone GB-9 is not served' -o refusal.json\n  \
     gridpass visa refuse requests/ --reason 'the season is full' -o refusals/      all in a folder, for one reason"
))]
pub struct RefuseArgs {
    /// The request; - for standard input. Or several, or a folder of them: then -o names a folder, which is
    /// made where it is not there; each refusal has the name of its request
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
    let Refused { parcel, did, own, answer } =
        refuse_one(&mut wallet, &mut known, &request, &args.reason)?;
    write_parcel(parcel, &own, &[did], &args.output, answer)
}

/// Whether one request is answered as those of a folder are.
fn is_into_folder(file: &Path, args: &RefuseArgs) -> bool {
    let names_folder = args.output.file().is_some_and(many::names_folder);
    file.is_dir() || (names_folder && file != Path::new("-"))
}

/// Signs and enters a refusal.
fn refuse_one(
    wallet: &mut Wallet,
    known: &mut Known,
    received: &Received<VisaRequest>,
    reason: &str,
) -> Result<Refused, Failure> {
    let asked = &received.statement;
    refuse_where_one_counts(wallet, known, &received.id)?;
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
) -> Result<(), Failure> {
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
            return Err(failure.next(format!(
                "Where its holder is not to have it, revoke it: `gridpass visa revoke {} -o lists.json`.",
                visa.id
            )));
        }
    }
    Ok(())
}

/// Each for itself: one that cannot be refused keeps none of the others from it.
fn refuse_many(global: &GlobalArgs, args: &RefuseArgs) -> Outcomes {
    let requests = many::targets(&args.files, &args.output, "refusals")?;
    let opened = args.trust.open(global)?;
    many::make_folder(&args.output)?;
    let mut known = Known::of(opened.wallet())?;
    let (mut place, mut told) = (Some(opened), Told::of(requests.len()));
    for (target, file) in &requests {
        let done = one_of_many(global, args, (&mut place, &mut known), file, target);
        let file_of = |()| ("refused", json!({"file": target.display().to_string()}));
        told.tell(file, "failed", done.map(file_of));
    }
    let json = json!({
        "reason": args.reason,
        "requests": told.rows,
        "refused": told.count("refused"),
        "failed": told.count("failed"),
    });
    let mut text = told.text();
    text.push_str(
        "next: send each file to its holder, who verifies it with `gridpass visa verify FILE`",
    );
    let mut answer = Answer::new("gridpass.visa.refuse-many/1", json, text);
    answer.exit = told.exit;
    Ok(answer)
}

/// The wallet is in its place again afterwards.
fn one_of_many(
    global: &GlobalArgs,
    args: &RefuseArgs,
    (place, known): (&mut Option<Opened>, &mut Known),
    file: &Path,
    target: &Path,
) -> Result<(), Failure> {
    let output = OutputArgs { output: Some(target.to_owned()), force: args.output.force };
    output.check()?;
    let parcel = read(file)?;
    let mut material = args.trust.gather_in(global, place, &parcel)?;
    let examined = examine(&parcel, &material);
    let mut wallet = take_wallet(&mut material, global)?;
    let refused = examined.and_then(|e| refuse_one(&mut wallet, known, &e.request, &args.reason));
    material.wallet = Some(wallet);
    *place = material.give_back();
    let Refused { mut parcel, did, own, .. } = refused?;
    parcel.identities = identities_of(&own, &[did])?;
    output.write(parcel.encode()?)?;
    Ok(())
}
