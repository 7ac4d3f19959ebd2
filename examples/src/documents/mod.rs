//! Documents of the energy market, made from a seed: the same seed, sizes and times give the same
//! bytes. In: who, what about, how much, when. Out: bytes that fit the schemas in
//! [`crate::schemas`], and the publishers' own. Never: a clock, randomness, binary fractions;
//! amounts are decimal from the beginning.

mod chance;
mod eic;
pub mod grid_model;
pub mod market;
mod plan;
pub mod powers;
pub mod quantity;
pub mod readings;
pub mod reports;
pub mod uftp;
mod words;
mod xml;

pub use chance::{Chance, uuid};
pub use eic::{eic, eic_of, is_eic};
pub use plan::{
    Activation, ActivationResponse, Delivered, DocumentPlan, FlexOffer, FlexOrder, FlexResponse,
    FlexibilityNeeds, GridModel, IntervalReadings, MarketResult, Metering, OperatingLimits,
    PrequalificationReport, PrequalificationRequest, Profile, ReserveBid,
};
pub use words::{Direction, Measure, Reserve, Verdict};
