//! The first reading of the log: which messages are selected, where they stand, what is said of them.

use super::{Export, Keys, Payloads, Progress};
use crate::bundle::{MessageEntry, OpenedEntry, PayloadState, Selection};
use crate::checking::Chain;
use crate::envelope::{Envelope, Header};
use crate::log::{LogError, LogSnapshot, Place, Record};
use crate::receipt::{Receipt, SignedReceipt};
use crate::store::{Entry, Kept};
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::time::UnixMillis;
use std::collections::{BTreeMap, HashMap};

/// How often it is told how far it is, in records.
const TELL: u64 = 4096;

/// Where a record stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) number: u64,
    pub(super) place: Place,
}

/// A message that is selected, and what its header names.
pub(super) struct Selected {
    pub(super) at: At,
    pub(super) header: Header,
    pub(super) entry: MessageEntry,
}

/// A receipt for messages of the channel.
pub(super) struct Signed {
    pub(super) at: At,
    pub(super) logged: UnixMillis,
    pub(super) chain: Chain,
    pub(super) receipt: Receipt,
    /// Whether this node signed it.
    pub(super) own: bool,
}

/// A proof that a sender of the channel contradicts itself.
pub(super) struct Fork {
    pub(super) chain: Chain,
    pub(super) first: EnvelopeId,
    pub(super) second: Vec<u8>,
}

/// What was found in the log.
pub(super) struct Gathered {
    selection: Selection,
    payload: PayloadState,
    grants_too: bool,
    pub(super) messages: Vec<Selected>,
    /// Every envelope of the channel: proofs name some.
    pub(super) envelopes: HashMap<EnvelopeId, At>,
    pub(super) documents: HashMap<ContentId, At>,
    opened: HashMap<EnvelopeId, OpenedEntry>,
    pub(super) receipts: Vec<Signed>,
    pub(super) forks: Vec<Fork>,
    /// Keys that this node was handed, by epoch.
    pub(super) grants: HashMap<ContentId, Vec<At>>,
    /// The numbers of records that are whole and cannot be read.
    pub(super) unread: Vec<u64>,
    /// The first record of a version that is not known here.
    pub(super) of_another_version: Option<u64>,
    pub(super) last: u64,
}

impl Gathered {
    pub(super) fn new(asked: &Export) -> Self {
        Self {
            selection: asked.selection.clone(),
            payload: match asked.payloads {
                Payloads::Include => PayloadState::Here,
                Payloads::Withhold => PayloadState::Withheld,
            },
            grants_too: asked.keys == Keys::Disclose,
            messages: Vec::new(),
            envelopes: HashMap::new(),
            documents: HashMap::new(),
            opened: HashMap::new(),
            receipts: Vec::new(),
            forks: Vec::new(),
            grants: HashMap::new(),
            unread: Vec::new(),
            of_another_version: None,
            last: 0,
        }
    }

