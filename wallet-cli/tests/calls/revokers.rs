//! Who revokes by a role what others issued: what hangs on the visa that lets it, and lists by which
//! anybody would.

use crate::clock::opened;
use crate::common::Place;
use crate::common::waiting::wait_for_next_second;
use crate::parties::{Party, framework};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use gridpass_credentials::secured::{Form, Secured, Signer, secure_credential};
use gridpass_credentials::status::{Bits, MAX_VERSION, MIN_ENTRIES, NewStatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::vcdm::Credential;
use gridpass_credentials::visa::{Purpose, StatusEntry, Visa};
use gridpass_identity::document::Relationship;
use gridpass_identity::key::{KeyType, SecretKey};
use gridpass_identity::method;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::Changes;
use serde_json::{Map, Value};
use std::time::{SystemTime, UNIX_EPOCH};

const OFFICE: &str = "flex.gb.ombudsman";
const ROLE: &str = "flex.gb.supplier";

/// A regulator whose suppliers an ombudsman may revoke, and a supplier.
fn with_office(place: &Place) -> (Party<'_>, Party<'_>) {
    with_office_that(place, "keeps")
}

/// The same, where visas of ombudsmen end or stand as their issuer's own authority does.
fn with_office_that<'p>(place: &'p Place, revoked: &str) -> (Party<'p>, Party<'p>) {
    let (regulator, holder) = framework(place);
    regulator.ok(&["role", "define", OFFICE, "--on-issuer-revoked", revoked]);
    regulator.ok(&["role", "define", ROLE, "--revoked-by", OFFICE]);
    regulator.ok(&["charter", "add-role", OFFICE, ROLE]);
    regulator.ok(&["charter", "pack", "-o", "trust-2.json"]);
    holder.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    regulator.ok(&["visa", "issue", "--to", &holder.did, "--role", ROLE, "-o", "visa.json"]);
    holder.ok(&["visa", "accept", "visa.json"]);
    (regulator, holder)
}

/// The row of the role in a list of visas.
fn row<'r>(rows: &'r Value, role: &str) -> &'r Value {
    let rows = rows.as_array().expect("rows");
    rows.iter().find(|r| r["visa"]["role"] == role).expect("it is listed")
}

#[test]
fn an_officer_is_told_what_hangs_on_a_revokers_visa_and_takes_it_over() {
    let place = Place::new();
    let (regulator, _) = with_office(&place);
    let ombudsman = Party::new(&place, "ombudsman");
    ombudsman.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let issue = ["visa", "issue", "--to", &ombudsman.did, "--role", OFFICE];
    regulator.ok(&[&issue[..], &["--validity", "20d", "-o", "office.json"]].concat());
    ombudsman.ok(&["visa", "accept", "office.json"]);
    let expirations = || {
        let args = ["visa", "expirations", "--within", "30d"];
        regulator.json("gridpass.visa.expirations/1", &args)["expirations"].clone()
    };
    let issued = || {
        let args = ["visa", "list", "--issued"];
        regulator.json("gridpass.visa.list/1", &args)["visas"].clone()
    };
    assert!(row(&expirations(), OFFICE).get("hanging").is_none());
    ombudsman.ok(&["visa", "revoke", "visa.json", "-o", "gone.json"]);
    regulator.ok(&["status", "accept", "gone.json"]);
    // Before it ends.
    let supplier = row(&issued(), ROLE)["visa"]["id"].clone();
    for rows in [expirations(), issued()] {
        let hanging = &row(&rows, OFFICE)["hanging"];
        assert_eq!(hanging.as_array().map(Vec::len), Some(1), "{rows:#}");
        assert_eq!(hanging[0]["visa"], supplier);
        assert_eq!(hanging[0]["purpose"], "revocation");
    }
    // When it is taken away.
    let suspended = regulator.json("gridpass.visa.status/1", &["visa", "suspend", &ombudsman.did]);
    assert_eq!(suspended["hanging"][0]["visa"], supplier);
    // Until then whoever looks at the register sees that it is open.
    let listed = issued();
    assert_eq!(row(&listed, ROLE)["code"], "GP-STATUS-REVOKER-LAPSED", "{listed:#}");
    // Taken over, nothing hangs on it any more.
    let id = supplier.as_str().expect("an id");
    regulator.ok(&["visa", "revoke", id, "-o", "taken-over.json"]);
    assert!(row(&issued(), OFFICE).get("hanging").is_none());
    let office = row(&issued(), OFFICE)["visa"]["id"].clone();
    let office = office.as_str().expect("an id");
    let revoked = regulator.json("gridpass.visa.status/1", &["visa", "revoke", office]);
    assert_eq!(revoked["hanging"].as_array().map(Vec::len), Some(0));
    assert_eq!(row(&issued(), ROLE)["state"], "revoked");
}

