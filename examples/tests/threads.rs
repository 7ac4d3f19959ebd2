//! The documents of a process hold together: what answers another one says what that one says, and
//! gives no more than was asked for.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)] // tests may overflow, and then fail

mod common;

use common::{after, delivered, moment, text_of};
use gridpass_examples::content::Moment;
use gridpass_examples::documents::DocumentPlan;
use gridpass_examples::scenario::{Expect, Kind, Phase, Scenario, SendMessage, Step};
use std::collections::{BTreeMap, BTreeSet};

const ORDER: &str = "<order_MarketDocument.mRID>";
const RESOURCE: &str = "<registeredResource.mRID codingScheme=\"A01\">";

fn answered<'s>(scenario: &'s Scenario, send: &SendMessage) -> Option<&'s SendMessage> {
    send.reply_to.as_deref().and_then(|id| scenario.step(id)).and_then(Step::send)
}

/// Watts by quarter of the day, whichever way they go.
fn powers(text: &str) -> BTreeMap<u32, i64> {
    let starts = after(text, " Start=\"").into_iter().map(|n| n.parse().expect("a number"));
    let powers = after(text, " Power=\"").into_iter();
    starts.zip(powers.map(|n| n.parse::<i64>().expect("a number").abs())).collect()
}

/// Kilowatts of `1.234`, megawatts.
fn kilo(mega: &str) -> i64 {
    let digits = mega.replace('.', "");
    assert_eq!(mega.len() - mega.find('.').expect("decimals"), 4, "{mega}");
    digits.parse().expect("a number")
}

#[test]
fn a_call_never_exceeds_its_order_and_covers_it() {
    let mut tried = 0;
    for scenario in Scenario::all().iter().flat_map(|s| [s.clone(), s.scaled(3)]) {
        for send in delivered(&scenario) {
            let DocumentPlan::Activation(_) = send.document else { continue };
            let Some(before) = answered(&scenario, send) else { continue };
            let bound = match &before.document {
                DocumentPlan::FlexOrder(_) => before.id.clone(),
                DocumentPlan::MarketResult(result) => {
                    let mut taken = result.taken.iter();
                    let by = |id: &&String| {
                        scenario.step(id).and_then(Step::send).is_some_and(|s| s.from == send.to[0])
                    };
                    taken.find(by).expect("a bid of the provider").clone()
                }
                _ => continue,
            };
            let bound = text_of(&scenario, &bound);
            // Of an offer the first option.
            let bound = bound.split("</OfferOption>").next().expect("an option");
            let (ordered, call) = (powers(bound), text_of(&scenario, &send.id));
            if ordered.is_empty() {
                continue; // a bid in the form of IEC 62325
            }
            let place = format!("{}: {}", scenario.name, send.id);
            let called = after(&call, "<quantity>");
            assert_eq!(called.len(), ordered.len(), "{place}: every quarter that was ordered");
            for (called, (quarter, watts)) in called.into_iter().zip(&ordered) {
                let watts_called = kilo(called) * 1000;
                assert!((1..=*watts).contains(&watts_called), "{place}: {quarter}: of {watts} W");
            }
            let first = ordered.keys().next().expect("a quarter") - 1;
            let begins = format!("T{:02}:{:02}Z", first / 4, first % 4 * 15);
            let starts = after(&call, "<start>");
            assert!(starts.iter().all(|t| t.ends_with(&begins)), "{place}: {starts:?}");
            tried += 1;
        }
    }
    assert!(tried >= 12, "{tried}");
}

#[test]
fn references_hold_together_from_the_first_document_to_the_last() {
    for scenario in Scenario::all().iter().flat_map(|s| [s.clone(), s.scaled(3)]) {
        let mut resources: BTreeMap<String, String> = BTreeMap::new();
        for send in delivered(&scenario) {
            let place = format!("{}: {}", scenario.name, send.id);
            let text = text_of(&scenario, &send.id);
            let before = answered(&scenario, send);
            let other = before.map(|b| text_of(&scenario, &b.id)).unwrap_or_default();
            match (&send.document, before.map(|b| &b.document)) {
                // An answer, and a call that is passed on, name the order of what they answer.
                (
                    DocumentPlan::ActivationResponse(_) | DocumentPlan::Activation(_),
                    Some(DocumentPlan::Activation(_)),
                ) => assert_eq!(after(&text, ORDER), after(&other, ORDER), "{place}"),
                (DocumentPlan::Activation(_), Some(DocumentPlan::FlexOrder(_))) => {
                    assert_eq!(after(&text, ORDER), after(&other, " OrderReference=\""), "{place}");
                }
                (
                    DocumentPlan::PrequalificationRequest(_),
                    Some(DocumentPlan::PrequalificationRequest(_)),
                ) => {
                    // All but its own name and time.
                    let rest =
                        |text: &str| text.split_once("\"zone\"").expect("a zone").1.to_owned();
                    assert_eq!(rest(&text), rest(&other), "{place}");
                }
                (
                    DocumentPlan::FlexOffer(_)
                    | DocumentPlan::FlexOrder(_)
                    | DocumentPlan::FlexSettlement(_),
                    Some(_),
                ) => {
                    let contract = " ContractID=\"";
                    let said: Vec<&str> =
                        after(&text, contract).into_iter().filter(|c| *c != "none").collect();
                    assert_eq!(said, after(&other, contract), "{place}");
                }
                _ => {}
            }
            if let DocumentPlan::Activation(_) = send.document {
                let own = after(&text, "<mRID>")[0];
                assert_ne!(after(&text, ORDER), [own], "{place}: it is not its own order");
                let knows = before.is_none_or(|b| {
                    let Expect::Delivered(readers) = &b.expect else { return false };
                    b.from == send.from || readers.contains(&send.from)
                });
                assert!(knows, "{place}: it calls on what it cannot read");
            }
            // Whoever provides a resource has it alone.
            let provider = match &send.document {
                DocumentPlan::ReserveBid(_) => &send.from,
                DocumentPlan::Activation(_) => &send.to[0],
                _ => continue,
            };
            for resource in after(&text, RESOURCE) {
                let known = resources.entry(resource.to_owned()).or_insert(provider.clone());
                assert_eq!(known, provider, "{place}: {resource}");
            }
        }
    }
}

