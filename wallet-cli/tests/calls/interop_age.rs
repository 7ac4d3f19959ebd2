//! Backups against the stock `age` tool: it decrypts ours, and what it encrypts restores here.

use crate::common::Place;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::process::Command;

/// Whether the tool is there; says so loudly where it is not.
fn age_is_here() -> bool {
    let here = Command::new("age").arg("--version").output().is_ok_and(|o| o.status.success());
    let required = std::env::var("GRIDPASS_REQUIRE_INTEROP").is_ok_and(|v| v == "1");
    assert!(here || !required, "age is required and absent; install the package `age`");
    if !here {
        let line = b"SKIPPED: the age tool is absent. Install the package `age`.\n";
        std::io::stderr().write_all(line).expect("standard error is open");
    }
    here
}

fn age(place: &Place, args: &[&str]) -> Vec<u8> {
    let output = Command::new("age").args(args).current_dir(place.dir.path()).output();
    let output = output.expect("age runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn the_stock_tool_decrypts_a_backup_and_what_it_encrypts_restores() {
    if !age_is_here() {
        return;
    }
    let place = Place::with_wallet();
    let did = place.new_identity("root", &[]);
    place.ok(&["wallet", "backup", "-o", "b.gpb"]);
    let show = ["wallet", "backup-verify", "b.gpb", "--recovery-file", "words.txt"];
    let identity = place.ok(&[&show[..], &["--show-age-identity"]].concat());
    place.write("identity.txt", identity.text());
    let plain = age(&place, &["-d", "-i", "identity.txt", "b.gpb"]);

    let end = plain.iter().position(|b| *b == b'\n').expect("a manifest line");
    let manifest: serde_json::Value = serde_json::from_slice(&plain[..end]).expect("JSON");
    assert_eq!(manifest["format"], "gridpass-backup");
    let body = &plain[end + 1..];
    let digest: String = Sha256::digest(body).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(manifest["checksum"], digest.as_str());
    let lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty()).count();
    assert_eq!(manifest["records"], lines);

    // An escrow encrypts the same content for itself, and it restores with the escrow's key.
    let keygen = Command::new("age-keygen").output().expect("age-keygen runs");
    place.write("escrow.txt", &String::from_utf8(keygen.stdout).expect("text"));
    let text = place.read("escrow.txt");
    let recipient = text.lines().find_map(|l| l.strip_prefix("# public key: ")).expect("one");
    std::fs::write(place.path("plain"), &plain).expect("written");
    age(&place, &["-r", recipient, "-o", "escrow.gpb", "plain"]);
    let restore = ["wallet", "restore", "escrow.gpb", "--identity-file", "escrow.txt"];
    place.ok(&[&restore[..], &["--profile", "again"]].concat());
    assert!(place.ok(&["id", "list", "--profile", "again"]).text().contains(&did));

    // Ours for an escrow beside the recovery phrase opens with either, and with nobody else's key.
    let both = ["wallet", "backup", "--profile", "dso", "-o", "both.gpb", "--recipient"];
    place.ok(&[&both[..], &[recipient]].concat());
    assert_eq!(age(&place, &["-d", "-i", "escrow.txt", "both.gpb"]).first(), Some(&b'{'));
    age(&place, &["-d", "-i", "identity.txt", "both.gpb"]);
    let other = Command::new("age-keygen").output().expect("age-keygen runs");
    place.write("other.txt", &String::from_utf8(other.stdout).expect("text"));
    let verify = ["wallet", "backup-verify", "both.gpb", "--identity-file", "other.txt"];
    place.refused("GP-BACKUP-UNLOCK-FAILED", 4, &verify);
}
