//! Who presents, to whom and until when: of a presentation, and of an SD-JWT with key binding.

use super::MAX_BINDING_AGE_MILLIS;
use super::run::Run;
use crate::codes;
use crate::secured::{Seal, Secured};
use crate::signature::Asked;
use crate::vcdm::Presentation;
use gridpass_identity::code::Code;
use gridpass_identity::did::Did;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Check;
use gridpass_identity::time::UnixMillis;

impl Run<'_> {
    pub(super) fn check_presenter(
        &mut self,
        secured: &Secured,
        presentation: &Presentation,
    ) -> Option<Did> {
        let signer = secured.key_id().map(|k| k.did().clone());
        // A presentation without `holder` is its signer's.
        let speaker = match (presentation.holder(), &signer) {
            (Some(holder), _) => holder.to_owned(),
            (None, Some(signer)) => signer.to_string(),
            (None, None) => String::new(),
        };
        let asked = Asked {
            speaker: &speaker,
            purpose: Relationship::Authentication,
            now: self.expect.now,
            audience: self.expect.audience,
            nonce: self.expect.nonce,
        };
        let found = self.signature(secured, &asked);
        self.checks.extend(found.checks);
        // Judged for an earlier time: the key that presents may be another one soon after.
        self.ends(found.next_change);
        let (addressed, expires) = match &secured.seal {
            Seal::Proof(proof) => (!proof.domains.is_empty(), proof.expires),
            Seal::Jws(_) | Seal::SdJwt(_) => {
                let claim = |name: &str| secured.document().get(name);
                let exp = claim("exp").map(|e| e.as_u64().unwrap_or(0));
                let expires = exp.map(|seconds| UnixMillis::new(seconds.saturating_mul(1000)));
                (claim("aud").is_some(), expires)
            }
        };
        self.ends(expires);
        if !(addressed && expires.is_some()) || self.expect.audience.is_none() {
            let sentence = "it does not say for whom it is and until when, or nobody was asked for";
            self.checks.push(Check::failed("audience", codes::PRESENTATION_UNBOUND, sentence));
        }
        signer
    }

    /// Notes until when the presentation counts.
    fn ends(&mut self, end: Option<UnixMillis>) {
        self.presentation_expires = match (self.presentation_expires, end) {
            (Some(known), Some(end)) => Some(known.min(end)),
            (known, end) => known.or(end),
        };
    }

    pub(super) fn check_subject(&mut self, presenter: Option<&Did>, presented: &[usize]) {
        let name = "presenter";
        let shown = presenter.map_or_else(|| "nobody".to_owned(), Did::to_string);
        let expected = self.expect.presenter;
        let check = if expected.is_some_and(|e| Some(e) != presenter) {
            let sentence = format!("{shown} presents, and another was expected");
            Check::failed(name, codes::PRESENTER_OTHER, sentence)
        } else if presented.is_empty() {
            let sentence = format!("{shown} presents, and none of the visas is {shown}'s own");
            Check::failed(name, codes::PRESENTER_OTHER, sentence)
        } else {
            Check::passed(name, codes::PRESENTER, format!("{shown} presents its own visas"))
        };
        self.checks.push(check);
    }

    /// The key binding of an SD-JWT: by the subject, for this verifier, now.
    pub(super) fn check_binding(
        &mut self,
        secured: &Secured,
        subject: Option<&Did>,
        required: bool,
    ) {
        let binding = match &secured.seal {
            Seal::SdJwt(sd_jwt) => sd_jwt.binding(),
            Seal::Jws(_) | Seal::Proof(_) => None,
        };
        let name = "key binding";
        let Some((jws, binding)) = binding else {
            if required {
                let sentence = "nobody presents it: it has no key binding, and anybody can copy it";
                self.checks.push(Check::failed(name, codes::PRESENTATION_UNBOUND, sentence));
            }
            return;
        };
        let mut fail = |code: Code, sentence: String| {
            self.checks.push(Check::failed(name, code, sentence));
        };
        let made = UnixMillis::new(binding.iat.saturating_mul(1000));
        let end = made.plus_millis(MAX_BINDING_AGE_MILLIS.saturating_add(1));
        self.presentation_expires = Some(self.presentation_expires.map_or(end, |e| e.min(end)));
        if self.expect.audience.is_none_or(|a| a != binding.aud) {
            fail(codes::AUDIENCE_OTHER, "it was presented to somebody else".into());
        }
        if self.expect.nonce.is_some_and(|n| n != binding.nonce) {
            fail(codes::NONCE_OTHER, "it does not answer the nonce that was given".into());
        }
        if self.expect.now.millis_since(made) > MAX_BINDING_AGE_MILLIS {
            fail(codes::BINDING_OLD, format!("it was presented at {made}"));
        }
        let expectation = gridpass_identity::verify::Expectation {
            purpose: Relationship::Authentication,
            now: self.expect.now,
            // Who presents must hold the key now; what it says of its own time proves nothing.
            proven_at: Some(self.expect.now),
            signer: subject.cloned(),
            audience: None,
        };
        match gridpass_identity::verify::verify_jws(jws, None, &self.resolver, &expectation) {
            Ok(verification) => self.checks.extend(verification.report.checks),
            Err(e) => self.checks.push(Check::failed(name, e.code(), e.to_string())),
        }
        let ahead = made.millis_since(self.expect.now);
        if ahead > gridpass_identity::time::MAX_CLOCK_SKEW_MILLIS {
            let code = gridpass_identity::codes::SIGNED_IN_FUTURE;
            self.checks.push(Check::failed(name, code, format!("it was presented at {made}")));
        }
    }
}
