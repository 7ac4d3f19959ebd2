//! What ends soon of what this node shows for itself: its authorisation, the presentation for a channel, a
//! visa in it. Who hears of it when nothing comes any more hears of it too late.

use super::authorised::authorise;
use super::own_rights::{OwnRight, Told, renew_visa};
use super::worker::Worker;
use crate::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DAY: u64 = 24 * 3600 * 1000;
/// How long before it ends is said so, in milliseconds, and of what lives shorter which part of its life.
const SOON: (u64, u64) = (14 * DAY, 3);
/// The same of the last warning.
const LAST: (u64, u64) = (DAY, 10);

/// From when until when something counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) from: UnixMillis,
    pub(super) until: UnixMillis,
}

/// How near an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Near {
    Soon,
    Last,
}

impl Life {
    /// How near its end is; nothing where that is far, or was.
    pub(super) fn near(self, now: UnixMillis) -> Option<Near> {
        let (lives, left) = (self.until.millis_since(self.from), self.until.millis_since(now));
        let within = |(most, part): (u64, u64)| {
            left > 0 && left <= most.min(lives.checked_div(part).unwrap_or_default())
        };
        match (within(SOON), within(LAST)) {
            (_, true) => Some(Near::Last),
            (true, false) => Some(Near::Soon),
            (false, false) => None,
        }
    }
}

/// What ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Authorisation,
    Presentation(ContentId),
    Visa(ContentId),
}

/// Something that ends soon.
struct Ending {
    what: What,
    until: UnixMillis,
    near: Near,
    sentence: String,
    next: String,
}

impl Ending {
    fn of(
        what: What,
        (life, now): (Life, UnixMillis),
        named: &str,
        next: impl FnOnce() -> String,
    ) -> Option<Self> {
        let (near, until) = (life.near(now)?, life.until);
        let sentence = format!("{named} ends at {until}");
        Some(Self { what, until, near, sentence, next: next() })
    }

    fn shown(&self) -> Value {
        let what = match self.what {
            What::Authorisation => "authorisation",
            What::Presentation(_) => "presentation",
            What::Visa(_) => "visa",
        };
        let near = match self.near {
            Near::Soon => "soon",
            Near::Last => "last",
        };
        json!({
            "what": what,
            "until": self.until,
            "near": near,
            "code": codes::RIGHT_ENDS.id(),
            "sentence": self.sentence,
            "next": self.next,
        })
    }
}

/// Of what the operator was told, how near it was, until when it counted, and when it was told.
#[derive(Default)]
pub(super) struct ToldEnds(BTreeMap<What, (Near, UnixMillis, UnixMillis)>);

impl ToldEnds {
    /// Whether it is time to say it: when it comes nearer, and once a day.
    fn is_due(&mut self, ending: &Ending, uptime: UnixMillis) -> bool {
        let (near, until) = (ending.near, ending.until);
        let told = self
            .0
            .get(&ending.what)
            .is_some_and(|(n, u, at)| (*n, *u) == (near, until) && uptime.millis_since(*at) < DAY);
        if !told {
            self.0.insert(ending.what.clone(), (near, until, uptime));
        }
        !told
    }
}

impl Worker {
    fn authorisation_ending(&self, now: UnixMillis) -> Option<Ending> {
        // Another that was given goes on from it.
        let own = &self.knowledge.material.last_authorisation()?.authorisation;
        // One that counts from the next start on, or for somebody else, is another matter.
        if own.principal != self.me.participant {
            return None;
        }
        let life = Life { from: own.valid_from, until: own.valid_until };
        let named = "the authorisation of this node";
        Ending::of(What::Authorisation, (life, now), named, || authorise(&self.me.node))
    }

    fn presentation_ending(&self, channel: &ContentId, now: UnixMillis) -> Option<Ending> {
        let own = self.knowledge.material.last_presentation(channel)?;
        let life = Life { from: own.signed, until: own.expires };
        let what = What::Presentation(channel.clone());
        let next = || codes::NO_PRESENTATION.0.remedy.to_owned();
        Ending::of(what, (life, now), "the presentation for this channel", next)
    }

    /// That the authorisation of this node ends soon, for an operator.
    pub(super) fn authorisation_end(&self, now: UnixMillis) -> Option<Value> {
        self.authorisation_ending(now).map(|ending| ending.shown())
    }

