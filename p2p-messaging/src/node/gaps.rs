//! What is missing of the chains of a channel, and what only looks like it: what was said before this node
//! could be given anything, and what nobody takes up any more. Else a loss is not seen among what is
//! missing in the order of things.

use super::worker::Worker;
use gridpass_credentials::content_id::ContentId;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::policy::Policy;
use serde_json::{Value, json};

/// The most holes of one chain that are shown.
const MAX_HOLES: usize = 64;

/// What may have been given in a channel.
struct Given {
    /// From when on, where the channel keeps the earlier for those who were members then.
    since: UnixMillis,
    /// How long a message is taken up, in milliseconds.
    kept_for: u64,
}

impl Given {
    /// Why nobody gives what is missing from this number on, up to a message that was made at `next`;
    /// nothing where somebody should. What was made before the first message that is here may all be from
    /// before this node could read: its times are not known.
    fn why_not(&self, from: u64, next: UnixMillis, now: UnixMillis) -> Option<&'static str> {
        if now.millis_since(next) > self.kept_for {
            return Some("retention");
        }
        let begins = from == 1 && self.since > UnixMillis::new(0);
        (begins || next < self.since).then_some("before")
    }
}

impl Worker {
    /// What is missing in a channel, and what is not given, as an operator is shown it.
    pub(super) fn gaps_of(&self, channel: &ContentId, now: UnixMillis) -> (Vec<Value>, Vec<Value>) {
        let (mut gaps, mut not_given) = (Vec::new(), Vec::new());
        let own = self.knowledge.material.presentations.get(channel);
        let descriptor = self.checker.policy(channel).map(Policy::descriptor);
        let given = Given {
            since: own.map_or(UnixMillis::new(0), |own| {
                self.readable_from(channel, &self.me.participant, &own.id)
            }),
            kept_for: descriptor.map_or(u64::MAX, |d| d.retention.seconds.saturating_mul(1000)),
        };
        let store = &self.knowledge.store;
        for head in store.heads(channel).into_iter().filter(|h| h.whole < h.newest) {
            let (sender, key) = (&head.chain.sender, &head.chain.key);
            let first = head.whole.saturating_add(1);
            let mut missing = None;
            for (from, until) in store.holes(&head.chain, first, head.newest, MAX_HOLES) {
                let next = store.at(&head.chain, until.saturating_add(1)).map(|l| l.issued);
                match next.and_then(|next| given.why_not(from, next, now)) {
                    Some(reason) => not_given
                        .push(json!({"sender": sender, "key": key, "from": from, "until": until,
                               "reason": reason})),
                    None => missing = missing.or(Some(from)),
                }
            }
            if let Some(from) = missing {
                let whole = from.saturating_sub(1);
                let aside = self.ranges.looked.left_aside(&head.chain, self.uptime());
                let aside = aside.map(|(code, said)| json!({"code": code.id(), "sentence": said}));
                gaps.push(json!({"sender": sender, "key": key, "whole": whole,
                                 "newest": head.newest, "leftAside": aside}));
            }
        }
        (gaps, not_given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_gives_is_told_from_what_is_missing() {
        let day = |n: u64| UnixMillis::new(n * 24 * 3600 * 1000);
        let now = day(100);
        // With history, and without it for who is a member since the 90th day; kept for 30 days.
        let all = Given { since: UnixMillis::new(0), kept_for: day(30).get() };
        let late = Given { since: day(90), kept_for: day(30).get() };
        for (given, from, next, why) in [
            (&all, 1, day(95), None),
            (&all, 7, day(71), None),
            (&all, 7, day(69), Some("retention")),
            (&all, 1, day(69), Some("retention")),
            (&late, 1, day(95), Some("before")),
            (&late, 7, day(89), Some("before")),
            (&late, 7, day(95), None),
            (&late, 7, day(69), Some("retention")),
        ] {
            assert_eq!(given.why_not(from, next, now), why, "{from} {next}");
        }
    }
}
