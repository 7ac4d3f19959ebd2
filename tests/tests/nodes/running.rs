//! Nodes of a sealed channel that run, and what is on their disks when they have stopped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::secured::Secured;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::Node;
use gridpass_messaging::node::control::{Asked, ControlResult, NewMessage};
use gridpass_messaging::sealing::{Epoch, Opening, Ring, SignedStatement, Statement};
use gridpass_messaging::store::Store;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::Party;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
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
pub(crate) struct Running {
    pub(crate) party: Party,
    pub(crate) folder: TempDir,
    pub(crate) node: Node,
}

impl Running {
    pub(crate) async fn start(market: &Market, number: u8, operator: bool) -> Self {
        let party = Party::new(number);
        let presentation = nodes::presentation(market, &party, operator);
        Self::start_with(market, party, &presentation).await
    }

    pub(crate) async fn start_with(market: &Market, party: Party, presentation: &Secured) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = nodes::start_with(folder.path(), market, &party, presentation).await;
        Self { party, folder, node }
    }

    /// Stops, and starts again with what it has.
    pub(crate) async fn again(self, market: &Market, operator: bool) -> Self {
        let Self { party, folder, node } = self;
        node.stop().await;
        drop(node);
        let node = nodes::start(folder.path(), market, &party, operator).await;
        Self { party, folder, node }
    }

    /// Goes to a node that is there, and to no other.
    pub(crate) async fn joins(&self, other: &Self) {
        let ticket = until("a ticket", async || {
            let invited = other.node.ask(Asked::Invite { channels: Vec::new() }).await.ok()?;
            Some(invited["ticket"].as_str()?.to_owned())
        })
        .await;
        self.node.ask(Asked::Join { ticket }).await.expect("joins");
    }

    pub(crate) async fn send(&self, number: u64, to: &[&Party]) -> String {
        let sent = self.try_send(number, to).await.expect("sent");
        sent["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn try_send(&self, number: u64, to: &[&Party]) -> ControlResult {
        let attributes = json!({"zone": "GB-1", "quantityKw": 5});
        let asked = Asked::Send(NewMessage {
            channel: "flex.gb.bids".into(),
            topic: "bids".into(),
            version: None,
            payload: bid(number).into(),
            recipients: to.iter().map(|p| p.did.clone()).collect(),
            thread: None,
            attributes: attributes.as_object().expect("an object").clone(),
            lifetime_millis: None,
            reference: None,
        });
        self.node.ask(asked).await
    }

    /// What is delivered: ids and texts.
    pub(crate) async fn inbox(&self) -> Vec<(String, String)> {
        let asked = Asked::Inbox { after: 0, most: 1000 };
        let page = self.node.ask(asked).await.expect("an inbox");
        let text = |m: &Value, name: &str| m[name].as_str().unwrap_or_default().to_owned();
        let all = page["messages"].as_array().expect("messages");
        assert!(all.iter().all(|m| m["sealed"] == true), "{page}");
        all.iter().map(|m| (text(m, "id"), text(m, "text"))).collect()
    }

    /// Waits until it has exactly these, opened.
    pub(crate) async fn has(&self, expected: &[(&String, u64)]) {
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
    pub(crate) async fn knows_members(&self, count: u64) {
        until("members", async || {
            let status = self.node.ask(Asked::Status).await.ok()?;
            (status["channels"][0]["sealing"]["members"] == count).then_some(())
        })
        .await;
    }

    /// Waits until so many messages wait for their key.
    pub(crate) async fn lacks(&self, count: u64) {
        until("what waits for its key", async || {
            let status = self.node.ask(Asked::Status).await.ok()?;
            (status["channels"][0]["sealing"]["unopened"] == count).then_some(())
        })
        .await;
    }

    /// Why messages were passed over, as who reads the inbox is told: each reason, and of how many.
    pub(crate) async fn passed_over(&self) -> Vec<(String, u64)> {
        let inbox = self.node.ask(Asked::Inbox { after: 0, most: 10 }).await.expect("an inbox");
        let all = inbox["unopened"].as_array().expect("a list").iter();
        let read = |waits: &Value| {
            let code = waits["code"].as_str().expect("a code").to_owned();
            (code, waits["count"].as_u64().expect("a number"))
        };
        all.map(read).collect()
    }

    pub(crate) async fn add(&self, content: &[u8]) {
        let content = STANDARD.encode(content);
        self.node.ask(Asked::Add { content }).await.expect("taken");
    }

    /// Stops, and gives what it kept of somebody's messages, in order.
    pub(crate) async fn stopped_with_chain(self, sender: &Party, market: &Market) -> Kept {
        self.node.stop().await;
        drop(self.node);
        let (store, _) = Store::open(&self.folder.path().join("store")).expect("the store");
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
pub(crate) struct Kept {
    pub(crate) party: Party,
    pub(crate) store: Store,
    pub(crate) envelopes: Vec<Envelope>,
    _folder: TempDir,
}

impl Kept {
    /// Which of these messages this participant's real key opens, with all documents and grants that
    /// anybody here has.
    pub(crate) fn opens(&self, envelopes: &[Envelope], stores: &[&Store]) -> Vec<bool> {
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

pub(crate) fn bid(number: u64) -> String {
    format!("{{\"bid\":{number}}}")
}
