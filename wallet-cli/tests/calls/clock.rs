//! A clock that was ahead for one call, and is right again.

use crate::common::waiting::wait_for_next_second;
use crate::common::{Place, codes_of};
use crate::parties::{Party, framework};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::charter::{Charter, SignedCharter, SigningRule};
use gridpass_credentials::keeping;
use gridpass_credentials::secured::Signer;
use gridpass_credentials::trust::TrustPack;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::resolve::Snapshot;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::sled_store::SledStore;
use gridpass_identity::wallet::slot::{RecoveryPhrase, Unlock};
use gridpass_identity::wallet::{Changes, LockedWallet, Wallet};
use std::time::{SystemTime, UNIX_EPOCH};

const FAR: u64 = 200 * 24 * 3600 * 1000;

fn now() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_millis();
    UnixMillis::new(u64::try_from(now).expect("fits"))
}

fn ahead() -> UnixMillis {
    now().plus_millis(FAR)
}

/// The wallet of a profile, opened with its words.
pub(crate) fn opened(place: &Place, profile: &str) -> Wallet {
    let words = place.read(&format!("{profile}-words.txt"));
    let phrase = RecoveryPhrase::parse(words.trim()).expect("24 words");
    let dir = place.path(&format!("home/profiles/{profile}"));
    let store = Box::new(SledStore::open(&dir).expect("the store"));
    let locked = LockedWallet::open(store).expect("the header");
    locked.unlock(Unlock::Recovery(&phrase)).expect("the words open it")
}

fn issue(regulator: &Party<'_>, holder: &Party<'_>, file: &str) {
    let to = ["visa", "issue", "--to", &holder.did, "--role", "flex.gb.aggregator"];
    regulator.ok(&[&to[..], &["--claim", "zone=GB-1", "-o", file]].concat());
}

#[test]
fn what_was_signed_ahead_is_told_and_put_right() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    issue(&regulator, &holder, "visa.json");
    regulator.ok(&["wallet", "clock"]);
    let mut wallet = opened(&place, "regulator");
    let mut rng = UnwrapErr(SysRng);
    let root = wallet.identity("root").expect("it");
    wallet.rotate(&root, None, &mut rng, ahead()).expect("by a clock that is ahead");
    wallet.apply_issuing(Changes::default(), &mut rng, ahead()).expect("notes it");
    drop(wallet);

    let revoke = ["visa", "revoke", holder.did.as_str(), "-o", "lists.json"];
    regulator.refused("GP-CLOCK-BEHIND", 8, &revoke);
    regulator.refused("GP-CLOCK-BEHIND", 8, &["id", "rotate", "root"]);
    assert!(!place.path("lists.json").exists());
    let doctor = place.run(&["--json", "doctor"]);
    assert_eq!(doctor.status, 10);
    assert!(codes_of(&doctor.json()).contains(&"GP-CLOCK-BEHIND".to_owned()));
    let clock = place.run(&regulator.args(&["--json", "wallet", "clock"]));
    assert_eq!(clock.status, 10);
    let members = |json: &serde_json::Value| -> Vec<String> {
        json.as_object().expect("an object").keys().cloned().collect()
    };
    let looked = members(&clock.json());

    let other = ["wallet", "clock", "--is-right", "2026-01-01"];
    regulator.refused("GP-CLOCK-WRONG", 3, &other);
    let today = now().to_string();
    let right = ["wallet", "clock", "--is-right", today.get(..10).expect("a date")];
    let right = regulator.json("gridpass.wallet.clock/1", &right);
    assert_eq!(right["undone"], serde_json::json!([regulator.did]), "{right:#}");
    assert_eq!(members(&right), looked, "one form, with --is-right and without");
    assert_eq!((&right["is_right"], &right["outcome"]), (&true.into(), &"passed".into()));
    regulator.ok(&["wallet", "clock"]);
    wait_for_next_second();
    regulator.ok(&["id", "rotate", "root"]);
    wait_for_next_second();
    regulator.ok(&revoke);
    holder.ok(&["status", "accept", "lists.json"]);
}

