//! Fuzz targets for what `gridpass-messaging` reads: see [`crate::fuzz`].

use crate::messages::{Market, Peer, Sender, scene};
use crate::world::{NOW, Party};
use gridpass_credentials::content_id::EnvelopeId;
use gridpass_messaging::bundle::{Bundle, Manifest as BundleManifest, verify};
use gridpass_messaging::checking::{Source, Verdict};
use gridpass_messaging::envelope::Envelope;
use gridpass_messaging::exchange::message::{Message, digest_of};
use gridpass_messaging::files::{FileKey, MAX_BLOCKS, Manifest, Opener, Reference};
use gridpass_messaging::node::Invitation;
use gridpass_messaging::receipt::SignedReceipt;
use gridpass_messaging::sealing::{Epoch, SealedPayload, SignedStatement, Statement};
use gridpass_messaging::store::Entry;
use gridpass_messaging::sync::{Announcement, Packed, Request, Response, envelopes_in, pack};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;

/// An envelope, with its payload or without: what is read is written as the same bytes, has one
/// name in both forms, and nobody's signature but the key's own.
pub fn envelope(data: &[u8]) {
    if let Ok(read) = Envelope::parse(data) {
        assert_eq!(read.to_wire().as_deref(), Some(data));
        let block = read.to_block().expect("a block");
        let withheld = Envelope::parse_block(&block).expect("its own block");
        assert_eq!(withheld.id(), read.id());
        let stranger = Party::new(99).key.public_key();
        assert!(read.verify(&stranger).is_err());
    }
    if let Ok(read) = Envelope::parse_block(data) {
        assert_eq!(read.to_block().expect("a block"), data);
    }
}

/// What sealed channels read: sealed payloads, epochs, statements. What is read has one encoding, says
/// who signed it, and opens for nobody that it is not for.
pub fn sealing(data: &[u8]) {
    let stranger = Party::new(99);
    if let Ok(read) = SealedPayload::parse(data) {
        assert_eq!(read.encode().expect("bytes"), data);
    }
    if let Ok(epoch) = Epoch::parse(data) {
        assert!(epoch.id().verify(data).is_ok());
        assert!(epoch.take(&stranger.did, &stranger.key).is_err());
    }
    if let Ok(signed) = SignedStatement::parse(data)
        && let Statement::Grant(grant, _) = signed.statement()
    {
        assert!(grant.take(&stranger.key).is_err());
    }
}

/// The checking core, with whatever comes: it never admits what the accredited aggregator did not
/// sign, and never keeps what it cannot read.
pub fn checking(data: &[u8]) {
    thread_local! {
        // Made once: to compile the policy costs more than to check. Nothing that is checked is kept.
        static SCENE: RefCell<(Market, Sender, Peer)> = RefCell::new(scene());
    }
    SCENE.with_borrow_mut(|(market, sender, peer)| check_with(data, market, sender, peer));
}

fn check_with(data: &[u8], market: &Market, sender: &Sender, peer: &mut Peer) {
    let checked = peer.check(data, Source::Live, NOW);
    if let Some(envelope) = &checked.envelope {
        if checked.verdict == Verdict::Admit {
            assert!(envelope.verify(&sender.party.key.public_key()).is_ok());
            assert_eq!(envelope.header().channel, market.channel);
        }
    } else {
        assert!(matches!(checked.verdict, Verdict::Fault | Verdict::Ignore));
    }
}

/// A manifest of a file and a reference to one: what is read is written as the same, is bounded, and
/// its blocks lie side by side.
pub fn file(data: &[u8]) {
    if let Ok(manifest) = Manifest::parse(data) {
        assert_eq!(manifest.encode().expect("bytes"), data);
        let (blocks, lists) = (manifest.blocks(), manifest.lists().len());
        assert!(blocks <= MAX_BLOCKS && lists <= 128);
        for number in [0, blocks / 2, blocks.saturating_sub(1)].into_iter().filter(|n| *n < blocks)
        {
            let end = manifest.place_of(number) + manifest.bytes_of(number);
            assert!(manifest.is_last(number) || end == manifest.place_of(number + 1));
        }
        for number in 0..=lists {
            assert!(manifest.read_list(number, data).is_err() || !data.is_empty());
        }
        let _ = Opener::new(manifest, Some(&FileKey::new([7; 32])), 1);
    }
    if let Ok(reference) = Reference::parse(data) {
        assert!(Reference::is_one(data) && !reference.name.contains(['/', '\\']));
        let payload = reference.to_payload(serde_json::Map::new()).to_string();
        assert_eq!(Reference::parse(payload.as_bytes()), Ok(reference));
    }
}

