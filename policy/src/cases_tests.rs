use super::*;
use crate::channel::ChannelDescriptor;
use crate::condition::Condition;
use crate::requirement::Requirement;
use crate::topic::Topic;
use gridpass_credentials::role::RoleName;
use serde_json::json;

fn policy() -> Policy {
    let name = RoleName::parse("flex.gb.bids").expect("a name");
    let owner = Did::parse("did:web:dso.example").expect("a DID");
    let (nothing, dated) = (ContentId::of_nothing(), UnixMillis::new(0));
    let mut channel = ChannelDescriptor::first(name, "Bids", owner, nothing.clone(), dated);
    channel.mode = Mode::Multicast;
    channel.topics = vec![Topic::first("bids", "Bids", "application/json", nothing)];
    let holds = |role: &str| {
        let condition = Condition::Role { role: role.to_owned(), comparisons: Vec::new() };
        vec![Requirement::new("role", "it has the role", condition)]
    };
    channel.publish = holds("flex.gb.aggregator");
    channel.subscribe = holds("flex.gb.dso");
    Policy::compile(channel).expect("a policy")
}

#[test]
fn a_case_that_cannot_be_decided_says_what_is_wrong_with_it() {
    let policy = policy();
    let run = |sender: &str, asks: Value| {
        let mut case = json!({"name": "it", "sender": sender, "expect": "deny"});
        if let (Some(case), Value::Object(asks)) = (case.as_object_mut(), asks) {
            case.extend(asks);
        }
        let file = json!({
            "type": CASES_TYPE, "formatVersion": 1, "title": "Bids", "channel": "bids.json",
            "at": "2026-03-01T12:00:00Z", "cases": [case],
        });
        let file = CaseFile::parse(file.to_string().as_bytes()).expect("cases");
        file.run(&file.cases[0], &policy).map(|result| result.name)
    };
    let alpha = "did:web:alpha.example";
    assert_eq!(run(alpha, json!({"subscribe": {}})), Ok("it".to_owned()));
    for (sender, asks, expected, said) in [
        (
            "alpha",
            json!({"subscribe": {}}),
            CaseError::Party("alpha".into()),
            r#""alpha" is no party and no DID"#,
        ),
        (
            alpha,
            json!({}),
            CaseError::Question,
            "a case has exactly one of publish, subscribe, keep, use",
        ),
        (
            alpha,
            json!({"publish": {"topic": "bids"}}),
            CaseError::Recipients("bids".into()),
            r#"the channel is no broadcast: say `to` whom "bids" goes"#,
        ),
    ] {
        let error = run(sender, asks).expect_err(said);
        assert_eq!((error.to_string().as_str(), error.code()), (said, codes::CASES_MALFORMED));
        assert_eq!(error, expected);
    }
}

#[test]
fn a_case_without_because_says_that_every_requirement_is_satisfied() {
    let differences = |because: Value| {
        let mut case = json!({"name": "it", "sender": "did:web:alpha.example", "expect": "deny", "subscribe": {}});
        if !because.is_null() {
            case["because"] = because;
        }
        let file = file(case).expect("cases");
        file.run(&file.cases[0], &policy()).expect("decided").differences
    };
    assert_eq!(differences(json!(["role"])), [""; 0]);
    let found = differences(Value::Null);
    assert!(found.len() == 1 && found[0].contains("names them in `because`"), "{found:?}");
}

fn file(case: Value) -> Result<CaseFile, JsonError> {
    let at = "2026-03-01T12:00:00Z";
    let file = json!({"type": CASES_TYPE, "formatVersion": 1, "title": "t", "channel": "c.json",
                      "at": at, "cases": [case]});
    CaseFile::parse(file.to_string().as_bytes())
}

/// As everywhere: other readers would take the one for the other.
#[test]
fn null_is_no_absent_member() {
    let usual = json!({"name": "n", "sender": "did:web:a.example", "expect": "allow",
                       "holds": [{"role": "a.b"}], "publish": {"topic": "bids"}});
    file(usual.clone()).expect("nothing is null");
    for (place, names) in [
        ("", &["at", "publish", "subscribe", "keep", "use"][..]),
        ("/holds/0", &["issuer", "standing"]),
        ("/publish", &["version", "issued", "expires", "arrived", "payloadBytes", "sealed"]),
        ("/publish", &["signature", "payload", "sentLastMinute"]),
    ] {
        for name in names {
            let mut case = usual.clone();
            let object = case.pointer_mut(place).and_then(Value::as_object_mut);
            object.expect("an object").insert((*name).to_owned(), Value::Null);
            assert!(file(case).is_err(), "{place}/{name}");
        }
    }
}

#[test]
fn a_message_of_a_case_comes_when_it_is_decided_or_when_it_says() {
    let mut descriptor = policy().descriptor().clone();
    descriptor.mode = Mode::Broadcast;
    let when = "arrived < '2026-03-01T12:01:30Z'".to_owned();
    descriptor.publish = vec![Requirement::new("gate", "in time", Condition::When { when })];
    let policy = Policy::compile(descriptor).expect("a policy");
    let run = |publish: Value, expect: &str, because: &[&str]| {
        let sender = "did:web:a.example";
        let case = json!({"name": "n", "sender": sender, "publish": publish, "expect": expect,
                          "because": because});
        let file = file(case).expect("cases");
        let differences = file.run(&file.cases[0], &policy).expect("a result").differences;
        (differences, table(&file).contains("come at 2026-03-01T12:0"))
    };
    assert_eq!(run(json!({"topic": "bids"}), "allow", &[]), (vec![], false));
    let came = |arrived: &str| json!({"topic": "bids", "arrived": arrived});
    assert_eq!(run(came("2026-03-01T12:01:29Z"), "allow", &[]), (vec![], true));
    assert_eq!(run(came("2026-03-01T12:01:30Z"), "deny", &["gate"]), (vec![], true));
}
