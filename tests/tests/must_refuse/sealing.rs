//! Case 15, and what else the checking core refuses of sealed messages: its code, and that the good
//! twin beside it is admitted.

use gridpass_credentials::authorisation::{NodeAuthorisation, NodePurpose};
use gridpass_credentials::secured::{Binding, Form};
use gridpass_credentials::status::Change;
use gridpass_credentials::trust::Trust;
use gridpass_credentials::visa::Purpose;
use gridpass_identity::time::UnixMillis;
use gridpass_messaging::checking::{Chain, Checker, Effect, Limits, Missing, Source, Verdict};
use gridpass_messaging::codes;
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::sealing::allowance::{EPOCHS_AN_HOUR, LEAST_COST};
use gridpass_messaging::sealing::{AsOf, Circle, MAX_EPOCH_MILLIS, Member};
use gridpass_policy::channel::{Mode, Sealing};
use gridpass_policy::codes as policy_codes;
use gridpass_tests::channels;
use gridpass_tests::messages::{Peer, Sender, admitted, authorise, expect, later};
use gridpass_tests::nodes;
use gridpass_tests::sealed::{Scene, Sealer, member};
use gridpass_tests::world::{self, NOW, Party};
use std::sync::Arc;

#[test]
fn case_15_plaintext_in_a_channel_that_seals_is_refused_and_sealed_in_one_that_does_not() {
    for (sealing, seals) in [(Sealing::Members, true), (Sealing::None, false)] {
        let mut scene = Scene::new(|d| d.sealing = sealing);
        let mut sealed = scene.begin(&[]);
        let (plain, sealed_one) = (scene.sender.send(NOW), sealed.send(NOW));
        let (wrong, right) = if seals { (plain, sealed_one) } else { (sealed_one, plain) };
        let checked = scene.relay(&sealed).receive(&wrong, NOW);
        expect(&checked, Verdict::Refuse, policy_codes::MESSAGE_SEALING);
        assert!(!checked.deliver);
        admitted(&scene.relay(&sealed).receive(&right, NOW));
    }
}

#[test]
fn case_15_what_is_called_sealed_and_is_not_is_a_fault() {
    let scene = Scene::new(|_| ());
    let mut sealer = scene.begin(&[]);
    let mut header = scene.sender.header("GB-1", NOW);
    header.epoch = Some(sealer.epoch.id().clone());
    let plain = scene.sender.sign(header, b"{\"bid\":5}");
    let checked = scene.relay(&sealer).receive(&plain, NOW);
    expect(&checked, Verdict::Fault, codes::SEALING_MALFORMED);
    admitted(&scene.relay(&sealer).receive(&sealer.send(NOW), NOW));
}

#[test]
fn case_15_a_message_that_is_sealed_to_one_who_is_not_entitled_is_refused() {
    let scene = Scene::new(|_| ());
    // An aggregator may send here, and not read.
    let crony = Party::new(5);
    let presented = nodes::presentation(&scene.market, &crony, false);
    let [north, south] = scene.members();
    let members = [north, south, member(&crony, &presented)];
    let mut sealer = Sealer::begin(&scene.sender, &[], &members, NOW);
    let bid = sealer.send(NOW);
    for (party, at) in [(&Party::new(9), "a relay"), (&scene.north.0, "a reader")] {
        let mut peer = scene.peer(party, &sealer);
        peer.memory.learn(&presented);
        let checked = peer.receive(&bid, NOW);
        expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER);
        assert!(!checked.deliver, "{at}");
    }
    // Who cannot say so passes it on: others can.
    admitted(&scene.relay(&sealer).receive(&bid, NOW));
    admitted(&scene.relay(&sealer).receive_by(&bid, Source::CatchUp, NOW));
    // Nor does it help to give it only to those who ask: it never could read.
    let mut late = scene.relay(&sealer);
    late.memory.learn(&presented);
    for then in [NOW, later(60_000)] {
        let checked = late.check(&bid.to_wire().expect("a payload"), Source::CatchUp, then);
        expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER);
        assert!(checked.keep && !checked.deliver && !checked.answers, "{checked:?}");
    }
}

