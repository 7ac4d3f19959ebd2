//! What a program asks of the node in its process, and what it is told, with types.

use crate::running::{Running, bid};
use gridpass_credentials::role::RoleName;
use gridpass_credentials::secured::{Binding, Form};
use gridpass_messaging::codes;
use gridpass_messaging::node::control::{Asked, NewMessage};
use gridpass_messaging::node::{AskError, AtRecipient, Given, Listen, Outgoing, Reached, Said};
use gridpass_policy::channel::{Mode, Sealing, SignedChannel};
use gridpass_policy::codes as policy_codes;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes;
use gridpass_tests::world::{self, Party};
use std::time::Duration;

/// A bid in a zone, with the attributes that the channel asks for.
pub(crate) fn offer(market: &Market, number: u64, zone: &str) -> NewMessage {
    NewMessage::new(market.channel.as_str(), "bids", bid(number).as_bytes())
        .with("zone", zone)
        .with("quantityKw", 5)
}

pub(crate) async fn soon<T>(what: impl Future<Output = Result<T, AskError>>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), what).await;
    waited.expect("not in vain").expect("an answer")
}

/// One that is alone, and may begin to send: nobody is waited for who may know what it sent before.
async fn alone(market: &Market) -> Running {
    let running = Running::start(market, 71, false).await;
    running.node.hurry(Duration::from_secs(11)).await;
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_given_up_while_it_waited_is_not_sent() {
    let market = Market::with_operators(|_| ());
    let flexgen = Running::start(&market, 71, false).await;
    let first = flexgen.node.send(offer(&market, 1, "GB-1"));
    let given_up = tokio::time::timeout(Duration::from_millis(200), first).await;
    assert!(given_up.is_err(), "it waits for those who may know what was sent before");
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let sent = soon(flexgen.node.send(offer(&market, 2, "GB-1"))).await;
    // What waits is looked at with every second.
    let mut watch = flexgen.node.watch();
    for _ in 0..4 {
        soon(watch.changed()).await;
    }
    let outbox = soon(flexgen.node.outbox(10)).await;
    let ids: Vec<_> = outbox.iter().map(|m| (m.sequence, &m.id)).collect();
    assert_eq!(ids, [(1, &sent.id)]);
    flexgen.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_reference_is_sent_once_also_after_a_restart() {
    let market = Market::with_operators(|_| ());
    let flexgen = alone(&market).await;
    let bid = offer(&market, 1, "GB-1").once("bid 17");
    let (one, two) = tokio::join!(flexgen.node.send(bid.clone()), flexgen.node.send(bid.clone()));
    let (one, two) = (one.expect("sent"), two.expect("answered"));
    assert_eq!((&one.id, one.reference.as_deref()), (&two.id, Some("bid 17")));
    assert!(one.repeated != two.repeated, "one of them was sent: {one:?} {two:?}");
    let other = soon(flexgen.node.send(offer(&market, 1, "GB-1").once("bid 18"))).await;
    assert_eq!((one.sequence, other.sequence), (1, 2));
    let changed = offer(&market, 3, "GB-1").once("bid 17");
    let refused = flexgen.node.send(changed).await.expect_err("another payload");
    assert_eq!(refused.code, codes::NODE_REFERENCE, "{refused}");
    assert!(refused.message.contains("payload"), "{refused}");
    let refused = flexgen.node.send(offer(&market, 3, "GB-1").once("")).await;
    assert_eq!(refused.expect_err("no reference").code, codes::NODE_REQUEST);

    let flexgen = flexgen.again(&market, false).await;
    let mut by_name = bid;
    by_name.channel = market.descriptor.name.as_str().to_owned();
    let again = soon(flexgen.node.send(by_name)).await;
    assert_eq!((&again.id, again.sequence, again.repeated), (&one.id, one.sequence, true));
    assert_ne!(again.state, "over");
    let outbox = soon(flexgen.node.outbox(10)).await;
    let found: Vec<_> = outbox.iter().map(|m| (&m.id, m.reference.as_deref())).collect();
    assert_eq!(found, [(&other.id, Some("bid 18")), (&one.id, Some("bid 17"))]);
    // A page each, and nothing after the last.
    let ids = |page: &[Outgoing]| page.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&soon(flexgen.node.outbox(1)).await), std::slice::from_ref(&other.id));
    let next = soon(flexgen.node.outbox_before(&other.id, 1)).await;
    assert_eq!(ids(&next), std::slice::from_ref(&one.id));
    assert!(soon(flexgen.node.outbox_before(&one.id, 1)).await.is_empty());

    // A repeat of one that is over is told from a sending.
    let short = offer(&market, 4, "GB-1").for_millis(1).once("bid 19");
    let sent = soon(flexgen.node.send(short.clone())).await;
    assert_eq!((sent.repeated, sent.state.as_str()), (false, "queued"));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let again = soon(flexgen.node.send(short)).await;
    assert_eq!((&again.id, again.repeated, again.state.as_str()), (&sent.id, true, "over"));
    flexgen.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_the_name_of_a_channel_when_the_node_can_send_in_it() {
    let market = Market::with_operators(|_| ());
    let flexgen = alone(&market).await;
    let next = market.descriptor.next(market.descriptor.dated).expect("a version");
    let mut channel = SignedChannel::unsigned(next.clone()).expect("a channel");
    channel.sign(market.regulator.at(next.dated)).expect("signs");
    flexgen.add(channel.to_json().to_string().as_bytes()).await;
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let mut by_name = offer(&market, 1, "GB-1");
    by_name.channel = market.descriptor.name.as_str().to_owned();
    let sent = soon(flexgen.node.send(by_name.clone())).await;
    assert_eq!(sent.channel, market.channel, "it has no presentation for the new one");
    let visa = world::visa(&market.regulator, &flexgen.party, &market.role, |_| ());
    let visa = world::issue(&market.regulator, &visa);
    let binding =
        Binding { audience: channel.id().to_string(), nonce: None, expires: world::in_days(30) };
    let presentation = world::present_as(&flexgen.party, &[&visa], Form::Jwt, &binding);
    flexgen.add(presentation.text().as_bytes()).await;
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let sent = soon(flexgen.node.send(by_name)).await;
    assert_eq!(&sent.channel, channel.id());
    flexgen.node.stop().await;
}

/// Within the five minutes by which clocks may differ it is joined already.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_the_name_of_a_channel_when_its_date_has_come() {
    let market = Market::with_operators(|_| ());
    let flexgen = alone(&market).await;
    let next = market.descriptor.next(nodes::clock().plus_millis(240_000)).expect("a version");
    let mut channel = SignedChannel::unsigned(next).expect("a channel");
    channel.sign(market.regulator.at(nodes::clock())).expect("signs");
    flexgen.add(channel.to_json().to_string().as_bytes()).await;
    let presentation = market.presentation_for(&flexgen.party, channel.id());
    flexgen.add(presentation.text().as_bytes()).await;
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let status = soon(flexgen.node.status()).await;
    let joined = status["channels"].as_array().expect("channels").iter();
    assert!(joined.clone().count() == 2 && joined.clone().all(|c| c["joined"] == true), "{status}");
    let mut by_name = offer(&market, 1, "GB-1");
    by_name.channel = market.descriptor.name.as_str().to_owned();
    let sent = soon(flexgen.node.send(by_name)).await;
    assert_eq!(sent.channel, market.channel, "the new one does not count yet");
    flexgen.node.stop().await;
}

