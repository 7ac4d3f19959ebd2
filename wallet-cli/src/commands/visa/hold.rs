//! What a holder does with visas: accept, list, look at, watch them expire.

use super::consent::end_of;
use super::ending::{Ending, ending};
use super::hanging;
use super::standing::{Known, Standing};
use super::{claims_text, report_answer, wallet_of};
use crate::commands::arguments::{TrustArgs, parse_duration, save_identities};
use crate::context::{GlobalArgs, MAX_INPUT, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown as harmless;
use clap::Args;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::{self, HeldVisa, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::presenting::required;
use gridpass_credentials::register;
use gridpass_credentials::request::{self, Refusal};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{
    Evidence, Expectation, check_list, pretends_authority, verify_visa,
};
use gridpass_credentials::visa::Visa;
use gridpass_identity::code::Code;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Verify a visa that an issuer sent you, and keep it
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa accept visa.json\n  \
     (nothing is kept unless every check passed)"
))]
pub struct AcceptArgs {
    /// The file; - for standard input
    file: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
}

/// List the visas that you hold and how they stand by the status lists that you keep, or those that you
/// have issued
#[derive(Args)]
#[command(after_help = help!("  gridpass visa list\n  gridpass visa list --issued --json"))]
pub struct ListArgs {
    /// Those that you have issued, with their state, and the authorisations of nodes
    #[arg(long)]
    issued: bool,
}

/// Show what a visa, a request or a refusal says. Nothing is verified
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa show flex.gb.aggregator\n  gridpass visa show visa.json\n  \
     (to verify: gridpass visa verify)"
))]
pub struct ShowArgs {
    /// A file, or a visa that you hold, by role, id or hash; or one that you issued, by id, hash or
    /// holder's DID
    visa: String,
}

/// List visas that end soon: those that you hold, and those that you have issued. What is revoked or renewed,
/// and what only an identity that you gave up could renew, is left out
#[derive(Args)]
#[command(after_help = help!("  gridpass visa expirations --within 30d"))]
pub struct ExpirationsArgs {
    /// How soon; what ended is listed for as long afterwards
    #[arg(long, value_name = "TIME", default_value = "30d")]
    within: String,
}

