//! The nodes: a process for each, started as `gridpass node run` is, and asked over its socket.

use super::cast::{Cast, profile_of, write};
use crate::commands::node::client::Client;
use crate::context::GlobalArgs;
use crate::output::Failure;
use crate::secrets::SecretArgs;
use gridpass_messaging::codes;
use gridpass_messaging::node::control::Asked;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(40);

struct Running {
    child: Child,
    /// Kept open: its other end would notice.
    _out: BufReader<ChildStdout>,
}

/// The nodes that run, and where those that do not will listen again.
pub struct Nodes {
    home: PathBuf,
    passphrase_file: PathBuf,
    running: BTreeMap<String, Running>,
    ports: BTreeMap<String, String>,
    /// The ports with the peer ids that are found there.
    addresses: BTreeMap<String, String>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for running in self.running.values_mut() {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

/// Looks again and again until something is there.
pub fn until<T>(
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let started = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() > PATIENCE {
            let message = format!("waited {} s in vain for {what}", PATIENCE.as_secs());
            return Err(Failure::new(crate::codes::DEMO_STUCK, message));
        }
        std::thread::sleep(Duration::from_millis(15));
    }
}

pub fn text_of(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Whether a node has judged so many others, and takes part in all of its channels.
fn has_met(status: &Value, others: u64) -> Option<()> {
    let met = status.get("open").and_then(Value::as_u64)? >= others;
    let channels = status.get("channels").and_then(Value::as_array)?;
    let joined = channels.iter().all(|c| c.get("joined") == Some(&Value::Bool(true)));
    (met && joined).then_some(())
}

impl Nodes {
    pub fn new(cast: &Cast<'_>) -> Self {
        Self {
            home: cast.home.clone(),
            passphrase_file: cast.passphrase_file.clone(),
            running: BTreeMap::new(),
            ports: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }

    pub fn runs(&self, name: &str) -> bool {
        self.running.contains_key(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.running.keys().map(String::as_str)
    }

    /// The process of a participant's node.
    pub fn process(&self, name: &str) -> Option<u32> {
        self.running.get(name).map(|r| r.child.id())
    }

    fn global(&self, name: &str) -> GlobalArgs {
        GlobalArgs {
            profile: Some(profile_of(name)),
            home: Some(self.home.clone()),
            json: false,
            secrets: SecretArgs::default(),
        }
    }

    /// Asks a node.
    pub fn ask(&self, name: &str, asked: &Asked) -> Result<Value, Failure> {
        let mut client = Client::connect(&self.global(name))?;
        client.within(PATIENCE)?;
        client.ask(asked)
    }

    /// The command of this program, for a participant's node.
    pub fn command(&self, name: &str) -> Result<Command, Failure> {
        let failed = |e: std::io::Error| Failure::new(codes::NODE_CONFIGURATION, e.to_string());
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("--home").arg(&self.home).arg("--profile").arg(profile_of(name));
        command.arg("--passphrase-file").arg(&self.passphrase_file);
        Ok(command)
    }

    /// Starts nodes, and returns when all are ready.
    pub fn start(&mut self, names: &[String]) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::new(codes::NODE_CONFIGURATION, e.to_string());
        let mut starting = Vec::new();
        for name in names {
            let log = self.home.join("logs").join(format!("{name}.log"));
            if !log.exists() {
                write(&log, b"")?;
            }
            let log = std::fs::OpenOptions::new().append(true).open(&log).map_err(failed)?;
            let listen = self.ports.get(name).map_or("/ip4/127.0.0.1/tcp/0", String::as_str);
            let mut command = self.command(name)?;
            command.args(["node", "run", "--listen", listen, "--log", "info"]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
            starting.push((name.clone(), command.spawn().map_err(failed)?));
        }
        for (name, mut child) in starting {
            let out = child.stdout.take();
            let out = out.ok_or_else(|| failed(std::io::Error::other("it has no output")))?;
            let mut out = BufReader::new(out);
            let mut line = String::new();
            let read = out.read_line(&mut line);
            self.running.insert(name.clone(), Running { child, _out: out });
            read.map_err(failed)?;
            if !line.starts_with("ready") {
                let log = self.home.join("logs").join(format!("{name}.log"));
                let message = format!("the node of {name} does not start; see {}", log.display());
                return Err(Failure::new(codes::NODE_NOT_RUNNING, message));
            }
        }
        for name in names {
            let address = until("an address", || {
                let status = self.ask(name, &Asked::Status)?;
                let first = status.get("listening").and_then(|l| l.as_array()?.first()?.as_str());
                let peer = text_of(&status, "peer");
                Ok(first.map(|f| (f.to_owned(), format!("{f}/p2p/{peer}"))))
            })?;
            self.ports.insert(name.clone(), address.0);
            self.addresses.insert(name.clone(), address.1);
        }
        Ok(())
    }

    /// Makes everybody known to everybody.
    pub fn introduce(&self) -> Result<(), Failure> {
        let names: Vec<&str> = self.names().collect();
        for (place, host) in names.iter().enumerate() {
            let invited = self.ask(host, &Asked::Invite { channels: Vec::new() })?;
            let ticket = text_of(&invited, "ticket");
            for guest in names.iter().skip(place.saturating_add(1)) {
                self.ask(guest, &Asked::Join { ticket: ticket.clone() })?;
            }
        }
        self.until_met()
    }

    /// Waits until every node has judged every other.
    pub fn until_met(&self) -> Result<(), Failure> {
        let others = u64::try_from(self.running.len().saturating_sub(1)).unwrap_or(u64::MAX);
        for name in self.names() {
            until("all nodes to meet", || {
                let status = self.ask(name, &Asked::Status)?;
                Ok(has_met(&status, others))
            })?;
        }
        Ok(())
    }

    /// Kills a process as a crash would.
    pub fn kill(&mut self, name: &str) {
        if let Some(mut running) = self.running.remove(name) {
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }

    /// Ends a node in an orderly way.
    pub fn stop(&mut self, name: &str) -> Result<(), Failure> {
        self.ask(name, &Asked::Stop)?;
        if let Some(mut running) = self.running.remove(name) {
            let _ = running.child.wait();
        }
        Ok(())
    }

    /// What a node was delivered after a number: numbers and names.
    pub fn inbox(&self, name: &str, mut after: u64) -> Result<Vec<(u64, String)>, Failure> {
        let mut all = Vec::new();
        loop {
            let answer = self.ask(name, &Asked::Inbox { after, most: 1000 })?;
            let messages = answer.get("messages").and_then(Value::as_array);
            let Some(messages) = messages.filter(|m| !m.is_empty()) else { return Ok(all) };
            for message in messages {
                let number = message.get("number").and_then(Value::as_u64).unwrap_or_default();
                all.push((number, text_of(message, "id")));
                after = after.max(number);
            }
        }
    }

    /// Where a node is found, with its peer id.
    pub fn address(&self, name: &str) -> Option<String> {
        self.addresses.get(name).cloned()
    }

    /// How often a node said this code of what it checked.
    pub fn times(&self, name: &str, code: &str) -> Result<u64, Failure> {
        let metrics = self.ask(name, &Asked::Metrics)?;
        let text = metrics.as_str().unwrap_or_default();
        let lines = text.lines().filter(|l| l.contains("checked_total") && l.contains(code));
        Ok(lines.filter_map(|l| l.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }
}
