//! A participant that records what it received as a node does, and exports evidence bundles of it.

use crate::channels::SCHEMA;
use crate::messages::{Market, Peer, Sender, authorise};
use crate::world::{self, NOW, Party};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::Secured;
use gridpass_credentials::status::StatusList;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::bundle::{Bundle, BundleError, Report, Selection, verify};
use gridpass_messaging::checking::{Chain, Checked, Effect, Source as Way, Verdict};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::node::{
    Export, Exported, Keys, Material, NodeKey, Payloads, export, material_of,
};
use gridpass_messaging::receipt::{FORMAT_VERSION, Receipt, Refusal};
use gridpass_messaging::store::{Entry, Kept, Store};
use gridpass_policy::channel::{ChannelDescriptor, SignedChannel};
use gridpass_policy::facts::Question;
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Somebody who takes part in a market, with its node's folder.
pub struct Scene {
    /// The market.
    pub market: Market,
    /// What an auditor pins.
    pub pack: Vec<u8>,
    /// Who exports: the participant, its node, and the node's authorisation.
    pub exporter: (Party, Party, Secured),
    /// An aggregator that sends by a node.
    pub by_node: Sender,
    /// Another, which signs itself.
    pub alone: Sender,
    /// What the exporter checks with.
    pub peer: Peer,
    /// What it keeps.
    pub store: Store,
    documents: BTreeMap<ContentId, Vec<u8>>,
    lists: Vec<StatusList>,
    folder: PathBuf,
}

/// The trust pack of a market whose roles are its own.
#[must_use]
pub fn pack_of(market: &Market) -> Vec<u8> {
    let roles: Vec<_> =
        [Some(&market.role), market.operators.as_ref()].into_iter().flatten().collect();
    let regulator = &market.regulator;
    let charter = world::sign_charter(world::charter(&[regulator], &roles), &[regulator]);
    world::pack(&[charter], &roles)
}

impl Scene {
    /// A scene in a new folder; parties are made from numbers above this one.
    ///
    /// # Panics
    /// If it cannot be set up.
    #[must_use]
    pub fn new(folder: &Path, first: u8, bend: impl FnOnce(&mut ChannelDescriptor)) -> Self {
        Self::in_market(folder, first, Market::with_operators(bend))
    }

    /// The same in a market of the caller's.
    ///
    /// # Panics
    /// If it cannot be set up.
    #[must_use]
    pub fn in_market(folder: &Path, first: u8, market: Market) -> Self {
        let party = |n: u8| Party::new(first + n);
        let (participant, node) = (party(0), party(1));
        let (aggregator, its_node, other) = (party(2), party(3), party(4));
        let own = authorise(&participant, &node, |a| a.id = "urn:example:exporter".into());
        let theirs = authorise(&aggregator, &its_node, |_| ());
        let (shown, also) = (market.presentation(&aggregator), market.presentation(&other));
        let mut by_node = Sender::new(&aggregator, &shown, &market.channel);
        by_node.node = Some((its_node, theirs.id().clone()));
        let alone = Sender::new(&other, &also, &market.channel);
        let lists = market.lists(&[&participant, &aggregator]);
        let secured = [&shown, &also, &theirs, &own];
        let peer = market.peer(&participant, &secured, lists.clone());
        let documents = secured.map(|s| (s.id().clone(), s.text().as_bytes().to_vec())).into();
        let pack = pack_of(&market);
        let (store, _) = Store::open(&folder.join("store")).expect("a store");
        let scene = Self {
            market,
            pack,
            exporter: (participant, node, own),
            by_node,
            alone,
            peer,
            store,
            documents,
            lists,
            folder: folder.to_owned(),
        };
        scene.give();
        scene
    }

