//! The steps of a scenario, one after the other, each with what must come of it.

mod copies;
mod insisting;

use super::bytes::same;
use super::cast::{Cast, write, wrong};
use super::nodes::{Nodes, text_of, until};
use super::screen::Mark;
use crate::context::now;
use crate::output::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_examples::content::Moment;
use gridpass_examples::scenario::{
    Expect, Issue, Process, Refusal, Revoke, Scenario, SendFile, SendMessage, Step,
};
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::node::control::{Asked, NewMessage};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// A message that was sent.
pub struct Sent {
    pub id: EnvelopeId,
    thread: EnvelopeId,
    pub from: String,
    pub to: Vec<String>,
    channel: String,
}

/// How a step came out.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The step.
    pub step: String,
    /// Its phase.
    pub phase: String,
    /// What it is.
    pub says: String,
    /// `done`, `refused` as it must be, or `failed`.
    pub outcome: &'static str,
    /// What was seen.
    pub detail: String,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// What a step found.
struct Seen {
    mark: Mark,
    detail: String,
    code: Option<String>,
}

impl Seen {
    fn done(detail: impl Into<String>) -> Self {
        Self { mark: Mark::Done, detail: detail.into(), code: None }
    }

    fn refused(code: &str, detail: impl Into<String>) -> Self {
        Self { mark: Mark::Refused, detail: detail.into(), code: Some(code.to_owned()) }
    }

    fn failed(detail: impl Into<String>) -> Self {
        Self { mark: Mark::Failed, detail: detail.into(), code: None }
    }
}

/// What a node was delivered, as far as it was looked at.
#[derive(Default)]
struct Inbox {
    after: u64,
    times: BTreeMap<String, u32>,
}

/// A run of a scenario.
pub struct Play<'s> {
    pub cast: Cast<'s>,
    pub nodes: Nodes,
    moment: Moment,
    pub sent: BTreeMap<String, Sent>,
    inboxes: BTreeMap<String, Inbox>,
    /// The last message that a changed node sent of somebody in a channel.
    insisted: BTreeMap<(String, String), (u64, EnvelopeId)>,
    /// Milliseconds from a revocation until it counted at each node, by step.
    pub reached: BTreeMap<String, BTreeMap<String, u64>>,
}

const HOUR_MILLIS: u64 = 3600 * 1000;
const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;

