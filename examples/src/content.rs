//! The bytes that a step sends. In: the step, a seed, the day that is traded, the time. Out: the
//! document. What a document says of another one (its UUID, the powers that were offered) is computed
//! from the other one's step, so that each can be made by itself, in any process.

mod making;

use crate::codes;
use crate::documents::grid_model::Model;
use crate::documents::{DocumentPlan, market, readings, reports, uuid};
use crate::scenario::{Scenario, Step};
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use making::{Making, Sent, unknown};
use std::io::{self, Write};

/// What a document is made from, beside its step.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The seed: the same one for every document of a run.
    pub seed: u64,
    /// The day that is traded, any time of it: the same one for every document of a run.
    pub day: UnixMillis,
    /// When the document is written.
    pub time: UnixMillis,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The step sends none, or answers none that it needs.
    #[error("step {step}: {reason}")]
    Unknown {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// It could not be written.
    #[error("the document cannot be written: {0}")]
    Io(#[from] io::Error),
}

impl ContentError {
    /// The stable reason code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Unknown { .. } => codes::DOCUMENT_UNKNOWN,
            Self::Io(_) => codes::DOCUMENT_IO,
        }
    }
}

impl Scenario {
    /// The document of a step that sends a message or a file, as it is sent: spoilt, where the step
    /// says so.
    ///
    /// # Errors
    /// [`ContentError::Unknown`].
    pub fn document(&self, step: &str, moment: &Moment) -> Result<Vec<u8>, ContentError> {
        let mut bytes = Vec::new();
        self.write_document(step, moment, &mut bytes)?;
        let spoil = self.step(step).and_then(Step::send).and_then(|s| s.spoil.as_ref());
        let Some(spoil) = spoil else { return Ok(bytes) };
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.replacen(&spoil.find, &spoil.replace, 1).into_bytes())
    }

    /// Writes the document of a step, unspoilt, as it is made: of any size in the same memory.
    ///
    /// # Errors
    /// [`ContentError`].
    pub fn write_document(
        &self,
        step: &str,
        moment: &Moment,
        out: &mut dyn Write,
    ) -> Result<(), ContentError> {
        let making = Making { scenario: self, moment };
        making.write(&making.sent(step)?, out)
    }

    /// The UUID of the document of a step.
    #[must_use]
    pub fn document_id(&self, step: &str, seed: u64) -> String {
        uuid(seed, &format!("message/{step}"))
    }
}

