//! A clock that was ahead: what was signed and obtained by it, once it is said to be right.

use crate::flow::{MARCH, TestResult, documents, found, new_visa, party, rng, two_parties};
use gridpass_credentials::accepting::accept;
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::clock::believe_clock;
use gridpass_credentials::codes as reasons;
use gridpass_credentials::issuing::{Issuer, NewVisa};
use gridpass_credentials::keeping;
use gridpass_credentials::register;
use gridpass_credentials::secured::{Form, Signer};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::{IdentityMaterial, TrustPack};
use gridpass_credentials::verify::{Evidence, SeenLists, verify_visa};
use gridpass_credentials::visa::{Purpose, StatusEntry};
use gridpass_identity::codes;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{OfflineResolver, SnapshotStore as _};
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::slot::Passphrase;
use gridpass_tests::world;

/// The charter is rightly dated, and a signature that it needs is not.
#[test]
fn a_charter_that_was_signed_ahead_is_signed_anew() -> TestResult {
    let temp = tempfile::tempdir()?;
    let [(mut regulator, officer), (mut aggregator, _)] = two_parties(temp.path())?;
    let pack = found(&regulator, &officer)?;
    let (_, first) = pack.encode()?;
    let trust = keeping::pin(&mut regulator, &first, false, MARCH, &mut rng())?;
    let (key_id, key) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;
    let next = trust.charter().charter().next(MARCH.plus_millis(1000))?;
    let mut second = SignedCharter::unsigned(next)?;
    let roles: Vec<_> = trust.definitions().map(|(_, role)| &role.definition).collect();
    let packed = |last: &SignedCharter| {
        let charters = [trust.charter().clone(), last.clone()];
        TrustPack::new(&charters, &roles, pack.identities.clone()).encode().map(|(_, bytes)| bytes)
    };
    let ahead = MARCH.plus_millis(200 * world::DAY);
    let mut far = second.clone();
    far.sign(Signer { key: &key, key_id: &key_id, now: ahead })?;
    let bytes = packed(&far)?;
    for wallet in [&mut regulator, &mut aggregator] {
        keeping::pin(wallet, &bytes, false, ahead, &mut rng())?;
    }
    keeping::keep_signed(&mut regulator, &far, &[], ahead, &mut rng())?;

    let now = MARCH.plus_millis(world::DAY);
    let refused = keeping::pinned(&regulator, now).map(drop);
    assert_eq!(refused.expect_err("signed ahead").code(), codes::SIGNED_IN_FUTURE);
    // Who revokes or publishes lists need not wait.
    assert_eq!(keeping::pinned_even_ahead(&regulator, now)?.history().len(), 2);
    // It was noted that it signed.
    assert_eq!(regulator.check_clock(now).expect_err("behind").code(), codes::CLOCK_BEHIND);
    let perhaps = believe_clock(&mut regulator, now, ahead, &mut rng()).map(drop);
    assert_eq!(perhaps.expect_err("it is open").code(), codes::CLOCK_BEHIND);
    let right = believe_clock(&mut regulator, now, now, &mut rng())?;
    assert_eq!((right.unsigned, right.pack_left), (vec![far.id().clone()], false));
    assert!(right.charters.is_empty(), "the charter itself is right");
    assert_eq!(keeping::pinned(&regulator, now)?.charter().id(), trust.charter().id());
    let kept = keeping::charters(&regulator)?;
    assert!(kept.iter().all(|charter| charter.named_signers().is_empty()));
    assert!(believe_clock(&mut regulator, now, now, &mut rng())?.is_nothing());

    second.sign(Signer { key: &key, key_id: &key_id, now })?;
    let again = packed(&second)?;
    keeping::pin(&mut regulator, &again, false, now, &mut rng())?;
    assert_eq!(keeping::pinned(&regulator, now)?.charter().id(), far.id());
    let perhaps = believe_clock(&mut aggregator, now, ahead, &mut rng()).map(drop);
    assert_eq!(perhaps.expect_err("it is open").code(), codes::CLOCK_BEHIND);
    // Who only pinned it takes the one before, or the same with a signature that counts.
    keeping::pin(&mut aggregator, &first, false, now, &mut rng())?;
    assert_eq!(keeping::pinned(&aggregator, now)?.charter().id(), trust.charter().id());
    keeping::pin(&mut aggregator, &bytes, false, ahead, &mut rng())?;
    keeping::pin(&mut aggregator, &again, false, now, &mut rng())?;
    assert_eq!(keeping::pinned(&aggregator, now)?.charter().id(), far.id());
    Ok(())
}

