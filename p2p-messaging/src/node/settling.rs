//! What comes by gossip, and what follows from a verdict.

use super::catch_up::{Claim, Wanted};
use super::fates::{Fate, codes_of};
use super::unreported::{Together, is_held};
use super::worker::Worker;
use crate::checking::{Arrival, Chain, Checked, Effect, Missing, Source, Verdict};
use crate::envelope::{Envelope, Header};
use crate::net::{Command, Ticket, channel_of, channel_of_keys};
use crate::store::{Entry, Kept};
use crate::sync::envelopes_in;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_policy::facts::{Admission, Question};
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId, TopicHash};
use serde_bytes::ByteBuf;

impl Worker {
    pub(super) fn gossip(
        &mut self,
        peer: PeerId,
        id: MessageId,
        topic: &TopicHash,
        data: &[u8],
        _: Ticket,
    ) {
        if let Some(channel) = channel_of_keys(topic) {
            self.stated(peer, id, &channel, data);
            return;
        }
        let Some(channel) = channel_of(topic) else {
            self.report(id, peer, MessageAcceptance::Ignore);
            return;
        };
        if channel == self.framework() {
            self.announced(peer, id, data);
            return;
        }
        let (now, name) = (self.now(), peer.to_string());
        let Ok(wires) = envelopes_in(data) else {
            self.charge(peer, super::peers::FAULT);
            self.report(id, peer, MessageAcceptance::Reject);
            return;
        };
        let known_as = self.known_as(&peer, &channel);
        let (source, known_as) = (Source::Live, known_as.as_deref());
        let arrival = Arrival { source, peer: &name, known_as, channel: Some(&channel) };
        let mut together = Together::as_of(self.checker.changes());
        let mut waiting = Vec::new();
        for wire in wires {
            let checked = self.checker.check(wire, arrival, &self.knowledge, now);
            self.metrics.checked(&checked);
            self.note_early(&checked, known_as.is_some(), now);
            let envelope = checked.envelope.as_ref();
            match envelope.filter(|_| is_held(&checked)) {
                Some(envelope) => waiting.push(envelope.id().clone()),
                None => together.take(envelope.map(|e| e.id()), checked.verdict),
            }
            let follows = envelope.is_none_or(|envelope| together.follows(envelope.header()));
            // Kept before the next, which follows it.
            self.settle(&checked, Some(peer), Source::Live);
            if !follows {
                together.at_fault = true;
                self.charge(peer, super::peers::FAULT);
            }
            if together.at_fault {
                break;
            }
        }
        // That nobody has what one lacks may be found out at once: it is given up already.
        waiting.retain(|envelope| {
            let waits = self.checker.holds(envelope);
            if !waits {
                together.take(Some(envelope), Verdict::Ignore);
            }
            waits
        });
        if waiting.is_empty() || together.at_fault {
            self.report_together(id, peer, together);
        } else {
            let since = self.uptime();
            self.unreported.hold(id, peer, (waiting, together), since);
        }
    }

    pub(super) fn report(&self, id: MessageId, peer: PeerId, acceptance: MessageAcceptance) {
        self.tell(Command::Report { id, peer, acceptance });
    }

    /// Does what a verdict asks for. What is to be kept is staged.
    pub(super) fn settle(&mut self, checked: &Checked, peer: Option<PeerId>, source: Source) {
        if let Some(peer) = peer {
            self.judge_peer(peer, checked, source);
        }
        if matches!(checked.verdict, Verdict::Refuse | Verdict::Fault) {
            let code = checked.code;
            tracing::info!(%code, verdict = ?checked.verdict, "{}", checked.sentence);
        }
        for did in self.checker.take_unknown() {
            self.ask(Missing::Did(did), peer);
        }
        for id in self.checker.take_wanted() {
            self.ask(Missing::Document(id), peer);
        }
        let Some(envelope) = &checked.envelope else { return };
        for effect in &checked.effects {
            match effect {
                Effect::Ask(missing) => self.ask_who_passed_on(missing.clone(), peer, envelope),
                Effect::Gap { chain, from, until } => {
                    if let Some(peer) = peer {
                        let (chain, claim) = (chain.clone(), Claim::None);
                        self.want_range(peer, Wanted { chain, from: *from, until: *until, claim });
                    }
                }
                Effect::Forked { first, .. } => self.forked(first, envelope),
                Effect::Keep(admission) => {
                    if let Ok((_, bytes)) = admission.encode() {
                        self.stage(Entry::Document(ByteBuf::from(bytes)));
                    }
                    self.keep_lists(admission);
                }
            }
        }
        if checked.keep {
            self.keep(checked, envelope, source);
        }
    }

