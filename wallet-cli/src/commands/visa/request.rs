//! Asking for a visa, and looking at what was asked.

use super::examining::{self, Examined};
use super::standing::{Known, Standing};
use super::{authority, claims_text, review_many, write_parcel};
use crate::codes::to_issuer;
use crate::commands::arguments::{ClaimArgs, TrustArgs, dids_in, parse_duration};
use crate::commands::sign::identity;
use crate::context::{GlobalArgs, OutputArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, checks_text, counted, outcome_exit};
use crate::resolving::parse_did;
use crate::shown::shown;
use crate::warnings::warn;
use clap::Args;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind, lists_named_in};
use gridpass_credentials::request::{self, Received, VisaRequest};
use gridpass_credentials::secured::Signer;
use gridpass_credentials::trust::{KnownRole, Trust};
use gridpass_credentials::verify::VisaReport;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::{Check, Outcome, Report};
use gridpass_identity::wallet::Wallet;
use gridpass_identity::wallet::identities::Identity;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Ask an issuer for a visa
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa request flex.gb.aggregator --issuer did:webvh:… --claim zone=GB-1 -o request.json\n  \
     gridpass visa request flex.gb.bidder --issuer did:webvh:… --claims claims.json --note 'as agreed'\n  \
     (visas that you hold and the role requires are added by themselves)"
))]
pub struct RequestArgs {
    /// The role, by its name in the pinned charter or its CID
    role: String,
    /// Whom you ask, by DID [default: the only DID that may issue it]
    #[arg(long, value_name = "DID")]
    issuer: Option<String>,
    #[command(flatten)]
    claims: ClaimArgs,
    /// For how long [default: as long as the role allows]
    #[arg(long, value_name = "TIME")]
    validity: Option<String>,
    /// A word to the officer
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The identity that asks, by name or DID; needed only where there are several
    #[arg(long = "as", value_name = "NAME")]
    identity: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Ask for a visa again, before it ends
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa expirations --within 30d\n  \
     gridpass visa renew flex.gb.aggregator -o request.json"
))]
pub struct RenewArgs {
    /// The visa, by role (if you hold only one), id or hash
    visa: String,
    /// Other claims than before
    #[command(flatten)]
    claims: ClaimArgs,
    /// A word to the officer
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// Look at a request: who asks, for what, with which proof, and what would be refused
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa review request.json\n  \
     gridpass visa issue request.json -o visa.json      or\n  \
     gridpass visa refuse request.json --reason 'zone not served'\n  \
     gridpass visa review requests/      all in a folder: what each requires, and what it lacks"
))]
pub struct ReviewArgs {
    /// The request; - for standard input. Or several, or a folder of them: then the exit status is that of the
    /// worst, where one that fails is worse than one that cannot be decided. Of a folder, hidden files, folders
    /// and what else is no file are passed over, and named in the answer
    #[arg(required = true, value_name = "REQUEST")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    trust: TrustArgs,
}

pub fn request(global: &GlobalArgs, args: &RequestArgs) -> Outcomes {
    args.output.check()?;
    let wallet = global.wallet()?;
    let trust = keeping::pinned(&wallet, now())?;
    let me = identity(&wallet, args.identity.as_deref())?;
    let (_, role) = find(&trust, &args.role)?;
    let claims = args.claims.read(&role.definition)?;
    let validity = args.validity.as_deref().map(parse_duration).transpose()?.map(|ms| ms / 1000);
    let issuer = match (&args.issuer, role.definition.issuers.dids.as_slice()) {
        (Some(did), _) => parse_did(did)?,
        (None, [only]) => only.clone(),
        (None, _) => {
            let who = may_issue(&trust, role);
            let message = format!("several may issue {}: {who}", role.definition.name);
            return Err(Failure::new(crate::codes::USAGE, message)
                .next("Name the one that you ask with --issuer DID: where its role says who may, a holder of that."));
        }
    };
    let new = New { issuer, claims, validity, renews: None, note: args.note.clone() };
    send(&wallet, &trust, &me, &args.role, new, &args.output)
}

