//! The cases of group "Messages" that the checking core decides, each by name: its code, and that
//! the good twin beside it is admitted and nothing else was changed.

#![allow(missing_docs)]

use gridpass_credentials::status::Change;
use gridpass_credentials::visa::Purpose;
use gridpass_identity::code::Code;
use gridpass_identity::codes as identity_codes;
use gridpass_messaging::checking::{Arrival, Checked, Effect, Missing, Source, Verdict};
use gridpass_messaging::codes;
use gridpass_messaging::envelope::{Envelope, Header};
use gridpass_policy::codes as policy_codes;
use gridpass_tests::channels;
use gridpass_tests::messages::{Market, Sender, authorise, later, scene};
use gridpass_tests::world::{self, NOW, Party, days_ago};

/// Every code that a verdict gives, causes included.
fn all_codes(checked: &Checked) -> Vec<String> {
    let reasons = checked.decided.iter().flat_map(|d| &d.ruling.reasons);
    let told = reasons.flat_map(|r| {
        std::iter::once(r.code.clone()).chain(r.causes.iter().map(|c| c.code.clone()))
    });
    std::iter::once(checked.code.id().to_owned()).chain(told).collect()
}

fn expect(checked: &Checked, verdict: Verdict, code: Code) {
    assert_eq!(checked.verdict, verdict, "{checked:?}");
    assert!(all_codes(checked).contains(&code.id().to_owned()), "{:?}: {code}", all_codes(checked));
}

fn admitted(checked: &Checked) {
    assert_eq!(checked.verdict, Verdict::Admit, "{} {}", checked.code, checked.sentence);
}

#[test]
fn case_12_a_replay_is_taken_once() {
    let (_, mut sender, mut peer) = scene();
    let bid = sender.send(NOW);
    admitted(&peer.receive(&bid, NOW));
    expect(&peer.receive(&bid, later(5)), Verdict::Ignore, codes::ENVELOPE_DUPLICATE);
    expect(
        &peer.receive_by(&bid, Source::CatchUp, later(5)),
        Verdict::Ignore,
        codes::ENVELOPE_DUPLICATE,
    );
    admitted(&peer.receive(&sender.send(NOW), NOW));
}

