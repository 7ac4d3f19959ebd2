//! Where passphrases and words come from, and which wallet a call is about.

use crate::common::{PASSPHRASE, Place, Ran};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

#[test]
fn a_passphrase_is_the_same_whatever_wrote_its_file() {
    let place = Place::new();
    place.write("passphrase.txt", "caf\u{e9} au lait, s'il vous pla\u{ee}t\n");
    place.ok(&["init", "--name", "dso", "--recovery-out", "words.txt"]);
    for same in [
        "caf\u{e9} au lait, s'il vous pla\u{ee}t",
        "caf\u{e9} au lait, s'il vous pla\u{ee}t\r\n",
        "cafe\u{301} au lait, s'il vous plai\u{302}t\n",
        "caf\u{e9} au lait, s'il vous pla\u{ee}t\na second line\n",
    ] {
        place.write("same.txt", same);
        place.ok(&["id", "list", "--passphrase-file", "same.txt"]);
    }
    for other in ["", "\n", " caf\u{e9} au lait, s'il vous pla\u{ee}t\n", "CAF\u{c9}\n"] {
        place.write("other.txt", other);
        let args = ["id", "list", "--passphrase-file", "other.txt"];
        place.refused("GP-WALLET-UNLOCK-FAILED", 4, &args);
    }
    std::fs::write(place.path("noise"), [0xff, 0xfe]).expect("written");
    place.refused("GP-FILE-NOT-READ", 5, &["id", "list", "--passphrase-file", "noise"]);
}

#[test]
fn recovery_words_forgive_their_layout_and_nothing_else() {
    let place = Place::with_wallet();
    let words = place.read("words.txt");
    let words: Vec<&str> = words.split_whitespace().collect();
    place.write("layout.txt", &words.join("\n  ").to_uppercase());
    place.ok(&["id", "list", "--recovery-file", "layout.txt"]);
    let mut swapped = words.clone();
    let other = words.iter().position(|w| *w != words[0]).expect("two different words");
    swapped.swap(0, other);
    place.write("short.txt", &words[..23].join(" "));
    place.write("twice.txt", &[&words[..], &words[..]].concat().join(" "));
    for file in ["short.txt", "twice.txt"] {
        place.refused("GP-PHRASE-MALFORMED", 16, &["id", "list", "--recovery-file", file]);
    }
    // One in 256 has a right checksum by chance; it opens nothing all the same.
    place.write("swapped.txt", &swapped.join(" "));
    let ran = place.run(&["--json", "id", "list", "--recovery-file", "swapped.txt"]);
    assert!(matches!(ran.status, 4 | 16), "{ran:?}");
    let both = ["--recovery-file", "words.txt", "--passphrase-file", "passphrase.txt"];
    place.refused("GP-USAGE", 2, &[&both[..], &["id", "list"]].concat());
}

#[test]
fn the_environment_names_the_passphrases_file_where_no_option_says_otherwise() {
    let place = Place::with_wallet();
    place.write("wrong.txt", "quite another phrase than the right one\n");
    let list = |file: &str, options: &[&str]| {
        let mut command = place.bare();
        command.env("GRIDPASS_PASSPHRASE_FILE", file).args(["--json", "id", "list"]).args(options);
        let ran = Ran::from(command.output().expect("it runs"));
        if ran.status == 0 {
            String::new()
        } else {
            ran.error()["code"].as_str().expect("a code").into()
        }
    };
    assert_eq!(list("passphrase.txt", &[]), "");
    assert_eq!(list("wrong.txt", &[]), "GP-WALLET-UNLOCK-FAILED");
    assert_eq!(list("absent.txt", &[]), "GP-FILE-NOT-READ");
    assert_eq!(list("", &[]), "GP-INPUT-NEEDED");
    // What an option says comes first, and does not contradict it.
    assert_eq!(list("wrong.txt", &["--passphrase-file", "passphrase.txt"]), "");
    assert_eq!(list("wrong.txt", &["--recovery-file", "words.txt"]), "");
    // The old one is never taken for the new one.
    let mut command = place.bare();
    command.env("GRIDPASS_PASSPHRASE_FILE", "passphrase.txt");
    command.args(["--json", "wallet", "passphrase"]);
    let ran = Ran::from(command.output().expect("it runs"));
    assert_eq!(ran.error()["code"], "GP-INPUT-NEEDED");
}