impl Making<'_> {
    fn write(&self, sent: &Sent<'_>, out: &mut dyn Write) -> Result<(), ContentError> {
        let seed = self.moment.seed;
        match sent.plan {
            DocumentPlan::PrequalificationRequest(plan) => {
                let provider = &self.party(sent.from)?.eic;
                reports::prequalification_request(&self.stamp(sent), plan, provider, out)?;
            }
            DocumentPlan::PrequalificationReport(plan) => {
                let request = sent.answers.ok_or_else(|| unknown(sent.id, "it answers nothing"))?;
                let DocumentPlan::PrequalificationRequest(asked) = &request.document else {
                    return Err(unknown(sent.id, "it answers no request"));
                };
                let (stamp, id) = (self.stamp(sent), self.id(&request.id));
                reports::prequalification_report(&stamp, plan, &id, &asked.zone, out)?;
            }
            DocumentPlan::FlexibilityNeeds(plan) => {
                reports::flexibility_needs(&self.stamp(sent), plan, out)?;
            }
            DocumentPlan::OperatingLimits(plan) => {
                reports::operating_limits(&self.stamp(sent), plan, out)?;
            }
            DocumentPlan::DPrognosis(plan) => {
                let powers = self.powers(plan, sent.id);
                self.envelope(sent)?.d_prognosis(plan, &powers, out)?;
            }
            DocumentPlan::FlexReservationUpdate(plan) => {
                let powers = self.powers(plan, sent.id);
                self.envelope(sent)?.reservation(plan, &powers, out)?;
            }
            DocumentPlan::FlexRequest(plan) => {
                let powers = self.powers(plan, sent.id);
                self.envelope(sent)?.request(plan, &powers, out)?;
            }
            DocumentPlan::FlexOffer(plan) => {
                let (request, profile, options) = self.offer(sent, plan)?;
                let id = self.id(&request.id);
                self.envelope(sent)?.offer(&profile.zone, &id, &options, out)?;
            }
            DocumentPlan::FlexOrder(_) => {
                let order = self.order(sent)?;
                let offer = sent.answers.map(|o| self.id(&o.id)).unwrap_or_default();
                let (zone, reference) = (&order.zone, &order.reference);
                self.envelope(sent)?.order(zone, &offer, reference, &order.option, out)?;
            }
            DocumentPlan::FlexResponse(plan) => {
                let answered =
                    sent.answers.ok_or_else(|| unknown(sent.id, "it answers nothing"))?;
                let root = answered.document.uftp_root();
                let root = root.ok_or_else(|| unknown(sent.id, "it answers no UFTP document"))?;
                let settled = matches!(answered.document, DocumentPlan::FlexSettlement(_));
                let order = match settled {
                    true => Some(self.ordered(&self.message(answered))?.reference),
                    false => None,
                };
                let result = (plan.result, plan.reason.as_deref());
                let id = self.id(&answered.id);
                self.envelope(sent)?.response(root, &id, result, order.as_deref(), out)?;
            }
            DocumentPlan::FlexSettlement(plan) => {
                let order = self.ordered(sent)?;
                let delivered = order.option.powers.share(plan.delivered_percent);
                let envelope = self.envelope(sent)?;
                let (zone, reference) = (&order.zone, &order.reference);
                envelope.settlement(zone, reference, &order.option, &delivered, out)?;
            }
            DocumentPlan::Metering(plan) => {
                self.envelope(sent)?.metering(plan, seed, &format!("amounts/{}", sent.id), out)?;
            }
            DocumentPlan::IntervalReadings(plan) => {
                readings::interval_readings(&self.stamp(sent), plan, out)?;
            }
            DocumentPlan::ReserveBid(plan) => {
                let bids = market::bids(plan, seed, sent.id);
                self.head(sent)?.reserve_bid(plan, &bids, out)?;
            }
            DocumentPlan::MarketResult(plan) => {
                let bids = self.outcomes(&plan.taken, &plan.left)?;
                reports::market_result(&self.stamp(sent), &plan.zone, &bids, out)?;
            }
            DocumentPlan::Activation(plan) => {
                let (order, bid) = self.called(sent, plan)?;
                self.head(sent)?.activation(plan, &order, &bid, None, out)?;
            }
            DocumentPlan::ActivationResponse(plan) => {
                let call = sent.answers.ok_or_else(|| unknown(sent.id, "it answers nothing"))?;
                let DocumentPlan::Activation(asked) = &call.document else {
                    return Err(unknown(sent.id, "it answers no activation"));
                };
                let (_, bid) = self.called(&self.message(call), asked)?;
                let (head, id) = (self.head(sent)?, self.id(&call.id));
                head.activation(asked, &id, &bid, Some(plan.result), out)?;
            }
            DocumentPlan::DeliveryReport(plan) => {
                let call = sent.answers.ok_or_else(|| unknown(sent.id, "it answers nothing"))?;
                let called = self.message(call);
                let watt_hours = match &call.document {
                    DocumentPlan::FlexOrder(_) => self.order(&called)?.option.powers.sum() / 4,
                    // A quarter of an hour.
                    DocumentPlan::Activation(asked) => {
                        let (_, bid) = self.called(&called, asked)?;
                        i64::from(asked.amount).min(bid.amount).saturating_mul(250)
                    }
                    _ => return Err(unknown(sent.id, "it answers neither order nor activation")),
                };
                let provider = &self.recipient(&called)?.eic;
                let delivered = (watt_hours, plan.delivered_percent);
                let id = self.id(&call.id);
                reports::delivery_report(&self.stamp(sent), &id, provider, delivered, out)?;
            }
            DocumentPlan::GridModel(plan) => {
                let model = Model {
                    plan: plan.clone(),
                    seed,
                    time: self.moment.time,
                    day: self.moment.day,
                    authority: self.party(sent.from)?.domain(),
                };
                model.write(out)?;
            }
        }
        Ok(())
    }
}
