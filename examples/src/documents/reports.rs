//! Documents for which there is no published form, as plain JSON: prequalification, needs, limits,
//! results, delivery.
//!
//! Members are written in the order in which they stand here, so that the bytes are the same
//! whatever else is built into the program.

use super::plan::{
    FlexibilityNeeds, OperatingLimits, PrequalificationReport, PrequalificationRequest,
};
use super::powers::{self, ABOUT};
use super::quantity::{Decimal, date, day_of, minutes_after, second};
use super::words::{Direction, Measure, Verdict};
use super::{Chance, uuid};
use gridpass_identity::time::UnixMillis;
use serde::Serialize;
use std::io::{self, Write};

const YEAR_MINUTES: u32 = 365 * 24 * 60;
const HOUR: u32 = 60;
const QUARTERS_OF_AN_HOUR: usize = 4;

/// A document's own UUID, when it is written, and about which day.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// Its UUID.
    pub id: String,
    /// When it is written.
    pub time: UnixMillis,
    /// The day that is traded.
    pub day: UnixMillis,
    /// The seed of its amounts, and their label.
    pub chance: (u64, String),
}

impl Stamp {
    pub(super) fn chance(&self) -> Chance {
        Chance::new(self.chance.0, &self.chance.1)
    }
}

pub(super) fn write(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

fn said(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Rejected => "rejected",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    id: &'a str,
    created: String,
    zone: &'a str,
    product: &'a str,
    provider: &'a str,
    capacity_kw: u32,
    resources: Vec<Resource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    id: String,
    name: String,
    technology: &'static str,
    connection_kv: &'static str,
    capacity_kw: u32,
}

const TECHNOLOGIES: [&str; 6] =
    ["battery", "heat-pump", "photovoltaics", "wind", "load", "charging-point"];

/// A provider asks to be prequalified.
///
/// # Errors
/// Those of the writer.
pub fn prequalification_request(
    stamp: &Stamp,
    plan: &PrequalificationRequest,
    provider: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut chance = stamp.chance();
    let count = plan.resources.clamp(1, 1000);
    let resources = (0..count)
        .map(|number| {
            let pick = usize::try_from(chance.below(6)).unwrap_or_default();
            let technology = TECHNOLOGIES.get(pick).copied().unwrap_or("load");
            // The first has what does not divide.
            let rest = if number == 0 {
                plan.capacity_kw.checked_rem(count).unwrap_or_default()
            } else {
                0
            };
            Resource {
                id: uuid(stamp.chance.0, &format!("resource/{}/{number}", stamp.chance.1)),
                name: format!("Resource {}", number.saturating_add(1)),
                technology,
                connection_kv: if chance.below(3) == 0 { "20" } else { "0.4" },
                capacity_kw: plan
                    .capacity_kw
                    .checked_div(count)
                    .unwrap_or_default()
                    .saturating_add(rest),
            }
        })
        .collect();
    let document = Request {
        id: &stamp.id,
        created: second(stamp.time),
        zone: &plan.zone,
        product: &plan.product,
        provider,
        capacity_kw: plan.capacity_kw,
        resources,
    };
    write(&document, out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    id: &'a str,
    created: String,
    request: &'a str,
    zone: &'a str,
    result: &'static str,
    limit_kw: u32,
    valid_until: String,
}

/// What came of a request: `request` is its UUID.
///
/// # Errors
/// Those of the writer.
pub fn prequalification_report(
    stamp: &Stamp,
    plan: &PrequalificationReport,
    request: &str,
    zone: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let document = Report {
        id: &stamp.id,
        created: second(stamp.time),
        request,
        zone,
        result: said(plan.result),
        limit_kw: plan.limit_kw,
        valid_until: date(minutes_after(stamp.day, YEAR_MINUTES)),
    };
    write(&document, out)
}

#[derive(Serialize)]
struct Needs<'a> {
    id: &'a str,
    created: String,
    zone: &'a str,
    service: &'a str,
    unit: &'static str,
    needs: Vec<Need>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Need {
    start: String,
    end: String,
    direction: &'static str,
    quantity: i64,
    probability_percent: u32,
}

/// What will be needed, by hour: the most that is requested of it in a quarter of the hour.
///
/// # Errors
/// Those of the writer.
pub fn flexibility_needs(
    stamp: &Stamp,
    plan: &FlexibilityNeeds,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut chance = stamp.chance();
    let hours = plan.hours.clamp(1, 24);
    let first = plan.first.min(24_u32.saturating_sub(hours));
    let quarter = first.saturating_mul(4).saturating_add(1);
    let shape = powers::shape(quarter, hours.saturating_mul(4), plan.peak);
    let direction = match plan.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    let needs = (first..24)
        .zip(shape.chunks(QUARTERS_OF_AN_HOUR))
        .map(|(hour, quarters)| {
            let start = minutes_after(day_of(stamp.day), hour.saturating_mul(HOUR));
            let most = quarters.iter().map(|(_, watts)| *watts).max().unwrap_or_default();
            let percent = i64::from(ABOUT).saturating_add(100);
            Need {
                start: second(start),
                end: second(minutes_after(start, HOUR)),
                direction,
                quantity: (most.saturating_mul(percent) / 100_000).min(i64::from(plan.peak)),
                probability_percent: 50_u32.saturating_add(chance.below(50)),
            }
        })
        .collect();
    let unit = match plan.measure {
        Measure::Active => "kW",
        Measure::Reactive => "kvar",
    };
    let (id, created) = (stamp.id.as_str(), second(stamp.time));
    write(&Needs { id, created, zone: &plan.zone, service: &plan.service, unit, needs }, out)
}

#[derive(Serialize)]
struct Limits<'a> {
    id: &'a str,
    created: String,
    zone: &'a str,
    day: String,
    feeders: Vec<Feeder>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Feeder {
    feeder: String,
    import_kw: i64,
    export_kw: i64,
}

/// What the grid bears, feeder by feeder.
///
/// # Errors
/// Those of the writer.
pub fn operating_limits(
    stamp: &Stamp,
    plan: &OperatingLimits,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut chance = stamp.chance();
    let peak = i64::from(plan.peak_kw);
    let feeders = (1..=plan.feeders.clamp(1, 500))
        .map(|number| Feeder {
            feeder: format!("Feeder {number}"),
            import_kw: chance.about(three_quarters(peak), 30).min(peak),
            export_kw: chance.about(peak.div_euclid(2), 30).min(peak),
        })
        .collect();
    let day = date(stamp.day);
    let (id, created) = (stamp.id.as_str(), second(stamp.time));
    write(&Limits { id, created, zone: &plan.zone, day, feeders }, out)
}

#[derive(Serialize)]
struct Results<'a> {
    id: &'a str,
    created: String,
    zone: &'a str,
    day: String,
    bids: &'a [Outcome],
}

/// What became of a bid.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The UUID of its document.
    pub bid: String,
    /// The EIC of who made it.
    pub provider: String,
    /// Whether it was taken.
    pub taken: bool,
}

