//! From a presentation to a decision: facts taken from verified visas, their expiry, and what ends
//! them.

use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::secured::{Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{
    AuthorisationExpectation, AuthorisationReport, Evidence, SeenLists, verify_authorisation,
};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::admission::AdmissionSource;
use gridpass_policy::cache::{AdmissionCache, AdmissionKey};
use gridpass_policy::channel::ChannelDescriptor;
use gridpass_policy::decision::{Decision, RecordedDecision, Verdict, parse_admission};
use gridpass_policy::facts::{Admission, Question};
use gridpass_policy::policy::Policy;
use gridpass_tests::channels::{self, bid};
use gridpass_tests::messages::authorise;
use gridpass_tests::world::{self, DAY, NOW, Party, days_ago, in_days};

/// A regulator, an aggregator with its visa, and the channel that the regulator owns.
struct Scene {
    regulator: Party,
    aggregator: Party,
    role: RoleDefinition,
    trust: Trust,
    presentation: Secured,
}

fn scene() -> Scene {
    let (regulator, aggregator) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&regulator]), |_| ());
    let trust = world::trust(&[&regulator], &[&role]);
    let visa = world::issue(&regulator, &world::visa(&regulator, &aggregator, &role, |_| ()));
    let presentation = world::present(&aggregator, &[&visa]);
    Scene { regulator, aggregator, role, trust, presentation }
}

impl Scene {
    fn policy(&self, bend: impl FnOnce(&mut ChannelDescriptor)) -> Policy {
        channels::policy_in(&self.trust, channels::bids(&self.regulator.did, bend))
    }

    fn admission(&self, policy: &Policy, lists: &[StatusList]) -> Admission {
        let report = world::verify(&self.presentation, &self.trust, lists, &world::expectation());
        channels::admission(policy, &self.aggregator.did, &report, &self.trust)
    }

    fn decide(&self, policy: &Policy, lists: &[StatusList], question: &Question) -> Decision {
        let mut admitted = policy.admit(self.admission(policy, lists));
        policy.decide(&mut admitted, question, NOW).expect("a decision")
    }
}

fn codes(decision: &Decision) -> Vec<&str> {
    let causes = decision.reasons.iter().flat_map(|r| &r.causes).map(|c| c.code.as_str());
    decision.reasons.iter().map(|r| r.code.as_str()).chain(causes).collect()
}

#[test]
fn a_visa_admits_to_what_it_says_and_to_no_more() {
    let scene = scene();
    let policy = scene.policy(|_| ());
    let lists = world::clear_lists(&[&scene.regulator]);
    assert_eq!(scene.decide(&policy, &lists, &bid("GB-1", 500)).verdict, Verdict::Allow);
    for (question, requirement) in [(bid("GB-2", 500), "zone"), (bid("GB-1", 501), "capacity")] {
        let decision = scene.decide(&policy, &lists, &question);
        assert_eq!(decision.reasons.len(), 1, "{decision:?}");
        assert_eq!(decision.reasons[0].requirement.as_deref(), Some(requirement));
        assert!(codes(&decision).contains(&"GP-VALUE-DIFFERS"));
    }
}

#[test]
fn a_suspended_aggregator_is_told_since_when_and_by_whom() {
    let scene = scene();
    let policy = scene.policy(|_| ());
    let index =
        world::visa(&scene.regulator, &scene.aggregator, &scene.role, |_| ()).status[1].index;
    let change = Change { index, set: true, at: days_ago(2) };
    let lists = [
        world::list(&scene.regulator, Purpose::Revocation, &[]),
        world::list(&scene.regulator, Purpose::Suspension, &[change]),
    ];
    let decision = scene.decide(&policy, &lists, &bid("GB-1", 5));
    assert_eq!(decision.verdict, Verdict::Deny);
    let cause = &decision.reasons[0].causes[0];
    assert_eq!(cause.code, "GP-VISA-SUSPENDED");
    for part in ["flex.gb.aggregator", "suspended", &days_ago(2).to_string(), "did:key:"] {
        assert!(cause.sentence.contains(part), "{}: {part}", cause.sentence);
    }
}

