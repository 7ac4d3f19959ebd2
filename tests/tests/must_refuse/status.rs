//! What must be refused, case 7: status lists that are absent, stale, foreign, wrong, or older than
//! one that was seen. Each asserts the code, and that the good twin passes.

use crate::is;
use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping::read_visa;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::{Parties, RoleDefinition};
use gridpass_credentials::secured::{Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Bits, Change, MIN_ENTRIES, StatusError, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{Evidence, Expectation, SeenLists, VisaReport, verify_visa};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use serde_json::{Value, json};
use std::io::Write as _;

struct Setting {
    root: Party,
    holder: Party,
    trust: Trust,
    visa: Secured,
    index: u64,
}

fn setting(bend: impl FnOnce(&mut RoleDefinition)) -> Setting {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), bend);
    let trust = world::trust(&[&root], &[&role]);
    let visa = world::visa(&root, &holder, &role, |_| ());
    let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
    Setting { visa: world::issue(&root, &visa), root, holder, trust, index }
}

impl Setting {
    fn check(&self, lists: &[StatusList]) -> VisaReport {
        self.check_seen(lists, &SeenLists::new())
    }

    fn check_seen(&self, lists: &[StatusList], seen: &SeenLists) -> VisaReport {
        let presentation = world::present(&self.holder, &[&self.visa]);
        let bytes = presentation.text().as_bytes();
        world::verify_bytes(bytes, &self.trust, lists, &world::expectation(), seen)
    }

    fn suspension(&self) -> StatusList {
        world::list(&self.root, Purpose::Suspension, &[])
    }

    fn change(&self, set: bool, ago: u64) -> Change {
        Change { index: self.index, set, at: days_ago(ago) }
    }

    /// The revocation list bent before it is signed.
    fn bent(&self, bend: impl FnOnce(&mut Value)) -> Vec<StatusList> {
        let root = &self.root;
        vec![world::list_by(root, root, Purpose::Revocation, &[], bend), self.suspension()]
    }
}

#[test]
fn a_list_that_is_absent_or_of_another_id() {
    let s = setting(|_| ());
    assert_eq!(s.check(&world::clear_lists(&[&s.root])).outcome, Outcome::Passed);
    is(&s.check(&[]), Outcome::Indeterminate, codes::STATUS_UNKNOWN);
    is(&s.check(&[s.suspension()]), Outcome::Indeterminate, codes::STATUS_UNKNOWN);
    let other = s.bent(|v| v["id"] = json!("urn:example:another-list"));
    is(&s.check(&other), Outcome::Indeterminate, codes::STATUS_UNKNOWN);
}

#[test]
fn a_visa_that_has_no_status_at_all() {
    let s = setting(|_| ());
    let role = world::definition("flex.gb.aggregator", world::dids(&[&s.root]), |_| ());
    let visa = world::visa(&s.root, &s.holder, &role, |v| v.status.clear());
    let presentation = world::present(&s.holder, &[&world::issue(&s.root, &visa)]);
    let lists = world::clear_lists(&[&s.root]);
    let report = world::verify(&presentation, &s.trust, &lists, &world::expectation());
    is(&report, Outcome::Failed, codes::STATUS_ENTRY_MISSING);
}

#[test]
fn a_stale_list_says_nothing_and_a_revocation_never_grows_stale() {
    let s = setting(|d| d.max_status_age_seconds = 3600);
    let dated = |ago_millis: u64| {
        let at = UnixMillis::new(NOW.get() - ago_millis);
        move |v: &mut Value| v["validFrom"] = json!(at)
    };
    let root = &s.root;
    let both =
        |ago: u64| Purpose::ALL.map(|p| world::list_by(root, root, p, &[], dated(ago))).to_vec();
    assert_eq!(s.check(&both(3_600_000)).outcome, Outcome::Passed);
    is(&s.check(&both(3_601_000)), Outcome::Indeterminate, codes::STATUS_STALE);
    let expired = s.bent(|v| v["validUntil"] = json!(NOW));
    is(&s.check(&expired), Outcome::Indeterminate, codes::STATUS_STALE);
    let set = [Change { index: s.index, set: true, at: days_ago(3) }];
    let old = world::list_by(root, root, Purpose::Revocation, &set, |v| {
        v["validFrom"] = json!(days_ago(2));
    });
    is(&s.check(&[old, s.suspension()]), Outcome::Failed, codes::VISA_REVOKED);
    let future = s.bent(|v| v["validFrom"] = json!(in_days(1)));
    is(&s.check(&future), Outcome::Indeterminate, identity_codes::SIGNED_IN_FUTURE);
}

