//! What must be refused, case 7, where something that shows a revoker's right is withheld, old, contradicts itself
//! or is listed no more: none of it makes good what was revoked. Nor does what nobody believes.

use crate::is;
use gridpass_credentials::codes;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::{Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{Evidence, Expectation, SeenLists, VisaReport, verify_visa};
use gridpass_credentials::visa::{Purpose, Visa};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, Snapshot, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::Fixed;
use gridpass_tests::logged::Logged;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days, minutes_ago};
use serde_json::json;

const REVOKED: (Outcome, Code) = (Outcome::Failed, codes::VISA_REVOKED);
const OPEN: (Outcome, Code) = (Outcome::Indeterminate, codes::STATUS_SIGNER);
const LAPSED: (Outcome, Code) = (Outcome::Indeterminate, codes::STATUS_REVOKER_LAPSED);

/// Who must be insured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Insured {
    Nobody,
    Body,
    Ombudsman,
}

/// The root seats a body, which makes an ombudsman, who revoked a visa of the root's. An insurer insures.
struct World {
    root: Party,
    insurer: Party,
    body: Party,
    ombudsman: Party,
    definitions: Vec<RoleDefinition>,
    visa: Secured,
    set: Change,
    seat: Secured,
    office: Secured,
    insurance: Secured,
}

/// A visa at a place of its own.
fn at_place(index: u64) -> impl Fn(&mut Visa) {
    move |visa: &mut Visa| visa.status.iter_mut().for_each(|entry| entry.index = index)
}

impl World {
    fn new(who: Insured) -> Self {
        Self::of(who, Party::new(6))
    }

    fn of(who: Insured, body: Party) -> Self {
        let (root, holder) = (Party::new(1), Party::new(2));
        let (ombudsman, insurer) = (Party::new(5), Party::new(7));
        let insured = world::definition("flex.gb.insured", world::dids(&[&insurer]), |_| ());
        let needs =
            |is_needed: bool| is_needed.then(|| Requirement::Role { role: world::id(&insured) });
        let seats = world::definition("flex.gb.body", world::dids(&[&root]), |d| {
            d.preconditions = needs(who == Insured::Body);
        });
        let offices = world::definition("flex.gb.ombudsman", world::holders(&[&seats]), |d| {
            d.preconditions = needs(who == Insured::Ombudsman);
        });
        let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |d| {
            d.revokers = Some(world::holders(&[&offices]));
        });
        let issue = |by: &Party, to: &Party, definition: &RoleDefinition, index: u64| {
            world::issue(by, &world::visa(by, to, definition, at_place(index)))
        };
        let subject = match who {
            Insured::Body => &body,
            Insured::Nobody | Insured::Ombudsman => &ombudsman,
        };
        let insurance = issue(&insurer, subject, &insured, 3);
        let seat = issue(&root, &body, &seats, 2);
        let office = issue(&body, &ombudsman, &offices, 4);
        let visa = issue(&root, &holder, &role, 1);
        let set = Change { index: 1, set: true, at: days_ago(1) };
        let definitions = vec![insured, seats, offices, role];
        Self { root, insurer, body, ombudsman, definitions, visa, set, seat, office, insurance }
    }

    fn definitions(&self) -> Vec<&RoleDefinition> {
        self.definitions.iter().collect()
    }

    fn trust(&self) -> Trust {
        world::trust(&[&self.root, &self.insurer], &self.definitions())
    }

    /// The trust in a newer charter, which lists this definition no more.
    fn trust_without(&self, gone: &RoleDefinition) -> Trust {
        let (roots, definitions) = ([&self.root, &self.insurer], self.definitions());
        let first = world::sign_charter(world::charter(&roots, &definitions), &roots);
        let mut next = first.charter().next(days_ago(5)).expect("a next");
        next.roles.retain(|listed| listed.definition != world::id(gone));
        let charters = [first, world::sign_charter(next, &roots)];
        Trust::open(&world::pack(&charters, &definitions), None, NOW).expect("a pack")
    }

    fn proofs(&self) -> [&Secured; 3] {
        [&self.office, &self.seat, &self.insurance]
    }

    fn theirs(&self, carried: &[&Secured]) -> StatusList {
        let (purpose, set) = (Purpose::Revocation, [self.set]);
        world::list_carrying(&self.root, &self.ombudsman, purpose, &set, carried)
    }

    /// Everybody's lists, the ombudsman's with what proves it.
    fn lists(&self) -> Vec<StatusList> {
        let mut lists = world::clear_lists(&[&self.root, &self.insurer, &self.body]);
        lists.push(self.theirs(&self.proofs()));
        lists
    }

    /// The same, without those of one party.
    fn lists_but(&self, other: &Party) -> Vec<StatusList> {
        let mut lists = self.lists();
        lists.retain(|list| list.issuer != other.did);
        lists
    }

    fn judged(&self, trust: &Trust, lists: &[StatusList]) -> (Outcome, Code) {
        let report = check(&self.visa, trust, lists, &NoSnapshots, (NOW, NOW));
        (report.outcome, report.code)
    }
}

