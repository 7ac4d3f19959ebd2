//! A clock that was ahead: what was signed and obtained by it, once it is said to be right.

use crate::flow::{MARCH, TestResult, found, party, rng};
use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::clock::believe_clock;
use gridpass_credentials::keeping;
use gridpass_credentials::secured::Signer;
use gridpass_credentials::trust::{IdentityMaterial, TrustPack};
use gridpass_identity::codes;
use gridpass_identity::document::Relationship;
use gridpass_identity::resolve::SnapshotStore as _;
use gridpass_identity::wallet::slot::Passphrase;
use gridpass_tests::world;

/// The charter is rightly dated, and a signature that it needs is not.
#[test]
fn a_charter_that_was_signed_ahead_is_signed_anew() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the clock");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (mut aggregator, _) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
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
    let passphrase = Passphrase::new("a passphrase of the clock");
    let (mut regulator, officer) =
        party(&temp.path().join("regulator"), &passphrase, "regulator.example")?;
    let (mut aggregator, _) = party(&temp.path().join("agg"), &passphrase, "agg.example")?;
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
