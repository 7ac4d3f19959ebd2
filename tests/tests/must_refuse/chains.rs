//! What must be refused, cases 1, 2, 5 and 6: chains, authority over time, retired roles, claims,
//! validity and preconditions. Each asserts the code, and that the good twin passes.

use crate::is;
use gridpass_credentials::codes;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::{IssuerRevocation, Parties, RoleDefinition};
use gridpass_credentials::secured::{Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{Evidence, Expectation, SeenLists, VisaReport, verify_visa};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use serde_json::json;

fn present(holder: &Party, visas: &[&Secured], trust: &Trust, lists: &[StatusList]) -> VisaReport {
    world::verify(&world::present(holder, visas), trust, lists, &world::expectation())
}

/// Root -> delegate -> holder: definitions, trust, and the delegate's authority.
struct Delegation {
    root: Party,
    delegate: Party,
    holder: Party,
    authority: RoleDefinition,
    role: RoleDefinition,
    trust: Trust,
}

fn delegation(bend: impl FnOnce(&mut RoleDefinition)) -> Delegation {
    let (root, delegate, holder) = (Party::new(1), Party::new(2), Party::new(3));
    let authority = world::definition("flex.gb.body", world::dids(&[&root]), |_| ());
    let role = world::definition("flex.gb.supplier", world::holders(&[&authority]), bend);
    let trust = world::trust(&[&root], &[&authority, &role]);
    Delegation { root, delegate, holder, authority, role, trust }
}

impl Delegation {
    fn lists(&self) -> Vec<StatusList> {
        world::clear_lists(&[&self.root, &self.delegate])
    }

    /// The root's lists with this change of the delegate's authority.
    fn lists_with(&self, purpose: Purpose, changes: &[(bool, u64)]) -> Vec<StatusList> {
        let visa = world::visa(&self.root, &self.delegate, &self.authority, |_| ());
        let index = visa.status_of(purpose).expect("an entry").index;
        let changes: Vec<_> = changes
            .iter()
            .map(|(set, ago)| Change { index, set: *set, at: days_ago(*ago) })
            .collect();
        let mut lists = self.lists();
        lists.retain(|l| l.id != self.root.list_id(purpose));
        lists.push(world::list(&self.root, purpose, &changes));
        lists
    }

    fn visas(&self) -> (Secured, Secured) {
        let own = world::visa(&self.delegate, &self.holder, &self.role, |_| ());
        let authority = world::visa(&self.root, &self.delegate, &self.authority, |v| {
            v.valid_from = days_ago(50)
        });
        (
            world::issue(&self.delegate, &own),
            world::issue_as(&self.root, &authority, Form::Jwt, days_ago(50)),
        )
    }
}

#[test]
fn a_forged_intermediate_whose_authority_is_self_issued() {
    let d = delegation(|_| ());
    let (visa, authority) = d.visas();
    let good = present(&d.holder, &[&visa, &authority], &d.trust, &d.lists());
    assert_eq!(good.outcome, Outcome::Passed, "{good:#?}");
    let own = world::visa(&d.delegate, &d.delegate, &d.authority, |_| ());
    let forged = world::issue(&d.delegate, &own);
    let report = present(&d.holder, &[&visa, &forged], &d.trust, &d.lists());
    is(&report, Outcome::Failed, codes::ISSUER_NOT_ALLOWED);
    // Nor by a stranger, with a root of its own making.
    let stranger = Party::new(9);
    let by = world::issue(&stranger, &world::visa(&stranger, &d.delegate, &d.authority, |_| ()));
    let report = present(&d.holder, &[&visa, &by], &d.trust, &d.lists());
    is(&report, Outcome::Failed, codes::ISSUER_NOT_ALLOWED);
}

#[test]
fn a_chain_with_a_missing_link_is_indeterminate() {
    let d = delegation(|_| ());
    let (visa, _) = d.visas();
    let report = present(&d.holder, &[&visa], &d.trust, &d.lists());
    is(&report, Outcome::Indeterminate, codes::CHAIN_LINK_MISSING);
    // An authority over something else is no link either.
    let other = world::definition("flex.gb.other-body", world::dids(&[&d.root]), |_| ());
    let trust = world::trust(&[&d.root], &[&d.authority, &d.role, &other]);
    let wrong = world::issue(&d.root, &world::visa(&d.root, &d.delegate, &other, |_| ()));
    let report = present(&d.holder, &[&visa, &wrong], &trust, &d.lists());
    is(&report, Outcome::Indeterminate, codes::CHAIN_LINK_MISSING);
}

#[test]
fn issuers_that_authorise_each_other() {
    let d = delegation(|_| ());
    let other = Party::new(4);
    let visa = world::issue(&d.delegate, &world::visa(&d.delegate, &d.holder, &d.role, |_| ()));
    // Each says that the other holds the supplier role, which authorises nobody.
    let a = world::issue(&other, &world::visa(&other, &d.delegate, &d.role, |_| ()));
    let b = world::issue(&d.delegate, &world::visa(&d.delegate, &other, &d.role, |_| ()));
    let lists = world::clear_lists(&[&d.root, &d.delegate, &other]);
    let report = present(&d.holder, &[&visa, &a, &b], &d.trust, &lists);
    is(&report, Outcome::Failed, codes::CHAIN_CYCLE);
    // The authority itself, handed round: neither may issue it.
    let a = world::issue(&other, &world::visa(&other, &d.delegate, &d.authority, |_| ()));
    let b = world::issue(&d.delegate, &world::visa(&d.delegate, &other, &d.authority, |_| ()));
    let report = present(&d.holder, &[&visa, &a, &b], &d.trust, &lists);
    is(&report, Outcome::Failed, codes::ISSUER_NOT_ALLOWED);
}

#[test]
fn a_chain_deeper_than_its_definition_allows() {
    for (most, refused) in [(3, None), (2, Some(codes::CHAIN_TOO_DEEP))] {
        let parties: Vec<Party> = (1..=5).map(Party::new).collect();
        let first = world::definition("flex.gb.a", world::dids(&[&parties[0]]), |_| ());
        let second = world::definition("flex.gb.b", world::holders(&[&first]), |_| ());
        let third = world::definition("flex.gb.c", world::holders(&[&second]), |_| ());
        let role = world::definition("flex.gb.d", world::holders(&[&third]), |d| {
            d.max_chain_depth = most;
        });
        let roles = [&first, &second, &third, &role];
        let trust = world::trust(&[&parties[0]], &roles);
        let visas: Vec<_> = (0..4)
            .map(|i| {
                let visa = world::visa(&parties[i], &parties[i + 1], roles[i], |_| ());
                world::issue(&parties[i], &visa)
            })
            .collect();
        let lists = world::clear_lists(&parties.iter().collect::<Vec<_>>());
        let report = present(&parties[4], &visas.iter().collect::<Vec<_>>(), &trust, &lists);
        match refused {
            Some(code) => is(&report, Outcome::Failed, code),
            None => assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence),
        }
    }
}

