//! Decisions: everything but their sentences.

use crate::made::{Made, jcs, plain, with_code};
use crate::{Case, Found, refused};
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::decision::parse_admission;
use gridpass_policy::facts::{Admission, Question};
use gridpass_policy::policy::Policy;
use gridpass_tests::channels;
use gridpass_tests::messages::Market;
use gridpass_tests::world::{self, NOW, Party, days_ago};
use serde_json::{Value, json};

/// A decision from a descriptor, the facts about a sender and a question: everything but the sentences.
pub(crate) fn decision(case: &Case) -> Found {
    let text = |name: &str| case.text(name).unwrap_or_else(|| panic!("{name}")).as_bytes();
    let signed = SignedChannel::parse(text("descriptor")).expect("a descriptor");
    let policy = Policy::compile(signed.descriptor().clone()).expect("a policy");
    let (name, admission) = match parse_admission(text("admission"), None) {
        Ok(read) => read,
        Err(e) => return refused(e.code()),
    };
    let question: Question =
        serde_json::from_value(case.input["question"].clone()).expect("a question");
    let at = UnixMillis::parse_rfc3339(case.text("at").expect("a time")).expect("a time");
    let made = policy.decide(&mut policy.admit(admission), &question, at).expect("a decision");
    let reasons = made.reasons.iter().map(|r| {
        let causes: Vec<&str> = r.causes.iter().map(|c| c.code.as_str()).collect();
        json!({"code": r.code, "requirement": r.requirement, "causes": causes})
    });
    Found::from([
        ("admission", json!(name)),
        ("verdict", json!(made.verdict)),
        ("reasons", reasons.collect()),
        ("evidence", json!(made.evidence)),
    ])
}

/// The facts about a bidder, from a presentation that is verified.
struct Bidder {
    market: Market,
    admission: Admission,
}

impl Bidder {
    fn new(lists: impl FnOnce(&Market) -> Vec<StatusList>) -> Self {
        let market = Market::default();
        let bidder = Party::new(2);
        let shown = market.presentation(&bidder);
        let expect = gridpass_credentials::verify::Expectation {
            now: NOW,
            clock: NOW,
            audience: Some(market.channel.as_str()),
            nonce: None,
            presenter: Some(&bidder.did),
        };
        let report = world::verify(&shown, &market.trust, &lists(&market), &expect);
        let policy = market.policy();
        let admission = channels::admission(&policy, &bidder.did, &report, &market.trust);
        Self { market, admission }
    }

    fn case(
        &self,
        name: &str,
        question: Question,
        at: UnixMillis,
        bend: impl FnOnce(&mut Value),
    ) -> Made {
        let mut question = serde_json::to_value(question).expect("JSON");
        bend(&mut question);
        let (_, admission) = self.admission.encode().expect("a name");
        let descriptor = serde_json::to_value(&self.market.descriptor).expect("JSON");
        plain(
            name,
            json!({
                "descriptor": jcs(&descriptor),
                "admission": String::from_utf8(admission).expect("text"),
                "question": question,
                "at": at,
            }),
        )
    }
}

