//! What must be refused, case 7, where keys were stolen: a thief's list locks nobody out, and what was revoked
//! is not good again because somebody's key is marked or a root left.

use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::role::{IssuerRevocation, RoleDefinition};
use gridpass_credentials::secured::{Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::{IdentityMaterial, Trust};
use gridpass_credentials::verifier::Verifier;
use gridpass_credentials::verify::{
    Evidence, Expectation, SeenList, SeenLists, SeenState, VisaReport, verify_visa,
};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver, SnapshotStore};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::logged::Logged;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days, minutes_ago};
use serde_json::json;

/// A clear list of a party's own, in a version.
fn list(by: &Party, purpose: Purpose, version: u64, dated: UnixMillis) -> StatusList {
    world::list_by(by, by, purpose, &[], |list| {
        list["validFrom"] = json!(dated);
        list["credentialSubject"]["statusList"]["version"] = json!(version);
    })
}

/// A charter with roots beside the one that signs it.
fn first(signer: &Party, roots: &[&Party], roles: &[&RoleDefinition]) -> Vec<u8> {
    let mut charter = world::charter(&[signer], roles);
    charter.roots = roots.iter().map(|root| root.did.clone()).collect();
    world::pack(&[world::sign_charter(charter, &[signer])], roles)
}

fn check(
    visa: &Secured,
    trust: &Trust,
    lists: &[StatusList],
    seen: &SeenLists,
    known: &dyn SnapshotStore,
) -> VisaReport {
    check_beside(visa, &[], trust, lists, seen, known)
}

fn check_beside(
    visa: &Secured,
    beside: &[&Secured],
    trust: &Trust,
    lists: &[StatusList],
    seen: &SeenLists,
    known: &dyn SnapshotStore,
) -> VisaReport {
    let resolver = OfflineResolver::new(known);
    let evidence = Evidence { trust, lists, resolver: &resolver, seen };
    let expect = Expectation { now: NOW, clock: NOW, audience: None, nonce: None, presenter: None };
    let beside: Vec<Vec<u8>> = beside.iter().map(|v| v.text().as_bytes().to_vec()).collect();
    let text = visa.text().as_bytes();
    verify_visa(text, &beside, &evidence, &expect, &mut SignatureMemo::default())
}

#[test]
fn a_thiefs_list_does_not_lock_its_owners_out_and_the_mark_brings_no_older_one_back() {
    let (signer, issuer, holder) = (Party::new(9), Logged::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&issuer.party]), |_| ());
    let pack = first(&signer, &[&issuer.party], &[&role]);
    let trust = Trust::open(&pack, None, NOW).expect("a pack");
    let (owner, marked) = issuer.marked(minutes_ago(120), minutes_ago(40));
    let issued = world::visa(&owner, &holder, &role, |_| ());
    let visa = world::issue_as(&owner, &issued, Form::Jwt, minutes_ago(30));
    let thiefs = list(&issuer.party, Purpose::Revocation, (1 << 53) - 1, minutes_ago(60));
    let dated_back = list(&issuer.party, Purpose::Revocation, (1 << 53) - 1, minutes_ago(600));
    let owners = list(&owner, Purpose::Revocation, 3, minutes_ago(20));
    let older = list(&owner, Purpose::Revocation, 2, minutes_ago(121));
    let suspensions = list(&owner, Purpose::Suspension, 3, minutes_ago(20));
    let key = (owners.id.clone(), owners.issuer.clone());

    for stolen in [&thiefs, &dated_back] {
        let lists = [owners.clone(), suspensions.clone(), stolen.clone()];
        let seen = SeenLists::from([(key.clone(), SeenList::of(stolen))]);
        let report = check(&visa, &trust, &lists, &seen, &marked);
        assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
        // Of which nobody knows by which key it was signed, it may have been a good one.
        let seen = SeenLists::from([(key.clone(), stolen.order().into())]);
        let report = check(&visa, &trust, &lists, &seen, &marked);
        assert_eq!((report.outcome, report.code), (Outcome::Failed, codes::STATUS_ROLLBACK));
        // What is from before the mark is older as ever, and without a mark all of it is.
        let (seen, living) = (SeenList::of(stolen), issuer.living());
        assert!(seen.outdates(&older, &OfflineResolver::new(&marked)));
        assert!(!seen.outdates(&owners, &OfflineResolver::new(&marked)));
        assert!(seen.outdates(&owners, &OfflineResolver::new(&living)));

        let pin = ContentId::of_bytes(&pack).expect("a name");
        let verifier = Verifier::open(&pack, &pin, NOW).expect("a verifier");
        let of = |log: &dyn SnapshotStore| {
            let log = log.snapshots(&owner.did).expect("a log").pop().expect("one");
            [IdentityMaterial::of(&owner.did, &log)]
        };
        let take = |list: &StatusList, beside: &[IdentityMaterial]| {
            let taken = verifier.take_list(list.secured().text().as_bytes(), beside, NOW);
            taken.map_err(|e| e.code().id())
        };
        assert_eq!(take(stolen, &of(&living)), Ok(()));
        assert_eq!(take(&owners, &of(&marked)), Ok(()));
        // It does not come back.
        take(stolen, &[]).expect_err("its key is marked");
        assert_eq!(take(&older, &[]), Err("GP-KEY-NOT-LISTED"));
    }
}