#[test]
fn a_list_by_someone_who_is_not_the_revoker() {
    let s = setting(|_| ());
    let thief = Party::new(9);
    let set = [s.change(true, 1)];
    let foreign =
        |changes: &[Change]| world::list_by(&s.root, &thief, Purpose::Revocation, changes, |_| ());
    let report = s.check(&[foreign(&[]), s.suspension()]);
    is(&report, Outcome::Indeterminate, codes::STATUS_SIGNER);
    // Nor can a stranger take a good visa down.
    let mut lists = world::clear_lists(&[&s.root]);
    lists.push(foreign(&set));
    assert_eq!(s.check(&lists).outcome, Outcome::Passed);
    // In the root's name, by the thief's key.
    let named = Party { did: s.root.did.clone(), ..Party::new(9) };
    let forged = world::list_by(&s.root, &named, Purpose::Revocation, &[], |_| ());
    let report = s.check(&[forged, s.suspension()]);
    is(&report, Outcome::Indeterminate, identity_codes::SIGNER_OTHER);
}

#[test]
fn a_revoker_that_the_definition_names_by_did_or_by_role() {
    let revoker = Party::new(5);
    let s = setting(|d| d.revokers = Some(world::dids(&[&Party::new(5)])));
    let set = [s.change(true, 1)];
    let by = |changes: &[Change]| {
        let mut lists = world::clear_lists(&[&s.root]);
        lists.push(world::list_by(&s.root, &revoker, Purpose::Revocation, changes, |_| ()));
        lists
    };
    assert_eq!(s.check(&by(&[])).outcome, Outcome::Passed);
    is(&s.check(&by(&set)), Outcome::Failed, codes::VISA_REVOKED);

    let (root, holder) = (Party::new(1), Party::new(2));
    let ombudsman = world::definition("flex.gb.ombudsman", world::dids(&[&root]), |_| ());
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |d| {
        d.revokers = Some(Parties { dids: vec![], roles: vec![world::id(&ombudsman)] });
    });
    let trust = world::trust(&[&root], &[&ombudsman, &role]);
    let visa = world::visa(&root, &holder, &role, |_| ());
    let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
    let visa = world::issue(&root, &visa);
    let office = world::issue(&root, &world::visa(&root, &revoker, &ombudsman, |_| ()));
    let mut lists = world::clear_lists(&[&root]);
    let set = [Change { index, set: true, at: days_ago(1) }];
    lists.push(world::list_by(&root, &revoker, Purpose::Revocation, &set, |_| ()));
    let report = world::verify_alone(&visa, &[&office], &trust, &lists);
    is(&report, Outcome::Failed, codes::VISA_REVOKED);
    // Without proof of the office the list is a stranger's.
    assert_eq!(world::verify_alone(&visa, &[], &trust, &lists).outcome, Outcome::Passed);
}

/// A visa of the holder, which an ombudsman may revoke by its role; and the ombudsman's own visa.
struct ByRole {
    root: Party,
    revoker: Party,
    holder: Party,
    trust: Trust,
    visa: Secured,
    office: Secured,
    set: Change,
}

/// The ombudsman's visa names lists of an issuer of its own.
fn by_role() -> ByRole {
    let (root, holder, revoker, other) =
        (Party::new(1), Party::new(2), Party::new(5), Party::new(6));
    let ombudsman = world::definition("flex.gb.ombudsman", world::dids(&[&other]), |_| ());
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |d| {
        d.revokers = Some(world::holders(&[&ombudsman]));
    });
    let trust = world::trust(&[&root, &other], &[&ombudsman, &role]);
    let visa = world::visa(&root, &holder, &role, |_| ());
    let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
    let office = world::issue(&other, &world::visa(&other, &revoker, &ombudsman, |_| ()));
    let set = Change { index, set: true, at: days_ago(1) };
    ByRole { visa: world::issue(&root, &visa), root, revoker, holder, trust, office, set }
}

