//! The cases of group "Messages" that the checking core decides about the envelope itself, each by
//! name: its code, and that the good twin beside it is admitted and nothing else was changed.

use gridpass_credentials::secured::{Binding, Form};
use gridpass_identity::codes as identity_codes;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::{
    Arrival, Chain, Checked, Effect, Known as _, Missing, Source, Verdict,
};
use gridpass_messaging::codes;
use gridpass_messaging::envelope::Header;
use gridpass_policy::codes as policy_codes;
use gridpass_policy::facts::Question;
use gridpass_tests::channels;
use gridpass_tests::messages::{Market, Peer, Sender, admitted, expect, later, scene};
use gridpass_tests::world::{self, NOW, Party};

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
    let (source, peer_name) = (Source::Live, "another peer");
    let arrival = Arrival { source, peer: peer_name, known_as: None, channel: None };
    let checked = peer.checker.check(&wire, arrival, &peer.memory, NOW);
    expect(&checked, Verdict::Wait, codes::PRESENTATION_MISSING);
    assert_eq!(peer.checker.waiting(), 65);
    // Sent again, it is not asked for again.
    let checked = peer.checker.check(&wire, arrival, &peer.memory, NOW);
    assert_eq!((checked.verdict, checked.effects.len()), (Verdict::Wait, 0));
}

#[test]
fn case_18_strangers_take_no_room_of_who_is_known_and_leave_some_to_who_is_new() {
    let market = Market::default();
    let mut peer = market.peer(&Party::new(3), &[], market.lists(&[]));
    let mut check = |sender: &mut Sender, name: &str, known_as: Option<&str>| {
        let wire = sender.send(NOW).to_wire().expect("a payload");
        let arrival = Arrival { source: Source::Live, peer: name, known_as, channel: None };
        peer.checker.check(&wire, arrival, &peer.memory, NOW)
    };
    let sender = |number: u8| {
        let party = Party::new(number);
        Sender::new(&party, &market.presentation(&party), &market.channel)
    };
    // Twenty-four strangers, each with as much as one peer may have waiting.
    for number in 100..124 {
        let (mut flood, name) = (sender(number), format!("stranger {number}"));
        for _ in 0..64 {
            check(&mut flood, &name, None);
        }
    }
    let asks = |checked: &Checked| checked.effects.iter().any(|e| matches!(e, Effect::Ask(_)));
    // Who is known waits all the same, and so does who is new: it takes the place of who has most.
    for (number, known_as) in [(31, Some("did:web:dso.example")), (32, None)] {
        let checked = check(&mut sender(number), &format!("peer {number}"), known_as);
        expect(&checked, Verdict::Wait, codes::PRESENTATION_MISSING);
        assert!(asks(&checked), "{number} is not asked for what is missing");
    }
    // The nodes of one participant share one room.
    let mut greedy = sender(33);
    let taken = (0..200).filter(|n| {
        let name = format!("node {}", n % 16);
        asks(&check(&mut greedy, &name, Some("did:web:greedy.example")))
    });
    assert_eq!(taken.count(), 64);
    assert_eq!(peer.checker.waiting(), 256 + 1 + 64);
    // Whoever made room is told of; what a stranger brought goes with it, and what others brought stays.
    assert!(!peer.checker.give_up(NOW).is_empty());
    assert_eq!(peer.checker.peer_gone("peer 32").len(), 1);
    assert_eq!(peer.checker.peer_gone("node 1").len(), 0);
    assert_eq!(peer.checker.waiting(), 255 + 1 + 64);
}