#[test]
fn every_document_has_a_name_of_its_own_in_every_scenario_and_on_every_day() {
    let mut seen = BTreeSet::new();
    let (today, mut tomorrow) = (moment(1), moment(1));
    tomorrow.day = tomorrow.day.plus_millis(24 * 3_600_000);
    for scenario in Scenario::all() {
        for send in delivered(&scenario) {
            for moment in [&today, &tomorrow] {
                let id = scenario.document_id(&send.id, moment);
                assert!(seen.insert(id), "{}: {}", scenario.name, send.id);
            }
        }
        let order = scenario.steps().find_map(|(_, step)| {
            let send = step.send()?;
            matches!(send.document, DocumentPlan::Activation(_)).then_some(send.id.as_str())
        });
        let Some(order) = order else { continue };
        let of = |moment: &Moment| {
            let text = scenario.document(order, moment).expect("a document");
            after(&String::from_utf8(text).expect("UTF-8"), ORDER)[0].to_owned()
        };
        assert!(seen.insert(of(&today)), "{}: {order}", scenario.name);
        assert!(seen.insert(of(&tomorrow)), "{}: {order}", scenario.name);
    }
}

#[test]
fn a_call_for_offers_goes_to_somebody_who_can_answer_it() {
    for scenario in Scenario::all() {
        for send in delivered(&scenario) {
            let text = text_of(&scenario, &send.id);
            let place = format!("{}: {}", scenario.name, send.id);
            let recipient = after(&text, " RecipientDomain=\"");
            let named = scenario.participants.iter().find(|p| [p.domain().as_str()] == *recipient);
            match &send.document {
                DocumentPlan::FlexRequest(_) => {
                    let kind = named.map(|p| p.kind);
                    let can = matches!(kind, Some(Kind::Aggregator | Kind::Resource));
                    assert!(can, "{place}: {recipient:?}");
                }
                DocumentPlan::FlexOffer(_) => {
                    let asked = answered(&scenario, send).expect("a request");
                    let named = named.map(|p| p.name.as_str());
                    assert_eq!(named, Some(asked.from.as_str()), "{place}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn what_is_measured_and_settled_is_written_after_the_day() {
    let mut tried = 0;
    for scenario in Scenario::all() {
        for (phase, step) in scenario.steps() {
            let Some(send) = step.send() else { continue };
            let text = text_of(&scenario, &send.id);
            let mut times = after(&text, " TimeStamp=\"");
            times.extend(after(&text, "\"created\": \""));
            times.extend(after(&text, "<createdDateTime>"));
            for time in times {
                let late = matches!(phase.phase, Phase::Metering | Phase::Settlement);
                // The day that is traded is the third of March.
                let place = format!("{}: {}: {time}", scenario.name, send.id);
                assert_eq!(time >= "2026-03-04T00:00:00Z", late, "{place}");
                tried += 1;
            }
        }
    }
    assert!(tried > 80, "{tried}");
}

#[test]
fn however_many_there_are_no_more_is_ordered_than_is_requested() {
    for scenario in Scenario::all() {
        for times in [1, 3, Scenario::MAX_SCALE] {
            let scenario = scenario.scaled(times);
            let mut left: BTreeMap<String, BTreeMap<u32, i64>> = BTreeMap::new();
            for send in delivered(&scenario) {
                let DocumentPlan::FlexOrder(_) = send.document else { continue };
                let offer = answered(&scenario, send).expect("an offer");
                let request = answered(&scenario, offer).expect("a request");
                let requested = || {
                    let text = text_of(&scenario, &request.id);
                    let number = |n: &str| n.parse::<i64>().expect("a number").abs();
                    let most = after(&text, " MaxPower=\"").into_iter().map(number);
                    let least = after(&text, " MinPower=\"").into_iter().map(number);
                    (1..).zip(least.zip(most).map(|(a, b)| a.max(b))).collect()
                };
                let left = left.entry(request.id.clone()).or_insert_with(requested);
                for (quarter, watts) in powers(&text_of(&scenario, &send.id)) {
                    let left = left.get_mut(&quarter).expect("a quarter of the day");
                    *left -= watts;
                    assert!(*left >= 0, "{} × {times}: {}: {quarter}", scenario.name, send.id);
                }
            }
        }
    }
}