impl ByRole {
    fn lists(&self, authority: &[&Secured]) -> Vec<StatusList> {
        let mut lists = world::clear_lists(&[&self.root, &Party::new(6)]);
        let (owner, by) = (&self.root, &self.revoker);
        let set = [self.set];
        lists.push(world::list_carrying(owner, by, Purpose::Revocation, &set, authority));
        lists
    }

    fn check(&self, lists: &[StatusList]) -> VisaReport {
        let presentation = world::present(&self.holder, &[&self.visa]);
        world::verify(&presentation, &self.trust, lists, &world::expectation())
    }
}

#[test]
fn a_revoker_by_role_whose_list_carries_the_proof_or_who_is_proven_beside() {
    let s = by_role();
    // Nobody shows that the signer may: a stranger's list.
    assert_eq!(s.check(&s.lists(&[])).outcome, Outcome::Passed);
    let report = s.check(&s.lists(&[&s.office]));
    is(&report, Outcome::Failed, codes::VISA_REVOKED);
    let proof = report.visas.iter().find(|v| v.proves_revoker).expect("it is told");
    assert!(!proof.presented);
    // The verdict hangs on the lists of that visa too.
    let rests_on = report.visas[0].rests_on.as_ref().expect("it was presented");
    assert!(rests_on.lists.iter().any(|l| l.signer == Party::new(6).did));
    // A visa alone.
    let alone = world::verify_alone(&s.visa, &[], &s.trust, &s.lists(&[&s.office]));
    is(&alone, Outcome::Failed, codes::VISA_REVOKED);
    // Given beside the presentation.
    let presentation = world::present(&s.holder, &[&s.visa]);
    let beside = [s.office.text().as_bytes().to_vec()];
    let report = world::verify_with(&presentation, &beside, &s.trust, &s.lists(&[]));
    is(&report, Outcome::Failed, codes::VISA_REVOKED);
}

#[test]
fn who_carries_what_is_not_its_own_or_stands_no_more_revokes_nothing() {
    let s = by_role();
    let (other, stranger) = (Party::new(6), Party::new(9));
    let mut lists = world::clear_lists(&[&s.root, &other]);
    let set = [s.set];
    let purpose = Purpose::Revocation;
    lists.push(world::list_carrying(&s.root, &stranger, purpose, &set, &[&s.office]));
    assert_eq!(s.check(&lists).outcome, Outcome::Passed, "the visa is another's");
    // Its own is revoked.
    let (_, office) = read_visa(s.office.text()).expect("a visa");
    let index = office.status_of(purpose).expect("an entry").index;
    let mut lists = s.lists(&[&s.office]);
    lists.retain(|l| !(l.issuer == other.did && l.purposes == [purpose.name()]));
    let gone = Change { index, set: true, at: days_ago(2) };
    lists.push(world::list(&other, purpose, &[gone]));
    assert_eq!(s.check(&lists).outcome, Outcome::Passed);
    // Whether it stands is not known: that is not decided for the holder, who could withhold it.
    let mut lists = s.lists(&[&s.office]);
    lists.retain(|l| l.issuer != other.did);
    is(&s.check(&lists), Outcome::Indeterminate, codes::STATUS_SIGNER);
}