#[test]
fn a_mark_brings_no_list_back_that_its_owner_had_replaced_before_the_thief_did() {
    let (signer, issuer, holder) = (Party::new(9), Logged::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&issuer.party]), |_| ());
    let pack = first(&signer, &[&issuer.party], &[&role]);
    let trust = Trust::open(&pack, None, NOW).expect("a pack");
    let (owner, marked) = issuer.marked(minutes_ago(120), minutes_ago(40));
    let issued = world::visa(&owner, &holder, &role, |_| ());
    let visa = world::issue_as(&owner, &issued, Form::Jwt, minutes_ago(30));
    let replaced = list(&owner, Purpose::Revocation, 11, minutes_ago(25));
    let newest = list(&owner, Purpose::Revocation, 12, minutes_ago(20));
    let next = list(&owner, Purpose::Revocation, 13, minutes_ago(10));
    // Dated back to when the stolen key was its owner's.
    let stolen = list(&issuer.party, Purpose::Revocation, 99, minutes_ago(60));

    let seen = SeenList::of(&newest).in_place_of(Some(&SeenList::of(&replaced)));
    assert_eq!(seen, SeenList::of(&newest), "of one key the newest is enough");
    let seen = SeenList::of(&stolen).in_place_of(Some(&seen));
    let resolver = OfflineResolver::new(&marked);
    for (own, counts) in [(&replaced, false), (&newest, true), (&next, true)] {
        assert_eq!(seen.outdates(own, &resolver), !counts);
        assert_eq!(seen.gives_way_to(own, &resolver), counts);
        let lists = [own.clone(), list(&owner, Purpose::Suspension, 3, minutes_ago(20))];
        let key = (own.id.clone(), own.issuer.clone());
        let report = check(&visa, &trust, &lists, &SeenLists::from([(key, seen.clone())]), &marked);
        let (outcome, code) = match counts {
            true => (Outcome::Passed, codes::VISA_IN_FORCE),
            false => (Outcome::Failed, codes::STATUS_ROLLBACK),
        };
        assert_eq!((report.outcome, report.code), (outcome, code), "{}", report.sentence);
    }
    // Once the owner's own took its place, nothing of the thief's is left.
    let after = SeenList::of(&newest).in_place_of(Some(&seen));
    assert_eq!(after, SeenList::of(&newest));
    // Written down and read again, it says the same.
    let written: Vec<SeenState> = seen.before.iter().filter_map(SeenState::of).collect();
    let read: Vec<SeenList> = written.iter().filter_map(SeenState::read).collect();
    assert_eq!(read, seen.before);
}

