//! Other people's implementations in JavaScript, one process a question: a JSON object on standard
//! input, `{"ok": …}` or `{"error": "…"}` on standard output.

use serde_json::Value;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A script in `tests/interop/` whose npm package is installed.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    name: &'static str,
}

fn folder() -> PathBuf {
    crate::root().join("tests/interop")
}

impl Script {
    /// `None`, loudly, where node or the package is not installed.
    ///
    /// # Panics
    /// Where it is absent and `GRIDPASS_REQUIRE_INTEROP` is 1.
    #[must_use]
    pub fn find(name: &'static str, package: &str) -> Option<Self> {
        let node = Command::new("node").arg("--version").output().is_ok_and(|o| o.status.success());
        if node && folder().join("node_modules").join(package).is_dir() {
            return Some(Self { name });
        }
        let install = "(cd tests/interop && npm ci --no-audit --no-fund --omit=dev)";
        let required = std::env::var("GRIDPASS_REQUIRE_INTEROP").is_ok_and(|v| v == "1");
        assert!(!required, "npm {package} is required and absent; install it with {install}");
        // Not `eprintln!`: the test harness would swallow it for a test that passes.
        let line = format!("SKIPPED: npm {package} is absent. Install: {install}\n");
        std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
        None
    }

    /// What it answers, or why it refused.
    ///
    /// # Errors
    /// The reason that the other implementation gives.
    ///
    /// # Panics
    /// If the script itself fails.
    pub fn ask(self, request: &Value) -> Result<Value, String> {
        let mut child = Command::new("node")
            .arg(self.name)
            .current_dir(folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(request.to_string().as_bytes()).expect("node reads");
        drop(stdin);
        let output = child.wait_with_output().expect("node ends");
        assert!(output.status.success(), "the script itself failed: {}", output.status);
        let mut answer: Value = serde_json::from_slice(&output.stdout).expect("node answers JSON");
        match (answer["ok"].take(), answer["error"].take()) {
            (ok, Value::Null) if !ok.is_null() => Ok(ok),
            (Value::Null, Value::String(reason)) => Err(reason),
            other => panic!("no answer: {other:?}"),
        }
    }
}
