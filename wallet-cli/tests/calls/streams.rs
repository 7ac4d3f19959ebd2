//! What comes out where: JSON for programs, colour for terminals, help for people, and readers
//! that go away.

use crate::common::{Place, Ran, contains};
use crate::parties::{Party, framework};
use std::process::Stdio;

/// Every command, as the help of its parent names them.
fn every_command(place: &Place) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut next = 0;
    while next < found.len() {
        let path: Vec<String> = found[next].clone();
        next += 1;
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = place.run_bare(&args);
        let text = help.text();
        let Some((_, commands)) = text.split_once("\nCommands:\n") else { continue };
        for line in commands.lines().take_while(|line| !line.is_empty()) {
            // A description that goes on in the next line stands further to the right.
            let Some(name) = line.strip_prefix("  ").filter(|l| !l.starts_with(' ')) else {
                continue;
            };
            let name = name.split(' ').next().expect("a name");
            if name != "help" {
                found.push([&path[..], &[name.to_owned()]].concat());
            }
        }
    }
    found
}

#[test]
fn the_help_of_every_command_has_examples_and_exit_codes() {
    let place = Place::new();
    let commands = every_command(&place);
    assert!(commands.len() > 28, "{commands:?}");
    for path in commands {
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = place.run_bare(&args);
        assert_eq!((help.status, help.stderr.as_str()), (0, ""), "{path:?}");
        for word in ["Usage:", "Examples:", "Exit codes: 0 ok, 1 internal, 2 usage"] {
            assert!(help.text().contains(word), "{path:?} lacks {word}");
        }
    }
}

/// The words of an example as a shell has them: single quotes, and no more than the first command.
/// What stands behind three spaces is a remark.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
            continue;
        }
        let trimmed = part.trim_start();
        let command = trimmed.split(['|', '>']).next().unwrap_or_default();
        // An option's value may stand behind many spaces where the line was broken.
        let (command, remark) = match command.find("   ") {
            Some(at) if !command[at..].trim_start().starts_with("--") => (&command[..at], true),
            _ => (command, false),
        };
        words.extend(command.split_whitespace().map(str::to_owned));
        if remark || command.len() < trimmed.trim_end().len() {
            break;
        }
    }
    words
}

