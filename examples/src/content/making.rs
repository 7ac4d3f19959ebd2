//! What a document needs to know of others: who sends it to whom, what it answers, what was offered
//! and ordered before.

use super::{ContentError, Moment};
use crate::documents::market::{self, Bid, Head, Party};
use crate::documents::powers::{self, OfferOption, Powers};
use crate::documents::reports::{Outcome, Stamp};
use crate::documents::uftp::Envelope;
use crate::documents::{Activation, DocumentPlan, FlexOffer, Profile, eic_of, uuid};
use crate::scenario::{Kind, Participant, Scenario, SendMessage, Step};

/// A document and who sends it.
pub(super) struct Sent<'s> {
    pub(super) id: &'s str,
    pub(super) from: &'s str,
    pub(super) to: Option<&'s str>,
    pub(super) answers: Option<&'s SendMessage>,
    pub(super) plan: &'s DocumentPlan,
}

/// An order, as everything that follows it needs it.
pub(super) struct Order {
    pub(super) zone: String,
    pub(super) reference: String,
    pub(super) option: OfferOption,
}

/// The longest thread.
const MAX_THREAD: usize = 64;

/// A scenario at a moment.
pub(super) struct Making<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) moment: &'s Moment,
}

impl<'s> Making<'s> {
    pub(super) fn sent(&self, step: &str) -> Result<Sent<'s>, ContentError> {
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

    pub(super) fn message(&self, send: &'s SendMessage) -> Sent<'s> {
        let answers = send.reply_to.as_deref().and_then(|id| self.scenario.step(id));
        Sent {
            id: &send.id,
            from: &send.from,
            to: send.to.first().map(String::as_str),
            answers: answers.and_then(Step::send),
            plan: &send.document,
        }
    }

    pub(super) fn id(&self, step: &str) -> String {
        self.scenario.document_id(step, self.moment.seed)
    }

    pub(super) fn party(&self, name: &str) -> Result<&'s Participant, ContentError> {
        self.scenario.participant(name).ok_or_else(|| unknown(name, "it is no participant"))
    }

    /// Who is meant by a document that goes to everybody: the market operator, or a system operator.
    pub(super) fn recipient(&self, sent: &Sent<'s>) -> Result<&'s Participant, ContentError> {
        if let Some(name) = sent.to {
            return self.party(name);
        }
        let others = || self.scenario.participants.iter().filter(|p| p.name != sent.from);
        let of = |kind| others().find(|p| p.kind == kind);
        let found = of(Kind::MarketOperator).or_else(|| of(Kind::Tso)).or_else(|| of(Kind::Dso));
        found.or_else(|| others().next()).ok_or_else(|| unknown(sent.id, "there is nobody else"))
    }

    pub(super) fn envelope(&self, sent: &Sent<'s>) -> Result<Envelope, ContentError> {
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

    pub(super) fn head(&self, sent: &Sent<'s>) -> Result<Head, ContentError> {
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

    pub(super) fn stamp(&self, sent: &Sent<'s>) -> Stamp {
        Stamp {
            id: self.id(sent.id),
            time: self.moment.time,
            day: self.moment.day,
            chance: (self.moment.seed, format!("amounts/{}", sent.id)),
        }
    }

    pub(super) fn powers(&self, profile: &Profile, step: &str) -> Powers {
        Powers::requested(profile, self.moment.seed, &format!("powers/{step}"))
    }

    /// What an offer answers, and its options.
    pub(super) fn offer(
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
    pub(super) fn order(&self, sent: &Sent<'s>) -> Result<Order, ContentError> {
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

    pub(super) fn ordered(&self, sent: &Sent<'s>) -> Result<Order, ContentError> {
        let order = sent.answers.ok_or_else(|| unknown(sent.id, "it answers no order"))?;
        self.order(&self.message(order))
    }

    /// What is called for: the first bid of what the call answers, the order, or nothing but itself.
    pub(super) fn called(
        &self,
        sent: &Sent<'s>,
        plan: &Activation,
    ) -> Result<(String, Bid), ContentError> {
        let own = |id: String, minute: u32| Bid {
            id,
            resource: eic_of("99W", "0"),
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

    pub(super) fn outcomes(
        &self,
        taken: &[String],
        left: &[String],
    ) -> Result<Vec<Outcome>, ContentError> {
        let all = taken.iter().map(|b| (b, true)).chain(left.iter().map(|b| (b, false)));
        all.map(|(bid, taken)| {
            let provider = self.party(self.sent(bid)?.from)?.eic.clone();
            Ok(Outcome { bid: self.id(bid), provider, taken })
        })
        .collect()
    }
}

pub(super) fn unknown(step: &str, reason: &str) -> ContentError {
    ContentError::Unknown { step: step.to_owned(), reason: reason.to_owned() }
}