#[test]
fn an_authority_revoked_before_and_after_the_visa_was_issued() {
    for (rule, after) in [
        (IssuerRevocation::Keeps, None),
        (IssuerRevocation::Ends, Some(codes::ISSUER_REVOKED_ENDS)),
    ] {
        let d = delegation(|r| r.issuer_revocation = rule);
        let (visa, authority) = d.visas();
        let with = |changes: &[(bool, u64)]| {
            let lists = d.lists_with(Purpose::Revocation, changes);
            present(&d.holder, &[&visa, &authority], &d.trust, &lists)
        };
        is(&with(&[(true, 20)]), Outcome::Failed, codes::ISSUER_REVOKED);
        let later = with(&[(true, 5)]);
        match after {
            Some(code) => is(&later, Outcome::Failed, code),
            None => {
                assert_eq!(later.outcome, Outcome::Passed, "{later:#?}");
                let since = codes::ISSUER_REVOKED_SINCE;
                assert!(later.visas[0].checks.iter().any(|c| c.code == since));
            }
        }
    }
}

/// A visa that nobody presents, judged for a time before now.
fn judged_at(
    visa: &Secured,
    beside: &[&Secured],
    trust: &Trust,
    lists: &[StatusList],
    now: UnixMillis,
) -> VisaReport {
    let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
    let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
    let expect = Expectation { now, clock: NOW, audience: None, nonce: None, presenter: None };
    let beside: Vec<Vec<u8>> = beside.iter().map(|v| v.text().as_bytes().to_vec()).collect();
    let memo = &mut SignatureMemo::default();
    verify_visa(visa.text().as_bytes(), &beside, &evidence, &expect, memo)
}

