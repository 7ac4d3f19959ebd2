//! Sealed channels between nodes that run: who is handed keys, over others too, and what somebody who
//! may not read any more, or not yet, can open with all that its node has.

use crate::running::{Running, bid, until};
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_credentials::secured::{Binding, Form};
use gridpass_credentials::status::Change;
use gridpass_credentials::visa::Purpose;
use gridpass_messaging::checking::Chain;
use gridpass_messaging::codes;
use gridpass_messaging::node::control::Asked;
use gridpass_messaging::receipt::{SignedReceipt, covers};
use gridpass_policy::channel::Sealing;
use gridpass_tests::messages::Market;
use gridpass_tests::nodes::{self, clock};
use gridpass_tests::world::{self, Party};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

fn market(history: bool) -> Market {
    Market::with_operators(|d| {
        d.sealing = Sealing::Members;
        d.receipts = true;
        d.retention.history = history;
    })
}

/// One who reads, and one who sends and has sent it the first message.
async fn market_of_two(history: bool) -> (Market, [Running; 2], String) {
    let market = market(history);
    let north = Running::start(&market, 72, true).await;
    let flexgen = Running::start(&market, 71, false).await;
    flexgen.joins(&north).await;
    flexgen.knows_members(1).await;
    let sent = flexgen.send(1, &[]).await;
    north.has(&[(&sent, 1)]).await;
    (market, [north, flexgen], sent)
}

/// Two who read, and one who sends and is connected with the first alone; it knows of both.
async fn market_of_three() -> (Market, [Running; 3]) {
    let market = market(true);
    let north = Running::start(&market, 72, true).await;
    let south = Running::start(&market, 73, true).await;
    let flexgen = Running::start(&market, 71, false).await;
    south.joins(&north).await;
    flexgen.joins(&north).await;
    flexgen.knows_members(2).await;
    (market, [north, south, flexgen])
}

