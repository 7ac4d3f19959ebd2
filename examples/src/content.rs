//! The bytes that a step sends. In: the step, a seed, the day that is traded, the time. Out: the
//! document. What a document says of another one (its UUID, the powers that were offered) is computed
//! from the other one's step, so that each can be made by itself, in any process.

mod making;

use crate::codes;
use crate::documents::grid_model::Model;
use crate::documents::quantity::date;
use crate::documents::{DocumentPlan, Measure, readings, reports, uuid};
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

    /// The UUID of the document of a step: another one in every scenario and on every day.
    #[must_use]
    pub fn document_id(&self, step: &str, moment: &Moment) -> String {
        uuid(moment.seed, &self.label(&format!("message/{step}"), moment))
    }

    /// What chance and names are made from, beside the seed.
    fn label(&self, what: &str, moment: &Moment) -> String {
        format!("{}/{}/{what}", self.name, date(moment.day))
    }
}

impl Making<'_> {
    fn write(&self, sent: &Sent<'_>, out: &mut dyn Write) -> Result<(), ContentError> {
        match sent.plan {
            DocumentPlan::PrequalificationRequest(plan) => {
                // One that is passed on stays the same request, of the same provider.
                let first = self.first_request(sent);
                let provider = &self.party(first.from)?.eic;
                let label = self.label(&format!("amounts/{}", first.id));
                let stamp = self.stamp_of(sent, label);
                reports::prequalification_request(&stamp, plan, provider, out)?;
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
                self.envelope(sent)?.offer(profile, &id, &options, out)?;
            }
            DocumentPlan::FlexOrder(_) => {
                let order = self.order(sent)?;
                let offer = sent.answers.map(|o| self.id(&o.id)).unwrap_or_default();
                let envelope = self.envelope(sent)?;
                envelope.order(order.asked, &offer, &order.reference, &order.option, out)?;
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
                let (envelope, reference) = (self.envelope(sent)?, &order.reference);
                envelope.settlement(order.asked, reference, &order.option, &delivered, out)?;
            }
            DocumentPlan::Metering(plan) => {
                let label = self.label(&format!("metering/{}", plan.ean));
                self.envelope(sent)?.metering(plan, self.moment.seed, &label, out)?;
            }
            DocumentPlan::IntervalReadings(plan) => {
                // Whoever tells them of a meter and a day tells the same.
                let what = format!("readings/{}/{}", plan.metering_point, plan.days_before);
                let stamp = self.stamp_of(sent, self.label(&what));
                readings::interval_readings(&stamp, plan, out)?;
            }
            DocumentPlan::ReserveBid(plan) => {
                let bids = self.bids(sent, plan)?;
                self.head(sent)?.reserve_bid(plan, &bids, out)?;
            }
            DocumentPlan::MarketResult(plan) => {
                let bids = self.outcomes(&plan.taken, &plan.left)?;
                reports::market_result(&self.stamp(sent), &plan.zone, &bids, out)?;
            }
            DocumentPlan::Activation(plan) => {
                let called = self.called(sent)?;
                self.head(sent)?.activation(plan, &called.order, &called.bid, None, out)?;
            }
            DocumentPlan::ActivationResponse(plan) => {
                let call = sent.answers.ok_or_else(|| unknown(sent.id, "it answers nothing"))?;
                let DocumentPlan::Activation(asked) = &call.document else {
                    return Err(unknown(sent.id, "it answers no activation"));
                };
                let called = self.called(&self.message(call))?;
                self.head(sent)?.activation(asked, &called.order, &called.bid, Some(plan), out)?;
            }
            DocumentPlan::DeliveryReport(plan) => {
                let call = sent.answers.ok_or_else(|| unknown(sent.id, "it answers nothing"))?;
                let called = self.message(call);
                let (watt_hours, measure) = match &call.document {
                    DocumentPlan::FlexOrder(_) => {
                        (self.order(&called)?.option.powers.sum() / 4, Measure::Active)
                    }
                    // kW for a quarter of an hour each.
                    DocumentPlan::Activation(asked) => {
                        let amounts = self.called(&called)?.bid.amounts;
                        let sum = amounts.into_iter().fold(0, i64::saturating_add);
                        (sum.saturating_mul(250), asked.measure)
                    }
                    _ => return Err(unknown(sent.id, "it answers neither order nor activation")),
                };
                let provider = &self.recipient(&called)?.eic;
                let delivered = (watt_hours, plan.delivered_percent);
                let (stamp, id) = (self.stamp(sent), self.id(&call.id));
                reports::delivery_report(&stamp, &id, provider, measure, delivered, out)?;
            }
            DocumentPlan::GridModel(plan) => {
                let model = Model {
                    plan: plan.clone(),
                    seed: self.moment.seed,
                    label: self.label(&format!("model/{}", sent.id)),
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
