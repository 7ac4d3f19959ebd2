//! What this node may have of its channels, by what it shows itself, as every peer judges it, and when that
//! ends. What ends in the middle of the day makes no noise by itself: others just stop telling it anything.
//! So an operator is shown it, it is in the log, and monitoring can watch for it.

use super::endings::{Life, ToldEnds};
use super::worker::Worker;
use crate::checking::{Known as _, Speaker, establish};
use crate::codes;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::VisaReport;
use gridpass_identity::code::{Class, Code};
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Reason, Verdict};
use gridpass_policy::facts::{Admission, Finding, Question};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How often it is looked at, in ticks.
const LOOK_TICKS: u64 = 10;
/// The most channels that are looked at in one tick: each costs a verification.
const LOOK_CHANNELS: usize = 16;

/// As what a channel counts this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reads,
    Keeps,
    /// It shows no visa for a role that reads here, and none that does not hold: it only sends.
    Sends,
    None,
    Undecided,
}

/// As what a channel counts this node, and where it reads nothing why and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnRight {
    state: State,
    why: Option<(Code, String)>,
    next: String,
    /// Of the visas that hold and are shown, the one that ends first: its role, and from when until when.
    pub(super) visa: Option<(String, Life)>,
}

/// What was told of it, so that it is told once.
#[derive(Default)]
pub(super) struct Told {
    pub(super) rights: BTreeMap<ContentId, OwnRight>,
    /// Those that this round still looks at.
    to_look: Vec<ContentId>,
    memo: SignatureMemo,
    authorised: Option<bool>,
    /// Of what the operator was told that it ends soon, and when.
    pub(super) ends: ToldEnds,
}

impl OwnRight {
    fn of(state: State, visa: Option<(String, Life)>) -> Self {
        Self { state, why: None, next: String::new(), visa }
    }

    pub(super) fn shown(&self) -> Value {
        let state = match self.state {
            State::Reads => "reads",
            State::Keeps => "keeps",
            State::Sends => "sends",
            State::None => "none",
            State::Undecided => "undecided",
        };
        match &self.why {
            None => json!({"state": state}),
            Some((code, sentence)) => json!({
                "state": state,
                "code": code.id(),
                "sentence": sentence,
                "next": self.next,
            }),
        }
    }
}

/// Why somebody may not read, by the facts about it: first what concerns all that it shows, then what a
/// requirement lacks; and whether it is only that no visa for a role is shown.
fn why(facts: &Admission, reasons: &[Reason]) -> (Code, String, bool) {
    let found = |code: &str| codes::find(code).unwrap_or(policy_codes::POLICY_UNMET);
    let node = facts.node.as_ref().map(|n| &n.standing);
    let mut shown = std::iter::once(&facts.standing).chain(node);
    if let Some(open) = shown.find(|s| s.outcome != Finding::Passed) {
        return (found(&open.code), open.sentence.clone(), false);
    }
    if let Some(reason) = reasons.iter().find(|r| r.causes.is_empty()) {
        return (found(&reason.code), reason.sentence.clone(), false);
    }
    let lacks = policy_codes::ROLE_NOT_HELD.id();
    let mut causes = reasons.iter().flat_map(|r| &r.causes);
    if let Some(cause) = causes.clone().find(|c| c.code != lacks) {
        return (found(&cause.code), cause.sentence.clone(), false);
    }
    match causes.next() {
        Some(cause) => (found(&cause.code), cause.sentence.clone(), true),
        None => (policy_codes::POLICY_UNMET, "the channel does not allow it".to_owned(), false),
    }
}

/// What whoever operates the node does about status lists that are too old, or not here.
const NEWER_LISTS: &str = "`gridpass node add` the newest list of the signer that is named, who signs one each day; where \
                           that is this node's own organisation, its wallet makes it: `gridpass status publish -o \
                           lists.json`.";

/// What whoever operates the node does about a visa that is over, or will be.
pub(super) fn renew_visa() -> String {
    let show = codes::NO_PRESENTATION.0.remedy;
    format!("The participant renews its visa, with `gridpass visa renew`. {show}")
}

/// What whoever operates the node does about it.
fn next(code: Code) -> String {
    if [credential_codes::PROOF_EXPIRED, policy_codes::ROLE_NOT_HELD].contains(&code) {
        return codes::NO_PRESENTATION.0.remedy.to_owned();
    }
    if code == credential_codes::VISA_EXPIRED {
        return renew_visa();
    }
    if [credential_codes::STATUS_STALE, credential_codes::STATUS_UNKNOWN].contains(&code) {
        return NEWER_LISTS.to_owned();
    }
    code.0.remedy.to_owned()
}

/// Of the visas that were shown and hold, the one that ends first.
fn ends_first(report: &VisaReport) -> Option<(String, Life)> {
    let holds = report.visas.iter().filter(|v| v.presented && v.outcome == Outcome::Passed);
    let visa = holds.filter_map(|v| v.visa.as_ref()).min_by_key(|visa| visa.valid_until)?;
    let life = Life { from: visa.valid_from, until: visa.valid_until };
    Some((visa.role.to_string(), life))
}

