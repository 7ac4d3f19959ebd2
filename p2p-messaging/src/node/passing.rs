//! What passes by itself: whether it helps to ask a node the same again.

use super::AskError;
use crate::codes;
use gridpass_identity::code::{Code, Coded};

impl Coded for AskError {
    fn code(&self) -> Code {
        self.code
    }

    fn told(&self) -> String {
        // It names its code already.
        format!("{self}\n{}", self.code.remedy())
    }

    fn is_transient(&self) -> bool {
        // The one of the type itself comes before the trait's.
        Self::is_transient(self)
    }
}

impl AskError {
    /// Whether what was asked was not done for a reason that passes by itself: ask again later, for a channel's rate
    /// when a minute is over. Of a message whose channel refuses it for several reasons, all of them. Nothing
    /// was sent then. Whatever else is said stays until somebody does something.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        // A message is refused by the first reason that stays.
        let passes = |id: &str| codes::find(id).is_some_and(Code::is_transient);
        self.code.is_transient()
            || !self.reasons.is_empty() && self.reasons.iter().all(|r| passes(&r.code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_policy::codes as policy_codes;
    use gridpass_policy::decision::Reason;

    #[test]
    fn a_rate_passes_and_what_policy_refuses_does_not() {
        let error = |code| AskError::from((code, "a sentence".to_owned()));
        for code in [codes::NODE_BUSY, codes::NODE_STARTING, policy_codes::MESSAGE_RATE] {
            assert!(error(code).is_transient(), "{code}");
        }
        for code in [policy_codes::POLICY_UNMET, codes::NODE_AUTHORISATION, codes::NOT_DURABLE] {
            assert!(!error(code).is_transient(), "{code}");
        }
        let fast = || Reason::of_facts(policy_codes::MESSAGE_RATE.id(), "it is too fast");
        let zone = Reason::of_requirement(policy_codes::POLICY_UNMET, "zone", "it says", vec![]);
        let of = |reasons| AskError { reasons, ..error(policy_codes::POLICY_UNMET) };
        assert!(of(vec![fast(), fast()]).is_transient());
        assert!(!of(vec![fast(), zone]).is_transient());
        let told = error(codes::NODE_BUSY).told();
        assert!(told.ends_with(codes::NODE_BUSY.remedy()), "{told}");
        assert_eq!(told.matches(codes::NODE_BUSY.id()).count(), 1, "{told}");
    }
}
