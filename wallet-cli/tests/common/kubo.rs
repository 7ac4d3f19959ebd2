//! A real Kubo node on loopback, with a repository of its own, that knows nobody.

use super::network::until;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The daemon.
pub struct Kubo {
    binary: PathBuf,
    dir: tempfile::TempDir,
    child: Child,
    /// The address of its RPC.
    pub rpc: String,
    /// Its peer id.
    pub peer: String,
}

impl Drop for Kubo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("GRIDPASS_KUBO") {
        return Some(named.into());
    }
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop/kubo/bin/ipfs");
    built.is_file().then_some(built)
}

impl Kubo {
    /// A daemon that runs; `None`, loudly, where there is no Kubo.
    pub fn start() -> Option<Self> {
        let Some(binary) = binary() else {
            let required = std::env::var("GRIDPASS_REQUIRE_INTEROP_KUBO").is_ok_and(|v| v == "1");
            let how = "build it: see tests/interop/kubo/README.md";
            assert!(!required, "Kubo is required and absent; {how}");
            // Past the test harness, which shows the output only of what fails.
            let line = format!("SKIPPED: Kubo is absent; {how}\n");
            std::io::stderr().write_all(line.as_bytes()).expect("said");
            return None;
        };
        let dir = tempfile::tempdir().expect("a folder");
        let make = |args: &[&str]| {
            let ran = command(&binary, dir.path()).args(args).output().expect("it runs");
            assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
        };
        make(&["init", "--profile", "test"]);
        // Nothing of it goes beyond this machine.
        for (name, value) in [
            ("AutoConf.Enabled", "false"),
            ("AutoTLS.Enabled", "false"),
            ("HTTPRetrieval.Enabled", "false"),
            ("Routing.Type", "\"none\""),
            ("Swarm.RelayClient.Enabled", "false"),
            ("Version.SwarmCheckEnabled", "false"),
        ] {
            make(&["config", "--json", name, value]);
        }
        let log = std::fs::File::create(dir.path().join("daemon.log")).expect("a log");
        let child = command(&binary, dir.path())
            .arg("daemon")
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut kubo = Self { binary, dir, child, rpc: String::new(), peer: String::new() };
        until("the Kubo daemon", || {
            let log = std::fs::read_to_string(kubo.dir.path().join("daemon.log")).ok()?;
            log.contains("Daemon is ready").then_some(())
        });
        let api = std::fs::read_to_string(kubo.dir.path().join("api")).expect("an address");
        let parts: Vec<_> = api.trim().split('/').collect();
        kubo.rpc = format!("http://{}:{}", parts[2], parts[4]);
        kubo.peer = kubo.ok(&["id", "-f", "<id>"]);
        Some(kubo)
    }

    /// A call of its own command line.
    pub fn run(&self, args: &[&str]) -> Output {
        command(&self.binary, self.dir.path()).args(args).output().expect("it runs")
    }

    /// A call that must succeed; gives what it printed.
    #[track_caller]
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        let error = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "ipfs {args:?}: {error}");
        String::from_utf8(ran.stdout).expect("text").trim().to_owned()
    }

    /// The CID that it gives a file.
    pub fn name_of(&self, file: &Path) -> String {
        let file = file.to_str().expect("text");
        self.ok(&["add", "--cid-version=1", "--raw-leaves", "--only-hash", "-Q", file])
    }

    /// Whether it has a block itself.
    pub fn has(&self, cid: &str) -> bool {
        self.run(&["block", "stat", "--offline", cid]).status.success()
    }

    /// The peers with which it is connected.
    pub fn peers(&self) -> Vec<String> {
        let peers = self.ok(&["swarm", "peers"]);
        peers.lines().filter_map(|l| l.rsplit('/').next()).map(str::to_owned).collect()
    }
}

fn command(binary: &Path, repository: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("IPFS_PATH", repository)
        .env("HOME", repository)
        .env("IPFS_TELEMETRY", "off")
        .stdin(Stdio::null());
    command
}
