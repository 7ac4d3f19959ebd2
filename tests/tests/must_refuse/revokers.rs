//! What must be refused, case 7: what was revoked by somebody whose own visa to revoke is over. It is not
//! good again because of that; and whoever is not to be trusted any more revokes nothing.

use crate::is;
use gridpass_credentials::codes;
use gridpass_credentials::keeping::read_visa;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::{Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{
    Evidence, Expectation, SeenLists, VisaReport, carries_authority, pretends_authority,
    verify_visa,
};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{
    NoSnapshots, OfflineResolver, Resolution, ResolveError, Resolver, Source,
};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};

/// A visa of a holder, which an ombudsman revoked a day ago by its role. The root issues the first, the
/// appointer makes ombudsmen.
struct Revoked {
    root: Party,
    appointer: Party,
    ombudsman: Party,
    office: RoleDefinition,
    trust: Trust,
    visa: Secured,
    set: Change,
}

impl Revoked {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(bend: impl FnOnce(&mut RoleDefinition)) -> Self {
        let (root, holder) = (Party::new(1), Party::new(2));
        let (ombudsman, appointer) = (Party::new(5), Party::new(6));
        let office = world::definition("flex.gb.ombudsman", world::dids(&[&appointer]), bend);
        let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |d| {
            d.revokers = Some(world::holders(&[&office]));
        });
        let insured = world::definition("flex.gb.insured", world::dids(&[&appointer]), |_| ());
        let trust = world::trust(&[&root, &appointer], &[&insured, &office, &role]);
        let visa = world::visa(&root, &holder, &role, |_| ());
        let index = visa.status_of(Purpose::Revocation).expect("an entry").index;
        let set = Change { index, set: true, at: days_ago(1) };
        let visa = world::issue(&root, &visa);
        Self { root, appointer, ombudsman, office, trust, visa, set }
    }

    /// The ombudsman's visa, until a time.
    fn office(&self, until: UnixMillis) -> Secured {
        let office =
            world::visa(&self.appointer, &self.ombudsman, &self.office, |v| v.valid_until = until);
        world::issue(&self.appointer, &office)
    }

    fn theirs(&self, carried: &[&Secured]) -> StatusList {
        let (purpose, set) = (Purpose::Revocation, [self.set]);
        world::list_carrying(&self.root, &self.ombudsman, purpose, &set, carried)
    }

    /// Everybody's lists, with the ombudsman's that carries these, and the office's place set on one.
    fn lists(&self, carried: &[&Secured], over: Option<Purpose>) -> Vec<StatusList> {
        let mut lists = world::clear_lists(&[&self.root]);
        for purpose in Purpose::ALL {
            let index = || {
                let office = read_visa(carried.first().expect("an office").text());
                office.expect("a visa").1.status_of(purpose).expect("an entry").index
            };
            let set = over.filter(|over| *over == purpose);
            let set = set.map(|_| Change { index: index(), set: true, at: days_ago(2) });
            let set: Vec<Change> = set.into_iter().collect();
            lists.push(world::list(&self.appointer, purpose, &set));
        }
        lists.push(self.theirs(carried));
        lists
    }

    fn check(&self, lists: &[StatusList]) -> VisaReport {
        self.check_at(lists, NOW, NOW)
    }

    fn check_at(&self, lists: &[StatusList], at: UnixMillis, clock: UnixMillis) -> VisaReport {
        let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
        let evidence = Evidence { trust: &self.trust, lists, resolver: &resolver, seen: &seen };
        let expect = Expectation { now: at, clock, audience: None, nonce: None, presenter: None };
        let text = self.visa.text().as_bytes();
        verify_visa(text, &[], &evidence, &expect, &mut SignatureMemo::default())
    }
}

const LAPSED: (Outcome, Code) = (Outcome::Indeterminate, codes::STATUS_REVOKER_LAPSED);