#[test]
fn of_an_authority_the_dates_count_also_where_the_second_of_issuance_is_asked_about() {
    let d = delegation(|_| ());
    let (visa, authority) = d.visas();
    for (changes, outcome) in [(&[(true, 5)], Outcome::Passed), (&[(true, 20)], Outcome::Failed)] {
        let lists = d.lists_with(Purpose::Revocation, changes);
        for at in [days_ago(10), days_ago(10).plus_millis(1000), NOW] {
            let report = judged_at(&visa, &[&authority], &d.trust, &lists, at);
            assert_eq!(report.outcome, outcome, "{at}: {}", report.sentence);
        }
    }
}

#[test]
fn however_many_visas_rest_on_each_other_all_are_judged() {
    let parties: Vec<Party> = (1..=12).map(Party::new).collect();
    let root = &parties[0];
    // Six issuers stand above what the first of three others requires.
    let (mut definitions, mut visas): (Vec<RoleDefinition>, Vec<Secured>) = (vec![], vec![]);
    let mut issuer = root;
    for (n, name) in ["a", "b", "c", "d", "e", "f", "g"].into_iter().enumerate() {
        let by = match definitions.last() {
            Some(above) => world::holders(&[above]),
            None => world::dids(&[root]),
        };
        let name = format!("flex.gb.{name}");
        let definition = world::definition(&name, by, |d| d.max_chain_depth = 8);
        let subject = &parties[n + 1];
        visas.push(world::issue(issuer, &world::visa(issuer, subject, &definition, |_| ())));
        definitions.push(definition);
        issuer = subject;
    }
    let needed = definitions.last().map(|above| Requirement::Role { role: world::id(above) });
    for (n, name) in ["h", "i", "j", "k"].into_iter().enumerate() {
        let name = format!("flex.gb.{name}");
        let (by, from) = match definitions.last().filter(|_| n > 0) {
            Some(above) => (world::holders(&[above]), issuer),
            None => (world::dids(&[root]), root),
        };
        let definition = world::definition(&name, by, |d| {
            d.max_chain_depth = 8;
            d.preconditions = needed.clone().filter(|_| n == 0);
        });
        // The first goes to who holds what it requires.
        let subject = if n == 0 { issuer } else { &parties[n + 7] };
        visas.push(world::issue(from, &world::visa(from, subject, &definition, |_| ())));
        definitions.push(definition);
        issuer = subject;
    }
    let trust = world::trust(&[root], &definitions.iter().collect::<Vec<_>>());
    let lists = world::clear_lists(&parties.iter().collect::<Vec<_>>());
    let report = present(issuer, &visas.iter().collect::<Vec<_>>(), &trust, &lists);
    assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
}

#[test]
fn one_that_nobody_could_issue_is_not_passed_over_beside_a_good_one() {
    let (d, other) = (delegation(|_| ()), Party::new(4));
    let ended = world::visa(&d.root, &d.delegate, &d.authority, |v| {
        (v.valid_from, v.valid_until) = (days_ago(50), days_ago(11));
    });
    let ended = world::issue_as(&d.root, &ended, Form::Jwt, days_ago(50));
    let bad = d.visas().0;
    let authority = world::issue(&d.root, &world::visa(&d.root, &other, &d.authority, |_| ()));
    let good = world::issue(&other, &world::visa(&other, &d.holder, &d.role, |_| ()));
    let lists = world::clear_lists(&[&d.root, &d.delegate, &other]);
    let report = present(&d.holder, &[&good, &authority], &d.trust, &lists);
    assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
    let report = present(&d.holder, &[&bad, &ended, &good, &authority], &d.trust, &lists);
    is(&report, Outcome::Failed, codes::VISA_EXPIRED);
}