#[test]
fn case_12_nothing_of_a_message_can_be_changed_to_send_it_elsewhere() {
    let (market, mut sender, mut peer) = scene();
    let bid = sender.send(NOW);
    let jws = bid.to_jws();
    let signature = jws.rsplit('.').next().expect("a signature").to_owned();
    let other = Market::new(|d| d.title = "Another channel".into());
    peer.checker.join(other.policy(), channels::schemas(), true);
    type Bend = Box<dyn Fn(&mut Header)>;
    let (first, elsewhere) = (bid.id().clone(), other.channel.clone());
    let bends: [(&str, Bend); 6] = [
        ("channel", Box::new(move |h| h.channel = elsewhere.clone())),
        ("recipient", Box::new(|h| h.recipients = vec![Party::new(9).did])),
        ("schema", Box::new(move |h| h.schema = market.channel.clone())),
        ("topic version", Box::new(|h| h.topic_version = 2)),
        ("expiry", Box::new(|h| h.expires = later(3_000_000))),
        (
            "number",
            Box::new(move |h| {
                h.sequence = 2;
                h.previous = Some(first.clone());
            }),
        ),
    ];
    for (what, bend) in bends {
        let mut header = bid.header().clone();
        bend(&mut header);
        // The bent header with the signature of the good one.
        let bent = sender.sign(header, bid.payload().expect("a payload"));
        let wire = bent.to_wire().expect("a payload");
        let new = bent.to_jws();
        let new = base64(new.rsplit('.').next().expect("a signature"));
        let place = wire.windows(64).position(|w| w == new).expect("the signature");
        let mut forged = wire.clone();
        forged[place..place + 64].copy_from_slice(&base64(&signature));
        let checked = peer.check(&forged, Source::Live, NOW);
        expect(&checked, Verdict::Fault, identity_codes::SIGNATURE_INVALID);
        assert!(checked.effects.is_empty(), "{what}");
    }
    admitted(&peer.receive(&bid, NOW));
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

#[test]
fn case_12_a_presentation_for_another_channel_admits_nobody_here() {
    let (market, _, mut peer) = scene();
    let aggregator = Party::new(2);
    let other = Market::new(|d| d.title = "Another channel".into());
    let elsewhere = market.presentation_for(&aggregator, &other.channel);
    peer.memory.learn(&elsewhere);
    let mut sender = Sender::new(&aggregator, &elsewhere, &market.channel);
    let checked = peer.receive(&sender.send(NOW), NOW);
    expect(&checked, Verdict::Ignore, gridpass_credentials::codes::AUDIENCE_OTHER);
    // Nor somebody else's presentation.
    let borrowed = market.presentation(&aggregator);
    let mut thief = Sender::new(&Party::new(7), &borrowed, &market.channel);
    let checked = peer.receive(&thief.send(NOW), NOW);
    expect(&checked, Verdict::Ignore, gridpass_credentials::codes::PRESENTER_OTHER);
}

#[test]
fn case_12_two_messages_with_one_number_are_kept_as_proof() {
    let (_, mut sender, mut peer) = scene();
    let mut twin = sender.clone();
    let first = sender.send(NOW);
    let second = twin.send(later(1));
    admitted(&peer.receive(&first, NOW));
    let checked = peer.receive(&second, later(1));
    expect(&checked, Verdict::Ignore, codes::SEQUENCE_FORK);
    let proof = Effect::Forked { first: first.id().clone(), second: second.id().clone() };
    assert_eq!(checked.effects, [proof]);
    // A forgery proves nothing: whoever cannot sign cannot make the sender a cheat.
    let stranger = Sender { party: Party::new(8), ..sender.clone() };
    let mut header = sender.header("GB-1", NOW);
    (header.sequence, header.previous) = (1, None);
    let forged = stranger.sign(header, b"{}");
    let checked = peer.receive(&forged, NOW);
    expect(&checked, Verdict::Fault, identity_codes::SIGNATURE_INVALID);
    assert!(checked.effects.is_empty());
    // What follows the one that was known goes on.
    admitted(&peer.receive(&sender.send(NOW), NOW));
    expect(&peer.receive(&twin.send(NOW), NOW), Verdict::Ignore, codes::SEQUENCE_FORK);
}

#[test]
fn case_12_a_message_that_does_not_follow_the_one_before_is_refused() {
    let (_, mut sender, mut peer) = scene();
    let mut twin = sender.clone();
    admitted(&peer.receive(&sender.send(NOW), NOW));
    twin.send(later(1)); // another first message, which never arrives
    let second = twin.send(NOW);
    expect(&peer.receive(&second, NOW), Verdict::Ignore, codes::SEQUENCE_BROKEN);
}

#[test]
fn case_12_a_gap_is_reported_and_filled_by_catching_up() {
    let (_, mut sender, mut peer) = scene();
    let sent: Vec<_> = (0..5).map(|_| sender.send(NOW)).collect();
    admitted(&peer.receive(&sent[0], NOW));
    let checked = peer.receive(&sent[4], NOW);
    admitted(&checked);
    let gap = checked.effects.iter().find_map(|e| match e {
        Effect::Gap { from, until, .. } => Some((*from, *until)),
        _ => None,
    });
    assert_eq!(gap, Some((2, 4)));
    // In any order, long after they expired.
    for index in [3, 1, 2] {
        let checked = peer.receive_by(&sent[index], Source::CatchUp, later(600_000));
        admitted(&checked);
        assert!(!checked.effects.iter().any(|e| matches!(e, Effect::Gap { .. })));
    }
}

#[test]
fn case_13_from_the_future_and_expired() {
    let (_, mut sender, mut peer) = scene();
    let early = sender.send(later(31_000)); // the channel allows 30 s
    expect(&peer.receive(&early, NOW), Verdict::Ignore, policy_codes::MESSAGE_FROM_FUTURE);
    admitted(&peer.receive(&early, later(1_000)));
    let late = sender.send(later(31_000));
    let expired = policy_codes::MESSAGE_EXPIRED;
    expect(&peer.receive(&late, later(121_000)), Verdict::Ignore, expired);
    admitted(&peer.receive(&late, later(120_999)));
}

#[test]
fn case_13_expired_while_it_was_held() {
    let (market, _, mut peer) = scene();
    let other = Party::new(5);
    let presentation = market.presentation(&other);
    let mut sender = Sender::new(&other, &presentation, &market.channel);
    let bid = sender.send(NOW);
    let checked = peer.receive(&bid, NOW);
    expect(&checked, Verdict::Wait, codes::PRESENTATION_MISSING);
    let missing = Missing::Document(presentation.id().clone());
    assert_eq!(checked.effects, [Effect::Ask(missing.clone())]);
    peer.memory.learn(&presentation);
    let again = peer.came(&missing, later(100_000));
    expect(&again[0], Verdict::Ignore, policy_codes::MESSAGE_EXPIRED);
    assert_eq!(peer.checker.waiting(), 0);
    // In time it is admitted; what waits too long is given up, and counted no more.
    peer.receive(&bid, NOW);
    let mut late = market.peer(&Party::new(3), &[], market.lists(&[]));
    late.receive(&bid, NOW);
    assert_eq!(late.checker.give_up(later(29_999)), []);
    assert_eq!(late.checker.give_up(later(30_000)), [bid.id().clone()]);
    late.receive(&bid, later(30_000));
    late.memory.learn(&presentation);
    admitted(&late.came(&missing, later(31_000))[0]);
}

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
fn case_18_what_waits_is_bounded_and_nobody_takes_all_of_the_room() {
    let (market, mut honest, mut peer) = scene();
    let stranger = Party::new(30);
    let never = market.presentation(&stranger);
    let mut flood = Sender::new(&stranger, &never, &market.channel);
    for _ in 0..500 {
        peer.receive(&flood.send(NOW), NOW);
    }
    assert_eq!(peer.checker.waiting(), 64);
    admitted(&peer.receive(&honest.send(NOW), NOW));
    let other = Party::new(31);
    let presentation = market.presentation(&other);
    let mut sender = Sender::new(&other, &presentation, &market.channel);
    let wire = sender.send(NOW).to_wire().expect("a payload");
    let arrival = Arrival { source: Source::Live, peer: "another peer", channel: None };
    let checked = peer.checker.check(&wire, arrival, &peer.memory, NOW);
    expect(&checked, Verdict::Wait, codes::PRESENTATION_MISSING);
    assert_eq!(peer.checker.waiting(), 65);
    // Sent again, it is not asked for again.
    let checked = peer.checker.check(&wire, arrival, &peer.memory, NOW);
    assert_eq!((checked.verdict, checked.effects.len()), (Verdict::Wait, 0));
}

#[test]
fn case_18_more_messages_in_a_minute_than_the_channel_allows() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 3);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    for _ in 0..3 {
        admitted(&peer.receive(&sender.send(NOW), NOW));
    }
    expect(&peer.receive(&sender.send(NOW), NOW), Verdict::Ignore, policy_codes::MESSAGE_RATE);
    // Two minutes later it may again. What is caught up with was counted when it was sent.
    admitted(&peer.receive(&sender.send(later(120_000)), later(120_000)));
    for _ in 0..9 {
        let old = sender.send(later(120_000));
        admitted(&peer.receive_by(&old, Source::CatchUp, later(130_000)));
    }
}

