//! Documents of the energy market, made from a seed: the same seed, sizes and times give the same
//! bytes. In: who, what about, how much, when. Out: bytes that fit the schemas in
//! [`crate::schemas`], and the publishers' own. Never: a clock, randomness, binary fractions;
//! amounts are decimal from the beginning.

mod eic;
mod plan;

pub use eic::{eic, is_eic};
pub use plan::{
    Activation, ActivationResponse, Delivered, Direction, DocumentPlan, FlexOffer, FlexOrder,
    FlexResponse, FlexibilityNeeds, GridModel, IntervalReadings, MarketResult, Measure, Metering,
    OperatingLimits, PrequalificationReport, PrequalificationRequest, Profile, Reserve, ReserveBid,
    Verdict,
};
