//! Participants that exchange envelopes in the channel of [`crate::channels`], and a memory of what
//! each of them knows.

use crate::channels;
use crate::world::{self, NOW, Party, days_ago, in_days};
use gridpass_credentials::authorisation::{NodeAuthorisation, NodePurpose};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::{Binding, Form, Secured};
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{Evidence, SeenLists};
use gridpass_credentials::visa::{Purpose, StatusEntry};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::Fixed;
use gridpass_messaging::checking::{
    Arrival, Chain, Checked, Checker, Effect, Known, Limits, Link, Missing, Source, Verdict,
};
use gridpass_messaging::codes;
use gridpass_messaging::envelope::{Envelope, Header};
use gridpass_messaging::sealing::{Opening, Outline, Ring};
use gridpass_messaging::store::Kept;
use gridpass_policy::channel::ChannelDescriptor;
use gridpass_policy::policy::Policy;
use serde_bytes::ByteBuf;
use serde_json::json;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A regulator that accredits aggregators, and the channel in which they bid.
pub struct Market {
    /// The regulator.
    pub regulator: Party,
    /// The role of aggregators.
    pub role: RoleDefinition,
    /// The role of those who read, where the channel asks for one that somebody has.
    pub operators: Option<RoleDefinition>,
    /// What everybody trusts.
    pub trust: Arc<Trust>,
    /// The channel.
    pub descriptor: ChannelDescriptor,
    /// Its name.
    pub channel: ContentId,
}

impl Default for Market {
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl Market {
    /// A market whose channel is bent.
    #[must_use]
    pub fn new(bend: impl FnOnce(&mut ChannelDescriptor)) -> Self {
        let regulator = Party::new(1);
        let role = world::definition("flex.gb.aggregator", world::dids(&[&regulator]), |_| ());
        let trust = world::trust(&[&regulator], &[&role]);
        let framework = trust.history()[0].id().clone();
        let descriptor = channels::bids(&regulator.did, |d| {
            d.framework = framework;
            bend(d);
        });
        let (channel, _) = descriptor.encode().expect("a descriptor");
        Self { regulator, role, operators: None, trust: Arc::new(trust), descriptor, channel }
    }

    /// The same with system operators, who may read.
    #[must_use]
    pub fn with_operators(bend: impl FnOnce(&mut ChannelDescriptor)) -> Self {
        Self::operated(bend, |_, _| ())
    }

    /// The same, and the system operators may revoke the visas of aggregators.
    #[must_use]
    pub fn revoked_by_operators(bend: impl FnOnce(&mut ChannelDescriptor)) -> Self {
        Self::operated(bend, |role, operators| role.revokers = Some(world::holders(&[operators])))
    }

    fn operated(
        bend: impl FnOnce(&mut ChannelDescriptor),
        bend_role: impl FnOnce(&mut RoleDefinition, &RoleDefinition),
    ) -> Self {
        let regulator = Party::new(1);
        let operators = world::definition("flex.gb.dso", world::dids(&[&regulator]), |_| ());
        let role = world::definition("flex.gb.aggregator", world::dids(&[&regulator]), |d| {
            bend_role(d, &operators);
        });
        let trust = Arc::new(world::trust(&[&regulator], &[&role, &operators]));
        let framework = trust.history()[0].id().clone();
        let descriptor = channels::bids(&regulator.did, |d| {
            d.framework = framework;
            bend(d);
        });
        let (channel, _) = descriptor.encode().expect("a descriptor");
        Self { regulator, role, operators: Some(operators), trust, descriptor, channel }
    }

    /// The channel's policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::compile(self.descriptor.clone()).expect("a policy")
    }

    /// The presentation of an accredited aggregator, for this channel, for thirty days.
    #[must_use]
    pub fn presentation(&self, aggregator: &Party) -> Secured {
        self.presentation_for(aggregator, &self.channel)
    }

    /// The same for another channel.
    #[must_use]
    pub fn presentation_for(&self, aggregator: &Party, channel: &ContentId) -> Secured {
        let visa = world::visa(&self.regulator, aggregator, &self.role, |_| ());
        let visa = world::issue(&self.regulator, &visa);
        let binding = Binding { audience: channel.to_string(), nonce: None, expires: in_days(30) };
        world::present_as(aggregator, &[&visa], Form::Jwt, &binding)
    }