/// When a log was obtained decides which is the newest, and a pack that says "later than now" is not pinned.
#[test]
fn what_was_obtained_ahead_counts_as_obtained_now() -> TestResult {
    let temp = tempfile::tempdir()?;
    let [(mut regulator, officer), (mut aggregator, _)] = two_parties(temp.path())?;
    let mut pack = found(&regulator, &officer)?;
    let ahead = MARCH.plus_millis(200 * world::DAY);
    // Both clocks are ahead: the rotation will be undone, and the other has it.
    regulator.rotate(&officer, None, &mut rng(), ahead)?;
    let mut log = regulator.snapshots(&officer.did)?.pop().ok_or("no log")?;
    log.seen = ahead.plus_millis(1000);
    pack.identities = vec![IdentityMaterial::of(&officer.did, &log)];
    let (_, bytes) = pack.encode()?;
    keeping::pin(&mut aggregator, &bytes, false, log.seen, &mut rng())?;
    aggregator.save_snapshot(&officer.did, &log, &mut rng())?;

    let now = MARCH.plus_millis(world::DAY);
    let perhaps = believe_clock(&mut aggregator, now, ahead, &mut rng()).map(drop);
    assert_eq!(perhaps.expect_err("it is open").code(), codes::CLOCK_BEHIND);
    let right = believe_clock(&mut aggregator, now, now, &mut rng())?;
    assert_eq!((right.logs.obtained, right.pack_left), (vec![officer.did.clone()], false));
    assert!(aggregator.snapshots(&officer.did)?.iter().all(|kept| kept.seen <= now));
    let held = keeping::pinned(&aggregator, now)?;
    assert!(held.identities().iter().all(|material| material.seen <= now));
    assert!(believe_clock(&mut aggregator, now, now, &mut rng())?.is_nothing());

    // What is signed in the place of the rotation contradicts nothing, and can be pinned.
    believe_clock(&mut regulator, now, now, &mut rng())?;
    let again = regulator.identity(officer.did.as_str())?;
    let now = now.plus_millis(60_000);
    regulator.rotate(&again, None, &mut rng(), now)?;
    let log = regulator.snapshots(&officer.did)?.pop().ok_or("no log")?;
    aggregator.save_snapshot(&officer.did, &log, &mut rng())?;
    let dids = [officer.did.clone()];
    pack.identities = keeping::identities_for_pack(&aggregator, Some(&held), &dids)?;
    let (_, bytes) = pack.encode()?;
    keeping::pin(&mut aggregator, &bytes, false, now, &mut rng())?;
    Ok(())
}

