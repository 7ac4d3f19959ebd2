//! Whether the steps of a scenario fit together: each refers to what is there and came before, and
//! whoever is away does nothing.

use super::check::{readers, refuse};
use super::{Expect, Process, Scenario, ScenarioError, SendMessage, Step};
use crate::documents::DocumentPlan;
use gridpass_policy::channel::Mode;
use std::collections::BTreeSet;

/// What came before, while the steps are walked.
struct Walk<'s> {
    scenario: &'s Scenario,
    ids: BTreeSet<&'s str>,
    issued: BTreeSet<&'s str>,
    killed: BTreeSet<&'s str>,
    left: BTreeSet<&'s str>,
}

pub(super) fn check(scenario: &Scenario) -> Result<(), ScenarioError> {
    let mut walk = Walk {
        scenario,
        ids: BTreeSet::new(),
        issued: scenario.visas_at_start().iter().map(|(_, v)| v.id.as_str()).collect(),
        killed: BTreeSet::new(),
        left: BTreeSet::new(),
    };
    for (_, step) in scenario.steps() {
        let place = format!("step {}", step.id());
        if walk.ids.contains(step.id()) {
            return refuse(&place, "two steps have this id");
        }
        if step.says().trim().is_empty() {
            return refuse(&place, "it says nothing");
        }
        walk.step(step, &place)?;
        walk.ids.insert(step.id());
    }
    let away = walk.killed.iter().chain(&walk.left).next();
    away.map_or(Ok(()), |name| refuse(name, "it never comes back"))
}

impl<'s> Walk<'s> {
    fn step(&mut self, step: &'s Step, place: &str) -> Result<(), ScenarioError> {
        match step {
            Step::Issue(issue) => {
                let Some((holder, visa)) = self.scenario.visa(&issue.visa) else {
                    return refuse(place, format!("there is no visa {:?}", issue.visa));
                };
                if !self.issued.insert(&visa.id) {
                    return refuse(place, format!("{:?} is issued twice", visa.id));
                }
                self.present(&holder.name, place)?;
                self.present(&visa.issuer, place)
            }
            Step::Send(send) => self.send(send, place),
            Step::SendFile(file) => {
                if !matches!(file.document, DocumentPlan::GridModel(_)) {
                    return refuse(place, "only grid models travel as files");
                }
                self.route(
                    place,
                    (&file.from, &file.channel, &file.topic),
                    &file.to,
                    "file-reference",
                )?;
                self.expectation(&file.expect, place)
            }
            Step::Revoke(revoke) => {
                if !self.issued.contains(revoke.visa.as_str()) {
                    return refuse(place, format!("{:?} was not issued", revoke.visa));
                }
                revoke.reaches.iter().try_for_each(|name| self.known(name, place))
            }
            Step::Replay(replay) => {
                self.earlier_message(&replay.of, place)?;
                self.present(&replay.by, place)
            }
            Step::Tamper(tamper) => {
                self.earlier_message(&tamper.of, place)?;
                self.present(&tamper.by, place)
            }
            Step::Kill(process) => {
                self.present(&process.participant, place)?;
                self.killed.insert(&process.participant);
                Ok(())
            }
            Step::Leave(process) => {
                self.present(&process.participant, place)?;
                self.left.insert(&process.participant);
                Ok(())
            }
            Step::Restart(process) => {
                if !self.killed.remove(process.participant.as_str()) {
                    return refuse(place, "it was not killed");
                }
                self.catches_up(process, place)
            }
            Step::Return(process) => {
                if !self.left.remove(process.participant.as_str()) {
                    return refuse(place, "it did not leave");
                }
                self.catches_up(process, place)
            }
        }
    }

    fn known(&self, name: &str, place: &str) -> Result<(), ScenarioError> {
        match self.scenario.participant(name) {
            Some(_) => Ok(()),
            None => refuse(place, format!("{name:?} is no participant")),
        }
    }

    /// It is a participant, and its process runs.
    fn present(&self, name: &str, place: &str) -> Result<(), ScenarioError> {
        self.known(name, place)?;
        if self.killed.contains(name) || self.left.contains(name) {
            return refuse(place, format!("{name} is away"));
        }
        Ok(())
    }

    fn earlier_message(&self, of: &str, place: &str) -> Result<&'s SendMessage, ScenarioError> {
        let earlier = self.ids.contains(of).then(|| self.scenario.step(of)).flatten();
        match earlier.and_then(Step::send) {
            Some(send) => Ok(send),
            None => refuse(place, format!("no step before it sends the message {of:?}")),
        }
    }

    fn catches_up(&self, process: &Process, place: &str) -> Result<(), ScenarioError> {
        for step in &process.has {
            let send = self.earlier_message(step, place)?;
            if !readers(&send.expect).contains(&process.participant) {
                return refuse(place, format!("{step} is not delivered to it"));
            }
        }
        Ok(())
    }

    /// The channel has such a topic with such a schema, and takes so many recipients.
    fn route(
        &self,
        place: &str,
        (from, channel, topic): (&str, &str, &str),
        to: &[String],
        schema: &str,
    ) -> Result<(), ScenarioError> {
        self.present(from, place)?;
        let Some(plan) = self.scenario.channel(channel) else {
            return refuse(place, format!("there is no channel {channel:?}"));
        };
        let Some(topic) = plan.topics.iter().find(|t| t.name == topic) else {
            return refuse(place, format!("{channel} has no topic {topic:?}"));
        };
        if topic.schema != schema {
            return refuse(
                place,
                format!("{schema} is sent, and the topic asks for {}", topic.schema),
            );
        }
        let fits = match plan.mode {
            Mode::Broadcast => to.is_empty(),
            Mode::Multicast => !to.is_empty(),
            Mode::Unicast => to.len() == 1,
        };
        if !fits {
            return refuse(place, format!("its recipients do not fit the mode of {channel}"));
        }
        to.iter().try_for_each(|name| self.known(name, place))
    }

    fn send(&self, send: &'s SendMessage, place: &str) -> Result<(), ScenarioError> {
        let route = (send.from.as_str(), send.channel.as_str(), send.topic.as_str());
        self.route(place, route, &send.to, send.document.schema())?;
        let answered = match &send.reply_to {
            Some(id) => Some(self.earlier_message(id, place)?),
            None => None,
        };
        if !send.document.may_answer(answered.map(|a| &a.document)) {
            return refuse(place, "its document does not answer that of `replyTo`");
        }
        if let DocumentPlan::MarketResult(result) = &send.document {
            for bid in result.taken.iter().chain(&result.left) {
                self.earlier_message(bid, place)?;
            }
        }
        if let Expect::Delivered(names) = &send.expect
            && let Some(missed) = send.to.iter().find(|name| !names.contains(name))
        {
            return refuse(place, format!("it goes to {missed}, to whom it is not delivered"));
        }
        self.expectation(&send.expect, place)
    }

    fn expectation(&self, expect: &Expect, place: &str) -> Result<(), ScenarioError> {
        if let Expect::Delivered(names) = expect
            && names.is_empty()
        {
            return refuse(place, "it is delivered to nobody");
        }
        readers(expect).iter().try_for_each(|name| self.known(name, place))
    }
}
