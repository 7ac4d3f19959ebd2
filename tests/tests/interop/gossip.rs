//! js-libp2p in the gossip of real nodes: it joins as a node that a system operator authorised, and
//! is given what it may read; when it sends rubbish it loses its place, and honest traffic goes on.
//!
//! Needs node, `tests/interop/node_modules` and the command `gridpass` beside the tests. Without them
//! the test says so and passes, unless `GRIDPASS_REQUIRE_INTEROP=1`, as continuous integration sets it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_messaging::net::{GRAYLIST, gossip_id};
use gridpass_tests::interop::Script;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long something may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const SCHEMA: &str = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}"#;
const BID: &str = r#"{"zone": "GB-1", "pounds per MWh": "71.50"}"#;

/// The command; `None`, loudly, where it was not built.
fn command() -> Option<PathBuf> {
    let test = std::env::current_exe().expect("this test");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("a target folder");
    let path = folder.join("gridpass");
    if path.is_file() {
        return Some(path);
    }
    let build = format!("{} is absent. Build: cargo build -p wallet-cli", path.display());
    let required = std::env::var("GRIDPASS_REQUIRE_INTEROP").is_ok_and(|v| v == "1");
    assert!(!required, "the command is required: {build}");
    let line = format!("SKIPPED: {build} (--release, if the tests are)\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    None
}

/// Waits until something is there.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A process that ends with the test, whatever becomes of it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A market: a regulator, an aggregator that bids and an operator that reads, and a node of each.
struct Market {
    folder: tempfile::TempDir,
    gridpass: PathBuf,
    /// The CID of the channel.
    bids: String,
}

/// The participants, each with its role.
const ROLES: [(&str, &str); 2] =
    [("aggregator", "flex.gb.aggregator"), ("operator", "flex.gb.dso")];

impl Market {
    fn new(gridpass: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut market = Self { folder, gridpass, bids: String::new() };
        market.write("passphrase.txt", "correct horse battery staple\n");
        market.write("schema.json", SCHEMA);
        market.write("bid.json", BID);
        market.wallet("regulator");
        market.ok("regulator", "id new --name root --method webvh --location regulator.example");
        for (_, role) in ROLES {
            market.ok("regulator", &format!("role define {role} --title Role --claim zone:string"));
        }
        market.ok(
            "regulator",
            "charter new Flexibility --role flex.gb.aggregator --role flex.gb.dso",
        );
        market.ok("regulator", "charter pack -o trust.json");
        let publish = ["--publish", "flex.gb.aggregator:visa.zone == message.zone"];
        let new = "channel new flex.gb.bids --subscribe flex.gb.dso --topic bids=schema.json \
            --attribute bids.zone=text:/zone -o draft.json";
        market.run("regulator", new, &publish);
        market.ok("regulator", "channel sign draft.json -o channel.json");
        market.bids = text(&market.json("regulator", "channel show channel.json")["cid"]);
        for (name, role) in ROLES {
            market.participant(name, role);
        }
        market
    }

    fn wallet(&self, profile: &str) {
        self.ok(profile, &format!("init --name {profile} --recovery-out {profile}-words.txt"));
    }

    /// Somebody with a visa for its role, a presentation for the channel, and a node with both.
    fn participant(&self, name: &str, role: &str) {
        self.wallet(name);
        self.ok(name, &format!("id new --name root --method webvh --location {name}.example"));
        self.ok(name, "charter verify trust.json --adopt");
        self.ok(name, &format!("visa request {role} --claim zone=GB-1 -o {name}-request.json"));
        self.ok("regulator", &format!("visa issue {name}-request.json -o {name}-visa.json"));
        self.ok(name, &format!("visa accept {name}-visa.json"));
        let bids = &self.bids;
        self.ok(name, &format!("visa present {role} --to {bids} --for 30d -o {name}-shows.json"));
        let node = format!("{name}-node");
        self.wallet(&node);
        let identity = self.json(&node, "id new --name node --method key --node");
        self.authorise(name, &text(&identity["identity"]["did"]), &format!("{node}.json"));
        let files = format!("{name}-shows.json {node}.json");
        self.ok(&node, &format!("node add trust.json channel.json schema.json {files}"));
    }

    fn authorise(&self, participant: &str, node: &str, file: &str) {
        self.ok(participant, &format!("visa authorise-node {node} -o {file}"));
    }

    fn write(&self, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("written");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, mode).expect("closed");
    }

    fn read(&self, name: &str) -> Value {
        let bytes = std::fs::read(self.folder.path().join(name)).expect(name);
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn call(&self, profile: &str) -> Command {
        let mut command = Command::new(&self.gridpass);
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("GRIDPASS_HOME", self.folder.path().join("home"))
            .args(["--no-input", "--passphrase-file", "passphrase.txt", "--profile", profile])
            .stdin(Stdio::null());
        command
    }

    /// A call that must succeed: words of the command line, and arguments with spaces.
    #[track_caller]
    fn run(&self, profile: &str, line: &str, more: &[&str]) -> Vec<u8> {
        let output =
            self.call(profile).args(line.split_whitespace()).args(more).output().expect("it runs");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{profile}: {line}: {error}");
        output.stdout
    }

    #[track_caller]
    fn ok(&self, profile: &str, line: &str) {
        self.run(profile, line, &[]);
    }

    #[track_caller]
    fn json(&self, profile: &str, line: &str) -> Value {
        let stdout = self.run(profile, &format!("--json {line}"), &[]);
        serde_json::from_slice(&stdout).expect("one JSON object")
    }

    /// Runs a node until the test ends. Its output is given back, so that nobody closes it.
    fn start(&self, profile: &str) -> (Process, BufReader<ChildStdout>) {
        let mut child = self
            .call(profile)
            .args("node run --listen /ip4/127.0.0.1/tcp/0 --log error".split_whitespace())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let process = Process(child);
        let mut line = String::new();
        out.read_line(&mut line).expect("text");
        assert!(line.starts_with("ready: "), "{profile}: {line}");
        (process, out)
    }

    /// The address at which a node is dialled.
    fn address(&self, node: &str) -> String {
        text(&self.json(node, "node invite")["addresses"][0])
    }

    /// What a node knows of a peer, if they are connected.
    fn peer(&self, node: &str, peer: &str) -> Option<Value> {
        let peers = list(&self.json(node, "node peers")["peers"]);
        peers.into_iter().find(|p| p["peer"] == peer)
    }

    /// Whether a node gives a peer what is said in the channel.
    fn is_member(&self, node: &str, peer: &str) -> Option<()> {
        let peer = self.peer(node, peer)?;
        let reads = |name: &str| list(&peer[name]).contains(&json!(self.bids));
        (peer["stage"] == "open" && reads("mayRead") && reads("subscribed")).then_some(())
    }

    /// Whether a node parted with a peer, or hears nothing from it any more.
    fn has_lost_its_place(&self, node: &str, peer: &str) -> bool {
        let score = self.peer(node, peer).and_then(|p| p["gossipScore"].as_f64());
        score.is_none_or(|score| score < GRAYLIST)
    }

    /// Sends a bid, and gives its name.
    fn send(&self) -> String {
        text(&self.json("aggregator-node", "send flex.gb.bids bids bid.json")["id"])
    }

    /// What was delivered at a node.
    fn inbox(&self, node: &str) -> Vec<String> {
        list(&self.json(node, "inbox --most 1000")["messages"])
            .iter()
            .map(|m| text(&m["id"]))
            .collect()
    }
}

/// The peer in JavaScript: commands in, events out.
struct Theirs {
    _process: Process,
    commands: ChildStdin,
    events: Receiver<Value>,
    messages: Vec<Value>,
    /// What nodes asked it.
    asked: BTreeSet<String>,
    peer: String,
}

impl Theirs {
    fn start(me: &Value) -> Self {
        let mut child = Command::new("node")
            .arg("gossip.mjs")
            .current_dir(gridpass_tests::root().join("tests/interop"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let commands = child.stdin.take().expect("a pipe");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, events) = channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("an event");
                if tell.send(event).is_err() {
                    break;
                }
            }
        });
        let mut theirs = Self {
            _process: Process(child),
            commands,
            events,
            messages: Vec::new(),
            asked: BTreeSet::new(),
            peer: String::new(),
        };
        theirs.say(me);
        theirs.peer = text(&theirs.wait("ready")["peer"]);
        theirs
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.commands, "{line}").expect("node reads");
    }

    /// The next event of this kind. What came on the way there is noted.
    #[track_caller]
    fn wait(&mut self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) => {
                    match event["event"].as_str() {
                        Some("message") => self.messages.push(event.clone()),
                        Some("asked") => {
                            self.asked.insert(text(&event["kind"]));
                        }
                        _ => {}
                    }
                    if event["event"] == kind {
                        return event;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("waited in vain for {kind}"),
                Err(RecvTimeoutError::Disconnected) => panic!("node ended before {kind}"),
            }
        }
    }

    /// What comes of a command.
    #[track_caller]
    fn tell(&mut self, command: &Value) -> Result<Value, String> {
        self.say(command);
        let mut done = self.wait("done");
        assert_eq!(done["do"], command["do"]);
        match done["error"].take() {
            Value::Null => Ok(done["ok"].take()),
            why => Err(text(&why)),
        }
    }

    #[track_caller]
    fn join(&mut self, address: &str) -> Result<String, String> {
        let done = self.tell(&json!({"do": "join", "address": address}))?;
        Ok(text(&done["peer"]))
    }

    /// Joins a node and is let in; gives its peer.
    #[track_caller]
    fn enter(&mut self, market: &Market, node: &str) -> String {
        let address = market.address(node);
        let peer = self.join(&address).expect("a welcome");
        until("the newcomer to be let in", || {
            // A node that found out late what a peer may read parts with it, for it to come again.
            if market.peer(node, &self.peer).is_none() {
                let _ = self.join(&address);
            }
            market.is_member(node, &self.peer)
        });
        peer
    }

    /// Publishes all of these without looking at what comes of it.
    #[track_caller]
    fn publish(&mut self, all: &[Vec<u8>]) {
        for data in all {
            self.say(&json!({"do": "publish", "data": URL_SAFE_NO_PAD.encode(data)}));
        }
        for _ in all {
            self.wait("done");
        }
    }

    /// The next message, which must be this one: its sender's peer and its bytes.
    #[track_caller]
    fn receive(&mut self, id: &str) -> (String, Vec<u8>) {
        let message = self.wait("message");
        assert_eq!(message["id"], id, "another message, or another name for it");
        let wire = URL_SAFE_NO_PAD.decode(text(&message["data"])).expect("base64url");
        // Else it would be told again what it has, and ask for what it was sent.
        let known = gossip_id(&text(&message["topic"]), &wire);
        assert_eq!(message["gossipId"], URL_SAFE_NO_PAD.encode(known));
        (text(&message["peer"]), wire)
    }

    /// Whatever was sent to it before has arrived when this returns: an answer comes after it on the
    /// same connection, if there still is one.
    fn catch_breath(&mut self, node: &str) {
        let _ = self.tell(&json!({"do": "heads", "peer": node}));
    }

    fn received(&self) -> Vec<String> {
        self.messages.iter().map(|m| text(&m["id"])).collect()
    }
}