    /// Keeps the status lists that were read as they are now: newer ones take their place among what
    /// the node was given, and an auditor asks what was known.
    fn keep_lists(&mut self, admission: &Admission) {
        for named in &admission.lists {
            let id = &named.evidence;
            if self.knowledge.store.has_document(id) {
                continue;
            }
            let list = self.knowledge.material.lists.iter().find(|l| l.secured().id() == id);
            let text = list.map(|l| l.secured().text().as_bytes().to_vec());
            if let Some(bytes) = text.filter(|bytes| id.verify(bytes).is_ok()) {
                self.stage(Entry::Document(ByteBuf::from(bytes)));
            }
        }
    }

    fn keep(&mut self, checked: &Checked, envelope: &Envelope, source: Source) {
        let Some(decided) = &checked.decided else { return };
        let header = envelope.header();
        // The documents that its verification needs again, from now on as durable as itself.
        // An epoch only with a message that is in it.
        let epoch = header.epoch.as_ref().filter(|_| checked.verdict == Verdict::Admit);
        let named = [Some(&header.presentation), header.authorisation.as_ref(), epoch];
        for id in named.into_iter().flatten() {
            if !self.knowledge.store.has_document(id)
                && let Some(bytes) = crate::checking::Known::document(&self.knowledge, id)
            {
                let bytes = ByteBuf::from(bytes);
                let is_epoch = Some(id) == epoch;
                self.stage(if is_epoch { Entry::Epoch(bytes) } else { Entry::Document(bytes) });
            }
        }
        self.knowledge.material.keep_identity(&header.sender);
        let Some(wire) = envelope.to_wire() else { return };
        let own = header.sender == self.me.participant;
        let facts = match &decided.question {
            Question::Publish(facts) => Some(facts),
            Question::Subscribe | Question::Keep | Question::Use(_) => None,
        };
        let reasons = decided.ruling.reasons.iter().map(|r| r.code.clone()).collect();
        let allowed = checked.verdict == Verdict::Admit;
        let kept = Kept {
            envelope: ByteBuf::from(wire),
            whole: true,
            allowed,
            deliver: checked.deliver && !own,
            caught_up: source == Source::CatchUp,
            at: decided.at,
            arrived: facts.and_then(|f| f.arrived),
            admission: decided.admission.clone(),
            payload: facts.and_then(|f| f.payload.clone()),
            sealing: facts.and_then(|f| f.sealing.clone()),
            sent_last_minute: facts.and_then(|f| f.sent_last_minute),
            reasons,
        };
        if let Err(e) = self.knowledge.store.stage_envelope(envelope, kept) {
            tracing::error!(code = %e.code(), "not staged: {e}");
            return;
        }
        let keeps = allowed && header.is_sealed() && !self.checker.reads(&header.channel);
        let fate = match (allowed, checked.deliver) {
            (false, _) => Some(Fate::Refused(codes_of(&decided.ruling.reasons))),
            (true, true) => Some(Fate::Delivered),
            // It is confirmed when it is opened. For somebody else, who is told so by none but its keepers.
            (true, false) => keeps.then_some(Fate::Kept),
        };
        if allowed && !own {
            self.heard(&header.channel);
            if source == Source::Live {
                let now = self.now();
                self.believed.heard(header.issued, now);
            }
        }
        if checked.unopened && !own {
            self.note_unopened(envelope);
        }
        if let Some(fate) = fate {
            self.confirm(header, envelope.id().clone(), fate);
        }
    }

    /// Confirms a message to its sender, where the channel has receipts.
    pub(super) fn confirm(&mut self, header: &Header, id: EnvelopeId, fate: Fate) {
        let receipts =
            self.checker.policy(&header.channel).is_some_and(|p| p.descriptor().receipts);
        if receipts && header.sender != self.me.participant {
            let fates = self.to_confirm.entry(Chain::of(header)).or_default();
            fates.insert(header.sequence, (id, fate));
        }
    }
}
