//! Visas in lists, of those that are held and those that were issued: which of them are meant, and each for
//! people, as JSON and as a row of a table.

use super::consent::end_of;
use super::ending::says;
use super::hanging;
use super::standing::{Known, Standing};
use crate::codes;
use crate::commands::resolve::parse_time;
use crate::context::now;
use crate::output::Failure;
use crate::resolving::parse_did;
use crate::shown::shown as harmless;
use crate::warnings::hint;
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::hanging::Hanging;
use gridpass_credentials::issuing::Event;
use gridpass_credentials::keeping;
use gridpass_credentials::register;
use gridpass_credentials::role::RoleName;
use gridpass_credentials::visa::Visa;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Wallet;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a list calls the state of a visa, and as one word: a shell completes no other.
const STATES: [(&str, Option<&str>); 10] = [
    ("held", None),
    ("in-force", Some("in force")),
    ("not-yet", Some("not yet")),
    ("suspended", None),
    ("revoked", None),
    ("expired", None),
    ("refused", None),
    ("key-compromised", Some("key compromised")),
    ("retired", None),
    ("replaced", None),
];

fn states() -> PossibleValuesParser {
    PossibleValuesParser::new(STATES.map(|(name, as_listed)| match as_listed {
        Some(as_listed) => PossibleValue::new(name).alias(as_listed),
        None => PossibleValue::new(name),
    }))
}

/// What happens to what hangs on a visa.
pub const HANGS: &str = "what its holder revoked or suspended by it is undecided once it ends:";

/// Which visas of a list are meant.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// Only those for this role, by its name
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Only those in this state; several may be named
    #[arg(long, value_name = "STATE", value_parser = states())]
    pub state: Vec<String>,
    /// Only those of this holder
    #[arg(long, value_name = "DID")]
    pub holder: Option<String>,
    /// Only what was issued or accepted at or after this time, or changed since (RFC 3339, UTC)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// As a table for a spreadsheet (CSV), a line for each visa
    #[arg(long)]
    pub csv: bool,
}

impl Which {
    /// What is asked for, once its times are read. What nothing could fit is refused, and not looked for.
    pub fn read(&self) -> Result<Filter<'_>, Failure> {
        if let Some(role) = &self.role {
            let next = "Give its name, as `gridpass role list` or `gridpass charter show` has it.";
            RoleName::parse(role)
                .map_err(|e| Failure::new(codes::USAGE, format!("--role: {e}")).next(next))?;
        }
        self.holder.as_deref().map(parse_did).transpose()?;
        let since = self.since.as_deref().map(parse_time).transpose()?;
        Ok(Filter { which: self, since })
    }
}

/// As [`Which`], read.
pub struct Filter<'w> {
    which: &'w Which,
    since: Option<UnixMillis>,
}

impl Filter<'_> {
    /// Whether one is meant: its role where it has one, its state and holder, and when it came and changed.
    pub fn takes(
        &self,
        role: Option<&str>,
        state: &str,
        holder: &str,
        (came, events): (UnixMillis, &[Event]),
    ) -> bool {
        let Which { role: of, state: states, holder: held_by, .. } = self.which;
        let last = events.iter().map(|e| e.at).max().map_or(came, |at| at.max(came));
        of.as_deref().is_none_or(|of| role == Some(of))
            && (states.is_empty() || states.iter().any(|s| s.replace('-', " ") == state))
            && held_by.as_deref().is_none_or(|did| did == holder)
            && self.since.is_none_or(|since| last >= since)
    }

    /// Says so where nothing was found because nothing here has such a role.
    pub fn tell_unknown_role(&self, wallet: &Wallet) -> Result<(), Failure> {
        let Some(role) = &self.which.role else { return Ok(()) };
        let is_listed = keeping::pinned(wallet, now()).is_ok_and(|t| t.find_role(role).is_some());
        let defined = keeping::definitions(wallet)?;
        if !is_listed && !defined.iter().any(|(_, known)| known.name.as_str() == role.as_str()) {
            hint(format_args!(
                "note: no role {role} is known here: `gridpass charter show` and `gridpass role list` name those \
                 that are"
            ));
        }
        Ok(())
    }

    /// As [`Filter::takes`], of a visa.
    pub fn takes_row(&self, row: &Row) -> bool {
        let (role, holder) = (row.visa.role.as_str(), row.visa.subject.as_str());
        self.takes(Some(role), row.state, holder, (row.came, row.events.as_slice()))
    }
}

