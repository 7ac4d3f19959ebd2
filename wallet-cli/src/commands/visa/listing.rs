//! The visas that are held, and the register of those that were issued.

use super::rows::{self, Filter, Row, Which, changes, events_text, with_expiry};
use super::standing::Known;
use crate::codes;
use crate::context::{GlobalArgs, now};
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown as harmless;
use clap::Args;
use gridpass_credentials::authorisation::NodeAuthorisation;
use gridpass_credentials::issuing::{Act, ActedOn, Event};
use gridpass_credentials::register;
use gridpass_identity::wallet::Wallet;
use serde_json::{Value, json};

/// List the visas that you hold and how they stand by the status lists that you keep, or those that you
/// have issued
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass visa list\n  \
     gridpass visa list --issued --json\n  \
     gridpass visa list --issued --state key-compromised\n  \
     gridpass visa list --issued --since 2026-01-01T00:00:00Z --csv"
))]
pub struct ListArgs {
    /// Those that you have issued, with their state and what you did to them and why, the authorisations
    /// of nodes, and what you revoked of others
    #[arg(long)]
    issued: bool,
    #[command(flatten)]
    which: Which,
}

pub fn list(global: &GlobalArgs, args: &ListArgs) -> Outcomes {
    let filter = args.which.read()?;
    refuse_both(global, args.which.csv)?;
    let wallet = global.wallet()?;
    let mut known = Known::of(&wallet)?;
    if args.issued {
        return list_issued(&wallet, &mut known, &filter, args.which.csv);
    }
    let rows = rows::held(&wallet, &mut known)?;
    let meant: Vec<&Row> = rows.iter().filter(|row| filter.takes_row(row)).collect();
    let mut text: String = meant.iter().map(|row| row.lines()).collect();
    if text.is_empty() {
        text = none_of(rows.is_empty(), "You hold no visa.");
        filter.tell_unknown_role(&wallet)?;
    }
    let json: Vec<Value> = meant.iter().map(|row| row.json()).collect();
    let answer = Answer::new("gridpass.visa.list/1", json!({"visas": json}), text);
    Ok(with_table(answer, args.which.csv, || rows::table(&meant, std::iter::empty())))
}

/// A call answers in one form.
pub fn refuse_both(global: &GlobalArgs, csv: bool) -> Result<(), Failure> {
    if csv && global.json {
        let message = "a call answers with a table or with JSON, not with both";
        return Err(Failure::new(codes::USAGE, message).next("Leave out --csv or --json."));
    }
    Ok(())
}

/// The answer, or a table in its place.
pub fn with_table(answer: Answer, csv: bool, table: impl FnOnce() -> String) -> Answer {
    if csv { answer.with_raw(table().into_bytes()) } else { answer }
}

/// What is said where nothing is listed: that there is nothing, or nothing of what was asked for.
fn none_of(there_is_none: bool, none: &str) -> String {
    if there_is_none { none.to_owned() } else { "None is as you asked.".to_owned() }
}

/// An authorisation of a node, or somebody else's visa that was revoked here.
pub struct Other {
    text: String,
    /// As a row of the table.
    pub cells: Vec<String>,
    /// For programs.
    pub json: Value,
}

fn list_issued(wallet: &Wallet, known: &mut Known, filter: &Filter<'_>, csv: bool) -> Outcomes {
    let rows = rows::issued(wallet, known)?;
    let meant: Vec<&Row> = rows.iter().filter(|row| filter.takes_row(row)).collect();
    let acts = register::acts(wallet)?;
    let (nodes, all_nodes) = authorisations(wallet, &acts, filter)?;
    let nodes: Vec<Other> = nodes.into_iter().map(|(_, node)| node).collect();
    let others = of_others(&acts, filter);
    let mut text: String = meant.iter().map(|row| row.lines()).collect();
    text.extend(nodes.iter().chain(&others).map(|other| other.text.as_str()));
    if text.is_empty() {
        let there_is_none = rows.is_empty() && acts.is_empty() && all_nodes == 0;
        text = none_of(there_is_none, "Nothing was issued yet.");
        filter.tell_unknown_role(wallet)?;
    }
    let all = |others: &[Other]| others.iter().map(|o| o.json.clone()).collect::<Vec<_>>();
    let visas: Vec<Value> = meant.iter().map(|row| row.json()).collect();
    let json = json!({"visas": visas, "authorisations": all(&nodes), "others": all(&others)});
    let answer = Answer::new("gridpass.visa.list/1", json, text);
    let more = nodes.into_iter().chain(others).map(|other| other.cells);
    Ok(with_table(answer, csv, || rows::table(&meant, more)))
}

