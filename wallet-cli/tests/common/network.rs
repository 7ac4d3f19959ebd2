//! A market of real nodes: a regulator, aggregators who bid, system operators who read, each
//! participant with its wallet, each node with its own wallet, store and process.

use super::{Place, Ran};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long something may take that is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The channel in which aggregators bid and operators read.
pub const BIDS: &str = "flex.gb.bids";
/// The channel in which an operator orders something of one aggregator, who answers.
pub const ORDERS: &str = "flex.gb.orders";

/// The channel of [`Network::channel_of_models`].
pub const MODELS: &str = "flex.gb.models";
/// Sealed, with keepers.
pub const SEALED: &str = "flex.gb.sealed";

/// Sealed, in which operators send each other files.
pub const FILES: &str = "flex.gb.files";
/// Open, in which operators send all of them files.
pub const MAPS: &str = "flex.gb.maps";

const MAIN_XSD: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
    <xs:include schemaLocation="common.xsd"/>
    <xs:element name="Model"><xs:complexType>
        <xs:attribute name="zone" type="Zone" use="required"/>
    </xs:complexType></xs:element>
</xs:schema>"#;
const COMMON_XSD: &str = r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
    <xs:simpleType name="Zone"><xs:restriction base="xs:string">
        <xs:pattern value="GB-[0-9]"/>
    </xs:restriction></xs:simpleType>
</xs:schema>"#;

const SCHEMA: &str = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}"#;

/// A participant's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Bids, and may not read bids.
    Aggregator,
    /// Reads.
    Operator,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Aggregator => "flex.gb.aggregator",
            Self::Operator => "flex.gb.dso",
        }
    }
}

/// The market.
pub struct Network {
    pub place: Place,
    /// CIDs of channels, by name.
    pub channels: BTreeMap<&'static str, String>,
    /// What nodes log, from their start on.
    pub log: &'static str,
    nodes: BTreeMap<String, Running>,
    /// Where to dial: the first node that was started.
    ticket: Option<String>,
}

struct Running {
    child: Child,
    /// Kept open: a node whose output nobody takes would notice.
    _out: BufReader<ChildStdout>,
}

