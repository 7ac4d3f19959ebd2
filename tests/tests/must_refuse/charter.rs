//! What must be refused, case 11: documents that do not hash to their CID, charters with too few
//! signers or one counted twice, histories that break, and charters older than the one held.

use gridpass_credentials::charter::{Charter, SignedCharter, SigningRule};
use gridpass_credentials::codes;
use gridpass_credentials::issuable::obstacles;
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::RoleDefinition;
use gridpass_credentials::trust::{Comparison, Trust};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use serde_json::{Value, json};

fn parties() -> Vec<Party> {
    (1..=5).map(Party::new).collect()
}

fn role(roots: &[Party]) -> RoleDefinition {
    world::definition("flex.gb.aggregator", world::dids(&[&roots[0]]), |_| ())
}

/// A charter of which `threshold` of all must sign.
fn charter(signers: &[Party], threshold: usize) -> Charter {
    let mut charter = world::charter(&signers.iter().collect::<Vec<_>>(), &[&role(signers)]);
    charter.rule.threshold = threshold;
    charter
}

fn open(charters: &[SignedCharter], roots: &[Party]) -> Result<Trust, Code> {
    Trust::open(&world::pack(charters, &[&role(roots)]), None, NOW).map_err(|e| e.code())
}

#[track_caller]
fn refused(opened: Result<Trust, Code>, code: Code) {
    assert_eq!(opened.map(|t| t.id().to_string()), Err(code));
}

#[test]
fn a_charter_with_too_few_signers() {
    let all = parties();
    let by = |n: usize| {
        let signers: Vec<&Party> = all.iter().take(n).collect();
        open(&[world::sign_charter(charter(&all, 3), &signers)], &all)
    };
    assert!(by(3).is_ok() && by(5).is_ok());
    refused(by(2), codes::CHARTER_SIGNERS_TOO_FEW);
    refused(by(0), codes::CHARTER_SIGNERS_TOO_FEW);
    // Strangers do not count, however many.
    let strangers: Vec<Party> = (10..20).map(Party::new).collect();
    let signers: Vec<&Party> = all.iter().take(2).chain(&strangers).collect();
    let signed = world::sign_charter(charter(&all, 3), &signers);
    refused(open(&[signed], &all), codes::CHARTER_SIGNERS_TOO_FEW);
}

#[test]
fn a_charter_with_one_signer_or_one_key_counted_twice() {
    let all = parties();
    let signed = world::sign_charter(charter(&all, 3), &[&all[0], &all[1]]);
    // The same signer at two times: two proofs, one signer.
    let mut json = signed.to_json();
    let again = world::sign_charter(charter(&all, 3), &[]).to_json();
    assert!(again.get("proof").is_none());
    let mut later = SignedCharter::unsigned(charter(&all, 3)).expect("a charter");
    later.sign(all[1].at(days_ago(50))).expect("signs");
    let extra = later.to_json()["proof"][0].clone();
    json["proof"].as_array_mut().expect("proofs").push(extra);
    let twice = SignedCharter::from_json(json).expect("well formed");
    refused(open(&[twice], &all), codes::CHARTER_SIGNERS_TOO_FEW);
    // A signer that is named twice in the rule is refused before anything is counted.
    let mut doubled = charter(&all, 2);
    doubled.rule = SigningRule { threshold: 2, signers: vec![all[0].did.clone(); 2] };
    let error = SignedCharter::unsigned(doubled).expect_err("a signer twice");
    assert_eq!(error.code(), codes::CHARTER_MALFORMED);
    // One key under two DIDs (did:key and did:jwk) is one signer.
    let jwk = {
        let did = gridpass_identity::method::jwk::from_public_key(&all[0].key.public_key());
        let did = did.expect("a did:jwk");
        let key_id = did.with_fragment("0").expect("a key id");
        Party { did, key: all[0].key.clone(), key_id }
    };
    let two = [all[0].clone(), jwk];
    let signed = world::sign_charter(charter(&two, 2), &[&two[0], &two[1]]);
    refused(open(&[signed], &two), codes::CHARTER_SIGNERS_TOO_FEW);
}

#[test]
fn a_signature_that_was_made_over_something_else() {
    let all = parties();
    let signed = world::sign_charter(charter(&all, 1), &[&all[0]]);
    assert!(open(std::slice::from_ref(&signed), &all).is_ok());
    for (pointer, value) in [
        ("/name", json!("Another framework")),
        ("/dated", json!(days_ago(99))),
        ("/roots", json!([Party::new(9).did])),
        ("/roles/0/retired", json!(days_ago(1))),
        ("/proof/0/created", json!(days_ago(99))),
        ("/proof/0/proofPurpose", json!("authentication")),
        ("/proof/0/domain", json!("did:example:x")),
    ] {
        let mut json = signed.to_json();
        let (parent, name) = pointer.rsplit_once('/').expect("a path");
        json.pointer_mut(parent).expect(parent)[name] = value;
        let altered = SignedCharter::from_json(json).expect("well formed");
        refused(open(&[altered], &all), codes::CHARTER_SIGNERS_TOO_FEW);
    }
}