#[test]
fn a_link_is_missing_also_of_one_who_is_named_and_no_root() {
    let (root, delegate, holder) = (Party::new(1), Party::new(2), Party::new(3));
    let authority = world::definition("flex.gb.body", world::dids(&[&root]), |_| ());
    let by = Parties { dids: vec![delegate.did.clone()], roles: vec![world::id(&authority)] };
    let role = world::definition("flex.gb.supplier", by, |_| ());
    let trust = world::trust(&[&root], &[&authority, &role]);
    let lists = world::clear_lists(&[&root, &delegate]);
    let visa = world::issue(&delegate, &world::visa(&delegate, &holder, &role, |_| ()));
    let report = present(&holder, &[&visa], &trust, &lists);
    is(&report, Outcome::Indeterminate, codes::CHAIN_LINK_MISSING);
    let shown = world::issue(&root, &world::visa(&root, &delegate, &authority, |_| ()));
    let report = present(&holder, &[&visa, &shown], &trust, &lists);
    assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
}

#[test]
fn an_authority_that_was_suspended_when_it_issued() {
    let d = delegation(|_| ());
    let (visa, authority) = d.visas();
    let with = |changes: &[(bool, u64)]| {
        let lists = d.lists_with(Purpose::Suspension, changes);
        present(&d.holder, &[&visa, &authority], &d.trust, &lists)
    };
    is(&with(&[(true, 20), (false, 5)]), Outcome::Failed, codes::ISSUER_REVOKED);
    assert_eq!(with(&[(true, 20), (false, 15)]).outcome, Outcome::Passed);
    assert_eq!(with(&[(true, 5)]).outcome, Outcome::Passed);
}

#[test]
fn an_authority_that_ended_or_had_not_begun_when_it_issued() {
    let d = delegation(|_| ());
    let (visa, _) = d.visas();
    for (from, until, code) in [
        (days_ago(50), days_ago(11), codes::VISA_EXPIRED),
        (days_ago(9), in_days(50), codes::VISA_NOT_YET),
    ] {
        let authority = world::visa(&d.root, &d.delegate, &d.authority, |v| {
            (v.valid_from, v.valid_until) = (from, until);
        });
        let authority = world::issue_as(&d.root, &authority, Form::Jwt, days_ago(60));
        let report = present(&d.holder, &[&visa, &authority], &d.trust, &d.lists());
        is(&report, Outcome::Failed, code);
    }
    // It has ended since: what it issued stays good.
    let authority = world::visa(&d.root, &d.delegate, &d.authority, |v| {
        (v.valid_from, v.valid_until) = (days_ago(50), days_ago(5));
    });
    let authority = world::issue_as(&d.root, &authority, Form::Jwt, days_ago(50));
    let report = present(&d.holder, &[&visa, &authority], &d.trust, &d.lists());
    assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence);
}

#[test]
fn a_root_that_the_charter_dropped() {
    let (old, new, holder) = (Party::new(1), Party::new(2), Party::new(3));
    for (rule, code) in
        [(IssuerRevocation::Keeps, None), (IssuerRevocation::Ends, Some(codes::CHAIN_ROOT_REMOVED))]
    {
        let role = world::definition("flex.gb.aggregator", world::dids(&[&old, &new]), |d| {
            d.issuer_revocation = rule;
        });
        let first = world::sign_charter(world::charter(&[&old, &new], &[&role]), &[&old, &new]);
        let mut next = first.charter().next(days_ago(5)).expect("a next");
        next.roots = vec![new.did.clone()];
        let next = world::sign_charter(next, &[&old, &new]);
        let pack = world::pack(&[first, next], &[&role]);
        let trust = Trust::open(&pack, None, NOW).expect("a pack");
        let lists = world::clear_lists(&[&old, &new]);
        let before = world::issue(&old, &world::visa(&old, &holder, &role, |_| ()));
        let report = present(&holder, &[&before], &trust, &lists);
        match code {
            Some(code) => is(&report, Outcome::Failed, code),
            None => assert_eq!(report.outcome, Outcome::Passed, "{}", report.sentence),
        }
        let visa = world::visa(&old, &holder, &role, |v| v.valid_from = days_ago(2));
        let after = world::issue_as(&old, &visa, Form::Jwt, days_ago(2));
        let report = present(&holder, &[&after], &trust, &lists);
        is(&report, Outcome::Failed, codes::ISSUER_NOT_ROOT);
    }
}