#[test]
fn a_rotation_of_the_same_day_is_undone_by_the_time_alone() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let mut wallet = opened(&place, "regulator");
    let root = wallet.identity("root").expect("it");
    let soon = now().plus_millis(3_600_000);
    let rotated = wallet.rotate(&root, None, &mut UnwrapErr(SysRng), soon).expect("rotates");
    drop(wallet);
    let time = now().to_string();
    let clock = |said: &str| ["wallet", "clock", "--is-right", said].map(str::to_owned);
    let args = clock(time.get(..10).expect("a date"));
    let error = regulator.refused("GP-CLOCK-BEHIND", 8, &args.each_ref().map(String::as_str));
    assert!(error["next"].as_str().is_some_and(|n| n.contains("another clock")), "{error}");
    let kept = opened(&place, "regulator").identity("root").expect("it");
    assert_eq!(kept, rotated, "it may be published");
    let args = clock(&time);
    let args = args.each_ref().map(String::as_str);
    let right = regulator.json("gridpass.wallet.clock/1", &args);
    assert_eq!(right["undone"], serde_json::json!([regulator.did]), "{right:#}");
}

#[test]
fn a_list_that_is_not_there_is_looked_for_before_any_is_signed() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    issue(&regulator, &holder, "visa.json");
    let versions = || {
        let shown = regulator.json("gridpass.status.show/1", &["status", "show"]);
        let lists = shown["lists"].as_array().expect("lists").clone();
        lists.iter().map(|list| list["version"].clone()).collect::<Vec<_>>()
    };
    let before = versions();
    let wrong = ["status", "publish", "--list", "urn:uuid:none", "-o", "list.json"];
    let error = regulator.refused("GP-NOT-KEPT", 5, &wrong);
    assert!(error["next"].as_str().is_some_and(|n| n.contains("status show")), "{error}");
    regulator.ok(&["status", "show"]);
    assert_eq!(versions(), before);
}

#[test]
fn a_channel_that_is_dated_ahead_is_not_signed() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    place.write("bid.json", r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}"#);
    let new = ["channel", "new", "flex.gb.bids", "--publish", "flex.gb.aggregator"];
    regulator.ok(&[&new[..], &["--topic", "bids=bid.json", "-o", "now.json"]].concat());
    let mut draft: serde_json::Value =
        serde_json::from_str(&place.read("now.json")).expect("a descriptor");
    draft["dated"] = serde_json::json!(ahead().floor_to_second());
    place.write("ahead.json", &draft.to_string());
    let sign = ["channel", "sign", "ahead.json", "-o", "ahead.signed.json"];
    regulator.refused("GP-SIGNED-IN-FUTURE", 10, &sign);
    assert!(!place.path("ahead.signed.json").exists());
    regulator.ok(&["channel", "sign", "now.json"]);
}

#[test]
fn a_charter_that_is_dated_ahead_is_not_signed() {
    let place = Place::new();
    let (_, signer) = framework(&place);
    let did = Did::parse(&signer.did).expect("a DID");
    for (name, dated, is_signed) in [("now.json", now(), true), ("ahead.json", ahead(), false)] {
        let rule = SigningRule { threshold: 1, signers: vec![did.clone()] };
        let dated = dated.floor_to_second();
        let charter = Charter::first("Another", vec![did.clone()], rule, dated);
        let draft = SignedCharter::unsigned(charter).expect("a charter").to_json();
        place.write(name, &draft.to_string());
        let file = format!("signed-{name}");
        let args = signer.args(&["--json", "charter", "sign", name, "-o", &file]);
        let ran = place.run(&args);
        assert_eq!(ran.status == 0, is_signed, "{name}: {ran:?}");
        if !is_signed {
            assert_eq!(ran.error()["code"], "GP-SIGNED-IN-FUTURE", "{name}: {ran:?}");
        }
    }
}