#[test]
fn what_was_sealed_to_the_circle_of_then_is_taken_by_who_knows_todays() {
    let scene = Scene::new(|_| ());
    let mut sealer = scene.begin(&[]);
    let bid = sealer.send(NOW);
    // Its sender could not know that a reader would lose its right.
    let then = later(1_800_000);
    let operators = scene.market.operators.as_ref().expect("a role");
    let regulator = &scene.market.regulator;
    let visa = world::visa(regulator, &scene.south.0, operators, |_| ());
    let status = visa.status.first().expect("a status");
    let change = Change { index: status.index, set: true, at: NOW };
    let crony = Party::new(5);
    let presented = nodes::presentation(&scene.market, &crony, false);
    let [north, south] = scene.members();
    let members = [north, south, member(&crony, &presented)];
    let mut to_a_stranger = Sealer::begin(&scene.sender, &[], &members, NOW);
    let cheat = to_a_stranger.send(NOW);
    for (sealer, envelope, good) in [(&sealer, &bid, true), (&to_a_stranger, &cheat, false)] {
        let mut late = scene.relay(sealer);
        late.memory.learn(&presented);
        for purpose in Purpose::ALL {
            let set = if purpose == status.purpose { &[change][..] } else { &[] };
            late.memory.lists.push(world::list_by(regulator, regulator, purpose, set, |l| {
                l["validFrom"] = serde_json::json!(then);
                l["credentialSubject"]["statusList"]["version"] = serde_json::json!(7);
            }));
        }
        let checked = late.receive_by(envelope, Source::CatchUp, then);
        match good {
            true => admitted(&checked),
            false => expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER),
        }
    }
}

#[test]
fn who_caught_up_sees_a_node_that_was_never_to_be_handed_keys() {
    let scene = Scene::new(|_| ());
    let (south, node) = (&scene.south, Party::new(20));
    for (purpose, good) in [(NodePurpose::Sealing, true), (NodePurpose::Messages, false)] {
        let authorisation = authorise(&south.0, &node, |a| {
            a.purposes = [NodePurpose::Messages, purpose].into();
        });
        let member = Member {
            node: node.did.clone(),
            participant: south.0.did.clone(),
            authorisation: Some(authorisation.id().clone()),
            presentation: south.1.id().clone(),
        };
        let mut sealer = Sealer::begin(&scene.sender, &[], &[member], NOW);
        let mut late = scene.relay(&sealer);
        late.memory.lists = scene.market.lists(&[&south.0]);
        late.memory.learn(&authorisation);
        let checked = late.receive_by(&sealer.send(NOW), Source::CatchUp, later(1_000));
        match good {
            true => admitted(&checked),
            false => expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER),
        }
    }
}

#[test]
fn case_15_a_node_is_handed_keys_by_its_participants_authorisation_alone() {
    let scene = Scene::new(|_| ());
    let south = &scene.south;
    let (node, other) = (Party::new(20), Party::new(21));
    let both = |a: &mut NodeAuthorisation| {
        a.purposes = [NodePurpose::Messages, NodePurpose::Sealing].into();
    };
    let cases = [
        ("authorised", authorise(&south.0, &node, both), true, true),
        ("it is not known whether it was withdrawn", authorise(&south.0, &node, both), false, true),
        ("for messages alone", authorise(&south.0, &node, |_| ()), true, false),
        ("for another node", authorise(&south.0, &other, both), true, false),
        ("by somebody else", authorise(&scene.north.0, &node, both), true, false),
    ];
    for (what, authorisation, listed, good) in cases {
        let member = Member {
            node: node.did.clone(),
            participant: south.0.did.clone(),
            authorisation: Some(authorisation.id().clone()),
            presentation: south.1.id().clone(),
        };
        let mut sealer = Sealer::begin(&scene.sender, &[], &[member], NOW);
        let mut relay = scene.relay(&sealer);
        if listed {
            relay.memory.lists = scene.market.lists(&[&south.0, &scene.north.0]);
        }
        // As long as it is not here it is asked for, and nothing is said.
        let first = sealer.send(NOW);
        let before = relay.receive(&first, NOW);
        admitted(&before);
        assert!(relay.checker.take_wanted().contains(authorisation.id()), "{what}");
        relay.memory.learn(&authorisation);
        relay.checker.did_changed(&south.0.did);
        let checked = relay.receive(&sealer.send(NOW), NOW);
        if good {
            assert_eq!(checked.verdict, Verdict::Admit, "{what}: {}", checked.sentence);
        } else {
            assert_eq!(checked.verdict, Verdict::Refuse, "{what}");
            expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER);
        }
    }
}

