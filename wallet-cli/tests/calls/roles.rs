//! Roles and the charter that lists them: shown, compared, and signed by two of three.

use crate::common::Place;
use crate::parties::{Party, framework};

#[test]
fn two_of_three_signers_make_a_charter() {
    let place = Place::new();
    let signers = [Party::new(&place, "no"), Party::new(&place, "se"), Party::new(&place, "dk")];
    let [no, se, dk] = &signers;
    for signer in [se, dk] {
        let file = format!("{}.jsonl", signer.profile);
        signer.ok(&["id", "export", "root", "-o", &file]);
        no.ok(&["id", "resolve", &signer.did, "--log", &file, "--save"]);
    }
    no.ok(&["id", "export", "root", "-o", "no.jsonl"]);
    se.ok(&["id", "resolve", &no.did, "--log", "no.jsonl", "--save"]);
    no.ok(&["role", "define", "flex.no.bidder", "-o", "bidder.json"]);
    se.ok(&["role", "define", "--from", "bidder.json"]);
    let mut args = vec!["charter", "new", "Nordic", "--role", "flex.no.bidder", "--threshold", "2"];
    for signer in &signers {
        args.extend(["--signer", signer.did.as_str()]);
    }
    args.extend(["-o", "charter.json"]);
    let first = no.json("gridpass.charter/1", &args);
    assert_eq!(first["complete"], false);
    no.refused("GP-CHARTER-SIGNERS-TOO-FEW", 14, &["charter", "publish", "charter.json"]);
    let outsider = Party::new(&place, "outsider");
    outsider.refused(
        "GP-CHARTER-SIGNERS-TOO-FEW",
        14,
        &["charter", "sign", "charter.json", "-o", "x.json"],
    );
    se.ok(&["charter", "sign", "charter.json", "-o", "signed.json"]);
    let published = no.json(
        "gridpass.charter.publish/1",
        &["charter", "publish", "signed.json", "-o", "trust.json"],
    );
    let pin = published["pack"].as_str().expect("a CID");
    dk.ok(&["charter", "verify", "trust.json", "--pin", pin, "--adopt"]);
    place.write("altered.json", &place.read("trust.json").replace("Nordic", "Nordik"));
    dk.refused("GP-CID-OTHER", 10, &["charter", "verify", "altered.json", "--pin", pin]);
    let ran = place.run_bare(&["--json", "charter", "verify", "altered.json"]);
    assert_eq!(ran.status, 14, "{}", ran.text());
    // Another charter with the same version number is a contradiction.
    let retire = ["charter", "retire", "flex.no.bidder", "--grace", "90d", "-o", "retired.json"];
    assert_eq!(no.json("gridpass.charter/1", &retire)["complete"], false);
    let show = dk.json("gridpass.charter.show/1", &["charter", "show", "retired.json"]);
    assert_eq!(show["charter"]["version"], 2);
    // Where all must sign, one key is the end of it: it is said before it is too late.
    let mut all = vec!["charter", "new", "Strict", "--role", "flex.no.bidder", "-o", "strict.json"];
    for signer in &signers {
        all.extend(["--signer", signer.did.as_str()]);
    }
    assert!(no.ok(&all).stderr.contains("--threshold 2"));
}

#[test]
fn roles_are_shown_listed_and_compared() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let role = "flex.gb.aggregator";
    regulator.ok(&["role", "show", role, "-o", "old.json"]);
    let new = ["role", "define", role, "--claim", "zone:string", "--max-validity", "30d"];
    let defined =
        regulator.json("gridpass.role.define/1", &[&new[..], &["-o", "new.json"]].concat());
    assert_eq!(defined["version"], "1.1.0");
    let list = regulator.json("gridpass.role.list/1", &["role", "list"]);
    let states: Vec<_> =
        list["roles"].as_array().expect("rows").iter().map(|r| r["state"].clone()).collect();
    assert_eq!(states, ["in force", "not listed"]);
    // Files need no wallet.
    let ran = place.run_bare(&["--json", "role", "diff", "old.json", "new.json"]);
    let places: Vec<_> = ran.json()["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|c| c["place"].as_str().expect("a place").to_owned())
        .collect();
    assert!(places.contains(&"/maxValiditySeconds".to_owned()), "{places:?}");
    assert!(places.contains(&"/claims/properties/capacityKw".to_owned()), "{places:?}");
    // A visa that nobody would believe is not issued.
    let to = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    let issue = ["visa", "issue", "--to", to, "--role", role, "--claim", "zone=GB-1"];
    regulator.refused(
        "GP-VISA-VALIDITY-TOO-LONG",
        10,
        &[&issue[..], &["--validity", "3650d"]].concat(),
    );
    regulator.refused("GP-ROLE-NOT-LISTED", 14, &["visa", "issue", "--to", to, "--role", "a.b"]);
    let issued = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    assert_eq!(issued["visas"].as_array().map(Vec::len), Some(0));
}
