//! To whom messages were sealed that are caught up with. Who gives them chooses when: a sender that seals to
//! somebody who may not read would else send nothing live, and nobody would see it. But the circle was
//! another then, and what is here of today must not accuse a sender that knew less: so only of who may
//! certainly not read now, and could not either when the epoch began, for reasons that no time changes.

use super::finality::{has_ended, may_be_mended};
use super::{Checker, Known, Speaker};
use crate::codes;
use crate::envelope::Header;
use crate::sealing::{Epoch, Member};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Ruling, Verdict as PolicyVerdict};
use gridpass_policy::facts::{CheckFacts, Question};
use gridpass_policy::policy::{Admitted, Policy};

/// What the channel says of somebody who wants to read.
pub(super) struct Ruled {
    pub(super) ruling: Ruling,
    /// Whether something that is missing may say otherwise.
    pub(super) open: bool,
    /// Whether something newer than what is here may.
    pub(super) mended: bool,
    /// Whether something earlier would: what it shows was good once.
    ended: bool,
}

impl Ruled {
    pub(super) fn of(policy: &Policy, admitted: &mut Admitted, at: UnixMillis) -> Self {
        let ruling = policy.rule(admitted, &Question::Subscribe, at);
        let facts = admitted.admission();
        let open = !facts.has_failed() && facts.is_open();
        let (mended, ended) = (may_be_mended(&ruling, facts), has_ended(&ruling, facts));
        Self { ruling, open, mended, ended }
    }

    /// Whether it may certainly not read, whatever was known to whom, and when.
    fn denies(&self) -> bool {
        let undecided = policy_codes::POLICY_UNDECIDED.id();
        let undecided = self.ruling.reasons.iter().all(|r| r.code == undecided);
        let uncertain = self.open || self.mended || self.ended || undecided;
        self.ruling.verdict == PolicyVerdict::Deny && !uncertain
    }
}

impl Checker {
    /// Whether a message that was caught up with, and would be admitted, is sealed to such a one. Documents
    /// of members that are not here are not asked for: of those nothing is said.
    pub(super) fn check_members_then(
        &mut self,
        header: &Header,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<CheckFacts> {
        // An own one was judged when it was sent, by what was known then.
        if header.sender == self.me {
            return None;
        }
        let id = header.epoch.as_ref()?;
        let epoch = self.epoch(id, known).ok()?;
        let found = match self.epochs.of_then(id, now) {
            Some(found) => found,
            None => {
                let found = self.stranger_then(&header.channel, &epoch, known, now);
                self.epochs.note_then(id, &found, now);
                found
            }
        };
        let why = found.err()?;
        Some(CheckFacts::new(Outcome::Failed, codes::SEALING_STRANGER, why))
    }

    fn stranger_then(
        &mut self,
        channel: &ContentId,
        epoch: &Epoch,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Result<(), String> {
        let begun = epoch.begun().min(now);
        for member in epoch.members() {
            // Most may read now: they are not looked at as of then.
            if let Some(why) = self.cannot_read(channel, member, known, (now, now))
                && self.cannot_read(channel, member, known, (begun, now)).is_some()
            {
                let who = &member.participant;
                return Err(format!("it is sealed to {who}, who may not read, nor could: {why}"));
            }
        }
        Ok(())
    }

    /// Why somebody may certainly not read as of a time, if it may not.
    fn cannot_read(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        (at, now): (UnixMillis, UnixMillis),
    ) -> Option<String> {
        if self.epochs.was_entitled(channel, member) {
            return None;
        }
        let speaker = member.speaker(channel);
        let ruled = if at == now {
            self.rule_subscribe(&speaker, known, now)?
        } else {
            self.rule_subscribe_then(&speaker, known, (at, now))?
        };
        if ruled.denies() {
            let first = ruled.ruling.reasons.first().map(|r| r.sentence.clone());
            return Some(first.unwrap_or_else(|| "the channel does not allow it".into()));
        }
        let (authorised, ended) = self.check_authorisation(channel, member, known, (at, now));
        (authorised == Outcome::Failed && !ended)
            .then(|| "its node is not authorised to be handed keys".into())
    }

    fn rule_subscribe_then(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        (at, now): (UnixMillis, UnixMillis),
    ) -> Option<Ruled> {
        let mut admitted = self.admit(speaker, known, at, now).ok()?;
        let channel = self.channels.get(speaker.channel)?;
        Some(Ruled::of(&channel.policy, &mut admitted, at))
    }
}