#[test]
fn what_was_revoked_is_not_good_again_once_the_revokers_visa_has_ended() {
    let s = Revoked::new();
    let standing = s.office(in_days(1));
    is(&s.check(&s.lists(&[&standing], None)), Outcome::Failed, codes::VISA_REVOKED);
    let ended = s.office(days_ago(0));
    let report = s.check(&s.lists(&[&ended], None));
    is(&report, LAPSED.0, LAPSED.1);
    // It says who does what next, and hangs on the lists of that visa too.
    assert!(report.sentence.contains(s.root.did.as_str()), "{}", report.sentence);
    let rests_on = report.visas[0].rests_on.as_ref().expect("it was asked about");
    for signer in [&s.ombudsman, &s.appointer] {
        assert!(rests_on.lists.iter().any(|l| l.signer == signer.did), "{rests_on:?}");
    }
    // Renewed, it is revoked as before.
    let renewed = s.lists(&[&ended, &standing], None);
    is(&s.check(&renewed), Outcome::Failed, codes::VISA_REVOKED);
    // Taken over by the issuer too.
    let mut taken_over = s.lists(&[&ended], None);
    taken_over.retain(|l| !(l.issuer == s.root.did && l.purposes == [Purpose::Revocation.name()]));
    taken_over.push(world::list(&s.root, Purpose::Revocation, &[s.set]));
    is(&s.check(&taken_over), Outcome::Failed, codes::VISA_REVOKED);
}

#[test]
fn what_was_revoked_is_open_while_the_revoker_is_suspended_and_void_where_it_is_revoked() {
    let s = Revoked::new();
    let (standing, ended) = (s.office(in_days(1)), s.office(days_ago(1)));
    let suspended = Some(Purpose::Suspension);
    is(&s.check(&s.lists(&[&standing], suspended)), LAPSED.0, LAPSED.1);
    is(&s.check(&s.lists(&[&ended], suspended)), LAPSED.0, LAPSED.1);
    // A thief of its key could revoke anything, at any time that it likes to name.
    for office in [&standing, &ended] {
        let report = s.check(&s.lists(&[office], Some(Purpose::Revocation)));
        assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
    }
}

#[test]
fn what_was_revoked_is_open_where_the_revoker_lacks_what_its_role_requires() {
    let (appointer, ombudsman) = (Party::new(6), Party::new(5));
    let insured = world::definition("flex.gb.insured", world::dids(&[&appointer]), |_| ());
    let s = Revoked::with(|office| {
        office.preconditions = Some(Requirement::Role { role: world::id(&insured) });
    });
    let insurance = |until: UnixMillis| {
        let visa = world::visa(&appointer, &ombudsman, &insured, |v| v.valid_until = until);
        world::issue(&appointer, &visa)
    };
    let office = s.office(in_days(1));
    let both = s.lists(&[&office, &insurance(in_days(1))], None);
    is(&s.check(&both), Outcome::Failed, codes::VISA_REVOKED);
    let ended = s.lists(&[&office, &insurance(days_ago(1))], None);
    is(&s.check(&ended), LAPSED.0, LAPSED.1);
}

#[test]
fn a_place_that_is_clear_and_an_office_that_nobody_could_give_say_nothing() {
    let s = Revoked::new();
    let ended = s.office(days_ago(1));
    let mut lists = s.lists(&[&ended], None);
    lists.retain(|l| l.issuer != s.ombudsman.did);
    let (root, by, purpose) = (&s.root, &s.ombudsman, Purpose::Revocation);
    lists.push(world::list_carrying(root, by, purpose, &[], &[&ended]));
    assert_eq!(s.check(&lists).outcome, Outcome::Passed);
    let thief = Party::new(9);
    let forged = world::visa(&thief, &s.ombudsman, &s.office, |v| v.valid_until = days_ago(1));
    let forged = world::issue(&thief, &forged);
    assert_eq!(s.check(&s.lists(&[&forged], None)).outcome, Outcome::Passed);
}

#[test]
fn a_list_that_somebody_else_made_in_a_revokers_name_is_as_if_it_were_not_at_hand() {
    let s = Revoked::new();
    let (resolver, purpose) = (OfflineResolver::new(&NoSnapshots), Purpose::Revocation);
    let seen = SeenLists::from([(
        (s.root.list_id(purpose), s.ombudsman.did.clone()),
        s.theirs(&[]).order().into(),
    )]);
    let check = |lists: &[StatusList], seen: &SeenLists| {
        let evidence = Evidence { trust: &s.trust, lists, resolver: &resolver, seen };
        let (now, clock) = (NOW, NOW);
        let expect = Expectation { now, clock, audience: None, nonce: None, presenter: None };
        let text = s.visa.text().as_bytes();
        let report = verify_visa(text, &[], &evidence, &expect, &mut SignatureMemo::default());
        (report.outcome, report.code)
    };
    // By a key of the thief's own, and by one that it gives out as the ombudsman's.
    let named = Party { did: s.ombudsman.did.clone(), ..Party::new(9) };
    let keyed = Party { key: Party::new(9).key, ..s.ombudsman.clone() };
    let of_good = (Outcome::Failed, codes::VISA_REVOKED);
    for (until, genuine) in [(in_days(1), of_good), (days_ago(1), LAPSED)] {
        let office = s.office(until);
        for thief in [&named, &keyed] {
            for set in [&[s.set][..], &[]] {
                let mut lists = s.lists(&[&office], None);
                let forged = world::list_carrying(&s.root, thief, purpose, set, &[&office]);
                lists.push(forged);
                // It takes nothing from the ombudsman's own.
                assert_eq!(check(&lists, &SeenLists::new()), genuine);
                lists.remove(lists.len() - 2);
                assert_eq!(check(&lists, &SeenLists::new()).0, Outcome::Passed);
                // Nor does it stand in for one that was seen and is withheld.
                let unknown = (Outcome::Indeterminate, codes::STATUS_UNKNOWN);
                assert_eq!(check(&lists, &seen), unknown);
            }
        }
    }
}

