//! What came of it all: receipts, evidence, a summary, and where to look next.

use super::evidence::{self, Verified};
use super::kept;
use super::play::{Play, Shown};
use super::screen::{Mark, Screen, folded};
use crate::codes;
use crate::output::{Answer, Outcomes};
use crate::shown::shown as harmless;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

/// How wide the summary is: it goes to standard output, whatever that is.
const WIDTH: usize = 80;

/// How the demonstration was called.
pub struct Run<'r> {
    pub seed: u64,
    /// The folder that is kept.
    pub keep: Option<&'r Path>,
    pub started: Instant,
}

/// What went wrong beside the steps: what it is about, and how.
type Faults = Vec<(String, String)>;

/// The end of the day.
pub fn end(play: &Play<'_>, screen: &Screen, shown: &[Shown], run: &Run<'_>) -> Outcomes {
    screen.title("The end of the day", "");
    let mut faults = Faults::new();
    let confirmed = receipts(play, screen, &mut faults);
    let bundles = bundles(play, screen, &mut faults);
    let mut rows = vec![["participant", "sent", "delivered", ""].map(str::to_owned)];
    for participant in &play.cast.scenario.participants {
        let name = &participant.name;
        let sent = play.sent.values().filter(|s| s.from == *name).count();
        let delivered = play.delivered_count(name);
        rows.push([name.clone(), sent.to_string(), delivered.to_string(), String::new()]);
    }
    screen.table(&rows);
    let count = |outcome: &str| shown.iter().filter(|s| s.outcome == outcome).count();
    let seconds = run.started.elapsed().as_secs_f64();
    let sent = play.sent.len();
    let mut text = format!(
        "\n{} delivered and confirmed, {} tries refused as they must be, in {seconds:.0} s.\n",
        of_messages(confirmed, sent),
        count("refused")
    );
    for refused in shown.iter().filter(|s| s.outcome == "refused") {
        let why = refused.code.as_deref().unwrap_or("known by its bytes");
        text.push_str(&format!("  {:<28} {why}\n", refused.step));
    }
    for bad in shown.iter().filter(|s| s.outcome == "failed") {
        text.push_str(&failed(&bad.step, &bad.detail));
    }
    for (what, why) in &faults {
        text.push_str(&failed(what, why));
    }
    let members: Vec<Value> = play
        .cast
        .scenario
        .participants
        .iter()
        .map(|p| json!({"name": p.name, "kind": p.kind, "did": play.cast.did(&p.name).ok()}))
        .collect();
    let failed = count("failed").saturating_add(faults.len());
    let json = json!({
        "scenario": play.cast.scenario.name,
        "seed": run.seed,
        "home": run.keep,
        "participants": members,
        "messages": sent,
        "confirmed": confirmed,
        "refused": count("refused"),
        "failed": failed,
        "evidence": bundles,
        "revocationMillis": play.reached,
        "seconds": (seconds * 10.0).round() / 10.0,
        "steps": shown,
    });
    match run.keep {
        None => text.push_str(
            "next: gridpass demo --keep DIR     to look around in it with the ordinary commands\n",
        ),
        Some(_) => text.push_str(&kept::leave(play)?),
    }
    let mut answer = Answer::new("gridpass.demo/2", json, text);
    if failed > 0 {
        answer.exit = codes::exit_status(gridpass_identity::code::Class::Failed);
    }
    for name in play.nodes.names() {
        // What does not end by itself is killed.
        let _ = play.nodes.stop(&name);
    }
    Ok(answer)
}

fn of_messages(confirmed: usize, sent: usize) -> String {
    match (confirmed, sent) {
        (1, 1) => "1 message".to_owned(),
        (all, sent) if all == sent => format!("{all} messages"),
        (some, sent) => format!("{some} of {sent} messages"),
    }
}

/// What failed, and why, on as many lines as it takes.
fn failed(what: &str, why: &str) -> String {
    let lines = folded(&harmless(format_args!("{what}: {why}")), WIDTH.saturating_sub(10));
    format!("  FAILED  {}\n", lines.join("\n          "))
}

/// Waits for the last receipts; gives how many messages all of their recipients confirmed.
fn receipts(play: &Play<'_>, screen: &Screen, faults: &mut Faults) -> usize {
    screen.busy("waiting for the last receipts");
    // What is open after that is told one by one.
    let _ = play.all_confirmed();
    let open = play.unconfirmed();
    let steps: BTreeSet<&str> = open.iter().map(|(step, _)| *step).collect();
    let confirmed = play.sent.len().saturating_sub(steps.len());
    if open.is_empty() {
        let messages = of_messages(confirmed, confirmed);
        let says = format!("all recipients of {messages} signed a receipt");
        screen.step(Mark::Done, &says, "");
        return confirmed;
    }
    let each: Vec<String> = open.iter().map(|(step, name)| format!("{step} by {name}")).collect();
    let says = format!("no receipt: {}", each.join("; "));
    screen.step(Mark::Failed, &says, "");
    faults.push(("receipts".to_owned(), says));
    confirmed
}

/// Writes evidence of every channel, and has it verified without a network.
fn bundles(play: &Play<'_>, screen: &Screen, faults: &mut Faults) -> Vec<Verified> {
    screen.busy("writing evidence bundles, and verifying them without a network");
    let bundles = evidence::gather(play);
    for bundle in &bundles {
        let count = usize::try_from(bundle.messages).unwrap_or(usize::MAX);
        let (mark, outcome) = match bundle.judged() {
            Ok(fine) => (Mark::Done, fine.to_owned()),
            Err(wrong) => (Mark::Failed, wrong),
        };
        let says = format!("{}: {}, {outcome}", bundle.channel, of_messages(count, count));
        let exporter = match bundle.exporter.as_str() {
            "" => "nobody",
            name => name,
        };
        let detail = format!("exported by {exporter}, verified offline [{}]", bundle.code);
        screen.step(mark, &says, &detail);
        if mark == Mark::Failed {
            faults.push((format!("evidence of {}", bundle.channel), outcome));
        }
    }
    bundles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_confirmed_is_not_counted() {
        assert_eq!(of_messages(5, 5), "5 messages");
        assert_eq!(of_messages(4, 5), "4 of 5 messages");
        assert_eq!(of_messages(1, 1), "1 message");
    }

    #[test]
    fn what_failed_is_on_lines_of_their_own() {
        let text = failed("bid", &"waited in vain ".repeat(12));
        assert!(text.starts_with("  FAILED  bid: waited"), "{text}");
        assert!(text.lines().count() > 1 && text.lines().all(|l| l.len() <= WIDTH), "{text}");
    }
}
