//! Status lists that a node is given: none that is older than one it has seen is believed, also where that is
//! damaged or could not be written.

use super::{Scene, at_hand, files, named_in, offer, open, scene};
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::codes;
use gridpass_messaging::node::Material;
use gridpass_tests::world::{self, NOW};

/// The regulator's lists: before it took a visa back, and after.
fn before_and_after(s: &Scene) -> [StatusList; 2] {
    let before = world::list(&s.market.regulator, Purpose::Revocation, &[]);
    let at = UnixMillis::new(NOW.get() - 1000);
    let change = Change { index: 7, set: true, at };
    let regulator = &s.market.regulator;
    let after = world::list_by(regulator, regulator, Purpose::Revocation, &[change], |l| {
        l["validFrom"] = serde_json::json!(at);
        l["credentialSubject"]["statusList"]["version"] = serde_json::json!(6);
    });
    assert!(before.order() < after.order());
    [before, after]
}

#[test]
fn case_7_a_list_that_is_older_than_the_one_known_is_not_taken() {
    let s = scene();
    let [before, after] = before_and_after(&s);
    let key = (after.id.clone(), after.issuer.clone());
    let mut material = s.material();
    assert!(offer(&mut material, &before) && offer(&mut material, &after));
    for round in ["as it runs", "opened again"] {
        assert!(!offer(&mut material, &before), "{round}");
        assert!(!offer(&mut material, &after), "{round}: it is here");
        assert_eq!(at_hand(&material), [after.order()], "{round}");
        assert_eq!(material.seen.get(&key).map(|s| s.order), Some(after.order()), "{round}");
        material = s.material();
    }
    // The first that comes is the newer one: there is no other to hold the older against.
    let other = tempfile::tempdir().expect("a folder");
    let mut material = open(other.path(), &s.node);
    assert!(offer(&mut material, &after) && !offer(&mut material, &before));
    assert!(!offer(&mut open(other.path(), &s.node), &before));
}

/// Opens a folder of which something cannot be read; gives that it is told.
fn open_damaged(s: &Scene) -> Material {
    let (material, unread) =
        Material::open(s.folder.path(), s.node.did.clone(), NOW).expect("a folder");
    let codes: Vec<_> = unread.iter().map(|(_, e)| e.code()).collect();
    assert_eq!(codes, [codes::NODE_FOLDER], "{unread:?}");
    material
}

/// None that is older is believed, and the newest is when it comes again.
fn is_not_forgotten(s: &Scene, [before, after]: &[StatusList; 2], what: &str) {
    let mut material = open_damaged(s);
    assert_eq!(at_hand(&material), [], "{what}");
    // For whom else may revoke by this list, too: it was seen, and is not at hand.
    let key = (after.id.clone(), after.issuer.clone());
    assert_eq!(material.seen.get(&key).map(|s| s.order), Some(after.order()), "{what}");
    assert!(!offer(&mut material, before), "{what}");
    assert_eq!(at_hand(&material), [], "{what}");
    assert!(offer(&mut material, after), "{what}");
    let again = s.material();
    assert_eq!(at_hand(&again), [after.order()], "{what}");
}

#[test]
fn case_7_a_list_of_which_a_bit_flipped_on_the_disk_makes_room_for_no_older_one() {
    let s = scene();
    let lists = before_and_after(&s);
    let mut material = s.material();
    assert!(lists.iter().all(|list| offer(&mut material, list)));
    drop(material);
    let is_list = |p: &&std::path::PathBuf| named_in(p).starts_with("list-");
    let all = files(s.folder.path());
    let [file] = all.iter().filter(is_list).collect::<Vec<_>>()[..] else { panic!("{all:?}") };
    let good = std::fs::read(file).expect("read");
    assert_eq!(good, lists[1].secured().text().as_bytes());
    for place in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[place] ^= 1;
        std::fs::write(file, bad).expect("written");
        is_not_forgotten(&s, &lists, &format!("byte {place}"));
    }
    std::fs::write(file, b"").expect("written");
    is_not_forgotten(&s, &lists, "emptied");
}

#[test]
fn case_7_a_list_that_cannot_be_written_makes_room_for_no_older_one_after_a_restart() {
    let s = scene();
    let lists = before_and_after(&s);
    let mut material = s.material();
    assert!(offer(&mut material, &lists[0]));
    // The same is written elsewhere, to know what is in its way here.
    let other = tempfile::tempdir().expect("a folder");
    assert!(offer(&mut open(other.path(), &s.node), &lists[1]));
    for file in files(other.path()) {
        let half = s.folder.path().join(format!(".{}", named_in(&file)));
        std::fs::create_dir(half).expect("made");
    }
    assert!(offer(&mut material, &lists[1]), "it counts all the same");
    assert_eq!(at_hand(&material), [lists[1].order()]);
    drop(material);
    let mut material = open_damaged(&s);
    assert!(!offer(&mut material, &lists[0]));
    assert_eq!(at_hand(&material), []);
    let key = (lists[1].id.clone(), lists[1].issuer.clone());
    assert_eq!(material.seen.get(&key).map(|s| s.order), Some(lists[1].order()));
    // There is room again.
    for file in files(other.path()) {
        let half = s.folder.path().join(format!(".{}", named_in(&file)));
        let _ = std::fs::remove_dir(half);
    }
    assert!(offer(&mut material, &lists[1]));
    drop(material);
    assert_eq!(at_hand(&s.material()), [lists[1].order()]);
}
