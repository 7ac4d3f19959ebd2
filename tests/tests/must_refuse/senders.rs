//! The cases of group "Messages" that are about who sends: revoked, suspended, withdrawn, in
//! somebody else's name. Each by its code, with the good twin beside it.

use gridpass_credentials::charter::SignedCharter;
use gridpass_credentials::role::Parties;
use gridpass_credentials::secured::{Binding, Form};
use gridpass_credentials::status::Change;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::visa::Purpose;
use gridpass_identity::codes as identity_codes;
use gridpass_messaging::checking::{Effect, Missing, Source, Verdict};
use gridpass_messaging::codes;
use gridpass_messaging::envelope::Envelope;
use gridpass_tests::messages::{Market, Sender, admitted, authorise, expect, later, scene};
use gridpass_tests::world::{self, NOW, Party, days_ago, in_days};
use std::sync::Arc;

#[test]
fn case_16_a_revoked_sender_is_out_as_soon_as_the_list_is_here() {
    let (market, mut sender, mut peer) = scene();
    admitted(&peer.receive(&sender.send(NOW), NOW));
    let before = sender.send(later(100));
    let visa = world::visa(&market.regulator, &sender.party, &market.role, |_| ());
    let change = Change { index: visa.status[0].index, set: true, at: later(200) };
    let revoked =
        world::list_by(&market.regulator, &market.regulator, Purpose::Revocation, &[change], |l| {
            l["validFrom"] = serde_json::json!(later(300));
            l["credentialSubject"]["statusList"]["version"] = serde_json::json!(6);
        });
    peer.memory.lists.push(revoked);
    let list = market.regulator.list_id(Purpose::Revocation);
    let ended = peer.checker.status_list_came(&list, &market.regulator.did);
    assert_eq!(ended.len(), 1);
    let after = sender.send(later(400));
    let revoked = gridpass_credentials::codes::VISA_REVOKED;
    expect(&peer.receive(&after, later(400)), Verdict::Refuse, revoked);
    // Nor what it says it sent before: nobody can tell when a message was made, but by having it.
    expect(&peer.receive_by(&before, Source::CatchUp, later(500)), Verdict::Refuse, revoked);
}

#[test]
fn case_16_who_revokes_by_a_role_is_believed_by_what_its_list_carries() {
    let market = Market::revoked_by_operators(|_| ());
    let (aggregator, operator) = (Party::new(2), Party::new(5));
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    admitted(&peer.receive(&sender.send(NOW), NOW));
    let revoked = market.revoked_by(&operator, &aggregator, days_ago(1));
    // Nobody knows of this revoker: its list is wanted for what it carries, and no stranger's is.
    assert!(!peer.checker.wants_list(&revoked.id, &operator.did));
    assert!(peer.checker.wants_revokers_list(&revoked, &peer.memory, NOW));
    let purpose = Purpose::Revocation;
    let bare = world::list_by(&market.regulator, &operator, purpose, &[], |_| ());
    assert!(!peer.checker.wants_revokers_list(&bare, &peer.memory, NOW));
    let copied: Vec<_> = revoked.authority().cloned().collect();
    let copied = world::list_by(&market.regulator, &Party::new(9), purpose, &[], |list| {
        list["evidence"] = serde_json::json!(copied);
    });
    assert!(!peer.checker.wants_revokers_list(&copied, &peer.memory, NOW));
    let ended = peer.checker.status_list_came(&revoked.id, &operator.did);
    assert_eq!(ended.len(), 1);
    peer.memory.lists.push(revoked);
    let code = gridpass_credentials::codes::VISA_REVOKED;
    expect(&peer.receive(&sender.send(later(400)), later(400)), Verdict::Refuse, code);
}

#[test]
fn case_18_nobody_makes_room_for_lists_by_showing_visas_that_nobody_could_give() {
    let market = Market::revoked_by_operators(|_| ());
    let (aggregator, operator, stranger) = (Party::new(2), Party::new(5), Party::new(9));
    let operators = market.operators.as_ref().expect("operators");
    let visa = world::visa(&market.regulator, &aggregator, &market.role, |_| ());
    let visa = world::issue(&market.regulator, &visa);
    let genuine = world::visa(&market.regulator, &operator, operators, |_| ());
    let genuine = world::issue(&market.regulator, &genuine);
    let forged = world::issue(&stranger, &world::visa(&stranger, &stranger, operators, |_| ()));
    let audience = market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: in_days(30) };
    let presentation =
        world::present_as(&aggregator, &[&visa, &genuine, &forged], Form::Jwt, &binding);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    admitted(&peer.receive(&sender.send(NOW), NOW));
    let list = market.regulator.list_id(Purpose::Revocation);
    assert!(peer.checker.wants_list(&list, &operator.did));
    assert!(!peer.checker.wants_list(&list, &stranger.did));
}

