//! Presentations and authorisations that do not hold, remembered for a while: else whoever serves a large
//! one once has it verified again with each short envelope, or hello, that names it.
//!
//! In: what was found out about a speaker. Out: the same again, without its visas, as long as nothing but
//! the time has changed, and the time does not mend it. Also whether every honest peer finds the same.

use super::Speaker;
use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::verify::{AuthorisationReport, Evidence, VisaReport};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::report::{Check, Outcome};
use gridpass_identity::resolve::{Resolver, Source};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::cache::AdmissionKey;
use gridpass_policy::facts::{Admission, CheckFacts, Finding, NodeFacts, RestsOn};
use hashlink::LruCache;

/// How long it is remembered what nothing can mend, in milliseconds.
const ALWAYS_MILLIS: u64 = 10 * 60 * 1000;
/// How long what a document or list may mend. Each that comes ends it at once.
const UNTIL_CHANGED_MILLIS: u64 = 60_000;
/// How long what time mends.
const EARLY_MILLIS: u64 = 10_000;
/// How much later than its end something must be shown for whoever passed it on to answer for it: beside
/// the skew of clocks it may have waited for a document, there and here.
const BORNE_MILLIS: u64 = 2 * 60 * 1000;

/// How long something goes on to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasting {
    /// Whoever looks, and whenever: it hangs on the bytes alone.
    Always,
    /// From a time on, for everybody whose clock says so.
    From(UnixMillis),
    /// As long as no other document or list is known.
    UntilChanged,
    /// Until it is later.
    Early,
}

/// The longest sentence of a check that is remembered, in characters.
const MAX_SENTENCE: usize = 256;

/// What fails: a presentation in a channel, whoever names it; or what one speaker shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Presentation(ContentId, ContentId),
    Speaker(Box<AdmissionKey>),
}

/// What is remembered of a failure, and what could mend it.
struct Noted {
    admission: Admission,
    /// It fails for everybody but this one, whose presentation it is.
    but: Option<Did>,
    dids: Vec<Did>,
    list: Option<String>,
}

struct Failure {
    noted: Noted,
    /// When it was found out, and until when it is remembered.
    since: UnixMillis,
    forgotten: UnixMillis,
    /// For which times it was found out.
    from: UnixMillis,
    until: UnixMillis,
    /// From when on every honest peer finds the same.
    seen_by_all: Option<UnixMillis>,
}

/// For which time something was judged, when, and by how much clocks may differ, in milliseconds.
pub(super) struct Times {
    pub(super) at: UnixMillis,
    pub(super) now: UnixMillis,
    pub(super) skew: u64,
}

/// What failed lately.
pub(super) struct Failures(LruCache<What, Failure>);

/// What was found out about a speaker.
pub(super) struct Found<'f> {
    pub(super) admission: &'f Admission,
    pub(super) report: &'f VisaReport,
    pub(super) node: Option<&'f AuthorisationReport>,
}

fn presentation(speaker: &Speaker<'_>) -> What {
    What::Presentation(speaker.channel.clone(), speaker.presentation.clone())
}

