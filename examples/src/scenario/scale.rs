//! The same scenario with more participants: for load, and to watch many at once.

use super::{Expect, Scenario, SendFile, SendMessage, Step};
use crate::documents::{DocumentPlan, eic_of};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn scaled(scenario: &Scenario, times: usize) -> Scenario {
    let names = scenario.participants.iter().filter(|p| p.scaled).map(|p| p.name.clone()).collect();
    let scale = Scale { times, names };
    let mut copied = BTreeSet::new();
    let mut result = scenario.clone();
    scale.participants(&mut result);
    for phase in &mut result.phases {
        let steps = std::mem::take(&mut phase.steps);
        phase.steps = steps.iter().flat_map(|s| scale.step(scenario, s, &mut copied)).collect();
    }
    widen(&mut result);
    result
}

/// A channel takes messages to as many as there are now.
fn widen(scenario: &mut Scenario) {
    let mut most: BTreeMap<String, u64> = BTreeMap::new();
    for (_, step) in scenario.steps() {
        let (channel, to, expect) = match step {
            Step::Send(s) => (&s.channel, &s.to, &s.expect),
            Step::SendFile(s) => (&s.channel, &s.to, &s.expect),
            _ => continue,
        };
        if let Expect::Delivered(_) = expect {
            let count = u64::try_from(to.len()).unwrap_or(u64::MAX);
            let entry = most.entry(channel.clone()).or_default();
            *entry = count.max(*entry);
        }
    }
    for channel in &mut scenario.channels {
        let wanted = most.get(channel.name.as_str()).copied().unwrap_or_default();
        channel.limits.max_recipients = channel.limits.max_recipients.max(wanted);
    }
}

/// How many of whom there are to be.
struct Scale {
    times: usize,
    names: BTreeSet<String>,
}

/// What a copy is called.
fn copy_of(name: &str, number: usize) -> String {
    format!("{name}-{number}")
}

impl Scale {
    fn numbers(&self) -> std::ops::RangeInclusive<usize> {
        2..=self.times
    }

    /// The same names, and the copies of those that have some.
    fn with_copies(&self, names: &mut Vec<String>, having: &BTreeSet<String>) {
        let copies = |name: &String| self.numbers().map(|n| copy_of(name, n)).collect::<Vec<_>>();
        *names = names
            .iter()
            .flat_map(|name| {
                let more = if having.contains(name) { copies(name) } else { Vec::new() };
                std::iter::once(name.clone()).chain(more)
            })
            .collect();
    }

    fn participants(&self, scenario: &mut Scenario) {
        let mut all = Vec::new();
        for participant in &mut scenario.participants {
            for visa in &mut participant.visas {
                for claim in visa.claims.values_mut() {
                    self.extend_claim(claim);
                }
            }
            all.push(participant.clone());
            if !participant.scaled {
                continue;
            }
            for number in self.numbers() {
                let mut copy = participant.clone();
                copy.title = format!("{} {number}", copy.title);
                copy.name = copy_of(&copy.name, number);
                // The number first: what is too long is cut off.
                let name = format!("{number}{}", participant.name.to_uppercase());
                copy.eic = eic_of("99X", &name);
                let named = [
                    (participant.eic.clone(), copy.eic.clone()),
                    (participant.domain(), copy.domain()),
                ];
                for visa in &mut copy.visas {
                    visa.id = copy_of(&visa.id, number);
                    for claim in visa.claims.values_mut() {
                        rename_claim(claim, &named);
                    }
                }
                all.push(copy);
            }
        }
        scenario.participants = all;
    }

    /// A consent that lets one have data lets its copies have them.
    fn extend_claim(&self, claim: &mut Value) {
        let Value::Array(texts) = claim else { return };
        let named: Vec<String> = texts
            .iter()
            .filter_map(|t| t.as_str()?.strip_prefix('@'))
            .filter(|name| self.names.contains(*name))
            .map(str::to_owned)
            .collect();
        for name in named {
            texts.extend(self.numbers().map(|n| Value::from(format!("@{}", copy_of(&name, n)))));
        }
    }

