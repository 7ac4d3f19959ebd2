//! The market day, as whoever runs it first sees it: real processes, real documents, and what is
//! refused.

// A test fails by panicking.

use crate::common::{Place, Ran};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn step<'s>(answer: &'s Value, name: &str) -> &'s Value {
    let steps = answer["steps"].as_array().expect("steps");
    steps.iter().find(|s| s["step"] == name).unwrap_or_else(|| panic!("there is no step {name}"))
}

#[test]
fn the_market_day_ends_well_and_what_must_be_refused_is_and_the_folder_can_be_looked_into() {
    let place = Place::new();
    let ran = place.ok(&["--json", "demo", "--keep", "day", "--seed", "3"]);
    let answer = ran.json();
    assert_eq!(answer["schema"], "gridpass.demo/2");
    // As with every command, each line beside the answer is an object.
    let hints = ran.objects_on_stderr();
    assert!(hints.iter().all(|h| h["schema"] == "gridpass.hint/1"), "{hints:?}");
    assert!(hints.len() > 20, "a step for each: {hints:?}");
    assert_eq!(answer["failed"], 0, "{answer:#}");
    for (name, code) in [
        ("bid-beta-wrong-zone", "GP-POLICY-UNMET"),
        ("bid-alpha-malformed", "GP-PAYLOAD-SCHEMA"),
        ("bid-alpha-as-gamma", "GP-POLICY-UNMET"),
        ("bid-replayed", "GP-ENVELOPE-DUPLICATE"),
        ("bid-tampered", "GP-SIGNATURE-INVALID"),
        ("order-gamma-accepted", "GP-POLICY-UNMET"),
        ("activation-wrong-operator", "GP-POLICY-UNMET"),
        ("activation-elsewhere", "GP-PAYLOAD-SCHEMA"),
        ("readings-without-consent", "GP-POLICY-UNMET"),
    ] {
        assert_eq!(
            (&step(&answer, name)["outcome"], &step(&answer, name)["code"]),
            (&"refused".into(), &code.into())
        );
    }
    for name in ["model-north", "order-alpha", "beta-returns", "exchange-restarted"] {
        assert_eq!(step(&answer, name)["outcome"], "done", "{name}");
    }
    let reached = answer["revocationMillis"]["gamma-revoked"].as_object().expect("times");
    assert_eq!(reached.len(), 6, "{reached:?}");

    // With the ordinary commands.
    let look = |profile: &str, words: &[&str]| {
        let home = ["--home", "day", "--passphrase-file", "day/passphrase.txt", "--json"];
        let ran = place.run_bare(&[&home[..], &["--profile", profile], words].concat());
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
        ran.json()
    };
    let visas = look("alpha", &["visa", "list"]);
    assert!(visas.to_string().contains("flex.day.aggregator"), "{visas}");
    let store = look("exchange-node", &["node", "check"]);
    let nothing = Value::Array(Vec::new());
    assert_eq!((&store["damaged"], &store["missing"]), (&nothing, &nothing));
    let doctor = place.run_bare(&["--home", "day", "--json", "doctor"]).json();
    let checks = doctor["checks"].as_array().expect("checks");
    let home = checks.iter().find(|c| c["name"] == "home").expect("it looks at the folder");
    assert_eq!(home["outcome"], "passed", "{home}");
    place.refused("GP-FILE-EXISTS", 8, &["demo", "--keep", "day"]);
}

/// The processes that were told of this folder.
fn processes_of(folder: &Path) -> Vec<u32> {
    let folder = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").expect("the processes").flatten();
    let ids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    let knows = |id: &u32| {
        let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(&folder)
    };
    ids.filter(knows).collect()
}

fn within<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(seconds), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A demonstration that may be left behind by a test that fails, its nodes with it: not for long.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(place: &Place, args: &[&str]) -> Demo {
    let mut command = place.bare();
    command.arg("demo").args(args).env("TMPDIR", place.path("tmp"));
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    Demo(command.spawn().expect("it starts"))
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("a folder").next().is_none()
}

