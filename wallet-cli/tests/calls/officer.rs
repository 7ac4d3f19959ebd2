//! What an officer's day brings beside the straight way: a lost node, a file that cannot be written, a
//! command that is called again, a wrong time, a wrong file; and what a holder sees of it.

use crate::common::{Place, codes_of};
use crate::parties::{Party, framework};
use serde_json::Value;
use std::time::{Duration, Instant};

const ROLE: &str = "flex.gb.aggregator";

fn issue<'a>(holder: &'a Party<'_>, file: &'a str) -> Vec<&'a str> {
    vec!["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-1", "-o", file]
}

fn next_of(error: &Value) -> &str {
    error["next"].as_str().expect("a next step")
}

fn id_of(row: &Value) -> String {
    row["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_lost_node_loses_every_authorisation_that_it_has() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let node =
        place.new_identity("node-1", &["--profile", "regulator", "--method", "key", "--node"]);
    let authorise = |file: &str| {
        let args = ["visa", "authorise-node", &node, "-o", file];
        let made = regulator.json("gridpass.visa.authorise-node/1", &args);
        made["authorisation"].clone()
    };
    let both = [authorise("first.json"), authorise("renewed.json")];
    let states = || {
        let list = regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
        let rows = list["authorisations"].as_array().expect("rows").iter();
        rows.map(|r| r["state"].as_str().expect("a state").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["in force", "in force"]);
    let text = regulator.ok(&["visa", "list", "--issued"]);
    assert!(text.text().contains(&node), "{}", text.text());
    // An authorisation cannot be suspended: it is said what can be done.
    let suspended = regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "suspend", &node]);
    assert!(next_of(&suspended).contains("visa revoke"), "{suspended}");

    let revoke = ["visa", "revoke", &node, "-o", "lists.json"];
    let revoked = regulator.json("gridpass.visa.status/1", &revoke);
    assert_eq!(revoked["authorisations"].as_array().map(Vec::len), Some(2));
    assert_eq!(revoked["lists"].as_array().map(Vec::len), Some(1), "one change of one list");
    assert_eq!(states(), ["revoked", "revoked"]);
    for one in &both {
        let index = one["status"]["index"].to_string();
        let show = ["status", "show", "lists.json", "--index", &index];
        let shown = regulator.json("gridpass.status.show/1", &show);
        assert_eq!(shown["lists"][0]["entry"]["set"], true, "{one}");
    }
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", &node]);
    // By its own id only one is meant.
    let (kept, ended) = (authorise("third.json"), authorise("fourth.json"));
    let said = regulator.ok(&["visa", "revoke", &id_of(&ended)]);
    assert!(said.text().contains("1 authorisation is revoked; it still acts"), "{}", said.text());
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", &id_of(&ended)]);
    let revoked = regulator.json("gridpass.visa.status/1", &["visa", "revoke", &node]);
    assert_eq!(revoked["authorisations"], serde_json::json!([kept["id"]]));
    let last = authorise("fifth.json");
    let said = regulator.ok(&["visa", "revoke", &id_of(&last)]);
    assert!(said.text().contains("no longer acts"), "{}", said.text());
    assert!(said.text().contains("refused from now on, for good"), "{}", said.text());
}

#[test]
fn only_a_did_key_is_authorised_as_a_node() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    for did in [holder.did.as_str(), "did:web:node.example"] {
        let args = ["visa", "authorise-node", did, "-o", "never.json"];
        let refused = regulator.refused("GP-USAGE", 2, &args);
        assert!(next_of(&refused).contains("--node"), "{refused}");
    }
    // Cut short on the way, it names no key: nobody could act by it, or show a visa for it.
    let cut = ["did:key:zzz", "did:key:z6MkjcfGcw5ycumX49qc3KyyZPhRsCRW2NaA8WGcoSBnBu"];
    for did in cut {
        let node = ["visa", "authorise-node", did, "-o", "never.json"];
        let issue = ["visa", "issue", "--to", did, "--role", ROLE, "--claim", "zone=GB-1"];
        let issue = [&issue[..], &["-o", "never.json"]].concat();
        for args in [&node[..], &issue] {
            regulator.refused("GP-KEY-MALFORMED", 16, args);
        }
    }
    assert!(!place.path("never.json").exists());
}