/// Everybody's documents as they were obtained, one of them at this time.
struct Obtained<'d>(&'d Did, UnixMillis);

impl Resolver for Obtained<'_> {
    fn resolve(&self, did: &Did) -> Result<Resolution, ResolveError> {
        let found = OfflineResolver::new(&NoSnapshots).resolve(did)?;
        if did != self.0 {
            return Ok(found);
        }
        Ok(Resolution { source: Source::VerifiedLog, seen: Some(self.1), ..found })
    }
}

#[test]
fn a_list_by_a_key_that_its_signer_may_have_taken_since_its_document_was_obtained_leaves_it_open() {
    let s = Revoked::new();
    let key = Party::new(9).key;
    let key_id = s.ombudsman.did.with_fragment("next").expect("a key id");
    let renewed = Party { key: key.clone(), key_id, ..s.ombudsman.clone() };
    let replaced = Party { key, ..s.ombudsman.clone() };
    let purpose = Purpose::Revocation;
    let judged =
        |by: &Party, until: UnixMillis, set: &[Change], at: UnixMillis, seen: &SeenLists| {
            let office = s.office(until);
            let mut lists = s.lists(&[&office], None);
            lists.pop();
            lists.push(world::list_carrying(&s.root, by, purpose, set, &[&office]));
            let resolver = Obtained(&s.ombudsman.did, at);
            let evidence = Evidence { trust: &s.trust, lists: &lists, resolver: &resolver, seen };
            let (now, clock) = (NOW, NOW);
            let expect = Expectation { now, clock, audience: None, nonce: None, presenter: None };
            let text = s.visa.text().as_bytes();
            let report = verify_visa(text, &[], &evidence, &expect, &mut SignatureMemo::default());
            (report.outcome, report.code)
        };
    // Under a name of its own, and under that of the one before. Lists are signed an hour ago.
    let by = [
        (&renewed, identity_codes::KEY_NOT_LISTED),
        (&replaced, identity_codes::SIGNATURE_INVALID),
    ];
    let none = SeenLists::new();
    let order = s.theirs(&[]).order().into();
    let seen = SeenLists::from([((s.root.list_id(purpose), s.ombudsman.did.clone()), order)]);
    for (by, why) in by {
        let of = |obtained| judged(by, in_days(1), &[s.set], obtained, &none);
        assert_eq!(of(days_ago(1)), (Outcome::Indeterminate, why));
        // By a document from after that, it is by no key of its signer's.
        assert_eq!(of(NOW).0, Outcome::Passed);
        // Of one whose own visa lapsed it stands in for none that was seen and is withheld.
        for obtained in [days_ago(1), NOW] {
            let unknown = (Outcome::Indeterminate, codes::STATUS_UNKNOWN);
            assert_eq!(judged(by, days_ago(1), &[], obtained, &seen), unknown);
        }
    }
}