pub fn accept(global: &GlobalArgs, args: &AcceptArgs) -> Outcomes {
    let parcel = Parcel::parse_or_bare(&read_input(&args.file, MAX_INPUT)?, ParcelKind::Visa)?;
    let text = parcel.content.clone().unwrap_or_default();
    let material = args.trust.gather(global, &parcel)?;
    let (report, fine_lists) = {
        let snapshots = material.snapshots()?;
        let resolver = OfflineResolver::new(&snapshots);
        let (trust, lists, seen) = (&material.trust, &material.lists, &material.seen);
        let evidence = Evidence { trust, lists, resolver: &resolver, seen };
        let expect = Expectation {
            now: material.at,
            clock: material.clock,
            audience: None,
            nonce: None,
            presenter: None,
        };
        let mut memo = SignatureMemo::default();
        let mut beside = material.supporting.clone();
        if let (Some(wallet), Ok((_, visa))) = (&material.wallet, keeping::read_visa(&text)) {
            // What the role requires is perhaps held here already.
            let own = required(wallet, trust, &[visa], material.at)?.into_iter();
            for text in own.flat_map(|(_, own)| std::iter::once(own.text).chain(own.supporting)) {
                if !beside.contains(&text) {
                    beside.push(text);
                }
            }
        }
        let supporting: Vec<_> = beside.into_iter().map(String::into_bytes).collect();
        let report = verify_visa(text.as_bytes(), &supporting, &evidence, &expect, &mut memo);
        let named: Vec<String> = report
            .visas
            .iter()
            .filter_map(|v| v.visa.as_ref())
            .flat_map(|v| v.status.iter().map(|s| s.list.clone()))
            .collect();
        let fine: Vec<_> = lists
            .iter()
            .filter(|l| named.contains(&l.id))
            .filter(|l| {
                let checks = check_list(l, &resolver, material.clock, &mut memo);
                checks.iter().all(|c| c.outcome == Outcome::Passed)
                    && !pretends_authority(l, &evidence, material.clock, &mut memo)
            })
            .cloned()
            .collect();
        (report, fine)
    };
    let report = material.with_its_clock(report);
    let mut answer = report_answer("gridpass.visa.accept/1", &report);
    if report.outcome != Outcome::Passed {
        answer.text.push_str("Nothing was kept.\n");
        return Ok(answer);
    }
    let (identities, supporting) = (material.identities.clone(), material.supporting.clone());
    let mut wallet = wallet_of(material, global)?;
    let subject = report.visas.first().and_then(|v| v.visa.as_ref()).map(|v| v.subject.clone());
    let ours = wallet.identities()?.iter().any(|i| Some(&i.did) == subject.as_ref());
    if !ours {
        let message = "the visa is for nobody in this wallet".to_owned();
        return Err(Failure::new(gridpass_credentials::codes::PRESENTER_OTHER, message)
            .next("Accept it in the wallet of its holder."));
    }
    save_identities(&mut wallet, &identities)?;
    for list in &fine_lists {
        match keeping::see_list(&mut wallet, list, &mut rng()) {
            Ok(()) | Err(keeping::KeepError::OlderList(_)) => {}
            Err(e) => return Err(e.into()),
        }
    }
    let kept = match &subject {
        Some(subject) => keeping::resting(&wallet, subject, &supporting, now())?,
        None => supporting,
    };
    let held = HeldVisa::new(text, kept, now());
    let evidence = keeping::keep_visa(&mut wallet, &held, &mut rng())?;
    // A renewed visa replaces the one before only when that ends; both may be shown until then.
    let role = report.visas.first().and_then(|v| v.visa.as_ref()).map(|v| v.role.to_string());
    let role = role.unwrap_or_default();
    // Of several that say different things, such as consents, the role's name means none.
    let meant = Known::of(&wallet)?.find(&wallet, &role).and_then(|v| Ok(v.read()?.0.id().clone()));
    let name = match meant {
        Ok(id) if id == evidence => role.clone(),
        _ => evidence.to_string(),
    };
    answer.text.push_str(&format!(
        "It is kept under {role} ({evidence}).\nnext: gridpass visa present {name} --to DID -o presentation.json"
    ));
    Ok(answer)
}

pub fn list(global: &GlobalArgs, args: &ListArgs) -> Outcomes {
    let wallet = global.wallet()?;
    if args.issued { list_issued(&wallet) } else { list_held(&wallet) }
}

fn list_held(wallet: &Wallet) -> Outcomes {
    let mut known = Known::of(wallet)?;
    let (mut rows, mut text) = (Vec::new(), String::new());
    for held in keeping::visas(wallet)? {
        let (secured, visa) = held.read()?;
        let Standing { state, why } = known.standing(wallet, &held, &visa)?;
        let ends = end_of(&visa);
        let state = with_expiry(state, ends);
        text.push_str(&lines(&visa, state, &format!("by {}", visa.issuer), secured.id()));
        let row = json!({"visa": visa, "evidence": secured.id(), "state": state, "ends": ends});
        rows.push(with_why(row, why, &mut text));
    }
    if rows.is_empty() {
        text = "You hold no visa.".into();
    }
    Ok(Answer::new("gridpass.visa.list/1", json!({"visas": rows}), text))
}

/// Says beside a visa why it does not stand.
fn with_why(mut row: Value, why: Option<(Code, String)>, text: &mut String) -> Value {
    if let (Some((code, sentence)), Some(row)) = (why, row.as_object_mut()) {
        text.push_str(&format!("  {} [{code}]\n", harmless(&sentence)));
        row.insert("code".into(), json!(code));
        row.insert("sentence".into(), json!(sentence));
    }
    row
}