#[test]
fn a_clock_that_is_behind_makes_nobody_a_stranger() {
    let scene = Scene::new(|_| ());
    let (south, node) = (&scene.south, Party::new(20));
    let begins = later(20_000);
    for (purpose, good) in [(NodePurpose::Sealing, true), (NodePurpose::Messages, false)] {
        let authorisation = authorise(&south.0, &node, |a| {
            a.purposes = [NodePurpose::Messages, purpose].into();
            a.valid_from = begins;
        });
        let member = Member {
            node: node.did.clone(),
            participant: south.0.did.clone(),
            authorisation: Some(authorisation.id().clone()),
            presentation: south.1.id().clone(),
        };
        // By its sender's clock it has begun.
        let mut sealer = Sealer::begin(&scene.sender, &[], &[member], begins);
        let mut relay = scene.relay(&sealer);
        relay.memory.lists = scene.market.lists(&[&south.0]);
        relay.memory.learn(&authorisation);
        for now in [NOW, later(10_000), begins] {
            let checked = relay.receive(&sealer.send(begins), now);
            if good {
                admitted(&checked);
            } else {
                // For this node it will never be.
                expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER);
            }
        }
    }
}

#[test]
fn who_may_read_by_a_newer_charter_is_no_stranger_to_who_has_not_heard_of_it() {
    let regulator = Party::new(1);
    let issuers = || world::dids(&[&regulator]);
    let role = world::definition("flex.gb.aggregator", issuers(), |_| ());
    let operators = world::definition("flex.gb.dso", issuers(), |_| ());
    let first = world::sign_charter(world::charter(&[&regulator], &[&role]), &[&regulator]);
    let mut next = first.charter().next(world::days_ago(99)).expect("the next");
    next.roles.push(world::listed(&operators));
    let second = world::sign_charter(next, &[&regulator]);
    let old = world::pack(std::slice::from_ref(&first), &[&role]);
    let new = world::pack(&[first.clone(), second.clone()], &[&role, &operators]);
    let open = |pack: &[u8]| Arc::new(Trust::open(pack, None, NOW).expect("a trust pack"));
    let scene = Scene::new(|d| d.framework = first.id().clone());
    let mut sealer = scene.begin(&[]);
    let mut relay = scene.relay(&sealer);
    relay.memory.trust = open(&old);
    // Its readers hold a role that only the second charter lists.
    admitted(&relay.receive(&sealer.send(NOW), NOW));
    relay.memory.trust = open(&new);
    relay.checker.charter_changed(first.charter(), second.charter());
    admitted(&relay.receive(&sealer.send(NOW), NOW));
    // Who holds another role is a stranger by either.
    let crony = Party::new(5);
    let presented = nodes::presentation(&scene.market, &crony, false);
    let members = [member(&crony, &presented)];
    let mut sealer = Sealer::begin(&sealer.sender, &[], &members, NOW);
    for pack in [&old, &new] {
        let mut relay = scene.relay(&sealer);
        relay.memory.trust = open(pack);
        relay.memory.learn(&presented);
        let checked = relay.receive(&sealer.send(NOW), NOW);
        expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER);
    }
}

