//! How a sealed message is sealed, as far as whoever has no key can say: whether it is a sealed payload
//! at all, whether the epoch that it names is its sender's, and whether that is handed to anybody who
//! may not read.

use super::finality::{is_ended, is_mended};
use super::strangers::Ruled;
use super::{Checked, Checker, Known, Missing, Right, Speaker, Verdict, sender};
use crate::codes;
use crate::envelope::{Envelope, Header};
use crate::sealing::allowance::{self, Allowance};
use crate::sealing::{Epoch, MAX_EPOCH_MILLIS, Member, SealedPayload, Standing};
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::verify::{AuthorisationExpectation, verify_authorisation};
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::Sealing;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::Verdict as PolicyVerdict;
use gridpass_policy::facts::CheckFacts;
use hashlink::LruCache;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most epochs that are remembered, without their keys.
const MAX_REMEMBERED: usize = 256;
/// The most of those that epochs are sealed to whose standing is remembered.
const MAX_STOOD: usize = 4096;
/// The most documents that are asked for at once.
const MAX_WANTED: usize = 64;
/// How long it counts what was found out about somebody of whom something is open, in milliseconds.
const JUDGED_MILLIS: u64 = 10_000;

struct Seen {
    epoch: Arc<Epoch>,
    /// Whether it was kept with a message: it counted against its sender's allowance then.
    counted: bool,
    judged: Option<Judged>,
    /// The same of who may certainly not read and never could: of what is caught up with.
    then: Option<Judged>,
}

/// What was found out about the members of an epoch.
#[derive(Clone)]
struct Judged {
    at: UnixMillis,
    /// Until when it counts where nothing changes but the time.
    until: UnixMillis,
    stranger: Option<(Code, String)>,
}

/// How somebody stood when it was looked at.
#[derive(Clone, Copy)]
enum Stood {
    Entitled,
    /// It had been, and since when it is not.
    Lost(UnixMillis),
}

/// The epochs that messages named lately.
pub(super) struct Epochs {
    seen: LruCache<ContentId, Seen>,
    /// How those stood that epochs are sealed to, as long as they are remembered.
    stood: LruCache<(ContentId, Member), Stood>,
    /// What came of each sender in a channel in the last hour.
    arrived: LruCache<(ContentId, Did), Allowance>,
    most_arrive: u64,
    changes: u64,
    /// Documents of members that are not here.
    wanted: BTreeSet<ContentId>,
}