#[test]
fn what_an_officer_revokes_a_revoker_of_is_named_as_void() {
    let place = Place::new();
    let (regulator, _) = with_office(&place);
    let ombudsman = Party::new(&place, "ombudsman");
    ombudsman.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let issue = ["visa", "issue", "--to", &ombudsman.did, "--role", OFFICE];
    regulator.ok(&[&issue[..], &["--validity", "20d", "-o", "office.json"]].concat());
    ombudsman.ok(&["visa", "accept", "office.json"]);
    ombudsman.ok(&["visa", "revoke", "visa.json", "-o", "gone.json"]);
    regulator.ok(&["status", "accept", "gone.json"]);
    let ran = regulator.ok(&["visa", "revoke", &ombudsman.did, "-o", "ended.json"]);
    let text = ran.text();
    assert!(text.contains("counts no more, unless it is taken over"), "{text}");
    assert!(text.contains("takes it over with `gridpass visa revoke urn:uuid:"), "{text}");
}

/// What an ombudsman revoked, as the regulator knows it: the visa's id.
fn revoked_by_office(place: &Place, regulator: &Party<'_>) -> Value {
    let ombudsman = Party::new(place, "ombudsman");
    ombudsman.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let issue = ["visa", "issue", "--to", &ombudsman.did, "--role", OFFICE];
    regulator.ok(&[&issue[..], &["--validity", "20d", "-o", "office.json"]].concat());
    ombudsman.ok(&["visa", "accept", "office.json"]);
    ombudsman.ok(&["visa", "revoke", "visa.json", "-o", "gone.json"]);
    regulator.ok(&["status", "accept", "gone.json"]);
    let list = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    row(&list["visas"], ROLE)["visa"]["id"].clone()
}

#[test]
fn what_hangs_on_a_root_is_named_where_it_is_removed() {
    let place = Place::new();
    let (regulator, holder) = with_office_that(&place, "ends");
    let supplier = revoked_by_office(&place, &regulator);
    let amend = |args: &[&str]| {
        let args = [&["charter", "amend"][..], args].concat();
        regulator.json("gridpass.charter/1", &args)["hanging"].clone()
    };
    // Where no root leaves, and of one of whom the wallet knows nothing, there is nothing.
    assert_eq!(amend(&["--add-root", &holder.did]), serde_json::json!([]));
    assert_eq!(amend(&["--remove-root", &holder.did]), serde_json::json!([]));
    amend(&["--add-root", &holder.did]);
    let hanging = amend(&["--remove-root", &regulator.did]);
    assert_eq!(hanging.as_array().map(Vec::len), Some(1), "{hanging:#}");
    assert_eq!((&hanging[0]["visa"], &hanging[0]["purpose"]), (&supplier, &"revocation".into()));
    // In words, too.
    amend(&["--add-root", &regulator.did]);
    let said = regulator.ok(&["charter", "amend", "--remove-root", &regulator.did]);
    let text = said.text();
    assert!(text.contains("that a removed root issued is undecided"), "{text}");
    assert!(text.contains("takes it over with `gridpass visa revoke urn:uuid:"), "{text}");
}

#[test]
fn nothing_hangs_on_a_root_whose_visas_stand_without_it() {
    let place = Place::new();
    let (regulator, holder) = with_office_that(&place, "keeps");
    revoked_by_office(&place, &regulator);
    let amend = ["charter", "amend", "--add-root", &holder.did, "--remove-root", &regulator.did];
    let amended = regulator.json("gridpass.charter/1", &amend);
    assert_eq!(amended["hanging"], serde_json::json!([]), "{amended:#}");
}

#[test]
fn what_hangs_on_the_keys_that_are_marked_is_named() {
    let place = Place::new();
    let (regulator, _) = with_office(&place);
    let supplier = revoked_by_office(&place, &regulator);
    wait_for_next_second();
    let rotate = ["id", "rotate", "root", "--compromised-since", "2020-01-01T00:00:00Z"];
    let rotated = regulator.json("gridpass.id.rotate/1", &rotate);
    let hanging = &rotated["hanging"];
    assert_eq!(hanging.as_array().map(Vec::len), Some(1), "{rotated:#}");
    assert_eq!(hanging[0]["visa"], supplier);
}