#[test]
fn garbage_is_the_fault_of_whoever_passed_it_on() {
    let (_, mut sender, mut peer) = scene();
    let good = sender.send(NOW).to_wire().expect("a payload");
    for bytes in [&b""[..], b"garbage", &good[..good.len() - 1], &[good.as_slice(), b"x"].concat()]
    {
        let checked = peer.check(bytes, Source::Live, NOW);
        expect(&checked, Verdict::Fault, codes::ENVELOPE_MALFORMED);
    }
    let unknown = Market::new(|d| d.title = "unknown here".into());
    let mut stray = Sender { channel: unknown.channel, ..sender.clone() };
    let checked = peer.receive(&stray.send(NOW), NOW);
    expect(&checked, Verdict::Ignore, codes::CHANNEL_UNKNOWN);
}

#[test]
fn a_recipient_knows_what_is_addressed_to_it() {
    let market = Market::new(|d| d.mode = gridpass_policy::channel::Mode::Multicast);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let (me, other) = (Party::new(3), Party::new(4));
    let mut mine = market.peer(&me, &[&presentation], market.lists(&[]));
    let mut theirs = market.peer(&other, &[&presentation], market.lists(&[]));
    let to_me = sender.send_with(NOW, |h| h.recipients = vec![me.did.clone()]);
    assert!(mine.receive(&to_me, NOW).deliver);
    let checked = theirs.receive(&to_me, NOW);
    admitted(&checked); // it is passed on all the same
    assert!(!checked.deliver);
}

