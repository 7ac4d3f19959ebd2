//! A disk that is full: the call fails with its reason, nothing acknowledged is lost.

// A panic is a test's verdict.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)]

mod common;

use common::Place;
use std::process::Command;

/// A limit on the size of files stands for the full disk: it needs no privileges, and the system
/// refuses the write in the same place.
#[cfg(unix)]
#[test]
fn a_refused_write_is_told_and_loses_nothing() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    let gridpass = env!("CARGO_BIN_EXE_gridpass");
    let mut told = 0;
    // In blocks of 512 bytes; sled's first file is larger than the smallest of them.
    for blocks in [0, 1, 8, 64, 512, 1024] {
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {gridpass} --json --no-input \
             --passphrase-file passphrase.txt id new --name x{blocks}"
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .current_dir(place.dir.path())
            .env("GRIDPASS_HOME", place.path("home"))
            .output()
            .expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(3) => {
                told += 1;
                assert!(stderr.contains("GP-STORE-IO"), "{blocks}: {stderr}");
                let name = format!("x{blocks}");
                assert!(!place.ok(&["id", "list"]).text().contains(&name), "not acknowledged");
            }
            other => panic!("{blocks}: {other:?}: {stderr}"),
        }
        assert!(place.ok(&["id", "list"]).text().contains(&did), "{blocks}: the identity is lost");
    }
    assert!(told > 0, "no write was refused");
    place.new_identity("after", &[]);
}
