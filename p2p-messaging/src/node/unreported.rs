//! Messages of gossip of which is not said yet what is to become of them: an envelope in them waits.

use super::worker::Worker;
use crate::checking::{Chain, Checked, Missing, Verdict};
use crate::codes;
use crate::envelope::Header;
use crate::net::{Command, topic_of};
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_identity::time::UnixMillis;
use libp2p::PeerId;
use libp2p::gossipsub::{MessageAcceptance, MessageId};
use std::collections::HashMap;

/// How long a message that waits keeps its place in gossip, in milliseconds: gossip itself forgets
/// it after five seconds.
const UNREPORTED_MILLIS: u64 = 4000;

/// What the envelopes of a message come to together: it is passed on where each is admitted, and not
/// else. What was admitted before may be refused by others by now, so it does not pass either.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Together {
    last: Option<(Chain, u64)>,
    admitted: Vec<EnvelopeId>,
    held_back: bool,
    pub(super) at_fault: bool,
    /// How often something had changed that rights rest on when the first of it was judged.
    as_of: u64,
}

impl Together {
    /// Of none yet.
    pub(super) fn as_of(changes: u64) -> Self {
        Self { as_of: changes, ..Self::default() }
    }

    /// Whether an envelope comes after the one before it in its chain, as in every batch that its sender
    /// made: of any others a bearer could put together as many as it likes.
    pub(super) fn follows(&mut self, header: &Header) -> bool {
        let place = (Chain::of(header), header.sequence);
        let follows = self
            .last
            .as_ref()
            .is_none_or(|(chain, sequence)| *chain == place.0 && *sequence < place.1);
        self.last = Some(place);
        follows
    }

    /// With one more, which does not wait any longer.
    pub(super) fn take(&mut self, envelope: Option<&EnvelopeId>, verdict: Verdict) {
        match verdict {
            Verdict::Admit => self.admitted.extend(envelope.cloned()),
            Verdict::Fault => self.at_fault = true,
            Verdict::Refuse | Verdict::Ignore | Verdict::Wait => self.held_back = true,
        }
    }

    pub(super) fn acceptance(&self) -> MessageAcceptance {
        match (self.at_fault, self.held_back) {
            (true, _) => MessageAcceptance::Reject,
            (false, true) => MessageAcceptance::Ignore,
            (false, false) => MessageAcceptance::Accept,
        }
    }
}

/// Whether it is held until what it waits for comes.
pub(super) fn is_held(checked: &Checked) -> bool {
    checked.verdict == Verdict::Wait && checked.code != codes::WAITED_TOO_LONG
}

struct Open {
    peer: PeerId,
    since: UnixMillis,
    waiting: usize,
    so_far: Together,
}

/// Those messages, and the envelopes that they wait for.
#[derive(Default)]
pub(super) struct Unreported {
    messages: HashMap<MessageId, Open>,
    /// In which messages each waits.
    envelopes: HashMap<EnvelopeId, Vec<MessageId>>,
}

impl Unreported {
    /// Holds a message until these of its envelopes are decided.
    pub(super) fn hold(
        &mut self,
        message: MessageId,
        peer: PeerId,
        (waiting, so_far): (Vec<EnvelopeId>, Together),
        since: UnixMillis,
    ) {
        let open = Open { peer, since, waiting: waiting.len(), so_far };
        self.messages.insert(message.clone(), open);
        for id in waiting {
            self.envelopes.entry(id).or_default().push(message.clone());
        }
    }

    /// One that waited is decided. Gives the messages that are decided with it.
    fn decided(
        &mut self,
        envelope: &EnvelopeId,
        verdict: Verdict,
    ) -> Vec<(MessageId, PeerId, Together)> {
        let mut decided = Vec::new();
        for message in self.envelopes.remove(envelope).unwrap_or_default() {
            let Some(open) = self.messages.get_mut(&message) else { continue };
            open.so_far.take(Some(envelope), verdict);
            open.waiting = open.waiting.saturating_sub(1);
            if (open.waiting == 0 || open.so_far.at_fault)
                && let Some(open) = self.messages.remove(&message)
            {
                decided.push((message, open.peer, open.so_far));
            }
        }
        decided
    }

    /// Those that waited too long.
    fn late(&mut self, now: UnixMillis) -> Vec<(MessageId, PeerId, Together)> {
        let late = |open: &mut Open| now.millis_since(open.since) > UNREPORTED_MILLIS;
        let late: Vec<_> = self.messages.extract_if(|_, open| late(open)).collect();
        if !late.is_empty() {
            self.envelopes.retain(|_, messages| {
                messages.retain(|message| self.messages.contains_key(message));
                !messages.is_empty()
            });
        }
        if self.messages.is_empty() {
            self.envelopes.clear();
        }
        let held_back = |so_far| Together { held_back: true, ..so_far };
        late.into_iter().map(|(id, open)| (id, open.peer, held_back(open.so_far))).collect()
    }
}

impl Worker {
    /// What waited is decided: gossip may pass it on.
    pub(super) fn report_late(&mut self, checked: &Checked) {
        if let Some(envelope) = checked.envelope.as_ref().filter(|_| !is_held(checked)) {
            self.report_decided(envelope.id(), checked.verdict);
        }
    }

    /// What waited is decided so, or given up.
    pub(super) fn report_decided(&mut self, envelope: &EnvelopeId, verdict: Verdict) {
        for (message, peer, together) in self.unreported.decided(envelope, verdict) {
            self.report_together(message, peer, together);
        }
    }

