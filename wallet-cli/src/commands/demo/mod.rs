//! `gridpass demo`: a market process with real wallets, nodes and messages, in a folder of its own.

mod bytes;
mod cast;
mod children;
mod copyist;
mod ending;
mod evidence;
mod interrupted;
mod kept;
mod nodes;
mod play;
mod screen;
mod tour;

use crate::codes;
use crate::context::read_input;
use crate::help;
use crate::output::{Answer, Failure, Outcomes};
use crate::shown::shown as harmless;
use cast::Cast;
use children::Children;
use clap::Args;
use ending::Run;
use gridpass_examples::scenario::{Kind, Scenario, ScenarioError, Step};
use gridpass_identity::json::Limits;
use nodes::Nodes;
use play::{Play, Shown};
use screen::{Mark, Screen};
use serde_json::{Value, json};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// So many cases of a table that come out otherwise are told.
const MOST_CASES: usize = 5;

/// Watch a market day on real messages: wallets, visas, nodes, and what is refused
///
/// Starts a process for each participant's node, plays a market process through its phases, and
/// says of each message who was delivered it, or why it was refused. Nothing is installed, nothing
/// leaves this machine.
#[derive(Args)]
#[command(after_help = help!(
    "  gridpass demo\n  \
     gridpass demo --keep /tmp/day              look around afterwards with the ordinary commands\n  \
     gridpass demo --list                       other market processes\n  \
     gridpass demo --scenario market-day --seed 7 --scale 3\n  \
     gridpass demo --scenario-file my.json      a market process of your own\n  \
     gridpass demo --tour                       wallets, keys and visas without a network"
))]
pub struct DemoArgs {
    /// Keep wallets, stores and logs in this new folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Which market process [default: market-day]
    #[arg(long, value_name = "NAME", conflicts_with = "tour")]
    scenario: Option<String>,
    /// A market process of your own, as examples/README.md describes; with --list it is only checked
    #[arg(long, value_name = "FILE", conflicts_with_all = ["scenario", "tour"])]
    scenario_file: Option<PathBuf>,
    /// List the market processes
    #[arg(long, conflicts_with_all = ["scenario", "tour", "keep"])]
    list: bool,
    /// What the documents are made from: the same number, the same amounts
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["list", "tour"])]
    seed: u64,
    /// So many times the aggregators and their bids
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["list", "tour"],
          value_parser = clap::value_parser!(u16).range(1..=64))]
    scale: u16,
    /// Show wallets, keys, seals and visas instead, without any network
    #[arg(long)]
    tour: bool,
}

pub fn run(_: &crate::context::GlobalArgs, args: &DemoArgs) -> Outcomes {
    if args.list {
        return Ok(match &args.scenario_file {
            Some(file) => listed(&[own(file)?], &format!("--scenario-file {}", quoted_path(file))),
            None => listed(&Scenario::all(), "--scenario NAME"),
        });
    }
    // Before a folder is made that the next call would find in its way.
    let scenario = scenario(args)?;
    let (home, temporary) = match &args.keep {
        Some(dir) if dir.exists() => {
            let message = format!("{} exists already", dir.display());
            return Err(Failure::new(codes::FILE_EXISTS, message)
                .next("Name a folder that does not exist yet with --keep."));
        }
        Some(dir) => {
            let home = std::path::absolute(dir)
                .map_err(|e| Failure::new(codes::FILE_NOT_WRITTEN, e.to_string()))?;
            (home, None)
        }
        None => {
            let temporary = tempfile::tempdir()
                .map_err(|e| Failure::new(codes::FILE_NOT_WRITTEN, e.to_string()))?;
            (temporary.path().join("home"), Some(temporary))
        }
    };
    let scenario = scenario.scaled(usize::from(args.scale));
    if !args.tour {
        nodes::check_sockets(&home, &with_nodes(&scenario))?;
    }
    let children = Children::default();
    interrupted::ends(&children, &home, temporary.as_ref().map(tempfile::TempDir::path))?;
    // As a home is: it has wallets in it.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&home);
    made.map_err(|e| Failure::new(codes::FILE_NOT_WRITTEN, format!("{}: {e}", home.display())))?;
    if args.tour {
        return tour::run(&home, args.keep.is_some());
    }
    play(&scenario, &home, args, children)
}

fn scenario(args: &DemoArgs) -> Result<Scenario, Failure> {
    let scenario = match (&args.scenario_file, &args.scenario) {
        (Some(file), _) => own(file)?,
        (None, None) => Scenario::default(),
        (None, Some(name)) => Scenario::by_name(name).ok_or_else(|| {
            Failure::new(codes::SCENARIO_UNKNOWN, format!("there is no scenario {name:?}"))
                .next("`gridpass demo --list` names them; one in a file: --scenario-file FILE.")
        })?,
    };
    if args.scale > 1 && !scenario.participants.iter().any(|p| p.scaled) {
        let message = format!("--scale does nothing in {}: nobody in it has copies", scenario.name);
        return Err(Failure::new(codes::USAGE, message)
            .next("Leave out --scale, or choose another one: gridpass demo --list"));
    }
    Ok(scenario)
}

