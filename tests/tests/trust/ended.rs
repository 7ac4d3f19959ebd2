//! A DID that was given up: what was signed as it before its end stays what it was, and nothing counts that
//! is of later. Each thing is judged at its own time: a visa, a list and an authorisation when it was
//! signed, who presents and who lets a node act at the time that is asked about.

use gridpass_credentials::authorisation::NodePurpose;
use gridpass_credentials::codes;
use gridpass_credentials::context::CREDENTIALS_V2;
use gridpass_credentials::general::{self, General};
use gridpass_credentials::integrity::Suite;
use gridpass_credentials::secured::Secured;
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::StatusList;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::verify::{
    AuthorisationExpectation, Evidence, Expectation, SeenLists, VisaReport, verify_authorisation,
    verify_presentation, verify_visa,
};
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::document::Relationship;
use gridpass_identity::report::Outcome;
use gridpass_identity::resolve::OfflineResolver;
use gridpass_identity::time::UnixMillis;
use gridpass_identity::wallet::snapshots::Fixed;
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_tests::logged::Logged;
use gridpass_tests::messages::{Market, Sender, admitted, authorise, expect, later};
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days, minutes_ago};
use serde_json::json;

const DEACTIVATED: Code = identity_codes::DID_DEACTIVATED;

/// An issuer that can be given up, beside the root that signs the charter; and what it issued ten days ago.
struct Issued {
    issuer: Logged,
    trust: Trust,
    visa: Secured,
    lists: Vec<StatusList>,
}

fn issued() -> Issued {
    let (root, issuer, holder) = (Party::new(9), Logged::new(1), Party::new(2));
    let role = world::definition("flex.gb.aggregator", world::dids(&[&issuer.party]), |_| ());
    let mut charter = world::charter(&[&root], &[&role]);
    charter.roots.push(issuer.party.did.clone());
    let pack = world::pack(&[world::sign_charter(charter, &[&root])], &[&role]);
    let trust = Trust::open(&pack, None, NOW).expect("a trust pack that holds");
    let visa = world::issue(&issuer.party, &world::visa(&issuer.party, &holder, &role, |_| ()));
    // An hour old.
    let lists = world::clear_lists(&[&issuer.party]);
    Issued { issuer, trust, visa, lists }
}

impl Issued {
    fn judged(&self, known: &Fixed, now: UnixMillis) -> (Outcome, Code) {
        let (resolver, seen) = (OfflineResolver::new(known), SeenLists::new());
        let (trust, lists) = (&self.trust, self.lists.as_slice());
        let evidence = Evidence { trust, lists, resolver: &resolver, seen: &seen };
        let expect = Expectation { now, clock: now, audience: None, nonce: None, presenter: None };
        let memo = &mut SignatureMemo::default();
        let report = verify_visa(self.visa.text().as_bytes(), &[], &evidence, &expect, memo);
        (report.outcome, report.code)
    }
}

#[test]
fn a_visa_outlives_the_did_of_its_issuer_as_long_as_its_last_list_counts() {
    let s = issued();
    assert_eq!(s.judged(&s.issuer.living(), NOW), (Outcome::Passed, codes::VISA_IN_FORCE));
    let ended = s.issuer.ended(minutes_ago(30));
    assert_eq!(s.judged(&ended, NOW), (Outcome::Passed, codes::VISA_IN_FORCE));
    // Nobody can sign a newer one.
    let stale = (Outcome::Indeterminate, codes::STATUS_STALE);
    assert_eq!(s.judged(&ended, in_days(1)), stale);
}

#[test]
fn what_an_issuer_signs_after_its_did_ended_does_not_count() {
    let s = issued();
    // The list is of after the end, the visa of before.
    let (outcome, code) = s.judged(&s.issuer.ended(days_ago(5)), NOW);
    assert_eq!((outcome, code), (Outcome::Indeterminate, DEACTIVATED));
    // The visa too.
    let (outcome, code) = s.judged(&s.issuer.ended(days_ago(20)), NOW);
    assert_eq!((outcome, code), (Outcome::Failed, DEACTIVATED));
}

/// A regulator with a did:key, and a holder that can be given up.
struct Held {
    market: Market,
    holder: Logged,
    presentation: Secured,
}

fn held() -> Held {
    let (market, holder) = (Market::default(), Logged::new(2));
    let presentation = market.presentation(&holder.party);
    Held { market, holder, presentation }
}

impl Held {
    fn presented(&self, known: &Fixed, now: UnixMillis) -> VisaReport {
        let (resolver, seen) = (OfflineResolver::new(known), SeenLists::new());
        let (trust, lists) = (&*self.market.trust, self.market.lists(&[]));
        let evidence = Evidence { trust, lists: &lists, resolver: &resolver, seen: &seen };
        let audience = Some(self.market.channel.as_str());
        let presenter = Some(&self.holder.party.did);
        let expect = Expectation { now, clock: now, audience, nonce: None, presenter };
        let memo = &mut SignatureMemo::default();
        verify_presentation(self.presentation.text().as_bytes(), &evidence, &expect, memo)
    }
}

