//! Charters of several signers: drafts that travel, second drafts, what a signer sees and is told; and packs
//! that leave away what is known.

use crate::common::Place;
use crate::common::waiting::wait_for_next_second;
use crate::parties::{Party, framework};
use serde_json::Value;

const ROLE: &str = "flex.no.bidder";
const ROLE_TWO: &str = "flex.no.two";

/// Three signers of whom the first knows the others' logs, and a participant.
fn signers(place: &Place) -> [Party<'_>; 4] {
    let names = ["reg", "min", "cou", "dso"];
    let parties = names.map(|name| Party::new(place, name));
    let [reg, min, cou, _] = &parties;
    for (signer, file) in [(min, "min.jsonl"), (cou, "cou.jsonl")] {
        signer.ok(&["id", "export", "root", "-o", file]);
        reg.ok(&["id", "resolve", &signer.did, "--log", file, "--save"]);
    }
    reg.ok(&["role", "define", ROLE, "--claim", "zone:string"]);
    parties
}

fn new_charter(signers: &[Party<'_>; 4], threshold: &str) {
    let [reg, min, cou, _] = signers;
    let mut args = vec!["charter", "new", "Nordic", "--role", ROLE, "--threshold", threshold];
    for signer in [reg, min, cou] {
        args.extend(["--signer", signer.did.as_str()]);
    }
    args.extend(["-o", "new.json"]);
    reg.ok(&args);
}

/// All three sign; two are enough.
fn in_force(signers: &[Party<'_>; 4]) {
    let [reg, min, cou, dso] = signers;
    new_charter(signers, "2");
    min.ok(&["charter", "sign", "new.json", "-o", "new-2.json"]);
    cou.ok(&["charter", "sign", "new-2.json", "-o", "new-3.json"]);
    reg.ok(&["charter", "publish", "new-3.json", "-o", "trust1.json"]);
    for party in [min, cou, dso] {
        party.ok(&["charter", "verify", "trust1.json", "--adopt"]);
    }
}

fn define(party: &Party<'_>, name: &str) -> String {
    let made = party.json("gridpass.role.define/1", &["role", "define", name]);
    made["definition"].as_str().expect("a CID").to_owned()
}

fn version_of(party: &Party<'_>) -> Value {
    let shown = party.json("gridpass.charter.show/1", &["charter", "show"]);
    shown["charter"]["version"].clone()
}

/// Two honest signers have two packs of one charter: one of them publishes, and only that one's CID is told.
#[test]
fn one_of_several_signers_tells_which_pack_to_pin() {
    let place = Place::new();
    let parties = signers(&place);
    let [reg, min, cou, dso] = &parties;
    new_charter(&parties, "2");
    let unwritten = min.ok(&["charter", "sign", "new.json"]);
    assert!(unwritten.text().contains("in no file yet"), "{}", unwritten.text());
    let own = min.ok(&["charter", "pack", "-o", "own.json"]);
    assert!(!own.text().contains("by another way"), "{}", own.text());
    assert!(own.text().contains("charter publish"), "{}", own.text());
    // The council did not sign.
    let published = reg.ok(&["charter", "publish", "own.json", "-o", "trust1.json"]);
    assert!(published.stderr.contains(&cou.did), "{}", published.stderr);
    assert!(!published.stderr.contains(&min.did), "{}", published.stderr);
    assert!(published.text().contains("by another way"), "{}", published.text());
    let verified = dso.json("gridpass.charter.verify/1", &["charter", "verify", "own.json"]);
    let cid = verified["pack"].as_str().expect("a CID");
    let signed = cou.ok(&["charter", "sign", "own.json", "-o", "new-3.json"]);
    assert_eq!(signed.text().matches("CID").count(), 1, "{}", signed.text());
    let published = reg.ok(&["charter", "publish", "new-3.json", "--force", "-o", "trust1.json"]);
    assert!(!published.stderr.contains("did not sign"), "{}", published.stderr);
    let verified = dso.json("gridpass.charter.verify/1", &["charter", "verify", "trust1.json"]);
    assert_ne!(verified["pack"].as_str(), Some(cid), "a signature more is another pack");
    // A genuine one of the same charter is not said to be altered.
    let other = ["charter", "verify", "trust1.json", "--pin", cid];
    let refused = dso.refused("GP-CID-OTHER", 10, &other);
    let next = refused["next"].as_str().expect("text");
    assert!(next.contains("another pack") && !next.contains("altered"), "{refused}");
}

#[test]
fn an_older_pack_of_the_same_charter_hides_no_stolen_key() {
    let place = Place::new();
    let parties = signers(&place);
    in_force(&parties);
    let [reg, _, _, dso] = &parties;
    let issue = ["visa", "issue", "--to", &dso.did, "--role", ROLE, "--claim", "zone=NO-1"];
    reg.ok(&[&issue[..], &["-o", "visa.json"]].concat());
    let verify = |more: &[&str]| {
        let args = [&["--json", "visa", "verify", "visa.json"], more].concat();
        let ran = place.run(&dso.args(&args));
        (ran.status, ran.json()["code"].as_str().expect("a code").to_owned())
    };
    assert_eq!(verify(&[]), (0, "GP-VISA-IN-FORCE".to_owned()));

    wait_for_next_second();
    reg.ok(&["id", "rotate", "root", "--compromised-since", "2020-01-01T00:00:00Z"]);
    // The charter in force, with what is known by now.
    reg.ok(&["charter", "publish", "-o", "trust2.json"]);
    dso.ok(&["charter", "verify", "trust2.json", "--adopt"]);
    let stolen = (13, "GP-KEY-COMPROMISED".to_owned());
    assert_eq!(verify(&[]), stolen);
    // Somebody sends the older pack again. It is the same charter.
    let older = ["charter", "verify", "trust1.json", "--compare"];
    assert!(dso.ok(&older).text().contains("it stays known"), "{}", dso.ok(&older).text());
    dso.ok(&["charter", "verify", "trust1.json", "--adopt"]);
    assert_eq!(verify(&[]), stolen);
    // Named for one verification, it hides nothing of what the wallet knows either.
    assert_eq!(verify(&["--trust", "trust1.json"]), stolen);
}

#[test]
fn a_signer_that_only_adopted_the_pack_makes_the_next_charter() {
    let place = Place::new();
    let parties = signers(&place);
    let [reg, min, cou, dso] = &parties;
    new_charter(&parties, "1");
    reg.ok(&["charter", "pack", "-o", "trust1.json"]);
    for party in [min, cou, dso] {
        party.ok(&["charter", "verify", "trust1.json", "--adopt"]);
    }
    let amend = ["charter", "amend", "--remove-signer", &reg.did, "--threshold", "2"];
    min.ok(&[&amend[..], &["-o", "amend.json"]].concat());
    let signed =
        cou.json("gridpass.charter/1", &["charter", "sign", "amend.json", "-o", "amended.json"]);
    let changed = signed["changes"].as_array().expect("changes");
    assert!(changed.iter().any(|c| c.as_str().is_some_and(|c| c.contains("removed"))), "{signed}");
    min.ok(&["charter", "publish", "amended.json", "-o", "trust2.json"]);
    dso.ok(&["charter", "verify", "trust2.json", "--adopt"]);
    assert_eq!(version_of(dso), 2);
}

#[test]
fn nobody_signs_two_charters_of_one_version_unawares() {
    let place = Place::new();
    let parties = signers(&place);
    in_force(&parties);
    let [reg, min, cou, _] = &parties;
    define(reg, "flex.no.one");
    define(reg, "flex.no.two");
    reg.ok(&["charter", "add-role", "flex.no.one", "-o", "d1.json"]);
    // It goes on from the draft, and brings no second one of its version.
    reg.ok(&["charter", "add-role", "flex.no.two", "-o", "d2.json"]);
    let show = reg.json("gridpass.charter.show/1", &["charter", "show", "d2.json"]);
    assert_eq!(show["charter"]["version"], 3);
    assert_eq!(show["changes"].as_array().map(Vec::len), Some(1), "{show}");
    let other = ["charter", "add-role", "flex.no.two", "--instead", "-o", "d3.json"];
    assert_eq!(reg.json("gridpass.charter/1", &other)["version"], 2);

    // Both were in the hands of the others by then.
    min.ok(&["charter", "sign", "d1.json", "-o", "d1-min.json"]);
    min.refused("GP-CHARTER-FORK", 8, &["charter", "sign", "d3.json", "-o", "never.json"]);
    let forced = ["charter", "sign", "d3.json", "--instead", "-o", "never.json"];
    min.refused("GP-CHARTER-FORK", 8, &forced);
    assert!(!place.path("never.json").exists(), "one of the two is in force");
    reg.ok(&["charter", "publish", "d1-min.json", "-o", "trust2.json"]);
    cou.ok(&["charter", "verify", "trust2.json", "--adopt"]);
    cou.refused("GP-CHARTER-FORK", 8, &["charter", "sign", "d3.json", "-o", "never.json"]);
    // The draft that came to nothing is in nobody's way.
    reg.ok(&["charter", "publish", "-o", "again.json"]);
    assert_eq!(version_of(reg), 2);
}

#[test]
fn before_either_is_in_force_the_second_needs_a_word() {
    let place = Place::new();
    let parties = signers(&place);
    let [reg, min, cou, _] = &parties;
    new_charter(&parties, "3");
    min.ok(&["charter", "sign", "new.json", "-o", "new-2.json"]);
    cou.ok(&["charter", "sign", "new-2.json", "-o", "new-3.json"]);
    for party in [reg, min] {
        party.ok(&["charter", "publish", "new-3.json"]);
    }
    define(reg, "flex.no.one");
    define(reg, "flex.no.two");
    reg.ok(&["charter", "add-role", "flex.no.one", "-o", "d1.json"]);
    reg.ok(&["charter", "add-role", "flex.no.two", "--instead", "-o", "d2.json"]);
    min.ok(&["charter", "sign", "d1.json", "-o", "d1-min.json"]);
    let second = ["charter", "sign", "d2.json", "-o", "d2-min.json"];
    let refused = min.refused("GP-CHARTER-FORK", 8, &second);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("--instead")), "{refused}");
    assert!(!place.path("d2-min.json").exists());
    min.ok(&[&second[..], &["--instead"]].concat());
    // From then on it is the one that counts here.
    min.refused("GP-CHARTER-FORK", 8, &["charter", "sign", "d1.json", "-o", "never.json"]);
}