#[test]
fn a_verifier_and_the_next_one_remember_what_a_thiefs_list_stood_over() {
    let (signer, issuer) = (Party::new(9), Logged::new(1));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&issuer.party]), |_| ());
    let pack = first(&signer, &[&issuer.party], &[&role]);
    let pin = ContentId::of_bytes(&pack).expect("a name");
    let (owner, rotated, marked) =
        issuer.rotated_then_marked(minutes_ago(90), minutes_ago(120), minutes_ago(5));
    let of = |version: u64, ago: u64| list(&owner, Purpose::Revocation, version, minutes_ago(ago));
    let (replaced, newest) = (of(11, 60), of(12, 50));
    let stolen = list(&issuer.party, Purpose::Revocation, 99, minutes_ago(110));
    let take = |verifier: &Verifier, text: &str, log: &dyn SnapshotStore| {
        let log = log.snapshots(&owner.did).expect("a log").pop().expect("one");
        let beside = [IdentityMaterial::of(&owner.did, &log)];
        let taken = verifier.take_list(text.as_bytes(), &beside, NOW);
        taken.map_err(|e| e.code().id())
    };
    let verifier = Verifier::open(&pack, &pin, NOW).expect("a verifier");
    for one in [&replaced, &newest, &stolen] {
        assert_eq!(take(&verifier, one.secured().text(), &rotated), Ok(()));
    }
    let next = Verifier::open(&pack, &pin, NOW).expect("a verifier");
    for text in verifier.lists() {
        assert_eq!(take(&next, &text, &rotated), Ok(()));
    }
    for verifier in [&verifier, &next] {
        let older = take(verifier, replaced.secured().text(), &marked);
        assert_eq!(older, Err("GP-STATUS-ROLLBACK"));
        assert_eq!(take(verifier, newest.secured().text(), &marked), Ok(()));
        assert_eq!(verifier.lists(), [newest.secured().text()]);
    }
    // What the next one would refuse, it is not given: whoever stops at a refusal would not begin again.
    let verifier = Verifier::open(&pack, &pin, NOW).expect("a verifier");
    let earlier = list(&issuer.party, Purpose::Revocation, 10, minutes_ago(110));
    assert_eq!(take(&verifier, earlier.secured().text(), &rotated), Ok(()));
    assert_eq!(take(&verifier, newest.secured().text(), &rotated), Ok(()));
    assert_eq!(verifier.lists(), [earlier.secured().text(), newest.secured().text()]);
    assert_eq!(take(&verifier, newest.secured().text(), &marked), Ok(()));
    assert_eq!(verifier.lists(), [newest.secured().text()]);
}

#[test]
fn a_thiefs_list_of_the_version_that_its_owner_gives_next_is_no_fork_once_the_key_is_marked() {
    let (signer, issuer) = (Party::new(9), Logged::new(1));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&issuer.party]), |_| ());
    let pack = first(&signer, &[&issuer.party], &[&role]);
    let pin = ContentId::of_bytes(&pack).expect("a name");
    let (owner, marked) = issuer.marked(minutes_ago(120), minutes_ago(40));
    let set = [Change { index: 7, set: true, at: minutes_ago(70) }];
    let stolen = world::list_by(&issuer.party, &issuer.party, Purpose::Revocation, &set, |list| {
        list["validFrom"] = json!(minutes_ago(60));
        list["credentialSubject"]["statusList"]["version"] = json!(3);
    });
    let owners = list(&owner, Purpose::Revocation, 3, minutes_ago(20));
    let verifier = Verifier::open(&pack, &pin, NOW).expect("a verifier");
    let take = |list: &StatusList, log: &dyn SnapshotStore| {
        let log = log.snapshots(&owner.did).expect("a log").pop().expect("one");
        let beside = [IdentityMaterial::of(&owner.did, &log)];
        let taken = verifier.take_list(list.secured().text().as_bytes(), &beside, NOW);
        taken.map_err(|e| e.code().id())
    };
    assert_eq!(take(&stolen, &issuer.living()), Ok(()));
    assert_eq!(take(&owners, &marked), Ok(()));
}

/// A visa of a root that an ombudsman revoked a day ago, by an office that another one gives.
struct Revoked {
    signer: Party,
    root: Party,
    appointer: Party,
    ombudsman: Party,
    office: RoleDefinition,
    role: RoleDefinition,
    visa: Secured,
    set: Change,
}

