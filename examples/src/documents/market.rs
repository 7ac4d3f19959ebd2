//! Bids and activations in the form of IEC 62325-451-7, as transmission system operators exchange
//! them: amounts in megawatts or megavars.

use super::plan::{Activation, ActivationResponse, ReserveBid};
use super::quantity::{Decimal, day_of, minute, minutes_after, second};
use super::words::{Direction, Measure, Reserve, Verdict};
use super::xml::Xml;
use super::{Chance, eic_of, uuid};
use gridpass_identity::time::UnixMillis;
use std::io::{self, Write};

const BID: &str = "urn:iec62325.351:tc57wg16:451-7:reservebiddocument:7:4";
const ACTIVATION: &str = "urn:iec62325.351:tc57wg16:451-7:activationdocument:6:2";
const QUARTER: u32 = 15;

/// A party: its EIC and the code of its role in the market.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its EIC.
    pub eic: String,
    /// `A04` system operator, `A46` provider of balancing services, `A11` market operator.
    pub role: &'static str,
}

/// Who writes to whom, when, about which day.
#[derive(Clone, Debug)]
pub struct Head {
    /// The document's own UUID.
    pub id: String,
    /// Who sends.
    pub sender: Party,
    /// To whom.
    pub receiver: Party,
    /// When it is written.
    pub time: UnixMillis,
    /// The day that is traded.
    pub day: UnixMillis,
}

/// A bid that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bid {
    /// Its UUID.
    pub id: String,
    /// The resource that would provide it.
    pub resource: String,
    /// How much in each quarter of an hour, one after the other, in kW or kvar.
    pub amounts: Vec<i64>,
    /// Its price in cents for a megawatt-hour.
    pub cents: i64,
    /// From when, in minutes of the day.
    pub minute: u32,
}

impl Bid {
    /// For how many minutes.
    fn minutes(&self) -> u32 {
        u32::try_from(self.amounts.len()).unwrap_or_default().saturating_mul(QUARTER)
    }
}

/// The code of a resource of a provider, which has this EIC.
#[must_use]
pub fn resource(provider: &str, number: u32) -> String {
    // The number first: what is too long is cut off.
    eic_of("99W", &format!("{number}{}", provider.get(3..).unwrap_or_default()))
}

/// The bids of a document, each for one quarter of an hour, whose provider has this EIC.
#[must_use]
pub fn bids(plan: &ReserveBid, provider: &str, seed: u64, label: &str) -> Vec<Bid> {
    let mut chance = Chance::new(seed, label);
    let first = plan.first.clamp(1, 96).saturating_sub(1);
    (0..plan.bids.clamp(1, 1000))
        .map(|number| {
            let amount = if number == 0 {
                i64::from(plan.peak)
            } else {
                chance.about(i64::from(plan.peak) / 2, 60).max(1)
            };
            Bid {
                id: uuid(seed, &format!("bid/{label}/{number}")),
                resource: resource(provider, number),
                amounts: vec![amount],
                cents: chance.about(i64::from(plan.eur_per_mwh).saturating_mul(100), 20),
                minute: first
                    .saturating_add(number)
                    .checked_rem(96)
                    .unwrap_or_default()
                    .saturating_mul(QUARTER),
            }
        })
        .collect()
}

fn process(reserve: Reserve) -> &'static str {
    match reserve {
        Reserve::Fcr => "A52",
        Reserve::Afrr => "A51",
        Reserve::Mfrr => "A47",
        Reserve::Rr => "A46",
        Reserve::Redispatch => "A41",
    }
}

fn business(reserve: Reserve) -> &'static str {
    match reserve {
        Reserve::Fcr => "A95",
        Reserve::Afrr => "A96",
        Reserve::Mfrr => "A97",
        Reserve::Rr => "A98",
        Reserve::Redispatch => "A85",
    }
}

fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Active => "MAW",
        Measure::Reactive => "MAR",
    }
}

/// What a price is for: a megawatt-hour, or a megavar-hour.
fn energy_unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Active => "MWH",
        Measure::Reactive => "MAH",
    }
}

fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "A01",
        Direction::Down => "A02",
    }
}

/// Thousandths as thousandths: kW in MW.
fn mega(kilo: i64) -> String {
    Decimal { units: kilo, places: 3 }.to_string()
}

impl Head {
    fn write(&self, xml: &mut Xml<'_>, kind: &str, process: &str) -> io::Result<()> {
        xml.text("mRID", &self.id)?;
        xml.text("revisionNumber", "1")?;
        xml.text("type", kind)?;
        xml.text("process.processType", process)?;
        for (name, party) in [("sender", &self.sender), ("receiver", &self.receiver)] {
            coded(xml, &format!("{name}_MarketParticipant.mRID"), &party.eic)?;
            xml.text(&format!("{name}_MarketParticipant.marketRole.type"), party.role)?;
        }
        xml.text("createdDateTime", &second(self.time))
    }

