//! What happens makes sense in the grid: flexibility is called for where and which way it is needed,
//! meters say one thing of one day, units and codes are those of what is measured, a model hangs
//! together.

#![allow(missing_docs, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects)] // tests may overflow, and then fail

mod common;

use common::{after, delivered, moment, text_of};
use gridpass_examples::documents::{Direction, DocumentPlan, Measure, Reserve};
use gridpass_examples::scenario::{Scenario, Step};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// When something is needed: what, which way, and the quarters of the day, from 0.
type Window = (Measure, Direction, std::ops::Range<u32>);

fn windows(scenario: &Scenario) -> Vec<Window> {
    let window = |plan: &DocumentPlan| match plan {
        DocumentPlan::FlexibilityNeeds(n) => {
            Some((n.measure, n.direction, n.first * 4..(n.first + n.hours) * 4))
        }
        DocumentPlan::FlexRequest(r) => {
            Some((Measure::Active, r.direction, r.first - 1..r.first - 1 + r.quarters))
        }
        _ => None,
    };
    delivered(scenario).into_iter().filter_map(|send| window(&send.document)).collect()
}

/// The quarter of the day of `2026-03-03T18:15Z`, from 0; the end of the day is its 96th.
fn quarter(time: &str) -> u32 {
    let number = |at: usize| time[at..at + 2].parse::<u32>().expect("a number");
    let later = if number(8) > 3 { 96 } else { 0 };
    number(11) * 4 + number(14) / 15 + later
}

#[test]
fn what_is_called_for_is_what_was_needed_then_and_that_way() {
    let mut tried = 0;
    for scenario in Scenario::all() {
        let windows = windows(&scenario);
        for send in delivered(&scenario) {
            // Reserves keep the balance of the whole system: nobody says where they are needed.
            let DocumentPlan::Activation(call) = &send.document else { continue };
            if call.reserve != Reserve::Redispatch || windows.is_empty() {
                continue;
            }
            let text = text_of(&scenario, &send.id);
            let (start, end) = (after(&text, "<start>")[0], after(&text, "<end>")[0]);
            let (start, end) = (quarter(start), quarter(end));
            let fits = windows.iter().any(|(measure, direction, hours)| {
                (*measure, *direction) == (call.measure, call.direction)
                    && hours.start <= start
                    && end <= hours.end
            });
            assert!(fits, "{}: {}: {start} to {end}: {windows:?}", scenario.name, send.id);
            let code = if call.direction == Direction::Up { "A01" } else { "A02" };
            assert_eq!(after(&text, "<flowDirection.direction>"), [code]);
            tried += 1;
        }
    }
    assert!(tried >= 9, "{tried}");
}

#[test]
fn what_photovoltaics_cause_is_not_mended_by_more_of_it() {
    for name in ["onenet-hungary-overload", "onenet-hungary-voltage", "onenet-cyprus"] {
        let scenario = Scenario::by_name(name).expect("a scenario");
        for (_, direction, quarters) in windows(&scenario) {
            assert_eq!(direction, Direction::Down, "{name}");
            assert!(quarters.start >= 9 * 4 && quarters.end <= 16 * 4, "{name}: {quarters:?}");
        }
    }
    let request = text_of(&Scenario::by_name("onenet-hungary-overload").expect("one"), "session");
    let most = after(&request, "Disposition=\"Requested\" MinPower=\"0\" MaxPower=\"");
    assert_eq!(most.len(), 16, "more load is asked for, quarter by quarter");
}

