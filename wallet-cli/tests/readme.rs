//! The README's commands are run as they stand there: every line `$ …` of a `console` block, in
//! order, in one fresh folder, by a shell that finds `gridpass`.

// A panic is a test's verdict.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)]

mod common;

use common::Place;
use std::path::Path;
use std::process::Command;

#[cfg(unix)]
#[test]
fn the_readmes_commands_succeed_in_order() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).expect("the README");
    let mut in_block = false;
    let mut commands = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| in_block) {
            commands.push(command.to_owned());
        }
    }
    assert!(commands.len() > 5, "the README shows commands");
    let place = Place::new();
    std::fs::remove_file(place.path("passphrase.txt")).expect("the README makes its own");
    let binary = Path::new(env!("CARGO_BIN_EXE_gridpass"));
    let folder = binary.parent().expect("a folder").display();
    for command in commands {
        let output = Command::new("sh")
            .args(["-c", &format!("umask 077; {command}")])
            .current_dir(place.dir.path())
            .env("PATH", format!("{folder}:/usr/bin:/bin"))
            .env("GRIDPASS_HOME", place.path("home"))
            .stdin(std::process::Stdio::null())
            .output()
            .expect("a shell");
        assert!(
            output.status.success(),
            "{command}\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
