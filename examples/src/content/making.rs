//! What a document needs to know of others: who sends it to whom, what it answers, what was offered
//! and ordered before.

use super::{ContentError, Moment};
use crate::documents::market::{self, Bid, Head, Party};
use crate::documents::powers::{self, OfferOption, Powers};
use crate::documents::quantity::{day_of, minutes_after};
use crate::documents::reports::{Outcome, Stamp};
use crate::documents::uftp::Envelope;
use crate::documents::{DocumentPlan, FlexOffer, MarketResult, Profile, ReserveBid, uuid};
use crate::scenario::{Expect, Kind, Participant, Phase, Scenario, SendMessage, Step};
use gridpass_identity::time::UnixMillis;

/// A document and who sends it.
#[derive(Clone, Copy)]
pub(super) struct Sent<'s> {
    pub(super) id: &'s str,
    pub(super) from: &'s str,
    pub(super) to: Option<&'s str>,
    pub(super) answers: Option<&'s SendMessage>,
    pub(super) plan: &'s DocumentPlan,
}

/// An order, as everything that follows it needs it.
pub(super) struct Order<'s> {
    pub(super) asked: &'s Profile,
    pub(super) reference: String,
    pub(super) option: OfferOption,
}

/// What is called for, and by which order.
pub(super) struct Called {
    pub(super) order: String,
    pub(super) bid: Bid,
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
        self.scenario.document_id(step, self.moment)
    }

    /// A label for chance and names: other scenarios and days have others.
    pub(super) fn label(&self, what: &str) -> String {
        self.scenario.label(what, self.moment)
    }

    fn uuid(&self, what: &str) -> String {
        uuid(self.moment.seed, &self.label(what))
    }

    /// When it is written: what is measured and settled, after the day that it is about.
    fn time(&self, step: &str) -> UnixMillis {
        let phase = self.scenario.steps().find(|(_, s)| s.id() == step).map(|(p, _)| p.phase);
        let hours: u32 = match phase {
            Some(Phase::Metering) => 30,
            Some(Phase::Settlement) => 36,
            _ => return self.moment.time,
        };
        let after = minutes_after(day_of(self.moment.day), hours.saturating_mul(60));
        after.max(self.moment.time)
    }

    /// The request that one passes on; itself, if none.
    pub(super) fn first_request(&self, sent: &Sent<'s>) -> Sent<'s> {
        let mut first = *sent;
        for _ in 0..MAX_THREAD {
            match first.answers {
                Some(send) if matches!(send.document, DocumentPlan::PrequalificationRequest(_)) => {
                    first = self.message(send);
                }
                _ => break,
            }
        }
        first
    }

    pub(super) fn party(&self, name: &str) -> Result<&'s Participant, ContentError> {
        self.scenario.participant(name).ok_or_else(|| unknown(name, "it is no participant"))
    }

    /// Who is meant by a document that goes to everybody: who can answer it, whom it answers, else
    /// the market operator, or a system operator.
    pub(super) fn recipient(&self, sent: &Sent<'s>) -> Result<&'s Participant, ContentError> {
        if let Some(name) = sent.to {
            return self.party(name);
        }
        if let DocumentPlan::FlexRequest(_) = sent.plan {
            if let Some(name) = self.who_offers(sent.id) {
                return self.party(name);
            }
        } else if let Some(asked) = sent.answers.filter(|asked| asked.from != sent.from) {
            return self.party(&asked.from);
        }
        let others = || self.scenario.participants.iter().filter(|p| p.name != sent.from);
        let of = |kind| others().find(|p| p.kind == kind);
        let found = of(Kind::MarketOperator).or_else(|| of(Kind::Tso)).or_else(|| of(Kind::Dso));
        found.or_else(|| others().next()).ok_or_else(|| unknown(sent.id, "there is nobody else"))
    }

    /// Who answers a call for offers, the first of them; else somebody who could.
    fn who_offers(&self, request: &str) -> Option<&'s str> {
        let sends = || self.scenario.steps().filter_map(|(_, step)| step.send());
        let offers = sends().find(|s| {
            s.reply_to.as_deref() == Some(request) && matches!(s.expect, Expect::Delivered(_))
        });
        let could = |p: &&Participant| matches!(p.kind, Kind::Aggregator | Kind::Resource);
        let any = || self.scenario.participants.iter().find(could).map(|p| p.name.as_str());
        offers.map(|s| s.from.as_str()).or_else(any)
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
            time: self.time(sent.id),
            day: self.moment.day,
            message: self.id(sent.id),
            conversation: self.uuid(&format!("conversation/{first}")),
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
            time: self.time(sent.id),
            day: self.moment.day,
        })
    }

    pub(super) fn stamp(&self, sent: &Sent<'s>) -> Stamp {
        self.stamp_of(sent, self.label(&format!("amounts/{}", sent.id)))
    }

    /// The stamp of a document whose amounts are made from another label than its own.
    pub(super) fn stamp_of(&self, sent: &Sent<'s>, label: String) -> Stamp {
        Stamp {
            id: self.id(sent.id),
            time: self.time(sent.id),
            day: self.moment.day,
            chance: (self.moment.seed, label),
        }
    }

    pub(super) fn powers(&self, profile: &Profile, step: &str) -> Powers {
        Powers::requested(profile, self.moment.seed, &self.label(&format!("powers/{step}")))
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
        let options = powers::options(plan, &requested, self.moment.seed, &self.label(sent.id));
        Ok((request, profile, options))
    }

    /// The order that a step gave.
    pub(super) fn order(&self, sent: &Sent<'s>) -> Result<Order<'s>, ContentError> {
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
            asked: profile,
            reference: self.uuid(&format!("order/{}", sent.id)),
            option: option.ok_or_else(|| unknown(sent.id, "the offer has fewer options"))?,
        })
    }

    pub(super) fn ordered(&self, sent: &Sent<'s>) -> Result<Order<'s>, ContentError> {
        let order = sent.answers.ok_or_else(|| unknown(sent.id, "it answers no order"))?;
        self.order(&self.message(order))
    }

    /// The bids of a step.
    pub(super) fn bids(
        &self,
        sent: &Sent<'s>,
        plan: &ReserveBid,
    ) -> Result<Vec<Bid>, ContentError> {
        let provider = &self.party(sent.from)?.eic;
        Ok(market::bids(plan, provider, self.moment.seed, &self.label(sent.id)))
    }

    /// What a call calls for: at the time of what it answers, and at most as much as was bid, ordered
    /// or called for.
    pub(super) fn called(&self, sent: &Sent<'s>) -> Result<Called, ContentError> {
        let (first, most) = self.first_call(sent)?;
        let mut called = self.first_called(&first)?;
        if first.id != sent.id {
            // It is passed on to somebody else.
            called.bid.id = self.uuid(&format!("series/{}", sent.id));
            called.bid.resource = market::resource(&self.recipient(sent)?.eic, 0);
        }
        for amount in &mut called.bid.amounts {
            *amount = (*amount).min(most);
        }
        Ok(called)
    }

    /// The call that one passes on, itself if none, and the least that any of them calls for.
    fn first_call(&self, sent: &Sent<'s>) -> Result<(Sent<'s>, i64), ContentError> {
        let (mut first, mut most) = (*sent, i64::MAX);
        for _ in 0..MAX_THREAD {
            let DocumentPlan::Activation(plan) = first.plan else { break };
            most = most.min(i64::from(plan.amount));
            match first.answers {
                Some(send) if matches!(send.document, DocumentPlan::Activation(_)) => {
                    first = self.message(send);
                }
                _ => return Ok((first, most)),
            }
        }
        Err(unknown(sent.id, "it is no call, or was passed on too often"))
    }

    /// What a call that passes none on calls for, by itself.
    fn first_called(&self, sent: &Sent<'s>) -> Result<Called, ContentError> {
        let DocumentPlan::Activation(plan) = sent.plan else {
            return Err(unknown(sent.id, "it is no call"));
        };
        let own = |(minute, amounts): (u32, Vec<i64>)| {
            let provider = &self.recipient(sent)?.eic;
            Ok::<_, ContentError>(Bid {
                id: self.uuid(&format!("series/{}", sent.id)),
                resource: market::resource(provider, 0),
                amounts,
                cents: 0,
                minute,
            })
        };
        let order = self.uuid(&format!("order/{}", sent.id));
        let Some(answered) = sent.answers else {
            let minute = plan.first.clamp(1, 96).saturating_sub(1).saturating_mul(15);
            return Ok(Called { order, bid: own((minute, vec![i64::from(plan.amount)]))? });
        };
        match &answered.document {
            DocumentPlan::ReserveBid(bids) => {
                let made = self.bids(&self.message(answered), bids)?.into_iter().next();
                let bid = made.ok_or_else(|| unknown(sent.id, "it answers no bid"))?;
                Ok(Called { order, bid })
            }
            DocumentPlan::FlexOrder(_) => {
                let ordered = self.order(&self.message(answered))?;
                let bid = own(ordered.option.powers.kilowatts())?;
                Ok(Called { order: ordered.reference, bid })
            }
            DocumentPlan::MarketResult(result) => {
                let bid = own(self.taken(result, &self.recipient(sent)?.name, sent)?)?;
                Ok(Called { order, bid })
            }
            _ => Err(unknown(sent.id, "it answers neither a bid nor an order")),
        }
    }

    /// From which minute of the day, and how much in each quarter, a market took of a provider.
    fn taken(
        &self,
        result: &MarketResult,
        provider: &str,
        by: &Sent<'s>,
    ) -> Result<(u32, Vec<i64>), ContentError> {
        for step in &result.taken {
            let bid = self.sent(step)?;
            if bid.from != provider {
                continue;
            }
            let taken = match bid.plan {
                DocumentPlan::ReserveBid(plan) => {
                    self.bids(&bid, plan)?.into_iter().next().map(|b| (b.minute, b.amounts))
                }
                DocumentPlan::FlexOffer(plan) => {
                    let (_, _, options) = self.offer(&bid, plan)?;
                    options.first().map(|o| o.powers.kilowatts())
                }
                _ => None,
            };
            return taken.ok_or_else(|| unknown(by.id, "what was taken is no bid"));
        }
        Err(unknown(by.id, "nothing was taken of whom it goes to"))
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