#[test]
fn case_15_whose_right_ended_is_left_out_within_the_time_that_the_channel_gives() {
    // The lists are an hour old, and may be two.
    const HOUR: u64 = 3_600_000;
    let scene = Scene::new(|d| d.max_status_age_seconds = 2 * 3600);
    let mut sealer = scene.begin(&[]);
    let mut relay = scene.relay(&sealer);
    admitted(&relay.receive(&sealer.send(NOW), NOW));
    let operators = scene.market.operators.as_ref().expect("a role");
    let regulator = &scene.market.regulator;
    let visa = world::visa(regulator, &scene.south.0, operators, |_| ());
    let status = visa.status.first().expect("a status");
    let change = Change { index: status.index, set: true, at: later(200) };
    let revoked = |relay: &mut Peer, dated: UnixMillis, version: u64| {
        for purpose in Purpose::ALL {
            let set = if purpose == status.purpose { &[change][..] } else { &[] };
            let list = world::list_by(regulator, regulator, purpose, set, |l| {
                l["validFrom"] = serde_json::json!(dated);
                l["credentialSubject"]["statusList"]["version"] = serde_json::json!(version);
            });
            relay.memory.lists.push(list);
            relay.checker.status_list_came(&regulator.list_id(purpose), &regulator.did);
        }
    };
    revoked(&mut relay, later(200), 6);
    // The sender need not have heard of it.
    admitted(&relay.receive(&sealer.send(later(300)), later(300)));
    revoked(&mut relay, later(HOUR), 7);
    admitted(&relay.receive(&sealer.send(later(HOUR)), later(HOUR)));
    revoked(&mut relay, later(2 * HOUR), 8);
    let then = later(2 * HOUR + 1_000);
    let checked = relay.receive(&sealer.send(then), then);
    expect(&checked, Verdict::Refuse, codes::SEALING_STRANGER);
    // In an epoch without it, it goes on.
    let [north, _] = scene.members();
    let mut next = Sealer::begin(&sealer.sender, &[], &[north], then);
    relay.memory.learn_bytes(next.epoch.id().clone(), next.document.clone());
    admitted(&relay.receive(&next.send(then), then));
}

#[test]
fn case_15_who_is_left_out_is_not_given_what_it_cannot_open() {
    let scene = Scene::new(|_| ());
    let [north, _] = scene.members();
    let mut sealer = Sealer::begin(&scene.sender, &[], &[north], NOW);
    let bid = sealer.send(NOW);
    let mut peers = [&scene.north.0, &scene.south.0].map(|p| scene.peer(p, &sealer));
    let chain = Chain::of(bid.header());
    peers[0].memory.ring.get_mut().insert(&chain, &sealer.taken_by(&scene.north.0));
    let [north, south] = peers.map(|mut p| p.receive(&bid, NOW));
    assert!(north.deliver && !north.unopened, "{}", north.sentence);
    admitted(&south);
    assert!(!south.deliver && south.unopened, "it is passed on, and waits for its key");
}

#[test]
fn an_epoch_is_waited_for_and_is_of_its_sender_recipients_and_time() {
    let scene = Scene::new(|d| d.mode = Mode::Unicast);
    let to = [scene.north.0.did.clone()];
    let mut sealer = scene.begin(&to);
    let good = sealer.clone().send(NOW);
    admitted(&scene.relay(&sealer).receive(&good, NOW));
    // It has not come.
    let mut without = scene.market.peer(&Party::new(9), &[&scene.bidder], scene.market.lists(&[]));
    let checked = without.receive(&good, NOW);
    expect(&checked, Verdict::Wait, codes::EPOCH_MISSING);
    let missing = Effect::Ask(Missing::Document(sealer.epoch.id().clone()));
    assert!(checked.effects.contains(&missing), "{:?}", checked.effects);
    // It is for somebody else.
    let other = sealer.clone().send_with(NOW, |h| h.recipients = vec![scene.south.0.did.clone()]);
    expect(&scene.relay(&sealer).receive(&other, NOW), Verdict::Fault, codes::SEALING_EPOCH);
    // It is another sender's.
    let thief = Party::new(7);
    let presented = nodes::presentation(&scene.market, &thief, false);
    let mut stolen =
        Sealer { sender: Sender::new(&thief, &presented, &scene.market.channel), ..sealer.clone() };
    let mut relay = scene.relay(&sealer);
    relay.memory.learn(&presented);
    expect(&relay.receive(&stolen.send(NOW), NOW), Verdict::Fault, codes::SEALING_EPOCH);
    // It began too long ago, or later than the message.
    let late = NOW.plus_millis(MAX_EPOCH_MILLIS + 1);
    let old = sealer.clone().send(late);
    let mut relay = scene.relay(&sealer);
    relay.memory.lists = Vec::new();
    expect(&relay.receive(&old, late), Verdict::Fault, codes::SEALING_EPOCH);
    let before = UnixMillis::new(NOW.get() - 1);
    let early = sealer.send(before);
    expect(&scene.relay(&sealer).receive(&early, NOW), Verdict::Fault, codes::SEALING_EPOCH);
}

