//! What the tests of scenarios share: names for participants, a moment, compiled schemas.

#![allow(dead_code)] // each test uses a part of it

pub(crate) mod walk;

use gridpass_examples::build::Names;
use gridpass_examples::content::Moment;
use gridpass_examples::documents::quantity::day_of;
use gridpass_examples::scenario::{Expect, Scenario, SendMessage, Step};
use gridpass_examples::schemas;
use gridpass_examples::table::AT;
use gridpass_identity::did::Did;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::payload::PayloadSchema;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DAY: u64 = 24 * 3_600_000;

/// DIDs at each participant's domain.
pub(crate) fn names(scenario: &Scenario) -> Names {
    let did = |domain: &str| Did::parse(&format!("did:web:{domain}")).expect("a DID");
    let dids = scenario.participants.iter().map(|p| (p.name.clone(), did(&p.domain()))).collect();
    let from = UnixMillis::new(AT.get().saturating_sub(DAY.saturating_mul(30)));
    let gate = day_of(moment(0).day);
    Names { dids, from, until: AT.plus_millis(300 * DAY), gate }
}

/// A moment of a run that trades the day after [`AT`].
pub(crate) fn moment(seed: u64) -> Moment {
    Moment { seed, day: AT.plus_millis(DAY), time: AT }
}

/// The document of a step.
pub(crate) fn text_of(scenario: &Scenario, step: &str) -> String {
    let bytes = scenario.document(step, &moment(7)).unwrap_or_else(|e| panic!("{step}: {e}"));
    String::from_utf8(bytes).expect("UTF-8")
}

/// What stands in a document after each `begin`, to the next quote or tag.
pub(crate) fn after<'t>(text: &'t str, begin: &str) -> Vec<&'t str> {
    text.split(begin).skip(1).filter_map(|rest| rest.split(['"', '<']).next()).collect()
}

/// The messages that are delivered, in order.
pub(crate) fn delivered(scenario: &Scenario) -> Vec<&SendMessage> {
    let sends = scenario.steps().filter_map(|(_, step)| step.send());
    sends.filter(|send| matches!(send.expect, Expect::Delivered(_))).collect()
}

/// Every schema, compiled once.
pub(crate) struct Schemas(BTreeMap<&'static str, PayloadSchema>);

impl Schemas {
    pub(crate) fn compile() -> Self {
        let compiled = |name| {
            let schema = schemas::find(name).expect("a schema").expect("a readable one");
            (name, schema.compile().unwrap_or_else(|e| panic!("{name}: {e}")))
        };
        Self(schemas::names().map(compiled).collect())
    }

    pub(crate) fn of(&self, name: &str) -> &PayloadSchema {
        self.0.get(name).unwrap_or_else(|| panic!("there is no schema {name}"))
    }

    /// The document fits, and is not empty.
    pub(crate) fn fit(&self, name: &str, document: &[u8], what: &str) {
        assert!(!document.is_empty(), "{what}");
        assert_eq!(self.of(name).validate(document), [], "{what}");
    }
}

/// The kinds of which no published scenario sends one, and what each answers.
fn others() -> Vec<(&'static str, Option<&'static str>, Value)> {
    let zone = "ea1.2026-01.example:NORTH";
    let profile = json!({"zone": zone, "first": 1, "quarters": 8, "peakKw": 9, "contract": "C-1"});
    vec![
        ("reservation", None, json!({"flex-reservation-update": profile})),
        (
            "metering",
            None,
            json!({"metering": {"ean": "E123456789012345678", "quarters": 9, "meanKw": 3}}),
        ),
        ("prognosis", None, json!({"d-prognosis": profile})),
        ("on-reservation", Some("reservation"), json!({"flex-response": {"result": "accepted"}})),
        (
            "on-metering",
            Some("metering"),
            json!({"flex-response": {"result": "rejected", "reason": "a < b & \"c\""}}),
        ),
        ("on-prognosis", Some("prognosis"), json!({"flex-response": {"result": "accepted"}})),
        ("on-request", Some("tender-north"), json!({"flex-response": {"result": "accepted"}})),
        (
            "on-offer",
            Some("bid-alpha"),
            json!({"flex-response": {"result": "rejected", "reason": "too dear"}}),
        ),
        (
            "on-settlement",
            Some("settlement-alpha"),
            json!({"flex-response": {"result": "rejected", "reason": "not so"}}),
        ),
        ("report", Some("activation-north"), json!({"delivery-report": {"deliveredPercent": 97}})),
        ("limits", None, json!({"operating-limits": {"zone": zone, "feeders": 3, "peakKw": 50}})),
        (
            "cannot",
            Some("activation-north"),
            json!({"activation-response": {"result": "rejected"}}),
        ),
    ]
}

/// The market day with a step for every kind of document.
pub(crate) fn every_kind() -> Scenario {
    let mut day = Scenario::default();
    let like = day.step("order-alpha").and_then(Step::send).expect("a message").clone();
    for (id, answers, document) in others() {
        let step = SendMessage {
            id: id.into(),
            reply_to: answers.map(str::to_owned),
            document: serde_json::from_value(document).expect("a plan"),
            ..like.clone()
        };
        day.phases.last_mut().expect("a phase").steps.push(Step::Send(step));
    }
    day
}