#[test]
fn a_charter_from_the_future() {
    let all = parties();
    let mut next = charter(&all, 1);
    next.dated = in_days(1);
    let mut signed = SignedCharter::unsigned(next).expect("a charter");
    signed.sign(all[0].at(NOW)).expect("signs");
    refused(open(&[signed], &all), identity_codes::SIGNED_IN_FUTURE);
}

/// Version 2, by these signers.
fn second(
    first: &SignedCharter,
    signers: &[&Party],
    bend: impl FnOnce(&mut Charter),
) -> SignedCharter {
    let mut next = first.charter().next(days_ago(5)).expect("a next");
    bend(&mut next);
    world::sign_charter(next, signers)
}

#[test]
fn a_change_that_the_predecessors_rule_does_not_allow() {
    let all = parties();
    let first = world::sign_charter(charter(&all[..3], 2), &[&all[0], &all[1]]);
    let fine = second(&first, &[&all[1], &all[2]], |_| ());
    assert!(open(&[first.clone(), fine], &all).is_ok());
    let too_few = second(&first, &[&all[1]], |_| ());
    refused(open(&[first.clone(), too_few], &all), codes::CHARTER_SIGNERS_TOO_FEW);
    // New signers cannot appoint themselves.
    let coup = second(&first, &[&all[3], &all[4]], |c| {
        c.rule.signers = vec![all[3].did.clone(), all[4].did.clone()];
    });
    refused(open(&[first.clone(), coup], &all), codes::CHARTER_SIGNERS_TOO_FEW);
    // Nor be appointed without showing that they can sign.
    let unready = second(&first, &[&all[0], &all[1]], |c| {
        c.rule.signers = vec![all[3].did.clone(), all[4].did.clone()];
    });
    refused(open(&[first.clone(), unready], &all), codes::CHARTER_SIGNERS_TOO_FEW);
    let handed_over = second(&first, &[&all[0], &all[1], &all[3], &all[4]], |c| {
        c.rule.signers = vec![all[3].did.clone(), all[4].did.clone()];
    });
    assert!(open(&[first, handed_over], &all).is_ok());
}

#[test]
fn a_history_that_breaks() {
    let all = parties();
    let by = [&all[0]];
    let first = world::sign_charter(charter(&all[..1], 1), &by);
    let next = second(&first, &by, |_| ());
    let third = world::sign_charter(next.charter().next(days_ago(4)).expect("a next"), &by);
    assert!(open(&[first.clone(), next.clone(), third.clone()], &all).is_ok());
    let broken = codes::CHARTER_HISTORY_BROKEN;
    refused(open(&[first.clone(), third.clone()], &all), broken);
    refused(open(&[next.clone(), third.clone()], &all), broken);
    refused(open(&[first.clone(), third, next], &all), broken);
    let backdated = second(&first, &by, |c| c.dated = days_ago(101));
    refused(open(&[first.clone(), backdated], &all), broken);
    let skipped = second(&first, &by, |c| c.version = 3);
    refused(open(&[first, skipped], &all), broken);
}

#[test]
fn forks_rollbacks_and_other_frameworks() {
    let all = parties();
    let by = [&all[0]];
    let first = world::sign_charter(charter(&all[..1], 1), &by);
    let left = second(&first, &by, |c| c.name = "Left".into());
    let right = second(&first, &by, |c| c.name = "Right".into());
    let trust = |charters: &[SignedCharter]| open(charters, &all).expect("a trust");
    let one = trust(std::slice::from_ref(&first));
    let (l, r) = (trust(&[first.clone(), left]), trust(&[first, right]));
    let other = trust(&[world::sign_charter(charter(&all[..2], 1), &by)]);
    assert_eq!(l.compare(&one), Comparison::Newer);
    assert_eq!(one.compare(&l), Comparison::Older);
    assert_eq!(l.compare(&r), Comparison::Fork);
    assert_eq!(l.compare(&l), Comparison::Same);
    assert_eq!(l.compare(&other), Comparison::Unrelated);
}

