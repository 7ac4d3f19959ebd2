//! Two charters of one version: who holds the one that the signers gave up leaves it by the CID that they told.

use crate::flow::{MARCH, TestResult, party, rng};
use gridpass_credentials::charter::{Charter, SignedCharter};
use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::keeping;
use gridpass_identity::wallet::slot::Passphrase;
use gridpass_messaging::node::Material;
use gridpass_tests::messages::Market;
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use std::path::Path;

/// The bytes of a pack whose second charter has this name.
fn pack(market: &Market, name: &str) -> Vec<u8> {
    let first = world::charter(&[&market.regulator], &[&market.role]);
    let first = world::sign_charter(first, &[&market.regulator]);
    let next = first.charter().next(days_ago(5)).expect("a next");
    let next = Charter { name: name.into(), ..next };
    let charters = [first, world::sign_charter(next, &[&market.regulator])];
    world::pack(&charters, &[&market.role])
}

fn cid(bytes: &[u8]) -> ContentId {
    ContentId::of_bytes(bytes).expect("a CID")
}

fn material(folder: &Path) -> Material {
    let node = Party::new(12).did;
    let (material, unread) = Material::open(folder, node, NOW).expect("a folder");
    assert!(unread.is_empty(), "{unread:?}");
    material
}

#[test]
fn a_node_leaves_a_fork_only_for_the_pack_that_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let market = Market::new(|_| ());
    let (left, right) = (pack(&market, "Left"), pack(&market, "Right"));
    let mut node = material(folder.path());
    node.give(&left, NOW).expect("taken");
    let refused = [
        (node.give(&right, NOW), codes::CHARTER_FORK),
        (node.give_replacing(&right, &[], NOW), codes::CHARTER_FORK),
        (node.give_pinned(&right, &[], Some(&cid(&left)), NOW), codes::CID_OTHER),
    ];
    for (given, code) in refused {
        assert_eq!(given.expect_err("it contradicts").code(), code);
    }
    assert_eq!(node.trust_bytes(), left);
    node.give_pinned(&right, &[], Some(&cid(&right)), NOW).expect("agreed on");
    assert_eq!(node.trust_bytes(), right);
    assert_eq!(material(folder.path()).trust_bytes(), right, "after a restart");
    let files = std::fs::read_dir(folder.path()).expect("a folder");
    let records = files.map(|file| file.expect("a file").path()).filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("replaced-charter-"))
    });
    let records: Vec<_> = records.collect();
    assert_eq!(records.len(), 1);
    let record = std::fs::read_to_string(&records[0]).expect("a record");
    assert!(record.contains("\"Left\"") && !record.contains("\"Right\""), "{record}");
    let back = node.give(&left, NOW).expect_err("it contradicts");
    assert_eq!(back.code(), codes::CHARTER_FORK);
}

#[test]
fn a_node_leaves_charters_that_are_ahead_of_its_clock() {
    let folder = tempfile::tempdir().expect("a folder");
    let market = Market::new(|_| ());
    let first = world::charter(&[&market.regulator], &[&market.role]);
    let first = world::sign_charter(first, &[&market.regulator]);
    let next = first.charter().next(in_days(200)).expect("a next");
    let far = world::sign_charter(next, &[&market.regulator]);
    let old = world::pack(std::slice::from_ref(&first), &[&market.role]);
    let ahead = world::pack(&[first, far], &[&market.role]);
    let right = pack(&market, "Right");
    let mut node = material(folder.path());
    // Its clock was as far ahead, and is right since.
    node.give(&ahead, in_days(201)).expect("taken");
    for (pack, code) in [(&old, codes::CHARTER_ROLLBACK), (&right, codes::CHARTER_FORK)] {
        let refused = node.give(pack, in_days(201)).expect_err("by that clock it counts");
        assert_eq!(refused.code(), code);
    }
    // An old one that somebody sends does not take its place: the clock may have been set back.
    let refused = node.take_newer_trust(&old, NOW).expect_err("it is only older");
    assert_eq!(refused.code(), codes::CHARTER_ROLLBACK);
    assert_eq!(node.trust_bytes(), ahead);
    let before = node.take_newer_trust(&right, NOW).expect("taken").expect("another one");
    assert_eq!(before.history().len(), 2);
    assert_eq!(node.trust_bytes(), right);
    let back = node.give(&old, NOW).expect_err("nothing is ahead any more");
    assert_eq!(back.code(), codes::CHARTER_ROLLBACK);
    // One that was started since has no pack in force, and takes no other framework's for it.
    let restarted = tempfile::tempdir().expect("a folder");
    material(restarted.path()).give(&ahead, in_days(201)).expect("taken");
    let (mut node, unread) =
        Material::open(restarted.path(), Party::new(12).did, NOW).expect("a folder");
    assert_eq!((unread.len(), node.trust().is_err()), (1, true));
    let stranger = Party::new(90);
    let foreign = world::charter(&[&stranger], &[&market.role]);
    let foreign = world::pack(&[world::sign_charter(foreign, &[&stranger])], &[&market.role]);
    let refused = node.give(&foreign, NOW).expect_err("it is another framework");
    assert_eq!(refused.code(), codes::CHARTER_UNRELATED);
    node.give(&right, NOW).expect("it goes on from what counts");
    assert_eq!(material(restarted.path()).trust_bytes(), right);
    // Its operator may give the old one, too, as a wallet takes it.
    let other = tempfile::tempdir().expect("a folder");
    let mut node = material(other.path());
    node.give(&ahead, in_days(201)).expect("taken");
    node.give(&old, NOW).expect("what was ahead counts for nobody");
    assert_eq!(node.trust_bytes(), old);
}

#[test]
fn a_wallet_leaves_a_fork_only_for_the_pack_that_is_named() -> TestResult {
    let temp = tempfile::tempdir()?;
    let passphrase = Passphrase::new("a passphrase of the fork");
    let (mut wallet, _) = party(&temp.path().join("dso"), &passphrase, "dso.example")?;
    let market = Market::new(|_| ());
    let (left, right) = (pack(&market, "Left"), pack(&market, "Right"));
    let held = keeping::pin(&mut wallet, &left, false, MARCH, &mut rng())?;
    let refused = keeping::pin(&mut wallet, &right, false, MARCH, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("it contradicts").code(), codes::CHARTER_FORK);
    assert!(keeping::replaced_charters(&wallet)?.is_empty());
    // An older one is refused whatever is said.
    let first = world::charter(&[&market.regulator], &[&market.role]);
    let first = world::sign_charter(first, &[&market.regulator]);
    let older = world::pack(&[first], &[&market.role]);
    let refused = keeping::pin(&mut wallet, &older, true, MARCH, &mut rng()).map(drop);
    assert_eq!(refused.expect_err("it is older").code(), codes::CHARTER_ROLLBACK);

    let new = keeping::pin(&mut wallet, &right, true, MARCH, &mut rng())?;
    let records = keeping::replaced_charters(&wallet)?;
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0].pack, &records[0].before), (new.id(), held.charter().id()));
    let proof: Vec<_> = records[0].charters.clone();
    assert_eq!(proof, [held.charter().to_json()], "what both have is not in it");
    assert_eq!(SignedCharter::from_json(proof[0].clone())?.id(), held.charter().id());
    // It is once, and the same again is no fork.
    keeping::pin(&mut wallet, &right, true, MARCH, &mut rng())?;
    assert_eq!(keeping::replaced_charters(&wallet)?.len(), 1);
    Ok(())
}
