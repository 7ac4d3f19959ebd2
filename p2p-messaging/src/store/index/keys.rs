//! The keys of the index's rows: a letter for each kind, then what they are found by.

use crate::checking::Chain;
use gridpass_credentials::content_id::{ContentId, EnvelopeId};
use gridpass_identity::did::Did;
use sha2::{Digest as _, Sha256};

pub(super) fn chain_hash(chain: &Chain) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [chain.channel.as_str(), chain.sender.as_str(), chain.key.as_str()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

pub(super) fn id_key(id: &EnvelopeId) -> Vec<u8> {
    [b"i".as_slice(), &id.to_bytes()].concat()
}

pub(super) fn document_key(id: &ContentId) -> Vec<u8> {
    [b"d", id.as_str().as_bytes()].concat()
}

pub(super) fn link_key(chain: &[u8; 32], sequence: u64) -> Vec<u8> {
    [b"c".as_slice(), chain, &sequence.to_be_bytes()].concat()
}

pub(super) fn head_key(channel: &ContentId, chain: &[u8; 32]) -> Vec<u8> {
    [b"h", channel.as_str().as_bytes(), chain].concat()
}

pub(super) fn inbox_key(number: u64) -> Vec<u8> {
    [b"n".as_slice(), &number.to_be_bytes()].concat()
}

pub(super) fn fork_key(chain: &Chain) -> Vec<u8> {
    [b"f".as_slice(), &chain_hash(chain)].concat()
}

/// By chain and the greatest number that it speaks of, so that those about a number follow it.
pub(super) fn receipt_key(chain: &[u8; 32], until: u64, number: u64) -> Vec<u8> {
    [b"r".as_slice(), chain, &until.to_be_bytes(), &number.to_be_bytes()].concat()
}

pub(super) fn own_receipt_key(sender: &Did, number: u64) -> Vec<u8> {
    let hash: [u8; 32] = Sha256::digest(sender.as_str()).into();
    [b"o".as_slice(), &hash, &number.to_be_bytes()].concat()
}

pub(super) fn opened_key(id: &EnvelopeId) -> Vec<u8> {
    [b"p".as_slice(), &id.to_bytes()].concat()
}

/// By its first number, and by its name: of a message that was not sent after all the number is
/// used again.
pub(super) fn epoch_key(chain: &[u8; 32], first: u64, id: &str) -> Vec<u8> {
    [b"e".as_slice(), chain, &first.to_be_bytes(), id.as_bytes()].concat()
}

/// By the hour in which they began.
pub(super) fn cost_key(channel: &ContentId, sender: &Did, hour: u64) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [channel.as_str(), sender.as_str()] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    [b"b".as_slice(), &hash, &hour.to_be_bytes()].concat()
}

pub(super) fn grant_key(epoch: &ContentId, chain: &[u8; 32], number: u64) -> Vec<u8> {
    [b"g", epoch.as_str().as_bytes(), chain, &number.to_be_bytes()].concat()
}

/// Of a record that cannot be read.
pub(super) fn unread_key(number: u64) -> Vec<u8> {
    [b"x".as_slice(), &number.to_be_bytes()].concat()
}

pub(super) fn cursor_key(reader: &str) -> Vec<u8> {
    [b"u", reader.as_bytes()].concat()
}

/// What was sent in a channel under a reference.
pub(super) fn sent_key(channel: &ContentId, reference: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in [channel.as_str(), reference] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let hash: [u8; 32] = hash.finalize().into();
    [b"s".as_slice(), &hash].concat()
}

/// The reference of a message that was sent under one.
pub(super) fn reference_key(id: &EnvelopeId) -> Vec<u8> {
    [b"q".as_slice(), &id.to_bytes()].concat()
}

/// Of a message that was refused.
pub(super) fn refused_key(number: u64) -> Vec<u8> {
    [b"y".as_slice(), &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::rows::META;
    use super::*;
    use crate::test_kit::{cid, did_of, key};
    use std::collections::BTreeSet;

    #[test]
    fn each_kind_of_row_has_a_letter_of_its_own() {
        let (key, channel) = (did_of(&key(1)), cid("channel"));
        let sender = key.did().clone();
        let chain = Chain { channel: channel.clone(), sender: sender.clone(), key };
        let (hash, id) = (chain_hash(&chain), EnvelopeId::of_block(b"one").expect("a name"));
        let rows = [
            id_key(&id),
            document_key(&channel),
            link_key(&hash, 1),
            head_key(&channel, &hash),
            inbox_key(1),
            fork_key(&chain),
            receipt_key(&hash, 1, 1),
            own_receipt_key(&sender, 1),
            opened_key(&id),
            epoch_key(&hash, 1, channel.as_str()),
            cost_key(&channel, &sender, 1),
            grant_key(&channel, &hash, 1),
            unread_key(1),
            cursor_key("scada"),
            sent_key(&channel, "bid 17"),
            reference_key(&id),
            refused_key(1),
            META.to_vec(),
        ];
        let letters: BTreeSet<u8> = rows.iter().map(|row| row[0]).collect();
        assert_eq!(letters.len(), rows.len());
    }
}
