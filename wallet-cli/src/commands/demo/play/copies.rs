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
use gridpass_messaging::sync::pack;

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
        let mut copies = vec![bytes.clone()];
        if !step.or_known {
            // Twice in one message of gossip: who had the message by gossip would know that of one by its bytes, and
            // not look at it.
            let id = self.sent.get(&step.of).map(|sent| sent.id.clone());
            let twice =
                id.into_iter().flat_map(|id| [(id.clone(), bytes.clone()), (id, bytes.clone())]);
            let packed = pack(twice.collect());
            let packed =
                packed.map_err(|e| Failure::new(crate::codes::DEMO_STUCK, e.to_string()))?;
            copies = packed.into_iter().map(|message| message.bytes).collect();
        }
        if step.or_known {
            // Who knows the bytes does not look at them again. That they came is known by what comes after.
            let mut changed = bytes;
            if let Some(byte) = changed.last_mut() {
                *byte ^= 1;
            }
            copies.push(changed);
        }
        let or = step.or_known.then_some(SIGNATURE_INVALID);
        Ok(match self.publish_copies(&step.of, copies, &step.expect, or)? {
            Ok(who) => refused(&who, &step.expect, step.or_known),
            Err(seen) => seen,
        })
    }

    pub(super) fn tamper(&mut self, step: &Tamper) -> Result<Seen, Failure> {
        let mut bytes = self.copied(&step.of)?;
        let place = part_of(&bytes, step.part).and_then(|range| bytes.get_mut(range)?.last_mut());
        match place {
            Some(byte) => *byte ^= 1,
            None => return Ok(Seen::failed("the message has no such part")),
        }
        Ok(match self.publish_copies(&step.of, vec![bytes], &step.expect, None)? {
            Ok(who) => refused(&who, &step.expect, false),
            Err(seen) => seen,
        })
    }

    /// Somebody who copied a message publishes copies of it. Waits until somebody says the code, or, of the
    /// last one, `or`; nobody may be delivered it another time. Gives who said the code, or what went wrong.
    fn publish_copies(
        &mut self,
        of: &str,
        copies: Vec<Vec<u8>>,
        expect: &Refusal,
        or: Option<&str>,
    ) -> Result<Result<Vec<String>, Seen>, Failure> {
        let Some(Step::Send(original)) = self.scenario().step(of) else {
            return Ok(Err(Seen::failed("that step sends no message")));
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
            return Ok(Err(Seen::failed("that step sent no message")));
        };
        for name in &readers {
            self.look_into(name)?;
            if self.times(name, &sent) != 1 {
                let wrong = format!("{name} was not delivered it exactly once");
                return Ok(Err(Seen::failed(wrong)));
            }
        }
        Ok(Ok(who))
    }
}

/// A copy that nobody was delivered, and that these refused with the code that was expected.
fn refused(who: &[String], expect: &Refusal, or_known: bool) -> Seen {
    let code = &expect.code;
    match who {
        [] if or_known => {
            let detail = "everybody knew it by its bytes; nobody was delivered it again";
            Seen { mark: Mark::Refused, detail: detail.into(), code: None }
        }
        [] => Seen::failed(format!("{code} was expected, and nobody said it")),
        who => {
            let (who, why) = (list(who), sentence_of(code));
            let detail = format!("{who} said {code}; nobody was delivered it again: {why}");
            Seen::refused(code, detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_refused_with_the_code_that_is_expected_or_on_purpose_without() {
        let code = "GP-ENVELOPE-DUPLICATE";
        let expect = Refusal { code: code.into(), because: Vec::new(), causes: Vec::new() };
        let seen = refused(&["tso".into()], &expect, false);
        assert_eq!((seen.mark, seen.code.as_deref()), (Mark::Refused, Some(code)));
        let silent = refused(&[], &expect, false);
        assert_eq!((silent.mark, silent.code), (Mark::Failed, None));
        let known = refused(&[], &expect, true);
        assert_eq!((known.mark, known.code), (Mark::Refused, None));
    }
}