#[test]
fn a_status_older_than_the_channel_allows_is_undecided() {
    let scene = scene();
    let lists = world::clear_lists(&[&scene.regulator]); // dated an hour ago
    let policy = scene.policy(|d| d.max_status_age_seconds = 3599);
    let decision = scene.decide(&policy, &lists, &bid("GB-1", 5));
    assert_eq!(codes(&decision)[0], "GP-POLICY-UNDECIDED");
    assert!(codes(&decision).contains(&"GP-STATUS-STALE"));
    let policy = scene.policy(|d| d.max_status_age_seconds = 3601);
    assert_eq!(scene.decide(&policy, &lists, &bid("GB-1", 5)).verdict, Verdict::Allow);
    // Without any list.
    let decision = scene.decide(&policy, &[], &bid("GB-1", 5));
    assert!(codes(&decision).contains(&"GP-STATUS-UNKNOWN"), "{decision:?}");
}

#[test]
fn facts_count_until_the_earliest_end_of_what_they_rest_on() {
    let scene = scene();
    let lists = world::clear_lists(&[&scene.regulator]);
    let expires = |age: u64| {
        let policy = scene.policy(|d| d.max_status_age_seconds = age);
        scene.admission(&policy, &lists).expires
    };
    let listed = UnixMillis::new(NOW.get() - 3_600_000);
    // The channel's limit, then the presentation's own end.
    assert_eq!(expires(3700), listed.plus_millis(3_700_001));
    assert_eq!(expires(7200), NOW.plus_millis(600_000));
    // Of one for months, the role definition's limit: a day.
    let binding =
        gridpass_credentials::secured::Binding { expires: in_days(90), ..world::binding() };
    let visa = world::visa(&scene.regulator, &scene.aggregator, &scene.role, |_| ());
    let visa = world::issue(&scene.regulator, &visa);
    let lasting = world::present_as(&scene.aggregator, &[&visa], Form::Jwt, &binding);
    let report = world::verify(&lasting, &scene.trust, &lists, &world::expectation());
    let policy = scene.policy(|d| d.max_status_age_seconds = 10 * 24 * 3600);
    let facts = channels::admission(&policy, &scene.aggregator.did, &report, &scene.trust);
    assert_eq!(facts.expires, listed.plus_millis(DAY + 1));

    let policy = scene.policy(|_| ());
    let brief = world::visa(&scene.regulator, &scene.aggregator, &scene.role, |v| {
        v.valid_until = NOW.plus_millis(1000);
    });
    let presentation =
        world::present(&scene.aggregator, &[&world::issue(&scene.regulator, &brief)]);
    let report = world::verify(&presentation, &scene.trust, &lists, &world::expectation());
    let facts = channels::admission(&policy, &scene.aggregator.did, &report, &scene.trust);
    assert_eq!(facts.expires, NOW.plus_millis(1000));
    let mut admitted = policy.admit(facts);
    let at = |admitted: &mut _, at| {
        policy.decide(admitted, &bid("GB-1", 5), at).expect("a decision").verdict
    };
    assert_eq!(at(&mut admitted, NOW.plus_millis(999)), Verdict::Allow);
    assert_eq!(at(&mut admitted, NOW.plus_millis(1000)), Verdict::Deny);
}

#[test]
fn a_presentation_of_somebody_else_admits_nobody() {
    let scene = scene();
    let policy = scene.policy(|_| ());
    let lists = world::clear_lists(&[&scene.regulator]);
    let report = world::verify(&scene.presentation, &scene.trust, &lists, &world::expectation());
    let thief = Party::new(9);
    let facts = channels::admission(&policy, &thief.did, &report, &scene.trust);
    let mut admitted = policy.admit(facts);
    let decision = policy.decide(&mut admitted, &bid("GB-1", 5), NOW).expect("a decision");
    assert!(codes(&decision).contains(&"GP-PRESENTER-OTHER"), "{decision:?}");
}