    /// A list under the regulator's id by which an operator revokes an aggregator's visa, carrying the
    /// operator's own.
    ///
    /// # Panics
    /// If the market has no operators.
    #[must_use]
    pub fn revoked_by(&self, operator: &Party, aggregator: &Party, at: UnixMillis) -> StatusList {
        let operators = self.operators.as_ref().expect("operators");
        let office = world::visa(&self.regulator, operator, operators, |_| ());
        let office = world::issue(&self.regulator, &office);
        let visa = world::visa(&self.regulator, aggregator, &self.role, |_| ());
        let entry = visa.status_of(Purpose::Revocation).expect("an entry");
        let change = Change { index: entry.index, set: true, at };
        let purpose = Purpose::Revocation;
        world::list_carrying(&self.regulator, operator, purpose, &[change], &[&office])
    }

    /// The regulator's and these parties' status lists, with nothing set.
    #[must_use]
    pub fn lists(&self, parties: &[&Party]) -> Vec<StatusList> {
        let mut all = vec![&self.regulator];
        all.extend(parties);
        world::clear_lists(&all)
    }

    /// Somebody who checks what comes in this channel, and knows these documents.
    #[must_use]
    pub fn peer(&self, me: &Party, documents: &[&Secured], lists: Vec<StatusList>) -> Peer {
        let mut checker = Checker::new(me.did.clone(), &Limits::default());
        checker.join(self.policy(), channels::schemas(), true);
        let memory = Memory::new(Arc::clone(&self.trust), lists, documents);
        Peer { checker, memory }
    }
}

/// A sender with its place in its chain.
#[derive(Clone)]
pub struct Sender {
    /// Who.
    pub party: Party,
    /// The node that signs, if it is not itself, and its authorisation.
    pub node: Option<(Party, ContentId)>,
    /// The presentation that it names.
    pub presentation: ContentId,
    /// The channel.
    pub channel: ContentId,
    /// How many it has sent.
    pub sent: u64,
    /// The last one.
    pub last: Option<EnvelopeId>,
}

impl Sender {
    /// One who signs itself.
    #[must_use]
    pub fn new(party: &Party, presentation: &Secured, channel: &ContentId) -> Self {
        Self {
            party: party.clone(),
            node: None,
            presentation: presentation.id().clone(),
            channel: channel.clone(),
            sent: 0,
            last: None,
        }
    }

    /// The header of its next message.
    #[must_use]
    pub fn header(&self, zone: &str, at: UnixMillis) -> Header {
        let attributes = json!({"zone": zone, "quantityKw": 5});
        let key = self.node.as_ref().map_or(&self.party, |(node, _)| node).key_id.clone();
        Header {
            channel: self.channel.clone(),
            topic: "bids".into(),
            topic_version: 1,
            schema: channels::schema(),
            media_type: "application/json".into(),
            sender: self.party.did.clone(),
            key,
            authorisation: self.node.as_ref().map(|(_, a)| a.clone()),
            presentation: self.presentation.clone(),
            sequence: self.sent + 1,
            previous: self.last.clone(),
            issued: at,
            expires: at.plus_millis(60_000),
            recipients: Vec::new(),
            thread: None,
            attributes: attributes.as_object().expect("an object").clone(),
            epoch: None,
        }
    }

    /// Signs a header, without noting that it was sent.
    #[must_use]
    pub fn sign(&self, header: Header, payload: &[u8]) -> Envelope {
        let key = &self.node.as_ref().map_or(&self.party, |(node, _)| node).key;
        Envelope::sign(header, payload.to_vec(), key).expect("signs")
    }

    /// Its next message, bent before it is signed.
    pub fn send_with(&mut self, at: UnixMillis, bend: impl FnOnce(&mut Header)) -> Envelope {
        let mut header = self.header("GB-1", at);
        bend(&mut header);
        let made = self.sign(header, b"{\"bid\":5}");
        self.sent += 1;
        self.last = Some(made.id().clone());
        made
    }

    /// Its next message.
    pub fn send(&mut self, at: UnixMillis) -> Envelope {
        self.send_with(at, |_| ())
    }
}

/// An authorisation of a node by its participant, for messages in every channel.
#[must_use]
pub fn authorise(
    principal: &Party,
    node: &Party,
    bend: impl FnOnce(&mut NodeAuthorisation),
) -> Secured {
    let mut authorisation = NodeAuthorisation {
        id: "urn:example:authorisation".into(),
        principal: principal.did.clone(),
        node: node.did.clone(),
        purposes: [NodePurpose::Messages].into(),
        channels: None,
        valid_from: days_ago(1),
        valid_until: in_days(20),
        status: StatusEntry {
            purpose: Purpose::Revocation,
            list: principal.list_id(Purpose::Revocation),
            index: 77,
        },
    };
    bend(&mut authorisation);
    let credential = authorisation.to_credential().expect("an authorisation");
    world::sign_credential(principal, &credential, Form::Jwt, days_ago(1))
}