#[test]
fn a_charter_of_another_framework_is_not_signed() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let lone = Party::new(&place, "lone");
    lone.ok(&["role", "define", "energy.nl.supplier"]);
    let new = ["charter", "new", "Energy NL", "--role", "energy.nl.supplier", "-o", "lone.json"];
    lone.ok(&new);
    let sign = ["charter", "sign", "lone.json", "-o", "never.json"];
    regulator.refused("GP-CHARTER-SIGNERS-TOO-FEW", 14, &sign);
    assert!(!place.path("never.json").exists());
    let roles = regulator.json("gridpass.role.list/1", &["role", "list"]);
    assert_eq!(roles["roles"].as_array().map(Vec::len), Some(1), "nothing of it was kept");
}

#[test]
fn a_charter_of_another_framework_is_signed_and_not_pinned() {
    let place = Place::new();
    let (_, holder) = framework(&place);
    let lone = Party::new(&place, "lone");
    holder.ok(&["id", "export", "root", "-o", "holder.jsonl"]);
    lone.ok(&["id", "resolve", &holder.did, "--log", "holder.jsonl", "--save"]);
    lone.ok(&["role", "define", "energy.nl.supplier"]);
    let new = ["charter", "new", "Energy NL", "--role", "energy.nl.supplier", "--threshold", "1"];
    let signers =
        ["--signer", lone.did.as_str(), "--signer", holder.did.as_str(), "-o", "lone.json"];
    lone.ok(&[&new[..], &signers[..]].concat());
    // Its holder is a signer of it, and holds another framework.
    let sign = ["charter", "sign", "lone.json", "-o", "theirs.json"];
    let signed = holder.json("gridpass.charter/1", &sign);
    assert_eq!((&signed["complete"], &signed["pinned"]), (&true.into(), &false.into()));
    holder.refused("GP-CHARTER-UNRELATED", 8, &["charter", "publish", "lone.json"]);
    let roles = holder.json("gridpass.role.list/1", &["role", "list"]);
    assert_eq!(roles["roles"].as_array().map(Vec::len), Some(1), "{roles}");
    let shown = holder.json("gridpass.charter.show/1", &["charter", "show"]);
    assert_eq!(shown["charter"]["name"], "Flexibility", "what was pinned is");
    // Nor the log that came with it: offline nothing is known of its maker.
    let resolved = place.run(&holder.args(&["id", "resolve", &lone.did]));
    assert_ne!(resolved.status, 0, "{}", resolved.text());
    // The file is the pack, for whoever is to have it, and here only with its CID.
    let adopt = ["charter", "verify", "theirs.json", "--adopt"];
    holder.refused("GP-CHARTER-UNRELATED", 8, &adopt);
    let cid = signed["pack"].as_str().expect("a CID");
    holder.ok(&[&adopt[..], &["--pin", cid]].concat());
    let shown = holder.json("gridpass.charter.show/1", &["charter", "show"]);
    assert_eq!(shown["charter"]["name"], "Energy NL");
}

