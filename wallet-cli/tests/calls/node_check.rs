//! `gridpass node check` of a log with records that cannot be read.

use crate::common::Place;
use crate::parties::Party;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::log::Log;
use serde_json::json;

#[test]
fn a_record_that_cannot_be_read_is_named_and_one_of_another_version_is_refused() {
    let place = Place::new();
    let operator = Party::new(&place, "operator");
    let store = place.path("home/profiles/operator/node/store");
    let append = |body: &[u8]| {
        let (mut log, _) = Log::open(&store, &mut |_, _| ()).expect("a log");
        let now = UnixMillis::new(1_772_366_400_000);
        log.append(now, &[body.to_vec()]).expect("appended");
    };
    append(&[1, 0xff]);
    let check = ["node", "check"];
    // However often somebody looks.
    for _ in 0..2 {
        let ran = place.run(&operator.args(&[&["--json"], &check[..]].concat()));
        assert_eq!((ran.status, &ran.json()["unread"]), (10, &json!([1])), "{}", ran.stderr);
    }
    let ran = place.run(&operator.args(&check));
    assert!(ran.text().contains("record 1 ") && ran.text().contains("GP-LOG-DAMAGED"), "{ran:?}");
    append(&[2]);
    operator.refused("GP-LOG-VERSION", 16, &check);
}

#[test]
fn a_log_that_is_gone_beside_its_index_is_named_however_often_somebody_looks() {
    let place = Place::new();
    let operator = Party::new(&place, "operator");
    let store = place.path("home/profiles/operator/node/store");
    let (mut log, _) = Log::open(&store, &mut |_, _| ()).expect("a log");
    let now = UnixMillis::new(1_772_366_400_000);
    log.append(now, &[vec![1, 0xff], vec![1, 0xff]]).expect("appended");
    drop(log);
    let check = operator.args(&["--json", "node", "check"]);
    assert_eq!(place.run(&check).json()["records"], 2, "and the index is there");
    std::fs::remove_file(store.join(format!("{:020}.gplog", 1))).expect("removed");
    for _ in 0..2 {
        let ran = place.run(&check);
        let json = ran.json();
        assert_eq!((ran.status, &json["missing"]), (10, &json!([[1, 2]])), "{json}");
    }
    let ran = place.run(&operator.args(&["node", "check"]));
    assert!(ran.text().contains("records 1 to 2 are gone"), "{ran:?}");
    // Whose it is alone is left.
    std::fs::remove_dir_all(store.join("index")).expect("removed");
    std::fs::remove_file(store.join(format!("{:020}.gplog", 3))).expect("removed");
    operator.refused("GP-NOT-KEPT", 5, &["node", "check"]);
    std::fs::write(store.join("participant.json"), "{}").expect("written");
    let ran = place.run(&check);
    assert_eq!((ran.status, &ran.json()["missing"]), (10, &json!([[1, 1]])), "{ran:?}");
}
