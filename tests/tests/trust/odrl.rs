//! Data-use terms against the cases that others published: what the subset covers comes out as they
//! say, and what it does not cover is refused by name.

use gridpass_credentials::content_id::ContentId;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::decision::Verdict;
use gridpass_policy::facts::{
    Admission, CheckFacts, Finding, Question, RestsOn, TrustFacts, UseFacts,
};
use gridpass_policy::odrl::{Action, Terms};
use gridpass_policy::policy::Policy;
use gridpass_tests::channels;
use gridpass_tests::world::Party;
use serde_json::{Value, json};

fn read(name: &str) -> Value {
    let path = gridpass_tests::root().join("spec/odrl").join(name);
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

fn compile(policy: &Value) -> Result<Policy, String> {
    let terms: Terms = serde_json::from_value(policy.clone()).map_err(|e| e.to_string())?;
    let owner = Party::new(1);
    let descriptor = channels::bids(&owner.did, |d| {
        d.terms = Some(terms);
        d.dated = UnixMillis::new(0); // the cases are from before this project
    });
    descriptor.encode().map_err(|e| e.to_string())?;
    Policy::compile(descriptor).map_err(|e| e.to_string())
}

fn verdict(policy: &Policy, request: &Value) -> Verdict {
    let text = |name: &str| request[name].as_str().map(str::to_owned);
    let at = UnixMillis::parse_rfc3339(&text("time").expect("a time")).expect("a time");
    let nothing = ContentId::of_nothing();
    let facts = Admission {
        document_type: gridpass_policy::facts::TYPE.into(),
        format_version: 1,
        channel: policy.id().clone(),
        sender: Did::parse(&text("party").expect("a party")).expect("a DID"),
        presentation: None,
        trust: TrustFacts {
            framework: policy.descriptor().framework.clone(),
            pack: nothing.clone(),
            charter: nothing,
        },
        judged: at,
        expires: at.plus_millis(1),
        standing: CheckFacts {
            outcome: Finding::Passed,
            code: "GP-TEST".into(),
            sentence: "assumed".into(),
        },
        visas: Vec::new(),
        node: None,
        lists: Vec::new(),
        rests_on: RestsOn::default(),
    };
    let asked = UseFacts {
        action: Action::parse(&text("action").expect("an action")).expect("of the subset"),
        target: text("target"),
        purpose: text("purpose"),
        undertakes: Vec::new(),
    };
    let mut admitted = policy.admit(facts);
    policy.rule(&mut admitted, &Question::Use(asked), at).verdict
}

fn run(cases: &Value, policies: &Value) -> (usize, usize) {
    let (mut ran, mut refused) = (0, 0);
    for case in cases.as_array().expect("cases") {
        let policy = case["policy"].as_str().map_or(&case["policy"], |id| &policies[id]);
        let compiled = compile(policy);
        match (case["refused"].as_str(), compiled) {
            (Some(why), Err(error)) => {
                assert!(error.contains(why), "{}: {error}", case["case"]);
                refused += 1;
            }
            (None, Ok(policy)) => {
                let expected = match case["expect"].as_str() {
                    Some("allow") => Verdict::Allow,
                    Some("deny") => Verdict::Deny,
                    other => panic!("{other:?}"),
                };
                assert_eq!(verdict(&policy, &case["request"]), expected, "{case}");
                ran += 1;
            }
            (_, compiled) => panic!("{}: {compiled:?}", case["case"]),
        }
    }
    (ran, refused)
}

#[test]
fn the_odrl_test_suite_comes_out_as_it_says() {
    let suite = read("test-suite.json");
    let (ran, refused) = run(&suite["cases"], &suite["policies"]);
    println!("{ran} come out as expected, {refused} are refused by name");
    assert_eq!(ran + refused, 68);
    assert!(ran >= 40, "{ran}");
}

#[test]
fn the_examples_of_the_formal_semantics_come_out_as_they_say() {
    let examples = read("formal-semantics.json");
    let (ran, refused) = run(&examples["cases"], &Value::Null);
    assert_eq!((ran, refused), (3, 2));
}

#[test]
fn what_the_subset_does_not_have_is_refused_and_never_ignored() {
    let policy = |rule: Value| json!({"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "permission": [rule]});
    let constrained = |left: &str, operator: &str, right: Value| {
        let constraint = json!({"leftOperand": left, "operator": operator, "rightOperand": right});
        policy(json!({"action": "read", "constraint": [constraint]}))
    };
    assert!(compile(&policy(json!({"action": "read"}))).is_ok());
    assert!(compile(&constrained("purpose", "eq", json!("settlement"))).is_ok());
    assert!(compile(&constrained("recipient", "isA", json!("flex.gb.dso"))).is_ok());
    for (bad, named) in [
        (constrained("spatial", "eq", json!("x")), "spatial"),
        (constrained("count", "lt", json!(5)), "count"),
        (constrained("purpose", "isPartOf", json!("x")), "isPartOf"),
        (constrained("dateTime", "isAnyOf", json!(["x"])), "isAnyOf"),
        (constrained("dateTime", "lt", json!("soon")), "time"),
        (policy(json!({"action": "stream"})), "stream"),
        (policy(json!({"action": "read", "remedy": []})), "remedy"),
        (policy(json!({"action": "read", "constraint": [{"xone": []}]})), "xone"),
        (
            policy(json!({"action": "read", "assignee": "https://x.example/people"})),
            "neither a DID nor a role",
        ),
        (
            json!({"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "obligation": []}),
            "obligation",
        ),
        (
            json!({"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "conflict": "perm"}),
            "conflict",
        ),
        (
            json!({"@context": "http://www.w3.org/ns/odrl.jsonld", "@type": "Set", "inheritFrom": "x"}),
            "inheritFrom",
        ),
        (json!({"@type": "Set"}), "@context"),
    ] {
        let error = compile(&bad).expect_err(named);
        assert!(error.contains(named), "{named}: {error}");
    }
}
