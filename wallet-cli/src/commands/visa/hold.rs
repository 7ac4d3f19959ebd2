//! What a holder does with visas: accept, look at, watch them expire.

use super::ending::{Ending, ending};
use super::hanging;
use super::listing::{ending_nodes, refuse_both, with_table};
use super::rows::{self, HANGS, Row, Which};
use super::standing::Known;
use super::{claims_text, report_answer, wallet_of};
use crate::commands::arguments::{TrustArgs, parse_duration, save_identities};
use crate::context::{GlobalArgs, MAX_INPUT, now, read_input, rng};
use crate::help;
use crate::output::{Answer, Failure, Outcomes, counted};
use crate::shown::shown as harmless;
use clap::Args;
use gridpass_credentials::keeping::{self, HeldVisa, KeepError};
use gridpass_credentials::parcel::{Parcel, ParcelKind};
use gridpass_credentials::presenting::required;
use gridpass_credentials::register;
use gridpass_credentials::request::{self, Refusal};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{
    Evidence, Expectation, check_list, pretends_authority, verify_visa,
};
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
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

/// List visas that end soon: those that you hold, and those that you have issued; and your authorisations
/// of nodes. What is revoked or renewed,
/// and what only an identity that you gave up could renew, is left out
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa expirations --within 30d\n  \
     gridpass visa expirations --role flex.gb.aggregator --csv"
))]
pub struct ExpirationsArgs {
    /// How soon; what ended is listed for as long afterwards
    #[arg(long, value_name = "TIME", default_value = "30d")]
    within: String,
    #[command(flatten)]
    which: Which,
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
    let meant = Known::of(&wallet)?.find_to_show(&wallet, &role);
    let meant = meant.and_then(|v| Ok(v.read()?.0.id().clone()));
    let name = match meant {
        Ok(id) if id == evidence => role.clone(),
        _ => evidence.to_string(),
    };
    answer.text.push_str(&format!(
        "It is kept under {role} ({evidence}).\nnext: gridpass visa present {name} --to DID -o presentation.json"
    ));
    Ok(answer)
}

pub fn show(global: &GlobalArgs, args: &ShowArgs) -> Outcomes {
    let schema = "gridpass.visa.show/1";
    let warning = "Nothing was verified; that is `gridpass visa verify`.";
    let mut kept = None;
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
                    Ok(record) => {
                        // As the list of the register has it, which knows what replaced it, too.
                        let id = record.read()?.id;
                        let rows = rows::issued(&wallet, &mut Known::of(&wallet)?)?;
                        kept = rows.into_iter().find(|row| row.visa.id == id);
                        record.text
                    }
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
    let mut json = json!({
        "visa": visa,
        "form": secured.form(),
        "evidence": secured.id(),
        "withholdable": withholdable,
        "withheld": secured.withheld(),
        "verified": false,
    });
    // An officer's own register says more.
    if let Some(row) = kept {
        shown.push_str(&format!("  in the register  {}, issued {}\n", row.state, row.came));
        shown.push_str(&row.more());
        if let (Value::Object(more), Some(json)) = (row.json(), json.as_object_mut()) {
            for (name, value) in more {
                json.entry(name).or_insert(value);
            }
        }
    }
    shown.push_str(warning);
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
    let filter = args.which.read()?;
    refuse_both(global, args.which.csv)?;
    let wallet = global.wallet()?;
    let mut known = Known::of(&wallet)?;
    let mut listed = rows::held(&wallet, &mut known)?;
    // What is revoked is not renewed, nor what only an identity could renew that is given up.
    listed.retain(|row| row.state != "revoked" && known.ended(&row.visa.subject).is_none());
    let mut issued = rows::issued(&wallet, &mut known)?;
    issued.retain(|row| {
        !matches!(row.state, "revoked" | "replaced") && known.ended(&row.visa.issuer).is_none()
    });
    listed.extend(issued);
    let as_ending = |row: &Row| Ending { until: row.ends, what: row.what, visa: row.visa.clone() };
    let all: Vec<Ending> = listed.iter().map(as_ending).collect();
    let (mut lines, mut meant) = (Vec::new(), Vec::new());
    for Ending { until, what, visa } in ending(&all, now(), within) {
        let is_it = |row: &&Row| row.what == *what && row.visa.id == visa.id;
        let Some(row) = listed.iter().find(is_it).filter(|row| filter.takes_row(row)) else {
            continue;
        };
        let when = in_days(*until);
        let hangs = known.hanging(&wallet, visa, *until)?;
        let text = format!(
            "{until}  {when:<12} {what:<7} {} of {}\n  {}, id {}\n{}{}",
            visa.role,
            visa.subject,
            row.state,
            harmless(&visa.id),
            claims_text(&visa.claims),
            hanging::lines(&hangs, HANGS)
        );
        let state = row.state;
        let mut entry =
            json!({"until": until, "ends": until, "what": what, "state": state, "visa": visa});
        if let Some(entry) = entry.as_object_mut().filter(|_| !hangs.is_empty()) {
            entry.insert("hanging".into(), json!(hangs));
        }
        lines.push((*until, text, entry));
        meant.push(row);
    }
    let nodes = ending_nodes(&wallet, &known, &filter, within)?;
    for (one, listed) in &nodes {
        let (until, what) = (one.valid_until, "authorisation");
        let state = listed.json.get("state").and_then(Value::as_str).unwrap_or_default();
        let text = format!(
            "{until}  {:<12} {what} of {}\n  {state}, id {}\n",
            in_days(until),
            one.node,
            harmless(&one.id)
        );
        let entry = json!({
            "until": until, "ends": until, "what": what, "state": state, "authorisation": one,
        });
        lines.push((until, text, entry));
    }
    lines.sort_by_key(|(until, _, _)| *until);
    let mut text: String = lines.iter().map(|(_, text, _)| text.as_str()).collect();
    let json: Vec<Value> = lines.into_iter().map(|(_, _, entry)| entry).collect();
    if text.is_empty() {
        text = format!("Nothing ends within {}.", args.within);
        filter.tell_unknown_role(&wallet)?;
    } else if meant.iter().any(|row| row.what == "held") {
        text.push_str("next: gridpass visa renew ROLE -o request.json");
    }
    let answer = Answer::new("gridpass.visa.expirations/1", json!({"expirations": json}), text);
    let nodes = nodes.into_iter().map(|(_, listed)| listed.cells);
    Ok(with_table(answer, args.which.csv, || rows::table(&meant, nodes)))
}

/// How soon something ends, for people.
fn in_days(until: UnixMillis) -> String {
    let now = now();
    if until <= now {
        return "ended".to_owned();
    }
    format!("in {}", counted(until.millis_since(now) / 86_400_000, "day", "days"))
}
