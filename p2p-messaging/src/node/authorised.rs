//! Whether this node may act for its participant, as every peer judges it: what an operator is shown.

use super::standing::MAX_STATUS_AGE_SECONDS;
use super::worker::Worker;
use crate::checking::Known as _;
use crate::codes;
use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::verify::{AuthorisationExpectation, verify_authorisation};
use gridpass_identity::code::Code;
use gridpass_identity::codes::DID_DEACTIVATED;
use gridpass_identity::did::Did;
use gridpass_identity::report::Outcome;
use serde_json::{Value, json};

/// What the participant does so that a node may act for it, or go on.
pub(super) fn authorise(node: &Did) -> String {
    format!(
        "The participant runs `gridpass visa authorise-node {node} -o FILE`; then `gridpass node add FILE`."
    )
}

/// What is done about an authorisation of which it is open whether it counts. The list that says whether it was
/// revoked is the participant's own: no issuer sends it.
fn decide(code: Code, principal: &Did) -> String {
    if ![credential_codes::STATUS_STALE, credential_codes::STATUS_UNKNOWN].contains(&code) {
        return code.0.remedy.to_owned();
    }
    format!(
        "The participant's own wallet ({principal}) signs its lists anew, each day: `gridpass status publish -o \
         lists.json`; then `gridpass node add lists.json`."
    )
}

impl Worker {
    /// For whom the node acts, and whether that counts now: `state`, and where it does not why and
    /// what to do.
    pub(super) fn authorisation_shown(&self) -> Value {
        let material = &self.knowledge.material;
        let node = &self.me.node;
        let again = authorise(node);
        let not = |sentence: String, next: String| {
            let code = codes::NODE_AUTHORISATION.id();
            json!({"state": "none", "code": code, "sentence": sentence, "next": next})
        };
        let Some(own) = &material.authorisation else {
            if material.presentations.values().any(|p| p.holder.as_ref() == Some(node)) {
                return json!({"state": "itself"});
            }
            let sentence = "no participant authorised this node".to_owned();
            return not(sentence, again);
        };
        // Who it acts for is found out when it starts.
        if self.me.participant != own.authorisation.principal {
            let principal = &own.authorisation.principal;
            let sentence = format!("it acts for {principal} from its next start on");
            let next = "Stop it with `gridpass node stop`, and start it again.".to_owned();
            return not(sentence, next);
        }
        let now = self.now();
        let expect = AuthorisationExpectation {
            now,
            clock: now,
            principal: &self.me.participant,
            node,
            purpose: NodePurpose::Messages,
            channel: own.authorisation.channels.as_ref().and_then(|c| c.first()),
            max_status_age_seconds: MAX_STATUS_AGE_SECONDS,
        };
        let (evidence, mut memo) = (self.knowledge.evidence(), SignatureMemo::default());
        let report =
            verify_authorisation(own.text.as_bytes(), &evidence, &expect, &mut memo).report;
        let (state, next) = match report.outcome() {
            Outcome::Passed => return json!({"state": "counts"}),
            // Nobody can authorise it anew.
            Outcome::Failed if report.checks.iter().any(|c| c.code == DID_DEACTIVATED) => {
                ("refused", None)
            }
            Outcome::Failed => ("refused", Some(again)),
            Outcome::Indeterminate => ("undecided", None),
        };
        let Some(check) = report.deciding() else { return json!({"state": state}) };
        let next = next.unwrap_or_else(|| decide(check.code, &self.me.participant));
        json!({"state": state, "code": check.code.id(), "sentence": check.sentence, "next": next})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_signs_the_own_list_anew_is_named() {
        let principal = Did::parse("did:web:dso.example").expect("a DID");
        for code in [credential_codes::STATUS_STALE, credential_codes::STATUS_UNKNOWN] {
            let next = decide(code, &principal);
            for word in [principal.as_str(), "gridpass status publish", "gridpass node add"] {
                assert!(next.contains(word), "{code}: {next}");
            }
        }
        let other = credential_codes::STATUS_SIGNER;
        assert_eq!(decide(other, &principal), other.0.remedy);
    }
}
