//! Asking the node that runs for this profile.

use super::{code_of, folder};
use crate::context::GlobalArgs;
use crate::output::Failure;
use gridpass_identity::codes::WALLET_NOT_FOUND;
use gridpass_messaging::codes;
use gridpass_messaging::node::control::{Asked, MAX_LINE};
use gridpass_messaging::node::{folder_of, socket_of};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long an answer may take that the node gives by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with the node.
pub struct Client {
    read: BufReader<UnixStream>,
}

impl Client {
    /// Connects.
    pub fn connect(global: &GlobalArgs) -> Result<Self, Failure> {
        let path = socket_of(&folder(global)?);
        let stream = UnixStream::connect(&path).map_err(|e| {
            let message = format!("{}: {e}", path.display());
            elsewhere(global, Failure::new(codes::NODE_NOT_RUNNING, message))
        })?;
        Ok(Self { read: BufReader::new(stream) })
    }

    /// Whether a node runs.
    pub fn is_running(global: &GlobalArgs) -> bool {
        Self::connect(global).is_ok()
    }

    /// Asks, and waits for the answer: as long as it takes where others have to answer first.
    pub fn ask(&mut self, asked: &Asked) -> Result<Value, Failure> {
        self.ask_within(asked, patience(asked))
    }

    fn ask_within(&mut self, asked: &Asked, most: Option<Duration>) -> Result<Value, Failure> {
        let stream = self.read.get_mut();
        // Whoever set a time knows better.
        let set = stream.read_timeout().ok().flatten();
        let timed = stream.set_read_timeout(set.or(most)).and(stream.set_write_timeout(most));
        timed.map_err(|e| gone(&e.to_string()))?;
        let answer = self.say(asked).and_then(|()| self.next());
        let reset = self.read.get_mut().set_read_timeout(set);
        let answer = answer?.ok_or_else(|| gone("it ended"))?;
        reset.map_err(|e| gone(&e.to_string()))?;
        Ok(answer)
    }

    /// Asks.
    pub fn say(&mut self, asked: &Asked) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(asked).map_err(|e| gone(&e.to_string()))?;
        line.push(b'\n');
        self.read.get_mut().write_all(&line).map_err(|e| failed(&e))
    }

    /// The next answer; nothing where the node went away.
    pub fn next(&mut self) -> Result<Option<Value>, Failure> {
        let mut line = Vec::new();
        let most = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
        let read = (&mut self.read).take(most).read_until(b'\n', &mut line);
        if read.map_err(|e| failed(&e))? == 0 || line.last() != Some(&b'\n') {
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
    pub fn within(&mut self, time: Duration) -> Result<(), Failure> {
        let stream = self.read.get_mut();
        stream.set_read_timeout(Some(time)).map_err(|e| gone(&e.to_string()))
    }
}

/// Where no node can run in this profile, says that it is the wrong one.
fn elsewhere(global: &GlobalArgs, failure: Failure) -> Failure {
    let (Ok(profile), Ok(profiles)) = (global.profile(), global.profiles()) else { return failure };
    if !profiles.contains(&profile) {
        let there = match profiles.as_slice() {
            [] => "none".to_owned(),
            all => all.join(", "),
        };
        let message = format!("there is no wallet {profile:?}; there are: {there}");
        return Failure::new(WALLET_NOT_FOUND, message)
            .next("Name the profile of the node: --profile NAME.");
    }
    let has_node =
        |name: &String| global.profile_dir(name).is_ok_and(|dir| folder_of(&dir).is_dir());
    let nodes: Vec<String> = profiles.iter().filter(|name| has_node(name)).cloned().collect();
    if nodes.is_empty() || nodes.contains(&profile) {
        return failure;
    }
    failure.next(format!(
        "The wallet {profile:?} is no node's: a node has one of its own, here {}. Name it with --profile NAME.",
        nodes.join(", ")
    ))
}

/// How long an answer may take. One for which others are asked, or with which a node waits, comes when it comes.
fn patience(asked: &Asked) -> Option<Duration> {
    match asked {
        Asked::Send(_)
        | Asked::Listen { .. }
        | Asked::Watch
        | Asked::Publish { .. }
        | Asked::Pin { .. }
        | Asked::Fetch { .. }
        | Asked::Stop => None,
        _ => Some(PATIENCE),
    }
}

fn failed(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            let message = "the node does not answer in time: it stands still, or has much to do; \
                           what it was asked it may do yet";
            Failure::new(codes::NODE_BUSY, message)
        }
        _ => gone(&error.to_string()),
    }
}