/// A visa in a list.
pub struct Row {
    /// `held` or `issued`.
    pub what: &'static str,
    pub visa: Visa,
    pub evidence: ContentId,
    pub state: &'static str,
    /// Why it does not count, and who else took it back.
    pub why: Option<(Code, String)>,
    /// Until when it counts.
    pub ends: UnixMillis,
    /// When it was issued, or accepted.
    pub came: UnixMillis,
    /// What happened to it here since.
    pub events: Vec<Event>,
    /// The visa that stands in its place.
    pub replaced_by: Option<String>,
    pub hanging: Vec<Hanging>,
}

/// Every visa that is held.
pub fn held(wallet: &Wallet, known: &mut Known) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for held in keeping::visas(wallet)? {
        let (secured, visa) = held.read()?;
        let Standing { state, why } = known.standing(wallet, &held, &visa)?;
        rows.push(Row {
            what: "held",
            evidence: secured.id().clone(),
            state: with_expiry(state, end_of(&visa)),
            why,
            ends: known.end_of(&visa),
            came: held.accepted,
            events: Vec::new(),
            replaced_by: None,
            hanging: Vec::new(),
            visa,
        });
    }
    Ok(rows)
}

/// Every visa that was issued here.
pub fn issued(wallet: &Wallet, known: &mut Known) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for record in register::issued(wallet)? {
        let (secured, visa) = keeping::read_visa(&record.text)?;
        let Standing { state, why } = known.in_register(wallet, &record, &secured, &visa)?;
        let (state, ends) = (with_expiry(state, end_of(&visa)), known.end_of(&visa));
        let hanging = match state {
            "revoked" => Vec::new(),
            _ => known.hanging(wallet, &visa, ends)?,
        };
        rows.push(Row {
            what: "issued",
            evidence: secured.id().clone(),
            state,
            why,
            ends,
            came: record.issued,
            events: record.events,
            replaced_by: None,
            hanging,
            visa,
        });
    }
    mark_replaced(&mut rows);
    Ok(rows)
}

pub fn with_expiry(state: &'static str, until: UnixMillis) -> &'static str {
    if state != "revoked" && until <= now() { "expired" } else { state }
}

/// Whether nobody takes it any more though nobody took it back: another one is issued in its place.
pub fn is_void(state: &str) -> bool {
    matches!(state, "key compromised" | "retired")
}

/// Names of each that counts, or is taken by nobody any more, the one that was issued in its place.
fn mark_replaced(rows: &mut [Row]) {
    let by = replacements(rows);
    for (row, by) in rows.iter_mut().zip(by) {
        let is_void = is_void(row.state);
        if by.is_some() && (is_void || row.state == "in force") {
            row.replaced_by = by;
            // What was to be issued anew was.
            if is_void {
                row.state = "replaced";
            }
        }
    }
}

/// Of each the last that was issued in its place, and counts.
fn replacements(rows: &[Row]) -> Vec<Option<String>> {
    let mut of: BTreeMap<(&Did, &RoleName), Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.state == "in force") {
        of.entry((&row.visa.subject, &row.visa.role)).or_default().push(row);
    }
    let by = |old: &Row| -> Option<String> {
        let all = of.get(&(&old.visa.subject, &old.visa.role))?;
        let last = all.iter().rev().find(|new| replaces(new, old))?;
        Some(last.visa.id.clone())
    };
    rows.iter().map(by).collect()
}

/// Whether one says of a holder what an earlier one says. Under another version of a definition, of what both
/// speak of.
fn replaces(new: &Row, old: &Row) -> bool {
    let (said, says) = (says(&old.visa), says(&new.visa));
    let same = if new.visa.definition == old.visa.definition {
        said == says
    } else {
        said.iter().all(|(name, value)| says.get(name).is_none_or(|other| other == value))
    };
    same && new.came > old.came && new.visa.id != old.visa.id
}

impl Row {
    /// For people.
    pub fn lines(&self) -> String {
        let visa = &self.visa;
        let other = match self.what {
            "held" => format!("by {}", visa.issuer),
            _ => format!("for {}", visa.subject),
        };
        format!(
            "{:<28} {:<11} until {}  {other}\n  id {}\n  hash {}\n{}",
            visa.role.as_str(),
            self.state,
            self.ends,
            harmless(&visa.id),
            self.evidence,
            self.more()
        )
    }