/// Who may issue a role, as its definition says: DIDs, and the holders of roles.
fn may_issue(trust: &Trust, role: &KnownRole) -> String {
    let issuers = &role.definition.issuers;
    let named = |id: &ContentId| match trust.definition(id) {
        Some(known) => format!("holders of {}", known.definition.name),
        None => format!("holders of {id}"),
    };
    let all: Vec<String> =
        issuers.dids.iter().map(Did::to_string).chain(issuers.roles.iter().map(named)).collect();
    if all.is_empty() { "the charter's roots".to_owned() } else { all.join(", ") }
}

pub fn renew(global: &GlobalArgs, args: &RenewArgs) -> Outcomes {
    args.output.check()?;
    let wallet = global.wallet()?;
    let trust = keeping::pinned(&wallet, now())?;
    let mut known = Known::of(&wallet)?;
    let held = known.find(&wallet, &args.visa)?;
    let (_, visa) = held.read()?;
    if let Standing { state, why: Some((code, sentence)) } =
        known.standing(&wallet, &held, &visa)?
    {
        let what = format!("the visa {} is {state}: {sentence}", visa.role);
        match state {
            "revoked" => {
                return Err(Failure::new(code, what).next(format!(
                    "Ask its issuer why; a new one is asked for with `gridpass visa request {} \
                     --issuer {} --claim … -o request.json`.",
                    visa.role, visa.issuer
                )));
            }
            "suspended" => warn(Some(code), format_args!("{what}; its issuer is told")),
            _ => {}
        }
    }
    let me = identity(&wallet, Some(visa.subject.as_str()))?;
    // The definition may have been replaced: the one of this name that is in force counts.
    let name = visa.role.to_string();
    let (_, role) = find(&trust, &name)?;
    let claims = if args.claims.is_empty() {
        visa.claims.clone()
    } else {
        args.claims.read(&role.definition)?
    };
    let validity = visa.valid_until.millis_since(visa.valid_from) / 1000;
    let validity = Some(validity.min(role.definition.max_validity_seconds));
    authority::warn_of_other_role(&held, role, &visa.issuer);
    let (issuer, renews, note) = (visa.issuer.clone(), Some(visa.id.clone()), args.note.clone());
    let new = New { issuer, claims, validity, renews, note };
    send(&wallet, &trust, &me, &name, new, &args.output)
}

fn find<'t>(
    trust: &'t Trust,
    name: &str,
) -> Result<(&'t gridpass_credentials::content_id::ContentId, &'t KnownRole), Failure> {
    let none = || KeepError::NotFound { what: "role in the pinned charter", name: name.to_owned() };
    Ok(trust.find_role(name).ok_or_else(none)?)
}

struct New {
    issuer: Did,
    claims: Map<String, Value>,
    validity: Option<u64>,
    renews: Option<String>,
    note: Option<String>,
}

fn send(
    wallet: &Wallet,
    trust: &Trust,
    me: &Identity,
    role: &str,
    new: New,
    output: &OutputArgs,
) -> Outcomes {
    let (definition, known) = find(trust, role)?;
    authority::refuse_other_issuer(trust, known, &new.issuer)?;
    let violations = known.claims.violations(&Value::Object(new.claims.clone()));
    if !violations.is_empty() {
        let code = gridpass_credentials::codes::CLAIMS_UNFIT;
        return Err(Failure::new(code, violations.join("; "))
            .next(format!("See what it asks for: gridpass role show {role}")));
    }
    super::consent::refuse_faults(&new.claims, now())?;
    let (presentation, shown) = super::present::prerequisites(wallet, me, known, &new.issuer)?;
    let statement = VisaRequest {
        format_version: request::FORMAT_VERSION,
        holder: me.did.clone(),
        issuer: new.issuer.clone(),
        definition: definition.clone(),
        role: known.definition.name.clone(),
        claims: new.claims,
        validity_seconds: new.validity,
        renews: new.renews,
        presentation,
        note: new.note,
    };
    let (key_id, key) = wallet.active_secret(me, Relationship::Authentication)?;
    let text = request::sign(&statement, Signer { key: &key, key_id: &key_id, now: now() })?;
    let id = ContentId::of_bytes(text.as_bytes())?;
    let mut parcel = Parcel::new(ParcelKind::Request, Some(text));
    parcel.status_lists = lists_named_in(&shown, &keeping::lists(wallet)?.0);
    let mut dids = dids_in(&shown);
    dids.push(me.did.clone());
    let json = json!({
        "request": id,
        "role": statement.role,
        "issuer": statement.issuer,
        "holder": me.did,
        "shown": shown.len(),
    });
    let text = format!(
        "Request for {} to {}\n{}{} shown with it\nnext: send the file to the issuer, who \
         runs `gridpass visa review FILE`",
        statement.role,
        statement.issuer,
        claims_text(&statement.claims),
        counted(shown.len(), "visa is", "visas are")
    );
    write_parcel(parcel, wallet, &dids, output, Answer::new("gridpass.visa.request/1", json, text))
}

