//! Sealed channels between nodes that run: who is handed keys, over others too, and what somebody who
//! may not read any more, or not yet, can open with all that its node has.

#![allow(missing_docs)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::status::Change;
use gridpass_credentials::visa::Purpose;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::sealing::{Epoch, Opening, Ring, SignedStatement, Statement};
use gridpass_messaging::store::Store;
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes::{self, clock};
use gridpass_tests::world::{self, Party};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A node of somebody, in a folder of its own.
struct Running {
    party: Party,
    folder: TempDir,
    node: Node,
}

impl Running {
    async fn start(market: &Market, number: u8, operator: bool) -> Self {
        let party = Party::new(number);
        let presentation = nodes::presentation(market, &party, operator);
        Self::start_with(market, party, &presentation).await
    }

    async fn start_with(market: &Market, party: Party, presentation: &Secured) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = nodes::start_with(folder.path(), market, &party, presentation).await;
        Self { party, folder, node }
    }

    /// Stops, and starts again with what it has.
    async fn again(self, market: &Market, operator: bool) -> Self {
        let Self { party, folder, node } = self;
        node.stop().await;
        drop(node);
        let node = nodes::start(folder.path(), market, &party, operator).await;
        Self { party, folder, node }
    }

    /// Goes to a node that is there, and to no other.
    async fn joins(&self, other: &Self) {
        let ticket = until("a ticket", async || {
            let invited = other.node.ask(Asked::Invite { channels: Vec::new() }).await.ok()?;
            Some(invited["ticket"].as_str()?.to_owned())
        })
        .await;
        self.node.ask(Asked::Join { ticket }).await.expect("joins");
    }

    async fn send(&self, number: u64, to: &[&Party]) -> String {
        let attributes = json!({"zone": "GB-1", "quantityKw": 5});
        let sent = self.node.ask(Asked::Send(NewMessage {
            channel: "flex.gb.bids".into(),
            topic: "bids".into(),
            version: None,
            payload: STANDARD.encode(bid(number)),
            recipients: to.iter().map(|p| p.did.clone()).collect(),
            thread: None,
            attributes: attributes.as_object().expect("an object").clone(),
            lifetime_millis: None,
        }));
        sent.await.expect("sent")["id"].as_str().expect("an id").to_owned()
    }

    /// What is delivered: ids and texts.
    async fn inbox(&self) -> Vec<(String, String)> {
        let asked = Asked::Inbox { after: 0, most: 1000 };
        let page = self.node.ask(asked).await.expect("an inbox");
        let text = |m: &Value, name: &str| m[name].as_str().unwrap_or_default().to_owned();
        let all = page["messages"].as_array().expect("messages");
        assert!(all.iter().all(|m| m["sealed"] == true), "{page}");
        all.iter().map(|m| (text(m, "id"), text(m, "text"))).collect()
    }

    /// Waits until it has exactly these, opened.
    async fn has(&self, expected: &[(&String, u64)]) {
        let mut expected: Vec<_> =
            expected.iter().map(|(id, n)| ((*id).clone(), bid(*n))).collect();
        expected.sort();
        until("messages", async || {
            let mut found = self.inbox().await;
            found.sort();
            (found == expected).then_some(())
        })
        .await;
    }

    /// Waits until so many nodes may be handed keys, as far as it knows.
    async fn knows_members(&self, count: u64) {
        until("members", async || {
            let status = self.node.ask(Asked::Status).await.ok()?;
            (status["channels"][0]["sealing"]["members"] == count).then_some(())
        })
        .await;
    }

    /// Waits until so many messages wait for their key.
    async fn lacks(&self, count: u64) {
        until("what waits for its key", async || {
            let status = self.node.ask(Asked::Status).await.ok()?;
            (status["channels"][0]["sealing"]["unopened"] == count).then_some(())
        })
        .await;
    }

    async fn add(&self, content: &[u8]) {
        let content = STANDARD.encode(content);
        self.node.ask(Asked::Add { content }).await.expect("taken");
    }

    /// Stops, and gives what it kept of somebody's messages, in order.
    async fn stopped_with_chain(self, sender: &Party, market: &Market) -> Kept {
        self.node.stop().await;
        drop(self.node);
        // Its thread ends a moment after it said so.
        let place = self.folder.path().join("store");
        let store = until("the store", async || Store::open(&place).ok().map(|(s, _)| s)).await;
        let chain = Chain {
            channel: market.channel.clone(),
            sender: sender.did.clone(),
            key: sender.key_id.clone(),
        };
        let all = store.range(&chain, (1, 1000), UnixMillis::new(0), usize::MAX);
        let envelopes = all.iter().map(|(_, k)| k.envelope().expect("an envelope")).collect();
        Kept { party: self.party, store, envelopes, _folder: self.folder }
    }
}