#[test]
fn no_quarter_asks_for_more_than_the_need_of_its_hour() {
    let mut tried = 0;
    for scenario in Scenario::all() {
        let mut needs: BTreeMap<u32, i64> = BTreeMap::new();
        for send in delivered(&scenario) {
            let text = text_of(&scenario, &send.id);
            match &send.document {
                DocumentPlan::FlexibilityNeeds(_) => {
                    let json: Value = serde_json::from_str(&text).expect("JSON");
                    for need in json["needs"].as_array().expect("needs") {
                        let start = quarter(need["start"].as_str().expect("a time"));
                        needs.insert(start / 4, need["quantity"].as_i64().expect("an amount"));
                    }
                }
                DocumentPlan::FlexRequest(request) => {
                    let requested = |bound: &str| -> Vec<i64> {
                        let watts = after(&text, bound).into_iter();
                        watts.map(|w| w.parse::<i64>().expect("a number").abs()).collect()
                    };
                    let (least, most) = (requested(" MinPower=\""), requested(" MaxPower=\""));
                    for at in request.first - 1..request.first - 1 + request.quarters {
                        let index = usize::try_from(at).expect("an index");
                        let watts = least[index].max(most[index]);
                        let need = needs.get(&(at / 4)).copied().unwrap_or_default();
                        let place = format!("{}: {}: {at}", scenario.name, send.id);
                        assert!(watts <= need * 1000, "{place}: {watts} W of {need} kW");
                        tried += 1;
                    }
                }
                _ => {}
            }
        }
    }
    assert!(tried >= 40, "{tried}");
}

#[test]
fn a_call_that_is_divided_stays_the_same_hour_and_what_fails_of_it_is_said() {
    let germany = Scenario::by_name("sysflex-germany").expect("a scenario");
    let of = |step: &str, begin: &str| -> Vec<String> {
        after(&text_of(&germany, step), begin).into_iter().map(str::to_owned).collect()
    };
    for step in ["setpoint-wind", "setpoint-solar"] {
        for begin in ["<start>", "<end>", "<order_MarketDocument.mRID>"] {
            assert_eq!(of(step, begin), of("request", begin), "{step}: {begin}");
        }
    }
    assert_eq!(of("request", "<quantity>"), ["20.000"]);
    assert_eq!(of("wind-answered", "<quantity>"), ["15.000"]);
    assert_eq!(of("request-answered", "<quantity>"), ["15.000"], "the solar park cannot");
}

/// The sum of the readings of a direction: `1` taken, `19` fed in.
fn energy(text: &str, direction: &str) -> f64 {
    let json: Value = serde_json::from_str(text).expect("JSON");
    let kind = format!("0.0.7.4.{direction}.1.12.0.0.0.0.0.0.0.0.3.72.0");
    let blocks = json["MeterReading"][0]["IntervalBlocks"].as_array().expect("blocks");
    let block = blocks.iter().find(|b| b["ReadingType"]["ref"] == kind.as_str()).expect("a block");
    let readings = block["IntervalReadings"].as_array().expect("readings");
    readings.iter().map(|r| r["value"].as_str().expect("one").parse::<f64>().expect("one")).sum()
}

#[test]
fn a_meter_says_one_thing_of_one_day_and_a_producer_feeds_in() {
    let france = Scenario::by_name("onenet-france").expect("a scenario");
    let (measured, told) = (text_of(&france, "measured"), text_of(&france, "told"));
    assert_eq!(measured, told, "the register and the producer are told the same");
    assert!(energy(&measured, "19") > 0.0 && energy(&measured, "1") == 0.0);
    let household = text_of(&Scenario::default(), "readings-consented");
    assert!(energy(&household, "1") > 0.0 && energy(&household, "19") == 0.0);
    // Nowhere does one meter say two things of one day.
    for scenario in Scenario::all() {
        let mut known: BTreeMap<(String, String), String> = BTreeMap::new();
        for send in delivered(&scenario) {
            let DocumentPlan::IntervalReadings(plan) = &send.document else { continue };
            let text = text_of(&scenario, &send.id);
            let day = after(&text, "\"start\": \"")[0][..10].to_owned();
            let key = (plan.metering_point.clone(), day);
            let before = known.entry(key).or_insert_with(|| text.clone());
            assert_eq!(*before, text, "{}: {}", scenario.name, send.id);
        }
    }
    let spain = Scenario::by_name("onenet-spain").expect("a scenario");
    let test = text_of(&spain, "test-measured");
    assert!(after(&test, "\"start\": \"")[0] < "2026-03-02T10", "the test was before its report");
}