impl Revoked {
    fn new(appointer: &Party, ombudsman: &Party) -> Self {
        let (signer, root, holder) = (Party::new(9), Party::new(1), Party::new(2));
        let office = world::definition("flex.gb.ombudsman", world::dids(&[appointer]), |d| {
            d.issuer_revocation = IssuerRevocation::Ends;
        });
        let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |d| {
            d.revokers = Some(world::holders(&[&office]));
        });
        let visa = world::visa(&root, &holder, &role, |_| ());
        let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
        let set = Change { index, set: true, at: days_ago(1) };
        let visa = world::issue(&root, &visa);
        let (appointer, ombudsman) = (appointer.clone(), ombudsman.clone());
        Self { signer, root, appointer, ombudsman, office, role, visa, set }
    }

    fn trust(&self) -> Trust {
        let roots = [&self.root, &self.appointer];
        let pack = first(&self.signer, &roots, &[&self.office, &self.role]);
        Trust::open(&pack, None, NOW).expect("a pack")
    }

    fn office(&self, until: UnixMillis) -> Secured {
        let visa =
            world::visa(&self.appointer, &self.ombudsman, &self.office, |v| v.valid_until = until);
        world::issue(&self.appointer, &visa)
    }

    /// Everybody's lists; the appointer's are signed by `appointer`, with these places set.
    fn lists(&self, office: &Secured, appointer: &Party, over: &[Change]) -> Vec<StatusList> {
        let mut lists = world::clear_lists(&[&self.root]);
        lists.push(world::list(appointer, Purpose::Revocation, over));
        lists.push(world::list(appointer, Purpose::Suspension, &[]));
        let (by, set) = (&self.ombudsman, [self.set]);
        lists.push(world::list_carrying(&self.root, by, Purpose::Revocation, &set, &[office]));
        lists
    }
}

#[test]
fn what_was_revoked_is_open_once_the_key_is_marked_that_signed_the_office() {
    let (appointer, ombudsman) = (Logged::new(6), Party::new(5));
    let s = Revoked::new(&appointer.party, &ombudsman);
    let (trust, seen, office) = (s.trust(), SeenLists::new(), s.office(in_days(1)));
    let judged = |lists: &[StatusList], known: &dyn SnapshotStore| {
        let report = check(&s.visa, &trust, lists, &seen, known);
        (report.outcome, report.code)
    };
    let living = appointer.living();
    let lists = s.lists(&office, &appointer.party, &[]);
    assert_eq!(judged(&lists, &living), (Outcome::Failed, codes::VISA_REVOKED));
    // Stolen after it signed the office, as far as that says when.
    let (new, marked) = appointer.marked(days_ago(5), days_ago(1));
    let lists = s.lists(&office, &new, &[]);
    let open = (Outcome::Indeterminate, codes::STATUS_SIGNER);
    assert_eq!(judged(&lists, &marked), open);
    let ended = s.lists(&s.office(days_ago(1)), &new, &[]);
    let lapsed = (Outcome::Indeterminate, codes::STATUS_REVOKER_LAPSED);
    assert_eq!(judged(&ended, &marked), lapsed);
    // The ways out: the office is revoked, or its issuer says that its key was a thief's by then.
    let visa = world::visa(&s.appointer, &s.ombudsman, &s.office, |_| ());
    let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
    let over = [Change { index, set: true, at: days_ago(1) }];
    assert_eq!(judged(&s.lists(&office, &new, &over), &marked).0, Outcome::Passed);
    let (new, marked) = appointer.marked(days_ago(11), days_ago(1));
    assert_eq!(judged(&s.lists(&office, &new, &[]), &marked).0, Outcome::Passed);
}