impl Failures {
    pub(super) fn new(most: usize) -> Self {
        Self(LruCache::new(most.max(1)))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// A status list came.
    pub(super) fn status_list_came(&mut self, list: &str) {
        self.0.retain(|_, f| f.noted.list.as_deref() != Some(list));
    }

    /// What is known of a DID changed.
    pub(super) fn did_changed(&mut self, did: &Did) {
        self.0.retain(|_, f| !f.noted.dids.contains(did));
    }

    /// What is remembered of a speaker, judged for a time, as of now.
    pub(super) fn get(
        &mut self,
        speaker: &Speaker<'_>,
        at: UnixMillis,
        now: UnixMillis,
    ) -> Option<Admission> {
        let failure = self.find(speaker, at, now)?;
        let mut admission = failure.noted.admission.clone();
        admission.sender = speaker.participant.clone();
        (admission.judged, admission.expires) = (at, at.plus_millis(EARLY_MILLIS));
        if admission.node.is_none() {
            admission.node = speaker.node.map(|(node, authorisation)| NodeFacts {
                node: node.clone(),
                standing: CheckFacts::new(
                    Outcome::Indeterminate,
                    codes::NODE_NOT_AUTHORISED,
                    "not looked at, since the presentation does not hold",
                ),
                evidence: Some(authorisation.clone()),
                valid_until: None,
            });
        }
        Some(admission)
    }

    /// Whether every honest peer finds that what a speaker shows does not hold.
    pub(super) fn seen_by_all(&mut self, speaker: &Speaker<'_>, now: UnixMillis) -> bool {
        let seen = self.find(speaker, now, now).and_then(|f| f.seen_by_all);
        seen.is_some_and(|since| now >= since)
    }

    fn find(&mut self, speaker: &Speaker<'_>, at: UnixMillis, now: UnixMillis) -> Option<&Failure> {
        let counts = |f: &Failure| {
            // A clock that was set back: what was found out later says nothing of now.
            let remembered = now >= f.since && now < f.forgotten;
            let other = f.noted.but.as_ref() != Some(speaker.participant);
            remembered && other && at >= f.from && at < f.until
        };
        let whole = presentation(speaker);
        let key = match self.0.peek(&whole).is_some_and(counts) {
            true => whole,
            false => What::Speaker(Box::new(speaker.key())),
        };
        let found: &Failure = self.0.get(&key)?;
        counts(found).then_some(found)
    }

    /// Notes what failed.
    pub(super) fn note(
        &mut self,
        speaker: &Speaker<'_>,
        found: &Found<'_>,
        resolver: &dyn Resolver,
        times: &Times,
    ) {
        if found.admission.standing.outcome == Finding::Failed {
            let (but, lasting) = of_presentation(speaker, found.report, resolver, times.at);
            let dids = found.report.presenter.iter().chain([speaker.participant]).cloned();
            let admission = Admission { node: None, ..found.admission.clone() };
            let noted = Noted { admission, but, dids: dids.collect(), list: None };
            self.insert(presentation(speaker), noted, lasting, times);
        } else if let Some(node) = found.node {
            let lasting = of_node(speaker, node, resolver, times.at);
            self.note_node(speaker, found.admission.clone(), node, lasting, times);
        }
    }

    /// Whether the authorisation that a speaker shows fails for good: then its presentation, which can be
    /// large, need not be looked at. Else many nodes would have it verified once each.
    pub(super) fn node_is_none(
        &mut self,
        speaker: &Speaker<'_>,
        found: &AuthorisationReport,
        evidence: &Evidence<'_>,
        times: &Times,
    ) -> Option<Admission> {
        let (node, _) = speaker.node?;
        let lasting = of_node(speaker, found, evidence.resolver, times.at);
        let failed = found.report.outcome() == Outcome::Failed;
        if !failed || !matches!(lasting, Lasting::Always | Lasting::From(_)) {
            return None;
        }
        let place = (speaker.channel, speaker.participant, speaker.presentation);
        let admission = Admission::of_node(place, (node, found), evidence.trust, times.at);
        self.note_node(speaker, admission.clone(), found, lasting, times);
        Some(admission)
    }

    fn note_node(
        &mut self,
        speaker: &Speaker<'_>,
        admission: Admission,
        found: &AuthorisationReport,
        lasting: Lasting,
        times: &Times,
    ) {
        let list = found.authorisation.as_ref().map(|a| a.status.list.clone());
        let dids = vec![speaker.participant.clone()];
        let noted = Noted { admission, but: None, dids, list };
        self.insert(What::Speaker(Box::new(speaker.key())), noted, lasting, times);
    }

    fn insert(&mut self, what: What, noted: Noted, lasting: Lasting, times: &Times) {
        let (at, ever) = (times.at, UnixMillis::new(0));
        let (from, until, span, seen_by_all) = match lasting {
            Lasting::Always => (ever, UnixMillis::MAX, ALWAYS_MILLIS, Some(ever)),
            Lasting::From(end) => {
                let everybody = end.plus_millis(times.skew.saturating_add(BORNE_MILLIS));
                (end, UnixMillis::MAX, ALWAYS_MILLIS, Some(everybody))
            }
            Lasting::UntilChanged => (at, noted.admission.expires, UNTIL_CHANGED_MILLIS, None),
            Lasting::Early => (at, at.plus_millis(EARLY_MILLIS), EARLY_MILLIS, None),
        };
        let noted = Noted {
            // Nothing in it is anybody's, and it can be large.
            admission: Admission {
                standing: shortened(noted.admission.standing),
                node: noted
                    .admission
                    .node
                    .map(|node| NodeFacts { standing: shortened(node.standing), ..node }),
                visas: Vec::new(),
                lists: Vec::new(),
                rests_on: RestsOn::default(),
                ..noted.admission
            },
            ..noted
        };
        let forgotten = times.now.plus_millis(span);
        let since = times.now;
        self.0.insert(what, Failure { noted, since, forgotten, from, until, seen_by_all });
    }
}

/// Except for whom a presentation failed, and how long that lasts.
fn of_presentation(
    speaker: &Speaker<'_>,
    report: &VisaReport,
    resolver: &dyn Resolver,
    at: UnixMillis,
) -> (Option<Did>, Lasting) {
    let presenter = report.presenter.as_ref();
    let another = presenter.filter(|p| *p != speaker.participant);
    let bytes_alone = presenter.is_some_and(|p| proves_itself(p, resolver));
    let ends = report.presentation_expires.filter(|end| *end <= at).unwrap_or(at);
    let of_itself = report.checks.iter().filter(|c| {
        // This one hangs on who names it.
        another.is_none() || c.code != codes::PRESENTER_OTHER
    });
    match (another, longest(of_itself, bytes_alone, ends)) {
        (_, Some(lasting @ (Lasting::Always | Lasting::From(_)))) => (None, lasting),
        (Some(presenter), _) => (Some(presenter.clone()), Lasting::Always),
        (None, lasting) => (None, lasting.unwrap_or(Lasting::UntilChanged)),
    }
}

fn of_node(
    speaker: &Speaker<'_>,
    found: &AuthorisationReport,
    resolver: &dyn Resolver,
    at: UnixMillis,
) -> Lasting {
    let bytes_alone = proves_itself(speaker.participant, resolver);
    let ends = found.authorisation.as_ref().map(|a| a.valid_until).filter(|end| *end <= at);
    let lasting = longest(found.report.checks.iter(), bytes_alone, ends.unwrap_or(at));
    lasting.unwrap_or(Lasting::UntilChanged)
}

fn shortened(check: CheckFacts) -> CheckFacts {
    CheckFacts { sentence: check.sentence.chars().take(MAX_SENTENCE).collect(), ..check }
}

fn proves_itself(did: &Did, resolver: &dyn Resolver) -> bool {
    resolver.resolve(did).is_ok_and(|r| r.source == Source::SelfCertifying)
}

/// Of several failures, as long as the longest lasts.
fn longest<'c>(
    checks: impl Iterator<Item = &'c Check>,
    bytes_alone: bool,
    ends: UnixMillis,
) -> Option<Lasting> {
    let failed = checks.filter(|c| c.outcome == Outcome::Failed);
    let all: Vec<_> = failed.map(|c| lasting(c, bytes_alone, ends)).collect();
    let from = |l: &Lasting| matches!(l, Lasting::From(_));
    let is = |wanted: Lasting| all.contains(&wanted).then_some(wanted);
    is(Lasting::Always)
        .or_else(|| all.iter().copied().find(from))
        .or_else(|| is(Lasting::UntilChanged))
        .or_else(|| is(Lasting::Early))
}