impl Worker {
    /// As what a channel counts this node now; nothing where it does not take part.
    fn own_right_now(
        &self,
        channel: &ContentId,
        now: UnixMillis,
        memo: &mut SignatureMemo,
    ) -> Option<OwnRight> {
        let policy = self.checker.policy(channel)?;
        let material = &self.knowledge.material;
        let Some(own) = material.presentations.get(channel) else {
            let sentence = "the node has no presentation for it".to_owned();
            let why = Some((codes::NO_PRESENTATION, sentence));
            let next = codes::NO_PRESENTATION.0.remedy.to_owned();
            return Some(OwnRight { state: State::None, why, next, visa: None });
        };
        let acts = material.authorisation.as_ref();
        let acts = acts.filter(|_| self.me.participant != self.me.node);
        let speaker = Speaker {
            channel,
            participant: &self.me.participant,
            node: acts.map(|a| (&self.me.node, &a.id)),
            presentation: &own.id,
        };
        let documents = (own.text.as_bytes(), acts.map(|a| a.text.as_bytes()));
        let evidence = self.knowledge.evidence();
        let found = establish(&speaker, documents, policy, &evidence, (now, now), memo);
        let visa = ends_first(&found.report);
        let mut admitted = policy.admit(found.admission);
        let reads = policy.rule(&mut admitted, &Question::Subscribe, now);
        if reads.verdict == Verdict::Allow {
            return Some(OwnRight::of(State::Reads, visa));
        }
        if !policy.descriptor().keep.is_empty()
            && policy.rule(&mut admitted, &Question::Keep, now).verdict == Verdict::Allow
        {
            return Some(OwnRight::of(State::Keeps, visa));
        }
        let (code, sentence, only_lacks) = why(admitted.admission(), &reads.reasons);
        let state = match code.class() {
            Class::Indeterminate => State::Undecided,
            _ if only_lacks => State::Sends,
            _ => State::None,
        };
        let node = admitted.admission().node.as_ref();
        let next = match node.is_some_and(|n| n.standing.outcome == Finding::Failed) {
            true => "Do what is said of the node's authorisation.".to_owned(),
            false => next(code),
        };
        Some(OwnRight { state, why: Some((code, sentence)), next, visa })
    }

    /// The same for an operator. Of many channels what was found last: judging all of them takes seconds.
    pub(super) fn right_of(&self, channel: &ContentId, now: UnixMillis) -> Option<OwnRight> {
        if self.knowledge.material.channels.len() > LOOK_CHANNELS
            && let Some(right) = self.told.rights.get(channel)
        {
            return Some(right.clone());
        }
        self.own_right_now(channel, now, &mut SignatureMemo::default())
    }

    /// Says in the log what this node may not have any more, and what ends soon: some channels with a tick.
    pub(super) fn tick_own_rights(&mut self) {
        let mut told = std::mem::take(&mut self.told);
        if told.to_look.is_empty() && self.ticks.checked_rem(LOOK_TICKS) == Some(1) {
            told.to_look = self.knowledge.material.channels.keys().cloned().collect();
        } else if told.to_look.is_empty() {
            self.told = told;
            return;
        }
        let now = self.now();
        let rest = told.to_look.split_off(told.to_look.len().min(LOOK_CHANNELS));
        for channel in std::mem::replace(&mut told.to_look, rest) {
            let Some(right) = self.own_right_now(&channel, now, &mut told.memo) else {
                told.rights.remove(&channel);
                continue;
            };
            tell_of_right(&channel, told.rights.get(&channel).map(|r| r.state), &right);
            told.rights.insert(channel, right);
        }
        if told.to_look.is_empty() {
            told.rights.retain(|c, _| self.knowledge.material.channels.contains_key(c));
            let without = |r: &&OwnRight| matches!(r.state, State::None | State::Undecided);
            self.metrics.without_right(told.rights.values().filter(without).count());
            self.tell_of_authorisation(&mut told);
            self.tell_of_ends(&mut told, now);
        }
        self.told = told;
    }

    fn tell_of_authorisation(&self, told: &mut Told) {
        let shown = self.authorisation_shown();
        let text = |name: &str| shown.get(name).and_then(Value::as_str).unwrap_or_default();
        let counts = ["counts", "itself"].contains(&text("state"));
        if told.authorised != Some(counts) {
            let (state, code, next) = (text("state"), text("code"), text("next"));
            match (counts, told.authorised) {
                (false, _) => {
                    tracing::warn!(state, code, next, "not authorised: {}", text("sentence"));
                }
                (true, Some(_)) => tracing::info!("authorised again"),
                (true, None) => {}
            }
        }
        told.authorised = Some(counts);
    }
}

/// Says in the log what changed.
fn tell_of_right(channel: &ContentId, before: Option<State>, right: &OwnRight) {
    if before == Some(right.state) {
        return;
    }
    let (code, sentence) = right.why.as_ref().map_or(("", ""), |(c, s)| (c.id(), s.as_str()));
    let next = right.next.as_str();
    match (right.state, before) {
        // Of what just began, evidence may be on its way.
        (State::Undecided | State::Reads | State::Keeps | State::Sends, None) => {}
        (State::None | State::Undecided, _) => {
            tracing::warn!(%channel, code, next, "may not read: {sentence}");
        }
        (State::Sends, Some(State::Reads | State::Keeps)) => {
            tracing::warn!(%channel, code, next, "reads no more: {sentence}");
        }
        (state, Some(_)) => tracing::info!(%channel, ?state, "may again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_names_what_its_operator_does() {
        let stale = [credential_codes::STATUS_STALE, credential_codes::STATUS_UNKNOWN];
        let over = [credential_codes::PROOF_EXPIRED, credential_codes::VISA_EXPIRED];
        for code in over.into_iter().chain(stale) {
            assert!(next(code).contains("gridpass node add"), "{code}");
        }
        for code in stale {
            assert!(next(code).contains("gridpass status publish"), "{code}");
        }
        let revoked = credential_codes::VISA_REVOKED;
        assert_eq!(next(revoked), revoked.0.remedy);
    }
}
