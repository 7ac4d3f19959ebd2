//! Issuing a visa.

use super::standing::{Entered, Known};
use super::wanted::{Wanted, from_arguments, from_request, known_documents};
use super::{FormArg, claims_text, consent, issue_many, rows, write_parcel};
use crate::commands::arguments::{ClaimArgs, TrustArgs, dids_in, parse_duration};
use crate::commands::resolve::parse_time;
use crate::commands::restored::warn_of_lists;
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, OutputArgs, now, rng};
use crate::help;
use crate::output::{Answer, Done, Failure, Outcomes};
use crate::shown::shown as harmless;
use crate::warnings::hint;
use clap::Args;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::issuing::{IssuedVisa, Issuer, NewVisa};
use gridpass_credentials::keeping;
use gridpass_credentials::many::Batch;
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::role::RoleName;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::visa::Visa;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{OfflineResolver, Resolver as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Issue a visa: for a request, or to a DID that you name
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa issue request.json -o visa.json\n  \
     gridpass visa issue --to did:webvh:… --role flex.gb.aggregator --claim zone=GB-1 -o visa.json\n  \
     gridpass visa issue request.json --form sd-jwt --withholdable capacityKw -o visa.json\n  \
     gridpass visa issue requests/ -o visas/      all in a folder; call it again after an interruption"
))]
pub struct IssueArgs {
    /// The request; - for standard input. Or several, or a folder of them: then -o names a folder, which is
    /// made where it is not there; each visa has the name of its request. Of a folder, hidden files, folders
    /// and what else is no file are passed over, and named in the answer
    #[arg(
        required_unless_present = "to",
        conflicts_with_all = ["to", "role"],
        value_name = "REQUEST"
    )]
    pub files: Vec<PathBuf>,
    /// To whom, by DID, without a request
    #[arg(long, value_name = "DID", requires = "role")]
    pub to: Option<String>,
    /// The role, by its name in the pinned charter or its CID
    #[arg(long, value_name = "ROLE", requires = "to")]
    pub role: Option<String>,
    #[command(flatten)]
    pub claims: ClaimArgs,
    /// From when (RFC 3339, UTC) [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// For how long [default: as requested, or as long as the role allows]
    #[arg(long, value_name = "TIME")]
    validity: Option<String>,
    /// How it is secured
    #[arg(long, value_enum, default_value = "jwt")]
    form: FormArg,
    /// A claim that the holder can withhold when it presents (with --form sd-jwt); all, if none is named
    #[arg(long, value_name = "NAME")]
    withholdable: Vec<String>,
    /// Issue a second visa for a request that was answered with one already
    #[arg(long, requires = "files")]
    pub again: bool,
    /// Issue it though the visa that it is to replace, or another that its holder had for the role, is
    /// revoked or suspended; for one request at a time
    #[arg(long)]
    pub despite_revocation: bool,
    /// Issue it though this request was refused before; for one request at a time
    #[arg(long, requires = "files")]
    pub despite_refusal: bool,
    /// What the ids of new status lists start with: a URL of yours, ending in /
    #[arg(long, value_name = "URL")]
    status_base: Option<String>,
    /// The identity that issues, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    pub trust: TrustArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

pub fn issue(global: &GlobalArgs, args: &IssueArgs) -> Outcomes {
    warn_of_lists(global);
    if issue_many::is_meant(args) {
        args.trust.refuse_other_times()?;
        return issue_many::issue(global, args);
    }
    args.output.check()?;
    args.trust.refuse_other_times()?;
    let (wanted, mut wallet) = match args.files.first() {
        Some(file) => from_request(global, args, file)?,
        None => from_arguments(global, args)?,
    };
    let (trust, mut known) = (keeping::pinned(&wallet, now())?, Known::of(&wallet)?);
    let Made { parcel, dids, visa, mut answer } =
        issue_one(&mut wallet, (&trust, &mut known), args, wanted, None)?;
    answer.done = Some(issued(&visa));
    write_parcel(parcel, &wallet, &dids, &args.output, answer).map_err(|e| issued_already(e, &visa))
}

/// A visa that was issued, and is in no file yet; in a batch, one that is entered with it.
pub struct Made {
    pub parcel: Parcel,
    /// Whose documents belong beside it.
    pub dids: Vec<Did>,
    /// Its id.
    pub visa: String,
    pub answer: Answer,
}

/// That it is issued, wherever its file is.
fn issued(visa: &str) -> Done {
    let next = format!(
        "Do not issue it again; get its file with `gridpass visa export {visa} -o visa.json`."
    );
    let sentence = format!("the visa {visa} is issued");
    Done { json: json!({"visa": visa}), sentence, next }
}

/// Where its file could not be written.
pub fn issued_already(failure: Failure, visa: &str) -> Failure {
    issued(visa).all_the_same(failure)
}

