//! What nodes recorded, written as evidence bundles by the command, and verified by somebody who has
//! nothing but the file and the trust pack, on a machine without a network.

use crate::common::network::{BIDS, Network, Role, SEALED, until};
use crate::common::waiting::confirmed;
use serde_json::Value;
use std::io::Write as _;
use std::process::Command;

fn market() -> (Network, Vec<String>) {
    let mut network = Network::new();
    network.channel_with_keepers();
    for (name, role) in [("north", Role::Operator), ("flexgen", Role::Aggregator)] {
        network.participant(name, role);
    }
    for (node, participant) in [("north-1", "north"), ("flexgen-1", "flexgen")] {
        network.node(node, participant);
        network.start(node);
    }
    network.sees("flexgen-1", 1);
    let north = network.participant_did("north-1");
    let sent: Vec<String> = (0..4).map(|n| network.bid("flexgen-1", n)).collect();
    network.has("north-1", &sent);
    confirmed(&network, "flexgen-1", &sent, &north);
    (network, sent)
}

fn export(network: &Network, node: &str, channel: &str, file: &str, more: &[&str]) -> Value {
    let args = ["audit", "export", "--channel", channel, "--profile", node, "-o", file];
    network.place.ok_json("gridpass.audit.export/1", &[&args, more].concat())
}

fn verify(network: &Network, file: &str, more: &[&str]) -> Value {
    let args = ["audit", "verify", file, "--trust", "trust.json"];
    network.place.ok_json("gridpass.audit.verify/1", &[&args, more].concat())
}

