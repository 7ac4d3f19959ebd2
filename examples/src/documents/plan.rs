//! Which document a step sends, with its sizes: what stands under `document` in a scenario.

use super::words::{Direction, Measure, Reserve, Verdict};
use serde::{Deserialize, Serialize};

/// A kind of document with its parameters. What a document answers (the request of an offer, the
/// offer of an order) is not named here: it is what the step's `replyTo` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentPlan {
    /// A provider asks to be prequalified: JSON. One that answers another passes it on.
    PrequalificationRequest(PrequalificationRequest),
    /// What the grid operator or the market found: JSON. Answers a request.
    PrequalificationReport(PrequalificationReport),
    /// What will be needed, by hour: JSON.
    FlexibilityNeeds(FlexibilityNeeds),
    /// What the grid bears, by feeder: JSON.
    OperatingLimits(OperatingLimits),
    /// A forecast of load at a congestion point: UFTP `D-Prognosis`.
    DPrognosis(Profile),
    /// Power that is kept for a contract: UFTP `FlexReservationUpdate`.
    FlexReservationUpdate(Profile),
    /// A call for flexibility: UFTP `FlexRequest`.
    FlexRequest(Profile),
    /// An offer: UFTP `FlexOffer`. Answers a `flex-request`.
    FlexOffer(FlexOffer),
    /// An order: UFTP `FlexOrder`. Answers a `flex-offer`.
    FlexOrder(FlexOrder),
    /// Accepted or rejected: the UFTP response to whichever UFTP document it answers.
    FlexResponse(FlexResponse),
    /// What was delivered and what is paid for it: UFTP `FlexSettlement`. Answers a `flex-order`.
    FlexSettlement(Delivered),
    /// Quarter-hourly metering: UFTP `Metering`.
    Metering(Metering),
    /// Interval readings of a meter in the JSON form of IEC 61968-9.
    IntervalReadings(IntervalReadings),
    /// Bids in the form of IEC 62325: `ReserveBid_MarketDocument`.
    ReserveBid(ReserveBid),
    /// What a market took: JSON. It names the bids by their steps.
    MarketResult(MarketResult),
    /// A call in the form of IEC 62325: `Activation_MarketDocument`. Answers a `reserve-bid`, a
    /// `flex-order`, a `market-result`, another `activation` that it passes on, or nothing.
    Activation(Activation),
    /// Activated or unavailable: `Activation_MarketDocument`. Answers an `activation`.
    ActivationResponse(ActivationResponse),
    /// How much of what was called for was delivered: JSON. Answers an order or an activation.
    DeliveryReport(Delivered),
    /// A CIM equipment model (IEC 61970-301) in RDF/XML. Only in files.
    GridModel(GridModel),
}