/// The day that is traded: tomorrow, or where that begins within the hour, the one after it. Gates close when
/// it begins, and what is said of a time that is over is refused.
pub(super) fn traded(time: UnixMillis) -> UnixMillis {
    let left = DAY_MILLIS.saturating_sub(time.get() % DAY_MILLIS);
    let days = if left < HOUR_MILLIS { 2 } else { 1 };
    time.plus_millis(DAY_MILLIS.saturating_mul(days))
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn list(names: &[String]) -> String {
    names.join(", ")
}

impl<'s> Play<'s> {
    pub fn new(cast: Cast<'s>, nodes: Nodes, seed: u64) -> Self {
        let time = now();
        Self {
            cast,
            nodes,
            moment: Moment { seed, day: traded(time), time },
            sent: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            insisted: BTreeMap::new(),
            reached: BTreeMap::new(),
        }
    }

    fn scenario(&self) -> &'s Scenario {
        self.cast.scenario
    }

    /// Takes a step. What goes wrong in it is told, and the others follow.
    pub fn take(&mut self, phase: &str, step: &Step) -> (Mark, Shown) {
        let started = Instant::now();
        self.moment.time = now();
        let seen = match step {
            Step::Issue(step) => self.issue(step),
            Step::Send(step) => self.send(step),
            Step::SendFile(step) => self.send_file(step),
            Step::Revoke(step) => self.revoke(step),
            Step::Replay(step) => self.replay(step),
            Step::Tamper(step) => self.tamper(step),
            Step::Kill(step) => {
                self.nodes.kill(&step.participant);
                Ok(Seen::done("its process was killed, without a farewell"))
            }
            Step::Leave(step) => {
                self.nodes.stop(&step.participant).map(|()| Seen::done("its process ended"))
            }
            Step::Restart(step) | Step::Return(step) => self.come_back(step),
        };
        let seen = seen.unwrap_or_else(|e| Seen::failed(e.to_string()));
        let outcome = match seen.mark {
            Mark::Done => "done",
            Mark::Refused => "refused",
            Mark::Failed => "failed",
        };
        let shown = Shown {
            step: step.id().to_owned(),
            phase: phase.to_owned(),
            says: says(step),
            outcome,
            detail: seen.detail,
            code: seen.code,
            millis: millis(started),
        };
        (seen.mark, shown)
    }

    fn issue(&mut self, step: &Issue) -> Result<Seen, Failure> {
        let visa = self.cast.issue(&step.visa)?;
        let (role, until) = (visa.role.clone(), visa.valid_until);
        let Some((holder, _)) = self.scenario().visa(&step.visa) else {
            return Ok(Seen::failed("nobody holds it"));
        };
        let mut shown = Vec::new();
        for channel in self.cast.channels_of(&holder.name) {
            let plan = self.scenario().channel(channel);
            let asked = plan.map(|c| self.scenario().roles_asked(c, &self.cast.names));
            let looks = matches!(asked, Some(Ok(roles)) if roles.contains(role.as_str()));
            if let (true, Some(parcel)) = (looks, self.cast.presentation(&holder.name, channel)?)
                && self.nodes.runs(&holder.name)
            {
                let content = STANDARD.encode(parcel);
                self.nodes.ask(&holder.name, &Asked::Add { content })?;
                shown.push(channel.to_owned());
            }
        }
        let used = match shown.as_slice() {
            [] => String::new(),
            all => format!("; presented in {}", list(all)),
        };
        Ok(Seen::done(format!("{role} until {until}{used}")))
    }

    /// Takes notice of what a node was delivered since.
    fn look_into(&mut self, name: &str) -> Result<(), Failure> {
        let inbox = self.inboxes.entry(name.to_owned()).or_default();
        for (number, id) in self.nodes.inbox(name, inbox.after)? {
            let times = inbox.times.entry(id).or_default();
            *times = times.saturating_add(1);
            inbox.after = inbox.after.max(number);
        }
        Ok(())
    }

    fn times(&self, name: &str, id: &EnvelopeId) -> u32 {
        let inbox = self.inboxes.get(name);
        inbox.and_then(|i| i.times.get(id.as_str())).copied().unwrap_or_default()
    }

    /// Waits until a node that runs was delivered a message.
    fn delivered(&mut self, name: &str, id: &EnvelopeId) -> Result<(), Failure> {
        until(&format!("{name} to be delivered {id}"), || {
            self.look_into(name)?;
            Ok((self.times(name, id) > 0).then_some(()))
        })
    }

    /// Who is delivered it now, and who is away.
    fn delivered_to(&mut self, names: &[String], id: &EnvelopeId) -> Result<String, Failure> {
        let started = Instant::now();
        let (here, away): (Vec<String>, Vec<String>) =
            names.iter().cloned().partition(|n| self.nodes.runs(n));
        for name in &here {
            self.delivered(name, id)?;
        }
        let mut text = format!("delivered to {} in {} ms", list(&here), millis(started));
        if !away.is_empty() {
            text.push_str(&format!("; {} is away", list(&away)));
        }
        Ok(text)
    }

    fn dids(&self, names: &[String]) -> Result<Vec<Did>, Failure> {
        names.iter().map(|n| self.cast.did(n).cloned()).collect()
    }

    fn send(&mut self, step: &SendMessage) -> Result<Seen, Failure> {
        let payload = self.scenario().document(&step.id, &self.moment).map_err(|e| wrong(&e))?;
        let thread = step.reply_to.as_ref().and_then(|id| self.sent.get(id));
        let thread = thread.map(|s| s.thread.clone());
        let message = NewMessage {
            channel: self.cast.channel(&step.channel)?.id().to_string(),
            topic: step.topic.clone(),
            version: None,
            payload: payload.clone(),
            recipients: self.dids(&step.to)?,
            thread: thread.clone(),
            attributes: self.cast.names.resolve_all(&step.attributes).map_err(|e| wrong(&e))?,
            lifetime_millis: None,
            reference: None,
        };
        let answer = self.nodes.ask(&step.from, &Asked::Send(message));
        match (answer, &step.expect) {
            (Ok(answer), Expect::Delivered(to)) => {
                self.note_sent(&step.id, &step.from, to, &answer, thread)?;
                let Some(sent) = self.sent.get(&step.id) else { return Ok(Seen::failed("")) };
                let id = sent.id.clone();
                let to_whom = self.delivered_to(to, &id)?;
                Ok(Seen::done(format!("{} bytes, {to_whom}", payload.len())))
            }
            (Err(failure), Expect::Refused(refusal)) => match as_expected(&failure, refusal) {
                seen if seen.code.as_ref() == Some(&refusal.code) => {
                    self.insist(step, payload, thread, seen)
                }
                seen => Ok(seen),
            },
            (Ok(_), Expect::Refused(_)) => Ok(Seen::failed("it was sent, and must not be")),
            (Err(failure), Expect::Delivered(_)) => Err(failure),
        }
    }

    fn note_sent(
        &mut self,
        step: &str,
        from: &str,
        to: &[String],
        answer: &Value,
        thread: Option<EnvelopeId>,
    ) -> Result<(), Failure> {
        let id = EnvelopeId::parse(&text_of(answer, "id"))?;
        let thread = thread.unwrap_or_else(|| id.clone());
        let channel = match self.scenario().step(step) {
            Some(Step::Send(s)) => s.channel.clone(),
            Some(Step::SendFile(s)) => s.channel.clone(),
            _ => String::new(),
        };
        let sent = Sent { id, thread, from: from.to_owned(), to: to.to_vec(), channel };
        self.sent.insert(step.to_owned(), sent);
        Ok(())
    }

    /// By the ordinary commands: `gridpass file send`, `gridpass file fetch`.
    fn send_file(&mut self, step: &SendFile) -> Result<Seen, Failure> {
        let original = self.cast.home.join("files").join(&step.from).join(&step.name);
        write(&original, b"")?;
        let file = std::fs::File::create(&original).map_err(|e| wrong(&e))?;
        let mut out = std::io::BufWriter::new(file);
        let made = self.scenario().write_document(&step.id, &self.moment, &mut out);
        made.map_err(|e| wrong(&e))?;
        std::io::Write::flush(&mut out).map_err(|e| wrong(&e))?;
        let size = std::fs::metadata(&original).map_err(|e| wrong(&e))?.len();
        let channel = self.cast.channel(&step.channel)?.id().to_string();
        let mut words: Vec<String> =
            ["file", "send", &channel, &step.topic].map(str::to_owned).into();
        words.push(original.display().to_string());
        words.extend(["--name", &step.name, "--media-type", &step.media_type].map(str::to_owned));
        for did in self.dids(&step.to)? {
            words.extend(["--to".to_owned(), did.to_string()]);
        }
        let answer = self.call(&step.from, &words);
        let to = match (&step.expect, answer) {
            (Expect::Delivered(to), Ok(answer)) => {
                self.note_sent(&step.id, &step.from, to, &answer, None)?;
                to
            }
            (Expect::Refused(refusal), Err(failure)) => return Ok(as_expected(&failure, refusal)),
            (Expect::Refused(_), Ok(_)) => return Ok(Seen::failed("it was sent, and must not be")),
            (Expect::Delivered(_), Err(failure)) => return Err(failure),
        };
        let Some(id) = self.sent.get(&step.id).map(|s| s.id.clone()) else {
            return Ok(Seen::failed("its message has no name"));
        };
        let to_whom = self.delivered_to(to, &id)?;
        let started = Instant::now();
        for name in to.iter().filter(|n| self.nodes.runs(n)) {
            let copy = self.cast.home.join("files").join(name).join(&step.name);
            if let Some(folder) = copy.parent() {
                std::fs::create_dir_all(folder).map_err(|e| wrong(&e))?;
            }
            let place = copy.display().to_string();
            let words = ["file", "fetch", id.as_str(), "-o", &place, "--wait", "40s"];
            self.call(name, &words.map(str::to_owned))?;
            if !same(&original, &copy).map_err(|e| wrong(&e))? {
                return Ok(Seen::failed(format!("{name} got another file")));
            }
        }
        Ok(Seen::done(format!(
            "{size} bytes, {to_whom}, every block verified and the file whole after {} ms",
            millis(started)
        )))
    }

    /// A call of this program, as an operator makes it.
    pub fn call(&self, name: &str, words: &[String]) -> Result<Value, Failure> {
        let (ran, answer) = self.called(name, words)?;
        if ran {
            return Ok(answer);
        }
        let code = crate::commands::node::code_of(&text_of(&answer, "code"));
        Err(Failure::new(code, text_of(&answer, "message")))
    }

    /// The same, with whether it succeeded: what it answered, or its error.
    pub fn called(&self, name: &str, words: &[String]) -> Result<(bool, Value), Failure> {
        let mut command = self.nodes.command(name)?;
        let failed = |e: &dyn std::fmt::Display| {
            Failure::new(gridpass_identity::codes::INTERNAL, e.to_string())
        };
        let ran = command.arg("--json").args(words).output().map_err(|e| failed(&e))?;
        if let Ok(answer) = serde_json::from_slice(&ran.stdout) {
            return Ok((ran.status.success(), answer));
        }
        let told = String::from_utf8_lossy(&ran.stderr);
        let error = told.lines().rev().find_map(|l| serde_json::from_str::<Value>(l).ok());
        Ok((false, error.unwrap_or_default()))
    }

    /// What was said in a channel, by its steps.
    pub fn said(&self, channel: &str) -> Vec<(&String, &Sent)> {
        self.sent.iter().filter(|(_, s)| s.channel == channel).collect()
    }

    /// Whose node has most of what was said in a channel, sent or delivered, of those that run.
    pub fn best_reader(&self, channel: &str) -> Option<String> {
        let said = self.said(channel);
        let has = |name: &str, sent: &Sent| sent.from == name || self.times(name, &sent.id) > 0;
        let members = self.cast.scenario.members(channel);
        let running = members.iter().map(|p| &p.name).filter(|n| self.nodes.runs(n));
        running.max_by_key(|name| said.iter().filter(|(_, s)| has(name, s)).count()).cloned()
    }

    fn revoke(&mut self, step: &Revoke) -> Result<Seen, Failure> {
        // What its holder was delivered before, it has confirmed.
        self.all_confirmed()?;
        let (issuer, text) = self.cast.revoke(&step.visa)?;
        let list = gridpass_credentials::keeping::read_list(text.as_bytes())?;
        let given = now();
        let content = STANDARD.encode(&text);
        self.nodes.ask(&issuer, &Asked::Add { content })?;
        let mut reached = BTreeMap::new();
        for name in step.reaches.iter().filter(|n| self.nodes.runs(n)) {
            let at = until(&format!("the revocation to reach {name}"), || {
                Ok(counts_since(&self.nodes.ask(name, &Asked::Lists)?, &list))
            })?;
            reached.insert(name.clone(), at.get().saturating_sub(given.get()));
        }
        let each: Vec<String> = reached.iter().map(|(n, ms)| format!("{n} {ms} ms")).collect();
        let slowest = reached.values().max().copied().unwrap_or_default();
        self.reached.insert(step.id.clone(), reached);
        Ok(Seen::done(format!("counts everywhere after {slowest} ms: {}", each.join(", "))))
    }

    /// A participant's node is started on what it left behind.
    fn come_back(&mut self, step: &Process) -> Result<Seen, Failure> {
        let name = &step.participant;
        let before = self.inboxes.remove(name).unwrap_or_default().times;
        let started = Instant::now();
        self.nodes.start(std::slice::from_ref(name))?;
        let ready = millis(started);
        let ids: Vec<EnvelopeId> =
            step.has.iter().filter_map(|s| self.sent.get(s)).map(|s| s.id.clone()).collect();
        for id in &ids {
            self.delivered(name, id)?;
        }
        let caught_up = millis(started);
        self.look_into(name)?;
        let after = self.inboxes.get(name).map(|i| &i.times);
        let kept = before.keys().all(|id| after.is_some_and(|a| a.contains_key(id)));
        let once = after.is_some_and(|a| a.values().all(|times| *times == 1));
        if !kept || !once {
            return Ok(Seen::failed("it lost a message, or was delivered one twice"));
        }
        let missed = match step.has.as_slice() {
            [] => String::new(),
            all => format!("; has {} after {caught_up} ms", list(all)),
        };
        Ok(Seen::done(format!(
            "runs again after {ready} ms, with the {} that it had{missed}",
            crate::output::counted(before.len(), "message", "messages")
        )))
    }

    /// Waits until every recipient that runs has confirmed what it was delivered.
    pub fn all_confirmed(&self) -> Result<(), Failure> {
        until("the receipts", || {
            let open = self.unconfirmed();
            Ok(open.iter().all(|(_, name)| !self.nodes.runs(name)).then_some(()))
        })
    }

    /// The messages, by their steps, with each recipient that has not confirmed them; all, where the
    /// sender's node does not say.
    pub fn unconfirmed(&self) -> Vec<(&str, &str)> {
        let (mut open, mut silent) = (Vec::new(), BTreeSet::new());
        for (step, sent) in &self.sent {
            let mut answer = Value::Null;
            if !silent.contains(&sent.from) {
                match self.nodes.ask(&sent.from, &Asked::Receipts { envelope: sent.id.clone() }) {
                    Ok(told) => answer = told,
                    Err(_) => {
                        // It is not waited for again for each of its messages.
                        silent.insert(&sent.from);
                    }
                }
            }
            let told = answer.get("recipients").and_then(Value::as_object);
            for name in &sent.to {
                let state = told.and_then(|t| t.get(self.cast.did(name).ok()?.as_str()));
                if state.map(|s| text_of(s, "state")).as_deref() != Some("delivered") {
                    open.push((step.as_str(), name.as_str()));
                }
            }
        }
        open
    }

    /// How many a node was delivered.
    pub fn delivered_count(&self, name: &str) -> usize {
        self.inboxes.get(name).map_or(0, |i| i.times.len())
    }
}