#[test]
fn what_waits_is_given_up_in_its_time_also_where_the_clock_is_set_back() {
    let (market, mut sender, _) = scene();
    let mut peer = market.peer(&Party::new(3), &[], market.lists(&[]));
    let bid = sender.send(NOW);
    peer.receive(&bid, NOW);
    let back = UnixMillis::new(NOW.get() - 3_600_000);
    assert_eq!(peer.checker.give_up(back), []);
    assert_eq!(peer.checker.give_up(back.plus_millis(29_999)), []);
    assert!(peer.checker.holds(bid.id()));
    assert_eq!(peer.checker.give_up(back.plus_millis(30_000)), [bid.id().clone()]);
    assert!(!peer.checker.holds(bid.id()));
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
fn case_18_what_the_own_node_does_not_send_counts_for_nothing() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 3);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut own = market.peer(&aggregator, &[&presentation], market.lists(&[]));
    let key = aggregator.key.public_key();
    for _ in 0..10 {
        let wrong = sender.clone().send_with(NOW, |h| {
            h.attributes.insert("zone".into(), "GB-9".into());
        });
        let checked = own.checker.check_own(wrong, &key, &own.memory, NOW);
        expect(&checked, Verdict::Refuse, policy_codes::POLICY_UNMET);
        assert_eq!(checked.code, policy_codes::POLICY_UNMET, "nobody has seen the others");
    }
    for _ in 0..3 {
        let envelope = sender.send(NOW);
        admitted(&own.checker.check_own(envelope.clone(), &key, &own.memory, NOW));
        own.memory.keep(&envelope);
    }
    let checked = own.checker.check_own(sender.send(NOW), &key, &own.memory, NOW);
    expect(&checked, Verdict::Ignore, policy_codes::MESSAGE_RATE);
}

#[test]
fn case_18_what_is_caught_up_with_claims_no_more_of_a_minute_than_honest_nodes_send() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 3);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let now = later(3_600_000);
    // All that is allowed, an hour long.
    for minute in 0..30 {
        for _ in 0..3 {
            let said = sender.send(later(minute * 60_000));
            admitted(&peer.receive_by(&said, Source::CatchUp, now));
        }
    }
    // Two nodes that do not hear each other, and a clock that is set back by the skew: three times.
    let at = later(40 * 60_000);
    for _ in 0..9 {
        admitted(&peer.receive_by(&sender.send(at), Source::CatchUp, now));
    }
    for _ in 0..100 {
        let checked = peer.receive_by(&sender.send(at), Source::CatchUp, now);
        expect(&checked, Verdict::Ignore, policy_codes::MESSAGE_RATE);
    }
    // A later minute is another.
    let said = sender.send(later(41 * 60_000));
    admitted(&peer.receive_by(&said, Source::CatchUp, now));
}

#[test]
fn case_18_what_could_not_be_kept_is_not_counted_twice() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 1);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let (wire, now) = (sender.send(NOW).to_wire().expect("a payload"), later(600_000));
    // The disk is full: it comes again and again, and nothing of it is kept.
    for _ in 0..10 {
        admitted(&peer.check(&wire, Source::CatchUp, now));
        peer.checker.nothing_was_kept();
    }
    admitted(&peer.check(&wire, Source::CatchUp, now));
    // An own message that is not sent takes back nothing of what others sent.
    for _ in 0..2 {
        admitted(&peer.check(&wire, Source::CatchUp, now));
        peer.checker.own_was_not_sent();
    }
    let checked = peer.check(&wire, Source::CatchUp, now);
    expect(&checked, Verdict::Ignore, policy_codes::MESSAGE_RATE);
}

