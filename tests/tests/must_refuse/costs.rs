//! Case 18 in the checking core: what does not hold is looked at once, who passed it on answers for it
//! where every honest peer sees the same, and nothing that is refused for good is hidden behind what passes.

use gridpass_credentials::codes as credential_codes;
use gridpass_credentials::content_id::ContentId;
use gridpass_credentials::secured::{Binding, Form, Kind, Secured, secure_presentation};
use gridpass_credentials::signature::SignatureMemo;
use gridpass_credentials::status::Change;
use gridpass_credentials::vcdm::Presentation;
use gridpass_credentials::verify::{MAX_VISAS, verify_presentation};
use gridpass_credentials::visa::Purpose;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::{Checked, Known, Verdict};
use gridpass_messaging::codes;
use gridpass_policy::channel::Sealing;
use gridpass_policy::codes as policy_codes;
use gridpass_tests::messages::{Market, Sender, admitted, authorise, expect, later, scene};
use gridpass_tests::nodes;
use gridpass_tests::sealed::{self, Sealer, member};
use gridpass_tests::world::{self, NOW, Party, in_days};
use serde_json::{Value, json};

const MINUTE: u64 = 60_000;

/// An aggregator's presentation for the market's channel that counts until a time.
fn until(market: &Market, party: &Party, expires: UnixMillis) -> Secured {
    let visa = world::visa(&market.regulator, party, &market.role, |_| ());
    let visa = world::issue(&market.regulator, &visa);
    let binding = Binding { audience: market.channel.to_string(), nonce: None, expires };
    world::present_as(party, &[&visa], Form::Jwt, &binding)
}

/// The same text with another signature.
fn forged(presentation: &Secured) -> Secured {
    let (signed, signature) = presentation.text().rsplit_once('.').expect("a JWS");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let text = format!("{signed}.{first}{}", &signature[1..]);
    Secured::parse(text.as_bytes(), Kind::Presentation).expect("it can be read")
}

fn left_aside(checked: &Checked, code: Code, answers: bool) {
    expect(checked, Verdict::Ignore, code);
    assert_eq!(checked.code, code, "the first reason: {checked:?}");
    assert_eq!(checked.answers, answers, "{code}");
    assert!(!checked.keep && checked.effects.is_empty(), "nothing of it is kept");
}

#[test]
fn case_18_a_presentation_that_does_not_hold_is_verified_once_however_often_it_is_named() {
    let market = Market::default();
    let aggregator = Party::new(2);
    let elsewhere = ContentId::of_bytes(b"another channel").expect("a CID");
    let good = market.presentation(&aggregator);
    let cases = [
        (until(&market, &aggregator, later(1000)), credential_codes::PROOF_EXPIRED),
        (market.presentation_for(&aggregator, &elsewhere), credential_codes::AUDIENCE_OTHER),
        (forged(&good), identity_codes::SIGNATURE_INVALID),
    ];
    // An hour later; a good one beside it.
    let at = |n: u64| later(60 * MINUTE + n * 100);
    for (presentation, code) in cases {
        let mut peer =
            market.peer(&Party::new(3), &[&presentation, &good], market.lists(&[&aggregator]));
        let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
        for n in 0..300 {
            left_aside(&peer.receive(&sender.send(at(n)), at(n)), code, true);
        }
        // By others, for whom nodes speak that nobody authorised: the same presentation.
        for number in 50..100 {
            let node = Party::new(number);
            let mut another = Sender::new(&node, &presentation, &market.channel);
            left_aside(&peer.receive(&another.send(at(300)), at(300)), code, true);
            let mut another = Sender::new(&aggregator, &presentation, &market.channel);
            another.node = Some((node, good.id().clone()));
            left_aside(&peer.receive(&another.send(at(300)), at(300)), code, true);
        }
        assert_eq!(peer.checker.verified(), 1, "{code}");
        let mut honest = Sender::new(&aggregator, &good, &market.channel);
        admitted(&peer.receive(&honest.send(at(301)), at(301)));
        assert_eq!(peer.checker.verified(), 2);
        // It is not remembered for ever.
        let late = later(75 * MINUTE);
        left_aside(&peer.receive(&sender.send(late), late), code, true);
        assert_eq!(peer.checker.verified(), 3);
    }
}