/// Since when a status list, or a newer state of it, counts at a node.
fn counts_since(
    answer: &Value,
    list: &gridpass_credentials::status::StatusList,
) -> Option<UnixMillis> {
    let (version, _) = list.order();
    let all = answer.get("lists").and_then(Value::as_array)?;
    let found = all.iter().find(|l| {
        text_of(l, "list") == list.id
            && text_of(l, "signer") == list.issuer.as_str()
            && serde_json::to_value(version).ok().as_ref() == l.get("version")
    })?;
    serde_json::from_value(found.get("since")?.clone()).ok()
}

fn sentence_of(code: &str) -> &'static str {
    crate::commands::node::code_of(code).0.meaning
}

/// What happens in a step, as a sentence. Who sends a copy is nobody of the scenario, whatever it says: no node
/// of a participant would.
pub fn says(step: &Step) -> String {
    match step {
        Step::Replay(step) => format!("Somebody without a visa sends {} a second time", step.of),
        Step::Tamper(step) => {
            format!("Somebody without a visa passes {} on with one bit changed", step.of)
        }
        _ => step.says().to_owned(),
    }
}

/// A refusal by the sender's own node.
fn as_expected(failure: &Failure, refusal: &Refusal) -> Seen {
    let found = failure.code.id();
    if found != refusal.code {
        return Seen::failed(format!("{} was expected, and came {failure}", refusal.code));
    }
    let missing = refusal.causes.iter().find(|cause| !failure.message.contains(cause.as_str()));
    if let Some(missing) = missing {
        return Seen::failed(format!("{missing} is not among the reasons: {failure}"));
    }
    Seen::refused(found, failure.message.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_traded_begins_later_than_within_the_hour() {
        let day = |text: &str| {
            let time = UnixMillis::parse_rfc3339(text).expect("a time");
            let traded = traded(time).to_string();
            traded.split('T').next().expect("a date").to_owned()
        };
        assert_eq!(day("2026-03-02T10:00:00Z"), "2026-03-03");
        assert_eq!(day("2026-03-02T00:00:00Z"), "2026-03-03");
        assert_eq!(day("2026-03-02T23:00:00Z"), "2026-03-03");
        for late in ["2026-03-02T23:00:01Z", "2026-03-02T23:59:43Z", "2026-03-02T23:59:50Z"] {
            assert_eq!(day(late), "2026-03-04", "{late}");
        }
    }
}
