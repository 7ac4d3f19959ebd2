//! What is left of somebody's right to revoke: one rule for all that is said of its visa and of those of the
//! issuers above it. What is withheld, too old, contradicts itself or has ended makes nothing good that was
//! revoked; only that a right never was, or was taken away, does.

use super::standing;
use crate::codes;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::{Check, Outcome};

/// What is left of a right; of several checks the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Right {
    /// Nothing is wrong.
    Whole,
    /// It cannot be decided.
    Open,
    /// It was one, and ended without anybody's saying that its holder was not to be trusted.
    Lapsed,
    /// It never was, or was taken away.
    Refuted,
}

impl Right {
    /// What a check leaves of it.
    pub(super) fn of(check: &Check) -> Self {
        match check.outcome {
            Outcome::Passed => Self::Whole,
            // By a key that no document of its issuer's ever listed: anybody can make that, for a time of which
            // nobody will ever know more.
            Outcome::Indeterminate
                if check.name == "signature" && check.code == identity_codes::DID_NOT_YET =>
            {
                Self::Refuted
            }
            Outcome::Indeterminate => Self::Open,
            Outcome::Failed if standing::is_status(check) => match check.code {
                codes::VISA_SUSPENDED => Self::Lapsed,
                codes::VISA_REVOKED | codes::ISSUER_REVOKED | codes::ISSUER_REVOKED_ENDS => {
                    Self::Refuted
                }
                // A list that contradicts itself, or is not about this, says nothing of it.
                _ => Self::Open,
            },
            Outcome::Failed => match (check.name, check.code) {
                ("validity", codes::VISA_EXPIRED)
                | ("retirement", codes::ROLE_RETIRED)
                | ("preconditions", codes::PRECONDITIONS_UNMET)
                | ("definition", codes::ROLE_NOT_LISTED)
                | ("issuer", codes::CHAIN_ROOT_REMOVED) => Self::Lapsed,
                // What is at hand of the issuer's DID is bad, or has two ends: as if nothing were.
                (
                    "key",
                    identity_codes::WEBVH_LOG_INVALID
                    | identity_codes::DID_DOCUMENT_MALFORMED
                    | identity_codes::DID_DOCUMENT_OTHER_ID,
                ) => Self::Open,
                _ => Self::Refuted,
            },
        }
    }

    /// What a check of an issuer's standing at the time when it issued leaves of it: who had ended by then issued
    /// nothing. That it lacked what it requires may be somebody's showing a bad visa in the place of the good one.
    pub(super) fn of_issuer(check: &Check) -> Self {
        match Self::of(check) {
            Self::Lapsed if check.name != "preconditions" => Self::Refuted,
            right => right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_says_that_nobody_is_to_be_trusted_refutes_a_right() {
        let open = |name: &'static str, code| Check::indeterminate(name, code, "");
        let failed = |name: &'static str, code| Check::failed(name, code, "");
        for (check, right, issuers) in [
            (Check::passed("key", identity_codes::KEY_CURRENT, ""), Right::Whole, Right::Whole),
            (open("key", identity_codes::DID_NOT_FOUND), Right::Open, Right::Open),
            (open("key", identity_codes::KEY_COMPROMISED_SINCE), Right::Open, Right::Open),
            (failed("key", identity_codes::WEBVH_LOG_INVALID), Right::Open, Right::Open),
            (open("revocation", codes::STATUS_STALE), Right::Open, Right::Open),
            (open("preconditions", codes::PRECONDITIONS_UNKNOWN), Right::Open, Right::Open),
            (failed("revocation", codes::STATUS_FORK), Right::Open, Right::Open),
            (failed("suspension", codes::STATUS_ROLLBACK), Right::Open, Right::Open),
            (failed("preconditions", codes::PRECONDITIONS_UNMET), Right::Lapsed, Right::Lapsed),
            (failed("definition", codes::ROLE_NOT_LISTED), Right::Lapsed, Right::Refuted),
            (failed("validity", codes::VISA_EXPIRED), Right::Lapsed, Right::Refuted),
            (failed("retirement", codes::ROLE_RETIRED), Right::Lapsed, Right::Refuted),
            (failed("suspension", codes::VISA_SUSPENDED), Right::Lapsed, Right::Refuted),
            (failed("issuer", codes::CHAIN_ROOT_REMOVED), Right::Lapsed, Right::Refuted),
            (failed("revocation", codes::VISA_REVOKED), Right::Refuted, Right::Refuted),
            (failed("suspension", codes::ISSUER_REVOKED), Right::Refuted, Right::Refuted),
            (failed("key", identity_codes::KEY_COMPROMISED), Right::Refuted, Right::Refuted),
            (open("signature", identity_codes::DID_NOT_YET), Right::Refuted, Right::Refuted),
            (open("key", identity_codes::DID_NOT_YET), Right::Open, Right::Open),
        ] {
            assert_eq!(
                (Right::of(&check), Right::of_issuer(&check)),
                (right, issuers),
                "{check:?}"
            );
        }
    }
}