#[test]
fn facts_of_a_failed_presentation_deny_with_its_code() {
    let scene = scene();
    let policy = scene.policy(|_| ());
    let lists = world::clear_lists(&[&scene.regulator]);
    let expect = gridpass_credentials::verify::Expectation {
        nonce: Some("another"),
        ..world::expectation()
    };
    let report = world::verify(&scene.presentation, &scene.trust, &lists, &expect);
    let facts = channels::admission(&policy, &scene.aggregator.did, &report, &scene.trust);
    let mut admitted = policy.admit(facts);
    let decision = policy.decide(&mut admitted, &bid("GB-1", 5), NOW).expect("a decision");
    assert_eq!(decision.verdict, Verdict::Deny);
    assert!(codes(&decision)[0].starts_with("GP-NONCE"), "{decision:?}");
}

#[test]
fn decisions_from_real_visas_are_made_again_from_files() {
    let scene = scene();
    let policy = scene.policy(|_| ());
    let lists = world::clear_lists(&[&scene.regulator]);
    let facts = scene.admission(&policy, &lists);
    let (id, bytes) = facts.encode().expect("bytes");
    let (read_id, read) = parse_admission(&bytes, Some(&id)).expect("facts");
    assert_eq!((&read_id, &read), (&id, &facts));
    for question in [bid("GB-1", 5), bid("GB-3", 5000), Question::Subscribe] {
        let decision = scene.decide(&policy, &lists, &question);
        let (_, bytes) = decision.encode().expect("bytes");
        let recorded = RecordedDecision::parse(&bytes).expect("a record");
        assert_eq!(recorded.recompute(&policy, &read), Ok(decision));
    }
    let trusted = facts.evidence();
    for evidence in [scene.trust.id(), scene.presentation.id(), lists[0].secured().id()] {
        assert!(trusted.contains(evidence), "{evidence}");
    }
}

#[test]
fn a_new_list_or_charter_ends_exactly_the_entries_that_it_touches() {
    let (first, second) = (Party::new(1), Party::new(3));
    let holders = [Party::new(2), Party::new(4)];
    let one = world::definition("flex.gb.aggregator", world::dids(&[&first]), |_| ());
    let two = world::definition("flex.gb.producer", world::dids(&[&second]), |_| ());
    let trust = world::trust(&[&first, &second], &[&one, &two]);
    let lists = world::clear_lists(&[&first, &second]);
    let policy = channels::policy_in(&trust, channels::bids(&first.did, |_| ()));
    let cache = || {
        let mut cache = AdmissionCache::new(8);
        let mut keys = Vec::new();
        for (holder, issuer, role) in [(&holders[0], &first, &one), (&holders[1], &second, &two)] {
            let visa = world::issue(issuer, &world::visa(issuer, holder, role, |_| ()));
            let presentation = world::present(holder, &[&visa]);
            let report = world::verify(&presentation, &trust, &lists, &world::expectation());
            let facts = channels::admission(&policy, &holder.did, &report, &trust);
            let admitted = policy.admit(facts);
            keys.push(AdmissionKey::of(&admitted));
            cache.insert(admitted);
        }
        (cache, keys)
    };
    let (mut filled, keys) = cache();
    assert!(keys.iter().all(|k| filled.get(k, NOW).is_some()));
    assert_eq!(
        filled.status_list_came(&first.list_id(Purpose::Suspension), &first.did),
        [keys[0].clone()]
    );
    assert!(filled.get(&keys[0], NOW).is_none() && filled.get(&keys[1], NOW).is_some());
    assert!(filled.status_list_came("urn:example:other", &first.did).is_empty());

    let before = trust.charter().charter().clone();
    let (mut filled, keys) = cache();
    assert!(filled.charter_changed(&before, &before.next(NOW).expect("next")).is_empty());
    let mut retired = before.next(NOW).expect("next");
    retired.roles[1].retired = Some(NOW);
    assert_eq!(filled.charter_changed(&before, &retired), [keys[1].clone()]);
    let (mut filled, keys) = cache();
    let mut unrooted = before.next(NOW).expect("next");
    unrooted.roots.retain(|d| d != &first.did);
    assert_eq!(filled.charter_changed(&before, &unrooted), [keys[0].clone()]);

    let (mut filled, keys) = cache();
    assert!(filled.get(&keys[0], in_days(2)).is_none(), "its status is too old by then");
    assert_eq!(filled.len(), 1);
    assert!(filled.get(&keys[1], days_ago(1)).is_none(), "not judged yet");
}