/// What is on a node's disk.
struct Kept {
    party: Party,
    store: Store,
    envelopes: Vec<Envelope>,
    _folder: TempDir,
}

impl Kept {
    /// Which of these messages this participant's real key opens, with all documents and grants that
    /// anybody here has.
    fn opens(&self, envelopes: &[Envelope], stores: &[&Store]) -> Vec<bool> {
        let mut ring = Ring::default();
        for envelope in envelopes {
            let epoch = envelope.header().epoch.clone().expect("sealed");
            let chain = Chain::of(envelope.header());
            for store in stores {
                let document = store.document(&epoch).and_then(|b| Epoch::parse(&b).ok());
                let taken = document.and_then(|e| e.take(&self.party.did, &self.party.key).ok());
                if let Some(handed) = taken {
                    ring.insert(&chain, &handed);
                }
                for text in store.grants(&epoch, &chain, 1000) {
                    let signed = SignedStatement::parse(&text).expect("a statement");
                    let Statement::Grant(grant, _) = signed.statement() else { panic!("a grant") };
                    for handed in grant.take(&self.party.key).unwrap_or_default() {
                        ring.insert(&grant.chain, &handed);
                    }
                }
            }
        }
        let opened = |e: &Envelope| matches!(ring.open(e), Opening::Open(_));
        envelopes.iter().map(opened).collect()
    }
}

fn bid(number: u64) -> String {
    format!("{{\"bid\":{number}}}")
}

fn market(history: bool) -> Market {
    Market::with_operators(|d| {
        d.sealing = Sealing::Members;
        d.receipts = true;
        d.retention.history = history;
    })
}

/// One who reads, and one who sends and has sent it the first message.
async fn market_of_two(history: bool) -> (Market, [Running; 2], String) {
    let market = market(history);
    let north = Running::start(&market, 72, true).await;
    let flexgen = Running::start(&market, 71, false).await;
    flexgen.joins(&north).await;
    flexgen.knows_members(1).await;
    let sent = flexgen.send(1, &[]).await;
    north.has(&[(&sent, 1)]).await;
    (market, [north, flexgen], sent)
}

/// Two who read, and one who sends and is connected with the first alone; it knows of both.
async fn market_of_three() -> (Market, [Running; 3]) {
    let market = market(true);
    let north = Running::start(&market, 72, true).await;
    let south = Running::start(&market, 73, true).await;
    let flexgen = Running::start(&market, 71, false).await;
    south.joins(&north).await;
    flexgen.joins(&north).await;
    flexgen.knows_members(2).await;
    (market, [north, south, flexgen])
}