fn gone(why: &str) -> Failure {
    Failure::new(codes::NODE_NOT_RUNNING, format!("the node does not answer: {why}"))
}

/// Asks again whenever something happened at the node, until what is waited for is there or the time is
/// over. Gives the last answer, and whether it is there.
pub fn ask_until(
    global: &GlobalArgs,
    asked: &Asked,
    time: Duration,
    is_there: impl Fn(&Value) -> bool,
) -> Result<(Value, bool), Failure> {
    let started = Instant::now();
    let left = || time.checked_sub(started.elapsed()).filter(|left| !left.is_zero());
    // What happens after the first answer is not missed.
    let mut watch = Client::connect(global)?;
    watch.say(&Asked::Watch)?;
    watch.next()?;
    let mut client = Client::connect(global)?;
    loop {
        let answer = client.ask(asked)?;
        let there = is_there(&answer);
        let Some(left) = left().filter(|_| !there) else { return Ok((answer, there)) };
        watch.within(left)?;
        match watch.next() {
            Ok(Some(_)) => {}
            Ok(None) => return Err(gone("it ended")),
            Err(_) if started.elapsed() >= time => {}
            Err(e) => return Err(e),
        }
    }
}

/// The same of a node that may not run yet.
pub fn ask_until_it_runs(
    global: &GlobalArgs,
    asked: &Asked,
    time: Duration,
    is_there: impl Fn(&Value) -> bool,
) -> Result<(Value, bool), Failure> {
    while_it_begins(time, |left| ask_until(global, asked, left, &is_there))
}

/// Asks again as long as no node answers and the time is not over. Of a socket that is not there nobody tells when it
/// comes; and one that is there may be that of a node which is ending or was killed.
fn while_it_begins<T>(
    time: Duration,
    mut ask: impl FnMut(Duration) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let started = Instant::now();
    loop {
        match ask(time.saturating_sub(started.elapsed())) {
            Err(e) if e.code == codes::NODE_NOT_RUNNING && started.elapsed() < time => {
                std::thread::sleep(Duration::from_millis(50));
            }
            answer => return answer,
        }
    }
}

/// Asks the node that runs for this profile.
pub fn ask(global: &GlobalArgs, asked: &Asked) -> Result<Value, Failure> {
    Client::connect(global)?.ask(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_stands_still_is_not_waited_for_without_end() {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut client = Client { read: BufReader::new(ours) };
        let short = Some(Duration::from_millis(20));
        let refused = client.ask_within(&Asked::Status, short).expect_err("it stands still");
        assert_eq!(refused.code, codes::NODE_BUSY);
        drop(theirs);
        let refused = client.ask_within(&Asked::Status, short).expect_err("it is gone");
        assert_eq!(refused.code, codes::NODE_NOT_RUNNING);
        assert_eq!(patience(&Asked::Status), Some(PATIENCE));
        assert_eq!(patience(&Asked::Watch), None);
    }

    #[test]
    fn a_node_that_breaks_off_as_it_begins_is_asked_again() {
        let mut asked = 0;
        let answer = while_it_begins(Duration::from_secs(60), |_| {
            asked += 1;
            if asked < 3 { Err(gone("Connection reset by peer")) } else { Ok(asked) }
        });
        assert_eq!(answer.expect("it runs"), 3);
        let over = while_it_begins(Duration::ZERO, |_| Err::<(), _>(gone("it ended")));
        assert_eq!(over.expect_err("the time is over").code, codes::NODE_NOT_RUNNING);
        let other = || Failure::new(codes::NODE_BUSY, "it does not answer");
        let other = while_it_begins(Duration::from_secs(60), |_| Err::<(), _>(other()));
        assert_eq!(other.expect_err("it is no use").code, codes::NODE_BUSY);
    }
}
