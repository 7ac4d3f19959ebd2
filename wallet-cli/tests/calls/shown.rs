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
fn a_title_and_a_file_do_not_turn_a_line_round_or_paint_the_screen() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &["--method", "key"]);
    // Titles with controls are refused where they are made; marks for the direction of text are not.
    let title = "\u{202e}DESSAP\u{2028}PASSED";
    place.ok(&["role", "define", "flex.gb.aggregator", "--title", title]);
    let roles = place.ok(&["role", "list"]);
    harmless(roles.text());
    assert!(roles.text().contains(r"\u{202e}DESSAP\u{2028}PASSED"), "{roles:?}");
    // JSON is as it was: whoever reads it gets what was written.
    let json = place.ok_json("gridpass.role.list/1", &["role", "list"]);
    assert_eq!(json["roles"][0]["title"], title);
    // The name of a file, where it is written, and what an error says of it.
    let name = "no\u{1b}[2J\nPASSED";
    let written = place.ok(&["id", "export", "root", "-o", name]);
    harmless(written.text());
    assert!(
        written.text().starts_with(&did) && written.text().contains(r"no\u{1b}[2J\u{a}PASSED"),
        "{written:?}"
    );
    let refused = place.run(&["charter", "show", name]);
    assert_ne!(refused.status, 0);
    let refused = place.run(&["id", "export", "root", "-o", name]);
    harmless(&refused.stderr);
    assert!(refused.stderr.contains(r"no\u{1b}[2J\u{a}PASSED exists already"), "{refused:?}");
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