fn check(
    visa: &Secured,
    trust: &Trust,
    lists: &[StatusList],
    known: &dyn SnapshotStore,
    (now, clock): (UnixMillis, UnixMillis),
) -> VisaReport {
    let (resolver, seen) = (OfflineResolver::new(known), SeenLists::new());
    let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
    let expect = Expectation { now, clock, audience: None, nonce: None, presenter: None };
    let text = visa.text().as_bytes();
    verify_visa(text, &[], &evidence, &expect, &mut SignatureMemo::default())
}

#[test]
fn what_a_revoker_or_its_issuer_requires_is_withheld_or_old_or_not_shown() {
    for who in [Insured::Ombudsman, Insured::Body] {
        let s = World::new(who);
        let trust = s.trust();
        assert_eq!(s.judged(&trust, &s.lists()), REVOKED);
        let without = s.lists_but(&s.insurer);
        assert_eq!(s.judged(&trust, &without), OPEN, "withheld");
        // Whoever is to bring it learns what.
        let report = check(&s.visa, &trust, &without, &NoSnapshots, (NOW, NOW));
        let list = s.insurer.list_id(Purpose::Revocation);
        assert!(report.sentence.contains(&list), "{}", report.sentence);
        let mut old = without.clone();
        for purpose in Purpose::ALL {
            old.push(world::list_by(&s.insurer, &s.insurer, purpose, &[], |list| {
                list["validFrom"] = json!(days_ago(5));
            }));
        }
        assert_eq!(s.judged(&trust, &old), OPEN, "too old");
        let mut not_shown = s.lists_but(&s.ombudsman);
        not_shown.push(s.theirs(&[&s.office, &s.seat]));
        assert_eq!(s.judged(&trust, &not_shown), OPEN, "not shown");
        // A bad one in the place of the good one takes nothing away either.
        let (thief, subject) = match who {
            Insured::Body => (Party::new(9), &s.body),
            Insured::Nobody | Insured::Ombudsman => (Party::new(9), &s.ombudsman),
        };
        let forged = world::visa(&thief, subject, &s.definitions[0], at_place(3));
        let forged = world::issue(&thief, &forged);
        let mut bad = s.lists_but(&s.ombudsman);
        bad.push(s.theirs(&[&s.office, &s.seat, &forged]));
        assert_eq!(s.judged(&trust, &bad), LAPSED, "a bad one");
    }
}

#[test]
fn the_lists_of_a_revokers_issuer_contradict_each_other() {
    let s = World::new(Insured::Nobody);
    for over in [&s.body, &s.root] {
        let mut lists = s.lists();
        // Of the office, and of the seat: a root that contradicts itself decides nothing of its own visa either.
        let other = [Change { index: 77, set: true, at: days_ago(2) }];
        lists.push(world::list(over, Purpose::Suspension, &other));
        let found = s.judged(&s.trust(), &lists);
        match over.did == s.root.did {
            true => assert_eq!(found, (Outcome::Failed, codes::STATUS_FORK)),
            false => assert_eq!(found, OPEN),
        }
    }
}

