//! Channels and policies from the command line: the published cases, and the way of a developer from
//! an empty folder to a recorded decision.

use crate::common::Place;
use crate::common::waiting::wait_for_next_second;
use std::path::{Path, PathBuf};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/policy-cases");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the published cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().ends_with(".cases.json"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_published_policy_case_comes_out_as_it_says() {
    let place = Place::new();
    let mut count = 0;
    for file in cases() {
        let ran = place.run_bare(&["--json", "policy", "test", &file.display().to_string()]);
        assert_eq!(ran.status, 0, "{}: {}{}", file.display(), ran.text(), ran.stderr);
        count += ran.json()["cases"].as_u64().expect("a number");
        let channel = file.to_string_lossy().replace(".cases.json", ".channel.json");
        let lint = place.run_bare(&["--json", "policy", "lint", &channel]);
        assert_eq!(lint.status, 0, "{channel}: {}", lint.stderr);
    }
    assert!(count >= 50, "{count} cases");
}

#[test]
fn the_table_of_the_published_cases_is_the_one_in_the_folder() {
    let place = Place::new();
    let mut table = String::new();
    for file in cases() {
        let ran = place.run_bare(&["policy", "test", "--table", &file.display().to_string()]);
        table.push_str(ran.text().trim_end());
        table.push_str("\n\n");
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/policy-cases/README.md");
    let readme = std::fs::read_to_string(readme).expect("the table");
    let (_, published) = readme.split_once("<!-- the tables -->\n\n").expect("the mark");
    assert!(
        published.trim_end() == table.trim_end(),
        "write the tables anew: see the README there"
    );
}

/// From nothing to a decision that an auditor makes again, with files in between.
#[test]
fn a_developer_describes_a_channel_and_explains_what_it_decides() {
    let place = Place::new();
    let wallet = |profile: &str| {
        place.ok(&["init", "--name", profile, "--recovery-out", &format!("{profile}.txt")]);
        let location = format!("{profile}.example");
        let args = ["--profile", profile, "--method", "webvh", "--location", &location];
        place.new_identity("root", &args)
    };
    let (regulator, holder) = (["--profile", "regulator"], ["--profile", "agg"]);
    let with = |who: [&'static str; 2], args: &[&str]| place.ok(&[&who, args].concat());
    wallet("regulator");
    let did = wallet("agg");
    let define = ["role", "define", "flex.gb.aggregator", "--claim", "zone:string"];
    with(regulator, &define);
    with(regulator, &["charter", "new", "Flexibility", "--role", "flex.gb.aggregator"]);
    with(regulator, &["charter", "pack", "-o", "trust.json"]);
    with(holder, &["charter", "verify", "trust.json", "--adopt"]);

    // The channel: a draft, looked over, signed, kept.
    place.write("bid.json", r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["zone"], "properties": {"zone": {"type": "string"}}}"#);
    let new = [
        "channel",
        "new",
        "flex.gb.bids",
        "--publish",
        "flex.gb.aggregator:visa.zone == message.zone",
        "--topic",
        "bids=bid.json",
        "--attribute",
        "bids.zone=text:/zone",
        "-o",
        "bids.json",
    ];
    with(regulator, &new);
    let lint = place.ok_json(
        "gridpass.policy.lint/1",
        &["policy", "lint", "bids.json", "--trust", "trust.json"],
    );
    assert_eq!(lint["found"], serde_json::json!([]));
    place.refused(
        "GP-IDENTITY-NOT-FOUND",
        5,
        &[&holder[..], &["channel", "sign", "bids.json"]].concat(),
    );
    with(regulator, &["channel", "sign", "bids.json", "-o", "bids.signed.json"]);
    let shown = place.ok_json(
        "gridpass.channel.show/1",
        &[&regulator[..], &["channel", "show", "flex.gb.bids"]].concat(),
    );
    assert_eq!(shown["owner"]["outcome"], "passed");
    let cid = shown["cid"].as_str().expect("a CID").to_owned();

    // A visa, presented to the channel, and two bids that nobody sends.
    let issue = [
        "visa",
        "issue",
        "--to",
        &did,
        "--role",
        "flex.gb.aggregator",
        "--claim",
        "zone=GB-1",
        "-o",
        "visa.json",
    ];
    with(regulator, &issue);
    with(holder, &["visa", "accept", "visa.json"]);
    with(holder, &["visa", "present", "flex.gb.aggregator", "--to", &cid, "-o", "shown.json"]);
    let simulate = |zone: &str, more: &[&str]| {
        let attribute = format!("zone={zone}");
        let args = [
            "policy",
            "simulate",
            "bids.signed.json",
            "shown.json",
            "--topic",
            "bids",
            "--attribute",
            &attribute,
            "--trust",
            "trust.json",
        ];
        place.run(&[&["--json"], &args[..], more].concat())
    };
    let allowed = simulate("GB-1", &[]);
    assert_eq!(
        (allowed.status, &allowed.json()["decision"]["verdict"]),
        (0, &"allow".into()),
        "{}",
        allowed.stderr
    );
    std::fs::create_dir(place.path("out")).expect("a folder");
    let out = place.path("out").display().to_string();
    let denied = simulate("GB-2", &["--record", &out]);
    assert_eq!(denied.status, 15, "{}", denied.text());
    assert_eq!(denied.json()["decision"]["reasons"][0]["causes"][0]["code"], "GP-VALUE-DIFFERS");

    // The auditor makes it again; an altered record is found out.
    let explain = |decision: &str| {
        let args = [
            "--json",
            "policy",
            "explain",
            decision,
            "--admission",
            "out/admission.json",
            "--channel",
            "bids.signed.json",
        ];
        place.run_bare(&args)
    };
    let explained = explain("out/decision.json");
    assert_eq!(
        (explained.status, &explained.json()["recomputed"]),
        (0, &true.into()),
        "{}",
        explained.stderr
    );
    assert!(explained.json()["cedar"].as_str().expect("Cedar").contains("forbid"));
    let altered =
        place.read("out/decision.json").replace("\"verdict\":\"deny\"", "\"verdict\":\"allow\"");
    place.write("altered.json", &altered);
    let refused = explain("altered.json");
    assert_eq!((refused.status, &refused.error()["code"]), (10, &"GP-DECISION-DIFFERS".into()));

    // Payloads, and the next version of their schema.
    place.write("good.json", r#"{"zone": "GB-1"}"#);
    place.write("bad.json", r#"{"zone": 1}"#);
    place.ok(&["schema", "validate", "bid.json", "good.json"]);
    let ran =
        place.run_bare(&["--json", "schema", "validate", "bid.json", "good.json", "bad.json"]);
    assert_eq!(
        (ran.status, &ran.json()["payloads"][1]["violations"][0]["place"]),
        (10, &"/zone".into())
    );
    place.write("bid-2.json", &place.read("bid.json").replace("[\"zone\"]", "[\"zone\", \"kw\"]"));
    let ran = place.run_bare(&["--json", "topic", "check", "bid.json", "bid-2.json"]);
    assert_eq!(
        (ran.status, &ran.json()["backward"]["outcome"]),
        (10, &"failed".into()),
        "{}",
        ran.stderr
    );
    with(
        regulator,
        &["topic", "add", "flex.gb.bids", "bids", "--schema", "bid-2.json", "-o", "bids-2.json"],
    );
    let diff = place.ok_json(
        "gridpass.channel.diff/1",
        &["channel", "diff", "bids.signed.json", "bids-2.json"],
    );
    assert_eq!(diff["follows"], true, "{diff:#}");

    // Under version 1 of the topic, another schema: what was said there would be read by it.
    let mut broken: serde_json::Value =
        serde_json::from_str(&place.read("bids-2.json")).expect("a descriptor");
    let versions = broken["topics"][0]["versions"].as_array_mut().expect("versions");
    let second = versions.pop().expect("the second");
    versions[0]["schema"] = second["schema"].clone();
    place.write("broken.json", &broken.to_string());
    let diff = ["--json", "channel", "diff", "bids.signed.json", "broken.json"];
    let ran = place.run_bare(&diff);
    assert_eq!((ran.status, &ran.json()["follows"]), (10, &false.into()), "{}", ran.stderr);
    assert_eq!(ran.json()["history"]["code"], "GP-CHANNEL-HISTORY-BROKEN");
    let same = place.run_bare(&["channel", "diff", "broken.json", "broken.json"]);
    assert_eq!(same.status, 0, "{}", same.stderr);
    let sign = |file: &'static str| [&regulator[..], &["channel", "sign", file]].concat();
    place.refused("GP-CHANNEL-HISTORY-BROKEN", 10, &sign("broken.json"));
    let list = [&regulator[..], &["channel", "list"]].concat();
    let kept = || place.ok_json("gridpass.channel.list/1", &list)["channels"].clone();
    assert_eq!(kept().as_array().map(Vec::len), Some(1), "nothing is kept");
    place.ok(&sign("bids-2.json"));
    assert_eq!(kept().as_array().map(Vec::len), Some(2));

    // Another second version: with some peers the one would count, with others the other.
    for (file, title) in [("corrected.json", "Corrected"), ("third.json", "A third")] {
        let mut other: serde_json::Value =
            serde_json::from_str(&place.read("bids-2.json")).expect("a descriptor");
        other["title"] = title.into();
        place.write(file, &other.to_string());
    }
    let first = kept()[1]["cid"].as_str().expect("a CID").to_owned();
    let refused = place.refused("GP-CHANNEL-FORK", 8, &sign("corrected.json"));
    let next = refused["next"].as_str().expect("what to do").to_owned();
    assert!(next.contains(&format!("gridpass channel remove {first}")), "{next}");
    assert_eq!(kept().as_array().map(Vec::len), Some(2), "nothing is kept");
    // Nobody was given it: it is put right.
    let remove = |name: &str| {
        let args = [&regulator[..], &["channel", "remove", name]].concat();
        place.ok_json("gridpass.channel.remove/1", &args)
    };
    assert_eq!((&remove(&first)["version"], kept().as_array().map(Vec::len)), (&2.into(), Some(1)));
    place.ok(&sign("corrected.json"));
    place.ok(&sign("corrected.json"));
    assert_eq!(kept().as_array().map(Vec::len), Some(2));
    // Where both are to be, the name means neither, until one is gone.
    place.refused("GP-CHANNEL-FORK", 8, &sign("third.json"));
    place.ok(&[&sign("third.json")[..], &["--fork"]].concat());
    let third = kept()[2]["cid"].as_str().expect("a CID").to_owned();
    let show = [&regulator[..], &["channel", "show", "flex.gb.bids"]].concat();
    place.refused("GP-CHANNEL-FORK", 8, &show);
    let by_name = [&regulator[..], &["channel", "remove", "flex.gb.bids"]].concat();
    place.refused("GP-CHANNEL-AMBIGUOUS", 8, &by_name);
    remove(&third);
    place.ok(&show);
}

/// A key of the owner's is marked: nothing shows any more that it signed its channels.
#[test]
fn channels_that_hang_on_a_marked_key_are_named_and_signed_anew() {
    let place = Place::new();
    place.ok(&["init", "--name", "owner", "--recovery-out", "words.txt"]);
    place.new_identity("root", &["--method", "webvh", "--location", "owner.example"]);
    place.ok(&["role", "define", "flex.gb.operator", "--claim", "zone:string"]);
    place.ok(&["charter", "new", "X", "--role", "flex.gb.operator"]);
    place.write(
        "any.json",
        r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}"#,
    );
    let new = ["channel", "new", "flex.gb.data", "--publish", "flex.gb.operator"];
    place.ok(&[&new[..], &["--topic", "t=any.json", "-o", "data.json"]].concat());
    place.ok(&["channel", "sign", "data.json", "-o", "data.signed.json"]);
    let show = |file: &str| place.ok_json("gridpass.channel.show/1", &["channel", "show", file]);
    let shown = show("data.signed.json");
    let cid = shown["cid"].as_str().expect("a CID");
    assert_eq!(shown["owner"]["outcome"], "passed");
    wait_for_next_second();
    let rotate = ["id", "rotate", "root", "--compromised-since", "2020-01-01T00:00:00Z"];
    let rotated = place.ok_json("gridpass.id.rotate/1", &rotate);
    let named = serde_json::json!([{"channel": cid, "name": "flex.gb.data", "version": 1}]);
    assert_eq!(rotated["channels"], named);
    assert_ne!(show("data.signed.json")["owner"]["outcome"], "passed");
    // The wallet has it: no file is looked for.
    place.ok(&["channel", "sign", cid, "-o", "again.json"]);
    let again = show("again.json");
    assert_eq!((&again["cid"], &again["owner"]["outcome"]), (&shown["cid"], &"passed".into()));
    // In good order, nothing hangs on what is replaced.
    wait_for_next_second();
    let rotated = place.ok_json("gridpass.id.rotate/1", &["id", "rotate", "root"]);
    assert_eq!(rotated["channels"], serde_json::json!([]));
    assert_eq!(show("again.json")["owner"]["outcome"], "passed");
}

/// What can never hold is found before it is signed; what may hold is no error.
#[test]
fn lint_looks_at_issuers_at_recipients_and_at_schemas_that_refer() {
    let place = Place::new();
    place.ok(&["init", "--name", "regulator", "--recovery-out", "words.txt"]);
    place.new_identity("root", &["--method", "webvh", "--location", "regulator.example"]);
    place.ok(&["role", "define", "flex.gb.operator", "--claim", "zone:string"]);
    let by_operators = ["--issued-by", "flex.gb.operator", "--claim", "zone:string"];
    place.ok(&[&["role", "define", "flex.gb.customer"], &by_operators[..]].concat());
    place.write("claims.json", r##"{"type": "object", "allOf": [{"$ref": "#/$defs/zone"}], "$defs": {"zone": {"properties": {"zone": {"type": "string"}}, "required": ["zone"]}}}"##);
    place.ok(&["role", "define", "flex.gb.bidder", "--claims-schema", "claims.json"]);
    let roles = ["--role", "flex.gb.operator", "--role", "flex.gb.customer"];
    place.ok(&[&["charter", "new", "X", "--role", "flex.gb.bidder"], &roles[..]].concat());
    place.write(
        "any.json",
        r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"}"#,
    );
    let lint = |publish: &str, mode: &str| {
        let new = ["channel", "new", "flex.gb.data", "--publish", publish, "--mode", mode];
        let more = ["--subscribe", "flex.gb.operator", "--topic", "t=any.json"];
        place.ok(&[&new[..], &more, &["--force", "-o", "data.json"]].concat());
        let ran = place.run(&["--json", "policy", "lint", "data.json"]);
        let json = ran.json();
        let found = json["found"].as_array().expect("found").iter();
        let found = found.map(|f| {
            let text = |member: &str| f[member].as_str().expect("text").to_owned();
            (text("level"), text("code"), text("sentence"))
        });
        (ran.status, found.collect::<Vec<_>>())
    };
    assert_eq!(lint("flex.gb.customer:visa.zone == authority.zone", "broadcast"), (0, vec![]));
    let (status, found) = lint("flex.gb.customer:visa.zone == authority.zonne", "broadcast");
    assert_eq!((status, found.len()), (10, 1), "{found:?}");
    assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("error", "GP-LINT-CLAIM"));
    assert!(found[0].2.contains("authority.zonne"), "{found:?}");
    // Its issuers are named, and need no visa.
    let (status, found) = lint("flex.gb.operator:visa.zone == authority.zone", "broadcast");
    assert_eq!((status, found.len()), (10, 1), "{found:?}");
    let (status, found) = lint("flex.gb.bidder:visa.zone == 'GB-1'", "broadcast");
    assert_eq!((status, found.len()), (0, 1), "{found:?}");
    assert_eq!(found[0].0, "warning");
    let to_zone = "flex.gb.customer:visa.zone == recipient";
    let (status, found) = lint(to_zone, "broadcast");
    assert_eq!((status, found.len()), (0, 1), "{found:?}");
    assert_eq!(found[0].1, "GP-LINT-RECIPIENTS");
    assert_eq!(lint(to_zone, "unicast"), (0, vec![]));
    // What is over by now is told, too.
    let mut over: serde_json::Value =
        serde_json::from_str(&place.read("data.json")).expect("a descriptor");
    over["topics"][0]["versions"][0]["retired"] = "2026-01-01T00:00:00Z".into();
    place.write("over.json", &over.to_string());
    let ran = place.run(&["--json", "policy", "lint", "over.json"]);
    let codes: Vec<_> = ran.json()["found"].as_array().expect("found").to_vec();
    assert_eq!((ran.status, codes.len()), (0, 1), "{codes:?}");
    assert_eq!(codes[0]["code"], "GP-LINT-OVER");
}

/// A gate: what is dated back passes it by catching up, unless it asks when a message came.
#[test]
fn lint_hints_at_a_gate_and_a_case_says_when_its_message_came() {
    let place = Place::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/policy-cases");
    let lint = |name: &str| {
        let channel = folder.join(name).display().to_string();
        let found = place.run_bare(&["--json", "policy", "lint", &channel]).json();
        let found = found["found"].as_array().expect("found").clone();
        found.iter().filter(|f| f["code"] == "GP-LINT-ARRIVAL").count()
    };
    // It asks for `time + 1h <= message.deliveryStart`, of either topic.
    assert_eq!((lint("bids.channel.json"), lint("gates.channel.json")), (2, 0));
    let cases = folder.join("gates.cases.json").display().to_string();
    let name = "Dated before the gate, and given when it was asked for, after it";
    let explained = place.run_bare(&["policy", "explain", &cases, "--case", name, "--no-cedar"]);
    let text = explained.text();
    assert!(text.contains("  came       2026-03-02T10:20:00Z\n"), "{text}");
    assert!(text.contains("GP-VALUE-DIFFERS"), "{text}");
}