/// When a log was obtained is its sender's word: dated ahead, it would be the newest for ever, and
/// what goes on from it be refused.
#[test]
fn a_log_that_is_dated_ahead_does_not_stay_the_newest() -> TestResult {
    let temp = tempfile::tempdir()?;
    let [(mut regulator, officer), (mut aggregator, me)] = two_parties(temp.path())?;
    let mut pack = found(&regulator, &officer)?;
    let (_, bytes) = pack.encode()?;
    let trust = keeping::pin(&mut regulator, &bytes, false, MARCH, &mut rng())?;
    keeping::pin(&mut aggregator, &bytes, false, MARCH, &mut rng())?;

    // With a visa it is kept, as of the time when it came.
    let now = MARCH.plus_millis(60_000);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let new = new_visa(&me.did, now);
    let issued = issuer.issue(&new, (&[], &[]), &OfflineResolver::new(&trust), &mut rng())?;
    let mut parcel = issued.to_parcel(&regulator)?;
    for material in &mut parcel.identities {
        material.seen = UnixMillis::MAX;
        material.confirmed = Some(UnixMillis::MAX);
    }
    assert_eq!(parcel.identities.len(), 1);
    assert_eq!(accept(&mut aggregator, &parcel, now, &mut rng())?.outcome, Outcome::Passed);
    let kept = aggregator.snapshots(&officer.did)?;
    assert_eq!(kept.iter().map(|s| (s.seen, s.confirmed)).collect::<Vec<_>>(), [(now, None)]);

    let later = now.plus_millis(3_600_000);
    regulator.rotate(&officer, None, &mut rng(), later)?;
    for longer in regulator.snapshots(&officer.did)? {
        aggregator.save_snapshot(&officer.did, &longer, &mut rng())?;
        assert_eq!(aggregator.snapshots(&officer.did)?, [longer]);
    }

    // In a trust pack, which is kept as it is, it is refused.
    for material in &mut pack.identities {
        material.seen = later.plus_millis(300_001);
    }
    let (_, ahead) = pack.encode()?;
    let refused = keeping::pin(&mut aggregator, &ahead, false, later, &mut rng());
    let code = refused.expect_err("dated ahead").code();
    assert_eq!(code, gridpass_credentials::codes::TRUST_PACK_MALFORMED);
    keeping::pin(&mut aggregator, &ahead, false, later.plus_millis(1), &mut rng())?;
    Ok(())
}

/// A licence for the next season is issued before that begins: no list of today speaks of then.
#[test]
fn a_visa_is_issued_ahead_and_counts_when_its_time_has_come() -> TestResult {
    let temp = tempfile::tempdir()?;
    let [(mut regulator, officer), (_, me)] = two_parties(temp.path())?;
    let (_, pack) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;
    let now = MARCH.plus_millis(60_000);
    let begins = now.plus_millis(20 * world::DAY);
    let new = new_visa(&me.did, begins);
    let resolver = OfflineResolver::new(&trust);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    issuer.rehearse(&new, (&[], &[]), &resolver, &mut rng())?;
    assert!(register::issued(issuer.wallet)?.is_empty(), "it was only tried");
    let issued = issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?;
    let lists_of_now = issuer.publish_lists(Form::Jwt, &mut rng())?;
    let later = begins.plus_millis(60_000);
    issuer.now = later;
    let lists_of_then = issuer.publish_lists(Form::Jwt, &mut rng())?;
    let code = |lists: &[StatusList], at: UnixMillis| {
        let seen = SeenLists::new();
        let evidence = Evidence { trust: &trust, lists, resolver: &resolver, seen: &seen };
        let expect = gridpass_credentials::verify::Expectation {
            now: at,
            clock: at,
            audience: None,
            nonce: None,
            presenter: None,
        };
        let memo = &mut SignatureMemo::default();
        verify_visa(issued.text.as_bytes(), &[], &evidence, &expect, memo).code
    };
    assert_eq!(code(&lists_of_now, now), reasons::VISA_NOT_YET);
    assert_eq!(code(&lists_of_now, later), reasons::STATUS_STALE);
    assert_eq!(code(&lists_of_then, later), reasons::VISA_IN_FORCE);

    // That it begins later hides nothing else, and what could never count is not issued.
    issuer.now = now;
    let over = NewVisa { valid_until: Some(begins), ..new_visa(&me.did, begins) };
    let long = NewVisa { valid_from: now.plus_millis(40 * world::DAY), ..new.clone() };
    let unfit = NewVisa { claims: serde_json::Map::new(), ..new.clone() };
    for (new, expected) in [
        (over, reasons::VISA_EXPIRED),
        (long, reasons::VISA_VALIDITY_TOO_LONG),
        (unfit, reasons::CLAIMS_UNFIT),
    ] {
        let refused = issuer.issue(&new, (&[], &[]), &resolver, &mut rng());
        assert_eq!(refused.expect_err("nobody would take it").code(), expected);
    }
    assert_eq!(register::issued(issuer.wallet)?.len(), 1);
    Ok(())
}