#[cfg(unix)]
#[test]
fn a_passphrase_comes_through_a_descriptor_beside_standard_input() {
    let place = Place::with_wallet();
    place.new_identity("root", &[]);
    let gridpass = env!("CARGO_BIN_EXE_gridpass");
    let shell = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(place.dir.path()).stdin(Stdio::null());
        command.env("GRIDPASS_HOME", place.path("home")).env("G", gridpass);
        Ran::from(command.output().expect("a shell"))
    };
    let sign = "printf content | \"$G\" --no-input sign --passphrase-fd 3 3<passphrase.txt";
    let verify = "\"$G\" --no-input verify-signature --signer \"$(cat did)\" -o -";
    let list = place.ok_json("gridpass.id.list/1", &["id", "list"]);
    place.write("did", list["identities"][0]["did"].as_str().expect("a DID"));
    let ran = shell(&format!("{sign} | {verify}"));
    assert_eq!((ran.status, ran.text()), (0, "content"), "{}", ran.stderr);
    let closed = shell("\"$G\" --json --no-input id list --passphrase-fd 9");
    assert_eq!((closed.status, closed.error()["code"].as_str()), (5, Some("GP-FILE-NOT-READ")));
}

#[test]
fn a_profile_is_named_by_option_else_by_environment_else_there_is_only_one() {
    let place = Place::with_wallet();
    place.ok(&["init", "--name", "tso", "--recovery-out", "tso.txt"]);
    let status = |args: &[&str], variable: Option<&str>| {
        let mut command = place.bare();
        command.arg("--json").args(args).args(["wallet", "status"]);
        command.envs(variable.map(|v| ("GRIDPASS_PROFILE", v)));
        let ran = Ran::from(command.output().expect("it runs"));
        if ran.status == 0 { ran.json()["profile"].clone() } else { ran.error()["code"].clone() }
    };
    assert_eq!(status(&[], None), "GP-PROFILE-AMBIGUOUS");
    assert_eq!(status(&[], Some("tso")), "tso");
    assert_eq!(status(&["--profile", "dso"], Some("tso")), "dso");
    assert_eq!(status(&[], Some("absent")), "GP-WALLET-NOT-FOUND");
    for name in ["../dso", "", "Partial-x", "/etc", ".", ".."] {
        assert_eq!(status(&["--profile", name], None), "GP-PROFILE-NAME", "{name:?}");
    }
    // Without a home of its own it is in the data directory of the system.
    let mut command = place.bare();
    command.env_remove("GRIDPASS_HOME").env("XDG_DATA_HOME", place.path("data"));
    command.env("HOME", place.path("me")).args(["--json", "wallet", "list"]);
    let list = Ran::from(command.output().expect("it runs")).json();
    if cfg!(target_os = "linux") {
        assert_eq!(list["home"].as_str(), place.path("data/gridpass").to_str());
    }
}

#[test]
fn what_is_sealed_to_several_opens_for_each_of_them() {
    let places = [Place::with_wallet(), Place::with_wallet(), Place::with_wallet()];
    let dids = [
        places[0].new_identity("a", &[]),
        places[1].new_identity("b", &["--key-type", "p256"]),
        places[2].new_identity("c", &["--method", "jwk", "--key-type", "p256"]),
    ];
    places[0].write("bid.txt", "10 MW");
    let to = ["--to", &dids[1], "--to", &dids[2]];
    places[0].ok(&[&["seal", "bid.txt", "-o", "bid.jwe"][..], &to[..]].concat());
    for place in &places[1..] {
        place.write("bid.jwe", &places[0].read("bid.jwe"));
        place.ok(&["open", "bid.jwe", "--from", &dids[0], "-o", "bid.txt"]);
        assert_eq!(place.read("bid.txt"), "10 MW");
    }
    places[0].refused("GP-JWE-NOT-FOR-US", 5, &["open", "bid.jwe"]);
}

