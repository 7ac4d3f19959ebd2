//! An envelope that was admitted a while ago, and is to be passed on now.

use super::deciding::{message_facts, out_of_time};
use super::{Checker, Known, Source, Speaker};
use crate::envelope::Envelope;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::decision::Verdict as PolicyVerdict;
use gridpass_policy::facts::Question;

impl Checker {
    /// Whether an envelope that was admitted before is authentic and allowed by what is known now: asked
    /// before it is passed on later than it was judged. It counts for nothing, and what it carries is
    /// not looked at again: neither its place nor its payload changed.
    pub fn still_admits(
        &mut self,
        envelope: &Envelope,
        known: &dyn Known,
        now: UnixMillis,
    ) -> bool {
        let header = envelope.header();
        let late = |c| out_of_time(header, c, Source::Live, now).is_some();
        if self.channels.get(&header.channel).is_none_or(late) {
            return false;
        }
        let Ok(signature) = self.check_signature(envelope, None, known, now) else { return false };
        let Ok(sealing) = self.check_sealing(envelope, known, now) else { return false };
        let speaker = Speaker::of(header);
        let key = speaker.key();
        if self.admissions.get(&key, now).is_none() {
            match self.admit(&speaker, known, now, now) {
                Ok(admitted) => self.admissions.insert(admitted),
                Err(_) => return false,
            }
        }
        let sealing = sealing.map(|held| self.check_members(header, known, now).unwrap_or(held));
        let mut facts = message_facts(envelope, signature, None);
        facts.sealing = sealing;
        let channel = self.channels.get(&header.channel);
        // To those to whom it is passed on it comes now.
        let asks = channel.is_some_and(|c| c.policy.reads_arrival(&header.topic));
        facts.arrived = asks.then_some(now);
        // What failed is not remembered.
        let Some((channel, admitted)) = channel.zip(self.admissions.get(&key, now)) else {
            return false;
        };
        let ruling = channel.policy.rule(admitted, &Question::Publish(Box::new(facts)), now);
        ruling.verdict == PolicyVerdict::Allow
    }
}