    /// What became of it, and why.
    pub fn more(&self) -> String {
        let mut text = String::new();
        if let Some(by) = &self.replaced_by {
            text.push_str(&format!("  replaced by {}\n", harmless(by)));
        }
        text.push_str(&events_text(&self.events));
        text.push_str(&hanging::lines(&self.hanging, HANGS));
        if let Some((code, sentence)) = &self.why {
            text.push_str(&format!("  {} [{code}]\n", harmless(sentence)));
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut row = json!({
            "visa": self.visa,
            "evidence": self.evidence,
            "state": self.state,
            "ends": self.ends,
        });
        if let Some(row) = row.as_object_mut() {
            let came = if self.what == "held" { "accepted" } else { "issued" };
            row.insert(came.into(), json!(self.came));
            if self.what != "held" {
                row.insert("events".into(), json!(self.events));
            }
            if let Some(by) = &self.replaced_by {
                row.insert("replacedBy".into(), json!(by));
            }
            if !self.hanging.is_empty() {
                row.insert("hanging".into(), json!(self.hanging));
            }
            if let Some((code, sentence)) = &self.why {
                row.insert("code".into(), json!(code));
                row.insert("sentence".into(), json!(sentence));
            }
        }
        row
    }
}

/// What happened to something, and why: a line for each.
pub fn events_text(events: &[Event]) -> String {
    events.iter().map(|event| format!("  {}\n", harmless(told(event)))).collect()
}

/// What happened, when, by whom and why. As it was written: whoever shows it makes it harmless.
fn told(event: &Event) -> String {
    let by = event.by.as_ref().map(|did| format!(" by {did}")).unwrap_or_default();
    let why = event.reason.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
    format!("{} {}{by}{why}", event.what, event.at)
}

/// Everything that happened to something, oldest first, as one cell.
fn history(events: &[Event]) -> String {
    events.iter().map(told).collect::<Vec<_>>().join("; ")
}

/// The table of visas, and of more rows below them.
pub fn table(rows: &[&Row], more: impl Iterator<Item = Vec<String>>) -> String {
    const COLUMNS: [&str; 20] = [
        "what",
        "role",
        "state",
        "from",
        "until",
        "holder",
        "issuer",
        "id",
        "hash",
        "claims",
        "issued or accepted",
        "changed",
        "change",
        "reason",
        "by",
        "replaced by",
        "code",
        "sentence",
        "changes",
        "history",
    ];
    let mut text = crate::csv::row(COLUMNS.map(str::to_owned));
    for row in rows {
        let visa = &row.visa;
        let mut cells = vec![
            row.what.to_owned(),
            visa.role.to_string(),
            row.state.to_owned(),
            visa.valid_from.to_string(),
            row.ends.to_string(),
            visa.subject.to_string(),
            visa.issuer.to_string(),
            visa.id.clone(),
            row.evidence.to_string(),
            json!(visa.claims).to_string(),
            row.came.to_string(),
        ];
        cells.extend(last_event(&row.events));
        cells.push(row.replaced_by.clone().unwrap_or_default());
        let (code, sentence) = row.why.clone().map(|(c, s)| (c.to_string(), s)).unwrap_or_default();
        cells.extend([code, sentence, row.events.len().to_string(), history(&row.events)]);
        text.push_str(&crate::csv::row(cells));
    }
    for mut cells in more {
        cells.resize(COLUMNS.len(), String::new());
        text.push_str(&crate::csv::row(cells));
    }
    text
}

/// What the table says of the changes of what is no visa of the register: the last, in how many, and all.
pub fn changes(events: &[Event]) -> Vec<String> {
    let mut cells = last_event(events).to_vec();
    // Nothing stands in its place, and why it does not count is in its changes.
    cells.extend(["", "", ""].map(str::to_owned));
    cells.extend([events.len().to_string(), history(events)]);
    cells
}

/// When something changed last, how, why and by whom, as cells.
fn last_event(events: &[Event]) -> [String; 4] {
    let Some(last) = events.last() else { return Default::default() };
    let by = last.by.as_ref().map(ToString::to_string).unwrap_or_default();
    [last.at.to_string(), last.what.clone(), last.reason.clone().unwrap_or_default(), by]
}
