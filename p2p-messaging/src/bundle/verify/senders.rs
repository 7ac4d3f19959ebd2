//! Admissions: what was recorded of a sender, established again from the presentation, the authorisation
//! and the status lists that it names, by the node's own verifier.

use super::facts::compare;
use super::in_parallel_with;
use super::known::KnownDids;
use super::material::Material;
use super::report::{Audit, Note};
use crate::checking::{Established, Speaker, establish};
use crate::codes;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::verify::{Evidence, SeenLists, check_list};
use gridpass_credentials::visa::{Purpose, StatusEntry};
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::facts::{Admission, CheckFacts, Finding, VisaFacts};
use gridpass_policy::policy::Admitted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which check a message is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Node,
    Presentation,
    Visas,
    Status,
}

impl Part {
    const ALL: [Self; 4] = [Self::Node, Self::Presentation, Self::Visas, Self::Status];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Presentation => "presentation",
            Self::Visas => "visas",
            Self::Status => "status",
        }
    }
}

/// What came out for one admission.
pub(super) struct Sender {
    /// In the order of [`Part::ALL`].
    pub(super) checks: [Arc<Audit>; 4],
    /// The recorded facts, taken in by the channel's policy.
    pub(super) admitted: Option<Admitted>,
    /// Until when it counts by its evidence.
    pub(super) expires: Option<UnixMillis>,
    /// When somebody other than the sender last signed something that it rests on.
    pub(super) not_before: Option<UnixMillis>,
    /// What lists say that were not read, and are newer than those that were.
    pub(super) unheard: Vec<Unheard>,
    /// That a charter which was in force says otherwise than the older one that was gone by.
    pub(super) older: Option<Note>,
}

/// Every admission that a message names.
pub(super) type Senders = BTreeMap<ContentId, Sender>;

pub(super) fn judge(material: &Material<'_>) -> Senders {
    // For each: when the first of its messages was written down, if all were caught up with.
    let mut named: BTreeMap<&ContentId, Option<UnixMillis>> = BTreeMap::new();
    for entry in &material.bundle.entries().messages {
        let clock = entry.caught_up.then_some(entry.logged);
        let held = named.entry(&entry.admission).or_insert(clock);
        *held = match (*held, clock) {
            (Some(a), Some(b)) => Some(a.min(b)),
            _ => None,
        };
    }
    let named: Vec<_> = named.into_iter().collect();
    let judged = in_parallel_with(
        &named,
        || (material.resolver(), SignatureMemo::default()),
        |(resolver, memo), (id, clock)| {
            let sender = match material.admissions.get(*id) {
                Some(recorded) => one(material, id, recorded, *clock, resolver, memo),
                None => Sender::unknown(material, id),
            };
            ((*id).clone(), sender)
        },
    );
    judged.into_iter().collect()
}

/// The channel's owner, and the participants who show a visa that holds, as the bundle proves: they are not
/// somebody's spare keys.
pub(super) fn accredited<'m>(material: &'m Material<'_>, senders: &Senders) -> BTreeSet<&'m Did> {
    let proven = |sender: &Sender| {
        let [_, presentation, visas, status] = &sender.checks;
        [presentation, visas, status].iter().all(|check| check.outcome == Outcome::Passed)
    };
    let shows = |admission: &Admission| {
        let passed = |check: &CheckFacts| check.outcome == Finding::Passed;
        passed(&admission.standing) && admission.visas.iter().any(|visa| passed(&visa.standing))
    };
    let known = material
        .admissions
        .iter()
        .filter(|(id, admission)| shows(admission) && senders.get(*id).is_some_and(proven));
    let signed = material.channel.outcome == Outcome::Passed;
    let policy = material.policy.as_ref().filter(|_| signed);
    let owner = policy.map(|policy| &policy.descriptor().owner);
    known.map(|(_, admission)| &admission.sender).chain(owner).collect()
}

impl Sender {
    /// One whose admission is not there, or cannot be read.
    fn unknown(material: &Material<'_>, id: &ContentId) -> Self {
        let there = material.bundle.document(id).is_some();
        let audit = |part: Part| {
            let name = part.name();
            Arc::new(if there {
                let sentence = "the recorded facts about the sender cannot be read";
                Audit::failed(name, gridpass_policy::codes::DECISION_MALFORMED, sentence).on([id])
            } else {
                let sentence = "the recorded facts about the sender are not there";
                Audit::open(name, codes::BUNDLE_PART_MISSING, sentence).on([id])
            })
        };
        Self::of(Part::ALL.map(audit))
    }