/// What a market took.
///
/// # Errors
/// Those of the writer.
pub fn market_result(
    stamp: &Stamp,
    zone: &str,
    bids: &[Outcome],
    out: &mut dyn Write,
) -> io::Result<()> {
    let (id, created) = (stamp.id.as_str(), second(stamp.time));
    write(&Results { id, created, zone, day: date(stamp.day), bids }, out)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delivery<'a> {
    id: &'a str,
    created: String,
    call: &'a str,
    provider: &'a str,
    unit: &'static str,
    called: String,
    delivered: String,
    delivered_percent: u32,
}

/// How much of `watt_hours`, or var-hours, was delivered; `call` is the UUID of what called for it.
///
/// # Errors
/// Those of the writer.
pub fn delivery_report(
    stamp: &Stamp,
    call: &str,
    provider: &str,
    measure: Measure,
    (watt_hours, percent): (i64, u32),
    out: &mut dyn Write,
) -> io::Result<()> {
    let percent = percent.min(100);
    let delivered = watt_hours.saturating_mul(i64::from(percent)) / 100;
    let kilo = |units| Decimal { units, places: 3 }.to_string();
    let document = Delivery {
        id: &stamp.id,
        created: second(stamp.time),
        call,
        provider,
        unit: match measure {
            Measure::Active => "kWh",
            Measure::Reactive => "kvarh",
        },
        called: kilo(watt_hours),
        delivered: kilo(delivered),
        delivered_percent: percent,
    };
    write(&document, out)
}

fn three_quarters(of: i64) -> i64 {
    of.saturating_mul(3).div_euclid(4)
}