#[test]
fn case_16_a_message_from_before_an_end_in_good_order_is_not_lost() {
    let market = Market::default();
    let aggregator = Party::new(2);
    let brief = world::visa(&market.regulator, &aggregator, &market.role, |v| {
        v.valid_until = later(50_000);
    });
    let brief = world::issue(&market.regulator, &brief);
    let binding = gridpass_credentials::secured::Binding {
        audience: market.channel.to_string(),
        nonce: None,
        expires: later(50_000),
    };
    let form = gridpass_credentials::secured::Form::Jwt;
    let presentation = world::present_as(&aggregator, &[&brief], form, &binding);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let (in_time, late) = (sender.send(later(40_000)), sender.send(later(60_000)));
    // Both arrive an hour later.
    let hour = later(3_600_000);
    admitted(&peer.receive_by(&in_time, Source::CatchUp, hour));
    let expired = gridpass_credentials::codes::PROOF_EXPIRED;
    expect(&peer.receive_by(&late, Source::CatchUp, hour), Verdict::Ignore, expired);
}

#[test]
fn case_16_a_peer_with_old_lists_delivers_nothing_and_says_so() {
    let (market, mut sender, _) = scene();
    let strict = Market::new(|d| d.max_status_age_seconds = 3600);
    let presentation = strict.presentation(&sender.party);
    let mut peer = strict.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    sender.channel = strict.channel.clone();
    sender.presentation = presentation.id().clone();
    admitted(&peer.receive(&sender.send(NOW), NOW));
    let checked = peer.receive(&sender.send(later(1)), later(1)); // the lists are an hour old
    expect(&checked, Verdict::Wait, gridpass_credentials::codes::STATUS_STALE);
}

#[test]
fn case_17_a_node_acts_for_its_participant_until_it_is_withdrawn() {
    let (market, mut sender, _) = scene();
    let node = Party::new(20);
    let authorisation = authorise(&sender.party, &node, |_| ());
    sender.node = Some((node.clone(), authorisation.id().clone()));
    let presentation = market.presentation(&sender.party);
    let lists = market.lists(&[&sender.party]);
    let mut peer = market.peer(&Party::new(3), &[&presentation], lists);
    // The authorisation is fetched like the presentation.
    let bid = sender.send(NOW);
    expect(&peer.receive(&bid, NOW), Verdict::Wait, codes::AUTHORISATION_MISSING);
    peer.memory.learn(&authorisation);
    let missing = Missing::Document(authorisation.id().clone());
    admitted(&peer.came(&missing, NOW)[0]);
    // Withdrawn.
    let change = Change { index: 77, set: true, at: later(100) };
    let party = sender.party.clone();
    let list = world::list_by(&party, &party, Purpose::Revocation, &[change], |l| {
        l["validFrom"] = serde_json::json!(later(200));
        l["credentialSubject"]["statusList"]["version"] = serde_json::json!(6);
    });
    peer.memory.lists.push(list);
    peer.checker.status_list_came(&party.list_id(Purpose::Revocation), &party.did);
    let checked = peer.receive(&sender.send(later(300)), later(300));
    expect(&checked, Verdict::Ignore, gridpass_credentials::codes::VISA_REVOKED);
    // The participant itself goes on, in a chain of its own.
    let mut itself = Sender::new(&party, &presentation, &market.channel);
    admitted(&peer.receive(&itself.send(later(300)), later(300)));
}