#[test]
fn what_is_in_a_sealed_message_is_held_against_the_schema_by_whoever_opens_it() {
    use gridpass_messaging::sealing::{Place, SealedPayload};
    let scene = Scene::new(|_| ());
    let sealer = scene.begin(&[]);
    let mut header = scene.sender.header("GB-1", NOW);
    header.epoch = Some(sealer.epoch.id().clone());
    let place = Place {
        channel: &header.channel,
        sender: &header.sender,
        key: &header.key,
        sequence: 1,
        epoch: sealer.epoch.id(),
    };
    let key = sealer.key.message();
    let not_json = SealedPayload::seal(b"<bid/>", &key, &place, [1; 12]).expect("sealed");
    let other = SealedPayload::seal(b"{}", &sealer.key.next().message(), &place, [1; 12]);
    let cases = [
        (not_json, policy_codes::PAYLOAD_MALFORMED),
        (other.expect("sealed"), codes::SEALING_BROKEN),
    ];
    for (payload, code) in cases {
        let bytes = payload.encode().expect("bytes");
        let bent = scene.sender.sign(header.clone(), &bytes);
        let mut reader = scene.peer(&scene.north.0, &sealer);
        let chain = Chain::of(&header);
        reader.memory.ring.get_mut().insert(&chain, &sealer.taken_by(&scene.north.0));
        let checked = reader.receive(&bent, NOW);
        expect(&checked, Verdict::Refuse, code);
        // Who cannot open it has nothing against it.
        admitted(&scene.relay(&sealer).receive(&bent, NOW));
    }
}

const HOUR_MILLIS: u64 = 3_600_000;

/// Another epoch of a sender, and its first message.
fn another(scene: &mut Scene, relay: &mut Peer, at: UnixMillis) -> (Sealer, Envelope) {
    let mut sealer = scene.begin_at(at);
    relay.memory.learn_bytes(sealer.epoch.id().clone(), sealer.document.clone());
    let first = sealer.send(at);
    scene.sender = sealer.sender.clone();
    (sealer, first)
}

#[test]
fn a_message_of_an_epoch_beyond_what_anybody_takes_in_an_hour_is_refused() {
    let mut scene = Scene::new(|_| ());
    let first = scene.begin(&[]);
    let mut relay = scene.relay(&first);
    let (mut inside, bid) = another(&mut scene, &mut relay, NOW);
    admitted(&relay.receive(&bid, NOW));
    // As if so many had begun that one more has room.
    let spent = EPOCHS_AN_HOUR - 3 * LEAST_COST.max(inside.epoch.cost());
    let chain = Chain::of(bid.header());
    relay.memory.spend(chain.clone(), NOW, spent);
    let (_, bid) = another(&mut scene, &mut relay, NOW);
    admitted(&relay.receive(&bid, NOW));
    relay.memory.spend(chain, NOW, EPOCHS_AN_HOUR - spent);
    // One more, live or caught up with: it is refused, and named.
    for source in [Source::Live, Source::CatchUp] {
        let (_, bid) = another(&mut scene, &mut relay, NOW);
        let checked = relay.receive_by(&bid, source, NOW);
        expect(&checked, Verdict::Refuse, codes::SEALING_EPOCHS);
        assert!(checked.sentence.contains(&EPOCHS_AN_HOUR.to_string()), "{}", checked.sentence);
        assert!(!checked.deliver);
    }
    // What is sealed in an epoch that was taken goes on, as does everybody else.
    inside.sender = scene.sender.clone();
    admitted(&relay.receive(&inside.send(NOW), NOW));
    scene.sender = inside.sender;
    let other = Party::new(8);
    let presented = nodes::presentation(&scene.market, &other, false);
    relay.memory.learn(&presented);
    let sender = Sender::new(&other, &presented, &scene.market.channel);
    let mut theirs = Sealer::begin(&sender, &[], &scene.members(), NOW);
    relay.memory.learn_bytes(theirs.epoch.id().clone(), theirs.document.clone());
    admitted(&relay.receive(&theirs.send(NOW), NOW));
    // And so does the sender, in the next hour.
    let next = UnixMillis::new((NOW.get() / HOUR_MILLIS + 1) * HOUR_MILLIS);
    let (_, bid) = another(&mut scene, &mut relay, UnixMillis::new(next.get() - 1));
    expect(&relay.receive(&bid, next), Verdict::Refuse, codes::SEALING_EPOCHS);
    let (_, bid) = another(&mut scene, &mut relay, next);
    admitted(&relay.receive(&bid, next));
}

