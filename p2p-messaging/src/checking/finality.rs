//! What a denial is worth: whether it stays one, and who sees it.

use super::{Source, Verdict};
use crate::codes;
use crate::envelope::Header;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::trust::Trust;
use gridpass_identity::code::{Class, Code};
use gridpass_identity::codes as identity_codes;
use gridpass_policy::channel::Sealing;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::decision::{Reason, Ruling};
use gridpass_policy::facts::{Admission, CheckFacts, Finding, MessageFacts, VisaFacts};
use gridpass_policy::policy::Policy;

/// How a message came; and whether every suspension that it fails for is over by the newest lists here, which say
/// that it was in force then ([`super::lists::reinstated`]).
pub(super) type Judged = (Source, bool);

/// What a denial is worth: whether it stays one, whatever may still come; whether it waits for what
/// is missing; or whether nothing is kept of it, since the sender is not shown to be the sender. `rooted` is
/// what [`may_be_rooted`] says.
pub(super) fn finality(
    policy: &Policy,
    ruling: &Ruling,
    facts: &Admission,
    judged: Judged,
    rooted: bool,
) -> Verdict {
    if facts.has_failed() {
        return Verdict::Ignore;
    }
    let later = match judged.0 {
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
    // Undecided is what would be allowed if what is missing came, and came out well. The visas that
    // prove an issuer's authority come with the presentation, or never.
    let may_come = facts.visas.iter().any(|v| {
        v.standing.outcome == Finding::Indeterminate
            && codes::find(&v.standing.code).is_some_and(|c| {
                c != credential_codes::CHAIN_LINK_MISSING
                    && c != credential_codes::PRECONDITIONS_UNKNOWN
            })
    });
    let is_open = |r: &Reason| r.code == policy_codes::POLICY_UNDECIDED.id();
    let undecided = |r: &Reason| may_come && is_open(r);
    let passes =
        |r: &Reason| passes(policy, r, facts, judged) || (rooted && !may_come && is_open(r));
    // One that stays is enough: else who sends too fast, say, hides behind that what nobody may.
    if ruling.reasons.iter().any(|r| !passes(r) && !undecided(r)) {
        return Verdict::Refuse;
    }
    if ruling.reasons.iter().any(passes) { Verdict::Ignore } else { later }
}

/// Whether a chain that is open ends at one whom a definition names as an issuer: a newer charter may say that it
/// was a root, and a newer list what is open further up. What is not shown is missing for good only else.
pub(super) fn may_be_rooted(facts: &Admission, trust: &Trust) -> bool {
    let missing = credential_codes::CHAIN_LINK_MISSING.id();
    let is_open =
        |v: &&VisaFacts| v.standing.outcome == Finding::Indeterminate && v.standing.code == missing;
    let ends = facts.visas.iter().filter(is_open).filter_map(|v| v.path.last());
    ends.map(|step| &step.issuer)
        .any(|did| trust.definitions().any(|(_, r)| r.definition.issuers.dids.contains(did)))
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

/// Of who is to read: a charter, the log of a DID or a list that is newer than those here, or a later
/// minute, may say that it may. That it is suspended is not among these: its sender is to hear of it.
const MENDED: [Code; 7] = [
    credential_codes::ROLE_NOT_LISTED,
    credential_codes::ISSUER_NOT_ROOT,
    credential_codes::STATUS_ROLLBACK,
    credential_codes::VISA_NOT_YET,
    identity_codes::KEY_NOT_LISTED,
    identity_codes::SIGNED_IN_FUTURE,
    policy_codes::CHANNEL_NOT_YET,
];

fn is_one(code: &str, codes: &[Code]) -> bool {
    codes.iter().any(|c| c.id() == code)
}

fn tells(reason: &Reason, codes: &[Code]) -> bool {
    is_one(&reason.code, codes) || reason.causes.iter().any(|c| is_one(&c.code, codes))
}

/// Whether a reason may be none later, or to another peer.
fn passes(policy: &Policy, reason: &Reason, facts: &Admission, judged: Judged) -> bool {
    let (source, reinstated) = judged;
    let live = source == Source::Live;
    // No later list takes back that it was suspended then.
    let stays = |code: &str| reinstated && code == credential_codes::VISA_SUSPENDED.id();
    let may_pass = |code: &str| {
        (is_one(code, &PASSING) && !stays(code)) || (live && is_one(code, &OF_THE_TIME))
    };
    // A peer that has another framework's trust judges for itself alone.
    let foreign = facts.trust.framework != policy.descriptor().framework;
    // A visa that another one needs fails with it, and heals with it.
    let needed = || facts.visas.iter().any(|v| may_pass(&v.standing.code));
    may_pass(&reason.code)
        || reason.causes.iter().any(|c| may_pass(&c.code))
        || (foreign && reason.code == policy_codes::ADMISSION_OTHER.id())
        || (tells(reason, &[credential_codes::PRECONDITIONS_UNMET]) && needed())
}

/// Whether a suspension is among what it fails for.
pub(super) fn is_suspended(facts: &Admission, ruling: &Ruling) -> bool {
    let suspended = [credential_codes::VISA_SUSPENDED];
    ruling.reasons.iter().any(|r| tells(r, &suspended))
        || facts.visas.iter().any(|v| is_one(&v.standing.code, &suspended))
}

/// Whether something newer than what is here, or a later minute, may mend that a check failed.
pub(super) fn is_mended(code: Code) -> bool {
    MENDED.contains(&code)
}

/// The same of all for which somebody may not read: then that is not certain.
pub(super) fn may_be_mended(ruling: &Ruling, facts: &Admission) -> bool {
    let mended = |f: &CheckFacts| is_one(&f.code, &MENDED);
    if facts.has_failed() {
        // Nothing that is shown beside is anybody's yet.
        let shown = [Some(&facts.standing), facts.node.as_ref().map(|n| &n.standing)];
        return shown.into_iter().flatten().all(|f| f.outcome != Finding::Failed || mended(f));
    }
    let needed = || facts.visas.iter().any(|v| mended(&v.standing));
    ruling.reasons.iter().all(|r| {
        tells(r, &MENDED)
            || r.code == policy_codes::POLICY_UNDECIDED.id()
            || (tells(r, &[credential_codes::PRECONDITIONS_UNMET]) && needed())
    })
}

/// Whether that was good once: it was withdrawn, its key marked, or its time is over.
pub(super) fn is_ended(code: Code) -> bool {
    matches!(code.class(), Class::Revoked | Class::Expired)
}

/// Whether something of that kind is among what somebody may not read for: who had it may have been entitled
/// as long as it was good.
pub(super) fn has_ended(ruling: &Ruling, facts: &Admission) -> bool {
    let ended = |code: &str| codes::find(code).is_some_and(is_ended);
    let failed = |f: &CheckFacts| f.outcome == Finding::Failed && ended(&f.code);
    if facts.has_failed() {
        let shown = [Some(&facts.standing), facts.node.as_ref().map(|n| &n.standing)];
        return shown.into_iter().flatten().any(failed);
    }
    // A visa that another one needs fails with it.
    let needed = || facts.visas.iter().any(|v| failed(&v.standing));
    ruling.reasons.iter().any(|r| {
        ended(&r.code)
            || r.causes.iter().any(|c| ended(&c.code))
            || (tells(r, &[credential_codes::PRECONDITIONS_UNMET]) && needed())
    })
}

/// Whether all that a message is refused for, and that stays, is what only some can see: what it is sealed
/// to, or what is in it. Who passed it on may have seen nothing of that.
pub(super) fn is_hidden(
    policy: &Policy,
    (header, message): (&Header, &MessageFacts),
    ruling: &Ruling,
    (facts, judged): (&Admission, Judged),
) -> bool {
    let seals = policy.descriptor().sealing == Sealing::Members;
    let found = || [&message.sealing, &message.payload].into_iter().flatten();
    let hidden = |r: &Reason| {
        let is_it = |f: &CheckFacts| f.outcome != Finding::Passed && f.code == r.code;
        r.requirement.is_none() && found().any(is_it)
    };
    let borne = |r: &Reason| hidden(r) || passes(policy, r, facts, judged);
    seals && header.is_sealed() && ruling.reasons.iter().all(borne)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checking::deciding::message_facts;
    use crate::checking::signature_facts;
    use crate::envelope::Envelope;
    use crate::test_kit::{cid, header, key};
    use gridpass_identity::report::Outcome;
    use gridpass_policy::channel::ChannelDescriptor;
    use gridpass_policy::decision::{Verdict as Ruled, parse_admission};
    use gridpass_policy::direct::Cause;

    /// A channel, and what was established about a sender there: of the published vectors.
    fn scene(bend: impl FnOnce(&mut ChannelDescriptor)) -> (Policy, Admission) {
        let vectors = include_str!("../../../spec/vectors/decision.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors).expect("vectors");
        let input = &vectors["cases"][0]["input"];
        let text = |member: &str| input[member].as_str().expect("a text").to_owned();
        let mut descriptor: ChannelDescriptor =
            serde_json::from_str(&text("descriptor")).expect("a descriptor");
        bend(&mut descriptor);
        let policy = Policy::compile(descriptor).expect("a policy");
        let (_, admission) = parse_admission(text("admission").as_bytes(), None).expect("facts");
        (policy, admission)
    }

    fn unmet(cause: Code) -> Reason {
        let causes = vec![Cause { code: cause.id().into(), sentence: String::new() }];
        Reason::of_requirement(policy_codes::POLICY_UNMET, "zone", "it says", causes)
    }

    fn denied(reasons: Vec<Reason>) -> Ruling {
        Ruling { verdict: Ruled::Deny, reasons }
    }

    #[test]
    fn what_fails_with_a_visa_that_may_heal_may_heal_too() {
        let (policy, mut facts) = scene(|_| ());
        let ruling = denied(vec![unmet(credential_codes::PRECONDITIONS_UNMET)]);
        let of =
            |facts: &Admission, source| finality(&policy, &ruling, facts, (source, false), false);
        assert_eq!(of(&facts, Source::Live), Verdict::Refuse);
        // What the other visa needs counts from tomorrow on: to whose clock is ahead, it does already.
        facts.visas[0].standing =
            CheckFacts::new(Outcome::Failed, credential_codes::VISA_NOT_YET, "it begins tomorrow");
        assert_eq!(of(&facts, Source::Live), Verdict::Ignore);
        assert_eq!(of(&facts, Source::CatchUp), Verdict::Refuse, "by its own time it stays");
        facts.visas[0].standing =
            CheckFacts::new(Outcome::Failed, credential_codes::VISA_REVOKED, "it is revoked");
        assert_eq!(of(&facts, Source::Live), Verdict::Refuse);
    }

    #[test]
    fn what_was_withdrawn_or_is_over_is_told_from_what_never_was() {
        let (_, mut facts) = scene(|_| ());
        let ended = |facts: &Admission, cause| has_ended(&denied(vec![unmet(cause)]), facts);
        let (revoked, needs) =
            (credential_codes::VISA_REVOKED, credential_codes::PRECONDITIONS_UNMET);
        for cause in [revoked, credential_codes::VISA_SUSPENDED, credential_codes::VISA_EXPIRED] {
            assert!(ended(&facts, cause), "{cause}");
        }
        assert!(!ended(&facts, policy_codes::POLICY_UNMET) && !ended(&facts, needs));
        // It is so too where the visa that is needed ended.
        facts.visas[0].standing = CheckFacts::new(Outcome::Failed, revoked, "it is revoked");
        assert!(ended(&facts, needs) && !ended(&facts, policy_codes::POLICY_UNMET));
        // Of a presentation that does not hold, nothing that is shown beside counts.
        facts.standing =
            CheckFacts::new(Outcome::Failed, credential_codes::PRESENTER_OTHER, "another's");
        assert!(!ended(&facts, revoked));
        facts.standing =
            CheckFacts::new(Outcome::Failed, credential_codes::PROOF_EXPIRED, "it is over");
        assert!(ended(&facts, needs));
    }

    #[test]
    fn a_suspension_that_is_over_stays_for_what_was_sent_during_it() {
        let (policy, mut facts) = scene(|_| ());
        let of = |facts: &Admission, cause: Code, judged| {
            finality(&policy, &denied(vec![unmet(cause)]), facts, judged, false)
        };
        let suspended = credential_codes::VISA_SUSPENDED;
        assert_eq!(of(&facts, suspended, (Source::CatchUp, false)), Verdict::Ignore);
        assert_eq!(of(&facts, suspended, (Source::CatchUp, true)), Verdict::Refuse);
        // And of what needs that visa; another reason passes as it did.
        let needs = credential_codes::PRECONDITIONS_UNMET;
        facts.visas[0].standing = CheckFacts::new(Outcome::Failed, suspended, "it was suspended");
        assert_eq!(of(&facts, needs, (Source::CatchUp, false)), Verdict::Ignore);
        assert_eq!(of(&facts, needs, (Source::CatchUp, true)), Verdict::Refuse);
        let listed = credential_codes::ROLE_NOT_LISTED;
        assert_eq!(of(&facts, listed, (Source::CatchUp, true)), Verdict::Ignore);
    }

    #[test]
    fn that_somebody_may_not_read_is_not_certain_as_long_as_something_newer_may_mend_it() {
        let (_, mut facts) = scene(|_| ());
        let of = |facts: &Admission, causes: &[Code]| {
            may_be_mended(&denied(causes.iter().map(|c| unmet(*c)).collect()), facts)
        };
        for code in MENDED {
            assert!(of(&facts, &[code]) && is_mended(code), "{code}");
            assert!(!of(&facts, &[code, policy_codes::ROLE_NOT_HELD]), "one that stays is enough");
        }
        let lost = [
            credential_codes::VISA_REVOKED,
            credential_codes::VISA_SUSPENDED,
            credential_codes::VISA_EXPIRED,
            credential_codes::PRECONDITIONS_UNMET,
        ];
        for code in lost {
            assert!(!of(&facts, &[code]), "{code}");
        }
        // What another visa needs heals with it.
        let not_yet = CheckFacts::new(Outcome::Failed, credential_codes::VISA_NOT_YET, "tomorrow");
        facts.visas[0].standing = not_yet.clone();
        assert!(of(&facts, &[credential_codes::PRECONDITIONS_UNMET]));
        // Where what it shows does not hold, that alone is looked at.
        facts.standing = not_yet;
        assert!(of(&facts, &[policy_codes::ROLE_NOT_HELD]));
        facts.standing =
            CheckFacts::new(Outcome::Failed, identity_codes::SIGNATURE_INVALID, "it is forged");
        assert!(!of(&facts, &[credential_codes::VISA_NOT_YET]));
    }

    #[test]
    fn one_reason_that_stays_is_enough() {
        let (policy, facts) = scene(|_| ());
        let rate = || Reason::of_facts(policy_codes::MESSAGE_RATE.id(), "it is too fast");
        let claim = || unmet(policy_codes::POLICY_UNMET);
        let live = (Source::Live, false);
        let of = |reasons| finality(&policy, &denied(reasons), &facts, live, false);
        assert_eq!(of(vec![rate()]), Verdict::Ignore);
        assert_eq!(of(vec![rate(), claim()]), Verdict::Refuse);
    }

    #[test]
    fn nobody_answers_for_what_others_cannot_see_or_may_see_otherwise() {
        let (policy, facts) = scene(|d| d.sealing = Sealing::Members);
        let key = key(1);
        let mut header = header(&key);
        header.epoch = Some(cid("an epoch"));
        let envelope = Envelope::sign(header, vec![7; 64], &key).expect("signs");
        let signature = signature_facts(envelope.header());
        let mut message = message_facts(&envelope, signature, None);
        let stranger = CheckFacts::new(Outcome::Failed, codes::SEALING_STRANGER, "to a stranger");
        message.sealing = Some(stranger);
        let hidden = || Reason::of_facts(codes::SEALING_STRANGER.id(), "to a stranger");
        let rate = || Reason::of_facts(policy_codes::MESSAGE_RATE.id(), "it is too fast");
        let seen = || unmet(policy_codes::POLICY_UNMET);
        let of = |policy: &Policy, reasons| {
            let judged = (&facts, (Source::Live, false));
            is_hidden(policy, (envelope.header(), &message), &denied(reasons), judged)
        };
        assert!(of(&policy, vec![hidden()]));
        assert!(of(&policy, vec![hidden(), rate()]), "others count otherwise");
        assert!(!of(&policy, vec![hidden(), seen()]));
        // Where nothing is sealed, everybody sees it.
        let (open, _) = scene(|_| ());
        assert!(!of(&open, vec![hidden()]));
    }
}