#[test]
fn nothing_is_issued_or_revoked_whose_file_cannot_be_made() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let issued = || regulator.json("gridpass.visa.list/1", &["visa", "list", "--issued"]);
    let written = "GP-FILE-NOT-WRITTEN";
    regulator.refused(written, 3, &issue(&holder, "absent/visa.json"));
    let node = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    regulator.refused(written, 3, &["visa", "authorise-node", node, "-o", "absent/node.json"]);
    let none = issued();
    assert_eq!(none["visas"].as_array().map(Vec::len), Some(0));
    assert_eq!(none["authorisations"].as_array().map(Vec::len), Some(0));
    regulator.ok(&issue(&holder, "visa.json"));
    regulator.refused(written, 3, &["visa", "revoke", &holder.did, "-o", "absent/lists.json"]);
    assert_eq!(issued()["visas"][0]["state"], "in force");
    // Trying whether the file can be made leaves nothing.
    let names = |dir: &str| std::fs::read_dir(place.path(dir)).expect("a folder").count();
    std::fs::create_dir(place.path("out")).expect("a folder");
    regulator.refused("GP-NOT-KEPT", 5, &["visa", "revoke", "urn:uuid:none", "-o", "out/l.json"]);
    assert_eq!(names("out"), 0);
}

#[test]
fn a_visa_whose_file_was_lost_is_written_again() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let made = regulator.json("gridpass.visa.issue/1", &issue(&holder, "lost.json"));
    let id = id_of(&made["visa"]);
    // The officer sees what it issued, by the same name.
    let shown = regulator.json("gridpass.visa.show/1", &["visa", "show", &id]);
    assert_eq!(shown["visa"]["subject"].as_str(), Some(holder.did.as_str()));
    regulator.ok(&["visa", "export", &id, "-o", "again.json"]);
    regulator.ok(&["visa", "export", &holder.did, "-o", "by-did.json"]);
    assert_eq!(place.read("again.json"), place.read("by-did.json"));
    let accepted = holder.json("gridpass.visa.accept/1", &["visa", "accept", "again.json"]);
    assert_eq!(accepted["visas"][0]["evidence"], made["evidence"], "it is the same visa");
    let node = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
    regulator.ok(&["visa", "authorise-node", node, "-o", "node.json"]);
    regulator.ok(&["visa", "export", node, "-o", "node-again.json"]);
    assert_eq!(place.read("node.json"), place.read("node-again.json"));
    let unknown = regulator.refused("GP-NOT-KEPT", 5, &["visa", "export", "urn:uuid:none"]);
    assert!(next_of(&unknown).contains("visa list --issued"), "{unknown}");
    let unknown = regulator.refused("GP-NOT-KEPT", 5, &["visa", "revoke", "urn:uuid:none"]);
    assert!(next_of(&unknown).contains("visa list --issued"), "{unknown}");
}

