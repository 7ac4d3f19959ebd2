//! What visas and charters stand by: the renewals of those that a role requires, and keys that no mark says are stolen.

use crate::flow::{MARCH, TestResult, documents, found, new_visa, party, rng, two_parties};
use gridpass_credentials::accepting::accept;
use gridpass_credentials::charter::{Charter, SignedCharter, SigningRule};
use gridpass_credentials::issuing::{Issuer, NewVisa};
use gridpass_credentials::keeping;
use gridpass_credentials::presenting::{Showing, present};
use gridpass_credentials::requirement::Requirement;
use gridpass_credentials::role::Parties;
use gridpass_credentials::secured::{Binding, Form, Signer};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::trust::{Snapshots, TrustPack};
use gridpass_credentials::verify::{Evidence, SeenLists, verify_presentation};
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::slot::Passphrase;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::keeping as kept_channels;
use gridpass_tests::channels;
use gridpass_tests::world::{self, Party};

/// What a role requires is renewed before the visa for the role is.
#[test]
fn a_visa_stands_by_the_renewals_of_those_that_its_role_requires() -> TestResult {
    const DAY: u64 = 24 * 3_600_000;
    let temp = tempfile::tempdir()?;
    let [(mut regulator, officer), (mut holder, me)] = two_parties(temp.path())?;
    let officers = || Parties { dids: vec![officer.did.clone()], roles: vec![] };
    let insured = world::definition("flex.gb.insured", officers(), |_| ());
    let bidder = world::definition("flex.gb.bidder", officers(), |d| {
        d.preconditions = Some(Requirement::Role { role: world::id(&insured) });
    });
    let rule = SigningRule { threshold: 1, signers: vec![officer.did.clone()] };
    let mut charter = Charter::first("Flexibility", vec![officer.did.clone()], rule, MARCH);
    charter.roles.extend([world::listed(&insured), world::listed(&bidder)]);
    let mut signed = SignedCharter::unsigned(charter)?;
    let (key_id, key) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;
    signed.sign(Signer { key: &key, key_id: &key_id, now: MARCH })?;
    let theirs = documents(&regulator, &officer.did)?;
    let (_, pack) = TrustPack::new(&[signed], &[&insured, &bidder], theirs).encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;
    keeping::pin(&mut holder, &pack, false, MARCH, &mut rng())?;

    let mut issue = |role: &str, (now, days): (UnixMillis, u64), shown: &[String]| {
        let wallet = &mut regulator;
        let mut issuer = Issuer { wallet, identity: &officer, trust: &trust, now };
        let until = Some(now.plus_millis(days * DAY));
        let new = NewVisa { role, valid_until: until, ..new_visa(&me.did, now) };
        let issued = issuer.issue(&new, (shown, &[]), &OfflineResolver::new(&trust), &mut rng())?;
        Ok::<_, Box<dyn std::error::Error>>((issued.to_parcel(&regulator)?, issued.text))
    };
    let first = MARCH.plus_millis(60_000);
    let (parcel, old) = issue("flex.gb.insured", (first, 30), &[])?;
    accept(&mut holder, &parcel, first, &mut rng())?;
    // It comes without the visa that it requires, which is here.
    let (parcel, _) = issue("flex.gb.bidder", (first, 300), std::slice::from_ref(&old))?;
    accept(&mut holder, &parcel, first, &mut rng())?;
    let second = MARCH.plus_millis(20 * DAY);
    let (parcel, renewed) = issue("flex.gb.insured", (second, 300), &[])?;
    accept(&mut holder, &parcel, second, &mut rng())?;

    // Long after the first ended.
    let now = MARCH.plus_millis(40 * DAY);
    let visas = [keeping::visa(&holder, "flex.gb.bidder")?];
    assert_eq!(visas[0].supporting, [""; 0], "its holder's own are looked up");
    let audience = "did:web:dso.example".to_owned();
    let binding = Binding { audience, nonce: None, expires: now.plus_millis(600_000) };
    let showing = Showing { holder: &me, visas: &visas, disclose: None, binding: &binding, now };
    let presented = present(&holder, &showing)?;
    assert!(presented.visas.contains(&renewed) && !presented.visas.contains(&old));
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let lists = issuer.publish_lists(Form::Jwt, &mut rng())?;
    let known = documents(&holder, &me.did)?;
    let snapshots = Snapshots::read(&known)?.with(&trust);
    let (resolver, seen) = (OfflineResolver::new(&snapshots), SeenLists::new());
    let evidence = Evidence { trust: &trust, lists: &lists, resolver: &resolver, seen: &seen };
    let expect = gridpass_credentials::verify::Expectation {
        now,
        clock: now,
        audience: Some(&binding.audience),
        nonce: None,
        presenter: None,
    };
    let memo = &mut SignatureMemo::default();
    let report = verify_presentation(presented.text.as_bytes(), &evidence, &expect, memo);
    assert_eq!(report.outcome, Outcome::Passed, "{report:#?}");
    Ok(())
}

/// Whoever has the key of a root makes a charter of their own, and leaves away where the key is marked.
#[test]
fn a_stolen_key_signs_no_charter_where_its_mark_is_known() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (mut aggregator, _) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
    let pack = found(&regulator, &officer)?;
    let (_, bytes) = pack.encode()?;
    let trust = keeping::pin(&mut aggregator, &bytes, false, MARCH, &mut rng())?;
    let (key_id, stolen) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;

    let marked = MARCH.plus_millis(3_600_000);
    regulator.rotate(&officer, Some(MARCH.plus_millis(1000)), &mut rng(), marked)?;
    let now = marked.plus_millis(60_000);
    let mut forged = SignedCharter::unsigned(trust.charter().charter().next(now)?)?;
    forged.sign(Signer { key: &stolen, key_id: &key_id, now })?;
    let charters = [trust.charter().clone(), forged];
    let roles: Vec<_> = trust.definitions().map(|(_, role)| &role.definition).collect();
    let (_, bytes) = TrustPack::new(&charters, &roles, pack.identities.clone()).encode()?;
    // Who knows nothing of it cannot tell.
    let mut stranger = party(&temp.path().join("new"), &passphrase, "new.example")?.0;
    keeping::pin(&mut stranger, &bytes, false, now, &mut rng())?;
    for log in regulator.snapshots(&officer.did)? {
        aggregator.save_snapshot(&officer.did, &log, &mut rng())?;
    }
    let refused = keeping::pin(&mut aggregator, &bytes, false, now, &mut rng());
    let code = refused.expect_err("it is known").code();
    assert_eq!(code, gridpass_credentials::codes::CHARTER_SIGNERS_TOO_FEW);
    assert_eq!(keeping::pinned(&aggregator, now)?.history().len(), 1);
    Ok(())
}

/// What an owner signed anew is not lost to an older copy of the descriptor, or to its draft.
#[test]
fn a_wallet_keeps_every_signature_of_a_descriptor() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut wallet, _) = party(&temp.path().join("owner"), &passphrase, "owner.example")?;
    let [one, two] = [1, 2].map(Party::new);
    let draft = SignedChannel::unsigned(channels::bids(&one.did, |_| ()))?;
    let (mut first, mut second) = (draft.clone(), draft.clone());
    first.sign(one.at(world::NOW))?;
    second.sign(two.at(world::NOW))?;
    for copy in [&first, &second, &first, &draft] {
        kept_channels::keep(&mut wallet, copy, &mut rng())?;
    }
    let kept = kept_channels::channel(&wallet, first.id().as_str())?;
    assert_eq!(kept.to_json()["proof"].as_array().map(Vec::len), Some(2));
    Ok(())
}