/// A copy of a signer's wallet signed another charter of the same version.
#[test]
fn a_fork_is_left_for_the_charter_that_the_signers_agreed_on() {
    let place = Place::new();
    let parties = signers(&place);
    in_force(&parties);
    let [reg, min, cou, dso] = &parties;
    define(reg, "flex.no.one");
    define(cou, ROLE_TWO);
    reg.ok(&["wallet", "backup", "-o", "reg.gpb"]);
    reg.ok(&["charter", "add-role", "flex.no.one", "-o", "d1.json"]);
    min.ok(&["charter", "sign", "d1.json", "-o", "t1.json"]);
    let words = ["--recovery-file", "reg-words.txt"];
    place.ok(&[&["wallet", "restore", "reg.gpb", "--profile", "copy"][..], &words].concat());
    cou.ok(&["charter", "add-role", ROLE_TWO, "-o", "d2.json"]);
    place.ok(&["--profile", "copy", "charter", "sign", "d2.json", "-o", "t2.json"]);
    dso.ok(&["charter", "verify", "t1.json", "--adopt"]);
    let adopt = ["charter", "verify", "t2.json", "--adopt"];
    let refused = dso.refused("GP-CHARTER-FORK", 8, &adopt);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains("--pin CID")), "{refused}");
    let verified = place.ok_json("gridpass.charter.verify/1", &["charter", "verify", "t2.json"]);
    let cid = verified["pack"].as_str().expect("a CID");
    let held = place.ok_json("gridpass.charter.verify/1", &["charter", "verify", "t1.json"]);
    let other = ["--pin", held["pack"].as_str().expect("a CID")];
    dso.refused("GP-CID-OTHER", 10, &[&adopt[..], &other].concat());
    let adopted = [&adopt[..], &["--pin", cid]].concat();
    let adopted = dso.json("gridpass.charter.verify/1", &adopted);
    assert_eq!(adopted["left"]["after"], verified["charter"], "{adopted}");
    let shown = dso.json("gridpass.charter.show/1", &["charter", "show"]);
    assert_eq!(shown["charter"]["version"], 2);
    // The one that was left does not come back by itself.
    dso.refused("GP-CHARTER-FORK", 8, &["charter", "verify", "t1.json", "--adopt"]);
    // It goes on from there.
    reg.ok(&[&["charter", "verify", "t2.json", "--adopt", "--pin"][..], &[cid]].concat());
    reg.ok(&["charter", "add-role", "flex.no.one", "-o", "d3.json"]);
    cou.ok(&["charter", "sign", "d3.json", "-o", "t3.json"]);
    dso.ok(&["charter", "verify", "t3.json", "--adopt"]);
    assert_eq!(version_of(dso), 3);
}