    fn of(checks: [Arc<Audit>; 4]) -> Self {
        let unheard = Vec::new();
        Self { checks, admitted: None, expires: None, not_before: None, unheard, older: None }
    }

    /// The check of a part.
    pub(super) fn check(&self, part: Part) -> Arc<Audit> {
        let [node, presentation, visas, status] = &self.checks;
        Arc::clone(match part {
            Part::Node => node,
            Part::Presentation => presentation,
            Part::Visas => visas,
            Part::Status => status,
        })
    }
}

fn one(
    material: &Material<'_>,
    id: &ContentId,
    recorded: &Admission,
    caught_up: Option<UnixMillis>,
    resolver: &KnownDids<'_>,
    memo: &mut SignatureMemo,
) -> Sender {
    let Some(policy) = &material.policy else {
        let audit = |part: Part| {
            let sentence = "without the channel's descriptor nothing can be said";
            let (code, outcome) = (material.channel.code, material.channel.outcome);
            let outcome = if outcome == Outcome::Passed { Outcome::Failed } else { outcome };
            Arc::new(Audit::new(part.name(), (outcome, code), sentence))
        };
        return Sender::of(Part::ALL.map(audit));
    };
    let mut sender = match settled(material, recorded) {
        Some(checks) => Sender::of(checks.map(Arc::new)),
        None => {
            let newest = &material.trust;
            let as_of = material.trust_as_of(&recorded.trust.charter);
            let (lists, missing) = lists_of(material, recorded);
            let seen = SeenLists::new();
            let evidence =
                Evidence { trust: as_of.unwrap_or(newest), lists: &lists, resolver, seen: &seen };
            let clock = caught_up.unwrap_or(recorded.judged).max(recorded.judged);
            match established(material, recorded, &evidence, clock, memo) {
                Err((part, audit)) => {
                    let open = Audit::open("", audit.code, audit.sentence.clone());
                    let named = |p: Part| Audit { name: p.name(), ..open.clone() };
                    let checks =
                        Part::ALL.map(|p| if p == part { audit.clone() } else { named(p) });
                    Sender::of(checks.map(Arc::new))
                }
                Ok(made) => {
                    let checks = compare(recorded, &made, as_of.is_some(), &missing);
                    let older = by_newer(material, recorded, &made, (&evidence, clock), memo);
                    Sender {
                        checks: checks.map(Arc::new),
                        admitted: None,
                        expires: Some(made.admission.expires),
                        not_before: not_before(&made, &recorded.sender),
                        unheard: unheard(material, recorded, &made, resolver, memo),
                        older,
                    }
                }
            }
        }
    };
    if recorded.encode().is_ok_and(|(name, _)| &name == id) {
        sender.admitted = Some(policy.admit(recorded.clone()));
    }
    sender
}

/// What need not be looked at: facts of another framework or channel prove nothing here.
fn settled(material: &Material<'_>, recorded: &Admission) -> Option<[Audit; 4]> {
    let (code, sentence) = if &recorded.trust.framework != material.framework() {
        (codes::BUNDLE_FRAMEWORK, "it was judged by another framework's trust")
    } else if recorded.channel != material.bundle.manifest().selection.channel {
        (codes::FACTS_DIFFER, "the recorded facts are of another channel")
    } else {
        return None;
    };
    Some(Part::ALL.map(|part| Audit::failed(part.name(), code, sentence)))
}

/// The lists that an admission names, and those of them that are not there.
fn lists_of(material: &Material<'_>, recorded: &Admission) -> (Vec<StatusList>, Vec<ContentId>) {
    let (mut lists, mut missing) = (Vec::new(), Vec::new());
    for named in &recorded.lists {
        match material.lists.get(&named.evidence) {
            Some(list) => lists.push(list.clone()),
            None => missing.push(named.evidence.clone()),
        }
    }
    (lists, missing)
}