#[test]
fn who_passes_on_what_has_just_expired_does_not_answer_for_it() {
    let market = Market::default();
    let aggregator = Party::new(2);
    let presentation = until(&market, &aggregator, later(MINUTE));
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    admitted(&peer.receive(&sender.send(later(MINUTE - 1)), later(MINUTE - 1)));
    let expired = credential_codes::PROOF_EXPIRED;
    // The skew is 30 s, and each of two may have held it for a while.
    for (at, answers) in [(60_000, false), (209_999, false), (210_000, true)] {
        left_aside(&peer.receive(&sender.send(later(at)), later(at)), expired, answers);
    }
    assert_eq!(peer.checker.verified(), 2);
}

#[test]
fn case_18_the_presentation_of_another_is_verified_once_for_all_who_name_it() {
    let market = Market::default();
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    for number in 50..150 {
        let mut thief = Sender::new(&Party::new(number), &presentation, &market.channel);
        left_aside(&peer.receive(&thief.send(NOW), NOW), credential_codes::PRESENTER_OTHER, true);
    }
    assert_eq!(peer.checker.verified(), 1);
    // Its own it is all the same.
    let mut own = Sender::new(&aggregator, &presentation, &market.channel);
    admitted(&peer.receive(&own.send(NOW), NOW));
}

#[test]
fn case_18_nodes_that_nobody_authorised_have_no_presentation_verified() {
    let (market, mut sender, mut peer) = scene();
    let other = authorise(&sender.party, &Party::new(40), |_| ());
    let expired = authorise(&sender.party, &Party::new(41), |a| a.valid_until = NOW);
    peer.memory.lists = market.lists(&[&sender.party]);
    peer.memory.learn(&other);
    peer.memory.learn(&expired);
    for number in 50..150 {
        let node = Some((Party::new(number), other.id().clone()));
        let mut claims = Sender { node, ..sender.clone() };
        left_aside(
            &peer.receive(&claims.send(NOW), NOW),
            credential_codes::NODE_NOT_AUTHORISED,
            true,
        );
    }
    // Clocks differ: what ended now may hold elsewhere.
    for (at, answers) in [(0, false), (MINUTE, false), (10 * MINUTE, true)] {
        let node = Some((Party::new(41), expired.id().clone()));
        let mut late = Sender { node, ..sender.clone() };
        let checked = peer.receive(&late.send(later(at)), later(at));
        left_aside(&checked, credential_codes::VISA_EXPIRED, answers);
    }
    assert_eq!(peer.checker.verified(), 0);
    admitted(&peer.receive(&sender.send(NOW), NOW));
}