/// Issues what is wanted: one change of the wallet, or with others in a batch, which is entered later. By the
/// pinned trust pack, and what the wallet knows.
pub fn issue_one(
    wallet: &mut Wallet,
    (trust, known): (&Trust, &mut Known),
    args: &IssueArgs,
    wanted: Wanted,
    batch: Option<&mut Batch>,
) -> Result<Made, Failure> {
    let Wanted {
        subject,
        role,
        claims,
        validity,
        issuer,
        shown,
        lists,
        identities,
        request,
        renews,
    } = wanted;
    // Asked for before the end, perhaps: nobody could show the visa either.
    let resolved = OfflineResolver::new(&*wallet).resolve(&subject).ok();
    if let Some(since) = resolved.and_then(|resolved| resolved.deactivated()) {
        let message = format!("{subject} is deactivated since {since}, and could not show a visa");
        return Err(Failure::new(gridpass_identity::codes::DID_DEACTIVATED, message));
    }
    let me = identity(wallet, args.identity.as_deref().or(issuer.as_deref()))?;
    let from = args.from.as_deref().map(parse_time).transpose()?.unwrap_or_else(now);
    consent::refuse_faults(&claims, from.max(now()))?;
    if let Some((_, listed)) = trust.find_role(&role)
        && let Some(why) = consent::not_its_own(wallet, &me.did, &listed.definition, &claims)?
    {
        let failure = Failure::new(gridpass_credentials::codes::CLAIMS_UNFIT, why);
        return Err(failure.next("A customer consents for its own metering points only."));
    }
    let asked = args.validity.as_deref().map(parse_duration).transpose()?;
    let until = asked.or(validity.map(|s| s.saturating_mul(1000)));
    let all: Vec<String> = claims.keys().cloned().collect();
    let withholdable: Vec<&str> = match (args.form, args.withholdable.as_slice()) {
        (FormArg::SdJwt, []) => all.iter().map(String::as_str).collect(),
        (_, named) => named.iter().map(String::as_str).collect(),
    };
    let new = NewVisa {
        subject: &subject,
        role: &role,
        claims,
        valid_from: from,
        valid_until: until.map(|ms| from.floor_to_second().plus_millis(ms)),
        form: args.form.into(),
        withholdable: &withholdable,
        list_base: args.status_base.as_deref(),
    };
    let (parties, signers) = ([&me.did, &subject], known.signers());
    let documents = known_documents(wallet, trust, &shown, &identities, parties, signers)?;
    let resolver = OfflineResolver::new(&documents);
    let listed = trust.find_role(&role).map(|(_, listed)| listed.definition.name.as_str());
    let roles: Vec<&str> = std::iter::once(role.as_str()).chain(listed).collect();
    let others = others(wallet, known, &subject, &roles)?;
    if renews.is_none() {
        tell_of(&others, &subject);
    }
    let mut issuer = Issuer { wallet, identity: &me, trust, now: now() };
    let evidence = (shown.as_slice(), lists.as_slice());
    let request = request.as_ref();
    let issued = match batch {
        Some(batch) => {
            batch.prepare(&mut issuer, (&new, request), evidence, &resolver, &mut rng())?
        }
        None => {
            let issued = issuer.issue_for(&new, request, evidence, &resolver, &mut rng());
            issued.map_err(|e| {
                Failure::from(e).look(
                    "Look whether it is issued: `gridpass visa list --issued`. If it is, do not issue it again: \
                     `gridpass visa export ID -o visa.json` writes its file.",
                )
            })?
        }
    };
    let mut parcel = Parcel::new(ParcelKind::Visa, Some(issued.text.clone()));
    let mut dids = dids_in(&issued.supporting);
    dids.push(me.did.clone());
    parcel.supporting = issued.supporting;
    parcel.status_lists = issued.lists;
    let visa = &issued.visa;
    let json = json!({
        "visa": visa,
        "evidence": issued.evidence,
        "in_force": in_force(&others, &[renews.as_deref()]),
    });
    let accepts = if visa.valid_from > now() {
        // The lists beside it are too old by then.
        format!(
            "`gridpass visa accept FILE --status LISTS` from {} on, with the lists of then",
            visa.valid_from
        )
    } else {
        "`gridpass visa accept FILE`".to_owned()
    };
    let text = format!(
        "Visa {} for {}\n{}  valid            {} to {}\n  id               {}\n  hash             {}\n\
         next: send the file to its holder, who runs {accepts}",
        visa.role,
        visa.subject,
        claims_text(&visa.claims),
        visa.valid_from,
        visa.valid_until,
        harmless(&visa.id),
        issued.evidence
    );
    let id = visa.id.clone();
    let answer = Answer::new("gridpass.visa.issue/1", json, text);
    Ok(Made { parcel, dids, visa: id, answer })
}