fn established(
    material: &Material<'_>,
    recorded: &Admission,
    evidence: &Evidence<'_>,
    clock: UnixMillis,
    memo: &mut SignatureMemo,
) -> Result<Established, (Part, Audit)> {
    let missing = |part: Part, what: &str, id: &ContentId| {
        let sentence = format!("the {what} {id} is not there");
        (part, Audit::open(part.name(), codes::BUNDLE_PART_MISSING, sentence).on([id]))
    };
    let Some(name) = &recorded.presentation else {
        let sentence = "the recorded facts name no presentation";
        let audit = Audit::failed(Part::Presentation.name(), codes::FACTS_DIFFER, sentence);
        return Err((Part::Presentation, audit));
    };
    let document = |id: &ContentId| material.bundle.document(id);
    let presentation =
        document(name).ok_or_else(|| missing(Part::Presentation, "presentation", name))?;
    let node = recorded.node.as_ref().and_then(|n| Some((&n.node, n.evidence.as_ref()?)));
    let authorisation = match node {
        None => None,
        Some((_, id)) => {
            Some(document(id).ok_or_else(|| missing(Part::Node, "authorisation", id))?)
        }
    };
    let speaker = Speaker {
        channel: &recorded.channel,
        participant: &recorded.sender,
        node,
        presentation: name,
    };
    let policy = material.policy.as_ref().ok_or_else(|| missing(Part::Visas, "channel", name))?;
    let documents = (presentation, authorisation);
    Ok(establish(&speaker, documents, policy, evidence, (recorded.judged, clock), memo))
}

fn not_before(made: &Established, sender: &Did) -> Option<UnixMillis> {
    let others = |v: &&gridpass_credentials::verify::Verdict| {
        let shown = !v.proves_revoker;
        shown
            && v.holds_but_for_status()
            && v.visa.as_ref().is_some_and(|visa| &visa.issuer != sender)
    };
    made.report.visas.iter().filter(others).filter_map(|v| v.issued).max()
}