#[test]
fn what_was_revoked_stays_open_where_the_revoker_marked_its_own_key_and_its_office_ended_since() {
    let (appointer, ombudsman) = (Party::new(6), Logged::new(5));
    let s = Revoked::new(&appointer, &ombudsman.party);
    let (trust, seen) = (s.trust(), SeenLists::new());
    let (_, marked) = ombudsman.marked(days_ago(2), days_ago(1));
    for until in [in_days(1), days_ago(1)] {
        let office = s.office(until);
        let mut lists = s.lists(&office, &appointer, &[]);
        let report = check(&s.visa, &trust, &lists, &seen, &marked);
        let open = (Outcome::Indeterminate, identity_codes::KEY_COMPROMISED);
        assert_eq!((report.outcome, report.code), open, "{until}: {}", report.sentence);
        if until > NOW {
            continue;
        }
        // Who revoked nothing by then leaves nothing open.
        let (root, by, purpose) = (&s.root, &s.ombudsman, Purpose::Revocation);
        lists.pop();
        lists.push(world::list_carrying(root, by, purpose, &[], &[&office]));
        let report = check(&s.visa, &trust, &lists, &seen, &marked);
        assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
    }
}

#[test]
fn what_was_revoked_is_open_once_the_root_has_left_that_gave_the_office() {
    let (appointer, ombudsman) = (Party::new(6), Party::new(5));
    let s = Revoked::new(&appointer, &ombudsman);
    let roles = [&s.office, &s.role];
    let mut charter = world::charter(&[&s.signer], &roles);
    charter.roots = vec![s.root.did.clone(), appointer.did.clone()];
    let before = world::sign_charter(charter, &[&s.signer]);
    let mut next = before.charter().next(days_ago(2)).expect("a next");
    next.roots = vec![s.root.did.clone()];
    let next = world::sign_charter(next, &[&s.signer]);
    let trust = Trust::open(&world::pack(&[before, next], &roles), None, NOW).expect("a pack");
    let lists = s.lists(&s.office(in_days(1)), &appointer, &[]);
    let report = check(&s.visa, &trust, &lists, &SeenLists::new(), &NoSnapshots);
    let lapsed = (Outcome::Indeterminate, codes::STATUS_REVOKER_LAPSED);
    assert_eq!((report.outcome, report.code), lapsed, "{}", report.sentence);
}

/// A visa of a root that an ombudsman revoked, by an office of a chamber that another root authorised.
struct Chamber {
    signer: Party,
    root: Party,
    chamber: Party,
    ombudsman: Party,
    seat: RoleDefinition,
    office: RoleDefinition,
    role: RoleDefinition,
    visa: Secured,
    set: Change,
    seated: Secured,
    seat_index: u64,
}

impl Chamber {
    fn new(above: &Party) -> Self {
        let (signer, root, holder) = (Party::new(9), Party::new(1), Party::new(2));
        let (chamber, ombudsman) = (Party::new(7), Party::new(5));
        let top = world::definition("flex.gb.ministry", world::dids(&[above]), |_| ());
        let seat = world::definition("flex.gb.chamber", world::dids(&[above]), |d| {
            d.issuers.roles = vec![world::id(&top)];
            d.issuer_revocation = IssuerRevocation::Ends;
        });
        let office = world::definition("flex.gb.ombudsman", world::holders(&[&seat]), |d| {
            d.issuer_revocation = IssuerRevocation::Ends;
        });
        let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |d| {
            d.revokers = Some(world::holders(&[&office]));
        });
        let visa = world::visa(&root, &holder, &role, |_| ());
        let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
        let set = Change { index, set: true, at: days_ago(1) };
        let visa = world::issue(&root, &visa);
        let seated = world::visa(above, &chamber, &seat, |_| ());
        let seat_index = seated.status_of(Purpose::Revocation).expect("an entry").index;
        let seated = world::issue(above, &seated);
        Self { signer, root, chamber, ombudsman, seat, office, role, visa, set, seated, seat_index }
    }

    fn roles(&self) -> [&RoleDefinition; 3] {
        [&self.seat, &self.office, &self.role]
    }

    fn trust(&self, above: &Party) -> Trust {
        let pack = first(&self.signer, &[&self.root, above], &self.roles());
        Trust::open(&pack, None, NOW).expect("a pack")
    }

    fn office_by(&self, chamber: &Party, ombudsman: &Party) -> Secured {
        world::issue(chamber, &world::visa(chamber, ombudsman, &self.office, |_| ()))
    }

    /// Everybody's lists; those of whoever is above are signed by `above`, with these places set.
    fn lists(&self, above: &Party, over: &[Change]) -> Vec<StatusList> {
        let mut lists = world::clear_lists(&[&self.root, &self.chamber]);
        lists.push(world::list(above, Purpose::Revocation, over));
        lists.push(world::list(above, Purpose::Suspension, &[]));
        let office = self.office_by(&self.chamber, &self.ombudsman);
        let (by, set, carried) = (&self.ombudsman, [self.set], [&office, &self.seated]);
        lists.push(world::list_carrying(&self.root, by, Purpose::Revocation, &set, &carried));
        lists
    }
}

