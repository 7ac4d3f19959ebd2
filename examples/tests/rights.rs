//! What a document says of its sender, its area and its time is held against the sender's own rights:
//! each document that a scenario delivers is refused as soon as it says another thing.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)] // tests may overflow, and then fail

mod common;

use common::walk::Walk;
use common::{Schemas, text_of};
use gridpass_examples::scenario::{Expect, Scenario, SendMessage, Step};
use gridpass_policy::decision::Verdict;
use serde_json::json;

/// How a document of IEC 62325 begins to name its sender.
const SENDER: &str = "<sender_MarketParticipant.mRID codingScheme=\"A01\">";

/// What comes of a message with this payload.
fn decided(walk: &Walk<'_>, send: &SendMessage, payload: &str, at: Option<&str>) -> Verdict {
    let mut message = json!({"topic": send.topic, "to": send.to});
    message["attributes"] = walk.attributes(send, payload.as_bytes()).into();
    let mut row = walk.row(&send.channel, &send.from, ("publish", message));
    if let Some(at) = at {
        row["at"] = at.into();
    }
    walk.decide(row).0
}

#[test]
fn nobody_sends_a_document_in_the_name_of_another() {
    for scenario in Scenario::all() {
        let mut walk = Walk::new(&scenario);
        let mut tried = 0;
        for (_, step) in scenario.steps() {
            let send = match step {
                Step::Issue(issue) => {
                    walk.issued.insert(issue.visa.clone());
                    continue;
                }
                Step::Revoke(revoke) => {
                    walk.revoked.insert(revoke.visa.clone());
                    continue;
                }
                Step::Send(send) if matches!(send.expect, Expect::Delivered(_)) => send,
                _ => continue,
            };
            let text = text_of(&scenario, &send.id);
            let me = scenario.participant(&send.from).expect("a participant");
            for other in scenario.participants.iter().filter(|p| p.name != me.name) {
                let names = [
                    (format!(" SenderDomain=\"{}\"", me.domain()), other.domain()),
                    (format!("{SENDER}{}", me.eic), other.eic.clone()),
                    (format!("\"provider\": \"{}\"", me.eic), other.eic.clone()),
                ];
                for (said, instead) in names {
                    let own = if said.contains("Domain") { me.domain() } else { me.eic.clone() };
                    let changed = text.replacen(&said, &said.replace(&own, &instead), 1);
                    if changed == text {
                        continue;
                    }
                    tried += 1;
                    let place = format!("{}: {}: {instead}", scenario.name, send.id);
                    assert_eq!(decided(&walk, send, &changed, None), Verdict::Deny, "{place}");
                }
            }
        }
        assert!(tried > 0, "{}: no document names its sender", scenario.name);
    }
}

#[test]
fn no_series_is_of_another_area_than_the_header_names() {
    let schemas = Schemas::compile();
    let mut tried = 0;
    for scenario in Scenario::all() {
        for (_, step) in scenario.steps() {
            let Some(send) = step.send().filter(|s| s.spoil.is_none()) else { continue };
            let text = text_of(&scenario, &send.id);
            for name in ["acquiring", "connecting"] {
                let begin = format!("<{name}_Domain.mRID codingScheme=\"A01\">");
                // The last series: an attribute would see the only one, or none.
                let Some(at) = text.rfind(&begin).map(|at| at + begin.len()) else { continue };
                let (before, after) = (&text[..at], &text[at + 16..]);
                let changed = format!("{before}99YELSEWHERE---1{after}");
                let found = schemas.of(send.document.schema()).validate(changed.as_bytes());
                assert!(!found.is_empty(), "{}: {}: {name}", scenario.name, send.id);
                tried += 1;
            }
        }
    }
    assert!(tried > 50, "{tried}");
}

#[test]
fn the_gate_is_the_market_operators_and_not_the_bidders() {
    let spain = Scenario::by_name("onenet-spain").expect("a scenario");
    let mut walk = Walk::new(&spain);
    walk.issued = spain.participants.iter().flat_map(|p| &p.visas).map(|v| v.id.clone()).collect();
    let send = spain.step("offer").and_then(Step::send).expect("a message");
    let text = text_of(&spain, "offer");
    let own = " ExpirationDateTime=\"2026-03-03T00:00:00Z\"";
    let later = text.replacen(own, " ExpirationDateTime=\"2029-12-31T23:59:59Z\"", 1);
    assert_ne!(later, text, "the offer ends when the day begins");
    for payload in [&text, &later] {
        assert_eq!(decided(&walk, send, payload, Some("2026-03-02T23:59:59Z")), Verdict::Allow);
        assert_eq!(decided(&walk, send, payload, Some("2026-03-03T00:00:01Z")), Verdict::Deny);
    }
}