#[test]
fn the_charter_lists_a_revokers_role_or_that_of_its_issuer_no_more() {
    let s = World::new(Insured::Nobody);
    for gone in [1, 2] {
        assert_eq!(s.judged(&s.trust_without(&s.definitions[gone]), &s.lists()), LAPSED);
    }
    // Not where nobody could give the office, or it was revoked.
    let trust = s.trust_without(&s.definitions[2]);
    let thief = Party::new(9);
    let forged = world::visa(&thief, &s.ombudsman, &s.definitions[2], |_| ());
    let forged = world::issue(&thief, &forged);
    let mut lists = s.lists_but(&s.ombudsman);
    lists.push(s.theirs(&[&forged, &s.seat]));
    assert_eq!(s.judged(&trust, &lists).0, Outcome::Passed);
    let mut lists = s.lists();
    lists.retain(|l| (&l.issuer, l.purposes[0].as_str()) != (&s.body.did, "revocation"));
    let revoked = [Change { index: 4, set: true, at: days_ago(2) }];
    lists.push(world::list(&s.body, Purpose::Revocation, &revoked));
    assert_eq!(s.judged(&trust, &lists).0, Outcome::Passed);
}

#[test]
fn the_log_of_a_revokers_issuer_is_not_at_hand() {
    let body = Logged::new(6);
    let s = World::of(Insured::Nobody, body.party.clone());
    let trust = s.trust();
    let judged = |lists: &[StatusList], known: &dyn SnapshotStore| {
        let report = check(&s.visa, &trust, lists, known, (NOW, NOW));
        (report.outcome, report.code)
    };
    assert_eq!(judged(&s.lists(), &body.living()), REVOKED);
    assert_eq!(judged(&s.lists(), &NoSnapshots), OPEN);
    // Whoever gives a bad one in its place is no better off.
    let document = b"{}".to_vec();
    let bad = Snapshot { seen: NOW, confirmed: None, document, witness: None };
    assert_eq!(judged(&s.lists(), &Fixed(vec![bad])), OPEN);
    // Anybody could make that, until the log is known.
    let thief = Party { key: Party::new(9).key, ..body.party.clone() };
    let forged = world::visa(&thief, &s.ombudsman, &s.definitions[2], |_| ());
    let forged = world::issue(&thief, &forged);
    let mut lists = s.lists_but(&s.ombudsman);
    lists.push(s.theirs(&[&forged, &s.seat]));
    assert_eq!(judged(&lists, &body.living()).0, Outcome::Passed);
}

#[test]
fn what_an_issuer_had_to_hold_counts_as_of_issuance() {
    let s = World::new(Insured::Body);
    let trust = s.trust();
    let with = |purpose: Purpose, ago: u64| {
        let mut lists = s.lists();
        lists.retain(|l| l.issuer != s.insurer.did || l.purposes != [purpose.name()]);
        let change = [Change { index: 3, set: true, at: days_ago(ago) }];
        lists.push(world::list(&s.insurer, purpose, &change));
        lists
    };
    let office = |lists: &[StatusList]| {
        let report = world::verify_alone(&s.office, &[&s.seat, &s.insurance], &trust, lists);
        (report.outcome, report.code)
    };
    for purpose in Purpose::ALL {
        // The office is ten days old.
        let since = with(purpose, 5);
        assert_eq!(office(&since), (Outcome::Passed, codes::VISA_IN_FORCE));
        assert_eq!(s.judged(&trust, &since), REVOKED);
        let before = with(purpose, 12);
        assert_eq!(office(&before), (Outcome::Failed, codes::PRECONDITIONS_UNMET));
        assert_eq!(s.judged(&trust, &before), LAPSED);
    }
}

#[test]
fn a_revoker_of_later_than_what_is_asked_about_whose_issuer_was_revoked_since() {
    let mut s = World::new(Insured::Nobody);
    let office = world::visa(&s.body, &s.ombudsman, &s.definitions[2], |v| {
        at_place(4)(v);
        v.valid_from = days_ago(3);
    });
    s.office = world::issue_as(&s.body, &office, Form::Jwt, days_ago(3));
    let mut lists = s.lists();
    lists.retain(|l| l.issuer != s.root.did || l.purposes != ["revocation"]);
    let gone = [Change { index: 2, set: true, at: days_ago(1) }];
    lists.push(world::list(&s.root, Purpose::Revocation, &gone));
    let trust = s.trust();
    for (at, (outcome, code)) in [(NOW, REVOKED), (days_ago(5), OPEN)] {
        let report = check(&s.visa, &trust, &lists, &NoSnapshots, (at, NOW));
        is(&report, outcome, code);
    }
}

