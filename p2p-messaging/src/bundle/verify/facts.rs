//! Recorded facts about a sender, held against those that were established again.

use super::material::is_about_status;
use super::report::{Audit, worst};
use super::senders::Part;
use crate::checking::Established;
use crate::codes;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::code::Code;
use gridpass_identity::report::Outcome;
use gridpass_policy::facts::{Admission, CheckFacts, Finding, NodeFacts, VisaFacts};

/// Whether a finding was made again as it was recorded: of what passed the code says no more.
pub(super) fn same(recorded: &CheckFacts, made: &CheckFacts) -> bool {
    let passed = recorded.outcome == Finding::Passed;
    recorded.outcome == made.outcome && (passed || recorded.code == made.code)
}

/// How a recorded finding stands to the one that was made again.
pub(super) fn stand(recorded: &CheckFacts, made: &CheckFacts) -> (Outcome, Code) {
    if same(recorded, made) {
        return (Outcome::Passed, codes::FACTS_CONFIRMED);
    }
    match (recorded.outcome, made.outcome) {
        (Finding::Passed, Finding::Failed) => (Outcome::Failed, codes::FACTS_DIFFER),
        _ => (Outcome::Indeterminate, codes::FACTS_OPEN),
    }
}

fn told(what: &str, recorded: &CheckFacts, made: &CheckFacts) -> String {
    if same(recorded, made) {
        return format!("{what}: {} [{}], as recorded", made.sentence, made.code);
    }
    format!(
        "{what}: by the evidence {} [{}]; recorded was {} [{}]",
        made.sentence, made.code, recorded.sentence, recorded.code
    )
}

/// The findings of a part, put together.
struct Findings {
    name: &'static str,
    found: Vec<((Outcome, Code), String)>,
    evidence: Vec<ContentId>,
}

impl Findings {
    fn new(part: Part) -> Self {
        Self { name: part.name(), found: Vec::new(), evidence: Vec::new() }
    }

    fn is_open(&self) -> bool {
        self.found.iter().any(|((outcome, _), _)| *outcome == Outcome::Indeterminate)
    }

    fn add(&mut self, stand: (Outcome, Code), sentence: String) {
        self.found.push((stand, sentence));
    }

    /// The worst; where all passed, all sentences.
    fn audit(self, nothing: &'static str) -> Audit {
        let Self { name, found, evidence } = self;
        let all = found.iter().map(|((o, c), s)| (*o, *c, s.as_str()));
        let audit = match worst(all) {
            None => Audit::passed(name, codes::NOTHING_ASKED, nothing),
            Some((Outcome::Passed, code, _)) => {
                let all: Vec<_> = found.iter().map(|(_, s)| s.as_str()).collect();
                Audit::passed(name, code, all.join("; "))
            }
            Some((outcome, code, sentence)) => {
                Audit::new(name, (outcome, code), sentence.to_owned())
            }
        };
        audit.on(evidence)
    }
}

/// Each part of an admission as it was recorded, beside what was established again.
pub(super) fn compare(
    recorded: &Admission,
    made: &Established,
    charter_known: bool,
    missing: &[ContentId],
) -> [Audit; 4] {
    let again = &made.admission;
    let mut presentation = Findings::new(Part::Presentation);
    presentation.evidence.extend(recorded.presentation.clone());
    let stood = stand(&recorded.standing, &again.standing);
    presentation.add(stood, told("the presentation", &recorded.standing, &again.standing));
    let mut node = Findings::new(Part::Node);
    compare_nodes(recorded.node.as_ref(), again.node.as_ref(), &mut node);
    let (mut visas, mut status) = (Findings::new(Part::Visas), Findings::new(Part::Status));
    if charter_known {
        compare_visas(recorded, again, missing.is_empty(), &mut visas, &mut status);
    } else {
        let sentence = format!("it was judged by the charter {}", recorded.trust.charter);
        visas.add((Outcome::Indeterminate, codes::CHARTER_AHEAD), sentence.clone());
        status.add((Outcome::Indeterminate, codes::CHARTER_AHEAD), sentence);
    }
    for list in missing {
        let sentence = format!("the status list {list} that was read is not there");
        let open = (Outcome::Indeterminate, credential_codes::STATUS_UNKNOWN);
        // What is missing decides before what follows from its absence.
        status.found.insert(0, (open, sentence));
    }
    if missing.is_empty() && charter_known && recorded.lists != again.lists {
        // Of what cannot be looked at no list is read, and a list whose signer is unknown is not believed.
        let fewer = again.lists.iter().all(|list| recorded.lists.contains(list));
        let open = [&node, &presentation, &visas, &status].into_iter().any(Findings::is_open);
        let (outcome, sentence) = match fewer && open {
            true => (
                (Outcome::Indeterminate, codes::FACTS_OPEN),
                "not all the status lists that the record names are read again",
            ),
            false => (
                (Outcome::Failed, codes::FACTS_DIFFER),
                "the status lists that were read are others than the record says",
            ),
        };
        status.add(outcome, sentence.into());
    }
    for list in &recorded.lists {
        let age = recorded.judged.millis_since(list.dated) / 1000;
        let sentence =
            format!("the list {} of {} was {age} seconds old then", list.list, list.signer);
        status.add((Outcome::Passed, codes::FACTS_CONFIRMED), sentence);
        status.evidence.push(list.evidence.clone());
    }
    [
        node.audit("the sender signs itself"),
        presentation.audit("there is no presentation"),
        visas.audit("no visa is shown"),
        status.audit("nothing has a status"),
    ]
}