/// The nodes that a participant authorises, with their authorisation's report.
fn node_report(
    scene: &Scene,
    node: &Party,
    text: Option<&str>,
    lists: &[StatusList],
) -> AuthorisationReport {
    let signed = authorise(&scene.aggregator, node, |_| ());
    let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
    let evidence = Evidence { trust: &scene.trust, lists, resolver: &resolver, seen: &seen };
    let expect = AuthorisationExpectation {
        now: NOW,
        clock: NOW,
        principal: &scene.aggregator.did,
        node: &node.did,
        purpose: NodePurpose::Messages,
        channel: None,
        max_status_age_seconds: 24 * 3600,
    };
    let text = text.unwrap_or(signed.text());
    verify_authorisation(text.as_bytes(), &evidence, &expect, &mut SignatureMemo::default())
}

fn with_node(
    scene: &Scene,
    policy: &Policy,
    lists: &[StatusList],
    text: Option<&str>,
) -> Admission {
    let node = Party::new(8);
    let found = node_report(scene, &node, text, lists);
    let report = world::verify(&scene.presentation, &scene.trust, lists, &world::expectation());
    Admission::of_report(&AdmissionSource {
        channel: (policy.id(), policy.descriptor()),
        sender: &scene.aggregator.did,
        report: &report,
        clock: NOW,
        trust: &scene.trust,
        node: Some((&node.did, &found)),
    })
}

#[test]
fn a_node_whose_authorisation_cannot_be_read_is_not_its_participant() {
    let scene = scene();
    let policy = scene.policy(|_| ());
    let lists = world::clear_lists(&[&scene.regulator, &scene.aggregator]);
    let asked = |text: Option<&str>| {
        let mut admitted = policy.admit(with_node(&scene, &policy, &lists, text));
        policy.decide(&mut admitted, &bid("GB-1", 5), NOW).expect("a decision")
    };
    assert_eq!(asked(None).verdict, Verdict::Allow);
    for text in ["", "rubbish", "a.b.c", scene.presentation.text()] {
        let decision = asked(Some(text));
        assert_eq!(decision.verdict, Verdict::Deny, "{text:?}");
        assert!(decision.reasons[0].sentence.contains("node authorisation"), "{decision:?}");
    }
}

#[test]
fn a_withdrawn_node_is_out_as_soon_as_the_list_comes() {
    let scene = scene();
    let policy = scene.policy(|d| d.max_status_age_seconds = 10 * 24 * 3600);
    let lists = world::clear_lists(&[&scene.regulator, &scene.aggregator]);
    let facts = with_node(&scene, &policy, &lists, None);
    // The age that was asked of its status bounds it, too: it is a day, from an hour ago.
    assert!(facts.expires <= UnixMillis::new(NOW.get() - 3_600_000).plus_millis(DAY + 1));
    let evidence = facts.evidence();
    let own = lists.iter().find(|l| l.issuer == scene.aggregator.did).expect("a list");
    assert!(evidence.contains(own.secured().id()));
    let mut cache = AdmissionCache::new(4);
    cache.insert(policy.admit(facts));
    let list = scene.aggregator.list_id(Purpose::Revocation);
    assert!(cache.status_list_came(&list, &Party::new(9).did).is_empty(), "a stranger's list");
    assert_eq!(cache.status_list_came(&list, &scene.aggregator.did).len(), 1);
}