#[test]
fn documents_that_do_not_hash_to_their_cid() {
    let all = parties();
    let signed = world::sign_charter(charter(&all, 1), &[&all[0]]);
    let pack = world::pack(std::slice::from_ref(&signed), &[&role(&all)]);
    let trust = Trust::open(&pack, None, NOW).expect("a pack");
    assert!(Trust::open(&pack, Some(trust.id()), NOW).is_ok());
    let change = |edit: &dyn Fn(&mut Value)| {
        let mut json: Value = serde_json::from_slice(&pack).expect("JSON");
        edit(&mut json);
        serde_json::to_vec(&json).expect("JSON")
    };
    // A definition that was altered is another definition: the charter's is missing then.
    let altered = change(&|v| v["definitions"][0]["maxValiditySeconds"] = json!(316_224_000));
    let error = Trust::open(&altered, None, NOW).expect_err("altered").code();
    assert_eq!(error, codes::DEFINITION_MISSING);
    let error = Trust::open(&altered, Some(trust.id()), NOW).expect_err("pinned").code();
    assert_eq!(error, codes::CID_OTHER);
    // Under a wrong name in the charter.
    let mut misnamed = charter(&all, 1);
    misnamed.roles[0].name =
        gridpass_credentials::role::RoleName::parse("flex.gb.tso").expect("a name");
    let misnamed = world::sign_charter(misnamed, &[&all[0]]);
    refused(open(&[misnamed], &all), codes::DEFINITION_NAME);
    let bytes = role(&all).encode().expect("a definition").1;
    let other = world::id(&world::definition("a.b", world::dids(&[&all[0]]), |_| ()));
    let error = RoleDefinition::parse(&bytes, Some(&other)).expect_err("another").code();
    assert_eq!(error, codes::CID_OTHER);
}

#[test]
fn malformed_charters() {
    let all = parties();
    let good = world::sign_charter(charter(&all, 1), &[&all[0]]).to_json();
    for (name, value) in [
        ("type", json!("gridpass-role-definition")),
        ("formatVersion", json!(2)),
        ("name", json!("\u{1b}[2J")),
        ("version", json!(0)),
        ("version", json!(2)),
        ("dated", json!("2026-01-01")),
        ("dated", json!("2025-11-21T12:00:00.000Z")),
        ("roots", json!([])),
        ("rule", json!({"threshold": 0, "signers": [all[0].did]})),
        ("rule", json!({"threshold": 2, "signers": [all[0].did]})),
        ("schemas", json!([])),
        ("proof", json!({})),
        ("proof", json!(vec![json!({}); 65])),
        ("surprise", json!(1)),
    ] {
        let mut json = good.clone();
        json[name] = value.clone();
        let error = SignedCharter::from_json(json).expect_err(name);
        assert_eq!(error.code(), codes::CHARTER_MALFORMED, "{name}: {value}");
    }
}

/// It may be listed, and nobody can be given it: whoever signs the charter is told.
#[test]
fn a_role_that_nobody_can_issue_is_found() {
    let parties = parties();
    let (root, other) = (&parties[0], &parties[1]);
    let body = world::definition("flex.gb.body", world::dids(&[root]), |_| ());
    let deep = world::definition("flex.gb.deep", world::holders(&[&body]), |d| {
        d.max_chain_depth = 1;
    });
    let deeper = world::definition("flex.gb.deeper", world::holders(&[&deep]), |d| {
        d.max_chain_depth = 1;
    });
    let foreign = world::definition("flex.gb.foreign", world::dids(&[other]), |_| ());
    let needs = world::definition("flex.gb.needs", world::dids(&[root]), |d| {
        d.preconditions = Some(Requirement::Role { role: world::id(&foreign) });
    });
    let revoked = world::definition("flex.gb.revoked", world::dids(&[root]), |d| {
        d.revokers = Some(world::holders(&[&foreign]));
    });
    let all = [&body, &deep, &deeper, &foreign, &needs, &revoked];
    let known: Vec<_> = all.iter().map(|d| (world::id(d), (*d).clone())).collect();
    let names = |charter: &Charter| -> Vec<String> {
        obstacles(charter, &known).into_iter().map(|o| o.name.to_string()).collect()
    };
    let mut charter = world::charter(&[root], &all);
    let found = ["flex.gb.deeper", "flex.gb.foreign", "flex.gb.needs", "flex.gb.revoked"];
    assert_eq!(names(&charter), found);
    charter.roots.push(other.did.clone());
    assert_eq!(names(&charter), ["flex.gb.deeper"]);
    // With the role that issues it a role ends, at its time and not before.
    charter.roles[0].retired = Some(charter.dated.plus_millis(1));
    assert_eq!(names(&charter), ["flex.gb.deeper"]);
    charter.roles[0].retired = Some(charter.dated);
    assert_eq!(names(&charter), ["flex.gb.deep", "flex.gb.deeper"]);
}
