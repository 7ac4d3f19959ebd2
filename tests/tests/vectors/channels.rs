//! Channel descriptors with their requirements.

use crate::made::{Made, bent, signed, with_code, without};
use crate::{Case, Found, refused};
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_identity::time::UnixMillis;
use gridpass_policy::channel::SignedChannel;
use gridpass_policy::policy::Policy;
use gridpass_tests::channels;
use gridpass_tests::world::{NOW, Party, days_ago};
use serde_json::{Value, json};

/// A descriptor, signed or a draft: its name, whether its owner signed it, whether it follows another.
pub(crate) fn descriptor(case: &Case) -> Found {
    let read = |name: &str| SignedChannel::parse(case.text(name).expect("a descriptor").as_bytes());
    let signed = match read("descriptor") {
        Ok(signed) => signed,
        Err(e) => return refused(e.code()),
    };
    if let Err(e) = Policy::compile(signed.descriptor().clone()) {
        return refused(e.code());
    }
    let now = UnixMillis::parse_rfc3339(case.text("now").expect("a time")).expect("a time");
    let owner = signed.check_owner(&OfflineResolver::new(&NoSnapshots), now);
    let mut found = Found::from([
        ("cid", json!(signed.id())),
        ("outcome", json!(owner.outcome)),
        ("code", json!(owner.code)),
    ]);
    if case.input.contains_key("previous") {
        let check = signed.check_follows(&read("previous").expect("a descriptor"));
        found.insert("follows", json!({"outcome": check.outcome, "code": check.code}));
    }
    found
}

const OPERATOR: &str = "flex.gb.dso";

pub(crate) fn descriptors() -> Vec<Made> {
    let [owner, thief] = [1, 9].map(Party::new);
    let base = serde_json::to_value(channels::bids(&owner.did, |_| ())).expect("JSON");
    let cid = |d: &Value| ContentId::of_json(d).expect("a name").0;
    let text = |d: &Value| json!({"descriptor": d.to_string(), "now": NOW});
    let by = |d: &Value, who: &Party, at: UnixMillis| json!({"descriptor": signed(d, &[(who, at)]).to_string(), "now": NOW});
    let fine = |d: &Value| by(d, &owner, NOW);
    let dated = days_ago(20);
    let spelt = bent(&base, |d| d["keep"] = json!([]));
    let web = bent(&base, |d| d["owner"] = json!("did:web:owner.example"));
    let mut by_web = signed(&web, &[(&owner, NOW)]);
    by_web["proof"][0]["verificationMethod"] = json!("did:web:owner.example#k");
    let mut cases = vec![
        with_code("signed by its owner", fine(&base), "GP-CHANNEL-SIGNED"),
        with_code("a draft", text(&base), "GP-CHANNEL-NOT-SIGNED"),
        with_code("a draft with a default spelt out", text(&spelt), "GP-CHANNEL-NOT-SIGNED"),
        with_code("signed with a default spelt out", fine(&spelt), "GP-CHANNEL-MALFORMED"),
        with_code("signed by somebody else", by(&base, &thief, NOW), "GP-CHANNEL-NOT-SIGNED"),
        with_code(
            "signed five minutes before its date",
            by(&base, &owner, UnixMillis::new(dated.get() - 300_000)),
            "GP-CHANNEL-SIGNED",
        ),
        with_code(
            "signed earlier",
            by(&base, &owner, UnixMillis::new(dated.get() - 301_000)),
            "GP-CHANNEL-NOT-SIGNED",
        ),
        with_code("its owner's document is missing", text(&by_web), "GP-CHANNEL-NOT-SIGNED"),
    ];
    let before = signed(&base, &[(&owner, NOW)]).to_string();
    let next = bent(&base, |d| {
        d["version"] = json!(2);
        d["previous"] = json!(cid(&base));
        d["dated"] = json!(days_ago(2));
    });
    let version = |n: u64, schema: &[u8]| json!({"version": n, "mediaType": "application/json", "schema": ContentId::of_bytes(schema).expect("a name")});
    let follows: Vec<(&str, Value)> = vec![
        ("it follows", next.clone()),
        (
            "it adds a version",
            bent(&next, |d| {
                d["topics"][0]["versions"].as_array_mut().expect("a list").push(version(2, b"b"))
            }),
        ),
        ("it edits a version", bent(&next, |d| d["topics"][0]["versions"][0] = version(1, b"b"))),
        ("it has another name", bent(&next, |d| d["name"] = json!("flex.gb.offers"))),
        ("it is dated before", bent(&next, |d| d["dated"] = json!(days_ago(21)))),
        ("it names another before it", bent(&next, |d| d["previous"] = json!(cid(&spelt)))),
    ];
    for (name, document) in follows {
        let mut input = fine(&document);
        input["previous"] = json!(before);
        cases.push(with_code(name, input, "GP-CHANNEL-SIGNED"));
    }
    let limit = |name: &str, value: u64| bent(&base, |d| d["limits"][name] = json!(value));
    let bends: Vec<(&str, Value)> = vec![
        ("an unknown member", bent(&base, |d| d["note"] = json!("x"))),
        ("a member that is missing", without(&base, "receipts")),
        ("a later format", bent(&base, |d| d["formatVersion"] = json!(2))),
        ("no topic", bent(&base, |d| d["topics"] = json!([]))),
        (
            "two topics of one name",
            bent(&base, |d| d["topics"] = json!([d["topics"][0], d["topics"][0]])),
        ),
        (
            "versions that do not begin with 1",
            bent(&base, |d| d["topics"][0]["versions"][0]["version"] = json!(2)),
        ),
        (
            "a media type with a parameter",
            bent(&base, |d| d["topics"][0]["versions"][0]["mediaType"] = json!("text/csv;x=1")),
        ),
        (
            "a media type in upper case",
            bent(&base, |d| d["topics"][0]["versions"][0]["mediaType"] = json!("text/CSV")),
        ),
        (
            "an answer that is no topic",
            bent(&base, |d| d["topics"][0]["answeredBy"] = json!("orders")),
        ),
        (
            "an attribute's place without a slash",
            bent(&base, |d| d["topics"][0]["attributes"]["zone"]["from"] = json!("zone")),
        ),
        ("a payload of more than 1 MiB", limit("maxPayloadBytes", 1_048_577)),
        ("no message in a minute", limit("maxMessagesPerMinute", 0)),
        ("more than 256 recipients", limit("maxRecipients", 257)),
        ("a skew of more than 600 s", bent(&base, |d| d["clockSkewSeconds"] = json!(601))),
        ("version 2 without a predecessor", bent(&base, |d| d["version"] = json!(2))),
    ];
    cases.extend(bends.iter().map(|(name, d)| with_code(name, fine(d), "GP-CHANNEL-MALFORMED")));
    cases.extend(requirements(&base, &fine));
    cases
}