#[test]
fn what_time_or_a_list_mends_is_not_remembered_for_longer() {
    let market = Market::default();
    let aggregator = Party::new(2);
    // Signed by a clock that is ahead: five minutes are borne.
    let visa = world::visa(&market.regulator, &aggregator, &market.role, |_| ());
    let visa = world::issue(&market.regulator, &visa);
    let presentation = json!({
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": aggregator.did,
        "verifiableCredential": [visa.to_member()],
    });
    let presentation = Presentation::read(presentation).expect("a presentation");
    let binding =
        Binding { audience: market.channel.to_string(), nonce: None, expires: in_days(30) };
    let ahead = aggregator.at(later(10 * MINUTE));
    let presentation =
        secure_presentation(&presentation, Form::Jwt, &binding, ahead).expect("signs");
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let early = later(5 * MINUTE - 1000);
    for n in 0..50 {
        let at = early.plus_millis(n * 10);
        let checked = peer.receive(&sender.send(at), at);
        left_aside(&checked, identity_codes::SIGNED_IN_FUTURE, false);
    }
    assert_eq!(peer.checker.verified(), 1);
    let ten_seconds_later = early.plus_millis(10_000);
    admitted(&peer.receive(&sender.send(ten_seconds_later), ten_seconds_later));

    // A list that is newer ends it at once.
    let (market, mut sender, mut peer) = scene();
    let party = sender.party.clone();
    let node = Party::new(20);
    let authorisation = authorise(&party, &node, |_| ());
    sender.node = Some((node, authorisation.id().clone()));
    peer.memory.learn(&authorisation);
    let list = |set: bool, version: u64| {
        let change = Change { index: 77, set, at: NOW };
        let changes = if set { &[change][..] } else { &[] };
        world::list_by(&party, &party, Purpose::Revocation, changes, |l| {
            l["credentialSubject"]["statusList"]["version"] = json!(version);
            l["validFrom"] = json!(later(version));
        })
    };
    peer.memory.lists = market.lists(&[]);
    peer.memory.lists.push(list(true, 6));
    for n in 0..50 {
        let at = later(100 + n);
        let checked = peer.receive(&sender.send(at), at);
        left_aside(&checked, credential_codes::VISA_REVOKED, false);
    }
    assert_eq!(peer.checker.verified(), 1);
    peer.memory.lists.pop();
    peer.memory.lists.push(list(false, 7));
    peer.checker.status_list_came(&party.list_id(Purpose::Revocation), &party.did);
    admitted(&peer.receive(&sender.send(later(200)), later(200)));
}

#[test]
fn case_18_an_epoch_to_many_with_one_expired_presentation_has_it_verified_once() {
    let scene = sealed::Scene::new(|_| ());
    let crony = Party::new(49);
    let expired = until(&scene.market, &crony, later(1000));
    let members: Vec<_> = (50..250).map(|n| member(&Party::new(n), &expired)).collect();
    let at = later(MINUTE);
    let mut sealer = Sealer::begin(&scene.sender, &[], &members, at);
    let mut relay = scene.relay(&sealer);
    relay.memory.learn(&expired);
    // What has expired is borne for a while; each is looked at again after ten seconds.
    for n in 0..5 {
        let at = at.plus_millis(n * 11_000);
        admitted(&relay.receive(&sealer.send(at), at));
    }
    assert_eq!(relay.checker.verified(), 2, "the sender's, and the one that expired");
}

#[test]
fn case_18_a_signature_that_does_not_fit_is_verified_once() {
    let market = Market::default();
    let aggregator = Party::new(2);
    let visa = world::visa(&market.regulator, &aggregator, &market.role, |_| ());
    let visa = world::issue_as(&market.regulator, &visa, Form::EddsaRdfc2022, world::days_ago(1));
    let members: Vec<Secured> = (0..MAX_VISAS)
        .map(|n| {
            let mut member = visa.to_member();
            member["id"] = json!(format!("urn:example:visa:{n}"));
            let claims = (0..40).map(|c| (format!("c{c}"), Value::from(n)));
            member["credentialSubject"]["claims"] = claims.collect();
            Secured::parse(member.to_string().as_bytes(), Kind::Credential).expect("it is read")
        })
        .collect();
    let members: Vec<&Secured> = members.iter().collect();
    let binding =
        Binding { audience: market.channel.to_string(), nonce: None, expires: in_days(30) };
    let presentation = world::present_as(&aggregator, &members, Form::EddsaJcs2022, &binding);
    let peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let mut expectation = world::expectation();
    (expectation.audience, expectation.nonce) = (Some(market.channel.as_str()), None);
    let mut memo = SignatureMemo::default();
    let mut reports = Vec::new();
    let mut once = 0;
    for _ in 0..10 {
        let text = presentation.text().as_bytes();
        let report = verify_presentation(text, &peer.memory.evidence(), &expectation, &mut memo);
        reports.push(report.to_json().expect("JSON"));
        once = if once == 0 { memo.verified() } else { once };
    }
    assert!(once >= 65, "each visa's, and the presentation's: {once}");
    assert_eq!(memo.verified(), once);
    assert!(reports.iter().all(|r| *r == reports[0]), "what is remembered says the same");
    let invalid = format!("\"{}\"", identity_codes::SIGNATURE_INVALID.id());
    assert!(String::from_utf8_lossy(&reports[0]).contains(&invalid));
}

