//! Receipts on their way: signed in batches, kept, handed to the sender, and those of others taken.

use super::fetch::Question;
use super::worker::Worker;
use crate::checking::{Chain, Known as _};
use crate::receipt::{FORMAT_VERSION, MAX_ENTRIES, Receipt, Refusal, SignedReceipt, ranges};
use crate::store::Entry;
use crate::sync::{MAX_RECEIPTS, Request, Response};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{AuthorisationExpectation, verify_authorisation};
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{Resolver as _, TimeBasis};
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;

/// A message's name, and why it was refused, if it was.
type Fate = (EnvelopeId, Result<(), Vec<String>>);

/// What became of messages of a chain, not yet signed for.
#[derive(Default)]
struct Open {
    outcomes: BTreeMap<u64, Fate>,
}

/// Receipts that are due.
#[derive(Default)]
pub(super) struct Receipts {
    open: BTreeMap<Chain, Open>,
    /// Own receipts that were kept with this group, and go out with the next tick.
    due: bool,
}

impl Receipts {
    /// A message became durable here: delivered, or refused for these reasons.
    pub(super) fn note(
        &mut self,
        chain: Chain,
        sequence: u64,
        id: EnvelopeId,
        outcome: Result<(), Vec<String>>,
    ) {
        self.open.entry(chain).or_default().outcomes.insert(sequence, (id, outcome));
    }
}

/// The name under which is kept how far the receipts for a sender were handed over.
fn cursor(sender: &gridpass_identity::did::Did) -> String {
    format!("receipts for {sender}")
}

impl Worker {
    /// Signs what is due. It is kept with the next group, and handed over after it.
    pub(super) fn tick_receipts(&mut self, now: UnixMillis) {
        if std::mem::take(&mut self.receipts.due) {
            for peer in self.peers.open().collect::<Vec<_>>() {
                self.hand_over_receipts(peer);
            }
        }
        for (chain, open) in std::mem::take(&mut self.receipts.open) {
            let mut all = open.outcomes.into_iter().peekable();
            while all.peek().is_some() {
                // The worst case is one entry for each message.
                let batch: Vec<_> = all.by_ref().take(MAX_ENTRIES).collect();
                self.sign_receipt(&chain, &batch, now);
            }
        }
    }

    fn sign_receipt(&mut self, chain: &Chain, batch: &[(u64, Fate)], now: UnixMillis) {
        let Some((_, (newest, _))) = batch.last() else { return };
        let delivered = batch.iter().filter(|(_, (_, o))| o.is_ok()).map(|(n, _)| *n);
        let refused = batch.iter().filter_map(|(sequence, (_, outcome))| {
            let mut reasons = outcome.as_ref().err()?.clone();
            reasons.truncate(16);
            Some(Refusal { sequence: *sequence, reasons })
        });
        let authorisation = self.knowledge.material.authorisation.as_ref();
        let receipt = Receipt {
            format_version: FORMAT_VERSION,
            channel: chain.channel.clone(),
            sender: chain.sender.clone(),
            key: chain.key.as_str().to_owned(),
            recipient: self.me.participant.clone(),
            authorisation: authorisation
                .filter(|_| self.me.participant != self.me.node)
                .map(|a| a.id.clone()),
            issued: now,
            delivered: ranges(delivered),
            refused: refused.collect(),
            newest: newest.clone(),
        };
        match receipt.sign(&self.me.key, &self.me.key_id) {
            Ok(text) => {
                let receipt = ByteBuf::from(text.into_bytes());
                self.stage(Entry::Receipt { own: true, receipt });
                self.receipts.due = true;
            }
            Err(e) => tracing::error!(code = %e.code(), "no receipt: {e}"),
        }
    }

    /// Hands the receipts over that a peer's participant has not got yet.
    pub(super) fn hand_over_receipts(&mut self, peer: PeerId) {
        let Some(sender) = self.guests.participant(&peer.to_string()).cloned() else { return };
        let after = self.knowledge.store.cursor(&cursor(&sender));
        let mut bytes = 0_usize;
        let due = self.knowledge.store.own_receipts(&sender, after, MAX_RECEIPTS);
        let due: Vec<_> = due
            .into_iter()
            .take_while(|(_, text)| {
                bytes = bytes.saturating_add(text.len()).saturating_add(8);
                bytes < crate::sync::MAX_REQUEST.saturating_sub(1024)
            })
            .collect();
        let Some((until, _)) = due.last() else { return };
        let question = Question::Receipts(*until);
        let receipts = due.into_iter().map(|(_, text)| ByteBuf::from(text)).collect();
        self.question_as(peer, Request::Receipts(receipts), question);
    }

    /// The peer's participant has the receipts up to this one.
    pub(super) fn receipts_taken(&mut self, peer: PeerId, until: u64) {
        let Some(sender) = self.guests.participant(&peer.to_string()).cloned() else { return };
        let reader = cursor(&sender);
        if self.knowledge.store.cursor(&reader) >= until {
            return;
        }
        self.stage(Entry::Cursor { reader, number: until });
        self.receipts.due = true;
    }

    /// Receipts of others came. The answer goes out when they are durable.
    pub(super) fn receipts_came(&mut self, receipts: &[ByteBuf]) -> Response {
        let mut memo = SignatureMemo::default();
        for text in receipts {
            match self.check_receipt(text, &mut memo) {
                Ok(()) => {
                    self.metrics.receipt();
                    self.stage(Entry::Receipt { own: false, receipt: text.clone() });
                }
                Err(why) => tracing::info!("a receipt was not taken: {why}"),
            }
        }
        Response::Taken
    }

    /// Whether it is about messages of this node's, by who it says.
    fn check_receipt(&self, text: &[u8], memo: &mut SignatureMemo) -> Result<(), String> {
        let now = self.now();
        let signed = SignedReceipt::parse(text).map_err(|e| e.to_string())?;
        let receipt = signed.receipt();
        let chain = receipt.chain().map_err(|e| e.to_string())?;
        if chain.sender != self.me.participant {
            return Err("it is about messages of somebody else".into());
        }
        let newest = self.knowledge.store.at(&chain, receipt.until());
        if newest.is_none_or(|link| link.id != receipt.newest) {
            return Err("it is about messages that are not known here".into());
        }
        let resolution = self.knowledge.material.identities.resolve(signed.key().did());
        let resolution = resolution.map_err(|e| e.to_string())?;
        let purpose = Relationship::CapabilityInvocation;
        let (check, key) = resolution.key_at(signed.key(), purpose, now, TimeBasis::Claimed);
        let key = key.filter(|_| check.outcome == Outcome::Passed).ok_or(check.sentence)?;
        signed.verify(&key).map_err(|e| e.to_string())?;
        if let Some(id) = &receipt.authorisation {
            let bytes = self.knowledge.document(id).ok_or("its authorisation is not here")?;
            let expect = AuthorisationExpectation {
                now,
                clock: now,
                principal: &receipt.recipient,
                node: signed.key().did(),
                purpose: NodePurpose::Messages,
                channel: Some(&receipt.channel),
                max_status_age_seconds: u64::MAX / 2000,
            };
            let report = verify_authorisation(&bytes, &self.knowledge.evidence(), &expect, memo);
            let deciding = report.report.deciding();
            if report.report.outcome() != Outcome::Passed {
                return Err(deciding.map_or_else(String::new, |c| c.sentence.clone()));
            }
        }
        Ok(())
    }
}