/// Bytes that are no envelope, or an envelope with a bit of its signature changed.
fn rubbish(envelope: &[u8], number: u8) -> Vec<u8> {
    if number.is_multiple_of(2) {
        return format!("no envelope: {number}").into_bytes();
    }
    // The signature's 64 bytes come last.
    let mut changed = envelope.to_vec();
    let at = changed.len() - 1 - usize::from(number % 64);
    changed[at] ^= 1;
    changed
}

#[test]
fn another_implementation_joins_reads_and_loses_its_place_for_rubbish() {
    let Some(_) = Script::find("gossip.mjs", "libp2p") else { return };
    let Some(gridpass) = command() else { return };
    let market = Market::new(gridpass);
    let _aggregator = market.start("aggregator-node");
    let _operator = market.start("operator-node");

    // The operator authorises one more node, which speaks JavaScript.
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system has randomness");
    let key = SecretKey::from_bytes(KeyType::Ed25519, &seed).expect("32 bytes");
    let did = method::key::from_public_key(&key.public_key()).expect("a DID");
    market.authorise("operator", did.as_str(), "theirs.json");
    let (authorisation, shows) = (market.read("theirs.json"), market.read("operator-shows.json"));
    let both = |name: &str| [list(&authorisation[name]), list(&shows[name])].concat();
    let mut theirs = Theirs::start(&json!({
        "seed": URL_SAFE_NO_PAD.encode(seed),
        "participant": authorisation["identities"][0]["did"],
        "authorisation": authorisation["content"],
        "presentation": shows["content"],
        "identities": both("identities"),
        "lists": both("statusLists"),
        "channel": market.bids,
        "topic": format!("/gridpass/1/{}", market.bids),
    }));
    let peer = theirs.peer.clone();

    // Nobody told the aggregator's node who the operator is: it finds out from the newcomer.
    let aggregator = theirs.enter(&market, "aggregator-node");
    until("what the node asks it", || {
        theirs.catch_breath(&aggregator);
        let all = ["hello", "document", "identity", "lists", "heads"];
        all.iter().all(|kind| theirs.asked.contains(*kind)).then_some(())
    });
    let ticket = text(&market.json("aggregator-node", "node invite")["ticket"]);
    market.ok("operator-node", &format!("node join {ticket}"));
    let honest = text(&market.json("operator-node", "node status")["peer"]);
    until("the operator's node", || market.is_member("aggregator-node", &honest));
    let first = market.send();
    let (from, envelope) = theirs.receive(&first);
    assert_eq!(from, aggregator);
    let holds = |part: &[u8]| envelope.windows(part.len()).any(|w| w == part);
    assert!(holds(BID.as_bytes()), "the payload as it was sent");
    let delivered = |ids: &[&str]| (market.inbox("operator-node") == ids).then_some(());
    until("the first bid", || delivered(&[&first]));

    // One piece of rubbish after the other, until the node hears no more of it.
    let lost = |node: &str| market.has_lost_its_place(node, &peer);
    let behaviour = || market.peer("aggregator-node", &peer).and_then(|p| p["behaviour"].as_f64());
    let mut pieces = 0;
    while !lost("aggregator-node") {
        assert!(pieces < 8, "it still has its place after {pieces} pieces of rubbish");
        let before = behaviour().unwrap_or_default();
        theirs.publish(&[rubbish(&envelope, pieces)]);
        pieces += 1;
        until("the node to notice", || {
            let noticed = behaviour().is_none_or(|now| now < before - 10.0);
            (noticed || lost("aggregator-node")).then_some(())
        });
    }
    let second = market.send();
    until("the second bid", || delivered(&[&first, &second]));
    theirs.catch_breath(&aggregator);
    assert_eq!(theirs.received(), [first.as_str()], "it is told nothing any more");
    let sender = market.peer("operator-node", &aggregator).expect("they are connected");
    assert_eq!(sender["behaviour"], 0.0, "none of the rubbish was passed on");

    // The operator's own node does not know yet: it passes on the next bid, then sees for itself.
    assert_eq!(theirs.enter(&market, "operator-node"), honest);
    let third = market.send();
    assert_eq!(theirs.receive(&third).0, honest);
    let flood: Vec<_> = (100..140).map(|number| rubbish(&envelope, number)).collect();
    theirs.publish(&flood);
    until("the rubbish to be noticed", || lost("operator-node").then_some(()));
    if market.peer("operator-node", &peer).is_none() {
        theirs.join(&market.address("operator-node")).expect_err("it is shut out");
    }
    // Whoever is in a mesh is passed messages until the next heartbeat, whatever its score.
    let mut genuine = vec![first, second, third];
    until("a bid that it is not told", || {
        genuine.push(market.send());
        until("the bid", || (market.inbox("operator-node") == genuine).then_some(()));
        theirs.catch_breath(&honest);
        (theirs.received().last() != genuine.last()).then_some(())
    });
    let told = theirs.received();
    genuine.push(market.send());
    until("the last bid", || (market.inbox("operator-node") == genuine).then_some(()));
    theirs.catch_breath(&aggregator);
    theirs.catch_breath(&honest);
    assert_eq!(theirs.received(), told, "it is told nothing any more");
    assert!(market.inbox("aggregator-node").is_empty(), "nothing was delivered to the sender");
}