/// A request that was read and looked at.
pub struct Reviewed {
    pub request: Received<VisaRequest>,
    pub report: Report,
    pub shown: Option<VisaReport>,
    pub material: crate::commands::arguments::Material,
    /// The visa that was issued for it, for programs; null where none was, or no register was asked.
    pub answered: Value,
    /// Which visas of the role its holder has from here already, but for that one and the one that it is to
    /// replace; null where no register was asked.
    pub in_force: Value,
}

impl Reviewed {
    /// What was found of a request itself.
    pub fn new(
        request: Received<VisaRequest>,
        report: Report,
        shown: Option<VisaReport>,
        material: crate::commands::arguments::Material,
    ) -> Self {
        Self { request, report, shown, material, answered: Value::Null, in_force: Value::Null }
    }
}

/// Reads a request, verifies who asks, and checks what a visa would have to fit.
pub fn look(
    global: &GlobalArgs,
    file: &std::path::Path,
    trust: &TrustArgs,
) -> Result<Reviewed, Failure> {
    let parcel = examining::read(file)?;
    let material = trust.gather(global, &parcel)?;
    let Examined { request, report, shown } = examining::examine(&parcel, &material)?;
    Ok(Reviewed::new(request, report, shown, material))
}

/// Why no visa can be valid for as long as was asked. It does not stop the officer, who may give it
/// another length.
fn validity_check(request: &VisaRequest, trust: &Trust) -> Option<Check> {
    use gridpass_credentials::codes;
    let asked = request.validity_seconds?;
    let most = trust.definition(&request.definition)?.definition.max_validity_seconds;
    if asked == 0 {
        let sentence = "it asks for one that is over at once";
        return Some(Check::failed("validity", codes::VISA_EXPIRED, sentence));
    }
    let sentence = format!("it asks for {asked} seconds, and at most {most} are allowed");
    let code = codes::VISA_VALIDITY_TOO_LONG;
    (asked > most).then(|| Check::failed("validity", code, sentence))
}