fn requirements(base: &Value, fine: &dyn Fn(&Value) -> Value) -> Vec<Made> {
    let with = |needs: Value| {
        fine(&bent(base, |d| d["publish"] = json!([{"id": "r", "says": "a rule", "needs": needs}])))
    };
    let told = |comparison: &str| with(json!({"role": OPERATOR, "where": [comparison]}));
    let when = |comparison: &str| with(json!({"when": comparison}));
    let hours = |from: &str, until: &str| with(json!({"hours": {"from": from, "until": until}}));
    let deep = (0..8).fold(json!({"role": OPERATOR}), |inner, _| json!({"not": inner}));
    let good: Vec<(&str, Value)> = vec![
        ("a claim beside a text", told("visa.zone == 'GB-1'")),
        ("double quotes", told("visa.zone == \"GB-1\"")),
        ("a set", told("visa.zone in ['GB-1', 'GB-2']")),
        ("a set of the visa", told("visa.zones contains message.zone")),
        ("the recipients within a set", told("recipients within visa.parties")),
        ("a time moved", told("time + 1h <= visa.until")),
        ("a time in a text", told("visa.until >= '2026-03-01T00:00:00Z'")),
        ("the issuer's authority", told("authority.zone == visa.zone")),
        ("without spaces", when("message.quantityKw<=-5")),
        (
            "every form of condition",
            with(json!({"all": [
                {"any": [{"role": OPERATOR}, {"not": {"role": "flex.gb.x"}}]},
                {"atLeast": 1, "of": [{"when": "sender != 'did:example:x'"}]},
                {"between": {"from": "2026-01-01T00:00:00Z"}},
                {"hours": {"from": "22:00", "until": "06:30", "offset": "-05:30", "days": ["mon", "sun"]}},
                {"did": ["did:example:a"]},
                {"consent": {"role": OPERATOR, "purpose": "'settlement'", "data": "message.zone", "about": "zone"}},
            ]})),
        ),
        ("until midnight", hours("06:00", "24:00")),
    ];
    let bad: Vec<(&str, Value)> = vec![
        ("a text without quotes", told("visa.zone == GB-1")),
        ("two literals", when("'a' == 'a'")),
        ("an operator that there is not", told("visa.zone =~ 'GB'")),
        ("one side alone", when("message.zone")),
        ("two comparisons in one", told("visa.zone == 'a' visa.zone == 'b'")),
        ("a quote that is not closed", told("visa.zone == 'GB-1")),
        ("a visa outside of a role", when("visa.zone == 'GB-1'")),
        ("the issuer outside of a role", when("issuer == sender")),
        ("an attribute that no topic has", when("message.price == 5")),
        ("an integer beside a text", when("message.quantityKw == 'GB-1'")),
        ("an order of texts", when("message.zone < 'GB-1'")),
        ("a duration beside an integer", when("message.quantityKw + 1h > 5")),
        ("an integer beyond 2^53 - 1", when("message.quantityKw <= 9007199254740992")),
        ("a name that is none", told("visa.1zone == 'a'")),
        ("a time that is none", told("visa.until >= time - 5y")),
        ("two forms in one condition", with(json!({"role": OPERATOR, "did": ["did:example:a"]}))),
        ("no form", with(json!({}))),
        ("all of nothing", with(json!({"all": []}))),
        ("at least none", with(json!({"atLeast": 0, "of": [{"role": OPERATOR}]}))),
        ("at least two of one", with(json!({"atLeast": 2, "of": [{"role": OPERATOR}]}))),
        ("nine deep", with(deep)),
        ("a time between nothing", with(json!({"between": {}}))),
        (
            "a time that ends before it begins",
            with(
                json!({"between": {"from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}}),
            ),
        ),
        ("hours of no length", hours("06:00", "06:00")),
        ("hours from 24:00", hours("24:00", "06:00")),
        ("an hour of one digit", hours("6:00", "07:00")),
        ("nobody in a list", with(json!({"did": []}))),
        ("a role that is no name", with(json!({"role": "operator"}))),
        ("nothing is asked", fine(&bent(base, |d| d["publish"] = json!([])))),
        (
            "two requirements of one id",
            fine(&bent(base, |d| d["publish"] = json!([d["publish"][0], d["publish"][0]]))),
        ),
        (
            "a message's attribute for subscribers",
            fine(&bent(base, |d| {
                d["subscribe"][0]["needs"] = json!({"when": "message.zone == 'GB-1'"})
            })),
        ),
        (
            "keepers where nothing is sealed",
            fine(&bent(base, |d| d["keep"] = d["subscribe"].clone())),
        ),
    ];
    let mut cases: Vec<Made> =
        good.into_iter().map(|(name, input)| with_code(name, input, "GP-CHANNEL-SIGNED")).collect();
    for (name, input) in bad {
        // What cannot be read as JSON of a condition is no descriptor; what can, and asks for what cannot be, is
        // no requirement.
        let malformed = ["two forms in one condition", "no form"].contains(&name);
        let code = if malformed { "GP-CHANNEL-MALFORMED" } else { "GP-REQUIREMENT-MALFORMED" };
        cases.push(with_code(name, input, code));
    }
    let cedar = |text: &str| {
        fine(&bent(base, |d| d["publish"] = json!([{"id": "r", "says": "a rule", "cedar": text}])))
    };
    cases.push(with_code(
        "a forbid in Cedar",
        cedar("forbid(principal, action, resource) when { context.time < 0 };"),
        "GP-CHANNEL-SIGNED",
    ));
    cases.push(with_code(
        "a permit in Cedar",
        cedar("permit(principal, action, resource);"),
        "GP-CEDAR-REFUSED",
    ));
    cases.push(with_code(
        "Cedar that does not validate",
        cedar("forbid(principal, action, resource) when { context.nothing };"),
        "GP-CEDAR-REFUSED",
    ));
    cases
}