#[test]
fn a_definition_that_was_not_seen_is_not_signed() {
    let place = Place::new();
    let parties = signers(&place);
    in_force(&parties);
    let [reg, min, cou, _] = &parties;
    let id = define(reg, "flex.no.one");
    reg.ok(&["charter", "add-role", "flex.no.one", "-o", "draft.json"]);
    let draft: Value = serde_json::from_str(&place.read("draft.json")).expect("a pack");
    let alone = draft["charters"].as_array().and_then(|c| c.last()).expect("a charter");
    place.write("alone.json", &alone.to_string());
    let sign = ["charter", "sign", "alone.json", "-o", "signed.json"];
    let refused = min.refused("GP-DEFINITION-MISSING", 11, &sign);
    assert!(refused["next"].as_str().is_some_and(|n| n.contains(&id)), "{refused}");
    // As it is written it brings the definition, which is shown before anybody signs.
    let show = place.ok_json("gridpass.charter.show/1", &["charter", "show", "draft.json"]);
    assert_eq!(show["definitions"][0]["cid"], id.as_str());
    assert_eq!(show["definitions"][0]["definition"]["name"], "flex.no.one");
    min.ok(&["charter", "sign", "draft.json", "-o", "signed.json"]);
    min.ok(&["role", "show", &id]);
    // Somebody may have it from elsewhere.
    reg.ok(&["role", "show", &id, "-o", "one.json"]);
    cou.ok(&["role", "define", "--from", "one.json"]);
    cou.ok(&["charter", "sign", "alone.json", "-o", "signed-2.json"]);
}