/// A length of time in the largest unit that it is a whole number of.
fn length(seconds: u64) -> String {
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")];
    let fits = |(unit, _): &(u64, &str)| seconds.is_multiple_of(*unit) && seconds >= *unit;
    let (unit, name) = units.into_iter().find(fits).unwrap_or((1, "second"));
    let number = seconds.checked_div(unit).unwrap_or_default();
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

pub fn review(global: &GlobalArgs, args: &ReviewArgs) -> Outcomes {
    let file = match args.files.as_slice() {
        [file] if !file.is_dir() => file,
        several => return review_many::review(global, several, &args.trust),
    };
    let mut reviewed = look(global, file, &args.trust)?;
    let mut known = reviewed.material.wallet.as_ref().map(Known::of).transpose()?;
    check(&mut reviewed, known.as_mut())?;
    Ok(told(&reviewed))
}

/// Adds to what was found of a request whether it could be issued for, and what is known of earlier answers.
pub fn check(reviewed: &mut Reviewed, known: Option<&mut Known>) -> Result<(), Failure> {
    // What is wrong with the request itself needs no trying.
    if reviewed.report.outcome() == Outcome::Passed {
        let issuing = authority::rehearse(reviewed)?;
        reviewed.report.checks.extend(issuing);
    }
    let validity = validity_check(&reviewed.request.statement, &reviewed.material.trust);
    reviewed.report.checks.extend(validity);
    if let (Some(wallet), Some(known)) = (&reviewed.material.wallet, known) {
        let earlier = super::renewal::checks(wallet, known, &reviewed.request.statement)?;
        reviewed.report.checks.extend(earlier);
        reviewed.report.checks.extend(super::renewal::refused(wallet, &reviewed.request.id)?);
        let answers = super::renewal::answers(wallet, known, &reviewed.request)?;
        reviewed.report.checks.extend(answers.checks);
        (reviewed.answered, reviewed.in_force) = (answers.answered, answers.in_force);
    }
    Ok(())
}

/// What was found of a request, as the answer of a call.
pub fn told(reviewed: &Reviewed) -> Answer {
    let request = &reviewed.request.statement;
    let mut text = format!(
        "{} asks {} for\n  role             {}\n{}",
        request.holder,
        request.issuer,
        request.role,
        claims_text(&request.claims)
    );
    if let Some(seconds) = request.validity_seconds {
        text.push_str(&format!("  for {}\n", length(seconds)));
    }
    if let Some(renews) = &request.renews {
        text.push_str(&format!("  to replace {}\n", shown(renews)));
    }
    if let Some(note) = &request.note {
        text.push_str(&format!("  note: {}\n", shown(note)));
    }
    if let Some(shown) = &reviewed.shown {
        for visa in shown.granted() {
            text.push_str(&format!("  shows {} of {}\n", visa.role, visa.issuer));
        }
    }
    text.push_str(&checks_text(&reviewed.report.checks));
    let outcome = reviewed.report.outcome();
    let deciding = reviewed.report.deciding();
    text.push_str(&match outcome {
        Outcome::Failed if deciding.is_some_and(|c| c.name == "validity") => {
            "next: gridpass visa issue FILE --validity TIME -o visa.json, or gridpass visa refuse FILE --reason TEXT".to_owned()
        }
        Outcome::Passed if !reviewed.answered.is_null() => {
            "next: it was answered; gridpass visa list --issued shows how, and gridpass visa export ID -o visa.json \
             has the file".to_owned()
        }
        Outcome::Passed => "next: gridpass visa issue FILE -o visa.json, or gridpass visa refuse FILE --reason TEXT".to_owned(),
        _ if deciding.is_some_and(|c| matches!(c.name, "renews" | "earlier")) => {
            "next: gridpass visa refuse FILE --reason TEXT, or, where it is to be issued all the same, gridpass \
             visa issue FILE --despite-revocation -o visa.json".to_owned()
        }
        _ if deciding.is_some_and(|c| c.name == "refused") => {
            "next: where it is to be issued all the same, gridpass visa issue FILE --despite-refusal -o visa.json".to_owned()
        }
        _ if deciding.is_some_and(|c| c.name == authority::ISSUING) => format!(
            "next: {} Or gridpass visa refuse FILE --reason TEXT",
            deciding.map_or("", |c| to_issuer(c.code))
        ),
        _ => format!(
            "next: gridpass visa refuse FILE --reason TEXT ({})",
            reviewed.report.deciding().map_or("", |c| c.code.0.remedy)
        ),
    });
    let json = json!({
        "request": reviewed.request.id,
        "signed": reviewed.request.signed,
        "statement": request,
        "outcome": outcome,
        "checks": reviewed.report.checks,
        "shown": reviewed.shown,
        "answered": reviewed.answered,
        "in_force": reviewed.in_force,
    });
    let mut answer = Answer::new("gridpass.visa.review/1", json, text);
    answer.exit = outcome_exit(outcome, reviewed.report.deciding().map(|c| c.code));
    answer
}