#[test]
fn case_17_an_expired_or_foreign_authorisation_speaks_for_nobody() {
    let (market, sender, _) = scene();
    let (node, other) = (Party::new(20), Party::new(21));
    let presentation = market.presentation(&sender.party);
    let expired = authorise(&sender.party, &node, |a| a.valid_until = NOW);
    let of_another = authorise(&sender.party, &other, |_| ());
    let by_another = authorise(&other, &node, |_| ());
    let elsewhere = authorise(&sender.party, &node, |a| {
        a.channels = Some([presentation.id().clone()].into());
    });
    for (authorisation, code) in [
        (expired, gridpass_credentials::codes::VISA_EXPIRED),
        (of_another, gridpass_credentials::codes::NODE_NOT_AUTHORISED),
        (by_another, gridpass_credentials::codes::NODE_NOT_AUTHORISED),
        (elsewhere, gridpass_credentials::codes::NODE_NOT_AUTHORISED),
    ] {
        let mut sender = Sender::new(&sender.party, &presentation, &market.channel);
        sender.node = Some((node.clone(), authorisation.id().clone()));
        let lists = market.lists(&[&sender.party, &other]);
        let documents = [&presentation, &authorisation];
        let mut peer = market.peer(&Party::new(3), &documents, lists);
        expect(&peer.receive(&sender.send(NOW), NOW), Verdict::Ignore, code);
    }
}

#[test]
fn an_envelope_of_days_ago_is_judged_by_its_day() {
    // Its presentation counts from today on: what it sends as of last week was never allowed.
    let (_, sender, mut peer) = scene();
    let mut backdated = sender;
    let old: Envelope = backdated.send(days_ago(7));
    let checked = peer.receive_by(&old, Source::CatchUp, NOW);
    expect(&checked, Verdict::Ignore, identity_codes::SIGNED_IN_FUTURE);
}

#[test]
fn case_16_what_was_sent_while_suspended_is_not_taken_up_after_reinstatement() {
    let (market, mut sender, mut peer) = scene();
    let visa = world::visa(&market.regulator, &sender.party, &market.role, |_| ());
    let index = visa.status[1].index;
    let list = |changes: &[Change], dated, version: u64| {
        world::list_by(&market.regulator, &market.regulator, Purpose::Suspension, changes, |l| {
            l["validFrom"] = serde_json::json!(dated);
            l["credentialSubject"]["statusList"]["version"] = serde_json::json!(version);
        })
    };
    let [before, during, then_too, after] =
        [1_000, 3_000, 3_000, 6_000].map(|at| sender.send(later(at)));
    let suspended = Change { index, set: true, at: later(2_000) };
    let reinstated = Change { index, set: false, at: later(5_000) };
    // As long as it is suspended, what it says it sent before waits: it dates as it likes.
    let mut early = market.peer(&Party::new(4), &[], peer.memory.lists.clone());
    early.memory.learn(&market.presentation(&sender.party));
    early.memory.lists.push(list(std::slice::from_ref(&suspended), later(2_500), 6));
    let checked = early.receive_by(&before, Source::CatchUp, later(4_000));
    assert_eq!(checked.verdict, Verdict::Ignore, "{checked:?}");
    // Reinstated: by its time, each.
    peer.memory.lists.push(list(&[suspended, reinstated], later(5_500), 7));
    admitted(&peer.receive_by(&before, Source::CatchUp, later(60_000)));
    let checked = peer.receive_by(&during, Source::CatchUp, later(60_000));
    // No later list takes that back: its sender is to hear of it.
    let code = gridpass_credentials::codes::VISA_SUSPENDED;
    expect(&checked, Verdict::Refuse, code);
    assert!(checked.keep, "{checked:?}");
    // That it is over is not found out anew with each message.
    let verified = peer.checker.verified();
    expect(&peer.receive_by(&then_too, Source::CatchUp, later(60_000)), Verdict::Refuse, code);
    assert_eq!(peer.checker.verified(), verified);
    admitted(&peer.receive_by(&after, Source::CatchUp, later(60_000)));
}

#[test]
fn every_decision_names_facts_that_were_given_to_be_kept() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 1);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let mut kept = std::collections::BTreeSet::new();
    for at in [NOW, later(1), later(200_000), later(400_000)] {
        let checked = peer.receive(&sender.send(at), at);
        for effect in &checked.effects {
            if let Effect::Keep(facts) = effect {
                kept.insert(facts.encode().expect("bytes").0);
            }
        }
        if matches!(checked.verdict, Verdict::Admit | Verdict::Refuse) {
            assert!(kept.contains(&checked.decided.expect("a decision").admission));
        }
    }
    assert!(!kept.is_empty());
}

