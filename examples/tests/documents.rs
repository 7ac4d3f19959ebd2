//! Every kind of document fits its schema, whatever the seed and the sizes; files are written in the
//! same memory; amounts are decimal.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)] // tests may overflow, and then fail

mod common;

use common::{Schemas, every_kind, moment};
use gridpass_examples::documents::quantity::Decimal;
use gridpass_examples::documents::{DocumentPlan, GridModel};
use gridpass_examples::scenario::{Scenario, Step};
use gridpass_policy::payload::Violation;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Write};

thread_local! {
    static SCHEMAS: Schemas = Schemas::compile();
}

/// Where a document does not fit.
fn unfit(plan: &DocumentPlan, document: &[u8]) -> Vec<Violation> {
    SCHEMAS.with(|schemas| schemas.of(plan.schema()).validate(document))
}

fn documents(scenario: &Scenario) -> Vec<(&str, &DocumentPlan)> {
    let plans = scenario.steps().filter_map(|(_, step)| match step {
        // Some are spoilt on purpose.
        Step::Send(send) if send.spoil.is_some() => None,
        Step::Send(send) => Some((send.id.as_str(), &send.document)),
        Step::SendFile(file) => Some((file.id.as_str(), &file.document)),
        _ => None,
    });
    plans.collect()
}

/// The same with every size replaced by a random one, also one that is out of bounds.
fn resized(scenario: &Scenario, sizes: &[u32]) -> Scenario {
    let mut value = serde_json::to_value(scenario).expect("JSON");
    let mut sizes = sizes.iter().cycle();
    for phase in value["phases"].as_array_mut().expect("phases") {
        for step in phase["steps"].as_array_mut().expect("steps") {
            let step = step.as_object_mut().expect("a step").values_mut().next().expect("one");
            let Some(plan) = step.get_mut("document").and_then(Value::as_object_mut) else {
                continue;
            };
            for parameters in plan.values_mut().filter_map(Value::as_object_mut) {
                for (name, size) in parameters.iter_mut().filter(|(_, v)| v.is_u64()) {
                    // An order takes an option that the offer has.
                    if name != "option" {
                        *size = (*sizes.next().expect("a size")).into();
                    }
                }
            }
        }
    }
    serde_json::from_value(value).expect("a scenario")
}