fn compare_nodes(recorded: Option<&NodeFacts>, made: Option<&NodeFacts>, node: &mut Findings) {
    let (recorded, made) = match (recorded, made) {
        (None, None) => return,
        (Some(recorded), Some(made)) => (recorded, made),
        (Some(_), None) | (None, Some(_)) => {
            let sentence = "the record says otherwise whether a node signs".into();
            return node.add((Outcome::Failed, codes::FACTS_DIFFER), sentence);
        }
    };
    node.evidence.extend(recorded.evidence.clone());
    let same = (&recorded.node, &recorded.evidence, &recorded.valid_until)
        == (&made.node, &made.evidence, &made.valid_until);
    if !same {
        let sentence = "the authorisation says other things than were recorded".into();
        node.add((Outcome::Failed, codes::FACTS_DIFFER), sentence);
    }
    let stood = stand(&recorded.standing, &made.standing);
    node.add(stood, told("the authorisation", &recorded.standing, &made.standing));
}

fn compare_visas(
    recorded: &Admission,
    made: &Admission,
    all_lists: bool,
    visas: &mut Findings,
    status: &mut Findings,
) {
    let differ = (Outcome::Failed, codes::FACTS_DIFFER);
    let names = |a: &Admission| a.visas.iter().map(|v| v.evidence.clone()).collect::<Vec<_>>();
    if names(recorded) != names(made) {
        let sentence = "the presentation shows other visas than were recorded".to_owned();
        visas.add(differ, sentence);
    }
    for then in &recorded.visas {
        visas.evidence.push(then.evidence.clone());
        visas.evidence.extend(then.path.iter().map(|s| s.evidence.clone()));
        let Some(again) = made.visas.iter().find(|v| v.evidence == then.evidence) else { continue };
        if !says_the_same(then, again) {
            let sentence = format!("the visa for {} says other things", again.role);
            visas.add(differ, sentence);
        }
        let (stood, what) = (stand(&then.standing, &again.standing), format!("visa {}", then.role));
        let sentence = told(&what, &then.standing, &again.standing);
        let decides = [&then.standing.code, &again.standing.code];
        let by_status = decides.iter().any(|code| is_about_status(code));
        if by_status && stood.0 != Outcome::Passed {
            status.add(stood, sentence);
            continue;
        }
        visas.add(stood, sentence);
        let hangs = |v: &VisaFacts| (v.status_dated, v.only_status_open);
        // Both follow from the lists: of what is missing nothing follows.
        if all_lists && stood.0 == Outcome::Passed && hangs(then) != hangs(again) {
            let sentence = format!("the status of {what} is of another date than was recorded");
            status.add(differ, sentence);
        }
        let of_issuer = (&then.authorities, &then.path) == (&again.authorities, &again.path);
        if stood.0 == Outcome::Passed && !of_issuer {
            let sentence = format!("{what} was authorised by others than was recorded");
            visas.add(differ, sentence);
        }
    }
}

fn says_the_same(a: &VisaFacts, b: &VisaFacts) -> bool {
    let says = |v: &VisaFacts| (v.role.clone(), v.definition.clone(), v.valid_until);
    says(a) == says(b) && a.issuer == b.issuer && a.claims == b.claims
}
