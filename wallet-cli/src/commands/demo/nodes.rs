//! The nodes: a process for each, started as `gridpass node run` is, and asked over its socket.

use super::cast::{Cast, profile_of, write};
use super::children::Children;
use crate::commands::node::client::Client;
use crate::context::GlobalArgs;
use crate::output::Failure;
use crate::secrets::SecretArgs;
use gridpass_messaging::codes;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::node::{folder_of, socket_of};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long anything may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// The longest path of a socket, in bytes.
const MAX_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// The nodes that run, and where those that do not will listen again.
pub struct Nodes {
    home: PathBuf,
    passphrase_file: PathBuf,
    running: Children,
    ports: BTreeMap<String, String>,
    /// The ports with the peer ids that are found there.
    addresses: BTreeMap<String, String>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.running.end();
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

/// Refuses a folder in which the path of a node's socket would be too long, before anything is made.
pub fn check_sockets(home: &Path, names: &[String]) -> Result<(), Failure> {
    let profiles = home.join("profiles");
    let sockets = names.iter().map(|name| socket_of(&folder_of(&profiles.join(profile_of(name)))));
    let Some(longest) = sockets.max_by_key(|path| path.as_os_str().len()) else { return Ok(()) };
    let length = longest.as_os_str().len();
    if length <= MAX_SOCKET {
        return Ok(());
    }
    let message = format!(
        "a node's socket would have a path of {length} bytes, and at most {MAX_SOCKET} are \
         possible: {}",
        longest.display()
    );
    let next = "Name a folder with a shorter path, by --keep or by the variable TMPDIR.";
    Err(Failure::new(codes::NODE_FOLDER, message).next(next))
}

/// What a node said last, of why it does not start.
fn last_words(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let error = log.lines().rev().find(|line| line.starts_with("error"));
    error.or_else(|| log.lines().last()).unwrap_or("it said nothing").to_owned()
}

impl Nodes {
    pub fn new(cast: &Cast<'_>, running: Children) -> Self {
        Self {
            home: cast.home.clone(),
            passphrase_file: cast.passphrase_file.clone(),
            running,
            ports: BTreeMap::new(),
            addresses: BTreeMap::new(),
        }
    }

    pub fn runs(&self, name: &str) -> bool {
        self.running.runs(name)
    }

    pub fn names(&self) -> Vec<String> {
        self.running.names()
    }

    /// The process of a participant's node.
    pub fn process(&self, name: &str) -> Option<u32> {
        self.running.process(name)
    }

    fn global(&self, name: &str) -> GlobalArgs {
        GlobalArgs {
            profile: Some(profile_of(name)),
            home: Some(self.home.clone()),
            wait_for_wallet: None,
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

    fn log_of(&self, name: &str) -> PathBuf {
        self.home.join("logs").join(format!("{name}.log"))
    }

    /// Starts nodes, and returns when all are ready.
    pub fn start(&mut self, names: &[String]) -> Result<(), Failure> {
        let failed = |e: std::io::Error| Failure::new(codes::NODE_CONFIGURATION, e.to_string());
        let mut starting = Vec::new();
        for name in names {
            let log = self.log_of(name);
            if !log.exists() {
                write(&log, b"")?;
            }
            let log = std::fs::OpenOptions::new().append(true).open(&log).map_err(failed)?;
            let listen = self.ports.get(name).map_or("/ip4/127.0.0.1/tcp/0", String::as_str);
            let mut command = self.command(name)?;
            command.args(["node", "run", "--listen", listen, "--log", "info"]);
            command.arg("--until-stdin-closes").stderr(log);
            let out = self.running.start(name, &mut command).map_err(failed)?;
            starting.push((name, BufReader::new(out)));
        }
        for (name, mut out) in starting {
            let mut line = String::new();
            out.read_line(&mut line).map_err(failed)?;
            if !line.starts_with("ready") {
                let log = last_words(&self.log_of(name));
                let message = format!("the node of {name} does not start: {log}");
                let next = "See the message; with --keep DIR all of its log stays, in DIR/logs.";
                return Err(Failure::new(codes::NODE_NOT_RUNNING, message).next(next));
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
        let names = self.names();
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
        let names = self.names();
        let others = u64::try_from(names.len().saturating_sub(1)).unwrap_or(u64::MAX);
        for name in &names {
            until("all nodes to meet", || {
                let status = self.ask(name, &Asked::Status)?;
                Ok(has_met(&status, others))
            })?;
        }
        Ok(())
    }

    /// Kills a process as a crash would.
    pub fn kill(&self, name: &str) {
        self.running.kill(name);
    }

    /// Ends a node in an orderly way.
    pub fn stop(&self, name: &str) -> Result<(), Failure> {
        self.ask(name, &Asked::Stop)?;
        let ended = until(&format!("the node of {name} to end"), || {
            Ok(self.running.has_ended(name).then_some(()))
        });
        self.running.kill(name);
        ended
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

    /// Whoever has a node that ran.
    pub fn known(&self) -> Vec<String> {
        self.ports.keys().cloned().collect()
    }

    /// Where a node listens.
    pub fn port(&self, name: &str) -> Option<&str> {
        self.ports.get(name).map(String::as_str)
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
