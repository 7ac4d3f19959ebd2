//! What identities are made of: what was asked for, or a refusal that says why not.

use crate::common::Place;

/// How the public keys of an identity begin: `zDn` is P-256, `z6Mk` Ed25519, `z6LS` X25519.
fn keys_of(place: &Place, name: &str) -> Vec<String> {
    let shown = place.ok_json("gridpass.id.show/1", &["id", "show", name]);
    let keys = shown["identity"]["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["public_key"].as_str().expect("a Multikey").to_owned()).collect()
}

#[test]
fn the_keys_of_an_identity_are_of_the_type_that_was_asked_for() {
    let place = Place::with_wallet();
    place.write("a.txt", "content");
    let p256 = ["--key-type", "p256"];
    let web = |location| ["--method", "web", "--location", location];
    for (name, more, types) in [
        ("key", p256.to_vec(), &["zDn"][..]),
        ("jwk", [&["--method", "jwk"][..], &p256].concat(), &["zDn"]),
        ("web", [&web("dso.example")[..], &p256].concat(), &["zDn"]),
        ("usual", web("agg.example").to_vec(), &["z6Mk", "z6LS"]),
    ] {
        let did = place.new_identity(name, &more);
        for key in keys_of(&place, name) {
            assert!(types.iter().any(|begins| key.starts_with(begins)), "{name}: {key}");
        }
        let jws = format!("{name}.jws");
        place.ok(&["sign", "a.txt", "--as", name, "-o", &jws]);
        place.ok(&["verify-signature", &jws, "--signer", &did]);
        // What is published has the same keys, and what is sealed to them opens.
        if name == "web" {
            let exported = place.ok_json("gridpass.id.export/1", &["id", "export", name]);
            let document = exported["content"].as_str().expect("a document");
            assert!(document.contains("\"zDn") && !document.contains("\"z6"), "{document}");
            place.ok(&["seal", "a.txt", "--to", &did, "--sign-with", name, "-o", "a.jwe"]);
            place.ok(&["open", "a.jwe", "--from", &did, "-o", "opened.txt"]);
            assert_eq!(place.read("opened.txt"), "content");
        }
    }
}

#[test]
fn what_a_method_cannot_give_is_refused_and_not_left_out() {
    let place = Place::with_wallet();
    let webvh = ["--method", "webvh", "--location", "dso.example"];
    let witness = ["--witness", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"];
    for (code, more) in [
        ("GP-KEY-TYPE-UNSUITABLE", [&webvh[..], &["--key-type", "p256"]].concat()),
        ("GP-KEY-TYPE-UNSUITABLE", vec!["--node", "--key-type", "p256"]),
        ("GP-USAGE", vec!["--node", "--method", "jwk"]),
        ("GP-USAGE", [&webvh[..], &["--node"]].concat()),
        ("GP-USAGE", witness.to_vec()),
        ("GP-USAGE", [&witness[..], &["--method", "jwk"]].concat()),
        ("GP-USAGE", vec!["--location", "dso.example"]),
    ] {
        place.refused(code, 2, &[&["id", "new", "--name", "never"][..], &more].concat());
    }
    let list = place.ok_json("gridpass.id.list/1", &["id", "list"]);
    assert_eq!(list["identities"].as_array().map(Vec::len), Some(0), "{list}");
    // A peer would take its bytes for another key's.
    place.new_identity("desk", &["--key-type", "p256"]);
    let refused = place.refused("GP-NODE-CONFIGURATION", 3, &["node", "run", "--as", "desk"]);
    assert!(refused["message"].as_str().is_some_and(|m| m.contains("Ed25519")), "{refused}");
}