/// An envelope as a node keeps it that admitted it.
#[must_use]
pub fn kept(envelope: &Envelope) -> Kept {
    Kept {
        envelope: ByteBuf::from(envelope.to_wire().expect("a payload")),
        whole: true,
        allowed: true,
        deliver: true,
        caught_up: false,
        at: NOW,
        arrived: None,
        admission: ContentId::of_nothing(),
        payload: None,
        sealing: None,
        sent_last_minute: None,
        reasons: Vec::new(),
    }
}

/// Every code that a verdict gives, causes included.
#[must_use]
pub fn all_codes(checked: &Checked) -> Vec<String> {
    let reasons = checked.decided.iter().flat_map(|d| &d.ruling.reasons);
    let told = reasons.flat_map(|r| {
        std::iter::once(r.code.clone()).chain(r.causes.iter().map(|c| c.code.clone()))
    });
    std::iter::once(checked.code.id().to_owned()).chain(told).collect()
}

/// Asserts a verdict and that a code is among its reasons.
#[track_caller]
pub fn expect(checked: &Checked, verdict: Verdict, code: Code) {
    assert_eq!(checked.verdict, verdict, "{checked:?}");
    assert!(all_codes(checked).contains(&code.id().to_owned()), "{:?}: {code}", all_codes(checked));
}

/// Asserts that it was admitted.
#[track_caller]
pub fn admitted(checked: &Checked) {
    assert_eq!(checked.verdict, Verdict::Admit, "{} {}", checked.code, checked.sentence);
}

/// What a peer knows, in memory.
pub struct Memory {
    /// What is trusted.
    pub trust: Arc<Trust>,
    /// The status lists.
    pub lists: Vec<StatusList>,
    documents: HashMap<ContentId, Vec<u8>>,
    resolver: OfflineResolver<'static>,
    seen: SeenLists,
    links: HashMap<(Chain, u64), Link>,
    heads: HashMap<Chain, u64>,
    /// The keys of sealed channels.
    pub ring: RefCell<Ring>,
    /// What the epochs cost of which a message was kept.
    epochs: HashMap<ContentId, Outline>,
    /// Chains that contradict themselves by two messages that are kept.
    pub forks: HashSet<Chain>,
    /// Those of them where the two have one number.
    pub proofs: HashSet<Chain>,
}

impl Memory {
    fn new(trust: Arc<Trust>, lists: Vec<StatusList>, documents: &[&Secured]) -> Self {
        let mut memory = Self {
            trust,
            lists,
            documents: HashMap::new(),
            resolver: OfflineResolver::new(&NoSnapshots),
            seen: SeenLists::new(),
            links: HashMap::new(),
            heads: HashMap::new(),
            ring: RefCell::default(),
            epochs: HashMap::new(),
            forks: HashSet::new(),
            proofs: HashSet::new(),
        };
        documents.iter().for_each(|d| memory.learn(d));
        memory
    }

    /// A document came.
    pub fn learn(&mut self, document: &Secured) {
        self.documents.insert(document.id().clone(), document.text().as_bytes().to_vec());
    }

    /// Bytes came that are named so.
    pub fn learn_bytes(&mut self, id: ContentId, bytes: Vec<u8>) {
        self.documents.insert(id, bytes);
    }

    /// Keeps an envelope, allowed or refused.
    pub fn keep(&mut self, envelope: &Envelope) {
        let header = envelope.header();
        let chain = Chain::of(header);
        let link = Link {
            id: envelope.id().clone(),
            previous: header.previous.clone(),
            issued: header.issued,
        };
        let head = self.heads.entry(chain.clone()).or_default();
        *head = (*head).max(header.sequence);
        self.links.insert((chain, header.sequence), link);
    }

    /// What is known of a did:webvh, in the place of what was known of any.
    pub fn know(&mut self, known: Fixed) {
        // For as long as the test runs.
        self.resolver = OfflineResolver::new(Box::leak(Box::new(known)));
    }

