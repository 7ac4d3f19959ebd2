//! Runs the simulations of `spec/simulation.md` and writes their table:
//! `cargo run --release -p gridpass-tests --example scale -- --seed 1 [--only WORDS] [--json] [--write]`.
//!
//! The table holds nothing of the machine: the same seed gives the same table everywhere. Progress
//! goes to stderr. Exit status: 0 if everything held that must, 1 if not, 2 for wrong arguments.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use gridpass_tests::simulation::scenarios::{self, Scenario};
use gridpass_tests::simulation::{Distribution, Kind, Measures, Outcome, run};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const BEGIN: &str = "<!-- begin: written by the command -->\n";
const END: &str = "<!-- end -->\n";

struct Arguments {
    seed: u64,
    only: Option<String>,
    json: bool,
    write: bool,
}

fn arguments() -> Option<Arguments> {
    let mut found = Arguments { seed: 1, only: None, json: false, write: false };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--seed" => found.seed = given.next()?.parse().ok()?,
            "--only" => found.only = Some(given.next()?),
            "--json" => found.json = true,
            "--write" => found.write = true,
            _ => return None,
        }
    }
    // A part of the runs is no table to publish.
    (!(found.write && found.only.is_some())).then_some(found)
}

/// What is published of a run.
struct Row {
    name: String,
    nodes: usize,
    sent: usize,
    measures: Measures,
    lost: u64,
    turned_away: u64,
    most_peers: u64,
    waited: u64,
    broken: Vec<String>,
    verdicts: Vec<(Kind, &'static str, u64)>,
}

impl Row {
    fn of(name: String, outcome: &Outcome) -> Self {
        let verdicts = outcome.verdicts.iter();
        Self {
            name,
            nodes: outcome.nodes.len(),
            sent: outcome.accepted().count(),
            measures: outcome.measures(),
            lost: outcome.lost_with_the_revoked(),
            turned_away: outcome.turned_away,
            most_peers: outcome.most_peers,
            waited: outcome.waited,
            broken: outcome.broken(),
            verdicts: verdicts.map(|((kind, verdict), n)| (*kind, *verdict, *n)).collect(),
        }
    }

    fn json(&self) -> Value {
        let d = |d: &Distribution| json!({"count": d.count, "p50": d.p50, "p90": d.p90, "p99": d.p99, "max": d.max});
        let m = &self.measures;
        let verdicts: Vec<Value> = self
            .verdicts
            .iter()
            .map(|(kind, verdict, n)| json!({"of": format!("{kind:?}"), "verdict": verdict, "count": n}))
            .collect();
        json!({
            "name": self.name, "nodes": self.nodes, "messages": self.sent,
            "deliveryMillis": d(&m.delivery), "victimDeliveryMillis": d(&m.victims),
            "revocationMillis": d(&m.refusal), "deliveredAfterRevocation": d(&m.after),
            "copies": d(&m.copies), "bytesHundredths": d(&m.bytes), "caughtUpPerMille": m.caught_up,
            "shutOutMillis": d(&m.shut_out), "borneUntilShutOut": d(&m.borne),
            "borneNeverShutOut": d(&m.never), "proofMillis": d(&m.proof),
            "reconnectedMillis": d(&m.reconnected), "lostWithRevokedPerMille": self.lost,
            "meshHeldPerCent": d(&m.held), "turnedAway": self.turned_away, "mostPeers": self.most_peers, "mostWaiting": self.waited,
            "broken": self.broken, "verdicts": verdicts,
        })
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{:02}", millis / 1000, millis % 1000 / 10)
}

fn times(d: &Distribution) -> String {
    if d.count == 0 {
        return "none".into();
    }
    [d.p50, d.p90, d.p99, d.max].map(seconds).join(" / ")
}

fn counts(d: &Distribution) -> String {
    if d.count == 0 {
        return "none".into();
    }
    [d.p50, d.p90, d.p99, d.max].map(|v| v.to_string()).join(" / ")
}

fn hundredths(d: &Distribution) -> String {
    [d.p50, d.p90, d.p99, d.max].map(|v| format!("{}.{}", v / 100, v % 100 / 10)).join(" / ")
}

fn per_cent(per_mille: u64) -> String {
    format!("{}.{} %", per_mille / 10, per_mille % 10)
}

fn tables(seed: u64, rows: &[Row]) -> String {
    let mut text = format!(
        "Seed {seed}. Four values are the 50th, 90th and 99th of a hundred, and the greatest.\n\n\
         | run | nodes | messages | delivery, s | revocation to refusal, s | copies | bytes for each of content | caught up | what must hold |\n\
         |---|---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let m = &row.measures;
        let holds = if row.broken.is_empty() { "holds".into() } else { row.broken.join("; ") };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {holds} |\n",
            row.name,
            row.nodes,
            row.sent,
            times(&m.delivery),
            times(&m.refusal),
            counts(&m.copies),
            hundredths(&m.bytes),
            per_cent(m.caught_up),
        ));
    }
    text.push_str(
        "\n| run | delivery at victims, s | shut out after, s | its messages until then | its messages where never shut out | proof, s | most peers | found no place | delivered after revocation | lost with the revoked |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let m = &row.measures;
        text.push_str(&format!(
            "| {} | {} | {} ({}) | {} | {} ({}) | {} | {} | {} | {} | {} |\n",
            row.name,
            times(&m.victims),
            times(&m.shut_out),
            m.shut_out.count,
            counts(&m.borne),
            counts(&m.never),
            m.never.count,
            times(&m.proof),
            row.most_peers,
            row.turned_away,
            counts(&m.after),
            per_cent(row.lost),
        ));
    }
    text
}