/// A clock that was ahead for one call: what it dated is put right, and nothing waits until then.
#[test]
fn a_suspension_by_a_clock_that_was_ahead_ends_neither_issuing_nor_revoking() -> TestResult {
    let temp = tempfile::tempdir()?;
    let [(mut regulator, officer), (_, me)] = two_parties(temp.path())?;
    let (_, pack) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &pack, false, MARCH, &mut rng())?;
    let resolver = OfflineResolver::new(&trust);
    let now = MARCH.plus_millis(60_000);
    let mut issuer = Issuer { wallet: &mut regulator, identity: &officer, trust: &trust, now };
    let new = new_visa(&me.did, now);
    let one = issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?.visa;
    let two = issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?.visa;

    // As far as clocks differ, nobody is kept from anything.
    issuer.now = now.plus_millis(240_000);
    issuer.set_status(&two, Purpose::Suspension, true, None, &mut rng())?;
    issuer.now = now.plus_millis(1000);
    issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?;

    // Of another issuer, and revoked from here.
    let mut other = one.clone();
    (other.id, other.issuer) = ("urn:example:other".into(), me.did.clone());
    let (purpose, list) = (Purpose::Revocation, "urn:example:list".to_owned());
    other.status = vec![StatusEntry { purpose, list, index: 7 }];
    issuer.now = now.plus_millis(200 * world::DAY);
    issuer.set_status(&one, Purpose::Suspension, true, None, &mut rng())?;
    issuer.set_status(&other, Purpose::Revocation, true, None, &mut rng())?;
    // For good, also where the register does not have it.
    let (purpose, list) = (Purpose::Suspension, "urn:example:list-2".to_owned());
    other.status.push(StatusEntry { purpose, list, index: 7 });
    let refused = issuer.set_status(&other, Purpose::Suspension, true, None, &mut rng());
    assert_eq!(refused.map(drop).expect_err("revoked").code(), reasons::STATUS_UNCHANGED);
    let far = issuer.issue(&new_visa(&me.did, issuer.now), (&[], &[]), &resolver, &mut rng())?;
    let now = now.plus_millis(3_600_000);
    issuer.now = now;
    let refused = issuer.publish_lists(Form::Jwt, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("the clock is behind").code(), codes::CLOCK_BEHIND);
    let refused = issuer.set_status(&one, Purpose::Revocation, true, None, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("the clock is behind").code(), codes::CLOCK_BEHIND);

    let right = believe_clock(issuer.wallet, now, now, &mut rng())?;
    assert_eq!((right.lists.len(), right.visas), (2, vec![one.id.clone(), other.id.clone()]));
    assert_eq!(right.signed, std::slice::from_ref(&far.visa.id));
    assert_eq!(register::acts(issuer.wallet)?[0].events[0].at, now);
    assert!(register::issued(issuer.wallet)?.iter().all(|record| record.issued <= now));
    for list in issuer.publish_lists(Form::Jwt, &mut rng())? {
        assert!(list.dated <= now.plus_millis(300_000), "{}", list.dated);
    }
    issuer.set_status(&one, Purpose::Revocation, true, None, &mut rng())?;
    let new = new_visa(&me.did, now);
    issuer.issue(&new, (&[], &[]), &resolver, &mut rng())?;
    assert!(believe_clock(issuer.wallet, now, now, &mut rng())?.is_nothing());
    Ok(())
}