impl Epochs {
    pub(super) fn new(most_arrive: u64) -> Self {
        Self {
            seen: LruCache::new(MAX_REMEMBERED),
            stood: LruCache::new(MAX_STOOD),
            arrived: LruCache::new(MAX_STOOD),
            most_arrive,
            changes: 0,
            wanted: BTreeSet::new(),
        }
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Nothing that was said of epochs was kept.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Something changed that rights rest on: all are judged again.
    pub(super) fn doubt(&mut self) {
        self.changes = self.changes.saturating_add(1);
        for (_, seen) in &mut self.seen {
            (seen.judged, seen.then) = (None, None);
        }
    }

    /// What was found out a moment ago about an epoch that was caught up with; or to which stranger it is
    /// sealed.
    pub(super) fn of_then(&self, id: &ContentId, now: UnixMillis) -> Option<Result<(), String>> {
        let judged = self.seen.peek(id)?.then.as_ref()?;
        let counts = now >= judged.at && now < judged.until;
        let found = || judged.stranger.as_ref().map_or(Ok(()), |(_, why)| Err(why.clone()));
        counts.then(found)
    }

    pub(super) fn note_then(
        &mut self,
        id: &ContentId,
        found: &Result<(), String>,
        now: UnixMillis,
    ) {
        if let Some(seen) = self.seen.get_mut(id) {
            let stranger = found.as_ref().err().map(|why| (codes::SEALING_STRANGER, why.clone()));
            seen.then = Some(Judged { at: now, until: now.plus_millis(JUDGED_MILLIS), stranger });
        }
    }

    /// Whether it was found, while somebody was remembered, that it may read.
    pub(super) fn was_entitled(&self, channel: &ContentId, member: &Member) -> bool {
        self.stood.contains_key(&(channel.clone(), member.clone()))
    }
}

fn fault(code: Code, sentence: impl Into<String>) -> Box<Checked> {
    Box::new(Checked::new(Verdict::Fault, code, sentence))
}

fn sender_of(header: &Header) -> (ContentId, Did) {
    (header.channel.clone(), header.sender.clone())
}

/// Why an epoch is not taken of which no message was: its sender began as many in that hour as anybody
/// takes. Else who may send could fill disks with one for each message.
fn one_too_many(header: &Header, epoch: &Epoch, known: &dyn Known) -> Option<String> {
    let hour = allowance::hour_of(epoch.begun());
    let before = known.epochs_cost((&header.channel, &header.sender), hour);
    let most = allowance::EPOCHS_AN_HOUR;
    (before.saturating_add(epoch.cost()) > most).then(|| {
        let began = format!("{before} bytes of its sender's epochs began in that hour");
        format!("{began}, its own has {}, and {most} are taken", epoch.cost())
    })
}

/// Whether a message may name an epoch: its chain's, and not too old.
pub(crate) fn epoch_facts(header: &Header, epoch: &Epoch) -> Result<CheckFacts, (Code, String)> {
    epoch.check(header).map_err(|e| (e.code(), e.to_string()))?;
    let age = header.issued.millis_since(epoch.begun());
    if header.issued < epoch.begun() || age > MAX_EPOCH_MILLIS {
        let sentence = "its epoch begins after it, or began too long before it";
        return Err((codes::SEALING_EPOCH, sentence.into()));
    }
    let sentence = format!("sealed to {} nodes when its epoch began", epoch.members().len());
    Ok(CheckFacts::new(Outcome::Passed, codes::SEALING_HELD, sentence))
}

impl Checker {
    /// What there is to say of how a message is sealed, its members aside; nothing where it is not, or
    /// the channel does not seal.
    pub(super) fn check_sealing(
        &mut self,
        envelope: &Envelope,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Result<Option<CheckFacts>, Box<Checked>> {
        let header = envelope.header();
        let Some(id) = &header.epoch else { return Ok(None) };
        let seals = |c: &super::checker::Channel| c.policy.descriptor().sealing == Sealing::Members;
        if !self.channels.get(&header.channel).is_some_and(seals) {
            return Ok(None);
        }
        if let Some(Err(e)) = envelope.payload().map(SealedPayload::parse) {
            return Err(fault(e.code(), e.to_string()));
        }
        let epoch = self.epoch(id, known)?;
        let facts = epoch_facts(header, &epoch).map_err(|(code, why)| fault(code, why))?;
        if !self.is_counted(id, known) {
            if let Some(sentence) = one_too_many(header, &epoch, known) {
                return Ok(Some(CheckFacts::new(Outcome::Failed, codes::SEALING_EPOCHS, sentence)));
            }
            let arrived = self.epochs.arrived.get(&sender_of(header)).copied().unwrap_or_default();
            let most = self.epochs.most_arrive;
            if !arrived.has_room(now, epoch.cost(), most) {
                let sentence = format!("{most} bytes of its sender's epochs are taken in an hour");
                return Err(Box::new(Checked::new(
                    Verdict::Ignore,
                    codes::SEALING_EPOCHS,
                    sentence,
                )));
            }
        }
        Ok(Some(facts))
    }

    /// A message was admitted: if it is the first of its epoch, that is counted as of now.
    pub(super) fn count_epoch(&mut self, header: &Header, known: &dyn Known, now: UnixMillis) {
        let Some(id) = &header.epoch else { return };
        if self.is_counted(id, known) {
            return;
        }
        let cost = self.epochs.seen.get(id).map_or(0, |seen| seen.epoch.cost());
        let arrived = self.epochs.arrived.entry(sender_of(header));
        arrived.or_insert_with(Allowance::default).take(now, cost);
    }

    /// Whether an epoch was kept with a message.
    fn is_counted(&mut self, id: &ContentId, known: &dyn Known) -> bool {
        let Some(seen) = self.epochs.seen.get_mut(id) else { return false };
        seen.counted = seen.counted || known.keeps_epoch(id);
        seen.counted
    }

    /// Whether a message that came live and would be admitted is sealed to somebody who may not read. What
    /// is caught up with is another question: lists of today say nothing of then ([`super::strangers`]).
    pub(super) fn check_members(
        &mut self,
        header: &Header,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<CheckFacts> {
        let id = header.epoch.as_ref()?;
        let epoch = self.epoch(id, known).ok()?;
        let (code, sentence) = self.stranger(header, id, &epoch, known, now)?;
        Some(CheckFacts::new(Outcome::Failed, code, sentence))
    }

    /// Documents of those that messages are sealed to, which are not here: whoever passed the messages
    /// on may have them.
    pub fn take_wanted(&mut self) -> BTreeSet<ContentId> {
        std::mem::take(&mut self.epochs.wanted)
    }

    pub(super) fn epoch(
        &mut self,
        id: &ContentId,
        known: &dyn Known,
    ) -> Result<Arc<Epoch>, Box<Checked>> {
        if let Some(seen) = self.epochs.seen.get(id) {
            return Ok(Arc::clone(&seen.epoch));
        }
        let Some(bytes) = known.document(id) else {
            let sentence = format!("the epoch {id} has not arrived");
            let missing = Missing::Document(id.clone());
            return Err(sender::wait(missing, codes::EPOCH_MISSING, sentence));
        };
        let epoch = Epoch::parse(&bytes).map_err(|e| fault(e.code(), e.to_string()))?;
        let epoch = Arc::new(epoch.without_keys());
        let seen = Seen { epoch: Arc::clone(&epoch), counted: false, judged: None, then: None };
        self.epochs.seen.insert(id.clone(), seen);
        Ok(epoch)
    }

    /// Why somebody that an epoch is sealed to may not read, if there is such a one.
    fn stranger(
        &mut self,
        header: &Header,
        id: &ContentId,
        epoch: &Epoch,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<(Code, String)> {
        let judged = self.epochs.seen.get(id).and_then(|s| s.judged.clone());
        if let Some(judged) = judged
            && now >= judged.at
            && now < judged.until
        {
            return judged.stranger;
        }
        let soon = now.plus_millis(JUDGED_MILLIS);
        let (mut until, mut stranger) = (UnixMillis::MAX, None);
        // Many may be named with one document, and a large one: it is looked for once.
        let mut here = BTreeSet::new();
        for member in epoch.members() {
            // Of whom nothing is here, nothing is said.
            let named = [Some(&member.presentation), member.authorisation.as_ref()];
            let is_here = |id: &ContentId| here.contains(id) || known.document(id).is_some();
            let missing = named.into_iter().flatten().filter(|id| !is_here(id));
            let missing: Vec<_> = missing.cloned().collect();
            if !missing.is_empty() {
                let room = MAX_WANTED.saturating_sub(self.epochs.wanted.len());
                self.epochs.wanted.extend(missing.into_iter().take(room));
                until = until.min(soon);
                continue;
            }
            here.extend(named.into_iter().flatten());
            match self.may_not_read(&header.channel, member, known, now) {
                Ok(ends) => until = until.min(ends),
                Err(why) => {
                    let sentence =
                        format!("it is sealed to {}, who may not read: {why}", member.participant);
                    stranger = Some((codes::SEALING_STRANGER, sentence));
                    until = until.min(soon);
                    break;
                }
            }
        }
        if let Some(seen) = self.epochs.seen.get_mut(id) {
            seen.judged = Some(Judged { at: now, until, stranger: stranger.clone() });
        }
        stranger
    }

    /// Until when it counts that somebody may read, where nothing changes but the time.
    fn until(&mut self, speaker: &Speaker<'_>, now: UnixMillis) -> UnixMillis {
        let facts = self.admissions.get(&speaker.key(), now).map(|a| a.admission());
        let soon = now.plus_millis(JUDGED_MILLIS);
        facts.filter(|f| !f.is_open()).map_or(soon, |f| f.expires)
    }

    /// Why somebody may certainly not read; else, until when that need not be asked again. A sender may
    /// know a newer charter, log or list, or its clock may be ahead; and who lost its right a moment ago
    /// is not held against one that may not have heard of it, as long as the channel lets its knowledge
    /// be that old.
    fn may_not_read(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Result<UnixMillis, String> {
        let place = (channel.clone(), member.clone());
        let soon = now.plus_millis(JUDGED_MILLIS);
        let speaker = member.speaker(channel);
        let Some(ruled) = self.rule_subscribe(&speaker, known, now) else {
            return Ok(soon);
        };
        let Ruled { ruling, open, mended, .. } = ruled;
        let authorised = self.may_be_handed_keys(channel, member, known, now);
        if ruling.verdict == PolicyVerdict::Allow && authorised != Outcome::Failed {
            self.epochs.stood.insert(place, Stood::Entitled);
            return Ok(if authorised == Outcome::Passed {
                self.until(&speaker, now)
            } else {
                soon
            });
        }
        // What is missing may say that it may.
        let undecided =
            |r: &gridpass_policy::decision::Reason| r.code == policy_codes::POLICY_UNDECIDED.id();
        // So may what is newer than what is here. Else a message would be refused for good because its
        // sender knows more. Who could read by what was here before lost that by something newer.
        let mended = mended && !self.epochs.stood.contains_key(&place);
        let open = open || mended || ruling.reasons.iter().all(undecided);
        if authorised != Outcome::Failed && open {
            return Ok(soon);
        }
        let codes_of = |r: &gridpass_policy::decision::Reason| {
            let causes = r.causes.iter().filter_map(|c| codes::find(&c.code));
            causes.chain(codes::find(&r.code)).collect::<Vec<_>>()
        };
        let ended = |c: &Code| is_ended(*c);
        let ended = ruling.reasons.iter().any(|r| codes_of(r).iter().any(ended));
        let since = match self.epochs.stood.get(&place) {
            Some(Stood::Lost(since)) => Some(*since),
            Some(Stood::Entitled) => Some(now),
            None => ended.then_some(now),
        };
        if let Some(since) = since {
            self.epochs.stood.insert(place, Stood::Lost(since));
            let grace = self.policy(channel).map(|p| p.descriptor().max_status_age_seconds);
            let grace = grace.unwrap_or_default().saturating_mul(1000);
            if now.millis_since(since) <= grace {
                return Ok(soon);
            }
        }
        let first = ruling.reasons.first().map(|r| r.sentence.clone());
        Err(first.unwrap_or_else(|| "its node is not authorised to be handed keys".into()))
    }

    /// Whether a member's node is authorised to be handed keys. What something newer may mend is open.
    fn may_be_handed_keys(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Outcome {
        self.check_authorisation(channel, member, known, (now, now)).0
    }

    /// The same as of a time; and whether it is one that was withdrawn, or whose time is over.
    pub(super) fn check_authorisation(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        (at, now): (UnixMillis, UnixMillis),
    ) -> (Outcome, bool) {
        let Some(id) = &member.authorisation else { return (Outcome::Passed, false) };
        let Some(authorisation) = known.document(id) else {
            return (Outcome::Indeterminate, false);
        };
        let oldest = self.policy(channel).map(|p| p.descriptor().max_status_age_seconds);
        let expect = AuthorisationExpectation {
            now: at,
            clock: now,
            principal: &member.participant,
            node: &member.node,
            purpose: NodePurpose::Sealing,
            channel: Some(channel),
            max_status_age_seconds: oldest.unwrap_or_default(),
        };
        let evidence = known.evidence();
        let found = verify_authorisation(&authorisation, &evidence, &expect, &mut self.memo);
        let failed = || found.report.checks.iter().filter(|c| c.outcome == Outcome::Failed);
        let ended = failed().any(|c| is_ended(c.code));
        match found.report.outcome() {
            Outcome::Failed if failed().all(|c| is_mended(c.code)) => {
                (Outcome::Indeterminate, ended)
            }
            outcome => (outcome, ended),
        }
    }

    /// Whether a node may be handed the keys of a channel: its participant may read, and authorised it
    /// to be. And until when that counts by time alone.
    pub fn may_be_handed(
        &mut self,
        channel: &ContentId,
        member: &Member,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Standing {
        let speaker = member.speaker(channel);
        let (right, _) = self.may_have(&speaker, known, now);
        let is_itself = member.participant == member.node;
        let may = right == Some(Right::Read)
            && is_itself == member.authorisation.is_none()
            && self.may_be_handed_keys(channel, member, known, now) == Outcome::Passed;
        // Of who may not, another thing may come to be true without a change: a visa begins to count.
        let soon = now.plus_millis(JUDGED_MILLIS);
        let until = if may { self.until(&speaker, now) } else { soon };
        Standing { may, until }
    }

    /// What the channel says of somebody who wants to read; nothing where a document is missing.
    pub(super) fn rule_subscribe(
        &mut self,
        speaker: &Speaker<'_>,
        known: &dyn Known,
        now: UnixMillis,
    ) -> Option<Ruled> {
        let key = speaker.key();
        // What failed is not among the admissions, and counts all the same.
        let mut fresh = None;
        if self.admissions.get(&key, now).is_none() {
            fresh = Some(self.admit(speaker, known, now, now).ok()?);
        }
        let channel = self.channels.get(speaker.channel)?;
        let admitted = match fresh.as_mut() {
            Some(fresh) => fresh,
            None => self.admissions.get(&key, now)?,
        };
        let ruled = Ruled::of(&channel.policy, admitted, now);
        if let Some(fresh) = fresh {
            self.admissions.insert(fresh);
        }
        Some(ruled)
    }
}