    /// What ends soon of what it shows in a channel, for an operator.
    pub(super) fn ends_of(
        &self,
        channel: &ContentId,
        right: Option<&OwnRight>,
        now: UnixMillis,
    ) -> Vec<Value> {
        let visa = right.and_then(|right| visa_ending(channel, right, now));
        let all = self.presentation_ending(channel, now).into_iter().chain(visa);
        all.map(|ending| ending.shown()).collect()
    }

    /// Says in the log what ends soon, and to who watches the figures when everything does.
    pub(super) fn tell_of_ends(&self, told: &mut Told, now: UnixMillis) {
        let (uptime, material) = (self.uptime(), &self.knowledge.material);
        let authorised = material.last_authorisation().map(|a| a.authorisation.valid_until);
        let ends = |channel| material.last_presentation(channel).map(|own| (channel, own.expires));
        let presented: BTreeMap<_, _> = material.presentations.keys().filter_map(ends).collect();
        self.metrics.ends(authorised, &presented);
        let mut ends: Vec<Ending> = self.authorisation_ending(now).into_iter().collect();
        ends.extend(presented.keys().filter_map(|c| self.presentation_ending(c, now)));
        ends.extend(told.rights.iter().filter_map(|(c, right)| visa_ending(c, right, now)));
        told.ends.0.retain(|what, _| ends.iter().any(|ending| ending.what == *what));
        for ending in ends {
            if !told.ends.is_due(&ending, uptime) {
                continue;
            }
            let (code, next) = (codes::RIGHT_ENDS.id(), ending.next.as_str());
            match &ending.what {
                What::Authorisation => tracing::warn!(code, next, "ends soon: {}", ending.sentence),
                What::Presentation(channel) | What::Visa(channel) => {
                    tracing::warn!(%channel, code, next, "ends soon: {}", ending.sentence);
                }
            }
        }
    }
}

fn visa_ending(channel: &ContentId, right: &OwnRight, now: UnixMillis) -> Option<Ending> {
    let (role, life) = right.visa.as_ref()?;
    let named = format!("the visa for {role}");
    Ending::of(What::Visa(channel.clone()), (*life, now), &named, renew_visa)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::cid;

    const NOW: UnixMillis = UnixMillis::from_millis(1_800_000_000_000);

    /// What lives so long, and has so much left.
    fn life(lives: u64, left: u64) -> Life {
        let until = NOW.plus_millis(left);
        Life { from: UnixMillis::new(until.get() - lives), until }
    }

    #[test]
    fn an_end_is_near_two_weeks_before_and_a_day_before() {
        for (left, near) in [
            (14 * DAY + 1, None),
            (14 * DAY, Some(Near::Soon)),
            (DAY + 1, Some(Near::Soon)),
            (DAY, Some(Near::Last)),
            (1, Some(Near::Last)),
            (0, None),
        ] {
            assert_eq!(life(365 * DAY, left).near(NOW), near, "{left}");
        }
    }

    #[test]
    fn what_lives_shortly_ends_soon_in_its_last_third() {
        let hour = DAY / 24;
        for (lives, left, near) in [
            (30 * DAY, 10 * DAY + 1, None),
            (30 * DAY, 10 * DAY, Some(Near::Soon)),
            (30 * DAY, DAY, Some(Near::Last)),
            (DAY, 8 * hour + 1, None),
            (DAY, 8 * hour, Some(Near::Soon)),
            (DAY, DAY / 10, Some(Near::Last)),
            (0, 0, None),
        ] {
            assert_eq!(life(lives, left).near(NOW), near, "{lives} {left}");
        }
    }

    #[test]
    fn it_is_told_once_a_day_and_when_it_comes_nearer() {
        let ending = |left: u64| {
            let next = || "do".to_owned();
            let what = What::Presentation(cid("bids"));
            Ending::of(what, (life(365 * DAY, left), NOW), "it", next).expect("soon")
        };
        let (mut told, at) = (ToldEnds::default(), UnixMillis::new);
        assert!(told.is_due(&ending(2 * DAY), at(0)));
        assert!(!told.is_due(&ending(2 * DAY), at(DAY - 1)), "it was said today");
        assert!(told.is_due(&ending(2 * DAY), at(DAY)));
        assert!(told.is_due(&ending(DAY), at(DAY + 1)), "it is another, and nearer");
        assert!(!told.is_due(&ending(DAY), at(DAY + 2)));
        let shown = ending(DAY).shown();
        assert_eq!((&shown["near"], &shown["what"]), (&"last".into(), &"presentation".into()));
        assert_eq!((&shown["code"], &shown["next"]), (&"GP-RIGHT-ENDS".into(), &"do".into()));
    }
}