/// The revoker's visa is looked at as of the time that is asked about, its lists as of the clock.
#[test]
fn a_revoker_counts_as_it_stands_at_the_time_that_is_asked_about() {
    let s = Revoked::new();
    let revoked = (Outcome::Failed, codes::VISA_REVOKED);
    let judged = |lists: &[StatusList], at: UnixMillis, clock: UnixMillis| {
        let report = s.check_at(lists, at, clock);
        (report.outcome, report.code)
    };
    // It ended two days ago: a day before that it stood, a day after no more, nor today.
    let ended = s.lists(&[&s.office(days_ago(2))], None);
    assert_eq!(judged(&ended, days_ago(3), NOW), revoked);
    assert_eq!(judged(&ended, days_ago(1), NOW), LAPSED);
    assert_eq!(judged(&ended, NOW, NOW), LAPSED);
    // It ends tomorrow: what hangs on it is seen by asking about the day after.
    let ending = s.lists(&[&s.office(in_days(1))], None);
    assert_eq!(judged(&ending, NOW, NOW), revoked);
    assert_eq!(judged(&ending, in_days(2), in_days(2)), LAPSED);
    // Given three days ago: of a time before that it is open, whoever is revoked dates as it likes.
    let office = world::visa(&s.appointer, &s.ombudsman, &s.office, |v| {
        v.valid_from = days_ago(3);
    });
    let new = world::issue_as(&s.appointer, &office, Form::Jwt, days_ago(3));
    let new = s.lists(&[&new], None);
    assert_eq!(judged(&new, days_ago(2), NOW), revoked);
    assert_eq!(judged(&new, days_ago(5), NOW), (LAPSED.0, codes::STATUS_SIGNER));
    // Revoked since: what its holder revoked is void, of whatever time one asks.
    let gone = s.lists(&[&s.office(in_days(1))], Some(Purpose::Revocation));
    for at in [days_ago(5), days_ago(1), NOW] {
        assert_eq!(judged(&gone, at, NOW).0, Outcome::Passed);
    }
    // Until when a verdict counts that hangs on it.
    let soon = NOW.plus_millis(60_000);
    let report = s.check(&s.lists(&[&s.office(soon)], None));
    assert_eq!(report.visas[0].rests_on.as_ref().and_then(|r| r.until), Some(soon));
}

#[test]
fn a_report_says_by_which_clock_it_was_made_where_that_is_another_time() {
    let s = Revoked::new();
    let lists = s.lists(&[&s.office(in_days(1))], None);
    let report = s.check_at(&lists, days_ago(1), NOW);
    assert_eq!((report.clock, report.clock_given), (Some(NOW), false));
    assert_eq!(s.check(&lists).clock, None);
    let given = s.check(&lists).with_given_clock(NOW).to_json().expect("JSON");
    let given = String::from_utf8(given).expect("text");
    assert!(given.contains(r#""clock":"2026-03-01T12:00:00Z","clockGiven":true"#), "{given}");
}

#[test]
fn a_list_is_kept_for_an_office_that_has_ended_and_not_for_one_that_is_pretended() {
    let s = Revoked::new();
    let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
    let evidence = Evidence { trust: &s.trust, lists: &[], resolver: &resolver, seen: &seen };
    let judged = |list: &StatusList| {
        let memo = &mut SignatureMemo::default();
        let carries = carries_authority(list, &evidence, NOW, memo);
        (carries, pretends_authority(list, &evidence, NOW, memo))
    };
    for until in [in_days(1), days_ago(1)] {
        assert_eq!(judged(&s.theirs(&[&s.office(until)])), (true, false));
    }
    let thief = Party::new(9);
    let forged = world::issue(&thief, &world::visa(&thief, &s.ombudsman, &s.office, |_| ()));
    assert_eq!(judged(&s.theirs(&[&forged])), (false, true));
    // Where the role is listed no more and nobody knows who gave it, anybody could give it to itself.
    let insured = world::definition("flex.gb.insured", world::dids(&[&s.appointer]), |_| ());
    let role = world::definition("flex.gb.aggregator", world::dids(&[&s.root]), |d| {
        d.revokers = Some(world::holders(&[&s.office]));
    });
    let trust = world::trust(&[&s.root, &s.appointer], &[&insured, &role]);
    let unknown = Evidence { trust: &trust, lists: &[], resolver: &resolver, seen: &seen };
    let own = world::issue(&thief, &world::visa(&thief, &thief, &s.office, |_| ()));
    let (purpose, set) = (Purpose::Revocation, [s.set]);
    let list = world::list_carrying(&s.root, &thief, purpose, &set, &[&own]);
    assert!(!carries_authority(&list, &unknown, NOW, &mut SignatureMemo::default()));
    assert!(pretends_authority(&list, &unknown, NOW, &mut SignatureMemo::default()));
    // Nothing is said by it: no visa, or another's.
    assert_eq!(judged(&s.theirs(&[])), (false, false));
    assert_eq!(judged(&s.theirs(&[&s.visa])), (false, false));
}
