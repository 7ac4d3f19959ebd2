//! USEF's flexibility trading protocol (UFTP 3): the documents in which a system operator calls for
//! flexibility, an aggregator offers it, and both settle it. One quarter of an hour is one ISP.

use super::Chance;
use super::plan::{Metering, Profile};
use super::powers::{OfferOption, Powers};
use super::quantity::{Decimal, date, day_of, second};
use super::words::{Direction, Verdict};
use super::xml::Xml;
use gridpass_identity::time::UnixMillis;
use std::io::{self, Write};

const CURRENCY: &str = "EUR";
/// The day that is traded is the day in UTC: of the names that UFTP allows, one that is UTC all year.
const TIME_ZONE: &str = "Africa/Abidjan";
/// The quarters of an hour of a day.
pub(super) const QUARTERS: u32 = 96;

/// Writes the beginning of a document with these attributes.
type Begin<'w> = dyn FnMut(&[(&str, &str)]) -> io::Result<()> + 'w;

/// Who writes to whom, when, about which day.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The sender's Internet domain.
    pub sender: String,
    /// The recipient's Internet domain.
    pub recipient: String,
    /// When it is written.
    pub time: UnixMillis,
    /// The day that is traded.
    pub day: UnixMillis,
    /// The document's own UUID.
    pub message: String,
    /// The UUID of the conversation.
    pub conversation: String,
}

impl Envelope {
    fn message(&self, more: &[(&str, &str)], write: &mut Begin<'_>) -> io::Result<()> {
        let time = second(self.time);
        let mut all = vec![
            ("Version", "3.0.0"),
            ("SenderDomain", self.sender.as_str()),
            ("RecipientDomain", self.recipient.as_str()),
            ("TimeStamp", time.as_str()),
            ("MessageID", self.message.as_str()),
            ("ConversationID", self.conversation.as_str()),
        ];
        all.extend_from_slice(more);
        write(&all)
    }

    fn flex(&self, zone: &str, more: &[(&str, &str)], write: &mut Begin<'_>) -> io::Result<()> {
        let period = date(self.day);
        let mut all = vec![
            ("ISP-Duration", "PT15M"),
            ("TimeZone", TIME_ZONE),
            ("Period", period.as_str()),
            ("CongestionPoint", zone),
        ];
        all.extend_from_slice(more);
        self.message(&all, write)
    }

