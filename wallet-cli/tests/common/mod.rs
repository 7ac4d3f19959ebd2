//! The real command in a folder of its own.

#![allow(dead_code, unreachable_pub)] // each test file uses its part

pub mod kubo;
pub mod network;
pub mod spaces;
pub mod waiting;
pub mod words;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use words::Words;

pub const PASSPHRASE: &str = "correct horse battery staple";

/// A folder with a home for profiles, a working directory and a passphrase file.
pub struct Place {
    pub dir: tempfile::TempDir,
    words: Words,
}

/// What came of a call.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("it was not killed"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Ran {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|e| panic!("one JSON object: {e}: {} {}", self.text(), self.stderr))
    }

    /// What is told beside the answer of a call with `--json`.
    pub fn objects_on_stderr(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line);
        self.stderr
            .lines()
            .map(|line| read(line).unwrap_or_else(|e| panic!("no JSON: {e}: {line}")))
            .collect()
    }

    pub fn error(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|e| panic!("an error in JSON: {e}: {self:?}"))
    }
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let place = Self { dir, words: Words::default() };
        place.write("passphrase.txt", &format!("{PASSPHRASE}\n"));
        place
    }

    /// With a wallet `dso` whose recovery words are in `words.txt`.
    pub fn with_wallet() -> Self {
        let place = Self::new();
        place.ok(&["init", "--name", "dso", "--recovery-out", "words.txt"]);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&path, mode).expect("closed");
        }
    }

    /// The command without any secret, and never asking.
    pub fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gridpass"));
        command
            .current_dir(self.dir.path())
            .env_clear()
            .env("GRIDPASS_HOME", self.path("home"))
            .arg("--no-input")
            .stdin(Stdio::null());
        command
    }

    pub fn run_bare(&self, args: &[&str]) -> Ran {
        self.bare().args(args).output().expect("it runs").into()
    }

    /// With a secret that opens the wallet: its words where it is known which these are, else the passphrase.
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut command = self.bare();
        let says = |option| args.contains(&option);
        if !["--recovery-file", "--passphrase-fd", "--passphrase-file"].into_iter().any(says) {
            match self.words.of(args) {
                Some(words) => command.arg("--recovery-file").arg(words),
                None => command.args(["--passphrase-file", "passphrase.txt"]),
            };
        }
        let ran: Ran = command.args(args).output().expect("it runs").into();
        self.words.notice(self.dir.path(), args, ran.status == 0);
        ran
    }

    /// With the passphrase, also where the words are known.
    pub fn run_with_passphrase(&self, args: &[&str]) -> Ran {
        self.run(&[&["--passphrase-file", "passphrase.txt"], args].concat())
    }

    /// A call that must succeed.
    pub fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.run(args);
        assert_eq!(ran.status, 0, "{args:?}: {} {}", ran.text(), ran.stderr);
        ran
    }

    /// A call that must succeed and answer in JSON under this schema.
    pub fn ok_json(&self, schema: &str, args: &[&str]) -> Value {
        let args = [&["--json"], args].concat();
        let json = self.ok(&args).json();
        assert_eq!(json["schema"], schema, "{args:?}");
        json
    }

    /// A call that must be refused with this code and this exit status; says so in JSON.
    pub fn refused(&self, code: &str, status: i32, args: &[&str]) -> Value {
        let args = [&["--json"], args].concat();
        let ran = self.run(&args);
        let error = ran.error();
        assert_eq!((error["code"].as_str(), ran.status), (Some(code), status), "{args:?}: {error}");
        assert_eq!(error["exit"], status);
        assert_eq!(error["schema"], "gridpass.error/1");
        assert!(error["next"].as_str().is_some_and(|n| !n.is_empty()), "{args:?} names no step");
        assert!(ran.stdout.is_empty(), "{args:?} answers and fails");
        error
    }

    pub fn new_identity(&self, name: &str, more: &[&str]) -> String {
        let args = [&["id", "new", "--name", name], more].concat();
        let json = self.ok_json("gridpass.id.new/1", &args);
        json["identity"]["did"].as_str().expect("a DID").to_owned()
    }
}

/// The code of the check that decided a report.
pub fn codes_of(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks");
    checks.iter().map(|c| c["code"].as_str().expect("a code").to_owned()).collect()
}

/// Every byte of every file below a folder.
pub fn all_bytes(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            bytes.extend(all_bytes(&path));
        } else {
            bytes.extend(std::fs::read(&path).expect("readable"));
        }
    }
    bytes
}

pub fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|w| w == needle.as_bytes())
}