/// The regulator's list, by which somebody's operator visa is revoked now.
fn revoked(market: &Market, party: &Party) -> Vec<u8> {
    let operators = market.operators.as_ref().expect("a role");
    let visa = world::visa(&market.regulator, party, operators, |_| ());
    let change = Change { index: visa.status[0].index, set: true, at: clock() };
    let list =
        world::list_by(&market.regulator, &market.regulator, Purpose::Revocation, &[change], |l| {
            l["validFrom"] = json!(clock());
            l["credentialSubject"]["statusList"]["version"] = json!(6);
        });
    list.secured().text().as_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_handed_keys_also_by_a_sender_that_they_are_not_connected_with() {
    let (market, [north, south, flexgen]) = market_of_three().await;
    let first = flexgen.send(1, &[]).await;
    let second = flexgen.send(2, &[]).await;
    for reader in [&north, &south] {
        reader.has(&[(&first, 1), (&second, 2)]).await;
    }
    // Both confirm it, and a sender finds its own again after a restart.
    let envelope = EnvelopeId::parse(&first).expect("an id");
    until("receipts", async || {
        let fate = flexgen.node.ask(Asked::Receipts { envelope: envelope.clone() }).await.ok()?;
        let delivered = |p: &Party| fate["recipients"][p.did.as_str()]["state"] == "delivered";
        (delivered(&north.party)).then_some(())
    })
    .await;
    let flexgen = flexgen.again(&market, false).await;
    let south = south.again(&market, true).await;
    south.has(&[(&first, 1), (&second, 2)]).await;
    flexgen.joins(&north).await;
    south.joins(&north).await;
    flexgen.knows_members(2).await;
    // It knows from before to whom it seals, and is not connected with south now either.
    let third = flexgen.send(3, &[]).await;
    south.has(&[(&first, 1), (&second, 2), (&third, 3)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_visa_is_revoked_opens_nothing_that_is_sealed_from_then_on() {
    let (market, [north, south, flexgen]) = market_of_three().await;
    let before = flexgen.send(1, &[]).await;
    south.has(&[(&before, 1)]).await;
    flexgen.add(&revoked(&market, &south.party)).await;
    let after = flexgen.send(2, &[]).await;
    north.has(&[(&before, 1), (&after, 2)]).await;
    let sender = flexgen.party.clone();
    flexgen.node.stop().await;
    // With everything that north or it itself has, and its own key.
    let north = north.stopped_with_chain(&sender, &market).await;
    let south = south.stopped_with_chain(&sender, &market).await;
    let stores = [&north.store, &south.store];
    assert_eq!(north.envelopes.len(), 2);
    assert_eq!(south.opens(&north.envelopes, &stores), [true, false]);
    assert_eq!(north.opens(&north.envelopes, &stores), [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_reads_from_then_on_or_all_where_the_channel_says_so() {
    for history in [false, true] {
        let (market, [north, flexgen], before) = market_of_two(history).await;
        // A visa says by the second when it was signed: in a later one than the message.
        let said = clock();
        while clock().floor_to_second() <= said {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let party = Party::new(73);
        let operators = market.operators.as_ref().expect("a role");
        let visa = world::visa(&market.regulator, &party, operators, |_| ());
        let visa = world::issue_as(&market.regulator, &visa, Form::Jwt, clock());
        let audience = market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: world::in_days(30) };
        let presentation = world::present_as(&party, &[&visa], Form::Jwt, &binding);
        let south = Running::start_with(&market, party, &presentation).await;
        south.joins(&north).await;
        flexgen.knows_members(2).await;
        let after = flexgen.send(2, &[]).await;
        if history {
            south.has(&[(&before, 1), (&after, 2)]).await;
        } else {
            south.has(&[(&after, 2)]).await;
        }
        let sender = flexgen.party.clone();
        flexgen.node.stop().await;
        let north = north.stopped_with_chain(&sender, &market).await;
        let south = south.stopped_with_chain(&sender, &market).await;
        let stores = [&north.store, &south.store];
        assert_eq!(south.opens(&north.envelopes, &stores), [history, true]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_key_over_a_restart_is_handed_it_when_the_sender_is_back() {
    let (market, [north, flexgen], sent) = market_of_two(true).await;
    let Running { party, folder, node } = flexgen;
    node.stop().await;
    drop(node);
    // It catches up with what it cannot open, and nobody is there to ask.
    let south = Running::start(&market, 73, true).await;
    south.joins(&north).await;
    south.lacks(1).await;
    let south = south.again(&market, true).await;
    south.joins(&north).await;
    south.lacks(1).await;
    assert!(south.inbox().await.is_empty());
    let node = nodes::start(folder.path(), &market, &party, false).await;
    let flexgen = Running { party, folder, node };
    flexgen.joins(&north).await;
    south.has(&[(&sent, 1)]).await;
    // And once only, also after another restart.
    let south = south.again(&market, true).await;
    south.has(&[(&sent, 1)]).await;
    south.lacks(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_on_the_disk_of_a_node_beside_its_own_key() {
    let (_, [north, flexgen], _) = market_of_two(true).await;
    for running in [&flexgen, &north] {
        running.node.stop().await;
        let mut files = 0;
        each_file(running.folder.path(), &mut |bytes| {
            files += 1;
            let text = bid(1);
            let found = bytes.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(!found, "the payload is on the disk in plain");
        });
        assert!(files > 3, "{files} files were looked at");
    }
}

fn each_file(folder: &Path, look: &mut dyn FnMut(&[u8])) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => each_file(&path, look),
            false => look(&std::fs::read(&path).unwrap_or_default()),
        }
    }
}