#[test]
fn a_root_that_came_back_makes_nothing_good_that_it_signed_while_it_was_none() {
    let (back, stays, holder) = (Party::new(1), Party::new(2), Party::new(3));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&back, &stays]), |_| ());
    let both = [&back, &stays];
    let first = world::sign_charter(world::charter(&both, &[&role]), &both);
    let mut without = first.charter().next(days_ago(8)).expect("a next");
    without.roots = vec![stays.did.clone()];
    let without = world::sign_charter(without, &both);
    let half = UnixMillis::new(days_ago(4).get() + 500);
    let mut again = without.charter().next(half).expect("a next");
    again.roots = vec![stays.did.clone(), back.did.clone()];
    let again = world::sign_charter(again, &both);
    let pack = world::pack(&[first, without, again], &[&role]);
    let trust = Trust::open(&pack, None, NOW).expect("a pack");
    let lists = world::clear_lists(&both);
    let visa = world::visa(&back, &holder, &role, |_| ());
    // In the very second of a change both charters count: signatures carry no more.
    let none = [days_ago(8), days_ago(6), UnixMillis::new(days_ago(4).get() - 1000)];
    let good = [days_ago(10), days_ago(4), days_ago(1)].map(|at| (at, Outcome::Passed));
    for (at, outcome) in good.into_iter().chain(none.map(|at| (at, Outcome::Failed))) {
        let issued = world::issue_as(&back, &visa, Form::Jwt, at);
        let report = present(&holder, &[&issued], &trust, &lists);
        assert_eq!(report.outcome, outcome, "{at}: {}", report.sentence);
        if outcome == Outcome::Failed {
            is(&report, Outcome::Failed, codes::ISSUER_NOT_ROOT);
        }
    }
}

#[test]
fn a_retired_definition_inside_and_outside_its_grace() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let lists = world::clear_lists(&[&root]);
    let visa = world::issue(&root, &world::visa(&root, &holder, &role, |_| ()));
    let with = |retired: u64, grace_days: u64| {
        let mut charter = world::charter(&[&root], &[&role]);
        charter.roles[0].retired = Some(days_ago(retired));
        charter.roles[0].grace_seconds = Some(grace_days * 24 * 3600);
        let pack = world::pack(&[world::sign_charter(charter, &[&root])], &[&role]);
        let trust = Trust::open(&pack, None, NOW).expect("a pack");
        present(&holder, &[&visa], &trust, &lists)
    };
    let inside = with(5, 30);
    assert_eq!(inside.outcome, Outcome::Passed);
    assert!(inside.visas[0].checks.iter().any(|c| c.code == codes::ROLE_IN_GRACE));
    is(&with(5, 4), Outcome::Failed, codes::ROLE_RETIRED);
    // Issued after it was retired: grace is for those who held one.
    is(&with(20, 300), Outcome::Failed, codes::ROLE_RETIRED);
    let other = world::definition("flex.gb.other", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&other]);
    let unlisted = present(&holder, &[&visa], &trust, &lists);
    is(&unlisted, Outcome::Failed, codes::ROLE_NOT_LISTED);
}