#[test]
fn a_charter_that_was_signed_ahead_is_signed_anew() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let (mut wallet, mut rng) = (opened(&place, "regulator"), UnwrapErr(SysRng));
    let held = keeping::pinned(&wallet, now()).expect("it is pinned");
    let root = wallet.identity("root").expect("it");
    let mut charter = held.charter().charter().next(now().floor_to_second()).expect("a charter");
    charter.name = "Another name".into();
    let mut far = SignedCharter::unsigned(charter).expect("a charter");
    place.write("draft.json", &far.to_json().to_string());
    let purpose = Relationship::AssertionMethod;
    let (key_id, key) = wallet.active_secret(&root, purpose).expect("a key");
    far.sign(Signer { key: &key, key_id: &key_id, now: ahead() }).expect("signs");
    let roles: Vec<_> = held.definitions().map(|(_, role)| &role.definition).collect();
    let charters = [held.charter().clone(), far.clone()];
    let pack = TrustPack::new(&charters, &roles, held.identities().to_vec());
    let bytes = pack.encode().expect("a pack").1;
    keeping::pin(&mut wallet, &bytes, false, ahead(), &mut rng).expect("pinned");
    keeping::keep_signed(&mut wallet, &far, &[], ahead(), &mut rng).expect("kept");
    drop(wallet);

    regulator.refused("GP-SIGNED-IN-FUTURE", 10, &["charter", "pack", "-o", "far.json"]);
    // What says so is the command that puts it right.
    let clock = place.run(&regulator.args(&["--json", "wallet", "clock"]));
    assert_eq!(clock.status, 10);
    let time = now().to_string();
    let right = ["wallet", "clock", "--is-right", &time];
    let right = regulator.json("gridpass.wallet.clock/1", &right);
    assert_eq!(right["unsigned"], serde_json::json!([far.id()]), "{right:#}");
    assert_eq!(right["charters"], serde_json::json!([]), "{right:#}");
    let sign = ["charter", "sign", "draft.json"];
    assert_eq!(regulator.json("gridpass.charter/1", &sign)["complete"], true);
    regulator.ok(&["charter", "pack", "-o", "again.json"]);
}

/// A log that was saved by a clock that was ahead is in no charter's way.
#[test]
fn what_was_saved_of_others_ahead_counts_as_saved_now() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let council = Party::new(&place, "council");
    council.ok(&["id", "export", "root", "-o", "council.jsonl"]);
    let did = Did::parse(&council.did).expect("a DID");
    let (mut wallet, mut rng) = (opened(&place, "regulator"), UnwrapErr(SysRng));
    let log = Snapshot {
        seen: ahead(),
        confirmed: None,
        document: place.read("council.jsonl").into_bytes(),
        witness: None,
    };
    wallet.save_snapshot(&did, &log, &mut rng).expect("kept");
    drop(wallet);
    let amend = ["charter", "amend", "--add-root", &council.did];
    let refused = regulator.refused("GP-TRUST-PACK-MALFORMED", 16, &amend);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("--is-right")), "{refused}");
    let time = now().to_string();
    let right = ["wallet", "clock", "--is-right", &time];
    let right = regulator.json("gridpass.wallet.clock/1", &right);
    assert_eq!(right["obtained"], serde_json::json!([council.did]), "{right:#}");
    regulator.ok(&amend);
}

#[test]
fn a_pinned_charter_that_is_ahead_gives_its_place_to_the_one_before() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let (mut wallet, mut rng) = (opened(&place, "regulator"), UnwrapErr(SysRng));
    let held = keeping::pinned(&wallet, now()).expect("it is pinned");
    let root = wallet.identity("root").expect("it");
    let dated = ahead().floor_to_second();
    let charter = held.charter().charter().next(dated).expect("a charter");
    let mut far = SignedCharter::unsigned(charter).expect("a charter");
    let purpose = Relationship::AssertionMethod;
    let (key_id, key) = wallet.active_secret(&root, purpose).expect("a key");
    far.sign(Signer { key: &key, key_id: &key_id, now: dated }).expect("signs");
    let roles: Vec<_> = held.definitions().map(|(_, role)| &role.definition).collect();
    let charters = [held.charter().clone(), far];
    let pack = TrustPack::new(&charters, &roles, held.identities().to_vec());
    let bytes = pack.encode().expect("a pack").1;
    keeping::pin(&mut wallet, &bytes, false, dated, &mut rng).expect("pinned");
    drop(wallet);
    regulator.refused("GP-SIGNED-IN-FUTURE", 10, &["charter", "pack", "-o", "far.json"]);
    regulator.ok(&["charter", "verify", "trust.json", "--adopt"]);
    regulator.ok(&["charter", "pack", "-o", "again.json"]);
}