impl Drop for Network {
    fn drop(&mut self) {
        for node in self.nodes.values_mut() {
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }
}

/// Waits until something is there.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until something is there that takes longer than others.
#[track_caller]
pub fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Option<T>,
) -> (T, Duration) {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return (found, started.elapsed());
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Network {
    /// A regulator with its roles, charter and channels.
    pub fn new() -> Self {
        let place = Place::new();
        let log = "info,gridpass_messaging=debug";
        let (channels, nodes) = (BTreeMap::new(), BTreeMap::new());
        let mut network = Self { place, channels, log, nodes, ticket: None };
        network.wallet("regulator");
        let call = |line: &str| network.call("regulator", line);
        call("id new --name root --method webvh --location regulator.example");
        for role in [Role::Aggregator, Role::Operator] {
            call(&format!("role define {} --title Role --claim zone:string", role.name()));
        }
        call("charter new Flexibility --role flex.gb.aggregator --role flex.gb.dso");
        call("charter pack -o trust.json");
        network.place.write("schema.json", SCHEMA);
        let publish = "--publish flex.gb.aggregator:visa.zone==message.zone";
        network.channel(BIDS, &format!("{publish} --subscribe flex.gb.dso"));
        let both = "--publish flex.gb.aggregator --publish flex.gb.dso";
        network.channel(ORDERS, &format!("--mode unicast {both}"));
        network
    }

    /// The same with participants, and nodes of theirs that run.
    pub fn of(participants: &[(&str, Role)], nodes: &[(&str, &str)]) -> Self {
        let mut network = Self::new();
        for (name, role) in participants {
            network.participant(name, *role);
        }
        for (node, participant) in nodes {
            network.node(node, participant);
            network.start(node);
        }
        network
    }

    /// An operator who reads and an aggregator who bids, with a node of each that runs; they know each other.
    pub fn market() -> Self {
        let network = Self::of(
            &[("north", Role::Operator), ("flexgen", Role::Aggregator)],
            &[("north-1", "north"), ("flexgen-1", "flexgen")],
        );
        network.sees("flexgen-1", 1);
        network
    }

    /// A call of a profile that must succeed, in words without spaces.
    pub fn call(&self, profile: &str, line: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().chain(["--profile", profile]).collect();
        self.place.ok(&words)
    }

    fn wallet(&self, name: &str) {
        self.call(name, &format!("init --name {name} --recovery-out {name}-words.txt"));
    }

    /// A channel with the topic `bids`.
    fn channel(&mut self, name: &'static str, more: &str) {
        let topic = "--topic bids=schema.json --attribute bids.zone=text:/zone";
        self.channel_about(name, topic, more);
    }

    /// A channel in which operators send each other models, in XML by a schema of two files. Before
    /// there are participants.
    pub fn channel_of_models(&mut self) {
        self.place.write("main.xsd", MAIN_XSD);
        self.place.write("common.xsd", COMMON_XSD);
        self.call("regulator", "schema pin main.xsd common.xsd -o models.json");
        let topic = "--topic models=models.json --media-type application/xml";
        self.channel_about(MODELS, topic, "--publish flex.gb.dso");
    }

    /// A channel that seals, whose messages aggregators keep for the operators. Before there are
    /// participants.
    pub fn channel_with_keepers(&mut self) {
        let who = "--publish flex.gb.aggregator --subscribe flex.gb.dso --keep flex.gb.aggregator";
        self.channel(SEALED, &format!("--sealing members --history {who}"));
    }

    /// Two channels in which operators send each other files. Before there are participants.
    pub fn channels_of_files(&mut self) {
        self.call("regulator", "file schema -o file.json");
        let topic = "--topic files=file.json";
        let who = "--publish flex.gb.dso --subscribe flex.gb.dso";
        let sealed = format!("--mode multicast --sealing members {who}");
        self.channel_about(FILES, topic, &sealed);
        self.channel_about(MAPS, topic, who);
    }

    fn channel_about(&mut self, name: &'static str, topic: &str, more: &str) {
        let limits = "--receipts --max-per-minute 1000000";
        let call = |line: &str| self.call("regulator", line);
        call(&format!("channel new {name} {limits} {topic} -o {name}.draft.json {more}"));
        call(&format!("channel sign {name}.draft.json -o {name}.signed.json"));
        let shown = call(&format!("--json channel show {name}.signed.json")).json();
        self.channels.insert(name, text(&shown, "cid"));
    }

    /// A participant with its visa, and presentations for both channels.
    pub fn participant(&self, name: &str, role: Role) {
        self.wallet(name);
        let call = |line: &str| self.call(name, line);
        call(&format!("id new --name root --method webvh --location {name}.example"));
        call("charter verify trust.json --adopt");
        let role = role.name();
        call(&format!("visa request {role} --claim zone=GB-1 -o {name}-request.json"));
        self.call("regulator", &format!("visa issue {name}-request.json -o {name}-visa.json"));
        call(&format!("visa accept {name}-visa.json"));
        for (channel, id) in &self.channels {
            call(&format!("visa present {role} --to {id} --for 30d -o {name}-{channel}.json"));
        }
    }

    /// A node of a participant: its wallet, its authorisation, and what it needs. Not running.
    pub fn node(&self, node: &str, participant: &str) {
        self.wallet(node);
        let made = self.call(node, "--json id new --name node --method key --node").json();
        let did = made["identity"]["did"].as_str().expect("a DID").to_owned();
        self.call(participant, &format!("visa authorise-node {did} -o {node}-authorisation.json"));
        let mut files = format!("trust.json schema.json {node}-authorisation.json");
        for channel in self.channels.keys() {
            files.push_str(&format!(" {channel}.signed.json {participant}-{channel}.json"));
        }
        self.call(node, &format!("node add {files}"));
    }

    /// The node's DID.
    pub fn did(&self, node: &str) -> String {
        text(&self.ask(node, &["node", "status"]), "node")
    }

    /// The participant's DID.
    pub fn participant_did(&self, node: &str) -> String {
        text(&self.ask(node, &["node", "status"]), "participant")
    }

    /// Starts a node, which finds the others by the ticket of the first one. It is ready when this
    /// returns.
    pub fn start(&mut self, node: &str) {
        if let Some(ticket) = &self.ticket {
            self.place.ok(&["node", "join", ticket, "--profile", node]);
        }
        self.start_alone(node);
        if self.ticket.is_none() {
            let ticket = until("a ticket", || {
                let ran = self.place.run_bare(&["--json", "node", "invite", "--profile", node]);
                (ran.status == 0).then(|| text(&ran.json(), "ticket"))
            });
            self.ticket = Some(ticket);
        }
    }

    /// Starts a node that nobody told of others, or that remembers them.
    pub fn start_alone(&mut self, node: &str) {
        // Only the first one has a port that others know; it keeps it when it starts again.
        let port = self.place.path(&format!("{node}.port"));
        let listen = std::fs::read_to_string(&port).unwrap_or("/ip4/127.0.0.1/tcp/0".into());
        self.start_by(node, &[], &["--listen", &listen]);
        let address = until("an address", || {
            let status = self.ask(node, &["node", "status"]);
            status["listening"].as_array()?.first()?.as_str().map(str::to_owned)
        });
        std::fs::write(port, address).expect("noted");
    }

    /// Starts a node by another program, such as `ip netns exec …`, which must become the node; or
    /// by none. With more arguments, such as where to listen.
    pub fn start_by(&mut self, node: &str, program: &[&str], more: &[&str]) {
        let log = std::fs::File::create(self.place.path(&format!("{node}.log"))).expect("a log");
        let bare = self.place.bare();
        let mut words = program.iter().map(std::ffi::OsStr::new).chain([bare.get_program()]);
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .args(bare.get_args())
            .args(["--passphrase-file", "passphrase.txt", "node", "run", "--profile", node])
            .args(["--log", self.log])
            .args(more)
            .current_dir(self.place.dir.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(bare.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let is_ready = line.starts_with("ready");
        self.nodes.insert(node.to_owned(), Running { child, _out: out });
        assert!(is_ready, "{node}: {line} {}", self.log(node));
    }

    /// What a node logged.
    pub fn log(&self, node: &str) -> String {
        self.place.read(&format!("{node}.log"))
    }

    /// Sends the process of a node a signal, such as `-STOP`.
    pub fn signal(&self, node: &str, signal: &str) {
        let pid = self.nodes[node].child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Lifts the limit on the size of files that the process of a node was started with.
    pub fn make_room(&self, node: &str) {
        let pid = self.nodes[node].child.id().to_string();
        let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
        assert!(lifted.expect("prlimit runs").success());
    }

    /// The most memory that the process of a node had at once, in MB.
    pub fn peak_memory(&self, node: &str) -> u64 {
        self.memory(node, "VmHWM")
    }

    /// Memory of the process of a node, in MB: `VmRSS`, what it has, or `VmHWM`, the most that it had.
    pub fn memory(&self, node: &str, what: &str) -> u64 {
        let path = format!("/proc/{}/status", self.nodes[node].child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|l| l.strip_prefix(what)).expect("a line");
        let kilobytes: u64 =
            line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes.saturating_mul(1024) / 1_000_000
    }

    /// How many files and connections the process of a node has open.
    pub fn open_files(&self, node: &str) -> usize {
        let path = format!("/proc/{}/fd", self.nodes[node].child.id());
        std::fs::read_dir(path).expect("it runs").count()
    }

    /// Kills a node as a crash would.
    pub fn kill(&mut self, node: &str) {
        let mut running = self.nodes.remove(node).expect("it runs");
        running.child.kill().expect("killed");
        running.child.wait().expect("ended");
    }

    /// Stops a node as an operator would.
    pub fn stop(&mut self, node: &str) {
        self.place.ok(&["node", "stop", "--profile", node]);
        let mut running = self.nodes.remove(node).expect("it runs");
        assert!(running.child.wait().expect("ended").success());
    }

    /// Ends a node by a signal, as a supervisor would: it ends in order.
    pub fn terminated(&mut self, node: &str) {
        self.ended_by(node, "-TERM");
    }

    /// Ends a node by this signal, in order.
    pub fn ended_by(&mut self, node: &str, signal: &str) {
        self.signal(node, signal);
        let mut running = self.nodes.remove(node).expect("it runs");
        assert!(running.child.wait().expect("ended").success());
    }

    /// Asks a node something that must succeed.
    pub fn ask(&self, node: &str, args: &[&str]) -> Value {
        let mut all = vec!["--json", "--profile", node];
        all.extend(args);
        let ran = self.place.run_bare(&all);
        assert_eq!(ran.status, 0, "{node} {args:?}: {} {}", ran.text(), ran.stderr);
        ran.json()
    }

    /// Sends a bid; gives its id.
    pub fn bid(&self, node: &str, number: u64) -> String {
        let file = format!("{node}-bid.json");
        self.place.write(&file, &format!("{{\"zone\": \"GB-1\", \"number\": {number}}}"));
        text(&self.ask(node, &["send", BIDS, "bids", &file]), "id")
    }

    /// The ids of the messages in a node's inbox, in the order in which they were taken in.
    pub fn inbox(&self, node: &str) -> Vec<String> {
        let (mut after, mut ids) = (0, Vec::new());
        loop {
            let from = after.to_string();
            let page = self.ask(node, &["inbox", "--after", &from, "--most", "1000"]);
            let messages = page["messages"].as_array().expect("messages");
            let Some(last) = messages.last() else { return ids };
            after = last["number"].as_u64().expect("a number");
            ids.extend(messages.iter().map(|m| text(m, "id")));
        }
    }

    /// Waits until a node has these messages, each once.
    #[track_caller]
    pub fn has(&self, node: &str, ids: &[String]) {
        let found = until(&format!("{} messages at {node}", ids.len()), || {
            let inbox = self.inbox(node);
            ids.iter().all(|id| inbox.contains(id)).then_some(inbox)
        });
        let once: std::collections::BTreeSet<_> = found.iter().collect();
        assert_eq!(once.len(), found.len(), "{node} was given a message twice");
    }

    /// Waits until a node sees so many peers whose gate is open.
    #[track_caller]
    pub fn sees(&self, node: &str, count: usize) {
        until(&format!("{count} peers at {node}"), || {
            let peers = self.ask(node, &["node", "peers"]);
            let open = |p: &&Value| text(p, "stage") == "open";
            let open = peers["peers"].as_array().expect("peers").iter().filter(open).count();
            (open >= count).then_some(())
        });
    }

    /// Waits until a peer of a node, one of a participant, may read so many channels there.
    #[track_caller]
    pub fn lets_read(&self, node: &str, participant: &str, channels: usize) {
        until(&format!("{participant} may read {channels} channels of {node}"), || {
            let peers = self.ask(node, &["node", "peers"]);
            let peers = peers["peers"].as_array().expect("peers").clone();
            peers
                .iter()
                .any(|p| {
                    text(p, "participant") == participant
                        && text(p, "stage") == "open"
                        && p["mayRead"].as_array().map(Vec::len) == Some(channels)
                })
                .then_some(())
        });
    }
}