#[test]
fn two_definitions_of_one_version_are_told_apart() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let define = ["role", "define", "flex.no.one", "--role-version", "1.0.0", "--title"];
    let made = regulator.json("gridpass.role.define/1", &[&define[..], &["Wrong"]].concat());
    regulator.refused("GP-ROLE-VERSION-TAKEN", 8, &[&define[..], &["Right"]].concat());
    // Somebody else's comes from a file, and has to be looked at.
    let wrong = made["definition"].as_str().expect("a CID");
    regulator.ok(&["role", "show", wrong, "-o", "wrong.json"]);
    place.write("right.json", &place.read("wrong.json").replace("Wrong", "Right"));
    let said = regulator.ok(&["role", "define", "--from", "right.json"]);
    assert!(said.stderr.contains("GP-ROLE-VERSION-TAKEN"), "{}", said.stderr);
    let (_, next) = said.text().split_once("next: ").expect("a next step");
    assert!(next.starts_with("gridpass charter add-role bafkrei"), "{next}");
    regulator.refused("GP-NAME-AMBIGUOUS", 2, &["charter", "add-role", "flex.no.one"]);
    regulator.ok(&["charter", "add-role", wrong]);
    let title = "A new version";
    let newer = ["role", "define", "flex.no.one", "--title", title];
    assert_eq!(regulator.json("gridpass.role.define/1", &newer)["version"], "1.1.0");
    regulator.ok(&["charter", "add-role", "flex.no.one"]);
}

#[test]
fn a_change_of_nothing_is_refused_and_an_end_is_said() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let role = "flex.gb.aggregator";
    regulator.refused("GP-CHARTER-UNCHANGED", 8, &["charter", "amend"]);
    regulator.refused("GP-CHARTER-UNCHANGED", 8, &["charter", "add-role", role]);
    assert_eq!(version_of(&regulator), 1);

    // What ends later has not ended.
    let later = ["charter", "retire", role, "--on", "2090-01-01T00:00:00Z"];
    regulator.ok(&later);
    let list = regulator.json("gridpass.role.list/1", &["role", "list"]);
    assert_eq!(list["roles"][0]["state"], "in force");
    assert_eq!(list["roles"][0]["retires"], "2090-01-01T00:00:00Z");
    let text = regulator.ok(&["charter", "show"]);
    assert!(text.text().contains("retires on 2090-01-01T00:00:00Z"), "{}", text.text());
    let ask = ["visa", "request", role, "--issuer", &regulator.did, "--claim", "zone=GB-1"];
    holder.ok(&[&ask[..], &["-o", "request.json"]].concat());
    regulator.ok(&["visa", "review", "request.json"]);

    let before = ["charter", "retire", role, "--on", "2020-01-01T00:00:00Z", "--grace", "0s"];
    let said = regulator.ok(&before);
    assert!(said.stderr.contains("no visa of it counts any more"), "{}", said.stderr);
    let again = regulator.refused("GP-ROLE-RETIRED", 12, &["charter", "add-role", role]);
    assert!(again["next"].as_str().is_some_and(|n| n.contains("role define")), "{again}");
}

#[test]
fn a_role_that_nobody_can_issue_is_said_where_it_is_listed() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let foreign = ["role", "define", "flex.gb.foreign", "--issuer", &holder.did];
    regulator.ok(&foreign);
    let said = regulator.ok(&["charter", "add-role", "flex.gb.foreign"]);
    assert!(said.stderr.contains("nobody can issue it"), "{}", said.stderr);
    let shown = regulator.json("gridpass.charter.show/1", &["charter", "show"]);
    assert_eq!(shown["notes"][0]["name"], "flex.gb.foreign", "{shown}");
    let amend = ["charter", "amend", "--add-root", &holder.did];
    assert!(!regulator.ok(&amend).stderr.contains("nobody can issue it"));
}