#[test]
fn a_holder_sees_what_became_of_its_visa_and_does_not_show_what_is_over() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    regulator.ok(&issue(&holder, "visa.json"));
    holder.ok(&["visa", "accept", "visa.json"]);
    let row = || {
        let list = holder.json("gridpass.visa.list/1", &["visa", "list"]);
        list["visas"][0].clone()
    };
    assert_eq!((&row()["state"], &row()["code"]), (&"held".into(), &Value::Null));
    let present = ["visa", "present", ROLE, "--to", &regulator.did, "--force", "-o", "shown.json"];
    let change = |what: &str, file: &str| {
        regulator.ok(&["visa", what, &holder.did, "-o", file]);
        holder.ok(&["status", "accept", file]);
    };
    change("suspend", "suspended.json");
    assert_eq!(
        (&row()["state"], &row()["code"]),
        (&"suspended".into(), &"GP-VISA-SUSPENDED".into())
    );
    assert!(row()["sentence"].as_str().is_some_and(|s| s.contains("since")), "{}", row());
    // It may be reinstated before it is read.
    assert!(holder.ok(&present).stderr.contains("GP-VISA-SUSPENDED"));
    change("reinstate", "reinstated.json");
    assert_eq!(row()["state"], "held");
    assert!(!holder.ok(&present).stderr.contains("GP-VISA"));
    change("revoke", "revoked.json");
    assert_eq!(row()["state"], "revoked");
    std::fs::remove_file(place.path("shown.json")).expect("it was written");
    let refused = holder.refused("GP-VISA-REVOKED", 13, &present);
    assert!(next_of(&refused).contains("visa request"), "{refused}");
    assert!(!place.path("shown.json").exists());
    let said = holder.ok(&["visa", "list"]);
    assert!(said.text().contains("GP-VISA-REVOKED"), "{}", said.text());
    // What is revoked is not to be renewed, and the role means the visa that it has beside it.
    let ending = || {
        let args = ["visa", "expirations", "--within", "900d"];
        let said = holder.json("gridpass.visa.expirations/1", &args);
        said["expirations"].as_array().cloned().expect("rows")
    };
    assert!(ending().is_empty(), "{:?}", ending());
    let other = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-2"];
    let other = [&other[..], &["--despite-revocation"]].concat();
    let made = regulator.json("gridpass.visa.issue/1", &[&other[..], &["-o", "new.json"]].concat());
    holder.ok(&["visa", "accept", "new.json"]);
    holder.ok(&present);
    let shown = ["visa", "verify", "shown.json", "--audience", &regulator.did];
    let shown = regulator.json("gridpass.visa.verify/1", &shown);
    assert_eq!(shown["visas"][0]["evidence"], made["evidence"], "{shown}");
    assert_eq!(ending().len(), 1, "{:?}", ending());
    // With a third beside it the name alone says too little.
    let third = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-3"];
    regulator.ok(&[&third[..], &["-o", "third.json"]].concat());
    holder.ok(&["visa", "accept", "third.json"]);
    holder.refused("GP-NAME-AMBIGUOUS", 2, &present);
}

#[test]
fn a_visa_whose_time_is_over_is_renewed_and_not_shown() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    regulator.ok(&[&issue(&holder, "visa.json")[..], &["--validity", "20s"]].concat());
    holder.ok(&["visa", "accept", "visa.json"]);
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let list = holder.json("gridpass.visa.list/1", &["visa", "list"]);
        if list["visas"][0]["state"] == "expired" {
            break;
        }
        assert!(Instant::now() < end, "it does not end: {list}");
    }
    let present = ["visa", "present", ROLE, "--to", &regulator.did, "-o", "shown.json"];
    let refused = holder.refused("GP-VISA-EXPIRED", 12, &present);
    assert!(next_of(&refused).contains("visa renew"), "{refused}");
}

#[test]
fn a_command_that_is_called_again_makes_nothing_twice() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    holder.ok(&["visa", "request", ROLE, "--claim", "zone=GB-1", "-o", "request.json"]);
    let issue = ["visa", "issue", "request.json", "-o"];
    let made = regulator.json("gridpass.visa.issue/1", &[&issue[..], &["visa.json"]].concat());
    let first = id_of(&made["visa"]);
    let refused =
        regulator.refused("GP-REQUEST-ANSWERED", 8, &[&issue[..], &["other.json"]].concat());
    assert!(refused["message"].as_str().is_some_and(|m| m.contains(&first)), "{refused}");
    assert!(next_of(&refused).contains("--again"), "{refused}");
    assert!(!place.path("other.json").exists());
    // Nor is it refused beside the visa that answers it, before that is revoked.
    let refuse = ["visa", "refuse", "request.json", "--reason", "late", "-o", "refusal.json"];
    let refused = regulator.refused("GP-REQUEST-ANSWERED", 8, &refuse);
    assert!(next_of(&refused).contains(&format!("visa revoke {first}")), "{refused}");
    let again = regulator.ok(&[&issue[..], &["other.json", "--again"]].concat());
    assert!(again.stderr.contains(&first), "the other is named: {}", again.stderr);
    // Two are in force: which one is meant has to be said; then one is, and it is clear.
    let ambiguous = regulator.refused("GP-NAME-AMBIGUOUS", 2, &["visa", "revoke", &holder.did]);
    assert!(next_of(&ambiguous).contains("visa list --issued"), "{ambiguous}");
    regulator.ok(&["visa", "revoke", &first]);
    let last = regulator.json("gridpass.visa.status/1", &["visa", "revoke", &holder.did]);
    assert_ne!(last["visa"].as_str(), Some(first.as_str()));
    regulator.refused("GP-STATUS-UNCHANGED", 8, &["visa", "revoke", &holder.did]);
    regulator.ok(&refuse);
}

