//! What is remembered of a peer whose connections come and go.

use super::desk::Taken;
use super::message::{Block, Message};
use super::*;

fn exchange() -> Exchange {
    let (commands, _) = mpsc::channel(1);
    let (_, incoming) = mpsc::channel(1);
    Exchange::start(Arc::new(Nothing), commands.downgrade(), incoming, |_| ())
}

#[tokio::test]
async fn a_peer_that_takes_its_word_back_has_no_more_streams_than_any_other() {
    let (exchange, peer) = (exchange(), PeerId::random());
    exchange.speaks(peer, true);
    let places: Vec<_> = std::iter::from_fn(|| exchange.0.desk(peer).place()).collect();
    assert_eq!(places.len(), 4);
    for speaks in [false, true] {
        exchange.speaks(peer, speaks);
        assert_eq!(exchange.is_speaker(&peer), speaks);
        assert!(exchange.0.desk(peer).place().is_none(), "a fifth stream is read");
    }
    exchange.gone(peer);
    assert!(exchange.0.desk(peer).place().is_none(), "what is read still counts");
    drop(places);
    assert!(exchange.0.desk(peer).place().is_some());
}

#[tokio::test]
async fn what_was_wanted_before_another_connection_is_not_given_on_it() {
    let (exchange, peer) = (exchange(), PeerId::random());
    let cid = Block::new(0x55, b"here".to_vec()).expect("a block").cid;
    let want = message::Want { cid, wanted: Wanted::Block, send_dont_have: true };
    let wants = || Message { wants: vec![want.clone()], ..Message::default() };
    let desk = exchange.0.desk(peer);
    for (millis, is_current) in [(0, true), (900, true), (5000, false)] {
        desk.take(wants());
        desk.met(Instant::now() + Duration::from_millis(millis));
        assert_eq!(desk.next_want(), Some((want.clone(), is_current)), "{millis} ms later");
    }
}

#[tokio::test]
async fn what_was_asked_before_a_reconnection_may_come_after_it() {
    let (exchange, peer) = (exchange(), PeerId::random());
    let block = Block::new(0x55, b"late".to_vec()).expect("a block");
    let waiting = exchange.0.desk(peer).want(block.cid, Wanted::Block).await.expect("asked");
    exchange.gone(peer);
    assert_eq!(waiting.answer().await, Said::NotHere);
    let come = |block| Message { blocks: vec![block], ..Message::default() };
    assert_eq!(exchange.0.desk(peer).take(come(block)), Taken::Well);
    let other = Block::new(0x55, b"never asked for".to_vec()).expect("a block");
    assert_eq!(exchange.0.desk(peer).take(come(other)), Taken::Unasked);
}
