//! Every published scenario: it loads, its channels compile and are clean, its table and its steps
//! come out as it says, decided by the real engine; its documents fit.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)] // tests may overflow, and then fail

mod common;

use common::walk::{Walk, policies};
use common::{moment, names};
use gridpass_credentials::schema::Schema;
use gridpass_examples::scenario::{Expect, Interface, Phase, Scenario, Step};
use gridpass_policy::cases::CaseFile;
use gridpass_policy::decision::Verdict;
use gridpass_policy::lint;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn every_file_loads_under_its_name_and_the_default_is_first() {
    let schema = std::fs::read(folder("schemas/scenario.schema.json")).expect("a file");
    let schema: Json = serde_json::from_slice(&schema).expect("JSON");
    let schema = Schema::compile(&schema).expect("a schema");
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder("scenarios")).expect("the scenarios") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let scenario =
            Scenario::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(path.file_stem().and_then(|s| s.to_str()), Some(scenario.name.as_str()));
        let json: Json = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(schema.places(&json), [], "{}", scenario.name);
        found.insert(scenario.name);
    }
    let all = Scenario::all();
    assert_eq!(all.iter().map(|s| s.name.clone()).collect::<BTreeSet<_>>(), found);
    assert_eq!(all[0].name, Scenario::default().name);
    assert!(Scenario::by_name("no-such-day").is_none());
}

#[test]
fn together_they_show_every_interface_and_phase() {
    let all = Scenario::all();
    let interfaces: BTreeSet<_> = all.iter().flat_map(|s| s.interfaces.clone()).collect();
    assert_eq!(
        interfaces,
        [Interface::TsoDso, Interface::DsoMo, Interface::DsoFsp, Interface::DsoDer].into()
    );
    let day: Vec<Phase> = Scenario::default().phases.iter().map(|p| p.phase).collect();
    assert_eq!(day.len(), 8);
    for scenario in &all {
        let phases: Vec<Phase> = scenario.phases.iter().map(|p| p.phase).collect();
        assert!(phases.is_sorted(), "{}: {phases:?}", scenario.name);
        for interface in &scenario.interfaces {
            let shown = scenario.channels.iter().any(|c| c.interfaces.contains(interface));
            assert!(shown, "{}: no channel shows {interface:?}", scenario.name);
        }
        for channel in &scenario.channels {
            let used = !scenario.members(channel.name.as_str()).is_empty();
            assert!(used, "{}: nobody uses {}", scenario.name, channel.name.as_str());
        }
    }
}

#[test]
fn every_channel_compiles_and_is_clean() {
    for scenario in Scenario::all() {
        for (name, policy) in policies(&scenario) {
            let found = lint::lint(policy.descriptor(), policy.checked(), None);
            assert_eq!(found, [], "{}: {name}", scenario.name);
        }
    }
}

#[test]
fn every_table_comes_out_as_it_says() {
    for scenario in Scenario::all() {
        let (names, policies) = (names(&scenario), policies(&scenario));
        let mut verdicts = BTreeSet::new();
        for channel in &scenario.channels {
            let file = scenario.cases(channel, &names).expect("cases");
            // What is made of a table is what the published runner reads.
            let bytes = serde_json::to_vec(&file).expect("JSON");
            let file = CaseFile::parse(&bytes).expect("a file of cases");
            let policy = &policies[channel.name.as_str()];
            for case in &file.cases {
                let ran = file.run(case, policy).unwrap_or_else(|e| panic!("{}: {e}", case.name));
                assert_eq!(
                    ran.differences,
                    Vec::<String>::new(),
                    "{}: {}",
                    scenario.name,
                    case.name
                );
                verdicts.insert(format!("{:?}", case.expect));
            }
        }
        assert_eq!(scenario.differences().expect("it is decided"), Vec::<String>::new());
        // As the README asks of published ones.
        assert!(scenario.policy.len() >= 10, "{}: {}", scenario.name, scenario.policy.len());
        assert_eq!(verdicts.len(), 2, "{}: something is allowed, something denied", scenario.name);
    }
}