/// What issuing would refuse is seen when the request is looked at; the officer may shorten it.
#[test]
fn a_review_says_for_how_long_and_whether_that_is_too_long() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let review = |validity: &str| {
        let ask = ["visa", "request", ROLE, "--claim", "zone=GB-1", "--validity", validity];
        holder.ok(&[&ask[..], &["-o", "request.json", "--force"]].concat());
        regulator.place.run(&regulator.args(&["visa", "review", "request.json"]))
    };
    for (validity, said) in [("12h", "for 12 hours"), ("36h", "for 36 hours"), ("2d", "for 2 days")]
    {
        let ran = review(validity);
        assert!(ran.status == 0 && ran.text().contains(said), "{validity}: {ran:?}");
    }
    let ran = review("100000d");
    assert_eq!(ran.status, 10, "{ran:?}");
    assert!(ran.text().contains("GP-VISA-VALIDITY-TOO-LONG"), "{ran:?}");
    assert!(ran.text().contains("visa issue FILE --validity"), "{ran:?}");
    let issue = ["visa", "issue", "request.json", "-o", "visa.json"];
    regulator.refused("GP-VISA-VALIDITY-TOO-LONG", 10, &issue);
    regulator.ok(&[&issue[..], &["--validity", "30d"]].concat());
    assert_eq!(review("0s").status, 12);
}

#[test]
fn a_role_is_not_defined_twice_and_what_a_new_version_drops_is_said() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    let define = ["role", "define", ROLE, "--title", "Aggregator", "--claim", "zone:string"];
    let same = [&define[..], &["--claim", "capacityKw:integer?"]].concat();
    let refused = regulator.refused("GP-ROLE-UNCHANGED", 8, &same);
    assert!(next_of(&refused).contains("role show"), "{refused}");
    let roles = || {
        let list = regulator.json("gridpass.role.list/1", &["role", "list"]);
        list["roles"].as_array().map(Vec::len)
    };
    assert_eq!(roles(), Some(1));
    let less = regulator.ok(&define);
    assert!(less.stderr.contains("drops what 1.0.0 had: the claim capacityKw"), "{}", less.stderr);
    assert_eq!(roles(), Some(2));
    let more = regulator.ok(&[&define[..], &["--claim", "unit:string?"]].concat());
    assert!(!more.stderr.contains("drops"), "{}", more.stderr);
}

#[test]
fn another_framework_is_pinned_by_its_cid_alone() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let other = Party::new(&place, "other");
    other.ok(&["role", "define", "flex.no.bidder"]);
    other.ok(&["charter", "new", "Other", "--role", "flex.no.bidder"]);
    let pack = other.json("gridpass.charter.pack/1", &["charter", "pack", "-o", "other.json"]);
    let adopt = ["charter", "verify", "other.json", "--adopt"];
    let refused = holder.refused("GP-CHARTER-UNRELATED", 8, &adopt);
    assert!(next_of(&refused).contains("verify other.json --pin CID --adopt"), "{refused}");
    let cid = pack["pack"].as_str().expect("a CID");
    holder.ok(&[&adopt[..], &["--pin", cid]].concat());
    // Whoever makes a second framework has its file, and holds the first.
    let new = ["charter", "new", "Second", "--role", ROLE, "-o", "second.json"];
    let said = regulator.ok(&new);
    assert!(said.text().contains("It is not pinned"), "{}", said.text());
    assert!(said.text().contains("gridpass init"), "{}", said.text());
    place.ok(&["charter", "verify", "second.json"]);
    let shown = regulator.json("gridpass.charter.show/1", &["charter", "show"]);
    assert_eq!(shown["charter"]["name"], "Flexibility");
}

#[test]
fn a_time_before_the_charter_is_what_is_wrong() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    regulator.ok(&issue(&holder, "visa.json"));
    let early = ["--at", "2020-01-01T00:00:00Z"];
    for trust in [&["--trust", "trust.json"][..], &[]] {
        let args = [&["visa", "verify", "visa.json"][..], trust, &early].concat();
        let refused = holder.refused("GP-SIGNED-IN-FUTURE", 10, &args);
        assert!(next_of(&refused).contains("--at"), "{refused}");
    }
    let args = [&["--json", "charter", "verify", "trust.json"][..], &early[..]].concat();
    let ran = holder.place.run(&holder.args(&args));
    assert_eq!(ran.status, 10, "{}", ran.text());
    assert_eq!(codes_of(&ran.json())[0], "GP-SIGNED-IN-FUTURE");
}

