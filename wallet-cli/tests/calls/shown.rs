//! What others wrote is shown, and does nothing: in the commands that print documents, names and errors.

use crate::common::Place;
use std::io::Write as _;
use std::process::{Command, Stdio};

const PAINT: &str = "\u{1b}[2J\u{1b}[HPASSED\u{1b}[8m\n\u{202e}PASSED";

/// No character of it acts but line ends, and no line is forged.
fn harmless(text: &str) {
    for line in text.lines() {
        let acts = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
        assert!(!line.contains(acts), "{line:?}");
        assert!(!line.starts_with("PASSED"), "forged: {line:?}");
    }
}

/// What a terminal gets, from `script` of util-linux; nothing where that is not there.
fn on_a_terminal(place: &Place, words: &str) -> Option<String> {
    let program = env!("CARGO_BIN_EXE_gridpass");
    let call = format!("{program} --no-input --passphrase-file passphrase.txt {words}");
    let ran = Command::new("script")
        .args(["-qec", &call, "/dev/null"])
        .current_dir(place.dir.path())
        .env("GRIDPASS_HOME", place.path("home"))
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    ran.ok().map(|ran| String::from_utf8(ran.stdout).expect("text"))
}

#[test]
fn a_name_in_a_charter_a_title_and_a_file_do_not_paint_the_screen() {
    let place = Place::with_wallet();
    place.new_identity("root", &["--method", "key"]);
    let made = place.ok(&["role", "define", "flex.gb.aggregator", "--title", PAINT]);
    harmless(made.text());
    let roles = place.ok(&["role", "list"]);
    harmless(roles.text());
    assert!(
        roles.text().contains(r"\u{1b}[2J\u{1b}[HPASSED\u{1b}[8m\u{a}\u{202e}PASSED"),
        "{roles:?}"
    );
    place.ok(&["charter", "new", PAINT, "--role", "flex.gb.aggregator", "-o", "charter.json"]);
    let shown = place.ok(&["charter", "show", "charter.json"]);
    harmless(shown.text());
    assert!(shown.text().contains(r"\u{1b}[2J"), "{shown:?}");
    // JSON is as it was: whoever reads it gets what was written.
    let json = place.ok_json("gridpass.charter.show/1", &["charter", "show", "charter.json"]);
    assert_eq!(json["charter"]["name"], PAINT);
    // The name of a file, and what an error says of it.
    let refused = place.run(&["charter", "show", "no\u{1b}[2J\nsuch"]);
    harmless(&refused.stderr);
    assert!(refused.stderr.contains(r"no\u{1b}[2J\u{a}such"), "{refused:?}");
}

#[test]
fn the_bytes_of_a_file_are_as_they_are_where_they_go_to_no_terminal() {
    let place = Place::with_wallet();
    let did = place.new_identity("me", &["--method", "key"]);
    place.write("note.txt", PAINT);
    place.ok(&["seal", "note.txt", "--to", &did, "--sign-with", "me", "-o", "note.jwe"]);
    assert_eq!(place.ok(&["open", "note.jwe"]).stdout, PAINT.as_bytes());
    let Some(painted) = on_a_terminal(&place, "open note.jwe") else {
        // Past the test harness, which shows the output only of what fails.
        let line = b"SKIPPED: what a terminal is shown; there is no program `script`.\n";
        std::io::stderr().write_all(line).expect("said");
        return;
    };
    assert!(painted.contains(r"\u{1b}[2J\u{1b}[HPASSED\u{1b}[8m"), "{painted:?}");
    assert!(!painted.contains("\u{1b}[2J") && !painted.contains('\u{202e}'), "{painted:?}");
}