#[test]
fn a_case_that_comes_out_otherwise_is_named() {
    let mut scenario = Scenario::default();
    let row = &mut scenario.policy[0];
    row.because.clear();
    row.codes.clear();
    row.expect = if row.expect == Verdict::Allow { Verdict::Deny } else { Verdict::Allow };
    let name = row.name.clone();
    let found = scenario.differences().expect("it is decided");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&name), "{found:?}");
}

#[test]
fn every_message_is_decided_as_its_step_says() {
    for scenario in Scenario::all() {
        for times in [1, 3] {
            let scenario = scenario.scaled(times);
            let mut walk = Walk::new(&scenario);
            for (_, step) in scenario.steps() {
                match step {
                    Step::Issue(issue) => assert!(walk.issued.insert(issue.visa.clone())),
                    Step::Revoke(revoke) => assert!(walk.revoked.insert(revoke.visa.clone())),
                    Step::Send(send) => walk.send(send, 7),
                    Step::SendFile(file) => {
                        let content = scenario.document(&file.id, &moment(7)).expect("a file");
                        walk.schemas.fit(file.document.schema(), &content, &file.id);
                        let message = json!({"topic": file.topic, "to": file.to});
                        let row = walk.row(&file.channel, &file.from, ("publish", message));
                        assert_eq!(walk.decide(row).0, Verdict::Allow, "{}", file.id);
                    }
                    Step::Replay(_)
                    | Step::Tamper(_)
                    | Step::Kill(_)
                    | Step::Restart(_)
                    | Step::Leave(_)
                    | Step::Return(_) => {}
                }
            }
        }
    }
}

#[test]
fn the_market_day_refuses_what_must_be_refused() {
    let day = Scenario::default();
    let refused: BTreeMap<&str, &str> = day
        .steps()
        .filter_map(|(_, step)| match step {
            Step::Send(send) => match &send.expect {
                Expect::Refused(refusal) => Some((step.id(), refusal.code.as_str())),
                Expect::Delivered(_) => None,
            },
            Step::Replay(replay) => Some((step.id(), replay.expect.code.as_str())),
            Step::Tamper(tamper) => Some((step.id(), tamper.expect.code.as_str())),
            _ => None,
        })
        .collect();
    let expected = [
        ("activation-elsewhere", "GP-PAYLOAD-SCHEMA"),
        ("activation-wrong-operator", "GP-POLICY-UNMET"),
        ("bid-alpha-as-gamma", "GP-POLICY-UNMET"),
        ("bid-alpha-malformed", "GP-PAYLOAD-SCHEMA"),
        ("bid-beta-wrong-zone", "GP-POLICY-UNMET"),
        ("bid-replayed", "GP-ENVELOPE-DUPLICATE"),
        ("bid-tampered", "GP-SIGNATURE-INVALID"),
        ("order-gamma-accepted", "GP-POLICY-UNMET"),
        ("readings-without-consent", "GP-POLICY-UNMET"),
    ];
    assert_eq!(refused, expected.into());
}