#[test]
fn both_sides_of_a_channel_export_while_they_run_and_an_auditor_finds_that_it_holds() {
    let (mut network, sent) = market();
    let place = &network.place;
    let done = export(&network, "north-1", BIDS, "north.car", &[]);
    assert_eq!((&done["messages"], &done["missing"]), (&4.into(), &Value::Array(Vec::new())));
    assert!(done["contradiction"].is_null(), "{done}");
    export(&network, "flexgen-1", BIDS, "flexgen.car", &[]);
    for file in ["north.car", "flexgen.car"] {
        let report = verify(&network, file, &[]);
        assert_eq!(report["outcome"], "passed", "{file}: {}", report["checks"]);
        assert_eq!(report["counts"]["passed"], 4);
        let ids: Vec<_> = report["messages"].as_array().expect("messages").iter().collect();
        assert!(ids.iter().all(|m| sent.contains(&m["id"].as_str().expect("an id").to_owned())));
    }
    // The sender's bundle has the receipts of the reader. They bound no time: nobody is named, and in a bundle
    // of bids nothing shows who the reader is.
    let report = verify(&network, "flexgen.car", &[]);
    let message = &report["messages"][0];
    assert!(message["receipts"][0]["issued"].is_string(), "{message}");
    let times = &message["times"];
    assert!(times["notBefore"].is_string() && times["notAfter"].is_null(), "{times}");
    // What was left out is shown later: the last bid, which lies in its sender's folder; and another file.
    export(&network, "north-1", BIDS, "closed.car", &["--withhold-payloads"]);
    let shown = ["audit", "verify", "closed.car", "--trust", "trust.json", "--payload"];
    let ran = place.ok(&[&shown[..], &["flexgen-1-bid.json"]].concat());
    let told = ran.text();
    assert!(told.contains(&format!("message {}", sent[3])) && told.contains("fits"), "{told}");
    place.refused("GP-CID-OTHER", 10, &[&shown[..], &["trust.json"]].concat());
    // The descriptor with a newer signature of its owner's; another is somebody's mistake.
    let beside = ["--channel", "flex.gb.bids.signed.json"];
    assert_eq!(verify(&network, "north.car", &beside)["outcome"], "passed");
    let other = ["audit", "verify", "north.car", "--trust", "trust.json", "--channel"];
    let sealed = format!("{SEALED}.signed.json");
    place.refused("GP-CID-OTHER", 10, &[&other[..], &[sealed.as_str()]].concat());
    // One message in full, as words.
    let explained =
        place.ok(&["audit", "verify", "north.car", "--trust", "trust.json", "--explain", &sent[1]]);
    let told = explained.text();
    assert!(told.contains(" 1. passed") && told.contains("12. passed"), "{told}");
    // The same report twice, byte for byte; a table; a page that loads and runs nothing.
    let at = ["--at", "2030-01-01T00:00:00Z"];
    for name in ["one", "two"] {
        let (json, csv) = (format!("{name}.json"), format!("{name}.csv"));
        let page = format!("{name}.html");
        let files = ["--report", &json, "--csv", &csv, "--html", &page];
        verify(&network, "north.car", &[&at[..], &files[..]].concat());
    }
    for kind in ["json", "csv", "html"] {
        let of = |name: &str| place.read(&format!("{name}.{kind}"));
        assert_eq!(of("one"), of("two"), "{kind}");
    }
    assert_eq!(place.read("one.csv").lines().count(), 5);
    let page = place.read("one.html");
    assert!(page.contains("<html lang=\"en\">") && page.contains("scope=\"col\""));
    for never in ["<script", "http-equiv=\"refresh\"", "src=", "href="] {
        assert!(!page.contains(never), "{never}");
    }
    // Who compares them finds that both have the same, decided by each at its own time.
    let differences =
        place.ok_json("gridpass.audit.diff/3", &["audit", "diff", "north.car", "flexgen.car"]);
    assert_eq!((&differences["inBoth"], &differences["disagree"]), (&4.into(), &false.into()));
    let kinds: Vec<_> =
        differences["differences"].as_array().expect("a list").iter().map(|d| &d["kind"]).collect();
    assert!(kinds.iter().all(|k| *k == "evidence"), "{differences:#}");
    place.ok(&["audit", "diff", "north.car", "north.car"]);
    // After it was stopped, the same.
    network.stop("north-1");
    let at = ["--at", "2030-01-01T00:00:00Z"];
    let one = export(&network, "north-1", BIDS, "stopped-1.car", &at);
    let ahead = ["audit", "export", "--channel", BIDS, "--profile", "north-1", "-o", "ahead.car"];
    let ahead = network.place.ok(&[&ahead[..], &["--at", "2099-01-01T00:00:00Z"]].concat());
    assert!(ahead.stderr.contains("GP-SIGNED-IN-FUTURE"), "it is refused until then: {ahead:?}");
    let two = export(&network, "north-1", BIDS, "stopped-2.car", &at);
    assert_eq!(one["root"], two["root"]);
    let bytes = |name: &str| std::fs::read(network.place.path(name)).expect("a file");
    assert_eq!(bytes("stopped-1.car"), bytes("stopped-2.car"));
    // Once the name has two versions, none is taken for both.
    let next = format!("topic add {BIDS}.signed.json more --schema schema.json -o {BIDS}-2.json");
    network.call("regulator", &next);
    network.call("regulator", &format!("channel sign {BIDS}-2.json -o {BIDS}-2.signed.json"));
    network.call("north-1", &format!("node add {BIDS}-2.signed.json"));
    let all = ["audit", "export", "--channel", BIDS, "--profile", "north-1", "-o", "all.car"];
    let refused = network.place.refused("GP-CHANNEL-AMBIGUOUS", 8, &all);
    let told = refused["message"].as_str().expect("which there are");
    assert!(told.contains("version 1 of") && told.contains("4 messages"), "{told}");
    assert!(told.contains("version 2 of") && told.contains("0 messages"), "{told}");
    assert!(!network.place.path("all.car").exists(), "nothing is written");
    let first = network.channels[BIDS].clone();
    assert_eq!(export(&network, "north-1", &first, "first.car", &[])["messages"], 4);
}