/// A charter by a clock that was ahead: everybody refuses it until then, and whoever pinned it goes on.
#[test]
fn a_charter_that_is_ahead_gives_its_place_to_one_that_counts() -> TestResult {
    let temp = tempfile::tempdir()?;
    let [(mut regulator, officer), (mut aggregator, _)] = two_parties(temp.path())?;
    let pack = found(&regulator, &officer)?;
    let (_, first) = pack.encode()?;
    let trust = keeping::pin(&mut regulator, &first, false, MARCH, &mut rng())?;
    let (key_id, key) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;
    let follow = |at: UnixMillis| -> Result<SignedCharter, Box<dyn std::error::Error>> {
        let mut signed = SignedCharter::unsigned(trust.charter().charter().next(at)?)?;
        signed.sign(Signer { key: &key, key_id: &key_id, now: at.plus_millis(3_600_000) })?;
        Ok(signed)
    };
    let roles: Vec<_> = trust.definitions().map(|(_, role)| &role.definition).collect();
    let packed = |last: &SignedCharter| {
        let charters = [trust.charter().clone(), last.clone()];
        TrustPack::new(&charters, &roles, pack.identities.clone()).encode().map(|(_, bytes)| bytes)
    };
    let ahead = MARCH.plus_millis(200 * world::DAY);
    let far = follow(ahead)?;
    let bytes = packed(&far)?;
    let then = ahead.plus_millis(world::DAY);
    for wallet in [&mut regulator, &mut aggregator] {
        keeping::pin(wallet, &bytes, false, then, &mut rng())?;
    }

    let now = MARCH.plus_millis(world::DAY);
    let refused = keeping::pinned(&regulator, now).map(drop);
    assert_eq!(refused.expect_err("it is ahead").code(), codes::SIGNED_IN_FUTURE);
    assert_eq!(keeping::pinned_even_ahead(&regulator, now)?.history().len(), 2);
    let next = follow(MARCH.plus_millis(1000))?;
    keeping::pin(&mut regulator, &packed(&next)?, false, now, &mut rng())?;
    assert_eq!(keeping::pinned(&regulator, now)?.charter().id(), next.id());
    // Once it is right, the one that was ahead is a second history like any other.
    let refused = keeping::pin(&mut regulator, &bytes, false, then, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("a fork").code(), reasons::CHARTER_FORK);

    // Without another one, that which it follows counts again.
    let right = believe_clock(&mut aggregator, now, now, &mut rng())?;
    assert_eq!((right.charters, right.pack_left), (vec![far.id().clone()], false));
    assert_eq!(keeping::pinned(&aggregator, now)?.charter().id(), trust.charter().id());
    Ok(())
}

/// A stolen key was answered by a rotation and a charter with the new log, both by a clock that was ahead.
#[test]
fn a_rotation_that_is_ahead_is_undone_in_the_pinned_pack_too() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the flow");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (_, first) = found(&regulator, &officer)?.encode()?;
    let trust = keeping::pin(&mut regulator, &first, false, MARCH, &mut rng())?;
    let (key_id, key) = regulator.active_secret(&officer, Relationship::AssertionMethod)?;
    let ahead = MARCH.plus_millis(200 * world::DAY);
    let mut far = SignedCharter::unsigned(trust.charter().charter().next(ahead)?)?;
    far.sign(Signer { key: &key, key_id: &key_id, now: ahead })?;
    let then = ahead.plus_millis(3_600_000);
    regulator.rotate(&officer, None, &mut rng(), then)?;
    let roles: Vec<_> = trust.definitions().map(|(_, role)| &role.definition).collect();
    let (charters, logs) = ([trust.charter().clone(), far], documents(&regulator, &officer.did)?);
    let (_, bytes) = TrustPack::new(&charters, &roles, logs).encode()?;
    keeping::pin(&mut regulator, &bytes, false, then, &mut rng())?;

    let now = MARCH.plus_millis(world::DAY);
    let right = believe_clock(&mut regulator, now, now, &mut rng())?;
    assert_eq!((right.logs.rotations, right.pack_left), (vec![officer.did.clone()], false));
    // Another rotation takes its place, and the pinned pack does not contradict it.
    let now = now.plus_millis(60_000);
    let again = regulator.identity(officer.did.as_str())?;
    regulator.rotate(&again, None, &mut rng(), now)?;
    let held = keeping::pinned(&regulator, now)?;
    let dids = [officer.did.clone()];
    let logs = keeping::identities_for_pack(&regulator, Some(&held), &dids)?;
    let (_, next) = TrustPack::new(held.history(), &roles, logs).encode()?;
    keeping::pin(&mut regulator, &next, false, now, &mut rng())?;
    Ok(())
}