#[test]
fn a_demonstration_that_is_ended_leaves_no_process_and_no_temporary_folder() {
    for (signal, status) in [("-TERM", Some(143)), ("-INT", Some(130)), ("-KILL", None)] {
        let place = Place::new();
        let temporary = place.path("tmp");
        std::fs::create_dir(&temporary).expect("a folder");
        let mut demo = start(&place, &["--scenario", "onenet-spain"]);
        within(120, "nodes", || (processes_of(&temporary).len() > 1).then_some(()));
        let id = demo.0.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().expect("kill runs");
        assert!(sent.success());
        let ended = demo.0.wait().expect("it ends");
        assert_eq!(ended.code(), status, "{signal}");
        if status.is_some() {
            assert_eq!(processes_of(&temporary), Vec::<u32>::new(), "{signal}");
            assert!(is_empty(&temporary), "{signal}");
        } else {
            // It could not even say goodbye: its nodes find out.
            let none_left = || processes_of(&temporary).is_empty().then_some(());
            within(30, "the nodes to end", none_left);
        }
    }
}

#[test]
fn a_node_that_does_not_start_leaves_none_of_the_others_behind() {
    let place = Place::new();
    let args = ["demo", "--scenario", "onenet-spain", "--keep", "day"];
    let mut command = place.bare();
    let command = command.args(["--json"]).args(args).stdout(Stdio::null()).stderr(Stdio::piped());
    let demo = command.spawn().expect("it starts");
    // Where a node would have its socket, there is a folder.
    let node = within(120, "the folder of a node", || {
        let profiles = std::fs::read_dir(place.path("day/profiles")).ok()?.flatten();
        profiles.map(|p| p.path().join("node")).find(|node| node.is_dir())
    });
    std::fs::create_dir(node.join("control.sock")).expect("it is in the way");
    let ran: Ran = demo.wait_with_output().expect("it ends").into();
    let error = ran.error();
    assert_eq!((error["code"].as_str(), ran.status), (Some("GP-NODE-NOT-RUNNING"), 6), "{error}");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("control.sock")), "{error}");
    assert_eq!(processes_of(&place.path("day")), Vec::<u32>::new());
}

#[test]
fn a_process_of_ones_own_is_played_and_each_line_that_it_prints_next_can_be_pasted() {
    let place = Place::new();
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/scenarios/onenet-spain.json");
    std::fs::copy(published, place.path("mine.json")).expect("a copy");
    let args = ["demo", "--scenario-file", "mine.json", "--keep", "my day"];
    let ran = place.run_bare(&args);
    assert_eq!(ran.status, 0, "{} {}", ran.text(), ran.stderr);
    for line in ran.stderr.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let (_, next) = ran.text().split_once("next, in one shell:\n").expect("what comes next");
    assert!(next.contains("node run") && next.contains("sh renew.sh"), "{next}");
    // Nothing of it runs on where a line fails.
    let script = format!("set -e\ntrap 'kill $(jobs -p) 2> /dev/null || :' EXIT\n{next}wait\n");
    let folder = Path::new(env!("CARGO_BIN_EXE_gridpass")).parent().expect("a folder").display();
    let shell = Command::new("sh")
        .args(["-c", &script])
        .current_dir(place.dir.path())
        .env_clear()
        .env("PATH", format!("{folder}:/usr/bin:/bin"))
        .env("HOME", place.dir.path())
        .stdin(Stdio::null())
        .output();
    let shell: Ran = shell.expect("a shell").into();
    assert_eq!(shell.status, 0, "{next}{} {}", shell.text(), shell.stderr);
}

#[test]
fn processes_are_listed_and_an_unknown_one_is_named() {
    let place = Place::new();
    let listed = place.ok_json("gridpass.demo.list/1", &["demo", "--list"]);
    let names = listed["scenarios"].as_array().expect("scenarios");
    assert!(names.iter().any(|s| s["name"] == "market-day"), "{names:?}");
    let unknown = ["demo", "--scenario", "nothing", "--keep", "kept"];
    place.refused("GP-SCENARIO-UNKNOWN", 5, &unknown);
    assert!(!place.path("kept").exists(), "it is in the way of the next call");
    // What would do nothing is refused.
    for more in [
        &["--list", "--seed", "7"][..],
        &["--list", "--scale", "2"],
        &["--tour", "--seed", "7"],
        &["--tour", "--scale", "2"],
        &["--scenario", "onenet-france", "--scale", "2", "--keep", "kept"],
    ] {
        place.refused("GP-USAGE", 2, &[&["demo"], more].concat());
    }
    assert!(!place.path("kept").exists());
    // A socket's path has its limit; nothing is made first.
    let long = "k".repeat(100);
    let error = place.refused("GP-NODE-FOLDER", 3, &["demo", "--keep", &long]);
    assert!(error["next"].as_str().is_some_and(|n| n.contains("shorter")), "{error}");
    assert!(!place.path(&long).exists());
}