/// An auditor has the lists that a decision names, and makes it again by them alone.
#[test]
fn the_lists_that_a_verdict_names_are_all_that_it_takes_to_come_to_it_again() {
    let s = by_role();
    let other = Party::new(6);
    let (_, office) = read_visa(s.office.text()).expect("a visa");
    let index = office.status_of(Purpose::Revocation).expect("an entry").index;
    let gone = Change { index, set: true, at: days_ago(2) };
    let without = |keep: &dyn Fn(&StatusList) -> bool| {
        let mut lists = s.lists(&[&s.office]);
        lists.retain(keep);
        lists
    };
    let mut ended = without(&|l| l.issuer != other.did || l.purposes != ["revocation"]);
    ended.push(world::list(&other, Purpose::Revocation, &[gone]));
    for (lists, outcome, named) in [
        // Of its issuer, for both purposes: a stranger's says nothing.
        (s.lists(&[]), Outcome::Passed, 2),
        // Of the revoker, and of whom its own visa is.
        (s.lists(&[&s.office]), Outcome::Failed, 5),
        // The same where its visa may or may not stand, of which nothing is known.
        (without(&|l| l.issuer != other.did), Outcome::Indeterminate, 3),
        // Where it stands no more, its list says nothing.
        (ended, Outcome::Passed, 2),
    ] {
        let report = s.check(&lists);
        assert_eq!(report.outcome, outcome);
        let rests_on = report.visas[0].rests_on.as_ref().expect("it was presented");
        let names = |id: &ContentId| rests_on.lists.iter().any(|read| &read.evidence == id);
        let only: Vec<_> = lists.iter().filter(|l| names(l.secured().id())).cloned().collect();
        assert_eq!(only.len(), named, "{:#?}", rests_on.lists);
        let again = s.check(&only);
        assert_eq!((again.outcome, again.code), (report.outcome, report.code));
        assert_eq!(again.visas[0].rests_on, report.visas[0].rests_on);
    }
}

#[test]
fn a_revoker_by_role_whose_list_is_not_believed_or_not_at_hand_leaves_it_open() {
    let s = by_role();
    let presentation = world::present(&s.holder, &[&s.visa, &s.office]);
    let check = |lists: &[StatusList], seen: &SeenLists| {
        let bytes = presentation.text().as_bytes();
        world::verify_bytes(bytes, &s.trust, lists, &world::expectation(), seen)
    };
    let mut lists = world::clear_lists(&[&s.root, &Party::new(6)]);
    assert_eq!(check(&lists, &SeenLists::new()).outcome, Outcome::Passed);
    let id = s.root.list_id(Purpose::Revocation);
    let seen = SeenLists::from([((id, s.revoker.did.clone()), (5, NOW).into())]);
    is(&check(&lists, &seen), Outcome::Indeterminate, codes::STATUS_UNKNOWN);
    // In its name, by another's key: anybody could make that, and it is as if it were not at hand.
    let named = Party { did: s.revoker.did.clone(), ..Party::new(9) };
    lists.push(world::list_by(&s.root, &named, Purpose::Revocation, &[], |_| ()));
    assert_eq!(check(&lists, &SeenLists::new()).outcome, Outcome::Passed);
    is(&check(&lists, &seen), Outcome::Indeterminate, codes::STATUS_UNKNOWN);
    // By its own key, and not to be believed.
    lists.push(world::list_by(&s.root, &s.revoker, Purpose::Revocation, &[], |list| {
        list["validFrom"] = json!(in_days(1));
    }));
    let report = check(&lists, &SeenLists::new());
    is(&report, Outcome::Indeterminate, identity_codes::SIGNED_IN_FUTURE);
}

#[test]
fn a_revoker_whose_visa_is_newer_than_the_time_that_is_asked_about() {
    let s = by_role();
    let other = Party::new(6);
    let ombudsman = world::definition("flex.gb.ombudsman", world::dids(&[&other]), |_| ());
    let office = |since: UnixMillis| {
        let office = world::visa(&other, &s.revoker, &ombudsman, |v| v.valid_from = since);
        world::issue_as(&other, &office, Form::Jwt, since)
    };
    let check = |at: UnixMillis, lists: &[StatusList]| {
        let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
        let evidence = Evidence { trust: &s.trust, lists, resolver: &resolver, seen: &seen };
        let expect =
            Expectation { now: at, clock: NOW, audience: None, nonce: None, presenter: None };
        let text = s.visa.text().as_bytes();
        verify_visa(text, &[], &evidence, &expect, &mut SignatureMemo::default())
    };
    // Renewed two days ago: whoever was revoked by it dates what it sends before that.
    let lists = s.lists(&[&office(days_ago(2))]);
    is(&check(days_ago(5), &lists), Outcome::Indeterminate, codes::STATUS_SIGNER);
    is(&check(days_ago(1), &lists), Outcome::Failed, codes::VISA_REVOKED);
    is(&check(days_ago(5), &s.lists(&[&s.office])), Outcome::Failed, codes::VISA_REVOKED);
    // A visa that nobody could give it, and one that is not in force today either.
    let stranger = Party::new(9);
    let forged = world::visa(&stranger, &s.revoker, &ombudsman, |v| v.valid_from = days_ago(2));
    let forged = world::issue_as(&stranger, &forged, Form::Jwt, days_ago(2));
    for carried in [forged, office(in_days(1))] {
        assert_eq!(check(days_ago(5), &s.lists(&[&carried])).outcome, Outcome::Passed);
    }
}

