//! Messages of block exchange: what is written is read, and what takes too much room is not.

#![allow(clippy::expect_used)]
use super::*;
use proptest::prelude::*;

fn block(data: &[u8]) -> Block {
    Block::new(0x55, data.to_vec()).expect("a block")
}

fn want(data: &[u8], wanted: Wanted) -> Want {
    Want { cid: block(data).cid, wanted, send_dont_have: wanted != Wanted::Nothing }
}

/// A block of five bytes, raw, sha2-256, as it travels.
#[test]
fn reads_what_the_specification_spells() {
    let bytes =
        [0x1a, 0x0d, 0x0a, 0x04, 0x01, 0x55, 0x12, 0x20, 0x12, 0x05, b'h', b'e', b'l', b'l', b'o'];
    let read = Message::parse(&bytes).expect("a message");
    assert_eq!(read.blocks, [block(b"hello")]);
    assert_eq!(read.into_bytes(), bytes);
}

#[test]
fn a_block_is_named_by_its_bytes_whatever_was_asked_for() {
    let mut block = block(b"what was asked for");
    block.data[0] ^= 1;
    let sent = Message { blocks: vec![block.clone()], ..Message::default() };
    let read = Message::parse(&sent.into_bytes()).expect("a message");
    assert_ne!(read.blocks[0].cid, block.cid);
}

#[test]
fn refuses_what_takes_more_room_than_it_says() {
    // Two bytes for each want: an empty one.
    for (entry, outer) in
        [(&[0x0a, 0x00][..], true), (&[0x1a, 0x00], false), (&[0x22, 0x00], false)]
    {
        let mut parts = entry.repeat(MAX_ENTRIES + 1);
        if outer {
            let mut message = vec![0x0a];
            prost::encoding::encode_varint(parts.len() as u64, &mut message);
            message.append(&mut parts);
            parts = message;
        }
        assert!(Message::parse(&parts).is_err(), "{entry:?}");
    }
    // Unknown parts without end are none either.
    assert!(Message::parse(&[0x78, 0x00].repeat(MAX_ENTRIES * 4 + 1)).is_err());
    assert!(Message::parse(&vec![0; MAX_MESSAGE + 1]).is_err());
    assert!(Block::new(0x55, vec![0; MAX_BLOCK + 1]).is_err());
}

#[test]
fn what_is_named_otherwise_is_left_out() {
    let blake = Multihash::<64>::wrap(0x1e, &[7; 32]).expect("a hash");
    let other = Cid::new_v1(0x55, blake);
    let sent = Message {
        wants: vec![Want { cid: other, wanted: Wanted::Block, send_dont_have: true }],
        presences: vec![(other, true), (block(b"a").cid, false)],
        ..Message::default()
    };
    let read = Message::parse(&sent.into_bytes()).expect("a message");
    assert_eq!(read.presences, [(block(b"a").cid, false)]);
    assert!(read.wants.is_empty());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        full: bool,
        blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..4),
        wants in proptest::collection::vec((any::<[u8; 4]>(), 0..3_u8), 0..4),
        presences in proptest::collection::vec((any::<[u8; 4]>(), any::<bool>()), 0..4),
    ) {
        let wanted = |n| match n {
            0 => Wanted::Block,
            1 => Wanted::Have,
            _ => Wanted::Nothing,
        };
        let message = Message {
            full,
            wants: wants.iter().map(|(d, n)| want(d, wanted(*n))).collect(),
            blocks: blocks.iter().map(|d| block(d)).collect(),
            presences: presences.iter().map(|(d, here)| (block(d).cid, *here)).collect(),
        };
        let weight = message.weight();
        let bytes = message.clone().into_bytes();
        prop_assert!(bytes.len() <= weight);
        prop_assert_eq!(Message::parse(&bytes), Ok(message));
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>) {
        let _ = Message::parse(&bytes);
    }
}