#[test]
fn a_root_that_left_gives_no_word_back_to_the_offices_of_whom_it_had_revoked() {
    let above = Party::new(6);
    let s = Chamber::new(&above);
    let mut charter = world::charter(&[&s.signer], &s.roles());
    charter.roots = vec![s.root.did.clone(), above.did.clone()];
    let before = world::sign_charter(charter, &[&s.signer]);
    let mut next = before.charter().next(days_ago(2)).expect("a next");
    next.roots = vec![s.root.did.clone()];
    let next = world::sign_charter(next, &[&s.signer]);
    let trust = Trust::open(&world::pack(&[before, next], &s.roles()), None, NOW).expect("a pack");
    let judged = |over: &[Change]| {
        let lists = s.lists(&above, over);
        let report = check(&s.visa, &trust, &lists, &SeenLists::new(), &NoSnapshots);
        (report.outcome, report.code)
    };
    assert_eq!(judged(&[]), (Outcome::Indeterminate, codes::STATUS_REVOKER_LAPSED));
    let revoked = Change { index: s.seat_index, set: true, at: days_ago(3) };
    assert_eq!(judged(&[revoked]).0, Outcome::Passed);
}

#[test]
fn who_is_revoked_shows_no_other_way_beside_that_of_the_revoker() {
    let above = Logged::new(6);
    let s = Chamber::new(&above.party);
    let trust = s.trust(&above.party);
    let (new, marked) = above.marked(days_ago(5), days_ago(1));
    let anybody = Party::new(8);
    let beside = world::visa(&anybody, &s.chamber, &s.seat, |v| v.id.push_str(":beside"));
    let beside = world::issue(&anybody, &beside);
    let mut lists = s.lists(&new, &[]);
    lists.extend(world::clear_lists(&[&anybody]));
    let nothing: [&Secured; 0] = [];
    for shown in [&nothing[..], &[&beside][..]] {
        let seen = SeenLists::new();
        let report = check_beside(&s.visa, shown, &trust, &lists, &seen, &marked);
        let open = (Outcome::Indeterminate, codes::STATUS_SIGNER);
        assert_eq!((report.outcome, report.code), open, "{}", report.sentence);
    }
}

#[test]
fn who_marks_a_key_of_its_own_is_no_revoker_by_that() {
    let (above, thief) = (Party::new(6), Logged::new(8));
    let s = Chamber::new(&above);
    let trust = s.trust(&above);
    let (new, marked) = thief.marked(days_ago(5), days_ago(1));
    let (chamber, ombudsman) = (Party::new(10), Party::new(11));
    let seated = world::issue(&thief.party, &world::visa(&thief.party, &chamber, &s.seat, |_| ()));
    let office = s.office_by(&chamber, &ombudsman);
    let mut lists = world::clear_lists(&[&s.root, &chamber, &new]);
    let (purpose, set) = (Purpose::Revocation, [s.set]);
    let carried = [&office, &seated];
    lists.push(world::list_carrying(&s.root, &ombudsman, purpose, &set, &carried));
    let report = check(&s.visa, &trust, &lists, &SeenLists::new(), &marked);
    assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
}