/// Whether by the charter that was in force a visa failed which holds by the older one that was gone by.
fn by_newer(
    material: &Material<'_>,
    recorded: &Admission,
    made: &Established,
    (evidence, clock): (&Evidence<'_>, UnixMillis),
    memo: &mut SignatureMemo,
) -> Option<Note> {
    let named = material.trust_as_of(&recorded.trust.charter)?;
    let newer = material.trust_as_of(material.charter_in_force(recorded.judged)?)?;
    if newer.history().len() <= named.history().len() {
        return None;
    }
    let (lists, resolver, seen) = (evidence.lists, evidence.resolver, SeenLists::new());
    let evidence = Evidence { trust: newer, lists, resolver, seen: &seen };
    let again = established(material, recorded, &evidence, clock, memo).ok()?;
    let held = |visa: &VisaFacts| {
        let mut before = made.admission.visas.iter().filter(|v| v.evidence == visa.evidence);
        before.any(|v| v.standing.outcome == Finding::Passed)
    };
    let mut failed = again.admission.visas.iter().filter(|v| v.standing.outcome == Finding::Failed);
    let visa = failed.find(|visa| held(visa))?;
    let charter = newer.charter().charter();
    let VisaFacts { role, standing, .. } = visa;
    let sentence = format!(
        "by the charter of {}, version {}, the visa for {role} does not count: {} [{}]",
        charter.dated, charter.version, standing.sentence, standing.code
    );
    Some(Note { code: codes::CHARTER_UNHEARD, sentence })
}

/// What a list says that was not read, of what a message rests on.
pub(super) struct Unheard {
    since: UnixMillis,
    until: Option<UnixMillis>,
    /// Of what.
    what: String,
    pub(super) note: Note,
}

impl Unheard {
    /// Whether it was so at a time.
    pub(super) fn counts_at(&self, at: UnixMillis) -> bool {
        self.since <= at && self.until.is_none_or(|until| at < until)
    }

    /// Whether another says it of the same time, and of the same thing.
    fn is_of(&self, other: &Self) -> bool {
        (self.since, self.note.code, &self.what) == (other.since, other.note.code, &other.what)
    }
}

/// What newer lists than those that were read say of what this rests on, whenever they are dated: that it was
/// revoked or suspended; or only that they are there, where what was read was too old.
fn unheard(
    material: &Material<'_>,
    recorded: &Admission,
    made: &Established,
    resolver: &KnownDids<'_>,
    memo: &mut SignatureMemo,
) -> Vec<Unheard> {
    let presented = made.report.visas.iter().filter(|v| v.presented);
    let visas = presented.filter_map(|v| v.visa.as_ref()).flat_map(|visa| {
        let what = format!("the visa for {}", visa.role);
        visa.status.iter().map(move |entry| (entry, &visa.issuer, what.clone()))
    });
    let node = made.node.iter().filter_map(|n| n.authorisation.as_ref());
    let node = node.map(|a| (&a.status, &a.principal, "the node's authorisation".to_owned()));
    let standings = recorded.visas.iter().map(|v| &v.standing);
    let mut standings = standings.chain(recorded.node.iter().map(|n| &n.standing));
    let stale = standings.any(|s| s.code == credential_codes::STATUS_STALE.id());
    let mut found: Vec<Unheard> = Vec::new();
    for (entry, issuer, what) in visas.chain(node) {
        let read = recorded.lists.iter().filter(|l| l.list == entry.list);
        let read = read.filter_map(|l| material.lists.get(&l.evidence));
        let heard: Vec<_> = read.flat_map(|list| said_by(list, entry, &what)).collect();
        let newer = material.lists.values().filter(|l| speaks(l, entry, issuer, recorded));
        let mut newer: Vec<_> = newer.collect();
        newer.sort_by_key(|list| list.dated);
        let mut believed = |list: &StatusList| {
            let checks = check_list(list, resolver, material.at, memo);
            checks.iter().all(|c| c.outcome == Outcome::Passed)
        };
        // Of those that were there, the first says it: of later ones there may be any number.
        let first = newer.iter().copied().filter(|_| stale).find(|list| believed(list));
        let first = first.map(not_read);
        let first = first.filter(|new| !found.iter().any(|held| held.is_of(new)));
        found.extend(first);
        for list in newer {
            let mut said = said_by(list, entry, &what);
            said.retain(|new| {
                let adds = |held: &Unheard| held.until.is_none() && new.until.is_some();
                let told = found.iter().find(|held| held.is_of(new));
                !heard.iter().any(|known| known.is_of(new)) && told.is_none_or(adds)
            });
            if said.is_empty() || !believed(list) {
                continue;
            }
            for new in said {
                match found.iter_mut().find(|held| held.is_of(&new)) {
                    Some(held) => held.until = held.until.or(new.until),
                    None => found.push(new),
                }
            }
        }
    }
    found
}

/// Since when something is revoked by a list, and for which times suspended.
fn said_by(list: &StatusList, entry: &StatusEntry, what: &str) -> Vec<Unheard> {
    let note = |since: UnixMillis, word: &str| {
        let sentence = format!("{what} was {word} at {since}, says a list of {}", list.dated);
        Note { code: codes::REVOKED_UNHEARD, sentence }
    };
    let changes = list.changes(entry.index);
    match entry.purpose {
        Purpose::Revocation => {
            let is_set = list.bits().get(entry.index) == Ok(true);
            let last = changes.last().filter(|_| is_set);
            let revoked = |at| Unheard {
                since: at,
                until: None,
                what: what.to_owned(),
                note: note(at, "revoked"),
            };
            last.map(|change| revoked(change.at)).into_iter().collect()
        }
        Purpose::Suspension => {
            let ends = changes.iter().skip(1).map(|change| Some(change.at)).chain([None]);
            let suspended = changes.iter().zip(ends).filter(|(change, _)| change.set);
            let told = |(change, until): (&Change, Option<UnixMillis>)| Unheard {
                since: change.at,
                until,
                what: what.to_owned(),
                note: note(change.at, "suspended"),
            };
            suspended.map(told).collect()
        }
    }
}

/// That a newer list was there than the one that was too old.
fn not_read(list: &StatusList) -> Unheard {
    let sentence = format!("a newer list than was read, of {}, is in the bundle", list.dated);
    let note = Note { code: credential_codes::STATUS_STALE, sentence };
    Unheard { since: list.dated, until: None, what: list.id.clone(), note }
}

/// Whether a list is newer than the one of its name that was read, and by somebody who may say so.
fn speaks(list: &StatusList, entry: &StatusEntry, issuer: &Did, recorded: &Admission) -> bool {
    let of_its_name =
        |l: &&gridpass_policy::facts::ListFacts| l.list == list.id && l.signer == list.issuer;
    let read = recorded.lists.iter().find(of_its_name);
    let newer = read.map_or(&list.issuer == issuer, |read| list.dated > read.dated);
    list.id == entry.list && newer
}