#[test]
fn of_two_visas_that_are_lost_neither_stands_in_for_the_other() {
    let place = Place::new();
    let (regulator, holder) = with_office_that(&place, "ends");
    let supplier = revoked_by_office(&place, &regulator);
    let list = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let ombudsman = row(&list["visas"], OFFICE)["visa"]["subject"].clone();
    let ombudsman = ombudsman.as_str().expect("a DID");
    // Renewed in time: it has two.
    let issue = ["visa", "issue", "--to", ombudsman, "--role", OFFICE];
    regulator.ok(&[&issue[..], &["--validity", "30d", "-o", "renewed.json"]].concat());
    let amend = ["charter", "amend", "--add-root", &holder.did, "--remove-root", &regulator.did];
    let amended = regulator.json("gridpass.charter/1", &amend);
    let hanging = &amended["hanging"];
    assert_eq!(hanging.as_array().map(Vec::len), Some(1), "{amended:#}");
    assert_eq!(hanging[0]["visa"], supplier);
}

/// A thief signed it with the officer's key: it is not gone on from, and keeps nobody from what others say.
#[test]
fn a_list_of_ones_own_that_leaves_no_room_keeps_nobody_from_the_others_beside_it() {
    let place = Place::new();
    let (regulator, _) = with_office(&place);
    let ombudsman = Party::new(&place, "ombudsman");
    ombudsman.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let issue = ["visa", "issue", "--to", &ombudsman.did, "--role", OFFICE];
    regulator.ok(&[&issue[..], &["--validity", "20d", "-o", "office.json"]].concat());
    ombudsman.ok(&["visa", "accept", "office.json"]);
    ombudsman.ok(&["visa", "revoke", "visa.json", "-o", "gone.json"]);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = UnixMillis::new(u64::try_from(since.as_millis()).expect("a time")).floor_to_second();
    let wallet = opened(&place, "regulator");
    let mut own = wallet.identities().expect("identities").into_iter();
    let me = own.find(|one| one.did.as_str() == regulator.did).expect("the regulator");
    let (key_id, key) = wallet.active_secret(&me, Relationship::AssertionMethod).expect("a key");
    drop(wallet);
    let bits = Bits::clear(MIN_ENTRIES);
    let list = NewStatusList {
        id: "urn:example:mine",
        issuer: &me.did,
        purpose: Purpose::Revocation,
        version: MAX_VERSION,
        dated: now,
        expires: None,
        bits: &bits,
        changes: &[],
    };
    let (list, signer) =
        (list.to_credential().expect("a list"), Signer { key: &key, key_id: &key_id, now });
    let mut rng = UnwrapErr(SysRng);
    let list = secure_credential(&list, Form::Jwt, &[], signer, &mut rng).expect("signs");
    let mut parcel: Value = serde_json::from_str(&place.read("gone.json")).expect("JSON");
    let lists = parcel["statusLists"].as_array_mut().expect("lists");
    lists.insert(0, list.text().into());
    place.write("both.json", &parcel.to_string());
    regulator.refused("GP-STATUS-LIST-MALFORMED", 10, &["status", "accept", "both.json"]);
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let hanging = &row(&issued["visas"], OFFICE)["hanging"];
    assert_eq!(hanging.as_array().map(Vec::len), Some(1), "{issued:#}");
}

#[test]
fn what_is_taken_over_with_the_revokers_visa_hangs_on_nothing() {
    let place = Place::new();
    let (regulator, _) = with_office(&place);
    let ombudsman = Party::new(&place, "ombudsman");
    ombudsman.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let issue = ["visa", "issue", "--to", &ombudsman.did, "--role", OFFICE];
    regulator.ok(&[&issue[..], &["--validity", "20d", "-o", "office.json"]].concat());
    ombudsman.ok(&["visa", "accept", "office.json"]);
    ombudsman.ok(&["visa", "revoke", "visa.json", "-o", "gone.json"]);
    regulator.ok(&["status", "accept", "gone.json"]);
    let list = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let ids = [OFFICE, ROLE].map(|role| row(&list["visas"], role)["visa"]["id"].clone());
    let [office, supplier] = ids.each_ref().map(|id| id.as_str().expect("an id"));
    let args = ["visa", "revoke", office, supplier, "-o", "both.json"];
    let both = regulator.json("gridpass.visa.status/1", &args);
    for row in both["visas"].as_array().expect("rows") {
        assert_eq!(row["hanging"], serde_json::json!([]), "{both:#}");
    }
}