#[test]
fn who_is_revoked_shows_its_revokers_visa_without_what_that_one_rests_on_in_vain() {
    let above = Party::new(6);
    let s = Chamber::new(&above);
    let (trust, lists) = (s.trust(&above), s.lists(&above, &[]));
    let office = s.office_by(&s.chamber, &s.ombudsman);
    let nothing: [&Secured; 0] = [];
    for shown in [&nothing[..], &[&office][..], &[&s.seated][..], &[&office, &s.seated][..]] {
        let seen = SeenLists::new();
        let report = check_beside(&s.visa, shown, &trust, &lists, &seen, &NoSnapshots);
        let revoked = (Outcome::Failed, codes::VISA_REVOKED);
        assert_eq!((report.outcome, report.code), revoked, "{}", report.sentence);
        // Each is told of once.
        assert_eq!(report.visas.len(), 3);
    }
}

#[test]
fn who_is_revoked_dates_nothing_back_before_the_renewals_of_a_revoker_and_of_who_issued_it() {
    let above = Party::new(6);
    let s = Chamber::new(&above);
    let trust = s.trust(&above);
    let at = days_ago(2);
    let seated = world::visa(&above, &s.chamber, &s.seat, |v| v.valid_from = at);
    let seated = world::issue_as(&above, &seated, Form::Jwt, at);
    let office = world::visa(&s.chamber, &s.ombudsman, &s.office, |v| v.valid_from = at);
    let office = world::issue_as(&s.chamber, &office, Form::Jwt, at);
    let mut lists = world::clear_lists(&[&s.root, &s.chamber, &above]);
    let (purpose, set, carried) = (Purpose::Revocation, [s.set], [&office, &seated]);
    lists.push(world::list_carrying(&s.root, &s.ombudsman, purpose, &set, &carried));
    let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
    let evidence = Evidence { trust: &trust, lists: &lists, resolver: &resolver, seen: &seen };
    let now = days_ago(5);
    let expect = Expectation { now, clock: NOW, audience: None, nonce: None, presenter: None };
    let text = s.visa.text().as_bytes();
    let report = verify_visa(text, &[], &evidence, &expect, &mut SignatureMemo::default());
    let open = (Outcome::Indeterminate, codes::STATUS_SIGNER);
    assert_eq!((report.outcome, report.code), open, "{}", report.sentence);
}

#[test]
fn a_marked_authority_is_named_where_it_stands_and_a_missing_link_further_down() {
    let (signer, above) = (Party::new(9), Logged::new(6));
    let (ministry, chamber, ombudsman) = (Party::new(8), Party::new(7), Party::new(5));
    let top = world::definition("flex.gb.ministry", world::dids(&[&above.party]), |_| ());
    let seat = world::definition("flex.gb.chamber", world::holders(&[&top]), |_| ());
    let office = world::definition("flex.gb.ombudsman", world::holders(&[&seat]), |_| ());
    let pack = first(&signer, &[&above.party], &[&top, &seat, &office]);
    let trust = Trust::open(&pack, None, NOW).expect("a pack");
    let (new, marked) = above.marked(days_ago(5), days_ago(1));
    let made = |by: &Party, to: &Party, role: &RoleDefinition| {
        world::issue(by, &world::visa(by, to, role, |_| ()))
    };
    let first = made(&above.party, &ministry, &top);
    let second = made(&ministry, &chamber, &seat);
    let third = made(&chamber, &ombudsman, &office);
    let lists = world::clear_lists(&[&new, &ministry, &chamber]);
    let seen = SeenLists::new();
    let report = check_beside(&third, &[&second, &first], &trust, &lists, &seen, &marked);
    for (visa, code) in [
        (&first, identity_codes::KEY_COMPROMISED_SINCE),
        (&second, identity_codes::KEY_COMPROMISED_SINCE),
        (&third, codes::CHAIN_LINK_MISSING),
    ] {
        let found = report.visas.iter().find(|v| &v.evidence == visa.id()).expect("it is told");
        let open = (Outcome::Indeterminate, code);
        assert_eq!((found.outcome, found.code), open, "{}", found.sentence);
    }
}