#[test]
fn a_log_takes_the_place_of_another_only_as_it_is_named() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    regulator.ok(&["id", "export", "root", "-o", "root.jsonl"]);
    let log = place.read("root.jsonl");
    let last: Value = serde_json::from_str(log.lines().last().expect("an entry")).expect("JSON");
    let version = last["versionId"].as_str().expect("a version");
    let end = format!("{}={version}", regulator.did);
    let verify = ["charter", "verify", "trust.json", "--replace-log"];
    holder.refused("GP-USAGE", 2, &[&verify[..], &[end.as_str()]].concat());
    holder.refused("GP-USAGE", 2, &[&verify[..], &[regulator.did.as_str(), "--adopt"]].concat());
    let wrong = format!("{}=9-{}", regulator.did, "Qm".repeat(23));
    holder.refused("GP-TRUST-LOG-END", 8, &[&verify[..], &[wrong.as_str(), "--adopt"]].concat());
    let unknown = format!("{}={version}", holder.did);
    holder.refused("GP-TRUST-LOG-END", 8, &[&verify[..], &[unknown.as_str(), "--adopt"]].concat());
    // Where nothing contradicts it nobody is asked, and nothing is replaced.
    let adopted = [&verify[..], &[end.as_str(), "--adopt"]].concat();
    let adopted = holder.json("gridpass.charter.verify/1", &adopted);
    assert_eq!((&adopted["pinned"], adopted.get("replaced")), (&true.into(), None));
}

#[test]
fn a_pack_without_the_newest_log_is_warned_of_and_signing_makes_one_with_it() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let pack = |file: &str| regulator.ok(&["charter", "pack", "-o", file]).stderr;
    assert!(!pack("same.json").contains(&regulator.did));
    wait_for_next_second();
    regulator.ok(&["id", "rotate", "root", "--compromised-since", "2020-01-01T00:00:00Z"]);
    let said = pack("old.json");
    assert!(said.contains(&regulator.did) && said.contains("charter sign"), "{said}");
    wait_for_next_second();
    regulator.ok(&["charter", "sign", "old.json", "-o", "new.json"]);
    let said = pack("packed.json");
    assert!(!said.contains(&regulator.did), "{said}");
    assert_eq!(place.read("packed.json").trim_end(), place.read("new.json").trim_end());
    holder.ok(&["charter", "verify", "new.json", "--adopt"]);
}

#[test]
fn a_signer_that_is_no_root_is_not_told_to_issue() {
    let place = Place::new();
    let [reg, min, _, _] = &signers(&place);
    let new = ["charter", "new", "Nordic", "--role", ROLE, "--threshold", "2", "--root", &reg.did];
    let by = ["--signer", &reg.did, "--signer", &min.did, "-o", "new.json"];
    reg.ok(&[&new[..], &by].concat());
    let said = min.ok(&["charter", "sign", "new.json", "-o", "signed.json"]);
    let next = said.text().split_once("next: ").map(|(_, next)| next).unwrap_or_default();
    assert!(next.contains("charter publish") && !next.contains("visa issue"), "{}", said.text());
}

/// Whose key is marked from before it signed has not signed: of a version long past, too.
#[test]
fn an_old_version_that_lacks_a_signature_is_named_and_signed_anew() {
    let place = Place::new();
    let parties = signers(&place);
    let [reg, min, cou, dso] = &parties;
    new_charter(&parties, "2");
    min.ok(&["charter", "sign", "new.json", "-o", "trust1.json"]);
    for party in [reg, cou, dso] {
        party.ok(&["charter", "verify", "trust1.json", "--adopt"]);
    }
    wait_for_next_second();
    min.ok(&["id", "rotate", "root", "--compromised-since", "2020-01-01T00:00:00Z"]);
    min.ok(&["id", "export", "root", "-o", "min-2.jsonl"]);
    for party in [reg, cou] {
        party.ok(&["id", "resolve", &min.did, "--log", "min-2.jsonl", "--save"]);
    }
    define(reg, "flex.no.one");
    reg.ok(&["charter", "add-role", "flex.no.one", "-o", "d2.json"]);
    let said = cou.ok(&["charter", "sign", "d2.json", "-o", "d2-cou.json"]);
    assert!(said.text().contains("1 of 3 signers signed version 1"), "{}", said.text());
    let publish = ["charter", "publish", "d2-cou.json", "-o", "trust2.json"];
    cou.refused("GP-CHARTER-SIGNERS-TOO-FEW", 14, &publish);

    cou.ok(&["charter", "sign", "new.json", "-o", "new-cou.json"]);
    cou.ok(&publish);
    for party in [reg, dso] {
        party.ok(&["charter", "verify", "trust2.json", "--adopt"]);
        assert_eq!(version_of(party), 2);
    }
    // Also where a later one is in force, which stays so.
    let again = ["charter", "sign", "new.json", "-o", "again.json"];
    let again = reg.json("gridpass.charter/1", &again);
    assert_eq!((&again["complete"], &again["changes"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(version_of(reg), 2);
    dso.ok(&["charter", "verify", "again.json", "--adopt"]);
    assert_eq!(version_of(dso), 2);
}
