//! What a denial is worth: whether it stays one, and who sees it.

use super::deciding::code_of;
use super::{Source, Verdict};
use crate::envelope::Header;
use gridpass_credentials::codes as credential_codes;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_policy::channel::Sealing;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Reason, Ruling};
use gridpass_policy::facts::{Admission, CheckFacts, Finding, MessageFacts};
use gridpass_policy::policy::Policy;

/// What a denial is worth: whether it stays one, whatever may still come; whether it waits for what
/// is missing; or whether nothing is kept of it, since the sender is not shown to be the sender.
pub(super) fn finality(
    policy: &Policy,
    ruling: &Ruling,
    facts: &Admission,
    source: Source,
) -> Verdict {
    if facts.has_failed() {
        return Verdict::Ignore;
    }
    let later = match source {
        Source::Live => Verdict::Wait,
        // It comes again with the next catching up.
        Source::CatchUp => Verdict::Ignore,
    };
    // Whether the sender sent it is open: nothing is written down in its name.
    let node = facts.node.as_ref().map(|n| n.standing.outcome);
    if facts.standing.outcome != Finding::Passed || node.is_some_and(|n| n != Finding::Passed) {
        return later;
    }
    // What follows from facts of another time is no more certain than they are.
    if ruling.reasons.iter().any(|r| tells(r, &[policy_codes::ADMISSION_EXPIRED])) {
        return Verdict::Ignore;
    }
    let passes = |r: &Reason| passes(policy, r, facts, source);
    // Undecided is what would be allowed if what is missing came, and came out well. The visas that
    // prove an issuer's authority come with the presentation, or never.
    let may_come = facts.visas.iter().any(|v| {
        v.standing.outcome == Finding::Indeterminate
            && code_of(&v.standing.code).is_some_and(|c| {
                c != credential_codes::CHAIN_LINK_MISSING
                    && c != credential_codes::PRECONDITIONS_UNKNOWN
            })
    });
    let undecided = |r: &Reason| may_come && r.code == policy_codes::POLICY_UNDECIDED.id();
    // One that stays is enough: else who sends too fast, say, hides behind that what nobody may.
    if ruling.reasons.iter().any(|r| !passes(r) && !undecided(r)) {
        return Verdict::Refuse;
    }
    if ruling.reasons.iter().any(passes) { Verdict::Ignore } else { later }
}

/// Another minute, another clock, a charter or a list that is on its way may say otherwise.
const PASSING: [Code; 6] = [
    policy_codes::MESSAGE_RATE,
    credential_codes::ROLE_NOT_LISTED,
    credential_codes::ISSUER_NOT_ROOT,
    credential_codes::STATUS_ROLLBACK,
    credential_codes::VISA_SUSPENDED,
    identity_codes::KEY_NOT_LISTED,
];
/// These hang on the time that it is judged for: caught up with, they stay.
const OF_THE_TIME: [Code; 4] = [
    policy_codes::MESSAGE_FROM_FUTURE,
    policy_codes::CHANNEL_NOT_YET,
    credential_codes::VISA_NOT_YET,
    identity_codes::SIGNED_IN_FUTURE,
];

fn is_one(code: &str, codes: &[Code]) -> bool {
    codes.iter().any(|c| c.id() == code)
}

fn tells(reason: &Reason, codes: &[Code]) -> bool {
    is_one(&reason.code, codes) || reason.causes.iter().any(|c| is_one(&c.code, codes))
}

/// Whether a reason may be none later, or to another peer.
fn passes(policy: &Policy, reason: &Reason, facts: &Admission, source: Source) -> bool {
    let live = source == Source::Live;
    let may_pass = |code: &str| is_one(code, &PASSING) || (live && is_one(code, &OF_THE_TIME));
    // A peer that has another framework's trust judges for itself alone.
    let foreign = facts.trust.framework != policy.descriptor().framework;
    // A visa that another one needs fails with it, and heals with it.
    let needed = || facts.visas.iter().any(|v| may_pass(&v.standing.code));
    tells(reason, &PASSING)
        || (live && tells(reason, &OF_THE_TIME))
        || (foreign && reason.code == policy_codes::ADMISSION_OTHER.id())
        || (tells(reason, &[credential_codes::PRECONDITIONS_UNMET]) && needed())
}

/// Whether all that a message is refused for, and that stays, is what only some can see: what it is sealed
/// to, or what is in it. Who passed it on may have seen nothing of that.
pub(super) fn is_hidden(
    policy: &Policy,
    (header, message): (&Header, &MessageFacts),
    ruling: &Ruling,
    (facts, source): (&Admission, Source),
) -> bool {
    let seals = policy.descriptor().sealing == Sealing::Members;
    let found = || [&message.sealing, &message.payload].into_iter().flatten();
    let hidden = |r: &Reason| {
        let is_it = |f: &CheckFacts| f.outcome != Finding::Passed && f.code == r.code;
        r.requirement.is_none() && found().any(is_it)
    };
    let borne = |r: &Reason| hidden(r) || passes(policy, r, facts, source);
    seals && header.is_sealed() && ruling.reasons.iter().all(borne)
}