    /// What the operator gives the node.
    fn give(&self) {
        let mut channel = SignedChannel::unsigned(self.market.descriptor.clone()).expect("one");
        let regulator = &self.market.regulator;
        channel.sign(regulator.at(self.market.descriptor.dated)).expect("signs");
        let mut files = vec![
            self.pack.clone(),
            channel.to_json().to_string().into_bytes(),
            SCHEMA.to_vec(),
            self.exporter.2.text().as_bytes().to_vec(),
        ];
        files.extend(self.lists.iter().map(|l| l.secured().text().as_bytes().to_vec()));
        for file in files {
            self.give_file(&file);
        }
    }

    /// The operator gives the node a file.
    ///
    /// # Panics
    /// If it is not taken.
    pub fn give_file(&self, bytes: &[u8]) {
        let place = material_of(&self.folder);
        let node = self.exporter.1.did.clone();
        let (mut material, _) = Material::open(&place, node, NOW).expect("a folder");
        material.give(bytes, NOW).expect("taken");
    }

    /// Lists that are known from now on, in place of older states.
    pub fn learn_lists(&mut self, lists: Vec<StatusList>) {
        for list in lists {
            let same = |l: &StatusList| (&l.id, &l.issuer) != (&list.id, &list.issuer);
            self.peer.memory.lists.retain(same);
            self.lists.retain(same);
            self.give_file(list.secured().text().as_bytes());
            self.peer.checker.status_list_came(&list.id, &list.issuer);
            self.peer.memory.lists.push(list.clone());
            self.lists.push(list);
        }
    }

    /// A document that messages name.
    pub fn learn(&mut self, secured: &Secured) {
        self.documents.insert(secured.id().clone(), secured.text().as_bytes().to_vec());
        self.peer.memory.learn(secured);
    }

    /// Bytes that messages name.
    pub fn learn_bytes(&mut self, id: ContentId, bytes: Vec<u8>) {
        self.documents.insert(id.clone(), bytes.clone());
        self.peer.memory.learn_bytes(id, bytes);
    }

    /// A message comes; what is to be kept of it is kept, as a node does.
    ///
    /// # Panics
    /// If it cannot be kept.
    pub fn receive(&mut self, envelope: &Envelope, way: Way, now: UnixMillis) -> Checked {
        let checked = self.take(envelope, way, now);
        self.store.commit(now).expect("kept");
        checked
    }

    /// The same, without waiting for the disk: what came is kept with the next that is.
    ///
    /// # Panics
    /// If it cannot be kept.
    pub fn take(&mut self, envelope: &Envelope, way: Way, now: UnixMillis) -> Checked {
        let checked = self.peer.receive_by(envelope, way, now);
        for effect in &checked.effects {
            match effect {
                Effect::Keep(admission) => {
                    let (_, bytes) = admission.encode().expect("bytes");
                    self.stage(Entry::Document(ByteBuf::from(bytes)));
                    for named in &admission.lists {
                        let list = self.lists.iter().find(|l| l.secured().id() == &named.evidence);
                        let text = list.expect("a list that was read").secured().text();
                        let bytes = text.as_bytes().to_vec();
                        self.stage(Entry::Document(ByteBuf::from(bytes)));
                    }
                }
                Effect::Forked { first, .. } => {
                    let second = ByteBuf::from(envelope.to_block().expect("a block"));
                    self.stage(Entry::Fork { first: first.clone(), second });
                }
                Effect::Ask(_) | Effect::Gap { .. } => {}
            }
        }
        if matches!(checked.verdict, Verdict::Admit | Verdict::Refuse) {
            self.keep(&checked, envelope, way);
        }
        checked
    }

    fn stage(&mut self, entry: Entry) {
        self.store.stage(entry).expect("staged");
    }

