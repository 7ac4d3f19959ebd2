//! What peers promise. Who passes an envelope on has judged it, and so has what it names; who names a
//! message in its heads has it. Who is asked for that and does not give it answers for it: little the
//! first time, for an answer can get lost, and more each time that it happens again soon.
//!
//! | what | why an honest peer is not shut out for it |
//! |---|---|
//! | the connection ended, or there was none | it is not counted |
//! | it was restarted, or stood still: many questions fail together | those of five seconds count once |
//! | it forgot meanwhile what was too old | what it named then is not asked for any more; it is asked once more what it has |
//! | now and then an answer is lost | what comes less often than once a minute is five points, of which half is forgotten by the next |
//! | its line is too slow for a page in the time that there is | silence, once for each question and look, never adds up to that |

use gridpass_identity::time::UnixMillis;

/// What the first broken promise costs, and each further one more than the one before it.
const BROKEN: f64 = 5.0;
/// It costs this many times that at most, where the peer said that it is not here, or gave something
/// else: as much as a fault.
const MOST_SAID: u32 = 6;
/// Where it was silent. A silent peer is looked at again every thirty seconds, so that 58 points are the
/// most that it comes to; but silence about many small things comes every five.
const MOST_SILENT: u32 = 3;
/// What is not given within so long, in milliseconds, counts once: it has one cause.
const TOGETHER_MILLIS: u64 = 5_000;
/// After so long without another, in milliseconds, the next one is the first again.
const FORGOTTEN_MILLIS: u64 = 60_000;
/// How soon somebody who broke a promise is asked once more what it has, in milliseconds.
const LOOK_AGAIN_MILLIS: u64 = 10_000;

/// How something was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::node) enum Denial {
    /// It said that it is not here, or gave something else.
    Said,
    /// It did not answer, or said that it is busy.
    Silent,
}

/// How a peer keeps what it promises.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promises {
    in_a_row: u32,
    last: Option<UnixMillis>,
    look_again: Option<UnixMillis>,
}

impl Promises {
    /// It did not give what it said it has. Gives what that costs.
    pub(super) fn broken(&mut self, denial: Denial, now: UnixMillis) -> Option<f64> {
        match self.last.map(|last| now.millis_since(last)) {
            Some(age) if age < TOGETHER_MILLIS => return None,
            Some(age) if age < FORGOTTEN_MILLIS => {}
            Some(_) | None => self.in_a_row = 0,
        }
        self.last = Some(now);
        let most = match denial {
            Denial::Said => MOST_SAID,
            Denial::Silent => MOST_SILENT,
        };
        self.in_a_row = self.in_a_row.saturating_add(1).min(most);
        Some(BROKEN * f64::from(self.in_a_row))
    }

    /// It is asked once more what it has, in a while.
    pub(super) fn look_again_later(&mut self, now: UnixMillis) {
        self.look_again.get_or_insert(now.plus_millis(LOOK_AGAIN_MILLIS));
    }

    /// Whether that is due now.
    pub(super) fn looks_again(&mut self, now: UnixMillis) -> bool {
        let due = self.look_again.is_some_and(|due| due <= now);
        if due {
            self.look_again = None;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::GRAYLIST;

    /// A peer and its score, as the node reckons with it, second by second.
    #[derive(Default)]
    struct Peer {
        promises: Promises,
        score: f64,
        worst: f64,
        now: u64,
    }

    impl Peer {
        fn breaks(&mut self, denial: Denial) {
            let charge = self.promises.broken(denial, UnixMillis::new(self.now * 1000));
            self.score -= charge.unwrap_or_default();
            self.worst = self.worst.min(self.score);
        }

        fn goes_on(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.now += 1;
                self.score *= 0.99;
            }
        }

        fn is_shut_out(&self) -> bool {
            self.worst <= GRAYLIST
        }
    }

    #[test]
    fn who_is_restarted_again_and_again_stays() {
        let mut peer = Peer::default();
        // All that it was asked fails at once, and what it had not yet kept is gone.
        for _ in 0..100 {
            (0..1000).for_each(|_| peer.breaks(Denial::Said));
            peer.goes_on(60);
        }
        assert!(peer.worst < 0.0 && peer.worst > -12.0, "{}", peer.worst);
    }

    #[test]
    fn who_stands_still_for_as_long_as_a_connection_lasts_stays() {
        let mut peer = Peer::default();
        // What was asked before runs into its time, for as long as questions take.
        for _ in 0..20 {
            (0..64).for_each(|_| peer.breaks(Denial::Silent));
            peer.goes_on(1);
        }
        assert!(!peer.is_shut_out(), "{}", peer.worst);
    }

    #[test]
    fn who_forgets_what_is_too_old_while_it_is_asked_for_stays() {
        let mut peer = Peer::default();
        // Once an hour; what it named before is not asked for after the first.
        for _ in 0..24 {
            peer.breaks(Denial::Said);
            peer.promises.look_again_later(UnixMillis::new(peer.now * 1000));
            peer.goes_on(9);
            assert!(!peer.promises.looks_again(UnixMillis::new(peer.now * 1000)));
            peer.goes_on(1);
            assert!(peer.promises.looks_again(UnixMillis::new(peer.now * 1000)));
            assert!(!peer.promises.looks_again(UnixMillis::new(peer.now * 1000)), "once");
            peer.goes_on(3590);
        }
        assert!(peer.worst > -6.0, "{}", peer.worst);
    }

    #[test]
    fn who_loses_one_answer_of_a_hundred_stays() {
        let mut peer = Peer::default();
        // A question a second, all day.
        for _ in 0..864 {
            peer.breaks(Denial::Silent);
            peer.goes_on(100);
        }
        assert!(peer.worst > -12.0, "{}", peer.worst);
    }

    #[test]
    fn whose_line_is_too_slow_for_a_page_stays() {
        let mut peer = Peer::default();
        // It is looked at again ten seconds after each question that ran into its time.
        for _ in 0..3000 {
            peer.breaks(Denial::Silent);
            peer.goes_on(30);
        }
        assert!(peer.worst > -60.0, "{}", peer.worst);
    }

    #[test]
    fn who_gives_nothing_of_what_it_names_is_shut_out() {
        // Each time that it is looked at again; and while it names ever more that it does not have.
        let floods = [(Denial::Said, 10, 90), (Denial::Said, 1, 60), (Denial::Silent, 1, 60)];
        for (denial, pause, within) in floods {
            let mut peer = Peer::default();
            while !peer.is_shut_out() {
                peer.breaks(denial);
                peer.goes_on(pause);
                assert!(peer.now <= within, "{denial:?} every {pause} s: {}", peer.worst);
            }
        }
    }
}