fn list_issued(wallet: &Wallet) -> Outcomes {
    let (mut rows, mut nodes, mut text) = (Vec::new(), Vec::new(), String::new());
    let mut known = Known::of(wallet)?;
    for record in register::issued(wallet)? {
        let (secured, visa) = keeping::read_visa(&record.text)?;
        let ends = end_of(&visa);
        let Standing { state, why } = known.issued(wallet, &record, &visa)?;
        let state = with_expiry(state, ends);
        text.push_str(&lines(&visa, state, &format!("for {}", visa.subject), secured.id()));
        let mut row = json!({"visa": visa, "evidence": secured.id(), "state": state, "ends": ends});
        let hangs = match state {
            "revoked" => Vec::new(),
            _ => known.hanging(wallet, &visa, ends)?,
        };
        if let Some(row) = row.as_object_mut().filter(|_| !hangs.is_empty()) {
            text.push_str(&hanging::lines(&hangs, HANGS));
            row.insert("hanging".into(), json!(hangs));
        }
        // By whom else it was taken back.
        rows.push(with_why(row, why, &mut text));
    }
    for (authorisation, _) in register::authorisations(wallet)? {
        let revoked = register::is_set(wallet, &authorisation.principal, &authorisation.status)?;
        let state = if revoked { "revoked" } else { "in force" };
        let state = with_expiry(state, authorisation.valid_until);
        text.push_str(&format!(
            "{:<28} {state:<11} until {}  {}\n  id {}\n",
            "node authorisation", authorisation.valid_until, authorisation.node, authorisation.id
        ));
        nodes.push(json!({"authorisation": authorisation, "state": state}));
    }
    if text.is_empty() {
        text = "Nothing was issued yet.".into();
    }
    let json = json!({"visas": rows, "authorisations": nodes});
    Ok(Answer::new("gridpass.visa.list/1", json, text))
}

/// What happens to what hangs on a visa.
const HANGS: &str = "what its holder revoked or suspended by it is undecided once it ends:";

/// A visa in a list.
fn lines(visa: &Visa, state: &str, other: &str, evidence: &ContentId) -> String {
    format!(
        "{:<28} {state:<11} until {}  {other}\n  id {}\n  hash {evidence}\n",
        visa.role.as_str(),
        end_of(visa),
        harmless(&visa.id)
    )
}