/// What peers send each other: what is read is written again and read the same.
pub fn sync(data: &[u8]) {
    if let Ok(request) = Request::decode(data) {
        let bytes = request.encode().expect("what was read can be sent");
        assert_eq!(Request::decode(&bytes), Ok(request));
    }
    if let Ok(response) = Response::decode(data) {
        let bytes = response.encode().expect("what was read can be sent");
        assert_eq!(Response::decode(&bytes), Ok(response));
    }
    if let Ok(announcement) = Announcement::decode(data) {
        let bytes = announcement.encode().expect("what was read can be sent");
        assert_eq!(Announcement::decode(&bytes), Ok(announcement));
    }
    if let Ok(envelopes) = envelopes_in(data) {
        let named =
            envelopes.iter().map(|e| (EnvelopeId::of_block(e).expect("a name"), e.to_vec()));
        let messages = pack(named.collect()).expect("what was read can be sent");
        // What stands alone and begins as a batch does is no envelope.
        let alone = |m: &Packed| m.envelopes.len() == 1 && m.bytes.first() == Some(&0xa1);
        if !messages.iter().any(alone) {
            let again = messages.iter().flat_map(|m| envelopes_in(&m.bytes).expect("read"));
            assert!(again.eq(envelopes));
        }
    }
}

/// A receipt: what is read speaks of something, of one chain, in order, and nobody else signed it.
pub fn receipt(data: &[u8]) {
    if let Ok(signed) = SignedReceipt::parse(data) {
        let receipt = signed.receipt();
        assert!(receipt.speaks_of(receipt.until()));
        let stranger = Party::new(99).key.public_key();
        assert!(signed.verify(&stranger).is_err());
    }
}

/// A message of block exchange: what is read is written again and read the same, and every block is
/// called by its own bytes.
pub fn bitswap(data: &[u8]) {
    if let Ok(message) = Message::parse(data) {
        for block in &message.blocks {
            let digest = digest_of(&block.cid).expect("sha2-256");
            assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(&block.data)));
        }
        for wanted in
            message.wants.iter().map(|w| &w.cid).chain(message.presences.iter().map(|p| &p.0))
        {
            assert!(digest_of(wanted).is_some());
        }
        let weight = message.weight();
        let bytes = message.clone().into_bytes();
        assert!(bytes.len() <= weight);
        assert_eq!(Message::parse(&bytes), Ok(message));
    }
}

/// A join ticket: what is read is written again and read the same.
pub fn ticket(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(invitation) = Invitation::parse(text) {
        let again = invitation.to_ticket().expect("what was read can be written");
        assert_eq!(Invitation::parse(&again), Ok(invitation));
    }
}

/// A record of the log: what is read is written again and read the same.
pub fn entry(data: &[u8]) {
    if let Some(entry) = Entry::decode(data) {
        let bytes = entry.encode().expect("bytes");
        assert_eq!(Entry::decode(&bytes).as_ref(), Some(&entry));
        if let Entry::Envelope(kept) = entry {
            let _ = kept.envelope();
        }
    }
}

/// An evidence bundle and its manifest: what is read is bounded and in its one form, and verifying it
/// ends, with nothing passed that nobody signed.
pub fn bundle(data: &[u8]) {
    thread_local! {
        static PACK: Vec<u8> = crate::evidence::pack_of(&Market::with_operators(|_| ()));
    }
    if let Ok(manifest) = BundleManifest::parse(data) {
        assert_eq!(manifest.encode().expect("bytes"), data);
    }
    let Ok(read) = Bundle::parse(data) else { return };
    let listed = read.entries().messages.len();
    let report = PACK.with(|pack| verify(&read, pack, crate::evidence::LATER, None));
    let report = report.expect("a trust pack that holds");
    assert_eq!((report.counts.messages, report.messages.len()), (listed, listed));
    if !read.missing().is_empty() {
        assert_ne!(report.outcome, gridpass_identity::report::Outcome::Passed);
    }
    assert!(report.to_json().is_ok());
}