/// One of somebody's own, read and its table decided.
fn own(file: &Path) -> Result<Scenario, Failure> {
    let most = u64::try_from(Limits::DOCUMENT.bytes).unwrap_or(u64::MAX);
    let bytes = read_input(file, most)?;
    let refused = |e: ScenarioError| Failure::new(e.code(), format!("{}: {e}", file.display()));
    let scenario = Scenario::parse(&bytes).map_err(refused)?;
    let found = scenario.differences().map_err(refused)?;
    if found.is_empty() {
        return Ok(scenario);
    }
    let first: Vec<&str> = found.iter().take(MOST_CASES).map(String::as_str).collect();
    let message = format!(
        "{}: of {}, {} otherwise: {}",
        file.display(),
        crate::output::counted(scenario.policy.len(), "case", "cases"),
        crate::output::counted(found.len(), "comes out", "come out"),
        first.join(" | ")
    );
    Err(Failure::new(gridpass_examples::codes::SCENARIO_TABLE, message))
}

fn quoted_path(path: &Path) -> String {
    kept::quoted(&path.display().to_string())
}

fn listed(all: &[Scenario], how: &str) -> Answer {
    let line = |s: &Scenario| format!("{:<28} {}\n", harmless(&s.name), harmless(&s.title));
    let text: String = all.iter().map(line).collect();
    let json: Vec<Value> = all
        .iter()
        .map(|s| {
            json!({"name": s.name, "title": s.title, "description": s.description,
                   "source": s.source, "interfaces": s.interfaces})
        })
        .collect();
    let text = format!("{text}\nnext: gridpass demo {how}");
    Answer::new("gridpass.demo.list/1", json!({"scenarios": json}), text)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Regulator => "regulator",
        Kind::Tso => "TSO",
        Kind::Dso => "DSO",
        Kind::MarketOperator => "market operator",
        Kind::Aggregator => "aggregator",
        Kind::Resource => "energy resource",
        Kind::Consumer => "consumer",
        Kind::Auditor => "auditor",
    }
}

/// Who needs a node: whoever takes part in a channel, revokes something, or is the root.
fn with_nodes(scenario: &Scenario) -> Vec<String> {
    let mut names: Vec<&str> = vec![&scenario.root];
    for channel in &scenario.channels {
        names.extend(scenario.members(channel.name.as_str()).iter().map(|p| p.name.as_str()));
    }
    for (_, step) in scenario.steps() {
        if let Step::Revoke(revoke) = step
            && let Some((_, visa)) = scenario.visa(&revoke.visa)
        {
            names.push(&visa.issuer);
        }
    }
    let all = scenario.participants.iter().map(|p| &p.name);
    all.filter(|name| names.contains(&name.as_str())).cloned().collect()
}

fn play(scenario: &Scenario, home: &Path, args: &DemoArgs, children: Children) -> Outcomes {
    let (screen, started) = (Screen::new(), Instant::now());
    screen.title(&scenario.title, &scenario.description);
    screen.title("Who takes part", "");
    screen.busy("making wallets, DIDs, role definitions, the charter, channels and visas");
    let mut cast = Cast::assemble(scenario, home)?;
    let names = with_nodes(scenario);
    screen.busy("making the nodes' keys, and authorising them");
    cast.equip(&names)?;
    screen.busy("starting a process for each node");
    let mut nodes = Nodes::new(&cast, children);
    nodes.start(&names)?;
    nodes.introduce()?;
    let rows: Vec<[String; 4]> = scenario
        .participants
        .iter()
        .map(|p| {
            let process =
                nodes.process(&p.name).map_or("no node".into(), |id| format!("process {id}"));
            [p.name.clone(), kind(p.kind).into(), process, p.title.clone()]
        })
        .collect();
    screen.step(Mark::Done, "every participant has a wallet, a DID and its visas", "");
    screen.table(&rows);
    let met = format!("{} nodes run, and know each other", names.len());
    screen.step(
        Mark::Done,
        &met,
        &format!("{:.1} s since the start", started.elapsed().as_secs_f64()),
    );
    let mut play = Play::new(cast, nodes, args.seed);
    let mut shown: Vec<Shown> = Vec::new();
    for phase in &scenario.phases {
        screen.title(&title_of(&phase.phase.to_string()), &phase.says);
        for step in &phase.steps {
            screen.busy(&play::says(step));
            let (mark, result) = play.take(&phase.phase.to_string(), step);
            screen.step(mark, &result.says, &result.detail);
            shown.push(result);
        }
    }
    let run = Run { seed: args.seed, keep: args.keep.as_deref(), started };
    ending::end(&play, &screen, &shown, &run)
}

fn title_of(phase: &str) -> String {
    let mut letters = phase.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