impl DocumentPlan {
    /// The schema that it fits, by its name in [`crate::schemas`].
    #[must_use]
    pub fn schema(&self) -> &'static str {
        match self {
            Self::PrequalificationRequest(_) => "prequalification-request",
            Self::PrequalificationReport(_) => "prequalification-report",
            Self::FlexibilityNeeds(_) => "flexibility-needs",
            Self::OperatingLimits(_) => "operating-limits",
            Self::DPrognosis(_) => "d-prognosis",
            Self::FlexReservationUpdate(_) => "flex-reservation-update",
            Self::FlexRequest(_) => "flex-request",
            Self::FlexOffer(_) => "flex-offer",
            Self::FlexOrder(_) => "flex-order",
            Self::FlexResponse(_) => "flex-response",
            Self::FlexSettlement(_) => "flex-settlement",
            Self::Metering(_) => "metering",
            Self::IntervalReadings(_) => "interval-readings",
            Self::ReserveBid(_) => "reserve-bid",
            Self::MarketResult(_) => "market-result",
            Self::Activation(_) | Self::ActivationResponse(_) => "activation",
            Self::DeliveryReport(_) => "delivery-report",
            Self::GridModel(_) => "grid-model",
        }
    }

    /// The name of its root in UFTP, if it is a document that UFTP answers with a response.
    #[must_use]
    pub fn uftp_root(&self) -> Option<&'static str> {
        match self {
            Self::DPrognosis(_) => Some("D-Prognosis"),
            Self::FlexReservationUpdate(_) => Some("FlexReservationUpdate"),
            Self::FlexRequest(_) => Some("FlexRequest"),
            Self::FlexOffer(_) => Some("FlexOffer"),
            Self::FlexOrder(_) => Some("FlexOrder"),
            Self::FlexSettlement(_) => Some("FlexSettlement"),
            Self::Metering(_) => Some("Metering"),
            Self::PrequalificationRequest(_)
            | Self::PrequalificationReport(_)
            | Self::FlexibilityNeeds(_)
            | Self::OperatingLimits(_)
            | Self::FlexResponse(_)
            | Self::IntervalReadings(_)
            | Self::ReserveBid(_)
            | Self::MarketResult(_)
            | Self::Activation(_)
            | Self::ActivationResponse(_)
            | Self::DeliveryReport(_)
            | Self::GridModel(_) => None,
        }
    }

    /// Whether it can answer such a document, or stand without one.
    #[must_use]
    pub fn may_answer(&self, answered: Option<&Self>) -> bool {
        match self {
            Self::PrequalificationReport(_) => {
                matches!(answered, Some(Self::PrequalificationRequest(_)))
            }
            Self::FlexOffer(_) => matches!(answered, Some(Self::FlexRequest(_))),
            Self::FlexOrder(_) => matches!(answered, Some(Self::FlexOffer(_))),
            Self::FlexSettlement(_) => matches!(answered, Some(Self::FlexOrder(_))),
            Self::FlexResponse(_) => answered.is_some_and(|a| a.uftp_root().is_some()),
            Self::Activation(_) => matches!(
                answered,
                None | Some(
                    Self::ReserveBid(_)
                        | Self::FlexOrder(_)
                        | Self::MarketResult(_)
                        | Self::Activation(_)
                )
            ),
            Self::ActivationResponse(_) => matches!(answered, Some(Self::Activation(_))),
            Self::DeliveryReport(_) => {
                matches!(answered, Some(Self::FlexOrder(_) | Self::Activation(_)))
            }
            Self::GridModel(_) => answered.is_none(),
            // They may stand in anybody's thread.
            Self::PrequalificationRequest(_)
            | Self::FlexibilityNeeds(_)
            | Self::OperatingLimits(_)
            | Self::DPrognosis(_)
            | Self::FlexReservationUpdate(_)
            | Self::FlexRequest(_)
            | Self::Metering(_)
            | Self::IntervalReadings(_)
            | Self::ReserveBid(_)
            | Self::MarketResult(_) => true,
        }
    }
}

/// See [`DocumentPlan::PrequalificationRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PrequalificationRequest {
    /// Where.
    pub zone: String,
    /// For which product.
    pub product: String,
    /// How many resources are listed, 1 to 1000.
    pub resources: u32,
    /// What they can do together, in kW.
    pub capacity_kw: u32,
}

/// See [`DocumentPlan::PrequalificationReport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PrequalificationReport {
    /// What came out.
    pub result: Verdict,
    /// What the grid bears, in kW.
    pub limit_kw: u32,
}

/// See [`DocumentPlan::FlexibilityNeeds`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FlexibilityNeeds {
    /// Where.
    pub zone: String,
    /// What for, in words: `congestion management`.
    pub service: String,
    /// Active or reactive power.
    pub measure: Measure,
    /// More or less: up if absent.
    #[serde(default)]
    pub direction: Direction,
    /// The first hour of the day, from 0: 17 if absent.
    #[serde(default = "seventeen")]
    pub first: u32,
    /// For how many hours of the day, 1 to 24.
    pub hours: u32,
    /// The most that is needed, in kW or kvar.
    pub peak: u32,
}

/// See [`DocumentPlan::OperatingLimits`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OperatingLimits {
    /// Where.
    pub zone: String,
    /// How many feeders are listed, 1 to 500.
    pub feeders: u32,
    /// The most that a feeder bears, in kW.
    pub peak_kw: u32,
}

