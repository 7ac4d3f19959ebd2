//! A participant's root lets a node act for it: what passes, and what must be refused.

use gridpass_credentials::authorisation::{NodeAuthorisation, NodePurpose};
use gridpass_credentials::codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::{Form, Secured};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::{Change, StatusList};
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{
    AuthorisationExpectation, Evidence, SeenLists, verify_authorisation,
};
use gridpass_credentials::visa::{Purpose, StatusEntry};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::{NoSnapshots, OfflineResolver};
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use std::collections::BTreeSet;

struct Setting {
    principal: Party,
    node: Party,
    channel: ContentId,
    trust: Trust,
}

fn setting() -> Setting {
    let (principal, node) = (Party::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&principal]), |_| ());
    let trust = world::trust(&[&principal], &[&role]);
    let channel = ContentId::of_bytes(b"a channel").expect("a name");
    Setting { principal, node, channel, trust }
}

impl Setting {
    fn authorise(&self, bend: impl FnOnce(&mut NodeAuthorisation)) -> Secured {
        let mut authorisation = NodeAuthorisation {
            id: "urn:example:authorisation".into(),
            principal: self.principal.did.clone(),
            node: self.node.did.clone(),
            purposes: BTreeSet::from([NodePurpose::Messages]),
            channels: Some(BTreeSet::from([self.channel.clone()])),
            valid_from: days_ago(1),
            valid_until: in_days(20),
            status: StatusEntry {
                purpose: Purpose::Revocation,
                list: self.principal.list_id(Purpose::Revocation),
                index: 77,
            },
        };
        bend(&mut authorisation);
        let credential = authorisation.to_credential().expect("an authorisation");
        world::sign_credential(&self.principal, &credential, Form::Jwt, days_ago(1))
    }

    fn expect(&self) -> AuthorisationExpectation<'_> {
        AuthorisationExpectation {
            now: NOW,
            clock: NOW,
            principal: &self.principal.did,
            node: &self.node.did,
            purpose: NodePurpose::Messages,
            channel: Some(&self.channel),
            max_status_age_seconds: 24 * 3600,
        }
    }

    fn check(
        &self,
        secured: &Secured,
        lists: &[StatusList],
        expect: &AuthorisationExpectation<'_>,
    ) -> (Outcome, Option<Code>) {
        let (resolver, seen) = (OfflineResolver::new(&NoSnapshots), SeenLists::new());
        let evidence = Evidence { trust: &self.trust, lists, resolver: &resolver, seen: &seen };
        let memo = &mut SignatureMemo::default();
        let report =
            verify_authorisation(secured.text().as_bytes(), &evidence, expect, memo).report;
        (report.outcome(), report.deciding().map(|c| c.code))
    }
}

#[test]
fn a_node_acts_for_its_participant_where_and_for_what_it_may() {
    let s = setting();
    let lists = world::clear_lists(&[&s.principal]);
    let good = s.authorise(|_| ());
    assert_eq!(s.check(&good, &lists, &s.expect()).0, Outcome::Passed);
    let everywhere = s.authorise(|a| a.channels = None);
    let anywhere = AuthorisationExpectation { channel: None, ..s.expect() };
    assert_eq!(s.check(&everywhere, &lists, &anywhere).0, Outcome::Passed);

    let denied = (Outcome::Failed, Some(codes::NODE_NOT_AUTHORISED));
    let (elsewhere, other) = (ContentId::of_bytes(b"another").expect("a name"), Party::new(3));
    for expect in [
        AuthorisationExpectation { channel: Some(&elsewhere), ..s.expect() },
        anywhere,
        AuthorisationExpectation { purpose: NodePurpose::Sealing, ..s.expect() },
        AuthorisationExpectation { node: &other.did, ..s.expect() },
        AuthorisationExpectation { principal: &other.did, ..s.expect() },
    ] {
        assert_eq!(s.check(&good, &lists, &expect), denied, "{expect:?}");
    }
}

#[test]
fn an_authorisation_that_is_over_too_long_revoked_or_forged() {
    let s = setting();
    let lists = world::clear_lists(&[&s.principal]);
    let with = |bend: fn(&mut NodeAuthorisation)| s.check(&s.authorise(bend), &lists, &s.expect());
    let failed = |code| (Outcome::Failed, Some(code));
    assert_eq!(with(|a| a.valid_until = NOW), failed(codes::VISA_EXPIRED));
    assert_eq!(with(|a| a.valid_from = in_days(1)), failed(codes::VISA_NOT_YET));
    assert_eq!(with(|a| a.valid_until = in_days(90)), failed(codes::VISA_VALIDITY_TOO_LONG));
    let good = s.authorise(|_| ());
    let set = [Change { index: 77, set: true, at: days_ago(1) }];
    let revoked = [world::list(&s.principal, Purpose::Revocation, &set)];
    assert_eq!(s.check(&good, &revoked, &s.expect()), failed(codes::VISA_REVOKED));
    let unknown = (Outcome::Indeterminate, Some(codes::STATUS_UNKNOWN));
    assert_eq!(s.check(&good, &[], &s.expect()), unknown);
    let strict = AuthorisationExpectation { max_status_age_seconds: 60, ..s.expect() };
    let stale = (Outcome::Indeterminate, Some(codes::STATUS_STALE));
    assert_eq!(s.check(&good, &lists, &strict), stale);
    // The node authorises itself in the participant's name.
    let thief = Setting {
        principal: Party { did: s.principal.did.clone(), ..s.node.clone() },
        ..setting()
    };
    let forged = thief.authorise(|_| ());
    let signer = failed(identity_codes::SIGNER_OTHER);
    assert_eq!(s.check(&forged, &lists, &s.expect()), signer);
    // A visa is no authorisation.
    let role = world::definition("flex.gb.aggregator", world::dids(&[&s.principal]), |_| ());
    let visa = world::issue(&s.principal, &world::visa(&s.principal, &s.node, &role, |_| ()));
    assert_eq!(s.check(&visa, &lists, &s.expect()), failed(codes::VISA_MALFORMED));
}

#[test]
fn an_authorisation_for_no_channel_is_not_one_for_all() {
    let s = setting();
    let text = s.authorise(|_| ());
    let mut document = text.document().clone();
    document["credentialSubject"]["node"]["channels"] = serde_json::json!([]);
    let credential = gridpass_credentials::vcdm::Credential::read(document).expect("a credential");
    assert!(NodeAuthorisation::read(&credential).is_err());
}
