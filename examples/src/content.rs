//! The bytes that a step sends. In: the step, a seed, the day that is traded, the time. Out: the
//! document. What a document says of another one (its UUID, the powers that were offered) is computed
//! from the other one's step, so that each can be made by itself, in any process.

use crate::codes;
use crate::documents::grid_model::Model;
use crate::documents::market::{self, Bid, Head, Party};
use crate::documents::powers::{self, OfferOption, Powers};
use crate::documents::reports::{self, Outcome, Stamp};
use crate::documents::uftp::Envelope;
use crate::documents::{Activation, DocumentPlan, FlexOffer, Profile, eic, readings, uuid};
use crate::scenario::{Kind, Participant, Scenario, SendMessage, Step};
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
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

/// A document and who sends it.
struct Sent<'s> {
    id: &'s str,
    from: &'s str,
    to: Option<&'s str>,
    answers: Option<&'s SendMessage>,
    plan: &'s DocumentPlan,
}

/// An order, as everything that follows it needs it.
struct Order {
    zone: String,
    reference: String,
    option: OfferOption,
}

/// The longest thread.
const MAX_THREAD: usize = 64;

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

/// A scenario at a moment.
struct Making<'s> {
    scenario: &'s Scenario,
    moment: &'s Moment,
}

impl<'s> Making<'s> {
    fn sent(&self, step: &str) -> Result<Sent<'s>, ContentError> {
        match self.scenario.step(step) {
            Some(Step::Send(send)) => Ok(self.message(send)),
            Some(Step::SendFile(send)) => Ok(Sent {
                id: &send.id,
                from: &send.from,
                to: send.to.first().map(String::as_str),
                answers: None,
                plan: &send.document,
            }),
            _ => Err(unknown(step, "it sends no document")),
        }
    }

    fn message(&self, send: &'s SendMessage) -> Sent<'s> {
        let answers = send.reply_to.as_deref().and_then(|id| self.scenario.step(id));
        Sent {
            id: &send.id,
            from: &send.from,
            to: send.to.first().map(String::as_str),
            answers: answers.and_then(Step::send),
            plan: &send.document,
        }
    }

    fn id(&self, step: &str) -> String {
        self.scenario.document_id(step, self.moment.seed)
    }

    fn party(&self, name: &str) -> Result<&'s Participant, ContentError> {
        self.scenario.participant(name).ok_or_else(|| unknown(name, "it is no participant"))
    }

    /// Who is meant by a document that goes to everybody: the market operator, or a system operator.
    fn recipient(&self, sent: &Sent<'s>) -> Result<&'s Participant, ContentError> {
        if let Some(name) = sent.to {
            return self.party(name);
        }
        let others = || self.scenario.participants.iter().filter(|p| p.name != sent.from);
        let of = |kind| others().find(|p| p.kind == kind);
        let found = of(Kind::MarketOperator).or_else(|| of(Kind::Tso)).or_else(|| of(Kind::Dso));
        found.or_else(|| others().next()).ok_or_else(|| unknown(sent.id, "there is nobody else"))
    }

    fn envelope(&self, sent: &Sent<'s>) -> Result<Envelope, ContentError> {
        let mut first = sent.id;
        let mut answered = sent.answers;
        for _ in 0..MAX_THREAD {
            let Some(send) = answered else { break };
            first = &send.id;
            answered = self.message(send).answers;
        }
        Ok(Envelope {
            sender: self.party(sent.from)?.domain(),
            recipient: self.recipient(sent)?.domain(),
            time: self.moment.time,
            day: self.moment.day,
            message: self.id(sent.id),
            conversation: uuid(self.moment.seed, &format!("conversation/{first}")),
        })
    }

    fn head(&self, sent: &Sent<'s>) -> Result<Head, ContentError> {
        let party = |p: &Participant| Party {
            eic: p.eic.clone(),
            role: match p.kind {
                Kind::Tso | Kind::Dso => "A04",
                Kind::MarketOperator => "A11",
                Kind::Regulator
                | Kind::Aggregator
                | Kind::Resource
                | Kind::Consumer
                | Kind::Auditor => "A46",
            },
        };
        Ok(Head {
            id: self.id(sent.id),
            sender: party(self.party(sent.from)?),
            receiver: party(self.recipient(sent)?),
            time: self.moment.time,
            day: self.moment.day,
        })
    }

    fn stamp(&self, sent: &Sent<'s>) -> Stamp {
        Stamp {
            id: self.id(sent.id),
            time: self.moment.time,
            day: self.moment.day,
            chance: (self.moment.seed, format!("amounts/{}", sent.id)),
        }
    }

    fn powers(&self, profile: &Profile, step: &str) -> Powers {
        Powers::requested(profile, self.moment.seed, &format!("powers/{step}"))
    }

    /// What an offer answers, and its options.
    fn offer(
        &self,
        sent: &Sent<'s>,
        plan: &FlexOffer,
    ) -> Result<(&'s SendMessage, &'s Profile, Vec<OfferOption>), ContentError> {
        let request = sent.answers.ok_or_else(|| unknown(sent.id, "it answers no request"))?;
        let DocumentPlan::FlexRequest(profile) = &request.document else {
            return Err(unknown(sent.id, "it answers no request"));
        };
        let requested = self.powers(profile, &request.id);
        let options = powers::options(plan, &requested, self.moment.seed, sent.id);
        Ok((request, profile, options))
    }

    /// The order that a step gave.
    fn order(&self, sent: &Sent<'s>) -> Result<Order, ContentError> {
        let (DocumentPlan::FlexOrder(order), Some(offered)) = (sent.plan, sent.answers) else {
            return Err(unknown(sent.id, "it is no order that answers an offer"));
        };
        let DocumentPlan::FlexOffer(plan) = &offered.document else {
            return Err(unknown(sent.id, "it answers no offer"));
        };
        let (_, profile, options) = self.offer(&self.message(offered), plan)?;
        let number = usize::try_from(order.option.saturating_sub(1)).unwrap_or_default();
        let option = options.into_iter().nth(number);
        Ok(Order {
            zone: profile.zone.clone(),
            reference: uuid(self.moment.seed, &format!("order/{}", sent.id)),
            option: option.ok_or_else(|| unknown(sent.id, "the offer has fewer options"))?,
        })
    }

    fn ordered(&self, sent: &Sent<'s>) -> Result<Order, ContentError> {
        let order = sent.answers.ok_or_else(|| unknown(sent.id, "it answers no order"))?;
        self.order(&self.message(order))
    }

    /// What is called for: the first bid of what the call answers, the order, or nothing but itself.
    fn called(&self, sent: &Sent<'s>, plan: &Activation) -> Result<(String, Bid), ContentError> {
        let own = |id: String, minute: u32| Bid {
            id,
            resource: eic("99W00000"),
            amount: i64::from(plan.amount),
            cents: 0,
            minute,
        };
        let Some(answered) = sent.answers else {
            return Ok((self.id(sent.id), own(self.id(sent.id), 18 * 60)));
        };
        let id = self.id(&answered.id);
        match &answered.document {
            DocumentPlan::ReserveBid(bids) => {
                let made = market::bids(bids, self.moment.seed, &answered.id);
                let bid = made.into_iter().next();
                Ok((id, bid.ok_or_else(|| unknown(sent.id, "it answers no bid"))?))
            }
            DocumentPlan::FlexOrder(_) => {
                let order = self.order(&self.message(answered))?;
                let first = order.option.powers.quarters.first().map_or(1, |(n, _)| *n);
                Ok((id.clone(), own(id, first.saturating_sub(1).saturating_mul(15))))
            }
            _ => Err(unknown(sent.id, "it answers neither a bid nor an order")),
        }
    }

    fn outcomes(&self, taken: &[String], left: &[String]) -> Result<Vec<Outcome>, ContentError> {
        let all = taken.iter().map(|b| (b, true)).chain(left.iter().map(|b| (b, false)));
        all.map(|(bid, taken)| {
            let provider = self.party(self.sent(bid)?.from)?.eic.clone();
            Ok(Outcome { bid: self.id(bid), provider, taken })
        })
        .collect()
    }

    fn write(&self, sent: &Sent<'s>, out: &mut dyn Write) -> Result<(), ContentError> {
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

fn unknown(step: &str, reason: &str) -> ContentError {
    ContentError::Unknown { step: step.to_owned(), reason: reason.to_owned() }
}