#[test]
fn case_18_what_stays_refused_is_not_hidden_behind_what_passes() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 3);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    for _ in 0..3 {
        admitted(&peer.receive(&sender.send(NOW), NOW));
    }
    // Too fast, and nothing else: it passes with the minute, and costs nobody but its sender's own node.
    let checked = peer.receive(&sender.clone().send(NOW), NOW);
    expect(&checked, Verdict::Ignore, policy_codes::MESSAGE_RATE);
    assert!(checked.is_too_fast() && !checked.answers && !checked.keep);
    // Too fast, and for a zone that it is not accredited for: refused now as in any other minute.
    for _ in 0..100 {
        let wrong = sender.send_with(NOW, |h| {
            h.attributes.insert("zone".into(), "GB-9".into());
        });
        let checked = peer.receive(&wrong, NOW);
        expect(&checked, Verdict::Refuse, policy_codes::POLICY_UNMET);
        expect(&checked, Verdict::Refuse, policy_codes::MESSAGE_RATE);
        assert!(checked.answers && !checked.is_too_fast());
    }
    // Too fast, and undecided as long as a list is missing: neither is for good.
    let mut waits = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    for _ in 0..3 {
        admitted(&waits.receive(&sender.send(NOW), NOW));
    }
    waits.memory.lists.clear();
    let list = market.regulator.list_id(Purpose::Revocation);
    waits.checker.status_list_came(&list, &market.regulator.did);
    let checked = waits.receive(&sender.send(NOW), NOW);
    expect(&checked, Verdict::Ignore, credential_codes::STATUS_UNKNOWN);
    expect(&checked, Verdict::Ignore, policy_codes::MESSAGE_RATE);
}

#[test]
fn case_18_who_calls_a_message_sealed_answers_for_it_no_less() {
    // In a channel that does not seal, everybody sees that.
    let open = sealed::Scene::new(|d| d.sealing = Sealing::None);
    let mut sealer = open.begin(&[]);
    let checked = open.relay(&sealer).receive(&sealer.send(NOW), NOW);
    expect(&checked, Verdict::Refuse, policy_codes::MESSAGE_SEALING);
    assert!(checked.answers);
    // In one that does, a topic that there is not is seen by all, and so is what is not sealed.
    let scene = sealed::Scene::new(|_| ());
    let mut sealer = scene.begin(&[]);
    let mut relay = scene.relay(&sealer);
    let checked = relay.receive(&sealer.send_with(NOW, |h| h.topic = "offers".into()), NOW);
    expect(&checked, Verdict::Refuse, policy_codes::TOPIC_UNKNOWN);
    assert!(checked.answers);
    let checked = scene.relay(&sealer).receive(&scene.sender.clone().send(NOW), NOW);
    expect(&checked, Verdict::Refuse, policy_codes::MESSAGE_SEALING);
    assert!(checked.answers);
    // To whom it is sealed is seen by those alone who know them.
    let crony = Party::new(5);
    let presented = nodes::presentation(&scene.market, &crony, false);
    let [north, south] = scene.members();
    let members = [north, south, member(&crony, &presented)];
    let mut sealer = Sealer::begin(&scene.sender, &[], &members, NOW);
    let mut relay = scene.relay(&sealer);
    relay.memory.learn(&presented);
    let checked = relay.receive(&sealer.send(NOW), NOW);
    expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER);
    assert!(!checked.answers, "an honest peer may have passed it on");
}