#[test]
fn whose_visa_ends_by_time_is_found_out_about_in_that_millisecond() {
    let scene = Scene::new(|_| ());
    let ends = later(90_000);
    let operators = scene.market.operators.as_ref().expect("a role");
    let west = Party::new(6);
    let visa = world::visa(&scene.market.regulator, &west, operators, |v| v.valid_until = ends);
    let visa = world::issue(&scene.market.regulator, &visa);
    let audience = scene.market.channel.to_string();
    let binding = Binding { audience, nonce: None, expires: world::in_days(30) };
    let presented = world::present_as(&west, &[&visa], Form::Jwt, &binding);
    let west = member(&west, &presented);
    let sealer = scene.begin(&[]);
    let mut peer = scene.peer(&Party::new(2), &sealer);
    peer.memory.learn(&presented);
    let channel = &scene.market.channel;
    let mut circle = Circle::default();
    let Peer { checker, memory } = &mut peer;
    for one in scene.members().into_iter().chain([west.clone()]) {
        let found = checker.may_be_handed(channel, &one, memory, NOW);
        assert!(found.may, "{}", one.participant);
        circle.heard(one, found, AsOf { changes: checker.changes(), now: NOW });
    }
    let mut judge = |circle: &mut Circle, now| {
        let as_of = AsOf { changes: checker.changes(), now };
        circle.judge(as_of, &[], 9, |m| checker.may_be_handed(channel, m, memory, now))
    };
    // A millisecond before nobody is even looked at; then the one whose visa ends.
    let before = UnixMillis::new(ends.get() - 1);
    assert_eq!((judge(&mut circle, before), circle.has(&west.node)), (0, true));
    assert_eq!((judge(&mut circle, ends), circle.has(&west.node)), (1, false));
    assert_eq!(circle.len(), 2);
}

#[test]
fn of_who_dates_epochs_back_no_more_are_taken_in_an_hour_than_of_who_catches_up() {
    let mut scene = Scene::new(|_| ());
    let first = scene.begin(&[]);
    let mut relay = scene.relay(&first);
    let limits = Limits { epochs_an_hour: 5 * LEAST_COST, ..Limits::default() };
    relay.checker = Checker::new(Party::new(9).did, &limits);
    relay.checker.join(scene.market.policy(), channels::schemas(), true);
    // One in each of many hours, so that in none of them there are too many.
    let mut taken = Vec::new();
    let mut last = None;
    let now = NOW.plus_millis(9 * HOUR_MILLIS);
    for hours in 1..=8 {
        let at = NOW.plus_millis(hours * HOUR_MILLIS);
        let (_, bid) = another(&mut scene, &mut relay, at);
        taken.push(relay.receive_by(&bid, Source::CatchUp, now));
        last = Some(bid);
    }
    let (admitted, ignored) = taken.split_at(5);
    for checked in admitted {
        assert_eq!(checked.verdict, Verdict::Admit, "{}", checked.sentence);
    }
    ignored.iter().for_each(|c| expect(c, Verdict::Ignore, codes::SEALING_EPOCHS));
    // Nothing was kept of those: an hour later they come again.
    let (last, later) = (last.expect("one"), now.plus_millis(HOUR_MILLIS));
    let again = relay.receive_by(&last, Source::CatchUp, later);
    assert_eq!(again.verdict, Verdict::Admit, "{}", again.sentence);
}