    fn step(&self, of: &Scenario, step: &Step, copied: &mut BTreeSet<String>) -> Vec<Step> {
        let mut found = vec![step.clone()];
        match (step, found.first_mut()) {
            (Step::Issue(issue), _) => {
                let holder = of.visa(&issue.visa).map(|(holder, _)| holder.name.as_str());
                if holder.is_some_and(|h| self.names.contains(h)) {
                    for number in self.numbers() {
                        let mut copy = issue.clone();
                        copy.id = copy_of(&issue.id, number);
                        copy.visa = copy_of(&issue.visa, number);
                        found.push(Step::Issue(copy));
                    }
                }
            }
            (Step::Send(send), Some(Step::Send(first))) => {
                if let Some(one) = self.subject(send) {
                    self.divide(of, first);
                    let part = first.clone();
                    for number in self.numbers() {
                        found.push(Step::Send(copy_of_send(&part, &one, number, copied)));
                    }
                    copied.insert(send.id.clone());
                } else {
                    self.extend_send(first, copied);
                }
            }
            (Step::SendFile(_), Some(Step::SendFile(SendFile { to, expect, .. }))) => {
                self.with_copies(to, &self.names);
                if let Expect::Delivered(readers) = expect {
                    self.with_copies(readers, &self.names);
                }
            }
            (Step::Revoke(_), Some(Step::Revoke(revoke))) => {
                self.with_copies(&mut revoke.reaches, &self.names);
            }
            (Step::Restart(_), Some(Step::Restart(process)))
            | (Step::Return(_), Some(Step::Return(process))) => {
                self.with_copies(&mut process.has, copied);
            }
            _ => {}
        }
        found
    }

    /// Whose message it is: there is one for each copy. What is refused is shown once.
    fn subject(&self, send: &SendMessage) -> Option<String> {
        let Expect::Delivered(_) = send.expect else { return None };
        let recipient = match send.to.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        [Some(&send.from), recipient]
            .into_iter()
            .flatten()
            .find(|n| self.names.contains(*n))
            .cloned()
    }

    /// What one offers, or is told to give of what others give too, all of them do together.
    fn divide(&self, of: &Scenario, send: &mut SendMessage) {
        let times = u32::try_from(self.times).unwrap_or(u32::MAX);
        let part = |whole: u32| whole.checked_div(times).unwrap_or(whole).max(1);
        let answered = send.reply_to.as_deref().and_then(|id| of.step(id)).and_then(Step::send);
        let passed_on = answered.is_some_and(|a| matches!(a.document, DocumentPlan::Activation(_)));
        match &mut send.document {
            DocumentPlan::FlexOffer(offer) => offer.share_percent = part(offer.share_percent),
            DocumentPlan::Activation(call) if passed_on => call.amount = part(call.amount),
            _ => {}
        }
    }

    fn extend_send(&self, send: &mut SendMessage, copied: &BTreeSet<String>) {
        // What is refused is shown as it stands: to more recipients, it would be refused for that.
        if let Expect::Delivered(readers) = &mut send.expect {
            self.with_copies(readers, &self.names);
            self.with_copies(&mut send.to, &self.names);
        }
        if let DocumentPlan::MarketResult(result) = &mut send.document {
            self.with_copies(&mut result.taken, copied);
            self.with_copies(&mut result.left, copied);
        }
    }
}

/// A visa that says by which names documents name its holder says those of the copy.
fn rename_claim(claim: &mut Value, named: &[(String, String)]) {
    let found = named.iter().find(|(old, _)| claim.as_str() == Some(old.as_str()));
    if let Some((_, new)) = found {
        *claim = Value::from(new.as_str());
    }
}

fn copy_of_send(
    send: &SendMessage,
    subject: &str,
    number: usize,
    copied: &BTreeSet<String>,
) -> SendMessage {
    let mut copy = send.clone();
    let rename = |name: &mut String| {
        if name == subject {
            *name = copy_of(name, number);
        }
    };
    copy.id = copy_of(&send.id, number);
    rename(&mut copy.from);
    copy.to.iter_mut().for_each(rename);
    if let Some(answered) = copy.reply_to.as_mut().filter(|a| copied.contains(*a)) {
        *answered = copy_of(answered, number);
    }
    if let Expect::Delivered(readers) = &mut copy.expect {
        readers.iter_mut().for_each(rename);
    }
    copy
}