/// A list by which somebody would revoke, carrying a visa that it gave itself.
fn forged(trust: &Trust, now: UnixMillis) -> String {
    let key = SecretKey::from_bytes(KeyType::Ed25519, &[9; 32]).expect("a key");
    let did = method::key::from_public_key(&key.public_key()).expect("a DID");
    let key_id = did.with_fragment(did.method_specific_id()).expect("a key id");
    let sign = |credential: &Credential| -> Secured {
        let mut rng = UnwrapErr(SysRng);
        let signer = Signer { key: &key, key_id: &key_id, now };
        secure_credential(credential, Form::Jwt, &[], signer, &mut rng).expect("signs")
    };
    let (definition, role) = trust.find_role(OFFICE).expect("it is listed");
    let purpose = Purpose::Revocation;
    let entry = StatusEntry { purpose, list: "urn:example:mine".into(), index: 1 };
    let office = Visa {
        id: "urn:example:office".into(),
        issuer: did.clone(),
        subject: did.clone(),
        definition: definition.clone(),
        role: role.definition.name.clone(),
        claims: Map::new(),
        valid_from: now,
        valid_until: now.plus_millis(86_400_000),
        status: vec![entry],
    };
    let office = sign(&office.to_credential().expect("a visa"));
    let bits = Bits::clear(MIN_ENTRIES);
    let list = NewStatusList {
        id: "urn:example:theirs",
        issuer: &did,
        purpose,
        version: 1,
        dated: now,
        expires: None,
        bits: &bits,
        changes: &[],
    };
    let list = list.to_credential_with(&[office.to_member()]).expect("a list");
    sign(&list).text().to_owned()
}

#[test]
fn a_list_by_which_anybody_would_revoke_is_not_kept() {
    let place = Place::new();
    let (_, holder) = with_office(&place);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = UnixMillis::new(u64::try_from(since.as_millis()).expect("a time")).floor_to_second();
    let pack = place.read("trust-2.json");
    let trust = Trust::open(pack.trim().as_bytes(), None, now).expect("a trust pack");
    place.write("forged.jwt", &forged(&trust, now));
    holder.refused("GP-STATUS-SIGNER", 11, &["status", "accept", "forged.jwt"]);
}

#[test]
fn what_a_role_revoked_with_an_older_program_is_entered_when_it_is_revoked_again() {
    let place = Place::new();
    let (regulator, _) = with_office(&place);
    let ombudsman = Party::new(&place, "ombudsman");
    ombudsman.ok(&["charter", "verify", "trust-2.json", "--adopt"]);
    let issue = ["visa", "issue", "--to", &ombudsman.did, "--role", OFFICE];
    regulator.ok(&[&issue[..], &["--validity", "20d", "-o", "office.json"]].concat());
    ombudsman.ok(&["visa", "accept", "office.json"]);
    ombudsman.ok(&["visa", "revoke", "visa.json", "-o", "gone.json"]);
    let others = || {
        let listed = ombudsman.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
        listed["others"].as_array().cloned().expect("rows")
    };
    let done = others();
    assert_eq!(done.len(), 1, "{done:#?}");
    let id = done[0]["id"].as_str().expect("an id");
    for again in [&["visa.json"][..], &["visa.json", "visa.json"]] {
        // An older program signed its list, and entered nothing.
        let mut wallet = opened(&place, "ombudsman");
        let mut changes = Changes::default();
        changes.remove("act-on-status", id);
        wallet.apply(changes, &mut UnwrapErr(SysRng)).expect("removed");
        drop(wallet);
        assert!(others().is_empty());
        let args = [&["visa", "revoke", "--reason", "fraud"][..], again].concat();
        for _ in 0..2 {
            ombudsman.refused("GP-STATUS-UNCHANGED", 8, &args);
        }
        let entered = others();
        assert_eq!(entered.len(), 1, "{entered:#?}");
        let (event, then) = (&entered[0]["events"], &done[0]["events"]);
        assert_eq!(event.as_array().map(Vec::len), Some(1), "{entered:#?}");
        assert_eq!((&event[0]["at"], &event[0]["by"]), (&then[0]["at"], &then[0]["by"]));
        assert_eq!(event[0]["reason"], "fraud");
    }
}