fn with_expiry(state: &'static str, until: UnixMillis) -> &'static str {
    if state != "revoked" && until <= now() { "expired" } else { state }
}

pub fn show(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    let schema = "gridpass.visa.show/1";
    let warning = "Nothing was verified; that is `gridpass visa verify`.";
    let text = if Path::new(&args.visa).is_file() || args.visa == "-" {
        let bytes = read_input(Path::new(&args.visa), MAX_INPUT)?;
        let parcel = match Parcel::parse(&bytes) {
            Ok(parcel) => parcel,
            Err(_) => Parcel::parse_or_bare(&bytes, ParcelKind::Visa)?,
        };
        let content = parcel.content.unwrap_or_default();
        match parcel.kind {
            ParcelKind::Visa => content,
            ParcelKind::Refusal => return show_refusal(&content, schema, warning),
            other => {
                let message = format!("the file is a {}", other.name());
                return Err(Failure::new(gridpass_credentials::codes::PARCEL_KIND, message)
                    .next("A request is shown by `gridpass visa review`, a presentation by `gridpass visa verify`."));
            }
        }
    } else {
        let wallet = global.wallet()?;
        match keeping::visa(&wallet, &args.visa) {
            Ok(held) => held.text,
            // An officer looks at what it issued.
            Err(e @ KeepError::NotFound { .. }) => {
                match register::find_issued(&wallet, &args.visa, |_, _| true) {
                    Ok(record) => record.text,
                    Err(KeepError::NotFound { .. }) => return Err(e.into()),
                    Err(e) => return Err(e.into()),
                }
            }
            Err(e) => return Err(e.into()),
        }
    };
    let (secured, visa) = keeping::read_visa(&text)?;
    let mut shown = format!(
        "visa {}\n  held by          {}\n  issued by        {}\n  valid            {} to {}\n{}  \
         definition       {}\n  form             {}\n  id               {}\n  hash             {}\n",
        visa.role,
        visa.subject,
        visa.issuer,
        visa.valid_from,
        visa.valid_until,
        claims_text(&visa.claims),
        visa.definition,
        secured.form(),
        harmless(&visa.id),
        secured.id()
    );
    for status in &visa.status {
        shown.push_str(&format!(
            "  {:<16} entry {} of {}\n",
            status.purpose.name(),
            status.index,
            harmless(&status.list)
        ));
    }
    let withholdable: Vec<String> = secured.withholdable().map(str::to_owned).collect();
    if !withholdable.is_empty() {
        shown.push_str(&format!("  can be withheld  {}\n", harmless(withholdable.join(", "))));
    }
    if secured.withheld() > 0 {
        shown.push_str(&format!("  withheld here    {} claims\n", secured.withheld()));
    }
    shown.push_str(warning);
    let json = json!({
        "visa": visa,
        "form": secured.form(),
        "evidence": secured.id(),
        "withholdable": withholdable,
        "withheld": secured.withheld(),
        "verified": false,
    });
    Ok(Answer::new(schema, json, shown))
}

fn show_refusal(text: &str, schema: &'static str, warning: &str) -> Outcomes {
    // Read only; whether the issuer wrote it is not looked at here.
    let resolver = OfflineResolver::new(&gridpass_identity::resolve::NoSnapshots);
    let refusal: Refusal = request::receive(text, None, &resolver, now())?.statement;
    let shown = format!(
        "{} refuses {} to {}\n  reason: {}\n{warning}",
        refusal.issuer,
        refusal.role,
        refusal.holder,
        harmless(&refusal.reason)
    );
    Ok(Answer::new(schema, json!({"refusal": refusal, "verified": false}), shown))
}

pub fn expirations(global: &GlobalArgs, args: &ExpirationsArgs) -> Outcomes {
    let within = parse_duration(&args.within)?;
    let wallet = global.wallet()?;
    let mut all = Vec::new();
    let mut known = Known::of(&wallet)?;
    for held in keeping::visas(&wallet)? {
        let visa = held.read()?.1;
        // What is revoked is not renewed.
        let standing = known.standing(&wallet, &held, &visa)?;
        if standing.state != "revoked" && known.ended(&visa.subject).is_none() {
            all.push(Ending { until: end_of(&visa), what: "held", visa });
        }
    }
    for record in register::issued(&wallet)? {
        let visa = record.read()?;
        let standing = known.issued(&wallet, &record, &visa)?;
        if standing.state != "revoked" && known.ended(&visa.issuer).is_none() {
            all.push(Ending { until: end_of(&visa), what: "issued", visa });
        }
    }
    let rows = ending(&all, now(), within);
    let (mut text, mut json) = (String::new(), Vec::new());
    for Ending { until, what, visa } in rows.iter().copied() {
        let left = until.millis_since(now()) / 86_400_000;
        let when = if *until <= now() { "ended".to_owned() } else { format!("in {left} days") };
        text.push_str(&format!(
            "{until}  {when:<12} {what:<7} {} of {}\n",
            visa.role, visa.subject
        ));
        let hangs = known.hanging(&wallet, visa, *until)?;
        text.push_str(&hanging::lines(&hangs, HANGS));
        let mut row = json!({"until": until, "what": what, "visa": visa});
        if let Some(row) = row.as_object_mut().filter(|_| !hangs.is_empty()) {
            row.insert("hanging".into(), json!(hangs));
        }
        json.push(row);
    }
    if text.is_empty() {
        text = format!("Nothing ends within {}.", args.within);
    } else if rows.iter().any(|e| e.what == "held") {
        text.push_str("next: gridpass visa renew ROLE -o request.json");
    }
    Ok(Answer::new("gridpass.visa.expirations/1", json!({"expirations": json}), text))
}