fn lasting(check: &Check, bytes_alone: bool, ends: UnixMillis) -> Lasting {
    let by_its_bytes = [
        codes::AUDIENCE_OTHER,
        codes::PRESENTATION_UNBOUND,
        codes::NONCE_OTHER,
        codes::PROOF_PURPOSE,
        codes::SIGNING_TIME_MISSING,
        codes::VISA_VALIDITY_TOO_LONG,
        codes::PRESENTER_OTHER,
        codes::NODE_NOT_AUTHORISED,
        identity_codes::SIGNER_OTHER,
        identity_codes::JWS_HEADER_REFUSED,
    ];
    let by_its_end = [codes::PROOF_EXPIRED, codes::VISA_EXPIRED, codes::BINDING_OLD];
    let by_the_clock =
        [codes::VISA_NOT_YET, identity_codes::SIGNED_IN_FUTURE, identity_codes::DID_NOT_YET];
    let code = check.code;
    if by_the_clock.contains(&code) {
        Lasting::Early
    } else if by_its_end.contains(&code) {
        Lasting::From(ends)
    } else if check.name == "form" || by_its_bytes.contains(&code) {
        Lasting::Always
    } else if check.name == "signature" && bytes_alone {
        // By the key that the DID itself says.
        Lasting::Always
    } else {
        Lasting::UntilChanged
    }
}