    /// Says what becomes of a message. Where it is not passed on, what was admitted of it goes on by
    /// itself: else whoever puts known ones beside new ones keeps these from everybody behind this node.
    pub(super) fn report_together(
        &mut self,
        message: MessageId,
        peer: PeerId,
        mut together: Together,
    ) {
        self.look_again(&mut together);
        let acceptance = together.acceptance();
        let passed_on = matches!(acceptance, MessageAcceptance::Accept);
        self.report(message, peer, acceptance);
        if passed_on {
            return;
        }
        for id in &together.admitted {
            let kept = self.knowledge.store.seen(id).filter(|kept| kept.whole);
            if let Some((kept, (chain, _))) = kept.zip(together.last.as_ref()) {
                let (topic, data) = (topic_of(&chain.channel), kept.envelope.into_vec());
                self.tell(Command::Publish { topic, data, envelopes: Vec::new() });
            }
        }
    }

    /// Where something changed while one of them waited, what was admitted before is judged once more: a
    /// sender that is known to be revoked is not passed on, whenever its envelope came.
    fn look_again(&mut self, together: &mut Together) {
        if together.as_of == self.checker.changes() {
            return;
        }
        let (now, before) = (self.now(), together.admitted.len());
        let store = &self.knowledge.store;
        let admitted = std::mem::take(&mut together.admitted).into_iter();
        let read = admitted.filter_map(|id| Some((store.seen(&id)?.envelope().ok()?, id)));
        let read: Vec<_> = read.collect();
        for (envelope, id) in read {
            if self.checker.still_admits(&envelope, &self.knowledge, now) {
                together.admitted.push(id);
            }
        }
        together.held_back |= together.admitted.len() < before;
        for did in self.checker.take_unknown() {
            self.ask(Missing::Did(did), None);
        }
    }

    pub(super) fn tick_unreported(&mut self) {
        for (message, peer, together) in self.unreported.late(self.uptime()) {
            self.report_together(message, peer, together);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{header, key};

    fn id(n: u8) -> EnvelopeId {
        EnvelopeId::of_block(&[n]).expect("a name")
    }

    fn of(verdicts: &[Verdict]) -> Together {
        let mut together = Together::default();
        verdicts.iter().for_each(|verdict| together.take(Some(&id(1)), *verdict));
        together
    }

    #[test]
    fn all_are_passed_on_or_none() {
        use Verdict::{Admit, Fault, Ignore, Refuse, Wait};
        for (verdicts, expected) in [
            (vec![Admit, Admit], "Accept"),
            (vec![Admit, Refuse], "Ignore"),
            (vec![Ignore, Admit], "Ignore"),
            (vec![Admit, Wait], "Ignore"),
            (vec![Fault, Refuse], "Reject"),
            (vec![Admit, Fault], "Reject"),
        ] {
            let found = format!("{:?}", of(&verdicts).acceptance());
            assert_eq!(found, expected, "{verdicts:?}");
        }
    }

    #[test]
    fn a_batch_is_of_one_chain_and_goes_upwards() {
        let numbered = |n: u64| {
            let mut numbered = header(&key(1));
            numbered.sequence = n;
            numbered
        };
        let mut together = Together::default();
        assert!(together.follows(&numbered(3)) && together.follows(&numbered(4)));
        // They need not follow each other.
        assert!(together.follows(&numbered(6)));
        assert!(!together.follows(&numbered(6)));
        assert!(!together.follows(&numbered(5)));
        let other = header(&key(2));
        assert!(!together.follows(&Header { sequence: 9, ..other }));
    }

    #[test]
    fn a_message_is_decided_with_the_last_of_its_envelopes_or_late() {
        let (peer, mut all) = (PeerId::random(), Unreported::default());
        let message = |n: u8| MessageId::new(&[n]);
        let hold = |all: &mut Unreported, n: u8, waiting: [u8; 2], since| {
            let waiting = waiting.map(id).to_vec();
            all.hold(message(n), peer, (waiting, Together::default()), UnixMillis::new(since));
        };
        let told = |decided: Vec<(MessageId, PeerId, Together)>| {
            let how = |t: &Together| format!("{:?} {}", t.acceptance(), t.admitted.len());
            decided.iter().map(|(id, _, t)| (id.clone(), how(t))).collect::<Vec<_>>()
        };
        // Both have the second.
        hold(&mut all, 1, [1, 2], 0);
        hold(&mut all, 2, [2, 3], 2000);
        assert!(all.decided(&id(1), Verdict::Admit).is_empty());
        assert!(all.decided(&id(1), Verdict::Admit).is_empty(), "it is decided once");
        let both = told(all.decided(&id(2), Verdict::Admit));
        assert_eq!(both, [(message(1), "Accept 2".to_owned())]);
        assert!(all.late(UnixMillis::new(6000)).is_empty());
        let late = told(all.late(UnixMillis::new(6001)));
        assert_eq!(late, [(message(2), "Ignore 1".to_owned())], "one of it goes on by itself");
        assert!(all.decided(&id(3), Verdict::Admit).is_empty() && all.envelopes.is_empty());
        // One at fault decides at once.
        hold(&mut all, 3, [4, 5], 0);
        let at_once = told(all.decided(&id(4), Verdict::Fault));
        assert_eq!(at_once, [(message(3), "Reject 0".to_owned())]);
        assert!(all.decided(&id(5), Verdict::Admit).is_empty());
    }
}