    fn keep(&mut self, checked: &Checked, envelope: &Envelope, way: Way) {
        let header = envelope.header();
        let named =
            [Some(&header.presentation), header.authorisation.as_ref(), header.epoch.as_ref()];
        for id in named.into_iter().flatten() {
            if let Some(bytes) = self.documents.get(id).filter(|_| !self.store.has_document(id)) {
                let bytes = ByteBuf::from(bytes.clone());
                self.stage(Entry::Document(bytes));
            }
        }
        let decided = checked.decided.as_ref().expect("a decision");
        let Question::Publish(facts) = &decided.question else { panic!("a message") };
        let kept = Kept {
            envelope: ByteBuf::from(envelope.to_wire().expect("a payload")),
            whole: true,
            allowed: checked.verdict == Verdict::Admit,
            deliver: checked.deliver,
            caught_up: way == Way::CatchUp,
            at: decided.at,
            arrived: facts.arrived,
            admission: decided.admission.clone(),
            payload: facts.payload.clone(),
            sealing: facts.sealing.clone(),
            sent_last_minute: facts.sent_last_minute,
            reasons: decided.ruling.reasons.iter().map(|r| r.code.clone()).collect(),
        };
        self.stage(Entry::Envelope(Box::new(kept)));
    }

    /// The exporter signs that it delivered these numbers of a chain.
    ///
    /// # Panics
    /// If it cannot be signed.
    pub fn confirm(&mut self, newest: &Envelope, delivered: &[(u64, u64)], at: UnixMillis) {
        let (participant, node, authorisation) = &self.exporter;
        let receipt = receipt_of(newest, participant, delivered, at);
        let receipt = Receipt { authorisation: Some(authorisation.id().clone()), ..receipt };
        let text = receipt.sign(&node.key, &node.key_id).expect("signs");
        self.stage(Entry::Receipt { own: true, receipt: ByteBuf::from(text.into_bytes()) });
        self.store.commit(at).expect("kept");
    }

    /// Somebody else's receipt comes.
    ///
    /// # Panics
    /// If it cannot be signed.
    pub fn confirmed_by(
        &mut self,
        party: &Party,
        newest: &Envelope,
        delivered: &[(u64, u64)],
        at: UnixMillis,
    ) {
        let receipt = receipt_of(newest, party, delivered, at);
        let text = receipt.sign(&party.key, &party.key_id).expect("signs");
        self.stage(Entry::Receipt { own: false, receipt: ByteBuf::from(text.into_bytes()) });
        self.store.commit(at).expect("kept");
    }

    /// Somebody else's receipt comes, which refuses the message.
    ///
    /// # Panics
    /// If it cannot be signed.
    pub fn refused_by(&mut self, party: &Party, message: &Envelope, at: UnixMillis) {
        let sequence = message.header().sequence;
        let refused = vec![Refusal { sequence, reasons: vec!["GP-POLICY-UNMET".into()] }];
        let receipt = Receipt { refused, ..receipt_of(message, party, &[], at) };
        let text = receipt.sign(&party.key, &party.key_id).expect("signs");
        self.stage(Entry::Receipt { own: false, receipt: ByteBuf::from(text.into_bytes()) });
        self.store.commit(at).expect("kept");
    }

    /// A usual day: three messages by a node, two of somebody alone, one of which is refused, receipts.
    ///
    /// # Panics
    /// If it does not go as it should.
    pub fn day(&mut self) {
        for n in 0..3 {
            let sent = self.by_node.send(NOW.plus_millis(n));
            assert_eq!(self.receive(&sent, Way::Live, NOW.plus_millis(n)).verdict, Verdict::Admit);
            if n == 2 {
                self.confirm(&sent, &[(1, 3)], NOW.plus_millis(1000));
                self.confirmed_by(&Party::new(77), &sent, &[(1, 3)], NOW.plus_millis(1500));
            }
        }
        let fine = self.alone.send(NOW);
        assert_eq!(self.receive(&fine, Way::Live, NOW.plus_millis(5)).verdict, Verdict::Admit);
        let more =
            self.alone.send_with(NOW, |h| drop(h.attributes.insert("zone".into(), "GB-9".into())));
        assert_eq!(self.receive(&more, Way::Live, NOW.plus_millis(6)).verdict, Verdict::Refuse);
    }

    /// The key of the exporter's node.
    #[must_use]
    pub fn key(&self) -> NodeKey {
        let node = &self.exporter.1;
        NodeKey { key: node.key.clone(), key_id: node.key_id.clone() }
    }