#[test]
fn who_gave_its_did_up_shows_nothing_any_more() {
    let s = held();
    let living = s.presented(&s.holder.living(), NOW);
    assert_eq!(living.outcome, Outcome::Passed, "{}", living.sentence);
    let before = s.presented(&s.holder.ended(minutes_ago(30)), NOW);
    assert_eq!((before.outcome, before.code), (Outcome::Failed, DEACTIVATED));
    // Judged for a time before the end it holds, and no longer than until what ended it.
    let known = s.holder.ended(later(61_000));
    let then = s.presented(&known, NOW);
    assert_eq!(then.outcome, Outcome::Passed, "{}", then.sentence);
    assert_eq!(then.presentation_expires, Some(later(60_000)));
    let after = s.presented(&known, later(61_000));
    assert_eq!((after.outcome, after.code), (Outcome::Failed, DEACTIVATED));
}

#[test]
fn nobody_presents_to_others_software_by_a_key_of_before_the_end() {
    let holder = Logged::new(2);
    let document = json!({
        "@context": [CREDENTIALS_V2],
        "type": ["VerifiablePresentation"],
        "holder": holder.party.did,
    });
    let signed = world::raw_proof(&holder.party, &document, Suite::EddsaJcs2022, |options| {
        options.purpose = Relationship::Authentication;
        options.created = days_ago(1);
    });
    let general = General { now: NOW, domain: None, challenge: None };
    let judged = |known: &Fixed| {
        let report = general::verify_presentation(&signed, &general, &OfflineResolver::new(known));
        (report.outcome(), report.deciding().map(|c| c.code))
    };
    assert_eq!(judged(&holder.living()).0, Outcome::Passed);
    let refused = (Outcome::Failed, Some(DEACTIVATED));
    assert_eq!(judged(&holder.ended(minutes_ago(30))), refused);
}

#[test]
fn a_node_acts_for_nobody_who_gave_its_did_up() {
    let s = held();
    let (node, principal) = (Party::new(20), &s.holder.party);
    // Signed a day ago, as its list is an hour ago.
    let authorisation = authorise(principal, &node, |_| ());
    let lists = s.market.lists(&[principal]);
    let judged = |known: &Fixed, now: UnixMillis| {
        let (resolver, seen) = (OfflineResolver::new(known), SeenLists::new());
        let trust = &*s.market.trust;
        let evidence = Evidence { trust, lists: &lists, resolver: &resolver, seen: &seen };
        let expect = AuthorisationExpectation {
            now,
            clock: now,
            principal: &principal.did,
            node: &node.did,
            purpose: NodePurpose::Messages,
            channel: None,
            max_status_age_seconds: 24 * 3600,
        };
        let (text, memo) = (authorisation.text().as_bytes(), &mut SignatureMemo::default());
        let report = verify_authorisation(text, &evidence, &expect, memo).report;
        (report.outcome(), report.deciding().map(|c| c.code))
    };
    assert_eq!(judged(&s.holder.living(), NOW).0, Outcome::Passed);
    let refused = (Outcome::Failed, Some(DEACTIVATED));
    assert_eq!(judged(&s.holder.ended(minutes_ago(30)), NOW), refused);
    // Before the end it did, and what it did then stays.
    let known = s.holder.ended(later(61_000));
    assert_eq!(judged(&known, later(60_999)).0, Outcome::Passed);
    assert_eq!(judged(&known, later(61_000)), refused);
}

#[test]
fn a_sender_that_gave_its_did_up_is_out_and_what_it_sent_before_is_not_lost() {
    let s = held();
    let lists = s.market.lists(&[]);
    let mut peer = s.market.peer(&Party::new(3), &[&s.presentation], lists);
    peer.memory.know(s.holder.living());
    let mut sender = Sender::new(&s.holder.party, &s.presentation, &s.market.channel);
    admitted(&peer.receive(&sender.send(NOW), NOW));
    let (before, after) = (sender.send(later(500)), sender.send(later(5000)));
    // Its log comes, and ends two seconds later than the first message.
    peer.memory.know(s.holder.ended(later(2000)));
    assert_eq!(peer.checker.did_changed(&s.holder.party.did).len(), 1);
    admitted(&peer.receive_by(&before, Source::CatchUp, later(4000)));
    expect(&peer.receive(&after, later(5000)), Verdict::Ignore, DEACTIVATED);
    // Nor caught up with: it is of after the end.
    let checked = peer.receive_by(&after, Source::CatchUp, later(3_600_000));
    expect(&checked, Verdict::Ignore, DEACTIVATED);
}

#[test]
fn the_node_of_a_sender_that_gave_its_did_up_is_out_too() {
    let s = held();
    let (node, principal) = (Party::new(20), &s.holder.party);
    let authorisation = authorise(principal, &node, |_| ());
    let documents = [&s.presentation, &authorisation];
    let mut peer = s.market.peer(&Party::new(3), &documents, s.market.lists(&[principal]));
    let mut sender = Sender::new(principal, &s.presentation, &s.market.channel);
    sender.node = Some((node, authorisation.id().clone()));
    // Known from the start: the admission counts until the end, and not a moment longer.
    peer.memory.know(s.holder.ended(later(2000)));
    admitted(&peer.receive(&sender.send(later(500)), later(500)));
    let checked = peer.receive(&sender.send(later(2000)), later(2000));
    expect(&checked, Verdict::Ignore, DEACTIVATED);
}