#[test]
fn claims_that_do_not_fit_and_validity_that_is_too_long_or_over() {
    let (root, holder) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&root]), |_| ());
    let trust = world::trust(&[&root], &[&role]);
    let lists = world::clear_lists(&[&root]);
    let with = |bend: fn(&mut gridpass_credentials::visa::Visa)| {
        let visa = world::issue(&root, &world::visa(&root, &holder, &role, bend));
        present(&holder, &[&visa], &trust, &lists)
    };
    assert_eq!(with(|_| ()).outcome, Outcome::Passed);
    let unfit = codes::CLAIMS_UNFIT;
    is(&with(|v| drop(v.claims.remove("zone"))), Outcome::Failed, unfit);
    is(&with(|v| drop(v.claims.insert("zone".into(), json!(5)))), Outcome::Failed, unfit);
    is(&with(|v| drop(v.claims.insert("admin".into(), json!(true)))), Outcome::Failed, unfit);
    let long = codes::VISA_VALIDITY_TOO_LONG;
    is(&with(|v| v.valid_until = in_days(400)), Outcome::Failed, long);
    is(&with(|v| v.valid_until = NOW), Outcome::Failed, codes::VISA_EXPIRED);
    is(&with(|v| v.valid_from = in_days(1)), Outcome::Failed, codes::VISA_NOT_YET);
    // The name is for people, and must be the definition's.
    let misnamed = with(|v| {
        v.role = gridpass_credentials::role::RoleName::parse("flex.gb.tso").expect("a name");
    });
    is(&misnamed, Outcome::Failed, codes::DEFINITION_NAME);
}

#[test]
fn preconditions_all_any_and_k_of_n() {
    let (root, holder, other) = (Party::new(1), Party::new(2), Party::new(3));
    let bases: Vec<_> = ["flex.gb.a", "flex.gb.b", "flex.gb.c"]
        .map(|name| world::definition(name, world::dids(&[&root]), |_| ()))
        .to_vec();
    let of: Vec<_> = bases.iter().map(|b| Requirement::Role { role: world::id(b) }).collect();
    let lists = world::clear_lists(&[&root]);
    let held = |base: usize, subject: &Party, good: bool| {
        let visa = world::visa(&root, subject, &bases[base], |v| {
            if !good {
                v.valid_until = days_ago(1);
            }
        });
        world::issue(&root, &visa)
    };
    for (requirement, needed) in [
        (Requirement::All { all: of.clone() }, 3),
        (Requirement::Any { any: of.clone() }, 1),
        (Requirement::AtLeast { at_least: 2, of: of.clone() }, 2),
    ] {
        let role = world::definition("flex.gb.bidder", world::dids(&[&root]), |d| {
            d.preconditions = Some(requirement.clone());
        });
        let mut all = vec![&role];
        all.extend(&bases);
        let trust = world::trust(&[&root], &all);
        let own = world::issue(&root, &world::visa(&root, &holder, &role, |_| ()));
        let with = |shown: &[Secured]| {
            let mut visas = vec![own.clone()];
            visas.extend(shown.iter().cloned());
            let report = present(&holder, &visas.iter().collect::<Vec<_>>(), &trust, &lists);
            let verdict = report.visas[0].clone();
            (verdict.outcome, verdict.code)
        };
        let good = |n: usize| (0..n).map(|i| held(i, &holder, true)).collect::<Vec<_>>();
        assert_eq!(with(&good(needed)).0, Outcome::Passed, "{requirement:?}");
        let unknown = (Outcome::Indeterminate, codes::PRECONDITIONS_UNKNOWN);
        assert_eq!(with(&good(needed - 1)), unknown, "{requirement:?}: not shown");
        let expired: Vec<_> = (0..3).map(|i| held(i, &holder, i + 1 < needed)).collect();
        let unmet = (Outcome::Failed, codes::PRECONDITIONS_UNMET);
        assert_eq!(with(&expired), unmet, "{requirement:?}: shown, and over");
        // Somebody else's visas are nobody's preconditions.
        let borrowed: Vec<_> = (0..3).map(|i| held(i, &other, true)).collect();
        assert_eq!(with(&borrowed), unknown, "{requirement:?}: another's");
    }
}