#[test]
fn what_is_no_backup_is_told_before_a_secret_is_asked_for() {
    let place = Place::new();
    let (regulator, _) = framework(&place);
    place.write("empty.gpb", "");
    for (file, what) in [("empty.gpb", "empty"), ("trust.json", "a trust pack")] {
        for command in ["backup-verify", "restore"] {
            let args = ["wallet", command, file, "--profile", "again"];
            let refused = place.refused("GP-BACKUP-MALFORMED", 16, &args);
            assert!(refused["message"].as_str().is_some_and(|m| m.contains(what)), "{refused}");
        }
    }
    regulator.ok(&["wallet", "backup", "-o", "b.gpb"]);
    for command in ["backup-verify", "restore"] {
        let args = ["wallet", command, "b.gpb", "--profile", "again"];
        let refused = place.refused("GP-INPUT-NEEDED", 4, &args);
        assert!(next_of(&refused).contains("--recovery-file WORDS"), "{refused}");
    }
}

#[test]
fn what_a_killed_call_left_is_named_and_goes_with_the_next() {
    let place = Place::with_wallet();
    let left = place.path("home/profiles/Partial-two-a1b2c3");
    std::fs::create_dir_all(left.join("wallet")).expect("a folder");
    std::fs::write(left.join("lock"), b"").expect("its lock, which nobody holds");
    let doctor = || codes_of(&place.run(&["--json", "doctor"]).json());
    assert!(doctor().contains(&"GP-WALLET-PARTIAL".to_owned()));
    place.ok(&["init", "--name", "two", "--recovery-out", "two.txt"]);
    assert!(!left.exists());
    assert!(!doctor().contains(&"GP-WALLET-PARTIAL".to_owned()));
}

#[test]
fn claims_come_from_a_file_where_the_command_line_names_the_holder() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    place.write("claims.json", "{\"zone\": \"GB-7\"}");
    let args = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claims", "claims.json"];
    let made = regulator.json("gridpass.visa.issue/1", &[&args[..], &["-o", "visa.json"]].concat());
    assert_eq!(made["visa"]["claims"]["zone"], "GB-7");
}