#[test]
fn more_of_a_participant_means_more_of_its_visas_and_messages() {
    let day = Scenario::default();
    let more = day.scaled(4);
    assert_eq!(more.participants.len(), day.participants.len() + 3);
    let count = |s: &Scenario, from: &str| {
        s.steps().filter(|(_, step)| step.send().is_some_and(|m| m.from == from)).count()
    };
    let delivered = day
        .steps()
        .filter_map(|(_, step)| step.send())
        .filter(|m| m.from == "alpha" && matches!(m.expect, Expect::Delivered(_)))
        .count();
    assert_eq!(count(&more, "alpha-4"), delivered);
    assert_eq!(count(&more, "alpha"), count(&day, "alpha"));
    assert!(more.visa("alpha-aggregator-4").is_some_and(|(p, _)| p.name == "alpha-4"));
    assert!(more.members("flex.day.bids").iter().any(|p| p.name == "alpha-3"));
    let bids = |s: &Scenario| s.document("reserve-bid-alpha", &moment(1)).expect("a document");
    assert_eq!(bids(&more), bids(&day), "the first stays as it was");
    assert_ne!(more.document("reserve-bid-alpha-2", &moment(1)).expect("a document"), bids(&day));
    for scenario in Scenario::all() {
        // What comes out is a scenario that would be read again.
        let most = scenario.scaled(Scenario::MAX_SCALE + 1);
        let bytes = serde_json::to_vec(&most).expect("JSON");
        Scenario::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", scenario.name));
        for (_, step) in most.steps() {
            let Some(send) = step.send().filter(|s| matches!(s.expect, Expect::Delivered(_)))
            else {
                continue;
            };
            let limits = &most.channel(&send.channel).expect("a channel").limits;
            let count = u64::try_from(send.to.len()).expect("it fits");
            assert!(count <= limits.max_recipients, "{}: {}", scenario.name, send.id);
        }
        assert_eq!(
            serde_json::to_vec(&scenario.scaled(1)).expect("JSON"),
            serde_json::to_vec(&scenario).expect("JSON")
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for scenario in Scenario::all() {
        for (_, step) in scenario.steps() {
            if !matches!(step, Step::Send(_) | Step::SendFile(_)) {
                assert!(scenario.document(step.id(), &moment(1)).is_err());
                continue;
            }
            let make = |seed| scenario.document(step.id(), &moment(seed)).expect("a document");
            assert_eq!(make(1), make(1), "{}", step.id());
            assert_ne!(make(1), make(2), "{}", step.id());
        }
    }
}

/// Each change to the market day makes a scenario that is refused, and the reason names the place.
#[test]
fn what_names_something_that_is_not_there_is_refused() {
    let text = include_str!("../scenarios/market-day.json");
    for (find, replace, place) in [
        ("\"root\": \"regulator\"", "\"root\": \"nobody\"", "root"),
        ("\"eic\": \"99XTSO---------1\"", "\"eic\": \"99XTSO---------2\"", "tso"),
        ("\"role\": \"flex.day.tso\"", "\"role\": \"flex.day.king\"", "visa tso"),
        ("\"schema\": \"flex-offer\"", "\"schema\": \"poem\"", "topic offers"),
        ("visa.zone == message.zone", "visa.sector == message.zone", "channel"),
        ("\"@alpha\"", "\"@nobody\"", "nobody"),
        ("\"issuer\": \"dso-south\"", "\"issuer\": \"auditor\"", "visa beta-grid-check"),
        ("\"limitKw\": 800", "\"limitKw\": \"800\"", "visa alpha-grid-check"),
        ("\"replyTo\": \"tender-north\"", "\"replyTo\": \"settlement-alpha\"", "step bid-alpha"),
        ("\"of\": \"bid-alpha\"", "\"of\": \"order-alpha\"", "step bid-replayed"),
        ("\"topic\": \"tenders\"", "\"topic\": \"needs\"", "step tender-north"),
        ("\"visa\": \"gamma-aggregator\"", "\"visa\": \"delta\"", "step gamma-revoked"),
        ("\"delivered\": [\"tso\"]", "\"delivered\": [\"nobody\"]", "step model-north"),
        ("\"has\": [\"tender-north\"]", "\"has\": [\"result-north\"]", "step beta-returns"),
        ("\"participant\": \"beta\"", "\"participant\": \"gamma\"", "step"),
        ("\"delivered\": [\"dso-north\"]", "\"delivered\": []", "step prequalification-asked"),
    ] {
        let changed = text.replacen(find, replace, 1);
        assert_ne!(changed, text, "{find} is in the file");
        let refused = Scenario::parse(changed.as_bytes()).expect_err(find).to_string();
        assert!(refused.contains(place), "{find}: {refused}");
    }
    // The bounds of the published schema are those of the reader.
    let long = format!("\"title\": \"{}\"", "a".repeat(1001));
    let title = format!("\"title\": \"{}\"", Scenario::default().title);
    let changed = text.replacen(&title, &long, 1);
    assert_ne!(changed, text, "the title is in the file");
    let refused = Scenario::parse(changed.as_bytes()).expect_err("a title without end");
    assert_eq!(refused.code().id(), "GP-SCENARIO-MALFORMED", "{refused}");
    assert!(refused.to_string().contains("/title"), "{refused}");
    let unknown = text.replacen("\"root\"", "\"colour\": \"blue\", \"root\"", 1);
    let refused = Scenario::parse(unknown.as_bytes()).expect_err("an unknown member");
    assert_eq!(refused.code().id(), "GP-SCENARIO-MALFORMED");
}