    /// `ReserveBid_MarketDocument`.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn reserve_bid(
        &self,
        plan: &ReserveBid,
        bids: &[Bid],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let day = day_of(self.day);
        xml.begin("ReserveBid_MarketDocument", &[("xmlns", BID)])?;
        self.write(&mut xml, "A37", process(plan.reserve))?;
        interval(&mut xml, "reserveBid_Period.timeInterval", day, minutes_after(day, 24 * 60))?;
        coded(&mut xml, "domain.mRID", &plan.area)?;
        coded(&mut xml, "subject_MarketParticipant.mRID", &self.sender.eic)?;
        xml.text("subject_MarketParticipant.marketRole.type", self.sender.role)?;
        for bid in bids {
            xml.begin("Bid_TimeSeries", &[])?;
            xml.text("mRID", &bid.id)?;
            xml.text("auction.mRID", "FLEXIBILITY")?;
            xml.text("businessType", "B74")?;
            coded(&mut xml, "acquiring_Domain.mRID", &plan.area)?;
            coded(&mut xml, "connecting_Domain.mRID", &plan.area)?;
            xml.text("quantity_Measurement_Unit.name", unit(plan.measure))?;
            xml.text("currency_Unit.name", "EUR")?;
            xml.text("divisible", "A01")?;
            xml.begin("status", &[])?;
            xml.text("value", "A06")?;
            xml.end()?;
            coded(&mut xml, "registeredResource.mRID", &bid.resource)?;
            xml.text("flowDirection.direction", direction(plan.direction))?;
            xml.text("energyPrice_Measurement_Unit.name", energy_unit(plan.measure))?;
            let from = minutes_after(day, bid.minute);
            xml.begin("Period", &[])?;
            interval(&mut xml, "timeInterval", from, minutes_after(from, bid.minutes()))?;
            xml.text("resolution", "PT15M")?;
            let price = Decimal { units: bid.cents, places: 2 }.to_string();
            for (position, amount) in (1_u32..).zip(&bid.amounts) {
                xml.begin("Point", &[])?;
                xml.text("position", &position.to_string())?;
                xml.text("quantity.quantity", &mega(*amount))?;
                xml.text("minimum_Quantity.quantity", "0")?;
                xml.text("energy_Price.amount", &price)?;
                xml.end()?;
            }
            xml.end()?;
            xml.end()?;
        }
        xml.end()
    }

    /// `Activation_MarketDocument`: a call, or the answer to one. `order` is the UUID of the order
    /// by which it is called for, the same one in every call that passes it on and in every answer;
    /// `bid` is what is called for.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn activation(
        &self,
        plan: &Activation,
        order: &str,
        bid: &Bid,
        answer: Option<&ActivationResponse>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let from = minutes_after(day_of(self.day), bid.minute);
        let until = minutes_after(from, bid.minutes());
        let provider = if answer.is_some() { &self.sender } else { &self.receiver };
        let verdict = answer.map(|a| a.result);
        let (kind, status) = match verdict {
            None if plan.reserve == Reserve::Redispatch => ("A96", "A10"),
            None => ("A39", "A10"),
            Some(Verdict::Accepted) => ("A41", "A07"),
            Some(Verdict::Rejected) => ("A41", "A11"),
        };
        xml.begin("Activation_MarketDocument", &[("xmlns", ACTIVATION)])?;
        self.write(&mut xml, kind, process(plan.reserve))?;
        interval(&mut xml, "activation_Time_Period.timeInterval", from, until)?;
        coded(&mut xml, "domain.mRID", &plan.area)?;
        coded(&mut xml, "subject_MarketParticipant.mRID", &provider.eic)?;
        xml.text("subject_MarketParticipant.marketRole.type", provider.role)?;
        xml.text("order_MarketDocument.mRID", order)?;
        xml.text("order_MarketDocument.revisionNumber", "1")?;
        xml.begin("TimeSeries", &[])?;
        xml.text("mRID", &bid.id)?;
        coded(&mut xml, "resourceProvider_MarketParticipant.mRID", &provider.eic)?;
        xml.text("businessType", business(plan.reserve))?;
        coded(&mut xml, "acquiring_Domain.mRID", &plan.area)?;
        coded(&mut xml, "connecting_Domain.mRID", &plan.area)?;
        xml.text("measurement_Unit.name", unit(plan.measure))?;
        xml.text("flowDirection.direction", direction(plan.direction))?;
        xml.text("marketObjectStatus.status", status)?;
        coded(&mut xml, "registeredResource.mRID", &bid.resource)?;
        xml.begin("Period", &[])?;
        interval(&mut xml, "timeInterval", from, until)?;
        xml.text("resolution", "PT15M")?;
        let share = i64::from(answer.map_or(100, |a| a.share_percent.min(100)));
        for (position, amount) in (1_u32..).zip(&bid.amounts) {
            xml.begin("Point", &[])?;
            xml.text("position", &position.to_string())?;
            xml.text("quantity", &mega(amount.saturating_mul(share) / 100))?;
            xml.end()?;
        }
        xml.end()?;
        let reason = match (plan.reserve, verdict) {
            (_, Some(Verdict::Rejected)) => Some("B59"),
            (_, Some(Verdict::Accepted)) => None,
            (Reserve::Redispatch, None) => Some("B46"),
            (_, None) => Some("B49"),
        };
        if let Some(code) = reason {
            xml.begin("Reason", &[])?;
            xml.text("code", code)?;
            xml.end()?;
        }
        xml.end()?;
        xml.end()
    }
}

fn coded(xml: &mut Xml<'_>, name: &str, code: &str) -> io::Result<()> {
    xml.text_with(name, &[("codingScheme", "A01")], code)
}

fn interval(xml: &mut Xml<'_>, name: &str, from: UnixMillis, until: UnixMillis) -> io::Result<()> {
    xml.begin(name, &[])?;
    xml.text("start", &minute(from))?;
    xml.text("end", &minute(until))?;
    xml.end()
}