/// The visa that was issued last for a request, and its state as `gridpass visa list --issued` says it.
pub fn answer_to(
    wallet: &Wallet,
    known: &mut Known,
    request: &ContentId,
) -> Result<Option<(IssuedVisa, Visa, &'static str)>, Failure> {
    let mut all = known.register(wallet)?.into_iter();
    let answer = all.rfind(|entered| entered.record.request.as_ref() == Some(request));
    let Some(answer) = answer else { return Ok(None) };
    let Entered { record, secured, visa } = &*answer;
    let standing = known.in_register(wallet, record, secured, visa)?;
    let mut state = rows::with_expiry(standing.state, consent::end_of(visa));
    // Another one may stand in its place, which is looked for only where it matters.
    if rows::is_void(state) {
        let mut all = rows::issued(wallet, known)?.into_iter();
        state = all.find(|row| row.visa.id == visa.id).map_or(state, |row| row.state);
    }
    Ok(Some((record.clone(), visa.clone(), state)))
}

/// One request is answered with one visa: a call that is repeated by mistake must not leave two in
/// force, of which only one is ever revoked.
pub fn refuse_to_repeat(
    wallet: &Wallet,
    known: &mut Known,
    request: &ContentId,
) -> Result<(), Failure> {
    match answer_to(wallet, known, request)? {
        None => Ok(()),
        Some((record, visa, state)) => Err(answered_before(&record, &visa, state)),
    }
}

/// That a request has its visa already, and what is done where that one does not count.
pub fn answered_before(record: &IssuedVisa, visa: &Visa, state: &str) -> Failure {
    let message = format!(
        "the visa {} was issued for this request at {}, and its state is {state}",
        visa.id, record.issued
    );
    let next = match state {
        "in force" | "not yet" => format!(
            "Have its file once more with `gridpass visa export {} -o visa.json`; for a second visa, call it \
             with this request alone, and add --again.",
            visa.id
        ),
        "replaced" => "See what stands in its place with `gridpass visa list --issued`; for another visa, call it \
                       with this request alone, and add --again."
            .to_owned(),
        "suspended" => format!(
            "Reinstate it with `gridpass visa reinstate {}`; for a second visa all the same, call it with this \
             request alone, and add --again and --despite-revocation.",
            visa.id
        ),
        "revoked" => "Refuse the request with `gridpass visa refuse FILE`; for a second visa all the same, call it \
                      with this request alone, and add --again and --despite-revocation."
            .to_owned(),
        _ => "For one in its place, call it with this request alone, and add --again.".to_owned(),
    };
    Failure::new(gridpass_credentials::codes::REQUEST_ANSWERED, message).next(next)
}

/// A visa of the role that its holder has from here already, and that somebody may take.
pub struct Other {
    id: String,
    role: RoleName,
    state: &'static str,
    ends: UnixMillis,
}

/// Which visas of a role, by its name or its definition, the holder has from here already; there may be reasons for
/// several. Not those that nobody takes any more: in their place it is issued.
pub fn others(
    wallet: &Wallet,
    known: &mut Known,
    subject: &Did,
    roles: &[&str],
) -> Result<Vec<Other>, Failure> {
    let mut found = Vec::new();
    for entered in known.register(wallet)? {
        let Entered { record, secured, visa } = &*entered;
        let same = roles.contains(&visa.role.as_str()) || roles.contains(&visa.definition.as_str());
        if &visa.subject != subject || !same || visa.valid_until <= now() {
            continue;
        }
        let state = known.in_register(wallet, record, secured, visa)?.state;
        if state != "revoked" && !rows::is_void(state) {
            let (id, role) = (visa.id.clone(), visa.role.clone());
            found.push(Other { id, role, state, ends: visa.valid_until });
        }
    }
    Ok(found)
}

/// Those that are in force or will be, but for some, for programs.
pub fn in_force(others: &[Other], but: &[Option<&str>]) -> Value {
    let counts = |o: &&Other| {
        matches!(o.state, "in force" | "not yet") && !but.contains(&Some(o.id.as_str()))
    };
    let row = |o: &Other| {
        let code = match o.state {
            "not yet" => gridpass_credentials::codes::VISA_NOT_YET,
            _ => gridpass_credentials::codes::VISA_IN_FORCE,
        };
        json!({"visa": o.id, "state": o.state, "ends": o.ends, "code": code})
    };
    others.iter().filter(counts).map(row).collect()
}

/// Says so to whoever issues another one.
fn tell_of(others: &[Other], subject: &Did) {
    for Other { id, role, state, ends } in others {
        let state = if *state == "not yet" { "not in force yet" } else { *state };
        hint(format_args!(
            "note: {subject} has {role} by visa {id} already, {state}, until {ends}; if the new one replaces \
             it, revoke that one"
        ));
    }
}