#[test]
fn case_18_the_first_refusals_of_an_hour_are_kept_and_no_others() {
    let market = Market::new(|d| d.limits.max_messages_per_minute = 1_000_000);
    let aggregator = Party::new(2);
    let presentation = market.presentation(&aggregator);
    let mut sender = Sender::new(&aggregator, &presentation, &market.channel);
    let mut peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let mut denied = |peer: &mut gridpass_tests::messages::Peer, at| {
        let said = sender.send_with(at, |h| {
            h.attributes.insert("zone".into(), "GB-9".into());
        });
        let checked = peer.receive(&said, at);
        assert_eq!(checked.verdict, Verdict::Refuse, "{checked:?}");
        assert_eq!(
            checked.keep,
            peer.memory.at(&Chain::of(said.header()), said.header().sequence).is_some()
        );
        (checked.keep, checked.code)
    };
    let all: Vec<_> = (0..200).map(|_| denied(&mut peer, NOW)).collect();
    assert_eq!(all.iter().filter(|(kept, _)| *kept).count(), 60);
    assert!(all.iter().all(|(_, code)| *code == all[0].1), "what is not kept is refused no less");
    assert!(denied(&mut peer, later(3_600_000)).0, "the next hour has room again");
    // Who shows no visa that counts shares its room with all such.
    let mut kept = 0;
    for number in 50..60 {
        let party = Party::new(number);
        let visa = world::visa(&party, &party, &market.role, |_| ());
        let visa = world::issue(&party, &visa);
        let audience = market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: world::in_days(30) };
        let shown = world::present_as(&party, &[&visa], Form::Jwt, &binding);
        peer.memory.learn(&shown);
        let mut stranger = Sender::new(&party, &shown, &market.channel);
        for _ in 0..50 {
            let checked = peer.receive(&stranger.send(NOW), NOW);
            assert_eq!(checked.verdict, Verdict::Refuse, "{checked:?}");
            kept += usize::from(checked.keep);
        }
    }
    assert_eq!(kept, 240);
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
fn a_message_of_one_channel_passed_on_in_another_is_a_fault() {
    let (market, mut sender, mut peer) = scene();
    let other = Market::new(|d| d.title = "Another channel".into());
    let wire = sender.send(NOW).to_wire().expect("a payload");
    let mut check = |channel| {
        let (source, channel) = (Source::Live, Some(channel));
        let arrival = Arrival { source, peer: "a peer", known_as: None, channel };
        peer.checker.check(&wire, arrival, &peer.memory, NOW)
    };
    expect(&check(&other.channel), Verdict::Fault, codes::ENVELOPE_TOPIC);
    admitted(&check(&market.channel));
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
fn what_is_dated_back_behind_what_is_known_proves_the_sender_wrong() {
    let (_, mut sender, mut peer) = scene();
    let first = sender.send(NOW);
    admitted(&peer.receive(&first, NOW));
    let back = sender.send(NOW);
    admitted(&peer.receive(&back, NOW));
    let earlier = gridpass_identity::time::UnixMillis::new(NOW.get() - 1);
    let backdated = sender.send(earlier);
    let checked = peer.receive_by(&backdated, Source::CatchUp, NOW);
    expect(&checked, Verdict::Ignore, codes::ENVELOPE_ORDER);
    assert!(matches!(checked.effects[..], [Effect::Forked { .. }]));
}

/// A market whose bids must satisfy a comparison with a gate, and a bidder and a reader there.
fn gated(comparison: &str) -> (Market, Sender, Peer) {
    let market = Market::new(|d| {
        let needs = serde_json::json!({"when": comparison});
        d.publish.push(channels::requirement("gate", "bids come before the gate", needs));
    });
    let bidder = Party::new(2);
    let presentation = market.presentation(&bidder);
    let peer = market.peer(&Party::new(3), &[&presentation], market.lists(&[]));
    let sender = Sender::new(&bidder, &presentation, &market.channel);
    (market, sender, peer)
}

fn arrived(checked: &Checked) -> Option<UnixMillis> {
    let decided = checked.decided.as_ref().expect("a decision");
    let Question::Publish(facts) = &decided.question else { panic!("a message") };
    facts.arrived
}

#[test]
fn a_gate_holds_against_who_dates_a_bid_back_where_it_asks_when_it_came() {
    let gate = later(50_000);
    let minutes_after = later(600_000);
    // What is caught up with is judged as of when it says that it was made: so it passes.
    let time = format!("time < '{gate}'");
    let (_, mut sender, mut peer) = gated(&time);
    let checked = peer.receive_by(&sender.send(NOW), Source::CatchUp, minutes_after);
    admitted(&checked);
    assert_eq!(arrived(&checked), None, "nobody asks, and nothing more is recorded");

    let came = format!("arrived < '{gate}'");
    let (_, mut sender, mut peer) = gated(&came);
    let in_time = sender.send(NOW);
    let checked = peer.receive(&in_time, later(49_999));
    admitted(&checked);
    assert_eq!(arrived(&checked), Some(later(49_999)));
    assert!(peer.checker.still_admits(&in_time, &peer.memory, later(49_999)));
    assert!(!peer.checker.still_admits(&in_time, &peer.memory, gate), "to others it comes now");
    // The same sender is remembered: the next question is another one all the same.
    let held_back = sender.send(NOW);
    let checked = peer.receive_by(&held_back, Source::CatchUp, minutes_after);
    expect(&checked, Verdict::Refuse, policy_codes::VALUE_DIFFERS);
    assert_eq!(arrived(&checked), Some(minutes_after));
    assert!(checked.keep && !checked.deliver);
    assert!(!checked.answers, "who gives what was in time to who was away is honest");

    // Who was away refuses what was sent in time, too; who catches up before the gate does not.
    let (_, _, mut away) = gated(&came);
    let checked = away.receive_by(&in_time, Source::CatchUp, minutes_after);
    expect(&checked, Verdict::Refuse, policy_codes::VALUE_DIFFERS);
    let (_, _, mut early) = gated(&came);
    admitted(&early.receive_by(&in_time, Source::CatchUp, later(40_000)));

    // Live it is late by the clock alone; and what is wrong besides is answered for.
    let (_, mut sender, mut peer) = gated(&came);
    let checked = peer.receive(&sender.send(NOW), gate);
    expect(&checked, Verdict::Refuse, policy_codes::VALUE_DIFFERS);
    let wrong = sender.send_with(NOW, |h| {
        h.attributes.insert("zone".into(), "GB-9".into());
    });
    let checked = peer.receive_by(&wrong, Source::CatchUp, minutes_after);
    expect(&checked, Verdict::Refuse, policy_codes::VALUE_DIFFERS);
    assert!(checked.answers);
}

#[test]
fn what_waits_came_when_it_came_first_and_what_is_sent_comes_now() {
    let gate = later(50_000);
    let came = format!("arrived < '{gate}'");
    for copy in [false, true] {
        let (market, mut sender, mut peer) = gated(&came);
        peer.checker.join(market.policy(), std::collections::BTreeMap::new(), true);
        let bid = sender.send(NOW);
        expect(&peer.receive(&bid, later(45_000)), Verdict::Wait, codes::SCHEMA_NOT_HERE);
        let (id, schema) = channels::schemas().pop_first().expect("a schema");
        peer.checker.schema_came(&market.channel, id.clone(), schema);
        let checked = if copy {
            peer.receive(&bid, later(55_000))
        } else {
            peer.came(&Missing::Document(id), later(55_000)).remove(0)
        };
        admitted(&checked);
        assert_eq!(arrived(&checked), Some(later(45_000)), "a copy: {copy}");
    }
    // Whoever sends it asks itself by its own clock.
    let (market, mut sender, _) = gated(&came);
    let presentation = market.presentation(&sender.party);
    let mut own = market.peer(&sender.party, &[&presentation], market.lists(&[]));
    let key = sender.party.key.public_key();
    let checked = own.checker.check_own(sender.clone().send(NOW), &key, &own.memory, NOW);
    admitted(&checked);
    assert_eq!(arrived(&checked), Some(NOW));
    let checked = own.checker.check_own(sender.clone().send(NOW), &key, &own.memory, gate);
    expect(&checked, Verdict::Refuse, policy_codes::VALUE_DIFFERS);
    // What comes back to who lost it counts as it did: else the next would have its number.
    let checked = own.receive_by(&sender.send(NOW), Source::CatchUp, later(600_000));
    admitted(&checked);
    assert_eq!(arrived(&checked), Some(NOW));
}