/// Runs all, as many at once as there are cores: each is a world of its own.
fn run_all(all: Vec<Scenario>) -> Vec<Row> {
    let count = all.len();
    let next = AtomicUsize::new(0);
    let rows: Mutex<Vec<Option<Row>>> = Mutex::new((0..count).map(|_| None).collect());
    // The longest first: else one would be alone at the end.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|i| std::cmp::Reverse(all.get(*i).map(|s| s.setting.operators)));
    let work = || {
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(scenario) = all.get(*index) else { continue };
            let began = Instant::now();
            let row = Row::of(scenario.name.clone(), &run(scenario.setting.clone()));
            eprintln!("{}: {:.1} s", scenario.name, began.elapsed().as_secs_f64());
            if let Some(place) = rows.lock().expect("no panic").get_mut(*index) {
                *place = Some(row);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        (0..cores).for_each(|_| {
            scope.spawn(work);
        });
    });
    rows.into_inner().expect("no panic").into_iter().flatten().collect()
}

/// Replaces the marked part of the published file.
fn write(table: &str) -> Result<(), String> {
    let path = gridpass_tests::root().join("spec/simulation.md");
    let text = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the beginning is not marked")?;
    let (_, after) = rest.split_once(END).ok_or("the end is not marked")?;
    let text = format!("{before}{BEGIN}\n{table}\n{END}{after}");
    std::fs::write(&path, text).map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("scale [--seed NUMBER] [--only WORDS] [--json] [--write, without --only]");
        return ExitCode::from(2);
    };
    let mut all = scenarios::all(arguments.seed);
    if let Some(only) = &arguments.only {
        all.retain(|s| s.name.contains(only.as_str()));
    }
    let rows = run_all(all);
    if arguments.json {
        let runs: Vec<Value> = rows.iter().map(Row::json).collect();
        println!(
            "{:#}",
            json!({"schema": "gridpass.scale/1", "seed": arguments.seed, "runs": runs})
        );
    } else if !arguments.write {
        print!("{}", tables(arguments.seed, &rows));
    }
    if arguments.write
        && let Err(why) = write(&tables(arguments.seed, &rows))
    {
        eprintln!("spec/simulation.md: {why}");
        return ExitCode::from(1);
    }
    ExitCode::from(u8::from(rows.iter().any(|r| !r.broken.is_empty())))
}