#[test]
fn a_decision_of_the_core_is_made_again_from_what_it_kept() {
    let (market, mut sender, mut peer) = scene();
    let policy = market.policy();
    let good = peer.receive(&sender.send(NOW), NOW);
    let facts = good
        .effects
        .iter()
        .find_map(|e| match e {
            Effect::Keep(facts) => Some(facts.clone()),
            _ => None,
        })
        .expect("the facts are kept the first time");
    let bad = peer.receive(
        &sender.send_with(NOW, |h| {
            h.attributes["zone"] = serde_json::json!("GB-9");
        }),
        NOW,
    );
    assert_eq!(bad.verdict, Verdict::Refuse);
    assert!(bad.effects.is_empty(), "the facts were kept before");
    for checked in [good, bad] {
        let decision = checked.decided.expect("a decision").to_decision(&policy, &facts);
        let (_, bytes) = decision.encode().expect("bytes");
        let record = gridpass_policy::decision::RecordedDecision::parse(&bytes).expect("a record");
        assert_eq!(record.recompute(&policy, &facts), Ok(decision));
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
fn case_12_two_of_one_number_that_waited_together_do_not_both_pass() {
    let (market, _, mut peer) = scene();
    let other = Party::new(5);
    let presentation = market.presentation(&other);
    let mut sender = Sender::new(&other, &presentation, &market.channel);
    let mut twin = sender.clone();
    for envelope in [sender.send(NOW), twin.send(later(1)), sender.send(later(2))] {
        assert_eq!(peer.receive(&envelope, NOW).verdict, Verdict::Wait);
    }
    peer.memory.learn(&presentation);
    let missing = Missing::Document(presentation.id().clone());
    let came = peer.came(&missing, later(3));
    let forked = |c: &Checked| c.effects.iter().any(|e| matches!(e, Effect::Forked { .. }));
    let passed = came.iter().filter(|c| c.verdict == Verdict::Admit).count();
    assert!((1..=2).contains(&passed), "{came:?}");
    assert_eq!(came.iter().filter(|c| forked(c)).count(), 1, "one proof is enough");
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
    let [before, during, after] =
        [later(1_000), later(3_000), later(6_000)].map(|at| sender.send(at));
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
    let code = gridpass_credentials::codes::VISA_SUSPENDED;
    expect(&checked, Verdict::Ignore, code);
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
fn a_message_of_one_channel_passed_on_in_another_is_a_fault() {
    let (market, mut sender, mut peer) = scene();
    let other = Market::new(|d| d.title = "Another channel".into());
    let wire = sender.send(NOW).to_wire().expect("a payload");
    let mut check = |channel| {
        let arrival = Arrival { source: Source::Live, peer: "a peer", channel: Some(channel) };
        peer.checker.check(&wire, arrival, &peer.memory, NOW)
    };
    expect(&check(&other.channel), Verdict::Fault, codes::ENVELOPE_TOPIC);
    admitted(&check(&market.channel));
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
fn a_message_waits_for_its_schema_where_it_is_read_and_not_where_it_is_carried() {
    let (market, mut sender, _) = scene();
    let presentation = market.presentation(&sender.party);
    let bid = sender.send(NOW);
    for reads in [true, false] {
        let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
        peer.checker.join(market.policy(), std::collections::BTreeMap::new(), reads);
        let checked = peer.receive(&bid, NOW);
        if reads {
            expect(&checked, Verdict::Wait, codes::SCHEMA_NOT_HERE);
            let (id, schema) = channels::schemas().pop_first().expect("a schema");
            peer.checker.schema_came(&market.channel, id.clone(), schema);
            let again = peer.came(&Missing::Document(id), NOW);
            admitted(&again[0]);
            assert!(again[0].deliver);
        } else {
            admitted(&checked);
            assert!(!checked.deliver);
        }
    }
}

#[test]
fn case_14_a_payload_that_does_not_fit_is_refused_with_its_place() {
    let (_, mut sender, mut peer) = scene();
    let bad = sender.sign(sender.header("GB-1", NOW), b"[1]");
    let checked = peer.receive(&bad, NOW);
    expect(&checked, Verdict::Refuse, policy_codes::PAYLOAD_SCHEMA);
    (sender.sent, sender.last) = (1, Some(bad.id().clone()));
    admitted(&peer.receive(&sender.send(NOW), NOW));
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
fn what_is_dated_back_behind_what_is_known_proves_the_sender_wrong() {
    let (_, mut sender, mut peer) = scene();
    let first = sender.send(NOW);
    admitted(&peer.receive(&first, NOW));
    let back = sender.send(days_ago(0).min(NOW));
    admitted(&peer.receive(&back, NOW));
    let earlier = gridpass_identity::time::UnixMillis::new(NOW.get() - 1);
    let backdated = sender.send(earlier);
    let checked = peer.receive_by(&backdated, Source::CatchUp, NOW);
    expect(&checked, Verdict::Ignore, codes::ENVELOPE_ORDER);
    assert!(matches!(checked.effects[..], [Effect::Forked { .. }]));
}