/// Power by quarter of an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Profile {
    /// The congestion point, an entity address of UFTP: `ea1.2026-01.example:NORTH`.
    pub zone: String,
    /// Up, which is less load and if absent, or down.
    #[serde(default)]
    pub direction: Direction,
    /// The first quarter of the day, 1 to 96.
    pub first: u32,
    /// How many quarters, so that the last is at most 96.
    pub quarters: u32,
    /// The most, in kW.
    pub peak_kw: u32,
    /// The service, where the document has a place for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The contract, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
}

/// See [`DocumentPlan::FlexOffer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FlexOffer {
    /// How many options, 1 to 8; the first offers the most.
    pub options: u32,
    /// How much of what is requested it offers at most, 1 to 100.
    pub share_percent: u32,
    /// Its price in euros for a megawatt-hour.
    pub eur_per_mwh: u32,
}

/// See [`DocumentPlan::FlexOrder`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FlexOrder {
    /// Which option of the offer, from 1.
    pub option: u32,
}

/// See [`DocumentPlan::FlexResponse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FlexResponse {
    /// Accepted or rejected.
    pub result: Verdict,
    /// Why, where it is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How much was delivered of what was called for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Delivered {
    /// On average, in percent, 0 to 100.
    pub delivered_percent: u32,
}

/// See [`DocumentPlan::Metering`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metering {
    /// The meter: `E` and 18 digits.
    pub ean: String,
    /// How many quarters of the day, 1 to 96.
    pub quarters: u32,
    /// The mean load, in kW.
    pub mean_kw: u32,
}

/// See [`DocumentPlan::IntervalReadings`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct IntervalReadings {
    /// The metering point: the `mRID` of its usage point, a UUID.
    pub metering_point: String,
    /// How many hours of the day, 1 to 24.
    pub hours: u32,
    /// The mean load, or what is fed in, in kW.
    pub mean_kw: u32,
    /// Whether it feeds in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub feeds_in: bool,
    /// How many days before the one that is traded: none if absent.
    #[serde(default)]
    pub days_before: u32,
}

/// See [`DocumentPlan::ReserveBid`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReserveBid {
    /// The area, an EIC.
    pub area: String,
    /// The market.
    pub reserve: Reserve,
    /// Active or reactive power.
    pub measure: Measure,
    /// More or less.
    pub direction: Direction,
    /// The quarter of the day that the first bid is for, 1 to 96; the others follow: 73 (18:00) if
    /// absent.
    #[serde(default = "evening")]
    pub first: u32,
    /// How many bids, 1 to 1000.
    pub bids: u32,
    /// The largest bid, in kW or kvar.
    pub peak: u32,
    /// The mean price in euros for a megawatt-hour.
    pub eur_per_mwh: u32,
}

/// See [`DocumentPlan::MarketResult`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MarketResult {
    /// Where.
    pub zone: String,
    /// The steps with the bids that were taken.
    pub taken: Vec<String>,
    /// The steps with the bids that were not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// See [`DocumentPlan::Activation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Activation {
    /// The area, an EIC.
    pub area: String,
    /// The market.
    pub reserve: Reserve,
    /// Active or reactive power.
    pub measure: Measure,
    /// More or less.
    pub direction: Direction,
    /// The quarter of the day, 1 to 96, of a call that answers nothing: 73 (18:00) if absent.
    #[serde(default = "evening")]
    pub first: u32,
    /// How much, in kW or kvar; at most as much as was bid, ordered or called for in what it answers.
    pub amount: u32,
}

/// See [`DocumentPlan::ActivationResponse`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ActivationResponse {
    /// Activated or unavailable.
    pub result: Verdict,
    /// How much of what was called for, in percent: all if absent.
    #[serde(default = "all")]
    pub share_percent: u32,
}

fn seventeen() -> u32 {
    17
}

fn evening() -> u32 {
    73
}

fn all() -> u32 {
    100
}

/// See [`DocumentPlan::GridModel`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GridModel {
    /// How many substations, 1 to 1,000,000. Each has about 20 kB.
    pub substations: u32,
    /// How many feeders each has, 1 to 100.
    pub feeders: u32,
}