#[test]
fn verifying_needs_no_network_at_all() {
    let (network, _) = market();
    export(&network, "north-1", BIDS, "north.car", &[]);
    let alone = Command::new("unshare").args(["-r", "-n", "true"]).output();
    if !alone.is_ok_and(|o| o.status.success()) {
        // Past the test harness, which shows the output only of what fails.
        let line = "SKIPPED: verifying without a network: no namespaces (unshare -r -n)\n";
        std::io::stderr().write_all(line.as_bytes()).expect("said");
        return;
    }
    let run = |program: &[&str]| {
        let gridpass = env!("CARGO_BIN_EXE_gridpass");
        let words =
            ["audit", "verify", "north.car", "--trust", "trust.json", "--json", "--no-input"];
        let at = ["--at", "2030-01-01T00:00:00Z"];
        let all = [program, &[gridpass], &words, &at].concat();
        let ran = Command::new(all[0])
            .args(&all[1..])
            .current_dir(network.place.dir.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .expect("it runs");
        (ran.status.code(), ran.stdout)
    };
    // Not even loopback is up there.
    let (status, alone) = run(&["unshare", "-r", "-n"]);
    assert_eq!((status, &alone), (Some(0), &run(&["env"]).1), "the same answer");
}

#[test]
fn a_bundle_that_is_not_what_it_was_is_refused_by_the_command() {
    let (network, _) = market();
    let place = &network.place;
    export(&network, "north-1", BIDS, "north.car", &[]);
    let whole = std::fs::read(place.path("north.car")).expect("a bundle");
    let write =
        |name: &str, bytes: &[u8]| std::fs::write(place.path(name), bytes).expect("written");
    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    write("flipped.car", &flipped);
    write("cut.car", &whole[..last]);
    let trust = ["--trust", "trust.json"];
    let verify = |file: &'static str| [&["audit", "verify", file][..], &trust].concat();
    place.refused("GP-BUNDLE-BLOCK", 10, &verify("flipped.car"));
    place.refused("GP-BUNDLE-MALFORMED", 16, &verify("cut.car"));
    place.refused("GP-BUNDLE-MALFORMED", 16, &verify("trust.json"));
    // A file that is there is not written over, and nothing is written where the export fails.
    let again = ["audit", "export", "--channel", BIDS, "--profile", "north-1", "-o", "north.car"];
    place.refused("GP-FILE-EXISTS", 8, &again);
    let unknown =
        ["audit", "export", "--channel", "flex.gb.none", "--profile", "north-1", "-o", "no.car"];
    assert_ne!(place.run(&unknown).status, 0);
    assert!(!place.path("no.car").exists());
    let no_thread = ["--channel", BIDS, "--profile", "north-1", "-o", "no.car", "--thread", "xyz"];
    let error =
        place.refused("GP-CID-MALFORMED", 16, &[&["audit", "export"][..], &no_thread].concat());
    assert!(error["next"].as_str().is_some_and(|n| n.contains("bafyrei")), "{error}");
    let error = place.refused("GP-NOT-KEPT", 5, &unknown);
    assert!(error["next"].as_str().is_some_and(|n| n.contains(BIDS)), "{error}");
    let before =
        ["--channel", BIDS, "--profile", "north-1", "-o", "no.car", "--at", "2001-01-01T00:00:00Z"];
    let error = place.refused("GP-USAGE", 2, &[&["audit", "export"][..], &before].concat());
    assert!(error["message"].as_str().is_some_and(|m| m.contains("trust pack is of")), "{error}");
    // Before the trust pack nothing can be verified, and an auditor signs no charter.
    let early = [&verify("north.car")[..], &["--at", "2001-01-01T00:00:00Z"]].concat();
    let error = place.refused("GP-CHARTER-SIGNERS-TOO-FEW", 14, &early);
    assert!(error["next"].as_str().is_some_and(|n| n.starts_with("Verify as of")), "{error}");
    let nobody = [&verify("north.car")[..], &["--explain", "xyz"]].concat();
    let error = place.refused("GP-NOT-KEPT", 5, &nobody);
    assert!(error["next"].as_str().is_some_and(|n| n.contains("--csv")), "{error}");
    // The trust pack of another framework.
    let other = Network::new();
    let pack = std::fs::read(other.place.path("trust.json")).expect("a pack");
    write("foreign.json", &pack);
    let ran = place.run(&["--json", "audit", "verify", "north.car", "--trust", "foreign.json"]);
    // It failed: a verdict, and no file that could not be read.
    assert_eq!((ran.status, &ran.json()["code"]), (10, &"GP-BUNDLE-FRAMEWORK".into()));
}

#[test]
fn reports_are_written_where_they_are_asked_for_all_or_none() {
    let (network, _) = market();
    let place = &network.place;
    export(&network, "north-1", BIDS, "north.car", &[]);
    let verify = ["audit", "verify", "north.car", "--trust", "trust.json"];
    let with = |more: &[&'static str]| [&verify[..], more].concat();
    for none in [
        &["--sample", "0"][..],
        &["--report", "-"],
        &["--csv", "-"],
        &["--html", "-"],
        &["--report", "one", "--html", "./one"],
        &["--report", "north.car", "--force"],
        &["--csv", "trust.json", "--force"],
    ] {
        place.refused("GP-USAGE", 2, &with(none));
    }
    place.refused("GP-FILE-NOT-WRITTEN", 3, &with(&["--report", "one", "--html", "no/such/two"]));
    assert!(!place.path("one").exists(), "all or none");
    place.ok(&with(&["--report", "one", "--html", "two"]));
    let first = place.read("one");
    place.refused("GP-FILE-EXISTS", 8, &with(&["--report", "one"]));
    let by_force = ["--report", "one", "--force", "--at", "2030-01-01T00:00:00Z"];
    place.ok(&with(&by_force));
    assert_ne!(place.read("one"), first, "replaced");
    // What was looked at stands in the first line, and what was selected below it.
    let sampled = place.ok(&with(&["--sample", "1", "--seed", "7"]));
    assert!(sampled.text().starts_with("PASSED (a sample of 1 of 4, seed 7)\n"), "{sampled:?}");
    assert!(sampled.text().contains("selected  all messages of the channel"), "{sampled:?}");
    // Two bundles of other messages do not disagree about what one did not select.
    let until = ["--until", "2001-01-01T00:00:00Z"];
    export(&network, "north-1", BIDS, "none.car", &until);
    let diff = ["audit", "diff", "north.car", "none.car"];
    let found = place.ok_json("gridpass.audit.diff/3", &diff);
    assert_eq!((&found["sameSelection"], &found["disagree"]), (&false.into(), &false.into()));
    assert_eq!(found["selections"]["second"]["until"], "2001-01-01T00:00:00Z");
    let kinds: Vec<_> =
        found["differences"].as_array().expect("a list").iter().map(|d| &d["kind"]).collect();
    assert_eq!(kinds, ["selection"; 4]);
    let told = place.ok(&diff);
    assert!(told.text().contains("THE SELECTIONS DIFFER"), "{told:?}");
    let same = place.ok(&["audit", "diff", "north.car", "north.car"]);
    assert!(same.text().ends_with("Nothing differs.\n"), "{same:?}");
}

#[test]
fn keys_of_sealed_messages_are_disclosed_only_when_asked_for() {
    let (network, _) = market();
    let place = &network.place;
    place.write("sealed.json", "{\"zone\": \"GB-1\", \"number\": 7}");
    let sent = network.ask("flexgen-1", &["send", SEALED, "bids", "sealed.json"]);
    let id = sent["id"].as_str().expect("an id").to_owned();
    until("the sealed message", || {
        let inbox = network.ask("north-1", &["inbox"]);
        let all = inbox["messages"].as_array()?.clone();
        all.into_iter().find(|m| m["id"] == id.as_str() && m["text"].is_string())
    });
    export(&network, "north-1", SEALED, "closed.car", &[]);
    let done = export(&network, "north-1", SEALED, "open.car", &["--disclose"]);
    assert_eq!(done["disclosedKeys"], 1);
    for (file, code) in [("closed.car", "GP-BUNDLE-INTACT"), ("open.car", "GP-FACTS-CONFIRMED")] {
        let report = verify(&network, file, &[]);
        assert_eq!(report["outcome"], "passed", "{file}: {}", report["messages"]);
        assert_eq!(report["messages"][0]["checks"][8]["code"], code, "{file}");
    }
}