#[test]
fn every_kind_of_document_is_tried() {
    let day = every_kind();
    let tried: BTreeSet<&str> = documents(&day).iter().map(|(_, plan)| plan.schema()).collect();
    let all: BTreeSet<&str> = gridpass_examples::schemas::names().collect();
    // What refers to a file is made by who sends it.
    assert_eq!(all.difference(&tried).copied().collect::<Vec<_>>(), ["file-reference"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_document_fits_whatever_the_seed_and_the_sizes(
        seed: u64,
        sizes in proptest::collection::vec(prop_oneof![0_u32..4, 0_u32..120, 0_u32..3_000], 1..40),
    ) {
        let day = resized(&every_kind(), &sizes);
        for (id, plan) in documents(&day) {
            // A model of thousands of substations is for the test below.
            if let DocumentPlan::GridModel(model) = plan
                && u64::from(model.substations) * u64::from(model.feeders) > 2_000
            {
                continue;
            }
            let bytes = day.document(id, &moment(seed));
            let bytes = bytes.map_err(|e| TestCaseError::fail(e.to_string()))?;
            let unfit = unfit(plan, &bytes);
            prop_assert!(unfit.is_empty(), "{}: {:?}\n{}", id, unfit, String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn schemas_refuse_what_is_wrong() {
    let day = every_kind();
    for (step, find, replace) in [
        ("tender-north", "ISP-Duration=\"PT15M\"", ""),
        ("bid-alpha", "Start=\"69\"", "Start=\"97\""),
        ("bid-alpha", "<FlexOffer ", "<Offer "),
        ("order-alpha", "Currency=\"EUR\"", "Currency=\"euro\""),
        ("settlement-alpha", "NetSettlement=", "Net="),
        ("metering", "EAN=\"E1", "EAN=\"X1"),
        ("reserve-bid-alpha", "<quantity.quantity>0", "<quantity.quantity>-0"),
        ("reserve-bid-alpha", "codingScheme=\"A01\"", "codingScheme=\"A02\""),
        ("activation-north", ">MAW<", ">MW<"),
        ("needs-north", "\"kW\"", "\"horse\""),
        ("prequalification-asked", "\"capacityKw\": 500", "\"capacityKw\": 0.5"),
        ("readings-consented", "3.72.0", "3.72"),
        ("limits", "\"feeder\"", "\"line\""),
        ("report", "\"called\"", "\"calledKwh\""),
        ("report", "\"kWh\"", "\"MWh\""),
        ("result-north", "\"taken\": true", "\"taken\": \"yes\""),
        ("prequalification-answered", "\"accepted\"", "\"perhaps\""),
        ("model-north", "CoreEquipment/4.0", "CoreEquipment/1.0"),
    ] {
        let plan = documents(&day).into_iter().find(|(id, _)| *id == step).expect("a step").1;
        let bytes = day.document(step, &moment(3)).expect("a document");
        let text = String::from_utf8(bytes).expect("UTF-8");
        let changed = text.replacen(find, replace, 1);
        assert_ne!(changed, text, "{step}: {find} is in it");
        let found = unfit(plan, changed.as_bytes());
        assert!(!found.is_empty(), "{step}: {replace:?} for {find:?} is let through");
    }
}

/// Counts and forgets.
#[derive(Default)]
struct Counting {
    bytes: u64,
    largest: usize,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += u64::try_from(bytes.len()).expect("it fits");
        self.largest = self.largest.max(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_grid_model_is_written_piece_by_piece() {
    let mut day = Scenario::default();
    let size = |day: &mut Scenario, substations| {
        for step in day.phases.iter_mut().flat_map(|p| &mut p.steps) {
            if let Step::SendFile(file) = step {
                file.document = DocumentPlan::GridModel(GridModel { substations, feeders: 4 });
            }
        }
        let mut counting = Counting::default();
        day.write_document("model-north", &moment(1), &mut counting).expect("a model");
        assert!(counting.largest < 1024, "{}", counting.largest);
        counting.bytes
    };
    let (one, many) = (size(&mut day, 1), size(&mut day, 1001));
    assert!((25_000_000..100_000_000).contains(&(many - one)), "{}", many - one);
}

/// A writer that has no room.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("no room"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_written_is_said() {
    let day = every_kind();
    for (id, _) in documents(&day) {
        let refused = day.write_document(id, &moment(1), &mut Full).expect_err(id);
        assert_eq!(refused.code().id(), "GP-DOCUMENT-IO", "{id}");
    }
    let refused = day.document("no-such-step", &moment(1)).expect_err("no step");
    assert_eq!(refused.code().id(), "GP-DOCUMENT-UNKNOWN");
}

#[test]
fn an_order_takes_what_was_offered_and_a_settlement_pays_it() {
    let day = Scenario::default();
    let text = |step: &str| {
        String::from_utf8(day.document(step, &moment(5)).expect("a document")).expect("UTF-8")
    };
    let value = |text: &str, name: &str| {
        let at = text.find(&format!(" {name}=\"")).expect(name) + name.len() + 3;
        text[at..].split('"').next().expect("a value").to_owned()
    };
    let isps = |text: &str| -> Vec<String> {
        text.split("<ISP Power=")
            .skip(1)
            .map(|t| t.split("/>").next().expect("it ends").into())
            .collect()
    };
    let (request, offer) = (text("tender-north"), text("bid-alpha"));
    let (order, settlement) = (text("order-alpha"), text("settlement-alpha"));
    assert_eq!(value(&offer, "FlexRequestMessageID"), value(&request, "MessageID"));
    assert_eq!(value(&offer, "ConversationID"), value(&request, "ConversationID"));
    assert_eq!(value(&order, "ConversationID"), value(&request, "ConversationID"));
    assert_eq!(value(&order, "FlexOfferMessageID"), value(&offer, "MessageID"));
    assert_eq!(value(&order, "OptionReference"), value(&offer, "OptionReference"));
    assert_eq!(value(&order, "Price"), value(&offer, "Price"));
    assert_eq!(isps(&order), isps(&offer)[..isps(&order).len()]);
    assert_eq!(value(&settlement, "OrderReference"), value(&order, "OrderReference"));
    assert_eq!(value(&settlement, "Price"), value(&order, "Price"));
    let units = |name| value(&settlement, name).replace('.', "").parse::<i64>().expect("digits");
    assert_eq!(units("NetSettlement"), units("Price") - units("Penalty"));
    assert!(units("Penalty") > 0, "4 % were not delivered");
    let response = text("settlement-alpha-accepted");
    assert_eq!(value(&response, "FlexSettlementMessageID"), value(&settlement, "MessageID"));
    assert_eq!(value(&response, "OrderReference"), value(&order, "OrderReference"));
}

#[test]
fn decimals_are_exact() {
    for (units, places, text) in [
        (0, 0, "0"),
        (5, 3, "0.005"),
        (-5, 3, "-0.005"),
        (1_200_000, 3, "1200.000"),
        (-1, 0, "-1"),
        (i64::MIN, 2, "-92233720368547758.08"),
    ] {
        assert_eq!(Decimal { units, places }.to_string(), text);
    }
}