/// The examples are commands that exist, with options that exist.
#[test]
fn the_examples_in_the_help_are_understood() {
    let place = Place::with_wallet();
    let mut tried = 0;
    for path in every_command(&place) {
        let args: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = place.run_bare(&args);
        let (_, examples) = help.text().split_once("Examples:\n").expect("examples");
        let examples = examples.split("\n\n").next().unwrap_or_default();
        // A command that goes on in the next line is one command.
        let examples = examples.replace(" \\\n", " ");
        for line in examples.lines() {
            let Some(line) = line.trim().strip_prefix("gridpass ") else { continue };
            // Nothing comes that it waits for.
            let line = [" 30s", " 1m"].iter().fold(line.to_owned(), |line, long| {
                line.replace(&format!("--wait{long}"), "--wait 1s")
            });
            let words = shell_words(&line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            // Not from here: they write where they say, or ask the network.
            if ["demo", "--dir", "--fetch"].iter().any(|w| words.contains(w)) {
                continue;
            }
            // A table is not JSON.
            let json = if words.contains(&"--csv") { &[][..] } else { &["--json"] };
            let ran = place.run_bare(&[json, &words[..]].concat());
            let understood = ran.status != 2 || ran.error()["code"] != "GP-USAGE";
            assert!(understood, "{words:?}: {}", ran.stderr);
            tried += 1;
        }
    }
    assert!(tried > 30, "{tried} examples");
}

#[test]
fn a_refusal_in_json_is_one_object_on_standard_error() {
    let place = Place::with_wallet();
    for (args, code, status) in [
        (&["nonsense"][..], "GP-USAGE", 2),
        (&["id", "list", "--nonsense"], "GP-USAGE", 2),
        (&["id", "new"], "GP-USAGE", 2),
        (&["seal", "a.txt"], "GP-USAGE", 2),
        (&["wallet", "slots", "remove", "one"], "GP-USAGE", 2),
        (&["id", "show", "nobody"], "GP-IDENTITY-NOT-FOUND", 5),
        (&["id", "resolve", "did:example:1"], "GP-DID-METHOD-UNKNOWN", 14),
    ] {
        let error = place.refused(code, status, args);
        let message = error["message"].as_str().expect("a message");
        assert!(!message.is_empty() && !message.contains('\u{1b}'), "{message:?}");
        let ran = place.run(&[&["--json"], args].concat());
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        // And without it, the same in words.
        let ran = place.run(args);
        assert_eq!((ran.status, ran.stdout.len()), (status, 0));
        assert!(!ran.stderr.starts_with('{'), "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("error [{code}]: ")), "{}", ran.stderr);
    }
    let missing = place.refused("GP-USAGE", 2, &["init"]);
    let message = missing["message"].as_str().expect("a message");
    assert!(message.ends_with(": --name <NAME>"), "what is missing is not named: {message}");
    let in_words = place.run_bare(&["init"]).stderr;
    assert!(in_words.contains("--name <NAME>") && in_words.contains("Usage:"), "{in_words}");
    // A command is missing.
    place.refused("GP-USAGE", 2, &["node"]);
    let help = place.run_bare(&["node"]);
    assert!(help.status == 2 && help.stderr.contains("Usage:"), "{}", help.stderr);
    assert_eq!(place.run_bare(&["--json", "--version"]).status, 0);
}

#[test]
fn every_answer_in_json_is_one_object_with_its_schema() {
    let place = Place::with_wallet();
    let did = place.new_identity("root", &["--method", "webvh", "--location", "dso.example"]);
    place.write("a.txt", "content");
    let fields = |schema: &str, args: &[&str], fields: &[&str]| {
        let json = place.ok_json(schema, args);
        for field in fields {
            assert!(json.get(field).is_some(), "{args:?} lacks {field}: {json}");
        }
        json
    };
    let outcome = &["outcome", "checks"][..];
    fields("gridpass.id.show/1", &["id", "show", "root"], &["identity", "publish_at"]);
    let exported = fields("gridpass.id.export/1", &["id", "export", "root"], &["did", "content"]);
    place.write("did.jsonl", exported["content"].as_str().expect("the log"));
    let resolve = ["id", "resolve", &did, "--log", "did.jsonl"];
    let known = ["document", "source", "seen", "age_seconds", "version_id", "versions"];
    fields("gridpass.id.resolve/1", &resolve, &known);
    let signed = fields("gridpass.sign/1", &["sign", "a.txt"], &["jws", "signer", "purpose"]);
    place.write("a.jws", signed["jws"].as_str().expect("a JWS"));
    let verify = ["verify-signature", "a.jws"];
    let json = fields("gridpass.verify-signature/1", &verify, outcome);
    assert_eq!((json["signer"].as_str(), json["outcome"].as_str()), (Some(&*did), Some("passed")));
    let sealed = fields("gridpass.seal/1", &["seal", "a.txt", "--to", &did], &["jwe", "to"]);
    place.write("a.jwe", sealed["jwe"].as_str().expect("a JWE"));
    let opened = fields("gridpass.open/1", &["open", "a.jwe"], outcome);
    assert_eq!(opened["content"], "content");
    let opened = fields("gridpass.open/1", &["open", "a.jwe", "-o", "b.txt"], &["file"]);
    assert!(opened.get("content").is_none(), "the content is in the file");
    let backup = ["wallet", "backup", "-o", "b.gpb"];
    fields("gridpass.wallet.backup/1", &backup, &["file", "bytes", "created", "opens_with"]);
    let words = ["--recovery-file", "words.txt"];
    let restore = [&["wallet", "restore", "b.gpb", "--profile", "again"][..], &words[..]].concat();
    fields("gridpass.wallet.restore/1", &restore, &["profile", "manifest", "identities"]);
    let identity = ["wallet", "backup-verify", "b.gpb", "--show-age-identity"];
    let identity = [&identity[..], &words[..]].concat();
    let json = fields("gridpass.wallet.age-identity/1", &identity, &["identity"]);
    assert!(json["identity"].as_str().is_some_and(|i| i.starts_with("AGE-SECRET-KEY-1")));
    let dso = ["--profile", "dso"];
    let rotate = [&["id", "rotate", "root"][..], &dso[..]].concat();
    fields("gridpass.id.rotate/1", &rotate, &["identity"]);
    let list = fields("gridpass.wallet.list/1", &["wallet", "list"], &["home"]);
    assert_eq!(list["profiles"], serde_json::json!(["again", "dso"]));
    fields("gridpass.explain/1", &["explain"], &["codes"]);
    fields("gridpass.completions/1", &["completions", "bash"], &["script"]);
    fields("gridpass.man/1", &["man"], &["page"]);
    place.write("new.txt", "a better passphrase\n");
    let slots = [&["wallet", "slots", "add-passphrase"][..], &dso[..]].concat();
    let slots = [&slots[..], &["--new-passphrase-file", "new.txt"]].concat();
    fields("gridpass.wallet.slots/1", &slots, &["added"]);
    let change = ["wallet", "passphrase", "--new-passphrase-file", "new.txt"];
    let change = [&change[..], &dso[..]].concat();
    fields("gridpass.wallet.passphrase/1", &change, &["slot"]);
}

/// A program that reads JSON gets at what others are to be sent without a file of its own.
#[test]
fn with_json_the_document_is_a_member_of_the_answer() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let given = |party: &Party<'_>, args: &[&str], file: &str| {
        let ran = party.ok(&[&["--json"], args].concat());
        for line in ran.stderr.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert!(line["schema"].as_str().is_some_and(|s| s != "gridpass.error/1"), "{line}");
        }
        let json = ran.json();
        let content = json["content"].as_str().unwrap_or_else(|| panic!("{args:?}: {json:#}"));
        place.write(file, content);
    };
    let role = "flex.gb.aggregator";
    given(&holder, &["visa", "request", role, "--claim", "zone=GB-1"], "request.json");
    regulator.ok(&["visa", "review", "request.json"]);
    given(&regulator, &["visa", "issue", "request.json"], "visa.json");
    holder.ok(&["visa", "accept", "visa.json"]);
    given(&holder, &["visa", "present", role, "--to", &regulator.did], "shown.json");
    regulator.ok(&["visa", "verify", "shown.json", "--audience", &regulator.did]);
    given(&holder, &["visa", "renew", role], "renewal.json");
    let refuse = ["visa", "refuse", "renewal.json", "--reason", "not served"];
    given(&regulator, &refuse, "refusal.json");
    holder.ok(&["visa", "show", "refusal.json"]);
    let node = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    given(&regulator, &["visa", "authorise-node", node], "node.json");
    given(&regulator, &["visa", "revoke", &holder.did, "-o", "-"], "lists.json");
    holder.ok(&["status", "accept", "lists.json"]);
    given(&regulator, &["status", "publish"], "published.json");
    holder.ok(&["status", "accept", "published.json"]);
    // To the byte what stands on standard output without --json.
    for args in [&["visa", "export", node][..], &["charter", "pack"]] {
        given(&regulator, args, "content");
        assert_eq!(place.read("content"), regulator.ok(args).text(), "{args:?}");
    }
    // In a file it is in no answer.
    let args = ["--json", "charter", "pack", "-o", "again.json"];
    assert!(regulator.ok(&args).json().get("content").is_none());

    // Nothing is dropped on its way, not even what a terminal would obey.
    let acts = "a\u{7f}b\u{9b}31mc\u{202e}d";
    place.write("acts.txt", acts);
    regulator.ok(&["sign", "acts.txt", "-o", "acts.jws"]);
    let told = regulator.ok(&["--json", "verify-signature", "acts.jws", "-o", "-"]);
    assert_eq!(told.json()["content"], acts);
    assert!(!told.text().contains(['\u{7f}', '\u{9b}', '\u{202e}']), "{}", told.text());
    // What is no text comes whole.
    std::fs::write(place.path("bytes"), [0xff, 0, 0x1b]).expect("written");
    regulator.ok(&["sign", "bytes", "-o", "bytes.jws"]);
    let opened = ["--json", "verify-signature", "bytes.jws", "-o", "-"];
    assert_eq!(regulator.ok(&opened).json()["content_base64"], "/wAb");
}