/// The copy that was lost revoked a visa, and issued another one, after the backup.
#[test]
fn an_issuer_that_was_restored_takes_nothing_back() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let made = regulator.json("gridpass.visa.issue/1", &issue(&holder, "visa.json"));
    let id = id_of(&made["visa"]);
    let status = || regulator.json("gridpass.wallet.status/1", &["wallet", "status"]);
    regulator.ok(&["wallet", "backup", "-o", "regulator.gpb"]);
    assert_eq!(status()["backup_is_stale"], false);
    let doctor = || codes_of(&place.run(&["--json", "doctor"]).json());
    let due = || doctor().iter().filter(|c| *c == "GP-BACKUP-DUE").count();
    assert_eq!(due(), 0);
    let revoked = regulator.ok(&["visa", "revoke", &id]);
    assert!(!revoked.stderr.contains("GP-BACKUP-STALE"), "it is said where one asks for it");
    let second = ["visa", "issue", "--to", &holder.did, "--role", ROLE, "--claim", "zone=GB-2"];
    let second = [&second[..], &["--despite-revocation"]].concat();
    regulator.ok(&[&second[..], &["-o", "second.json"]].concat());
    assert_eq!(status()["backup_is_stale"], true);
    assert_eq!(due(), 1);
    let words = ["--recovery-file", "regulator-words.txt"];
    let verify = [&["--json", "wallet", "backup-verify", "regulator.gpb"][..], &words].concat();
    assert_eq!(place.run(&regulator.args(&verify)).status, 11);
    regulator.ok(&["status", "publish", "-o", "published.json"]);

    let restore = ["wallet", "restore", "regulator.gpb", "--profile", "again"];
    let restored = place.ok(&[&restore[..], &words].concat());
    assert!(restored.text().contains("status accept lists.json"), "{}", restored.text());
    let again = |args: &[&str]| place.ok(&[&["--profile", "again"], args].concat());
    let states = || {
        let list = again(&["--json", "visa", "list", "--issued"]).json();
        let rows = list["visas"].as_array().expect("rows").iter();
        rows.map(|r| r["state"].as_str().expect("a state").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(), ["in force"]);
    // By what the backup knew, what was revoked since would count again.
    let open = || doctor().contains(&"GP-OWN-LISTS-OPEN".to_owned());
    assert!(open(), "the doctor says so");
    let publish = ["--profile", "again", "status", "publish", "-o", "early.json"];
    let refused = place.refused("GP-OWN-LISTS-OPEN", 11, &publish);
    assert!(next_of(&refused).contains("--despite-restore"), "{refused}");
    assert!(!place.path("early.json").exists());
    let accepted = again(&["status", "accept", "published.json"]);
    assert!(accepted.text().contains("your own"), "{}", accepted.text());
    assert_eq!(states(), ["revoked"]);
    assert!(!open());
    place.refused("GP-STATUS-UNCHANGED", 8, &["--profile", "again", "visa", "revoke", &id]);
    again(&["status", "publish", "-o", "lists.json"]);
    let verified = |visa: &str, lists: &str| {
        let args = ["visa", "verify", visa, "--trust", "trust.json", "--status", lists];
        place.run(&holder.args(&args)).status
    };
    assert_eq!(verified("visa.json", "lists.json"), 13);
    assert_eq!(verified("second.json", "lists.json"), 0);
    // What is not in the register is revoked by its file.
    again(&["visa", "revoke", "second.json", "-o", "more.json"]);
    assert_eq!(verified("second.json", "more.json"), 13);
    // And it issues again, on a list of its own.
    again(&[&second[..], &["-o", "third.json"]].concat());
    assert_eq!(verified("third.json", "more.json"), 0);

    // Revoking waits for nothing; and who has no lists elsewhere says so.
    let restore = ["wallet", "restore", "regulator.gpb", "--profile", "alone"];
    place.ok(&[&restore[..], &words].concat());
    let revoked = place.ok(&["--profile", "alone", "visa", "revoke", &id, "-o", "at-once.json"]);
    assert!(revoked.stderr.contains("GP-OWN-LISTS-OPEN"), "{}", revoked.stderr);
    let made = [&["--profile", "alone"], &second[..], &["-o", "fourth.json"]].concat();
    let made = place.ok(&made);
    assert!(made.stderr.contains("GP-OWN-LISTS-OPEN"), "{}", made.stderr);
    assert!(open());
    let publish = ["--profile", "alone", "status", "publish", "-o", "alone.json"];
    place.refused("GP-OWN-LISTS-OPEN", 11, &publish);
    place.ok(&[&publish[..], &["--despite-restore"]].concat());
    assert!(!open());
}

/// Nothing was published after the backup, and the wallet suspended and revoked before it took its lists: they are the
/// newest that there are.
#[test]
fn lists_from_which_the_backup_goes_on_are_taken_whatever_was_done_since() {
    let place = Place::new();
    let (regulator, holder) = framework(&place);
    let made = regulator.json("gridpass.visa.issue/1", &issue(&holder, "visa.json"));
    let id = id_of(&made["visa"]);
    regulator.ok(&["status", "publish", "-o", "published.json"]);
    regulator.ok(&["wallet", "backup", "-o", "regulator.gpb"]);
    let words = ["--recovery-file", "regulator-words.txt"];
    let restore = ["wallet", "restore", "regulator.gpb", "--profile", "again"];
    place.ok(&[&restore[..], &words].concat());
    let again = |args: &[&str]| place.ok(&[&["--profile", "again"], args].concat());
    again(&["visa", "suspend", &id]);
    again(&["visa", "revoke", &id]);
    let doctor = || codes_of(&place.run(&["--json", "doctor", "--profile", "again"]).json());
    let open = || doctor().contains(&"GP-OWN-LISTS-OPEN".to_owned());
    assert!(open());
    again(&["status", "accept", "published.json"]);
    assert!(!open(), "there are no newer ones");
    again(&["status", "publish", "-o", "lists.json"]);
    let list = again(&["--json", "visa", "list", "--issued"]).json();
    assert_eq!(list["visas"][0]["state"], "revoked", "{list:#}");
}