/// The authorisations of nodes that are meant, and how many there are.
fn authorisations(
    wallet: &Wallet,
    acts: &[Act],
    filter: &Filter<'_>,
) -> Result<(Vec<(NodeAuthorisation, Other)>, usize), Failure> {
    let mut found = Vec::new();
    let all = register::authorisations(wallet)?;
    let count = all.len();
    for (one, _) in all {
        let revoked = register::is_set(wallet, &one.principal, &one.status)?;
        let state = if revoked { "revoked" } else { "in force" };
        let state = with_expiry(state, one.valid_until);
        let act = acts.iter().find(|act| act.id == one.id);
        let events: &[Event] = act.map_or(&[], |act| act.events.as_slice());
        if !filter.takes(None, state, one.node.as_str(), (one.valid_from, events)) {
            continue;
        }
        let text = format!(
            "{:<28} {state:<11} until {}  {}\n  id {}\n{}",
            "node authorisation",
            one.valid_until,
            one.node,
            one.id,
            events_text(events)
        );
        let mut cells = vec![
            "node authorisation".to_owned(),
            String::new(),
            state.to_owned(),
            one.valid_from.to_string(),
            one.valid_until.to_string(),
            one.node.to_string(),
            one.principal.to_string(),
            one.id.clone(),
            String::new(),
            String::new(),
            one.valid_from.to_string(),
        ];
        cells.extend(changes(events));
        let json = json!({"authorisation": one, "state": state, "events": events});
        found.push((one, Other { text, cells, json }));
    }
    Ok((found, count))
}

/// The authorisations of nodes that end within so many milliseconds, or ended no longer ago. Not those that are
/// revoked, of an identity that is given up, or beside which another one lets the node do the same for longer.
pub fn ending_nodes(
    wallet: &Wallet,
    known: &Known,
    filter: &Filter<'_>,
    within: u64,
) -> Result<Vec<(NodeAuthorisation, Other)>, Failure> {
    let now = now();
    let end = now.plus_millis(within);
    let mut all = Vec::new();
    for (one, _) in register::authorisations(wallet)? {
        if !register::is_set(wallet, &one.principal, &one.status)? {
            all.push(one);
        }
    }
    let goes_on = |one: &NodeAuthorisation| all.iter().any(|other| succeeds(other, one));
    let is_meant = |one: &NodeAuthorisation| {
        let is_near = one.valid_until <= end && now.millis_since(one.valid_until) <= within;
        let counts = all.iter().any(|other| other.id == one.id);
        is_near && counts && known.ended(&one.principal).is_none() && !goes_on(one)
    };
    let (mut found, _) = authorisations(wallet, &register::acts(wallet)?, filter)?;
    found.retain(|(one, _)| is_meant(one));
    Ok(found)
}

/// Whether one lets a node do for longer what another does.
fn succeeds(newer: &NodeAuthorisation, older: &NodeAuthorisation) -> bool {
    let same = newer.principal == older.principal && newer.node == older.node;
    let channels = match (&newer.channels, &older.channels) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(new), Some(old)) => new.is_superset(old),
    };
    let does_as_much = newer.purposes.is_superset(&older.purposes) && channels;
    same && does_as_much && newer.valid_until > older.valid_until
}

/// What was done here to visas of other issuers.
fn of_others(acts: &[Act], filter: &Filter<'_>) -> Vec<Other> {
    let mut found = Vec::new();
    for act in acts {
        let (Some(visa), Some(first)) = (&act.visa, act.events.first()) else { continue };
        let ActedOn { role, holder, issuer, valid_until } = visa;
        let state = with_expiry(act.state(), *valid_until);
        let when = (first.at, act.events.as_slice());
        if !filter.takes(Some(role.as_str()), state, holder.as_str(), when) {
            continue;
        }
        let text = format!(
            "{:<28} {state:<11} until {valid_until}  for {holder}, issued by {issuer}\n  id {}\n{}",
            harmless(role),
            harmless(&act.id),
            events_text(&act.events)
        );
        let mut cells = vec![
            "of another issuer".to_owned(),
            role.clone(),
            state.to_owned(),
            String::new(),
            valid_until.to_string(),
            holder.to_string(),
            issuer.to_string(),
            act.id.clone(),
            String::new(),
            String::new(),
            String::new(),
        ];
        cells.extend(changes(&act.events));
        let json = json!({"id": act.id, "visa": visa, "state": state, "events": act.events});
        found.push(Other { text, cells, json });
    }
    found
}
