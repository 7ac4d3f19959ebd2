//! Interval meter readings in the JSON form of IEC 61968-9, as a distribution system operator gives
//! them to others.

use super::Chance;
use super::plan::IntervalReadings;
use super::quantity::{Decimal, day_of, days_before, micro, minutes_after};
use super::reports::{Stamp, write};
use serde::Serialize;
use std::io::{self, Write};

const HOUR: u32 = 60;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Readings {
    meter_reading: [MeterReading; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MeterReading {
    interval_blocks: Vec<Block>,
    usage_point: UsagePoint,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Block {
    interval_readings: Vec<Reading>,
    reading_type: Ref,
}

#[derive(Serialize)]
struct Ref {
    r#ref: &'static str,
}

#[derive(Serialize)]
struct Reading {
    value: String,
    #[serde(rename = "timeStamp")]
    time_stamp: String,
    #[serde(rename = "reportedDateTime")]
    reported: String,
    source: &'static str,
    #[serde(rename = "timePeriod")]
    period: Period,
    #[serde(rename = "ReadingQualities")]
    qualities: [Quality; 1],
}

#[derive(Serialize)]
struct Period {
    start: String,
    end: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Quality {
    reading_quality_type: Ref,
}

#[derive(Serialize)]
struct UsagePoint {
    #[serde(rename = "mRID")]
    id: String,
    #[serde(rename = "Names")]
    names: [Name; 1],
}

#[derive(Serialize)]
struct Name {
    name: String,
    #[serde(rename = "NameType")]
    name_type: NameType,
}

#[derive(Serialize)]
struct NameType {
    description: &'static str,
    name: &'static str,
    #[serde(rename = "NameTypeAuthority")]
    authority: Authority,
}

#[derive(Serialize)]
struct Authority {
    description: &'static str,
    name: &'static str,
}

/// Hourly energy in four quadrants: the reading types of IEC 61968-9 (kWh and kvarh, taken and
/// fed in) and how much of the mean each has, in thousandths: of who takes, and of who feeds in.
const QUADRANTS: [(&str, i64, i64); 4] = [
    ("0.0.7.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0", 1000, 0),
    ("0.0.7.4.1.1.12.0.0.0.0.0.0.0.0.3.73.0", 60, 150),
    ("0.0.7.4.19.1.12.0.0.0.0.0.0.0.0.3.72.0", 0, 1000),
    ("0.0.7.4.19.1.12.0.0.0.0.0.0.0.0.3.73.0", 150, 60),
];

/// Interval readings of one metering point.
///
/// # Errors
/// Those of the writer.
pub fn interval_readings(
    stamp: &Stamp,
    plan: &IntervalReadings,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut chance = stamp.chance();
    let day = days_before(day_of(stamp.day), plan.days_before);
    let reported = micro(minutes_after(day, 24 * HOUR));
    let mut blocks = Vec::new();
    for (reading_type, taking, feeding) in QUADRANTS {
        let share = if plan.feeds_in { feeding } else { taking };
        let mean = i64::from(plan.mean_kw).saturating_mul(share);
        let readings = (0..plan.hours.clamp(1, 24))
            .map(|hour| {
                let start = minutes_after(day, hour.saturating_mul(HOUR));
                Reading {
                    value: Decimal { units: chance.about(mean, 50), places: 3 }.to_string(),
                    time_stamp: micro(start),
                    reported: reported.clone(),
                    source: "Example",
                    period: Period { start: micro(start), end: micro(minutes_after(start, HOUR)) },
                    qualities: [Quality { reading_quality_type: Ref { r#ref: "3.0.1" } }],
                }
            })
            .collect();
        blocks
            .push(Block { interval_readings: readings, reading_type: Ref { r#ref: reading_type } });
    }
    let number = Chance::new(0, &plan.metering_point).below(1_000_000_000);
    let usage_point = UsagePoint {
        id: plan.metering_point.clone(),
        names: [Name {
            name: format!("999999999{number:09}"),
            name_type: NameType {
                description: "Identifier of the usage point in the grid operator's systems",
                name: "usagePointId",
                authority: Authority { description: "Numbers as GS1 gives them", name: "ean" },
            },
        }],
    };
    let reading = MeterReading { interval_blocks: blocks, usage_point };
    write(&Readings { meter_reading: [reading] }, out)
}