#[test]
fn what_proves_a_revoker_makes_nothing_of_the_holder_hold() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let insured = world::definition("flex.gb.insured", world::dids(&[&root]), |_| ());
    let role = world::definition("flex.gb.bidder", world::dids(&[&root]), |d| {
        d.revokers = Some(world::holders(&[&insured]));
        d.preconditions = Some(Requirement::Role { role: world::id(&insured) });
    });
    let trust = world::trust(&[&root], &[&insured, &role]);
    let visa = world::issue(&root, &world::visa(&root, &holder, &role, |_| ()));
    let own = world::issue(&root, &world::visa(&root, &holder, &insured, |_| ()));
    let presentation = world::present(&holder, &[&visa]);
    let lists = world::clear_lists(&[&root]);
    let beside = [own.text().as_bytes().to_vec()];
    let report = world::verify_with(&presentation, &beside, &trust, &lists);
    is(&report, Outcome::Indeterminate, codes::PRECONDITIONS_UNKNOWN);
    let mut lists = lists;
    let purpose = Purpose::Revocation;
    lists.push(world::list_carrying(&root, &holder, purpose, &[], &[&own]));
    let report = world::verify(&presentation, &trust, &lists, &world::expectation());
    is(&report, Outcome::Indeterminate, codes::PRECONDITIONS_UNKNOWN);
    let both = world::present(&holder, &[&visa, &own]);
    let report = world::verify(&both, &trust, &lists, &world::expectation());
    assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
}

#[test]
fn one_that_ended_takes_nothing_away_beside_its_renewal_and_proves_nothing_alone() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let insured = world::definition("flex.gb.insured", world::dids(&[&root]), |_| ());
    let role = world::definition("flex.gb.bidder", world::dids(&[&root]), |d| {
        d.preconditions = Some(Requirement::Role { role: world::id(&insured) });
    });
    let trust = world::trust(&[&root], &[&insured, &role]);
    let made = |definition: &RoleDefinition, until: UnixMillis| {
        let visa = world::visa(&root, &holder, definition, |v| {
            v.valid_until = until;
            // A place of its own.
            v.status[0].index += u64::from(until < NOW);
        });
        world::issue(&root, &visa)
    };
    let (bidder, renewed) = (made(&role, in_days(90)), made(&insured, in_days(90)));
    let old = made(&insured, days_ago(1));
    let lists = world::clear_lists(&[&root]);
    let check = |visas: &[&Secured]| {
        world::verify(&world::present(&holder, visas), &trust, &lists, &world::expectation())
    };
    let report = check(&[&bidder, &old, &renewed]);
    assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
    let ended = report.visas.iter().find(|v| &v.evidence == old.id()).expect("it is told");
    assert_eq!((ended.presented, ended.code), (true, codes::VISA_EXPIRED));
    is(&check(&[&bidder, &old]), Outcome::Failed, codes::PRECONDITIONS_UNMET);
    is(&check(&[&old]), Outcome::Failed, codes::VISA_EXPIRED);
    // More than its end is wrong with one.
    let mut revoked = lists.clone();
    let index = read_visa(old.text()).expect("a visa").1.status[0].index;
    let set = [Change { index, set: true, at: days_ago(2) }];
    revoked.retain(|l| l.purposes != [Purpose::Revocation.name()]);
    revoked.push(world::list(&root, Purpose::Revocation, &set));
    let shown = world::present(&holder, &[&old, &renewed]);
    let report = world::verify(&shown, &trust, &revoked, &world::expectation());
    assert_eq!(report.outcome, Outcome::Failed);
}