#[test]
fn one_that_lapsed_and_contradicts_itself_is_not_taken_for_its_clear_list() {
    let mut s = World::new(Insured::Nobody);
    let office = world::visa(&s.body, &s.ombudsman, &s.definitions[2], |v| {
        at_place(4)(v);
        v.valid_until = days_ago(1);
    });
    s.office = world::issue(&s.body, &office);
    let trust = s.trust();
    assert_eq!(s.judged(&trust, &s.lists()), LAPSED);
    for (version, found) in [(5, LAPSED.0), (6, Outcome::Passed)] {
        let mut lists = s.lists();
        lists.push(world::list_by(&s.root, &s.ombudsman, Purpose::Revocation, &[], |list| {
            list["validFrom"] = json!(minutes_ago(30));
            list["credentialSubject"]["statusList"]["version"] = json!(version);
            list["evidence"] = json!(s.proofs().map(Secured::to_member));
        }));
        assert_eq!(s.judged(&trust, &lists).0, found, "version {version}");
    }
}

/// A list under the id of a party, by a party, in a version.
fn list(
    owner: &Party,
    by: &Party,
    set: &[Change],
    (version, dated): (u64, UnixMillis),
) -> StatusList {
    world::list_by(owner, by, Purpose::Revocation, set, |list| {
        list["validFrom"] = json!(dated);
        list["credentialSubject"]["statusList"]["version"] = json!(version);
    })
}

#[test]
fn an_older_list_does_not_clear_what_a_newer_one_says_that_is_not_believed() {
    let (root, speaker, holder) = (Party::new(1), Logged::new(5), Party::new(2));
    // Its first key was replaced ten days ago, and is marked since as stolen four days ago.
    let (owner, _, marked) = speaker.rotated_then_marked(days_ago(10), days_ago(4), days_ago(1));
    let role = |by: &Party| {
        world::definition("flex.gb.aggregator", world::dids(&[by]), |d| {
            d.revokers = Some(world::dids(&[&owner]));
            d.max_status_age_seconds = 20 * 24 * 3600;
        })
    };
    let set = [Change { index: 1, set: true, at: days_ago(16) }];
    for issuer in [&root, &owner] {
        let role = role(issuer);
        let mut charter = world::charter(&[&root], &[&role]);
        charter.roots = vec![issuer.did.clone()];
        let pack = world::pack(&[world::sign_charter(charter, &[&root])], &[&role]);
        let trust = Trust::open(&pack, None, NOW).expect("a pack");
        let visa = world::visa(issuer, &holder, &role, |v| {
            at_place(1)(v);
            v.valid_from = days_ago(9);
        });
        let visa = world::issue_as(issuer, &visa, Form::Jwt, days_ago(9));
        let judged = |lists: &[StatusList]| {
            let mut all = vec![world::list(issuer, Purpose::Suspension, &[])];
            if issuer.did == root.did {
                all.push(world::list(issuer, Purpose::Revocation, &[]));
            }
            all.extend(lists.iter().cloned());
            let report = check(&visa, &trust, &all, &marked, (NOW, NOW));
            (report.outcome, report.code)
        };
        let of = |by: &Party, set: &[Change], order| list(issuer, by, set, order);
        let before = of(&owner, &[], (1, days_ago(6)));
        let after = of(&owner, &[], (1, days_ago(3)));
        assert_eq!(judged(std::slice::from_ref(&before)).0, Outcome::Passed);
        let thief = &speaker.party;
        // It may have been the owner's own; and is nothing once the owner signed one of after the mark.
        for (dated, code) in [
            (days_ago(2), identity_codes::KEY_COMPROMISED),
            (days_ago(15), identity_codes::KEY_COMPROMISED_SINCE),
        ] {
            let newer = of(thief, &set, (7, dated));
            let both = [before.clone(), newer.clone()];
            assert_eq!(judged(&both), (Outcome::Indeterminate, code));
            assert_eq!(judged(&[after.clone(), newer]).0, Outcome::Passed);
        }
        // What is older than what is believed, nobody's, or of after the clock takes no place.
        let stranger = Party { key: Party::new(9).key, ..owner.clone() };
        let nobodys = of(&stranger, &set, (9, days_ago(2)));
        let ahead = of(&owner, &set, (9, in_days(1)));
        let older = of(thief, &set, (1, days_ago(15)));
        assert_eq!(judged(&[before, nobodys, ahead, older]).0, Outcome::Passed);
    }
}
