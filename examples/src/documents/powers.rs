//! What is requested, offered and delivered, quarter by quarter: whole watts, and prices in
//! ten-thousandths of a euro.

use super::plan::{FlexOffer, Profile};
use super::quantity::Decimal;
use super::uftp::QUARTERS;
use super::words::Direction;
use super::xml::Xml;
use super::{Chance, uuid};
use std::io;

/// The power of some quarters of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Powers {
    /// The quarter's number, from 1, and the power in watts; less load is negative.
    pub quarters: Vec<(u32, i64)>,
}

/// A need that rises to its peak in the middle and falls again: watts, by quarter of the day.
pub(super) fn shape(first: u32, quarters: u32, peak_kw: u32) -> Vec<(u32, i64)> {
    let first = first.clamp(1, QUARTERS);
    let count = quarters.clamp(1, QUARTERS.saturating_add(1).saturating_sub(first));
    let peak = i64::from(peak_kw).saturating_mul(1000);
    let half = i64::from(count / 2).max(1);
    (first..first.saturating_add(count))
        .zip(0_i64..)
        .map(|(number, at)| {
            let from_middle = at.saturating_sub(half).abs().min(half);
            let share = half.saturating_mul(2).saturating_sub(from_middle);
            let height = peak.saturating_mul(share).checked_div(half.saturating_mul(2));
            (number, height.unwrap_or(peak))
        })
        .collect()
}

/// By how much a request may differ from the shape of the need, in percent.
pub(super) const ABOUT: u32 = 10;

impl Powers {
    /// What is requested: about what the shape of the need says, and never more than its peak.
    #[must_use]
    pub fn requested(profile: &Profile, seed: u64, label: &str) -> Self {
        let mut chance = Chance::new(seed, label);
        let peak = i64::from(profile.peak_kw).saturating_mul(1000);
        let quarters = shape(profile.first, profile.quarters, profile.peak_kw)
            .into_iter()
            .map(|(number, height)| {
                let watts = whole_kilowatts(chance.about(height, ABOUT).min(peak)).max(1000);
                match profile.direction {
                    Direction::Up => (number, watts.saturating_neg()),
                    Direction::Down => (number, watts),
                }
            })
            .collect();
        Self { quarters }
    }

    /// The minute of the day at which it begins, and the whole kilowatts of each quarter.
    #[must_use]
    pub fn kilowatts(&self) -> (u32, Vec<i64>) {
        let first = self.quarters.first().map_or(1, |(number, _)| *number);
        let amounts = self.quarters.iter().map(|(_, watts)| watts.saturating_abs() / 1000);
        (first.saturating_sub(1).saturating_mul(15), amounts.collect())
    }

    /// A part of it, in percent.
    #[must_use]
    pub fn share(&self, percent: u32) -> Self {
        let part = |watts: i64| watts.saturating_mul(i64::from(percent.min(100))) / 100;
        Self { quarters: self.quarters.iter().map(|(n, w)| (*n, part(*w))).collect() }
    }

    /// The sum of all quarters, in watts.
    #[must_use]
    pub fn sum(&self) -> i64 {
        self.quarters.iter().map(|(_, w)| w.saturating_abs()).fold(0, i64::saturating_add)
    }

    /// What it costs at a price for a megawatt-hour: a quarter of an hour of each.
    #[must_use]
    pub fn price(&self, eur_per_mwh: u32) -> Decimal {
        // W · 1/4 h · €/MWh = €/4,000,000; in ten-thousandths of a euro.
        let units = self.sum().saturating_mul(i64::from(eur_per_mwh)) / 400;
        Decimal { units, places: 4 }
    }

    pub(super) fn isps(&self, xml: &mut Xml<'_>) -> io::Result<()> {
        for (number, watts) in &self.quarters {
            let (power, start) = (watts.to_string(), number.to_string());
            xml.empty("ISP", &[("Power", &power), ("Start", &start), ("Duration", "1")])?;
        }
        Ok(())
    }
}

/// One option of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferOption {
    /// Its UUID.
    pub reference: String,
    /// What is offered.
    pub powers: Powers,
    /// For how much.
    pub price: Decimal,
}

/// The options of an offer, the largest first.
#[must_use]
pub fn options(offer: &FlexOffer, requested: &Powers, seed: u64, label: &str) -> Vec<OfferOption> {
    let count = offer.options.clamp(1, 8);
    (0..count)
        .map(|number| {
            let less =
                offer.share_percent.saturating_mul(number).checked_div(count).unwrap_or_default();
            let powers = requested.share(offer.share_percent.min(100).saturating_sub(less).max(1));
            let price = powers.price(offer.eur_per_mwh);
            let reference = uuid(seed, &format!("option/{label}/{number}"));
            OfferOption { reference, powers, price }
        })
        .collect()
}

/// Watts, rounded down to whole kilowatts.
fn whole_kilowatts(watts: i64) -> i64 {
    watts.saturating_sub(watts.checked_rem(1000).unwrap_or_default())
}
