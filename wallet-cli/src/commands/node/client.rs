//! Asking the node that runs for this profile.

use super::{code_of, folder};
use crate::context::GlobalArgs;
use crate::output::Failure;
use gridpass_messaging::codes;
use gridpass_messaging::node::control::{Asked, MAX_LINE};
use gridpass_messaging::node::socket_of;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// A connection with the node.
pub struct Client {
    read: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    pub fn connect(global: &GlobalArgs) -> Result<Self, Failure> {
        let path = socket_of(&folder(global)?);
        let stream = UnixStream::connect(&path).map_err(|e| {
            Failure::new(codes::NODE_NOT_RUNNING, format!("{}: {e}", path.display()))
        })?;
        Ok(Self { read: BufReader::new(stream) })
    }

    /// Whether a node runs.
    pub fn is_running(global: &GlobalArgs) -> bool {
        Self::connect(global).is_ok()
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, asked: &Asked) -> Result<Value, Failure> {
        self.say(asked)?;
        self.next()?.ok_or_else(|| gone("it ended"))
    }

    /// Asks.
    pub fn say(&mut self, asked: &Asked) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(asked).map_err(|e| gone(&e.to_string()))?;
        line.push(b'\n');
        self.read.get_mut().write_all(&line).map_err(|e| gone(&e.to_string()))
    }

    /// The next answer; nothing where the node went away.
    pub fn next(&mut self) -> Result<Option<Value>, Failure> {
        let mut line = Vec::new();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let read = (&mut self.read).take(most).read_until(b'\n', &mut line);
        if read.map_err(|e| gone(&e.to_string()))? == 0 || line.last() != Some(&b'\n') {
            return Ok(None);
        }
        let mut answer: Value = serde_json::from_slice(&line).map_err(|e| gone(&e.to_string()))?;
        if let Some(error) = answer.get("error") {
            let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
            return Err(Failure::new(code_of(text("code")), text("message")));
        }
        Ok(answer.get_mut("ok").map(Value::take))
    }

    /// Answers must come within this time.
    pub fn within(&mut self, time: std::time::Duration) -> Result<(), Failure> {
        let stream = self.read.get_mut();
        stream.set_read_timeout(Some(time)).map_err(|e| gone(&e.to_string()))
    }
}

fn gone(why: &str) -> Failure {
    Failure::new(codes::NODE_NOT_RUNNING, format!("the node does not answer: {why}"))
}

/// Asks the node that runs for this profile.
pub fn ask(global: &GlobalArgs, asked: &Asked) -> Result<Value, Failure> {
    Client::connect(global)?.ask(asked)
}