    /// What is asked for, unless a test bends it: everything, an hour later.
    #[must_use]
    pub fn asked(&self) -> Export {
        Export {
            selection: Selection::of_channel(self.market.channel.clone()),
            made: NOW.plus_millis(3_600_000),
            payloads: Payloads::Include,
            keys: Keys::Keep,
        }
    }

    /// The bundle of everything.
    ///
    /// # Panics
    /// If it cannot be exported.
    #[must_use]
    pub fn export(&self) -> Vec<u8> {
        self.export_with(|_| ())
    }

    /// The same, asked otherwise.
    ///
    /// # Panics
    /// If it cannot be exported.
    #[must_use]
    pub fn export_with(&self, bend: impl FnOnce(&mut Export)) -> Vec<u8> {
        let mut asked = self.asked();
        bend(&mut asked);
        let mut bytes = Vec::new();
        export(&self.folder, &self.key(), &asked, &mut bytes, &mut |_| ()).expect("exported");
        bytes
    }

    /// What its exporter is told of the bundle of everything.
    ///
    /// # Panics
    /// If it cannot be exported.
    #[must_use]
    pub fn exported(&self) -> Exported {
        let (asked, mut bytes) = (self.asked(), Vec::new());
        export(&self.folder, &self.key(), &asked, &mut bytes, &mut |_| ()).expect("exported")
    }

    /// Verifies a bundle two hours later, by this market's trust pack.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn verify(&self, bytes: &[u8]) -> Report {
        self.try_verify(bytes).expect("a bundle")
    }

    /// The same, of what may be none.
    ///
    /// # Errors
    /// [`BundleError`].
    ///
    /// # Panics
    /// If the trust pack does not hold.
    pub fn try_verify(&self, bytes: &[u8]) -> Result<Report, BundleError> {
        let bundle = Bundle::parse(bytes)?;
        Ok(verify(&bundle, &self.pack, LATER, None).expect("a trust pack"))
    }
}

/// When bundles are verified.
pub const LATER: UnixMillis = UnixMillis::from_millis(NOW_MILLIS + 7_200_000);
const NOW_MILLIS: u64 = 1_772_366_400_000;

fn receipt_of(
    newest: &Envelope,
    recipient: &Party,
    delivered: &[(u64, u64)],
    at: UnixMillis,
) -> Receipt {
    let chain = Chain::of(newest.header());
    Receipt {
        format_version: FORMAT_VERSION,
        channel: chain.channel,
        sender: chain.sender,
        key: chain.key.as_str().to_owned(),
        recipient: recipient.did.clone(),
        authorisation: None,
        issued: at,
        delivered: delivered.to_vec(),
        kept: Vec::new(),
        refused: Vec::new(),
        newest: newest.id().clone(),
    }
}

/// What a check of a message, or of the bundle, came to.
#[must_use]
pub fn found(report: &Report, name: &str) -> Vec<(Outcome, String)> {
    let of_bundle = report.checks.iter().map(|c| (c.name, c.outcome, c.code));
    let of_messages = report.messages.iter().flat_map(|m| &m.checks);
    let all = of_bundle.chain(of_messages.map(|c| (c.name, c.outcome, c.code)));
    all.filter(|(n, ..)| *n == name).map(|(_, o, c)| (o, c.id().to_owned())).collect()
}

/// Everything that did not pass: check, outcome, code; each once.
#[must_use]
pub fn bad(report: &Report) -> Vec<String> {
    let of_bundle = report.checks.iter().map(|c| (c.name, c.outcome, c.code));
    let of_messages = report.messages.iter().flat_map(|m| &m.checks);
    let all = of_bundle.chain(of_messages.map(|c| (c.name, c.outcome, c.code)));
    let mut all: Vec<_> = all
        .filter(|(_, outcome, _)| *outcome != Outcome::Passed)
        .map(|(name, outcome, code)| format!("{name} {outcome:?} {code}"))
        .collect();
    all.sort();
    all.dedup();
    all
}