#[test]
fn a_role_that_a_charter_on_its_way_lists_is_not_refused_for_ever() {
    let (market, mut sender, _) = scene();
    let other = world::definition("flex.gb.other", world::dids(&[&market.regulator]), |_| ());
    let old = std::sync::Arc::new(world::trust(&[&market.regulator], &[&other]));
    let presentation = market.presentation(&sender.party);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    peer.memory.trust = old;
    let checked = peer.receive(&sender.send(NOW), NOW);
    assert_eq!(checked.verdict, Verdict::Ignore, "{checked:?}");
}

#[test]
fn nobody_uses_up_the_rate_of_another() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 3);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut honest = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    // A stranger's key, in the aggregator's name, with the aggregator's presentation.
    let mut impostor = Sender::new(&aggregator, &presentation, &market.channel);
    impostor.node = Some((Party::new(40), presentation.id().clone()));
    for _ in 0..9 {
        let checked = peer.receive(&impostor.send(NOW), NOW);
        assert_eq!(checked.verdict, Verdict::Ignore);
        assert!(checked.effects.is_empty(), "nothing of it is kept");
    }
    for _ in 0..3 {
        admitted(&peer.receive(&honest.send(NOW), NOW));
    }
}

#[test]
fn a_renewed_authorisation_is_not_judged_by_the_old_one() {
    let (market, sender, _) = scene();
    let node = Party::new(20);
    let presentation = market.presentation(&sender.party);
    let (old, new) = (
        authorise(&sender.party, &node, |a| a.valid_until = NOW),
        authorise(&sender.party, &node, |_| ()),
    );
    let lists = market.lists(&[&sender.party]);
    let mut peer = market.peer(&Party::new(3), &[&presentation, &old, &new], lists);
    let mut by_node = Sender::new(&sender.party, &presentation, &market.channel);
    by_node.node = Some((node.clone(), old.id().clone()));
    assert_eq!(peer.receive(&by_node.send(NOW), NOW).verdict, Verdict::Ignore);
    (by_node.sent, by_node.last) = (0, None);
    by_node.node = Some((node, new.id().clone()));
    admitted(&peer.receive(&by_node.send(NOW), NOW));
    // Nor the other way round.
    let node = by_node.node.clone().expect("a node").0;
    by_node.node = Some((node, old.id().clone()));
    let expired = gridpass_credentials::codes::VISA_EXPIRED;
    expect(&peer.receive(&by_node.send(NOW), NOW), Verdict::Ignore, expired);
}

#[test]
fn an_old_key_authorises_no_node_of_today() {
    // Signed, as it says, a year ago, for the next weeks: whoever has a key that was given up could.
    let (market, sender, _) = scene();
    let node = Party::new(20);
    let good = authorise(&sender.party, &node, |_| ());
    let credential = gridpass_credentials::vcdm::Credential::read(good.document().clone());
    let mut json = credential.expect("a credential").json().clone();
    json.remove("iat");
    json.remove("iss");
    let credential = gridpass_credentials::vcdm::Credential::read(json.into()).expect("x");
    let form = gridpass_credentials::secured::Form::Jwt;
    let old = world::sign_credential(&sender.party, &credential, form, days_ago(365));
    let presentation = market.presentation(&sender.party);
    let lists = market.lists(&[&sender.party]);
    let mut peer = market.peer(&Party::new(3), &[&presentation, &old], lists);
    let mut by_node = Sender::new(&sender.party, &presentation, &market.channel);
    by_node.node = Some((node, old.id().clone()));
    let code = gridpass_credentials::codes::VISA_VALIDITY_TOO_LONG;
    expect(&peer.receive(&by_node.send(NOW), NOW), Verdict::Ignore, code);
}

#[test]
fn each_key_of_a_sender_has_numbers_of_its_own() {
    let (market, mut itself, _) = scene();
    let presentation = market.presentation(&itself.party);
    let lists = market.lists(&[&itself.party]);
    let mut peer = market.peer(&Party::new(3), &[&presentation], lists);
    for node in [Party::new(20), Party::new(21)] {
        let authorisation = authorise(&itself.party, &node, |_| ());
        peer.memory.learn(&authorisation);
        let mut sender = Sender::new(&itself.party, &presentation, &market.channel);
        sender.node = Some((node, authorisation.id().clone()));
        admitted(&peer.receive(&sender.send(NOW), NOW));
        admitted(&peer.receive(&sender.send(NOW), NOW));
    }
    admitted(&peer.receive(&itself.send(NOW), NOW));
}