    /// As if epochs of a sender's chain had begun at a time that cost so much.
    pub fn spend(&mut self, chain: Chain, begun: UnixMillis, cost: u64) {
        let first = u64::try_from(self.epochs.len()).unwrap_or(u64::MAX);
        let id = ContentId::of_bytes(&first.to_be_bytes()).expect("a name");
        self.epochs.insert(id, Outline { chain, first, begun, cost });
    }

    /// Keeps the epoch of an envelope that was admitted.
    pub fn keep_epoch(&mut self, header: &Header) {
        if let Some(id) = &header.epoch
            && let Some(epoch) = self.documents.get(id).and_then(|b| Outline::read(b))
        {
            self.epochs.insert(id.clone(), epoch);
        }
    }
}

impl Known for Memory {
    fn at(&self, chain: &Chain, sequence: u64) -> Option<Link> {
        self.links.get(&(chain.clone(), sequence)).cloned()
    }

    fn head(&self, chain: &Chain) -> Option<u64> {
        self.heads.get(chain).copied()
    }

    fn forked(&self, chain: &Chain) -> bool {
        self.forks.contains(chain)
    }

    fn proven(&self, chain: &Chain) -> bool {
        self.proofs.contains(chain)
    }

    fn document(&self, id: &ContentId) -> Option<Vec<u8>> {
        self.documents.get(id).cloned()
    }

    fn keeps_epoch(&self, id: &ContentId) -> bool {
        self.epochs.contains_key(id)
    }

    fn epochs_cost(&self, sender: (&ContentId, &Did), hour: u64) -> u64 {
        let of_it =
            |e: &&Outline| (&e.chain.channel, &e.chain.sender) == sender && e.hour() == hour;
        self.epochs.values().filter(of_it).map(|e| e.cost).sum()
    }

    fn open(&self, envelope: &Envelope) -> Opening {
        self.ring.borrow_mut().open(envelope)
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            trust: &self.trust,
            lists: &self.lists,
            resolver: &self.resolver,
            seen: &self.seen,
        }
    }
}

/// Somebody who checks what comes, and keeps what has its place.
pub struct Peer {
    /// The checking core.
    pub checker: Checker,
    /// What is known.
    pub memory: Memory,
}

impl Peer {
    /// Checks an envelope that came live, and keeps it if it is to be kept.
    pub fn receive(&mut self, envelope: &Envelope, now: UnixMillis) -> Checked {
        self.receive_by(envelope, Source::Live, now)
    }

    /// The same, however it came.
    pub fn receive_by(&mut self, envelope: &Envelope, source: Source, now: UnixMillis) -> Checked {
        let wire = envelope.to_wire().expect("a payload");
        let checked = self.check(&wire, source, now);
        self.note(&checked);
        checked
    }

    /// Checks bytes that a peer passed on.
    pub fn check(&mut self, wire: &[u8], source: Source, now: UnixMillis) -> Checked {
        let arrival = Arrival { source, peer: "a peer", known_as: None, channel: None };
        self.checker.check(wire, arrival, &self.memory, now)
    }

    /// Something came: checks what waited for it, one after the other.
    pub fn came(&mut self, what: &Missing, now: UnixMillis) -> Vec<Checked> {
        let mut all = Vec::new();
        for held in self.checker.came(what) {
            let checked = self.checker.check_again(&held, &self.memory, now);
            self.note(&checked);
            all.push(checked);
        }
        all
    }

    /// Keeps what has its place.
    pub fn note(&mut self, checked: &Checked) {
        if let Some(envelope) = &checked.envelope
            && checked.effects.iter().any(|e| matches!(e, Effect::Forked { .. }))
        {
            let chain = Chain::of(envelope.header());
            if checked.code == codes::SEQUENCE_FORK {
                self.memory.proofs.insert(chain.clone());
            }
            self.memory.forks.insert(chain);
        }
        if let Some(envelope) = checked.envelope.as_ref().filter(|_| checked.keep) {
            self.memory.keep(envelope);
            if checked.verdict == Verdict::Admit {
                self.memory.keep_epoch(envelope.header());
            }
        }
    }
}

/// A market, an accredited aggregator as sender, and somebody who receives.
#[must_use]
pub fn scene() -> (Market, Sender, Peer) {
    let market = Market::default();
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let sender = Sender::new(&aggregator, &presentation, &market.channel);
    let peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    (market, sender, peer)
}

/// A moment after [`NOW`].
#[must_use]
pub fn later(millis: u64) -> UnixMillis {
    NOW.plus_millis(millis)
}