    /// Reads the whole log once. Gives how many places of it are damaged.
    pub(super) fn read(
        &mut self,
        log: &LogSnapshot,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<usize, LogError> {
        let mut records = 0_u64;
        let damaged = log.each(&mut |place, record| {
            self.take(At { number: record.number, place }, record);
            self.last = self.last.max(record.number);
            records = records.saturating_add(1);
            if records.checked_rem(TELL) == Some(0) {
                let messages = u64::try_from(self.messages.len()).unwrap_or(u64::MAX);
                progress(Progress::Read { records, messages });
            }
        })?;
        self.keep_what_speaks();
        Ok(damaged)
    }

    fn take(&mut self, at: At, record: &Record) {
        let Some(entry) = Entry::decode(&record.body) else {
            if Entry::is_of_another_version(&record.body) {
                self.of_another_version.get_or_insert(at.number);
            }
            self.unread.push(at.number);
            return;
        };
        match entry {
            Entry::Envelope(kept) => self.take_message(at, record.at, *kept),
            Entry::Document(bytes) | Entry::Epoch(bytes) => {
                if let Ok(id) = ContentId::of_bytes(&bytes) {
                    self.documents.insert(id, at);
                }
            }
            Entry::Fork { first, second } => {
                let chain = Envelope::parse_block(&second).map(|e| Chain::of(e.header()));
                if let Some(chain) = chain.ok().filter(|c| c.channel == self.selection.channel) {
                    self.forks.push(Fork { chain, first, second: second.into_vec() });
                }
            }
            Entry::Opened { envelope, deliver, payload, at: opened } => {
                let (number, logged) = (at.number, record.at);
                let entry = OpenedEntry { number, logged, deliver, facts: payload, at: opened };
                self.opened.insert(envelope, entry);
            }
            Entry::Receipt { receipt, own } => {
                let signed = SignedReceipt::parse(&receipt).ok();
                let of_channel = |r: &&Receipt| r.channel == self.selection.channel;
                let receipt = signed.as_ref().map(SignedReceipt::receipt).filter(of_channel);
                if let Some((receipt, chain)) = receipt.and_then(|r| Some((r, r.chain().ok()?))) {
                    let (logged, receipt) = (record.at, receipt.clone());
                    self.receipts.push(Signed { at, logged, chain, receipt, own });
                }
            }
            Entry::Grant { channel, epochs, .. } => {
                if self.grants_too && channel == self.selection.channel {
                    for epoch in epochs {
                        self.grants.entry(epoch).or_default().push(at);
                    }
                }
            }
            Entry::Cursor { .. } | Entry::Sent { .. } | Entry::Forgotten(_) => {}
        }
    }

    fn take_message(&mut self, at: At, logged: UnixMillis, kept: Kept) {
        let Ok(envelope) = kept.envelope() else {
            self.unread.push(at.number);
            return;
        };
        let header = envelope.header();
        if header.channel != self.selection.channel {
            return;
        }
        self.envelopes.insert(envelope.id().clone(), at);
        if !self.selection.takes(header, envelope.id()) {
            return;
        }
        let Some(link) = envelope.to_block().ok().and_then(|b| crate::bundle::envelope_link(&b))
        else {
            return;
        };
        let payload = match (self.payload, kept.whole) {
            (PayloadState::Here, false) => PayloadState::Gone,
            (state, _) => state,
        };
        let here = payload == PayloadState::Here;
        let entry = MessageEntry {
            envelope: link,
            payload,
            content: here.then(|| envelope.payload_id().to_cid().ok()).flatten(),
            number: at.number,
            logged,
            allowed: kept.allowed,
            deliver: kept.deliver,
            caught_up: kept.caught_up,
            at: kept.at,
            arrived: kept.arrived,
            admission: kept.admission,
            facts: kept.payload,
            sealing: kept.sealing,
            sent_last_minute: kept.sent_last_minute,
            reasons: kept.reasons,
            opened: None,
            key: None,
        };
        self.messages.push(Selected { at, header: header.clone(), entry });
    }

    /// Keeps of what was found beside the messages only what is about one that is selected.
    fn keep_what_speaks(&mut self) {
        let mut numbers: BTreeMap<Chain, BTreeMap<u64, ()>> = BTreeMap::new();
        for selected in &mut self.messages {
            let id = EnvelopeId::parse(&selected.entry.envelope.to_string());
            selected.entry.opened = id.ok().and_then(|id| self.opened.remove(&id));
            let of_chain = numbers.entry(Chain::of(&selected.header)).or_default();
            of_chain.insert(selected.header.sequence, ());
        }
        self.receipts.retain(|signed| {
            let Some(known) = numbers.get(&signed.chain) else { return false };
            let ranges = signed.receipt.delivered.iter().chain(&signed.receipt.kept).copied();
            let refused = signed.receipt.refused.iter().map(|r| (r.sequence, r.sequence));
            let mut all = ranges.chain(refused);
            all.any(|(from, until)| known.range(from..=until.max(from)).next().is_some())
        });
        self.forks.retain(|fork| numbers.contains_key(&fork.chain));
    }
}