#[test]
fn an_own_message_is_refused_as_by_every_peer_and_never_waits() {
    let (market, mut sender, mut peer) = scene();
    let key = sender.party.key.public_key();
    let good = sender.send(NOW);
    // Whoever claims to have signed it and did not finds its signature verified.
    let mut forged = good.to_wire().expect("written");
    *forged.last_mut().expect("a signature") ^= 1;
    let forged = Envelope::parse(&forged).expect("well formed");
    let other = Party::new(9).key.public_key();
    let invalid = identity_codes::SIGNATURE_INVALID;
    let checked = peer.checker.check_own(forged, &other, &peer.memory, NOW);
    expect(&checked, Verdict::Fault, invalid);
    // Outside its visa's zone: not to be sent.
    let mut elsewhere =
        Sender::new(&sender.party, &market.presentation(&sender.party), &market.channel);
    let foreign = elsewhere.send_with(NOW, |h| {
        h.attributes.insert("zone".into(), "GB-9".into());
    });
    let checked = peer.checker.check_own(foreign, &key, &peer.memory, NOW);
    assert_eq!(checked.verdict, Verdict::Refuse, "{}", checked.sentence);
    // What would wait was not sent, and so must not be taken later.
    let unknown = market.presentation(&Party::new(40));
    let mut waits = Sender::new(&sender.party, &unknown, &market.channel);
    let checked = peer.checker.check_own(waits.send(NOW), &key, &peer.memory, NOW);
    assert_eq!(checked.verdict, Verdict::Wait);
    assert_eq!(peer.checker.waiting(), 0);
    admitted(&peer.checker.check_own(good, &key, &peer.memory, NOW));
}

/// The charter that makes its issuer a root may be on its way: nothing is refused for good before.
#[test]
fn who_was_accredited_by_one_that_a_newer_charter_may_have_as_a_root_is_not_refused_for_good() {
    let (root, issuer, bidder) = (Party::new(1), Party::new(4), Party::new(2));
    let bodies = world::definition("flex.gb.body", world::dids(&[&root]), |_| ());
    for named in [true, false] {
        let dids = if named { vec![issuer.did.clone()] } else { Vec::new() };
        let by = Parties { dids, roles: vec![world::id(&bodies)] };
        let role = world::definition("flex.gb.aggregator", by, |_| ());
        let definitions = [&bodies, &role];
        let first = world::sign_charter(world::charter(&[&root], &definitions), &[&root]);
        let mut next = first.charter().next(days_ago(50)).expect("a next");
        next.roots = vec![root.did.clone(), issuer.did.clone()];
        next.roots.sort();
        let next = world::sign_charter(next, &[&root]);
        let open = |charters: &[SignedCharter]| {
            let pack = world::pack(charters, &definitions);
            Arc::new(Trust::open(&pack, None, NOW).expect("a pack"))
        };
        let mut market = Market::new(|d| d.framework = first.id().clone());
        let visa = world::issue(&issuer, &world::visa(&issuer, &bidder, &role, |_| ()));
        let audience = market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: in_days(30) };
        let presentation = world::present_as(&bidder, &[&visa], Form::Jwt, &binding);
        let mut sender = Sender::new(&bidder, &presentation, &market.channel);
        let bid = sender.send(NOW);
        for source in [Source::Live, Source::CatchUp] {
            let mut found = |trust: Arc<Trust>| {
                market.trust = trust;
                let lists = world::clear_lists(&[&root, &issuer]);
                let mut peer = market.peer(&Party::new(3), &[&presentation], lists);
                peer.receive_by(&bid, source, NOW).verdict
            };
            let of_now = if named { Verdict::Ignore } else { Verdict::Refuse };
            assert_eq!(found(open(std::slice::from_ref(&first))), of_now, "{source:?}, {named}");
            let later = if named { Verdict::Admit } else { Verdict::Refuse };
            assert_eq!(found(open(&[first.clone(), next.clone()])), later, "{source:?}, {named}");
        }
    }
}