#[test]
fn a_forged_list_makes_no_status_younger_and_none_older() {
    let scene = scene();
    let stranger = Party::new(9);
    let honest = world::clear_lists(&[&scene.regulator]);
    let policy = scene.policy(|d| d.max_status_age_seconds = 3700);
    let expected = scene.admission(&policy, &honest);
    for forged in [days_ago(400), NOW.plus_millis(60_000), in_days(300)] {
        // It names the regulator as its issuer, and the stranger signed it.
        let list = world::list_by(&scene.regulator, &stranger, Purpose::Revocation, &[], |l| {
            l["issuer"] = serde_json::json!(scene.regulator.did);
            l["credentialSubject"]["statusList"]["version"] = serde_json::json!(900);
            l["validFrom"] = serde_json::json!(forged);
        });
        let mut lists = honest.clone();
        lists.push(list);
        assert_eq!(scene.admission(&policy, &lists), expected, "{forged}");
    }
}

#[test]
fn what_passed_at_its_last_moment_counts_for_that_moment() {
    let scene = scene();
    let policy = scene.policy(|d| d.max_status_age_seconds = 3600);
    let lists = world::clear_lists(&[&scene.regulator]); // dated an hour ago, to the millisecond
    let facts = scene.admission(&policy, &lists);
    assert_eq!(facts.visas[0].standing.outcome, gridpass_policy::facts::Finding::Passed);
    assert_eq!(facts.expires, NOW.plus_millis(1));
    let expect = gridpass_credentials::verify::Expectation {
        now: NOW.plus_millis(1),
        clock: NOW.plus_millis(1),
        ..world::expectation()
    };
    let report = world::verify(&scene.presentation, &scene.trust, &lists, &expect);
    let facts = channels::admission(&policy, &scene.aggregator.did, &report, &scene.trust);
    assert_ne!(facts.visas[0].standing.outcome, gridpass_policy::facts::Finding::Passed);
}

#[test]
fn nobody_invents_a_role_where_the_undecided_counts() {
    let (regulator, stranger, puppet) = (Party::new(1), Party::new(5), Party::new(6));
    let delegate = world::definition("flex.gb.issuer", world::dids(&[&regulator]), |_| ());
    let role = world::definition("flex.gb.aggregator", world::holders(&[&delegate]), |_| ());
    let trust = world::trust(&[&regulator], &[&delegate, &role]);
    let policy = channels::policy_in(
        &trust,
        channels::bids(&regulator.did, |d| {
            d.indeterminate = gridpass_policy::channel::Indeterminate::Allow;
        }),
    );
    let asked = |visas: &[&Secured], lists: &[StatusList]| {
        let presentation = world::present(&puppet, visas);
        let report = world::verify(&presentation, &trust, lists, &world::expectation());
        let mut admitted = policy.admit(channels::admission(&policy, &puppet.did, &report, &trust));
        policy.decide(&mut admitted, &bid("GB-1", 5), NOW).expect("a decision").verdict
    };
    // A stranger issues for the real role, and who authorised the stranger is nowhere shown.
    let invented = world::issue(&stranger, &world::visa(&stranger, &puppet, &role, |_| ()));
    assert_eq!(asked(&[&invented], &[]), Verdict::Deny);
    assert_eq!(asked(&[&invented], &world::clear_lists(&[&stranger])), Verdict::Deny);
    // With its chain, and with nothing open but its own status, it counts here.
    let office = Party::new(2);
    let chain = world::issue(&regulator, &world::visa(&regulator, &office, &delegate, |_| ()));
    let real = world::issue(&office, &world::visa(&office, &puppet, &role, |_| ()));
    let lists = world::clear_lists(&[&regulator]);
    assert_eq!(asked(&[&real, &chain], &lists), Verdict::Allow);
}

#[test]
fn a_full_cache_makes_room_and_never_grows() {
    let scene = scene();
    let lists = world::clear_lists(&[&scene.regulator]);
    let mut cache = AdmissionCache::new(2);
    for age in [7200, 3700, 9000] {
        let policy = scene.policy(|d| d.max_status_age_seconds = age);
        cache.insert(policy.admit(scene.admission(&policy, &lists)));
    }
    assert_eq!(cache.len(), 2);
}