/// The regulator's list, by which somebody's operator visa is revoked now.
fn revoked(market: &Market, party: &Party) -> Vec<u8> {
    let operators = market.operators.as_ref().expect("a role");
    let visa = world::visa(&market.regulator, party, operators, |_| ());
    let change = Change { index: visa.status[0].index, set: true, at: clock() };
    let list =
        world::list_by(&market.regulator, &market.regulator, Purpose::Revocation, &[change], |l| {
            l["validFrom"] = json!(clock());
            l["credentialSubject"]["statusList"]["version"] = json!(6);
        });
    list.secured().text().as_bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_are_handed_keys_also_by_a_sender_that_they_are_not_connected_with() {
    let (market, [north, south, flexgen]) = market_of_three().await;
    let first = flexgen.send(1, &[]).await;
    let second = flexgen.send(2, &[]).await;
    for reader in [&north, &south] {
        reader.has(&[(&first, 1), (&second, 2)]).await;
    }
    // Both confirm it, and a sender finds its own again after a restart.
    let envelope = EnvelopeId::parse(&first).expect("an id");
    until("receipts", async || {
        let fate = flexgen.node.ask(Asked::Receipts { envelope: envelope.clone() }).await.ok()?;
        let delivered = |p: &Party| fate["recipients"][p.did.as_str()]["state"] == "delivered";
        (delivered(&north.party)).then_some(())
    })
    .await;
    let flexgen = flexgen.again(&market, false).await;
    let south = south.again(&market, true).await;
    south.has(&[(&first, 1), (&second, 2)]).await;
    flexgen.joins(&north).await;
    south.joins(&north).await;
    flexgen.knows_members(2).await;
    // It knows from before to whom it seals, and is not connected with south now either.
    let third = flexgen.send(3, &[]).await;
    south.has(&[(&first, 1), (&second, 2), (&third, 3)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_visa_is_revoked_opens_nothing_that_is_sealed_from_then_on() {
    let (market, [north, south, flexgen]) = market_of_three().await;
    let before = flexgen.send(1, &[]).await;
    south.has(&[(&before, 1)]).await;
    flexgen.add(&revoked(&market, &south.party)).await;
    let after = flexgen.send(2, &[]).await;
    north.has(&[(&before, 1), (&after, 2)]).await;
    let sender = flexgen.party.clone();
    flexgen.node.stop().await;
    // With everything that north or it itself has, and its own key.
    let north = north.stopped_with_chain(&sender, &market).await;
    let south = south.stopped_with_chain(&sender, &market).await;
    let stores = [&north.store, &south.store];
    assert_eq!(north.envelopes.len(), 2);
    assert_eq!(south.opens(&north.envelopes, &stores), [true, false]);
    assert_eq!(north.opens(&north.envelopes, &stores), [true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_reads_from_then_on_or_all_where_the_channel_says_so() {
    for history in [false, true] {
        let (market, [north, flexgen], before) = market_of_two(history).await;
        // A visa says by the second when it was signed: in a later one than the message.
        let said = clock();
        while clock().floor_to_second() <= said {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let party = Party::new(73);
        let operators = market.operators.as_ref().expect("a role");
        let visa = world::visa(&market.regulator, &party, operators, |_| ());
        let visa = world::issue_as(&market.regulator, &visa, Form::Jwt, clock());
        let audience = market.channel.to_string();
        let binding = Binding { audience, nonce: None, expires: world::in_days(30) };
        let presentation = world::present_as(&party, &[&visa], Form::Jwt, &binding);
        let south = Running::start_with(&market, party, &presentation).await;
        south.joins(&north).await;
        flexgen.knows_members(2).await;
        let after = flexgen.send(2, &[]).await;
        if history {
            south.has(&[(&before, 1), (&after, 2)]).await;
        } else {
            south.has(&[(&after, 2)]).await;
        }
        let sender = flexgen.party.clone();
        flexgen.node.stop().await;
        let north = north.stopped_with_chain(&sender, &market).await;
        let south = south.stopped_with_chain(&sender, &market).await;
        let stores = [&north.store, &south.store];
        assert_eq!(south.opens(&north.envelopes, &stores), [history, true]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_key_over_a_restart_is_handed_it_when_the_sender_is_back() {
    let (market, [north, flexgen], sent) = market_of_two(true).await;
    let Running { party, folder, node } = flexgen;
    node.stop().await;
    drop(node);
    // It catches up with what it cannot open, and nobody is there to ask.
    let south = Running::start(&market, 73, true).await;
    south.joins(&north).await;
    south.lacks(1).await;
    let south = south.again(&market, true).await;
    south.joins(&north).await;
    south.lacks(1).await;
    assert!(south.inbox().await.is_empty());
    let node = nodes::start(folder.path(), &market, &party, false).await;
    let flexgen = Running { party, folder, node };
    flexgen.joins(&north).await;
    south.has(&[(&sent, 1)]).await;
    // And once only, also after another restart.
    let south = south.again(&market, true).await;
    south.has(&[(&sent, 1)]).await;
    south.lacks(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_left_out_says_so_in_its_receipt_and_confirms_what_it_opens_later() {
    let (market, [north, flexgen], sent) = market_of_two(true).await;
    let Running { party, folder, node } = flexgen;
    node.stop().await;
    drop(node);
    let south = Running::start(&market, 73, true).await;
    south.joins(&north).await;
    south.lacks(1).await;
    let told = async |count: u64| {
        until("the sender is told", async || {
            let status = south.node.ask(Asked::Status).await.ok()?;
            (status["channels"][0]["sealing"]["leftOut"] == count).then_some(())
        })
        .await;
    };
    told(0).await;
    let why = |code: gridpass_identity::code::Code| vec![(code.id().to_owned(), 1_u64)];
    assert_eq!(south.passed_over().await, why(codes::SEALING_NO_KEY));
    south.node.hurry(Duration::from_secs(30)).await;
    told(1).await;
    assert_eq!(south.passed_over().await, why(codes::SEALING_LEFT_OUT));
    // The sender comes back, and hands the key over.
    let node = nodes::start(folder.path(), &market, &party, false).await;
    let flexgen = Running { party, folder, node };
    flexgen.joins(&north).await;
    south.has(&[(&sent, 1)]).await;
    told(0).await;
    assert!(south.passed_over().await.is_empty());
    let sender = flexgen.party.clone();
    let south = south.stopped_with_chain(&sender, &market).await;
    let receipts = south.store.own_receipts(&sender.did, 0, 10);
    let read = |(_, text): &(u64, Vec<u8>)| SignedReceipt::parse(text).expect("a receipt");
    let receipts: Vec<_> = receipts.iter().map(read).collect();
    let [refused, delivered] = &receipts[..] else { panic!("{receipts:?}") };
    let refusals = &refused.receipt().refused;
    assert_eq!(refusals.len(), 1);
    assert_eq!(refusals[0].sequence, 1);
    assert_eq!(refusals[0].reasons, [codes::SEALING_LEFT_OUT.id()]);
    assert!(covers(&delivered.receipt().delivered, 1) && delivered.receipt().refused.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_whose_message_could_not_be_kept_is_sealed_anew() {
    let market = market(true);
    let flexgen = Running::start(&market, 71, false).await;
    // The place of the log's first file is taken.
    let taken = flexgen.folder.path().join(format!("store/{:020}.gplog", 1));
    std::fs::create_dir(&taken).expect("in the way");
    let refused = flexgen.try_send(1, &[]).await.expect_err("there is no room");
    assert_eq!(refused.code, codes::NOT_DURABLE);
    std::fs::remove_dir(&taken).expect("room again");
    let sent = flexgen.send(2, &[]).await;
    let north = Running::start(&market, 72, true).await;
    north.joins(&flexgen).await;
    north.has(&[(&sent, 2)]).await;
    let sender = flexgen.party.clone();
    let flexgen = flexgen.stopped_with_chain(&sender, &market).await;
    let [envelope] = &flexgen.envelopes[..] else { panic!("one") };
    assert_eq!(envelope.header().sequence, 1, "its number is used again");
    // Of the epoch that began with the first nothing is left.
    let epochs = flexgen.store.own_epochs(&Chain::of(envelope.header()));
    assert_eq!(epochs, [(1, envelope.header().epoch.clone().expect("sealed"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_on_the_disk_of_a_node_beside_its_own_key() {
    let (_, [north, flexgen], _) = market_of_two(true).await;
    for running in [&flexgen, &north] {
        running.node.stop().await;
        let mut files = 0;
        each_file(running.folder.path(), &mut |bytes| {
            files += 1;
            let text = bid(1);
            let found = bytes.windows(text.len()).any(|w| w == text.as_bytes());
            assert!(!found, "the payload is on the disk in plain");
        });
        assert!(files > 3, "{files} files were looked at");
    }
}

fn each_file(folder: &Path, look: &mut dyn FnMut(&[u8])) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => each_file(&path, look),
            false => look(&std::fs::read(&path).unwrap_or_default()),
        }
    }
}