#[test]
fn an_index_outside_and_a_list_of_another_purpose() {
    let s = setting(|_| ());
    let role = world::definition("flex.gb.aggregator", world::dids(&[&s.root]), |_| ());
    let visa = world::visa(&s.root, &s.holder, &role, |v| v.status[0].index = MIN_ENTRIES);
    let presentation = world::present(&s.holder, &[&world::issue(&s.root, &visa)]);
    let lists = world::clear_lists(&[&s.root]);
    let report = world::verify(&presentation, &s.trust, &lists, &world::expectation());
    is(&report, Outcome::Failed, codes::STATUS_RANGE);
    let other = s.bent(|v| v["credentialSubject"]["statusPurpose"] = json!("suspension"));
    is(&s.check(&other), Outcome::Failed, codes::STATUS_PURPOSE);
    let message = s.bent(|v| v["credentialSubject"]["statusPurpose"] = json!("message"));
    is(&s.check(&message), Outcome::Failed, codes::STATUS_PURPOSE);
}

fn packed(bits: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bits).and_then(|()| packed.finish()).expect("in memory")
}

#[test]
fn a_list_that_decompresses_to_gigabytes() {
    // 64 MiB of zeros in 64 KiB: the reader stops at 1 MiB, so that gigabytes cost no more.
    let s = setting(|_| ());
    let bomb = packed(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    let refused = |packed: &[u8]| {
        let error = Bits::decode(&multibase::encode(multibase::Base::Base64Url, packed));
        let error = error.expect_err("refused");
        assert_eq!(error.code(), codes::STATUS_LIST_MALFORMED);
        assert!(matches!(error, StatusError::Malformed(_)));
    };
    refused(&bomb);
    // Cut off, and followed by more of it, which some would read and some would not.
    let good = packed(&vec![0; 16 * 1024]);
    Bits::decode(&multibase::encode(multibase::Base::Base64Url, &good)).expect("a list");
    refused(&good[..good.len() - 1]);
    refused(&[good.as_slice(), &good].concat());
    assert_eq!(s.check(&world::clear_lists(&[&s.root])).outcome, Outcome::Passed);
}

#[test]
fn a_list_older_than_one_that_was_seen_and_two_of_one_version() {
    let s = setting(|_| ());
    let lists = world::clear_lists(&[&s.root]);
    let key = (s.root.list_id(Purpose::Revocation), s.root.did.clone());
    let order = lists[0].order();
    let seen = |version: u64| SeenLists::from([(key.clone(), (version, order.1).into())]);
    assert_eq!(s.check_seen(&lists, &seen(order.0)).outcome, Outcome::Passed);
    let report = s.check_seen(&lists, &seen(order.0 + 1));
    is(&report, Outcome::Failed, codes::STATUS_ROLLBACK);
    // The newest state counts, in whichever order the lists are given.
    let set = [s.change(true, 1)];
    let newer = world::list_by(&s.root, &s.root, Purpose::Revocation, &set, |v| {
        v["credentialSubject"]["statusList"]["version"] = json!(6);
    });
    let mut all = world::clear_lists(&[&s.root]);
    all.insert(0, newer);
    is(&s.check(&all), Outcome::Failed, codes::VISA_REVOKED);
    all.reverse();
    is(&s.check(&all), Outcome::Failed, codes::VISA_REVOKED);
    // Two different states under one number: the signer contradicts itself.
    let mut twins = world::clear_lists(&[&s.root]);
    twins.push(world::list(&s.root, Purpose::Revocation, &set));
    is(&s.check(&twins), Outcome::Failed, codes::STATUS_FORK);
}

#[test]
fn suspended_and_reinstated() {
    let s = setting(|_| ());
    let with = |changes: &[Change]| {
        let revocation = world::list(&s.root, Purpose::Revocation, &[]);
        s.check(&[revocation, world::list(&s.root, Purpose::Suspension, changes)])
    };
    let suspended = with(&[s.change(true, 3)]);
    is(&suspended, Outcome::Failed, codes::VISA_SUSPENDED);
    let when = days_ago(3).to_string();
    assert!(suspended.sentence.contains(&when), "{}", suspended.sentence);
    let back = with(&[s.change(true, 3), s.change(false, 1)]);
    assert_eq!(back.outcome, Outcome::Passed);
    let reinstated = codes::STATUS_REINSTATED;
    assert!(back.visas[0].checks.iter().any(|c| c.code == reinstated));
}