/// A terminal from `script` of util-linux.
struct Terminal {
    child: Child,
    shown: String,
}

impl Terminal {
    /// `None`, said loudly, where there is no such program.
    fn start(place: &Place, args: &str) -> Option<Self> {
        let command = format!("'{}' {args}", env!("CARGO_BIN_EXE_gridpass"));
        let child = Command::new("script")
            .args(["-q", "-e", "-c", &command, "/dev/null"])
            .current_dir(place.dir.path())
            .env("GRIDPASS_HOME", place.path("home"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, shown: String::new() }),
            Err(_) => {
                let line = b"SKIPPED: the test of a terminal; there is no program `script`.\n";
                std::io::stderr().write_all(line).expect("standard error is open");
                None
            }
        }
    }

    /// Waits for a prompt, then types a line.
    fn answer(&mut self, prompt: &str, line: &str) {
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        let mut bytes = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&bytes).contains(prompt) {
            stdout.read_exact(&mut byte).unwrap_or_else(|_| panic!("no {prompt:?}: {bytes:?}"));
            bytes.extend(byte);
        }
        self.shown.push_str(&String::from_utf8_lossy(&bytes));
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("it reads");
    }

    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        self.child.stdout.take().expect("a pipe").read_to_end(&mut rest).expect("text");
        self.shown.push_str(&String::from_utf8_lossy(&rest));
        (self.child.wait().expect("it ends").code(), self.shown)
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_officer_at_a_terminal_types_twice_is_shown_the_words_once_and_confirms_an_end() {
    let place = Place::new();
    let Some(mut terminal) = Terminal::start(&place, "init --name dso") else { return };
    terminal.answer("New passphrase for wallet \"dso\": ", PASSPHRASE);
    terminal.answer("The same again: ", "something else");
    let (status, shown) = terminal.end();
    assert_eq!(status, Some(2), "{shown}");
    assert!(shown.contains("the two passphrases differ"), "{shown}");
    assert!(!place.path("home/profiles/dso").exists());

    let mut terminal = Terminal::start(&place, "init --name dso").expect("as before");
    terminal.answer("New passphrase for wallet \"dso\": ", PASSPHRASE);
    terminal.answer("The same again: ", PASSPHRASE);
    let (status, shown) = terminal.end();
    assert_eq!(status, Some(0), "{shown}");
    let words: Vec<&str> = shown
        .lines()
        .filter(|l| l.trim_start().starts_with(|c: char| c.is_ascii_digit()))
        .flat_map(|l| l.split_whitespace().skip(1))
        .collect();
    assert_eq!(words.len(), 24, "{shown}");
    place.write("words.txt", &words.join(" "));
    place.ok(&["id", "list", "--recovery-file", "words.txt"]);

    let new = ["id", "new", "--name", "root", "--method", "webvh", "--location", "dso.example"];
    place.ok(&new);
    std::thread::sleep(std::time::Duration::from_millis(1010));
    for (word, expected) in [("yes", Some(2)), ("root", Some(0))] {
        let mut terminal = Terminal::start(&place, "id deactivate root").expect("as before");
        terminal.answer("Passphrase of wallet \"dso\": ", PASSPHRASE);
        terminal.answer("Type root to go on: ", word);
        let (status, shown) = terminal.end();
        assert_eq!(status, expected, "{shown}");
        assert!(shown.contains("ends for good"), "what ends is said before: {shown}");
    }

    let mut terminal = Terminal::start(&place, "id list").expect("as before");
    terminal.answer("Passphrase of wallet \"dso\": ", PASSPHRASE);
    let (status, shown) = terminal.end();
    assert_eq!(status, Some(0), "{shown}");
    assert!(shown.contains("DEACTIVATED since"), "{shown}");
}