#[test]
fn a_settlement_says_that_its_baseline_is_made_up() {
    let mut tried = 0;
    for scenario in Scenario::all() {
        for send in delivered(&scenario) {
            let DocumentPlan::FlexSettlement(_) = send.document else { continue };
            let text = text_of(&scenario, &send.id);
            assert_eq!(after(&text, " BaselineReference=\""), ["made-up"]);
            assert!(send.says.contains("made up"), "{}: {}", scenario.name, send.says);
            tried += 1;
        }
    }
    assert_eq!(tried, 3);
}

#[test]
fn reactive_power_has_its_own_units_and_redispatch_its_own_code() {
    let mut seen = BTreeSet::new();
    for scenario in Scenario::all() {
        for send in delivered(&scenario) {
            let (text, place) =
                (text_of(&scenario, &send.id), format!("{}: {}", scenario.name, send.id));
            match &send.document {
                DocumentPlan::ReserveBid(plan) => {
                    let units = match plan.measure {
                        Measure::Active => ("MAW", "MWH"),
                        Measure::Reactive => ("MAR", "MAH"),
                    };
                    let of = after(&text, "<quantity_Measurement_Unit.name>");
                    let price = after(&text, "<energyPrice_Measurement_Unit.name>");
                    assert_eq!((of[0], price[0]), units, "{place}");
                    seen.insert(units.1);
                }
                DocumentPlan::DeliveryReport(_) => {
                    let call = send.reply_to.as_deref().and_then(|id| scenario.step(id));
                    let call = call.and_then(Step::send).expect("a call");
                    let unit = match &call.document {
                        DocumentPlan::Activation(a) if a.measure == Measure::Reactive => "kvarh",
                        _ => "kWh",
                    };
                    assert_eq!(after(&text, "\"unit\": \""), [unit], "{place}");
                    seen.insert(unit);
                }
                DocumentPlan::Activation(plan) => {
                    let code = match plan.reserve {
                        Reserve::Redispatch => "A96",
                        _ => "A39",
                    };
                    assert_eq!(after(&text, "<type>"), [code], "{place}");
                    seen.insert(code);
                }
                _ => {}
            }
        }
    }
    assert_eq!(seen, ["A39", "A96", "MAH", "MWH", "kWh", "kvarh"].into());
}

/// The pieces of a grid that are connected, each by its nodes.
fn islands(model: &str) -> Vec<BTreeSet<String>> {
    let mut by_equipment: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for terminal in model.split("<cim:Terminal ").skip(1) {
        let terminal = terminal.split("</cim:Terminal>").next().expect("it ends");
        let of = |property: &str| {
            let begin = format!("<cim:Terminal.{property} rdf:resource=\"#");
            let rest = terminal.split_once(begin.as_str()).expect("a reference").1;
            rest.split('"').next().expect("it ends")
        };
        let nodes = by_equipment.entry(of("ConductingEquipment")).or_default();
        nodes.insert(of("ConnectivityNode").to_owned());
    }
    let mut islands: Vec<BTreeSet<String>> = Vec::new();
    for mut nodes in by_equipment.into_values() {
        islands.retain(|island| {
            let apart = island.is_disjoint(&nodes);
            if !apart {
                nodes.extend(island.iter().cloned());
            }
            apart
        });
        islands.push(nodes);
    }
    islands
}

#[test]
fn a_grid_model_is_one_island_with_a_source() {
    for substations in [1, 5] {
        let mut day = Scenario::default();
        for step in day.phases.iter_mut().flat_map(|p| &mut p.steps) {
            if let Step::SendFile(file) = step
                && let DocumentPlan::GridModel(plan) = &mut file.document
            {
                plan.substations = substations;
            }
        }
        let bytes = day.document("model-north", &moment(1)).expect("a model");
        let text = String::from_utf8(bytes).expect("UTF-8");
        let nodes = text.matches("<cim:ConnectivityNode ").count();
        let islands = islands(&text);
        assert_eq!(islands.len(), 1, "{substations} substations");
        assert_eq!(islands[0].len(), nodes, "every node is reached");
        let source = after(&text, "<cim:EquivalentInjection rdf:ID=\"");
        let end = format!("Terminal.ConductingEquipment rdf:resource=\"#{}\"", source[0]);
        assert_eq!(text.matches(&end).count(), 1, "the grid above is connected");
    }
}