    /// `D-Prognosis`: the load that is foreseen.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn d_prognosis(
        &self,
        profile: &Profile,
        powers: &Powers,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        self.flex(&profile.zone, &[("Revision", "1")], &mut |a| xml.begin("D-Prognosis", a))?;
        powers.isps(&mut xml)?;
        xml.end()
    }

    /// `FlexReservationUpdate`: what stays reserved for a contract.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn reservation(
        &self,
        profile: &Profile,
        powers: &Powers,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let contract = profile.contract.as_deref().unwrap_or("none");
        let more = [("ContractID", contract), ("Reference", self.conversation.as_str())];
        self.flex(&profile.zone, &more, &mut |a| xml.begin("FlexReservationUpdate", a))?;
        powers.isps(&mut xml)?;
        xml.end()
    }

    /// `FlexRequest`: every quarter of the day, those with a need as requested.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn request(
        &self,
        profile: &Profile,
        powers: &Powers,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        // Offers count until the day begins.
        let until = second(day_of(self.day));
        let mut more = vec![("Revision", "1"), ("ExpirationDateTime", until.as_str())];
        more.extend(profile.contract.as_deref().map(|c| ("ContractID", c)));
        more.extend(profile.service.as_deref().map(|s| ("ServiceType", s)));
        self.flex(&profile.zone, &more, &mut |a| xml.begin("FlexRequest", a))?;
        let peak = i64::from(profile.peak_kw).saturating_mul(1000);
        // What is not needed the one way, the grid can bear the other way.
        let free = match profile.direction {
            Direction::Up => peak,
            Direction::Down => peak.saturating_neg(),
        };
        for number in 1..=QUARTERS {
            let start = number.to_string();
            let needed = powers.quarters.iter().find(|(n, _)| *n == number);
            let (disposition, watts) = match needed {
                Some((_, watts)) => ("Requested", *watts),
                None => ("Available", free),
            };
            let (least, most) = (watts.min(0).to_string(), watts.max(0).to_string());
            let isp = [
                ("Disposition", disposition),
                ("MinPower", least.as_str()),
                ("MaxPower", most.as_str()),
                ("Start", start.as_str()),
                ("Duration", "1"),
            ];
            xml.empty("ISP", &isp)?;
        }
        xml.end()
    }

    /// `FlexOffer`, in answer to a request.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn offer(
        &self,
        asked: &Profile,
        request: &str,
        options: &[OfferOption],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let until = second(day_of(self.day));
        let mut more = vec![
            ("ExpirationDateTime", until.as_str()),
            ("FlexRequestMessageID", request),
            ("Currency", CURRENCY),
        ];
        more.extend(asked.contract.as_deref().map(|c| ("ContractID", c)));
        self.flex(&asked.zone, &more, &mut |a| xml.begin("FlexOffer", a))?;
        for option in options {
            let price = option.price.to_string();
            let attributes = [
                ("OptionReference", option.reference.as_str()),
                ("Price", price.as_str()),
                ("MinActivationFactor", "0.50"),
            ];
            xml.begin("OfferOption", &attributes)?;
            option.powers.isps(&mut xml)?;
            xml.end()?;
        }
        xml.end()
    }

    /// `FlexOrder`: one option of an offer is taken, all of it.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn order(
        &self,
        asked: &Profile,
        offer: &str,
        reference: &str,
        option: &OfferOption,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let price = option.price.to_string();
        let mut more = vec![
            ("FlexOfferMessageID", offer),
            ("Price", price.as_str()),
            ("Currency", CURRENCY),
            ("OrderReference", reference),
            ("OptionReference", option.reference.as_str()),
            ("ActivationFactor", "1.00"),
        ];
        more.extend(asked.contract.as_deref().map(|c| ("ContractID", c)));
        more.extend(asked.service.as_deref().map(|s| ("ServiceType", s)));
        self.flex(&asked.zone, &more, &mut |a| xml.begin("FlexOrder", a))?;
        option.powers.isps(&mut xml)?;
        xml.end()
    }

    /// The response to a document: `root` is its name, `FlexOrder`, and `id` its UUID. A settlement
    /// is answered order by order: `order` is the one.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn response(
        &self,
        root: &str,
        id: &str,
        (result, reason): (Verdict, Option<&str>),
        order: Option<&str>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let name = format!("{root}Response");
        let answered = format!("{root}MessageID");
        let (said, disposition) = match result {
            Verdict::Accepted => ("Accepted", "Accepted"),
            Verdict::Rejected => ("Rejected", "Disputed"),
        };
        let mut more = vec![("Result", said)];
        more.extend(reason.map(|r| ("RejectionReason", r)));
        more.push((answered.as_str(), id));
        let Some(order) = order else {
            return self.message(&more, &mut |a| xml.empty(&name, a));
        };
        self.message(&more, &mut |a| xml.begin(&name, a))?;
        let mut status = vec![("OrderReference", order), ("Disposition", disposition)];
        status.extend(reason.map(|r| ("DisputeReason", r)));
        xml.empty("FlexOrderSettlementStatus", &status)?;
        xml.end()
    }

    /// `FlexSettlement` of one order, of which so much was delivered, on a baseline that is made up
    /// and says so. What was not delivered is paid back twice.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn settlement(
        &self,
        asked: &Profile,
        order: &str,
        option: &OfferOption,
        delivered: &Powers,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let period = date(self.day);
        let more = [
            ("Result", "Accepted"),
            ("PeriodStart", period.as_str()),
            ("PeriodEnd", period.as_str()),
            ("Currency", CURRENCY),
        ];
        self.message(&more, &mut |a| xml.begin("FlexSettlement", a))?;
        let ordered = option.powers.sum().max(1);
        let missing = ordered.saturating_sub(delivered.sum()).max(0);
        let penalty = option
            .price
            .units
            .saturating_mul(missing)
            .checked_div(ordered)
            .unwrap_or_default()
            .saturating_mul(2);
        let net = option.price.units.saturating_sub(penalty);
        let [price, penalty, net] = [option.price.units, penalty, net]
            .map(|units| Decimal { units, places: 4 }.to_string());
        let attributes = [
            ("OrderReference", order),
            ("Period", period.as_str()),
            ("CongestionPoint", asked.zone.as_str()),
            ("BaselineReference", "made-up"),
            ("Price", price.as_str()),
            ("Penalty", penalty.as_str()),
            ("NetSettlement", net.as_str()),
        ];
        xml.begin("FlexOrderSettlement", &attributes)?;
        for ((number, ordered), (_, done)) in option.powers.quarters.iter().zip(&delivered.quarters)
        {
            let baseline = ordered.saturating_mul(-2);
            let [start, base, ordered_w, actual, delivered_w, deficiency] = [
                i64::from(*number),
                baseline,
                *ordered,
                baseline.saturating_add(*done),
                *done,
                ordered.saturating_sub(*done).saturating_abs(),
            ]
            .map(|n| n.to_string());
            let isp = [
                ("Start", start.as_str()),
                ("BaselinePower", base.as_str()),
                ("OrderedFlexPower", ordered_w.as_str()),
                ("ActualPower", actual.as_str()),
                ("DeliveredFlexPower", delivered_w.as_str()),
                ("PowerDeficiency", deficiency.as_str()),
            ];
            xml.empty("ISP", &isp)?;
        }
        xml.end()?;
        let contract = asked.contract.as_deref().unwrap_or("none");
        xml.begin("ContractSettlement", &[("ContractID", contract)])?;
        xml.begin("Period", &[("Period", period.as_str())])?;
        let first = option.powers.quarters.first().map_or(1, |(n, _)| *n).to_string();
        xml.empty("ISP", &[("Start", first.as_str()), ("ReservedPower", "0")])?;
        xml.end()?;
        xml.end()?;
        xml.end()
    }

    /// `Metering`: mean power and energy by quarter.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn metering(
        &self,
        metering: &Metering,
        seed: u64,
        label: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut xml = Xml::new(out)?;
        let period = date(self.day);
        let more = [
            ("Revision", "1"),
            ("ISP-Duration", "PT15M"),
            ("TimeZone", TIME_ZONE),
            ("Period", period.as_str()),
            ("EAN", metering.ean.as_str()),
        ];
        self.message(&more, &mut |a| xml.begin("Metering", a))?;
        let mut chance = Chance::new(seed, label);
        let mean = i64::from(metering.mean_kw).saturating_mul(1000);
        let watts: Vec<i64> =
            (0..metering.quarters.clamp(1, QUARTERS)).map(|_| chance.about(mean, 60)).collect();
        for (profile, unit, divided) in [("Power", "kW", 1), ("ImportEnergy", "kWh", 4)] {
            xml.begin("Profile", &[("ProfileType", profile), ("Unit", unit)])?;
            for (number, watts) in (1_u32..).zip(&watts) {
                let value =
                    Decimal { units: watts.checked_div(divided).unwrap_or_default(), places: 3 }
                        .to_string();
                xml.empty("ISP", &[("Start", &number.to_string()), ("Value", &value)])?;
            }
            xml.end()?;
        }
        xml.end()
    }
}