pub(crate) fn decisions() -> Vec<Made> {
    let one = Bidder::new(|m| m.lists(&[]));
    let bid = || channels::bid("GB-1", 100);
    let nothing = |_: &mut Value| ();
    let ends = NOW.plus_millis(90_000);
    let just = UnixMillis::new(ends.get() - 1);
    let index = world::visa(&one.market.regulator, &Party::new(2), &one.market.role, |_| ());
    let index = index.status_of(Purpose::Revocation).expect("an entry").index;
    let revoked = Bidder::new(|m| {
        let set = [Change { index, set: true, at: days_ago(2) }];
        vec![
            world::list(&m.regulator, Purpose::Revocation, &set),
            world::list(&m.regulator, Purpose::Suspension, &[]),
        ]
    });
    let unknown = Bidder::new(|_| Vec::new());
    // Its topic's version is retired 10 s later.
    let over = NOW.plus_millis(10_000);
    let mut retiring = Bidder::new(|m| m.lists(&[]));
    retiring.market.descriptor.topics[0].versions[0].retired = Some(over);
    let (channel, _) = ContentId::of_json(&retiring.market.descriptor).expect("a name");
    retiring.admission.channel = channel;
    let judged = |millis: u64| over.plus_millis(millis);
    let message =
        |name: &'static str, value: Value| move |q: &mut Value| q["publish"][name] = value;
    let mut cases = vec![
        one.case("a bid in its zone", bid(), NOW, nothing),
        one.case("in another zone", channels::bid("GB-2", 100), NOW, nothing),
        one.case("more than its capacity", channels::bid("GB-1", 501), NOW, nothing),
        one.case("both at once", channels::bid("GB-2", 501), NOW, nothing),
        one.case("before the facts count", bid(), UnixMillis::new(NOW.get() - 1), nothing),
        one.case("at the end of the skew after it expired", bid(), ends, nothing),
        one.case("a millisecond before", bid(), just, nothing),
        one.case("30 s ahead", bid(), NOW, message("issued", json!(NOW.plus_millis(30_000)))),
        one.case("further ahead", bid(), NOW, message("issued", json!(NOW.plus_millis(30_001)))),
        one.case("it expires when it is made", bid(), NOW, message("expires", json!(NOW))),
        one.case(
            "it counts for an hour",
            bid(),
            NOW,
            message("expires", json!(NOW.plus_millis(3_600_000))),
        ),
        one.case("for longer", bid(), NOW, message("expires", json!(NOW.plus_millis(3_600_001)))),
        one.case("the 600th in a minute", bid(), NOW, message("sentLastMinute", json!(599))),
        one.case("the 601st", bid(), NOW, message("sentLastMinute", json!(600))),
        one.case(
            "a recipient in a broadcast",
            bid(),
            NOW,
            message("recipients", json!(["did:example:a"])),
        ),
        one.case("sealed where nothing is", bid(), NOW, message("sealed", json!(true))),
        one.case("a payload that is too large", bid(), NOW, message("payloadBytes", json!(65537))),
        one.case("another topic", bid(), NOW, message("topic", json!("orders"))),
        one.case("another version", bid(), NOW, message("version", json!(2))),
        retiring.case("retired on its way", bid(), judged(0), nothing),
        retiring.case("at the end of the skew after it is retired", bid(), judged(30_000), nothing),
        retiring.case("a millisecond before that", bid(), judged(29_999), nothing),
        retiring.case("made when it is retired", bid(), NOW, message("issued", json!(over))),
        one.case("another media type", bid(), NOW, message("mediaType", json!("text/csv"))),
        one.case("two attributes are missing", bid(), NOW, message("attributes", json!({}))),
        one.case(
            "an attribute of another type",
            bid(),
            NOW,
            message("attributes", json!({"zone": "GB-1", "quantityKw": "5"})),
        ),
        one.case(
            "an attribute too many",
            bid(),
            NOW,
            message("attributes", json!({"zone": "GB-1", "quantityKw": 5, "x": 1})),
        ),
        one.case("nothing fits", bid(), NOW, |q| {
            let m = &mut q["publish"];
            m["topic"] = json!("orders");
            m["payloadBytes"] = json!(65537);
            m["sealed"] = json!(true);
            m["sentLastMinute"] = json!(600);
            m["signature"] =
                json!({"outcome": "failed", "code": "GP-SIGNATURE-INVALID", "sentence": "x"});
            m["payload"] =
                json!({"outcome": "failed", "code": "GP-PAYLOAD-SCHEMA", "sentence": "x"});
        }),
        one.case("to receive", Question::Subscribe, NOW, nothing),
        one.case("to keep", Question::Keep, NOW, nothing),
        revoked.case("the visa is revoked", bid(), NOW, nothing),
        unknown.case("no status list is at hand", bid(), NOW, nothing),
    ];
    cases.extend(arrivals());
    let not_canonical = {
        let (_, bytes) = one.admission.encode().expect("a name");
        String::from_utf8(bytes).expect("text").replacen(':', ": ", 1)
    };
    let descriptor = serde_json::to_value(&one.market.descriptor).expect("JSON");
    cases.push(with_code(
        "an admission with a space",
        json!({"descriptor": jcs(&descriptor),
        "admission": not_canonical, "question": "subscribe", "at": NOW}),
        "GP-DECISION-MALFORMED",
    ));
    cases
}

/// In a channel that asks twice when a bid came: that it was in time, and that it was not late.
fn arrivals() -> Vec<Made> {
    let mut gated = Bidder::new(|m| m.lists(&[]));
    let gate = NOW.plus_millis(90_000);
    let in_time = json!({"when": format!("arrived < '{gate}'")});
    let not_late = json!({"not": {"when": format!("arrived >= '{gate}'")}});
    gated.market.descriptor.publish.extend([
        channels::requirement("gate", "bids come before the gate", in_time),
        channels::requirement("not-late", "no bid comes after it", not_late),
    ]);
    let (channel, _) = gated.market.descriptor.encode().expect("a descriptor");
    gated.admission.channel = channel;
    let came = |at: UnixMillis| move |q: &mut Value| q["publish"]["arrived"] = json!(at);
    let bid = || channels::bid("GB-1", 100);
    let just = UnixMillis::new(gate.get() - 1);
    vec![
        gated.case("it came just before the gate", bid(), NOW, came(just)),
        gated.case("it came at the gate, and says that it was made before", bid(), NOW, came(gate)),
        gated.case("nobody says when it came", bid(), NOW, |_: &mut Value| ()),
    ]
}
