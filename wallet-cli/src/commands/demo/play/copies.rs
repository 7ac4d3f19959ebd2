//! Somebody who copied a message on its way sends it again, or changed.

use super::super::bytes::part_of;
use super::super::copyist::Copyist;
use super::super::nodes::text_of;
use super::super::screen::Mark;
use super::{Play, Seen, list, sentence_of};
use crate::output::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_examples::scenario::{Expect, Refusal, Replay, Step, Tamper};
use gridpass_messaging::node::control::Asked;

const SIGNATURE_INVALID: &str = "GP-SIGNATURE-INVALID";

impl Play<'_> {
    /// The bytes of a message as they travelled.
    fn copied(&self, step: &str) -> Result<Vec<u8>, Failure> {
        let unknown = || Failure::new(crate::codes::DEMO_STUCK, format!("{step} was not sent"));
        let sent = self.sent.get(step).ok_or_else(unknown)?;
        let answer = self.nodes.ask(&sent.from, &Asked::Envelope { envelope: sent.id.clone() })?;
        let bytes = STANDARD.decode(text_of(&answer, "envelope"));
        bytes.map_err(|e| Failure::new(crate::codes::DEMO_STUCK, e.to_string()))
    }

    pub(super) fn replay(&mut self, step: &Replay) -> Result<Seen, Failure> {
        let bytes = self.copied(&step.of)?;
        // Who knows the bytes does not look at them again. That it came is known by what comes after it.
        let mut changed = bytes.clone();
        if let Some(byte) = changed.last_mut() {
            *byte ^= 1;
        }
        self.publish_copies(&step.of, vec![bytes, changed], &step.expect, Some(SIGNATURE_INVALID))
    }

    pub(super) fn tamper(&mut self, step: &Tamper) -> Result<Seen, Failure> {
        let mut bytes = self.copied(&step.of)?;
        let place = part_of(&bytes, step.part).and_then(|range| bytes.get_mut(range)?.last_mut());
        match place {
            Some(byte) => *byte ^= 1,
            None => return Ok(Seen::failed("the message has no such part")),
        }
        self.publish_copies(&step.of, vec![bytes], &step.expect, None)
    }

    /// Somebody who copied a message publishes copies of it. Somebody must say the code, or, of the
    /// last one, `or`; and nobody may be delivered it another time.
    fn publish_copies(
        &mut self,
        of: &str,
        copies: Vec<Vec<u8>>,
        expect: &Refusal,
        or: Option<&str>,
    ) -> Result<Seen, Failure> {
        let Some(Step::Send(original)) = self.scenario().step(of) else {
            return Ok(Seen::failed("that step sends no message"));
        };
        let channel = self.cast.channel(&original.channel)?;
        let (id, framework) = (channel.id().clone(), channel.descriptor().framework.clone());
        let readers: Vec<String> = match &original.expect {
            Expect::Delivered(to) => to.iter().filter(|n| self.nodes.runs(n)).cloned().collect(),
            Expect::Refused(_) => Vec::new(),
        };
        let mut before = Vec::new();
        for name in &readers {
            self.look_into(name)?;
            let last = or.map_or(Ok(0), |code| self.nodes.times(name, code))?;
            before.push((name.clone(), self.nodes.times(name, &expect.code)?, last));
        }
        let addresses: Vec<String> = readers.iter().filter_map(|n| self.nodes.address(n)).collect();
        let mut copyist = Copyist::connect(&addresses)?;
        copyist.send(&id, &framework, addresses.len(), copies)?;
        let mut who = Vec::new();
        copyist.linger(|| {
            let (mut said, mut passed) = (Vec::new(), false);
            for (name, times, last) in &before {
                if self.nodes.times(name, &expect.code)? > *times {
                    said.push(name.clone());
                }
                passed |= match or {
                    Some(code) => self.nodes.times(name, code)? > *last,
                    None => !said.is_empty(),
                };
            }
            who = said;
            Ok(passed)
        })?;
        let Some(sent) = self.sent.get(of).map(|s| s.id.clone()) else {
            return Ok(Seen::failed("that step sent no message"));
        };
        for name in &readers {
            self.look_into(name)?;
            if self.times(name, &sent) != 1 {
                return Ok(Seen::failed(format!("{name} was not delivered it exactly once")));
            }
        }
        if who.is_empty() {
            let detail = "everybody knew it by its bytes; nobody was delivered it again";
            return Ok(Seen { mark: Mark::Refused, detail: detail.into(), code: None });
        }
        let detail = format!(
            "{} said {}; nobody was delivered it again: {}",
            list(&who),
            expect.code,
            sentence_of(&expect.code)
        );
        Ok(Seen::refused(&expect.code, detail))
    }
}