#[test]
fn colour_is_for_those_who_can_see_it() {
    let place = Place::with_wallet();
    let coloured = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = place.bare();
        command.args(args).envs(variables.iter().copied());
        let output = command.output().expect("it runs");
        contains(&output.stdout, "\u{1b}[") || contains(&output.stderr, "\u{1b}[")
    };
    for args in [&["doctor"][..], &["id", "resolve", "did:example:1"], &["nonsense"]] {
        assert!(!coloured(args, &[]), "{args:?}: colour in a pipe");
        assert!(!coloured(args, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), "{args:?}");
    }
    assert!(coloured(&["doctor"], &[("CLICOLOR_FORCE", "1")]), "there is colour to be left out");
}

#[test]
fn a_reader_that_went_away_is_no_crash() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    place.write("a.txt", "content");
    for args in [
        &["explain"][..],
        &["--json", "explain"],
        &["man"],
        &["completions", "bash"],
        &["doctor"],
        &["sign", "a.txt"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = place.bare();
        command.args(["--passphrase-file", "passphrase.txt"]).args(args);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().expect("it runs");
        assert!(!contains(&output.stderr, "panicked"), "{args:?}");
        assert!(output.status.code().is_some(), "{args:?} was killed");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let refused = place.bare().args(["id", "show", "x"]).stderr(writer).status();
        assert_eq!(refused.expect("it runs").code(), Some(4), "nobody hears it, and it is told");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    place.write("a.txt", "content");
    for args in [&["explain"][..], &["--json", "wallet", "status"], &["sign", "a.txt"], &["man"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
        let mut command = place.bare();
        command.args(["--passphrase-file", "passphrase.txt"]).args(args).stdout(full);
        let ran = Ran::from(command.stderr(Stdio::piped()).output().expect("it runs"));
        assert_eq!(ran.status, 3, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("GP-FILE-NOT-WRITTEN"), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("only its answer is lost"), "{args:?}: {ran:?}");
    }
}

/// Where the answer is lost, what was done is told with its id: the same call made again would do it twice.
#[test]
fn a_visa_is_told_as_issued_though_nobody_can_be_given_it() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("it is there");
    let mut command = place.bare();
    command.args(["--json", "--recovery-file", "regulator-words.txt", "--profile", "regulator"]);
    command.args(["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"]);
    command.args(["--claim", "zone=GB-1"]).stdout(full).stderr(Stdio::piped());
    let ran = Ran::from(command.output().expect("it runs"));
    let error = ran.error();
    assert_eq!((ran.status, &error["code"]), (3, &"GP-FILE-NOT-WRITTEN".into()), "{error}");
    let visa = error["done"]["visa"].as_str().expect("its id");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("is issued all the same")));
    assert_eq!(error["transient"], false);
    regulator.ok(&["visa", "export", visa, "-o", "visa.json"]);
    holder.ok(&["visa", "accept", "visa.json"]);
    // The same of what is revoked and of a node, also where whoever was to read it went away.
    let node = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    for (args, member) in [
        (&["visa", "authorise-node", node][..], "authorisation"),
        (&["visa", "revoke", visa, "-o", "-"][..], "visa"),
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = place.bare();
        let words = ["--recovery-file", "regulator-words.txt", "--profile", "regulator"];
        command.arg("--json").args(words).args(args).stdout(writer).stderr(Stdio::piped());
        let ran = Ran::from(command.output().expect("it runs"));
        let error = ran.error();
        assert_eq!((ran.status, &error["code"]), (3, &"GP-FILE-NOT-WRITTEN".into()), "{error}");
        assert!(error["done"][member].is_string(), "{error}");
    }
}

