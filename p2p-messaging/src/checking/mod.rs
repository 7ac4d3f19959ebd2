//! The checking core: bytes, a time and stored facts in; a verdict and what to do about it out.
//!
//! Nothing here reads a clock, a network or a disk, so that node, simulator, fuzzer and auditor run
//! the same code. Checks come in the order of what they cost:
//!
//! ```text
//! size, decoding -> channel -> time -> duplicate -> sequence -> key and signature
//!     -> presentation and authorisation -> admission -> epoch -> policy -> schema
//! ```
//!
//! What the channel's descriptor decides is the same on every peer that has the same documents, and
//! it alone decides whether an envelope is passed on. Whether it is delivered here is asked too:
//! whom it is addressed to.

mod again;
mod checker;
mod deciding;
mod facts;
mod failures;
mod finality;
mod keys;
mod lists;
mod rate;
mod refusals;
mod room;
mod sealed;
mod sender;
mod sequence;
mod strangers;
mod waiting;

pub use checker::Checker;
pub use facts::{Chain, Known, Link};
pub use sender::Speaker;
pub use waiting::{Held, Missing};

// What an auditor asks again of what is recorded.
pub(crate) use crate::codes::find as code_of;
pub(crate) use deciding::{message_facts, payload_facts};
pub(crate) use rate::claimed_most;
pub(crate) use room::{Taken, who_makes_room};
pub(crate) use sealed::epoch_facts;
pub(crate) use sender::{Established, establish, signature_facts};

use crate::envelope::Envelope;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::code::Code;
use gridpass_identity::time::UnixMillis;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Decision, Ruling};
use gridpass_policy::facts::{Admission, Question};
use gridpass_policy::policy::Policy;

/// How an envelope came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// As it was sent: it is judged now.
    Live,
    /// By catching up: it is judged as of when it was made, by what is known today. That it `arrived`
    /// later is a fact of its own, for channels that ask for it.
    CatchUp,
}

/// How an envelope came, and from whom.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// How.
    pub source: Source,
    /// The peer that passed it on: it answers for what it passes on, and has its share of the room.
    pub peer: &'a str,
    /// As whom that peer is known, where it is somebody: its participant, where it may read here or
    /// brought something that was admitted. Of the room for what waits strangers have a quarter, and who
    /// is known as the same shares the rest as one.
    pub known_as: Option<&'a str>,
    /// The channel in which it was passed on, where it came by gossip.
    pub channel: Option<&'a ContentId>,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Authentic, and allowed: it is passed on.
    Admit,
    /// Authentic, of a sender who is who it says, and not allowed, whatever may still come: it is
    /// not passed on, and kept as refused, the first of each sender in an hour.
    Refuse,
    /// Something is missing; it is held for a while.
    Wait,
    /// Whoever looks sees that it is wrong: the peer that passed it on answers for it.
    Fault,
    /// Nothing can be said, or nothing is to be kept: unknown channel, out of time, known already,
    /// or by somebody who is not the one that it names.
    Ignore,
}

/// What to do besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask peers for it.
    Ask(Missing),
    /// Ask peers for these envelopes, from and up to these numbers.
    Gap {
        /// Whose.
        chain: Chain,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        until: u64,
    },
    /// Keep both as proof and announce them: the sender signed two with one number, or one that
    /// does not follow the other in number or in time.
    Forked {
        /// The one that was known.
        first: EnvelopeId,
        /// The one that came.
        second: EnvelopeId,
    },
    /// Keep the facts that decisions name.
    Keep(Box<Admission>),
}

/// A decision, as far as it is not in the envelope itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// When.
    pub at: UnixMillis,
    /// The facts about the sender.
    pub admission: ContentId,
    /// What was asked.
    pub question: Question,
    /// What came out.
    pub ruling: Ruling,
}

/// What was found out about an envelope.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason that decided it.
    pub code: Code,
    /// The same as a sentence.
    pub sentence: String,
    /// The envelope, where it could be read.
    pub envelope: Option<Box<Envelope>>,
    /// Whether it takes its place in its chain and is kept: it is admitted, or one of the first that
    /// were refused.
    pub keep: bool,
    /// Whether it is to be delivered here: it is admitted, for this participant, and its payload
    /// fits or is sealed.
    pub deliver: bool,
    /// Whether it would be delivered here, and its key has not come.
    pub unopened: bool,
    /// Whether who passed it on answers for it a little: it is refused for what others see too, or
    /// shows a presentation or authorisation that holds nowhere. Who passes on a fault always does.
    pub answers: bool,
    /// The decision, where it came to one.
    pub decided: Option<Box<Decided>>,
    /// What to do besides.
    pub effects: Vec<Effect>,
}

impl Checked {
    fn new(verdict: Verdict, code: Code, sentence: impl Into<String>) -> Self {
        Self {
            verdict,
            code,
            sentence: sentence.into(),
            envelope: None,
            keep: false,
            deliver: false,
            unopened: false,
            answers: false,
            decided: None,
            effects: Vec::new(),
        }
    }

    /// Whether it is left aside because its sender sends faster than the channel allows.
    #[must_use]
    pub fn is_too_fast(&self) -> bool {
        let rate = policy_codes::MESSAGE_RATE.id();
        let reasons = self.decided.iter().flat_map(|d| &d.ruling.reasons);
        self.verdict == Verdict::Ignore && reasons.into_iter().any(|r| r.code == rate)
    }
}

/// As what somebody may be given what is said in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// To hold it for others: it is sealed, and not to them.
    Keep,
    /// To read it.
    Read,
}

/// Bounds of a checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most admissions that are remembered.
    pub admissions: usize,
    /// The most envelopes that wait for something: each takes as much of the bytes as there are for one.
    pub waiting: usize,
    /// The most bytes that wait, a quarter of them of strangers.
    pub waiting_bytes: usize,
    /// The most that wait of those that one peer passed on, or one participant's peers together.
    pub waiting_per_peer: usize,
    /// The most bytes of those.
    pub waiting_bytes_per_peer: usize,
    /// How long each waits, in milliseconds.
    pub waiting_millis: u64,
    /// The most senders whose rate is counted.
    pub senders: usize,
    /// What the epochs of one sender in a channel may cost that come in an hour:
    /// [`crate::sealing::allowance`].
    pub epochs_an_hour: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            admissions: 4096,
            waiting: 1024,
            waiting_bytes: 16 * 1024 * 1024,
            waiting_per_peer: 64,
            waiting_bytes_per_peer: 4 * 1024 * 1024,
            waiting_millis: 30_000,
            senders: 16_384,
            epochs_an_hour: crate::sealing::allowance::ARRIVALS_AN_HOUR,
        }
    }
}

impl Decided {
    /// The decision as it is recorded.
    #[must_use]
    pub fn to_decision(&self, policy: &Policy, facts: &Admission) -> Decision {
        Decision::of_ruling(policy, facts, &self.admission, (&self.question, self.at), &self.ruling)
    }
}