/// A channel is handed over by a new one of its name: what is left means nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn of_channels_of_two_owners_a_name_means_the_one_that_was_not_left() {
    let market = Market::with_operators(|_| ());
    let flexgen = alone(&market).await;
    let heir = Party::new(77);
    let mut descriptor = market.descriptor.clone();
    descriptor.owner = heir.did.clone();
    let mut channel = SignedChannel::unsigned(descriptor.clone()).expect("a channel");
    channel.sign(heir.at(descriptor.dated)).expect("signs");
    flexgen.add(channel.to_json().to_string().as_bytes()).await;
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let mut by_name = offer(&market, 1, "GB-1");
    by_name.channel = market.descriptor.name.as_str().to_owned();
    // The charter lists neither.
    let refused = flexgen.node.send(by_name.clone()).await.expect_err("two owners");
    assert_eq!(refused.code, policy_codes::CHANNEL_AMBIGUOUS, "{refused}");
    assert!(refused.to_string().contains(channel.id().as_str()), "{refused}");
    let asked = Asked::Leave { channel: channel.id().to_string() };
    soon(flexgen.node.ask(asked)).await;
    let sent = soon(flexgen.node.send(by_name)).await;
    assert_eq!(sent.channel, market.channel);
    flexgen.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_refused_is_told_reason_by_reason() {
    let market = Market::with_operators(|_| ());
    let flexgen = alone(&market).await;
    let refused = flexgen.node.send(offer(&market, 1, "GB-9")).await.expect_err("another zone");
    assert_eq!(refused.code, policy_codes::POLICY_UNMET, "{refused}");
    assert!(refused.has(policy_codes::VALUE_DIFFERS), "{refused}");
    assert!(!refused.has(policy_codes::MESSAGE_RATE), "{refused}");
    let [reason] = &refused.reasons[..] else { panic!("{:?}", refused.reasons) };
    assert!(reason.requirement.is_some() && !reason.causes.is_empty(), "{reason:?}");
    // Whichever attribute is too much is named.
    let misspelt = offer(&market, 1, "GB-1").with("zoen", "GB-1");
    let refused = flexgen.node.send(misspelt).await.expect_err("no such attribute");
    assert!(refused.message.contains("zoen"), "{refused}");
    let never = flexgen.node.send(offer(&market, 1, "GB-1").for_millis(0)).await;
    let refused = never.expect_err("it would be over at once");
    assert_eq!(refused.code, codes::NODE_REQUEST, "{refused}");
    assert!(refused.message.contains("lifetimeMillis"), "{refused}");
    // What has no reasons of a channel has none.
    let unknown = NewMessage::new("no.such.channel", "bids", b"{}");
    let refused = flexgen.node.send(unknown).await.expect_err("no channel");
    assert_eq!((refused.code.id(), refused.reasons.len()), ("GP-CHANNEL-UNKNOWN", 0));
    flexgen.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_delivered_is_told_with_all_that_its_header_says() {
    let market = Market::with_operators(|d| {
        d.sealing = Sealing::Members;
        d.mode = Mode::Multicast;
    });
    let north = Running::start(&market, 72, true).await;
    let flexgen = Running::start(&market, 71, false).await;
    flexgen.joins(&north).await;
    flexgen.knows_members(1).await;
    let (reader, stranger) = (&north.party.did, &Party::new(99).did);
    let to_both = offer(&market, 1, "GB-1").to(reader.clone()).to(stranger.clone());
    let first = soon(flexgen.node.send(to_both.for_millis(600_000))).await;
    assert_eq!(first.recipients_without_node, std::slice::from_ref(stranger));
    assert_eq!((first.sequence, first.version, &first.thread), (1, 1, &None));
    assert_eq!(first.expires, first.issued.plus_millis(600_000));

    let delivered = soon(north.node.next_delivered(0)).await;
    assert_eq!((&delivered.id, delivered.sequence), (&first.id, 1));
    assert_eq!(delivered.channel_name.as_deref(), Some("flex.gb.bids"));
    assert_eq!((delivered.topic.as_str(), delivered.version), ("bids", 1));
    assert_eq!(delivered.media_type, "application/json");
    assert_eq!((&delivered.sender, &delivered.node), (&flexgen.party.did, &None));
    assert_eq!((delivered.issued, delivered.expires), (first.issued, first.expires));
    assert_eq!(delivered.recipients, [reader.clone(), stranger.clone()]);
    assert!(delivered.sealed);
    assert_eq!(delivered.payload.as_deref(), Some(bid(1).as_bytes()));

    let receipt = soon(flexgen.node.receipt(&first.id, reader)).await;
    let Said::Delivered { at } = receipt else { panic!("{receipt:?}") };
    let answer = offer(&market, 2, "GB-1").to(reader.clone()).in_thread(first.id.clone());
    let second = soon(flexgen.node.send(answer)).await;
    assert_eq!((&second.thread, second.sequence), (&Some(first.id.clone()), 2));
    assert!(second.recipients_without_node.is_empty());
    let delivered = soon(north.node.next_delivered(delivered.number)).await;
    assert_eq!((&delivered.id, &delivered.thread), (&second.id, &second.thread));

    let outbox = soon(flexgen.node.outbox(10)).await;
    let of_first = outbox.iter().find(|m| m.id == first.id).expect("the first");
    assert_eq!((outbox.len(), of_first.state), (2, Reached::Sent));
    assert_eq!(of_first.recipients.get(reader), Some(&AtRecipient::Delivered { at }));
    assert_eq!(of_first.recipients.get(stranger), Some(&AtRecipient::Sent));
    let status = soon(flexgen.node.status()).await;
    assert_eq!(status["participant"], flexgen.party.did.as_str());
    for running in [&flexgen, &north] {
        running.node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_goes_on_where_it_left_off_in_everything_and_in_each_channel() {
    let bids = Market::with_operators(|_| ());
    let orders = Market::with_operators(|d| {
        d.name = RoleName::parse("flex.gb.orders").expect("a name");
    });
    let north = Running::start(&bids, 72, true).await;
    let flexgen = Running::start(&bids, 71, false).await;
    for (running, operator) in [(&north, true), (&flexgen, false)] {
        let presentation = nodes::presentation(&orders, &running.party, operator);
        soon(running.node.give(nodes::channel(&orders).to_string().as_bytes())).await;
        soon(running.node.give(presentation.text().as_bytes())).await;
    }
    flexgen.joins(&north).await;
    let mut sent = Vec::new();
    for (number, market) in [(1, &bids), (2, &orders), (3, &bids)] {
        soon(flexgen.node.reader(&north.party.did, &market.channel)).await;
        let message = soon(flexgen.node.send(offer(market, number, "GB-1"))).await;
        // The next one is sent when this one was delivered.
        soon(flexgen.node.receipt(&message.id, &north.party.did)).await;
        sent.push(message.id);
    }
    let dispatch = Listen::reader("dispatch");
    let in_bids = dispatch.clone().in_channel("flex.gb.bids");
    {
        let mut everything = soon(north.node.listen(dispatch.clone())).await;
        let first = soon(everything.next()).await;
        soon(everything.done(&first)).await;
        let second = soon(everything.next()).await;
        assert_eq!([&first.id, &second.id], [&sent[0], &sent[1]]);
        let mut of_bids = soon(north.node.listen(in_bids.clone())).await;
        let (one, other) = (soon(of_bids.next()).await, soon(of_bids.next()).await);
        soon(of_bids.done(&other)).await;
        assert_eq!([&one.id, &other.id], [&sent[0], &sent[2]]);
    }

    let north = north.again(&bids, true).await;
    // It was done with the first of all only; what it did in one channel counts there alone.
    let mut everything = soon(north.node.listen(dispatch.clone())).await;
    assert_eq!(soon(everything.next()).await.id, sent[1]);
    let mut of_orders = soon(north.node.listen(dispatch.in_channel("flex.gb.orders"))).await;
    assert_eq!(soon(of_orders.next()).await.id, sent[1]);
    let mut of_bids = soon(north.node.listen(in_bids)).await;
    let more = tokio::time::timeout(Duration::from_millis(300), of_bids.next()).await;
    assert!(more.is_err(), "it was done with all of them: {more:?}");

    // Whoever keeps the number itself names no reader, and the channel by its CID as well.
    let by_number = Listen::after(0).in_channel(orders.channel.as_str());
    let mut listener = soon(north.node.listen(by_number)).await;
    let order = soon(listener.next()).await;
    assert_eq!(order.id, sent[1]);
    let nobodys = listener.done(&order).await.expect_err("no reader");
    assert_eq!(nobodys.code.id(), "GP-NODE-REQUEST");
    let unknown = Listen::after(0).in_channel("no.such.channel");
    let refused = north.node.listen(unknown).await.expect_err("no channel");
    assert_eq!(refused.code.id(), "GP-CHANNEL-UNKNOWN");
    for running in [&flexgen, &north] {
        running.node.stop().await;
    }
}

/// Flips a bit of a text in the log of a node that does not run.
fn damage(folder: &std::path::Path, text: &str) {
    for entry in std::fs::read_dir(folder.join("store")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "gplog") {
            continue;
        }
        let mut bytes = std::fs::read(&path).expect("a file");
        if let Some(at) = bytes.windows(text.len()).position(|w| w == text.as_bytes()) {
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).expect("written");
            return;
        }
    }
    panic!("{text} is not in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_damaged_on_disk_is_not_passed_over_in_silence() {
    let market = Market::with_operators(|_| ());
    let north = Running::start(&market, 72, true).await;
    let flexgen = Running::start(&market, 71, false).await;
    flexgen.joins(&north).await;
    soon(flexgen.node.reader(&north.party.did, &market.channel)).await;
    let mut sent = Vec::new();
    for number in [1, 2] {
        let message = soon(flexgen.node.send(offer(&market, number, "GB-1"))).await;
        soon(flexgen.node.receipt(&message.id, &north.party.did)).await;
        sent.push(message.id);
    }
    let first = soon(north.node.next_delivered(0)).await;
    // Nobody gives it back.
    flexgen.node.stop().await;
    north.node.stop().await;
    damage(north.folder.path(), &bid(1));
    let north = north.again(&market, true).await;
    let dispatch = Listen::reader("dispatch").in_channel("flex.gb.bids");
    {
        let mut listener = soon(north.node.listen(dispatch.clone())).await;
        let given = soon(listener.next_given()).await;
        let Given::Lost(lost) = given else { panic!("{given:?}") };
        assert!((lost.from..=lost.number).contains(&first.number), "{lost:?}");
        assert_eq!(lost.withheld.code, "GP-LOG-DAMAGED");
        assert_eq!(soon(listener.next()).await.id, sent[1]);
        soon(listener.done_until(lost.number)).await;
        // Who does not ask for it is told by an error, once, and goes on.
        let mut other = soon(north.node.listen(Listen::after(0))).await;
        let told = other.next().await.expect_err("the first is lost");
        assert_eq!(told.code, codes::LOG_DAMAGED);
        assert_eq!(soon(other.next()).await.id, sent[1]);
    }
    let mut listener = soon(north.node.listen(dispatch)).await;
    assert_eq!(soon(listener.next()).await.id, sent[1], "it was done with what is lost");
    north.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_another_log_are_refused_and_no_reader_goes_back() {
    let market = Market::with_operators(|_| ());
    let flexgen = alone(&market).await;
    soon(flexgen.node.send(offer(&market, 1, "GB-1"))).await;
    let status = soon(flexgen.node.status()).await;
    let last = status["lastNumber"].as_u64().expect("a number");
    assert!(last > 0, "{status}");
    // A file begins with 48 bytes that are no record.
    assert!(status["logBytes"].as_u64().is_some_and(|bytes| bytes > 48), "{status}");
    let reader = "dispatch".to_owned();
    let done = |number| Asked::Done { reader: reader.clone(), channel: None, number };
    // Others may be written meanwhile, and not so many.
    let beyond = last + 100_000;
    let listen = Asked::Listen { after: Some(beyond), reader: None, channel: None };
    for asked in [done(beyond), listen, Asked::Inbox { after: beyond, most: 1 }] {
        let refused = flexgen.node.ask(asked).await.expect_err("another log's");
        assert_eq!(refused.code.id(), "GP-NODE-NUMBER", "{refused}");
    }
    let (there, back) = tokio::join!(flexgen.node.ask(done(last)), flexgen.node.ask(done(0)));
    let (there, back) = (there.expect("done"), back.expect("done"));
    assert_eq!(there["number"], last);
    assert_eq!(back["number"], last);
    let listen = Asked::Listen { after: None, reader: Some(reader.clone()), channel: None };
    assert_eq!(soon(flexgen.node.ask(listen)).await["after"], last);
    flexgen.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ordered_under_a_reference_that_is_damaged_is_not_ordered_twice() {
    let market = Market::with_operators(|_| ());
    let flexgen = alone(&market).await;
    let order = offer(&market, 1, "GB-1").once("the order of today");
    let sent = soon(flexgen.node.send(order.clone())).await;
    flexgen.node.stop().await;
    // The message itself is whole.
    damage(flexgen.folder.path(), "the order of today");
    let flexgen = flexgen.again(&market, false).await;
    flexgen.node.hurry(Duration::from_secs(11)).await;
    let refused = flexgen.node.send(order).await.expect_err("it may have been sent");
    assert_eq!(refused.code, codes::LOG_DAMAGED, "{refused}");
    assert!(refused.message.contains(sent.id.as_str()), "{refused}");
    let ids = |all: &[Outgoing]| all.iter().map(|m| m.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&soon(flexgen.node.outbox(10)).await), std::slice::from_ref(&sent.id));
    // What names no reference is sent.
    let other = soon(flexgen.node.send(offer(&market, 2, "GB-1"))).await;
    assert_eq!(other.sequence, sent.sequence + 1);
    flexgen.node.stop().await;
}