#[test]
fn a_closed_pipe_is_no_crash() {
    let place = Place::new();
    let mut child = place
        .bare()
        .arg("explain")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.code().is_some(), "killed by a signal");
    assert!(!contains(&output.stderr, "panicked"), "{:?}", output.stderr);
}

#[test]
fn explain_doctor_completions_man_and_help_answer() {
    let place = Place::with_wallet();
    let json = place.ok_json("gridpass.explain/1", &["explain", "gp-key-compromised"]);
    assert_eq!(
        (json["code"].as_str(), json["exit"].as_i64()),
        (Some("GP-KEY-COMPROMISED"), Some(13))
    );
    place.refused("GP-CODE-UNKNOWN", 5, &["explain", "GP-NONSENSE"]);
    place.ok_json("gridpass.doctor/1", &["doctor"]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.ok(&["completions", shell]).text().contains("verify-signature"));
    }
    assert!(place.ok(&["man"]).text().contains(".TH"));
    place.ok(&["man", "--dir", "pages"]);
    assert!(place.path("pages/gridpass-id-rotate.1").exists());
    let help = place.ok(&["seal", "--help"]);
    assert!(help.text().contains("Examples:") && help.text().contains("10 failed verification"));
    assert_eq!(place.run_bare(&["nonsense"]).status, 2);
}
